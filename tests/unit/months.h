/*
 * Months of a journal, lived through in a second: the engine's own projector, attacks, commands and
 * decisions over a store, a clock that goes as fast as one likes, and Cloudflare as a few variables.
 */
#ifndef CFMT_MONTHS_H
#define CFMT_MONTHS_H

#include "engine/decide.h"
#include "kit.h"

#define MONTHS_S apr_time_from_sec
#define MONTHS_MIN (60 * MONTHS_S(1))
#define MONTHS_HOUR (60 * MONTHS_MIN)
#define MONTHS_DAY (24 * MONTHS_HOUR)
#define MONTHS_PREFIXES 2

typedef struct months_t {
    cfmt_store_t *s;
    cfmt_engine_t *e;
    apr_table_t *settings;
    apr_time_t now;
    cfmt_bgp_prefix_t b[MONTHS_PREFIXES];
    int pps[MONTHS_PREFIXES];     /* of attack traffic, now */
    int attacks;                  /* so many alerts began one */
    int blind;                    /* analytics do not answer */
    apr_uint32_t seed;
} months_t;

/* A store with its configuration, and both prefixes read: withdrawn for days. */
void months_begin(months_t *m, const char *name);
/* What is set in m->settings is in force: a row of the journal. */
void months_configure(months_t *m);
/* From minute to minute, each with its reading of state and traffic, until d has passed. */
void months_go(months_t *m, apr_interval_time_t d);
/* Nothing is read until d has passed. */
void months_sleep(months_t *m, apr_interval_time_t d);
/* A round, d later. */
void months_round(months_t *m, apr_interval_time_t d);
/* START or END of an attack on an address of a prefix. */
void months_alert(months_t *m, int which, int end);
/* A START that comes now and tells of then. */
void months_late_alert(months_t *m, int which, apr_time_t then);
/* Somebody (Cloudflare's dashboard) advertises it or withdraws it. */
void months_change(months_t *m, int which, int advertised);
void months_command(months_t *m, const char *body);
/*
 * An attack of so many minutes, advertised within the first of them, and what follows until d has
 * passed.
 */
void months_episode(months_t *m, int which, int minutes, apr_interval_time_t d);

#endif
