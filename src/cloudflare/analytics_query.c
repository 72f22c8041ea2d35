/*
 * How traffic is asked for: which subnets stand for which prefixes, the text of the query and its
 * variables. All values are variables; the text varies with the number of wide prefixes only.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "analytics.h"

/* More patterns than this and the next coarser one is asked for instead. */
#define PATTERN_BITS 8
/*
 * The newest row is looked for in the last hour, and also behind the piece: a row there proves that
 * the last minute of an older piece is complete.
 */
#define MARK_BEFORE apr_time_from_sec(3600)
#define MARK_BEHIND apr_time_from_sec(600)

/* ---- subnets --------------------------------------------------------------------------------- */

/* The i-th network of that length in c, or (i = 0) the one that covers it. bits: at most 48. */
static cfmt_cidr_t network_of(const cfmt_cidr_t *c, int bits, unsigned i)
{
    cfmt_cidr_t n = {.family = c->family, .bits = (unsigned char)bits};
    apr_uint64_t head = 0;
    int at;

    for (at = 0; at < 8; at++) {
        head = head << 8 | c->addr[at];
    }
    head = bits ? (head & ~(apr_uint64_t)0 << (64 - bits)) + ((apr_uint64_t)i << (64 - bits)) : 0;
    for (at = 7; at >= 0; at--, head >>= 8) {
        n.addr[at] = (unsigned char)head;
    }
    return n;
}

static int subnet_bits(const cfmt_cidr_t *c)
{
    return c->family == 4 ? 24 : 48;
}

cfmt_cidr_t cfmt_traffic_subnet(const cfmt_cidr_t *c)
{
    return c->bits > subnet_bits(c) ? network_of(c, subnet_bits(c), 0) : *c;
}

static void add_parts(apr_array_header_t *parts, const cfmt_cidr_t *c, int prefix)
{
    int bits = subnet_bits(c);
    unsigned i, count = c->bits < bits ? 1u << (bits - c->bits) : 1;

    for (i = 0; i < count; i++) {
        cfmt_traffic_part_t *part = apr_array_push(parts);

        part->subnet = network_of(c, bits, i);
        part->prefix = prefix;
    }
}

static int compare_parts(const void *a, const void *b)
{
    const cfmt_traffic_part_t *x = a, *y = b;
    int diff = cfmt_cidr_compare(&x->subnet, &y->subnet);

    return diff ? diff : x->prefix - y->prefix;
}

void cfmt_traffic_plan(cfmt_traffic_plan_t *plan, const cfmt_traffic_piece_t *piece,
                       apr_pool_t *p)
{
    int i;

    plan->parts = apr_array_make(p, piece->prefixes->nelts, sizeof(cfmt_traffic_part_t));
    plan->wide = apr_array_make(p, 1, sizeof(int));
    for (i = 0; i < piece->prefixes->nelts; i++) {
        const cfmt_cidr_t *c = &APR_ARRAY_IDX(piece->prefixes, i, cfmt_cidr_t);

        if (c->bits < (c->family == 4 ? 18 : 44)) {
            APR_ARRAY_PUSH(plan->wide, int) = i;
        }
        else {
            add_parts(plan->parts, c, i);
        }
    }
    qsort(plan->parts->elts, (size_t)plan->parts->nelts, sizeof(cfmt_traffic_part_t),
          compare_parts);
}

/* ---- variables ------------------------------------------------------------------------------- */

static const char *list_of(const apr_array_header_t *items, apr_pool_t *p)
{
    return apr_pstrcat(p, "[", apr_array_pstrcat(p, items, ','), "]", NULL);
}

/* One that several prefixes share is asked for once. */
const char *cfmt_traffic_subnets(const apr_array_header_t *parts, apr_pool_t *p)
{
    apr_array_header_t *items = apr_array_make(p, parts->nelts, sizeof(const char *));
    const cfmt_traffic_part_t *part = (const cfmt_traffic_part_t *)parts->elts;
    int i;

    for (i = 0; i < parts->nelts; i++) {
        if (i == 0 || cfmt_cidr_compare(&part[i - 1].subnet, &part[i].subnet)) {
            APR_ARRAY_PUSH(items, const char *) =
                cfmt_json_quote(p, cfmt_cidr_format(p, &part[i].subnet));
        }
    }
    return list_of(items, p);
}

static void add_pattern(apr_array_header_t *items, const char *start)
{
    APR_ARRAY_PUSH(items, const char *) =
        apr_pstrcat(items->pool, "{\"ipDestinationSubnet_like\":\"", start, "%\"}", NULL);
}

