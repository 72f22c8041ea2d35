/*
 * Job "history": what Cloudflare says it sent, held against the journal. A notification that never
 * arrived becomes a `recovered` row.
 */
#include <string.h>

#include <apr_strings.h>

#include "sense.h"

#define OVERLAP apr_time_from_sec(3600)       /* asked again each time: entries may come late */
#define BACK apr_time_from_sec(3 * 86400)     /* at most, after a long downtime */
#define RIPE apr_time_from_sec(600)           /* a younger one may still arrive */
#define AROUND apr_time_from_sec(600)         /* of the deliveries that are compared */
#define PAGES 100
#define LAG_MAX apr_time_from_sec(300)         /* of the projection: the comparison needs it */
#define DELIVERED_MAX 20000
#define BYTES_MAX ((apr_size_t)32 * 1024 * 1024) /* of bodies: they are kept until the comparison */

typedef struct history_t {
    apr_time_t since;
    apr_array_header_t *notices; /* cfmt_notice_t */
    int page, in_page, last;     /* last: nothing is behind this page */
    apr_size_t bytes;            /* of the bodies */
    int complete, recovered;
} history_t;

/* ---- asking ---------------------------------------------------------------------------------- */

static apr_status_t take(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    history_t *d = ask->run->data;
    const char *why;
    cfmt_notice_t notice;

    (void)which, (void)prow;
    d->in_page++;
    if (cfmt_notice_read(&notice, &why, row, ask->run->p) != APR_SUCCESS) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "an entry of the history: %s", why);
        return APR_SUCCESS;
    }
    d->bytes += notice.body ? strlen(notice.body) : 0;
    if (d->bytes > BYTES_MAX) {
        cfmt_run_fail(ask->run, CFMT_ELIMIT, "more than %d MiB of history since %s: not compared",
                      (int)(BYTES_MAX >> 20), cfmt_time_format(ask->run->p, d->since));
        return CFMT_EINVALID;
    }
    APR_ARRAY_PUSH(d->notices, cfmt_notice_t) = notice;
    return APR_SUCCESS;
}

static void done(cfmt_ask_t *ask, const cfmt_api_result_t *result)
{
    history_t *d = ask->run->data;

    d->last = d->in_page == 0 || (result->total > 0 && d->notices->nelts >= result->total)
              || result->r.status != APR_SUCCESS;
    d->complete = d->last && result->r.status == APR_SUCCESS;
}

static void ask_page(cfmt_run_t *run)
{
    static const char *const rows[] = { "result", NULL };
    history_t *d = run->data;
    cfmt_api_call_t call = {
        .path = cfmt_history_path(cfmt_api_account(run->e->api), d->since, ++d->page, run->p),
        .rows = rows, .row = take, .answer_max = (apr_size_t)8 * 1024 * 1024
    };

    d->in_page = 0;
    cfmt_run_ask(run, &call, &(cfmt_ask_t){ .done = done });
}

/* Nothing from before this store existed: that was somebody else's to receive. */
static apr_time_t since_of(cfmt_run_t *run)
{
    apr_time_t since = run->now - BACK, until = 0;
    apr_array_header_t *rows;
    cfmt_sensed_t old;
    const char *text;

    if (cfmt_sensed_load(run->e->store, &old, "history", run->p) == APR_SUCCESS
        && (text = apr_table_get(old.facts, "until")) != NULL
        && cfmt_int_parse(&until, text, 0, APR_INT64_MAX) == APR_SUCCESS) {
        return until - OVERLAP > since ? until - OVERLAP : since;
    }
    if (cfmt_journal_read(run->e->store, 0, 1, &rows, run->p) == APR_SUCCESS && rows->nelts) {
        until = APR_ARRAY_IDX(rows, 0, cfmt_journal_row_t).at;
    }
    return until > since ? until : since;
}

static void next(cfmt_run_t *run)
{
    history_t *d = run->data;

    if (run->step == 0) {
        d = run->data = apr_pcalloc(run->p, sizeof(*d));
        d->notices = apr_array_make(run->p, 32, sizeof(cfmt_notice_t));
        d->since = since_of(run);
    }
    if (!d->last && d->page < PAGES && run->result.status == APR_SUCCESS) {
        ask_page(run);
    }
}

