/*
 * Runs transfers through src/cloudflare/http.c and says how they went, for tests/net:
 *
 *     fetch [-c CAFILE] [-p PROXY] [-r ROUNDS] [-g GAP_MS] [-s STOP_MS] [-t TOKEN] [-v]
 *         URL...
 *
 * All URLs at once, ROUNDS times with GAP_MS between; after STOP_MS everything is aborted. Lines,
 * their fields separated by tabs: "transfer URL STATUS CODE MS DETAIL", "step MS" (the longest one
 * of the poll, which is told 20 ms), "stop MS" (what the abort took). -t: sent as bearer,
 * secret. -v: traces on stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "cfmt_cloudflare.h"

#define STEP apr_time_from_msec(20)

typedef struct fetch_t {
    cfmt_http_t *http;
    apr_pool_t *pool;
    apr_time_t begin;
    int stop_ms, rounds, gap_ms;
    const char *token;
    apr_interval_time_t longest;
} fetch_t;

static void write_line(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton, (void)level;
    fprintf(stderr, "%s\n", line);
}

static const cfmt_log_t to_stderr = { write_line, NULL, CFMT_LOG_TRACE };

static void done(void *baton, const cfmt_http_answer_t *a)
{
    printf("transfer\t%s\t%s\t%d\t%d\t%s\n", (const char *)baton, cfmt_status_name(a->status),
           a->code, (int)apr_time_as_msec(a->took), a->detail ? a->detail : "");
    fflush(stdout);
}

static int stopped(const fetch_t *f)
{
    return f->stop_ms >= 0 && cfmt_monotonic() - f->begin >= apr_time_from_msec(f->stop_ms);
}

/* Until nothing is pending and the time is over. */
static void spin(fetch_t *f, apr_time_t until)
{
    apr_time_t at;
    int ended;

    while (!stopped(f) && (cfmt_http_pending(f->http) || cfmt_monotonic() < until)) {
        at = cfmt_monotonic();
        if (cfmt_http_poll(f->http, NULL, 0, STEP, &ended) != APR_SUCCESS) {
            fprintf(stderr, "poll failed\n");
            exit(3);
        }
        at = cfmt_monotonic() - at;
        f->longest = at > f->longest ? at : f->longest;
    }
}

static void start(fetch_t *f, char *url)
{
    cfmt_http_header_t headers[] = {
        { "Authorization", apr_pstrcat(f->pool, "Bearer ", f->token, NULL), 1 },
        { NULL, NULL, 0 } };
    cfmt_http_request_t rq = {
        .method = "GET", .url = url, .headers = headers, .done = done, .baton = url };
    const char *why = "?";

    if (cfmt_http_start(f->http, &rq) != APR_SUCCESS) {
        cfmt_http_url_check(&why, url, f->pool);
        printf("transfer\t%s\tinvalid\t0\t0\t%s\n", url, why);
    }
}

static void run(fetch_t *f, char **urls)
{
    apr_time_t gap;
    int round, i;

    for (round = 0; round < f->rounds && !stopped(f); round++) {
        gap = round ? cfmt_monotonic() + apr_time_from_msec(f->gap_ms) : 0;
        spin(f, gap);
        for (i = 0; urls[i]; i++) {
            start(f, urls[i]);
        }
        spin(f, 0);
    }
}

static void usage(void)
{
    fprintf(stderr, "usage: fetch [-c CAFILE] [-p PROXY] [-r ROUNDS] [-g GAP_MS] [-s STOP_MS]"
                    " [-t TOKEN] [-v] URL...\n");
    exit(2);
}

static char **options(fetch_t *f, cfmt_http_conf_t *conf, int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "c:p:r:g:s:t:v")) != -1) {
        switch (c) {
        case 'c': conf->ca_file = optarg; break;
        case 'p': conf->proxy = optarg; break;
        case 'r': f->rounds = atoi(optarg); break;
        case 'g': f->gap_ms = atoi(optarg); break;
        case 's': f->stop_ms = atoi(optarg); break;
        case 't': f->token = optarg; break;
        case 'v': conf->log = &to_stderr; break;
        default: usage();
        }
    }
    return argv + optind;
}

int main(int argc, char **argv)
{
    fetch_t f = { .stop_ms = -1, .rounds = 1, .token = "none" };
    cfmt_http_conf_t conf = { .ca_file = NULL };
    char **urls = options(&f, &conf, argc, argv);
    apr_time_t at;

    if (!*urls) {
        usage();
    }
    apr_initialize();
    apr_pool_create(&f.pool, NULL);
    if (cfmt_http_global_begin() != APR_SUCCESS
        || cfmt_http_create(&f.http, &conf, f.pool) != APR_SUCCESS) {
        fprintf(stderr, "cannot begin\n");
        return 3;
    }
    f.begin = cfmt_monotonic();
    run(&f, urls);
    at = cfmt_monotonic();
    apr_pool_destroy(f.pool);
    printf("step\t%d\nstop\t%d\n", (int)apr_time_as_msec(f.longest),
           (int)apr_time_as_msec(cfmt_monotonic() - at));
    cfmt_http_global_end();
    apr_terminate();
    return 0;
}
