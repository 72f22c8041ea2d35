/*
 * Unit tests of src/cloudflare/detail.c: what is asked of the dataset of attacks, what its rows
 * mean, and its limits. tests/sim/test_client_queries.py judges the query by the published schema.
 */
#include <apr_strings.h>

#include "cfmt_cloudflare_detail.h"
#include "kit.h"
#include "rows.h"

#define MINUTE_0 ((apr_time_t)1800000000 * APR_USEC_PER_SEC)

/* ---- the question ---------------------------------------------------------------------------- */

static const struct {
    const char *prefixes[4], *places;
} asked[] = {
    {{"192.0.2.0/24"}, "[{\"ipDestinationSubnet_in\":[\"192.0.2.0/24\"]}]"},
    {{"203.0.113.128/25", "203.0.113.0/24", "2001:db8:1:2::/64"},
     "[{\"ipDestinationSubnet_in\":[\"203.0.113.0/24\",\"2001:db8:1::/48\"]}]"},
    {{"10.0.2.0/23"}, "[{\"ipDestinationSubnet_in\":[\"10.0.2.0/24\",\"10.0.3.0/24\"]}]"},
    {{"2001:db8::/32"}, "[{\"ipDestinationSubnet_like\":\"2001:db8:%\"}]"},
    {{"192.0.2.0/24", "10.8.0.0/15"},
     "[{\"ipDestinationSubnet_in\":[\"192.0.2.0/24\"]},{\"ipDestinationSubnet_like\":\"10.8.%\"},"
     "{\"ipDestinationSubnet_like\":\"10.9.%\"}]"},
    {{NULL}, "[]"},
};

START_TEST(test_query)
{
    cfmt_traffic_piece_t piece = {.from = MINUTE_0, .to = MINUTE_0 + 10 * CFMT_MINUTE};
    const cfmt_json_t *doc, *vars;
    const char *body, *query;
    int i;

    piece.prefixes = apr_array_make(unit_pool, 4, sizeof(cfmt_cidr_t));
    for (i = 0; i < 4 && asked[_i].prefixes[i]; i++) {
        APR_ARRAY_PUSH(piece.prefixes, cfmt_cidr_t) = rows_cidr(asked[_i].prefixes[i]);
    }
    body = cfmt_detail_query("a\"b", &piece, 777, unit_pool);
    doc = rows_parse(body);
    vars = cfmt_json_get(doc, "variables");
    query = cfmt_json_text(doc, "query");
    ck_assert_str_eq(cfmt_json_text(vars, "account"), "a\"b");
    ck_assert_str_eq(cfmt_json_text(vars, "from"), "2027-01-15T08:00:00Z");
    ck_assert_str_eq(cfmt_json_text(vars, "to"), "2027-01-15T08:10:00Z");
    ck_assert_str_eq(cfmt_json_text(vars, "limit"), "777");
    ck_assert_msg(strstr(body, apr_pstrcat(unit_pool, "\"places\":", asked[_i].places, "}", NULL))
                      != NULL, "%s", body);
    ck_assert_msg(strstr(query, "detail: dosdNetworkAnalyticsAdaptiveGroups(limit: $limit,")
                      && strstr(query, "orderBy: [sum_packets_DESC]")
                      && strstr(query, "datetime_lt: $to"), "%s", query);
    ck_assert_str_eq(CFMT_DETAIL_ROWS, "data.viewer.accounts.0.detail");
}
END_TEST

/* ---- rows ------------------------------------------------------------------------------------ */

#define AT "\"datetimeMinute\":\"2027-01-15T08:00:00Z\""
#define TO "\"ipDestinationAddress\":\"192.0.2.7\""
#define SUM "\"sum\":{\"packets\":10000,\"bits\":\"4.8e6\"}"

START_TEST(test_row)
{
    const char *why = NULL;
    cfmt_detail_t d;

    ck_assert_int_eq(
        cfmt_detail_read(&d, &why, rows_parse(
            "{\"dimensions\":{\"datetimeMinute\":\"2027-01-15T08:00:30Z\"," TO ","
            "\"attackVector\":\"UDP Flood\",\"ruleId\":\"r1\",\"ruleName\":\"big \\u00dcDP\","
            "\"ipSourceAddress\":\"2001:DB8::1\",\"sourceAsn\":4200000000,"
            "\"sourceAsnName\":\"Net\",\"sourceCountry\":\"CH\",\"sourcePort\":53,"
            "\"destinationPort\":\"443\",\"ipProtocolName\":\"UDP\",\"tcpFlagsString\":\"SYN ACK\","
            "\"coloCode\":\"ZRH\",\"new\":[1]}," SUM "}"), unit_pool), APR_SUCCESS);
    ck_assert(d.minute == MINUTE_0 && d.packets == 10000 && d.bits == 4.8e6);
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &d.source), "2001:db8::1");
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &d.target), "192.0.2.7");
    ck_assert_str_eq(d.vector, "UDP Flood");
    ck_assert_str_eq(d.rule_id, "r1");
    ck_assert_str_eq(d.rule, "big \303\234DP");
    ck_assert(d.asn == 4200000000LL && d.source_port == 53 && d.target_port == 443);
    ck_assert_str_eq(d.asn_name, "Net");
    ck_assert_str_eq(d.country, "CH");
    ck_assert_str_eq(d.protocol, "UDP");
    ck_assert_str_eq(d.flags, "SYN ACK");
    ck_assert_str_eq(d.colo, "ZRH");
}
END_TEST

