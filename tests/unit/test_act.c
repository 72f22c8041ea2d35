/*
 * Unit tests of src/engine/act*.c: what becomes of an intent, by what Cloudflare answers to the
 * call, by what is read behind it, and by what happens in between.
 */
#include <string.h>

#include <apr_strings.h>

#include "acting.h"

#define S ACTING_S
#define READ "SELECT count(*) > 0 FROM prefix"

static void comes_to(cfmt_engine_t *e, apr_int64_t id, const char *state, int patches)
{
    acting_until(e, acting_state(id), state);
    ck_assert_int_eq(acting_get().patches, patches);
    acting_end();
}

static void now_is(int advertised)
{
    acting_is(advertised, acting_now());
}

/* ---- answers to the call, and what is read then ---------------------------------------------- */

static const struct {
    const char *patch, *body;
    int effect;
    const char *state;     /* behind it */
    const char *later;     /* 130 s later; the account still answers so */
    int patches, patches_later;
    int unsure, failing;   /* told in all: of two calls that fail only the first */
} cases[] = {
    { "200 OK", ACTING_YES, 1, "propagating", "propagating", 1, 1, 0, 0 },
    { "200 OK", ACTING_YES, 0, "accepted", "requested", 1, 1, 0, 1 },
    { "400 Bad Request", ACTING_NO, 0, "refused", "refused", 1, 1, 0, 0 },
    { "400 Bad Request", ACTING_NO, 1, "refused", "refused", 1, 1, 0, 0 },
    { "500 Internal Server Error", "oh", 1, "propagating", "propagating", 1, 1, 1, 0 },
    { "500 Internal Server Error", "oh", 0, "requested", "requested", 1, 2, 1, 1 },
    { "200 OK", "<html>", 1, "propagating", "propagating", 1, 1, 1, 0 },
    { "200 OK", "<html>", 0, "requested", "requested", 1, 2, 1, 1 },
    { NULL, NULL, 1, "propagating", "propagating", 1, 1, 1, 0 },
    { NULL, NULL, 0, "requested", "requested", 1, 2, 1, 1 },
    { "429 Too Many Requests\r\nRetry-After: 60", ACTING_NO, 0, "requested", "requested", 1, 2,
      0, 1 },
};

/* Never a second call before the state was read, and none at all where it is as wanted. */
START_TEST(each_answer_leads_to_its_state)
{
    cfmt_engine_t *e = acting_start(0);
    acting_world_t w = acting_get();
    apr_int64_t id;

    w.patch = cases[_i].patch;
    w.body = cases[_i].body;
    w.effect = cases[_i].effect;
    acting_set(&w);
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, apr_psprintf(unit_pool, "SELECT attempts FROM intent WHERE id = %d", (int)id),
                 "1");
    acting_until(e, acting_state(id), cases[_i].state);
    acting_rounds(e, apr_time_from_msec(300));
    ck_assert_int_eq(acting_get().patches, cases[_i].patches);
    unit_skip(S(130));
    acting_rounds(e, apr_time_from_msec(1500));
    acting_until(e, acting_state(id), cases[_i].later);
    ck_assert_int_eq(acting_get().patches, cases[_i].patches_later);
    ck_assert_int_eq(kit_told("CFMT0945"), cases[_i].unsure);
    ck_assert_int_eq(kit_told("CFMT0973"), cases[_i].failing);
    acting_end();
}
END_TEST

static void ignore(void *baton, const cfmt_api_result_t *result)
{
    (void)result;
    ++*(int *)baton;
}

