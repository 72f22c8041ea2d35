/*
 * doctor: the address that Cloudflare posts to, seen from here: its certificate, and whether
 * mod_cfmt answers there. A GET is refused by the handler and leaves no trace but a line of the
 * log.
 */
#include <string.h>

#include <apr_strings.h>

#include "doctor.h"

#define DAY apr_time_from_sec(86400)
#define SOON (14 * DAY) /* renewals by ACME happen 30 days ahead */

struct doctor_own_t {
    const char *url, *shown;
    doctor_fetch_t *connection, *get; /* NULL: it cannot be asked */
};

void doctor_own_start(doctor_t *d)
{
    const char *url = apr_table_get(d->settings, "PublicUrl");
    const cfmt_http_request_t connection = { .url = url, .connect_only = 1 }, get = { .url = url };

    if (!url) {
        return;
    }
    d->own = apr_pcalloc(d->p, sizeof(*d->own));
    d->own->url = url;
    d->own->shown = url;
    cfmt_http_url_host(&d->own->shown, url, d->p);
    d->own->connection = doctor_fetch(d, &connection);
    d->own->get = doctor_fetch(d, &get);
}

/* True: there is nothing to judge, and that is said. */
static int is_unknown(doctor_t *d)
{
    if (!d->own) {
        doctor_say(d, DOCTOR_SKIP, NULL, NULL, "CfmtPublicUrl is not set");
        return 1;
    }
    if (!d->own->connection || !d->own->get) {
        doctor_say(d, DOCTOR_SKIP, d->own->shown, NULL,
                   "plain HTTP is only asked of this host itself");
        return 1;
    }
    return 0;
}

void doctor_certificate(doctor_t *d)
{
    const doctor_fetch_t *f = d->own ? d->own->connection : NULL;
    apr_interval_time_t left;

    if (is_unknown(d)) {
        return;
    }
    left = f->a.certificate_until - apr_time_now(); /* in real time, also in a demonstration */
    if (!f->a.reached) {
        doctor_say(d, DOCTOR_SKIP, d->own->shown, NULL, "no connection");
    }
    else if (f->a.status != APR_SUCCESS) {
        doctor_say(d, DOCTOR_FAIL, d->own->shown, NULL, "%s", f->a.detail);
    }
    else if (!f->a.certificate_until) {
        doctor_say(d, DOCTOR_SKIP, d->own->shown, NULL, "it has none, or it does not say its end");
    }
    else {
        doctor_say(d, left <= 0 ? DOCTOR_FAIL : left < SOON ? DOCTOR_WARN : DOCTOR_OK,
                   d->own->shown, NULL, "good until %s: %d days",
                   ctl_time(d->p, f->a.certificate_until), (int)(left / DAY));
    }
}

/* Its refusals have a form that no other handler's have. */
static int is_ours(const cfmt_http_answer_t *a)
{
    return a->content_type && !strncmp(a->content_type, "application/problem+json", 24);
}

void doctor_webhook(doctor_t *d)
{
    const doctor_fetch_t *f = d->own ? d->own->get : NULL;

    if (is_unknown(d)) {
        return;
    }
    if (!f->a.reached) {
        doctor_say(d, DOCTOR_WARN, d->own->shown,
                   "ask from outside: 'curl -i URL'; many routers do not let a host reach itself",
                   "not reached from this host: %s", f->a.detail);
    }
    else if (f->a.status != APR_SUCCESS && d->own->connection->a.status != APR_SUCCESS) {
        doctor_say(d, DOCTOR_SKIP, d->own->shown, NULL, "see certificate");
    }
    else if (f->a.status != APR_SUCCESS) {
        doctor_say(d, DOCTOR_WARN, d->own->shown, "'systemctl status apache2', its error log",
                   "%s", f->a.detail);
    }
    else if (is_ours(&f->a) && f->a.code != 503) {
        doctor_say(d, DOCTOR_OK, d->own->shown, NULL, "mod_cfmt answers there");
    }
    else if (is_ours(&f->a)) {
        doctor_say(d, DOCTOR_FAIL, d->own->shown, "'curl -i' on it says why; httpd's error log",
                   "mod_cfmt answers 503 there: deliveries are refused");
    }
    else {
        doctor_say(d, DOCTOR_FAIL, d->own->shown, NULL,
                   "somebody else answers there, with status %d", f->a.code);
    }
}
