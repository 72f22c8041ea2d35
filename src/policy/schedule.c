/*
 * When a job runs next: interval, back-off, jitter, floor.
 */
#include "cfmt_policy.h"

#define TIME_MAX APR_INT64_MAX

/*
 * Doubled once a failure, never beyond the ceiling; a ceiling below the interval does not make it
 * shorter.
 */
static apr_interval_time_t back_off(apr_interval_time_t interval, apr_interval_time_t ceiling,
                                    int fails)
{
    while (fails-- > 0 && interval < ceiling) {
        interval = interval > ceiling / 2 ? ceiling : interval * 2;
    }
    return interval;
}

/*
 * 0 <= result <= spread. Seeds are often consecutive (pids, row ids): mixed first (murmur3's
 * finalizer).
 */
static apr_interval_time_t spread_by(apr_interval_time_t spread, apr_uint32_t seed)
{
    seed = (seed ^ (seed >> 16)) * 0x85ebca6bu;
    seed = (seed ^ (seed >> 13)) * 0xc2b2ae35u;
    seed ^= seed >> 16;
    if (spread <= APR_UINT32_MAX) {
        return (apr_interval_time_t)(((apr_uint64_t)spread * seed) >> 32);
    }
    return (spread >> 32) * (apr_interval_time_t)seed;
}

apr_time_t cfmt_schedule_next(apr_time_t now, apr_interval_time_t interval,
                              apr_interval_time_t ceiling, int fails, int jitter, apr_uint32_t seed)
{
    apr_interval_time_t d, late;

    if (interval < CFMT_SCHEDULE_FLOOR) {
        interval = CFMT_SCHEDULE_FLOOR;
    }
    jitter = jitter < 0 ? 0 : jitter > 1000 ? 1000 : jitter;
    d = back_off(interval, ceiling, fails);
    late = spread_by(d / 1000 * jitter, seed);
    d = d > TIME_MAX - late ? TIME_MAX : d + late;
    return now > TIME_MAX - d ? TIME_MAX : now + d;
}
