/*
 * Unit tests of src/store/commit.c: what fails is not stored, says so and keeps nobody waiting;
 * checkpoints run under the commit lock and wait for no reader.
 */
#include <string.h>
#include <unistd.h>

#include "kit.h"
#include "store/store_private.h"
#include "unit.h"

/* Foreign keys that are looked at by COMMIT alone. */
#define CHILDREN \
    "CREATE TABLE mother(id INTEGER PRIMARY KEY); CREATE TABLE child(of INTEGER REFERENCES" \
    " mother(id) DEFERRABLE INITIALLY DEFERRED)"

static void begun(cfmt_store_t *s)
{
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
}

static int probed_at(cfmt_store_t *s)
{
    return (int)kit_int(s, "SELECT ifnull(max(value), 0) FROM meta WHERE name = 'probe_at'");
}

static void write_probe(cfmt_store_t *s, int value)
{
    begun(s);
    ck_assert_int_eq(cfmt_meta_set_int(s, "probe_at", value), APR_SUCCESS);
}

/* Another handle can begin at once. */
static void nobody_waits(cfmt_store_t *other)
{
    begun(other);
    cfmt_store_rollback(other);
}

static cfmt_store_t *another(void)
{
    cfmt_store_t *s;

    ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL, unit_pool),
                     APR_SUCCESS);
    return s;
}

START_TEST(a_commit_that_fails_is_told_and_over)
{
    cfmt_store_t *s = kit_open("cfmt.db"), *other = another();

    kit_sql(s, CHILDREN);
    begun(s);
    kit_sql(s, "INSERT INTO child VALUES(7)");
    ck_assert_int_ne(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(cfmt_store_error(s), "FOREIGN KEY")); /* why, not what followed */
    nobody_waits(other);
    nobody_waits(s);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM child"), 0);
    cfmt_store_close(other);
    cfmt_store_close(s);
}
END_TEST

/* As SQLite does by itself when the disk is full. */
START_TEST(what_was_rolled_back_is_not_stored)
{
    cfmt_store_t *s = kit_open("cfmt.db"), *other = another();

    write_probe(s, 5);
    kit_sql(s, "ROLLBACK");
    ck_assert_int_ne(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_int_eq(probed_at(s), 0);
    nobody_waits(other);
    cfmt_store_close(other);
    cfmt_store_close(s);
}
END_TEST

START_TEST(an_end_is_what_came_before)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    write_probe(s, 5);
    ck_assert_int_eq(cfmt_store_end(s, CFMT_EMOVED), CFMT_EMOVED);
    ck_assert_int_eq(probed_at(s), 0);
    write_probe(s, 6);
    ck_assert_int_eq(cfmt_store_end(s, APR_SUCCESS), APR_SUCCESS);
    ck_assert_int_eq(probed_at(s), 6);
    ck_assert_int_eq(cfmt_store_probe(s, 7, 0), APR_SUCCESS);
    ck_assert_int_eq(probed_at(s), 7);
    cfmt_store_close(s);
}
END_TEST

/* On every path, also behind what has ended already: it must not free another's lock. */
START_TEST(a_rollback_of_nothing_is_nothing)
{
    cfmt_store_t *s = kit_open("cfmt.db"), *other = another();

    cfmt_store_rollback(NULL);
    cfmt_store_rollback(s);
    ck_assert_int_eq(cfmt_lock_take(s->lock, 0), APR_SUCCESS); /* as a checkpoint has it */
    cfmt_store_rollback(s);
    ck_assert_int_eq(cfmt_store_begin(other, 0), CFMT_EBUSY);
    cfmt_lock_release(s->lock);
    nobody_waits(other);
    cfmt_store_close(other);
    cfmt_store_close(s);
}
END_TEST

/* ---- checkpoints ----------------------------------------------------------------------------- */

static apr_status_t checkpoint(cfmt_store_t *s, int restart, int *ppages)
{
    return cfmt_store_checkpoint(s, restart, 0, ppages);
}

START_TEST(a_checkpoint_takes_the_commit_lock)
{
    cfmt_store_t *s = kit_open("cfmt.db"), *other = another();

    begun(other);
    ck_assert_int_eq(checkpoint(s, 0, NULL), CFMT_EBUSY);
    cfmt_store_rollback(other);
    ck_assert_int_eq(checkpoint(s, 0, NULL), APR_SUCCESS);
    nobody_waits(other);
    cfmt_store_close(other);
    cfmt_store_close(s);
}
END_TEST

START_TEST(no_checkpoint_of_files_that_are_gone)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    ck_assert_int_eq(cfmt_store_probe(s, 5, 0), APR_SUCCESS);
    ck_assert_int_eq(unlink(unit_path("cfmt.db")), 0);
    ck_assert_int_eq(checkpoint(s, 0, NULL), CFMT_EREPLACED);
    cfmt_store_close(s);
}
END_TEST

/* A reader keeps what it reads in the log; what is left of it is said, at once. */
START_TEST(a_checkpoint_waits_for_no_reader)
{
    cfmt_store_t *s = kit_open("cfmt.db"), *reader = another();
    apr_interval_time_t best = APR_INT64_MAX, took;
    int left = -1, i;

    kit_sql(reader, "BEGIN");
    ck_assert_int_eq(probed_at(reader), 0);
    for (i = 1; i < 6; i++) { /* the machine may be busy, too */
        ck_assert_int_eq(cfmt_store_probe(s, i, 0), APR_SUCCESS);
        took = -cfmt_monotonic();
        ck_assert_int_eq(checkpoint(s, 1, &left), APR_SUCCESS);
        took += cfmt_monotonic();
        best = took < best ? took : best;
    }
    ck_assert_int_lt(best, CFMT_BUSY_WRITE / 2);
    ck_assert(left > 0 && cfmt_store_wal_pages(s) >= left);
    ck_assert_int_eq(kit_int(s, "PRAGMA busy_timeout"), apr_time_as_msec(CFMT_BUSY_WRITE));
    kit_sql(reader, "COMMIT");
    ck_assert_int_eq(checkpoint(s, 1, &left), APR_SUCCESS);
    ck_assert_int_eq(left, 0);
    ck_assert_int_eq(cfmt_store_wal_pages(s), 0);
    cfmt_store_close(reader);
    cfmt_store_close(s);
}
END_TEST

UNIT_SUITE_BEGIN(transaction)
UNIT_TEST(a_commit_that_fails_is_told_and_over)
UNIT_TEST(what_was_rolled_back_is_not_stored)
UNIT_TEST(an_end_is_what_came_before)
UNIT_TEST(a_rollback_of_nothing_is_nothing)
UNIT_TEST(a_checkpoint_takes_the_commit_lock)
UNIT_TEST(no_checkpoint_of_files_that_are_gone)
UNIT_TEST(a_checkpoint_waits_for_no_reader)
UNIT_SUITE_END
