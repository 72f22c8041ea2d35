/*
 * Unit tests of src/cloudflare/api.c: what is sent and what is not, breaker, budget, the clocks.
 */
#include <string.h>

#include <apr_strings.h>

#include "canned.h"
#include "kit.h"
#include "unit.h"

#define OPEN CFMT_BREAKER_OPEN

/* ---- what is sent ---------------------------------------------------------------------------- */

START_TEST(test_requests)
{
    cfmt_api_call_t call = canned_rest();
    cfmt_api_t *a;

    canned_start();
    a = canned_api();
    canned_json("200 OK", ENVELOPE("true", "[]", "[]"));
    canned_fetch(a, &call);
    ck_assert(strncmp(canned_request, "GET /client/v4/things HTTP/1.1\r\n", 32) == 0);
    ck_assert(strstr(canned_request, "\r\nAuthorization: Bearer " TOKEN "\r\n"));
    ck_assert(!strcasestr(canned_request, "\r\nContent-Type"));
    call.method = "PATCH";
    call.body = "{\"on_demand\":{\"advertised\":true}}";
    canned_fetch(a, &call);
    ck_assert(strncmp(canned_request, "PATCH /client/v4/things ", 24) == 0);
    ck_assert(strstr(canned_request, "\r\nContent-Type: application/json\r\n"));
    ck_assert(strstr(canned_request, "\r\n\r\n{\"on_demand\":{\"advertised\":true}}"));
    call = canned_rest();
    call.anonymous = 1;
    canned_fetch(a, &call);
    ck_assert(!strcasestr(canned_request, "Authorization"));
    call = canned_graphql();
    canned_json("200 OK", DATA("[]", "null"));
    canned_fetch(a, &call);
    ck_assert(strncmp(canned_request, "POST /graphql HTTP/1.1\r\n", 24) == 0);
    ck_assert(strstr(canned_request, "\r\n\r\n{\"query\":\"query { viewer { budget } }\","
                                     "\"variables\":{\"a\":\"b\"}}"));
    ck_assert_int_eq(canned_calls(), 4);
    ck_assert_msg(strstr(canned_traces, "***") && !strstr(canned_traces, "tokentoken"), "%s",
                  canned_traces);
    canned_stop();
}
END_TEST

START_TEST(test_refuses_calls)
{
    static const char *const paths[] = {NULL, "", "things", "/a b", "/a\r\nX: y", "/a/../b", "/a#b",
                                        "/\xC3\xA4"};
    cfmt_api_conf_t conf = {.token = "a\r\nb", .clock = &canned_clock};
    cfmt_api_call_t call = canned_rest();
    cfmt_result_t r;
    cfmt_api_t *a;
    int i;

    canned_start();
    a = canned_api();
    for (i = 0; i < KIT_COUNT(paths); i++) {
        call.path = paths[i];
        ck_assert_int_eq(canned_call(a, &call, &r), CFMT_EINVALID);
        ck_assert(r.status == CFMT_EINVALID && r.detail);
        ck_assert_int_eq(canned_call(a, &call, NULL), CFMT_EINVALID);
    }
    call = canned_graphql();
    call.body = NULL;
    ck_assert_int_eq(canned_call(a, &call, &r), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_api_create(&a, &conf, unit_pool), CFMT_EINVALID);
    conf.token = "";
    ck_assert_int_eq(cfmt_api_create(&a, &conf, unit_pool), CFMT_EINVALID);
    conf.token = NULL;
    conf.account = "../x";
    ck_assert_int_eq(cfmt_api_create(&a, &conf, unit_pool), CFMT_EINVALID);
    conf.account = NULL;
    conf.rest_url = "ftp://127.0.0.1/";
    ck_assert_int_eq(cfmt_api_create(&a, &conf, unit_pool), APR_SUCCESS);
    call = canned_rest();
    ck_assert_int_eq(canned_call(a, &call, &r), CFMT_EINVALID);
    ck_assert_str_eq(r.detail, "there is no token");
    call.anonymous = 1;
    ck_assert_int_eq(canned_call(a, &call, &r), CFMT_EINVALID);
    ck_assert_str_eq(r.detail, "the rest URL cannot be asked");
    ck_assert_int_eq(canned_calls(), 0);
    canned_stop();
}
END_TEST

