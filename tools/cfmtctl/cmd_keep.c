/*
 * db info, backup, restore, prune: the file as it is kept. Root opens the file that its operator
 * names, and only then becomes the owner of the store; what lies beside the store is made by that
 * one.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <apr_strings.h>

#include "act.h"
#include "cfmt_engine.h"
#include "cfmt_store_keep.h"

#define COPY_SIZE (256 * 1024)
#define STEP apr_time_from_msec(50)
#define PRUNE_WAIT apr_time_from_sec(120) /* in real time */

/* ---- info ------------------------------------------------------------------------------------ */

#define COUNTED(member, kind_) COLUMN(cfmt_count_row_t, member, #member, kind_, 1)
static const ctl_column_t count_columns[] = {
    COUNTED(table, COL_TEXT), COUNTED(rows, COL_INT), { .name = NULL }
};
static const ctl_list_t count_list = { "tables", count_columns, sizeof(cfmt_count_row_t) };

static apr_int64_t size_of(const char *path)
{
    struct stat sb;

    return stat(path, &sb) == 0 ? (apr_int64_t)sb.st_size : 0;
}

static const char *megabytes(apr_int64_t bytes, apr_pool_t *p)
{
    return apr_psprintf(p, "%.1f MiB", (double)bytes / (1024 * 1024));
}

static void info_text(const ctl_world_t *w, const cfmt_file_facts_t *f, apr_int64_t wal)
{
    const char *retention = apr_table_get(w->settings, "Retention");
    apr_pool_t *p = w->p;

    printf("file        %s, %s, of which %s are free for new rows; log %s\n",
           ctl_text(p, cfmt_store_path(w->store)), megabytes(f->pages * f->page_size, p),
           megabytes(f->free_pages * f->page_size, p), megabytes(wal, p));
    printf("schema      %d, to be written by programs that know %d\n", (int)f->facts.schema,
           (int)f->facts.min_code);
    printf("journal     rows %" APR_INT64_T_FMT " of %s to %" APR_INT64_T_FMT " of %s, projected to"
           " %" APR_INT64_T_FMT "\n", f->first, ctl_time(p, f->first_at), f->head,
           ctl_time(p, f->head_at), f->cursor);
    printf("retention   %s; the record of changes is kept for ever\n",
           retention ? ctl_text(p, retention) : "not published yet");
}

static const char *info_members(const ctl_world_t *w, const cfmt_file_facts_t *f, apr_int64_t wal)
{
    apr_pool_t *p = w->p;

    return apr_psprintf(
        p, "\"path\":%s,\"bytes\":%" APR_INT64_T_FMT ",\"free_bytes\":%" APR_INT64_T_FMT
           ",\"wal_bytes\":%" APR_INT64_T_FMT ",\"schema\":%d,\"min_code\":%d,\"journal\":{"
           "\"first\":%" APR_INT64_T_FMT ",\"first_at\":%s,\"last\":%" APR_INT64_T_FMT
           ",\"last_at\":%s,\"projected\":%" APR_INT64_T_FMT "},\"retention\":%s",
        ctl_json_string(p, cfmt_store_path(w->store)), f->pages * f->page_size,
        f->free_pages * f->page_size, wal, (int)f->facts.schema, (int)f->facts.min_code, f->first,
        ctl_json_string(p, f->first_at ? cfmt_time_format(p, f->first_at) : NULL), f->head,
        ctl_json_string(p, f->head_at ? cfmt_time_format(p, f->head_at) : NULL), f->cursor,
        ctl_json_string(p, apr_table_get(w->settings, "Retention")));
}

