/*
 * Folded states as JSON, and the snapshot row that a pruned journal begins with: what a rebuild
 * needs from the rows that are gone (configuration, base states and keys, repeats, the world).
 */
#include <math.h>
#include <string.h>

#include <apr_strings.h>

#include "projection.h"
#include "store_private.h"
#include "world.h"

#define SNAPSHOT_VERSION 1

static const cfmt_json_limits_t limits = { .depth = 8 };

/* ---- texts ----------------------------------------------------------------------------------- */

/* The pieces of a text, joined once at the end. */
static apr_array_header_t *pieces(apr_pool_t *p)
{
    return apr_array_make(p, 32, sizeof(const char *));
}

static void add(apr_array_header_t *out, const char *text)
{
    APR_ARRAY_PUSH(out, const char *) = text;
}

static const char *join(apr_array_header_t *out, apr_pool_t *p)
{
    return apr_array_pstrcat(p, out, 0);
}

const char *cfmt_texts_format(const apr_array_header_t *set, apr_pool_t *p)
{
    apr_array_header_t *out;
    int i;

    if (!set->nelts) {
        return "[]";
    }
    out = pieces(p);
    for (i = 0; i < set->nelts; i++) {
        add(out, i ? "," : "[");
        add(out, cfmt_json_quote(p, APR_ARRAY_IDX(set, i, const char *)));
    }
    add(out, "]");
    return join(out, p);
}

apr_array_header_t *cfmt_texts_read(const cfmt_json_t *array, apr_pool_t *p)
{
    apr_array_header_t *set = apr_array_make(p, 2, sizeof(const char *));
    const cfmt_json_t *m;

    for (m = array && array->type == CFMT_JSON_ARRAY ? array->child : NULL; m; m = m->next) {
        if (m->type == CFMT_JSON_STRING) {
            add(set, m->text);
        }
    }
    return set;
}

apr_array_header_t *cfmt_texts_parse(const char *json, apr_pool_t *p)
{
    cfmt_json_t *doc = NULL;
    const char *why;

    if (json && strcmp(json, "[]")
        && cfmt_json_parse(&doc, &why, json, strlen(json), &limits, p) != APR_SUCCESS) {
        doc = NULL;
    }
    return cfmt_texts_read(doc, p);
}

const char *cfmt_scope_name(cfmt_effect_e scope)
{
    return scope == CFMT_EFFECT_HOST ? "host" : "network";
}

cfmt_effect_e cfmt_scope_by_name(const char *name)
{
    return name && !strcmp(name, "host") ? CFMT_EFFECT_HOST : CFMT_EFFECT_NETWORK;
}

static const char *quote(const char *text, apr_pool_t *p)
{
    return text ? cfmt_json_quote(p, text) : "null";
}

