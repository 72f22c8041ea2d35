/*
 * What configtest and each start look at beyond single values. Nearly everything here is a warning:
 * wrong values are refused by the setters, and only fast time beside a real account or channel, a
 * database of places that is none, a fallback= that names no channel and a template that is wrong
 * keep httpd from starting. Safe as root: of all but that database and the templates it reads
 * attributes only.
 */
#include "httpd_cfmt.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>
#include <http_core.h>
#include <unixd.h>

#include "cfmt_geo.h"

#define GROUPS_MAX 256
#define DIR_MODE 02770

/* The user who will open the store. */
typedef struct user_t {
    uid_t uid;
    gid_t gid;
    gid_t groups[GROUPS_MAX];
    int count;
    const char *name;
} user_t;

static void who(user_t *u, apr_pool_t *p)
{
    char *name;

    memset(u, 0, sizeof(*u));
    u->uid = geteuid() == 0 ? ap_unixd_config.user_id : geteuid();
    u->gid = geteuid() == 0 ? ap_unixd_config.group_id : getegid();
    u->name = apr_uid_name_get(&name, u->uid, p) == APR_SUCCESS ? name : NULL;
    u->count = GROUPS_MAX;
    if (!u->name || getgrouplist(u->name, u->gid, u->groups, &u->count) < 0) {
        u->groups[0] = u->gid;
        u->count = 1;
    }
}

static const char *name_of(const user_t *u, apr_pool_t *p)
{
    return u->name ? u->name : apr_psprintf(p, "#%u", (unsigned)u->uid);
}

static int in_group(const user_t *u, gid_t gid)
{
    int i;

    for (i = 0; i < u->count && u->groups[i] != gid; i++) {
    }
    return i < u->count;
}

/* The three permission bits that u has on sb. ACLs are not looked at: a warning may err. */
static unsigned rights(const user_t *u, const struct stat *sb)
{
    if (u->uid == 0) {
        return 7;
    }
    if (u->uid == sb->st_uid) {
        return (sb->st_mode >> 6) & 7;
    }
    return (in_group(u, sb->st_gid) ? sb->st_mode >> 3 : sb->st_mode) & 7;
}

/* ---- warnings -------------------------------------------------------------------------------- */

/* Of this pass; cfmtctl doctor shows them, because the error log of the start may be long gone. */
static apr_array_header_t *warnings;

void cfmt_warn(server_rec *s, const char *fmt, ...)
{
    const char *text;
    va_list ap;

    va_start(ap, fmt);
    text = apr_pvsprintf(warnings->pool, fmt, ap);
    va_end(ap);
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "%s", text);
    APR_ARRAY_PUSH(warnings, const char *) = text;
}

const char *cfmt_warnings(apr_pool_t *p)
{
    return warnings && warnings->nelts ? apr_array_pstrcat(p, warnings, '\n') : NULL;
}

/* ---- the state directory --------------------------------------------------------------------- */

static const char *dir_of(const char *path, apr_pool_t *p)
{
    const char *slash = strrchr(path, '/');

    return !slash ? "." : slash == path ? "/" : apr_pstrmemdup(p, path, (apr_size_t)(slash - path));
}

/* The first directory on the way to dir that u cannot pass; NULL = the way is free. */
static const char *closed_gate(const user_t *u, const char *dir, apr_pool_t *p)
{
    struct stat sb;
    const char *above = dir, *closed = NULL;

    while (strcmp(above, "/") && strcmp(above, ".")) {
        above = dir_of(above, p);
        if (stat(above, &sb) == 0 && !(rights(u, &sb) & 1)) {
            closed = above;
        }
    }
    return closed;
}

