/*
 * Handler cfmt-webhook: the checks in their order, then the body, then one row in the journal. No
 * outbound I/O, no wait but for the body and the commit.
 */
#include "httpd_cfmt.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <http_ssl.h>

#define RETRY_AFTER "5"
#define NO_TS_WINDOW apr_time_from_sec(600)
/* A signature is good from five minutes before its timestamp to five after it. */
#define REPLAY_WINDOW apr_time_from_sec(600)
/*
 * Slots of rows whose dedupe key is not bound to the body's own time: negative, and a range for
 * each kind.
 */
#define SLOT_BODY(n) (-1 - (n))
#define SLOT_TAG(n) (-((apr_int64_t)1 << 40) - (n))

/* One delivery on its way. */
typedef struct visit_t {
    request_rec *r;
    const cfmt_generation_t *g;
    const cfmt_config_t *c;
    const char *sender;      /* address as text */
    const char *label;       /* of the secret that let it in */
    const char *id, *timestamp, *signatures; /* Standard Webhooks headers; NULL = absent */
    int signature_mode;      /* a signature must verify */
    const char *why;         /* for the log, when a check refused */
    cfmt_body_t *body;
} visit_t;

static const cfmt_problem_t sender_problem = {
    .status = HTTP_FORBIDDEN, .name = "sender", .title = "Sender not allowed"
};
static const cfmt_problem_t tls_problem = {
    .status = HTTP_FORBIDDEN, .name = "tls", .title = "TLS required"
};
static const cfmt_problem_t method_problem = {
    .status = HTTP_METHOD_NOT_ALLOWED, .name = "method", .title = "Method not allowed"
};
static const cfmt_problem_t no_secret_problem = {
    .status = HTTP_SERVICE_UNAVAILABLE, .name = "no-secret", .title = "No secret configured"
};
static const cfmt_problem_t type_problem = { .status = HTTP_UNSUPPORTED_MEDIA_TYPE,
                                             .name = "content-type",
                                             .title = "Content type is not JSON" };
static const cfmt_problem_t large_problem = {
    .status = HTTP_REQUEST_ENTITY_TOO_LARGE, .name = "too-large", .title = "Body too large"
};
static const cfmt_problem_t unauthorized_problem = {
    .status = HTTP_UNAUTHORIZED, .name = "unauthorized", .title = "Secret missing or wrong"
};
static const cfmt_problem_t signature_problem = {
    .status = HTTP_UNAUTHORIZED, .name = "signature", .title = "Signature missing or wrong"
};
static const cfmt_problem_t json_problem = {
    .status = HTTP_BAD_REQUEST, .name = "not-json", .title = "Body is not an acceptable JSON object"
};
static const cfmt_problem_t store_problem = {
    .status = HTTP_SERVICE_UNAVAILABLE, .name = "store", .title = "Delivery cannot be stored now"
};

/* ---- checks before the body, in the order of the manual: NULL = passed ----------------------- */

static const cfmt_problem_t *check_sender(visit_t *v)
{
    const apr_sockaddr_t *sa = v->r->useragent_addr;
    const cfmt_senders_t *senders = cfmt_ranges_senders();
    cfmt_cidr_t host;

    if (sa && cfmt_cidr_from_bytes(&host, sa->ipaddr_ptr, (apr_size_t)sa->ipaddr_len) == APR_SUCCESS
        && cfmt_senders_allow(senders, &host)) {
        return NULL;
    }
    v->why = apr_psprintf(v->r->pool, "'CfmtSenders %s %s' would admit it",
                          cfmt_senders_text(senders, v->r->pool), v->sender);
    return &sender_problem;
}

