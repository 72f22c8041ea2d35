/*
 * The gates of a withdrawal: all green withdraws; each alone keeps it, with its reason; boundaries;
 * the ladder of what is asked first; orphans.
 */
#include "kit.h"
#include "spoils.h"

START_TEST(test_all_green)
{
    cfmt_decision_t d;
    fine_t f;
    int i;

    fine(&f);
    cfmt_withdraw_decide(&d, &f.c);
    for (i = 0; i < CFMT_GATES; i++) {
        ck_assert_msg(d.gates[i].light == CFMT_LIGHT_GREEN, "%s: %s",
                      cfmt_gate_name((cfmt_gate_e)i), d.gates[i].reason);
        ck_assert_int_eq(d.gates[i].id, i);
        ck_assert_ptr_nonnull(d.gates[i].source);
        ck_assert(d.gates[i].at > 0 && d.gates[i].at <= NOW);
    }
    ck_assert_int_eq(d.action, CFMT_DO_WITHDRAW);
    ck_assert_int_eq(d.why, CFMT_GATES);
    ck_assert(!d.orphan && !d.orphan_tell && !d.orphan_at && !d.earliest);
}
END_TEST

/* ---- each gate alone ------------------------------------------------------------------------- */

START_TEST(test_each_alone)
{
    unsigned seen = 0;
    cfmt_decision_t d;
    fine_t f;
    int i, k;

    for (i = 0; i < KIT_COUNT(spoils); i++) {
        const spoil_t *s = &spoils[i];
        const char *name = cfmt_gate_name(s->gate);

        fine(&f);
        s->by(&f);
        cfmt_withdraw_decide(&d, &f.c);
        for (k = 0; k < CFMT_GATES; k++) {
            ck_assert_msg(cfmt_gate_open(&d.gates[k]) == (k != (int)s->gate), "%s %s: %s is %s",
                          name, s->reason, cfmt_gate_name((cfmt_gate_e)k), d.gates[k].reason);
        }
        ck_assert_msg(d.gates[s->gate].light == s->light, "%s %s", name, s->reason);
        ck_assert_str_eq(d.gates[s->gate].reason, s->reason);
        ck_assert_str_eq(d.gates[s->gate].source, s->source);
        ck_assert_msg(d.action == s->action, "%s %s: %s", name, s->reason, cfmt_do_name(d.action));
        ck_assert_int_eq(d.why, s->gate);
        seen |= 1u << s->gate;
    }
    ck_assert_int_eq(seen, (1u << CFMT_GATES) - 1);
}
END_TEST

/* A case of which nothing is known has one gate that nobody can fail to know: the configuration. */
START_TEST(test_nothing_known)
{
    cfmt_decision_t d;
    cfmt_case_t c;
    int i;

    cfmt_case_init(&c, NOW);
    c.mode = CFMT_MODE_ENFORCE;
    c.options.withdraw = CFMT_HOW_AUTO;
    cfmt_withdraw_decide(&d, &c);
    ck_assert_int_eq(d.action, CFMT_DO_STAY);
    for (i = CFMT_GATE_KNOWN; i < CFMT_GATES; i++) {
        ck_assert_msg(d.gates[i].light == CFMT_LIGHT_UNKNOWN, "%s",
                      cfmt_gate_name((cfmt_gate_e)i));
    }
    ck_assert(!d.earliest && !d.orphan && !d.orphan_tell);
}
END_TEST

/* ---- boundaries ------------------------------------------------------------------------------ */

START_TEST(test_fresh)
{
    fine_t f;

    fine(&f);
    f.c.read_at = NOW - 60 * SEC;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_FRESH).value, 60 * SEC);
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_FRESH).threshold, 60 * SEC);
    f.c.read_at = NOW;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
}
END_TEST

