/*
 * Unit tests of src/engine/act*.c: calls that fail again and again, when they are tried again, how
 * often people are told; rules that ask nobody.
 */
#include <apr_strings.h>

#include "acting.h"

#define S ACTING_S
#define NEWEST ACTING_NEWEST

static void newest_is(const char *what, const char *want)
{
    ck_assert_str_eq(kit_text(acting_store(), what), want);
}

static void ends(apr_int64_t id, const char *state)
{
    kit_sql(acting_store(), apr_psprintf(unit_pool, "UPDATE intent SET state = '%s', settled_at ="
                                         " created_at WHERE id = %" APR_INT64_T_FMT, state, id));
}

/* What wants the same comes behind it, whatever came to nothing in between. */
START_TEST(a_call_under_way_is_not_made_again)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_hang(1);
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "sent");
    ends(id, "superseded");
    ends(acting_intent(0, "user ann", "operator"), "cancelled");
    unit_skip(S(2));
    kit_sql(acting_store(), apr_psprintf(unit_pool, "UPDATE reading SET read_at = %" APR_TIME_T_FMT,
                                         acting_now())); /* the call has not shown yet */
    id = acting_intent(1, "user ann", "operator");
    acting_rounds(e, S(1));
    newest_is(NEWEST("state"), "requested");
    acting_hang(0);
    acting_until(e, acting_state(id), "done");
    ck_assert_int_eq(acting_get().patches, 1);
    acting_end();
}
END_TEST

/* As long as without it; an operator need not. */
START_TEST(a_wait_outlives_an_order_of_no_effect)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    apr_table_setn(acting_settings(), "Mode", "enforce");
    acting_alert(0, "203.0.113.7");
    acting_rounds(e, S(1));
    acting_patches("500 Internal Server Error", 0);
    id = acting_intent(1, "policy", "attack");
    acting_until(e, NEWEST("answer"), "the call was not carried out");
    kit_sql(acting_store(), "UPDATE intent SET next_at = next_at + 300000000");
    ends(id, "superseded");
    ends(acting_intent(0, "user ann", "operator"), "cancelled");
    id = acting_intent(1, _i ? "user ann" : "policy", _i ? "operator" : "attack");
    unit_skip(S(61)); /* its state is read again */
    acting_rounds(e, S(2));
    ck_assert_int_eq(acting_get().patches, 1 + _i);
    acting_end();
}
END_TEST

/* What was read shortly before the end of a call that nobody answers is not the last word of it. */
START_TEST(a_late_effect_is_no_failure)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id;

    acting_patches("502 Bad Gateway", 0);
    id = acting_intent(0, "user ann", "operator");
    acting_until(e, acting_state(id), "unknown");
    unit_skip(S(26));
    acting_until(e, "SELECT max(read_at) > sent_at + 25000000 FROM reading, intent", "1");
    acting_is(0, acting_now());
    unit_skip(S(4));
    acting_until(e, acting_state(id), "propagating");
    ck_assert_int_eq(acting_get().patches, 1);
    acting_end();
}
END_TEST

/* Each time of a row that its call left behind, by a clock that was set back since. */
static const char *const ahead[] = {
    "sent_at = sent_at + 7200000000, answered_at = NULL",
    "sent_at = sent_at + 7200000000, answered_at = answered_at + 7200000000",
    "sent_at = sent_at + 7200000000, next_at = sent_at + 7300000000",
    "created_at = created_at + 7200000000, not_before = sent_at + 7300000000",
};

/* It is read once, not once a second for two hours, and tried again while the attack lasts. */
START_TEST(a_clock_that_was_set_back_holds_up_no_call)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_patches("500 Internal Server Error", 0);
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "unknown");
    kit_sql(acting_store(), apr_pstrcat(unit_pool, "UPDATE intent SET state = 'unknown', ",
                                        ahead[_i], NULL));
    acting_patches("200 OK", 1);
    acting_until(e, acting_state(id), "propagating");
    ck_assert_int_eq(acting_get().patches, 2);
    acting_end();
}
END_TEST

