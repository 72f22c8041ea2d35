/*
 * post_config: what one generation shares (secrets, gauges, the eventfd), and the short-lived
 * process that makes and migrates the store as httpd's user. It never fails: an error here at
 * graceful would take the whole server down.
 */
#include "httpd_cfmt.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ap_mpm.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <http_core.h>
#include <unixd.h>

#define HELPER_LIMIT apr_time_from_sec(10)
#define REAP_LIMIT apr_time_from_sec(1)
#define DIR_MODE 02770

/* Of this process: the parent's present generation, and by inheritance the child's own. */
static cfmt_generation_t *generation;

const cfmt_generation_t *cfmt_generation(void)
{
    return generation;
}

int cfmt_dry_pass(void)
{
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG;
}

int cfmt_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)pconf, (void)plog, (void)ptemp;
    generation = NULL; /* its pool was cleared */
    return OK;
}

/* ---- settings: what cfmtctl and the projector may know --------------------------------------- */

/* Where secrets come from, never what they are. */
static void publish_secrets(apr_table_t *t, const cfmt_config_t *c, apr_pool_t *p)
{
    int i;

    for (i = 0; i < c->secrets->nelts; i++) {
        const cfmt_secret_conf_t *sc = &APR_ARRAY_IDX(c->secrets, i, cfmt_secret_conf_t);
        const char *from = sc->source == CFMT_SOURCE_FILE ? apr_pstrcat(p, "file:", sc->value, NULL)
                           : sc->source == CFMT_SOURCE_EXEC
                               ? apr_pstrcat(p, "exec:", sc->value, NULL) : "inline";

        apr_table_setn(t, apr_pstrcat(p, "Secret ", sc->label, NULL), from);
    }
}

static apr_table_t *make_settings(const cfmt_generation_t *g, apr_pool_t *p)
{
    const cfmt_config_t *c = g->conf;
    apr_table_t *t = apr_table_make(p, 16);
    const cfmt_prefix_conf_t *pc;
    int i;

    apr_table_setn(t, "GeneratedBy", CFMT_VERSION);
    apr_table_setn(t, "Mode", cfmt_config_mode_name(c));
    apr_table_setn(t, "Group", cfmt_config_group_name(c, p));
    apr_table_setn(t, "Auth", cfmt_config_auth_name(c));
    apr_table_setn(t, "Senders", cfmt_senders_text(g->senders, p));
    apr_table_setn(t, "RequireTLS", cfmt_config_require_tls(c) ? "on" : "off");
    apr_table_setn(t, "MaxBody", apr_psprintf(p, "%" APR_SIZE_T_FMT, cfmt_config_max_body(c)));
    apr_table_setn(t, "Retention", cfmt_config_retention_text(c, p));
    if (c->account_id) {
        apr_table_setn(t, "AccountId", c->account_id);
    }
    if (c->api_token) { /* where it comes from, never what it is */
        apr_table_setn(t, "ApiToken",
                       apr_pstrcat(p, c->api_token->source == CFMT_SOURCE_FILE ? "file:" : "exec:",
                                   c->api_token->value, NULL));
    }
    if (c->public_url) {
        apr_table_setn(t, "PublicUrl", c->public_url);
    }
    if (c->geo_db) {
        apr_table_setn(t, "GeoDb", c->geo_db);
    }
    if (cfmt_config_demo_speed(c) > 1) {
        apr_table_setn(t, "DemoSpeed", apr_psprintf(p, "%d since=%s", cfmt_config_demo_speed(c),
                                                    cfmt_time_format(p, c->demo_since)));
    }
    apr_table_setn(t, "ApiUrl", cfmt_config_api_url(c));
    apr_table_setn(t, "GraphqlUrl", cfmt_config_graphql_url(c, p));
    if (c->ca_file) {
        apr_table_setn(t, "CaFile", c->ca_file);
    }
    if (c->proxy) {
        apr_table_setn(t, "Proxy", c->proxy);
    }
    apr_table_setn(t, "Threshold", cfmt_config_threshold(c));
    cfmt_durations_publish(t, c, p);
    if (c->withdraw_check) {
        apr_table_setn(t, "WithdrawCheck", c->withdraw_check);
    }
    cfmt_notify_publish(t, c, p);
    publish_secrets(t, c, p);
    if (cfmt_warnings(p)) {
        apr_table_setn(t, "Warnings", cfmt_warnings(p));
    }
    for (i = 0; i < c->prefixes->nelts; i++) {
        pc = &APR_ARRAY_IDX(c->prefixes, i, cfmt_prefix_conf_t);
        apr_table_setn(t, apr_pstrcat(p, "Prefix ", pc->text, NULL), pc->options);
    }
    return t;
}

