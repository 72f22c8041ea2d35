/*
 * Finds the services and cron jobs of the system that mod_cfmt replaces, by their files alone: no
 * program is run, so it works for any user and in a container, and asks systemd nothing.
 */
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include "old_system.h"

#define LINE_MAX_LEN 4096

static const char *const services[] = {
    "cloudflare-webhook", "cloudflare-analytics-monitor", "cloudflare-autowithdraw",
    "cloudflare-dashboard", NULL
};
static const char *const crons[] = {
    "cloudflare-mt-withdrawals", "cloudflare-services-watchdog", NULL
};

/* ---- services -------------------------------------------------------------------------------- */

static int matches(const char *pattern)
{
    glob_t found;
    int yes = glob(pattern, GLOB_NOSORT, NULL, &found) == 0 && found.gl_pathc > 0;

    globfree(&found);
    return yes;
}

/* A unit that is masked is a link to /dev/null: it cannot be started. */
static int is_masked(const char *path)
{
    struct stat sb;

    return stat(path, &sb) == 0 && S_ISCHR(sb.st_mode);
}

/* In the order in which systemd looks: the first one counts. */
static const char *unit_path(const char *unit, apr_pool_t *p)
{
    static const char *const places[] = {
        "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
        "/lib/systemd/system", "/usr/lib/systemd/system", NULL
    };
    const char *path;
    int i;

    for (i = 0; places[i]; i++) {
        path = apr_pstrcat(p, places[i], "/", unit, NULL);
        if (access(path, F_OK) == 0) {
            return path;
        }
    }
    return NULL;
}

/* What is to be started with a target is a link in a directory of that target. */
static int is_enabled(const char *unit, apr_pool_t *p)
{
    return matches(apr_pstrcat(p, "/etc/systemd/system/*.wants/", unit, NULL))
           || matches(apr_pstrcat(p, "/etc/systemd/system/*.requires/", unit, NULL))
           || matches(apr_pstrcat(p, "/run/systemd/system/*.wants/", unit, NULL));
}

/* Its control group is there as long as a process of it is; the second path is that of cgroup 1. */
static int is_running(const char *unit, apr_pool_t *p)
{
    return access(apr_pstrcat(p, "/sys/fs/cgroup/system.slice/", unit, NULL), F_OK) == 0
           || access(apr_pstrcat(p, "/sys/fs/cgroup/systemd/system.slice/", unit, NULL),
                     F_OK) == 0;
}

static void find_unit(apr_array_header_t *found, const char *name, const char *kind)
{
    apr_pool_t *p = found->pool;
    const char *unit = apr_pstrcat(p, name, ".", kind, NULL);
    ctl_old_t old = { .what = kind, .name = unit, .path = unit_path(unit, p) };

    old.running = is_running(unit, p);
    old.enabled = is_enabled(unit, p) && !(old.path && is_masked(old.path));
    if (!old.running && !old.enabled && (!old.path || is_masked(old.path))) {
        return;
    }
    old.retire = apr_pstrcat(p, "systemctl disable --now ", unit, NULL);
    APR_ARRAY_PUSH(found, ctl_old_t) = old;
}

/* ---- cron ------------------------------------------------------------------------------------ */

/* Whether a line of the file does something and, unless NULL, names that. */
static int does(const char *path, const char *name, apr_pool_t *p)
{
    char line[LINE_MAX_LEN];
    apr_file_t *f;
    int yes = 0;

    if (apr_file_open(&f, path, APR_FOPEN_READ | APR_FOPEN_BUFFERED, 0, p) != APR_SUCCESS) {
        return 0;
    }
    while (!yes && apr_file_gets(line, sizeof(line), f) == APR_SUCCESS) {
        const char *at = line + strspn(line, " \t");

        yes = (apr_isdigit(*at) || *at == '*' || *at == '@') && (!name || strstr(at, name));
    }
    apr_file_close(f);
    return yes;
}

static void add_cron(apr_array_header_t *found, const char *name, const char *path, int enabled,
                     const char *retire)
{
    APR_ARRAY_PUSH(found, ctl_old_t) = (ctl_old_t){
        .what = "cron job", .name = name, .path = path, .enabled = enabled, .retire = retire
    };
}

static void find_cron(apr_array_header_t *found, const char *name)
{
    apr_pool_t *p = found->pool;
    const char *path = apr_pstrcat(p, "/etc/cron.d/", name, NULL);

    if (access(path, F_OK) == 0) {
        add_cron(found, name, path, does(path, NULL, p) || access(path, R_OK) != 0,
                 apr_pstrcat(p, "rm ", path, NULL));
    }
    if (does("/etc/crontab", name, p)) {
        add_cron(found, name, "/etc/crontab", 1,
                 apr_pstrcat(p, "sed -i '/", name, "/d' /etc/crontab", NULL));
    }
}

apr_array_header_t *ctl_old_system(apr_pool_t *p)
{
    apr_array_header_t *found = apr_array_make(p, 4, sizeof(ctl_old_t));
    int i;

    for (i = 0; services[i]; i++) {
        find_unit(found, services[i], "service");
        find_unit(found, services[i], "timer");
    }
    for (i = 0; crons[i]; i++) {
        find_cron(found, crons[i]);
    }
    return found;
}
