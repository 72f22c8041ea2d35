/*
 * What the tests of channels share: a receiver whose answers are told beforehand, and messages that
 * are sent to it.
 */
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "kit.h"
#include "loopback.h"
#include "outgoing.h"
#include "unit.h"

#define MANY 8
#define HANG "hang"
#define PATIENCE apr_time_from_sec(16)

static loopback_t server;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static char answers[MANY][4096], requests[MANY][40000];
static int nanswers, nrequests, hangs;

static cfmt_http_t *http;
cfmt_out_t *outgoing_out;
cfmt_message_t outgoing_message;
cfmt_sent_t outgoing_sent;
int outgoing_done;
const char *outgoing_traces;

/* ---- the receiver ---------------------------------------------------------------------------- */

static int give_answer(loopback_t *s, int fd, const char *text)
{
    char copy[sizeof(answers[0])] = "";

    pthread_mutex_lock(&lock);
    if (nanswers && nrequests < MANY) {
        strcpy(copy, answers[nrequests < nanswers ? nrequests : nanswers - 1]);
    }
    if (nrequests < MANY) {
        apr_cpystrn(requests[nrequests++], text, sizeof(requests[0]));
    }
    pthread_mutex_unlock(&lock);
    if (!strcmp(copy, HANG)) {
        return loopback_hang(s, -1), 0;
    }
    loopback_put(fd, copy);
    loopback_finish(fd);
    return 0;
}

static void add(const char *answer)
{
    pthread_mutex_lock(&lock);
    ck_assert_int_lt(nanswers, MANY);
    apr_cpystrn(answers[nanswers++], answer, sizeof(answers[0]));
    pthread_mutex_unlock(&lock);
}

void outgoing_answer(const char *head, const char *body)
{
    add(apr_psprintf(unit_pool, "HTTP/1.1 %s\r\nContent-Length: %" APR_SIZE_T_FMT
                     "\r\nConnection: close\r\n\r\n%s", head, strlen(body), body));
}

void outgoing_hang(void)
{
    add(HANG);
    hangs = 1;
}

void outgoing_cut(const char *part)
{
    add(part);
}

int outgoing_requests(void)
{
    return loopback_count(&server.requests);
}

const char *outgoing_request(int i)
{
    ck_assert_int_lt(i, nrequests);
    return requests[i];
}

const char *outgoing_body(int i)
{
    const char *body = strstr(outgoing_request(i), "\r\n\r\n");

    ck_assert_ptr_nonnull(body);
    return body + 4;
}

const char *outgoing_url(const char *path)
{
    return apr_psprintf(unit_pool, "http://127.0.0.1:%d%s", server.port, path);
}

/* ---- the fixture ----------------------------------------------------------------------------- */

static void keep_trace(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton, (void)level;
    outgoing_traces = apr_pstrcat(unit_pool, outgoing_traces, line, "\n", NULL);
}

void outgoing_nowhere(void)
{
    int port, fd = loopback_listen(&port);

    close(fd);
    outgoing_out = cfmt_out_create(http, &kit_clock,
                                   apr_psprintf(unit_pool, "http://127.0.0.1:%d", port), unit_pool);
}

void outgoing_setup(void)
{
    static const cfmt_log_t log = { .write = keep_trace, .max = CFMT_LOG_TRACE };
    cfmt_http_conf_t conf = { .log = &log };

    unit_setup();
    nanswers = nrequests = hangs = 0;
    kit_now = OUTGOING_NOW;
    outgoing_traces = "";
    loopback_start(&server, give_answer);
    ck_assert_int_eq(cfmt_http_global_begin(), APR_SUCCESS);
    ck_assert_int_eq(cfmt_http_create(&http, &conf, unit_pool), APR_SUCCESS);
    outgoing_out = cfmt_out_create(http, &kit_clock, outgoing_url(""), unit_pool);
    memset(&outgoing_message, 0, sizeof(outgoing_message));
    outgoing_message.id = 17;
    outgoing_message.text = "ATTACK on 203.0.113.0/24\nUDP flood, 1 < 2 & \"3\"";
    outgoing_message.priority = CFMT_URGENCY_HIGH;
    outgoing_message.news.kind = CFMT_NEWS_ATTACK_START;
    outgoing_message.news.dedupe = "attack-start a1b2";
    outgoing_message.news.attack = "a1b2";
    outgoing_message.news.at = OUTGOING_NOW;
    outgoing_message.news.fields = "{\"pps\":\"1200000\"}";
}

void outgoing_teardown(void)
{
    unit_teardown();
    loopback_stop(&server);
}

/* ---- messages -------------------------------------------------------------------------------- */

cfmt_channel_conf_t outgoing_channel(const char *words, const char *value)
{
    cfmt_channel_conf_t c;
    char **argv;
    const char *why;
    int n = 0;

    ck_assert_int_eq(apr_tokenize_to_argv(words, &argv, unit_pool), APR_SUCCESS);
    while (argv[n + 1]) {
        n++;
    }
    why = cfmt_channel_parse(&c, argv[0], (const char *const *)argv + 1, n, unit_pool);
    ck_assert_msg(!why, "%s: %s", words, why);
    c.value = *value ? value : NULL;
    return c;
}

static void see(void *baton, const cfmt_sent_t *sent)
{
    ck_assert(baton == &outgoing_sent);
    outgoing_done++;
    outgoing_sent = *sent;
    outgoing_sent.ref = apr_pstrdup(unit_pool, sent->ref);
    outgoing_sent.chat = apr_pstrdup(unit_pool, sent->chat);
    outgoing_sent.detail = apr_pstrdup(unit_pool, sent->detail);
}

void outgoing_run(void)
{
    apr_time_t end = cfmt_monotonic() + apr_time_from_sec(20), due;
    int ended;

    while (!outgoing_done) {
        ck_assert(cfmt_monotonic() < end);
        due = 0;
        if (hangs && outgoing_requests()) {
            unit_skip(PATIENCE);
            end += PATIENCE;
            hangs = 0;
        }
        cfmt_out_step(outgoing_out, &due);
        ck_assert_int_eq(cfmt_http_poll(http, NULL, 0, apr_time_from_msec(20), &ended),
                         APR_SUCCESS);
    }
    ck_assert_int_eq(outgoing_done, 1);
    ck_assert_int_eq(cfmt_http_pending(http), 0);
    ck_assert_ptr_nonnull(outgoing_sent.detail);
}

cfmt_sent_e outgoing_send(const cfmt_channel_conf_t *c)
{
    outgoing_done = 0;
    cfmt_out_send(outgoing_out, c, &outgoing_message, see, &outgoing_sent);
    ck_assert_int_eq(outgoing_done, 0);
    outgoing_run();
    return outgoing_sent.how;
}