/* ---- the helper process: in it --------------------------------------------------------------- */

/* What it reports; smaller than PIPE_BUF, so that it arrives whole or not at all. */
typedef struct report_t {
    apr_status_t status;
    char detail[1000];
} report_t;

static int drop_to_user(apr_pool_t *p)
{
    uid_t uid = ap_unixd_config.user_id;
    gid_t gid = ap_unixd_config.group_id;
    char *name;

    if (setgid(gid) != 0) {
        return -1;
    }
    if (apr_uid_name_get(&name, uid, p) == APR_SUCCESS) {
        if (initgroups(name, gid) != 0) {
            return -1;
        }
    }
    else if (setgroups(1, &gid) != 0) {
        return -1;
    }
    return setuid(uid);
}

/* Not root: no rights but the user's own, so no more than the obvious. */
static apr_status_t make_own_dir(const char *db, gid_t gid, cfmt_result_t *r, apr_pool_t *p)
{
    const char *dir = ap_make_dirstr_parent(p, db);

    if (mkdir(dir, 0700) != 0) {
        return errno == EEXIST ? APR_SUCCESS
                               : cfmt_result_set(r, p, cfmt_status_of_errno(errno),
                                                 "cannot make %s: %s", dir, strerror(errno));
    }
    if (chown(dir, (uid_t)-1, gid) != 0 || chmod(dir, DIR_MODE) != 0) {
        return cfmt_result_set(r, p, cfmt_status_of_errno(errno), "%s: %s", dir, strerror(errno));
    }
    return APR_SUCCESS;
}

static apr_status_t prepare(const cfmt_generation_t *g, cfmt_result_t *r, apr_pool_t *p)
{
    const char *db = cfmt_config_db(g->conf);
    gid_t gid = cfmt_config_group_id(g->conf);
    apr_status_t rv;

    umask(0007);
    if (geteuid() == 0) {
        rv = cfmt_prepare_dir(db, ap_unixd_config.user_id, gid, r, p);
        if (rv == APR_SUCCESS && drop_to_user(p) != 0) {
            rv = cfmt_result_set(r, p, CFMT_EDENIED, "cannot become httpd's user: %s",
                                 strerror(errno));
        }
    }
    else {
        rv = make_own_dir(db, gid, r, p);
    }
    return rv == APR_SUCCESS
               ? cfmt_prepare_store(db, g->settings, cfmt_clock_now(g->clock), r, p) : rv;
}

static void helper_main(const cfmt_generation_t *g, int fd, apr_pool_t *p)
{
    struct sigaction dfl = { .sa_handler = SIG_DFL };
    cfmt_result_t result = { .status = APR_SUCCESS };
    report_t report;
    int sig;

    for (sig = 1; sig < NSIG; sig++) { /* the parent's handlers speak of its children */
        sigaction(sig, &dfl, NULL);
    }
    memset(&report, 0, sizeof(report));
    report.status = prepare(g, &result, p);
    if (report.status != APR_SUCCESS) {
        apr_cpystrn(report.detail,
                    result.detail ? result.detail : cfmt_status_text(report.status, p),
                    sizeof(report.detail));
    }
    _exit(write(fd, &report, sizeof(report)) == sizeof(report) ? 0 : 1);
}

/* ---- the helper process: around it ----------------------------------------------------------- */

static int readable(int fd, apr_time_t deadline)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    apr_time_t left;
    int rc;

    do {
        left = deadline - cfmt_monotonic();
        rc = left > 0 ? poll(&pfd, 1, (int)apr_time_as_msec(left) + 1) : 0;
    } while (rc < 0 && errno == EINTR);
    return rc > 0;
}

/*
 * With a limit: a process that hangs in a dead file system outlives SIGKILL, and must not take
 * httpd's start with it. httpd's parent reaps it one day.
 */
static void reap(pid_t pid)
{
    apr_time_t limit = cfmt_monotonic() + REAP_LIMIT;
    pid_t got;

    while (((got = waitpid(pid, NULL, WNOHANG)) == 0 || (got < 0 && errno == EINTR))
           && cfmt_monotonic() < limit) {
        apr_sleep(1000);
    }
}

