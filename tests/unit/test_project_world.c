/*
 * The world in the projection: rows of prefix, tunnel and rule, what attacks map to when that
 * changes, recovered notifications; and that a rebuild, also of a pruned journal, gives the same.
 */
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "store/store_private.h"
#include "unit.h"

#define DAY apr_time_from_sec(86400)

/* ---- rows ------------------------------------------------------------------------------------ */

/* State of BGP prefix id: advertised 1, 0, -1. */
static kit_row_t prefix(int at, const char *id, const char *cidr, int advertised, int gone)
{
    cfmt_bgp_prefix_t b = { .id = id, .parent = "p", .approved = 1, .enabled = 1, .locked = 0,
                            .bgp_control = 0, .auto_withdraw = -1, .advertised = advertised };
    kit_row_t row = { "prefix_state", KIT_T(at), NULL };

    ck_assert_int_eq(cfmt_cidr_parse(&b.cidr, NULL, cidr), APR_SUCCESS);
    row.body = cfmt_prefix_encode(&b, gone, unit_pool);
    return row;
}

static kit_row_t tunnel(int at, const char *id, const char *state, int gone)
{
    cfmt_tunnel_t t = { .id = id, .kind = CFMT_TUNNEL_GRE, .name = id, .checked = 1, .active = 1,
                        .health = !strcmp(state, "up") };
    kit_row_t row = { "tunnel_state", KIT_T(at), NULL };

    row.body = cfmt_tunnel_encode(&t, state, gone, unit_pool);
    return row;
}

/* A rule with one prefix. */
static kit_row_t rule(int at, const char *id, const char *name, const char *cidr, int gone)
{
    cfmt_rule_t r = { .id = id, .name = name, .type = "threshold", .automatic = 0 };
    kit_row_t row = { "rule_state", KIT_T(at), NULL };

    r.prefixes = apr_array_make(unit_pool, 1, sizeof(cfmt_cidr_t));
    ck_assert_int_eq(cfmt_cidr_parse(apr_array_push(r.prefixes), NULL, cidr), APR_SUCCESS);
    row.body = cfmt_rule_encode(&r, gone, unit_pool);
    return row;
}

/* A volumetric alert, which names a rule; target may be NULL. */
static kit_row_t volumetric(int ts, const char *attack, const char *name, const char *target)
{
    kit_row_t row = { "delivery", KIT_T(ts), NULL };

    row.body = apr_psprintf(
        unit_pool,
        "{\"alert_event\":\"ALERT_STATE_EVENT_START\",\"alert_type\":\"fbm_volumetric_attack\","
        "\"data\":{\"attack_id\":\"%s\",%s%s%s\"rule_name\":\"%s\"},\"text\":\"t\",\"ts\":"
        "%" APR_INT64_T_FMT "}",
        attack, target ? "\"target_ip\":\"" : "", target ? target : "", target ? "\"," : "", name,
        apr_time_sec(KIT_EPOCH) + ts);
    return row;
}

