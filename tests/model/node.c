/*
 * Processes that lead: the engine as the runner runs it, killed at any commit or call, alone or two
 * at once. What the engine asks of the system is given by the model: time, process ids, the
 * operator's program.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "engine/scene.h"
#include "model.h"
#include "store/store_private.h"

#define FIRST_PID 1000

/* ---- time ------------------------------------------------------------------------------------ */

apr_time_t model_clock(void)
{
    return m.now + m.off;
}

static apr_time_t read_clock(void *baton)
{
    (void)baton;
    return model_clock();
}

static const cfmt_clock_t model_clock_seam = { .now = read_clock };

apr_time_t __wrap_cfmt_monotonic(void);
apr_time_t __wrap_cfmt_monotonic(void)
{
    return m.now - EPOCH + DAY + m.waited;
}

/* ---- processes ------------------------------------------------------------------------------- */

pid_t __wrap_getpid(void);
pid_t __wrap_getpid(void)
{
    return m.cur ? m.cur->pid : FIRST_PID - 1;
}

int __wrap_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig)
{
    int i;

    (void)sig;
    for (i = 0; i < NODES; i++) {
        if (m.node[i].e && m.node[i].pid == pid) {
            return 0;
        }
    }
    errno = ESRCH;
    return -1;
}

void node_crash_point(void)
{
    if (m.cur && m.cur->crash_in > 0 && --m.cur->crash_in == 0) {
        longjmp(m.cur->jmp, 1);
    }
}

/* ---- the store ------------------------------------------------------------------------------- */

apr_status_t __real_cfmt_store_open(cfmt_store_t **ps, const char *path, cfmt_store_mode_e mode,
                                    cfmt_result_t *r, apr_pool_t *p);
apr_status_t __wrap_cfmt_store_open(cfmt_store_t **ps, const char *path, cfmt_store_mode_e mode,
                                    cfmt_result_t *r, apr_pool_t *p);
/* Nothing here survives the machine, and nothing needs to. */
apr_status_t __wrap_cfmt_store_open(cfmt_store_t **ps, const char *path, cfmt_store_mode_e mode,
                                    cfmt_result_t *r, apr_pool_t *p)
{
    apr_status_t rv = __real_cfmt_store_open(ps, path, mode, r, p);

    return rv == APR_SUCCESS ? cfmt_sql_exec(*ps, "PRAGMA synchronous=OFF") : rv;
}

/* Nobody replaces its files here: what happens then, tests of the store show. */
apr_status_t __wrap_cfmt_store_verify(cfmt_store_t *s);
apr_status_t __wrap_cfmt_store_verify(cfmt_store_t *s)
{
    (void)s;
    return APR_SUCCESS;
}

static void let_other_run(void)
{
    node_t *other;
    rnd_t r;

    if (!m.cur || m.depth || !m.node[0].e || !m.node[1].e) {
        return;
    }
    other = &m.node[!m.cur->index];
    r.state = rnd_mix(m.seed, (apr_uint64_t)m.rounds ^ (apr_uint64_t)m.now);
    if (rnd_chance(&r, 30)) {
        m.depth++;
        node_round(other);
        m.depth--;
    }
}

apr_status_t __real_cfmt_store_begin(cfmt_store_t *s, apr_interval_time_t timeout);
apr_status_t __wrap_cfmt_store_begin(cfmt_store_t *s, apr_interval_time_t timeout);
apr_status_t __wrap_cfmt_store_begin(cfmt_store_t *s, apr_interval_time_t timeout)
{
    if (m.cur) {
        ambush_write(); /* the lock is not had yet: whoever writes now was before it */
    }
    let_other_run();
    return __real_cfmt_store_begin(s, timeout);
}

apr_status_t __real_cfmt_store_commit(cfmt_store_t *s);
apr_status_t __wrap_cfmt_store_commit(cfmt_store_t *s);
apr_status_t __wrap_cfmt_store_commit(cfmt_store_t *s)
{
    apr_status_t rv;

    node_crash_point();
    rv = __real_cfmt_store_commit(s);
    node_crash_point();
    return rv;
}

