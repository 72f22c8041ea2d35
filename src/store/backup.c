/*
 * The file itself: what it holds, a copy of it by SQLite's backup interface, and a copy that takes
 * its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmt_store_keep.h"
#include "store_private.h"

#define LOCK_WAIT apr_time_from_sec(5)
#define STEP_PAGES 1024

/* ---- facts ----------------------------------------------------------------------------------- */

static apr_status_t journal_ends(cfmt_store_t *s, cfmt_file_facts_t *f)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id, at FROM journal ORDER BY id LIMIT 1");
    apr_status_t rv;

    if (cfmt_sql_row(s, st, &rv)) {
        f->first = cfmt_col_int(st, 0);
        f->first_at = cfmt_col_int(st, 1);
        cfmt_sql_done(st);
    }
    st = cfmt_sql(s, "SELECT at FROM journal ORDER BY id DESC LIMIT 1");
    rv = rv == APR_SUCCESS ? cfmt_sql_int(s, st, &f->head_at) : rv;
    rv = rv == APR_SUCCESS ? cfmt_journal_head(s, &f->head) : rv;
    return rv == APR_SUCCESS ? cfmt_meta_int(s, CFMT_META_CURSOR, 0, &f->cursor) : rv;
}

apr_status_t cfmt_file_facts(cfmt_store_t *s, cfmt_file_facts_t *f, apr_pool_t *p)
{
    apr_status_t rv;

    memset(f, 0, sizeof(*f));
    rv = cfmt_query_facts(s, &f->facts, p);
    rv = rv == APR_SUCCESS ? cfmt_sql_int(s, cfmt_sql(s, "PRAGMA page_count"), &f->pages) : rv;
    rv = rv == APR_SUCCESS ? cfmt_sql_int(s, cfmt_sql(s, "PRAGMA page_size"), &f->page_size) : rv;
    rv = rv == APR_SUCCESS ? cfmt_sql_int(s, cfmt_sql(s, "PRAGMA freelist_count"), &f->free_pages)
                           : rv;
    rv = rv == APR_SUCCESS ? journal_ends(s, f) : rv;
    return rv == APR_SUCCESS
               ? cfmt_sql_int(s, cfmt_sql(s, "SELECT max(id) FROM audit"), &f->audit) : rv;
}

#define COUNT(name) \
    { .table = #name, .sql = "SELECT count(*) FROM (SELECT 1 FROM " #name " LIMIT 1000000)" }

apr_status_t cfmt_counts(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    static const struct {
        const char *table, *sql;
    } tables[] = {
        COUNT(event), COUNT(attack), COUNT(entity), COUNT(prefix), COUNT(tunnel), COUNT(evidence),
        COUNT(traffic_event), COUNT(decision), COUNT(intent), COUNT(outbox), COUNT(audit),
    };
    apr_status_t rv = APR_SUCCESS;
    apr_size_t i;

    *prows = apr_array_make(p, 12, sizeof(cfmt_count_row_t));
    for (i = 0; rv == APR_SUCCESS && i < sizeof(tables) / sizeof(tables[0]); i++) {
        cfmt_count_row_t *row = apr_array_push(*prows);

        row->table = tables[i].table;
        row->rows = 0;
        rv = cfmt_sql_int(s, cfmt_sql(s, tables[i].sql), &row->rows);
    }
    return rv;
}

/* ---- a copy ---------------------------------------------------------------------------------- */

static apr_status_t create(const char *path, cfmt_result_t *r, apr_pool_t *p)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);

    if (fd < 0) {
        return cfmt_result_set(r, p, cfmt_status_of_errno(errno), "cannot make %s: %s", path,
                               strerror(errno));
    }
    (void)fchmod(fd, 0660);
    close(fd);
    return APR_SUCCESS;
}

/* What was copied is on the disk: nobody would look into a copy before he needs it. */
static apr_status_t sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    apr_status_t rv = fd < 0 || fsync(fd) != 0 ? cfmt_status_of_errno(errno) : APR_SUCCESS;

    if (fd >= 0) {
        close(fd);
    }
    return rv;
}

