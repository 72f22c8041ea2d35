/*
 * Unit tests of src/cloudflare/rules.c: monitoring rules, policies, destinations, and which alerts
 * nobody would send.
 */
#include <apr_strings.h>

#include "rows.h"

START_TEST(test_paths)
{
    ck_assert_str_eq(cfmt_rules_path(ROWS_ACCOUNT, unit_pool),
                     "/accounts/" ROWS_ACCOUNT "/mnm/rules");
    ck_assert_str_eq(cfmt_policies_path(ROWS_ACCOUNT, unit_pool),
                     "/accounts/" ROWS_ACCOUNT "/alerting/v3/policies");
    ck_assert_str_eq(cfmt_destinations_path(ROWS_ACCOUNT, unit_pool),
                     "/accounts/" ROWS_ACCOUNT "/alerting/v3/destinations/webhooks");
}
END_TEST

START_TEST(test_rule)
{
    cfmt_rule_t r;
    const char *why = NULL;

    ck_assert_int_eq(cfmt_rule_read(&r, &why, rows_parse(
        "{\"id\":\"" ROWS_ID "\",\"name\":\"volumetric\",\"type\":\"threshold\",\"prefixes\":"
        "[\"2001:db8::/32\",\"203.0.113.0/24\",\"192.0.2.9/24\",\"203.0.113.0/24\"],"
        "\"automatic_advertisement\":true,\"bandwidth_threshold\":5e8}"), unit_pool),
        APR_SUCCESS);
    ck_assert_str_eq(r.id, ROWS_ID);
    ck_assert_str_eq(r.name, "volumetric");
    ck_assert_str_eq(r.type, "threshold");
    ck_assert_int_eq(r.automatic, 1);
    ck_assert_int_eq(r.prefixes->nelts, 3);
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &APR_ARRAY_IDX(r.prefixes, 0, cfmt_cidr_t)),
                     "192.0.2.0/24");
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &APR_ARRAY_IDX(r.prefixes, 2, cfmt_cidr_t)),
                     "2001:db8::/32");
    ck_assert_int_eq(cfmt_rule_read(&r, &why, rows_parse(
        "{\"id\":\"" ROWS_ID "\",\"prefixes\":[],\"automatic_advertisement\":null}"), unit_pool),
        APR_SUCCESS);
    ck_assert(!r.name && !r.type && r.automatic == -1 && r.prefixes->nelts == 0);
}
END_TEST

START_TEST(test_rule_refused)
{
    static const struct {
        const char *row, *why;
    } cases[] = {
        {"null", "\"id\" is missing"},
        {"{\"prefixes\":[]}", "\"id\" is missing"},
        {"{\"id\":\"x\",\"prefixes\":[]}", "\"id\" is not an id"},
        {"{\"id\":\"" ROWS_ID "\"}", "\"prefixes\" is missing"},
        {"{\"id\":\"" ROWS_ID "\",\"prefixes\":\"192.0.2.0/24\"}", "\"prefixes\" is not a list"},
        {"{\"id\":\"" ROWS_ID "\",\"prefixes\":[\"192.0.2.0/24\",\"\"]}",
         "holds what is no network"},
        {"{\"id\":\"" ROWS_ID "\",\"prefixes\":[[\"192.0.2.0/24\"]]}", "holds what is no network"},
    };
    cfmt_rule_t r;
    apr_size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = NULL;

        ck_assert_msg(cfmt_rule_read(&r, &why, rows_parse(cases[i].row), unit_pool)
                          == CFMT_EINVALID, "%s was taken", cases[i].row);
        ck_assert_msg(why && strstr(why, cases[i].why), "%s: %s", cases[i].row, why);
    }
}
END_TEST

START_TEST(test_policy)
{
    cfmt_notice_policy_t np;
    const char *why = NULL;

    ck_assert_int_eq(cfmt_notice_policy_read(&np, &why, rows_parse(
        "{\"id\":\"" ROWS_ID "\",\"name\":\"n\",\"alert_type\":\"dos_attack_l4\",\"enabled\":true,"
        "\"mechanisms\":{\"email\":[{\"id\":\"a@example.com\"}],\"webhooks\":[{\"id\":\"" ROWS_ID2
        "\"},{\"id\":null},7,{\"id\":\"../x\"},{\"id\":\"" ROWS_ACCOUNT "\"}]}}"), unit_pool),
        APR_SUCCESS);
    ck_assert_str_eq(np.id, ROWS_ID);
    ck_assert_str_eq(np.name, "n");
    ck_assert_str_eq(np.alert_type, "dos_attack_l4");
    ck_assert_int_eq(np.enabled, 1);
    ck_assert_int_eq(np.webhooks->nelts, 2);
    ck_assert_str_eq(APR_ARRAY_IDX(np.webhooks, 1, const char *), ROWS_ACCOUNT);
    ck_assert_int_eq(cfmt_notice_policy_read(&np, &why, rows_parse(
        "{\"id\":\"" ROWS_ID "\",\"mechanisms\":null}"), unit_pool), APR_SUCCESS);
    ck_assert(!np.name && !np.alert_type && np.enabled == -1 && np.webhooks->nelts == 0);
    ck_assert_int_eq(cfmt_notice_policy_read(&np, &why, rows_parse("{\"enabled\":true}"),
                                             unit_pool), CFMT_EINVALID);
    ck_assert_str_eq(why, "member \"id\" is missing");
}
END_TEST