/* The breaker is in the way: nothing was sent, nothing says so, and it can still be cancelled. */
START_TEST(what_was_not_sent_is_not_counted)
{
    static const char *const rows[] = { "result", NULL };
    cfmt_engine_t *e = acting_start(0);
    acting_world_t w = acting_get();
    int i, answers = 0;
    apr_int64_t id;
    cfmt_api_call_t call = { .method = "PATCH", .path = "/nothing", .rows = rows, .done = ignore,
                             .baton = &answers, .action = 1 };

    w.patch = "500 Internal Server Error";
    w.body = "oh";
    w.effect = 0;
    acting_set(&w);
    for (i = 0; i < CFMT_BREAKER_FAILS; i++) {
        ck_assert_int_eq(cfmt_api_call(e->api, &call, NULL, unit_pool), APR_SUCCESS);
    }
    while (answers < CFMT_BREAKER_FAILS) {
        cfmt_engine_wait(e, NULL, 0, apr_time_from_msec(10));
    }
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, "SELECT answer IS NOT NULL FROM intent", "1");
    ck_assert_str_eq(kit_text(acting_store(), acting_state(id)), "requested");
    ck_assert_str_eq(kit_text(acting_store(), "SELECT attempts || ifnull(sent_at, 0) FROM intent"),
                     "00");
    ck_assert_int_eq(acting_get().patches, CFMT_BREAKER_FAILS);
    ck_assert_int_eq(kit_told("CFMT0973"), 1);
    acting_command(apr_psprintf(unit_pool, "{\"command\":\"cancel\",\"id\":%d}", (int)id));
    acting_until(e, acting_state(id), "cancelled");
    acting_end();
}
END_TEST

START_TEST(as_wanted_already_is_done_without_a_call)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id = acting_intent(1, "user ann", "operator");

    comes_to(e, id, "done", 0);
}
END_TEST

START_TEST(what_was_changed_elsewhere_is_read_before_the_call)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    now_is(1);
    unit_skip(S(20)); /* what was read is too old for a call */
    id = acting_intent(1, "user ann", "operator");
    comes_to(e, id, "done", 0);
}
END_TEST

START_TEST(locked_is_not_attempted)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_lock(1);
    unit_skip(S(20));
    id = acting_intent(1, "user ann", "operator");
    comes_to(e, id, "refused", 0);
}
END_TEST

START_TEST(a_prefix_that_is_gone_ends_it)
{
    cfmt_engine_t *e = acting_start(0);
    acting_world_t w = acting_get();
    apr_int64_t id;

    w.listed = 0;
    acting_set(&w);
    unit_skip(S(61));
    acting_until(e, "SELECT count(*) FROM reading WHERE kind = 'missing'", "1");
    id = acting_intent(1, "user ann", "operator");
    acting_rounds(e, apr_time_from_msec(300));
    ck_assert_str_eq(kit_text(acting_store(), acting_state(id)), "requested"); /* perhaps a lie */
    unit_skip(S(16 * 60));
    comes_to(e, id, "refused", 0);
}
END_TEST

START_TEST(changed_back_by_somebody_is_seen_at_once)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id = acting_intent(1, "user ann", "operator");

    acting_until(e, acting_state(id), "propagating");
    unit_skip(S(61));
    now_is(0);
    acting_until(e, acting_state(id), "failed");
    acting_end();
}
END_TEST

/* ---- time ------------------------------------------------------------------------------------ */

START_TEST(the_15_minutes_hold_for_everybody)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_is(0, acting_now() - S(300));
    unit_skip(S(61));
    id = acting_intent(1, "user ann", "operator");
    acting_rounds(e, S(1));
    ck_assert_str_eq(kit_text(acting_store(), acting_state(id)), "requested");
    ck_assert_int_eq(acting_get().patches, 0);
    unit_skip(S(9 * 60));
    acting_until(e, acting_state(id), "propagating");
    unit_skip(S(8 * 60));
    acting_until(e, acting_state(id), "done");
    id = acting_intent(0, "user bob", "operator");
    comes_to(e, id, "refused", 1);
}
END_TEST

