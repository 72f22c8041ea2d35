/*
 * Jobs: due times in a table, claimed by an UPDATE that succeeds for one process. A claim expires,
 * so a crash in the middle delays a job and never loses it.
 */
#include <string.h>

#include "store_private.h"

/* What callers outside a transaction need: one statement, its own transaction. */
#define LOCK_WAIT apr_time_from_msec(250)

static apr_status_t run_alone(cfmt_store_t *s, sqlite3_stmt *st, int *pchanged)
{
    apr_status_t rv = st ? cfmt_store_begin(s, LOCK_WAIT) : CFMT_ESTORE;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_sql_run(s, st);
    *pchanged = sqlite3_changes(s->db);
    return cfmt_store_end(s, rv);
}

/*
 * Due, too, when it was written under a clock that has since been set back (it ran last in what is
 * now the future, or its time lies absurdly far ahead): it would not run for as long as that, or
 * never again.
 */
#define DUE "(due_at <= ?2 OR due_at > ?2 + 172800000000 OR last_at > ?2 + 5000000)"

static apr_status_t load(cfmt_store_t *s, const char *name, apr_time_t now, int *pfound, int *pdue,
                         int *pfails)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT fails, " DUE " FROM job WHERE name = ?1");
    apr_status_t rv;

    *pfound = *pdue = *pfails = 0;
    cfmt_bind_text(st, 1, name);
    cfmt_bind_int(st, 2, now);
    if (cfmt_sql_row(s, st, &rv)) {
        *pfound = 1;
        *pfails = (int)cfmt_col_int(st, 0);
        *pdue = cfmt_col_int(st, 1) != 0;
        cfmt_sql_done(st);
    }
    return rv;
}

apr_status_t cfmt_job_ensure(cfmt_store_t *s, const char *name, apr_time_t now)
{
    int found, due, fails, changed;
    sqlite3_stmt *st;
    apr_status_t rv = load(s, name, now, &found, &due, &fails);

    if (rv != APR_SUCCESS || found) {
        return rv;
    }
    st = cfmt_sql(s, "INSERT OR IGNORE INTO job(name, due_at) VALUES(?1, ?2)");
    if (st) {
        cfmt_bind_text(st, 1, name);
        cfmt_bind_int(st, 2, now);
    }
    return run_alone(s, st, &changed);
}

apr_status_t cfmt_job_claim(cfmt_store_t *s, const char *name, const char *owner, apr_time_t now,
                            apr_interval_time_t lease, int *pclaimed, int *pfails)
{
    int found, due;
    sqlite3_stmt *st;
    apr_status_t rv = load(s, name, now, &found, &due, pfails);

    *pclaimed = 0;
    if (rv == APR_SUCCESS && !found) {
        rv = cfmt_job_ensure(s, name, now);
        due = 1;
    }
    if (rv != APR_SUCCESS || !due) { /* the usual case costs no transaction, and one look */
        return rv;
    }
    st = cfmt_sql(s, "UPDATE job SET owner = ?3, expires_at = ?4 WHERE name = ?1 AND " DUE
                     " AND (owner IS NULL OR owner = ?3 OR expires_at <= ?2 OR expires_at > ?4)");
    if (st) {
        cfmt_bind_text(st, 1, name);
        cfmt_bind_int(st, 2, now);
        cfmt_bind_text(st, 3, owner);
        cfmt_bind_int(st, 4, now + lease);
    }
    return run_alone(s, st, pclaimed);
}

