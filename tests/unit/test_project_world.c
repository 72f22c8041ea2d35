/*
 * The world in the projection: rows of prefix, tunnel and rule, recovered notifications; and that a
 * rebuild, also of a pruned journal, gives the same.
 */
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "store/store_private.h"
#include "unit.h"

/* A row whose origin or tag matters. */
static void append_as(cfmt_store_t *s, kit_row_t row, const char *origin, const char *tag)
{
    cfmt_entry_t e = { .kind = row.kind, .at = row.at, .origin = origin, .tag = tag,
                       .body = row.body, .len = strlen(row.body) };

    ck_assert_int_eq(cfmt_store_begin(s, -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_journal_append(s, &e), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
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
    kit_check_rebuild(s, "tables");
}

START_TEST(test_tables)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    append_as(s, kit_prefix(1, "b1", "203.0.113.0/24", 0, 0), "first", NULL);
    kit_project(s, 200);
    ck_assert_str_eq(prefix_line(s), "0 0 1 first 1 1 - -");
    append_as(s, kit_prefix(2, "b1", "203.0.113.0/24", 1, 0), "external", NULL);
    kit_project(s, 200);
    ck_assert_str_eq(prefix_line(s), "1 0 2 external 2 1 2 external");
    /* Cloudflare's own alert came later: the same state says who made it */
    append_as(s, kit_prefix(3, "b1", "203.0.113.0/24", 1, 0), "auto-advertise", NULL);
    append_as(s, kit_prefix(3, "b2", "10.0.0.0/8", 1, 0), "first", NULL);
    append_as(s, kit_tunnel_read(4, "t1", "up", 0), "first", NULL);
    append_as(s, kit_tunnel_read(5, "t1", "up", 0), "external", NULL);
    append_as(s, kit_rule(6, "r1", "web", "10.0.0.0/8", 0), "first", NULL);
    append_as(s, kit_rule(7, "r1", "web2", "10.0.0.0/8", 1), "external", NULL);
    kit_project(s, 200);
    ck_assert_str_eq(kit_text(s, "SELECT name || gone || row FROM rule"), "web218");
    check_tables(s);
    kit_prune(s, KIT_T(3)); /* the middle of b1's rows */
    check_tables(s);
    kit_prune(s, KIT_T(100));
    check_tables(s);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 1);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM rule"), 0); /* what is gone goes */
    kit_go_on(s, kit_tunnel_read(8, "t1", "down", 0));
    ck_assert_int_eq(kit_int(s, "SELECT since FROM tunnel"), KIT_T(8));
    kit_check_rebuild(s, "behind a snapshot");
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
                         kit_prefix(2, "b1", "203.0.113.0/24", 1, 0),
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
    kit_prune(s, KIT_T(100));
    kit_check_rebuild(s, "unreadable");
    ck_assert_int_eq(kit_int(s, "SELECT row FROM prefix"), 4);
}
END_TEST

/* Retention takes what is gone along; a projector that goes on must not remember it. */
START_TEST(test_gone_meanwhile)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_projector_t *pr = cfmt_projector_create(NULL, unit_pool);
    kit_row_t rows[] = { kit_prefix(1, "b1", "203.0.113.0/24", 0, 0),
                         kit_prefix(2, "b1", "203.0.113.0/24", 0, 1),
                         kit_tunnel_read(3, "t1", "up", 0) };
    kit_row_t again = kit_prefix(9, "b1", "203.0.113.0/24", 1, 0);
    int done;

    kit_append(s, rows, 3);
    do { /* the last one finds nothing to do, and has loaded the world */
        ck_assert_int_eq(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
    } while (done);
    kit_prune(s, KIT_T(3));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM prefix"), 0);
    kit_append(s, &again, 1);
    ck_assert_int_eq(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(kit_int(s, "SELECT first_at FROM prefix"), KIT_T(9));
    kit_check_rebuild(s, "gone meanwhile");
}
END_TEST

/* Readings are state: a rebuild leaves them, a prefix that is gone takes its own along. */
START_TEST(test_readings)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = { kit_prefix(1, "b1", "203.0.113.0/24", 1, 0),
                         kit_prefix(2, "b2", "10.0.0.0/8", 1, 0),
                         kit_prefix(3, "b2", "10.0.0.0/8", 1, 1) };

    kit_append(s, rows, 3);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_reading_note(s, "missing", "b1", 5), APR_SUCCESS);
    ck_assert_int_eq(cfmt_reading_note(s, "missing", "b2", 5), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    kit_project(s, 200);
    kit_rebuild(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM reading"), 2);
    kit_prune(s, KIT_T(100));
    ck_assert_str_eq(kit_text(s, "SELECT group_concat(id) FROM reading"), "b1");
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
    kit_go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\"}"));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 15, .attack = "A", .target = "203.0.113.2" }));
    kit_go_on(s, start);
    kit_go_on(s, end);
    ck_assert_str_eq(kit_text(s, "SELECT state || ' ' || events || ' ' || episodes FROM attack"),
                     "ended 3 1");
    ck_assert_int_eq(kit_int(s, "SELECT started_at FROM attack"), KIT_T(10));
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'last_delivery_at'"),
                     KIT_T(15));
    kit_go_on(s, lone);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 2);
    late.at = KIT_T(950); /* it arrives after all: nothing new */
    kit_go_on(s, late);
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
    kit_check_rebuild(s, "recovered");
    kit_prune(s, KIT_T(901));
    kit_check_rebuild(s, "recovered, pruned");
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
        return kit_tunnel_read(at, id, states[kit_random(seed, 2)], gone);
    case 2:
        return kit_rule(at, id, names[kit_random(seed, 2)], cidr, gone);
    default:
        return kit_prefix(at, id, cidr, (int)kit_random(seed, 3) - 1, gone);
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
                  ? kit_volumetric(ts, ids[1 + kit_random(seed, 4)], names[kit_random(seed, 2)],
                               kit_random(seed, 3) ? NULL : targets[kit_random(seed, 4)])
                  : kit_volumetric_end(ts, ids[1 + kit_random(seed, 4)], names[kit_random(seed,
                                                                                          2)]);
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
                kit_prune(s, KIT_T(t - 5 - (int)kit_random(&r, 20)));
            }
            kit_check_rebuild(s, apr_psprintf(unit_pool, "seed %u round %d", seed, round));
        }
    }
}
END_TEST

/* The order of events among themselves is nothing: what maps them came before, then changes. */
START_TEST(test_orders)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    unsigned seed, r;
    kit_row_t first[4], rows[8], last = kit_prefix(90, "b9", "203.0.113.128/26", 1, 0);
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
    UNIT_TEST(test_recovered)
    UNIT_TEST(test_recovered_without_ts)
    UNIT_TEST(test_random)
    UNIT_TEST(test_orders)
UNIT_SUITE_END
