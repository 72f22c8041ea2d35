/*
 * Jobs that ask Cloudflare: claimed in the store like any other, run over several rounds, retried
 * when the upstream lets us, complained about on change and once an hour.
 */
#include <stdarg.h>
#include <string.h>

#include <apr_strings.h>

#include "sense.h"

#define LEASE apr_time_from_sec(120)      /* a claim outlives its holder by this much */
#define ASK_FOR apr_time_from_sec(60)     /* then a run ends; its last call takes 30 s at most */
#define RETRY apr_time_from_sec(15)       /* doubled after each failure, up to the interval */
#define REPEAT apr_time_from_sec(3600)    /* of a complaint */
#define PIECE 200                         /* rows a transaction */
#define STEP_WAIT apr_time_from_msec(250) /* for the commit lock */
#define WRITE_FOR apr_time_from_msec(500) /* in one round: heartbeat and stop must not wait */
#define ROWS_MAX 20000 /* of a run's answers: no account has more, and they are kept in memory */
#define LINES_MAX 40   /* of a run */

static const cfmt_sense_t *const jobs[] = {
    &cfmt_sense_token,   &cfmt_sense_prefixes, &cfmt_sense_rules,
    &cfmt_sense_tunnels, &cfmt_sense_ranges,   &cfmt_sense_history,
    &cfmt_sense_limits,  &cfmt_sense_traffic,  &cfmt_sense_detail,
};
#define JOBS ((int)(sizeof(jobs) / sizeof(jobs[0])))

/* What the leader remembers of a job; all of it can be lost. */
typedef struct state_t {
    cfmt_run_t *run;          /* NULL = none under way */
    int begun;                /* the first look of this leader is over */
    apr_status_t trouble;     /* what was told last; APR_SUCCESS = fine */
    apr_time_t told_at, since;
} state_t;

struct cfmt_senses_t {
    state_t of[JOBS];
    apr_time_t blind_due;     /* of blind.c */
};

cfmt_senses_t *cfmt_senses_create(apr_pool_t *p)
{
    return apr_pcalloc(p, sizeof(cfmt_senses_t));
}

/* ---- what a run's job calls ------------------------------------------------------------------ */

void cfmt_run_note(cfmt_run_t *run, const cfmt_result_t *r)
{
    if (run->result.status == APR_SUCCESS && r->status != APR_SUCCESS) {
        run->result = *r;
        run->result.problem = cfmt_status_name(r->status);
        run->result.detail = apr_pstrdup(run->p, r->detail ? r->detail
                                                           : cfmt_status_text(r->status, run->p));
    }
}

void cfmt_run_fail(cfmt_run_t *run, apr_status_t rv, const char *fmt, ...)
{
    cfmt_result_t r = { .status = rv };
    va_list ap;

    va_start(ap, fmt);
    r.detail = apr_pvsprintf(run->p, fmt, ap);
    va_end(ap);
    cfmt_run_note(run, &r);
}

static void call_done(void *baton, const cfmt_api_result_t *result)
{
    cfmt_ask_t *ask = baton;

    ask->run->pending--;
    if (!ask->tolerant) {
        cfmt_run_note(ask->run, &result->r);
    }
    if (ask->done) {
        ask->done(ask, result);
    }
}

static apr_status_t call_row(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;

    int most = ask->run->job->rows_max ? ask->run->job->rows_max : ROWS_MAX;

    if (++ask->run->rows > most) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "more than %d rows: not believed", most);
        return CFMT_EINVALID;
    }
    return ask->row(baton, which, row, prow);
}

int cfmt_run_ask(cfmt_run_t *run, cfmt_api_call_t *call, const cfmt_ask_t *ask)
{
    cfmt_ask_t *mine = apr_pmemdup(run->p, ask, sizeof(*ask));
    cfmt_result_t r = { .status = APR_SUCCESS };

    if (cfmt_monotonic() > run->deadline) {
        cfmt_run_fail(run, CFMT_ENET, "the answers took more than %d s together; the rest is asked "
                      "next time", (int)apr_time_sec(ASK_FOR));
        return 0;
    }
    mine->run = run;
    mine->row = call->row;
    call->row = call_row;
    call->baton = mine;
    call->done = call_done;
    if (cfmt_api_call(run->e->api, call, &r, run->p) != APR_SUCCESS) {
        cfmt_run_note(run, &r);
        return 0;
    }
    run->pending++;
    return 1;
}

/* ---- what it concludes ----------------------------------------------------------------------- */

