/*
 * Attacks by traffic in the projection: rows of what traffic says, with alerts about the same, in
 * any order that they can have; joined attacks keep the alert's id and are found by either; a
 * rebuild, retention and snapshots change nothing.
 */
#include <string.h>

#include <apr_strings.h>

#include "engine/row_event.h"
#include "kit.h"
#include "unit.h"

#define NET "203.0.113.0/24"

/* ---- rows ------------------------------------------------------------------------------------ */

static kit_row_t row_of(const cfmt_say_t *s, int at)
{
    return (kit_row_t){ "attack", KIT_T(at), cfmt_row_say(s, unit_pool) };
}

/* what: about the minute of `ts`, journaled at `at`. */
static kit_row_t said(int at, cfmt_says_e what, const char *id, int ts, double pps)
{
    cfmt_say_t s = { .what = what, .id = id, .at = KIT_T(ts), .pps = pps, .bps = 100 * pps,
                     .by = CFMT_SYSTEM_DOSD };

    if (what != CFMT_SAYS_CALM && what != CFMT_SAYS_TIMEOUT) {
        ck_assert_int_eq(cfmt_cidr_parse(&s.prefix, NULL, NET), APR_SUCCESS);
    }
    return row_of(&s, at);
}

static kit_row_t joined(int at, const char *id, const char *with)
{
    cfmt_say_t s = { .what = CFMT_SAYS_JOIN, .id = id, .with = with };

    return row_of(&s, at);
}

static kit_row_t alert(int ts, const char *attack, int end)
{
    return kit_alert((kit_say_t){ .ts = ts, .attack = attack, .end = end,
                                  .target = end ? NULL : "203.0.113.7", .pps = end ? 0 : 5 });
}

static cfmt_store_t *open_store(const char *name)
{
    cfmt_store_t *s = kit_open(name);

    kit_go_on(s, kit_config(0, KIT_CONFIG));
    return s;
}

/* Our id of the attack that this row opens. */
static const char *id_of(kit_row_t row)
{
    static int n;
    cfmt_store_t *s = open_store(apr_psprintf(unit_pool, "id%d.db", n++));
    const char *id;

    kit_go_on(s, row);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 1);
    id = kit_text(s, "SELECT id FROM attack");
    cfmt_store_close(s);
    return id;
}

static const cfmt_attack_row_t *find(cfmt_store_t *s, const char *name)
{
    apr_array_header_t *rows;

    ck_assert_int_eq(cfmt_query_attack_find(s, name, &rows, unit_pool), APR_SUCCESS);
    ck_assert_msg(rows->nelts == 1, "%d attacks are called %s", rows->nelts, name);
    return &APR_ARRAY_IDX(rows, 0, cfmt_attack_row_t);
}

/* ---- one by one ------------------------------------------------------------------------------ */

START_TEST(test_by_traffic_alone)
{
    cfmt_store_t *s = open_store("cfmt.db");
    kit_row_t open = said(300, CFMT_SAYS_OPEN, NULL, 60, 3000);
    const char *id = id_of(open);
    const cfmt_attack_row_t *a;

    kit_go_on(s, open);
    kit_go_on(s, said(310, CFMT_SAYS_OPEN, NULL, 60, 3000)); /* again, as after a crash */
    a = find(s, id);
    ck_assert_str_eq(a->state, "open");
    ck_assert(a->started_at == KIT_T(60) && a->events == 1 && a->alert_types->nelts == 0
              && !a->target_missing && a->peak_pps_at == KIT_T(60));
    ck_assert_str_eq(APR_ARRAY_IDX(a->prefixes, 0, const char *), NET);
    ck_assert_str_eq(a->peak_pps_by, "dosd");
    kit_go_on(s, said(320, CFMT_SAYS_PEAK, id, 120, 9000));
    kit_go_on(s, said(1500, CFMT_SAYS_CALM, id, 1200, 0));
    a = find(s, id);
    ck_assert_str_eq(a->state, "ended");
    ck_assert_str_eq(a->ended_by, "calm");
    ck_assert(a->ended_at == KIT_T(1200) && a->last_at == KIT_T(1200) && a->peak_pps > 8999
              && a->peak_bps_at == KIT_T(120));
    kit_go_on(s, said(1600, CFMT_SAYS_REOPEN, id, 1300, 2500));
    ck_assert_str_eq(find(s, id)->state, "open");
    ck_assert_int_eq(find(s, id)->episodes, 2);
    kit_go_on(s, said(90000, CFMT_SAYS_TIMEOUT, id, 1300, 0));
    ck_assert_str_eq(find(s, id)->ended_by, "timeout");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event"), 5);
    kit_check_rebuild(s, "by traffic alone");
}
END_TEST