START_TEST(test_min_advertised)
{
    cfmt_gate_t g;
    fine_t f;

    fine(&f);
    f.c.b.advertised_at = f.c.cause.at = NOW - 900 * SEC;
    g = gate_of(&f.c, CFMT_GATE_MIN_ADVERTISED);
    ck_assert_int_eq(g.light, CFMT_LIGHT_GREEN);
    ck_assert(g.figure == CFMT_FIGURE_DURATION && g.value == 900 * SEC && g.threshold == 900 * SEC);
    f.c.b.advertised_at++;
    g = gate_of(&f.c, CFMT_GATE_MIN_ADVERTISED);
    ck_assert_int_eq(g.light, CFMT_LIGHT_RED);
    ck_assert_int_eq(g.next, NOW + 1);
    f.c.b.advertised_at += 7200 * SEC; /* by a clock that is so much ahead of ours */
    f.c.behind_by = 7200 * SEC;
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_MIN_ADVERTISED).next, NOW + 1);
    f.c.behind_by = 0;
    f.c.b.advertised_at = NOW + 5; /* not even with a minimum of nothing */
    f.c.options.min_advertised = 0;
    g = gate_of(&f.c, CFMT_GATE_MIN_ADVERTISED);
    ck_assert_int_eq(g.light, CFMT_LIGHT_RED);
    ck_assert_int_eq(g.next, NOW + 5);
    f.c.b.advertised_at = 0;
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_MIN_ADVERTISED).light, CFMT_LIGHT_UNKNOWN);
}
END_TEST

START_TEST(test_hold_and_window_end)
{
    fine_t f;

    fine(&f);
    f.c.held = 1;
    f.c.held_until = NOW; /* over in this microsecond */
    f.c.nwindows = 2;
    f.windows[0] = (cfmt_window_t){ 1, M(0), NOW, "over" };
    f.windows[1] = (cfmt_window_t){ 2, NOW + 1, M(60), "to come" };
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_NO_WINDOW).next, NOW + 1);
    f.c.held_until = NOW + 1;
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_NO_HOLD).next, NOW + 1);
    f.windows[0] = (cfmt_window_t){ 1, NOW, M(50), "short" };
    f.windows[1].from = NOW - 1;
    f.c.nwindows = 2; /* of two the one that ends last */
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_NO_WINDOW).next, M(60));
    ck_assert_str_eq(gate_of(&f.c, CFMT_GATE_NO_WINDOW).text, "to come");
    f.c.held_until = 0;
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_NO_HOLD).next, 0);
}
END_TEST

/* When it may change lies ahead, or nobody knows. */
START_TEST(test_api_health)
{
    cfmt_decision_t d;
    fine_t f;

    fine(&f);
    f.c.api_closed = 0;
    f.c.api_retry_at = NOW + 1;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert_int_eq(d.gates[CFMT_GATE_API_HEALTH].next, NOW + 1);
    ck_assert_int_eq(d.next, NOW + 1);
    ck_assert_int_eq(d.earliest, 0); /* it is only tried again then */
    f.c.api_retry_at = NOW;
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_API_HEALTH).next, 0);
}
END_TEST

START_TEST(test_attacks)
{
    cfmt_gate_t g;
    fine_t f;

    fine(&f);
    f.c.nthreats = 4;
    f.threats[0] = (cfmt_threat_t){ .attack = "far", .from = M(0) }; /* neither here nor anywhere */
    f.threats[1] = (cfmt_threat_t){ .attack = "any", .from = M(1), .everywhere = 1 };
    f.threats[2] = (cfmt_threat_t){ .attack = "new", .from = M(3), .here = 1 };
    f.threats[3] = (cfmt_threat_t){ .attack = "old", .from = M(2), .here = 1 };
    g = gate_of(&f.c, CFMT_GATE_NO_ATTACK);
    ck_assert_int_eq(g.value, 3);
    ck_assert_str_eq(g.text, "old");
    ck_assert_int_eq(g.at, M(2));
    f.c.nthreats = 1;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
}
END_TEST

START_TEST(test_origin)
{
    cfmt_gate_t g;
    fine_t f;

    fine(&f);
    f.c.check = 0;
    g = gate_of(&f.c, CFMT_GATE_ORIGIN);
    ck_assert_int_eq(g.light, CFMT_LIGHT_UNCHECKED);
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
    f.c.check = 1;
    f.c.check_asked_at = NOW - 60 * SEC + 1; /* believed until the minute is over */
    f.c.check_answered_at = f.c.check_asked_at + 10 * SEC;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
    f.c.check_answered_at++;
    ck_assert_str_eq(gate_of(&f.c, CFMT_GATE_ORIGIN).reason, "no_answer");
    f.c.check_answered_at = f.c.check_asked_at - 1; /* the answer to an earlier question */
    ck_assert_str_eq(gate_of(&f.c, CFMT_GATE_ORIGIN).reason, "no_answer");
    f.c.check_asked_at = NOW - 10 * SEC;
    g = gate_of(&f.c, CFMT_GATE_ORIGIN);
    ck_assert_str_eq(g.reason, "asking");
    ck_assert_int_eq(g.next, NOW + 1);
    f.c.check_asked_at--;
    g = gate_of(&f.c, CFMT_GATE_ORIGIN);
    ck_assert_str_eq(g.reason, "no_answer");
    ck_assert_int_eq(g.next, f.c.check_asked_at + 60 * SEC); /* at most once a minute */
    f.c.check_asked_at = NOW + 1; /* asked by a clock that was wrong */
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_CHECK);
}
END_TEST

