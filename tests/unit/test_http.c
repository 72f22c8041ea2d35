/*
 * The transport against a server in this process: whole answers, what was asked for them, the wait
 * for them, and that done is called exactly once.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <apr_strings.h>

#include "unit.h"
#include "web.h"

/* ---- whole answers --------------------------------------------------------------------------- */

START_TEST(a_whole_answer)
{
    web_seen_t s = { .done = 0 };

    web_get(&s, "/headers");
    ck_assert_int_eq(s.a.status, APR_SUCCESS);
    ck_assert_ptr_eq(s.a.detail, NULL);
    ck_assert_int_eq(s.a.code, 429);
    ck_assert_int_eq(s.sink_code, 429);
    ck_assert_str_eq(s.body, "{}");
    ck_assert_int_eq(s.a.bytes, 2);
    ck_assert_str_eq(s.a.content_type, "application/json");
    ck_assert_str_eq(s.a.etag, "\"e1\"");
    ck_assert_str_eq(s.a.ratelimit, "\"default\";r=50;t=30");
    ck_assert_str_eq(s.a.ratelimit_policy, "\"default\";q=1200;w=300");
    ck_assert_int_eq(s.a.retry_after, apr_time_from_sec(7));
    ck_assert_int_eq(s.a.date, apr_time_from_sec(1795378020));
    ck_assert_int_gt(s.a.took, 0);
}
END_TEST

START_TEST(retry_after_as_a_date_counts_from_the_servers_clock)
{
    web_seen_t s = { .done = 0 };

    web_get(&s, "/later");
    ck_assert_int_eq(s.a.code, 503);
    ck_assert_int_eq(s.a.retry_after, apr_time_from_sec(125));
    ck_assert_ptr_eq(s.a.etag, NULL);
}
END_TEST

START_TEST(what_is_absent_is_absent)
{
    web_seen_t s = { .done = 0 };

    web_get(&s, "/ok");
    ck_assert_int_eq(s.a.retry_after, -1);
    ck_assert_int_eq(s.a.date, 0);
    ck_assert_ptr_eq(s.a.content_type, NULL);
}
END_TEST

START_TEST(the_request_is_what_was_asked)
{
    cfmt_http_header_t headers[] = { { "Authorization", "Bearer t0ken-1234", 1 },
                                     { "Content-Type", "application/json", 0 },
                                     { NULL, NULL, 0 } };
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, web_url("/echo"));
    char big[2001];

    memset(big, 'j', sizeof(big) - 1); /* above 1 KiB libcurl asks before it sends, by default */
    big[2000] = '\0';
    rq.method = "PATCH";
    rq.headers = headers;
    rq.body = big;
    rq.len = 2000;
    web_fetch(&rq);
    ck_assert_int_eq(strncmp(s.body, "PATCH /echo HTTP/1.1\r\n", 22), 0);
    ck_assert_ptr_ne(strstr(s.body, "\r\nAuthorization: Bearer t0ken-1234\r\n"), NULL);
    ck_assert_ptr_ne(strstr(s.body, "\r\nContent-Type: application/json\r\n"), NULL);
    ck_assert_ptr_ne(strstr(s.body, "\r\nUser-Agent: mod_cfmt/" CFMT_VERSION "\r\n"), NULL);
    ck_assert_ptr_eq(strstr(s.body, "Expect"), NULL);
    ck_assert_ptr_ne(strstr(s.body, big), NULL);
    ck_assert_int_lt(s.a.took, apr_time_from_msec(700));
}
END_TEST

START_TEST(nothing_is_added_to_a_request)
{
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, web_url("/echo"));

    rq.method = "POST";
    rq.body = "a=b";
    rq.len = 3;
    web_fetch(&rq);
    ck_assert_ptr_ne(strstr(s.body, "\r\nContent-Length: 3\r\n"), NULL);
    ck_assert_ptr_eq(strstr(s.body, "Content-Type"), NULL); /* by default a form's */
    ck_assert_ptr_eq(strstr(s.body, "Authorization"), NULL);
}
END_TEST

START_TEST(an_interim_answer_is_not_the_answer)
{
    web_seen_t s = { .done = 0 };

    web_get(&s, "/interim");
    ck_assert_int_eq(s.a.code, 200);
    ck_assert_ptr_eq(s.a.etag, NULL);
    ck_assert_str_eq(s.body, "done");
}
END_TEST

START_TEST(a_redirect_is_an_answer_and_not_followed)
{
    web_seen_t s = { .done = 0 };

    web_get(&s, "/redirect");
    ck_assert_int_eq(s.a.status, APR_SUCCESS);
    ck_assert_int_eq(s.a.code, 302);
    ck_assert_int_eq(loopback_count(&web_trapped), 0);
}
END_TEST

START_TEST(connections_are_used_again)
{
    web_seen_t s = { .again = 4 };

    web_start(&s, "/ok");
    web_run(10);
    ck_assert_int_eq(s.done, 5);
    ck_assert_int_eq(web_requests(), 5);
    ck_assert_int_eq(web_connections(), 1);
}
END_TEST