START_TEST(what_an_operator_wanted_hours_ago_is_void)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_drop(e);
    id = acting_intent(1, "user ann", "operator");
    e = acting_engine();
    unit_skip(S(3600));
    e->began_at += S(3600);
    acting_until(e, acting_state(id), "cancelled");
    ck_assert_int_eq(acting_get().patches, 0);
    ck_assert_int_eq(kit_told("CFMT0972"), 1);
    acting_end();
}
END_TEST

/* ---- what comes in between ------------------------------------------------------------------- */

static apr_int64_t policy_withdraws(cfmt_engine_t **pe)
{
    acting_drop(*pe);
    *pe = acting_policy("enforce", NULL);
    return acting_intent(0, "policy", "calm");
}

START_TEST(a_withdrawal_of_the_policy_is_sent)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id = policy_withdraws(&e);

    comes_to(e, id, "propagating", 1);
}
END_TEST

/* _i: an attack; a hold. */
START_TEST(what_came_first_stops_it)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id = policy_withdraws(&e);

    if (_i) {
        acting_command("{\"command\":\"hold\",\"prefix\":\"" ACTING_PREFIX "\"}");
    }
    else {
        acting_alert(0, "203.0.113.7");
    }
    acting_rounds(e, S(1));
    comes_to(e, id, "cancelled", 0);
}
END_TEST

START_TEST(observe_lets_nothing_of_the_policy_out)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id = acting_intent(0, "policy", "calm");

    comes_to(e, id, "cancelled", 0);
}
END_TEST

START_TEST(a_look_that_is_over_lets_nothing_out)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id = policy_withdraws(&e);

    unit_skip(S(16));
    comes_to(e, id, "cancelled", 0);
}
END_TEST

/* Where nobody leads no decision is made: the call itself looks once more. */
START_TEST(an_attack_stops_it_without_a_leader)
{
    cfmt_engine_t *e = acting_start(1);
    apr_array_header_t *mine = apr_array_make(unit_pool, 1, sizeof(apr_int64_t));
    cfmt_result_t result = { .status = APR_SUCCESS };
    apr_int64_t id;
    int i, busy;

    acting_drop(e);
    e = acting_engine();
    e->conf.mine = mine;
    id = acting_intent(0, "user ann", "operator");
    APR_ARRAY_PUSH(mine, apr_int64_t) = id;
    acting_alert(0, "203.0.113.7");
    for (i = 0; i < 40; i++) {
        ck_assert_int_eq(cfmt_engine_command(e, &busy, &result, unit_pool), APR_SUCCESS);
        acting_rest(e);
    }
    ck_assert_str_eq(kit_text(acting_store(), acting_state(id)), "refused");
    ck_assert_int_eq(acting_get().patches, 0);
    acting_end();
}
END_TEST

/* The withdrawal is under way and may yet succeed: what is read now is not the last word. */
START_TEST(advertised_again_while_a_withdrawal_is_under_way)
{
    cfmt_engine_t *e = acting_start(1);
    acting_world_t w = acting_get();
    apr_int64_t first;

    w.hang = 1;
    w.effect = 0;
    acting_set(&w);
    first = acting_intent(0, "user ann", "operator");
    acting_until(e, acting_state(first), "sent");
    acting_command("{\"command\":\"advertise\",\"prefix\":\"" ACTING_PREFIX "\"}");
    acting_until(e, acting_state(first), "superseded");
    acting_rounds(e, S(1));
    ck_assert_str_eq(kit_text(acting_store(), ACTING_NEWEST("state")), "requested");
    acting_hang(0);
    acting_rounds(e, S(3));
    ck_assert_str_eq(kit_text(acting_store(), "SELECT state FROM intent ORDER BY id DESC LIMIT 1"),
                     "requested");
    ck_assert_str_eq(kit_text(acting_store(), "SELECT answer || (answered_at > sent_at) FROM intent"
                                              " ORDER BY id LIMIT 1"), "accepted1");
    now_is(0); /* it shows now */
    w = acting_get();
    w.effect = 1;
    acting_set(&w);
    unit_skip(S(200));
    acting_rounds(e, S(2));
    ck_assert_int_eq(acting_get().patches, 1);
    unit_skip(S(15 * 60));
    acting_until(e, "SELECT state FROM intent ORDER BY id DESC LIMIT 1", "propagating");
    ck_assert_int_eq(acting_get().patches, 2);
    acting_end();
}
END_TEST