typedef enum { WRITE_JOURNAL, WRITE_READING, WRITE_FACTS, WRITE_OWN } write_e;

typedef struct write_t {
    write_e what;
    const char *kind;    /* of the row or reading; name of facts */
    const char *origin, *body, *tag, *id;
    apr_time_t at;
    const apr_table_t *facts;
    cfmt_write_fn_t *fn; /* the job's own */
    const void *arg;
    int rows; /* of the store, when they are several; 0 = 1 */
} write_t;

typedef struct line_t {
    cfmt_level_e level;
    const char *text;
} line_t;

void cfmt_run_journal(cfmt_run_t *run, const char *kind, const char *origin, const char *body,
                      const char *tag)
{
    APR_ARRAY_PUSH(run->writes, write_t) = (write_t){
        .what = WRITE_JOURNAL, .kind = kind, .origin = origin, .body = body, .tag = tag
    };
    run->journaled = run->writes->nelts;
}

void cfmt_run_reading(cfmt_run_t *run, const char *kind, const char *id, apr_time_t at)
{
    APR_ARRAY_PUSH(run->writes, write_t) = (write_t){ .what = WRITE_READING, .kind = kind,
                                                      .id = id, .at = at };
}

void cfmt_run_facts(cfmt_run_t *run, const char *name, const apr_table_t *facts)
{
    APR_ARRAY_PUSH(run->writes, write_t) = (write_t){ .what = WRITE_FACTS, .kind = name,
                                                      .facts = facts };
}

void cfmt_run_write(cfmt_run_t *run, cfmt_write_fn_t *fn, const void *arg, int rows)
{
    APR_ARRAY_PUSH(run->writes, write_t) = (write_t){ .what = WRITE_OWN, .fn = fn, .arg = arg,
                                                      .rows = rows };
}

void cfmt_run_tell(cfmt_run_t *run, cfmt_level_e level, const char *fmt, ...)
{
    line_t *line = apr_array_push(run->lines);
    va_list ap;

    va_start(ap, fmt);
    line->level = level;
    line->text = apr_pvsprintf(run->p, fmt, ap);
    va_end(ap);
}

/* What was asked before the clock was set was asked before that time, whatever it said then. */
static apr_time_t dated(const cfmt_run_t *run, apr_time_t t)
{
    int before = run->deadline - ASK_FOR < run->e->jumped_mono;

    return before && t >= run->e->jumped_at ? run->e->jumped_at - 1 : t;
}

static apr_status_t write_one(const cfmt_run_t *run, const write_t *w, apr_pool_t *ptemp)
{
    cfmt_store_t *s = run->e->store;
    cfmt_entry_t entry = { .kind = w->kind, .at = run->now, .origin = w->origin, .tag = w->tag,
                           .body = w->body };

    switch (w->what) {
    case WRITE_JOURNAL:
        entry.len = strlen(w->body);
        return cfmt_journal_append(s, &entry);
    case WRITE_READING:
        return cfmt_reading_note(s, w->kind, w->id, dated(run, w->at));
    case WRITE_OWN:
        return w->fn(s, w->arg, ptemp);
    default:
        return cfmt_sensed_save(s, w->kind, w->facts, dated(run, run->now), ptemp);
    }
}

/* ---- begin ----------------------------------------------------------------------------------- */

apr_interval_time_t cfmt_sense_duration(const cfmt_engine_t *e, const char *name,
                                        apr_interval_time_t def)
{
    const char *text = e->conf.settings ? apr_table_get(e->conf.settings, name) : NULL;

    if (text) {
        cfmt_duration_parse(&def, text);
    }
    return def;
}

static apr_interval_time_t interval_of(const cfmt_sense_t *job, const cfmt_engine_t *e)
{
    return job->interval ? job->interval
                         : cfmt_sense_duration(e, job->setting ? job->setting : "PollInterval",
                                               apr_time_from_sec(60));
}

static void make_run(state_t *st, const cfmt_sense_t *job, cfmt_engine_t *e, apr_time_t now,
                     int fails)
{
    apr_pool_t *p;

    apr_pool_create(&p, e->pool);
    apr_pool_tag(p, "cfmt_run");
    st->run = apr_pcalloc(p, sizeof(*st->run));
    st->run->e = e;
    st->run->job = job;
    st->run->p = p;
    st->run->now = now;
    st->run->deadline = cfmt_monotonic() + ASK_FOR;
    st->run->fails = fails;
    st->run->writes = apr_array_make(p, 8, sizeof(write_t));
    st->run->lines = apr_array_make(p, 2, sizeof(line_t));
}

