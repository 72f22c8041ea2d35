/*
 * Unit tests of src/engine/blind.c: who is told, when, and what is noted, minute by minute.
 */
#include <string.h>

#include <apr_strings.h>

#include "engine/sense.h"
#include "kit.h"
#include "unit.h"

#define S(n) apr_time_from_sec(n)
#define MIN(n) apr_time_from_sec((n) * 60)
#define NOW KIT_EPOCH
#define A "192.0.2.0/24"
#define B "2001:db8::/32"

static apr_time_t clock_at;
static int errors, notices;
static const char *last;
static cfmt_engine_t engine;
static apr_time_t due;

static apr_time_t read_clock(void *baton)
{
    (void)baton;
    return clock_at;
}

static void keep_line(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton;
    errors += level == CFMT_LOG_ERR;
    notices += level == CFMT_LOG_NOTICE;
    last = apr_pstrdup(unit_pool, line);
}

static const cfmt_clock_t test_clock = { .now = read_clock };
static const cfmt_log_t test_log = { .write = keep_line, .max = CFMT_LOG_INFO };

static void advertise(const char *cidr, apr_time_t since, int on)
{
    kit_sql(engine.store, apr_psprintf(unit_pool,
            "INSERT OR REPLACE INTO prefix(id, parent, cidr, advertised, advertised_at, gone,"
            " since, row, origin, first_at) VALUES('%s', 'p', '%s', %d, %" APR_TIME_T_FMT ", 0, 1, 1,"
            " 'first', 1)", cidr, cidr, on, since));
}

static void know(const char *cidr, apr_time_t from, apr_time_t to)
{
    kit_sql(engine.store, apr_psprintf(unit_pool,
            "INSERT INTO evidence(day, prefix, at, until, verdict, reason, pps, bps, system,"
            " peak_at) VALUES(%" APR_TIME_T_FMT ", '%s', %" APR_TIME_T_FMT ", %" APR_TIME_T_FMT
            ", 'calm', 'below', 0, 0, 'other', %" APR_TIME_T_FMT ")",
            from / MIN(1440), cidr, from, to, from));
}

/* A leader that has just begun; two prefixes advertised for an hour, and known up to now. */
static void begin(void)
{
    engine = (cfmt_engine_t){ .conf = { .clock = &test_clock, .log = &test_log } };
    engine.store = kit_open("blind.db");
    clock_at = NOW;
    errors = notices = 0;
    due = 0;
    last = "";
    advertise(A, NOW - MIN(60), 1);
    advertise(B, NOW - MIN(60), 1);
    know(A, NOW - MIN(60), NOW);
    know(B, NOW - MIN(60), NOW);
}

static void check_at(apr_time_t at)
{
    clock_at = at;
    ck_assert_int_eq(cfmt_blind_check(&engine, &due, unit_pool), APR_SUCCESS);
    ck_assert(due > at && due <= at + MIN(2));
}

/* Each minute of these. */
static void watch(int from, int to)
{
    for (; from <= to; from++) {
        check_at(NOW + MIN(from));
    }
}

static const char *noted(const char *name)
{
    cfmt_sensed_t said;
    apr_status_t rv = cfmt_sensed_load(engine.store, &said, "blind", unit_pool);

    return rv == APR_SUCCESS ? apr_table_get(said.facts, name) : NULL;
}

START_TEST(told_once_and_when_it_is_over)
{
    begin();
    watch(0, 14);
    ck_assert(errors == 0 && !noted(A));
    know(B, NOW, NOW + MIN(1)); /* one minute more than of the other */
    check_at(NOW + MIN(15));
    ck_assert_int_eq(errors, 1);
    ck_assert(strstr(last, "CFMT0920") && strstr(last, A " for 15m") && !strstr(last, B));
    ck_assert(noted(A) && !noted(B));
    check_at(NOW + MIN(16));
    ck_assert_int_eq(errors, 2); /* the second prefix, of which the first told nothing */
    ck_assert(strstr(last, B) && !strstr(last, A));
    watch(17, 40);
    ck_assert_int_eq(errors, 2);
    know(A, NOW, NOW + MIN(35));
    check_at(NOW + MIN(41));
    ck_assert(notices == 1 && strstr(last, "CFMT0921") && strstr(last, A) && !strstr(last, B));
    ck_assert(!noted(A) && noted(B));
    advertise(B, NOW + MIN(42), 0);
    check_at(NOW + MIN(42));
    ck_assert(notices == 2 && strstr(last, B) && !noted("told"));
    watch(43, 46);
    ck_assert(notices == 2 && errors == 2);
}
END_TEST

