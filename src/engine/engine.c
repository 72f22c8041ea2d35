/*
 * The round: project, run due jobs, checkpoint. What it keeps between rounds can be lost at any
 * moment.
 */
#include <stdlib.h>
#include <unistd.h>

#include <apr_strings.h>

#include "engine_private.h"

#define SPACING apr_time_from_msec(50) /* between the starts of two rounds */
/* of projecting in one round: the heartbeat must not wait */
#define BUDGET apr_time_from_msec(800)
/* a commit that recent means that deliveries are coming in */
#define BUSY_WITHIN apr_time_from_msec(20)
/* of a round beside a busy intake, in steps that the projector keeps short */
#define BUSY_ROWS 50
#define RETRY apr_time_from_sec(5)     /* a store that fails is tried again */
#define REPEAT apr_time_from_sec(3600) /* and complained about */
#define BUSY_LONG apr_time_from_sec(60) /* a lock that is held this long is trouble */
#define IDLE apr_time_from_sec(60)     /* a round is due at the latest */

cfmt_engine_t *cfmt_engine_create(const cfmt_engine_conf_t *conf, apr_pool_t *p)
{
    cfmt_engine_t *e = apr_pcalloc(p, sizeof(*e));

    e->conf = *conf;
    e->pool = p;
    e->data_version = -1;
    e->worked_at = cfmt_monotonic();
    apr_pool_create(&e->store_pool, p);
    e->owner = apr_psprintf(p, "pid %d", (int)getpid());
    e->projector = cfmt_projector_create(conf->log, e->store_pool);
    return e;
}

/* ---- the store ------------------------------------------------------------------------------- */

static void close_store(cfmt_engine_t *e)
{
    e->store = NULL;
    apr_pool_clear(e->store_pool); /* closes it */
    /* what it remembers is of that file: the next one may be another, at the same cursor */
    e->projector = cfmt_projector_create(e->conf.log, e->store_pool);
}

/*
 * Missing or older: a helper that could not do it at start, or somebody deleted the file. Made
 * again, not waited for.
 */
static apr_status_t ensure_store(cfmt_engine_t *e, cfmt_result_t *r, apr_pool_t *ptick)
{
    apr_status_t rv;

    if (e->store && cfmt_store_verify(e->store) == APR_SUCCESS) {
        return APR_SUCCESS;
    }
    /* what only the old log has is saved before anybody begins a new one */
    if (e->store
        && cfmt_store_checkpoint(e->store, 0, apr_time_from_msec(250), NULL) == CFMT_EBUSY) {
        return CFMT_EBUSY;
    }
    close_store(e);
    rv = cfmt_store_open(&e->store, e->conf.db, CFMT_STORE_WRITE, r, e->store_pool);
    if ((rv == CFMT_EMISSING || rv == CFMT_EOLDER) && e->conf.settings) {
        rv = cfmt_prepare_store(e->conf.db, e->conf.settings, cfmt_clock_now(e->conf.clock), r,
                                ptick);
        if (rv == APR_SUCCESS) {
            cfmt_log(e->conf.log, CFMT_LOG_WARNING,
                     CFMT_ID(0403) "store %s was missing or not yet set up and "
                                   "has been made anew: deliveries are stored again, what an "
                                   "earlier file held is not in it",
                     e->conf.db);
            rv = cfmt_store_open(&e->store, e->conf.db, CFMT_STORE_WRITE, r, e->store_pool);
        }
    }
    return rv;
}

/* One line when the state changes, one an hour while it lasts; health hears of it at once. */
static void report(cfmt_engine_t *e, apr_status_t rv, const cfmt_result_t *r, apr_time_t now)
{
    if (e->conf.gauges) {
        CFMT_GAUGE_SET(e->conf.gauges->trouble, rv);
    }
    if (rv == APR_SUCCESS) {
        if (e->trouble != APR_SUCCESS) {
            cfmt_log(e->conf.log, CFMT_LOG_NOTICE, CFMT_ID(0402) "the store works again");
        }
        e->trouble = APR_SUCCESS;
        return;
    }
    if (rv != e->trouble || now - e->reported_at >= REPEAT || now < e->reported_at) {
        cfmt_log(e->conf.log, CFMT_LOG_ERR,
                 CFMT_ID(0401) "store trouble, projection and jobs stand still: %s; "
                               "tried again every %d s",
                 r->detail ? r->detail : cfmt_status_name(rv), (int)apr_time_sec(RETRY));
        e->reported_at = now;
    }
    e->trouble = rv;
}

/* ---- project --------------------------------------------------------------------------------- */

static int intake_busy(const cfmt_engine_t *e)
{
    cfmt_gauge_sum_t sum;

    if (!e->conf.gauges) {
        return 0;
    }
    cfmt_gauges_sum(&sum, e->conf.gauges);
    return sum.queued > 0 || cfmt_monotonic() - sum.worked_at < BUSY_WITHIN;
}

/*
 * Until the head is reached; beside a busy intake some rows a round, 1,000 a second at least:
 * deliveries go first, the backlog is seen in health. *pmore: rows are left.
 */
