/*
 * Unit tests of src/engine/act*.c: what others do between the reading of an intent and its change,
 * copies and answers that come late, how long an intent lasts.
 */
#include <string.h>

#include <apr_strings.h>

#include "acting.h"

#define S ACTING_S
#define TAKEN "CREATE TRIGGER other BEFORE UPDATE ON intent BEGIN SELECT RAISE(IGNORE); END"
#define COMES \
    "CREATE TRIGGER comes BEFORE UPDATE OF owner ON intent WHEN NEW.owner IS NOT NULL BEGIN" \
    " INSERT INTO journal(at, kind, origin) VALUES (1, 'duplicate', 'test'); END"
#define NEWEST ACTING_NEWEST

static void newest_is(const char *what, const char *want)
{
    ck_assert_str_eq(kit_text(acting_store(), what), want);
}

/* When the next round is wanted. */
static apr_time_t due_of(cfmt_engine_t *e)
{
    apr_time_t due = 0;

    ck_assert_int_eq(cfmt_act_run(e, &due, unit_pool), APR_SUCCESS);
    return due;
}

/* As long as another leader is faster. Nobody's round fails, and nobody keeps the commit lock. */
START_TEST(another_was_faster)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id = acting_intent(1, "user ann", "operator");

    kit_sql(acting_store(), TAKEN);
    acting_rounds(e, S(1));
    newest_is(NEWEST("state"), "requested");
    ck_assert_int_eq(acting_get().patches, 0);
    ck_assert_int_eq(cfmt_store_probe(acting_store(), 1, 0), APR_SUCCESS);
    kit_sql(acting_store(), "DROP TRIGGER other");
    acting_until(e, acting_state(id), "propagating");
    ck_assert_int_eq(acting_get().patches, 1);
    acting_end();
}
END_TEST

START_TEST(another_was_faster_with_the_answer)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_hang(1);
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "sent");
    kit_sql(acting_store(), TAKEN);
    acting_hang(0);
    acting_rest(e);
    due_of(e); /* which is no failure */
    newest_is(NEWEST("state"), "sent");
    ck_assert_int_eq(e->calls->nelts, 0);
    ck_assert_int_eq(cfmt_store_probe(acting_store(), 1, 0), APR_SUCCESS);
    kit_sql(acting_store(), "DROP TRIGGER other");
    unit_skip(S(61));
    acting_until(e, acting_state(id), "propagating");
    ck_assert_int_eq(acting_get().patches, 1);
    acting_end();
}
END_TEST

/* Ids begin anew in another store. */
START_TEST(an_answer_of_another_store)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_hang(1);
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "sent");
    kit_sql(acting_store(), "UPDATE intent SET sent_at = sent_at - 1");
    acting_hang(0);
    acting_rounds(e, S(1));
    newest_is(NEWEST("state"), "sent");
    acting_end();
}
END_TEST

