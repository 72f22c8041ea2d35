/*
 * The thread: it leads, hears, hands over, and ends at once whenever it is told to.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmt_engine.h"
#include "unit.h"

static cfmt_runner_t *start(int wake_fd)
{
    apr_table_t *settings = apr_table_make(unit_pool, 1);
    cfmt_runner_conf_t conf = { .engine = { .db = unit_path("cfmt.db"), .settings = settings },
                                .wake_fd = wake_fd, .lease_retry = apr_time_from_msec(20) };
    cfmt_runner_t *r;

    apr_table_setn(settings, "Mode", "observe"); /* gives the journal its first row */
    ck_assert_int_eq(cfmt_runner_start(&r, &conf), APR_SUCCESS);
    return r;
}

#define WAIT_UNTIL(condition) \
    do { \
        apr_time_t end_ = cfmt_monotonic() + apr_time_from_sec(10); \
        while (!(condition)) { \
            ck_assert_msg(cfmt_monotonic() < end_, "not in time: %s", #condition); \
            apr_sleep(2000); \
        } \
    } while (0)

static int head_is_projected(void)
{
    cfmt_health_rows_t h = { .head = 0 };
    cfmt_store_t *s;

    if (cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_READ, NULL, unit_pool)
        != APR_SUCCESS) {
        return 0;
    }
    cfmt_query_health(s, &h);
    cfmt_store_close(s);
    return h.head > 0 && h.head == h.cursor;
}

static void deliver(int wake_fd)
{
    cfmt_commit_conf_t conf = { .db = unit_path("cfmt.db"), .wake_fd = wake_fd };
    cfmt_entry_t e = { .kind = "delivery",
                       .at = apr_time_now(),
                       .origin = "o",
                       .body = "{\"text\":\"t\"}",
                       .len = 12 };
    cfmt_commit_t *c;

    ck_assert_int_eq(cfmt_commit_create(&c, &conf), APR_SUCCESS);
    ck_assert_int_eq(cfmt_commit_submit(c, &e, apr_time_from_sec(3)), APR_SUCCESS);
    ck_assert_int_eq(cfmt_commit_stop(c, apr_time_from_sec(3)), APR_SUCCESS);
    cfmt_commit_destroy(c);
}

START_TEST(leads_projects_and_stops)
{
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cfmt_runner_t *r = start(wake);
    apr_time_t begin;

    WAIT_UNTIL(head_is_projected()); /* the config row */
    deliver(wake);
    WAIT_UNTIL(head_is_projected());
    begin = cfmt_monotonic();
    ck_assert_int_eq(cfmt_runner_stop(r, apr_time_from_sec(3)), APR_SUCCESS);
    ck_assert_int_lt(cfmt_monotonic() - begin, apr_time_from_msec(500));
    close(wake);
}
END_TEST

static apr_time_t clock_offset;

static apr_time_t jumping_now(void *baton)
{
    (void)baton;
    return apr_time_now() + __atomic_load_n(&clock_offset, __ATOMIC_RELAXED);
}

/* It plans to try a broken store again in 5 s, and then those 5 s are an hour away. */
START_TEST(a_clock_set_back_delays_nothing)
{
    static const cfmt_clock_t clock = { .now = jumping_now };
    apr_table_t *settings = apr_table_make(unit_pool, 1);
    cfmt_runner_conf_t conf = { .engine = { .db = unit_path("cfmt.db"), .settings = settings,
                                            .clock = &clock }, .wake_fd = -1 };
    cfmt_runner_t *r;

    apr_table_setn(settings, "Mode", "observe");
    ck_assert_int_eq(mkdir(unit_path("cfmt.db"), 0700), 0); /* no store can be here */
    ck_assert_int_eq(cfmt_runner_start(&r, &conf), APR_SUCCESS);
    WAIT_UNTIL(cfmt_runner_leads(r));
    apr_sleep(apr_time_from_msec(50));
    rmdir(unit_path("cfmt.db"));
    __atomic_store_n(&clock_offset, -apr_time_from_sec(3600), __ATOMIC_RELAXED);
    WAIT_UNTIL(head_is_projected());
    ck_assert_int_eq(cfmt_runner_stop(r, apr_time_from_sec(3)), APR_SUCCESS);
}
END_TEST

