/*
 * How doctor asks: everybody at once through the one transport, each with the same limit. What
 * comes later than that is not looked at any more.
 */
#include <string.h>

#include <apr_strings.h>

#include "doctor.h"

#define SLICE apr_time_from_msec(100)

/* ---- waiting --------------------------------------------------------------------------------- */

void doctor_wait_for(doctor_t *d, doctor_wait_t *w)
{
    w->until = cfmt_monotonic() + DOCTOR_LIMIT;
    APR_ARRAY_PUSH(d->waits, doctor_wait_t *) = w;
}

/* How long there is still to wait for anybody; 0 = for nobody. */
static apr_interval_time_t remaining(doctor_t *d)
{
    apr_interval_time_t left, most = 0;
    apr_time_t now = cfmt_monotonic();
    int i;

    for (i = 0; i < d->waits->nelts; i++) {
        doctor_wait_t *w = APR_ARRAY_IDX(d->waits, i, doctor_wait_t *);

        left = w->until - now;
        if (!w->over && left <= 0) {
            w->over = w->late = 1;
        }
        most = !w->over && left > most ? left : most;
    }
    return most;
}

void doctor_wait(doctor_t *d)
{
    apr_interval_time_t left;
    int ended;

    while ((left = remaining(d)) > 0) {
        if (cfmt_http_poll(d->http, NULL, 0, left < SLICE ? left : SLICE, &ended) != APR_SUCCESS) {
            return;
        }
    }
}

/* ---- a request ------------------------------------------------------------------------------- */

static apr_status_t take(void *baton, int code, const char *data, apr_size_t len)
{
    doctor_fetch_t *f = baton;

    (void)code;
    len = len < DOCTOR_BODY_MAX - f->len ? len : DOCTOR_BODY_MAX - f->len;
    memcpy(f->body + f->len, data, len);
    f->len += len;
    return APR_SUCCESS;
}

static void fetched(void *baton, const cfmt_http_answer_t *answer)
{
    doctor_fetch_t *f = baton;

    if (f->w.over) {
        return;
    }
    f->w.over = 1;
    f->a = *answer;
    f->a.detail = apr_pstrdup(f->p, answer->detail);
    f->a.content_type = apr_pstrdup(f->p, answer->content_type);
}

doctor_fetch_t *doctor_fetch(doctor_t *d, const cfmt_http_request_t *request)
{
    doctor_fetch_t *f = apr_pcalloc(d->p, sizeof(*f));
    cfmt_http_request_t rq = *request;

    f->p = d->p;
    f->body = apr_pcalloc(d->p, DOCTOR_BODY_MAX + 1);
    f->a.status = CFMT_ENET;
    f->a.detail = "no answer within 5s";
    rq.method = rq.method ? rq.method : "GET";
    rq.once = 1;
    rq.connect_limit = rq.total_limit = DOCTOR_LIMIT - SLICE; /* so that it says what hangs */
    rq.sink = take;
    rq.done = fetched;
    rq.baton = f;
    if (cfmt_http_start(d->http, &rq) != APR_SUCCESS) {
        return NULL;
    }
    doctor_wait_for(d, &f->w);
    return f;
}

/* ---- a call ---------------------------------------------------------------------------------- */

static apr_status_t take_row(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    doctor_ask_t *ask = baton;
    void *element;

    (void)which, (void)prow;
    if (!ask->read) {
        return APR_SUCCESS;
    }
    element = apr_array_push(ask->rows);
    if (ask->read(ask, element, row) != APR_SUCCESS) {
        apr_array_pop(ask->rows); /* the others may be readable */
    }
    return APR_SUCCESS;
}

static void asked(void *baton, const cfmt_api_result_t *result)
{
    doctor_ask_t *ask = baton;

    if (ask->w.over) {
        return;
    }
    ask->w.over = 1;
    ask->result = *result;
    ask->result.r.detail = apr_pstrdup(ask->d->p, result->r.detail);
    if (ask->then) {
        ask->then(ask);
    }
}

static void send_ask(doctor_ask_t *ask, const cfmt_api_call_t *call, const cfmt_api_conf_t *conf)
{
    cfmt_result_t r = { .status = CFMT_EINVALID };
    cfmt_api_t *api;
    apr_status_t rv = cfmt_api_create(&api, conf, ask->d->p);

    if (rv == APR_SUCCESS) {
        rv = cfmt_api_call(api, call, &r, ask->d->p);
    }
    if (rv == APR_SUCCESS) {
        doctor_wait_for(ask->d, &ask->w);
        return;
    }
    ask->w.over = 1;
    ask->result.r.status = rv;
    ask->result.r.detail = r.detail ? r.detail : "the URL, the account or the token is none";
}

doctor_ask_t *doctor_ask(doctor_t *d, const cfmt_api_call_t *call, const doctor_ask_t *like)
{
    doctor_ask_t *ask = apr_pmemdup(d->p, like, sizeof(*like));
    cfmt_api_call_t made = *call;
    const cfmt_api_conf_t conf = {
        .rest_url = apr_table_get(d->settings, "ApiUrl"),
        .graphql_url = apr_table_get(d->settings, "GraphqlUrl"),
        .account = apr_table_get(d->settings, "AccountId"), .token = d->token,
        .transport = d->http, .clock = d->ctl->demo.speed ? &d->ctl->demo.clock : NULL
    };

    ask->d = d;
    ask->result.r.status = CFMT_ENET;
    ask->result.r.detail = "no answer within 5s";
    made.row = take_row;
    made.done = asked;
    made.baton = ask;
    send_ask(ask, &made, &conf);
    return ask;
}

const char *doctor_ask_why(const doctor_ask_t *ask)
{
    const char *why = ask->result.r.detail;

    return why && *why ? why : cfmt_status_text(ask->result.r.status, ask->d->p);
}
