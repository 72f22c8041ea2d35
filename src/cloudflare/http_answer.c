/*
 * What comes back: headers that mean something, the body with its cap, how it ended in words for
 * people, and the traces.
 */
#include <string.h>
#include <strings.h>
#include <time.h>

#include <apr_date.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include "transport.h"

#define HEAD_MAX ((apr_size_t)128 * 1024) /* libcurl before 8 has no limit */
#define HEADER_VALUE_MAX 1000
#define RETRY_AFTER_MAX (365 * 86400) /* more is nonsense, not a time to wait */
#define TRACE_BODY 300                /* bytes of a body that a trace shows */
#define SLACK apr_time_from_msec(20)  /* of libcurl's timers */

/* ---- traces ---------------------------------------------------------------------------------- */

int cfmt_http_tracing(const cfmt_http_t *h)
{
    return h->conf.log && h->conf.log->max >= CFMT_LOG_TRACE;
}

static void trace(const transfer_t *t, const char *mark, const char *line)
{
    cfmt_log(t->h->conf.log, CFMT_LOG_TRACE, CFMT_ID(0800) "transfer %u to %s %s %s", t->number,
             t->url.shown, mark, line);
}

void cfmt_http_trace_body(const transfer_t *t, const char *mark, const char *data, apr_size_t len)
{
    if (cfmt_http_tracing(t->h)) {
        trace(t, mark, cfmt_hide_text(&t->hide, data, len, TRACE_BODY, t->h->scratch));
        apr_pool_clear(t->h->scratch);
    }
}

static void trace_lines(const transfer_t *t, const char *mark, const char *data, apr_size_t len)
{
    const char *end = data + len, *eol;

    for (; data < end; data = eol + 1) {
        eol = memchr(data, '\n', (apr_size_t)(end - data));
        eol = eol ? eol : end;
        len = (apr_size_t)(eol - data);
        len -= len && data[len - 1] == '\r';
        if (len) {
            trace(t, mark, cfmt_hide_line(&t->hide, data, len, t->h->scratch));
        }
    }
    apr_pool_clear(t->h->scratch);
}

/* Bodies are not taken from here: these are pieces of the wire, perhaps compressed. */
int cfmt_http_on_debug(CURL *easy, curl_infotype type, char *data, size_t len, void *baton)
{
    (void)easy;
    if (type == CURLINFO_TEXT) {
        trace_lines(baton, "*", data, len);
    }
    else if (type == CURLINFO_HEADER_OUT) {
        trace_lines(baton, ">", data, len);
    }
    else if (type == CURLINFO_HEADER_IN) {
        trace_lines(baton, "<", data, len);
    }
    return 0;
}

/* ---- the answer comes in --------------------------------------------------------------------- */

static int code_of(const transfer_t *t)
{
    long code = 0;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
    return (int)code;
}

size_t cfmt_http_on_body(char *data, size_t size, size_t n, void *baton)
{
    transfer_t *t = baton;
    apr_size_t before = t->answer.bytes;

    n *= size;
    t->moved_at = cfmt_monotonic();
    if (n > t->rq.answer_max - before) {
        t->refused = apr_psprintf(t->pool, "the answer of %s is larger than %" APR_SIZE_T_FMT
                                           " bytes", t->url.shown, t->rq.answer_max);
        return 0;
    }
    t->answer.bytes += n;
    if (before == 0) { /* later pieces could begin with the rest of a secret */
        cfmt_http_trace_body(t, "< body", data, n);
    }
    if (n && t->rq.sink && t->rq.sink(t->rq.baton, code_of(t), data, n) != APR_SUCCESS) {
        t->refused = apr_psprintf(t->pool, "the answer of %s cannot be understood", t->url.shown);
        return 0;
    }
    return n;
}

/* True when line is of the header called name; its value, trimmed, goes to *pvalue in the pool. */
static int take_header(transfer_t *t, const char **pvalue, const char *name, const char *line,
                       apr_size_t len)
{
    apr_size_t n = strlen(name);

    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0) {
        return 0;
    }
    for (line += n + 1, len -= n + 1; len && apr_isspace(*line); line++, len--) {
    }
    while (len && apr_isspace(line[len - 1])) {
        len--;
    }
    *pvalue = len && len <= HEADER_VALUE_MAX ? apr_pstrmemdup(t->pool, line, len) : NULL;
    return 1;
}

