/*
 * What src/cloudflare asks GraphQL, and what it makes of the answer, for test_client_queries.py:
 *
 *     queries limits ACCOUNT                                the body of the query
 *     queries tunnels ACCOUNT FROM TO
 *     queries traffic ACCOUNT FROM TO LIMIT NETWORK...
 *     queries detail ACCOUNT FROM TO LIMIT NETWORK...
 *     queries read-limits                                   an answer from stdin: the limits
 *     queries read-detail-limits                            the same of the dataset of attacks
 *     queries read-traffic FROM TO LIMIT NETWORK...         its sums
 *     queries read-detail                                   its rows
 *
 * Times are in seconds. read-traffic prints "cut 0|1", "watermark SECONDS" and for every minute of
 * a network with traffic "NETWORK SECONDS" with packets and bits of each system, then of what has
 * passed. read-detail prints a line a row: minute, source, target, packets, bits, vector.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#include "cfmt_cloudflare_detail.h"

static void fail(const char *what)
{
    fprintf(stderr, "queries: %s\n", what);
    exit(2);
}

static apr_time_t seconds(const char *text)
{
    apr_int64_t n = 0;

    if (cfmt_int_parse(&n, text, 0, APR_INT64_MAX / APR_USEC_PER_SEC) != APR_SUCCESS) {
        fail(text);
    }
    return apr_time_from_sec(n);
}

/* ---- answers --------------------------------------------------------------------------------- */

static apr_status_t take_traffic(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    const char *why = NULL;
    apr_status_t rv = cfmt_traffic_take(baton, &why, which, row);

    (void)prow;
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "row of %d: %s\n", which, why);
    }
    return rv;
}

static apr_status_t take_limits(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    const char *why = NULL;

    (void)which, (void)prow;
    return cfmt_analytics_limits_read(baton, &why, row);
}

static apr_status_t take_detail_limits(void *baton, int which, const cfmt_json_t *row,
                                       apr_pool_t *prow)
{
    (void)which, (void)prow;
    cfmt_detail_limits_read(baton, row);
    return APR_SUCCESS;
}

static apr_status_t take_detail(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_detail_t d;
    const char *why = NULL;
    apr_status_t rv = cfmt_detail_read(&d, &why, row, prow);

    (void)baton, (void)which;
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "row: %s\n", why);
        return rv;
    }
    printf("%d %s %s %.0f %.0f %s\n", (int)apr_time_sec(d.minute),
           cfmt_cidr_format(prow, &d.source), cfmt_cidr_format(prow, &d.target), d.packets, d.bits,
           d.vector ? d.vector : "");
    return APR_SUCCESS;
}

typedef apr_status_t take_fn(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow);

static void read_answer(const char *const *rows, take_fn *take, void *baton, apr_pool_t *p)
{
    cfmt_json_stream_conf_t conf = {.rows = rows, .row = take, .baton = baton, .depth = 32,
                                    .row_max = 65536, .envelope_max = 65536};
    cfmt_json_stream_t *stream = cfmt_json_stream_create(&conf, p);
    const cfmt_json_t *envelope;
    char piece[4096];
    size_t n;

    while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0) {
        if (cfmt_json_stream_feed(stream, piece, n) != APR_SUCCESS) {
            fail(cfmt_json_stream_error(stream));
        }
    }
    if (cfmt_json_stream_end(stream, &envelope) != APR_SUCCESS) {
        fail(cfmt_json_stream_error(stream));
    }
}

static void print_minute(const cfmt_traffic_t *t, const char *network, apr_time_t minute)
{
    static const cfmt_traffic_t nothing;
    int s;

    if (!memcmp(t, &nothing, sizeof(nothing))) {
        return;
    }
    printf("%s %d", network, (int)apr_time_sec(minute));
    for (s = 0; s < CFMT_SYSTEMS; s++) {
        printf(" %.0f %.0f", t->packets[s], t->bits[s]);
    }
    printf(" %.0f %.0f\n", t->passed_packets, t->passed_bits);
}

