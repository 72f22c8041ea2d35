/*
 * Unit tests of src/engine/routine.c: what people are told because time goes by, and of the service
 * itself.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_strings.h>

#include "engine/news_of.h"
#include "kit.h"
#include "unit.h"

#define S(n) apr_time_from_sec(n)
#define MIN(n) apr_time_from_sec((n) * 60)
#define HOUR(n) MIN((n) * 60)

static cfmt_engine_t engine;
static apr_table_t *settings;

/* A leader that has just begun; one channel, that wants everything. */
static void begin(const char *words)
{
    setenv("TZ", "UTC", 1);
    tzset();
    kit_now = KIT_EPOCH; /* 22:13:20 */
    settings = apr_table_make(unit_pool, 4);
    apr_table_setn(settings, "Mode", "observe");
    apr_table_setn(settings, "Notify all", words);
    engine = (cfmt_engine_t){ .conf = { .clock = &kit_clock, .log = &kit_log,
                                        .settings = settings } };
    engine.store = kit_open("routine.db");
    engine.began_at = kit_now;
}

static void check_at(apr_time_t at)
{
    apr_time_t due = 0;

    kit_now = at;
    ck_assert_int_eq(cfmt_routine_run(&engine, &due, unit_pool), APR_SUCCESS);
    ck_assert(due > at && due <= at + MIN(1));
}

static void watch(apr_time_t from, apr_time_t to)
{
    for (; from <= to; from += MIN(1)) {
        check_at(from);
    }
}

/* Another leader, who remembers nothing. */
static void next_leader(void)
{
    engine.greeted = 0;
    engine.routine_due = 0;
    engine.began_at = kit_now;
}

static int count(const char *kind)
{
    return (int)kit_int(engine.store, apr_psprintf(unit_pool, "SELECT count(*) FROM outbox WHERE"
                                                   " kind = '%s'", kind));
}

static const char *newest(const char *column, const char *kind)
{
    return kit_text(engine.store, apr_psprintf(unit_pool, "SELECT %s FROM outbox WHERE kind = '%s'"
                                               " ORDER BY id DESC LIMIT 1", column, kind));
}

static void attack(int ts, int end, const char *id)
{
    kit_row_t rows[] = { kit_config(ts, KIT_CONFIG),
                         kit_alert((kit_say_t){ .end = end, .attack = id, .target = "203.0.113.7",
                                                .account = KIT_OURS, .ts = ts, .pps = 9000 }) };

    kit_append(engine.store, rows, 2);
    kit_project(engine.store, 200);
}

/* ---- attacks --------------------------------------------------------------------------------- */

START_TEST(each_hour_while_it_is_on)
{
    begin("syslog name=all min=low");
    check_at(KIT_EPOCH);
    attack(10, 0, "x1");
    watch(KIT_EPOCH + MIN(1), KIT_EPOCH + MIN(60));
    ck_assert_int_eq(count("attack-on"), 0);
    check_at(KIT_EPOCH + MIN(61));
    ck_assert_int_eq(count("attack-on"), 1);
    ck_assert(strstr(newest("fields", "attack-on"), "\"peak_pps\":\"9000\""));
    ck_assert_str_eq(newest("prefix", "attack-on"), "203.0.113.0/24");
    next_leader();
    watch(KIT_EPOCH + MIN(62), KIT_EPOCH + MIN(120));
    ck_assert_int_eq(count("attack-on"), 1);
    check_at(KIT_EPOCH + MIN(121));
    ck_assert_int_eq(count("attack-on"), 2);
    attack(7300, 1, "x1");
    watch(KIT_EPOCH + MIN(122), KIT_EPOCH + MIN(190));
    ck_assert_int_eq(count("attack-on"), 2);
}
END_TEST

/* Hours in which nobody led are not made up for; the last of them is. */
START_TEST(after_hours_without_a_leader_it_is_told_once)
{
    begin("syslog name=all min=low");
    check_at(KIT_EPOCH);
    attack(10, 0, "x1");
    next_leader();
    watch(KIT_EPOCH + HOUR(5) + MIN(30), KIT_EPOCH + HOUR(5) + MIN(40));
    ck_assert_int_eq(count("attack-on"), 1);
}
END_TEST

START_TEST(more_than_a_transaction_takes)
{
    int i;

    begin("syslog name=all min=low");
    check_at(KIT_EPOCH);
    for (i = 0; i < 130; i++) {
        attack(10 + i, 0, apr_psprintf(unit_pool, "x%d", i));
    }
    check_at(KIT_EPOCH + MIN(70));
    ck_assert_int_eq(count("attack-on"), 130);
    check_at(KIT_EPOCH + MIN(71));
    ck_assert_int_eq(count("attack-on"), 130);
}
END_TEST

START_TEST(a_clock_set_back_tells_nothing_twice)
{
    begin("syslog name=all min=low");
    check_at(KIT_EPOCH);
    attack(10, 0, "x1");
    check_at(KIT_EPOCH + MIN(61));
    check_at(KIT_EPOCH + MIN(30));
    watch(KIT_EPOCH + MIN(59), KIT_EPOCH + MIN(63));
    ck_assert_int_eq(count("attack-on"), 1);
}
END_TEST