/* A row whose origin or tag matters. */
static void append_as(cfmt_store_t *s, kit_row_t row, const char *origin, const char *tag)
{
    cfmt_entry_t e = { .kind = row.kind, .at = row.at, .origin = origin, .tag = tag,
                       .body = row.body, .len = strlen(row.body) };

    ck_assert_int_eq(cfmt_store_begin(s, -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_journal_append(s, &e), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
}

static void prune(cfmt_store_t *s, apr_time_t t)
{
    cfmt_retention_t conf = { .journal = DAY };
    int more;

    do {
        ck_assert_int_eq(cfmt_retention_step(s, &conf, t + DAY, &more, unit_pool), APR_SUCCESS);
    } while (more);
}

static void check_rebuild(cfmt_store_t *s, const char *what)
{
    static const int limits[] = { 200, 1, 3 };
    const char *want = kit_dump(s, 1, unit_pool);
    int i;

    for (i = 0; i < KIT_COUNT(limits); i++) {
        kit_rebuild(s, limits[i]);
        kit_same(kit_dump(s, 1, unit_pool), want, what);
    }
}

static void go_on(cfmt_store_t *s, kit_row_t row)
{
    kit_append(s, &row, 1);
    kit_project(s, 200);
}

/* A volumetric END names its rule, as START does. */
static kit_row_t volumetric_end(int ts, const char *attack, const char *name)
{
    kit_row_t row = volumetric(ts, attack, name, NULL);
    char *state = strstr(row.body, "_START");

    ck_assert(state != NULL);
    row.body = apr_pstrcat(unit_pool, apr_pstrndup(unit_pool, row.body, state - row.body), "_END",
                           state + 6, NULL);
    return row;
}

/* May the attack that Cloudflare calls name be about anything? As cfmtctl and decisions see it. */
static int is_unplaced(cfmt_store_t *s, const char *name)
{
    apr_array_header_t *rows;

    ck_assert_int_eq(cfmt_query_attack_find(s, name, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 1);
    return (int)APR_ARRAY_IDX(rows, 0, cfmt_attack_row_t).target_missing;
}

/* The prefixes of the attack that Cloudflare calls name. */
static const char *prefixes(cfmt_store_t *s, const char *name)
{
    return kit_text(s, apr_psprintf(unit_pool, "SELECT prefixes FROM attack WHERE id IN"
                                    " (SELECT attack FROM event WHERE attack_id = '%s')", name));
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Times in seconds behind KIT_EPOCH. */
#define SECONDS(column) "((" column " - 1700000000000000) / 1000000)"

static const char *prefix_line(cfmt_store_t *s)
{
    return kit_text(s, "SELECT advertised || ' ' || gone || ' ' || row || ' ' || origin || ' ' || "
                       SECONDS("since") " || ' ' || " SECONDS("first_at") " || ' ' || ifnull("
                       SECONDS("changed_at") ", '-') || ' ' || ifnull(changed_by, '-')"
                       " FROM prefix WHERE id = 'b1'");
}

static void check_tables(cfmt_store_t *s)
{
    ck_assert_str_eq(prefix_line(s), "1 0 3 auto-advertise 3 1 2 auto-advertise");
    ck_assert_int_eq(kit_int(s, "SELECT since FROM tunnel"), KIT_T(4)); /* of its state */
    ck_assert_int_eq(kit_int(s, "SELECT row FROM tunnel"), 6);
    check_rebuild(s, "tables");
}

START_TEST(test_tables)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    append_as(s, prefix(1, "b1", "203.0.113.0/24", 0, 0), "first", NULL);
    kit_project(s, 200);
    ck_assert_str_eq(prefix_line(s), "0 0 1 first 1 1 - -");
    append_as(s, prefix(2, "b1", "203.0.113.0/24", 1, 0), "external", NULL);
    kit_project(s, 200);
    ck_assert_str_eq(prefix_line(s), "1 0 2 external 2 1 2 external");
    /* Cloudflare's own alert came later: the same state says who made it */
    append_as(s, prefix(3, "b1", "203.0.113.0/24", 1, 0), "auto-advertise", NULL);
    append_as(s, prefix(3, "b2", "10.0.0.0/8", 1, 0), "first", NULL);
    append_as(s, tunnel(4, "t1", "up", 0), "first", NULL);
    append_as(s, tunnel(5, "t1", "up", 0), "external", NULL);
    append_as(s, rule(6, "r1", "web", "10.0.0.0/8", 0), "first", NULL);
    append_as(s, rule(7, "r1", "web2", "10.0.0.0/8", 1), "external", NULL);
    kit_project(s, 200);
    ck_assert_str_eq(kit_text(s, "SELECT name || gone || row FROM rule"), "web218");
    check_tables(s);
    prune(s, KIT_T(3)); /* the middle of b1's rows */
    check_tables(s);
    prune(s, KIT_T(100));
    check_tables(s);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 1);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM rule"), 0); /* what is gone goes */
    go_on(s, tunnel(8, "t1", "down", 0));
    ck_assert_int_eq(kit_int(s, "SELECT since FROM tunnel"), KIT_T(8));
    check_rebuild(s, "behind a snapshot");
}
END_TEST

static int errors;
static void count_error(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton;
    errors += level == CFMT_LOG_ERR && strstr(line, "CFMT0420") != NULL;
}

/* A state that is none is said and passed over, also by retention. */
START_TEST(test_unreadable)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_log_t log = { count_error, NULL, CFMT_LOG_ERR };
    kit_row_t rows[] = { { "prefix_state", KIT_T(1), "{\"id\":\"b1\"}" },
                         { "tunnel_state", KIT_T(1), "[]" },
                         { "rule_state", KIT_T(1), "what?" },
                         prefix(2, "b1", "203.0.113.0/24", 1, 0),
                         { "prefix_state", KIT_T(3), "{\"id\":\"b1\",\"cidr\":\"?\"}" } };
    cfmt_projector_t *pr = cfmt_projector_create(&log, unit_pool);
    int done;

    errors = 0;
    kit_append(s, rows, KIT_COUNT(rows));
    do {
        ck_assert_int_eq(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
    } while (done);
    ck_assert_int_eq(errors, 4);
    ck_assert_int_eq(kit_int(s, "SELECT row FROM prefix"), 4);
    prune(s, KIT_T(100));
    check_rebuild(s, "unreadable");
    ck_assert_int_eq(kit_int(s, "SELECT row FROM prefix"), 4);
}
END_TEST

/* Retention takes what is gone along; a projector that goes on must not remember it. */
START_TEST(test_gone_meanwhile)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_projector_t *pr = cfmt_projector_create(NULL, unit_pool);
    kit_row_t rows[] = { prefix(1, "b1", "203.0.113.0/24", 0, 0),
                         prefix(2, "b1", "203.0.113.0/24", 0, 1), tunnel(3, "t1", "up", 0) };
    kit_row_t again = prefix(9, "b1", "203.0.113.0/24", 1, 0);
    int done;

    kit_append(s, rows, 3);
    do { /* the last one finds nothing to do, and has loaded the world */
        ck_assert_int_eq(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
    } while (done);
    prune(s, KIT_T(3));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM prefix"), 0);
    kit_append(s, &again, 1);
    ck_assert_int_eq(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(kit_int(s, "SELECT first_at FROM prefix"), KIT_T(9));
    check_rebuild(s, "gone meanwhile");
}
END_TEST

/* Readings are state: a rebuild leaves them, a prefix that is gone takes its own along. */
START_TEST(test_readings)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = { prefix(1, "b1", "203.0.113.0/24", 1, 0),
                         prefix(2, "b2", "10.0.0.0/8", 1, 0), prefix(3, "b2", "10.0.0.0/8", 1, 1) };

    kit_append(s, rows, 3);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_reading_note(s, "missing", "b1", 5), APR_SUCCESS);
    ck_assert_int_eq(cfmt_reading_note(s, "missing", "b2", 5), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    kit_project(s, 200);
    kit_rebuild(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM reading"), 2);
    prune(s, KIT_T(100));
    ck_assert_str_eq(kit_text(s, "SELECT group_concat(id) FROM reading"), "b1");
}
END_TEST

/* ---- mapping --------------------------------------------------------------------------------- */

START_TEST(test_mapping)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\"}"));
    go_on(s, kit_alert((kit_say_t){ .ts = 1, .attack = "open", .target = "203.0.113.7" }));
    go_on(s, kit_alert((kit_say_t){ .ts = 1, .attack = "over", .target = "203.0.113.7" }));
    go_on(s, kit_alert((kit_say_t){ .ts = 2, .attack = "over", .end = 1 }));
    go_on(s, kit_alert((kit_say_t){ .ts = 2, .attack = "wide", .target = "203.0.112.0/22" }));
    go_on(s, kit_alert((kit_say_t){ .ts = 2, .attack = "out", .target = "10.1.2.3" }));
    go_on(s, prefix(3, "b1", "203.0.113.0/25", 0, 0)); /* listed: a smaller one */
    ck_assert_str_eq(prefixes(s, "open"), "[\"203.0.113.0/25\"]");
    ck_assert_str_eq(prefixes(s, "over"), "[\"203.0.113.0/24\"]");
    ck_assert_str_eq(prefixes(s, "wide"), "[\"203.0.113.0/24\",\"203.0.113.0/25\"]");
    ck_assert_str_eq(prefixes(s, "out"), "[]");
    go_on(s, prefix(4, "b1", "203.0.113.0/25", 1, 0)); /* advertised: the same place */
    go_on(s, prefix(5, "b2", "10.0.0.0/8", 1, 0));
    ck_assert_str_eq(prefixes(s, "out"), "[\"10.0.0.0/8\"]");
    go_on(s, kit_alert((kit_say_t){ .ts = 6, .attack = "new", .target = "10.9.9.9" }));
    ck_assert_str_eq(prefixes(s, "new"), "[\"10.0.0.0/8\"]");
    check_rebuild(s, "listed");
    go_on(s, prefix(7, "b1", "203.0.113.0/25", 1, 1)); /* gone */
    ck_assert_str_eq(prefixes(s, "open"), "[\"203.0.113.0/24\"]");
    go_on(s, prefix(8, "b2", "10.9.0.0/16", 1, 0)); /* another network */
    ck_assert_str_eq(prefixes(s, "new"), "[\"10.9.0.0/16\"]");
    ck_assert_str_eq(prefixes(s, "out"), "[]");
    go_on(s, kit_config(9, "{}"));
    ck_assert_str_eq(prefixes(s, "open"), "[]");
    ck_assert_str_eq(prefixes(s, "over"), "[\"203.0.113.0/24\"]");
    check_rebuild(s, "mapping");
    prune(s, KIT_T(5));
    check_rebuild(s, "mapping, pruned in the middle");
    prune(s, KIT_T(100));
    check_rebuild(s, "mapping, pruned");
    ck_assert_str_eq(kit_text(s, "SELECT prefixes FROM attack WHERE json_extract(targets, '$[0]')"
                                 " = '10.9.9.9'"), "[\"10.9.0.0/16\"]");
}
END_TEST

