/*
 * Channels: whether messages go through, and since when.
 */
#include <string.h>

#include "act.h"
#include "cfmt_store_outbox.h"

static const char *const states[CFMT_CHANNEL_STATES] = {
    [CFMT_CHANNEL_OK] = "ok",
    [CFMT_CHANNEL_FAILING] = "failing",
    [CFMT_CHANNEL_BROKEN] = "broken",
};

const char *cfmt_channel_state_name(cfmt_channel_state_e s)
{
    return states[s];
}

/* A word of a later version: something that is not well. */
static cfmt_channel_state_e state_by_name(const char *name)
{
    return !name || !strcmp(name, states[CFMT_CHANNEL_OK]) ? CFMT_CHANNEL_OK
           : !strcmp(name, states[CFMT_CHANNEL_BROKEN]) ? CFMT_CHANNEL_BROKEN
                                                        : CFMT_CHANNEL_FAILING;
}

apr_status_t cfmt_channel_save(cfmt_store_t *s, const cfmt_channel_row_t *row)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT OR REPLACE INTO channel(name, state, since, ok_at, next_at, fails, error, chat,"
           " chat_of) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");

    cfmt_bind_text(st, 1, row->name);
    cfmt_bind_text(st, 2, cfmt_channel_state_name(row->state));
    cfmt_bind_int(st, 3, row->since);
    cfmt_bind_some(st, 4, row->ok_at);
    cfmt_bind_int(st, 5, row->next_at);
    cfmt_bind_int(st, 6, row->fails);
    cfmt_bind_text(st, 7, row->error);
    cfmt_bind_text(st, 8, row->chat);
    cfmt_bind_text(st, 9, row->chat_of);
    return cfmt_sql_run(s, st);
}

static void take_channel(void *to, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_channel_row_t *row = to;

    row->name = cfmt_col_text(st, 0, p);
    row->state = state_by_name((const char *)sqlite3_column_text(st, 1));
    row->since = cfmt_col_int(st, 2);
    row->ok_at = cfmt_col_int(st, 3);
    row->next_at = cfmt_col_int(st, 4);
    row->fails = (int)cfmt_col_int(st, 5);
    row->error = cfmt_col_text(st, 6, p);
    row->chat = cfmt_col_text(st, 7, p);
    row->chat_of = cfmt_col_text(st, 8, p);
    row->depth = cfmt_col_int(st, 9);
    row->oldest_at = cfmt_col_int(st, 10);
}

apr_status_t cfmt_channel_load(cfmt_store_t *s, cfmt_channel_row_t *row, const char *name,
                               apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT name, state, since, ok_at, next_at, fails, error, chat,"
                                   " chat_of, 0, 0 FROM channel WHERE name = ?1");

    cfmt_bind_text(st, 1, name);
    return cfmt_act_row(s, st, row, sizeof(*row), take_channel, p);
}

#define WAITING \
    "SELECT channel, count(*) AS depth, min(made_at) AS oldest" \
    " FROM outbox INDEXED BY outbox_open WHERE settled_at IS NULL GROUP BY channel"

apr_status_t cfmt_channels_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "WITH w AS (" WAITING "),"
           " n(name) AS (SELECT name FROM channel UNION SELECT channel FROM w)"
           " SELECT n.name, c.state, c.since, c.ok_at, c.next_at, c.fails, c.error, c.chat,"
           " c.chat_of, ifnull(w.depth, 0), w.oldest FROM n"
           " LEFT JOIN channel AS c ON c.name = n.name LEFT JOIN w ON w.channel = n.name"
           " ORDER BY n.name");

    return cfmt_act_rows(s, st, prows, sizeof(cfmt_channel_row_t), take_channel, p);
}