apr_status_t __real_cfmt_store_end(cfmt_store_t *s, apr_status_t result);
apr_status_t __wrap_cfmt_store_end(cfmt_store_t *s, apr_status_t result);
apr_status_t __wrap_cfmt_store_end(cfmt_store_t *s, apr_status_t result)
{
    apr_status_t rv;

    node_crash_point();
    rv = __real_cfmt_store_end(s, result);
    node_crash_point();
    return rv;
}

/* ---- CfmtWithdrawCheck: answered by the model, a second later -------------------------------- */

void __wrap_cfmt_program_ask(cfmt_engine_t *e, const cfmt_cidr_t *prefix, const char *path);
void __wrap_cfmt_program_ask(cfmt_engine_t *e, const cfmt_cidr_t *prefix, const char *path)
{
    cfmt_memory_t *memory = cfmt_scene_memory(e, prefix);
    int i;

    (void)path;
    for (i = 0; i < PREFIXES - 1 && cfmt_cidr_compare(&m.w.prefix[i].cidr, prefix); i++) {
    }
    if (memory->check_asked_at > memory->check_answered_at
        && model_clock() - memory->check_asked_at < SEC(10)) {
        return;
    }
    memory->check_asked_at = model_clock();
    m.cur->asked[i] = m.now;
    m.cur->wrong[i] = world_strikes(EV_ORIGIN, i, ~0);
    trace("origin check of %s, asked by %d: %s", m.w.prefix[i].text, m.cur->pid,
          m.cur->wrong[i] ? plan_show(m.cur->wrong[i], m.pool) : "it is there");
}

/* When its answer is there; 0: nobody waits for it. */
static apr_time_t answer_due(const node_t *n, int i)
{
    const cfmt_memory_t *memory = cfmt_scene_memory(n->e, &m.w.prefix[i].cidr);

    return n->asked[i] && memory->check_answered_at < memory->check_asked_at
               ? n->asked[i] + (n->wrong[i] && n->wrong[i]->how == 2 ? SEC(11) : SEC(1)) : 0;
}

static void answer_program(cfmt_engine_t *e, const node_t *n, int i)
{
    cfmt_memory_t *memory = cfmt_scene_memory(e, &m.w.prefix[i].cidr);

    memory->check_ok = !n->wrong[i];
    memory->check_answered_at = model_clock();
    apr_cpystrn(memory->check_text, n->wrong[i] ? "absent" : "there", sizeof(memory->check_text));
    if (!n->wrong[i]) {
        m.origin_ok[i] = n->asked[i];
    }
    else if (!m.node[0].e || !m.node[1].e) { /* of two that lead each asks for itself */
        m.origin_ok[i] = 0;
    }
    e->reads++;
}

void __wrap_cfmt_programs_run(cfmt_engine_t *e);
void __wrap_cfmt_programs_run(cfmt_engine_t *e)
{
    apr_time_t at;
    int i;

    for (i = 0; i < PREFIXES; i++) {
        at = answer_due(m.cur, i);
        if (at && at <= m.now) {
            answer_program(e, m.cur, i);
        }
    }
}

