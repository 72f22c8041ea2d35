/*
 * Unit tests of src/base/cidr.c.
 */
#include <string.h>

#include "unit.h"

typedef struct row_t {
    const char *text;
    const char *want; /* canonical; NULL = refused */
    int host_bits;
} row_t;

static const row_t rows[] = {
    {"203.0.113.0/24", "203.0.113.0/24", 0},
    {"203.0.113.7/24", "203.0.113.0/24", 1},
    {"203.0.113.7", "203.0.113.7", 0},
    {"203.0.113.7/32", "203.0.113.7", 0},
    {"203.0.113.255/31", "203.0.113.254/31", 1},
    {"203.0.113.128/25", "203.0.113.128/25", 0},
    {"0.0.0.0/0", "0.0.0.0/0", 0},
    {"255.255.255.255/1", "128.0.0.0/1", 1},
    {"2001:DB8::/32", "2001:db8::/32", 0},
    {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1", 0},
    {"2001:db8::1/128", "2001:db8::1", 0},
    {"2001:db8:ffff::1/33", "2001:db8:8000::/33", 1},
    {"::/0", "::/0", 0},
    {"::1", "::1", 0},
    {"::ffff:192.0.2.1", "192.0.2.1", 0},
    {"::ffff:c000:201", "192.0.2.1", 0},
    {"::ffff:192.0.2.0/120", "192.0.2.0/24", 0},
    {"::ffff:0:0/96", "0.0.0.0/0", 0},
    {"::ffff:0:0/95", "::fffe:0:0/95", 1},
    {"203.0.113.0/33", NULL, 0},
    {"2001:db8::/129", NULL, 0},
    {"203.0.113.0/", NULL, 0},
    {"203.0.113.0/08", NULL, 0},
    {"203.0.113.0/-1", NULL, 0},
    {"203.0.113.0/+8", NULL, 0},
    {"203.0.113.0/ 8", NULL, 0},
    {"203.0.113.0/24/24", NULL, 0},
    {"203.0.113.0/0000000024", NULL, 0},
    {"203.0.113", NULL, 0},
    {"203.0.113.256", NULL, 0},
    {"203.0.113.07", NULL, 0},
    {"0x7f.1", NULL, 0},
    {"2130706433", NULL, 0},
    {" 203.0.113.7", NULL, 0},
    {"203.0.113.7 ", NULL, 0},
    {"fe80::1%eth0", NULL, 0},
    {"fe80::1%1/64", NULL, 0},
    {"2001:db8", NULL, 0},
    {":::", NULL, 0},
    {"[::1]", NULL, 0},
    {"/24", NULL, 0},
    {"", NULL, 0},
    {"string", NULL, 0},
    {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL, 0},
    {NULL, NULL, 0},
};

START_TEST(test_parse)
{
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cfmt_cidr_t c = {.family = 99};
        int dirty = -1;
        apr_status_t rv = cfmt_cidr_parse(&c, &dirty, rows[i].text);
        const char *text = rows[i].text ? rows[i].text : "(null)";

        if (!rows[i].want) {
            ck_assert_msg(rv == CFMT_EINVALID && c.family == 99, "%s was taken", text);
            continue;
        }
        ck_assert_msg(rv == APR_SUCCESS, "%s was refused", text);
        ck_assert_str_eq(cfmt_cidr_format(unit_pool, &c), rows[i].want);
        ck_assert_msg(dirty == rows[i].host_bits, "%s: host bits %d", text, dirty);
        ck_assert_int_eq(cfmt_cidr_parse(&c, NULL, rows[i].want), APR_SUCCESS);
        ck_assert_str_eq(cfmt_cidr_format(unit_pool, &c), rows[i].want);
    }
}
END_TEST

START_TEST(test_bytes)
{
    unsigned char v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    unsigned char mapped[16] = {[10] = 0xFF, [11] = 0xFF, 192, 0, 2, 1};
    cfmt_cidr_t c;

    ck_assert_int_eq(cfmt_cidr_from_bytes(&c, "\xCB\x00\x71\x07", 4), APR_SUCCESS);
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &c), "203.0.113.7");
    ck_assert_int_eq(cfmt_cidr_from_bytes(&c, v6, 16), APR_SUCCESS);
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &c), "2001:db8::1");
    ck_assert_int_eq(cfmt_cidr_from_bytes(&c, mapped, 16), APR_SUCCESS);
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &c), "192.0.2.1");
    ck_assert_int_eq(cfmt_cidr_from_bytes(&c, v6, 15), CFMT_EINVALID);
    memset(&c, 0, sizeof(c));
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &c), "");
}
END_TEST

typedef struct pair_t {
    const char *outer, *inner;
    int want;
} pair_t;

static const pair_t pairs[] = {
    {"203.0.113.0/24", "203.0.113.0/24", 1},  {"203.0.113.0/24", "203.0.113.255", 1},
    {"203.0.113.0/24", "203.0.113.128/25", 1}, {"203.0.113.128/25", "203.0.113.0/24", 0},
    {"203.0.113.128/25", "203.0.113.127", 0}, {"203.0.113.128/25", "203.0.113.128", 1},
    {"203.0.113.0/24", "203.0.112.255", 0},   {"203.0.113.0/24", "203.0.114.0", 0},
    {"0.0.0.0/0", "255.255.255.255", 1},      {"0.0.0.0/0", "::1", 0},
    {"::/0", "192.0.2.1", 0},                 {"::/0", "2001:db8::1", 1},
    {"2001:db8::/33", "2001:db8:7fff::1", 1}, {"2001:db8::/33", "2001:db8:8000::1", 0},
    {"2001:db8::1", "2001:db8::1", 1},        {"2001:db8::1", "2001:db8::", 0},
    {"192.0.2.0/24", "::ffff:192.0.2.9", 1},
};

START_TEST(test_contains)
{
    cfmt_cidr_t outer, inner, none = {.family = 0};
    apr_size_t i;

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        ck_assert_int_eq(cfmt_cidr_parse(&outer, NULL, pairs[i].outer), APR_SUCCESS);
        ck_assert_int_eq(cfmt_cidr_parse(&inner, NULL, pairs[i].inner), APR_SUCCESS);
        ck_assert_msg(cfmt_cidr_contains(&outer, &inner) == pairs[i].want, "%s in %s",
                      pairs[i].inner, pairs[i].outer);
    }
    ck_assert(!cfmt_cidr_contains(&none, &none));
    ck_assert(!cfmt_cidr_contains(&outer, &none) && !cfmt_cidr_contains(&none, &outer));
}
END_TEST

START_TEST(test_compare)
{
    static const char *const order[] = {
        "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.0.0.0", "10.0.0.1", "203.0.113.0/24",
        "::/0", "::1", "2001:db8::/32", "2001:db8::/48", "2001:db9::/32",
    };
    const int n = sizeof(order) / sizeof(order[0]);
    cfmt_cidr_t a, b;
    int i, j, diff;

    for (i = 0; i < n; i++) {
        for (j = 0; j < n; j++) {
            cfmt_cidr_parse(&a, NULL, order[i]);
            cfmt_cidr_parse(&b, NULL, order[j]);
            diff = cfmt_cidr_compare(&a, &b);
            ck_assert_msg((diff > 0) - (diff < 0) == (i > j) - (i < j), "%s and %s", order[i],
                          order[j]);
        }
    }
}
END_TEST

UNIT_SUITE_BEGIN(cidr)
    UNIT_TEST(test_parse)
    UNIT_TEST(test_bytes)
    UNIT_TEST(test_contains)
    UNIT_TEST(test_compare)
UNIT_SUITE_END
