/*
 * Preloaded into cfmtctl by test_ctl_golden.py: it is always $CFMT_TEST_NOW (microseconds of UTC),
 * so that ages come out the same.
 */
#include <stdlib.h>

#include <apr_time.h>

__attribute__((visibility("default"))) apr_time_t apr_time_now(void)
{
    const char *text = getenv("CFMT_TEST_NOW");

    return text ? (apr_time_t)strtoll(text, NULL, 10) : 0;
}
