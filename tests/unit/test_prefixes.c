/*
 * Unit tests of src/cloudflare/prefixes.c, and of row.c, which all readers share.
 */
#include <apr_strings.h>

#include "cloudflare/row.h"
#include "rows.h"

static const cfmt_bgp_prefix_t parent = {.id = ROWS_ID, .description = "web", .approved = 1};

static cfmt_bgp_prefix_t read_bgp(const char *text)
{
    cfmt_bgp_prefix_t b;
    const char *why = NULL;

    ck_assert_msg(cfmt_bgp_prefix_read(&b, &why, &parent, rows_parse(text), unit_pool)
                      == APR_SUCCESS, "%s: %s", text, why);
    return b;
}

static void refuses_bgp(const char *text, const char *member)
{
    cfmt_bgp_prefix_t b;
    const char *why = NULL;

    ck_assert_msg(cfmt_bgp_prefix_read(&b, &why, &parent, rows_parse(text), unit_pool)
                      == CFMT_EINVALID, "%s was taken", text);
    ck_assert_msg(why && strstr(why, member), "%s does not name %s", why, member);
}

START_TEST(test_paths)
{
    ck_assert_str_eq(cfmt_prefixes_path(ROWS_ACCOUNT, unit_pool),
                     "/accounts/" ROWS_ACCOUNT "/addressing/prefixes");
    ck_assert_str_eq(cfmt_bgp_prefixes_path(ROWS_ACCOUNT, ROWS_ID, unit_pool),
                     "/accounts/" ROWS_ACCOUNT "/addressing/prefixes/" ROWS_ID "/bgp/prefixes");
}
END_TEST

START_TEST(test_whole)
{
    cfmt_bgp_prefix_t b = read_bgp(
        "{\"id\":\"" ROWS_ID2 "\",\"cidr\":\"203.0.113.0/24\",\"asn\":64500,\"new\":[{}],"
        "\"auto_advertise_withdraw\":true,\"bgp_signal_opts\":{\"enabled\":false},"
        "\"modified_at\":\"2026-11-22T20:07:00.5Z\",\"on_demand\":{\"advertised\":true,"
        "\"advertised_modified_at\":\"2026-11-22T20:06:00Z\",\"on_demand_enabled\":true,"
        "\"on_demand_locked\":false}}");

    ck_assert_str_eq(b.id, ROWS_ID2);
    ck_assert_str_eq(b.parent, ROWS_ID);
    ck_assert_str_eq(b.description, "web");
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &b.cidr), "203.0.113.0/24");
    ck_assert_int_eq(b.asn, 64500);
    ck_assert(b.approved == 1 && b.enabled == 1 && b.locked == 0 && b.bgp_control == 0);
    ck_assert(b.auto_withdraw == 1 && b.advertised == 1);
    ck_assert_int_eq(b.modified_at - b.advertised_at, 60500000);
}
END_TEST

static void says_nothing(const cfmt_bgp_prefix_t *b, const char *text)
{
    ck_assert_msg(b->asn == 0 && b->enabled == -1 && b->locked == -1 && b->bgp_control == -1
                      && b->auto_withdraw == -1 && b->advertised == -1 && b->advertised_at == 0
                      && b->modified_at == 0, "%s", text);
}

/* Absent, null, of another type, out of range: none of it is yes or no. */
START_TEST(test_not_said)
{
    static const char *const rest[] = {
        "",
        ",\"asn\":null,\"bgp_signal_opts\":null,\"auto_advertise_withdraw\":null,"
        "\"modified_at\":null,\"on_demand\":null",
        ",\"on_demand\":{\"advertised\":null,\"advertised_modified_at\":null,"
        "\"on_demand_enabled\":null,\"on_demand_locked\":null},\"bgp_signal_opts\":{}",
        ",\"asn\":\"AS5\",\"bgp_signal_opts\":true,\"auto_advertise_withdraw\":\"yes\","
        "\"modified_at\":\"yesterday\",\"on_demand\":[true]",
        ",\"asn\":4294967296,\"modified_at\":1700000000,\"on_demand\":{\"advertised\":2,"
        "\"advertised_modified_at\":\"2026-11-22T20:06:00\",\"on_demand_enabled\":\"\","
        "\"on_demand_locked\":{}}",
    };
    apr_size_t i;

    for (i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
        const char *text = apr_pstrcat(unit_pool, "{\"id\":\"" ROWS_ID2
                                       "\",\"cidr\":\"192.0.2.0/24\"", rest[i], "}", NULL);
        cfmt_bgp_prefix_t b = read_bgp(text);

        says_nothing(&b, text);
    }
}
END_TEST

START_TEST(test_text_for_numbers)
{
    cfmt_bgp_prefix_t b = read_bgp(
        "{\"id\":\"" ROWS_ID2 "\",\"cidr\":\"2001:DB8::1/32\",\"asn\":\"4294967295\","
        "\"on_demand\":{\"advertised\":\"1\",\"on_demand_enabled\":1,\"on_demand_locked\":\"0\"}}");

    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &b.cidr), "2001:db8::/32");
    ck_assert_int_eq(b.asn, APR_INT64_C(4294967295));
    ck_assert(b.advertised == 1 && b.enabled == 1 && b.locked == 0);
}
END_TEST

