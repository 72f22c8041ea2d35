/*
 * What Cloudflare reports, in the store: bodies of journal rows and back, table rows and back, when
 * lists were read; a store of the version before is migrated.
 */
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "store/store_private.h"
#include "store/world.h"
#include "unit.h"

static cfmt_cidr_t cidr(const char *text)
{
    cfmt_cidr_t c;

    ck_assert_int_eq(cfmt_cidr_parse(&c, NULL, text), APR_SUCCESS);
    return c;
}

static cfmt_bgp_prefix_t full_prefix(const char *id, const char *net)
{
    cfmt_bgp_prefix_t b = { .id = id, .parent = "parent1", .cidr = cidr(net),
                            .description = "a \"quoted\" \xc3\xa9", .asn = 64496, .approved = 1,
                            .enabled = 1, .locked = 0, .bgp_control = 0, .auto_withdraw = 1,
                            .advertised = 0, .advertised_at = KIT_T(5), .modified_at = KIT_T(6) };

    return b;
}

/* Nothing but id and network is known. */
static cfmt_bgp_prefix_t bare_prefix(const char *id, const char *net)
{
    cfmt_bgp_prefix_t b = { .id = id, .cidr = cidr(net), .approved = -1, .enabled = -1,
                            .locked = -1, .bgp_control = -1, .auto_withdraw = -1,
                            .advertised = -1 };

    return b;
}

static void same_text(const char *a, const char *b)
{
    ck_assert_str_eq(a ? a : "(none)", b ? b : "(none)");
}

static void same_prefix(const cfmt_bgp_prefix_t *a, const cfmt_bgp_prefix_t *b)
{
    same_text(a->id, b->id);
    same_text(a->parent, b->parent);
    same_text(a->description, b->description);
    ck_assert_int_eq(cfmt_cidr_compare(&a->cidr, &b->cidr), 0);
    ck_assert_int_eq(a->asn, b->asn);
    ck_assert_int_eq(a->approved, b->approved);
    ck_assert_int_eq(a->enabled, b->enabled);
    ck_assert_int_eq(a->locked, b->locked);
    ck_assert_int_eq(a->bgp_control, b->bgp_control);
    ck_assert_int_eq(a->auto_withdraw, b->auto_withdraw);
    ck_assert_int_eq(a->advertised, b->advertised);
    ck_assert_int_eq(a->advertised_at, b->advertised_at);
    ck_assert_int_eq(a->modified_at, b->modified_at);
}

/* ---- bodies ---------------------------------------------------------------------------------- */

START_TEST(prefix_bodies)
{
    cfmt_bgp_prefix_t list[] = { full_prefix("b1", "203.0.113.0/24"),
                                 bare_prefix("b2", "2001:db8::/32") };
    cfmt_bgp_prefix_t got;
    const char *text;
    int i, gone;

    for (i = 0; i < 2; i++) {
        text = cfmt_prefix_encode(&list[i], i, unit_pool);
        ck_assert_int_eq(cfmt_prefix_decode(&got, &gone, text, strlen(text), unit_pool),
                         APR_SUCCESS);
        same_prefix(&got, &list[i]);
        ck_assert_int_eq(gone, i);
    }
    ck_assert_str_eq(text, "{\"advertised\":null,\"advertised_at\":0,\"approved\":null,\"asn\":0,"
                           "\"auto_withdraw\":null,\"bgp_control\":null,\"cidr\":\"2001:db8::/32\","
                           "\"description\":null,\"enabled\":null,\"gone\":true,\"id\":\"b2\","
                           "\"locked\":null,\"modified_at\":0,\"parent\":null}");
}
END_TEST

