/*
 * Unit tests of src/cloudflare/token.c.
 */
#include "rows.h"

START_TEST(test_paths)
{
    ck_assert_str_eq(cfmt_token_path(ROWS_ACCOUNT, 0, unit_pool), "/user/tokens/verify");
    ck_assert_str_eq(cfmt_token_path(ROWS_ACCOUNT, 1, unit_pool),
                     "/accounts/" ROWS_ACCOUNT "/tokens/verify");
}
END_TEST

START_TEST(test_read)
{
    static const struct {
        const char *row, *status;
        apr_time_t expires, not_before;
    } cases[] = {
        {"{\"id\":\"" ROWS_ID "\",\"status\":\"active\"}", "active", 0, 0},
        {"{\"status\":\"expired\",\"expires_on\":\"1970-01-01T00:00:09Z\","
         "\"not_before\":\"1970-01-01T00:00:01+00:00\"}", "expired", 9, 1},
        {"{\"status\":\"disabled\",\"expires_on\":null,\"not_before\":\"soon\"}", "disabled", 0,
         0},
        {"{\"status\":\"unheard of\",\"expires_on\":9}", "unheard of", 0, 0},
    };
    cfmt_token_t t;
    const char *why;
    apr_size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_int_eq(cfmt_token_read(&t, &why, rows_parse(cases[i].row), unit_pool),
                         APR_SUCCESS);
        ck_assert_str_eq(t.status, cases[i].status);
        ck_assert_int_eq(t.expires_at, apr_time_from_sec(cases[i].expires));
        ck_assert_int_eq(t.not_before, apr_time_from_sec(cases[i].not_before));
    }
}
END_TEST

/* A token of which nothing is said is not an active one. */
START_TEST(test_needed)
{
    static const char *const rows[] = {
        "{}", "[]", "null", "{\"status\":null}", "{\"status\":\"\"}", "{\"status\":[\"active\"]}",
    };
    cfmt_token_t t;
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *why = NULL;

        ck_assert_msg(cfmt_token_read(&t, &why, rows_parse(rows[i]), unit_pool) == CFMT_EINVALID,
                      "%s was taken", rows[i]);
        ck_assert_str_eq(why, "member \"status\" is missing");
    }
}
END_TEST

UNIT_SUITE_BEGIN(token)
    UNIT_TEST(test_paths)
    UNIT_TEST(test_read)
    UNIT_TEST(test_needed)
UNIT_SUITE_END
