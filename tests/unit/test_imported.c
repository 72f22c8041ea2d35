/*
 * The history of the system before: each row once, in lists and nowhere else; and its database, of
 * whichever columns.
 */
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmt_store_import.h"
#include "kit.h"
#include "store/store_private.h"
#include "unit.h"

#define PAYLOAD(ts, event) \
    "{\\\"alert_type\\\":\\\"dos_attack_l4\\\"," ts "\\\"alert_event\\\":\\\"" event "\\\"," \
    "\\\"data\\\":{\\\"attack_id\\\":\\\"x1\\\",\\\"target_ip\\\":\\\"203.0.113.7\\\"}}"

static cfmt_import_t row_of(const char *name, const char *body)
{
    return (cfmt_import_t){ .name = name, .origin = "import by alice", .body = body,
                            .len = strlen(body), .at = KIT_T(1000) };
}

/* How many of the n were new. */
static int import(cfmt_store_t *s, const cfmt_import_t *rows, int n)
{
    int i, known, fresh = 0;

    ck_assert_int_eq(cfmt_store_begin(s, apr_time_from_sec(1)), APR_SUCCESS);
    for (i = 0; i < n; i++) {
        ck_assert_int_eq(cfmt_import_append(s, &rows[i], &known), APR_SUCCESS);
        fresh += !known;
    }
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    return fresh;
}

static const cfmt_imported_t *list(cfmt_store_t *s, cfmt_part_e part, int limit, int *pn, int *pmore)
{
    apr_array_header_t *rows;

    ck_assert_int_eq(cfmt_imported_list(s, part, 0, limit, &rows, pmore, unit_pool), APR_SUCCESS);
    *pn = rows->nelts;
    return (const cfmt_imported_t *)rows->elts;
}

static const char *dump(cfmt_store_t *s)
{
    return kit_text(s, "SELECT group_concat(id || '|' || name || '|' || source || '|' || part || '|'"
                       " || at || '|' || ambiguous || '|' || coalesce(what, '') || '|'"
                       " || coalesce(attack, '')) FROM (SELECT * FROM imported ORDER BY id)");
}

static const char alert[] = "{\"source\":\"webhook_events\",\"id\":\"1\",\"times\":{\"received_at\":"
    "1},\"ambiguous\":[\"received_at\"],\"columns\":{\"alert_type\":\"old word\",\"payload\":\""
    PAYLOAD("\\\"ts\\\":1700000000,", "DOS_ATTACK_START") "\"}}";
static const char timeless[] = "{\"source\":\"webhook_events\",\"id\":\"2\",\"times\":{"
    "\"received_at\":1700000100000000},\"ambiguous\":[\"received_at\"],\"columns\":{\"payload\":\""
    PAYLOAD("", "DOS_ATTACK_END") "\"}}";
static const char withdrawal[] = "{\"source\":\"withdrawal_history\",\"id\":\"1\",\"times\":{"
    "\"advertised_at\":1700000200000000,\"withdrawn_at\":1700000900000000},\"ambiguous\":[],"
    "\"columns\":{\"prefix\":\"203.0.113.0/24\",\"attack_id\":\"x1\",\"status\":\"completed\"}}";
static const char other[] = "{\"source\":\"prefix_calm_status\",\"id\":null,\"times\":{},"
    "\"ambiguous\":[],\"columns\":{}}";

START_TEST(test_each_row_once)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_import_t rows[] = { row_of("a/1", alert), row_of("a/2", timeless), row_of("a/1", alert) };
    const cfmt_import_t changed = row_of("a/2", withdrawal);
    int known;

    ck_assert_int_eq(import(s, rows, 3), 2);
    ck_assert_int_eq(import(s, rows, 3), 0);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 2);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal WHERE kind = 'imported'"), 2);
    ck_assert_int_eq(cfmt_import_known(s, &changed, &known), APR_SUCCESS);
    ck_assert_int_eq(known, 0);
    kit_project(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM imported"), 2);
    ck_assert_int_eq(import(s, &changed, 1), 1); /* the row went on meanwhile */
    kit_project(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM imported"), 2);
    ck_assert_int_eq(kit_int(s, "SELECT id FROM imported WHERE name = 'a/2'"), 3);
    ck_assert_int_eq(kit_int(s, "SELECT part FROM imported WHERE name = 'a/2'"), CFMT_PART_ACTION);
}
END_TEST

/* An alert that would open an attack; nothing comes of it. */
START_TEST(test_nothing_follows_from_them)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_import_t rows[] = { row_of("a/1", alert), row_of("a/2", timeless), row_of("w", withdrawal),
                             row_of("c", other), row_of("d", "no JSON") };

    kit_append(s, (kit_row_t[]){ kit_config(1, KIT_CONFIG) }, 1);
    ck_assert_int_eq(import(s, rows, 5), 5);
    kit_project(s, 3);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM imported"), 4);
    ck_assert_int_eq(kit_int(s, "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM attack)"
                                " + (SELECT count(*) FROM entity) + (SELECT count(*) FROM outbox)"
                                " + (SELECT count(*) FROM intent) + (SELECT count(*) FROM audit)"),
                     0);
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'last_delivery_at'"), 0);
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'cursor'"), 6);
}
END_TEST