/* Nor does a call of the other kind from before it. */
START_TEST(a_clock_that_was_set_back_lets_the_next_call_pass)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_patches("500 Internal Server Error", 0);
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "unknown");
    kit_sql(acting_store(), "UPDATE intent SET state = 'superseded', settled_at = sent_at,"
                            " sent_at = sent_at + 7200000000, answered_at = NULL");
    acting_is(1, acting_now() - S(3600));
    acting_patches("200 OK", 1);
    id = acting_intent(0, "user ann", "operator");
    unit_skip(S(200)); /* the call before it may have taken effect until then */
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

/* What it waits for has been worked out by the clock as it is. */
START_TEST(a_clock_that_was_set_back_makes_no_call_come_sooner)
{
    cfmt_engine_t *e = acting_start(0);

    acting_patches("429 Too Many Requests\r\nRetry-After: 600", 0);
    acting_intent(1, "user ann", "operator");
    acting_until(e, NEWEST("answer IS NOT NULL"), "1");
    kit_sql(acting_store(), "UPDATE intent SET created_at = created_at + 7200000000");
    unit_skip(S(61));
    acting_rounds(e, S(2));
    ck_assert_int_eq(acting_get().patches, 1);
    acting_end();
}
END_TEST

/* Nor later; and who leads beside us comes to no other end of it. */
START_TEST(a_clock_that_was_set_back_is_no_news_of_what_waits)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_is(0, acting_now() - S(300));
    unit_skip(S(61));
    acting_rounds(e, S(1));
    id = acting_intent(1, "user ann", "operator");
    kit_sql(acting_store(), "UPDATE intent SET created_at = created_at + 7200000000,"
                            " next_at = created_at + 7300000000");
    acting_rounds(e, S(2));
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM journal WHERE kind = 'result'"),
                     1);
    ck_assert_int_eq(kit_int(acting_store(), "SELECT created_at FROM intent") > acting_now(), 0);
    ck_assert_int_eq(acting_get().patches, 0);
    unit_skip(S(600));
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

/* It is known by when it was called for. */
START_TEST(a_clock_that_was_set_back_loses_no_answer)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    unit_skip(S(7200));
    acting_rounds(e, S(1));
    acting_hang(1);
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "sent");
    unit_skip(-S(7200));
    acting_rounds(e, S(1));
    acting_hang(0);
    acting_until(e, acting_state(id), "propagating");
    newest_is("SELECT count(*) FROM journal WHERE kind = 'result' AND body LIKE '%unknown%'", "0");
    acting_end();
}
END_TEST

/* Nor is its state read each second until routers have followed. */
START_TEST(a_clock_that_was_set_back_hurries_nobody)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id = acting_intent(1, "user ann", "operator"), reads;

    acting_until(e, acting_state(id), "propagating");
    kit_sql(acting_store(), "UPDATE intent SET created_at = created_at + 7200000000,"
                            " sent_at = sent_at + 7200000000");
    acting_rounds(e, S(3)); /* what was read by then is fresh */
    reads = (apr_int64_t)e->reads;
    unit_skip(S(20));
    acting_rounds(e, S(3));
    ck_assert_int_eq(e->reads, reads);
    unit_skip(S(900));
    acting_until(e, acting_state(id), "done");
    acting_end();
}
END_TEST

/* Its last look is as old as nobody knows. */
START_TEST(a_clock_that_was_set_back_makes_no_look_young)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id;

    acting_drop(e);
    apr_table_setn(acting_settings(), "Mode", "enforce");
    id = acting_intent(0, "policy", "calm");
    kit_sql(acting_store(), "UPDATE intent SET created_at = created_at + 7200000000");
    unit_skip(S(600));
    e = acting_engine();
    acting_until(e, "SELECT settled_at IS NOT NULL FROM intent", "1");
    newest_is(acting_state(id), "cancelled");
    ck_assert_int_eq(acting_get().patches, 0);
    acting_end();
}
END_TEST

/* The clock is set, and no time goes by. */
static void jumps(cfmt_engine_t *e, apr_interval_time_t d)
{
    unit_skip(d);
    e->clock_mono += d;
}

/* What is waited for behind a jump is over when the clock is right again. */
START_TEST(a_clock_that_was_wrong_for_a_moment_holds_up_no_call)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id;

    acting_patches(NULL, 0);
    acting_until(e, acting_state(acting_intent(0, "user ann", "operator")), "unknown");
    ends(1, "superseded");
    acting_is(0, acting_now() - S(3600));
    id = acting_intent(1, "user ann", "operator");
    jumps(e, S(7200));
    acting_rounds(e, S(1));
    newest_is(NEWEST("state"), "requested");
    jumps(e, -S(7200));
    acting_patches("200 OK", 1);
    acting_rounds(e, S(1));
    unit_skip(S(200));
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

