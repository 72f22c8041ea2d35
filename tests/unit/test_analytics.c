/*
 * Unit tests of src/cloudflare/analytics.c and analytics_query.c: prefixes to subnets and patterns,
 * rows to sums, cut answers and their halves. tests/sim/test_client_queries.py judges the queries
 * by the published schema and lets the simulator answer them.
 */
#include <time.h>

#include <apr_strings.h>

#include "kit.h"
#include "rows.h"

#define MINUTE_0 ((apr_time_t)1800000000 * APR_USEC_PER_SEC)
#define M(n) (MINUTE_0 + (n) * CFMT_MINUTE)
#define LIMIT 1000
#define P "data.viewer.accounts.0."

/* The networks of a text, parted by blanks. */
static cfmt_traffic_piece_t piece_of(const char *networks, int from, int to)
{
    cfmt_traffic_piece_t piece = {.from = M(from), .to = M(to)};
    char *last, *word, *copy = apr_pstrdup(unit_pool, networks);

    piece.prefixes = apr_array_make(unit_pool, 4, sizeof(cfmt_cidr_t));
    for (word = apr_strtok(copy, " ", &last); word; word = apr_strtok(NULL, " ", &last)) {
        APR_ARRAY_PUSH(piece.prefixes, cfmt_cidr_t) = rows_cidr(word);
    }
    return piece;
}

static const char *row_text(int minute, const char *subnet, const char *outcome,
                            const char *system, int packets, int bits)
{
    const char *at = cfmt_time_format(unit_pool, M(minute));

    return apr_psprintf(unit_pool,
                        "{\"dimensions\":{\"datetimeMinute\":\"%s\",\"ipDestinationSubnet\":\"%s\","
                        "\"outcome\":\"%s\",\"mitigationSystem\":\"%s\"},"
                        "\"sum\":{\"packets\":%d,\"bits\":%d}}",
                        at, subnet, outcome, system, packets, bits);
}

static void take(cfmt_traffic_reading_t *r, int which, const char *text)
{
    const char *why = "";

    ck_assert_msg(cfmt_traffic_take(r, &why, which, rows_parse(text)) == APR_SUCCESS, "%s: %s",
                  text, why);
}

/* ---- rows to sums ---------------------------------------------------------------------------- */