apr_status_t cfmt_job_done(cfmt_store_t *s, const char *name, const char *owner, apr_time_t now,
                           apr_time_t due_at, cfmt_job_end_e end, const char *result)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE job SET owner = NULL, expires_at = NULL, last_at = ?3,"
                                   " due_at = ?4, last_result = ?5,"
                                   " fails = CASE ?6 WHEN 0 THEN 0 WHEN 1 THEN fails + 1"
                                   " ELSE fails END,"
                                   " ok_at = CASE ?6 WHEN 0 THEN ?3 ELSE ok_at END"
                                   " WHERE name = ?1 AND owner = ?2");
    int changed;

    if (st) {
        cfmt_bind_text(st, 1, name);
        cfmt_bind_text(st, 2, owner);
        cfmt_bind_int(st, 3, now);
        cfmt_bind_int(st, 4, due_at);
        cfmt_bind_text(st, 5, result);
        cfmt_bind_int(st, 6, (apr_int64_t)end);
    }
    return run_alone(s, st, &changed);
}

apr_status_t cfmt_job_free(cfmt_store_t *s, const char *name, const char *owner)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE job SET owner = NULL, expires_at = NULL"
                                   " WHERE name = ?1 AND owner = ?2");
    int changed;

    if (st) {
        cfmt_bind_text(st, 1, name);
        cfmt_bind_text(st, 2, owner);
    }
    return run_alone(s, st, &changed);
}

/* A limit is Cloudflare's: a start of ours does not lift it. */
apr_status_t cfmt_job_hurry(cfmt_store_t *s, const char *name, apr_time_t now, int always)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE job SET due_at = ?2 WHERE name = ?1 AND due_at > ?2"
                                   " AND (fails > 0 OR ?3)"
                                   " AND ifnull(last_result, '') NOT LIKE 'limit:%'");
    int changed;

    if (st) {
        cfmt_bind_text(st, 1, name);
        cfmt_bind_int(st, 2, now);
        cfmt_bind_int(st, 3, always);
    }
    return run_alone(s, st, &changed);
}

apr_status_t cfmt_job_now(cfmt_store_t *s, const char *name, apr_time_t now)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE job SET due_at = ?2 WHERE name = ?1 AND due_at > ?2");

    cfmt_bind_text(st, 1, name);
    cfmt_bind_int(st, 2, now);
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_job_due(cfmt_store_t *s, const char *name, apr_time_t *pdue)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT max(due_at, ifnull(expires_at, 0)) FROM job"
                                   " WHERE name = ?1");

    *pdue = 0;
    if (st) {
        cfmt_bind_text(st, 1, name);
    }
    return cfmt_sql_int(s, st, pdue);
}

apr_status_t cfmt_jobs_due(cfmt_store_t *s, apr_time_t now, apr_array_header_t **prows,
                           apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT name, max(due_at, ifnull(expires_at, 0)), " DUE
                                   " FROM job");
    apr_status_t rv;

    *prows = apr_array_make(p, 16, sizeof(cfmt_job_due_t));
    cfmt_bind_int(st, 2, now);
    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_job_due_t *job = apr_array_push(*prows);

        job->name = cfmt_col_text(st, 0, p);
        job->at = cfmt_col_int(st, 1);
        job->due = (int)cfmt_col_int(st, 2);
    }
    return rv;
}

const cfmt_job_due_t *cfmt_job_find(const apr_array_header_t *rows, const char *name)
{
    int i;

    for (i = 0; i < rows->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(rows, i, cfmt_job_due_t).name, name)) {
            return &APR_ARRAY_IDX(rows, i, cfmt_job_due_t);
        }
    }
    return NULL;
}

apr_status_t cfmt_jobs_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT name, due_at, last_at, fails, last_result, ok_at,"
                                   " owner"
                                   " FROM job ORDER BY name");
    apr_status_t rv;

    *prows = apr_array_make(p, 8, sizeof(cfmt_job_t));
    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_job_t *job = apr_array_push(*prows);

        memset(job, 0, sizeof(*job));
        job->name = cfmt_col_text(st, 0, p);
        job->due_at = cfmt_col_int(st, 1);
        job->last_at = cfmt_col_int(st, 2);
        job->fails = (int)cfmt_col_int(st, 3);
        job->last_result = cfmt_col_text(st, 4, p);
        job->ok_at = cfmt_col_int(st, 5);
        job->owner = cfmt_col_text(st, 6, p);
    }
    return rv;
}