/* A rate by the bits of the double: the very same value, in whatever locale a library has set. */
static apr_int64_t rate_bits(double v)
{
    apr_int64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

static apr_status_t read_rate(double *pv, const cfmt_json_t *o, const char *key)
{
    apr_int64_t bits;
    apr_status_t rv = cfmt_json_int(&bits, o, key);

    if (rv == APR_SUCCESS) {
        memcpy(pv, &bits, sizeof(bits));
    }
    return rv == APR_SUCCESS && isfinite(*pv) ? APR_SUCCESS : CFMT_EINVALID;
}

/* More than a store can hold, and few enough that joined attacks do not overflow. */
#define COUNT_MAX 1000000000

static apr_status_t read_events(apr_int64_t *pn, const cfmt_json_t *o)
{
    apr_status_t rv = cfmt_json_int(pn, o, "events");

    return rv == APR_SUCCESS && *pn >= 0 && *pn <= COUNT_MAX ? APR_SUCCESS : CFMT_EINVALID;
}

/* A flag or a count. */
static apr_status_t read_small(int *pv, const cfmt_json_t *o, const char *key)
{
    apr_int64_t n;

    if (cfmt_json_int(&n, o, key) != APR_SUCCESS || n < 0 || n > COUNT_MAX) {
        return CFMT_EINVALID;
    }
    *pv = (int)n;
    return APR_SUCCESS;
}

/* The same of what a version before this one did not write: 0 then. */
static apr_status_t read_newer(int *pv, const cfmt_json_t *o, const char *key)
{
    *pv = 0;
    return cfmt_json_get(o, key) ? read_small(pv, o, key) : APR_SUCCESS;
}

/* ---- attack ---------------------------------------------------------------------------------- */

const char *cfmt_attack_encode(const cfmt_attack_t *a, apr_pool_t *p)
{
    const char *head = apr_psprintf(
        p,
        "{\"account\":%s,\"ours\":%d,\"scope\":\"%s\",\"open\":%d,\"ended_by\":%s,\"episodes\":%d,"
        "\"started_at\":%" APR_INT64_T_FMT ",\"episode_at\":%" APR_INT64_T_FMT
        ",\"ended_at\":%" APR_INT64_T_FMT ",\"last_at\":%" APR_INT64_T_FMT
        ",\"events\":%" APR_INT64_T_FMT,
        quote(a->account, p), a->ours, cfmt_scope_name(a->scope), a->open, quote(a->ended_by, p),
        a->episodes, a->started_at, a->episode_at, a->ended_at, a->last_at, a->events);

    return apr_psprintf(p,
                        "%s,\"targets\":%s,\"targets_cut\":%d,\"target_missing\":%d,"
                        "\"rule_only\":%d,\"vectors\":%s,\"protocols\":%s,\"rules\":%s,"
                        "\"alert_types\":%s,\"pps_bits\":%" APR_INT64_T_FMT
                        ",\"bps_bits\":%" APR_INT64_T_FMT ",\"rps_bits\":%" APR_INT64_T_FMT
                        ",\"pps_at\":%" APR_INT64_T_FMT ",\"bps_at\":%" APR_INT64_T_FMT
                        ",\"pps_by\":%s,\"bps_by\":%s}",
                        head, cfmt_texts_format(a->targets, p), a->targets_cut, a->target_missing,
                        a->rule_only, cfmt_texts_format(a->vectors, p),
                        cfmt_texts_format(a->protocols, p), cfmt_texts_format(a->rules, p),
                        cfmt_texts_format(a->alert_types, p),
                        rate_bits(a->peak_pps), rate_bits(a->peak_bps), rate_bits(a->peak_rps),
                        a->peak_pps_at, a->peak_bps_at, quote(a->peak_pps_by, p),
                        quote(a->peak_bps_by, p));
}

/* A version before 4 did not write when a peak was. */
static apr_status_t read_peak_times(cfmt_attack_t *a, const cfmt_json_t *o)
{
    a->peak_pps_by = cfmt_json_text(o, "pps_by");
    a->peak_bps_by = cfmt_json_text(o, "bps_by");
    if (!cfmt_json_get(o, "pps_at")) {
        return APR_SUCCESS;
    }
    return cfmt_json_int(&a->peak_pps_at, o, "pps_at")
                   || cfmt_json_int(&a->peak_bps_at, o, "bps_at")
               ? CFMT_EINVALID : APR_SUCCESS;
}

static void read_attack_sets(cfmt_attack_t *a, const cfmt_json_t *o, apr_pool_t *p)
{
    a->targets = cfmt_texts_read(cfmt_json_get(o, "targets"), p);
    a->vectors = cfmt_texts_read(cfmt_json_get(o, "vectors"), p);
    a->protocols = cfmt_texts_read(cfmt_json_get(o, "protocols"), p);
    a->rules = cfmt_texts_read(cfmt_json_get(o, "rules"), p);
    a->alert_types = cfmt_texts_read(cfmt_json_get(o, "alert_types"), p);
}

static apr_status_t read_attack(cfmt_attack_t *a, const char *id, const cfmt_json_t *o,
                                apr_pool_t *p)
{
    cfmt_attack_init(a, id, p);
    a->account = cfmt_json_text(o, "account");
    a->scope = cfmt_scope_by_name(cfmt_json_text(o, "scope"));
    a->ended_by = cfmt_json_text(o, "ended_by");
    read_attack_sets(a, o, p);
    if (read_small(&a->ours, o, "ours") || read_small(&a->open, o, "open")
        || read_small(&a->episodes, o, "episodes") || read_small(&a->targets_cut, o, "targets_cut")
        || read_small(&a->target_missing, o, "target_missing")
        || read_newer(&a->rule_only, o, "rule_only")
        || cfmt_json_int(&a->started_at, o, "started_at")
        || cfmt_json_int(&a->episode_at, o, "episode_at")
        || cfmt_json_int(&a->ended_at, o, "ended_at") || cfmt_json_int(&a->last_at, o, "last_at")
        || read_events(&a->events, o) || read_rate(&a->peak_pps, o, "pps_bits")
        || read_rate(&a->peak_bps, o, "bps_bits") || read_rate(&a->peak_rps, o, "rps_bits")
        || read_peak_times(a, o)) {
        return CFMT_EINVALID;
    }
    return APR_SUCCESS;
}

apr_status_t cfmt_attack_decode(cfmt_attack_t *a, const char *id, const char *json, apr_pool_t *p)
{
    cfmt_json_t *doc;
    const char *why;

    if (cfmt_json_parse(&doc, &why, json, strlen(json), &limits, p) != APR_SUCCESS) {
        return CFMT_EINVALID;
    }
    return read_attack(a, id, doc, p);
}

/* ---- entity ---------------------------------------------------------------------------------- */

const char *cfmt_entity_encode(const cfmt_entity_t *t, apr_pool_t *p)
{
    return apr_psprintf(p,
                        "{\"name\":%s,\"state\":%s,\"previous\":%s,\"since\":%" APR_INT64_T_FMT
                        ",\"last_at\":%" APR_INT64_T_FMT ",\"events\":%" APR_INT64_T_FMT
                        ",\"changes\":%" APR_INT64_T_FMT ",\"priority\":\"%s\"}",
                        quote(t->name, p), quote(t->state, p), quote(t->previous, p), t->since,
                        t->last_at, t->events, t->changes, cfmt_priority_name(t->priority));
}

static apr_status_t read_entity(cfmt_entity_t *t, const char *kind, const char *id,
                                const cfmt_json_t *o)
{
    cfmt_entity_init(t, kind, id);
    t->name = cfmt_json_text(o, "name");
    t->state = cfmt_json_text(o, "state");
    t->previous = cfmt_json_text(o, "previous");
    t->priority = cfmt_priority_by_name(cfmt_json_text(o, "priority"));
    if (cfmt_json_int(&t->since, o, "since") || cfmt_json_int(&t->last_at, o, "last_at")
        || cfmt_json_int(&t->events, o, "events") || cfmt_json_int(&t->changes, o, "changes")) {
        return CFMT_EINVALID;
    }
    return APR_SUCCESS;
}

apr_status_t cfmt_entity_decode(cfmt_entity_t *t, const char *kind, const char *id,
                                const char *json, apr_pool_t *p)
{
    cfmt_json_t *doc;
    const char *why;

    if (cfmt_json_parse(&doc, &why, json, strlen(json), &limits, p) != APR_SUCCESS) {
        return CFMT_EINVALID;
    }
    return read_entity(t, kind, id, doc);
}

/* ---- make ------------------------------------------------------------------------------------ */

static apr_status_t add_keys(cfmt_store_t *s, apr_array_header_t *out, const char *attack,
                             apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s,
                                "SELECT kind, value, account, id FROM attack_key"
                                " WHERE attack = (SELECT number FROM attack WHERE id = ?1)"
                                " ORDER BY kind, value, account");
    const char *comma = "";
    apr_status_t rv;

    cfmt_bind_text(st, 1, attack);
    while (cfmt_sql_row(s, st, &rv)) {
        add(out,
            apr_psprintf(p, "%s{\"kind\":%d,\"value\":%s,\"account\":%s,\"id\":%s}", comma,
                         sqlite3_column_int(st, 0), quote(cfmt_col_text(st, 1, p), p),
                         quote(cfmt_col_text(st, 2, p), p), quote(cfmt_col_text(st, 3, p), p)));
        comma = ",";
    }
    return rv;
}