/* Packets that dosd dropped; which alias they come from: 1 is the subnets where there are any. */
#define DOSD(minute, subnet, n) {minute, 1, subnet, n}
#define WIDE(which, n) {1, which, "", n}
static const struct {
    const char *prefixes;
    struct { int minute, which; const char *subnet; int packets; } rows[5];
    int dosd[4]; /* packets of each prefix in minute 1; bits are ten times as many */
} sums[] = {
    {"198.51.100.0/24", {DOSD(1, "198.51.100.0/24", 5)}, {5}},
    {"198.51.100.0/24", {DOSD(1, "198.51.101.0/24", 5), DOSD(1, "198.51.0.0/16", 3)}, {0}},
    {"198.51.100.0/24", {DOSD(0, "198.51.100.0/24", 5), DOSD(2, "198.51.100.0/24", 3)}, {0}},
    {"198.51.100.0/24", {DOSD(1, "198.51.100.0", 5), DOSD(1, "198.51.100.77", 3)}, {8}},
    /* a shorter one is the sum, a longer one the subnet that covers it */
    {"10.0.0.0/20", {DOSD(1, "10.0.0.0/24", 1), DOSD(1, "10.0.7.0/24", 10),
                     DOSD(1, "10.0.15.0/24", 100), DOSD(1, "10.0.16.0/24", 1000)}, {111}},
    {"10.0.64.0/18", {DOSD(1, "10.0.63.0/24", 1), DOSD(1, "10.0.64.0/24", 10),
                      DOSD(1, "10.0.127.0/24", 100), DOSD(1, "10.0.128.0/24", 1000)}, {110}},
    {"203.0.113.128/25 203.0.113.7", {DOSD(1, "203.0.113.0/24", 5)}, {5, 5}},
    {"2001:db8::/48", {DOSD(1, "2001:db8::/48", 5), DOSD(1, "2001:db8:1::/48", 3)}, {5}},
    {"2001:db8:f:1::/64 2001:db8:f::1", {DOSD(1, "2001:db8:f::/48", 5)}, {5, 5}},
    {"2001:db8:10::/44", {DOSD(1, "2001:db8:f::/48", 1), DOSD(1, "2001:db8:10::/48", 10),
                          DOSD(1, "2001:db8:1f::/48", 100), DOSD(1, "2001:db8:20::/48", 1000)},
     {110}},
    /* however an address is written */
    {"2001:db8:a::/48", {DOSD(1, "2001:0DB8:000A:0000:0000:0000:0000:0000/48", 1),
                         DOSD(1, "2001:DB8:A:0::/48", 10), DOSD(1, "2001:db8:a::", 100)}, {111}},
    /* nested and equal ones each get it, in any order of theirs */
    {"203.0.113.128/25 203.0.113.0/24 203.0.112.0/22 203.0.113.0/24",
     {DOSD(1, "203.0.113.0/24", 5), DOSD(1, "203.0.112.0/24", 3)}, {5, 5, 8, 5}},
    /* wide ones are sums already; one that others lie in takes nothing from them */
    {"2001:db8::/32", {WIDE(1, 5)}, {5}},
    {"10.0.0.0/17 2001:db8::/32", {WIDE(1, 5), WIDE(2, 3)},
     {5, 3}},
    {"2001:db8::/32 2001:db8:1::/48 10.0.0.0/8",
     {DOSD(1, "2001:db8:1::/48", 5), WIDE(2, 50), WIDE(3, 3)}, {50, 5, 3}},
};

START_TEST(test_sums)
{
    cfmt_traffic_piece_t piece = piece_of(sums[_i].prefixes, 1, 2);
    cfmt_traffic_reading_t *r = cfmt_traffic_reading(&piece, LIMIT, unit_pool);
    const cfmt_traffic_t *got;
    int i, n;

    for (i = 0; i < 5 && sums[_i].rows[i].subnet; i++) {
        n = sums[_i].rows[i].packets;
        take(r, sums[_i].rows[i].which,
             row_text(sums[_i].rows[i].minute, sums[_i].rows[i].subnet, "drop", "dosd", n, n * 10));
    }
    for (i = 0; i < piece.prefixes->nelts; i++) {
        got = cfmt_traffic_of(r, i, M(1));
        ck_assert_msg(got->packets[CFMT_SYSTEM_DOSD] == sums[_i].dosd[i], "%s: %d: %f",
                      sums[_i].prefixes, i, got->packets[CFMT_SYSTEM_DOSD]);
        ck_assert(got->bits[CFMT_SYSTEM_DOSD] == sums[_i].dosd[i] * 10);
        ck_assert(cfmt_traffic_of(r, i, M(0))->packets[CFMT_SYSTEM_DOSD] == 0);
        ck_assert(cfmt_traffic_of(r, i, M(2))->packets[CFMT_SYSTEM_DOSD] == 0);
    }
    ck_assert(!cfmt_traffic_cut(r));
}
END_TEST

static const struct {
    const char *outcome, *system;
    int counts; /* as this system; -1 = as passed */
} kinds[] = {
    {"drop", "dosd", CFMT_SYSTEM_DOSD},
    {"drop", "flowtrackd", CFMT_SYSTEM_FLOWTRACKD},
    {"drop", "magic-firewall", CFMT_SYSTEM_FIREWALL},
    {"drop", "", CFMT_SYSTEM_OTHER},
    {"drop", "dosd2", CFMT_SYSTEM_OTHER},
    {"drop", "dos", CFMT_SYSTEM_OTHER},
    {"drop", "dosd\\u0000", CFMT_SYSTEM_OTHER},
    {"pass", "", -1},
    {"pass", "dosd", -1}, /* log mode: it was seen, nothing was done */
    {"rate-limit", "dosd", CFMT_SYSTEM_DOSD},
    {"pass\\u0000", "flowtrackd", CFMT_SYSTEM_FLOWTRACKD},
    {"PASS", "", CFMT_SYSTEM_OTHER},
    {"", "", CFMT_SYSTEM_OTHER},
};

