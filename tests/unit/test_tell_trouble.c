/*
 * Room engine, telling: an outage, a channel that refuses us, a message that nobody takes, a burst,
 * quiet hours, what nobody acknowledges.
 */
#include <string.h>

#include <apr_strings.h>

#include "telling.h"

/* ---- trouble --------------------------------------------------------------------------------- */

START_TEST(an_outage_ends_in_a_digest_an_attack)
{
    cfmt_engine_t *e;
    int i, before;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling.dead = "a";
    for (i = 0; i < 6; i++) {
        const char *attack = i % 2 ? "odd" : "even";

        telling_news(e, i < 4 ? CFMT_NEWS_ATTACK_START : CFMT_NEWS_ATTACK_END, attack,
             apr_psprintf(unit_pool, "step %d", i));
        telling_run(e, apr_time_from_sec(3600));
    }
    ck_assert_str_eq(telling_state_of("a"), "failing");
    ck_assert_int_le(telling.told->nelts, 6 * 3600 / 300 + 10); /* tries */
    ck_assert_int_ge(kit_told("CFMT1031"), 5);          /* once an hour */
    ck_assert_int_le(kit_told("CFMT1031"), 8);
    before = telling.told->nelts;
    telling.dead = NULL;
    telling_run(e, 10 * MIN);
    ck_assert_str_eq(telling_state_of("a"), "ok");
    ck_assert_int_eq(kit_int(telling.eye, "SELECT next_at + fails FROM channel"), 0);
    ck_assert_int_eq(kit_told("CFMT1032"), 1);
    ck_assert_int_eq(telling.told->nelts - before, 2);
    ck_assert_ptr_nonnull(strstr(telling_at(before)->text, "3 messages that could not be sent"));
    ck_assert_int_eq(kit_int(telling.eye, "SELECT count(*) FROM outbox WHERE state = 'sent'"), 2);
    ck_assert_int_eq(kit_int(telling.eye, "SELECT count(*) FROM outbox WHERE state = 'folded'"), 4);
    telling_run(e, apr_time_from_sec(3600));
    ck_assert_int_eq(telling.told->nelts - before, 2);
}
END_TEST

/* The most urgent carries the others, whose order stays. */
START_TEST(a_digest_is_in_the_order_of_things)
{
    cfmt_engine_t *e;
    const char *list;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling.dead = "a";
    telling_news(e, CFMT_NEWS_ATTACK_START, "a1", "attack-start a1");
    telling_news(e, CFMT_NEWS_NOT_PROTECTED, "a1", "not-protected a1");
    telling_run(e, apr_time_from_sec(86400));
    telling.dead = NULL;
    telling_run(e, 10 * MIN);
    list = strstr(telling_at(telling.told->nelts - 1)->text, "2 messages that could not be sent");
    ck_assert_ptr_nonnull(list);
    ck_assert(strstr(list, "UTC  Attack on") < strstr(list, "UTC  NOT PROTECTED"));
}
END_TEST

START_TEST(others_hear_of_a_channel_in_trouble_and_are_not_delayed)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    telling_channel("syslog", "name=b");
    e = telling_engine();
    telling.dead = "a";
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind 1");
    telling_look(e);
    ck_assert_int_eq(telling.told->nelts, 2);
    telling_run(e, 4 * MIN);
    ck_assert_int_eq(telling_heard("b", "blind 1"), 1);
    ck_assert_int_eq(kit_int(telling.eye, "SELECT count(*) FROM outbox WHERE kind = 'outbox'"), 0);
    telling_run(e, 10 * MIN);
    ck_assert_str_eq(kit_text(telling.eye, "SELECT group_concat(channel || ' ' || state)"
                                           " FROM outbox WHERE kind = 'outbox'"), "b sent");
    telling.dead = NULL;
    telling_run(e, 10 * MIN);
    ck_assert_int_eq(kit_int(telling.eye, "SELECT count(*) FROM outbox WHERE kind = 'outbox'"), 2);
    ck_assert_int_eq(kit_int(telling.eye, "SELECT count(*) FROM outbox WHERE state != 'sent'"), 0);
}
END_TEST