START_TEST(test_lists)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_import_t rows[] = { row_of("a/2", timeless), row_of("a/1", alert), row_of("w", withdrawal) };
    const cfmt_imported_t *r;
    int n, more;

    import(s, rows, 3);
    kit_project(s, 200);
    r = list(s, CFMT_PART_EVENT, 10, &n, &more);
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(more, 0);
    ck_assert_str_eq(r[0].name, "a/1"); /* by their times, not as they came */
    ck_assert_int_eq(r[0].at, KIT_T(0)); /* Cloudflare's word, and not the old system's */
    ck_assert_int_eq(r[0].ambiguous, 0);
    ck_assert_str_eq(r[0].what, "dos_attack_l4");
    ck_assert_str_eq(r[0].state, "start");
    ck_assert_str_eq(r[0].target, "203.0.113.7");
    ck_assert_str_eq(r[0].body, alert);
    ck_assert_int_eq(r[1].at, KIT_T(100));
    ck_assert_int_eq(r[1].ambiguous, 1);
    ck_assert_str_eq(r[1].state, "end");
    r = list(s, CFMT_PART_EVENT, 1, &n, &more);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(more, 1);
    ck_assert_str_eq(r[0].name, "a/2");
    r = list(s, CFMT_PART_ACTION, 10, &n, &more);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(r[0].at, KIT_T(200));
    ck_assert_int_eq(r[0].done_at, KIT_T(900));
    ck_assert_str_eq(r[0].prefix, "203.0.113.0/24");
}
END_TEST

START_TEST(test_rebuild_and_retention)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_import_t rows[] = { row_of("a/1", alert), row_of("a/2", timeless), row_of("w", withdrawal),
                             row_of("a/1", other) };
    const char *before;

    rows[2].at = rows[3].at = KIT_T(5000);
    import(s, rows, 4);
    kit_project(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM imported"), 3);
    before = dump(s);
    kit_sql(s, "INSERT INTO imported(id, name, source, part, at, ambiguous)"
               " VALUES(99, 'of nowhere', '', 1, 1, 0)");
    kit_rebuild(s, 2);
    ck_assert_str_eq(dump(s), before);
    kit_prune(s, KIT_T(4000));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM imported"), 2);
    before = dump(s);
    kit_rebuild(s, 200);
    ck_assert_str_eq(dump(s), before);
}
END_TEST

/* ---- the old database ------------------------------------------------------------------------ */

typedef struct lines_t {
    int n;
    const char *all;
} lines_t;

static apr_status_t take_line(void *baton, const char *json, apr_size_t len)
{
    lines_t *to = baton;
    const char *why;
    cfmt_json_limits_t limits = { .depth = 4 };
    cfmt_json_t *doc;

    ck_assert_msg(cfmt_json_parse(&doc, &why, json, len, &limits, unit_pool) == APR_SUCCESS,
                  "%s: %.*s", why, (int)len, json);
    to->all = apr_pstrcat(unit_pool, to->all, apr_pstrmemdup(unit_pool, json, len), "\n", NULL);
    return ++to->n == 700 ? CFMT_ESTOPPED : APR_SUCCESS;
}

