/*
 * The round: it makes a store that is missing, projects to the head, runs jobs, and survives a
 * store that fails.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmt_engine.h"
#include "engine/scene.h"
#include "kit.h"
#include "unit.h"

#define BODY \
    "{\"alert_type\":\"dos_attack_l4\",\"ts\":%d," \
    "\"data\":{\"attack_id\":\"a\",\"target_ip\":\"203.0.113.7\"}}"

static cfmt_engine_t *make_engine(void)
{
    cfmt_engine_conf_t conf = { .db = unit_path("cfmt.db"),
                                .clock = &kit_clock,
                                .log = &kit_log,
                                .settings = apr_table_make(unit_pool, 1) };

    kit_now = 1700000000 * APR_USEC_PER_SEC;
    kit_lines[0] = '\0';
    apr_table_setn((apr_table_t *)conf.settings, "Mode", "observe");
    return cfmt_engine_create(&conf, unit_pool);
}

static void deliver(int n)
{
    cfmt_store_t *s;
    int i;

    ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    for (i = 0; i < n; i++) {
        cfmt_entry_t e = { .kind = "delivery", .at = kit_now, .origin = "o" };

        e.body = apr_psprintf(unit_pool, BODY, (int)apr_time_sec(kit_now) - 3600 + i);
        e.len = strlen(e.body);
        ck_assert_int_eq(cfmt_journal_append(s, &e), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    cfmt_store_close(s);
}

static void health(cfmt_health_rows_t *h)
{
    cfmt_store_t *s;

    ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_READ, NULL, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_query_health(s, h), APR_SUCCESS);
    cfmt_store_close(s);
}

START_TEST(makes_a_missing_store_and_projects_to_the_head)
{
    cfmt_engine_t *e = make_engine();
    cfmt_health_rows_t h;
    cfmt_rest_t rest;

    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(kit_lines, "made anew"));
    deliver(CFMT_PROJECT_STEP * 2 + 1);
    ck_assert_int_eq(cfmt_engine_stirred(e), 1);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    health(&h);
    ck_assert_int_eq(h.cursor, h.head);
    ck_assert_int_ge(h.head, CFMT_PROJECT_STEP * 2 + 1);
    ck_assert_int_gt(rest.until, kit_now);
    ck_assert_int_eq(rest.deaf, kit_now + apr_time_from_msec(50));
}
END_TEST

START_TEST(a_deleted_store_is_made_anew_without_help)
{
    cfmt_engine_t *e = make_engine();
    cfmt_rest_t rest;

    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    unlink(unit_path("cfmt.db"));
    unlink(unit_path("cfmt.db-wal"));
    unlink(unit_path("cfmt.db-shm"));
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    deliver(1);
}
END_TEST

START_TEST(trouble_is_said_once_and_its_end_too)
{
    cfmt_engine_t *e = make_engine();
    cfmt_result_t r = { .status = 0 };
    cfmt_rest_t rest;
    char *first;
    int i;

    ck_assert_int_eq(mkdir(unit_path("cfmt.db"), 0700), 0); /* a directory in its place */
    for (i = 0; i < 5; i++) {
        ck_assert_int_ne(cfmt_engine_round(e, &rest, &r, unit_pool), APR_SUCCESS);
        ck_assert_int_eq(rest.until, kit_now + apr_time_from_sec(5));
    }
    first = strstr(kit_lines, "CFMT0401");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, "CFMT0401"));
    kit_now += apr_time_from_sec(3601);
    ck_assert_int_ne(cfmt_engine_round(e, &rest, &r, unit_pool), APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(first + 1, "CFMT0401"));
    rmdir(unit_path("cfmt.db"));
    ck_assert_int_eq(cfmt_engine_round(e, &rest, &r, unit_pool), APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(kit_lines, "CFMT0402"));
}
END_TEST

