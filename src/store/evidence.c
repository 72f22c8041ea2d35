/*
 * Table evidence: runs of minutes that were judged alike, by prefix. A minute may be judged several
 * times; then the highest verdict counts and the greatest figures, so the rows are a function of
 * the set of judgements. Days (UTC) are apart: no run crosses midnight.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "store_private.h"

#define DAY apr_time_from_sec(86400)

/* ---- judgements ------------------------------------------------------------------------------ */

/* Of equal verdicts the one further down gives the reason. */
static const char *const reasons[] = { "idle", "below", "passed", "bps", "pps" };
#define REASONS ((int)(sizeof(reasons) / sizeof(reasons[0])))

static int reason_rank(const char *reason)
{
    int i = 0;

    while (i < REASONS && strcmp(reasons[i], reason)) {
        i++;
    }
    return i;
}

static int rank(const cfmt_span_t *s)
{
    return (int)s->verdict * (REASONS + 1) + reason_rank(s->reason);
}

/* What no column takes, and what no network has seen, must not stop the projection. */
static double rate(double v)
{
    return !(v > 0) ? 0 : v < CFMT_RATE_MAX ? v : CFMT_RATE_MAX;
}

/* The figures of a minute at `at` come to those of the span. */
static void join(cfmt_span_t *to, double pps, double bps, cfmt_system_e by, apr_time_t at)
{
    if (pps > to->pps
        || (pps >= to->pps && (at < to->peak_at || (at == to->peak_at && by < to->by)))) {
        to->pps = pps;
        to->by = by;
        to->peak_at = at;
    }
    to->bps = bps > to->bps ? bps : to->bps;
}

/* Attack minutes stand alone: they are what peaks and the strip of minutes are made of. */
static int follows(const cfmt_span_t *before, const cfmt_span_t *s)
{
    return before->to == s->from && s->verdict != CFMT_VERDICT_ATTACK && rank(before) == rank(s);
}

static void extend(cfmt_span_t *before, const cfmt_span_t *s)
{
    before->to = s->to;
    join(before, s->pps, s->bps, s->by, s->peak_at);
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define COLUMNS "at, until, verdict, reason, pps, bps, system, peak_at"

static cfmt_verdict_e verdict_by_name(const char *name)
{
    cfmt_verdict_e v = CFMT_VERDICT_ATTACK; /* what is not known is not calm */

    while (v > CFMT_VERDICT_CALM && strcmp(cfmt_verdict_name(v), name)) {
        v--;
    }
    return strcmp(cfmt_verdict_name(v), name) ? CFMT_VERDICT_ATTACK : v;
}

/* Columns are never NULL. */
static const char *raw_text(sqlite3_stmt *st, int i)
{
    const char *text = (const char *)sqlite3_column_text(st, i);

    return text ? text : "";
}

static void take_span(cfmt_span_t *s, sqlite3_stmt *st, int i, apr_pool_t *p)
{
    const char *reason = raw_text(st, i + 3);
    int r = reason_rank(reason);

    s->from = cfmt_col_int(st, i);
    s->to = cfmt_col_int(st, i + 1);
    s->verdict = verdict_by_name(raw_text(st, i + 2));
    s->reason = r < REASONS ? reasons[r] : apr_pstrdup(p, reason);
    s->pps = sqlite3_column_double(st, i + 4);
    s->bps = sqlite3_column_double(st, i + 5);
    s->by = cfmt_system_by_name(raw_text(st, i + 6));
    s->peak_at = cfmt_col_int(st, i + 7);
}

/* ---- load ------------------------------------------------------------------------------------ */

/* Midnight divides rows, not spans. */
static void add_span(apr_array_header_t *spans, const cfmt_span_t *s)
{
    cfmt_span_t *last = spans->nelts ? &APR_ARRAY_IDX(spans, spans->nelts - 1, cfmt_span_t) : NULL;

    if (last && follows(last, s)) {
        extend(last, s);
    }
    else {
        APR_ARRAY_PUSH(spans, cfmt_span_t) = *s;
    }
}

static apr_status_t load_day(cfmt_store_t *s, apr_array_header_t *spans, apr_int64_t day,
                             const char *prefix, apr_time_t since, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT " COLUMNS " FROM evidence WHERE day = ?1"
                                   " AND prefix = ?2 AND until > ?3 ORDER BY at");
    cfmt_span_t span;
    apr_status_t rv;

    cfmt_bind_int(st, 1, day);
    cfmt_bind_text(st, 2, prefix);
    cfmt_bind_int(st, 3, since);
    while (cfmt_sql_row(s, st, &rv)) {
        take_span(&span, st, 0, p);
        add_span(spans, &span);
    }
    return rv;
}

