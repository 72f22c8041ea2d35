/*
 * What an answer means: HTTP status, Cloudflare's envelope and GraphQL's errors become one status
 * and one sentence (shared facts: README 2.2, 2.3; graphql-datasets.md, "Errors").
 */
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "cloudflare/api_private.h"

#define DETAIL_MAX 200
/* So many of its first bytes betray a token, e.g. in a message that cuts it. */
#define TOKEN_HINT 8

/* ---- words ----------------------------------------------------------------------------------- */

/* How many bytes at text are the token or the beginning of it; 0 = too few to matter. */
static apr_size_t token_at(const char *text, const char *token)
{
    apr_size_t n = 0;

    while (token[n] && text[n] == token[n]) {
        n++;
    }
    return !token[n] || n >= TOKEN_HINT ? n : 0;
}

static const char *hide_token(const char *text, const char *token, apr_pool_t *p)
{
    char *out, *to;
    apr_size_t n;

    if (!token || !*token) {
        return text;
    }
    to = out = apr_palloc(p, strlen(text) * 3 + 1);
    while (*text) {
        n = token_at(text, token);
        if (n) {
            memcpy(to, "***", 3);
            to += 3;
            text += n;
        }
        else {
            *to++ = *text++;
        }
    }
    *to = '\0';
    return out;
}

/* Their words, safe to show. */
static const char *quoted(const cfmt_answer_t *a, const char *text, apr_size_t max, apr_pool_t *p)
{
    text = hide_token(text, a->token, p);
    return cfmt_text_escape(p, text, strlen(text), max);
}

/* "WHAT (HTTP 403, code 10000): MESSAGE" */
static void conclude(cfmt_api_result_t *result, const cfmt_answer_t *a, apr_status_t rv,
                     const char *what, const char *message, apr_pool_t *p)
{
    const char *head = apr_psprintf(p, "%s (HTTP %d", what, a->http->code);

    if (result->error_code) {
        head = apr_psprintf(p, "%s, code %" APR_INT64_T_FMT, head, result->error_code);
    }
    head = apr_pstrcat(p, head, message && *message ? "): " : ")", NULL);
    if (message && *message) {
        message = quoted(a, message, DETAIL_MAX - strlen(head), p);
    }
    cfmt_result_set(&result->r, p, rv, "%s%s", head, message ? message : "");
}

/* ---- Cloudflare's own errors ----------------------------------------------------------------- */

static const cfmt_json_t *errors_of(const cfmt_answer_t *a)
{
    const cfmt_json_t *errors = cfmt_json_get(a->envelope, "errors");

    return errors && errors->type == CFMT_JSON_ARRAY ? errors->child : NULL;
}

static void read_code(cfmt_api_result_t *result, const cfmt_json_t *error)
{
    if (cfmt_json_int(&result->error_code, error, "code") != APR_SUCCESS) {
        result->error_code = 0;
    }
}

typedef struct known_t {
    const char *words;
    int anywhere; /* not only at the beginning */
    apr_status_t rv;
} known_t;

/*
 * GraphQL says what is wrong in words, the HTTP status is not to be relied upon. A dataset that the
 * plan or the token does not reach is no refusal of the token: the others still answer.
 */
static const known_t graphql_errors[] = {
    {"unable to execute query", 0, CFMT_ESERVER},
    {"too many queries in progress", 0, CFMT_ESERVER},
    {"internal server error", 0, CFMT_ESERVER},
    {"rate limiter budget depleted", 0, CFMT_ELIMIT},
    {"in combination, your request queries too many", 0, CFMT_EREFUSED},
    {"query consumed excessive resources", 0, CFMT_EREFUSED},
    {"not authorized for that account", 1, CFMT_EREFUSED},
    {"does not have access to the path", 1, CFMT_EREFUSED},
    {"are not authorized", 1, CFMT_EREFUSED},
    {"unauthorized", 0, CFMT_EAUTH},
};