/* One kind counts in one place; the second row of it is added to the first. */
START_TEST(test_kinds)
{
    cfmt_traffic_piece_t piece = piece_of("192.0.2.0/24 2001:db8::/32", 0, 5);
    cfmt_traffic_reading_t *r = cfmt_traffic_reading(&piece, LIMIT, unit_pool);
    int which, s;

    for (which = 1; which <= 2; which++) {
        const cfmt_traffic_t *got;

        take(r, which, row_text(4, "192.0.2.0/24", kinds[_i].outcome, kinds[_i].system, 7, 70));
        take(r, which, row_text(4, "192.0.2.0/24", kinds[_i].outcome, kinds[_i].system, 1, 20));
        got = cfmt_traffic_of(r, which - 1, M(4));
        for (s = 0; s < CFMT_SYSTEMS; s++) {
            ck_assert(got->packets[s] == (s == kinds[_i].counts ? 8 : 0));
            ck_assert(got->bits[s] == (s == kinds[_i].counts ? 90 : 0));
        }
        ck_assert(got->passed_packets == (kinds[_i].counts < 0 ? 8 : 0));
        ck_assert(got->passed_bits == (kinds[_i].counts < 0 ? 90 : 0));
    }
}
END_TEST

#define AT "\"datetimeMinute\":\"2027-01-15T08:00:00Z\""
#define SUBNET "\"ipDestinationSubnet\":\"192.0.2.0/24\""
#define DROP "\"outcome\":\"drop\",\"mitigationSystem\":\"dosd\""
#define SUM "\"sum\":{\"packets\":\"1e4\",\"bits\":4.8e6}"
static const struct {
    const char *row, *why; /* NULL = fine */
    int which;
} broken[] = {
    {"{\"dimensions\":{" AT "," SUBNET "," DROP "}," SUM "}", NULL, 1},
    {"{\"dimensions\":{" AT "," DROP "}," SUM ",\"new\":[{}]}", NULL, 2},
    {"{\"dimensions\":{" AT "," SUBNET ",\"outcome\":\"pass\"}," SUM "}", NULL, 1},
    {"{\"dimensions\":{\"datetimeMinute\":\"2027-01-15T08:00:59.5Z\"," SUBNET "," DROP "}," SUM "}",
     NULL, 1},
    {"{\"dimensions\":{" AT "," DROP "}," SUM "}", "ipDestinationSubnet", 1},
    {"{\"dimensions\":{" AT ",\"ipDestinationSubnet\":\"\"," DROP "}," SUM "}",
     "ipDestinationSubnet", 1},
    {"{\"dimensions\":{" AT ",\"ipDestinationSubnet\":\"192.0.2.0/33\"," DROP "}," SUM "}",
     "ipDestinationSubnet", 1},
    {"{\"dimensions\":{" SUBNET "," DROP "}," SUM "}", "datetimeMinute", 1},
    {"{\"dimensions\":{\"datetimeMinute\":1800000000," SUBNET "," DROP "}," SUM "}",
     "datetimeMinute", 1},
    {"{\"dimensions\":{" AT "," SUBNET ",\"mitigationSystem\":\"dosd\"}," SUM "}", "outcome", 1},
    {"{\"dimensions\":{" AT "," SUBNET ",\"outcome\":null}," SUM "}", "outcome", 1},
    {"{\"dimensions\":{" AT "," SUBNET ",\"outcome\":\"drop\"}," SUM "}", "mitigationSystem", 1},
    {"{\"dimensions\":{" AT "," SUBNET "," DROP "}}", "packets", 1},
    {"{\"dimensions\":{" AT "," SUBNET "," DROP "},\"sum\":{\"packets\":1}}", "bits", 1},
    {"{\"dimensions\":{" AT "," DROP "},\"sum\":{\"packets\":-1,\"bits\":1}}", "packets", 2},
    {"{\"dimensions\":null," SUM "}", "outcome", 1},
    {"[]", "outcome", 1},
    {"{\"dimensions\":{}}", "datetimeMinute", 0},
    {"null", "datetimeMinute", 0},
    {"{\"dimensions\":{" AT "}}", NULL, 0},
    {"{\"dimensions\":{" AT "," SUBNET "," DROP "}," SUM "}", "not asked for", 3},
    {"{\"dimensions\":{" AT "," SUBNET "," DROP "}," SUM "}", "not asked for", -1},
};