/* The first day from this one on that has rows; -1 = there is none. */
static apr_status_t next_day(cfmt_store_t *s, apr_int64_t from, apr_int64_t *pday)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT day FROM evidence WHERE day >= ?1 ORDER BY day LIMIT 1");

    *pday = -1;
    cfmt_bind_int(st, 1, from);
    return cfmt_sql_int(s, st, pday);
}

apr_status_t cfmt_evidence_load(cfmt_store_t *s, const cfmt_cidr_t *prefix, apr_time_t since,
                                apr_array_header_t **pspans, apr_pool_t *p)
{
    const char *text = cfmt_cidr_format(p, prefix);
    apr_int64_t day;
    apr_status_t rv = next_day(s, since / DAY, &day);

    *pspans = apr_array_make(p, 4, sizeof(cfmt_span_t));
    while (rv == APR_SUCCESS && day >= 0) {
        rv = load_day(s, *pspans, day, text, since, p);
        rv = rv == APR_SUCCESS ? next_day(s, day + 1, &day) : rv;
    }
    return rv;
}

/* The spans of a prefix by its text; new ones where it has none yet. NULL: it is no prefix. */
static apr_array_header_t *spans_of(apr_hash_t *sets, const char *text, apr_pool_t *p)
{
    cfmt_evidence_spans_t *set = apr_hash_get(sets, text, APR_HASH_KEY_STRING);

    if (!set) {
        set = apr_palloc(p, sizeof(*set));
        if (cfmt_cidr_parse(&set->prefix, NULL, text) != APR_SUCCESS) {
            return NULL; /* somebody else wrote it */
        }
        set->spans = apr_array_make(p, 4, sizeof(cfmt_span_t));
        apr_hash_set(sets, apr_pstrdup(p, text), APR_HASH_KEY_STRING, set);
    }
    return set->spans;
}

static int by_prefix(const void *a, const void *b)
{
    return cfmt_cidr_compare(&((const cfmt_evidence_spans_t *)a)->prefix,
                             &((const cfmt_evidence_spans_t *)b)->prefix);
}

static apr_array_header_t *sorted(apr_hash_t *sets, apr_pool_t *p)
{
    int n = (int)apr_hash_count(sets);
    apr_array_header_t *out = apr_array_make(p, n + 1, sizeof(cfmt_evidence_spans_t));
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(p, sets); hi; hi = apr_hash_next(hi)) {
        const cfmt_evidence_spans_t *set = apr_hash_this_val(hi);

        APR_ARRAY_PUSH(out, cfmt_evidence_spans_t) = *set;
    }
    qsort(out->elts, (size_t)n, sizeof(cfmt_evidence_spans_t), by_prefix);
    return out;
}

const cfmt_evidence_spans_t *cfmt_evidence_find(const apr_array_header_t *sets,
                                                const cfmt_cidr_t *prefix)
{
    const cfmt_evidence_spans_t key = { .prefix = *prefix };

    return sets->nelts ? bsearch(&key, sets->elts, (size_t)sets->nelts, sizeof(key), by_prefix)
                       : NULL;
}