/* ---- concluding ------------------------------------------------------------------------------ */

/*
 * The very same words around the same time: sent twice, received once, nothing lost. A second row
 * of it would be no event of its own and be recovered again at each run.
 */
static int received(const cfmt_notice_t *n, const apr_array_header_t *stored)
{
    apr_size_t len = strlen(n->body);
    int i;

    for (i = 0; i < stored->nelts; i++) {
        const cfmt_delivered_t *one = &APR_ARRAY_IDX(stored, i, cfmt_delivered_t);

        if (one->len == len && one->ts >= n->sent - AROUND && one->ts <= n->sent + AROUND
            && !memcmp(one->body, n->body, len)) {
            return 1;
        }
    }
    return 0;
}

static void recover(cfmt_run_t *run, const cfmt_notice_t *n, const apr_array_header_t *stored)
{
    history_t *d = run->data;

    if (!n->body || !*n->body || !n->sent || run->now - n->sent < RIPE || n->sent < d->since
        || received(n, stored)) {
        return;
    }
    d->recovered++;
    cfmt_run_journal(run, "recovered", "history", n->body, cfmt_time_format(run->p, n->sent));
    cfmt_run_tell(run, CFMT_LOG_WARNING,
                  CFMT_ID(0868) "a notification that Cloudflare sent at %s never arrived and is "
                                "taken from its history: %s",
                  cfmt_time_format(run->p, n->sent),
                  n->alert_type ? cfmt_text_escape(run->p, n->alert_type, strlen(n->alert_type), 60)
                                : "of unknown type");
}

/* The deliveries to compare with; NULL: that cannot be done now. */
static apr_array_header_t *deliveries(cfmt_run_t *run)
{
    const history_t *d = run->data;
    apr_array_header_t *stored = NULL;
    cfmt_health_rows_t h;
    int more = 0;

    if (cfmt_query_health(run->e->store, &h) != APR_SUCCESS
        || cfmt_query_delivered(run->e->store, d->since - AROUND, run->now + AROUND, DELIVERED_MAX,
                                &stored, &more, run->p) != APR_SUCCESS) {
        cfmt_run_fail(run, CFMT_ESTORE, "the store: %s", cfmt_store_error(run->e->store));
        return NULL;
    }
    if (h.oldest_lag_at && run->now - h.oldest_lag_at > LAG_MAX) {
        cfmt_run_fail(run, CFMT_EBUSY, "the projection is behind: nothing can be called missed");
        return NULL;
    }
    if (more) {
        cfmt_run_fail(run, CFMT_ELIMIT, "more than %d deliveries since %s: not compared",
                      DELIVERED_MAX, cfmt_time_format(run->p, d->since));
        return NULL;
    }
    return stored;
}

static void conclude(cfmt_run_t *run)
{
    history_t *d = run->data;
    apr_array_header_t *stored, *missed;
    apr_table_t *t = apr_table_make(run->p, 2);
    int i;

    if (!d->complete && run->result.status == APR_SUCCESS) {
        cfmt_run_fail(run, CFMT_ELIMIT, "more than %d pages of history since %s: not compared",
                      PAGES, cfmt_time_format(run->p, d->since));
    }
    stored = d->complete ? deliveries(run) : NULL;
    if (!stored) {
        return;
    }
    missed = cfmt_history_missed(d->notices, stored, run->p);
    for (i = 0; i < missed->nelts; i++) {
        recover(run, &APR_ARRAY_IDX(d->notices, APR_ARRAY_IDX(missed, i, int), cfmt_notice_t),
                stored);
    }
    apr_table_setn(t, "until", apr_psprintf(run->p, "%" APR_TIME_T_FMT, run->now));
    cfmt_run_facts(run, "history", t);
    run->summary = apr_psprintf(run->p, "%d sent, %d recovered", d->notices->nelts, d->recovered);
}

const cfmt_sense_t cfmt_sense_history = { .name = "history", .interval = apr_time_from_sec(300),
                                          .jitter = 50, .next = next, .conclude = conclude };
