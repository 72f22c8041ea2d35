/*
 * Minutes of traffic: every rule and boundary of the judgement, what readings of one minute say
 * together, properties over random data, by seed. Runs of minutes: test_calm_spans.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_policy.h"
#include "kit.h"
#include "unit.h"

#define MIN CFMT_MINUTE
#define DOSD CFMT_SYSTEM_DOSD
#define FLOW CFMT_SYSTEM_FLOWTRACKD
#define WALL CFMT_SYSTEM_FIREWALL
#define OTHER CFMT_SYSTEM_OTHER

static const cfmt_threshold_t def = CFMT_THRESHOLD_DEFAULT;

/* ---- one minute ------------------------------------------------------------------------------ */

/* How a minute was read. */
#define WHOLE .read = 1, .complete = 1
#define EARLY .read = 1
#define UNREAD .complete = 1
#define IDLE .read = 1, .complete = 1, .idle = 1

/* Rates a second; the test makes totals of them. */
typedef struct case_t {
    const char *name;
    int read, complete, idle;
    double pps[CFMT_SYSTEMS], bps[CFMT_SYSTEMS], passed;
    double passed_pps; /* of the threshold; 0 stands for none */
    int idle_calm;
    unsigned also;     /* systems that count beside the default ones */
    const char *want;  /* "verdict reason" */
    cfmt_system_e by;
} case_t;

