/*
 * Rows as JSON, from the description of their columns; and documents that are no list.
 */
#include <math.h>
#include <string.h>

#include <apr_base64.h>
#include <apr_strings.h>

#include "cfmtctl.h"

#define BODY_DEPTH 64

const char *ctl_json_text(apr_pool_t *p, const char *s, apr_size_t len)
{
    apr_array_header_t *parts;
    const char *end, *zero;

    if (!s) {
        return "null";
    }
    parts = apr_array_make(p, 4, sizeof(const char *));
    APR_ARRAY_PUSH(parts, const char *) = "\"";
    for (end = s + len; s <= end; s = zero + 1) { /* a literal for each stretch without a NUL */
        const char *quoted;
        zero = memchr(s, '\0', (size_t)(end - s));
        zero = zero ? zero : end;
        quoted = cfmt_json_quote(p, apr_pstrmemdup(p, s, (apr_size_t)(zero - s)));
        APR_ARRAY_PUSH(parts, const char *) = apr_pstrmemdup(p, quoted + 1, strlen(quoted) - 2);
        APR_ARRAY_PUSH(parts, const char *) = zero < end ? "\\u0000" : "\"";
    }
    return apr_array_pstrcat(p, parts, '\0');
}

const char *ctl_json_string(apr_pool_t *p, const char *s)
{
    return s ? ctl_json_text(p, s, strlen(s)) : "null";
}

/*
 * Written anew, so that it is one line whatever its sender's layout. Depth is bounded by the
 * parser.
 */
static void json_value(apr_array_header_t *parts, const cfmt_json_t *v, apr_pool_t *p)
{
    const cfmt_json_t *item;
    int object = v->type == CFMT_JSON_OBJECT;

    switch (v->type) {
    case CFMT_JSON_NULL:
        APR_ARRAY_PUSH(parts, const char *) = "null";
        return;
    case CFMT_JSON_BOOL:
        APR_ARRAY_PUSH(parts, const char *) = v->flag ? "true" : "false";
        return;
    case CFMT_JSON_NUMBER:
        APR_ARRAY_PUSH(parts, const char *) = v->text;
        return;
    case CFMT_JSON_STRING:
        APR_ARRAY_PUSH(parts, const char *) = ctl_json_text(p, v->text, v->len);
        return;
    default:
        break;
    }
    APR_ARRAY_PUSH(parts, const char *) = object ? "{" : "[";
    for (item = v->child; item; item = item->next) {
        if (object) {
            APR_ARRAY_PUSH(parts, const char *) = ctl_json_text(p, item->key, item->key_len);
            APR_ARRAY_PUSH(parts, const char *) = ":";
        }
        json_value(parts, item, p);
        if (item->next) {
            APR_ARRAY_PUSH(parts, const char *) = ",";
        }
    }
    APR_ARRAY_PUSH(parts, const char *) = object ? "}" : "]";
}

const char *ctl_json_value(apr_pool_t *p, const cfmt_json_t *v)
{
    apr_array_header_t *parts = apr_array_make(p, 64, sizeof(const char *));

    json_value(parts, v, p);
    return apr_array_pstrcat(p, parts, '\0');
}

static const char *json_base64(const ctl_bytes_t *b, apr_pool_t *p)
{
    char *out = apr_palloc(p, (apr_size_t)apr_base64_encode_len((int)b->len) + 1);

    apr_base64_encode_binary(out, (const unsigned char *)b->data, (int)b->len);
    return apr_pstrcat(p, ",\"body_base64\":\"", out, "\"", NULL);
}

/* A body that is not JSON is a string; one that no string can hold comes as base64, too. */
static const char *json_body(const ctl_bytes_t *b, apr_pool_t *p)
{
    static const cfmt_json_limits_t limits = { .depth = BODY_DEPTH };
    const char *why;
    cfmt_json_t *doc;

    if (!b->data) {
        return "null";
    }
    if (cfmt_json_parse(&doc, &why, b->data, b->len, &limits, p) == APR_SUCCESS) {
        return ctl_json_value(p, doc);
    }
    return apr_pstrcat(p, ctl_json_text(p, b->data, b->len),
                       cfmt_text_is_utf8(b->data, b->len) ? NULL : json_base64(b, p), NULL);
}

static const char *json_list(const apr_array_header_t *list, apr_pool_t *p)
{
    apr_array_header_t *quoted = apr_array_make(p, list->nelts + 1, sizeof(const char *));
    int i;

    for (i = 0; i < list->nelts; i++) {
        APR_ARRAY_PUSH(quoted, const char *) =
            ctl_json_string(p, APR_ARRAY_IDX(list, i, const char *));
    }
    return apr_pstrcat(p, "[", apr_array_pstrcat(p, quoted, ','), "]", NULL);
}

