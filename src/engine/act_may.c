/*
 * Whether an intent that is due may be carried out: what makes it void, what is in its way, what
 * must be waited for. Asked of tables only; act.c asks Cloudflare.
 */
#include <string.h>

#include <apr_strings.h>

#include "decide.h"

#define LOOK_LASTS apr_time_from_sec(15)     /* the policy withdraws within, or decides anew */
#define AHEAD apr_time_from_sec(5)           /* of now: by a clock that was set back since */
#define LOOK_BACK 8                          /* intents of a prefix: some were never called for */
#define LEFT_OVER apr_time_from_sec(300)     /* an operator's wish that nobody tried is void then */

static apr_interval_time_t real(const cfmt_engine_t *e, apr_interval_time_t d)
{
    return cfmt_clock_span(e->conf.clock, d);
}

static int is_policys(const cfmt_intent_row_t *in)
{
    return !strcmp(in->who, "policy");
}

/* Observe acts on nobody's word but an operator's, whatever was decided before it was set. */
int cfmt_act_barred(const cfmt_engine_t *e, const cfmt_intent_row_t *in)
{
    return is_policys(in) && cfmt_mode_of(e->conf.settings) != CFMT_MODE_ENFORCE;
}

/*
 * A withdrawal that the policy decided upon rests on a look that is over soon. How old one is that
 * was taken before the clock was set, nobody knows.
 */
static int is_too_late(const cfmt_engine_t *e, const cfmt_intent_row_t *in, apr_time_t now)
{
    return !in->want && is_policys(in)
           && (in->id <= e->of_before || now - in->created_at > real(e, LOOK_LASTS));
}

/* Wanted by an operator, and then nobody was there for so long that he has done something else. */
static int is_left_over(const cfmt_engine_t *e, const cfmt_intent_row_t *in)
{
    apr_time_t due = in->created_at > in->not_before ? in->created_at : in->not_before;

    return !in->attempts && !is_policys(in) && due + real(e, LEFT_OVER) < e->began_at;
}

const char *cfmt_act_void(const cfmt_engine_t *e, const cfmt_intent_row_t *in, apr_time_t now)
{
    if (cfmt_act_barred(e, in)) {
        return "CfmtMode observe: the policy changes nothing by itself";
    }
    if (is_too_late(e, in, now)) {
        return in->attempts ? "not carried out in time: decided anew" : "the last look is too old";
    }
    return is_left_over(e, in) ? "nobody could carry it out in time: ask for it again" : NULL;
}

const char *cfmt_act_impossible(const cfmt_prefix_row_t *row)
{
    return row->b.locked == 1        ? "locked by Cloudflare"
           : row->b.enabled == 0     ? "not on demand"
           : row->b.approved == 0    ? "not approved"
           : row->b.bgp_control == 1 ? "controlled by BGP, not by the API" : NULL;
}

/*
 * Else a call of two hours ahead would be waited for two hours, and what is so now read again and
 * again meanwhile. What it waits for was worked out by the same clock: it is looked at anew, unless
 * it was called for since. What the policy looked at before it withdrew is as old as can be.
 */
int cfmt_act_heed_clock(const cfmt_engine_t *e, cfmt_intent_row_t *in, apr_time_t now)
{
    apr_time_t set_at = e->jumped_at ? e->jumped_at : e->began_at;
    apr_time_t *times[] = { &in->created_at, &in->sent_at, &in->answered_at };
    apr_time_t ahead = now + AHEAD;
    int waited = 0, called = in->sent_at && in->sent_at <= ahead && in->answered_at <= ahead;
    apr_size_t i;

    set_at = set_at > now ? now : set_at;
    if (e->set_back && in->state == CFMT_INTENT_REQUESTED && in->next_at > now) {
        in->next_at = 0;
        waited = 1;
    }
    if (in->created_at <= ahead && in->sent_at <= ahead && in->answered_at <= ahead) {
        return waited;
    }
    if (in->created_at > ahead && !in->want && is_policys(in)) {
        in->created_at = set_at - real(e, LOOK_LASTS) - 1;
    }
    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        *times[i] = *times[i] > ahead ? set_at : *times[i];
    }
    in->next_at = in->next_at > now && !called ? 0 : in->next_at;
    in->not_before = in->not_before > now ? 0 : in->not_before;
    return 1;
}

