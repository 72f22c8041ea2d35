/*
 * Room cloudflare: the way out. http.c moves bytes (one curl multi, never blocks), resolve.c looks
 * names up, api.c turns calls into one result (envelope, errors, budget, breaker), the other files
 * know what is asked and what the answers mean. Nothing here touches the store or decides anything.
 */
#ifndef CFMT_CLOUDFLARE_H
#define CFMT_CLOUDFLARE_H

#include <poll.h>

#include "cfmt_intake.h"
#include "cfmt_world.h"

/* ---- http.c: the transport ------------------------------------------------------------------- */

/*
 * A handle belongs to one thread. All transfers go through its one multi handle; nothing blocks but
 * cfmt_http_poll, and that no longer than told. TLS is verified, only https is spoken (http to
 * loopback addresses), no redirect is followed, no proxy is taken from the environment.
 */
typedef struct cfmt_http_t cfmt_http_t;

typedef struct cfmt_http_conf_t {
    const char *ca_file;   /* PEM; NULL = the system's */
    const char *proxy;     /* URL; NULL = none */
    const cfmt_log_t *log; /* TRACE shows the wire, secret headers hidden */
} cfmt_http_conf_t;

/*
 * Once a process, before threads, balanced by cfmt_http_global_end; calls may be repeated.
 */
apr_status_t cfmt_http_global_begin(void);
void cfmt_http_global_end(void);

/* CFMT_EINVALID: a URL that cfmt_http_start would refuse (scheme, credentials, no host). */
apr_status_t cfmt_http_url_check(const char **pwhy, const char *url, apr_pool_t *p);
/* Its host; *pshown: with the port where it is not the usual one. NULL: it would be refused. */
const char *cfmt_http_url_host(const char **pshown, const char *url, apr_pool_t *p);

/* Dies with p: transfers under way are aborted, their done is not called. */
apr_status_t cfmt_http_create(cfmt_http_t **ph, const cfmt_http_conf_t *conf, apr_pool_t *p);

typedef struct cfmt_http_header_t {
    const char *name, *value;
    int secret; /* shown as "***" in every trace */
} cfmt_http_header_t;

/* How a transfer ended. Text lives until done returns. */
typedef struct cfmt_http_answer_t {
    /*
     * APR_SUCCESS: a whole answer, whatever its code. CFMT_ENET: none (name, connection, TLS, time
     * over, reset, cut short). CFMT_EANSWER: larger than allowed, no HTTP, or the sink refused it.
     */
    apr_status_t status;
    const char *detail;            /* sentence for people when status is an error; no secrets */
    int sent;                      /* the whole request is out: the other side may have acted */
    int code;                      /* 0 = none came */
    const char *content_type, *etag, *ratelimit, *ratelimit_policy; /* NULL = absent */
    apr_interval_time_t retry_after; /* of the header, seconds or date; < 0 = absent */
    apr_time_t date;               /* the server's clock; 0 = absent */
    apr_interval_time_t took;      /* from start to end */
    apr_size_t bytes;              /* of the body */
    int unresolved;                /* no address of the host (of that family) was to be had */
    int reached;                   /* somebody took the connection; perhaps without TLS */
    int os_error;                  /* errno of a connection that was not had; 0 = not known */
    apr_time_t certificate_until;  /* connect_only: the server's ends then; 0 = not known */
} cfmt_http_answer_t;

