/*
 * drill: an attack that says of itself that it is none, through the real endpoint, the journal, the
 * policy and the outbox, to a real message. Says how long each hop took, and which one breaks.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store_keep.h"
#include "cfmt_store_outbox.h"
#include "endpoint.h"

#define STEP apr_time_from_msec(20)
#define ANSWER_WAIT apr_time_from_sec(10)  /* in real time, as all of these */
#define MESSAGE_WAIT apr_time_from_sec(60)
#define PAGE 100
#define TYPE "advanced_ddos_attack_l4_alert"

typedef struct hop_t {
    const char *hop;     /* "endpoint" "journal" "attack" "decision" "outbox" "message" */
    const char *status;  /* "ok" "broken" "skipped" "waiting" */
    const char *channel; /* of "message" */
    apr_interval_time_t took; /* since the hop before; < 0 = not known */
    const char *detail;
} hop_t;

#define MILLISECONDS(row) (row)->took < 0 ? -1 : (double)(row)->took / 1000.0
typedef struct hop_view_t {
    const char *hop, *status, *channel, *detail, *latency;
    double ms;
} hop_view_t;
static const ctl_column_t hop_columns[] = {
    COLUMN(hop_view_t, hop, "hop", COL_TEXT, 1), COLUMN(hop_view_t, status, "status", COL_TEXT, 1),
    COLUMN(hop_view_t, latency, "latency", COL_TEXT, TABLE_ONLY),
    COLUMN(hop_view_t, ms, "latency_ms", COL_RATE, 0),
    COLUMN(hop_view_t, channel, "channel", COL_TEXT, 1),
    COLUMN(hop_view_t, detail, "detail", COL_TEXT, 1), { .name = NULL }
};
static const ctl_list_t hop_list = { "hops", hop_columns, sizeof(hop_view_t) };

typedef struct drill_t {
    ctl_world_t *w;
    ctl_endpoint_t ep;
    ctl_sample_t sample;
    ctl_posted_t posted;
    apr_array_header_t *hops; /* hop_t */
    apr_time_t at;            /* of the last hop, as the store dates it */
    const cfmt_json_t *answer; /* the leader's: of the result row; NULL = none */
    apr_time_t answered_at;
    int code;
} drill_t;

static void add(drill_t *d, const char *hop, const char *status, apr_interval_time_t took,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void add(drill_t *d, const char *hop, const char *status, apr_interval_time_t took,
                const char *fmt, ...)
{
    hop_t *h = apr_array_push(d->hops);
    va_list ap;

    va_start(ap, fmt);
    *h = (hop_t){ .hop = hop, .status = status, .took = took,
                  .detail = apr_pvsprintf(d->w->p, fmt, ap) };
    va_end(ap);
}

static int broken(drill_t *d, int code)
{
    d->code = code;
    return 0;
}

/* Of rows dated by the store's clock, in real time. */
static apr_interval_time_t since(drill_t *d, apr_time_t at)
{
    const cfmt_demo_t *demo = &d->w->ctl->demo;
    apr_interval_time_t took = cfmt_clock_real(demo->speed ? &demo->clock : NULL, at - d->at);

    d->at = at;
    return took < 0 ? 0 : took;
}

/* ---- hops, each 0 when it breaks ------------------------------------------------------------- */

static int deliver(drill_t *d)
{
    apr_pool_t *p = d->w->p;

    d->at = d->sample.now = ctl_now(d->w->ctl);
    ctl_post(&d->posted, &d->ep, ctl_sample(&d->sample, p), p);
    if (d->posted.status != APR_SUCCESS) {
        add(d, "endpoint", "broken", d->posted.took ? d->posted.took : -1, "%s did not take it: %s",
            d->ep.url, d->posted.detail);
        return broken(d, ctl_posted_code(&d->posted));
    }
    if (strcmp(d->posted.result, "drill") != 0) {
        add(d, "endpoint", "broken", d->posted.took, "%s took it as '%s': an older mod_cfmt? end"
            " its attack by 'cfmtctl attack close'", d->ep.url, d->posted.result);
        return broken(d, CTL_FAILED);
    }
    add(d, "endpoint", "ok", d->posted.took, "%s, HTTP %d", d->ep.url, d->posted.code);
    return 1;
}

static int journaled(drill_t *d)
{
    cfmt_delivery_row_t row;
    apr_status_t rv = cfmt_delivery_get(d->w->store, &row, d->posted.id, d->w->p);

    if (rv != APR_SUCCESS || strcmp(row.kind, "drill") != 0) {
        add(d, "journal", "broken", -1, "%s has stored row %" APR_INT64_T_FMT ", but not in this"
            " database: whose mod_cfmt is that?", d->ep.url, d->posted.id);
        return broken(d, CTL_FAILED);
    }
    add(d, "journal", "ok", since(d, row.at), "row %" APR_INT64_T_FMT ", secret %s", row.id,
        row.label ? row.label : "-");
    return 1;
}

/* *pafter: read so far. */
static void look_for_answer(drill_t *d, const char *tag, apr_int64_t *pafter)
{
    static const cfmt_json_limits_t limits = { .depth = 8 };
    apr_array_header_t *rows;
    cfmt_json_t *doc;
    const char *why;
    int i;

    if (cfmt_journal_read(d->w->store, *pafter, PAGE, &rows, d->w->p) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < rows->nelts; i++) {
        const cfmt_journal_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_journal_row_t);

        *pafter = row->id;
        if (!strcmp(row->kind, "result") && cfmt_text_same(row->tag, tag) && row->body
            && cfmt_json_parse(&doc, &why, row->body, row->len, &limits, d->w->p) == APR_SUCCESS) {
            d->answer = doc;
            d->answered_at = row->at;
        }
    }
}

