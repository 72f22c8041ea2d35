/*
 * Every reader of rows, fed with the answers that the documented schema describes: built from its
 * examples, member by member.
 */
#include <stdio.h>

#include <apr_strings.h>

#include "rows.h"

#define DEEPEST 24

static const cfmt_json_t *openapi;

/* ---- an answer from a schema ----------------------------------------------------------------- */

static cfmt_json_t *node(cfmt_json_e type, const char *text)
{
    cfmt_json_t *made = apr_pcalloc(unit_pool, sizeof(*made));

    made->type = type;
    made->flag = 1;
    made->text = text;
    made->len = text ? strlen(text) : 0;
    return made;
}

static const cfmt_json_t *resolve(const cfmt_json_t *schema)
{
    const char *name;

    while ((name = cfmt_json_text(schema, "$ref")) != NULL) {
        schema = cfmt_json_get(cfmt_json_get(cfmt_json_get(openapi, "components"), "schemas"),
                               strrchr(name, '/') + 1);
        ck_assert_msg(schema != NULL, "%s leads nowhere", name);
    }
    return schema;
}

static cfmt_json_t *build_plain(const cfmt_json_t *schema)
{
    const char *type = cfmt_json_text(schema, "type"), *format = cfmt_json_text(schema, "format");

    if (type && !strcmp(type, "boolean")) {
        return node(CFMT_JSON_BOOL, NULL);
    }
    if (type && (!strcmp(type, "integer") || !strcmp(type, "number"))) {
        return node(CFMT_JSON_NUMBER, "1");
    }
    return node(CFMT_JSON_STRING,
                format && !strcmp(format, "date-time") ? "2014-01-01T05:20:00Z" : "text");
}

static cfmt_json_t *build(const cfmt_json_t *schema, int depth);

static cfmt_json_t *build_object(const cfmt_json_t *properties, int depth)
{
    cfmt_json_t *object = node(CFMT_JSON_OBJECT, NULL), **end = &object->child;
    const cfmt_json_t *property;

    for (property = properties->child; property; property = property->next) {
        *end = build(property, depth + 1);
        (*end)->key = property->key;
        (*end)->key_len = property->key_len;
        end = &(*end)->next;
    }
    return object;
}

/* The example where there is one, else what its members, elements or first choice make. */
static cfmt_json_t *build(const cfmt_json_t *schema, int depth)
{
    static const char *const choices[] = {"allOf", "oneOf", "anyOf"};
    const cfmt_json_t *part;
    cfmt_json_t *made;
    int i;

    schema = resolve(schema);
    ck_assert_int_lt(depth, DEEPEST);
    if ((part = cfmt_json_get(schema, "example")) != NULL) {
        made = apr_pmemdup(unit_pool, part, sizeof(*part));
        made->next = NULL;
        return made;
    }
    if ((part = cfmt_json_get(schema, "properties")) != NULL) {
        return build_object(part, depth);
    }
    if ((part = cfmt_json_get(schema, "items")) != NULL) {
        made = node(CFMT_JSON_ARRAY, NULL);
        made->child = build(part, depth + 1);
        return made;
    }
    for (i = 0; i < 3; i++) {
        if ((part = cfmt_json_get(schema, choices[i])) != NULL && part->child) {
            return build(part->child, depth + 1);
        }
    }
    return build_plain(schema);
}

/* The first row below `rows` of the answer to GET path; NULL (and a word) without the schema. */
static const cfmt_json_t *documented(const char *path, const char *rows)
{
    static const char *const way[] = {"get", "responses", "200", "content", "application/json",
                                      "schema"};
    static const cfmt_json_limits_t limits = {.depth = 64};
    const char *file = unit_shared("openapi-subset.json"), *why, *body;
    const cfmt_json_t *at;
    cfmt_json_t *doc;
    apr_size_t len, i;

    if (!file) {
        puts("skipped: the shared OpenAPI document is not there");
        return NULL;
    }
    body = unit_read(file, &len);
    ck_assert_msg(cfmt_json_parse(&doc, &why, body, len, &limits, unit_pool) == APR_SUCCESS, "%s",
                  why);
    openapi = doc;
    at = cfmt_json_get(cfmt_json_get(doc, "paths"), path);
    for (i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
        at = cfmt_json_get(at, way[i]);
    }
    ck_assert_msg(at != NULL, "%s is not documented", path);
    at = cfmt_json_get(build(at, 0), "result");
    at = rows ? cfmt_json_get(at, rows) : at;
    ck_assert_msg(at != NULL, "%s has no rows", path);
    return at->type == CFMT_JSON_ARRAY ? at->child : at;
}