static const case_t cases[] = {
    /* Thresholds: at or above either. */
    { "at pps", WHOLE, .pps = { 2000 }, .want = "attack pps", .by = DOSD },
    { "below pps", WHOLE, .pps = { 1999.99 }, .want = "between pps", .by = DOSD },
    { "at bps", WHOLE, .pps = { 1 }, .bps = { 20e6 }, .want = "attack bps", .by = DOSD },
    { "below bps", WHOLE, .pps = { 1 }, .bps = { 20e6 - 1 }, .want = "between bps", .by = DOSD },
    { "at both", WHOLE, .pps = { 2000 }, .bps = { 20e6 }, .want = "attack pps", .by = DOSD },
    /* Half of them: the line itself is not calm. */
    { "half pps", WHOLE, .pps = { 1000 }, .want = "between pps", .by = DOSD },
    { "below half pps", WHOLE, .pps = { 999.99 }, .want = "calm below", .by = DOSD },
    { "half bps", WHOLE, .pps = { 1 }, .bps = { 10e6 }, .want = "between bps", .by = DOSD },
    { "below half bps", WHOLE, .pps = { 1 }, .bps = { 10e6 - 1 }, .want = "calm below",
      .by = DOSD },
    { "nothing", WHOLE, .want = "calm below", .by = OTHER },
    { "one sampled packet", WHOLE, .pps = { 10000 / 60. }, .bps = { 1.3e6 }, .want = "calm below",
      .by = DOSD },
    { "six sampled packets", WHOLE, .pps = { 60000 / 60. }, .want = "between pps", .by = DOSD },
    /* What counts. */
    { "sum", WHOLE, .pps = { 900, 1100 }, .want = "attack pps", .by = FLOW },
    { "sum of bits", WHOLE, .pps = { 2, 1 }, .bps = { 12e6, 8e6 }, .want = "attack bps",
      .by = DOSD },
    { "a draw", WHOLE, .pps = { 500, 500 }, .want = "between pps", .by = DOSD },
    { "own rules", WHOLE, .pps = { 0, 0, 9e6 }, .bps = { 0, 0, 9e9 }, .want = "calm below",
      .by = OTHER },
    { "own rules beside", WHOLE, .pps = { 1, 0, 9e6 }, .want = "calm below", .by = DOSD },
    { "own rules count", WHOLE, .pps = { 1, 0, 2000 }, .also = 1u << WALL, .want = "attack pps",
      .by = WALL },
    { "others", WHOLE, .pps = { 0, 0, 0, 9e6 }, .bps = { 0, 0, 0, 9e9 }, .want = "calm below",
      .by = OTHER },
    { "others count", WHOLE, .pps = { 1, 0, 0, 3000 }, .also = 1u << OTHER, .want = "attack pps",
      .by = OTHER },
    /* What passed counts only when asked for. */
    { "passed", WHOLE, .passed = 9e6, .want = "calm below", .by = OTHER },
    { "passed at", WHOLE, .passed = 500, .passed_pps = 500, .want = "attack passed", .by = OTHER },
    { "passed below", WHOLE, .passed = 499.99, .passed_pps = 500, .want = "between passed",
      .by = OTHER },
    { "passed half", WHOLE, .passed = 250, .passed_pps = 500, .want = "between passed",
      .by = OTHER },
    { "passed below half", WHOLE, .passed = 249.99, .passed_pps = 500, .want = "calm below",
      .by = OTHER },
    { "not added to drops", WHOLE, .pps = { 999 }, .passed = 2000, .passed_pps = 5000,
      .want = "calm below", .by = DOSD },
    { "drops beside passed", WHOLE, .pps = { 2000 }, .passed_pps = 500, .want = "attack pps",
      .by = DOSD },
    /* Not read, or not yet whole: attack or nothing. */
    { "early", EARLY, .want = "unknown incomplete", .by = OTHER },
    { "early between", EARLY, .pps = { 1999 }, .want = "unknown incomplete", .by = DOSD },
    { "early at pps", EARLY, .pps = { 0, 2000 }, .want = "attack pps", .by = FLOW },
    { "early at bps", EARLY, .pps = { 1 }, .bps = { 20e6 }, .want = "attack bps", .by = DOSD },
    { "early passed", EARLY, .passed = 500, .passed_pps = 500, .want = "attack passed",
      .by = OTHER },
    { "unread", UNREAD, .want = "unknown unread", .by = OTHER },
    { "cut between", UNREAD, .pps = { 1999 }, .want = "unknown unread", .by = DOSD },
    { "cut at pps", UNREAD, .pps = { 2000 }, .want = "attack pps", .by = DOSD },
    { "neither", .want = "unknown unread", .by = OTHER },
    { "neither, attack", .bps = { 20e6 }, .pps = { 1 }, .want = "attack bps", .by = DOSD },
    /* Nothing on the whole account. */
    { "idle", IDLE, .want = "unknown idle", .by = OTHER },
    { "idle=calm", IDLE, .idle_calm = 1, .want = "calm idle", .by = OTHER },
    { "idle, early", EARLY, .idle = 1, .want = "unknown idle", .by = OTHER },
    { "idle=calm, early", EARLY, .idle = 1, .idle_calm = 1, .want = "unknown incomplete",
      .by = OTHER },
    { "idle=calm, unread", UNREAD, .idle = 1, .idle_calm = 1, .want = "unknown unread",
      .by = OTHER },
    { "idle with drops", IDLE, .pps = { 2000 }, .want = "attack pps", .by = DOSD },
    { "idle=calm with drops", IDLE, .pps = { 2000 }, .idle_calm = 1, .want = "attack pps",
      .by = DOSD },
    { "idle=calm between", IDLE, .pps = { 1000 }, .idle_calm = 1, .want = "between pps",
      .by = DOSD },
    { "idle=calm beside traffic", WHOLE, .pps = { 1 }, .idle_calm = 1, .want = "calm below",
      .by = DOSD },
    /* A number that is none proves nothing, least of all calm. */
    { "not a number", WHOLE, .pps = { NAN }, .want = "attack pps", .by = OTHER },
    { "bits not a number", WHOLE, .pps = { 1 }, .bps = { NAN }, .want = "attack bps", .by = DOSD },
    { "passed not a number", WHOLE, .passed = NAN, .passed_pps = 500, .want = "attack passed",
      .by = OTHER },
};

