/*
 * timers: what is due when, whoever wants it; proposals and window list.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "act.h"

typedef struct timer_row_t {
    apr_time_t at;         /* 0 = nobody knows: not by time */
    const char *in, *what, *prefix, *detail;
    apr_int64_t id;        /* of the intent, hold, window, proposal; 0 = none */
    const char *seconds;   /* NULL = at is 0 */
} timer_row_t;

#define TIMER(member, label, kind_, table) COLUMN(timer_row_t, member, label, kind_, table)
static const ctl_column_t columns[] = {
    TIMER(in, "in", COL_TEXT, NARROW), TIMER(at, "at", COL_TIME, 1),
    TIMER(seconds, "in_seconds", COL_RAW, 0), TIMER(what, "what", COL_TEXT, 1),
    TIMER(id, "id", COL_REF, 1), TIMER(prefix, "prefix", COL_TEXT, 1),
    TIMER(detail, "detail", COL_TEXT, 1), { .name = NULL }
};
static const ctl_list_t list = { "timers", columns, sizeof(timer_row_t) };

/* ---- one line -------------------------------------------------------------------------------- */

static void add(const ctl_world_t *w, apr_array_header_t *rows, timer_row_t t)
{
    apr_interval_time_t in = t.at - w->now;

    t.in = !t.at ? "-" : in < APR_USEC_PER_SEC ? "now" : ctl_duration(w->p, in);
    t.seconds = t.at ? apr_psprintf(w->p, "%" APR_INT64_T_FMT, apr_time_sec(in)) : NULL;
    APR_ARRAY_PUSH(rows, timer_row_t) = t;
}

/* By time; what no time ends comes last. */
static int by_time(const void *a, const void *b)
{
    const timer_row_t *x = a, *y = b;

    if (!x->at != !y->at) {
        return x->at ? -1 : 1;
    }
    return x->at != y->at ? (x->at < y->at ? -1 : 1) : strcmp(x->prefix, y->prefix);
}

/* ---- what there is --------------------------------------------------------------------------- */

static void add_intents(const ctl_world_t *w, apr_array_header_t *rows,
                        const apr_array_header_t *intents)
{
    int i;

    for (i = 0; i < intents->nelts; i++) {
        const cfmt_intent_row_t *in = &APR_ARRAY_IDX(intents, i, cfmt_intent_row_t);
        apr_time_t at = in->next_at > in->not_before ? in->next_at : in->not_before;
        add(w, rows, (timer_row_t){ .at = at > w->now ? at : w->now,
                                    .what = in->want ? "advertise" : "withdraw", .id = in->id,
                                    .prefix = cfmt_cidr_format(w->p, &in->prefix),
                                    .detail = ctl_intent_text(w, in) });
    }
}

static void add_decision(const ctl_world_t *w, apr_array_header_t *rows,
                         const cfmt_decision_row_t *row)
{
    const char *prefix = cfmt_cidr_format(w->p, &row->prefix);
    cfmt_decided_t d;

    if (cfmt_decision_glance(&d, row->gates, w->p) != APR_SUCCESS) {
        return;
    }
    if (d.d.earliest) {
        add(w, rows, (timer_row_t){ .at = d.d.earliest, .what = "earliest withdrawal",
                                    .prefix = prefix, .detail = d.text });
    }
    if (d.d.orphan || d.d.orphan_at) {
        add(w, rows, (timer_row_t){ .at = d.d.orphan_at, .prefix = prefix, .detail = d.text,
                                    .what = d.d.orphan ? "orphan, told again" : "orphan" });
    }
    if (d.a.action == CFMT_ADVERTISE_QUEUE) {
        add(w, rows, (timer_row_t){ .at = d.a.at, .what = "may be advertised", .prefix = prefix,
                                    .detail = d.advertise_text });
    }
    if (d.a.page_at) {
        add(w, rows, (timer_row_t){ .at = d.a.page_at, .what = "NOT PROTECTED told",
                                    .prefix = prefix, .detail = d.advertise_text });
    }
}

static void add_holds(const ctl_world_t *w, apr_array_header_t *rows,
                      const apr_array_header_t *holds)
{
    int i;

    for (i = 0; i < holds->nelts; i++) {
        const ctl_hold_t *h = &APR_ARRAY_IDX(holds, i, ctl_hold_t);
        const char *why = *h->reason ? apr_pstrcat(w->p, h->who, ": ", h->reason, NULL) : h->who;
        add(w, rows, (timer_row_t){ .at = h->until, .id = h->id, .prefix = h->prefix,
                                    .what = h->until ? "hold ends" : "held until released",
                                    .detail = why });
    }
}

