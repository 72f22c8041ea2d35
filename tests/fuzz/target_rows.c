/*
 * One JSON document as a row of every kind that Cloudflare's API lists; the elements of a list are
 * rows, too, and together they are histories to be matched.
 */
#include <string.h>

#include "cfmt_cloudflare.h"
#include "fuzz.h"

static const cfmt_json_limits_t limits = {.depth = 32};

/* ---- what each reader promises --------------------------------------------------------------- */

static void check_why(apr_status_t rv, const char *why)
{
    FUZZ_CHECK(rv == CFMT_EINVALID && why && *why && fuzz_printable(why, 200));
}

static void check_text(const char *text)
{
    FUZZ_CHECK(!text || (*text && strlen(text) <= 1000 && fuzz_is_utf8(text, strlen(text))));
}

static void check_bool(int value)
{
    FUZZ_CHECK(value == 1 || value == 0 || value == -1);
}

static void check_time(apr_time_t t)
{
    FUZZ_CHECK(t >= 0);
}

static void check_networks(const apr_array_header_t *cidrs)
{
    int i;

    for (i = 0; i < cidrs->nelts; i++) {
        FUZZ_CHECK(APR_ARRAY_IDX(cidrs, i, cfmt_cidr_t).family);
        FUZZ_CHECK(i == 0 || cfmt_cidr_compare(&APR_ARRAY_IDX(cidrs, i - 1, cfmt_cidr_t),
                                               &APR_ARRAY_IDX(cidrs, i, cfmt_cidr_t)) < 0);
    }
}

static void read_prefix(const cfmt_json_t *row, apr_pool_t *p)
{
    cfmt_bgp_prefix_t parent, b;
    const char *why = NULL;
    apr_status_t rv = cfmt_prefix_parent_read(&parent, &why, row, p);

    if (rv != APR_SUCCESS) {
        check_why(rv, why);
        return;
    }
    FUZZ_CHECK(cfmt_id_ok(parent.id));
    check_text(parent.description);
    check_bool(parent.approved);
    rv = cfmt_bgp_prefix_read(&b, &why, &parent, row, p);
    if (rv != APR_SUCCESS) {
        check_why(rv, why);
        return;
    }
    FUZZ_CHECK(fuzz_same(b.id, parent.id) && fuzz_same(b.parent, parent.id) && b.cidr.family);
    FUZZ_CHECK(b.approved == parent.approved && b.asn >= 0 && b.asn <= 4294967295);
    check_bool(b.enabled);
    check_bool(b.locked);
    check_bool(b.bgp_control);
    check_bool(b.auto_withdraw);
    check_bool(b.advertised);
    check_time(b.advertised_at);
    check_time(b.modified_at);
}

static void read_token(const cfmt_json_t *row, apr_pool_t *p)
{
    cfmt_token_t t;
    const char *why = NULL;
    apr_status_t rv = cfmt_token_read(&t, &why, row, p);

    if (rv != APR_SUCCESS) {
        check_why(rv, why);
        return;
    }
    FUZZ_CHECK(t.status != NULL);
    check_text(t.status);
    check_time(t.expires_at);
    check_time(t.not_before);
}

static void read_ranges(const cfmt_json_t *row, apr_pool_t *p)
{
    cfmt_ranges_t g;
    const char *why = NULL;
    apr_status_t rv = cfmt_ranges_read(&g, &why, row, p);

    if (rv != APR_SUCCESS) {
        check_why(rv, why);
        return;
    }
    check_text(g.etag);
    check_networks(g.cidrs);
    why = cfmt_ranges_absurd(&g, p);
    FUZZ_CHECK(!why || fuzz_printable(why, 200));
    FUZZ_CHECK(why || g.cidrs->nelts >= 7);
}

static void read_tunnels(const cfmt_json_t *row, apr_pool_t *p)
{
    cfmt_tunnel_e kind;
    cfmt_tunnel_t t;
    const char *why = NULL;
    apr_status_t rv;

    for (kind = CFMT_TUNNEL_GRE; kind <= CFMT_TUNNEL_INTERCONNECT; kind++) {
        rv = cfmt_tunnel_read(&t, &why, kind, row, p);
        if (rv != APR_SUCCESS) {
            check_why(rv, why);
            continue;
        }
        FUZZ_CHECK(cfmt_id_ok(t.id) && t.kind == kind && t.active == -1 && t.health < 0);
        check_text(t.name);
        check_text(t.endpoint);
        check_bool(t.checked);
    }
}

