/*
 * Room engine: the leader, its thread and its round. Free of httpd.h: cfmtctl runs rounds with it
 * and tests run it under TSan.
 */
#ifndef CFMT_ENGINE_H
#define CFMT_ENGINE_H

#include "cfmt_cloudflare.h"
#include "cfmt_notify.h"
#include "cfmt_store.h"
#include "cfmt_store_outbox.h"

/* ---- leader.c: one leader per host, by an OFD lock on <db>.leader ---------------------------- */

typedef struct cfmt_leader_t cfmt_leader_t;

/* What the leader file says. */
typedef struct cfmt_heartbeat_t {
    pid_t pid;
    apr_time_t started_at;
    apr_int64_t round;
    apr_time_t at;      /* of the last beat, wall clock */
    int ended;          /* it gave the lead up; else it leads, or has died */
} cfmt_heartbeat_t;

/*
 * Opens (creating 0660, following no link) and tries the lock: APR_SUCCESS = we lead; APR_EBUSY =
 * somebody else; CFMT_EDENIED, ELINK, EMISSING (no directory) otherwise. Released by
 * cfmt_leader_release or the end of the process.
 */
apr_status_t cfmt_leader_take(cfmt_leader_t **pl, const char *db, apr_time_t now, apr_pool_t *p);
/* CFMT_EREPLACED when the file on disk is no longer ours: stop leading. */
apr_status_t cfmt_leader_beat(cfmt_leader_t *l, apr_int64_t round, apr_time_t now);
/* Says so in the file, for whoever leads next. */
void cfmt_leader_release(cfmt_leader_t *l);
/*
 * What the file said before we took it; pid 0 = nobody had led. Whoever asks tells of one that has
 * died; where nobody does, the release puts its words back for the next.
 */
const cfmt_heartbeat_t *cfmt_leader_inherit(cfmt_leader_t *l);
/*
 * Reads the heartbeat; follows no link, never blocks, safe as root. CFMT_EMISSING: no file or no
 * beat yet.
 */
apr_status_t cfmt_leader_read(cfmt_heartbeat_t *hb, const char *db);

/* In seconds; a test build may shorten them by -D. */
#ifndef CFMT_LEADER_LATE_S
#define CFMT_LEADER_LATE_S 60
#endif
#ifndef CFMT_LEADER_HUNG_S
#define CFMT_LEADER_HUNG_S 180
#endif
#define CFMT_LEADER_LATE apr_time_from_sec(CFMT_LEADER_LATE_S) /* older: ERR, health failing */
#define CFMT_LEADER_HUNG apr_time_from_sec(CFMT_LEADER_HUNG_S) /* and our child: monitor ends it */

/* ---- engine.c: the round --------------------------------------------------------------------- */

typedef struct cfmt_engine_conf_t {
    const char *db;
    const cfmt_clock_t *clock;  /* NULL: system */
    const cfmt_log_t *log;
    cfmt_gauges_t *gauges; /* NULL: nobody to give way to */
    const apr_table_t
        *settings; /* effective configuration of this generation; NULL in cfmtctl: as published */
    const cfmt_api_conf_t *api; /* NULL: nothing is asked of Cloudflare */
    cfmt_http_conf_t http;      /* of channels, where there is no api: that has its own */
    const apr_array_header_t *channels; /* cfmt_channel_conf_t; NULL: nothing is sent */
    const cfmt_templates_t *templates;  /* NULL: the built-in ones */
    const char *telegram_url;           /* NULL: the public one */
    apr_time_t service_at;              /* it began then, which is told; 0 = this is not it */
    /*
     * For cfmt_engine_command alone: ids (apr_int64_t) of the only intents that may be acted on;
     * the store is not made anew. NULL: all.
     */
    const apr_array_header_t *mine;
} cfmt_engine_conf_t;

typedef struct cfmt_engine_t cfmt_engine_t;

/* State between rounds (store handle, caches); everything in it can be rebuilt. Dies with p. */
cfmt_engine_t *cfmt_engine_create(const cfmt_engine_conf_t *conf, apr_pool_t *p);
/*
 * Before its pool goes and while we still lead: the next leader need not wait until the claims of
 * what is under way expire. A few ms, 250 ms beside a busy store.
 */
