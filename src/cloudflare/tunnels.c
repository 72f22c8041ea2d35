/*
 * Tunnels and interconnects, and their health. How they are configured is REST, whether they work
 * is known to GraphQL only. On-demand tunnels are idle until they are needed and raise no alerts
 * then, so idle ones are read like all others.
 */
#include <string.h>

#include <apr_strings.h>

#include "row.h"

static const struct {
    const char *name, *path, *rows;
    const char *endpoint; /* member that names the customer's end; NULL = there is none */
} kinds[] = {
    [CFMT_TUNNEL_GRE] = {.name = "gre", .path = "gre_tunnels", .rows = "result.gre_tunnels",
                         .endpoint = "customer_gre_endpoint"},
    [CFMT_TUNNEL_IPSEC] = {.name = "ipsec", .path = "ipsec_tunnels",
                           .rows = "result.ipsec_tunnels", .endpoint = "customer_endpoint"},
    [CFMT_TUNNEL_INTERCONNECT] = {.name = "interconnect", .path = "cf_interconnects",
                                  .rows = "result.interconnects"},
};

const char *cfmt_tunnels_path(cfmt_tunnel_e kind, const char *account, apr_pool_t *p)
{
    return apr_pstrcat(p, "/accounts/", account, "/magic/", kinds[kind].path, NULL);
}

const char *cfmt_tunnels_rows(cfmt_tunnel_e kind)
{
    return kinds[kind].rows;
}

const char *cfmt_tunnel_kind_name(cfmt_tunnel_e kind)
{
    return kinds[kind].name;
}

apr_status_t cfmt_tunnel_read(cfmt_tunnel_t *t, const char **pwhy, cfmt_tunnel_e kind,
                              const cfmt_json_t *row, apr_pool_t *p)
{
    memset(t, 0, sizeof(*t));
    t->kind = kind;
    t->name = cfmt_row_text(row, "name", p);
    t->endpoint = kinds[kind].endpoint ? cfmt_row_text(row, kinds[kind].endpoint, p) : NULL;
    t->checked = cfmt_row_bool(cfmt_json_get(row, "health_check"), "enabled");
    t->active = -1;
    t->health = -1;
    return cfmt_row_id(&t->id, pwhy, row, "id", p);
}

/* ---- health ---------------------------------------------------------------------------------- */

/*
 * Grouped by tunnel and whether the colo had traffic for it: two rows a tunnel, however many colos
 * there are. Not by resultStatus, the words of which are documented nowhere; tunnelState's numbers
 * are (0 down, 0.5 degraded, 1 healthy).
 */
static const char health_query[] =
    "query($account: string!, $since: Time!, $until: Time!) {"
    " viewer { accounts(filter: {accountTag: $account}) {"
    " health: magicTransitTunnelHealthChecksAdaptiveGroups(limit: 10000,"
    " filter: {datetime_geq: $since, datetime_lt: $until}, orderBy: [tunnelName_ASC]) {"
    " count avg { tunnelState } dimensions { tunnelName active } } } } }";

/* Whole seconds: a Time with decimals is not documented as an argument. */
static const char *quote_second(apr_time_t t, apr_pool_t *p)
{
    return cfmt_json_quote(p, cfmt_time_format(p, apr_time_from_sec(apr_time_sec(t))));
}

const char *cfmt_tunnel_health_query(const char *account, apr_time_t since, apr_time_t until,
                                     apr_pool_t *p)
{
    const char *variables = apr_pstrcat(p, "{\"account\":", cfmt_json_quote(p, account),
                                        ",\"since\":", quote_second(since, p),
                                        ",\"until\":", quote_second(until, p), "}", NULL);

    return cfmt_api_query(health_query, variables, p);
}

/* Readings without a name are somebody's, if nobody's we know; without the member it is no row. */
apr_status_t cfmt_tunnel_health_read(cfmt_tunnel_health_t *h, const char **pwhy,
                                     const cfmt_json_t *row, apr_pool_t *p)
{
    const cfmt_json_t *dimensions = cfmt_json_get(row, "dimensions");
    const cfmt_json_t *name = cfmt_json_get(dimensions, "tunnelName");
    double state = cfmt_row_number(cfmt_json_get(row, "avg"), "tunnelState");

    memset(h, 0, sizeof(*h));
    h->name = cfmt_row_text(dimensions, "tunnelName", p);
    if (!h->name && name && name->type == CFMT_JSON_STRING) {
        h->name = "";
    }
    if (!h->name) {
        *pwhy = "member \"tunnelName\" is missing";
        return CFMT_EINVALID;
    }
    h->active = cfmt_row_bool(dimensions, "active");
    h->state = state <= 1 ? state : -1;
    h->count = cfmt_row_number(row, "count");
    return APR_SUCCESS;
}

void cfmt_tunnel_health_add(cfmt_tunnel_t *t, const apr_array_header_t *readings)
{
    const cfmt_tunnel_health_t *h;
    double sum = 0, count = 0;
    int i;

    t->active = -1;
    for (i = 0; i < readings->nelts; i++) {
        h = &APR_ARRAY_IDX(readings, i, cfmt_tunnel_health_t);
        if (!t->name || strcmp(h->name, t->name) != 0) {
            continue;
        }
        t->active = h->active > t->active ? h->active : t->active;
        if (h->state >= 0 && h->count > 0) {
            sum += h->state * h->count;
            count += h->count;
        }
    }
    t->health = count > 0 ? sum / count : -1;
}
