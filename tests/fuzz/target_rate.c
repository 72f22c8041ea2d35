/*
 * Rates and integers, against strtod() and strtoll() of the C library.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "fuzz.h"

static int near(double a, double b, double relative, double absolute)
{
    return fabs(a - b) <= relative * fabs(b) + absolute;
}

static double prefix_of(const char *s)
{
    static const char prefixes[] = "kKMGT";
    static const double factors[] = {1e3, 1e3, 1e6, 1e9, 1e12};
    const char *at;

    s += strspn(s, " \t");
    at = *s ? strchr(prefixes, *s) : NULL;
    return at ? factors[at - prefixes] : 1;
}

static void check_value(double v, const char *text)
{
    char *end;
    double number = strtod(text, &end);

    FUZZ_CHECK(isfinite(v) && v >= 0 && !signbit(v));
    FUZZ_CHECK(end != text);
    /* What strtod() rounds to zero or to infinity may be told apart by the prefix. */
    if (isfinite(number) && number > 1e-300) {
        FUZZ_CHECK(near(v, number * prefix_of(end), 1e-9, 1e-300));
    }
}

static void check_format(double v, apr_pool_t *p)
{
    const char *shown = cfmt_rate_format(p, v, "pps");
    double again = -1;

    FUZZ_CHECK(fuzz_printable(shown, 40));
    if (!(v >= 0) || !isfinite(v)) {
        FUZZ_CHECK(!strcmp(shown, "?"));
        return;
    }
    FUZZ_CHECK(strchr(shown, ' ') - shown <= 4); /* three digits and a point */
    if (v < 999.5e12) {
        FUZZ_CHECK(cfmt_rate_parse(&again, shown) == APR_SUCCESS);
        FUZZ_CHECK(near(again, v, 0.00502, 0.0051));
    }
}

static void check_integer(const char *text)
{
    apr_int64_t n, again;
    char *end;
    apr_status_t rv = cfmt_int_parse(&n, text, APR_INT64_MIN, APR_INT64_MAX);

    errno = 0;
    again = strtoll(text, &end, 10);
    if (rv == APR_SUCCESS) {
        FUZZ_CHECK(*end == '\0' && end != text && errno == 0 && again == n);
        FUZZ_CHECK(cfmt_int_parse(&again, text, n, n) == APR_SUCCESS);
        FUZZ_CHECK(n == APR_INT64_MAX
                   || cfmt_int_parse(&again, text, n + 1, APR_INT64_MAX) != APR_SUCCESS);
    }
    else if (*text && !text[strspn(text, "0123456789")]) {
        FUZZ_CHECK(errno == ERANGE); /* only its size can be wrong with plain digits */
    }
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    const char *text = fuzz_text(data, len, p);
    double v = -1;

    if (len == sizeof(v)) { /* any double there is, NaN and infinities included */
        memcpy(&v, data, sizeof(v));
        check_format(v, p);
    }
    if (cfmt_rate_parse(&v, text) == APR_SUCCESS) {
        check_value(v, text);
        check_format(v, p);
    }
    check_integer(text);
}