/* The documented path with these ids in it is the one that we ask. */
static void same_path(const char *ours, const char *documented_path)
{
    const char *at;
    apr_size_t len;

    for (at = documented_path; *at; at++) {
        if (*at == '{') {
            len = strcspn(ours, "/?");
            ck_assert_uint_eq(len, 32);
            at += strcspn(at, "}");
        }
        else {
            len = 1;
            ck_assert_msg(*ours == *at, "%s is not %s", ours, documented_path);
        }
        ours += len;
    }
    ck_assert_msg(!*ours || *ours == '?', "%s is longer than %s", ours, documented_path);
}

/* ---- the readers ----------------------------------------------------------------------------- */

#define READ(reader, row) \
    ck_assert_msg(reader == APR_SUCCESS, "%s: %s", why ? why : "", (row)->key ? (row)->key : "")

START_TEST(test_prefixes)
{
    static const char path[] = "/accounts/{account_id}/addressing/prefixes";
    static const char below[] =
        "/accounts/{account_id}/addressing/prefixes/{prefix_id}/bgp/prefixes";
    const cfmt_json_t *row = documented(path, NULL);
    cfmt_bgp_prefix_t parent, b;
    const char *why = NULL;

    if (!row) {
        return;
    }
    same_path(cfmt_prefixes_path(ROWS_ACCOUNT, unit_pool), path);
    READ(cfmt_prefix_parent_read(&parent, &why, row, unit_pool), row);
    ck_assert_str_eq(parent.id, "2af39739cc4e3b5910c918468bb89828");
    ck_assert_int_eq(parent.approved, 0);
    ck_assert_ptr_ne(parent.description, NULL);
    row = documented(below, NULL);
    same_path(cfmt_bgp_prefixes_path(ROWS_ACCOUNT, parent.id, unit_pool), below);
    READ(cfmt_bgp_prefix_read(&b, &why, &parent, row, unit_pool), row);
    ck_assert_str_eq(b.id, "7009ba364c7a5760798ceb430e603b74");
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &b.cidr), "192.0.2.0/24");
    ck_assert_int_eq(b.asn, 13335);
    ck_assert(b.enabled >= 0 && b.locked >= 0 && b.bgp_control >= 0 && b.auto_withdraw >= 0);
    ck_assert(b.advertised >= 0 && b.advertised_at > 0 && b.modified_at > 0);
}
END_TEST

START_TEST(test_token)
{
    static const char *const paths[] = {"/user/tokens/verify",
                                        "/accounts/{account_id}/tokens/verify"};
    cfmt_token_t t;
    int i;

    for (i = 0; i < 2; i++) {
        const cfmt_json_t *row = documented(paths[i], NULL);
        const char *why = NULL;

        if (!row) {
            return;
        }
        same_path(cfmt_token_path(ROWS_ACCOUNT, i, unit_pool), paths[i]);
        READ(cfmt_token_read(&t, &why, row, unit_pool), row);
        ck_assert_str_eq(t.status, "active");
        ck_assert(t.expires_at > 0 && t.not_before > 0);
    }
}
END_TEST

START_TEST(test_ranges)
{
    const cfmt_json_t *row = documented("/ips", NULL);
    cfmt_ranges_t g;
    const char *why = NULL;

    if (!row) {
        return;
    }
    READ(cfmt_ranges_read(&g, &why, row, unit_pool), row);
    ck_assert_int_ge(g.cidrs->nelts, 2);
    ck_assert_ptr_ne(g.etag, NULL);
    ck_assert_ptr_ne(cfmt_ranges_absurd(&g, unit_pool), NULL); /* an example is no list */
}
END_TEST