void cfmt_engine_end(cfmt_engine_t *e);
/* Who led before; one that has died is told of in the first round. */
void cfmt_engine_follows(cfmt_engine_t *e, const cfmt_heartbeat_t *before);
/*
 * The service ends, and not only this leader: that is told, as far as a second suffices. Before
 * cfmt_engine_end.
 */
void cfmt_engine_farewell(cfmt_engine_t *e);
/* How long the thread may rest after a round. */
typedef struct cfmt_rest_t {
    apr_time_t until; /* the next round is due */
    apr_time_t deaf;  /* nothing but a stop shortens it before: rounds are spaced, so that a busy
                         intake is not  answered by a transaction of ours for each of its own */
} cfmt_rest_t;

/*
 * One round: project the journal, run due jobs, checkpoint; takes about a second at most. Errors of
 * the store are in *r (may be NULL), logged on change and hourly, and retried after 5 s; they never
 * end the engine. Must be called with leadership held. ptick is scratch, cleared by the caller.
 */
apr_status_t cfmt_engine_round(cfmt_engine_t *e, cfmt_rest_t *rest, cfmt_result_t *r,
                               apr_pool_t *ptick);
/* Only project to the head (cfmtctl without a leader). The store must exist. */
apr_status_t cfmt_engine_project(cfmt_engine_t *e, cfmt_result_t *r, apr_pool_t *ptick);
/*
 * A round of cfmtctl where nobody leads: projects, reads the state of the prefixes, carries out the
 * commands of the journal, acts on conf.mine. No decision of the policy, no other job, no program.
 * *pbusy: something is under way, or left: go on leading, after cfmt_engine_wait.
 */
apr_status_t cfmt_engine_command(cfmt_engine_t *e, int *pbusy, cfmt_result_t *r,
                                 apr_pool_t *ptick);
/*
 * True when there is reason for a round before its time: another handle has committed, or intake
 * has failed for 5 s.
 */
int cfmt_engine_stirred(cfmt_engine_t *e);

/*
 * The wait between rounds: moves what is under way with Cloudflare until timeout is over, one of
 * fds is ready, or (then cfmt_engine_stirred is true) an answer is complete.
 */
void cfmt_engine_wait(cfmt_engine_t *e, struct pollfd *fds, int nfds, apr_interval_time_t timeout);

/* ---- project.c: journal rows -> projections -------------------------------------------------- */

#define CFMT_PROJECT_STEP 200 /* rows a step, one transaction each */

typedef struct cfmt_projector_t cfmt_projector_t;

/* Caches (prefix table in force, ...), all rebuildable. */
cfmt_projector_t *cfmt_projector_create(const cfmt_log_t *log, apr_pool_t *p);
/*
 * One step: reads at most limit rows behind the cursor, understands them outside the lock, then
 * writes projections and cursor in one transaction. *pdone: rows taken, 0 = at the head. A row that
 * cannot be understood is skipped with one ERR line and never stops the projection.
 */
apr_status_t cfmt_project_step(cfmt_projector_t *pr, cfmt_store_t *s, int limit, int *pdone,
                               apr_pool_t *ptemp);
/* Drops all projections and sets the cursor back; the steps that follow rebuild them. */
apr_status_t cfmt_project_reset(cfmt_store_t *s);

/* ---- runner.c: the thread -------------------------------------------------------------------- */

typedef struct cfmt_runner_conf_t {
    cfmt_engine_conf_t engine;
    int wake_fd;                    /* eventfd of the generation, -1 = none */
    apr_interval_time_t lease_retry; /* 0 = 1 s */
    /* Called about once a second in the thread, leader or not; NULL = nobody wants it. */
    void (*glance)(void *baton);
    void *baton;
} cfmt_runner_conf_t;

typedef struct cfmt_runner_t cfmt_runner_t;

/* Starts the thread with an unmanaged pool of its own. */
apr_status_t cfmt_runner_start(cfmt_runner_t **pr, const cfmt_runner_conf_t *conf);
/* Asks it to end: flag and wake. Async-signal-safe, may be called often. */
void cfmt_runner_ask(cfmt_runner_t *r);
/* The same, and the service ends: whoever leads tells so. */
void cfmt_runner_last(cfmt_runner_t *r);
/*
 * Asks and waits up to limit, then joins and frees. APR_TIMEUP: it still runs and its memory is
 * left alone.
 */
