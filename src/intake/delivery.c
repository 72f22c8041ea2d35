/*
 * One accepted webhook body: is it a notification at all, is it a test message or a drill, which
 * dedupe key.
 */
#include "cfmt_intake.h"

#define DEPTH_MAX 32
#define UNIX_SECONDS_MAX APR_INT64_C(253402300799) /* the end of the year 9999 */

/* Two members of one name mean two readers with two meanings; where we read, there is one. */
static const cfmt_json_limits_t limits = {.depth = DEPTH_MAX, .unique = 1, .unique_member = "data"};

/* null says as little as nothing. */
static int has(const cfmt_json_t *doc, const char *key)
{
    const cfmt_json_t *m = cfmt_json_get(doc, key);

    return m && m->type != CFMT_JSON_NULL;
}

/* Cloudflare's wording has changed over the years: only the shape is reliable. */
static int looks_like_test(const cfmt_json_t *doc)
{
    const cfmt_json_t *text = cfmt_json_get(doc, "text");

    return text && text->type == CFMT_JSON_STRING && !has(doc, "alert_type")
           && !has(doc, "policy_id") && !has(doc, "data");
}

apr_status_t cfmt_delivery_parse(cfmt_delivery_t *d, const char **pwhy, const char *body,
                                 apr_size_t len, apr_pool_t *p)
{
    cfmt_json_t *doc;
    apr_int64_t secs;
    apr_status_t rv = cfmt_json_parse(&doc, pwhy, body, len, &limits, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (doc->type != CFMT_JSON_OBJECT) {
        *pwhy = "not an object";
        return CFMT_EINVALID;
    }
    d->doc = doc;
    d->is_test = looks_like_test(doc);
    d->is_drill = cfmt_json_text(doc, "cfmt_drill") != NULL;
    d->has_ts = cfmt_json_int(&secs, doc, "ts") == APR_SUCCESS && secs >= 0
                && secs <= UNIX_SECONDS_MAX;
    d->ts = d->has_ts ? apr_time_from_sec(secs) : 0;
    d->digest = cfmt_digest64(body, len);
    d->alert_type = cfmt_json_text(doc, "alert_type");
    d->state = cfmt_json_text(doc, "alert_event");
    return APR_SUCCESS;
}
