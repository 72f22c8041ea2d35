/*
 * Unit tests of src/engine/{scene,outcome,outcome_shown,decide}.c: the case that is made of the
 * tables, what is written because of it, and when.
 */
#include <string.h>

#include <apr_strings.h>

#include "acting.h"

#define S ACTING_S

static apr_pool_t *tick;

static cfmt_cidr_t cidr(const char *text)
{
    cfmt_cidr_t c;

    ck_assert_int_eq(cfmt_cidr_parse(&c, NULL, text), APR_SUCCESS);
    return c;
}

static cfmt_engine_t *start(const char *mode, const char *options)
{
    acting_begin();
    return acting_policy(mode, options);
}

/* ---- the case -------------------------------------------------------------------------------- */

/* The case of the prefix, as the next round would make it. */
static cfmt_case_t look(cfmt_engine_t *e)
{
    static cfmt_scene_t sc;
    cfmt_case_t c;
    cfmt_cidr_t prefix = cidr(ACTING_PREFIX);
    const cfmt_prefix_row_t *row;

    acting_rounds(e, apr_time_from_msec(100));
    apr_pool_create(&tick, unit_pool);
    ck_assert_int_eq(cfmt_scene_load(&sc, e, acting_now(), tick), APR_SUCCESS);
    row = cfmt_prefix_find(sc.prefixes, &prefix);
    ck_assert_ptr_nonnull(row);
    cfmt_scene_case(&c, &sc, row, cfmt_scene_standing(&sc, &prefix));
    return c;
}

START_TEST(known_read_and_projected)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto calm=20m");
    cfmt_case_t c = look(e);

    ck_assert_int_eq(c.mode, CFMT_MODE_ENFORCE);
    ck_assert_int_eq(c.options.withdraw, CFMT_HOW_AUTO);
    ck_assert_int_eq(c.options.calm, S(1200));
    ck_assert_int_eq(c.listed, 1);
    ck_assert_int_eq(c.b.advertised, 0);
    ck_assert_int_eq(c.cursor >= c.head, 1);
    ck_assert_int_eq(c.held, 0);
    ck_assert_int_eq(c.nthreats, 0);
    ck_assert_int_eq(c.jumped, 0);
    acting_end();
}
END_TEST

/* That its state is to be read first: else reloads would fill the journal. */
START_TEST(a_leader_that_begins_is_no_news)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");
    const char *rows = "SELECT count(*) FROM journal WHERE kind = 'decision'";
    apr_int64_t before;

    acting_is(1, acting_now() - S(1));
    unit_skip(S(61));
    acting_until(e, "SELECT advertised FROM prefix", "1");
    acting_rounds(e, S(1));
    before = kit_int(acting_store(), rows);
    acting_drop(e);
    e = acting_engine();
    acting_rounds(e, S(1));
    ck_assert_int_eq(look(e).jumped, 1);
    unit_skip(S(61));
    acting_rounds(e, S(1));
    ck_assert_int_eq(look(e).jumped, 0);
    ck_assert_int_eq(kit_int(acting_store(), rows), before);
    acting_end();
}
END_TEST

static const struct {
    apr_interval_time_t theirs; /* ahead of ours */
    int behind;
} clocks[] = {
    { S(50), 0 }, { S(120), 1 }, { S(7200), 1 }, { S(-120), 0 },
};

/* What it asks for then is old, however new it looks. */
START_TEST(a_clock_that_is_behind_cloudflares)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");
    acting_world_t w = acting_get();

    ck_assert_int_eq(look(e).behind, 0);
    w.ahead = clocks[_i].theirs;
    acting_set(&w);
    unit_skip(S(61));
    acting_rounds(e, S(1));
    ck_assert_int_eq(look(e).behind, clocks[_i].behind);
    w.ahead = S(1);
    acting_set(&w);
    unit_skip(S(61));
    acting_rounds(e, S(1));
    ck_assert_int_eq(look(e).behind, 0);
    acting_end();
}
END_TEST

