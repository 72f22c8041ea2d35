/*
 * Inside the room: a look at the open intents, and how they change. What is sent and read is in
 * act.c.
 */
#ifndef CFMT_DEEDS_H
#define CFMT_DEEDS_H

#include "decide.h"

/* A look at the open intents. */
typedef struct cfmt_look_t {
    cfmt_engine_t *e;
    apr_pool_t *p;
    apr_time_t now;
    apr_array_header_t *prefixes; /* cfmt_prefix_row_t */
    cfmt_scene_t *sc;             /* read when first needed */
    apr_int64_t head;             /* of the journal, as sc saw it and calls have left it since */
    int read;                     /* the state is to be read at once */
    int read_absent;              /* the same, of what the last reading did not list */
    apr_time_t next;
} cfmt_look_t;

const char *cfmt_act_verb(const cfmt_intent_row_t *in); /* "advertise" "withdraw" */

/* ---- act_change.c: one transaction each; told on the way ------------------------------------- */

/* What has gone on without us loses nothing. */
apr_status_t cfmt_act_change(cfmt_look_t *l, const cfmt_intent_row_t *in, cfmt_intent_e state,
                             const char *text, apr_time_t next_at);
/* DONE, REFUSED, FAILED or CANCELLED. */
apr_status_t cfmt_act_end(cfmt_look_t *l, const cfmt_intent_row_t *in, cfmt_intent_e state,
                          const char *why);
/* Failed, and REQUESTED again; at: not before, 0 = doubles with each call, never gives up. */
apr_status_t cfmt_act_try_again(cfmt_look_t *l, const cfmt_intent_row_t *in, const char *why,
                                apr_time_t at);
/* UNKNOWN. No failure yet: what is read says whether it is one. */
apr_status_t cfmt_act_unsure(cfmt_look_t *l, const cfmt_intent_row_t *in, const char *why);

#endif
