/*
 * Open intents: each is a row before it is a call. The state is read before a call and behind it;
 * an answer that does not tell is followed by reading, never by asking again at once.
 */
#include <string.h>

#include <apr_strings.h>

#include "deeds.h"

#define STEP_WAIT apr_time_from_msec(250)
#define READ_FRESH apr_time_from_sec(10)     /* state that a call may rest on */
#define CALL_TAKES apr_time_from_sec(30)     /* of a call that nobody answered, at most */
#define TAKES_ADVERTISING apr_time_from_sec(7 * 60)  /* until routers everywhere follow */
#define TAKES_WITHDRAWING apr_time_from_sec(15 * 60)
#define AGAIN apr_time_from_msec(100)
#define READ_ABSENT apr_time_from_sec(30)    /* the same, where the last one did not list it */
#define READ_AGAIN apr_time_from_sec(1)      /* of real time, between two readings for an intent */

static apr_interval_time_t real(const cfmt_look_t *l, apr_interval_time_t d)
{
    return cfmt_clock_span(l->e->conf.clock, d);
}

static void wait_for(cfmt_look_t *l, apr_time_t t)
{
    if (t > l->now && (!l->next || t < l->next)) {
        l->next = t;
    }
}

/* ---- the call -------------------------------------------------------------------------------- */

/*
 * A withdrawal was judged by the journal up to l->head. Whoever answers a delivery needs the lock
 * that is held here: what has come since is seen, and it is judged anew.
 */
static apr_status_t is_judged(cfmt_look_t *l, const cfmt_intent_row_t *in, int *pclaimed)
{
    apr_int64_t head = l->head;
    apr_status_t rv = in->want ? APR_SUCCESS : cfmt_journal_head(l->e->store, &head);

    if (rv == APR_SUCCESS && head != l->head) {
        *pclaimed = 0;
        wait_for(l, l->now + real(l, AGAIN));
    }
    return rv;
}

/* The row says `sent` before anything is. */
static apr_status_t note_sent(cfmt_look_t *l, const cfmt_intent_row_t *in,
                              const cfmt_prefix_row_t *row,
                              int *pclaimed)
{
    cfmt_intent_change_t c = { .state = CFMT_INTENT_SENT, .at = l->now, .owner = l->e->owner,
                               .expects = row->b.advertised_at };
    cfmt_store_t *s = l->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_intent_claim(s, in->id, l->e->owner, l->now, real(l, CFMT_CALL_LEASE), pclaimed);
    if (rv == APR_SUCCESS && *pclaimed) {
        rv = is_judged(l, in, pclaimed);
    }
    if (rv == APR_SUCCESS && *pclaimed) {
        rv = cfmt_intent_change(s, in->id, &c, l->p);
    }
    if (rv == APR_SUCCESS && *pclaimed && l->sc) {
        rv = cfmt_journal_head(s, &l->head);
    }
    if (rv != APR_SUCCESS || !*pclaimed) {
        cfmt_store_rollback(s);
        *pclaimed = 0;
        return rv == CFMT_EMOVED || rv == CFMT_EINVALID ? APR_SUCCESS : rv;
    }
    return cfmt_store_commit(s);
}

static apr_status_t call(cfmt_look_t *l, cfmt_intent_row_t *in, const cfmt_prefix_row_t *row)
{
    cfmt_result_t r = { .status = APR_SUCCESS };
    int claimed = 0;
    apr_status_t rv;

    if (cfmt_call_may(l->e, &r, l->p) != APR_SUCCESS) {
        /* no call was made, and none is counted */
        return cfmt_act_try_again(l, in, r.detail, r.retry_at);
    }
    rv = note_sent(l, in, row, &claimed);
    if (rv != APR_SUCCESS || !claimed) {
        return rv;
    }
    in->attempts++;
    if (cfmt_call_patch(l->e, in, row, l->now, &r, l->p) != APR_SUCCESS) {
        return cfmt_act_try_again(l, in, r.detail ? r.detail : "the API cannot be asked now",
                                  r.retry_at);
    }
    cfmt_log(l->e->conf.log, CFMT_LOG_NOTICE, CFMT_ID(0974) "%s %s: sent (intent %" APR_INT64_T_FMT
             ", call %d)", cfmt_act_verb(in), cfmt_cidr_format(l->p, &in->prefix), in->id,
             in->attempts);
    return APR_SUCCESS;
}

