/*
 * Pure helpers of the transport: url.c (where a request goes), trace.c (what may be shown of it).
 */
#ifndef CFMT_WIRE_H
#define CFMT_WIRE_H

#include "cfmt_cloudflare.h"

/* ---- url.c ----------------------------------------------------------------------------------- */

typedef struct cfmt_url_t {
    int tls;           /* https */
    const char *host;  /* lower case, no brackets */
    int port;
    int numeric;       /* an address, not a name */
    const char *shown; /* for people: host, with the port where it is not the usual one */
} cfmt_url_t;

/*
 * Strictly: http or https, a name of letters, digits, "-", "_" and dots, or an address; no
 * credentials, no fragment, no byte that needs escaping. CFMT_EINVALID: *pwhy says why, without the
 * URL, because what is wrong may be that it contains a secret.
 */
apr_status_t cfmt_url_parse(cfmt_url_t *u, const char **pwhy, const char *url, apr_pool_t *p);
/* localhost, 127.0.0.0/8, ::1: never looked up, so it cannot be anything else. */
int cfmt_url_loopback(const cfmt_url_t *u);

/* ---- trace.c --------------------------------------------------------------------------------- */

/* What must not be shown. One a transfer. */
typedef struct cfmt_hide_t {
    apr_array_header_t *names;  /* const char *: of secret headers */
    apr_array_header_t *values; /* const char *: theirs, and others */
} cfmt_hide_t;

/* secret: whatever else must not be shown; NULL = nothing. */
void cfmt_hide_init(cfmt_hide_t *hide, const cfmt_http_header_t *headers, const char *secret,
                    apr_pool_t *p);
/* A printable copy of at most max bytes; "***" for each secret value, even a cut one at the end. */
const char *cfmt_hide_text(const cfmt_hide_t *hide, const char *s, apr_size_t len, apr_size_t max,
                           apr_pool_t *p);
/* The same of a line that may be or contain a header: behind a secret one's name only "***". */
const char *cfmt_hide_line(const cfmt_hide_t *hide, const char *s, apr_size_t len, apr_pool_t *p);

#endif
