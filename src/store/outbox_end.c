/*
 * What becomes of the rows of the outbox: leased, sent, folded, refused, acknowledged, removed.
 */
#include "act.h"
#include "outbox.h"

/* A row was changed, or it is not (any more) what it should be. */
static apr_status_t changed(cfmt_store_t *s, sqlite3_stmt *st, apr_status_t otherwise)
{
    apr_status_t rv = cfmt_sql_run(s, st);

    return rv == APR_SUCCESS && !sqlite3_changes(s->db) ? otherwise : rv;
}

/* ---- sending --------------------------------------------------------------------------------- */

apr_status_t cfmt_outbox_lease(cfmt_store_t *s, apr_int64_t id, const char *owner,
                               apr_time_t until, const char *text)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE outbox SET state = 'sending', owner = ?2,"
                                   " leased_until = ?3, text = ?4"
                                   " WHERE id = ?1 AND state = 'queued'");

    cfmt_bind_int(st, 1, id);
    cfmt_bind_text(st, 2, owner);
    cfmt_bind_int(st, 3, until);
    cfmt_bind_text(st, 4, text);
    return changed(s, st, CFMT_EMOVED);
}

static apr_status_t fold_one(cfmt_store_t *s, apr_int64_t id, apr_int64_t into, apr_time_t now)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE outbox SET state = 'folded', folded_into = ?2,"
                                   " settled_at = ?3 WHERE id = ?1 AND state = 'queued'");

    cfmt_bind_int(st, 1, id);
    cfmt_bind_int(st, 2, into);
    cfmt_bind_int(st, 3, now);
    return changed(s, st, CFMT_EMOVED);
}

apr_status_t cfmt_outbox_fold(cfmt_store_t *s, const apr_array_header_t *ids, apr_int64_t into,
                              apr_time_t now)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < ids->nelts; i++) {
        apr_int64_t id = APR_ARRAY_IDX(ids, i, apr_int64_t);

        rv = id == into ? APR_SUCCESS : fold_one(s, id, into, now);
    }
    return rv;
}

static apr_status_t unfold(cfmt_store_t *s, apr_int64_t into)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE outbox SET state = 'queued', folded_into = NULL,"
                                   " settled_at = NULL WHERE folded_into = ?1");

    cfmt_bind_int(st, 1, into);
    return cfmt_sql_run(s, st);
}

static apr_status_t settle(cfmt_store_t *s, const cfmt_outbox_row_t *row, const char *owner,
                           apr_time_t now)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE outbox SET state = ?4, attempts = ?5, next_at = ?6,"
                                   " sent_at = ?7, ref = ?8, answer = ?9, settled_at = ?10,"
                                   " owner = NULL, leased_until = NULL"
                                   " WHERE id = ?1 AND channel = ?2 AND owner = ?3"
                                   " AND state = 'sending'");

    cfmt_bind_int(st, 1, row->id);
    cfmt_bind_text(st, 2, row->channel);
    cfmt_bind_text(st, 3, owner);
    cfmt_bind_text(st, 4, cfmt_outbox_name(row->state));
    cfmt_bind_int(st, 5, row->attempts);
    cfmt_bind_int(st, 6, row->next_at);
    cfmt_bind_some(st, 7, row->sent_at);
    cfmt_bind_text(st, 8, row->ref);
    cfmt_bind_text(st, 9, row->answer);
    cfmt_bind_some(st, 10, row->state == CFMT_OUTBOX_QUEUED ? 0 : now);
    return changed(s, st, CFMT_EMOVED);
}

apr_status_t cfmt_outbox_settle(cfmt_store_t *s, const cfmt_outbox_row_t *row, const char *owner,
                                apr_time_t now)
{
    apr_status_t rv = settle(s, row, owner, now);
    int told = row->state == CFMT_OUTBOX_SENT || row->state == CFMT_OUTBOX_MAYBE;

    return rv == APR_SUCCESS && !told ? unfold(s, row->id) : rv;
}

apr_status_t cfmt_outbox_expire(cfmt_store_t *s, apr_int64_t id, const char *why, apr_time_t now)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE outbox SET state = 'expired', answer = ?2,"
                                   " settled_at = ?3 WHERE id = ?1 AND state = 'queued'");

    cfmt_bind_int(st, 1, id);
    cfmt_bind_text(st, 2, why);
    cfmt_bind_int(st, 3, now);
    return changed(s, st, CFMT_EMOVED);
}

/* ---- left by somebody else ------------------------------------------------------------------- */

