/*
 * A handle on the store: pragmas, version, statements. It never creates anything but the lock file;
 * prepare.c does.
 */
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store_private.h"

#define INTEGRITY_LINES 20
#define LIMIT_STEPS 10000 /* of SQLite, some 100 us: between looks at the clock */

/* ---- errors ---------------------------------------------------------------------------------- */

/* A full tmpfs surfaces as an I/O error of the -shm file: the system's errno tells them apart. */
static apr_status_t status_of_io(int err)
{
    return err == ENOSPC || err == EDQUOT ? CFMT_EFULL : CFMT_EIO;
}

static apr_status_t status_of_sqlite(int rc, int err)
{
    if (rc == SQLITE_READONLY_DBMOVED) {
        return CFMT_EREPLACED;
    }
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return APR_SUCCESS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return CFMT_EBUSY;
    case SQLITE_FULL:
        return CFMT_EFULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return CFMT_ECORRUPT;
    case SQLITE_READONLY:
        return CFMT_EREADONLY;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return CFMT_EINVALID; /* this row, not the store */
    case SQLITE_CANTOPEN:
        return err ? cfmt_status_of_errno(err) : CFMT_EDENIED;
    case SQLITE_INTERRUPT:
        return APR_TIMEUP; /* cfmt_store_limit */
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return CFMT_EDENIED;
    case SQLITE_IOERR:
        return status_of_io(err);
    default:
        return CFMT_ESTORE;
    }
}

apr_status_t cfmt_sql_status(cfmt_store_t *s, int rc)
{
    apr_status_t rv = status_of_sqlite(rc, s->db ? sqlite3_system_errno(s->db) : 0);

    if (rv != APR_SUCCESS) {
        s->why = rv;
        apr_snprintf(s->err, sizeof(s->err), "%s (SQLite %d)",
                     s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc), rc);
    }
    return rv;
}

const char *cfmt_store_error(const cfmt_store_t *s)
{
    return s->err[0] ? s->err : "no error";
}

/* ---- statements ------------------------------------------------------------------------------ */

static sqlite3_stmt *prepare_into(cfmt_store_t *s, int i, const char *sql)
{
    int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i].st, NULL);

    if (rc != SQLITE_OK) {
        cfmt_sql_status(s, rc);
        return NULL;
    }
    s->stmt[i].sql = sql;
    return s->stmt[i].st;
}

sqlite3_stmt *cfmt_sql(cfmt_store_t *s, const char *sql)
{
    int i;

    for (i = 0; i < CFMT_STATEMENTS_MAX && s->stmt[i].sql; i++) {
        if (s->stmt[i].sql == sql) {
            sqlite3_reset(s->stmt[i].st);
            sqlite3_clear_bindings(s->stmt[i].st);
            return s->stmt[i].st;
        }
    }
    if (i == CFMT_STATEMENTS_MAX) {
        s->why = CFMT_ESTORE;
        apr_snprintf(s->err, sizeof(s->err), "more than %d statements", CFMT_STATEMENTS_MAX);
        return NULL;
    }
    return prepare_into(s, i, sql);
}

void cfmt_sql_done(sqlite3_stmt *st)
{
    if (st) {
        sqlite3_reset(st);
        sqlite3_clear_bindings(st);
    }
}

apr_status_t cfmt_sql_run(cfmt_store_t *s, sqlite3_stmt *st)
{
    apr_status_t rv = APR_SUCCESS;

    while (cfmt_sql_row(s, st, &rv)) {
    }
    return rv;
}

apr_status_t cfmt_sql_int(cfmt_store_t *s, sqlite3_stmt *st, apr_int64_t *pv)
{
    apr_status_t rv;

    if (cfmt_sql_row(s, st, &rv)) {
        *pv = cfmt_col_int(st, 0);
        cfmt_sql_done(st);
    }
    return rv;
}

int cfmt_sql_row(cfmt_store_t *s, sqlite3_stmt *st, apr_status_t *prv)
{
    int rc;

    if (!st) { /* preparing reads the file, too: it may be full, damaged or locked */
        *prv = s->why;
        return 0;
    }
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *prv = APR_SUCCESS;
        return 1;
    }
    *prv = cfmt_sql_status(s, rc);
    cfmt_sql_done(st);
    return 0;
}

