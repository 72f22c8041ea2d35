/*
 * The largest of each kind in some time: sources, networks, countries, vectors, ports, places.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "store_private.h"
#include "traffic.h"

#define TOPS_MAX 400000 /* sums looked at: some 4,000 minutes of a prefix, a second's work */
#define PAGE (10 * CFMT_MINUTE) /* a statement: no snapshot is held for long */

const char *cfmt_sum_name(cfmt_sum_e kind)
{
    static const char *const names[CFMT_SUM_KINDS] = {
        [CFMT_SUM_TOTAL] = "total",     [CFMT_SUM_SPOOFED] = "spoofed",
        [CFMT_SUM_VECTOR] = "vectors",  [CFMT_SUM_SOURCE] = "sources",
        [CFMT_SUM_ASN] = "asns",        [CFMT_SUM_COUNTRY] = "countries",
        [CFMT_SUM_PORT] = "ports",      [CFMT_SUM_SOURCE_PORT] = "source_ports",
        [CFMT_SUM_COLO] = "colos",      [CFMT_SUM_TARGET] = "targets",
    };

    return kind >= 0 && kind < CFMT_SUM_KINDS ? names[kind] : "";
}

/* ---- adding up ------------------------------------------------------------------------------- */

typedef struct count_t {
    cfmt_tops_t *tops;
    const apr_array_header_t *prefixes;
    apr_pool_t *p;
    apr_hash_t *of[CFMT_SUM_KINDS]; /* name to cfmt_top_t */
    apr_hash_t *wanted;             /* text of a prefix to whether it is */
    int rows;
    double spoofed;
    apr_time_t minute;              /* the one being added, and its figures so far */
    double packets, bits;
} count_t;

static int is_wanted(count_t *c, const char *prefix)
{
    static const char yes[] = "y", no[] = "n";
    const char *known = apr_hash_get(c->wanted, prefix, APR_HASH_KEY_STRING);
    cfmt_cidr_t cidr;

    if (!known) {
        known = cfmt_cidr_parse(&cidr, NULL, prefix) == APR_SUCCESS
                        && cfmt_traffic_wanted(c->prefixes, &cidr) ? yes : no;
        apr_hash_set(c->wanted, apr_pstrdup(c->p, prefix), APR_HASH_KEY_STRING, known);
    }
    return known == yes;
}

static void end_minute(count_t *c)
{
    cfmt_tops_t *tops = c->tops;

    if (c->minute && c->packets / 60 > tops->peak_pps) {
        tops->peak_pps = c->packets / 60;
        tops->peak_at = c->minute;
    }
    tops->peak_bps = c->bits / 60 > tops->peak_bps ? c->bits / 60 : tops->peak_bps;
    c->packets = c->bits = 0;
}

static void add_total(count_t *c, sqlite3_stmt *st, double packets, double bits)
{
    cfmt_tops_t *tops = c->tops;
    apr_time_t at = cfmt_col_int(st, 0);

    if (at != c->minute) {
        end_minute(c);
        c->minute = at;
    }
    c->packets += packets;
    c->bits += bits;
    tops->packets += packets;
    tops->bits += bits;
    tops->cut += cfmt_col_int(st, 7) != 0;
    tops->from = !tops->from || at < tops->from ? at : tops->from;
    tops->to = at + CFMT_MINUTE > tops->to ? at + CFMT_MINUTE : tops->to;
}

static void add_named(count_t *c, cfmt_sum_e kind, sqlite3_stmt *st, double packets, double bits)
{
    const char *name = (const char *)sqlite3_column_text(st, 3);
    cfmt_top_t *top = name ? apr_hash_get(c->of[kind], name, APR_HASH_KEY_STRING) : NULL;

    if (!name) {
        return;
    }
    if (!top) {
        top = apr_pcalloc(c->p, sizeof(*top));
        top->sum.kind = kind;
        top->sum.name = cfmt_col_text(st, 3, c->p);
        top->sum.asn = cfmt_col_int(st, 4);
        top->sum.asn_name = cfmt_col_text(st, 5, c->p);
        top->sum.country = cfmt_col_text(st, 6, c->p);
        apr_hash_set(c->of[kind], top->sum.name, APR_HASH_KEY_STRING, top);
    }
    top->sum.packets += packets;
    top->sum.bits += bits;
}

