/*
 * Evidence in the store: bodies of journal rows, thresholds from settings, and the table: whatever
 * the order and the pieces in which minutes come, its rows are those of a plain map of minutes.
 */
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "rows.h"
#include "store/store_private.h"
#include "unit.h"

#define DAY apr_time_from_sec(86400)
#define MIDNIGHT (KIT_EPOCH / DAY * DAY)
#define M(n) (MIDNIGHT + (n) * CFMT_MINUTE) /* minutes around it: rows end there */

/* ---- bodies ---------------------------------------------------------------------------------- */

static cfmt_evidence_t *an_answer(void)
{
    cfmt_evidence_t *e = apr_pcalloc(unit_pool, sizeof(*e));
    cfmt_evidence_row_t row = { .prefix = 0, .minute = M(1) };

    e->from = M(0);
    e->to = M(5);
    e->complete = M(4);
    e->prefixes = apr_array_make(unit_pool, 2, sizeof(cfmt_cidr_t));
    APR_ARRAY_PUSH(e->prefixes, cfmt_cidr_t) = rows_cidr("203.0.113.0/24");
    APR_ARRAY_PUSH(e->prefixes, cfmt_cidr_t) = rows_cidr("2001:db8::/32");
    e->rows = apr_array_make(unit_pool, 4, sizeof(cfmt_evidence_row_t));
    APR_ARRAY_PUSH(e->rows, cfmt_evidence_row_t) = row; /* no traffic */
    row.minute = M(2);
    row.traffic.passed_packets = 10;
    row.traffic.packets[CFMT_SYSTEM_FLOWTRACKD] = 9007199254740991.0;
    row.traffic.bits[CFMT_SYSTEM_OTHER] = 1e18;
    APR_ARRAY_PUSH(e->rows, cfmt_evidence_row_t) = row;
    memset(&row.traffic, 0, sizeof(row.traffic));
    row.prefix = 1;
    row.minute = M(0);
    row.traffic.passed_bits = 7;
    APR_ARRAY_PUSH(e->rows, cfmt_evidence_row_t) = row;
    return e;
}

START_TEST(bodies)
{
    cfmt_evidence_t *e = an_answer(), got;
    const char *body = cfmt_evidence_encode(e, unit_pool), *want;

    want = apr_psprintf(unit_pool, "{\"from\":%d,\"to\":%d,\"complete\":%d,\"prefixes\":"
                        "[\"203.0.113.0/24\",\"2001:db8::/32\"],\"rows\":[[0,2,10,0,1,"
                        "9007199254740991,0,3,0,1000000000000000000],[1,0,0,7]]}",
                        (int)apr_time_sec(M(0)), (int)apr_time_sec(M(5)), (int)apr_time_sec(M(4)));
    ck_assert_str_eq(body, want);
    ck_assert_int_eq(cfmt_evidence_decode(&got, body, strlen(body), unit_pool), APR_SUCCESS);
    ck_assert_int_eq(got.prefixes->nelts, 2);
    ck_assert_int_eq(got.rows->nelts, 2); /* the empty one is none */
    ck_assert(APR_ARRAY_IDX(got.rows, 0, cfmt_evidence_row_t).minute == M(2) && !got.idle);
    ck_assert_str_eq(cfmt_evidence_encode(&got, unit_pool), body);
    e->idle = 1;
    e->rows->nelts = 0;
    body = cfmt_evidence_encode(e, unit_pool);
    ck_assert_ptr_nonnull(strstr(body, ",\"idle\":true,"));
    ck_assert_int_eq(cfmt_evidence_decode(&got, body, strlen(body), unit_pool), APR_SUCCESS);
    ck_assert(got.idle && !got.rows->nelts);
}
END_TEST

#define BODY(from, to, prefixes, rows) \
    "{\"from\":" from ",\"to\":" to ",\"complete\":0,\"prefixes\":" prefixes ",\"rows\":" rows "}"

