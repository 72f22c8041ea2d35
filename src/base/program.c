/*
 * A program of the operator while rounds go on: its output is taken as it comes, its end noticed,
 * its time is limited, and nothing that it started outlives it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmt.h"

#define CHUNKS_MAX 64 /* of what a chatty one says, read at a time */

struct cfmt_program_t {
    apr_pool_t *pool;
    pid_t pid;           /* 0 = ended */
    int out;
    apr_time_t deadline; /* monotonic */
    char line[200];
    apr_size_t len;
    int line_ended;
};

static void end_all(cfmt_program_t *g)
{
    if (g->pid) {
        cfmt_spawn_end(g->pid);
        g->pid = 0;
    }
}

static apr_status_t end_program(void *data)
{
    cfmt_program_t *g = data;

    end_all(g);
    close(g->out);
    return APR_SUCCESS;
}

apr_status_t cfmt_program_start(cfmt_program_t **pg, const cfmt_spawn_t *what,
                                apr_interval_time_t limit, apr_pool_t *p)
{
    cfmt_program_t *g = apr_pcalloc(p, sizeof(*g));
    apr_status_t rv;

    g->pool = p;
    g->deadline = cfmt_monotonic() + limit;
    rv = cfmt_spawn(&g->pid, &g->out, what);
    if (rv == APR_SUCCESS) {
        (void)fcntl(g->out, F_SETFL, O_NONBLOCK);
        apr_pool_cleanup_register(p, g, end_program, apr_pool_cleanup_null);
        *pg = g;
    }
    return rv;
}

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

static const char *said(const cfmt_program_t *g, int code)
{
    const char *text = cfmt_text_escape(g->pool, g->line, g->len, sizeof(g->line) - 1);

    return *text       ? text
           : code < 0    ? "ended by a signal"
           : code == 127 ? "the program cannot be run"
                         : apr_psprintf(g->pool, "exit status %d", code);
}

cfmt_program_e cfmt_program_look(cfmt_program_t *g, int *pcode, const char **ptext)
{
    int status = 0;
    pid_t got;

    listen_to(g);
    got = waitpid(g->pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) {
        if (cfmt_monotonic() < g->deadline) {
            return CFMT_PROGRAM_RUNS;
        }
        end_all(g);
        return CFMT_PROGRAM_LATE;
    }
    listen_to(g);
    kill(-g->pid, SIGKILL); /* what it left behind */
    g->pid = 0;
    *pcode = got > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *ptext = said(g, *pcode);
    return CFMT_PROGRAM_ENDED;
}
