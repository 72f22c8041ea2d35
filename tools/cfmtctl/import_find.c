/*
 * Where the old system's files are: the operands of `cfmtctl import`, and what lies below them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "import.h"

#define DEPTH_MAX 4

/* ---- files ----------------------------------------------------------------------------------- */

static const char *read_fd(int fd, apr_size_t size, apr_size_t *plen, apr_pool_t *p)
{
    char *text = apr_palloc(p, size + 1);
    apr_size_t len = 0;
    ssize_t n = 1;

    while (len < size && n > 0) {
        n = read(fd, text + len, size - len);
        if (n < 0 && errno != EINTR) {
            return NULL;
        }
        len += n > 0 ? (apr_size_t)n : 0;
        n = n < 0 ? 1 : n;
    }
    text[len] = '\0';
    *plen = len;
    return text;
}

const char *ctl_import_text(const char *path, apr_size_t max, apr_size_t *plen, apr_pool_t *p)
{
    int err, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    const char *text = NULL;
    struct stat sb;

    *plen = 0;
    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &sb) == 0) {
        errno = !S_ISREG(sb.st_mode) ? EINVAL : sb.st_size > (off_t)max ? EFBIG : 0;
        text = errno ? NULL : read_fd(fd, (apr_size_t)sb.st_size, plen, p);
    }
    err = errno;
    close(fd);
    errno = err;
    return text;
}

/* ---- what a file is -------------------------------------------------------------------------- */

static void add(ctl_import_t *im, ctl_source_e what, const char *path, const struct stat *sb)
{
    APR_ARRAY_PUSH(im->sources, ctl_source_t) = (ctl_source_t){
        .what = what, .path = apr_pstrdup(im->p, path), .uid = sb->st_uid, .gid = sb->st_gid
    };
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* -1: by its name it may be anything. */
static int by_name(const char *path, int directory)
{
    const char *name = base_of(path);

    if (directory) {
        return !strcmp(name, "webhooks") ? CTL_SOURCE_WEBHOOKS : -1;
    }
    return !strcmp(name, "settings.json") ? CTL_SOURCE_SETTINGS
           : !strcmp(name, "prefix_mapping.json") ? CTL_SOURCE_MAPPING
           : !strcmp(name, "magic_transit.db") ? CTL_SOURCE_DATABASE : -1;
}

/* A file that was named, by what is in it. */
static int by_content(const char *path, apr_pool_t *p)
{
    static const cfmt_json_limits_t limits = { .depth = 32 };
    apr_size_t len;
    const char *why, *text = ctl_import_text(path, CFMT_LEGACY_ROW_MAX, &len, p);
    cfmt_cidr_t cidr;
    cfmt_json_t *doc;

    if (!text && errno == EFBIG) {
        return CTL_SOURCE_DATABASE; /* nothing else of it is that large */
    }
    if (text && len >= 16 && !memcmp(text, "SQLite format 3", 16)) {
        return CTL_SOURCE_DATABASE;
    }
    if (!text || cfmt_json_parse(&doc, &why, text, len, &limits, p) != APR_SUCCESS) {
        return -1;
    }
    if (cfmt_json_get(doc, "cloudflare") || cfmt_json_get(doc, "telegram")) {
        return CTL_SOURCE_SETTINGS;
    }
    if (cfmt_json_get(doc, "prefixes")
        || (doc->type == CFMT_JSON_OBJECT && doc->child
            && cfmt_cidr_parse(&cidr, NULL, doc->child->key) == APR_SUCCESS)) {
        return CTL_SOURCE_MAPPING;
    }
    return CTL_SOURCE_WEBHOOKS;
}

/* ---- looking around -------------------------------------------------------------------------- */

/* What others have put beside it: large, and nothing of ours is in there. */
static int is_foreign(const char *name)
{
    static const char *const names[] = { "venv", "env", "node_modules", "__pycache__", NULL };
    int i;

    for (i = 0; names[i] && strcmp(names[i], name); i++) {
    }
    return names[i] || *name == '.';
}

static void walk(ctl_import_t *im, const char *dir, int depth)
{
    struct dirent **entries;
    int i, what, n = scandir(dir, &entries, NULL, alphasort);
    struct stat sb;

    if (n < 0) {
        ctl_import_unread(im, dir, NULL, NULL, NULL, strerror(errno));
        return;
    }
    for (i = 0; i < n; i++) {
        const char *path = apr_pstrcat(im->p, dir, "/", entries[i]->d_name, NULL);

        if (!is_foreign(entries[i]->d_name) && lstat(path, &sb) == 0
            && (S_ISDIR(sb.st_mode) || S_ISREG(sb.st_mode))) {
            what = by_name(path, S_ISDIR(sb.st_mode));
            if (what >= 0) {
                add(im, (ctl_source_e)what, path, &sb);
            }
            else if (S_ISDIR(sb.st_mode) && depth < DEPTH_MAX) {
                walk(im, path, depth + 1);
            }
        }
        free(entries[i]);
    }
    free(entries);
}

/* An operand may be a link: whoever typed it means what it leads to. */
static int look_at(ctl_import_t *im, const char *operand)
{
    char real[PATH_MAX];
    struct stat sb;
    int what;

    if (!realpath(operand, real) || stat(real, &sb) != 0) {
        ctl_complain(CFMT_ID(1150), "import: %s: %s", ctl_text(im->p, operand), strerror(errno));
        return errno == EACCES ? CTL_DENIED : CTL_USAGE;
    }
    what = by_name(real, S_ISDIR(sb.st_mode));
    if (what < 0 && S_ISREG(sb.st_mode)) {
        what = by_content(real, im->p);
    }
    if (what >= 0) {
        add(im, (ctl_source_e)what, real, &sb);
    }
    else if (S_ISDIR(sb.st_mode)) {
        walk(im, real, 1);
    }
    return CTL_DONE;
}

int ctl_import_find(ctl_import_t *im)
{
    int i, code = CTL_DONE;

    for (i = 0; code == CTL_DONE && i < im->ctl->operand_count; i++) {
        code = look_at(im, im->ctl->operands[i]);
    }
    if (code == CTL_DONE && !im->sources->nelts) {
        ctl_complain(CFMT_ID(1151),
                     "import: nothing of the old system is there: name the directory with its"
                     " settings.json, prefix_mapping.json, logs/webhooks or magic_transit.db");
        return CTL_FAILED;
    }
    return code;
}
