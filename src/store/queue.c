/*
 * Group commit: request threads hand their entry over and wait; whoever has the child's store
 * handle takes the commit lock, then everything that is queued by then, and commits it as one
 * transaction.
 *
 * Two who may have the handle: a request thread that finds nobody at work commits alone (no
 * hand-over, the shortest way at low load); otherwise the committer thread, which starts with the
 * first entry that needs it.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store_private.h"

#define BATCH_BYTES (8 * 1024 * 1024)
/* a store that cannot be opened is tried this often under load */
#define OPEN_AGAIN apr_time_from_msec(100)

/* Lives on the stack of the waiting request thread. */
typedef struct waiter_t {
    cfmt_entry_t *e;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int queued; /* under the queue's mutex: nobody has begun with it */
    int done;   /* under this waiter's mutex */
    struct waiter_t *next;
} waiter_t;

struct cfmt_commit_t {
    cfmt_commit_conf_t conf;
    apr_pool_t *pool;
    pthread_condattr_t monotonic; /* deadlines do not move when somebody sets the clock */

    pthread_mutex_t mutex;        /* everything down to the next blank line */
    pthread_cond_t work;
    waiter_t *head, **tail;
    apr_uint32_t count;
    int stopping, started, ended;
    pthread_t thread;
    pthread_cond_t end;

    pthread_mutex_t handle;       /* the store handle and what is known about it */
    cfmt_store_t *store;
    apr_status_t closed_why;      /* why it could not be opened, until closed_until */
    apr_time_t closed_until;
};

/* ---- time ------------------------------------------------------------------------------------ */

static struct timespec as_timespec(apr_time_t t)
{
    struct timespec ts = { .tv_sec = (time_t)(t / 1000000), .tv_nsec = (long)(t % 1000000) * 1000 };

    return ts;
}

/* ---- gauge ----------------------------------------------------------------------------------- */

static void note_commit(cfmt_commit_t *c, apr_int64_t rows)
{
    cfmt_gauge_t *g = c->conf.gauge;

    if (g) {
        CFMT_GAUGE_SET(g->commit_at, apr_time_now());
        CFMT_GAUGE_SET(g->worked_at, cfmt_monotonic());
        CFMT_GAUGE_SET(g->commits, g->commits + 1);
        CFMT_GAUGE_SET(g->rows, g->rows + rows);
        CFMT_GAUGE_SET(g->wal_pages, (apr_uint32_t)c->store->wal_pages);
        CFMT_GAUGE_SET(g->error, APR_SUCCESS);
    }
}

static void note_error(cfmt_commit_t *c, apr_status_t rv)
{
    if (c->conf.gauge) {
        CFMT_GAUGE_SET(c->conf.gauge->error_at, cfmt_monotonic());
        CFMT_GAUGE_SET(c->conf.gauge->error, rv);
    }
}

/* ---- the handle (under c->handle) ------------------------------------------------------------ */

static void drop_handle(cfmt_commit_t *c)
{
    cfmt_store_close(c->store);
    c->store = NULL;
}

/* After these the handle is of no more use; the rest (full, busy, a bad row) may pass. */
static int ends_handle(apr_status_t rv)
{
    return rv != APR_SUCCESS && rv != CFMT_EBUSY && rv != CFMT_EFULL && rv != CFMT_EINVALID;
}

static apr_status_t ensure_handle(cfmt_commit_t *c)
{
    apr_time_t now;

    if (c->store) {
        return APR_SUCCESS;
    }
    now = cfmt_monotonic();
    if (c->closed_why != APR_SUCCESS && now < c->closed_until) {
        return c->closed_why;
    }
    c->closed_why = cfmt_store_open(&c->store, c->conf.db, CFMT_STORE_WRITE, NULL, c->pool);
    c->closed_until = now + OPEN_AGAIN;
    return c->closed_why;
}

/*
 * Begins a transaction on a handle that fits the files on disk; one replaced store is opened anew,
 * once.
 */
static apr_status_t begin(cfmt_commit_t *c, apr_interval_time_t timeout)
{
    apr_status_t rv = ensure_handle(c);

    if (rv == APR_SUCCESS) {
        rv = cfmt_store_begin(c->store, timeout);
    }
    if (rv == CFMT_EREPLACED) {
        drop_handle(c);
        rv = ensure_handle(c);
        if (rv == APR_SUCCESS) {
            rv = cfmt_store_begin(c->store, timeout);
        }
    }
    if (ends_handle(rv)) {
        drop_handle(c);
    }
    return rv;
}

