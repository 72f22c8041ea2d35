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
    ck_assert_int_eq(cfmt_job_done(s, "j", "a", NOW, NOW + 5 * MIN, CFMT_JOB_OK, "late"),
                     APR_SUCCESS);
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
    ck_assert_int_eq(cfmt_job_done(s, "j", "a", NOW, NOW + MIN, CFMT_JOB_FAILED, "full"),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_job_due(s, "j", &due), APR_SUCCESS);
    ck_assert_int_eq(due, NOW + MIN);
    ck_assert_int_eq(cfmt_job_due(s, "no such job", &due), APR_SUCCESS);
    ck_assert_int_eq(due, 0);
    ck_assert_int_eq(claim(s, "a", NOW + MIN, &fails), 1);
    ck_assert_int_eq(fails, 1);
    ck_assert_int_eq(cfmt_job_done(s, "j", "a", NOW, NOW + 2 * MIN, CFMT_JOB_OK, "done"),
                     APR_SUCCESS);
    ck_assert_int_eq(claim(s, "a", NOW + 2 * MIN, &fails), 1);
    ck_assert_int_eq(fails, 0);
    cfmt_store_close(s);
}
END_TEST

static apr_time_t ended(cfmt_store_t *s, cfmt_job_end_e end, const char *result, int always)
{
    apr_time_t due;

    ck_assert_int_eq(cfmt_job_hurry(s, "j", NOW, 0), APR_SUCCESS);
    cfmt_job_due(s, "j", &due);
    ck_assert_int_eq(claim(s, "a", due, NULL), 1);
    ck_assert_int_eq(cfmt_job_done(s, "j", "a", NOW, NOW + 60 * MIN, end, result), APR_SUCCESS);
    ck_assert_int_eq(cfmt_job_hurry(s, "j", NOW + 1, always), APR_SUCCESS);
    ck_assert_int_eq(cfmt_job_due(s, "j", &due), APR_SUCCESS);
    return due;
}

START_TEST(after_a_start_what_failed_is_due_except_at_a_limit)
{
    cfmt_store_t *s = open_store();
    apr_array_header_t *rows;

    ck_assert_int_eq(ended(s, CFMT_JOB_OK, "done", 0), NOW + 60 * MIN);
    ck_assert_int_eq(ended(s, CFMT_JOB_FAILED, "auth: no such token", 0), NOW + 1);
    ck_assert_int_eq(ended(s, CFMT_JOB_FAILED, "limit: wait", 0), NOW + 60 * MIN);
    ck_assert_int_eq(ended(s, CFMT_JOB_UNASKED, "breaker: open", 0), NOW + 1);
    ck_assert_int_eq(cfmt_jobs_load(s, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 0, cfmt_job_t).fails, 2); /* not asked is no failure */
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 0, cfmt_job_t).ok_at, NOW);
    ck_assert_int_eq(ended(s, CFMT_JOB_FAILED, "limit: wait", 1), NOW + 60 * MIN);
    ck_assert_int_eq(ended(s, CFMT_JOB_OK, "done", 1), NOW + 1); /* of one that runs at each start */
    cfmt_store_close(s);
}
END_TEST

/* The look at all of them and the claim of one agree. */
START_TEST(due_is_what_can_be_claimed)
{
    cfmt_store_t *s = open_store();
    static const apr_time_t times[] = { NOW - 1, NOW, NOW - 365 * 24 * 60 * MIN };
    apr_array_header_t *rows;
    apr_time_t due;
    apr_size_t i;

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        const cfmt_job_due_t *job;

        ck_assert_int_eq(cfmt_jobs_due(s, times[i], &rows, unit_pool), APR_SUCCESS);
        ck_assert_int_eq(rows->nelts, 1);
        job = &APR_ARRAY_IDX(rows, 0, cfmt_job_due_t);
        ck_assert_str_eq(job->name, "j");
        ck_assert_int_eq(cfmt_job_due(s, "j", &due), APR_SUCCESS);
        ck_assert_int_eq(job->at, due);
        ck_assert_int_eq(job->due, claim(s, "a", times[i], NULL));
    }
    ck_assert_int_eq(i, 3);
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

START_TEST(a_clock_set_back_by_an_hour_keeps_no_job_waiting_for_one)
{
    cfmt_store_t *s = open_store();

    ck_assert_int_eq(claim(s, "a", NOW, NULL), 1);
    ck_assert_int_eq(cfmt_job_done(s, "j", "a", NOW, NOW + MIN, CFMT_JOB_OK, "ok"), APR_SUCCESS);
    ck_assert_int_eq(claim(s, "a", NOW - APR_USEC_PER_SEC, NULL), 0); /* a correction is none */
    ck_assert_int_eq(claim(s, "a", NOW - 60 * MIN, NULL), 1);
    cfmt_store_close(s);
}
END_TEST

UNIT_SUITE_BEGIN(job)
UNIT_TEST(one_claims)
UNIT_TEST(done_sets_the_next_time_and_counts_failures)
UNIT_TEST(after_a_start_what_failed_is_due_except_at_a_limit)
UNIT_TEST(due_is_what_can_be_claimed)
UNIT_TEST(a_clock_set_back_loses_no_job)
UNIT_TEST(a_clock_set_back_by_an_hour_keeps_no_job_waiting_for_one)
UNIT_SUITE_END
