/*
 * A plan that fails is made smaller while it fails in the same way: then it can be read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_strings.h>

#include "model.h"

#define SECONDS (m.years ? 200 : 60) /* of trying, of one core's time */

static char number[8]; /* "(4)": of the invariant that is violated */
static clock_t until;

/* A run of it takes minutes. */
int shrink_enough(void)
{
    return m.trying && clock() > until;
}

static int fails(ev_t *ev, int n)
{
    plan_t whole = m.plan;
    int failed;

    m.plan.ev = ev;
    m.plan.n = n;
    m.plan.from = n ? ev[0].at - 20 * MIN : whole.from;
    m.plan.from -= m.plan.from % MIN;
    failed = model_run() && !strncmp(m.failure, number, strlen(number));
    m.plan = whole;
    return failed;
}

/* Without the events [from, to): the plan is that, if it fails still. */
static int without(int from, int to)
{
    int n = m.plan.n - (to - from);
    ev_t *rest = malloc((size_t)(n + 1) * sizeof(*rest));
    int worked;

    if (!rest || n < 1 || clock() > until) {
        free(rest);
        return 0;
    }
    memcpy(rest, m.plan.ev, (size_t)from * sizeof(*rest));
    memcpy(rest + from, m.plan.ev + to, (size_t)(m.plan.n - to) * sizeof(*rest));
    worked = fails(rest, n);
    if (worked) {
        memcpy(m.plan.ev, rest, (size_t)n * sizeof(*rest));
        m.plan.n = n;
        m.plan.from = rest[0].at - 20 * MIN;
        m.plan.from -= m.plan.from % MIN;
    }
    free(rest);
    return worked;
}

/* A year is long: most often its last days, or weeks, are enough. */
static void keep_last(apr_time_t failed_at)
{
    apr_interval_time_t d;
    int n;

    for (d = 2 * DAY; d < failed_at - m.plan.from; d *= 4) {
        for (n = 0; m.plan.ev[n].at < failed_at - d; n++) {
        }
        if (n && without(0, n)) {
            return;
        }
    }
}

/* First all behind the violation, then ever smaller pieces. */
static void make_smaller(apr_time_t failed_at)
{
    int size, at;

    while (m.plan.n > 1 && m.plan.ev[m.plan.n - 1].at > failed_at) {
        m.plan.n--;
    }
    if (m.years) {
        m.plan.to = m.plan.to < failed_at + DAY ? m.plan.to : failed_at + DAY;
        keep_last(failed_at);
    }
    for (size = (m.plan.n + 1) / 2; size > 0; size /= 2) {
        for (at = 0; at < m.plan.n; at += size) {
            int to = at + size < m.plan.n ? at + size : m.plan.n;

            if (without(at, to)) {
                at -= size;
            }
        }
    }
}

void shrink(void)
{
    apr_time_t from = m.plan.from;
    int verbose = m.verbose, i;
    const char *comma = strchr(m.failure, ')');

    apr_snprintf(number, sizeof(number), "%.*s", comma ? (int)(comma - m.failure + 1) : 0,
                 m.failure);
    if (m.years) {
        trace_show();
        printf("%s\n", m.failure);
    }
    until = clock() + SECONDS * CLOCKS_PER_SEC;
    m.verbose = 0;
    m.trying = 1;
    make_smaller(m.failed_at);
    m.trying = 0;
    if (m.years && m.plan.from == from) {
        return; /* it is what was shown */
    }
    (void)fails(m.plan.ev, m.plan.n);
    m.verbose = verbose;
    trace_show();
    printf("%s\nreplay: tests/model/run --world %" APR_UINT64_T_FMT " --episodes %d%s --events ",
           m.failure, m.seed, m.episodes, m.years ? " --years 1" : "");
    for (i = 0; i < m.plan.n; i++) {
        printf("%s%d", i ? "," : "", m.plan.ev[i].id);
    }
    printf("\n");
}
