/*
 * Who runs this and may they: root becomes the owner of the state directory before any file is
 * opened, so that it neither leaves root's files there nor follows what that owner has put in its
 * way. The sentences for a database that cannot be used, and the clock that its rows are dated by.
 */
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmtctl.h"

/* ---- names ----------------------------------------------------------------------------------- */

static const char *user_name(uid_t uid, apr_pool_t *p)
{
    const struct passwd *pw = getpwuid(uid);

    return pw ? apr_pstrdup(p, pw->pw_name) : apr_psprintf(p, "uid %lu", (unsigned long)uid);
}

static const char *group_name(gid_t gid, apr_pool_t *p)
{
    const struct group *gr = getgrgid(gid);

    return gr ? apr_pstrdup(p, gr->gr_name) : apr_psprintf(p, "gid %lu", (unsigned long)gid);
}

/* sudo's word counts only where sudo has made us root; root could write anything here anyway. */
static const char *who(apr_pool_t *p)
{
    const char *self = user_name(getuid(), p), *sudo = getenv("SUDO_USER");

    if (getuid() != 0 || !sudo || !*sudo || !strcmp(sudo, self)) {
        return self;
    }
    return apr_pstrcat(p, cfmt_text_escape(p, sudo, strlen(sudo), 64), " via ", self, NULL);
}

/* ---- becoming the owner ---------------------------------------------------------------------- */

static const char *state_dir(const ctl_t *ctl)
{
    return dirname(apr_pstrdup(ctl->pool, ctl->db));
}

/*
 * For good: real, effective and saved ids; a way back would be a way for whoever owns the
 * directory.
 */
static int drop_to(uid_t uid, gid_t dir_gid)
{
    const struct passwd *pw = getpwuid(uid);
    gid_t gid = pw ? pw->pw_gid : dir_gid;

    if (pw ? initgroups(pw->pw_name, gid) != 0 : setgroups(0, NULL) != 0) {
        return -1;
    }
    if (setgid(gid) != 0 || setuid(uid) != 0) {
        return -1;
    }
    if (setuid(0) == 0) {
        errno = EPERM;
        return -1;
    }
    return 0;
}

int ctl_become(ctl_t *ctl)
{
    const char *dir = state_dir(ctl);
    struct stat sb;

    ctl->user = who(ctl->pool);
    if (geteuid() != 0) {
        return CTL_DONE;
    }
    if (lstat(dir, &sb) != 0) {
        return ctl_store_failed(ctl, errno == EACCES ? CFMT_EDENIED : CFMT_EMISSING, NULL);
    }
    if (!S_ISDIR(sb.st_mode)) {
        return ctl_store_failed(ctl, CFMT_ELINK, NULL);
    }
    if (sb.st_uid != 0 && drop_to(sb.st_uid, sb.st_gid) != 0) {
        ctl_complain(CFMT_ID(0715), "cannot become '%s', the owner of %s: %s",
                     user_name(sb.st_uid, ctl->pool), ctl_text(ctl->pool, dir), strerror(errno));
        return CTL_DENIED;
    }
    return CTL_DONE;
}

/* ---- what is wrong with it ------------------------------------------------------------------- */

static int denied(const ctl_t *ctl)
{
    const char *db = ctl_text(ctl->pool, ctl->db), *user = user_name(geteuid(), ctl->pool);
    struct stat sb;

    if (stat(state_dir(ctl), &sb) == 0 && sb.st_gid != 0) {
        ctl_complain(CFMT_ID(0716),
                     "%s is closed to user '%s': use sudo, or let root run 'adduser %s %s' and"
                     " log in again",
                     db, user, user, group_name(sb.st_gid, ctl->pool));
    }
    else {
        ctl_complain(CFMT_ID(0717), "%s is closed to user '%s': use sudo", db, user);
    }
    return CTL_DENIED;
}

/* Links and owners are refused alike by the store; people want to know which it was. */
static int refused(const ctl_t *ctl)
{
    const char *db = ctl_text(ctl->pool, ctl->db), *dir = state_dir(ctl);
    struct stat file, parent;

    if (lstat(ctl->db, &file) == 0 && S_ISREG(file.st_mode) && stat(dir, &parent) == 0
        && file.st_uid != parent.st_uid) {
        ctl_complain(CFMT_ID(0722),
                     "%s belongs to '%s', but its directory to '%s': refused; who put it there?",
                     db, user_name(file.st_uid, ctl->pool), user_name(parent.st_uid, ctl->pool));
    }
    else {
        ctl_complain(CFMT_ID(0738),
                     "%s: the file, one beside it or its directory is a link: refused;"
                     " name the real path by --db PATH", db);
    }
    return CTL_DENIED;
}

typedef struct trouble_t {
    apr_status_t status;
    const char *id;
    int code;
    const char *text; /* after the path */
} trouble_t;

