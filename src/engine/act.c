/*
 * Open intents: each is a row before it is a call. The state is read before a call and behind it;
 * an answer that does not tell is followed by reading, never by asking again at once.
 */
#include <string.h>

#include <apr_strings.h>

#include "decide.h"

#define LEASE apr_time_from_sec(60)          /* of a call; its transfer takes 30 s at most */
#define STEP_WAIT apr_time_from_msec(250)
#define READ_FRESH apr_time_from_sec(10)     /* state that a call may rest on */
#define LOOK_LASTS apr_time_from_sec(15)     /* the policy withdraws within, or decides anew */
#define RETRY apr_time_from_sec(10)
#define RETRY_MAX apr_time_from_sec(300)
#define TAKES_ADVERTISING apr_time_from_sec(7 * 60)  /* until routers everywhere follow */
#define TAKES_WITHDRAWING apr_time_from_sec(15 * 60)
#define SHOWS_WITHIN apr_time_from_sec(120)  /* what was accepted is read so */
#define LOUD_AGAIN apr_time_from_sec(3600)

/* One PATCH under way. */
typedef struct cfmt_deed_call_t {
    cfmt_engine_t *e;
    apr_pool_t *pool;
    apr_int64_t intent;
    int answered;
    apr_status_t status;
    apr_time_t retry_at;
    int code;
    const char *detail;
} cfmt_deed_call_t;

/* A look at the open intents. */
typedef struct look_t {
    cfmt_engine_t *e;
    apr_pool_t *p;
    apr_time_t now;
    apr_array_header_t *prefixes; /* cfmt_prefix_row_t */
    int read;                     /* the state is to be read at once */
    apr_time_t next;
} look_t;

static const char *verb(const cfmt_intent_row_t *in)
{
    return in->want ? "advertise" : "withdraw";
}

static const char *prefix_of(const look_t *l, const cfmt_intent_row_t *in)
{
    return cfmt_cidr_format(l->p, &in->prefix);
}

static apr_interval_time_t real(const look_t *l, apr_interval_time_t d)
{
    return cfmt_clock_span(l->e->conf.clock, d);
}

/* ---- changing an intent ---------------------------------------------------------------------- */

/* In a transaction of its own. What has gone on without us loses nothing. */
static apr_status_t change(look_t *l, const cfmt_intent_row_t *in, cfmt_intent_e state,
                           const char *text, apr_time_t next_at)
{
    cfmt_intent_change_t c = { .state = state, .at = l->now, .text = text, .next_at = next_at };
    cfmt_store_t *s = l->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_intent_change(s, in->id, &c, l->p);
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv == CFMT_EMOVED || rv == CFMT_EINVALID || rv == CFMT_EMISSING ? APR_SUCCESS : rv;
    }
    rv = cfmt_store_commit(s);
    l->e->journaled |= rv == APR_SUCCESS;
    return rv;
}

static void tell_end(const look_t *l, const cfmt_intent_row_t *in, cfmt_intent_e state,
                     const char *why)
{
    const cfmt_log_t *log = l->e->conf.log;

    if (state == CFMT_INTENT_DONE) {
        cfmt_log(log, CFMT_LOG_NOTICE, CFMT_ID(0970) "%s is %s (intent %" APR_INT64_T_FMT "): %s",
                 prefix_of(l, in), cfmt_want_name(in->want), in->id, why);
    }
    else if (state == CFMT_INTENT_REFUSED) {
        cfmt_log(log, CFMT_LOG_ERR, CFMT_ID(0971) "%s %s was refused (intent %" APR_INT64_T_FMT
                 "): %s", verb(in), prefix_of(l, in), in->id, why);
    }
    else {
        cfmt_log(log, CFMT_LOG_ERR, CFMT_ID(0972) "%s %s has failed (intent %" APR_INT64_T_FMT
                 "): %s", verb(in), prefix_of(l, in), in->id, why);
    }
}