START_TEST(tunnel_and_rule_bodies)
{
    cfmt_tunnel_t t = { .id = "t1", .kind = CFMT_TUNNEL_INTERCONNECT, .name = "n",
                        .endpoint = "192.0.2.1", .checked = 1, .active = 0, .health = 0.5 };
    cfmt_rule_t rule = { .id = "r1", .name = "web", .type = "zscore", .automatic = 1 };
    cfmt_tunnel_t t2;
    cfmt_rule_t rule2;
    const char *state, *text = cfmt_tunnel_encode(&t, "degraded", 0, unit_pool);
    int gone = 7;

    ck_assert_str_eq(text, "{\"active\":false,\"checked\":true,\"endpoint\":\"192.0.2.1\","
                           "\"gone\":false,\"health\":0.500000,\"id\":\"t1\","
                           "\"kind\":\"interconnect\",\"name\":\"n\",\"state\":\"degraded\"}");
    ck_assert_int_eq(cfmt_tunnel_decode(&t2, &state, &gone, text, strlen(text), unit_pool),
                     APR_SUCCESS);
    ck_assert_str_eq(cfmt_tunnel_encode(&t2, state, gone, unit_pool), text);
    t.health = -1;
    text = cfmt_tunnel_encode(&t, "unknown", 1, unit_pool);
    ck_assert_int_eq(cfmt_tunnel_decode(&t2, &state, &gone, text, strlen(text), unit_pool),
                     APR_SUCCESS);
    ck_assert(t2.health < 0 && gone == 1);

    rule.prefixes = apr_array_make(unit_pool, 2, sizeof(cfmt_cidr_t));
    APR_ARRAY_PUSH(rule.prefixes, cfmt_cidr_t) = cidr("203.0.113.0/24");
    APR_ARRAY_PUSH(rule.prefixes, cfmt_cidr_t) = cidr("2001:db8::/32");
    text = cfmt_rule_encode(&rule, 0, unit_pool);
    ck_assert_str_eq(text, "{\"automatic\":true,\"gone\":false,\"id\":\"r1\",\"name\":\"web\","
                           "\"prefixes\":[\"203.0.113.0/24\",\"2001:db8::/32\"],"
                           "\"type\":\"zscore\"}");
    ck_assert_int_eq(cfmt_rule_decode(&rule2, &gone, text, strlen(text), unit_pool), APR_SUCCESS);
    ck_assert_str_eq(cfmt_rule_encode(&rule2, gone, unit_pool), text);
    text = "{\"id\":\"r\",\"name\":\"n\",\"prefixes\":[\"203.0.113.0/24\",\"10.0.0.0/8\"]}";
    ck_assert_int_eq(cfmt_rule_decode(&rule2, &gone, text, strlen(text), unit_pool), APR_SUCCESS);
    ck_assert_str_eq(cfmt_cidrs_format(rule2.prefixes, unit_pool),
                     "[\"10.0.0.0/8\",\"203.0.113.0/24\"]"); /* sorted */
}
END_TEST

START_TEST(bodies_that_are_none)
{
    static const char *const bodies[] = {
        "", "x", "[]", "{}", "null", "{\"id\":\"a\"}", "{\"cidr\":\"10.0.0.0/8\"}",
        "{\"id\":\"a\",\"cidr\":\"nowhere\",\"state\":\"up\",\"kind\":\"carrier pigeon\"}",
        "{\"id\":\"a\",\"cidr\":\"10.0.0.0\\u0000/8\",\"kind\":\"gre\",\"name\":\"n\"}",
        "{\"id\":\"a\",\"name\":\"n\",\"prefixes\":[1]}",
        "{\"id\":\"a\",\"name\":\"n\",\"prefixes\":[\"?\"]}",
        "{\"id\":\"a\",\"name\":\"n\",\"prefixes\":\"10.0.0.0/8\"}",
        "{\"id\":\"a\",\"cidr\":[[[[[[]]]]]]}",
    };
    cfmt_bgp_prefix_t b;
    cfmt_tunnel_t t;
    cfmt_rule_t rule;
    const char *state;
    int i, gone;

    for (i = 0; i < KIT_COUNT(bodies); i++) {
        apr_size_t len = strlen(bodies[i]);

        ck_assert_int_eq(cfmt_prefix_decode(&b, &gone, bodies[i], len, unit_pool), CFMT_EINVALID);
        ck_assert_int_eq(cfmt_tunnel_decode(&t, &state, &gone, bodies[i], len, unit_pool),
                         CFMT_EINVALID);
        ck_assert_int_eq(cfmt_rule_decode(&rule, &gone, bodies[i], len, unit_pool), CFMT_EINVALID);
    }
    ck_assert_int_eq(cfmt_prefix_decode(&b, &gone, NULL, 0, unit_pool), CFMT_EINVALID);
}
END_TEST

