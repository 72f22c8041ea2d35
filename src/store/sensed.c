/*
 * What upstreams last said that is not history: facts (token, policies, budgets) as tables of
 * strings, and Cloudflare's own address ranges.
 */
#include <stdlib.h>
#include <string.h>

#include "store_private.h"
#include "world.h"

/* ---- sensed ---------------------------------------------------------------------------------- */

apr_status_t cfmt_sensed_load(cfmt_store_t *s, cfmt_sensed_t *sensed, const char *name,
                              apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT read_at, changed_at, facts FROM sensed WHERE name = ?1");
    const char *facts;
    apr_status_t rv;

    memset(sensed, 0, sizeof(*sensed));
    cfmt_bind_text(st, 1, name);
    if (!cfmt_sql_row(s, st, &rv)) {
        sensed->facts = apr_table_make(p, 1);
        return rv == APR_SUCCESS ? CFMT_EMISSING : rv;
    }
    sensed->read_at = cfmt_col_int(st, 0);
    sensed->changed_at = cfmt_col_int(st, 1);
    facts = cfmt_col_text(st, 2, p);
    cfmt_sql_done(st);
    sensed->facts = cfmt_settings_decode(facts ? facts : "", facts ? strlen(facts) : 0, p);
    return APR_SUCCESS;
}

apr_status_t cfmt_sensed_save(cfmt_store_t *s, const char *name, const apr_table_t *facts,
                              apr_time_t at, apr_pool_t *ptemp)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT INTO sensed(name, read_at, changed_at, facts) VALUES(?1, ?2, ?2, ?3)"
           " ON CONFLICT(name) DO UPDATE SET read_at = ?2, facts = ?3,"
           " changed_at = CASE WHEN facts = ?3 THEN changed_at ELSE ?2 END");

    cfmt_bind_text(st, 1, name);
    cfmt_bind_int(st, 2, at);
    cfmt_bind_text(st, 3, cfmt_settings_encode(facts, ptemp));
    return cfmt_sql_run(s, st);
}

/* ---- range ----------------------------------------------------------------------------------- */

static int by_cidr(const void *a, const void *b)
{
    return cfmt_cidr_compare(&((const cfmt_range_row_t *)a)->cidr,
                             &((const cfmt_range_row_t *)b)->cidr);
}

apr_status_t cfmt_ranges_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT cidr, first_at, seen_at, gone_at FROM range");
    apr_status_t rv;

    *prows = apr_array_make(p, 32, sizeof(cfmt_range_row_t));
    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_range_row_t row = { .first_at = cfmt_col_int(st, 1) };
        const char *cidr = (const char *)sqlite3_column_text(st, 0);

        row.seen_at = cfmt_col_int(st, 2);
        row.gone_at = cfmt_col_int(st, 3);
        if (cidr && cfmt_cidr_parse(&row.cidr, NULL, cidr) == APR_SUCCESS) {
            APR_ARRAY_PUSH(*prows, cfmt_range_row_t) = row;
        }
    }
    qsort((*prows)->elts, (size_t)(*prows)->nelts, sizeof(cfmt_range_row_t), by_cidr);
    return rv;
}

/* *pmoved: it was not listed before. */
static apr_status_t list_range(cfmt_store_t *s, const char *cidr, apr_time_t now, int *pmoved)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT gone_at IS NULL FROM range WHERE cidr = ?1");
    apr_int64_t listed = 0;
    apr_status_t rv;

    cfmt_bind_text(st, 1, cidr);
    rv = cfmt_sql_int(s, st, &listed);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *pmoved |= !listed;
    st = cfmt_sql(s, "INSERT INTO range(cidr, first_at, seen_at) VALUES(?1, ?2, ?2)"
                     " ON CONFLICT(cidr) DO UPDATE SET seen_at = ?2, gone_at = NULL");
    cfmt_bind_text(st, 1, cidr);
    cfmt_bind_int(st, 2, now);
    return cfmt_sql_run(s, st);
}

/* Those that are no longer listed; *pmoved: some were until now, or some are beyond their grace. */
static apr_status_t drop_range(cfmt_store_t *s, const char *cidr, int listed, apr_time_t now,
                               int *pmoved)
{
    sqlite3_stmt *st = listed ? cfmt_sql(s, "UPDATE range SET gone_at = ?2 WHERE cidr = ?1")
                              : cfmt_sql(s, "DELETE FROM range WHERE cidr = ?1");

    cfmt_bind_text(st, 1, cidr);
    if (listed) {
        cfmt_bind_int(st, 2, now);
    }
    *pmoved = 1;
    return cfmt_sql_run(s, st);
}

static int is_listed(const apr_array_header_t *cidrs, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; i < cidrs->nelts; i++) {
        if (!cfmt_cidr_compare(&APR_ARRAY_IDX(cidrs, i, cfmt_cidr_t), cidr)) {
            return 1;
        }
    }
    return 0;
}

static apr_status_t drop_others(cfmt_store_t *s, const apr_array_header_t *cidrs, apr_time_t now,
                                int *pmoved, apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_ranges_load(s, &rows, p);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_range_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_range_row_t);

        if (!is_listed(cidrs, &row->cidr)
            && (!row->gone_at || now - row->gone_at >= CFMT_RANGE_GRACE)) {
            rv = drop_range(s, cfmt_cidr_format(p, &row->cidr), !row->gone_at, now, pmoved);
        }
    }
    return rv;
}

apr_status_t cfmt_ranges_save(cfmt_store_t *s, const apr_array_header_t *cidrs, apr_time_t now,
                              int *pchanged)
{
    apr_status_t rv = APR_SUCCESS;
    apr_pool_t *p;
    int i;

    *pchanged = 0;
    apr_pool_create(&p, s->pool);
    for (i = 0; rv == APR_SUCCESS && i < cidrs->nelts; i++) {
        rv = list_range(s, cfmt_cidr_format(p, &APR_ARRAY_IDX(cidrs, i, cfmt_cidr_t)), now,
                        pchanged);
    }
    rv = rv == APR_SUCCESS ? drop_others(s, cidrs, now, pchanged, p) : rv;
    apr_pool_destroy(p);
    return rv;
}
