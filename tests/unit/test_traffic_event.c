/*
 * Unit tests of src/store/traffic*.c: what is kept of a minute, that it is there once whatever was
 * read how often, its list page by page, the largest of each kind, and retention.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store_traffic.h"
#include "kit.h"
#include "rows.h"

#define M(n) (KIT_EPOCH - KIT_EPOCH % CFMT_MINUTE + (n) * CFMT_MINUTE)
#define PREFIX "203.0.113.0/24"

static apr_array_header_t *rows_of(void)
{
    return apr_array_make(unit_pool, 16, sizeof(cfmt_detail_t));
}

static cfmt_detail_t *add(apr_array_header_t *rows, int minute, const char *source, double packets)
{
    cfmt_detail_t *d = apr_array_push(rows);

    memset(d, 0, sizeof(*d));
    d->minute = M(minute);
    d->source = rows_cidr(source);
    d->target = rows_cidr("203.0.113.7");
    d->packets = packets;
    d->bits = packets * 100;
    d->vector = "UDP Flood";
    d->protocol = "UDP";
    d->target_port = 443;
    d->colo = "ZRH";
    return d;
}

static cfmt_traffic_sheet_t *sheet_of(apr_array_header_t *rows, const char *prefix, int minute)
{
    cfmt_cidr_t cidr = rows_cidr(prefix);

    return cfmt_traffic_sheet(&cidr, M(minute), 0, rows, unit_pool);
}

static void put(cfmt_store_t *s, const cfmt_traffic_sheet_t *sheet)
{
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_traffic_put(s, sheet, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
}

/* n sources, the i-th with (i + 1) * 10 packets. */
static void put_sources(cfmt_store_t *s, const char *prefix, int minute, int n)
{
    apr_array_header_t *rows = rows_of();
    int i;

    for (i = 0; i < n; i++) {
        add(rows, minute, apr_psprintf(unit_pool, "9.9.%d.%d", i / 250, i % 250), (i + 1) * 10);
    }
    put(s, sheet_of(rows, prefix, minute));
}

/* ---- a sheet --------------------------------------------------------------------------------- */

static const cfmt_traffic_sum_t *sum_of(const cfmt_traffic_sheet_t *sheet, cfmt_sum_e kind,
                                        const char *name)
{
    int i;

    for (i = 0; i < sheet->sums->nelts; i++) {
        const cfmt_traffic_sum_t *sum = &APR_ARRAY_IDX(sheet->sums, i, cfmt_traffic_sum_t);

        if (sum->kind == kind && !strcmp(sum->name, name)) {
            return sum;
        }
    }
    return NULL;
}

START_TEST(sums_are_those_of_all_rows)
{
    apr_array_header_t *rows = rows_of();
    cfmt_traffic_sheet_t *sheet;
    cfmt_detail_t *d;
    int i;

    for (i = 0; i < 3000; i++) {
        d = add(rows, 0, apr_psprintf(unit_pool, "%d.9.%d.%d", i % 3 ? 9 : 10, i / 250, i % 250),
                10);
        d->asn = 64500 + i % 40;
        d->source_port = 1 + i;
        d->country = i % 2 ? "CH" : NULL;
    }
    add(rows, 0, "8.8.8.8", 1e6)->vector = NULL;
    sheet = sheet_of(rows, PREFIX, 0);
    ck_assert_int_eq(sheet->rows->nelts, CFMT_TRAFFIC_ROWS);
    ck_assert_int_le(sheet->sums->nelts, CFMT_TRAFFIC_SUMS);
    ck_assert(APR_ARRAY_IDX(sheet->rows, 0, cfmt_detail_t).packets == 1e6);
    ck_assert(sum_of(sheet, CFMT_SUM_TOTAL, "")->packets == 1e6 + 30000);
    ck_assert(sum_of(sheet, CFMT_SUM_TOTAL, "")->bits == 100 * (1e6 + 30000));
    ck_assert(sum_of(sheet, CFMT_SUM_SPOOFED, "")->packets == 10000);
    ck_assert(sum_of(sheet, CFMT_SUM_VECTOR, "UDP Flood")->packets == 30000);
    ck_assert(sum_of(sheet, CFMT_SUM_COUNTRY, "CH")->packets == 15000);
    ck_assert(sum_of(sheet, CFMT_SUM_PORT, "UDP/443")->packets == 1e6 + 30000);
    ck_assert(sum_of(sheet, CFMT_SUM_SOURCE, "8.8.8.8")->packets == 1e6);
    ck_assert(sum_of(sheet, CFMT_SUM_TARGET, "203.0.113.7")->packets == 1e6 + 30000);
    for (i = 0; i < sheet->sums->nelts; i++) {
        const cfmt_traffic_sum_t *sum = &APR_ARRAY_IDX(sheet->sums, i, cfmt_traffic_sum_t);

        ck_assert(sum->kind != CFMT_SUM_ASN || (sum->packets == 750 && sum->asn >= 64500));
        ck_assert(!i || sum->kind >= APR_ARRAY_IDX(sheet->sums, i - 1, cfmt_traffic_sum_t).kind);
    }
}
END_TEST