/* Where nobody leads a command carries out its own intents alone. */
START_TEST(somebody_elses_is_left_alone)
{
    cfmt_engine_t *e = acting_start(0);
    apr_array_header_t *mine = apr_array_make(unit_pool, 1, sizeof(apr_int64_t));
    apr_int64_t id = acting_intent(1, "user ann", "operator");

    e->conf.mine = mine;
    acting_rounds(e, S(1));
    newest_is(NEWEST("state"), "requested");
    APR_ARRAY_PUSH(mine, apr_int64_t) = id;
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

/* What has just come in may be an attack; the making of an intent is a row, too. */
START_TEST(the_journal_is_read_before_a_withdrawal)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id = acting_intent(0, "user ann", "operator");
    apr_time_t due = due_of(e);

    acting_rest(e);
    newest_is(NEWEST("state"), "requested");
    ck_assert_int_eq(acting_get().patches, 0);
    ck_assert(due > 0 && due <= acting_now() + S(1));
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

/* While the lock was waited for, or behind the call for another prefix in the same round. */
START_TEST(what_comes_before_the_call_is_heeded)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id = acting_intent(0, "user ann", "operator");
    apr_time_t due;

    kit_sql(acting_store(), COMES);
    acting_rounds(e, S(1));
    due = due_of(e);
    newest_is(NEWEST("state"), "requested");
    ck_assert_int_eq(acting_get().patches, 0);
    ck_assert(due > 0 && due <= acting_now() + S(1));
    ck_assert_int_eq(cfmt_store_probe(acting_store(), 1, 0), APR_SUCCESS);
    kit_sql(acting_store(), "DROP TRIGGER comes");
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

/* The looks that it rests on are of another time. An operator's does not rest on them. */
START_TEST(a_clock_that_was_set_stops_the_policy)
{
    cfmt_engine_t *e = acting_start(1);
    int by_hand = _i;
    apr_int64_t id;

    apr_table_setn(acting_settings(), "Mode", "enforce");
    id = acting_intent(0, by_hand ? "user ann" : "policy", by_hand ? "operator" : "calm");
    e->undated = 1;
    e->jumped_at = acting_now();
    acting_until(e, acting_state(id), by_hand ? "propagating" : "cancelled");
    ck_assert_int_eq(acting_get().patches, by_hand);
    acting_end();
}
END_TEST

START_TEST(nothing_that_comes_holds_up_an_advertisement)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id = acting_intent(1, "user ann", "operator");

    kit_sql(acting_store(), COMES);
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

START_TEST(an_operator_withdraws_what_is_held)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id;

    acting_command("{\"command\":\"hold\",\"prefix\":\"" ACTING_PREFIX "\"}");
    acting_until(e, "SELECT count(*) FROM hold", "1");
    id = acting_intent(0, "user ann", "operator");
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

/* ---- what is read, and when ------------------------------------------------------------------ */

/* Readings for an intent do not wait for their turn. */
START_TEST(an_answer_is_looked_at_soon)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;
    int i;

    unit_skip(S(20)); /* what was read is too old for a call */
    id = acting_intent(1, "user ann", "operator");
    for (i = 0; i < 40 && strcmp(kit_text(acting_store(), acting_state(id)), "accepted"); i++) {
        acting_rounds(e, 0);
    }
    newest_is(NEWEST("state"), "accepted");
    for (i = 0; i < 6; i++) {
        acting_rounds(e, 0);
    }
    newest_is(NEWEST("state"), "propagating");
    ck_assert_int_eq(e->calls->nelts, 0);
    acting_end();
}
END_TEST

static void goes_missing(cfmt_engine_t *e)
{
    acting_world_t w = acting_get();

    w.listed = 0;
    acting_set(&w);
    unit_skip(S(61));
    acting_until(e, "SELECT count(*) FROM reading WHERE kind = 'missing'", "1");
}

/* While nothing can be read of it: a budget is not for that. */
START_TEST(it_is_not_read_in_each_round)
{
    cfmt_engine_t *e = acting_start(0);
    apr_time_t at;

    goes_missing(e);
    acting_intent(1, "user ann", "operator");
    due_of(e);
    at = e->hurried_at;
    ck_assert(at > 0);
    due_of(e);
    ck_assert(e->hurried_at == at || cfmt_monotonic() - at >= S(1));
    unit_skip(S(20)); /* not listed: it will not be so in the next second either */
    due_of(e);
    ck_assert_int_eq(e->hurried_at, at);
    unit_skip(S(11));
    due_of(e);
    ck_assert(e->hurried_at > at);
    acting_end();
}
END_TEST

/* Refused by what it is, not by what it was. */
START_TEST(what_was_locked_is_read_again)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_lock(1);
    unit_skip(S(61));
    acting_until(e, "SELECT locked FROM prefix", "1");
    acting_lock(0);
    unit_skip(S(20));
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

