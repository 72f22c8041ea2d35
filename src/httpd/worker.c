/*
 * A child: its commit queue, its gauge and the engine's thread, from child_init to the pre-cleanup
 * of its pool.
 */
#include "httpd_cfmt.h"

#include <dlfcn.h>
#include <signal.h>

#include <ap_mpm.h>
#include <scoreboard.h>

/*
 * Together below the parent's patience (9 s), and in prefork the clean-up may run inside a signal
 * handler: every wait here has a limit.
 */
#define RUNNER_LIMIT apr_time_from_msec(3000)
#define COMMIT_LIMIT apr_time_from_msec(2000)

/* One a process; set before there are threads. */
static cfmt_child_t *child;
/*
 * Not so in prefork: there the clean-up may run in a signal handler, on top of whatever the process
 * did.
 */
static int threaded;

/* ---- the log seam ---------------------------------------------------------------------------- */

static void write_line(void *baton, cfmt_level_e level, const char *line)
{
    ap_log_error(APLOG_MARK, level >= CFMT_LOG_TRACE ? APLOG_TRACE1 : (int)level, 0, baton, "%s",
                 line);
}

void cfmt_log_to_server(cfmt_log_t *log, server_rec *s)
{
    int level = ap_get_server_module_loglevel(s, APLOG_MODULE_INDEX);

    log->write = write_line;
    log->baton = s;
    log->max = level >= APLOG_TRACE1 ? CFMT_LOG_TRACE : (cfmt_level_e)level;
}

/* ---- a delivery's row ------------------------------------------------------------------------ */

/*
 * Prefork only: a signal that ends the child waits until the row is stored (bounded by the
 * timeout). Otherwise the clean-up would run on top of the commit that it has to wait for.
 */
static void hold_end(sigset_t *before)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

apr_status_t cfmt_child_submit(cfmt_entry_t *e, apr_interval_time_t timeout)
{
    cfmt_child_t *c = child;
    sigset_t before;
    apr_status_t rv;

    if (!c || !c->commit) {
        return CFMT_ESTOPPED;
    }
    if (!threaded) {
        hold_end(&before);
    }
    rv = cfmt_commit_submit(c->commit, e, timeout);
    if (!threaded) {
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return rv;
}

/* ---- end ------------------------------------------------------------------------------------- */

/* Prefork calls every end ungraceful, that of a single child, too: nothing is known there. */
void cfmt_child_stopping(apr_pool_t *pchild, int graceful)
{
    (void)pchild;
    if (!child || !child->runner) {
        return;
    }
    if (threaded && !graceful) {
        cfmt_runner_last(child->runner);
    }
    else {
        cfmt_runner_ask(child->runner);
    }
}

/* exit() unloads modules: the code of a thread that is left behind must not go under its feet. */
static void stay_loaded(void)
{
    Dl_info info;

    if (dladdr(&child, &info) && info.dli_fname) {
        (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    }
}

/*
 * Before the pool's memory goes, and also on the exits that skip the hook above. First the runner:
 * its last commit needs nothing of ours. What does not end in time is left alone with its own pool;
 * the process ends anyway.
 */
static apr_status_t stop_child(void *baton)
{
    cfmt_child_t *c = baton;
    const server_rec *s = c->log.baton;

    child = NULL;
    if (c->runner && cfmt_runner_stop(c->runner, RUNNER_LIMIT) == APR_TIMEUP) {
        stay_loaded();
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, s,
            CFMT_ID(0450) "the engine's thread did not end within 3 s; the process ends under it");
    }
    if (c->commit && cfmt_commit_stop(c->commit, COMMIT_LIMIT) == APR_TIMEUP) {
        stay_loaded();
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     CFMT_ID(0451) "a commit did not end within 2 s; its sender gets no answer");
    }
    return APR_SUCCESS;
}

/* ---- begin ----------------------------------------------------------------------------------- */

static void start_commit(cfmt_child_t *c, const cfmt_generation_t *g)
{
    cfmt_commit_conf_t conf = {
        .db = cfmt_config_db(g->conf),
        .wake_fd = g->wake_fd,
        .gauge = c->gauge,
    };
    apr_status_t rv = cfmt_commit_create(&c->commit, &conf);

    if (rv != APR_SUCCESS) {
        c->commit = NULL;
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, g->server,
                     CFMT_ID(0452) "this child cannot store deliveries and answers 503");
    }
}

static void start_runner(cfmt_child_t *c, const cfmt_generation_t *g)
{
    cfmt_runner_conf_t conf = {
        .engine = {
            .db = cfmt_config_db(g->conf),
            .log = &c->log,
            .gauges = g->gauges,
            .settings = g->settings,
            .api = g->api,
            .http = { .ca_file = g->conf->ca_file, .proxy = g->conf->proxy },
            .channels = g->channels,
            .templates = g->templates,
            .telegram_url = g->conf->telegram_url,
            .clock = g->clock,
            .service_at = ap_scoreboard_image->global->restart_time, /* stays at a graceful one */
        },
        .wake_fd = g->wake_fd,
        .glance = cfmt_ranges_glance,
        .baton = (void *)g,
    };
    apr_status_t rv = cfmt_runner_start(&c->runner, &conf);

    if (rv != APR_SUCCESS) {
        c->runner = NULL;
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, g->server,
                     CFMT_ID(0453) "the engine's thread cannot start in this child; another "
                     "child must lead");
    }
}

void cfmt_child_init(apr_pool_t *pchild, server_rec *s)
{
    const cfmt_generation_t *g = cfmt_generation();
    cfmt_child_t *c;

    (void)s;
    if (!g) {
        return;
    }
    ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded);
    cfmt_noise_init(pchild);
    cfmt_health_init(pchild);
    c = apr_pcalloc(pchild, sizeof(*c));
    cfmt_log_to_server(&c->log, g->server);
    c->gauge = cfmt_gauges_claim(g->gauges);
    start_commit(c, g);
    start_runner(c, g);
    child = c;
    apr_pool_pre_cleanup_register(pchild, c, stop_child);
}
