/*
 * What traffic says of attacks: that one is there which no alert told of, that it is the same as an
 * alert's, how high it went, and that it is over. Unknown says nothing.
 */
#include <math.h>
#include <string.h>

#include "cfmt_policy_gates.h"

#define LEAD apr_time_from_sec(600)  /* traffic is there before its alert */
#define BACK apr_time_from_sec(3600) /* an attack that is back so soon is the same one */

typedef struct minutes_t {
    apr_time_t from, to; /* whole minutes; to is exclusive */
} minutes_t;

static apr_time_t floor_minute(apr_time_t t)
{
    return t - t % CFMT_MINUTE;
}

static apr_time_t ceil_minute(apr_time_t t)
{
    return floor_minute(t + CFMT_MINUTE - 1);
}

/* ---- which attack, which prefix -------------------------------------------------------------- */

/*
 * Its packets may be counted there. More than cfmt_attack_hits: minutes of what is inside an
 * attacked prefix are those of its /24 or /48, whichever address is the target.
 */
static int hits(const cfmt_struck_t *a, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; !a->anywhere && i < a->prefixes->nelts; i++) {
        if (cfmt_attack_on(cidr, &APR_ARRAY_IDX(a->prefixes, i, cfmt_cidr_t))) {
            return 1;
        }
    }
    return a->anywhere;
}

static int is_advertised(const cfmt_traffic_case_t *c, const cfmt_cidr_t *cidr)
{
    const cfmt_watched_t *w;

    for (w = c->prefixes; w < c->prefixes + c->prefixes_n; w++) {
        if (w->advertised == 1 && !cfmt_cidr_compare(&w->cidr, cidr)) {
            return 1;
        }
    }
    return 0;
}

/*
 * Its minutes are the attack's. Those of a prefix around one that is hit are not, where that one is
 * advertised itself and has its own: they may be of another attack, elsewhere in it.
 */
static int is_its_own(const cfmt_traffic_case_t *c, const cfmt_struck_t *a,
                      const cfmt_watched_t *w)
{
    const cfmt_cidr_t *cidr;
    int i;

    for (i = 0; !a->anywhere && i < a->prefixes->nelts; i++) {
        cidr = &APR_ARRAY_IDX(a->prefixes, i, cfmt_cidr_t);
        if (cfmt_cidr_contains(cidr, &w->cidr)
            || (cfmt_cidr_contains(&w->cidr, cidr) && !is_advertised(c, cidr))) {
            return 1;
        }
    }
    return a->anywhere;
}

static int share_prefix(const cfmt_struck_t *a, const cfmt_struck_t *b)
{
    int i;

    for (i = 0; i < b->prefixes->nelts; i++) {
        if (hits(a, &APR_ARRAY_IDX(b->prefixes, i, cfmt_cidr_t))) {
            return 1;
        }
    }
    return 0;
}

/* The minutes whose traffic is the attack's, if it hits where they were read. */
static minutes_t times_of(const cfmt_struck_t *a)
{
    minutes_t m = { floor_minute(a->started_at - LEAD), APR_INT64_MAX };

    if (!a->open) {
        m.to = ceil_minute(a->ended_at);
    }
    return m;
}

/* ---- what is said ---------------------------------------------------------------------------- */

static cfmt_say_t *say(apr_array_header_t *out, cfmt_says_e what, const char *id, apr_time_t at)
{
    cfmt_say_t *s = apr_array_push(out);

    *s = (cfmt_say_t){ .what = what, .id = id, .at = at, .by = CFMT_SYSTEM_OTHER };
    return s;
}

static void say_minute(apr_array_header_t *out, cfmt_says_e what, const char *id,
                       const cfmt_watched_t *w, apr_time_t at, const cfmt_span_t *span)
{
    cfmt_say_t *s = say(out, what, id, at);

    s->prefix = w->cidr;
    s->pps = ceil(span->pps); /* never below what the next look compares it with */
    s->bps = ceil(span->bps);
    s->by = span->by;
}

/* ---- join ------------------------------------------------------------------------------------ */

/* Of two with the same time the id decides, so that their order is nothing. */
static int is_before(apr_time_t at, const char *id, apr_time_t other_at, const char *other)
{
    return at < other_at || (at == other_at && strcmp(id, other) < 0);
}

/* The alert's attack that a prefix and a time make the same as t; the first of several. */
static const cfmt_struck_t *alert_of(const cfmt_traffic_case_t *c, const cfmt_struck_t *t)
{
    const cfmt_struck_t *best = NULL, *a;
    minutes_t mine = times_of(t), its;

    for (a = c->attacks; a < c->attacks + c->attacks_n; a++) {
        its = times_of(a);
        if (a->alerted && !a->anywhere && its.from < mine.to && t->started_at < its.to
            && share_prefix(a, t)
            && (!best || is_before(a->started_at, a->id, best->started_at, best->id))) {
            best = a;
        }
    }
    return best;
}