/* Nobody but the very last gates comes after the program. */
START_TEST(test_origin_last)
{
    fine_t f;
    int i;

    for (i = 0; i < KIT_COUNT(spoils); i++) {
        const spoil_t *s = &spoils[i];
        int late = s->gate == CFMT_GATE_MODE || s->gate == CFMT_GATE_LAST_LOOK;

        fine(&f);
        s->by(&f);
        f.c.check_asked_at = s->gate == CFMT_GATE_ORIGIN ? f.c.check_asked_at : 0;
        if (s->gate != CFMT_GATE_ORIGIN) {
            ck_assert_msg((action_of(&f.c) == CFMT_DO_CHECK) == late, "%s",
                          cfmt_gate_name(s->gate));
        }
    }
}
END_TEST

START_TEST(test_last_look)
{
    cfmt_gate_t g;
    fine_t f;

    fine(&f);
    f.c.look_at = NOW - 10 * SEC;
    f.c.look_state_at = NOW - 10 * SEC;
    f.c.look_traffic_at = NOW;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
    f.c.look_traffic_at = NOW - 10 * SEC;
    f.c.now++; /* good, but too long ago: taken anew */
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_LOOK);
    f.c.look_traffic_at = f.c.now; /* answered too late */
    g = gate_of(&f.c, CFMT_GATE_LAST_LOOK);
    ck_assert(g.light == CFMT_LIGHT_RED && !strcmp(g.reason, "no_answer"));
    ck_assert_int_eq(g.next, f.c.look_at + 60 * SEC);
    f.c.now = f.c.look_at + 60 * SEC - 1;
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_LAST_LOOK).light, CFMT_LIGHT_RED);
    f.c.now++;
    ck_assert_str_eq(gate_of(&f.c, CFMT_GATE_LAST_LOOK).reason, "old");
    f.c.now = NOW;
    f.c.look_state_at = NOW - 10 * SEC;
    f.c.look_traffic_at = NOW + 1; /* read in the future */
    ck_assert_int_ne(action_of(&f.c), CFMT_DO_WITHDRAW);
    f.c.look_at = NOW + 1;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_LOOK);
}
END_TEST

/* Time runs faster; programs and transfers do not: what they say counts from when they say it. */
START_TEST(test_demonstration)
{
    fine_t f;

    fine(&f);
    f.c.check_limit = 600 * SEC;
    f.c.check_asked_at = NOW - 300 * SEC;
    f.c.check_answered_at = NOW - 60 * SEC + 1;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
    f.c.check_answered_at--;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_CHECK);
    fine(&f);
    f.c.look_limit = 600 * SEC;
    f.c.look_at = NOW - 300 * SEC;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
    f.c.look_above = 1; /* in vain: not asked again before an answer could have come */
    ck_assert_str_eq(gate_of(&f.c, CFMT_GATE_LAST_LOOK).reason, "attack");
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_LAST_LOOK).next, f.c.look_at + 1200 * SEC);
}
END_TEST

/* ---- the ladder ------------------------------------------------------------------------------ */

static void nothing_asked(fine_t *f)
{
    f->c.read_at = NOW - 5 * MIN;
    f->c.check_asked_at = f->c.check_answered_at = 0;
    f->c.look_at = f->c.look_state_at = f->c.look_traffic_at = 0;
}

START_TEST(test_ladder)
{
    fine_t f;

    fine(&f);
    nothing_asked(&f);
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_READ);
    f.c.read_at = NOW;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_CHECK);
    f.c.check_asked_at = NOW;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_STAY); /* being asked */
    f.c.check_answered_at = NOW;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_LOOK);
    f.c.look_at = NOW;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_STAY);
    f.c.look_state_at = NOW;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_STAY);
    f.c.look_traffic_at = NOW;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
}
END_TEST