static void wake_leader(const cfmt_commit_t *c)
{
    apr_uint64_t one = 1;

    if (c->conf.wake_fd >= 0) {
        /* EAGAIN means the counter is full: the leader is as awake as it can be */
        ssize_t rc = write(c->conf.wake_fd, &one, sizeof(one));
        (void)rc;
    }
}

/* Ends the transaction and tells gauge and leader. */
static apr_status_t finish(cfmt_commit_t *c, apr_int64_t rows)
{
    apr_status_t rv = cfmt_store_commit(c->store);

    if (rv == APR_SUCCESS) {
        note_commit(c, rows);
        wake_leader(c);
    }
    else if (ends_handle(rv)) {
        drop_handle(c);
    }
    return rv;
}

/* Nobody else keeps the WAL small enough: the leader is stuck or there is none. */
static void bound_wal(cfmt_commit_t *c)
{
    if (c->store && c->store->wal_pages >= CFMT_WAL_RESTART_PAGES) {
        (void)cfmt_store_checkpoint(c->store, 1, 0, NULL);
    }
}

/* ---- queue (under c->mutex) ------------------------------------------------------------------ */

static void set_depth(cfmt_commit_t *c, apr_uint32_t count)
{
    c->count = count;
    if (c->conf.gauge) {
        CFMT_GAUGE_SET(c->conf.gauge->queued, count);
    }
}

static void append(cfmt_commit_t *c, waiter_t *w)
{
    w->next = NULL;
    *c->tail = w;
    c->tail = &w->next;
    set_depth(c, c->count + 1);
}

static void take_back(cfmt_commit_t *c, waiter_t *w)
{
    waiter_t **pp = &c->head;

    while (*pp != w) {
        pp = &(*pp)->next;
    }
    *pp = w->next;
    if (!w->next) {
        c->tail = pp;
    }
    set_depth(c, c->count - 1);
}

/*
 * What is queued, in order, up to a bound: a transaction of any size would carry the WAL beyond its
 * own. The rest is the next batch.
 */
static waiter_t *take_batch(cfmt_commit_t *c)
{
    apr_size_t bytes = 0;
    apr_uint32_t left;
    waiter_t *first, **end;

    pthread_mutex_lock(&c->mutex);
    first = c->head;
    left = c->count;
    for (end = &c->head; *end && bytes < BATCH_BYTES; end = &(*end)->next, left--) {
        (*end)->queued = 0;
        bytes += (*end)->e->len;
    }
    c->head = *end;
    *end = NULL;
    if (!c->head) {
        c->tail = &c->head;
    }
    set_depth(c, left);
    pthread_mutex_unlock(&c->mutex);
    return first;
}

/* ---- the committer thread -------------------------------------------------------------------- */

/* After the unlock the waiter's memory is gone. */
static void release(waiter_t *w, apr_status_t rv)
{
    pthread_mutex_lock(&w->mutex);
    if (rv != APR_SUCCESS) {
        w->e->status = rv;
    }
    w->done = 1;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
}

static void release_all(waiter_t *w, apr_status_t rv)
{
    waiter_t *next;

    for (; w; w = next) {
        next = w->next;
        release(w, rv);
    }
}

/* A bad row fails alone; an error that ended the transaction fails the batch. */
static apr_status_t append_all(cfmt_commit_t *c, waiter_t *w, apr_int64_t *prows)
{
    for (*prows = 0; w; w = w->next) {
        w->e->status = cfmt_journal_append(c->store, w->e);
        if (w->e->status == APR_SUCCESS) {
            (*prows)++;
        }
        else if (sqlite3_get_autocommit(c->store->db) || w->e->status == CFMT_EFULL
                 || ends_handle(w->e->status)) {
            return w->e->status;
        }
    }
    return APR_SUCCESS;
}

