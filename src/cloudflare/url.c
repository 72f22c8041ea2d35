/*
 * Where a request goes. Stricter than the RFC: what is refused here cannot be read in two ways, by
 * us and by libcurl.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "wire.h"

#define HOST_MAX 253

static apr_status_t refuse(const char **pwhy, const char *why)
{
    *pwhy = why;
    return CFMT_EINVALID;
}

static const char *scan_scheme(cfmt_url_t *u, const char *url)
{
    u->tls = strncasecmp(url, "https://", 8) == 0;
    if (u->tls) {
        return url + 8;
    }
    return strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

static int is_plain(const char *s)
{
    for (; *s; s++) {
        if (*s <= ' ' || *s >= 0x7f || strchr("\\\"<>^`{|}#", *s)) {
            return 0;
        }
    }
    return 1;
}

static int is_name(const char *host)
{
    apr_size_t len = strlen(host);
    const char *s;

    if (len == 0 || len > HOST_MAX || host[0] == '.' || host[len - 1] == '.'
        || strstr(host, "..")) {
        return 0;
    }
    for (s = host; *s; s++) {
        if (!apr_isalnum(*s) && !strchr("-_.", *s)) {
            return 0;
        }
    }
    return 1;
}

static int is_address(int family, const char *host)
{
    unsigned char bytes[16];

    return inet_pton(family, host, bytes) == 1;
}

/* Splits "[::1]:8443" or "host:8443"; *pport is what follows the colon, NULL = none. */
static int split(cfmt_url_t *u, const char **pport, char *authority)
{
    char *host = authority, *end;

    if (*authority == '[') {
        host++;
        end = strchr(host, ']');
        if (!end || (end[1] && end[1] != ':')) {
            return 0;
        }
        *pport = end[1] ? end + 2 : NULL;
        u->numeric = 1;
    }
    else {
        end = host + strcspn(host, ":");
        *pport = *end ? end + 1 : NULL;
    }
    *end = '\0';
    for (u->host = host; *host; host++) {
        *host = (char)apr_tolower(*host);
    }
    return 1;
}

static int read_port(cfmt_url_t *u, const char *text)
{
    apr_int64_t n = u->tls ? 443 : 80;

    if (text && (*text == '-' || cfmt_int_parse(&n, text, 1, 65535) != APR_SUCCESS)) {
        return 0;
    }
    u->port = (int)n;
    return 1;
}

static const char *shown(const cfmt_url_t *u, apr_pool_t *p)
{
    int v6 = strchr(u->host, ':') != NULL;

    if (u->port == (u->tls ? 443 : 80)) {
        return u->host;
    }
    return apr_psprintf(p, "%s%s%s:%d", v6 ? "[" : "", u->host, v6 ? "]" : "", u->port);
}

apr_status_t cfmt_url_parse(cfmt_url_t *u, const char **pwhy, const char *url, apr_pool_t *p)
{
    const char *rest, *port;
    char *authority;

    memset(u, 0, sizeof(*u));
    *pwhy = NULL;
    if (!url || !(rest = scan_scheme(u, url))) {
        return refuse(pwhy, "it does not begin with https://");
    }
    if (!is_plain(url)) {
        return refuse(pwhy, "it contains a character that a URL must not contain");
    }
    authority = apr_pstrndup(p, rest, strcspn(rest, "/?"));
    if (strchr(authority, '@')) {
        return refuse(pwhy, "it contains credentials, which would be shown with it");
    }
    if (!split(u, &port, authority)
        || !(u->numeric ? is_address(AF_INET6, u->host) : is_name(u->host))) {
        return refuse(pwhy, "it names no host");
    }
    if (!read_port(u, port)) {
        return refuse(pwhy, "its port is not a number from 1 to 65535");
    }
    u->numeric = u->numeric || is_address(AF_INET, u->host);
    u->shown = shown(u, p);
    return APR_SUCCESS;
}

int cfmt_url_loopback(const cfmt_url_t *u)
{
    unsigned char bytes[16];

    if (inet_pton(AF_INET, u->host, bytes) == 1) {
        return bytes[0] == 127;
    }
    if (inet_pton(AF_INET6, u->host, bytes) == 1) {
        return memcmp(bytes, &in6addr_loopback, 16) == 0;
    }
    return strcmp(u->host, "localhost") == 0;
}
