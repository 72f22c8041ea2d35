/*
 * Unit tests of src/engine/command*.c: what each command comes to, its answer and its link of the
 * audit chain; that it is carried out once, in its turn, wholly or not at all, and not hours late.
 */
#include <string.h>

#include <apr_strings.h>

#include "acting.h"

#define S ACTING_S
#define P "\"prefix\":\"" ACTING_PREFIX "\""
#define READ "SELECT count(*) > 0 FROM standing"

/* The prefix is known; withdrawn since two days. */
static cfmt_engine_t *start(void)
{
    cfmt_engine_t *e;

    acting_begin();
    e = acting_engine();
    acting_rounds(e, 0);
    acting_until(e, READ, "1");
    return e;
}

static const char *answer_of(apr_int64_t row)
{
    return apr_psprintf(unit_pool, "SELECT json_extract(body, '$.outcome') || ' '"
                        " || json_extract(body, '$.code') FROM journal WHERE kind = 'result'"
                        " AND tag = 'command %" APR_INT64_T_FMT "'", row);
}

static const char *audit(void)
{
    return kit_text(acting_store(), "SELECT ifnull(group_concat(what), '') FROM (SELECT what"
                                    " FROM audit ORDER BY id)");
}

/* ---- each of them ---------------------------------------------------------------------------- */

static const struct {
    const char *before;  /* a command that comes first; NULL = none */
    const char *body, *answer, *audit;
} cases[] = {
    { NULL, "{\"command\":\"hold\"," P "}", "done 0", "hold" },
    { NULL, "{\"command\":\"hold\"}", "failed 1", "" },
    { NULL, "{\"command\":\"release\"," P "}", "already 0", "" },
    { "{\"command\":\"hold\"," P "}", "{\"command\":\"release\"," P "}", "done 0",
      "hold,release" },
    { NULL, "{\"command\":\"adopt\"," P "}", "refused 3", "" },
    { NULL, "{\"command\":\"advertise\"," P "}", "done 0", "hold,advertise" },
    { NULL, "{\"command\":\"advertise\",\"prefix\":\"192.0.2.0/24\"}", "failed 1", "" },
    { NULL, "{\"command\":\"withdraw\"," P "}", "already 0", "" },
    { NULL, "{\"command\":\"window.add\"," P ",\"from\":5,\"to\":5}", "failed 1", "" },
    { NULL, "{\"command\":\"window.add\"," P ",\"from\":5,\"to\":9000000000000000}", "done 0",
      "window.add" },
    { NULL, "{\"command\":\"window.add\",\"prefix\":\"*\",\"from\":5,\"to\":9000000000000000}",
      "done 0", "window.add" },
    { NULL, "{\"command\":\"window.remove\",\"id\":1}", "failed 1", "" },
    { "{\"command\":\"window.add\"," P ",\"from\":5,\"to\":9000000000000000}",
      "{\"command\":\"window.remove\",\"id\":1}", "done 0", "window.add,window.remove" },
    { NULL, "{\"command\":\"cancel\",\"id\":7}", "failed 1", "" },
    { NULL, "{\"command\":\"approve\",\"id\":7}", "failed 1", "" },
    { NULL, "{\"command\":\"deny\",\"id\":7}", "failed 1", "" },
};

START_TEST(each_has_its_answer_and_its_link)
{
    cfmt_engine_t *e = start();
    apr_int64_t row;

    if (cases[_i].before) {
        acting_command(cases[_i].before);
    }
    row = acting_command(cases[_i].body);
    acting_until(e, answer_of(row), cases[_i].answer);
    ck_assert_str_eq(audit(), cases[_i].audit);
    acting_end();
}
END_TEST

START_TEST(advertised_by_hand_is_held)
{
    cfmt_engine_t *e = start();

    acting_command("{\"command\":\"advertise\"," P ",\"reason\":\"drill\"}");
    acting_until(e, "SELECT count(*) FROM intent WHERE who = 'user ann' AND want = 1", "1");
    ck_assert_str_eq(kit_text(acting_store(), "SELECT origin FROM hold"), "advertise");
    acting_end();
}
END_TEST

