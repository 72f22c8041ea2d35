/*
 * Jobs: one claims, the other does not; a claim expires; failures are counted; a clock set back
 * loses no job.
 */
#include "cfmt_store.h"
#include "unit.h"

#define NOW (1700000000 * APR_USEC_PER_SEC)
#define MIN (60 * APR_USEC_PER_SEC)

static cfmt_store_t *open_store(void)
{
    cfmt_store_t *s;

    ck_assert_int_eq(cfmt_prepare_store(unit_path("cfmt.db"), NULL, 1, NULL, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_job_ensure(s, "j", NOW), APR_SUCCESS);
    ck_assert_int_eq(cfmt_job_ensure(s, "j", NOW + MIN), APR_SUCCESS);
    return s;
}

static int claim(cfmt_store_t *s, const char *owner, apr_time_t now, int *pfails)
{
    int claimed = -1, fails = -1;

    ck_assert_int_eq(cfmt_job_claim(s, "j", owner, now, MIN, &claimed, &fails), APR_SUCCESS);
    if (pfails) {
        *pfails = fails;
    }
    return claimed;
}

START_TEST(one_claims)
{
    cfmt_store_t *s = open_store();

    ck_assert_int_eq(claim(s, "a", NOW - 1, NULL), 0);
    ck_assert_int_eq(claim(s, "a", NOW, NULL), 1);
    ck_assert_int_eq(claim(s, "b", NOW, NULL), 0);
    ck_assert_int_eq(claim(s, "b", NOW + MIN, NULL), 1); /* a died: its claim has expired */
    ck_assert_int_eq(cfmt_job_done(s, "j", "a", NOW, NOW + 5 * MIN, 0, "late"), APR_SUCCESS);
    ck_assert_int_eq(claim(s, "c", NOW + MIN, NULL), 0); /* a's word counts no more */
    cfmt_store_close(s);
}
END_TEST

START_TEST(done_sets_the_next_time_and_counts_failures)
{
    cfmt_store_t *s = open_store();
    apr_time_t due;
    int fails;

    ck_assert_int_eq(claim(s, "a", NOW, NULL), 1);
    ck_assert_int_eq(cfmt_job_done(s, "j", "a", NOW, NOW + MIN, 1, "full"), APR_SUCCESS);
    ck_assert_int_eq(cfmt_job_next(s, &due), APR_SUCCESS);
    ck_assert_int_eq(due, NOW + MIN);
    ck_assert_int_eq(claim(s, "a", NOW + MIN, &fails), 1);
    ck_assert_int_eq(fails, 1);
    ck_assert_int_eq(cfmt_job_done(s, "j", "a", NOW, NOW + 2 * MIN, 0, "done"), APR_SUCCESS);
    ck_assert_int_eq(claim(s, "a", NOW + 2 * MIN, &fails), 1);
    ck_assert_int_eq(fails, 0);
    cfmt_store_close(s);
}
END_TEST

START_TEST(a_clock_set_back_loses_no_job)
{
    cfmt_store_t *s = open_store();
    apr_time_t past = NOW - 365 * 24 * 60 * MIN;

    ck_assert_int_eq(claim(s, "a", NOW, NULL), 1);
    ck_assert_int_eq(claim(s, "b", past, NULL), 1); /* due and claim both lie in an absurd future */
    cfmt_store_close(s);
}
END_TEST

UNIT_SUITE_BEGIN(job)
UNIT_TEST(one_claims)
UNIT_TEST(done_sets_the_next_time_and_counts_failures)
UNIT_TEST(a_clock_set_back_loses_no_job)
UNIT_SUITE_END
