/*
 * The plan of a seed: attacks, and what everybody does to make them hard to handle. All of it is
 * drawn before anything runs, so that events can be left out and the others stay what they are.
 */
#include <stdlib.h>

#include <apr_strings.h>

#include "model.h"

static const char *const names[EV_KINDS] = {
    [EV_ATTACK] = "attack",       [EV_FAULT] = "calls fail",      [EV_PATCH] = "changes fail",
    [EV_ANALYTICS] = "analytics", [EV_STATE] = "state",           [EV_EXTERNAL] = "others change",
    [EV_CRASH] = "crash",         [EV_STOP] = "stop",             [EV_JUMP] = "clock",
    [EV_COMMAND] = "command",     [EV_TWO] = "second leader",     [EV_CONFIG] = "configuration",
    [EV_ORIGIN] = "origin check",     [EV_AMBUSH] = "ambush",
};

/* How many of each kind come with an attack, in percent, by profile. */
static const int often[EV_KINDS][4] = {
    [EV_FAULT] = { 4, 20, 45, 25 },     [EV_PATCH] = { 4, 20, 45, 25 },
    [EV_ANALYTICS] = { 4, 15, 30, 15 }, [EV_STATE] = { 2, 8, 15, 8 },
    [EV_EXTERNAL] = { 4, 10, 15, 10 },  [EV_CRASH] = { 4, 10, 25, 120 },
    [EV_STOP] = { 1, 2, 5, 6 },         [EV_JUMP] = { 0, 2, 6, 4 },
    [EV_COMMAND] = { 10, 25, 40, 25 },  [EV_TWO] = { 2, 4, 8, 40 },
    [EV_CONFIG] = { 1, 2, 4, 3 },       [EV_ORIGIN] = { 3, 8, 12, 8 },
    [EV_AMBUSH] = { 30, 40, 40, 40 },
};

/* ---- one event ------------------------------------------------------------------------------- */

/* Those that are attacked most are those that are withdrawn by themselves. */
static int some_prefix(rnd_t *r)
{
    static const int of[] = { 0, 0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8 };

    return of[rnd_below(r, sizeof(of) / sizeof(of[0]))];
}

static int attack_how(rnd_t *r)
{
    static const struct {
        int flag, percent;
    } flags[] = {
        { ATTACK_AUTO, 35 }, { ATTACK_NO_END, 12 }, { ATTACK_SILENT, 10 }, { ATTACK_NO_TARGET, 3 },
        { ATTACK_WAVES, 12 }, { ATTACK_WIDE, 8 },   { ATTACK_FOREIGN, 2 }, { ATTACK_LOW, 5 },
        { ATTACK_FALSE_END, 10 }, { ATTACK_BITS, 15 }, { ATTACK_PASSES, 35 },
    };
    int how = (int)rnd_below(r, 4);
    apr_size_t i;

    for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        how |= rnd_chance(r, flags[i].percent) ? flags[i].flag : 0;
    }
    return how;
}

/* Often short, sometimes long: from least, by the power of two that comes out. */
static apr_interval_time_t some_time(rnd_t *r, apr_interval_time_t least, int doublings)
{
    apr_interval_time_t t = least << rnd_below(r, doublings + 1);

    return t + rnd_below(r, t);
}

static void draw(ev_t *ev, ev_kind_e kind, rnd_t *r)
{
    static const int hows[EV_KINDS] = {
        [EV_FAULT] = 12, [EV_PATCH] = 9, [EV_ANALYTICS] = 4, [EV_STATE] = 6, [EV_EXTERNAL] = 2,
        [EV_COMMAND] = 13, [EV_CONFIG] = 6, [EV_JUMP] = 6, [EV_ORIGIN] = 3, [EV_AMBUSH] = 24,
    };

    ev->kind = kind;
    ev->prefix = some_prefix(r);
    ev->how = kind == EV_ATTACK ? attack_how(r) : (int)rnd_below(r, hows[kind]);
    ev->chance = rnd_chance(r, 40) ? 100 : (int)rnd_span(r, 10, 90);
    ev->len = kind == EV_ATTACK ? some_time(r, 2 * MIN, rnd_chance(r, 10) ? 4 : 2)
              : kind == EV_AMBUSH ? some_time(r, 30 * MIN, 2)
              : kind == EV_CRASH || kind == EV_STOP ? some_time(r, SEC(1), 10)
              : kind == EV_STATE && ev->how == 4 ? some_time(r, 20 * MIN, 4)
              : some_time(r, MIN, 5);
    ev->salt = rnd_next(r);
    if ((kind == EV_CRASH || kind == EV_STOP) && rnd_chance(r, 2)) {
        ev->len = rnd_span(r, HOUR, m.years ? 2 * DAY : 4 * HOUR);
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void push(apr_array_header_t *all, ev_kind_e kind, apr_time_t at, rnd_t *r)
{
    ev_t *ev = apr_array_push(all);

    *ev = (ev_t){ .at = at };
    draw(ev, kind, r);
}

static void interfere(apr_array_header_t *all, int profile, apr_time_t at, rnd_t *r)
{
    int kind, left;

    for (kind = EV_ATTACK + 1; kind < EV_KINDS; kind++) {
        for (left = often[kind][profile]; left > 0; left -= 100) {
            if (rnd_chance(r, left)) {
                push(all, (ev_kind_e)kind, at + rnd_span(r, -5 * MIN, 50 * MIN), r);
            }
        }
    }
}

static int by_time(const void *a, const void *b)
{
    const ev_t *x = a, *y = b;

    return x->at != y->at ? x->at < y->at ? -1 : 1 : x->salt < y->salt ? -1 : x->salt > y->salt;
}

static void span(plan_t *plan)
{
    int i;

    plan->from = plan->n ? plan->ev[0].at - 20 * MIN : EPOCH;
    plan->from -= plan->from % MIN;
    plan->to = plan->from;
    for (i = 0; i < plan->n; i++) {
        /* who lies in ambush need not be waited for */
        apr_time_t end = plan->ev[i].at + 60 * MIN
                         + (plan->ev[i].kind == EV_AMBUSH ? 0 : plan->ev[i].len);

        plan->to = end > plan->to ? end : plan->to;
    }
}

void plan_make(plan_t *plan, apr_uint64_t seed, int episodes, int years, apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 1024, sizeof(ev_t));
    rnd_t r = { rnd_mix(seed, 1) };
    apr_time_t at = EPOCH + HOUR;
    int i;

    plan->profile = (int)rnd_below(&r, 4);
    for (i = 0; years ? at < EPOCH + years * 365 * DAY : i < episodes; i++) {
        push(all, EV_ATTACK, at, &r);
        interfere(all, plan->profile, at, &r);
        at += years ? rnd_span(&r, MIN, 16 * HOUR)
              : rnd_chance(&r, 93) ? rnd_span(&r, 10, 300) * SEC(1) : rnd_span(&r, 20, 60) * MIN;
    }
    qsort(all->elts, (size_t)all->nelts, sizeof(ev_t), by_time);
    plan->ev = (ev_t *)all->elts;
    plan->n = all->nelts;
    for (i = 0; i < plan->n; i++) {
        plan->ev[i].id = i;
    }
    span(plan);
}

const char *plan_show(const ev_t *ev, apr_pool_t *p)
{
    return apr_psprintf(p, "event %d: %s, how %d, prefix %d, for %s, chance %d", ev->id,
                        names[ev->kind], ev->how, ev->prefix, cfmt_duration_format(p, ev->len),
                        ev->chance);
}