/*
 * A statement that has not come to its end keeps the moment for us, through all steps: else each
 * commit in between would begin the copy anew. Between two checkpoints, so under the lock.
 */
static apr_status_t choose_moment(cfmt_store_t *s, sqlite3_stmt **pst)
{
    apr_status_t rv = cfmt_lock_take(s->lock, LOCK_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    *pst = cfmt_sql(s, "SELECT name FROM meta");
    if (!cfmt_sql_row(s, *pst, &rv) && rv == APR_SUCCESS) {
        rv = CFMT_EFOREIGN; /* each of ours has facts of itself */
    }
    cfmt_lock_release(s->lock);
    return rv;
}

static apr_status_t copy_pages(cfmt_store_t *to, cfmt_store_t *from,
                               int (*more)(void *, int, int), void *baton)
{
    sqlite3_backup *b = sqlite3_backup_init(to->db, "main", from->db, "main");
    int rc = SQLITE_OK, go = 1;

    while (b && go && (rc = sqlite3_backup_step(b, STEP_PAGES)) == SQLITE_OK) {
        int pages = sqlite3_backup_pagecount(b);

        go = !more || more(baton, pages - sqlite3_backup_remaining(b), pages);
    }
    if (b) {
        sqlite3_backup_finish(b);
    }
    return !go ? CFMT_ESTOPPED
           : rc == SQLITE_DONE ? APR_SUCCESS
                               : cfmt_sql_status(to, b ? rc : sqlite3_errcode(to->db));
}

apr_status_t cfmt_backup(cfmt_store_t *s, const char *path,
                         int (*more)(void *baton, int done, int pages), void *baton,
                         cfmt_result_t *r, apr_pool_t *p)
{
    sqlite3_stmt *moment = NULL;
    cfmt_store_t *to = NULL;
    apr_status_t rv = create(path, r, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = choose_moment(s, &moment);
    if (rv == APR_SUCCESS) {
        rv = cfmt_store_open_alone(&to, path, p);
        rv = rv == APR_SUCCESS
                 ? cfmt_sql_exec(to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;") : rv;
        rv = rv == APR_SUCCESS ? copy_pages(to, s, more, baton) : rv;
        cfmt_store_explain(r, to, rv, p);
        cfmt_store_close(to);
    }
    else {
        cfmt_store_explain(r, s, rv, p);
    }
    cfmt_sql_done(moment);
    rv = rv == APR_SUCCESS ? sync_file(path) : rv;
    if (rv != APR_SUCCESS) {
        (void)unlink(path);
    }
    return rv;
}

/* ---- is it whole? ---------------------------------------------------------------------------- */

static apr_status_t check_content(cfmt_store_t *s, cfmt_file_facts_t *f, apr_pool_t *p)
{
    apr_array_header_t *lines;
    apr_int64_t version = 0;
    apr_status_t rv = cfmt_store_version(s, &version);

    if (rv == APR_SUCCESS && version == 0) {
        apr_snprintf(s->err, sizeof(s->err), "an empty file");
        return CFMT_EFOREIGN;
    }
    rv = rv == APR_SUCCESS ? cfmt_store_allowed(s) : rv;
    rv = rv == APR_SUCCESS ? cfmt_store_integrity(s, 1, &lines, p) : rv;
    if (rv == APR_SUCCESS && lines->nelts) {
        apr_snprintf(s->err, sizeof(s->err), "%s", APR_ARRAY_IDX(lines, 0, const char *));
        return CFMT_ECORRUPT;
    }
    return rv == APR_SUCCESS && version >= 7 ? cfmt_file_facts(s, f, p) : rv;
}

/*
 * In SQLite's exclusive mode the index of a log is in memory, so nothing is left beside the file;
 * whose it is does not matter.
 */
apr_status_t cfmt_backup_verify(const char *path, cfmt_file_facts_t *f, cfmt_result_t *r,
                                apr_pool_t *p)
{
    cfmt_store_t *s;
    apr_status_t rv = cfmt_store_open_alone(&s, path, p);

    memset(f, 0, sizeof(*f));
    rv = rv == APR_SUCCESS ? check_content(s, f, p) : rv;
    if (rv != APR_SUCCESS) {
        cfmt_store_explain(r, s, rv, p);
    }
    cfmt_store_close(s);
    (void)unlink(apr_pstrcat(p, path, "-wal", NULL));
    return rv;
}

/* ---- in the place of another ----------------------------------------------------------------- */

/* Where SQLite's handles keep a shared lock for as long as they have a database in WAL mode. */
#define SHARED_FIRST 0x40000002
#define SHARED_SIZE 510

apr_status_t cfmt_store_user(const char *db, pid_t *ppid)
{
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SHARED_FIRST,
                        .l_len = SHARED_SIZE };
    int fd = open(db, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    apr_status_t rv;

    *ppid = 0;
    if (fd < 0) {
        return errno == ENOENT ? APR_SUCCESS : cfmt_status_of_errno(errno);
    }
    rv = fcntl(fd, F_GETLK, &fl) == 0 ? APR_SUCCESS : cfmt_status_of_errno(errno);
    if (rv == APR_SUCCESS && fl.l_type != F_UNLCK) {
        *ppid = fl.l_pid > 0 ? fl.l_pid : 1; /* another pid namespace tells none */
    }
    close(fd);
    return rv;
}

static apr_status_t move(const char *from, const char *to, int optional)
{
    return rename(from, to) == 0 || (optional && errno == ENOENT) ? APR_SUCCESS
                                                                  : cfmt_status_of_errno(errno);
}

static void sync_dir(const char *path, apr_pool_t *p)
{
    int fd = open(dirname(apr_pstrdup(p, path)), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

/*
 * What is kept should be one file. SQLite brings the log home when its last handle closes; where
 * the file is damaged the log is kept beside it.
 */
static void bring_home(const char *db, apr_pool_t *p)
{
    apr_int64_t version;
    cfmt_store_t *s;

    if (cfmt_store_open_alone(&s, db, p) == APR_SUCCESS) {
        (void)cfmt_store_version(s, &version);
    }
    cfmt_store_close(s);
}

/* The log goes first: a database without it is older, with another one's it is broken. */
static apr_status_t swap(const char *db, const char *from, const char *keep, apr_pool_t *p)
{
    apr_status_t rv;

    bring_home(db, p);
    rv = move(apr_pstrcat(p, db, "-wal", NULL), apr_pstrcat(p, keep, "-wal", NULL), 1);
    if (rv == APR_SUCCESS) {
        (void)unlink(apr_pstrcat(p, db, "-shm", NULL));
        rv = move(db, keep, 1);
    }
    if (rv == APR_SUCCESS && (rv = move(from, db, 0)) != APR_SUCCESS) {
        (void)move(keep, db, 1); /* as it was */
        (void)move(apr_pstrcat(p, keep, "-wal", NULL), apr_pstrcat(p, db, "-wal", NULL), 1);
    }
    sync_dir(db, p);
    return rv;
}

apr_status_t cfmt_store_replace(const char *db, const char *from, const char *keep, pid_t *puser,
                                cfmt_result_t *r, apr_pool_t *p)
{
    cfmt_lock_t *lock = NULL;
    apr_status_t rv = cfmt_lock_open(&lock, apr_pstrcat(p, db, ".lock", NULL), p);

    *puser = 0;
    rv = rv == APR_SUCCESS || rv == CFMT_ELINK ? rv : cfmt_status_of_errno(rv);
    rv = rv == APR_SUCCESS ? cfmt_lock_take(lock, LOCK_WAIT) : rv;
    rv = rv == APR_SUCCESS ? cfmt_store_user(db, puser) : rv;
    rv = rv == APR_SUCCESS && *puser ? CFMT_EBUSY : rv;
    rv = rv == APR_SUCCESS ? swap(db, from, keep, p) : rv;
    cfmt_lock_close(lock);
    return rv == APR_SUCCESS ? rv
                             : cfmt_result_set(r, p, rv, "%s: %s", db, cfmt_status_text(rv, p));
}