static const char *json_flag(int v)
{
    return v < 0 ? "null" : v ? "true" : "false";
}

static const char *json_time(apr_time_t t, apr_pool_t *p)
{
    return t ? ctl_json_string(p, cfmt_time_format(p, t)) : "null";
}

/*
 * Whole numbers as such, huge ones with an exponent: APR writes zeros from 80 digits on, so it is
 * the C library that writes them; LC_NUMERIC is never set, so the point is a point.
 */
static const char *json_rate(double v, apr_pool_t *p)
{
    char text[64];

    if (!isfinite(v) || v < 0) {
        return "null";
    }
    if (v > 1e15) {
        snprintf(text, sizeof(text), "%.17g", v);
    }
    else {
        snprintf(text, sizeof(text), v == (double)(apr_int64_t)v ? "%.0f" : "%.3f", v);
    }
    return apr_pstrdup(p, text);
}

int ctl_in_data(const ctl_column_t *c)
{
    return c->in_table != TABLE_ONLY && c->in_table != NARROW;
}

const char *ctl_json_cell(const ctl_column_t *c, const void *row, apr_pool_t *p)
{
    apr_int64_t n;
    double rate;

    switch (c->kind) {
    case COL_INT:
        return apr_psprintf(p, "%" APR_INT64_T_FMT, CTL_FIELD(row, c, apr_int64_t));
    case COL_REF:
        n = CTL_FIELD(row, c, apr_int64_t);
        return n ? apr_psprintf(p, "%" APR_INT64_T_FMT, n) : "null";
    case COL_BOOL:
        return CTL_FIELD(row, c, apr_int64_t) ? "true" : "false";
    case COL_TIME:
        return json_time(CTL_FIELD(row, c, apr_time_t), p);
    case COL_TEXT:
    case COL_SENTENCE:
        return ctl_json_string(p, CTL_FIELD(row, c, char *));
    case COL_LIST:
        return json_list(CTL_FIELD(row, c, apr_array_header_t *), p);
    case COL_FLAG:
        return json_flag(CTL_FIELD(row, c, int));
    case COL_RATE:
        return json_rate(CTL_FIELD(row, c, double), p);
    case COL_RATIO:
        rate = CTL_FIELD(row, c, double);
        return rate < 0 ? "null" : apr_psprintf(p, "%.4f", rate);
    case COL_RAW:
        return CTL_FIELD(row, c, char *) ? CTL_FIELD(row, c, char *) : "null";
    case COL_DURATION:
        n = CTL_FIELD(row, c, apr_interval_time_t);
        return n < 0 ? "null" : ctl_json_string(p, ctl_duration(p, n));
    case COL_SECONDS:
        n = CTL_FIELD(row, c, apr_interval_time_t);
        return n < 0 ? "null" : apr_psprintf(p, "%" APR_INT64_T_FMT, apr_time_sec(n));
    case COL_BODY:
        return json_body(&CTL_FIELD(row, c, ctl_bytes_t), p);
    }
    return "null";
}

const char *ctl_json_members(const ctl_list_t *list, const void *row, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, 128, sizeof(const char *));
    const ctl_column_t *c;

    for (c = list->columns; c->name; c++) {
        if (ctl_in_data(c)) {
            APR_ARRAY_PUSH(parts, const char *) = parts->nelts ? ",\"" : "\"";
            APR_ARRAY_PUSH(parts, const char *) = c->name;
            APR_ARRAY_PUSH(parts, const char *) = "\":";
            APR_ARRAY_PUSH(parts, const char *) = ctl_json_cell(c, row, p);
        }
    }
    return apr_array_pstrcat(p, parts, '\0');
}

const char *ctl_json_row(const ctl_list_t *list, const void *row, apr_pool_t *p)
{
    return apr_pstrcat(p, "{", ctl_json_members(list, row, p), "}", NULL);
}

const char *ctl_json_rows(const ctl_list_t *list, const apr_array_header_t *rows, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, rows->nelts + 1, sizeof(const char *));
    int i;

    for (i = 0; i < rows->nelts; i++) {
        APR_ARRAY_PUSH(parts, const char *) =
            ctl_json_row(list, rows->elts + (size_t)i * list->row_size, p);
    }
    return apr_pstrcat(p, "[", apr_array_pstrcat(p, parts, ','), "]", NULL);
}

/* No literal has a line end in it, so those that are left out are between them. */
void ctl_json_document(const ctl_t *ctl, const char *members)
{
    const char *at = members;
    size_t n;

    fputs("{\"version\":1,", stdout);
    for (n = strcspn(at, "\n"); at[n]; at += n + 1, n = strcspn(at, "\n")) {
        printf("%.*s%s", (int)n, at, ctl->format == CTL_JSON ? "\n" : "");
    }
    printf("%s}\n", at);
}
