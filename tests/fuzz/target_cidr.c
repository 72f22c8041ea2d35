/*
 * Two lines, each a network or a host: one text for one value, and containment agrees with a bit
 * by bit look.
 */
#include <string.h>

#include "cfmt_intake.h"
#include "fuzz.h"

static int bit(const cfmt_cidr_t *c, int i)
{
    return c->addr[i / 8] >> (7 - i % 8) & 1;
}

static void check_one(const cfmt_cidr_t *c, const char *text, apr_pool_t *p)
{
    static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    const char *canonical = cfmt_cidr_format(p, c);
    cfmt_cidr_t again;
    int i, dirty = 1;

    FUZZ_CHECK(c->family == 4 || c->family == 6);
    FUZZ_CHECK(c->bits <= (c->family == 4 ? 32 : 128));
    for (i = c->bits; i < 128; i++) {
        FUZZ_CHECK(!bit(c, i));
    }
    FUZZ_CHECK(c->family == 4 || c->bits < 96 || memcmp(c->addr, mapped, sizeof(mapped)));
    FUZZ_CHECK(cfmt_cidr_parse(&again, &dirty, canonical) == APR_SUCCESS);
    FUZZ_CHECK(!dirty);
    FUZZ_CHECK(cfmt_cidr_compare(c, &again) == 0 && again.bits == c->bits);
    FUZZ_CHECK(!strcmp(cfmt_cidr_format(p, &again), canonical));
    FUZZ_CHECK(cfmt_cidr_contains(c, c) && cfmt_cidr_contains(c, &again));
    FUZZ_CHECK(!strchr(text, '%')); /* no zone ids */
}

static int contains(const cfmt_cidr_t *outer, const cfmt_cidr_t *inner)
{
    int i;

    if (outer->family != inner->family || outer->bits > inner->bits) {
        return 0;
    }
    for (i = 0; i < outer->bits; i++) {
        if (bit(outer, i) != bit(inner, i)) {
            return 0;
        }
    }
    return 1;
}

static void check_two(const cfmt_cidr_t *a, const cfmt_cidr_t *b, apr_pool_t *p)
{
    cfmt_senders_t *s = cfmt_senders_create(p);
    int ab = cfmt_cidr_compare(a, b), ba = cfmt_cidr_compare(b, a);

    FUZZ_CHECK(cfmt_cidr_contains(a, b) == contains(a, b));
    FUZZ_CHECK(cfmt_cidr_contains(b, a) == contains(b, a));
    FUZZ_CHECK((ab == 0) == (contains(a, b) && contains(b, a)));
    FUZZ_CHECK((ab < 0) == (ba > 0) && (ab > 0) == (ba < 0));
    FUZZ_CHECK(!cfmt_senders_allow(s, b));
    cfmt_senders_add(s, a);
    FUZZ_CHECK(cfmt_senders_allow(s, b) == contains(a, b));
}

static void check_bytes(const char *data, apr_size_t len, apr_pool_t *p)
{
    cfmt_cidr_t c;
    apr_status_t rv = cfmt_cidr_from_bytes(&c, data, len);

    FUZZ_CHECK((rv == APR_SUCCESS) == (len == 4 || len == 16));
    if (rv == APR_SUCCESS) {
        check_one(&c, "", p);
        FUZZ_CHECK(c.bits == (c.family == 4 ? 32 : 128));
    }
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    const char *first, *second;
    cfmt_cidr_t a, b;
    int dirty;

    check_bytes(data, len, p);
    first = fuzz_line(&data, &len, p);
    second = fuzz_line(&data, &len, p);
    if (cfmt_cidr_parse(&a, &dirty, first) != APR_SUCCESS) {
        return;
    }
    check_one(&a, first, p);
    if (cfmt_cidr_parse(&b, NULL, second) == APR_SUCCESS) {
        check_one(&b, second, p);
        check_two(&a, &b, p);
    }
}
