/*
 * The outbox: rows that wait to be told, and how they are read. What becomes of them is in
 * outbox_end.c.
 */
#include <string.h>

#include "act.h"
#include "outbox.h"

#define NEWEST APR_INT64_MAX

static const char *const states[CFMT_OUTBOX_STATES] = {
    [CFMT_OUTBOX_QUEUED] = "queued",   [CFMT_OUTBOX_SENDING] = "sending",
    [CFMT_OUTBOX_SENT] = "sent",       [CFMT_OUTBOX_MAYBE] = "maybe",
    [CFMT_OUTBOX_FOLDED] = "folded",   [CFMT_OUTBOX_FAILED] = "failed",
    [CFMT_OUTBOX_EXPIRED] = "expired", [CFMT_OUTBOX_DROPPED] = "dropped",
};

const char *cfmt_outbox_name(cfmt_outbox_e state)
{
    return states[state];
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define SELECT \
    "SELECT id, channel, kind, dedupe, attack, prefix, at, fields, priority, state, attempts," \
    " made_at, next_at, owner, leased_until, sent_at, ref, text, answer, folded_into," \
    " fallback_of, fallback, acked_at, acked_by FROM outbox "

static cfmt_outbox_e state_by_name(const char *name)
{
    int i;

    for (i = 0; i < CFMT_OUTBOX_STATES && (!name || strcmp(states[i], name) != 0); i++) {
    }
    return (cfmt_outbox_e)i;
}

static void take_news(cfmt_news_t *n, sqlite3_stmt *st, apr_pool_t *p)
{
    n->kind = (cfmt_news_e)cfmt_news_find((const char *)sqlite3_column_text(st, 2));
    n->dedupe = cfmt_col_text(st, 3, p);
    n->attack = cfmt_col_text(st, 4, p);
    n->prefix = cfmt_col_text(st, 5, p);
    n->at = cfmt_col_int(st, 6);
    n->fields = cfmt_col_text(st, 7, p);
}

static void take_row(void *to, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_outbox_row_t *row = to;

    row->id = cfmt_col_int(st, 0);
    row->channel = cfmt_col_text(st, 1, p);
    take_news(&row->news, st, p);
    row->priority = (cfmt_urgency_e)cfmt_col_int(st, 8);
    row->state = state_by_name((const char *)sqlite3_column_text(st, 9));
    row->attempts = (int)cfmt_col_int(st, 10);
    row->made_at = cfmt_col_int(st, 11);
    row->next_at = cfmt_col_int(st, 12);
    row->owner = cfmt_col_text(st, 13, p);
    row->leased_until = cfmt_col_int(st, 14);
    row->sent_at = cfmt_col_int(st, 15);
    row->ref = cfmt_col_text(st, 16, p);
    row->text = cfmt_col_text(st, 17, p);
    row->answer = cfmt_col_text(st, 18, p);
    row->folded_into = cfmt_col_int(st, 19);
    row->fallback_of = cfmt_col_int(st, 20);
    row->fallback = cfmt_col_int(st, 21);
    row->acked_at = cfmt_col_int(st, 22);
    row->acked_by = cfmt_col_text(st, 23, p);
}

/* A kind or a state that only a later version knows is left to it. */
static int is_known(const cfmt_outbox_row_t *row)
{
    return (int)row->news.kind >= 0 && row->state < CFMT_OUTBOX_STATES
           && row->priority < CFMT_URGENCIES;
}

static apr_status_t one(cfmt_store_t *s, sqlite3_stmt *st, cfmt_outbox_row_t *row, apr_pool_t *p)
{
    apr_status_t rv = cfmt_act_row(s, st, row, sizeof(*row), take_row, p);

    return rv == APR_SUCCESS && !is_known(row) ? CFMT_EMISSING : rv;
}

static apr_status_t all(cfmt_store_t *s, sqlite3_stmt *st, apr_array_header_t **prows,
                        apr_pool_t *p)
{
    apr_status_t rv = cfmt_act_rows(s, st, prows, sizeof(cfmt_outbox_row_t), take_row, p);
    cfmt_outbox_row_t *rows = (cfmt_outbox_row_t *)(*prows)->elts;
    int i, n = 0;

    for (i = 0; i < (*prows)->nelts; i++) {
        if (is_known(&rows[i])) {
            rows[n++] = rows[i];
        }
    }
    (*prows)->nelts = n;
    return rv;
}

/* ---- made ------------------------------------------------------------------------------------ */

static const char insert_sql[] =
    "INSERT INTO outbox(channel, kind, dedupe, attack, prefix, at, fields, priority, state,"
    " made_at, next_at, fallback_of)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'queued', ?9, ?10, ?11)";

static apr_status_t insert(cfmt_store_t *s, cfmt_outbox_row_t *row)
{
    sqlite3_stmt *st = cfmt_sql(s, insert_sql);
    apr_status_t rv;

    cfmt_bind_text(st, 1, row->channel);
    cfmt_bind_text(st, 2, cfmt_news_name(row->news.kind));
    cfmt_bind_text(st, 3, row->news.dedupe);
    cfmt_bind_text(st, 4, row->news.attack);
    cfmt_bind_text(st, 5, row->news.prefix);
    cfmt_bind_int(st, 6, row->news.at);
    cfmt_bind_text(st, 7, row->news.fields ? row->news.fields : "{}");
    cfmt_bind_int(st, 8, row->priority);
    cfmt_bind_int(st, 9, row->made_at);
    cfmt_bind_int(st, 10, row->next_at);
    cfmt_bind_some(st, 11, row->fallback_of);
    rv = cfmt_sql_run(s, st);
    row->id = rv == APR_SUCCESS ? sqlite3_last_insert_rowid(s->db) : 0;
    return rv;
}

static apr_status_t find_same(cfmt_store_t *s, cfmt_outbox_row_t *row)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id FROM outbox WHERE dedupe = ?1 AND channel = ?2");

    cfmt_bind_text(st, 1, row->news.dedupe);
    cfmt_bind_text(st, 2, row->channel);
    row->id = 0;
    return cfmt_sql_int(s, st, &row->id);
}