/* Of one that is not there: an event that says so, and no attack. */
START_TEST(test_of_nothing)
{
    cfmt_store_t *s = open_store("cfmt.db");

    kit_go_on(s, said(1, CFMT_SAYS_PEAK, "a000000000000", 60, 9));
    kit_go_on(s, said(2, CFMT_SAYS_CALM, "a000000000000", 60, 9));
    kit_go_on(s, said(3, CFMT_SAYS_REOPEN, "a000000000000", 60, 9));
    kit_go_on(s, joined(4, "a000000000000", "a111111111111"));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 0);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event WHERE attack IS NULL"
                                " AND summary LIKE '%: no such attack'"), 3);
    kit_check_rebuild(s, "of nothing");
}
END_TEST

START_TEST(test_join)
{
    cfmt_store_t *s = open_store("cfmt.db");
    kit_row_t open = said(300, CFMT_SAYS_OPEN, NULL, 60, 3000), start = alert(400, "A", 0);
    const char *t = id_of(open), *x = id_of(start);
    const cfmt_attack_row_t *a;

    kit_go_on(s, open);
    kit_go_on(s, start);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 2);
    kit_go_on(s, said(401, CFMT_SAYS_PEAK, t, 120, 9000));
    kit_go_on(s, joined(402, t, x));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 1);
    a = find(s, "A");
    ck_assert_str_eq(a->id, x);
    ck_assert_str_eq(find(s, t)->id, x);
    ck_assert_str_eq(find(s, x)->id, x);
    ck_assert(a->started_at == KIT_T(60) && a->events == 2 && a->peak_pps_at == KIT_T(120)
              && a->alert_types->nelts == 1);
    kit_go_on(s, joined(403, t, x)); /* again */
    kit_go_on(s, said(404, CFMT_SAYS_PEAK, t, 180, 9500)); /* by its old name */
    ck_assert(find(s, "A")->peak_pps > 9499);
    kit_go_on(s, alert(500, "A", 1));
    ck_assert_str_eq(find(s, t)->ended_by, "end");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack WHERE state = 'open'"), 0);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event WHERE attack IS NULL"), 0);
    kit_check_rebuild(s, "joined");
}
END_TEST

/* ---- any order ------------------------------------------------------------------------------- */

/* A row, and which others are before it whatever the order: who speaks of an attack has seen it. */
typedef struct node_t {
    kit_row_t row;
    unsigned after; /* bits */
} node_t;

#define NODES 11

static void make_nodes(node_t *n)
{
    kit_row_t open = said(300, CFMT_SAYS_OPEN, NULL, 60, 3000), x = alert(400, "A", 0),
              y = alert(420, "B", 0);
    const char *t = id_of(open), *a = id_of(x);

    n[0] = (node_t){ open, 0 };
    n[1] = (node_t){ x, 0 };
    n[2] = (node_t){ y, 0 };
    n[3] = (node_t){ said(430, CFMT_SAYS_PEAK, t, 120, 9000), 1 };
    n[4] = (node_t){ said(430, CFMT_SAYS_PEAK, a, 180, 9000), 2 };
    n[5] = (node_t){ joined(440, t, a), 1 | 2 };
    n[6] = (node_t){ alert(900, "A", 1), 0 };
    n[7] = (node_t){ said(1900, CFMT_SAYS_CALM, t, 1800, 0), 1 };
    n[8] = (node_t){ said(2500, CFMT_SAYS_REOPEN, a, 2400, 2500), 2 };
    n[9] = (node_t){ kit_close(2600, t), 0 };
    n[10] = (node_t){ said(2700, CFMT_SAYS_REOPEN, t, 2640, 2600), 1 };
}

/* A random order that heeds `after`. */
static void shuffle(kit_row_t *to, const node_t *n, unsigned *seed)
{
    unsigned placed = 0;
    int i, k;

    for (i = 0; i < NODES; i++) {
        do {
            k = (int)kit_random(seed, NODES);
        } while (placed & 1u << k || (n[k].after & ~placed));
        placed |= 1u << k;
        to[i] = n[k].row;
    }
}