/* ---- the day --------------------------------------------------------------------------------- */

START_TEST(a_day_of_more_attacks_than_are_counted)
{
    int i;

    begin("syslog name=all min=low daily=22:30");
    check_at(KIT_EPOCH);
    for (i = 0; i < 1001; i++) {
        attack(10, 0, apr_psprintf(unit_pool, "x%d", i));
    }
    check_at(KIT_EPOCH + MIN(20));
    ck_assert_int_eq(count("daily"), 1);
    ck_assert_msg(strstr(newest("fields", "daily"), "\"count\":\"at least 1000\"") != NULL, "%s",
                  newest("fields", "daily"));
}
END_TEST

START_TEST(the_day_at_the_time_of_each_channel)
{
    begin("syslog name=all min=low daily=22:30");
    apr_table_setn(settings, "Notify late", "syslog name=late min=low daily=23:00");
    apr_table_setn(settings, "Notify none", "syslog name=none min=low");
    attack(10, 0, "x1");
    watch(KIT_EPOCH, KIT_EPOCH + MIN(16));
    ck_assert_int_eq(count("daily"), 0);
    watch(KIT_EPOCH + MIN(17), KIT_EPOCH + MIN(40)); /* 22:30:20 on */
    ck_assert_int_eq(count("daily"), 1);
    ck_assert_str_eq(newest("channel", "daily"), "all");
    ck_assert(strstr(newest("fields", "daily"), "1 attack is open"));
    ck_assert(strstr(newest("fields", "daily"), "\"count\":\"1\""));
    next_leader();
    watch(KIT_EPOCH + MIN(41), KIT_EPOCH + MIN(60));
    ck_assert_int_eq(count("daily"), 2);
    ck_assert_str_eq(newest("channel", "daily"), "late");
    watch(KIT_EPOCH + HOUR(24), KIT_EPOCH + HOUR(24) + MIN(60));
    ck_assert_int_eq(count("daily"), 4);
}
END_TEST

/* ---- the service ----------------------------------------------------------------------------- */

START_TEST(the_start_is_told_once_whoever_leads)
{
    begin("syslog name=all min=low lifecycle=on");
    apr_table_setn(settings, "Notify quiet", "syslog name=quiet min=low");
    engine.conf.service_at = KIT_EPOCH - S(5);
    check_at(KIT_EPOCH);
    kit_now += MIN(5);
    next_leader();
    check_at(kit_now);
    ck_assert_int_eq(count("start"), 1);
    engine.pool = unit_pool;
    kit_now += S(1);
    cfmt_engine_farewell(&engine);
    cfmt_engine_farewell(&engine); /* of another child: once all the same */
    ck_assert_int_eq(count("stop"), 1);
    next_leader();
    engine.conf.service_at = KIT_EPOCH + MIN(6);
    check_at(KIT_EPOCH + MIN(6));
    ck_assert_int_eq(count("start"), 2);
}
END_TEST

START_TEST(whoever_runs_rounds_without_being_the_service_says_nothing_of_it)
{
    begin("syslog name=all min=low lifecycle=on");
    engine.pool = unit_pool;
    check_at(KIT_EPOCH);
    cfmt_engine_farewell(&engine);
    ck_assert_int_eq(count("start") + count("stop"), 0);
}
END_TEST

/* _i: it gave the lead up; it died; it hung. */
START_TEST(a_leader_that_died_is_told_of_by_the_next)
{
    cfmt_heartbeat_t before = { .pid = 77, .started_at = S(1), .round = 9, .at = apr_time_now(),
                                .ended = _i == 0 };

    begin("syslog name=all min=low");
    before.at -= _i == 2 ? CFMT_LEADER_HUNG + S(1) : 0;
    cfmt_engine_follows(&engine, &before);
    check_at(KIT_EPOCH);
    ck_assert_int_eq(count("leader"), _i > 0);
    if (_i) {
        ck_assert_ptr_nonnull(strstr(newest("fields", "leader"),
                                     _i == 1 ? "process 77, died" : "gave no heartbeat"));
    }
    next_leader();
    check_at(KIT_EPOCH + MIN(1));
    ck_assert_int_eq(count("leader"), _i > 0);
}
END_TEST

UNIT_SUITE_BEGIN(routine)
UNIT_TEST(each_hour_while_it_is_on)
UNIT_TEST(after_hours_without_a_leader_it_is_told_once)
UNIT_TEST(more_than_a_transaction_takes)
UNIT_TEST(a_clock_set_back_tells_nothing_twice)
UNIT_TEST(a_day_of_more_attacks_than_are_counted)
UNIT_TEST(the_day_at_the_time_of_each_channel)
UNIT_TEST(the_start_is_told_once_whoever_leads)
UNIT_TEST(whoever_runs_rounds_without_being_the_service_says_nothing_of_it)
tcase_add_loop_test(tc, a_leader_that_died_is_told_of_by_the_next, 0, 3);
UNIT_SUITE_END
