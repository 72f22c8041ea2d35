/*
 * The same policy once more: every decision of the journal is made again out of the rows before it
 * and compared byte by byte.
 */
#include <string.h>

#include <apr_strings.h>

#include "replay.h"

#define SNIPPET 60 /* bytes that are shown where two texts begin to differ */

static const cfmt_json_limits_t limits = { .depth = 8 };

typedef struct run_t {
    cfmt_replay_t *rp;
    cfmt_replay_check_t *check;
    apr_pool_t *p;
} run_t;

/* ---- up to what a decision has seen ---------------------------------------------------------- */

/* Causes are found in time, each out of what was known then. */
static apr_status_t settle_causes(cfmt_replay_t *rp, apr_time_t until)
{
    cfmt_scene_t sc;
    apr_time_t due;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && (due = cfmt_replay_deadline(rp)) && due <= until) {
        rv = cfmt_replay_settle(rp);
        rp->now = due;
        rv = rv == APR_SUCCESS ? cfmt_replay_scene(rp, &sc) : rv;
    }
    return rv;
}

static apr_status_t feed_upto(cfmt_replay_t *rp, apr_int64_t cursor)
{
    apr_array_header_t *rows;
    apr_status_t rv = APR_SUCCESS;
    int i, more = 1;

    while (rv == APR_SUCCESS && more && rp->at < cursor) {
        apr_pool_clear(rp->pstep);
        rv = cfmt_replay_page(rp, rp->at, &rows, rp->pstep);
        more = rv == APR_SUCCESS && rows->nelts;
        for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
            const cfmt_journal_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_journal_row_t);

            if (row->id > cursor) {
                more = 0;
                break;
            }
            rv = settle_causes(rp, row->at);
            rv = rv == APR_SUCCESS ? cfmt_replay_feed(rp, row) : rv;
        }
    }
    return rv == APR_SUCCESS ? cfmt_replay_settle(rp) : rv;
}

/* ---- one decision ---------------------------------------------------------------------------- */

/* As journaled. */
typedef struct recorded_t {
    const cfmt_journal_row_t *row;
    const char *text;        /* the body, ended by a NUL */
    const cfmt_json_t *doc;
    cfmt_cidr_t prefix;
    cfmt_used_t used;
    const apr_table_t *settings;
} recorded_t;

/* 0: it cannot be made again exactly. */
static int read_recorded(recorded_t *rec, const cfmt_replay_t *rp, const cfmt_journal_row_t *row,
                         apr_pool_t *p)
{
    const char *why, *prefix;
    cfmt_json_t *doc;

    memset(rec, 0, sizeof(*rec));
    rec->row = row;
    rec->text = row->body ? apr_pstrmemdup(p, row->body, row->len) : "";
    if (!row->body || cfmt_json_parse(&doc, &why, row->body, row->len, &limits, p) != APR_SUCCESS) {
        return 0;
    }
    rec->doc = doc;
    prefix = cfmt_json_text(doc, "prefix");
    return prefix && cfmt_cidr_parse(&rec->prefix, NULL, prefix) == APR_SUCCESS
           && cfmt_used_decode(&rec->used, cfmt_json_get(doc, "used")) == APR_SUCCESS
           && rec->used.c.cursor >= rp->at && rec->used.c.cursor < row->id;
}

/* By the settings that its leader had: a row of the journal says them, but not always the last. */
static int know_settings(recorded_t *rec, const cfmt_replay_t *rp)
{
    rec->settings = apr_hash_get(rp->configs, &rec->used.config, sizeof(rec->used.config));
    return rec->settings != NULL;
}

/* NULL: the prefix is not listed. */
static apr_status_t decide_again(const cfmt_decision_row_t **pd, cfmt_replay_t *rp,
                                 const recorded_t *rec)
{
    const cfmt_prefix_row_t *row;
    cfmt_outcome_t o = { .row = NULL };
    cfmt_scene_t sc;
    apr_status_t rv;

    *pd = NULL;
    rp->now = rec->row->at;
    rp->skew = rec->used.skew;
    rp->e->conf.settings = rec->settings;
    rv = cfmt_replay_scene(rp, &sc);
    row = rv == APR_SUCCESS ? cfmt_prefix_find(sc.prefixes, &rec->prefix) : NULL;
    if (!row) {
        return rv;
    }
    o.row = row;
    o.standing = *cfmt_replay_standing(rp, &rec->prefix);
    cfmt_scene_case(&o.c, &sc, row, &o.standing);
    cfmt_used_apply(&o.c, &rec->used);
    o.c.look_above = o.c.look_above < 0 ? -1 : cfmt_scene_above(&o.c);
    cfmt_withdraw_decide(&o.d, &o.c);
    cfmt_advertise_decide(&o.a, &o.c);
    memset(cfmt_scene_memory(rp->e, &rec->prefix), 0, sizeof(cfmt_memory_t));
    cfmt_outcome_show(&o, &sc);
    *pd = o.decision;
    return rv;
}

/* ---- compared -------------------------------------------------------------------------------- */