typedef struct cfmt_http_request_t {
    const char *method;                /* "GET", "PATCH", "POST" */
    const char *url;
    const char *secret;                /* part of url, shown as "***"; NULL = nothing of it */
    const cfmt_http_header_t *headers; /* ended by name == NULL; may be NULL */
    const char *body;                  /* NULL = none */
    apr_size_t len;
    apr_size_t answer_max;             /* bytes; 0 = 1 MiB */
    apr_interval_time_t connect_limit, stall_limit, total_limit; /* 0 = 5, 15, 30 s */
    /* A piece of the body; not APR_SUCCESS: end the transfer with CFMT_EANSWER. NULL = dropped. */
    apr_status_t (*sink)(void *baton, int code, const char *data, apr_size_t len);
    /* Once, from cfmt_http_poll, never from cfmt_http_start. May start another transfer. */
    void (*done)(void *baton, const cfmt_http_answer_t *answer);
    void *baton;
    /*
     * Never sent twice (PATCH: always so). Others are repeated, by libcurl and once, when a
     * connection that was used before breaks without a byte of an answer.
     */
    int once;
    int family;       /* 4, 6: only by addresses of that kind, on a new connection; 0 = by any */
    int connect_only; /* ends when the connection stands, with TLS: nothing is asked, code is 0 */
} cfmt_http_request_t;

/* Copies what it needs. On an error (CFMT_EINVALID: url refused) done is not called. */
apr_status_t cfmt_http_start(cfmt_http_t *h, const cfmt_http_request_t *request);
/* Transfers that have not ended. */
int cfmt_http_pending(const cfmt_http_t *h);
/*
 * The one wait: until something moved, one of fds (revents filled as by poll) is ready, or timeout
 * is over; moves all transfers and calls done of those that ended. *pended: how many did.
 */
apr_status_t cfmt_http_poll(cfmt_http_t *h, struct pollfd *fds, int nfds,
                            apr_interval_time_t timeout, int *pended);

/* ---- resolve.c: names without blocking ------------------------------------------------------- */

/*
 * libcurl's own look-up thread is joined when a transfer is removed: measured, a dead resolver
 * blocked the poll for 8 s (CURLOPT_QUICK_EXIT ends that only from 7.87 on). So names are looked up
 * by glibc's getaddrinfo_a and given to libcurl as addresses, both families, in the order of
 * getaddrinfo. Answers are kept for 60 s, failures for 5 s; an address that was good before is used
 * for up to an hour when the resolver fails.
 */
typedef struct cfmt_resolver_t cfmt_resolver_t;

cfmt_resolver_t *cfmt_resolver_create(apr_pool_t *p);
/*
 * APR_SUCCESS: *paddresses is "192.0.2.1,2001:db8::1" in p. APR_EAGAIN: under way, ask again within
 * some 10 ms. CFMT_ENET: no such name or no answer; *pwhy says which. now is monotonic. A numeric
 * host is its own answer.
 */
apr_status_t cfmt_resolver_find(cfmt_resolver_t *r, const char **paddresses, const char **pwhy,
                                const char *host, apr_time_t now, apr_pool_t *p);
/* Look-ups under way. */
int cfmt_resolver_pending(const cfmt_resolver_t *r);

/* ---- budget.c, breaker.c: pure --------------------------------------------------------------- */

/*
 * A token bucket that follows the answers: half of the quota at once, the other half over the
 * window, so that no window holds more than the quota. Rates: Cloudflare refuses everything for
 * 5 min beyond 1,200 REST calls or 300 GraphQL queries in 5 min (README 2.3), and the account's
 * other programs draw on the same budget. The reserve is for actions: polling stops before it is
 * touched.
 */
typedef struct cfmt_budget_t {
    double quota, window_s; /* as configured or as Ratelimit-Policy says */
    double left;            /* at `at` */
    apr_time_t at;
    double reserve;         /* calls that only actions may use */
    apr_time_t blocked_until; /* retry-after of a 429; 0 = not blocked */
    double said;            /* the header's r= less our calls since; counts until reset_at */
    apr_time_t reset_at;    /* of the header's t=; 0 = not said or over */
} cfmt_budget_t;

void cfmt_budget_init(cfmt_budget_t *b, double quota, apr_interval_time_t window, double reserve,
                      apr_time_t now);
/* Takes one call. 0: taken. Else when to ask again (after now). */
apr_time_t cfmt_budget_take(cfmt_budget_t *b, int action, apr_time_t now);
/* What the answer's headers say; retry_after < 0 = none. Malformed ones are ignored. */
void cfmt_budget_heed(cfmt_budget_t *b, const char *ratelimit, const char *policy,
                      apr_interval_time_t retry_after, int refused, apr_time_t now);