/* A volumetric alert without a target hits what its rule watches, whichever is known first. */
START_TEST(test_rules)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\",\"Prefix 10.0.0.0/8\":\"\","
                           "\"Prefix 192.0.2.0/24\":\"\"}"));
    go_on(s, volumetric(1, "early", "web", NULL));
    ck_assert_str_eq(prefixes(s, "early"), "[]");
    go_on(s, rule(2, "r1", "web", "203.0.113.128/25", 0)); /* part of one of ours */
    ck_assert_str_eq(prefixes(s, "early"), "[\"203.0.113.0/24\"]");
    go_on(s, rule(3, "r2", "web", "10.0.0.0/8", 0));
    go_on(s, rule(3, "r3", "other", "192.0.2.0/24", 0));
    go_on(s, volumetric(4, "late", "web", NULL));
    ck_assert_str_eq(prefixes(s, "late"), "[\"10.0.0.0/8\",\"203.0.113.0/24\"]");
    ck_assert_str_eq(prefixes(s, "early"), prefixes(s, "late"));
    go_on(s, volumetric(5, "aimed", "web", "192.0.2.1")); /* says itself where */
    ck_assert_str_eq(prefixes(s, "aimed"), "[\"192.0.2.0/24\"]");
    go_on(s, kit_alert((kit_say_t){ .ts = 5, .attack = "blind", .target = "?" }));
    ck_assert_str_eq(prefixes(s, "blind"), "[]");
    go_on(s, rule(6, "r2", "web", "10.0.0.0/8", 1));
    go_on(s, rule(7, "r3", "web", "192.0.2.0/24", 0)); /* renamed */
    ck_assert_str_eq(prefixes(s, "early"), "[\"192.0.2.0/24\",\"203.0.113.0/24\"]");
    check_rebuild(s, "rules");
    prune(s, KIT_T(100));
    check_rebuild(s, "rules, pruned");
}
END_TEST