static const struct {
    const char *prefix;
    int held;
} holds[] = {
    { ACTING_PREFIX, 1 }, { "203.0.112.0/23", 1 }, { "203.0.113.0/25", 0 }, { "192.0.2.0/24", 0 },
};

START_TEST(a_hold_on_what_covers_it_holds_it)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");

    acting_command(apr_psprintf(unit_pool, "{\"command\":\"hold\",\"prefix\":\"%s\"}",
                                holds[_i].prefix));
    ck_assert_int_eq(look(e).held, holds[_i].held);
    acting_end();
}
END_TEST

START_TEST(a_window_of_all_is_one_of_each)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");

    acting_command("{\"command\":\"window.add\",\"prefix\":\"*\",\"from\":5,"
                   "\"to\":9000000000000000}");
    acting_command("{\"command\":\"window.add\",\"prefix\":\"192.0.2.0/24\",\"from\":5,"
                   "\"to\":9000000000000000}");
    ck_assert_int_eq(look(e).nwindows, 1);
    acting_end();
}
END_TEST

static const struct {
    const char *target;
    int here, chosen, everywhere;
} threats[] = {
    { "203.0.113.7", 1, 1, 0 }, { "203.0.112.0/22", 1, 1, 0 }, { "198.51.100.7", -1, 0, 0 },
    { NULL, 0, 0, 1 },
};

START_TEST(threats_are_here_or_everywhere)
{
    cfmt_engine_t *e = start("observe", "withdraw=auto");
    cfmt_case_t c;

    acting_alert(0, threats[_i].target);
    c = look(e);
    ck_assert_int_eq(c.nthreats, threats[_i].here >= 0);
    if (c.nthreats) {
        ck_assert_int_eq(c.threats[0].here, threats[_i].here);
        ck_assert_int_eq(c.threats[0].chosen, threats[_i].chosen);
        ck_assert_int_eq(c.threats[0].everywhere, threats[_i].everywhere);
        ck_assert_str_eq(c.threats[0].source, "alert");
    }
    acting_end();
}
END_TEST

static const struct {
    const char *target;
    int came_back, before; /* it began so many seconds before */
} returns[] = {
    { "203.0.113.7", 1, 0 }, { "198.51.100.7", 0, 0 }, { NULL, 1, 0 }, /* nobody can place it */
    { "203.0.113.7", 1, 60 }, /* seen too late */
};

START_TEST(an_attack_behind_a_withdrawal_is_back)
{
    cfmt_engine_t *e;
    cfmt_case_t c;

    acting_begin();
    acting_is(1, acting_now() - S(86400));
    e = acting_policy("observe", NULL);
    acting_until(e, acting_state(acting_intent(0, "unix:alice", "proposal")),
                 "propagating");
    acting_rounds(e, S(2));
    unit_skip(-S(returns[_i].before));
    acting_alert(0, returns[_i].target);
    unit_skip(S(returns[_i].before));
    acting_rounds(e, S(1));
    c = look(e);
    ck_assert_int_eq(c.npast, 1);
    ck_assert_int_eq(c.past[0].back_at > c.past[0].at, returns[_i].came_back);
    acting_end();
}
END_TEST

START_TEST(the_cursor_is_of_before_and_the_head_of_behind)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");
    cfmt_scene_t sc;

    apr_pool_create(&tick, unit_pool);
    acting_alert(0, "203.0.113.7"); /* answered, not projected */
    ck_assert_int_eq(cfmt_scene_load(&sc, e, acting_now(), tick), APR_SUCCESS);
    ck_assert(sc.cursor < sc.head);
    acting_end();
}
END_TEST

