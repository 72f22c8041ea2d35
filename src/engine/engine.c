/*
 * The round: project, run due jobs, ask Cloudflare, tell people, checkpoint. What it keeps between
 * rounds can be lost at any moment.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "decide.h"
#include "news_of.h"
#include "tell.h"

#define SPACING apr_time_from_msec(50) /* between the starts of two rounds */
/* of projecting in one round: the heartbeat must not wait */
#define BUDGET apr_time_from_msec(800)
/* a commit that recent means that deliveries are coming in */
#define BUSY_WITHIN apr_time_from_msec(20)
/*
 * Rows a second beside a busy intake: each round takes what is due since the last one, so that a
 * late one catches up, in steps that the projector keeps short.
 */
#define BUSY_RATE 1100
#define BUSY_ROWS_MAX 110
#define JUMP apr_time_from_sec(5)      /* of the clock, that is noticed */
#define RETRY apr_time_from_sec(5)     /* a store that fails is tried again */
#define REPEAT apr_time_from_sec(3600) /* and complained about */
#define BUSY_LONG apr_time_from_sec(60) /* a lock that is held this long is trouble */
#define IDLE apr_time_from_sec(60)     /* a round is due at the latest */

/* One for Cloudflare and for the channels: there is one wait. */
static apr_status_t start_http(cfmt_engine_t *e, apr_pool_t *p)
{
    cfmt_http_conf_t conf = e->conf.api ? e->conf.api->http : e->conf.http;

    conf.log = e->conf.log;
    return cfmt_http_create(&e->http, &conf, p);
}

static apr_status_t start_api(cfmt_engine_t *e, apr_pool_t *p)
{
    cfmt_api_conf_t conf;
    apr_status_t rv;

    if (!e->conf.api) {
        return APR_SUCCESS;
    }
    conf = *e->conf.api;
    conf.clock = e->conf.clock;
    conf.transport = e->http;
    rv = cfmt_api_create(&e->api, &conf, p);
    if (rv != APR_SUCCESS) {
        e->api = NULL;
        return rv;
    }
    e->senses = cfmt_senses_create(p);
    return APR_SUCCESS;
}

static void start_out(cfmt_engine_t *e)
{
    int channels = e->conf.channels && e->conf.channels->nelts;
    apr_status_t rv;
    apr_pool_t *p;

    if (!e->conf.api && !channels) {
        return;
    }
    apr_pool_create(&p, e->pool);
    apr_pool_tag(p, "cfmt_out");
    rv = start_http(e, p);
    if (rv == APR_SUCCESS) {
        e->teller = cfmt_teller_create(e, p);
        rv = start_api(e, p);
    }
    if (rv != APR_SUCCESS && e->conf.api) {
        cfmt_log(e->conf.log, CFMT_LOG_ERR,
                 CFMT_ID(0408) "nothing can be asked of Cloudflare: %s (CfmtCaFile, CfmtProxy and "
                               "the URLs are taken at start: correct them and reload Apache)",
                 cfmt_status_text(rv, p));
    }
    if (channels && !e->teller) {
        cfmt_log(e->conf.log, CFMT_LOG_ERR,
                 CFMT_ID(1038) "nobody can be told anything: %s (CfmtCaFile and CfmtProxy are taken"
                               " at start: correct them and reload Apache)",
                 cfmt_status_text(rv, p));
    }
}

/* What is remembered between rounds, of this store. After a start the real state is read first. */
static void start_decisions(cfmt_engine_t *e)
{
    e->decider = cfmt_decider_create(e->store_pool);
    e->memories = apr_hash_make(e->store_pool);
    e->no_command = 0;
    e->audit.id = e->anchored = 0;
    e->began_at = e->read_from = cfmt_clock_now(e->conf.clock);
    e->of_before = 0;
    e->undated = 1;
}

cfmt_engine_t *cfmt_engine_create(const cfmt_engine_conf_t *conf, apr_pool_t *p)
{
    cfmt_engine_t *e = apr_pcalloc(p, sizeof(*e));

    e->conf = *conf;
    e->pool = p;
    e->data_version = -1;
    e->worked_at = cfmt_monotonic();
    apr_pool_create(&e->store_pool, p);
    e->owner = apr_psprintf(p, "pid %d", (int)getpid());
    e->config = cfmt_settings_digest(conf->settings ? conf->settings : apr_table_make(p, 1), p);
    e->projector = cfmt_projector_create(conf->log, e->store_pool);
    e->known = cfmt_known_create(e->store_pool);
    e->attacks = cfmt_attacks_create(e->store_pool);
    e->calls = apr_array_make(p, 4, sizeof(struct cfmt_deed_call_t *));
    e->programs = apr_array_make(p, 2, sizeof(struct cfmt_program_t *));
    start_decisions(e);
    start_out(e);
    return e;
}