/* Only while its rule is not known does an alert that names one block everything. */
START_TEST(test_unplaced)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\",\"Prefix 10.0.0.0/8\":\"\"}"));
    go_on(s, volumetric(1, "early", "web", NULL));
    ck_assert_int_eq(is_unplaced(s, "early"), 1);
    go_on(s, rule(2, "r1", "web", "203.0.113.0/24", 0));
    ck_assert_int_eq(is_unplaced(s, "early"), 0);
    go_on(s, volumetric(3, "late", "web", NULL));
    ck_assert_int_eq(is_unplaced(s, "late"), 0);
    go_on(s, volumetric(4, "late", "mail", NULL)); /* one of two is known */
    ck_assert_int_eq(is_unplaced(s, "late"), 1);
    go_on(s, kit_alert((kit_say_t){ .ts = 5, .attack = "blind" }));
    go_on(s, volumetric(6, "blind", "web", NULL)); /* an event without either stays */
    ck_assert_int_eq(is_unplaced(s, "blind"), 1);
    go_on(s, volumetric(6, "nowhere", "far", NULL));
    go_on(s, rule(7, "r2", "far", "192.0.2.0/24", 0)); /* known, and none of ours */
    ck_assert_int_eq(is_unplaced(s, "nowhere"), 0);
    ck_assert_str_eq(prefixes(s, "nowhere"), "[]");
    check_rebuild(s, "unplaced");
    prune(s, KIT_T(5));
    check_rebuild(s, "unplaced, half pruned");
    prune(s, KIT_T(100));
    check_rebuild(s, "unplaced, pruned");
    ck_assert_int_eq(is_unplaced(s, "late"), 1);
    go_on(s, rule(101, "r1", "web", "203.0.113.0/24", 1)); /* no longer known */
    ck_assert_int_eq(is_unplaced(s, "early"), 1);
    check_rebuild(s, "unplaced, rule gone");
}
END_TEST

