/*
 * One prefix in one round: what policy says of it, what is to be written because of it, what people
 * are told. Written in one transaction, told behind it.
 */
#include <string.h>

#include <apr_strings.h>

#include "news_of.h"

#define WOULD_AGAIN apr_time_from_sec(3600)
#define TTL apr_time_from_sec(30 * 60)
#define RETRY apr_time_from_sec(10)
#define RETRY_MAX apr_time_from_sec(300)

static const char *name_of(const cfmt_outcome_t *o, apr_pool_t *p)
{
    return cfmt_cidr_format(p, &o->row->b.cidr);
}

/* ---- what is to be made ---------------------------------------------------------------------- */

static cfmt_intent_row_t *make_intent(const cfmt_outcome_t *o, const cfmt_scene_t *sc, int want,
                                      const char *cause, const char *reason)
{
    cfmt_intent_row_t *in = apr_pcalloc(sc->p, sizeof(*in));

    in->prefix = o->row->b.cidr;
    in->prefix_id = o->row->b.id;
    in->want = want;
    in->cause = cause;
    in->who = "policy";
    in->reason = reason ? reason : "";
    in->created_at = sc->now;
    return in;
}

static cfmt_proposal_row_t *make_proposal(const cfmt_outcome_t *o, const cfmt_scene_t *sc,
                                          int want, const char *reason)
{
    cfmt_proposal_row_t *pr = apr_pcalloc(sc->p, sizeof(*pr));

    pr->prefix = o->row->b.cidr;
    pr->want = want;
    pr->attack = want ? o->a.attack : o->standing.cause.attack;
    pr->reason = reason ? reason : "";
    pr->made_at = sc->now;
    pr->expires_at = sc->now + cfmt_sense_duration(sc->e, "ProposalTtl", TTL);
    return pr;
}

/*
 * What a withdrawal is overtaken by: it need not be one that the prefix would be advertised for,
 * and what is advertised again is advertised for it all the same.
 */
static const char *overtaking(const cfmt_outcome_t *o)
{
    return o->a.attack ? o->a.attack : o->d.gates[CFMT_GATE_NO_ATTACK].text;
}

/* What is ordered is not proposed. */
const char *cfmt_outcome_exposed(const cfmt_outcome_t *o, apr_pool_t *p)
{
    const cfmt_intent_row_t *in = o->pending;

    if (!in || !in->want || o->a.action == CFMT_ADVERTISE_BLOCKED) {
        return cfmt_of_reason(o->advertise_text);
    }
    return apr_psprintf(p, "it is %s%s (intent %" APR_INT64_T_FMT ")",
                        in->not_before > o->c.now ? "to be advertised at " : "being advertised",
                        in->not_before > o->c.now ? cfmt_time_format(p, in->not_before) : "",
                        in->id);
}

/* Nobody was there to see that it was done: what is open now did not overtake it. */
static int is_long_done(const cfmt_intent_row_t *in, apr_time_t now)
{
    return in->state == CFMT_INTENT_PROPAGATING && now - in->sent_at > CFMT_REGRET;
}

/* An open intent, and what has happened since it was made. */
static void judge_pending(cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    const cfmt_intent_row_t *in = o->pending;
    const cfmt_pending_t pending = {
        .want = in->want, .by_hand = strcmp(in->who, "policy") != 0, .override = in->override,
        .sent = in->state != CFMT_INTENT_REQUESTED || in->attempts > 0, .sent_at = in->sent_at
    };
    apr_time_t at = 0;

    o->fate = cfmt_advertise_pending(&at, &pending, &o->c);
    if (o->fate == CFMT_PENDING_REVERSE
        && (sc->mode != CFMT_MODE_ENFORCE || is_long_done(in, sc->now))) {
        o->fate = CFMT_PENDING_KEEP; /* an operator's; by itself the policy changes nothing */
    }
    if (o->fate == CFMT_PENDING_REVERSE) {
        o->intent = make_intent(o, sc, !in->want, "attack", "an attack began during a withdrawal");
        o->intent->attack = overtaking(o);
        o->intent->not_before = at;
        o->supersede = in->id;
    }
}