static apr_status_t end(look_t *l, const cfmt_intent_row_t *in, cfmt_intent_e state,
                        const char *why)
{
    apr_status_t rv = change(l, in, state, why, 0);

    if (rv == APR_SUCCESS) {
        tell_end(l, in, state, why);
    }
    return rv;
}

/* Doubles with each call, never gives up: still advertised, or still exposed. */
static apr_time_t retry_at(const look_t *l, const cfmt_intent_row_t *in)
{
    return cfmt_schedule_next(l->now, RETRY, RETRY_MAX, in->attempts, 100, (apr_uint32_t)in->id);
}

/* Told at the 1st and 3rd failure, then each hour. */
static void tell_failure(look_t *l, const cfmt_intent_row_t *in, const char *why, apr_time_t next)
{
    cfmt_memory_t *m = cfmt_scene_memory(l->e, &in->prefix);

    if (in->attempts == 1 || in->attempts == 3 || l->now - m->told_failing_at >= LOUD_AGAIN) {
        m->told_failing_at = l->now;
        cfmt_log(l->e->conf.log, CFMT_LOG_ERR,
                 CFMT_ID(0973) "%s %s does not succeed (intent %" APR_INT64_T_FMT ", call %d): %s;"
                               " tried again at %s", verb(in), prefix_of(l, in), in->id,
                 in->attempts, why, cfmt_time_format(l->p, next));
    }
}

static apr_status_t try_again(look_t *l, const cfmt_intent_row_t *in, const char *why,
                              apr_time_t at)
{
    at = at > l->now ? at : retry_at(l, in);
    tell_failure(l, in, why, at);
    return change(l, in, CFMT_INTENT_REQUESTED, why, at);
}

/* ---- the call -------------------------------------------------------------------------------- */

static void answered(void *baton, const cfmt_api_result_t *result)
{
    cfmt_deed_call_t *call = baton;

    call->answered = 1;
    call->status = result->r.status;
    call->retry_at = result->r.retry_at;
    call->code = result->code;
    call->detail = apr_pstrdup(call->pool, result->r.detail ? result->r.detail : "");
    call->e->answered = 1;
}

static cfmt_deed_call_t *call_of(const cfmt_engine_t *e, apr_int64_t intent)
{
    int i;

    for (i = 0; i < e->calls->nelts; i++) {
        cfmt_deed_call_t *call = APR_ARRAY_IDX(e->calls, i, cfmt_deed_call_t *);

        if (call->intent == intent) {
            return call;
        }
    }
    return NULL;
}

static void forget_call(cfmt_engine_t *e, cfmt_deed_call_t *call)
{
    int i, n = 0;

    for (i = 0; i < e->calls->nelts; i++) {
        cfmt_deed_call_t *other = APR_ARRAY_IDX(e->calls, i, cfmt_deed_call_t *);

        if (other != call) {
            APR_ARRAY_IDX(e->calls, n++, cfmt_deed_call_t *) = other;
        }
    }
    e->calls->nelts = n;
    apr_pool_destroy(call->pool);
}

static apr_status_t ignore_row(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    (void)baton, (void)which, (void)row, (void)prow;
    return APR_SUCCESS; /* what is so now is read, not believed */
}

/* Not sent: the breaker, or the budget. */
static apr_status_t patch(look_t *l, const cfmt_intent_row_t *in, const cfmt_prefix_row_t *row,
                          cfmt_result_t *r)
{
    static const char *const rows[] = { "result", NULL };
    cfmt_engine_t *e = l->e;
    cfmt_api_call_t call = { .method = "PATCH", .rows = rows, .row = ignore_row, .done = answered,
                             .action = 1 };
    cfmt_deed_call_t *mine;
    apr_pool_t *p;
    apr_status_t rv;

    apr_pool_create(&p, e->pool);
    apr_pool_tag(p, "cfmt_deed");
    mine = apr_pcalloc(p, sizeof(*mine));
    mine->e = e;
    mine->pool = p;
    mine->intent = in->id;
    call.baton = mine;
    call.path = apr_pstrcat(p, cfmt_bgp_prefixes_path(cfmt_api_account(e->api), row->b.parent, p),
                            "/", row->b.id, NULL);
    call.body = in->want ? "{\"on_demand\":{\"advertised\":true}}"
                         : "{\"on_demand\":{\"advertised\":false}}";
    rv = cfmt_api_call(e->api, &call, r, l->p);
    if (rv != APR_SUCCESS) {
        apr_pool_destroy(p);
        return rv;
    }
    APR_ARRAY_PUSH(e->calls, cfmt_deed_call_t *) = mine;
    return APR_SUCCESS;
}

