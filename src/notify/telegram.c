/*
 * Channel telegram: sendMessage and editMessageText of the Bot API. An answer that means "not so"
 * is asked again the other way at once (without markup, as a new message), because nothing was
 * sent; all else is told to whoever keeps the outbox.
 */
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "out.h"

#define WAIT_UNSAID apr_time_from_sec(30) /* behind a 429 that names no time */

static int is_number(const char *s)
{
    apr_int64_t n;

    return s && cfmt_int_parse(&n, s, APR_INT64_MIN, APR_INT64_MAX) == APR_SUCCESS;
}

/* ---- what is asked --------------------------------------------------------------------------- */

/* A number as a number, "@name" as a text. */
static const char *chat_json(const cfmt_sending_t *s)
{
    const char *chat = s->m.chat ? s->m.chat : s->c->chat;

    return is_number(chat) ? chat : cfmt_json_quote(s->pool, chat);
}

static int is_edit(const cfmt_sending_t *s)
{
    return is_number(s->m.edit) && !s->anew;
}

/* What only a new message has. */
static const char *new_json(const cfmt_sending_t *s)
{
    const char *topic = s->c->topic, *to = s->m.reply_to;

    return apr_pstrcat(
        s->pool, topic ? ",\"message_thread_id\":" : "", topic ? topic : "",
        s->m.priority == CFMT_URGENCY_LOW ? ",\"disable_notification\":true" : "",
        is_number(to) ? ",\"reply_parameters\":{\"message_id\":" : "", is_number(to) ? to : "",
        /* somebody may have deleted it */
        is_number(to) ? ",\"allow_sending_without_reply\":true}" : "", NULL);
}

static const char *body(const cfmt_sending_t *s)
{
    const char *text = s->plain ? cfmt_message_plain(s->m.text, s->pool)
                                : cfmt_message_html(s->m.text, s->pool);

    return apr_pstrcat(s->pool, "{\"chat_id\":", chat_json(s), ",\"text\":",
                       cfmt_json_quote(s->pool, text),
                       s->plain ? "" : ",\"parse_mode\":\"HTML\"",
                       ",\"link_preview_options\":{\"is_disabled\":true}",
                       is_edit(s) ? ",\"message_id\":" : new_json(s),
                       is_edit(s) ? s->m.edit : "", "}", NULL);
}

static void ask(cfmt_sending_t *s)
{
    static const cfmt_http_header_t headers[] = {
        { .name = "Content-Type", .value = "application/json" },
        { .name = NULL },
    };

    cfmt_sending_post(s, apr_pstrcat(s->pool, s->o->telegram_url, "/bot", s->c->value,
                                     is_edit(s) ? "/editMessageText" : "/sendMessage", NULL),
                      headers, body(s));
}

/* ---- what the answer means ------------------------------------------------------------------- */

/* One of the words, whatever the case: the descriptions are for people and have changed before. */
static int says(const cfmt_sending_t *s, const char *description, const char *const *words)
{
    char *low = apr_pstrdup(s->pool, description), *c;

    for (c = low; *c; c++) {
        *c = (char)apr_tolower(*c);
    }
    while (*words && !strstr(low, *words)) {
        words++;
    }
    return *words != NULL;
}

static const char *const markup[] = { "can't parse entities", "unsupported start tag", NULL };
static const char *const unchanged[] = { "message is not modified", NULL };
static const char *const uneditable[] = { "message to edit not found", "message can't be edited",
                                          "message_id_invalid", NULL };
/* 400s that are about the chat or the bot and not about this message. */
static const char *const closed[] = {
    "chat not found", "chat_id is empty", "peer_id_invalid", "group chat was deactivated",
    "user is deactivated", "have no rights to send", "not enough rights", "chat_write_forbidden",
    "chat_restricted", "need administrator rights", "message thread not found", "topic_closed",
    "topic_deleted", "upgraded to a supergroup", NULL
};

static void judge_flood(cfmt_sending_t *s, const cfmt_http_answer_t *a, const cfmt_json_t *doc)
{
    apr_interval_time_t d = a->retry_after >= 0 ? a->retry_after : WAIT_UNSAID;
    apr_int64_t n;

    if (cfmt_json_int(&n, cfmt_json_get(doc, "parameters"), "retry_after") == APR_SUCCESS && n > 0
        && n <= APR_INT32_MAX) {
        d = apr_time_from_sec(n);
    }
    cfmt_sending_wait(s, d, NULL, "too many messages");
}

