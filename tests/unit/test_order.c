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

/* A row to be: an alert, unless it closes an attack or says the state of a tunnel. */
typedef struct line_t {
    kit_say_t say;
    const char *close, *tunnel, *state;
} line_t;

#define MOST 6

typedef struct named_t {
    const char *name, *attacks; /* "state episodes events" of each, by started_at */
    line_t lines[MOST];
} named_t;

#define IP "203.0.113.200"
#define IP6 "2001:db8::7"
#define START(at, ...) { .say = { .ts = at, __VA_ARGS__ } }
#define END(at, ...) { .say = { .end = 1, .ts = at, __VA_ARGS__ } }
#define CLOSE(at, id) { .say = { .ts = at }, .close = id }
#define TUNNEL(at, id, is, of) { .say = { .ts = at, .account = of }, .tunnel = id, .state = is }

static const named_t named[] = {
    { "missing ids", "ended 1 3,open 1 1,",
      { START(10, .attack = "A", .target = IP, .vector = "UDP", .account = OURS, .pps = 5),
        START(11, .attack = "A", .correlation = "C", .target = IP, .vector = "UDP",
              .account = OURS, .pps = 9),
        END(20, .correlation = "C", .account = OURS),
        START(15, .attack = "B", .target = IP6, .vector = "SYN", .pps = 7) } },
    { "equal ts", "ended 1 3,",
      { START(10, .attack = "A", .target = IP, .vector = "UDP", .pps = 5),
        END(10, .attack = "A"),
        START(10, .attack = "A", .target = IP6, .vector = "SYN", .pps = 7) } },
    { "two policies", "ended 1 4,",
      { START(10, .attack = "A", .correlation = "C", .target = IP, .vector = "UDP",
              .policy = "p1", .pps = 5),
        START(10, .attack = "B", .correlation = "C", .target = IP, .vector = "UDP",
              .policy = "p2", .type = "dos_attack_l4", .pps = 6),
        END(20, .attack = "A", .correlation = "C", .target = IP, .vector = "UDP", .policy = "p1"),
        END(20, .attack = "B", .correlation = "C", .target = IP, .vector = "UDP", .policy = "p2",
            .type = "dos_attack_l4") } },
    { "START-END-START", "open 2 3,",
      { START(10, .attack = "A", .target = IP, .vector = "UDP", .pps = 5),
        END(20, .attack = "A"),
        START(30, .attack = "A", .target = IP, .vector = "UDP", .pps = 7) } },
    { "END before START", "open 2 2,",
      { END(10, .attack = "A", .target = IP),
        START(20, .attack = "A", .target = IP, .pps = 1) } },
    { "overlapping", "ended 1 2,ended 1 2,",
      { START(10, .attack = "A", .target = IP, .pps = 1),
        START(15, .attack = "B", .target = IP, .pps = 2),
        END(20, .attack = "A", .target = IP),
        END(25, .attack = "B", .target = IP) } },
    { "late link", "open 2 5,",
      { START(10, .correlation = "X", .target = IP, .pps = 1),
        START(15, .attack = "B", .target = IP6, .pps = 2),
        END(20, .correlation = "X"),
        START(12, .attack = "B", .correlation = "X", .target = IP, .pps = 3),
        START(30, .attack = "A", .correlation = "X", .target = IP, .pps = 3) } },
    { "tuples", "open 1 2,open 1 1,open 1 1,open 1 1,",
      { START(10, .target = IP, .vector = "UDP", .pps = 1),
        START(11, .target = IP, .vector = "UDP", .pps = 2),
        START(12, .target = IP, .vector = "SYN", .pps = 3),
        START(500, .target = IP, .vector = "UDP", .pps = 4),
        START(13, .attack = "A", .target = IP, .vector = "UDP", .pps = 5) } },
    { "operator close", "ended 2 4,",
      { START(10, .attack = "A", .target = IP, .vector = "UDP", .pps = 1),
        CLOSE(20, "A"),
        CLOSE(25, "X"),
        CLOSE(26, "nothing"),
        START(24, .attack = "A", .correlation = "X", .target = IP, .vector = "UDP", .pps = 1) } },
    { "ambiguous close", "ended 1 2,open 1 1,open 1 1,",
      { START(10, .attack = "Q", .target = IP, .account = OURS, .pps = 1),
        START(11, .attack = "B", .correlation = "Q", .target = IP, .account = OURS, .pps = 1),
        CLOSE(20, "Q"),
        START(12, .attack = "Q", .target = IP, .account = "foreign", .pps = 1) } },
    { "accounts", "ended 1 2,open 1 1,",
      { START(10, .attack = "A", .target = IP, .account = OURS, .pps = 1),
        START(11, .attack = "A", .target = IP, .account = "foreign", .pps = 1),
        END(12, .attack = "A", .target = IP, .pps = 1) } },
    { "entities", NULL,
      { TUNNEL(10, "t1", "down", NULL),
        TUNNEL(20, "t1", "healthy", OURS),
        TUNNEL(20, "t1", "degraded", NULL),
        TUNNEL(30, "t1", "down", "foreign"),
        TUNNEL(15, "t2", "down", NULL) } },
    { "six", "ended 2 6,",
      { START(10, .attack = "A", .target = IP, .pps = 1),
        START(10, .attack = "B", .correlation = "X", .target = IP6, .pps = 2),
        END(12, .attack = "B"),
        CLOSE(11, "X"),
        START(13, .attack = "A", .correlation = "X", .pps = 3),
        END(13, .attack = "0", .correlation = "X", .pps = 3) } },
};

typedef struct set_t {
    const char *name, *attacks;
    int n;
    kit_row_t rows[MOST];
} set_t;

static kit_row_t row_of(const line_t *line)
{
    const kit_say_t *say = &line->say;

    if (line->close) {
        return kit_close(say->ts, line->close);
    }
    return line->tunnel ? kit_tunnel(say->ts, line->tunnel, line->state, say->account)
                        : kit_alert(*say);
}

static set_t make_set(const named_t *from)
{
    set_t set = { .name = from->name, .attacks = from->attacks };

    while (set.n < MOST && from->lines[set.n].say.ts) { /* each line has a time */
        set.rows[set.n] = row_of(&from->lines[set.n]);
        set.n++;
    }
    return set;
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
    int c[MOST] = { 0 }, round = 0;
    apr_pool_t *p;
    kit_row_t twice[2 * MOST + 1];

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
    int i;

    for (i = 0; i < KIT_COUNT(named); i++) {
        all_orders(s, make_set(&named[i]));
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