static int asked_on_a_dying_connection(const char *method, int once)
{
    web_seen_t s = { .done = 0 }, t = { .done = 0 };
    cfmt_http_request_t rq = web_request(&t, web_url("/close"));
    int before;

    web_get(&s, "/ok");
    before = web_requests();
    rq.method = method;
    rq.once = once;
    web_fetch(&rq);
    ck_assert_int_eq(t.a.status, CFMT_ENET);
    return web_requests() - before;
}

/* libcurl repeats what a used connection left unanswered: the other side may have acted on it. */
START_TEST(an_action_is_sent_once)
{
    ck_assert_int_eq(asked_on_a_dying_connection("GET", 0), 2);
    ck_assert_int_eq(asked_on_a_dying_connection("PATCH", 0), 1);
    ck_assert_int_eq(asked_on_a_dying_connection("POST", 1), 1);
}
END_TEST

START_TEST(transfers_run_side_by_side)
{
    web_seen_t s[10];
    apr_time_t begin = cfmt_monotonic();
    int i;

    memset(s, 0, sizeof(s));
    for (i = 0; i < 10; i++) {
        web_start(&s[i], i ? "/slow" : "/silent");
    }
    while (cfmt_http_pending(web_http) > 1) {
        int ended;

        ck_assert_int_eq(cfmt_http_poll(web_http, NULL, 0, apr_time_from_msec(50), &ended),
                         APR_SUCCESS);
        ck_assert_int_lt(cfmt_monotonic() - begin, apr_time_from_sec(3));
    }
    for (i = 0; i < 10; i++) {
        ck_assert_int_eq(s[i].done, i > 0);
        ck_assert_str_eq(s[i].body, i ? "slow" : "");
    }
}
END_TEST

/* ---- the wait, and the end ------------------------------------------------------------------- */

START_TEST(done_comes_from_poll_only)
{
    web_seen_t s = { .done = 0 };
    int ended;

    web_start(&s, "/ok");
    ck_assert_int_eq(cfmt_http_pending(web_http), 1);
    ck_assert_int_eq(s.done, 0);
    web_run(5);
    ck_assert_int_eq(s.done, 1);
    ck_assert_int_eq(cfmt_http_poll(web_http, NULL, 0, 0, &ended), APR_SUCCESS);
    ck_assert_int_eq(ended, 0);
    ck_assert_int_eq(s.done, 1);
}
END_TEST

static void *poke(void *baton)
{
    apr_uint64_t one = 1;

    usleep(100000);
    (void)!write(*(int *)baton, &one, sizeof(one));
    return NULL;
}

START_TEST(a_descriptor_ends_the_wait)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ended;
    struct pollfd fds[2] = { { .fd = -1, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
    web_seen_t s = { .done = 0 };
    pthread_t thread;
    apr_time_t begin = cfmt_monotonic();

    web_start(&s, "/silent");
    ck_assert_int_eq(cfmt_thread_start(&thread, "poke", poke, &fd), 0);
    ck_assert_int_eq(cfmt_http_poll(web_http, fds, 2, apr_time_from_sec(5), &ended), APR_SUCCESS);
    ck_assert_int_le(cfmt_monotonic() - begin, apr_time_from_msec(200));
    ck_assert_int_ge(cfmt_monotonic() - begin, apr_time_from_msec(90));
    ck_assert_int_eq(fds[0].revents, 0);
    ck_assert_int_eq(fds[1].revents, POLLIN);
    ck_assert_int_eq(ended, 0);
    pthread_join(thread, NULL);
    close(fd);
}
END_TEST

START_TEST(a_wait_without_transfers_is_as_long_as_told)
{
    apr_time_t begin = cfmt_monotonic();
    int ended;

    ck_assert_int_eq(cfmt_http_poll(web_http, NULL, 0, apr_time_from_msec(120), &ended),
                     APR_SUCCESS);
    ck_assert_int_ge(cfmt_monotonic() - begin, apr_time_from_msec(120));
    ck_assert_int_le(cfmt_monotonic() - begin, apr_time_from_msec(1000));
}
END_TEST

/* Look-ups hang here: test_resolve.c has a fake of the resolver. */
START_TEST(a_name_has_the_limit_of_a_connection)
{
    web_seen_t s = { .done = 0 }, t = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, "https://host.invalid/");
    int ended;

    rq.connect_limit = apr_time_from_msec(300);
    ck_assert_int_eq(cfmt_http_start(web_http, &rq), APR_SUCCESS);
    web_start(&t, "/ok");
    ck_assert_int_eq(cfmt_http_poll(web_http, NULL, 0, apr_time_from_msec(200), &ended),
                     APR_SUCCESS);
    ck_assert_int_eq(t.done, 1); /* others proceed */
    web_run(5);
    ck_assert_int_eq(s.done, 1);
    ck_assert_int_eq(s.a.status, CFMT_ENET);
    ck_assert_msg(strstr(s.a.detail, "no address of host.invalid: ") != NULL, "%s", s.a.detail);
    ck_assert_int_ge(s.a.took, apr_time_from_msec(300));
    ck_assert_int_le(s.a.took, apr_time_from_msec(2000)); /* that of everybody else is 5 s */
    ck_assert_int_eq(s.a.retry_after, -1);
}
END_TEST