static apr_status_t begin(state_t *st, const cfmt_sense_t *job, cfmt_engine_t *e)
{
    apr_time_t now = cfmt_clock_now(e->conf.clock);
    int claimed = 0, fails = 0;
    apr_status_t rv = APR_SUCCESS;

    if (!st->begun) {
        rv = cfmt_job_ensure(e->store, job->name, now);
        rv = rv == APR_SUCCESS ? cfmt_job_hurry(e->store, job->name, now, job->at_start) : rv;
        st->begun = rv == APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        rv = cfmt_job_claim(e->store, job->name, e->owner, now,
                        cfmt_clock_span(e->conf.clock, LEASE), &claimed, &fails);
    }
    if (rv == APR_SUCCESS && claimed) {
        make_run(st, job, e, now, fails);
    }
    return rv;
}

/* ---- end ------------------------------------------------------------------------------------- */

/* When an upstream says how long to wait, then so long; what was not asked costs nothing. */
static apr_time_t due_after(const cfmt_run_t *run, apr_time_t now)
{
    apr_interval_time_t interval = interval_of(run->job, run->e), wait = RETRY;
    apr_uint32_t seed = (apr_uint32_t)cfmt_digest64(run->job->name, strlen(run->job->name));
    int i;

    if (run->result.status == APR_SUCCESS) {
        return cfmt_schedule_next(now, interval, interval, 0, run->job->jitter, seed);
    }
    if (run->result.retry_at > now) {
        return run->result.retry_at;
    }
    for (i = 0; i < run->fails && wait < interval; i++) {
        wait *= 2;
    }
    return now + (wait < interval ? wait : interval);
}

static void facts_of(apr_table_t *t, const cfmt_upstream_state_t *u, apr_pool_t *p)
{
    const cfmt_breaker_t *b = &u->breaker;

    apr_table_setn(t, "breaker", cfmt_breaker_name(b->state));
    apr_table_setn(t, "since", apr_psprintf(p, "%" APR_TIME_T_FMT, b->since));
    apr_table_setn(t, "last_ok", apr_psprintf(p, "%" APR_TIME_T_FMT, b->last_ok));
    apr_table_setn(t, "probe_at", apr_psprintf(p, "%" APR_TIME_T_FMT, b->probe_at));
    apr_table_setn(t, "problem", b->fails ? cfmt_status_name(b->why) : "");
    apr_table_setn(t, "detail", b->fails ? u->detail : "");
    apr_table_setn(t, "left", apr_psprintf(p, "%.0f", u->left));
    apr_table_setn(t, "quota", apr_psprintf(p, "%.0f", u->quota));
    apr_table_setn(t, "blocked_until", apr_psprintf(p, "%" APR_TIME_T_FMT, u->blocked_until));
    apr_table_setn(t, "skew", apr_psprintf(p, "%" APR_TIME_T_FMT, u->skew));
}

/* For health and cfmtctl, which are other processes. */
static apr_status_t write_upstreams(cfmt_run_t *run, apr_time_t now, apr_pool_t *ptemp)
{
    cfmt_upstream_state_t u;
    apr_status_t rv = APR_SUCCESS;
    apr_table_t *t;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < CFMT_UPSTREAMS; i++) {
        cfmt_api_state(run->e->api, (cfmt_upstream_e)i, &u);
        t = apr_table_make(ptemp, 12);
        facts_of(t, &u, ptemp);
        rv = cfmt_sensed_save(run->e->store,
                              apr_pstrcat(ptemp, "upstream ",
                                          cfmt_upstream_name((cfmt_upstream_e)i), NULL),
                              t, now, ptemp);
    }
    return rv;
}

/* *pto: how far it came. */
static apr_status_t write_rows(cfmt_run_t *run, int *pto, apr_time_t now, apr_pool_t *ptemp)
{
    apr_status_t rv = APR_SUCCESS;
    int i, n = run->writes->nelts, rows = 0;

    for (i = run->written; rv == APR_SUCCESS && i < n && rows < PIECE; i++) {
        const write_t *w = &APR_ARRAY_IDX(run->writes, i, write_t);

        rv = write_one(run, w, ptemp);
        rows += w->rows ? w->rows : 1;
    }
    if (rv == APR_SUCCESS && i == n) {
        rv = run->job->write ? run->job->write(run, ptemp) : APR_SUCCESS;
    }
    if (rv == APR_SUCCESS && i == n) {
        rv = write_upstreams(run, now, ptemp);
    }
    *pto = i;
    return rv;
}

