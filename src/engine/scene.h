/*
 * Inside the room: what the decisions of a round look at, read once, and the case that it makes of
 * one prefix.
 */
#ifndef CFMT_SCENE_H
#define CFMT_SCENE_H

#include "cfmt_policy_gates.h"
#include "engine_private.h"

/* What is remembered of a prefix between rounds; it can be asked anew at any time. */
typedef struct cfmt_memory_t {
    apr_time_t look_at;           /* of the last look; 0 = none */
    apr_time_t check_asked_at, check_answered_at;
    int check_ok;
    char check_text[200];
    apr_uint64_t written;         /* digest of the decision that is stored */
    apr_time_t written_at;
    apr_int64_t failing;          /* the operator's intent that `failed` is about; 0 = policy's */
    int failed;                   /* in a row, since one was done */
    apr_time_t told_failing_at;   /* last */
    apr_time_t due_told;          /* that it is withdrawn soon: the countdown that was told */
    apr_int64_t locked_told;      /* digest of attack and episode that it is locked under */
} cfmt_memory_t;

/* What the tables hold of one prefix. Arrays are NULL where there is nothing. */
typedef struct cfmt_rows_t {
    const cfmt_standing_t *standing;
    const cfmt_intent_row_t *intent;    /* open */
    apr_array_header_t *done;           /* const cfmt_intent_row_t *: newest first */
    apr_array_header_t *proposals;      /* const cfmt_proposal_row_t *: newest first */
} cfmt_rows_t;

typedef struct cfmt_scene_t {
    cfmt_engine_t *e;
    apr_pool_t *p;
    apr_time_t now;
    cfmt_mode_e mode;
    const apr_table_t *settings;
    apr_uint64_t config;            /* their digest */
    apr_array_header_t *prefixes;   /* cfmt_prefix_row_t: gone ones, too */
    apr_array_header_t *bgp;        /* cfmt_bgp_prefix_t of those that are not gone */
    apr_array_header_t *evidence;   /* cfmt_evidence_spans_t */
    apr_array_header_t *attacks;    /* cfmt_struck_t: open, then ended within a day */
    int too_many;                   /* there are more open ones than were read */
    apr_array_header_t *intents;    /* cfmt_intent_row_t: open */
    apr_array_header_t *done;       /* cfmt_intent_row_t: newest first, of the last days */
    apr_array_header_t *holds, *windows, *proposals, *adoptions; /* rows of cfmt_store_act.h */
    apr_array_header_t *standings;  /* cfmt_standing_t */
    apr_hash_t *rows;               /* cfmt_cidr_t -> cfmt_rows_t, of those above */
    apr_time_t complete;            /* end of the newest complete minute of traffic; 0 = none */
    apr_time_t traffic_at;          /* all of it was read, begun then; 0 = it was not */
    const char *cut;                /* but of these, with blanks between; NULL = none, "" = all */
    apr_time_t poll_at;             /* is read next */
    cfmt_upstream_state_t rest;     /* of the API */
    apr_int64_t cursor, head;       /* as read before all of it, and behind all of it */
} cfmt_scene_t;

apr_status_t cfmt_scene_load(cfmt_scene_t *sc, cfmt_engine_t *e, apr_time_t now, apr_pool_t *p);
/* Everything that policy looks at for one prefix. standing: its cause as found this round. */
void cfmt_scene_case(cfmt_case_t *c, const cfmt_scene_t *sc, const cfmt_prefix_row_t *row,
                     const cfmt_standing_t *standing);
/* Attack in a minute that is not complete yet: the newest word of what goes on. */
int cfmt_scene_above(const cfmt_case_t *c);

/* ---- scene_rows.c ---------------------------------------------------------------------------- */

/* Sorts what was loaded by prefix. */
void cfmt_scene_index(cfmt_scene_t *sc);
/* Never NULL: all of it empty where there is nothing. */
const cfmt_rows_t *cfmt_scene_rows(const cfmt_scene_t *sc, const cfmt_cidr_t *cidr);
const cfmt_standing_t *cfmt_scene_standing(const cfmt_scene_t *sc, const cfmt_cidr_t *cidr);
const cfmt_intent_row_t *cfmt_scene_intent(const cfmt_scene_t *sc, const cfmt_cidr_t *cidr);
/* Made where missing; lives as long as the engine's store handle. */
cfmt_memory_t *cfmt_scene_memory(cfmt_engine_t *e, const cfmt_cidr_t *cidr);
/* The clock was set: nobody can say how old an answer of before is. All is asked anew. */
void cfmt_scene_forget_asked(cfmt_engine_t *e);

#endif
