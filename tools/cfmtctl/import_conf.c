/*
 * What the old system's settings become: a file for each secret, and a cfmt.conf that names them.
 * A file that is there is never touched: it may have been edited, or be in use.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "import.h"

#define DIR_DEFAULT "cfmt-import"
#define ROUTE_DEFAULT "/webhook/cloudflare"
#define CONF_MAX (1024 * 1024)

typedef struct writer_t {
    ctl_import_t *im;
    const char *dir;
    int code;
} writer_t;

/* ---- files ----------------------------------------------------------------------------------- */

static int failed(const char *path, apr_pool_t *p)
{
    ctl_complain(CFMT_ID(1152), "import: cannot write %s: %s", ctl_text(p, path), strerror(errno));
    return errno == EACCES || errno == EPERM || errno == EROFS ? CTL_DENIED : CTL_FAILED;
}

/* *pdir: its real path. In a dry run it need not be there. */
static int make_dir(const ctl_import_t *im, const char **pdir)
{
    const char *dir = im->ctl->out ? im->ctl->out : DIR_DEFAULT;
    char real[PATH_MAX];

    *pdir = dir;
    if (!im->dry && mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return failed(dir, im->p);
    }
    if (realpath(dir, real)) {
        *pdir = apr_pstrdup(im->p, real);
    }
    else if (!im->dry) {
        return failed(dir, im->p);
    }
    if (strpbrk(*pdir, "\"\\\n$")) {
        ctl_complain(CFMT_ID(1153), "import: --out: a path with \", \\ or $ cannot stand in httpd's"
                     " configuration");
        return CTL_USAGE;
    }
    return CTL_DONE;
}

static int write_all(int fd, const char *text)
{
    apr_size_t left = strlen(text);
    ssize_t n;

    while (left) {
        n = write(fd, text, left);
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        text += n > 0 ? n : 0;
        left -= n > 0 ? (apr_size_t)n : 0;
    }
    return fsync(fd);
}

/* Whole or not at all. */
static int put(const char *path, const char *text, mode_t mode, apr_pool_t *p)
{
    const char *tmp = apr_pstrcat(p, path, ".tmp", NULL);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600), good;

    if (fd < 0) {
        return -1;
    }
    good = write_all(fd, text) == 0 && fchmod(fd, mode) == 0;
    good = close(fd) == 0 && good;
    return good && rename(tmp, path) == 0 ? 0 : -1;
}

/* Says in im->written what became of it; of a secret never what is in it. */
static void put_file(writer_t *w, const char *name, const char *text, mode_t mode)
{
    const char *path = apr_pstrcat(w->im->p, w->dir, "/", name, NULL), *there;
    ctl_written_t out = { .path = path, .how = w->im->dry ? "would be written" : "written" };
    apr_size_t len;

    there = ctl_import_text(path, CONF_MAX, &len, w->im->p);
    if (there || errno != ENOENT) {
        out.how = there && !strcmp(there, text) ? "same" : "kept";
    }
    else if (!w->im->dry && put(path, text, mode, w->im->p) != 0) {
        w->code = failed(path, w->im->p);
        return;
    }
    APR_ARRAY_PUSH(w->im->written, ctl_written_t) = out;
}

static void put_secret(writer_t *w, const char *name, const char *value)
{
    if (value && w->code == CTL_DONE) {
        put_file(w, name, apr_pstrcat(w->im->p, value, "\n", NULL), 0600);
    }
}

/* ---- cfmt.conf ------------------------------------------------------------------------------- */

static void add(apr_array_header_t *parts, const char *line)
{
    APR_ARRAY_PUSH(parts, const char *) = line;
    APR_ARRAY_PUSH(parts, const char *) = "\n";
}

static const char *source_of(const writer_t *w, const char *name)
{
    return apr_pstrcat(w->im->p, "file:", w->dir, "/", name, NULL);
}