static int has_words(const char *text, const char *words, int anywhere)
{
    apr_size_t n = strlen(words);

    do {
        if (strncasecmp(text, words, n) == 0) {
            return 1;
        }
    } while (anywhere && *text++);
    return 0;
}

/* By its words, else by the HTTP status. */
static apr_status_t graphql_status(const char *message, int code)
{
    apr_size_t i;

    for (i = 0; message && i < sizeof(graphql_errors) / sizeof(graphql_errors[0]); i++) {
        if (has_words(message, graphql_errors[i].words, graphql_errors[i].anywhere)) {
            return graphql_errors[i].rv;
        }
    }
    return code == 401 || code == 403 ? CFMT_EAUTH
           : code == 429              ? CFMT_ELIMIT
           : code >= 500              ? CFMT_ESERVER
                                      : CFMT_EREFUSED;
}

/* 9109 and 10000 say that the token is no good for this, whatever the HTTP status. */
static apr_status_t rest_status(apr_int64_t error_code, int code)
{
    return code == 429 ? CFMT_ELIMIT
           : code >= 500 ? CFMT_ESERVER
           : code == 401 || code == 403 || error_code == 9109 || error_code == 10000
               ? CFMT_EAUTH
               : CFMT_EREFUSED;
}

static const char *sentence(apr_status_t rv, int code)
{
    switch (rv) {
    case CFMT_EAUTH:
        return code == 403 ? "Cloudflare does not let this token do that"
                           : "Cloudflare refuses the token";
    case CFMT_ELIMIT:
        return "over Cloudflare's limit of calls";
    case CFMT_ESERVER:
        return "Cloudflare failed";
    default:
        return "Cloudflare refused the request";
    }
}

static void judge_rest_error(cfmt_api_result_t *result, const cfmt_answer_t *a, apr_pool_t *p)
{
    const cfmt_json_t *error = errors_of(a);
    apr_status_t rv;

    read_code(result, error);
    rv = rest_status(result->error_code, a->http->code);
    conclude(result, a, rv, sentence(rv, a->http->code), cfmt_json_text(error, "message"), p);
}

/* Of several errors the first that is more than a refusal of this query. */
static void judge_graphql_error(cfmt_api_result_t *result, const cfmt_answer_t *a, apr_pool_t *p)
{
    const cfmt_json_t *e, *worst = errors_of(a);
    apr_status_t rv = graphql_status(cfmt_json_text(worst, "message"), a->http->code);

    for (e = worst; e && rv == CFMT_EREFUSED; e = e->next) {
        rv = graphql_status(cfmt_json_text(e, "message"), a->http->code);
        worst = rv == CFMT_EREFUSED ? worst : e;
    }
    read_code(result, worst);
    result->partial = result->rows > 0;
    conclude(result, a, rv,
             result->partial ? apr_pstrcat(p, "only a part came: ", sentence(rv, a->http->code),
                                           NULL)
                             : sentence(rv, a->http->code),
             cfmt_json_text(worst, "message"), p);
}

/* ---- what is no answer of Cloudflare's API --------------------------------------------------- */

static int is_json(const char *type)
{
    return !type || has_words(type, "json", 1);
}

/* An answer in another language comes from something between; only its status can be believed. */
static void judge_foreign(cfmt_api_result_t *result, const cfmt_answer_t *a, apr_pool_t *p)
{
    int code = a->http->code;
    apr_status_t rv = code >= 500 ? CFMT_ESERVER
                      : code == 429 ? CFMT_ELIMIT
                      : code == 401 ? CFMT_EAUTH
                                    : CFMT_EANSWER;

    if (a->parsed == APR_EOF) {
        rv = code >= 400 ? rest_status(0, code) : rv;
        conclude(result, a, rv, code >= 400 ? sentence(rv, code) : "an empty answer", NULL, p);
    }
    else if (!is_json(a->http->content_type)) {
        conclude(result, a, rv, "an answer that is not of Cloudflare's API", a->http->content_type,
                 p);
    }
    else {
        conclude(result, a, rv, "an answer that is no JSON", a->parse_error, p);
    }
}

