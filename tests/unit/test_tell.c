/*
 * Room engine, telling: news to rows to messages, once and in order; a crash between any two steps,
 * two leaders, the end.
 */
#include <string.h>

#include <apr_strings.h>

#include "telling.h"

/* ---- once, in order -------------------------------------------------------------------------- */

START_TEST(a_news_is_a_message_once)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    telling_channel("syslog", "name=b min=critical");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_ATTACK_START, "a1", "attack-start a1");
    telling_news(e, CFMT_NEWS_ATTACK_START, "a1", "attack-start a1");
    ck_assert_str_eq(telling_states(), "queued");
    telling_look(e);
    ck_assert_str_eq(telling_states(), "sending");
    ck_assert_int_eq(telling.told->nelts, 1);
    ck_assert_str_eq(telling_at(0)->channel, "a");
    ck_assert_ptr_nonnull(strstr(telling_at(0)->text, "203.0.113.0/24"));
    ck_assert_str_eq(telling_column("text", 1), telling_at(0)->text); /* as it was sent */
    telling.answer.detail = "taken";
    telling_answers();
    telling_run(e, 10 * MIN);
    ck_assert_str_eq(telling_states(), "sent");
    ck_assert_str_eq(telling_column("ref", 1), "ref1");
    ck_assert_str_eq(telling_column("answer", 1), "taken");
    ck_assert_int_eq(telling.told->nelts, 1);
}
END_TEST

START_TEST(nobody_is_told_where_there_is_no_channel)
{
    cfmt_engine_conf_t conf = { .db = unit_path("cfmt.db"), .clock = &kit_clock, .log = &kit_log };
    cfmt_engine_t *e;
    cfmt_rest_t rest;

    telling_begin();
    conf.settings = telling.settings;
    e = cfmt_engine_create(&conf, unit_pool);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    ck_assert_ptr_null(e->teller);
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind");
    telling_look(e);
    ck_assert_int_eq(kit_int(telling.eye, "SELECT count(*) FROM outbox"), 0);
    cfmt_engine_end(e);
}
END_TEST

START_TEST(one_attack_is_one_thread)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("telegram", "name=a token=file:/t chat=1 thread=edit");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_ATTACK_START, "a1", "attack-start a1");
    telling_news(e, CFMT_NEWS_ATTACK_ON, "a1", "attack-on a1 1");
    telling_news(e, CFMT_NEWS_AUTO_ADVERTISE, "a1", "auto a1");
    telling_news(e, CFMT_NEWS_ATTACK_END, "a1", "attack-end a1");
    telling_run(e, MIN);
    ck_assert_str_eq(telling_states(), "sent sent sent sent");
    ck_assert(!telling_at(0)->reply_to && !telling_at(0)->edit);
    ck_assert_str_eq(telling_at(1)->edit, "ref1");
    ck_assert_str_eq(telling_at(2)->reply_to, "ref1"); /* rings */
    ck_assert_ptr_null(telling_at(2)->edit);
    ck_assert_str_eq(telling_at(3)->edit, "ref3");
    APR_ARRAY_IDX(telling.channels, 0, cfmt_channel_conf_t).thread = CFMT_THREAD_REPLY;
    telling_news(e, CFMT_NEWS_ATTACK_ON, "a1", "attack-on a1 2");
    telling_run(e, MIN);
    ck_assert_str_eq(telling_at(4)->reply_to, "ref1");
    APR_ARRAY_IDX(telling.channels, 0, cfmt_channel_conf_t).thread = CFMT_THREAD_OFF;
    telling_news(e, CFMT_NEWS_ATTACK_ON, "a1", "attack-on a1 3");
    telling_run(e, MIN);
    ck_assert(!telling_at(5)->reply_to && !telling_at(5)->edit);
}
END_TEST

/* ---- crashes and leaders --------------------------------------------------------------------- */

/* As a process that is no more: its pid was never one. */
static void die(cfmt_engine_t *e)
{
    if (e->store) {
        cfmt_store_close(e->store);
        e->store = NULL;
    }
    telling.pending = 0;
}