static void add_access(const writer_t *w, apr_array_header_t *parts)
{
    const ctl_old_settings_t *old = &w->im->settings;
    apr_pool_t *p = w->im->p;

    add(parts, old->secret
               ? apr_psprintf(p, "    CfmtSecret \"%s\" label=imported",
                              source_of(w, "webhook-secret"))
               : "    # Needed: the old system had no secret that can be used.\n"
                 "    #CfmtSecret file:/etc/cfmt-secret label=current");
    add(parts, old->account ? apr_pstrcat(p, "    CfmtAccountId ", old->account, NULL)
                            : "    #CfmtAccountId 0123456789abcdef0123456789abcdef");
    add(parts, old->token
               ? apr_psprintf(p, "    CfmtApiToken \"%s\"", source_of(w, "api-token"))
               : "    #CfmtApiToken file:/etc/cfmt-token");
    if (old->bot && old->chat) {
        add(parts, apr_psprintf(p, "    CfmtNotify telegram name=telegram \"token=%s\" chat=%s",
                                source_of(w, "telegram-token"), old->chat));
    }
}

static void add_prefixes(const writer_t *w, apr_array_header_t *parts)
{
    const apr_array_header_t *all = w->im->settings.prefixes;
    apr_pool_t *p = w->im->p;
    int i;

    add(parts, "\n    # The old system withdrew each of these when it was calm. In CfmtMode\n"
               "    # observe it is only said what would be done; enforce makes it hold.");
    for (i = 0; i < all->nelts; i++) {
        const ctl_old_prefix_t *old = &APR_ARRAY_IDX(all, i, ctl_old_prefix_t);

        if (old->description) {
            add(parts, apr_pstrcat(p, "    # ", cfmt_text_escape(p, old->description,
                                                                strlen(old->description), 100),
                                   NULL));
        }
        add(parts, apr_pstrcat(p, "    CfmtPrefix ", old->text, old->name ? " name=" : "",
                               old->name ? old->name : "", " withdraw=auto advertise=manual",
                               NULL));
    }
    if (!all->nelts) {
        add(parts, "    #CfmtPrefix 203.0.113.0/24 name=example withdraw=auto advertise=manual");
    }
}

static void add_routes(const writer_t *w, apr_array_header_t *parts)
{
    const char *route = w->im->settings.route;

    add(parts, route
               ? "\n    # The address of a ProxyPass line: remove that line, and the address stays."
               : "\n    # Must be the address that Cloudflare's destination has.");
    add(parts, apr_pstrcat(w->im->p, "    <Location \"", route ? route : ROUTE_DEFAULT, "\">",
                           NULL));
    add(parts, "        SetHandler cfmt-webhook\n        Require all granted\n"
               "    </Location>\n\n    <Location \"/mt-health\">\n        SetHandler cfmt-health\n"
               "        Require local\n    </Location>");
}

static const char *conf(const writer_t *w)
{
    apr_array_header_t *parts = apr_array_make(w->im->p, 64, sizeof(const char *));

    add(parts, "# mod_cfmt, as the system before it was set up; made by cfmtctl import.\n"
               "# docs/migration.md says how to go on; every other directive has its default.\n\n"
               "<IfModule cfmt_module>\n"
               "    # Records, tells and says what it would do, and changes no BGP by itself.\n"
               "    # With enforce it withdraws: not before the old system has been stopped.\n"
               "    CfmtMode observe\n");
    add_access(w, parts);
    add_prefixes(w, parts);
    add_routes(w, parts);
    add(parts, "</IfModule>");
    return apr_array_pstrcat(w->im->p, parts, '\0');
}

/* Without settings there is nothing to write, and an empty cfmt.conf would be in the way. */
int ctl_import_conf(ctl_import_t *im)
{
    const ctl_old_settings_t *old = &im->settings;
    writer_t w = { .im = im, .code = CTL_DONE };

    if (!old->account && !old->token && !old->secret && !old->bot && !old->prefixes->nelts) {
        return CTL_DONE;
    }
    if ((w.code = make_dir(im, &w.dir)) != CTL_DONE) {
        return w.code;
    }
    put_secret(&w, "webhook-secret", old->secret);
    put_secret(&w, "api-token", old->token);
    put_secret(&w, "telegram-token", old->chat ? old->bot : NULL);
    if (w.code == CTL_DONE) {
        put_file(&w, "cfmt.conf", conf(&w), 0644);
    }
    return w.code;
}