/* In one line, also by the next leader, who does not tell it anew. */
START_TEST(reminded_each_hour)
{
    begin();
    watch(0, 15);
    ck_assert_int_eq(errors, 1);
    ck_assert(strstr(last, A) && strstr(last, B));
    watch(16, 60);
    due = 0;
    watch(61, 74);
    ck_assert_int_eq(errors, 1);
    check_at(NOW + MIN(75));
    ck_assert_int_eq(errors, 2);
    ck_assert(strstr(last, A) && strstr(last, B));
    watch(76, 134);
    ck_assert_int_eq(errors, 2);
}
END_TEST

START_TEST(a_leader_that_begins_reads_first)
{
    begin();
    check_at(NOW + MIN(300)); /* nobody looked for five hours */
    ck_assert(errors == 0 && due == NOW + MIN(302));
    know(A, NOW + MIN(290), NOW + MIN(295)); /* a row is of one day */
    check_at(NOW + MIN(302));
    ck_assert(errors == 1 && strstr(last, B) && !strstr(last, A));
}
END_TEST

START_TEST(a_new_announcement_has_its_time)
{
    begin();
    watch(0, 2);
    advertise(A, NOW + MIN(30), 1);
    check_at(NOW + MIN(44));
    ck_assert(errors == 1 && !strstr(last, A)); /* only the other */
    check_at(NOW + MIN(45));
    ck_assert(errors == 2 && strstr(last, A));
}
END_TEST

START_TEST(what_is_not_projected_is_no_blindness)
{
    begin();
    watch(0, 2);
    kit_sql(engine.store, apr_psprintf(unit_pool, "INSERT INTO journal(at, kind, origin, body)"
            " VALUES(%" APR_TIME_T_FMT ", 'evidence', 'analytics', '{}')", NOW + MIN(10)));
    check_at(NOW + MIN(20));
    ck_assert_int_eq(errors, 0);
    kit_project(engine.store, 200);
    check_at(NOW + MIN(21));
    ck_assert_int_eq(errors, 1);
}
END_TEST

START_TEST(the_setting_is_heard_and_many_are_few_words)
{
    apr_table_t *settings = apr_table_make(unit_pool, 1);
    int i;

    begin();
    apr_table_setn(settings, "BlindAfter", "5m");
    engine.conf.settings = settings;
    for (i = 0; i < 20; i++) {
        advertise(apr_psprintf(unit_pool, "10.0.%d.0/24", i), 0, 1);
    }
    watch(0, 2);
    ck_assert(errors == 1 && strstr(last, "10.0.3.0/24") && strstr(last, "and 10 more"));
    watch(3, 4);
    ck_assert_int_eq(errors, 1);
    check_at(NOW + MIN(5));
    ck_assert(errors == 2 && strstr(last, A) && strstr(last, B));
}
END_TEST

/* With what is noted: who is new at once, all each hour. */
START_TEST(people_are_told_as_the_log_is)
{
    apr_table_t *settings = apr_table_make(unit_pool, 1);

    begin();
    apr_table_setn(settings, "Notify all", "syslog name=all min=low");
    engine.conf.settings = settings;
    watch(0, 2);
    know(B, NOW, NOW + MIN(1));
    check_at(NOW + MIN(15));
    ck_assert_str_eq(kit_text(engine.store, "SELECT prefix FROM outbox WHERE kind = 'blind'"), A);
    check_at(NOW + MIN(16));
    watch(17, 74);
    ck_assert_int_eq(kit_int(engine.store, "SELECT count(*) FROM outbox"), 2);
    check_at(NOW + MIN(76));
    ck_assert_int_eq(kit_int(engine.store, "SELECT count(*) FROM outbox"), 3);
    ck_assert_str_eq(kit_text(engine.store, "SELECT ifnull(prefix, 'all') FROM outbox ORDER BY id"
                                            " DESC LIMIT 1"), "all");
}
END_TEST

UNIT_SUITE_BEGIN(blind)
UNIT_TEST(people_are_told_as_the_log_is)
UNIT_TEST(told_once_and_when_it_is_over)
UNIT_TEST(reminded_each_hour)
UNIT_TEST(a_leader_that_begins_reads_first)
UNIT_TEST(a_new_announcement_has_its_time)
UNIT_TEST(what_is_not_projected_is_no_blindness)
UNIT_TEST(the_setting_is_heard_and_many_are_few_words)
UNIT_SUITE_END
