/*
 * Inside the room: what the engine keeps between rounds.
 */
#ifndef CFMT_ENGINE_PRIVATE_H
#define CFMT_ENGINE_PRIVATE_H

#include <sys/types.h>

#include <apr_hash.h>

#include "cfmt_engine.h"

typedef struct cfmt_senses_t cfmt_senses_t;
typedef struct cfmt_attacks_t cfmt_attacks_t;

struct cfmt_engine_t {
    cfmt_engine_conf_t conf;
    apr_pool_t *pool;
    const char *owner;          /* of claims: "pid N" */
    apr_pool_t *store_pool;     /* of the handle and the projector; cleared with them */
    cfmt_store_t *store;        /* NULL while it cannot be opened */
    cfmt_projector_t *projector;
    cfmt_http_t *http;          /* all that goes out; NULL: nothing does */
    cfmt_api_t *api;            /* NULL: no API work */
    apr_uint64_t config;        /* digest of conf.settings, as it was created with */
    struct cfmt_teller_t *teller; /* NULL: nothing is sent to people */
    cfmt_senses_t *senses;
    struct cfmt_knower_t *known;
    cfmt_attacks_t *attacks;
    apr_hash_t *memories;       /* cfmt_cidr_t -> cfmt_memory_t; of scene_rows.c */
    cfmt_audit_head_t audit;    /* as last written */
    apr_time_t anchored_at;     /* the daily one; 0 = not by this leader */
    apr_int64_t anchored;       /* the row whose hash was logged last */
    struct cfmt_decider_t *decider;
    apr_array_header_t *calls;  /* struct cfmt_deed_call_t *: changes of the world under way */
    apr_array_header_t *programs; /* struct cfmt_program_t * */
    apr_interval_time_t check_limit; /* of a program, in real time; 0 = CFMT_CHECK_LIMIT */
    apr_time_t began_at;        /* with this store: before, nobody may have been there */
    apr_time_t hurried_at;      /* monotonic: the last reading of prefixes that was hurried */
    int read_fails;             /* readings of prefixes in a row in which a list failed */
    apr_int64_t no_command;     /* up to this journal row no command waits */
    apr_int64_t reads;          /* readings of the state of prefixes, and of traffic, that ended */
    apr_time_t clock_at, clock_mono; /* at the last round: the engine's clock, the monotonic one */
    apr_time_t jumped_mono;     /* monotonic */
    apr_time_t jumped_at;       /* 0 = never */
    apr_time_t read_from;       /* states that were read before are to be read: it, or began_at */
    int undated;                /* readings of before that, or of before it began, are to be looked
                                   at: they may lie ahead */
    int set_back;               /* by that, and what waits was not looked at since */
    apr_int64_t of_before;      /* intents up to this one were made before that; 0 = none */
    dev_t dev;                  /* of the file that was a good store last; ino 0 = none */
    ino_t ino;
    int inherited;              /* claims of leaders that died have been looked for */
    apr_time_t heir_since;      /* monotonic: that began then */
    int answered;               /* calls have ended since the last round */
    int journaled;              /* by this round: to be projected in the next, at once */
    apr_int64_t data_version;   /* at the last look */
    apr_status_t trouble;       /* what was last reported; APR_SUCCESS = fine */
    apr_time_t reported_at;
    apr_time_t round_at;        /* monotonic: the start of the last round */
    apr_time_t worked_at;       /* monotonic: the last round that no lock was in the way of */
    cfmt_heartbeat_t before;    /* of who led before */
    int greeted;                /* people know that we lead, as far as they want to */
    apr_time_t routine_due;     /* of routine.c */
};

/* ---- jobs.c ---------------------------------------------------------------------------------- */

/*
 * Runs what is due and free. *pdue: when the next job is due, 0 = none. An error of the store ends
 * the run; a failed job is recorded with its result and retried with back-off.
 */
apr_status_t cfmt_jobs_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick);
/* Once a leadership: a leader that was killed left its claims of jobs; nobody else ends them. */
apr_status_t cfmt_jobs_inherit(cfmt_engine_t *e, apr_pool_t *ptick);
/* "pid N" of a process that is no more. Whoever lives may be at work still: its claim runs out. */
int cfmt_owner_is_dead(const char *owner);

/* ---- known.c --------------------------------------------------------------------------------- */

#define CFMT_KNOWN_MAX 1000 /* open attacks, and as many ended ones */

typedef struct cfmt_known_t {
    apr_array_header_t *open, *ended; /* cfmt_struck_t, the last sign of which is newest first */
    apr_array_header_t *evidence;     /* cfmt_evidence_spans_t */
} cfmt_known_t;
struct cfmt_knower_t *cfmt_known_create(apr_pool_t *p);
/* So far back they go: a day, CfmtAttackTimeout, CfmtCalmMax, and some. */
apr_interval_time_t cfmt_known_back(const apr_table_t *settings);
/*
 * As projected now: of one cursor, if that is the same behind whatever else is read with it.
 * *pknown is the engine's, until this is called again.
 */
apr_status_t cfmt_known_load(cfmt_engine_t *e, apr_time_t now, const cfmt_known_t **pknown);

/* ---- attacks.c ------------------------------------------------------------------------------- */

cfmt_attacks_t *cfmt_attacks_create(apr_pool_t *p);
/*
 * What traffic and time say of attacks, if anything has happened since the last look. *pdue as
 * above.
 */
apr_status_t cfmt_attacks_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick);

/* ---- sense.c --------------------------------------------------------------------------------- */

cfmt_senses_t *cfmt_senses_create(apr_pool_t *p);
/*
 * Gives the claims of runs under way back, as far as the store can be had. The runs themselves die
 * with the engine.
 */
void cfmt_senses_end(cfmt_engine_t *e);
/*
 * The same for the jobs that ask Cloudflare: goes on with runs whose answers are there, begins
 * those that are due, looks who is blind. *pdue becomes earlier where that is due before it.
 */
apr_status_t cfmt_senses_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick);
/*
 * *pdue becomes earlier where one of those jobs is due before it. At the end of a round: what it
 * decided may have made one due at once.
 */
apr_status_t cfmt_senses_due(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick);
/*
 * Only the state of the prefixes, which the first call reads at once. *pbusy: a run is under way;
 * else it has been read, or could not be.
 */
apr_status_t cfmt_senses_prefixes(cfmt_engine_t *e, int *pbusy, apr_pool_t *ptick);

#endif