/* An END need not say where: the rule that it names does not widen what START said. */
START_TEST(test_end_of_a_rule)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\",\"Prefix 10.0.0.0/8\":\"\"}"));
    go_on(s, rule(1, "r1", "web", "10.0.0.0/8", 0));
    go_on(s, volumetric(2, "A", "web", "203.0.113.7"));
    go_on(s, volumetric_end(3, "A", "web"));
    ck_assert_str_eq(kit_text(s, "SELECT state FROM attack"), "ended");
    ck_assert_str_eq(prefixes(s, "A"), "[\"203.0.113.0/24\"]");
    check_rebuild(s, "end of a rule");
}
END_TEST

/* Many open attacks are gone through in bounded steps; no event is taken in between. */
START_TEST(test_bounded)
{
    enum { N = 450 };
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_projector_t *pr = cfmt_projector_create(NULL, unit_pool);
    kit_row_t *rows = apr_palloc(unit_pool, N * sizeof(*rows));
    kit_row_t more[] = { prefix(500, "b1", "203.0.113.0/24", 0, 0),
                         kit_alert((kit_say_t){ .ts = 501, .attack = "x" }) };
    cfmt_retention_t conf = { .journal = DAY };
    int i, done, mapped = 0, left;

    for (i = 0; i < N; i++) {
        rows[i] = kit_alert((kit_say_t){ .ts = i, .attack = apr_psprintf(unit_pool, "A%d", i),
                                         .target = "203.0.113.1" });
    }
    kit_append(s, rows, N);
    kit_project(s, 200);
    kit_append(s, more, 2);
    ck_assert_int_eq(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(done, 1);
    for (i = 0; mapped < N; i++) {
        ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'cursor'"), N + 1);
        ck_assert_int_eq(cfmt_retention_step(s, &conf, KIT_T(900) + DAY, &left, unit_pool),
                         CFMT_EMOVED); /* a snapshot would say what is half done */
        if (i == 1) {
            pr = cfmt_projector_create(NULL, unit_pool); /* a new leader goes on */
        }
        ck_assert_int_eq(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
        left = (int)kit_int(s, "SELECT count(*) FROM attack WHERE prefixes <> '[]'");
        ck_assert_int_le(left - mapped, 200);
        ck_assert_int_gt(left, mapped);
        mapped = left;
    }
    ck_assert_int_ge(i, 3);
    kit_project(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'cursor'"), N + 2);
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'remap_row'"), 0);
    check_rebuild(s, "bounded");
    go_on(s, prefix(502, "b1", "203.0.113.0/24", 0, 1));
    more[0] = prefix(503, "b1", "203.0.113.0/24", 0, 0);
    kit_append(s, more, 1);
    ck_assert_int_eq(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
    ck_assert_int_gt(kit_int(s, "SELECT value FROM meta WHERE name = 'remap_row'"), 0);
    ck_assert_int_eq(cfmt_project_reset(s), APR_SUCCESS); /* nothing is left to be mapped */
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'remap_row'"), 0);
}
END_TEST

/* In the middle of a rebuild attacks from a snapshot are ahead of the cursor: nothing is pruned. */
START_TEST(test_no_pruning_in_a_rebuild)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_projector_t *pr = cfmt_projector_create(NULL, unit_pool);
    cfmt_retention_t conf = { .journal = DAY };
    const char *want;
    int i, done, more;

    go_on(s, kit_alert((kit_say_t){ .ts = 1, .attack = "A", .target = "203.0.113.1" }));
    go_on(s, kit_alert((kit_say_t){ .ts = 2, .attack = "A", .target = "10.0.0.1" }));
    go_on(s, prefix(3, "b1", "203.0.113.0/24", 0, 0));
    go_on(s, prefix(4, "b2", "10.0.0.0/8", 0, 0));
    prune(s, KIT_T(2));
    want = kit_dump(s, 1, unit_pool);
    ck_assert_int_eq(cfmt_project_reset(s), APR_SUCCESS);
    for (i = 0; i < 2; i++) { /* the snapshot and one row */
        ck_assert_int_eq(cfmt_project_step(pr, s, 1, &done, unit_pool), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_retention_step(s, &conf, KIT_T(9) + DAY, &more, unit_pool), CFMT_EMOVED);
    kit_project(s, 200);
    kit_same(kit_dump(s, 1, unit_pool), want, "rebuilt");
    prune(s, KIT_T(9));
    check_rebuild(s, "pruned then");
}
END_TEST

/* One attack of the snapshot and one of later rows become one: none loses its prefix. */
START_TEST(test_joined_behind_a_snapshot)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\",\"Prefix 10.0.0.0/8\":\"\"}"));
    go_on(s, kit_alert((kit_say_t){ .ts = 1, .attack = "A", .target = "203.0.113.1" }));
    go_on(s, kit_alert((kit_say_t){ .ts = 3, .attack = "B", .target = "10.0.0.1" }));
    prune(s, KIT_T(2)); /* A has a base, B does not */
    go_on(s, kit_alert((kit_say_t){ .ts = 4, .attack = "A", .correlation = "X",
                                    .target = "203.0.113.1" }));
    go_on(s, kit_alert((kit_say_t){ .ts = 5, .attack = "B", .correlation = "X",
                                    .target = "203.0.113.1" }));
    ck_assert_str_eq(prefixes(s, "B"), "[\"10.0.0.0/8\",\"203.0.113.0/24\"]");
    check_rebuild(s, "joined");
}
END_TEST

/* The attack's row keeps 64 targets; the others do not lose their prefix. */
START_TEST(test_targets_cut)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    int i;

    for (i = 0; i < 70; i++) {
        go_on(s, kit_alert((kit_say_t){ .ts = i, .attack = "A",
                                        .target = apr_psprintf(unit_pool, "10.0.0.%d", i) }));
    }
    go_on(s, kit_alert((kit_say_t){ .ts = 80, .attack = "A", .target = "203.0.113.1" }));
    ck_assert_int_eq(kit_int(s, "SELECT instr(targets, '203.0') FROM attack"), 0);
    go_on(s, prefix(81, "b1", "203.0.113.0/24", 0, 0));
    go_on(s, prefix(82, "b2", "10.0.0.0/24", 0, 0));
    ck_assert_str_eq(prefixes(s, "A"), "[\"10.0.0.0/24\",\"203.0.113.0/24\"]");
    check_rebuild(s, "cut");
    prune(s, KIT_T(81)); /* the events are gone, what they said of prefixes is not */
    check_rebuild(s, "cut, pruned");
    ck_assert_str_eq(kit_text(s, "SELECT prefixes FROM attack"),
                     "[\"10.0.0.0/24\",\"203.0.113.0/24\"]");
    go_on(s, kit_alert((kit_say_t){ .ts = 82, .attack = "A", .target = "10.0.0.1" }));
    go_on(s, prefix(83, "b3", "192.0.2.0/24", 0, 0)); /* whatever changes then */
    ck_assert_str_eq(kit_text(s, "SELECT prefixes FROM attack"),
                     "[\"10.0.0.0/24\",\"203.0.113.0/24\"]");
    go_on(s, prefix(84, "b4", "203.0.113.0/25", 0, 0)); /* where in the /24 nobody knows any more */
    go_on(s, prefix(85, "b1", "203.0.113.0/24", 0, 1));
    ck_assert_str_eq(kit_text(s, "SELECT prefixes FROM attack"),
                     "[\"10.0.0.0/24\",\"203.0.113.0/25\"]");
    check_rebuild(s, "cut, pruned, mapped");
    prune(s, KIT_T(84));
    check_rebuild(s, "cut, pruned, mapped, pruned");
}
END_TEST

