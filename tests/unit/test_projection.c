/*
 * Projection end to end on a real store: what rows say, what happens at failures, what it costs.
 * That the order of events does not matter is shown by test_order.c.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "store/store_private.h"
#include "unit.h"

#define OURS KIT_OURS

static const char config[] = KIT_CONFIG;

/* ---- what rows say --------------------------------------------------------------------------- */

START_TEST(test_names)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = {
        kit_alert((kit_say_t){ .ts = 10, .correlation = "X", .target = "203.0.113.9" }),
        kit_alert((kit_say_t){ .ts = 11, .attack = "B", .target = "203.0.113.9" })
    };
    kit_row_t link = kit_alert((kit_say_t){ .ts = 12, .attack = "B", .correlation = "X" });
    const char *before;

    kit_append(s, rows, 2);
    kit_project(s, 1);
    before = kit_text(s, "SELECT a.id FROM attack_key k JOIN attack a ON a.number = k.attack"
                         " WHERE k.value = 'X'");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 2);
    kit_append(s, &link, 1);
    kit_project(s, 1);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 1);
    /* The smallest key names it; the id that it was known by still finds it. */
    ck_assert_str_eq(kit_text(s, "SELECT id FROM attack"),
                     kit_text(s, "SELECT id FROM attack_key WHERE value = 'B'"));
    ck_assert_str_eq(
        kit_text(s,
                 apr_psprintf(unit_pool, "SELECT a.id FROM attack_key k JOIN attack a"
                                         " ON a.number = k.attack WHERE k.id = '%s'", before)),
        kit_text(s, "SELECT id FROM attack"));
    ck_assert_int_eq(
        kit_int(s, "SELECT count(*) FROM event WHERE attack = (SELECT id FROM attack)"), 3);
    kit_append(s, (kit_row_t[]){ kit_close(20, before) }, 1);
    kit_project(s, 200);
    ck_assert_str_eq(kit_text(s, "SELECT state || ' ' || ended_by FROM attack"), "ended operator");
}
END_TEST

START_TEST(test_operator_rows)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = { kit_close(20, "A"),
                         { "command", KIT_T(21), "{\"command\":\"hold.set\",\"id\":\"A\"}" },
                         { "newer_kind", KIT_T(22), "?" },
                         { "duplicate", KIT_T(23), "" } };
    kit_row_t start = kit_alert((kit_say_t){ .ts = 10, .attack = "A", .target = "203.0.113.9" });

    kit_append(s, rows, 4);
    kit_project(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event"), 1);
    ck_assert_str_eq(
        kit_text(s,
                 "SELECT source || ' ' || state || ' ' || summary FROM event WHERE attack IS NULL"),
        "operator end attack A closed by test: no such attack");
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'cursor'"), 4);
    kit_append(s, &start, 1);
    kit_project(s, 200);
    ck_assert_str_eq(
        kit_text(s, "SELECT summary FROM event WHERE attack IS NOT NULL AND source = 'operator'"),
        "attack A closed by test");
    ck_assert_str_eq(kit_text(s, "SELECT state || ' ' || ended_by || ' ' || episodes FROM attack"),
                     "ended operator 1");
}
END_TEST

/*
 * The configuration of its place in the journal counts, not the one of the moment; what is open
 * when it changes is mapped anew.
 */