static apr_status_t write_piece(cfmt_run_t *run, int *pmore, apr_time_t now, apr_pool_t *ptemp)
{
    cfmt_store_t *s = run->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);
    int to = 0;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = write_rows(run, &to, now, ptemp);
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv;
    }
    rv = cfmt_store_commit(s);
    if (rv == APR_SUCCESS) {
        *pmore = to < run->writes->nelts;
        run->e->journaled |= *pmore || run->journaled > run->written;
        run->written = to;
    }
    return rv;
}

static void tell(const cfmt_run_t *run)
{
    int i;

    for (i = 0; i < run->lines->nelts && i < LINES_MAX; i++) {
        const line_t *line = &APR_ARRAY_IDX(run->lines, i, line_t);

        cfmt_log(run->e->conf.log, line->level, "%s", line->text);
    }
    if (i < run->lines->nelts) {
        cfmt_log(run->e->conf.log, CFMT_LOG_WARNING,
                 CFMT_ID(0870) "job %s: %d more lines like these are left out; cfmtctl shows what "
                               "is so now",
                 run->job->name, run->lines->nelts - i);
    }
}

static const char *result_text(const cfmt_run_t *run, apr_pool_t *p)
{
    const cfmt_result_t *r = &run->result;

    if (r->status == APR_SUCCESS) {
        return run->summary ? run->summary : "ok";
    }
    return apr_psprintf(p, "%s: %s", r->problem, r->detail);
}

/*
 * One line when it changes, one an hour while it lasts. What was not asked because something else
 * failed before is that one's line.
 */
static void report(state_t *st, const cfmt_run_t *run, apr_time_t now, apr_time_t due,
                   apr_pool_t *p)
{
    const cfmt_result_t *r = &run->result;
    const cfmt_log_t *log = run->e->conf.log;
    const char *again = cfmt_duration_format(p, due - now - (due - now) % APR_USEC_PER_SEC);

    if (r->status == APR_SUCCESS) {
        if (st->trouble != APR_SUCCESS) {
            cfmt_log(log, CFMT_LOG_NOTICE, CFMT_ID(0851) "job %s works again after %s",
                     run->job->name, cfmt_duration_format(p, now - st->since));
        }
        st->trouble = APR_SUCCESS;
        return;
    }
    if (r->status == CFMT_EBREAKER || (r->status == st->trouble && now >= st->told_at
                                       && now - st->told_at < REPEAT)) {
        return;
    }
    if (r->status == CFMT_EAUTH) {
        cfmt_log(log, CFMT_LOG_ERR,
                 CFMT_ID(0852) "job %s: %s; changed? put the new one "
                               "into the file that CfmtApiToken names and reload Apache; tried "
                               "again in %s",
                 run->job->name, r->detail, again);
    }
    else {
        cfmt_log(log, CFMT_LOG_WARNING,
                 CFMT_ID(0850) "job %s failed (%s): %s; tried again in %s", run->job->name,
                 r->problem, r->detail, again);
    }
    st->since = st->trouble == APR_SUCCESS ? now : st->since;
    st->trouble = r->status;
    st->told_at = now;
}

static cfmt_job_end_e end_of(const cfmt_result_t *r)
{
    return r->status == APR_SUCCESS     ? CFMT_JOB_OK
           : r->status == CFMT_EBREAKER ? CFMT_JOB_UNASKED : CFMT_JOB_FAILED;
}

/* A busy store, or much to write: the next round goes on where this one stopped. */
static apr_status_t write_all(cfmt_run_t *run, int *pmore, apr_time_t now, apr_pool_t *ptick)
{
    apr_time_t end = cfmt_monotonic() + WRITE_FOR;
    apr_status_t rv;

    do {
        rv = write_piece(run, pmore, now, ptick);
    } while (rv == APR_SUCCESS && *pmore && cfmt_monotonic() < end);
    return rv;
}

/* What decisions rest on; where a list of prefixes failed others have been read. */
static void note_reading(const cfmt_run_t *run)
{
    int prefixes = run->job == &cfmt_sense_prefixes, ok = run->result.status == APR_SUCCESS;

    if (prefixes) {
        run->e->read_fails = ok ? 0 : run->e->read_fails + 1;
    }
    run->e->reads += prefixes || (ok && run->job == &cfmt_sense_traffic);
}