static void join(apr_array_header_t *out, const cfmt_traffic_case_t *c)
{
    const cfmt_struck_t *t, *a;

    for (t = c->attacks; t < c->attacks + c->attacks_n; t++) {
        a = t->alerted ? NULL : alert_of(c, t);
        if (a) {
            say(out, CFMT_SAYS_JOIN, t->id, 0)->with = a->id;
        }
    }
}

/* ---- open ------------------------------------------------------------------------------------ */

/* Moves u behind what attacks cover from there on; *pnext: where the next one begins to. */
static apr_time_t behind_attacks(const cfmt_traffic_case_t *c, const cfmt_watched_t *w,
                                 apr_time_t u, apr_time_t *pnext)
{
    const cfmt_struck_t *a;
    apr_time_t before;
    minutes_t m;

    do {
        before = u;
        *pnext = APR_INT64_MAX;
        for (a = c->attacks; a < c->attacks + c->attacks_n; a++) {
            m = times_of(a);
            if (!hits(a, &w->cidr) || m.to <= u) {
                continue;
            }
            if (m.from <= u) {
                u = m.to;
            }
            else if (m.from < *pnext) {
                *pnext = m.from;
            }
        }
    } while (u != before);
    return u;
}

/* What is around it may be attacked elsewhere, and that is another attack. */
static int is_in_it(const cfmt_struck_t *a, const cfmt_watched_t *w)
{
    int i;

    for (i = 0; i < a->prefixes->nelts; i++) {
        if (cfmt_cidr_contains(&APR_ARRAY_IDX(a->prefixes, i, cfmt_cidr_t), &w->cidr)) {
            return 1;
        }
    }
    return 0;
}

/* One that ended a short time before and is back; the newest. NULL = there is none. */
static const cfmt_struck_t *ended_before(const cfmt_traffic_case_t *c, const cfmt_watched_t *w,
                                         apr_time_t at)
{
    const cfmt_struck_t *best = NULL, *a;

    for (a = c->attacks; a < c->attacks + c->attacks_n; a++) {
        if (!a->open && !a->anywhere && is_in_it(a, w) && a->ended_at <= at
            && at - a->ended_at <= BACK
            && (!best || is_before(best->ended_at, best->id, a->ended_at, a->id))) {
            best = a;
        }
    }
    return best;
}

/* Where an attack that nothing covers begins; span NULL = nowhere. */
typedef struct start_t {
    apr_time_t at;
    const cfmt_span_t *span;
} start_t;

/* END wins at an equal time, so an attack is back right behind it. */
static void open_at(apr_array_header_t *out, const cfmt_traffic_case_t *c, const cfmt_watched_t *w,
                    const start_t *s)
{
    const cfmt_struck_t *a = ended_before(c, w, s->at);

    say_minute(out, a ? CFMT_SAYS_REOPEN : CFMT_SAYS_OPEN, a ? a->id : NULL, w,
               a && a->ended_at == s->at ? s->at + 1 : s->at, s->span);
}

/* The span of attack that has the minute t, from spans[i] on. */
static const cfmt_span_t *span_at(const cfmt_watched_t *w, int i, apr_time_t t)
{
    while (w->spans[i].to <= t) {
        i++;
    }
    return &w->spans[i];
}

/* In one run of attack minutes: those in a row that no attack covers, if they are enough. */
static start_t start_in_run(const cfmt_traffic_case_t *c, const cfmt_watched_t *w, int first,
                            apr_time_t to)
{
    apr_time_t u = w->spans[first].from, next, until;

    u = u > c->opens_from ? u : ceil_minute(c->opens_from);
    for (;;) {
        u = behind_attacks(c, w, u, &next);
        if (u >= to) {
            return (start_t){ 0, NULL };
        }
        until = next < to ? next : to;
        if ((until - u) / CFMT_MINUTE >= w->sustain) {
            return (start_t){ u, span_at(w, first, u) };
        }
        u = until;
    }
}

/* The oldest of a prefix is enough: what comes later is seen when that one is known. */
static start_t start_on(const cfmt_traffic_case_t *c, const cfmt_watched_t *w)
{
    start_t s = { 0, NULL };
    int i, last;

    for (i = 0; !s.span && i < w->n; i = last + 1) {
        last = i;
        if (w->spans[i].verdict != CFMT_VERDICT_ATTACK) {
            continue;
        }
        while (last + 1 < w->n && w->spans[last + 1].verdict == CFMT_VERDICT_ATTACK
               && w->spans[last + 1].from == w->spans[last].to) {
            last++;
        }
        s = start_in_run(c, w, i, w->spans[last].to);
    }
    return s;
}