/* Nobody knows what came of it: it may still be carried out. */
START_TEST(a_withdrawal_may_still_come)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id, reads;

    acting_patches("500 Internal Server Error", 0);
    id = acting_intent(0, "user ann", "operator");
    acting_until(e, acting_state(id), "unknown");
    acting_rounds(e, S(2));
    reads = (apr_int64_t)e->reads;
    acting_rounds(e, S(4));
    newest_is(NEWEST("state"), "unknown");
    ck_assert_int_le(e->reads, reads + 1); /* not each second */
    acting_is(0, acting_now());
    acting_until(e, acting_state(id), "propagating");
    ck_assert_int_eq(acting_get().patches, 1);
    acting_end();
}
END_TEST

START_TEST(an_older_copy_is_no_change)
{
    cfmt_engine_t *e = acting_start(1);
    apr_time_t before = acting_get().advertised_at, behind;
    apr_int64_t id = acting_intent(0, "user ann", "operator");

    acting_until(e, acting_state(id), "propagating");
    behind = acting_get().advertised_at;
    acting_is(1, before);
    unit_skip(S(61));
    acting_rounds(e, S(2));
    newest_is(NEWEST("state"), "propagating");
    acting_is(0, behind);
    unit_skip(S(61));
    acting_rounds(e, S(2));
    unit_skip(S(15 * 60));
    acting_until(e, acting_state(id), "done");
    acting_end();
}
END_TEST

/* What it was until its time is over is what it has come to. */
START_TEST(what_did_not_stay_has_failed)
{
    cfmt_engine_t *e = acting_start(1);
    apr_time_t before = acting_get().advertised_at;
    apr_int64_t id = acting_intent(0, "user ann", "operator");

    acting_until(e, acting_state(id), "propagating");
    acting_is(1, before);
    unit_skip(S(16 * 60));
    acting_until(e, acting_state(id), "failed");
    acting_end();
}
END_TEST

/* Nobody can say what came of the call. */
START_TEST(gone_after_a_call_has_failed)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_patches("200 OK", 0);
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "accepted");
    unit_skip(S(121));
    acting_until(e, acting_state(id), "requested");
    goes_missing(e);
    unit_skip(S(16 * 60));
    acting_until(e, acting_state(id), "failed");
    acting_end();
}
END_TEST

/* It was read as wanted before: nothing has failed. */
START_TEST(gone_after_it_was_done_is_done)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id = acting_intent(0, "user ann", "operator");

    acting_until(e, acting_state(id), "propagating");
    goes_missing(e);
    unit_skip(S(5 * 60));
    acting_rounds(e, S(1));
    newest_is(NEWEST("state"), "propagating");
    unit_skip(S(16 * 60));
    acting_until(e, acting_state(id), "done");
    acting_end();
}
END_TEST

/* Nobody led meanwhile: what was changed back an hour later was done before. */
START_TEST(changed_back_after_it_was_done_is_done)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id = acting_intent(0, "user ann", "operator");

    acting_until(e, acting_state(id), "propagating");
    unit_skip(S(60 * 60));
    acting_is(1, acting_now() - S(60));
    acting_until(e, acting_state(id), "done");
    acting_end();
}
END_TEST

/* Accepted, not to be seen yet, and then the opposite is wanted. */
START_TEST(what_was_accepted_may_still_show)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t first;

    acting_patches("200 OK", 0);
    first = acting_intent(0, "user ann", "operator");
    acting_until(e, acting_state(first), "accepted");
    acting_command("{\"command\":\"advertise\",\"prefix\":\"" ACTING_PREFIX "\"}");
    acting_until(e, acting_state(first), "superseded");
    acting_rounds(e, S(3));
    newest_is(NEWEST("state"), "requested");
    newest_is(NEWEST("next_at - created_at > 100000000"), "1");
    unit_skip(S(110));
    ck_assert_int_eq(cfmt_job_hurry(acting_store(), "prefixes", acting_now(), 1), APR_SUCCESS);
    acting_rounds(e, S(1)); /* read just before it shows */
    acting_is(0, acting_now());
    acting_patches("200 OK", 1);
    unit_skip(S(8));
    acting_rounds(e, S(2));
    newest_is(NEWEST("state"), "requested");
    ck_assert_int_eq(acting_get().patches, 1);
    unit_skip(S(15 * 60));
    acting_until(e, NEWEST("state"), "propagating");
    ck_assert_int_eq(acting_get().patches, 2);
    acting_end();
}
END_TEST

