/*
 * The gate calm: how long it must have been calm, how long it has been, when that may be enough.
 */
#include "withdraw.h"

/*
 * Each attack that came back counts for a time of its own: what a run of them adds is forgotten one
 * by one, and nothing depends on the order in which they are given.
 */
apr_interval_time_t cfmt_withdraw_calm(const cfmt_case_t *c, apr_time_t *pnext)
{
    apr_interval_time_t calm = c->options.calm, max = c->options.calm_max;
    apr_time_t next = 0;
    int i;

    max = max > calm ? max : calm;
    calm = c->npast < 0 ? max : calm;
    for (i = 0; i < c->npast; i++) {
        const cfmt_past_t *w = &c->past[i];
        apr_time_t until = w->back_at + CFMT_CALM_DECAY;

        if (w->back_at - w->at > CFMT_BACK_WITHIN || until <= c->now) { /* 0 is long ago */
            continue;
        }
        calm = calm < max / 2 ? 2 * calm : max;
        next = !next || until < next ? until : next;
    }
    if (pnext) {
        *pnext = next;
    }
    return calm;
}

static apr_int64_t minutes_wanted(const cfmt_case_t *c)
{
    apr_int64_t n = (cfmt_withdraw_calm(c, NULL) + CFMT_MINUTE - 1) / CFMT_MINUTE;

    return n > 0 ? n : 1;
}

/* Before its announcement there was nothing to be seen: no traffic then is no calm. */
static apr_time_t calm_floor(const cfmt_case_t *c)
{
    return c->b.advertised_at / CFMT_MINUTE * CFMT_MINUTE;
}

static apr_time_t calm_since(const cfmt_case_t *c)
{
    apr_time_t since = c->complete - cfmt_calm_for(c->spans, c->nspans, c->complete);

    return since > calm_floor(c) ? since : calm_floor(c);
}

/* The newest minute that is known not to be calm: its end. 0 = none since it was advertised. */
static apr_time_t last_bad(const cfmt_case_t *c, cfmt_verdict_e *pverdict)
{
    int i;

    for (i = c->nspans - 1; i >= 0 && c->spans[i].to > calm_floor(c); i--) {
        if (c->spans[i].verdict != CFMT_VERDICT_CALM) {
            *pverdict = c->spans[i].verdict;
            return c->spans[i].to;
        }
    }
    return 0;
}

/* The first poll at t or behind it. */
static apr_time_t poll_after(const cfmt_case_t *c, apr_time_t t)
{
    apr_interval_time_t every = c->options.interval;

    if (c->poll_at <= c->now || every <= 0) {
        return t;
    }
    return t <= c->poll_at ? c->poll_at
                           : c->poll_at + (t - c->poll_at + every - 1) / every * every;
}

/* If all that is not known yet is calm. */
static apr_time_t calm_next(const cfmt_case_t *c, apr_time_t bad, apr_int64_t wanted)
{
    apr_time_t start = bad > calm_floor(c) ? bad : calm_floor(c);
    apr_time_t t = start + wanted * CFMT_MINUTE + c->options.lag;

    return poll_after(c, t > c->now ? t : c->now + 1);
}

/* As health says that the account's newest rows are older than they may be. */
static int is_stale(const cfmt_case_t *c)
{
    return c->now - c->complete > 2 * c->options.lag + 2 * c->options.interval + CFMT_MINUTE;
}

/* Why the calm is not longer: what stands before it, or nothing that is known. */
static void judge_short(cfmt_gate_t *g, const cfmt_case_t *c, apr_time_t bad,
                        cfmt_verdict_e verdict)
{
    apr_time_t since = calm_since(c);

    if (bad >= since) {
        cfmt_gate_red(g, g->value > 0                    ? "short"
                         : verdict == CFMT_VERDICT_ATTACK ? "attack"
                                                          : "between");
    }
    else if (since > calm_floor(c)) {
        cfmt_gate_unknown(g, g->value > 0 ? "gap" : "unread");
    }
    else {
        cfmt_gate_red(g, "short");
    }
}

void cfmt_withdraw_judge_calm(cfmt_gate_t *g, const cfmt_case_t *c)
{
    cfmt_verdict_e verdict = CFMT_VERDICT_UNKNOWN;
    apr_int64_t wanted = minutes_wanted(c);
    apr_time_t bad = last_bad(c, &verdict);
    apr_interval_time_t calm = c->complete - calm_since(c);

    g->source = "analytics";
    g->at = c->complete;
    cfmt_gate_figures(g, CFMT_FIGURE_COUNT, calm > 0 ? calm / CFMT_MINUTE : 0, wanted);
    if (c->complete > c->now || is_stale(c)) {
        cfmt_gate_unknown(g, !c->complete ? "unread" : c->complete > c->now ? "future" : "stale");
    }
    else if (g->value >= wanted) {
        cfmt_gate_green(g);
        return;
    }
    else {
        judge_short(g, c, bad, verdict);
    }
    g->next = calm_next(c, bad, wanted);
}
