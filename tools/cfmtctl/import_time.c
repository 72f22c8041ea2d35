/*
 * Times as the old system wrote them: Python's and SQLite's, in whichever zone the line of code
 * that wrote them happened to use.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "import.h"

#define NUMBER_MIN 1e9 /* seconds; 2001 */
#define NUMBER_MAX 1e14

/* Seconds or, beyond what seconds can be, milliseconds since 1970. */
static int read_number(apr_time_t *pt, const char *text)
{
    char *end;
    double v = strtod(text, &end);

    if (end == text || *end || !(v >= NUMBER_MIN) || v >= NUMBER_MAX) {
        return 0;
    }
    v = v > 1e11 ? v / 1000 : v;
    *pt = (apr_time_t)(v * 1e6 + 0.5);
    return 1;
}

/* "2025-06-13 06:13:37", as UTC; a date alone is its first moment. */
static int read_zoneless(apr_time_t *pt, const char *text, apr_pool_t *p)
{
    static const char *const ends[] = { "Z", ":00Z", "T00:00:00Z" };
    apr_size_t i;

    for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (cfmt_time_parse(pt, apr_pstrcat(p, text, ends[i], NULL)) == APR_SUCCESS) {
            return 1;
        }
    }
    return 0;
}

static int differs(apr_time_t t)
{
    apr_time_exp_t x;

    return apr_time_exp_lt(&x, t) == APR_SUCCESS && x.tm_gmtoff != 0;
}

static const char *trim(const char *text, apr_pool_t *p)
{
    apr_size_t len;

    text += strspn(text, " ");
    len = strlen(text);
    while (len && text[len - 1] == ' ') {
        len--;
    }
    return apr_pstrmemdup(p, text, len);
}

/* With a zone, if only as a word. */
static int read_zoned(apr_time_t *pt, const char *text, apr_pool_t *p)
{
    apr_size_t len = strlen(text);

    if (cfmt_time_parse(pt, text) == APR_SUCCESS) {
        return 1;
    }
    return len > 4 && !strcmp(text + len - 4, " UTC")
           && cfmt_time_parse(pt, apr_pstrcat(p, apr_pstrmemdup(p, text, len - 4), "Z", NULL))
                  == APR_SUCCESS;
}

ctl_time_e ctl_old_time(apr_time_t *pt, const char *text, apr_pool_t *p)
{
    text = trim(text, p);
    if (read_zoned(pt, text, p) || read_number(pt, text)) {
        return CTL_TIME_CERTAIN;
    }
    if (!read_zoneless(pt, text, p)) {
        *pt = 0;
        return CTL_TIME_NONE;
    }
    /* also an hour before: where clocks are put back one text is two times */
    return differs(*pt) || differs(*pt - apr_time_from_sec(3600)) ? CTL_TIME_AMBIGUOUS
                                                                  : CTL_TIME_CERTAIN;
}
