/*
 * Cloudflare's own address ranges, and whether a new list of them can be believed: whoever could
 * make us accept a wrong one would decide who may send us alerts.
 */
#include <string.h>

#include <apr_strings.h>

#include "row.h"

#define V4_LEAST 5
#define V6_LEAST 2
#define MOST 500 /* some 22 are real; many small ones could be the whole Internet */
#define V4_SHORTEST 8
#define V6_SHORTEST 20

apr_status_t cfmt_ranges_read(cfmt_ranges_t *g, const char **pwhy, const cfmt_json_t *row,
                              apr_pool_t *p)
{
    apr_status_t rv;

    g->etag = cfmt_row_text(row, "etag", p);
    g->cidrs = apr_array_make(p, 32, sizeof(cfmt_cidr_t));
    if ((rv = cfmt_row_cidrs(g->cidrs, pwhy, row, "ipv4_cidrs", 4, p)) != APR_SUCCESS
        || (rv = cfmt_row_cidrs(g->cidrs, pwhy, row, "ipv6_cidrs", 6, p)) != APR_SUCCESS) {
        return rv;
    }
    cfmt_row_cidrs_sort(g->cidrs);
    return APR_SUCCESS;
}

/* ---- belief ---------------------------------------------------------------------------------- */

/*
 * The special-purpose registries (RFC 6890 and what was added since), without those that are routed
 * everywhere. IPv6 addresses of the public network are all in 2000::/3: the first three are the
 * rest, with loopback, mapped, unique local, link-local and multicast ones.
 */
static const char *const reserved[] = {
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "::/3", "4000::/2", "8000::/1",
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
};

/* The reserved range that c lies in or reaches into; NULL = none. */
static const char *find_reserved(const cfmt_cidr_t *c)
{
    cfmt_cidr_t r;
    apr_size_t i;

    for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        /* Our own constants; the unit test proves that each of them is refused. */
        if (cfmt_cidr_parse(&r, NULL, reserved[i]) == APR_SUCCESS
            && (cfmt_cidr_contains(&r, c) || cfmt_cidr_contains(c, &r))) {
            return reserved[i];
        }
    }
    return NULL;
}

static const char *judge_one(const cfmt_cidr_t *c, apr_pool_t *p)
{
    const char *text = cfmt_cidr_format(p, c), *inside;
    int shortest = c->family == 4 ? V4_SHORTEST : V6_SHORTEST;

    if (c->bits < shortest) {
        return apr_psprintf(p, "%s is shorter than /%d", text, shortest);
    }
    inside = find_reserved(c);
    return inside ? apr_psprintf(p, "%s is not of the public network (%s)", text, inside) : NULL;
}

static const char *judge_count(const cfmt_ranges_t *g, apr_pool_t *p)
{
    int i, v4 = 0;

    for (i = 0; i < g->cidrs->nelts; i++) {
        v4 += APR_ARRAY_IDX(g->cidrs, i, cfmt_cidr_t).family == 4;
    }
    if (v4 < V4_LEAST) {
        return apr_psprintf(p, "only %d IPv4 ranges", v4);
    }
    if (g->cidrs->nelts - v4 < V6_LEAST) {
        return apr_psprintf(p, "only %d IPv6 ranges", g->cidrs->nelts - v4);
    }
    if (g->cidrs->nelts > MOST) {
        return apr_psprintf(p, "as many as %d ranges", g->cidrs->nelts);
    }
    return NULL;
}

/* Within a larger one counts as there: ranges are joined at times. */
static int is_there(const cfmt_ranges_t *g, const cfmt_cidr_t *known)
{
    int i;

    for (i = 0; i < g->cidrs->nelts; i++) {
        if (cfmt_cidr_contains(&APR_ARRAY_IDX(g->cidrs, i, cfmt_cidr_t), known)) {
            return 1;
        }
    }
    return 0;
}

static const char *judge_gone(const cfmt_ranges_t *g, apr_pool_t *p)
{
    apr_array_header_t *known = cfmt_senders_compiled(p);
    int i, gone = 0;

    for (i = 0; i < known->nelts; i++) {
        gone += !is_there(g, &APR_ARRAY_IDX(known, i, cfmt_cidr_t));
    }
    return gone * 2 > known->nelts
               ? apr_psprintf(p, "%d of the %d known ranges are gone", gone, known->nelts) : NULL;
}

const char *cfmt_ranges_absurd(const cfmt_ranges_t *g, apr_pool_t *p)
{
    const char *why = judge_count(g, p);
    int i;

    for (i = 0; !why && i < g->cidrs->nelts; i++) {
        why = judge_one(&APR_ARRAY_IDX(g->cidrs, i, cfmt_cidr_t), p);
    }
    return why ? why : judge_gone(g, p);
}