int ctl_db_info(ctl_t *ctl)
{
    apr_array_header_t *rows;
    cfmt_file_facts_t f;
    apr_int64_t wal;
    apr_status_t rv;
    ctl_world_t w;
    int code = ctl_world_open(&w, ctl);

    if (code != CTL_DONE) {
        return code;
    }
    rv = cfmt_file_facts(w.store, &f, w.p);
    rv = rv == APR_SUCCESS ? cfmt_counts(w.store, &rows, w.p) : rv;
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    wal = size_of(apr_pstrcat(w.p, cfmt_store_path(w.store), "-wal", NULL));
    if (!ctl->json) {
        info_text(&w, &f, wal);
    }
    ctl_list_print(&count_list, rows, info_members(&w, &f, wal), ctl, w.p);
    return CTL_DONE;
}

/* ---- copying --------------------------------------------------------------------------------- */

static int write_all(int fd, const char *data, ssize_t len)
{
    ssize_t n;

    for (; len > 0; data += n, len -= n) {
        n = write(fd, data, (size_t)len);
        if (n < 0 && errno == EINTR) {
            n = 0;
        }
        if (n < 0) {
            return -1;
        }
    }
    return 0;
}

/* 0, or errno. */
static int copy(int to, int from, apr_pool_t *p)
{
    char *buffer = apr_palloc(p, COPY_SIZE);
    ssize_t n;

    while ((n = read(from, buffer, COPY_SIZE)) > 0) {
        if (write_all(to, buffer, n) != 0) {
            return errno;
        }
    }
    return n < 0 || fsync(to) != 0 ? errno : 0;
}

static int file_failed(const ctl_t *ctl, const char *path, int err)
{
    ctl_complain(CFMT_ID(1204), "%s: %s", ctl_text(ctl->pool, path), strerror(err));
    return err == EACCES || err == EPERM ? CTL_DENIED : CTL_FAILED;
}

/* Beside the store, where its owner may write whoever asked. */
static const char *beside(const ctl_t *ctl, const char *what)
{
    return apr_psprintf(ctl->pool, "%s.%s-%ld", ctl->db, what, (long)getpid());
}

static const char *stamp(const ctl_t *ctl)
{
    char *text = apr_pstrdup(ctl->pool, ctl_time(ctl->pool, apr_time_now())), *to = text;
    const char *from;

    for (from = text; *from; from++) {
        if (*from != '-' && *from != ':') {
            *to++ = *from;
        }
    }
    *to = '\0';
    return text;
}

/* ---- backup ---------------------------------------------------------------------------------- */

/* A copy beside the store must not fill the disk that deliveries need. */
static int check_room(const ctl_t *ctl, apr_int64_t bytes)
{
    const char *dir = dirname(apr_pstrdup(ctl->pool, ctl->db));
    struct statvfs fs;
    apr_int64_t room;

    if (statvfs(dir, &fs) != 0) {
        return file_failed(ctl, dir, errno);
    }
    room = (apr_int64_t)fs.f_bavail * (apr_int64_t)fs.f_frsize;
    if (room < bytes + CFMT_HEALTH_DISK_DEGRADED) {
        ctl_complain(CFMT_ID(1205), "%s has %s free; the copy passes through there and needs %s:"
                     " make room ('df -h %s')", ctl_text(ctl->pool, dir),
                     megabytes(room, ctl->pool),
                     megabytes(bytes + CFMT_HEALTH_DISK_DEGRADED, ctl->pool),
                     ctl_text(ctl->pool, dir));
        return CTL_FAILED;
    }
    return CTL_DONE;
}