void __wrap_cfmt_programs_due(const cfmt_engine_t *e, apr_time_t *pdue);
void __wrap_cfmt_programs_due(const cfmt_engine_t *e, apr_time_t *pdue)
{
    apr_time_t at;
    int i;

    (void)e;
    for (i = 0; i < PREFIXES; i++) {
        at = answer_due(m.cur, i);
        if (at && (!*pdue || at + m.off < *pdue)) {
            *pdue = at + m.off;
        }
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

static void take_line(void *baton, cfmt_level_e level, const char *line)
{
    (void)level;
    trace("log of %d: %s", ((node_t *)baton)->pid, line);
}

void node_start(node_t *n)
{
    cfmt_api_conf_t *api;
    cfmt_engine_conf_t conf = { .db = m.db, .clock = &model_clock_seam, .settings = m.settings };
    cfmt_log_t *log;

    settings_publish();
    apr_pool_create_unmanaged_ex(&n->pool, NULL, NULL);
    apr_pool_create(&n->tick, n->pool);
    api = apr_pcalloc(n->pool, sizeof(*api));
    api->account = ACCOUNT;
    api->token = "token-token-token-token";
    log = apr_pcalloc(n->pool, sizeof(*log));
    *log = (cfmt_log_t){ .write = take_line, .baton = n, .max = CFMT_LOG_NOTICE };
    conf.api = api;
    conf.channels = told_channels();
    conf.log = log;
    conf.settings = apr_table_clone(n->pool, m.settings);
    n->pid = FIRST_PID + ++m.pids;
    n->born = m.now;
    n->until = n->deaf = 0;
    n->crash_in = 0;
    n->refused = 0;
    n->wanted = 1;
    memset(n->blocked, 0, sizeof(n->blocked));
    memset(n->asked, 0, sizeof(n->asked));
    m.cur = n;
    n->e = cfmt_engine_create(&conf, n->pool);
    m.cur = NULL;
    trace("process %d leads", n->pid);
}

void node_stop(node_t *n, int kindly)
{
    node_t *cur = m.cur;

    if (!n->e) {
        return;
    }
    trace("process %d %s", n->pid, kindly ? "ends" : "is killed");
    oracle_lost(n);
    m.killed_at = m.now;
    m.cur = NULL; /* no crash in here */
    if (kindly) {
        cfmt_engine_end(n->e);
    }
    told_lost(n);
    apr_pool_destroy(n->pool);
    n->e = NULL;
    m.cur = cur;
}

void node_wake(node_t *n)
{
    n->wanted = n->e != NULL;
}

apr_time_t node_due(const node_t *n)
{
    apr_time_t at = n->wanted && n->until > n->deaf ? n->deaf : n->until;

    return !n->e ? APR_INT64_MAX : at - m.off > m.now ? at - m.off : m.now;
}

static void again(void *arg)
{
    node_t *n = arg;

    m.leaderless = m.now;
    if (!n->e && !m.down) {
        node_start(n);
    }
}

static void die(node_t *n)
{
    if (n->index == 0) {
        agenda_add(m.now + n->crash_for, again, n);
        m.leaderless = m.now + n->crash_for;
    }
    m.cur = NULL;
    node_stop(n, 0);
}

/* No attack, nothing that was advertised of late, nothing wrong. */
static int is_quiet(void)
{
    int i;

    for (i = 0; i < PREFIXES; i++) {
        if (m.w.prefix[i].now.on && m.now - m.w.prefix[i].now.at < 3 * HOUR) {
            return 0;
        }
    }
    for (i = m.w.first; i < m.w.attacks->nelts; i++) {
        if (world_attack(i)->to > m.now - 30 * MIN) {
            return 0;
        }
    }
    return !m.w.active->nelts && !m.off && !m.node[1].e;
}

/* Most of a year is waiting: rounds that nothing but time asks for are late then. */
apr_interval_time_t node_late(void)
{
    return m.years ? 5 * MIN : 0;
}

static apr_time_t rests_until(const cfmt_rest_t *rest)
{
    apr_time_t now = model_clock();

    return !m.years || rest->until - now < SEC(5) ? rest->until
           : is_quiet() ? now + node_late() : now + SEC(30);
}

void node_round(node_t *n)
{
    node_t *cur = m.cur;
    cfmt_rest_t rest = { 0, 0 };

    m.cur = n;
    m.rounds++;
    n->wanted = 0;
    if (setjmp(n->jmp) == 0) {
        (void)cfmt_engine_round(n->e, &rest, NULL, n->tick);
        apr_pool_clear(n->tick);
        n->until = rests_until(&rest);
        n->deaf = rest.deaf;
        if (m.verbose > 1) {
            trace("round of %d, rests for %s", n->pid,
                  cfmt_duration_format(m.pool, n->until - model_clock()));
        }
    }
    else {
        die(n);
    }
    m.cur = cur;
    ambush_round(n);
}

void node_poll(node_t *n)
{
    if (n->e) {
        m.cur = n;
        cfmt_engine_wait(n->e, NULL, 0, 0);
        m.cur = NULL;
        n->wanted |= cfmt_engine_stirred(n->e);
    }
}
