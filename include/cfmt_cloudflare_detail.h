/*
 * Room cloudflare, its second part: detail of attack traffic, from dosdNetworkAnalyticsAdaptive-
 * Groups. Pure: what is asked and what a row of the answer means.
 */
#ifndef CFMT_CLOUDFLARE_DETAIL_H
#define CFMT_CLOUDFLARE_DETAIL_H

#include "cfmt_cloudflare.h"

/* What the plan allows of this dataset: a row of the same query as the other one's. */
void cfmt_detail_limits_read(cfmt_analytics_limits_t *l, const cfmt_json_t *row);

/*
 * The query's body: packets that DDoS protection took for an attack (in log mode they pass all the
 * same) on the subnets of the piece's prefixes, the most packets first. There is one list of rows.
 * Pieces are halved like those of traffic: cfmt_traffic_halve.
 */
const char *cfmt_detail_query(const char *account, const cfmt_traffic_piece_t *piece, int limit,
                              apr_pool_t *p);
#define CFMT_DETAIL_ROWS "data.viewer.accounts.0.detail"

/* CFMT_EINVALID and *pwhy: without time, target or figures it is no use. Texts are copied to p. */
apr_status_t cfmt_detail_read(cfmt_detail_t *d, const char **pwhy, const cfmt_json_t *row,
                              apr_pool_t *p);

#endif
