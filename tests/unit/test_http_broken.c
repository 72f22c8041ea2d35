/*
 * The transport against a server that misbehaves by path: broken answers, caps and limits.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>

#include "unit.h"
#include "web.h"

/* ---- broken answers -------------------------------------------------------------------------- */

static void check_broken(const char *path, apr_status_t status, int code, const char *word)
{
    web_seen_t s = { .done = 0 };

    web_get(&s, path);
    ck_assert_msg(s.a.status == status, "%s: %s", path, cfmt_status_name(s.a.status));
    ck_assert_int_eq(s.a.code, code);
    ck_assert_msg(s.a.detail && strstr(s.a.detail, word), "%s: '%s'", path, s.a.detail);
    ck_assert_ptr_ne(strstr(s.a.detail, "127.0.0.1"), NULL);
    ck_assert_msg(!strstr(s.a.detail, path), "%s", s.a.detail);
}

START_TEST(a_broken_answer_is_none)
{
    check_broken("/cut", CFMT_ENET, 200, "cut short");
    check_broken("/cut-chunk", CFMT_ENET, 200, "cut short");
    check_broken("/reset", CFMT_ENET, 200, "no answer from");
    check_broken("/close", CFMT_ENET, 0, "no answer from");
    check_broken("/garbage", CFMT_EANSWER, 0, "not HTTP");
}
END_TEST

START_TEST(a_body_longer_than_it_says_is_cut_there)
{
    web_seen_t s = { .done = 0 }, t = { .done = 0 };

    web_get(&s, "/longer");
    ck_assert_int_eq(s.a.status, APR_SUCCESS);
    ck_assert_str_eq(s.body, "done");
    web_get(&t, "/ok"); /* the surplus is not taken for the next answer */
    ck_assert_int_eq(t.a.status, APR_SUCCESS);
    ck_assert_str_eq(t.body, "fine");
}
END_TEST

static void check_cap(const char *path, apr_size_t cap, apr_status_t status)
{
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, web_url(path));

    rq.answer_max = cap;
    web_fetch(&rq);
    ck_assert_msg(s.a.status == status, "%s: %s", path, s.a.detail);
    ck_assert_int_le(s.len, cap);
    ck_assert(status == APR_SUCCESS || strstr(s.a.detail, "larger than"));
}

START_TEST(answers_have_a_cap)
{
    check_cap("/ok", 4, APR_SUCCESS);
    check_cap("/ok", 3, CFMT_EANSWER);
    check_cap("/endless", 100000, CFMT_EANSWER);
    check_cap("/declared", 100000, CFMT_EANSWER);
    check_cap("/endless-head", 100000, CFMT_EANSWER);
    check_cap("/bomb", 199999, CFMT_EANSWER); /* of what it unpacks to */
    check_cap("/bomb", 200000, APR_SUCCESS);
    check_broken("/endless", CFMT_EANSWER, 200, "1048576 bytes");
}
END_TEST

START_TEST(a_sink_can_refuse)
{
    web_seen_t s = { .refuse = 1 };

    web_get(&s, "/ok");
    ck_assert_int_eq(s.a.status, CFMT_EANSWER);
    ck_assert_ptr_ne(strstr(s.a.detail, "cannot be understood"), NULL);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

static void check_limit(const char *path, apr_interval_time_t stall, apr_interval_time_t total,
                        apr_interval_time_t want, const char *detail)
{
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq = web_request(&s, web_url(path));

    rq.stall_limit = stall;
    rq.total_limit = total;
    web_fetch(&rq);
    ck_assert_int_eq(s.a.status, CFMT_ENET);
    ck_assert_msg(strstr(s.a.detail, detail) != NULL, "%s", s.a.detail);
    ck_assert_int_ge(s.a.took, want - apr_time_from_msec(30));
    ck_assert_int_le(s.a.took, want + apr_time_from_msec(600));
}

START_TEST(limits_of_stall_and_total)
{
    apr_interval_time_t second = apr_time_from_sec(1);

    check_limit("/silent", 2 * second, 9 * second, 2 * second, "nothing came from 127.0.0.1:");
    check_limit("/stall", 2 * second, 9 * second, 2 * second, "for 2s");
    check_limit("/drip", 2 * second, 3 * second, 3 * second, "no whole answer from");
    check_limit("/silent", 0, second / 4, second / 4, "within 250ms");
}
END_TEST

START_TEST(a_connection_has_a_limit)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq;
    int port, i, fd = loopback_listen(&port), full[8];

    listen(fd, 0); /* its queue is full soon; then the kernel drops what asks */
    sin.sin_port = htons((apr_uint16_t)port);
    for (i = 0; i < 8; i++) {
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(full[i], (struct sockaddr *)&sin, sizeof(sin));
    }
    rq = web_request(&s, apr_psprintf(unit_pool, "http://127.0.0.1:%d/?secret=query", port));
    rq.connect_limit = apr_time_from_msec(400);
    web_fetch(&rq);
    ck_assert_int_eq(s.a.status, CFMT_ENET);
    ck_assert_str_eq(s.a.detail, apr_psprintf(unit_pool,
                                              "no connection to 127.0.0.1:%d within 400ms", port));
    ck_assert_int_le(s.a.took, apr_time_from_msec(900));
    for (i = 0; i < 8; i++) {
        close(full[i]);
    }
    close(fd);
}
END_TEST

START_TEST(nobody_listens)
{
    web_seen_t s = { .done = 0 };
    cfmt_http_request_t rq;
    int port, fd = loopback_listen(&port);

    close(fd);
    rq = web_request(&s, apr_psprintf(unit_pool, "http://localhost:%d/", port));
    web_fetch(&rq);
    ck_assert_int_eq(s.a.status, CFMT_ENET);
    ck_assert_str_eq(s.a.detail, apr_psprintf(unit_pool, "no connection to localhost:%d: "
                                              "Connection refused", port));
}
END_TEST

Suite *suite_http_broken(void)
{
    Suite *s = suite_create("http_broken");
    TCase *tc = tcase_create("http_broken");

    tcase_add_checked_fixture(tc, web_setup, web_teardown);
    tcase_set_timeout(tc, UNIT_LIMIT);
    suite_add_tcase(s, tc);
    UNIT_TEST(a_broken_answer_is_none)
    UNIT_TEST(a_body_longer_than_it_says_is_cut_there)
    UNIT_TEST(answers_have_a_cap)
    UNIT_TEST(a_sink_can_refuse)
    UNIT_TEST(limits_of_stall_and_total)
    UNIT_TEST(a_connection_has_a_limit)
    UNIT_TEST(nobody_listens)
    return s;
}