START_TEST(test_ladder_observed)
{
    fine_t f;

    fine(&f);
    nothing_asked(&f);
    f.c.mode = CFMT_MODE_OBSERVE;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_CHECK); /* on what the last poll read */
    f.c.check_asked_at = f.c.check_answered_at = NOW;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WOULD); /* without the last look */
    f.c.check_ok = 0;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_STAY);
    f.c.jumped = 1;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_READ);
}
END_TEST

/* Else it would be read, asked and decided anew each minute, for as long as it is advertised. */
START_TEST(test_observed_for_days)
{
    fine_t f;
    cfmt_decision_t d;

    fine(&f);
    nothing_asked(&f);
    f.c.mode = CFMT_MODE_OBSERVE;
    f.c.check_asked_at = f.c.check_answered_at = NOW - CFMT_CHECK_EVERY;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert_int_eq(d.action, CFMT_DO_WOULD);
    ck_assert(!cfmt_gate_open(&d.gates[CFMT_GATE_FRESH]));
    ck_assert(!cfmt_gate_open(&d.gates[CFMT_GATE_ORIGIN]));
    f.c.check_ok = 0; /* a no may become a yes */
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_CHECK);
    f.c.check_ok = -1;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_CHECK);
    f.c.check_ok = 1;
    f.c.options.withdraw = CFMT_HOW_PROPOSE;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WOULD);
    f.c.mode = CFMT_MODE_ENFORCE;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_READ);
}
END_TEST

START_TEST(test_propose)
{
    fine_t f;

    fine(&f);
    nothing_asked(&f);
    f.c.options.withdraw = CFMT_HOW_PROPOSE;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_READ);
    f.c.read_at = NOW;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_PROPOSE);
    f.c.withdraw_offer = (cfmt_offer_t){ .state = CFMT_OFFER_OPEN, .advertised_at = M(-10),
                                         .at = NOW, .until = NOW + 1, .by = "anna" };
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_STAY);
    ck_assert_str_eq(gate_of(&f.c, CFMT_GATE_SCOPE).reason, "proposed");
    ck_assert_int_eq(gate_of(&f.c, CFMT_GATE_SCOPE).next, NOW + 1);
    f.c.withdraw_offer.state = CFMT_OFFER_DENIED;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_STAY);
    f.c.withdraw_offer.state = CFMT_OFFER_APPROVED;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_CHECK);
    fine_self(&f.c);
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WITHDRAW);
    f.c.mode = CFMT_MODE_OBSERVE;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WOULD);
    f.c.mode = CFMT_MODE_ENFORCE;
    f.c.withdraw_offer.until = NOW; /* too late */
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_PROPOSE);
    f.c.withdraw_offer.until = NOW + 1;
    f.c.withdraw_offer.advertised_at--; /* of an earlier advertisement */
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_PROPOSE);
    f.c.mode = CFMT_MODE_OBSERVE;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_WOULD);
}
END_TEST

/* ---- orphans --------------------------------------------------------------------------------- */

START_TEST(test_orphan)
{
    cfmt_decision_t d;
    fine_t f;

    fine(&f);
    cause_external(&f);
    f.c.poll_at = M(5000);
    f.c.now = M(-10) + 4 * HOUR - 1;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert(!d.orphan && !d.orphan_tell);
    ck_assert_int_eq(d.orphan_at, M(-10) + 4 * HOUR);
    ck_assert_int_eq(d.next, M(-10) + 4 * HOUR);
    f.c.now++;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert(d.orphan && d.orphan_tell);
    f.c.orphan_told_at = f.c.now;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert(d.orphan && !d.orphan_tell);
    ck_assert_int_eq(d.orphan_at, f.c.now + 24 * HOUR);
    f.c.now += 24 * HOUR;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert(d.orphan && d.orphan_tell);
    f.c.orphan_told_at = M(-11); /* another advertisement was told then */
    f.c.now = M(-10) + 4 * HOUR;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert(d.orphan_tell);
    attack_here(&f);
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert(d.orphan && !d.orphan_tell); /* not now */
}
END_TEST

