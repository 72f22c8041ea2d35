/*
 * What the transport refuses to send, which proxy it uses, and what its traces show.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "unit.h"
#include "web.h"

/* ---- where nothing is sent ------------------------------------------------------------------- */

static void check_refused(const char *url, const char *word)
{
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, url);
    const char *why = NULL;

    ck_assert_msg(cfmt_http_url_check(&why, url, unit_pool) == CFMT_EINVALID, "%s", url);
    ck_assert_msg(why && strstr(why, word), "%s: %s", url, why);
    ck_assert_int_eq(cfmt_http_start(web_http, &rq), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_http_pending(web_http), 0);
    ck_assert_int_eq(s.done, 0);
}

START_TEST(urls_that_are_refused)
{
    check_refused("ftp://127.0.0.1/", "https");
    check_refused("file:///etc/passwd", "https");
    check_refused("127.0.0.1", "https");
    check_refused("", "https");
    check_refused("http://192.0.2.1/", "loopback");
    check_refused("http://api.example/", "loopback");
    check_refused("http://localhost.example/", "loopback");
    check_refused("http://127.1/", "loopback");
    check_refused("http://2130706433/", "loopback");
    check_refused("http://[::ffff:192.0.2.1]/", "loopback");
    check_refused("http://[::]/", "loopback");
    check_refused("http://0.0.0.0/", "loopback");
    check_refused("https://user:pw@api.example/", "credentials");
    check_refused("http://127.0.0.1@api.example/", "credentials");
    check_refused("https://@api.example/", "credentials");
    check_refused("https://", "no host");
    check_refused("https:///path", "no host");
    check_refused("https://a..b/", "no host");
    check_refused("https://api.example./", "no host");
    check_refused("https://a%2eb/", "no host");
    check_refused("https://[fe80::1%25eth0]/", "no host");
    check_refused("https://[::1/", "no host");
    check_refused("https://api.example:/", "port");
    check_refused("https://api.example:0/", "port");
    check_refused("https://api.example:65536/", "port");
    check_refused("https://api.example:443:1/", "port");
    check_refused("https://api.example/a b", "character");
    check_refused("https://api.example/\r\nX: y", "character");
    check_refused("https://api.example\\@127.0.0.1/", "character");
    check_refused("https://api.example/#part", "character");
    check_refused("https://\xc3\xa4.example/", "character");
}
END_TEST

START_TEST(urls_that_are_allowed)
{
    static const char *const urls[] = {
        "https://api.cloudflare.com/client/v4", "HTTPS://API.Example:8443?x=1",
        "https://[2001:db8::1]:443/", "http://127.0.0.1:1", "http://127.9.9.9/", "http://[::1]:80/",
        "http://LocalHost/",
    };
    const char *why;
    apr_size_t i;

    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        ck_assert_msg(cfmt_http_url_check(&why, urls[i], unit_pool) == APR_SUCCESS, "%s: %s",
                      urls[i], why);
    }
}
END_TEST

START_TEST(a_request_has_its_parts)
{
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, web_url("/ok"));

    rq.method = "GET /trap HTTP/1.1\r\n";
    ck_assert_int_eq(cfmt_http_start(web_http, &rq), CFMT_EINVALID);
    rq.method = NULL;
    ck_assert_int_eq(cfmt_http_start(web_http, &rq), CFMT_EINVALID);
    rq.method = "GET";
    rq.done = NULL;
    ck_assert_int_eq(cfmt_http_start(web_http, &rq), CFMT_EINVALID);
}
END_TEST

START_TEST(headers_stay_one_line)
{
    cfmt_http_header_t headers[] = { { "X-A", "b\r\nX-Evil: 1", 0 }, { NULL, NULL, 0 } };
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, web_url("/ok"));

    rq.headers = headers;
    ck_assert_int_eq(cfmt_http_start(web_http, &rq), CFMT_EINVALID);
}
END_TEST

START_TEST(only_the_configured_proxy_is_used)
{
    cfmt_http_conf_t conf = { .proxy = web_url("") };
    web_seen_t s = { .done = 0 }, t = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, "https://api.example/secret?query=1");

    web_open(&conf);
    web_fetch(&rq);
    ck_assert_int_eq(strncmp(web_connect, "CONNECT api.example:443 HTTP/1.1\r\n", 34), 0);
    ck_assert_int_eq(s.a.status, CFMT_ENET);
    ck_assert_str_eq(s.a.detail,
                     apr_psprintf(unit_pool, "the proxy 127.0.0.1:%d does not connect to "
                                  "api.example (status 403)", web_server.port));
    web_get(&t, "/echo"); /* plain http stays on this host */
    ck_assert_int_eq(strncmp(t.body, "GET /echo HTTP/1.1\r\n", 20), 0);
}
END_TEST

START_TEST(the_environments_proxy_is_not_used)
{
    const char *proxy = apr_psprintf(unit_pool, "http://127.0.0.1:%d", web_server.port);
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq;
    int port, fd = loopback_listen(&port);

    close(fd);
    setenv("https_proxy", proxy, 1);
    setenv("HTTPS_PROXY", proxy, 1);
    setenv("http_proxy", proxy, 1);
    setenv("ALL_PROXY", proxy, 1);
    rq = web_request(&s, apr_psprintf(unit_pool, "https://127.0.0.1:%d/", port));
    web_fetch(&rq);
    rq.url = apr_psprintf(unit_pool, "http://127.0.0.1:%d/", port);
    s.done = 0;
    web_fetch(&rq);
    ck_assert_int_eq(s.a.status, CFMT_ENET);
    ck_assert_int_eq(web_connections(), 0);
}
END_TEST

