/*
 * The transport: one curl multi handle, driven by one thread from one poll. A transfer waits here
 * for the addresses of its host (resolve.c), is then given to libcurl, and ends in one answer.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <apr_strings.h>

#include "transport.h"

#define ANSWER_MAX ((apr_size_t)1024 * 1024)
#define CONNECT_LIMIT apr_time_from_sec(5)
#define STALL_LIMIT apr_time_from_sec(15)
#define TOTAL_LIMIT apr_time_from_sec(30)
#define SLICE apr_time_from_msec(10) /* between looks at a name's look-up */
#define GLANCE apr_time_from_msec(250) /* between looks for transfers that stand still */
#define FDS_MAX 8

/* ---- SIGPIPE --------------------------------------------------------------------------------- */

typedef struct quiet_t {
    sigset_t old;
    int was_blocked;
} quiet_t;

/*
 * OpenSSL writes without MSG_NOSIGNAL, and libcurl leaves SIGPIPE alone under CURLOPT_NOSIGNAL.
 * Ours are threads with all signals blocked, but cfmtctl's main thread is not.
 */
static void quiet_begin(quiet_t *q)
{
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &q->old);
    q->was_blocked = sigismember(&q->old, SIGPIPE);
}

static void quiet_end(const quiet_t *q)
{
    struct timespec none = { 0, 0 };
    sigset_t pipe;

    if (q->was_blocked) {
        return;
    }
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    while (sigtimedwait(&pipe, NULL, &none) < 0 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &q->old, NULL);
}

/* ---- where a request may go ------------------------------------------------------------------ */

static apr_status_t check_target(cfmt_url_t *u, const char **pwhy, const char *url, apr_pool_t *p)
{
    apr_status_t rv = cfmt_url_parse(u, pwhy, url, p);

    if (rv == APR_SUCCESS && !u->tls && !cfmt_url_loopback(u)) {
        *pwhy = "plain http is spoken with loopback addresses only";
        return CFMT_EINVALID;
    }
    return rv;
}

apr_status_t cfmt_http_url_check(const char **pwhy, const char *url, apr_pool_t *p)
{
    cfmt_url_t u;

    return check_target(&u, pwhy, url, p);
}

const char *cfmt_http_url_host(const char **pshown, const char *url, apr_pool_t *p)
{
    const char *why;
    cfmt_url_t u;

    if (check_target(&u, &why, url, p) != APR_SUCCESS) {
        return NULL;
    }
    *pshown = u.shown;
    return u.host;
}

int cfmt_http_proxied(const transfer_t *t)
{
    return t->h->proxy.host && t->url.tls;
}

/* Whose addresses are needed: the proxy looks the host up itself. */
static const cfmt_url_t *next_hop(const transfer_t *t)
{
    return cfmt_http_proxied(t) ? &t->h->proxy : &t->url;
}

/* ---- start and end of a transfer ------------------------------------------------------------- */

static void discard(transfer_t *t)
{
    quiet_t q;

    quiet_begin(&q);
    if (t->running) {
        curl_multi_remove_handle(t->h->multi, t->easy);
    }
    curl_easy_cleanup(t->easy);
    quiet_end(&q);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->resolve);
    apr_pool_destroy(t->pool);
}

/* A line break would let one header become two. */
static int is_one_line(const char *s)
{
    return s && !strpbrk(s, "\r\n");
}

static int is_sound(const cfmt_http_request_t *rq)
{
    const cfmt_http_header_t *hd;

    for (hd = rq->headers; hd && hd->name; hd++) {
        if (!is_one_line(hd->name) || !is_one_line(hd->value)) {
            return 0;
        }
    }
    return rq->done && is_one_line(rq->method);
}

static void set_defaults(cfmt_http_request_t *rq)
{
    rq->answer_max = rq->answer_max ? rq->answer_max : ANSWER_MAX;
    rq->connect_limit = rq->connect_limit ? rq->connect_limit : CONNECT_LIMIT;
    rq->stall_limit = rq->stall_limit ? rq->stall_limit : STALL_LIMIT;
    rq->total_limit = rq->total_limit ? rq->total_limit : TOTAL_LIMIT;
}

