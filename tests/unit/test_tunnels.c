/*
 * Unit tests of src/cloudflare/tunnels.c: three kinds of tunnels, and their health.
 */
#include <apr_strings.h>

#include "rows.h"

START_TEST(test_kinds)
{
    static const struct {
        cfmt_tunnel_e kind;
        const char *name, *path, *rows;
    } cases[] = {
        {CFMT_TUNNEL_GRE, "gre", "gre_tunnels", "result.gre_tunnels"},
        {CFMT_TUNNEL_IPSEC, "ipsec", "ipsec_tunnels", "result.ipsec_tunnels"},
        {CFMT_TUNNEL_INTERCONNECT, "interconnect", "cf_interconnects", "result.interconnects"},
    };
    apr_size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_str_eq(cfmt_tunnel_kind_name(cases[i].kind), cases[i].name);
        ck_assert_str_eq(cfmt_tunnels_rows(cases[i].kind), cases[i].rows);
        ck_assert_str_eq(cfmt_tunnels_path(cases[i].kind, ROWS_ACCOUNT, unit_pool),
                         apr_pstrcat(unit_pool, "/accounts/" ROWS_ACCOUNT "/magic/",
                                     cases[i].path, NULL));
    }
}
END_TEST

static cfmt_tunnel_t read_tunnel(cfmt_tunnel_e kind, const char *text)
{
    cfmt_tunnel_t t;
    const char *why = NULL;

    ck_assert_msg(cfmt_tunnel_read(&t, &why, kind, rows_parse(text), unit_pool) == APR_SUCCESS,
                  "%s: %s", text, why);
    return t;
}

START_TEST(test_read)
{
    static const char row[] =
        "{\"id\":\"" ROWS_ID "\",\"name\":\"t1\",\"customer_gre_endpoint\":\"203.0.113.1\","
        "\"customer_endpoint\":\"203.0.113.2\",\"cloudflare_endpoint\":\"162.158.0.1\","
        "\"health_check\":{\"enabled\":true,\"target\":{\"saved\":\"a\",\"effective\":\"b\"}},"
        "\"gre\":{\"cloudflare_endpoint\":\"162.158.0.3\"}}";
    cfmt_tunnel_t t = read_tunnel(CFMT_TUNNEL_GRE, row);

    ck_assert_str_eq(t.id, ROWS_ID);
    ck_assert_str_eq(t.name, "t1");
    ck_assert_str_eq(t.endpoint, "203.0.113.1");
    ck_assert(t.kind == CFMT_TUNNEL_GRE && t.checked == 1 && t.active == -1 && t.health < 0);
    t = read_tunnel(CFMT_TUNNEL_IPSEC, row);
    ck_assert_str_eq(t.endpoint, "203.0.113.2");
    t = read_tunnel(CFMT_TUNNEL_INTERCONNECT, row);
    ck_assert(t.kind == CFMT_TUNNEL_INTERCONNECT && !t.endpoint);
}
END_TEST

START_TEST(test_sparse)
{
    cfmt_tunnel_t t = read_tunnel(CFMT_TUNNEL_IPSEC, "{\"id\":\"" ROWS_ID "\"}");
    const char *why = NULL;

    ck_assert(!t.name && !t.endpoint && t.checked == -1 && t.active == -1 && t.health < 0);
    t = read_tunnel(CFMT_TUNNEL_GRE,
                    "{\"id\":\"" ROWS_ID "\",\"name\":null,\"health_check\":{\"enabled\":false},"
                    "\"customer_gre_endpoint\":{}}");
    ck_assert(!t.name && !t.endpoint && t.checked == 0);
    ck_assert_int_eq(cfmt_tunnel_read(&t, &why, CFMT_TUNNEL_GRE, rows_parse("{\"name\":\"t1\"}"),
                                      unit_pool), CFMT_EINVALID);
    ck_assert_str_eq(why, "member \"id\" is missing");
}
END_TEST

