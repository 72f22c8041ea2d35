/*
 * The parent (root) watches the leader's heartbeat every ten seconds and ends a leader that hangs.
 * It opens no database and does no work of the engine.
 */
#include "httpd_cfmt.h"

#include <signal.h>

#include <ap_mpm.h>
#include <apr_strings.h>
#include <mpm_common.h>
#include <scoreboard.h>

#define TELL_AGAIN apr_time_from_sec(3600)
#define KILL_AGAIN apr_time_from_sec(600)

/*
 * The age of a heartbeat is how long we have seen it not change, by the monotonic clock: a clock
 * set forward would otherwise make every leader look dead, and this file is written by a user that
 * root does not trust.
 */
static struct {
    cfmt_heartbeat_t beat;
    apr_time_t since;          /* monotonic; 0 = nothing seen yet */
    apr_time_t told_at;        /* 0 = not told since the last beat */
    apr_time_t killed_at;
    int ever_killed;
} seen;

static int is_child(pid_t pid)
{
    int i, limit = 0;

    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &limit);
    for (i = 0; i < limit && pid > 1; i++) {
        if (ap_get_scoreboard_process(i)->pid == pid) {
            return 1;
        }
    }
    return 0;
}

static void tell(server_rec *s, const cfmt_heartbeat_t *hb, apr_interval_time_t age, apr_pool_t *p)
{
    const char *since = cfmt_duration_format(p, age - age % APR_USEC_PER_SEC);

    if (hb->pid) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     CFMT_ID(0501) "the leader, process %d, has given no heartbeat for %s: "
                                   "deliveries are stored but not processed",
                     (int)hb->pid, since);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     CFMT_ID(0502) "no process has led for %s: deliveries are stored, if the "
                     "store works, but not processed",
                     since);
    }
}

static void end_leader(server_rec *s, const cfmt_heartbeat_t *hb, apr_time_t now)
{
    apr_status_t rv;

    if (!is_child(hb->pid) || (seen.ever_killed && now - seen.killed_at < KILL_AGAIN)) {
        return;
    }
    seen.ever_killed = 1;
    seen.killed_at = now;
    rv = ap_mpm_safe_kill(hb->pid, SIGKILL);
    ap_log_error(
        APLOG_MARK, APLOG_ERR, rv, s,
        CFMT_ID(0503) "the leader, process %d, hangs: it was killed, another child takes over",
        (int)hb->pid);
}

static void judge(server_rec *s, const cfmt_heartbeat_t *hb, apr_time_t now, apr_pool_t *p)
{
    apr_interval_time_t age = now - seen.since;

    if (age >= CFMT_LEADER_LATE && (!seen.told_at || now - seen.told_at >= TELL_AGAIN)) {
        seen.told_at = now;
        tell(s, hb, age, p);
    }
    if (age >= CFMT_LEADER_HUNG) {
        end_leader(s, hb, now);
    }
}

int cfmt_monitor(apr_pool_t *p, server_rec *s)
{
    const cfmt_generation_t *g = cfmt_generation();
    apr_time_t now = cfmt_monotonic();
    cfmt_heartbeat_t hb;

    (void)s;
    if (!g) {
        return DECLINED;
    }
    if (cfmt_leader_read(&hb, cfmt_config_db(g->conf)) != APR_SUCCESS) {
        hb = (cfmt_heartbeat_t){ .pid = 0 };
    }
    if (!seen.since || hb.pid != seen.beat.pid || hb.round != seen.beat.round
        || hb.at != seen.beat.at) {
        if (seen.told_at && hb.pid) {
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server,
                         CFMT_ID(0504) "process %d leads again", (int)hb.pid);
        }
        seen.beat = hb;
        seen.since = now;
        seen.told_at = 0;
        return DECLINED;
    }
    judge(g->server, &hb, now, p);
    return DECLINED;
}
