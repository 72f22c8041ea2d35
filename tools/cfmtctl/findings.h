/*
 * What 'db check' finds, for doctor, which shows the same lines.
 */
#ifndef CFMTCTL_FINDINGS_H
#define CFMTCTL_FINDINGS_H

#include "cfmtctl.h"

typedef struct ctl_finding_t {
    const char *status; /* "ok" "skip" "warn" "fail" */
    const char *check, *detail;
} ctl_finding_t;

/*
 * Array of ctl_finding_t in ctl->pool, about a database that was opened or could not be; limit:
 * checks of the content are given up after it, 0 = never. Returns a ctl_exit_e: CTL_DENIED and
 * CTL_UNAVAILABLE are said, and *prows is empty.
 */
int ctl_db_findings(ctl_t *ctl, apr_interval_time_t limit, apr_array_header_t **prows);

#endif
