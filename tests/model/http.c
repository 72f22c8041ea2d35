/*
 * The transport, in place of src/cloudflare/http.c: a call is answered by the model of Cloudflare
 * when it is made, and its answer arrives later.
 */
#include <string.h>

#include <apr_ring.h>
#include <apr_strings.h>

#include "model.h"

typedef struct transfer_t transfer_t;
struct transfer_t {
    APR_RING_ENTRY(transfer_t) link;
    cfmt_http_t *h;
    apr_pool_t *pool;
    cfmt_http_request_t rq;
    answer_t answer;
    apr_time_t asked_at, due;
};
APR_RING_HEAD(transfers_t, transfer_t);

struct cfmt_http_t {
    apr_pool_t *pool;
    node_t *node;
    struct transfers_t transfers;
    int pending;
};

apr_status_t cfmt_http_global_begin(void)
{
    return APR_SUCCESS;
}

void cfmt_http_global_end(void)
{
}

apr_status_t cfmt_http_url_check(const char **pwhy, const char *url, apr_pool_t *p)
{
    (void)pwhy, (void)url, (void)p;
    return APR_SUCCESS;
}

apr_status_t cfmt_http_create(cfmt_http_t **ph, const cfmt_http_conf_t *conf, apr_pool_t *p)
{
    cfmt_http_t *h = apr_pcalloc(p, sizeof(*h));

    (void)conf;
    h->pool = p;
    h->node = m.cur;
    APR_RING_INIT(&h->transfers, transfer_t, link);
    *ph = h;
    return APR_SUCCESS;
}

int cfmt_http_pending(const cfmt_http_t *h)
{
    return h->pending;
}

/* The node may be another process by now: it looks whether anything of its own is due. */
static void arrive(void *arg)
{
    node_poll(arg);
}

apr_status_t cfmt_http_start(cfmt_http_t *h, const cfmt_http_request_t *rq)
{
    int change = !strcmp(rq->method, "PATCH");
    transfer_t *t;
    apr_pool_t *p;

    node_crash_point();
    apr_pool_create(&p, h->pool);
    t = apr_pcalloc(p, sizeof(*t));
    t->h = h;
    t->pool = p;
    t->rq = *rq;
    t->asked_at = m.now;
    oracle_call(h->node, strstr(rq->url, "/graphql") ? CFMT_UPSTREAM_GRAPHQL : CFMT_UPSTREAM_REST,
                change);
    cloudflare_answer(&t->answer, rq, p);
    if (change) {
        said_called(rq->url, rq->body);
    }
    t->due = m.now + t->answer.after;
    if (m.verbose) {
        trace("call of %d: %s %s -> %d", h->node->pid, rq->method, rq->url, t->answer.code);
    }
    APR_RING_INSERT_TAIL(&h->transfers, t, transfer_t, link);
    h->pending++;
    agenda_add(t->due, arrive, h->node);
    node_crash_point();
    return APR_SUCCESS;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* What a node has been shown it must heed. */
static void note(const transfer_t *t, int whole)
{
    node_t *n = t->h->node;
    const answer_t *a = &t->answer;
    int i;

    oracle_answered(n, t->rq.url, a->code);
    if (a->code == 429 && strcmp(t->rq.method, "PATCH")) {
        n->blocked[strstr(t->rq.url, "/graphql") != NULL] = m.now + (a->retry_after >= 0
                                                                         ? a->retry_after : 0);
    }
    for (i = 0; whole && a->state && i < PREFIXES; i++) {
        if (m.w.prefix[i].parent == a->parent && a->shown[i].at) {
            m.shown[i] = a->shown[i];
            said_shown(i, &m.shown[i]);
            m.shown_at[i] = t->asked_at;
            m.locked = (m.locked & ~(1u << i)) | (a->locked & 1u << i);
            m.unfit = (m.unfit & ~(1u << i)) | (a->off & 1u << i);
        }
    }
    if (whole && strstr(t->rq.url, "/mnm/rules")) {
        said_rules(strstr(a->body, "\"rule 8\"") != NULL);
    }
    if (whole && a->told) {
        oracle_told(a->told, n);
        said_traffic(a->told);
        m.traffic_at = t->asked_at;
    }
}

static void complete(transfer_t *t)
{
    const answer_t *a = &t->answer;
    cfmt_http_answer_t http = { .status = a->code ? APR_SUCCESS : CFMT_ENET, .code = a->code,
                                .detail = a->code ? NULL : "no answer",
                                .retry_after = a->retry_after,
                                .content_type = "application/json",
                                .date = m.now / SEC(1) * SEC(1), .took = a->after };

    APR_RING_REMOVE(t, link);
    t->h->pending--;
    note(t, a->code == 200);
    if (a->code && a->body && t->rq.sink) {
        http.bytes = strlen(a->body);
        if (t->rq.sink(t->rq.baton, a->code, a->body, http.bytes) != APR_SUCCESS) {
            http.status = CFMT_EANSWER;
            http.detail = "refused";
        }
    }
    t->rq.done(t->rq.baton, &http);
    apr_pool_destroy(t->pool);
}

apr_status_t cfmt_http_poll(cfmt_http_t *h, struct pollfd *fds, int nfds,
                            apr_interval_time_t timeout, int *pended)
{
    transfer_t *t, *next;

    (void)fds, (void)nfds;
    m.waited += timeout; /* of who ends and waits for answers; else there is none */
    *pended = told_poll(h->node);
    for (t = APR_RING_FIRST(&h->transfers);
         t != APR_RING_SENTINEL(&h->transfers, transfer_t, link); t = next) {
        next = APR_RING_NEXT(t, link);
        if (t->due <= m.now) {
            complete(t);
            ++*pended;
        }
    }
    return APR_SUCCESS;
}
