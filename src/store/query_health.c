/*
 * Counts for health. It is asked every few seconds and must answer while everything else is late:
 * two walks of small tables, one row out of each.
 */
#include <string.h>

#include "store_private.h"

/* Lists that are no longer the account's keep an old reading: so only those of known prefixes. */
static apr_status_t count_prefixes(cfmt_store_t *s, cfmt_world_counts_t *c)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT count(*), sum(advertised = 1), sum(locked = 1), count(DISTINCT parent),"
           " min(CASE WHEN m.id IS NULL THEN r.read_at END) FROM prefix p"
           " LEFT JOIN reading r ON r.kind = 'parent' AND r.id = p.parent"
           " LEFT JOIN reading m ON m.kind = 'missing' AND m.id = p.id WHERE NOT gone");
    apr_status_t rv;

    if (cfmt_sql_row(s, st, &rv)) {
        c->prefixes = (int)cfmt_col_int(st, 0);
        c->advertised = (int)cfmt_col_int(st, 1);
        c->locked = (int)cfmt_col_int(st, 2);
        c->parents = (int)cfmt_col_int(st, 3);
        c->prefixes_read_at = cfmt_col_int(st, 4);
        cfmt_sql_done(st);
    }
    return rv;
}

static apr_status_t count_tunnels(cfmt_store_t *s, cfmt_world_counts_t *c)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT sum(state = 'up'), sum(state = 'degraded'), sum(state = 'down'), count(*),"
           " (SELECT read_at FROM sensed WHERE name = 'tunnels') FROM tunnel WHERE NOT gone");
    apr_status_t rv;

    if (cfmt_sql_row(s, st, &rv)) {
        c->up = (int)cfmt_col_int(st, 0);
        c->degraded = (int)cfmt_col_int(st, 1);
        c->down = (int)cfmt_col_int(st, 2);
        c->unknown = (int)cfmt_col_int(st, 3) - c->up - c->degraded - c->down;
        c->tunnels_read_at = cfmt_col_int(st, 4);
        cfmt_sql_done(st);
    }
    return rv;
}

apr_status_t cfmt_query_world_counts(cfmt_store_t *s, cfmt_world_counts_t *c)
{
    apr_status_t rv;

    memset(c, 0, sizeof(*c));
    rv = count_prefixes(s, c);
    return rv == APR_SUCCESS ? count_tunnels(s, c) : rv;
}