START_TEST(test_tunnels)
{
    static const char *const paths[] = {
        [CFMT_TUNNEL_GRE] = "/accounts/{account_id}/magic/gre_tunnels",
        [CFMT_TUNNEL_IPSEC] = "/accounts/{account_id}/magic/ipsec_tunnels",
        [CFMT_TUNNEL_INTERCONNECT] = "/accounts/{account_id}/magic/cf_interconnects",
    };
    cfmt_tunnel_e kind;
    cfmt_tunnel_t t;

    for (kind = CFMT_TUNNEL_GRE; kind <= CFMT_TUNNEL_INTERCONNECT; kind++) {
        const cfmt_json_t *row = documented(paths[kind], strchr(cfmt_tunnels_rows(kind), '.') + 1);
        const char *why = NULL;

        if (!row) {
            return;
        }
        same_path(cfmt_tunnels_path(kind, ROWS_ACCOUNT, unit_pool), paths[kind]);
        READ(cfmt_tunnel_read(&t, &why, kind, row, unit_pool), row);
        ck_assert_str_eq(t.id, "c4a7362d577a6c3019a474fd6f485821");
        ck_assert_ptr_ne(t.name, NULL);
        ck_assert_int_eq(t.checked, 1);
        ck_assert_msg(!t.endpoint == (kind == CFMT_TUNNEL_INTERCONNECT), "%s", paths[kind]);
    }
}
END_TEST

START_TEST(test_rules)
{
    static const char path[] = "/accounts/{account_id}/mnm/rules";
    const cfmt_json_t *row = documented(path, NULL);
    const char *why = NULL;
    cfmt_rule_t r;

    if (!row) {
        return;
    }
    same_path(cfmt_rules_path(ROWS_ACCOUNT, unit_pool), path);
    READ(cfmt_rule_read(&r, &why, row, unit_pool), row);
    ck_assert(r.name && r.type && r.automatic >= 0);
    ck_assert_int_ge(r.prefixes->nelts, 1);
}
END_TEST

START_TEST(test_policies)
{
    static const char path[] = "/accounts/{account_id}/alerting/v3/policies";
    const cfmt_json_t *row = documented(path, NULL);
    const char *why = NULL;
    cfmt_notice_policy_t np;

    if (!row) {
        return;
    }
    same_path(cfmt_policies_path(ROWS_ACCOUNT, unit_pool), path);
    READ(cfmt_notice_policy_read(&np, &why, row, unit_pool), row);
    ck_assert(np.name && np.alert_type && np.enabled >= 0);
    ck_assert_int_eq(np.webhooks->nelts, 1);
}
END_TEST

START_TEST(test_destinations)
{
    static const char path[] = "/accounts/{account_id}/alerting/v3/destinations/webhooks";
    const cfmt_json_t *row = documented(path, NULL);
    const char *why = NULL;
    cfmt_destination_t d;

    if (!row) {
        return;
    }
    same_path(cfmt_destinations_path(ROWS_ACCOUNT, unit_pool), path);
    READ(cfmt_destination_read(&d, &why, row, unit_pool), row);
    ck_assert(d.name && d.url && d.last_success > 0 && d.last_failure > 0);
}
END_TEST

START_TEST(test_history)
{
    static const char path[] = "/accounts/{account_id}/alerting/v3/history";
    const cfmt_json_t *row = documented(path, NULL);
    const char *why = NULL;
    cfmt_notice_t n;

    if (!row) {
        return;
    }
    same_path(cfmt_history_path(ROWS_ACCOUNT, 0, 1, unit_pool), path);
    READ(cfmt_notice_read(&n, &why, row, unit_pool), row);
    ck_assert(n.alert_type && n.policy_id && n.body && n.sent > 0);
    ck_assert_str_eq(n.mechanism, "email");
}
END_TEST

UNIT_SUITE_BEGIN(answers)
    UNIT_TEST(test_prefixes)
    UNIT_TEST(test_token)
    UNIT_TEST(test_ranges)
    UNIT_TEST(test_tunnels)
    UNIT_TEST(test_rules)
    UNIT_TEST(test_policies)
    UNIT_TEST(test_destinations)
    UNIT_TEST(test_history)
UNIT_SUITE_END
