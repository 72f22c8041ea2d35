/*
 * The file as it is kept: a copy is of one moment whatever is written meanwhile, another file takes
 * the place of a store only when nobody has it open; deliveries with their events, and one that is
 * projected once more.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cfmt_store_keep.h"
#include "kit.h"
#include "unit.h"

#define ALERT(n) kit_alert((kit_say_t){ .ts = (n), .attack = "A", .target = "203.0.113.1" })

static void fill(cfmt_store_t *s, int n)
{
    int i;

    for (i = 1; i <= n; i++) {
        kit_row_t row = ALERT(i);

        kit_append(s, &row, 1);
    }
}

/* ---- copies ---------------------------------------------------------------------------------- */

typedef struct writer_t {
    cfmt_store_t *s;
    int calls, done, stop_at;
} writer_t;

/* Between two steps somebody else commits: a copy that began anew would never come to its end. */
static int write_more(void *baton, int done, int pages)
{
    writer_t *w = baton;
    kit_row_t row = ALERT(100000 + w->calls);

    ck_assert_msg(done > w->done && done <= pages, "%d pages, then %d of %d", w->done, done, pages);
    w->done = done;
    kit_append(w->s, &row, 1);
    return ++w->calls != w->stop_at;
}

static cfmt_store_t *large(void)
{
    cfmt_store_t *s = kit_open("large.db");

    fill(s, 20);
    kit_sql(s, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)"
               " INSERT INTO journal(at, kind, origin, body)"
               " SELECT i, 'rejected', 'x', hex(zeroblob(1500)) FROM n");
    return s;
}

static cfmt_store_t *other_handle(void)
{
    cfmt_result_t r;
    cfmt_store_t *s;

    ck_assert_int_eq(cfmt_store_open(&s, unit_path("large.db"), CFMT_STORE_WRITE, &r, unit_pool),
                     APR_SUCCESS);
    return s;
}

START_TEST(a_copy_is_of_one_moment)
{
    writer_t w = { .s = large() };
    apr_int64_t rows = kit_int(w.s, "SELECT count(*) FROM journal");
    const char *path = unit_path("copy.db");
    cfmt_result_t r = { .detail = "" };
    cfmt_file_facts_t f;
    struct stat sb;

    ck_assert_msg(cfmt_backup(other_handle(), path, write_more, &w, &r, unit_pool) == APR_SUCCESS,
                  "%s", r.detail);
    ck_assert_int_ge(w.calls, 2);
    ck_assert_int_eq(kit_int(w.s, "SELECT count(*) FROM journal"), rows + w.calls);
    ck_assert_msg(cfmt_backup_verify(path, &f, &r, unit_pool) == APR_SUCCESS, "%s", r.detail);
    ck_assert_int_eq(f.head, rows);
    ck_assert_int_eq(f.facts.schema, CFMT_SCHEMA);
    ck_assert_str_eq(f.facts.journal_mode, "wal");
    ck_assert_int_eq(stat(path, &sb), 0);
    ck_assert_int_eq(sb.st_size, f.pages * f.page_size);
    ck_assert_int_ne(stat(unit_path("copy.db-wal"), &sb), 0);
    ck_assert_int_ne(stat(unit_path("copy.db-shm"), &sb), 0);
}
END_TEST

