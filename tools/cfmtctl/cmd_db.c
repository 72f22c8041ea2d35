/*
 * db check: everything that can be said about the database without changing it, one line each:
 * ok, warn, fail.
 */
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <apr_strings.h>

#include "cfmt_engine.h"
#include "cfmtctl.h"
#include "findings.h"

#define DIR_MODE 02770
#define FILE_MODE 0660
#define WAL_LARGE ((apr_int64_t)CFMT_WAL_RESTART_PAGES * 4096 * 2)
#define LAG_LATE apr_time_from_sec(30)

static const ctl_column_t finding_columns[] = {
    COLUMN(ctl_finding_t, status, "status", COL_TEXT, 1),
    COLUMN(ctl_finding_t, check, "check", COL_TEXT, 1),
    COLUMN(ctl_finding_t, detail, "detail", COL_SENTENCE, 1),
    { .name = NULL }
};
static const ctl_list_t finding_list = { "checks", finding_columns, sizeof(ctl_finding_t) };

typedef struct report_t {
    ctl_t *ctl;
    apr_pool_t *p;
    apr_array_header_t *rows;
    apr_interval_time_t limit; /* of reading the content; 0 = none */
    int failed;
} report_t;

typedef enum { OK, SKIP, WARN, FAIL } verdict_e;

static void add(report_t *r, verdict_e v, const char *check, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void add(report_t *r, verdict_e v, const char *check, const char *fmt, ...)
{
    static const char *const names[] = { "ok", "skip", "warn", "fail" };
    ctl_finding_t *f = apr_array_push(r->rows);
    va_list ap;

    va_start(ap, fmt);
    f->status = names[v];
    f->check = check;
    f->detail = apr_pvsprintf(r->p, fmt, ap);
    va_end(ap);
    r->failed |= v == FAIL;
}

/* ---- files ----------------------------------------------------------------------------------- */

static const char *owner_text(const struct stat *sb, apr_pool_t *p)
{
    const struct passwd *pw = getpwuid(sb->st_uid);
    const char *user = pw ? apr_pstrdup(p, pw->pw_name)
                       : apr_psprintf(p, "%u", (unsigned)sb->st_uid);
    const struct group *gr = getgrgid(sb->st_gid);

    return apr_psprintf(p, "%04o %s:%s", (unsigned)(sb->st_mode & 07777), user,
                        gr ? gr->gr_name : apr_psprintf(p, "%u", (unsigned)sb->st_gid));
}

static const char *size_text(apr_int64_t n, apr_pool_t *p)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
    double v = (double)n;
    int i = 0;

    while (v >= 1024 && i < 4) {
        v /= 1024;
        i++;
    }
    return apr_psprintf(p, i ? "%.1f %s" : "%.0f %s", v, units[i]);
}

static void check_dir(report_t *r, const char *dir, struct stat *sb)
{
    if (stat(dir, sb) != 0) {
        add(r, FAIL, "directory", "%s: %s", dir, strerror(errno));
        return;
    }
    if (sb->st_mode & S_IWOTH) {
        add(r, FAIL, "directory", "%s is writable by everybody (%s): chmod %o", dir,
            owner_text(sb, r->p), DIR_MODE);
    }
    else if ((sb->st_mode & 07777) != DIR_MODE) {
        add(r, WARN, "directory", "%s: %s, should be %o", dir, owner_text(sb, r->p), DIR_MODE);
    }
    else {
        add(r, OK, "directory", "%s: %s", dir, owner_text(sb, r->p));
    }
}