/* By a clock that was set back what was read looks young again when the time has come. */
START_TEST(what_was_read_before_a_jump_does_not_look_young)
{
    cfmt_engine_t *e = acting_start(0);
    acting_world_t w = acting_get();

    w.broken = 2;
    acting_set(&w);
    acting_rounds(e, S(1));
    jumps(e, -S(180));
    acting_until(e, apr_psprintf(unit_pool, "SELECT max(read_at) < %" APR_TIME_T_FMT
                                 " FROM reading", acting_now() - S(30)), "1");
    acting_end();
}
END_TEST

/* What has been read of it is enough, for a leader that has just begun, too. */
START_TEST(a_list_that_fails_holds_up_no_other)
{
    cfmt_engine_t *e = acting_start(0);
    acting_world_t w = acting_get();
    apr_int64_t id;

    w.broken = 1;
    acting_set(&w);
    acting_drop(e);
    e = acting_engine();
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

/* In its round, when the journal has nothing of it; what was read beside a list that fails, too. */
START_TEST(what_was_read_is_decided_about_at_once)
{
    cfmt_engine_t *e = acting_start(0);
    acting_world_t w = acting_get();
    apr_int64_t reads = 0;
    int i, fails, ended = 0;

    w.broken = _i;
    acting_set(&w);
    acting_rounds(e, S(1));
    unit_skip(S(61));
    for (i = 0; i < 100 && !ended; i++) {
        fails = e->read_fails;
        reads = e->reads;
        ck_assert_int_eq(acting_round(e), APR_SUCCESS);
        ck_assert_int_eq(e->journaled, 0);
        ended = _i ? e->read_fails > fails : e->reads > reads;
        acting_rest(e);
    }
    ck_assert(ended);
    ck_assert_int_gt(e->reads, reads);
    acting_end();
}
END_TEST

/* The budget of calls is for all. */
START_TEST(a_list_that_fails_is_read_less_and_less)
{
    cfmt_engine_t *e = acting_start(0);
    acting_world_t w = acting_get();

    w.broken = 2;
    acting_set(&w);
    acting_intent(1, "user ann", "operator");
    acting_rounds(e, S(60));
    ck_assert_int_ge(e->read_fails, 4);
    ck_assert_int_le(e->read_fails, 12);
    acting_end();
}
END_TEST

/* What another leader was about to do is done. */
START_TEST(a_leader_that_begins_goes_on_with_a_withdrawal)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id;

    apr_table_setn(acting_settings(), "Mode", "enforce");
    id = acting_intent(0, "policy", "calm");
    acting_drop(e);
    acting_until(acting_engine(), acting_state(id), "propagating");
    acting_end();
}
END_TEST

#define RED_CLOCK "SELECT red LIKE '%clock%' FROM decision WHERE prefix = '" ACTING_PREFIX "'"

/* Its own state is what must have been read since the clock was set. */
START_TEST(a_list_that_fails_holds_up_no_withdrawal)
{
    cfmt_engine_t *e = acting_start(1);
    acting_world_t w = acting_get();

    w.broken = 1;
    acting_set(&w);
    jumps(e, S(30));
    acting_until(e, RED_CLOCK, "1");
    unit_skip(S(61));
    acting_until(e, RED_CLOCK, "0");
    ck_assert_int_ne(kit_int(acting_store(), "SELECT fails FROM job WHERE name = 'prefixes'"), 0);
    acting_end();
}
END_TEST

/* In the round that notices a jump, before they are put right. */
START_TEST(what_may_have_been_read_ahead_is_to_be_read)
{
    cfmt_engine_t *e = acting_start(1);

    acting_rounds(e, S(1));
    newest_is(RED_CLOCK, "0");
    e->undated = 1;
    e->jumped_at = acting_now();
    e->reads++; /* decided anew */
    ck_assert_int_eq(acting_round(e), APR_SUCCESS);
    newest_is(RED_CLOCK, "1");
    acting_end();
}
END_TEST