/* ---- the policy's ---------------------------------------------------------------------------- */

static void mode_is(cfmt_engine_t **pe, const char *mode)
{
    acting_drop(*pe);
    *pe = acting_policy(mode, NULL);
}

START_TEST(observe_cancels_what_is_queued)
{
    cfmt_engine_t *e = acting_start(0);

    acting_intent(1, "policy", "attack");
    kit_sql(acting_store(), "UPDATE intent SET not_before = created_at + 3600000000");
    due_of(e);
    newest_is(NEWEST("state"), "cancelled");
    acting_end();
}
END_TEST

/* A withdrawal that did not come to pass is decided anew, not repeated. */
START_TEST(the_policy_looks_again)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id;

    mode_is(&e, "enforce");
    acting_patches("500 Internal Server Error", 0);
    id = acting_intent(0, "policy", "calm");
    acting_until(e, acting_state(id), "unknown");
    unit_skip(S(31));
    acting_until(e, acting_state(id), "failed");
    acting_rounds(e, S(15));
    ck_assert_int_eq(acting_get().patches, 1);
    ck_assert_int_eq(kit_told("CFMT0973"), 0);
    acting_end();
}
END_TEST

START_TEST(what_was_called_is_not_cancelled)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    mode_is(&e, "enforce");
    acting_patches("200 OK", 0);
    acting_alert(0, "203.0.113.7");
    acting_until(e, "SELECT count(*) FROM attack", "1");
    id = acting_intent(1, "policy", "attack");
    acting_until(e, acting_state(id), "accepted");
    unit_skip(S(121));
    acting_until(e, acting_state(id), "requested");
    mode_is(&e, "observe");
    acting_until(e, acting_state(id), "failed");
    acting_end();
}
END_TEST

/* ---- for how long ---------------------------------------------------------------------------- */

/* Advertised a moment ago; an override is an override. */
START_TEST(an_override_does_not_wait)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id;

    acting_is(1, acting_now() - S(60));
    unit_skip(S(61));
    acting_rounds(e, S(1));
    id = acting_intent(0, "user ann", "operator");
    kit_sql(acting_store(), "UPDATE intent SET override = 1");
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

START_TEST(an_operators_word_lasts)
{
    cfmt_engine_t *e = acting_start(1);
    apr_int64_t id = acting_intent(0, "user ann", "operator");

    unit_skip(S(60));
    acting_until(e, acting_state(id), "propagating");
    acting_end();
}
END_TEST

/* _i: it was to be done later; it has been tried before. */
START_TEST(what_was_begun_goes_on_after_hours)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_patches("200 OK", 0);
    id = acting_intent(1, "user ann", "operator");
    if (_i) {
        acting_until(e, acting_state(id), "accepted");
        unit_skip(S(121));
        acting_until(e, acting_state(id), "requested");
    }
    else {
        kit_sql(acting_store(), apr_psprintf(unit_pool, "UPDATE intent SET not_before = %"
                                             APR_TIME_T_FMT, acting_now() + S(7200)));
    }
    acting_drop(e);
    acting_patches("200 OK", 1);
    unit_skip(S(7300));
    e = acting_engine();
    acting_until(e, acting_state(id), "propagating");
    ck_assert_int_eq(acting_get().patches, 1 + _i);
    acting_end();
}
END_TEST