static transfer_t *transfer_make(cfmt_http_t *h, const cfmt_http_request_t *rq)
{
    apr_pool_t *pool;
    transfer_t *t;

    apr_pool_create(&pool, h->pool);
    apr_pool_tag(pool, "cfmt_http_transfer");
    t = apr_pcalloc(pool, sizeof(*t));
    t->pool = pool;
    t->h = h;
    t->rq = *rq;
    t->number = ++h->started;
    t->begin = cfmt_monotonic();
    set_defaults(&t->rq);
    cfmt_hide_init(&t->hide, rq->headers, rq->secret, pool);
    return t;
}

/* Only queues: libcurl gets it in the next poll, so a sink may start one, too. */
apr_status_t cfmt_http_start(cfmt_http_t *h, const cfmt_http_request_t *request)
{
    transfer_t *t;
    const char *why;
    apr_status_t rv = CFMT_EINVALID;

    if (!is_sound(request)) {
        return rv;
    }
    t = transfer_make(h, request);
    rv = check_target(&t->url, &why, request->url, t->pool);
    if (rv == APR_SUCCESS) {
        t->easy = curl_easy_init();
        rv = t->easy && cfmt_http_prepare(t) == 0 ? APR_SUCCESS : APR_EGENERAL;
    }
    if (rv != APR_SUCCESS) {
        discard(t);
        return rv;
    }
    APR_RING_INSERT_TAIL(&h->transfers, t, transfer_t, link);
    h->pending++;
    return APR_SUCCESS;
}

int cfmt_http_pending(const cfmt_http_t *h)
{
    return h->pending;
}

/* The one place that calls done. */
static void finish(transfer_t *t)
{
    quiet_t q;

    APR_RING_REMOVE(t, link);
    t->h->pending--;
    if (t->running) {
        quiet_begin(&q);
        curl_multi_remove_handle(t->h->multi, t->easy);
        quiet_end(&q);
        t->running = 0;
    }
    t->rq.done(t->rq.baton, &t->answer);
    discard(t);
}

static void finish_unsent(transfer_t *t, const char *detail)
{
    t->answer.status = CFMT_ENET;
    t->answer.unresolved = 1;
    t->answer.detail = detail;
    t->answer.retry_after = -1;
    t->answer.took = cfmt_monotonic() - t->begin;
    finish(t);
}

/* ---- names ----------------------------------------------------------------------------------- */

static long rest_ms(apr_interval_time_t limit, apr_interval_time_t used)
{
    apr_interval_time_t left = limit - used;

    return left < 1000 ? 1 : (long)((left + 999) / 1000);
}

/* Those of addresses ("192.0.2.1,2001:db8::1") that are of the family; NULL = none. */
static const char *of_family(const char *addresses, int family, apr_pool_t *p)
{
    char *list = apr_pstrdup(p, addresses), *last, *one;
    const char *kept = NULL;

    if (!family) {
        return addresses;
    }
    for (one = apr_strtok(list, ",", &last); one; one = apr_strtok(NULL, ",", &last)) {
        if ((strchr(one, ':') != NULL) == (family == 6)) {
            kept = kept ? apr_pstrcat(p, kept, ",", one, NULL) : one;
        }
    }
    return kept;
}

/* What the look-up took counts for both limits. */
static int attach(transfer_t *t, const char *addresses)
{
    const cfmt_url_t *hop = next_hop(t);
    apr_interval_time_t used = cfmt_monotonic() - t->begin;
    const char *entry = apr_psprintf(t->pool, "%s:%d:%s", hop->host, hop->port, addresses);
    int rc = 0;

    if (!hop->numeric) {
        t->resolve = curl_slist_append(NULL, entry);
        rc |= t->resolve == NULL;
        rc |= (int)curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->resolve);
    }
    rc |= (int)curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS,
                                rest_ms(t->rq.connect_limit, used));
    rc |= (int)curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, rest_ms(t->rq.total_limit, used));
    rc |= rc ? rc : (int)curl_multi_add_handle(t->h->multi, t->easy);
    t->running = rc == 0;
    t->moved_at = cfmt_monotonic();
    return rc;
}

