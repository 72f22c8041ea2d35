/*
 * The body of a journal row `evidence`: times in seconds, prefixes as texts, and one flat array a
 * minute that had traffic: [prefix, minute, passed packets, passed bits, then for each system that
 * dropped anything its number, packets, bits]. There is a row for every minute: it is kept short.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store.h"

static const cfmt_json_limits_t limits = { .depth = 3 };

/* ---- encode ---------------------------------------------------------------------------------- */

/* Analytics count whole packets and bits; what is no number is nothing. */
static apr_int64_t whole(double v)
{
    apr_int64_t n = !(v > 0) ? 0 : v < CFMT_RATE_MAX ? (apr_int64_t)v : (apr_int64_t)CFMT_RATE_MAX;

    return v - (double)n >= 0.5 && v < CFMT_RATE_MAX ? n + 1 : n;
}

/* ",system,packets,bits" of each that dropped anything. */
static const char *drops(const cfmt_traffic_t *t, apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; i < CFMT_SYSTEMS; i++) {
        if (whole(t->packets[i]) || whole(t->bits[i])) {
            text = apr_psprintf(p, "%s,%d,%" APR_INT64_T_FMT ",%" APR_INT64_T_FMT, text, i,
                                whole(t->packets[i]), whole(t->bits[i]));
        }
    }
    return text;
}

/* NULL: the minute had no traffic. */
static const char *encode_row(const cfmt_evidence_row_t *row, apr_time_t from, apr_pool_t *p)
{
    const cfmt_traffic_t *t = &row->traffic;
    const char *text = drops(t, p);

    if (!*text && !whole(t->passed_packets) && !whole(t->passed_bits)) {
        return NULL;
    }
    return apr_psprintf(p, "[%d,%d,%" APR_INT64_T_FMT ",%" APR_INT64_T_FMT "%s]", row->prefix,
                        (int)((row->minute - from) / CFMT_MINUTE), whole(t->passed_packets),
                        whole(t->passed_bits), text);
}

static const char *encode_rows(const cfmt_evidence_t *e, apr_pool_t *p)
{
    apr_array_header_t *out = apr_array_make(p, e->rows->nelts + 1, sizeof(const char *));
    const char *text;
    int i;

    for (i = 0; i < e->rows->nelts; i++) {
        text = encode_row(&APR_ARRAY_IDX(e->rows, i, cfmt_evidence_row_t), e->from, p);
        if (text) {
            APR_ARRAY_PUSH(out, const char *) = text;
        }
    }
    return apr_array_pstrcat(p, out, ',');
}

static const char *encode_prefixes(const cfmt_evidence_t *e, apr_pool_t *p)
{
    apr_array_header_t *out = apr_array_make(p, e->prefixes->nelts + 1, sizeof(const char *));
    int i;

    for (i = 0; i < e->prefixes->nelts; i++) {
        const cfmt_cidr_t *c = &APR_ARRAY_IDX(e->prefixes, i, cfmt_cidr_t);

        APR_ARRAY_PUSH(out, const char *) = cfmt_json_quote(p, cfmt_cidr_format(p, c));
    }
    return apr_array_pstrcat(p, out, ',');
}

const char *cfmt_evidence_encode(const cfmt_evidence_t *e, apr_pool_t *p)
{
    return apr_psprintf(p,
                        "{\"from\":%" APR_INT64_T_FMT ",\"to\":%" APR_INT64_T_FMT
                        ",\"complete\":%" APR_INT64_T_FMT "%s,\"prefixes\":[%s],\"rows\":[%s]}",
                        apr_time_sec(e->from), apr_time_sec(e->to), apr_time_sec(e->complete),
                        e->idle ? ",\"idle\":true" : "", encode_prefixes(e, p), encode_rows(e, p));
}

/* ---- decode ---------------------------------------------------------------------------------- */

#define SECONDS_MAX APR_INT64_C(253402300800) /* the year 10000 */

static apr_status_t read_time(apr_time_t *pt, const cfmt_json_t *o, const char *key)
{
    apr_int64_t n;

    if (cfmt_json_int(&n, o, key) != APR_SUCCESS || n < 0 || n > SECONDS_MAX || n % 60) {
        return CFMT_EINVALID;
    }
    *pt = apr_time_from_sec(n);
    return APR_SUCCESS;
}

static const cfmt_json_t *array_of(const cfmt_json_t *o, const char *key)
{
    const cfmt_json_t *m = cfmt_json_get(o, key);

    return m && m->type == CFMT_JSON_ARRAY ? m : NULL;
}

