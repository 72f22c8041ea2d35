/*
 * Checked members of one row of an answer. What Cloudflare sends varies: members are missing, null,
 * or of another type than documented, numbers come as text. All of that is "not said" here; only
 * what a row cannot do without is an error.
 */
#ifndef CFMT_CLOUDFLARE_ROW_H
#define CFMT_CLOUDFLARE_ROW_H

#include "cfmt_cloudflare.h"

/* Longer text is cut, at a character. */
#define CFMT_ROW_TEXT_MAX 1000

/* Copy in p; NULL = not said: absent, null, empty, holding a NUL, neither text nor number. */
const char *cfmt_row_text(const cfmt_json_t *row, const char *key, apr_pool_t *p);
/* 1, 0, or -1 = not said. The numbers 1 and 0, as text too, count as true and false. */
int cfmt_row_bool(const cfmt_json_t *row, const char *key);
/* 0 = not said or unreadable. */
apr_time_t cfmt_row_time(const cfmt_json_t *row, const char *key);
/* Within [min, max]; 0 = not said or outside. */
apr_int64_t cfmt_row_int(const cfmt_json_t *row, const char *key, apr_int64_t min,
                         apr_int64_t max);
/* 0 or more; -1 = not said. */
double cfmt_row_number(const cfmt_json_t *row, const char *key);

/* What a row needs: CFMT_EINVALID and *pwhy (in p) names the member. */
apr_status_t cfmt_row_id(const char **pid, const char **pwhy, const cfmt_json_t *row,
                         const char *key, apr_pool_t *p);
/* Host bits are masked off. */
apr_status_t cfmt_row_cidr(cfmt_cidr_t *pc, const char **pwhy, const cfmt_json_t *row,
                           const char *key, apr_pool_t *p);
/*
 * Appends a list of networks to cidrs. family 4 or 6: only that one, and no host bits; 0: both,
 * host bits are masked off.
 */
apr_status_t cfmt_row_cidrs(apr_array_header_t *cidrs, const char **pwhy, const cfmt_json_t *row,
                            const char *key, int family, apr_pool_t *p);
/* Sorts, and leaves one of each. */
void cfmt_row_cidrs_sort(apr_array_header_t *cidrs);

#endif
