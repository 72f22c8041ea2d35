/*
 * A call to Cloudflare and its one result: breaker and budget before it, the token with it, the
 * answer read as a stream and judged after it.
 */
#include <string.h>

#include <apr_crypto.h>
#include <apr_strings.h>

#include "cloudflare/api_private.h"

/* README 2.3: 1,200 REST calls and 300 GraphQL queries in five minutes. */
#define WINDOW apr_time_from_sec(300)
#define DEPTH_MAX 32
/* A monitoring rule may name 5,000 prefixes. */
#define ROW_BYTES_MAX (1024 * 1024)
#define ENVELOPE_BYTES_MAX (256 * 1024)
/* For so long a success shows that the token as such is good. */
#define TOKEN_SHOWN apr_time_from_sec(300)

typedef struct upstream_t {
    const char *url;
    cfmt_budget_t budget;
    cfmt_breaker_t breaker;
    char detail[256]; /* of the last failure */
    apr_interval_time_t skew;
} upstream_t;

struct cfmt_api_t {
    apr_pool_t *p;
    cfmt_api_conf_t conf;
    cfmt_http_t *http;
    upstream_t upstreams[CFMT_UPSTREAMS];
};

typedef struct call_t {
    cfmt_api_t *a;
    apr_pool_t *p; /* dies with the call */
    cfmt_api_call_t call;
    apr_time_t started;
    cfmt_json_stream_t *stream;
    int row_refused;
} call_t;

const char *cfmt_upstream_name(cfmt_upstream_e u)
{
    return u == CFMT_UPSTREAM_GRAPHQL ? "graphql" : "rest";
}

/* ---- what may be sent ------------------------------------------------------------------------ */

static int is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

int cfmt_id_ok(const char *id)
{
    apr_size_t len = id ? strlen(id) : 0, i;

    if (len != 32 && len != 36) {
        return 0;
    }
    for (i = 0; i < len; i++) {
        int dash = len == 36 && (i == 8 || i == 13 || i == 18 || i == 23);

        if (dash ? id[i] != '-' : !is_hex(id[i])) {
            return 0;
        }
    }
    return 1;
}

/* Nothing that would end a line of the head, or leave the place it was meant for. */
static int is_graphic(const char *text)
{
    for (; *text; text++) {
        if (*text <= ' ' || *text > '~') {
            return 0;
        }
    }
    return 1;
}

static int path_ok(const cfmt_api_call_t *call)
{
    const char *path = call->path;

    return call->upstream == CFMT_UPSTREAM_GRAPHQL
               ? call->body != NULL
               : path && *path == '/' && is_graphic(path) && !strstr(path, "..")
                     && !strchr(path, '#');
}

const char *cfmt_api_query(const char *query, const char *variables, apr_pool_t *p)
{
    return apr_pstrcat(p, "{\"query\":", cfmt_json_quote(p, query), ",\"variables\":", variables,
                       "}", NULL);
}

/* ---- birth ----------------------------------------------------------------------------------- */

static const char *base_url(const char *url, const char *other, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, url ? url : other);
    apr_size_t len = strlen(copy);

    while (len > 0 && copy[len - 1] == '/') {
        copy[--len] = '\0';
    }
    return copy;
}

apr_status_t cfmt_api_create(cfmt_api_t **pa, const cfmt_api_conf_t *conf, apr_pool_t *p)
{
    cfmt_api_t *a = apr_pcalloc(p, sizeof(*a));
    apr_time_t now = cfmt_clock_now(conf->clock);

    *pa = NULL;
    if ((conf->account && !cfmt_id_ok(conf->account))
        || (conf->token && (!*conf->token || !is_graphic(conf->token)))) {
        return CFMT_EINVALID;
    }
    a->p = p;
    a->conf = *conf;
    a->upstreams[CFMT_UPSTREAM_REST].url = base_url(conf->rest_url, CFMT_API_URL, p);
    a->upstreams[CFMT_UPSTREAM_GRAPHQL].url = base_url(conf->graphql_url, CFMT_GRAPHQL_URL, p);
    cfmt_budget_init(&a->upstreams[CFMT_UPSTREAM_REST].budget, 1200, WINDOW, 60, now);
    cfmt_budget_init(&a->upstreams[CFMT_UPSTREAM_GRAPHQL].budget, 300, WINDOW, 30, now);
    *pa = a;
    a->http = conf->transport;
    return a->http ? APR_SUCCESS : cfmt_http_create(&a->http, &conf->http, p);
}

