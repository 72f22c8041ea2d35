/*
 * Inside the room: the configuration in force at a journal row, as far as projections and what they
 * announce depend on it.
 */
#ifndef CFMT_IN_FORCE_H
#define CFMT_IN_FORCE_H

#include "project_evidence.h"

typedef struct cfmt_in_force_t {
    const char *account;          /* NULL = none: every account is ours */
    apr_array_header_t *prefixes; /* cfmt_prefix_t, sorted */
    cfmt_thresholds_t *thresholds;
    apr_array_header_t *channels; /* cfmt_channel_conf_t: who is told */
    const char *mode;             /* cfmt_of_mode_in */
} cfmt_in_force_t;

/* row: of kind config or snapshot; NULL = there is none. Lives in p. */
void cfmt_in_force_read(cfmt_in_force_t *c, const cfmt_journal_row_t *row, apr_pool_t *p);
/* Of the last such row that was projected. */
apr_status_t cfmt_in_force_load(cfmt_in_force_t *c, cfmt_store_t *s, apr_pool_t *p);
int cfmt_in_force_same_prefixes(const cfmt_in_force_t *a, const cfmt_in_force_t *b);

#endif
