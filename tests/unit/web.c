/*
 * What the tests of the transport share: a server that misbehaves by path, and transfers to it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>

#include "unit.h"
#include "web.h"

loopback_t web_server;
int web_trapped;
char web_connect[400];
cfmt_http_t *web_http;
apr_pool_t *web_pool;

/* ---- what the server answers ----------------------------------------------------------------- */

static void answer(int fd, const char *status, const char *headers, const char *body)
{
    char text[8192];

    snprintf(text, sizeof(text), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
             strlen(body), body);
    loopback_put(fd, text);
}

static void drip(const loopback_t *s, int fd, int ms)
{
    loopback_put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (!loopback_hang(s, ms) && loopback_put(fd, "x")) {
    }
}

static void endless(const loopback_t *s, int fd, const char *head, const char *piece)
{
    loopback_put(fd, head);
    while (!loopback_hang(s, 0) && loopback_put(fd, piece)) {
    }
}

static void bomb(int fd)
{
    /* 200,000 times "a": a head, 193 times 0, a tail */
    static const unsigned char first[] = { 31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 237, 193,
                                           49, 1, 0, 0, 0, 194, 160, 172, 235, 95, 194,
                                           12, 254, 64, 1 };
    static const unsigned char last[] = { 175, 1, 155, 83, 105, 224, 64, 13, 3, 0 };
    unsigned char gz[230];
    char head[200];

    memset(gz, 0, sizeof(gz));
    memcpy(gz, first, sizeof(first));
    memcpy(gz + sizeof(gz) - sizeof(last), last, sizeof(last));
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
             "Content-Length: %zu\r\n\r\n", sizeof(gz));
    loopback_put(fd, head);
    (void)!send(fd, gz, sizeof(gz), MSG_NOSIGNAL);
}

