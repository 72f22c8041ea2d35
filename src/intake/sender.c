/*
 * Who may talk to us: Cloudflare's published ranges, configured networks, or anybody.
 */
#include <apr_strings.h>

#include "cfmt_intake.h"

struct cfmt_senders_t {
    apr_pool_t *pool;
    int any;
    apr_array_header_t *nets;  /* cfmt_cidr_t, Cloudflare's not among them */
    const apr_array_header_t *ranges; /* cfmt_cidr_t: Cloudflare's; NULL where it is not wanted */
    apr_array_header_t *words; /* const char *, as configured */
};

static const char *const cloudflare_nets[] = {
    "173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18",
    "108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22",
    "198.41.128.0/17", "162.158.0.0/15", "104.16.0.0/13", "104.24.0.0/14", "172.64.0.0/13",
    "131.0.72.0/22",
    "2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32",
    "2a06:98c0::/29", "2c0f:f248::/32",
};

cfmt_senders_t *cfmt_senders_create(apr_pool_t *p)
{
    cfmt_senders_t *s = apr_pcalloc(p, sizeof(*s));

    s->pool = p;
    s->nets = apr_array_make(p, 24, sizeof(cfmt_cidr_t));
    s->words = apr_array_make(p, 4, sizeof(const char *));
    return s;
}

void cfmt_senders_add(cfmt_senders_t *s, const cfmt_cidr_t *c)
{
    APR_ARRAY_PUSH(s->nets, cfmt_cidr_t) = *c;
    APR_ARRAY_PUSH(s->words, const char *) = cfmt_cidr_format(s->pool, c);
}

apr_array_header_t *cfmt_senders_compiled(apr_pool_t *p)
{
    apr_array_header_t *nets = apr_array_make(p, 24, sizeof(cfmt_cidr_t));
    apr_size_t i;

    for (i = 0; i < sizeof(cloudflare_nets) / sizeof(cloudflare_nets[0]); i++) {
        /* Our own constants; the unit test proves that each of them parses. */
        (void)cfmt_cidr_parse(apr_array_push(nets), NULL, cloudflare_nets[i]);
    }
    return nets;
}

void cfmt_senders_add_cloudflare(cfmt_senders_t *s)
{
    s->ranges = cfmt_senders_compiled(s->pool);
    APR_ARRAY_PUSH(s->words, const char *) = "cloudflare";
}

void cfmt_senders_add_any(cfmt_senders_t *s)
{
    s->any = 1;
    APR_ARRAY_PUSH(s->words, const char *) = "any";
}

cfmt_senders_t *cfmt_senders_renew(const cfmt_senders_t *s, const apr_array_header_t *ranges,
                                   apr_pool_t *p)
{
    cfmt_senders_t *mine = apr_pmemdup(p, s, sizeof(*s));

    mine->pool = p;
    mine->nets = apr_array_copy(p, s->nets);
    mine->words = apr_array_copy(p, s->words);
    mine->ranges = s->ranges ? apr_array_copy(p, ranges) : NULL;
    return mine;
}

int cfmt_senders_cloudflare(const cfmt_senders_t *s)
{
    return s->ranges != NULL;
}

/* A loop over some 25 networks takes 100 ns: nothing to gain from sorting. */
static int within(const apr_array_header_t *nets, const cfmt_cidr_t *host)
{
    int i;

    for (i = 0; nets && i < nets->nelts; i++) {
        if (cfmt_cidr_contains(&APR_ARRAY_IDX(nets, i, cfmt_cidr_t), host)) {
            return 1;
        }
    }
    return 0;
}

int cfmt_senders_allow(const cfmt_senders_t *s, const cfmt_cidr_t *host)
{
    return s->any || within(s->nets, host) || within(s->ranges, host);
}

const char *cfmt_senders_text(const cfmt_senders_t *s, apr_pool_t *p)
{
    return apr_array_pstrcat(p, s->words, ' ');
}
