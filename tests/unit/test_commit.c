/*
 * Transactions and group commit: many threads, one transaction; deadlines; a bad row alone;
 * failures reach all.
 */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store/store_private.h"
#include "unit.h"

#define THREADS 16
#define EACH 50

static const char *db(void)
{
    return unit_path("cfmt.db");
}

static cfmt_commit_t *open_queue(cfmt_gauge_t *gauge, int wake_fd, apr_uint32_t max)
{
    cfmt_commit_conf_t conf = { .db = db(), .wake_fd = wake_fd, .gauge = gauge, .queue_max = max };
    cfmt_commit_t *c;

    ck_assert_int_eq(cfmt_prepare_store(db(), NULL, 0, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_commit_create(&c, &conf), APR_SUCCESS);
    return c;
}

static void close_queue(cfmt_commit_t *c)
{
    ck_assert_int_eq(cfmt_commit_stop(c, apr_time_from_sec(3)), APR_SUCCESS);
    cfmt_commit_destroy(c);
}

static cfmt_entry_t entry(const char *body)
{
    cfmt_entry_t e = { .kind = "delivery", .at = apr_time_now(), .origin = "o", .body = body,
                       .len = body ? strlen(body) : 0 };

    return e;
}

static int count_rows(void)
{
    apr_array_header_t *r;
    cfmt_store_t *s;

    ck_assert_int_eq(cfmt_store_open(&s, db(), CFMT_STORE_READ, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_journal_read(s, 0, 100000, &r, unit_pool), APR_SUCCESS);
    cfmt_store_close(s);
    return r->nelts;
}

/* ---- load ------------------------------------------------------------------------------------ */

typedef struct load_t {
    cfmt_commit_t *c;
    pthread_t thread;
    apr_int64_t ids[EACH];
    int ok;
    apr_status_t last;
} load_t;

static void *submit_many(void *baton)
{
    load_t *l = baton;
    int i;

    for (i = 0; i < EACH; i++) {
        cfmt_entry_t e = entry("{}");

        l->last = cfmt_commit_submit(l->c, &e, apr_time_from_sec(10));
        if (l->last == APR_SUCCESS) {
            l->ids[l->ok++] = e.id;
        }
    }
    return NULL;
}

static void run_load(load_t *loads, cfmt_commit_t *c)
{
    int i;

    for (i = 0; i < THREADS; i++) {
        memset(&loads[i], 0, sizeof(loads[i]));
        loads[i].c = c;
        ck_assert_int_eq(pthread_create(&loads[i].thread, NULL, submit_many, &loads[i]), 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(loads[i].thread, NULL);
    }
}

START_TEST(every_success_is_a_row_and_ids_are_unique)
{
    static load_t loads[THREADS];
    static char seen[THREADS * EACH + 1];
    cfmt_gauge_t gauge = { .pid = 1 };
    int wake = eventfd(0, EFD_NONBLOCK), i, j;
    cfmt_commit_t *c = open_queue(&gauge, wake, 0);
    apr_uint64_t woken;

    memset(seen, 0, sizeof(seen));
    run_load(loads, c);
    for (i = 0; i < THREADS; i++) {
        ck_assert_int_eq(loads[i].ok, EACH);
        for (j = 0; j < EACH; j++) {
            ck_assert_int_le(loads[i].ids[j], THREADS * EACH);
            ck_assert_int_eq(seen[loads[i].ids[j]]++, 0);
        }
    }
    ck_assert_int_eq(count_rows(), THREADS * EACH);
    ck_assert_int_eq(gauge.rows, THREADS * EACH);
    ck_assert_msg(gauge.commits < gauge.rows, "no grouping: %d commits", (int)gauge.commits);
    ck_assert_int_eq(gauge.queued, 0);
    ck_assert_int_eq(read(wake, &woken, sizeof(woken)), sizeof(woken));
    ck_assert_int_eq(woken, gauge.commits);
    close_queue(c);
    ck_assert_int_eq(gauge.pid, 0);
}
END_TEST

START_TEST(a_lone_thread_commits_by_itself)
{
    cfmt_gauge_t gauge = { .pid = 1 };
    cfmt_commit_t *c = open_queue(&gauge, -1, 0);
    cfmt_entry_t e = entry("{}");

    ck_assert_int_eq(cfmt_commit_submit(c, &e, 0), APR_SUCCESS); /* no queue: no time needed */
    ck_assert_int_eq(e.id, 1);
    ck_assert_int_eq(gauge.commits, 1);
    close_queue(c);
}
END_TEST

/* ---- somebody is in the way ------------------------------------------------------------------ */

START_TEST(a_held_commit_lock_ends_in_busy_within_the_deadline)
{
    cfmt_gauge_t gauge = { .pid = 1 };
    cfmt_commit_t *c = open_queue(&gauge, -1, 0);
    cfmt_entry_t e = entry("{}");
    cfmt_lock_t *holder;
    apr_time_t start;

    ck_assert_int_eq(cfmt_lock_open(&holder, unit_path("cfmt.db.lock"), unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_lock_take(holder, 0), APR_SUCCESS);
    start = cfmt_monotonic();
    ck_assert_int_eq(cfmt_commit_submit(c, &e, apr_time_from_msec(300)), CFMT_EBUSY);
    ck_assert_int_ge(cfmt_monotonic() - start, apr_time_from_msec(300));
    ck_assert_int_le(cfmt_monotonic() - start, apr_time_from_msec(1500));
    ck_assert_int_eq(gauge.refused, 1);
    cfmt_lock_close(holder);
    ck_assert_int_eq(cfmt_commit_submit(c, &e, apr_time_from_sec(3)), APR_SUCCESS);
    close_queue(c);
    ck_assert_int_eq(count_rows(), 1); /* the refused one was taken back */
}
END_TEST

typedef struct foreign_t {
    pthread_t thread;
    apr_interval_time_t hold;
    int holds; /* atomic */
} foreign_t;

static void *write_foreign(void *baton)
{
    foreign_t *f = baton;
    sqlite3 *h;

    sqlite3_open(db(), &h);
    sqlite3_exec(h, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    __atomic_store_n(&f->holds, 1, __ATOMIC_RELEASE);
    apr_sleep(f->hold);
    sqlite3_exec(h, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(h);
    return NULL;
}

START_TEST(a_foreign_writer_is_waited_for_until_the_deadline)
{
    foreign_t f = { .hold = apr_time_from_msec(900) };
    cfmt_commit_t *c = open_queue(NULL, -1, 0);
    cfmt_entry_t e = entry("{}");

    pthread_create(&f.thread, NULL, write_foreign, &f);
    while (!__atomic_load_n(&f.holds, __ATOMIC_ACQUIRE)) {
        apr_sleep(1000);
    }
    ck_assert_int_eq(cfmt_commit_submit(c, &e, apr_time_from_msec(300)), CFMT_EBUSY);
    ck_assert_int_eq(cfmt_commit_submit(c, &e, apr_time_from_sec(5)), APR_SUCCESS);
    pthread_join(f.thread, NULL);
    close_queue(c);
    ck_assert_int_eq(count_rows(), 1);
}
END_TEST

static void *submit_one(void *baton)
{
    load_t *l = baton;
    cfmt_entry_t e = entry("{}");

    l->last = cfmt_commit_submit(l->c, &e, apr_time_from_msec(500));
    return NULL;
}

START_TEST(a_full_queue_refuses_at_once)
{
    static load_t loads[5];
    cfmt_gauge_t gauge = { .pid = 1 };
    cfmt_commit_t *c = open_queue(&gauge, -1, 4);
    cfmt_lock_t *holder;
    int i, full = 0;

    ck_assert_int_eq(cfmt_lock_open(&holder, unit_path("cfmt.db.lock"), unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_lock_take(holder, 0), APR_SUCCESS);
    for (i = 0; i < 5; i++) {
        loads[i].c = c;
        pthread_create(&loads[i].thread, NULL, submit_one, &loads[i]);
    }
    for (i = 0; i < 5; i++) {
        pthread_join(loads[i].thread, NULL);
        full += loads[i].last == CFMT_EQUEUE;
    }
    ck_assert_int_eq(full, 1);
    cfmt_lock_close(holder);
    close_queue(c);
}
END_TEST

/* ---- large ones ------------------------------------------------------------------------------ */

#define LARGE (3 * 1024 * 1024)

static char large_body[LARGE + 1];

static void *submit_large(void *baton)
{
    load_t *l = baton;
    cfmt_entry_t e = entry(large_body);

    l->last = cfmt_commit_submit(l->c, &e, apr_time_from_sec(20));
    return NULL;
}

START_TEST(a_batch_is_bounded_and_the_rest_comes_next)
{
    static load_t loads[9];
    cfmt_gauge_t gauge = { .pid = 1 };
    cfmt_commit_t *c = open_queue(&gauge, -1, 0);
    cfmt_lock_t *holder;
    int i;

    memset(large_body, 'x', LARGE);
    ck_assert_int_eq(cfmt_lock_open(&holder, unit_path("cfmt.db.lock"), unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_lock_take(holder, 0), APR_SUCCESS);
    for (i = 0; i < 9; i++) {
        loads[i].c = c;
        pthread_create(&loads[i].thread, NULL, submit_large, &loads[i]);
    }
    while (CFMT_GAUGE_GET(gauge.queued) < 9) {
        apr_sleep(1000);
    }
    cfmt_lock_close(holder);
    for (i = 0; i < 9; i++) {
        pthread_join(loads[i].thread, NULL);
        ck_assert_int_eq(loads[i].last, APR_SUCCESS);
    }
    ck_assert_int_eq(gauge.rows, 9);
    ck_assert_int_eq(gauge.commits, 3); /* three of 3 MiB reach the bound of 8 */
    close_queue(c);
}
END_TEST

/* ---- failures -------------------------------------------------------------------------------- */

START_TEST(a_bad_row_fails_alone)
{
    cfmt_store_t *s;
    cfmt_entry_t good = entry("{}"), bad = entry("{}");

    ck_assert_int_eq(cfmt_prepare_store(db(), NULL, 0, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_open(&s, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    bad.origin = NULL; /* NOT NULL in the table */
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_journal_append(s, &good), APR_SUCCESS);
    ck_assert_int_ne(cfmt_journal_append(s, &bad), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    cfmt_store_close(s);
    ck_assert_int_eq(count_rows(), 1);
}
END_TEST

static void *submit_bad(void *baton)
{
    load_t *l = baton;
    cfmt_entry_t e = entry("{}");

    e.origin = NULL;
    l->last = cfmt_commit_submit(l->c, &e, apr_time_from_sec(5));
    return NULL;
}

static void *submit_good(void *baton)
{
    load_t *l = baton;
    cfmt_entry_t e = entry("{}");

    l->last = cfmt_commit_submit(l->c, &e, apr_time_from_sec(5));
    return NULL;
}

START_TEST(a_bad_row_of_a_batch_takes_nobody_along)
{
    static load_t loads[3];
    cfmt_gauge_t gauge = { .pid = 1 };
    cfmt_commit_t *c = open_queue(&gauge, -1, 0);
    cfmt_lock_t *holder;
    int i;

    ck_assert_int_eq(cfmt_lock_open(&holder, unit_path("cfmt.db.lock"), unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_lock_take(holder, 0), APR_SUCCESS);
    for (i = 0; i < 3; i++) {
        loads[i].c = c;
        pthread_create(&loads[i].thread, NULL, i == 1 ? submit_bad : submit_good, &loads[i]);
    }
    while (CFMT_GAUGE_GET(gauge.queued) < 3) {
        apr_sleep(1000);
    }
    cfmt_lock_close(holder);
    for (i = 0; i < 3; i++) {
        pthread_join(loads[i].thread, NULL);
        ck_assert_int_eq(loads[i].last, i == 1 ? CFMT_EINVALID : APR_SUCCESS);
    }
    close_queue(c);
    ck_assert_int_eq(count_rows(), 2);
}
END_TEST

START_TEST(a_deleted_store_is_never_answered_as_stored)
{
    cfmt_gauge_t gauge = { .pid = 1 };
    cfmt_commit_t *c = open_queue(&gauge, -1, 0);
    cfmt_entry_t e = entry("{}");

    ck_assert_int_eq(cfmt_commit_submit(c, &e, apr_time_from_sec(1)), APR_SUCCESS);
    unlink(db());
    ck_assert_int_eq(cfmt_commit_submit(c, &e, apr_time_from_sec(1)), CFMT_EMISSING);
    ck_assert_int_eq(gauge.error, CFMT_EMISSING);
    ck_assert_int_eq(cfmt_prepare_store(db(), NULL, 0, NULL, unit_pool), APR_SUCCESS);
    apr_sleep(apr_time_from_msec(150)); /* how long a failed open is believed */
    ck_assert_int_eq(cfmt_commit_submit(c, &e, apr_time_from_sec(1)), APR_SUCCESS);
    ck_assert_int_eq(e.id, 1);
    ck_assert_int_eq(gauge.error, APR_SUCCESS);
    close_queue(c);
}
END_TEST

START_TEST(after_stop_nothing_is_taken)
{
    cfmt_commit_t *c = open_queue(NULL, -1, 0);
    cfmt_entry_t e = entry("{}");

    ck_assert_int_eq(cfmt_commit_stop(c, apr_time_from_sec(1)), APR_SUCCESS);
    ck_assert_int_eq(cfmt_commit_submit(c, &e, apr_time_from_sec(1)), CFMT_ESTOPPED);
    cfmt_commit_destroy(c);
    ck_assert_int_eq(count_rows(), 0);
}
END_TEST

/* ---- WAL ------------------------------------------------------------------------------------- */

START_TEST(checkpoint_lets_the_wal_start_again)
{
    cfmt_commit_t *c = open_queue(NULL, -1, 0);
    cfmt_store_t *s;
    cfmt_entry_t e = entry("{}");
    struct stat before, after;
    int i, left = -1;

    for (i = 0; i < 50; i++) {
        ck_assert_int_eq(cfmt_commit_submit(c, &e, apr_time_from_sec(1)), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_store_open(&s, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_checkpoint(s, 0, 0, &left), APR_SUCCESS);
    ck_assert_int_eq(left, 0);
    ck_assert_int_eq(stat(unit_path("cfmt.db-wal"), &before), 0);
    for (i = 0; i < 20; i++) {
        ck_assert_int_eq(cfmt_commit_submit(c, &e, apr_time_from_sec(1)), APR_SUCCESS);
    }
    ck_assert_int_eq(stat(unit_path("cfmt.db-wal"), &after), 0);
    ck_assert_int_eq(after.st_size, before.st_size);
    cfmt_store_close(s);
    close_queue(c);
    ck_assert_int_eq(count_rows(), 70);
}
END_TEST

UNIT_SUITE_BEGIN(commit)
UNIT_TEST(every_success_is_a_row_and_ids_are_unique)
UNIT_TEST(a_lone_thread_commits_by_itself)
UNIT_TEST(a_held_commit_lock_ends_in_busy_within_the_deadline)
UNIT_TEST(a_foreign_writer_is_waited_for_until_the_deadline)
UNIT_TEST(a_full_queue_refuses_at_once)
UNIT_TEST(a_batch_is_bounded_and_the_rest_comes_next)
UNIT_TEST(a_bad_row_fails_alone)
UNIT_TEST(a_bad_row_of_a_batch_takes_nobody_along)
UNIT_TEST(a_deleted_store_is_never_answered_as_stored)
UNIT_TEST(after_stop_nothing_is_taken)
UNIT_TEST(checkpoint_lets_the_wal_start_again)
UNIT_SUITE_END