static cfmt_minute_t minute_of(const case_t *c)
{
    cfmt_minute_t m = { .at = 7 * MIN, .read = c->read, .complete = c->complete, .idle = c->idle };
    int i;

    for (i = 0; i < CFMT_SYSTEMS; i++) {
        m.traffic.packets[i] = c->pps[i] * 60;
        m.traffic.bits[i] = c->bps[i] * 60;
    }
    m.traffic.passed_packets = c->passed * 60;
    return m;
}

static const char *say(const cfmt_judged_t *j)
{
    return apr_psprintf(unit_pool, "%s %s", cfmt_verdict_name(j->verdict), j->reason);
}

START_TEST(test_rules)
{
    int i;

    for (i = 0; i < KIT_COUNT(cases); i++) {
        const case_t *c = &cases[i];
        cfmt_minute_t m = minute_of(c);
        cfmt_threshold_t t = def;
        cfmt_judged_t j;

        t.systems |= c->also;
        t.passed_pps = c->passed_pps > 0 ? c->passed_pps : -1;
        t.idle_calm = c->idle_calm;
        cfmt_calm_judge(&j, &m, &t);
        ck_assert_msg(!strcmp(say(&j), c->want) && j.by == c->by, "%s: %s by %d, not %s by %d",
                      c->name, say(&j), (int)j.by, c->want, (int)c->by);
    }
}
END_TEST

static cfmt_judged_t judged(const cfmt_minute_t *m, const cfmt_threshold_t *t)
{
    cfmt_judged_t j;

    cfmt_calm_judge(&j, m, t);
    return j;
}

/* Totals of a minute become rates: only of what counts. */
START_TEST(test_figures)
{
    cfmt_minute_t m = { .read = 1, .complete = 1,
                        .traffic = { .packets = { 60, 120, 6e9, 6e9 },
                                     .bits = { 6000, 600, 6e9, 6e9 },
                                     .passed_packets = 30000, .passed_bits = 60e6 } };
    cfmt_threshold_t t = def;
    cfmt_judged_t j = judged(&m, &t);

    ck_assert_double_eq(j.pps, 3);
    ck_assert_double_eq(j.bps, 110);
    t.passed_pps = 501; /* not reached: 500 passed */
    j = judged(&m, &t);
    ck_assert_double_eq(j.pps, 3);
    ck_assert_double_eq(j.bps, 110);
}
END_TEST

START_TEST(test_names)
{
    ck_assert_str_eq(cfmt_verdict_name(CFMT_VERDICT_UNKNOWN), "unknown");
    ck_assert_str_eq(cfmt_verdict_name(CFMT_VERDICT_CALM), "calm");
    ck_assert_str_eq(cfmt_verdict_name(CFMT_VERDICT_BETWEEN), "between");
    ck_assert_str_eq(cfmt_verdict_name(CFMT_VERDICT_ATTACK), "attack");
    ck_assert_str_eq(cfmt_verdict_name((cfmt_verdict_e)(CFMT_VERDICT_ATTACK + 1)), "unknown");
    ck_assert_str_eq(cfmt_verdict_name((cfmt_verdict_e)-1), "unknown");
}
END_TEST

/* ---- mistakes of the system we replace, by name ---------------------------------------------- */

/* Thresholds joined by AND hid floods of small packets: 64 bytes, 30 kpps, under 20 Mbit/s. */
START_TEST(test_small_packet_flood)
{
    cfmt_minute_t m = { WHOLE, .traffic = { .packets = { 30e3 * 60 }, .bits = { 15.4e6 * 60 } } };
    cfmt_judged_t j = judged(&m, &def);

    ck_assert_str_eq(say(&j), "attack pps");
    /* And of a few large ones. */
    m.traffic.packets[0] = 1900. * 60;
    m.traffic.bits[0] = 22.8e6 * 60;
    j = judged(&m, &def);
    ck_assert_str_eq(say(&j), "attack bps");
    /* Nor does calm take one of them for both. */
    m.traffic.bits[0] = 0;
    ck_assert_int_eq(judged(&m, &def).verdict, CFMT_VERDICT_BETWEEN);
}
END_TEST

