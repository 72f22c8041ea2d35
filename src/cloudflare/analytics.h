/*
 * Private to analytics.c, analytics_query.c and detail.c: how a piece of traffic is asked for.
 */
#ifndef CFMT_ANALYTICS_H
#define CFMT_ANALYTICS_H

#include "cfmt_cloudflare.h"

#define CFMT_TRAFFIC_DATASET "magicTransitNetworkAnalyticsAdaptiveGroups"
#define CFMT_DETAIL_DATASET "dosdNetworkAnalyticsAdaptiveGroups"

/* A subnet of analytics counts for a prefix: of those in it, or the one that covers it. */
typedef struct cfmt_traffic_part_t {
    cfmt_cidr_t subnet; /* /24 or /48 */
    int prefix;         /* index into the piece's */
} cfmt_traffic_part_t;

/*
 * What a piece comes to. The aliases of its query, in this order: the mark, the subnets unless
 * parts is empty, one for each of wide.
 */
typedef struct cfmt_traffic_plan_t {
    apr_array_header_t *parts; /* cfmt_traffic_part_t, by subnet, then prefix */
    apr_array_header_t *wide;  /* int: prefixes that are asked for as sums */
} cfmt_traffic_plan_t;

void cfmt_traffic_plan(cfmt_traffic_plan_t *plan, const cfmt_traffic_piece_t *piece,
                       apr_pool_t *p);
/* The subnet of analytics that c lies in; c itself where it is shorter. */
cfmt_cidr_t cfmt_traffic_subnet(const cfmt_cidr_t *c);
/* JSON lists for variables: subnets of parts (cfmt_traffic_part_t) as analytics write them... */
const char *cfmt_traffic_subnets(const apr_array_header_t *parts, apr_pool_t *p);
/* ... and filters by ipDestinationSubnet_like for a wide prefix. */
const char *cfmt_traffic_patterns(const cfmt_cidr_t *c, apr_pool_t *p);
/* The part of `settings` that is the dataset's; the defaults where it does not say. */
void cfmt_analytics_limits_take(cfmt_analytics_limits_t *l, const cfmt_json_t *settings);
/* Where the newest row is looked for: [*pfrom, *pto). */
void cfmt_traffic_mark_span(apr_time_t *pfrom, apr_time_t *pto, const cfmt_traffic_piece_t *piece);

#endif