static apr_status_t await_report(report_t *report, int fd, pid_t pid)
{
    int in_time = readable(fd, cfmt_monotonic() + HELPER_LIMIT);
    ssize_t n = in_time ? read(fd, report, sizeof(*report)) : 0;

    if (n != sizeof(*report)) {
        report->status = in_time ? CFMT_EIO : CFMT_EBUSY;
        apr_cpystrn(report->detail, in_time ? "the process that prepares it died"
                                            : "preparing it took more than 10 s",
                    sizeof(report->detail));
        kill(pid, SIGKILL);
    }
    reap(pid);
    return report->status;
}

static void run_helper(report_t *report, const cfmt_generation_t *g, apr_pool_t *p)
{
    int fds[2] = { -1, -1 };
    pid_t pid = -1;

    if (pipe2(fds, O_CLOEXEC) == 0) {
        pid = fork();
    }
    if (pid == 0) {
        helper_main(g, fds[1], p);
    }
    if (pid < 0) {
        report->status = errno;
        apr_snprintf(report->detail, sizeof(report->detail),
                     "cannot start a process to prepare it: %s", strerror(errno));
    }
    if (fds[1] >= 0) {
        close(fds[1]);
    }
    if (pid > 0) {
        await_report(report, fds[0], pid);
    }
    if (fds[0] >= 0) {
        close(fds[0]);
    }
}

/* The person at 03:00 gets a command with the line. */
static const char *remedy(apr_status_t rv, const char *db, apr_pool_t *p)
{
    const char *dir = ap_make_dirstr_parent(p, db);

    switch (rv) {
    case CFMT_EFULL:
        return apr_psprintf(p, "free space there: df -h %s", dir);
    case CFMT_ECORRUPT:
        return apr_psprintf(p, "look at it: cfmtctl --db %s db check", db);
    case CFMT_ENEWER:
        return "install the newer mod_cfmt again";
    case CFMT_EFOREIGN:
        return "name another file by CfmtDb";
    case CFMT_EBUSY:
        return apr_psprintf(p, "find who holds it: fuser -v %s*", db);
    default:
        return apr_psprintf(p, "look at owners and modes: namei -l %s", db);
    }
}

static void prepare_store(const cfmt_generation_t *g, apr_pool_t *ptemp)
{
    const char *db = cfmt_config_db(g->conf);
    report_t report;

    memset(&report, 0, sizeof(report));
    run_helper(&report, g, ptemp);
    report.detail[sizeof(report.detail) - 1] = '\0';
    if (report.status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server,
                     CFMT_ID(0301) "the store %s does not work: %s; httpd starts, deliveries are "
                     "answered 503 until it does (%s)",
                     db, report.detail, remedy(report.status, db, ptemp));
    }
}

/* ---- what the generation shares -------------------------------------------------------------- */

static void load_secrets(cfmt_generation_t *g, apr_pool_t *pconf, apr_pool_t *ptemp)
{
    const cfmt_secret_conf_t *sc;
    const char *why;
    int i;

    g->secrets = cfmt_secrets_create(pconf);
    g->secrets_wanted = g->conf->secrets->nelts;
    for (i = 0; i < g->secrets_wanted; i++) {
        sc = &APR_ARRAY_IDX(g->conf->secrets, i, cfmt_secret_conf_t);
        if (cfmt_secret_source_load(g->secrets, sc, &why, ptemp) != APR_SUCCESS) {
            ap_log_error(
                APLOG_MARK, APLOG_ERR, 0, g->server,
                CFMT_ID(0110) "CfmtSecret label=%s cannot be used: %s; correct it, then restart or "
                              "graceful",
                sc->label, why);
        }
    }
}

/* NULL: there is no API work, which is said once. */
static const cfmt_api_conf_t *make_api(const cfmt_generation_t *g, apr_pool_t *pconf,
                                       apr_pool_t *ptemp)
{
    const cfmt_config_t *c = g->conf;
    cfmt_api_conf_t *api = apr_pcalloc(pconf, sizeof(*api));
    const char *why;

    if (!cfmt_config_uses_api(c)) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server,
                     CFMT_ID(0112) "no %s: nothing is asked of Cloudflare's API; deliveries are "
                     "stored, prefixes and tunnels are not known",
                     c->account_id ? "CfmtApiToken" : "CfmtAccountId");
        return NULL;
    }
    api->token = cfmt_secret_source_token(c->api_token, &why, pconf, ptemp);
    if (!api->token) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server,
                     CFMT_ID(0113) "CfmtApiToken cannot be used: %s; nothing is asked of "
                     "Cloudflare's API; correct it, then restart or graceful",
                     why);
        return NULL;
    }
    api->account = c->account_id;
    api->rest_url = cfmt_config_api_url(c);
    api->graphql_url = cfmt_config_graphql_url(c, pconf);
    api->http.ca_file = c->ca_file;
    api->http.proxy = c->proxy;
    return api;
}

