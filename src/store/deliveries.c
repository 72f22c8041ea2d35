/*
 * Deliveries as they came: the journal's rows with what the projection made of them; and which
 * secrets let them in.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store_keep.h"
#include "store_private.h"

#define KINDS "('delivery', 'duplicate', 'rejected', 'recovered', 'drill')"
#define EVENT_COLUMNS "e.id, e.alert_type, e.state, e.target, e.attack, e.summary"
/* A repeat is shown with the event that it repeats. */
#define EVENT_OF(row) \
    " LEFT JOIN event e ON e.id = ifnull((SELECT first FROM event_repeat WHERE id = " row ".id)," \
    " ifnull(" row ".ref, " row ".id))"

static const char list_sql[] =
    "SELECT j.id, j.at, j.kind, j.origin, j.tag, j.label, j.ref, j.bytes, " EVENT_COLUMNS
    " FROM (SELECT id, at, kind, origin, tag, label, ref, ifnull(length(CAST(body AS BLOB)), 0)"
    "  AS bytes FROM journal WHERE id > ?1 AND kind IN " KINDS " AND at >= ?2"
    "  ORDER BY id DESC LIMIT ?3) j" EVENT_OF("j") " ORDER BY j.id";
static const char get_sql[] =
    "SELECT j.id, j.at, j.kind, j.origin, j.tag, j.label, j.ref,"
    " ifnull(length(CAST(j.body AS BLOB)), 0), " EVENT_COLUMNS ", j.kind IN " KINDS ", j.body"
    " FROM journal j" EVENT_OF("j") " WHERE j.id = ?1";
static const char labels_sql[] =
    "SELECT label, min(at), max(at), count(*) FROM journal WHERE id > ?1 AND label IS NOT NULL"
    " AND kind IN ('delivery', 'rejected')"
    " AND substr(ifnull(body, ''), 1, length(?2)) <> ?2 GROUP BY label ORDER BY label";

static void take(cfmt_delivery_row_t *row, sqlite3_stmt *st, apr_pool_t *p)
{
    memset(row, 0, sizeof(*row));
    row->id = cfmt_col_int(st, 0);
    row->at = cfmt_col_int(st, 1);
    row->kind = cfmt_col_text(st, 2, p);
    row->origin = cfmt_col_text(st, 3, p);
    row->tag = cfmt_col_text(st, 4, p);
    row->label = cfmt_col_text(st, 5, p);
    row->ref = cfmt_col_int(st, 6);
    row->bytes = cfmt_col_int(st, 7);
    row->event = cfmt_col_int(st, 8);
    row->alert_type = cfmt_col_text(st, 9, p);
    row->state = cfmt_col_text(st, 10, p);
    row->target = cfmt_col_text(st, 11, p);
    row->attack = cfmt_col_text(st, 12, p);
    row->summary = cfmt_col_text(st, 13, p);
}

static apr_status_t scan_from(cfmt_store_t *s, apr_int64_t *pafter)
{
    apr_int64_t head;
    apr_status_t rv = cfmt_journal_head(s, &head);

    *pafter = head > CFMT_DELIVERIES_SCAN ? head - CFMT_DELIVERIES_SCAN : 0;
    return rv;
}

apr_status_t cfmt_deliveries_list(cfmt_store_t *s, apr_time_t since, int limit,
                                  apr_array_header_t **prows, int *pmore, apr_pool_t *p)
{
    apr_array_header_t *rows = apr_array_make(p, 16, sizeof(cfmt_delivery_row_t));
    apr_int64_t after;
    apr_status_t rv = scan_from(s, &after);
    sqlite3_stmt *st = cfmt_sql(s, list_sql);

    *prows = rows;
    *pmore = 0;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    cfmt_bind_int(st, 1, after);
    cfmt_bind_int(st, 2, since);
    cfmt_bind_int(st, 3, (apr_int64_t)limit + 1);
    while (cfmt_sql_row(s, st, &rv)) {
        take(apr_array_push(rows), st, p);
    }
    if (rows->nelts > limit) { /* the oldest shows only that there is one */
        *pmore = 1;
        rows->nelts--;
        rows->elts += rows->elt_size;
    }
    return rv;
}

apr_status_t cfmt_delivery_get(cfmt_store_t *s, cfmt_delivery_row_t *row, apr_int64_t id,
                               apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, get_sql);
    apr_status_t rv;

    memset(row, 0, sizeof(*row));
    cfmt_bind_int(st, 1, id);
    if (!cfmt_sql_row(s, st, &rv)) {
        return rv == APR_SUCCESS ? CFMT_EMISSING : rv;
    }
    take(row, st, p);
    rv = cfmt_col_int(st, 14) ? APR_SUCCESS : CFMT_EMISSING;
    if (rv == APR_SUCCESS && sqlite3_column_type(st, 15) != SQLITE_NULL) {
        row->len = (apr_size_t)sqlite3_column_bytes(st, 15);
        row->body = apr_pstrmemdup(p, row->len ? sqlite3_column_blob(st, 15) : "", row->len);
    }
    cfmt_sql_done(st);
    return rv;
}

apr_status_t cfmt_labels_seen(cfmt_store_t *s, apr_array_header_t **prows, apr_time_t *psince,
                              apr_pool_t *p)
{
    apr_int64_t after;
    apr_status_t rv = scan_from(s, &after);
    sqlite3_stmt *st;

    *prows = apr_array_make(p, 4, sizeof(cfmt_label_row_t));
    *psince = 0;
    if (rv == APR_SUCCESS && after) {
        st = cfmt_sql(s, "SELECT at FROM journal WHERE id > ?1 ORDER BY id LIMIT 1");
        cfmt_bind_int(st, 1, after);
        rv = cfmt_sql_int(s, st, psince);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    st = cfmt_sql(s, labels_sql);
    cfmt_bind_int(st, 1, after);
    cfmt_bind_text(st, 2, CFMT_TRIGGER_MARK);
    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_label_row_t *row = apr_array_push(*prows);

        row->label = cfmt_col_text(st, 0, p);
        row->first_at = cfmt_col_int(st, 1);
        row->last_at = cfmt_col_int(st, 2);
        row->deliveries = cfmt_col_int(st, 3);
    }
    return rv;
}