START_TEST(a_channel_that_refuses_us_is_tried_slowly)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    telling_channel("syslog", "name=b min=high");
    e = telling_engine();
    telling.answer.how = CFMT_SENT_BROKEN;
    telling.answer.detail = "401 Unauthorized";
    telling_news(e, CFMT_NEWS_ATTACK_END, "a1", "attack-end a1");
    telling_run(e, apr_time_from_sec(3600));
    ck_assert_str_eq(telling_state_of("a"), "broken");
    ck_assert_int_ge(telling_heard("a", ""), 2);
    ck_assert_int_le(telling_heard("a", ""), 4);
    ck_assert_int_eq(kit_int(telling.eye, "SELECT attempts FROM outbox WHERE id = 1"), 0);
    ck_assert_int_ge(kit_int(telling.eye, "SELECT count(*) FROM outbox WHERE kind = 'outbox'"
                                          " AND channel = 'b'"), 1);
    ck_assert_int_ge(kit_told("CFMT1030: channel a refuses us"), 1);
    telling.answer.how = CFMT_SENT_YES;
    telling_run(e, apr_time_from_sec(2 * 3600));
    ck_assert_str_eq(telling_state_of("a"), "ok");
    ck_assert_int_eq(kit_int(telling.eye, "SELECT count(*) FROM outbox WHERE state != 'sent'"), 0);
}
END_TEST

/* They are told that it is broken, so that it works again, too, however it came to that. */
START_TEST(what_was_told_to_be_broken_is_told_to_be_well)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    telling_channel("syslog", "name=b min=high");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_ATTACK_END, "a1", "attack-end a1");
    telling_look(e);
    telling.answer.how = CFMT_SENT_BROKEN;
    telling_answers();
    telling.answer.how = CFMT_SENT_YES;
    telling.dead = "a"; /* the address is right again, and for a moment nobody is there */
    do {
        telling_run(e, MIN);
    } while (strcmp(telling_state_of("a"), "failing"));
    telling.dead = NULL;
    telling_run(e, 2 * MIN);
    ck_assert_str_eq(telling_state_of("a"), "ok");
    ck_assert_int_eq(telling_heard("b", "channel a: broken"), 1);
    ck_assert_int_eq(telling_heard("b", "channel a: ok"), 1);
}
END_TEST

START_TEST(a_wait_that_is_asked_for_costs_nothing)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling.answer.how = CFMT_SENT_WAIT;
    telling.answer.at = kit_now + 30 * SEC;
    telling_news(e, CFMT_NEWS_ATTACK_END, "a1", "attack-end a1");
    telling_run(e, 29 * SEC);
    ck_assert_int_eq(telling.told->nelts, 1);
    telling.answer.at = kit_now + apr_time_from_sec(30 * 86400); /* no: an hour at most */
    telling_run(e, 2 * SEC);
    ck_assert_int_eq(telling.told->nelts, 2);
    telling.answer.how = CFMT_SENT_YES;
    telling_run(e, apr_time_from_sec(3700));
    ck_assert_int_eq(telling.told->nelts, 3);
    ck_assert_str_eq(telling_states(), "sent");
    ck_assert_str_eq(telling_column("attempts", 1), "1");
    ck_assert_int_eq(kit_told("CFMT1031"), 0);
}
END_TEST

START_TEST(a_clock_set_back_silences_nothing)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling.dead = "a";
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind");
    telling_run(e, MIN);
    telling.dead = NULL;
    kit_sql(telling.eye, "UPDATE channel SET next_at = next_at + 86400000000");
    telling_run(e, MIN);
    ck_assert_str_eq(telling_states(), "sent");
}
END_TEST