START_TEST(test_unreadable)
{
    cfmt_traffic_piece_t piece = piece_of("192.0.2.0/24 2001:db8::/32", 0, 5);
    cfmt_traffic_reading_t *r = cfmt_traffic_reading(&piece, LIMIT, unit_pool);
    const char *why = NULL;
    apr_status_t rv = cfmt_traffic_take(r, &why, broken[_i].which, rows_parse(broken[_i].row));

    if (broken[_i].why) {
        ck_assert_msg(rv == CFMT_EINVALID, "%s", broken[_i].row);
        ck_assert_msg(strstr(why, broken[_i].why) != NULL, "%s: %s", broken[_i].row, why);
        ck_assert(cfmt_traffic_watermark(r) == 0);
        return;
    }
    ck_assert_msg(rv == APR_SUCCESS, "%s: %s", broken[_i].row, why);
    if (broken[_i].which) {
        const cfmt_traffic_t *got = cfmt_traffic_of(r, broken[_i].which - 1, M(0));

        ck_assert(got->packets[CFMT_SYSTEM_DOSD] + got->passed_packets == 1e4);
        ck_assert(got->bits[CFMT_SYSTEM_DOSD] + got->passed_bits == 4.8e6);
    }
}
END_TEST

/* ---- how well it was read -------------------------------------------------------------------- */

START_TEST(test_watermark)
{
    cfmt_traffic_piece_t piece = piece_of("192.0.2.0/24", 100, 110);
    cfmt_traffic_reading_t *r = cfmt_traffic_reading(&piece, LIMIT, unit_pool);
    static const struct {
        int minute, mark;
    } marks[] = {{105, 105}, {103, 105}, {109, 109}, {110, 110}, {119, 119}, {120, 119}, {49, 119}};
    apr_size_t i;

    take(r, 1, row_text(108, "192.0.2.0/24", "pass", "", 1, 1));
    ck_assert_msg(cfmt_traffic_watermark(r) == 0, "only the mark is asked of the whole account");
    for (i = 0; i < KIT_COUNT(marks); i++) {
        take(r, 0, row_text(marks[i].minute, "10.0.0.0/24", "pass", "", 1, 1));
        ck_assert_int_eq((int)((cfmt_traffic_watermark(r) - M(0)) / CFMT_MINUTE), marks[i].mark);
    }
    ck_assert(!cfmt_traffic_cut(r));
}
END_TEST

START_TEST(test_idle)
{
    cfmt_traffic_piece_t piece = piece_of("192.0.2.0/24", 100, 110);
    cfmt_traffic_reading_t *r = cfmt_traffic_reading(&piece, LIMIT, unit_pool);

    ck_assert(cfmt_traffic_watermark(r) == 0 && !cfmt_traffic_cut(r));
    ck_assert(cfmt_traffic_of(r, 0, M(105))->passed_packets == 0);
    /* of an hour ago: not now; what comes from before or behind it is no answer to the question */
    take(r, 0, row_text(49, "192.0.2.0/24", "pass", "", 1, 1));
    take(r, 0, row_text(120, "192.0.2.0/24", "pass", "", 1, 1));
    ck_assert(cfmt_traffic_watermark(r) == 0);
    take(r, 0, row_text(50, "192.0.2.0/24", "pass", "", 1, 1));
    ck_assert(cfmt_traffic_watermark(r) == M(50));
}
END_TEST