/* Calls that could be made now, reserve included. */
double cfmt_budget_left(const cfmt_budget_t *b, apr_time_t now);

typedef enum { CFMT_BREAKER_CLOSED, CFMT_BREAKER_OPEN, CFMT_BREAKER_HALF } cfmt_breaker_e;
const char *cfmt_breaker_name(cfmt_breaker_e b); /* "closed" "open" "half-open" */

/*
 * One an upstream. Opens after CFMT_BREAKER_FAILS failures in a row (no answer, unintelligible,
 * 5xx) or at once when the token is refused; then one probe after 10 s, doubling to 5 min (token:
 * 1 min, doubling to 15 min); a success closes it.
 */
#define CFMT_BREAKER_FAILS 3
typedef struct cfmt_breaker_t {
    cfmt_breaker_e state;
    int fails;            /* in a row */
    int opened;           /* times in a row: of the back-off */
    apr_time_t since;     /* of this state */
    apr_time_t probe_at;  /* OPEN: the next probe is due */
    apr_time_t last_ok;   /* 0 = never */
    apr_status_t why;     /* the last failure */
} cfmt_breaker_t;

/* 0: a call may be made (HALF: the one probe, now under way). Else when to ask again. */
apr_time_t cfmt_breaker_allow(cfmt_breaker_t *b, apr_time_t now);
/* A probe that showed nothing: the next call is one, and the pauses stay as long as they were. */
void cfmt_breaker_pass(cfmt_breaker_t *b, apr_time_t now);
/* How a call ended. CFMT_ELIMIT, EREFUSED: the upstream lives. */
void cfmt_breaker_note(cfmt_breaker_t *b, apr_status_t rv, apr_time_t now);

/* ---- api.c, answer.c: a call and its one result ---------------------------------------------- */

typedef enum { CFMT_UPSTREAM_REST, CFMT_UPSTREAM_GRAPHQL, CFMT_UPSTREAMS } cfmt_upstream_e;
const char *cfmt_upstream_name(cfmt_upstream_e u); /* "rest" "graphql" */

#define CFMT_API_URL "https://api.cloudflare.com/client/v4"
#define CFMT_GRAPHQL_URL "https://api.cloudflare.com/client/v4/graphql"

typedef struct cfmt_api_conf_t {
    const char *rest_url, *graphql_url; /* NULL: the public ones */
    const char *account;                /* CfmtAccountId */
    const char *token;                  /* the value; wiped by its owner */
    cfmt_http_conf_t http;
    cfmt_http_t *transport;             /* shared with others; NULL: one of its own, by http */
    const cfmt_clock_t *clock;          /* budgets and breakers live in this time */
} cfmt_api_conf_t;

typedef struct cfmt_api_t cfmt_api_t;

/* Dies with p, and all calls with it. */
apr_status_t cfmt_api_create(cfmt_api_t **pa, const cfmt_api_conf_t *conf, apr_pool_t *p);
cfmt_http_t *cfmt_api_http(cfmt_api_t *a);
const char *cfmt_api_account(const cfmt_api_t *a);

/* How a call ended. Text lives until done returns. */
typedef struct cfmt_api_result_t {
    /*
     * status: APR_SUCCESS, CFMT_ENET, EANSWER, ESERVER, ELIMIT, EAUTH, EREFUSED. retry_at: when the
     * upstream lets us, 0 = no idea. A GraphQL dataset out of this token's or plan's reach is
     * EREFUSED: the others still answer.
     */
    cfmt_result_t r;
    int code;               /* HTTP; 0 = none */
    apr_int64_t error_code; /* errors[0].code; 0 = none */
    apr_int64_t rows;       /* handed to row */
    int partial;            /* GraphQL: rows and errors (status is an error then) */
    apr_int64_t page, per_page, total; /* result_info; 0 = not said */
    const char *etag;
    apr_interval_time_t skew; /* our clock minus the server's Date, +- a second; 0 = unknown */
} cfmt_api_result_t;

