/*
 * evidence: what is known of one prefix's traffic, as a strip of minutes and as spans. What stands
 * nowhere is unknown, and is shown as such.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"

#define HOUR apr_time_from_sec(3600)
#define SINCE_DEFAULT (2 * HOUR)
#define SINCE_MAX (31 * 24 * HOUR)
#define STRIP_MAX (48 * HOUR) /* a longer one helps nobody: the table has it all */

typedef struct span_view_t {
    apr_time_t from, to;
    const char *verdict, *reason, *by;
    apr_interval_time_t length;
    double pps, bps;  /* < 0 = none */
    apr_time_t peak_at;
} span_view_t;

#define SPAN(member, label, kind_, table) COLUMN(span_view_t, member, label, kind_, table)

static const ctl_column_t span_columns[] = {
    SPAN(from, "from", COL_TIME, 1),
    SPAN(to, "to", COL_TIME, WIDE),
    SPAN(length, "for", COL_DURATION, TABLE_ONLY),
    SPAN(length, "seconds", COL_SECONDS, 0),
    SPAN(verdict, "verdict", COL_TEXT, 1),
    SPAN(pps, "pps", COL_RATE, 1),
    SPAN(bps, "bps", COL_RATE, 1),
    SPAN(by, "by", COL_TEXT, 1),
    SPAN(peak_at, "peak_at", COL_TIME, WIDE),
    SPAN(reason, "reason", COL_TEXT, 1),
    { .name = NULL }
};
static const ctl_list_t span_list = { "minutes", span_columns, sizeof(span_view_t) };

typedef struct evidence_head_t {
    const char *prefix, *state;
    apr_time_t since, until;
    double pps, bps;
} evidence_head_t;

#define HEAD(member, kind_) COLUMN(evidence_head_t, member, #member, kind_, 0)
static const ctl_column_t head_columns[] = {
    HEAD(prefix, COL_TEXT), HEAD(state, COL_TEXT), HEAD(since, COL_TIME), HEAD(until, COL_TIME),
    COLUMN(evidence_head_t, pps, "threshold_pps", COL_RATE, 0),
    COLUMN(evidence_head_t, bps, "threshold_bps", COL_RATE, 0),
    { .name = NULL }
};

/* ---- spans and gaps -------------------------------------------------------------------------- */

static void add_gap(apr_array_header_t *view, apr_time_t from, apr_time_t to)
{
    if (from < to) {
        APR_ARRAY_PUSH(view, span_view_t) = (span_view_t){
            .from = from, .to = to, .length = to - from, .verdict = "unknown",
            .reason = "not read or not complete", .pps = -1, .bps = -1
        };
    }
}

static void add_span(apr_array_header_t *view, const cfmt_span_t *s, apr_time_t since)
{
    APR_ARRAY_PUSH(view, span_view_t) = (span_view_t){
        .from = s->from > since ? s->from : since, .to = s->to,
        .length = s->to - (s->from > since ? s->from : since),
        .verdict = cfmt_verdict_name(s->verdict), .reason = s->reason, .pps = s->pps,
        .bps = s->bps, .peak_at = s->pps > 0 || s->bps > 0 ? s->peak_at : 0,
        .by = s->pps > 0 && s->by != CFMT_SYSTEM_OTHER ? cfmt_system_name(s->by) : NULL
    };
}

static apr_array_header_t *view_spans(const apr_array_header_t *spans, apr_time_t since,
                                      apr_time_t until, apr_pool_t *p)
{
    apr_array_header_t *view = apr_array_make(p, 2 * spans->nelts + 1, sizeof(span_view_t));
    apr_time_t at = since;
    int i;

    for (i = 0; i < spans->nelts; i++) {
        const cfmt_span_t *s = &APR_ARRAY_IDX(spans, i, cfmt_span_t);

        add_gap(view, at, s->from);
        add_span(view, s, since);
        at = s->to > at ? s->to : at;
    }
    add_gap(view, at, until);
    return view;
}

/* ---- the strip ------------------------------------------------------------------------------- */

static const struct {
    char mark;
    const char *verdict, *colour;
} marks_of[] = { { '?', "unknown", "\033[2m" }, { '.', "calm", "\033[32m" },
                 { '+', "between", "\033[33m" }, { '#', "attack", "\033[31m" } };
#define MARKS (sizeof(marks_of) / sizeof(marks_of[0]))

char ctl_strip_mark(const char *verdict)
{
    apr_size_t i = MARKS - 1;

    while (i > 0 && strcmp(marks_of[i].verdict, verdict)) {
        i--;
    }
    return marks_of[i].mark;
}

static apr_size_t index_of(char mark)
{
    apr_size_t i = MARKS - 1;

    while (i > 0 && marks_of[i].mark != mark) {
        i--;
    }
    return i;
}

const char *ctl_strip_verdict(char mark)
{
    return marks_of[index_of(mark)].verdict;
}