static int is_orphan(const cfmt_outbox_row_t *row, apr_time_t now,
                     int (*is_dead)(const char *owner))
{
    return row->leased_until <= now || !row->owner || is_dead(row->owner);
}

apr_status_t cfmt_outbox_orphans(cfmt_store_t *s, apr_time_t now, int (*is_dead)(const char *owner),
                                 int *pyes, apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_outbox_sending(s, &rows, p);
    int i;

    *pyes = 0;
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        *pyes |= is_orphan(&APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t), now, is_dead);
    }
    return rv;
}

static apr_status_t doubt(cfmt_store_t *s, const cfmt_outbox_row_t *row, apr_time_t now)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE outbox SET state = 'maybe', sent_at = ?2,"
                                   " settled_at = ?2, answer = ?3, owner = NULL,"
                                   " leased_until = NULL WHERE id = ?1 AND state = 'sending'");

    cfmt_bind_int(st, 1, row->id);
    cfmt_bind_int(st, 2, now);
    cfmt_bind_text(st, 3, "its sender ended before the answer came");
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_outbox_inherit(cfmt_store_t *s, apr_time_t now,
                                 int (*is_dead)(const char *owner), int *pn, apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_outbox_sending(s, &rows, p);
    int i;

    *pn = 0;
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_outbox_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t);

        if (is_orphan(row, now, is_dead)) {
            rv = doubt(s, row, now);
            ++*pn;
        }
    }
    return rv;
}

/* ---- by an operator -------------------------------------------------------------------------- */

apr_status_t cfmt_outbox_retry(cfmt_store_t *s, apr_int64_t id, apr_time_t now)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE outbox SET state = 'queued', attempts = 0, next_at = ?2,"
                                   " sent_at = NULL, settled_at = NULL"
                                   " WHERE id = ?1 AND state IN ('failed', 'maybe', 'expired')");
    apr_status_t rv;

    cfmt_bind_int(st, 1, id);
    cfmt_bind_int(st, 2, now);
    rv = changed(s, st, CFMT_EINVALID);
    return rv == APR_SUCCESS ? unfold(s, id) : rv;
}

apr_status_t cfmt_outbox_drop(cfmt_store_t *s, apr_int64_t id, apr_time_t now)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE outbox SET state = 'dropped', settled_at = ?2"
                                   " WHERE id = ?1 AND state = 'queued'");

    cfmt_bind_int(st, 1, id);
    cfmt_bind_int(st, 2, now);
    return changed(s, st, CFMT_EINVALID);
}

apr_status_t cfmt_outbox_ack(cfmt_store_t *s, apr_int64_t id, const char *who, apr_time_t now,
                             int *pn)
{
    sqlite3_stmt *st =
        id ? cfmt_sql(s, "UPDATE outbox SET acked_at = ?1, acked_by = ?2 WHERE acked_at IS NULL"
                         " AND dedupe = (SELECT dedupe FROM outbox WHERE id = ?3)")
           : cfmt_sql(s, "UPDATE outbox SET acked_at = ?1, acked_by = ?2"
                         " WHERE priority = 0 AND acked_at IS NULL");
    apr_status_t rv;

    cfmt_bind_int(st, 1, now);
    cfmt_bind_text(st, 2, who);
    if (id) {
        cfmt_bind_int(st, 3, id);
    }
    rv = cfmt_sql_run(s, st);
    *pn = rv == APR_SUCCESS ? sqlite3_changes(s->db) : 0;
    return rv;
}

/* ---- retention ------------------------------------------------------------------------------- */

#define STEP_WAIT apr_time_from_msec(250)

apr_status_t cfmt_outbox_prune(cfmt_store_t *s, apr_time_t before, int *pn)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT EXISTS(SELECT 1 FROM outbox WHERE settled_at < ?1)");
    apr_int64_t some = 0;
    apr_status_t rv;

    *pn = 0;
    cfmt_bind_int(st, 1, before);
    rv = cfmt_sql_int(s, st, &some);
    if (rv != APR_SUCCESS || !some || (rv = cfmt_store_begin(s, STEP_WAIT)) != APR_SUCCESS) {
        return rv;
    }
    st = cfmt_sql(s, "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox"
                     " WHERE settled_at < ?1 ORDER BY settled_at LIMIT ?2)");
    cfmt_bind_int(st, 1, before);
    cfmt_bind_int(st, 2, CFMT_RETENTION_STEP);
    rv = cfmt_sql_run(s, st);
    *pn = rv == APR_SUCCESS ? sqlite3_changes(s->db) : 0;
    return cfmt_store_end(s, rv);
}
