/*
 * Channel webhook: JSON to a URL, signed where a secret is configured (standardwebhooks.com), so
 * that a receiver knows who speaks and what it has seen before.
 */
#include <apr_strings.h>
#include <string.h>

#include "out.h"

static int is_taken(const cfmt_http_answer_t *a)
{
    return a->code >= 200 && a->code < 300;
}

static cfmt_sent_e meaning(int code)
{
    switch (code) {
    case 401: case 403: case 404: case 407: case 410:
        return CFMT_SENT_BROKEN; /* Slack and its like answer so for an address that was revoked */
    case 408: case 409: case 423: case 425: case 429:
        return CFMT_SENT_LATER;
    case 504: /* a gateway gave up on one that may have got it */
        return CFMT_SENT_MAYBE;
    default:
        return code >= 500 ? CFMT_SENT_LATER : code >= 400 ? CFMT_SENT_NEVER : CFMT_SENT_BROKEN;
    }
}

static const char *said(const cfmt_sending_t *s, int code)
{
    if (code >= 300 && code < 400) {
        return apr_psprintf(s->pool, "status %d: it is elsewhere, and no redirect is followed",
                            code);
    }
    return apr_psprintf(s->pool, "status %d%s%s", code, s->answer_len ? ": " : "", s->answer);
}

static void judge(cfmt_sending_t *s, const cfmt_http_answer_t *a)
{
    if (is_taken(a)) { /* even if the rest of the answer was lost */
        cfmt_sending_tell(s, CFMT_SENT_YES, said(s, a->code));
    }
    else if (a->status != APR_SUCCESS) {
        cfmt_sending_lost(s, a);
    }
    else if (a->code == 429 && a->retry_after >= 0) {
        cfmt_sending_wait(s, a->retry_after, NULL, "too many messages");
    }
    else {
        cfmt_sending_tell(s, meaning(a->code), said(s, a->code));
    }
}

/* What stands behind the host: with most chat systems whoever has it may write. */
static const char *path_of(const char *url)
{
    const char *host = strstr(url, "://");

    return host ? host + 3 + strcspn(host + 3, "/?") : url;
}

static void start(cfmt_sending_t *s)
{
    const char *body = cfmt_payload(&s->m, s->m.text, s->pool);
    const char *id = cfmt_payload_id(&s->m, s->pool);
    /* the receiver compares it with its own clock: real time, even in a demonstration */
    const char *at = apr_psprintf(s->pool, "%" APR_TIME_T_FMT, apr_time_sec(apr_time_now()));
    cfmt_http_header_t headers[] = {
        { .name = "Content-Type", .value = "application/json" },
        { .name = "webhook-id", .value = id },
        { .name = "webhook-timestamp", .value = at },
        { .name = s->c->secret ? "webhook-signature" : NULL },
        { .name = NULL },
    };

    if (s->c->secret) {
        headers[3].value = cfmt_signature_make(s->c->value, id, at, body, strlen(body), s->pool);
    }
    s->judge = judge;
    s->secret = path_of(s->c->url);
    cfmt_sending_post(s, s->c->url, headers, body);
}

void cfmt_webhook_start(cfmt_sending_t *s)
{
    if (!s->c->url || (s->c->secret && !s->c->value)) {
        cfmt_sending_known(s, CFMT_SENT_BROKEN, "its url or secret could not be read at the start");
    }
    else {
        start(s);
    }
}