apr_status_t cfmt_sql_exec(cfmt_store_t *s, const char *sql)
{
    return cfmt_sql_status(s, sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

void cfmt_bind_text(sqlite3_stmt *st, int i, const char *text)
{
    if (st && text) {
        sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
    }
}

void cfmt_bind_blob(sqlite3_stmt *st, int i, const void *data, apr_size_t len)
{
    if (st) {
        sqlite3_bind_blob64(st, i, data, len, SQLITE_STATIC);
    }
}

void cfmt_bind_bytes(sqlite3_stmt *st, int i, const char *text, apr_size_t len)
{
    if (st) {
        sqlite3_bind_text64(st, i, text, len, SQLITE_STATIC, SQLITE_UTF8);
    }
}

void cfmt_bind_int(sqlite3_stmt *st, int i, apr_int64_t v)
{
    if (st) {
        sqlite3_bind_int64(st, i, v);
    }
}

void cfmt_bind_some(sqlite3_stmt *st, int i, apr_int64_t v)
{
    if (v) {
        cfmt_bind_int(st, i, v);
    }
}

void cfmt_bind_rate(sqlite3_stmt *st, int i, double v)
{
    if (st && v >= 0) {
        sqlite3_bind_double(st, i, v);
    }
}

const char *cfmt_col_text(sqlite3_stmt *st, int i, apr_pool_t *p)
{
    const void *text = sqlite3_column_text(st, i);

    return text ? apr_pstrmemdup(p, text, (apr_size_t)sqlite3_column_bytes(st, i)) : NULL;
}

apr_int64_t cfmt_col_int(sqlite3_stmt *st, int i)
{
    return sqlite3_column_int64(st, i);
}

double cfmt_col_rate(sqlite3_stmt *st, int i)
{
    return sqlite3_column_type(st, i) == SQLITE_NULL ? -1 : sqlite3_column_double(st, i);
}

/* ---- open ------------------------------------------------------------------------------------ */

static int count_wal(void *baton, sqlite3 *db, const char *name, int pages)
{
    (void)db, (void)name;
    ((cfmt_store_t *)baton)->wal_pages = pages;
    return SQLITE_OK;
}

static apr_interval_time_t busy_of(cfmt_store_mode_e mode)
{
    return mode == CFMT_STORE_WRITE ? CFMT_BUSY_WRITE
           : mode == CFMT_STORE_READ ? CFMT_BUSY_READ : CFMT_BUSY_GLANCE;
}

/*
 * Pages. A glance is a handle for one question, in whichever thread was asked: with SQLite's 500
 * pages a walk over a backlog left 2 MiB of holes in the arena of one thread after the other.
 */
#define GLANCE_CACHE "PRAGMA cache_size=16;"

/*
 * No checkpoint on close and none by itself: every checkpoint is ours, under the commit lock
 * (before SQLite 3.51.3 one beside a commit that resets the WAL can corrupt the file). No mmap for
 * the same reason.
 */
static apr_status_t configure(cfmt_store_t *s)
{
    apr_status_t rv;

    sqlite3_extended_result_codes(s->db, 1);
    cfmt_store_busy_timeout(s, busy_of(s->mode));
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_wal_hook(s->db, count_wal, s);
    if (s->mode == CFMT_STORE_GLANCE && (rv = cfmt_sql_exec(s, GLANCE_CACHE)) != APR_SUCCESS) {
        return rv;
    }
    return cfmt_sql_exec(s, "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA mmap_size=0;"
                            "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                            "PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=67108864;");
}

apr_status_t cfmt_store_version(cfmt_store_t *s, apr_int64_t *pversion)
{
    apr_int64_t application = 0, objects = 0;
    apr_status_t rv = cfmt_sql_int(s, cfmt_sql(s, "PRAGMA application_id"), &application);

    if (rv == APR_SUCCESS) {
        rv = cfmt_sql_int(s, cfmt_sql(s, "PRAGMA user_version"), pversion);
    }
    if (rv != APR_SUCCESS || application == CFMT_APPLICATION_ID) {
        return rv;
    }
    rv = cfmt_sql_int(s, cfmt_sql(s, "SELECT count(*) FROM sqlite_master"), &objects);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (application || objects || *pversion) {
        apr_snprintf(s->err, sizeof(s->err), "an SQLite database, but not one of mod_cfmt");
        return CFMT_EFOREIGN;
    }
    return APR_SUCCESS; /* empty: a creation that was cut */
}

apr_status_t cfmt_store_allowed(cfmt_store_t *s)
{
    apr_int64_t min_code = 0;
    apr_status_t rv = cfmt_meta_int(s, CFMT_META_MIN_CODE, 0, &min_code);

    if (rv == APR_SUCCESS && min_code > CFMT_SCHEMA) {
        apr_snprintf(s->err, sizeof(s->err),
                     "only programs that know schema %d may write it; this one knows %d",
                     (int)min_code, CFMT_SCHEMA);
        return CFMT_ENEWER;
    }
    return rv;
}

static apr_status_t check_version(cfmt_store_t *s)
{
    apr_int64_t version = 0;
    apr_status_t rv = cfmt_store_version(s, &version);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (version < CFMT_SCHEMA) {
        apr_snprintf(s->err, sizeof(s->err), "schema %d, this program needs %d", (int)version,
                     CFMT_SCHEMA);
        return CFMT_EOLDER;
    }
    if (s->mode != CFMT_STORE_WRITE) {
        return APR_SUCCESS;
    }
    s->guarded = 1;
    return cfmt_store_allowed(s);
}

static apr_status_t close_store(void *baton)
{
    cfmt_store_t *s = baton;
    int i;

    for (i = 0; i < CFMT_STATEMENTS_MAX && s->stmt[i].sql; i++) {
        sqlite3_finalize(s->stmt[i].st);
        s->stmt[i].sql = NULL;
    }
    sqlite3_close_v2(s->db);
    s->db = NULL;
    cfmt_files_forget(s); /* not before: until then SQLite may share its index with others */
    cfmt_lock_close(s->lock);
    s->lock = NULL;
    return APR_SUCCESS;
}

static apr_status_t open_lock(cfmt_store_t *s)
{
    struct stat sb;
    const char *path = apr_pstrcat(s->pool, s->path, ".lock", NULL);
    apr_status_t rv = cfmt_lock_open(&s->lock, path, s->pool);

    if (rv != APR_SUCCESS) {
        rv = rv == CFMT_ELINK ? rv : cfmt_status_of_errno(rv);
        apr_snprintf(s->err, sizeof(s->err), "cannot open the commit lock %s.lock", s->path);
        return rv;
    }
    if (fstat(cfmt_lock_fd(s->lock), &sb) == 0) { /* the one we have, whatever has its name now */
        s->id_lock.dev = sb.st_dev;
        s->id_lock.ino = sb.st_ino;
    }
    return APR_SUCCESS;
}

apr_status_t cfmt_store_open_any(cfmt_store_t **ps, const char *path, cfmt_store_mode_e mode,
                                 apr_pool_t *p)
{
    int flags = SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX
                | (mode == CFMT_STORE_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    apr_pool_t *pool;
    cfmt_store_t *s;
    apr_status_t rv;

    apr_pool_create(&pool, p);
    apr_pool_tag(pool, "cfmt_store");
    *ps = s = apr_pcalloc(pool, sizeof(*s));
    s->pool = pool;
    s->mode = mode;
    s->path = path;
    apr_pool_cleanup_register(pool, s, close_store, apr_pool_cleanup_null);
    if ((rv = cfmt_files_canonical(&s->path, path, pool)) != APR_SUCCESS
        || (rv = cfmt_files_check(s->path, pool)) != APR_SUCCESS
        || (mode == CFMT_STORE_WRITE && (rv = open_lock(s)) != APR_SUCCESS)) {
        return rv;
    }
    cfmt_files_expect(s);
    rv = cfmt_sql_status(s, sqlite3_open_v2(s->path, &s->db, flags, NULL));
    return rv == APR_SUCCESS ? configure(s) : rv;
}

apr_status_t cfmt_store_open_alone(cfmt_store_t **ps, const char *path, apr_pool_t *p)
{
    apr_pool_t *pool;
    cfmt_store_t *s;
    apr_status_t rv;

    apr_pool_create(&pool, p);
    *ps = s = apr_pcalloc(pool, sizeof(*s));
    s->pool = pool;
    s->mode = CFMT_STORE_READ;
    s->path = path;
    apr_pool_cleanup_register(pool, s, close_store, apr_pool_cleanup_null);
    rv = cfmt_sql_status(s, sqlite3_open_v2(path, &s->db, SQLITE_OPEN_NOFOLLOW
                                            | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, NULL));
    return rv == APR_SUCCESS
               ? cfmt_sql_exec(s, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA trusted_schema=OFF;"
                                  "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;") : rv;
}

/* The sentence of a failed open: the status for people, then what was found. */
apr_status_t cfmt_store_explain(cfmt_result_t *r, const cfmt_store_t *s, apr_status_t rv,
                                apr_pool_t *p)
{
    return cfmt_result_set(r, p, rv, "%s: %s%s%s", s->path, cfmt_status_text(rv, p),
                           s->err[0] ? ": " : "", s->err);
}

/* Between open and identify: then the name stands for another file than the handle. */
static int has_moved(cfmt_store_t *s)
{
    int moved = 0;

    return sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

apr_status_t cfmt_store_open(cfmt_store_t **ps, const char *path, cfmt_store_mode_e mode,
                             cfmt_result_t *r, apr_pool_t *p)
{
    cfmt_store_t *s;
    apr_status_t rv = cfmt_store_open_any(&s, path, mode, p);

    if (rv == APR_SUCCESS) {
        rv = check_version(s);
    }
    if (rv == APR_SUCCESS) {
        cfmt_store_identify(s);
        rv = has_moved(s) ? CFMT_EREPLACED : cfmt_store_verify(s);
    }
    if (rv != APR_SUCCESS) {
        cfmt_store_explain(r, s, rv, p);
        cfmt_store_close(s);
        *ps = NULL;
        return rv;
    }
    *ps = s;
    return APR_SUCCESS;
}

void cfmt_store_close(cfmt_store_t *s)
{
    if (s) {
        apr_pool_destroy(s->pool);
    }
}

/* ---- small facts ----------------------------------------------------------------------------- */

const char *cfmt_store_path(const cfmt_store_t *s)
{
    return s->path;
}

int cfmt_store_wal_pages(const cfmt_store_t *s)
{
    return s->wal_pages;
}

apr_int64_t cfmt_store_data_version(cfmt_store_t *s)
{
    apr_int64_t v = -1;

    return cfmt_sql_int(s, cfmt_sql(s, "PRAGMA data_version"), &v) == APR_SUCCESS ? v : -1;
}

void cfmt_store_busy_timeout(cfmt_store_t *s, apr_interval_time_t t)
{
    sqlite3_busy_timeout(s->db, (int)apr_time_as_msec(t));
}

static int is_over(void *baton)
{
    const cfmt_store_t *s = baton;

    return cfmt_monotonic() > s->until;
}

void cfmt_store_limit(cfmt_store_t *s, apr_interval_time_t t)
{
    s->until = cfmt_monotonic() + t;
    sqlite3_progress_handler(s->db, t ? LIMIT_STEPS : 0, is_over, s);
}

apr_status_t cfmt_store_integrity(cfmt_store_t *s, int full, apr_array_header_t **plines,
                                  apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, full ? "PRAGMA integrity_check(20)" : "PRAGMA quick_check(20)");
    apr_status_t rv;

    *plines = apr_array_make(p, INTEGRITY_LINES, sizeof(const char *));
    while (cfmt_sql_row(s, st, &rv)) {
        const char *line = cfmt_col_text(st, 0, p);
        if (line && strcmp(line, "ok")) {
            APR_ARRAY_PUSH(*plines, const char *) = line;
        }
    }
    return rv;
}