/* ---- answers --------------------------------------------------------------------------------- */

static int is_definite(apr_status_t rv)
{
    return rv == CFMT_ELIMIT || rv == CFMT_EAUTH || rv == CFMT_EREFUSED;
}

static apr_status_t take_answer(cfmt_look_t *l, const cfmt_intent_row_t *in, cfmt_deed_call_t *call)
{
    const char *text = *call->detail ? apr_pstrdup(l->p, call->detail)
                                     : cfmt_status_name(call->status);

    if (in->state != CFMT_INTENT_SENT) { /* superseded meanwhile */
        return APR_SUCCESS;
    }
    l->read = 1;
    l->e->hurried_at = 0;
    if (call->status == APR_SUCCESS) {
        return cfmt_act_change(l, in, CFMT_INTENT_ACCEPTED, "accepted", 0);
    }
    if (call->status == CFMT_EREFUSED) {
        return cfmt_act_end(l, in, CFMT_INTENT_REFUSED, text);
    }
    return is_definite(call->status) ? cfmt_act_try_again(l, in, text, call->retry_at)
                                     : cfmt_act_unsure(l, in, text);
}

/* Superseded while it was under way: noted beside the one that took its place. */
static apr_status_t note_late(cfmt_look_t *l, const cfmt_deed_call_t *call)
{
    cfmt_store_t *s = l->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_intent_late(s, call->intent, l->now,
                          call->status == APR_SUCCESS ? "accepted" : call->detail, l->p);
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv == CFMT_EINVALID || rv == CFMT_EMISSING ? APR_SUCCESS : rv;
    }
    return cfmt_store_commit(s);
}

static apr_status_t take_answers(cfmt_look_t *l)
{
    apr_status_t rv = APR_SUCCESS;
    cfmt_intent_row_t in;
    int i;

    for (i = l->e->calls->nelts - 1; rv == APR_SUCCESS && i >= 0; i--) {
        cfmt_deed_call_t *call = APR_ARRAY_IDX(l->e->calls, i, cfmt_deed_call_t *);

        if (!call->answered) {
            continue;
        }
        rv = cfmt_intent_load(l->e->store, &in, call->intent, l->p);
        if (rv == APR_SUCCESS) {
            rv = in.sent_at != call->sent_at ? APR_SUCCESS /* of another store, or long ago */
                 : in.state == CFMT_INTENT_SUPERSEDED ? note_late(l, call)
                                                      : take_answer(l, &in, call);
        }
        if (rv == APR_SUCCESS || rv == CFMT_EMISSING) {
            cfmt_call_forget(l->e, call);
            rv = APR_SUCCESS;
        }
    }
    return rv;
}

/* ---- by what was read ------------------------------------------------------------------------ */

/* Its state was read behind t, and a short time ago. */
static int is_read(cfmt_look_t *l, const cfmt_prefix_row_t *row, apr_time_t t)
{
    int fresh = !row->missing_since && row->read_at >= t && row->read_at <= l->now
                && l->now - row->read_at <= real(l, READ_FRESH);

    if (!fresh) {
        *(row->missing_since ? &l->read_absent : &l->read) = 1;
    }
    return fresh;
}

/*
 * Just before a call that withdraws: what has come in since it was decided. *pfate says KEEP only
 * of a journal that is projected to its head.
 */
static apr_status_t judge_anew(cfmt_look_t *l, cfmt_pending_e *pfate, const cfmt_intent_row_t *in,
                               const cfmt_prefix_row_t *row)
{
    const cfmt_pending_t pending = { .want = 0, .by_hand = strcmp(in->who, "policy") != 0,
                                     .override = in->override };
    apr_status_t rv = APR_SUCCESS;
    cfmt_case_t c;
    apr_time_t at;

    if (!l->sc) {
        l->sc = apr_palloc(l->p, sizeof(*l->sc));
        rv = cfmt_scene_load(l->sc, l->e, l->now, l->p);
        l->head = l->sc->head;
    }
    *pfate = CFMT_PENDING_REVERSE; /* not now */
    if (rv == APR_SUCCESS && l->sc->cursor >= l->sc->head) {
        cfmt_scene_case(&c, l->sc, row, cfmt_scene_standing(l->sc, &in->prefix));
        *pfate = cfmt_advertise_pending(&at, &pending, &c);
    }
    return rv;
}