START_TEST(test_no_orphan)
{
    static void (*const by[])(fine_t *f) = {
        withdrawn, enabled_no, bgp_yes, hold_forever, known_gone, advertised_unknown,
    };
    cfmt_decision_t d;
    fine_t f;
    int i;

    fine(&f); /* caused by an attack: the policy's */
    f.c.now = M(10000);
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert(!d.orphan && !d.orphan_at);
    for (i = 0; i < KIT_COUNT(by); i++) {
        fine(&f);
        cause_external(&f);
        by[i](&f);
        f.c.now = M(10000);
        cfmt_withdraw_decide(&d, &f.c);
        ck_assert_msg(!d.orphan && !d.orphan_tell && !d.orphan_at, "%d", i);
    }
    fine(&f); /* nobody says since when: from when it was first seen */
    f.c.b.advertised_at = f.c.cause.at = 0;
    f.c.first_at = NOW - 4 * HOUR;
    cfmt_withdraw_decide(&d, &f.c);
    ck_assert(d.orphan && d.orphan_tell);
}
END_TEST

/* The most dangerous first day: enforce, auto, over prefixes that somebody advertises. */
START_TEST(test_first_day)
{
    static const char *const five[] = { "198.51.100.0/24", "192.0.2.0/24", "203.0.113.0/24",
                                        "203.0.113.128/25", "2001:db8::/32" };
    cfmt_decision_t d;
    fine_t f;
    int i, minute, told;

    for (i = 0; i < 5; i++) {
        cfmt_cause_facts_t facts = { .advertised = 1, .at = M(-100 * 1440), .first_seen = 1 };

        fine(&f);
        ck_assert_int_eq(cfmt_cidr_parse(&f.c.b.cidr, NULL, five[i]), APR_SUCCESS);
        f.c.b.enabled = i != 3;
        f.c.b.advertised_at = M(-100 * 1440);
        f.c.first_at = M(0);
        f.c.nspans = 1;
        for (minute = told = 0; minute < 24 * 60; minute++) {
            f.c.now = facts.now = M(minute) + 5 * SEC;
            fine_self(&f.c);
            f.c.check_asked_at = f.c.check_answered_at = f.c.look_at = f.c.now;
            f.c.look_state_at = f.c.look_traffic_at = f.c.read_at = f.c.now;
            f.c.complete = M(minute - 5);
            f.spans[0] = (cfmt_span_t){ .from = M(-1440), .to = f.c.complete,
                                        .verdict = CFMT_VERDICT_CALM, .reason = "below" };
            cfmt_cause_find(&f.c.cause, &facts);
            cfmt_withdraw_decide(&d, &f.c);
            ck_assert_int_eq(d.action, CFMT_DO_STAY);
            told += d.orphan_tell;
            f.c.orphan_told_at = d.orphan_tell ? f.c.now : f.c.orphan_told_at;
        }
        ck_assert_int_eq(told, i != 3);
    }
}
END_TEST

START_TEST(test_defaults)
{
    cfmt_options_t defaults = CFMT_OPTIONS_DEFAULT;
    fine_t f;

    fine(&f);
    f.c.options = defaults;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_STAY);
    f.c.mode = CFMT_MODE_OBSERVE;
    ck_assert_int_eq(action_of(&f.c), CFMT_DO_STAY);
}
END_TEST

UNIT_SUITE_BEGIN(withdraw)
    UNIT_TEST(test_all_green)
    UNIT_TEST(test_each_alone)
    UNIT_TEST(test_nothing_known)
    UNIT_TEST(test_fresh)
    UNIT_TEST(test_min_advertised)
    UNIT_TEST(test_hold_and_window_end)
    UNIT_TEST(test_api_health)
    UNIT_TEST(test_attacks)
    UNIT_TEST(test_origin)
    UNIT_TEST(test_origin_last)
    UNIT_TEST(test_last_look)
    UNIT_TEST(test_demonstration)
    UNIT_TEST(test_ladder)
    UNIT_TEST(test_ladder_observed)
    UNIT_TEST(test_observed_for_days)
    UNIT_TEST(test_propose)
    UNIT_TEST(test_orphan)
    UNIT_TEST(test_no_orphan)
    UNIT_TEST(test_first_day)
    UNIT_TEST(test_defaults)
UNIT_SUITE_END