/* ---- without a request ----------------------------------------------------------------------- */

static void connect_only(web_seen_t *s, const char *url, int family)
{
    cfmt_http_request_t rq = web_request(s, url);

    memset(s, 0, sizeof(*s));
    rq.connect_only = 1;
    rq.family = family;
    web_fetch(&rq);
    ck_assert_int_eq(s->done, 1);
}

START_TEST(a_connection_alone_asks_nothing)
{
    web_seen_t s, t = { .done = 0 };
    int connections = web_connections(), requests = web_requests();

    connect_only(&s, web_url("/ok"), 0);
    ck_assert_int_eq(s.a.status, APR_SUCCESS);
    ck_assert_int_eq(s.a.code, 0);
    ck_assert_int_eq(s.a.reached, 1);
    ck_assert_int_eq(s.a.certificate_until, 0);
    web_get(&t, "/ok"); /* on a connection of its own: the other one is not to be used */
    ck_assert_int_eq(t.a.code, 200);
    ck_assert_int_eq(web_connections(), connections + 2);
    ck_assert_int_eq(web_requests(), requests + 1);
}
END_TEST

START_TEST(a_family_of_addresses_and_no_other)
{
    const char *path = strchr(web_url("/ok") + strlen("http://"), ':'), *shown;
    const char *named = apr_pstrcat(web_pool, "http://localhost", path, NULL);
    web_seen_t s;

    connect_only(&s, named, 4);
    ck_assert_int_eq(s.a.status, APR_SUCCESS);
    connect_only(&s, named, 6); /* the server listens on 127.0.0.1 alone */
    ck_assert_int_eq(s.a.status, CFMT_ENET);
    ck_assert_int_eq(s.a.reached, 0);
    ck_assert_int_eq(s.a.unresolved, 0);
    ck_assert_int_ne(s.a.os_error, 0);
    connect_only(&s, web_url("/ok"), 6); /* an address that is none of IPv6 */
    ck_assert_int_eq(s.a.unresolved, 1);
    ck_assert_msg(strstr(s.a.detail, "it has none of IPv6") != NULL, "%s", s.a.detail);
    ck_assert_str_eq(cfmt_http_url_host(&shown, "https://Example.com:8443/x", web_pool),
                     "example.com");
    ck_assert_str_eq(shown, "example.com:8443");
    ck_assert_ptr_null(cfmt_http_url_host(&shown, "http://example.com/", web_pool));
}
END_TEST

START_TEST(the_end_of_the_pool_aborts_at_once)
{
    static const char *const paths[] = { "/silent", "/stall", "/drip", "/slow" };
    web_seen_t s[6];
    apr_time_t begin;
    cfmt_http_request_t rq = web_request(&s[5], "https://host.invalid/");
    int i, ended;

    memset(s, 0, sizeof(s));
    for (i = 0; i < 4; i++) {
        web_start(&s[i], paths[i]);
    }
    ck_assert_int_eq(cfmt_http_start(web_http, &rq), APR_SUCCESS);
    ck_assert_int_eq(cfmt_http_poll(web_http, NULL, 0, apr_time_from_msec(100), &ended),
                     APR_SUCCESS);
    web_start(&s[4], "/ok");
    begin = cfmt_monotonic();
    apr_pool_clear(web_pool);
    ck_assert_int_le(cfmt_monotonic() - begin, apr_time_from_msec(300)); /* theirs are seconds */
    for (i = 0; i < 5; i++) {
        ck_assert_int_eq(s[i].done, 0);
    }
}
END_TEST

Suite *suite_http(void)
{
    Suite *s = suite_create("http");
    TCase *tc = tcase_create("http");

    tcase_add_checked_fixture(tc, web_setup, web_teardown);
    tcase_set_timeout(tc, UNIT_LIMIT);
    suite_add_tcase(s, tc);
    UNIT_TEST(a_whole_answer)
    UNIT_TEST(retry_after_as_a_date_counts_from_the_servers_clock)
    UNIT_TEST(what_is_absent_is_absent)
    UNIT_TEST(the_request_is_what_was_asked)
    UNIT_TEST(nothing_is_added_to_a_request)
    UNIT_TEST(an_interim_answer_is_not_the_answer)
    UNIT_TEST(a_redirect_is_an_answer_and_not_followed)
    UNIT_TEST(connections_are_used_again)
    UNIT_TEST(an_action_is_sent_once)
    UNIT_TEST(transfers_run_side_by_side)
    UNIT_TEST(done_comes_from_poll_only)
    UNIT_TEST(a_descriptor_ends_the_wait)
    UNIT_TEST(a_wait_without_transfers_is_as_long_as_told)
    UNIT_TEST(a_name_has_the_limit_of_a_connection)
    UNIT_TEST(a_connection_alone_asks_nothing)
    UNIT_TEST(a_family_of_addresses_and_no_other)
    UNIT_TEST(the_end_of_the_pool_aborts_at_once)
    return s;
}