START_TEST(bodies_that_are_none)
{
    static const char *const bad[] = {
        "", "x", "[]", "{}",
        BODY("0", "0", "[]", "[]"), BODY("60", "0", "[]", "[]"), BODY("-60", "0", "[]", "[]"),
        BODY("1", "61", "[]", "[]"), BODY("0", "172860", "[]", "[]"),
        BODY("0", "60", "{}", "[]"), BODY("0", "60", "[]", "{}"), BODY("0", "60", "[1]", "[]"),
        BODY("0", "60", "[\"x\"]", "[]"), BODY("0", "60", "[]", "[[0,0,1,1]]"),
        BODY("0", "60", "[\"::/32\"]", "[[0,1,1,1]]"), BODY("0", "60", "[\"::/32\"]", "[[0,0,1]]"),
        BODY("0", "60", "[\"::/32\"]", "[[0,0,1,-1]]"), BODY("0", "60", "[\"::/32\"]", "[[0,0]]"),
        BODY("0", "60", "[\"::/32\"]", "[[0,0,1,1,0]]"), BODY("0", "60", "[\"::/32\"]", "[1]"),
        BODY("0", "60", "[\"::/32\"]", "[[0,0,1,1,0,1]]"),
        BODY("0", "60", "[\"::/32\"]", "[[0,0,1,1],[0,0,1,1]]"),
        BODY("0", "120", "[\"::/32\"]", "[[0,1,1,1],[0,0,1,1]]"),
        BODY("0", "60", "[\"::/32\",\"::/48\"]", "[[1,0,1,1],[0,0,1,1]]"),
    };
    const char *good = BODY("0", "172800", "[\"::/32\"]", "[[0,2879,1,1,77,5,6,3,1,1]]");
    cfmt_evidence_t e;
    int i;

    for (i = 0; i < KIT_COUNT(bad); i++) {
        ck_assert_msg(cfmt_evidence_decode(&e, bad[i], strlen(bad[i]), unit_pool) == CFMT_EINVALID,
                      "%s", bad[i]);
    }
    ck_assert_int_eq(cfmt_evidence_decode(&e, NULL, 0, unit_pool), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_evidence_decode(&e, good, strlen(good), unit_pool), APR_SUCCESS);
    /* a system of a newer version is an unknown one */
    ck_assert_double_eq(APR_ARRAY_IDX(e.rows, 0, cfmt_evidence_row_t).traffic.packets[3], 6);
}
END_TEST

/* ---- thresholds ------------------------------------------------------------------------------ */

static const struct {
    const char *all, *own, *star, *prefix, *want; /* "Threshold", "Prefix ...", "Prefix *" */
} thresholds[] = {
    { NULL, NULL, NULL, "203.0.113.0/24", "2000 20000000 3 -1 2 0" },
    { "pps=1k bps=5M sustain=4", NULL, NULL, "203.0.113.0/24", "1000 5000000 3 -1 4 0" },
    { "pps=1k", "name=a pps=3k idle=calm", NULL, "203.0.113.0/24", "3000 20000000 3 -1 2 1" },
    { NULL, NULL, "bps=1M systems=dosd,magic-firewall passed-pps=7", "203.0.113.0/24",
      "2000 1000000 5 7 2 0" },
    { NULL, "withdraw=auto", "pps=1", "203.0.113.0/24", "2000 20000000 3 -1 2 0" }, /* own line */
    { NULL, "", "pps=1", "203.0.113.0/24", "2000 20000000 3 -1 2 0" },
    { NULL, "pps=9", "pps=1", "198.51.100.0/24", "1 20000000 3 -1 2 0" }, /* of another prefix */
    { "pps=0 bps=x sustain=0", "pps passed-pps=0 systems=", NULL, "203.0.113.0/24",
      "2000 20000000 3 -1 2 0" }, /* not by our own parser: silence is never an attack */
    { NULL, "systems=flowtrackd,new", NULL, "203.0.113.0/24", "2000 20000000 10 -1 2 0" },
};