const char *cfmt_outcome_why(const cfmt_outcome_t *o, apr_pool_t *p)
{
    const cfmt_gate_t *calm = &o->d.gates[CFMT_GATE_CALM];
    const cfmt_cause_t *cause = &o->standing.cause;

    return apr_psprintf(p, "%" APR_INT64_T_FMT " minutes calm, no attack open; it was advertised"
                           " at %s for %s %s", calm->value, cfmt_time_format(p, cause->at),
                        cfmt_cause_name(cause->kind),
                        cause->attack ? cause->attack : cause->who ? cause->who : "");
}

static void choose_withdrawal(cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    cfmt_memory_t *m = cfmt_scene_memory(sc->e, &o->row->b.cidr);

    switch (o->d.action) {
    case CFMT_DO_WITHDRAW:
        o->intent = make_intent(o, sc, 0,
                                o->c.options.withdraw == CFMT_HOW_PROPOSE ? "proposal" : "calm",
                                cfmt_outcome_why(o, sc->p));
        o->intent->attack = o->standing.cause.attack;
        o->intent->proposal = o->c.withdraw_offer.state == CFMT_OFFER_APPROVED
                                  ? o->c.withdraw_offer.id : 0;
        m->look_at = 0;
        break;
    case CFMT_DO_PROPOSE:
        o->proposal = make_proposal(o, sc, 0, o->text);
        break;
    case CFMT_DO_WOULD:
        o->tell_would = !o->standing.would_told_at
                        || sc->now - o->standing.would_told_at >= WOULD_AGAIN
                        || sc->now < o->standing.would_told_at;
        break;
    default:
        break;
    }
}

static void choose_advertisement(cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    if (o->a.action == CFMT_ADVERTISE_NOW || o->a.action == CFMT_ADVERTISE_QUEUE) {
        o->intent = make_intent(o, sc, 1, "attack", o->advertise_text);
        o->intent->attack = o->a.attack;
        o->intent->not_before = o->a.action == CFMT_ADVERTISE_QUEUE ? o->a.at : 0;
    }
    else if (o->a.action == CFMT_ADVERTISE_PROPOSE) {
        o->proposal = make_proposal(o, sc, 1, o->advertise_text);
    }
}

/* How often in a row it was tried in vain, and what that costs; 0 = nothing. */
static apr_time_t rests_until(const cfmt_outcome_t *o, const cfmt_scene_t *sc, int want)
{
    const apr_array_header_t *done = cfmt_scene_rows(sc, &o->row->b.cidr)->done;
    apr_interval_time_t least = cfmt_clock_span(sc->e->conf.clock, APR_USEC_PER_SEC);
    const cfmt_intent_row_t *last = NULL;
    int i, fails = 0;

    for (i = 0; done && i < done->nelts; i++) {
        const cfmt_intent_row_t *in = APR_ARRAY_IDX(done, i, const cfmt_intent_row_t *);

        if (in->state == CFMT_INTENT_CANCELLED) {
            continue; /* nothing was tried */
        }
        if (in->want != want
            || (in->state != CFMT_INTENT_FAILED && in->state != CFMT_INTENT_REFUSED)) {
            break;
        }
        last = last ? last : in;
        fails++;
    }
    return !last || last->settled_at > sc->now
               ? 0
               : cfmt_schedule_next(last->settled_at, RETRY > least ? RETRY : least, RETRY_MAX,
                                    fails - 1, 100, (apr_uint32_t)last->id);
}

/* What failed is not tried again in the same breath, with the same end. */
static void wait_after_failure(cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    int want = o->intent ? o->intent->want : o->row->b.advertised != 1;
    apr_time_t until = rests_until(o, sc, want);

    if (until > sc->now && (o->intent || o->d.action == CFMT_DO_LOOK)) {
        o->wait = until;
        o->intent = NULL;
    }
}