/* It is missing: can the start make it? */
static const char *check_missing(const user_t *u, const char *dir, apr_pool_t *p)
{
    const char *parent = dir_of(dir, p);
    struct stat sb;

    if (stat(parent, &sb) != 0) {
        return apr_psprintf(p, "%s does not exist, nor does %s: make both", dir, parent);
    }
    if (geteuid() == 0 && (sb.st_uid != 0 || (sb.st_mode & 022))) {
        return apr_psprintf(p,
                            "%s does not exist and root makes it only where %s belongs to root and "
                            "others cannot write: make it yourself",
                            dir, parent);
    }
    if (geteuid() != 0 && (rights(u, &sb) & 3) != 3) {
        return apr_psprintf(p, "%s does not exist and %s cannot make it in %s", dir, name_of(u, p),
                            parent);
    }
    return NULL;
}

static const char *check_present(const user_t *u, const char *dir, const struct stat *sb,
                                 apr_pool_t *p)
{
    if (!S_ISDIR(sb->st_mode)) {
        return apr_psprintf(p, "%s is not a directory", dir);
    }
    if (sb->st_uid != u->uid) {
        return apr_psprintf(p, "%s does not belong to %s", dir, name_of(u, p));
    }
    if ((sb->st_mode & 0700) != 0700) {
        return apr_psprintf(p, "%s has mode %04o: %s cannot work in it", dir, sb->st_mode & 07777,
                            name_of(u, p));
    }
    if ((sb->st_mode & 07777) != DIR_MODE) {
        return apr_psprintf(p, "%s has mode %04o: files may get another group or be open to others",
                            dir, sb->st_mode & 07777);
    }
    return NULL;
}

static const char *check_dir(const user_t *u, const char *dir, apr_pool_t *p)
{
    struct stat sb;
    const char *why = NULL, *closed;

    if (lstat(dir, &sb) == 0) {
        why = check_present(u, dir, &sb, p);
    }
    else if (errno == ENOENT) {
        why = check_missing(u, dir, p);
    }
    closed = why ? NULL : closed_gate(u, dir, p);
    return closed
               ? apr_psprintf(p, "%s cannot pass %s on the way to %s", name_of(u, p), closed, dir)
               : why;
}

/* A command that gives /var/lib or ServerRoot to httpd's user must not stand in any log. */
static const char *wanted(const user_t *u, const char *dir, const char *group, apr_pool_t *p)
{
    struct stat sb;

    if (u->uid != 0 && lstat(dir, &sb) == 0 && sb.st_uid == 0) {
        return apr_psprintf(p, "a directory of its own, CfmtDb %s/cfmt/cfmt.db",
                            strcmp(dir, "/") ? dir : "");
    }
    return apr_psprintf(p, "install -d -m 2770 -o %s -g %s %s", name_of(u, p), group, dir);
}

