/*
 * The thread that leads, one a child; the leader lock picks the one that works. It ends by a flag
 * and an eventfd, within milliseconds, because everything it waits for is one poll. Free of httpd,
 * so that TSan can run it.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <apr_allocator.h>
#include <apr_crypto.h>
#include <apr_strings.h>

#include "cfmt_engine.h"

#define LEASE_RETRY apr_time_from_sec(1)
/* how soon a leader sees what another process committed, and beats */
#define GLANCE apr_time_from_sec(1)

#define KEPT ((apr_size_t)1024 * 1024) /* of free memory, for the next round */

struct cfmt_runner_t {
    cfmt_runner_conf_t conf;
    apr_pool_t *pool; /* the thread's, unmanaged: nobody clears it under a thread that is late */
    apr_pool_t *tick;
    int stop_fd;
    volatile int stop;     /* set by any thread or a signal handler */
    volatile int last;     /* the service ends with us */
    volatile int leads;
    apr_int64_t round;
    cfmt_leader_t *leader;
    apr_pool_t *lead_pool; /* of one leadership */
    cfmt_engine_t *engine;
    apr_time_t glanced_at; /* monotonic */
    apr_status_t refused;  /* why the lock file could not be had, last reported */

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int done;              /* under mutex */
};

static int stopping(const cfmt_runner_t *r)
{
    return __atomic_load_n(&r->stop, __ATOMIC_ACQUIRE);
}

static apr_time_t now_of(const cfmt_runner_t *r)
{
    return cfmt_clock_now(r->conf.engine.clock);
}

/* ---- the one wait ---------------------------------------------------------------------------- */

static void drain(int fd)
{
    apr_uint64_t n;
    ssize_t rc = read(fd, &n, sizeof(n));

    (void)rc; /* EAGAIN: another leader's thread was faster */
}

/*
 * What is under way with Cloudflare moves meanwhile. True when somebody stirred us before the time
 * was over. A stop ends it, too, and so does an answer.
 */
static int wait_for(cfmt_runner_t *r, apr_interval_time_t t, int hear)
{
    struct pollfd fds[2] = { { .fd = r->stop_fd, .events = POLLIN },
                             { .fd = hear ? r->conf.wake_fd : -1, .events = POLLIN } };
    int n = fds[1].fd >= 0 ? 2 : 1;

    if (r->engine) {
        cfmt_engine_wait(r->engine, fds, n, t);
    }
    else {
        (void)poll(fds, (nfds_t)n, t <= 0 ? 0 : (int)((t + 999) / 1000));
    }
    if (fds[1].revents & POLLIN) {
        drain(r->conf.wake_fd);
        return 1;
    }
    return 0;
}

/* What is left until t, in real time. */
static apr_interval_time_t left(const cfmt_runner_t *r, apr_time_t t, apr_time_t now)
{
    return cfmt_clock_real(r->conf.engine.clock, t - now);
}

static apr_interval_time_t at_most(apr_interval_time_t t, apr_interval_time_t limit)
{
    return t < 0 ? 0 : t > limit ? limit : t;
}

/* ---- leadership ------------------------------------------------------------------------------ */

static void resign(cfmt_runner_t *r)
{
    if (r->leader) {
        if (__atomic_load_n(&r->last, __ATOMIC_ACQUIRE)) {
            cfmt_engine_farewell(r->engine);
        }
        cfmt_engine_end(r->engine);
        cfmt_leader_release(r->leader);
        r->leader = NULL;
        r->engine = NULL;
        __atomic_store_n(&r->leads, 0, __ATOMIC_RELEASE);
        apr_pool_clear(r->lead_pool); /* closes the store */
    }
}

/* Every child meets the same obstacle: where they share gauges, the first one tells. */
static int is_news(cfmt_runner_t *r, apr_int32_t rv)
{
    cfmt_gauges_t *g = r->conf.engine.gauges;

    return __atomic_exchange_n(g ? &g->refused : &r->refused, rv, __ATOMIC_RELAXED) != rv;
}