cfmt_http_t *cfmt_api_http(cfmt_api_t *a)
{
    return a->http;
}

const char *cfmt_api_account(const cfmt_api_t *a)
{
    return a->conf.account;
}

void cfmt_api_state(const cfmt_api_t *a, cfmt_upstream_e u, cfmt_upstream_state_t *state)
{
    const upstream_t *up = &a->upstreams[u];
    apr_time_t now = cfmt_clock_now(a->conf.clock);

    state->breaker = up->breaker;
    state->left = cfmt_budget_left(&up->budget, now);
    state->quota = up->budget.quota;
    state->blocked_until = up->budget.blocked_until > now ? up->budget.blocked_until : 0;
    state->detail = up->detail;
    state->skew = up->skew;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static apr_status_t on_row(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    call_t *c = baton;
    apr_status_t rv = c->call.row ? c->call.row(c->call.baton, which, row, prow) : APR_SUCCESS;

    c->row_refused = rv != APR_SUCCESS;
    return rv;
}

/* Only a success has rows. What cannot be read is not worth waiting for, but other codes tell. */
static apr_status_t on_piece(void *baton, int code, const char *data, apr_size_t len)
{
    call_t *c = baton;
    int fine = code >= 200 && code < 300;
    cfmt_json_stream_conf_t conf = {
        .rows = fine ? c->call.rows : NULL, .row = on_row, .baton = c, .depth = DEPTH_MAX,
        .row_max = ROW_BYTES_MAX, .envelope_max = ENVELOPE_BYTES_MAX,
    };
    apr_status_t rv;

    if (!c->stream) {
        c->stream = cfmt_json_stream_create(&conf, c->p);
    }
    rv = cfmt_json_stream_feed(c->stream, data, len);
    return fine ? rv : APR_SUCCESS;
}

/*
 * Our clock less theirs: Date was written some time between our start and now, in that second. Of
 * all differences that explain it the smallest, which is never 0: that means unknown.
 */
static apr_interval_time_t skew_of(apr_time_t started, apr_time_t now, apr_time_t date)
{
    apr_interval_time_t most = now - date;
    apr_interval_time_t least = (started < now ? started : now) - date - APR_USEC_PER_SEC;

    return !date ? 0 : least > 0 ? least : most < 0 ? most : 1;
}

/*
 * A user's token and an account's are verified at different places, and each place refuses the
 * other's though it is good (README 2.1).
 */
static int shows_nothing(const call_t *c, apr_status_t rv)
{
    const char *path = c->call.path ? c->call.path : "";
    apr_size_t len = strlen(path), tail = strlen("/tokens/verify");

    return rv == CFMT_EAUTH && len > tail && !strcmp(path + len - tail, "/tokens/verify");
}

/*
 * What the breaker is to think. Of the token: a refusal of one operation (403) while others succeed
 * is a permission that it lacks. Of the upstream: it lives when we do not like its rows.
 */
static apr_status_t seen_by_breaker(const call_t *c, const upstream_t *up, apr_status_t rv,
                                    int code, apr_time_t now)
{
    int shown = up->breaker.last_ok && now - up->breaker.last_ok < TOKEN_SHOWN;

    if (rv == CFMT_EAUTH && code != 401 && shown) {
        return CFMT_EREFUSED;
    }
    /* Without a token it proves nothing of it. */
    return c->row_refused || (rv == APR_SUCCESS && c->call.anonymous) ? CFMT_EREFUSED : rv;
}

/* While the token is refused, calls that need none are neither kept back nor taken for a probe. */
static int passes_by(const upstream_t *up, const cfmt_api_call_t *call)
{
    return call->anonymous && up->breaker.state != CFMT_BREAKER_CLOSED
           && up->breaker.why == CFMT_EAUTH;
}

/*
 * A 429 to a change may be about that prefix alone ("withdrawn less than 15 minutes ago"): the
 * caller waits, reading goes on, and is told soon enough if it is the limit of calls.
 */
static int is_change(const call_t *c)
{
    return c->call.upstream == CFMT_UPSTREAM_REST && c->call.method
           && strcmp(c->call.method, "GET") != 0;
}

static void heed(call_t *c, upstream_t *up, cfmt_api_result_t *result,
                 const cfmt_http_answer_t *http, apr_time_t now)
{
    apr_status_t rv = result->r.status;
    int limit = rv == CFMT_ELIMIT;
    apr_interval_time_t wait = http->retry_after < 0 && limit ? CFMT_REFUSED_FOR
                                                              : http->retry_after;
    /* A 429 is obeyed; a failure that asks for a day must not keep us blind for one. */
    apr_interval_time_t most = limit ? CFMT_WAIT_MAX : CFMT_REFUSED_FOR;

    cfmt_budget_heed(&up->budget, http->ratelimit, http->ratelimit_policy, http->retry_after,
                     limit && !is_change(c), now);
    if (shows_nothing(c, rv)) {
        cfmt_breaker_pass(&up->breaker, now);
    }
    else if (!passes_by(up, &c->call)) {
        cfmt_breaker_note(&up->breaker, seen_by_breaker(c, up, rv, result->code, now), now);
    }
    if (rv != APR_SUCCESS && wait >= 0) {
        result->r.retry_at = now + (wait < most ? wait : most);
    }
    if (up->breaker.probe_at > result->r.retry_at) {
        result->r.retry_at = up->breaker.probe_at;
    }
}

static void remember(upstream_t *up, const cfmt_api_result_t *result)
{
    if (result->skew) {
        up->skew = result->skew;
    }
    if (result->r.status != APR_SUCCESS) {
        apr_cpystrn(up->detail, result->r.detail, sizeof(up->detail));
    }
}

static void read_body(call_t *c, cfmt_answer_t *answer)
{
    answer->parsed = APR_EOF;
    answer->parse_error = "";
    if (!c->stream) {
        return;
    }
    answer->parsed = answer->http->status == APR_SUCCESS
                         ? cfmt_json_stream_end(c->stream, &answer->envelope)
                         : CFMT_EINVALID; /* the end is missing */
    answer->parse_error = cfmt_json_stream_error(c->stream);
}

static int wants_items(const cfmt_api_call_t *call)
{
    return call->rows && call->rows[0] && !strcmp(call->rows[0], "items");
}

static void on_done(void *baton, const cfmt_http_answer_t *http)
{
    call_t *c = baton;
    upstream_t *up = &c->a->upstreams[c->call.upstream];
    apr_time_t now = cfmt_clock_now(c->a->conf.clock);
    cfmt_api_result_t result = {.etag = http->etag};
    cfmt_answer_t answer = {
        .upstream = c->call.upstream, .token = c->a->conf.token, .bare = wants_items(&c->call),
        .http = http, .row_refused = c->row_refused,
    };

    read_body(c, &answer);
    result.rows = c->stream ? cfmt_json_stream_rows(c->stream) : 0;
    result.skew = skew_of(c->started, now, http->date);
    cfmt_answer_judge(&result, &answer, c->p);
    heed(c, up, &result, http, now);
    remember(up, &result);
    c->call.done(c->call.baton, &result);
    apr_pool_destroy(c->p);
}

/* ---- the call -------------------------------------------------------------------------------- */

static const char *const *copy_rows(const char *const *rows, apr_pool_t *p)
{
    const char **copy;
    int n = 0, i;

    while (rows && rows[n]) {
        n++;
    }
    copy = apr_pcalloc(p, (apr_size_t)(n + 1) * sizeof(*copy));
    for (i = 0; i < n; i++) {
        copy[i] = apr_pstrdup(p, rows[i]);
    }
    return copy;
}

static call_t *make_call(cfmt_api_t *a, const cfmt_api_call_t *call, apr_time_t now)
{
    apr_pool_t *p;
    call_t *c;

    apr_pool_create(&p, a->p);
    apr_pool_tag(p, "cfmt_api_call");
    c = apr_pcalloc(p, sizeof(*c));
    c->a = a;
    c->p = p;
    c->call = *call;
    c->call.path = apr_pstrdup(p, call->path);
    c->call.method = apr_pstrdup(p, call->method);
    c->call.rows = copy_rows(call->rows, p);
    c->started = now;
    return c;
}

static apr_status_t send_call(call_t *c)
{
    const cfmt_api_call_t *call = &c->call;
    int graphql = call->upstream == CFMT_UPSTREAM_GRAPHQL, n = 0;
    char *bearer = apr_pstrcat(c->p, "Bearer ", call->anonymous ? "" : c->a->conf.token, NULL);
    cfmt_http_header_t headers[4] = {{0}};
    cfmt_http_request_t request = {
        .method = call->method ? call->method : graphql ? "POST" : "GET",
        .url = apr_pstrcat(c->p, c->a->upstreams[call->upstream].url, graphql ? "" : call->path,
                           NULL),
        .headers = headers, .body = call->body, .len = call->body ? strlen(call->body) : 0,
        .answer_max = call->answer_max, .sink = on_piece, .done = on_done, .baton = c,
    };
    apr_status_t rv;

    headers[n++] = (cfmt_http_header_t){.name = "Accept", .value = "application/json"};
    if (!call->anonymous) {
        headers[n++] = (cfmt_http_header_t){.name = "Authorization", .value = bearer, .secret = 1};
    }
    if (call->body) {
        headers[n++] = (cfmt_http_header_t){.name = "Content-Type", .value = "application/json"};
    }
    rv = cfmt_http_start(c->a->http, &request);
    apr_crypto_memzero(bearer, strlen(bearer));
    c->call.body = NULL; /* the transport has copied it, its owner may free it */
    return rv;
}

static apr_status_t start(cfmt_api_t *a, const cfmt_api_call_t *call, cfmt_result_t *r,
                          apr_time_t now, apr_pool_t *p)
{
    call_t *c = make_call(a, call, now);
    apr_status_t rv = send_call(c);

    if (rv != APR_SUCCESS) {
        apr_pool_destroy(c->p);
        return cfmt_result_set(r, p, rv, "the %s URL cannot be asked",
                               cfmt_upstream_name(call->upstream));
    }
    return cfmt_result_set(r, p, APR_SUCCESS, "%s", "");
}

static apr_status_t put_off(cfmt_result_t *r, apr_status_t rv, const upstream_t *up,
                            apr_time_t when, apr_pool_t *p)
{
    if (rv == CFMT_EBREAKER) {
        cfmt_result_set(r, p, rv, "not asked after %d failures in a row; the last one: %s",
                        up->breaker.fails, up->detail);
    }
    else {
        cfmt_result_set(r, p, rv, "%s",
                        up->budget.blocked_until
                            ? "Cloudflare wants no calls for the time being"
                            : "our share of Cloudflare's limit of calls is used up");
    }
    if (r) {
        r->retry_at = when;
    }
    return rv;
}

/* By breaker and budget, which count it. */
static apr_status_t admit(upstream_t *up, const cfmt_api_call_t *call, cfmt_result_t *r,
                          apr_time_t now, apr_pool_t *p)
{
    cfmt_breaker_t breaker = up->breaker;
    apr_time_t when = passes_by(up, call) ? 0 : cfmt_breaker_allow(&up->breaker, now);

    if (when) {
        return put_off(r, CFMT_EBREAKER, up, when, p);
    }
    when = cfmt_budget_take(&up->budget, call->action, now);
    if (when) {
        up->breaker = breaker; /* the probe did not set out */
        return put_off(r, CFMT_ELIMIT, up, when, p);
    }
    return APR_SUCCESS;
}

apr_status_t cfmt_api_may(const cfmt_api_t *a, const cfmt_api_call_t *call, cfmt_result_t *r,
                          apr_pool_t *p)
{
    upstream_t copy = a->upstreams[call->upstream];

    return admit(&copy, call, r, cfmt_clock_now(a->conf.clock), p);
}

apr_status_t cfmt_api_call(cfmt_api_t *a, const cfmt_api_call_t *call, cfmt_result_t *r,
                           apr_pool_t *p)
{
    upstream_t *up = &a->upstreams[call->upstream];
    cfmt_breaker_t breaker = up->breaker;
    apr_time_t now = cfmt_clock_now(a->conf.clock);
    apr_status_t rv;

    if (!path_ok(call) || !call->done || (!call->anonymous && !a->conf.token)) {
        return cfmt_result_set(r, p, CFMT_EINVALID, "%s",
                               a->conf.token ? "not a call that can be made" : "there is no token");
    }
    rv = admit(up, call, r, now, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = start(a, call, r, now, p);
    if (rv != APR_SUCCESS) {
        up->breaker = breaker;
    }
    return rv;
}