static void warn_state(server_rec *s, const cfmt_config_t *c, apr_pool_t *p)
{
    const char *dir = dir_of(cfmt_config_db(c), p), *why;
    user_t u;

    who(&u, p);
    why = check_dir(&u, dir, p);
    if (why) {
        cfmt_warn(s, CFMT_ID(0101) "the state directory will not work as it is: %s (wanted: %s)",
                  why, wanted(&u, dir, cfmt_config_group_name(c, p), p));
    }
    if (c->group && u.uid != 0 && !in_group(&u, c->group_id)) {
        cfmt_warn(s, CFMT_ID(0102) "CfmtGroup %s: httpd's user %s is not a member of it"
                  " (usermod -aG %s %s)",
                  c->group, name_of(&u, p), c->group, name_of(&u, p));
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void warn_secret(server_rec *s, const cfmt_secret_conf_t *sc, apr_pool_t *p)
{
    const char *why = cfmt_secret_source_check(sc, p);

    if (sc->source == CFMT_SOURCE_INLINE) {
        /*
         * A secret may begin with a slash, so this cannot be refused; the secret itself is not
         * said.
         */
        int is_path = sc->value[0] == '/' && access(sc->value, F_OK) == 0;

        cfmt_warn(s, CFMT_ID(0103) "CfmtSecret label=%s stands in the configuration itself, "
                  "where mod_info and -D DUMP_CONFIG print it: better file:PATH%s",
                  sc->label,
                  is_path ? " (it is the name of a file: did you forget file:?)" : "");
    }
    else if (why) {
        cfmt_warn(s, CFMT_ID(0104) "CfmtSecret label=%s: %s", sc->label, why);
    }
}

static void warn_secrets(server_rec *s, const cfmt_config_t *c, apr_pool_t *p)
{
    int i;

    if (!c->secrets->nelts) {
        cfmt_warn(s, CFMT_ID(0105) "no CfmtSecret: every delivery will be refused (503)");
    }
    for (i = 0; i < c->secrets->nelts; i++) {
        warn_secret(s, &APR_ARRAY_IDX(c->secrets, i, cfmt_secret_conf_t), p);
    }
}

static void warn_prefixes(server_rec *s, const cfmt_config_t *c)
{
    const cfmt_prefix_conf_t *pc;
    int i;

    for (i = 0; i < c->prefixes->nelts; i++) {
        pc = &APR_ARRAY_IDX(c->prefixes, i, cfmt_prefix_conf_t);
        if ((pc->cidr.family == 4 && pc->cidr.bits > 24)
            || (pc->cidr.family == 6 && pc->cidr.bits > 48)) {
            cfmt_warn(s, CFMT_ID(0106) "CfmtPrefix %s (%s:%d): Cloudflare announces nothing "
                      "longer than /%d, so it cannot be advertised or withdrawn by itself",
                      pc->text, pc->file, pc->line, pc->cidr.family == 4 ? 24 : 48);
        }
    }
}

/* What cannot be asked keeps everything advertised: better known now than after an attack. */
static void warn_withdraw_check(server_rec *s, const cfmt_config_t *c)
{
    const char *path = c->withdraw_check ? c->withdraw_check + strlen("exec:") : NULL;
    struct stat sb;

    if (path && (stat(path, &sb) != 0 || !S_ISREG(sb.st_mode) || !(sb.st_mode & 0111))) {
        cfmt_warn(s, CFMT_ID(0977) "CfmtWithdrawCheck %s is not a program that can be run: nothing"
                  " will be withdrawn", path);
    }
}

static void warn_api(server_rec *s, const cfmt_config_t *c, apr_pool_t *p)
{
    const char *why = c->api_token ? cfmt_secret_source_check(c->api_token, p) : NULL;
    struct stat sb;

    if (why) {
        cfmt_warn(s, CFMT_ID(0114) "CfmtApiToken: %s", why);
    }
    if (c->api_token && !c->account_id) {
        cfmt_warn(s, CFMT_ID(0115) "CfmtApiToken without CfmtAccountId has no effect: nothing is "
                  "asked of Cloudflare's API");
    }
    if (c->ca_file && (stat(c->ca_file, &sb) != 0 || !S_ISREG(sb.st_mode))) {
        cfmt_warn(s, CFMT_ID(0116) "CfmtCaFile %s is not a file: no certificate will be accepted "
                  "and no call to Cloudflare will work",
                  c->ca_file);
    }
}

/* http is spoken to this host only, so: would it be? */
static int on_this_host(const char *url, apr_pool_t *p)
{
    const char *rest = strstr(url, "://"), *why;

    return rest
           && cfmt_http_url_check(&why, apr_pstrcat(p, "http", rest, NULL), p) == APR_SUCCESS;
}

/* This keeps httpd from starting: fast time must not act on a real account. */
static int check_demo(server_rec *s, const cfmt_config_t *c, apr_pool_t *p)
{
    if (cfmt_config_demo_speed(c) > 1 && cfmt_config_uses_api(c)
        && (!on_this_host(cfmt_config_api_url(c), p)
            || !on_this_host(cfmt_config_graphql_url(c, p), p))) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     CFMT_ID(0118) "CfmtDemoSpeed %d is for a simulator on this host: CfmtApiUrl "
                     "and CfmtGraphqlUrl must name a loopback address", cfmt_config_demo_speed(c));
        return 0;
    }
    return 1;
}

/* Where a message would go, if that is said here. */
static const char *destination(const cfmt_config_t *c, const cfmt_channel_conf_t *ch)
{
    return ch->kind == CFMT_CHANNEL_TELEGRAM  ? cfmt_config_telegram_url(c)
           : ch->kind == CFMT_CHANNEL_WEBHOOK ? ch->url
                                              : NULL;
}