static const struct {
    const char *cut, *prefixes;
    int above;
} cuts[] = {
    { "0", "", 0 }, { "1", ACTING_PREFIX, -1 }, { "1", "192.0.2.0/24 203.0.113.0/24", -1 },
    { "2", "192.0.2.0/24 203.0.113.0/25", 0 }, { "1", "203.0.113.0/2 198.51.100.0/24", 0 },
    { "1", "", -1 }, { "1", NULL, -1 },
};

/* What Cloudflare's clock has not come to is not waited for to be calm. */
START_TEST(complete_is_what_the_reading_took_for_complete)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");
    apr_table_t *facts = apr_table_make(unit_pool, 1);
    apr_time_t read_at = acting_now(), ahead = _i * S(7200);

    apr_table_setn(facts, "ahead", apr_psprintf(unit_pool, "%" APR_TIME_T_FMT, ahead));
    ck_assert_int_eq(cfmt_store_begin(acting_store(), -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_sensed_save(acting_store(), "traffic", facts, read_at, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(acting_store()), APR_SUCCESS);
    ck_assert_int_eq(look(e).complete, (read_at - S(300) - ahead) / S(60) * S(60));
    acting_end();
}
END_TEST

/* Where nobody says which ones it is all of them. */
START_TEST(only_what_was_cut_has_no_last_look)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");
    apr_table_t *facts = apr_table_make(unit_pool, 3);

    apr_table_setn(facts, "failed", "0");
    apr_table_setn(facts, "cut", cuts[_i].cut);
    if (cuts[_i].prefixes) {
        apr_table_setn(facts, "cut_prefixes", cuts[_i].prefixes);
    }
    ck_assert_int_eq(cfmt_store_begin(acting_store(), -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_sensed_save(acting_store(), "traffic", facts, acting_now(), unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(acting_store()), APR_SUCCESS);
    ck_assert_int_eq(look(e).look_above, cuts[_i].above);
    acting_end();
}
END_TEST

/* ---- what is written ------------------------------------------------------------------------- */

START_TEST(a_decision_is_written_when_it_changes)
{
    cfmt_engine_t *e = start("observe", "withdraw=auto");
    apr_int64_t rows;

    acting_until(e, "SELECT verdict FROM decision", "none");
    rows = kit_int(acting_store(), "SELECT count(*) FROM journal WHERE kind = 'decision'");
    kit_sql(acting_store(), "UPDATE decision SET verdict = 'untouched'");
    unit_skip(S(30));
    acting_rounds(e, apr_time_from_msec(500));
    ck_assert_str_eq(kit_text(acting_store(), "SELECT verdict FROM decision"), "untouched");
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM journal"
                                             " WHERE kind = 'decision'"), rows);
    acting_alert(0, "203.0.113.7");
    acting_until(e, "SELECT verdict FROM decision", "wait");
    acting_end();
}
END_TEST

/* The state gets too old to act on, and is read again, each minute. */
START_TEST(what_is_shut_for_moments_is_not_history)
{
    cfmt_engine_t *e;
    acting_world_t w;
    apr_int64_t rows;
    int i;

    acting_begin();
    w = acting_get();
    w.advertised = 1;
    acting_set(&w);
    e = acting_engine();
    acting_rounds(e, 0);
    acting_until(e, "SELECT count(*) FROM decision", "1");
    acting_rounds(e, apr_time_from_msec(500));
    rows = kit_int(acting_store(), "SELECT count(*) FROM journal WHERE kind = 'decision'");
    for (i = 0; i < 5; i++) {
        unit_skip(S(70));
        acting_rounds(e, apr_time_from_msec(300));
    }
    ck_assert_int_le(kit_int(acting_store(), "SELECT count(*) FROM journal"
                                             " WHERE kind = 'decision'"), rows + 1);
    acting_end();
}
END_TEST

static const struct {
    cfmt_do_e action;
    const char *reason, *verdict;
} again[] = {
    { CFMT_DO_CHECK, "not_asked", "check" }, { CFMT_DO_READ, "not_asked", "read" },
    { CFMT_DO_CHECK, "old", "stay" },        { CFMT_DO_READ, "absent", "stay" },
    { CFMT_DO_STAY, "absent", "stay" },      { CFMT_DO_PROPOSE, "absent", "propose" },
};