/* With the caller's rights: PATH, or a new name in the directory PATH. Never over what is there. */
static int open_target(const ctl_t *ctl, const char **ppath, int *pfd)
{
    struct stat sb;

    *ppath = ctl->operands[0];
    if (stat(*ppath, &sb) == 0 && S_ISDIR(sb.st_mode)) {
        *ppath = apr_pstrcat(ctl->pool, *ppath, "/cfmt-", stamp(ctl), ".db", NULL);
    }
    *pfd = open(*ppath, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return *pfd < 0 ? file_failed(ctl, *ppath, errno) : CTL_DONE;
}

static int go_on(void *baton, int done, int pages)
{
    (void)baton, (void)done, (void)pages;
    return !ctl_follow_ended();
}

static int say_backup(const ctl_t *ctl, const char *path, const cfmt_file_facts_t *f)
{
    apr_pool_t *p = ctl->pool;

    if (ctl->json) {
        ctl_json_document(
            ctl, apr_psprintf(p, "\"path\":%s,\"bytes\":%" APR_INT64_T_FMT ",\"schema\":%d,"
                                 "\"journal_id\":%" APR_INT64_T_FMT ",\"journal_at\":%s,"
                                 "\"audit_id\":%" APR_INT64_T_FMT,
                              ctl_json_string(p, path), f->pages * f->page_size,
                              (int)f->facts.schema, f->head,
                              ctl_json_string(p, f->head_at ? cfmt_time_format(p, f->head_at)
                                                            : NULL), f->audit));
        return CTL_DONE;
    }
    printf("%s: %s, sound, to journal row %" APR_INT64_T_FMT " of %s\n", ctl_text(p, path),
           megabytes(f->pages * f->page_size, p), f->head, ctl_time(p, f->head_at));
    return CTL_DONE;
}

/* Made and verified beside the store, then copied to where it is wanted. */
static int backup(ctl_t *ctl, const char *path, int fd)
{
    const char *own = beside(ctl, "backup");
    cfmt_result_t r = { .status = APR_SUCCESS };
    cfmt_file_facts_t f;
    apr_status_t rv;
    cfmt_store_t *s;
    int from, err, code = ctl_open(ctl, CFMT_STORE_WRITE, &s);

    if (code != CTL_DONE) {
        return code;
    }
    rv = cfmt_file_facts(s, &f, ctl->pool);
    if (rv == APR_SUCCESS && (code = check_room(ctl, f.pages * f.page_size)) != CTL_DONE) {
        return code;
    }
    ctl_follow_begin(); /* whoever is stopped leaves nothing beside the store */
    rv = rv == APR_SUCCESS ? cfmt_backup(s, own, go_on, NULL, &r, ctl->pool) : rv;
    rv = rv == APR_SUCCESS ? cfmt_backup_verify(own, &f, &r, ctl->pool) : rv;
    from = rv == APR_SUCCESS ? open(own, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    err = from < 0 ? errno : copy(fd, from, ctl->pool);
    (void)unlink(own);
    if (rv != APR_SUCCESS) {
        return ctl_store_failed(ctl, rv, r.detail);
    }
    return err ? file_failed(ctl, path, err) : say_backup(ctl, path, &f);
}

int ctl_db_backup(ctl_t *ctl)
{
    const char *path;
    int fd, code = open_target(ctl, &path, &fd);

    if (code != CTL_DONE) {
        return code;
    }
    code = ctl_become(ctl);
    code = code == CTL_DONE ? backup(ctl, path, fd) : code;
    if (code != CTL_DONE) {
        (void)ftruncate(fd, 0); /* no half of a copy that could be taken for one */
        if (unlink(path) != 0) {
            ctl_complain(CFMT_ID(1206), "%s is left behind, empty: remove it",
                         ctl_text(ctl->pool, path));
        }
    }
    close(fd);
    return code;
}

/* ---- restore --------------------------------------------------------------------------------- */

typedef struct restore_t {
    ctl_t *ctl;
    const char *path;    /* as named */
    int fd, wal;         /* of it, and of a log beside it; wal -1 = none */
    const char *own;     /* the copy beside the store */
    const char *keep;    /* what was there; NULL = nothing */
    cfmt_file_facts_t f;
} restore_t;

static int in_use(const ctl_t *ctl, pid_t pid)
{
    ctl_complain(CFMT_ID(1207), "%s is in use%s: stop httpd first ('systemctl stop apache2'), then"
                 " again", ctl_text(ctl->pool, ctl->db),
                 pid > 1 ? apr_psprintf(ctl->pool, " by process %ld", (long)pid) : "");
    return CTL_UNAVAILABLE;
}

/* The store believes only a file of the directory's owner. */
static int check_owner(const ctl_t *ctl)
{
    struct stat sb;

    if (stat(dirname(apr_pstrdup(ctl->pool, ctl->db)), &sb) == 0 && sb.st_uid != geteuid()) {
        ctl_complain(CFMT_ID(1208), "only the owner of the state directory can restore: use sudo");
        return CTL_DENIED;
    }
    return CTL_DONE;
}

static int check_unused(const ctl_t *ctl)
{
    pid_t pid;
    apr_status_t rv = cfmt_store_user(ctl->db, &pid);

    if (rv != APR_SUCCESS && rv != CFMT_EMISSING) {
        return ctl_store_failed(ctl, rv, NULL);
    }
    return pid ? in_use(ctl, pid) : CTL_DONE;
}

/* 0, or errno. */
static int copy_beside(const restore_t *rs, int from, const char *suffix)
{
    const char *to = apr_pstrcat(rs->ctl->pool, rs->own, suffix, NULL);
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660), err;

    if (fd < 0) {
        return errno;
    }
    (void)fchmod(fd, 0660);
    err = copy(fd, from, rs->ctl->pool);
    close(fd);
    return err;
}

static void forget(const restore_t *rs)
{
    (void)unlink(rs->own);
    (void)unlink(apr_pstrcat(rs->ctl->pool, rs->own, "-wal", NULL));
}

static int take_copy(restore_t *rs)
{
    cfmt_result_t r = { .status = APR_SUCCESS };
    apr_status_t rv;
    int err = copy_beside(rs, rs->fd, "");

    err = !err && rs->wal >= 0 ? copy_beside(rs, rs->wal, "-wal") : err;
    if (err) {
        return file_failed(rs->ctl, rs->own, err);
    }
    rv = cfmt_backup_verify(rs->own, &rs->f, &r, rs->ctl->pool);
    if (rv != APR_SUCCESS) {
        ctl_complain(CFMT_ID(1209), "%s cannot be restored: %s (%s); nothing was changed",
                     ctl_text(rs->ctl->pool, rs->path), cfmt_status_text(rv, rs->ctl->pool),
                     ctl_text(rs->ctl->pool, r.detail));
        return CTL_FAILED;
    }
    return CTL_DONE;
}

/* In the record: rows that the error log knows may be missing from here on. */
static apr_status_t note(const restore_t *rs, cfmt_result_t *r)
{
    cfmt_audit_row_t row = { .at = apr_time_now(), .what = "restore", .why = rs->ctl->reason,
                             .ref = apr_psprintf(rs->ctl->pool, "journal %" APR_INT64_T_FMT,
                                                 rs->f.head) };
    cfmt_store_t *s;
    apr_status_t rv = cfmt_prepare_store(rs->ctl->db, NULL, apr_time_now(), r, rs->ctl->pool);

    row.who = apr_pstrcat(rs->ctl->pool, "user ", rs->ctl->user, NULL);
    rv = rv == APR_SUCCESS ? cfmt_store_open(&s, rs->ctl->db, CFMT_STORE_WRITE, r, rs->ctl->pool)
                           : rv;
    rv = rv == APR_SUCCESS ? cfmt_store_begin(s, CTL_BEGIN_LIMIT) : rv;
    return rv == APR_SUCCESS ? cfmt_store_end(s, cfmt_audit_append(s, &row, NULL)) : rv;
}

/* A name that nothing has: what was kept before is not overwritten. */
static const char *name_to_keep(const ctl_t *ctl)
{
    const char *name = apr_pstrcat(ctl->pool, ctl->db, ".before-", stamp(ctl), NULL), *other = name;
    int i;

    for (i = 2; access(other, F_OK) == 0; i++) {
        other = apr_psprintf(ctl->pool, "%s-%d", name, i);
    }
    return other;
}

/* Nobody can lead, and nobody can write, while files change places. */
static int put_in_place(restore_t *rs)
{
    ctl_t *ctl = rs->ctl;
    cfmt_result_t r = { .status = APR_SUCCESS };
    cfmt_leader_t *leader;
    pid_t user = 0;
    apr_status_t rv = cfmt_leader_take(&leader, ctl->db, apr_time_now(), ctl->pool);

    if (rv == APR_EBUSY) {
        return in_use(ctl, 0);
    }
    rs->keep = access(ctl->db, F_OK) == 0 ? name_to_keep(ctl) : NULL;
    rv = rv == APR_SUCCESS
             ? cfmt_store_replace(ctl->db, rs->own, rs->keep ? rs->keep : rs->own, &user, &r,
                                  ctl->pool) : rv;
    if (rv == APR_SUCCESS && note(rs, &r) != APR_SUCCESS) {
        ctl_complain(CFMT_ID(1210), "restored, but it could not be brought up to date: %s; httpd's"
                     " start tries again", ctl_text(ctl->pool, r.detail));
    }
    cfmt_leader_release(leader);
    return rv == APR_SUCCESS ? CTL_DONE
           : user ? in_use(ctl, user) : ctl_store_failed(ctl, rv, r.detail);
}

static void say_restored(const restore_t *rs)
{
    apr_pool_t *p = rs->ctl->pool;

    if (rs->ctl->json) {
        ctl_json_document(
            rs->ctl, apr_psprintf(p, "\"path\":%s,\"kept\":%s,\"journal_id\":%" APR_INT64_T_FMT
                                     ",\"journal_at\":%s",
                                  ctl_json_string(p, rs->path), ctl_json_string(p, rs->keep),
                                  rs->f.head,
                                  ctl_json_string(p, rs->f.head_at
                                                         ? cfmt_time_format(p, rs->f.head_at)
                                                         : NULL)));
        return;
    }
    printf("%s is in place, to journal row %" APR_INT64_T_FMT " of %s\n", ctl_text(p, rs->path),
           rs->f.head, ctl_time(p, rs->f.head_at));
    if (rs->keep) {
        printf("what was there is kept: %s\n", ctl_text(p, rs->keep));
    }
    printf("next: systemctl start apache2 && cfmtctl db check\n");
}

static int restore(restore_t *rs)
{
    ctl_t *ctl = rs->ctl;
    int code = check_owner(ctl);

    code = code == CTL_DONE ? check_unused(ctl) : code;
    code = code == CTL_DONE ? take_copy(rs) : code;
    code = code == CTL_DONE
               ? ctl_confirm(ctl, apr_psprintf(ctl->pool, "Put the database of %s (journal row %"
                                               APR_INT64_T_FMT ") in the place of %s?",
                                               ctl_time(ctl->pool, rs->f.head_at), rs->f.head,
                                               ctl_text(ctl->pool, ctl->db))) : code;
    code = code == CTL_DONE ? put_in_place(rs) : code;
    if (code != CTL_DONE) {
        forget(rs);
        return code;
    }
    say_restored(rs);
    return CTL_DONE;
}

int ctl_db_restore(ctl_t *ctl)
{
    restore_t rs = { .ctl = ctl, .path = ctl->operands[0] };
    int code;

    rs.fd = open(rs.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (rs.fd < 0) {
        return file_failed(ctl, rs.path, errno);
    }
    rs.wal = open(apr_pstrcat(ctl->pool, rs.path, "-wal", NULL),
                  O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    code = ctl_become(ctl);
    if (code == CTL_DONE) {
        rs.own = beside(ctl, "restore");
        code = restore(&rs);
    }
    close(rs.fd);
    if (rs.wal >= 0) {
        close(rs.wal);
    }
    return code;
}

/* ---- prune ----------------------------------------------------------------------------------- */

/* *pdone: it ran to its end since then. */
static apr_status_t look_at_job(const ctl_world_t *w, apr_time_t since, int *pdone, apr_pool_t *p)
{
    apr_array_header_t *jobs;
    apr_status_t rv = cfmt_jobs_load(w->store, &jobs, p);
    int i;

    *pdone = 0;
    for (i = 0; rv == APR_SUCCESS && i < jobs->nelts; i++) {
        const cfmt_job_t *job = &APR_ARRAY_IDX(jobs, i, cfmt_job_t);

        *pdone |= !strcmp(job->name, "retention") && !job->owner && job->last_at >= since
                  && cfmt_text_same(job->last_result, "done");
    }
    return rv;
}

static int await_job(const ctl_world_t *w, apr_time_t since)
{
    apr_time_t limit = cfmt_monotonic() + PRUNE_WAIT;
    apr_status_t rv;
    apr_pool_t *p;
    int done;

    apr_pool_create(&p, w->p);
    while ((rv = look_at_job(w, since, &done, p)) == APR_SUCCESS && !done
           && cfmt_monotonic() < limit && ctl_out_ok()) {
        apr_sleep(STEP);
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(w, rv);
    }
    if (!done) {
        ctl_complain(CFMT_ID(1211), "still at it after %s; it goes on by itself: 'cfmtctl jobs'",
                     ctl_duration(w->p, PRUNE_WAIT));
        return CTL_UNKNOWN;
    }
    return CTL_DONE;
}

static void say_pruned(const ctl_world_t *w, const cfmt_file_facts_t *before,
                       const cfmt_file_facts_t *after)
{
    apr_int64_t freed = (after->free_pages - before->free_pages) * after->page_size;

    if (w->ctl->json) {
        ctl_json_document(
            w->ctl, apr_psprintf(w->p, "\"journal_first_before\":%" APR_INT64_T_FMT
                                       ",\"journal_first\":%" APR_INT64_T_FMT ",\"freed_bytes\":%"
                                       APR_INT64_T_FMT, before->first, after->first,
                                 freed > 0 ? freed : 0));
        return;
    }
    printf("the journal begins at row %" APR_INT64_T_FMT " of %s", after->first,
           ctl_time(w->p, after->first_at));
    printf(after->first == before->first ? ", as before" : ", before at row %" APR_INT64_T_FMT,
           before->first);
    printf("; %s more are free for new rows\n", megabytes(freed > 0 ? freed : 0, w->p));
}

/* Retention is the leader's: nothing else may be pruned while it maps attacks anew. */
int ctl_db_prune(ctl_t *ctl)
{
    ctl_order_t order = { .about = "retention" };
    cfmt_file_facts_t before, after;
    apr_time_t since;
    ctl_world_t w;
    int code = ctl_world_open_as(&w, ctl, CFMT_STORE_WRITE);

    if (code != CTL_DONE) {
        return code;
    }
    if (!ctl_is_led(ctl, w.store)) {
        ctl_complain(CFMT_ID(1212), "nobody leads, and retention is the leader's: start httpd;"
                     " 'cfmtctl db check' tells more");
        return CTL_UNAVAILABLE;
    }
    since = ctl_now(ctl);
    order.body = ctl_order_body_id(ctl, "prune", "0");
    if (cfmt_file_facts(w.store, &before, w.p) != APR_SUCCESS) {
        return ctl_world_failed(&w, CFMT_ESTORE);
    }
    code = ctl_order_ask(ctl, w.store, &order);
    code = code == CTL_DONE ? await_job(&w, since) : code;
    if (code == CTL_DONE && cfmt_file_facts(w.store, &after, w.p) == APR_SUCCESS) {
        say_pruned(&w, &before, &after);
    }
    return code;
}
