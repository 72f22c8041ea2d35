/*
 * Unit tests of src/intake/alert.c: which of our prefixes a target hits.
 */
#include <string.h>

#include "cfmt_intake.h"
#include "unit.h"

static const char *const ours[] = {
    "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "203.0.113.128/25", "2001:db8::/32",
    "2001:db8:1::/48",
};

static const struct {
    const char *target, *hits; /* indices into ours */
} hits[] = {
    {"192.0.2.7", "0"}, {"203.0.113.7", "2"}, {"203.0.113.200", "3"}, {"203.0.113.128/25", "3"},
    {"203.0.113.0/24", "2"}, {"203.0.113.0/25", "2"}, {"203.0.112.0/23", "23"},
    {"192.0.0.0/8", "0"}, {"0.0.0.0/0", "0123"}, {"::/0", "45"}, {"2001:db8:1::9", "5"},
    {"2001:db8:2::9", "4"}, {"2001:db8::/31", "45"}, {"10.0.0.1", ""}, {"2001:db9::1", ""},
    {"::ffff:192.0.2.7", "0"},
};

START_TEST(test_hits)
{
    const int n = sizeof(ours) / sizeof(ours[0]);
    apr_array_header_t *prefixes = apr_array_make(unit_pool, n, sizeof(cfmt_prefix_t));
    cfmt_cidr_t target;
    apr_size_t row;
    int i;

    for (i = 0; i < n; i++) {
        cfmt_prefix_t *prefix = apr_array_push(prefixes);

        memset(prefix, 0, sizeof(*prefix));
        cfmt_cidr_parse(&prefix->cidr, NULL, ours[i]);
    }
    for (row = 0; row < sizeof(hits) / sizeof(hits[0]); row++) {
        char got[16] = "";
        apr_array_header_t *found;

        cfmt_cidr_parse(&target, NULL, hits[row].target);
        found = cfmt_prefix_hits(&target, prefixes, unit_pool);
        for (i = 0; i < found->nelts; i++) {
            got[i] = (char)('0' + APR_ARRAY_IDX(found, i, int));
        }
        ck_assert_msg(strcmp(got, hits[row].hits) == 0, "%s hits %s", hits[row].target, got);
    }
    memset(&target, 0, sizeof(target));
    ck_assert_int_eq(cfmt_prefix_hits(&target, prefixes, unit_pool)->nelts, 0);
}
END_TEST

UNIT_SUITE_BEGIN(hits)
    UNIT_TEST(test_hits)
UNIT_SUITE_END