/* Of rows that are all alike a fair share stays, and in each minute the same sources. */
START_TEST(equal_rows_are_chosen_fairly)
{
    cfmt_traffic_sheet_t *sheets[2];
    int k, i, low = 0;

    for (k = 0; k < 2; k++) {
        apr_array_header_t *rows = rows_of();

        for (i = 0; i < 4000; i++) {
            int at = k ? 3999 - i : i;

            add(rows, k, apr_psprintf(unit_pool, "%d.9.%d.%d", at % 2 ? 200 : 9, at / 250,
                                      at % 250), 10);
        }
        sheets[k] = sheet_of(rows, PREFIX, k);
    }
    for (i = 0; i < CFMT_TRAFFIC_ROWS; i++) {
        const cfmt_detail_t *a = &APR_ARRAY_IDX(sheets[0]->rows, i, cfmt_detail_t);

        low += a->source.addr[0] == 9;
        ck_assert(!cfmt_cidr_compare(&a->source,
                                     &APR_ARRAY_IDX(sheets[1]->rows, i, cfmt_detail_t).source));
    }
    ck_assert_msg(low > CFMT_TRAFFIC_ROWS / 4 && low < CFMT_TRAFFIC_ROWS * 3 / 4, "%d", low);
    for (i = 0; i < sheets[0]->sums->nelts; i++) {
        ck_assert_str_eq(APR_ARRAY_IDX(sheets[0]->sums, i, cfmt_traffic_sum_t).name,
                         APR_ARRAY_IDX(sheets[1]->sums, i, cfmt_traffic_sum_t).name);
    }
}
END_TEST

/* ---- once ------------------------------------------------------------------------------------ */

static const char *dump(cfmt_store_t *s)
{
    return apr_pstrcat(unit_pool,
                       kit_text(s, "SELECT group_concat(at || prefix || n || ifnull(source, '')"
                                   " || packets) FROM traffic_event"),
                       kit_text(s, "SELECT group_concat(at || prefix || kind || n || name ||"
                                   " packets) FROM traffic_sum"), NULL);
}

START_TEST(a_minute_is_there_once_and_only_grows)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    const char *before;

    put_sources(s, PREFIX, 0, 20);
    put_sources(s, PREFIX, 1, 3);
    put_sources(s, "203.0.113.128/25", 0, 4);
    before = dump(s);
    put_sources(s, PREFIX, 0, 20);
    kit_same(dump(s), before, "the same again");
    put_sources(s, PREFIX, 0, 19);
    kit_same(dump(s), before, "less: an answer that was not complete");
    put_sources(s, PREFIX, 0, 21);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM traffic_event"), 21 + 3 + 4);
    ck_assert_int_eq(kit_int(s, "SELECT sum(packets) FROM traffic_sum WHERE kind = 0"),
                     10 * (21 * 22 + 3 * 4 + 4 * 5) / 2);
    ck_assert_int_eq(kit_int(s, "SELECT sum(packets) FROM traffic_event"),
                     10 * (21 * 22 + 3 * 4 + 4 * 5) / 2);
}
END_TEST