/* A proposal whose reason is gone. */
static int is_over(const cfmt_outcome_t *o, const cfmt_proposal_row_t *pr)
{
    if (pr->want) {
        return o->row->b.advertised == 1 || !o->a.attack;
    }
    return o->row->b.advertised != 1 || o->row->b.advertised_at > pr->made_at
           || !cfmt_gate_open(&o->d.gates[CFMT_GATE_NO_ATTACK])
           || !cfmt_gate_open(&o->d.gates[CFMT_GATE_CALM])
           || !cfmt_gate_open(&o->d.gates[CFMT_GATE_NO_HOLD]);
}

static void find_over(cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    const apr_array_header_t *all = cfmt_scene_rows(sc, &o->row->b.cidr)->proposals;
    int i;

    for (i = 0; all && i < all->nelts; i++) {
        const cfmt_proposal_row_t *pr = APR_ARRAY_IDX(all, i, const cfmt_proposal_row_t *);

        if (pr->state == CFMT_PROPOSAL_OPEN && is_over(o, pr)) {
            o->over[pr->want != 0] = pr;
        }
    }
}

apr_status_t cfmt_outcome_find(cfmt_outcome_t *o, const cfmt_scene_t *sc,
                               const cfmt_prefix_row_t *row)
{
    apr_status_t rv;

    memset(o, 0, sizeof(*o));
    o->row = row;
    rv = cfmt_attribute(&o->standing, &o->attributed, &o->before, sc, row);
    o->save_standing = o->attributed != CFMT_ATTRIBUTED_SAME;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    cfmt_scene_case(&o->c, sc, row, &o->standing);
    cfmt_withdraw_decide(&o->d, &o->c);
    cfmt_advertise_decide(&o->a, &o->c);
    o->pending = cfmt_scene_intent(sc, &row->b.cidr);
    cfmt_outcome_show(o, sc);
    if (o->pending) {
        judge_pending(o, sc);
    }
    else {
        choose_withdrawal(o, sc);
        choose_advertisement(o, sc);
        wait_after_failure(o, sc);
    }
    find_over(o, sc);
    o->page = o->a.page && !o->intent;
    o->tell_orphan = o->d.orphan_tell;
    o->standing.paged_at = o->page ? sc->now : o->standing.paged_at;
    o->standing.orphan_told_at = o->tell_orphan ? sc->now : o->standing.orphan_told_at;
    o->standing.would_told_at = o->tell_would ? sc->now : o->standing.would_told_at;
    o->save_standing |= o->page || o->tell_orphan || o->tell_would;
    cfmt_outcome_notice(o, sc);
    return rv;
}

/* ---- writing --------------------------------------------------------------------------------- */

int cfmt_outcome_writes(const cfmt_outcome_t *o)
{
    return o->save_standing || o->decision || o->intent || o->proposal || o->over[0] || o->over[1]
           || o->fate == CFMT_PENDING_CANCEL || o->due_for || o->locked_for;
}

int cfmt_outcome_is_urgent(const cfmt_outcome_t *o)
{
    return o->intent || o->proposal || o->page || o->fate == CFMT_PENDING_CANCEL || o->locked_for;
}

static apr_status_t record_change(const cfmt_standing_t *st, const cfmt_scene_t *sc, apr_pool_t *p)
{
    const cfmt_cause_t *cause = &st->cause;

    return cfmt_record(sc->e, sc->now, st->advertised ? "change.advertised" : "change.withdrawn",
                       cfmt_cidr_format(p, &st->prefix),
                       cause->who ? cause->who : cfmt_cause_name(cause->kind),
                       cfmt_cause_name(cause->kind),
                       cause->intent ? apr_psprintf(p, "intent %" APR_INT64_T_FMT, cause->intent)
                       : cause->attack ? apr_pstrcat(p, "attack ", cause->attack, NULL) : NULL);
}