START_TEST(thresholds_of_settings)
{
    apr_table_t *settings = apr_table_make(unit_pool, 4);
    cfmt_threshold_t t;
    cfmt_cidr_t c = rows_cidr("203.0.113.7");
    int i;

    for (i = 0; i < KIT_COUNT(thresholds); i++) {
        cfmt_cidr_t prefix = rows_cidr(thresholds[i].prefix);

        apr_table_clear(settings);
        apr_table_setn(settings, "Threshold", thresholds[i].all ? thresholds[i].all : "");
        if (thresholds[i].own) {
            apr_table_setn(settings, "Prefix 203.0.113.0/24", thresholds[i].own);
        }
        if (thresholds[i].star) {
            apr_table_setn(settings, "Prefix *", thresholds[i].star);
        }
        cfmt_threshold_of(&t, settings, &prefix, unit_pool);
        ck_assert_str_eq(apr_psprintf(unit_pool, "%.0f %.0f %u %.0f %d %d", t.pps, t.bps, t.systems,
                                      t.passed_pps, t.sustain, t.idle_calm), thresholds[i].want);
    }
    apr_table_setn(settings, "Prefix 203.0.113.7/32", "pps=5"); /* so hosts are published */
    cfmt_threshold_of(&t, settings, &c, unit_pool);
    ck_assert_double_eq(t.pps, 5);
}
END_TEST

/* ---- a plain map of minutes ------------------------------------------------------------------ */

#define MINUTES 400 /* half of them before midnight */
#define FIRST (-MINUTES / 2)
static const char *const prefixes[] = { "10.0.0.0/24", "2001:db8::/32", "9.0.0.0/24" };
#define PREFIXES KIT_COUNT(prefixes)

typedef struct cell_t {
    int known, verdict, reason, pps, bps, by; /* reason: index into words */
} cell_t;

typedef struct map_t {
    cell_t cell[PREFIXES][MINUTES];
} map_t;

/* The better reason of a verdict is behind the other one. */
static const char *const words[] = { "idle", "below", "passed", "bps", "pps" };

static void map_add(map_t *m, int prefix, int minute, cell_t c)
{
    cell_t *cell = &m->cell[prefix][minute - FIRST];

    if (!cell->known) {
        *cell = c;
        return;
    }
    if (c.verdict > cell->verdict || (c.verdict == cell->verdict && c.reason > cell->reason)) {
        cell->verdict = c.verdict;
        cell->reason = c.reason;
    }
    if (c.pps > cell->pps || (c.pps == cell->pps && c.by < cell->by)) {
        cell->pps = c.pps;
        cell->by = c.by;
    }
    cell->bps = c.bps > cell->bps ? c.bps : cell->bps;
}

static int run_on(const cell_t *c, int i, int midnight)
{
    return c[i].known && c[i].verdict != CFMT_VERDICT_ATTACK && c[i].verdict == c[i - 1].verdict
           && c[i].reason == c[i - 1].reason && !(midnight && i == -FIRST);
}

/* Rows of the table, a line each: "prefix from to verdict reason pps bps by peak". */
static const char *map_lines(const map_t *m, int prefix, int midnight)
{
    apr_array_header_t *out = apr_array_make(unit_pool, 64, sizeof(const char *));
    const cell_t *c = m->cell[prefix];
    int i, from, peak, bps;

    for (i = 0; i < MINUTES; i++) {
        if (!c[i].known) {
            continue;
        }
        for (from = peak = i, bps = c[i].bps; i + 1 < MINUTES && run_on(c, i + 1, midnight); i++) {
            peak = c[i + 1].pps > c[peak].pps ? i + 1 : peak;
            bps = c[i + 1].bps > bps ? c[i + 1].bps : bps;
        }
        APR_ARRAY_PUSH(out, const char *) = apr_psprintf(
            unit_pool, "%s %d %d %s %s %d %d %s %d\n", prefixes[prefix], from + FIRST,
            i + 1 + FIRST, cfmt_verdict_name((cfmt_verdict_e)c[from].verdict),
            words[c[from].reason], c[peak].pps, bps, cfmt_system_name((cfmt_system_e)c[peak].by),
            peak + FIRST);
    }
    return apr_array_pstrcat(unit_pool, out, 0);
}