static void read_health(const cfmt_json_t *row, apr_pool_t *p)
{
    apr_array_header_t *readings = apr_array_make(p, 1, sizeof(cfmt_tunnel_health_t));
    cfmt_tunnel_health_t *h = apr_array_push(readings);
    cfmt_tunnel_t t = {.health = 7};
    const char *why = NULL;
    apr_status_t rv = cfmt_tunnel_health_read(h, &why, row, p);

    if (rv != APR_SUCCESS) {
        check_why(rv, why);
        return;
    }
    FUZZ_CHECK(h->name && strlen(h->name) <= 1000);
    FUZZ_CHECK(h->state == -1 || (h->state >= 0 && h->state <= 1));
    FUZZ_CHECK(h->count >= 0 || h->count == -1);
    t.name = h->name;
    cfmt_tunnel_health_add(&t, readings);
    check_bool(t.active);
    FUZZ_CHECK(t.health < 0 || (t.health >= 0 && t.health <= 1));
}

static void read_rule(const cfmt_json_t *row, apr_pool_t *p)
{
    cfmt_rule_t r;
    const char *why = NULL;
    apr_status_t rv = cfmt_rule_read(&r, &why, row, p);

    if (rv != APR_SUCCESS) {
        check_why(rv, why);
        return;
    }
    FUZZ_CHECK(cfmt_id_ok(r.id));
    check_text(r.name);
    check_text(r.type);
    check_bool(r.automatic);
    check_networks(r.prefixes);
}

/* The one policy with the one destination: at most its own alert type is sent. */
static void read_policy(const cfmt_json_t *row, apr_pool_t *p)
{
    apr_array_header_t *policies = apr_array_make(p, 1, sizeof(cfmt_notice_policy_t));
    apr_array_header_t *destinations = apr_array_make(p, 1, sizeof(cfmt_destination_t));
    cfmt_notice_policy_t *np = apr_array_push(policies);
    cfmt_destination_t *d = apr_array_push(destinations);
    const char *why = NULL;
    apr_status_t rv = cfmt_notice_policy_read(np, &why, row, p);
    int i;

    if (rv != APR_SUCCESS || (rv = cfmt_destination_read(d, &why, row, p)) != APR_SUCCESS) {
        check_why(rv, why);
        return;
    }
    check_text(np->alert_type);
    check_bool(np->enabled);
    for (i = 0; i < np->webhooks->nelts; i++) {
        FUZZ_CHECK(cfmt_id_ok(APR_ARRAY_IDX(np->webhooks, i, const char *)));
    }
    check_text(d->url);
    check_time(d->last_success);
    check_time(d->last_failure);
    i = cfmt_alerts_unsent(policies, destinations, NULL, p)->nelts;
    FUZZ_CHECK(i == 6 || (i == 5 && np->enabled == 1 && np->webhooks->nelts));
}

/* ---- traffic --------------------------------------------------------------------------------- */

#define TRAFFIC_FROM apr_time_from_sec(1795377600)
#define TRAFFIC_MINUTES 5
/* Two subnets, one of them shared by two prefixes, and a wide one. */
static const char *const networks[] = {"192.0.2.0/23", "192.0.2.128/25", "2001:db8::/48",
                                       "2001:db8::/32"};
#define NETWORKS ((int)(sizeof(networks) / sizeof(networks[0])))

static cfmt_traffic_piece_t traffic_piece(apr_pool_t *p)
{
    cfmt_traffic_piece_t piece = {.from = TRAFFIC_FROM,
                                  .to = TRAFFIC_FROM + TRAFFIC_MINUTES * CFMT_MINUTE};
    int i;

    piece.prefixes = apr_array_make(p, NETWORKS, sizeof(cfmt_cidr_t));
    for (i = 0; i < NETWORKS; i++) {
        cfmt_cidr_parse(apr_array_push(piece.prefixes), NULL, networks[i]);
    }
    return piece;
}

/* Of all systems together; never negative, never endless. */
static double traffic_sum(const cfmt_traffic_reading_t *r, int prefix)
{
    double sum = 0;
    int i, s;

    for (i = 0; i < TRAFFIC_MINUTES; i++) {
        const cfmt_traffic_t *t = cfmt_traffic_of(r, prefix, TRAFFIC_FROM + i * CFMT_MINUTE);

        for (s = 0; s < CFMT_SYSTEMS; s++) {
            FUZZ_CHECK(t->packets[s] >= 0 && t->bits[s] >= 0);
            sum += t->packets[s] + t->bits[s];
        }
        FUZZ_CHECK(t->passed_packets >= 0 && t->passed_bits >= 0);
        sum += t->passed_packets + t->passed_bits;
    }
    FUZZ_CHECK(sum <= 1e20);
    return sum;
}

/* As a row of every alias; what is in a prefix is in those around it, too. */
static void read_traffic(const cfmt_json_t *row, apr_pool_t *p)
{
    cfmt_traffic_piece_t piece = traffic_piece(p);
    cfmt_traffic_reading_t *r = cfmt_traffic_reading(&piece, 2, p);
    apr_time_t mark;
    apr_status_t rv;
    const char *why;
    int which;

    for (which = -1; which <= 3; which++) {
        why = NULL;
        rv = cfmt_traffic_take(r, &why, which, row);
        if (rv != APR_SUCCESS) {
            check_why(rv, why);
        }
        FUZZ_CHECK(rv != APR_SUCCESS || (which >= 0 && which <= 2));
        FUZZ_CHECK(which != 1 || traffic_sum(r, 1) <= traffic_sum(r, 0));
        FUZZ_CHECK(which != 1 || traffic_sum(r, 3) == 0);
        FUZZ_CHECK(which != 2 || traffic_sum(r, 2) <= traffic_sum(r, 3));
    }
    FUZZ_CHECK(!cfmt_traffic_cut(r));
    mark = cfmt_traffic_watermark(r);
    FUZZ_CHECK(mark >= 0 && mark % CFMT_MINUTE == 0 && mark < piece.to + apr_time_from_sec(3600));
}