static apr_status_t finish(state_t *st, apr_pool_t *ptick)
{
    cfmt_run_t *run = st->run;
    cfmt_engine_t *e = run->e;
    apr_time_t now = cfmt_clock_now(e->conf.clock);
    apr_status_t rv;
    int more = 0;

    if (!run->due) {
        rv = write_all(run, &more, now, ptick);
        if (rv != APR_SUCCESS || more) {
            return rv;
        }
        if (run->job->stored) {
            run->job->stored(run);
        }
        run->due = due_after(run, now);
        report(st, run, now, run->due, ptick);
        tell(run);
        note_reading(run);
    }
    rv = cfmt_job_done(e->store, run->job->name, e->owner, now, run->due, end_of(&run->result),
                       result_text(run, ptick));
    if (rv == APR_SUCCESS) { /* else only this is done again: asking anew would cost calls */
        st->run = NULL;
        apr_pool_destroy(run->p);
    }
    return rv;
}

void cfmt_senses_end(cfmt_engine_t *e)
{
    apr_time_t now = cfmt_clock_now(e->conf.clock);
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < JOBS; i++) {
        if (e->senses->of[i].run) {
            rv = cfmt_job_done(e->store, jobs[i]->name, e->owner, now, now, CFMT_JOB_UNASKED,
                               "cut short: its leader ended");
        }
    }
}

/* ---- the round's part ------------------------------------------------------------------------ */

static apr_status_t advance(state_t *st, const cfmt_sense_t *job, cfmt_engine_t *e,
                            apr_pool_t *ptick)
{
    apr_status_t rv = st->run ? APR_SUCCESS : begin(st, job, e);

    if (rv != APR_SUCCESS || !st->run || st->run->pending) {
        return rv;
    }
    if (!st->run->over) {
        job->next(st->run);
        st->run->step++;
        st->run->over = !st->run->pending;
        if (st->run->over) {
            job->conclude(st->run);
            if (st->run->result.status == CFMT_EAUTH) {
                cfmt_token_refused(st->run);
            }
        }
    }
    return st->run->over ? finish(st, ptick) : APR_SUCCESS;
}

/*
 * Where the breaker is open all are due when it lets one call pass, and the first gets it: another
 * one each time, or a single path that fails would keep it open for all.
 */
static int first_of(const cfmt_engine_t *e)
{
    cfmt_upstream_state_t u;

    cfmt_api_state(e->api, CFMT_UPSTREAM_REST, &u);
    return u.breaker.opened % JOBS;
}

apr_status_t cfmt_senses_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_jobs_due(e->store, cfmt_clock_now(e->conf.clock), &rows, ptick);
    int i, job, first = first_of(e);

    for (i = 0; rv == APR_SUCCESS && i < JOBS; i++) {
        state_t *st = &e->senses->of[job = (first + i) % JOBS];
        const cfmt_job_due_t *due = cfmt_job_find(rows, jobs[job]->name);

        if (st->run || !st->begun || !due || due->due) {
            rv = advance(st, jobs[job], e, ptick);
        }
    }
    if (rv == APR_SUCCESS) {
        rv = cfmt_blind_check(e, &e->senses->blind_due, ptick);
        *pdue = !*pdue || e->senses->blind_due < *pdue ? e->senses->blind_due : *pdue;
    }
    return rv;
}

apr_status_t cfmt_senses_due(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_jobs_due(e->store, cfmt_clock_now(e->conf.clock), &rows, ptick);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < JOBS; i++) {
        const cfmt_job_due_t *due = cfmt_job_find(rows, jobs[i]->name);

        if (due && !e->senses->of[i].run) { /* a run's answers end the wait */
            *pdue = !*pdue || due->at < *pdue ? due->at : *pdue;
        }
    }
    return rv;
}

static state_t *prefixes_of(cfmt_engine_t *e)
{
    int i;

    for (i = 0; jobs[i] != &cfmt_sense_prefixes; i++) {
    }
    return &e->senses->of[i];
}

apr_status_t cfmt_senses_prefixes(cfmt_engine_t *e, int *pbusy, apr_pool_t *ptick)
{
    state_t *st = prefixes_of(e);
    apr_status_t rv = APR_SUCCESS;

    if (!st->begun) {
        rv = cfmt_job_ensure(e->store, cfmt_sense_prefixes.name, cfmt_clock_now(e->conf.clock));
        rv = rv == APR_SUCCESS ? cfmt_job_hurry(e->store, cfmt_sense_prefixes.name,
                                                cfmt_clock_now(e->conf.clock), 1) : rv;
    }
    rv = rv == APR_SUCCESS ? advance(st, &cfmt_sense_prefixes, e, ptick) : rv;
    *pbusy = st->run != NULL;
    return rv;
}