START_TEST(a_message_that_cannot_be_taken_stops_no_other)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling.poison = "evil";
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind evil");
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind good 1");
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind good 2");
    telling_run(e, 10 * MIN);
    ck_assert_str_eq(telling_states(), "failed sent sent");
    ck_assert_int_eq(telling_heard(NULL, "good 1"), 1);
    ck_assert_int_eq(telling_heard(NULL, "evil"), 10);
    ck_assert_int_eq(kit_told("CFMT1035"), 1);
    telling.answer.how = CFMT_SENT_NEVER;
    telling.answer.detail = "400 too long";
    telling.poison = NULL;
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind good 3");
    telling_run(e, MIN);
    ck_assert_str_eq(telling_states(), "failed sent sent failed");
    ck_assert_str_eq(telling_column("answer", 4), "400 too long");
    ck_assert_str_eq(telling_state_of("a"), "ok");
}
END_TEST

START_TEST(a_message_that_cannot_be_taken_stops_its_attack)
{
    cfmt_engine_t *e;
    int i, tries = 0;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling.poison = "evil";
    telling_news(e, CFMT_NEWS_BLIND, "a1", "evil");
    telling_news(e, CFMT_NEWS_BLIND, "a1", "behind it");
    telling_news(e, CFMT_NEWS_BLIND, NULL, "beside it");
    telling_run(e, 10 * MIN);
    ck_assert_str_eq(telling_states(), "failed sent sent");
    for (i = 0; !strstr(telling_at(i)->text, "behind it"); i++) {
        tries += strstr(telling_at(i)->text, "evil") != NULL;
    }
    ck_assert_int_eq(tries, 10);
}
END_TEST

START_TEST(what_may_have_arrived_is_not_repeated)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling.answer.how = CFMT_SENT_MAYBE;
    telling.answer.detail = "no answer in time";
    telling_news(e, CFMT_NEWS_ATTACK_START, "a1", "attack-start a1");
    telling_run(e, MIN);
    telling.answer.how = CFMT_SENT_YES;
    telling_run(e, MIN);
    ck_assert_str_eq(telling_states(), "maybe");
    ck_assert_int_eq(telling.told->nelts, 1);
    telling_news(e, CFMT_NEWS_ATTACK_END, "a1", "attack-end a1");
    telling_run(e, MIN);
    ck_assert_int_eq(telling_heard(NULL, "May not have arrived before this"), 1);
    /* of its text the first line */
    ck_assert_ptr_null(strchr(strstr(telling_at(1)->text, "May not have"), '\n'));
    ck_assert_str_eq(telling_state_of("a"), "ok");
}
END_TEST

START_TEST(a_group_that_moved_is_followed)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("telegram", "name=a token=file:/t chat=-1");
    e = telling_engine();
    telling.answer.how = CFMT_SENT_LATER;
    telling.answer.chat = "-1002";
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind 1");
    telling_look(e);
    ck_assert_ptr_null(telling_at(0)->chat);
    telling_answers();
    telling.answer.how = CFMT_SENT_YES;
    telling.answer.chat = NULL;
    telling_run(e, 5 * SEC);
    ck_assert_int_eq(telling.told->nelts, 2);
    ck_assert_str_eq(telling_at(1)->chat, "-1002");
    ck_assert_str_eq(telling_column("attempts", 1), "1");
    APR_ARRAY_IDX(telling.channels, 0, cfmt_channel_conf_t).chat = "-5"; /* configured anew */
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind 2");
    telling_run(e, 5 * SEC);
    ck_assert_ptr_null(telling_at(2)->chat);
    telling.answer.how = CFMT_SENT_LATER;
    telling.answer.chat = "-1002"; /* a move once, then a failure like any other */
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind 3");
    telling_run(e, MIN);
    ck_assert_str_eq(telling_state_of("a"), "failing");
}
END_TEST

/* ---- load, night, silence -------------------------------------------------------------------- */

