/*
 * Times (RFC 3339 and the one other form that Cloudflare sends) and durations, as text and back.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt.h"

#define SECS_MAX APR_INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* Exactly n digits at *ps, which moves behind them; -1 when there are fewer. */
static int digits(const char **ps, int n)
{
    int value = 0;

    while (n-- > 0) {
        if (**ps < '0' || **ps > '9') {
            return -1;
        }
        value = value * 10 + (*(*ps)++ - '0');
    }
    return value;
}

static int accept_char(const char **ps, char c)
{
    if (**ps != c) {
        return 0;
    }
    (*ps)++;
    return 1;
}

static int days_in_month(int year, int month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01; counted from March so that the leap day is the last of its year. */
static apr_int64_t days_since_epoch(int year, int month, int day)
{
    int y = year - (month <= 2);
    int m = (month + 9) % 12;

    return (apr_int64_t)y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static apr_status_t parse_date(const char **ps, apr_int64_t *pdays)
{
    int year, month, day;

    if ((year = digits(ps, 4)) < 1970 || !accept_char(ps, '-') || (month = digits(ps, 2)) < 1
        || month > 12 || !accept_char(ps, '-') || (day = digits(ps, 2)) < 1
        || day > days_in_month(year, month)) {
        return CFMT_EINVALID;
    }
    *pdays = days_since_epoch(year, month, day);
    return APR_SUCCESS;
}

static apr_status_t parse_clock(const char **ps, int *psecs, int *pleap)
{
    int hour, min, sec;

    if ((hour = digits(ps, 2)) < 0 || hour > 23 || !accept_char(ps, ':')
        || (min = digits(ps, 2)) < 0 || min > 59 || !accept_char(ps, ':')
        || (sec = digits(ps, 2)) < 0 || sec > 60) {
        return CFMT_EINVALID;
    }
    *psecs = hour * 3600 + min * 60 + sec;
    *pleap = sec == 60;
    return APR_SUCCESS;
}

/* Up to nine decimals; what is below a microsecond is cut. */
static apr_status_t parse_fraction(const char **ps, int *pusec)
{
    int n, value = 0;

    *pusec = 0;
    if (!accept_char(ps, '.')) {
        return APR_SUCCESS;
    }
    for (n = 0; **ps >= '0' && **ps <= '9'; n++, (*ps)++) {
        if (n >= 9) {
            return CFMT_EINVALID;
        }
        value = n < 6 ? value * 10 + (**ps - '0') : value;
    }
    if (n == 0) {
        return CFMT_EINVALID;
    }
    for (; n < 6; n++) {
        value *= 10;
    }
    *pusec = value;
    return APR_SUCCESS;
}

/* "Z", "+02:00", or Go's " +0000 UTC". */
static apr_status_t parse_zone(const char **ps, int *poffset)
{
    int sign, hour, min;

    *poffset = 0;
    if (accept_char(ps, 'Z') || accept_char(ps, 'z')) {
        return APR_SUCCESS;
    }
    (void)accept_char(ps, ' ');
    if (**ps != '+' && **ps != '-') {
        return CFMT_EINVALID;
    }
    sign = *(*ps)++ == '-' ? -1 : 1;
    if ((hour = digits(ps, 2)) < 0 || hour > 23) {
        return CFMT_EINVALID;
    }
    (void)accept_char(ps, ':');
    if ((min = digits(ps, 2)) < 0 || min > 59) {
        return CFMT_EINVALID;
    }
    *poffset = sign * (hour * 3600 + min * 60);
    if (strcmp(*ps, " UTC") == 0) {
        *ps += 4;
    }
    return APR_SUCCESS;
}

apr_status_t cfmt_time_parse(apr_time_t *pt, const char *s)
{
    apr_int64_t days, t;
    int secs, leap, usec, offset;

    if (!s || parse_date(&s, &days) != APR_SUCCESS
        || !(accept_char(&s, 'T') || accept_char(&s, 't') || accept_char(&s, ' '))
        || parse_clock(&s, &secs, &leap) != APR_SUCCESS
        || parse_fraction(&s, &usec) != APR_SUCCESS
        || parse_zone(&s, &offset) != APR_SUCCESS || *s) {
        return CFMT_EINVALID;
    }
    t = days * 86400 + secs - offset;
    /* A leap second exists at the end of a UTC day only, and counts as the next day's first. */
    if (t < 0 || t > SECS_MAX || (leap && t % 86400 != 0)) {
        return CFMT_EINVALID;
    }
    *pt = apr_time_from_sec(t) + usec;
    return APR_SUCCESS;
}

const char *cfmt_time_format(apr_pool_t *p, apr_time_t t)
{
    apr_time_exp_t x;
    const char *secs;

    apr_time_exp_gmt(&x, t);
    secs = apr_psprintf(p, "%04d-%02d-%02dT%02d:%02d:%02d", x.tm_year + 1900, x.tm_mon + 1,
                        x.tm_mday, x.tm_hour, x.tm_min, x.tm_sec);
    return x.tm_usec ? apr_psprintf(p, "%s.%06dZ", secs, x.tm_usec)
                     : apr_pstrcat(p, secs, "Z", NULL);
}

/* ---- durations ------------------------------------------------------------------------------- */

#define DURATION_MAX (apr_time_from_sec(86400) * 365 * 100)

typedef struct unit_t {
    const char *name;
    apr_interval_time_t usec;
} unit_t;

static const unit_t units[] = {
    {.name = "d", .usec = APR_INT64_C(86400) * APR_USEC_PER_SEC},
    {.name = "h", .usec = APR_INT64_C(3600) * APR_USEC_PER_SEC},
    {.name = "m", .usec = APR_INT64_C(60) * APR_USEC_PER_SEC},
    {.name = "s", .usec = APR_USEC_PER_SEC},
    {.name = "ms", .usec = 1000},
};
#define UNITS ((int)(sizeof(units) / sizeof(units[0])))

static apr_interval_time_t unit_find(const char *name)
{
    int i;

    if (!*name) {
        return APR_USEC_PER_SEC;
    }
    if (strcmp(name, "min") == 0) {
        name = "m";
    }
    for (i = 0; i < UNITS; i++) {
        if (strcmp(units[i].name, name) == 0) {
            return units[i].usec;
        }
    }
    return 0;
}

apr_status_t cfmt_duration_parse(apr_interval_time_t *pd, const char *s)
{
    apr_int64_t n = 0;
    apr_interval_time_t unit;
    const char *start = s;

    if (!s) {
        return CFMT_EINVALID;
    }
    for (; *s >= '0' && *s <= '9'; s++) {
        n = n * 10 + (*s - '0');
        if (n > DURATION_MAX) {
            return CFMT_EINVALID;
        }
    }
    unit = unit_find(s);
    if (s == start || !unit || n > DURATION_MAX / unit) {
        return CFMT_EINVALID;
    }
    *pd = n * unit;
    return APR_SUCCESS;
}

const char *cfmt_duration_format(apr_pool_t *p, apr_interval_time_t d)
{
    apr_uint64_t left = d < 0 ? 0 - (apr_uint64_t)d : (apr_uint64_t)d;
    const char *text = d < 0 ? "-" : "";
    apr_uint64_t unit;
    int i, first = -1;

    for (i = 0; i < UNITS && (first < 0 || i <= first + 1); i++) {
        unit = (apr_uint64_t)units[i].usec;
        if (left >= unit) {
            first = first < 0 ? i : first;
            text = apr_psprintf(p, "%s%" APR_UINT64_T_FMT "%s", text, left / unit, units[i].name);
            left %= unit;
        }
    }
    return first < 0 ? "0s" : text;
}