static void make(const char *path, const char *sql)
{
    sqlite3 *db;

    unlink(path);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static apr_status_t read_all(lines_t *to, const char *path)
{
    const cfmt_legacy_out_t out = { .line = take_line, .baton = to };
    const char *why;

    *to = (lines_t){ .all = "" };
    return cfmt_legacy_read(path, &out, &why, unit_pool);
}

START_TEST(test_any_value)
{
    const char *path = unit_path("old.db");
    lines_t got;

    make(path, "CREATE TABLE attack_events(id, a, b, c, d);"
               "INSERT INTO attack_events VALUES('seven', 1, -2.5, x'00ff', 'sm\xc3\xb8r\"\n'),"
               " (NULL, 9e999, NULL, CAST(x'ff41' AS TEXT), '');"
               "CREATE TABLE webhook_events(payload);"
               "CREATE TABLE foreign_thing(x); INSERT INTO foreign_thing VALUES(1), (2)");
    ck_assert_int_eq(read_all(&got, path), APR_SUCCESS);
    ck_assert_str_eq(got.all,
                     "{\"source\":\"attack_events\",\"id\":\"seven\",\"columns\":{\"id\":\"seven\","
                     "\"a\":1,\"b\":-2.5,\"c\":\"x'00ff'\",\"d\":\"sm\xc3\xb8r\\\"\\u000a\"}}\n"
                     "{\"source\":\"attack_events\",\"id\":null,\"columns\":{\"id\":null,"
                     "\"a\":\"Inf\",\"b\":null,\"c\":\"x'ff41'\",\"d\":\"\"}}\n"
                     "{\"source\":\"foreign_thing\",\"unknown\":2}\n");
}
END_TEST

START_TEST(test_pages_and_an_end)
{
    const char *path = unit_path("old.db");
    lines_t got;

    make(path, "CREATE TABLE withdrawal_history(id INTEGER PRIMARY KEY, prefix);"
               "WITH RECURSIVE n(i) AS (SELECT -3 UNION ALL SELECT i + 1 FROM n WHERE i < 595)"
               " INSERT INTO withdrawal_history SELECT i, '203.0.113.0/24' FROM n");
    ck_assert_int_eq(read_all(&got, path), APR_SUCCESS);
    ck_assert_int_eq(got.n, 599);
    ck_assert_ptr_nonnull(strstr(got.all, "\"id\":\"-3\""));
    ck_assert_ptr_nonnull(strstr(got.all, "\"id\":\"595\""));
    make(path, "CREATE TABLE withdrawal_history(id INTEGER PRIMARY KEY, prefix);"
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)"
               " INSERT INTO withdrawal_history SELECT i, '' FROM n");
    ck_assert_int_eq(read_all(&got, path), CFMT_ESTOPPED); /* nobody listens any more */
    ck_assert_int_eq(got.n, 700);
}
END_TEST

START_TEST(test_large_rows)
{
    const char *path = unit_path("old.db");
    lines_t got;

    make(path, "CREATE TABLE webhook_events(id INTEGER PRIMARY KEY, payload);"
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5)"
               " INSERT INTO webhook_events SELECT i, hex(zeroblob(i * 150000)) FROM n");
    ck_assert_int_eq(read_all(&got, path), APR_SUCCESS);
    ck_assert_int_eq(got.n, 5); /* over pages of a MiB each none is lost, none comes twice */
    ck_assert_ptr_nonnull(strstr(got.all, "\"id\":\"4\",\"error\":\"the row has 1200001 bytes"));
    ck_assert_ptr_nonnull(strstr(got.all, "\"id\":\"3\",\"columns\""));
}
END_TEST

START_TEST(test_what_is_no_database)
{
    const char *path = unit_path("old.db");
    lines_t got;

    unlink(path);
    ck_assert_int_eq(read_all(&got, path), CFMT_EDENIED);
    make(path, "CREATE TABLE x(y)");
    ck_assert_int_eq(truncate(path, 3000), 0);
    ck_assert_int_eq(read_all(&got, path), CFMT_ECORRUPT);
    ck_assert_int_eq(got.n, 0);
}
END_TEST

UNIT_SUITE_BEGIN(imported)
    UNIT_TEST(test_each_row_once)
    UNIT_TEST(test_nothing_follows_from_them)
    UNIT_TEST(test_lists)
    UNIT_TEST(test_rebuild_and_retention)
    UNIT_TEST(test_any_value)
    UNIT_TEST(test_pages_and_an_end)
    UNIT_TEST(test_large_rows)
    UNIT_TEST(test_what_is_no_database)
UNIT_SUITE_END