/* An API error read as calm: whatever of an answer was missing, no minute is calm without it. */
START_TEST(test_api_error_is_not_calm)
{
    static const cfmt_minute_t failed, cut = { .complete = 1 }, early = { .read = 1 };
    static const cfmt_span_t before = { 0, 10 * MIN, CFMT_VERDICT_CALM, "below", 0, 0, OTHER, 0 };

    ck_assert_int_eq(judged(&failed, &def).verdict, CFMT_VERDICT_UNKNOWN);
    ck_assert_int_eq(judged(&cut, &def).verdict, CFMT_VERDICT_UNKNOWN);
    ck_assert_int_eq(judged(&early, &def).verdict, CFMT_VERDICT_UNKNOWN);
    /* During an outage it is not calm, however long it was before. */
    ck_assert_int_eq(cfmt_calm_for(&before, 1, 11 * MIN), 0);
    ck_assert_int_eq(cfmt_calm_for(NULL, 0, 11 * MIN), 0);
}
END_TEST

/* The peak said 0: of an attack that nothing drops (log mode) what passed is what is told. */
START_TEST(test_peak_is_not_zero)
{
    cfmt_minute_t m = { WHOLE,
                        .traffic = { .packets = { 60 }, .bits = { 600 },
                                     .passed_packets = 80e3 * 60, .passed_bits = 9e8 * 60 } };
    cfmt_threshold_t t = def;
    cfmt_judged_t j;

    t.passed_pps = 80e3;
    j = judged(&m, &t);
    ck_assert_str_eq(say(&j), "attack passed");
    ck_assert_double_eq(j.pps, 80e3 + 1);
    ck_assert_double_eq(j.bps, 9e8 + 10);
}
END_TEST

/* The network's own rules are no attack, however much they drop. */
START_TEST(test_own_firewall_is_no_attack)
{
    cfmt_minute_t m = { WHOLE,
                        .traffic = { .packets = { [WALL] = 6e9 }, .bits = { [WALL] = 6e12 } } };
    cfmt_judged_t j = judged(&m, &def);

    ck_assert_str_eq(say(&j), "calm below");
    ck_assert_double_eq(j.pps, 0);
}
END_TEST

/* ---- random minutes -------------------------------------------------------------------------- */

/* Around the thresholds, often exactly on a line. */
static double random_total(unsigned *seed, double threshold)
{
    static const double parts[] = { 0, 0.25, 0.49, 0.5, 0.51, 0.99, 1, 1.01 };

    return parts[kit_random(seed, KIT_COUNT(parts))] * threshold * 60;
}

static cfmt_minute_t random_minute(unsigned *seed)
{
    cfmt_minute_t m = { .at = MIN };
    int i;

    for (i = 0; i < CFMT_SYSTEMS; i++) {
        if (kit_random(seed, 2)) {
            m.traffic.packets[i] = random_total(seed, def.pps);
            m.traffic.bits[i] = random_total(seed, def.bps);
        }
    }
    m.traffic.passed_packets = random_total(seed, 500);
    m.traffic.passed_bits = random_total(seed, def.bps);
    m.read = kit_random(seed, 4) > 0;
    m.complete = kit_random(seed, 4) > 0;
    m.idle = kit_random(seed, 4) == 0;
    return m;
}

static cfmt_threshold_t random_threshold(unsigned *seed)
{
    cfmt_threshold_t t = def;

    t.systems |= kit_random(seed, 16);
    t.passed_pps = kit_random(seed, 2) ? 500 : -1;
    t.idle_calm = (int)kit_random(seed, 2);
    return t;
}