static cfmt_gauges_t *make_gauges(server_rec *s, apr_pool_t *pconf)
{
    int children = 0;
    apr_shm_t *shm;
    apr_size_t size;
    cfmt_gauges_t *g;
    apr_status_t rv;

    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &children);
    size = cfmt_gauges_size((apr_uint32_t)(children > 0 ? children : 1));
    rv = apr_shm_create(&shm, size, NULL, pconf);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     CFMT_ID(0302) "no shared memory of %" APR_SIZE_T_FMT
                                   " bytes: health cannot tell about the queue and failed commits",
                     size);
        return NULL;
    }
    g = apr_shm_baseaddr_get(shm);
    memset(g, 0, size);
    g->count = (apr_uint32_t)(children > 0 ? children : 1);
    return g;
}

static apr_status_t close_fd(void *baton)
{
    close(*(int *)baton);
    return APR_SUCCESS;
}

/*
 * Closed by the parent with its generation; the children of that generation keep their own
 * descriptor.
 */
static int make_wake_fd(server_rec *s, apr_pool_t *pconf)
{
    int *fd = apr_palloc(pconf, sizeof(*fd));

    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (*fd < 0) {
        ap_log_error(
            APLOG_MARK, APLOG_ERR, errno, s,
            CFMT_ID(0303) "no eventfd: the leader notices deliveries within a second, not at once");
        return -1;
    }
    apr_pool_cleanup_register(pconf, fd, close_fd, apr_pool_cleanup_null);
    return *fd;
}

/* Static: a thread that is left behind at the end may still look at it. */
static const cfmt_clock_t *make_clock(const cfmt_config_t *c)
{
    static cfmt_demo_t demo;

    return cfmt_config_demo_speed(c) > 1
               ? cfmt_clock_demo(&demo, c->demo_since, cfmt_config_demo_speed(c))
               : &cfmt_clock_system;
}

static apr_status_t end_curl(void *baton)
{
    (void)baton;
    cfmt_http_global_end();
    return APR_SUCCESS;
}

/*
 * Here, while there is one thread; children inherit it. Registered before any handle could be, so
 * it goes last.
 */
static void start_curl(apr_pool_t *pconf)
{
    if (cfmt_http_global_begin() == APR_SUCCESS) {
        apr_pool_cleanup_register(pconf, NULL, end_curl, apr_pool_cleanup_null);
    }
}

static void log_start(const cfmt_generation_t *g, apr_pool_t *p)
{
    const cfmt_config_t *c = g->conf;

    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server,
                 CFMT_ID(0111) "mod_cfmt " CFMT_VERSION
                               ": mode %s (%s), %d of %d secrets usable, auth %s, senders %s, %d "
                               "prefixes, store %s",
                 cfmt_config_mode_name(c),
                 cfmt_config_mode(c) == CFMT_MODE_ENFORCE
                     ? "the policy acts as CfmtPrefix allows"
                     : "the policy tells what it would do and does nothing: CfmtMode enforce acts",
                 cfmt_secrets_count(g->secrets), g->secrets_wanted,
                 cfmt_config_auth_name(c), cfmt_senders_text(g->senders, p), c->prefixes->nelts,
                 cfmt_config_db(c));
    if (cfmt_config_demo_speed(c) > 1) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g->server,
                     CFMT_ID(0117) "DEMO: time runs %d times faster (CfmtDemoSpeed): nothing here "
                     "protects a network", cfmt_config_demo_speed(c));
    }
}

int cfmt_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    cfmt_generation_t *g;

    (void)plog;
    if (cfmt_dry_pass()) {
        return OK;
    }
    start_curl(pconf);
    g = apr_pcalloc(pconf, sizeof(*g));
    g->server = s;
    g->conf = cfmt_config_get(s);
    g->senders = cfmt_config_senders(g->conf, pconf);
    g->started_at = apr_time_now();
    g->clock = make_clock(g->conf);
    ap_mpm_query(AP_MPMQ_GENERATION, &g->number);
    load_secrets(g, pconf, ptemp);
    g->api = make_api(g, pconf, ptemp);
    g->channels = cfmt_notify_channels(g->conf, s, pconf, ptemp);
    g->templates = cfmt_notify_templates(g->conf, s, pconf);
    g->settings = make_settings(g, pconf);
    g->gauges = make_gauges(s, pconf);
    g->wake_fd = make_wake_fd(s, pconf);
    prepare_store(g, ptemp);
    log_start(g, ptemp);
    generation = g;
    return OK;
}