START_TEST(beside_a_busy_intake_one_step_a_round)
{
    cfmt_gauges_t *g = apr_pcalloc(unit_pool, cfmt_gauges_size(1));
    cfmt_engine_conf_t conf = { .db = unit_path("cfmt.db"), .clock = &kit_clock, .gauges = g };
    cfmt_engine_t *e = make_engine();
    cfmt_health_rows_t h;
    cfmt_rest_t rest;

    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    deliver(CFMT_PROJECT_STEP * 3);
    g->count = 1;
    g->child[0].pid = (apr_uint32_t)getpid();
    g->child[0].queued = 1;
    e = cfmt_engine_create(&conf, unit_pool);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    health(&h);
    ck_assert_int_gt(h.head - h.cursor, CFMT_PROJECT_STEP);
    ck_assert_int_eq(rest.until, rest.deaf); /* and goes on soon */
    g->child[0].queued = 0;
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    health(&h);
    ck_assert_int_eq(h.head, h.cursor);
}
END_TEST

START_TEST(a_failure_of_intake_is_over_when_the_leader_can_write)
{
    cfmt_gauges_t *g = apr_pcalloc(unit_pool, cfmt_gauges_size(1));
    cfmt_engine_conf_t conf = { .db = unit_path("cfmt.db"), .clock = &kit_clock, .gauges = g };
    cfmt_engine_t *e = make_engine();
    cfmt_gauge_sum_t sum;
    cfmt_store_t *s;
    cfmt_rest_t rest;

    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    e = cfmt_engine_create(&conf, unit_pool);
    g->count = 1;
    g->child[0].pid = (apr_uint32_t)getpid();
    g->child[0].error = CFMT_EBUSY;
    g->child[0].error_at = cfmt_monotonic();
    ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS); /* in the way */
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    cfmt_gauges_sum(&sum, g);
    ck_assert_int_eq(sum.error, CFMT_EBUSY);
    cfmt_store_rollback(s);
    cfmt_store_close(s);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    cfmt_gauges_sum(&sum, g);
    ck_assert_int_eq(sum.error, APR_SUCCESS);
}
END_TEST

#define YEAR apr_time_from_sec(365 * 24 * 3600)

static apr_int64_t rows(void)
{
    cfmt_store_t *s;
    apr_int64_t n;

    ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_READ, NULL, unit_pool),
                     APR_SUCCESS);
    n = kit_int(s, "SELECT count(*) FROM journal WHERE kind = 'delivery'");
    cfmt_store_close(s);
    return n;
}

/* A round at that time plans the next within a minute; four do not follow at once. Time goes by. */
static void round_at(cfmt_engine_t *e, apr_time_t at)
{
    cfmt_rest_t rest;
    int i;

    kit_now = at;
    for (i = 0; i < 4; i++) {
        ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
        ck_assert_int_le(rest.until - kit_now, apr_time_from_sec(60));
        unit_skip(rest.until - kit_now);
        kit_now = rest.until;
    }
    ck_assert_int_ge(kit_now - at, apr_time_from_sec(1));
}

/* A year ahead or back: rounds and jobs go on, nothing spins, nothing young is pruned. */
START_TEST(a_clock_that_jumps_does_no_harm)
{
    static const apr_time_t jumps[] = { YEAR, -YEAR, YEAR, 0, -YEAR, 0 };
    cfmt_engine_conf_t conf = { .db = unit_path("cfmt.db"), .clock = &kit_clock,
                                .log = &kit_log, .settings = apr_table_make(unit_pool, 2) };
    cfmt_engine_t *e = make_engine();
    apr_time_t start = kit_now;
    apr_time_t last;
    cfmt_store_t *s;
    unsigned i;

    apr_table_setn((apr_table_t *)conf.settings, "Mode", "observe");
    apr_table_setn((apr_table_t *)conf.settings, "Retention", "journal=400d rejected=30d");
    e = cfmt_engine_create(&conf, unit_pool);
    round_at(e, start);
    deliver(10);
    for (i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        last = start + jumps[i] + apr_time_from_sec(i * 60 * 24 * 3600 / 100);
        round_at(e, last);
        ck_assert_int_eq(rows(), 10);
        ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_READ, NULL,
                                         unit_pool), APR_SUCCESS);
        ck_assert_int_eq(kit_int(s, "SELECT value = (SELECT max(id) FROM journal) FROM meta"
                                    " WHERE name = 'cursor'"), 1);
        /* retention runs by the clock that is, not by the one that was */
        ck_assert_int_ge(kit_int(s, "SELECT last_at FROM job WHERE name = 'retention'"), last);
        cfmt_store_close(s);
    }
    ck_assert_ptr_null(strstr(kit_lines, "CFMT0407"));
}
END_TEST

