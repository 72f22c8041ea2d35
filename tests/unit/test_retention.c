/*
 * Retention: what goes and what stays, and the invariant: a rebuild of the pruned journal gives the
 * rows that are there.
 */
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "store/store_private.h"
#include "unit.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define DAY apr_time_from_sec(86400)

/* Steps until nothing is left to do; how many there were. */
static int retain(cfmt_store_t *s, apr_interval_time_t journal, apr_interval_time_t rejected,
                  apr_time_t now)
{
    cfmt_retention_t conf = { .journal = journal, .rejected = rejected };
    int more, steps = 0;

    do {
        apr_status_t rv = cfmt_retention_step(s, &conf, now, &more, unit_pool);

        ck_assert_msg(rv == APR_SUCCESS, "%s: %s", cfmt_status_text(rv, unit_pool),
                      cfmt_store_error(s));
        steps++;
    } while (more);
    return steps;
}

/* Prunes rows that arrived before t. */
static void prune(cfmt_store_t *s, apr_time_t t)
{
    retain(s, DAY, 0, t + DAY);
}

static kit_row_t thing(int ts, const char *type, const char *member, const char *id)
{
    kit_row_t row = { "delivery", KIT_T(ts), NULL };

    row.body = apr_psprintf(unit_pool,
                            "{\"alert_type\":\"%s\",\"data\":{\"%s\":\"%s\",\"status\":\"s%d\"},"
                            "\"text\":\"t\",\"ts\":%" APR_INT64_T_FMT "}",
                            type, member, id, ts, apr_time_sec(KIT_EPOCH) + ts);
    return row;
}

/* ---- rejected -------------------------------------------------------------------------------- */

START_TEST(test_rejected)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[450];
    int i;

    for (i = 0; i < 450; i++) {
        rows[i].kind = i % 2 ? "rejected" : "delivery";
        rows[i].at = KIT_T(i);
        rows[i].body = "?";
    }
    kit_append(s, rows, 450);
    ck_assert_int_eq(retain(s, 0, 0, KIT_T(100000)), 1);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 450);
    ck_assert_int_eq(retain(s, 0, DAY, KIT_T(421) + DAY), 3); /* 200, 10, nothing */
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal WHERE kind = 'rejected'"), 15);
    ck_assert_int_eq(kit_int(s, "SELECT min(at) FROM journal WHERE kind = 'rejected'"), KIT_T(421));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal WHERE kind = 'delivery'"), 225);
}
END_TEST

/* ---- journal --------------------------------------------------------------------------------- */

START_TEST(test_only_projected)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[6];
    cfmt_projector_t *pr = cfmt_projector_create(NULL, unit_pool);
    apr_int64_t head;
    int i, done;

    for (i = 0; i < 6; i++) {
        rows[i] = kit_alert(
            (kit_say_t){ .ts = i, .attack = apr_psprintf(unit_pool, "A%d", i), .end = 1 });
    }
    kit_append(s, rows, 6);
    prune(s, KIT_T(1000));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal WHERE kind = 'delivery'"), 6);
    ck_assert_int_eq(cfmt_project_step(pr, s, 4, &done, unit_pool), APR_SUCCESS);
    prune(s, KIT_T(2));
    ck_assert_str_eq(
        kit_text(s, "SELECT group_concat(id || kind) FROM (SELECT * FROM journal ORDER BY id)"),
        "2snapshot,3delivery,4delivery,5delivery,6delivery");
    prune(s, KIT_T(1000));
    ck_assert_str_eq(
        kit_text(s, "SELECT group_concat(id || kind) FROM (SELECT * FROM journal ORDER BY id)"),
        "4snapshot,5delivery,6delivery");
    ck_assert_int_eq(kit_int(s, "SELECT at FROM journal WHERE id = 4"), KIT_T(3));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack")
                         + kit_int(s, "SELECT count(*) FROM attack_key"),
                     0);
    ck_assert_int_eq(cfmt_project_step(pr, s, 4, &done, unit_pool),
                     APR_SUCCESS); /* the same projector goes on */
    ck_assert_int_eq(done, 2);
    prune(s, KIT_T(1000));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 1);
    ck_assert_int_eq(retain(s, DAY, 0, KIT_T(1000) + DAY),
                     1); /* a snapshot alone is left in peace */
    ck_assert_int_eq(cfmt_journal_head(s, &head), APR_SUCCESS);
    ck_assert_int_eq(head, 6);
    kit_check_rebuild(s, "nothing but a snapshot");
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'last_delivery_at'"),
                     KIT_T(5));
}
END_TEST