/* ---- breaker and budget ---------------------------------------------------------------------- */

START_TEST(test_breaker_opens)
{
    cfmt_api_call_t call = canned_rest(), query = canned_graphql();
    cfmt_result_t r;
    cfmt_api_t *a;
    int i;

    canned_start();
    a = canned_api();
    canned_json("500 Oh", ENVELOPE("false", ERROR("1", "boom"), "null"));
    for (i = 0; i < CFMT_BREAKER_FAILS; i++) {
        canned_fetch(a, &call);
    }
    ck_assert_int_eq(canned_seen.r.r.retry_at, NOW + S(10));
    ck_assert_int_eq(canned_call(a, &call, &r), CFMT_EBREAKER);
    ck_assert_int_eq(r.retry_at, NOW + S(10));
    ck_assert_str_eq(r.detail, "not asked after 3 failures in a row; the last one: "
                               "Cloudflare failed (HTTP 500, code 1): boom");
    ck_assert_int_eq(canned_state(a, CFMT_UPSTREAM_GRAPHQL).breaker.state, CFMT_BREAKER_CLOSED);
    canned_json("200 OK", DATA("[]", "null"));
    canned_fetch(a, &query);
    ck_assert_int_eq(canned_calls(), 4);
    canned_now += S(10);
    canned_json("200 OK", ENVELOPE("true", "[]", "[]"));
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_state(a, CFMT_UPSTREAM_REST).breaker.state, CFMT_BREAKER_CLOSED);
    canned_stop();
}
END_TEST

/* A permission that is lacking does not keep the rest from being asked, a refused token does. */
START_TEST(test_permission_or_token)
{
    cfmt_api_call_t call = canned_rest(), verify = canned_rest(), ips = canned_rest();
    const char *lacking = ENVELOPE("false", ERROR("10000", "Authentication error"), "null");
    cfmt_api_t *a;
    int i;

    canned_start();
    a = canned_api();
    verify.path = "/user/tokens/verify";
    ips.anonymous = 1;
    canned_json("401 No", ENVELOPE("false", ERROR("1000", "Invalid API Token"), "null"));
    canned_fetch(a, &verify);
    ck_assert_int_eq(canned_seen.r.r.status, CFMT_EAUTH);
    ck_assert_int_eq(canned_state(a, CFMT_UPSTREAM_REST).breaker.state, CFMT_BREAKER_CLOSED);
    canned_json("200 OK", ENVELOPE("true", "[]", "[]"));
    canned_fetch(a, &call);
    canned_json("403 No", lacking);
    for (i = 0; i < 5; i++) {
        canned_fetch(a, &call);
        ck_assert_int_eq(canned_seen.r.r.status, CFMT_EAUTH);
    }
    ck_assert_int_eq(canned_state(a, CFMT_UPSTREAM_REST).breaker.state, CFMT_BREAKER_CLOSED);
    canned_now += S(301);
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_state(a, CFMT_UPSTREAM_REST).breaker.state, OPEN);
    /* What needs no token is asked nevertheless and proves nothing of it. */
    canned_json("200 OK", ENVELOPE("true", "[]", "[]"));
    canned_fetch(a, &ips);
    ck_assert_int_eq(canned_seen.r.r.status, APR_SUCCESS);
    ck_assert_int_eq(canned_state(a, CFMT_UPSTREAM_REST).breaker.state, OPEN);
    canned_now += S(60);
    canned_fetch(a, &call);
    canned_json("401 No", lacking);
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_state(a, CFMT_UPSTREAM_REST).breaker.state, OPEN);
    canned_stop();
}
END_TEST

