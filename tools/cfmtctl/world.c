/*
 * What prefixes, tunnels, ranges and jobs share: the store and what was configured, ages, and the
 * sentences about an upstream that nobody asks or that was not asked for long.
 */
#include <string.h>

#include "cfmtctl.h"

#define STALE apr_time_from_sec(5 * 60) /* or five intervals of polling, where they are longer */

int ctl_world_failed(const ctl_world_t *w, apr_status_t rv)
{
    return ctl_store_failed(w->ctl, rv, cfmt_store_error(w->store));
}

int ctl_world_open(ctl_world_t *w, ctl_t *ctl)
{
    return ctl_world_open_as(w, ctl, CFMT_STORE_READ);
}

int ctl_world_open_as(ctl_world_t *w, ctl_t *ctl, cfmt_store_mode_e mode)
{
    int code = ctl_become(ctl);
    apr_status_t rv;

    memset(w, 0, sizeof(*w));
    w->ctl = ctl;
    w->p = ctl->pool;
    if (code != CTL_DONE || (code = ctl_open(ctl, mode, &w->store)) != CTL_DONE) {
        return code;
    }
    w->now = ctl_now(ctl);
    rv = cfmt_settings_read(w->store, &w->settings, w->p);
    if (rv == APR_SUCCESS) {
        rv = cfmt_jobs_load(w->store, &w->jobs, w->p);
    }
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(w, rv);
    }
    w->configured = apr_table_get(w->settings, "AccountId") != NULL
                    && apr_table_get(w->settings, "ApiToken") != NULL;
    return CTL_DONE;
}

/* A time ahead of ours (their clock, or ours was set back) is now. */
ctl_aged_t ctl_aged(const ctl_world_t *w, apr_time_t at)
{
    ctl_aged_t aged = { .at = at, .age = -1 };

    if (at) {
        aged.age = at < w->now ? w->now - at : 0;
        aged.age -= aged.age % APR_USEC_PER_SEC;
    }
    return aged;
}

apr_time_t ctl_world_ok_at(const ctl_world_t *w, const char *name)
{
    int i;

    for (i = 0; i < w->jobs->nelts; i++) {
        const cfmt_job_t *job = &APR_ARRAY_IDX(w->jobs, i, cfmt_job_t);
        if (!strcmp(job->name, name)) {
            return job->ok_at;
        }
    }
    return 0;
}

apr_status_t ctl_world_sensed(const ctl_world_t *w, cfmt_sensed_t *sensed, const char *name)
{
    apr_status_t rv = cfmt_sensed_load(w->store, sensed, name, w->p);

    return rv == CFMT_EMISSING ? APR_SUCCESS : rv;
}

/* A list of which nothing was ever read has no table. */
void ctl_world_print(const ctl_world_t *w, const ctl_list_t *list, const apr_array_header_t *rows,
                     const ctl_column_t *columns, const ctl_head_t *head)
{
    const ctl_list_t members = { .columns = columns };

    if (!w->ctl->json && !rows->nelts && !head->read.at) {
        return;
    }
    ctl_list_print(list, rows, ctl_json_members(&members, head, w->p), w->ctl, w->p);
}

apr_interval_time_t ctl_world_stale(const ctl_world_t *w)
{
    const char *text = apr_table_get(w->settings, "PollInterval");
    apr_interval_time_t d, least = cfmt_clock_span(&w->ctl->demo.clock, STALE);

    return text && cfmt_duration_parse(&d, text) == APR_SUCCESS && 5 * d > least ? 5 * d : least;
}

void ctl_world_unconfigured(const char *then)
{
    ctl_complain(CFMT_ID(0780),
                 "no API is configured%s; to change that set CfmtAccountId and CfmtApiToken and"
                 " reload Apache", then);
}

void ctl_world_note(const ctl_world_t *w, const ctl_head_t *head, int rows, const char *noun,
                    apr_interval_time_t stale)
{
    if (!w->configured) {
        ctl_world_unconfigured(rows ? ", so this is what was read before"
                                    : ", so nothing is read from Cloudflare");
    }
    else if (!head->read.at && !rows) {
        ctl_complain(CFMT_ID(0781),
                     "no %s have been read from Cloudflare yet: 'cfmtctl jobs' and httpd's error"
                     " log tell why", noun);
    }
    else if (head->read.age > stale) {
        ctl_complain(CFMT_ID(0782),
                     "no %s have been read for %s: see 'cfmtctl jobs'; is httpd running?", noun,
                     ctl_duration(w->p, head->read.age));
    }
    else if (!rows) {
        ctl_complain(CFMT_ID(0783), "the account has no %s%s", noun,
                     w->ctl->all ? "" : "; --all shows those it had");
    }
}