/* The same packets are traffic of a prefix and of those around it: the smallest one is attacked. */
static int is_inside(const cfmt_watched_t *inner, const cfmt_watched_t *w)
{
    return cfmt_cidr_contains(&w->cidr, &inner->cidr)
           && (inner->cidr.bits > w->cidr.bits || inner < w);
}

static void open_all(apr_array_header_t *out, const cfmt_traffic_case_t *c, apr_pool_t *p)
{
    start_t *starts = apr_palloc(p, ((apr_size_t)c->prefixes_n + 1) * sizeof(*starts));
    int i, k, n = c->prefixes_n, again;

    for (i = 0; i < n; i++) {
        starts[i] = start_on(c, &c->prefixes[i]);
    }
    for (i = 0; i < n; i++) {
        for (again = k = 0; starts[i].span && !again && k < n; k++) {
            again = starts[k].span && k != i && is_inside(&c->prefixes[k], &c->prefixes[i]);
        }
        if (starts[i].span && !again) {
            open_at(out, c, &c->prefixes[i], &starts[i]);
        }
    }
}

/* ---- peak ------------------------------------------------------------------------------------ */

/* An attack minute above all that is known of an attack; span NULL = there is none. */
typedef struct top_t {
    const cfmt_watched_t *where;
    const cfmt_span_t *span;
    double rate; /* of it, before: the attack's */
} top_t;

/* Of equal ones the first, then that of the smallest prefix: the order of prefixes is nothing. */
static void lift(top_t *top, double rate, const cfmt_watched_t *w, const cfmt_span_t *s)
{
    int lower = rate < top->rate, higher = rate > top->rate;

    if (!lower && !higher && top->span) {
        higher = s->from < top->span->from
                 || (s->from == top->span->from
                     && cfmt_cidr_compare(&w->cidr, &top->where->cidr) < 0);
    }
    if (higher) {
        *top = (top_t){ w, s, rate };
    }
}

/* Attack minutes are spans of their own. */
static void highest(top_t *pps, top_t *bps, const cfmt_struck_t *a, const cfmt_watched_t *w)
{
    minutes_t m = times_of(a);
    const cfmt_span_t *s;

    for (s = w->spans; s < w->spans + w->n; s++) {
        if (s->verdict == CFMT_VERDICT_ATTACK && s->from >= m.from && s->from < m.to) {
            lift(pps, s->pps, w, s);
            lift(bps, s->bps, w, s);
        }
    }
}

static void peak(apr_array_header_t *out, const cfmt_traffic_case_t *c, const cfmt_struck_t *a)
{
    top_t pps = { NULL, NULL, a->peak_pps }, bps = { NULL, NULL, a->peak_bps };
    const cfmt_watched_t *w;

    for (w = c->prefixes; w < c->prefixes + c->prefixes_n; w++) {
        if (hits(a, &w->cidr)) {
            highest(&pps, &bps, a, w);
        }
    }
    if (pps.span) {
        say_minute(out, CFMT_SAYS_PEAK, a->id, pps.where, pps.span->from, pps.span);
    }
    if (bps.span && bps.span != pps.span) {
        say_minute(out, CFMT_SAYS_PEAK, a->id, bps.where, bps.span->from, bps.span);
    }
}

/* ---- over ------------------------------------------------------------------------------------ */

/*
 * When the prefix had been calm for long enough, all of it behind `from`: the end of those minutes;
 * 0 = not yet.
 */
static apr_time_t calm_by(const cfmt_watched_t *w, apr_time_t from)
{
    apr_time_t since = 0, last = 0;
    int i;

    for (i = 0; i < w->n; i++) {
        const cfmt_span_t *s = &w->spans[i];

        if (s->verdict != CFMT_VERDICT_CALM || s->to <= from) {
            last = 0;
            continue;
        }
        if (s->from != last) {
            since = s->from > from ? s->from : from;
        }
        last = s->to;
        if (last - since >= w->calm) {
            return since + ceil_minute(w->calm);
        }
    }
    return 0;
}

/* Since its advertisement: what was calm before may have gone another way. */
static apr_time_t counts_from(const cfmt_watched_t *w, apr_time_t from)
{
    apr_time_t since = ceil_minute(w->since);

    return since > from ? since : from;
}

/* Its traffic is seen there: what lies inside a prefix that it hits may be another part of that. */
static int is_seen_in(const cfmt_struck_t *a, const cfmt_watched_t *w)
{
    int i;

    for (i = 0; i < a->prefixes->nelts; i++) {
        if (cfmt_cidr_contains(&w->cidr, &APR_ARRAY_IDX(a->prefixes, i, cfmt_cidr_t))) {
            return 1;
        }
    }
    return 0;
}

