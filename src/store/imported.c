/*
 * Rows of the system before: into the journal, each once; and the table that lists read.
 */
#include "cfmt_store_import.h"
#include "store_private.h"

/* Their keys stand together in the index, away from those of deliveries. */
#define SLOT (-(APR_INT64_C(1) << 62))

/* ---- the journal ----------------------------------------------------------------------------- */

apr_status_t cfmt_import_known(cfmt_store_t *s, const cfmt_import_t *row, int *pknown)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT 1 FROM journal WHERE slot = ?1 AND dedupe = ?2"
                                   " AND tag = ?3 AND body = ?4");
    apr_status_t rv;

    *pknown = 0;
    cfmt_bind_int(st, 1, SLOT);
    cfmt_bind_int(st, 2, cfmt_digest64(row->body, row->len));
    cfmt_bind_text(st, 3, row->name);
    cfmt_bind_bytes(st, 4, row->body, row->len);
    if (cfmt_sql_row(s, st, &rv)) {
        *pknown = 1;
        cfmt_sql_done(st);
    }
    return rv;
}

apr_status_t cfmt_import_append(cfmt_store_t *s, const cfmt_import_t *row, int *pknown)
{
    cfmt_entry_t e = { .kind = CFMT_KIND_IMPORTED, .at = row->at, .origin = row->origin,
                       .tag = row->name, .body = row->body, .len = row->len, .has_dedupe = 1,
                       .slot = SLOT, .slot2 = SLOT, .dedupe = cfmt_digest64(row->body, row->len) };
    apr_status_t rv = cfmt_import_known(s, row, pknown);

    /* asked first: the journal notes who comes again, and this is no news */
    return rv == APR_SUCCESS && !*pknown ? cfmt_journal_append(s, &e) : rv;
}

/* ---- the projection -------------------------------------------------------------------------- */

apr_status_t cfmt_imported_save(cfmt_store_t *s, const cfmt_imported_t *row)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT OR REPLACE INTO imported(id, name, source, part, at, ended_at, done_at,"
           " ambiguous, what, state, done, attack, prefix, target, vector, pps, bps)"
           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)");

    cfmt_bind_int(st, 1, row->id);
    cfmt_bind_text(st, 2, row->name);
    cfmt_bind_text(st, 3, row->source);
    cfmt_bind_int(st, 4, row->part);
    cfmt_bind_int(st, 5, row->at);
    cfmt_bind_some(st, 6, row->ended_at);
    cfmt_bind_some(st, 7, row->done_at);
    cfmt_bind_int(st, 8, row->ambiguous);
    cfmt_bind_text(st, 9, row->what);
    cfmt_bind_text(st, 10, row->state);
    cfmt_bind_text(st, 11, row->done);
    cfmt_bind_text(st, 12, row->attack);
    cfmt_bind_text(st, 13, row->prefix);
    cfmt_bind_text(st, 14, row->target);
    cfmt_bind_text(st, 15, row->vector);
    cfmt_bind_rate(st, 16, row->pps);
    cfmt_bind_rate(st, 17, row->bps);
    return cfmt_sql_run(s, st);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void take_facts(cfmt_imported_t *row, sqlite3_stmt *st, apr_pool_t *p)
{
    row->id = cfmt_col_int(st, 0);
    row->name = cfmt_col_text(st, 1, p);
    row->source = cfmt_col_text(st, 2, p);
    row->part = (cfmt_part_e)cfmt_col_int(st, 3);
    row->at = cfmt_col_int(st, 4);
    row->ended_at = cfmt_col_int(st, 5);
    row->done_at = cfmt_col_int(st, 6);
    row->ambiguous = cfmt_col_int(st, 7);
}

static void take_words(cfmt_imported_t *row, sqlite3_stmt *st, apr_pool_t *p)
{
    row->what = cfmt_col_text(st, 8, p);
    row->state = cfmt_col_text(st, 9, p);
    row->done = cfmt_col_text(st, 10, p);
    row->attack = cfmt_col_text(st, 11, p);
    row->prefix = cfmt_col_text(st, 12, p);
    row->target = cfmt_col_text(st, 13, p);
    row->vector = cfmt_col_text(st, 14, p);
    row->pps = cfmt_col_rate(st, 15);
    row->bps = cfmt_col_rate(st, 16);
    row->body = cfmt_col_text(st, 17, p);
}

static void turn_round(apr_array_header_t *rows)
{
    cfmt_imported_t *a = (cfmt_imported_t *)rows->elts, *b = a + rows->nelts - 1, swap;

    for (; rows->nelts && a < b; a++, b--) {
        swap = *a;
        *a = *b;
        *b = swap;
    }
}

apr_status_t cfmt_imported_list(cfmt_store_t *s, cfmt_part_e part, apr_time_t since, int limit,
                                apr_array_header_t **prows, int *pmore, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT i.id, name, source, part, i.at, ended_at, done_at, ambiguous, what, state, done,"
           " attack, prefix, target, vector, pps, bps, j.body"
           " FROM imported i LEFT JOIN journal j ON j.id = i.id"
           " WHERE part = ?1 AND i.at >= ?2 ORDER BY i.at DESC, i.id DESC LIMIT ?3");
    apr_array_header_t *rows = *prows = apr_array_make(p, 64, sizeof(cfmt_imported_t));
    apr_status_t rv;

    *pmore = 0;
    cfmt_bind_int(st, 1, part);
    cfmt_bind_int(st, 2, since);
    cfmt_bind_int(st, 3, (apr_int64_t)limit + 1);
    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_imported_t *row = apr_array_push(rows);

        take_facts(row, st, p);
        take_words(row, st, p);
    }
    if (rows->nelts > limit) {
        rows->nelts = limit;
        *pmore = 1;
    }
    turn_round(rows);
    return rv;
}

apr_status_t cfmt_imported_any(cfmt_store_t *s, cfmt_part_e part, int *pany)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT 1 FROM imported WHERE part = ?1 LIMIT 1");
    apr_int64_t one = 0;
    apr_status_t rv;

    cfmt_bind_int(st, 1, part);
    rv = cfmt_sql_int(s, st, &one);
    *pany = one != 0;
    return rv;
}
