/*
 * Cloudflare's API: lists, changes and their rules, and everything that can go wrong with a call.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "model.h"

#define RULE (15 * MIN)          /* between two changes of a prefix */
#define NEVER SEC(30)            /* so long a call without an answer takes */
#define ENVELOPE(result) "{\"success\":true,\"errors\":[],\"messages\":[],\"result\":" result "}"
#define ERROR(code, text) \
    "{\"success\":false,\"errors\":[{\"code\":" code ",\"message\":\"" text "\"}],\"result\":null}"
#define GRAPHQL_ERROR(text) "{\"data\":null,\"errors\":[{\"message\":\"" text "\"}]}"
#define GRAPHQL(rows) "{\"data\":{\"viewer\":{\"accounts\":[{" rows "}]}},\"errors\":null}"

/* ---- lists ----------------------------------------------------------------------------------- */

static int is_pending[PARENTS]; /* as it was said last: each of its prefixes lists without it */

static const char *parents(apr_pool_t *p)
{
    const char *text = "";
    int i, k, pending;

    for (i = 0; i < PARENTS; i++) {
        for (k = pending = 0; k < PREFIXES; k++) {
            pending |= m.w.prefix[k].parent == i && m.w.prefix[k].approved < 0;
        }
        is_pending[i] = pending;
        text = apr_psprintf(p, "%s%s{\"id\":\"%s\",\"cidr\":\"192.0.0.0/8\",\"approved\":\"%s\"}",
                            text, i ? "," : "", parent_ids[i], pending ? "P" : "V");
    }
    return apr_psprintf(p, ENVELOPE("[%s]"), text);
}

static const char *one_prefix(const prefix_t *x, apr_pool_t *p)
{
    return apr_psprintf(
        p,
        "{\"id\":\"%s\",\"cidr\":\"%s\",\"bgp_signal_opts\":{\"enabled\":%s},\"on_demand\":"
        "{\"advertised\":%s,\"on_demand_enabled\":%s,\"on_demand_locked\":%s,"
        "\"advertised_modified_at\":\"%s\"}}",
        x->id, x->text, x->bgp > 0 ? "true" : "false", x->now.on ? "true" : "false",
        x->enabled < 0 ? "false" : "true", x->locked > 0 ? "true" : "false",
        cfmt_time_format(p, x->now.at));
}

static void list_prefixes(answer_t *a, int parent, apr_pool_t *p)
{
    apr_array_header_t *items = apr_array_make(p, 4, sizeof(const char *));
    int i;

    a->state = 1;
    a->parent = parent;
    for (i = 0; i < PREFIXES; i++) {
        const prefix_t *x = &m.w.prefix[i];

        if (x->parent == parent && !x->missing) {
            APR_ARRAY_PUSH(items, const char *) = one_prefix(x, p);
            a->shown[i] = x->now;
            a->locked |= x->locked > 0 ? 1u << i : 0;
            a->off |= x->enabled < 0 || is_pending[parent] || x->bgp > 0 ? 1u << i : 0;
        }
    }
    a->body = apr_psprintf(p, ENVELOPE("[%s]"), apr_array_pstrcat(p, items, ','));
}

/* This one, while others can be read. */
static void fail_list(answer_t *a, int is_cut, apr_pool_t *p)
{
    a->state = 0;
    a->code = is_cut ? 200 : 500;
    a->body = is_cut ? apr_pstrndup(p, a->body, strlen(a->body) / 2) : ERROR("1", "oops");
}

static const char *rules(apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; i < PREFIXES; i++) {
        text = apr_psprintf(p, "%s%s{\"id\":\"dddddddddddddddddddddddddddddd%02x\",\"name\":"
                            "\"rule %d\",\"type\":\"threshold\",\"prefixes\":[\"%s\"],"
                            "\"automatic_advertisement\":true}",
                            text, i ? "," : "", i, i, m.w.prefix[i].text);
    }
    return apr_psprintf(p, ENVELOPE("[%s]"), text);
}

/* ---- changes --------------------------------------------------------------------------------- */

typedef struct deed_t {
    prefix_t *p;
    int on;
    change_t how;
} deed_t;

static void carry_out(void *arg)
{
    deed_t *d = arg;

    if (!d->p->locked && !d->p->bgp && d->p->enabled == 0
        && (d->p->now.on == d->on || m.now - d->p->now.at >= RULE)) {
        if (d->p->now.on && !d->on) {
            oracle_withdrawn(d->p, &d->how);
        }
        world_change(d->p, d->on, BY_US, &d->how);
    }
}

/* What the account's rules say of it; NULL = done. */
static const char *refusal(const prefix_t *p, int on, int *pcode)
{
    *pcode = 400;
    if (p->locked || p->bgp > 0 || p->enabled < 0) {
        return ERROR("2000", "this prefix cannot be changed");
    }
    if (p->now.on != on && m.now - p->now.at < RULE) {
        *pcode = 429;
        return ERROR("2001", "changed less than 15 minutes ago");
    }
    return NULL;
}

