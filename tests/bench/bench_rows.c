/*
 * What reading a large GraphQL answer costs: makes one of N rows (default 10,000), reads it as the
 * transport does, 16 KiB at a time, and keeps five columns of each row. Prints one line of JSON:
 * bytes, milliseconds (the best of five) and the most memory held beyond the rows kept, counted by
 * the malloc and mmap below, which APR and yajl call. Built by tests/bench/poll; never installed.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "cfmt_intake.h"
#include "cloudflare/row.h"

#define PIECE (16 * 1024) /* curl's buffer */
#define RUNS 5
#define DEPTH 32          /* these three as in src/cloudflare/api.c */
#define ROW_MAX (1024 * 1024)
#define ENVELOPE_MAX (256 * 1024)

/* ---- memory ---------------------------------------------------------------------------------- */

/* glibc's own, under the names it offers to whoever takes malloc's place. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *block);

static size_t held, most;

static void take(size_t size)
{
    held += size;
    most = held > most ? held : most;
}

static void *taken(void *block)
{
    take(block ? malloc_usable_size(block) : 0);
    return block;
}

static void given(void *block)
{
    held -= block ? malloc_usable_size(block) : 0;
}

void *malloc(size_t size)
{
    return taken(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return taken(__libc_calloc(n, size));
}

void *realloc(void *old, size_t size)
{
    given(old);
    return taken(__libc_realloc(old, size));
}

void free(void *block)
{
    given(block);
    __libc_free(block);
}

/* Where APR's allocator was configured to use it, as in Debian. */
void *mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset)
{
    void *block = (void *)syscall(SYS_mmap, address, len, protection, flags, fd, offset);

    take(block == MAP_FAILED ? 0 : len);
    return block;
}

int munmap(void *address, size_t len)
{
    int rc = (int)syscall(SYS_munmap, address, len);

    held -= rc == 0 ? len : 0;
    return rc;
}

/* ---- the answer ------------------------------------------------------------------------------ */

typedef struct kept_t {
    apr_time_t minute;
    double bits, packets;
    char attack[40], target[48];
} kept_t;

typedef struct rows_t {
    kept_t *kept;
    int n, room;
} rows_t;

static const char *const paths[] = {
    "data.viewer.accounts.0.dosdNetworkAnalyticsAdaptiveGroups", NULL
};

static const char head[] = "{\"data\":{\"viewer\":{\"accounts\":[{"
                           "\"dosdNetworkAnalyticsAdaptiveGroups\":[";
static const char tail[] = "]}]}},\"errors\":null}";

#define ROW_TEXT 400 /* room for one */

static char *make_answer(int n, size_t *plen)
{
    char *text = malloc(sizeof(head) + sizeof(tail) + (size_t)n * ROW_TEXT), *at = text;
    int i;

    if (!text) {
        return NULL;
    }
    at += sprintf(at, "%s", head);
    for (i = 0; i < n; i++) {
        at += sprintf(at,
                      "%s{\"dimensions\":{\"datetimeMinute\":\"2026-01-%02dT%02d:%02d:00Z\","
                      "\"ipDestinationAddress\":\"198.51.100.%d\",\"attackId\":\"%032x\","
                      "\"attackVector\":\"UDP Flood\",\"verdict\":\"drop\",\"outcome\":\"drop\"},"
                      "\"sum\":{\"bits\":%d,\"packets\":%d}}",
                      i ? "," : "", 1 + i / 1440 % 28, i / 60 % 24, i % 60, i % 256, i, i * 4711,
                      i * 13);
    }
    at += sprintf(at, "%s", tail);
    *plen = (size_t)(at - text);
    return text;
}

static void copy_text(char *to, size_t room, const cfmt_json_t *row, const char *key,
                      apr_pool_t *prow)
{
    const char *text = cfmt_row_text(row, key, prow);

    apr_cpystrn(to, text ? text : "", room);
}

static apr_status_t keep(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    const cfmt_json_t *dimensions = cfmt_json_get(row, "dimensions"),
                      *sum = cfmt_json_get(row, "sum");
    rows_t *rows = baton;
    kept_t *k;

    (void)which;
    if (rows->n == rows->room) {
        return APR_ENOMEM;
    }
    k = &rows->kept[rows->n++];
    k->minute = cfmt_row_time(dimensions, "datetimeMinute");
    k->bits = cfmt_row_number(sum, "bits");
    k->packets = cfmt_row_number(sum, "packets");
    copy_text(k->attack, sizeof(k->attack), dimensions, "attackId", prow);
    copy_text(k->target, sizeof(k->target), dimensions, "ipDestinationAddress", prow);
    return APR_SUCCESS;
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* Reads it once; 0 unless every row came. */
static int read_answer(rows_t *rows, const char *text, size_t len)
{
    cfmt_json_stream_conf_t conf = {
        .rows = paths, .row = keep, .baton = rows, .depth = DEPTH, .row_max = ROW_MAX,
        .envelope_max = ENVELOPE_MAX,
    };
    const cfmt_json_t *envelope;
    cfmt_json_stream_t *s;
    apr_status_t rv = APR_SUCCESS;
    apr_pool_t *p;
    size_t at, piece;

    rows->n = 0;
    apr_pool_create(&p, NULL);
    s = cfmt_json_stream_create(&conf, p);
    for (at = 0; rv == APR_SUCCESS && at < len; at += piece) {
        piece = len - at < PIECE ? len - at : PIECE;
        rv = cfmt_json_stream_feed(s, text + at, piece);
    }
    if (rv == APR_SUCCESS) {
        rv = cfmt_json_stream_end(s, &envelope);
    }
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "bench_rows: %s\n", cfmt_json_stream_error(s));
    }
    apr_pool_destroy(p);
    return rv == APR_SUCCESS && rows->n == rows->room && rows->kept[rows->n - 1].minute > 0
           && rows->kept[rows->n - 1].packets == (rows->n - 1) * 13.0;
}

static int measure(rows_t *rows, const char *text, size_t len)
{
    apr_time_t begin, took, best = 0;
    size_t before = held;
    int i;

    most = held;
    for (i = 0; i < RUNS; i++) {
        begin = cfmt_monotonic();
        if (!read_answer(rows, text, len)) {
            fprintf(stderr, "bench_rows: %d of %d rows came\n", rows->n, rows->room);
            return 1;
        }
        took = cfmt_monotonic() - begin;
        best = i == 0 || took < best ? took : best;
    }
    printf("{\"rows\": %d, \"bytes\": %zu, \"ms\": %.1f, \"kept_bytes\": %zu, \"extra_bytes\": "
           "%zu}\n", rows->n, len, (double)best / 1000, (size_t)rows->room * sizeof(*rows->kept),
           most - before);
    return 0;
}

int main(int argc, char **argv)
{
    rows_t rows = { .room = argc > 1 ? atoi(argv[1]) : 10000 };
    char *text;
    size_t len;
    int failed;

    if (argc > 2 || rows.room < 1 || rows.room > 100000) {
        fprintf(stderr, "usage: bench_rows [ROWS]    1 to 100000\n");
        return 2;
    }
    apr_initialize();
    text = make_answer(rows.room, &len);
    rows.kept = calloc((size_t)rows.room, sizeof(*rows.kept));
    failed = !text || !rows.kept || measure(&rows, text, len);
    free(rows.kept);
    free(text);
    apr_terminate();
    return failed;
}