/* optional: the file comes and goes with its users. */
static void check_file(report_t *r, const char *check, const char *suffix, const struct stat *dir)
{
    const char *path = apr_pstrcat(r->p, r->ctl->db, suffix, NULL), *text;
    verdict_e v = OK;
    struct stat sb;

    if (lstat(path, &sb) != 0) {
        add(r, errno == ENOENT ? (*suffix ? OK : FAIL) : FAIL, check, "%s",
            errno == ENOENT ? "not there" : strerror(errno));
        return;
    }
    text = apr_pstrcat(r->p, size_text((apr_int64_t)sb.st_size, r->p), ", ",
                       owner_text(&sb, r->p), NULL);
    if (!S_ISREG(sb.st_mode) || sb.st_nlink != 1 || (sb.st_mode & S_IWOTH)) {
        v = FAIL;
        text = apr_pstrcat(r->p, text, ": a link, or writable by everybody", NULL);
    }
    else if ((sb.st_mode & 0777) != FILE_MODE || sb.st_gid != dir->st_gid) {
        v = WARN;
        text = apr_psprintf(r->p, "%s: should be %04o and of the directory's group", text,
                            FILE_MODE);
    }
    else if (!strcmp(suffix, "-wal") && (apr_int64_t)sb.st_size > WAL_LARGE) {
        v = WARN;
        text = apr_pstrcat(r->p, text, ": not checkpointed for long; is a leader alive?", NULL);
    }
    add(r, v, check, "%s", text);
}

static void check_disk(report_t *r, const char *dir)
{
    struct statvfs fs;
    apr_int64_t free_bytes;

    if (statvfs(dir, &fs) != 0) {
        add(r, WARN, "disk", "%s", strerror(errno));
        return;
    }
    free_bytes = (apr_int64_t)fs.f_bavail * (apr_int64_t)fs.f_frsize;
    add(r, free_bytes < CFMT_HEALTH_DISK_FAILING ? FAIL
           : free_bytes < CFMT_HEALTH_DISK_DEGRADED ? WARN : OK,
        "disk", "%s free", size_text(free_bytes, r->p));
}

static void check_files(report_t *r)
{
    const char *dir = dirname(apr_pstrdup(r->p, r->ctl->db));
    struct stat sb;

    memset(&sb, 0, sizeof(sb));
    check_dir(r, dir, &sb);
    check_file(r, "database", "", &sb);
    check_file(r, "wal", "-wal", &sb);
    check_file(r, "shm", "-shm", &sb);
    check_file(r, "lock", ".lock", &sb);
    check_file(r, "leader file", ".leader", &sb);
    check_disk(r, dir);
}

/* ---- content --------------------------------------------------------------------------------- */

static void check_facts(report_t *r, cfmt_store_t *s)
{
    cfmt_facts_t f;

    if (cfmt_query_facts(s, &f, r->p) != APR_SUCCESS) {
        add(r, FAIL, "schema", "%s", cfmt_store_error(s));
        return;
    }
    add(r, f.application_id == CFMT_APPLICATION_ID ? OK : FAIL, "application", "id 0x%08x",
        (unsigned)f.application_id);
    if (f.min_code > CFMT_SCHEMA) {
        add(r, FAIL, "schema",
            "%d, may be written by programs of schema %d or later; this one knows %d",
            (int)f.schema, (int)f.min_code, CFMT_SCHEMA);
    }
    else {
        add(r, OK, "schema", "%d%s", (int)f.schema,
            f.schema > CFMT_SCHEMA ? ", newer than this program, which may still write" : "");
    }
    add(r, strcmp(f.journal_mode, "wal") ? FAIL : OK, "journal mode", "%s", f.journal_mode);
}

static void check_journal(report_t *r, cfmt_store_t *s)
{
    cfmt_health_rows_t h;
    apr_interval_time_t lag;

    if (cfmt_query_health(s, &h) != APR_SUCCESS) {
        add(r, FAIL, "journal", "%s", cfmt_store_error(s));
        return;
    }
    lag = h.oldest_lag_at ? ctl_real_age(r->ctl, h.oldest_lag_at) : 0;
    add(r, OK, "journal", "%" APR_INT64_T_FMT " rows ever, last delivery %s", h.head,
        h.last_delivery_at ? ctl_time(r->p, h.last_delivery_at) : "never");
    add(r, lag > LAG_LATE ? WARN : OK, "projection", "to row %" APR_INT64_T_FMT "%s%s", h.cursor,
        h.oldest_lag_at ? ", behind by " : ", complete",
        h.oldest_lag_at ? ctl_duration(r->p, lag) : "");
}