/* The program says no, and is asked each minute: that is one decision, not two a minute. */
START_TEST(what_is_asked_again_is_not_history)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");
    cfmt_cidr_t prefix = cidr(ACTING_PREFIX);
    cfmt_outcome_t o;
    cfmt_prefix_row_t row;
    cfmt_scene_t sc;

    apr_pool_create(&tick, unit_pool);
    ck_assert_int_eq(cfmt_scene_load(&sc, e, acting_now(), tick), APR_SUCCESS);
    row = *cfmt_prefix_find(sc.prefixes, &prefix);
    row.b.advertised = 1;
    memset(&o, 0, sizeof(o));
    o.row = &row;
    cfmt_scene_case(&o.c, &sc, &row, NULL);
    cfmt_withdraw_decide(&o.d, &o.c);
    o.d.action = again[_i].action;
    o.d.gates[CFMT_GATE_ORIGIN].light = CFMT_LIGHT_RED;
    o.d.gates[CFMT_GATE_ORIGIN].reason = again[_i].reason;
    cfmt_advertise_decide(&o.a, &o.c);
    cfmt_outcome_show(&o, &sc);
    ck_assert_ptr_nonnull(o.decision);
    ck_assert_str_eq(o.decision->verdict, again[_i].verdict);
    acting_end();
}
END_TEST

static const struct {
    const char *mode, *options, *sql, *want;
} starts[] = {
    { "enforce", "advertise=auto", "SELECT state FROM intent", "propagating" },
    { "enforce", "withdraw=auto", "SELECT state || want FROM proposal", "open1" },
    { "observe", "advertise=auto", "SELECT state || want FROM proposal", "open1" },
};

START_TEST(a_start_comes_to_a_deed_or_a_proposal)
{
    cfmt_engine_t *e = start(starts[_i].mode, starts[_i].options);

    acting_alert(0, "203.0.113.7");
    acting_until(e, starts[_i].sql, starts[_i].want);
    ck_assert_int_eq(acting_get().patches, _i == 0);
    ck_assert_int_eq(kit_told(_i == 0 ? "CFMT0963" : "CFMT0964"), 1);
    acting_end();
}
END_TEST

/* From the answer to the decision, in real time; with a rest of 50 ms between rounds. */
START_TEST(a_start_is_decided_soon)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");
    apr_time_t since;

    acting_rounds(e, apr_time_from_msec(600));
    acting_alert(0, "203.0.113.7");
    since = cfmt_monotonic();
    acting_until(e, "SELECT count(*) FROM proposal", "1");
    ck_assert_msg(cfmt_monotonic() - since < S(2), "%d ms",
                  (int)apr_time_as_msec(cfmt_monotonic() - since));
    acting_end();
}
END_TEST

START_TEST(the_end_takes_the_proposal_back)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");

    acting_alert(0, "203.0.113.7");
    acting_until(e, "SELECT state FROM proposal", "open");
    unit_skip(S(60));
    acting_alert(1, "203.0.113.7");
    acting_until(e, "SELECT state FROM proposal", "withdrawn");
    acting_end();
}
END_TEST

START_TEST(not_protected_is_told_in_its_second)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");

    acting_alert(0, "203.0.113.7");
    acting_until(e, "SELECT state FROM proposal", "open");
    unit_skip(S(118));
    acting_rounds(e, apr_time_from_msec(200));
    ck_assert_int_eq(kit_told("CFMT0966"), 0);
    acting_rounds(e, S(3));
    ck_assert_int_eq(kit_told("CFMT0966"), 1);
    unit_skip(S(599));
    acting_rounds(e, S(2));
    ck_assert_int_eq(kit_told("CFMT0966"), 2);
    acting_end();
}
END_TEST