/* An hour a line, a minute a character. */
void ctl_strip_print(apr_time_t since, const char *marks, int n, apr_pool_t *p)
{
    apr_time_t at, begin = since - since % HOUR, until = since + n * CFMT_MINUTE;

    for (at = begin; at < until; at += CFMT_MINUTE) {
        char mark = at < since ? (char)' ' : marks[(at - since) / CFMT_MINUTE];

        if (at % HOUR == 0) {
            printf("%s%s  ", at == begin ? "" : "\n", ctl_time(p, at));
        }
        printf("%s%c%s", ctl_ansi(mark == ' ' ? "" : marks_of[index_of(mark)].colour), mark,
               ctl_ansi("\033[0m"));
    }
    printf("\n%*s. calm  + between  # attack  ? unknown\n\n", 22, "");
}

static void print_strip(const apr_array_header_t *view, apr_time_t since, apr_time_t until,
                        apr_pool_t *p)
{
    int i, k = 0, n = (int)((until - since) / CFMT_MINUTE);
    char *marks = apr_palloc(p, (apr_size_t)n + 1);

    for (i = 0; i < n; i++) {
        while (k < view->nelts
               && APR_ARRAY_IDX(view, k, span_view_t).to <= since + i * CFMT_MINUTE) {
            k++;
        }
        marks[i] = k < view->nelts ? ctl_strip_mark(APR_ARRAY_IDX(view, k, span_view_t).verdict)
                                   : (char)' ';
    }
    ctl_strip_print(since, marks, n, p);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int show(const ctl_world_t *w, const cfmt_prefix_row_t *r, apr_time_t since)
{
    static const char *const words[] = { "unknown", "withdrawn", "advertised" };
    apr_time_t until = w->now - w->now % CFMT_MINUTE;
    const ctl_list_t members = { .columns = head_columns };
    apr_array_header_t *spans, *view;
    cfmt_threshold_t threshold;
    evidence_head_t head = { .since = since, .until = until };
    apr_status_t rv = cfmt_evidence_load(w->store, &r->b.cidr, since, &spans, w->p);

    if (rv != APR_SUCCESS) {
        return ctl_world_failed(w, rv);
    }
    cfmt_threshold_of(&threshold, w->settings, &r->b.cidr, w->p);
    head.prefix = cfmt_cidr_format(w->p, &r->b.cidr);
    head.state = words[r->gone || r->b.advertised < 0 ? 0 : r->b.advertised + 1];
    head.pps = threshold.pps;
    head.bps = threshold.bps;
    view = view_spans(spans, since, until, w->p);
    if (!w->ctl->json) {
        printf("%s is %s; attack from %s or %s dropped, calm below half\n\n", head.prefix,
               head.state, cfmt_rate_format(w->p, head.pps, "pps"),
               cfmt_rate_format(w->p, head.bps, "bps"));
        print_strip(view, until - since > STRIP_MAX ? until - STRIP_MAX : since, until, w->p);
    }
    ctl_list_print(&span_list, view, ctl_json_members(&members, &head, w->p), w->ctl, w->p);
    return CTL_DONE;
}

/* One that the account no longer has is named whole: its minutes are still there. */
static int pick(const ctl_world_t *w, const apr_array_header_t *rows,
                const cfmt_prefix_row_t **prow)
{
    const char *typed = w->ctl->operands[0];
    cfmt_cidr_t cidr;
    int code = CTL_DONE;

    *prow = cfmt_cidr_parse(&cidr, NULL, typed) == APR_SUCCESS ? cfmt_prefix_find(rows, &cidr)
                                                               : NULL;
    if (!*prow && (code = ctl_pick(w, rows, typed, &cidr)) == CTL_DONE) {
        *prow = cfmt_prefix_find(rows, &cidr);
        if (!*prow) {
            ctl_complain(CFMT_ID(0791), "%s is configured, but the account has no such prefix:"
                         " 'cfmtctl prefixes' shows those it has", cfmt_cidr_format(w->p, &cidr));
            code = CTL_FAILED;
        }
    }
    return code;
}

static int show_nothing(const ctl_world_t *w)
{
    const ctl_list_t members = { .columns = head_columns };
    const evidence_head_t head = { .state = "unknown", .pps = -1, .bps = -1 };

    if (w->ctl->json) {
        ctl_list_print(&span_list, apr_array_make(w->p, 1, sizeof(span_view_t)),
                       ctl_json_members(&members, &head, w->p), w->ctl, w->p);
    }
    ctl_world_unconfigured(", so no traffic is known");
    return CTL_DONE;
}

int ctl_evidence(ctl_t *ctl)
{
    ctl_world_t w;
    apr_array_header_t *rows;
    const cfmt_prefix_row_t *row;
    apr_time_t since;
    apr_status_t rv;
    int code = ctl_world_open(&w, ctl);

    if (code != CTL_DONE) {
        return code;
    }
    rv = cfmt_prefixes_load(w.store, &rows, w.p);
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    if (!rows->nelts && !w.configured) {
        return show_nothing(&w);
    }
    if ((code = pick(&w, rows, &row)) != CTL_DONE) {
        return code;
    }
    since = ctl->since ? ctl->since : w.now - SINCE_DEFAULT;
    since = since > w.now - SINCE_MAX ? since : w.now - SINCE_MAX;
    since = since < w.now - CFMT_MINUTE ? since : w.now - CFMT_MINUTE;
    return show(&w, row, since - since % CFMT_MINUTE);
}
