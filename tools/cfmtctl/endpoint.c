/*
 * Delivering to ourselves, the way Cloudflare does: to CfmtPublicUrl (or --url) with a secret that
 * httpd accepts. The secret goes into a header and nowhere else.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <apr_crypto.h>
#include <apr_strings.h>

#include "cfmt_cloudflare.h"
#include "endpoint.h"
#include "secret_file.h"

#define SECRET_MAX 1024
#define ANSWER_MAX 16384
#define LIMIT apr_time_from_sec(10)
#define STEP apr_time_from_msec(20)
#define SECRET "Secret " /* of a setting's name; the label is behind it */

/* ---- the secret ------------------------------------------------------------------------------ */

static apr_status_t wipe(void *secret)
{
    apr_crypto_memzero(secret, SECRET_MAX + 2);
    return APR_SUCCESS;
}

int ctl_endpoint_begin(ctl_endpoint_t *ep, const ctl_t *ctl)
{
    char *secret;
    ssize_t n = -1;
    int fd;

    memset(ep, 0, sizeof(*ep));
    if (!(ctl->given & OPT_SECRET_FILE)) {
        return CTL_DONE;
    }
    secret = apr_pcalloc(ctl->pool, SECRET_MAX + 2);
    apr_pool_cleanup_register(ctl->pool, secret, wipe, apr_pool_cleanup_null);
    fd = open(ctl->secret_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0) {
        n = read(fd, secret, SECRET_MAX + 1);
        close(fd);
    }
    if (n < 0) {
        ctl_complain(CFMT_ID(1180), "--secret-file %s: %s", ctl_text(ctl->pool, ctl->secret_file),
                     strerror(errno));
        return errno == EACCES ? CTL_DENIED : CTL_USAGE;
    }
    secret[strcspn(secret, "\r\n")] = '\0';
    if (!*secret || strlen(secret) > SECRET_MAX) {
        ctl_complain(CFMT_ID(1181), "--secret-file %s: its first line is no secret",
                     ctl_text(ctl->pool, ctl->secret_file));
        return CTL_USAGE;
    }
    ep->secret = secret;
    ep->label = ctl->secret_file;
    return CTL_DONE;
}

/* The first of the configured ones that can be read; *pwhy: of the last that cannot. */
static void find_secret(ctl_endpoint_t *ep, const ctl_world_t *w, const char **pwhy)
{
    const apr_array_header_t *all = apr_table_elts(w->settings);
    const char *why;
    int i;

    *pwhy = "no CfmtSecret is configured";
    for (i = 0; !ep->secret && i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);

        if (strncmp(e->key, SECRET, strlen(SECRET)) != 0) {
            continue;
        }
        ep->label = e->key + strlen(SECRET);
        if (strncmp(e->val, "file:", 5) != 0) {
            *pwhy = apr_psprintf(w->p, "label=%s is not a file: one", ctl_text(w->p, ep->label));
            continue;
        }
        ep->secret = ctl_secret_read(w->ctl, e->val + 5, &why, w->ctl->pool);
        *pwhy = ep->secret ? NULL : apr_psprintf(w->p, "%s: %s; %s", ctl_text(w->p, e->val + 5),
                                                 why, ctl_secret_remedy(w->settings, e->val + 5,
                                                                        w->p));
    }
}

static int no_secret(const char *why)
{
    ctl_complain(CFMT_ID(1182), "no secret can be read with these rights: %s; or name its file:"
                 " --secret-file PATH", why);
    return CTL_DENIED;
}

