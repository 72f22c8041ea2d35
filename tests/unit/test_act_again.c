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

/* Each time of a row that its call left behind, by a clock that was set back since. */
static const char *const ahead[] = {
    "sent_at = sent_at + 7200000000, answered_at = NULL",
    "sent_at = sent_at + 7200000000, answered_at = answered_at + 7200000000",
    "sent_at = sent_at + 7200000000, next_at = sent_at + 7300000000",
    "created_at = created_at + 7200000000, next_at = sent_at + 7300000000",
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
        int locked, enabled, bgp, impossible;
    } tries[] = {
        { 0, 1, 0, 0 },   { 1, 1, 0, 1 },    { 0, 0, 0, 1 }, { 0, 1, 1, 1 },
        { -1, -1, -1, 0 }, /* not known: Cloudflare will say */
    };
    int i;

    for (i = 0; i < KIT_COUNT(tries); i++) {
        cfmt_prefix_row_t row = { .b = { .locked = tries[i].locked, .enabled = tries[i].enabled,
                                         .bgp_control = tries[i].bgp } };

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
    tcase_add_loop_test(tc, a_clock_that_was_set_back_holds_up_no_call, 0, KIT_COUNT(ahead));
    tcase_add_test(tc, a_clock_that_was_set_back_lets_the_next_call_pass);
    tcase_add_test(tc, the_servers_time_is_waited_for);
    tcase_add_test(tc, the_first_the_third_and_one_an_hour);
    suite_add_tcase(s, tc);
    return s;
}