/* Nor does a pruned one, when the events that are left have all the places in the row. */
START_TEST(test_pruned_target_cut)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    int i;

    go_on(s, kit_alert((kit_say_t){ .ts = 0, .attack = "A", .target = "203.0.113.1" }));
    prune(s, KIT_T(1));
    for (i = 0; i < 70; i++) {
        go_on(s, kit_alert((kit_say_t){ .ts = 2 + i, .attack = "A",
                                        .target = apr_psprintf(unit_pool, "10.0.0.%d", i) }));
    }
    go_on(s, prefix(81, "b1", "203.0.113.0/24", 0, 0));
    ck_assert_str_eq(prefixes(s, "A"), "[\"203.0.113.0/24\"]");
    check_rebuild(s, "pruned target cut");
}
END_TEST

/* ---- recovered ------------------------------------------------------------------------------- */

START_TEST(test_recovered)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t start = kit_alert((kit_say_t){ .ts = 10, .attack = "A", .target = "203.0.113.1" });
    kit_row_t end = kit_alert((kit_say_t){ .ts = 20, .attack = "A", .end = 1 });
    kit_row_t lone = kit_alert((kit_say_t){ .ts = 30, .target = "203.0.113.9" });
    kit_row_t text = { "recovered", KIT_T(905), "It rained\nin Z\xc3\xbcrich." };
    kit_row_t late = start;

    start.kind = end.kind = lone.kind = "recovered";
    start.at = end.at = lone.at = KIT_T(900);
    go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\"}"));
    go_on(s, kit_alert((kit_say_t){ .ts = 15, .attack = "A", .target = "203.0.113.2" }));
    go_on(s, start);
    go_on(s, end);
    ck_assert_str_eq(kit_text(s, "SELECT state || ' ' || events || ' ' || episodes FROM attack"),
                     "ended 3 1");
    ck_assert_int_eq(kit_int(s, "SELECT started_at FROM attack"), KIT_T(10));
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'last_delivery_at'"),
                     KIT_T(15));
    go_on(s, lone);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 2);
    late.at = KIT_T(950); /* it arrives after all: nothing new */
    go_on(s, late);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event WHERE attack_id = 'A'"), 3);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event_repeat"), 1);
    append_as(s, text, "history", "2023-11-14T22:14:00Z");
    append_as(s, text, "history", NULL);
    kit_project(s, 200);
    ck_assert_str_eq(kit_text(s, "SELECT group_concat(source || ' ' || state || ' ' || priority"
                                 " || ' ' || ifnull(alert_type, '-') || ' ' || " SECONDS("ts")
                                 " || ' ' || summary, '|') FROM (SELECT * FROM event"
                                 " WHERE effect = 0 ORDER BY id)"),
                     "recovered info INFO - 40 It rained\\x0ain Z\xc3\xbcrich.|"
                     "recovered info INFO - 905 It rained\\x0ain Z\xc3\xbcrich.");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event WHERE source = 'recovered'"), 5);
    check_rebuild(s, "recovered");
    prune(s, KIT_T(901));
    check_rebuild(s, "recovered, pruned");
}
END_TEST

