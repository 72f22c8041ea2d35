/*
 * The projection is a function of the set of events: any order and any duplication of it, any split
 * into steps and a rebuild give the same rows. Named sets in all orders, then random ones by seed.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "store/store_private.h"
#include "unit.h"

#define OURS KIT_OURS

static const char config[] = KIT_CONFIG;

/* ---- sets of events -------------------------------------------------------------------------- */

typedef struct set_t {
    const char *name;
    int n;
    kit_row_t rows[6];
    const char *attacks; /* "state episodes events" of each, by started_at */
} set_t;

static set_t make_set(int i)
{
    const char *ip = "203.0.113.200", *ip6 = "2001:db8::7";
    const set_t sets[] = {
        { "missing ids",
          4,
          { kit_alert((kit_say_t){ 0, 10, "A", NULL, ip, "UDP", OURS, NULL, NULL, NULL, 5 }),
            kit_alert((kit_say_t){ 0, 11, "A", "C", ip, "UDP", OURS, NULL, NULL, NULL, 9 }),
            kit_alert((kit_say_t){ 1, 20, NULL, "C", NULL, NULL, OURS, NULL, NULL, NULL, 0 }),
            kit_alert((kit_say_t){ 0, 15, "B", NULL, ip6, "SYN", NULL, NULL, NULL, NULL, 7 }) },
          "ended 1 3,open 1 1," },
        { "equal ts",
          3,
          { kit_alert((kit_say_t){ 0, 10, "A", NULL, ip, "UDP", NULL, NULL, NULL, NULL, 5 }),
            kit_alert((kit_say_t){ 1, 10, "A", NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0 }),
            kit_alert((kit_say_t){ 0, 10, "A", NULL, ip6, "SYN", NULL, NULL, NULL, NULL, 7 }) },
          "ended 1 3," },
        { "two policies",
          4,
          { kit_alert((kit_say_t){ 0, 10, "A", "C", ip, "UDP", NULL, "p1", NULL, NULL, 5 }),
            kit_alert(
                (kit_say_t){ 0, 10, "B", "C", ip, "UDP", NULL, "p2", "dos_attack_l4", NULL, 6 }),
            kit_alert((kit_say_t){ 1, 20, "A", "C", ip, "UDP", NULL, "p1", NULL, NULL, 0 }),
            kit_alert(
                (kit_say_t){ 1, 20, "B", "C", ip, "UDP", NULL, "p2", "dos_attack_l4", NULL, 0 }) },
          "ended 1 4," },
        { "START-END-START",
          3,
          { kit_alert((kit_say_t){ 0, 10, "A", NULL, ip, "UDP", NULL, NULL, NULL, NULL, 5 }),
            kit_alert((kit_say_t){ 1, 20, "A", NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0 }),
            kit_alert((kit_say_t){ 0, 30, "A", NULL, ip, "UDP", NULL, NULL, NULL, NULL, 7 }) },
          "open 2 3," },
        { "END before START",
          2,
          { kit_alert((kit_say_t){ 1, 10, "A", NULL, ip, NULL, NULL, NULL, NULL, NULL, 0 }),
            kit_alert((kit_say_t){ 0, 20, "A", NULL, ip, NULL, NULL, NULL, NULL, NULL, 1 }) },
          "open 2 2," },
        { "overlapping",
          4,
          { kit_alert((kit_say_t){ 0, 10, "A", NULL, ip, NULL, NULL, NULL, NULL, NULL, 1 }),
            kit_alert((kit_say_t){ 0, 15, "B", NULL, ip, NULL, NULL, NULL, NULL, NULL, 2 }),
            kit_alert((kit_say_t){ 1, 20, "A", NULL, ip, NULL, NULL, NULL, NULL, NULL, 0 }),
            kit_alert((kit_say_t){ 1, 25, "B", NULL, ip, NULL, NULL, NULL, NULL, NULL, 0 }) },
          "ended 1 2,ended 1 2," },
        { "late link",
          5,
          { kit_alert((kit_say_t){ 0, 10, NULL, "X", ip, NULL, NULL, NULL, NULL, NULL, 1 }),
            kit_alert((kit_say_t){ 0, 15, "B", NULL, ip6, NULL, NULL, NULL, NULL, NULL, 2 }),
            kit_alert((kit_say_t){ 1, 20, NULL, "X", NULL, NULL, NULL, NULL, NULL, NULL, 0 }),
            kit_alert((kit_say_t){ 0, 12, "B", "X", ip, NULL, NULL, NULL, NULL, NULL, 3 }),
            kit_alert((kit_say_t){ 0, 30, "A", "X", ip, NULL, NULL, NULL, NULL, NULL, 3 }) },
          "open 2 5," },
        { "tuples",
          5,
          { kit_alert((kit_say_t){ 0, 10, NULL, NULL, ip, "UDP", NULL, NULL, NULL, NULL, 1 }),
            kit_alert((kit_say_t){ 0, 11, NULL, NULL, ip, "UDP", NULL, NULL, NULL, NULL, 2 }),
            kit_alert((kit_say_t){ 0, 12, NULL, NULL, ip, "SYN", NULL, NULL, NULL, NULL, 3 }),
            kit_alert((kit_say_t){ 0, 500, NULL, NULL, ip, "UDP", NULL, NULL, NULL, NULL, 4 }),
            kit_alert((kit_say_t){ 0, 13, "A", NULL, ip, "UDP", NULL, NULL, NULL, NULL, 5 }) },
          "open 1 2,open 1 1,open 1 1,open 1 1," },
        { "operator close",
          5,
          { kit_alert((kit_say_t){ 0, 10, "A", NULL, ip, "UDP", NULL, NULL, NULL, NULL, 1 }),
            kit_close(20, "A"), kit_close(25, "X"), kit_close(26, "nothing"),
            kit_alert((kit_say_t){ 0, 24, "A", "X", ip, "UDP", NULL, NULL, NULL, NULL, 1 }) },
          "ended 2 4," },
        { "ambiguous close",
          4,
          { kit_alert((kit_say_t){ 0, 10, "Q", NULL, ip, NULL, OURS, NULL, NULL, NULL, 1 }),
            kit_alert((kit_say_t){ 0, 11, "B", "Q", ip, NULL, OURS, NULL, NULL, NULL, 1 }),
            kit_close(20, "Q"),
            kit_alert((kit_say_t){ 0, 12, "Q", NULL, ip, NULL, "foreign", NULL, NULL, NULL, 1 }) },
          "ended 1 2,open 1 1,open 1 1," },
        { "accounts",
          3,
          { kit_alert((kit_say_t){ 0, 10, "A", NULL, ip, NULL, OURS, NULL, NULL, NULL, 1 }),
            kit_alert((kit_say_t){ 0, 11, "A", NULL, ip, NULL, "foreign", NULL, NULL, NULL, 1 }),
            kit_alert((kit_say_t){ 1, 12, "A", NULL, ip, NULL, NULL, NULL, NULL, NULL, 1 }) },
          "ended 1 2,open 1 1," },
        { "entities",
          5,
          { kit_tunnel(10, "t1", "down", NULL), kit_tunnel(20, "t1", "healthy", OURS),
            kit_tunnel(20, "t1", "degraded", NULL), kit_tunnel(30, "t1", "down", "foreign"),
            kit_tunnel(15, "t2", "down", NULL) },
          NULL },
        { "six",
          6,
          { kit_alert((kit_say_t){ 0, 10, "A", NULL, ip, NULL, NULL, NULL, NULL, NULL, 1 }),
            kit_alert((kit_say_t){ 0, 10, "B", "X", ip6, NULL, NULL, NULL, NULL, NULL, 2 }),
            kit_alert((kit_say_t){ 1, 12, "B", NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0 }),
            kit_close(11, "X"),
            kit_alert((kit_say_t){ 0, 13, "A", "X", NULL, NULL, NULL, NULL, NULL, NULL, 3 }),
            kit_alert((kit_say_t){ 1, 13, "0", "X", NULL, NULL, NULL, NULL, NULL, NULL, 3 }) },
          "ended 2 6," },
    };
    set_t none = { .name = NULL };

    return i < KIT_COUNT(sets) ? sets[i] : none;
}