/* An answer to what was asked before is of before, though that clock was ahead. */
START_TEST(what_was_asked_before_the_clock_was_set_is_not_read_since)
{
    cfmt_engine_t *e = acting_start(1);
    apr_time_t asked;

    unit_skip(S(61));
    asked = acting_now();
    ck_assert_int_eq(acting_round(e), APR_SUCCESS);
    e->jumped_at = asked - S(10);
    e->jumped_mono = cfmt_monotonic() + 1;
    acting_until(e, apr_psprintf(unit_pool, "SELECT last_at >= %" APR_TIME_T_FMT " FROM job"
                                 " WHERE name = 'prefixes'", asked), "1");
    ck_assert_int_eq(kit_int(acting_store(), "SELECT max(read_at) FROM reading"),
                     e->jumped_at - 1);
    acting_end();
}
END_TEST

/* Cloudflare's fifteen minutes are over by its clock, which is the one that counts. */
START_TEST(a_clock_that_is_behind_holds_up_no_advertisement)
{
    cfmt_engine_t *e = acting_start(0);
    acting_world_t w = acting_get();
    apr_int64_t id;

    w.ahead = S(7200);
    w.advertised_at = acting_now() + S(7200) - S(1000);
    acting_set(&w);
    unit_skip(S(61));
    acting_until(e, "SELECT count(*) FROM prefix, journal j WHERE j.kind = 'prefix_state' AND"
                    " advertised_at > j.at", "2");
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

START_TEST(the_servers_time_is_waited_for)
{
    cfmt_engine_t *e = acting_start(0);

    acting_patches("429 Too Many Requests\r\nRetry-After: 600", 0);
    acting_intent(1, "user ann", "operator");
    acting_until(e, NEWEST("answer IS NOT NULL"), "1");
    newest_is(NEWEST("next_at - answered_at >= 599000000"), "1");
    acting_end();
}
END_TEST

/* ---- how often people are told --------------------------------------------------------------- */

static void fails_again(cfmt_engine_t *e, int attempt, int told)
{
    unit_skip(S(400));
    acting_until(e, NEWEST("attempts"), apr_itoa(unit_pool, attempt));
    acting_until(e, NEWEST("state"), "accepted");
    unit_skip(S(121));
    acting_until(e, NEWEST("state"), "requested");
    ck_assert_int_eq(kit_told("CFMT0973"), told);
    acting_rounds(e, S(2)); /* not in the same breath */
    newest_is(NEWEST("attempts"), apr_itoa(unit_pool, attempt));
}

START_TEST(the_first_the_third_and_one_an_hour)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_patches("200 OK", 0);
    id = acting_intent(1, "user ann", "operator");
    fails_again(e, 1, 1);
    fails_again(e, 2, 1);
    fails_again(e, 3, 2);
    fails_again(e, 4, 2);
    unit_skip(S(3600));
    fails_again(e, 5, 3);
    acting_lock(1);
    unit_skip(S(400));
    acting_until(e, acting_state(id), "refused");
    acting_lock(0);
    acting_intent(1, "user ann", "operator"); /* another wish */
    fails_again(e, 1, 4);
    acting_end();
}
END_TEST

/* ---- rules that ask nobody ------------------------------------------------------------------- */

START_TEST(what_is_impossible)
{
    static const struct {
        int locked, enabled, bgp, approved, impossible;
    } tries[] = {
        { 0, 1, 0, 1, 0 },     { 1, 1, 0, 1, 1 }, { 0, 0, 0, 1, 1 }, { 0, 1, 1, 1, 1 },
        { -1, -1, -1, -1, 0 }, /* not known: Cloudflare will say */
        { 0, 1, 0, 0, 1 },
    };
    int i;

    for (i = 0; i < KIT_COUNT(tries); i++) {
        cfmt_prefix_row_t row = { .b = { .locked = tries[i].locked, .enabled = tries[i].enabled,
                                         .bgp_control = tries[i].bgp,
                                         .approved = tries[i].approved } };

        ck_assert_int_eq(cfmt_act_impossible(&row) != NULL, tries[i].impossible);
    }
}
END_TEST

static void ignore(void *baton, const cfmt_api_result_t *result)
{
    (void)baton, (void)result;
}

