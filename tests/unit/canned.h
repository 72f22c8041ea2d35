/*
 * What the tests of the API's client share: a client, and a server that gives one canned answer.
 */
#ifndef CFMT_CANNED_H
#define CFMT_CANNED_H

#include "cfmt_cloudflare.h"

#define S(n) apr_time_from_sec(n)
#define NOW S(1700000000)
#define TOKEN "v1.0-c0ffee-tokentokentoken_9X"

/* Of answers: heads, as canned_answer takes them, and bodies. */
#define JSON "\r\nContent-Type: application/json"
#define OK "200 OK" JSON
#define ENVELOPE(success, errors, result) \
    "{\"success\":" success ",\"errors\":" errors ",\"messages\":[],\"result\":" result "}"
#define ERROR(code, message) "[{\"code\":" code ",\"message\":\"" message "\"}]"
#define DATA(rows, errors) \
    "{\"data\":{\"viewer\":{\"accounts\":[{\"traffic\":" rows "}]}},\"errors\":" errors "}"

/* What came of the last call. */
typedef struct canned_seen_t {
    int done, rows, refuse; /* refuse: set by the test, rows are */
    cfmt_api_result_t r;
} canned_seen_t;

extern canned_seen_t canned_seen;
extern const char *canned_traces;       /* of the client */
extern apr_time_t canned_now;           /* what the clock says */
extern const cfmt_clock_t canned_clock;
extern char canned_request[];           /* the last one that the server read */

void canned_start(void);
void canned_stop(void);
int canned_calls(void);
/* head: the status line's rest and headers, without those of the length; lack: bytes missing. */
void canned_answer(const char *head, const char *body, apr_size_t lack);
void canned_json(const char *status, const char *body);

/* A client of the server; its clock is at NOW. */
cfmt_api_t *canned_api(void);
cfmt_api_call_t canned_rest(void);
cfmt_api_call_t canned_graphql(void);
/* Makes a call, and waits for its end. */
apr_status_t canned_call(cfmt_api_t *a, const cfmt_api_call_t *call, cfmt_result_t *r);
/* A call that can be made. */
void canned_fetch(cfmt_api_t *a, const cfmt_api_call_t *call);
cfmt_upstream_state_t canned_state(const cfmt_api_t *a, cfmt_upstream_e u);

#endif
