/*
 * The transport against a server in this process that misbehaves by path: limits, caps, broken
 * answers, what is refused, what traces show, and that done is called exactly once.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmt_cloudflare.h"
#include "unit.h"

/* ---- the server ------------------------------------------------------------------------------ */

#define CLIENTS 64

typedef struct server_t {
    int fd, port;
    int end[2]; /* closed at the end: hanging clients wait on it */
    pthread_t thread, clients[CLIENTS];
    int connections, requests, trapped; /* atomic */
    const char *path; /* of the last request, and its head */
    char head[4096];
} server_t;

typedef struct client_t {
    server_t *s;
    int fd;
} client_t;

static server_t server;

static void put(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Until the test is over, or ms. */
static int hang(const server_t *s, int ms)
{
    struct pollfd fd = { .fd = s->end[0], .events = POLLIN };

    return poll(&fd, 1, ms) > 0;
}

static void answer(int fd, const char *status, const char *headers, const char *body)
{
    char text[8192];

    snprintf(text, sizeof(text), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
             strlen(body), body);
    put(fd, text);
}

static void drip(const client_t *c, int ms)
{
    put(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (!hang(c->s, ms) && send(c->fd, "x", 1, MSG_NOSIGNAL) == 1) {
    }
}

static void endless(const client_t *c, const char *head, const char *piece)
{
    put(c->fd, head);
    while (!hang(c->s, 0) && send(c->fd, piece, strlen(piece), MSG_NOSIGNAL) > 0) {
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
    put(fd, head);
    (void)!send(fd, gz, sizeof(gz), MSG_NOSIGNAL);
}

static void reset(int fd)
{
    struct linger now = { 1, 0 };

    put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    usleep(20000);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* What goes wrong on purpose. True when the connection is to be closed. */
static int misbehave(const client_t *c, const char *path)
{
    if (strcmp(path, "/silent") == 0) {
        hang(c->s, -1);
    }
    else if (strcmp(path, "/stall") == 0) {
        put(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        hang(c->s, -1);
    }
    else if (strcmp(path, "/drip") == 0) {
        drip(c, 100);
    }
    else if (strcmp(path, "/cut") == 0) {
        put(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    }
    else if (strcmp(path, "/cut-chunk") == 0) {
        put(c->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    }
    else if (strcmp(path, "/reset") == 0) {
        reset(c->fd);
    }
    else if (strcmp(path, "/endless") == 0) {
        endless(c, "HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef0123456789abcdef");
    }
    else if (strcmp(path, "/endless-head") == 0) {
        endless(c, "HTTP/1.1 200 OK\r\n", "X-Filler: 0123456789abcdef0123456789abcdef\r\n");
    }
    else if (strcmp(path, "/garbage") == 0) {
        put(c->fd, "220 mail.example ESMTP\r\n");
    }
    else if (strcmp(path, "/close") != 0) {
        return 0;
    }
    return 1;
}

static void behave(const client_t *c, const char *path)
{
    if (strcmp(path, "/headers") == 0) {
        answer(c->fd, "429 Too Many", "Content-Type: application/json\r\nETag:  \"e1\" \r\n"
               "Ratelimit: \"default\";r=50;t=30\r\nRatelimit-Policy: \"default\";q=1200;w=300\r\n"
               "Retry-After: 7\r\nDate: Sun, 22 Nov 2026 20:07:00 GMT\r\n", "{}");
    }
    else if (strcmp(path, "/later") == 0) {
        answer(c->fd, "503 Later", "Retry-After: Sun, 22 Nov 2026 20:09:05 GMT\r\n"
               "Date: Sun, 22 Nov 2026 20:07:00 GMT\r\nSet-Cookie: __cf_bm=sweet\r\n", "");
    }
    else if (strcmp(path, "/redirect") == 0) {
        answer(c->fd, "302 Found", "Location: /trap\r\n", "");
    }
    else if (strcmp(path, "/trap") == 0) {
        __atomic_add_fetch(&c->s->trapped, 1, __ATOMIC_RELAXED);
        answer(c->fd, "200 OK", "", "trapped");
    }
    else if (strcmp(path, "/interim") == 0) {
        put(c->fd, "HTTP/1.1 103 Early Hints\r\nETag: \"early\"\r\n\r\n");
        answer(c->fd, "200 OK", "", "done");
    }
    else if (strcmp(path, "/longer") == 0) {
        put(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone, and more than it said");
    }
    else if (strcmp(path, "/declared") == 0) {
        put(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n");
    }
    else if (strcmp(path, "/bomb") == 0) {
        bomb(c->fd);
    }
    else if (strcmp(path, "/split") == 0) {
        put(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nsay my-s3");
        hang(c->s, 100);
        put(c->fd, "cret.");
    }
    else if (strcmp(path, "/slow") == 0) {
        hang(c->s, 300);
        answer(c->fd, "200 OK", "", "slow");
    }
    else if (strcmp(path, "/echo") == 0) {
        answer(c->fd, "200 OK", "", c->s->head);
    }
    else {
        answer(c->fd, "200 OK", "", "fine");
    }
}

/* Reads a head and the body behind it; both go to buf. 0 = the connection is over. */
static int read_request(int fd, char *buf, size_t size)
{
    size_t used = 0, want = 0;
    const char *end, *length;
    ssize_t n;

    while (want == 0 || used < want) {
        n = recv(fd, buf + used, size - 1 - used, 0);
        if (n <= 0) {
            return 0;
        }
        used += (size_t)n;
        buf[used] = '\0';
        end = strstr(buf, "\r\n\r\n");
        length = strcasestr(buf, "\r\nContent-Length:");
        if (end) {
            want = (size_t)(end + 4 - buf) + (length ? strtoul(length + 17, NULL, 10) : 0);
        }
    }
    return 1;
}

static void *client_main(void *baton)
{
    client_t *c = baton;
    char buf[4096], path[200];

    while (read_request(c->fd, buf, sizeof(buf))) {
        __atomic_add_fetch(&c->s->requests, 1, __ATOMIC_RELAXED);
        if (strstr(buf, "/echo") || strncmp(buf, "CONNECT", 7) == 0) { /* one at a time */
            memcpy(c->s->head, buf, sizeof(buf));
        }
        if (sscanf(buf, "%*s %199s", path) != 1 || misbehave(c, path)) {
            break;
        }
        if (strncmp(buf, "CONNECT", 7) == 0) {
            answer(c->fd, "403 Forbidden", "", "");
            break;
        }
        behave(c, path);
    }
    close(c->fd);
    free(c);
    return NULL;
}

static void *server_main(void *baton)
{
    server_t *s = baton;

    for (;;) {
        struct pollfd fds[2] = { { .fd = s->fd, .events = POLLIN },
                                 { .fd = s->end[0], .events = POLLIN } };
        client_t *c;

        poll(fds, 2, -1);
        if (fds[1].revents) {
            return NULL;
        }
        c = calloc(1, sizeof(*c));
        c->s = s;
        c->fd = accept(s->fd, NULL, NULL);
        cfmt_thread_start(&s->clients[s->connections % CLIENTS], "client", client_main, c);
        pthread_detach(s->clients[s->connections % CLIENTS]);
        __atomic_add_fetch(&s->connections, 1, __ATOMIC_RELAXED);
    }
}

static int listen_on(int *pport)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
    ck_assert_int_eq(listen(fd, 64), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
    *pport = ntohs(sin.sin_port);
    return fd;
}

/* ---- a transfer and what came of it ---------------------------------------------------------- */

typedef struct seen_t {
    cfmt_http_answer_t a; /* text copied */
    char body[8192];
    apr_size_t len;
    int done, sink_code;
    int refuse;     /* the sink does */
    int again;      /* so often done starts another */
    cfmt_http_t *h;
} seen_t;

static cfmt_http_t *http;
static apr_pool_t *http_pool;

static const char *copy(const char *s)
{
    return s ? apr_pstrdup(unit_pool, s) : NULL;
}

static const char *url_of(const char *path)
{
    return apr_psprintf(unit_pool, "http://127.0.0.1:%d%s", server.port, path);
}

static apr_status_t sink(void *baton, int code, const char *data, apr_size_t len)
{
    seen_t *s = baton;
    apr_size_t n = len < sizeof(s->body) - 1 - s->len ? len : sizeof(s->body) - 1 - s->len;

    memcpy(s->body + s->len, data, n);
    s->len += n;
    s->sink_code = code;
    return s->refuse ? CFMT_EINVALID : APR_SUCCESS;
}

static void start_get(seen_t *s, const char *path);

static void done(void *baton, const cfmt_http_answer_t *a)
{
    seen_t *s = baton;

    s->done++;
    s->a = *a;
    s->a.detail = copy(a->detail);
    s->a.content_type = copy(a->content_type);
    s->a.etag = copy(a->etag);
    s->a.ratelimit = copy(a->ratelimit);
    s->a.ratelimit_policy = copy(a->ratelimit_policy);
    if (s->again) {
        s->again--;
        start_get(s, "/ok");
    }
}

static cfmt_http_request_t get(seen_t *s, const char *url)
{
    cfmt_http_request_t rq = {
        .method = "GET", .url = url, .sink = sink, .done = done, .baton = s };

    return rq;
}

static void start_get(seen_t *s, const char *path)
{
    cfmt_http_request_t rq = get(s, url_of(path));

    ck_assert_int_eq(cfmt_http_start(http, &rq), APR_SUCCESS);
}

/* Polls until everything ended; the longest step beyond what was told is checked. */
static void run(int seconds)
{
    apr_time_t end = cfmt_monotonic() + apr_time_from_sec(seconds), step;
    int ended;

    while (cfmt_http_pending(http)) {
        ck_assert_msg(cfmt_monotonic() < end, "%d transfers after %d s", cfmt_http_pending(http),
                      seconds);
        step = cfmt_monotonic();
        ck_assert_int_eq(cfmt_http_poll(http, NULL, 0, apr_time_from_msec(50), &ended),
                         APR_SUCCESS);
        ck_assert_int_lt(cfmt_monotonic() - step, apr_time_from_msec(1000));
    }
}

static void run_request(cfmt_http_request_t *rq)
{
    ck_assert_int_eq(cfmt_http_start(http, rq), APR_SUCCESS);
    run(20);
    ck_assert_int_eq(((seen_t *)rq->baton)->done, 1);
}

static void run_get(seen_t *s, const char *path)
{
    cfmt_http_request_t rq = get(s, url_of(path));

    run_request(&rq);
}

static void open_http(const cfmt_http_conf_t *conf)
{
    apr_pool_create(&http_pool, unit_pool);
    ck_assert_int_eq(cfmt_http_create(&http, conf, http_pool), APR_SUCCESS);
}

static void setup(void)
{
    cfmt_http_conf_t conf = { .ca_file = NULL };

    unit_setup();
    ck_assert_int_eq(cfmt_http_global_begin(), APR_SUCCESS);
    ck_assert_int_eq(pipe(server.end), 0);
    server.fd = listen_on(&server.port);
    ck_assert_int_eq(cfmt_thread_start(&server.thread, "server", server_main, &server), 0);
    open_http(&conf);
}

static void teardown(void)
{
    apr_pool_destroy(http_pool);
    close(server.end[1]);
    pthread_join(server.thread, NULL);
    close(server.fd);
    cfmt_http_global_end();
    unit_teardown();
}

static int requests(void)
{
    return __atomic_load_n(&server.requests, __ATOMIC_RELAXED);
}

static int connections(void)
{
    return __atomic_load_n(&server.connections, __ATOMIC_RELAXED);
}

/* ---- whole answers --------------------------------------------------------------------------- */

START_TEST(a_whole_answer)
{
    seen_t s = { .done = 0 };

    run_get(&s, "/headers");
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
    seen_t s = { .done = 0 };

    run_get(&s, "/later");
    ck_assert_int_eq(s.a.code, 503);
    ck_assert_int_eq(s.a.retry_after, apr_time_from_sec(125));
    ck_assert_ptr_eq(s.a.etag, NULL);
}
END_TEST

START_TEST(what_is_absent_is_absent)
{
    seen_t s = { .done = 0 };

    run_get(&s, "/ok");
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
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq = get(&s, url_of("/echo"));
    char big[2001];

    memset(big, 'j', sizeof(big) - 1); /* above 1 KiB libcurl asks before it sends, by default */
    big[2000] = '\0';
    rq.method = "PATCH";
    rq.headers = headers;
    rq.body = big;
    rq.len = 2000;
    run_request(&rq);
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
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq = get(&s, url_of("/echo"));

    rq.method = "POST";
    rq.body = "a=b";
    rq.len = 3;
    run_request(&rq);
    ck_assert_ptr_ne(strstr(s.body, "\r\nContent-Length: 3\r\n"), NULL);
    ck_assert_ptr_eq(strstr(s.body, "Content-Type"), NULL); /* by default a form's */
    ck_assert_ptr_eq(strstr(s.body, "Authorization"), NULL);
}
END_TEST

START_TEST(an_interim_answer_is_not_the_answer)
{
    seen_t s = { .done = 0 };

    run_get(&s, "/interim");
    ck_assert_int_eq(s.a.code, 200);
    ck_assert_ptr_eq(s.a.etag, NULL);
    ck_assert_str_eq(s.body, "done");
}
END_TEST

START_TEST(a_redirect_is_an_answer_and_not_followed)
{
    seen_t s = { .done = 0 };

    run_get(&s, "/redirect");
    ck_assert_int_eq(s.a.status, APR_SUCCESS);
    ck_assert_int_eq(s.a.code, 302);
    ck_assert_int_eq(__atomic_load_n(&server.trapped, __ATOMIC_RELAXED), 0);
}
END_TEST

START_TEST(connections_are_used_again)
{
    seen_t s = { .again = 4 };

    start_get(&s, "/ok");
    run(10);
    ck_assert_int_eq(s.done, 5);
    ck_assert_int_eq(requests(), 5);
    ck_assert_int_eq(connections(), 1);
}
END_TEST

static int asked_on_a_dying_connection(const char *method, int once)
{
    seen_t s = { .done = 0 }, t = { .done = 0 };
    cfmt_http_request_t rq = get(&t, url_of("/close"));
    int before;

    run_get(&s, "/ok");
    before = requests();
    rq.method = method;
    rq.once = once;
    run_request(&rq);
    ck_assert_int_eq(t.a.status, CFMT_ENET);
    return requests() - before;
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
    seen_t s[10];
    apr_time_t begin = cfmt_monotonic();
    int i;

    memset(s, 0, sizeof(s));
    for (i = 0; i < 10; i++) {
        start_get(&s[i], i ? "/slow" : "/silent");
    }
    while (cfmt_http_pending(http) > 1) {
        int ended;

        ck_assert_int_eq(cfmt_http_poll(http, NULL, 0, apr_time_from_msec(50), &ended),
                         APR_SUCCESS);
        ck_assert_int_lt(cfmt_monotonic() - begin, apr_time_from_sec(3));
    }
    for (i = 0; i < 10; i++) {
        ck_assert_int_eq(s[i].done, i > 0);
        ck_assert_str_eq(s[i].body, i ? "slow" : "");
    }
}
END_TEST

/* ---- broken answers -------------------------------------------------------------------------- */

static void check_broken(const char *path, apr_status_t status, int code, const char *word)
{
    seen_t s = { .done = 0 };

    run_get(&s, path);
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
    seen_t s = { .done = 0 }, t = { .done = 0 };

    run_get(&s, "/longer");
    ck_assert_int_eq(s.a.status, APR_SUCCESS);
    ck_assert_str_eq(s.body, "done");
    run_get(&t, "/ok"); /* the surplus is not taken for the next answer */
    ck_assert_int_eq(t.a.status, APR_SUCCESS);
    ck_assert_str_eq(t.body, "fine");
}
END_TEST

static void check_cap(const char *path, apr_size_t cap, apr_status_t status)
{
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq = get(&s, url_of(path));

    rq.answer_max = cap;
    run_request(&rq);
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
    seen_t s = { .refuse = 1 };

    run_get(&s, "/ok");
    ck_assert_int_eq(s.a.status, CFMT_EANSWER);
    ck_assert_ptr_ne(strstr(s.a.detail, "cannot be understood"), NULL);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

static void check_limit(const char *path, apr_interval_time_t stall, apr_interval_time_t total,
                        apr_interval_time_t want, const char *detail)
{
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq = get(&s, url_of(path));

    rq.stall_limit = stall;
    rq.total_limit = total;
    run_request(&rq);
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
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq;
    int port, i, fd = listen_on(&port), full[8];

    listen(fd, 0); /* its queue is full soon; then the kernel drops what asks */
    sin.sin_port = htons((apr_uint16_t)port);
    for (i = 0; i < 8; i++) {
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(full[i], (struct sockaddr *)&sin, sizeof(sin));
    }
    rq = get(&s, apr_psprintf(unit_pool, "http://127.0.0.1:%d/?secret=query", port));
    rq.connect_limit = apr_time_from_msec(400);
    run_request(&rq);
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
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq;
    int port, fd = listen_on(&port);

    close(fd);
    rq = get(&s, apr_psprintf(unit_pool, "http://localhost:%d/", port));
    run_request(&rq);
    ck_assert_int_eq(s.a.status, CFMT_ENET);
    ck_assert_str_eq(s.a.detail, apr_psprintf(unit_pool, "no connection to localhost:%d: "
                                              "Connection refused", port));
}
END_TEST

/* ---- where nothing is sent ------------------------------------------------------------------- */

static void check_refused(const char *url, const char *word)
{
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq = get(&s, url);
    const char *why = NULL;

    ck_assert_msg(cfmt_http_url_check(&why, url, unit_pool) == CFMT_EINVALID, "%s", url);
    ck_assert_msg(why && strstr(why, word), "%s: %s", url, why);
    ck_assert_int_eq(cfmt_http_start(http, &rq), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_http_pending(http), 0);
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
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq = get(&s, url_of("/ok"));

    rq.method = "GET /trap HTTP/1.1\r\n";
    ck_assert_int_eq(cfmt_http_start(http, &rq), CFMT_EINVALID);
    rq.method = NULL;
    ck_assert_int_eq(cfmt_http_start(http, &rq), CFMT_EINVALID);
    rq.method = "GET";
    rq.done = NULL;
    ck_assert_int_eq(cfmt_http_start(http, &rq), CFMT_EINVALID);
}
END_TEST

START_TEST(headers_stay_one_line)
{
    cfmt_http_header_t headers[] = { { "X-A", "b\r\nX-Evil: 1", 0 }, { NULL, NULL, 0 } };
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq = get(&s, url_of("/ok"));

    rq.headers = headers;
    ck_assert_int_eq(cfmt_http_start(http, &rq), CFMT_EINVALID);
}
END_TEST

START_TEST(only_the_configured_proxy_is_used)
{
    cfmt_http_conf_t conf = { .proxy = url_of("") };
    seen_t s = { .done = 0 }, t = { .done = 0 };
    cfmt_http_request_t rq = get(&s, "https://api.example/secret?query=1");

    open_http(&conf);
    run_request(&rq);
    ck_assert_int_eq(strncmp(server.head, "CONNECT api.example:443 HTTP/1.1\r\n", 34), 0);
    ck_assert_int_eq(s.a.status, CFMT_ENET);
    ck_assert_str_eq(s.a.detail,
                     apr_psprintf(unit_pool, "the proxy 127.0.0.1:%d does not connect to "
                                  "api.example (status 403)", server.port));
    run_get(&t, "/echo"); /* plain http stays on this host */
    ck_assert_int_eq(strncmp(t.body, "GET /echo HTTP/1.1\r\n", 20), 0);
}
END_TEST

START_TEST(the_environments_proxy_is_not_used)
{
    const char *proxy = apr_psprintf(unit_pool, "http://127.0.0.1:%d", server.port);
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq;
    int port, fd = listen_on(&port);

    close(fd);
    setenv("https_proxy", proxy, 1);
    setenv("HTTPS_PROXY", proxy, 1);
    setenv("http_proxy", proxy, 1);
    setenv("ALL_PROXY", proxy, 1);
    rq = get(&s, apr_psprintf(unit_pool, "https://127.0.0.1:%d/", port));
    run_request(&rq);
    rq.url = apr_psprintf(unit_pool, "http://127.0.0.1:%d/", port);
    s.done = 0;
    run_request(&rq);
    ck_assert_int_eq(s.a.status, CFMT_ENET);
    ck_assert_int_eq(connections(), 0);
}
END_TEST

START_TEST(the_environment_cannot_turn_the_proxy_off)
{
    cfmt_http_conf_t conf = { .proxy = url_of("") };
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq = get(&s, "https://api.example/");

    setenv("no_proxy", "*", 1);
    setenv("NO_PROXY", "*", 1);
    open_http(&conf);
    run_request(&rq);
    ck_assert_int_eq(requests(), 1);
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
    seen_t s = { .done = 0 }, t = { .done = 0 };
    cfmt_http_request_t rq = get(&s, url_of("/echo"));

    open_http(&conf);
    rq.method = "POST";
    rq.headers = headers;
    rq.body = "before t0ken-1234 \x01 my-s3cret after";
    rq.len = strlen(rq.body);
    run_request(&rq);
    ck_assert_ptr_ne(strstr(s.body, "t0ken-1234"), NULL); /* the server does echo it */
    run_get(&t, "/later");
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
    seen_t s = { .done = 0 };
    cfmt_http_request_t rq = get(&s, url_of("/split"));

    open_http(&conf);
    rq.headers = headers;
    rq.total_limit = apr_time_from_sec(2);
    run_request(&rq);
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
    seen_t s = { .done = 0 };

    open_http(&conf);
    run_get(&s, "/ok");
    ck_assert_str_eq(text, "");
}
END_TEST

/* ---- the wait, and the end ------------------------------------------------------------------- */

START_TEST(done_comes_from_poll_only)
{
    seen_t s = { .done = 0 };
    int ended;

    start_get(&s, "/ok");
    ck_assert_int_eq(cfmt_http_pending(http), 1);
    ck_assert_int_eq(s.done, 0);
    run(5);
    ck_assert_int_eq(s.done, 1);
    ck_assert_int_eq(cfmt_http_poll(http, NULL, 0, 0, &ended), APR_SUCCESS);
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
    seen_t s = { .done = 0 };
    pthread_t thread;
    apr_time_t begin = cfmt_monotonic();

    start_get(&s, "/silent");
    ck_assert_int_eq(cfmt_thread_start(&thread, "poke", poke, &fd), 0);
    ck_assert_int_eq(cfmt_http_poll(http, fds, 2, apr_time_from_sec(5), &ended), APR_SUCCESS);
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

    ck_assert_int_eq(cfmt_http_poll(http, NULL, 0, apr_time_from_msec(120), &ended), APR_SUCCESS);
    ck_assert_int_ge(cfmt_monotonic() - begin, apr_time_from_msec(120));
    ck_assert_int_le(cfmt_monotonic() - begin, apr_time_from_msec(300));
}
END_TEST

/* Look-ups hang here: test_resolve.c has a fake of the resolver. */
START_TEST(a_name_has_the_limit_of_a_connection)
{
    seen_t s = { .done = 0 }, t = { .done = 0 };
    cfmt_http_request_t rq = get(&s, "https://host.invalid/");
    int ended;

    rq.connect_limit = apr_time_from_msec(300);
    ck_assert_int_eq(cfmt_http_start(http, &rq), APR_SUCCESS);
    start_get(&t, "/ok");
    ck_assert_int_eq(cfmt_http_poll(http, NULL, 0, apr_time_from_msec(200), &ended), APR_SUCCESS);
    ck_assert_int_eq(t.done, 1); /* others proceed */
    run(5);
    ck_assert_int_eq(s.done, 1);
    ck_assert_int_eq(s.a.status, CFMT_ENET);
    ck_assert_msg(strstr(s.a.detail, "no address of host.invalid: ") != NULL, "%s", s.a.detail);
    ck_assert_int_le(s.a.took, apr_time_from_msec(400));
    ck_assert_int_eq(s.a.retry_after, -1);
}
END_TEST

START_TEST(the_end_of_the_pool_aborts_at_once)
{
    static const char *const paths[] = { "/silent", "/stall", "/drip", "/slow" };
    seen_t s[6];
    apr_time_t begin;
    cfmt_http_request_t rq = get(&s[5], "https://host.invalid/");
    int i, ended;

    memset(s, 0, sizeof(s));
    for (i = 0; i < 4; i++) {
        start_get(&s[i], paths[i]);
    }
    ck_assert_int_eq(cfmt_http_start(http, &rq), APR_SUCCESS);
    ck_assert_int_eq(cfmt_http_poll(http, NULL, 0, apr_time_from_msec(100), &ended), APR_SUCCESS);
    start_get(&s[4], "/ok");
    begin = cfmt_monotonic();
    apr_pool_clear(http_pool);
    ck_assert_int_le(cfmt_monotonic() - begin, apr_time_from_msec(50));
    for (i = 0; i < 5; i++) {
        ck_assert_int_eq(s[i].done, 0);
    }
}
END_TEST

Suite *suite_http(void)
{
    Suite *s = suite_create("http");
    TCase *tc = tcase_create("http");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
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
    UNIT_TEST(a_broken_answer_is_none)
    UNIT_TEST(a_body_longer_than_it_says_is_cut_there)
    UNIT_TEST(answers_have_a_cap)
    UNIT_TEST(a_sink_can_refuse)
    UNIT_TEST(limits_of_stall_and_total)
    UNIT_TEST(a_connection_has_a_limit)
    UNIT_TEST(nobody_listens)
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
    UNIT_TEST(done_comes_from_poll_only)
    UNIT_TEST(a_descriptor_ends_the_wait)
    UNIT_TEST(a_wait_without_transfers_is_as_long_as_told)
    UNIT_TEST(a_name_has_the_limit_of_a_connection)
    UNIT_TEST(the_end_of_the_pool_aborts_at_once)
    return s;
}
