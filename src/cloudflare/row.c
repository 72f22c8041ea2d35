/*
 * Checked members of one row of an answer.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "row.h"

/* ---- what may be missing --------------------------------------------------------------------- */

const char *cfmt_row_text(const cfmt_json_t *row, const char *key, apr_pool_t *p)
{
    const char *text = cfmt_json_text(row, key);
    apr_size_t len = text ? strlen(text) : 0;

    if (len > CFMT_ROW_TEXT_MAX) {
        len = cfmt_text_span(text, CFMT_ROW_TEXT_MAX);
    }
    return text ? apr_pstrmemdup(p, text, len) : NULL;
}

int cfmt_row_bool(const cfmt_json_t *row, const char *key)
{
    const cfmt_json_t *member = cfmt_json_get(row, key);
    apr_int64_t n;

    if (member && member->type == CFMT_JSON_BOOL) {
        return member->flag != 0;
    }
    return cfmt_int_parse(&n, cfmt_json_text(row, key), 0, 1) == APR_SUCCESS ? (int)n : -1;
}

apr_time_t cfmt_row_time(const cfmt_json_t *row, const char *key)
{
    apr_time_t t;

    return cfmt_time_parse(&t, cfmt_json_text(row, key)) == APR_SUCCESS ? t : 0;
}

apr_int64_t cfmt_row_int(const cfmt_json_t *row, const char *key, apr_int64_t min,
                         apr_int64_t max)
{
    apr_int64_t n;

    return cfmt_int_parse(&n, cfmt_json_text(row, key), min, max) == APR_SUCCESS ? n : 0;
}

/* A rate's parser is the one that reads decimals whatever the locale is. */
double cfmt_row_number(const cfmt_json_t *row, const char *key)
{
    double v;

    return cfmt_rate_parse(&v, cfmt_json_text(row, key)) == APR_SUCCESS ? v : -1;
}

/* ---- what may not ---------------------------------------------------------------------------- */

static apr_status_t refuse(const char **pwhy, const char *key, const char *what, apr_pool_t *p)
{
    *pwhy = apr_psprintf(p, "member \"%s\" %s", key, what);
    return CFMT_EINVALID;
}

apr_status_t cfmt_row_id(const char **pid, const char **pwhy, const cfmt_json_t *row,
                         const char *key, apr_pool_t *p)
{
    const char *text = cfmt_json_text(row, key);

    if (!text) {
        return refuse(pwhy, key, "is missing", p);
    }
    if (!cfmt_id_ok(text)) {
        return refuse(pwhy, key, "is not an id", p);
    }
    *pid = apr_pstrdup(p, text);
    return APR_SUCCESS;
}

apr_status_t cfmt_row_cidr(cfmt_cidr_t *pc, const char **pwhy, const cfmt_json_t *row,
                           const char *key, apr_pool_t *p)
{
    const char *text = cfmt_json_text(row, key);

    if (!text) {
        return refuse(pwhy, key, "is missing", p);
    }
    if (cfmt_cidr_parse(pc, NULL, text) != APR_SUCCESS) {
        return refuse(pwhy, key, "is not a network", p);
    }
    return APR_SUCCESS;
}

static int read_element(cfmt_cidr_t *c, const cfmt_json_t *element, int family)
{
    int host_bits;

    /* A NUL would hide what follows it. */
    return element->type == CFMT_JSON_STRING && !memchr(element->text, '\0', element->len)
           && cfmt_cidr_parse(c, &host_bits, element->text) == APR_SUCCESS
           && (!family || (c->family == family && !host_bits));
}

apr_status_t cfmt_row_cidrs(apr_array_header_t *cidrs, const char **pwhy, const cfmt_json_t *row,
                            const char *key, int family, apr_pool_t *p)
{
    const cfmt_json_t *list = cfmt_json_get(row, key), *element;

    if (!list || list->type != CFMT_JSON_ARRAY) {
        return refuse(pwhy, key, list ? "is not a list" : "is missing", p);
    }
    for (element = list->child; element; element = element->next) {
        if (!read_element(apr_array_push(cidrs), element, family)) {
            return refuse(pwhy, key, family == 4   ? "holds what is no IPv4 network"
                                     : family == 6 ? "holds what is no IPv6 network"
                                                   : "holds what is no network", p);
        }
    }
    return APR_SUCCESS;
}

static int compare_cidrs(const void *a, const void *b)
{
    return cfmt_cidr_compare(a, b);
}

void cfmt_row_cidrs_sort(apr_array_header_t *cidrs)
{
    cfmt_cidr_t *c = (cfmt_cidr_t *)cidrs->elts;
    int i, kept = 0;

    if (cidrs->nelts) {
        qsort(c, (size_t)cidrs->nelts, sizeof(*c), compare_cidrs);
    }
    for (i = 0; i < cidrs->nelts; i++) {
        if (!kept || cfmt_cidr_compare(&c[kept - 1], &c[i])) {
            c[kept++] = c[i];
        }
    }
    cidrs->nelts = kept;
}