/* Under enforce, an operator's, just carried out. */
static cfmt_engine_t *withdrawing(apr_int64_t *pid)
{
    cfmt_engine_t *e;

    acting_begin();
    apr_table_setn(acting_settings(), "Mode", "enforce");
    e = acting_engine();
    acting_rounds(e, 0);
    acting_until(e, READ, "1");
    now_is(1);
    acting_rounds(e, S(1));
    unit_skip(S(16 * 60));
    *pid = acting_intent(0, "user ann", "operator");
    acting_until(e, acting_state(*pid), "propagating");
    return e;
}

static const struct {
    const char *target; /* NULL: it may be about anything */
} overtakes[] = { { NULL }, { "203.0.113.7" } };

/* By us, for an attack: or nobody could take it back by himself. */
START_TEST(what_overtakes_a_withdrawal_is_its_cause)
{
    apr_int64_t id;
    cfmt_engine_t *e = withdrawing(&id);

    acting_alert(0, overtakes[_i].target);
    acting_until(e, acting_state(id), "superseded");
    ck_assert_str_eq(kit_text(acting_store(), "SELECT (SELECT id FROM attack) = attack FROM intent"
                                              " ORDER BY id DESC LIMIT 1"), "1");
    acting_end();
}
END_TEST

/* Nobody led for hours: the attack of today has overtaken nothing. */
START_TEST(what_was_done_long_ago_is_not_overtaken)
{
    apr_int64_t id;
    cfmt_engine_t *e = withdrawing(&id);

    unit_skip(S(2 * 3600));
    acting_alert(0, NULL);
    acting_until(e, acting_state(id), "done");
    ck_assert_str_eq(kit_text(acting_store(), "SELECT count(*) FROM intent WHERE want = 1"), "0");
    acting_end();
}
END_TEST

/* Of what a round finds to be too old: not in a minute, when it would be read anyway. */
START_TEST(what_is_to_be_read_is_read_in_the_next_round)
{
    cfmt_engine_t *e = acting_start(1);
    cfmt_rest_t rest;

    acting_rounds(e, S(2));
    unit_skip(S(20));
    acting_rounds(e, apr_time_from_msec(300));
    acting_intent(0, "user ann", "operator");
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    ck_assert_msg(rest.until <= rest.deaf, "in %d ms", (int)(rest.until - acting_now()) / 1000);
    acting_end();
}
END_TEST

/* ---- life ------------------------------------------------------------------------------------ */

static void until_called(cfmt_engine_t *e)
{
    apr_time_t end = cfmt_monotonic() + S(60);

    while (!acting_get().patches) {
        ck_assert(cfmt_monotonic() < end);
        acting_rounds(e, 0);
    }
}

/* _i: whether the call was carried out before the leader was killed. */
START_TEST(killed_during_the_call)
{
    cfmt_engine_t *e = acting_start(0);
    acting_world_t w = acting_get();
    apr_int64_t id;

    w.hang = 1;
    w.effect = _i;
    acting_set(&w);
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "sent");
    until_called(e);
    acting_rounds(e, apr_time_from_msec(300));
    ck_assert_int_eq(acting_get().patches, 1);
    acting_drop(e);
    w = acting_get();
    w.hang = 0;
    w.effect = 1;
    acting_set(&w);
    e = acting_engine();
    acting_rounds(e, S(1));
    ck_assert_str_eq(kit_text(acting_store(), acting_state(id)), "sent");
    unit_skip(S(61));
    acting_until(e, apr_psprintf(unit_pool, "SELECT state NOT IN ('sent', 'unknown') FROM intent"
                                            " WHERE id = %d", (int)id), "1");
    unit_skip(S(30));
    comes_to(e, id, "propagating", _i ? 1 : 2);
}
END_TEST