START_TEST(test_needed)
{
    refuses_bgp("{}", "\"id\" is missing");
    refuses_bgp("[]", "\"id\" is missing");
    refuses_bgp("null", "\"id\" is missing");
    refuses_bgp("{\"id\":null,\"cidr\":\"192.0.2.0/24\"}", "\"id\" is missing");
    refuses_bgp("{\"id\":\"../../user\",\"cidr\":\"192.0.2.0/24\"}", "\"id\" is not an id");
    refuses_bgp("{\"id\":7,\"cidr\":\"192.0.2.0/24\"}", "\"id\" is not an id");
    refuses_bgp("{\"id\":\"" ROWS_ID2 "\"}", "\"cidr\" is missing");
    refuses_bgp("{\"id\":\"" ROWS_ID2 "\",\"cidr\":[]}", "\"cidr\" is missing");
    refuses_bgp("{\"id\":\"" ROWS_ID2 "\",\"cidr\":\"192.0.2\"}", "\"cidr\" is not a network");
}
END_TEST

START_TEST(test_parent)
{
    static const struct {
        const char *row;
        int approved;
        const char *description;
    } cases[] = {
        {"{\"id\":\"" ROWS_ID "\",\"approved\":\"V\",\"description\":\"a\"}", 1, "a"},
        {"{\"id\":\"" ROWS_ID "\",\"approved\":\"P\",\"description\":\"\"}", 0, NULL},
        {"{\"id\":\"" ROWS_ID "\",\"approved\":\"VV\",\"description\":null}", 0, NULL},
        {"{\"id\":\"" ROWS_ID "\",\"approved\":null,\"advertised\":true}", -1, NULL},
        {"{\"id\":\"" ROWS_ID "\",\"approved\":true,\"description\":\"a\\u0000b\"}", -1, NULL},
    };
    cfmt_bgp_prefix_t b;
    const char *why;
    apr_size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_int_eq(cfmt_prefix_parent_read(&b, &why, rows_parse(cases[i].row), unit_pool),
                         APR_SUCCESS);
        ck_assert_str_eq(b.id, ROWS_ID);
        ck_assert_msg(b.approved == cases[i].approved, "%s: %d", cases[i].row, b.approved);
        ck_assert_msg(!b.description == !cases[i].description, "%s", cases[i].row);
    }
    ck_assert_int_eq(cfmt_prefix_parent_read(&b, &why, rows_parse("{\"approved\":\"V\"}"),
                                             unit_pool), CFMT_EINVALID);
    ck_assert_ptr_ne(strstr(why, "\"id\""), NULL);
}
END_TEST

/* Kept as it is, up to 1,000 bytes, never half a character. */
START_TEST(test_long_text)
{
    char text[2100], *json;
    const char *kept;

    memset(text, 'a', sizeof(text));
    memcpy(text + 999, "\xC3\xA9", 2);
    text[2000] = '\0';
    json = apr_pstrcat(unit_pool, "{\"t\":\"", text, "\"}", NULL);
    kept = cfmt_row_text(rows_parse(json), "t", unit_pool);
    ck_assert_uint_eq(strlen(kept), 999);
    text[1000] = 'a';
    text[999] = 'a';
    json = apr_pstrcat(unit_pool, "{\"t\":\"", text, "\"}", NULL);
    kept = cfmt_row_text(rows_parse(json), "t", unit_pool);
    ck_assert_uint_eq(strlen(kept), CFMT_ROW_TEXT_MAX);
    text[CFMT_ROW_TEXT_MAX + 1] = '\0';
    json = apr_pstrcat(unit_pool, "{\"t\":\"", text, "\"}", NULL);
    kept = cfmt_row_text(rows_parse(json), "t", unit_pool);
    ck_assert_uint_eq(strlen(kept), CFMT_ROW_TEXT_MAX);
    kept = cfmt_row_text(rows_parse("{\"u\":\"\\u001b[31m\\\"\"}"), "u", unit_pool);
    ck_assert_str_eq(kept, "\x1b[31m\"");
}
END_TEST

/* Nothing points into the row: its memory is gone when the next one comes. */
START_TEST(test_copies)
{
    static const char text[] = "{\"id\":\"" ROWS_ID "\",\"description\":\"kept\"}";
    static const cfmt_json_limits_t limits = {.depth = 4};
    cfmt_bgp_prefix_t b;
    const char *why;
    char *body = apr_pstrdup(unit_pool, text);
    cfmt_json_t *doc, *member;

    ck_assert_int_eq(cfmt_json_parse(&doc, &why, body, strlen(body), &limits, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_prefix_parent_read(&b, &why, doc, unit_pool), APR_SUCCESS);
    for (member = doc->child; member; member = member->next) {
        ck_assert_ptr_ne(member->text, b.id);
        ck_assert_ptr_ne(member->text, b.description);
    }
}
END_TEST

UNIT_SUITE_BEGIN(prefixes)
    UNIT_TEST(test_paths)
    UNIT_TEST(test_whole)
    UNIT_TEST(test_not_said)
    UNIT_TEST(test_text_for_numbers)
    UNIT_TEST(test_needed)
    UNIT_TEST(test_parent)
    UNIT_TEST(test_long_text)
    UNIT_TEST(test_copies)
UNIT_SUITE_END
