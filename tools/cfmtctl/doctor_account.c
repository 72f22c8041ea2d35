/*
 * doctor: the token and what it may do, the account, who is told what, the address ranges, and this
 * host's clock, by what Cloudflare's API answers.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "doctor_account.h"

#define DAY apr_time_from_sec(86400)
#define SKEW apr_time_from_sec(30)
#define TOKEN_SOON (30 * DAY)
#define PARENTS_MAX 60            /* lists of prefixes that are read at most */
#define NOT_MAGIC_TRANSIT 1012    /* README 2.2: the account is not onboarded */
#define NOBODY "00000000000000000000000000000000"

/* ---- asking ---------------------------------------------------------------------------------- */

static apr_status_t read_token(doctor_ask_t *ask, void *element, const cfmt_json_t *row)
{
    const char *why;

    return cfmt_token_read(element, &why, row, ask->d->p);
}

static apr_status_t read_parent(doctor_ask_t *ask, void *element, const cfmt_json_t *row)
{
    const char *why;

    return cfmt_prefix_parent_read(element, &why, row, ask->d->p);
}

static apr_status_t read_prefix(doctor_ask_t *ask, void *element, const cfmt_json_t *row)
{
    const char *why;

    return cfmt_bgp_prefix_read(element, &why, ask->baton, row, ask->d->p);
}

static apr_status_t read_policy(doctor_ask_t *ask, void *element, const cfmt_json_t *row)
{
    const char *why;

    return cfmt_notice_policy_read(element, &why, row, ask->d->p);
}

static apr_status_t read_destination(doctor_ask_t *ask, void *element, const cfmt_json_t *row)
{
    const char *why;

    return cfmt_destination_read(element, &why, row, ask->d->p);
}

static apr_status_t read_ranges(doctor_ask_t *ask, void *element, const cfmt_json_t *row)
{
    const char *why;

    return cfmt_ranges_read(element, &why, row, ask->d->p);
}

static const char *const result_rows[] = { "result", NULL };

static doctor_ask_t *get(doctor_t *d, const char *path, doctor_ask_t like, int size)
{
    const cfmt_api_call_t call = { .path = path, .rows = result_rows };

    like.rows = apr_array_make(d->p, 8, size ? size : 1);
    return doctor_ask(d, &call, &like);
}

/* The lists of all parents at once, when their names are known. */
static void ask_lists(doctor_ask_t *parents)
{
    doctor_t *d = parents->d;
    int i;

    for (i = 0; i < parents->rows->nelts && i < PARENTS_MAX; i++) {
        cfmt_bgp_prefix_t *parent = &APR_ARRAY_IDX(parents->rows, i, cfmt_bgp_prefix_t);
        const char *account = apr_table_get(d->settings, "AccountId");

        APR_ARRAY_PUSH(d->account->lists, doctor_ask_t *) =
            get(d, cfmt_bgp_prefixes_path(account, parent->id, d->p),
                (doctor_ask_t){ .read = read_prefix, .baton = parent },
                (int)sizeof(cfmt_bgp_prefix_t));
    }
}

/*
 * Whether prefixes may be changed shows in how a change of a prefix is refused that cannot exist:
 * for want of the permission, or because it is not there.
 */
static doctor_ask_t *ask_change(doctor_t *d, const char *account)
{
    const cfmt_api_call_t call = {
        .method = "PATCH", .body = "{\"on_demand\":{\"advertised\":true}}",
        .path = apr_pstrcat(d->p, cfmt_bgp_prefixes_path(account, NOBODY, d->p), "/" NOBODY, NULL)
    };

    return doctor_ask(d, &call, &(doctor_ask_t){ .read = NULL });
}

static doctor_ask_t *ask_analytics(doctor_t *d, const char *account)
{
    const cfmt_api_call_t call = {
        .upstream = CFMT_UPSTREAM_GRAPHQL, .body = cfmt_analytics_limits_query(account, d->p)
    };

    return doctor_ask(d, &call, &(doctor_ask_t){ .read = NULL });
}