START_TEST(a_thousand_attacks_are_a_few_messages)
{
    apr_time_t since = cfmt_monotonic();
    cfmt_engine_t *e;
    int i;

    telling_begin();
    telling_channel("telegram", "name=a token=file:/t chat=-1");
    e = telling_engine();
    for (i = 0; i < 1000; i++) {
        const char *id = apr_psprintf(unit_pool, "a%d", i);

        telling_news(e, CFMT_NEWS_ATTACK_START, id, apr_psprintf(unit_pool, "attack-start %s", id));
        if (i % 10 == 9) {
            telling_run(e, 100000);
        }
    }
    telling_run(e, 2 * MIN);
    /* the group's limit */
    ck_assert_int_le(telling.told->nelts, 20 * ((cfmt_monotonic() - since) / MIN + 1));
    ck_assert_int_le(telling.told->nelts, 100);
    ck_assert_int_ge(telling_heard(NULL, " attacks began: "), 1);
    ck_assert_int_eq(kit_int(telling.eye, "SELECT count(*) FROM outbox"
                                          " WHERE state IN ('sent', 'folded')"), 1000);
    for (i = 1; i < telling.told->nelts; i++) {
        ck_assert(telling_at(i)->at - telling_at(i - 1)->at > SEC);
    }
}
END_TEST

START_TEST(quiet_hours_keep_what_can_wait)
{
    cfmt_engine_t *e;
    cfmt_channel_conf_t *c;
    apr_time_exp_t x;
    int minute;

    telling_begin();
    c = telling_channel("syslog", "name=a");
    apr_time_exp_lt(&x, kit_now);
    minute = x.tm_hour * 60 + x.tm_min;
    c->quiet_from = minute;
    c->quiet_to = (minute + 60) % 1440;
    e = telling_engine();
    telling_news(e, CFMT_NEWS_ATTACK_START, "a1", "attack-start a1");
    telling_news(e, CFMT_NEWS_NOT_PROTECTED, "a2", "not-protected a2");
    telling_news(e, CFMT_NEWS_TEST, NULL, "test"); /* somebody waits for it */
    telling_run(e, 58 * MIN);
    ck_assert_str_eq(telling_states(), "queued sent sent");
    telling_run(e, 3 * MIN);
    ck_assert_str_eq(telling_states(), "sent sent sent");
}
END_TEST

START_TEST(what_nobody_acknowledges_goes_to_the_fallback)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a fallback=b after=10min");
    telling_channel("syslog", "name=b types=stop fallback=a after=10min");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_NOT_PROTECTED, "a1", "not-protected 1");
    telling_news(e, CFMT_NEWS_ATTACK_START, "a1", "attack-start a1");
    telling_run(e, 9 * MIN);
    ck_assert_int_eq(telling_heard("b", ""), 0);
    telling_run(e, 2 * MIN);
    ck_assert_int_eq(telling_heard("b", "Nobody has acknowledged this on a since"), 1);
    telling_run(e, 60 * MIN);
    ck_assert_int_eq(telling_heard("b", ""), 1);
    ck_assert_int_eq(telling_heard("a", ""), 2);
    ck_assert_int_eq(kit_told("CFMT1036"), 1);
}
END_TEST

/* Forty in one message, that one again: thirty-nine of them have no row that could go there. */
START_TEST(a_fallback_hears_of_all_that_were_told_in_one)
{
    cfmt_engine_t *e;
    int i;

    telling_begin();
    telling_channel("syslog", "name=a fallback=b after=10min");
    telling_channel("syslog", "name=b types=stop");
    e = telling_engine();
    for (i = 0; i < 40; i++) {
        const char *id = apr_psprintf(unit_pool, "a%d", i);

        telling_news(e, CFMT_NEWS_NOT_PROTECTED, id, apr_psprintf(unit_pool, "np %s", id));
    }
    telling_run(e, 5 * MIN);
    ck_assert_int_eq(telling_heard("a", "40 times under attack and NOT PROTECTED"), 1);
    telling_run(e, 10 * MIN);
    ck_assert_int_eq(telling_heard("b", ""), 1);
    ck_assert_int_eq(telling_heard("b", "40 times under attack and NOT PROTECTED"), 1);
    ck_assert_int_eq(telling_heard("b", "Nobody has acknowledged this on a since"), 1);
}
END_TEST