START_TEST(a_crash_neither_loses_nor_repeats)
{
    static const char *const want[] = { "sent", "maybe", "maybe", "sent" };
    cfmt_engine_t *e, *next;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    e->owner = "pid 2147483646";
    telling_news(e, CFMT_NEWS_ATTACK_START, "a1", "attack-start a1");
    if (_i >= 1) {
        telling_look(e); /* leased, sent */
    }
    if (_i >= 2) {
        telling_answers(); /* answered, not written */
    }
    if (_i >= 3) {
        telling_look(e); /* written */
    }
    die(e);
    next = telling_engine();
    telling_run(next, MIN);
    ck_assert_str_eq(telling_states(), want[_i]);
    ck_assert_int_eq(telling.told->nelts, 1);
    ck_assert_int_eq(kit_told("CFMT1037"), _i == 1 || _i == 2);
    telling_news(next, CFMT_NEWS_ATTACK_END, "a1", "attack-end a1");
    telling_run(next, MIN);
    ck_assert_int_eq(telling.told->nelts, 2);
    ck_assert_int_eq(telling_heard(NULL, "May not have arrived"), _i == 1 || _i == 2);
    telling_news(next, CFMT_NEWS_ATTACK_START, "a1", "attack-start a1 2");
    telling_run(next, MIN);
    ck_assert_int_eq(telling_heard(NULL, "May not have arrived"), _i == 1 || _i == 2);
}
END_TEST

START_TEST(a_claim_of_one_who_lives_is_left_until_it_is_over)
{
    cfmt_engine_t *e, *next;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_ATTACK_START, "a1", "attack-start a1");
    telling_look(e);
    die(e);
    next = telling_engine();
    telling_run(next, 59 * SEC);
    ck_assert_str_eq(telling_states(), "sending");
    telling_run(next, 12 * SEC);
    ck_assert_str_eq(telling_states(), "maybe");
    ck_assert_int_eq(telling.told->nelts, 1);
}
END_TEST

START_TEST(two_leaders_tell_once)
{
    cfmt_engine_t *e[2];
    int i;

    telling_begin();
    telling_channel("syslog", "name=a");
    e[0] = telling_engine();
    e[1] = telling_engine();
    for (i = 0; i < 10; i++) {
        telling_news(e[i % 2], CFMT_NEWS_BLIND, NULL, apr_psprintf(unit_pool, "blind %d", i));
    }
    for (i = 0; i < 100; i++) {
        telling_look(e[i % 2]);
        if (i % 3 == 0) {
            telling_step(50000);
            telling_answers();
        }
    }
    for (i = 0; i < 10; i++) {
        ck_assert_int_eq(telling_heard(NULL, apr_psprintf(unit_pool, "blind %d", i)) <= 1, 1);
    }
    ck_assert_int_eq(telling.told->nelts, 10);
    ck_assert_str_eq(telling_states(), "sent sent sent sent sent sent sent sent sent sent");
}
END_TEST

START_TEST(the_end_writes_what_is_known)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    telling_channel("syslog", "name=b");
    telling_channel("syslog", "name=c min=low lifecycle=on");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind");
    telling_look(e);
    telling.pending--; /* the last one is not answered */
    telling.told->nelts--;
    telling_answers();
    telling.told->nelts++;
    telling_news(e, CFMT_NEWS_TOKEN, NULL, "token");
    telling_news(e, CFMT_NEWS_STOP, NULL, "stop");
    e->owner = apr_pstrdup(unit_pool, e->owner);
    cfmt_engine_end(e);
    ck_assert_str_eq(telling_states(), "sent sent maybe queued queued queued queued");
    ck_assert_str_eq(kit_text(telling.eye, "SELECT group_concat(DISTINCT state) FROM channel"),
                     "ok");
    ck_assert_int_eq(kit_told("CFMT1034"), 1);
}
END_TEST

START_TEST(that_it_stops_may_still_be_said)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a lifecycle=on");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_STOP, NULL, "stop");
    cfmt_engine_end(e);
    ck_assert_int_eq(telling.told->nelts, 1);
    ck_assert_str_eq(telling_states(), "maybe"); /* nobody answered here */
}
END_TEST

Suite *suite_tell(void)
{
    Suite *s = suite_create("tell");
    TCase *tc = tcase_create("tell");

    tcase_add_checked_fixture(tc, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tc, NULL, telling_end);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    tcase_add_test(tc, a_news_is_a_message_once);
    tcase_add_test(tc, nobody_is_told_where_there_is_no_channel);
    tcase_add_test(tc, one_attack_is_one_thread);
    tcase_add_loop_test(tc, a_crash_neither_loses_nor_repeats, 0, 4);
    tcase_add_test(tc, a_claim_of_one_who_lives_is_left_until_it_is_over);
    tcase_add_test(tc, two_leaders_tell_once);
    tcase_add_test(tc, the_end_writes_what_is_known);
    tcase_add_test(tc, that_it_stops_may_still_be_said);
    return s;
}
