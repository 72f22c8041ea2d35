/*
 * Unit tests of src/intake/sender.c.
 */
#include "cfmt_intake.h"
#include "unit.h"

static int allows(const cfmt_senders_t *s, const char *host)
{
    cfmt_cidr_t c;

    ck_assert_msg(cfmt_cidr_parse(&c, NULL, host) == APR_SUCCESS, "%s", host);
    return cfmt_senders_allow(s, &c);
}

/* First and last address of each of Cloudflare's ranges, and the neighbours that are not in it. */
static const struct {
    const char *before, *first, *last, *after;
} edges[] = {
    {"173.245.47.255", "173.245.48.0", "173.245.63.255", "173.245.64.0"},
    {"103.21.243.255", "103.21.244.0", "103.21.247.255", "103.21.248.0"},
    {"103.22.199.255", "103.22.200.0", "103.22.203.255", "103.22.204.0"},
    {"103.31.3.255", "103.31.4.0", "103.31.7.255", "103.31.8.0"},
    {"141.101.63.255", "141.101.64.0", "141.101.127.255", "141.101.128.0"},
    {"108.162.191.255", "108.162.192.0", "108.162.255.255", "108.163.0.0"},
    {"190.93.239.255", "190.93.240.0", "190.93.255.255", "190.94.0.0"},
    {"188.114.95.255", "188.114.96.0", "188.114.111.255", "188.114.112.0"},
    {"197.234.239.255", "197.234.240.0", "197.234.243.255", "197.234.244.0"},
    {"198.41.127.255", "198.41.128.0", "198.41.255.255", "198.42.0.0"},
    {"162.157.255.255", "162.158.0.0", "162.159.255.255", "162.160.0.0"},
    {"104.15.255.255", "104.16.0.0", "104.23.255.255", "104.28.0.0"},
    {"104.15.255.255", "104.24.0.0", "104.27.255.255", "104.28.0.0"},
    {"172.63.255.255", "172.64.0.0", "172.71.255.255", "172.72.0.0"},
    {"131.0.71.255", "131.0.72.0", "131.0.75.255", "131.0.76.0"},
    {"2400:caff:ffff::1", "2400:cb00::", "2400:cb00:ffff::1", "2400:cb01::"},
    {"2606:46ff:ffff::1", "2606:4700::", "2606:4700:ffff::1", "2606:4701::"},
    {"2803:f7ff:ffff::1", "2803:f800::", "2803:f800:ffff::1", "2803:f801::"},
    {"2405:b4ff:ffff::1", "2405:b500::", "2405:b500:ffff::1", "2405:b501::"},
    {"2405:80ff:ffff::1", "2405:8100::", "2405:8100:ffff::1", "2405:8101::"},
    {"2a06:98bf:ffff::1", "2a06:98c0::", "2a06:98c7:ffff::1", "2a06:98c8::"},
    {"2c0f:f247:ffff::1", "2c0f:f248::", "2c0f:f248:ffff::1", "2c0f:f249::"},
};

START_TEST(test_cloudflare)
{
    cfmt_senders_t *s = cfmt_senders_create(unit_pool);
    apr_size_t i;

    cfmt_senders_add_cloudflare(s);
    ck_assert_uint_eq(sizeof(edges) / sizeof(edges[0]), 22);
    for (i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        ck_assert_msg(!allows(s, edges[i].before), "%s", edges[i].before);
        ck_assert_msg(allows(s, edges[i].first), "%s", edges[i].first);
        ck_assert_msg(allows(s, edges[i].last), "%s", edges[i].last);
        ck_assert_msg(!allows(s, edges[i].after), "%s", edges[i].after);
    }
    ck_assert(allows(s, "::ffff:104.16.0.1"));
    ck_assert(!allows(s, "::ffff:203.0.113.7"));
    ck_assert(!allows(s, "127.0.0.1") && !allows(s, "::1"));
    ck_assert_str_eq(cfmt_senders_text(s, unit_pool), "cloudflare");
}
END_TEST

START_TEST(test_named)
{
    cfmt_senders_t *s = cfmt_senders_create(unit_pool);
    cfmt_cidr_t c;

    ck_assert(!allows(s, "203.0.113.7")); /* nobody was named: nobody may */
    ck_assert_str_eq(cfmt_senders_text(s, unit_pool), "");
    cfmt_senders_add_cloudflare(s);
    ck_assert_int_eq(cfmt_cidr_parse(&c, NULL, "127.0.0.0/8"), APR_SUCCESS);
    cfmt_senders_add(s, &c);
    ck_assert_int_eq(cfmt_cidr_parse(&c, NULL, "2001:DB8::5"), APR_SUCCESS);
    cfmt_senders_add(s, &c);
    ck_assert(allows(s, "127.3.2.1") && allows(s, "::ffff:127.0.0.1"));
    ck_assert(!allows(s, "::1") && !allows(s, "128.0.0.1"));
    ck_assert(allows(s, "2001:db8::5") && !allows(s, "2001:db8::6"));
    ck_assert_str_eq(cfmt_senders_text(s, unit_pool), "cloudflare 127.0.0.0/8 2001:db8::5");
}
END_TEST

START_TEST(test_any)
{
    cfmt_senders_t *s = cfmt_senders_create(unit_pool);

    cfmt_senders_add_any(s);
    ck_assert(allows(s, "203.0.113.7") && allows(s, "2001:db8::1"));
    ck_assert_str_eq(cfmt_senders_text(s, unit_pool), "any");
}
END_TEST

UNIT_SUITE_BEGIN(sender)
    UNIT_TEST(test_cloudflare)
    UNIT_TEST(test_named)
    UNIT_TEST(test_any)
UNIT_SUITE_END