START_TEST(test_prefixes)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = {
        kit_alert((kit_say_t){ .ts = 1, .attack = "N", .target = "203.0.113.200" }),
        kit_config(2, config),
        kit_alert((kit_say_t){ .ts = 3, .attack = "A", .target = "203.0.113.200" }),
        kit_alert((kit_say_t){ .ts = 4, .attack = "A", .target = "203.0.113.0/24" }),
        kit_alert((kit_say_t){ .ts = 4, .attack = "A", .target = "2001:db8::5", .account = OURS }),
        kit_alert((kit_say_t){ .ts = 5, .attack = "O", .target = "198.51.100.1" }),
        kit_alert(
            (kit_say_t){ .ts = 6, .attack = "F", .target = "203.0.113.1", .account = "foreign" }),
        kit_alert((kit_say_t){ .ts = 6, .attack = "A", .end = 1 }),
        kit_config(7, "{\"Prefix 198.51.100.0/24\":\"\"}"),
        kit_alert((kit_say_t){ .ts = 8, .attack = "O", .target = "198.51.100.1", .account = OURS }),
    };
    int limit;

    kit_append(s, rows, KIT_COUNT(rows));
    for (limit = 1; limit < 12; limit++) {
        kit_rebuild(s, limit);
        ck_assert_str_eq(
            kit_text(s, "SELECT group_concat(prefixes, ' ') FROM (SELECT * FROM attack ORDER BY "
                        "started_at)"),
            "[] [\"2001:db8::/32\",\"203.0.113.0/24\",\"203.0.113.128/25\"] [\"198.51.100.0/24\"]"
            " []");
        ck_assert_str_eq(
            kit_text(
                s, "SELECT group_concat(ours, '') FROM (SELECT * FROM attack ORDER BY started_at)"),
            "1110");
    }
}
END_TEST

static void log_line(void *baton, cfmt_level_e level, const char *line)
{
    ck_assert_int_eq(level, CFMT_LOG_ERR);
    APR_ARRAY_PUSH((apr_array_header_t *)baton, const char *) = apr_pstrdup(unit_pool, line);
}

START_TEST(test_unreadable)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_array_header_t *lines = apr_array_make(unit_pool, 4, sizeof(const char *));
    cfmt_log_t log = { .write = log_line, .baton = lines, .max = CFMT_LOG_ERR };
    kit_row_t rows[] = { { "delivery", KIT_T(1), "not json" },
                         { "command", KIT_T(2), "{\"command\":\"attack.close\"}" },
                         kit_alert((kit_say_t){ .ts = 3, .attack = "A" }),
                         { "command", KIT_T(4), "" } };
    int done;

    kit_append(s, rows, 4);
    ck_assert_int_eq(
        cfmt_project_step(cfmt_projector_create(&log, unit_pool), s, 200, &done, unit_pool),
        APR_SUCCESS);
    ck_assert_int_eq(done, 4);
    ck_assert_int_eq(lines->nelts, 3);
    ck_assert(strstr(APR_ARRAY_IDX(lines, 0, const char *), "CFMT0420: journal row 1 (delivery)")
              != NULL);
    ck_assert(strstr(APR_ARRAY_IDX(lines, 1, const char *), "row 2 (command)") != NULL);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event"), 1);
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'last_delivery_at'"),
                     KIT_T(3));
}
END_TEST

/* ---- round trips ----------------------------------------------------------------------------- */

