/*
 * Messages on their way: which channel brings one out, what its transfer has in common with the
 * others', how its end is told. Nothing here waits, so that no channel holds up another.
 */
#include <string.h>

#include <apr_strings.h>

#include "out.h"

#define AGAIN apr_time_from_msec(100)
#define HIDDEN "***"
#define WAIT_MAX apr_time_from_sec(3600) /* whoever says more may have erred */
#define SHORTEST 4 /* bytes of a secret: less is not recognised in other text */

cfmt_out_t *cfmt_out_create(cfmt_http_t *http, const cfmt_clock_t *clock, const char *telegram_url,
                            apr_pool_t *p)
{
    cfmt_out_t *o = apr_pcalloc(p, sizeof(*o));

    o->pool = p;
    o->http = http;
    o->clock = clock;
    o->telegram_url = telegram_url ? apr_pstrdup(p, telegram_url) : CFMT_TELEGRAM_URL;
    o->steps = apr_array_make(p, 4, sizeof(cfmt_sending_t *));
    return o;
}

/* ---- begin ----------------------------------------------------------------------------------- */

static void copy_message(cfmt_sending_t *s, const cfmt_message_t *m)
{
    s->m = *m;
    s->m.text = apr_pstrdup(s->pool, m->text);
    s->m.reply_to = apr_pstrdup(s->pool, m->reply_to);
    s->m.edit = apr_pstrdup(s->pool, m->edit);
    s->m.chat = apr_pstrdup(s->pool, m->chat);
}

void cfmt_out_send(cfmt_out_t *o, const cfmt_channel_conf_t *c, const cfmt_message_t *m,
                   void (*done)(void *baton, const cfmt_sent_t *sent), void *baton)
{
    static void (*const start[CFMT_CHANNEL_KINDS])(cfmt_sending_t *) = {
        [CFMT_CHANNEL_TELEGRAM] = cfmt_telegram_start,
        [CFMT_CHANNEL_WEBHOOK] = cfmt_webhook_start,
        [CFMT_CHANNEL_COMMAND] = cfmt_command_start,
        [CFMT_CHANNEL_SYSLOG] = cfmt_syslog_start,
    };
    cfmt_sending_t *s;
    apr_pool_t *p;

    apr_pool_create(&p, o->pool);
    apr_pool_tag(p, "cfmt_sending");
    s = apr_pcalloc(p, sizeof(*s));
    s->pool = p;
    s->o = o;
    s->c = c;
    s->done = done;
    s->baton = baton;
    copy_message(s, m);
    start[c->kind](s);
}

/* ---- end ------------------------------------------------------------------------------------- */

void cfmt_sending_end(cfmt_sending_t *s, const cfmt_sent_t *sent)
{
    s->done(s->baton, sent);
    apr_pool_destroy(s->pool);
}

void cfmt_sending_step(cfmt_sending_t *s)
{
    APR_ARRAY_PUSH(s->o->steps, cfmt_sending_t *) = s;
}

void cfmt_sending_known(cfmt_sending_t *s, cfmt_sent_e how, const char *detail)
{
    s->sent.how = how;
    s->sent.detail = detail;
    cfmt_sending_step(s);
}

/* A page "not found" repeats the path that was asked for, perhaps without end. */
static const char *without(const char *text, const char *secret, apr_pool_t *p)
{
    const char *at;
    char *out, *to;

    if (!secret || strlen(secret) < SHORTEST || !strstr(text, secret)) {
        return text;
    }
    out = to = apr_palloc(p, strlen(text) + 1); /* what stands for it is shorter */
    while ((at = strstr(text, secret)) != NULL) {
        memcpy(to, text, (apr_size_t)(at - text));
        to += at - text;
        to = (char *)memcpy(to, HIDDEN, strlen(HIDDEN)) + strlen(HIDDEN);
        text = at + strlen(secret);
    }
    memcpy(to, text, strlen(text) + 1);
    return out;
}