/* ---- whose change it was --------------------------------------------------------------------- */

static const char *audit(void)
{
    return kit_text(acting_store(), "SELECT ifnull(group_concat(what || ' ' || who), '') FROM"
                                    " (SELECT what, who FROM audit WHERE what LIKE 'change%'"
                                    " ORDER BY id)");
}

static void change(cfmt_engine_t *e, int advertised)
{
    acting_world_t w = acting_get();

    unit_skip(S(10)); /* Cloudflare's seconds are whole: not before it was first seen */
    w.advertised = advertised;
    w.advertised_at = acting_now();
    acting_set(&w);
    unit_skip(S(61));
    acting_until(e, "SELECT advertised FROM standing", advertised ? "1" : "0");
}

START_TEST(the_dashboard_is_told_when_no_alert_can_explain_it_any_more)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");

    change(e, 1);
    ck_assert_str_eq(audit(), "");
    unit_skip(S(20 * 60));
    acting_until(e, "SELECT count(*) FROM audit", "1");
    unit_skip(S(20 * 60));
    acting_rounds(e, apr_time_from_msec(500));
    ck_assert_str_eq(audit(), "change.advertised external");
    acting_end();
}
END_TEST

/* Nobody answered the call, it was read to be done: what is done again was somebody else. */
START_TEST(a_later_change_is_not_an_old_calls)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id;

    acting_patches(NULL, 1);
    id = acting_intent(0, "user ann", "operator");
    acting_until(e, acting_state(id), "propagating");
    acting_drop(e);
    unit_skip(S(7200));
    acting_is(0, acting_now() - S(3600));
    e = acting_engine();
    acting_until(e, "SELECT count(*) FROM audit WHERE what LIKE 'change%'", "2");
    ck_assert_str_eq(audit(), "change.withdrawn user ann,change.withdrawn external");
    acting_end();
}
END_TEST

START_TEST(each_of_two_quick_changes_is_recorded)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");

    change(e, 1);
    change(e, 0);
    unit_skip(S(21 * 60));
    acting_until(e, "SELECT count(*) FROM audit", "2");
    ck_assert_str_eq(audit(), "change.advertised external,change.withdrawn external");
    acting_end();
}
END_TEST

START_TEST(a_command_is_known_at_once_and_once)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");

    acting_command("{\"command\":\"advertise\",\"prefix\":\"" ACTING_PREFIX "\"}");
    acting_until(e, "SELECT count(*) FROM audit WHERE what = 'change.advertised'", "1");
    unit_skip(S(30 * 60));
    acting_rounds(e, apr_time_from_msec(500));
    ck_assert_str_eq(audit(), "change.advertised user ann");
    acting_end();
}
END_TEST

/* By a clock that is off it would look as if somebody else had made the change before the call. */
START_TEST(a_new_leader_doubts_nothing_before_it_has_heard_the_other_clock)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");
    cfmt_rest_t rest;
    int i;

    acting_command("{\"command\":\"advertise\",\"prefix\":\"" ACTING_PREFIX "\"}");
    acting_until(e, "SELECT count(*) FROM audit WHERE what = 'change.advertised'", "1");
    acting_drop(e);
    kit_sql(acting_store(), "UPDATE intent SET sent_at = sent_at + 100000000");
    e = acting_engine();
    for (i = 0; i < 3; i++) { /* nothing of what it asks is waited for */
        unit_skip(S(1));
        ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    }
    ck_assert_str_eq(kit_text(acting_store(), "SELECT cause FROM standing"), "operator");
    acting_rounds(e, apr_time_from_msec(500)); /* nor afterwards: the clock was set meanwhile */
    ck_assert_str_eq(kit_text(acting_store(), "SELECT cause FROM standing"), "operator");
    ck_assert_str_eq(audit(), "change.advertised user ann");
    acting_end();
}
END_TEST