START_TEST(test_codec)
{
    cfmt_attack_t a, b;
    cfmt_entity_t t, u;
    cfmt_event_t e;
    const char *json;

    memset(&e, 0, sizeof(e));
    e.source = "alert";
    e.ts = 1700000000123456;
    e.effect = CFMT_EFFECT_NETWORK;
    e.target = "quote \" back \\ \xc3\xa9 \x01";
    e.rule = "r";
    e.account = "acc";
    e.pps = 0.1 + 0.2;
    e.bps = 1e300;
    e.rps = -1;
    cfmt_attack_init(&a, "a", unit_pool);
    cfmt_attack_step(&a, &e, unit_pool);
    e.state = CFMT_STATE_END;
    cfmt_attack_step(&a, &e, unit_pool);
    json = cfmt_attack_encode(&a, unit_pool);
    ck_assert_int_eq(cfmt_attack_decode(&b, "a", json, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(cfmt_attack_encode(&b, unit_pool), json);
    ck_assert(!memcmp(&a.peak_pps, &b.peak_pps, sizeof(double)) && b.events == 2 && !b.open
              && b.target_missing);
    ck_assert_str_eq(APR_ARRAY_IDX(b.targets, 0, const char *), e.target);
    ck_assert_int_eq(cfmt_attack_decode(&b, "a", "{}", unit_pool), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_attack_decode(&b, "a", "[", unit_pool), CFMT_EINVALID);

    cfmt_entity_init(&t, "tunnel", "t1");
    e.entity_state = "do\"wn";
    e.priority = CFMT_PRIORITY_HIGH;
    cfmt_entity_step(&t, &e, unit_pool);
    json = cfmt_entity_encode(&t, unit_pool);
    ck_assert_int_eq(cfmt_entity_decode(&u, "tunnel", "t1", json, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(cfmt_entity_encode(&u, unit_pool), json);
    ck_assert(u.priority == CFMT_PRIORITY_HIGH && u.name == NULL && u.since == e.ts);
}
END_TEST

/* Counts that overflow when attacks are joined, rates that are none. */
START_TEST(test_codec_refuses)
{
    static const struct {
        const char *member, *value;
        apr_status_t rv;
    } rows[] = {
        {"\"episodes\":", "1000000000", APR_SUCCESS},
        {"\"episodes\":", "2147483648", CFMT_EINVALID},
        {"\"open\":", "-1", CFMT_EINVALID},
        {"\"events\":", "9223372036854775807", CFMT_EINVALID},
        {"\"events\":", "-1", CFMT_EINVALID},
        {"\"pps_bits\":", "9218868437227405312", CFMT_EINVALID}, /* infinity */
        {"\"rps_bits\":", "9221120237041090560", CFMT_EINVALID}, /* not a number */
    };
    const char *json, *at;
    cfmt_attack_t a;
    apr_size_t i;

    cfmt_attack_init(&a, "a", unit_pool);
    json = cfmt_attack_encode(&a, unit_pool);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        at = strstr(json, rows[i].member);
        ck_assert(at != NULL);
        at += strlen(rows[i].member);
        at = apr_pstrcat(unit_pool, apr_pstrmemdup(unit_pool, json, (apr_size_t)(at - json)),
                         rows[i].value, at + strcspn(at, ",}"), NULL);
        ck_assert_msg(cfmt_attack_decode(&a, "a", at, unit_pool) == rows[i].rv, "%s", at);
    }
}
END_TEST

/* ---- failures -------------------------------------------------------------------------------- */

static apr_status_t one_step(cfmt_projector_t *pr, cfmt_store_t *s, int limit, int *pdone)
{
    return cfmt_project_step(pr, s, limit, pdone, unit_pool);
}

static const kit_row_t *story(int *pn)
{
    kit_row_t rows[] = {
        kit_config(0, config),
        kit_alert((kit_say_t){ .ts = 10, .correlation = "X", .target = "203.0.113.9" }),
        kit_alert((kit_say_t){ .ts = 11, .attack = "B", .target = "203.0.113.9" }),
        kit_tunnel(12, "t1", "down", NULL),
        kit_close(13, "X"),
        kit_alert((kit_say_t){ .ts = 14, .attack = "B", .correlation = "X" }),
        kit_config(15, "{\"AccountId\":\"other\"}"),
        kit_alert((kit_say_t){ .ts = 16, .attack = "E", .target = "203.0.113.9" })
    };

    *pn = KIT_COUNT(rows);
    return apr_pmemdup(unit_pool, rows, sizeof(rows));
}

/*
 * The n-th statement that changes something fails: nothing of the step stays, and the next try does
 * it all.
 */
static int fail_at;
static int deny_writes(void *baton, int action, const char *a, const char *b, const char *c,
                       const char *d)
{
    (void)baton, (void)a, (void)b, (void)c, (void)d;
    return (action == SQLITE_INSERT || action == SQLITE_UPDATE || action == SQLITE_DELETE)
                   && --fail_at == 0
               ? SQLITE_DENY
               : SQLITE_OK;
}

/* Steps up to the head; how the first one ended that failed, with nothing of it left. */
static apr_status_t steps(cfmt_projector_t *pr, cfmt_store_t *t)
{
    const char *before;
    apr_status_t rv;
    int done;

    do {
        before = kit_dump(t, 1, unit_pool);
        rv = one_step(pr, t, 200, &done);
    } while (rv == APR_SUCCESS && done);
    if (rv != APR_SUCCESS) {
        ck_assert_int_eq(done, 0);
        kit_same(kit_dump(t, 1, unit_pool), before, "after a failed step");
    }
    return rv;
}

static int fail_step(cfmt_store_t *s, const char *want)
{
    cfmt_projector_t *pr = cfmt_projector_create(NULL, unit_pool);
    const char *path = cfmt_store_path(s);
    cfmt_result_t r;
    cfmt_store_t *t;
    int hit;

    /* The authorizer works when statements are prepared, so each try has a fresh handle. */
    ck_assert_int_eq(cfmt_store_open(&t, path, CFMT_STORE_WRITE, &r, unit_pool), APR_SUCCESS);
    sqlite3_set_authorizer(t->db, deny_writes, NULL);
    hit = steps(pr, t) != APR_SUCCESS;
    sqlite3_set_authorizer(t->db, NULL, NULL);
    if (hit) {
        cfmt_store_close(t);
        ck_assert_int_eq(cfmt_store_open(&t, path, CFMT_STORE_WRITE, &r, unit_pool), APR_SUCCESS);
        ck_assert_int_eq(steps(pr, t), APR_SUCCESS); /* the same projector goes on */
    }
    cfmt_store_close(t);
    kit_same(kit_dump(s, 1, unit_pool), want, "in the end");
    return hit;
}

START_TEST(test_failed_write)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    const char *want;
    int n, i;
    const kit_row_t *rows = story(&n);

    kit_append(s, rows, n);
    kit_project(s, 200);
    want = kit_dump(s, 1, unit_pool);
    for (i = 1; i < 100; i++) {
        ck_assert_int_eq(cfmt_project_reset(s), APR_SUCCESS);
        fail_at = i;
        if (!fail_step(s, want)) {
            break;
        }
    }
    ck_assert_int_gt(i, 5);
    ck_assert_int_lt(i, 100);
}
END_TEST

/* A lock that is not free, and a second projector that was quicker. */
START_TEST(test_moved)
{
    cfmt_store_t *s = kit_open("cfmt.db"), *other;
    cfmt_projector_t *pr = cfmt_projector_create(NULL, unit_pool),
                     *pr2 = cfmt_projector_create(NULL, unit_pool);
    cfmt_result_t r;
    int n, i, done;
    const kit_row_t *rows = story(&n);
    const char *want;

    kit_append(s, rows, n);
    kit_project(s, 200);
    want = kit_dump(s, 1, unit_pool);
    ck_assert_int_eq(cfmt_project_reset(s), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_open(&other, cfmt_store_path(s), CFMT_STORE_WRITE, &r, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_begin(other, 0), APR_SUCCESS);
    ck_assert_int_eq(one_step(pr, s, 200, &done), CFMT_EBUSY);
    ck_assert_int_eq(done, 0);
    cfmt_store_rollback(other);
    for (i = 0, done = 1; done; i++) { /* in turns: each finds that the other has gone on */
        ck_assert_int_eq(one_step(i % 2 ? pr : pr2, i % 2 ? s : other, 1, &done), APR_SUCCESS);
        ck_assert_int_le(done, 1);
    }
    ck_assert_int_gt(i, n);
    kit_same(kit_dump(s, 1, unit_pool), want, "in turns");
}
END_TEST

/* A rival goes on between the reading and the writing of a step: nothing of the step is written. */
static cfmt_store_t *rival;
static int steal(unsigned what, void *baton, void *st, void *text)
{
    cfmt_store_t *t = rival;
    int done;

    (void)what, (void)st;
    if (t && strstr(text, "FROM journal")) {
        rival = NULL;
        *(apr_status_t *)baton = one_step(cfmt_projector_create(NULL, unit_pool), t, 3, &done);
    }
    return 0;
}

START_TEST(test_stolen)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_projector_t *pr = cfmt_projector_create(NULL, unit_pool);
    cfmt_result_t r;
    apr_status_t stolen = CFMT_EINVALID;
    int n, done;
    const kit_row_t *rows = story(&n);
    const char *want;

    kit_append(s, rows, n);
    kit_project(s, 200);
    want = kit_dump(s, 1, unit_pool);
    ck_assert_int_eq(cfmt_project_reset(s), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_open(&rival, cfmt_store_path(s), CFMT_STORE_WRITE, &r, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(one_step(pr, s, 1, &done), APR_SUCCESS); /* the configuration */
    ck_assert_int_eq(one_step(pr, s, 1, &done), APR_SUCCESS); /* and what it moves: nothing yet */
    sqlite3_trace_v2(s->db, SQLITE_TRACE_STMT, steal, &stolen);
    ck_assert_int_eq(one_step(pr, s, 200, &done), CFMT_EMOVED);
    sqlite3_trace_v2(s->db, 0, NULL, NULL);
    ck_assert_int_eq(stolen, APR_SUCCESS);
    ck_assert_int_eq(done, 0);
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'cursor'"), 4);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event"), 3);
    ck_assert_int_eq(one_step(pr, s, 200, &done), APR_SUCCESS);
    ck_assert_int_eq(done, 2); /* up to the next configuration */
    ck_assert_int_eq(steps(pr, s), APR_SUCCESS);
    kit_same(kit_dump(s, 1, unit_pool), want, "after all");
}
END_TEST

/* A reset that was cut short is finished before anything is projected on its leftovers. */
START_TEST(test_reset_cut)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    const char *want;
    int n, left;
    const kit_row_t *rows = story(&n);

    kit_append(s, rows, n);
    kit_project(s, 200);
    want = kit_dump(s, 1, unit_pool);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_projection_clear(s, 3, &left), APR_SUCCESS);
    ck_assert_int_eq(left, 1);
    ck_assert_int_eq(cfmt_meta_set_int(s, CFMT_META_CURSOR, CFMT_CURSOR_RESET), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    kit_project(s, 2);
    kit_same(kit_dump(s, 1, unit_pool), want, "after a reset that was cut");
}
END_TEST

/* ---- cost ------------------------------------------------------------------------------------ */

typedef struct cost_t {
    int statements, rows, steps;
} cost_t;

static int count_cost(unsigned what, void *baton, void *st, void *text)
{
    cost_t *c = baton;

    (void)st, (void)text;
    *(what == SQLITE_TRACE_STMT ? &c->statements : &c->rows) += 1;
    return 0;
}

static cost_t cost_of(cfmt_store_t *s, int (*ts)(int), int n)
{
    cost_t c = { 0, 0, 0 };
    kit_row_t *rows = apr_palloc(unit_pool, sizeof(*rows) * (size_t)n);
    int i;

    for (i = 0; i < n; i++) {
        rows[i] = kit_alert(
            (kit_say_t){ .ts = ts(i), .attack = "A", .target = "203.0.113.9", .pps = i });
    }
    kit_wipe(s);
    kit_append(s, rows, n);
    sqlite3_trace_v2(s->db, SQLITE_TRACE_STMT | SQLITE_TRACE_ROW, count_cost, &c);
    c.steps = kit_project(s, CFMT_PROJECT_STEP);
    sqlite3_trace_v2(s->db, 0, NULL, NULL);
    ck_assert_int_eq(kit_int(s, "SELECT events FROM attack"), n);
    return c;
}

static int forward(int i)
{
    return i;
}

static int backward(int i)
{
    return 5000 - i;
}

static int standing(int i)
{
    return i % 2;
}

/* 5,000 deliveries of one running attack: linear in time order, one fold a step in the worst. */
START_TEST(test_cost)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cost_t c = cost_of(s, forward, 5000);

    ck_assert_int_lt(c.statements, 5000 * 3 + c.steps * 20);
    ck_assert_int_lt(c.rows, 5000 * 2 + c.steps * 20);
    c = cost_of(s, backward, 5000);
    ck_assert_int_lt(c.statements, 5000 * 3 + c.steps * 20);
    ck_assert_int_lt(c.rows, 5000 * 2 + c.steps * 5000);
    c = cost_of(s, standing, 5000);
    ck_assert_int_lt(c.rows, 5000 * 2 + c.steps * 5000);
}
END_TEST