/* The limit is one alias's own; rows that nobody asked for fill it, too, the mark never does. */
START_TEST(test_cut)
{
    cfmt_traffic_piece_t piece = piece_of("192.0.2.0/24 2001:db8::/32 10.0.0.0/8", 0, 9);
    cfmt_traffic_reading_t *r = cfmt_traffic_reading(&piece, 3, unit_pool);
    const char *inside = row_text(1, "192.0.2.0/24", "pass", "", 1, 1);
    const char *outside = row_text(50, "203.0.113.0/24", "pass", "", 1, 1);
    int i;

    for (i = 0; i < 5; i++) {
        take(r, 0, inside);
    }
    for (i = 0; i < 2; i++) {
        take(r, 1, outside);
        take(r, 2, inside);
        take(r, 3, inside);
    }
    ck_assert(!cfmt_traffic_cut(r));
    take(r, 1 + _i, outside);
    ck_assert(cfmt_traffic_cut(r));
    ck_assert(cfmt_traffic_of(r, 1, M(1))->passed_packets == 2);
}
END_TEST

/* ---- halves ---------------------------------------------------------------------------------- */

/* Counts how often each minute of each prefix is asked for; ends when nothing can be halved. */
static int cover(const cfmt_traffic_piece_t *piece, int depth, char *seen, int minutes,
                 const cfmt_traffic_piece_t *all)
{
    cfmt_traffic_piece_t halves[2];
    int i, k, width = (int)((piece->to - piece->from) / CFMT_MINUTE);

    ck_assert(width > 0 && piece->prefixes->nelts > 0 && piece->from >= all->from
              && piece->to <= all->to);
    if (depth && cfmt_traffic_halve(halves, piece, unit_pool)) {
        ck_assert_msg(width == 1 || (halves[0].prefixes->nelts == piece->prefixes->nelts
                                     && halves[1].prefixes->nelts == piece->prefixes->nelts),
                      "time goes first");
        return cover(&halves[0], depth - 1, seen, minutes, all)
               + cover(&halves[1], depth - 1, seen, minutes, all);
    }
    ck_assert(!depth || (width == 1 && piece->prefixes->nelts == 1) || !"could be halved");
    for (i = 0; i < piece->prefixes->nelts; i++) {
        for (k = 0; k < all->prefixes->nelts
             && cfmt_cidr_compare(&APR_ARRAY_IDX(piece->prefixes, i, cfmt_cidr_t),
                                  &APR_ARRAY_IDX(all->prefixes, k, cfmt_cidr_t)); k++) {
        }
        ck_assert(k < all->prefixes->nelts);
        k = k * minutes + (int)((piece->from - all->from) / CFMT_MINUTE);
        for (width = (int)((piece->to - piece->from) / CFMT_MINUTE); width; width--) {
            seen[k + width - 1]++;
        }
    }
    return 1;
}

