/*
 * Times: one text for one value, and a time in Z against timegm().
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

#define TIME_MAX (apr_time_from_sec(APR_INT64_C(253402300799)) + 999999)

static void check_against_libc(apr_time_t t, const char *text)
{
    struct tm tm = {.tm_sec = 0};
    char last = text[strlen(text) - 1], separator;

    if (last != 'Z' && last != 'z') {
        return;
    }
    FUZZ_CHECK(sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                      &separator, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) == 7);
    tm.tm_year -= 1900;
    tm.tm_mon--;
    FUZZ_CHECK(apr_time_sec(t) == timegm(&tm));
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    const char *text = fuzz_text(data, len, p), *canonical;
    apr_time_t t = -1, again = -1;

    if (len == sizeof(t)) { /* the heartbeat file can hold any number */
        memcpy(&t, data, sizeof(t));
        FUZZ_CHECK(fuzz_printable(cfmt_time_format(p, t), 40));
    }
    if (cfmt_time_parse(&t, text) != APR_SUCCESS) {
        return;
    }
    FUZZ_CHECK(t >= 0 && t <= TIME_MAX);
    check_against_libc(t, text);
    canonical = cfmt_time_format(p, t);
    FUZZ_CHECK(cfmt_time_parse(&again, canonical) == APR_SUCCESS && again == t);
    FUZZ_CHECK(!strcmp(cfmt_time_format(p, again), canonical));
}