START_TEST(test_what_stays)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = {
        kit_config(0, "{\"AccountId\":\"" KIT_OURS "\",\"Prefix 203.0.113.0/24\":\"\"}"),
        kit_alert((kit_say_t){
            .ts = 1, .attack = "OPEN", .correlation = "X", .target = "203.0.113.1", .pps = 7 }),
        kit_alert((kit_say_t){ .ts = 2, .attack = "GONE", .target = "203.0.113.2" }),
        kit_alert((kit_say_t){ .ts = 3, .attack = "GONE", .end = 1 }),
        kit_tunnel(4, "t1", "down", NULL),
        kit_alert((kit_say_t){ .ts = 5, .attack = "HALF", .target = "203.0.113.3", .pps = 9 }),
        kit_alert((kit_say_t){ .ts = 6, .attack = "HALF", .end = 1 }),
        kit_alert((kit_say_t){ .ts = 7, .attack = "LATE", .target = "203.0.113.4" }),
    };
    kit_row_t more[] = {
        kit_alert((kit_say_t){ .ts = 8, .correlation = "X", .end = 1 }), kit_close(9, "LATE"),
        kit_alert((kit_say_t){ .ts = 5, .attack = "HALF", .target = "203.0.113.3", .pps = 9 })
    };
    const char *base;

    kit_append(s, rows, COUNT(rows));
    kit_project(s, 200);
    prune(s, KIT_T(6));
    ck_assert_str_eq(
        kit_text(s, "SELECT group_concat(value) FROM (SELECT * FROM attack_key ORDER BY value)"),
        "HALF,LATE,OPEN,X");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event"), 2);
    ck_assert_str_eq(
        kit_text(s, "SELECT state || ' ' || events || ' ' || peak_pps FROM attack WHERE number ="
                    " (SELECT attack FROM attack_key WHERE value = 'HALF')"),
        "ended 2 9.0");
    base = kit_text(s, "SELECT group_concat(base IS NOT NULL, '') FROM (SELECT base FROM attack "
                       "ORDER BY started_at)");
    ck_assert_str_eq(base, "110");
    kit_check_rebuild(s, "first prune");
    kit_append(s, more, COUNT(more));
    kit_project(s, 200);
    ck_assert_str_eq(kit_text(s, "SELECT state || ' ' || events FROM attack WHERE number ="
                                 " (SELECT attack FROM attack_key WHERE value = 'X')"), "ended 2");
    ck_assert_int_eq(kit_int(s, "SELECT ours FROM attack ORDER BY started_at LIMIT 1"), 1);
    kit_check_rebuild(s, "after more events");
    prune(s, KIT_T(8));
    kit_check_rebuild(s, "second prune");
    prune(s, KIT_T(1000));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 0);
    ck_assert_str_eq(kit_text(s, "SELECT id || state FROM entity"), "t1down");
    kit_check_rebuild(s, "all pruned");
}
END_TEST

/* There is a new one each time, so what is over leaves nothing; what lasts keeps its state. */
START_TEST(test_what_passes)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = { thing(1, "incident_alert", "incident_id", "i1"),
                         thing(2, "maintenance_event_notification", "maintenance_id", "m1"),
                         thing(3, "health_check_status_notification", "health_check_id", "h1"),
                         kit_tunnel(4, "t1", "down", NULL),
                         thing(5, "incident_alert", "incident_id", "i1"),
                         thing(6, "incident_alert", "incident_id", "i2") };
    kit_row_t late = thing(7, "incident_alert", "incident_id", "i1");

    kit_append(s, rows, COUNT(rows));
    kit_project(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM entity"), 5);
    prune(s, KIT_T(5));
    ck_assert_str_eq(kit_text(s, "SELECT group_concat(id) FROM entity"), "h1,i1,i2,t1");
    kit_check_rebuild(s, "one has events left");
    prune(s, KIT_T(1000));
    ck_assert_str_eq(kit_text(s, "SELECT group_concat(id) FROM entity"), "h1,t1");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal WHERE body LIKE '%\"i1\"%'"), 0);
    kit_check_rebuild(s, "all pruned");
    kit_append(s, &late, 1);
    kit_project(s, 200);
    kit_check_rebuild(s, "told of again");
}
END_TEST

