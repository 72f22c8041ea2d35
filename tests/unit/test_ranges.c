/*
 * Unit tests of src/cloudflare/ranges.c: what is a list of ranges, and which lists are absurd.
 */
#include <apr_strings.h>

#include "rows.h"

static const char *const v4[] = {
    "173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18",
    "108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22",
    "198.41.128.0/17", "162.158.0.0/15", "104.16.0.0/13", "104.24.0.0/14", "172.64.0.0/13",
    "131.0.72.0/22",
};
static const char *const v6[] = {
    "2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32",
    "2a06:98c0::/29", "2c0f:f248::/32",
};
#define V4 ((int)(sizeof(v4) / sizeof(v4[0])))
#define V6 ((int)(sizeof(v6) / sizeof(v6[0])))

static apr_status_t read_text(cfmt_ranges_t *g, const char **pwhy, const char *text)
{
    *pwhy = NULL;
    return cfmt_ranges_read(g, pwhy, rows_parse(text), unit_pool);
}

/* The first n4 and n6 of the known ones, and one more. */
static cfmt_ranges_t list(int n4, int n6, const char *more)
{
    cfmt_ranges_t g = {.cidrs = apr_array_make(unit_pool, 24, sizeof(cfmt_cidr_t))};
    int i;

    for (i = 0; i < n4; i++) {
        APR_ARRAY_PUSH(g.cidrs, cfmt_cidr_t) = rows_cidr(v4[i]);
    }
    for (i = 0; i < n6; i++) {
        APR_ARRAY_PUSH(g.cidrs, cfmt_cidr_t) = rows_cidr(v6[i]);
    }
    if (more) {
        APR_ARRAY_PUSH(g.cidrs, cfmt_cidr_t) = rows_cidr(more);
    }
    return g;
}

static void absurd(cfmt_ranges_t g, const char *why)
{
    const char *said = cfmt_ranges_absurd(&g, unit_pool);

    ck_assert_msg(said != NULL, "believed, should be: %s", why);
    ck_assert_msg(strstr(said, why) != NULL, "'%s' does not say '%s'", said, why);
}

static void believed(cfmt_ranges_t g)
{
    const char *said = cfmt_ranges_absurd(&g, unit_pool);

    ck_assert_msg(!said, "%s", said);
}

START_TEST(test_read)
{
    cfmt_ranges_t g;
    const char *why;
    int i;

    ck_assert_int_eq(read_text(&g, &why,
                               "{\"etag\":\"e1\",\"ipv4_cidrs\":[\"173.245.48.0/20\","
                               "\"103.21.244.0/22\",\"173.245.48.0/20\"],\"ipv6_cidrs\":"
                               "[\"2400:CB00::/32\"],\"jdcloud_cidrs\":[\"192.0.2.0/24\"]}"),
                     APR_SUCCESS);
    ck_assert_str_eq(g.etag, "e1");
    ck_assert_int_eq(g.cidrs->nelts, 3);
    for (i = 1; i < 3; i++) {
        ck_assert_int_lt(cfmt_cidr_compare(&APR_ARRAY_IDX(g.cidrs, i - 1, cfmt_cidr_t),
                                           &APR_ARRAY_IDX(g.cidrs, i, cfmt_cidr_t)), 0);
    }
    ck_assert_int_eq(read_text(&g, &why, "{\"ipv4_cidrs\":[],\"ipv6_cidrs\":[]}"), APR_SUCCESS);
    ck_assert(!g.etag && g.cidrs->nelts == 0);
}
END_TEST

START_TEST(test_refused)
{
    static const struct {
        const char *row, *why;
    } cases[] = {
        {"{}", "\"ipv4_cidrs\" is missing"},
        {"null", "\"ipv4_cidrs\" is missing"},
        {"{\"ipv4_cidrs\":null,\"ipv6_cidrs\":[]}", "\"ipv4_cidrs\" is not a list"},
        {"{\"ipv4_cidrs\":[]}", "\"ipv6_cidrs\" is missing"},
        {"{\"ipv4_cidrs\":[\"103.21.244.0/22\",\"x\"],\"ipv6_cidrs\":[]}", "no IPv4 network"},
        {"{\"ipv4_cidrs\":[null],\"ipv6_cidrs\":[]}", "no IPv4 network"},
        {"{\"ipv4_cidrs\":[1],\"ipv6_cidrs\":[]}", "no IPv4 network"},
        {"{\"ipv4_cidrs\":[\"2400:cb00::/32\"],\"ipv6_cidrs\":[]}", "no IPv4 network"},
        {"{\"ipv4_cidrs\":[\"103.21.244.1/22\"],\"ipv6_cidrs\":[]}", "no IPv4 network"},
        {"{\"ipv4_cidrs\":[\"103.21.244.0/22\\u0000x\"],\"ipv6_cidrs\":[]}", "no IPv4 network"},
        {"{\"ipv4_cidrs\":[],\"ipv6_cidrs\":[\"103.21.244.0/22\"]}", "no IPv6 network"},
        {"{\"ipv4_cidrs\":[],\"ipv6_cidrs\":[\"::ffff:103.21.244.0/118\"]}", "no IPv6 network"},
    };
    cfmt_ranges_t g;
    const char *why;
    apr_size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_msg(read_text(&g, &why, cases[i].row) == CFMT_EINVALID, "%s", cases[i].row);
        ck_assert_msg(why && strstr(why, cases[i].why), "%s: %s", cases[i].row, why);
    }
}
END_TEST

