/*
 * status: the first thing that anybody asks at 03:00, in one screen.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <apr_strings.h>

#include "act.h"
#include "cfmt_cloudflare.h"
#include "cfmt_engine.h"
#include "cfmt_store_outbox.h"

#define DOT " \xc2\xb7 "

/* ---- the head line --------------------------------------------------------------------------- */

typedef struct status_head_t {
    const char *mode, *leader, *analytics, *api, *outbox; /* as the line says them */
    int leading;                 /* somebody does */
    apr_int64_t leader_pid;      /* 0 = there has been none */
    ctl_aged_t beat, watermark;  /* in real time; of analytics */
    const char *breaker;
    double left, quota;
    int configured, demo;
    apr_int64_t waiting;         /* messages, for all channels */
    ctl_aged_t oldest;           /* of them */
} status_head_t;

#define HEAD(member, label, kind_) COLUMN(status_head_t, member, label, kind_, 0)
static const ctl_column_t head_columns[] = {
    HEAD(mode, "mode", COL_TEXT), HEAD(demo, "demo", COL_FLAG),
    HEAD(leading, "leading", COL_FLAG), HEAD(leader_pid, "leader_pid", COL_REF),
    AGED_JSON(status_head_t, beat, "heartbeat"),
    AGED_JSON(status_head_t, watermark, "analytics"),
    HEAD(configured, "configured", COL_FLAG), HEAD(breaker, "api_breaker", COL_TEXT),
    HEAD(left, "api_left", COL_RATE), HEAD(quota, "api_quota", COL_RATE),
    HEAD(waiting, "outbox_waiting", COL_INT),
    AGED_JSON(status_head_t, oldest, "outbox_oldest"),
    { .name = NULL }
};

/* Heartbeats are in real time, whatever clock the rest is dated by. */
static void head_leader(const ctl_world_t *w, status_head_t *h)
{
    cfmt_heartbeat_t hb;
    apr_time_t now = apr_time_now();

    h->beat.age = -1;
    h->leader = "NO LEADER";
    if (cfmt_leader_read(&hb, cfmt_store_path(w->store)) != APR_SUCCESS) {
        return;
    }
    h->leader_pid = hb.pid;
    h->beat.at = hb.at;
    h->beat.age = hb.at < now ? now - hb.at : 0;
    h->beat.age -= h->beat.age % APR_USEC_PER_SEC;
    h->leading = h->beat.age <= CFMT_LEADER_LATE && !(kill(hb.pid, 0) != 0 && errno == ESRCH);
    h->leader = apr_psprintf(w->p, "%s %ld, %s ago", h->leading ? "leader pid"
                                                                : "NO LEADER, the last was pid",
                             (long)hb.pid, ctl_duration(w->p, h->beat.age));
}

static apr_interval_time_t setting_span(const ctl_world_t *w, const char *name,
                                        apr_interval_time_t otherwise)
{
    const char *text = apr_table_get(w->settings, name);
    apr_interval_time_t d;

    return text && cfmt_duration_parse(&d, text) == APR_SUCCESS ? d : otherwise;
}

static apr_status_t head_analytics(const ctl_world_t *w, status_head_t *h)
{
    apr_interval_time_t late;
    cfmt_sensed_t traffic;
    apr_int64_t mark = 0;
    const char *text;
    apr_status_t rv = ctl_world_sensed(w, &traffic, "traffic");

    if (rv != APR_SUCCESS) {
        return rv;
    }
    text = traffic.read_at ? apr_table_get(traffic.facts, "watermark") : NULL;
    if (text && cfmt_int_parse(&mark, text, 0, APR_INT64_MAX) != APR_SUCCESS) {
        mark = 0;
    }
    h->watermark = ctl_aged(w, mark);
    if (!mark) {
        h->analytics = traffic.read_at ? "analytics idle" : "analytics not read";
        return rv;
    }
    late = h->watermark.age - setting_span(w, "AnalyticsLag", apr_time_from_sec(300));
    h->analytics = late < APR_USEC_PER_SEC
                       ? "analytics current"
                       : apr_pstrcat(w->p, "analytics ", ctl_duration(w->p, late), " behind lag",
                                     NULL);
    return rv;
}

static double fact(const cfmt_sensed_t *s, const char *name)
{
    const char *text = s->read_at ? apr_table_get(s->facts, name) : NULL;
    apr_int64_t n;

    return text && cfmt_int_parse(&n, text, 0, APR_INT64_MAX) == APR_SUCCESS ? (double)n : -1;
}

static apr_status_t head_api(const ctl_world_t *w, status_head_t *h)
{
    const char *name = apr_pstrcat(w->p, "upstream ", cfmt_upstream_name(CFMT_UPSTREAM_REST),
                                   NULL);
    const char *closed = cfmt_breaker_name(CFMT_BREAKER_CLOSED);
    cfmt_sensed_t s;
    apr_status_t rv = ctl_world_sensed(w, &s, name);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    h->configured = w->configured;
    h->breaker = s.read_at ? apr_table_get(s.facts, "breaker") : NULL;
    h->left = fact(&s, "left");
    h->quota = fact(&s, "quota");
    h->api = !w->configured ? "no API configured" : !h->breaker ? "Cloudflare API not asked yet"
             : strcmp(h->breaker, closed)
                 ? apr_pstrcat(w->p, "Cloudflare API FAILS (", ctl_text(w->p, h->breaker), ")",
                               NULL)
                 : "Cloudflare API ok";
    if (h->breaker && h->left >= 0 && h->quota >= 0) {
        h->api = apr_psprintf(w->p, "%s (%.0f/%.0f)", h->api, h->left, h->quota);
    }
    return rv;
}