/* A claim that outlasts its own length was made by a clock that was wrong. */
START_TEST(a_lease_of_a_year_is_none)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id;

    acting_hang(1);
    id = acting_intent(1, "user ann", "operator");
    acting_until(e, acting_state(id), "sent");
    acting_drop(e);
    acting_hang(0);
    kit_sql(acting_store(), "UPDATE intent SET expires_at = expires_at + 31536000000000");
    e = acting_engine();
    acting_until(e, NEWEST("state <> 'sent'"), "1");
    acting_end();
}
END_TEST

START_TEST(it_wakes_in_time)
{
    cfmt_engine_t *e = acting_start(0);
    apr_int64_t id = acting_intent(1, "user ann", "operator");
    apr_time_t soon = acting_now() + S(500), later = soon + S(500);

    kit_sql(acting_store(), apr_psprintf(unit_pool, "UPDATE intent SET not_before = %"
                                         APR_TIME_T_FMT ", next_at = %" APR_TIME_T_FMT, soon,
                                         later));
    unit_skip(S(20)); /* nothing is read for it before */
    ck_assert_int_eq(due_of(e), soon);
    kit_sql(acting_store(), "UPDATE intent SET not_before = next_at, next_at = not_before");
    ck_assert_int_eq(due_of(e), soon);
    kit_sql(acting_store(), "UPDATE intent SET not_before = 0, next_at = 0");
    acting_hang(1);
    acting_until(e, acting_state(id), "sent");
    acting_drop(e);
    e = acting_engine();
    acting_until(e, "SELECT count(*) > 0 FROM prefix", "1");
    ck_assert_int_eq(due_of(e), kit_int(acting_store(), NEWEST("expires_at")));
    acting_hang(0);
    acting_end();
}
END_TEST

Suite *suite_act_between(void)
{
    Suite *s = suite_create("act_between");
    TCase *tc = tcase_create("act_between");

    tcase_add_checked_fixture(tc, unit_setup, unit_teardown);
    tcase_set_timeout(tc, UNIT_LIMIT);
    tcase_add_test(tc, another_was_faster);
    tcase_add_test(tc, another_was_faster_with_the_answer);
    tcase_add_test(tc, an_answer_of_another_store);
    tcase_add_test(tc, somebody_elses_is_left_alone);
    tcase_add_test(tc, the_journal_is_read_before_a_withdrawal);
    tcase_add_test(tc, what_comes_before_the_call_is_heeded);
    tcase_add_loop_test(tc, a_clock_that_was_set_stops_the_policy, 0, 2);
    tcase_add_test(tc, nothing_that_comes_holds_up_an_advertisement);
    tcase_add_test(tc, an_operator_withdraws_what_is_held);
    tcase_add_test(tc, an_answer_is_looked_at_soon);
    tcase_add_test(tc, it_is_not_read_in_each_round);
    tcase_add_test(tc, what_was_locked_is_read_again);
    tcase_add_test(tc, a_withdrawal_may_still_come);
    tcase_add_test(tc, an_older_copy_is_no_change);
    tcase_add_test(tc, what_did_not_stay_has_failed);
    tcase_add_test(tc, gone_after_a_call_has_failed);
    tcase_add_test(tc, gone_after_it_was_done_is_done);
    tcase_add_test(tc, changed_back_after_it_was_done_is_done);
    tcase_add_test(tc, what_was_accepted_may_still_show);
    tcase_add_test(tc, observe_cancels_what_is_queued);
    tcase_add_test(tc, the_policy_looks_again);
    tcase_add_test(tc, what_was_called_is_not_cancelled);
    tcase_add_test(tc, an_override_does_not_wait);
    tcase_add_test(tc, an_operators_word_lasts);
    tcase_add_loop_test(tc, what_was_begun_goes_on_after_hours, 0, 2);
    tcase_add_test(tc, a_lease_of_a_year_is_none);
    tcase_add_test(tc, it_wakes_in_time);
    suite_add_tcase(s, tc);
    return s;
}
