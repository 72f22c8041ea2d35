/*
 * Cases of what traffic says of attacks, written as text, and what is said as text.
 */
#ifndef CFMT_TRAFFIC_CASE_H
#define CFMT_TRAFFIC_CASE_H

#include "cfmt_policy.h"

/* Rows of tables leave out what is 0. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define MIN CFMT_MINUTE
#define ZERO (100000 * MIN) /* minute 0 */
#define AT(minute) (ZERO + (apr_time_t)((minute) * 60) * APR_USEC_PER_SEC)
#define MOST 4

/* minutes; end 0 = open; hits: letters of prefixes, "*" before them = it may be any, "" = none of ours. */
typedef struct struck_t {
    const char *id, *hits;
    int alerted;
    double start, last, end, pps;
} struck_t;

/*
 * minutes: one letter each from minute 0 on: '.' calm, 'b' between, '?' unknown, a digit so many
 * thousand packets a second. state: 0 advertised, 1 withdrawn, 2 not known; since a minute.
 */
typedef struct watched_t {
    char name;
    const char *minutes;
    int state, since, sustain, calm;
} watched_t;

/* now 0: minute 60; timeout 0: a day. */
typedef struct row_t {
    const char *name, *says;
    struck_t attacks[MOST];
    watched_t prefixes[MOST];
    int now, timeout, opens_from, unlisted;
} row_t;

cfmt_traffic_case_t traffic_case(const row_t *row);
/*
 * "open A2001@3,peak x B9001@4": what, of which attack, where, how many packets a second, in which
 * minute ("+": not at its beginning). sorted: the order in which it is said is left out.
 */
const char *traffic_says(const cfmt_traffic_case_t *c, int sorted);

#endif