static apr_status_t withdraw(cfmt_look_t *l, cfmt_intent_row_t *in, const cfmt_prefix_row_t *row)
{
    cfmt_pending_e fate;
    apr_status_t rv = judge_anew(l, &fate, in, row);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (fate == CFMT_PENDING_CANCEL) {
        return cfmt_act_end(l, in, CFMT_INTENT_REFUSED, "an attack began, or it is held now");
    }
    if (fate != CFMT_PENDING_KEEP) {
        wait_for(l, l->now + real(l, AGAIN));
        return APR_SUCCESS;
    }
    return call(l, in, row);
}

static apr_status_t put_off(cfmt_look_t *l, const cfmt_intent_row_t *in, const char *why,
                            apr_time_t at)
{
    return cfmt_act_change(l, in, CFMT_INTENT_REQUESTED, why, at);
}

/* Its state is known: what there is to do about it. */
static apr_status_t carry_out(cfmt_look_t *l, cfmt_intent_row_t *in, const cfmt_prefix_row_t *row)
{
    const char *why = cfmt_act_impossible(row);
    apr_time_t at = 0;
    apr_status_t rv;

    if (why) {
        return cfmt_act_end(l, in, CFMT_INTENT_REFUSED, why);
    }
    rv = cfmt_act_settles(l->e, &at, in, l->p);
    if (rv != APR_SUCCESS || at > l->now) {
        return rv != APR_SUCCESS
                   ? rv : put_off(l, in, "the call before it is waited for", at);
    }
    if (!is_read(l, row, at)) {
        return APR_SUCCESS;
    }
    if (row->b.advertised == in->want) {
        return cfmt_act_end(l, in, CFMT_INTENT_DONE, "it was so already: no call was needed");
    }
    at = cfmt_act_allowed(l->e, in, row, l->now, l->p);
    if (at && !in->want) {
        return cfmt_act_end(l, in, CFMT_INTENT_REFUSED, "advertised too short a time ago");
    }
    return at        ? put_off(l, in, "withdrawn too short a time ago", at)
           : in->want ? call(l, in, row) : withdraw(l, in, row);
}

static apr_status_t requested(cfmt_look_t *l, cfmt_intent_row_t *in, const cfmt_prefix_row_t *row)
{
    const char *why = cfmt_act_void(l->e, in, l->now);

    if (why) {
        return in->attempts ? cfmt_act_end(l, in, CFMT_INTENT_FAILED, why)
               : !strcmp(in->who, "policy") ? cfmt_act_change(l, in, CFMT_INTENT_CANCELLED, why, 0)
                                            : cfmt_act_end(l, in, CFMT_INTENT_CANCELLED, why);
    }
    return is_read(l, row, in->created_at > in->answered_at ? 0 : in->answered_at)
               ? carry_out(l, in, row) : APR_SUCCESS;
}

/* A crash, or another leader: nobody knows what came of the call. */
static apr_status_t orphaned(cfmt_look_t *l, const cfmt_intent_row_t *in)
{
    return in->expires_at > l->now && in->expires_at < l->now + 2 * real(l, CFMT_CALL_LEASE)
                   && !(in->owner && cfmt_owner_is_dead(in->owner))
               ? APR_SUCCESS
               : cfmt_act_unsure(l, in, "its leader ended during the call");
}

static apr_time_t takes(const cfmt_intent_row_t *in)
{
    return in->sent_at + (in->want ? TAKES_ADVERTISING : TAKES_WITHDRAWING);
}

static apr_status_t accepted(cfmt_look_t *l, const cfmt_intent_row_t *in,
                             const cfmt_prefix_row_t *row)
{
    if (!is_read(l, row, in->answered_at)) {
        return APR_SUCCESS;
    }
    if (row->b.advertised == in->want) {
        return cfmt_act_change(l, in, CFMT_INTENT_PROPAGATING, "read as wanted: routers follow",
                               takes(in));
    }
    if (l->now - in->answered_at < cfmt_act_shows(l->e)) {
        return cfmt_act_change(l, in, CFMT_INTENT_ACCEPTED, "accepted, and not read so yet",
                               l->now + real(l, APR_USEC_PER_SEC));
    }
    return cfmt_act_try_again(l, in, "accepted, but it stayed as it was", 0);
}