/* An alert explains what was first seen also while Cloudflare does not answer. */
START_TEST(a_new_leader_learns_causes_before_it_has_heard_anything)
{
    cfmt_engine_t *e;
    acting_world_t w;
    cfmt_rest_t rest;
    int i;

    acting_begin();
    w = acting_get();
    w.advertised = 1;
    w.advertised_at = acting_now() - S(60);
    acting_set(&w);
    e = acting_engine();
    acting_until(e, "SELECT cause FROM standing", "first-seen");
    acting_drop(e);
    acting_alert(0, "203.0.113.7");
    e = acting_engine();
    for (i = 0; i < 3; i++) {
        unit_skip(S(1));
        ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    }
    ck_assert_str_eq(kit_text(acting_store(), "SELECT cause FROM standing"), "attack");
    acting_end();
}
END_TEST

/* To adopt is another word for it, not another change. */
START_TEST(an_adopted_change_is_still_one)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto");

    change(e, 1);
    unit_skip(S(21 * 60));
    acting_until(e, "SELECT count(*) FROM audit", "1");
    acting_command("{\"command\":\"adopt\",\"prefix\":\"" ACTING_PREFIX "\"}");
    acting_until(e, "SELECT cause FROM standing", "adopted");
    acting_rounds(e, apr_time_from_msec(300));
    ck_assert_str_eq(audit(), "change.advertised external");
    acting_end();
}
END_TEST

Suite *suite_decide(void)
{
    Suite *s = suite_create("decide");
    TCase *tc = tcase_create("decide");

    tcase_add_checked_fixture(tc, unit_setup, unit_teardown);
    tcase_set_timeout(tc, UNIT_LIMIT);
    tcase_add_test(tc, known_read_and_projected);
    tcase_add_test(tc, a_leader_that_begins_is_no_news);
    tcase_add_loop_test(tc, a_clock_that_is_behind_cloudflares, 0, KIT_COUNT(clocks));
    tcase_add_loop_test(tc, a_hold_on_what_covers_it_holds_it, 0, KIT_COUNT(holds));
    tcase_add_test(tc, a_window_of_all_is_one_of_each);
    tcase_add_loop_test(tc, threats_are_here_or_everywhere, 0, KIT_COUNT(threats));
    tcase_add_loop_test(tc, an_attack_behind_a_withdrawal_is_back, 0,
                        sizeof(returns) / sizeof(returns[0]));
    tcase_add_test(tc, the_cursor_is_of_before_and_the_head_of_behind);
    tcase_add_loop_test(tc, complete_is_what_the_reading_took_for_complete, 0, 2);
    tcase_add_loop_test(tc, only_what_was_cut_has_no_last_look, 0, KIT_COUNT(cuts));
    tcase_add_test(tc, a_decision_is_written_when_it_changes);
    tcase_add_test(tc, what_is_shut_for_moments_is_not_history);
    tcase_add_loop_test(tc, what_is_asked_again_is_not_history, 0, KIT_COUNT(again));
    tcase_add_loop_test(tc, a_start_comes_to_a_deed_or_a_proposal, 0, KIT_COUNT(starts));
    tcase_add_test(tc, a_start_is_decided_soon);
    tcase_add_test(tc, the_end_takes_the_proposal_back);
    tcase_add_test(tc, not_protected_is_told_in_its_second);
    tcase_add_test(tc, the_dashboard_is_told_when_no_alert_can_explain_it_any_more);
    tcase_add_test(tc, a_later_change_is_not_an_old_calls);
    tcase_add_test(tc, each_of_two_quick_changes_is_recorded);
    tcase_add_test(tc, a_command_is_known_at_once_and_once);
    tcase_add_test(tc, a_new_leader_doubts_nothing_before_it_has_heard_the_other_clock);
    tcase_add_test(tc, a_new_leader_learns_causes_before_it_has_heard_anything);
    tcase_add_test(tc, an_adopted_change_is_still_one);
    suite_add_tcase(s, tc);
    return s;
}