/* What people see of the attack that name leads to. */
static const char *keys_of(cfmt_store_t *s, const char *name)
{
    apr_array_header_t *rows;
    const cfmt_attack_row_t *a;

    ck_assert_int_eq(cfmt_query_attack_find(s, name, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 1);
    a = &APR_ARRAY_IDX(rows, 0, cfmt_attack_row_t);
    return apr_pstrcat(unit_pool, apr_array_pstrcat(unit_pool, a->attack_ids, ' '), "/",
                       apr_array_pstrcat(unit_pool, a->correlation_ids, ' '), NULL);
}

static void add_row(cfmt_store_t *s, kit_row_t row)
{
    kit_append(s, &row, 1);
    kit_project(s, 200);
}

static const char *number_of_y(cfmt_store_t *s)
{
    return kit_text(s, "SELECT attack FROM attack_key WHERE value = 'Y'");
}

/* Keys follow their attack: when it gets another id, becomes part of another, is pruned, goes. */
START_TEST(test_keys)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    const char *number, *id;

    add_row(s, kit_alert((kit_say_t){ .ts = 1, .correlation = "Y", .target = "203.0.113.1" }));
    number = number_of_y(s);
    id = kit_text(s, "SELECT id FROM attack");
    add_row(s, kit_alert((kit_say_t){ .ts = 2, .attack = "B", .correlation = "Y" }));
    ck_assert_str_ne(kit_text(s, "SELECT id FROM attack"), id);
    ck_assert_str_eq(number_of_y(s), number); /* renamed, not made again */
    ck_assert_str_eq(keys_of(s, id), "B/Y");
    add_row(s, kit_alert((kit_say_t){ .ts = 3, .attack = "C", .target = "203.0.113.2" }));
    add_row(s, kit_alert((kit_say_t){ .ts = 4, .attack = "A", .correlation = "X" }));
    ck_assert_str_eq(keys_of(s, "Y"), "B/Y");
    ck_assert_str_eq(keys_of(s, "A"), "A/X");
    add_row(s, kit_alert((kit_say_t){ .ts = 5, .attack = "A", .correlation = "Y" }));
    ck_assert_str_eq(keys_of(s, id), "A B/X Y");
    ck_assert_str_ne(number_of_y(s), number); /* merged into the one with the smallest key */
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 2);
    kit_check_rebuild(s, "merged");
    prune(s, KIT_T(5));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event"), 1);
    ck_assert_str_eq(keys_of(s, id), "A B/X Y");
    ck_assert_str_eq(keys_of(s, "C"), "C/");
    kit_check_rebuild(s, "merged and pruned");
    ck_assert_str_eq(keys_of(s, id), "A B/X Y");
    add_row(s, kit_alert((kit_say_t){ .ts = 6, .attack = "B", .end = 1 }));
    prune(s, KIT_T(1000));
    ck_assert_str_eq(kit_text(s, "SELECT group_concat(value) FROM attack_key"), "C");
    kit_check_rebuild(s, "one gone");
}
END_TEST

/* A row that repeats an event whose own row is pruned is no new event in a rebuild either. */
START_TEST(test_repeats)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t start = kit_alert((kit_say_t){ .ts = 1, .attack = "A", .target = "203.0.113.1" });
    kit_row_t rows[] = { start, kit_alert((kit_say_t){ .ts = 5, .attack = "B", .end = 1 }), start,
                         start };

    rows[2].at = KIT_T(20);
    rows[3].at = KIT_T(30);
    kit_append(s, rows, 4);
    kit_project(s, 3);
    prune(s, KIT_T(5));
    ck_assert_int_eq(kit_int(s, "SELECT events FROM attack WHERE base IS NOT NULL"), 1);
    kit_check_rebuild(s, "repeats stay");
    prune(s, KIT_T(30));
    kit_check_rebuild(s, "one repeat is pruned");
    prune(s, KIT_T(31));
    kit_check_rebuild(s, "all are");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event_repeat"), 0);
    ck_assert_int_eq(kit_int(s, "SELECT events FROM attack"), 1);
}
END_TEST

