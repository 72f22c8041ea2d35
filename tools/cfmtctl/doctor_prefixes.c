/*
 * doctor: the account's prefixes and the CfmtPrefix lines: which of them can be advertised and
 * withdrawn, and what stands in the way of the others.
 */
#include <string.h>

#include <apr_strings.h>

#include "doctor_account.h"

#define PREFIX "Prefix "

typedef struct seen_t {
    apr_array_header_t *prefixes; /* const cfmt_bgp_prefix_t * */
    int on_demand, wrong;
} seen_t;

/* ---- what the API lists ---------------------------------------------------------------------- */

/* False: a list is missing, and that is said. */
static int collect(doctor_t *d, seen_t *x)
{
    const apr_array_header_t *lists = d->account->lists;
    int i, j;

    for (i = 0; i < lists->nelts; i++) {
        const doctor_ask_t *ask = APR_ARRAY_IDX(lists, i, doctor_ask_t *);

        if (!doctor_answered(d, ask, NULL)) {
            return 0;
        }
        for (j = 0; j < ask->rows->nelts; j++) {
            const cfmt_bgp_prefix_t *b = &APR_ARRAY_IDX(ask->rows, j, cfmt_bgp_prefix_t);

            APR_ARRAY_PUSH(x->prefixes, const cfmt_bgp_prefix_t *) = b;
            x->on_demand += b->enabled == 1;
        }
    }
    return 1;
}

static int is_long(const cfmt_cidr_t *c)
{
    return c->bits > (c->family == 4 ? 24 : 48);
}

static void wrong(doctor_t *d, seen_t *x, const cfmt_bgp_prefix_t *b, const char *what,
                  const char *remedy)
{
    x->wrong++;
    doctor_say(d, DOCTOR_WARN, cfmt_cidr_format(d->p, &b->cidr), remedy, "%s", what);
}

/* Of a prefix that is on demand or that the configuration names. */
static void judge(doctor_t *d, seen_t *x, const cfmt_bgp_prefix_t *b)
{
    if (is_long(&b->cidr)) {
        wrong(d, x, b, "longer than Cloudflare announces", "take the prefix that covers it");
    }
    else if (b->approved == 0) {
        wrong(d, x, b, "not approved", "ask Cloudflare: the prefix is not validated yet");
    }
    else if (b->enabled != 1) {
        wrong(d, x, b, "not on demand", "ask Cloudflare to enable it, or remove the CfmtPrefix");
    }
    else if (b->locked == 1) {
        wrong(d, x, b, "locked: it can be neither advertised nor withdrawn",
              "ask Cloudflare's support");
    }
    else if (b->bgp_control == 1) {
        wrong(d, x, b, "controlled by BGP, not by the API", "announce it to Cloudflare yourself");
    }
}

/* ---- what the configuration names ------------------------------------------------------------ */

static const cfmt_bgp_prefix_t *find(const seen_t *x, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; i < x->prefixes->nelts; i++) {
        const cfmt_bgp_prefix_t *b = APR_ARRAY_IDX(x->prefixes, i, const cfmt_bgp_prefix_t *);

        if (!cfmt_cidr_compare(&b->cidr, cidr)) {
            return b;
        }
    }
    return NULL;
}

static int is_named(const doctor_t *d, const cfmt_bgp_prefix_t *b)
{
    return apr_table_get(d->settings, apr_pstrcat(d->p, PREFIX,
                                                  cfmt_cidr_format(d->p, &b->cidr), NULL)) != NULL;
}

static void judge_lines(doctor_t *d, seen_t *x)
{
    const apr_array_header_t *all = apr_table_elts(d->settings);
    cfmt_cidr_t cidr;
    int i;

    for (i = 0; i < all->nelts; i++) {
        const char *key = APR_ARRAY_IDX(all, i, apr_table_entry_t).key;

        if (strncmp(key, PREFIX, strlen(PREFIX))
            || cfmt_cidr_parse(&cidr, NULL, key + strlen(PREFIX)) != APR_SUCCESS
            || find(x, &cidr)) {
            continue;
        }
        x->wrong++;
        doctor_say(d, DOCTOR_WARN, key + strlen(PREFIX),
                   "correct the CfmtPrefix line: 'cfmtctl prefixes' lists those of the account",
                   "the account has no such prefix");
    }
}

/* ---- the check ------------------------------------------------------------------------------- */

void doctor_prefixes(doctor_t *d)
{
    seen_t x = { .prefixes = apr_array_make(d->p, 16, sizeof(cfmt_bgp_prefix_t *)) };
    int i;

    if (!doctor_answered(d, d->account->parents, NULL) || !collect(d, &x)) {
        return;
    }
    for (i = 0; i < x.prefixes->nelts; i++) {
        const cfmt_bgp_prefix_t *b = APR_ARRAY_IDX(x.prefixes, i, const cfmt_bgp_prefix_t *);

        if (b->enabled == 1 || is_named(d, b)) {
            judge(d, &x, b);
        }
    }
    if (d->account->parents->rows->nelts == d->account->lists->nelts) {
        judge_lines(d, &x); /* else some were not read */
    }
    if (!x.on_demand) {
        doctor_say(d, DOCTOR_FAIL, NULL, "ask Cloudflare to enable on demand advertisement",
                   "none of %d is on demand", x.prefixes->nelts);
    }
    else if (!x.wrong) {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "%d of %d are on demand, none is locked",
                   x.on_demand, x.prefixes->nelts);
    }
}
