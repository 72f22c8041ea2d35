/*
 * What the tables of intents, holds, windows, proposals, adoptions and decisions share: binding,
 * reading, journaling, and their retention.
 */
#include <string.h>

#include "act.h"

#define BEGIN_TIMEOUT apr_time_from_msec(250)

/* ---- columns --------------------------------------------------------------------------------- */

void cfmt_bind_cidr(sqlite3_stmt *st, int i, const cfmt_cidr_t *c)
{
    apr_pool_t *p;

    if (!st) {
        return;
    }
    apr_pool_create(&p, NULL);
    sqlite3_bind_text(st, i, c->family ? cfmt_cidr_format(p, c) : "*", -1, SQLITE_TRANSIENT);
    apr_pool_destroy(p);
}

cfmt_cidr_t cfmt_col_cidr(sqlite3_stmt *st, int i)
{
    const char *text = (const char *)sqlite3_column_text(st, i);
    cfmt_cidr_t c;

    if (!text || cfmt_cidr_parse(&c, NULL, text) != APR_SUCCESS) {
        memset(&c, 0, sizeof(c));
    }
    return c;
}

int cfmt_act_said(const char *text)
{
    return text && *text;
}

/* ---- rows ------------------------------------------------------------------------------------ */

apr_status_t cfmt_act_row(cfmt_store_t *s, sqlite3_stmt *st, void *row, apr_size_t size,
                          cfmt_take_t *take, apr_pool_t *p)
{
    apr_status_t rv;

    memset(row, 0, size);
    if (!cfmt_sql_row(s, st, &rv)) {
        return rv == APR_SUCCESS ? CFMT_EMISSING : rv;
    }
    take(row, st, p);
    cfmt_sql_done(st);
    return APR_SUCCESS;
}

apr_status_t cfmt_act_rows(cfmt_store_t *s, sqlite3_stmt *st, apr_array_header_t **prows,
                           apr_size_t size, cfmt_take_t *take, apr_pool_t *p)
{
    apr_status_t rv;

    *prows = apr_array_make(p, 16, (int)size);
    while (cfmt_sql_row(s, st, &rv)) {
        take(memset(apr_array_push(*prows), 0, size), st, p);
    }
    return rv;
}

apr_status_t cfmt_act_journal(cfmt_store_t *s, const char *kind, apr_time_t at, const char *origin,
                              const char *body)
{
    cfmt_entry_t e = {.kind = kind, .at = at, .origin = origin, .body = body, .len = strlen(body)};

    return cfmt_journal_append(s, &e);
}

/* ---- retention ------------------------------------------------------------------------------- */

/*
 * The cause of an advertisement is looked for as long as it lasts: the last intent of a prefix that
 * reached each end, and its last adoption, stay.
 */
#define OLD_INTENT \
    "intent AS o WHERE settled_at < ?1 AND NOT (state = 'done' AND NOT EXISTS(SELECT 1" \
    " FROM intent AS n WHERE n.state = 'done' AND n.prefix = o.prefix AND n.want = o.want" \
    " AND n.id > o.id))"
#define OLD_HOLD "hold WHERE ifnull(released_at, until) < ?1"
#define OLD_WINDOW "window WHERE ifnull(removed_at, ends_at) < ?1"
#define OLD_PROPOSAL "proposal WHERE decided_at < ?1"
#define OLD_ADOPTION \
    "adoption AS o WHERE at < ?1 AND EXISTS(SELECT 1 FROM adoption AS n" \
    " WHERE n.prefix = o.prefix AND n.advertised_at > o.advertised_at)"
#define OLD_DECISION "decision WHERE at < ?1"
#define OLD(table, key, rows) \
    { .some = "SELECT EXISTS(SELECT 1 FROM " rows ")", \
      .drop = "DELETE FROM " table " WHERE (" key ") IN (SELECT " key " FROM " rows " LIMIT ?2)" }

static const struct {
    const char *some, *drop;
} old[] = {
    OLD("intent", "id", OLD_INTENT),
    OLD("hold", "id", OLD_HOLD),
    OLD("window", "id", OLD_WINDOW),
    OLD("proposal", "id", OLD_PROPOSAL),
    OLD("adoption", "prefix, advertised_at", OLD_ADOPTION),
    OLD("decision", "prefix", OLD_DECISION),
};

static apr_status_t drop(cfmt_store_t *s, const char *sql, apr_time_t before, int *pn)
{
    sqlite3_stmt *st = cfmt_sql(s, sql);
    apr_status_t rv = cfmt_store_begin(s, BEGIN_TIMEOUT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    cfmt_bind_int(st, 1, before);
    cfmt_bind_int(st, 2, CFMT_RETENTION_STEP);
    rv = cfmt_sql_run(s, st);
    *pn = rv == APR_SUCCESS ? sqlite3_changes(s->db) : 0;
    return cfmt_store_end(s, rv);
}

apr_status_t cfmt_act_prune(cfmt_store_t *s, apr_time_t before, int *pn)
{
    apr_status_t rv = APR_SUCCESS;
    apr_size_t i;

    *pn = 0;
    for (i = 0; rv == APR_SUCCESS && !*pn && i < sizeof(old) / sizeof(old[0]); i++) {
        sqlite3_stmt *st = cfmt_sql(s, old[i].some);
        apr_int64_t some = 0;

        cfmt_bind_int(st, 1, before);
        rv = cfmt_sql_int(s, st, &some);
        if (rv == APR_SUCCESS && some) {
            rv = drop(s, old[i].drop, before, pn);
        }
    }
    return rv;
}