/* 1 when it ended without having begun. */
static int seek(transfer_t *t, apr_time_t now)
{
    const char *addresses, *why, *host = next_hop(t)->host;
    apr_interval_time_t limit = t->rq.connect_limit < t->rq.total_limit ? t->rq.connect_limit
                                                                        : t->rq.total_limit;
    apr_status_t rv = cfmt_resolver_find(t->h->resolver, &addresses, &why, host, now, t->pool);

    if (rv == APR_EAGAIN) {
        if (now - t->begin < limit) {
            return 0;
        }
        why = apr_psprintf(t->pool, "the name servers do not answer within %s",
                           cfmt_duration_format(t->pool, limit));
    }
    else if (rv == APR_SUCCESS) {
        addresses = of_family(addresses, t->rq.family, t->pool);
        if (!addresses) {
            why = apr_psprintf(t->pool, "it has none of IPv%d", t->rq.family);
        }
        else if (attach(t, addresses) == 0) {
            return 0;
        }
        else {
            why = "libcurl does not take it";
        }
    }
    finish_unsent(t, apr_psprintf(t->pool, "no address of %s: %s", host, why));
    return 1;
}

/* *pwaiting: how many are still without an address. */
static int seek_all(cfmt_http_t *h, int *pwaiting)
{
    transfer_t *t, *next, *last = APR_RING_LAST(&h->transfers);
    apr_time_t now = cfmt_monotonic();
    int ended = 0, more = h->pending > 0;

    *pwaiting = 0;
    for (t = APR_RING_FIRST(&h->transfers); more; t = next) {
        next = APR_RING_NEXT(t, link);
        more = t != last; /* those that a done starts have their turn in the next poll */
        if (!t->running && seek(t, now)) {
            ended++;
        }
        else if (!t->running) {
            (*pwaiting)++;
        }
    }
    return ended;
}

/* ---- the one wait ---------------------------------------------------------------------------- */

static int finish_done(cfmt_http_t *h)
{
    CURLMsg *msg;
    int left, ended = 0;

    while ((msg = curl_multi_info_read(h->multi, &left)) != NULL) {
        char *private = NULL;
        transfer_t *t;

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        t = (transfer_t *)(void *)private;
        cfmt_http_conclude(t, msg->data.result);
        finish(t);
        ended++;
    }
    return ended;
}

/*
 * Ours and not CURLOPT_LOW_SPEED_TIME, whose speed is a mean of five seconds: what stalls behind a
 * burst would be noticed that much later.
 */
static int finish_stalled(cfmt_http_t *h)
{
    transfer_t *t, *next, *last = APR_RING_LAST(&h->transfers);
    apr_time_t now = cfmt_monotonic();
    int ended = 0, more = h->pending > 0;

    for (t = APR_RING_FIRST(&h->transfers); more; t = next) {
        next = APR_RING_NEXT(t, link);
        more = t != last;
        if (!t->running) {
            continue;
        }
        if (!cfmt_http_connected(t)) {
            t->moved_at = now; /* the limit of a connection is libcurl's */
        }
        else if (now - t->moved_at >= t->rq.stall_limit) {
            cfmt_http_conclude(t, CURLE_OPERATION_TIMEDOUT);
            finish(t);
            ended++;
        }
    }
    return ended;
}

static CURLMcode perform(cfmt_http_t *h)
{
    quiet_t q;
    CURLMcode rc;
    int running;

    quiet_begin(&q);
    rc = curl_multi_perform(h->multi, &running);
    quiet_end(&q);
    return rc;
}

static apr_interval_time_t nap(const cfmt_http_t *h, int waiting, apr_interval_time_t left)
{
    apr_interval_time_t most = waiting ? SLICE : h->pending ? GLANCE : left;

    return left < most ? left : most;
}

