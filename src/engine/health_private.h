/*
 * Inside the room: a judgement of health in the making.
 */
#ifndef CFMT_HEALTH_PRIVATE_H
#define CFMT_HEALTH_PRIVATE_H

#include "cfmt_engine.h"

typedef struct cfmt_judge_t {
    const cfmt_health_facts_t *f;
    cfmt_health_e worst;
    apr_array_header_t *reasons; /* cfmt_health_reason_t */
    apr_pool_t *p;
} cfmt_judge_t;

/* health.c: one more reason; id is static. */
void cfmt_judge_add(cfmt_judge_t *j, cfmt_health_e level, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A duration for people, in whole seconds. */
const char *cfmt_judge_span(cfmt_judge_t *j, apr_interval_time_t d);
/* When a time of the world's clock was in real time, in which all limits are. */
apr_time_t cfmt_judge_real(const cfmt_judge_t *j, apr_time_t at);
/* health_api.c: what the leader learns from Cloudflare. */
void cfmt_judge_world(cfmt_judge_t *j);
/* health_outbox.c: what people are not told. */
void cfmt_judge_outbox(cfmt_judge_t *j);
/* health_json.c: a time that needs no age, often one to come; null at 0. */
const char *cfmt_health_moment(apr_time_t t, apr_pool_t *p);
/* When the upstream may be asked again; 0 = now. */
apr_time_t cfmt_health_retry_at(const cfmt_health_upstream_t *u, apr_time_t now);
/* When what is known of prefixes was read; 0 = never. */
apr_time_t cfmt_health_prefixes_read_at(const cfmt_health_world_t *w);

#endif
