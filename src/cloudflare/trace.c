/*
 * What may be shown of a transfer. Secrets are hidden twice: by the name of their header, in every
 * way libcurl prints one (a line, or "[name: value]" of HTTP/2), and by their value wherever it
 * stands, because a server may echo it.
 */
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "wire.h"

#define HIDDEN "***"
#define SHORTEST 4 /* bytes of a secret: less is not recognised in other text */
#define LINE_MAX_BYTES 400

/* Whatever ends so: Proxy-Authorization, Set-Cookie. */
static const char *const always[] = {
    "authorization", "cookie", "cf-webhook-auth", "x-auth-key",
};

static void add(apr_array_header_t *list, const char *s)
{
    APR_ARRAY_PUSH(list, const char *) = s;
}

static void add_value(cfmt_hide_t *hide, const char *value)
{
    if (value && strlen(value) >= SHORTEST) {
        add(hide->values, value);
    }
}

void cfmt_hide_init(cfmt_hide_t *hide, const cfmt_http_header_t *headers, const char *secret,
                    apr_pool_t *p)
{
    const char *value, *blank;
    apr_size_t i;

    hide->names = apr_array_make(p, 8, sizeof(const char *));
    hide->values = apr_array_make(p, 2, sizeof(const char *));
    for (i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
        add(hide->names, always[i]);
    }
    for (; headers && headers->name; headers++) {
        if (!headers->secret) {
            continue;
        }
        add(hide->names, apr_pstrdup(p, headers->name));
        value = apr_pstrdup(p, headers->value);
        blank = strrchr(value, ' '); /* "Bearer TOKEN": the token alone, too */
        add_value(hide, value);
        add_value(hide, blank ? blank + 1 : NULL);
    }
    add_value(hide, apr_pstrdup(p, secret));
}

/* How many of the len bytes at s are the secret, or its beginning where s ends. */
static apr_size_t match(const char *secret, const char *s, apr_size_t len)
{
    apr_size_t n = strlen(secret);

    n = n < len ? n : len;
    return n >= SHORTEST && memcmp(secret, s, n) == 0 ? n : 0;
}

static apr_size_t match_any(const cfmt_hide_t *hide, const char *s, apr_size_t len)
{
    apr_size_t n, most = 0;
    int i;

    for (i = 0; i < hide->values->nelts; i++) {
        n = match(APR_ARRAY_IDX(hide->values, i, const char *), s, len);
        most = n > most ? n : most;
    }
    return most;
}

/* Only as much is copied as can be shown. */
const char *cfmt_hide_text(const cfmt_hide_t *hide, const char *s, apr_size_t len, apr_size_t max,
                           apr_pool_t *p)
{
    char *copy = apr_palloc(p, max + sizeof(HIDDEN));
    apr_size_t used = 0, at = 0, n;

    while (at < len && used <= max) {
        n = match_any(hide, s + at, len - at);
        if (n) {
            memcpy(copy + used, HIDDEN, sizeof(HIDDEN) - 1);
            used += sizeof(HIDDEN) - 1;
            at += n;
        }
        else {
            copy[used++] = s[at++];
        }
    }
    return cfmt_text_escape(p, copy, used, max);
}

/* Where the name of a secret header, followed by a colon, ends in the line; 0 = nowhere. */
static apr_size_t name_end(const char *name, const char *s, apr_size_t len)
{
    apr_size_t n = strlen(name), at;

    for (at = 0; at + n < len; at++) {
        if (s[at + n] == ':' && strncasecmp(s + at, name, n) == 0) {
            return at + n;
        }
    }
    return 0;
}

const char *cfmt_hide_line(const cfmt_hide_t *hide, const char *s, apr_size_t len, apr_pool_t *p)
{
    apr_size_t end, first = 0;
    int i;

    for (i = 0; i < hide->names->nelts; i++) {
        end = name_end(APR_ARRAY_IDX(hide->names, i, const char *), s, len);
        first = end && (!first || end < first) ? end : first;
    }
    if (!first) {
        return cfmt_hide_text(hide, s, len, LINE_MAX_BYTES, p);
    }
    return apr_pstrcat(p, cfmt_hide_text(hide, s, first, LINE_MAX_BYTES, p), ": " HIDDEN, NULL);
}
