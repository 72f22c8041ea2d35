/*
 * Makes the state directory and the store, migrates and publishes. Runs in a short-lived process of
 * httpd's start, in the leader when the store has vanished, and in cfmtctl; never in httpd's
 * parent.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store_private.h"

#define LOCK_WAIT apr_time_from_sec(5)
#define DIR_MODE 02770 /* set-group-id: files made by anyone of the group belong to the group */

/* ---- the directory, as root ------------------------------------------------------------------ */

static int open_dir(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Whoever can write the parent could swap the directory for a link while root works in it. */
static apr_status_t check_parent(int fd, const char *parent, cfmt_result_t *r, apr_pool_t *p)
{
    struct stat sb;

    if (fstat(fd, &sb) != 0) {
        return cfmt_result_set(r, p, cfmt_status_of_errno(errno), "%s: %s", parent,
                               strerror(errno));
    }
    if (sb.st_uid != 0 || (sb.st_mode & 022)) {
        return cfmt_result_set(r, p, CFMT_EDENIED, "%s must belong to root and not be writable by "
                               "others before root makes a directory in it", parent);
    }
    return APR_SUCCESS;
}

static apr_status_t make_at(int parent, const char *name, uid_t uid, gid_t gid)
{
    int fd, err = 0;

    if (mkdirat(parent, name, 0700) != 0) {
        return errno == EEXIST ? APR_SUCCESS : errno;
    }
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    if (fchown(fd, uid, gid) != 0 || fchmod(fd, DIR_MODE) != 0) {
        err = errno;
    }
    close(fd);
    return err;
}

apr_status_t cfmt_prepare_dir(const char *path, apr_uid_t uid, apr_gid_t gid, cfmt_result_t *r,
                              apr_pool_t *p)
{
    const char *dir = dirname(apr_pstrdup(p, path));
    const char *parent = dirname(apr_pstrdup(p, dir));
    apr_status_t rv;
    int fd;

    if (access(dir, F_OK) == 0) {
        return APR_SUCCESS;
    }
    fd = open_dir(parent);
    if (fd < 0) {
        return cfmt_result_set(r, p, cfmt_status_of_errno(errno), "cannot make %s: %s: %s", dir,
                               parent, strerror(errno));
    }
    rv = check_parent(fd, parent, r, p);
    if (rv == APR_SUCCESS) {
        rv = make_at(fd, basename(apr_pstrdup(p, dir)), uid, gid);
        if (rv != APR_SUCCESS) {
            cfmt_result_set(r, p, cfmt_status_of_errno(rv), "cannot make %s: %s", dir,
                            strerror(rv));
            rv = cfmt_status_of_errno(rv);
        }
    }
    close(fd);
    return rv;
}

/* ---- the file, as its owner ------------------------------------------------------------------ */

/* Made by us before SQLite sees it: its -wal and -shm take over mode 0660 whatever the umask. */
static apr_status_t create_file(const char *path, cfmt_result_t *r, apr_pool_t *p)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);

    if (fd < 0) {
        return errno == EEXIST ? APR_SUCCESS
                               : cfmt_result_set(r, p, cfmt_status_of_errno(errno),
                                                 "cannot make %s: %s", path, strerror(errno));
    }
    (void)fchmod(fd, 0660);
    close(fd);
    return APR_SUCCESS;
}

static apr_status_t migrate_to(cfmt_store_t *s, const cfmt_migration_t *m)
{
    char pragma[64];
    apr_status_t rv = cfmt_sql_exec(s, m->sql);

    if (rv == APR_SUCCESS) {
        apr_snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%d", m->version);
        rv = cfmt_sql_exec(s, pragma);
    }
    return rv;
}

/*
 * While version 1 was being developed its tables changed under the same number. To go on with such
 * a file would migrate it and then fail at every attack.
 */
static apr_status_t check_v1(cfmt_store_t *s)
{
    apr_int64_t found = 0;
    apr_status_t rv = cfmt_sql_int(
        s, cfmt_sql(s, "SELECT count(*) FROM pragma_table_info('attack') WHERE name = 'number'"),
        &found);

    if (rv == APR_SUCCESS && !found) {
        apr_snprintf(s->err, sizeof(s->err),
                     "made by a version that was never released; move it away to start anew");
        return CFMT_EFOREIGN;
    }
    return rv;
}

