/*
 * Unit tests of src/cloudflare/api.c and answer.c, against a server on the loopback that gives one
 * canned answer after the other.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmt_cloudflare.h"
#include "kit.h"
#include "unit.h"

#define S(n) apr_time_from_sec(n)
#define NOW S(1700000000)
#define TOKEN "v1.0-c0ffee-tokentokentoken_9X"
#define ACCOUNT KIT_OURS

/* ---- the server ------------------------------------------------------------------------------ */

static struct {
    int fd, port, calls;
    pthread_t thread;
    pthread_mutex_t lock;
    char answer[65536], request[65536];
} server;

static void take_request(int fd)
{
    char text[65536], *end, *length;
    apr_size_t used = 0, want = sizeof(text) - 1;
    ssize_t n;

    while (used < want && (n = read(fd, text + used, want - used)) > 0) {
        used += (apr_size_t)n;
        text[used] = '\0';
        end = strstr(text, "\r\n\r\n");
        length = strcasestr(text, "\r\ncontent-length:");
        if (end) {
            want = (apr_size_t)(end + 4 - text) + (length ? strtoul(length + 17, NULL, 10) : 0);
        }
    }
    text[used] = '\0';
    pthread_mutex_lock(&server.lock);
    server.calls++;
    strcpy(server.request, text);
    strcpy(text, server.answer);
    pthread_mutex_unlock(&server.lock);
    send(fd, text, strlen(text), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    while (read(fd, text, sizeof(text)) > 0) {
        /* until the client has read all: closing earlier would reset the connection */
    }
}

static void *serve(void *arg)
{
    int fd;

    (void)arg;
    while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
        take_request(fd);
        close(fd);
    }
    return NULL;
}

static void start_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);

    memset(&server, 0, sizeof(server));
    pthread_mutex_init(&server.lock, NULL);
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert(bind(server.fd, (struct sockaddr *)&at, len) == 0 && listen(server.fd, 8) == 0);
    ck_assert(getsockname(server.fd, (struct sockaddr *)&at, &len) == 0);
    server.port = ntohs(at.sin_port);
    ck_assert(pthread_create(&server.thread, NULL, serve, NULL) == 0);
}

static void stop_server(void)
{
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
}

/* head: the status line's rest and headers, without those of the length. */
static void answer_with(const char *head, const char *body, apr_size_t lack)
{
    pthread_mutex_lock(&server.lock);
    apr_snprintf(server.answer, sizeof(server.answer),
                 "HTTP/1.1 %s\r\nContent-Length: %" APR_SIZE_T_FMT
                 "\r\nConnection: close\r\n\r\n%s", head, strlen(body) + lack, body);
    pthread_mutex_unlock(&server.lock);
}

static void answer_json(const char *status, const char *body)
{
    answer_with(apr_pstrcat(unit_pool, status, "\r\nContent-Type: application/json", NULL), body,
                0);
}

/* ---- the client ------------------------------------------------------------------------------ */

static apr_time_t clock_at;
static const char *traces;

static apr_time_t read_clock(void *baton)
{
    (void)baton;
    return clock_at;
}

static const cfmt_clock_t test_clock = {.now = read_clock};

static void keep_trace(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton, (void)level;
    traces = apr_pstrcat(unit_pool, traces, line, "\n", NULL);
}

static const cfmt_log_t test_log = {.write = keep_trace, .max = CFMT_LOG_TRACE};