static apr_int64_t propose(int want)
{
    cfmt_proposal_row_t pr = { .want = want, .made_at = acting_now(),
                               .expires_at = acting_now() + S(1800) };

    ck_assert_int_eq(cfmt_cidr_parse(&pr.prefix, NULL, ACTING_PREFIX), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_begin(acting_store(), -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_proposal_make(acting_store(), &pr), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(acting_store()), APR_SUCCESS);
    return pr.id;
}

START_TEST(to_say_yes_makes_the_intent_and_no_hold)
{
    cfmt_engine_t *e = start();
    apr_int64_t row;

    acting_alert(0, "203.0.113.7"); /* else its reason is gone */
    acting_until(e, "SELECT count(*) FROM proposal WHERE state = 'open'", "1");
    row = acting_command("{\"command\":\"approve\",\"id\":1}");
    acting_until(e, answer_of(row), "done 0");
    ck_assert_int_eq(kit_int(acting_store(), "SELECT proposal FROM intent"), 1);
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM hold"), 0);
    acting_end();
}
END_TEST

/* What cannot be done stays a proposal. */
START_TEST(yes_to_what_is_locked_is_refused_and_not_used_up)
{
    cfmt_engine_t *e = start();
    acting_world_t w = acting_get();
    apr_int64_t row;

    acting_alert(0, "203.0.113.7");
    acting_until(e, "SELECT count(*) FROM proposal WHERE state = 'open'", "1");
    w.locked = 1;
    acting_set(&w);
    unit_skip(S(61));
    acting_until(e, "SELECT locked FROM prefix", "1");
    row = acting_command("{\"command\":\"approve\",\"id\":1}");
    acting_until(e, answer_of(row), "refused 6");
    ck_assert_str_eq(kit_text(acting_store(), "SELECT state FROM proposal"), "open");
    acting_end();
}
END_TEST

START_TEST(denied_is_denied)
{
    cfmt_engine_t *e = start();
    apr_int64_t id = propose(0), row = acting_command(apr_psprintf(
        unit_pool, "{\"command\":\"deny\",\"id\":%" APR_INT64_T_FMT "}", id));

    acting_until(e, answer_of(row), "done 0");
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM intent"), 0);
    acting_end();
}
END_TEST

/* ---- once, in order, wholly ------------------------------------------------------------------ */

START_TEST(once_by_whoever_comes_next)
{
    cfmt_engine_t *e = start(), *other;

    acting_command("{\"command\":\"hold\"," P "}");
    acting_until(e, "SELECT count(*) FROM hold", "1");
    acting_drop(e);
    other = acting_engine();
    acting_rounds(other, apr_time_from_msec(300));
    ck_assert_int_eq(cfmt_project_reset(acting_store()), APR_SUCCESS);
    acting_rounds(other, apr_time_from_msec(300));
    ck_assert_str_eq(audit(), "hold");
    acting_end();
}
END_TEST

/* Both have read the row before one of them carries it out. */
START_TEST(once_by_two_leaders)
{
    cfmt_engine_t *a = start(), *b = acting_engine();
    int i;

    acting_rounds(b, apr_time_from_msec(200));
    for (i = 0; i < 20; i++) {
        acting_command("{\"command\":\"hold\"," P "}");
        acting_rounds(i % 2 ? a : b, 0);
        acting_rounds(i % 2 ? b : a, 0);
    }
    acting_rounds(a, apr_time_from_msec(200));
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM audit"), 20);
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM journal WHERE kind = 'result'"
                                             " AND tag LIKE 'command %'"), 20);
    acting_end();
}
END_TEST

