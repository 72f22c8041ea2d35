/*
 * Holds and maintenance windows: while one is in force the policy leaves a prefix alone. Rows of
 * the past stay as history, until retention.
 */
#include <string.h>

#include "act.h"

/* ---- holds ----------------------------------------------------------------------------------- */

/*
 * Since when does not matter: a hold begins when it is made, and a clock that was set back must not
 * end it.
 */
#define IN_FORCE "released_at IS NULL AND (until IS NULL OR until > ?1)"

static void take_hold(void *row, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_hold_row_t *h = row;

    h->id = cfmt_col_int(st, 0);
    h->prefix = cfmt_col_cidr(st, 1);
    h->origin = cfmt_col_text(st, 2, p);
    h->who = cfmt_col_text(st, 3, p);
    h->reason = cfmt_col_text(st, 4, p);
    h->since = cfmt_col_int(st, 5);
    h->until = cfmt_col_int(st, 6);
    h->told_at = cfmt_col_int(st, 7);
    h->released_at = cfmt_col_int(st, 8);
    h->released_by = cfmt_col_text(st, 9, p);
    h->released_why = cfmt_col_text(st, 10, p);
}

apr_status_t cfmt_holds_load(cfmt_store_t *s, apr_time_t at, apr_array_header_t **prows,
                             apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id, prefix, origin, who, reason, since, until, told_at,"
                                   " released_at, released_by, released_why FROM hold"
                                   " WHERE " IN_FORCE " ORDER BY prefix, id");

    cfmt_bind_int(st, 1, at);
    return cfmt_act_rows(s, st, prows, sizeof(cfmt_hold_row_t), take_hold, p);
}

/* The one before it, which may have run out by then. */
static apr_status_t end_before(cfmt_store_t *s, const cfmt_hold_row_t *h)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "UPDATE hold SET released_by = CASE WHEN until <= ?3 THEN NULL ELSE ?4 END,"
           " released_why = CASE WHEN until <= ?3 THEN NULL ELSE 'replaced' END,"
           " released_at = CASE WHEN until <= ?3 THEN until ELSE ?3 END"
           " WHERE prefix = ?1 AND origin = ?2 AND released_at IS NULL");

    cfmt_bind_cidr(st, 1, &h->prefix);
    cfmt_bind_text(st, 2, h->origin);
    cfmt_bind_int(st, 3, h->since);
    cfmt_bind_text(st, 4, h->who);
    return cfmt_sql_run(s, st);
}

static int is_hold(const cfmt_hold_row_t *h)
{
    return h->prefix.family && cfmt_act_said(h->who) && h->origin
           && (!strcmp(h->origin, "operator") || !strcmp(h->origin, "advertise"))
           && (!h->until || h->until > h->since);
}

apr_status_t cfmt_hold_put(cfmt_store_t *s, cfmt_hold_row_t *h)
{
    sqlite3_stmt *st;
    apr_status_t rv = is_hold(h) ? end_before(s, h) : CFMT_EINVALID;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    st = cfmt_sql(s, "INSERT INTO hold(prefix, origin, who, reason, since, until)"
                     " VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
    cfmt_bind_cidr(st, 1, &h->prefix);
    cfmt_bind_text(st, 2, h->origin);
    cfmt_bind_text(st, 3, h->who);
    cfmt_bind_text(st, 4, h->reason ? h->reason : "");
    cfmt_bind_int(st, 5, h->since);
    cfmt_bind_some(st, 6, h->until);
    rv = cfmt_sql_run(s, st);
    h->id = sqlite3_last_insert_rowid(s->db);
    return rv;
}

apr_status_t cfmt_hold_release(cfmt_store_t *s, const cfmt_cidr_t *prefix, const char *who,
                               const char *why, apr_time_t at, int *pn)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE hold SET released_at = ?1, released_by = ?3,"
                                   " released_why = ?4 WHERE prefix = ?2 AND " IN_FORCE);
    apr_status_t rv;

    cfmt_bind_int(st, 1, at);
    cfmt_bind_cidr(st, 2, prefix);
    cfmt_bind_text(st, 3, who);
    cfmt_bind_text(st, 4, why ? why : "");
    rv = cfmt_sql_run(s, st);
    *pn = rv == APR_SUCCESS ? sqlite3_changes(s->db) : 0;
    return rv;
}