/* By the address that the client connected to: plain HTTP there never leaves this host. */
static int on_loopback(const conn_rec *c)
{
    const apr_sockaddr_t *sa = c->local_addr;
    cfmt_cidr_t host;

    if (!sa
        || cfmt_cidr_from_bytes(&host, sa->ipaddr_ptr, (apr_size_t)sa->ipaddr_len) != APR_SUCCESS) {
        return 0;
    }
    return host.family == 4 ? host.addr[0] == 127
                            : !memcmp(host.addr, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
}

static int over_tls(conn_rec *c)
{
    return ap_ssl_conn_is_ssl(c) || (c->master && ap_ssl_conn_is_ssl(c->master));
}

static const cfmt_problem_t *check_tls(visit_t *v)
{
    if (!cfmt_config_require_tls(v->c) || over_tls(v->r->connection)
        || on_loopback(v->r->connection)) {
        return NULL;
    }
    v->why = "plain HTTP; 'CfmtRequireTLS off' would admit it";
    return &tls_problem;
}

static const cfmt_problem_t *check_method(visit_t *v)
{
    if (v->r->method_number == M_POST) {
        return NULL;
    }
    apr_table_setn(v->r->headers_out, "Allow", "POST");
    v->why = "only POST delivers";
    return &method_problem;
}

static const cfmt_problem_t *check_configured(visit_t *v)
{
    if (cfmt_secrets_count(v->g->secrets) > 0) {
        return NULL;
    }
    v->why = "no CfmtSecret is usable";
    return &no_secret_problem;
}

/* application/json or application/SOMETHING+json, parameters ignored. */
static int is_json_type(const char *type)
{
    apr_size_t len = type ? strcspn(type, ";") : 0;

    while (len && apr_isspace(type[len - 1])) {
        len--;
    }
    if (len == 16 && !ap_cstr_casecmpn(type, "application/json", 16)) {
        return 1;
    }
    return len > 17 && !ap_cstr_casecmpn(type, "application/", 12)
           && !ap_cstr_casecmpn(type + len - 5, "+json", 5);
}

static const cfmt_problem_t *check_type(visit_t *v)
{
    if (is_json_type(apr_table_get(v->r->headers_in, "Content-Type"))) {
        return NULL;
    }
    v->why = "Content-Type is not application/json";
    return &type_problem;
}

static const cfmt_problem_t *check_length(visit_t *v)
{
    const char *text = apr_table_get(v->r->headers_in, "Content-Length");
    apr_int64_t n;

    if (!text
        || cfmt_int_parse(&n, text, 0, (apr_int64_t)cfmt_config_max_body(v->c)) == APR_SUCCESS) {
        return NULL;
    }
    v->why = "Content-Length is over CfmtMaxBody";
    return &large_problem;
}

static const cfmt_problem_t *unauthorized(visit_t *v, const cfmt_problem_t *problem,
                                          const char *why)
{
    apr_table_setn(v->r->headers_out, "WWW-Authenticate",
                   problem == &signature_problem ? "Webhook-Signature realm=\"cfmt\""
                                                 : "Cf-Webhook-Auth realm=\"cfmt\"");
    v->why = why;
    return problem;
}

/*
 * Static secret. In mode either a signature header means signature mode, without a way back; a
 * static secret that is there too must be right as well.
 */
static const cfmt_problem_t *check_secret(visit_t *v)
{
    const char *presented = apr_table_get(v->r->headers_in, "cf-webhook-auth");
    cfmt_auth_e auth = cfmt_config_auth(v->c);

    v->id = apr_table_get(v->r->headers_in, "webhook-id");
    v->timestamp = apr_table_get(v->r->headers_in, "webhook-timestamp");
    v->signatures = apr_table_get(v->r->headers_in, "webhook-signature");
    v->signature_mode = auth == CFMT_AUTH_HMAC
                        || (auth == CFMT_AUTH_EITHER && (v->id || v->timestamp || v->signatures));
    if (v->signature_mode && (auth == CFMT_AUTH_HMAC || !presented)) {
        return NULL;
    }
    if (!presented) {
        return unauthorized(v, &unauthorized_problem, "no cf-webhook-auth");
    }
    v->label = cfmt_secrets_match(v->g->secrets, presented);
    return v->label ? NULL
                    : unauthorized(v, &unauthorized_problem, "cf-webhook-auth fits no CfmtSecret");
}

static const cfmt_problem_t *(*const checks[])(visit_t *) = {
    check_sender, check_tls, check_method, check_configured, check_type, check_length, check_secret,
};

static const cfmt_problem_t *check_head(visit_t *v)
{
    const cfmt_problem_t *problem = NULL;
    apr_size_t i;

    for (i = 0; !problem && i < sizeof(checks) / sizeof(checks[0]); i++) {
        problem = checks[i](v);
    }
    return problem;
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void log_refusal(visit_t *v, const char *name)
{
    int suppressed, yes = cfmt_noise_refusal(&suppressed);

    if (suppressed) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, v->r,
                      CFMT_ID(0221) "%d more refusals were not logged", suppressed);
    }
    if (yes) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, v->r,
                      CFMT_ID(0220) "delivery from %s refused: %s: %s", v->sender, name, v->why);
    }
}