/* How the text of every subnet in n begins; n ends at an octet. */
static void add_octets(apr_array_header_t *items, const cfmt_cidr_t *n)
{
    const char *text = "";
    int i;

    for (i = 0; i < n->bits / 8; i++) {
        text = apr_psprintf(items->pool, "%s%d.", text, n->addr[i]);
    }
    add_pattern(items, text);
}

/* The same of hextets. Zeros at the end: of 2001:0::/32 one subnet is written 2001::/48. */
static void add_hextets(apr_array_header_t *items, const cfmt_cidr_t *n)
{
    const char *text = "", *short_text = NULL;
    int i, hextet = -1;

    for (i = 0; i < n->bits / 16; i++) {
        hextet = n->addr[2 * i] << 8 | n->addr[2 * i + 1];
        if (hextet) {
            short_text = NULL;
        }
        else if (!short_text) {
            short_text = apr_pstrcat(items->pool, i ? text : ":", ":", NULL);
        }
        text = apr_psprintf(items->pool, "%s%x:", text, (unsigned)hextet);
    }
    add_pattern(items, text);
    if (short_text) {
        add_pattern(items, short_text);
    }
}

/*
 * Only "%" is documented for _like, so a pattern ends at an octet or hextet. Lengths between are
 * put together: 2001:db8::/29 of eight. Where that takes more than 256 (v6 /17 to /23 and /33 to
 * /39) it is one that covers more than the prefix: other networks of this account can make an
 * attack of it then, but nothing that hits it is missed.
 */
const char *cfmt_traffic_patterns(const cfmt_cidr_t *c, apr_pool_t *p)
{
    apr_array_header_t *items = apr_array_make(p, 4, sizeof(const char *));
    int step = c->family == 4 ? 8 : 16, bits = (c->bits + step - 1) / step * step;
    unsigned i, count;

    bits = bits - c->bits > PATTERN_BITS ? bits - step : bits;
    count = bits > c->bits ? 1u << (bits - c->bits) : 1;
    for (i = 0; i < count; i++) {
        cfmt_cidr_t n = network_of(c, bits, i);

        (c->family == 4 ? add_octets : add_hextets)(items, &n);
    }
    return list_of(items, p);
}

static const char *time_of(apr_time_t t, apr_pool_t *p)
{
    return cfmt_json_quote(p, cfmt_time_format(p, t));
}

void cfmt_traffic_mark_span(apr_time_t *pfrom, apr_time_t *pto, const cfmt_traffic_piece_t *piece)
{
    apr_interval_time_t length = piece->to - piece->from;

    /* Never longer than the piece, but for short ones: the plan limits the range of a query. */
    *pto = piece->to + MARK_BEHIND;
    *pfrom = *pto - (length > MARK_BEFORE + MARK_BEHIND ? length : MARK_BEFORE + MARK_BEHIND);
}

static const char *variables_of(const char *account, const cfmt_traffic_piece_t *piece, int limit,
                                const cfmt_traffic_plan_t *plan, apr_pool_t *p)
{
    apr_array_header_t *made = apr_array_make(p, 8, sizeof(const char *));
    apr_time_t from, to;
    int i;

    cfmt_traffic_mark_span(&from, &to, piece);
    APR_ARRAY_PUSH(made, const char *) = apr_pstrcat(
        p, "\"account\":", cfmt_json_quote(p, account), ",\"markFrom\":", time_of(from, p),
        ",\"markTo\":", time_of(to, p), ",\"from\":", time_of(piece->from, p), ",\"to\":",
        time_of(piece->to, p), ",\"limit\":", apr_itoa(p, limit), NULL);
    /* no outcome is called "-" */
    APR_ARRAY_PUSH(made, const char *) = piece->without_passed ? "\"not\":\"pass\""
                                                               : "\"not\":\"-\"";
    if (plan->parts->nelts) {
        APR_ARRAY_PUSH(made, const char *) =
            apr_pstrcat(p, "\"subnets\":", cfmt_traffic_subnets(plan->parts, p), NULL);
    }
    for (i = 0; i < plan->wide->nelts; i++) {
        const cfmt_cidr_t *c = &APR_ARRAY_IDX(piece->prefixes, APR_ARRAY_IDX(plan->wide, i, int),
                                              cfmt_cidr_t);

        APR_ARRAY_PUSH(made, const char *) =
            apr_psprintf(p, "\"wide%d\":%s", i, cfmt_traffic_patterns(c, p));
    }
    return apr_pstrcat(p, "{", apr_array_pstrcat(p, made, ','), "}", NULL);
}

/* ---- the text -------------------------------------------------------------------------------- */