static void reset(int fd)
{
    struct linger now = { 1, 0 };

    loopback_put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    usleep(20000);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* What goes wrong on purpose, and is the end of the connection. */
static int misbehave(const loopback_t *s, int fd, const char *path)
{
    if (strcmp(path, "/silent") == 0) {
        loopback_hang(s, -1);
    }
    else if (strcmp(path, "/stall") == 0) {
        loopback_put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        loopback_hang(s, -1);
    }
    else if (strcmp(path, "/drip") == 0) {
        drip(s, fd, 100);
    }
    else if (strcmp(path, "/cut") == 0) {
        loopback_put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    }
    else if (strcmp(path, "/cut-chunk") == 0) {
        loopback_put(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    }
    else if (strcmp(path, "/reset") == 0) {
        reset(fd);
    }
    else if (strcmp(path, "/endless") == 0) {
        endless(s, fd, "HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef0123456789abcdef");
    }
    else if (strcmp(path, "/endless-head") == 0) {
        endless(s, fd, "HTTP/1.1 200 OK\r\n", "X-Filler: 0123456789abcdef0123456789abcdef\r\n");
    }
    else if (strcmp(path, "/garbage") == 0) {
        loopback_put(fd, "220 mail.example ESMTP\r\n");
    }
    else if (strcmp(path, "/close") != 0) {
        return 0;
    }
    return 1;
}

/* Head and bytes as they are. */
static int put_raw(const loopback_t *s, int fd, const char *path)
{
    if (strcmp(path, "/interim") == 0) {
        loopback_put(fd, "HTTP/1.1 103 Early Hints\r\nETag: \"early\"\r\n\r\n");
        answer(fd, "200 OK", "", "done");
    }
    else if (strcmp(path, "/longer") == 0) {
        loopback_put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
                         "done, and more than it said");
    }
    else if (strcmp(path, "/declared") == 0) {
        loopback_put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n");
    }
    else if (strcmp(path, "/bomb") == 0) {
        bomb(fd);
    }
    else if (strcmp(path, "/split") == 0) {
        loopback_put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nsay my-s3");
        loopback_hang(s, 100);
        loopback_put(fd, "cret.");
    }
    else {
        return 0;
    }
    return 1;
}

static void behave(const loopback_t *s, int fd, const char *path, const char *request)
{
    if (strcmp(path, "/headers") == 0) {
        answer(fd, "429 Too Many", "Content-Type: application/json\r\nETag:  \"e1\" \r\n"
               "Ratelimit: \"default\";r=50;t=30\r\nRatelimit-Policy: \"default\";q=1200;w=300\r\n"
               "Retry-After: 7\r\nDate: Sun, 22 Nov 2026 20:07:00 GMT\r\n", "{}");
    }
    else if (strcmp(path, "/later") == 0) {
        answer(fd, "503 Later", "Retry-After: Sun, 22 Nov 2026 20:09:05 GMT\r\n"
               "Date: Sun, 22 Nov 2026 20:07:00 GMT\r\nSet-Cookie: __cf_bm=sweet\r\n", "");
    }
    else if (strcmp(path, "/redirect") == 0) {
        answer(fd, "302 Found", "Location: /trap\r\n", "");
    }
    else if (strcmp(path, "/trap") == 0) {
        __atomic_add_fetch(&web_trapped, 1, __ATOMIC_RELAXED);
        answer(fd, "200 OK", "", "trapped");
    }
    else if (strcmp(path, "/slow") == 0) {
        loopback_hang(s, 300);
        answer(fd, "200 OK", "", "slow");
    }
    else if (strcmp(path, "/echo") == 0) {
        answer(fd, "200 OK", "", request);
    }
    else {
        answer(fd, "200 OK", "", "fine");
    }
}

static int answer_path(loopback_t *s, int fd, const char *request)
{
    char path[200];

    if (strncmp(request, "CONNECT", 7) == 0) { /* one at a time */
        apr_cpystrn(web_connect, request, sizeof(web_connect));
        answer(fd, "403 Forbidden", "", "");
        return 0;
    }
    if (sscanf(request, "%*s %199s", path) != 1 || misbehave(s, fd, path)) {
        return 0;
    }
    if (!put_raw(s, fd, path)) {
        behave(s, fd, path, request);
    }
    return 1;
}

int web_requests(void)
{
    return loopback_count(&web_server.requests);
}

int web_connections(void)
{
    return loopback_count(&web_server.connections);
}

/* ---- transfers ------------------------------------------------------------------------------- */

static const char *copy(const char *s)
{
    return s ? apr_pstrdup(unit_pool, s) : NULL;
}

const char *web_url(const char *path)
{
    return apr_psprintf(unit_pool, "http://127.0.0.1:%d%s", web_server.port, path);
}

static apr_status_t sink(void *baton, int code, const char *data, apr_size_t len)
{
    web_seen_t *s = baton;
    apr_size_t n = len < sizeof(s->body) - 1 - s->len ? len : sizeof(s->body) - 1 - s->len;

    memcpy(s->body + s->len, data, n);
    s->len += n;
    s->sink_code = code;
    return s->refuse ? CFMT_EINVALID : APR_SUCCESS;
}

static void done(void *baton, const cfmt_http_answer_t *a)
{
    web_seen_t *s = baton;

    s->done++;
    s->a = *a;
    s->a.detail = copy(a->detail);
    s->a.content_type = copy(a->content_type);
    s->a.etag = copy(a->etag);
    s->a.ratelimit = copy(a->ratelimit);
    s->a.ratelimit_policy = copy(a->ratelimit_policy);
    if (s->again) {
        s->again--;
        web_start(s, "/ok");
    }
}

cfmt_http_request_t web_request(web_seen_t *s, const char *url)
{
    cfmt_http_request_t rq = {
        .method = "GET", .url = url, .sink = sink, .done = done, .baton = s };

    return rq;
}

void web_start(web_seen_t *s, const char *path)
{
    cfmt_http_request_t rq = web_request(s, web_url(path));

    ck_assert_int_eq(cfmt_http_start(web_http, &rq), APR_SUCCESS);
}

void web_run(int seconds)
{
    apr_time_t end = cfmt_monotonic() + apr_time_from_sec(seconds), step;
    int ended;

    while (cfmt_http_pending(web_http)) {
        ck_assert_msg(cfmt_monotonic() < end, "%d transfers after %d s",
                      cfmt_http_pending(web_http), seconds);
        step = cfmt_monotonic();
        ck_assert_int_eq(cfmt_http_poll(web_http, NULL, 0, apr_time_from_msec(50), &ended),
                         APR_SUCCESS);
        ck_assert_int_lt(cfmt_monotonic() - step, apr_time_from_msec(1000));
    }
}

void web_fetch(cfmt_http_request_t *rq)
{
    ck_assert_int_eq(cfmt_http_start(web_http, rq), APR_SUCCESS);
    web_run(20);
    ck_assert_int_eq(((web_seen_t *)rq->baton)->done, 1);
}

void web_get(web_seen_t *s, const char *path)
{
    cfmt_http_request_t rq = web_request(s, web_url(path));

    web_fetch(&rq);
}

void web_open(const cfmt_http_conf_t *conf)
{
    apr_pool_create(&web_pool, unit_pool);
    ck_assert_int_eq(cfmt_http_create(&web_http, conf, web_pool), APR_SUCCESS);
}

void web_setup(void)
{
    cfmt_http_conf_t conf = { .ca_file = NULL };

    unit_setup();
    ck_assert_int_eq(cfmt_http_global_begin(), APR_SUCCESS);
    web_trapped = 0;
    web_connect[0] = '\0';
    loopback_start(&web_server, answer_path);
    web_open(&conf);
}

void web_teardown(void)
{
    apr_pool_destroy(web_pool);
    loopback_stop(&web_server);
    cfmt_http_global_end();
    unit_teardown();
}