static const char *span_lines(int prefix, const apr_array_header_t *spans)
{
    apr_array_header_t *out = apr_array_make(unit_pool, 64, sizeof(const char *));
    int i;

    for (i = 0; i < spans->nelts; i++) {
        const cfmt_span_t *s = &APR_ARRAY_IDX(spans, i, cfmt_span_t);

        APR_ARRAY_PUSH(out, const char *) = apr_psprintf(
            unit_pool, "%s %d %d %s %s %.0f %.0f %s %d\n", prefixes[prefix],
            (int)((s->from - MIDNIGHT) / CFMT_MINUTE), (int)((s->to - MIDNIGHT) / CFMT_MINUTE),
            cfmt_verdict_name(s->verdict), s->reason, s->pps, s->bps, cfmt_system_name(s->by),
            (int)((s->peak_at - MIDNIGHT) / CFMT_MINUTE));
    }
    return apr_array_pstrcat(unit_pool, out, 0);
}

#define MINUTE_OF(column) "((" column " - 1699920000000000) / 60000000)"

static const char *table_lines(cfmt_store_t *s, int prefix)
{
    const char *text = kit_text(
        s, apr_psprintf(unit_pool,
                        "SELECT group_concat(line, '') FROM (SELECT prefix || ' ' || "
                        MINUTE_OF("at") " || ' ' || " MINUTE_OF("until") " || ' ' || verdict"
                        " || ' ' || reason || ' ' || CAST(pps AS INTEGER) || ' ' ||"
                        " CAST(bps AS INTEGER) || ' ' || system || ' ' || " MINUTE_OF("peak_at")
                        " || char(10) AS line FROM evidence WHERE prefix = '%s'"
                        " ORDER BY day, at)", prefixes[prefix]));

    return text ? text : "";
}

/* ---- the table is that map ------------------------------------------------------------------- */

typedef struct put_t {
    int prefix, from, to;
    cell_t c;
} put_t;

/* Few values, so that equal and unequal ones meet. */
static put_t a_put(unsigned *seed, int longest)
{
    put_t put = { .prefix = (int)kit_random(seed, PREFIXES) };
    int kind = (int)kit_random(seed, 6);

    put.from = FIRST + (int)kit_random(seed, MINUTES);
    put.to = put.from + 1 + (int)kit_random(seed, kit_random(seed, 3) ? 2 : (unsigned)longest);
    put.to = put.to > -FIRST ? -FIRST : put.to;
    put.c.known = 1;
    put.c.verdict = kind < 3 ? CFMT_VERDICT_CALM : kind < 4 ? CFMT_VERDICT_BETWEEN
                                                            : CFMT_VERDICT_ATTACK;
    put.c.reason = (int)kit_random(seed, 2) + (kind < 3 ? 0 : 3);
    put.c.pps = (int)kit_random(seed, 3) ? 0 : (int)kit_random(seed, 4);
    put.c.bps = (int)kit_random(seed, 3) ? 0 : (int)kit_random(seed, 4);
    put.c.by = put.c.pps ? (int)kit_random(seed, CFMT_SYSTEMS) : CFMT_SYSTEM_OTHER;
    return put;
}

static void store_put(cfmt_store_t *s, const put_t *put, int from, int to)
{
    cfmt_cidr_t c = rows_cidr(prefixes[put->prefix]);
    cfmt_span_t span = { .from = M(from), .to = M(to), .verdict = (cfmt_verdict_e)put->c.verdict,
                         .reason = words[put->c.reason], .pps = put->c.pps, .bps = put->c.bps,
                         .by = (cfmt_system_e)put->c.by };

    ck_assert_msg(cfmt_evidence_put_span(s, &c, &span, unit_pool) == APR_SUCCESS, "%s",
                  cfmt_store_error(s));
}

/* In pieces of random length. */
static void store_pieces(cfmt_store_t *s, const put_t *put, unsigned *seed)
{
    int from, to;

    for (from = put->from; from < put->to; from = to) {
        to = from + 1 + (int)kit_random(seed, 40);
        to = to > put->to ? put->to : to;
        store_put(s, put, from, to);
    }
}

