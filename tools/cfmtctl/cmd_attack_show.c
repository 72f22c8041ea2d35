/*
 * attack: one attack whole. What it is and how high it went, its events in order, the minutes of
 * its prefixes as one strip, and who sent it.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmtctl.h"
#include "traffic.h"

#define BEFORE apr_time_from_sec(600)    /* traffic is there before its alert */
#define AFTER apr_time_from_sec(20 * 60) /* and how it became calm is seen behind its end */
#define STRIP_MAX apr_time_from_sec(48 * 3600)
#define MINUTES(d) ((int)((d) / CFMT_MINUTE))

/* One minute of all its prefixes together. */
typedef struct minute_t {
    char mark; /* as ctl_strip_print wants it */
    double pps, bps;
    cfmt_system_e by;
} minute_t;

typedef struct show_t {
    const ctl_world_t *w;
    const cfmt_attack_row_t *a;
    apr_array_header_t *events; /* cfmt_event_stored_t, as they count, the newest ones */
    int more;                   /* older ones are left out */
    apr_time_t from, to;        /* of minutes */
    minute_t *minutes;          /* NULL: nothing is known of any */
    cfmt_tops_t tops;
} show_t;

/* ---- its events ------------------------------------------------------------------------------ */

typedef struct event_view_t {
    apr_time_t ts, at;
    const char *source, *state, *system, *summary;
    double pps, bps;
} event_view_t;

#define EVENT(member, kind_, table) COLUMN(event_view_t, member, #member, kind_, table)

static const ctl_column_t event_columns[] = {
    EVENT(ts, COL_TIME, 1), EVENT(source, COL_TEXT, 1), EVENT(state, COL_TEXT, 1),
    EVENT(pps, COL_RATE, 1), EVENT(bps, COL_RATE, 1), EVENT(system, COL_TEXT, 1),
    EVENT(at, COL_TIME, 0), EVENT(summary, COL_TEXT, 1), { .name = NULL }
};
static const ctl_list_t event_list = { "timeline", event_columns, sizeof(event_view_t) };

static int by_order(const void *a, const void *b)
{
    return cfmt_attack_event_compare(&((const cfmt_event_stored_t *)a)->e,
                                     &((const cfmt_event_stored_t *)b)->e);
}

static apr_status_t load_events(show_t *s)
{
    apr_status_t rv;
    int cut;

    s->events = apr_array_make(s->w->p, 64, sizeof(cfmt_event_stored_t));
    rv = cfmt_events_newest(s->w->store, s->events, s->a->id, s->w->ctl->limit, s->w->p);
    qsort(s->events->elts, (size_t)s->events->nelts, sizeof(cfmt_event_stored_t), by_order);
    cut = s->events->nelts - s->w->ctl->limit;
    if (cut > 0) {
        s->more = 1;
        s->events->elts += (apr_size_t)cut * sizeof(cfmt_event_stored_t);
        s->events->nelts -= cut;
    }
    return rv;
}

/* A figure of traffic is no event of its own: its state is a word that says so. */
static apr_array_header_t *event_views(const show_t *s)
{
    apr_array_header_t *views = apr_array_make(s->w->p, s->events->nelts + 1, sizeof(event_view_t));
    int i;

    for (i = 0; i < s->events->nelts; i++) {
        const cfmt_event_t *e = &APR_ARRAY_IDX(s->events, i, cfmt_event_stored_t).e;
        int figures = cfmt_event_by_ref(e) && e->state == CFMT_STATE_INFO;

        APR_ARRAY_PUSH(views, event_view_t) = (event_view_t){
            .ts = e->ts, .at = e->at, .source = e->source, .pps = e->pps, .bps = e->bps,
            .state = figures ? "peak" : cfmt_state_name(e->state), .system = e->system,
            .summary = e->summary
        };
    }
    return views;
}

/* ---- its minutes ----------------------------------------------------------------------------- */

static int is_hit(const show_t *s, const cfmt_cidr_t *prefix)
{
    cfmt_cidr_t c;
    int i;

    for (i = 0; i < s->a->prefixes->nelts; i++) {
        if (cfmt_cidr_parse(&c, NULL, APR_ARRAY_IDX(s->a->prefixes, i, const char *)) == APR_SUCCESS
            && (cfmt_cidr_contains(&c, prefix) || cfmt_cidr_contains(prefix, &c))) {
            return 1;
        }
    }
    return s->a->target_missing != 0;
}