/* What was tried, and not told, waits there one by one, and goes to the fallback so. */
START_TEST(a_fallback_does_not_hear_twice_of_what_was_not_told)
{
    cfmt_engine_t *e;
    int i;

    telling_begin();
    telling_channel("syslog", "name=a fallback=b after=10min");
    telling_channel("syslog", "name=b types=stop");
    e = telling_engine();
    telling.dead = "a";
    for (i = 0; i < 40; i++) {
        const char *id = apr_psprintf(unit_pool, "a%d", i);

        telling_news(e, CFMT_NEWS_NOT_PROTECTED, id, apr_psprintf(unit_pool, "np %s", id));
    }
    telling_run(e, MIN);
    kit_sql(telling.eye, "UPDATE outbox SET acked_at = 1 WHERE id > 20"); /* too few for a fold */
    telling_run(e, 20 * MIN);
    ck_assert_int_eq(telling_heard("b", ""), 20);
    ck_assert_int_eq(telling_heard("b", "40 times"), 0);
}
END_TEST

START_TEST(a_fallback_that_is_no_more_is_told_nothing)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a fallback=gone after=10min");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_NOT_PROTECTED, "a1", "not-protected 1");
    telling_run(e, 20 * MIN);
    ck_assert_str_eq(telling_states(), "sent");
    ck_assert_int_eq(kit_told("CFMT1036"), 0);
    /* the row that it stands for is pruned by now */
    telling_news(e, CFMT_NEWS_NOT_PROTECTED, "a1", "not-protected 2");
    kit_sql(telling.eye, "UPDATE outbox SET fallback_of = 999 WHERE id = 2");
    telling_run(e, MIN);
    ck_assert_str_eq(telling_states(), "sent sent");
}
END_TEST

START_TEST(a_dead_channel_falls_back_too_and_an_answer_ends_it)
{
    cfmt_engine_t *e;
    int n;

    telling_begin();
    telling_channel("syslog", "name=a fallback=b after=10min");
    telling_channel("syslog", "name=b types=stop");
    e = telling_engine();
    telling.dead = "a";
    telling_news(e, CFMT_NEWS_NOT_PROTECTED, "a1", "not-protected 1");
    telling_run(e, 11 * MIN);
    ck_assert_int_eq(telling_heard("b", "Nobody has acknowledged"), 1);
    telling_news(e, CFMT_NEWS_NOT_PROTECTED, "a1", "not-protected 2");
    cfmt_store_begin(e->store, 0);
    cfmt_outbox_ack(e->store, 0, "user x", kit_now, &n);
    ck_assert_int_eq(cfmt_store_commit(e->store), APR_SUCCESS);
    telling_run(e, 60 * MIN);
    ck_assert_int_eq(telling_heard("b", ""), 1);
}
END_TEST

START_TEST(rows_of_channels_that_are_no_more_expire)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    kit_sql(telling.eye,
            "INSERT INTO outbox(channel, kind, dedupe, at, fields, priority, state, made_at,"
            " next_at) VALUES('gone', 'blind', 'x', 1700000000000000, '{}', 0, 'queued',"
            " 1700000000000000, 0), ('gone', 'blind', 'y', 1700000600000000, '{}', 0, 'queued',"
            " 1700000600000000, 0)");
    telling_run(e, 59 * MIN);
    ck_assert_str_eq(telling_states(), "queued queued");
    telling_run(e, 2 * MIN);
    ck_assert_str_eq(telling_states(), "expired queued");
    telling_run(e, 10 * MIN);
    ck_assert_str_eq(telling_states(), "expired expired");
}
END_TEST

/* The last CfmtNotify was taken out. */
START_TEST(without_any_channel_they_expire_too)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling_news(e, CFMT_NEWS_BLIND, NULL, "blind 1");
    telling.channels->nelts = 0;
    e->teller = cfmt_teller_create(e, unit_pool);
    ck_assert_ptr_nonnull(e->teller);
    telling_run(e, 59 * MIN);
    ck_assert_str_eq(telling_states(), "queued");
    telling_run(e, 2 * MIN);
    ck_assert_str_eq(telling_states(), "expired");
    e->conf.channels = NULL; /* cfmtctl, which knows of none */
    ck_assert_ptr_null(cfmt_teller_create(e, unit_pool));
}
END_TEST

