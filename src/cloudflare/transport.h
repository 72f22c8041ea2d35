/*
 * What http.c, http_request.c and http_answer.c share: the handle and its transfers.
 */
#ifndef CFMT_TRANSPORT_H
#define CFMT_TRANSPORT_H

#include <apr_ring.h>

#include <curl/curl.h>

#include "wire.h"

typedef struct transfer_t transfer_t;
struct transfer_t {
    APR_RING_ENTRY(transfer_t) link;
    cfmt_http_t *h;
    apr_pool_t *pool;
    unsigned number;        /* for traces */
    cfmt_http_request_t rq; /* defaults filled in; url, headers, body only while it is made */
    cfmt_url_t url;
    cfmt_hide_t hide;
    CURL *easy;
    struct curl_slist *headers, *resolve;
    apr_time_t begin;       /* monotonic */
    apr_time_t moved_at;    /* when a line of the head or a piece of the body came; monotonic */
    int running;            /* libcurl has it; else it waits for addresses */
    const char *refused;    /* why we ended it ourselves: libcurl only sees a failed write */
    apr_size_t head_bytes;
    const char *retry_after;
    cfmt_http_answer_t answer;
    char error[CURL_ERROR_SIZE];
};

APR_RING_HEAD(transfers_t, transfer_t);

struct cfmt_http_t {
    apr_pool_t *pool, *scratch;
    cfmt_http_conf_t conf;
    cfmt_url_t proxy; /* host NULL = none */
    cfmt_resolver_t *resolver;
    CURLM *multi;
    struct transfers_t transfers; /* waiting and running ones */
    int pending;                  /* their number */
    unsigned started;
};

/* Plain http goes to this host only, so never to a proxy. */
int cfmt_http_proxied(const transfer_t *t);

/* ---- http_request.c -------------------------------------------------------------------------- */

/* Sets the whole request but the times of http.c's attach. 0, or libcurl will not have it. */
int cfmt_http_prepare(transfer_t *t);

/* ---- http_answer.c --------------------------------------------------------------------------- */

int cfmt_http_tracing(const cfmt_http_t *h);
void cfmt_http_trace_body(const transfer_t *t, const char *mark, const char *data, apr_size_t len);
int cfmt_http_on_debug(CURL *easy, curl_infotype type, char *data, size_t len, void *baton);
size_t cfmt_http_on_body(char *data, size_t size, size_t n, void *baton);
size_t cfmt_http_on_header(char *line, size_t size, size_t n, void *baton);
/* Whether the request could be sent. */
int cfmt_http_connected(const transfer_t *t);
/* Fills the answer of a transfer that libcurl has ended. */
void cfmt_http_conclude(transfer_t *t, CURLcode rc);

#endif