/* What counts most: attack, then that something is not known. */
static int weight(char mark)
{
    return mark == '#' ? 3 : mark == '?' ? 2 : mark == '+';
}

static void add_minute(minute_t *m, char mark, const cfmt_span_t *span)
{
    m->mark = !m->mark || weight(mark) > weight(m->mark) ? mark : m->mark;
    if (span && span->pps > m->pps) {
        m->pps = span->pps;
        m->by = span->by;
    }
    m->bps = span && span->bps > m->bps ? span->bps : m->bps;
}

static void add_prefix(show_t *s, const apr_array_header_t *spans)
{
    apr_time_t at = s->from;
    minute_t *m;
    int i = 0;

    for (m = s->minutes; at < s->to; at += CFMT_MINUTE, m++) {
        const cfmt_span_t *span;

        while (i < spans->nelts && APR_ARRAY_IDX(spans, i, cfmt_span_t).to <= at) {
            i++;
        }
        span = i < spans->nelts ? &APR_ARRAY_IDX(spans, i, cfmt_span_t) : NULL;
        span = span && span->from <= at ? span : NULL;
        add_minute(m, span ? ctl_strip_mark(cfmt_verdict_name(span->verdict)) : (char)'?', span);
    }
}

static apr_status_t load_minutes(show_t *s)
{
    apr_time_t end = s->a->ended_at ? s->a->ended_at + AFTER : s->w->now;
    apr_array_header_t *sets;
    apr_status_t rv;
    int i;

    s->to = (end < s->w->now ? end : s->w->now) / CFMT_MINUTE * CFMT_MINUTE;
    s->from = (s->a->started_at - BEFORE) / CFMT_MINUTE * CFMT_MINUTE;
    s->from = s->from > s->to - STRIP_MAX ? s->from : s->to - STRIP_MAX;
    if (s->from >= s->to) {
        return APR_SUCCESS;
    }
    rv = cfmt_evidence_load_all(s->w->store, s->from, &sets, s->w->p);
    for (i = 0; rv == APR_SUCCESS && i < sets->nelts; i++) {
        const cfmt_evidence_spans_t *set = &APR_ARRAY_IDX(sets, i, cfmt_evidence_spans_t);

        if (!is_hit(s, &set->prefix)) {
            continue;
        }
        if (!s->minutes) {
            s->minutes = apr_pcalloc(s->w->p, (apr_size_t)MINUTES(s->to - s->from)
                                                  * sizeof(*s->minutes));
        }
        add_prefix(s, set->spans);
    }
    return rv;
}

typedef struct run_t {
    apr_time_t from, to;
    const char *verdict, *by;
    double pps, bps;
} run_t;

#define RUN(member, kind_) COLUMN(run_t, member, #member, kind_, 0)
static const ctl_column_t run_columns[] = {
    RUN(from, COL_TIME), RUN(to, COL_TIME), RUN(verdict, COL_TEXT), RUN(pps, COL_RATE),
    RUN(bps, COL_RATE), RUN(by, COL_TEXT), { .name = NULL }
};
static const ctl_list_t run_list = { "minutes", run_columns, sizeof(run_t) };

/* Attack minutes stand alone, as in `evidence`. */
static apr_array_header_t *runs(const show_t *s)
{
    apr_array_header_t *out = apr_array_make(s->w->p, 16, sizeof(run_t));
    int i, n = s->minutes ? MINUTES(s->to - s->from) : 0;

    for (i = 0; i < n; i++) {
        const minute_t *m = &s->minutes[i];
        apr_time_t at = s->from + i * CFMT_MINUTE;
        int known = m->mark != '?';

        if (i && m->mark == m[-1].mark && m->mark != '#') {
            run_t *last = &APR_ARRAY_IDX(out, out->nelts - 1, run_t);

            last->to = at + CFMT_MINUTE;
            last->pps = known && m->pps > last->pps ? m->pps : last->pps;
            last->bps = known && m->bps > last->bps ? m->bps : last->bps;
            continue;
        }
        APR_ARRAY_PUSH(out, run_t) = (run_t){
            .from = at, .to = at + CFMT_MINUTE, .verdict = ctl_strip_verdict(m->mark),
            .pps = known ? m->pps : -1, .bps = known ? m->bps : -1,
            .by = m->mark == '#' ? cfmt_system_name(m->by) : NULL
        };
    }
    return out;
}

/* ---- for people ------------------------------------------------------------------------------ */