apr_status_t cfmt_runner_stop(cfmt_runner_t *r, apr_interval_time_t limit);
/* For tests and health of this child: are we the leader now? */
int cfmt_runner_leads(const cfmt_runner_t *r);

/* ---- health_world.c: what the store says of Cloudflare, for health --------------------------- */

/*
 * Flat, so that a copy is whole: whoever is not let to the store answers from the last reading.
 * Words that came from outside are cut, never half; times are 0 where unknown.
 */
#define CFMT_HEALTH_WORD 24
typedef struct cfmt_health_words_t {
    int count;           /* of all */
    char text[512];      /* those that fit, with blanks between */
} cfmt_health_words_t;

typedef struct cfmt_health_upstream_t {
    apr_time_t read_at;  /* 0 = the leader has not told yet: nothing else is known */
    cfmt_breaker_e breaker;
    char problem[CFMT_HEALTH_WORD]; /* of the last call; "" = it worked */
    apr_time_t since, last_ok, probe_at, blocked_until; /* as in cfmt_upstream_state_t */
    apr_int64_t left, quota;
    apr_interval_time_t skew;
} cfmt_health_upstream_t;

typedef struct cfmt_health_job_t {
    char name[CFMT_HEALTH_WORD];
    int fails;           /* in a row */
    apr_time_t ok_at, due_at;
} cfmt_health_job_t;
#define CFMT_HEALTH_JOBS 12

typedef struct cfmt_health_channel_t {
    char name[40];
    cfmt_channel_state_e state;
    apr_time_t since, ok_at, next_at; /* as in cfmt_channel_row_t */
    apr_int64_t depth;   /* messages that wait, */
    apr_time_t oldest_at; /* the oldest of them; 0 = none */
} cfmt_health_channel_t;
#define CFMT_HEALTH_CHANNELS 16

typedef struct cfmt_health_world_t {
    cfmt_world_counts_t counts;
    cfmt_health_words_t unmatched;   /* CfmtPrefix lines that fit no prefix */
    cfmt_health_upstream_t upstream[CFMT_UPSTREAMS];
    apr_time_t token_read_at;        /* 0 = never verified */
    char token_status[CFMT_HEALTH_WORD], token_form[CFMT_HEALTH_WORD];
    apr_time_t token_expires_at;
    apr_time_t alerts_read_at;
    apr_int64_t policies, destinations;
    cfmt_health_words_t unsent;      /* alert types that nobody would send us */
    char failing[64];                /* destination whose last delivery failed; "" = none */
    apr_time_t last_failure;
    apr_time_t traffic_read_at;      /* 0 = never */
    apr_time_t newest_row;           /* of the account in analytics; 0 = there was none */
    apr_interval_time_t behind;      /* its age, where that is too much */
    int idle;                        /* the account shows no traffic */
    cfmt_health_words_t cut;         /* prefixes of which answers were cut, in all pieces */
    cfmt_health_words_t blind;       /* advertised, and no minute known for CfmtBlindAfter */
    int jobs;
    cfmt_health_job_t job[CFMT_HEALTH_JOBS]; /* those that ask Cloudflare */
    int channels;
    cfmt_health_channel_t channel[CFMT_HEALTH_CHANNELS]; /* those that are configured */
} cfmt_health_world_t;

/* p is scratch. Costs a few ms at 1,000 prefixes and 200 tunnels. */
apr_status_t cfmt_health_world_read(cfmt_store_t *s, cfmt_health_world_t *w, apr_pool_t *p);

/* health_outbox.c: its channels, which need no Cloudflare; behind the other, which clears *w. */
apr_status_t cfmt_health_outbox_read(cfmt_store_t *s, cfmt_health_world_t *w, apr_pool_t *p);

/* ---- health.c: facts -> judgement, pure ------------------------------------------------------ */

