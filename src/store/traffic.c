/*
 * Detail of attack traffic in the store: written minute by minute, read newest first, pruned by
 * age. All of it is ordered by time, so it grows at its end and goes at its beginning.
 */
#include <string.h>

#include "store_private.h"
#include "traffic.h"

#define BEGIN_TIMEOUT apr_time_from_msec(250)

/* ---- writing --------------------------------------------------------------------------------- */

/* *pkeep: what is there has as many packets. */
static apr_status_t compare(cfmt_store_t *s, const cfmt_traffic_sheet_t *sheet,
                            const char *prefix, int *pkeep)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT packets FROM traffic_sum"
                                   " WHERE at = ?1 AND prefix = ?2 AND kind = 0");
    apr_int64_t packets = -1;
    apr_status_t rv;

    cfmt_bind_int(st, 1, sheet->minute);
    cfmt_bind_text(st, 2, prefix);
    rv = cfmt_sql_int(s, st, &packets);
    *pkeep = packets >= (apr_int64_t)APR_ARRAY_IDX(sheet->sums, 0, cfmt_traffic_sum_t).packets;
    return rv;
}

static apr_status_t delete(cfmt_store_t *s, const char *sql, apr_time_t minute, const char *prefix)
{
    sqlite3_stmt *st = cfmt_sql(s, sql);

    cfmt_bind_int(st, 1, minute);
    cfmt_bind_text(st, 2, prefix);
    return cfmt_sql_run(s, st);
}

static const char delete_rows_sql[] = "DELETE FROM traffic_event WHERE at = ?1 AND prefix = ?2";
static const char delete_sums_sql[] = "DELETE FROM traffic_sum WHERE at = ?1 AND prefix = ?2";

static const char *host_text(const cfmt_cidr_t *c, apr_pool_t *p)
{
    return c->family ? cfmt_cidr_format(p, c) : NULL;
}

static apr_status_t insert_row(cfmt_store_t *s, const cfmt_detail_t *d, const char *prefix, int n,
                               apr_pool_t *ptemp)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT INTO traffic_event(at, prefix, n, vector, rule_id, rule, source, asn, asn_name,"
           " country, source_port, target, target_port, protocol, flags, colo, packets, bits)"
           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,"
           " ?18)");

    cfmt_bind_int(st, 1, d->minute);
    cfmt_bind_text(st, 2, prefix);
    cfmt_bind_int(st, 3, n);
    cfmt_bind_text(st, 4, d->vector);
    cfmt_bind_text(st, 5, d->rule_id);
    cfmt_bind_text(st, 6, d->rule);
    cfmt_bind_text(st, 7, host_text(&d->source, ptemp));
    cfmt_bind_some(st, 8, d->asn);
    cfmt_bind_text(st, 9, d->asn_name);
    cfmt_bind_text(st, 10, d->country);
    cfmt_bind_some(st, 11, d->source_port);
    cfmt_bind_text(st, 12, host_text(&d->target, ptemp));
    cfmt_bind_some(st, 13, d->target_port);
    cfmt_bind_text(st, 14, d->protocol);
    cfmt_bind_text(st, 15, d->flags);
    cfmt_bind_text(st, 16, d->colo);
    cfmt_bind_int(st, 17, (apr_int64_t)d->packets);
    cfmt_bind_int(st, 18, (apr_int64_t)d->bits);
    return cfmt_sql_run(s, st);
}