START_TEST(hears_another_process_within_a_second_or_so)
{
    cfmt_runner_t *r = start(-1);

    WAIT_UNTIL(head_is_projected());
    deliver(-1); /* nobody wakes it */
    WAIT_UNTIL(head_is_projected());
    ck_assert_int_eq(cfmt_runner_stop(r, apr_time_from_sec(3)), APR_SUCCESS);
}
END_TEST

START_TEST(one_leads_and_the_next_takes_over)
{
    cfmt_runner_t *a = start(-1), *b;

    WAIT_UNTIL(cfmt_runner_leads(a));
    b = start(-1);
    apr_sleep(apr_time_from_msec(100));
    ck_assert_int_eq(cfmt_runner_leads(b), 0);
    ck_assert_int_eq(cfmt_runner_stop(a, apr_time_from_sec(3)), APR_SUCCESS);
    WAIT_UNTIL(cfmt_runner_leads(b));
    ck_assert_int_eq(cfmt_runner_stop(b, apr_time_from_sec(3)), APR_SUCCESS);
}
END_TEST

START_TEST(a_deleted_leader_file_is_noticed)
{
    cfmt_runner_t *a = start(-1);
    cfmt_heartbeat_t hb;

    WAIT_UNTIL(cfmt_runner_leads(a));
    WAIT_UNTIL(head_is_projected());
    unlink(unit_path("cfmt.db.leader"));
    WAIT_UNTIL(cfmt_leader_read(&hb, unit_path("cfmt.db")) == APR_SUCCESS && cfmt_runner_leads(a));
    ck_assert_int_eq(cfmt_runner_stop(a, apr_time_from_sec(3)), APR_SUCCESS);
}
END_TEST

START_TEST(stops_at_once_at_any_moment)
{
    int i;

    for (i = 0; i < 30; i++) {
        cfmt_runner_t *r = start(-1);
        apr_time_t begin;

        apr_sleep(i * 1000);
        cfmt_runner_ask(r);
        cfmt_runner_ask(r);
        begin = cfmt_monotonic();
        ck_assert_int_eq(cfmt_runner_stop(r, apr_time_from_sec(3)), APR_SUCCESS);
        ck_assert_int_lt(cfmt_monotonic() - begin, apr_time_from_sec(2));
    }
}
END_TEST

static int refusals; /* atomic */

static void count_refusals(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton, (void)level;
    if (strstr(line, "CFMT0404")) {
        __atomic_fetch_add(&refusals, 1, __ATOMIC_RELAXED);
    }
}

START_TEST(an_obstacle_that_all_children_meet_is_told_once)
{
    static const cfmt_log_t log = { .write = count_refusals, .max = CFMT_LOG_INFO };
    cfmt_gauges_t *g = apr_pcalloc(unit_pool, cfmt_gauges_size(1));
    cfmt_runner_conf_t conf = { .engine = { .db = unit_path("gone/cfmt.db"), .log = &log,
                                            .gauges = g },
                                .wake_fd = -1, .lease_retry = apr_time_from_msec(5) };
    cfmt_runner_t *r[5];
    int i;

    refusals = 0;
    for (i = 0; i < 5; i++) {
        ck_assert_int_eq(cfmt_runner_start(&r[i], &conf), APR_SUCCESS);
    }
    WAIT_UNTIL(__atomic_load_n(&refusals, __ATOMIC_RELAXED) > 0);
    apr_sleep(apr_time_from_msec(200)); /* that nothing more comes can only be waited for */
    for (i = 0; i < 5; i++) {
        ck_assert_int_eq(cfmt_runner_stop(r[i], apr_time_from_sec(3)), APR_SUCCESS);
    }
    ck_assert_int_eq(refusals, 1);
}
END_TEST

UNIT_SUITE_BEGIN(runner)
UNIT_TEST(an_obstacle_that_all_children_meet_is_told_once)
UNIT_TEST(leads_projects_and_stops)
UNIT_TEST(a_clock_set_back_delays_nothing)
UNIT_TEST(hears_another_process_within_a_second_or_so)
UNIT_TEST(one_leads_and_the_next_takes_over)
UNIT_TEST(a_deleted_leader_file_is_noticed)
UNIT_TEST(stops_at_once_at_any_moment)
UNIT_SUITE_END