static const char attacks_sql[] =
    "SELECT group_concat(state || ' ' || episodes || ' ' || events || ',', '') FROM"
    " (SELECT * FROM attack ORDER BY started_at, last_at, id)";

static void run_order(cfmt_store_t *s, const kit_row_t *rows, int n, int limit)
{
    kit_row_t first = kit_config(0, config);

    kit_wipe(s);
    kit_append(s, &first, 1);
    kit_append(s, rows, n);
    kit_project(s, limit);
}

/* Heap's algorithm: the next order, 0 when all have been seen. */
static int permute(kit_row_t *rows, int n, int *c)
{
    int i, k;
    kit_row_t t;

    for (i = 1; i < n; i++) {
        if (c[i] < i) {
            k = i % 2 ? c[i] : 0;
            t = rows[k];
            rows[k] = rows[i];
            rows[i] = t;
            c[i]++;
            memset(c, 0, (size_t)i * sizeof(*c));
            return 1;
        }
    }
    return 0;
}

/*
 * Each order, once plainly, once with every row again behind it and one between, in steps of a size
 * that changes.
 */
static void all_orders(cfmt_store_t *s, set_t set)
{
    static const int limits[] = { 200, 1, 2, 7 };
    const char *want = NULL;
    int c[6] = { 0 }, round = 0;
    apr_pool_t *p;
    kit_row_t twice[14];

    apr_pool_create(&p, unit_pool);
    do {
        run_order(s, set.rows, set.n, limits[round % 4]);
        if (!want) {
            want = kit_dump(s, 0, unit_pool);
            kit_oracle(s);
            ck_assert_msg(!set.attacks || !strcmp(kit_text(s, attacks_sql), set.attacks), "%s: %s",
                          set.name, kit_text(s, attacks_sql));
        }
        kit_same(kit_dump(s, 0, p), want, set.name);
        memcpy(twice, set.rows, sizeof(set.rows[0]) * (size_t)set.n);
        twice[set.n] = set.rows[round % set.n];
        memcpy(twice + set.n + 1, set.rows, sizeof(set.rows[0]) * (size_t)set.n);
        run_order(s, twice, 2 * set.n + 1, limits[(round + 1) % 4]);
        kit_same(kit_dump(s, 0, p), want, set.name);
        apr_pool_clear(p);
        round++;
    } while (permute(set.rows, set.n, c));
}

