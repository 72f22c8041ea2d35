/*
 * Durations: range of what is read, and that the shown form is the value but for its small end.
 */
#include <string.h>

#include <apr_strings.h>

#include "fuzz.h"

#define DURATION_MAX (apr_time_from_sec(86400) * 365 * 100)

/* What "2d4h" says, as the sum of its parts; each part must be readable by itself. */
static apr_interval_time_t sum_of(const char *shown, int *pparts, apr_pool_t *p)
{
    apr_interval_time_t part, sum = 0;
    apr_size_t len;

    for (*pparts = 0; *shown; shown += len, (*pparts)++) {
        len = strspn(shown, "0123456789");
        len += strcspn(shown + len, "0123456789");
        FUZZ_CHECK(cfmt_duration_parse(&part, apr_pstrmemdup(p, shown, len)) == APR_SUCCESS);
        sum += part;
    }
    return sum;
}

static void check_format(apr_interval_time_t d, apr_pool_t *p)
{
    const char *shown = cfmt_duration_format(p, d);
    apr_interval_time_t left;
    int parts;

    FUZZ_CHECK(fuzz_printable(shown, 40));
    if (d < 0 || d > DURATION_MAX) {
        FUZZ_CHECK(d > 0 || *shown == '-' || !strcmp(shown, "0s"));
        return;
    }
    left = d - sum_of(shown, &parts, p);
    FUZZ_CHECK(parts == 1 || parts == 2);
    FUZZ_CHECK(left >= 0 && (left < 1000 || left < d / 20));
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    apr_interval_time_t d = -1;

    if (len == sizeof(d)) {
        memcpy(&d, data, sizeof(d));
        check_format(d, p);
    }
    if (cfmt_duration_parse(&d, fuzz_text(data, len, p)) == APR_SUCCESS) {
        FUZZ_CHECK(d >= 0 && d <= DURATION_MAX);
        check_format(d, p);
    }
}