static void spoil_change(answer_t *a, deed_t *d, const ev_t *ev, apr_pool_t *p)
{
    int late = ev->how == 4 ? (int)(ev->salt % 28) : 3;

    switch (ev->how) {
    case 0:
    case 1:
        a->code = 502;
        a->body = ERROR("10", "bad gateway");
        break;
    case 2:
    case 3:
    case 4:
        a->code = 0;
        a->after = NEVER;
        break;
    case 5:
        a->code = 429;
        a->body = ERROR("971", "slow down");
        a->retry_after = SEC(ev->salt % 2 ? 90 : 7);
        break;
    case 8:
        a->code = 403;
        a->body = ERROR("10000", "not allowed");
        break;
    default:
        break;
    }
    if (ev->how == 1 || ev->how == 2) {
        carry_out(d);
    }
    else if (ev->how == 4 || ev->how == 7) {
        agenda_add(m.now + SEC(late), carry_out, apr_pmemdup(m.pool, d, sizeof(*d)));
    }
    (void)p;
}

static void change(answer_t *a, prefix_t *x, int on, apr_pool_t *p)
{
    deed_t d = { .p = x, .on = on };
    const char *why;
    ev_t *ev;

    oracle_patch(m.cur, x, on, &d.how);
    a->body = ENVELOPE("{}");
    ev = world_strikes(EV_PATCH, -1, ~0);
    why = refusal(x, on, &a->code);
    if (why) {
        a->body = why;
        return;
    }
    a->code = 200;
    if (ev) {
        trace("API: the change meets %s", plan_show(ev, p));
        world_hinder(x, ev);
        spoil_change(a, &d, ev, p);
        return;
    }
    carry_out(&d);
}

static void patch(answer_t *a, const char *path, const char *body, apr_pool_t *p)
{
    int i;

    for (i = 0; i < PREFIXES && !strstr(path, m.w.prefix[i].id); i++) {
    }
    if (i == PREFIXES) {
        a->code = 404;
        a->body = ERROR("7003", "no such prefix");
        return;
    }
    change(a, &m.w.prefix[i], strstr(body, "\"advertised\":true") != NULL, p);
    oracle_changed(&m.w.prefix[i], a);
}

/* ---- every path ------------------------------------------------------------------------------ */

static const char *ranges(void)
{
    return ENVELOPE(
        "{\"etag\":\"e\",\"ipv4_cidrs\":[\"173.245.48.0/20\",\"103.21.244.0/22\","
        "\"103.22.200.0/22\",\"103.31.4.0/22\",\"141.101.64.0/18\",\"108.162.192.0/18\","
        "\"190.93.240.0/20\",\"188.114.96.0/20\",\"197.234.240.0/22\",\"198.41.128.0/17\","
        "\"162.158.0.0/15\",\"104.16.0.0/13\",\"104.24.0.0/14\",\"172.64.0.0/13\","
        "\"131.0.72.0/22\"],\"ipv6_cidrs\":[\"2400:cb00::/32\",\"2606:4700::/32\","
        "\"2803:f800::/32\",\"2405:b500::/32\",\"2405:8100::/32\",\"2a06:98c0::/29\","
        "\"2c0f:f248::/32\"]}");
}

static const char *history(const char *path, apr_pool_t *p)
{
    const char *at = strstr(path, "since=");
    apr_time_t since = 0;
    char text[40];

    if (at) {
        apr_cpystrn(text, at + 6, sizeof(text));
        text[strcspn(text, "&")] = '\0';
        (void)cfmt_time_parse(&since, text);
    }
    return apr_psprintf(p, ENVELOPE("[%s]"), strstr(path, "page=1&") ? alerts_history(since, p)
                                                                     : "");
}

static void rest(answer_t *a, const char *path, apr_pool_t *p)
{
    const char *at = strstr(path, "/addressing/prefixes/");
    int i;

    a->code = 200;
    if (at) {
        for (i = 0; i < PARENTS - 1 && strncmp(at + 21, parent_ids[i], 32); i++) {
        }
        list_prefixes(a, i, p);
        if (m.w.unlisted[i]) {
            fail_list(a, rnd_mix(m.seed, (apr_uint64_t)m.now) % 2, p);
        }
    }
    else if (strstr(path, "/addressing/prefixes")) {
        a->body = parents(p);
    }
    else if (strstr(path, "/mnm/rules")) {
        a->body = rules(p);
    }
    else if (strstr(path, "/tokens/verify")) {
        a->body = ENVELOPE("{\"status\":\"active\"}");
    }
    else if (strstr(path, "/history")) {
        a->body = history(path, p);
    }
    else if (strstr(path, "/ips")) {
        a->body = ranges();
    }
    else {
        a->body = !strstr(path, "/magic/") ? ENVELOPE("[]")
                  : apr_psprintf(p, ENVELOPE("{%s,\"ipsec_tunnels\":[],\"interconnects\":[]}"),
                                 things_tunnels(p));
    }
}

static apr_time_t time_of(const char *body, const char *name)
{
    const char *at = strstr(body, name);
    apr_time_t t = 0;
    char text[40];

    if (at) {
        apr_cpystrn(text, at + strlen(name), sizeof(text));
        text[strcspn(text, "\"")] = '\0';
        (void)cfmt_time_parse(&t, text);
    }
    return t;
}