START_TEST(test_orders)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    set_t set;
    int i;

    for (i = 0; (set = make_set(i)).name; i++) {
        all_orders(s, set);
    }
    ck_assert_int_ge(i, 13);
}
END_TEST

/* ---- random sets ----------------------------------------------------------------------------- */

static const char *pick(unsigned *seed, const char *const *from, int n)
{
    return from[kit_random(seed, (unsigned)n)];
}

static kit_row_t random_row(unsigned *seed)
{
    static const char *const ids[] = { NULL, NULL, "A", "B", "C", "D" };
    static const char *const correlations[] = { NULL, NULL, "X", "Y", "A" };
    static const char *const targets[] = { NULL, "203.0.113.7", "203.0.113.200", "2001:db8::1",
                                           "not an address" };
    static const char *const accounts[] = { NULL, OURS, OURS, "foreign" };
    static const char *const names[] = { "A", "B", "X", "Y", "a7ed618b75606", "nothing" };
    static const char *const states[] = { "down", "healthy", "degraded" };
    static const char *const types[] = { NULL, NULL, "dos_attack_l7", "fbm_dosd_attack" };
    unsigned what = kit_random(seed, 10);
    int ts = (int)kit_random(seed, 6);

    if (what == 0) {
        return kit_close(ts, pick(seed, names, KIT_COUNT(names)));
    }
    if (what == 1) {
        return kit_tunnel(ts, kit_random(seed, 2) ? "t1" : "t2", pick(seed, states, 3),
                          pick(seed, accounts, 4));
    }
    return kit_alert((kit_say_t){ .end = kit_random(seed, 3) == 0,
                                  .ts = ts,
                                  .attack = pick(seed, ids, KIT_COUNT(ids)),
                                  .correlation = pick(seed, correlations, KIT_COUNT(correlations)),
                                  .target = pick(seed, targets, KIT_COUNT(targets)),
                                  .vector = "UDP",
                                  .account = pick(seed, accounts, 4),
                                  .type = pick(seed, types, 4),
                                  .pps = (int)kit_random(seed, 9) });
}

