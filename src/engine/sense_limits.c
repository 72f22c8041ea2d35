/*
 * Job "limits": what the account's plan lets one ask of analytics, read daily.
 */
#include <apr_strings.h>

#include "cfmt_cloudflare_detail.h"
#include "sense.h"

/* Of the dataset of all traffic, and of that of attacks. */
typedef struct limits_t {
    cfmt_analytics_limits_t traffic, detail;
} limits_t;

static apr_status_t take(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    limits_t *l = apr_pcalloc(ask->run->p, sizeof(*l));
    const char *why;

    (void)which, (void)prow;
    if (cfmt_analytics_limits_read(&l->traffic, &why, row) != APR_SUCCESS) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "%s", why);
        return APR_SUCCESS;
    }
    cfmt_detail_limits_read(&l->detail, row);
    ask->run->data = l;
    return APR_SUCCESS;
}

static void next(cfmt_run_t *run)
{
    static const char *const rows[] = { CFMT_ANALYTICS_LIMITS_ROWS, NULL };
    cfmt_api_call_t call = {
        .upstream = CFMT_UPSTREAM_GRAPHQL, .rows = rows, .row = take,
        .body = cfmt_analytics_limits_query(cfmt_api_account(run->e->api), run->p)
    };

    if (run->step == 0) {
        cfmt_run_ask(run, &call, &(cfmt_ask_t){ .done = NULL });
    }
}

static void set(apr_table_t *t, const char *stem, const char *name, apr_int64_t v)
{
    apr_table_set(t, apr_pstrcat(apr_table_elts(t)->pool, stem, name, NULL),
                  apr_psprintf(apr_table_elts(t)->pool, "%" APR_INT64_T_FMT, v));
}

static void conclude(cfmt_run_t *run)
{
    const limits_t *l = run->data;
    apr_table_t *t = apr_table_make(run->p, 6);

    if (!l || run->result.status != APR_SUCCESS) {
        return;
    }
    set(t, "", "page", l->traffic.page);
    set(t, "", "duration", l->traffic.duration);
    set(t, "", "history", l->traffic.history);
    set(t, "detail_", "page", l->detail.page);
    set(t, "detail_", "duration", l->detail.duration);
    set(t, "detail_", "history", l->detail.history);
    cfmt_run_facts(run, "limits", t);
    run->summary = apr_psprintf(run->p, "%d rows, %s, %s back", l->traffic.page,
                                cfmt_duration_format(run->p, l->traffic.duration),
                                cfmt_duration_format(run->p, l->traffic.history));
}

static apr_int64_t number_of(const apr_table_t *t, const char *stem, const char *name,
                             apr_int64_t def)
{
    const char *text = apr_table_get(t, apr_pstrcat(apr_table_elts(t)->pool, stem, name, NULL));
    apr_int64_t n;

    return text && cfmt_int_parse(&n, text, 1, APR_INT64_MAX) == APR_SUCCESS ? n : def;
}

static void load(cfmt_analytics_limits_t *l, cfmt_run_t *run, const char *stem)
{
    static const cfmt_analytics_limits_t def = CFMT_ANALYTICS_LIMITS_DEFAULT;
    cfmt_sensed_t sensed;

    *l = def;
    if (cfmt_sensed_load(run->e->store, &sensed, "limits", run->p) == APR_SUCCESS) {
        l->page = (int)number_of(sensed.facts, stem, "page", def.page);
        l->duration = number_of(sensed.facts, stem, "duration", def.duration);
        l->history = number_of(sensed.facts, stem, "history", def.history);
    }
}

void cfmt_limits_load(cfmt_analytics_limits_t *l, cfmt_run_t *run)
{
    load(l, run, "");
}

void cfmt_limits_load_detail(cfmt_analytics_limits_t *l, cfmt_run_t *run)
{
    load(l, run, "detail_");
}

const cfmt_sense_t cfmt_sense_limits = { .name = "limits", .interval = apr_time_from_sec(86400),
                                         .jitter = 50, .next = next, .conclude = conclude };