/* Whether anybody hears of all this. */
static apr_status_t head_outbox(const ctl_world_t *w, status_head_t *h)
{
    apr_array_header_t *rows;
    const char *broken = NULL;
    apr_time_t oldest = 0;
    apr_status_t rv = cfmt_channels_load(w->store, &rows, w->p);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_channel_row_t *c = &APR_ARRAY_IDX(rows, i, cfmt_channel_row_t);

        h->waiting += c->depth;
        oldest = c->depth && (!oldest || c->oldest_at < oldest) ? c->oldest_at : oldest;
        if (c->state == CFMT_CHANNEL_BROKEN
            && apr_table_get(w->settings, apr_pstrcat(w->p, "Notify ", c->name, NULL))) {
            broken = apr_pstrcat(w->p, broken ? broken : "", broken ? ", " : "",
                                 ctl_text(w->p, c->name), NULL);
        }
    }
    h->oldest = ctl_aged(w, oldest);
    h->outbox = h->waiting ? apr_psprintf(w->p, "outbox %" APR_INT64_T_FMT " waiting, oldest %s",
                                          h->waiting, ctl_duration(w->p, h->oldest.age))
                           : "outbox empty";
    if (broken) {
        h->outbox = apr_pstrcat(w->p, h->outbox, ", BROKEN: ", broken, NULL);
    }
    return rv;
}

static apr_status_t head_read(const ctl_world_t *w, status_head_t *h)
{
    apr_status_t rv;

    memset(h, 0, sizeof(*h));
    h->mode = apr_table_get(w->settings, "Mode");
    h->demo = w->ctl->demo.speed > 0;
    head_leader(w, h);
    rv = head_analytics(w, h);
    rv = rv == APR_SUCCESS ? head_api(w, h) : rv;
    return rv == APR_SUCCESS ? head_outbox(w, h) : rv;
}

static void head_print(const ctl_world_t *w, const status_head_t *h)
{
    printf("mode %s" DOT "%s" DOT "%s" DOT "%s" DOT "%s\n", ctl_text(w->p, h->mode), h->leader,
           h->analytics, h->api, h->outbox);
}

/* ---- the prefixes ---------------------------------------------------------------------------- */

static int is_shown(const apr_array_header_t *wanted, const cfmt_prefix_row_t *r)
{
    int i;

    if (!wanted->nelts) {
        return r->b.cidr.family && !r->gone;
    }
    for (i = 0; i < wanted->nelts; i++) {
        if (!cfmt_cidr_compare(&APR_ARRAY_IDX(wanted, i, cfmt_cidr_t), &r->b.cidr)) {
            return !r->gone;
        }
    }
    return 0;
}

static apr_array_header_t *view(const ctl_world_t *w, const ctl_situation_t *x,
                                const apr_array_header_t *wanted)
{
    apr_array_header_t *rows = apr_array_make(w->p, x->prefixes->nelts + 1, sizeof(ctl_prefix_t));
    int i;

    for (i = 0; i < x->prefixes->nelts; i++) {
        const cfmt_prefix_row_t *r = &APR_ARRAY_IDX(x->prefixes, i, cfmt_prefix_row_t);
        if (is_shown(wanted, r)) {
            ctl_situation_view(w, x, &r->b.cidr, apr_array_push(rows));
        }
    }
    for (i = 0; i < wanted->nelts; i++) {
        const cfmt_cidr_t *cidr = &APR_ARRAY_IDX(wanted, i, cfmt_cidr_t);
        if (!cfmt_prefix_find(x->prefixes, cidr)) {
            ctl_situation_view(w, x, cidr, apr_array_push(rows));
        }
    }
    return rows;
}

static void note(const ctl_world_t *w, const status_head_t *h, int rows)
{
    ctl_head_t read = { .read = ctl_aged(w, ctl_world_ok_at(w, "prefixes")) };

    if (!h->leading) {
        ctl_complain(CFMT_ID(0997), "nobody leads: what stands here is as it was then, nothing is"
                     " withdrawn or advertised by itself; is httpd running ('cfmtctl db check')?");
    }
    ctl_world_note(w, &read, rows, "prefixes", ctl_world_stale(w));
}

int ctl_status(ctl_t *ctl)
{
    const ctl_list_t members = { .columns = head_columns };
    apr_array_header_t *wanted, *rows;
    ctl_situation_t x;
    status_head_t h;
    apr_status_t rv;
    ctl_world_t w;
    int code = ctl_world_open(&w, ctl);

    if (code != CTL_DONE) {
        return code;
    }
    if ((rv = ctl_situation_load(&w, &x)) != APR_SUCCESS
        || (rv = head_read(&w, &h)) != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    if ((code = ctl_pick_all(&w, x.prefixes, &wanted)) != CTL_DONE) {
        return code;
    }
    rows = view(&w, &x, wanted);
    if (!ctl->json) {
        head_print(&w, &h);
    }
    ctl_list_print(&ctl_prefix_list, rows, ctl_json_members(&members, &h, w.p), ctl, w.p);
    note(&w, &h, rows->nelts);
    return CTL_DONE;
}
