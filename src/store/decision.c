/*
 * The last decision about each prefix, with its gates: what `cfmtctl explain` prints. Derived; what
 * is worth keeping of it is in the journal.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"

#define SELECT "SELECT prefix, at, verdict, red, next_at, gates, changed_at FROM decision "

static void take_decision(void *row, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_decision_row_t *d = row;

    d->prefix = cfmt_col_cidr(st, 0);
    d->at = cfmt_col_int(st, 1);
    d->verdict = cfmt_col_text(st, 2, p);
    d->red = cfmt_col_text(st, 3, p);
    d->next_at = cfmt_col_int(st, 4);
    d->gates = cfmt_col_text(st, 5, p);
    d->changed_at = cfmt_col_int(st, 6);
}

apr_status_t cfmt_decision_load(cfmt_store_t *s, cfmt_decision_row_t *d, const cfmt_cidr_t *prefix,
                                apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "WHERE prefix = ?1");

    cfmt_bind_cidr(st, 1, prefix);
    return cfmt_act_row(s, st, d, sizeof(*d), take_decision, p);
}

apr_status_t cfmt_decisions_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    return cfmt_act_rows(s, cfmt_sql(s, SELECT "ORDER BY prefix"), prows,
                         sizeof(cfmt_decision_row_t), take_decision, p);
}

static apr_status_t save(cfmt_store_t *s, const cfmt_decision_row_t *d, int changed)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT INTO decision(prefix, at, verdict, red, next_at, gates, changed_at)"
           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?2) ON CONFLICT(prefix) DO UPDATE SET at = ?2,"
           " verdict = ?3, red = ?4, next_at = ?5, gates = ?6,"
           " changed_at = CASE ?7 WHEN 0 THEN changed_at ELSE ?2 END");

    cfmt_bind_cidr(st, 1, &d->prefix);
    cfmt_bind_int(st, 2, d->at);
    cfmt_bind_text(st, 3, d->verdict);
    cfmt_bind_text(st, 4, d->red);
    cfmt_bind_some(st, 5, d->next_at);
    cfmt_bind_text(st, 6, d->gates);
    cfmt_bind_int(st, 7, changed);
    return cfmt_sql_run(s, st);
}

const char *cfmt_decision_body(const cfmt_decision_row_t *d, apr_pool_t *p)
{
    return apr_psprintf(
        p,
        "{\"prefix\":\"%s\",\"verdict\":%s,\"red\":%s,\"next_at\":%" APR_TIME_T_FMT
        ",\"gates\":%s}",
        cfmt_cidr_format(p, &d->prefix), cfmt_json_quote(p, d->verdict),
        cfmt_json_quote(p, d->red), d->next_at, d->gates);
}

static apr_status_t journal(cfmt_store_t *s, const cfmt_decision_row_t *d, apr_pool_t *p)
{
    const char *body = cfmt_decision_body(d, p);

    if (d->used) {
        body = apr_pstrcat(p, apr_pstrmemdup(p, body, strlen(body) - 1), ",\"used\":", d->used,
                           "}", NULL);
    }

    return cfmt_act_journal(s, "decision", d->at, "policy", body);
}

apr_status_t cfmt_decision_put(cfmt_store_t *s, const cfmt_decision_row_t *d, int *pchanged,
                               apr_pool_t *ptemp)
{
    cfmt_decision_row_t before;
    apr_status_t rv;

    *pchanged = 0;
    if (!d->prefix.family || !cfmt_act_said(d->verdict) || !d->red || !cfmt_act_said(d->gates)) {
        return CFMT_EINVALID;
    }
    rv = cfmt_decision_load(s, &before, &d->prefix, ptemp);
    if (rv != APR_SUCCESS && rv != CFMT_EMISSING) {
        return rv;
    }
    *pchanged = rv == CFMT_EMISSING || !cfmt_text_same(d->verdict, before.verdict)
                || !cfmt_text_same(d->red, before.red);
    rv = save(s, d, *pchanged);
    return rv == APR_SUCCESS && *pchanged ? journal(s, d, ptemp) : rv;
}