int ctl_endpoint_find(ctl_endpoint_t *ep, const ctl_world_t *w)
{
    const char *public_url = apr_table_get(w->settings, "PublicUrl"), *why = NULL;
    const char *auth = apr_table_get(w->settings, "Auth");

    ep->url = w->ctl->given & OPT_URL ? w->ctl->url : public_url;
    if (!ep->url) {
        ctl_complain(CFMT_ID(1183), "CfmtPublicUrl is not set, so where deliveries arrive is not"
                     " known: name it, as in --url http://127.0.0.1/mt-webhook");
        return CTL_USAGE;
    }
    if (cfmt_http_url_check(&why, ep->url, w->p) != APR_SUCCESS) {
        ctl_complain(CFMT_ID(1184), "%s: %s", ctl_text(w->p, ep->url), why);
        return CTL_USAGE;
    }
    ep->sign = auth && !strcmp(auth, "hmac");
    ep->senders = apr_table_get(w->settings, "Senders");
    ep->ca_file = apr_table_get(w->settings, "CaFile");
    ep->proxy = apr_table_get(w->settings, "Proxy");
    if (!ep->secret) {
        find_secret(ep, w, &why);
    }
    return ep->secret ? CTL_DONE : no_secret(why);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static const struct {
    const char *problem, *remedy;
} remedies[] = {
    { .problem = "sender", .remedy = "this host is none of CfmtSenders: add its address, which the"
                                     " error log names (CFMT0220)" },
    { .problem = "tls", .remedy = "plain HTTP is taken on a loopback address only: https, or"
                                  " CfmtRequireTLS off" },
    { .problem = "unauthorized", .remedy = "httpd knows another secret: reloaded since it was"
                                           " changed?" },
    { .problem = "signature", .remedy = "httpd knows another secret, or another time" },
    { .problem = "no-secret", .remedy = "no CfmtSecret could be read when httpd started: its error"
                                        " log says why" },
    { .problem = "store", .remedy = "see 'cfmtctl db check'" },
    { .problem = NULL, .remedy = "is this the Location of cfmt-webhook? see httpd's access and"
                                 " error log" }
};

static const char *remedy_of(const char *problem)
{
    apr_size_t i;

    for (i = 0; remedies[i].problem && (!problem || strcmp(problem, remedies[i].problem)); i++) {
    }
    return remedies[i].remedy;
}

/* What is no JSON is somebody else's page. */
static void understand(ctl_posted_t *posted, const char *text, apr_size_t len, apr_pool_t *p)
{
    static const cfmt_json_limits_t limits = { .depth = 4 };
    static const char urn[] = "urn:cfmt:problem:";
    cfmt_json_t *doc = NULL;
    const char *why, *type, *title;

    if (cfmt_json_parse(&doc, &why, text, len, &limits, p) != APR_SUCCESS) {
        doc = NULL;
    }
    posted->result = posted->code == 200 ? cfmt_json_text(doc, "status") : NULL;
    if (posted->result && cfmt_json_int(&posted->id, doc, "id") == APR_SUCCESS) {
        posted->status = APR_SUCCESS;
        return;
    }
    posted->status = CFMT_EREFUSED;
    posted->result = NULL;
    type = cfmt_json_text(doc, "type");
    type = type && !strncmp(type, urn, strlen(urn)) ? type + strlen(urn) : NULL;
    title = cfmt_json_text(doc, "title");
    posted->detail = apr_psprintf(p, "HTTP %d%s%s: %s", posted->code, title ? " " : "",
                                  title ? ctl_text(p, title) : "", remedy_of(type));
}

/* ---- posting --------------------------------------------------------------------------------- */

typedef struct call_t {
    apr_pool_t *p;
    ctl_posted_t *posted;
    char answer[ANSWER_MAX];
    apr_size_t len;
    int over;
} call_t;

static apr_status_t take(void *baton, int code, const char *data, apr_size_t len)
{
    call_t *c = baton;

    (void)code;
    len = len < ANSWER_MAX - c->len ? len : ANSWER_MAX - c->len;
    memcpy(c->answer + c->len, data, len);
    c->len += len;
    return APR_SUCCESS;
}

static void end(void *baton, const cfmt_http_answer_t *a)
{
    call_t *c = baton;

    c->over = 1;
    c->posted->took = a->took;
    c->posted->code = a->code;
    c->posted->status = a->status;
    if (a->status == APR_SUCCESS) {
        understand(c->posted, c->answer, c->len, c->p);
    }
    else {
        c->posted->detail = apr_pstrdup(c->p, a->detail);
    }
}

static void sign(cfmt_http_header_t *h, const ctl_endpoint_t *ep, const char *body, apr_pool_t *p)
{
    const char *at = apr_psprintf(p, "%" APR_TIME_T_FMT, apr_time_sec(apr_time_now()));
    const char *id = apr_psprintf(p, "cfmtctl-%ld-%" APR_TIME_T_FMT, (long)getpid(),
                                  apr_time_now());

    h[0] = (cfmt_http_header_t){ .name = "webhook-id", .value = id };
    h[1] = (cfmt_http_header_t){ .name = "webhook-timestamp", .value = at };
    h[2] = (cfmt_http_header_t){ .name = "webhook-signature", .secret = 1,
                                 .value = cfmt_signature_make(ep->secret, id, at, body,
                                                              strlen(body), p) };
}

static apr_status_t start(cfmt_http_t **ph, const ctl_endpoint_t *ep, const char *body, call_t *c)
{
    const cfmt_http_conf_t conf = { .ca_file = ep->ca_file, .proxy = ep->proxy };
    cfmt_http_header_t headers[5] = { { .name = "Content-Type", .value = "application/json" } };
    cfmt_http_request_t request = { .method = "POST", .url = ep->url, .headers = headers,
                                    .body = body, .len = strlen(body), .answer_max = ANSWER_MAX,
                                    .total_limit = LIMIT, .sink = take, .done = end, .baton = c,
                                    .once = 1 };
    apr_status_t rv = cfmt_http_global_begin();

    if (ep->sign) {
        sign(headers + 1, ep, body, c->p);
    }
    else {
        headers[1] = (cfmt_http_header_t){ .name = "cf-webhook-auth", .value = ep->secret,
                                           .secret = 1 };
    }
    rv = rv == APR_SUCCESS ? cfmt_http_create(ph, &conf, c->p) : rv;
    return rv == APR_SUCCESS ? cfmt_http_start(*ph, &request) : rv;
}

void ctl_post(ctl_posted_t *posted, const ctl_endpoint_t *ep, const char *body, apr_pool_t *p)
{
    call_t *c = apr_pcalloc(p, sizeof(*c));
    cfmt_http_t *http = NULL;
    int ended;

    memset(posted, 0, sizeof(*posted));
    c->p = p;
    c->posted = posted;
    posted->status = start(&http, ep, body, c);
    if (posted->status != APR_SUCCESS) {
        posted->detail = cfmt_status_text(posted->status, p);
        return;
    }
    while (!c->over && cfmt_http_poll(http, NULL, 0, STEP, &ended) == APR_SUCCESS) {
    }
    if (!c->over) {
        posted->status = CFMT_ENET;
        posted->detail = "libcurl fails";
    }
}

int ctl_posted_code(const ctl_posted_t *posted)
{
    return posted->status == APR_SUCCESS ? CTL_DONE
           : posted->code == 401 || posted->code == 403 ? CTL_DENIED : CTL_FAILED;
}