static int refuse(visit_t *v, const cfmt_problem_t *problem, const char *detail, int body_left)
{
    log_refusal(v, problem->name);
    return cfmt_problem_answer(v->r, problem, detail, body_left);
}

/* ---- the body and its signature -------------------------------------------------------------- */

/*
 * True with the body, else *panswer is the handler's: the client failed to send it, which is
 * nobody's error here.
 */
static int read_body(visit_t *v, int *panswer)
{
    cfmt_problem_t incomplete = { .name = "incomplete", .title = "Body incomplete or malformed" };
    int status = cfmt_body_read(&v->body, v->r, cfmt_config_max_body(v->c));

    if (status == OK) {
        return 1;
    }
    if (status == HTTP_REQUEST_ENTITY_TOO_LARGE) {
        v->why = "the body is over CfmtMaxBody (or LimitRequestBody)";
        *panswer = refuse(v, &large_problem, NULL, 1);
        return 0;
    }
    v->why = "the body did not come to its end";
    if (ap_is_HTTP_ERROR(status)) {
        incomplete.status = status;
        *panswer = refuse(v, &incomplete, NULL, 1);
        return 0;
    }
    log_refusal(v, incomplete.name); /* a filter has answered, or nobody listens any more */
    apr_table_setn(v->r->notes, CFMT_NOTE_RESULT, incomplete.name);
    v->r->connection->keepalive = AP_CONN_CLOSE;
    *panswer = status;
    return 0;
}

static const cfmt_problem_t *check_signature(visit_t *v)
{
    static const char *const words[] = {
        [CFMT_SIG_MISSING] = "a webhook-* header is missing",
        [CFMT_SIG_MALFORMED] = "a webhook-* header is malformed",
        [CFMT_SIG_EXPIRED] = "webhook-timestamp is more than five minutes off",
        [CFMT_SIG_MISMATCH] = "no signature fits a CfmtSecret",
    };
    cfmt_sig_e rc;

    if (!v->signature_mode) {
        return NULL;
    }
    rc = cfmt_signature_verify(&v->label, v->g->secrets, v->id, v->timestamp, v->signatures,
                               v->body->data, v->body->len, apr_time_now(), v->r->pool);
    return rc == CFMT_SIG_OK ? NULL : unauthorized(v, &signature_problem, words[rc]);
}

/* ---- storing --------------------------------------------------------------------------------- */

static apr_status_t submit(visit_t *v, cfmt_entry_t *e)
{
    apr_interval_time_t limit = cfmt_config_duration(v->c, CFMT_DURATION_COMMIT_TIMEOUT);
    apr_status_t rv = cfmt_child_submit(e, limit);

    if (!cfmt_noise_store(rv)) {
        return rv;
    }
    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, v->r,
                      CFMT_ID(0223) "the store fails and deliveries are answered 503: %s (%s)",
                      cfmt_status_text(rv, v->r->pool), cfmt_status_name(rv));
    }
    else {
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, v->r,
                      CFMT_ID(0224) "deliveries are stored again");
    }
    return rv;
}

/* Cut to n bytes at most, not inside a character of a text that is UTF-8. */
static apr_size_t cut(const char *s, apr_size_t len, apr_size_t n)
{
    if (len <= n) {
        return len;
    }
    len = n;
    while (n && len - n < 4 && (s[n] & 0xC0) == 0x80) {
        n--;
    }
    return (s[n] & 0xC0) == 0x80 ? len : n;
}

/*
 * Its sender was genuine, so the body is worth a look later. The answer is 400 whether this works
 * or not.
 */
static void keep_rejected(visit_t *v)
{
    apr_size_t len = cut(v->body->data, v->body->len, CFMT_REJECTED_BODY_MAX);
    cfmt_entry_t e = {
        .kind = "rejected",
        .at = cfmt_clock_now(v->g->clock),
        .origin = v->sender,
        .label = v->label,
        .body = v->body->data,
        .len = len,
        .binary = memchr(v->body->data, '\0', len) || !cfmt_text_is_utf8(v->body->data, len),
    };

    if (submit(v, &e) == APR_SUCCESS) {
        apr_table_setn(v->r->notes, CFMT_NOTE_ID,
                       apr_psprintf(v->r->pool, "%" APR_INT64_T_FMT, e.id));
    }
    else {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, v->r,
                      CFMT_ID(0225) "a rejected body from %s could not be kept", v->sender);
    }
}