typedef struct cfmt_api_call_t {
    cfmt_upstream_e upstream;
    const char *method;       /* NULL = GET, or POST for GraphQL */
    const char *path;         /* REST: "/ips"; ids in it have passed cfmt_id_ok */
    const char *body;         /* JSON; NULL = none */
    /*
     * Where rows stand in the answer, ended by NULL: "result", "result.gre_tunnels",
     * "data.viewer.accounts.0.traffic". An array gives a row each, an object is one row.
     */
    const char *const *rows;
    /*
     * which: index into rows. prow is cleared after it. Not APR_SUCCESS: CFMT_EANSWER. Rows come
     * before anyone knows how the call ends: only done says whether they count.
     */
    apr_status_t (*row)(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow);
    void (*done)(void *baton, const cfmt_api_result_t *result);
    void *baton;
    int action;               /* may use the budget's reserve */
    int anonymous;            /* no token: /ips */
    apr_size_t answer_max;    /* bytes; 0 = 1 MiB */
} cfmt_api_call_t;

/*
 * Starts a call; its memory is copied. CFMT_ELIMIT, CFMT_EBREAKER (r->retry_at says when) and
 * CFMT_EINVALID: nothing was sent and done is not called. REST: success needs HTTP 2xx and
 * "success": true (the CNI API has no envelope: rows "items" and 2xx). GraphQL: `errors` must be
 * null, absent or empty.
 */
apr_status_t cfmt_api_call(cfmt_api_t *a, const cfmt_api_call_t *call, cfmt_result_t *r,
                           apr_pool_t *p);
/* Whether it would be made now, by the upstream and `action` of the call; changes nothing. */
apr_status_t cfmt_api_may(const cfmt_api_t *a, const cfmt_api_call_t *call, cfmt_result_t *r,
                          apr_pool_t *p);
/* {"query": ..., "variables": {...}} in p; variables is a JSON object. */
const char *cfmt_api_query(const char *query, const char *variables, apr_pool_t *p);

/* What health and cfmtctl show of an upstream. */
typedef struct cfmt_upstream_state_t {
    cfmt_breaker_t breaker;
    double left, quota;
    apr_time_t blocked_until; /* 0 = not */
    const char *detail;       /* of the last failure; "" = none */
    apr_interval_time_t skew;
} cfmt_upstream_state_t;
void cfmt_api_state(const cfmt_api_t *a, cfmt_upstream_e u, cfmt_upstream_state_t *state);

/* ---- what is asked, and what answers mean: pure ---------------------------------------------- */

/* 32 hex digits, or a UUID: what may enter a path. */
int cfmt_id_ok(const char *id);

/* Row functions: an answer's row becomes a struct in p. CFMT_EINVALID: a needed member is missing
 * or not of its type; *pwhy says which. Unknown members are tolerated. */

/* prefixes.c: GET /accounts/A/addressing/prefixes, then .../P/bgp/prefixes of each */
const char *cfmt_prefixes_path(const char *account, apr_pool_t *p);
const char *cfmt_bgp_prefixes_path(const char *account, const char *parent, apr_pool_t *p);
/* Only id, description, approved of *parent are filled (as id, description, approved). */
apr_status_t cfmt_prefix_parent_read(cfmt_bgp_prefix_t *parent, const char **pwhy,
                                     const cfmt_json_t *row, apr_pool_t *p);
apr_status_t cfmt_bgp_prefix_read(cfmt_bgp_prefix_t *b, const char **pwhy,
                                  const cfmt_bgp_prefix_t *parent, const cfmt_json_t *row,
                                  apr_pool_t *p);

/* token.c: GET /user/tokens/verify, then /accounts/A/tokens/verify (README 2.1) */
const char *cfmt_token_path(const char *account, int of_account, apr_pool_t *p);
apr_status_t cfmt_token_read(cfmt_token_t *t, const char **pwhy, const cfmt_json_t *row,
                             apr_pool_t *p);