/* All that is missing in one transaction: either the new schema is there or the old one is. */
static apr_status_t migrate(cfmt_store_t *s)
{
    const cfmt_migration_t *m;
    apr_int64_t version = 0;
    apr_status_t rv = cfmt_store_begin(s, LOCK_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_store_version(
        s, &version); /* again, under the lock: somebody else may have been first */
    rv = rv == APR_SUCCESS && version == 1 ? check_v1(s) : rv;
    for (m = cfmt_migrations; rv == APR_SUCCESS && m->version; m++) {
        if (m->version > version) {
            rv = migrate_to(s, m);
        }
    }
    if (rv == APR_SUCCESS && version == 0) {
        rv = cfmt_sql_exec(s,
                           apr_psprintf(s->pool, "PRAGMA application_id=%d", CFMT_APPLICATION_ID));
    }
    return cfmt_store_end(s, rv);
}

static int is_wal(cfmt_store_t *s)
{
    sqlite3_stmt *st = cfmt_sql(s, "PRAGMA journal_mode");
    apr_status_t rv;
    int wal = 0;

    if (cfmt_sql_row(s, st, &rv)) {
        wal = !strcmp((const char *)sqlite3_column_text(st, 0), "wal");
        cfmt_sql_done(st);
    }
    return wal;
}

/*
 * The journal mode is a property of the file and cannot be changed inside a transaction. A file
 * that was restored by VACUUM INTO has the current schema, but not this.
 */
static apr_status_t use_wal(cfmt_store_t *s)
{
    apr_status_t rv;

    if (is_wal(s)) {
        return APR_SUCCESS;
    }
    rv = cfmt_lock_take(s->lock, LOCK_WAIT);
    if (rv == APR_SUCCESS) {
        rv = cfmt_sql_exec(s, "PRAGMA journal_mode=WAL");
        cfmt_lock_release(s->lock);
    }
    return rv;
}

static apr_status_t upgrade(const char *path, cfmt_result_t *r, apr_pool_t *p)
{
    apr_int64_t version = 0;
    cfmt_store_t *s;
    apr_status_t rv = cfmt_store_open_any(&s, path, CFMT_STORE_WRITE, p);

    if (rv == APR_SUCCESS && (rv = cfmt_store_version(s, &version)) == APR_SUCCESS) {
        rv = use_wal(s);
    }
    if (rv == APR_SUCCESS && version < CFMT_SCHEMA) {
        rv = cfmt_store_version(s, &version); /* a read in the new mode: now the WAL is open */
        cfmt_store_identify(s);
        rv = rv == APR_SUCCESS ? migrate(s) : rv;
    }
    if (rv != APR_SUCCESS) {
        cfmt_store_explain(r, s, rv, p);
    }
    cfmt_store_close(s);
    return rv;
}

static apr_status_t publish(const char *path, const apr_table_t *settings, apr_time_t now,
                            cfmt_result_t *r, apr_pool_t *p)
{
    cfmt_store_t *s;
    apr_status_t rv = cfmt_store_open(&s, path, CFMT_STORE_WRITE, r, p);

    if (rv != APR_SUCCESS || !settings) {
        cfmt_store_close(s);
        return rv;
    }
    rv = cfmt_store_begin(s, LOCK_WAIT);
    if (rv == APR_SUCCESS) {
        rv = cfmt_store_end(s, cfmt_settings_publish(s, settings, now, p));
    }
    if (rv != APR_SUCCESS) {
        cfmt_store_explain(r, s, rv, p);
    }
    cfmt_store_close(s);
    return rv;
}

apr_status_t cfmt_prepare_store(const char *path, const apr_table_t *settings, apr_time_t now,
                                cfmt_result_t *r, apr_pool_t *p)
{
    apr_status_t rv = create_file(path, r, p);

    if (rv == APR_SUCCESS) {
        rv = upgrade(path, r, p);
    }
    return rv == APR_SUCCESS ? publish(path, settings, now, r, p) : rv;
}