static apr_status_t insert_sum(cfmt_store_t *s, const cfmt_traffic_sheet_t *sheet,
                               const char *prefix, int n)
{
    const cfmt_traffic_sum_t *sum = &APR_ARRAY_IDX(sheet->sums, n, cfmt_traffic_sum_t);
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT INTO traffic_sum(at, prefix, kind, n, name, asn, asn_name, country, cut,"
           " packets, bits) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");

    cfmt_bind_int(st, 1, sheet->minute);
    cfmt_bind_text(st, 2, prefix);
    cfmt_bind_int(st, 3, (apr_int64_t)sum->kind);
    cfmt_bind_int(st, 4, n);
    cfmt_bind_text(st, 5, sum->name);
    cfmt_bind_some(st, 6, sum->asn);
    cfmt_bind_text(st, 7, sum->asn_name);
    cfmt_bind_text(st, 8, sum->country);
    cfmt_bind_some(st, 9, sheet->cut);
    cfmt_bind_int(st, 10, (apr_int64_t)sum->packets);
    cfmt_bind_int(st, 11, (apr_int64_t)sum->bits);
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_traffic_put(cfmt_store_t *s, const cfmt_traffic_sheet_t *sheet,
                              apr_pool_t *ptemp)
{
    const char *prefix = cfmt_cidr_format(ptemp, &sheet->prefix);
    int keep, i;
    apr_status_t rv = compare(s, sheet, prefix, &keep);

    if (rv != APR_SUCCESS || keep) {
        return rv;
    }
    rv = delete(s, delete_rows_sql, sheet->minute, prefix);
    rv = rv == APR_SUCCESS ? delete(s, delete_sums_sql, sheet->minute, prefix) : rv;
    for (i = 0; rv == APR_SUCCESS && i < sheet->rows->nelts; i++) {
        rv = insert_row(s, &APR_ARRAY_IDX(sheet->rows, i, cfmt_detail_t), prefix, i, ptemp);
    }
    for (i = 0; rv == APR_SUCCESS && i < sheet->sums->nelts; i++) {
        rv = insert_sum(s, sheet, prefix, i);
    }
    return rv;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void read_host(cfmt_cidr_t *c, sqlite3_stmt *st, int i)
{
    if (cfmt_cidr_parse(c, NULL, (const char *)sqlite3_column_text(st, i)) != APR_SUCCESS) {
        memset(c, 0, sizeof(*c));
    }
}

static void take_row(cfmt_traffic_row_t *row, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_detail_t *d = &row->d;

    d->minute = cfmt_col_int(st, 0);
    d->vector = cfmt_col_text(st, 3, p);
    d->rule_id = cfmt_col_text(st, 4, p);
    d->rule = cfmt_col_text(st, 5, p);
    read_host(&d->source, st, 6);
    d->asn = cfmt_col_int(st, 7);
    d->asn_name = cfmt_col_text(st, 8, p);
    d->country = cfmt_col_text(st, 9, p);
    d->source_port = (int)cfmt_col_int(st, 10);
    read_host(&d->target, st, 11);
    d->target_port = (int)cfmt_col_int(st, 12);
    d->protocol = cfmt_col_text(st, 13, p);
    d->flags = cfmt_col_text(st, 14, p);
    d->colo = cfmt_col_text(st, 15, p);
    d->packets = (double)cfmt_col_int(st, 16);
    d->bits = (double)cfmt_col_int(st, 17);
    row->spoofed = d->source.family && cfmt_cidr_spoofed(&d->source);
}

int cfmt_traffic_wanted(const apr_array_header_t *prefixes, const cfmt_cidr_t *c)
{
    int i;

    for (i = 0; i < prefixes->nelts; i++) {
        if (cfmt_cidr_contains(&APR_ARRAY_IDX(prefixes, i, cfmt_cidr_t), c)) {
            return 1;
        }
    }
    return !prefixes->nelts;
}

/* What is left of the cursor's minute, as far as limit allows. */
static apr_status_t read_minute(cfmt_store_t *s, const apr_array_header_t *prefixes,
                                cfmt_traffic_cursor_t *cursor, int limit, apr_array_header_t *rows,
                                apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT at, prefix, n, vector, rule_id, rule, source, asn, asn_name, country,"
           " source_port, target, target_port, protocol, flags, colo, packets, bits"
           " FROM traffic_event WHERE at = ?1 AND (prefix, n) > (?2, ?3) ORDER BY prefix, n");
    apr_status_t rv;

    cfmt_bind_int(st, 1, cursor->at);
    cfmt_bind_text(st, 2, cursor->prefix);
    cfmt_bind_int(st, 3, cursor->n);
    while (rows->nelts < limit && cfmt_sql_row(s, st, &rv)) {
        cfmt_traffic_row_t row;

        read_host(&row.prefix, st, 1);
        cursor->n = cfmt_col_int(st, 2);
        if (strcmp(cursor->prefix, (const char *)sqlite3_column_text(st, 1))) {
            cursor->prefix = cfmt_col_text(st, 1, p);
        }
        if (cfmt_traffic_wanted(prefixes, &row.prefix)) {
            take_row(&row, st, p);
            APR_ARRAY_PUSH(rows, cfmt_traffic_row_t) = row;
        }
    }
    if (rows->nelts >= limit) {
        cfmt_sql_done(st);
        return APR_SUCCESS;
    }
    return rv;
}

apr_status_t cfmt_traffic_newest(cfmt_store_t *s, apr_time_t since, apr_time_t before,
                                 apr_time_t *pat)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT max(at) FROM traffic_sum WHERE at >= ?1 AND at < ?2");

    *pat = 0;
    cfmt_bind_int(st, 1, since);
    cfmt_bind_int(st, 2, before);
    return cfmt_sql_int(s, st, pat);
}