static const struct {
    const char *row, *why; /* NULL = fine */
} odd[] = {
    {"{\"dimensions\":{" AT "," TO "}," SUM "}", NULL},
    {"{\"dimensions\":{" AT "," TO ",\"attackVector\":\"\",\"sourceAsn\":0,\"sourcePort\":65536,"
     "\"destinationPort\":-1,\"ipSourceAddress\":\"nonsense\",\"sourceCountry\":\"XX\","
     "\"coloCode\":null,\"ruleName\":[]}," SUM "}", NULL},
    {"{\"dimensions\":{" AT "," TO ",\"sourceCountry\":\"T1\",\"sourceAsn\":4294967296,"
     "\"ipSourceAddress\":7}," SUM "}", NULL},
    {"{\"dimensions\":{" AT "," TO ",\"sourceCountry\":\"CHE\"}," SUM "}", NULL},
    {"{\"dimensions\":{" TO "}," SUM "}", "datetimeMinute"},
    {"{\"dimensions\":{\"datetimeMinute\":1800000000," TO "}," SUM "}", "datetimeMinute"},
    {"{\"dimensions\":{" AT "}," SUM "}", "ipDestinationAddress"},
    {"{\"dimensions\":{" AT ",\"ipDestinationAddress\":\"192.0.2.256\"}," SUM "}",
     "ipDestinationAddress"},
    {"{\"dimensions\":{" AT "," TO "}}", "packets"},
    {"{\"dimensions\":{" AT "," TO "},\"sum\":{\"packets\":1}}", "bits"},
    {"{\"dimensions\":{" AT "," TO "},\"sum\":{\"packets\":-1,\"bits\":1}}", "packets"},
    {"{\"dimensions\":[]," SUM "}", "datetimeMinute"},
    {"null", "datetimeMinute"},
    {"[]", "datetimeMinute"},
};

/* What is not needed and cannot be understood is not said; what is needed is named. */
START_TEST(test_odd_row)
{
    const char *why = NULL;
    cfmt_detail_t d;
    apr_status_t rv = cfmt_detail_read(&d, &why, rows_parse(odd[_i].row), unit_pool);

    if (odd[_i].why) {
        ck_assert_msg(rv == CFMT_EINVALID && strstr(why, odd[_i].why), "%s: %s", odd[_i].row, why);
        return;
    }
    ck_assert_msg(rv == APR_SUCCESS, "%s: %s", odd[_i].row, why);
    ck_assert(!d.vector && !d.asn && !d.source_port && !d.target_port && !d.country && !d.colo
              && !d.rule && !d.source.family);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

#define LIMITS(page) \
    "{\"maxPageSize\":" page ",\"maxDuration\":3600,\"notOlderThan\":86400}"
static const struct {
    const char *settings;
    int page, duration;
} plans[] = {
    {"{\"dosdNetworkAnalyticsAdaptiveGroups\":" LIMITS("500") "}", 500, 3600},
    {"{\"dosdNetworkAnalyticsAdaptiveGroups\":" LIMITS("50000") "}", 10000, 3600},
    {"{\"magicTransitNetworkAnalyticsAdaptiveGroups\":" LIMITS("500") "}", 10000, 86400},
    {"{\"dosdNetworkAnalyticsAdaptiveGroups\":null}", 10000, 86400},
    {"{}", 10000, 86400},
    {"null", 10000, 86400},
};

START_TEST(test_limits)
{
    cfmt_analytics_limits_t l = {.page = 7};

    cfmt_detail_limits_read(&l, rows_parse(plans[_i].settings));
    ck_assert_int_eq(l.page, plans[_i].page);
    ck_assert_int_eq((int)apr_time_sec(l.duration), plans[_i].duration);
}
END_TEST

#define UNIT_LOOP(test, cases) tcase_add_loop_test(tc, test, 0, KIT_COUNT(cases));

UNIT_SUITE_BEGIN(detail)
    UNIT_LOOP(test_query, asked)
    UNIT_TEST(test_row)
    UNIT_LOOP(test_odd_row, odd)
    UNIT_LOOP(test_limits, plans)
UNIT_SUITE_END
