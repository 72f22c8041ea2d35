/*
 * Lists and facts for people: where a list begins, paging, since with a clock that went back,
 * open attacks first, an attack's many names, what health says of rows that are not projected
 * yet.
 */
#include <string.h>

#include <apr_strings.h>

#include "store/store_private.h"
#include "kit.h"
#include "unit.h"

#define T(n) ((apr_time_t)1700000000000000 + (apr_time_t)(n)*APR_USEC_PER_SEC)

static cfmt_store_t *open_store(void)
{
    const char *path = unit_path("cfmt.db");
    cfmt_result_t r = { .status = APR_SUCCESS };
    cfmt_store_t *s;

    ck_assert_int_eq(cfmt_prepare_store(path, NULL, T(0), &r, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_open(&s, path, CFMT_STORE_WRITE, &r, unit_pool), APR_SUCCESS);
    return s;
}

static void sql(cfmt_store_t *s, const char *text)
{
    ck_assert_msg(cfmt_sql_exec(s, text) == APR_SUCCESS, "%s: %s", text, cfmt_store_error(s));
}

static void add_event(cfmt_store_t *s, int id, apr_time_t at)
{
    sql(s, apr_psprintf(unit_pool,
                        "INSERT INTO event(id, at, ts, digest, source, alert_type, state, priority,"
                        " effect, ours, pps) VALUES(%d, %" APR_TIME_T_FMT ", %" APR_TIME_T_FMT
                        ", 1, 'alert', 'dos_attack_l4', 'start', 'HIGH', 1, 1, 2.5)", id, at, at));
}

static void add_attack(cfmt_store_t *s, const char *id, const char *state, apr_time_t last)
{
    sql(s, apr_psprintf(unit_pool,
                        "INSERT INTO attack(id, ours, scope, state, episodes, started_at,"
                        " episode_at, last_at, events, targets, targets_cut, target_missing,"
                        " prefixes, vectors, protocols, rules, alert_types)"
                        " VALUES('%s', 1, 'network', '%s', 1, 1, 1, %" APR_TIME_T_FMT
                        ", 2, '[\"192.0.2.1\",\"192.0.2.2\"]', 0, 0, '[]', '[\"syn\"]', '[]',"
                        " '[]', '[]')", id, state, last));
}

static void add_key(cfmt_store_t *s, int kind, const char *value, const char *account,
                    const char *id, const char *attack)
{
    sql(s, apr_psprintf(unit_pool, "INSERT INTO attack_key(kind, value, account, id, attack)"
                                   " VALUES(%d, '%s', '%s', '%s',"
                                   " (SELECT number FROM attack WHERE id = '%s'))",
                        kind, value, account, id, attack));
}

static apr_int64_t start_of(cfmt_store_t *s, apr_time_t since, int limit, int *pmore)
{
    apr_int64_t after = -1;

    ck_assert_int_eq(cfmt_query_start(s, CFMT_LIST_EVENTS, since, limit, &after, pmore),
                     APR_SUCCESS);
    return after;
}

START_TEST(test_newest_rows)
{
    cfmt_store_t *s = open_store();
    apr_array_header_t *rows;
    int i, more;

    for (i = 1; i <= 9; i++) {
        add_event(s, i * 10, T(i));
    }
    ck_assert_int_eq(start_of(s, 0, 3, &more), 69);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(start_of(s, 0, 9, &more), 9);
    ck_assert_int_eq(more, 0);
    ck_assert_int_eq(start_of(s, T(8), 100, &more), 79);
    ck_assert_int_eq(more, 0);
    ck_assert_int_eq(start_of(s, T(2), 3, &more), 69);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(cfmt_query_events(s, 69, 2, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 2);
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 0, cfmt_event_row_t).id, 70);
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 1, cfmt_event_row_t).id, 80);
    ck_assert_str_eq(APR_ARRAY_IDX(rows, 0, cfmt_event_row_t).alert_type, "dos_attack_l4");
    ck_assert_ptr_null(APR_ARRAY_IDX(rows, 0, cfmt_event_row_t).summary);
    ck_assert(APR_ARRAY_IDX(rows, 0, cfmt_event_row_t).pps == 2.5);
    ck_assert(APR_ARRAY_IDX(rows, 0, cfmt_event_row_t).bps < 0);
}
END_TEST

/* Longer than one page of the walk: the start is still exact. */
START_TEST(test_long_walk)
{
    cfmt_store_t *s = open_store();
    int more;

    sql(s, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000)"
           " INSERT INTO event(id, at, ts, digest, source, state, priority, effect, ours)"
           " SELECT i, i, i, 1, 'alert', 'info', 'INFO', 0, 1 FROM n");
    ck_assert_int_eq(start_of(s, 0, 20001, &more), 4999);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(start_of(s, 0, 25000, &more), 0);
    ck_assert_int_eq(more, 0);
    ck_assert_int_eq(start_of(s, 0, 20000, &more), 5000);
    ck_assert_int_eq(more, 1);
}
END_TEST