START_TEST(test_destination)
{
    cfmt_destination_t d;
    const char *why = NULL;

    ck_assert_int_eq(cfmt_destination_read(&d, &why, rows_parse(
        "{\"id\":\"" ROWS_ID "\",\"name\":\"n\",\"url\":\"https://a.example/x\","
        "\"type\":\"generic\",\"last_success\":\"1970-01-01T00:00:05Z\","
        "\"last_failure\":\"1970-01-01T00:00:06Z\"}"),
        unit_pool), APR_SUCCESS);
    ck_assert_str_eq(d.id, ROWS_ID);
    ck_assert_str_eq(d.name, "n");
    ck_assert_str_eq(d.url, "https://a.example/x");
    ck_assert_int_eq(d.last_success, apr_time_from_sec(5));
    ck_assert_int_eq(d.last_failure, apr_time_from_sec(6));
    ck_assert_int_eq(cfmt_destination_read(&d, &why, rows_parse(
        "{\"id\":\"" ROWS_ID "\",\"last_failure\":null}"), unit_pool), APR_SUCCESS);
    ck_assert(!d.name && !d.url && d.last_success == 0 && d.last_failure == 0);
    ck_assert_int_eq(cfmt_destination_read(&d, &why, rows_parse("{\"url\":\"u\"}"), unit_pool),
                     CFMT_EINVALID);
}
END_TEST

/* ---- what nobody would send ------------------------------------------------------------------ */

#define URL "https://hook.example/cfmt/webhook"
#define ALL \
    "advanced_ddos_attack_l4_alert fbm_dosd_attack fbm_volumetric_attack fbm_auto_advertisement " \
    "magic_tunnel_health_check_event bgp_hijack_notification"

static apr_array_header_t *policies, *destinations;

static void fresh(void)
{
    cfmt_destination_t *d;

    policies = apr_array_make(unit_pool, 8, sizeof(cfmt_notice_policy_t));
    destinations = apr_array_make(unit_pool, 2, sizeof(cfmt_destination_t));
    d = apr_array_push(destinations);
    *d = (cfmt_destination_t){.id = ROWS_ID, .url = URL};
    d = apr_array_push(destinations);
    *d = (cfmt_destination_t){.id = ROWS_ID2, .url = "https://other.example/"};
}

static void policy(const char *type, int enabled, const char *webhook)
{
    cfmt_notice_policy_t *np = apr_array_push(policies);

    *np = (cfmt_notice_policy_t){.id = ROWS_ACCOUNT, .alert_type = type, .enabled = enabled};
    np->webhooks = apr_array_make(unit_pool, 1, sizeof(const char *));
    if (webhook) {
        APR_ARRAY_PUSH(np->webhooks, const char *) = webhook;
    }
}

static void unsent(const char *url, const char *want)
{
    apr_array_header_t *types = cfmt_alerts_unsent(policies, destinations, url, unit_pool);

    ck_assert_str_eq(apr_array_pstrcat(unit_pool, types, ' '), want);
}

START_TEST(test_unsent)
{
    fresh();
    unsent(URL, ALL);
    policy("advanced_ddos_attack_l4_alert", 1, ROWS_ID);
    policy("fbm_dosd_attack", 1, ROWS_ID);
    policy("fbm_volumetric_attack", 1, ROWS_ID);
    policy("fbm_auto_advertisement", 1, ROWS_ID);
    policy("magic_tunnel_health_check_event", 1, ROWS_ID);
    unsent(URL, "bgp_hijack_notification");
    policy("bgp_hijack_notification", 1, ROWS_ID);
    unsent(URL, "");
    unsent(NULL, "");
    unsent("https://hook.example/moved", ALL);
}
END_TEST

START_TEST(test_unsent_either)
{
    fresh();
    policy("dos_attack_l4", 1, ROWS_ID);
    unsent(URL, strchr(ALL, ' ') + 1);
    policy("advanced_ddos_attack_l4_alert", 1, ROWS_ID);
    unsent(URL, strchr(ALL, ' ') + 1);
}
END_TEST

/* Disabled or not said to be enabled, mail only, to others, to a destination that is gone. */
START_TEST(test_unsent_counts_not)
{
    fresh();
    policy("dos_attack_l4", 0, ROWS_ID);
    policy("dos_attack_l4", -1, ROWS_ID);
    policy("dos_attack_l4", 1, NULL);
    policy("dos_attack_l4", 1, ROWS_ACCOUNT);
    policy(NULL, 1, ROWS_ID);
    unsent(URL, ALL);
    unsent(NULL, ALL);
    policy("dos_attack_l4", 1, ROWS_ID2);
    unsent(URL, ALL);
    unsent(NULL, strchr(ALL, ' ') + 1);
    APR_ARRAY_IDX(destinations, 0, cfmt_destination_t).url = NULL;
    policy("dos_attack_l4", 1, ROWS_ID);
    unsent(URL, ALL);
}
END_TEST

UNIT_SUITE_BEGIN(rules)
    UNIT_TEST(test_paths)
    UNIT_TEST(test_rule)
    UNIT_TEST(test_rule_refused)
    UNIT_TEST(test_policy)
    UNIT_TEST(test_destination)
    UNIT_TEST(test_unsent)
    UNIT_TEST(test_unsent_either)
    UNIT_TEST(test_unsent_counts_not)
UNIT_SUITE_END