static void ask_account(doctor_t *d, const char *id)
{
    doctor_account_t *a = d->account;
    int token = (int)sizeof(cfmt_token_t);

    a->user = get(d, cfmt_token_path(id, 0, d->p), (doctor_ask_t){ .read = read_token }, token);
    a->own = get(d, cfmt_token_path(id, 1, d->p), (doctor_ask_t){ .read = read_token }, token);
    a->parents = get(d, cfmt_prefixes_path(id, d->p),
                     (doctor_ask_t){ .read = read_parent, .then = ask_lists },
                     (int)sizeof(cfmt_bgp_prefix_t));
    a->change = ask_change(d, id);
    a->analytics = ask_analytics(d, id);
    a->rules = get(d, cfmt_rules_path(id, d->p), (doctor_ask_t){ .read = NULL }, 0);
    a->tunnels = get(d, cfmt_tunnels_path(CFMT_TUNNEL_GRE, id, d->p),
                     (doctor_ask_t){ .read = NULL }, 0);
    a->policies = get(d, cfmt_policies_path(id, d->p), (doctor_ask_t){ .read = read_policy },
                      (int)sizeof(cfmt_notice_policy_t));
    a->destinations = get(d, cfmt_destinations_path(id, d->p),
                          (doctor_ask_t){ .read = read_destination },
                          (int)sizeof(cfmt_destination_t));
}

void doctor_account_start(doctor_t *d)
{
    const cfmt_api_call_t ips = { .path = "/ips", .rows = result_rows, .anonymous = 1 };
    const char *id = apr_table_get(d->settings, "AccountId");
    doctor_ask_t like = { .read = read_ranges };

    d->account = apr_pcalloc(d->p, sizeof(*d->account));
    d->account->lists = apr_array_make(d->p, 8, sizeof(doctor_ask_t *));
    like.rows = apr_array_make(d->p, 1, sizeof(cfmt_ranges_t));
    d->account->ranges = doctor_ask(d, &ips, &like);
    if (id && d->token) {
        ask_account(d, id);
    }
}

/* ---- whether there is something to judge ----------------------------------------------------- */

static int is_good(const doctor_ask_t *ask)
{
    return ask && ask->result.r.status == APR_SUCCESS;
}

/* The one that was taken for good; NULL = neither was. */
static const cfmt_token_t *token_of(const doctor_account_t *a)
{
    const doctor_ask_t *ask = is_good(a->user) ? a->user : a->own;

    return is_good(ask) && ask->rows->nelts ? &APR_ARRAY_IDX(ask->rows, 0, cfmt_token_t) : NULL;
}

static int is_forbidden(const doctor_ask_t *ask)
{
    return ask->result.r.status == CFMT_EAUTH || ask->result.r.status == CFMT_EREFUSED;
}

/* With it something was had, wherever it is verified. */
static int is_token_working(const doctor_account_t *a)
{
    return is_good(a->parents) || is_good(a->analytics) || is_good(a->policies)
           || is_good(a->rules) || is_good(a->tunnels);
}

static int is_token_refused(const doctor_account_t *a)
{
    const cfmt_token_t *t = token_of(a);

    return t ? strcmp(t->status, "active") != 0
             : a->user && is_forbidden(a->user) && is_forbidden(a->own) && !is_token_working(a);
}

int doctor_answered(doctor_t *d, const doctor_ask_t *ask, const char *subject)
{
    if (!ask) {
        doctor_say(d, DOCTOR_SKIP, subject, NULL, "not asked: there is no %s",
                   d->token ? "CfmtAccountId" : "token, see token file");
    }
    else if (is_good(ask)) {
        return 1;
    }
    else if (is_token_refused(d->account)) {
        doctor_say(d, DOCTOR_SKIP, subject, NULL, "the token is no good, see token");
    }
    else if (!doctor_api_reached(d)) {
        doctor_say(d, DOCTOR_SKIP, subject, NULL, "no connection, see dns, ipv4, ipv6 and tls");
    }
    else if (ask->result.r.status == CFMT_EAUTH || ask->result.r.status == CFMT_EREFUSED) {
        doctor_say(d, DOCTOR_SKIP, subject, NULL, "refused, see permission");
    }
    else {
        doctor_say(d, DOCTOR_WARN, subject, "try again; 'cfmtctl jobs' tells how httpd fares",
                   "%s", doctor_ask_why(ask));
    }
    return 0;
}

/* ---- token, permissions, account ------------------------------------------------------------- */

static void judge_token(doctor_t *d, const cfmt_token_t *t)
{
    apr_interval_time_t left = t->expires_at - d->now;
    const char *until = t->expires_at ? ctl_time(d->p, t->expires_at) : "it is revoked";

    if (strcmp(t->status, "active")) {
        doctor_say(d, DOCTOR_FAIL, NULL, NULL, "Cloudflare says it is %s",
                   ctl_text(d->p, t->status));
    }
    else if (t->expires_at && left < TOKEN_SOON) {
        doctor_say(d, DOCTOR_WARN, NULL, NULL, "good until %s only: %s", until,
                   ctl_duration(d->p, left > 0 ? left : 0));
    }
    else {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "good until %s", until);
    }
}

