/*
 * Journal rows `evidence` as runs of judged minutes.
 */
#ifndef CFMT_PROJECT_EVIDENCE_H
#define CFMT_PROJECT_EVIDENCE_H

#include "cfmt_store.h"

/* The thresholds of one configuration, looked up once a prefix. */
typedef struct cfmt_thresholds_t cfmt_thresholds_t;
/* settings and the thresholds live in p. */
cfmt_thresholds_t *cfmt_thresholds(const apr_table_t *settings, apr_pool_t *p);

/* Where storing goes on. */
typedef struct cfmt_findings_from_t {
    apr_int64_t part; /* so many findings of the row behind the cursor are stored */
    apr_time_t floor; /* nothing from before it is stored */
} cfmt_findings_from_t;

/*
 * What the rows of a step say: runs of minutes of one prefix that are judged alike. A row alone in
 * its step may say more than one transaction can hold: then only `limit` of it are stored, and the
 * cursor stays.
 */
typedef struct cfmt_findings_t {
    apr_array_header_t *all;
    cfmt_findings_from_t from;
    int limit;
} cfmt_findings_t;
void cfmt_findings_begin(cfmt_findings_t *f, const cfmt_findings_from_t *from, int limit,
                         apr_pool_t *p);
/*
 * Takes a row, before which the step has taken `rows`. CFMT_EINVALID: not readable, nothing taken.
 * APR_EAGAIN: it does not fit into this step.
 */
apr_status_t cfmt_findings_take(cfmt_findings_t *f, const cfmt_journal_row_t *row,
                                cfmt_thresholds_t *thresholds, int rows, apr_pool_t *p);
/* More than the step may store. */
int cfmt_findings_over(const cfmt_findings_t *f);
/* A step of so many rows takes no other one. */
int cfmt_findings_full(const cfmt_findings_t *f, int rows);
/* How many it stores. */
int cfmt_findings_now(const cfmt_findings_t *f);
/* In the caller's transaction; leaves the note where to go on. */
apr_status_t cfmt_findings_write(const cfmt_findings_t *f, cfmt_store_t *s, apr_pool_t *p);

#endif
