/*
 * Retention of prefix, tunnel and rule: what the pruned journal rows said of a thing is its `base`,
 * which snapshots carry and a rebuild starts from.
 */
#include <string.h>

#include <apr_strings.h>

#include "store_private.h"
#include "world.h"

/* ---- a base of each kind --------------------------------------------------------------------- */

/* What journal row j makes of a base (NULL = none yet); NULL: nothing, the row is not readable. */
typedef const char *next_base(const cfmt_journal_row_t *j, const cfmt_json_t *base, apr_pool_t *p);
/* Makes the table row of a base; *pbase: the text of it. */
typedef apr_status_t restore_base(cfmt_store_t *s, const char **pbase, const cfmt_json_t *base,
                                  apr_pool_t *p);

static const char *next_prefix(const cfmt_journal_row_t *j, const cfmt_json_t *base, apr_pool_t *p)
{
    cfmt_prefix_row_t row, before;

    if (cfmt_prefix_take(&row, j, p) != APR_SUCCESS) {
        return NULL;
    }
    if (base && cfmt_prefix_row_decode(&before, base) == APR_SUCCESS) {
        cfmt_prefix_follow(&row, &before);
    }
    return cfmt_prefix_row_encode(&row, p);
}

static apr_status_t restore_prefix(cfmt_store_t *s, const char **pbase, const cfmt_json_t *base,
                                   apr_pool_t *p)
{
    cfmt_prefix_row_t row;
    apr_status_t rv = cfmt_prefix_row_decode(&row, base);

    *pbase = rv == APR_SUCCESS ? cfmt_prefix_row_encode(&row, p) : NULL;
    return rv == APR_SUCCESS ? cfmt_prefix_save(s, &row) : rv;
}

static const char *next_tunnel(const cfmt_journal_row_t *j, const cfmt_json_t *base, apr_pool_t *p)
{
    cfmt_tunnel_row_t row, before;

    if (cfmt_tunnel_take(&row, j, p) != APR_SUCCESS) {
        return NULL;
    }
    if (base && cfmt_tunnel_row_decode(&before, base) == APR_SUCCESS) {
        cfmt_tunnel_follow(&row, &before);
    }
    return cfmt_tunnel_row_encode(&row, p);
}

static apr_status_t restore_tunnel(cfmt_store_t *s, const char **pbase, const cfmt_json_t *base,
                                   apr_pool_t *p)
{
    cfmt_tunnel_row_t row;
    apr_status_t rv = cfmt_tunnel_row_decode(&row, base);

    *pbase = rv == APR_SUCCESS ? cfmt_tunnel_row_encode(&row, p) : NULL;
    return rv == APR_SUCCESS ? cfmt_tunnel_save(s, &row) : rv;
}

/* A rule's last state is all there is of it. */
static const char *next_rule(const cfmt_journal_row_t *j, const cfmt_json_t *base, apr_pool_t *p)
{
    cfmt_rule_row_t row;

    (void)base;
    return cfmt_rule_take(&row, j, p) == APR_SUCCESS ? cfmt_rule_row_encode(&row, p) : NULL;
}

static apr_status_t restore_rule(cfmt_store_t *s, const char **pbase, const cfmt_json_t *base,
                                 apr_pool_t *p)
{
    cfmt_rule_row_t row;
    apr_status_t rv = cfmt_rule_row_decode(&row, base, p);

    *pbase = rv == APR_SUCCESS ? cfmt_rule_row_encode(&row, p) : NULL;
    return rv == APR_SUCCESS ? cfmt_rule_save(s, &row) : rv;
}

/* ---- the kinds ------------------------------------------------------------------------------- */

typedef struct kind_t {
    const char *kind;   /* of the journal rows */
    const char *member; /* of a snapshot */
    const char *load, *save, *list;
    const char *forget, *drop; /* what is gone and has no row left; NULL = nothing to forget */
    next_base *next;
    restore_base *restore;
} kind_t;

#define GONE_READINGS(table) \
    "DELETE FROM reading WHERE kind = 'missing'" \
    " AND id IN (SELECT id FROM " table " WHERE gone AND row <= ?1)"

static const kind_t kinds[] = {
    {.kind = "prefix_state", .member = "prefixes",
     .load = "SELECT base FROM prefix WHERE id = ?1",
     .save = "UPDATE prefix SET base = ?2 WHERE id = ?1",
     .list = "SELECT base FROM prefix WHERE base IS NOT NULL ORDER BY id",
     .forget = GONE_READINGS("prefix"),
     .drop = "DELETE FROM prefix WHERE gone AND row <= ?1",
     .next = next_prefix, .restore = restore_prefix},
    {.kind = "tunnel_state", .member = "tunnels",
     .load = "SELECT base FROM tunnel WHERE id = ?1",
     .save = "UPDATE tunnel SET base = ?2 WHERE id = ?1",
     .list = "SELECT base FROM tunnel WHERE base IS NOT NULL ORDER BY id",
     .forget = GONE_READINGS("tunnel"),
     .drop = "DELETE FROM tunnel WHERE gone AND row <= ?1",
     .next = next_tunnel, .restore = restore_tunnel},
    {.kind = "rule_state", .member = "rules",
     .load = "SELECT base FROM rule WHERE id = ?1",
     .save = "UPDATE rule SET base = ?2 WHERE id = ?1",
     .list = "SELECT base FROM rule WHERE base IS NOT NULL ORDER BY id",
     .drop = "DELETE FROM rule WHERE gone AND row <= ?1",
     .next = next_rule, .restore = restore_rule},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const kind_t *kind_of(const char *name)
{
    apr_size_t i;

    for (i = 0; strcmp(kinds[i].kind, name); i++) { /* the query gives no other */
    }
    return &kinds[i];
}

/* ---- prune ----------------------------------------------------------------------------------- */

static const cfmt_json_t *parse(const char *text, apr_size_t len, apr_pool_t *p)
{
    static const cfmt_json_limits_t limits = { .depth = 6 };
    const char *why;
    cfmt_json_t *doc;

    return text && cfmt_json_parse(&doc, &why, text, len, &limits, p) == APR_SUCCESS ? doc : NULL;
}

static apr_status_t rows_of_range(cfmt_store_t *s, apr_array_header_t *rows, apr_int64_t first,
                                  apr_int64_t upto, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT id, at, kind, origin, body FROM journal WHERE id >= ?1 AND id <= ?2"
           " AND kind IN ('prefix_state', 'tunnel_state', 'rule_state') ORDER BY id");
    apr_status_t rv;

    cfmt_bind_int(st, 1, first);
    cfmt_bind_int(st, 2, upto);
    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_journal_row_t *row = apr_array_push(rows);

        memset(row, 0, sizeof(*row));
        row->id = cfmt_col_int(st, 0);
        row->at = cfmt_col_int(st, 1);
        row->kind = cfmt_col_text(st, 2, p);
        row->origin = cfmt_col_text(st, 3, p);
        row->body = cfmt_col_text(st, 4, p);
        row->len = row->body ? strlen(row->body) : 0;
    }
    return rv;
}

