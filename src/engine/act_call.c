/*
 * PATCHes under way: asked, answered, forgotten. What they are for is act.c's.
 */
#include <apr_strings.h>

#include "decide.h"

static void answered(void *baton, const cfmt_api_result_t *result)
{
    cfmt_deed_call_t *call = baton;

    call->answered = 1;
    call->status = result->r.status;
    call->retry_at = result->r.retry_at;
    call->detail = apr_pstrdup(call->pool, result->r.detail ? result->r.detail : "");
}

cfmt_deed_call_t *cfmt_call_of(const cfmt_engine_t *e, apr_int64_t intent)
{
    int i;

    for (i = 0; i < e->calls->nelts; i++) {
        cfmt_deed_call_t *call = APR_ARRAY_IDX(e->calls, i, cfmt_deed_call_t *);

        if (call->intent == intent) {
            return call;
        }
    }
    return NULL;
}

void cfmt_call_forget(cfmt_engine_t *e, cfmt_deed_call_t *call)
{
    int i, n = 0;

    for (i = 0; i < e->calls->nelts; i++) {
        cfmt_deed_call_t *other = APR_ARRAY_IDX(e->calls, i, cfmt_deed_call_t *);

        if (other != call) {
            APR_ARRAY_IDX(e->calls, n++, cfmt_deed_call_t *) = other;
        }
    }
    e->calls->nelts = n;
    apr_pool_destroy(call->pool);
}

static apr_status_t ignore_row(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    (void)baton, (void)which, (void)row, (void)prow;
    return APR_SUCCESS; /* what is so now is read, not believed */
}

apr_status_t cfmt_call_may(cfmt_engine_t *e, cfmt_result_t *r, apr_pool_t *ptemp)
{
    return cfmt_api_may(e->api, &(cfmt_api_call_t){ .action = 1 }, r, ptemp);
}

apr_status_t cfmt_call_patch(cfmt_engine_t *e, const cfmt_intent_row_t *in,
                             const cfmt_prefix_row_t *row, apr_time_t sent_at, cfmt_result_t *r,
                             apr_pool_t *ptemp)
{
    static const char *const rows[] = { "result", NULL };
    cfmt_api_call_t call = { .method = "PATCH", .rows = rows, .row = ignore_row, .done = answered,
                             .action = 1 };
    cfmt_deed_call_t *mine;
    apr_pool_t *p;
    apr_status_t rv;

    apr_pool_create(&p, e->pool);
    apr_pool_tag(p, "cfmt_deed");
    mine = apr_pcalloc(p, sizeof(*mine));
    mine->pool = p;
    mine->intent = in->id;
    mine->sent_at = sent_at;
    call.baton = mine;
    call.path = apr_pstrcat(p, cfmt_bgp_prefixes_path(cfmt_api_account(e->api), row->b.parent, p),
                            "/", row->b.id, NULL);
    call.body = in->want ? "{\"on_demand\":{\"advertised\":true}}"
                         : "{\"on_demand\":{\"advertised\":false}}";
    rv = cfmt_api_call(e->api, &call, r, ptemp);
    if (rv != APR_SUCCESS) {
        apr_pool_destroy(p);
        return rv;
    }
    APR_ARRAY_PUSH(e->calls, cfmt_deed_call_t *) = mine;
    return APR_SUCCESS;
}