void doctor_token(doctor_t *d)
{
    const doctor_account_t *a = d->account;

    if (a->user && token_of(a)) {
        judge_token(d, token_of(a));
    }
    else if (a->user && is_token_refused(a)) {
        doctor_say(d, DOCTOR_FAIL, NULL, NULL, "Cloudflare refuses it: %s",
                   doctor_ask_why(a->own));
    }
    else if (is_token_working(a)) {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "it works; until when, Cloudflare does not say: %s",
                   doctor_ask_why(a->user));
    }
    else {
        doctor_answered(d, a->user, NULL);
    }
}

typedef struct permission_t {
    const char *subject, *name; /* name: the dashboard's */
    const doctor_ask_t *ask;
} permission_t;

/* Of a change that cannot be, every answer but a refusal of the token shows the permission. */
static int is_allowed(const doctor_t *d, const doctor_ask_t *ask)
{
    return is_good(ask)
           || (ask == d->account->change && ask->result.r.status == CFMT_EREFUSED)
           || (ask == d->account->tunnels && ask->result.error_code == NOT_MAGIC_TRANSIT);
}

/* Who only observes need not be able to change anything. */
static doctor_e how_bad(const doctor_t *d, const doctor_ask_t *ask)
{
    const char *mode = apr_table_get(d->settings, "Mode");

    return ask == d->account->change && (!mode || strcmp(mode, "enforce")) ? DOCTOR_WARN
                                                                           : DOCTOR_FAIL;
}

static void judge_permission(doctor_t *d, const permission_t *x)
{
    if (x->ask && is_allowed(d, x->ask)) {
        doctor_say(d, DOCTOR_OK, x->subject, NULL, "granted");
    }
    else if (x->ask && !is_token_refused(d->account) && is_forbidden(x->ask)) {
        doctor_say(d, how_bad(d, x->ask), x->subject,
                   apr_pstrcat(d->p, "dashboard, API Tokens: add ", x->name, NULL), "refused: %s",
                   doctor_ask_why(x->ask));
    }
    else {
        doctor_answered(d, x->ask, x->subject);
    }
}

void doctor_permissions(doctor_t *d)
{
    const doctor_account_t *a = d->account;
    const permission_t all[] = {
        { .subject = "prefixes read", .name = "Magic Transit Read", .ask = a->parents },
        { .subject = "prefixes write", .name = "IP Prefixes: BGP On Demand Write",
          .ask = a->change },
        { .subject = "tunnels read", .name = "Magic Transit Read", .ask = a->tunnels },
        { .subject = "analytics read", .name = "Account Analytics Read", .ask = a->analytics },
        { .subject = "notifications read", .name = "Notifications Read", .ask = a->policies },
        { .subject = "monitoring read", .name = "Magic Network Monitoring Config Read",
          .ask = a->rules }
    };
    int i;

    for (i = 0; i < (int)(sizeof(all) / sizeof(all[0])); i++) {
        judge_permission(d, &all[i]);
    }
}

void doctor_magic(doctor_t *d)
{
    const doctor_ask_t *ask = d->account->tunnels;

    if (ask && ask->result.error_code == NOT_MAGIC_TRANSIT) {
        doctor_say(d, DOCTOR_FAIL, NULL, NULL, "the account does not have it: %s",
                   doctor_ask_why(ask));
    }
    else if (doctor_answered(d, ask, NULL)) {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "the account has it");
    }
}

/* ---- clock ----------------------------------------------------------------------------------- */

void doctor_clock(doctor_t *d)
{
    const doctor_ask_t *ask = d->account->ranges;
    apr_interval_time_t skew = cfmt_clock_real(&d->ctl->demo.clock, ask->result.skew);

    if (!ask->result.skew) {
        doctor_say(d, DOCTOR_SKIP, NULL, NULL, "Cloudflare has not told the time");
    }
    else if (llabs(skew) > SKEW) {
        doctor_say(d, DOCTOR_WARN, NULL, NULL, "%s %s Cloudflare's",
                   ctl_duration(d->p, llabs(skew)), skew > 0 ? "ahead of" : "behind");
    }
    else {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "within %s of Cloudflare's",
                   ctl_duration(d->p, SKEW));
    }
}
