/*
 * Shared by projection.c, snapshot.c and retention.c: the texts in which the projections keep
 * enumerations and sets.
 */
#ifndef CFMT_PROJECTION_H
#define CFMT_PROJECTION_H

#include "cfmt_store.h"

/*
 * A set of texts as a JSON array of strings and back; NULL or anything else reads as an empty set.
 */
const char *cfmt_texts_format(const apr_array_header_t *set, apr_pool_t *p);
apr_array_header_t *cfmt_texts_parse(const char *json, apr_pool_t *p);
apr_array_header_t *cfmt_texts_read(const cfmt_json_t *array, apr_pool_t *p);

const char *cfmt_scope_name(cfmt_effect_e scope);
cfmt_effect_e cfmt_scope_by_name(const char *name);
cfmt_priority_e cfmt_priority_by_name(const char *name);

#endif