static void report_refusal(cfmt_runner_t *r, apr_status_t rv)
{
    if (rv == APR_EBUSY) { /* somebody else leads: as it should be */
        return;
    }
    if (is_news(r, rv) && rv != APR_SUCCESS) {
        cfmt_log(r->conf.engine.log, CFMT_LOG_ERR,
                 CFMT_ID(0404) "nobody can lead: %s.leader: %s; tried again every second",
                 r->conf.engine.db, cfmt_status_text(rv, r->tick));
    }
}

static int lead(cfmt_runner_t *r)
{
    apr_status_t rv;

    if (r->leader) {
        return 1;
    }
    rv = cfmt_leader_take(&r->leader, r->conf.engine.db, apr_time_now(), r->lead_pool);
    report_refusal(r, rv);
    if (rv != APR_SUCCESS) {
        apr_pool_clear(r->lead_pool);
        return 0;
    }
    r->engine = cfmt_engine_create(&r->conf.engine, r->lead_pool);
    cfmt_engine_follows(r->engine, cfmt_leader_inherit(r->leader));
    r->round = 0;
    __atomic_store_n(&r->leads, 1, __ATOMIC_RELEASE);
    cfmt_log(r->conf.engine.log, CFMT_LOG_NOTICE,
             CFMT_ID(0405) "process %d leads now: it projects deliveries and runs the jobs",
             (int)getpid());
    return 1;
}

static void beat(cfmt_runner_t *r)
{
    apr_status_t rv = cfmt_leader_beat(r->leader, r->round, apr_time_now());

    if (rv == CFMT_EREPLACED) {
        cfmt_log(r->conf.engine.log, CFMT_LOG_ERR,
                 CFMT_ID(0406) "%s.leader was deleted or replaced: leadership is "
                               "given up and sought again",
                 r->conf.engine.db);
        resign(r);
    }
}

/* A busy leader's rounds are short: not at each of them. */
static void glance(cfmt_runner_t *r)
{
    apr_time_t now = cfmt_monotonic();

    if (r->conf.glance && now - r->glanced_at >= GLANCE / 2) {
        r->glanced_at = now;
        r->conf.glance(r->conf.baton);
    }
}

/* ---- the loop -------------------------------------------------------------------------------- */

/*
 * Beats while it waits; ends when the next round is due, when rows came in, at a stop, or when the
 * clock was set back: the plan is of a time that may not come again for long.
 */
static void rest(cfmt_runner_t *r, const cfmt_rest_t *plan)
{
    apr_time_t now = now_of(r), begin = now;

    while (!stopping(r) && now < plan->deaf && now >= begin) { /* an answer ends one wait */
        wait_for(r, at_most(left(r, plan->deaf, now), GLANCE), 0);
        now = now_of(r);
    }
    while (!stopping(r) && r->leader) {
        beat(r);
        glance(r);
        now = now_of(r);
        if (!r->leader || now >= plan->until || now < begin || cfmt_engine_stirred(r->engine)
            || wait_for(r, at_most(left(r, plan->until, now), GLANCE), 1)) {
            return;
        }
    }
}

static void *runner_main(void *baton)
{
    cfmt_runner_t *r = baton;
    cfmt_rest_t plan;

    while (!stopping(r)) {
        apr_pool_clear(r->tick);
        glance(r);
        if (!lead(r)) {
            wait_for(r, r->conf.lease_retry, 0);
            continue;
        }
        r->round++;
        cfmt_engine_round(r->engine, &plan, NULL, r->tick);
        rest(r, &plan);
    }
    resign(r);
    pthread_mutex_lock(&r->mutex);
    r->done = 1;
    pthread_cond_broadcast(&r->cond);
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void init_sync(cfmt_runner_t *r)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->cond, &attr);
    pthread_condattr_destroy(&attr);
}

static void discard(cfmt_runner_t *r)
{
    close(r->stop_fd);
    pthread_mutex_destroy(&r->mutex);
    pthread_cond_destroy(&r->cond);
    apr_pool_destroy(r->pool);
}