apr_status_t cfmt_evidence_load_all(cfmt_store_t *s, apr_time_t since, apr_array_header_t **psets,
                                    apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT prefix, " COLUMNS " FROM evidence WHERE day >= ?1"
                                   " AND until > ?2 ORDER BY day, prefix, at");
    apr_hash_t *sets = apr_hash_make(p);
    apr_array_header_t *spans;
    cfmt_span_t span;
    apr_status_t rv;

    cfmt_bind_int(st, 1, since / DAY);
    cfmt_bind_int(st, 2, since);
    while (cfmt_sql_row(s, st, &rv)) {
        spans = spans_of(sets, raw_text(st, 0), p);
        take_span(&span, st, 1, p);
        if (spans) {
            add_span(spans, &span);
        }
    }
    *psets = sorted(sets, p);
    return rv;
}

/* ---- put: minutes over what is stored -------------------------------------------------------- */

typedef struct piece_t {
    cfmt_span_t span;
    int cut; /* a part of a row: its figures are to be summed up anew */
} piece_t;

/* Of one prefix, within one day. */
typedef struct change_t {
    cfmt_store_t *s;
    apr_int64_t day;
    const char *prefix;
    apr_array_header_t *old, *pieces; /* cfmt_span_t as stored, piece_t as it shall be; by time */
} change_t;

static void add_piece(change_t *c, piece_t piece)
{
    piece_t *last = c->pieces->nelts ? &APR_ARRAY_IDX(c->pieces, c->pieces->nelts - 1, piece_t)
                                     : NULL;

    if (last && follows(&last->span, &piece.span)) {
        extend(&last->span, &piece.span);
        last->cut |= piece.cut;
    }
    else if (piece.span.from < piece.span.to) {
        APR_ARRAY_PUSH(c->pieces, piece_t) = piece;
    }
}

/* The part of span in [from, to), minute by minute where it is attack. */
static void add_part(change_t *c, const cfmt_span_t *span, apr_time_t from, apr_time_t to, int cut)
{
    apr_interval_time_t step = span->verdict == CFMT_VERDICT_ATTACK ? CFMT_MINUTE : to - from;
    piece_t piece = { .span = *span, .cut = cut };
    apr_time_t at;

    for (at = from; at < to; at += step) {
        piece.span.from = piece.span.peak_at = at;
        piece.span.to = at + step;
        add_piece(c, piece);
    }
}

static apr_time_t later(apr_time_t a, apr_time_t b)
{
    return a > b ? a : b;
}

static apr_time_t earlier(apr_time_t a, apr_time_t b)
{
    return a < b ? a : b;
}

/* A row and the new run: the one that ranks higher is what their common minutes are. */
static void overlay_row(change_t *c, const cfmt_span_t *row, const cfmt_span_t *run)
{
    apr_time_t from = later(row->from, run->from), to = earlier(row->to, run->to);
    piece_t whole = { .span = *row };

    if (from < to && rank(row) < rank(run)) {
        add_part(c, row, row->from, from, 1);
        add_part(c, run, from, to, 1);
        add_part(c, row, to, row->to, 1);
        return;
    }
    if (from < to) {
        join(&whole.span, run->pps, run->bps, run->by, from);
    }
    add_piece(c, whole);
}

/* What no row covers is new. */
static void overlay(change_t *c, const cfmt_span_t *run)
{
    apr_time_t t = run->from;
    int i;

    for (i = 0; i < c->old->nelts; i++) {
        const cfmt_span_t *row = &APR_ARRAY_IDX(c->old, i, cfmt_span_t);

        add_part(c, run, t, earlier(row->from, run->to), 0);
        overlay_row(c, row, run);
        t = later(t, row->to);
    }
    add_part(c, run, t, run->to, 0);
}

/* ---- put: reads ------------------------------------------------------------------------------ */

/* From the end backwards: what lies before the run need not be read. */
static const char touching_sql[] = "SELECT " COLUMNS " FROM evidence WHERE day = ?1"
                                   " AND prefix = ?2 AND at <= ?3 ORDER BY at DESC";