static cfmt_api_t *make_api(void)
{
    cfmt_api_conf_t conf = {
        .rest_url = apr_psprintf(unit_pool, "http://127.0.0.1:%d/client/v4/", server.port),
        .graphql_url = apr_psprintf(unit_pool, "http://127.0.0.1:%d/graphql", server.port),
        .account = ACCOUNT, .token = TOKEN, .http = {.log = &test_log}, .clock = &test_clock,
    };
    cfmt_api_t *a;

    clock_at = NOW;
    traces = "";
    ck_assert_int_eq(cfmt_http_global_begin(), APR_SUCCESS);
    ck_assert_int_eq(cfmt_api_create(&a, &conf, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(cfmt_api_account(a), ACCOUNT);
    return a;
}

static struct {
    int done, rows, refuse;
    cfmt_api_result_t r;
} seen;

static apr_status_t see_row(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    (void)which, (void)row, (void)prow;
    ck_assert(baton == &seen);
    seen.rows++;
    return seen.refuse ? CFMT_EINVALID : APR_SUCCESS;
}

static void see_done(void *baton, const cfmt_api_result_t *r)
{
    ck_assert(baton == &seen);
    seen.done++;
    seen.r = *r;
    seen.r.r.detail = apr_pstrdup(unit_pool, r->r.detail);
    seen.r.etag = apr_pstrdup(unit_pool, r->etag);
}

static const char *const result_rows[] = {"result", NULL};
static const char *const item_rows[] = {"items", NULL};
static const char *const data_rows[] = {"data.viewer.accounts.0.traffic", NULL};

static cfmt_api_call_t rest_call(void)
{
    cfmt_api_call_t call = {.upstream = CFMT_UPSTREAM_REST, .path = "/things", .rows = result_rows,
                            .row = see_row, .done = see_done, .baton = &seen};

    return call;
}

static cfmt_api_call_t graphql_call(void)
{
    cfmt_api_call_t call = rest_call();

    call.upstream = CFMT_UPSTREAM_GRAPHQL;
    call.path = NULL;
    call.rows = data_rows;
    call.body = cfmt_api_query("query { viewer { budget } }", "{\"a\":\"b\"}", unit_pool);
    return call;
}

static apr_status_t make_call(cfmt_api_t *a, const cfmt_api_call_t *call, cfmt_result_t *r)
{
    apr_time_t end = cfmt_monotonic() + S(10);
    apr_status_t rv;
    int ended;

    seen.done = seen.rows = 0;
    rv = cfmt_api_call(a, call, r, unit_pool);
    ck_assert_int_eq(seen.done, 0);
    while (rv == APR_SUCCESS && !seen.done && cfmt_monotonic() < end) {
        ck_assert_int_eq(cfmt_http_poll(cfmt_api_http(a), NULL, 0, 100000, &ended), APR_SUCCESS);
    }
    ck_assert_int_eq(seen.done, rv == APR_SUCCESS);
    return rv;
}

static void fetch(cfmt_api_t *a, const cfmt_api_call_t *call)
{
    cfmt_result_t r;

    ck_assert_int_eq(make_call(a, call, &r), APR_SUCCESS);
}

static cfmt_upstream_state_t state_of(const cfmt_api_t *a, cfmt_upstream_e u)
{
    cfmt_upstream_state_t state;

    cfmt_api_state(a, u, &state);
    return state;
}

/* ---- answers --------------------------------------------------------------------------------- */

#define JSON "\r\nContent-Type: application/json"
#define OK "200 OK" JSON
#define ENVELOPE(success, errors, result) \
    "{\"success\":" success ",\"errors\":" errors ",\"messages\":[],\"result\":" result "}"
#define ERROR(code, message) "[{\"code\":" code ",\"message\":\"" message "\"}]"
#define DATA(rows, errors) \
    "{\"data\":{\"viewer\":{\"accounts\":[{\"traffic\":" rows "}]}},\"errors\":" errors "}"
#define GRAPHQL(message) "[{\"message\":\"" message "\",\"path\":null}]"
#define LONG20 "xxxxxxxxxxxxxxxxxxxx"

typedef struct row_t {
    const char *head, *body;
    apr_status_t want;
    const char *detail;   /* begins so */
    apr_int64_t code;     /* of the error */
    int rows, retry;      /* seconds from now; 0 = none */
    cfmt_breaker_e state; /* afterwards */
    int partial;
} row_t;

#define OPEN CFMT_BREAKER_OPEN

static const row_t rest[] = {
    {.head = OK, .body = ENVELOPE("true", "[]", "[{\"id\":1},{\"id\":2}]"), .rows = 2},
    {.head = OK, .body = ENVELOPE("true", "null", "{\"id\":1}"), .rows = 1},
    {.head = OK, .body = ENVELOPE("true", "[]", "null")},
    {.head = "201 Created" JSON "; charset=utf-8", .body = ENVELOPE("true", "[]", "[]")},
    {.head = "200 OK", .body = "{\"result\":[1],\"success\":true,\"new\":{\"a\":[{}]}}", .rows = 1},
    {.head = OK, .body = ENVELOPE("false", ERROR("1003", "no"), "null"), .want = CFMT_EREFUSED,
     .detail = "Cloudflare refused the request (HTTP 200, code 1003): no", .code = 1003},
    {.head = OK, .body = ENVELOPE("false", "[]", "[1]"), .want = CFMT_EREFUSED, .rows = 1,
     .detail = "Cloudflare refused the request (HTTP 200)"},
    {.head = OK, .body = ENVELOPE("false", "[{\"message\":\"a\\u001b\\n\\u202eb\"}]", "null"),
     .want = CFMT_EREFUSED,
     .detail = "Cloudflare refused the request (HTTP 200): a\\x1b\\x0a\\xe2\\x80\\xaeb"},
    {.head = OK, .body = "{\"result\":[]}", .want = CFMT_EANSWER,
     .detail = "an answer without Cloudflare's envelope (HTTP 200)"},
    {.head = OK, .body = "{\"success\":\"true\",\"result\":[]}", .want = CFMT_EANSWER},
    {.head = OK, .body = "{\"items\":[]}", .want = CFMT_EANSWER},
    {.head = OK, .body = "[]", .want = CFMT_EANSWER},
    {.head = OK, .body = "", .want = CFMT_EANSWER, .detail = "an empty answer (HTTP 200)"},
    {.head = "204 No Content", .body = "", .want = CFMT_EANSWER},
    {.head = OK, .body = "{\"success\":true,\"result\":[1", .want = CFMT_EANSWER, .rows = 1,
     .detail = "an answer that is no JSON (HTTP 200): malformed (parse error: premature EOF)"},
    {.head = OK, .body = "{\"success\":true,\"success\":false}", .want = CFMT_EANSWER},
    {.head = OK, .body = "<html>", .want = CFMT_EANSWER,
     .detail = "an answer that is no JSON (HTTP 200): malformed (lexical error"},
    {.head = "200 OK\r\nContent-Type: text/html", .body = "<html>log in</html>",
     .want = CFMT_EANSWER, .detail = "an answer that is not of Cloudflare's API (HTTP 200): text/"},
    {.head = "200 OK\r\nContent-Type: text/html", .body = ENVELOPE("true", "[]", "[]"),
     .want = CFMT_EANSWER},
    {.head = "302 Found\r\nLocation: http://127.0.0.1/", .body = "", .want = CFMT_EANSWER,
     .detail = "a redirect, which is not followed (HTTP 302)"},
    {.head = "400 Bad" JSON, .body = ENVELOPE("false", ERROR("7003", "No route"), "null"),
     .want = CFMT_EREFUSED, .code = 7003,
     .detail = "Cloudflare refused the request (HTTP 400, code 7003): No route"},
    {.head = "404 Not" JSON, .body = "{\"result\":[1,2],\"success\":false}", .want = CFMT_EREFUSED},
    {.head = "404 Not\r\nContent-Type: text/html", .body = "<html>", .want = CFMT_EANSWER},
    {.head = "400 Bad", .body = "", .want = CFMT_EREFUSED},
    {.head = "401 No" JSON, .body = ENVELOPE("false", ERROR("1000", "Invalid API Token"), "null"),
     .want = CFMT_EAUTH, .code = 1000, .state = OPEN, .retry = 60,
     .detail = "Cloudflare refuses the token (HTTP 401, code 1000): Invalid API Token"},
    {.head = "401 No\r\nContent-Type: text/html", .body = "<html>", .want = CFMT_EAUTH,
     .state = OPEN, .retry = 60},
    {.head = "403 No" JSON, .body = ENVELOPE("false", ERROR("10000", "not allowed"), "null"),
     .want = CFMT_EAUTH, .code = 10000, .state = OPEN, .retry = 60,
     .detail = "Cloudflare does not let this token do that (HTTP 403, code 10000): not allowed"},
    {.head = "403 No\r\nContent-Type: text/html", .body = "blocked", .want = CFMT_EANSWER},
    {.head = "403 No", .body = "", .want = CFMT_EAUTH, .state = OPEN, .retry = 60},
    {.head = "400 Bad" JSON, .body = ENVELOPE("false", ERROR("9109", "Invalid access token"), "[]"),
     .want = CFMT_EAUTH, .code = 9109, .state = OPEN, .retry = 60},
    {.head = "429 Slow" JSON "\r\nRetry-After: 17", .body = ENVELOPE("false", "[]", "null"),
     .want = CFMT_ELIMIT, .retry = 17, .detail = "over Cloudflare's limit of calls (HTTP 429)"},
    {.head = "429 Slow" JSON, .body = "{}", .want = CFMT_ELIMIT, .retry = 300},
    {.head = "429 Slow\r\nContent-Type: text/html\r\nRetry-After: 3", .body = "<html>",
     .want = CFMT_ELIMIT, .retry = 3},
    {.head = "429 Slow\r\nRetry-After: 86401", .body = "", .want = CFMT_ELIMIT,
     .retry = 86400},
    {.head = "500 Oh" JSON, .body = ENVELOPE("false", ERROR("1", "internal"), "null"),
     .want = CFMT_ESERVER, .code = 1, .detail = "Cloudflare failed (HTTP 500, code 1): internal"},
    {.head = "502 Oh\r\nContent-Type: text/html", .body = "<html>", .want = CFMT_ESERVER},
    {.head = "503 Oh\r\nRetry-After: 9", .body = "", .want = CFMT_ESERVER, .retry = 9},
    {.head = "503 Oh\r\nRetry-After: 86400", .body = "", .want = CFMT_ESERVER, .retry = 300},
    {.head = "524 Oh" JSON, .body = "{", .want = CFMT_ESERVER},
    {.head = "400 Bad" JSON,
     .body = ENVELOPE("false", ERROR("0", LONG20 LONG20 LONG20 LONG20 LONG20 LONG20 LONG20 LONG20
                                     LONG20 LONG20 LONG20 LONG20), "null"),
     .want = CFMT_EREFUSED, .detail = "Cloudflare refused the request (HTTP 400): " LONG20},
    {.head = "400 Bad" JSON,
     .body = ENVELOPE("false", ERROR("5", "token " TOKEN " and " TOKEN "!"), "null"),
     .want = CFMT_EREFUSED, .code = 5,
     .detail = "Cloudflare refused the request (HTTP 400, code 5): token *** and ***!"},
    {.head = "400 Bad" JSON, .body = ENVELOPE("false", ERROR("5", "v1.0-c0ffee-toke..."), "null"),
     .want = CFMT_EREFUSED, .code = 5,
     .detail = "Cloudflare refused the request (HTTP 400, code 5): ***..."},
    {.head = "200 OK\r\nContent-Type: x/" TOKEN, .body = "x", .want = CFMT_EANSWER,
     .detail = "an answer that is not of Cloudflare's API (HTTP 200): x/***"},
};

static const row_t graphql[] = {
    {.head = OK, .body = DATA("[{\"n\":1},{\"n\":2},{\"n\":3}]", "null"), .rows = 3},
    {.head = OK, .body = DATA("[]", "[]")},
    {.head = OK, .body = "{\"data\":{\"viewer\":{\"accounts\":[]}}}", .want = CFMT_EANSWER,
     .detail = "an answer without the account (HTTP 200)"},
    {.head = OK, .body = "{\"data\":null,\"errors\":null}", .want = CFMT_EANSWER,
     .detail = "an answer without data (HTTP 200)"},
    {.head = OK, .body = "{}", .want = CFMT_EANSWER},
    {.head = OK, .body = "{\"data\":{},\"errors\":\"x\"}", .want = CFMT_EANSWER},
    {.head = OK, .body = ENVELOPE("true", "[]", "[]"), .want = CFMT_EANSWER},
    {.head = OK, .body = "", .want = CFMT_EANSWER},
    {.head = "200 OK\r\nContent-Type: text/html", .body = "<html>", .want = CFMT_EANSWER},
    {.head = OK, .body = DATA("[{\"n\":1}]", GRAPHQL("query time range is too large")),
     .want = CFMT_EREFUSED, .rows = 1, .partial = 1, .detail = "only a part came: Cloudflare refu"},
    {.head = OK, .body = "{\"data\":null,\"errors\":" GRAPHQL("unknown field x") "}",
     .want = CFMT_EREFUSED,
     .detail = "Cloudflare refused the request (HTTP 200): unknown field x"},
    {.head = OK, .body = DATA("[1]", GRAPHQL("unable to execute query, please try again later")),
     .want = CFMT_ESERVER, .rows = 1, .partial = 1},
    {.head = OK, .body = "{\"data\":null,\"errors\":" GRAPHQL("Internal server error") "}",
     .want = CFMT_ESERVER},
    {.head = OK, .body = "{\"data\":null,\"errors\":"
                         GRAPHQL("rate limiter budget depleted, try again after 5 minutes") "}",
     .want = CFMT_ELIMIT, .retry = 300},
    {.head = OK, .body = "{\"data\":null,\"errors\":[{\"message\":\"unknown field\"},"
                         "{\"message\":\"rate limiter budget depleted\"}]}",
     .want = CFMT_ELIMIT, .retry = 300,
     .detail = "over Cloudflare's limit of calls (HTTP 200): rate limiter"},
    {.head = OK, .body = "{\"data\":null,\"errors\":" GRAPHQL("Unauthorized") "}",
     .want = CFMT_EAUTH, .state = OPEN, .retry = 60},
    {.head = "401 No" JSON, .body = "{\"errors\":" GRAPHQL("Unauthorized") "}", .want = CFMT_EAUTH,
     .state = OPEN, .retry = 60},
    {.head = "403 No" JSON, .body = "{\"errors\":" GRAPHQL("not authorized for that account") "}",
     .want = CFMT_EREFUSED,
     .detail = "Cloudflare refused the request (HTTP 403): not authorized for that account"},
    {.head = OK, .body = "{\"data\":null,\"errors\":"
                         GRAPHQL("account \\\"x\\\" does not have access to the path. See") "}",
     .want = CFMT_EREFUSED},
    {.head = "403 No" JSON, .body = "{\"errors\":" GRAPHQL("zones [x] are not authorized") "}",
     .want = CFMT_EREFUSED},
    {.head = "403 No" JSON, .body = "{\"errors\":" GRAPHQL("forbidden") "}", .want = CFMT_EAUTH,
     .state = OPEN, .retry = 60},
    {.head = "429 Slow" JSON, .body = "{\"errors\":" GRAPHQL("query consumed excessive resources")
                                      "}", .want = CFMT_EREFUSED},
    {.head = "429 Slow" JSON "\r\nRetry-After: 44", .body = "{\"errors\":[]}", .want = CFMT_ELIMIT,
     .retry = 44},
    {.head = "429 Slow" JSON, .body = "{}", .want = CFMT_ELIMIT, .retry = 300},
    {.head = "500 Oh" JSON, .body = "{\"errors\":" GRAPHQL("boom") "}", .want = CFMT_ESERVER},
};

static void check_answer(const row_t *row, const cfmt_api_call_t *call)
{
    cfmt_api_t *a = make_api();
    cfmt_upstream_state_t state;
    const cfmt_result_t *r = &seen.r.r;

    answer_with(row->head, row->body, 0);
    fetch(a, call);
    state = state_of(a, call->upstream);
    ck_assert_msg(r->status == row->want, "%s %s: %s: %s", row->head, row->body,
                  cfmt_status_name(r->status), r->detail);
    ck_assert_int_eq(seen.r.code, atoi(row->head));
    ck_assert_msg(seen.r.error_code == row->code, "%s: %d", row->body, (int)seen.r.error_code);
    ck_assert_msg(seen.r.rows == row->rows && seen.rows == row->rows, "%s: %d", row->body,
                  seen.rows);
    ck_assert_msg(seen.r.partial == row->partial, "%s", row->body);
    ck_assert_msg(r->retry_at == (row->retry ? NOW + S(row->retry) : 0), "%s %s: %d s", row->head,
                  row->body, (int)apr_time_sec(r->retry_at - NOW));
    ck_assert_msg(state.breaker.state == row->state, "%s %s", row->head, row->body);
    ck_assert_int_eq(state.blocked_until, row->want == CFMT_ELIMIT ? r->retry_at : 0);
    ck_assert((row->want == APR_SUCCESS) == (r->detail == NULL));
    if (row->want != APR_SUCCESS) {
        ck_assert_str_eq(r->problem, cfmt_status_name(row->want));
        ck_assert_msg(!row->detail || strncmp(r->detail, row->detail, strlen(row->detail)) == 0,
                      "%s\nnot\n%s", r->detail, row->detail);
        ck_assert_uint_le(strlen(r->detail), 200);
        ck_assert_msg(!strstr(r->detail, "tokentoken"), "%s", r->detail);
        ck_assert_str_eq(state.detail, r->detail);
    }
    ck_assert_msg(strstr(traces, "things") || strstr(traces, "graphql"), "%s", traces);
    ck_assert_msg(!strstr(traces, "tokentoken") || strstr(row->body, TOKEN)
                      || strstr(row->head, TOKEN), "%s", traces);
}

START_TEST(test_rest_answers)
{
    cfmt_api_call_t call = rest_call();
    int i;

    start_server();
    for (i = 0; i < KIT_COUNT(rest); i++) {
        check_answer(&rest[i], &call);
    }
    stop_server();
}
END_TEST

START_TEST(test_graphql_answers)
{
    cfmt_api_call_t call = graphql_call();
    int i;

    start_server();
    for (i = 0; i < KIT_COUNT(graphql); i++) {
        check_answer(&graphql[i], &call);
    }
    stop_server();
}
END_TEST

/* Without a whole answer the transport's word counts, but for what the status line said. */
START_TEST(test_cut_short)
{
    cfmt_api_call_t call = rest_call();
    cfmt_api_t *a;

    start_server();
    a = make_api();
    answer_with(OK, ENVELOPE("true", "[]", "[1]"), 10);
    fetch(a, &call);
    ck_assert_int_eq(seen.r.r.status, CFMT_ENET);
    ck_assert(seen.r.r.detail && *seen.r.r.detail);
    answer_with("429 Slow" JSON "\r\nRetry-After: 5", "{", 10);
    fetch(a, &call);
    ck_assert_int_eq(seen.r.r.status, CFMT_ELIMIT);
    ck_assert_int_eq(seen.r.r.retry_at, NOW + S(5));
    clock_at += S(5);
    call.answer_max = 100;
    answer_json("200 OK", apr_psprintf(unit_pool, "{\"x\":\"%0200d\"}", 1));
    fetch(a, &call);
    ck_assert_int_eq(seen.r.r.status, CFMT_EANSWER);
    stop_server();
    fetch(a, &call);
    ck_assert_int_eq(seen.r.r.status, CFMT_ENET);
    ck_assert_int_eq(seen.r.code, 0);
}
END_TEST

/* What the caller cannot use is an error of the answer, but the upstream lives. */
START_TEST(test_row_refused)
{
    cfmt_api_call_t call = rest_call();
    cfmt_api_t *a;
    int i;

    start_server();
    a = make_api();
    answer_json("200 OK", ENVELOPE("true", "[]", "[1,2]"));
    seen.refuse = 1;
    for (i = 0; i < 5; i++) {
        fetch(a, &call);
        ck_assert_int_eq(seen.r.r.status, CFMT_EANSWER);
        ck_assert_str_eq(seen.r.r.detail, "a row of the answer cannot be used (HTTP 200)");
        ck_assert_int_eq(seen.rows, 1);
    }
    seen.refuse = 0;
    stop_server();
}
END_TEST

START_TEST(test_items_and_pages)
{
    cfmt_api_call_t call = rest_call();
    cfmt_api_t *a;

    start_server();
    a = make_api();
    call.rows = item_rows;
    answer_json("200 OK", "{\"items\":[{},{}],\"next\":null}");
    fetch(a, &call);
    ck_assert_int_eq(seen.r.r.status, APR_SUCCESS);
    ck_assert_int_eq(seen.r.rows, 2);
    answer_with(OK "\r\nETag: \"abc\"", "{\"success\":true,\"result_info\":{\"page\":2,"
                "\"per_page\":25,\"count\":3,\"total_count\":\"53\"}}", 0);
    fetch(a, &call);
    ck_assert_int_eq(seen.r.r.status, APR_SUCCESS);
    ck_assert(seen.r.page == 2 && seen.r.per_page == 25 && seen.r.total == 53);
    ck_assert_str_eq(seen.r.etag, "\"abc\"");
    stop_server();
}
END_TEST

/* ---- what is sent ---------------------------------------------------------------------------- */

START_TEST(test_requests)
{
    cfmt_api_call_t call = rest_call();
    cfmt_api_t *a;

    start_server();
    a = make_api();
    answer_json("200 OK", ENVELOPE("true", "[]", "[]"));
    fetch(a, &call);
    ck_assert(strncmp(server.request, "GET /client/v4/things HTTP/1.1\r\n", 32) == 0);
    ck_assert(strstr(server.request, "\r\nAuthorization: Bearer " TOKEN "\r\n"));
    ck_assert(!strcasestr(server.request, "\r\nContent-Type"));
    call.method = "PATCH";
    call.body = "{\"on_demand\":{\"advertised\":true}}";
    fetch(a, &call);
    ck_assert(strncmp(server.request, "PATCH /client/v4/things ", 24) == 0);
    ck_assert(strstr(server.request, "\r\nContent-Type: application/json\r\n"));
    ck_assert(strstr(server.request, "\r\n\r\n{\"on_demand\":{\"advertised\":true}}"));
    call = rest_call();
    call.anonymous = 1;
    fetch(a, &call);
    ck_assert(!strcasestr(server.request, "Authorization"));
    call = graphql_call();
    answer_json("200 OK", DATA("[]", "null"));
    fetch(a, &call);
    ck_assert(strncmp(server.request, "POST /graphql HTTP/1.1\r\n", 24) == 0);
    ck_assert(strstr(server.request, "\r\n\r\n{\"query\":\"query { viewer { budget } }\","
                                     "\"variables\":{\"a\":\"b\"}}"));
    ck_assert_int_eq(server.calls, 4);
    ck_assert_msg(strstr(traces, "***") && !strstr(traces, "tokentoken"), "%s", traces);
    stop_server();
}
END_TEST

START_TEST(test_refuses_calls)
{
    static const char *const paths[] = {NULL, "", "things", "/a b", "/a\r\nX: y", "/a/../b", "/a#b",
                                        "/\xC3\xA4"};
    cfmt_api_conf_t conf = {.token = "a\r\nb", .clock = &test_clock};
    cfmt_api_call_t call = rest_call();
    cfmt_result_t r;
    cfmt_api_t *a;
    int i;

    start_server();
    a = make_api();
    for (i = 0; i < KIT_COUNT(paths); i++) {
        call.path = paths[i];
        ck_assert_int_eq(make_call(a, &call, &r), CFMT_EINVALID);
        ck_assert(r.status == CFMT_EINVALID && r.detail);
        ck_assert_int_eq(make_call(a, &call, NULL), CFMT_EINVALID);
    }
    call = graphql_call();
    call.body = NULL;
    ck_assert_int_eq(make_call(a, &call, &r), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_api_create(&a, &conf, unit_pool), CFMT_EINVALID);
    conf.token = "";
    ck_assert_int_eq(cfmt_api_create(&a, &conf, unit_pool), CFMT_EINVALID);
    conf.token = NULL;
    conf.account = "../x";
    ck_assert_int_eq(cfmt_api_create(&a, &conf, unit_pool), CFMT_EINVALID);
    conf.account = NULL;
    conf.rest_url = "ftp://127.0.0.1/";
    ck_assert_int_eq(cfmt_api_create(&a, &conf, unit_pool), APR_SUCCESS);
    call = rest_call();
    ck_assert_int_eq(make_call(a, &call, &r), CFMT_EINVALID);
    ck_assert_str_eq(r.detail, "there is no token");
    call.anonymous = 1;
    ck_assert_int_eq(make_call(a, &call, &r), CFMT_EINVALID);
    ck_assert_str_eq(r.detail, "the rest URL cannot be asked");
    ck_assert_int_eq(server.calls, 0);
    stop_server();
}
END_TEST

/* ---- breaker and budget ---------------------------------------------------------------------- */

START_TEST(test_breaker_opens)
{
    cfmt_api_call_t call = rest_call(), query = graphql_call();
    cfmt_result_t r;
    cfmt_api_t *a;
    int i;

    start_server();
    a = make_api();
    answer_json("500 Oh", ENVELOPE("false", ERROR("1", "boom"), "null"));
    for (i = 0; i < CFMT_BREAKER_FAILS; i++) {
        fetch(a, &call);
    }
    ck_assert_int_eq(seen.r.r.retry_at, NOW + S(10));
    ck_assert_int_eq(make_call(a, &call, &r), CFMT_EBREAKER);
    ck_assert_int_eq(r.retry_at, NOW + S(10));
    ck_assert_str_eq(r.detail, "not asked after 3 failures in a row; the last one: "
                               "Cloudflare failed (HTTP 500, code 1): boom");
    ck_assert_int_eq(state_of(a, CFMT_UPSTREAM_GRAPHQL).breaker.state, CFMT_BREAKER_CLOSED);
    answer_json("200 OK", DATA("[]", "null"));
    fetch(a, &query);
    ck_assert_int_eq(server.calls, 4);
    clock_at += S(10);
    answer_json("200 OK", ENVELOPE("true", "[]", "[]"));
    fetch(a, &call);
    ck_assert_int_eq(state_of(a, CFMT_UPSTREAM_REST).breaker.state, CFMT_BREAKER_CLOSED);
    stop_server();
}
END_TEST

/* A permission that is lacking does not keep the rest from being asked, a refused token does. */
START_TEST(test_permission_or_token)
{
    cfmt_api_call_t call = rest_call(), verify = rest_call(), ips = rest_call();
    const char *lacking = ENVELOPE("false", ERROR("10000", "Authentication error"), "null");
    cfmt_api_t *a;
    int i;

    start_server();
    a = make_api();
    verify.path = "/user/tokens/verify";
    ips.anonymous = 1;
    answer_json("401 No", ENVELOPE("false", ERROR("1000", "Invalid API Token"), "null"));
    fetch(a, &verify);
    ck_assert_int_eq(seen.r.r.status, CFMT_EAUTH);
    ck_assert_int_eq(state_of(a, CFMT_UPSTREAM_REST).breaker.state, CFMT_BREAKER_CLOSED);
    answer_json("200 OK", ENVELOPE("true", "[]", "[]"));
    fetch(a, &call);
    answer_json("403 No", lacking);
    for (i = 0; i < 5; i++) {
        fetch(a, &call);
        ck_assert_int_eq(seen.r.r.status, CFMT_EAUTH);
    }
    ck_assert_int_eq(state_of(a, CFMT_UPSTREAM_REST).breaker.state, CFMT_BREAKER_CLOSED);
    clock_at += S(301);
    fetch(a, &call);
    ck_assert_int_eq(state_of(a, CFMT_UPSTREAM_REST).breaker.state, OPEN);
    /* What needs no token is asked nevertheless and proves nothing of it. */
    answer_json("200 OK", ENVELOPE("true", "[]", "[]"));
    fetch(a, &ips);
    ck_assert_int_eq(seen.r.r.status, APR_SUCCESS);
    ck_assert_int_eq(state_of(a, CFMT_UPSTREAM_REST).breaker.state, OPEN);
    clock_at += S(60);
    fetch(a, &call);
    answer_json("401 No", lacking);
    fetch(a, &call);
    ck_assert_int_eq(state_of(a, CFMT_UPSTREAM_REST).breaker.state, OPEN);
    stop_server();
}
END_TEST

START_TEST(test_budget_used_up)
{
    cfmt_api_call_t call = rest_call();
    cfmt_upstream_state_t state;
    cfmt_result_t r;
    cfmt_api_t *a;

    start_server();
    a = make_api();
    answer_with(OK "\r\nRatelimit: \"default\";r=62;t=30\r\n"
                "Ratelimit-Policy: \"default\";q=1000;w=300", ENVELOPE("true", "[]", "[]"), 0);
    fetch(a, &call);
    state = state_of(a, CFMT_UPSTREAM_REST);
    ck_assert_int_eq((int)state.left, 62);
    ck_assert_int_eq((int)state.quota, 1000);
    ck_assert_int_eq((int)state_of(a, CFMT_UPSTREAM_GRAPHQL).quota, 300);
    answer_with(OK "\r\nRatelimit: \"default\";r=60;t=30", ENVELOPE("true", "[]", "[]"), 0);
    fetch(a, &call);
    ck_assert_int_eq(make_call(a, &call, &r), CFMT_ELIMIT);
    ck_assert_int_eq(r.retry_at, NOW + S(30));
    ck_assert_str_eq(r.detail, "our share of Cloudflare's limit of calls is used up");
    call.action = 1;
    fetch(a, &call);
    ck_assert_int_eq(server.calls, 3);
    stop_server();
}
END_TEST

/* A probe that the budget keeps back did not set out. */
START_TEST(test_probe_without_budget)
{
    cfmt_api_call_t call = rest_call();
    cfmt_result_t r;
    cfmt_api_t *a;

    start_server();
    a = make_api();
    answer_with("401 No\r\nRatelimit: \"default\";r=0;t=100", "", 0);
    fetch(a, &call);
    clock_at += S(60);
    ck_assert_int_eq(make_call(a, &call, &r), CFMT_ELIMIT);
    ck_assert_int_eq(r.retry_at, NOW + S(100));
    ck_assert_int_eq(state_of(a, CFMT_UPSTREAM_REST).breaker.state, OPEN);
    clock_at += S(40);
    fetch(a, &call);
    stop_server();
}
END_TEST

START_TEST(test_refused_calls)
{
    cfmt_api_call_t call = rest_call();
    cfmt_result_t r;
    cfmt_api_t *a;

    start_server();
    a = make_api();
    /* A 429 to a change may be about that prefix alone. */
    call.method = "PATCH";
    call.body = "{}";
    answer_json("429 Slow", ENVELOPE("false", ERROR("1002", "Prefix was withdrawn less than 15 min"
                                                            "utes ago"), "null"));
    fetch(a, &call);
    ck_assert_int_eq(seen.r.r.status, CFMT_ELIMIT);
    ck_assert_int_eq(seen.r.r.retry_at, NOW + S(300));
    ck_assert_int_eq(state_of(a, CFMT_UPSTREAM_REST).blocked_until, 0);
    call = rest_call();
    answer_with("429 Slow" JSON "\r\nRetry-After: 17", "{}", 0);
    fetch(a, &call);
    ck_assert_int_eq(make_call(a, &call, &r), CFMT_ELIMIT);
    ck_assert_int_eq(r.retry_at, NOW + S(17));
    ck_assert_str_eq(r.detail, "Cloudflare wants no calls for the time being");
    clock_at += S(17) - 1;
    call.action = 1;
    ck_assert_int_eq(make_call(a, &call, &r), CFMT_ELIMIT);
    ck_assert_int_eq(state_of(a, CFMT_UPSTREAM_REST).blocked_until, NOW + S(17));
    clock_at++;
    ck_assert_int_eq(state_of(a, CFMT_UPSTREAM_REST).blocked_until, 0);
    fetch(a, &call);
    stop_server();
}
END_TEST

/* ---- the rest -------------------------------------------------------------------------------- */

static const struct {
    int ahead; /* our clock, seconds */
    apr_interval_time_t low, high;
} skews[] = {{0, 1, 1}, {-1, -S(1), 1}, {1, 0, S(1)}, {100, S(98), S(100)},
             {-100, -S(101), -S(99)}};

START_TEST(test_skew)
{
    cfmt_api_call_t call = rest_call();
    cfmt_api_t *a;
    int i;

    start_server();
    for (i = 0; i < KIT_COUNT(skews); i++) {
        a = make_api();
        answer_with(OK "\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT", ENVELOPE("true", "[]", "[]"), 0);
        clock_at = NOW + S(skews[i].ahead);
        fetch(a, &call);
        ck_assert_msg(seen.r.skew >= skews[i].low && seen.r.skew <= skews[i].high, "%d: %ld us",
                      skews[i].ahead, (long)seen.r.skew);
        answer_with(OK, ENVELOPE("true", "[]", "[]"), 0);
        fetch(a, &call);
        ck_assert_int_eq(seen.r.skew, 0);
        ck_assert(state_of(a, CFMT_UPSTREAM_REST).skew != 0);
    }
    stop_server();
}
END_TEST

START_TEST(test_ids)
{
    static const struct {
        const char *id;
        int ok;
    } ids[] = {
        {ACCOUNT, 1}, {"9035F53656C247E895C5A6939AE8A0E0", 1},
        {"023e105f-4ecf-8ad9-ca31-a8372d0c353f", 1}, {NULL, 0}, {"", 0}, {"..", 0},
        {"9035f53656c247e895c5a6939ae8a0e", 0}, {"9035f53656c247e895c5a6939ae8a0e00", 0},
        {"9035f53656c247e895c5a6939ae8a0eg", 0}, {"9035f53656c247e895c5a6939ae8a0/.", 0},
        {"023e105f-4ecf-8ad9-ca31-a8372d0c353g", 0}, {"023e105f04ecf-8ad9-ca31-a8372d0c353f", 0},
        {"023e105f-4ecf-8ad9-ca31-a8372d0c-53f", 0}, {"--------------------------------", 0},
    };
    int i;

    for (i = 0; i < KIT_COUNT(ids); i++) {
        ck_assert_msg(cfmt_id_ok(ids[i].id) == ids[i].ok, "%s", ids[i].id);
    }
    ck_assert_str_eq(cfmt_upstream_name(CFMT_UPSTREAM_REST), "rest");
    ck_assert_str_eq(cfmt_upstream_name(CFMT_UPSTREAM_GRAPHQL), "graphql");
}
END_TEST

UNIT_SUITE_BEGIN(api)
    UNIT_TEST(test_rest_answers)
    UNIT_TEST(test_graphql_answers)
    UNIT_TEST(test_cut_short)
    UNIT_TEST(test_row_refused)
    UNIT_TEST(test_items_and_pages)
    UNIT_TEST(test_requests)
    UNIT_TEST(test_refuses_calls)
    UNIT_TEST(test_breaker_opens)
    UNIT_TEST(test_permission_or_token)
    UNIT_TEST(test_budget_used_up)
    UNIT_TEST(test_probe_without_budget)
    UNIT_TEST(test_refused_calls)
    UNIT_TEST(test_skew)
    UNIT_TEST(test_ids)
UNIT_SUITE_END