#define CFMT_HEALTH_START apr_time_from_sec(10)         /* so long a missing leader is "starting" */
#define CFMT_HEALTH_LAG_DEGRADED apr_time_from_sec(30)  /* age of the oldest unprojected row */
#define CFMT_HEALTH_LAG_FAILING apr_time_from_sec(300)
#define CFMT_HEALTH_DISK_DEGRADED ((apr_int64_t)256 * 1024 * 1024)
#define CFMT_HEALTH_DISK_FAILING ((apr_int64_t)32 * 1024 * 1024)
#define CFMT_HEALTH_QUEUE_MIN 8 /* fewer waiting entries are never a reason */
/* Of what the leader learns from Cloudflare; docs/health.md says why these. */
#define CFMT_HEALTH_FIRST apr_time_from_sec(60)  /* so long answers may be missing after a start */
#define CFMT_HEALTH_STALE apr_time_from_sec(300) /* or CFMT_HEALTH_POLLS intervals, if longer */
#define CFMT_HEALTH_POLLS 3
#define CFMT_HEALTH_JOB_FAILS 3                  /* in a row */
#define CFMT_HEALTH_TOKEN_SOON apr_time_from_sec(7 * 86400)
#define CFMT_HEALTH_SKEW apr_time_from_sec(30)
#define CFMT_HEALTH_MUTE apr_time_from_sec(300)  /* so long a channel may fail */
#define CFMT_HEALTH_NAMES 5    /* of prefixes in a sentence */
#define CFMT_HEALTH_PARENTS 60 /* lists of prefixes that one run of the job reads at most */

typedef enum { CFMT_HEALTH_OK, CFMT_HEALTH_DEGRADED, CFMT_HEALTH_FAILING } cfmt_health_e;
const char *cfmt_health_name(cfmt_health_e h); /* "ok" "degraded" "failing" */

typedef struct cfmt_health_facts_t {
    apr_time_t now;
    apr_time_t world_now; /* by the clock that deliveries and jobs are dated by */
    int speed;            /* of that clock: more than 1 in a demonstration */
    apr_time_t started_at;        /* of this httpd generation */
    apr_status_t read_status;     /* of the last attempt to read the store */
    apr_time_t rows_at;           /* when rows were read; 0 = never */
    cfmt_health_rows_t rows;
    cfmt_gauge_sum_t gauges;
    apr_uint32_t
        queue_capacity; /* entries that could wait at most, over all children; 0 = unknown */
    int has_heartbeat;
    cfmt_heartbeat_t heartbeat;
    apr_int64_t free_disk;        /* bytes; < 0 = unknown */
    int secrets_wanted, secrets_usable;
    int api_wanted, api_usable;   /* configured; and its token could be read at start */
    int has_public_url;           /* so it is known which destinations are ours */
    apr_interval_time_t poll_interval;
    cfmt_health_world_t world;    /* read with rows */
} cfmt_health_facts_t;

typedef struct cfmt_health_reason_t {
    cfmt_health_e level;
    const char *id; /* store leader projection disk secret queue api prefixes token clock alerts
                       tunnels blind lagging truncated outbox */
    const char *text; /* sentence without a full stop; no paths, no secrets */
} cfmt_health_reason_t;

/*
 * The worst level of all reasons; *preasons: array of cfmt_health_reason_t in p in the order of the
 * ids above. docs/health.md names for each reason what turns it on and off.
 */
cfmt_health_e cfmt_health_judge(apr_array_header_t **preasons, const cfmt_health_facts_t *f,
                                apr_pool_t *p);
/* What the store is like: the newest unanswered commit error, else what reading said. */
apr_status_t cfmt_health_store_status(const cfmt_health_facts_t *f);

/* ---- health_json.c: the same facts for /mt-health -------------------------------------------- */

/* "NAME_at":"...","NAME_age_s":1.234 in p; both null at 0. */
const char *cfmt_health_when(const char *name, apr_time_t t, apr_time_t now, apr_pool_t *p);
/* "api":{...},"prefixes":{...},"tunnels":{...},"traffic":{...} in p. */
const char *cfmt_health_world_json(const cfmt_health_facts_t *f, apr_pool_t *p);
/* health_outbox.c: "outbox":{...} in p. */
const char *cfmt_health_outbox_json(const cfmt_health_facts_t *f, apr_pool_t *p);

#endif