/* Of a body without a time the tag counts, then the arrival. */
START_TEST(test_recovered_without_ts)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t row = { "recovered", KIT_T(900),
                      "{\"alert_type\":\"dos_attack_l4\",\"data\":{\"attack_id\":\"A\"}}" };

    append_as(s, row, "history", "2023-11-14T22:14:00Z");
    row.body = "{\"alert_type\":\"dos_attack_l4\",\"data\":{\"attack_id\":\"B\"}}";
    append_as(s, row, "history", "yesterday");
    kit_project(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT ts FROM event WHERE attack_id = 'A'"), KIT_T(40));
    ck_assert_int_eq(kit_int(s, "SELECT at FROM event WHERE attack_id = 'A'"), KIT_T(900));
    ck_assert_int_eq(kit_int(s, "SELECT ts FROM event WHERE attack_id = 'B'"), KIT_T(900));
}
END_TEST

/* ---- the invariant, at random ---------------------------------------------------------------- */

static kit_row_t random_state(unsigned *seed, int at)
{
    static const char *const cidrs[] = { "203.0.113.0/24", "203.0.113.0/25", "203.0.113.128/25",
                                         "203.0.112.0/22", "10.0.0.0/8" };
    static const char *const ids[] = { "b1", "b2", "b3" };
    static const char *const names[] = { "web", "mail" };
    static const char *const states[] = { "up", "down" };
    static const char *const configs[] = { "{}", "{\"Prefix 203.0.113.0/24\":\"\"}",
                                           "{\"Prefix 10.0.0.0/8\":\"\",\"AccountId\":\"" KIT_OURS
                                           "\"}" };
    const char *id = ids[kit_random(seed, 3)], *cidr = cidrs[kit_random(seed, 5)];
    int gone = kit_random(seed, 4) == 0;

    switch (kit_random(seed, 5)) {
    case 0:
        return kit_config(at, configs[kit_random(seed, 3)]);
    case 1:
        return tunnel(at, id, states[kit_random(seed, 2)], gone);
    case 2:
        return rule(at, id, names[kit_random(seed, 2)], cidr, gone);
    default:
        return prefix(at, id, cidr, (int)kit_random(seed, 3) - 1, gone);
    }
}