static apr_status_t write_intent(cfmt_outcome_t *o, const cfmt_scene_t *sc, apr_pool_t *p)
{
    apr_status_t rv = cfmt_intent_create(sc->e->store, o->intent, o->supersede, p);

    if (rv == CFMT_EEXIST || rv == CFMT_EMOVED) {
        o->intent = NULL; /* an operator's, made since: decided anew */
        return APR_SUCCESS;
    }
    return rv != APR_SUCCESS
               ? rv
               : cfmt_record(sc->e, sc->now, o->intent->want ? "advertise" : "withdraw",
                             name_of(o, p), "policy", o->intent->reason,
                             apr_psprintf(p, "intent %" APR_INT64_T_FMT, o->intent->id));
}

static const char *why_cancelled(const cfmt_outcome_t *o)
{
    return o->pending->want ? "the attack is over"
           : cfmt_gate_open(&o->d.gates[CFMT_GATE_NO_ATTACK]) ? "held, or in a maintenance window"
                                                              : "an attack began";
}

static apr_status_t write_cancel(cfmt_outcome_t *o, const cfmt_scene_t *sc, apr_pool_t *p)
{
    cfmt_intent_change_t change = { .state = CFMT_INTENT_CANCELLED, .at = sc->now, .who = "policy",
                                    .text = why_cancelled(o) };
    apr_status_t rv = cfmt_intent_change(sc->e->store, o->pending->id, &change, p);

    if (rv == CFMT_EINVALID || rv == CFMT_EMOVED || rv == CFMT_EMISSING) {
        o->fate = CFMT_PENDING_KEEP; /* it has gone on since */
        return APR_SUCCESS;
    }
    return rv != APR_SUCCESS
               ? rv
               : cfmt_record(sc->e, sc->now, "cancel", name_of(o, p), "policy", change.text,
                             apr_psprintf(p, "intent %" APR_INT64_T_FMT, o->pending->id));
}

static apr_status_t write_proposals(cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    cfmt_store_t *s = sc->e->store;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < 2; i++) {
        if (o->over[i]) {
            rv = cfmt_proposal_decide(s, o->over[i]->id, CFMT_PROPOSAL_WITHDRAWN, "policy",
                                      "its reason is gone", sc->now);
            rv = rv == CFMT_EINVALID || rv == CFMT_EMISSING ? APR_SUCCESS : rv;
        }
    }
    if (rv == APR_SUCCESS && o->proposal) {
        rv = cfmt_proposal_make(s, o->proposal);
        if (rv == CFMT_EEXIST) {
            o->proposal = NULL;
            rv = APR_SUCCESS;
        }
    }
    return rv;
}