static void read_traffic(const cfmt_traffic_piece_t *piece, int limit, char **networks,
                         apr_pool_t *p)
{
    cfmt_traffic_reading_t *r = cfmt_traffic_reading(piece, limit, p);
    apr_time_t minute;
    int i;

    read_answer(cfmt_traffic_rows(piece, p), take_traffic, r, p);
    printf("cut %d\nwatermark %d\n", cfmt_traffic_cut(r),
           (int)apr_time_sec(cfmt_traffic_watermark(r)));
    for (i = 0; networks[i]; i++) {
        for (minute = piece->from; minute < piece->to; minute += CFMT_MINUTE) {
            print_minute(cfmt_traffic_of(r, i, minute), networks[i], minute);
        }
    }
}

static void read_limits(take_fn *take, apr_pool_t *p)
{
    static const char *const rows[] = {CFMT_ANALYTICS_LIMITS_ROWS, NULL};
    cfmt_analytics_limits_t l = {.page = -1};

    read_answer(rows, take, &l, p);
    printf("%d %d %d\n", l.page, (int)apr_time_sec(l.duration), (int)apr_time_sec(l.history));
}

/* ---- questions ------------------------------------------------------------------------------- */

/* FROM TO LIMIT NETWORK... */
static int piece_of(cfmt_traffic_piece_t *piece, char **argv, apr_pool_t *p)
{
    int i;

    piece->from = seconds(argv[0]);
    piece->to = seconds(argv[1]);
    piece->prefixes = apr_array_make(p, 4, sizeof(cfmt_cidr_t));
    for (i = 3; argv[i]; i++) {
        if (cfmt_cidr_parse(apr_array_push(piece->prefixes), NULL, argv[i]) != APR_SUCCESS) {
            fail(argv[i]);
        }
    }
    return (int)apr_time_sec(seconds(argv[2]));
}

static void read_back(int argc, char **argv, const char *what, apr_pool_t *p)
{
    static const char *const detail_rows[] = {CFMT_DETAIL_ROWS, NULL};
    cfmt_traffic_piece_t piece;
    int limit;

    if (!strcmp(what, "read-limits") && argc == 2) {
        read_limits(take_limits, p);
    }
    else if (!strcmp(what, "read-detail-limits") && argc == 2) {
        read_limits(take_detail_limits, p);
    }
    else if (!strcmp(what, "read-detail") && argc == 2) {
        read_answer(detail_rows, take_detail, NULL, p);
    }
    else if (!strcmp(what, "read-traffic") && argc >= 5) {
        limit = piece_of(&piece, argv + 2, p);
        read_traffic(&piece, limit, argv + 5, p);
    }
    else {
        fail("usage: see the top of queries.c");
    }
}

static void run(int argc, char **argv, apr_pool_t *p)
{
    const char *what = argc > 1 ? argv[1] : "";
    cfmt_traffic_piece_t piece;
    int limit;

    if (!strcmp(what, "limits") && argc == 3) {
        printf("%s\n", cfmt_analytics_limits_query(argv[2], p));
    }
    else if (!strcmp(what, "tunnels") && argc == 5) {
        printf("%s\n", cfmt_tunnel_health_query(argv[2], seconds(argv[3]), seconds(argv[4]), p));
    }
    else if (!strcmp(what, "traffic") && argc >= 6) {
        limit = piece_of(&piece, argv + 3, p);
        printf("%s\n", cfmt_traffic_query(argv[2], &piece, limit, p));
    }
    else if (!strcmp(what, "detail") && argc >= 6) {
        limit = piece_of(&piece, argv + 3, p);
        printf("%s\n", cfmt_detail_query(argv[2], &piece, limit, p));
    }
    else {
        read_back(argc, argv, what, p);
    }
}

int main(int argc, char **argv)
{
    apr_pool_t *p;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&p, NULL);
    run(argc, argv, p);
    return 0;
}