#define FILTER "AccountMagicTransitNetworkAnalyticsAdaptiveGroupsFilter_InputObject"
/*
 * The most packets first: what a cut answer holds may still prove an attack. DIMENSIONS without the
 * subnet are sums over all subnets that the filter lets through.
 */
#define ALIAS(FILTERED, DIMENSIONS) \
    CFMT_TRAFFIC_DATASET "(limit: $limit, filter: {datetime_geq: $from, datetime_lt: $to, " \
    "outcome_neq: $not, " FILTERED "}, orderBy: [sum_packets_DESC]) { sum { packets bits }" \
    " dimensions { datetimeMinute " DIMENSIONS "outcome mitigationSystem } }"

static const char mark_text[] =
    "mark: " CFMT_TRAFFIC_DATASET "(limit: 1, filter: {datetime_geq: $markFrom,"
    " datetime_lt: $markTo}, orderBy: [datetimeMinute_DESC]) { dimensions { datetimeMinute } }";

static const char subnets_text[] =
    " subnets: " ALIAS("ipDestinationSubnet_in: $subnets", "ipDestinationSubnet ");

/* An unused variable makes a query invalid. */
static const char *text_of(const cfmt_traffic_plan_t *plan, apr_pool_t *p)
{
    apr_array_header_t *declared = apr_array_make(p, 4, sizeof(const char *));
    apr_array_header_t *aliases = apr_array_make(p, 4, sizeof(const char *));
    int i;

    APR_ARRAY_PUSH(declared, const char *) =
        "query($account: string!, $markFrom: Time!, $markTo: Time!";
    APR_ARRAY_PUSH(aliases, const char *) = mark_text;
    if (plan->parts->nelts || plan->wide->nelts) {
        APR_ARRAY_PUSH(declared, const char *) =
            ", $from: Time!, $to: Time!, $limit: uint64!, $not: string!";
    }
    if (plan->parts->nelts) {
        APR_ARRAY_PUSH(declared, const char *) = ", $subnets: [string!]";
        APR_ARRAY_PUSH(aliases, const char *) = subnets_text;
    }
    for (i = 0; i < plan->wide->nelts; i++) {
        APR_ARRAY_PUSH(declared, const char *) = apr_psprintf(p, ", $wide%d: [" FILTER "!]", i);
        APR_ARRAY_PUSH(aliases, const char *) =
            apr_psprintf(p, " wide%d: " ALIAS("OR: $wide%d", ""), i, i);
    }
    return apr_pstrcat(p, apr_array_pstrcat(p, declared, '\0'),
                       ") { viewer { accounts(filter: {accountTag: $account}) { ",
                       apr_array_pstrcat(p, aliases, '\0'), " } } }", NULL);
}

const char *cfmt_traffic_query(const char *account, const cfmt_traffic_piece_t *piece, int limit,
                               apr_pool_t *p)
{
    cfmt_traffic_plan_t plan;

    cfmt_traffic_plan(&plan, piece, p);
    return cfmt_api_query(text_of(&plan, p), variables_of(account, piece, limit, &plan, p), p);
}

#define ALIAS_PATH "data.viewer.accounts.0."

const char *const *cfmt_traffic_rows(const cfmt_traffic_piece_t *piece, apr_pool_t *p)
{
    apr_array_header_t *paths = apr_array_make(p, 4, sizeof(const char *));
    cfmt_traffic_plan_t plan;
    int i;

    cfmt_traffic_plan(&plan, piece, p);
    APR_ARRAY_PUSH(paths, const char *) = ALIAS_PATH "mark";
    if (plan.parts->nelts) {
        APR_ARRAY_PUSH(paths, const char *) = ALIAS_PATH "subnets";
    }
    for (i = 0; i < plan.wide->nelts; i++) {
        APR_ARRAY_PUSH(paths, const char *) = apr_psprintf(p, ALIAS_PATH "wide%d", i);
    }
    APR_ARRAY_PUSH(paths, const char *) = NULL;
    return (const char *const *)paths->elts;
}

/* ---- limits ---------------------------------------------------------------------------------- */

const char *cfmt_analytics_limits_query(const char *account, apr_pool_t *p)
{
    static const char text[] =
        "query($account: string!) { viewer { accounts(filter: {accountTag: $account}) { settings {"
        " " CFMT_TRAFFIC_DATASET " { maxPageSize maxDuration notOlderThan }"
        " " CFMT_DETAIL_DATASET " { maxPageSize maxDuration notOlderThan } } } } }";

    return cfmt_api_query(text, apr_pstrcat(p, "{\"account\":", cfmt_json_quote(p, account), "}",
                                            NULL), p);
}
