/*
 * What the tests of the API's client share: a client, and a server that gives one canned answer.
 */
#include <string.h>

#include <apr_strings.h>

#include "canned.h"
#include "kit.h"
#include "loopback.h"
#include "unit.h"

/* ---- the server ------------------------------------------------------------------------------ */

char canned_request[65536];

static loopback_t server;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of canned_request and answer */
static char answer[65536];

static int give_answer(loopback_t *s, int fd, const char *text)
{
    char copy[sizeof(answer)];

    (void)s;
    pthread_mutex_lock(&lock);
    apr_cpystrn(canned_request, text, sizeof(canned_request));
    strcpy(copy, answer);
    pthread_mutex_unlock(&lock);
    loopback_put(fd, copy);
    loopback_finish(fd);
    return 0;
}

void canned_start(void)
{
    loopback_start(&server, give_answer);
}

void canned_stop(void)
{
    loopback_stop(&server);
}

int canned_calls(void)
{
    return loopback_count(&server.requests);
}

void canned_answer(const char *head, const char *body, apr_size_t lack)
{
    pthread_mutex_lock(&lock);
    apr_snprintf(answer, sizeof(answer),
                 "HTTP/1.1 %s\r\nContent-Length: %" APR_SIZE_T_FMT
                 "\r\nConnection: close\r\n\r\n%s", head, strlen(body) + lack, body);
    pthread_mutex_unlock(&lock);
}

void canned_json(const char *status, const char *body)
{
    canned_answer(apr_pstrcat(unit_pool, status, JSON, NULL), body, 0);
}

/* ---- the client ------------------------------------------------------------------------------ */

canned_seen_t canned_seen;
const char *canned_traces;
apr_time_t canned_now;

static apr_time_t read_clock(void *baton)
{
    (void)baton;
    return canned_now;
}

const cfmt_clock_t canned_clock = {.now = read_clock};

static void keep_trace(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton, (void)level;
    canned_traces = apr_pstrcat(unit_pool, canned_traces, line, "\n", NULL);
}

static const cfmt_log_t test_log = {.write = keep_trace, .max = CFMT_LOG_TRACE};

cfmt_api_t *canned_api(void)
{
    cfmt_api_conf_t conf = {
        .rest_url = apr_psprintf(unit_pool, "http://127.0.0.1:%d/client/v4/", server.port),
        .graphql_url = apr_psprintf(unit_pool, "http://127.0.0.1:%d/graphql", server.port),
        .account = KIT_OURS, .token = TOKEN, .http = {.log = &test_log}, .clock = &canned_clock,
    };
    cfmt_api_t *a;

    canned_now = NOW;
    canned_traces = "";
    ck_assert_int_eq(cfmt_http_global_begin(), APR_SUCCESS);
    ck_assert_int_eq(cfmt_api_create(&a, &conf, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(cfmt_api_account(a), KIT_OURS);
    return a;
}

static apr_status_t see_row(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    (void)which, (void)row, (void)prow;
    ck_assert(baton == &canned_seen);
    canned_seen.rows++;
    return canned_seen.refuse ? CFMT_EINVALID : APR_SUCCESS;
}

static void see_done(void *baton, const cfmt_api_result_t *r)
{
    ck_assert(baton == &canned_seen);
    canned_seen.done++;
    canned_seen.r = *r;
    canned_seen.r.r.detail = apr_pstrdup(unit_pool, r->r.detail);
    canned_seen.r.etag = apr_pstrdup(unit_pool, r->etag);
}

static const char *const result_rows[] = {"result", NULL};
static const char *const data_rows[] = {"data.viewer.accounts.0.traffic", NULL};

cfmt_api_call_t canned_rest(void)
{
    cfmt_api_call_t call = {.upstream = CFMT_UPSTREAM_REST, .path = "/things", .rows = result_rows,
                            .row = see_row, .done = see_done, .baton = &canned_seen};

    return call;
}

cfmt_api_call_t canned_graphql(void)
{
    cfmt_api_call_t call = canned_rest();

    call.upstream = CFMT_UPSTREAM_GRAPHQL;
    call.path = NULL;
    call.rows = data_rows;
    call.body = cfmt_api_query("query { viewer { budget } }", "{\"a\":\"b\"}", unit_pool);
    return call;
}

apr_status_t canned_call(cfmt_api_t *a, const cfmt_api_call_t *call, cfmt_result_t *r)
{
    apr_time_t end = cfmt_monotonic() + S(10);
    apr_status_t rv;
    int ended;

    canned_seen.done = canned_seen.rows = 0;
    rv = cfmt_api_call(a, call, r, unit_pool);
    ck_assert_int_eq(canned_seen.done, 0);
    while (rv == APR_SUCCESS && !canned_seen.done && cfmt_monotonic() < end) {
        ck_assert_int_eq(cfmt_http_poll(cfmt_api_http(a), NULL, 0, 100000, &ended), APR_SUCCESS);
    }
    ck_assert_int_eq(canned_seen.done, rv == APR_SUCCESS);
    return rv;
}

void canned_fetch(cfmt_api_t *a, const cfmt_api_call_t *call)
{
    cfmt_result_t r;

    ck_assert_int_eq(canned_call(a, call, &r), APR_SUCCESS);
}

cfmt_upstream_state_t canned_state(const cfmt_api_t *a, cfmt_upstream_e u)
{
    cfmt_upstream_state_t state;

    cfmt_api_state(a, u, &state);
    return state;
}
