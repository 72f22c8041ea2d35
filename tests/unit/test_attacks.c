/*
 * The engine and attacks by traffic: what follows from the evidence is journaled once and told
 * once, in bounded portions; when nothing changes nothing is journaled.
 */
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "unit.h"

#define NET "203.0.113.0/24"
#define HOUR apr_time_from_sec(3600)
#define START (KIT_EPOCH - KIT_EPOCH % HOUR) /* a whole minute */
#define MINUTE(n) (START + (n) * CFMT_MINUTE)
#define PAUSE apr_time_from_msec(260) /* it does not look more often */

static cfmt_store_t *store(void)
{
    static cfmt_store_t *s;
    static apr_pool_t *of;

    if (of != unit_pool || !s) {
        of = unit_pool;
        ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL,
                                         unit_pool), APR_SUCCESS);
    }
    return s;
}

static void round_once(cfmt_engine_t *e)
{
    apr_pool_t *p;
    cfmt_rest_t rest;

    apr_pool_create(&p, unit_pool);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, p), APR_SUCCESS);
    apr_pool_destroy(p);
}

static int journaled(void)
{
    return (int)kit_int(store(), "SELECT count(*) FROM journal WHERE kind = 'attack'");
}

static cfmt_engine_t *start_engine(void)
{
    cfmt_engine_conf_t conf = { .db = unit_path("cfmt.db"), .clock = &kit_clock,
                                .log = &kit_log, .settings = apr_table_make(unit_pool, 2) };
    cfmt_engine_t *e;

    apr_table_setn((apr_table_t *)conf.settings, "Mode", "observe");
    apr_table_setn((apr_table_t *)conf.settings, "Threshold", "pps=1000 sustain=3");
    e = cfmt_engine_create(&conf, unit_pool);
    round_once(e);
    return e;
}

static cfmt_engine_t *make_engine(void)
{
    kit_row_t rows[] = { kit_config(0, "{\"Prefix " NET "\":\"\",\"Threshold\":\"pps=1000\"}"),
                         kit_prefix(0, "b1", NET, 1, 0) };
    cfmt_engine_t *e;

    kit_now = MINUTE(60);
    kit_lines[0] = '\0';
    e = start_engine();
    kit_append(store(), rows, 2);
    return e;
}

/* Looks until nothing more comes of it; how many rows a look added at most. */
static int settle(cfmt_engine_t *e)
{
    int before, most = 0, idle, i;

    for (i = idle = 0; idle < 2; i++) {
        ck_assert_int_lt(i, 30);
        before = journaled();
        unit_skip(PAUSE);
        round_once(e);
        most = journaled() - before > most ? journaled() - before : most;
        idle = journaled() > before ? 0 : idle + 1;
    }
    return most;
}

/* Complete minutes from..to; pps in the first `hot` of them. */
static void evidence(int from, int to, int hot, double pps)
{
    cfmt_evidence_t e = { .from = MINUTE(from), .to = MINUTE(to), .complete = MINUTE(to) };
    kit_row_t row = { "evidence", kit_now, NULL };
    int i;

    e.prefixes = apr_array_make(unit_pool, 1, sizeof(cfmt_cidr_t));
    e.rows = apr_array_make(unit_pool, 4, sizeof(cfmt_evidence_row_t));
    ck_assert_int_eq(cfmt_cidr_parse(apr_array_push(e.prefixes), NULL, NET), APR_SUCCESS);
    for (i = 0; i < hot; i++) {
        cfmt_evidence_row_t *r = apr_array_push(e.rows);

        memset(r, 0, sizeof(*r));
        r->minute = MINUTE(from + i);
        r->traffic.packets[CFMT_SYSTEM_DOSD] = pps * 60;
        r->traffic.bits[CFMT_SYSTEM_DOSD] = pps * 6000;
    }
    row.body = cfmt_evidence_encode(&e, unit_pool);
    kit_append(store(), &row, 1);
}

START_TEST(journals_once_and_tells_once)
{
    cfmt_engine_t *e = make_engine();

    settle(e);
    ck_assert_int_eq(journaled(), 0);
    evidence(10, 12, 2, 5000);
    settle(e); /* sustain=3 */
    ck_assert_int_eq(journaled(), 0);
    evidence(12, 13, 1, 9000);
    settle(e);
    ck_assert_int_eq(kit_told("CFMT0937"), 1);
    ck_assert_int_eq(kit_int(store(), "SELECT count(*) FROM attack WHERE state = 'open'"), 1);
    ck_assert_int_eq(journaled(), 2); /* and its peak */
    ck_assert_int_eq(kit_int(store(), "SELECT peak_pps FROM attack"), 9000);
    ck_assert_str_eq(kit_text(store(), "SELECT peak_pps_by FROM attack"), "dosd");
    kit_now += 20 * apr_time_from_sec(10);
    settle(e);
    e = start_engine();
    settle(e); /* another leader */
    ck_assert_int_eq(journaled(), 2);
    evidence(13, 28, 0, 0);
    settle(e);
    ck_assert_str_eq(kit_text(store(), "SELECT ended_by FROM attack"), "calm");
    ck_assert_int_eq(kit_int(store(), "SELECT ended_at FROM attack"), MINUTE(28));
    ck_assert_int_eq(kit_told("CFMT0938"), 1);
    ck_assert_int_eq(journaled(), 3);
    ck_assert_int_eq(kit_int(store(), "SELECT value = (SELECT max(id) FROM journal) FROM meta"
                                      " WHERE name = 'cursor'"), 1);
}
END_TEST

