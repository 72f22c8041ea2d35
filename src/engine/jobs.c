/*
 * Recurring work: a table of jobs, claimed in the store, each in small steps with back-off after a
 * failure.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <apr_strings.h>

#include "engine_private.h"

#define REAPED apr_time_from_sec(10) /* so long a killed process may still be seen */
#define LEASE apr_time_from_sec(120)          /* a claim outlives its holder by this much */
#define STEPS_MAX 50 /* of one run; what is left goes on at once in the next round */
#define CEILING apr_time_from_sec(6 * 3600)   /* of the back-off */
#define JITTER 100                            /* permille */

typedef struct job_t {
    const char *name;
    apr_interval_time_t interval;
    /* *pmore: not finished, go on soon. *presult: one line for the table. */
    apr_status_t (*run)(cfmt_engine_t *e, apr_time_t now, int *pmore, const char **presult,
                        apr_pool_t *ptick);
} job_t;

/* ---- retention ------------------------------------------------------------------------------- */

/* "journal=400d rejected=30d ..." as published in the setting Retention; 0 = keep for ever. */
static void read_retention(cfmt_retention_t *conf, const char *text, apr_pool_t *p)
{
    char *last, *word, *copy = apr_pstrdup(p, text ? text : "");
    apr_interval_time_t *place;

    memset(conf, 0, sizeof(*conf));
    for (word = apr_strtok(copy, " ", &last); word; word = apr_strtok(NULL, " ", &last)) {
        char *value = strchr(word, '=');

        if (!value) {
            continue;
        }
        *value++ = '\0';
        place = !strcmp(word, "journal") ? &conf->journal
                : !strcmp(word, "rejected") ? &conf->rejected
                : !strcmp(word, "evidence") ? &conf->evidence
                : !strcmp(word, "traffic") ? &conf->traffic
                : !strcmp(word, "outbox") ? &conf->outbox : NULL;
        if (place && cfmt_duration_parse(place, value) != APR_SUCCESS) {
            *place = 0;
        }
    }
}

static apr_status_t run_retention(cfmt_engine_t *e, apr_time_t now, int *pmore,
                                  const char **presult, apr_pool_t *ptick)
{
    cfmt_retention_t conf;
    apr_pool_t *pstep;
    apr_status_t rv;
    int steps = 0;

    read_retention(&conf, e->conf.settings ? apr_table_get(e->conf.settings, "Retention") : NULL,
                   ptick);
    apr_pool_create(&pstep, ptick);
    do {
        apr_pool_clear(pstep);
        rv = cfmt_retention_step(e->store, &conf, now, pmore, pstep);
    } while (rv == APR_SUCCESS && *pmore && ++steps < STEPS_MAX);
    *presult = rv == APR_SUCCESS ? *pmore ? "in progress" : "done" : cfmt_status_name(rv);
    return rv;
}

static const job_t jobs[] = {
    { .name = "retention", .interval = apr_time_from_sec(3600), .run = run_retention },
    { .name = NULL },
};

/* ---- the table ------------------------------------------------------------------------------- */

static apr_time_t next_due(const job_t *j, const cfmt_engine_t *e, apr_time_t now, int more,
                           int fails)
{
    if (more) {
        return now + CFMT_SCHEDULE_FLOOR;
    }
    return cfmt_schedule_next(now, j->interval, CEILING, fails, JITTER,
                              (apr_uint32_t)cfmt_digest64(e->owner, strlen(e->owner)));
}

static apr_status_t run_one(cfmt_engine_t *e, const job_t *j, apr_pool_t *ptick)
{
    apr_time_t now = cfmt_clock_now(e->conf.clock);
    const char *result = NULL;
    int claimed = 0, fails = 0, more = 0, failed;
    apr_status_t rv = cfmt_job_claim(e->store, j->name, e->owner, now,
                        cfmt_clock_span(e->conf.clock, LEASE), &claimed, &fails);

    if (rv != APR_SUCCESS || !claimed) {
        return rv;
    }
    rv = j->run(e, now, &more, &result, ptick);
    if (rv == CFMT_EBUSY || rv == CFMT_EMOVED) { /* no failure: intake goes first */
        more = 1;
        rv = APR_SUCCESS;
    }
    failed = rv != APR_SUCCESS;
    if (failed) {
        cfmt_log(e->conf.log, CFMT_LOG_WARNING, CFMT_ID(0407) "job %s failed (%s, %d in a row): %s",
                 j->name, cfmt_status_name(rv), fails + 1, cfmt_store_error(e->store));
    }
    return cfmt_job_done(e->store, j->name, e->owner, now,
                         next_due(j, e, now, more, failed ? fails + 1 : 0),
                         failed ? CFMT_JOB_FAILED : CFMT_JOB_OK, result);
}

int cfmt_owner_is_dead(const char *owner)
{
    apr_int64_t pid;

    return !strncmp(owner, "pid ", 4)
           && cfmt_int_parse(&pid, owner + 4, 1, APR_INT32_MAX) == APR_SUCCESS
           && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/* For a while: who was killed has freed the lock, and has its pid until its parent asks. */
apr_status_t cfmt_jobs_inherit(cfmt_engine_t *e, apr_pool_t *ptick)
{
    apr_time_t mono = cfmt_monotonic();
    apr_array_header_t *rows;
    apr_status_t rv = e->inherited ? APR_SUCCESS : cfmt_jobs_load(e->store, &rows, ptick);
    int i;

    for (i = 0; rv == APR_SUCCESS && !e->inherited && i < rows->nelts; i++) {
        const cfmt_job_t *job = &APR_ARRAY_IDX(rows, i, cfmt_job_t);

        if (job->owner && cfmt_owner_is_dead(job->owner)) {
            rv = cfmt_job_free(e->store, job->name, job->owner);
        }
    }
    e->heir_since = e->heir_since ? e->heir_since : mono;
    e->inherited |= rv == APR_SUCCESS && mono - e->heir_since > REAPED;
    return rv;
}

apr_status_t cfmt_jobs_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick)
{
    apr_status_t rv = cfmt_jobs_inherit(e, ptick);
    const job_t *j;
    apr_time_t due;

    for (j = jobs; rv == APR_SUCCESS && j->name; j++) {
        rv = run_one(e, j, ptick);
        if (rv == APR_SUCCESS) {
            rv = cfmt_job_due(e->store, j->name, &due);
            *pdue = due && (!*pdue || due < *pdue) ? due : *pdue;
        }
    }
    return rv;
}
