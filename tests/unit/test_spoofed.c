/*
 * Unit tests of src/base/spoofed.c and geo.c: from where no packet can come, and where an address
 * is when there is no database.
 */

#include <string.h>

#include "cfmt_geo.h"
#include "unit.h"

static const struct {
    const char *first, *last, *before, *behind; /* NULL = the family's end, or a neighbour's */
} blocks[] = {
    {"0.0.0.0", "0.255.255.255", NULL, "1.0.0.0"},
    {"10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
    {"100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"},
    {"127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"},
    {"169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"},
    {"172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"},
    {"192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"},
    {"192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"},
    {"192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"},
    {"198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"},
    {"198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"},
    {"203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"},
    {"224.0.0.0", "255.255.255.255", "223.255.255.255", NULL},
    {"::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, "2000::"},
    {"::1", "64:ff9b::7", NULL, NULL},
    {"::ffff:10.0.0.1", "::ffff:192.168.1.1", "::ffff:9.9.9.9", "::ffff:8.8.8.8"},
    {"2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "2001:1:ffff::", "2001:2:1::"},
    {"2001:10::", "2001:1f::1", "2001:f::1", NULL},
    {"2001:20::", "2001:2f::1", NULL, "2001:30::"},
    {"2001:db8::", "2001:db8:ffff::1", "2001:db7:ffff::1", "2001:db9::"},
    {"2002:a00::", "2002:aff:ffff::1", "2002:9ff::1", "2002:b00::1"},
    {"2002:c0a8:1::1", "2002:e000:1::", "2002:c0a7:1::1", "2002:808:808::1"},
    {"3fff::", "3fff:fff::1", "3ffe:ffff::1", "3fff:1000::"},
    {"4000::", "ffff::1", "3fff:ffff::1", NULL},
    {"fc00::1", "fe80::1", NULL, NULL},
};

static int is_spoofed(const char *text)
{
    cfmt_cidr_t c;

    ck_assert_msg(cfmt_cidr_parse(&c, NULL, text) == APR_SUCCESS, "%s", text);
    return cfmt_cidr_spoofed(&c);
}

START_TEST(test_blocks)
{
    ck_assert_msg(is_spoofed(blocks[_i].first), "%s", blocks[_i].first);
    ck_assert_msg(is_spoofed(blocks[_i].last), "%s", blocks[_i].last);
    ck_assert_msg(!blocks[_i].before || !is_spoofed(blocks[_i].before), "%s", blocks[_i].before);
    ck_assert_msg(!blocks[_i].behind || !is_spoofed(blocks[_i].behind), "%s", blocks[_i].behind);
}
END_TEST

START_TEST(test_no_place)
{
    cfmt_geo_t *g = NULL;
    cfmt_geo_place_t place;
    const char *why = NULL;
    cfmt_cidr_t host;

    cfmt_cidr_parse(&host, NULL, "8.8.8.8");
    place = cfmt_geo_find(NULL, &host, unit_pool);
    ck_assert(!place.city && !place.country);
    ck_assert_int_ne(cfmt_geo_open(&g, &why, unit_path("nowhere.mmdb"), unit_pool), APR_SUCCESS);
    ck_assert_msg(strstr(why, "nowhere.mmdb") || strstr(why, "--with-maxminddb"), "%s", why);
}
END_TEST

UNIT_SUITE_BEGIN(spoofed)
    tcase_add_loop_test(tc, test_blocks, 0, (int)(sizeof(blocks) / sizeof(blocks[0])));
    UNIT_TEST(test_no_place)
UNIT_SUITE_END