void cfmt_engine_end(cfmt_engine_t *e)
{
    if (e->store && e->senses) {
        cfmt_senses_end(e);
    }
    cfmt_tell_end(e);
}

/* ---- the store ------------------------------------------------------------------------------- */

static void close_store(cfmt_engine_t *e)
{
    e->store = NULL;
    apr_pool_clear(e->store_pool); /* closes it */
    /* what they remember is of that file: the next one may be another, at the same cursor */
    e->projector = cfmt_projector_create(e->conf.log, e->store_pool);
    e->known = cfmt_known_create(e->store_pool);
    e->attacks = cfmt_attacks_create(e->store_pool);
    start_decisions(e);
}

/* The file that we had open as a store, and nothing is in it: damage, and perhaps it comes back. */
static int was_emptied(const cfmt_engine_t *e)
{
    struct stat sb;

    return e->ino && stat(e->conf.db, &sb) == 0 && sb.st_dev == e->dev && sb.st_ino == e->ino
           && sb.st_size == 0;
}

static void remember_file(cfmt_engine_t *e)
{
    struct stat sb;

    if (stat(e->conf.db, &sb) == 0) {
        e->dev = sb.st_dev;
        e->ino = sb.st_ino;
    }
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
    if (rv == CFMT_EOLDER && was_emptied(e)) {
        return cfmt_result_set(r, ptick, CFMT_ECORRUPT,
                               "%s was emptied: put a backup in its place, or delete it and a new "
                               "one is made",
                               e->conf.db);
    }
    if ((rv == CFMT_EMISSING || rv == CFMT_EOLDER) && e->conf.settings && !e->conf.mine) {
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
    if (rv == APR_SUCCESS) {
        remember_file(e);
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

/* The rows of this round beside a busy intake; round_at is still the start of the last one. */
static int busy_rows(const cfmt_engine_t *e)
{
    apr_int64_t due = (cfmt_monotonic() - e->round_at) * BUSY_RATE / APR_USEC_PER_SEC;

    return due < 1 ? 1 : due < BUSY_ROWS_MAX ? (int)due : BUSY_ROWS_MAX;
}

/*
 * Until the head is reached; beside a busy intake 1,000 rows a second and hardly more: deliveries
 * go first, the backlog is seen in health. *pmore: rows are left.
 */
static apr_status_t project(cfmt_engine_t *e, int *pmore, apr_pool_t *ptick)
{
    apr_time_t end = cfmt_monotonic() + BUDGET;
    int done, limit, left = busy_rows(e);
    apr_status_t rv;
    apr_pool_t *pstep;

    apr_pool_create(&pstep, ptick);
    do {
        apr_pool_clear(pstep);
        limit = left > 0 && intake_busy(e) ? left : CFMT_PROJECT_STEP;
        rv = cfmt_project_step(e->projector, e->store, limit, &done, pstep);
        *pmore = rv == APR_SUCCESS && done > 0; /* a step may be short and not the last */
        left -= done;
    } while (*pmore && (left > 0 || !intake_busy(e)) && cfmt_monotonic() < end);
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

/* ---- the clock ------------------------------------------------------------------------------- */

/*
 * What time it should be by the time that has passed. Decisions rest on times: behind a jump the
 * real state is read before anything is done.
 */
static void watch_clock(cfmt_engine_t *e, apr_time_t now, apr_time_t mono, apr_pool_t *ptick)
{
    const cfmt_clock_t *clock = e->conf.clock;
    apr_interval_time_t off = now - e->clock_at - cfmt_clock_span(clock, mono - e->clock_mono);
    apr_interval_time_t most = cfmt_clock_span(clock, apr_time_from_msec(200));

    most = most > JUMP ? most : JUMP;
    if (e->clock_at && (off > most || off < -most)) {
        e->undated = 1;
        e->jumped_at = e->read_from = now;
        e->set_back = off < 0;
        e->jumped_mono = mono;
        cfmt_scene_forget_asked(e);
        cfmt_log(e->conf.log, CFMT_LOG_WARNING,
                 CFMT_ID(0976) "the clock was set %s by %s: nothing is withdrawn before the state"
                               " of the prefixes is read anew",
                 off > 0 ? "forward" : "back",
                 apr_psprintf(ptick, "%" APR_TIME_T_FMT " s", apr_time_sec(off > 0 ? off : -off)));
    }
    e->clock_at = now;
    e->clock_mono = mono;
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

/* What the journal says is projected to its head: nothing that was answered is overlooked. */
static apr_status_t decide_and_act(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick)
{
    apr_status_t rv = cfmt_attacks_run(e, pdue, ptick);

    if (rv == APR_SUCCESS) {
        rv = cfmt_commands_run(e, ptick);
    }
    if (rv == APR_SUCCESS && e->api && !e->journaled) {
        cfmt_programs_run(e);
        rv = cfmt_decide_run(e, pdue, ptick);
        cfmt_programs_due(e, pdue);
        rv = rv == APR_SUCCESS ? cfmt_act_run(e, pdue, ptick) : rv;
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
    if (rv == APR_SUCCESS && e->api) {
        rv = cfmt_senses_run(e, pdue, ptick);
    }
    if (rv == APR_SUCCESS && !*pmore) {
        rv = decide_and_act(e, pdue, ptick);
        rv = rv == APR_SUCCESS ? cfmt_routine_run(e, pdue, ptick) : rv;
    }
    if (rv == APR_SUCCESS) {
        rv = cfmt_tell_run(e, pdue, ptick);
    }
    if (rv == APR_SUCCESS && e->api) {
        rv = cfmt_senses_due(e, pdue, ptick);
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
    const cfmt_clock_t *clock = e->conf.clock;
    apr_time_t start = cfmt_clock_now(clock), began = cfmt_monotonic(), due = 0;
    apr_status_t rv;
    int more = 0;

    r = r ? r : &mine;
    e->journaled = 0;
    watch_clock(e, start, began, ptick);
    rv = work(e, &more, &due, r, ptick);
    e->round_at = began;
    rest->deaf = start + cfmt_clock_span(clock, SPACING);
    if (passing(e, rv)) {
        rest->until = rest->deaf;
        return APR_SUCCESS;
    }
    report(e, rv, r, start);
    if (rv != APR_SUCCESS) {
        rest->until = rest->deaf = start + cfmt_clock_span(clock, RETRY);
    }
    else {
        rest->until = more || e->journaled ? rest->deaf : start + cfmt_clock_span(clock, IDLE);
        if (due && due < rest->until) {
            rest->until = due > rest->deaf ? due : rest->deaf;
        }
    }
    return rv;
}

/* What the commands and the deeds of a round without policy come to; the state is read first. */
static apr_status_t command(cfmt_engine_t *e, int *pbusy, apr_pool_t *ptick)
{
    apr_time_t due = 0;
    apr_status_t rv = e->api ? cfmt_senses_prefixes(e, pbusy, ptick) : APR_SUCCESS;

    if (rv == APR_SUCCESS && !*pbusy && !e->journaled) {
        rv = cfmt_commands_run(e, ptick);
    }
    if (rv == APR_SUCCESS && e->api && !e->journaled) { /* what was read is not projected yet */
        rv = cfmt_act_run(e, &due, ptick);
    }
    return rv;
}

apr_status_t cfmt_engine_command(cfmt_engine_t *e, int *pbusy, cfmt_result_t *r, apr_pool_t *ptick)
{
    apr_status_t rv = cfmt_engine_project(e, r, ptick);

    *pbusy = 0;
    e->journaled = 0;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_jobs_inherit(e, ptick);
    rv = rv == APR_SUCCESS ? command(e, pbusy, ptick) : rv;
    *pbusy |= e->journaled || e->calls->nelts > 0;
    if (rv == CFMT_EBUSY || rv == CFMT_EMOVED) {
        *pbusy = 1;
        rv = APR_SUCCESS;
    }
    if (rv != APR_SUCCESS) {
        cfmt_result_set(r, ptick, rv, "%s: %s", e->conf.db, cfmt_store_error(e->store));
    }
    return rv;
}

void cfmt_engine_wait(cfmt_engine_t *e, struct pollfd *fds, int nfds, apr_interval_time_t timeout)
{
    int ended = 0;

    if (!e->http) {
        (void)poll(fds, (nfds_t)nfds, timeout <= 0 ? 0 : (int)((timeout + 999) / 1000));
        return;
    }
    if (cfmt_http_poll(e->http, fds, nfds, timeout, &ended) != APR_SUCCESS) {
        (void)poll(fds, (nfds_t)nfds, 100); /* libcurl fails at once: at least we do not spin */
    }
    e->answered |= ended > 0;
}

int cfmt_engine_stirred(cfmt_engine_t *e)
{
    apr_int64_t v;
    int stirred;

    if (e->answered) {
        e->answered = 0;
        return 1;
    }
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