/*
 * An event that stays but sorts before one that goes: the row becomes what a rebuild gives, and
 * keeps its state.
 */
START_TEST(test_inversion)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = { kit_alert((kit_say_t){ .ts = 10, .attack = "A", .target = "203.0.113.1" }),
                         kit_alert((kit_say_t){ .ts = 50, .attack = "A", .end = 1 }),
                         kit_tunnel(50, "t1", "down", NULL),
                         kit_alert((kit_say_t){ .ts = 40, .attack = "A", .end = 1 }),
                         kit_tunnel(45, "t1", "healthy", NULL),
                         kit_alert(
                             (kit_say_t){ .ts = 30, .attack = "A", .target = "203.0.113.2" }) };
    int i;

    for (i = 0; i < COUNT(rows); i++) {
        rows[i].at = KIT_T(100 + i);
    }
    kit_append(s, rows, COUNT(rows));
    kit_project(s, 200);
    for (i = 1; i < 6; i++) {
        prune(s, KIT_T(100 + i));
        ck_assert_str_eq(kit_text(s, "SELECT state || ' ' || events FROM attack"), "ended 4");
        ck_assert_str_eq(kit_text(s, "SELECT state || ' ' || events FROM entity"), "down 2");
        kit_check_rebuild(s, apr_psprintf(unit_pool, "pruned to %d", i));
    }
}
END_TEST

/* The configuration in force survives its row. */
START_TEST(test_config)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = { kit_config(1, "{\"AccountId\":\"x\"}"),
                         kit_config(2, "{\"AccountId\":\"" KIT_OURS
                                       "\",\"Prefix 203.0.113.0/24\":\"name=\\\"q\\\"\"}"),
                         kit_tunnel(3, "t1", "down", NULL) };
    kit_row_t more = kit_alert((kit_say_t){ .ts = 4, .attack = "A", .target = "203.0.113.1" });
    kit_row_t last = kit_alert(
        (kit_say_t){ .ts = 6, .attack = "B", .target = "203.0.113.1", .account = "foreign" });

    kit_append(s, rows, 3);
    kit_project(s, 200);
    prune(s, KIT_T(4));
    kit_append(s, &more, 1);
    kit_project(s, 200); /* a new projector: from the snapshot */
    ck_assert_str_eq(kit_text(s, "SELECT prefixes FROM attack"), "[\"203.0.113.0/24\"]");
    prune(s, KIT_T(5)); /* from snapshot to snapshot */
    kit_append(s, &last, 1);
    kit_project(s, 200);
    ck_assert_str_eq(
        kit_text(
            s,
            "SELECT group_concat(ours || prefixes) FROM (SELECT * FROM attack ORDER BY last_at)"),
        "1[\"203.0.113.0/24\"],0[\"203.0.113.0/24\"]");
    kit_check_rebuild(s, "config");
}
END_TEST

/* ---- the invariant, at random ---------------------------------------------------------------- */

