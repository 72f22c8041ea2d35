/*
 * Judging health: for each reason the fault that turns exactly it on, at its threshold and just
 * before.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_engine.h"
#include "unit.h"

#define NOW (apr_time_from_sec(1700000000))
#define MIB ((apr_int64_t)1024 * 1024)

static cfmt_health_facts_t facts;
static apr_array_header_t *reasons;

/* Everything fine: long up, led a second ago, nothing behind, room, one secret. */
static void setup(void)
{
    unit_setup();
    memset(&facts, 0, sizeof(facts));
    facts.now = facts.world_now = NOW;
    facts.started_at = NOW - apr_time_from_sec(3600);
    facts.rows_at = NOW;
    facts.rows.head = facts.rows.cursor = 7;
    facts.gauges.children = 2;
    facts.queue_capacity = 50;
    facts.has_heartbeat = 1;
    facts.heartbeat.pid = 4711;
    facts.heartbeat.at = NOW - apr_time_from_sec(1);
    facts.free_disk = 1024 * MIB;
    facts.secrets_wanted = facts.secrets_usable = 1;
}

static const cfmt_health_reason_t *reason(int i)
{
    return &APR_ARRAY_IDX(reasons, i, cfmt_health_reason_t);
}

/* Exactly one reason, of this id and level, and the level is the verdict. */
static void expect_only(const char *id, cfmt_health_e level)
{
    cfmt_health_e verdict = cfmt_health_judge(&reasons, &facts, unit_pool);

    ck_assert_int_eq(reasons->nelts, 1);
    ck_assert_str_eq(reason(0)->id, id);
    ck_assert_int_eq(reason(0)->level, level);
    ck_assert_int_eq(verdict, level);
    ck_assert(reason(0)->text[0] != '\0' && !strchr(reason(0)->text, '/'));
}

static void expect_ok(void)
{
    ck_assert_int_eq(cfmt_health_judge(&reasons, &facts, unit_pool), CFMT_HEALTH_OK);
    ck_assert_int_eq(reasons->nelts, 0);
}

START_TEST(nothing_wrong)
{
    expect_ok();
    ck_assert_str_eq(cfmt_health_name(CFMT_HEALTH_OK), "ok");
    ck_assert_str_eq(cfmt_health_name(CFMT_HEALTH_DEGRADED), "degraded");
    ck_assert_str_eq(cfmt_health_name(CFMT_HEALTH_FAILING), "failing");
}
END_TEST

START_TEST(store_that_cannot_be_read)
{
    facts.read_status = CFMT_EMISSING;
    expect_only("store", CFMT_HEALTH_FAILING);
    ck_assert_ptr_nonnull(strstr(reason(0)->text, cfmt_status_name(CFMT_EMISSING)));
    ck_assert_int_eq(cfmt_health_store_status(&facts), CFMT_EMISSING);
}
END_TEST

START_TEST(store_that_cannot_be_written)
{
    facts.gauges.error = CFMT_EFULL;
    facts.read_status = CFMT_EBUSY; /* what happened to a delivery counts more */
    expect_only("store", CFMT_HEALTH_FAILING);
    ck_assert_ptr_nonnull(strstr(reason(0)->text, cfmt_status_name(CFMT_EFULL)));
    ck_assert_int_eq(cfmt_health_store_status(&facts), CFMT_EFULL);
}
END_TEST

START_TEST(store_that_the_leader_cannot_use)
{
    facts.gauges.trouble = CFMT_ENEWER; /* and nobody delivers, so nothing else tells */
    expect_only("store", CFMT_HEALTH_FAILING);
    ck_assert_ptr_nonnull(strstr(reason(0)->text, cfmt_status_name(CFMT_ENEWER)));
    ck_assert_int_eq(cfmt_health_store_status(&facts), CFMT_ENEWER);
}
END_TEST

START_TEST(leader_missing)
{
    facts.has_heartbeat = 0;
    facts.heartbeat.at = 0;
    expect_only("leader", CFMT_HEALTH_FAILING);
    facts.started_at = NOW - CFMT_HEALTH_START;
    expect_only("leader", CFMT_HEALTH_FAILING);
    facts.started_at = NOW - CFMT_HEALTH_START + 1;
    expect_only("leader", CFMT_HEALTH_DEGRADED);
}
END_TEST

START_TEST(leader_late)
{
    facts.heartbeat.at = NOW - CFMT_LEADER_LATE;
    expect_ok();
    facts.heartbeat.at = NOW - CFMT_LEADER_LATE - 1;
    expect_only("leader", CFMT_HEALTH_FAILING);
    facts.heartbeat.at = NOW + CFMT_LEADER_LATE + 1; /* of before the clock was set back */
    expect_only("leader", CFMT_HEALTH_FAILING);
    facts.started_at = NOW; /* the file is from before the start */
    expect_only("leader", CFMT_HEALTH_DEGRADED);
}
END_TEST

START_TEST(projection_behind)
{
    facts.rows.cursor = 3;
    facts.rows.oldest_lag_at = NOW - CFMT_HEALTH_LAG_DEGRADED + 1;
    expect_ok();
    facts.rows.oldest_lag_at = NOW - CFMT_HEALTH_LAG_DEGRADED;
    expect_only("projection", CFMT_HEALTH_DEGRADED);
    ck_assert_ptr_nonnull(strstr(reason(0)->text, "4 journal rows"));
    facts.rows.oldest_lag_at = NOW - CFMT_HEALTH_LAG_FAILING + 1;
    expect_only("projection", CFMT_HEALTH_DEGRADED);
    facts.rows.oldest_lag_at = NOW - CFMT_HEALTH_LAG_FAILING;
    expect_only("projection", CFMT_HEALTH_FAILING);
}
END_TEST