/* ranges.c: GET /ips */
typedef struct cfmt_ranges_t {
    const char *etag;
    apr_array_header_t *cidrs; /* cfmt_cidr_t, sorted, distinct */
} cfmt_ranges_t;
apr_status_t cfmt_ranges_read(cfmt_ranges_t *g, const char **pwhy, const cfmt_json_t *row,
                              apr_pool_t *p);
/*
 * NULL: believable. Else why not: fewer than 5 IPv4 or 2 IPv6, one shorter than /8 or v6 /20, a
 * private or reserved one, or over half of the compiled ones gone.
 */
const char *cfmt_ranges_absurd(const cfmt_ranges_t *g, apr_pool_t *p);

/* tunnels.c: GET .../magic/{gre_tunnels,ipsec_tunnels,cf_interconnects}, health by GraphQL */
const char *cfmt_tunnels_path(cfmt_tunnel_e kind, const char *account, apr_pool_t *p);
const char *cfmt_tunnels_rows(cfmt_tunnel_e kind); /* "result.gre_tunnels", ... */
const char *cfmt_tunnel_kind_name(cfmt_tunnel_e kind); /* "gre" "ipsec" "interconnect" */
apr_status_t cfmt_tunnel_read(cfmt_tunnel_t *t, const char **pwhy, cfmt_tunnel_e kind,
                              const cfmt_json_t *row, apr_pool_t *p);
#define CFMT_TUNNEL_HEALTH_ROWS "data.viewer.accounts.0.health"
/* The body of the query for readings in [since, until). */
const char *cfmt_tunnel_health_query(const char *account, apr_time_t since, apr_time_t until,
                                     apr_pool_t *p);
/* A row of it; up to two a tunnel: colos that had traffic for it and colos that had not. */
typedef struct cfmt_tunnel_health_t {
    const char *name;
    int active;      /* -1 = not said */
    double state;    /* 0 .. 1 mean of the group; -1 = not said */
    double count;    /* results in the group; -1 = not said */
} cfmt_tunnel_health_t;
apr_status_t cfmt_tunnel_health_read(cfmt_tunnel_health_t *h, const char **pwhy,
                                     const cfmt_json_t *row, apr_pool_t *p);
/*
 * Sets active and health of the tunnel from all readings (cfmt_tunnel_health_t) that name it: the
 * mean weighted by count, active when any is. None: not said.
 */
void cfmt_tunnel_health_add(cfmt_tunnel_t *t, const apr_array_header_t *readings);

/* rules.c: GET /accounts/A/mnm/rules, alerting/v3/policies, alerting/v3/destinations/webhooks */
const char *cfmt_rules_path(const char *account, apr_pool_t *p);
apr_status_t cfmt_rule_read(cfmt_rule_t *rule, const char **pwhy, const cfmt_json_t *row,
                            apr_pool_t *p);
const char *cfmt_policies_path(const char *account, apr_pool_t *p);
apr_status_t cfmt_notice_policy_read(cfmt_notice_policy_t *np, const char **pwhy,
                                     const cfmt_json_t *row, apr_pool_t *p);
const char *cfmt_destinations_path(const char *account, apr_pool_t *p);
apr_status_t cfmt_destination_read(cfmt_destination_t *d, const char **pwhy,
                                   const cfmt_json_t *row, apr_pool_t *p);
/*
 * Alert types that matter to Magic Transit on demand (const char *, DOMAIN.md section 3) that no
 * enabled policy sends to a webhook destination of ours (url equal to public_url; NULL: to any).
 */
apr_array_header_t *cfmt_alerts_unsent(const apr_array_header_t *policies,
                                       const apr_array_header_t *destinations,
                                       const char *public_url, apr_pool_t *p);

/* history.c: GET /accounts/A/alerting/v3/history */
const char *cfmt_history_path(const char *account, apr_time_t since, int page, apr_pool_t *p);
apr_status_t cfmt_notice_read(cfmt_notice_t *n, const char **pwhy, const cfmt_json_t *row,
                              apr_pool_t *p);
