/*
 * Job "ranges": the addresses that Cloudflare delivers from, read daily. What cannot be true is
 * refused as a whole; what vanishes is accepted for a week more.
 */
#include <string.h>

#include <apr_strings.h>

#include "sense.h"

static apr_status_t take(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    cfmt_ranges_t *ranges = apr_pcalloc(ask->run->p, sizeof(*ranges));
    const char *why;

    (void)which, (void)prow;
    if (cfmt_ranges_read(ranges, &why, row, ask->run->p) != APR_SUCCESS) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "%s; the ranges stay as they are", why);
        return APR_SUCCESS;
    }
    why = cfmt_ranges_absurd(ranges, ask->run->p);
    if (why) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "not believed: %s; the ranges stay as they are", why);
        return APR_SUCCESS;
    }
    ask->run->data = ranges;
    return APR_SUCCESS;
}

static const char *const rows[] = { "result", NULL };

static void next(cfmt_run_t *run)
{
    cfmt_api_call_t call = { .path = "/ips", .rows = rows, .row = take, .anonymous = 1 };

    if (run->step == 0) {
        cfmt_run_ask(run, &call, &(cfmt_ask_t){ .done = NULL });
    }
}

static void conclude(cfmt_run_t *run)
{
    cfmt_ranges_t *ranges = run->data;
    apr_table_t *t = apr_table_make(run->p, 2);

    if (!ranges && run->result.status == APR_SUCCESS) {
        cfmt_run_fail(run, CFMT_EANSWER, "an answer without ranges; they stay as they are");
    }
    if (!ranges || run->result.status != APR_SUCCESS) {
        run->data = NULL;
        return;
    }
    apr_table_setn(t, "etag", ranges->etag ? ranges->etag : "");
    apr_table_setn(t, "count", apr_itoa(run->p, ranges->cidrs->nelts));
    cfmt_run_facts(run, "ranges", t);
    run->summary = apr_psprintf(run->p, "%d ranges", ranges->cidrs->nelts);
}

/* The compiled ones were accepted until now, so they have their week, too. */
static apr_status_t write_ranges(cfmt_run_t *run, apr_pool_t *ptemp)
{
    const cfmt_ranges_t *ranges = run->data;
    apr_array_header_t *known;
    cfmt_store_t *s = run->e->store;
    apr_status_t rv;
    int changed = 0;

    if (!ranges) {
        return APR_SUCCESS;
    }
    rv = cfmt_ranges_load(s, &known, ptemp);
    if (rv == APR_SUCCESS && !known->nelts) {
        rv = cfmt_ranges_save(s, cfmt_senders_compiled(ptemp), run->now, &changed);
    }
    if (rv == APR_SUCCESS) {
        rv = cfmt_ranges_save(s, ranges->cidrs, run->now, &changed);
    }
    return rv;
}

/* Each time and not only when they changed: a week may have passed since something vanished. */
static void stored(cfmt_run_t *run)
{
    if (run->data && run->e->conf.gauges) {
        __atomic_add_fetch(&run->e->conf.gauges->ranges, 1, __ATOMIC_RELEASE);
    }
}

const cfmt_sense_t cfmt_sense_ranges = { .name = "ranges", .interval = apr_time_from_sec(86400),
                                         .jitter = 50, .next = next, .conclude = conclude,
                                         .write = write_ranges, .stored = stored };
