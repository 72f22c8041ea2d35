/*
 * Prefixes, tunnels and rules as JSON: the bodies of journal rows prefix_state, tunnel_state and
 * rule_state, and whole table rows as snapshots keep them. Keys are sorted, so equal states are
 * equal texts.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "world.h"

/* A snapshot nests rows deeper; those come parsed. */
static const cfmt_json_limits_t limits = { .depth = 4 };

/* ---- values ---------------------------------------------------------------------------------- */

static const char *quote(const char *text, apr_pool_t *p)
{
    return text ? cfmt_json_quote(p, text) : "null";
}

static const char *flag(int v)
{
    return v < 0 ? "null" : v ? "true" : "false";
}

/* 1, 0, and -1 for anything that is neither true nor false. */
static int read_flag(const cfmt_json_t *o, const char *key)
{
    const cfmt_json_t *m = cfmt_json_get(o, key);

    return m && m->type == CFMT_JSON_BOOL ? m->flag != 0 : -1;
}

static apr_int64_t read_int(const cfmt_json_t *o, const char *key)
{
    apr_int64_t n;

    return cfmt_json_int(&n, o, key) == APR_SUCCESS ? n : 0;
}

static apr_status_t parse(cfmt_json_t **pdoc, const char *body, apr_size_t len, apr_pool_t *p)
{
    const char *why;

    return body ? cfmt_json_parse(pdoc, &why, body, len, &limits, p) : CFMT_EINVALID;
}

int cfmt_cidrs_order(const void *a, const void *b)
{
    return cfmt_cidr_compare(a, b);
}

const char *cfmt_cidrs_format(const apr_array_header_t *cidrs, apr_pool_t *p)
{
    apr_array_header_t *out = apr_array_make(p, 8, sizeof(const char *));
    int i;

    for (i = 0; cidrs && i < cidrs->nelts; i++) {
        APR_ARRAY_PUSH(out, const char *) =
            apr_psprintf(p, "%s\"%s\"", i ? "," : "",
                         cfmt_cidr_format(p, &APR_ARRAY_IDX(cidrs, i, cfmt_cidr_t)));
    }
    return apr_psprintf(p, "[%s]", apr_array_pstrcat(p, out, 0));
}

apr_status_t cfmt_cidrs_read(apr_array_header_t **pcidrs, const cfmt_json_t *array, apr_pool_t *p)
{
    apr_array_header_t *cidrs = apr_array_make(p, 4, sizeof(cfmt_cidr_t));
    const cfmt_json_t *m;

    if (!array || array->type != CFMT_JSON_ARRAY) {
        return CFMT_EINVALID;
    }
    for (m = array->child; m; m = m->next) {
        if (m->type != CFMT_JSON_STRING
            || cfmt_cidr_parse(apr_array_push(cidrs), NULL, m->text) != APR_SUCCESS) {
            return CFMT_EINVALID;
        }
    }
    qsort(cidrs->elts, (size_t)cidrs->nelts, sizeof(cfmt_cidr_t), cfmt_cidrs_order);
    *pcidrs = cidrs;
    return APR_SUCCESS;
}

/* A row that has nothing beside its state. */
static const char *encode_row(apr_int64_t row, apr_time_t since, const char *state, apr_pool_t *p)
{
    return apr_psprintf(
        p, "{\"row\":%" APR_INT64_T_FMT ",\"since\":%" APR_INT64_T_FMT ",\"state\":%s}", row,
        since, state);
}

/* ---- prefix ---------------------------------------------------------------------------------- */

const char *cfmt_prefix_encode(const cfmt_bgp_prefix_t *b, int gone, apr_pool_t *p)
{
    const char *head = apr_psprintf(
        p,
        "{\"advertised\":%s,\"advertised_at\":%" APR_INT64_T_FMT ",\"approved\":%s,"
        "\"asn\":%" APR_INT64_T_FMT ",\"auto_withdraw\":%s,\"bgp_control\":%s,\"cidr\":\"%s\"",
        flag(b->advertised), b->advertised_at, flag(b->approved), b->asn, flag(b->auto_withdraw),
        flag(b->bgp_control), cfmt_cidr_format(p, &b->cidr));

    return apr_psprintf(p,
                        "%s,\"description\":%s,\"enabled\":%s,\"gone\":%s,\"id\":%s,\"locked\":%s,"
                        "\"modified_at\":%" APR_INT64_T_FMT ",\"parent\":%s}",
                        head, quote(b->description, p), flag(b->enabled), flag(gone),
                        quote(b->id, p), flag(b->locked), b->modified_at, quote(b->parent, p));
}