START_TEST(in_their_order)
{
    cfmt_engine_t *e = start();
    apr_int64_t row;

    acting_command("{\"command\":\"hold\"," P "}");
    acting_command("{\"command\":\"release\"," P "}");
    acting_command("{\"command\":\"nobody knows this\"}");
    acting_command("no JSON");
    row = acting_command("{\"command\":\"hold\"," P "}");
    acting_until(e, answer_of(row), "done 0");
    ck_assert_str_eq(audit(), "hold,release,hold");
    acting_end();
}
END_TEST

START_TEST(a_failing_store_leaves_nothing_and_forgets_nothing)
{
    cfmt_engine_t *e = start();
    apr_int64_t row;

    kit_sql(acting_store(), "ALTER TABLE audit RENAME TO away");
    row = acting_command("{\"command\":\"advertise\"," P "}");
    ck_assert_int_ne(acting_round(e), APR_SUCCESS);
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM hold"), 0);
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM intent"), 0);
    kit_sql(acting_store(), "ALTER TABLE away RENAME TO audit");
    acting_until(e, answer_of(row), "done 0");
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM intent"), 1);
    acting_end();
}
END_TEST

/* ---- when not -------------------------------------------------------------------------------- */

START_TEST(hours_late_only_what_changes_nothing)
{
    cfmt_engine_t *e = start();
    apr_time_t then = acting_now() - S(3600);
    apr_int64_t advertise = acting_append("command", "user ann", then,
                                          "{\"command\":\"advertise\"," P "}");
    apr_int64_t hold = acting_append("command", "user ann", then, "{\"command\":\"hold\"," P "}");
    apr_int64_t release = acting_append("command", "user ann", then,
                                        "{\"command\":\"release\"," P "}");

    acting_until(e, answer_of(release), "failed 1");
    acting_until(e, answer_of(advertise), "failed 1");
    acting_until(e, answer_of(hold), "done 0");
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM intent"), 0);
    acting_end();
}
END_TEST

START_TEST(without_a_token_nothing_is_promised)
{
    cfmt_engine_t *e = start();
    apr_int64_t advertise, hold;

    acting_drop(e);
    e = acting_engine_alone();
    advertise = acting_command("{\"command\":\"advertise\"," P "}");
    hold = acting_command("{\"command\":\"hold\"," P "}");
    acting_until(e, answer_of(hold), "done 0");
    ck_assert_str_eq(kit_text(acting_store(), answer_of(advertise)), "failed 1");
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM intent"), 0);
    acting_end();
}
END_TEST

/* A row that somebody wrote by hand, without a name. */
START_TEST(one_that_nobody_signed_is_not_in_the_way)
{
    cfmt_engine_t *e = start();
    apr_int64_t row;

    acting_append("command", "", acting_now(), "{\"command\":\"hold\"," P "}");
    row = acting_command("{\"command\":\"release\"," P "}");
    acting_until(e, answer_of(row), "done 0");
    acting_end();
}
END_TEST

Suite *suite_command(void)
{
    Suite *s = suite_create("command");
    TCase *tc = tcase_create("command");

    tcase_add_checked_fixture(tc, unit_setup, unit_teardown);
    tcase_set_timeout(tc, UNIT_LIMIT);
    tcase_add_loop_test(tc, each_has_its_answer_and_its_link, 0, KIT_COUNT(cases));
    tcase_add_test(tc, advertised_by_hand_is_held);
    tcase_add_test(tc, to_say_yes_makes_the_intent_and_no_hold);
    tcase_add_test(tc, yes_to_what_is_locked_is_refused_and_not_used_up);
    tcase_add_test(tc, denied_is_denied);
    tcase_add_test(tc, once_by_whoever_comes_next);
    tcase_add_test(tc, once_by_two_leaders);
    tcase_add_test(tc, in_their_order);
    tcase_add_test(tc, a_failing_store_leaves_nothing_and_forgets_nothing);
    tcase_add_test(tc, hours_late_only_what_changes_nothing);
    tcase_add_test(tc, without_a_token_nothing_is_promised);
    tcase_add_test(tc, one_that_nobody_signed_is_not_in_the_way);
    suite_add_tcase(s, tc);
    return s;
}