apr_status_t cfmt_hold_told(cfmt_store_t *s, apr_int64_t id, apr_time_t at)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE hold SET told_at = ?2 WHERE id = ?1");

    cfmt_bind_int(st, 1, id);
    cfmt_bind_int(st, 2, at);
    return cfmt_sql_run(s, st);
}

/* ---- windows --------------------------------------------------------------------------------- */

static void take_window(void *row, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_window_row_t *w = row;

    w->id = cfmt_col_int(st, 0);
    w->prefix = cfmt_col_cidr(st, 1);
    w->starts_at = cfmt_col_int(st, 2);
    w->ends_at = cfmt_col_int(st, 3);
    w->who = cfmt_col_text(st, 4, p);
    w->reason = cfmt_col_text(st, 5, p);
    w->removed_at = cfmt_col_int(st, 6);
    w->removed_by = cfmt_col_text(st, 7, p);
}

/* The id of one that is just so, and not removed; 0 = there is none. */
static apr_status_t same_window(cfmt_store_t *s, const cfmt_window_row_t *w, apr_int64_t *pid)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id FROM window WHERE prefix = ?1 AND starts_at = ?2"
                                   " AND ends_at = ?3 AND removed_at IS NULL LIMIT 1");

    *pid = 0;
    cfmt_bind_cidr(st, 1, &w->prefix);
    cfmt_bind_int(st, 2, w->starts_at);
    cfmt_bind_int(st, 3, w->ends_at);
    return cfmt_sql_int(s, st, pid);
}

apr_status_t cfmt_window_add(cfmt_store_t *s, cfmt_window_row_t *w)
{
    sqlite3_stmt *st;
    apr_status_t rv;

    if (!cfmt_act_said(w->who) || w->ends_at <= w->starts_at) {
        return CFMT_EINVALID;
    }
    rv = same_window(s, w, &w->id);
    if (rv != APR_SUCCESS || w->id) {
        return rv != APR_SUCCESS ? rv : CFMT_EEXIST;
    }
    st = cfmt_sql(s, "INSERT INTO window(prefix, starts_at, ends_at, who, reason)"
                     " VALUES(?1, ?2, ?3, ?4, ?5)");
    cfmt_bind_cidr(st, 1, &w->prefix);
    cfmt_bind_int(st, 2, w->starts_at);
    cfmt_bind_int(st, 3, w->ends_at);
    cfmt_bind_text(st, 4, w->who);
    cfmt_bind_text(st, 5, w->reason ? w->reason : "");
    rv = cfmt_sql_run(s, st);
    w->id = sqlite3_last_insert_rowid(s->db);
    return rv;
}

apr_status_t cfmt_window_remove(cfmt_store_t *s, apr_int64_t id, const char *who, apr_time_t at)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE window SET removed_at = ?2, removed_by = ?3"
                                   " WHERE id = ?1 AND removed_at IS NULL");
    apr_int64_t there = 0;
    apr_status_t rv;

    cfmt_bind_int(st, 1, id);
    cfmt_bind_int(st, 2, at);
    cfmt_bind_text(st, 3, who);
    rv = cfmt_sql_run(s, st);
    if (rv != APR_SUCCESS || sqlite3_changes(s->db)) {
        return rv;
    }
    st = cfmt_sql(s, "SELECT 1 FROM window WHERE id = ?1");
    cfmt_bind_int(st, 1, id);
    rv = cfmt_sql_int(s, st, &there);
    return rv != APR_SUCCESS ? rv : there ? CFMT_EEXIST : CFMT_EMISSING;
}

apr_status_t cfmt_windows_load(cfmt_store_t *s, apr_time_t at, apr_array_header_t **prows,
                               apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id, prefix, starts_at, ends_at, who, reason, removed_at,"
                                   " removed_by FROM window WHERE removed_at IS NULL"
                                   " AND ends_at > ?1 ORDER BY starts_at, id");

    cfmt_bind_int(st, 1, at);
    return cfmt_act_rows(s, st, prows, sizeof(cfmt_window_row_t), take_window, p);
}
