/*
 * Inside the room: news out of what the engine's steps know. They are told (tell.h) in the
 * transaction of the change that they tell of; a dedupe key is made of what was there before, so
 * that two leaders who see the same make the same one.
 */
#ifndef CFMT_NEWS_OF_H
#define CFMT_NEWS_OF_H

#include "decide.h"
#include "sense.h"
#include "tell.h"

/* ---- news_of.c: fields ----------------------------------------------------------------------- */

/* What is not there is NULL, and so left out: 0 of times and counts; a rate of 0 says nothing. */
const char *cfmt_of_time(apr_time_t t, apr_pool_t *p);
const char *cfmt_of_count(apr_int64_t n, apr_pool_t *p);
const char *cfmt_of_rate(double v, apr_pool_t *p);
/* "observe" "enforce", and that the clock is a demonstration's: "enforce, DEMO". */
const char *cfmt_of_mode_in(const apr_table_t *settings);
const char *cfmt_of_mode(const cfmt_engine_t *e);
/* Who or what changed a prefix, for people. */
const char *cfmt_of_cause(cfmt_cause_e kind);
/* "NOT PROTECTED against attack a1b2: locked by Cloudflare": what is said behind the colon. */
const char *cfmt_of_reason(const char *text);
/* "a, b, and 3 more" of const char *; NULL = none. */
const char *cfmt_of_list(const apr_array_header_t *texts, apr_pool_t *p);
/* "cfmtctl VERB OBJECT" */
const char *cfmt_of_command(const char *verb, const char *object, apr_pool_t *p);

/* Fields of an attack; NULL where nothing is known of it. */
typedef struct cfmt_of_attack_t {
    const char *prefix, *target, *vector, *type; /* lists with commas */
    const char *peak_pps, *peak_bps;
} cfmt_of_attack_t;
apr_status_t cfmt_of_attack(cfmt_of_attack_t *f, cfmt_engine_t *e, const char *id, apr_pool_t *p);

/* All fields of a hold; why: what is to be said of it, NULL = its reason. */
const char *cfmt_of_hold(const cfmt_engine_t *e, const cfmt_hold_row_t *h, const char *why,
                         apr_pool_t *p);

/* Of a job: told with what it concludes. *n lives in run->p. */
void cfmt_run_news(cfmt_run_t *run, const cfmt_news_t *n);

/* ---- outcome_news.c -------------------------------------------------------------------------- */

/* What only news need to know: o->due_for, o->locked_for. */
void cfmt_outcome_notice(cfmt_outcome_t *o, const cfmt_scene_t *sc);
/* In the transaction of cfmt_outcome_write, behind it. */
apr_status_t cfmt_outcome_news(const cfmt_outcome_t *o, const cfmt_scene_t *sc, apr_pool_t *ptemp);

/* ---- routine.c ------------------------------------------------------------------------------- */

/*
 * What is told because time goes by: attacks that are still on, each hour; the day, when channels
 * want it; once, that this leader follows one that died, and that the service began.
 */
apr_status_t cfmt_routine_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick);

#endif