static void print_list(const char *label, const apr_array_header_t *texts, const char *none,
                       apr_pool_t *p)
{
    const char *line = "";
    int i;

    for (i = 0; i < texts->nelts; i++) {
        line = apr_pstrcat(p, line, i ? ", " : "",
                           ctl_text(p, APR_ARRAY_IDX(texts, i, const char *)), NULL);
    }
    if (texts->nelts || none) {
        printf("  %-10s %s\n", label, texts->nelts ? line : none);
    }
}

static void print_peak(const char *label, double rate, const char *unit, apr_time_t at,
                       const char *by, apr_pool_t *p)
{
    if (rate >= 0) {
        printf("  %-10s %s%s%s%s%s\n", label, cfmt_rate_format(p, rate, unit), at ? " at " : "",
               at ? ctl_time(p, at) : "", by ? ", by " : "", by ? ctl_text(p, by) : "");
    }
}

static void print_head(const show_t *s)
{
    const cfmt_attack_row_t *a = s->a;
    apr_pool_t *p = s->w->p;
    int open = !strcmp(a->state, "open");
    apr_interval_time_t lasted = (open ? s->w->now : a->ended_at) - a->started_at;

    printf("attack %s %s%s%s: %s to %s, %s", a->id, open ? "is open" : "has ended",
           open ? "" : " by ", open ? "" : ctl_text(p, a->ended_by), ctl_time(p, a->started_at),
           open ? "now" : ctl_time(p, a->ended_at), ctl_duration(p, lasted > 0 ? lasted : 0));
    printf(a->episodes > 1 ? ", %d episodes\n" : "\n", (int)a->episodes);
    print_list("prefixes", a->prefixes,
               a->target_missing ? "any: no target can be read" : "none of ours", p);
    print_list("targets", a->targets, NULL, p);
    print_list("alerts", a->alert_types, "none: traffic shows it", p);
    print_list("vectors", a->vectors, NULL, p);
    print_list("rules", a->rules, NULL, p);
    print_list("also", a->attack_ids, NULL, p);
    print_peak("peak", a->peak_pps, "pps", a->peak_pps_at, a->peak_pps_by, p);
    print_peak("", a->peak_bps, "bps", a->peak_bps_at, a->peak_bps_by, p);
    printf("\n");
}

static void print_minutes(const show_t *s)
{
    int i, n = s->minutes ? MINUTES(s->to - s->from) : 0;
    char *marks = apr_pcalloc(s->w->p, (apr_size_t)n + 1);

    for (i = 0; i < n; i++) {
        marks[i] = s->minutes[i].mark;
    }
    if (n) {
        ctl_strip_print(s->from, marks, n, s->w->p);
    }
    else {
        printf("no minute of its traffic is known\n\n");
    }
}

static void print_people(const show_t *s)
{
    print_head(s);
    if (s->more) {
        printf("the newest %d events; --limit shows more\n", s->events->nelts);
    }
    ctl_list_print(&event_list, event_views(s), NULL, s->w->ctl, s->w->p);
    printf("\n");
    print_minutes(s);
    ctl_tops_print(s->w, &s->tops);
}

static void print_json(const show_t *s)
{
    apr_pool_t *p = s->w->p;

    ctl_json_document(
        s->w->ctl, apr_pstrcat(p, "\"attack\":", ctl_attack_json(s->a, s->w->now, p),
                               ",\"timeline\":", ctl_json_rows(&event_list, event_views(s), p),
                               ",\"timeline_cut\":", s->more ? "true" : "false",
                               ",\"minutes\":", ctl_json_rows(&run_list, runs(s), p),
                               ",\"traffic\":{", ctl_tops_members(s->w, &s->tops), "}", NULL));
}

int ctl_attack_show(ctl_t *ctl)
{
    cfmt_attack_row_t a = { .state = "" };
    ctl_world_t w;
    show_t s = { .w = &w, .a = &a };
    apr_status_t rv;
    int code = ctl_world_open(&w, ctl);

    code = code == CTL_DONE ? ctl_find_attack(ctl, w.store, ctl->operands[0], &a) : code;
    if (code != CTL_DONE) {
        return code;
    }
    rv = load_events(&s);
    rv = rv == APR_SUCCESS ? load_minutes(&s) : rv;
    rv = rv == APR_SUCCESS ? ctl_attack_tops(&w, &a, &s.tops) : rv;
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    if (ctl->json) {
        print_json(&s);
    }
    else {
        print_people(&s);
    }
    return CTL_DONE;
}