START_TEST(test_query)
{
    const apr_time_t since = 1700000000 * APR_USEC_PER_SEC + 999999;
    const char *body = cfmt_tunnel_health_query(ROWS_ACCOUNT "\"}", since,
                                                since + 60 * APR_USEC_PER_SEC, unit_pool);
    const cfmt_json_t *doc = rows_parse(body), *variables = cfmt_json_get(doc, "variables");
    const char *query = cfmt_json_text(doc, "query");

    ck_assert_ptr_ne(strstr(query, "health: magicTransitTunnelHealthChecksAdaptiveGroups("), NULL);
    ck_assert_ptr_ne(strstr(query, "datetime_geq: $since, datetime_lt: $until"), NULL);
    ck_assert_msg(!strstr(query, ROWS_ACCOUNT), "text pasted into the query");
    ck_assert_str_eq(cfmt_json_text(variables, "account"), ROWS_ACCOUNT "\"}");
    ck_assert_str_eq(cfmt_json_text(variables, "since"), "2023-11-14T22:13:20Z");
    ck_assert_str_eq(cfmt_json_text(variables, "until"), "2023-11-14T22:14:20Z");
}
END_TEST

static cfmt_tunnel_health_t read_health(const char *text)
{
    cfmt_tunnel_health_t h;
    const char *why = NULL;

    ck_assert_msg(cfmt_tunnel_health_read(&h, &why, rows_parse(text), unit_pool) == APR_SUCCESS,
                  "%s: %s", text, why);
    return h;
}

START_TEST(test_reading)
{
    cfmt_tunnel_health_t h = read_health("{\"count\":120,\"avg\":{\"tunnelState\":0.25},"
                                         "\"dimensions\":{\"tunnelName\":\"t1\",\"active\":1}}");
    const char *why = NULL;

    ck_assert_str_eq(h.name, "t1");
    ck_assert(h.active == 1 && h.state == 0.25 && h.count == 120);
    h = read_health("{\"count\":\"1e3\",\"avg\":{\"tunnelState\":\"1\"},"
                    "\"dimensions\":{\"tunnelName\":\"\",\"active\":\"0\"}}");
    ck_assert_str_eq(h.name, "");
    ck_assert(h.active == 0 && h.state == 1 && h.count == 1000);
    h = read_health("{\"count\":null,\"avg\":null,\"dimensions\":{\"tunnelName\":\"t1\"}}");
    ck_assert(h.active == -1 && h.state == -1 && h.count == -1);
    h = read_health("{\"count\":-5,\"avg\":{\"tunnelState\":1.5},"
                    "\"dimensions\":{\"tunnelName\":\"t1\",\"active\":7}}");
    ck_assert(h.active == -1 && h.state == -1 && h.count == -1);
    ck_assert_int_eq(cfmt_tunnel_health_read(&h, &why, rows_parse("{\"dimensions\":null}"),
                                             unit_pool), CFMT_EINVALID);
    ck_assert_ptr_ne(strstr(why, "tunnelName"), NULL);
}
END_TEST

static void add(apr_array_header_t *readings, const char *name, int active, double state,
                double count)
{
    cfmt_tunnel_health_t *h = apr_array_push(readings);

    *h = (cfmt_tunnel_health_t){.name = name, .active = active, .state = state, .count = count};
}

START_TEST(test_health)
{
    apr_array_header_t *readings = apr_array_make(unit_pool, 8, sizeof(cfmt_tunnel_health_t));
    cfmt_tunnel_t t = {.name = "t1", .active = 1, .health = 1};

    cfmt_tunnel_health_add(&t, readings); /* nothing was read: what was known is no longer */
    ck_assert(t.active == -1 && t.health < 0);
    add(readings, "other", 1, 0, 1000);
    add(readings, "t1", 0, 0.5, 300);
    cfmt_tunnel_health_add(&t, readings); /* idle, yet with a health */
    ck_assert(t.active == 0 && t.health == 0.5);
    add(readings, "t1", 1, 1, 100);
    add(readings, "t1", -1, -1, 500);
    add(readings, "t1", -1, 0, -1);
    add(readings, "", 1, 0, 50);
    cfmt_tunnel_health_add(&t, readings);
    ck_assert(t.active == 1 && t.health == 0.625);
    t.name = NULL;
    cfmt_tunnel_health_add(&t, readings);
    ck_assert(t.active == -1 && t.health < 0);
}
END_TEST

UNIT_SUITE_BEGIN(tunnels)
    UNIT_TEST(test_kinds)
    UNIT_TEST(test_read)
    UNIT_TEST(test_sparse)
    UNIT_TEST(test_query)
    UNIT_TEST(test_reading)
    UNIT_TEST(test_health)
UNIT_SUITE_END
