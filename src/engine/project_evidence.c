/*
 * The projector's view of traffic: what an answer said of some prefixes is judged minute by minute,
 * by the thresholds in force at its journal row. Stored again, a judgement changes nothing: a row
 * with more runs than a transaction may hold is stored in parts.
 */
#include <apr_hash.h>
#include <apr_strings.h>

#include "project_evidence.h"

/* ---- thresholds ------------------------------------------------------------------------------ */

struct cfmt_thresholds_t {
    const apr_table_t *settings;
    apr_hash_t *known; /* text of the prefix -> cfmt_threshold_t */
    apr_pool_t *pool;
};

cfmt_thresholds_t *cfmt_thresholds(const apr_table_t *settings, apr_pool_t *p)
{
    cfmt_thresholds_t *t = apr_palloc(p, sizeof(*t));

    t->settings = settings;
    t->known = apr_hash_make(p);
    t->pool = p;
    return t;
}

static const cfmt_threshold_t *threshold(cfmt_thresholds_t *t, const cfmt_cidr_t *prefix,
                                         apr_pool_t *ptemp)
{
    const char *text = cfmt_cidr_format(ptemp, prefix);
    cfmt_threshold_t *known = apr_hash_get(t->known, text, APR_HASH_KEY_STRING);

    if (!known) {
        known = apr_palloc(t->pool, sizeof(*known));
        cfmt_threshold_of(known, t->settings, prefix, ptemp);
        apr_hash_set(t->known, apr_pstrdup(t->pool, text), APR_HASH_KEY_STRING, known);
    }
    return known;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* Minutes of one prefix that are judged alike. */
typedef struct finding_t {
    const cfmt_cidr_t *prefix;
    cfmt_span_t span;
} finding_t;

/* One prefix of an answer. */
typedef struct subject_t {
    apr_array_header_t *findings;
    const cfmt_evidence_t *e;
    const cfmt_cidr_t *prefix;
    const cfmt_threshold_t *t;
    apr_time_t end; /* minutes from here on do not count */
} subject_t;

static void add(const subject_t *sub, apr_time_t from, apr_time_t to, const cfmt_judged_t *j)
{
    finding_t *f;

    to = to < sub->end ? to : sub->end;
    if (from < to) {
        f = apr_array_push(sub->findings);
        f->prefix = sub->prefix;
        f->span = (cfmt_span_t){ .from = from, .to = to, .verdict = j->verdict,
                                 .reason = j->reason, .pps = j->pps, .bps = j->bps, .by = j->by,
                                 .peak_at = from };
    }
}

/* Minutes without traffic say something only where they are complete. */
static void add_quiet(const subject_t *sub, apr_time_t from, apr_time_t to)
{
    cfmt_minute_t m = { .at = from, .read = 1, .complete = 1, .idle = sub->e->idle };
    cfmt_judged_t j;

    cfmt_calm_judge(&j, &m, sub->t);
    if (j.verdict != CFMT_VERDICT_UNKNOWN) {
        add(sub, from, to < sub->e->complete ? to : sub->e->complete, &j);
    }
}

static void add_minute(const subject_t *sub, const cfmt_evidence_row_t *row)
{
    cfmt_minute_t m = { .at = row->minute, .traffic = row->traffic, .read = 1,
                        .idle = sub->e->idle };
    cfmt_judged_t j;

    m.complete = row->minute + CFMT_MINUTE <= sub->e->complete;
    cfmt_calm_judge(&j, &m, sub->t);
    if (j.verdict != CFMT_VERDICT_UNKNOWN) { /* of one that is not complete only attack */
        add(sub, row->minute, row->minute + CFMT_MINUTE, &j);
    }
}

/* *pnext: the first row that may be of this prefix; moves on to the next prefix's. */
static void judge(const subject_t *sub, int index, int *pnext)
{
    const cfmt_evidence_t *e = sub->e;
    apr_time_t t = e->from;

    for (; *pnext < e->rows->nelts; (*pnext)++) {
        const cfmt_evidence_row_t *row = &APR_ARRAY_IDX(e->rows, *pnext, cfmt_evidence_row_t);

        if (row->prefix != index) {
            break;
        }
        add_quiet(sub, t, row->minute);
        add_minute(sub, row);
        t = row->minute + CFMT_MINUTE;
    }
    add_quiet(sub, t, e->to);
}

static apr_status_t judge_row(apr_array_header_t *findings, const cfmt_journal_row_t *row,
                              cfmt_thresholds_t *thresholds, apr_pool_t *p)
{
    cfmt_evidence_t e;
    apr_status_t rv = cfmt_evidence_decode(&e, row->body, row->len, p);
    subject_t sub = { .findings = findings, .e = &e };
    int i, next = 0;

    for (i = 0; rv == APR_SUCCESS && i < e.prefixes->nelts; i++) {
        sub.prefix = &APR_ARRAY_IDX(e.prefixes, i, cfmt_cidr_t);
        sub.t = threshold(thresholds, sub.prefix, p);
        sub.end = (row->at + CFMT_EVIDENCE_AHEAD) / CFMT_MINUTE * CFMT_MINUTE;
        judge(&sub, i, &next);
    }
    return rv;
}

/* ---- the findings of a step ------------------------------------------------------------------ */

void cfmt_findings_begin(cfmt_findings_t *f, const cfmt_findings_from_t *from, int limit,
                         apr_pool_t *p)
{
    f->all = apr_array_make(p, 8, sizeof(finding_t));
    f->from = *from;
    f->limit = limit;
}

/* Not stored yet. */
static int left(const cfmt_findings_t *f)
{
    int n = f->all->nelts - (int)f->from.part;

    return n > 0 ? n : 0;
}

int cfmt_findings_over(const cfmt_findings_t *f)
{
    return left(f) > f->limit;
}

int cfmt_findings_full(const cfmt_findings_t *f, int rows)
{
    return left(f) && rows + left(f) >= f->limit;
}

int cfmt_findings_now(const cfmt_findings_t *f)
{
    return cfmt_findings_over(f) ? f->limit : left(f);
}

apr_status_t cfmt_findings_take(cfmt_findings_t *f, const cfmt_journal_row_t *row,
                                cfmt_thresholds_t *thresholds, int rows, apr_pool_t *p)
{
    int before = f->all->nelts;
    apr_status_t rv = judge_row(f->all, row, thresholds, p);

    if (rv == APR_SUCCESS && rows && rows + left(f) > f->limit) {
        rv = APR_EAGAIN;
    }
    if (rv != APR_SUCCESS) {
        f->all->nelts = before;
    }
    return rv;
}

static apr_status_t store(const finding_t *f, apr_time_t floor, cfmt_store_t *s, apr_pool_t *p)
{
    cfmt_span_t span = f->span;

    span.from = span.from < floor ? floor : span.from;
    return cfmt_evidence_put_span(s, f->prefix, &span, p);
}

apr_status_t cfmt_findings_write(const cfmt_findings_t *f, cfmt_store_t *s, apr_pool_t *p)
{
    apr_int64_t first = f->from.part, next = first + cfmt_findings_now(f), i;
    apr_int64_t part = cfmt_findings_over(f) ? next : 0;
    apr_status_t rv = APR_SUCCESS;

    for (i = first; rv == APR_SUCCESS && i < next; i++) {
        rv = store(&APR_ARRAY_IDX(f->all, i, finding_t), f->from.floor, s, p);
    }
    return rv == APR_SUCCESS && part != first ? cfmt_meta_set_int(s, CFMT_META_EVIDENCE_PART, part)
                                              : rv;
}
