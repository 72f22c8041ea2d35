/*
 * CfmtWithdrawCheck: is the network's own announcement there? Asked of a program of the operator
 * while rounds go on; its exit status is the answer, its first line the reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#include "decide.h"

#define AGAIN apr_time_from_msec(100)
#define CHUNKS_MAX 64                   /* of what a chatty one says, read in a round */

typedef struct cfmt_program_t {
    cfmt_engine_t *e;
    apr_pool_t *pool;
    cfmt_cidr_t prefix;
    pid_t pid;                          /* 0 = ended */
    int out;
    apr_time_t deadline;                /* monotonic */
    char line[sizeof(((cfmt_memory_t *)0)->check_text)];
    apr_size_t len;
    int line_ended;
} cfmt_program_t;

static cfmt_program_t *program_of(const cfmt_engine_t *e, const cfmt_cidr_t *prefix)
{
    int i;

    for (i = 0; i < e->programs->nelts; i++) {
        cfmt_program_t *g = APR_ARRAY_IDX(e->programs, i, cfmt_program_t *);

        if (!cfmt_cidr_compare(&g->prefix, prefix)) {
            return g;
        }
    }
    return NULL;
}

/* Nothing of it outlives the engine. */
static apr_status_t end_program(void *data)
{
    cfmt_program_t *g = data;

    if (g->pid) {
        kill(-g->pid, SIGKILL);
        (void)waitpid(g->pid, NULL, 0);
        g->pid = 0;
    }
    close(g->out);
    return APR_SUCCESS;
}

static void answer(cfmt_engine_t *e, const cfmt_cidr_t *prefix, int ok, const char *text)
{
    cfmt_memory_t *m = cfmt_scene_memory(e, prefix);

    m->check_ok = ok;
    m->check_answered_at = cfmt_clock_now(e->conf.clock);
    apr_cpystrn(m->check_text, text, sizeof(m->check_text));
    e->reads++;
}

void cfmt_program_ask(cfmt_engine_t *e, const cfmt_cidr_t *prefix, const char *path)
{
    cfmt_memory_t *m = cfmt_scene_memory(e, prefix);
    cfmt_program_t *g;
    apr_status_t rv;
    apr_pool_t *p;

    if (program_of(e, prefix) || !path) {
        return;
    }
    path += strncmp(path, "exec:", 5) ? 0 : 5;
    apr_pool_create(&p, e->pool);
    apr_pool_tag(p, "cfmt_program");
    g = apr_pcalloc(p, sizeof(*g));
    g->e = e;
    g->pool = p;
    g->prefix = *prefix;
    g->deadline = cfmt_monotonic() + (e->check_limit ? e->check_limit : CFMT_CHECK_LIMIT);
    m->check_asked_at = cfmt_clock_now(e->conf.clock);
    rv = cfmt_spawn(&g->pid, &g->out, path, cfmt_cidr_format(p, prefix));
    if (rv != APR_SUCCESS) {
        answer(e, prefix, 0, strerror(rv));
        apr_pool_destroy(p);
        return;
    }
    (void)fcntl(g->out, F_SETFL, O_NONBLOCK);
    apr_pool_cleanup_register(p, g, end_program, apr_pool_cleanup_null);
    APR_ARRAY_PUSH(e->programs, cfmt_program_t *) = g;
}

/* ---- looking after it ------------------------------------------------------------------------ */

static void take(cfmt_program_t *g, const char *buf, apr_size_t n)
{
    apr_size_t i;

    for (i = 0; i < n && !g->line_ended; i++) {
        g->line_ended = buf[i] == '\n';
        if (!g->line_ended && g->len + 1 < sizeof(g->line)) {
            g->line[g->len++] = buf[i];
        }
    }
}

static void listen_to(cfmt_program_t *g)
{
    char buf[4096];
    ssize_t n;
    int chunks = 0;

    while (chunks++ < CHUNKS_MAX && (n = read(g->out, buf, sizeof(buf))) != 0) {
        if (n > 0) {
            take(g, buf, (apr_size_t)n);
        }
        else if (errno != EINTR) {
            break;
        }
    }
}

static const char *reason(const cfmt_program_t *g, int status)
{
    const char *text = cfmt_text_escape(g->pool, g->line, g->len, (int)sizeof(g->line) - 1);

    if (*text) {
        return text;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) == 127
                                   ? "the program cannot be run"
                                   : apr_psprintf(g->pool, "exit status %d", WEXITSTATUS(status))
                             : "ended by a signal";
}

/* 1: it has ended, or was ended. */
static int is_over(cfmt_program_t *g)
{
    int status = 0;
    pid_t got;

    listen_to(g);
    got = waitpid(g->pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) {
        if (cfmt_monotonic() < g->deadline) {
            return 0;
        }
        answer(g->e, &g->prefix, 0, "no answer within 10 s");
        return 1;
    }
    listen_to(g);
    kill(-g->pid, SIGKILL); /* what it left behind */
    g->pid = 0;
    answer(g->e, &g->prefix, got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0,
           reason(g, status));
    return 1;
}

void cfmt_programs_run(cfmt_engine_t *e, apr_time_t *pdue)
{
    apr_time_t due = cfmt_clock_now(e->conf.clock) + cfmt_clock_span(e->conf.clock, AGAIN);
    int i, n = 0;

    for (i = 0; i < e->programs->nelts; i++) {
        cfmt_program_t *g = APR_ARRAY_IDX(e->programs, i, cfmt_program_t *);

        if (is_over(g)) {
            apr_pool_destroy(g->pool);
        }
        else {
            APR_ARRAY_IDX(e->programs, n++, cfmt_program_t *) = g;
        }
    }
    e->programs->nelts = n;
    if (n && (!*pdue || due < *pdue)) {
        *pdue = due;
    }
}