static apr_status_t add_attacks(cfmt_store_t *s, apr_array_header_t *out, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT id, prefixes, kept, rule_unknown, base FROM attack WHERE base IS NOT NULL"
           " ORDER BY id");
    const char *comma = "", *id;
    apr_status_t rv, keys = APR_SUCCESS;

    while (keys == APR_SUCCESS && cfmt_sql_row(s, st, &rv)) {
        id = cfmt_col_text(st, 0, p);
        add(out, apr_psprintf(p,
                              "%s{\"id\":%s,\"prefixes\":%s,\"kept\":%s,\"rule_unknown\":%d,"
                              "\"base\":%s,\"keys\":[",
                              comma, quote(id, p), cfmt_col_text(st, 1, p),
                              cfmt_col_text(st, 2, p), sqlite3_column_int(st, 3),
                              cfmt_col_text(st, 4, p)));
        keys = add_keys(s, out, id, p);
        add(out, "]}");
        comma = ",";
    }
    cfmt_sql_done(st);
    return keys != APR_SUCCESS ? keys : rv;
}

static apr_status_t add_entities(cfmt_store_t *s, apr_array_header_t *out, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT kind, id, base FROM entity WHERE base IS NOT NULL ORDER BY kind, id");
    const char *comma = "";
    apr_status_t rv;

    while (cfmt_sql_row(s, st, &rv)) {
        add(out, apr_psprintf(p, "%s{\"kind\":%s,\"id\":%s,\"base\":%s}", comma,
                              quote(cfmt_col_text(st, 0, p), p), quote(cfmt_col_text(st, 1, p), p),
                              cfmt_col_text(st, 2, p)));
        comma = ",";
    }
    return rv;
}