static apr_status_t wipe(void *text)
{
    apr_crypto_memzero(text, strlen(text));
    return APR_SUCCESS;
}

/* Nothing of httpd's pools: the thread may outlive them. */
static const cfmt_api_conf_t *copy_api(const cfmt_api_conf_t *conf, apr_pool_t *p)
{
    cfmt_api_conf_t *mine = apr_pmemdup(p, conf, sizeof(*conf));
    char *token = apr_pstrdup(p, conf->token);

    apr_pool_cleanup_register(p, token, wipe, apr_pool_cleanup_null);
    mine->token = token;
    mine->rest_url = apr_pstrdup(p, conf->rest_url);
    mine->graphql_url = apr_pstrdup(p, conf->graphql_url);
    mine->account = apr_pstrdup(p, conf->account);
    mine->http.ca_file = apr_pstrdup(p, conf->http.ca_file);
    mine->http.proxy = apr_pstrdup(p, conf->http.proxy);
    return mine;
}

apr_status_t cfmt_runner_start(cfmt_runner_t **pr, const cfmt_runner_conf_t *conf)
{
    apr_pool_t *pool;
    cfmt_runner_t *r;
    apr_status_t rv = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_tag(pool, "cfmt_runner");
    apr_allocator_max_free_set(apr_pool_allocator_get(pool), KEPT); /* a burst is given back */
    r = apr_pcalloc(pool, sizeof(*r));
    r->pool = pool;
    r->conf = *conf;
    r->conf.engine.db = apr_pstrdup(pool, conf->engine.db);
    r->conf.engine.settings = conf->engine.settings ? apr_table_clone(pool, conf->engine.settings)
                                                    : NULL;
    r->conf.engine.api = conf->engine.api ? copy_api(conf->engine.api, pool) : NULL;
    r->conf.lease_retry = conf->lease_retry ? conf->lease_retry : LEASE_RETRY;
    apr_pool_create(&r->tick, pool);
    apr_pool_create(&r->lead_pool, pool);
    init_sync(r);
    r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rv = r->stop_fd < 0 ? errno : cfmt_thread_start(&r->thread, "cfmt-leader", runner_main, r);
    if (rv != APR_SUCCESS) {
        discard(r);
        return rv;
    }
    *pr = r;
    return APR_SUCCESS;
}

void cfmt_runner_ask(cfmt_runner_t *r)
{
    apr_uint64_t one = 1;
    ssize_t rc;

    __atomic_store_n(&r->stop, 1, __ATOMIC_RELEASE);
    rc = write(r->stop_fd, &one, sizeof(one));
    (void)rc; /* full means: already asked */
}

void cfmt_runner_last(cfmt_runner_t *r)
{
    __atomic_store_n(&r->last, 1, __ATOMIC_RELEASE);
    cfmt_runner_ask(r);
}

static int wait_done(cfmt_runner_t *r, apr_interval_time_t limit)
{
    apr_time_t end = cfmt_monotonic() + limit;
    struct timespec ts = { .tv_sec = (time_t)(end / 1000000),
                           .tv_nsec = (long)(end % 1000000) * 1000 };
    int done;

    pthread_mutex_lock(&r->mutex);
    while (!r->done && pthread_cond_timedwait(&r->cond, &r->mutex, &ts) == 0) {
    }
    done = r->done;
    pthread_mutex_unlock(&r->mutex);
    return done;
}

apr_status_t cfmt_runner_stop(cfmt_runner_t *r, apr_interval_time_t limit)
{
    cfmt_runner_ask(r);
    if (!wait_done(r, limit)) {
        return APR_TIMEUP;
    }
    pthread_join(r->thread, NULL);
    discard(r);
    return APR_SUCCESS;
}

int cfmt_runner_leads(const cfmt_runner_t *r)
{
    return __atomic_load_n(&r->leads, __ATOMIC_ACQUIRE);
}