/* The row says `sent` before anything is. */
static apr_status_t note_sent(look_t *l, const cfmt_intent_row_t *in, const cfmt_prefix_row_t *row,
                              int *pclaimed)
{
    cfmt_intent_change_t c = { .state = CFMT_INTENT_SENT, .at = l->now, .owner = l->e->owner,
                               .expects = row->b.advertised_at };
    cfmt_store_t *s = l->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_intent_claim(s, in->id, l->e->owner, l->now, real(l, LEASE), pclaimed);
    if (rv == APR_SUCCESS && *pclaimed) {
        rv = cfmt_intent_change(s, in->id, &c, l->p);
    }
    if (rv != APR_SUCCESS || !*pclaimed) {
        cfmt_store_rollback(s);
        *pclaimed = 0;
        return rv == CFMT_EMOVED || rv == CFMT_EINVALID ? APR_SUCCESS : rv;
    }
    return cfmt_store_commit(s);
}

static apr_status_t call(look_t *l, cfmt_intent_row_t *in, const cfmt_prefix_row_t *row)
{
    cfmt_result_t r = { .status = APR_SUCCESS };
    int claimed = 0;
    apr_status_t rv = note_sent(l, in, row, &claimed);

    if (rv != APR_SUCCESS || !claimed) {
        return rv;
    }
    in->attempts++;
    if (patch(l, in, row, &r) != APR_SUCCESS) {
        return try_again(l, in, r.detail ? r.detail : "the API cannot be asked now", r.retry_at);
    }
    cfmt_log(l->e->conf.log, CFMT_LOG_NOTICE, CFMT_ID(0974) "%s %s: sent (intent %" APR_INT64_T_FMT
             ", call %d)", verb(in), prefix_of(l, in), in->id, in->attempts);
    return APR_SUCCESS;
}

/* ---- answers --------------------------------------------------------------------------------- */

static int is_definite(apr_status_t rv)
{
    return rv == CFMT_ELIMIT || rv == CFMT_EAUTH || rv == CFMT_EREFUSED;
}

static apr_status_t take_answer(look_t *l, const cfmt_intent_row_t *in, cfmt_deed_call_t *call)
{
    const char *text = *call->detail ? apr_pstrdup(l->p, call->detail)
                                     : cfmt_status_name(call->status);
    apr_status_t rv;

    if (in->state != CFMT_INTENT_SENT) { /* superseded meanwhile */
        return APR_SUCCESS;
    }
    l->read = 1;
    if (call->status == APR_SUCCESS) {
        return change(l, in, CFMT_INTENT_ACCEPTED, "accepted", 0);
    }
    if (call->status == CFMT_EREFUSED) {
        return end(l, in, CFMT_INTENT_REFUSED, text);
    }
    if (is_definite(call->status)) {
        return try_again(l, in, text, call->retry_at);
    }
    rv = change(l, in, CFMT_INTENT_UNKNOWN, text, 0);
    if (rv == APR_SUCCESS) {
        tell_failure(l, in, apr_pstrcat(l->p, text, "; its state is read before anything else",
                                        NULL), l->now);
    }
    return rv;
}

/* Superseded while it was under way: noted beside the one that took its place. */
static apr_status_t note_late(look_t *l, const cfmt_deed_call_t *call)
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