/* Rows that stay and repeat an event that goes: without this a rebuild would take them for new. */
static apr_status_t add_repeats(cfmt_store_t *s, apr_array_header_t *out, apr_int64_t upto,
                                apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT id, first FROM event_repeat WHERE first <= ?1 AND id > ?1 ORDER BY id");
    const char *comma = "";
    apr_status_t rv;

    cfmt_bind_int(st, 1, upto);
    while (cfmt_sql_row(s, st, &rv)) {
        add(out, apr_psprintf(p, "%s{\"id\":%" APR_INT64_T_FMT ",\"first\":%" APR_INT64_T_FMT "}",
                              comma, cfmt_col_int(st, 0), cfmt_col_int(st, 1)));
        comma = ",";
    }
    return rv;
}

apr_status_t cfmt_snapshot_make(cfmt_store_t *s, const char **pbody, const apr_table_t *config,
                                apr_int64_t upto, apr_pool_t *p)
{
    apr_array_header_t *out = pieces(p);
    apr_int64_t last, cursor = 0;
    apr_status_t rv = cfmt_meta_int(s, CFMT_META_LAST_DELIVERY, 0, &last);

    rv = rv == APR_SUCCESS ? cfmt_meta_int(s, CFMT_META_CURSOR, 0, &cursor) : rv;
    add(out,
        apr_psprintf(p, "{\"version\":%d,\"last_delivery_at\":%" APR_INT64_T_FMT
                        ",\"cursor\":%" APR_INT64_T_FMT ",\"config\":",
                     SNAPSHOT_VERSION, last, cursor));
    add(out, cfmt_settings_encode(config, p));
    add(out, ",\"attacks\":[");
    rv = rv == APR_SUCCESS ? add_attacks(s, out, p) : rv;
    add(out, "],\"entities\":[");
    rv = rv == APR_SUCCESS ? add_entities(s, out, p) : rv;
    add(out, "],\"repeats\":[");
    rv = rv == APR_SUCCESS ? add_repeats(s, out, upto, p) : rv;
    add(out, "]");
    rv = rv == APR_SUCCESS ? cfmt_world_snapshot(s, out, p) : rv;
    add(out, "}");
    *pbody = join(out, p);
    return rv;
}

/* ---- restore --------------------------------------------------------------------------------- */

static const cfmt_json_t *first_of(const cfmt_json_t *doc, const char *key)
{
    const cfmt_json_t *array = cfmt_json_get(doc, key);

    return array && array->type == CFMT_JSON_ARRAY ? array->child : NULL;
}

static const char *text_or_empty(const cfmt_json_t *o, const char *key)
{
    const char *text = cfmt_json_text(o, key);

    return text ? text : "";
}

static apr_status_t restore_keys(cfmt_store_t *s, const cfmt_json_t *o, const char *attack)
{
    const cfmt_json_t *m;
    cfmt_attack_key_t k;
    apr_int64_t kind;
    apr_status_t rv = APR_SUCCESS;

    for (m = first_of(o, "keys"); m && rv == APR_SUCCESS; m = m->next) {
        rv = cfmt_json_int(&kind, m, "kind");
        k.kind = (cfmt_key_e)kind;
        k.value = text_or_empty(m, "value");
        k.account = text_or_empty(m, "account");
        k.id = text_or_empty(m, "id");
        rv = rv == APR_SUCCESS ? cfmt_key_insert(s, &k, attack) : rv;
    }
    return rv;
}

