/*
 * SQL of prefix, tunnel, rule and reading: what Cloudflare last reported, and when lists were read.
 */
#include <stdlib.h>
#include <string.h>

#include "store_private.h"
#include "world.h"

/* ---- values ---------------------------------------------------------------------------------- */

/* -1 ("not said") is NULL. */
static void bind_flag(sqlite3_stmt *st, int i, int v)
{
    if (v >= 0) {
        cfmt_bind_int(st, i, v);
    }
}

static int col_flag(sqlite3_stmt *st, int i)
{
    return sqlite3_column_type(st, i) == SQLITE_NULL ? -1 : (int)cfmt_col_int(st, i);
}

/* 0 ("not said", "never") is NULL. */
static void bind_some(sqlite3_stmt *st, int i, apr_int64_t v)
{
    if (v) {
        cfmt_bind_int(st, i, v);
    }
}

/* ---- prefix ---------------------------------------------------------------------------------- */

/* Everything but base, which is retention's. */
static const char save_prefix_sql[] =
    "INSERT INTO prefix(id, parent, cidr, description, asn, approved, enabled, locked, bgp_control,"
    " auto_withdraw, advertised, advertised_at, modified_at, gone, since, row, origin, first_at,"
    " changed_at, changed_by) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
    " ?15, ?16, ?17, ?18, ?19, ?20) ON CONFLICT(id) DO UPDATE SET parent = ?2, cidr = ?3,"
    " description = ?4, asn = ?5, approved = ?6, enabled = ?7, locked = ?8, bgp_control = ?9,"
    " auto_withdraw = ?10, advertised = ?11, advertised_at = ?12, modified_at = ?13, gone = ?14,"
    " since = ?15, row = ?16, origin = ?17, first_at = ?18, changed_at = ?19, changed_by = ?20";

static void bind_prefix(sqlite3_stmt *st, const cfmt_bgp_prefix_t *b, const char *cidr)
{
    cfmt_bind_text(st, 1, b->id);
    cfmt_bind_text(st, 2, b->parent);
    cfmt_bind_text(st, 3, cidr);
    cfmt_bind_text(st, 4, b->description);
    bind_some(st, 5, b->asn);
    bind_flag(st, 6, b->approved);
    bind_flag(st, 7, b->enabled);
    bind_flag(st, 8, b->locked);
    bind_flag(st, 9, b->bgp_control);
    bind_flag(st, 10, b->auto_withdraw);
    bind_flag(st, 11, b->advertised);
    bind_some(st, 12, b->advertised_at);
    bind_some(st, 13, b->modified_at);
}

apr_status_t cfmt_prefix_save(cfmt_store_t *s, const cfmt_prefix_row_t *row)
{
    sqlite3_stmt *st = cfmt_sql(s, save_prefix_sql);
    apr_status_t rv;
    apr_pool_t *p;

    apr_pool_create(&p, s->pool);
    bind_prefix(st, &row->b, cfmt_cidr_format(p, &row->b.cidr));
    cfmt_bind_int(st, 14, row->gone);
    cfmt_bind_int(st, 15, row->since);
    cfmt_bind_int(st, 16, row->row);
    cfmt_bind_text(st, 17, row->origin);
    cfmt_bind_int(st, 18, row->first_at);
    bind_some(st, 19, row->changed_at);
    cfmt_bind_text(st, 20, row->changed_by);
    rv = cfmt_sql_run(s, st);
    apr_pool_destroy(p);
    return rv;
}

/* What is no CIDR (somebody else wrote it) has family 0. */
static void take_prefix(cfmt_bgp_prefix_t *b, sqlite3_stmt *st, apr_pool_t *p)
{
    const char *cidr = (const char *)sqlite3_column_text(st, 2);

    b->id = cfmt_col_text(st, 0, p);
    b->parent = cfmt_col_text(st, 1, p);
    if (!cidr || cfmt_cidr_parse(&b->cidr, NULL, cidr) != APR_SUCCESS) {
        b->cidr.family = 0;
    }
    b->description = cfmt_col_text(st, 3, p);
    b->asn = cfmt_col_int(st, 4);
    b->approved = col_flag(st, 5);
    b->enabled = col_flag(st, 6);
    b->locked = col_flag(st, 7);
    b->bgp_control = col_flag(st, 8);
    b->auto_withdraw = col_flag(st, 9);
    b->advertised = col_flag(st, 10);
    b->advertised_at = cfmt_col_int(st, 11);
    b->modified_at = cfmt_col_int(st, 12);
}

