/*
 * How much the store grows in a year: writes what a leader and an intake would write, minute by
 * minute, by the same code, with retention at its defaults once a day, and looks at the file. Built
 * like bench_evidence.c:
 *
 *     gcc -O2 -std=gnu99 -D_GNU_SOURCE -Iinclude -o bench_growth tests/bench/bench_growth.c
 *         .libs/libcfmt.a $(pkg-config --cflags --libs apr-1 apr-util-1 sqlite3 yajl libcurl
 *         libcrypto) -lpthread -lanl -lm
 *     ./bench_growth FILE [days [prefixes [deliveries a day]]]
 *
 * The year is the dearest that DESIGN's figures allow: all prefixes advertised all the time, in
 * every minute of each something dropped, two hours of attack a day with its detail. FILE must not
 * exist. Prints MB by table and index, and the part of the budget; exit status 1 above it. Minutes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <sqlite3.h>

#include "cfmt_engine.h"
#include "cfmt_store_traffic.h"

#define DAY apr_time_from_sec(86400)
#define START (apr_time_from_sec(1700000000) / DAY * DAY)
#define BUDGET_MB 300.0 /* a year, DESIGN.md section 8 */
#define READ 7          /* minutes of a reading; one of them has become complete */
#define ATTACKED 120    /* minutes a day, of one prefix after the other */
#define SAMPLES 400     /* of a minute of attack, each from another source */
#define ACCOUNT "9035f53656c247e895c5a6939ae8a0e0"

static apr_pool_t *pool, *daily;
static int days, prefixes, deliveries;

static void must(apr_status_t rv, const char *what)
{
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s: %s\n", what, cfmt_status_text(rv, pool));
        exit(2);
    }
}

static void append(cfmt_store_t *s, const char *kind, apr_time_t at, const char *body)
{
    cfmt_entry_t row = { .kind = kind, .at = at, .origin = "bench", .body = body };

    row.len = strlen(body);
    must(cfmt_journal_append(s, &row), kind);
}

/* ---- a day of evidence ----------------------------------------------------------------------- */

/* The customer's own rules drop a little in every minute; an attack drops much. */
static cfmt_evidence_row_t row_of(int prefix, apr_time_t minute, int attacked)
{
    cfmt_evidence_row_t row = { .prefix = prefix, .minute = minute };

    row.traffic.packets[CFMT_SYSTEM_FIREWALL] = 10000 * (1 + rand() % 3);
    row.traffic.bits[CFMT_SYSTEM_FIREWALL] = 4.8e6 * (1 + rand() % 3);
    if (attacked) {
        row.traffic.packets[CFMT_SYSTEM_DOSD] = 10000.0 * (3000 + rand() % 3000);
        row.traffic.bits[CFMT_SYSTEM_DOSD] = 4.1e7 * (3000 + rand() % 3000);
    }
    return row;
}

/* As sense_traffic.c reads: of minutes that are not complete only attack is said. */
static void append_reading(cfmt_store_t *s, apr_time_t now, int day)
{
    cfmt_evidence_t e = { .to = now, .from = now - READ * CFMT_MINUTE };
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, daily);
    e.complete = e.from + CFMT_MINUTE;
    e.prefixes = apr_array_make(p, prefixes, sizeof(cfmt_cidr_t));
    e.rows = apr_array_make(p, 64, sizeof(cfmt_evidence_row_t));
    for (i = 0; i < prefixes; i++) {
        apr_time_t at;

        must(cfmt_cidr_parse(apr_array_push(e.prefixes), NULL,
                             apr_psprintf(p, "203.0.%d.0/24", i)), "prefix");
        for (at = e.from; at < e.to; at += CFMT_MINUTE) {
            int attacked = i == day % prefixes && at % DAY < ATTACKED * CFMT_MINUTE;

            if (at < e.complete || attacked) {
                APR_ARRAY_PUSH(e.rows, cfmt_evidence_row_t) = row_of(i, at, attacked);
            }
        }
    }
    append(s, "evidence", now, cfmt_evidence_encode(&e, p));
    apr_pool_destroy(p);
}

/* ---- a day of deliveries --------------------------------------------------------------------- */

static const char *hex(apr_uint64_t number)
{
    return apr_psprintf(daily, "%016" APR_UINT64_T_HEX_FMT "%016" APR_UINT64_T_HEX_FMT,
                        number * (apr_uint64_t)0x9E3779B97F4A7C15, number);
}