/* Where to look for the same delivery, and since when it counts as the same. */
static void set_dedupe(cfmt_entry_t *e, const visit_t *v, const cfmt_delivery_t *d)
{
    apr_interval_time_t window = cfmt_config_duration(v->c, CFMT_DURATION_DEDUPE);

    e->has_dedupe = !d->is_test;
    e->dedupe = d->digest;
    if (v->signature_mode) {
        window = window > REPLAY_WINDOW ? window : REPLAY_WINDOW;
        e->tag = v->id;
        e->dedupe = cfmt_digest64(v->id, strlen(v->id));
        e->slot = SLOT_TAG(e->at / window);
        e->slot2 = e->slot + 1;
    }
    else if (d->has_ts) {
        e->slot = e->slot2 = apr_time_sec(d->ts);
    }
    else {
        window = window < NO_TS_WINDOW ? window : NO_TS_WINDOW;
        e->slot = SLOT_BODY(e->at / window);
        e->slot2 = e->slot + 1;
    }
    e->dup_since = e->at - window;
}

static int answer_stored(visit_t *v, const cfmt_entry_t *e, const cfmt_delivery_t *d)
{
    const char *result = e->duplicate ? "duplicate" : d->is_test ? "test"
                         : d->is_drill ? "drill" : "stored";
    apr_pool_t *p = v->r->pool;
    const char *type = d->alert_type ? d->alert_type : "-", *state = d->state ? d->state : "-";

    apr_table_setn(v->r->notes, CFMT_NOTE_RESULT, result);
    apr_table_setn(v->r->notes, CFMT_NOTE_ID, apr_psprintf(p, "%" APR_INT64_T_FMT, e->id));
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, v->r,
                  CFMT_ID(0222) "delivery %" APR_INT64_T_FMT
                                " %s: type %s, state %s, from %s, secret %s",
                  e->id, result, cfmt_text_escape(p, type, strlen(type), 80),
                  cfmt_text_escape(p, state, strlen(state), 40), v->sender, v->label);
    return cfmt_json_answer(
        v->r, HTTP_OK,
        apr_psprintf(p, "{\"status\":\"%s\",\"id\":%" APR_INT64_T_FMT "}", result, e->id));
}

static int store(visit_t *v, const cfmt_delivery_t *d)
{
    cfmt_entry_t e = {
        .kind = d->is_drill ? "drill" : "delivery",
        .at = cfmt_clock_now(v->g->clock),
        .origin = v->sender,
        .label = v->label,
        .body = v->body->data,
        .len = v->body->len,
    };
    apr_status_t rv;

    set_dedupe(&e, v, d);
    rv = submit(v, &e);
    if (rv == APR_SUCCESS) {
        return answer_stored(v, &e, d);
    }
    apr_table_setn(v->r->headers_out, "Retry-After", RETRY_AFTER);
    return cfmt_problem_answer(
        v->r, &store_problem,
        apr_pstrcat(v->r->pool, "the store: ", cfmt_status_text(rv, v->r->pool), NULL), 0);
}

/* ---- the handler ----------------------------------------------------------------------------- */

static int receive(visit_t *v)
{
    const cfmt_problem_t *problem = check_head(v);
    cfmt_delivery_t d;
    const char *why;
    int status;

    if (problem) {
        return refuse(v, problem, NULL, cfmt_request_has_body(v->r) && !cfmt_body_skip(v->r));
    }
    if (!read_body(v, &status)) {
        return status;
    }
    problem = check_signature(v);
    if (problem) {
        return refuse(v, problem, NULL, 0);
    }
    if (cfmt_delivery_parse(&d, &why, v->body->data, v->body->len, v->r->pool) != APR_SUCCESS) {
        keep_rejected(v);
        v->why = cfmt_text_escape(v->r->pool, why, strlen(why), 200);
        return refuse(v, &json_problem, v->why, 0);
    }
    return store(v, &d);
}

int cfmt_webhook_handler(request_rec *r)
{
    visit_t v = { .r = r, .g = cfmt_generation(), .label = "-" };

    if (!r->handler || strcmp(r->handler, "cfmt-webhook")) {
        return DECLINED;
    }
    if (!v.g) {
        return HTTP_SERVICE_UNAVAILABLE;
    }
    v.c = v.g->conf;
    v.sender = r->useragent_ip ? r->useragent_ip : "-";
    return receive(&v);
}
