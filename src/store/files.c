/*
 * The files of the store: where they may lie and who may own them, whether they are still the ones
 * that a handle has open, and what is saved when they are not.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store_private.h"

/* ---- files ----------------------------------------------------------------------------------- */

/*
 * The directory's real path plus the name: links above the directory are the administrator's, links
 * in it are not.
 */
apr_status_t cfmt_files_canonical(const char **pout, const char *path, apr_pool_t *p)
{
    char real[PATH_MAX];
    char *dir = apr_pstrdup(p, path), *name = apr_pstrdup(p, path);

    if (!realpath(dirname(dir), real)) {
        return cfmt_status_of_errno(errno);
    }
    *pout = apr_pstrcat(p, strcmp(real, "/") ? real : "", "/", basename(name), NULL);
    return APR_SUCCESS;
}

/*
 * A file that is there must be a plain file with one name; the database must belong to the
 * directory's owner.
 */
static apr_status_t check_file(const char *path, int owner_matters, uid_t owner)
{
    struct stat sb;

    if (lstat(path, &sb) != 0) {
        return cfmt_status_of_errno(errno);
    }
    if (S_ISLNK(sb.st_mode) || (S_ISREG(sb.st_mode) && sb.st_nlink != 1)
        || (owner_matters && sb.st_uid != owner)) {
        return CFMT_ELINK;
    }
    return S_ISREG(sb.st_mode) ? APR_SUCCESS : CFMT_EFOREIGN;
}

apr_status_t cfmt_files_check(const char *path, apr_pool_t *p)
{
    struct stat dir;
    apr_status_t rv;
    static const char *const side[] = { "-wal", "-shm", NULL };
    int i;

    if (stat(dirname(apr_pstrdup(p, path)), &dir) != 0) {
        return cfmt_status_of_errno(errno);
    }
    rv = check_file(path, 1, dir.st_uid);
    for (i = 0; rv == APR_SUCCESS && side[i]; i++) {
        rv = check_file(apr_pstrcat(p, path, side[i], NULL), 0, 0);
        rv = rv == CFMT_EMISSING ? APR_SUCCESS : rv;
    }
    return rv;
}

static void identify(cfmt_ident_t *id, const char *path)
{
    struct stat sb;

    memset(id, 0, sizeof(*id));
    if (lstat(path, &sb) == 0) {
        id->dev = sb.st_dev;
        id->ino = sb.st_ino;
    }
}

static int same_file(const cfmt_ident_t *id, const char *path)
{
    cfmt_ident_t now;

    identify(&now, path);
    return now.dev == id->dev && now.ino == id->ino;
}

/* Names of the side files, built on the stack: this runs before each commit. */
static int same_side(const cfmt_store_t *s, const cfmt_ident_t *id, const char *suffix)
{
    char path[PATH_MAX];

    apr_snprintf(path, sizeof(path), "%s%s", s->path, suffix);
    return same_file(id, path);
}

apr_status_t cfmt_store_verify(cfmt_store_t *s)
{
    if (same_file(&s->id_db, s->path) && same_side(s, &s->id_wal, "-wal")
        && same_side(s, &s->id_shm, "-shm") && (!s->lock || same_side(s, &s->id_lock, ".lock"))) {
        return APR_SUCCESS;
    }
    apr_snprintf(s->err, sizeof(s->err), "a file of the store was deleted or replaced");
    return CFMT_EREPLACED;
}

/* ---- files that are gone --------------------------------------------------------------------- */

/* No log of that name, or one that nobody has written to. */
static int no_other_log(const cfmt_store_t *s)
{
    char path[PATH_MAX];
    struct stat sb;

    apr_snprintf(path, sizeof(path), "%s-wal", s->path);
    return lstat(path, &sb) != 0 ? errno == ENOENT : sb.st_size == 0;
}

static void remove_sides(const cfmt_store_t *s)
{
    char path[PATH_MAX];

    apr_snprintf(path, sizeof(path), "%s-wal", s->path);
    (void)unlink(path);
    apr_snprintf(path, sizeof(path), "%s-shm", s->path);
    (void)unlink(path);
}

/*
 * The handles of before share one log and exclude each other by the commit lock: as long as nobody
 * has begun another log, theirs can be brought home. And where only the database is another one,
 * the log beside it is not its own, and SQLite would mix it in.
 */
apr_status_t cfmt_store_salvage(cfmt_store_t *s)
{
    int moved = same_side(s, &s->id_wal, "-wal") && same_side(s, &s->id_shm, "-shm")
                && !same_file(&s->id_db, s->path);
    int log = 0, done = 0;

    if (same_side(s, &s->id_lock, ".lock") && (moved || no_other_log(s))) {
        if (cfmt_sql_checkpoint(s, 0, &log, &done) == APR_SUCCESS && log > done) {
            return CFMT_EBUSY; /* somebody is reading */
        }
        if (moved) {
            remove_sides(s);
        }
    }
    (void)cfmt_store_verify(s); /* for its words; nothing is right again before a new open */
    return CFMT_EREPLACED;
}

/*
 * SQLite maps the index of the log (-shm) once a process and database file: a handle opened beside
 * an older one gets that one's, whatever file has the name by now.
 */
static pthread_mutex_t handles_mutex = PTHREAD_MUTEX_INITIALIZER;
static cfmt_store_t *handles;

static void inherit_shm(cfmt_store_t *s)
{
    const cfmt_store_t *h;

    pthread_mutex_lock(&handles_mutex);
    for (h = handles; h && !s->id_shm.ino; h = h->next) {
        if (h->id_db.ino == s->id_db.ino && h->id_db.dev == s->id_db.dev) {
            s->id_shm = h->id_shm;
        }
    }
    pthread_mutex_unlock(&handles_mutex);
}

static void enlist(cfmt_store_t *s)
{
    pthread_mutex_lock(&handles_mutex);
    s->next = handles;
    handles = s;
    pthread_mutex_unlock(&handles_mutex);
}

void cfmt_files_forget(const cfmt_store_t *s)
{
    cfmt_store_t **pp = &handles;

    pthread_mutex_lock(&handles_mutex);
    while (*pp && *pp != s) {
        pp = &(*pp)->next;
    }
    if (*pp) {
        *pp = s->next;
    }
    pthread_mutex_unlock(&handles_mutex);
}

/* Before SQLite opens them: a database that comes in between is noticed by verify. */
void cfmt_files_expect(cfmt_store_t *s)
{
    identify(&s->id_db, s->path);
    inherit_shm(s);
}

void cfmt_store_identify(cfmt_store_t *s)
{
    identify(&s->id_wal, apr_pstrcat(s->pool, s->path, "-wal", NULL));
    cfmt_files_forget(s);
    inherit_shm(s);
    if (!s->id_shm.ino) {
        identify(&s->id_shm, apr_pstrcat(s->pool, s->path, "-shm", NULL));
    }
    enlist(s);
}