static void add_sum(count_t *c, sqlite3_stmt *st)
{
    apr_int64_t kind = cfmt_col_int(st, 2);
    double packets = (double)cfmt_col_int(st, 8), bits = (double)cfmt_col_int(st, 9);

    if (kind < 0 || kind >= CFMT_SUM_KINDS
        || !is_wanted(c, (const char *)sqlite3_column_text(st, 1))) {
        return;
    }
    if (kind == CFMT_SUM_TOTAL) {
        add_total(c, st, packets, bits);
    }
    else if (kind == CFMT_SUM_SPOOFED) {
        c->spoofed += packets;
    }
    else {
        add_named(c, (cfmt_sum_e)kind, st, packets, bits);
    }
}

/* A page more than TOPS_MAX is looked at: pages are small. */
static apr_status_t add_page(count_t *c, cfmt_store_t *s, apr_time_t from, apr_time_t to)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT at, prefix, kind, name, asn, asn_name, country, cut,"
                                   " packets, bits FROM traffic_sum WHERE at >= ?1 AND at < ?2"
                                   " ORDER BY at DESC");
    apr_status_t rv;

    cfmt_bind_int(st, 1, from);
    cfmt_bind_int(st, 2, to);
    while (cfmt_sql_row(s, st, &rv)) {
        c->rows++;
        add_sum(c, st);
    }
    return rv;
}

/* ---- the largest ----------------------------------------------------------------------------- */

static int by_packets(const void *va, const void *vb)
{
    const cfmt_traffic_sum_t *a = &((const cfmt_top_t *)va)->sum;
    const cfmt_traffic_sum_t *b = &((const cfmt_top_t *)vb)->sum;

    return a->packets != b->packets ? (a->packets > b->packets ? -1 : 1) : strcmp(a->name, b->name);
}

static apr_array_header_t *largest(const count_t *c, cfmt_sum_e kind, int n)
{
    apr_array_header_t *all = apr_array_make(c->p, n, sizeof(cfmt_top_t));
    apr_hash_index_t *hi;
    cfmt_cidr_t source;
    int i;

    for (hi = apr_hash_first(c->p, c->of[kind]); hi; hi = apr_hash_next(hi)) {
        APR_ARRAY_PUSH(all, cfmt_top_t) = *(cfmt_top_t *)apr_hash_this_val(hi);
    }
    qsort(all->elts, (size_t)all->nelts, sizeof(cfmt_top_t), by_packets);
    all->nelts = all->nelts > n ? n : all->nelts;
    for (i = 0; i < all->nelts; i++) {
        cfmt_top_t *top = &APR_ARRAY_IDX(all, i, cfmt_top_t);

        top->share = c->tops->packets > 0 ? top->sum.packets / c->tops->packets : 0;
        top->spoofed = kind == CFMT_SUM_SOURCE
                       && cfmt_cidr_parse(&source, NULL, top->sum.name) == APR_SUCCESS
                       && cfmt_cidr_spoofed(&source);
    }
    return all;
}

apr_status_t cfmt_traffic_tops(cfmt_store_t *s, cfmt_tops_t *tops,
                               const apr_array_header_t *prefixes, apr_time_t from, apr_time_t to,
                               int n, apr_pool_t *p)
{
    count_t c = { .tops = tops, .prefixes = prefixes, .p = p, .wanted = apr_hash_make(p) };
    apr_time_t at;
    apr_status_t rv;
    int i;

    memset(tops, 0, sizeof(*tops));
    for (i = 0; i < CFMT_SUM_KINDS; i++) {
        c.of[i] = apr_hash_make(p);
    }
    rv = cfmt_traffic_newest(s, from, to, &at);
    while (rv == APR_SUCCESS && at && c.rows < TOPS_MAX) {
        apr_time_t begin = at + CFMT_MINUTE - PAGE > from ? at + CFMT_MINUTE - PAGE : from;

        rv = add_page(&c, s, begin, at + CFMT_MINUTE);
        rv = rv == APR_SUCCESS ? cfmt_traffic_newest(s, from, begin, &at) : rv;
    }
    end_minute(&c);
    tops->partial = at != 0;
    tops->spoofed = tops->packets > 0 ? c.spoofed / tops->packets : 0;
    for (i = 0; i < CFMT_SUM_KINDS; i++) {
        tops->of[i] = largest(&c, (cfmt_sum_e)i, n);
    }
    return rv;
}
