/*
 * A sheet: what is kept of one minute of attack traffic on one prefix. Analytics give a row a
 * sample, thousands of them; kept are the largest and the sums by what people ask for.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "cfmt_store_traffic.h"

/* So many of each kind; all of them together are CFMT_TRAFFIC_SUMS. */
static const int most[CFMT_SUM_KINDS] = {
    [CFMT_SUM_TOTAL] = 1,   [CFMT_SUM_SPOOFED] = 1,  [CFMT_SUM_VECTOR] = 6,
    [CFMT_SUM_SOURCE] = 16, [CFMT_SUM_ASN] = 8,      [CFMT_SUM_COUNTRY] = 8,
    [CFMT_SUM_PORT] = 6,    [CFMT_SUM_SOURCE_PORT] = 4, [CFMT_SUM_COLO] = 6,
    [CFMT_SUM_TARGET] = 4,
};

/* ---- sums ------------------------------------------------------------------------------------ */

/* What is being added up; all of it dies with ptemp. */
typedef struct book_t {
    apr_pool_t *ptemp;
    apr_hash_t *of[CFMT_SUM_KINDS]; /* name to cfmt_traffic_sum_t */
} book_t;

static cfmt_traffic_sum_t *add(book_t *b, cfmt_sum_e kind, const char *name,
                               const cfmt_detail_t *d)
{
    cfmt_traffic_sum_t *sum = name ? apr_hash_get(b->of[kind], name, APR_HASH_KEY_STRING) : NULL;

    if (!name) {
        return NULL;
    }
    if (!sum) {
        sum = apr_pcalloc(b->ptemp, sizeof(*sum));
        sum->kind = kind;
        sum->name = name;
        apr_hash_set(b->of[kind], name, APR_HASH_KEY_STRING, sum);
    }
    sum->packets += d->packets;
    sum->bits += d->bits;
    return sum;
}

static const char *port_text(const cfmt_detail_t *d, int port, apr_pool_t *p)
{
    return port ? apr_psprintf(p, "%s/%d", d->protocol ? d->protocol : "?", port) : NULL;
}

static const char *host_text(const cfmt_cidr_t *c, apr_pool_t *p)
{
    return c->family ? cfmt_cidr_format(p, c) : NULL;
}

static void add_source(book_t *b, const cfmt_detail_t *d)
{
    cfmt_traffic_sum_t *sum = add(b, CFMT_SUM_SOURCE, host_text(&d->source, b->ptemp), d);
    const char *asn = d->asn ? apr_psprintf(b->ptemp, "%" APR_INT64_T_FMT, d->asn) : NULL;

    if (sum) {
        sum->asn = d->asn;
        sum->asn_name = d->asn_name;
        sum->country = d->country;
    }
    sum = add(b, CFMT_SUM_ASN, asn, d);
    if (sum) {
        sum->asn = d->asn;
        sum->asn_name = d->asn_name;
    }
    add(b, CFMT_SUM_COUNTRY, d->country, d);
    add(b, CFMT_SUM_SPOOFED, d->source.family && cfmt_cidr_spoofed(&d->source) ? "" : NULL, d);
}

static void add_row(book_t *b, const cfmt_detail_t *d)
{
    add(b, CFMT_SUM_TOTAL, "", d);
    add(b, CFMT_SUM_VECTOR, d->vector, d);
    add_source(b, d);
    add(b, CFMT_SUM_PORT, port_text(d, d->target_port, b->ptemp), d);
    add(b, CFMT_SUM_SOURCE_PORT, port_text(d, d->source_port, b->ptemp), d);
    add(b, CFMT_SUM_COLO, d->colo, d);
    add(b, CFMT_SUM_TARGET, host_text(&d->target, b->ptemp), d);
}

/*
 * Most rows of a flood are single samples, all equal. Which of them stay is decided by this hash
 * (FNV-1a): in each minute the same, so that it adds up, but not those of the lowest addresses,
 * which are the forged ones of 10.0.0.0/8.
 */
static apr_uint32_t hash(apr_uint32_t h, const void *data, apr_size_t len)
{
    const unsigned char *bytes = data;
    apr_size_t i;

    for (i = 0; i < len; i++) {
        h = (h ^ bytes[i]) * 16777619u;
    }
    return h;
}

#define HASH_START 2166136261u

static int by_packets(const void *va, const void *vb)
{
    const cfmt_traffic_sum_t *a = va, *b = vb;
    apr_uint32_t x, y;

    if (a->packets != b->packets) {
        return a->packets > b->packets ? -1 : 1;
    }
    x = hash(HASH_START, a->name, strlen(a->name));
    y = hash(HASH_START, b->name, strlen(b->name));
    return x != y ? (x < y ? -1 : 1) : strcmp(a->name, b->name);
}