/* A clock that was set back for some minutes leaves old times between newer ones. */
START_TEST(test_clock_went_back)
{
    cfmt_store_t *s = open_store();
    int more;

    add_event(s, 1, T(-2000));
    add_event(s, 2, T(100));
    add_event(s, 3, T(-300));
    add_event(s, 4, T(200));
    ck_assert_int_eq(start_of(s, T(50), 10, &more), 1);
    ck_assert_int_eq(more, 0);
}
END_TEST

/* Nothing to show: what is projected from now on must still be seen by whoever follows. */
START_TEST(test_start_when_empty)
{
    cfmt_store_t *s = open_store();
    apr_int64_t after;
    int more;

    sql(s, "INSERT INTO journal(id, at, kind, origin) VALUES(7, 5, 'delivery', 'x')");
    ck_assert_int_eq(start_of(s, 0, 10, &more), 0);
    ck_assert_int_eq(cfmt_meta_set_int(s, CFMT_META_CURSOR, 7), APR_SUCCESS);
    ck_assert_int_eq(start_of(s, 0, 10, &more), 7);
    ck_assert_int_eq(start_of(s, 0, 0, &more), 7);
    ck_assert_int_eq(cfmt_query_start(s, CFMT_LIST_JOURNAL, T(0), 10, &after, &more), APR_SUCCESS);
    ck_assert_int_eq(after, 7);
    ck_assert_int_eq(cfmt_query_start(s, CFMT_LIST_JOURNAL, 0, 10, &after, &more), APR_SUCCESS);
    ck_assert_int_eq(after, 6);
}
END_TEST

static const char *ids_of(const apr_array_header_t *rows)
{
    const char *text = "";
    int i;

    for (i = 0; i < rows->nelts; i++) {
        text = apr_pstrcat(unit_pool, text, i ? " " : "",
                           APR_ARRAY_IDX(rows, i, cfmt_attack_row_t).id, NULL);
    }
    return text;
}

static const char *attacks(cfmt_store_t *s, apr_time_t since, int limit, int *pmore)
{
    apr_array_header_t *rows;

    ck_assert_int_eq(cfmt_query_attacks(s, since, limit, &rows, pmore, unit_pool), APR_SUCCESS);
    return ids_of(rows);
}

START_TEST(test_open_attacks_first)
{
    cfmt_store_t *s = open_store();
    int more;

    add_attack(s, "old-open", "open", T(1));
    add_attack(s, "a2", "ended", T(2));
    add_attack(s, "a3", "ended", T(3));
    add_attack(s, "a4", "open", T(4));
    add_attack(s, "a5", "ended", T(5));
    ck_assert_str_eq(attacks(s, 0, 10, &more), "old-open a2 a3 a4 a5");
    ck_assert_int_eq(more, 0);
    ck_assert_str_eq(attacks(s, 0, 5, &more), "old-open a2 a3 a4 a5");
    ck_assert_int_eq(more, 0);
    ck_assert_str_eq(attacks(s, 0, 3, &more), "old-open a4 a5");
    ck_assert_int_eq(more, 1);
    ck_assert_str_eq(attacks(s, T(5), 10, &more), "old-open a4 a5");
    ck_assert_int_eq(more, 0);
    ck_assert_str_eq(attacks(s, T(9), 1, &more), "a4");
    ck_assert_int_eq(more, 1);
}
END_TEST

