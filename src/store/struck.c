/*
 * Attacks on the network as decisions want them: the open ones, and those that ended lately. Each
 * read walks one index and gives a bounded number of rows.
 */
#include <string.h>

#include "projection.h"
#include "store_private.h"

#define COLUMNS \
    "SELECT id, state = 'open', alert_types <> '[]', target_missing OR rule_unknown, prefixes," \
    " started_at, last_at, ended_at, peak_pps, peak_bps, targets, targets_cut, episode_at" \
    " FROM attack" \
    " WHERE ours AND scope = 'network' AND "

static apr_array_header_t *col_cidrs(sqlite3_stmt *st, int i, apr_pool_t *p)
{
    apr_array_header_t *texts = cfmt_texts_parse((const char *)sqlite3_column_text(st, i), p);
    apr_array_header_t *cidrs = apr_array_make(p, texts->nelts + 1, sizeof(cfmt_cidr_t));
    cfmt_cidr_t cidr;
    int k;

    for (k = 0; k < texts->nelts; k++) {
        if (cfmt_cidr_parse(&cidr, NULL, APR_ARRAY_IDX(texts, k, const char *)) == APR_SUCCESS) {
            APR_ARRAY_PUSH(cidrs, cfmt_cidr_t) = cidr;
        }
    }
    return cidrs;
}

static apr_status_t take_struck(cfmt_store_t *s, sqlite3_stmt *st, apr_array_header_t *rows,
                                apr_pool_t *p)
{
    apr_status_t rv;

    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_struck_t *a = apr_array_push(rows);

        a->id = cfmt_col_text(st, 0, p);
        a->open = (int)cfmt_col_int(st, 1);
        a->alerted = (int)cfmt_col_int(st, 2);
        a->anywhere = (int)cfmt_col_int(st, 3);
        a->prefixes = col_cidrs(st, 4, p);
        a->started_at = cfmt_col_int(st, 5);
        a->last_at = cfmt_col_int(st, 6);
        a->ended_at = cfmt_col_int(st, 7);
        a->peak_pps = cfmt_col_rate(st, 8);
        a->peak_bps = cfmt_col_rate(st, 9);
        a->targets = col_cidrs(st, 10, p);
        a->targets_cut = (int)cfmt_col_int(st, 11);
        a->episode_at = cfmt_col_int(st, 12);
    }
    return rv;
}

apr_status_t cfmt_struck_open(cfmt_store_t *s, apr_array_header_t *rows, apr_time_t before,
                              int limit, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, COLUMNS "state = 'open' AND last_at < ?1"
                                           " ORDER BY last_at DESC LIMIT ?2");

    cfmt_bind_int(st, 1, before);
    cfmt_bind_int(st, 2, limit);
    return take_struck(s, st, rows, p);
}

apr_status_t cfmt_struck_ended(cfmt_store_t *s, apr_array_header_t *rows, apr_time_t since,
                               int limit, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, COLUMNS "state <> 'open' AND last_at >= ?1"
                                           " ORDER BY last_at DESC LIMIT ?2");

    cfmt_bind_int(st, 1, since);
    cfmt_bind_int(st, 2, limit);
    return take_struck(s, st, rows, p);
}