/* Of random pieces: halves cover the whole exactly, nothing twice, down to single minutes. */
START_TEST(test_halves)
{
    unsigned seed = 7;
    int round, i, depth, minutes, prefixes, leaves;

    for (round = 0; round < 200; round++) {
        cfmt_traffic_piece_t piece = {.from = M(kit_random(&seed, 5000))};
        char seen[40 * 20] = "";

        minutes = 1 + (int)kit_random(&seed, 40);
        prefixes = 1 + (int)kit_random(&seed, 20);
        piece.to = piece.from + minutes * CFMT_MINUTE;
        piece.prefixes = apr_array_make(unit_pool, prefixes, sizeof(cfmt_cidr_t));
        for (i = 0; i < prefixes; i++) {
            APR_ARRAY_PUSH(piece.prefixes, cfmt_cidr_t) =
                rows_cidr(apr_psprintf(unit_pool, "10.%d.0.0/16", i));
        }
        depth = (int)kit_random(&seed, 4) ? (int)kit_random(&seed, 5) : 1000;
        leaves = cover(&piece, depth, seen, minutes, &piece);
        ck_assert(leaves <= 1 << (depth < 5 ? depth : 20));
        ck_assert(depth < 1000 || leaves == minutes * prefixes);
        for (i = 0; i < minutes * prefixes; i++) {
            ck_assert_int_eq(seen[i], 1);
        }
    }
}
END_TEST

START_TEST(test_no_halves)
{
    cfmt_traffic_piece_t halves[2], piece = piece_of("192.0.2.0/24", 3, 4);

    ck_assert(!cfmt_traffic_halve(halves, &piece, unit_pool));
    piece = piece_of("192.0.2.0/24", 3, 6);
    ck_assert(cfmt_traffic_halve(halves, &piece, unit_pool));
    ck_assert(halves[0].from == M(3) && halves[0].to == M(4) && halves[1].from == M(4)
              && halves[1].to == M(6));
}
END_TEST

/* ---- the question ---------------------------------------------------------------------------- */

static const struct {
    const char *prefixes, *subnets, *wide[3]; /* NULL = not asked for */
} asked[] = {
    {"192.0.2.0/24", "\"192.0.2.0/24\"", {NULL}},
    {"203.0.113.128/25 203.0.113.0/24 203.0.113.9", "\"203.0.113.0/24\"", {NULL}},
    {"10.0.2.0/23 2001:db8:f:1::/64", "\"10.0.2.0/24\",\"10.0.3.0/24\",\"2001:db8:f::/48\"",
     {NULL}},
    {"2001:db8:0:1::/64", "\"2001:db8::/48\"", {NULL}},
    {"2001:db8::/32", NULL, {"2001:db8:%"}},
    {"192.0.2.0/24 2001:db8::/32 10.0.0.0/8", "\"192.0.2.0/24\"", {"2001:db8:%", "10.%"}},
    {"10.9.0.0/16 10.9.0.0/15", NULL, {"10.9.%", "10.8.% 10.9.%"}},
    {"2001:db8:4::/43", NULL, /* eight of its 32 */
     {"2001:db8:0:% 2001:db8::% 2001:db8:1:% 2001:db8:2:% 2001:db8:3:% 2001:db8:4:% 2001:db8:5:% "
      "2001:db8:6:% ..."}},
    {"2a06:98c0::/30", NULL, {"2a06:98c0:% 2a06:98c1:% 2a06:98c2:% 2a06:98c3:%"}},
    /* one zero is written, two are not */
    {"2001::/32", NULL, {"2001:0:% 2001::%"}},
    {"2001::/42", NULL,
     {"2001:0:0:% 2001::% 2001:0:1:% 2001:0:2:% 2001:0:3:% 2001:0:4:% 2001:0:5:% 2001:0:6:% ..."}},
    {"2001:0:20::/43", NULL,
     {"2001:0:20:% 2001:0:21:% 2001:0:22:% 2001:0:23:% 2001:0:24:% 2001:0:25:% 2001:0:26:% "
      "2001:0:27:% ..."}},
    {"2002::/16 2001:0:5::/33", NULL, {"2002:%", "2001:0:% 2001::%"}},
    /* too many patterns: all of the hextet before */
    {"2001:db8:8000::/33 2001:db8:fe00::/39 2001:200::/23", NULL,
     {"2001:db8:%", "2001:db8:%", "2001:%"}},
    {"0.0.0.0/0", NULL, {"%"}},
};