static kit_row_t random_row(unsigned *seed, int at)
{
    static const char *const ids[] = { NULL, NULL, "A", "B", "C", "D", "E", "F" };
    static const char *const correlations[] = { NULL, NULL, NULL, "X", "Y", "Z" };
    static const char *const accounts[] = { NULL, NULL, KIT_OURS, "foreign" };
    static const char *const configs[] = { "{}", "{\"AccountId\":\"" KIT_OURS
                                                 "\",\"Prefix 203.0.113.0/24\":\"\"}" };
    static const char *const states[] = { "down", "healthy" };
    unsigned what = kit_random(seed, 12);
    int ts = at - (int)kit_random(seed, kit_random(seed, 4) ? 2 : 12);
    kit_row_t row;

    if (what == 0) {
        row = kit_close(ts, ids[2 + kit_random(seed, 6)]);
    }
    else if (what == 1) {
        row = kit_config(at, configs[kit_random(seed, 2)]);
    }
    else if (what == 2 && kit_random(seed, 2)) {
        row = thing(ts, "incident_alert", "incident_id", kit_random(seed, 2) ? "i1" : "i2");
    }
    else if (what < 4) {
        row = kit_tunnel(ts, kit_random(seed, 2) ? "t1" : "t2", states[kit_random(seed, 2)],
                         accounts[kit_random(seed, 4)]);
    }
    else {
        row = kit_alert((kit_say_t){ .end = kit_random(seed, 2) == 0,
                                     .ts = ts,
                                     .attack = ids[kit_random(seed, 8)],
                                     .correlation = correlations[kit_random(seed, 6)],
                                     .target = "203.0.113.7",
                                     .account = accounts[kit_random(seed, 4)],
                                     .pps = (int)kit_random(seed, 3) });
    }
    if (strcmp(row.kind, "command")) {
        row.at = KIT_T(at);
    }
    return row;
}

START_TEST(test_random)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    unsigned seed, r;
    kit_row_t rows[40];
    int i, round, t;

    for (seed = 0; seed < KIT_CASES(80); seed++) {
        r = seed * 2654435761u;
        kit_wipe(s);
        for (round = 0, t = 20; round < 4; round++) {
            for (i = 0; i < 10; i++, t++) {
                rows[round * 10 + i] = random_row(&r, t);
                if (round && kit_random(&r, 8) == 0) {
                    rows[round * 10 + i] = rows[kit_random(&r, 10)]; /* much later again */
                    rows[round * 10 + i].at = KIT_T(t);
                }
            }
            kit_append(s, rows + round * 10, 10);
            kit_project(s, 1 + (int)kit_random(&r, 12));
            prune(s, KIT_T(t - 5 - (int)kit_random(&r, 10)));
            kit_check_rebuild(s, apr_psprintf(unit_pool, "seed %u round %d", seed, round));
        }
    }
}
END_TEST

/* ---- bounds and failures --------------------------------------------------------------------- */

START_TEST(test_bounded)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_retention_t conf = { .journal = DAY };
    kit_row_t *rows = apr_palloc(unit_pool, 1000 * sizeof(*rows));
    int i, more;

    for (i = 0; i < 1000; i++) {
        rows[i] = kit_alert((kit_say_t){ .ts = i, .attack = "A", .target = "203.0.113.1" });
    }
    kit_append(s, rows, 1000);
    kit_project(s, 200);
    for (i = 1; i <= 3; i++) {
        apr_int64_t before = kit_int(s, "SELECT count(*) FROM journal WHERE kind = 'delivery'");

        ck_assert_int_eq(cfmt_retention_step(s, &conf, KIT_T(2000) + DAY, &more, unit_pool),
                         APR_SUCCESS);
        ck_assert_int_eq(more, 1);
        ck_assert_int_ge(kit_int(s, "SELECT count(*) FROM journal WHERE kind = 'delivery'"),
                         before - CFMT_RETENTION_STEP);
        ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal WHERE kind = 'snapshot'"), 1);
        ck_assert_int_eq(kit_int(s, "SELECT events FROM attack"), 1000);
    }
    kit_check_rebuild(s, "in the middle");
    prune(s, KIT_T(2000));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 1);
    ck_assert_int_eq(kit_int(s, "SELECT events FROM attack"), 1000); /* open: it stays */
}
END_TEST

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