/* What a snapshot keeps of a row is all of it. */
START_TEST(rows_as_json)
{
    cfmt_prefix_row_t row = { .b = full_prefix("b1", "203.0.113.0/24"), .gone = 1,
                              .since = KIT_T(1), .row = 7, .origin = "external",
                              .first_at = KIT_T(2), .changed_at = KIT_T(3), .changed_by = "us" };
    const char *text = cfmt_prefix_row_encode(&row, unit_pool), *why;
    cfmt_json_limits_t limits = { .depth = 8 };
    cfmt_prefix_row_t got;
    cfmt_json_t *doc;

    ck_assert_int_eq(cfmt_json_parse(&doc, &why, text, strlen(text), &limits, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_prefix_row_decode(&got, doc), APR_SUCCESS);
    ck_assert_str_eq(cfmt_prefix_row_encode(&got, unit_pool), text);
    ck_assert_int_eq(got.row, 7);
    ck_assert_int_eq(got.changed_at, KIT_T(3));
    ck_assert_int_eq(cfmt_prefix_row_decode(&got, cfmt_json_get(doc, "state")), CFMT_EINVALID);
}
END_TEST

/* ---- tables ---------------------------------------------------------------------------------- */

START_TEST(prefix_rows)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_prefix_row_t rows[] = {
        { .b = full_prefix("b1", "203.0.113.0/24"), .since = 1, .row = 2, .origin = "first",
          .first_at = 3, .changed_at = 4, .changed_by = "us" },
        { .b = bare_prefix("b2", "10.0.0.0/8"), .gone = 1, .since = 5, .row = 6,
          .origin = "external", .first_at = 7 },
    };
    apr_array_header_t *got;
    const cfmt_prefix_row_t *row;
    cfmt_cidr_t c;
    int i;

    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    for (i = 0; i < 4; i++) { /* the second time they replace themselves */
        ck_assert_int_eq(cfmt_prefix_save(s, &rows[i % 2]), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_reading_note(s, "parent", "parent1", KIT_T(8)), APR_SUCCESS);
    ck_assert_int_eq(cfmt_reading_note(s, "missing", "b1", KIT_T(9)), APR_SUCCESS);
    ck_assert_int_eq(cfmt_reading_note(s, "missing", "b2", KIT_T(9)), APR_SUCCESS);
    ck_assert_int_eq(cfmt_reading_note(s, "missing", "b2", 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);

    ck_assert_int_eq(cfmt_prefixes_load(s, &got, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(got->nelts, 2);
    row = &APR_ARRAY_IDX(got, 0, cfmt_prefix_row_t); /* 10/8 sorts first */
    same_prefix(&row->b, &rows[1].b);
    ck_assert(row->gone && !row->changed_at && !row->changed_by && !row->read_at);
    ck_assert_int_eq(row->missing_since, 0);
    row = &APR_ARRAY_IDX(got, 1, cfmt_prefix_row_t);
    same_prefix(&row->b, &rows[0].b);
    ck_assert_str_eq(row->changed_by, "us");
    ck_assert_int_eq(row->changed_at, 4);
    ck_assert_int_eq(row->first_at, 3);
    ck_assert_int_eq(row->row, 2);
    ck_assert_int_eq(row->since, 1);
    ck_assert_int_eq(row->read_at, KIT_T(8));
    ck_assert_int_eq(row->missing_since, KIT_T(9));
    c = cidr("203.0.113.0/24");
    ck_assert_ptr_eq(cfmt_prefix_find(got, &c), row);
    c = cidr("203.0.113.0/25");
    ck_assert_ptr_null(cfmt_prefix_find(got, &c));
    c = cidr("10.0.0.0/8"); /* gone */
    ck_assert_ptr_null(cfmt_prefix_find(got, &c));
}
END_TEST

START_TEST(tunnel_and_rule_rows)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_tunnel_row_t tunnels[] = {
        { .t = { .id = "t1", .kind = CFMT_TUNNEL_IPSEC, .name = "a", .checked = -1, .active = 1,
                 .health = -1 }, .state = "unknown", .since = 1, .row = 2 },
        { .t = { .id = "t2", .kind = CFMT_TUNNEL_GRE, .name = "b", .endpoint = "192.0.2.9",
                 .checked = 1, .active = 0, .health = 0 }, .state = "down", .gone = 1, .since = 3,
          .row = 4 },
    };
    cfmt_rule_row_t rule = { .rule = { .id = "r1", .name = "web", .automatic = -1 }, .row = 9 };
    apr_array_header_t *got;
    const cfmt_tunnel_row_t *t;

    rule.rule.prefixes = apr_array_make(unit_pool, 1, sizeof(cfmt_cidr_t));
    APR_ARRAY_PUSH(rule.rule.prefixes, cfmt_cidr_t) = cidr("203.0.113.0/24");
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_tunnel_save(s, &tunnels[0]), APR_SUCCESS);
    ck_assert_int_eq(cfmt_tunnel_save(s, &tunnels[1]), APR_SUCCESS);
    ck_assert_int_eq(cfmt_rule_save(s, &rule), APR_SUCCESS);
    ck_assert_int_eq(cfmt_reading_note(s, "missing", "t1", 77), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);

    ck_assert_int_eq(cfmt_tunnels_load(s, &got, unit_pool), APR_SUCCESS);
    t = &APR_ARRAY_IDX(got, 0, cfmt_tunnel_row_t); /* gre before ipsec */
    ck_assert_str_eq(cfmt_tunnel_row_encode(t, unit_pool),
                     cfmt_tunnel_row_encode(&tunnels[1], unit_pool));
    t = &APR_ARRAY_IDX(got, 1, cfmt_tunnel_row_t);
    ck_assert_str_eq(cfmt_tunnel_row_encode(t, unit_pool),
                     cfmt_tunnel_row_encode(&tunnels[0], unit_pool));
    ck_assert_int_eq(t->missing_since, 77);
    ck_assert_int_eq(cfmt_rules_load(s, &got, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(cfmt_rule_row_encode(&APR_ARRAY_IDX(got, 0, cfmt_rule_row_t), unit_pool),
                     cfmt_rule_row_encode(&rule, unit_pool));
}
END_TEST

/* ---- jobs ------------------------------------------------------------------------------------ */

START_TEST(jobs_know_their_last_success)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_array_header_t *jobs;
    const cfmt_job_t *job;
    int i, claimed, fails;

    ck_assert_int_eq(cfmt_job_ensure(s, "b", KIT_T(0)), APR_SUCCESS);
    ck_assert_int_eq(cfmt_job_ensure(s, "a", KIT_T(50)), APR_SUCCESS);
    for (i = 0; i < 2; i++) { /* a success, then a failure */
        ck_assert_int_eq(cfmt_job_claim(s, "b", "me", KIT_T(i), 1, &claimed, &fails), APR_SUCCESS);
        ck_assert_int_eq(claimed, 1);
        ck_assert_int_eq(cfmt_job_done(s, "b", "me", KIT_T(10 + i), KIT_T(0), i, "so"),
                         APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_jobs_load(s, &jobs, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(jobs->nelts, 2);
    job = &APR_ARRAY_IDX(jobs, 0, cfmt_job_t);
    ck_assert_str_eq(job->name, "a");
    ck_assert(job->due_at == KIT_T(50) && !job->last_at && !job->ok_at && !job->last_result);
    job = &APR_ARRAY_IDX(jobs, 1, cfmt_job_t);
    ck_assert_int_eq(job->last_at, KIT_T(11));
    ck_assert_int_eq(job->ok_at, KIT_T(10));
    ck_assert_int_eq(job->fails, 1);
    ck_assert_str_eq(job->last_result, "so");
}
END_TEST

/* ---- migration ------------------------------------------------------------------------------- */

/* A store as the version before made it, with a pruned journal whose snapshot knows no world. */
static void make_v1(const char *path)
{
    static const char rows[] =
        "PRAGMA journal_mode=WAL; PRAGMA application_id=0x43464d54; PRAGMA user_version=1;"
        "INSERT INTO job(name, due_at, last_at, last_result) VALUES('retention', 5, 4, 'fine');"
        "INSERT INTO journal(id, at, kind, origin, body) VALUES(7, 1, 'snapshot', 'retention',"
        "'{\"version\":1,\"last_delivery_at\":3,\"config\":{\"Prefix 203.0.113.0/24\":\"\"},"
        "\"attacks\":[],\"entities\":[],\"repeats\":[]}');"
        "INSERT INTO meta(name, value) VALUES('pruned_to', 7), ('config_id', 7);"
        "UPDATE meta SET value = 7 WHERE name = 'cursor'";
    sqlite3 *h;

    ck_assert_int_eq(sqlite3_open(path, &h), SQLITE_OK);
    ck_assert_int_eq(cfmt_migrations[0].version, 1);
    ck_assert_int_eq(sqlite3_exec(h, cfmt_migrations[0].sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(h, rows, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(h);
}

START_TEST(a_store_of_version_1)
{
    const char *path = unit_path("old.db");
    kit_row_t row = kit_alert((kit_say_t){ .ts = 5, .attack = "A", .target = "203.0.113.1" });
    cfmt_store_t *s;
    apr_array_header_t *jobs;
    cfmt_result_t r;
    int i;

    make_v1(path);
    ck_assert_int_eq(cfmt_store_open(&s, path, CFMT_STORE_WRITE, &r, unit_pool), CFMT_EOLDER);
    ck_assert_int_eq(cfmt_prepare_store(path, NULL, KIT_T(0), &r, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_open(&s, path, CFMT_STORE_WRITE, &r, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(kit_int(s, "PRAGMA user_version"), CFMT_SCHEMA);
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'min_code'"), 1);
    ck_assert_int_eq(cfmt_jobs_load(s, &jobs, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(APR_ARRAY_IDX(jobs, 0, cfmt_job_t).last_result, "fine");
    kit_append(s, &row, 1);
    kit_project(s, 200);
    for (i = 0; i < 2; i++, kit_rebuild(s, 200)) { /* its snapshot is readable, too */
        ck_assert_str_eq(kit_text(s, "SELECT prefixes FROM attack"), "[\"203.0.113.0/24\"]");
        ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'cursor'"), 8);
    }
}
END_TEST

static void run(sqlite3 *h, const char *sql)
{
    ck_assert_msg(sqlite3_exec(h, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
                  sqlite3_errmsg(h));
}

/* The rows of another store, as far as that version knows tables and columns. */
static void make_old(const char *path, int version, const char *from)
{
    static const char copies[] =
        "SELECT 'INSERT OR REPLACE INTO main.' || m.name || '(' || group_concat(c.name)"
        " || ') SELECT ' || group_concat(c.name) || ' FROM new.' || m.name"
        " FROM main.sqlite_master AS m, pragma_table_info(m.name) AS c"
        " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' GROUP BY m.name";
    sqlite3_stmt *st;
    sqlite3 *h;
    int i;

    ck_assert_int_eq(sqlite3_open(path, &h), SQLITE_OK);
    run(h, apr_psprintf(unit_pool, "PRAGMA application_id=%d; PRAGMA user_version=%d;"
                        "ATTACH '%s' AS new", CFMT_APPLICATION_ID, version, from));
    for (i = 0; i < version; i++) {
        run(h, cfmt_migrations[i].sql);
    }
    ck_assert_int_eq(sqlite3_prepare_v2(h, copies, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        run(h, (const char *)sqlite3_column_text(st, 0));
    }
    sqlite3_finalize(st);
    if (version < 8) {
        run(h, "DELETE FROM main.meta WHERE name = 'announced'");
    }
    sqlite3_close(h);
}

static cfmt_store_t *upgraded(const char *path)
{
    cfmt_store_t *s;
    cfmt_result_t r = { .detail = "" };

    ck_assert_int_eq(cfmt_store_open(&s, path, CFMT_STORE_WRITE, &r, unit_pool), CFMT_EOLDER);
    ck_assert_msg(cfmt_prepare_store(path, NULL, KIT_T(0), &r, unit_pool) == APR_SUCCESS, "%s",
                  r.detail);
    ck_assert_int_eq(cfmt_store_open(&s, path, CFMT_STORE_WRITE, &r, unit_pool), APR_SUCCESS);
    return s;
}

/*
 * Of each version before: an attack goes on where it was, and a journal of any length is not looked
 * through for what that version did not know.
 */
START_TEST(a_store_of_each_version_goes_on)
{
    const kit_row_t rows[] = {
        kit_config(0, KIT_CONFIG),
        kit_alert((kit_say_t){ .ts = 5, .attack = "A", .target = "203.0.113.1" }),
        kit_tunnel(6, "t1", "Down", NULL),
        kit_close(7, "A"), kit_close(8, "B"),
        kit_prefix(9, "p1", "203.0.113.0/24", 1, 0), /* not of version 1 */
    };
    kit_row_t more = kit_alert((kit_say_t){ .ts = 20, .attack = "A", .target = "203.0.113.9",
                                            .pps = 7 });
    int n = KIT_COUNT(rows) - (_i == 1);
    cfmt_store_t *s = kit_open("new.db"), *old;

    kit_append(s, rows, n);
    kit_project(s, 200);
    make_old(unit_path("old.db"), _i, unit_path("new.db"));
    old = upgraded(unit_path("old.db"));
    ck_assert_int_eq(kit_int(old, "PRAGMA user_version"), CFMT_SCHEMA);
    ck_assert_int_eq(kit_int(old, "SELECT value FROM meta WHERE name = 'min_code'"), 1);
    ck_assert_int_eq(kit_int(old, "SELECT total(value) FROM meta WHERE name = 'evidence_swept'"),
                     _i < 3 ? n : 0);
    ck_assert_int_eq(kit_int(old, "SELECT total(value) FROM meta WHERE name = 'commands_done'"),
                     _i < 6 ? n : 0);
    /* history: nobody is told of it now */
    ck_assert_int_eq(kit_int(old, "SELECT value FROM meta WHERE name = 'announced'"), n);
    kit_go_on(s, more);
    kit_go_on(old, more);
    kit_same(kit_dump(old, 1, unit_pool), kit_dump(s, 1, unit_pool), "after the upgrade");
    kit_check_rebuild(old, "after the upgrade");
}
END_TEST

/* Its attacks are of another shape under the same number: said, and left as it is. */
START_TEST(a_store_that_was_never_released)
{
    const char *path = unit_path("older.db");
    cfmt_result_t r;
    sqlite3 *h;

    make_v1(path);
    ck_assert_int_eq(sqlite3_open(path, &h), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(h, "DROP TABLE attack; CREATE TABLE attack(id TEXT PRIMARY KEY)",
                                  NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(cfmt_prepare_store(path, NULL, KIT_T(0), &r, unit_pool), CFMT_EFOREIGN);
    ck_assert_msg(strstr(r.detail, "never released; move it away") != NULL, "%s", r.detail);
    ck_assert_int_eq(sqlite3_exec(h, "INSERT INTO job(name, due_at, ok_at) VALUES('x', 1, 1)", NULL,
                                  NULL, NULL), SQLITE_ERROR); /* nothing of version 2 is in it */
    sqlite3_close(h);
}
END_TEST

UNIT_SUITE_BEGIN(world)
    UNIT_TEST(prefix_bodies)
    UNIT_TEST(tunnel_and_rule_bodies)
    UNIT_TEST(bodies_that_are_none)
    UNIT_TEST(rows_as_json)
    UNIT_TEST(prefix_rows)
    UNIT_TEST(tunnel_and_rule_rows)
    UNIT_TEST(jobs_know_their_last_success)
    UNIT_TEST(a_store_of_version_1)
    tcase_add_loop_test(tc, a_store_of_each_version_goes_on, 1, CFMT_SCHEMA);
    UNIT_TEST(a_store_that_was_never_released)
UNIT_SUITE_END