void cfmt_sending_tell(cfmt_sending_t *s, cfmt_sent_e how, const char *detail)
{
    const char *line = without(without(detail, s->secret, s->pool), s->c->value, s->pool);
    cfmt_sent_t sent = { .how = how };

    line += strspn(line, " \t\r\n");
    sent.detail = cfmt_text_escape(s->pool, line, strcspn(line, "\r\n"), CFMT_DETAIL_MAX);
    cfmt_sending_end(s, &sent);
}

void cfmt_sending_wait(cfmt_sending_t *s, apr_interval_time_t d, const char *chat, const char *why)
{
    cfmt_sent_t sent = { .how = CFMT_SENT_WAIT, .chat = chat };

    d = d < WAIT_MAX ? d : WAIT_MAX;
    sent.at = cfmt_clock_now(s->o->clock) + d;
    sent.detail = apr_psprintf(s->pool, "%s: to be asked again %s%s", why, d ? "in " : "at once",
                               d ? cfmt_duration_format(s->pool, d) : "");
    cfmt_sending_end(s, &sent);
}

void cfmt_sending_lost(cfmt_sending_t *s, const cfmt_http_answer_t *a)
{
    cfmt_sending_tell(s, a->sent ? CFMT_SENT_MAYBE : CFMT_SENT_LATER,
                      a->detail ? a->detail : "no answer");
}

/* ---- transfers ------------------------------------------------------------------------------- */

static void make_room(cfmt_sending_t *s, apr_size_t size)
{
    char *old = s->answer;

    if (size > s->answer_size) {
        s->answer_size = size < 2 * s->answer_size ? 2 * s->answer_size : size;
        s->answer = apr_palloc(s->pool, s->answer_size);
        memcpy(s->answer, old ? old : "", s->answer_len);
    }
}

static apr_status_t keep(void *baton, int code, const char *data, apr_size_t len)
{
    cfmt_sending_t *s = baton;
    apr_size_t room = CFMT_ANSWER_KEPT - s->answer_len;

    (void)code;
    len = len < room ? len : room;
    make_room(s, s->answer_len + len + 1);
    memcpy(s->answer + s->answer_len, data, len);
    s->answer_len += len;
    s->answer[s->answer_len] = '\0';
    return APR_SUCCESS;
}

static void judge(void *baton, const cfmt_http_answer_t *a)
{
    cfmt_sending_t *s = baton;

    s->judge(s, a);
}

void cfmt_sending_post(cfmt_sending_t *s, const char *url, const cfmt_http_header_t *headers,
                       const char *body)
{
    cfmt_http_request_t rq = {
        .method = "POST", .url = url, .secret = s->secret, .headers = headers, .body = body,
        .len = strlen(body), .sink = keep, .done = judge, .baton = s,
        .once = 1, /* a repeat that nobody sees could be told twice */
    };

    s->answer_len = 0;
    make_room(s, 1024);
    s->answer[0] = '\0';
    if (cfmt_http_start(s->o->http, &rq) != APR_SUCCESS) {
        cfmt_sending_known(s, CFMT_SENT_BROKEN, "its address cannot be used");
    }
}

/* ---- programs, and what is over before it began ---------------------------------------------- */

static int is_over(cfmt_sending_t *s)
{
    if (s->program) {
        return cfmt_command_look(s);
    }
    cfmt_sending_end(s, &s->sent);
    return 1;
}

/* A done may send the next one: it is appended, and has its turn in the next step. */
void cfmt_out_step(cfmt_out_t *o, apr_time_t *pdue)
{
    apr_time_t due = cfmt_clock_now(o->clock) + cfmt_clock_span(o->clock, AGAIN);
    int i, kept = 0, n = o->steps->nelts;

    for (i = 0; i < n; i++) {
        cfmt_sending_t *s = APR_ARRAY_IDX(o->steps, i, cfmt_sending_t *);

        if (!is_over(s)) {
            APR_ARRAY_IDX(o->steps, kept++, cfmt_sending_t *) = s;
        }
    }
    for (; i < o->steps->nelts; i++) {
        APR_ARRAY_IDX(o->steps, kept++, cfmt_sending_t *) =
            APR_ARRAY_IDX(o->steps, i, cfmt_sending_t *);
    }
    o->steps->nelts = kept;
    if (kept && (!*pdue || due < *pdue)) {
        *pdue = due;
    }
}