/* A step that fails anywhere leaves everything as it was. */
START_TEST(test_failed)
{
    cfmt_store_t *s = kit_open("cfmt.db"), *t;
    cfmt_retention_t conf = { .journal = DAY };
    kit_row_t rows[] = { kit_alert((kit_say_t){ .ts = 1, .attack = "A", .target = "203.0.113.1" }),
                         kit_alert((kit_say_t){ .ts = 2, .attack = "B", .end = 1 }),
                         kit_tunnel(3, "t1", "down", NULL),
                         kit_alert((kit_say_t){ .ts = 9, .attack = "A" }) };
    const char *before, *path = cfmt_store_path(s);
    apr_status_t rv = CFMT_ESTORE;
    cfmt_result_t r;
    int i, more;

    kit_append(s, rows, COUNT(rows));
    kit_project(s, 200);
    before = kit_dump(s, 1, unit_pool);
    for (i = 1; rv != APR_SUCCESS && i < 50; i++) {
        ck_assert_int_eq(cfmt_store_open(&t, path, CFMT_STORE_WRITE, &r, unit_pool), APR_SUCCESS);
        fail_at = i;
        sqlite3_set_authorizer(t->db, deny_writes, NULL);
        rv = cfmt_retention_step(t, &conf, KIT_T(5) + DAY, &more, unit_pool);
        sqlite3_set_authorizer(t->db, NULL, NULL);
        cfmt_store_close(t);
        if (rv != APR_SUCCESS) {
            kit_same(kit_dump(s, 1, unit_pool), before, "after a failed step");
            ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 4);
        }
    }
    ck_assert_int_gt(i, 6);
    ck_assert_int_eq(rv, APR_SUCCESS);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 2);
    kit_check_rebuild(s, "in the end");
}
END_TEST

START_TEST(test_busy)
{
    cfmt_store_t *s = kit_open("cfmt.db"), *other;
    cfmt_retention_t conf = { .journal = DAY };
    kit_row_t row = kit_alert((kit_say_t){ .ts = 1, .attack = "A" });
    cfmt_result_t r;
    int more = 1;

    kit_append(s, &row, 1);
    kit_project(s, 200);
    ck_assert_int_eq(cfmt_store_open(&other, cfmt_store_path(s), CFMT_STORE_WRITE, &r, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_begin(other, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_retention_step(s, &conf, KIT_T(5) + DAY, &more, unit_pool), CFMT_EBUSY);
    ck_assert_int_eq(more, 0);
    cfmt_store_rollback(other);
}
END_TEST

/*
 * A rival sets the projection back between the look and the lock: what is no longer projected does
 * not go.
 */
static cfmt_store_t *rival;
static int set_back(unsigned what, void *baton, void *st, void *text)
{
    cfmt_store_t *t = rival;

    (void)what, (void)st;
    if (t && strstr(text, "kind = 'snapshot'")) { /* of the look */
        rival = NULL;
        *(apr_status_t *)baton = cfmt_project_reset(t);
    }
    return 0;
}

START_TEST(test_moved)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_retention_t conf = { .journal = DAY };
    kit_row_t row = kit_alert((kit_say_t){ .ts = 1, .attack = "A" });
    apr_status_t moved = CFMT_EINVALID;
    cfmt_result_t r;
    int more;

    kit_append(s, &row, 1);
    kit_project(s, 200);
    ck_assert_int_eq(cfmt_store_open(&rival, cfmt_store_path(s), CFMT_STORE_WRITE, &r, unit_pool),
                     APR_SUCCESS);
    sqlite3_trace_v2(s->db, SQLITE_TRACE_STMT, set_back, &moved);
    ck_assert_int_eq(cfmt_retention_step(s, &conf, KIT_T(5) + DAY, &more, unit_pool), CFMT_EMOVED);
    sqlite3_trace_v2(s->db, 0, NULL, NULL);
    ck_assert_int_eq(moved, APR_SUCCESS);
    ck_assert_str_eq(kit_text(s, "SELECT kind FROM journal"), "delivery");
    kit_project(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT events FROM attack"), 1);
}
END_TEST

UNIT_SUITE_BEGIN(retention)
    UNIT_TEST(test_rejected)
    UNIT_TEST(test_only_projected)
    UNIT_TEST(test_what_stays)
    UNIT_TEST(test_what_passes)
    UNIT_TEST(test_keys)
    UNIT_TEST(test_repeats)
    UNIT_TEST(test_inversion)
    UNIT_TEST(test_config)
    UNIT_TEST(test_random)
    UNIT_TEST(test_bounded)
    UNIT_TEST(test_failed)
    UNIT_TEST(test_busy)
    UNIT_TEST(test_moved)
UNIT_SUITE_END
