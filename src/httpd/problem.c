/*
 * Answers: JSON of our own, and refusals as problem details (RFC 9457). httpd's ErrorDocument is
 * not asked: senders are programs.
 */
#include "httpd_cfmt.h"

#include <apr_strings.h>
#include <http_protocol.h>

int cfmt_request_has_body(const request_rec *r)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");

    return apr_table_get(r->headers_in, "Transfer-Encoding")
           || (length && strcmp(length, "0"));
}

static int answer(request_rec *r, int status, const char *type, const char *text)
{
    r->status = status;
    apr_table_unset(r->headers_in, "Range"); /* a part of an answer is none */
    ap_set_content_type(r, type);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    ap_set_content_length(r, (apr_off_t)strlen(text));
    ap_rputs(text, r);
    return OK; /* not the status: httpd would add a page of its own */
}

int cfmt_json_answer(request_rec *r, int status, const char *json)
{
    return answer(r, status, "application/json", apr_pstrcat(r->pool, json, "\n", NULL));
}

int cfmt_problem_answer(request_rec *r, const cfmt_problem_t *problem, const char *detail,
                        int body_left)
{
    const char *text;

    if (body_left) {
        /*
         * httpd reads the rest of a body before it ends a request on a connection that stays open:
         * a client that waits for our answer first would wait for ever. On a connection that closes
         * it does not.
         */
        r->connection->keepalive = AP_CONN_CLOSE;
    }
    apr_table_setn(r->notes, CFMT_NOTE_RESULT, problem->name);
    text = apr_psprintf(
        r->pool, "{\"type\":\"urn:cfmt:problem:%s\",\"title\":%s,\"status\":%d%s%s}\n",
        problem->name, cfmt_json_quote(r->pool, problem->title), problem->status,
        detail ? ",\"detail\":" : "", detail ? cfmt_json_quote(r->pool, detail) : "");
    return answer(r, problem->status, "application/problem+json", text);
}
