/*
 * Monitoring rules, and who is told what: notification policies and the webhooks they send to.
 */
#include <string.h>

#include <apr_strings.h>

#include "row.h"

/* ---- monitoring rules ------------------------------------------------------------------------ */

const char *cfmt_rules_path(const char *account, apr_pool_t *p)
{
    return apr_pstrcat(p, "/accounts/", account, "/mnm/rules", NULL);
}

/*
 * An alert of a rule is an attack on its prefixes: one that could not be read would leave a prefix
 * without its attack, so it is an error and what was read before stays.
 */
apr_status_t cfmt_rule_read(cfmt_rule_t *rule, const char **pwhy, const cfmt_json_t *row,
                            apr_pool_t *p)
{
    apr_status_t rv;

    memset(rule, 0, sizeof(*rule));
    rule->prefixes = apr_array_make(p, 8, sizeof(cfmt_cidr_t));
    if ((rv = cfmt_row_id(&rule->id, pwhy, row, "id", p)) != APR_SUCCESS
        || (rv = cfmt_row_cidrs(rule->prefixes, pwhy, row, "prefixes", 0, p)) != APR_SUCCESS) {
        return rv;
    }
    cfmt_row_cidrs_sort(rule->prefixes);
    rule->name = cfmt_row_text(row, "name", p);
    rule->type = cfmt_row_text(row, "type", p);
    rule->automatic = cfmt_row_bool(row, "automatic_advertisement");
    return APR_SUCCESS;
}

/* ---- notification policies and destinations -------------------------------------------------- */

const char *cfmt_policies_path(const char *account, apr_pool_t *p)
{
    return apr_pstrcat(p, "/accounts/", account, "/alerting/v3/policies", NULL);
}

static apr_array_header_t *read_webhooks(const cfmt_json_t *mechanisms, apr_pool_t *p)
{
    const cfmt_json_t *list = cfmt_json_get(mechanisms, "webhooks"), *element;
    apr_array_header_t *ids = apr_array_make(p, 2, sizeof(const char *));
    const char *id, *why;

    for (element = list ? list->child : NULL; element; element = element->next) {
        if (cfmt_row_id(&id, &why, element, "id", p) == APR_SUCCESS) {
            APR_ARRAY_PUSH(ids, const char *) = id;
        }
    }
    return ids;
}

apr_status_t cfmt_notice_policy_read(cfmt_notice_policy_t *np, const char **pwhy,
                                     const cfmt_json_t *row, apr_pool_t *p)
{
    memset(np, 0, sizeof(*np));
    np->name = cfmt_row_text(row, "name", p);
    np->alert_type = cfmt_row_text(row, "alert_type", p);
    np->enabled = cfmt_row_bool(row, "enabled");
    np->webhooks = read_webhooks(cfmt_json_get(row, "mechanisms"), p);
    return cfmt_row_id(&np->id, pwhy, row, "id", p);
}

const char *cfmt_destinations_path(const char *account, apr_pool_t *p)
{
    return apr_pstrcat(p, "/accounts/", account, "/alerting/v3/destinations/webhooks", NULL);
}

apr_status_t cfmt_destination_read(cfmt_destination_t *d, const char **pwhy,
                                   const cfmt_json_t *row, apr_pool_t *p)
{
    memset(d, 0, sizeof(*d));
    d->name = cfmt_row_text(row, "name", p);
    d->url = cfmt_row_text(row, "url", p);
    d->last_success = cfmt_row_time(row, "last_success");
    d->last_failure = cfmt_row_time(row, "last_failure");
    return cfmt_row_id(&d->id, pwhy, row, "id", p);
}

/* ---- what nobody would send ------------------------------------------------------------------ */

/*
 * The alerts that Magic Transit on demand lives by: an attack, what flow monitoring made of one, a
 * tunnel that fails, a prefix that others announce. Those on hostnames, health checks and
 * Cloudflare's own incidents and maintenance are worth having, but nothing hangs on them.
 */
static const struct {
    const char *type;
    const char *instead; /* tells of the same things; NULL = nothing does */
} wanted[] = {
    {.type = "advanced_ddos_attack_l4_alert", .instead = "dos_attack_l4"},
    {.type = "fbm_dosd_attack"},
    {.type = "fbm_volumetric_attack"},
    {.type = "fbm_auto_advertisement"},
    {.type = "magic_tunnel_health_check_event"},
    {.type = "bgp_hijack_notification"},
};

static int is_ours(const char *id, const apr_array_header_t *destinations, const char *public_url)
{
    const cfmt_destination_t *d;
    int i;

    for (i = 0; i < destinations->nelts; i++) {
        d = &APR_ARRAY_IDX(destinations, i, cfmt_destination_t);
        if (strcmp(d->id, id) == 0
            && (!public_url || (d->url && strcmp(d->url, public_url) == 0))) {
            return 1;
        }
    }
    return 0;
}

static int sends(const cfmt_notice_policy_t *np, const char *type,
                 const apr_array_header_t *destinations, const char *public_url)
{
    int i;

    if (np->enabled != 1 || !np->alert_type || strcmp(np->alert_type, type) != 0) {
        return 0;
    }
    for (i = 0; i < np->webhooks->nelts; i++) {
        if (is_ours(APR_ARRAY_IDX(np->webhooks, i, const char *), destinations, public_url)) {
            return 1;
        }
    }
    return 0;
}

static int is_sent(const char *type, const apr_array_header_t *policies,
                   const apr_array_header_t *destinations, const char *public_url)
{
    int i;

    for (i = 0; type && i < policies->nelts; i++) {
        if (sends(&APR_ARRAY_IDX(policies, i, cfmt_notice_policy_t), type, destinations,
                  public_url)) {
            return 1;
        }
    }
    return 0;
}

apr_array_header_t *cfmt_alerts_unsent(const apr_array_header_t *policies,
                                       const apr_array_header_t *destinations,
                                       const char *public_url, apr_pool_t *p)
{
    apr_array_header_t *unsent = apr_array_make(p, 6, sizeof(const char *));
    apr_size_t i;

    for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (!is_sent(wanted[i].type, policies, destinations, public_url)
            && !is_sent(wanted[i].instead, policies, destinations, public_url)) {
            APR_ARRAY_PUSH(unsent, const char *) = wanted[i].type;
        }
    }
    return unsent;
}