/* ---- the sheet ------------------------------------------------------------------------------- */

static const char *copy(const char *text, apr_pool_t *p)
{
    return text ? apr_pstrdup(p, text) : NULL;
}

static void keep_sums(cfmt_traffic_sheet_t *sheet, const book_t *b, cfmt_sum_e kind, apr_pool_t *p)
{
    int count = (int)apr_hash_count(b->of[kind]), i;
    apr_array_header_t *all = apr_array_make(b->ptemp, count + 1, sizeof(cfmt_traffic_sum_t));
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(b->ptemp, b->of[kind]); hi; hi = apr_hash_next(hi)) {
        APR_ARRAY_PUSH(all, cfmt_traffic_sum_t) = *(cfmt_traffic_sum_t *)apr_hash_this_val(hi);
    }
    qsort(all->elts, (size_t)count, sizeof(cfmt_traffic_sum_t), by_packets);
    for (i = 0; i < count && i < most[kind]; i++) {
        cfmt_traffic_sum_t *sum = apr_array_push(sheet->sums);

        *sum = APR_ARRAY_IDX(all, i, cfmt_traffic_sum_t);
        sum->name = copy(sum->name, p);
        sum->asn_name = copy(sum->asn_name, p);
        sum->country = copy(sum->country, p);
    }
}

static apr_uint32_t row_hash(const cfmt_detail_t *d)
{
    apr_uint32_t h = hash(HASH_START, d->source.addr, sizeof(d->source.addr));

    return hash(h, &d->source_port, sizeof(d->source_port));
}

static int by_size(const void *va, const void *vb)
{
    const cfmt_detail_t *a = va, *b = vb;
    apr_uint32_t x, y;
    int diff;

    if (a->packets != b->packets) {
        return a->packets > b->packets ? -1 : 1;
    }
    x = row_hash(a);
    y = row_hash(b);
    if (x != y) {
        return x < y ? -1 : 1;
    }
    diff = cfmt_cidr_compare(&a->source, &b->source);
    diff = diff ? diff : a->source_port - b->source_port;
    return diff ? diff : cfmt_cidr_compare(&a->target, &b->target);
}

static void keep_rows(cfmt_traffic_sheet_t *sheet, const apr_array_header_t *rows, apr_pool_t *p)
{
    int i;

    for (i = 0; i < rows->nelts && i < CFMT_TRAFFIC_ROWS; i++) {
        cfmt_detail_t *d = apr_array_push(sheet->rows);

        *d = APR_ARRAY_IDX(rows, i, cfmt_detail_t);
        d->vector = copy(d->vector, p);
        d->rule_id = copy(d->rule_id, p);
        d->rule = copy(d->rule, p);
        d->asn_name = copy(d->asn_name, p);
        d->country = copy(d->country, p);
        d->protocol = copy(d->protocol, p);
        d->flags = copy(d->flags, p);
        d->colo = copy(d->colo, p);
    }
}

cfmt_traffic_sheet_t *cfmt_traffic_sheet(const cfmt_cidr_t *prefix, apr_time_t minute, int cut,
                                         apr_array_header_t *rows, apr_pool_t *p)
{
    cfmt_traffic_sheet_t *sheet = apr_pcalloc(p, sizeof(*sheet));
    book_t b;
    int i;

    apr_pool_create(&b.ptemp, p);
    for (i = 0; i < CFMT_SUM_KINDS; i++) {
        b.of[i] = apr_hash_make(b.ptemp);
    }
    sheet->prefix = *prefix;
    sheet->minute = minute;
    sheet->cut = cut;
    sheet->rows = apr_array_make(p, CFMT_TRAFFIC_ROWS, sizeof(cfmt_detail_t));
    sheet->sums = apr_array_make(p, CFMT_TRAFFIC_SUMS, sizeof(cfmt_traffic_sum_t));
    qsort(rows->elts, (size_t)rows->nelts, sizeof(cfmt_detail_t), by_size);
    for (i = 0; i < rows->nelts; i++) {
        add_row(&b, &APR_ARRAY_IDX(rows, i, cfmt_detail_t));
    }
    for (i = 0; i < CFMT_SUM_KINDS; i++) {
        keep_sums(sheet, &b, (cfmt_sum_e)i, p);
    }
    keep_rows(sheet, rows, p);
    apr_pool_destroy(b.ptemp);
    return sheet;
}