static void reverse(apr_array_header_t *spans)
{
    int i, n = spans->nelts;

    for (i = 0; i < n / 2; i++) {
        cfmt_span_t keep = APR_ARRAY_IDX(spans, i, cfmt_span_t);

        APR_ARRAY_IDX(spans, i, cfmt_span_t) = APR_ARRAY_IDX(spans, n - 1 - i, cfmt_span_t);
        APR_ARRAY_IDX(spans, n - 1 - i, cfmt_span_t) = keep;
    }
}

/* The rows that [from, to] touches. */
static apr_status_t read_touching(change_t *c, apr_time_t from, apr_time_t to, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(c->s, touching_sql);
    cfmt_span_t row;
    apr_status_t rv;

    cfmt_bind_int(st, 1, c->day);
    cfmt_bind_text(st, 2, c->prefix);
    cfmt_bind_int(st, 3, to);
    while (cfmt_sql_row(c->s, st, &rv)) {
        take_span(&row, st, 0, p);
        if (row.to < from) {
            cfmt_sql_done(st);
            break;
        }
        APR_ARRAY_PUSH(c->old, cfmt_span_t) = row;
    }
    reverse(c->old);
    return rv;
}

/* The figures of a piece from its minutes; those without figures had nothing. */
static apr_status_t sum_up(const change_t *c, cfmt_span_t *span)
{
    sqlite3_stmt *st = cfmt_sql(c->s, "SELECT at, pps, bps, system FROM evidence_minute"
                                      " WHERE day = ?1 AND prefix = ?2 AND at >= ?3 AND at < ?4");
    apr_status_t rv;

    span->pps = span->bps = 0;
    span->by = CFMT_SYSTEM_OTHER;
    span->peak_at = span->from;
    cfmt_bind_int(st, 1, c->day);
    cfmt_bind_text(st, 2, c->prefix);
    cfmt_bind_int(st, 3, span->from);
    cfmt_bind_int(st, 4, span->to);
    while (cfmt_sql_row(c->s, st, &rv)) {
        join(span, sqlite3_column_double(st, 1), sqlite3_column_double(st, 2),
             cfmt_system_by_name(raw_text(st, 3)), cfmt_col_int(st, 0));
    }
    return rv;
}

/* ---- put: writes ----------------------------------------------------------------------------- */

/* Names of systems sort as their numbers do. */
static const char figures_sql[] =
    "INSERT INTO evidence_minute(day, prefix, at, pps, bps, system) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
    " ON CONFLICT(day, prefix, at) DO UPDATE SET system = CASE WHEN ?4 > pps THEN ?6"
    " WHEN ?4 = pps THEN min(system, ?6) ELSE system END, pps = max(pps, ?4), bps = max(bps, ?5)";

static apr_status_t save_figures(const change_t *c, const cfmt_span_t *run)
{
    apr_status_t rv = APR_SUCCESS;
    apr_time_t at;

    for (at = run->from; rv == APR_SUCCESS && at < run->to && (run->pps > 0 || run->bps > 0);
         at += CFMT_MINUTE) {
        sqlite3_stmt *st = cfmt_sql(c->s, figures_sql);

        cfmt_bind_int(st, 1, c->day);
        cfmt_bind_text(st, 2, c->prefix);
        cfmt_bind_int(st, 3, at);
        cfmt_bind_rate(st, 4, run->pps);
        cfmt_bind_rate(st, 5, run->bps);
        cfmt_bind_text(st, 6, cfmt_system_name(run->by));
        rv = cfmt_sql_run(c->s, st);
    }
    return rv;
}

static const char save_sql[] =
    "INSERT INTO evidence(day, prefix, at, until, verdict, reason, pps, bps, system, peak_at)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT(day, prefix, at) DO UPDATE SET"
    " until = ?4, verdict = ?5, reason = ?6, pps = ?7, bps = ?8, system = ?9, peak_at = ?10";

