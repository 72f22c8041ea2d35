/*
 * Networks and hosts of both families: parse, print, compare.
 */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include <apr_strings.h>

#include "cfmt.h"

static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};

static int full_length(int family)
{
    return family == 4 ? 32 : 128;
}

/* One to three digits, no sign, no leading zero, at most max; -1 otherwise. */
static int parse_bits(const char *s, int max)
{
    apr_int64_t n;

    if (*s < '0' || *s > '9' || strlen(s) > 3 || (*s == '0' && s[1])
        || cfmt_int_parse(&n, s, 0, max) != APR_SUCCESS) {
        return -1;
    }
    return (int)n;
}

/* Zeroes everything behind the length; tells whether there was anything. */
static int mask_host(cfmt_cidr_t *c)
{
    unsigned char keep;
    int i, dirty = 0;

    for (i = 0; i < (int)sizeof(c->addr); i++) {
        if (c->bits >= (i + 1) * 8) {
            continue;
        }
        keep = c->bits <= i * 8 ? 0 : (unsigned char)(0xFF << (8 - c->bits % 8));
        dirty |= c->addr[i] & ~keep & 0xFF;
        c->addr[i] &= keep;
    }
    return dirty != 0;
}

/* ::ffff:192.0.2.1 is what a dual-stack socket says for 192.0.2.1: one spelling for one host. */
static void unmap(cfmt_cidr_t *c)
{
    if (c->family == 6 && c->bits >= 96 && memcmp(c->addr, mapped, sizeof(mapped)) == 0) {
        memmove(c->addr, c->addr + 12, 4);
        memset(c->addr + 4, 0, 12);
        c->family = 4;
        c->bits -= 96;
    }
}

apr_status_t cfmt_cidr_parse(cfmt_cidr_t *pc, int *phost_bits, const char *s)
{
    cfmt_cidr_t c = {.family = 0};
    char text[INET6_ADDRSTRLEN];
    const char *slash;
    apr_size_t len;
    int bits, dirty;

    if (!s) {
        return CFMT_EINVALID;
    }
    slash = strchr(s, '/');
    len = slash ? (apr_size_t)(slash - s) : strlen(s);
    if (len == 0 || len >= sizeof(text)) {
        return CFMT_EINVALID;
    }
    memcpy(text, s, len);
    text[len] = '\0';
    c.family = strchr(text, ':') ? 6 : 4;
    bits = slash ? parse_bits(slash + 1, full_length(c.family)) : full_length(c.family);
    if (bits < 0 || inet_pton(c.family == 6 ? AF_INET6 : AF_INET, text, c.addr) != 1) {
        return CFMT_EINVALID;
    }
    c.bits = (unsigned char)bits;
    dirty = mask_host(&c);
    unmap(&c);
    if (phost_bits) {
        *phost_bits = dirty;
    }
    *pc = c;
    return APR_SUCCESS;
}

apr_status_t cfmt_cidr_from_bytes(cfmt_cidr_t *pc, const void *bytes, apr_size_t len)
{
    cfmt_cidr_t c = {.family = 0};

    if (len != 4 && len != 16) {
        return CFMT_EINVALID;
    }
    c.family = len == 4 ? 4 : 6;
    c.bits = (unsigned char)full_length(c.family);
    memcpy(c.addr, bytes, len);
    unmap(&c);
    *pc = c;
    return APR_SUCCESS;
}

const char *cfmt_cidr_format(apr_pool_t *p, const cfmt_cidr_t *c)
{
    char text[INET6_ADDRSTRLEN];

    if ((c->family != 4 && c->family != 6)
        || !inet_ntop(c->family == 6 ? AF_INET6 : AF_INET, c->addr, text, sizeof(text))) {
        return "";
    }
    if (c->bits == full_length(c->family)) {
        return apr_pstrdup(p, text);
    }
    return apr_psprintf(p, "%s/%d", text, (int)c->bits);
}

int cfmt_cidr_contains(const cfmt_cidr_t *outer, const cfmt_cidr_t *inner)
{
    int whole = outer->bits / 8, rest = outer->bits % 8;

    if (!outer->family || outer->family != inner->family || outer->bits > inner->bits
        || memcmp(outer->addr, inner->addr, (apr_size_t)whole) != 0) {
        return 0;
    }
    return rest == 0 || ((outer->addr[whole] ^ inner->addr[whole]) >> (8 - rest)) == 0;
}

int cfmt_cidr_compare(const cfmt_cidr_t *a, const cfmt_cidr_t *b)
{
    int diff = (int)a->family - (int)b->family;

    if (!diff) {
        diff = memcmp(a->addr, b->addr, sizeof(a->addr));
    }
    return diff ? diff : (int)a->bits - (int)b->bits;
}
