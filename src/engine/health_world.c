/*
 * What the store says of Cloudflare, read for health into one flat value.
 */
#include <string.h>

#include <apr_strings.h>

#include "health_private.h"

/* ---- values ---------------------------------------------------------------------------------- */

/* What is no number is as unknown as what is absent. */
static apr_int64_t number(const apr_table_t *t, const char *name)
{
    const char *text = apr_table_get(t, name);
    apr_int64_t n;

    return text && cfmt_int_parse(&n, text, APR_INT64_MIN, APR_INT64_MAX) == APR_SUCCESS ? n : 0;
}

static void copy_text(char *to, apr_size_t size, const apr_table_t *t, const char *name)
{
    const char *text = apr_table_get(t, name);

    apr_cpystrn(to, text ? text : "", size);
}

/* All are counted, and kept as long as they fit whole. */
static void take_word(cfmt_health_words_t *w, const char *word, apr_size_t len)
{
    apr_size_t used = strlen(w->text);

    w->count++;
    if (used + len + 2 <= sizeof(w->text)) {
        apr_snprintf(w->text + used, sizeof(w->text) - used, "%s%.*s", used ? " " : "", (int)len,
                     word);
    }
}

static void take_words(cfmt_health_words_t *w, const apr_table_t *t, const char *name)
{
    const char *at = apr_table_get(t, name);
    apr_size_t len;

    for (at = at ? at : ""; *(at += strspn(at, " ")); at += len) {
        len = strcspn(at, " ");
        take_word(w, at, len);
    }
}

/* ---- facts ----------------------------------------------------------------------------------- */

static cfmt_breaker_e read_breaker(const apr_table_t *t)
{
    const char *name = apr_table_get(t, "breaker");
    int b;

    for (b = CFMT_BREAKER_CLOSED; b <= CFMT_BREAKER_HALF; b++) {
        if (name && !strcmp(name, cfmt_breaker_name((cfmt_breaker_e)b))) {
            return (cfmt_breaker_e)b;
        }
    }
    return CFMT_BREAKER_CLOSED;
}

static void take_upstream(cfmt_health_upstream_t *u, const cfmt_sensed_t *said)
{
    const apr_table_t *t = said->facts;

    u->read_at = said->read_at;
    u->breaker = read_breaker(t);
    copy_text(u->problem, sizeof(u->problem), t, "problem");
    u->since = number(t, "since");
    u->last_ok = number(t, "last_ok");
    u->probe_at = number(t, "probe_at");
    u->blocked_until = number(t, "blocked_until");
    u->left = number(t, "left");
    u->quota = number(t, "quota");
    u->skew = number(t, "skew");
}

static void take_token(cfmt_health_world_t *w, const cfmt_sensed_t *said)
{
    w->token_read_at = said->read_at;
    copy_text(w->token_status, sizeof(w->token_status), said->facts, "status");
    copy_text(w->token_form, sizeof(w->token_form), said->facts, "form");
    w->token_expires_at = number(said->facts, "expires_at");
}

static void take_alerts(cfmt_health_world_t *w, const cfmt_sensed_t *said)
{
    const char *failed = apr_table_get(said->facts, "last_failure");

    w->alerts_read_at = said->read_at;
    w->policies = number(said->facts, "policies");
    w->destinations = number(said->facts, "destinations");
    take_words(&w->unsent, said->facts, "unsent");
    copy_text(w->failing, sizeof(w->failing), said->facts, "failing");
    if (!failed || cfmt_time_parse(&w->last_failure, failed) != APR_SUCCESS) {
        w->last_failure = 0;
    }
}

static void take_traffic(cfmt_health_world_t *w, const cfmt_sensed_t *said)
{
    w->traffic_read_at = said->read_at;
    w->newest_row = number(said->facts, "watermark");
    w->behind = number(said->facts, "behind");
    w->idle = number(said->facts, "idle") != 0;
    take_words(&w->cut, said->facts, "cut_prefixes");
}

/* Each is a member, as blind.c writes them. */
static void take_blind(cfmt_health_world_t *w, const cfmt_sensed_t *said)
{
    const apr_array_header_t *all = apr_table_elts(said->facts);
    int i;

    for (i = 0; i < all->nelts; i++) {
        const char *name = APR_ARRAY_IDX(all, i, apr_table_entry_t).key;

        if (strcmp(name, "told")) {
            take_word(&w->blind, name, strlen(name));
        }
    }
}

static apr_status_t read_facts(cfmt_store_t *s, cfmt_sensed_t *said, const char *name,
                               apr_pool_t *p)
{
    apr_status_t rv = cfmt_sensed_load(s, said, name, p);

    return rv == CFMT_EMISSING ? APR_SUCCESS : rv; /* said is empty then */
}

static apr_status_t read_traffic(cfmt_store_t *s, cfmt_health_world_t *w, apr_pool_t *p)
{
    cfmt_sensed_t said;
    apr_status_t rv = read_facts(s, &said, "traffic", p);

    if (rv == APR_SUCCESS) {
        take_traffic(w, &said);
        rv = read_facts(s, &said, "blind", p);
    }
    if (rv == APR_SUCCESS) {
        take_blind(w, &said);
    }
    return rv;
}

static apr_status_t read_all_facts(cfmt_store_t *s, cfmt_health_world_t *w, apr_pool_t *p)
{
    cfmt_sensed_t said;
    apr_status_t rv;
    int i;

    for (i = 0; i < CFMT_UPSTREAMS; i++) {
        const char *name = apr_pstrcat(p, "upstream ", cfmt_upstream_name((cfmt_upstream_e)i),
                                       NULL);
        if ((rv = read_facts(s, &said, name, p)) != APR_SUCCESS) {
            return rv;
        }
        take_upstream(&w->upstream[i], &said);
    }
    if ((rv = read_facts(s, &said, "prefixes", p)) != APR_SUCCESS) {
        return rv;
    }
    take_words(&w->unmatched, said.facts, "unmatched");
    if ((rv = read_facts(s, &said, "token", p)) != APR_SUCCESS) {
        return rv;
    }
    take_token(w, &said);
    if ((rv = read_facts(s, &said, "policies", p)) != APR_SUCCESS) {
        return rv;
    }
    take_alerts(w, &said);
    return read_traffic(s, w, p);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

/* Housekeeping fails only with the store, which is a reason of its own. */
static int asks_cloudflare(const cfmt_job_t *job)
{
    return strcmp(job->name, "retention") != 0;
}

static apr_status_t read_jobs(cfmt_store_t *s, cfmt_health_world_t *w, apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_jobs_load(s, &rows, p);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < rows->nelts && w->jobs < CFMT_HEALTH_JOBS; i++) {
        const cfmt_job_t *row = &APR_ARRAY_IDX(rows, i, cfmt_job_t);
        cfmt_health_job_t *job = &w->job[w->jobs];

        if (asks_cloudflare(row)) {
            apr_cpystrn(job->name, row->name, sizeof(job->name));
            job->fails = row->fails;
            job->ok_at = row->ok_at;
            job->due_at = row->due_at;
            w->jobs++;
        }
    }
    return rv;
}

apr_status_t cfmt_health_world_read(cfmt_store_t *s, cfmt_health_world_t *w, apr_pool_t *p)
{
    apr_status_t rv;

    memset(w, 0, sizeof(*w));
    if ((rv = cfmt_query_world_counts(s, &w->counts)) != APR_SUCCESS
        || (rv = read_all_facts(s, w, p)) != APR_SUCCESS) {
        return rv;
    }
    return read_jobs(s, w, p);
}
