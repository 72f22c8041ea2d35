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
    apr_table_setn(telling.settings, "Attack of", apr_table_get(telling.settings, "Notify a"));
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
    conf.channels = telling.channels; /* none */
    e = cfmt_engine_create(&conf, unit_pool);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    ck_assert_ptr_null(e->teller);
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind");
    telling_look(e);
    ck_assert_int_eq(kit_int(telling.eye, "SELECT count(*) FROM outbox"), 0);
    cfmt_engine_end(e);
}
END_TEST

/* As in a program that is not the service. */
START_TEST(without_settings_those_of_the_service_count)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    ck_assert_int_eq(cfmt_store_begin(e->store, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_settings_publish(e->store, telling.settings, kit_now, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(e->store), APR_SUCCESS);
    e->conf.settings = NULL;
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind");
    ck_assert_str_eq(telling_states(), "queued");
}
END_TEST

START_TEST(what_is_for_later_waits)
{
    cfmt_news_t n = { .kind = CFMT_NEWS_BLIND, .dedupe = "blind" };
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    n.at = kit_now;
    n.not_before = kit_now + 10 * MIN;
    ck_assert_int_eq(cfmt_store_begin(e->store, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_tell(e, &n, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(e->store), APR_SUCCESS);
    telling_run(e, 9 * MIN);
    ck_assert_str_eq(telling_states(), "queued");
    telling_run(e, 2 * MIN);
    ck_assert_str_eq(telling_states(), "sent");
}
END_TEST

START_TEST(an_attack_that_was_joined_has_the_others_name)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    kit_sql(telling.eye,
            "INSERT INTO attack(number, id, ours, scope, state, episodes, started_at, episode_at,"
            " last_at, events, targets, targets_cut, target_missing, prefixes, vectors, protocols,"
            " rules, alert_types) VALUES(7, 'a7', 1, 'network', 'active', 1, 1, 1, 1, 1, '[]', 0,"
            " 0, '[]', '[]', '[]', '[]', '[]');"
            "INSERT INTO attack_key(kind, value, account, id, attack)"
            " VALUES(1, 'x', '', 'a1', 7)");
    telling_news(e, CFMT_NEWS_ATTACK_END, "a1", "attack-end a1");
    ck_assert_str_eq(telling_column("attack", 1), "a7");
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

/* By it a receiver knows what it has seen: the same again, or something more. */
START_TEST(each_try_says_which_are_told)
{
    cfmt_engine_t *e;
    int i;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling.dead = "a";
    telling_news(e, CFMT_NEWS_ATTACK_START, "a1", "start a1");
    telling_run(e, MIN);
    ck_assert_int_gt(telling.told->nelts, 1);
    for (i = 1; i < telling.told->nelts; i++) {
        ck_assert(telling_at(i)->told == telling_at(0)->told);
    }
    telling_news(e, CFMT_NEWS_ATTACK_END, "a1", "end a1");
    telling_step(7 * 60 * MIN); /* too late for one by one */
    telling.dead = NULL;
    telling_run(e, 10 * MIN);
    i = telling.told->nelts - 1;
    ck_assert_int_eq(telling_at(i)->id, telling_at(0)->id);
    ck_assert_int_eq(telling_at(i)->count, 2);
    ck_assert(telling_at(i)->told != telling_at(0)->told);
}
END_TEST

/* It tells of other attacks, too: none of them may take its place, and it takes no other's. */
START_TEST(what_tells_of_many_attacks_is_in_no_thread)
{
    cfmt_engine_t *e;
    int i;

    telling_begin();
    telling_channel("telegram", "name=a token=file:/t chat=1 thread=edit");
    e = telling_engine();
    for (i = 0; i < 40; i++) {
        const char *id = apr_psprintf(unit_pool, "a%d", i);

        telling_news(e, CFMT_NEWS_ATTACK_START, id, apr_pstrcat(unit_pool, "start ", id, NULL));
    }
    telling_run(e, MIN);
    ck_assert_ptr_nonnull(strstr(telling_at(0)->text, "40 attacks began"));
    ck_assert_int_eq(telling_at(0)->count, 40);
    telling_news(e, CFMT_NEWS_ATTACK_ON, "a0", "on a0");
    telling_run(e, MIN);
    ck_assert(!telling_at(1)->edit && !telling_at(1)->reply_to);
    for (i = 0; i < 40; i++) {
        const char *id = apr_psprintf(unit_pool, "a%d", i);

        telling_news(e, CFMT_NEWS_ATTACK_END, id, apr_pstrcat(unit_pool, "end ", id, NULL));
    }
    telling_run(e, MIN);
    ck_assert_ptr_nonnull(strstr(telling_at(2)->text, "40 attacks ended"));
    ck_assert(!telling_at(2)->edit && !telling_at(2)->reply_to);
    ck_assert_int_eq(telling.told->nelts, 3);
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

START_TEST(an_answer_behind_the_lease_frees_its_channel)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind 1");
    telling_look(e);
    kit_sql(telling.eye, "UPDATE outbox SET state = 'maybe', owner = NULL, leased_until = NULL,"
                         " settled_at = 1"); /* by another leader */
    telling_answers();
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind 2");
    telling_run(e, MIN);
    ck_assert_str_eq(telling_states(), "maybe sent");
}
END_TEST

/* Another leader is faster, between our look and our lease. */
START_TEST(a_lease_that_is_lost_ends_no_round)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind");
    kit_sql(telling.eye, "CREATE TRIGGER faster BEFORE UPDATE ON outbox"
                         " WHEN NEW.state = 'sending' BEGIN SELECT RAISE(IGNORE); END");
    telling_look(e);
    ck_assert_int_eq(telling.told->nelts, 0);
    kit_sql(telling.eye, "DROP TRIGGER faster");
    telling_run(e, MIN);
    ck_assert_str_eq(telling_states(), "sent");
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

/* An answer is waited for, a moment. */
START_TEST(that_it_stops_may_still_be_said)
{
    apr_time_t since;
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a lifecycle=on");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_STOP, NULL, "stop");
    telling.at_once = _i;
    since = cfmt_monotonic();
    cfmt_engine_end(e);
    since = cfmt_monotonic() - since;
    ck_assert_int_eq(telling.told->nelts, 1);
    ck_assert_str_eq(telling_states(), _i ? "sent" : "maybe");
    ck_assert(since < 6 * SEC && (_i || since > SEC / 2));
}
END_TEST

/* A chat that was told something within this second would refuse them. */
START_TEST(last_words_keep_their_distance)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("telegram", "name=a token=file:/t chat=1 lifecycle=on");
    e = telling_engine();
    telling.at_once = 1;
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind");
    telling_look(e);
    telling_news(e, CFMT_NEWS_STOP, NULL, "stop");
    cfmt_engine_end(e);
    ck_assert_str_eq(telling_states(), "sent sent");
    ck_assert(telling_at(1)->at - telling_at(0)->at >= SEC);
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
    tcase_add_test(tc, without_settings_those_of_the_service_count);
    tcase_add_test(tc, what_is_for_later_waits);
    tcase_add_test(tc, an_attack_that_was_joined_has_the_others_name);
    tcase_add_test(tc, one_attack_is_one_thread);
    tcase_add_test(tc, each_try_says_which_are_told);
    tcase_add_test(tc, what_tells_of_many_attacks_is_in_no_thread);
    tcase_add_loop_test(tc, a_crash_neither_loses_nor_repeats, 0, 4);
    tcase_add_test(tc, a_claim_of_one_who_lives_is_left_until_it_is_over);
    tcase_add_test(tc, an_answer_behind_the_lease_frees_its_channel);
    tcase_add_test(tc, a_lease_that_is_lost_ends_no_round);
    tcase_add_test(tc, two_leaders_tell_once);
    tcase_add_loop_test(tc, that_it_stops_may_still_be_said, 0, 2);
    tcase_add_test(tc, last_words_keep_their_distance);
    tcase_add_test(tc, the_end_writes_what_is_known);
    return s;
}
