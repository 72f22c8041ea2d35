/*
 * What attacks map to in the projection, when prefixes and rules change, while rows are pruned and
 * after a rebuild.
 */
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "unit.h"

#define DAY apr_time_from_sec(86400)

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

/* ---- mapping --------------------------------------------------------------------------------- */

START_TEST(test_mapping)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    kit_go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\"}"));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 1, .attack = "open", .target = "203.0.113.7" }));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 1, .attack = "over", .target = "203.0.113.7" }));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 2, .attack = "over", .end = 1 }));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 2, .attack = "wide", .target = "203.0.112.0/22" }));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 2, .attack = "out", .target = "10.1.2.3" }));
    kit_go_on(s, kit_prefix(3, "b1", "203.0.113.0/25", 0, 0)); /* listed: a smaller one */
    ck_assert_str_eq(prefixes(s, "open"), "[\"203.0.113.0/25\"]");
    ck_assert_str_eq(prefixes(s, "over"), "[\"203.0.113.0/24\"]");
    ck_assert_str_eq(prefixes(s, "wide"), "[\"203.0.113.0/24\",\"203.0.113.0/25\"]");
    ck_assert_str_eq(prefixes(s, "out"), "[]");
    kit_go_on(s, kit_prefix(4, "b1", "203.0.113.0/25", 1, 0)); /* advertised: the same place */
    kit_go_on(s, kit_prefix(5, "b2", "10.0.0.0/8", 1, 0));
    ck_assert_str_eq(prefixes(s, "out"), "[\"10.0.0.0/8\"]");
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 6, .attack = "new", .target = "10.9.9.9" }));
    ck_assert_str_eq(prefixes(s, "new"), "[\"10.0.0.0/8\"]");
    kit_check_rebuild(s, "listed");
    kit_go_on(s, kit_prefix(7, "b1", "203.0.113.0/25", 1, 1)); /* gone */
    ck_assert_str_eq(prefixes(s, "open"), "[\"203.0.113.0/24\"]");
    kit_go_on(s, kit_prefix(8, "b2", "10.9.0.0/16", 1, 0)); /* another network */
    ck_assert_str_eq(prefixes(s, "new"), "[\"10.9.0.0/16\"]");
    ck_assert_str_eq(prefixes(s, "out"), "[]");
    kit_go_on(s, kit_config(9, "{}"));
    ck_assert_str_eq(prefixes(s, "open"), "[]");
    ck_assert_str_eq(prefixes(s, "over"), "[\"203.0.113.0/24\"]");
    kit_check_rebuild(s, "mapping");
    kit_prune(s, KIT_T(5));
    kit_check_rebuild(s, "mapping, pruned in the middle");
    kit_prune(s, KIT_T(100));
    kit_check_rebuild(s, "mapping, pruned");
    ck_assert_str_eq(kit_text(s, "SELECT prefixes FROM attack WHERE json_extract(targets, '$[0]')"
                                 " = '10.9.9.9'"), "[\"10.9.0.0/16\"]");
}
END_TEST

/* A volumetric alert without a target hits what its rule watches, whichever is known first. */
START_TEST(test_rules)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    kit_go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\",\"Prefix 10.0.0.0/8\":\"\","
                               "\"Prefix 192.0.2.0/24\":\"\"}"));
    kit_go_on(s, kit_volumetric(1, "early", "web", NULL));
    ck_assert_str_eq(prefixes(s, "early"), "[]");
    kit_go_on(s, kit_rule(2, "r1", "web", "203.0.113.128/25", 0)); /* part of one of ours */
    ck_assert_str_eq(prefixes(s, "early"), "[\"203.0.113.0/24\"]");
    kit_go_on(s, kit_rule(3, "r2", "web", "10.0.0.0/8", 0));
    kit_go_on(s, kit_rule(3, "r3", "other", "192.0.2.0/24", 0));
    kit_go_on(s, kit_volumetric(4, "late", "web", NULL));
    ck_assert_str_eq(prefixes(s, "late"), "[\"10.0.0.0/8\",\"203.0.113.0/24\"]");
    ck_assert_str_eq(prefixes(s, "early"), prefixes(s, "late"));
    kit_go_on(s, kit_volumetric(5, "aimed", "web", "192.0.2.1")); /* says itself where */
    ck_assert_str_eq(prefixes(s, "aimed"), "[\"192.0.2.0/24\"]");
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 5, .attack = "blind", .target = "?" }));
    ck_assert_str_eq(prefixes(s, "blind"), "[]");
    kit_go_on(s, kit_rule(6, "r2", "web", "10.0.0.0/8", 1));
    kit_go_on(s, kit_rule(7, "r3", "web", "192.0.2.0/24", 0)); /* renamed */
    ck_assert_str_eq(prefixes(s, "early"), "[\"192.0.2.0/24\",\"203.0.113.0/24\"]");
    kit_check_rebuild(s, "rules");
    kit_prune(s, KIT_T(100));
    kit_check_rebuild(s, "rules, pruned");
}
END_TEST