static void run_batch(cfmt_commit_t *c)
{
    apr_status_t rv = begin(c, -1);
    apr_int64_t rows;
    waiter_t *all;

    if (rv == CFMT_EBUSY) { /* a foreign program writes: entries stay queued until their own
                               deadlines */
        return;
    }
    all = take_batch(c); /* only now: late comers are in */
    if (rv != APR_SUCCESS) {
        release_all(all, rv);
        return;
    }
    rv = append_all(c, all, &rows);
    if (rv == APR_SUCCESS) {
        rv = finish(c, rows);
    }
    else {
        cfmt_store_rollback(c->store);
        if (ends_handle(rv)) {
            drop_handle(c);
        }
    }
    release_all(all, rv);
    bound_wal(c);
}

static int wait_for_work(cfmt_commit_t *c)
{
    int go;

    pthread_mutex_lock(&c->mutex);
    while (!c->head && !c->stopping) {
        pthread_cond_wait(&c->work, &c->mutex);
    }
    go = c->head != NULL;
    pthread_mutex_unlock(&c->mutex);
    return go;
}

static void *committer_main(void *baton)
{
    cfmt_commit_t *c = baton;

    while (wait_for_work(c)) {
        pthread_mutex_lock(&c->handle);
        run_batch(c);
        pthread_mutex_unlock(&c->handle);
    }
    pthread_mutex_lock(&c->mutex);
    c->ended = 1;
    pthread_cond_broadcast(&c->end);
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

/* ---- request threads ------------------------------------------------------------------------- */

/*
 * Commits one entry without the committer. 0 = somebody else is at work or in the way, nothing was
 * done.
 */
static int commit_alone(cfmt_commit_t *c, cfmt_entry_t *e)
{
    apr_status_t rv = begin(c, 0);

    if (rv == CFMT_EBUSY) {
        return 0;
    }
    if (rv == APR_SUCCESS) {
        rv = cfmt_journal_append(c->store, e);
        if (rv == APR_SUCCESS) {
            rv = finish(c, 1);
        }
        else {
            cfmt_store_rollback(c->store);
            if (ends_handle(rv)) {
                drop_handle(c);
            }
        }
    }
    bound_wal(c);
    e->status = rv;
    return 1;
}

/* Under c->mutex. True with c->handle locked when this thread may commit by itself. */
static int may_commit_alone(cfmt_commit_t *c)
{
    return c->count == 0 && pthread_mutex_trylock(&c->handle) == 0;
}

static apr_status_t enqueue(cfmt_commit_t *c, waiter_t *w)
{
    if (c->stopping) {
        return CFMT_ESTOPPED;
    }
    if (c->count >= c->conf.queue_max) {
        return CFMT_EQUEUE;
    }
    if (!c->started
        && cfmt_thread_start(&c->thread, "cfmt-commit", committer_main, c) != APR_SUCCESS) {
        return CFMT_EQUEUE;
    }
    c->started = 1;
    append(c, w);
    pthread_cond_signal(&c->work);
    return APR_SUCCESS;
}

/* True when the deadline has passed and nobody had begun with it. */
static int give_up(cfmt_commit_t *c, waiter_t *w)
{
    int mine;

    pthread_mutex_lock(&c->mutex);
    mine = w->queued;
    if (mine) {
        take_back(c, w);
        w->e->status = CFMT_EBUSY;
    }
    pthread_mutex_unlock(&c->mutex);
    return mine;
}

static void await(cfmt_commit_t *c, waiter_t *w, apr_time_t deadline)
{
    struct timespec ts = as_timespec(deadline);
    int rc = 0;

    pthread_mutex_lock(&w->mutex);
    while (!w->done && rc == 0) {
        rc = pthread_cond_timedwait(&w->cond, &w->mutex, &ts);
    }
    if (!w->done) {
        pthread_mutex_unlock(&w->mutex); /* order: queue first, waiter second */
        if (give_up(c, w)) {
            return;
        }
        pthread_mutex_lock(&w->mutex);
        while (!w->done) { /* in a running batch: its outcome is the answer */
            pthread_cond_wait(&w->cond, &w->mutex);
        }
    }
    pthread_mutex_unlock(&w->mutex);
}

static void submit_queued(cfmt_commit_t *c, cfmt_entry_t *e, apr_time_t deadline)
{
    waiter_t w = { .e = e, .queued = 1 };
    apr_status_t rv;

    pthread_mutex_init(&w.mutex, NULL);
    pthread_cond_init(&w.cond, &c->monotonic);
    pthread_mutex_lock(&c->mutex);
    rv = enqueue(c, &w);
    pthread_mutex_unlock(&c->mutex);
    if (rv == APR_SUCCESS) {
        await(c, &w, deadline);
    }
    else {
        e->status = rv;
    }
    pthread_cond_destroy(&w.cond);
    pthread_mutex_destroy(&w.mutex);
}

apr_status_t cfmt_commit_submit(cfmt_commit_t *c, cfmt_entry_t *e, apr_interval_time_t timeout)
{
    apr_time_t deadline = cfmt_monotonic() + timeout;
    int alone, done = 0;

    e->status = CFMT_ESTOPPED;
    e->id = 0;
    e->duplicate = 0;
    pthread_mutex_lock(&c->mutex);
    alone = !c->stopping && may_commit_alone(c);
    pthread_mutex_unlock(&c->mutex);
    if (alone) {
        done = commit_alone(c, e);
        pthread_mutex_unlock(&c->handle);
    }
    if (!done) {
        submit_queued(c, e, deadline);
    }
    if (e->status != APR_SUCCESS && c->conf.gauge) {
        __atomic_fetch_add(&c->conf.gauge->refused, 1, __ATOMIC_RELAXED);
        note_error(c, e->status);
    }
    return e->status;
}

/* ---- life ------------------------------------------------------------------------------------ */

apr_status_t cfmt_commit_create(cfmt_commit_t **pc, const cfmt_commit_conf_t *conf)
{
    apr_pool_t *pool;
    cfmt_commit_t *c;
    apr_status_t rv;

    rv = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_tag(pool, "cfmt_commit");
    *pc = c = apr_pcalloc(pool, sizeof(*c));
    c->pool = pool;
    c->conf = *conf;
    c->conf.db = apr_pstrdup(pool, conf->db);
    c->conf.queue_max = conf->queue_max ? conf->queue_max : CFMT_QUEUE_MAX;
    c->tail = &c->head;
    pthread_condattr_init(&c->monotonic);
    pthread_condattr_setclock(&c->monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->mutex, NULL);
    pthread_mutex_init(&c->handle, NULL);
    pthread_cond_init(&c->work, &c->monotonic);
    pthread_cond_init(&c->end, &c->monotonic);
    return APR_SUCCESS;
}

/*
 * Under prefork a stop may run in a signal handler, on top of a submit of the very same thread:
 * every lock here is tried until the deadline, never waited for.
 */
static int lock_until(pthread_mutex_t *mutex, apr_time_t deadline)
{
    while (pthread_mutex_trylock(mutex) != 0) {
        if (cfmt_monotonic() >= deadline) {
            return 0;
        }
        apr_sleep(1000);
    }
    return 1;
}

static int wait_for_end(cfmt_commit_t *c, apr_time_t deadline)
{
    struct timespec ts = as_timespec(deadline);
    int ended;

    if (!lock_until(&c->mutex, deadline)) {
        return 0;
    }
    c->stopping = 1;
    pthread_cond_broadcast(&c->work);
    while (c->started && !c->ended && pthread_cond_timedwait(&c->end, &c->mutex, &ts) == 0) {
    }
    ended = !c->started || c->ended;
    pthread_mutex_unlock(&c->mutex);
    return ended;
}

apr_status_t cfmt_commit_stop(cfmt_commit_t *c, apr_interval_time_t limit)
{
    apr_time_t deadline = cfmt_monotonic() + limit;

    if (!wait_for_end(c, deadline)) {
        return APR_TIMEUP;
    }
    if (c->started) {
        pthread_join(c->thread, NULL);
        c->started = 0;
    }
    if (!lock_until(&c->handle, deadline)) { /* a request thread is committing by itself */
        return APR_TIMEUP;
    }
    drop_handle(c);
    pthread_mutex_unlock(&c->handle);
    if (c->conf.gauge) {
        CFMT_GAUGE_SET(c->conf.gauge->pid, 0);
    }
    return APR_SUCCESS;
}

void cfmt_commit_destroy(cfmt_commit_t *c)
{
    pthread_mutex_destroy(&c->mutex);
    pthread_mutex_destroy(&c->handle);
    pthread_cond_destroy(&c->work);
    pthread_cond_destroy(&c->end);
    pthread_condattr_destroy(&c->monotonic);
    apr_pool_destroy(c->pool);
}