/*
 * What may walk a table: the rows that go one after the other, its first row, and the tables of
 * what an account has, and what there is of facts.
 */
static int may_scan(const char *sql)
{
    static const char *const small[] = { " FROM prefix ", " FROM tunnel ", " FROM rule ",
                                          " FROM hold ", " FROM window ", " FROM proposal ",
                                          " FROM adoption ", " FROM decision ", " FROM meta" };
    int i, found = 0;

    for (i = 0; i < KIT_COUNT(small); i++) {
        found |= strstr(sql, small[i]) != NULL;
    }
    return found || (!strncmp(sql, "DELETE FROM", 11) && strstr(sql, "LIMIT"))
           || !strcmp(sql, "SELECT id FROM journal ORDER BY id LIMIT 1");
}

/* Every statement that the handle has prepared reads by index. */
START_TEST(test_plans)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    int n, i, seen = 0, left;
    const kit_row_t *rows = story(&n);
    cfmt_retention_t conf = { .journal = 1, .rejected = 1 };

    kit_append(s, rows, n);
    kit_append(s, rows, n);
    kit_append(s, (kit_row_t[]){ { "rejected", KIT_T(1), "x" } }, 1);
    kit_project(s, 4);
    kit_rebuild(s, 200);
    do {
        ck_assert_int_eq(cfmt_retention_step(s, &conf, KIT_T(13), &left, unit_pool), APR_SUCCESS);
    } while (left);
    kit_rebuild(s, 200);
    for (i = 0; i < CFMT_STATEMENTS_MAX && s->stmt[i].sql; i++) {
        const char *sql = s->stmt[i].sql, *line;
        sqlite3_stmt *st;

        if (sqlite3_prepare_v2(s->db, apr_pstrcat(unit_pool, "EXPLAIN QUERY PLAN ", sql, NULL), -1,
                               &st, NULL)) {
            continue; /* BEGIN, COMMIT */
        }
        while (sqlite3_step(st) == SQLITE_ROW) {
            line = (const char *)sqlite3_column_text(st, 3);
            seen++;
            ck_assert_msg(strncmp(line, "SCAN", 4) || strstr(line, "INDEX")
                              || strstr(line, "CONSTANT ROW") || may_scan(sql),
                          "%s\n%s", sql, line);
        }
        sqlite3_finalize(st);
    }
    ck_assert_int_gt(seen, 30);
}
END_TEST

UNIT_SUITE_BEGIN(projection)
    UNIT_TEST(test_names)
    UNIT_TEST(test_operator_rows)
    UNIT_TEST(test_prefixes)
    UNIT_TEST(test_unreadable)
    UNIT_TEST(test_codec)
    UNIT_TEST(test_codec_refuses)
    UNIT_TEST(test_failed_write)
    UNIT_TEST(test_moved)
    UNIT_TEST(test_stolen)
    UNIT_TEST(test_reset_cut)
    UNIT_TEST(test_cost)
    UNIT_TEST(test_plans)
UNIT_SUITE_END
