/*
 * CfmtWithdrawCheck: is the network's own announcement there? Asked of a program of the operator
 * while rounds go on; its exit status is the answer, its first line the reason.
 */
#include <string.h>

#include <apr_strings.h>

#include "decide.h"

#define AGAIN apr_time_from_msec(100)

typedef struct asked_t {
    apr_pool_t *pool;
    cfmt_cidr_t prefix;
    cfmt_program_t *program;
} asked_t;

static int is_asked(const cfmt_engine_t *e, const cfmt_cidr_t *prefix)
{
    int i;

    for (i = 0; i < e->programs->nelts; i++) {
        if (!cfmt_cidr_compare(&APR_ARRAY_IDX(e->programs, i, asked_t *)->prefix, prefix)) {
            return 1;
        }
    }
    return 0;
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
    cfmt_spawn_t what = { .path = path };
    apr_status_t rv;
    apr_pool_t *p;
    asked_t *a;

    if (is_asked(e, prefix) || !path) {
        return;
    }
    what.path += strncmp(path, "exec:", 5) ? 0 : 5;
    apr_pool_create(&p, e->pool);
    apr_pool_tag(p, "cfmt_program");
    what.arg = cfmt_cidr_format(p, prefix);
    a = apr_pcalloc(p, sizeof(*a));
    a->pool = p;
    a->prefix = *prefix;
    cfmt_scene_memory(e, prefix)->check_asked_at = cfmt_clock_now(e->conf.clock);
    rv = cfmt_program_start(&a->program, &what,
                            e->check_limit ? e->check_limit : CFMT_CHECK_LIMIT, p);
    if (rv != APR_SUCCESS) {
        answer(e, prefix, 0, strerror(rv));
        apr_pool_destroy(p);
        return;
    }
    APR_ARRAY_PUSH(e->programs, asked_t *) = a;
}

/* 1: it has ended, or was ended. */
static int is_over(cfmt_engine_t *e, const asked_t *a)
{
    const char *text = "no answer within 10 s";
    int code = -1;

    if (cfmt_program_look(a->program, &code, &text) == CFMT_PROGRAM_RUNS) {
        return 0;
    }
    answer(e, &a->prefix, code == 0, text);
    return 1;
}

void cfmt_programs_run(cfmt_engine_t *e)
{
    int i, n = 0;

    for (i = 0; i < e->programs->nelts; i++) {
        asked_t *a = APR_ARRAY_IDX(e->programs, i, asked_t *);

        if (is_over(e, a)) {
            apr_pool_destroy(a->pool);
        }
        else {
            APR_ARRAY_IDX(e->programs, n++, asked_t *) = a;
        }
    }
    e->programs->nelts = n;
}

void cfmt_programs_due(const cfmt_engine_t *e, apr_time_t *pdue)
{
    apr_time_t due = cfmt_clock_now(e->conf.clock) + cfmt_clock_span(e->conf.clock, AGAIN);

    if (e->programs->nelts && (!*pdue || due < *pdue)) {
        *pdue = due;
    }
}