static apr_status_t read_prefixes(cfmt_evidence_t *e, const cfmt_json_t *array, apr_pool_t *p)
{
    const cfmt_json_t *m;

    e->prefixes = apr_array_make(p, 8, sizeof(cfmt_cidr_t));
    for (m = array ? array->child : NULL; m; m = m->next) {
        if (m->type != CFMT_JSON_STRING
            || cfmt_cidr_parse(apr_array_push(e->prefixes), NULL, m->text) != APR_SUCCESS) {
            return CFMT_EINVALID;
        }
    }
    return array ? APR_SUCCESS : CFMT_EINVALID;
}

/* The next number of an array, at most max; *pm moves on. */
static apr_status_t next_int(apr_int64_t *pn, const cfmt_json_t **pm, apr_int64_t max)
{
    const cfmt_json_t *m = *pm;

    if (!m || m->type != CFMT_JSON_NUMBER || cfmt_int_parse(pn, m->text, 0, max) != APR_SUCCESS) {
        return CFMT_EINVALID;
    }
    *pm = m->next;
    return APR_SUCCESS;
}

static apr_status_t next_count(double *pv, const cfmt_json_t **pm)
{
    apr_int64_t n;
    apr_status_t rv = next_int(&n, pm, (apr_int64_t)CFMT_RATE_MAX);

    *pv += rv == APR_SUCCESS ? (double)n : 0;
    return rv;
}

/* The numbers of systems are for ever; one of a newer version is an unknown one. */
static apr_status_t read_traffic(cfmt_traffic_t *t, const cfmt_json_t *m)
{
    apr_int64_t system;
    apr_status_t rv = next_count(&t->passed_packets, &m);

    rv = rv == APR_SUCCESS ? next_count(&t->passed_bits, &m) : rv;
    while (rv == APR_SUCCESS && m) {
        rv = next_int(&system, &m, 1000);
        if (rv == APR_SUCCESS) {
            system = system < CFMT_SYSTEMS ? system : CFMT_SYSTEM_OTHER;
            rv = next_count(&t->packets[system], &m);
        }
        rv = rv == APR_SUCCESS ? next_count(&t->bits[system], &m) : rv;
    }
    return rv;
}

/* before: the row before it; NULL = it is the first. */
static apr_status_t read_row(cfmt_evidence_row_t *row, const cfmt_evidence_row_t *before,
                             const cfmt_evidence_t *e, const cfmt_json_t *array)
{
    const cfmt_json_t *m = array->type == CFMT_JSON_ARRAY ? array->child : NULL;
    apr_int64_t prefix, minute;

    memset(row, 0, sizeof(*row));
    if (next_int(&prefix, &m, e->prefixes->nelts - 1) != APR_SUCCESS
        || next_int(&minute, &m, (e->to - e->from) / CFMT_MINUTE - 1) != APR_SUCCESS) {
        return CFMT_EINVALID;
    }
    row->prefix = (int)prefix;
    row->minute = e->from + minute * CFMT_MINUTE;
    if (before && (before->prefix > row->prefix
                   || (before->prefix == row->prefix && before->minute >= row->minute))) {
        return CFMT_EINVALID;
    }
    return read_traffic(&row->traffic, m);
}

static apr_status_t read_rows(cfmt_evidence_t *e, const cfmt_json_t *array, apr_pool_t *p)
{
    const cfmt_evidence_row_t *before = NULL;
    cfmt_evidence_row_t row;
    apr_status_t rv = array ? APR_SUCCESS : CFMT_EINVALID;
    const cfmt_json_t *m;

    e->rows = apr_array_make(p, 32, sizeof(cfmt_evidence_row_t));
    for (m = array ? array->child : NULL; rv == APR_SUCCESS && m; m = m->next) {
        rv = read_row(&row, before, e, m);
        if (rv == APR_SUCCESS) {
            APR_ARRAY_PUSH(e->rows, cfmt_evidence_row_t) = row;
            before = &APR_ARRAY_IDX(e->rows, e->rows->nelts - 1, cfmt_evidence_row_t);
        }
    }
    return rv;
}

apr_status_t cfmt_evidence_decode(cfmt_evidence_t *e, const char *body, apr_size_t len,
                                  apr_pool_t *p)
{
    const cfmt_json_t *idle;
    const char *why;
    cfmt_json_t *doc;
    apr_status_t rv = body ? cfmt_json_parse(&doc, &why, body, len, &limits, p) : CFMT_EINVALID;

    memset(e, 0, sizeof(*e));
    if (rv != APR_SUCCESS || read_time(&e->from, doc, "from") || read_time(&e->to, doc, "to")
        || read_time(&e->complete, doc, "complete") || e->from >= e->to
        || e->to - e->from > CFMT_EVIDENCE_RANGE) {
        return CFMT_EINVALID;
    }
    idle = cfmt_json_get(doc, "idle");
    e->idle = idle && idle->type == CFMT_JSON_BOOL && idle->flag;
    rv = read_prefixes(e, array_of(doc, "prefixes"), p);
    return rv == APR_SUCCESS ? read_rows(e, array_of(doc, "rows"), p) : rv;
}
