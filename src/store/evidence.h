/*
 * Inside the room: what retention does with evidence.
 */
#ifndef CFMT_EVIDENCE_PRIVATE_H
#define CFMT_EVIDENCE_PRIVATE_H

#include "cfmt_store.h"

/*
 * One step by age: spans of whole days, then journal rows that can say nothing about what is left.
 * *pn: rows looked at or deleted; 0 = there is nothing to do.
 */
apr_status_t cfmt_evidence_prune(cfmt_store_t *s, const cfmt_retention_t *conf, apr_time_t now,
                                 int *pn);
/* Journal rows of this kind count when `at` is not before this: they must not be pruned. */
apr_status_t cfmt_evidence_counts(cfmt_store_t *s, apr_time_t *psince);

#endif