START_TEST(test_any_order)
{
    static const int limits[] = { 1, 3, 200 };
    cfmt_store_t *s = open_store("cfmt.db");
    const char *want = NULL;
    kit_row_t config = kit_config(0, KIT_CONFIG), rows[NODES];
    unsigned seed = 21;
    node_t nodes[NODES];
    int round;

    make_nodes(nodes);
    for (round = 0; round < KIT_CASES(120); round++) {
        shuffle(rows, nodes, &seed);
        kit_wipe(s);
        kit_append(s, &config, 1);
        kit_append(s, rows, NODES);
        kit_project(s, limits[round % KIT_COUNT(limits)]);
        want = want ? want : kit_dump(s, 0, unit_pool);
        kit_same(kit_dump(s, 0, unit_pool), want, "another order");
        if (round % 10 == 0) {
            kit_check_rebuild(s, "rebuilt");
        }
    }
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 2);
    ck_assert_str_eq(find(s, "A")->state, "open");
    ck_assert_int_eq(find(s, "A")->episodes, 3);
    ck_assert(find(s, "A")->peak_pps_at == KIT_T(120)); /* of equal ones the first */
}
END_TEST

/* ---- retention ------------------------------------------------------------------------------- */

/* Whatever is pruned: the same attack by the same names, its peaks; a rebuild is no different. */
static void check_pruned(int open_ended)
{
    cfmt_store_t *s = open_store("cfmt.db");
    kit_row_t rows[NODES];
    node_t nodes[NODES];
    const char *t, *x;
    int i, cut;

    make_nodes(nodes);
    t = id_of(nodes[0].row);
    x = id_of(nodes[1].row);
    for (i = 0; i < NODES; i++) {
        rows[i] = nodes[i].row;
        if (strcmp(rows[i].kind, "command")) { /* whose time is that of its row */
            rows[i].at = KIT_T(1000 + i * 1000);
        }
    }
    for (cut = 0; cut <= NODES; cut++) {
        kit_wipe(s);
        kit_go_on(s, kit_config(0, KIT_CONFIG));
        kit_append(s, rows, open_ended ? NODES : NODES - 1);
        kit_project(s, 200);
        kit_prune(s, KIT_T(500 + cut * 1000));
        kit_check_rebuild(s, apr_psprintf(unit_pool, "pruned before row %d", cut));
        if (open_ended || cut < NODES - 2) { /* else all of it went */
            const cfmt_attack_row_t *a = find(s, t);

            ck_assert_str_eq(a->id, x);
            ck_assert_str_eq(find(s, "A")->id, x);
            ck_assert(a->peak_pps_at == KIT_T(120) && a->peak_pps > 8999);
            ck_assert_str_eq(a->peak_pps_by, "dosd");
            ck_assert_str_eq(a->state, open_ended ? "open" : "ended");
        }
    }
    cfmt_store_close(s);
}

START_TEST(test_retention)
{
    check_pruned(1);
}
END_TEST

START_TEST(test_retention_of_an_ended_one)
{
    check_pruned(0);
}
END_TEST

/* A snapshot of the version before, which did not write when a peak was. */
START_TEST(test_an_older_snapshot)
{
    cfmt_attack_t a, b;
    const char *text, *cut;

    cfmt_attack_init(&a, "a1", unit_pool);
    a.events = 1;
    a.peak_pps = 7;
    a.peak_pps_at = KIT_T(1);
    a.peak_pps_by = "alert";
    text = cfmt_attack_encode(&a, unit_pool);
    ck_assert_int_eq(cfmt_attack_decode(&b, "a1", text, unit_pool), APR_SUCCESS);
    ck_assert(b.peak_pps > 6.9 && b.peak_pps_at == KIT_T(1) && b.peak_bps_by == NULL);
    ck_assert_str_eq(b.peak_pps_by, "alert");
    cut = strstr(text, ",\"pps_at\"");
    ck_assert_ptr_nonnull(cut);
    text = apr_pstrcat(unit_pool, apr_pstrmemdup(unit_pool, text, (apr_size_t)(cut - text)), "}",
                       NULL);
    ck_assert_int_eq(cfmt_attack_decode(&b, "a1", text, unit_pool), APR_SUCCESS);
    ck_assert(b.peak_pps > 6.9 && b.peak_pps_at == 0 && b.peak_pps_by == NULL);
}
END_TEST

UNIT_SUITE_BEGIN(project_attacks)
UNIT_TEST(test_by_traffic_alone)
UNIT_TEST(test_of_nothing)
UNIT_TEST(test_join)
UNIT_TEST(test_any_order)
UNIT_TEST(test_retention)
UNIT_TEST(test_retention_of_an_ended_one)
UNIT_TEST(test_an_older_snapshot)
UNIT_SUITE_END