/* Two hundred in one transaction. */
START_TEST(it_is_said_how_many_fell_back)
{
    cfmt_engine_t *e;
    int i;

    telling_begin();
    telling_channel("syslog", "name=a fallback=b after=10min");
    telling_channel("syslog", "name=b min=critical types=token");
    e = telling_engine();
    telling.dead = "a";
    for (i = 0; i < 250; i++) {
        telling_news(e, CFMT_NEWS_BLIND, NULL, apr_psprintf(unit_pool, "blind %d", i));
    }
    telling_run(e, 11 * MIN);
    ck_assert_int_eq(kit_told("CFMT1036: nobody has acknowledged 200 critical messages on a"), 1);
    ck_assert_int_eq(kit_told("CFMT1036: nobody has acknowledged 50 critical messages on a"), 1);
    ck_assert_int_eq(kit_told("CFMT1036"), 2);
}
END_TEST

START_TEST(a_trial_is_not_told_late)
{
    cfmt_engine_t *e;

    telling_begin();
    telling_channel("syslog", "name=a");
    e = telling_engine();
    telling.dead = "a";
    telling_news(e, CFMT_NEWS_TEST, NULL, "test 1");
    telling_news(e, CFMT_NEWS_HELD, NULL, "held 1");
    telling_run(e, 30 * MIN);
    ck_assert_str_eq(telling_states(), "expired queued");
    telling_run(e, apr_time_from_sec(86400));
    ck_assert_str_eq(telling_states(), "expired expired");
    telling.dead = NULL; /* but when somebody asks for it */
    ck_assert_int_eq(cfmt_store_begin(e->store, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_outbox_retry(e->store, 2, kit_now), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(e->store), APR_SUCCESS);
    telling_run(e, 10 * MIN);
    ck_assert_str_eq(telling_states(), "expired sent");
}
END_TEST

Suite *suite_tell_trouble(void)
{
    Suite *s = suite_create("tell_trouble");
    TCase *tc = tcase_create("tell_trouble");

    tcase_add_checked_fixture(tc, unit_setup, unit_teardown);
    tcase_add_checked_fixture(tc, NULL, telling_end);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    tcase_add_test(tc, a_wait_that_is_asked_for_costs_nothing);
    tcase_add_test(tc, an_outage_ends_in_a_digest_an_attack);
    tcase_add_test(tc, a_digest_is_in_the_order_of_things);
    tcase_add_test(tc, others_hear_of_a_channel_in_trouble_and_are_not_delayed);
    tcase_add_test(tc, a_channel_that_refuses_us_is_tried_slowly);
    tcase_add_test(tc, what_was_told_to_be_broken_is_told_to_be_well);
    tcase_add_test(tc, a_clock_set_back_silences_nothing);
    tcase_add_test(tc, a_message_that_cannot_be_taken_stops_no_other);
    tcase_add_test(tc, a_message_that_cannot_be_taken_stops_its_attack);
    tcase_add_test(tc, what_may_have_arrived_is_not_repeated);
    tcase_add_test(tc, a_group_that_moved_is_followed);
    tcase_add_test(tc, a_thousand_attacks_are_a_few_messages);
    tcase_add_test(tc, quiet_hours_keep_what_can_wait);
    tcase_add_test(tc, what_nobody_acknowledges_goes_to_the_fallback);
    tcase_add_test(tc, a_fallback_hears_of_all_that_were_told_in_one);
    tcase_add_test(tc, a_fallback_does_not_hear_twice_of_what_was_not_told);
    tcase_add_test(tc, a_fallback_that_is_no_more_is_told_nothing);
    tcase_add_test(tc, a_dead_channel_falls_back_too_and_an_answer_ends_it);
    tcase_add_test(tc, rows_of_channels_that_are_no_more_expire);
    tcase_add_test(tc, without_any_channel_they_expire_too);
    tcase_add_test(tc, it_is_said_how_many_fell_back);
    tcase_add_test(tc, a_trial_is_not_told_late);
    return s;
}
