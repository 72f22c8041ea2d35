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

const cfmt_clock_t cfmt_clock_system = {.now = system_now, .baton = NULL, .speed = 1};

apr_time_t cfmt_clock_now(const cfmt_clock_t *clock)
{
    return clock ? clock->now(clock->baton) : apr_time_now();
}

apr_interval_time_t cfmt_clock_real(const cfmt_clock_t *clock, apr_interval_time_t d)
{
    return clock && clock->speed > 1 ? d / clock->speed : d;
}

apr_interval_time_t cfmt_clock_span(const cfmt_clock_t *clock, apr_interval_time_t d)
{
    return clock && clock->speed > 1 ? d * clock->speed : d;
}

static apr_time_t demo_now(void *baton)
{
    const cfmt_demo_t *demo = baton;

    return demo->since + (apr_time_now() - demo->since) * demo->speed;
}

const cfmt_clock_t *cfmt_clock_demo(cfmt_demo_t *demo, apr_time_t since, int speed)
{
    demo->since = since;
    demo->speed = speed;
    demo->clock.now = demo_now;
    demo->clock.baton = demo;
    demo->clock.speed = speed;
    return &demo->clock;
}

apr_time_t cfmt_monotonic(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock on Linux */
    return apr_time_from_sec(ts.tv_sec) + ts.tv_nsec / 1000;
}
