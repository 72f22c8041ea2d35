/*
 * doctor: can whoever is to be asked be reached: name, both families of addresses, TLS. Connections
 * are made and nothing is asked through them.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "doctor_account.h"

struct doctor_host_t {
    const char *shown;
    int tls;
    doctor_fetch_t *any, *of[2]; /* of: IPv4, IPv6; NULL = it cannot be asked */
};

/* ---- asking ---------------------------------------------------------------------------------- */

static doctor_fetch_t *connect_to(doctor_t *d, const char *url, int family)
{
    const cfmt_http_request_t rq = { .url = url, .family = family, .connect_only = 1 };

    return doctor_fetch(d, &rq);
}

/* Several settings may name the same host. */
static void add_host(doctor_t *d, const char *url)
{
    doctor_host_t *h;
    const char *shown;
    int i;

    if (!url || !cfmt_http_url_host(&shown, url, d->p)) {
        return;
    }
    for (i = 0; i < d->hosts->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(d->hosts, i, doctor_host_t *)->shown, shown)) {
            return;
        }
    }
    h = apr_pcalloc(d->p, sizeof(*h));
    h->shown = shown;
    h->tls = !strncasecmp(url, "https", 5);
    h->any = connect_to(d, url, 0);
    h->of[0] = connect_to(d, url, 4);
    h->of[1] = connect_to(d, url, 6);
    APR_ARRAY_PUSH(d->hosts, doctor_host_t *) = h;
}

/* Whom httpd speaks to. Those of webhook channels are a matter of their channel. */
void doctor_hosts_start(doctor_t *d)
{
    const apr_array_header_t *all = apr_table_elts(d->settings);
    int i;

    d->hosts = apr_array_make(d->p, 4, sizeof(doctor_host_t *));
    add_host(d, apr_table_get(d->settings, "ApiUrl"));
    add_host(d, apr_table_get(d->settings, "GraphqlUrl"));
    for (i = 0; i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);

        if (!strncmp(e->key, "Channel ", 8) && !strncmp(e->val, "telegram ", 9)) {
            add_host(d, apr_table_get(d->settings, "TelegramUrl"));
        }
    }
}

/* By the first host, which is that of the API. */
int doctor_api_reached(const doctor_t *d)
{
    const doctor_host_t *h = d->hosts->nelts ? APR_ARRAY_IDX(d->hosts, 0, doctor_host_t *) : NULL;

    return h && h->any && h->any->a.status == APR_SUCCESS;
}

/* ---- judging --------------------------------------------------------------------------------- */

static int each(doctor_t *d, void (*judge)(doctor_t *d, const doctor_host_t *h))
{
    int i;

    for (i = 0; i < d->hosts->nelts; i++) {
        judge(d, APR_ARRAY_IDX(d->hosts, i, doctor_host_t *));
    }
    if (!d->hosts->nelts) {
        doctor_say(d, DOCTOR_SKIP, NULL, NULL, "no upstream is known: httpd publishes them");
    }
    return d->hosts->nelts;
}

static int has(const doctor_fetch_t *f)
{
    return f && !f->a.unresolved;
}

static void judge_dns(doctor_t *d, const doctor_host_t *h)
{
    int v4 = has(h->of[0]), v6 = has(h->of[1]);

    if (!h->any || h->any->a.unresolved) {
        doctor_say(d, DOCTOR_FAIL, h->shown, NULL, "%s",
                   h->any ? h->any->a.detail : "it cannot be asked");
    }
    else {
        doctor_say(d, DOCTOR_OK, h->shown, NULL, "has %s", v4 && v6 ? "IPv4 and IPv6 addresses"
                   : v6 ? "IPv6 addresses only" : "IPv4 addresses only");
    }
}

void doctor_dns(doctor_t *d)
{
    each(d, judge_dns);
}

/* No way out by that family at all is how this host is, not a fault on the way. */
static int has_no_route(const doctor_fetch_t *f)
{
    return f->a.os_error == ENETUNREACH || f->a.os_error == EADDRNOTAVAIL
           || f->a.os_error == EAFNOSUPPORT;
}

/* One family that works is enough, so the other one's failure costs time only. */
static void judge_family(doctor_t *d, const doctor_host_t *h, int i)
{
    const doctor_fetch_t *f = h->of[i], *other = h->of[!i];
    int spare = other && other->a.reached;

    if (!has(f)) {
        doctor_say(d, DOCTOR_SKIP, h->shown, NULL, "it has no IPv%d address", i ? 6 : 4);
    }
    else if (f->a.reached) {
        doctor_say(d, DOCTOR_OK, h->shown, NULL, "connected in %s",
                   cfmt_duration_format(d->p, f->a.took));
    }
    else if (has_no_route(f) && spare) {
        doctor_say(d, DOCTOR_SKIP, h->shown, NULL, "this host has no IPv%d", i ? 6 : 4);
    }
    else {
        doctor_say(d, spare ? DOCTOR_WARN : DOCTOR_FAIL, h->shown, NULL, "%s", f->a.detail);
    }
}

static void judge_ipv4(doctor_t *d, const doctor_host_t *h)
{
    judge_family(d, h, 0);
}

static void judge_ipv6(doctor_t *d, const doctor_host_t *h)
{
    judge_family(d, h, 1);
}

void doctor_ipv4(doctor_t *d)
{
    each(d, judge_ipv4);
}

void doctor_ipv6(doctor_t *d)
{
    each(d, judge_ipv6);
}

static void judge_tls(doctor_t *d, const doctor_host_t *h)
{
    const doctor_fetch_t *f = h->any;

    if (!h->tls) {
        doctor_say(d, DOCTOR_SKIP, h->shown, NULL, "plain HTTP, which does not leave this host");
    }
    else if (!f || !f->a.reached) {
        doctor_say(d, DOCTOR_SKIP, h->shown, NULL, "no connection");
    }
    else if (f->a.status != APR_SUCCESS) {
        doctor_say(d, DOCTOR_FAIL, h->shown, NULL, "%s", f->a.detail);
    }
    else {
        doctor_say(d, DOCTOR_OK, h->shown, NULL, "verified%s%s",
                   f->a.certificate_until ? ", certificate until " : "",
                   f->a.certificate_until ? ctl_time(d->p, f->a.certificate_until) : "");
    }
}

void doctor_tls(doctor_t *d)
{
    each(d, judge_tls);
}