static apr_time_t later(apr_time_t a, apr_time_t b)
{
    return a > b ? a : b;
}

/*
 * It does no harm to call for it again, but it is read first what came of it. The policy waits as
 * long as it would have without the order that came to nothing.
 */
static apr_time_t same_settles(const cfmt_engine_t *e, const cfmt_intent_row_t *old,
                               const cfmt_intent_row_t *in, apr_time_t now)
{
    apr_time_t at = later(old->sent_at, old->answered_at);

    if (cfmt_call_of(e, old->id)) {
        return now + real(e, APR_USEC_PER_SEC);
    }
    return is_policys(in) ? later(at, old->next_at) : at;
}

/* How long ago a time before the clock was set is, nobody knows. */
static apr_time_t other_settles(const cfmt_engine_t *e, const cfmt_intent_row_t *old)
{
    return old->answered_at > old->sent_at
               ? later(old->answered_at, e->jumped_at) + cfmt_act_shows(e)
               : later(old->sent_at, e->jumped_at) + real(e, CFMT_CALL_LEASE) + cfmt_act_shows(e);
}

apr_status_t cfmt_act_settles(cfmt_engine_t *e, apr_time_t *pat, const cfmt_intent_row_t *in,
                              apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_intents_list(e->store, &in->prefix, in->id, LOOK_BACK, &rows, p);
    apr_time_t now = cfmt_clock_now(e->conf.clock);
    cfmt_intent_row_t *old;
    int i = 0;

    *pat = 0;
    while (rv == APR_SUCCESS && i < rows->nelts
           && !APR_ARRAY_IDX(rows, i, cfmt_intent_row_t).sent_at) {
        i++; /* it was never called for */
    }
    if (rv != APR_SUCCESS || i == rows->nelts) {
        return rv;
    }
    old = &APR_ARRAY_IDX(rows, i, cfmt_intent_row_t);
    (void)cfmt_act_heed_clock(e, old, now);
    if (old->state == CFMT_INTENT_SUPERSEDED) {
        *pat = old->want == in->want ? same_settles(e, old, in, now) : other_settles(e, old);
    }
    return APR_SUCCESS;
}

apr_interval_time_t cfmt_act_behind_by(const cfmt_engine_t *e)
{
    cfmt_upstream_state_t rest;

    if (!e->api) {
        return 0;
    }
    cfmt_api_state(e->api, CFMT_UPSTREAM_REST, &rest);
    return rest.skew < -real(e, CFMT_MINUTE) ? -rest.skew : 0;
}

apr_time_t cfmt_act_allowed(const cfmt_engine_t *e, const cfmt_intent_row_t *in,
                            const cfmt_prefix_row_t *row, apr_time_t now, apr_pool_t *p)
{
    const apr_table_t *settings = e->conf.settings;
    apr_time_t at = row->b.advertised_at;
    cfmt_options_t o;

    cfmt_options_of(&o, settings ? settings : apr_table_make(p, 1), &in->prefix, p);
    if (!at || (!in->want && in->override)) {
        return 0;
    }
    at += (in->want ? o.min_withdrawn : o.min_advertised) - cfmt_act_behind_by(e);
    return at > now ? at : 0;
}

/* Where time runs faster, readings do not. */
apr_interval_time_t cfmt_act_shows(const cfmt_engine_t *e)
{
    apr_interval_time_t least = real(e, apr_time_from_sec(5)), most = apr_time_from_sec(120);

    return most > least ? most : least;
}