/*
 * When all prefixes that it hits and that are advertised had been calm at the same time, behind
 * `from`; 0 = not yet, or its traffic is seen in none.
 */
static apr_time_t calm_where_it_hits(const cfmt_traffic_case_t *c, const cfmt_struck_t *a,
                                     apr_time_t from)
{
    apr_time_t at = 0, before, one;
    const cfmt_watched_t *w;
    int seen = 0;

    do {
        before = at;
        for (w = c->prefixes; w < c->prefixes + c->prefixes_n; w++) {
            if (w->advertised == 0 || !is_its_own(c, a, w)) {
                continue;
            }
            seen |= is_seen_in(a, w);
            one = at - ceil_minute(w->calm);
            one = w->advertised < 0 ? 0 : calm_by(w, counts_from(w, one > from ? one : from));
            if (!one) {
                return 0;
            }
            at = one > at ? one : at;
        }
    } while (at != before);
    return seen ? at : 0;
}

/*
 * Every minute of the last `timeout` is known where it is or may be advertised, and none is attack
 * anywhere.
 */
static int nothing_anywhere(const cfmt_traffic_case_t *c)
{
    const cfmt_watched_t *w;
    apr_time_t from, until;

    for (w = c->prefixes; w < c->prefixes + c->prefixes_n; w++) {
        from = counts_from(w, floor_minute(c->now - c->timeout));
        until = floor_minute(c->now - c->stale);
        if (cfmt_calm_last_attack(w->spans, w->n, APR_INT64_MAX) > c->now - c->timeout
            || (w->advertised && from < until
                && cfmt_calm_gap(w->spans, w->n, from, until) < until)) {
            return 0;
        }
    }
    return 1;
}

/* None of the prefixes that it hits was advertised in the last `timeout`. */
static int nothing_advertised(const cfmt_traffic_case_t *c, const cfmt_struck_t *a)
{
    const cfmt_watched_t *w;

    for (w = c->prefixes; w < c->prefixes + c->prefixes_n; w++) {
        if (is_seen_in(a, w) && (w->advertised != 0 || c->now - w->since < c->timeout)) {
            return 0;
        }
    }
    return 1;
}

static int timed_out(const cfmt_traffic_case_t *c, const cfmt_struck_t *a)
{
    if (!c->listed || c->now - a->last_at < c->timeout) {
        return 0;
    }
    return a->anywhere ? nothing_anywhere(c) : nothing_advertised(c, a);
}

/* By an alert or by its traffic: what comes to be known of a later time opens it again. */
static apr_time_t last_sign(const cfmt_traffic_case_t *c, const cfmt_struck_t *a)
{
    apr_time_t last = a->last_at, seen;
    const cfmt_watched_t *w;

    for (w = c->prefixes; w < c->prefixes + c->prefixes_n; w++) {
        seen = hits(a, &w->cidr) ? cfmt_calm_last_attack(w->spans, w->n, c->now) : 0;
        last = seen > last ? seen : last;
    }
    return last;
}

static void over(apr_array_header_t *out, const cfmt_traffic_case_t *c, const cfmt_struck_t *a)
{
    apr_time_t at = a->anywhere ? 0 : calm_where_it_hits(c, a, floor_minute(a->last_at));

    if (at) {
        say(out, CFMT_SAYS_CALM, a->id, at);
    }
    else if (timed_out(c, a)) {
        say(out, CFMT_SAYS_TIMEOUT, a->id, last_sign(c, a));
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* It is another attack in the next case. */
static int is_joined(const apr_array_header_t *out, const cfmt_struck_t *a)
{
    int i;

    for (i = 0; i < out->nelts; i++) {
        const cfmt_say_t *s = &APR_ARRAY_IDX(out, i, cfmt_say_t);

        if (s->what == CFMT_SAYS_JOIN && (s->id == a->id || s->with == a->id)) {
            return 1;
        }
    }
    return 0;
}

apr_array_header_t *cfmt_traffic_says(const cfmt_traffic_case_t *c, apr_pool_t *p)
{
    apr_array_header_t *out = apr_array_make(p, 4, sizeof(cfmt_say_t));
    const cfmt_struck_t *a;

    join(out, c);
    open_all(out, c, p);
    for (a = c->attacks; a < c->attacks + c->attacks_n; a++) {
        if (!is_joined(out, a)) {
            peak(out, c, a);
        }
    }
    for (a = c->attacks; a < c->attacks + c->attacks_n; a++) {
        if (a->open && !is_joined(out, a)) {
            over(out, c, a);
        }
    }
    return out;
}