static int by_cidr(const void *a, const void *b)
{
    const cfmt_prefix_row_t *x = a, *y = b;
    int c = cfmt_cidr_compare(&x->b.cidr, &y->b.cidr);

    return c ? c : strcmp(x->b.id, y->b.id);
}

apr_status_t cfmt_prefixes_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT p.id, parent, cidr, description, asn, approved, enabled, locked, bgp_control,"
           " auto_withdraw, advertised, advertised_at, modified_at, gone, since, row, origin,"
           " first_at, changed_at, changed_by, r.read_at, m.read_at FROM prefix p"
           " LEFT JOIN reading r ON r.kind = 'parent' AND r.id = p.parent"
           " LEFT JOIN reading m ON m.kind = 'missing' AND m.id = p.id");
    apr_status_t rv;

    *prows = apr_array_make(p, 16, sizeof(cfmt_prefix_row_t));
    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_prefix_row_t *row = apr_array_push(*prows);

        memset(row, 0, sizeof(*row));
        take_prefix(&row->b, st, p);
        row->gone = (int)cfmt_col_int(st, 13);
        row->since = cfmt_col_int(st, 14);
        row->row = cfmt_col_int(st, 15);
        row->origin = cfmt_col_text(st, 16, p);
        row->first_at = cfmt_col_int(st, 17);
        row->changed_at = cfmt_col_int(st, 18);
        row->changed_by = cfmt_col_text(st, 19, p);
        row->read_at = cfmt_col_int(st, 20);
        row->missing_since = cfmt_col_int(st, 21);
    }
    qsort((*prows)->elts, (size_t)(*prows)->nelts, sizeof(cfmt_prefix_row_t), by_cidr);
    return rv;
}

const cfmt_prefix_row_t *cfmt_prefix_find(const apr_array_header_t *rows, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_prefix_row_t);

        if (!row->gone && !cfmt_cidr_compare(&row->b.cidr, cidr)) {
            return row;
        }
    }
    return NULL;
}

/* ---- tunnel ---------------------------------------------------------------------------------- */

static const char save_tunnel_sql[] =
    "INSERT INTO tunnel(id, kind, name, endpoint, checked, active, health, state, gone, since, row)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT(id) DO UPDATE SET kind = ?2,"
    " name = ?3, endpoint = ?4, checked = ?5, active = ?6, health = ?7, state = ?8, gone = ?9,"
    " since = ?10, row = ?11";

apr_status_t cfmt_tunnel_save(cfmt_store_t *s, const cfmt_tunnel_row_t *row)
{
    sqlite3_stmt *st = cfmt_sql(s, save_tunnel_sql);

    cfmt_bind_text(st, 1, row->t.id);
    cfmt_bind_text(st, 2, cfmt_kind_word(row->t.kind));
    cfmt_bind_text(st, 3, row->t.name);
    cfmt_bind_text(st, 4, row->t.endpoint);
    bind_flag(st, 5, row->t.checked);
    bind_flag(st, 6, row->t.active);
    cfmt_bind_rate(st, 7, row->t.health);
    cfmt_bind_text(st, 8, row->state);
    cfmt_bind_int(st, 9, row->gone);
    cfmt_bind_int(st, 10, row->since);
    cfmt_bind_int(st, 11, row->row);
    return cfmt_sql_run(s, st);
}

static void take_tunnel(cfmt_tunnel_row_t *row, sqlite3_stmt *st, apr_pool_t *p)
{
    memset(row, 0, sizeof(*row));
    row->t.id = cfmt_col_text(st, 0, p);
    (void)cfmt_kind_parse(&row->t.kind, (const char *)sqlite3_column_text(st, 1));
    row->t.name = cfmt_col_text(st, 2, p);
    row->t.endpoint = cfmt_col_text(st, 3, p);
    row->t.checked = col_flag(st, 4);
    row->t.active = col_flag(st, 5);
    row->t.health = cfmt_col_rate(st, 6);
    row->state = cfmt_col_text(st, 7, p);
    row->gone = (int)cfmt_col_int(st, 8);
    row->since = cfmt_col_int(st, 9);
    row->row = cfmt_col_int(st, 10);
    row->missing_since = cfmt_col_int(st, 11);
}

static int by_kind(const void *a, const void *b)
{
    const cfmt_tunnel_row_t *x = a, *y = b;
    int c = (int)x->t.kind - (int)y->t.kind;

    c = c ? c : strcmp(x->t.name ? x->t.name : "", y->t.name ? y->t.name : "");
    return c ? c : strcmp(x->t.id, y->t.id);
}

