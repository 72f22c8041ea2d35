/*
 * What `config` rows say that projections depend on. It is part of history: a rebuild reads the
 * same rows and gives the same result.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "in_force.h"
#include "news_of.h"

static int by_cidr(const void *a, const void *b)
{
    return cfmt_cidr_compare(&((const cfmt_prefix_t *)a)->cidr, &((const cfmt_prefix_t *)b)->cidr);
}

static void read_settings(cfmt_in_force_t *c, const apr_table_t *t, apr_pool_t *p)
{
    const apr_array_header_t *elts = apr_table_elts(t);
    const char *account = apr_table_get(t, "AccountId");
    int i;

    c->account = account && *account ? apr_pstrdup(p, account) : NULL;
    c->prefixes = apr_array_make(p, 8, sizeof(cfmt_prefix_t));
    for (i = 0; i < elts->nelts; i++) {
        const char *name = APR_ARRAY_IDX(elts, i, apr_table_entry_t).key;
        cfmt_prefix_t prefix = { .name = NULL };

        /* "Prefix *" is a policy for prefixes that the API lists, not a prefix. */
        if (!strncmp(name, "Prefix ", 7)
            && cfmt_cidr_parse(&prefix.cidr, NULL, name + 7) == APR_SUCCESS) {
            APR_ARRAY_PUSH(c->prefixes, cfmt_prefix_t) = prefix;
        }
    }
    qsort(c->prefixes->elts, (size_t)c->prefixes->nelts, sizeof(cfmt_prefix_t), by_cidr);
    c->thresholds = cfmt_thresholds(t, p);
    c->channels = cfmt_tell_channels(t, p);
    c->mode = cfmt_of_mode_in(t);
}

void cfmt_in_force_read(cfmt_in_force_t *c, const cfmt_journal_row_t *row, apr_pool_t *p)
{
    apr_table_t *t;

    if (!row || !row->body) {
        t = apr_table_make(p, 1);
    }
    else if (!strcmp(row->kind, "snapshot")) {
        t = cfmt_snapshot_config(row->body, row->len, p);
    }
    else {
        t = cfmt_settings_decode(row->body, row->len, p);
    }
    read_settings(c, t, p);
}

apr_status_t cfmt_in_force_load(cfmt_in_force_t *c, cfmt_store_t *s, apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_int64_t id;
    apr_status_t rv = cfmt_meta_int(s, CFMT_META_CONFIG, 0, &id);

    rv = rv == APR_SUCCESS ? cfmt_journal_read(s, id - 1, id ? 1 : 0, &rows, p) : rv;
    if (rv == APR_SUCCESS) {
        cfmt_in_force_read(c, rows->nelts ? &APR_ARRAY_IDX(rows, 0, cfmt_journal_row_t) : NULL, p);
    }
    return rv;
}

int cfmt_in_force_same_prefixes(const cfmt_in_force_t *a, const cfmt_in_force_t *b)
{
    int i, same = a->prefixes->nelts == b->prefixes->nelts;

    for (i = 0; same && i < a->prefixes->nelts; i++) {
        same = !by_cidr(&APR_ARRAY_IDX(a->prefixes, i, cfmt_prefix_t),
                        &APR_ARRAY_IDX(b->prefixes, i, cfmt_prefix_t));
    }
    return same;
}