/* Nor may it wake people: what a demonstration tells is not so. */
static int check_demo_channels(server_rec *s, const cfmt_config_t *c, apr_pool_t *p)
{
    const cfmt_notify_conf_t *n;
    const char *url;
    int i, ok = 1;

    for (i = 0; cfmt_config_demo_speed(c) > 1 && i < c->channels->nelts; i++) {
        n = &APR_ARRAY_IDX(c->channels, i, cfmt_notify_conf_t);
        url = destination(c, &n->channel);
        if (url && !on_this_host(url, p)) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                         CFMT_ID(1051) "CfmtDemoSpeed %d is for a simulator on this host: channel "
                         "%s (%s:%d) must name a loopback address, %s", cfmt_config_demo_speed(c),
                         n->channel.name, n->file, n->line,
                         n->channel.kind == CFMT_CHANNEL_TELEGRAM ? "by CfmtTelegramUrl"
                                                                  : "by url=http://...");
            ok = 0;
        }
    }
    return ok;
}

/* A database that is named and cannot be used would be missed in the middle of an attack. */
static int check_geo(server_rec *s, const cfmt_config_t *c, apr_pool_t *p)
{
    cfmt_geo_t *g;
    const char *why;

    if (c->geo_db && cfmt_geo_open(&g, &why, c->geo_db, p) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, CFMT_ID(0901) "CfmtGeoDb: %s", why);
        return 0;
    }
    return 1;
}

static void warn_retention(server_rec *s, const cfmt_config_t *c, apr_pool_t *p)
{
    apr_interval_time_t dedupe = cfmt_config_duration(c, CFMT_DURATION_DEDUPE);

    if (cfmt_config_retention(c, 0) < dedupe) {
        cfmt_warn(s, CFMT_ID(0109) "CfmtRetention journal=%s is shorter than CfmtDedupe %s: a"
                  " repeat of a pruned delivery is not recognised",
                  cfmt_duration_words(p, cfmt_config_retention(c, 0)),
                  cfmt_duration_words(p, dedupe));
    }
}

/* Right before a reading the newest minute that is known is as old as that. */
static void warn_blind(server_rec *s, const cfmt_config_t *c, apr_pool_t *p)
{
    apr_interval_time_t after = cfmt_config_duration(c, CFMT_DURATION_BLIND_AFTER);
    apr_interval_time_t interval = cfmt_config_duration(c, CFMT_DURATION_ANALYTICS_INTERVAL);
    apr_interval_time_t lag = cfmt_config_duration(c, CFMT_DURATION_ANALYTICS_LAG);

    if (after < interval + lag + 2 * CFMT_MINUTE) {
        cfmt_warn(s, CFMT_ID(0119) "CfmtBlindAfter %s: with CfmtAnalyticsInterval %s and"
                  " CfmtAnalyticsLag %s each advertised prefix is told blind again and again; it"
                  " needs %s", cfmt_duration_words(p, after), cfmt_duration_words(p, interval),
                  cfmt_duration_words(p, lag),
                  cfmt_duration_words(p, interval + lag + 2 * CFMT_MINUTE));
    }
}

int cfmt_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const cfmt_config_t *c = cfmt_config_get(s);

    (void)plog;
    warnings = apr_array_make(pconf, 4, sizeof(const char *));
    /* A start runs this twice; configtest runs only the pass that a start throws away. */
    if (cfmt_dry_pass() && ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL) {
        return OK;
    }
    warn_secrets(s, c, ptemp);
    warn_state(s, c, ptemp);
    warn_prefixes(s, c);
    warn_withdraw_check(s, c);
    warn_api(s, c, ptemp);
    warn_retention(s, c, ptemp);
    warn_blind(s, c, ptemp);
    return check_demo(s, c, ptemp) && check_demo_channels(s, c, ptemp) && check_geo(s, c, ptemp)
                   && cfmt_check_notify(s, c, ptemp)
               ? OK : HTTP_INTERNAL_SERVER_ERROR;
}
