/*
 * Inside the room: what reading rows and reading tops of attack traffic share.
 */
#ifndef CFMT_TRAFFIC_PRIVATE_H
#define CFMT_TRAFFIC_PRIVATE_H

#include "cfmt_store_traffic.h"

/* Whether c is one of prefixes (cfmt_cidr_t) or inside one; none given: always. */
int cfmt_traffic_wanted(const apr_array_header_t *prefixes, const cfmt_cidr_t *c);
/* The newest minute in [since, before) of which anything is known; 0 = none. */
apr_status_t cfmt_traffic_newest(cfmt_store_t *s, apr_time_t since, apr_time_t before,
                                 apr_time_t *pat);

#endif