static apr_status_t take_answers(look_t *l)
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
            rv = in.state == CFMT_INTENT_SUPERSEDED ? note_late(l, call)
                                                    : take_answer(l, &in, call);
        }
        if (rv == APR_SUCCESS || rv == CFMT_EMISSING) {
            forget_call(l->e, call);
            rv = APR_SUCCESS;
        }
    }
    return rv;
}

/* ---- by what was read ------------------------------------------------------------------------ */

static const cfmt_prefix_row_t *row_of(const look_t *l, const cfmt_intent_row_t *in)
{
    return cfmt_prefix_find(l->prefixes, &in->prefix);
}

/* Its state was read behind t, and a short time ago. */
static int is_read(look_t *l, const cfmt_prefix_row_t *row, apr_time_t t)
{
    int fresh = row && row->read_at >= t && l->now - row->read_at <= real(l, READ_FRESH)
                && row->read_at <= l->now;

    l->read |= !fresh;
    return fresh;
}

/* A withdrawal that the policy decided upon rests on a look that is over soon. */
static int is_too_late(const look_t *l, const cfmt_intent_row_t *in)
{
    return !in->want && !strcmp(in->who, "policy")
           && l->now - in->created_at > real(l, LOOK_LASTS);
}

static const char *impossible(const cfmt_prefix_row_t *row)
{
    return !row                    ? "the account has no such BGP prefix"
           : row->b.locked == 1    ? "locked by Cloudflare"
           : row->b.enabled == 0   ? "not on demand"
           : row->b.bgp_control == 1 ? "controlled by BGP, not by the API" : NULL;
}

static apr_status_t requested(look_t *l, cfmt_intent_row_t *in)
{
    const cfmt_prefix_row_t *row = row_of(l, in);
    const char *why;

    if (is_too_late(l, in)) {
        return in->attempts
                   ? end(l, in, CFMT_INTENT_FAILED, "not carried out in time: decided anew")
                   : change(l, in, CFMT_INTENT_CANCELLED, "the last look is too old", 0);
    }
    if (!is_read(l, row, in->created_at > in->answered_at ? 0 : in->answered_at)) {
        return APR_SUCCESS;
    }
    why = impossible(row);
    if (why) {
        return end(l, in, CFMT_INTENT_REFUSED, why);
    }
    if (row->b.advertised == in->want) {
        return end(l, in, CFMT_INTENT_DONE, "it was so already: no call was needed");
    }
    return call(l, in, row);
}

/* A crash, or another leader: nobody knows what came of the call. */
static apr_status_t orphaned(look_t *l, const cfmt_intent_row_t *in)
{
    return in->expires_at > l->now && in->expires_at < l->now + 2 * real(l, LEASE)
                   && !(in->owner && cfmt_owner_is_dead(in->owner))
               ? APR_SUCCESS
               : change(l, in, CFMT_INTENT_UNKNOWN, "its leader ended during the call", 0);
}

static apr_time_t takes(const cfmt_intent_row_t *in)
{
    return in->sent_at + (in->want ? TAKES_ADVERTISING : TAKES_WITHDRAWING);
}

static apr_status_t accepted(look_t *l, const cfmt_intent_row_t *in)
{
    const cfmt_prefix_row_t *row = row_of(l, in);

    if (!is_read(l, row, in->answered_at)) {
        return APR_SUCCESS;
    }
    if (row->b.advertised == in->want) {
        return change(l, in, CFMT_INTENT_PROPAGATING, "read as wanted: routers follow", takes(in));
    }
    if (l->now - in->answered_at < SHOWS_WITHIN) {
        return change(l, in, CFMT_INTENT_ACCEPTED, "accepted, and not read so yet",
                      l->now + real(l, APR_USEC_PER_SEC));
    }
    return try_again(l, in, "accepted, but it stayed as it was", 0);
}

