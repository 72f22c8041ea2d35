/*
 * The store as seen from outside: a handle of the model's own, which also writes what webhook and
 * cfmtctl would write.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include <apr_strings.h>

#include "model.h"
#include "store/store_private.h"

static cfmt_store_t *eye;

/* There is one process: SQLite knows of the locks in it without the kernel. A third of the time. */
static int lock_nothing(int fd, int cmd, ...)
{
    va_list ap;
    void *arg;

    va_start(ap, cmd);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (cmd == F_GETLK) {
        ((struct flock *)arg)->l_type = F_UNLCK;
    }
    return cmd == F_SETLK || cmd == F_SETLKW || cmd == F_GETLK ? 0 : fcntl(fd, cmd, arg);
}

void eye_begin(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    vfs->xSetSystemCall(vfs, "fcntl", (sqlite3_syscall_ptr)lock_nothing);
}

void eye_open(void)
{
    if (cfmt_store_open(&eye, m.db, CFMT_STORE_WRITE, NULL, m.pool) != APR_SUCCESS) {
        model_fail(0, "the model cannot open %s", m.db);
    }
}

void eye_close(void)
{
    if (eye) {
        cfmt_store_close(eye);
        eye = NULL;
    }
}

cfmt_store_t *eye_store(void)
{
    return eye;
}

const char *eye_text(const char *sql, apr_pool_t *p)
{
    const char *text = NULL;
    sqlite3_stmt *st;

    if (sqlite3_prepare_v2(eye->db, sql, -1, &st, NULL) != SQLITE_OK) {
        model_fail(0, "%s: %s", sql, sqlite3_errmsg(eye->db));
        return NULL;
    }
    if (sqlite3_step(st) == SQLITE_ROW) {
        text = apr_pstrdup(p, (const char *)sqlite3_column_text(st, 0));
    }
    sqlite3_finalize(st);
    return text;
}

apr_int64_t eye_int(const char *fmt, ...)
{
    apr_pool_t *p;
    const char *text;
    apr_int64_t n;
    va_list ap;

    apr_pool_create(&p, m.pool);
    va_start(ap, fmt);
    text = eye_text(apr_pvsprintf(p, fmt, ap), p);
    va_end(ap);
    n = text ? apr_atoi64(text) : 0;
    apr_pool_destroy(p);
    return n;
}

/* As src/httpd/webhook.c looks for the same delivery. */
apr_int64_t eye_append(const char *kind, const char *origin, const char *body, apr_time_t ts)
{
    cfmt_entry_t e = { .kind = kind, .at = model_clock(), .origin = origin, .body = body,
                       .len = strlen(body) };
    node_t *cur = m.cur;
    apr_status_t rv;

    m.cur = NULL; /* nobody is killed for it */
    if (ts) {
        e.has_dedupe = 1;
        e.slot = e.slot2 = apr_time_sec(ts);
        e.dedupe = cfmt_digest64(body, e.len);
        e.dup_since = e.at - DAY;
    }
    rv = cfmt_store_begin(eye, SEC(1));
    rv = rv == APR_SUCCESS ? cfmt_store_end(eye, cfmt_journal_append(eye, &e)) : rv;
    m.cur = cur;
    if (rv != APR_SUCCESS) {
        model_fail(0, "a row cannot be written: %s", cfmt_status_name(rv));
    }
    return e.id;
}

/* ---- what is projected ----------------------------------------------------------------------- */

static void dump(apr_array_header_t *out, cfmt_store_t *s, const char *sql, apr_pool_t *p)
{
    sqlite3_stmt *st;
    int i;

    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK) {
        model_fail(0, "%s: %s", sql, sqlite3_errmsg(s->db));
        return;
    }
    while (sqlite3_step(st) == SQLITE_ROW) {
        for (i = 0; i < sqlite3_column_count(st); i++) {
            const char *text = (const char *)sqlite3_column_text(st, i);

            if (strcmp(sqlite3_column_name(st, i), "number")) { /* of who came first */
                APR_ARRAY_PUSH(out, const char *) = apr_pstrcat(
                    p, sqlite3_column_name(st, i), "=", text ? text : "NULL", " ", NULL);
            }
        }
        APR_ARRAY_PUSH(out, const char *) = "\n";
    }
    sqlite3_finalize(st);
}

const char *eye_dump(cfmt_store_t *s, apr_pool_t *p)
{
    static const char *const queries[] = {
        "SELECT * FROM attack ORDER BY id",
        "SELECT k.kind, k.value, k.account, k.id, (SELECT a.id FROM attack a"
        " WHERE a.number = k.attack) AS attack FROM attack_key k ORDER BY 1, 2, 3",
        "SELECT * FROM entity ORDER BY kind, id", "SELECT * FROM prefix ORDER BY id",
        "SELECT * FROM tunnel ORDER BY id", "SELECT * FROM rule ORDER BY id",
        "SELECT * FROM evidence ORDER BY day, prefix, at",
        "SELECT * FROM evidence_minute ORDER BY day, prefix, at",
        "SELECT * FROM event ORDER BY ts, digest, id", "SELECT * FROM event_repeat ORDER BY id",
    };
    apr_array_header_t *out = apr_array_make(p, 1024, sizeof(const char *));
    apr_size_t i;

    for (i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        dump(out, s, queries[i], p);
    }
    return apr_array_pstrcat(p, out, 0);
}