static apr_status_t restore_attack(cfmt_store_t *s, const cfmt_json_t *o, apr_pool_t *p)
{
    cfmt_attack_stored_t row;
    const char *id = cfmt_json_text(o, "id");
    apr_status_t rv = id ? read_attack(&row.a, id, cfmt_json_get(o, "base"), p) : CFMT_EINVALID;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    row.prefixes = cfmt_texts_read(cfmt_json_get(o, "prefixes"), p);
    row.kept = cfmt_texts_read(cfmt_json_get(o, "kept"), p);
    row.base = cfmt_attack_encode(&row.a, p);
    rv = read_newer(&row.rule_unknown, o, "rule_unknown");
    rv = rv == APR_SUCCESS ? cfmt_attack_save(s, &row, p) : rv;
    return rv == APR_SUCCESS ? restore_keys(s, o, id) : rv;
}

static apr_status_t restore_entity(cfmt_store_t *s, const cfmt_json_t *o, apr_pool_t *p)
{
    cfmt_entity_stored_t row;
    const char *kind = cfmt_json_text(o, "kind"), *id = cfmt_json_text(o, "id");
    apr_status_t rv = kind && id ? read_entity(&row.t, kind, id, cfmt_json_get(o, "base"))
                                 : CFMT_EINVALID;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    row.base = cfmt_entity_encode(&row.t, p);
    return cfmt_entity_save(s, &row);
}

static apr_status_t restore_repeat(cfmt_store_t *s, const cfmt_json_t *o)
{
    apr_int64_t id, first;

    if (cfmt_json_int(&id, o, "id") != APR_SUCCESS
        || cfmt_json_int(&first, o, "first") != APR_SUCCESS) {
        return CFMT_EINVALID;
    }
    return cfmt_event_repeat(s, id, first);
}

static apr_status_t parse_snapshot(cfmt_json_t **pdoc, const char *body, apr_size_t len,
                                   apr_pool_t *p)
{
    apr_int64_t version;
    const char *why;

    if (!body || cfmt_json_parse(pdoc, &why, body, len, &limits, p) != APR_SUCCESS
        || cfmt_json_int(&version, *pdoc, "version") != APR_SUCCESS
        || version != SNAPSHOT_VERSION) {
        return CFMT_EINVALID;
    }
    return APR_SUCCESS;
}

apr_status_t cfmt_snapshot_restore(cfmt_store_t *s, const char *body, apr_size_t len, apr_pool_t *p)
{
    const cfmt_json_t *m;
    cfmt_json_t *doc;
    apr_int64_t last, cursor;
    apr_status_t rv = parse_snapshot(&doc, body, len, p);

    if (rv != APR_SUCCESS || (rv = cfmt_json_int(&last, doc, "last_delivery_at")) != APR_SUCCESS) {
        return rv;
    }
    if (cfmt_json_int(&cursor, doc, "cursor") != APR_SUCCESS) {
        cursor = 0; /* of a version that knew nothing of the world */
    }
    rv = cfmt_meta_set_int(s, CFMT_META_LAST_DELIVERY, last);
    rv = rv == APR_SUCCESS ? cfmt_meta_set_int(s, CFMT_META_MAPPED, cursor) : rv;
    for (m = first_of(doc, "attacks"); m && rv == APR_SUCCESS; m = m->next) {
        rv = restore_attack(s, m, p);
    }
    for (m = first_of(doc, "entities"); m && rv == APR_SUCCESS; m = m->next) {
        rv = restore_entity(s, m, p);
    }
    for (m = first_of(doc, "repeats"); m && rv == APR_SUCCESS; m = m->next) {
        rv = restore_repeat(s, m);
    }
    return rv == APR_SUCCESS ? cfmt_world_restore(s, doc, p) : rv;
}

apr_table_t *cfmt_snapshot_config(const char *body, apr_size_t len, apr_pool_t *p)
{
    apr_table_t *t = apr_table_make(p, 16);
    const cfmt_json_t *m;
    cfmt_json_t *doc;

    if (parse_snapshot(&doc, body, len, p) == APR_SUCCESS && (m = cfmt_json_get(doc, "config"))) {
        for (m = m->type == CFMT_JSON_OBJECT ? m->child : NULL; m; m = m->next) {
            if (m->type == CFMT_JSON_STRING) {
                apr_table_set(t, m->key, m->text);
            }
        }
    }
    return t;
}