/* As wanted: by this call or by anybody. Else it did not come to pass. */
static apr_status_t unknown(cfmt_look_t *l, const cfmt_intent_row_t *in,
                            const cfmt_prefix_row_t *row)
{
    /* how long before the clock was set it was sent nobody knows */
    apr_time_t since = in->sent_at > l->e->jumped_at ? in->sent_at : l->e->jumped_at;

    if (!is_read(l, row, in->answered_at > in->sent_at ? in->answered_at : in->sent_at)) {
        return APR_SUCCESS;
    }
    if (row->b.advertised == in->want) {
        return cfmt_act_change(l, in, CFMT_INTENT_PROPAGATING, "the call was carried out",
                               takes(in));
    }
    if (!in->want && l->now - since < real(l, CALL_TAKES)) { /* it may still be */
        wait_for(l, l->now + real(l, APR_USEC_PER_SEC));
        return APR_SUCCESS;
    }
    if (!in->want && !is_read(l, row, since + real(l, CALL_TAKES))) { /* it may have been since */
        return APR_SUCCESS;
    }
    if (!in->want && !strcmp(in->who, "policy")) {
        return cfmt_act_end(l, in, CFMT_INTENT_FAILED,
                            "the call was not carried out: decided anew, with another last look");
    }
    return cfmt_act_try_again(l, in, "the call was not carried out", 0);
}

/* Dated anew, so that a reading from an older copy is not taken for a change. */
static int is_undone(const cfmt_intent_row_t *in, const cfmt_prefix_row_t *row)
{
    return row->b.advertised == !in->want && row->b.advertised_at != in->expects;
}

static apr_status_t propagating(cfmt_look_t *l, const cfmt_intent_row_t *in,
                                const cfmt_prefix_row_t *row)
{
    if (is_undone(in, row)) {
        if (row->b.advertised_at >= takes(in)) { /* nobody was there to see that it was done */
            return cfmt_act_end(l, in, CFMT_INTENT_DONE, "done, and changed by somebody since");
        }
        return cfmt_act_end(l, in, CFMT_INTENT_FAILED, "somebody else has changed it back");
    }
    if (!cfmt_intent_due(in, l->now) || !is_read(l, row, in->sent_at)) {
        return APR_SUCCESS;
    }
    if (row->b.advertised != in->want) {
        return cfmt_act_end(l, in, CFMT_INTENT_FAILED, "it did not stay as wanted");
    }
    return l->now >= takes(in)
               ? cfmt_act_end(l, in, CFMT_INTENT_DONE, "routers have had their time")
               : cfmt_act_change(l, in, CFMT_INTENT_PROPAGATING, NULL, takes(in));
}

/* Nothing can be read of it any more. What was read before that remains true. */
static apr_status_t vanished(cfmt_look_t *l, const cfmt_intent_row_t *in)
{
    if (in->state == CFMT_INTENT_PROPAGATING) {
        return cfmt_act_end(l, in, CFMT_INTENT_DONE, "it was read so; then it was listed no more");
    }
    return cfmt_act_end(l, in,
                        in->state == CFMT_INTENT_REQUESTED && !in->attempts ? CFMT_INTENT_REFUSED
                                                                            : CFMT_INTENT_FAILED,
                        "the account has no such BGP prefix");
}

static apr_status_t go_on(cfmt_look_t *l, cfmt_intent_row_t *in)
{
    const cfmt_prefix_row_t *row = cfmt_prefix_find(l->prefixes, &in->prefix);
    int due = cfmt_intent_due(in, l->now);

    if (in->state == CFMT_INTENT_SENT) {
        return cfmt_call_of(l->e, in->id) ? APR_SUCCESS : orphaned(l, in);
    }
    if (!row) {
        return vanished(l, in);
    }
    if (in->state == CFMT_INTENT_PROPAGATING) {
        return propagating(l, in, row);
    }
    if (in->state == CFMT_INTENT_REQUESTED) {
        return due || cfmt_act_barred(l->e, in) ? requested(l, in, row) : APR_SUCCESS;
    }
    return !due ? APR_SUCCESS
           : in->state == CFMT_INTENT_ACCEPTED ? accepted(l, in, row) : unknown(l, in, row);
}

/* ---- the round's part ------------------------------------------------------------------------ */