static void await_answer(drill_t *d)
{
    const char *tag = apr_psprintf(d->w->p, "command %" APR_INT64_T_FMT, d->posted.id);
    apr_time_t limit = cfmt_monotonic() + ANSWER_WAIT;
    apr_int64_t after = d->posted.id;

    while (!d->answer && cfmt_monotonic() < limit && ctl_out_ok()) {
        look_for_answer(d, tag, &after);
        if (!d->answer) {
            apr_sleep(STEP);
        }
    }
}

static const char *said(const drill_t *d, const char *name)
{
    const char *text = cfmt_json_text(cfmt_json_get(d->answer, "drill"), name);

    return text ? text : "";
}

static int understood(drill_t *d)
{
    apr_int64_t code = 0;

    await_answer(d);
    if (!d->answer) {
        add(d, "attack", "broken", -1, "nobody has taken it up within %d s: 'cfmtctl db check' says"
            " whether somebody leads", (int)apr_time_sec(ANSWER_WAIT));
        return broken(d, CTL_UNKNOWN);
    }
    if (cfmt_json_int(&code, d->answer, "code") != APR_SUCCESS || code) {
        add(d, "attack", "broken", since(d, d->answered_at), "%s",
            cfmt_json_text(d->answer, "text") ? cfmt_json_text(d->answer, "text") : "it failed");
        return broken(d, CTL_FAILED);
    }
    add(d, "attack", "ok", since(d, d->answered_at), "%s on %s, which is in %s", said(d, "type"),
        said(d, "target"), said(d, "hits"));
    return 1;
}

/* That it could not be protected breaks the hop, but people are told all the same. */
static int decided(drill_t *d)
{
    const cfmt_json_t *exposed = cfmt_json_get(cfmt_json_get(d->answer, "drill"), "exposed");
    int bad = exposed && exposed->type == CFMT_JSON_BOOL && exposed->flag;

    add(d, "decision", bad ? "broken" : *said(d, "prefix") ? "ok" : "skipped", 0,
        "mode %s, would follow: %s", said(d, "mode"), said(d, "text"));
    d->code = bad ? CTL_FAILED : d->code;
    return 1;
}

/* ---- messages -------------------------------------------------------------------------------- */

static apr_status_t load_messages(const drill_t *d, apr_array_header_t **pmine, int *pover)
{
    const char *dedupe = apr_psprintf(d->w->p, CFMT_DRILL_DEDUPE "%" APR_INT64_T_FMT,
                                      d->posted.id);
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_outbox_list(d->w->store, NULL, 0, CFMT_QUERY_PAGE, &rows, d->w->p);
    int i;

    *pmine = apr_array_make(d->w->p, 4, sizeof(cfmt_outbox_row_t));
    *pover = 1;
    for (i = rv == APR_SUCCESS ? rows->nelts : 0; i-- > 0;) {
        const cfmt_outbox_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t);

        if (cfmt_text_same(row->news.dedupe, dedupe)) {
            APR_ARRAY_PUSH(*pmine, cfmt_outbox_row_t) = *row;
            *pover &= row->state > CFMT_OUTBOX_SENDING || (row->state == CFMT_OUTBOX_QUEUED
                                                           && row->attempts > 0);
        }
    }
    return rv;
}

static apr_array_header_t *await_messages(drill_t *d)
{
    apr_time_t limit = cfmt_monotonic() + MESSAGE_WAIT;
    apr_pool_t *own = d->w->p, *other = NULL;
    apr_array_header_t *rows;
    int over = 0;

    apr_pool_create(&other, own);
    d->w->p = other;
    while (load_messages(d, &rows, &over) == APR_SUCCESS && !over && cfmt_monotonic() < limit
           && ctl_out_ok()) {
        apr_sleep(STEP);
        apr_pool_clear(other);
    }
    d->w->p = own;
    return rows;
}