apr_status_t cfmt_tunnels_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT t.id, t.kind, name, endpoint, checked, active, health, state, gone, since, row,"
           " read_at FROM tunnel t LEFT JOIN reading m ON m.kind = 'missing' AND m.id = t.id");
    apr_status_t rv;

    *prows = apr_array_make(p, 16, sizeof(cfmt_tunnel_row_t));
    while (cfmt_sql_row(s, st, &rv)) {
        take_tunnel(apr_array_push(*prows), st, p);
    }
    qsort((*prows)->elts, (size_t)(*prows)->nelts, sizeof(cfmt_tunnel_row_t), by_kind);
    return rv;
}

/* ---- rule ------------------------------------------------------------------------------------ */

static const char save_rule_sql[] =
    "INSERT INTO rule(id, name, type, prefixes, automatic, gone, since, row)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(id) DO UPDATE SET name = ?2, type = ?3,"
    " prefixes = ?4, automatic = ?5, gone = ?6, since = ?7, row = ?8";

apr_status_t cfmt_rule_save(cfmt_store_t *s, const cfmt_rule_row_t *row)
{
    sqlite3_stmt *st = cfmt_sql(s, save_rule_sql);
    apr_status_t rv;
    apr_pool_t *p;

    apr_pool_create(&p, s->pool);
    cfmt_bind_text(st, 1, row->rule.id);
    cfmt_bind_text(st, 2, row->rule.name);
    cfmt_bind_text(st, 3, row->rule.type);
    cfmt_bind_text(st, 4, cfmt_cidrs_format(row->rule.prefixes, p));
    bind_flag(st, 5, row->rule.automatic);
    cfmt_bind_int(st, 6, row->gone);
    cfmt_bind_int(st, 7, row->since);
    cfmt_bind_int(st, 8, row->row);
    rv = cfmt_sql_run(s, st);
    apr_pool_destroy(p);
    return rv;
}

/* An unreadable list reads as an empty one. */
static apr_array_header_t *col_cidrs(sqlite3_stmt *st, int i, apr_pool_t *p)
{
    static const cfmt_json_limits_t limits = { .depth = 2 };
    apr_array_header_t *cidrs;
    const char *why, *text = cfmt_col_text(st, i, p);
    cfmt_json_t *doc;

    return text && cfmt_json_parse(&doc, &why, text, strlen(text), &limits, p) == APR_SUCCESS
                   && cfmt_cidrs_read(&cidrs, doc, p) == APR_SUCCESS
               ? cidrs
               : apr_array_make(p, 1, sizeof(cfmt_cidr_t));
}

static void take_rule(cfmt_rule_row_t *row, sqlite3_stmt *st, apr_pool_t *p)
{
    memset(row, 0, sizeof(*row));
    row->rule.id = cfmt_col_text(st, 0, p);
    row->rule.name = cfmt_col_text(st, 1, p);
    row->rule.type = cfmt_col_text(st, 2, p);
    row->rule.prefixes = col_cidrs(st, 3, p);
    row->rule.automatic = col_flag(st, 4);
    row->gone = (int)cfmt_col_int(st, 5);
    row->since = cfmt_col_int(st, 6);
    row->row = cfmt_col_int(st, 7);
}

apr_status_t cfmt_rules_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id, name, type, prefixes, automatic, gone, since, row"
                                   " FROM rule ORDER BY name, id");
    apr_status_t rv;

    *prows = apr_array_make(p, 16, sizeof(cfmt_rule_row_t));
    while (cfmt_sql_row(s, st, &rv)) {
        take_rule(apr_array_push(*prows), st, p);
    }
    return rv;
}

/* ---- reading --------------------------------------------------------------------------------- */

apr_status_t cfmt_reading_note(cfmt_store_t *s, const char *kind, const char *id, apr_time_t at)
{
    sqlite3_stmt *st =
        at ? cfmt_sql(s, "INSERT INTO reading(kind, id, read_at) VALUES(?1, ?2, ?3)"
                         " ON CONFLICT(kind, id) DO UPDATE SET read_at = ?3")
           : cfmt_sql(s, "DELETE FROM reading WHERE kind = ?1 AND id = ?2");

    cfmt_bind_text(st, 1, kind);
    cfmt_bind_text(st, 2, id);
    if (at) {
        cfmt_bind_int(st, 3, at);
    }
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_readings_redate(cfmt_store_t *s, apr_time_t now, apr_time_t at)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE reading SET read_at = ?2 WHERE kind = 'parent'"
                                   " AND read_at > ?1");

    cfmt_bind_int(st, 1, now);
    cfmt_bind_int(st, 2, at);
    return cfmt_sql_run(s, st);
}
