/*
 * doctor: would people be told? What the outbox says of each channel, and, without sending
 * anything, whether it can be reached: a bot is asked who it is and whether it sees the chat, an
 * address is connected to, a program must be there.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmt_store_outbox.h"
#include "doctor.h"
#include "secret_file.h"

#define NOTIFY "Notify "

struct doctor_channel_t {
    const char *name;
    const char *kind;                /* "telegram" "webhook" "command" "syslog" */
    const char *path;                /* of a secret or a program; NULL = none */
    const char *why, *remedy;        /* it cannot be asked; NULL = it can */
    int exposed;                     /* for a reason that is a fault of its own */
    doctor_fetch_t *me, *chat, *host; /* NULL = not asked */
};

/* ---- asking ---------------------------------------------------------------------------------- */

static const char *secret_of(doctor_t *d, doctor_channel_t *c, const char *path)
{
    const char *value = ctl_secret_read(d->ctl, path, &c->why, d->p);

    c->path = path;
    c->remedy = value ? NULL : ctl_secret_remedy(d->settings, path, d->p);
    c->exposed = !value && access(path, R_OK) == 0;
    return value;
}

static doctor_fetch_t *ask_bot(doctor_t *d, const char *token, const char *method,
                               const char *body)
{
    static const cfmt_http_header_t headers[] = {
        { .name = "Content-Type", .value = "application/json" }, { .name = NULL }
    };
    const char *base = apr_table_get(d->settings, "TelegramUrl");
    const cfmt_http_request_t rq = {
        .method = "POST", .secret = token, .headers = headers, .body = body, .len = strlen(body),
        .url = apr_pstrcat(d->p, base ? base : "", "/bot", token, method, NULL)
    };

    return doctor_fetch(d, &rq);
}

/* "telegram chat=-1001234567890 token=file:/etc/cfmt-bot"; the path may have blanks. */
static void ask_telegram(doctor_t *d, doctor_channel_t *c, const char *words)
{
    const char *chat = strstr(words, "chat="), *file = strstr(words, " token=file:"), *token;
    apr_int64_t n;

    if (!chat || !file) {
        c->why = "httpd has not published where it goes: restart it";
        return;
    }
    token = secret_of(d, c, file + strlen(" token=file:"));
    if (!token) {
        return;
    }
    chat = apr_pstrndup(d->p, chat + 5, strcspn(chat + 5, " "));
    if (cfmt_int_parse(&n, chat, APR_INT64_MIN, APR_INT64_MAX) != APR_SUCCESS) {
        chat = cfmt_json_quote(d->p, chat);
    }
    c->me = ask_bot(d, token, "/getMe", "{}");
    c->chat = ask_bot(d, token, "/getChat", apr_pstrcat(d->p, "{\"chat_id\":", chat, "}", NULL));
}

static void ask_webhook(doctor_t *d, doctor_channel_t *c, const char *words)
{
    const char *url = words + strlen("webhook url=");
    cfmt_http_request_t rq = { .connect_only = 1 };

    rq.url = strncmp(url, "file:", 5) ? url : secret_of(d, c, url + 5);
    if (rq.url) {
        rq.secret = strstr(rq.url, "://") ? strchr(strstr(rq.url, "://") + 3, '/') : NULL;
        c->host = doctor_fetch(d, &rq);
    }
}

static void ask_channel(doctor_t *d, const char *name)
{
    const char *words = apr_table_get(d->settings, apr_pstrcat(d->p, "Channel ", name, NULL));
    doctor_channel_t *c = apr_pcalloc(d->p, sizeof(*c));

    c->name = name;
    APR_ARRAY_PUSH(d->channels, doctor_channel_t *) = c;
    if (!words) {
        c->kind = "";
        c->why = "httpd has not published where it goes: restart it";
        return;
    }
    c->kind = apr_pstrndup(d->p, words, strcspn(words, " "));
    if (!strcmp(c->kind, "command")) {
        c->path = words + strlen("command path=");
    }
    else if (d->http && !strcmp(c->kind, "telegram")) {
        ask_telegram(d, c, words);
    }
    else if (d->http && !strcmp(c->kind, "webhook")) {
        ask_webhook(d, c, words);
    }
}

void doctor_channels_start(doctor_t *d)
{
    const apr_array_header_t *all = apr_table_elts(d->settings);
    int i;

    d->channels = apr_array_make(d->p, 4, sizeof(doctor_channel_t *));
    for (i = 0; i < all->nelts; i++) {
        const char *key = APR_ARRAY_IDX(all, i, apr_table_entry_t).key;

        if (!strncmp(key, NOTIFY, strlen(NOTIFY))) {
            ask_channel(d, key + strlen(NOTIFY));
        }
    }
}

