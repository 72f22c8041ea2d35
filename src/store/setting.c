/*
 * meta (small facts of the store itself) and setting (the effective configuration, published at
 * start so that cfmtctl knows it; each change is also a `config` row of the journal, so that
 * projections are a fold of it).
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "store_private.h"

/* ---- meta ------------------------------------------------------------------------------------ */

apr_status_t cfmt_meta_int(cfmt_store_t *s, const char *name, apr_int64_t def, apr_int64_t *pv)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT value FROM meta WHERE name = ?1");

    *pv = def;
    cfmt_bind_text(st, 1, name);
    return cfmt_sql_int(s, st, pv);
}

apr_status_t cfmt_meta_ints(cfmt_store_t *s, const cfmt_meta_int_t *wanted, int n)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT name, value FROM meta");
    apr_status_t rv;
    int i;

    for (i = 0; i < n; i++) {
        *wanted[i].pv = 0;
    }
    while (cfmt_sql_row(s, st, &rv)) {
        const char *name = (const char *)sqlite3_column_text(st, 0);

        for (i = 0; name && i < n; i++) {
            if (!strcmp(name, wanted[i].name)) {
                *wanted[i].pv = cfmt_col_int(st, 1);
            }
        }
    }
    return rv;
}

apr_status_t cfmt_meta_set_int(cfmt_store_t *s, const char *name, apr_int64_t v)
{
    sqlite3_stmt *st = cfmt_sql(s, "INSERT INTO meta(name, value) VALUES(?1, ?2)"
                                   " ON CONFLICT(name) DO UPDATE SET value = excluded.value");

    cfmt_bind_text(st, 1, name);
    cfmt_bind_int(st, 2, v);
    return cfmt_sql_run(s, st);
}

/* ---- the text form --------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const apr_table_entry_t *)a)->key, ((const apr_table_entry_t *)b)->key);
}

const char *cfmt_settings_encode(const apr_table_t *t, apr_pool_t *p)
{
    apr_array_header_t *sorted = apr_array_copy(p, apr_table_elts(t));
    const char *text = "";
    int i;

    if (sorted->nelts) {
        qsort(sorted->elts, (size_t)sorted->nelts, (size_t)sorted->elt_size, by_key);
    }
    for (i = 0; i < sorted->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(sorted, i, apr_table_entry_t);

        text = apr_pstrcat(p, text, i ? "," : "", cfmt_json_quote(p, e->key), ":",
                           cfmt_json_quote(p, e->val), NULL);
    }
    return apr_pstrcat(p, "{", text, "}", NULL);
}

apr_table_t *cfmt_settings_decode(const char *body, apr_size_t len, apr_pool_t *p)
{
    cfmt_json_limits_t limits = { .depth = 2 };
    apr_table_t *t = apr_table_make(p, 16);
    const cfmt_json_t *m;
    const char *why;
    cfmt_json_t *doc;

    if (cfmt_json_parse(&doc, &why, body, len, &limits, p) == APR_SUCCESS) {
        for (m = doc->type == CFMT_JSON_OBJECT ? doc->child : NULL; m; m = m->next) {
            if (m->type == CFMT_JSON_STRING) {
                apr_table_set(t, m->key, m->text);
            }
        }
    }
    return t;
}

/* ---- setting --------------------------------------------------------------------------------- */

apr_status_t cfmt_settings_read(cfmt_store_t *s, apr_table_t **pt, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT name, value FROM setting ORDER BY name");
    apr_status_t rv;

    *pt = apr_table_make(p, 16);
    while (cfmt_sql_row(s, st, &rv)) {
        apr_table_setn(*pt, cfmt_col_text(st, 0, p), cfmt_col_text(st, 1, p));
    }
    return rv;
}

static apr_status_t replace_all(cfmt_store_t *s, const apr_table_t *t)
{
    const apr_array_header_t *elts = apr_table_elts(t);
    apr_status_t rv = cfmt_sql_run(s, cfmt_sql(s, "DELETE FROM setting"));
    int i;

    for (i = 0; rv == APR_SUCCESS && i < elts->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(elts, i, apr_table_entry_t);
        sqlite3_stmt *st = cfmt_sql(s, "INSERT INTO setting(name, value) VALUES(?1, ?2)");

        if (!st) {
            return CFMT_ESTORE;
        }
        cfmt_bind_text(st, 1, e->key);
        cfmt_bind_text(st, 2, e->val);
        rv = cfmt_sql_run(s, st);
    }
    return rv;
}

apr_status_t cfmt_settings_publish(cfmt_store_t *s, const apr_table_t *t, apr_time_t now,
                                   apr_pool_t *ptemp)
{
    const char *text = cfmt_settings_encode(t, ptemp);
    cfmt_entry_t e = { .kind = "config", .at = now, .origin = "httpd" };
    apr_table_t *before;
    apr_status_t rv = cfmt_settings_read(s, &before, ptemp);

    if (rv != APR_SUCCESS || !strcmp(cfmt_settings_encode(before, ptemp), text)) {
        return rv;
    }
    rv = replace_all(s, t);
    e.body = text;
    e.len = strlen(text);
    return rv == APR_SUCCESS ? cfmt_journal_append(s, &e) : rv;
}