START_TEST(a_copy_that_is_stopped_or_would_overwrite)
{
    writer_t w = { .s = large(), .stop_at = 2 };
    const char *path = unit_path("copy.db");
    cfmt_result_t r;
    struct stat sb;

    ck_assert_int_eq(cfmt_backup(other_handle(), path, write_more, &w, &r, unit_pool),
                     CFMT_ESTOPPED);
    ck_assert_int_ne(stat(path, &sb), 0);
    ck_assert_int_ne(cfmt_backup(w.s, unit_path("large.db"), NULL, NULL, &r, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_gt(kit_int(w.s, "SELECT count(*) FROM journal"), 4000);
}
END_TEST

/* ---- in the place of another ----------------------------------------------------------------- */

/* A process that has it open, until it is ended. */
static pid_t holder(void)
{
    int ready[2];
    pid_t pid;
    char c;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        cfmt_result_t r;
        cfmt_store_t *s;
        int ok = cfmt_store_open(&s, unit_path("store.db"), CFMT_STORE_READ, &r, unit_pool)
                 == APR_SUCCESS;

        (void)!write(ready[1], ok ? "y" : "n", 1);
        pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_int_eq(c, 'y');
    close(ready[0]);
    close(ready[1]);
    return pid;
}

START_TEST(nobody_may_have_it_open)
{
    const char *db, *keep, *copy;
    cfmt_store_t *s;
    cfmt_result_t r = { .detail = "" };
    pid_t pid, found;

    unit_tmpdir();
    db = unit_path("store.db");
    keep = unit_path("kept.db");
    copy = unit_path("copy.db");
    s = kit_open("store.db");
    fill(s, 3);
    ck_assert_int_eq(cfmt_backup(s, copy, NULL, NULL, &r, unit_pool), APR_SUCCESS);
    fill(s, 2);
    cfmt_store_close(s);
    pid = holder();
    ck_assert_int_eq(cfmt_store_user(db, &found), APR_SUCCESS);
    ck_assert_int_eq(found, pid);
    ck_assert_int_eq(cfmt_store_replace(db, copy, keep, &found, &r, unit_pool), CFMT_EBUSY);
    ck_assert_int_eq(found, pid);
    ck_assert_int_ne(access(keep, F_OK), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(cfmt_store_user(db, &found), APR_SUCCESS);
    ck_assert_int_eq(found, 0);
    ck_assert_msg(cfmt_store_replace(db, copy, keep, &found, &r, unit_pool) == APR_SUCCESS, "%s",
                  r.detail);
    ck_assert_int_ne(access(copy, F_OK), 0);
    ck_assert_int_ne(access(unit_path("store.db-wal"), F_OK), 0);
    ck_assert_int_ne(access(unit_path("kept.db-wal"), F_OK), 0); /* it is whole by itself */
    ck_assert_int_eq(cfmt_store_open(&s, db, CFMT_STORE_WRITE, &r, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 3);
    ck_assert_int_eq(cfmt_store_open(&s, keep, CFMT_STORE_READ, &r, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 5);
}
END_TEST

/* ---- deliveries ------------------------------------------------------------------------------ */

START_TEST(deliveries_and_their_events)
{
    cfmt_store_t *s = kit_open("store.db");
    apr_array_header_t *rows;
    cfmt_delivery_row_t row;
    int more;

    fill(s, 3);
    kit_project(s, 200);
    kit_sql(s, "INSERT INTO journal(at, kind, origin, ref) VALUES(9, 'duplicate', 'x', 2);"
               "INSERT INTO journal(at, kind, origin, body) VALUES(9, 'evidence', 'x', '{}');"
               "INSERT INTO journal(at, kind, origin, body) VALUES(9, 'drill', 'x', '{}')");
    ck_assert_int_eq(cfmt_deliveries_list(s, 0, 3, &rows, &more, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 3);
    ck_assert_int_eq(more, 1);
    row = APR_ARRAY_IDX(rows, 1, cfmt_delivery_row_t);
    ck_assert_int_eq(row.id, 4);
    ck_assert_int_eq(row.event, 2); /* that which it repeats */
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 2, cfmt_delivery_row_t).event, 0);
    ck_assert_int_eq(cfmt_delivery_get(s, &row, 1, unit_pool), APR_SUCCESS);
    ck_assert_int_eq((int)row.len, (int)row.bytes);
    ck_assert(row.body && row.attack);
    ck_assert_int_eq(cfmt_delivery_get(s, &row, 5, unit_pool), CFMT_EMISSING);
    ck_assert_str_eq(row.kind, "evidence");
    ck_assert_int_eq(cfmt_delivery_get(s, &row, 77, unit_pool), CFMT_EMISSING);
    ck_assert_ptr_null(row.kind);
}
END_TEST

START_TEST(secrets_are_seen_by_label)
{
    cfmt_store_t *s = kit_open("store.db");
    apr_array_header_t *rows;
    apr_time_t since;

    kit_sql(s, "INSERT INTO journal(at, kind, origin, label, body) VALUES"
               "(5, 'delivery', 'x', 'new', '{}'), (3, 'delivery', 'x', 'old', '{}'),"
               "(4, 'rejected', 'x', 'old', 'no'), (9, 'drill', 'x', 'old', '{}'),"
               "(9, 'delivery', 'x', 'old', '" CFMT_TRIGGER_MARK "\"eve\"}'),"
               "(9, 'delivery', 'x', NULL, '{}')");
    ck_assert_int_eq(cfmt_labels_seen(s, &rows, &since, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 2);
    ck_assert_str_eq(APR_ARRAY_IDX(rows, 1, cfmt_label_row_t).label, "old");
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 1, cfmt_label_row_t).deliveries, 2);
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 1, cfmt_label_row_t).first_at, 3);
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 1, cfmt_label_row_t).last_at, 4);
    ck_assert_int_eq(since, 0);
}
END_TEST

/* Whatever the steps are: in one with the row itself, behind it, of a repeat, of no row. */
START_TEST(once_more_is_the_same)
{
    cfmt_store_t *s = kit_open("store.db");
    const kit_row_t rows[] = {
        kit_config(0, KIT_CONFIG), ALERT(5), ALERT(5),
        { "command", KIT_T(6), "{\"command\":\"redeliver\",\"id\":2}" },
        { "command", KIT_T(6), "{\"command\":\"redeliver\",\"id\":3}" },
        { "command", KIT_T(6), "{\"command\":\"redeliver\",\"id\":1}" },
        { "command", KIT_T(6), "{\"command\":\"redeliver\",\"id\":999}" },
        { "command", KIT_T(6), "{\"command\":\"redeliver\",\"id\":\"x\"}" },
        { "later", KIT_T(7), "{}" }, { "command", KIT_T(8), "{\"command\":\"redeliver\",\"id\":9}" },
    };

    kit_append(s, rows, KIT_COUNT(rows));
    kit_project(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event"), 1);
    ck_assert_str_eq(kit_text(s, "SELECT group_concat(id || '-' || first) FROM event_repeat"),
                     "3-2");
    kit_check_rebuild(s, "once more");
    kit_oracle(s);
}
END_TEST

UNIT_SUITE_BEGIN(keep)
    UNIT_TEST(a_copy_is_of_one_moment)
    UNIT_TEST(a_copy_that_is_stopped_or_would_overwrite)
    UNIT_TEST(nobody_may_have_it_open)
    UNIT_TEST(deliveries_and_their_events)
    UNIT_TEST(secrets_are_seen_by_label)
    UNIT_TEST(once_more_is_the_same)
UNIT_SUITE_END