START_TEST(test_budget_used_up)
{
    cfmt_api_call_t call = canned_rest();
    cfmt_upstream_state_t state;
    cfmt_result_t r;
    cfmt_api_t *a;

    canned_start();
    a = canned_api();
    canned_answer(OK "\r\nRatelimit: \"default\";r=62;t=30\r\n"
                  "Ratelimit-Policy: \"default\";q=1000;w=300", ENVELOPE("true", "[]", "[]"), 0);
    canned_fetch(a, &call);
    state = canned_state(a, CFMT_UPSTREAM_REST);
    ck_assert_int_eq((int)state.left, 62);
    ck_assert_int_eq((int)state.quota, 1000);
    ck_assert_int_eq((int)canned_state(a, CFMT_UPSTREAM_GRAPHQL).quota, 300);
    canned_answer(OK "\r\nRatelimit: \"default\";r=60;t=30", ENVELOPE("true", "[]", "[]"), 0);
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_call(a, &call, &r), CFMT_ELIMIT);
    ck_assert_int_eq(r.retry_at, NOW + S(30));
    ck_assert_str_eq(r.detail, "our share of Cloudflare's limit of calls is used up");
    call.action = 1;
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_calls(), 3);
    canned_stop();
}
END_TEST

/* A probe that the budget keeps back did not set out. */
START_TEST(test_probe_without_budget)
{
    cfmt_api_call_t call = canned_rest();
    cfmt_result_t r;
    cfmt_api_t *a;

    canned_start();
    a = canned_api();
    canned_answer("401 No\r\nRatelimit: \"default\";r=0;t=100", "", 0);
    canned_fetch(a, &call);
    canned_now += S(60);
    ck_assert_int_eq(canned_call(a, &call, &r), CFMT_ELIMIT);
    ck_assert_int_eq(r.retry_at, NOW + S(100));
    ck_assert_int_eq(canned_state(a, CFMT_UPSTREAM_REST).breaker.state, OPEN);
    canned_now += S(40);
    canned_fetch(a, &call);
    canned_stop();
}
END_TEST

START_TEST(test_refused_calls)
{
    cfmt_api_call_t call = canned_rest();
    cfmt_result_t r;
    cfmt_api_t *a;

    canned_start();
    a = canned_api();
    /* A 429 to a change may be about that prefix alone. */
    call.method = "PATCH";
    call.body = "{}";
    canned_json("429 Slow", ENVELOPE("false", ERROR("1002", "Prefix was withdrawn less than "
                                                           "15 minutes ago"), "null"));
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_seen.r.r.status, CFMT_ELIMIT);
    ck_assert_int_eq(canned_seen.r.r.retry_at, NOW + S(300));
    ck_assert_int_eq(canned_state(a, CFMT_UPSTREAM_REST).blocked_until, 0);
    call = canned_rest();
    canned_answer("429 Slow" JSON "\r\nRetry-After: 17", "{}", 0);
    canned_fetch(a, &call);
    ck_assert_int_eq(canned_call(a, &call, &r), CFMT_ELIMIT);
    ck_assert_int_eq(r.retry_at, NOW + S(17));
    ck_assert_str_eq(r.detail, "Cloudflare wants no calls for the time being");
    canned_now += S(17) - 1;
    call.action = 1;
    ck_assert_int_eq(canned_call(a, &call, &r), CFMT_ELIMIT);
    ck_assert_int_eq(canned_state(a, CFMT_UPSTREAM_REST).blocked_until, NOW + S(17));
    canned_now++;
    ck_assert_int_eq(canned_state(a, CFMT_UPSTREAM_REST).blocked_until, 0);
    canned_fetch(a, &call);
    canned_stop();
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
    cfmt_api_call_t call = canned_rest();
    cfmt_api_t *a;
    int i;

    canned_start();
    for (i = 0; i < KIT_COUNT(skews); i++) {
        a = canned_api();
        canned_answer(OK "\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT", ENVELOPE("true", "[]", "[]"),
                      0);
        canned_now = NOW + S(skews[i].ahead);
        canned_fetch(a, &call);
        ck_assert_msg(canned_seen.r.skew >= skews[i].low && canned_seen.r.skew <= skews[i].high,
                      "%d: %ld us", skews[i].ahead, (long)canned_seen.r.skew);
        canned_answer(OK, ENVELOPE("true", "[]", "[]"), 0);
        canned_fetch(a, &call);
        ck_assert_int_eq(canned_seen.r.skew, 0);
        ck_assert(canned_state(a, CFMT_UPSTREAM_REST).skew != 0);
    }
    canned_stop();
}
END_TEST

START_TEST(test_ids)
{
    static const struct {
        const char *id;
        int ok;
    } ids[] = {
        {KIT_OURS, 1}, {"9035F53656C247E895C5A6939AE8A0E0", 1},
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