/* Alerts about nothing of ours, all too old: 100 at a time end, and none is said to be twice. */
START_TEST(in_bounded_portions)
{
    cfmt_engine_t *e = make_engine();
    kit_row_t rows[250];
    int i;

    kit_now = KIT_T(90000);
    for (i = 0; i < 250; i++) {
        rows[i] = kit_alert((kit_say_t){ .ts = 1, .attack = apr_psprintf(unit_pool, "A%d", i),
                                         .target = "10.1.2.3" });
    }
    kit_append(store(), rows, 250);
    ck_assert_int_eq(settle(e), 100);
    ck_assert_int_eq(journaled(), 250);
    ck_assert_int_eq(kit_told("CFMT0939"), 250);
    ck_assert_int_eq(kit_int(store(), "SELECT count(*) FROM attack WHERE ended_by = 'timeout'"
                                      " AND ended_at = started_at"), 250);
    kit_now += HOUR;
    settle(e);
    ck_assert_int_eq(journaled(), 250);
    /* an alert that was late, and all the same later than the last sign of it */
    rows[0] = kit_alert((kit_say_t){ .ts = 2, .attack = "A7", .target = "10.1.2.3" });
    kit_append(store(), rows, 1);
    round_once(e);
    ck_assert_int_eq(kit_int(store(), "SELECT count(*) FROM attack WHERE state = 'open'"), 1);
}
END_TEST

/* A timeout of a week looks at the minutes of a week: attacks that ended then are known, too. */
START_TEST(what_ended_long_ago_is_not_opened_again)
{
    cfmt_engine_t *e = make_engine();
    cfmt_engine_conf_t conf = { .db = unit_path("cfmt.db"), .clock = &kit_clock,
                                .log = &kit_log, .settings = apr_table_make(unit_pool, 2) };
    kit_row_t alerts[] = {
        kit_alert((kit_say_t){ .ts = -1000, .attack = "A", .target = "203.0.113.7" }),
        kit_alert((kit_say_t){ .ts = 2400, .attack = "A", .end = 1 })
    };

    kit_append(store(), alerts, 2);
    evidence(5, 40, 20, 5000);
    kit_now += 72 * HOUR;
    apr_table_setn((apr_table_t *)conf.settings, "Mode", "observe");
    apr_table_setn((apr_table_t *)conf.settings, "AttackTimeout", "7d");
    e = cfmt_engine_create(&conf, unit_pool);
    settle(e);
    ck_assert_int_eq(kit_told("CFMT0937") + kit_told("CFMT0936"), 0);
    ck_assert_int_eq(kit_int(store(), "SELECT count(*) FROM attack"), 1);
    ck_assert_int_eq(journaled(), 1); /* its peak */
}
END_TEST

/* Whatever the clock does: nothing ends by it while the prefix is advertised or was lately. */
START_TEST(a_clock_that_jumps)
{
    cfmt_engine_t *e = make_engine();
    kit_row_t alert = kit_alert((kit_say_t){ .ts = 1, .attack = "A", .target = "203.0.113.7" });
    kit_row_t gone = kit_prefix(1, "b1", NET, 1, 1);

    kit_append(store(), &alert, 1);
    settle(e);
    kit_now += 9000 * HOUR;
    settle(e);
    kit_now -= 18000 * HOUR;
    settle(e);
    ck_assert_int_eq(journaled(), 0);
    gone.at = KIT_T(50 * 3600); /* not listed from then on */
    kit_append(store(), &gone, 1);
    kit_now = KIT_T(60 * 3600);
    settle(e);
    ck_assert_int_eq(journaled(), 0);
    kit_now = KIT_T(75 * 3600);
    settle(e);
    ck_assert_str_eq(kit_text(store(), "SELECT ended_by FROM attack"), "timeout");
}
END_TEST

/* Of one that is not listed any more nothing can be opened: no prefix is left that it would hit. */
START_TEST(a_prefix_that_is_gone)
{
    cfmt_engine_t *e = make_engine();
    kit_row_t rows[] = { kit_config(1, "{}"), kit_prefix(1, "b1", NET, 1, 1) };

    kit_append(store(), rows, 2);
    evidence(10, 20, 9, 5000);
    settle(e);
    ck_assert_int_eq(journaled(), 0);
}
END_TEST

/* What is said and has no effect, by whatever mistake, is not said in every look. */
START_TEST(a_mistake_fills_no_disk)
{
    cfmt_engine_t *e = make_engine();
    int i;

    evidence(10, 20, 9, 5000);
    settle(e);
    ck_assert_int_eq(kit_told("CFMT0937"), 1);
    for (i = 0; i < 3; i++) {
        kit_sql(store(), "BEGIN; DELETE FROM attack; DELETE FROM attack_key; DELETE FROM event;"
                         " COMMIT");
        evidence(30 + i, 31 + i, 0, 0);
        settle(e);
    }
    ck_assert_int_eq(kit_told("CFMT0937"), 1);
    ck_assert_int_eq(journaled(), 1);
}
END_TEST

UNIT_SUITE_BEGIN(attacks)
UNIT_TEST(journals_once_and_tells_once)
UNIT_TEST(in_bounded_portions)
UNIT_TEST(what_ended_long_ago_is_not_opened_again)
UNIT_TEST(a_clock_that_jumps)
UNIT_TEST(a_prefix_that_is_gone)
UNIT_TEST(a_mistake_fills_no_disk)
UNIT_SUITE_END