static kit_row_t random_row(unsigned *seed, int at)
{
    static const char *const ids[] = { NULL, "A", "B", "C", "D" };
    static const char *const links[] = { NULL, NULL, NULL, "X", "Y" };
    static const char *const targets[] = { "203.0.113.7", "203.0.113.200", "203.0.112.0/23",
                                           "10.1.1.1", NULL };
    static const char *const names[] = { "web", "mail" };
    unsigned what = kit_random(seed, 16);
    int ts = at - (int)kit_random(seed, kit_random(seed, 4) ? 2 : 12);
    kit_row_t row;

    if (what < 5) {
        return random_state(seed, at);
    }
    if (what == 5) {
        return kit_close(at, ids[1 + kit_random(seed, 4)]);
    }
    if (what < 8) {
        row = kit_random(seed, 4)
                  ? volumetric(ts, ids[1 + kit_random(seed, 4)], names[kit_random(seed, 2)],
                               kit_random(seed, 3) ? NULL : targets[kit_random(seed, 4)])
                  : volumetric_end(ts, ids[1 + kit_random(seed, 4)], names[kit_random(seed, 2)]);
    }
    else {
        row = kit_alert((kit_say_t){ .end = kit_random(seed, 3) == 0,
                                     .ts = ts,
                                     .attack = ids[kit_random(seed, 5)],
                                     .correlation = links[kit_random(seed, 5)],
                                     .target = targets[kit_random(seed, 5)],
                                     .pps = (int)kit_random(seed, 3) });
    }
    row.kind = kit_random(seed, 5) ? "delivery" : "recovered";
    row.at = KIT_T(at);
    return row;
}

START_TEST(test_random)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    unsigned seed, r;
    kit_row_t rows[12];
    int i, round, t;

    for (seed = 0; seed < KIT_CASES(100); seed++) {
        r = seed * 2654435761u;
        kit_wipe(s);
        for (round = 0, t = 20; round < 4; round++) {
            for (i = 0; i < KIT_COUNT(rows); i++, t++) {
                rows[i] = random_row(&r, t);
            }
            kit_append(s, rows, KIT_COUNT(rows));
            kit_project(s, 1 + (int)kit_random(&r, 12));
            if (round) {
                prune(s, KIT_T(t - 5 - (int)kit_random(&r, 20)));
            }
            check_rebuild(s, apr_psprintf(unit_pool, "seed %u round %d", seed, round));
        }
    }
}
END_TEST

/* The order of events among themselves is nothing: what maps them came before, then changes. */
START_TEST(test_orders)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    unsigned seed, r;
    kit_row_t first[4], rows[8], last = prefix(90, "b9", "203.0.113.128/26", 1, 0);
    const char *want;
    int i, k;

    for (seed = 0; seed < KIT_CASES(50); seed++) {
        r = seed * 2654435761u;
        for (i = 0; i < 4; i++) {
            first[i] = random_state(&r, i);
        }
        for (i = 0; i < 8; i++) {
            do {
                rows[i] = random_row(&r, 20 + i);
            } while (strcmp(rows[i].kind, "delivery"));
        }
        for (want = NULL, k = 0; k < 4; k++) {
            kit_wipe(s);
            kit_append(s, first, 4);
            kit_append(s, rows, 8);
            kit_append(s, &last, 1);
            kit_project(s, 1 + (int)kit_random(&r, 12));
            want = want ? want : kit_dump(s, 0, unit_pool);
            kit_same(kit_dump(s, 0, unit_pool), want, apr_psprintf(unit_pool, "seed %u", seed));
            for (i = 7; i > 0; i--) {
                kit_row_t *swap = &rows[kit_random(&r, (unsigned)i + 1)], was = rows[i];

                rows[i] = *swap;
                *swap = was;
            }
        }
    }
}
END_TEST

UNIT_SUITE_BEGIN(project_world)
    UNIT_TEST(test_tables)
    UNIT_TEST(test_unreadable)
    UNIT_TEST(test_gone_meanwhile)
    UNIT_TEST(test_readings)
    UNIT_TEST(test_mapping)
    UNIT_TEST(test_rules)
    UNIT_TEST(test_unplaced)
    UNIT_TEST(test_end_of_a_rule)
    UNIT_TEST(test_bounded)
    UNIT_TEST(test_no_pruning_in_a_rebuild)
    UNIT_TEST(test_joined_behind_a_snapshot)
    UNIT_TEST(test_targets_cut)
    UNIT_TEST(test_pruned_target_cut)
    UNIT_TEST(test_recovered)
    UNIT_TEST(test_recovered_without_ts)
    UNIT_TEST(test_random)
    UNIT_TEST(test_orders)
UNIT_SUITE_END