START_TEST(two_leaders_call_once)
{
    cfmt_engine_t *a = acting_start(0), *b = acting_engine();
    apr_int64_t id;
    int i;

    b->owner = "pid 999999";
    acting_rounds(b, apr_time_from_msec(300));
    acting_hang(1);
    id = acting_intent(1, "user ann", "operator");
    for (i = 0; i < 20; i++) {
        acting_rounds(a, 0);
        acting_rounds(b, 0);
    }
    until_called(a);
    acting_hang(0);
    comes_to(a, id, "propagating", 1);
}
END_TEST

/* Refused at once: the next one comes later, and later still. */
START_TEST(what_is_refused_is_not_asked_in_the_same_breath)
{
    cfmt_engine_t *e = acting_start(0);
    acting_world_t w = acting_get();

    w.patch = "400 Bad Request";
    w.body = ACTING_NO;
    w.effect = 0;
    acting_set(&w);
    apr_table_setn(acting_settings(), "Mode", "enforce");
    apr_table_setn(acting_settings(), "Prefix *", "withdraw=auto advertise=auto");
    acting_drop(e);
    e = acting_engine();
    acting_alert(0, "203.0.113.7");
    acting_until(e, "SELECT state FROM intent", "refused");
    acting_rounds(e, S(2));
    ck_assert_int_eq(acting_get().patches, 1);
    unit_skip(S(13));
    acting_until(e, "SELECT count(*) FROM intent WHERE state = 'refused'", "2");
    acting_rounds(e, S(1));
    ck_assert_int_eq(acting_get().patches, 2);
    ck_assert_int_eq(kit_told("CFMT0971"), 1);
    acting_end();
}
END_TEST

Suite *suite_act(void)
{
    Suite *s = suite_create("act");
    TCase *tc = tcase_create("act");

    tcase_add_checked_fixture(tc, unit_setup, unit_teardown);
    tcase_set_timeout(tc, UNIT_LIMIT);
    tcase_add_loop_test(tc, each_answer_leads_to_its_state, 0, KIT_COUNT(cases));
    tcase_add_test(tc, what_was_not_sent_is_not_counted);
    tcase_add_test(tc, as_wanted_already_is_done_without_a_call);
    tcase_add_test(tc, what_was_changed_elsewhere_is_read_before_the_call);
    tcase_add_test(tc, locked_is_not_attempted);
    tcase_add_test(tc, a_prefix_that_is_gone_ends_it);
    tcase_add_test(tc, changed_back_by_somebody_is_seen_at_once);
    tcase_add_test(tc, the_15_minutes_hold_for_everybody);
    tcase_add_test(tc, what_an_operator_wanted_hours_ago_is_void);
    tcase_add_test(tc, a_withdrawal_of_the_policy_is_sent);
    tcase_add_loop_test(tc, what_came_first_stops_it, 0, 2);
    tcase_add_test(tc, an_attack_stops_it_without_a_leader);
    tcase_add_test(tc, observe_lets_nothing_of_the_policy_out);
    tcase_add_test(tc, a_look_that_is_over_lets_nothing_out);
    tcase_add_test(tc, advertised_again_while_a_withdrawal_is_under_way);
    tcase_add_loop_test(tc, what_overtakes_a_withdrawal_is_its_cause, 0, KIT_COUNT(overtakes));
    tcase_add_test(tc, what_was_done_long_ago_is_not_overtaken);
    tcase_add_test(tc, what_is_to_be_read_is_read_in_the_next_round);
    tcase_add_loop_test(tc, killed_during_the_call, 0, 2);
    tcase_add_test(tc, two_leaders_call_once);
    tcase_add_test(tc, what_is_refused_is_not_asked_in_the_same_breath);
    suite_add_tcase(s, tc);
    return s;
}
