/*
 * Of the present state of each prefix: what brought it about, and what people were told of it.
 */
#include <string.h>

#include "act.h"

static cfmt_cause_e cause_by_name(const char *name)
{
    int i = 0;

    while (i < CFMT_CAUSES && strcmp(cfmt_cause_name((cfmt_cause_e)i), name)) {
        i++;
    }
    return i < CFMT_CAUSES ? (cfmt_cause_e)i : CFMT_CAUSE_UNKNOWN;
}

static void take_standing(void *row, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_standing_t *s = row;

    s->prefix = cfmt_col_cidr(st, 0);
    s->advertised = (int)cfmt_col_int(st, 1);
    s->cause.at = cfmt_col_int(st, 2);
    s->cause.kind = cause_by_name(cfmt_col_text(st, 3, p));
    s->cause.by_attack = (int)cfmt_col_int(st, 4);
    s->cause.who = cfmt_col_text(st, 5, p);
    s->cause.attack = cfmt_col_text(st, 6, p);
    s->cause.intent = cfmt_col_int(st, 7);
    s->found_at = cfmt_col_int(st, 8);
    s->orphan_told_at = cfmt_col_int(st, 9);
    s->paged_at = cfmt_col_int(st, 10);
    s->would_told_at = cfmt_col_int(st, 11);
}

apr_status_t cfmt_standings_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT prefix, advertised, at, cause, by_attack, who, attack,"
                                   " intent, found_at, orphan_told_at, paged_at, would_told_at"
                                   " FROM standing ORDER BY prefix");

    return cfmt_act_rows(s, st, prows, sizeof(cfmt_standing_t), take_standing, p);
}

apr_status_t cfmt_standing_save(cfmt_store_t *s, const cfmt_standing_t *row)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT OR REPLACE INTO standing(prefix, advertised, at, cause, by_attack, who, attack,"
           " intent, found_at, orphan_told_at, paged_at, would_told_at)"
           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");

    cfmt_bind_cidr(st, 1, &row->prefix);
    cfmt_bind_int(st, 2, row->advertised);
    cfmt_bind_int(st, 3, row->cause.at);
    cfmt_bind_text(st, 4, cfmt_cause_name(row->cause.kind));
    cfmt_bind_int(st, 5, row->cause.by_attack);
    cfmt_bind_text(st, 6, row->cause.who);
    cfmt_bind_text(st, 7, row->cause.attack);
    cfmt_bind_int(st, 8, row->cause.intent);
    cfmt_bind_int(st, 9, row->found_at);
    cfmt_bind_int(st, 10, row->orphan_told_at);
    cfmt_bind_int(st, 11, row->paged_at);
    cfmt_bind_int(st, 12, row->would_told_at);
    return cfmt_sql_run(s, st);
}