static const char *patterns_of(const cfmt_json_t *list)
{
    const char *text = "";
    const cfmt_json_t *item;
    int n = 0;

    for (item = list->child; item && n < 8; item = item->next, n++) {
        text = apr_pstrcat(unit_pool, text, *text ? " " : "",
                           cfmt_json_text(item, "ipDestinationSubnet_like"), NULL);
    }
    return item ? apr_pstrcat(unit_pool, text, " ...", NULL) : text;
}

START_TEST(test_query)
{
    cfmt_traffic_piece_t piece = piece_of(asked[_i].prefixes, 0, 10);
    const cfmt_json_t *doc = rows_parse(cfmt_traffic_query("a\"b", &piece, 777, unit_pool));
    const cfmt_json_t *vars = cfmt_json_get(doc, "variables"), *item;
    const char *query = cfmt_json_text(doc, "query"), *text = "", *name;
    const char *const *paths = cfmt_traffic_rows(&piece, unit_pool);
    int i;

    ck_assert_str_eq(cfmt_json_text(vars, "account"), "a\"b");
    ck_assert_str_eq(cfmt_json_text(vars, "from"), "2027-01-15T08:00:00Z");
    ck_assert_str_eq(cfmt_json_text(vars, "to"), "2027-01-15T08:10:00Z");
    ck_assert_str_eq(cfmt_json_text(vars, "markFrom"), "2027-01-15T07:10:00Z");
    ck_assert_str_eq(cfmt_json_text(vars, "markTo"), "2027-01-15T08:20:00Z");
    ck_assert_str_eq(cfmt_json_text(vars, "limit"), "777");
    ck_assert_str_eq(*paths++, P "mark");
    ck_assert_int_eq(!asked[_i].subnets, !strstr(query, "subnets"));
    if (asked[_i].subnets) {
        ck_assert_str_eq(*paths++, P "subnets");
        for (item = cfmt_json_get(vars, "subnets")->child; item; item = item->next) {
            text = apr_psprintf(unit_pool, "%s%s\"%s\"", text, *text ? "," : "", item->text);
        }
        ck_assert_str_eq(text, asked[_i].subnets);
    }
    for (i = 0; i < 3 && asked[_i].wide[i]; i++) {
        name = apr_psprintf(unit_pool, "wide%d", i);
        ck_assert_str_eq(*paths++, apr_pstrcat(unit_pool, P, name, NULL));
        ck_assert_str_eq(patterns_of(cfmt_json_get(vars, name)), asked[_i].wide[i]);
        ck_assert_ptr_ne(strstr(query, apr_pstrcat(unit_pool, "$", name, "}", NULL)), NULL);
    }
    ck_assert(*paths == NULL && !strstr(query, apr_psprintf(unit_pool, "wide%d", i)));
}
END_TEST