/* A 400: nothing was sent, and often it can be said another way. */
static void judge_bad(cfmt_sending_t *s, const cfmt_json_t *doc, const char *why)
{
    const char *moved = cfmt_json_text(cfmt_json_get(doc, "parameters"), "migrate_to_chat_id");
    cfmt_sent_t same = { .how = CFMT_SENT_YES, .ref = s->m.edit, .detail = "it is so" };

    if (is_number(moved)) {
        cfmt_sending_wait(s, 0, moved, "the group has become a supergroup");
    }
    else if (is_edit(s) && says(s, why, unchanged)) {
        cfmt_sending_end(s, &same);
    }
    else if (is_edit(s) && says(s, why, uneditable)) {
        s->anew = 1;
        ask(s);
    }
    else if (!s->plain && says(s, why, markup)) {
        s->plain = 1;
        ask(s);
    }
    else {
        cfmt_sending_tell(s, says(s, why, closed) ? CFMT_SENT_BROKEN : CFMT_SENT_NEVER, why);
    }
}

static void judge_refusal(cfmt_sending_t *s, const cfmt_http_answer_t *a, const cfmt_json_t *doc)
{
    const char *description = cfmt_json_text(doc, "description");
    const char *why = description ? description : apr_psprintf(s->pool, "status %d", a->code);

    switch (a->code) {
    case 429:
        judge_flood(s, a, doc);
        return;
    case 400:
        judge_bad(s, doc, why);
        return;
    case 401: case 403: case 404: /* 404: a token that is none */
        cfmt_sending_tell(s, CFMT_SENT_BROKEN, why);
        return;
    case 504: /* a gateway gave up on one that may have got it */
        cfmt_sending_tell(s, CFMT_SENT_MAYBE, why);
        return;
    default:
        cfmt_sending_tell(s, a->code == 413 ? CFMT_SENT_NEVER : CFMT_SENT_LATER, why);
    }
}

static cfmt_json_t *read_answer(const cfmt_sending_t *s)
{
    static const cfmt_json_limits_t limits = { .depth = 32 };
    const char *why;
    cfmt_json_t *doc;

    return cfmt_json_parse(&doc, &why, s->answer, s->answer_len, &limits, s->pool) == APR_SUCCESS
                   && doc->type == CFMT_JSON_OBJECT ? doc : NULL;
}

static int is_ok(const cfmt_json_t *doc)
{
    const cfmt_json_t *ok = cfmt_json_get(doc, "ok");

    return ok && ok->type == CFMT_JSON_BOOL && ok->flag;
}

/* The beginning of what Telegram says when it has taken a message. */
static int begins_ok(const char *s)
{
    s += strspn(s, "{ \r\n\t");
    if (strncmp(s, "\"ok\"", 4) != 0) {
        return 0;
    }
    s += 4;
    s += strspn(s, ": ");
    return !strncmp(s, "true", 4);
}

/* No JSON: a portal or a proxy, which lets nothing through, or a good answer that was damaged. */
static void judge_noise(cfmt_sending_t *s, const cfmt_http_answer_t *a)
{
    if (begins_ok(s->answer)) {
        cfmt_sending_tell(s, CFMT_SENT_MAYBE, "the answer of Telegram was damaged");
    }
    else {
        cfmt_sending_tell(s, CFMT_SENT_LATER, apr_psprintf(s->pool, "status %d, but what answers"
                                                           " is not Telegram", a->code));
    }
}

static void judge(cfmt_sending_t *s, const cfmt_http_answer_t *a)
{
    const cfmt_json_t *doc = a->status == APR_SUCCESS ? read_answer(s) : NULL;
    cfmt_sent_t sent = { .how = CFMT_SENT_YES };

    if (a->status != APR_SUCCESS) {
        cfmt_sending_lost(s, a);
    }
    else if (doc && is_ok(doc)) {
        sent.ref = cfmt_json_text(cfmt_json_get(doc, "result"), "message_id");
        sent.detail = apr_pstrcat(s->pool, "message ", sent.ref ? sent.ref : "without a number",
                                  NULL);
        cfmt_sending_end(s, &sent);
    }
    else if (!doc && a->code < 400) {
        judge_noise(s, a);
    }
    else {
        judge_refusal(s, a, doc);
    }
}

void cfmt_telegram_start(cfmt_sending_t *s)
{
    if (!s->c->value) {
        cfmt_sending_known(s, CFMT_SENT_BROKEN, "its token could not be read at the start");
        return;
    }
    s->judge = judge;
    s->secret = s->c->value;
    ask(s);
}
