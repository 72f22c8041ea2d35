/*
 * Addresses that no packet of the Internet can truly come from. In a flood they mean that somebody
 * writes what he likes into the packets: such a source is nobody to block or to write to.
 */
#include <string.h>

#include "cfmt.h"

typedef struct block_t {
    unsigned char family, bits;
    unsigned char addr[16];
} block_t;

static const block_t blocks[] = {
    { 4, 8, { 0 } },                     /* 0.0.0.0/8: this host, this network (RFC 1122) */
    { 4, 8, { 10 } },                    /* private (RFC 1918) */
    { 4, 10, { 100, 64 } },              /* carriers' NAT (RFC 6598) */
    { 4, 8, { 127 } },                   /* loopback (RFC 1122) */
    { 4, 16, { 169, 254 } },             /* link-local (RFC 3927) */
    { 4, 12, { 172, 16 } },              /* private (RFC 1918) */
    { 4, 24, { 192, 0, 0 } },            /* protocol assignments (RFC 6890) */
    { 4, 24, { 192, 0, 2 } },            /* documentation (RFC 5737), as two below */
    { 4, 16, { 192, 168 } },             /* private (RFC 1918) */
    { 4, 15, { 198, 18 } },              /* benchmarks (RFC 2544) */
    { 4, 24, { 198, 51, 100 } },
    { 4, 24, { 203, 0, 113 } },
    { 4, 3, { 224 } },                   /* multicast (RFC 5771), reserved (RFC 1112), broadcast */
    /* Unicast addresses are allocated from 2000::/3 only (RFC 4291, RFC 3587): all the rest. */
    { 6, 3, { 0 } },                     /* unspecified, loopback, NAT64, discard */
    { 6, 2, { 0x40 } },
    { 6, 1, { 0x80 } },                  /* unique local (RFC 4193), link-local, multicast */
    { 6, 48, { 0x20, 0x01, 0, 2 } },     /* benchmarks (RFC 5180) */
    { 6, 28, { 0x20, 0x01, 0, 0x10 } },  /* ORCHID (RFC 4843) */
    { 6, 28, { 0x20, 0x01, 0, 0x20 } },  /* ORCHIDv2 (RFC 7343) */
    { 6, 32, { 0x20, 0x01, 0x0D, 0xB8 } }, /* documentation (RFC 3849) */
    { 6, 20, { 0x3F, 0xFF } },           /* documentation (RFC 9637) */
};

static int in_blocks(const cfmt_cidr_t *c)
{
    cfmt_cidr_t block;
    size_t i;

    for (i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        block.family = blocks[i].family;
        block.bits = blocks[i].bits;
        memcpy(block.addr, blocks[i].addr, sizeof(block.addr));
        if (cfmt_cidr_contains(&block, c)) {
            return 1;
        }
    }
    return 0;
}

/* 2002:a.b.c.d::/48 belongs to whoever has a.b.c.d (RFC 3056), so to nobody where nobody can. */
static int from_6to4(cfmt_cidr_t *v4, const cfmt_cidr_t *c)
{
    memset(v4, 0, sizeof(*v4));
    if (c->family != 6 || c->bits < 48 || c->addr[0] != 0x20 || c->addr[1] != 0x02) {
        return 0;
    }
    v4->family = 4;
    v4->bits = 32;
    memcpy(v4->addr, c->addr + 2, 4);
    return 1;
}

int cfmt_cidr_spoofed(const cfmt_cidr_t *c)
{
    cfmt_cidr_t v4;

    return in_blocks(c) || (from_6to4(&v4, c) && in_blocks(&v4));
}
