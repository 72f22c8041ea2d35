/*
 * The clock seam: UTC as a parameter, and a monotonic clock for deadlines.
 */
#include <time.h>

#include "cfmt.h"

static apr_time_t system_now(void *baton)
{
    (void)baton;
    return apr_time_now();
}

const cfmt_clock_t cfmt_clock_system = {.now = system_now, .baton = NULL};

apr_time_t cfmt_clock_now(const cfmt_clock_t *clock)
{
    return clock ? clock->now(clock->baton) : apr_time_now();
}

apr_time_t cfmt_monotonic(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock on Linux */
    return apr_time_from_sec(ts.tv_sec) + ts.tv_nsec / 1000;
}