static apr_status_t read_prefix(cfmt_bgp_prefix_t *b, int *pgone, const cfmt_json_t *o)
{
    const char *cidr = cfmt_json_text(o, "cidr");

    memset(b, 0, sizeof(*b));
    b->id = cfmt_json_text(o, "id");
    if (!b->id || !cidr || cfmt_cidr_parse(&b->cidr, NULL, cidr) != APR_SUCCESS) {
        return CFMT_EINVALID;
    }
    b->parent = cfmt_json_text(o, "parent");
    b->description = cfmt_json_text(o, "description");
    b->asn = read_int(o, "asn");
    b->approved = read_flag(o, "approved");
    b->enabled = read_flag(o, "enabled");
    b->locked = read_flag(o, "locked");
    b->bgp_control = read_flag(o, "bgp_control");
    b->auto_withdraw = read_flag(o, "auto_withdraw");
    b->advertised = read_flag(o, "advertised");
    b->advertised_at = read_int(o, "advertised_at");
    b->modified_at = read_int(o, "modified_at");
    *pgone = read_flag(o, "gone") > 0;
    return APR_SUCCESS;
}

apr_status_t cfmt_prefix_decode(cfmt_bgp_prefix_t *b, int *pgone, const char *body,
                                apr_size_t len, apr_pool_t *p)
{
    cfmt_json_t *doc;
    apr_status_t rv = parse(&doc, body, len, p);

    return rv == APR_SUCCESS ? read_prefix(b, pgone, doc) : rv;
}

const char *cfmt_prefix_row_encode(const cfmt_prefix_row_t *row, apr_pool_t *p)
{
    return apr_psprintf(p,
                        "{\"changed_at\":%" APR_INT64_T_FMT ",\"changed_by\":%s,"
                        "\"first_at\":%" APR_INT64_T_FMT ",\"origin\":%s,"
                        "\"row\":%" APR_INT64_T_FMT ",\"since\":%" APR_INT64_T_FMT ",\"state\":%s}",
                        row->changed_at, quote(row->changed_by, p), row->first_at,
                        quote(row->origin, p), row->row, row->since,
                        cfmt_prefix_encode(&row->b, row->gone, p));
}

apr_status_t cfmt_prefix_row_decode(cfmt_prefix_row_t *row, const cfmt_json_t *o)
{
    memset(row, 0, sizeof(*row));
    row->origin = cfmt_json_text(o, "origin");
    row->changed_by = cfmt_json_text(o, "changed_by");
    row->changed_at = read_int(o, "changed_at");
    row->first_at = read_int(o, "first_at");
    row->since = read_int(o, "since");
    row->row = read_int(o, "row");
    return row->origin ? read_prefix(&row->b, &row->gone, cfmt_json_get(o, "state"))
                       : CFMT_EINVALID;
}

/* ---- tunnel ---------------------------------------------------------------------------------- */

static const char *const kinds[] = {
    [CFMT_TUNNEL_GRE] = "gre",
    [CFMT_TUNNEL_IPSEC] = "ipsec",
    [CFMT_TUNNEL_INTERCONNECT] = "interconnect",
};

const char *cfmt_kind_word(cfmt_tunnel_e kind)
{
    return kinds[kind];
}

apr_status_t cfmt_kind_parse(cfmt_tunnel_e *pkind, const char *name)
{
    int i;

    for (i = 0; name && i <= CFMT_TUNNEL_INTERCONNECT; i++) {
        if (!strcmp(name, kinds[i])) {
            *pkind = (cfmt_tunnel_e)i;
            return APR_SUCCESS;
        }
    }
    return CFMT_EINVALID;
}

/* Six decimals of a ratio; apr_psprintf knows no locale. */
static const char *health(double v, apr_pool_t *p)
{
    return v < 0 ? "null" : apr_psprintf(p, "%.6f", v);
}

const char *cfmt_tunnel_encode(const cfmt_tunnel_t *t, const char *state, int gone,
                               apr_pool_t *p)
{
    return apr_psprintf(p,
                        "{\"active\":%s,\"checked\":%s,\"endpoint\":%s,\"gone\":%s,\"health\":%s,"
                        "\"id\":%s,\"kind\":\"%s\",\"name\":%s,\"state\":%s}",
                        flag(t->active), flag(t->checked), quote(t->endpoint, p), flag(gone),
                        health(t->health, p), quote(t->id, p), kinds[t->kind], quote(t->name, p),
                        quote(state, p));
}

static apr_status_t read_tunnel(cfmt_tunnel_t *t, const char **pstate, int *pgone,
                                const cfmt_json_t *o)
{
    const char *text = cfmt_json_text(o, "health");

    memset(t, 0, sizeof(*t));
    t->id = cfmt_json_text(o, "id");
    t->name = cfmt_json_text(o, "name");
    t->endpoint = cfmt_json_text(o, "endpoint");
    t->checked = read_flag(o, "checked");
    t->active = read_flag(o, "active");
    if (cfmt_rate_parse(&t->health, text) != APR_SUCCESS) {
        t->health = -1;
    }
    *pstate = cfmt_json_text(o, "state");
    *pgone = read_flag(o, "gone") > 0;
    return t->id && *pstate ? cfmt_kind_parse(&t->kind, cfmt_json_text(o, "kind"))
                            : CFMT_EINVALID;
}