static void forget_head(transfer_t *t)
{
    t->answer.content_type = t->answer.etag = t->retry_after = NULL;
    t->answer.ratelimit = t->answer.ratelimit_policy = NULL;
    t->answer.date = 0;
}

static void read_header(transfer_t *t, const char *line, apr_size_t len)
{
    cfmt_http_answer_t *a = &t->answer;
    const char *date = NULL;

    if (len > 5 && strncasecmp(line, "HTTP/", 5) == 0) {
        forget_head(t); /* an interim answer may have come before this one */
        return;
    }
    if (take_header(t, &a->content_type, "content-type", line, len)
        || take_header(t, &a->etag, "etag", line, len)
        || take_header(t, &a->ratelimit, "ratelimit", line, len)
        || take_header(t, &a->ratelimit_policy, "ratelimit-policy", line, len)
        || take_header(t, &t->retry_after, "retry-after", line, len)) {
        return;
    }
    if (take_header(t, &date, "date", line, len)) {
        a->date = date ? apr_date_parse_http(date) : 0;
    }
}

size_t cfmt_http_on_header(char *line, size_t size, size_t n, void *baton)
{
    transfer_t *t = baton;

    n *= size;
    t->moved_at = cfmt_monotonic();
    t->head_bytes += n;
    if (t->head_bytes > HEAD_MAX) {
        t->refused = apr_psprintf(t->pool, "the head of the answer of %s is larger than %"
                                           APR_SIZE_T_FMT " bytes", t->url.shown, HEAD_MAX);
        return 0;
    }
    read_header(t, line, n);
    return n;
}

/* Seconds, or a date: then reckoned on the server's clock where it told it. */
static apr_interval_time_t retry_after(const transfer_t *t)
{
    apr_time_t base = t->answer.date ? t->answer.date : apr_time_now(), at;
    apr_int64_t seconds;

    if (!t->retry_after) {
        return -1;
    }
    if (cfmt_int_parse(&seconds, t->retry_after, 0, RETRY_AFTER_MAX) == APR_SUCCESS) {
        return apr_time_from_sec(seconds);
    }
    at = apr_date_parse_http(t->retry_after);
    if (at == 0 || at - base > apr_time_from_sec((apr_time_t)RETRY_AFTER_MAX)) {
        return -1;
    }
    return at > base ? at - base : 0;
}

/* ---- how it ended, for people ---------------------------------------------------------------- */

/* libcurl's own words; they never contain the URL's path, but what a server said. */
static const char *words(const transfer_t *t, CURLcode rc)
{
    const char *s = t->error[0] ? t->error : curl_easy_strerror(rc);

    return cfmt_hide_line(&t->hide, s, strlen(s), t->pool);
}

/* Who did not let us through: the host, or on the way to it the proxy. */
static const char *whom(const transfer_t *t)
{
    return cfmt_http_proxied(t) ? apr_psprintf(t->pool, "%s through the proxy %s", t->url.shown,
                                     t->h->proxy.shown)
                      : t->url.shown;
}

/* Newer libcurls tell no time of a connection whose TLS failed. */
static int is_reached(const transfer_t *t, CURLcode rc)
{
    curl_off_t us = 0;

    return rc == CURLE_SSL_CONNECT_ERROR || rc == CURLE_PEER_FAILED_VERIFICATION
           || (curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &us) == CURLE_OK && us > 0);
}

static int os_error(const transfer_t *t)
{
    long err = 0;

    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &err);
    return (int)err;
}

static const char *why_unconnected(const transfer_t *t, CURLcode rc)
{
    int err = os_error(t);
    char buf[120];

    return apr_psprintf(t->pool, "no connection to %s: %s", whom(t),
                        err ? apr_strerror((apr_status_t)err, buf, sizeof(buf)) : words(t, rc));
}

int cfmt_http_connected(const transfer_t *t)
{
    curl_off_t us = 0;

    return curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &us) == CURLE_OK && us > 0;
}

static int is_sent(const transfer_t *t)
{
    curl_off_t up = 0;

    return cfmt_http_connected(t)
           && curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up) == CURLE_OK
           && up >= (curl_off_t)(t->rq.body ? t->rq.len : 0);
}