static void check_leader(report_t *r, cfmt_store_t *s)
{
    cfmt_heartbeat_t hb;
    apr_status_t rv = cfmt_leader_read(&hb, cfmt_store_path(s));
    apr_interval_time_t age;
    int gone;

    if (rv != APR_SUCCESS) {
        add(r, WARN, "leader", "%s",
            rv == CFMT_EMISSING ? "there has been none yet: is httpd running?"
                                : cfmt_status_text(rv, r->p));
        return;
    }
    age = apr_time_now() - hb.at;
    /* A command of ours that led for a round, or a crash. */
    gone = kill(hb.pid, 0) != 0 && errno == ESRCH;
    add(r, gone || age > CFMT_LEADER_LATE ? WARN : OK, "leader",
        "pid %ld%s, round %" APR_INT64_T_FMT ", heartbeat %s ago%s", (long)hb.pid,
        gone ? " (gone)" : "", hb.round, ctl_duration(r->p, age < 0 ? 0 : age),
        gone || age > CFMT_LEADER_LATE ? ": is httpd running?" : "");
}

static void check_integrity(report_t *r, cfmt_store_t *s)
{
    const char *name = r->ctl->full ? "integrity" : "quick check";
    apr_array_header_t *lines;
    apr_status_t rv;
    int i;

    cfmt_store_limit(s, r->limit);
    rv = cfmt_store_integrity(s, r->ctl->full, &lines, r->p);
    cfmt_store_limit(s, 0);
    if (rv == APR_TIMEUP) {
        add(r, SKIP, name, "not read to the end within %s: 'cfmtctl db check' takes its time",
            ctl_duration(r->p, r->limit));
    }
    else if (rv != APR_SUCCESS) {
        add(r, FAIL, name, "%s", cfmt_store_error(s));
    }
    for (i = 0; i < lines->nelts; i++) {
        add(r, FAIL, name, "%s", APR_ARRAY_IDX(lines, i, const char *));
    }
    if (rv == APR_SUCCESS && lines->nelts == 0) {
        add(r, OK, name, r->ctl->full || r->limit ? "sound"
                                                  : "sound (--full checks the indexes too)");
    }
}

/* ---- the command ----------------------------------------------------------------------------- */

static int is_report(apr_status_t rv)
{
    return rv != CFMT_EMISSING && rv != CFMT_EDENIED && rv != CFMT_ELINK;
}

static int check(report_t *r)
{
    cfmt_result_t why = { .status = APR_SUCCESS };
    cfmt_store_t *s;
    apr_status_t rv = cfmt_store_open(&s, r->ctl->db, CFMT_STORE_READ, &why, r->p);

    if (rv != APR_SUCCESS && !is_report(rv)) {
        return ctl_store_failed(r->ctl, rv, why.detail);
    }
    check_files(r);
    if (rv != APR_SUCCESS) {
        add(r, FAIL, "open", "%s", why.detail);
        return CTL_FAILED;
    }
    ctl_clock_heed(r->ctl, s);
    check_facts(r, s);
    check_journal(r, s);
    check_leader(r, s);
    check_integrity(r, s);
    return r->failed ? CTL_FAILED : CTL_DONE;
}

int ctl_db_findings(ctl_t *ctl, apr_interval_time_t limit, apr_array_header_t **prows)
{
    report_t r = { .ctl = ctl, .p = ctl->pool, .limit = limit };

    r.rows = *prows = apr_array_make(ctl->pool, 16, sizeof(ctl_finding_t));
    return check(&r);
}

int ctl_db_check(ctl_t *ctl)
{
    apr_array_header_t *rows;
    ctl_out_t out;
    int code = ctl_become(ctl);

    if (code != CTL_DONE) {
        return code;
    }
    code = ctl_db_findings(ctl, 0, &rows);
    if (rows->nelts) {
        ctl_list_begin(&out, &finding_list, ctl);
        ctl_list_rows(&out, rows, ctl->pool);
        ctl_list_end(&out, ctl->pool);
    }
    return code;
}
