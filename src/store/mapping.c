/*
 * SQL of the projector's second task: open attacks get their prefixes computed anew when ours, or
 * the rules that alerts name, have changed. What they map to is decided in src/engine.
 */
#include <string.h>

#include "projection.h"
#include "store_private.h"

apr_status_t cfmt_remap_load(cfmt_store_t *s, cfmt_remap_t *r)
{
    const cfmt_meta_int_t wanted[] = { { CFMT_META_REMAP_ROW, &r->row },
                                       { CFMT_META_REMAP_AFTER, &r->after } };

    return cfmt_meta_ints(s, wanted, 2);
}

apr_status_t cfmt_remap_save(cfmt_store_t *s, const cfmt_remap_t *r)
{
    apr_status_t rv = cfmt_meta_set_int(s, CFMT_META_REMAP_ROW, r->row);

    return rv == APR_SUCCESS ? cfmt_meta_set_int(s, CFMT_META_REMAP_AFTER, r->after) : rv;
}

static apr_array_header_t *col_texts(sqlite3_stmt *st, int i, apr_pool_t *p)
{
    return cfmt_texts_parse((const char *)sqlite3_column_text(st, i), p);
}

static apr_status_t add_pruned(cfmt_place_t *place, const char *base, apr_pool_t *p)
{
    cfmt_attack_t pruned;
    apr_status_t rv = cfmt_attack_decode(&pruned, place->id, base, p);

    if (rv == APR_SUCCESS) {
        apr_array_cat(place->targets, pruned.targets);
    }
    return rv;
}

/* The row keeps the smallest targets only; none of the others may lose its prefix. */
static apr_status_t add_targets(cfmt_store_t *s, cfmt_place_t *place, const char *base,
                                apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT DISTINCT target FROM event"
                                   " WHERE attack = ?1 AND target IS NOT NULL");
    apr_status_t rv;

    cfmt_bind_text(st, 1, place->id);
    while (cfmt_sql_row(s, st, &rv)) {
        APR_ARRAY_PUSH(place->targets, const char *) = cfmt_col_text(st, 0, p);
    }
    return rv == APR_SUCCESS && base ? add_pruned(place, base, p) : rv;
}

/* Numbers are in the order of making: attacks do not move while they are gone through. */
static const char places_sql[] =
    "SELECT number, id, targets, rules, prefixes, base, targets_cut, rule_only, rule_unknown,"
    " kept FROM attack WHERE state = 'open' AND scope = 'network' AND number > ?1"
    " ORDER BY number LIMIT ?2";

static void take_place(cfmt_place_t *place, sqlite3_stmt *st, apr_pool_t *p)
{
    place->number = cfmt_col_int(st, 0);
    place->id = cfmt_col_text(st, 1, p);
    place->targets = col_texts(st, 2, p);
    place->rules = col_texts(st, 3, p);
    place->prefixes = col_texts(st, 4, p);
    place->pruned = sqlite3_column_type(st, 5) != SQLITE_NULL;
    place->targets_cut = (int)cfmt_col_int(st, 6);
    place->rule_only = (int)cfmt_col_int(st, 7);
    place->rule_unknown = (int)cfmt_col_int(st, 8);
    place->kept = col_texts(st, 9, p);
}

apr_status_t cfmt_places_load(cfmt_store_t *s, apr_int64_t after, int limit,
                              apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, places_sql);
    apr_status_t rv, targets = APR_SUCCESS;

    *prows = apr_array_make(p, 16, sizeof(cfmt_place_t));
    cfmt_bind_int(st, 1, after);
    cfmt_bind_int(st, 2, limit);
    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_place_t *place = apr_array_push(*prows);

        take_place(place, st, p);
        if (place->targets_cut && targets == APR_SUCCESS) {
            targets = add_targets(s, place, cfmt_col_text(st, 5, p), p);
        }
    }
    return rv == APR_SUCCESS ? targets : rv;
}

apr_status_t cfmt_place_save(cfmt_store_t *s, const cfmt_place_t *place, apr_pool_t *ptemp)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "UPDATE attack SET prefixes = ?2, rule_unknown = ?3 WHERE number = ?1");

    cfmt_bind_int(st, 1, place->number);
    cfmt_bind_text(st, 2, cfmt_texts_format(place->prefixes, ptemp));
    cfmt_bind_int(st, 3, place->rule_unknown);
    return cfmt_sql_run(s, st);
}
