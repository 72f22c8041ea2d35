/*
 * Checked integers, and rates as Cloudflare writes them. Independent of the locale: some module in
 * the same process may have called setlocale().
 */
#include <math.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt.h"

apr_status_t cfmt_int_parse(apr_int64_t *pn, const char *s, apr_int64_t min, apr_int64_t max)
{
    int negative;
    apr_int64_t n = 0;

    if (!s) {
        return CFMT_EINVALID;
    }
    negative = *s == '-';
    s += negative;
    if (!*s) {
        return CFMT_EINVALID;
    }
    /* Counted downwards: the smallest integer has no positive counterpart. */
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || n < (APR_INT64_MIN + (*s - '0')) / 10) {
            return CFMT_EINVALID;
        }
        n = n * 10 - (*s - '0');
    }
    if (!negative && n == APR_INT64_MIN) {
        return CFMT_EINVALID;
    }
    n = negative ? n : -n;
    if (n < min || n > max) {
        return CFMT_EINVALID;
    }
    *pn = n;
    return APR_SUCCESS;
}

/* ---- rates ----------------------------------------------------------------------------------- */

static const char *skip_blanks(const char *s)
{
    while (*s == ' ' || *s == '\t') {
        s++;
    }
    return s;
}

/* Digits with at most one point among them; *pscale counts the decimals down. */
static const char *scan_mantissa(const char *s, double *pv, int *pscale)
{
    int seen = 0, point = 0;

    *pv = 0;
    *pscale = 0;
    for (;; s++) {
        if (*s >= '0' && *s <= '9') {
            *pv = *pv * 10 + (*s - '0');
            *pscale -= point;
            seen = 1;
        }
        else if (*s == '.' && seen && !point) {
            point = 1;
        }
        else {
            return seen && s[-1] != '.' ? s : NULL;
        }
    }
}

/* "e6", "E-3"; nothing at all is fine, "e" alone is not. */
static const char *scan_exponent(const char *s, int *pexp)
{
    int negative, value = 0, n;

    *pexp = 0;
    if (*s != 'e' && *s != 'E') {
        return s;
    }
    s++;
    negative = *s == '-';
    s += *s == '-' || *s == '+';
    for (n = 0; *s >= '0' && *s <= '9'; n++, s++) {
        if (n >= 4) {
            return NULL;
        }
        value = value * 10 + (*s - '0');
    }
    *pexp = negative ? -value : value;
    return n ? s : NULL;
}

static double scaled(double v, int exponent)
{
    for (; exponent > 0 && isfinite(v) && v > 0; exponent--) {
        v *= 10;
    }
    for (; exponent < 0 && v > 0; exponent++) {
        v /= 10;
    }
    return v;
}

static int is_unit(const char *s, apr_size_t len)
{
    static const char *const names[] = {
        "pps", "rps", "bps", "b/s", "bit/s", "bits/s", "packets/s", NULL,
    };
    int i;

    for (i = 0; names[i]; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], s, len) == 0) {
            return 1;
        }
    }
    return len == 0;
}

/* What stands behind the number: an SI prefix, a unit, both or neither; blanks around it. */
static apr_status_t scan_unit(const char *s, int *pexp)
{
    static const char prefixes[] = "kKMGT";
    static const unsigned char exponents[] = {3, 3, 6, 9, 12};
    apr_size_t len;
    const char *at;

    s = skip_blanks(s);
    *pexp = 0;
    if (*s && (at = strchr(prefixes, *s)) != NULL) {
        *pexp = exponents[at - prefixes];
        s++;
    }
    len = strcspn(s, " \t");
    return is_unit(s, len) && *skip_blanks(s + len) == '\0' ? APR_SUCCESS : CFMT_EINVALID;
}

apr_status_t cfmt_rate_parse(double *pv, const char *s)
{
    double v;
    int scale, exponent, prefix;

    if (!s || !(s = scan_mantissa(skip_blanks(s), &v, &scale))
        || !(s = scan_exponent(s, &exponent)) || scan_unit(s, &prefix) != APR_SUCCESS) {
        return CFMT_EINVALID;
    }
    v = scaled(v, scale + exponent + prefix);
    if (!(v <= CFMT_RATE_MAX)) { /* not a number fails this, too */
        return CFMT_EINVALID;
    }
    *pv = v;
    return APR_SUCCESS;
}

const char *cfmt_rate_format(apr_pool_t *p, double v, const char *unit)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T"};
    int i, decimals;
    char *text, *end;

    if (!(v >= 0) || !isfinite(v)) {
        return "?";
    }
    /* 999.5 and more would be shown as 1000. */
    for (i = 0; i < 4 && v >= 999.5; i++) {
        v /= 1000;
    }
    if (v >= 999.5) {
        return apr_psprintf(p, "over 999 T%s", unit);
    }
    decimals = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;
    text = apr_psprintf(p, "%.*f", decimals, v);
    if (decimals) {
        for (end = text + strlen(text); end[-1] == '0'; end--) {
        }
        end[end[-1] == '.' ? -1 : 0] = '\0';
    }
    return apr_psprintf(p, "%s %s%s", text, prefixes[i], unit);
}