/* Polling has used up its share. */
START_TEST(the_reserve_is_for_actions)
{
    static const char *const rows[] = { "result", NULL };
    cfmt_api_call_t poll = { .path = "/nothing", .rows = rows, .done = ignore };
    cfmt_intent_row_t in = { .id = 9, .want = 1 };
    cfmt_prefix_row_t row = { .b = { .parent = "a1", .id = "a2" } };
    cfmt_result_t r = { .status = APR_SUCCESS };
    cfmt_engine_t *e = acting_start(0);
    int i = 0;

    while (cfmt_api_call(e->api, &poll, &r, unit_pool) == APR_SUCCESS) {
        ck_assert_int_lt(i++, 2000);
    }
    ck_assert_int_eq(r.status, CFMT_ELIMIT);
    ck_assert_int_eq(cfmt_call_may(e, &r, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_call_patch(e, &in, &row, acting_now(), &r, unit_pool), APR_SUCCESS);
    acting_drop(e);
    acting_end();
}
END_TEST

START_TEST(calls_are_told_apart)
{
    cfmt_engine_t e = { .calls = apr_array_make(unit_pool, 2, sizeof(cfmt_deed_call_t *)) };
    cfmt_deed_call_t *calls[3];
    int i;

    for (i = 0; i < 3; i++) {
        calls[i] = apr_pcalloc(unit_pool, sizeof(*calls[i]));
        calls[i]->intent = 5 + i;
        apr_pool_create(&calls[i]->pool, unit_pool);
        APR_ARRAY_PUSH(e.calls, cfmt_deed_call_t *) = calls[i];
    }
    ck_assert_ptr_eq(cfmt_call_of(&e, 6), calls[1]);
    ck_assert_ptr_null(cfmt_call_of(&e, 8));
    cfmt_call_forget(&e, calls[1]);
    ck_assert_ptr_null(cfmt_call_of(&e, 6));
    ck_assert_ptr_eq(cfmt_call_of(&e, 5), calls[0]);
    ck_assert_ptr_eq(cfmt_call_of(&e, 7), calls[2]);
}
END_TEST

Suite *suite_act_again(void)
{
    Suite *s = suite_create("act_again");
    TCase *tc = tcase_create("act_again");

    tcase_add_checked_fixture(tc, unit_setup, unit_teardown);
    tcase_set_timeout(tc, UNIT_LIMIT);
    tcase_add_test(tc, what_is_impossible);
    tcase_add_test(tc, calls_are_told_apart);
    tcase_add_test(tc, the_reserve_is_for_actions);
    tcase_add_test(tc, a_call_under_way_is_not_made_again);
    tcase_add_test(tc, a_late_effect_is_no_failure);
    tcase_add_loop_test(tc, a_wait_outlives_an_order_of_no_effect, 0, 2);
    tcase_add_loop_test(tc, a_clock_that_was_set_back_holds_up_no_call, 0, KIT_COUNT(ahead));
    tcase_add_test(tc, a_clock_that_was_set_back_lets_the_next_call_pass);
    tcase_add_test(tc, a_clock_that_was_set_back_makes_no_call_come_sooner);
    tcase_add_test(tc, a_clock_that_was_set_back_is_no_news_of_what_waits);
    tcase_add_test(tc, a_clock_that_was_set_back_loses_no_answer);
    tcase_add_test(tc, a_clock_that_was_set_back_hurries_nobody);
    tcase_add_test(tc, a_clock_that_was_set_back_makes_no_look_young);
    tcase_add_test(tc, a_clock_that_was_wrong_for_a_moment_holds_up_no_call);
    tcase_add_test(tc, a_list_that_fails_holds_up_no_other);
    tcase_add_test(tc, a_list_that_fails_holds_up_no_withdrawal);
    tcase_add_loop_test(tc, what_was_read_is_decided_about_at_once, 0, 2);
    tcase_add_test(tc, a_list_that_fails_is_read_less_and_less);
    tcase_add_test(tc, a_leader_that_begins_goes_on_with_a_withdrawal);
    tcase_add_test(tc, what_may_have_been_read_ahead_is_to_be_read);
    tcase_add_test(tc, what_was_asked_before_the_clock_was_set_is_not_read_since);
    tcase_add_test(tc, what_was_read_before_a_jump_does_not_look_young);
    tcase_add_test(tc, a_clock_that_is_behind_holds_up_no_advertisement);
    tcase_add_test(tc, the_servers_time_is_waited_for);
    tcase_add_test(tc, the_first_the_third_and_one_an_hour);
    suite_add_tcase(s, tc);
    return s;
}