/* Rows that were never read prove nothing; that they were not is the reason "store". */
START_TEST(projection_unknown)
{
    facts.rows_at = 0;
    facts.rows.oldest_lag_at = 1;
    expect_ok();
}
END_TEST

START_TEST(disk_small)
{
    facts.free_disk = 256 * MIB;
    expect_ok();
    facts.free_disk = 256 * MIB - 1;
    expect_only("disk", CFMT_HEALTH_DEGRADED);
    facts.free_disk = 32 * MIB;
    expect_only("disk", CFMT_HEALTH_DEGRADED);
    facts.free_disk = 32 * MIB - 1;
    expect_only("disk", CFMT_HEALTH_FAILING);
    facts.free_disk = 0;
    expect_only("disk", CFMT_HEALTH_FAILING);
    facts.free_disk = -1; /* cannot be asked: the store tells why */
    expect_ok();
}
END_TEST

START_TEST(secret_missing)
{
    facts.secrets_wanted = facts.secrets_usable = 0;
    expect_only("secret", CFMT_HEALTH_FAILING);
    facts.secrets_wanted = 2;
    expect_only("secret", CFMT_HEALTH_FAILING);
    facts.secrets_usable = 1;
    expect_only("secret", CFMT_HEALTH_DEGRADED);
    facts.secrets_usable = 2;
    expect_ok();
}
END_TEST

START_TEST(queue_filling)
{
    facts.gauges.queued = 25;
    expect_ok();
    facts.gauges.queued = 26;
    expect_only("queue", CFMT_HEALTH_DEGRADED);
    facts.queue_capacity =
        2; /* prefork with two children: a few waiting are every day's business */
    facts.gauges.queued = CFMT_HEALTH_QUEUE_MIN - 1;
    expect_ok();
    facts.gauges.queued = CFMT_HEALTH_QUEUE_MIN;
    expect_only("queue", CFMT_HEALTH_DEGRADED);
}
END_TEST

static void channel(const char *name, cfmt_channel_state_e state, apr_int64_t depth,
                    apr_interval_time_t age)
{
    cfmt_health_channel_t *c = &facts.world.channel[facts.world.channels++];

    memset(c, 0, sizeof(*c));
    apr_cpystrn(c->name, name, sizeof(c->name));
    c->state = state;
    c->since = c->oldest_at = NOW - age;
    c->depth = depth;
}

START_TEST(people_are_not_told)
{
    channel("a", CFMT_CHANNEL_FAILING, 7, CFMT_HEALTH_MUTE - 1);
    expect_ok();
    facts.world.channels = 0;
    channel("a", CFMT_CHANNEL_FAILING, 0, CFMT_HEALTH_MUTE);
    expect_ok(); /* and nobody misses anything */
    facts.world.channel[0].depth = 7;
    expect_only("outbox", CFMT_HEALTH_DEGRADED);
    ck_assert_ptr_nonnull(strstr(reason(0)->text, "a (failing): 7 messages wait, and there is no"));
    channel("b", CFMT_CHANNEL_BROKEN, 1, 0);
    expect_only("outbox", CFMT_HEALTH_DEGRADED);
    ck_assert_ptr_nonnull(strstr(reason(0)->text, "a (failing), b (broken): 8 messages wait"));
    facts.world.channel[0].state = CFMT_CHANNEL_BROKEN;
    expect_only("outbox", CFMT_HEALTH_FAILING);
    channel("c", CFMT_CHANNEL_OK, 0, 0);
    expect_only("outbox", CFMT_HEALTH_DEGRADED);
    ck_assert_ptr_null(strstr(reason(0)->text, "no other"));
    ck_assert_ptr_nonnull(strstr(cfmt_health_outbox_json(&facts, unit_pool),
                                 "\"outbox\":{\"depth\":8,\"oldest_at\":\""));
    ck_assert_ptr_nonnull(strstr(cfmt_health_outbox_json(&facts, unit_pool),
                                 "\"b\":{\"state\":\"broken\",\"since\":\""));
    facts.rows_at = 0;
    expect_ok();
    ck_assert_str_eq(cfmt_health_outbox_json(&facts, unit_pool), "\"outbox\":null");
}
END_TEST

START_TEST(worst_counts)
{
    facts.free_disk = 100 * MIB;
    facts.read_status = CFMT_ECORRUPT;
    facts.gauges.queued = 40;
    ck_assert_int_eq(cfmt_health_judge(&reasons, &facts, unit_pool), CFMT_HEALTH_FAILING);
    ck_assert_int_eq(reasons->nelts, 3);
    ck_assert_str_eq(reason(0)->id, "store");
    ck_assert_str_eq(reason(1)->id, "disk");
    ck_assert_str_eq(reason(2)->id, "queue");
}
END_TEST

Suite *suite_health(void)
{
    Suite *s = suite_create("health");
    TCase *tc = tcase_create("health");

    tcase_add_checked_fixture(tc, setup, unit_teardown);
    suite_add_tcase(s, tc);
    tcase_add_test(tc, nothing_wrong);
    tcase_add_test(tc, store_that_cannot_be_read);
    tcase_add_test(tc, store_that_cannot_be_written);
    tcase_add_test(tc, store_that_the_leader_cannot_use);
    tcase_add_test(tc, leader_missing);
    tcase_add_test(tc, leader_late);
    tcase_add_test(tc, projection_behind);
    tcase_add_test(tc, projection_unknown);
    tcase_add_test(tc, people_are_not_told);
    tcase_add_test(tc, disk_small);
    tcase_add_test(tc, secret_missing);
    tcase_add_test(tc, queue_filling);
    tcase_add_test(tc, worst_counts);
    return s;
}