apr_status_t cfmt_outcome_write(cfmt_outcome_t *o, const cfmt_scene_t *sc, apr_pool_t *ptemp)
{
    apr_status_t rv = APR_SUCCESS;
    int changed;

    if (o->save_standing) {
        rv = cfmt_standing_save(sc->e->store, &o->standing);
    }
    if (rv == APR_SUCCESS && o->before) {
        rv = record_change(o->before, sc, ptemp);
    }
    if (rv == APR_SUCCESS && o->attributed == CFMT_ATTRIBUTED_CHANGE) {
        rv = record_change(&o->standing, sc, ptemp);
    }
    if (rv == APR_SUCCESS && o->fate == CFMT_PENDING_CANCEL) {
        rv = write_cancel(o, sc, ptemp);
    }
    if (rv == APR_SUCCESS && o->intent) {
        rv = write_intent(o, sc, ptemp);
    }
    rv = rv == APR_SUCCESS ? write_proposals(o, sc) : rv;
    if (rv == APR_SUCCESS && o->decision) {
        rv = cfmt_decision_put(sc->e->store, o->decision, &changed, ptemp);
    }
    return rv == APR_SUCCESS ? cfmt_outcome_news(o, sc, ptemp) : rv;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void tell_change(const cfmt_standing_t *st, const cfmt_scene_t *sc)
{
    const cfmt_cause_t *cause = &st->cause;

    cfmt_log(sc->e->conf.log, CFMT_LOG_NOTICE, CFMT_ID(0961) "%s was %s at %s: cause %s%s%s%s%s",
             cfmt_cidr_format(sc->p, &st->prefix), cfmt_want_name(st->advertised),
             cause->at ? cfmt_time_format(sc->p, cause->at) : "a time that is not known",
             cfmt_cause_name(cause->kind), cause->who ? ", " : "", cause->who ? cause->who : "",
             cause->attack ? ", attack " : "", cause->attack ? cause->attack : "");
}

static void tell_intent(const cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    const cfmt_intent_row_t *in = o->intent;

    if (o->fate == CFMT_PENDING_REVERSE) {
        cfmt_log(sc->e->conf.log, CFMT_LOG_ERR,
                 CFMT_ID(0962) "attack %s began while %s was being withdrawn: it is advertised"
                               " again at %s, the earliest that Cloudflare allows",
                 in->attack ? in->attack : "?", name_of(o, sc->p),
                 in->not_before ? cfmt_time_format(sc->p, in->not_before) : "once");
        return;
    }
    cfmt_log(sc->e->conf.log, CFMT_LOG_WARNING, CFMT_ID(0963) "%s %s (intent %" APR_INT64_T_FMT
             "): %s", in->want ? "advertising" : "withdrawing", name_of(o, sc->p), in->id,
             in->reason);
}

static void tell_proposal(const cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    cfmt_log(sc->e->conf.log, CFMT_LOG_WARNING,
             CFMT_ID(0964) "proposal %" APR_INT64_T_FMT ": %s %s; cfmtctl approve %"
                           APR_INT64_T_FMT " or deny %" APR_INT64_T_FMT " until %s. %s",
             o->proposal->id, o->proposal->want ? "advertise" : "withdraw", name_of(o, sc->p),
             o->proposal->id, o->proposal->id, cfmt_time_format(sc->p, o->proposal->expires_at),
             o->proposal->reason);
}

void cfmt_outcome_tell(const cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    const cfmt_log_t *log = sc->e->conf.log;

    if (o->before) {
        tell_change(o->before, sc);
    }
    if (o->attributed == CFMT_ATTRIBUTED_CHANGE) {
        tell_change(&o->standing, sc);
    }
    if (o->fate == CFMT_PENDING_CANCEL) {
        cfmt_log(log, CFMT_LOG_WARNING, CFMT_ID(0965) "intent %" APR_INT64_T_FMT " (%s %s) is"
                 " cancelled before it was sent: %s", o->pending->id,
                 o->pending->want ? "advertise" : "withdraw", name_of(o, sc->p), why_cancelled(o));
    }
    if (o->intent) {
        tell_intent(o, sc);
    }
    if (o->proposal) {
        tell_proposal(o, sc);
    }
    if (o->page) {
        cfmt_log(log, CFMT_LOG_ERR, CFMT_ID(0966) "attack %s open, %s is NOT PROTECTED: %s; cfmtctl"
                 " advertise %s", o->a.attack ? o->a.attack : "?", name_of(o, sc->p),
                 cfmt_outcome_exposed(o, sc->p), name_of(o, sc->p));
    }
    if (o->tell_would) {
        cfmt_log(log, CFMT_LOG_WARNING, CFMT_ID(0967) "would withdraw %s now, and CfmtMode observe"
                 " does nothing: cfmtctl explain %s shows why, CfmtMode enforce acts",
                 name_of(o, sc->p), name_of(o, sc->p));
    }
    if (o->tell_orphan) {
        cfmt_log(log, CFMT_LOG_WARNING, CFMT_ID(0968) "%s is advertised for a cause that is not the"
                 " policy's (%s) and stays so: cfmtctl adopt, hold or withdraw %s",
                 name_of(o, sc->p), cfmt_cause_name(o->standing.cause.kind), name_of(o, sc->p));
    }
}