/* As wanted: by this call or by anybody. Else it did not come to pass. */
static apr_status_t unknown(look_t *l, const cfmt_intent_row_t *in)
{
    const cfmt_prefix_row_t *row = row_of(l, in);

    if (!is_read(l, row, in->answered_at > in->sent_at ? in->answered_at : in->sent_at)) {
        return APR_SUCCESS;
    }
    if (row->b.advertised == in->want) {
        return change(l, in, CFMT_INTENT_PROPAGATING, "the call was carried out", takes(in));
    }
    if (!in->want && !strcmp(in->who, "policy")) {
        return end(l, in, CFMT_INTENT_FAILED,
                   "the call was not carried out: decided anew, with another last look");
    }
    return try_again(l, in, "the call was not carried out", 0);
}

static apr_status_t propagating(look_t *l, const cfmt_intent_row_t *in)
{
    const cfmt_prefix_row_t *row = row_of(l, in);

    if (!is_read(l, row, in->sent_at)) {
        return APR_SUCCESS;
    }
    if (row->b.advertised != in->want) {
        return end(l, in, CFMT_INTENT_FAILED, "somebody else has changed it back");
    }
    return l->now >= takes(in) ? end(l, in, CFMT_INTENT_DONE, "routers have had their time")
                               : change(l, in, CFMT_INTENT_PROPAGATING, NULL, takes(in));
}

static apr_status_t go_on(look_t *l, cfmt_intent_row_t *in)
{
    switch (in->state) {
    case CFMT_INTENT_REQUESTED:
        return requested(l, in);
    case CFMT_INTENT_SENT:
        return call_of(l->e, in->id) ? APR_SUCCESS : orphaned(l, in);
    case CFMT_INTENT_ACCEPTED:
        return accepted(l, in);
    case CFMT_INTENT_UNKNOWN:
        return unknown(l, in);
    case CFMT_INTENT_PROPAGATING:
        return propagating(l, in);
    default:
        return APR_SUCCESS;
    }
}

/* ---- the round's part ------------------------------------------------------------------------ */

static void wait_for(look_t *l, apr_time_t t)
{
    if (t > l->now && (!l->next || t < l->next)) {
        l->next = t;
    }
}

static int is_ours(const look_t *l, const cfmt_intent_row_t *in)
{
    const apr_array_header_t *mine = l->e->conf.mine;
    int i;

    for (i = 0; mine && i < mine->nelts && APR_ARRAY_IDX(mine, i, apr_int64_t) != in->id; i++) {
    }
    return !mine || i < mine->nelts;
}

static void note_next(look_t *l, const cfmt_intent_row_t *in)
{
    wait_for(l, in->not_before);
    wait_for(l, in->next_at);
    if (in->state == CFMT_INTENT_SENT) {
        wait_for(l, in->expires_at);
    }
}

apr_status_t cfmt_act_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick)
{
    look_t l = { .e = e, .p = ptick, .now = cfmt_clock_now(e->conf.clock) };
    apr_array_header_t *open;
    apr_status_t rv = take_answers(&l);
    int i;

    rv = rv == APR_SUCCESS ? cfmt_intents_open(e->store, &open, ptick) : rv;
    if (rv != APR_SUCCESS || !open->nelts) {
        return rv;
    }
    rv = cfmt_prefixes_load(e->store, &l.prefixes, ptick);
    for (i = 0; rv == APR_SUCCESS && i < open->nelts; i++) {
        cfmt_intent_row_t *in = &APR_ARRAY_IDX(open, i, cfmt_intent_row_t);

        if (!is_ours(&l, in)) {
            continue;
        }
        if (in->state == CFMT_INTENT_SENT || cfmt_intent_due(in, l.now)) {
            rv = go_on(&l, in);
        }
        note_next(&l, in);
    }
    if (rv == APR_SUCCESS && l.read) {
        rv = cfmt_job_hurry(e->store, "prefixes", l.now, 1);
        wait_for(&l, l.now + real(&l, apr_time_from_msec(200)));
    }
    if (l.next && (!*pdue || l.next < *pdue)) {
        *pdue = l.next;
    }
    return rv;
}
