/*
 * Opening, preparing and distrusting the file: what is made, with which modes, and what is refused
 * with which word.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store/store_private.h"
#include "unit.h"

static const char *db(void)
{
    return unit_path("cfmt.db");
}

static void prepare(void)
{
    cfmt_result_t r = { .status = 0 };

    ck_assert_msg(cfmt_prepare_store(db(), NULL, apr_time_now(), &r, unit_pool) == APR_SUCCESS,
                  "%s", r.detail ? r.detail : "?");
}

static apr_status_t try_open(cfmt_store_mode_e mode, cfmt_result_t *r)
{
    cfmt_store_t *s = NULL;
    apr_status_t rv = cfmt_store_open(&s, db(), mode, r, unit_pool);

    cfmt_store_close(s);
    return rv;
}

/* Changes the file behind the module's back. */
static void foreign_sql(const char *sql)
{
    sqlite3 *h;

    ck_assert_int_eq(sqlite3_open(db(), &h), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(h);
}

START_TEST(prepare_makes_and_is_idempotent)
{
    struct stat sb;
    cfmt_store_t *s;
    cfmt_facts_t f;
    mode_t old = umask(0077);

    prepare();
    prepare();
    ck_assert_int_eq(cfmt_store_open(&s, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    umask(old);
    ck_assert_int_eq(cfmt_query_facts(s, &f, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(f.schema, CFMT_SCHEMA);
    ck_assert_int_eq(f.application_id, CFMT_APPLICATION_ID);
    ck_assert_str_eq(f.journal_mode, "wal");
    ck_assert_int_eq(stat(db(), &sb), 0);
    ck_assert_int_eq(sb.st_mode & 0777, 0660);
    ck_assert_int_eq(stat(unit_path("cfmt.db-wal"), &sb), 0);
    ck_assert_int_eq(sb.st_mode & 0777, 0660);
    ck_assert_int_eq(stat(unit_path("cfmt.db-shm"), &sb), 0);
    ck_assert_int_eq(sb.st_mode & 0777, 0660);
    cfmt_store_close(s);
}
END_TEST

START_TEST(a_creation_that_was_cut_is_finished)
{
    int fd = open(db(), O_CREAT | O_WRONLY, 0660);

    close(fd);
    ck_assert_int_eq(try_open(CFMT_STORE_WRITE, NULL), CFMT_EOLDER);
    prepare();
    ck_assert_int_eq(try_open(CFMT_STORE_WRITE, NULL), APR_SUCCESS);
}
END_TEST

START_TEST(a_restored_file_gets_its_journal_mode_back)
{
    cfmt_facts_t f;
    cfmt_store_t *s;

    prepare();
    foreign_sql("PRAGMA journal_mode=DELETE"); /* what VACUUM INTO leaves */
    prepare();
    ck_assert_int_eq(cfmt_store_open(&s, db(), CFMT_STORE_READ, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_query_facts(s, &f, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(f.journal_mode, "wal");
    cfmt_store_close(s);
}
END_TEST

START_TEST(missing_and_foreign)
{
    cfmt_result_t r = { .status = 0 };

    ck_assert_int_eq(try_open(CFMT_STORE_READ, &r), CFMT_EMISSING);
    ck_assert_str_eq(r.problem, "missing");
    ck_assert_ptr_nonnull(strstr(r.detail, "cfmt.db"));
    foreign_sql("CREATE TABLE other(x)");
    ck_assert_int_eq(try_open(CFMT_STORE_READ, &r), CFMT_EFOREIGN);
    ck_assert_int_eq(cfmt_prepare_store(db(), NULL, 0, &r, unit_pool), CFMT_EFOREIGN);
    foreign_sql("SELECT x FROM other"); /* untouched */
}
END_TEST

START_TEST(not_a_database)
{
    FILE *f = fopen(db(), "w");
    int i;

    for (i = 0; i < 1000; i++) {
        fputs("this is no database ", f);
    }
    fclose(f);
    ck_assert_int_eq(try_open(CFMT_STORE_WRITE, NULL), CFMT_ECORRUPT);
    ck_assert_int_eq(cfmt_prepare_store(db(), NULL, 0, NULL, unit_pool), CFMT_ECORRUPT);
}
END_TEST

START_TEST(newer_schema_is_read_and_written_as_it_says)
{
    cfmt_result_t r = { .status = 0 };

    prepare();
    foreign_sql(apr_psprintf(unit_pool, "PRAGMA user_version=%d", CFMT_SCHEMA + 1));
    ck_assert_int_eq(try_open(CFMT_STORE_WRITE, &r),
                     APR_SUCCESS); /* additive: code of n works on n+1 */
    foreign_sql(
        apr_psprintf(unit_pool, "UPDATE meta SET value=%d WHERE name='min_code'", CFMT_SCHEMA + 1));
    ck_assert_int_eq(try_open(CFMT_STORE_WRITE, &r), CFMT_ENEWER);
    ck_assert_int_eq(try_open(CFMT_STORE_READ, &r), APR_SUCCESS);
    foreign_sql("PRAGMA user_version=0");
    ck_assert_int_eq(try_open(CFMT_STORE_READ, &r), CFMT_EOLDER);
}
END_TEST

/* The new program was started beside this one, whose handle is open. */
START_TEST(an_open_handle_obeys_min_code_too)
{
    cfmt_store_t *s;

    prepare();
    ck_assert_int_eq(cfmt_store_open(&s, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    foreign_sql("UPDATE meta SET value=999 WHERE name='min_code'");
    ck_assert_int_eq(cfmt_store_begin(s, 0), CFMT_ENEWER);
    ck_assert_int_eq(cfmt_store_probe(s, 1, 0), CFMT_ENEWER);
    foreign_sql("UPDATE meta SET value=1 WHERE name='min_code'"); /* the lock is free */
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    cfmt_store_rollback(s);
    cfmt_store_close(s);
}
END_TEST

START_TEST(links_are_refused)
{
    prepare();
    ck_assert_int_eq(rename(db(), unit_path("real.db")), 0);
    ck_assert_int_eq(symlink(unit_path("real.db"), db()), 0);
    ck_assert_int_eq(try_open(CFMT_STORE_READ, NULL), CFMT_ELINK);
    ck_assert_int_eq(cfmt_prepare_store(db(), NULL, 0, NULL, unit_pool), CFMT_ELINK);
    unlink(db());
    ck_assert_int_eq(link(unit_path("real.db"), db()), 0);
    ck_assert_int_eq(try_open(CFMT_STORE_READ, NULL), CFMT_ELINK);
}
END_TEST

START_TEST(side_files_that_are_links_are_refused)
{
    prepare();
    unlink(unit_path("cfmt.db-wal"));
    unlink(unit_path("cfmt.db-shm"));
    ck_assert_int_eq(symlink("/etc/passwd", unit_path("cfmt.db-wal")), 0);
    ck_assert_int_eq(try_open(CFMT_STORE_WRITE, NULL), CFMT_ELINK);
}
END_TEST

START_TEST(a_database_of_another_owner_is_refused)
{
    if (getuid() != 0) {
        return; /* only root can give files away */
    }
    prepare();
    ck_assert_int_eq(chown(db(), 12345, 12345), 0);
    ck_assert_int_eq(try_open(CFMT_STORE_READ, NULL), CFMT_ELINK);
}
END_TEST

static void replaced_by(void (*change)(void))
{
    cfmt_store_t *s;

    prepare();
    ck_assert_int_eq(cfmt_store_open(&s, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    cfmt_store_rollback(s);
    change();
    ck_assert_int_eq(cfmt_store_begin(s, 0), CFMT_EREPLACED);
    cfmt_store_close(s);
}

static void delete_db(void)
{
    unlink(db());
}

static void replace_db(void)
{
    ck_assert_int_eq(rename(db(), unit_path("old.db")), 0);
    prepare();
}

static void delete_wal(void)
{
    unlink(unit_path("cfmt.db-wal"));
}

static void delete_lock(void)
{
    unlink(unit_path("cfmt.db.lock"));
}

START_TEST(no_commit_into_files_that_are_gone)
{
    void (*const changes[])(void) = { delete_db, replace_db, delete_wal, delete_lock };

    replaced_by(changes[_i]);
}
END_TEST

static apr_status_t append_one(cfmt_store_t *s)
{
    cfmt_entry_t e = { .kind = "delivery", .origin = "o", .body = "{}", .len = 2 };
    apr_status_t rv = cfmt_store_begin(s, apr_time_from_sec(1));

    if (rv == APR_SUCCESS) {
        ck_assert_int_eq(cfmt_journal_append(s, &e), APR_SUCCESS);
        rv = cfmt_store_commit(s);
    }
    return rv;
}

/* Forked before this process has a handle: SQLite must not cross a fork. */
static pid_t start_other(int *pgo)
{
    int fds[2];
    char c;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        cfmt_store_t *s;

        close(fds[1]);
        (void)!read(fds[0], &c, 1); /* ends when the parent closes it */
        _exit(cfmt_store_open(&s, db(), CFMT_STORE_WRITE, NULL, unit_pool) == APR_SUCCESS
              && append_one(s) == APR_SUCCESS ? 0 : 1);
    }
    close(fds[0]);
    *pgo = fds[1];
    return pid;
}

START_TEST(a_deleted_index_does_not_split_the_store)
{
    apr_int64_t head;
    cfmt_store_t *a, *b;
    int go, status;
    pid_t pid;

    prepare();
    pid = start_other(&go);
    ck_assert_int_eq(cfmt_store_open(&a, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(append_one(a), APR_SUCCESS);
    unlink(unit_path("cfmt.db-shm"));
    close(go);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(append_one(a), CFMT_EREPLACED); /* it would overwrite the other's row */
    /* beside the old handle SQLite gives the old index to a new one, too */
    ck_assert_int_eq(cfmt_store_open(&b, db(), CFMT_STORE_WRITE, NULL, unit_pool), CFMT_EREPLACED);
    cfmt_store_close(a);
    ck_assert_int_eq(cfmt_store_open(&a, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(append_one(a), APR_SUCCESS);
    ck_assert_int_eq(cfmt_journal_head(a, &head), APR_SUCCESS);
    ck_assert_int_eq(head, 3);
    cfmt_store_close(a);
}
END_TEST

/* 0: the log was deleted; 1: the database was moved away and the log was left behind. */
START_TEST(what_only_the_old_log_has_is_saved)
{
    const char *path = _i ? unit_path("old.db") : db();
    apr_int64_t head;
    cfmt_store_t *s;

    prepare();
    ck_assert_int_eq(cfmt_store_open(&s, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(append_one(s), APR_SUCCESS);
    ck_assert_int_eq(_i ? rename(db(), path) : unlink(unit_path("cfmt.db-wal")), 0);
    ck_assert_int_eq(append_one(s), CFMT_EREPLACED);
    cfmt_store_close(s);
    ck_assert_int_eq(access(unit_path("cfmt.db-wal"), F_OK), -1); /* of no other database */
    ck_assert_int_eq(cfmt_store_open(&s, path, CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_journal_head(s, &head), APR_SUCCESS);
    ck_assert_int_eq(head, 1);
    cfmt_store_close(s);
}
END_TEST

START_TEST(directory_is_made_by_rules)
{
    cfmt_result_t r = { .status = 0 };
    struct stat sb;
    const char *parent = unit_path("var"), *path = unit_path("var/cfmt/cfmt.db");

    if (getuid() != 0) {
        return; /* root's part */
    }
    ck_assert_int_eq(mkdir(parent, 0777), 0);
    ck_assert_int_eq(chmod(parent, 0777), 0);
    ck_assert_int_eq(cfmt_prepare_dir(path, 33, 33, &r, unit_pool), CFMT_EDENIED);
    ck_assert_int_eq(chmod(parent, 0755), 0);
    ck_assert_int_eq(cfmt_prepare_dir(path, 33, 34, &r, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(stat(unit_path("var/cfmt"), &sb), 0);
    ck_assert_int_eq(sb.st_mode & 07777, 02770);
    ck_assert_int_eq(sb.st_uid, 33);
    ck_assert_int_eq(sb.st_gid, 34);
    ck_assert_int_eq(chmod(unit_path("var/cfmt"), 0700), 0); /* what is there is left alone */
    ck_assert_int_eq(cfmt_prepare_dir(path, 1, 1, &r, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(stat(unit_path("var/cfmt"), &sb), 0);
    ck_assert_int_eq(sb.st_mode & 07777, 0700);
    ck_assert_int_eq(cfmt_prepare_dir(unit_path("none/cfmt/cfmt.db"), 33, 33, &r, unit_pool),
                     CFMT_EMISSING);
}
END_TEST

START_TEST(data_version_tells_of_others)
{
    cfmt_store_t *a, *b;
    apr_int64_t before;

    prepare();
    ck_assert_int_eq(cfmt_store_open(&a, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_open(&b, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    before = cfmt_store_data_version(a);
    ck_assert_int_eq(cfmt_store_data_version(a), before);
    ck_assert_int_eq(cfmt_store_begin(b, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_meta_set_int(b, "x", 1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(b), APR_SUCCESS);
    ck_assert_int_ne(cfmt_store_data_version(a), before);
    cfmt_store_close(a);
    cfmt_store_close(b);
}
END_TEST

START_TEST(integrity_finds_damage)
{
    apr_array_header_t *lines;
    cfmt_store_t *s;
    char junk[4096];
    int fd;

    prepare();
    ck_assert_int_eq(cfmt_store_open(&s, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_checkpoint(s, 1, 0, NULL), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_integrity(s, 1, &lines, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(lines->nelts, 0);
    cfmt_store_close(s);
    memset(junk, 0x5a, sizeof(junk));
    fd = open(db(), O_WRONLY);
    ck_assert_int_eq(pwrite(fd, junk, sizeof(junk), 3 * 4096), sizeof(junk));
    close(fd);
    unlink(unit_path("cfmt.db-wal"));
    unlink(unit_path("cfmt.db-shm"));
    ck_assert_int_eq(cfmt_store_open(&s, db(), CFMT_STORE_READ, NULL, unit_pool), APR_SUCCESS);
    ck_assert(cfmt_store_integrity(s, 1, &lines, unit_pool) != APR_SUCCESS || lines->nelts > 0);
    cfmt_store_close(s);
}
END_TEST

START_TEST(a_limit_ends_what_takes_long)
{
    apr_array_header_t *lines;
    cfmt_store_t *s;
    int i;

    prepare();
    ck_assert_int_eq(cfmt_store_open(&s, db(), CFMT_STORE_WRITE, NULL, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    for (i = 0; i < 3000; i++) {
        cfmt_entry_t e = { .kind = "delivery", .at = i + 1, .origin = "192.0.2.1", .body = "{}",
                           .len = 2 };
        ck_assert_int_eq(cfmt_journal_append(s, &e), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    cfmt_store_limit(s, 1);
    ck_assert_int_eq(cfmt_store_integrity(s, 1, &lines, unit_pool), APR_TIMEUP);
    cfmt_store_limit(s, 0);
    ck_assert_int_eq(cfmt_store_integrity(s, 1, &lines, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(lines->nelts, 0);
    cfmt_store_close(s);
}
END_TEST

UNIT_SUITE_BEGIN(store)
UNIT_TEST(prepare_makes_and_is_idempotent)
UNIT_TEST(a_creation_that_was_cut_is_finished)
UNIT_TEST(a_restored_file_gets_its_journal_mode_back)
UNIT_TEST(missing_and_foreign)
UNIT_TEST(not_a_database)
UNIT_TEST(newer_schema_is_read_and_written_as_it_says)
UNIT_TEST(an_open_handle_obeys_min_code_too)
UNIT_TEST(links_are_refused)
UNIT_TEST(side_files_that_are_links_are_refused)
UNIT_TEST(a_database_of_another_owner_is_refused)
    tcase_add_loop_test(tc, no_commit_into_files_that_are_gone, 0, 4);
UNIT_TEST(a_deleted_index_does_not_split_the_store)
    tcase_add_loop_test(tc, what_only_the_old_log_has_is_saved, 0, 2);
UNIT_TEST(directory_is_made_by_rules)
UNIT_TEST(data_version_tells_of_others)
UNIT_TEST(integrity_finds_damage)
UNIT_TEST(a_limit_ends_what_takes_long)
UNIT_SUITE_END
