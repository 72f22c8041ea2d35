/*
 * IP prefixes and the BGP prefixes below them. The truth about an announcement stands in the BGP
 * prefix: the parent's `advertised` is always false, its other members of that name are deprecated.
 */
#include <string.h>

#include <apr_strings.h>

#include "row.h"

#define ASN_MAX APR_INT64_C(4294967295)

const char *cfmt_prefixes_path(const char *account, apr_pool_t *p)
{
    return apr_pstrcat(p, "/accounts/", account, "/addressing/prefixes", NULL);
}

const char *cfmt_bgp_prefixes_path(const char *account, const char *parent, apr_pool_t *p)
{
    return apr_pstrcat(p, cfmt_prefixes_path(account, p), "/", parent, "/bgp/prefixes", NULL);
}

/* "P" is pending; a word that nobody knows is no approval either. */
static int read_approved(const cfmt_json_t *row)
{
    const char *text = cfmt_json_text(row, "approved");

    return text ? strcmp(text, "V") == 0 : -1;
}

apr_status_t cfmt_prefix_parent_read(cfmt_bgp_prefix_t *parent, const char **pwhy,
                                     const cfmt_json_t *row, apr_pool_t *p)
{
    memset(parent, 0, sizeof(*parent));
    parent->description = cfmt_row_text(row, "description", p);
    parent->approved = read_approved(row);
    return cfmt_row_id(&parent->id, pwhy, row, "id", p);
}

apr_status_t cfmt_bgp_prefix_read(cfmt_bgp_prefix_t *b, const char **pwhy,
                                  const cfmt_bgp_prefix_t *parent, const cfmt_json_t *row,
                                  apr_pool_t *p)
{
    const cfmt_json_t *demand = cfmt_json_get(row, "on_demand");
    apr_status_t rv;

    memset(b, 0, sizeof(*b));
    if ((rv = cfmt_row_id(&b->id, pwhy, row, "id", p)) != APR_SUCCESS
        || (rv = cfmt_row_cidr(&b->cidr, pwhy, row, "cidr", p)) != APR_SUCCESS) {
        return rv;
    }
    b->parent = apr_pstrdup(p, parent->id);
    b->description = apr_pstrdup(p, parent->description);
    b->approved = parent->approved;
    b->asn = cfmt_row_int(row, "asn", 1, ASN_MAX);
    b->enabled = cfmt_row_bool(demand, "on_demand_enabled");
    b->locked = cfmt_row_bool(demand, "on_demand_locked");
    b->bgp_control = cfmt_row_bool(cfmt_json_get(row, "bgp_signal_opts"), "enabled");
    b->auto_withdraw = cfmt_row_bool(row, "auto_advertise_withdraw");
    b->advertised = cfmt_row_bool(demand, "advertised");
    b->advertised_at = cfmt_row_time(demand, "advertised_modified_at");
    b->modified_at = cfmt_row_time(row, "modified_at");
    return APR_SUCCESS;
}
