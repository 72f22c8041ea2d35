/*
 * Reads the old system's database and the files that it kept, in processes of their own: as root,
 * each becomes the user whose the file is, because whoever can change a database or a body that
 * came in must not choose what root reads; and so that what SQLite leaves beside the file is that
 * user's. What is read comes back through a pipe, a line of JSON each.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#include "import.h"

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static apr_status_t put_line(void *baton, const char *json, apr_size_t len)
{
    FILE *out = baton;

    return fwrite(json, 1, len, out) == len && putc('\n', out) != EOF ? APR_SUCCESS : CFMT_EIO;
}

static void put_error(FILE *out, const char *source, const char *id, const char *why, apr_pool_t *p)
{
    const char *line = apr_pstrcat(p, "{\"source\":", ctl_json_string(p, source),
                                   ",\"id\":", ctl_json_string(p, id),
                                   ",\"error\":", ctl_json_string(p, why), "}", NULL);

    (void)put_line(out, line, strlen(line));
}

/* ---- one source ------------------------------------------------------------------------------ */

static void read_database(FILE *out, const char *path, apr_pool_t *p)
{
    const cfmt_legacy_out_t to = { .line = put_line, .baton = out };
    const char *why;
    apr_status_t rv = cfmt_legacy_read(path, &to, &why, p);

    if (rv != APR_SUCCESS) {
        put_error(out, base_of(path), NULL,
                  apr_psprintf(p, "%s (%s)", cfmt_status_text(rv, p), why), p);
    }
}

static void read_file(FILE *out, const char *path, apr_pool_t *p)
{
    const char *name = base_of(path), *text, *line;
    apr_size_t len;
    struct stat sb;

    text = ctl_import_text(path, CFMT_LEGACY_ROW_MAX, &len, p);
    if (!text || stat(path, &sb) != 0) {
        put_error(out, CFMT_LEGACY_WEBHOOKS, name,
                  errno == EFBIG ? "the file is too large" : strerror(errno), p);
        return;
    }
    line = apr_psprintf(p, "{\"source\":\"" CFMT_LEGACY_WEBHOOKS "\",\"id\":%s,\"file_at\":%ld,"
                           "\"text\":%s}", ctl_json_string(p, name), (long)sb.st_mtime,
                        ctl_json_text(p, text, len));
    (void)put_line(out, line, strlen(line));
}

static int is_json(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 5 && !strcmp(entry->d_name + len - 5, ".json");
}

static void read_dir(FILE *out, const char *dir, apr_pool_t *p)
{
    struct dirent **entries;
    int i, n = scandir(dir, &entries, is_json, alphasort);
    apr_pool_t *each;

    if (n < 0) {
        put_error(out, CFMT_LEGACY_WEBHOOKS, NULL, strerror(errno), p);
        return;
    }
    apr_pool_create(&each, p);
    for (i = 0; i < n; i++) {
        read_file(out, apr_pstrcat(each, dir, "/", entries[i]->d_name, NULL), each);
        apr_pool_clear(each);
        free(entries[i]);
    }
    free(entries);
}

static void read_source(FILE *out, const ctl_source_t *source, apr_pool_t *p)
{
    struct stat sb;

    if (source->what == CTL_SOURCE_DATABASE) {
        read_database(out, source->path, p);
    }
    else if (stat(source->path, &sb) == 0 && S_ISDIR(sb.st_mode)) {
        read_dir(out, source->path, p);
    }
    else {
        read_file(out, source->path, p);
    }
}

/* ---- as whom --------------------------------------------------------------------------------- */

/* For good. */
static int become(const ctl_source_t *source)
{
    const struct passwd *pw;

    if (geteuid() != 0 || source->uid == 0) {
        return 0;
    }
    pw = getpwuid(source->uid);
    if ((pw ? initgroups(pw->pw_name, source->gid) : setgroups(0, NULL)) != 0
        || setgid(source->gid) != 0 || setuid(source->uid) != 0) {
        return -1;
    }
    return setuid(0) == 0 ? -1 : 0;
}

static void read_as_owner(FILE *out, const ctl_source_t *source, apr_pool_t *p)
{
    if (become(source) != 0) {
        put_error(out, base_of(source->path), NULL,
                  apr_psprintf(p, "cannot become its owner: %s", strerror(errno)), p);
    }
    else {
        read_source(out, source, p);
    }
    _exit(fflush(out) == 0 ? 0 : 1);
}

/* One after the other; one that dies says nothing any more, so it is said for it. */
static void read_each(FILE *out, const ctl_import_t *im)
{
    int i, status;
    pid_t pid;

    for (i = 0; i < im->sources->nelts; i++) {
        const ctl_source_t *source = &APR_ARRAY_IDX(im->sources, i, ctl_source_t);

        if (source->what != CTL_SOURCE_DATABASE && source->what != CTL_SOURCE_WEBHOOKS) {
            continue;
        }
        pid = fork();
        if (pid == 0) {
            read_as_owner(out, source, im->p);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            put_error(out, base_of(source->path), NULL, "its reader died: it was not read whole",
                      im->p);
            fflush(out);
        }
    }
}

int ctl_reader_start(ctl_reader_t *rd, const ctl_import_t *im)
{
    int ends[2];
    FILE *out;

    if (pipe(ends) != 0) {
        return -1;
    }
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    fflush(stdout);
    rd->pid = fork();
    if (rd->pid == 0) {
        close(ends[0]);
        out = fdopen(ends[1], "w");
        signal(SIGPIPE, SIG_DFL); /* nobody listens any more */
        if (out) {
            read_each(out, im);
        }
        _exit(0);
    }
    close(ends[1]);
    rd->lines = rd->pid < 0 ? NULL : fdopen(ends[0], "r");
    return rd->lines ? 0 : -1;
}

void ctl_reader_end(ctl_reader_t *rd)
{
    int status;

    fclose(rd->lines);
    (void)waitpid(rd->pid, &status, 0);
}