/* The rules once more, as a sentence each. */
static cfmt_verdict_e oracle(const cfmt_minute_t *m, const cfmt_threshold_t *t)
{
    double packets = 0, bits = 0, passed = t->passed_pps < 0 ? -1 : m->traffic.passed_packets;
    int i;

    for (i = 0; i < CFMT_SYSTEMS; i++) {
        packets += t->systems >> i & 1 ? m->traffic.packets[i] : 0;
        bits += t->systems >> i & 1 ? m->traffic.bits[i] : 0;
    }
    if (packets / 60 >= t->pps || bits / 60 >= t->bps
        || (passed >= 0 && passed / 60 >= t->passed_pps)) {
        return CFMT_VERDICT_ATTACK;
    }
    if (!m->read || !m->complete || (m->idle && !t->idle_calm)) {
        return CFMT_VERDICT_UNKNOWN;
    }
    return packets / 60 < t->pps / 2 && bits / 60 < t->bps / 2
                   && (passed < 0 || passed / 60 < t->passed_pps / 2)
               ? CFMT_VERDICT_CALM
               : CFMT_VERDICT_BETWEEN;
}

START_TEST(test_random_verdict)
{
    unsigned seed = 1, seen[CFMT_VERDICT_ATTACK + 1] = { 0 };
    int i;

    for (i = 0; i < KIT_CASES(20000); i++) {
        cfmt_minute_t m = random_minute(&seed);
        cfmt_threshold_t t = random_threshold(&seed);
        cfmt_verdict_e v = judged(&m, &t).verdict;

        ck_assert_msg(v == oracle(&m, &t), "minute %d", i);
        seen[v]++;
    }
    for (i = 0; i <= CFMT_VERDICT_ATTACK; i++) {
        ck_assert_uint_gt(seen[i], 200); /* the data reaches every verdict */
    }
}
END_TEST

/* Incomplete data can only add attack; the doubts change nothing else. */
START_TEST(test_random_incomplete)
{
    unsigned seed = 2;
    int i;

    for (i = 0; i < KIT_CASES(20000); i++) {
        cfmt_minute_t m = random_minute(&seed), whole = m;
        cfmt_threshold_t t = random_threshold(&seed);
        cfmt_verdict_e v = judged(&m, &t).verdict, truth;

        whole.read = whole.complete = 1;
        whole.idle = 0;
        truth = judged(&whole, &t).verdict;
        ck_assert(v == truth || (v == CFMT_VERDICT_UNKNOWN && truth != CFMT_VERDICT_ATTACK));
        if (!m.read || !m.complete) {
            ck_assert(v == CFMT_VERDICT_ATTACK || v == CFMT_VERDICT_UNKNOWN);
        }
    }
}
END_TEST

static double *random_member(cfmt_traffic_t *traffic, unsigned *seed)
{
    unsigned i = kit_random(seed, CFMT_SYSTEMS);

    switch (kit_random(seed, 4)) {
    case 0:
        return &traffic->passed_packets;
    case 1:
        return &traffic->passed_bits;
    case 2:
        return &traffic->packets[i];
    default:
        return &traffic->bits[i];
    }
}

/* More traffic never makes calmer, nor lowers a figure. */
START_TEST(test_random_more)
{
    unsigned seed = 3;
    int i;

    for (i = 0; i < KIT_CASES(20000); i++) {
        cfmt_minute_t m = random_minute(&seed), more = m;
        cfmt_threshold_t t = random_threshold(&seed);
        cfmt_judged_t a, b;

        *random_member(&more.traffic, &seed) += kit_random(&seed, 2000) * 60.;
        *random_member(&more.traffic, &seed) += kit_random(&seed, 2000) * 6e5;
        a = judged(&m, &t);
        b = judged(&more, &t);
        ck_assert(b.verdict >= a.verdict && b.pps >= a.pps && b.bps >= a.bps);
    }
}
END_TEST

UNIT_SUITE_BEGIN(calm)
    UNIT_TEST(test_rules)
    UNIT_TEST(test_figures)
    UNIT_TEST(test_names)
    UNIT_TEST(test_small_packet_flood)
    UNIT_TEST(test_api_error_is_not_calm)
    UNIT_TEST(test_peak_is_not_zero)
    UNIT_TEST(test_own_firewall_is_no_attack)
    UNIT_TEST(test_random_verdict)
    UNIT_TEST(test_random_incomplete)
    UNIT_TEST(test_random_more)
UNIT_SUITE_END