/* A row a minute of each attack. In years: retention must remove it again. */
static const char *detail(const char *body, apr_pool_t *p)
{
    apr_time_t from = time_of(body, "\"from\":\""), to = time_of(body, "\"to\":\""), minute;
    apr_array_header_t *rows = apr_array_make(p, 16, sizeof(const char *));
    int i;

    for (i = m.w.first; m.years && i < m.w.attacks->nelts; i++) {
        const attack_t *a = world_attack(i);

        for (minute = a->from > from ? a->from : from; minute < a->to && minute < to;
             minute += MIN) {
            APR_ARRAY_PUSH(rows, const char *) = apr_psprintf(
                p,
                "{\"sum\":{\"packets\":%.0f,\"bits\":%.0f},\"dimensions\":{\"datetimeMinute\":"
                "\"%s\",\"attackVector\":\"UDP Flood\",\"sourceCountry\":\"NL\","
                "\"ipDestinationAddress\":\"%s\"}}",
                a->pps * 60, a->bps * 60, cfmt_time_format(p, minute), a->target_text);
        }
    }
    return apr_psprintf(p, GRAPHQL("\"detail\":[%s]"), apr_array_pstrcat(p, rows, ','));
}

static void graphql(answer_t *a, const char *body, apr_pool_t *p)
{
    a->code = 200;
    if (strstr(body, "TunnelHealth")) {
        a->body = apr_psprintf(p, GRAPHQL("%s"), things_health(p));
    }
    else if (strstr(body, "maxPageSize")) {
#define LIMITS "{\"maxPageSize\":%d,\"maxDuration\":86400,\"notOlderThan\":2678400}"
        a->body = apr_psprintf(p, GRAPHQL("\"settings\":{"
                                          "\"magicTransitNetworkAnalyticsAdaptiveGroups\":" LIMITS
                                          ",\"dosdNetworkAnalyticsAdaptiveGroups\":" LIMITS "}"),
                               m.w.page, m.w.page);
    }
    else if (strstr(body, "detail:")) {
        a->body = detail(body, p);
    }
    else {
        a->body = traffic_answer(body, &a->told, p);
        a->body = a->body ? a->body : GRAPHQL("\"mark\":[]");
    }
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

/* Even numbers strike REST, odd ones GraphQL, from 8 on both. */
static void spoil(answer_t *a, const ev_t *ev, int is_graphql, apr_pool_t *p)
{
    rnd_t r = { rnd_mix(ev->salt, ev->count) };

    a->state = 0;
    a->told = NULL;
    switch (rnd_below(&r, 9)) {
    case 0:
        a->code = 500;
        a->body = is_graphql ? GRAPHQL_ERROR("Internal server error") : ERROR("1", "oops");
        break;
    case 1:
        a->code = 0;
        a->after = NEVER;
        break;
    case 2:
        a->code = 0;
        break;
    case 3:
        a->code = 429;
        a->body = ERROR("971", "slow down");
        a->retry_after = SEC(30 + rnd_below(&r, 270));
        break;
    case 4:
        a->code = rnd_chance(&r, 30) ? 401 : 403;
        a->body = ERROR("10000", "no");
        break;
    case 5:
        a->body = "<html>";
        break;
    case 6:
        a->body = apr_pstrndup(p, a->body, strlen(a->body) / 2);
        break;
    case 7:
        a->body = is_graphql ? GRAPHQL_ERROR("unable to execute query") : ENVELOPE("[]");
        break;
    default:
        a->after = rnd_span(&r, 3, 29) * SEC(1);
        break;
    }
}

/* An empty list of parents or prefixes is an answer: what is missing in it is missing. */
void cloudflare_answer(answer_t *a, const cfmt_http_request_t *rq, apr_pool_t *p)
{
    int is_graphql = strstr(rq->url, "/graphql") != NULL, is_patch = !strcmp(rq->method, "PATCH");
    rnd_t r = { rnd_mix(m.seed, (apr_uint64_t)m.now) };
    ev_t *ev = NULL;

    memset(a, 0, sizeof(*a));
    a->retry_after = -1;
    a->after = rnd_span(&r, 15, 400) * 1000;
    if (rnd_chance(&r, 30)) { /* else calls of one moment are answered in one */
        r.state += strlen(rq->url);
        a->after = rnd_span(&r, 15, 400) * 1000;
    }
    if (is_patch) {
        patch(a, rq->url, rq->body, p);
        return;
    }
    ev = world_strikes(EV_FAULT, -1, is_graphql ? 0xFAA : 0xF55);
    if (is_graphql) {
        graphql(a, rq->body, p);
    }
    else {
        rest(a, rq->url, p);
    }
    if (ev) {
        answer_t whole = *a;

        spoil(a, ev, is_graphql, p);
        if (a->code == 200 && a->body == whole.body) { /* late, that is all */
            a->state = whole.state;
            a->told = whole.told;
        }
    }
}