START_TEST(the_environment_cannot_turn_the_proxy_off)
{
    cfmt_http_conf_t conf = { .proxy = web_url("") };
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, "https://api.example/");

    setenv("no_proxy", "*", 1);
    setenv("NO_PROXY", "*", 1);
    web_open(&conf);
    web_fetch(&rq);
    ck_assert_int_eq(web_requests(), 1);
}
END_TEST

START_TEST(a_proxy_that_cannot_be_is_refused)
{
    cfmt_http_conf_t conf = { .proxy = "socks5://127.0.0.1:1" };
    cfmt_http_t *h;

    ck_assert_int_eq(cfmt_http_create(&h, &conf, unit_pool), CFMT_EINVALID);
    conf.proxy = "http://user:pw@proxy.example:3128";
    ck_assert_int_eq(cfmt_http_create(&h, &conf, unit_pool), CFMT_EINVALID);
}
END_TEST

/* ---- traces ---------------------------------------------------------------------------------- */

static void gather(void *baton, cfmt_level_e level, const char *line)
{
    const char **plog = baton;

    (void)level;
    *plog = apr_pstrcat(unit_pool, *plog, line, "\n", NULL);
}

START_TEST(traces_show_the_wire_and_no_secret)
{
    cfmt_http_header_t headers[] = { { "Authorization", "Bearer t0ken-1234", 1 },
                                     { "X-Own", "my-s3cret", 1 },
                                     { "X-Pin", "42", 1 },
                                     { "X-Plain", "visible", 0 },
                                     { NULL, NULL, 0 } };
    const char *text = "";
    cfmt_log_t log = { gather, &text, CFMT_LOG_TRACE };
    cfmt_http_conf_t conf = { .log = &log };
    web_seen_t s = { .done = 0 }, t = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, web_url("/echo"));

    web_open(&conf);
    rq.method = "POST";
    rq.headers = headers;
    rq.body = "before t0ken-1234 \x01 my-s3cret after";
    rq.len = strlen(rq.body);
    web_fetch(&rq);
    ck_assert_ptr_ne(strstr(s.body, "t0ken-1234"), NULL); /* the server does echo it */
    web_get(&t, "/later");
    ck_assert_msg(!strstr(text, "t0ken") && !strstr(text, "s3cret"), "%s", text);
    ck_assert_msg(!strstr(text, "sweet"), "%s", text);
    ck_assert_msg(strstr(text, "> Authorization: ***\n") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "> X-Own: ***\n") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "> X-Pin: ***\n") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "> X-Plain: visible\n") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "> body before *** \\x01 *** after\n") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "< body POST /echo HTTP/1.1\\x0d") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "< HTTP/1.1 200 OK\n") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "CFMT0800: transfer 1 to 127.0.0.1:") != NULL, "%s", text);
}
END_TEST

START_TEST(a_secret_in_two_pieces_is_hidden)
{
    cfmt_http_header_t headers[] = { { "X-Own", "my-s3cret", 1 }, { NULL, NULL, 0 } };
    const char *text = "";
    cfmt_log_t log = { gather, &text, CFMT_LOG_TRACE };
    cfmt_http_conf_t conf = { .log = &log };
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, web_url("/split"));

    web_open(&conf);
    rq.headers = headers;
    rq.total_limit = apr_time_from_sec(2);
    web_fetch(&rq);
    ck_assert_str_eq(s.body, "say my-s3cret.");
    ck_assert_msg(strstr(text, "< body say ***\n") != NULL, "%s", text);
    ck_assert_msg(!strstr(text, "cret"), "%s", text);
}
END_TEST

START_TEST(below_trace_nothing_is_said)
{
    const char *text = "";
    cfmt_log_t log = { gather, &text, CFMT_LOG_DEBUG };
    cfmt_http_conf_t conf = { .log = &log };
    web_seen_t s = { .done = 0 };

    web_open(&conf);
    web_get(&s, "/ok");
    ck_assert_str_eq(text, "");
}
END_TEST

Suite *suite_http_refused(void)
{
    Suite *s = suite_create("http_refused");
    TCase *tc = tcase_create("http_refused");

    tcase_add_checked_fixture(tc, web_setup, web_teardown);
    tcase_set_timeout(tc, UNIT_LIMIT);
    suite_add_tcase(s, tc);
    UNIT_TEST(urls_that_are_refused)
    UNIT_TEST(urls_that_are_allowed)
    UNIT_TEST(a_request_has_its_parts)
    UNIT_TEST(headers_stay_one_line)
    UNIT_TEST(only_the_configured_proxy_is_used)
    UNIT_TEST(the_environments_proxy_is_not_used)
    UNIT_TEST(the_environment_cannot_turn_the_proxy_off)
    UNIT_TEST(a_proxy_that_cannot_be_is_refused)
    UNIT_TEST(traces_show_the_wire_and_no_secret)
    UNIT_TEST(a_secret_in_two_pieces_is_hidden)
    UNIT_TEST(below_trace_nothing_is_said)
    return s;
}