/* ---- judgement ------------------------------------------------------------------------------- */

static apr_int64_t number_of(const cfmt_json_t *object, const char *name)
{
    apr_int64_t n;

    return cfmt_json_int(&n, object, name) == APR_SUCCESS && n > 0 ? n : 0;
}

static void read_pages(cfmt_api_result_t *result, const cfmt_json_t *envelope)
{
    const cfmt_json_t *info = cfmt_json_get(envelope, "result_info");

    result->page = number_of(info, "page");
    result->per_page = number_of(info, "per_page");
    result->total = number_of(info, "total_count");
}

static int is_type(const cfmt_json_t *object, const char *name, cfmt_json_e type)
{
    const cfmt_json_t *member = cfmt_json_get(object, name);

    return member && member->type == type;
}

/* A 2xx with a body that is JSON. */
static void judge_rest(cfmt_api_result_t *result, const cfmt_answer_t *a, apr_pool_t *p)
{
    const cfmt_json_t *success = cfmt_json_get(a->envelope, "success");

    if (success && success->type == CFMT_JSON_BOOL && !success->flag) {
        judge_rest_error(result, a, p);
    }
    else if (success ? success->type == CFMT_JSON_BOOL
                     : a->bare && is_type(a->envelope, "items", CFMT_JSON_ARRAY)) {
        read_pages(result, a->envelope);
        cfmt_result_set(&result->r, p, APR_SUCCESS, "%s", "");
    }
    else {
        conclude(result, a, CFMT_EANSWER, "an answer without Cloudflare's envelope", NULL, p);
    }
}

/* An account that the token does not reach may also be left out without a word. */
static int lacks_account(const cfmt_json_t *envelope)
{
    const cfmt_json_t *accounts = cfmt_json_get(
        cfmt_json_get(cfmt_json_get(envelope, "data"), "viewer"), "accounts");

    return accounts && accounts->type == CFMT_JSON_ARRAY && !accounts->child;
}

static void judge_graphql(cfmt_api_result_t *result, const cfmt_answer_t *a, apr_pool_t *p)
{
    const cfmt_json_t *errors = cfmt_json_get(a->envelope, "errors");

    if (errors_of(a)) {
        judge_graphql_error(result, a, p);
    }
    else if ((errors && errors->type != CFMT_JSON_NULL && errors->type != CFMT_JSON_ARRAY)
             || !is_type(a->envelope, "data", CFMT_JSON_OBJECT)) {
        conclude(result, a, CFMT_EANSWER, "an answer without data", NULL, p);
    }
    else if (lacks_account(a->envelope)) {
        conclude(result, a, CFMT_EANSWER, "an answer without the account", NULL, p);
    }
    else {
        cfmt_result_set(&result->r, p, APR_SUCCESS, "%s", "");
    }
}

void cfmt_answer_judge(cfmt_api_result_t *result, const cfmt_answer_t *a, apr_pool_t *p)
{
    int code = a->http->code, fine = code >= 200 && code < 300;
    int cut = a->http->status != APR_SUCCESS && !a->row_refused && !*a->parse_error;

    result->code = code;
    if (!code || (cut && code < 400)) {
        cfmt_result_set(&result->r, p, a->http->status, "%s",
                        quoted(a, a->http->detail ? a->http->detail : "", DETAIL_MAX, p));
    }
    else if (a->row_refused) {
        conclude(result, a, CFMT_EANSWER, "a row of the answer cannot be used", NULL, p);
    }
    else if (code >= 300 && code < 400) {
        conclude(result, a, CFMT_EANSWER, "a redirect, which is not followed", NULL, p);
    }
    else if (!a->envelope || !is_json(a->http->content_type)) {
        judge_foreign(result, a, p);
    }
    else if (a->upstream == CFMT_UPSTREAM_GRAPHQL) {
        (fine ? judge_graphql : judge_graphql_error)(result, a, p);
    }
    else {
        (fine ? judge_rest : judge_rest_error)(result, a, p);
    }
}
