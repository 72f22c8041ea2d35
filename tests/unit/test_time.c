/*
 * Unit tests of src/base/time.c and clock.c: RFC 3339, Cloudflare's other form, durations.
 */
#include <string.h>

#include "unit.h"

typedef struct row_t {
    const char *text;
    apr_time_t want; /* -1 = refused */
} row_t;

static const row_t times[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01 00:00:00 +0000 UTC", 0},
    {"2006-01-02T15:04:05Z", APR_INT64_C(1136214245000000)},
    {"2006-01-02t15:04:05z", APR_INT64_C(1136214245000000)},
    {"2006-01-02 15:04:05Z", APR_INT64_C(1136214245000000)},
    {"2006-01-02T17:04:05+02:00", APR_INT64_C(1136214245000000)},
    {"2006-01-02T08:34:05-0630", APR_INT64_C(1136214245000000)},
    {"2025-06-13T06:13:37.721192654Z", APR_INT64_C(1749795217721192)},
    {"2025-06-13T06:13:37.7Z", APR_INT64_C(1749795217700000)},
    {"2025-06-13 06:13:37.721192654 +0000 UTC", APR_INT64_C(1749795217721192)},
    {"2000-02-29T00:00:00Z", APR_INT64_C(951782400000000)},
    {"2024-02-29T23:59:59.999999Z", APR_INT64_C(1709251199999999)},
    {"2016-12-31T23:59:60Z", APR_INT64_C(1483228800000000)},
    {"2017-01-01T00:59:60+01:00", APR_INT64_C(1483228800000000)},
    {"9999-12-31T23:59:59.999999999Z", APR_INT64_C(253402300799999999)},
    {"9999-12-31T23:59:59-00:01", -1},
    {"1970-01-01T00:00:00+00:01", -1},
    {"1969-12-31T23:59:59Z", -1},
    {"2023-02-29T00:00:00Z", -1},
    {"2100-02-29T00:00:00Z", -1},
    {"2024-04-31T00:00:00Z", -1},
    {"2024-00-10T00:00:00Z", -1},
    {"2024-13-10T00:00:00Z", -1},
    {"2024-01-00T00:00:00Z", -1},
    {"2024-01-01T24:00:00Z", -1},
    {"2024-01-01T00:60:00Z", -1},
    {"2024-01-01T00:00:61Z", -1},
    {"2024-01-01T12:00:60Z", -1},
    {"2024-01-01T00:00:00", -1},
    {"2024-01-01T00:00:00 ", -1},
    {"2024-01-01T00:00:00.Z", -1},
    {"2024-01-01T00:00:00.1234567890Z", -1},
    {"2024-01-01T00:00:00+24:00", -1},
    {"2024-01-01T00:00:00+02:60", -1},
    {"2024-01-01T00:00:00+2:00", -1},
    {"2024-01-01T00:00:00Z ", -1},
    {"2024-01-01T00:00:00 +0000 CET", -1},
    {"2024-1-01T00:00:00Z", -1},
    {"2024-01-01", -1},
    {"24-01-01T00:00:00Z", -1},
    {" 2024-01-01T00:00:00Z", -1},
    {"+024-01-01T00:00:00Z", -1},
    {"string", -1},
    {"", -1},
    {NULL, -1},
};

START_TEST(test_parse)
{
    apr_size_t i;

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        apr_time_t t = -1;
        apr_status_t rv = cfmt_time_parse(&t, times[i].text);
        const char *text = times[i].text ? times[i].text : "(null)";

        ck_assert_msg(t == times[i].want, "%s gave %lld", text, (long long)t);
        ck_assert_msg(rv == (t < 0 ? CFMT_EINVALID : APR_SUCCESS), "%s: status %d", text, rv);
    }
}
END_TEST

