/*
 * Evidence of many prefixes: what its projection costs, how long the commit lock is held, and how
 * fast a day of it is read back by policy. Links the core library:
 *
 *     gcc -O2 -std=gnu99 -D_GNU_SOURCE -Iinclude -o bench_evidence tests/bench/bench_evidence.c
 *         .libs/libcfmt.a $(pkg-config --cflags --libs apr-1 apr-util-1 sqlite3 yajl libcurl
 *         libcrypto) -lpthread -lanl -lm
 *     ./bench_evidence FILE [prefixes [noise]]
 *
 * noise: of 1,000 minutes so many have a little traffic. FILE must not exist.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "cfmt_engine.h"

#define DAY apr_time_from_sec(86400)
#define START (apr_time_from_sec(1700000000) / DAY * DAY + DAY / 2) /* noon: two days are read */
#define ROUNDS 20

static apr_pool_t *pool;

static void must(apr_status_t rv, const char *what)
{
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s: %s\n", what, cfmt_status_text(rv, pool));
        exit(1);
    }
}

static double ms(apr_time_t since)
{
    return (double)(cfmt_monotonic() - since) / 1000;
}

static void add_prefixes(cfmt_evidence_t *e, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        must(cfmt_cidr_parse(apr_array_push(e->prefixes), NULL,
                             apr_psprintf(pool, "10.%d.%d.0/24", i / 256, i % 256)), "prefix");
    }
}

/* One sampled packet in some of the minutes. */
static void add_rows(cfmt_evidence_t *e, int prefixes, int noise)
{
    cfmt_evidence_row_t row = { .prefix = 0 };

    row.traffic.packets[CFMT_SYSTEM_DOSD] = 10000;
    row.traffic.bits[CFMT_SYSTEM_DOSD] = 8e7;
    for (; row.prefix < prefixes; row.prefix++) {
        for (row.minute = e->from; row.minute < e->to; row.minute += CFMT_MINUTE) {
            if (rand() % 1000 < noise) {
                APR_ARRAY_PUSH(e->rows, cfmt_evidence_row_t) = row;
            }
        }
    }
}

static void append(cfmt_store_t *s, apr_time_t from, apr_time_t to, int prefixes, int noise)
{
    cfmt_evidence_t e = { .from = from, .to = to, .complete = to };
    cfmt_entry_t row = { .kind = "evidence", .at = to, .origin = "bench" };

    e.prefixes = apr_array_make(pool, prefixes, sizeof(cfmt_cidr_t));
    e.rows = apr_array_make(pool, 64, sizeof(cfmt_evidence_row_t));
    add_prefixes(&e, prefixes);
    add_rows(&e, prefixes, noise);
    row.body = cfmt_evidence_encode(&e, pool);
    row.len = strlen(row.body);
    must(cfmt_store_begin(s, -1), "begin");
    must(cfmt_journal_append(s, &row), "append");
    must(cfmt_store_commit(s), "commit");
}

static void project(cfmt_store_t *s, const char *what)
{
    cfmt_projector_t *pr = cfmt_projector_create(NULL, pool);
    apr_time_t since = cfmt_monotonic(), step;
    double longest = 0;
    int done, steps = -1;

    do {
        step = cfmt_monotonic();
        must(cfmt_project_step(pr, s, CFMT_PROJECT_STEP, &done, pool), "project");
        longest = ms(step) > longest ? ms(step) : longest;
        steps++;
    } while (done);
    printf("%s: projected in %.1f ms, %d steps, the longest %.1f ms (reading included)\n", what,
           ms(since), steps, longest);
}

static int by_size(const void *a, const void *b)
{
    return *(const double *)a > *(const double *)b ? 1 : -1;
}

static void read_back(cfmt_store_t *s)
{
    double t[ROUNDS];
    int i, k, spans = 0;

    for (i = 0; i < ROUNDS; i++) {
        apr_array_header_t *sets;
        apr_pool_t *p;
        apr_time_t since;

        apr_pool_create(&p, pool);
        since = cfmt_monotonic();
        must(cfmt_evidence_load_all(s, START, &sets, p), "load");
        t[i] = ms(since);
        for (k = spans = 0; k < sets->nelts; k++) {
            spans += APR_ARRAY_IDX(sets, k, cfmt_evidence_spans_t).spans->nelts;
        }
        apr_pool_destroy(p);
    }
    qsort(t, ROUNDS, sizeof(t[0]), by_size);
    printf("24 h of all prefixes read back: median %.2f ms, worst %.2f ms (%d spans)\n",
           t[ROUNDS / 2], t[ROUNDS - 1], spans);
}

static void read_each(cfmt_store_t *s, int prefixes)
{
    cfmt_evidence_t e = { .prefixes = apr_array_make(pool, prefixes, sizeof(cfmt_cidr_t)) };
    apr_array_header_t *spans;
    apr_time_t since;
    int i;

    add_prefixes(&e, prefixes);
    since = cfmt_monotonic();
    for (i = 0; i < prefixes; i++) {
        must(cfmt_evidence_load(s, &APR_ARRAY_IDX(e.prefixes, i, cfmt_cidr_t), START, &spans,
                                pool), "load");
    }
    printf("the same prefix by prefix: %.2f ms\n", ms(since));
}

int main(int argc, char **argv)
{
    int prefixes = argc > 2 ? atoi(argv[2]) : 1000, noise = argc > 3 ? atoi(argv[3]) : 10, i;
    cfmt_result_t r = { .detail = NULL };
    cfmt_store_t *s;

    if (argc < 2 || apr_initialize() || apr_pool_create(&pool, NULL)) {
        fprintf(stderr, "bench_evidence FILE [prefixes [noise]]\n");
        return 2;
    }
    must(cfmt_prepare_store(argv[1], NULL, START, &r, pool), "prepare");
    must(cfmt_store_open(&s, argv[1], CFMT_STORE_WRITE, &r, pool), "open");
    append(s, START - DAY, START, prefixes, 0);
    project(s, "a quiet day in one row");
    for (i = 0; i < 24; i++) {
        append(s, START + i * DAY / 24, START + (i + 1) * DAY / 24, prefixes, noise);
    }
    project(s, "a day in 24 rows");
    for (i = 0; i < 10; i++) {
        append(s, START + DAY + i * CFMT_MINUTE, START + DAY + (i + 1) * CFMT_MINUTE, prefixes,
               noise);
    }
    project(s, "ten minutes, a row each");
    read_back(s);
    read_each(s, prefixes);
    return 0;
}
