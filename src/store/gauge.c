/*
 * Counters in shared memory, a slot a child: what health says about intake without asking the
 * database and without a lock. Written by the slot's owner only; read by everybody.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cfmt_store.h"

apr_size_t cfmt_gauges_size(apr_uint32_t count)
{
    return sizeof(cfmt_gauges_t) + (count ? count - 1 : 0) * sizeof(cfmt_gauge_t);
}

static int alive(apr_uint32_t pid)
{
    return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

static int take(cfmt_gauge_t *g, apr_uint32_t old)
{
    if (!__sync_bool_compare_and_swap(&g->pid, old, (apr_uint32_t)getpid())) {
        return 0;
    }
    CFMT_GAUGE_SET(g->queued, 0);
    CFMT_GAUGE_SET(g->wal_pages, 0);
    CFMT_GAUGE_SET(g->error, 0);
    CFMT_GAUGE_SET(g->error_at, 0);
    CFMT_GAUGE_SET(g->commit_at, 0);
    CFMT_GAUGE_SET(g->worked_at, 0);
    CFMT_GAUGE_SET(g->commits, 0);
    CFMT_GAUGE_SET(g->rows, 0);
    CFMT_GAUGE_SET(g->refused, 0);
    return 1;
}

cfmt_gauge_t *cfmt_gauges_claim(cfmt_gauges_t *g)
{
    apr_uint32_t i, pid;

    for (i = 0; g && i < g->count; i++) {
        pid = CFMT_GAUGE_GET(g->child[i].pid);
        if ((pid == 0 || !alive(pid)) && take(&g->child[i], pid)) {
            return &g->child[i];
        }
    }
    return NULL;
}

/* What a dead child stored is stored; what it had queued or failed at concerns nobody any more. */
static void add(cfmt_gauge_sum_t *sum, const cfmt_gauge_t *c)
{
    apr_uint32_t pid = CFMT_GAUGE_GET(c->pid);
    apr_time_t worked_at = CFMT_GAUGE_GET(c->worked_at), error_at = CFMT_GAUGE_GET(c->error_at);
    apr_status_t error = CFMT_GAUGE_GET(c->error);

    sum->commits += CFMT_GAUGE_GET(c->commits);
    sum->rows += CFMT_GAUGE_GET(c->rows);
    sum->refused += CFMT_GAUGE_GET(c->refused);
    if (worked_at > sum->worked_at) {
        sum->worked_at = worked_at;
        sum->commit_at = CFMT_GAUGE_GET(c->commit_at);
    }
    if (!pid || !alive(pid)) {
        return;
    }
    sum->children++;
    sum->queued += CFMT_GAUGE_GET(c->queued);
    if (error && error_at > sum->error_at) {
        sum->error = error;
        sum->error_at = error_at;
    }
}

void cfmt_gauges_sum(cfmt_gauge_sum_t *sum, const cfmt_gauges_t *g)
{
    apr_uint32_t i;

    memset(sum, 0, sizeof(*sum));
    for (i = 0; g && i < g->count; i++) {
        add(sum, &g->child[i]);
    }
    sum->trouble = g ? CFMT_GAUGE_GET(g->trouble) : APR_SUCCESS;
    /* One child's commit answers another child's error, and so does the leader's. */
    if (sum->worked_at > sum->error_at || (g && CFMT_GAUGE_GET(g->probe_at) > sum->error_at)) {
        sum->error = APR_SUCCESS;
    }
}
