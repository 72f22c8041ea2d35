/*
 * Detail of attack traffic: the query for it, and what a row says. Who sends what to whom by which
 * vector, as DDoS protection saw it in one minute.
 */
#include <string.h>

#include <apr_strings.h>

#include "analytics.h"
#include "cfmt_cloudflare_detail.h"
#include "row.h"

void cfmt_detail_limits_read(cfmt_analytics_limits_t *l, const cfmt_json_t *row)
{
    cfmt_analytics_limits_take(l, cfmt_json_get(row, CFMT_DETAIL_DATASET));
}

/* ---- the query ------------------------------------------------------------------------------- */

/*
 * verdict is what the protection thinks of a packet, whatever was done to it: rules in log mode
 * show, too. The most packets first: what is missing in a cut answer is the small.
 */
static const char query_text[] =
    "query($account: string!, $from: Time!, $to: Time!, $limit: uint64!,"
    " $places: [AccountDosdNetworkAnalyticsAdaptiveGroupsFilter_InputObject!]) {"
    " viewer { accounts(filter: {accountTag: $account}) {"
    " detail: " CFMT_DETAIL_DATASET "(limit: $limit, filter: {datetime_geq: $from,"
    " datetime_lt: $to, verdict: \"drop\", OR: $places}, orderBy: [sum_packets_DESC]) {"
    " sum { packets bits } dimensions { datetimeMinute attackVector ruleId ruleName"
    " ipSourceAddress sourceAsn sourceAsnName sourceCountry sourcePort ipDestinationAddress"
    " destinationPort ipProtocolName tcpFlagsString coloCode } } } } }";

/* Filters of which one must fit: subnets that are named, patterns of those that are too many. */
static const char *places_of(const cfmt_traffic_piece_t *piece, apr_pool_t *p)
{
    apr_array_header_t *made = apr_array_make(p, 4, sizeof(const char *));
    cfmt_traffic_plan_t plan;
    const char *list;
    int i;

    cfmt_traffic_plan(&plan, piece, p);
    if (plan.parts->nelts) {
        APR_ARRAY_PUSH(made, const char *) = apr_pstrcat(
            p, "{\"ipDestinationSubnet_in\":", cfmt_traffic_subnets(plan.parts, p), "}", NULL);
    }
    for (i = 0; i < plan.wide->nelts; i++) {
        list = cfmt_traffic_patterns(&APR_ARRAY_IDX(piece->prefixes,
                                                    APR_ARRAY_IDX(plan.wide, i, int), cfmt_cidr_t),
                                     p);
        APR_ARRAY_PUSH(made, const char *) = apr_pstrmemdup(p, list + 1, strlen(list) - 2);
    }
    return apr_pstrcat(p, "[", apr_array_pstrcat(p, made, ','), "]", NULL);
}

const char *cfmt_detail_query(const char *account, const cfmt_traffic_piece_t *piece, int limit,
                              apr_pool_t *p)
{
    const char *variables = apr_pstrcat(
        p, "{\"account\":", cfmt_json_quote(p, account), ",\"from\":",
        cfmt_json_quote(p, cfmt_time_format(p, piece->from)), ",\"to\":",
        cfmt_json_quote(p, cfmt_time_format(p, piece->to)), ",\"limit\":", apr_itoa(p, limit),
        ",\"places\":", places_of(piece, p), "}", NULL);

    return cfmt_api_query(query_text, variables, p);
}

/* ---- a row ----------------------------------------------------------------------------------- */

#define ASN_MAX 4294967295LL
#define PORT_MAX 65535

static void read_host(cfmt_cidr_t *c, const cfmt_json_t *dimensions, const char *key)
{
    if (cfmt_cidr_parse(c, NULL, cfmt_json_text(dimensions, key)) != APR_SUCCESS) {
        memset(c, 0, sizeof(*c));
    }
}

/* "XX" and "T1" (Tor) are no countries. */
static const char *read_country(const cfmt_json_t *dimensions, apr_pool_t *p)
{
    const char *text = cfmt_row_text(dimensions, "sourceCountry", p);
    int i, letters = 0;

    for (i = 0; text && text[i]; i++) {
        letters += text[i] >= 'A' && text[i] <= 'Z';
    }
    return letters == 2 && i == 2 && strcmp(text, "XX") ? text : NULL;
}

static void read_source(cfmt_detail_t *d, const cfmt_json_t *dimensions, apr_pool_t *p)
{
    read_host(&d->source, dimensions, "ipSourceAddress");
    d->asn = cfmt_row_int(dimensions, "sourceAsn", 1, ASN_MAX);
    d->asn_name = cfmt_row_text(dimensions, "sourceAsnName", p);
    d->country = read_country(dimensions, p);
    d->source_port = (int)cfmt_row_int(dimensions, "sourcePort", 1, PORT_MAX);
}

static void read_packet(cfmt_detail_t *d, const cfmt_json_t *dimensions, apr_pool_t *p)
{
    d->vector = cfmt_row_text(dimensions, "attackVector", p);
    d->rule_id = cfmt_row_text(dimensions, "ruleId", p);
    d->rule = cfmt_row_text(dimensions, "ruleName", p);
    d->target_port = (int)cfmt_row_int(dimensions, "destinationPort", 1, PORT_MAX);
    d->protocol = cfmt_row_text(dimensions, "ipProtocolName", p);
    d->flags = cfmt_row_text(dimensions, "tcpFlagsString", p);
    d->colo = cfmt_row_text(dimensions, "coloCode", p);
}

apr_status_t cfmt_detail_read(cfmt_detail_t *d, const char **pwhy, const cfmt_json_t *row,
                              apr_pool_t *p)
{
    const cfmt_json_t *dimensions = cfmt_json_get(row, "dimensions");
    const cfmt_json_t *sum = cfmt_json_get(row, "sum");

    memset(d, 0, sizeof(*d));
    d->minute = cfmt_row_time(dimensions, "datetimeMinute");
    d->minute -= d->minute % CFMT_MINUTE;
    read_host(&d->target, dimensions, "ipDestinationAddress");
    d->packets = cfmt_row_number(sum, "packets");
    d->bits = cfmt_row_number(sum, "bits");
    *pwhy = !d->minute ? "member \"datetimeMinute\" is missing or no time"
            : !d->target.family ? "member \"ipDestinationAddress\" is missing or no address"
            : d->packets < 0 || d->bits < 0 ? "member \"packets\" or \"bits\" is missing or no "
                                              "number"
                                            : NULL;
    if (*pwhy) {
        return CFMT_EINVALID;
    }
    read_source(d, dimensions, p);
    read_packet(d, dimensions, p);
    return APR_SUCCESS;
}