static apr_status_t note_fallback(cfmt_store_t *s, const cfmt_outbox_row_t *row)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE outbox SET fallback = ?2 WHERE id = ?1");

    cfmt_bind_int(st, 1, row->fallback_of);
    cfmt_bind_int(st, 2, row->id);
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_outbox_put(cfmt_store_t *s, cfmt_outbox_row_t *row)
{
    apr_status_t rv = find_same(s, row);
    int known = rv == APR_SUCCESS && row->id;

    rv = rv == APR_SUCCESS && !known ? insert(s, row) : rv;
    if (rv == APR_SUCCESS && row->fallback_of) {
        rv = note_fallback(s, row);
    }
    return rv == APR_SUCCESS && known ? CFMT_EEXIST : rv;
}

/* ---- read ------------------------------------------------------------------------------------ */

/* With the hint an empty queue costs one step in the index, however long the history is. */
apr_status_t cfmt_outbox_waiting(cfmt_store_t *s, const char *channel, int limit,
                                 apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "INDEXED BY outbox_open WHERE channel = ?1"
                                          " AND settled_at IS NULL ORDER BY priority, id LIMIT ?2");

    cfmt_bind_text(st, 1, channel);
    cfmt_bind_int(st, 2, limit);
    return all(s, st, prows, p);
}

apr_status_t cfmt_outbox_list(cfmt_store_t *s, const char *channel, apr_int64_t before, int limit,
                              apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "WHERE id < ?1 AND (?3 IS NULL OR channel = ?3)"
                                          " ORDER BY id DESC LIMIT ?2");

    cfmt_bind_int(st, 1, before ? before : NEWEST);
    cfmt_bind_int(st, 2, limit);
    cfmt_bind_text(st, 3, channel);
    return all(s, st, prows, p);
}

apr_status_t cfmt_outbox_get(cfmt_store_t *s, cfmt_outbox_row_t *row, apr_int64_t id,
                             apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "WHERE id = ?1");

    cfmt_bind_int(st, 1, id);
    return one(s, st, row, p);
}

/* What told of other attacks, too, is no part of this one's. */
#define IN_THREAD \
    "WHERE attack = ?1 AND channel = ?2 AND ref IS NOT NULL AND NOT EXISTS(SELECT 1" \
    " FROM outbox AS f WHERE f.folded_into = outbox.id AND f.attack IS NOT outbox.attack)"

apr_status_t cfmt_outbox_thread(cfmt_store_t *s, cfmt_outbox_row_t *row, const char *channel,
                                const char *attack, int newest, apr_pool_t *p)
{
    sqlite3_stmt *st = newest ? cfmt_sql(s, SELECT IN_THREAD " ORDER BY id DESC LIMIT 1")
                              : cfmt_sql(s, SELECT IN_THREAD " ORDER BY id LIMIT 1");

    cfmt_bind_text(st, 1, attack);
    cfmt_bind_text(st, 2, channel);
    return one(s, st, row, p);
}

#define LAST_TOLD \
    "SELECT id FROM outbox WHERE attack = ?1 AND channel = ?2 AND state IN ('sent', 'maybe')"

/*
 * Of an attack messages go out in the order of their ids, and the clock may have been set back
 * since; what was told again by hand is the last by its time only.
 */
apr_status_t cfmt_outbox_doubt(cfmt_store_t *s, cfmt_outbox_row_t *row, const char *channel,
                               const char *attack, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "WHERE state = 'maybe' AND id IN ("
                                          "(" LAST_TOLD " ORDER BY id DESC LIMIT 1),"
                                          "(" LAST_TOLD " ORDER BY sent_at DESC, id DESC LIMIT 1))"
                                          " ORDER BY id DESC LIMIT 1");

    cfmt_bind_text(st, 1, attack);
    cfmt_bind_text(st, 2, channel);
    return one(s, st, row, p);
}

apr_status_t cfmt_outbox_unacked(cfmt_store_t *s, const char *channel, apr_time_t since,
                                 apr_time_t before, apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, SELECT "INDEXED BY outbox_unacked WHERE channel = ?1 AND priority = 0"
                  " AND acked_at IS NULL AND made_at >= ?2 AND ifnull(sent_at, made_at) < ?3"
                  " AND fallback IS NULL AND fallback_of IS NULL"
                  " AND state IN ('queued', 'sending', 'sent', 'maybe', 'failed')"
                  " ORDER BY made_at, id");

    cfmt_bind_text(st, 1, channel);
    cfmt_bind_int(st, 2, since);
    cfmt_bind_int(st, 3, before);
    return all(s, st, prows, p);
}

apr_status_t cfmt_outbox_sending(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    return all(s, cfmt_sql(s, SELECT "INDEXED BY outbox_sending WHERE state = 'sending'"), prows,
               p);
}
