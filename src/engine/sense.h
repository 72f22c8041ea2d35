/*
 * Inside the room: jobs that ask Cloudflare. A run starts calls, lives over several rounds while
 * the answers come in, and ends with what it found being written. It keeps nothing that cannot be
 * asked again.
 */
#ifndef CFMT_SENSE_H
#define CFMT_SENSE_H

#include "cfmt_cloudflare.h"
#include "engine_private.h"

typedef struct cfmt_run_t cfmt_run_t;

typedef struct cfmt_sense_t {
    const char *name;
    apr_interval_time_t interval; /* 0: as the setting says */
    const char *setting;          /* NULL: "PollInterval" */
    int jitter;                   /* permille of the interval */
    int rows_max;                 /* believed in one run; 0 = 20,000, which are kept in memory */
    int at_start;                 /* due whenever somebody begins to lead */
    /*
     * Called when nothing is under way: starts further calls by cfmt_run_ask, or none: the run is
     * over. run->step counts the calls of it from 0.
     */
    void (*next)(cfmt_run_t *run);
    /* Once, when it is over, also after a failure: what was found becomes cfmt_run_journal, ... */
    void (*conclude)(cfmt_run_t *run);
    /* For tables that are neither journal nor facts; in the last transaction. NULL = none. */
    apr_status_t (*write)(cfmt_run_t *run, apr_pool_t *ptemp);
    void (*stored)(cfmt_run_t *run); /* all of it is committed; NULL = nothing to do */
} cfmt_sense_t;

struct cfmt_run_t {
    cfmt_engine_t *e;
    const cfmt_sense_t *job;
    apr_pool_t *p;           /* of this run */
    apr_time_t now;          /* when it began */
    apr_time_t deadline;     /* monotonic: no further calls from then on */
    int step, pending;
    int over;                /* nothing more to ask: what is left is writing */
    int fails;               /* of this job in a row, before */
    cfmt_result_t result;    /* the first failure; APR_SUCCESS while there is none */
    const char *summary;     /* of a success, for the job table */
    void *data;              /* the job's own */
    apr_array_header_t *writes, *lines; /* what was concluded; sense.c's */
    int written;             /* of writes */
    int journaled;           /* of writes: behind the last one for the journal */
    int rows;                /* of all answers */
    apr_time_t due;          /* told and stored but for this: when it runs next; 0 = not yet */
};

/* The baton of row and done in a call made by cfmt_run_ask. */
typedef struct cfmt_ask_t {
    cfmt_run_t *run;
    void *arg;
    void (*done)(struct cfmt_ask_t *ask, const cfmt_api_result_t *result); /* NULL = none */
    apr_status_t (*row)(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow); /* the
                         call's; sense.c counts before it */
    int tolerant; /* a failure is done's business and not the run's */
} cfmt_ask_t;

/*
 * Starts a call whose row function gets a cfmt_ask_t. The first failure of any becomes the run's
 * result. Returns 0 when the call was not made (the run's result says why).
 */
int cfmt_run_ask(cfmt_run_t *run, cfmt_api_call_t *call, const cfmt_ask_t *ask);
/* Notes the failure of a call that was asked as tolerant. */
void cfmt_run_note(cfmt_run_t *run, const cfmt_result_t *r);
/* Notes a failure that is not a call's: something in an answer that cannot be believed. */
void cfmt_run_fail(cfmt_run_t *run, apr_status_t rv, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * For conclude: written in order, 200 a transaction. Texts live in run->p. A journal row; the note
 * that something was read; what an upstream says that is not history.
 */
void cfmt_run_journal(cfmt_run_t *run, const char *kind, const char *origin, const char *body,
                      const char *tag);
void cfmt_run_reading(cfmt_run_t *run, const char *kind, const char *id, apr_time_t at);
void cfmt_run_facts(cfmt_run_t *run, const char *name, const apr_table_t *facts);
/* The same for a table of the job's own; rows: about so many of the store's. */
typedef apr_status_t cfmt_write_fn_t(cfmt_store_t *s, const void *arg, apr_pool_t *ptemp);
void cfmt_run_write(cfmt_run_t *run, cfmt_write_fn_t *fn, const void *arg, int rows);
/* A log line, once all of it is stored. */
void cfmt_run_tell(cfmt_run_t *run, cfmt_level_e level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A duration among the settings in force. */
apr_interval_time_t cfmt_sense_duration(const cfmt_engine_t *e, const char *name,
                                        apr_interval_time_t def);

extern const cfmt_sense_t cfmt_sense_prefixes, cfmt_sense_token, cfmt_sense_ranges,
    cfmt_sense_tunnels, cfmt_sense_rules, cfmt_sense_history, cfmt_sense_limits,
    cfmt_sense_traffic, cfmt_sense_detail;

/*
 * blind.c: once a minute looks whether something is known of every advertised prefix; tells and
 * notes as facts "blind" (each prefix: since when) where that changes. *pdue: when it looks next,
 * 0 = this leader has not begun to.
 */
apr_status_t cfmt_blind_check(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick);

/* sense_token.c: of any job that ended so: people are told, at once and then each hour. */
void cfmt_token_refused(cfmt_run_t *run);

/* What "limits" found, or the defaults. */
void cfmt_limits_load(cfmt_analytics_limits_t *l, cfmt_run_t *run);
/* The same of the dataset that has the detail of attacks. */
void cfmt_limits_load_detail(cfmt_analytics_limits_t *l, cfmt_run_t *run);

#endif