/* rows, each at least once and some twice, in a random order; the number of rows. */
static int shuffle(kit_row_t *out, const kit_row_t *rows, int n, unsigned *seed)
{
    int i, total = n;

    memcpy(out, rows, sizeof(*rows) * (size_t)n);
    for (i = 0; i < n; i++) {
        if (kit_random(seed, 3) == 0) {
            out[total++] = rows[i];
        }
    }
    for (i = total - 1; i > 0; i--) {
        int k = (int)kit_random(seed, (unsigned)i + 1);
        kit_row_t t = out[i];

        out[i] = out[k];
        out[k] = t;
    }
    return total;
}

/* What one event of an attack reaches over shared ids is the attack, no less and no more. */
static const char components_sql[] =
    "WITH RECURSIVE reach(a, id) AS (SELECT attack, min(id) FROM event WHERE attack IS NOT NULL "
    "AND source = 'alert'"
    " GROUP BY attack UNION SELECT r.a, y.id FROM reach r JOIN event x ON x.id = r.id JOIN event y"
    " ON y.source = 'alert' AND y.effect IN (1, 2) AND ifnull(x.account, '" OURS
    "') = ifnull(y.account, '" OURS "')"
    " AND (x.attack_id = y.attack_id OR x.correlation_id = y.correlation_id OR (x.attack_id IS NULL"
    " AND y.attack_id IS NULL AND x.correlation_id IS NULL AND y.correlation_id IS NULL"
    " AND x.alert_type = y.alert_type AND x.target IS y.target)))"
    " SELECT count(*) FROM (SELECT a, count(*) AS n FROM reach GROUP BY a) r JOIN (SELECT attack, "
    "count(*) AS n"
    " FROM event WHERE source = 'alert' AND attack IS NOT NULL GROUP BY attack) e ON e.attack = "
    "r.a WHERE r.n <> e.n";

START_TEST(test_random)
{
    static const int limits[] = { 1, 2, 7, 200 };
    cfmt_store_t *s = kit_open("cfmt.db");
    unsigned seed, r;
    kit_row_t rows[12], mixed[24];
    int i, n, k;

    for (seed = 0; seed < KIT_CASES(300); seed++) {
        const char *want, *what = apr_psprintf(unit_pool, "seed %u", seed);

        r = seed * 2654435761u;
        n = 2 + (int)kit_random(&r, 11);
        for (i = 0; i < n; i++) {
            rows[i] = random_row(&r);
        }
        run_order(s, rows, n, 200);
        want = kit_dump(s, 0, unit_pool);
        kit_oracle(s);
        ck_assert_int_eq(kit_int(s, components_sql), 0);
        for (k = 0; k < 3; k++) {
            int total = shuffle(mixed, rows, n, &r);

            run_order(s, mixed, total, limits[kit_random(&r, 4)]);
            kit_same(kit_dump(s, 0, unit_pool), want, what);
        }
        want = kit_dump(s, 1, unit_pool);
        kit_rebuild(s, limits[kit_random(&r, 4)]);
        kit_same(kit_dump(s, 1, unit_pool), want, apr_pstrcat(unit_pool, what, " rebuilt", NULL));
    }
}
END_TEST

UNIT_SUITE_BEGIN(order)
    UNIT_TEST(test_orders)
    UNIT_TEST(test_random)
UNIT_SUITE_END