static void add_windows(const ctl_world_t *w, apr_array_header_t *rows,
                        const apr_array_header_t *windows)
{
    int i;

    for (i = 0; i < windows->nelts; i++) {
        const ctl_window_t *r = &APR_ARRAY_IDX(windows, i, ctl_window_t);
        int ahead = r->from > w->now;
        add(w, rows, (timer_row_t){ .at = ahead ? r->from : r->to, .id = r->id,
                                    .prefix = r->prefix, .detail = r->reason,
                                    .what = ahead ? "window begins" : "window ends" });
    }
}

static void add_proposals(const ctl_world_t *w, apr_array_header_t *rows,
                          const apr_array_header_t *proposals)
{
    int i;

    for (i = 0; i < proposals->nelts; i++) {
        const ctl_proposal_t *r = &APR_ARRAY_IDX(proposals, i, ctl_proposal_t);
        add(w, rows, (timer_row_t){ .at = r->expires, .id = r->id, .prefix = r->prefix,
                                    .what = "proposal expires",
                                    .detail = apr_pstrcat(w->p, r->want, ": ", r->reason, NULL) });
    }
}

/* ---- commands -------------------------------------------------------------------------------- */

static apr_status_t collect(const ctl_world_t *w, apr_array_header_t *rows)
{
    apr_array_header_t *intents, *decisions, *holds, *windows, *proposals;
    apr_status_t rv;
    int i;

    if ((rv = cfmt_intents_open(w->store, &intents, w->p)) != APR_SUCCESS
        || (rv = cfmt_decisions_load(w->store, &decisions, w->p)) != APR_SUCCESS
        || (rv = ctl_holds(w, NULL, &holds)) != APR_SUCCESS
        || (rv = ctl_windows(w, NULL, &windows)) != APR_SUCCESS
        || (rv = ctl_proposals_of(w, NULL, 0, &proposals)) != APR_SUCCESS) {
        return rv;
    }
    add_intents(w, rows, intents);
    for (i = 0; i < decisions->nelts; i++) {
        add_decision(w, rows, &APR_ARRAY_IDX(decisions, i, cfmt_decision_row_t));
    }
    add_holds(w, rows, holds);
    add_windows(w, rows, windows);
    add_proposals(w, rows, proposals);
    qsort(rows->elts, (size_t)rows->nelts, sizeof(timer_row_t), by_time);
    return rv;
}

int ctl_timers(ctl_t *ctl)
{
    apr_array_header_t *rows;
    apr_status_t rv;
    ctl_world_t w;
    int code = ctl_world_open(&w, ctl);

    if (code != CTL_DONE) {
        return code;
    }
    rows = apr_array_make(w.p, 32, sizeof(timer_row_t));
    if ((rv = collect(&w, rows)) != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    ctl_list_print(&list, rows, NULL, ctl, w.p);
    return CTL_DONE;
}

int ctl_proposals(ctl_t *ctl)
{
    apr_array_header_t *rows;
    apr_status_t rv = APR_SUCCESS;
    int i, code, open = 0;
    ctl_world_t w;

    if ((code = ctl_world_open(&w, ctl)) != CTL_DONE) {
        return code;
    }
    rows = apr_array_make(w.p, 1, sizeof(ctl_proposal_t));
    if (ctl->limit && (rv = ctl_proposals_of(&w, NULL, ctl->limit, &rows)) != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    ctl_list_print(&ctl_proposal_list, rows, NULL, ctl, w.p);
    for (i = 0; i < rows->nelts; i++) {
        open += !strcmp(APR_ARRAY_IDX(rows, i, ctl_proposal_t).state, "open");
    }
    if (open && !ctl->json) {
        printf("%d open: 'cfmtctl approve ID' or 'cfmtctl deny ID'\n", open);
    }
    return CTL_DONE;
}

int ctl_window_list(ctl_t *ctl)
{
    apr_array_header_t *rows;
    apr_status_t rv;
    ctl_world_t w;
    int code = ctl_world_open(&w, ctl);

    if (code != CTL_DONE) {
        return code;
    }
    if ((rv = ctl_windows(&w, NULL, &rows)) != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    ctl_list_print(&ctl_window_rows, rows, NULL, ctl, w.p);
    return CTL_DONE;
}