apr_status_t cfmt_tunnel_decode(cfmt_tunnel_t *t, const char **pstate, int *pgone,
                                const char *body, apr_size_t len, apr_pool_t *p)
{
    cfmt_json_t *doc;
    apr_status_t rv = parse(&doc, body, len, p);

    return rv == APR_SUCCESS ? read_tunnel(t, pstate, pgone, doc) : rv;
}

const char *cfmt_tunnel_row_encode(const cfmt_tunnel_row_t *row, apr_pool_t *p)
{
    return encode_row(row->row, row->since, cfmt_tunnel_encode(&row->t, row->state, row->gone, p),
                      p);
}

apr_status_t cfmt_tunnel_row_decode(cfmt_tunnel_row_t *row, const cfmt_json_t *o)
{
    memset(row, 0, sizeof(*row));
    row->since = read_int(o, "since");
    row->row = read_int(o, "row");
    return read_tunnel(&row->t, &row->state, &row->gone, cfmt_json_get(o, "state"));
}

/* ---- rule ------------------------------------------------------------------------------------ */

const char *cfmt_rule_encode(const cfmt_rule_t *rule, int gone, apr_pool_t *p)
{
    return apr_psprintf(p,
                        "{\"automatic\":%s,\"gone\":%s,\"id\":%s,\"name\":%s,\"prefixes\":%s,"
                        "\"type\":%s}",
                        flag(rule->automatic), flag(gone), quote(rule->id, p),
                        quote(rule->name, p), cfmt_cidrs_format(rule->prefixes, p),
                        quote(rule->type, p));
}

static apr_status_t read_rule(cfmt_rule_t *rule, int *pgone, const cfmt_json_t *o, apr_pool_t *p)
{
    memset(rule, 0, sizeof(*rule));
    rule->id = cfmt_json_text(o, "id");
    rule->name = cfmt_json_text(o, "name");
    rule->type = cfmt_json_text(o, "type");
    rule->automatic = read_flag(o, "automatic");
    *pgone = read_flag(o, "gone") > 0;
    return rule->id && rule->name
               ? cfmt_cidrs_read(&rule->prefixes, cfmt_json_get(o, "prefixes"), p)
               : CFMT_EINVALID;
}

apr_status_t cfmt_rule_decode(cfmt_rule_t *rule, int *pgone, const char *body, apr_size_t len,
                              apr_pool_t *p)
{
    cfmt_json_t *doc;
    apr_status_t rv = parse(&doc, body, len, p);

    return rv == APR_SUCCESS ? read_rule(rule, pgone, doc, p) : rv;
}

const char *cfmt_rule_row_encode(const cfmt_rule_row_t *row, apr_pool_t *p)
{
    return encode_row(row->row, row->since, cfmt_rule_encode(&row->rule, row->gone, p), p);
}

apr_status_t cfmt_rule_row_decode(cfmt_rule_row_t *row, const cfmt_json_t *o, apr_pool_t *p)
{
    memset(row, 0, sizeof(*row));
    row->since = read_int(o, "since");
    row->row = read_int(o, "row");
    return read_rule(&row->rule, &row->gone, cfmt_json_get(o, "state"), p);
}

/* ---- journal rows ---------------------------------------------------------------------------- */

apr_status_t cfmt_prefix_take(cfmt_prefix_row_t *row, const cfmt_journal_row_t *j, apr_pool_t *p)
{
    memset(row, 0, sizeof(*row));
    row->since = row->first_at = j->at;
    row->row = j->id;
    row->origin = j->origin;
    return cfmt_prefix_decode(&row->b, &row->gone, j->body, j->len, p);
}

void cfmt_prefix_follow(cfmt_prefix_row_t *row, const cfmt_prefix_row_t *before)
{
    int moved = row->b.advertised != before->b.advertised;

    /* Cloudflare's alert may come after the change was seen: the same again says who made it */
    int told = moved || (before->changed_by && !strcmp(row->origin, "auto-advertise"));

    row->first_at = before->first_at;
    row->changed_at = moved ? row->since : before->changed_at;
    row->changed_by = told ? row->origin : before->changed_by;
}

apr_status_t cfmt_tunnel_take(cfmt_tunnel_row_t *row, const cfmt_journal_row_t *j, apr_pool_t *p)
{
    memset(row, 0, sizeof(*row));
    row->since = j->at;
    row->row = j->id;
    return cfmt_tunnel_decode(&row->t, &row->state, &row->gone, j->body, j->len, p);
}

void cfmt_tunnel_follow(cfmt_tunnel_row_t *row, const cfmt_tunnel_row_t *before)
{
    row->since = strcmp(row->state, before->state) ? row->since : before->since;
}

apr_status_t cfmt_rule_take(cfmt_rule_row_t *row, const cfmt_journal_row_t *j, apr_pool_t *p)
{
    memset(row, 0, sizeof(*row));
    row->since = j->at;
    row->row = j->id;
    return cfmt_rule_decode(&row->rule, &row->gone, j->body, j->len, p);
}