/* In a transaction of its own: in; NULL = the readings. */
static apr_status_t redate(cfmt_look_t *l, const cfmt_intent_row_t *in)
{
    cfmt_store_t *s = l->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = in ? cfmt_intent_redate(s, in)
            : cfmt_readings_redate(s, l->now, l->now - real(l, CFMT_FRESH_MAX));
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv == CFMT_EMOVED ? APR_SUCCESS : rv;
    }
    return cfmt_store_commit(s);
}

/*
 * Written, so that all who lead see the same and an intent that is due can be claimed. That of a
 * call under way tells whose answer comes.
 */
static apr_status_t heed_clock(cfmt_look_t *l, cfmt_intent_row_t *in)
{
    return in->state != CFMT_INTENT_SENT && cfmt_act_heed_clock(l->e, in, l->now) ? redate(l, in)
                                                                                  : APR_SUCCESS;
}

/* What was read before the clock was set back would look young when it has caught up with that. */
static apr_status_t heed_readings(cfmt_look_t *l, const apr_array_header_t *open)
{
    cfmt_engine_t *e = l->e;
    apr_status_t rv = e->undated ? redate(l, NULL) : APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && e->undated && e->jumped_at && i < open->nelts; i++) {
        apr_int64_t id = APR_ARRAY_IDX(open, i, cfmt_intent_row_t).id;

        e->of_before = id > e->of_before ? id : e->of_before;
    }
    e->undated = e->undated && rv != APR_SUCCESS;
    return rv;
}

static int is_ours(const cfmt_look_t *l, const cfmt_intent_row_t *in)
{
    const apr_array_header_t *mine = l->e->conf.mine;
    int i;

    for (i = 0; mine && i < mine->nelts && APR_ARRAY_IDX(mine, i, apr_int64_t) != in->id; i++) {
    }
    return !mine || i < mine->nelts;
}

static void note_next(cfmt_look_t *l, const cfmt_intent_row_t *in)
{
    wait_for(l, in->not_before);
    wait_for(l, in->next_at);
    if (in->state == CFMT_INTENT_SENT) {
        wait_for(l, in->expires_at);
    }
}

/* Again and again, while it cannot be read: not more often than the budget of all calls bears. */
apr_status_t cfmt_act_read_soon(cfmt_engine_t *e, apr_interval_time_t pause, apr_time_t *pnext)
{
    apr_time_t mono = cfmt_monotonic(), now = cfmt_clock_now(e->conf.clock), then;
    apr_interval_time_t again = READ_AGAIN << (e->read_fails < 4 ? e->read_fails : 4), left;

    pause = pause > again ? pause : again;
    left = e->hurried_at ? e->hurried_at + pause - mono : 0;
    then = now + cfmt_clock_span(e->conf.clock, left > 0 ? left : pause);
    *pnext = !*pnext || then < *pnext ? then : *pnext;
    if (left > 0) {
        return APR_SUCCESS;
    }
    e->hurried_at = mono;
    return cfmt_job_hurry(e->store, "prefixes", now, 1);
}

apr_status_t cfmt_act_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick)
{
    cfmt_look_t l = { .e = e, .p = ptick, .now = cfmt_clock_now(e->conf.clock) };
    apr_array_header_t *open;
    apr_status_t rv = take_answers(&l);
    int i;

    rv = rv == APR_SUCCESS ? cfmt_intents_open(e->store, &open, ptick) : rv;
    rv = rv == APR_SUCCESS ? heed_readings(&l, open) : rv;
    if (rv != APR_SUCCESS || !open->nelts) {
        return rv;
    }
    rv = cfmt_prefixes_load(e->store, &l.prefixes, ptick);
    for (i = 0; rv == APR_SUCCESS && i < open->nelts; i++) {
        cfmt_intent_row_t *in = &APR_ARRAY_IDX(open, i, cfmt_intent_row_t);

        if (!is_ours(&l, in)) {
            continue;
        }
        rv = heed_clock(&l, in);
        rv = rv == APR_SUCCESS ? go_on(&l, in) : rv;
        note_next(&l, in);
    }
    e->set_back = e->set_back && rv != APR_SUCCESS;
    if (rv == APR_SUCCESS && (l.read || l.read_absent)) {
        rv = cfmt_act_read_soon(e, l.read ? 0 : READ_ABSENT, &l.next);
    }
    if (l.next && (!*pdue || l.next < *pdue)) {
        *pdue = l.next;
    }
    return rv;
}