/* Waits for libcurl's sockets and timers, or the caller's descriptors. */
static void wait_for(cfmt_http_t *h, const struct pollfd *fds, int nfds, apr_interval_time_t t)
{
    struct curl_waitfd extra[FDS_MAX];
    int i, ms = t <= 0 ? 0 : t > apr_time_from_sec(60) ? 60000 : (int)((t + 999) / 1000);

    for (i = 0; i < nfds; i++) {
        extra[i].fd = fds[i].fd;
        extra[i].events = (short)((fds[i].events & POLLIN ? CURL_WAIT_POLLIN : 0)
                                  | (fds[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0));
        extra[i].revents = 0;
    }
    if (curl_multi_poll(h->multi, extra, (unsigned)nfds, ms, NULL) != CURLM_OK) {
        (void)poll(NULL, 0, ms < 10 ? ms : 10); /* no memory: at least it does not spin */
    }
}

apr_status_t cfmt_http_poll(cfmt_http_t *h, struct pollfd *fds, int nfds,
                            apr_interval_time_t timeout, int *pended)
{
    apr_time_t end = cfmt_monotonic() + timeout;
    apr_interval_time_t left;
    CURLMcode rc;
    int waiting, ready, i;

    *pended = 0;
    if (nfds < 0 || nfds > FDS_MAX) {
        return CFMT_EINVALID;
    }
    for (i = 0; i < nfds; i++) {
        fds[i].revents = 0;
    }
    for (;;) {
        *pended += seek_all(h, &waiting);
        rc = perform(h);
        *pended += finish_done(h);
        *pended += finish_stalled(h);
        ready = nfds ? poll(fds, (nfds_t)nfds, 0) : 0;
        left = end - cfmt_monotonic();
        if (*pended || ready > 0 || left <= 0 || rc != CURLM_OK) {
            return rc == CURLM_OK ? APR_SUCCESS : APR_EGENERAL;
        }
        wait_for(h, fds, nfds, nap(h, waiting, left));
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

apr_status_t cfmt_http_global_begin(void)
{
    return curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK ? APR_SUCCESS : APR_EGENERAL;
}

void cfmt_http_global_end(void)
{
    curl_global_cleanup();
}

static apr_status_t http_end(void *data)
{
    cfmt_http_t *h = data;
    quiet_t q;

    while (!APR_RING_EMPTY(&h->transfers, transfer_t, link)) {
        transfer_t *t = APR_RING_FIRST(&h->transfers);

        APR_RING_REMOVE(t, link);
        discard(t);
    }
    h->pending = 0;
    quiet_begin(&q);
    curl_multi_cleanup(h->multi);
    quiet_end(&q);
    return APR_SUCCESS;
}

static apr_status_t set_proxy(cfmt_http_t *h, const char *url)
{
    const char *why;

    return url ? cfmt_url_parse(&h->proxy, &why, url, h->pool) : APR_SUCCESS;
}

apr_status_t cfmt_http_create(cfmt_http_t **ph, const cfmt_http_conf_t *conf, apr_pool_t *p)
{
    cfmt_http_t *h = apr_pcalloc(p, sizeof(*h));
    apr_status_t rv;

    h->pool = p;
    h->conf = *conf;
    h->conf.ca_file = conf->ca_file ? apr_pstrdup(p, conf->ca_file) : NULL;
    h->conf.proxy = conf->proxy ? apr_pstrdup(p, conf->proxy) : NULL;
    rv = set_proxy(h, h->conf.proxy);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    h->multi = curl_multi_init();
    if (!h->multi) {
        return APR_ENOMEM;
    }
    APR_RING_INIT(&h->transfers, transfer_t, link);
    apr_pool_create(&h->scratch, p);
    h->resolver = cfmt_resolver_create(p);
    /* A pre-cleanup: transfers have pools of their own, which a plain one would find destroyed. */
    apr_pool_pre_cleanup_register(p, h, http_end);
    *ph = h;
    return APR_SUCCESS;
}