/*
 * Indices (int, in p) into notices (cfmt_notice_t, webhooks only count) of those that no delivery
 * in stored (cfmt_delivered_t) answers for, one to one: first alert_body equal to the body, then
 * same policy and type and at most 300 s apart, nearest first. Order of the inputs does not matter.
 */
apr_array_header_t *cfmt_history_missed(const apr_array_header_t *notices,
                                        const apr_array_header_t *stored, apr_pool_t *p);

/* ---- analytics.c, analytics_query.c: dropped and passed traffic, by minute ------------------- */

/* What the account's plan allows (GraphQL `settings`), read daily. */
typedef struct cfmt_analytics_limits_t {
    int page;                       /* maxPageSize: rows of an answer */
    apr_interval_time_t duration;   /* maxDuration: of a query's time range */
    apr_interval_time_t history;    /* notOlderThan */
} cfmt_analytics_limits_t;
#define CFMT_ANALYTICS_LIMITS_DEFAULT \
    { .page = 10000, .duration = apr_time_from_sec(86400), \
      .history = apr_time_from_sec(31 * 86400) }
const char *cfmt_analytics_limits_query(const char *account, apr_pool_t *p);
#define CFMT_ANALYTICS_LIMITS_ROWS "data.viewer.accounts.0.settings"
apr_status_t cfmt_analytics_limits_read(cfmt_analytics_limits_t *l, const char **pwhy,
                                        const cfmt_json_t *row);

/* A piece of what is wanted: all of these prefixes, all of these minutes. */
typedef struct cfmt_traffic_piece_t {
    apr_time_t from, to;          /* whole minutes; to is exclusive */
    apr_array_header_t *prefixes; /* cfmt_cidr_t */
    int without_passed;           /* passed traffic is not asked for: it is in every minute */
} cfmt_traffic_piece_t;

/*
 * The query's body. Rows come by minute, subnet (/24, /48: what analytics have), outcome and
 * system; prefixes that hold too many subnets for that (v4 shorter than /18, v6 shorter than /44)
 * are asked for as sums, one alias each, so that carpet bombing cannot cut the answer. A prefix
 * longer than its subnet is judged by the subnet that covers it. Sums of v6 /17 to /23 and /33 to
 * /39 take in more of the account than the prefix (analytics_query.c says why).
 */
const char *cfmt_traffic_query(const char *account, const cfmt_traffic_piece_t *piece, int limit,
                               apr_pool_t *p);
/* The row paths of that query for cfmt_api_call_t, ended by NULL: "which" counts in them. */
const char *const *cfmt_traffic_rows(const cfmt_traffic_piece_t *piece, apr_pool_t *p);

/* What one answer says, as it comes in; lives in p. */
typedef struct cfmt_traffic_reading_t cfmt_traffic_reading_t;
cfmt_traffic_reading_t *cfmt_traffic_reading(const cfmt_traffic_piece_t *piece, int limit,
                                             apr_pool_t *p);
/* A row of it. CFMT_EINVALID and *pwhy: it cannot be understood. */
apr_status_t cfmt_traffic_take(cfmt_traffic_reading_t *r, const char **pwhy, int which,
                               const cfmt_json_t *row);
/* As many rows as the limit: some are missing. */
int cfmt_traffic_cut(const cfmt_traffic_reading_t *r);
/*
 * Start of the newest minute of which the account has a row at all; 0 = it has none. Looked for
 * from an hour before the piece's end until ten minutes behind it.
 */
apr_time_t cfmt_traffic_watermark(const cfmt_traffic_reading_t *r);
/* The sums of one prefix (index into the piece's) in one minute; zeros when there was no row. */
const cfmt_traffic_t *cfmt_traffic_of(const cfmt_traffic_reading_t *r, int prefix,
                                      apr_time_t minute);
/*
 * Two halves of a piece whose answer was cut: of its time, else of its prefixes. 0 = it cannot be
 * halved (one minute of one prefix).
 */
int cfmt_traffic_halve(cfmt_traffic_piece_t halves[2], const cfmt_traffic_piece_t *piece,
                       apr_pool_t *p);

#endif