static apr_status_t load_base(cfmt_store_t *s, const char **pbase, const char *sql, const char *id,
                              apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, sql);
    apr_status_t rv;

    *pbase = NULL;
    cfmt_bind_text(st, 1, id);
    if (cfmt_sql_row(s, st, &rv)) {
        *pbase = cfmt_col_text(st, 0, p);
        cfmt_sql_done(st);
    }
    return rv;
}

static apr_status_t save_base(cfmt_store_t *s, const kind_t *k, const char *id, const char *base)
{
    sqlite3_stmt *st = cfmt_sql(s, k->save);

    cfmt_bind_text(st, 1, id);
    cfmt_bind_text(st, 2, base);
    return cfmt_sql_run(s, st);
}

/* A row that the projector could not understand leaves nothing here, either. */
static apr_status_t prune_row(cfmt_store_t *s, const cfmt_journal_row_t *j, apr_pool_t *p)
{
    const kind_t *k = kind_of(j->kind);
    const char *id = cfmt_json_text(parse(j->body, j->len, p), "id"), *base;
    apr_status_t rv = id ? load_base(s, &base, k->load, id, p) : APR_SUCCESS;

    if (rv != APR_SUCCESS || !id) {
        return rv;
    }
    base = k->next(j, base ? parse(base, strlen(base), p) : NULL, p);
    return base ? save_base(s, k, id, base) : APR_SUCCESS;
}

static apr_status_t run_upto(cfmt_store_t *s, const char *sql, apr_int64_t upto)
{
    sqlite3_stmt *st = cfmt_sql(s, sql);

    cfmt_bind_int(st, 1, upto);
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_world_prune(cfmt_store_t *s, apr_int64_t first, apr_int64_t upto, apr_pool_t *p)
{
    apr_array_header_t *rows = apr_array_make(p, 16, sizeof(cfmt_journal_row_t));
    apr_status_t rv = rows_of_range(s, rows, first, upto, p);
    apr_size_t k;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        rv = prune_row(s, &APR_ARRAY_IDX(rows, i, cfmt_journal_row_t), p);
    }
    for (k = 0; rv == APR_SUCCESS && k < KINDS; k++) {
        rv = kinds[k].forget ? run_upto(s, kinds[k].forget, upto) : APR_SUCCESS;
        rv = rv == APR_SUCCESS ? run_upto(s, kinds[k].drop, upto) : rv;
    }
    return rv;
}

/* ---- snapshot -------------------------------------------------------------------------------- */

static void add(apr_array_header_t *out, const char *text)
{
    APR_ARRAY_PUSH(out, const char *) = text;
}

apr_status_t cfmt_world_snapshot(cfmt_store_t *s, apr_array_header_t *out, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    apr_size_t k;

    for (k = 0; rv == APR_SUCCESS && k < KINDS; k++) {
        sqlite3_stmt *st = cfmt_sql(s, kinds[k].list);
        const char *comma = "";

        add(out, apr_psprintf(p, ",\"%s\":[", kinds[k].member));
        while (cfmt_sql_row(s, st, &rv)) {
            add(out, comma);
            add(out, cfmt_col_text(st, 0, p));
            comma = ",";
        }
        add(out, "]");
    }
    return rv;
}

static apr_status_t restore_one(cfmt_store_t *s, const kind_t *k, const cfmt_json_t *o,
                                apr_pool_t *p)
{
    const char *base;
    apr_status_t rv = k->restore(s, &base, o, p);

    return rv == APR_SUCCESS
               ? save_base(s, k, cfmt_json_text(cfmt_json_get(o, "state"), "id"), base)
               : rv;
}

apr_status_t cfmt_world_restore(cfmt_store_t *s, const cfmt_json_t *doc, apr_pool_t *p)
{
    const cfmt_json_t *m;
    apr_status_t rv = APR_SUCCESS;
    apr_size_t k;

    for (k = 0; rv == APR_SUCCESS && k < KINDS; k++) {
        m = cfmt_json_get(doc, kinds[k].member);
        for (m = m && m->type == CFMT_JSON_ARRAY ? m->child : NULL; m && rv == APR_SUCCESS;
             m = m->next) {
            rv = restore_one(s, &kinds[k], m, p);
        }
    }
    return rv;
}
