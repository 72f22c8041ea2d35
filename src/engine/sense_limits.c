/*
 * Job "limits": what the account's plan lets one ask of analytics, read daily.
 */
#include <apr_strings.h>

#include "sense.h"

static apr_status_t take(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    cfmt_analytics_limits_t *l = apr_pcalloc(ask->run->p, sizeof(*l));
    const char *why;

    (void)which, (void)prow;
    if (cfmt_analytics_limits_read(l, &why, row) != APR_SUCCESS) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "%s", why);
        return APR_SUCCESS;
    }
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

static void conclude(cfmt_run_t *run)
{
    const cfmt_analytics_limits_t *l = run->data;
    apr_table_t *t = apr_table_make(run->p, 3);

    if (!l || run->result.status != APR_SUCCESS) {
        return;
    }
    apr_table_setn(t, "page", apr_itoa(run->p, l->page));
    apr_table_setn(t, "duration", apr_psprintf(run->p, "%" APR_TIME_T_FMT, l->duration));
    apr_table_setn(t, "history", apr_psprintf(run->p, "%" APR_TIME_T_FMT, l->history));
    cfmt_run_facts(run, "limits", t);
    run->summary = apr_psprintf(run->p, "%d rows, %s, %s back", l->page,
                                cfmt_duration_format(run->p, l->duration),
                                cfmt_duration_format(run->p, l->history));
}

static apr_int64_t number_of(const apr_table_t *t, const char *name, apr_int64_t def)
{
    const char *text = apr_table_get(t, name);
    apr_int64_t n;

    return text && cfmt_int_parse(&n, text, 1, APR_INT64_MAX) == APR_SUCCESS ? n : def;
}

void cfmt_limits_load(cfmt_analytics_limits_t *l, cfmt_run_t *run)
{
    static const cfmt_analytics_limits_t def = CFMT_ANALYTICS_LIMITS_DEFAULT;
    cfmt_sensed_t sensed;

    *l = def;
    if (cfmt_sensed_load(run->e->store, &sensed, "limits", run->p) == APR_SUCCESS) {
        l->page = (int)number_of(sensed.facts, "page", def.page);
        l->duration = number_of(sensed.facts, "duration", def.duration);
        l->history = number_of(sensed.facts, "history", def.history);
    }
}

const cfmt_sense_t cfmt_sense_limits = { .name = "limits", .interval = apr_time_from_sec(86400),
                                         .jitter = 50, .next = next, .conclude = conclude };
