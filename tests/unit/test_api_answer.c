/*
 * Unit tests of src/cloudflare/answer.c: what one answer means, by api.c's calls.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "canned.h"
#include "kit.h"
#include "unit.h"

#define LONG20 "xxxxxxxxxxxxxxxxxxxx"
#define GRAPHQL(message) "[{\"message\":\"" message "\",\"path\":null}]"

static const char *const item_rows[] = {"items", NULL};

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
    cfmt_api_t *a = canned_api();
    cfmt_upstream_state_t state;
    const cfmt_result_t *r = &canned_seen.r.r;

    canned_answer(row->head, row->body, 0);
    canned_fetch(a, call);
    state = canned_state(a, call->upstream);
    ck_assert_msg(r->status == row->want, "%s %s: %s: %s", row->head, row->body,
                  cfmt_status_name(r->status), r->detail);
    ck_assert_int_eq(canned_seen.r.code, atoi(row->head));
    ck_assert_msg(canned_seen.r.error_code == row->code, "%s: %d", row->body,
                  (int)canned_seen.r.error_code);
    ck_assert_msg(canned_seen.r.rows == row->rows && canned_seen.rows == row->rows, "%s: %d",
                  row->body, canned_seen.rows);
    ck_assert_msg(canned_seen.r.partial == row->partial, "%s", row->body);
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
    ck_assert_msg(strstr(canned_traces, "things") || strstr(canned_traces, "graphql"), "%s",
                  canned_traces);
    ck_assert_msg(!strstr(canned_traces, "tokentoken") || strstr(row->body, TOKEN)
                      || strstr(row->head, TOKEN), "%s", canned_traces);
}

START_TEST(test_rest_answers)
{
    cfmt_api_call_t call = canned_rest();
    int i;

    canned_start();
    for (i = 0; i < KIT_COUNT(rest); i++) {
        check_answer(&rest[i], &call);
    }
    canned_stop();
}
END_TEST

START_TEST(test_graphql_answers)
{
    cfmt_api_call_t call = canned_graphql();
    int i;

    canned_start();
    for (i = 0; i < KIT_COUNT(graphql); i++) {
        check_answer(&graphql[i], &call);
    }
    canned_stop();
}
END_TEST

/* Without a whole answer the transport's word counts, but for what the status line said. */
START_TEST(test_cut_short)
{
    cfmt_api_call_t call = canned_rest();
    cfmt_api_t *a;

    canned_start();
    a = canned_api();
    canned_answer(OK, ENVELOPE("true", "[]", "[1]"), 10);
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_seen.r.r.status, CFMT_ENET);
    ck_assert(canned_seen.r.r.detail && *canned_seen.r.r.detail);
    canned_answer("429 Slow" JSON "\r\nRetry-After: 5", "{", 10);
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_seen.r.r.status, CFMT_ELIMIT);
    ck_assert_int_eq(canned_seen.r.r.retry_at, NOW + S(5));
    canned_now += S(5);
    call.answer_max = 100;
    canned_json("200 OK", apr_psprintf(unit_pool, "{\"x\":\"%0200d\"}", 1));
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_seen.r.r.status, CFMT_EANSWER);
    canned_stop();
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_seen.r.r.status, CFMT_ENET);
    ck_assert_int_eq(canned_seen.r.code, 0);
}
END_TEST

/* What the caller cannot use is an error of the answer, but the upstream lives. */
START_TEST(test_row_refused)
{
    cfmt_api_call_t call = canned_rest();
    cfmt_api_t *a;
    int i;

    canned_start();
    a = canned_api();
    canned_json("200 OK", ENVELOPE("true", "[]", "[1,2]"));
    canned_seen.refuse = 1;
    for (i = 0; i < 5; i++) {
        canned_fetch(a, &call);
        ck_assert_int_eq(canned_seen.r.r.status, CFMT_EANSWER);
        ck_assert_str_eq(canned_seen.r.r.detail, "a row of the answer cannot be used (HTTP 200)");
        ck_assert_int_eq(canned_seen.rows, 1);
    }
    canned_seen.refuse = 0;
    canned_stop();
}
END_TEST

START_TEST(test_items_and_pages)
{
    cfmt_api_call_t call = canned_rest();
    cfmt_api_t *a;

    canned_start();
    a = canned_api();
    call.rows = item_rows;
    canned_json("200 OK", "{\"items\":[{},{}],\"next\":null}");
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_seen.r.r.status, APR_SUCCESS);
    ck_assert_int_eq(canned_seen.r.rows, 2);
    canned_answer(OK "\r\nETag: \"abc\"", "{\"success\":true,\"result_info\":{\"page\":2,"
                  "\"per_page\":25,\"count\":3,\"total_count\":\"53\"}}", 0);
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_seen.r.r.status, APR_SUCCESS);
    ck_assert(canned_seen.r.page == 2 && canned_seen.r.per_page == 25 && canned_seen.r.total == 53);
    ck_assert_str_eq(canned_seen.r.etag, "\"abc\"");
    canned_stop();
}
END_TEST

UNIT_SUITE_BEGIN(api_answer)
    UNIT_TEST(test_rest_answers)
    UNIT_TEST(test_graphql_answers)
    UNIT_TEST(test_cut_short)
    UNIT_TEST(test_row_refused)
    UNIT_TEST(test_items_and_pages)
UNIT_SUITE_END