static void same_lines(cfmt_store_t *s, const map_t *m, const char *what)
{
    apr_array_header_t *spans, *sets;
    int i, k;

    ck_assert_int_eq(cfmt_evidence_load_all(s, 0, &sets, unit_pool), APR_SUCCESS);
    for (i = 0; i < PREFIXES; i++) {
        cfmt_cidr_t c = rows_cidr(prefixes[i]);

        kit_same(table_lines(s, i), map_lines(m, i, 1), what);
        ck_assert_int_eq(cfmt_evidence_load(s, &c, 0, &spans, unit_pool), APR_SUCCESS);
        kit_same(span_lines(i, spans), map_lines(m, i, 0), "loaded");
        for (k = 0; k < sets->nelts; k++) {
            const cfmt_evidence_spans_t *set = &APR_ARRAY_IDX(sets, k, cfmt_evidence_spans_t);

            if (!cfmt_cidr_compare(&set->prefix, &c)) {
                kit_same(span_lines(i, set->spans), map_lines(m, i, 0), "of all");
            }
            ck_assert(!k || cfmt_cidr_compare(&set[-1].prefix, &set->prefix) < 0);
        }
    }
    ck_assert_int_eq(sets->nelts, PREFIXES);
}

static void shuffle(put_t *puts, int n, unsigned *seed)
{
    int i;

    for (i = n - 1; i > 0; i--) {
        int k = (int)kit_random(seed, (unsigned)i + 1);
        put_t keep = puts[i];

        puts[i] = puts[k];
        puts[k] = keep;
    }
}

#define PUTS 150

/* Three times in different order and pieces, the last time over what is there. */
static void check_set(cfmt_store_t *s, unsigned seed)
{
    map_t *m = apr_pcalloc(unit_pool, sizeof(*m));
    put_t puts[PUTS];
    int round, i, k;

    for (i = 0; i < PUTS; i++) {
        puts[i] = a_put(&seed, i % 10 ? 30 : MINUTES);
        for (k = puts[i].from; k < puts[i].to; k++) {
            map_add(m, puts[i].prefix, k, puts[i].c);
        }
    }
    for (round = 0; round < 3; round++) {
        if (round < 2) {
            kit_wipe(s);
        }
        ck_assert_int_eq(cfmt_store_begin(s, -1), APR_SUCCESS);
        for (i = 0; i < PUTS; i++) {
            store_pieces(s, &puts[i], &seed);
        }
        ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
        same_lines(s, m, apr_psprintf(unit_pool, "round %d", round));
        shuffle(puts, PUTS, &seed);
    }
}

START_TEST(any_order_gives_the_same_rows)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    unsigned i;

    for (i = 0; i < 25; i++) {
        check_set(s, i * 7919 + 1);
    }
}
END_TEST

/* ---- some by hand ---------------------------------------------------------------------------- */

