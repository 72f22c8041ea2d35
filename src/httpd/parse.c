/*
 * Parsers of values that only httpd's configuration has; the others are in cfmt_directive.h. Each
 * returns NULL or one sentence with the value and what is allowed.
 */
#include "httpd_cfmt.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_uri.h>

const char *cfmt_parse_flag(int *pv, const char *directive, const char *text, apr_pool_t *p)
{
    static const char *const names[] = { "off", "on", NULL };

    return cfmt_parse_enum(pv, directive, text, names, p);
}

static const char *size_text(apr_pool_t *p, apr_int64_t n)
{
    if (n >= 1024 * 1024 && n % (1024 * 1024) == 0) {
        return apr_psprintf(p, "%" APR_INT64_T_FMT "m", n / (1024 * 1024));
    }
    return apr_psprintf(p, "%" APR_INT64_T_FMT "k", n / 1024);
}

const char *cfmt_parse_size(apr_int64_t *pn, const char *directive, const char *text,
                            apr_int64_t min, apr_int64_t max, apr_pool_t *p)
{
    apr_size_t len = strlen(text);
    int unit = len ? apr_tolower(text[len - 1]) : 0;
    apr_int64_t factor = unit == 'k' ? 1024 : unit == 'm' ? 1024 * 1024 : 1, n;
    const char *digits = factor == 1 ? text : apr_pstrmemdup(p, text, len - 1);

    if (cfmt_int_parse(&n, digits, 0, APR_INT32_MAX) != APR_SUCCESS || n * factor < min
        || n * factor > max) {
        return apr_psprintf(
            p,
            "%s: '%s' is not a size in range (examples: 65536, 256k, 1m); allowed %s to %s",
            directive, text, size_text(p, min), size_text(p, max));
    }
    *pn = n * factor;
    return NULL;
}

/* Why text is no such URL; NULL = it is one. */
static const char *url_fault(const char *schemes, const char *text, apr_pool_t *p)
{
    apr_uri_t uri;

    if (apr_uri_parse(p, text, &uri) != APR_SUCCESS || !uri.scheme || !uri.hostname
        || !*uri.hostname || text[strcspn(text, " \t\"<>\\")]) {
        return "is not an absolute URL";
    }
    if (!strstr(schemes, uri.scheme)
        || (strcmp(uri.scheme, "http") && strcmp(uri.scheme, "https"))) {
        return "has another scheme";
    }
    if (uri.user || uri.password) {
        return "has a user or password in it, which mod_info and logs would show";
    }
    return uri.query || uri.fragment ? "has a query or fragment" : NULL;
}

const char *cfmt_parse_url(const char **pv, const char *directive, const char *schemes,
                           const char *text, apr_pool_t *p)
{
    const char *fault = url_fault(schemes, text, p);
    apr_size_t len = strlen(text);

    if (fault) {
        /* what stands before an @ may be a password: not repeated */
        return apr_psprintf(p, "%s: '%s' %s; allowed: %s and a host, like https://%s", directive,
                            strchr(text, '@') ? "..." : text, fault, schemes,
                            "www.example.com/path");
    }
    while (len && text[len - 1] == '/') {
        len--;
    }
    *pv = apr_pstrmemdup(p, text, len);
    return NULL;
}

const char *cfmt_parse_api_url(const char **pv, const char *directive, const char *text,
                               apr_pool_t *p)
{
    const char *fault, *why = cfmt_parse_url(pv, directive, "http, https", text, p);

    if (!why && cfmt_http_url_check(&fault, text, p) != APR_SUCCESS) {
        why = apr_psprintf(p, "%s: '%s': %s", directive, text, fault);
    }
    return why;
}
