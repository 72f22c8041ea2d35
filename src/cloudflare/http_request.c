/*
 * A request becomes a handle of libcurl, with everything switched off that could lead elsewhere.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include <apr_strings.h>

#include "transport.h"

/*
 * Data that nobody acknowledges for this long ends its connection. Without it a connection whose
 * path is dead is used again and again by HTTP/2, which outlives a stream's time-out, until TCP
 * gives up after 15 min. Early enough for the same transfer to succeed on a new connection.
 */
#define UNACKNOWLEDGED_MS 8000U

/* setopt fails for want of memory, or of a feature: then nothing is sent. */
#define SET(rc, t, option, value) ((rc) |= (int)curl_easy_setopt((t)->easy, option, value))

static int on_socket(void *baton, curl_socket_t fd, curlsocktype purpose)
{
    unsigned ms = UNACKNOWLEDGED_MS;

    (void)baton, (void)purpose;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
    return CURL_SOCKOPT_OK;
}

/* As libcurl makes them, but CGI programs and others that httpd starts do not inherit it. */
static curl_socket_t make_socket(void *baton, curlsocktype purpose, struct curl_sockaddr *to)
{
    (void)baton, (void)purpose;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static int set_safety(transfer_t *t)
{
    const cfmt_http_conf_t *conf = &t->h->conf;
    int rc = 0;

#if LIBCURL_VERSION_NUM >= 0x075500
    SET(rc, t, CURLOPT_PROTOCOLS_STR, t->url.tls ? "https" : "http");
#else
    SET(rc, t, CURLOPT_PROTOCOLS, t->url.tls ? (long)CURLPROTO_HTTPS : (long)CURLPROTO_HTTP);
#endif
    SET(rc, t, CURLOPT_NOSIGNAL, 1L);
    SET(rc, t, CURLOPT_FOLLOWLOCATION, 0L);
    SET(rc, t, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(rc, t, CURLOPT_SSL_VERIFYHOST, 2L);
    SET(rc, t, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* "": neither http_proxy nor no_proxy of the environment; what is plain stays on this host. */
    SET(rc, t, CURLOPT_PROXY, cfmt_http_proxied(t) ? conf->proxy : "");
    SET(rc, t, CURLOPT_NOPROXY, "");
    SET(rc, t, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (conf->ca_file) {
        SET(rc, t, CURLOPT_CAINFO, conf->ca_file);
        SET(rc, t, CURLOPT_PROXY_CAINFO, conf->ca_file);
    }
    return rc;
}

static int set_connection(transfer_t *t)
{
    int rc = 0;

    SET(rc, t, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(rc, t, CURLOPT_PIPEWAIT, 0L); /* a connection that comes slowly holds up only its own */
    SET(rc, t, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, 200L);
    SET(rc, t, CURLOPT_OPENSOCKETFUNCTION, make_socket);
    SET(rc, t, CURLOPT_SOCKOPTFUNCTION, on_socket);
#if LIBCURL_VERSION_NUM >= 0x075000
    SET(rc, t, CURLOPT_MAXLIFETIME_CONN, 600L); /* a moved service is found again */
#endif
    SET(rc, t, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->rq.answer_max);
    SET(rc, t, CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(rc, t, CURLOPT_USERAGENT, "mod_cfmt/" CFMT_VERSION);
    return rc;
}

static int set_callbacks(transfer_t *t)
{
    int rc = 0;

    SET(rc, t, CURLOPT_PRIVATE, (void *)t);
    SET(rc, t, CURLOPT_ERRORBUFFER, t->error);
    SET(rc, t, CURLOPT_WRITEFUNCTION, cfmt_http_on_body);
    SET(rc, t, CURLOPT_WRITEDATA, t);
    SET(rc, t, CURLOPT_HEADERFUNCTION, cfmt_http_on_header);
    SET(rc, t, CURLOPT_HEADERDATA, t);
    if (cfmt_http_tracing(t->h)) {
        SET(rc, t, CURLOPT_DEBUGFUNCTION, cfmt_http_on_debug);
        SET(rc, t, CURLOPT_DEBUGDATA, t);
        SET(rc, t, CURLOPT_VERBOSE, 1L);
    }
    return rc;
}

static int add_header(transfer_t *t, const char *line)
{
    struct curl_slist *list = curl_slist_append(t->headers, line);

    t->headers = list ? list : t->headers;
    return list == NULL;
}

static int add_headers(transfer_t *t, const cfmt_http_header_t *headers)
{
    int rc = add_header(t, "Expect:"); /* libcurl would wait a second for "100 Continue" */

    if (t->rq.body) {
        rc |= add_header(t, "Content-Type:"); /* its default is a form; replaced by the caller's */
    }
    for (; headers && headers->name; headers++) {
        const char *sep = headers->value[0] ? ": " : ";";

        rc |= add_header(t, apr_pstrcat(t->pool, headers->name, sep, headers->value, NULL));
    }
    return rc;
}

static int set_request(transfer_t *t, const cfmt_http_request_t *rq)
{
    int rc = add_headers(t, rq->headers);

    SET(rc, t, CURLOPT_URL, rq->url);
    SET(rc, t, CURLOPT_HTTPHEADER, t->headers);
    if (rq->body || strcmp(rq->method, "GET") != 0) {
        SET(rc, t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(rq->body ? rq->len : 0));
        SET(rc, t, CURLOPT_COPYPOSTFIELDS, rq->body ? rq->body : "");
    }
    SET(rc, t, CURLOPT_CUSTOMREQUEST, rq->method);
    SET(rc, t, CURLOPT_FRESH_CONNECT,
        rq->once || rq->family || strcmp(rq->method, "PATCH") == 0 ? 1L : 0L);
    if (rq->connect_only) {
        SET(rc, t, CURLOPT_CONNECT_ONLY, 1L);
        SET(rc, t, CURLOPT_CERTINFO, t->url.tls ? 1L : 0L);
    }
    return rc;
}

int cfmt_http_prepare(transfer_t *t)
{
    int rc = set_safety(t) | set_connection(t) | set_callbacks(t) | set_request(t, &t->rq);

    if (rc == 0 && t->rq.body) {
        cfmt_http_trace_body(t, "> body", t->rq.body, t->rq.len);
    }
    return rc;
}
