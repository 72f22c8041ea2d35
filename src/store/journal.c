/*
 * The journal: rows are appended, read in order and, by retention, removed from the front; never
 * changed.
 */
#include <string.h>

#include <apr_strings.h>

#include "store_private.h"

/* Of bodies at one reading: understood, a body takes many times its size. */
#define READ_BYTES ((apr_size_t)1024 * 1024)

/* ---- append ---------------------------------------------------------------------------------- */

static apr_status_t insert(cfmt_store_t *s, cfmt_entry_t *e, const char *kind, apr_int64_t ref)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT INTO journal(at, kind, origin, slot, dedupe, ref, tag, body, label)"
           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    apr_status_t rv;

    cfmt_bind_int(st, 1, e->at);
    cfmt_bind_text(st, 2, kind);
    cfmt_bind_text(st, 3, e->origin);
    cfmt_bind_text(st, 9, e->label);
    if (ref) {
        cfmt_bind_int(st, 6, ref);
    }
    else {
        if (e->has_dedupe) {
            cfmt_bind_int(st, 4, e->slot);
            cfmt_bind_int(st, 5, e->dedupe);
        }
        cfmt_bind_text(st, 7, e->tag);
        if (e->body && e->binary) {
            cfmt_bind_blob(st, 8, e->body, e->len);
        }
        else if (e->body) {
            cfmt_bind_bytes(st, 8, e->body, e->len);
        }
    }
    rv = cfmt_sql_run(s, st);
    e->id = sqlite3_last_insert_rowid(s->db);
    return rv;
}

/*
 * Eight bytes of a digest say "maybe"; the row itself decides: the tag where there is one, else the
 * body.
 */
static int same_delivery(sqlite3_stmt *st, const cfmt_entry_t *e)
{
    const void *tag = sqlite3_column_text(st, 1);

    if (e->tag || tag) {
        return e->tag && tag && !strcmp(e->tag, tag);
    }
    return (apr_size_t)sqlite3_column_bytes(st, 2) == e->len
           && (e->len == 0 || !memcmp(sqlite3_column_blob(st, 2), e->body, e->len));
}

/* The first delivery that e repeats, 0 when there is none. */
static apr_status_t find_first(cfmt_store_t *s, const cfmt_entry_t *e, apr_int64_t slot,
                               apr_int64_t *pid)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id, tag, body FROM journal"
                                   " WHERE slot = ?1 AND dedupe = ?2 AND at >= ?3");
    apr_status_t rv;

    cfmt_bind_int(st, 1, slot);
    cfmt_bind_int(st, 2, e->dedupe);
    cfmt_bind_int(st, 3, e->dup_since);
    *pid = 0;
    while (cfmt_sql_row(s, st, &rv)) {
        if (same_delivery(st, e)) {
            *pid = cfmt_col_int(st, 0);
            cfmt_sql_done(st);
            break;
        }
    }
    return rv;
}

static apr_status_t find_duplicate(cfmt_store_t *s, const cfmt_entry_t *e, apr_int64_t *pid)
{
    apr_status_t rv = find_first(s, e, e->slot, pid);

    if (rv == APR_SUCCESS && !*pid && e->slot2 != e->slot) {
        rv = find_first(s, e, e->slot2, pid);
    }
    return rv;
}

/*
 * Broken deliveries are kept for the operator, but a broken sender must not fill the disk: newest
 * ones win.
 */
static apr_status_t make_room(cfmt_store_t *s)
{
    sqlite3_stmt *st = cfmt_sql(s, "DELETE FROM journal WHERE kind = 'rejected' AND id <="
                                   " (SELECT id FROM journal WHERE kind = 'rejected'"
                                   "  ORDER BY id DESC LIMIT 1 OFFSET ?1)");

    cfmt_bind_int(st, 1, CFMT_REJECTED_ROWS_MAX - 1);
    return cfmt_sql_run(s, st);
}

static apr_status_t append_rejected(cfmt_store_t *s, cfmt_entry_t *e)
{
    apr_status_t rv = make_room(s);

    if (e->len > CFMT_REJECTED_BODY_MAX) {
        e->len = CFMT_REJECTED_BODY_MAX;
        e->binary = 1; /* the cut may be inside a character */
    }
    return rv == APR_SUCCESS ? insert(s, e, e->kind, 0) : rv;
}

apr_status_t cfmt_journal_append(cfmt_store_t *s, cfmt_entry_t *e)
{
    apr_int64_t first = 0, row;
    apr_status_t rv;

    if (!strcmp(e->kind, "rejected")) {
        return append_rejected(s, e);
    }
    if (e->has_dedupe && (rv = find_duplicate(s, e, &first)) != APR_SUCCESS) {
        return rv;
    }
    if (!first) {
        return insert(s, e, e->kind, 0);
    }
    rv = insert(s, e, "duplicate", first);
    row = e->id;
    e->duplicate = 1;
    e->id = rv == APR_SUCCESS ? first : row;
    return rv;
}

/* ---- read ------------------------------------------------------------------------------------ */

static void take_row(cfmt_journal_row_t *row, sqlite3_stmt *st, apr_pool_t *p)
{
    row->id = cfmt_col_int(st, 0);
    row->at = cfmt_col_int(st, 1);
    row->kind = cfmt_col_text(st, 2, p);
    row->origin = cfmt_col_text(st, 3, p);
    row->tag = cfmt_col_text(st, 4, p);
    row->ref = cfmt_col_int(st, 5);
    if (sqlite3_column_type(st, 6) != SQLITE_NULL) {
        row->len = (apr_size_t)sqlite3_column_bytes(st, 6);
        row->body = apr_pstrmemdup(p, row->len ? sqlite3_column_blob(st, 6) : "", row->len);
    }
}

apr_status_t cfmt_journal_read(cfmt_store_t *s, apr_int64_t after, int limit,
                               apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id, at, kind, origin, tag, ref, body FROM journal"
                                   " WHERE id > ?1 ORDER BY id LIMIT ?2");
    apr_size_t bytes = 0;
    apr_status_t rv;

    *prows = apr_array_make(p, 16, sizeof(cfmt_journal_row_t));
    cfmt_bind_int(st, 1, after);
    cfmt_bind_int(st, 2, limit);
    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_journal_row_t *row = apr_array_push(*prows);

        memset(row, 0, sizeof(*row));
        take_row(row, st, p);
        bytes += row->len;
        if (bytes >= READ_BYTES) {
            cfmt_sql_done(st);
            break;
        }
    }
    return rv;
}

apr_status_t cfmt_commands_read(cfmt_store_t *s, apr_int64_t after, apr_int64_t upto, int limit,
                                apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id, at, kind, origin, tag, ref, body FROM journal"
                                   " WHERE id > ?1 AND id <= ?2 AND kind IN ('command',"
                                   " 'drill') ORDER BY id LIMIT ?3");
    apr_status_t rv;

    *prows = apr_array_make(p, 4, sizeof(cfmt_journal_row_t));
    cfmt_bind_int(st, 1, after);
    cfmt_bind_int(st, 2, upto);
    cfmt_bind_int(st, 3, limit);
    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_journal_row_t *row = apr_array_push(*prows);

        memset(row, 0, sizeof(*row));
        take_row(row, st, p);
    }
    return rv;
}

/* AUTOINCREMENT remembers the highest id even when retention has emptied the table. */
apr_status_t cfmt_journal_head(cfmt_store_t *s, apr_int64_t *pid)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT seq FROM sqlite_sequence WHERE name = 'journal'");

    *pid = 0;
    return cfmt_sql_int(s, st, pid);
}
