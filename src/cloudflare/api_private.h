/*
 * Private to api.c and answer.c: what came back from a call, before it is understood.
 */
#ifndef CFMT_API_PRIVATE_H
#define CFMT_API_PRIVATE_H

#include "cfmt_cloudflare.h"

typedef struct cfmt_answer_t {
    cfmt_upstream_e upstream;
    const char *token;                /* NULL = none was sent; hidden in what is quoted */
    int bare;                         /* "items" without an envelope will do */
    const cfmt_http_answer_t *http;
    apr_status_t parsed;              /* of the body; APR_EOF: there was none */
    const char *parse_error;          /* "" = none */
    int row_refused;                  /* the caller refused one */
    const cfmt_json_t *envelope;      /* NULL unless parsed */
} cfmt_answer_t;

/* 429 without a time: "all calls are refused for the next five minutes" (documented). */
#define CFMT_REFUSED_FOR apr_time_from_sec(300)
/* Nothing is waited for longer; a slip in a header must not silence us for good. */
#define CFMT_WAIT_MAX apr_time_from_sec(86400)

/*
 * Fills r (detail: at most 200 bytes, in p; not retry_at), code, error_code, partial, page,
 * per_page and total of *result; rows must be there already.
 */
void cfmt_answer_judge(cfmt_api_result_t *result, const cfmt_answer_t *answer, apr_pool_t *p);

#endif
