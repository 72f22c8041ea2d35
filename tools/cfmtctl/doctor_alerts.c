/*
 * doctor: what Cloudflare would tell us, where it would send it, and from which addresses.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "doctor_account.h"

static const char *public_url(const doctor_t *d)
{
    return apr_table_get(d->settings, "PublicUrl");
}

/* ---- policies and destinations --------------------------------------------------------------- */

static const cfmt_destination_t *find_ours(const doctor_t *d)
{
    const doctor_ask_t *ask = d->account->destinations;
    const char *url = public_url(d);
    int i;

    for (i = 0; url && ask && i < ask->rows->nelts; i++) {
        const cfmt_destination_t *to = &APR_ARRAY_IDX(ask->rows, i, cfmt_destination_t);

        if (to->url && !strcmp(to->url, url)) {
            return to;
        }
    }
    return NULL;
}

/* Where no destination is ours that is one line, and not one for each type of alert. */
void doctor_policies(doctor_t *d)
{
    const doctor_account_t *a = d->account;
    apr_array_header_t *unsent;
    int i;

    if (!doctor_answered(d, a->policies && !a->policies->result.r.status ? a->destinations
                                                                         : a->policies, NULL)) {
        return;
    }
    /* what was answered is not NULL: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    unsent = cfmt_alerts_unsent(a->policies->rows, a->destinations->rows,
                                find_ours(d) ? public_url(d) : NULL, d->p);
    for (i = 0; i < unsent->nelts; i++) {
        doctor_say(d, DOCTOR_WARN, APR_ARRAY_IDX(unsent, i, const char *), NULL,
                   "no enabled policy sends this alert to us");
    }
    if (!unsent->nelts) {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "there is one for every alert that matters");
    }
}

static const char *all_urls(const doctor_t *d)
{
    const apr_array_header_t *rows = d->account->destinations->rows;
    const char *text = NULL;
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const cfmt_destination_t *to = &APR_ARRAY_IDX(rows, i, cfmt_destination_t);

        text = apr_pstrcat(d->p, text ? text : "", text ? ", " : "", ctl_text(d->p, to->url),
                           NULL);
    }
    return text ? text : "none";
}

void doctor_destination(doctor_t *d)
{
    const cfmt_destination_t *to = find_ours(d);

    if (!public_url(d)) {
        doctor_say(d, DOCTOR_SKIP, NULL, NULL, "CfmtPublicUrl is not set");
    }
    else if (!doctor_answered(d, d->account->destinations, NULL)) {
        return;
    }
    else if (!to) {
        doctor_say(d, DOCTOR_FAIL, NULL, NULL, "no webhook of the account is %s; there are: %s",
                   ctl_text(d->p, public_url(d)), all_urls(d));
    }
    else if (to->last_failure > to->last_success) {
        doctor_say(d, DOCTOR_WARN, ctl_text(d->p, to->name),
                   "compare its secret with CfmtSecret; the error log of then (CFMT02xx)",
                   "Cloudflare's last delivery failed, %s", ctl_time(d->p, to->last_failure));
    }
    else {
        doctor_say(d, DOCTOR_OK, ctl_text(d->p, to->name), NULL, "it is CfmtPublicUrl; %s%s",
                   to->last_success ? "last success " : "nothing was delivered to it yet",
                   to->last_success ? ctl_time(d->p, to->last_success) : "");
    }
}

/* ---- address ranges -------------------------------------------------------------------------- */

static int is_in_use(const apr_array_header_t *rows, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const cfmt_range_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_range_row_t);

        if (!row->gone_at && !cfmt_cidr_compare(&row->cidr, cidr)) {
            return 1;
        }
    }
    return 0;
}

/* Those that Cloudflare names and we do not know: deliveries from them would be refused. */
static const char *unknown_ranges(const doctor_t *d, const cfmt_ranges_t *live,
                                  const apr_array_header_t *rows)
{
    const char *text = NULL;
    int i;

    for (i = 0; i < live->cidrs->nelts; i++) {
        const cfmt_cidr_t *cidr = &APR_ARRAY_IDX(live->cidrs, i, cfmt_cidr_t);

        if (!is_in_use(rows, cidr)) {
            text = apr_pstrcat(d->p, text ? text : "", text ? " " : "",
                               cfmt_cidr_format(d->p, cidr), NULL);
        }
    }
    return text;
}

static void judge_ranges(doctor_t *d, const cfmt_ranges_t *live)
{
    const char *absurd = cfmt_ranges_absurd(live, d->p), *unknown;
    apr_array_header_t *rows;

    if (!d->store || cfmt_ranges_load(d->store, &rows, d->p) != APR_SUCCESS) {
        doctor_say(d, DOCTOR_SKIP, NULL, NULL, "the database cannot be read");
    }
    else if (absurd) {
        doctor_say(d, DOCTOR_WARN, NULL, "look at https://www.cloudflare.com/ips/",
                   "what Cloudflare names cannot be true: %s", absurd);
    }
    else if (!rows->nelts) {
        doctor_say(d, DOCTOR_WARN, NULL, NULL, "never read by httpd: it uses those compiled in");
    }
    else if ((unknown = unknown_ranges(d, live, rows)) != NULL) {
        doctor_say(d, DOCTOR_WARN, NULL, NULL, "Cloudflare also sends from %s", unknown);
    }
    else {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "all %d are known", live->cidrs->nelts);
    }
}

void doctor_ranges(doctor_t *d)
{
    const char *senders = apr_table_get(d->settings, "Senders");
    const doctor_ask_t *ask = d->account->ranges;

    if (senders && !strstr(senders, "cloudflare")) {
        doctor_say(d, DOCTOR_SKIP, NULL, NULL, "not in use: CfmtSenders %s",
                   ctl_text(d->p, senders));
    }
    else if (doctor_answered(d, ask, NULL) && ask->rows->nelts) {
        judge_ranges(d, &APR_ARRAY_IDX(ask->rows, 0, cfmt_ranges_t));
    }
}