static apr_status_t project(cfmt_engine_t *e, int *pmore, apr_pool_t *ptick)
{
    apr_time_t end = cfmt_monotonic() + BUDGET;
    apr_status_t rv;
    apr_pool_t *pstep;
    int done, rows = 0;

    apr_pool_create(&pstep, ptick);
    do {
        apr_pool_clear(pstep);
        rv = cfmt_project_step(e->projector, e->store, CFMT_PROJECT_STEP, &done, pstep);
        *pmore = rv == APR_SUCCESS && done > 0; /* a step may be short and not the last */
        rows += done;
    } while (*pmore && (rows < BUSY_ROWS || !intake_busy(e)) && cfmt_monotonic() < end);
    return rv;
}

apr_status_t cfmt_engine_project(cfmt_engine_t *e, cfmt_result_t *r, apr_pool_t *ptick)
{
    apr_status_t rv = ensure_store(e, r, ptick);
    int more = 1;

    while (rv == APR_SUCCESS && more) {
        rv = project(e, &more, ptick);
    }
    if (rv != APR_SUCCESS && e->store) {
        cfmt_result_set(r, ptick, rv, "%s", cfmt_store_error(e->store));
    }
    return rv;
}

/* ---- checkpoint ------------------------------------------------------------------------------ */

/* Here and not in the committer: measured, it stalls every waiter there for 7 to 15 ms. */
static void checkpoint(cfmt_engine_t *e)
{
    if (cfmt_store_wal_pages(e->store) >= CFMT_WAL_CHECKPOINT_PAGES) {
        (void)cfmt_store_checkpoint(e->store, 0, apr_time_from_msec(50), NULL);
    }
}

/* ---- the round ------------------------------------------------------------------------------- */

/* Lock not had, or another leader was faster: nothing is wrong with the store, unless it lasts. */
static int passing(cfmt_engine_t *e, apr_status_t rv)
{
    if (rv != CFMT_EBUSY && rv != CFMT_EMOVED) {
        e->worked_at = cfmt_monotonic();
        return 0;
    }
    return cfmt_monotonic() - e->worked_at < BUSY_LONG;
}

/* Deliveries were refused and none has been stored since. */
static int intake_fails(const cfmt_engine_t *e)
{
    cfmt_gauge_sum_t sum;

    if (!e->conf.gauges) {
        return 0;
    }
    cfmt_gauges_sum(&sum, e->conf.gauges);
    return sum.error != APR_SUCCESS;
}

/* Nobody may come for hours to prove that it works again, so the leader does. */
static apr_status_t probe(cfmt_engine_t *e)
{
    apr_status_t rv;

    if (!intake_fails(e)) {
        return APR_SUCCESS;
    }
    rv = cfmt_store_probe(e->store, cfmt_clock_now(e->conf.clock), apr_time_from_msec(50));
    if (rv == APR_SUCCESS) {
        CFMT_GAUGE_SET(e->conf.gauges->probe_at, cfmt_monotonic());
    }
    return rv;
}

static apr_status_t work(cfmt_engine_t *e, int *pmore, apr_time_t *pdue, cfmt_result_t *r,
                         apr_pool_t *ptick)
{
    apr_status_t rv = ensure_store(e, r, ptick);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = probe(e);
    if (rv == APR_SUCCESS) {
        rv = project(e, pmore, ptick);
    }
    if (rv == APR_SUCCESS) {
        rv = cfmt_jobs_run(e, pdue, ptick);
    }
    if (rv == APR_SUCCESS || rv == CFMT_EBUSY || rv == CFMT_EMOVED) {
        checkpoint(e);
    }
    else {
        cfmt_result_set(r, ptick, rv, "%s: %s", e->conf.db, cfmt_store_error(e->store));
        close_store(e);
    }
    return rv;
}

apr_status_t cfmt_engine_round(cfmt_engine_t *e, cfmt_rest_t *rest, cfmt_result_t *r,
                               apr_pool_t *ptick)
{
    cfmt_result_t mine = { .status = APR_SUCCESS };
    apr_time_t start = cfmt_clock_now(e->conf.clock), due = 0;
    apr_status_t rv;
    int more = 0;

    r = r ? r : &mine;
    e->round_at = cfmt_monotonic();
    rv = work(e, &more, &due, r, ptick);
    rest->deaf = start + SPACING;
    if (passing(e, rv)) {
        rest->until = rest->deaf;
        return APR_SUCCESS;
    }
    report(e, rv, r, start);
    if (rv != APR_SUCCESS) {
        rest->until = rest->deaf = start + RETRY;
    }
    else {
        rest->until = more ? rest->deaf : start + IDLE;
        if (due && due < rest->until) {
            rest->until = due > rest->deaf ? due : rest->deaf;
        }
    }
    return rv;
}

int cfmt_engine_stirred(cfmt_engine_t *e)
{
    apr_int64_t v;
    int stirred;

    if (!e->store) {
        return 0;
    }
    if (cfmt_store_verify(e->store) != APR_SUCCESS
        || (intake_fails(e) && cfmt_monotonic() - e->round_at >= RETRY)) {
        return 1;
    }
    v = cfmt_store_data_version(e->store);
    stirred = v != e->data_version;
    e->data_version = v;
    return stirred;
}