static void read_limits(const cfmt_json_t *row)
{
    cfmt_analytics_limits_t l = {.page = 0};
    const char *why = NULL;
    apr_status_t rv = cfmt_analytics_limits_read(&l, &why, row);

    if (rv != APR_SUCCESS) {
        check_why(rv, why);
        return;
    }
    FUZZ_CHECK(l.page >= 1 && l.page <= 10000 && l.duration >= CFMT_MINUTE
               && l.history >= CFMT_MINUTE);
}

static void read_row(const cfmt_json_t *row, apr_pool_t *p)
{
    read_prefix(row, p);
    read_token(row, p);
    read_ranges(row, p);
    read_tunnels(row, p);
    read_health(row, p);
    read_rule(row, p);
    read_policy(row, p);
    read_traffic(row, p);
    read_limits(row);
}

/* ---- histories ------------------------------------------------------------------------------- */

static void take_notice(apr_array_header_t *notices, const cfmt_json_t *row, apr_pool_t *p)
{
    cfmt_notice_t n;
    const char *why = NULL;
    apr_status_t rv = cfmt_notice_read(&n, &why, row, p);

    if (rv != APR_SUCCESS) {
        check_why(rv, why);
        return;
    }
    FUZZ_CHECK(cfmt_id_ok(n.id));
    check_text(n.policy_id);
    check_text(n.alert_type);
    check_time(n.sent);
    APR_ARRAY_PUSH(notices, cfmt_notice_t) = n;
}

/* What a delivery of this notice would have been. */
static cfmt_delivered_t delivered(const cfmt_notice_t *n)
{
    return (cfmt_delivered_t){.body = n->body, .len = n->body ? strlen(n->body) : 0,
                              .policy_id = n->policy_id, .alert_type = n->alert_type,
                              .ts = n->sent};
}

static void check_missed(const apr_array_header_t *notices, const apr_array_header_t *missed,
                         int arrived)
{
    const cfmt_notice_t *n;
    int i, at;

    for (i = 0; i < missed->nelts; i++) {
        at = APR_ARRAY_IDX(missed, i, int);
        FUZZ_CHECK(at >= 0 && at < notices->nelts);
        FUZZ_CHECK(i == 0 || at > APR_ARRAY_IDX(missed, i - 1, int));
        n = &APR_ARRAY_IDX(notices, at, cfmt_notice_t);
        FUZZ_CHECK(n->mechanism && !strcmp(n->mechanism, "webhook"));
        FUZZ_CHECK(!arrived || !n->body); /* a body that arrived is found */
    }
}

/* Nothing arrived, every second, all: fewer and fewer are missed. */
static void check_history(const apr_array_header_t *notices, apr_pool_t *p)
{
    apr_array_header_t *stored = apr_array_make(p, 4, sizeof(cfmt_delivered_t));
    apr_array_header_t *none = cfmt_history_missed(notices, stored, p), *some, *all;
    int i;

    for (i = 1; i < notices->nelts; i += 2) {
        APR_ARRAY_PUSH(stored, cfmt_delivered_t) =
            delivered(&APR_ARRAY_IDX(notices, i, cfmt_notice_t));
    }
    some = cfmt_history_missed(notices, stored, p);
    for (i = 0; i < notices->nelts; i += 2) {
        APR_ARRAY_PUSH(stored, cfmt_delivered_t) =
            delivered(&APR_ARRAY_IDX(notices, i, cfmt_notice_t));
    }
    all = cfmt_history_missed(notices, stored, p);
    check_missed(notices, none, 0);
    check_missed(notices, some, 0);
    check_missed(notices, all, 1);
    FUZZ_CHECK(some->nelts <= none->nelts && all->nelts <= none->nelts);
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    apr_array_header_t *notices = apr_array_make(p, 4, sizeof(cfmt_notice_t));
    const cfmt_json_t *element;
    const char *why = NULL;
    cfmt_json_t *doc;

    if (cfmt_json_parse(&doc, &why, data, len, &limits, p) != APR_SUCCESS) {
        return;
    }
    read_row(doc, p);
    take_notice(notices, doc, p);
    for (element = doc->type == CFMT_JSON_ARRAY ? doc->child : NULL; element;
         element = element->next) {
        read_row(element, p);
        take_notice(notices, element, p);
    }
    check_history(notices, p);
}
