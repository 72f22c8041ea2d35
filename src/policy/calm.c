/*
 * Minutes of traffic: what one minute says (attack, calm, between, unknown), and what a run of
 * judged minutes says (calm since when, attack how long, blind). Unknown is never taken for calm.
 */
#include "cfmt_policy.h"

#define SECONDS 60.0 /* of a minute */

const char *cfmt_verdict_name(cfmt_verdict_e v)
{
    static const char *const names[] = {
        [CFMT_VERDICT_UNKNOWN] = "unknown",
        [CFMT_VERDICT_CALM] = "calm",
        [CFMT_VERDICT_BETWEEN] = "between",
        [CFMT_VERDICT_ATTACK] = "attack",
    };

    return (unsigned)v < sizeof(names) / sizeof(names[0]) ? names[v] : "unknown";
}

/* ---- one minute ------------------------------------------------------------------------------ */

/* The drops that count: their rates, and whose were most. */
static void count_drops(cfmt_judged_t *j, const cfmt_traffic_t *traffic, unsigned systems)
{
    double packets = 0, bits = 0, most = 0;
    int i;

    j->by = CFMT_SYSTEM_OTHER;
    for (i = 0; i < CFMT_SYSTEMS; i++) {
        if (!(systems & 1u << i)) {
            continue;
        }
        packets += traffic->packets[i];
        bits += traffic->bits[i];
        if (traffic->packets[i] > most) {
            most = traffic->packets[i];
            j->by = (cfmt_system_e)i;
        }
    }
    j->pps = packets / SECONDS;
    j->bps = bits / SECONDS;
}

/*
 * Which rate reaches this part of its threshold; one is enough, or floods of small packets stay
 * unseen. NULL = all are below; a rate that is not a number is not.
 */
static const char *reached(const cfmt_judged_t *j, double passed, const cfmt_threshold_t *t,
                           double part)
{
    if (!(j->pps < t->pps * part)) {
        return "pps";
    }
    if (!(j->bps < t->bps * part)) {
        return "bps";
    }
    return t->passed_pps >= 0 && !(passed < t->passed_pps * part) ? "passed" : NULL;
}

/* Why the minute cannot be calm, whatever its traffic; NULL = it can. */
static const char *doubt(const cfmt_minute_t *m, const cfmt_threshold_t *t)
{
    if (!m->read) {
        return "unread";
    }
    if (m->idle && !t->idle_calm) {
        return "idle";
    }
    return m->complete ? NULL : "incomplete";
}

static const char *judge(cfmt_judged_t *j, const cfmt_minute_t *m, const cfmt_threshold_t *t,
                         double passed)
{
    const char *why;

    if ((why = reached(j, passed, t, 1))) { /* before any doubt: what was seen was there */
        j->verdict = CFMT_VERDICT_ATTACK;
        return why;
    }
    if ((why = doubt(m, t))) {
        j->verdict = CFMT_VERDICT_UNKNOWN;
        return why;
    }
    if ((why = reached(j, passed, t, 0.5))) {
        j->verdict = CFMT_VERDICT_BETWEEN;
        return why;
    }
    j->verdict = CFMT_VERDICT_CALM;
    return m->idle ? "idle" : "below";
}

void cfmt_calm_judge(cfmt_judged_t *j, const cfmt_minute_t *m, const cfmt_threshold_t *t)
{
    double passed = m->traffic.passed_packets / SECONDS;

    count_drops(j, &m->traffic, t->systems);
    j->reason = judge(j, m, t, passed);
    /* Counts from here on, or the peak of an attack that nothing drops would be told as 0. */
    if (t->passed_pps >= 0 && passed >= t->passed_pps) {
        j->pps += passed;
        j->bps += m->traffic.passed_bits / SECONDS;
    }
}

/* ---- runs of minutes ------------------------------------------------------------------------- */

apr_interval_time_t cfmt_calm_for(const cfmt_span_t *spans, int n, apr_time_t end)
{
    apr_time_t since = end;
    int i = n - 1;

    /* What is behind end does not matter, but an attack there is never stepped over. */
    while (i >= 0 && spans[i].from >= end && spans[i].verdict != CFMT_VERDICT_ATTACK) {
        i--;
    }
    for (; i >= 0 && spans[i].to >= since && spans[i].verdict == CFMT_VERDICT_CALM; i--) {
        since = spans[i].from;
    }
    return end - since;
}

apr_time_t cfmt_calm_last_attack(const cfmt_span_t *spans, int n, apr_time_t end)
{
    apr_time_t last;

    while (n > 0 && (spans[n - 1].from >= end || spans[n - 1].verdict != CFMT_VERDICT_ATTACK)) {
        n--;
    }
    if (!n) {
        return 0;
    }
    last = spans[n - 1].to;
    while (last - CFMT_MINUTE >= end) {
        last -= CFMT_MINUTE;
    }
    return last;
}

apr_time_t cfmt_calm_gap(const cfmt_span_t *spans, int n, apr_time_t since, apr_time_t until)
{
    int i;

    for (i = 0; i < n && spans[i].from <= since; i++) {
        if (spans[i].to > since) {
            since = spans[i].to;
        }
    }
    return since < until ? since : until;
}

int cfmt_calm_blind(const cfmt_span_t *spans, int n, apr_time_t since, apr_time_t now,
                    apr_interval_time_t after)
{
    apr_time_t limit = now - after;

    return since <= limit && (!n || spans[n - 1].to <= limit);
}

/* The index of the first span of the attack run whose last one is spans[last]. */
static int run_start(const cfmt_span_t *spans, int last)
{
    while (last > 0 && spans[last - 1].verdict == CFMT_VERDICT_ATTACK
           && spans[last - 1].to == spans[last].from) {
        last--;
    }
    return last;
}

int cfmt_calm_sustained(const cfmt_span_t *spans, int n, int sustain, apr_time_t *pfrom,
                        apr_time_t *pto)
{
    int i, first;

    for (i = n - 1; i >= 0; i = first - 1) {
        first = i;
        if (spans[i].verdict != CFMT_VERDICT_ATTACK) {
            continue;
        }
        first = run_start(spans, i);
        if ((spans[i].to - spans[first].from) / CFMT_MINUTE >= sustain) {
            *pfrom = spans[first].from;
            *pto = spans[i].to;
            return 1;
        }
    }
    return 0;
}