/* Only while its rule is not known does an alert that names one block everything. */
START_TEST(test_unplaced)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    kit_go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\",\"Prefix 10.0.0.0/8\":\"\"}"));
    kit_go_on(s, kit_volumetric(1, "early", "web", NULL));
    ck_assert_int_eq(is_unplaced(s, "early"), 1);
    kit_go_on(s, kit_rule(2, "r1", "web", "203.0.113.0/24", 0));
    ck_assert_int_eq(is_unplaced(s, "early"), 0);
    kit_go_on(s, kit_volumetric(3, "late", "web", NULL));
    ck_assert_int_eq(is_unplaced(s, "late"), 0);
    kit_go_on(s, kit_volumetric(4, "late", "mail", NULL)); /* one of two is known */
    ck_assert_int_eq(is_unplaced(s, "late"), 1);
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 5, .attack = "blind" }));
    kit_go_on(s, kit_volumetric(6, "blind", "web", NULL)); /* an event without either stays */
    ck_assert_int_eq(is_unplaced(s, "blind"), 1);
    kit_go_on(s, kit_volumetric(6, "nowhere", "far", NULL));
    kit_go_on(s, kit_rule(7, "r2", "far", "192.0.2.0/24", 0)); /* known, and none of ours */
    ck_assert_int_eq(is_unplaced(s, "nowhere"), 0);
    ck_assert_str_eq(prefixes(s, "nowhere"), "[]");
    kit_check_rebuild(s, "unplaced");
    kit_prune(s, KIT_T(5));
    kit_check_rebuild(s, "unplaced, half pruned");
    kit_prune(s, KIT_T(100));
    kit_check_rebuild(s, "unplaced, pruned");
    ck_assert_int_eq(is_unplaced(s, "late"), 1);
    kit_go_on(s, kit_rule(101, "r1", "web", "203.0.113.0/24", 1)); /* no longer known */
    ck_assert_int_eq(is_unplaced(s, "early"), 1);
    kit_check_rebuild(s, "unplaced, rule gone");
}
END_TEST

/* An END need not say where: the rule that it names does not widen what START said. */
START_TEST(test_end_of_a_rule)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    kit_go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\",\"Prefix 10.0.0.0/8\":\"\"}"));
    kit_go_on(s, kit_rule(1, "r1", "web", "10.0.0.0/8", 0));
    kit_go_on(s, kit_volumetric(2, "A", "web", "203.0.113.7"));
    kit_go_on(s, kit_volumetric_end(3, "A", "web"));
    ck_assert_str_eq(kit_text(s, "SELECT state FROM attack"), "ended");
    ck_assert_str_eq(prefixes(s, "A"), "[\"203.0.113.0/24\"]");
    kit_check_rebuild(s, "end of a rule");
}
END_TEST

/* Many open attacks are gone through in bounded steps; no event is taken in between. */
START_TEST(test_bounded)
{
    enum { N = 450 };
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_projector_t *pr = cfmt_projector_create(NULL, unit_pool);
    kit_row_t *rows = apr_palloc(unit_pool, N * sizeof(*rows));
    kit_row_t more[] = { kit_prefix(500, "b1", "203.0.113.0/24", 0, 0),
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
    kit_check_rebuild(s, "bounded");
    kit_go_on(s, kit_prefix(502, "b1", "203.0.113.0/24", 0, 1));
    more[0] = kit_prefix(503, "b1", "203.0.113.0/24", 0, 0);
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

    kit_go_on(s, kit_alert((kit_say_t){ .ts = 1, .attack = "A", .target = "203.0.113.1" }));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 2, .attack = "A", .target = "10.0.0.1" }));
    kit_go_on(s, kit_prefix(3, "b1", "203.0.113.0/24", 0, 0));
    kit_go_on(s, kit_prefix(4, "b2", "10.0.0.0/8", 0, 0));
    kit_prune(s, KIT_T(2));
    want = kit_dump(s, 1, unit_pool);
    ck_assert_int_eq(cfmt_project_reset(s), APR_SUCCESS);
    for (i = 0; i < 2; i++) { /* the snapshot and one row */
        ck_assert_int_eq(cfmt_project_step(pr, s, 1, &done, unit_pool), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_retention_step(s, &conf, KIT_T(9) + DAY, &more, unit_pool), CFMT_EMOVED);
    kit_project(s, 200);
    kit_same(kit_dump(s, 1, unit_pool), want, "rebuilt");
    kit_prune(s, KIT_T(9));
    kit_check_rebuild(s, "pruned then");
}
END_TEST