/* The range of the mark is never longer than that of a long piece: the plan limits both. */
START_TEST(test_long_piece)
{
    cfmt_traffic_piece_t piece = piece_of("192.0.2.0/24", 0, 1440);
    const cfmt_json_t *vars =
        cfmt_json_get(rows_parse(cfmt_traffic_query("a", &piece, 10, unit_pool)), "variables");

    ck_assert_str_eq(cfmt_json_text(vars, "markFrom"), "2027-01-15T08:10:00Z");
    ck_assert_str_eq(cfmt_json_text(vars, "markTo"), "2027-01-16T08:10:00Z");
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

#define SETTINGS(members) "{\"magicTransitNetworkAnalyticsAdaptiveGroups\":{" members "}}"
static const struct {
    const char *row;
    int page, duration, history; /* 0 = refused */
} plans[] = {
    {SETTINGS("\"maxPageSize\":500,\"maxDuration\":3600,\"notOlderThan\":604800"), 500, 3600,
     604800},
    {SETTINGS("\"maxPageSize\":\"500\""), 500, 86400, 31 * 86400},
    {SETTINGS(""), 10000, 86400, 31 * 86400},
    {SETTINGS("\"maxPageSize\":0,\"maxDuration\":0,\"notOlderThan\":0"), 10000, 86400, 31 * 86400},
    {SETTINGS("\"maxPageSize\":-1,\"maxDuration\":59,\"notOlderThan\":null"), 10000, 86400,
     31 * 86400},
    {SETTINGS("\"maxPageSize\":50000,\"maxDuration\":259200,\"notOlderThan\":1e99"), 10000, 259200,
     31 * 86400},
    {SETTINGS("\"maxPageSize\":9223372036854775808,\"maxDuration\":9223372036854775807"), 10000,
     86400, 31 * 86400},
    {"{}", 0, 0, 0},
    {"{\"magicTransitNetworkAnalyticsAdaptiveGroups\":null}", 0, 0, 0},
    {"[]", 0, 0, 0},
};

START_TEST(test_limits)
{
    cfmt_analytics_limits_t l = {.page = 7};
    const char *why = NULL;
    apr_status_t rv = cfmt_analytics_limits_read(&l, &why, rows_parse(plans[_i].row));

    if (!plans[_i].page) {
        ck_assert(rv == CFMT_EINVALID && l.page == 7);
        ck_assert_ptr_ne(strstr(why, "is missing"), NULL);
        return;
    }
    ck_assert_int_eq(rv, APR_SUCCESS);
    ck_assert_int_eq(l.page, plans[_i].page);
    ck_assert_int_eq((int)apr_time_sec(l.duration), plans[_i].duration);
    ck_assert_int_eq((int)apr_time_sec(l.history), plans[_i].history);
}
END_TEST

/* ---- size ------------------------------------------------------------------------------------ */

/* 1,000 prefixes, ten minutes, three rows each: of processor time, in a build with sanitizers. */
START_TEST(test_thousand_prefixes)
{
    cfmt_traffic_piece_t piece = piece_of("", 0, 10);
    cfmt_traffic_reading_t *r;
    clock_t begin;
    int i, k, n;

    for (i = 0; i < 1000; i++) {
        APR_ARRAY_PUSH(piece.prefixes, cfmt_cidr_t) =
            rows_cidr(apr_psprintf(unit_pool, "10.%d.%d.0/24", i / 250, i % 250));
    }
    r = cfmt_traffic_reading(&piece, 100000, unit_pool);
    begin = clock();
    for (i = 0; i < 1000; i++) {
        const char *subnet = apr_psprintf(unit_pool, "10.%d.%d.0/24", i / 250, i % 250);

        for (k = 0; k < 10; k++) {
            take(r, 1, row_text(k, subnet, "drop", "dosd", i + k, 1));
            take(r, 1, row_text(k, subnet, "drop", "flowtrackd", 1, 1));
            take(r, 1, row_text(k, subnet, "pass", "", 1, 1));
        }
    }
    ck_assert_msg(clock() - begin < 5 * CLOCKS_PER_SEC, "parsing included");
    for (i = 0, n = 0; i < 1000; i++) {
        for (k = 0; k < 10; k++) {
            n += cfmt_traffic_of(r, i, M(k))->packets[CFMT_SYSTEM_DOSD] == i + k;
        }
    }
    ck_assert_int_eq(n, 10000);
}
END_TEST

#define UNIT_LOOP(fn, table) tcase_add_loop_test(tc, fn, 0, KIT_COUNT(table));

UNIT_SUITE_BEGIN(analytics)
    UNIT_LOOP(test_sums, sums)
    UNIT_LOOP(test_kinds, kinds)
    UNIT_LOOP(test_unreadable, broken)
    UNIT_TEST(test_watermark)
    UNIT_TEST(test_idle)
    tcase_add_loop_test(tc, test_cut, 0, 3);
    UNIT_TEST(test_halves)
    UNIT_TEST(test_no_halves)
    UNIT_LOOP(test_query, asked)
    UNIT_TEST(test_long_piece)
    UNIT_LOOP(test_limits, plans)
    UNIT_TEST(test_thousand_prefixes)
UNIT_SUITE_END