START_TEST(test_round_trip)
{
    apr_time_t t, back;

    ck_assert_str_eq(cfmt_time_format(unit_pool, 0), "1970-01-01T00:00:00Z");
    ck_assert_str_eq(cfmt_time_format(unit_pool, 1), "1970-01-01T00:00:00.000001Z");
    ck_assert_str_eq(cfmt_time_format(unit_pool, APR_INT64_C(1749795217721192)),
                     "2025-06-13T06:13:37.721192Z");
    /* A prime step meets every month and most leap days of the whole range. */
    for (t = 0; t < APR_INT64_C(253402300800) * APR_USEC_PER_SEC;
         t += APR_INT64_C(48611 * 1013) * APR_USEC_PER_SEC + 7) {
        ck_assert_int_eq(cfmt_time_parse(&back, cfmt_time_format(unit_pool, t)), APR_SUCCESS);
        ck_assert_msg(back == t, "%lld became %lld", (long long)t, (long long)back);
    }
}
END_TEST

static const row_t durations[] = {
    {"0", 0},
    {"45", 45 * APR_USEC_PER_SEC},
    {"30s", 30 * APR_USEC_PER_SEC},
    {"5m", 300 * APR_USEC_PER_SEC},
    {"5min", 300 * APR_USEC_PER_SEC},
    {"250ms", 250000},
    {"2h", 7200 * APR_USEC_PER_SEC},
    {"1d", 86400 * APR_USEC_PER_SEC},
    {"36500d", APR_INT64_C(36500) * 86400 * APR_USEC_PER_SEC},
    {"36501d", -1},
    {"9223372036854775808", -1},
    {"99999999999999999999999999999", -1},
    {"5x", -1},
    {"5 m", -1},
    {" 5m", -1},
    {"5m ", -1},
    {"-5m", -1},
    {"+5m", -1},
    {"1.5h", -1},
    {"5M", -1},
    {"5minutes", -1},
    {"m", -1},
    {"", -1},
    {NULL, -1},
};

START_TEST(test_duration_parse)
{
    apr_size_t i;

    for (i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        apr_interval_time_t d = -1;
        apr_status_t rv = cfmt_duration_parse(&d, durations[i].text);

        ck_assert_msg(d == durations[i].want && rv == (d < 0 ? CFMT_EINVALID : APR_SUCCESS),
                      "%s gave %lld", durations[i].text ? durations[i].text : "(null)",
                      (long long)d);
    }
}
END_TEST

static const row_t shown[] = {
    {"0s", 0},
    {"0s", 999},
    {"1ms", 1000},
    {"450ms", 450000},
    {"1s", 1000000},
    {"1s500ms", 1500000},
    {"3m12s", 192 * APR_USEC_PER_SEC},
    {"3m", 180 * APR_USEC_PER_SEC + 5000},
    {"1h", 3600 * APR_USEC_PER_SEC + 59 * APR_USEC_PER_SEC},
    {"2d4h", (2 * 86400 + 4 * 3600 + 59) * APR_USEC_PER_SEC},
    {"2d", (2 * 86400 + 59 * 60) * APR_USEC_PER_SEC},
    {"-3m12s", -192 * APR_USEC_PER_SEC},
    {"-106751991d4h", APR_INT64_MIN},
};

START_TEST(test_duration_format)
{
    apr_size_t i;

    for (i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        ck_assert_str_eq(cfmt_duration_format(unit_pool, shown[i].want), shown[i].text);
    }
}
END_TEST

static apr_time_t seven(void *baton)
{
    return *(apr_time_t *)baton;
}

START_TEST(test_clock)
{
    apr_time_t fixed = 7, before = apr_time_now(), now, first = cfmt_monotonic();
    cfmt_clock_t clock = {.now = seven, .baton = &fixed};

    ck_assert_int_eq(cfmt_clock_now(&clock), 7);
    now = cfmt_clock_now(NULL);
    ck_assert(now >= before && now <= apr_time_now());
    ck_assert(cfmt_clock_now(&cfmt_clock_system) >= before);
    apr_sleep(2000);
    now = cfmt_monotonic() - first;
    ck_assert_msg(now >= 2000 && now < 20 * APR_USEC_PER_SEC, "2 ms took %lld us", (long long)now);
}
END_TEST

UNIT_SUITE_BEGIN(time)
    UNIT_TEST(test_parse)
    UNIT_TEST(test_round_trip)
    UNIT_TEST(test_duration_parse)
    UNIT_TEST(test_duration_format)
    UNIT_TEST(test_clock)
UNIT_SUITE_END