/* How old an answer of before is nobody can say. */
START_TEST(a_clock_that_was_set_leaves_no_answer)
{
    static const cfmt_cidr_t prefix = { .family = 4, .bits = 24, .addr = { 203, 0, 113 } };
    cfmt_engine_t *e = make_engine();
    cfmt_memory_t *m;

    round_at(e, kit_now);
    m = cfmt_scene_memory(e, &prefix);
    m->look_at = m->check_asked_at = m->check_answered_at = kit_now;
    round_at(e, kit_now);
    ck_assert(m->look_at && m->check_asked_at);
    round_at(e, kit_now - apr_time_from_sec(180));
    ck_assert(!m->look_at && !m->check_asked_at && !m->check_answered_at);
}
END_TEST

/* Without a delivery that would tell: health must not say ok while nothing can be written. */
START_TEST(the_leaders_trouble_is_seen_in_health)
{
    cfmt_gauges_t *g = apr_pcalloc(unit_pool, cfmt_gauges_size(1));
    cfmt_engine_conf_t conf = { .db = unit_path("cfmt.db"), .clock = &kit_clock, .gauges = g };
    cfmt_engine_t *e = make_engine();
    cfmt_gauge_sum_t sum;
    cfmt_store_t *s;
    cfmt_rest_t rest;

    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL, unit_pool),
                     APR_SUCCESS);
    kit_sql(s, "UPDATE meta SET value = 999 WHERE name = 'min_code'");
    e = cfmt_engine_create(&conf, unit_pool);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), CFMT_ENEWER);
    cfmt_gauges_sum(&sum, g);
    ck_assert_int_eq(sum.trouble, CFMT_ENEWER);
    kit_sql(s, "UPDATE meta SET value = 1 WHERE name = 'min_code'");
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    cfmt_gauges_sum(&sum, g);
    ck_assert_int_eq(sum.trouble, APR_SUCCESS);
    cfmt_store_close(s);
}
END_TEST

START_TEST(a_lock_in_the_way_is_trouble_only_when_it_stays)
{
    cfmt_engine_t *e = make_engine();
    cfmt_rest_t rest;
    cfmt_store_t *s;

    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    deliver(1);
    ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    ck_assert_ptr_null(strstr(kit_lines, "CFMT0401"));
    e->worked_at -= apr_time_from_sec(61);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), CFMT_EBUSY);
    ck_assert_ptr_nonnull(strstr(kit_lines, "CFMT0401"));
    cfmt_store_rollback(s);
    cfmt_store_close(s);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, unit_pool), APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(kit_lines, "CFMT0402"));
}
END_TEST

UNIT_SUITE_BEGIN(engine)
UNIT_TEST(a_lock_in_the_way_is_trouble_only_when_it_stays)
UNIT_TEST(a_clock_that_jumps_does_no_harm)
UNIT_TEST(a_clock_that_was_set_leaves_no_answer)
UNIT_TEST(the_leaders_trouble_is_seen_in_health)
UNIT_TEST(a_failure_of_intake_is_over_when_the_leader_can_write)
UNIT_TEST(makes_a_missing_store_and_projects_to_the_head)
UNIT_TEST(a_deleted_store_is_made_anew_without_help)
UNIT_TEST(trouble_is_said_once_and_its_end_too)
UNIT_TEST(beside_a_busy_intake_one_step_a_round)
UNIT_SUITE_END