static apr_size_t alike(const char *a, const char *b)
{
    apr_size_t n = 0;

    while (a[n] && a[n] == b[n]) {
        n++;
    }
    return n;
}

/* All that was decided is in front of what it rested on. */
static int is_same(const recorded_t *rec, const char *body)
{
    apr_size_t n = strlen(body) - 1;

    return !strncmp(rec->text, body, n) && !strncmp(rec->text + n, ",\"used\":", 8);
}

static const char *snippet(const char *text, apr_size_t at, apr_pool_t *p)
{
    apr_size_t from = at > SNIPPET / 2 ? at - SNIPPET / 2 : 0;

    return apr_pstrndup(p, text + from, SNIPPET);
}

static void note(const run_t *run, const recorded_t *rec, const cfmt_decision_row_t *d,
                 const char *body)
{
    cfmt_replay_diff_t *diff;
    apr_size_t n = body ? alike(rec->text, body) : 0;
    apr_pool_t *p = run->p;

    run->check->different++;
    if (run->check->diffs->nelts >= CFMT_REPLAY_DIFFS_MAX) {
        return;
    }
    diff = apr_array_push(run->check->diffs);
    memset(diff, 0, sizeof(*diff));
    diff->row = rec->row->id;
    diff->at = rec->row->at;
    diff->prefix = rec->prefix;
    diff->verdict = apr_pstrdup(p, cfmt_json_text(rec->doc, "verdict"));
    diff->red = apr_pstrdup(p, cfmt_json_text(rec->doc, "red"));
    diff->red = diff->red ? diff->red : ""; /* no text of JSON is empty */
    diff->text = snippet(rec->text, n, p);
    if (body) {
        diff->now_verdict = apr_pstrdup(p, d->verdict);
        diff->now_red = apr_pstrdup(p, d->red);
        diff->now_text = snippet(body, n, p);
    }
}

static apr_status_t compare(const run_t *run, const recorded_t *rec, apr_pool_t *p)
{
    const cfmt_decision_row_t *d = NULL;
    const char *body;
    apr_status_t rv = settle_causes(run->rp, rec->row->at - 1);

    rv = rv == APR_SUCCESS ? decide_again(&d, run->rp, rec) : rv;
    body = d ? cfmt_decision_body(d, p) : NULL;
    if (rv == APR_SUCCESS && body && is_same(rec, body)) {
        run->check->same++;
    }
    else if (rv == APR_SUCCESS) {
        note(run, rec, d, body);
    }
    return rv;
}

static apr_status_t check_one(const run_t *run, const cfmt_journal_row_t *row)
{
    apr_status_t rv = APR_SUCCESS;
    recorded_t rec;
    apr_pool_t *p;
    int exact;

    apr_pool_create(&p, run->p);
    run->check->decisions++;
    exact = read_recorded(&rec, run->rp, row, p);
    rv = exact ? feed_upto(run->rp, rec.used.c.cursor) : rv;
    if (rv == APR_SUCCESS && exact && know_settings(&rec, run->rp)) {
        rv = compare(run, &rec, p);
    }
    else if (rv == APR_SUCCESS) {
        run->check->inexact++;
    }
    apr_pool_destroy(p);
    return rv;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Decisions before `from` are passed over: what follows from them is in the journal. */
static apr_status_t check_page(const run_t *run, const apr_array_header_t *rows, int *pmore)
{
    const cfmt_replay_conf_t *conf = run->rp->conf;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && *pmore && i < rows->nelts; i++) {
        const cfmt_journal_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_journal_row_t);

        run->check->rows++;
        if (conf->to && row->at >= conf->to) {
            *pmore = 0;
        }
        else if (!strcmp(row->kind, "decision") && row->at >= conf->from) {
            rv = check_one(run, row);
        }
    }
    return rv;
}

apr_status_t cfmt_replay_check(cfmt_replay_check_t *check, const cfmt_replay_conf_t *conf,
                               cfmt_result_t *r, apr_pool_t *p)
{
    run_t run = { .check = check, .p = p };
    apr_array_header_t *rows;
    apr_int64_t after = 0;
    apr_pool_t *ppage;
    apr_status_t rv;
    int more = 1;

    memset(check, 0, sizeof(*check));
    check->diffs = apr_array_make(p, 4, sizeof(cfmt_replay_diff_t));
    apr_pool_create(&ppage, p);
    rv = cfmt_replay_open(&run.rp, conf, "check.db", r, p);
    while (rv == APR_SUCCESS && more) {
        apr_pool_clear(ppage);
        rv = cfmt_replay_page(run.rp, after, &rows, ppage);
        if (rv == APR_SUCCESS && !rows->nelts) {
            break;
        }
        rv = rv == APR_SUCCESS ? check_page(&run, rows, &more) : rv;
        after = rv == APR_SUCCESS
                    ? APR_ARRAY_IDX(rows, rows->nelts - 1, cfmt_journal_row_t).id : after;
    }
    if (run.rp) {
        cfmt_store_close(run.rp->e->store);
    }
    return rv;
}