START_TEST(what_was_said_comes_back)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_array_header_t *rows = rows_of(), *got;
    cfmt_traffic_cursor_t cursor = { .at = M(9) };
    cfmt_detail_t *d = add(rows, 0, "2002:a00::1", 10), want;

    d->rule_id = "r";
    d->rule = "name";
    d->asn = 4200000000LL;
    d->asn_name = "Net";
    d->country = "CH";
    d->flags = "SYN";
    d->source_port = 65535;
    want = *d;
    d = add(rows, 0, "9.9.9.9", 5);
    memset(&d->source, 0, sizeof(d->source));
    d->vector = d->protocol = d->colo = NULL;
    d->target_port = 0;
    put(s, sheet_of(rows, PREFIX, 0));
    ck_assert_int_eq(cfmt_traffic_list(s, rows_of(), 0, &cursor, 9, &got, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(got->nelts, 2);
    d = &APR_ARRAY_IDX(got, 0, cfmt_traffic_row_t).d;
    ck_assert(d->minute == want.minute && d->packets == 10 && d->bits == 1000);
    ck_assert(!cfmt_cidr_compare(&d->source, &want.source)
              && !cfmt_cidr_compare(&d->target, &want.target) && d->asn == want.asn
              && d->source_port == 65535 && d->target_port == 443);
    kit_same(apr_pstrcat(unit_pool, d->vector, d->rule_id, d->rule, d->asn_name, d->country,
                         d->protocol, d->flags, d->colo, NULL),
             "UDP FloodrnameNetCHUDPSYNZRH", "texts");
    ck_assert(APR_ARRAY_IDX(got, 0, cfmt_traffic_row_t).spoofed);
    d = &APR_ARRAY_IDX(got, 1, cfmt_traffic_row_t).d;
    ck_assert(!d->source.family && !d->vector && !d->protocol && !d->colo && !d->target_port
              && !APR_ARRAY_IDX(got, 1, cfmt_traffic_row_t).spoofed);
}
END_TEST

/* ---- the list -------------------------------------------------------------------------------- */

/* Pages of any size give all rows once, the newest minute first, and in it the largest. */
START_TEST(pages_are_the_whole_list)
{
    static const int sizes[] = { 1, 2, 3, 7, 100 };
    cfmt_store_t *s = kit_open("cfmt.db");
    int k, i, seen;

    for (i = 0; i < 5; i++) {
        put_sources(s, PREFIX, 2 * i, 4);
        put_sources(s, "192.0.2.0/24", 2 * i, 3);
    }
    for (k = 0; k < KIT_COUNT(sizes); k++) {
        cfmt_traffic_cursor_t cursor = { .at = M(100) };
        apr_array_header_t *got, *all = apr_array_make(unit_pool, 4, sizeof(cfmt_traffic_row_t));

        do {
            ck_assert_int_eq(cfmt_traffic_list(s, rows_of(), M(2), &cursor, sizes[k], &got,
                                               unit_pool), APR_SUCCESS);
            apr_array_cat(all, got);
        } while (got->nelts == sizes[k]);
        ck_assert_int_eq(all->nelts, 4 * 7);
        for (seen = 1; seen < all->nelts; seen++) {
            const cfmt_traffic_row_t *a = &APR_ARRAY_IDX(all, seen - 1, cfmt_traffic_row_t);
            const cfmt_traffic_row_t *b = a + 1;
            int same = !cfmt_cidr_compare(&a->prefix, &b->prefix);

            ck_assert(a->d.minute > b->d.minute
                      || (a->d.minute == b->d.minute && (!same || a->d.packets > b->d.packets)));
        }
    }
}
END_TEST

START_TEST(a_prefix_is_that_and_what_lies_in_it)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    static const struct { const char *prefix; int rows; } asked[] = {
        { PREFIX, 5 }, { "203.0.113.128/25", 2 }, { "203.0.112.0/22", 5 }, { "192.0.2.0/24", 1 },
        { "10.0.0.0/8", 0 },
    };
    apr_array_header_t *got, *prefixes = apr_array_make(unit_pool, 1, sizeof(cfmt_cidr_t));
    cfmt_tops_t tops;
    int i;

    put_sources(s, PREFIX, 0, 3);
    put_sources(s, "203.0.113.128/25", 0, 2);
    put_sources(s, "192.0.2.0/24", 1, 1);
    apr_array_push(prefixes);
    for (i = 0; i < KIT_COUNT(asked); i++) {
        cfmt_traffic_cursor_t cursor = { .at = M(9) };

        APR_ARRAY_IDX(prefixes, 0, cfmt_cidr_t) = rows_cidr(asked[i].prefix);
        ck_assert_int_eq(cfmt_traffic_list(s, prefixes, 0, &cursor, 99, &got, unit_pool),
                         APR_SUCCESS);
        ck_assert_msg(got->nelts == asked[i].rows, "%s: %d", asked[i].prefix, got->nelts);
        ck_assert_int_eq(cfmt_traffic_tops(s, &tops, prefixes, 0, M(9), 9, unit_pool),
                         APR_SUCCESS);
        ck_assert_int_eq(!tops.packets, !asked[i].rows);
    }
}
END_TEST

/* ---- tops ------------------------------------------------------------------------------------ */

