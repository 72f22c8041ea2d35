/*
 * The gate calm: since when, how long it must be, doubled and forgotten, when it may be enough.
 */
#include "cases.h"
#include "kit.h"

/* The picture of the manual: attack until 03:01, complete at 03:21, seen by the next poll. */
START_TEST(test_earliest)
{
    cfmt_decision_t d;
    fine_t f;

    fine(&f);
    f.c.now = M(19) + 5 * SEC;
    f.c.complete = f.spans[1].to = M(14);
    f.c.poll_at = M(20) + 5 * SEC;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert_int_eq(d.gates[CFMT_GATE_CALM].value, 13);
    ck_assert_int_eq(d.gates[CFMT_GATE_CALM].threshold, 15);
    ck_assert_int_eq(d.earliest, M(21) + 5 * SEC);
    f.c.poll_at = M(21);
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert_int_eq(d.earliest, M(21));
    f.c.poll_at = 0;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert_int_eq(d.earliest, M(21));
    /* What comes last decides; what never ends by itself gives no time. */
    f.c.options.min_advertised = 40 * MIN;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert_int_eq(d.earliest, M(30));
    f.c.held = 1;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert_int_eq(d.earliest, 0);
    f.c.held_until = M(90);
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert_int_eq(d.earliest, M(90));
    f.c.held_until = M(20);
    f.c.options.min_advertised = 0;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert_int_eq(d.earliest, M(21));
}
END_TEST

/* A gap is asked again until it is known: it may close with the next poll. */
START_TEST(test_earliest_with_gap)
{
    cfmt_gate_t g;
    fine_t f;

    fine(&f);
    f.spans[1].from = M(3);
    f.c.poll_at = NOW + 55 * SEC;
    g = gate_of(&f.c, CFMT_GATE_CALM);
    ck_assert_str_eq(g.reason, "gap");
    ck_assert_int_eq(g.next, NOW + 55 * SEC);
    f.c.poll_at = 0;
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_CALM).next, NOW + 1);
}
END_TEST

/* Calm before it was advertised was the calm of an empty table. */
START_TEST(test_calm_since_advertised)
{
    cfmt_gate_t g;
    fine_t f;

    fine(&f);
    f.spans[0] = (cfmt_span_t){ .from = M(-30), .to = M(16), .verdict = CFMT_VERDICT_CALM };
    f.c.nspans = 1;
    f.c.options.min_advertised = 0;
    f.c.b.advertised_at = f.c.cause.at = M(1) + 59 * SEC;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
    f.c.b.advertised_at = f.c.cause.at = M(2);
    g = gate_of(&f.c, CFMT_GATE_CALM);
    ck_assert(g.light == CFMT_LIGHT_RED && g.value == 14 && !strcmp(g.reason, "short"));
    ck_assert_int_eq(g.next, M(22));
    f.c.b.advertised_at = f.c.cause.at = M(20); /* nothing can be known yet */
    g = gate_of(&f.c, CFMT_GATE_CALM);
    ck_assert(g.light == CFMT_LIGHT_RED && g.value == 0 && !strcmp(g.reason, "short"));
}
END_TEST

START_TEST(test_stale)
{
    fine_t f;

    fine(&f);
    f.c.now = M(16) + 13 * MIN; /* twice the lag, two intervals, a minute */
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_CALM).light, CFMT_LIGHT_GREEN);
    f.c.now++;
    ck_assert_str_eq(gate_of(&f.c, CFMT_GATE_CALM).reason, "stale");
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_CALM).light, CFMT_LIGHT_UNKNOWN);
}
END_TEST

START_TEST(test_calm_wanted)
{
    fine_t f;

    fine(&f);
    f.c.options.calm = 14 * MIN + 1; /* whole minutes, upwards */
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_CALM).threshold, 15);
    f.c.options.calm = 0; /* never without any */
    f.spans[1].to = M(15);
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_CALM).threshold, 1);
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_CALM).light, CFMT_LIGHT_UNKNOWN);
}
END_TEST

START_TEST(test_doubled)
{
    apr_time_t next;
    fine_t f;

    fine(&f);
    ck_assert_int_eq(cfmt_withdraw_calm(&f.c, &next), 15 * MIN);
    ck_assert_int_eq(next, 0);
    f.c.npast = 1;
    f.past[0] = (cfmt_past_t){ M(-200), M(-140) }; /* back in exactly an hour */
    ck_assert_int_eq(cfmt_withdraw_calm(&f.c, &next), 30 * MIN);
    ck_assert_int_eq(next, M(-140) + 24 * HOUR);
    f.past[0].back_at++;
    ck_assert_int_eq(cfmt_withdraw_calm(&f.c, &next), 15 * MIN);
    f.past[0].back_at = 0;
    ck_assert_int_eq(cfmt_withdraw_calm(&f.c, NULL), 15 * MIN);
    f.past[0] = (cfmt_past_t){ M(-200), M(-201) }; /* began while it was being withdrawn */
    ck_assert_int_eq(cfmt_withdraw_calm(&f.c, NULL), 30 * MIN);
    f.past[0] = (cfmt_past_t){ NOW - 24 * HOUR - MIN, NOW - 24 * HOUR + 1 };
    ck_assert_int_eq(cfmt_withdraw_calm(&f.c, &next), 30 * MIN);
    ck_assert_int_eq(next, NOW + 1);
    f.past[0].back_at--; /* forgotten */
    ck_assert_int_eq(cfmt_withdraw_calm(&f.c, &next), 15 * MIN);
}
END_TEST

START_TEST(test_doubled_up_to)
{
    static const int wanted[] = { 15, 30, 60, 120, 120, 120 };
    fine_t f;
    int i;

    fine(&f);
    for (i = 0; i < KIT_COUNT(wanted); i++) {
        f.c.npast = i;
        f.past[i] = (cfmt_past_t){ M(-100 * (i + 1)), M(-100 * (i + 1) + 10) };
        ck_assert_int_eq(cfmt_withdraw_calm(&f.c, NULL), wanted[i] * MIN);
    }
    f.c.options.calm_max = 50 * MIN;
    ck_assert_int_eq(cfmt_withdraw_calm(&f.c, NULL), 50 * MIN);
    f.c.options.calm_max = 10 * MIN; /* below CfmtCalm: that is the least */
    ck_assert_int_eq(cfmt_withdraw_calm(&f.c, NULL), 15 * MIN);
    f.c.npast = -1;
    f.c.options.calm_max = 2 * HOUR;
    ck_assert_int_eq(cfmt_withdraw_calm(&f.c, NULL), 2 * HOUR);
}
END_TEST

UNIT_SUITE_BEGIN(withdraw_calm)
    UNIT_TEST(test_earliest)
    UNIT_TEST(test_earliest_with_gap)
    UNIT_TEST(test_calm_since_advertised)
    UNIT_TEST(test_stale)
    UNIT_TEST(test_calm_wanted)
    UNIT_TEST(test_doubled)
    UNIT_TEST(test_doubled_up_to)
UNIT_SUITE_END