static apr_status_t save(const change_t *c, const cfmt_span_t *span)
{
    sqlite3_stmt *st = cfmt_sql(c->s, save_sql);

    cfmt_bind_int(st, 1, c->day);
    cfmt_bind_text(st, 2, c->prefix);
    cfmt_bind_int(st, 3, span->from);
    cfmt_bind_int(st, 4, span->to);
    cfmt_bind_text(st, 5, cfmt_verdict_name(span->verdict));
    cfmt_bind_text(st, 6, span->reason);
    cfmt_bind_rate(st, 7, span->pps);
    cfmt_bind_rate(st, 8, span->bps);
    cfmt_bind_text(st, 9, cfmt_system_name(span->by));
    cfmt_bind_int(st, 10, span->peak_at);
    return cfmt_sql_run(c->s, st);
}

static apr_status_t drop(const change_t *c, apr_time_t at)
{
    sqlite3_stmt *st = cfmt_sql(c->s,
                                "DELETE FROM evidence WHERE day = ?1 AND prefix = ?2 AND at = ?3");

    cfmt_bind_int(st, 1, c->day);
    cfmt_bind_text(st, 2, c->prefix);
    cfmt_bind_int(st, 3, at);
    return cfmt_sql_run(c->s, st);
}

static int same(const cfmt_span_t *a, const cfmt_span_t *b)
{
    return a->from == b->from && a->to == b->to && rank(a) == rank(b) && a->by == b->by
           && a->peak_at == b->peak_at && !(a->pps < b->pps || a->pps > b->pps)
           && !(a->bps < b->bps || a->bps > b->bps);
}

/* Only what differs from the stored rows is written. */
static apr_status_t write_pieces(const change_t *c)
{
    const cfmt_span_t *old = (const cfmt_span_t *)c->old->elts;
    apr_status_t rv = APR_SUCCESS;
    int i, k = 0;

    for (i = 0; rv == APR_SUCCESS && i < c->pieces->nelts; i++) {
        piece_t *piece = &APR_ARRAY_IDX(c->pieces, i, piece_t);

        for (; rv == APR_SUCCESS && k < c->old->nelts && old[k].from < piece->span.from; k++) {
            rv = drop(c, old[k].from);
        }
        rv = rv == APR_SUCCESS && piece->cut ? sum_up(c, &piece->span) : rv;
        if (k < c->old->nelts && old[k].from == piece->span.from && same(&old[k++], &piece->span)) {
            continue;
        }
        rv = rv == APR_SUCCESS ? save(c, &piece->span) : rv;
    }
    for (; rv == APR_SUCCESS && k < c->old->nelts; k++) {
        rv = drop(c, old[k].from);
    }
    return rv;
}

static apr_status_t put_day(change_t *c, const cfmt_span_t *run, apr_pool_t *p)
{
    apr_status_t rv = save_figures(c, run);

    c->old = apr_array_make(p, 4, sizeof(cfmt_span_t));
    c->pieces = apr_array_make(p, 4, sizeof(piece_t));
    rv = rv == APR_SUCCESS ? read_touching(c, run->from, run->to, p) : rv;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    overlay(c, run);
    return write_pieces(c);
}

apr_status_t cfmt_evidence_put_span(cfmt_store_t *s, const cfmt_cidr_t *prefix,
                                    const cfmt_span_t *span, apr_pool_t *ptemp)
{
    change_t c = { .s = s, .prefix = cfmt_cidr_format(ptemp, prefix) };
    cfmt_span_t run = *span;
    apr_status_t rv = APR_SUCCESS;

    if (span->verdict == CFMT_VERDICT_UNKNOWN) {
        return APR_SUCCESS;
    }
    run.pps = rate(span->pps);
    run.bps = rate(span->bps);
    run.by = run.pps > 0 ? span->by : CFMT_SYSTEM_OTHER;
    while (rv == APR_SUCCESS && run.from < span->to) {
        c.day = run.from / DAY;
        run.to = earlier(span->to, (c.day + 1) * DAY);
        rv = put_day(&c, &run, ptemp);
        run.from = run.to;
    }
    return rv;
}
