/*
 * When a job runs next: floor, back-off, ceiling, jitter, overflow.
 */
#include "cfmt_policy.h"
#include "unit.h"

#define SEC apr_time_from_sec(1)

START_TEST(test_interval)
{
    ck_assert_int_eq(cfmt_schedule_next(7, 10 * SEC, 100 * SEC, 0, 0, 1), 7 + 10 * SEC);
    ck_assert_int_eq(cfmt_schedule_next(7, 10 * SEC, 5 * SEC, 0, 0, 1), 7 + 10 * SEC);
}
END_TEST

START_TEST(test_floor)
{
    ck_assert_int_eq(cfmt_schedule_next(5, 0, SEC, 0, 0, 1), 5 + CFMT_SCHEDULE_FLOOR);
    ck_assert_int_eq(cfmt_schedule_next(5, -SEC, SEC, 0, 0, 1), 5 + CFMT_SCHEDULE_FLOOR);
    ck_assert_int_eq(cfmt_schedule_next(5, 1, 0, 9, 0, 1), 5 + CFMT_SCHEDULE_FLOOR);
    ck_assert_int_eq(cfmt_schedule_next(5, APR_INT64_MIN, APR_INT64_MIN, -3, -3, 1),
                     5 + CFMT_SCHEDULE_FLOOR);
}
END_TEST

START_TEST(test_back_off)
{
    static const int want[] = { 10, 20, 40, 80, 100, 100 };
    int i;

    for (i = 0; i < 6; i++) {
        ck_assert_int_eq(cfmt_schedule_next(0, 10 * SEC, 100 * SEC, i, 0, 1), want[i] * SEC);
    }
    ck_assert_int_eq(cfmt_schedule_next(0, 10 * SEC, 100 * SEC, 1000000, 0, 1), 100 * SEC);
    /* A failing job is never run more often than a working one; interval 0 backs off, too. */
    ck_assert_int_eq(cfmt_schedule_next(0, 10 * SEC, 5 * SEC, 3, 0, 1), 10 * SEC);
    ck_assert_int_eq(cfmt_schedule_next(0, 0, SEC, 2, 0, 1), 4 * CFMT_SCHEDULE_FLOOR);
}
END_TEST

START_TEST(test_jitter)
{
    apr_time_t low = APR_INT64_MAX, high = 0;
    apr_uint32_t seed;

    for (seed = 0; seed < 1000; seed++) {
        apr_time_t t = cfmt_schedule_next(0, 10 * SEC, 100 * SEC, 0, 100, seed);

        ck_assert(t >= 10 * SEC && t <= 11 * SEC);
        low = t < low ? t : low;
        high = t > high ? t : high;
    }
    /* Consecutive seeds are spread over the whole range. */
    ck_assert(low < 10 * SEC + SEC / 50 && high > 11 * SEC - SEC / 50);
    ck_assert_int_eq(cfmt_schedule_next(0, 10 * SEC, SEC, 0, 100, 5),
                     cfmt_schedule_next(0, 10 * SEC, SEC, 0, 100, 5));
    ck_assert(cfmt_schedule_next(0, 10 * SEC, SEC, 0, 5000, 3) <= 20 * SEC);
}
END_TEST

START_TEST(test_overflow)
{
    ck_assert_int_eq(cfmt_schedule_next(APR_INT64_MAX - 5, SEC, SEC, 0, 0, 1), APR_INT64_MAX);
    ck_assert_int_eq(cfmt_schedule_next(SEC, APR_INT64_MAX, APR_INT64_MAX, 5, 1000, 0xffffffffu),
                     APR_INT64_MAX);
    ck_assert_int_eq(cfmt_schedule_next(0, APR_INT64_MAX / 2 + 1, APR_INT64_MAX, 1, 0, 1),
                     APR_INT64_MAX);
    ck_assert(cfmt_schedule_next(0, APR_INT64_MAX / 4, 0, 0, 1000, 0x7fffffffu)
              > APR_INT64_MAX / 4);
}
END_TEST

UNIT_SUITE_BEGIN(schedule)
    UNIT_TEST(test_interval)
    UNIT_TEST(test_floor)
    UNIT_TEST(test_back_off)
    UNIT_TEST(test_jitter)
    UNIT_TEST(test_overflow)
UNIT_SUITE_END
