/*
 * What `traffic` and `attack` share: detail of attack traffic.
 */
#ifndef CFMTCTL_TRAFFIC_H
#define CFMTCTL_TRAFFIC_H

#include "cfmt_geo.h"
#include "cfmt_store_traffic.h"
#include "cfmtctl.h"

#define CTL_TOPS 5 /* of a kind */

/* Which traffic is meant. */
typedef struct ctl_traffic_t {
    apr_array_header_t *prefixes; /* cfmt_cidr_t; none = all */
    apr_time_t from, to;
    int nowhere; /* an attack outside all our prefixes: there is none */
} ctl_traffic_t;

/* From a little before its start on its prefixes until its end or now. */
ctl_traffic_t ctl_attack_traffic(const ctl_world_t *w, const cfmt_attack_row_t *a);
apr_status_t ctl_attack_tops(const ctl_world_t *w, const cfmt_attack_row_t *a, cfmt_tops_t *tops);
/* For people; says so when nothing is known. */
void ctl_tops_print(const ctl_world_t *w, const cfmt_tops_t *tops);
/* Members of a JSON object, without the braces. */
const char *ctl_tops_members(const ctl_world_t *w, const cfmt_tops_t *tops);

/* The database of places in use; NULL: none, or it cannot be opened, which is said. */
cfmt_geo_t *ctl_geo(const ctl_world_t *w);
/* "AS64501 Example Net, BR, Sao Paulo"; "" when nothing is known. */
const char *ctl_network_text(apr_int64_t asn, const char *asn_name, const char *country,
                             const char *city, apr_pool_t *p);

#endif
