/*
 * Gauges: slots are claimed once, dead owners' slots are free again, totals count the living.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "cfmt_store.h"
#include "unit.h"

static cfmt_gauges_t *make(apr_uint32_t n)
{
    cfmt_gauges_t *g = apr_pcalloc(unit_pool, cfmt_gauges_size(n));

    g->count = n;
    return g;
}

static apr_uint32_t dead_pid(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    return (apr_uint32_t)pid;
}

START_TEST(slots_are_claimed_and_reclaimed)
{
    cfmt_gauges_t *g = make(2);
    cfmt_gauge_t *a = cfmt_gauges_claim(g), *b = cfmt_gauges_claim(g);

    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_ne(a, b);
    ck_assert_int_eq(a->pid, getpid());
    ck_assert_ptr_null(cfmt_gauges_claim(g));
    a->pid = dead_pid();
    a->queued = 5;
    ck_assert_ptr_eq(cfmt_gauges_claim(g), a);
    ck_assert_int_eq(a->queued, 0);
    ck_assert_ptr_null(cfmt_gauges_claim(NULL));
}
END_TEST

START_TEST(totals_count_the_living)
{
    cfmt_gauges_t *g = make(3);
    cfmt_gauge_sum_t sum;

    g->child[0] = (cfmt_gauge_t){
        .pid = (apr_uint32_t)getpid(), .queued = 2, .rows = 10, .commit_at = 7, .worked_at = 100
    };
    g->child[1] = (cfmt_gauge_t){ .pid = dead_pid(), .queued = 7, .rows = 5, .worked_at = 50,
                                  .error = CFMT_EIO, .error_at = 200 };
    cfmt_gauges_sum(&sum, g);
    ck_assert_int_eq(sum.children, 1);
    ck_assert_int_eq(sum.queued, 2);   /* nobody waits in a dead process */
    ck_assert_int_eq(sum.rows, 15);    /* what it stored is stored */
    ck_assert_int_eq(sum.error, APR_SUCCESS);
    ck_assert_int_eq(sum.commit_at, 7);
    g->child[0].error = CFMT_EFULL;
    g->child[0].error_at = 150;
    cfmt_gauges_sum(&sum, g);
    ck_assert_int_eq(sum.error, CFMT_EFULL);
    g->child[2] = (cfmt_gauge_t){ .pid = (apr_uint32_t)getpid(), .worked_at = 160 };
    cfmt_gauges_sum(&sum, g);
    ck_assert_int_eq(sum.error, APR_SUCCESS); /* a later commit elsewhere: the store works */
}
END_TEST

UNIT_SUITE_BEGIN(gauge)
UNIT_TEST(slots_are_claimed_and_reclaimed)
UNIT_TEST(totals_count_the_living)
UNIT_SUITE_END