static void put_one(cfmt_store_t *s, int minute, cfmt_verdict_e v, const char *reason, double pps)
{
    cfmt_cidr_t c = rows_cidr(prefixes[0]);
    cfmt_span_t span = { .from = M(minute), .to = M(minute + 1), .verdict = v, .reason = reason,
                         .pps = pps, .bps = 2 * pps, .by = CFMT_SYSTEM_DOSD };

    ck_assert_int_eq(cfmt_store_begin(s, -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_evidence_put_span(s, &c, &span, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
}

START_TEST(a_minute_is_never_judged_calmer)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    put_one(s, 1, CFMT_VERDICT_ATTACK, "pps", 5000);
    put_one(s, 1, CFMT_VERDICT_CALM, "below", 10);
    put_one(s, 1, CFMT_VERDICT_BETWEEN, "bps", 9000);
    put_one(s, 1, CFMT_VERDICT_UNKNOWN, "unread", 90000); /* says nothing */
    ck_assert_str_eq(table_lines(s, 0), "10.0.0.0/24 1 2 attack pps 9000 18000 dosd 1\n");
    put_one(s, 2, CFMT_VERDICT_ATTACK, "pps", 1);
    put_one(s, 4, CFMT_VERDICT_CALM, "below", 7);
    put_one(s, 3, CFMT_VERDICT_CALM, "below", 0);
    put_one(s, 5, CFMT_VERDICT_CALM, "idle", 0);
    ck_assert_str_eq(table_lines(s, 0), "10.0.0.0/24 1 2 attack pps 9000 18000 dosd 1\n"
                                        "10.0.0.0/24 2 3 attack pps 1 2 dosd 2\n"
                                        "10.0.0.0/24 3 5 calm below 7 14 dosd 4\n"
                                        "10.0.0.0/24 5 6 calm idle 0 0 other 5\n");
}
END_TEST

START_TEST(a_run_that_is_divided_keeps_its_figures)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    put_one(s, 0, CFMT_VERDICT_CALM, "below", 100);
    put_one(s, 1, CFMT_VERDICT_CALM, "below", 500);
    put_one(s, 2, CFMT_VERDICT_CALM, "below", 200);
    put_one(s, 1, CFMT_VERDICT_ATTACK, "bps", 0);
    ck_assert_str_eq(table_lines(s, 0), "10.0.0.0/24 0 1 calm below 100 200 dosd 0\n"
                                        "10.0.0.0/24 1 2 attack bps 500 1000 dosd 1\n"
                                        "10.0.0.0/24 2 3 calm below 200 400 dosd 2\n");
}
END_TEST

/* No figure, however absurd, may stop the projection. */
START_TEST(figures_that_are_none)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    const char *lines;

    put_one(s, 1, CFMT_VERDICT_ATTACK, "pps", 0.0 / 0.0);
    put_one(s, 2, CFMT_VERDICT_ATTACK, "pps", 1e300);
    put_one(s, 3, CFMT_VERDICT_CALM, "new", -1);
    lines = table_lines(s, 0);
    ck_assert_str_eq(lines, "10.0.0.0/24 1 2 attack pps 0 0 other 1\n"
                            "10.0.0.0/24 2 3 attack pps 1000000000000000000 1000000000000000000"
                            " dosd 2\n10.0.0.0/24 3 4 calm new 0 0 other 3\n");
}
END_TEST

START_TEST(loads_what_ends_later)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_cidr_t c = rows_cidr(prefixes[0]), other = rows_cidr("192.0.2.0/24");
    apr_array_header_t *spans, *sets;
    int i;

    for (i = -3; i < 3; i++) {
        put_one(s, i, CFMT_VERDICT_CALM, "below", 10 - i);
    }
    put_one(s, 3, CFMT_VERDICT_ATTACK, "pps", 1);
    put_one(s, 60 * 24 * 40, CFMT_VERDICT_CALM, "below", 0);
    ck_assert_int_eq(cfmt_evidence_load(s, &c, M(0), &spans, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(span_lines(0, spans), "10.0.0.0/24 0 3 calm below 10 20 dosd 0\n"
                                           "10.0.0.0/24 3 4 attack pps 1 2 dosd 3\n"
                                           "10.0.0.0/24 57600 57601 calm below 0 0 other 57600\n");
    ck_assert_int_eq(cfmt_evidence_load(s, &c, M(0) - 1, &spans, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(APR_ARRAY_IDX(spans, 0, cfmt_span_t).from, M(-3)); /* midnight is no border */
    ck_assert_int_eq(cfmt_evidence_load_all(s, M(4), &sets, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(sets->nelts, 1);
    ck_assert_int_eq(APR_ARRAY_IDX(sets, 0, cfmt_evidence_spans_t).spans->nelts, 1);
    ck_assert_int_eq(cfmt_evidence_load_all(s, M(57601), &sets, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(sets->nelts, 0);
    ck_assert_int_eq(cfmt_evidence_load(s, &other, 0, &spans, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(spans->nelts, 0);
}
END_TEST

UNIT_SUITE_BEGIN(evidence)
    UNIT_TEST(bodies)
    UNIT_TEST(bodies_that_are_none)
    UNIT_TEST(thresholds_of_settings)
    UNIT_TEST(any_order_gives_the_same_rows)
    UNIT_TEST(a_minute_is_never_judged_calmer)
    UNIT_TEST(a_run_that_is_divided_keeps_its_figures)
    UNIT_TEST(figures_that_are_none)
    UNIT_TEST(loads_what_ends_later)
UNIT_SUITE_END