/* A START and then its END, of about the size of real ones (1 KB). */
static const char *alert(apr_time_t at, int number)
{
    const char *attack = hex((apr_uint64_t)number / 2), *id = hex((apr_uint64_t)number + 1000000);
    static const char pad[] =
        "An attack was detected and is being mitigated. Open the dashboard for details of this "
        "attack, of its vectors and of the rules that it hit, and to change what is done to it.";

    return apr_psprintf(
        daily,
        "{\"name\":\"Advanced DDoS alert\",\"text\":\"%s\",\"data\":{\"attack_id\":\"%s\","
        "\"alert_id\":\"%s\",\"account_id\":\"" ACCOUNT "\","
        "\"account_name\":\"Example Customer\",\"target_ip\":"
        "\"203.0.%d.7\",\"attack_vector\":\"UDP Flood\",\"attack_type\":\"UDP Flood\",\"protocol\":"
        "\"UDP\",\"target_port\":443,\"packets_per_second\":1200000,\"megabits_per_second\":4915,"
        "\"max_rate\":\"1.2 Mpps\",\"severity\":\"Danger\",\"mitigation\":\"Block\","
        "\"rule_id\":\"%s\",\"rule_name\":\"UDP flood from many sources\","
        "\"rule_description\":\"%s\",\"start_time\":"
        "\"%s\",\"dashboard_link\":\"https://dash.example.com/" ACCOUNT "/network-analytics\"},"
        "\"ts\":%" APR_TIME_T_FMT ",\"account_id\":\"" ACCOUNT "\",\"policy_id\":\"%s\","
        "\"policy_name\":\"Advanced DDoS\",\"alert_type\":\"advanced_ddos_attack_l4_alert\","
        "\"alert_correlation_id\":\"%s\",\"alert_event\":\"ALERT_STATE_EVENT_%s\"}",
        pad, attack, id, number / 2 % prefixes, id, pad, cfmt_time_format(daily, at),
        apr_time_sec(at), hex(7), attack, number % 2 ? "END" : "START");
}

/* Now and then a prefix is announced or withdrawn. */
static void append_state(cfmt_store_t *s, apr_time_t at, int change)
{
    cfmt_bgp_prefix_t b = { .id = hex((apr_uint64_t)(change % prefixes)), .parent = hex(99),
                            .description = "customers", .asn = 64510, .approved = 1, .enabled = 1,
                            .advertised = change / prefixes % 2, .advertised_at = at,
                            .modified_at = at };

    must(cfmt_cidr_parse(&b.cidr, NULL, apr_psprintf(daily, "203.0.%d.0/24", change % prefixes)),
         "prefix");
    append(s, "prefix_state", at, cfmt_prefix_encode(&b, 0, daily));
}

static void append_deliveries(cfmt_store_t *s, apr_time_t midnight, int day)
{
    int i;

    for (i = 0; i < deliveries; i++) {
        apr_time_t at = midnight + i * (DAY / deliveries);

        append(s, "delivery", at, alert(at, day * deliveries + i));
        if (i % 10 == 0) {
            append_state(s, at, (day * deliveries + i) / 10);
        }
    }
}

/* ---- a day of detail ------------------------------------------------------------------------- */

/* Each sample from elsewhere: as many names as there can be. */
static void add_sample(apr_array_header_t *rows, apr_time_t minute, const cfmt_cidr_t *target,
                       int i)
{
    cfmt_detail_t *d = apr_array_push(rows);

    memset(d, 0, sizeof(*d));
    must(cfmt_cidr_parse(&d->source, NULL,
                         apr_psprintf(daily, "%d.%d.%d.7", 20 + rand() % 60, rand() % 256, i % 256)),
         "source");
    d->minute = minute;
    d->target = *target;
    d->vector = "UDP Flood";
    d->rule_id = "36afd2adc3f04a16ba7ec8da2d9a7a2f";
    d->rule = "UDP flood from many sources";
    d->asn = 64500 + rand() % 60;
    d->asn_name = "EXAMPLE-NETWORK-OF-SOMEBODY";
    d->country = "CH";
    d->source_port = 1024 + rand() % 60000;
    d->target_port = 443;
    d->protocol = "UDP";
    d->colo = "FRA06";
    d->packets = 10000 * (1 + rand() % 4);
    d->bits = d->packets * 4100;
}

/* As sense_detail.c stores the minutes of an attack. */
static void put_details(cfmt_store_t *s, apr_time_t midnight, int day)
{
    cfmt_cidr_t prefix, target;
    int minute, i;

    must(cfmt_cidr_parse(&prefix, NULL, apr_psprintf(daily, "203.0.%d.0/24", day % prefixes)),
         "prefix");
    must(cfmt_cidr_parse(&target, NULL, apr_psprintf(daily, "203.0.%d.7", day % prefixes)),
         "target");
    for (minute = 0; minute < ATTACKED; minute++) {
        apr_array_header_t *rows = apr_array_make(daily, SAMPLES, sizeof(cfmt_detail_t));
        apr_time_t at = midnight + minute * CFMT_MINUTE;

        for (i = 0; i < SAMPLES; i++) {
            add_sample(rows, at, &target, i);
        }
        must(cfmt_traffic_put(s, cfmt_traffic_sheet(&prefix, at, 0, rows, daily), daily),
             "detail");
    }
}

/* ---- a year ---------------------------------------------------------------------------------- */