static void add_message(drill_t *d, const cfmt_outbox_row_t *row)
{
    int sent = row->state == CFMT_OUTBOX_SENT, waits = row->state <= CFMT_OUTBOX_SENDING;

    add(d, "message", sent ? "ok" : waits && !row->attempts ? "waiting" : "broken",
        sent ? since(d, row->sent_at) : -1, "%s%s", row->answer ? row->answer
             : sent ? "sent" : cfmt_outbox_name(row->state),
        sent ? "" : apr_psprintf(d->w->p, "; see 'cfmtctl outbox show %" APR_INT64_T_FMT "'",
                                 row->id));
    APR_ARRAY_IDX(d->hops, d->hops->nelts - 1, hop_t).channel = apr_pstrdup(d->w->p, row->channel);
    d->code = sent ? d->code : waits && d->code == CTL_DONE ? CTL_UNKNOWN : CTL_FAILED;
}

static int told(drill_t *d)
{
    apr_array_header_t *rows = await_messages(d);
    int i;

    if (!rows->nelts) {
        add(d, "outbox", "broken", -1, "nobody is told: no channel is configured (CfmtNotify)");
        return broken(d, CTL_FAILED);
    }
    add(d, "outbox", "ok", since(d, APR_ARRAY_IDX(rows, 0, cfmt_outbox_row_t).made_at),
        "%d message%s", rows->nelts, rows->nelts == 1 ? "" : "s");
    for (i = 0; i < rows->nelts; i++) {
        apr_time_t at = d->at;

        add_message(d, &APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t));
        d->at = at; /* all of them begin there */
    }
    return 1;
}

/* ---- what came of it ------------------------------------------------------------------------- */

static const char *first_broken(const drill_t *d)
{
    int i;

    for (i = 0; i < d->hops->nelts; i++) {
        const hop_t *h = &APR_ARRAY_IDX(d->hops, i, hop_t);

        if (!strcmp(h->status, "broken") || !strcmp(h->status, "waiting")) {
            return h->hop;
        }
    }
    return NULL;
}

static apr_array_header_t *view(const drill_t *d)
{
    apr_array_header_t *rows = apr_array_make(d->w->p, d->hops->nelts, sizeof(hop_view_t));
    int i;

    for (i = 0; i < d->hops->nelts; i++) {
        const hop_t *h = &APR_ARRAY_IDX(d->hops, i, hop_t);

        APR_ARRAY_PUSH(rows, hop_view_t) = (hop_view_t){
            .hop = h->hop, .status = h->status, .channel = h->channel, .detail = h->detail,
            .ms = MILLISECONDS(h),
            .latency = h->took < 0 ? NULL : apr_psprintf(d->w->p, "%d ms",
                                                         (int)apr_time_as_msec(h->took))
        };
    }
    return rows;
}

static void print(const drill_t *d)
{
    const char *hop = first_broken(d);

    ctl_list_print(&hop_list, view(d),
                   apr_psprintf(d->w->p, "\"code\":%d,\"journal_id\":%s,\"broken\":%s", d->code,
                                d->posted.id ? apr_psprintf(d->w->p, "%" APR_INT64_T_FMT,
                                                            d->posted.id) : "null",
                                ctl_json_string(d->w->p, hop)),
                   d->w->ctl, d->w->p);
    fflush(stdout);
    if (hop) {
        ctl_complain(CFMT_ID(1196), "the drill breaks at hop '%s': what it says is what an attack"
                     " would meet", hop);
    }
}

static int run(drill_t *d)
{
    static int (*const hops[])(drill_t *) = { deliver, journaled, understood, decided, told };
    int code = ctl_endpoint_find(&d->ep, d->w);
    apr_size_t i;

    code = code == CTL_DONE ? ctl_sample_target(&d->sample, d->w, 0) : code;
    if (code != CTL_DONE) {
        return code;
    }
    if (!ctl_is_led(d->w->ctl, d->w->store)) {
        ctl_complain(CFMT_ID(1197), "nobody leads, so nobody would be told: start httpd; 'cfmtctl"
                     " db check' tells more");
        return CTL_UNAVAILABLE;
    }
    for (i = 0; i < sizeof(hops) / sizeof(hops[0]) && hops[i](d); i++) {
    }
    print(d);
    return d->code;
}

int ctl_drill(ctl_t *ctl)
{
    drill_t d = { .sample = { .type = TYPE } };
    ctl_world_t w;
    int code = ctl_endpoint_begin(&d.ep, ctl);

    if (code != CTL_DONE || (code = ctl_world_open_as(&w, ctl, CFMT_STORE_WRITE)) != CTL_DONE) {
        return code;
    }
    d.w = &w;
    d.hops = apr_array_make(w.p, 8, sizeof(hop_t));
    d.sample.who = ctl->user;
    /* A number, so that two in one second are two. */
    d.sample.mark = apr_psprintf(w.p, "\"cfmt_drill\":%s,\"cfmt_number\":%" APR_TIME_T_FMT,
                                 cfmt_json_quote(w.p, apr_pstrcat(w.p, "user ", ctl->user, NULL)),
                                 apr_time_now());
    return run(&d);
}