static const char *why_late(const transfer_t *t)
{
    if (t->answer.took >= t->rq.total_limit - SLACK) {
        return apr_psprintf(t->pool, "no whole answer from %s within %s", t->url.shown,
                            cfmt_duration_format(t->pool, t->rq.total_limit));
    }
    return cfmt_http_connected(t)
               ? apr_psprintf(t->pool, "nothing came from %s for %s", t->url.shown,
                              cfmt_duration_format(t->pool, t->rq.stall_limit))
               : apr_psprintf(t->pool, "no connection to %s within %s", whom(t),
                              cfmt_duration_format(t->pool, t->rq.connect_limit));
}

static const char *why_failed(const transfer_t *t, CURLcode rc)
{
    switch (rc) {
    case CURLE_OPERATION_TIMEDOUT:
        return why_late(t);
    case CURLE_COULDNT_CONNECT:
        return why_unconnected(t, rc);
    case CURLE_PEER_FAILED_VERIFICATION:
        return apr_psprintf(t->pool, "certificate of %s refused: %s", whom(t), words(t, rc));
    case CURLE_SSL_CACERT_BADFILE:
        return apr_psprintf(t->pool, "the CA certificates in %s cannot be used",
                            t->h->conf.ca_file ? t->h->conf.ca_file : "the system's file");
    case CURLE_SSL_CONNECT_ERROR:
        return apr_psprintf(t->pool, "no TLS with %s: %s", whom(t), words(t, rc));
    case CURLE_PARTIAL_FILE:
        return apr_psprintf(t->pool, "the answer of %s was cut short", t->url.shown);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return apr_psprintf(t->pool, "what %s sent is not HTTP: %s", t->url.shown, words(t, rc));
    default:
        return apr_psprintf(t->pool, "no answer from %s: %s", whom(t), words(t, rc));
    }
}

/* ---- the certificate ------------------------------------------------------------------------- */

/* OpenSSL writes "Nov 23 12:00:00 2026 GMT", the other libraries "2026-11-23 12:00:00 GMT". */
static apr_time_t read_date(const char *text)
{
    static const char *const forms[] = { "%b %d %H:%M:%S %Y", "%Y-%m-%d %H:%M:%S" };
    struct tm tm;
    int i;

    for (i = 0; i < 2; i++) {
        memset(&tm, 0, sizeof(tm));
        if (strptime(text, forms[i], &tm)) {
            return apr_time_from_sec((apr_time_t)timegm(&tm));
        }
    }
    return 0;
}

/* The first of the chain is the server's own. */
static apr_time_t certificate_until(const transfer_t *t)
{
    static const char name[] = "Expire date:";
    struct curl_certinfo *chain = NULL;
    const struct curl_slist *line;

    if (curl_easy_getinfo(t->easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || !chain
        || chain->num_of_certs < 1) {
        return 0;
    }
    for (line = chain->certinfo[0]; line; line = line->next) {
        if (strncmp(line->data, name, sizeof(name) - 1) == 0) {
            return read_date(line->data + sizeof(name) - 1);
        }
    }
    return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

static apr_status_t status_of(const transfer_t *t, CURLcode rc)
{
    switch (rc) {
    case CURLE_OK:
        return APR_SUCCESS;
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return CFMT_EANSWER;
    default:
        return t->refused ? CFMT_EANSWER : CFMT_ENET;
    }
}

void cfmt_http_conclude(transfer_t *t, CURLcode rc)
{
    cfmt_http_answer_t *a = &t->answer;
    long proxy_code = 0;

    a->took = cfmt_monotonic() - t->begin;
    a->code = code_of(t);
    a->sent = is_sent(t);
    a->status = status_of(t, rc);
    a->retry_after = retry_after(t);
    a->reached = is_reached(t, rc);
    a->os_error = os_error(t);
    a->certificate_until = t->rq.connect_only ? certificate_until(t) : 0;
    curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_code);
    if (a->status == APR_SUCCESS) {
        a->detail = NULL;
    }
    else if (t->refused) {
        a->detail = t->refused;
    }
    else if (rc == CURLE_FILESIZE_EXCEEDED) {
        a->detail = apr_psprintf(t->pool, "the answer of %s is larger than %" APR_SIZE_T_FMT
                                          " bytes", t->url.shown, t->rq.answer_max);
    }
    else if (proxy_code >= 300) {
        a->detail = apr_psprintf(t->pool, "the proxy %s does not connect to %s (status %ld)",
                                 t->h->proxy.shown, t->url.shown, proxy_code);
    }
    else {
        a->detail = why_failed(t, rc);
    }
}