/* ---- judging --------------------------------------------------------------------------------- */

/* What the other side says of it, for people; NULL = it has no objection. */
static const char *refusal(const doctor_fetch_t *f, apr_pool_t *p)
{
    static const cfmt_json_limits_t limits = { .depth = 16 };
    const char *text, *why;
    cfmt_json_t *doc;

    if (f->a.status != APR_SUCCESS) {
        return f->a.detail;
    }
    if (f->a.code >= 200 && f->a.code < 300) {
        return NULL;
    }
    text = cfmt_json_parse(&doc, &why, f->body, f->len, &limits, p) == APR_SUCCESS
               ? cfmt_json_text(doc, "description") : NULL;
    return text ? ctl_text(p, text) : apr_psprintf(p, "status %d", f->a.code);
}

/* No answer may be a matter of the moment; a refusal is not. */
static void say_refusal(doctor_t *d, const doctor_channel_t *c, const doctor_fetch_t *f,
                        const char *whom, const char *why)
{
    doctor_say(d, f->a.status != APR_SUCCESS || f->a.code >= 429 ? DOCTOR_WARN : DOCTOR_FAIL,
               c->name, NULL, "%s: %s", whom, why);
}

static void judge_telegram(doctor_t *d, const doctor_channel_t *c)
{
    const char *me = refusal(c->me, d->p), *chat = refusal(c->chat, d->p);

    if (me) {
        say_refusal(d, c, c->me, "the bot", me);
    }
    else if (chat) {
        say_refusal(d, c, c->chat, "the chat", chat);
    }
    else {
        doctor_say(d, DOCTOR_OK, c->name, NULL, "the bot is good and sees its chat");
    }
}

static void judge_host(doctor_t *d, const doctor_channel_t *c)
{
    if (c->host->a.status == APR_SUCCESS) {
        doctor_say(d, DOCTOR_OK, c->name, NULL, "connected in %s",
                   cfmt_duration_format(d->p, c->host->a.took));
    }
    else {
        doctor_say(d, DOCTOR_WARN, c->name, NULL, "%s", c->host->a.detail);
    }
}

static void judge_program(doctor_t *d, const doctor_channel_t *c)
{
    struct stat sb;

    if (stat(c->path, &sb) != 0 || !S_ISREG(sb.st_mode) || !(sb.st_mode & 0111)) {
        doctor_say(d, DOCTOR_FAIL, c->name, NULL, "%s is not a program that can be run",
                   ctl_text(d->p, c->path));
    }
    else {
        doctor_say(d, DOCTOR_OK, c->name, NULL, "%s is there", ctl_text(d->p, c->path));
    }
}

static void judge_way(doctor_t *d, const doctor_channel_t *c)
{
    if (c->me && c->chat) {
        judge_telegram(d, c);
    }
    else if (c->host) {
        judge_host(d, c);
    }
    else if (!strcmp(c->kind, "command")) {
        judge_program(d, c);
    }
    else if (!strcmp(c->kind, "syslog")) {
        doctor_say(d, DOCTOR_OK, c->name, NULL, "syslog needs nobody");
    }
    else {
        doctor_say(d, c->exposed ? DOCTOR_FAIL : DOCTOR_SKIP, c->name, c->remedy, "not asked: %s",
                   c->why ? c->why : d->offline ? "--offline" : "its address cannot be asked");
    }
}

/* What httpd found when it really sent something weighs more than what can be seen from here. */
static int is_told_broken(doctor_t *d, const doctor_channel_t *c)
{
    cfmt_channel_row_t row;

    if (!d->store || cfmt_channel_load(d->store, &row, c->name, d->p) != APR_SUCCESS
        || row.state == CFMT_CHANNEL_OK) {
        return 0;
    }
    doctor_say(d, row.state == CFMT_CHANNEL_BROKEN ? DOCTOR_FAIL : DOCTOR_WARN, c->name,
               apr_psprintf(d->p, "correct it, reload Apache, 'cfmtctl notify test %s'", c->name),
               "%s since %s: %s", cfmt_channel_state_name(row.state), ctl_time(d->p, row.since),
               ctl_text(d->p, row.error));
    return 1;
}

void doctor_channels(doctor_t *d)
{
    int i;

    if (!d->channels) {
        doctor_channels_start(d);
    }
    for (i = 0; i < d->channels->nelts; i++) {
        const doctor_channel_t *c = APR_ARRAY_IDX(d->channels, i, doctor_channel_t *);

        if (!is_told_broken(d, c)) {
            judge_way(d, c);
        }
    }
    if (!d->channels->nelts) {
        doctor_say(d, DOCTOR_WARN, NULL, "CfmtNotify; docs/operations.md, Telling people",
                   "nobody is told anything: httpd's error log is all there is");
    }
}
