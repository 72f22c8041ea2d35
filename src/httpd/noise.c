/*
 * How often repeating lines are written: refusals are bounded by the second (strangers choose how
 * many there are), faults of the store are told on change, but not every change of a store that
 * flutters, and once an hour.
 */
#include "httpd_cfmt.h"

#include <apr_thread_mutex.h>

#define REFUSALS_A_SECOND 10
#define STORE_AGAIN apr_time_from_sec(3600)
#define STORE_CALM apr_time_from_sec(5) /* at full load every second delivery may be a change */

static struct {
    apr_thread_mutex_t *mutex;
    apr_int64_t second;
    int written, suppressed;
    apr_status_t store;  /* as told last */
    apr_time_t store_at; /* when; 0 = never */
} noise;

void cfmt_noise_init(apr_pool_t *pchild)
{
    if (apr_thread_mutex_create(&noise.mutex, APR_THREAD_MUTEX_DEFAULT, pchild) != APR_SUCCESS) {
        noise.mutex = NULL; /* a line too many is the worst that follows */
    }
}

static void lock(void)
{
    if (noise.mutex) {
        apr_thread_mutex_lock(noise.mutex);
    }
}

static void unlock(void)
{
    if (noise.mutex) {
        apr_thread_mutex_unlock(noise.mutex);
    }
}

int cfmt_noise_refusal(int *psuppressed)
{
    apr_int64_t second = apr_time_sec(cfmt_monotonic());
    int yes;

    *psuppressed = 0;
    lock();
    if (second != noise.second) {
        *psuppressed = noise.suppressed;
        noise.second = second;
        noise.written = noise.suppressed = 0;
    }
    yes = noise.written < REFUSALS_A_SECOND;
    if (yes) {
        noise.written++;
    }
    else {
        noise.suppressed++;
    }
    unlock();
    return yes;
}

int cfmt_noise_store(apr_status_t rv)
{
    apr_time_t now = cfmt_monotonic();
    int yes;

    lock();
    yes = rv != noise.store ? !noise.store_at || now - noise.store_at >= STORE_CALM
                            : rv != APR_SUCCESS && now - noise.store_at >= STORE_AGAIN;
    if (yes) {
        noise.store = rv;
        noise.store_at = now;
    }
    unlock();
    return yes;
}