/* One attack of the snapshot and one of later rows become one: none loses its prefix. */
START_TEST(test_joined_behind_a_snapshot)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    kit_go_on(s, kit_config(0, "{\"Prefix 203.0.113.0/24\":\"\",\"Prefix 10.0.0.0/8\":\"\"}"));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 1, .attack = "A", .target = "203.0.113.1" }));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 3, .attack = "B", .target = "10.0.0.1" }));
    kit_prune(s, KIT_T(2)); /* A has a base, B does not */
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 4, .attack = "A", .correlation = "X",
                                        .target = "203.0.113.1" }));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 5, .attack = "B", .correlation = "X",
                                        .target = "203.0.113.1" }));
    ck_assert_str_eq(prefixes(s, "B"), "[\"10.0.0.0/8\",\"203.0.113.0/24\"]");
    kit_check_rebuild(s, "joined");
}
END_TEST

/* The attack's row keeps 64 targets; the others do not lose their prefix. */
START_TEST(test_targets_cut)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    int i;

    for (i = 0; i < 70; i++) {
        kit_go_on(s, kit_alert((kit_say_t){ .ts = i, .attack = "A",
                                            .target = apr_psprintf(unit_pool, "10.0.0.%d", i) }));
    }
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 80, .attack = "A", .target = "203.0.113.1" }));
    ck_assert_int_eq(kit_int(s, "SELECT instr(targets, '203.0') FROM attack"), 0);
    kit_go_on(s, kit_prefix(81, "b1", "203.0.113.0/24", 0, 0));
    kit_go_on(s, kit_prefix(82, "b2", "10.0.0.0/24", 0, 0));
    ck_assert_str_eq(prefixes(s, "A"), "[\"10.0.0.0/24\",\"203.0.113.0/24\"]");
    kit_check_rebuild(s, "cut");
    kit_prune(s, KIT_T(81)); /* the events are gone, what they said of prefixes is not */
    kit_check_rebuild(s, "cut, pruned");
    ck_assert_str_eq(kit_text(s, "SELECT prefixes FROM attack"),
                     "[\"10.0.0.0/24\",\"203.0.113.0/24\"]");
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 82, .attack = "A", .target = "10.0.0.1" }));
    kit_go_on(s, kit_prefix(83, "b3", "192.0.2.0/24", 0, 0)); /* whatever changes then */
    ck_assert_str_eq(kit_text(s, "SELECT prefixes FROM attack"),
                     "[\"10.0.0.0/24\",\"203.0.113.0/24\"]");
    /* where in the /24 nobody knows any more */
    kit_go_on(s, kit_prefix(84, "b4", "203.0.113.0/25", 0, 0));
    kit_go_on(s, kit_prefix(85, "b1", "203.0.113.0/24", 0, 1));
    ck_assert_str_eq(kit_text(s, "SELECT prefixes FROM attack"),
                     "[\"10.0.0.0/24\",\"203.0.113.0/25\"]");
    kit_check_rebuild(s, "cut, pruned, mapped");
    kit_prune(s, KIT_T(84));
    kit_check_rebuild(s, "cut, pruned, mapped, pruned");
}
END_TEST

/* Nor does a pruned one, when the events that are left have all the places in the row. */
START_TEST(test_pruned_target_cut)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    int i;

    kit_go_on(s, kit_alert((kit_say_t){ .ts = 0, .attack = "A", .target = "203.0.113.1" }));
    kit_prune(s, KIT_T(1));
    for (i = 0; i < 70; i++) {
        kit_go_on(s, kit_alert((kit_say_t){ .ts = 2 + i, .attack = "A",
                                            .target = apr_psprintf(unit_pool, "10.0.0.%d", i) }));
    }
    kit_go_on(s, kit_prefix(81, "b1", "203.0.113.0/24", 0, 0));
    ck_assert_str_eq(prefixes(s, "A"), "[\"203.0.113.0/24\"]");
    kit_check_rebuild(s, "pruned target cut");
}
END_TEST

UNIT_SUITE_BEGIN(project_map)
    UNIT_TEST(test_mapping)
    UNIT_TEST(test_rules)
    UNIT_TEST(test_unplaced)
    UNIT_TEST(test_end_of_a_rule)
    UNIT_TEST(test_bounded)
    UNIT_TEST(test_no_pruning_in_a_rebuild)
    UNIT_TEST(test_joined_behind_a_snapshot)
    UNIT_TEST(test_targets_cut)
    UNIT_TEST(test_pruned_target_cut)
UNIT_SUITE_END