START_TEST(test_attack_names)
{
    cfmt_store_t *s = open_store();
    apr_array_header_t *rows;
    const cfmt_attack_row_t *a;

    add_attack(s, "a1", "open", T(1));
    add_attack(s, "a2", "open", T(2));
    add_key(s, 1, "cf-1", "acc", "a1", "a1");
    add_key(s, 2, "corr-1", "acc", "amerged", "a1");
    add_key(s, 3, "tuple", "acc", "atuple", "a1");
    add_key(s, 2, "corr-1", "other", "a2", "a2");
    ck_assert_int_eq(cfmt_query_attack_find(s, "cf-1", &rows, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(ids_of(rows), "a1");
    a = &APR_ARRAY_IDX(rows, 0, cfmt_attack_row_t);
    ck_assert_int_eq(a->targets->nelts, 2);
    ck_assert_str_eq(APR_ARRAY_IDX(a->targets, 1, const char *), "192.0.2.2");
    ck_assert_int_eq(a->prefixes->nelts, 0);
    ck_assert_str_eq(APR_ARRAY_IDX(a->vectors, 0, const char *), "syn");
    ck_assert_int_eq(a->protocols->nelts, 0);
    ck_assert_int_eq(a->attack_ids->nelts, 1);
    ck_assert_str_eq(APR_ARRAY_IDX(a->attack_ids, 0, const char *), "cf-1");
    ck_assert_int_eq(a->correlation_ids->nelts, 1);
    ck_assert_int_eq(cfmt_query_attack_find(s, "amerged", &rows, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(ids_of(rows), "a1");
    ck_assert_int_eq(cfmt_query_attack_find(s, "corr-1", &rows, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(ids_of(rows), "a1 a2");
    ck_assert_int_eq(cfmt_query_attack_find(s, "tuple", &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 0);
    ck_assert_int_eq(cfmt_query_attack_find(s, "a2", &rows, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(ids_of(rows), "a2");
}
END_TEST

/* The n newest and one that is older, whatever their ids. */
START_TEST(test_newest_of_an_attack)
{
    static const int at[] = { 5, 1, 4, 4, 2 }; /* of events 1, 2, ... */
    static const struct { int n, rows, first; } cases[] = {
        { 0, 1, 1 }, { 1, 3, 3 }, { 3, 4, 5 }, { 4, 5, 2 }, { 5, 5, 2 }, { 50, 5, 2 }
    };
    cfmt_store_t *s = open_store();
    apr_array_header_t *rows;
    int i;

    for (i = 0; i < KIT_COUNT(at); i++) {
        add_event(s, i + 1, T(at[i]));
    }
    add_event(s, 9, T(9));
    sql(s, "UPDATE event SET attack = 'a1' WHERE id < 9");
    for (i = 0; i < KIT_COUNT(cases); i++) {
        rows = apr_array_make(unit_pool, 8, sizeof(cfmt_event_stored_t));
        ck_assert_int_eq(cfmt_events_newest(s, rows, "a1", cases[i].n, unit_pool), APR_SUCCESS);
        ck_assert_int_eq(rows->nelts, cases[i].rows);
        ck_assert_int_eq(APR_ARRAY_IDX(rows, 0, cfmt_event_stored_t).e.id, cases[i].first);
    }
    rows = apr_array_make(unit_pool, 8, sizeof(cfmt_event_stored_t));
    ck_assert_int_eq(cfmt_events_newest(s, rows, "a2", 5, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 0);
}
END_TEST

START_TEST(test_health_rows)
{
    cfmt_store_t *s = open_store();
    cfmt_health_rows_t h;

    ck_assert_int_eq(cfmt_query_health(s, &h), APR_SUCCESS);
    ck_assert_int_eq(h.schema, CFMT_SCHEMA);
    ck_assert(h.oldest_lag_at == 0 && h.last_delivery_at == 0 && h.cursor == 0);
    sql(s, apr_psprintf(unit_pool, "INSERT INTO journal(id, at, kind, origin) VALUES"
                                   "(11, %" APR_TIME_T_FMT ", 'delivery', 'x'),"
                                   "(12, %" APR_TIME_T_FMT ", 'rejected', 'x')", T(11), T(12)));
    ck_assert_int_eq(cfmt_query_health(s, &h), APR_SUCCESS);
    ck_assert(h.oldest_lag_at == T(11) && h.last_delivery_at == T(11));
    ck_assert_int_eq(h.head, 12);
    ck_assert_int_eq(cfmt_meta_set_int(s, CFMT_META_CURSOR, 12), APR_SUCCESS);
    ck_assert_int_eq(cfmt_meta_set_int(s, CFMT_META_LAST_DELIVERY, T(11)), APR_SUCCESS);
    ck_assert_int_eq(cfmt_query_health(s, &h), APR_SUCCESS);
    ck_assert(h.oldest_lag_at == 0 && h.last_delivery_at == T(11) && h.cursor == 12);
    sql(s, apr_psprintf(unit_pool, "INSERT INTO journal(at, kind, origin, ref) VALUES"
                                   "(%" APR_TIME_T_FMT ", 'duplicate', 'x', 11)", T(20)));
    ck_assert_int_eq(cfmt_query_health(s, &h), APR_SUCCESS);
    ck_assert(h.oldest_lag_at == T(20) && h.last_delivery_at == T(20));
}
END_TEST

/* cfmtctl opens it read-only: no call here may want to write. */
START_TEST(test_read_only_handle)
{
    cfmt_store_t *s = open_store(), *reader;
    apr_array_header_t *rows;
    cfmt_health_rows_t h;
    cfmt_facts_t f;
    int more;

    add_event(s, 1, T(1));
    add_attack(s, "a1", "open", T(1));
    ck_assert_int_eq(cfmt_store_open(&reader, cfmt_store_path(s), CFMT_STORE_READ, NULL, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(start_of(reader, 0, 5, &more), 0);
    ck_assert_int_eq(cfmt_query_events(reader, 0, 5, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 1);
    ck_assert_str_eq(attacks(reader, 0, 5, &more), "a1");
    ck_assert_int_eq(cfmt_query_health(reader, &h), APR_SUCCESS);
    ck_assert_int_eq(cfmt_query_facts(reader, &f, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(f.application_id, CFMT_APPLICATION_ID);
    ck_assert_int_eq(f.schema, CFMT_SCHEMA);
    ck_assert_str_eq(f.journal_mode, "wal");
}
END_TEST

UNIT_SUITE_BEGIN(query)
    UNIT_TEST(test_newest_rows)
    UNIT_TEST(test_long_walk)
    UNIT_TEST(test_clock_went_back)
    UNIT_TEST(test_start_when_empty)
    UNIT_TEST(test_open_attacks_first)
    UNIT_TEST(test_attack_names)
    UNIT_TEST(test_newest_of_an_attack)
    UNIT_TEST(test_health_rows)
    UNIT_TEST(test_read_only_handle)
UNIT_SUITE_END