static void project(cfmt_store_t *s, cfmt_projector_t *pr)
{
    apr_pool_t *p;
    int done;

    do {
        apr_pool_create(&p, daily);
        must(cfmt_project_step(pr, s, CFMT_PROJECT_STEP, &done, p), "project");
        apr_pool_destroy(p);
    } while (done);
}

static void prune(cfmt_store_t *s, apr_time_t now)
{
    cfmt_retention_t conf = { .journal = 400 * DAY, .rejected = 30 * DAY, .evidence = 30 * DAY,
                              .traffic = 90 * DAY };
    apr_pool_t *p;
    int more = 1;

    while (more) {
        apr_pool_create(&p, daily);
        must(cfmt_retention_step(s, &conf, now, &more, p), "retention");
        apr_pool_destroy(p);
    }
}

static void live(cfmt_store_t *s)
{
    cfmt_projector_t *pr = cfmt_projector_create(NULL, pool);
    int day, minute;

    for (day = 0; day < days; day++) {
        apr_time_t midnight = START + day * DAY;

        apr_pool_clear(daily);
        must(cfmt_store_begin(s, -1), "begin");
        append_deliveries(s, midnight, day);
        for (minute = 1; minute <= 1440; minute++) {
            append_reading(s, midnight + minute * CFMT_MINUTE, day);
        }
        put_details(s, midnight, day);
        must(cfmt_store_commit(s), "commit");
        project(s, pr);
        prune(s, midnight + DAY);
        must(cfmt_store_checkpoint(s, 1, apr_time_from_sec(5), NULL), "checkpoint");
    }
}

/* ---- what it took ---------------------------------------------------------------------------- */

static double mb(apr_int64_t bytes)
{
    return (double)bytes / 1e6;
}

/* dbstat is in every Debian's SQLite; without it there is only the sum. */
static void show_tables(sqlite3 *db)
{
    sqlite3_stmt *st;

    if (sqlite3_prepare_v2(db, "SELECT name, sum(pgsize), sum(ncell) FROM dbstat GROUP BY name"
                               " HAVING sum(pgsize) > 20000 ORDER BY 2 DESC", -1, &st, NULL)) {
        printf("no dbstat: %s\n", sqlite3_errmsg(db));
        return;
    }
    while (sqlite3_step(st) == SQLITE_ROW) {
        printf("  %-24s %8.2f MB %10lld cells\n", (const char *)sqlite3_column_text(st, 0),
               mb(sqlite3_column_int64(st, 1)), (long long)sqlite3_column_int64(st, 2));
    }
    sqlite3_finalize(st);
}

static apr_int64_t pragma(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    apr_int64_t n = -1;

    if (!sqlite3_prepare_v2(db, sql, -1, &st, NULL) && sqlite3_step(st) == SQLITE_ROW) {
        n = sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    return n;
}

/* For days beyond the retention of evidence: what is left grows with the deliveries only. */
static int show(const char *file)
{
    apr_int64_t page, total;
    double ratio;
    sqlite3 *db;

    if (sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL)) {
        fprintf(stderr, "%s: %s\n", file, sqlite3_errmsg(db));
        return 2;
    }
    page = pragma(db, "PRAGMA page_size");
    total = page * pragma(db, "PRAGMA page_count");
    ratio = mb(total) / BUDGET_MB;
    printf("%d days, %d prefixes, %d deliveries a day\n", days, prefixes, deliveries);
    show_tables(db);
    printf("  %-24s %8.2f MB\n", "free pages", mb(page * pragma(db, "PRAGMA freelist_count")));
    printf("file: %.1f MB, %.0f %% of the budget of %.0f MB a year\n", mb(total), 100 * ratio,
           BUDGET_MB);
    sqlite3_close(db);
    return ratio > 1;
}

int main(int argc, char **argv)
{
    cfmt_result_t r = { .detail = NULL };
    cfmt_store_t *s;

    days = argc > 2 ? atoi(argv[2]) : 365;
    prefixes = argc > 3 ? atoi(argv[3]) : 5;
    deliveries = argc > 4 ? atoi(argv[4]) : 50;
    if (argc < 2 || days < 1 || prefixes < 1 || prefixes > 250 || deliveries < 1
        || apr_initialize() || apr_pool_create(&pool, NULL) || apr_pool_create(&daily, pool)) {
        fprintf(stderr, "bench_growth FILE [days [prefixes [deliveries a day]]]\n");
        return 2;
    }
    must(cfmt_prepare_store(argv[1], NULL, START, &r, pool), "prepare");
    must(cfmt_store_open(&s, argv[1], CFMT_STORE_WRITE, &r, pool), "open");
    must(cfmt_store_begin(s, -1), "begin");
    append(s, "config", START, "{\"AccountId\":\"" ACCOUNT "\",\"Prefix *\":\"\"}");
    must(cfmt_store_commit(s), "commit");
    live(s);
    cfmt_store_close(s);
    return show(argv[1]);
}