static const trouble_t troubles[] = {
    { .status = CFMT_EMISSING, .id = CFMT_ID(0718), .code = CTL_UNAVAILABLE,
      .text = "there is no such database: start httpd with mod_cfmt, or name its CfmtDb by"
              " --db PATH" },
    { .status = CFMT_EFOREIGN, .id = CFMT_ID(0719), .code = CTL_UNAVAILABLE,
      .text = "not a database of mod_cfmt: name the right file by --db PATH" },
    { .status = CFMT_ENEWER, .id = CFMT_ID(0720), .code = CTL_UNAVAILABLE,
      .text = "written by a newer mod_cfmt: use the cfmtctl that came with it (this is "
              CFMT_VERSION ")" },
    { .status = CFMT_EOLDER, .id = CFMT_ID(0721), .code = CTL_UNAVAILABLE,
      .text = "not migrated to this version yet: restart httpd, which does it" },
    { .status = CFMT_ECORRUPT, .id = CFMT_ID(0723), .code = CTL_UNAVAILABLE,
      .text = "damaged, or no database at all: is it the file that CfmtDb names? If so, see"
              " 'cfmtctl db check --full', stop httpd, keep a copy, restore a backup" },
    { .status = CFMT_EBUSY, .id = CFMT_ID(0724), .code = CTL_UNAVAILABLE,
      .text = "locked by another program: try again; if it stays, 'fuser -v' on the file names"
              " it" },
    { .status = CFMT_EFULL, .id = CFMT_ID(0725), .code = CTL_UNAVAILABLE,
      .text = "the disk is full: 'df -h' and 'df -i' on its directory" },
    { .status = CFMT_EREADONLY, .id = CFMT_ID(0726), .code = CTL_UNAVAILABLE,
      .text = "cannot be written: is the file system mounted read-only ('findmnt -T')?" },
    { .status = CFMT_EREPLACED, .id = CFMT_ID(0727), .code = CTL_UNAVAILABLE,
      .text = "was replaced while it was in use: run the command again" },
    { .status = 0 }
};

int ctl_store_failed(const ctl_t *ctl, apr_status_t rv, const char *detail)
{
    const char *db = ctl_text(ctl->pool, ctl->db);
    int i;

    if (rv == CFMT_EDENIED) {
        return denied(ctl);
    }
    if (rv == CFMT_ELINK) {
        return refused(ctl);
    }
    for (i = 0; troubles[i].status; i++) {
        if (troubles[i].status == rv) {
            ctl_complain(troubles[i].id, "%s: %s", db, troubles[i].text);
            return troubles[i].code;
        }
    }
    ctl_complain(CFMT_ID(0728), "%s: %s; 'cfmtctl db check' may tell more", db,
                 detail && *detail ? ctl_text(ctl->pool, detail) : cfmt_status_text(rv, ctl->pool));
    return CTL_UNAVAILABLE;
}

int ctl_open(ctl_t *ctl, cfmt_store_mode_e mode, cfmt_store_t **ps)
{
    cfmt_result_t r = { .status = APR_SUCCESS };
    apr_status_t rv = cfmt_store_open(ps, ctl->db, mode, &r, ctl->pool);

    if (rv != APR_SUCCESS) {
        return ctl_store_failed(ctl, rv, r.detail);
    }
    ctl_clock_heed(ctl, *ps);
    return CTL_DONE;
}

/* ---- which clock ----------------------------------------------------------------------------- */

/* "60 since=2026-11-23T03:00:00Z"; false: no demonstration. */
static int read_demo(ctl_t *ctl, const char *text)
{
    const char *since = text ? strstr(text, " since=") : NULL;
    apr_int64_t speed;
    apr_time_t at;

    if (!since
        || cfmt_int_parse(&speed, apr_pstrmemdup(ctl->pool, text, (apr_size_t)(since - text)), 2,
                          CFMT_DEMO_SPEED_MAX) != APR_SUCCESS
        || cfmt_time_parse(&at, since + strlen(" since=")) != APR_SUCCESS) {
        return 0;
    }
    cfmt_clock_demo(&ctl->demo, at, (int)speed);
    return 1;
}

apr_time_t ctl_now(const ctl_t *ctl)
{
    return cfmt_clock_now(ctl->demo.speed ? &ctl->demo.clock : NULL);
}

apr_interval_time_t ctl_real_age(const ctl_t *ctl, apr_time_t at)
{
    return cfmt_clock_real(&ctl->demo.clock, ctl_now(ctl) - at);
}

void ctl_clock_heed(ctl_t *ctl, cfmt_store_t *s)
{
    apr_table_t *settings;
    apr_time_t now;

    if (!ctl->demo.speed && cfmt_settings_read(s, &settings, ctl->pool) == APR_SUCCESS
        && read_demo(ctl, apr_table_get(settings, "DemoSpeed"))) {
        ctl_complain(CFMT_ID(0871), "DEMO: time runs %d times faster here (CfmtDemoSpeed), it is"
                     " %s: nothing here protects a network",
                     ctl->demo.speed, ctl_time(ctl->pool, ctl_now(ctl)));
    }
    now = ctl_now(ctl);
    if (ctl->ago) {
        ctl->since = ctl->ago < now ? now - ctl->ago : 0;
        ctl->ago = 0; /* a list that is followed begins once */
    }
}