apr_status_t cfmt_traffic_list(cfmt_store_t *s, const apr_array_header_t *prefixes,
                               apr_time_t since, cfmt_traffic_cursor_t *cursor, int limit,
                               apr_array_header_t **prows, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;

    *prows = apr_array_make(p, 16, sizeof(cfmt_traffic_row_t));
    while ((*prows)->nelts < limit && rv == APR_SUCCESS) {
        if (!cursor->prefix) {
            rv = cfmt_traffic_newest(s, since, cursor->at, &cursor->at);
            cursor->prefix = "";
            cursor->n = 0;
        }
        if (rv != APR_SUCCESS || !cursor->at) {
            break;
        }
        rv = read_minute(s, prefixes, cursor, limit, *prows, p);
        if ((*prows)->nelts < limit) {
            cursor->prefix = NULL;
        }
    }
    return rv;
}

/* ---- retention ------------------------------------------------------------------------------- */

static const char *const prune_sql[] = {
    "DELETE FROM traffic_event WHERE (at, prefix, n) IN (SELECT at, prefix, n FROM traffic_event"
    " WHERE at < ?1 ORDER BY at, prefix, n LIMIT ?2)",
    "DELETE FROM traffic_sum WHERE (at, prefix, kind, n) IN (SELECT at, prefix, kind, n"
    " FROM traffic_sum WHERE at < ?1 ORDER BY at, prefix, kind, n LIMIT ?2)",
};
static const char old_sql[] = "SELECT 1 FROM traffic_event WHERE at < ?1 UNION ALL"
                              " SELECT 1 FROM traffic_sum WHERE at < ?1 LIMIT 1";

apr_status_t cfmt_traffic_prune(cfmt_store_t *s, apr_time_t before, int *pn)
{
    sqlite3_stmt *st = cfmt_sql(s, old_sql);
    apr_int64_t some = 0;
    apr_status_t rv;
    int i;

    *pn = 0;
    cfmt_bind_int(st, 1, before);
    rv = cfmt_sql_int(s, st, &some);
    if (rv != APR_SUCCESS || !some || (rv = cfmt_store_begin(s, BEGIN_TIMEOUT)) != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; rv == APR_SUCCESS && *pn < CFMT_RETENTION_STEP && i < 2; i++) {
        st = cfmt_sql(s, prune_sql[i]);
        cfmt_bind_int(st, 1, before);
        cfmt_bind_int(st, 2, CFMT_RETENTION_STEP - *pn);
        rv = cfmt_sql_run(s, st);
        *pn += rv == APR_SUCCESS ? sqlite3_changes(s->db) : 0;
    }
    return cfmt_store_end(s, rv);
}