START_TEST(test_counts)
{
    believed(list(V4, V6, NULL));
    absurd(list(4, V6, NULL), "only 4 IPv4 ranges");
    absurd(list(0, 0, NULL), "only 0 IPv4 ranges");
    absurd(list(V4, 1, NULL), "only 1 IPv6 ranges");
    believed(list(V4, 2, NULL));
    believed(list(5, 6, NULL)); /* eleven of twenty-two are there: half, not over it */
    absurd(list(5, 5, NULL), "12 of the 22 known ranges are gone");
}
END_TEST

/* Replaced altogether is over half gone; one range around two known ones keeps both. */
START_TEST(test_gone)
{
    cfmt_ranges_t g = list(0, 0, NULL), joined = list(9, 0, "104.16.0.0/12");
    int i;

    for (i = 0; i < 20; i++) {
        APR_ARRAY_PUSH(g.cidrs, cfmt_cidr_t) =
            rows_cidr(apr_psprintf(unit_pool, i < 10 ? "5.%d.0.0/16" : "2a00:%d::/32", i));
    }
    absurd(g, "22 of the 22");
    APR_ARRAY_PUSH(joined.cidrs, cfmt_cidr_t) = rows_cidr("2a00:1::/32");
    APR_ARRAY_PUSH(joined.cidrs, cfmt_cidr_t) = rows_cidr("2a00:2::/32");
    believed(joined); /* nine, and the two within the larger one: half */
}
END_TEST

START_TEST(test_short)
{
    absurd(list(V4, V6, "16.0.0.0/7"), "16.0.0.0/7 is shorter than /8");
    believed(list(V4, V6, "16.0.0.0/8"));
    absurd(list(V4, V6, "2c00::/19"), "2c00::/19 is shorter than /20");
    believed(list(V4, V6, "2c00::/20"));
    absurd(list(V4, V6, "0.0.0.0/0"), "0.0.0.0/0 is shorter");
    absurd(list(V4, V6, "::/0"), "::/0 is shorter");
}
END_TEST

/* In it, around it, and the neighbours that are not. */
START_TEST(test_reserved)
{
    static const char *const bad[] = {
        "0.1.0.0/16", "10.0.0.0/8", "10.9.0.0/16", "100.64.0.0/10", "100.127.0.0/16",
        "127.0.0.1", "169.254.0.0/16", "169.0.0.0/8", "172.16.0.0/12", "172.31.255.0/24",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.0.0.0/8",
        "198.18.0.0/15", "198.19.0.0/16", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/8",
        "239.1.0.0/16",
        "240.0.0.0/8", "255.255.255.255", "::1", "::", "64:ff9b::/96", "100::/64",
        "2001::/32", "2001:1ff::/32", "2001:db8::/32", "2001:db8:1::/48", "2002::/32",
        "3fff::/20", "fc00::/20",
        "fd00:1::/32", "fe80::/20", "fec0::/20", "ff02::/32", "4000::/20", "8000::/20",
    };
    static const char *const good[] = {
        "1.0.0.0/16", "9.0.0.0/8", "11.0.0.0/8", "100.63.0.0/16", "100.128.0.0/16",
        "126.0.0.0/8", "128.0.0.0/16", "169.253.0.0/16", "172.15.0.0/16", "172.32.0.0/16",
        "192.0.1.0/24", "192.0.3.0/24", "192.167.0.0/16", "198.17.0.0/16", "198.20.0.0/16",
        "223.255.0.0/16", "2001:200::/32", "2001:db9::/32", "2003::/20", "2000::/20",
        "3ffe::/20",
    };
    apr_size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        absurd(list(V4, V6, bad[i]), "is not of the public network");
    }
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        believed(list(V4, V6, good[i]));
    }
}
END_TEST

UNIT_SUITE_BEGIN(ranges)
    UNIT_TEST(test_read)
    UNIT_TEST(test_refused)
    UNIT_TEST(test_counts)
    UNIT_TEST(test_gone)
    UNIT_TEST(test_short)
    UNIT_TEST(test_reserved)
UNIT_SUITE_END
