/*
 * Inside the room: what a policy would have done with each prefix, through a whole journal.
 */
#ifndef CFMT_REPLAY_SIM_H
#define CFMT_REPLAY_SIM_H

#include "replay.h"

typedef struct cfmt_stretch_t {
    apr_time_t from, to; /* to: exclusive */
} cfmt_stretch_t;

/* A change by the simulation, or one that it followed. */
typedef struct cfmt_turn_t {
    apr_time_t at;
    int on, by_policy;
} cfmt_turn_t;

typedef struct cfmt_told_t {
    apr_time_t at;
    cfmt_replay_message_e what;
} cfmt_told_t;

/* An advertisement in fact. */
typedef struct cfmt_fact_t {
    apr_time_t at, seen_at;    /* as Cloudflare says; when it was journaled */
    apr_time_t ended_at;       /* 0 = not yet */
} cfmt_fact_t;

/* The end of an attack by calm, as journaled, that comes later under a longer calm. */
typedef struct cfmt_owed_t {
    apr_time_t at;
    const char *body;          /* of the journal row; NULL = it has come */
} cfmt_owed_t;

/* One prefix. */
typedef struct cfmt_lane_t {
    cfmt_cidr_t prefix;
    int fact;                  /* advertised in fact; -1 = not said yet */
    apr_time_t fact_since;     /* seen to be so */
    int on;                    /* in the simulation */
    int own;                   /* advertised by it, not in fact */
    apr_time_t since;          /* as Cloudflare would say */
    apr_time_t policy_withdrew_at; /* the last change was that */
    cfmt_cause_t cause;        /* of its advertisement; texts are kept */
    int hit;                   /* an attack on it is open */
    apr_time_t hit_from, hit_at; /* it began; last change of that */
    apr_time_t orphan_told_at, paged_at, would_told_at;
    cfmt_offer_t offers[2];    /* to withdraw, to advertise: made by the simulation */
    cfmt_used_t used;          /* of its newest decision in the journal */
    int used_known;
    apr_time_t next;           /* look again */
    int waits;                 /* and with the next reading of traffic */
    apr_array_header_t *past;  /* cfmt_past_t */
    apr_array_header_t *facts, *turns, *told, *hits; /* cfmt_fact_t, _turn_t, _told_t, _stretch_t */
} cfmt_lane_t;

typedef struct cfmt_sim_t {
    cfmt_replay_t *rp;
    apr_hash_t *lanes;         /* cfmt_cidr_t -> cfmt_lane_t */
    apr_array_header_t *order; /* cfmt_lane_t *: as they came */
    apr_time_t complete;       /* end of the newest minute of traffic that was complete */
    apr_time_t read_at;        /* traffic was, last */
    apr_time_t attacks_at;     /* what traffic says of attacks was asked then */
    int open;                  /* attacks are */
    apr_array_header_t *owed;  /* cfmt_owed_t */
    apr_time_t looked_at, end;
} cfmt_sim_t;

/* Through all of the journal; what is before conf.from is lived through, too. */
apr_status_t cfmt_sim_run(cfmt_sim_t *sim, const cfmt_replay_conf_t *conf,
                          const apr_table_t *policy, const char *name, cfmt_result_t *r,
                          apr_pool_t *p);

/* ---- replay_lane.c --------------------------------------------------------------------------- */

/* Made where it is missing. */
cfmt_lane_t *cfmt_lane_of(cfmt_sim_t *sim, const cfmt_cidr_t *prefix);
/* What happened in fact, then what policy makes of it. */
void cfmt_lane_look(cfmt_lane_t *lane, const cfmt_sim_t *sim, const cfmt_scene_t *sc,
                    const cfmt_prefix_row_t *row);
/* Nothing follows any more. */
void cfmt_lane_end(cfmt_lane_t *lane, apr_time_t end);

#endif