START_TEST(tops_are_over_all_minutes_of_the_time)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_tops_t tops;
    const cfmt_top_t *top;
    int i;

    for (i = 0; i < 45; i++) { /* several pages of time; a gap behind the 40th */
        apr_array_header_t *rows = rows_of();
        int at = i < 40 ? i : 10 * i;

        add(rows, at, "9.9.9.1", 600);
        add(rows, at, "10.0.0.1", 300)->vector = "DNS";
        add(rows, at, i == 20 ? "9.9.9.1" : "9.9.9.2", i == 20 ? 5700 : 300);
        put(s, sheet_of(rows, PREFIX, at));
    }
    ck_assert_int_eq(cfmt_traffic_tops(s, &tops, rows_of(), M(10), M(31), 2, unit_pool),
                     APR_SUCCESS);
    ck_assert(tops.from == M(10) && tops.to == M(31) && !tops.cut && !tops.partial);
    ck_assert(tops.packets == 20 * 1200 + 6600 && tops.bits == tops.packets * 100);
    ck_assert(tops.peak_at == M(20) && tops.peak_pps == 110 && tops.peak_bps == 11000);
    ck_assert(tops.spoofed == 21 * 300 / tops.packets);
    ck_assert_int_eq(tops.of[CFMT_SUM_SOURCE]->nelts, 2);
    top = &APR_ARRAY_IDX(tops.of[CFMT_SUM_SOURCE], 0, cfmt_top_t);
    ck_assert_str_eq(top->sum.name, "9.9.9.1");
    ck_assert(top->sum.packets == 20 * 600 + 6300 && top->share == top->sum.packets / tops.packets
              && !top->spoofed);
    top++;
    ck_assert_str_eq(top->sum.name, "10.0.0.1");
    ck_assert(top->sum.packets == 6300 && top->spoofed);
    top = &APR_ARRAY_IDX(tops.of[CFMT_SUM_VECTOR], 0, cfmt_top_t);
    ck_assert_str_eq(top->sum.name, "UDP Flood");
    ck_assert(top->sum.packets == tops.packets - 6300);
    ck_assert_int_eq(cfmt_traffic_tops(s, &tops, rows_of(), 0, M(900), 2, unit_pool), APR_SUCCESS);
    ck_assert(tops.from == M(0) && tops.to == M(441) && tops.packets == 44 * 1200 + 6600);
    ck_assert_int_eq(cfmt_traffic_tops(s, &tops, rows_of(), M(500), M(600), 2, unit_pool),
                     APR_SUCCESS);
    ck_assert(!tops.from && !tops.packets && !tops.of[CFMT_SUM_SOURCE]->nelts);
}
END_TEST

START_TEST(a_cut_minute_is_said)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_array_header_t *rows = rows_of();
    cfmt_traffic_sheet_t *sheet;
    cfmt_tops_t tops;

    add(rows, 0, "9.9.9.9", 10);
    sheet = sheet_of(rows, PREFIX, 0);
    sheet->cut = 1;
    put(s, sheet);
    put_sources(s, PREFIX, 1, 1);
    ck_assert_int_eq(cfmt_traffic_tops(s, &tops, rows_of(), 0, M(9), 1, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(tops.cut, 1);
    put_sources(s, PREFIX, 0, 2); /* read again, whole */
    ck_assert_int_eq(cfmt_traffic_tops(s, &tops, rows_of(), 0, M(9), 1, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(tops.cut, 0);
}
END_TEST

/* ---- retention ------------------------------------------------------------------------------- */

START_TEST(old_minutes_go_in_small_steps)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_retention_t conf = { .traffic = 10 * CFMT_MINUTE };
    int more = 1, steps = 0;

    while (more && steps < 9) { /* what a fresh store has to do otherwise */
        ck_assert_int_eq(cfmt_retention_step(s, &conf, M(0), &more, unit_pool), APR_SUCCESS);
        steps++;
    }
    for (steps = 0; steps < 30; steps++) {
        put_sources(s, PREFIX, steps, 30);
    }
    for (more = 1, steps = 0; more; steps++) {
        apr_int64_t rows = kit_int(s, "SELECT (SELECT count(*) FROM traffic_event)"
                                      " + (SELECT count(*) FROM traffic_sum)"), left;

        ck_assert_int_eq(cfmt_retention_step(s, &conf, M(30), &more, unit_pool), APR_SUCCESS);
        left = kit_int(s, "SELECT (SELECT count(*) FROM traffic_event)"
                          " + (SELECT count(*) FROM traffic_sum)");
        ck_assert(rows - left <= CFMT_RETENTION_STEP && (more ? left < rows : left == rows));
    }
    ck_assert_int_gt(steps, 5);
    ck_assert_int_eq(kit_int(s, "SELECT count(DISTINCT at) FROM traffic_event"), 10);
    ck_assert_int_eq(kit_int(s, "SELECT count(DISTINCT at) FROM traffic_sum"), 10);
    ck_assert_int_eq(kit_int(s, "SELECT min(at) FROM traffic_event"), M(20));
}
END_TEST

UNIT_SUITE_BEGIN(traffic_event)
UNIT_TEST(sums_are_those_of_all_rows)
UNIT_TEST(equal_rows_are_chosen_fairly)
UNIT_TEST(a_minute_is_there_once_and_only_grows)
UNIT_TEST(what_was_said_comes_back)
UNIT_TEST(pages_are_the_whole_list)
UNIT_TEST(a_prefix_is_that_and_what_lies_in_it)
UNIT_TEST(tops_are_over_all_minutes_of_the_time)
UNIT_TEST(a_cut_minute_is_said)
UNIT_TEST(old_minutes_go_in_small_steps)
UNIT_SUITE_END
