/*
 * Inside the room: the handle, prepared statements, the commit lock. Nothing outside src/store
 * includes this.
 */
#ifndef CFMT_STORE_PRIVATE_H
#define CFMT_STORE_PRIVATE_H

#include <sqlite3.h>
#include <sys/stat.h>

#include "cfmt_store.h"

#define CFMT_STATEMENTS_MAX 256
/* Writers hold the commit lock, so only a foreign program can be in their way. */
#define CFMT_BUSY_WRITE apr_time_from_msec(250)
#define CFMT_BUSY_READ apr_time_from_sec(3)
#define CFMT_BUSY_GLANCE apr_time_from_msec(100)

/* ---- lock.c: the commit lock, an OFD lock on <db>.lock --------------------------------------- */

typedef struct cfmt_lock_t cfmt_lock_t;

/*
 * Opens or creates (0660, O_NOFOLLOW, CLOEXEC) the lock file; one descriptor, so one owner, per
 * call.
 */
apr_status_t cfmt_lock_open(cfmt_lock_t **pl, const char *path, apr_pool_t *p);
void cfmt_lock_close(cfmt_lock_t *l);
/* timeout 0: try; < 0: for ever. CFMT_EBUSY in time; never spins. */
apr_status_t cfmt_lock_take(cfmt_lock_t *l, apr_interval_time_t timeout);
void cfmt_lock_release(cfmt_lock_t *l);
int cfmt_lock_fd(const cfmt_lock_t *l);

/* ---- store.c --------------------------------------------------------------------------------- */

typedef struct cfmt_ident_t {
    dev_t dev;
    ino_t ino;
} cfmt_ident_t;

struct cfmt_store_t {
    sqlite3 *db;
    apr_pool_t *pool;        /* own subpool: dies with the handle */
    const char *path;        /* canonical */
    cfmt_store_mode_e mode;
    cfmt_lock_t *lock;       /* WRITE only */
    int in_txn;
    int guarded;             /* each transaction asks meta.min_code: cfmt_store_allowed */
    int wal_pages;           /* after the last commit of this handle */
    apr_time_t until;        /* of cfmt_store_limit, monotonic */
    cfmt_ident_t id_db, id_wal, id_shm, id_lock;
    cfmt_store_t *next;      /* the open handles of this process */
    apr_status_t why;        /* what the last failure of SQLite came to */
    struct {
        const char *sql;
        sqlite3_stmt *st;
    } stmt[CFMT_STATEMENTS_MAX];
    char err[256];
};

/*
 * As cfmt_store_open, but whatever the version; on failure *ps is there for its err and must be
 * closed, too.
 */
apr_status_t cfmt_store_open_any(cfmt_store_t **ps, const char *path, cfmt_store_mode_e mode,
                                 apr_pool_t *p);
/* A file that is no store in use: no lock, whatever its place and owner. As above on failure. */
apr_status_t cfmt_store_open_alone(cfmt_store_t **ps, const char *path, apr_pool_t *p);
/*
 * PRAGMA user_version of one of our stores, 0 for an empty file; CFMT_EFOREIGN for anything else.
 */
apr_status_t cfmt_store_version(cfmt_store_t *s, apr_int64_t *pversion);
/* A checkpoint that waits for nobody, under the commit lock; frames in the log and those done. */
apr_status_t cfmt_sql_checkpoint(cfmt_store_t *s, int restart, int *plog, int *pdone);
/*
 * CFMT_ENEWER when meta.min_code forbids this program to write. Asked in each transaction, too: the
 * new program may be started beside the old one, whose handles are open already.
 */
apr_status_t cfmt_store_allowed(cfmt_store_t *s);
/* Fills *r with path, status and what the handle knows about it. Returns rv. */
apr_status_t cfmt_store_explain(cfmt_result_t *r, const cfmt_store_t *s, apr_status_t rv,
                                apr_pool_t *p);

/* Maps an SQLite result code to a status and remembers its text in s->err. */
apr_status_t cfmt_sql_status(cfmt_store_t *s, int rc);

/*
 * The prepared statement of a static SQL string, reset and without bindings; prepared once a
 * handle, found by the string's address. NULL on error (see s->err).
 */
sqlite3_stmt *cfmt_sql(cfmt_store_t *s, const char *sql);
/*
 * Runs a statement that returns no rows of interest; resets it on every path. st may be NULL: why
 * cfmt_sql failed.
 */
apr_status_t cfmt_sql_run(cfmt_store_t *s, sqlite3_stmt *st);
/*
 * One step: 1 = a row is there, 0 = no more (or an error, in *prv); the statement is reset when it
 * returns 0.
 */
int cfmt_sql_row(cfmt_store_t *s, sqlite3_stmt *st, apr_status_t *prv);
/* First column of the first row; *pv stays as it is when there is none. */
apr_status_t cfmt_sql_int(cfmt_store_t *s, sqlite3_stmt *st, apr_int64_t *pv);
/* Leaves a row loop early. */
void cfmt_sql_done(sqlite3_stmt *st);
/* For schema, pragmas: text with several statements. */
apr_status_t cfmt_sql_exec(cfmt_store_t *s, const char *sql);

/*
 * Binding, 1-based. Text must live until the statement ran; NULL binds NULL. Without a statement
 * (cfmt_sql failed) nothing happens, and the run or row that follows says why.
 */
void cfmt_bind_text(sqlite3_stmt *st, int i, const char *text);
void cfmt_bind_blob(sqlite3_stmt *st, int i, const void *data, apr_size_t len);
void cfmt_bind_bytes(sqlite3_stmt *st, int i, const char *text, apr_size_t len);
void cfmt_bind_int(sqlite3_stmt *st, int i, apr_int64_t v);
/* 0 = NULL ("not said"). */
void cfmt_bind_some(sqlite3_stmt *st, int i, apr_int64_t v);
/* Negative = NULL ("not said"). */
void cfmt_bind_rate(sqlite3_stmt *st, int i, double v);

/* Columns, 0-based, copied into p. */
const char *cfmt_col_text(sqlite3_stmt *st, int i, apr_pool_t *p);
apr_int64_t cfmt_col_int(sqlite3_stmt *st, int i);
double cfmt_col_rate(sqlite3_stmt *st, int i); /* NULL = -1 */

/* ---- files.c --------------------------------------------------------------------------------- */

/* The real path of the directory plus the name. */
apr_status_t cfmt_files_canonical(const char **pout, const char *path, apr_pool_t *p);
/* CFMT_ELINK and the like: the files are not to be opened. */
apr_status_t cfmt_files_check(const char *path, apr_pool_t *p);
void cfmt_files_expect(cfmt_store_t *s);
/* The handle is closed. */
void cfmt_files_forget(const cfmt_store_t *s);
/*
 * Remembers which files are open, for cfmt_store_verify. After the first read: then SQLite has
 * opened the WAL.
 */
void cfmt_store_identify(cfmt_store_t *s);
/*
 * Under the commit lock, when a file is gone: what only handles of before can still reach, their
 * log, goes into their database. CFMT_EBUSY: not all of it yet, keep the handle; else
 * CFMT_EREPLACED.
 */
apr_status_t cfmt_store_salvage(cfmt_store_t *s);

/* ---- schema.c -------------------------------------------------------------------------------- */

typedef struct cfmt_migration_t {
    int version;         /* PRAGMA user_version afterwards */
    const char *sql;
} cfmt_migration_t;

/* In ascending order, ended by version 0; the last one is CFMT_SCHEMA. */
extern const cfmt_migration_t cfmt_migrations[];

#endif
