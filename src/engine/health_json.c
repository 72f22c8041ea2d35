/*
 * What health knows of Cloudflare as JSON. Whatever came from outside is quoted; details of
 * failures, which may tell names of files and hosts, are not in it: cfmtctl jobs shows them.
 */
#include <string.h>

#include <apr_strings.h>

#include "health_private.h"

const char *cfmt_health_when(const char *name, apr_time_t t, apr_time_t now, apr_pool_t *p)
{
    if (!t) {
        return apr_psprintf(p, "\"%s_at\":null,\"%s_age_s\":null", name, name);
    }
    return apr_psprintf(p, "\"%s_at\":\"%s\",\"%s_age_s\":%.3f", name, cfmt_time_format(p, t), name,
                        (double)(now - t) / APR_USEC_PER_SEC);
}

const char *cfmt_health_moment(apr_time_t t, apr_pool_t *p)
{
    return t ? apr_psprintf(p, "\"%s\"", cfmt_time_format(p, t)) : "null";
}

static const char *word(const char *text, apr_pool_t *p)
{
    return *text ? cfmt_json_quote(p, text) : "null";
}

static const char *words(const cfmt_health_words_t *w, apr_pool_t *p)
{
    char *last, *one, *copy = apr_pstrdup(p, w->text);
    const char *text = "";

    for (one = apr_strtok(copy, " ", &last); one; one = apr_strtok(NULL, " ", &last)) {
        text = apr_pstrcat(p, text, *text ? "," : "", cfmt_json_quote(p, one), NULL);
    }
    return apr_psprintf(p, "{\"count\":%d,\"names\":[%s]}", w->count, text);
}

static const char *upstream_text(const cfmt_health_upstream_t *u, apr_time_t now, apr_pool_t *p)
{
    if (!u->read_at) {
        return "null";
    }
    return apr_psprintf(p,
                        "{\"breaker\":\"%s\",\"since\":%s,\"problem\":%s,%s,\"retry_at\":%s,"
                        "\"left\":%" APR_INT64_T_FMT ",\"quota\":%" APR_INT64_T_FMT
                        ",\"clock_skew_s\":%s,%s}",
                        cfmt_breaker_name(u->breaker), cfmt_health_moment(u->since, p),
                        word(u->problem, p),
                        cfmt_health_when("last_ok", u->last_ok, now, p),
                        cfmt_health_moment(cfmt_health_retry_at(u, now), p), u->left, u->quota,
                        u->skew ? apr_psprintf(p, "%.1f", (double)u->skew / APR_USEC_PER_SEC)
                                : "null",
                        cfmt_health_when("read", u->read_at, now, p));
}

static const char *token_text(const cfmt_health_world_t *w, apr_time_t now, apr_pool_t *p)
{
    if (!w->token_read_at) {
        return "null";
    }
    return apr_psprintf(p, "{\"status\":%s,\"form\":%s,\"expires_at\":%s,%s}",
                        word(w->token_status, p), word(w->token_form, p),
                        cfmt_health_moment(w->token_expires_at, p),
                        cfmt_health_when("read", w->token_read_at, now, p));
}

static const char *alerts_text(const cfmt_health_world_t *w, apr_time_t now, apr_pool_t *p)
{
    if (!w->alerts_read_at) {
        return "null";
    }
    return apr_psprintf(p,
                        "{\"policies\":%" APR_INT64_T_FMT ",\"destinations\":%" APR_INT64_T_FMT
                        ",\"unsent\":%s,\"failing\":%s,\"last_failure_at\":%s,%s}",
                        w->policies, w->destinations, words(&w->unsent, p), word(w->failing, p),
                        cfmt_health_moment(w->last_failure, p),
                        cfmt_health_when("read", w->alerts_read_at, now, p));
}

static const char *jobs_text(const cfmt_health_world_t *w, apr_time_t now, apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; i < w->jobs; i++) {
        const cfmt_health_job_t *job = &w->job[i];

        text = apr_psprintf(p, "%s%s%s:{\"fails\":%d,%s,\"due_at\":%s}", text, i ? "," : "",
                            cfmt_json_quote(p, job->name), job->fails,
                            cfmt_health_when("ok", job->ok_at, now, p),
                            cfmt_health_moment(job->due_at, p));
    }
    return text;
}

static const char *api_text(const cfmt_health_facts_t *f, apr_pool_t *p)
{
    const cfmt_health_world_t *w = &f->world;

    return apr_psprintf(p,
                        "{\"configured\":true,\"token_readable\":%s,\"upstreams\":{\"rest\":%s,"
                        "\"graphql\":%s},\"token\":%s,\"alerts\":%s,\"jobs\":{%s}}",
                        f->api_usable ? "true" : "false",
                        upstream_text(&w->upstream[CFMT_UPSTREAM_REST], f->world_now, p),
                        upstream_text(&w->upstream[CFMT_UPSTREAM_GRAPHQL], f->world_now, p),
                        token_text(w, f->world_now, p), alerts_text(w, f->world_now, p),
                        jobs_text(w, f->world_now, p));
}

static const char *prefixes_text(const cfmt_health_facts_t *f, apr_pool_t *p)
{
    const cfmt_world_counts_t *c = &f->world.counts;
    apr_time_t at = cfmt_health_prefixes_read_at(&f->world);

    return apr_psprintf(p, "{\"known\":%d,\"advertised\":%d,\"locked\":%d,\"unmatched\":%s,%s}",
                        c->prefixes, c->advertised, c->locked, words(&f->world.unmatched, p),
                        cfmt_health_when("read", at, f->world_now, p));
}

static const char *tunnels_text(const cfmt_health_facts_t *f, apr_pool_t *p)
{
    const cfmt_world_counts_t *c = &f->world.counts;

    return apr_psprintf(p, "{\"known\":%d,\"up\":%d,\"degraded\":%d,\"down\":%d,\"unknown\":%d,%s}",
                        c->up + c->degraded + c->down + c->unknown, c->up, c->degraded, c->down,
                        c->unknown, cfmt_health_when("read", c->tunnels_read_at, f->world_now, p));
}

static const char *traffic_text(const cfmt_health_facts_t *f, apr_pool_t *p)
{
    const cfmt_health_world_t *w = &f->world;
    apr_interval_time_t age = w->newest_row ? w->traffic_read_at - w->newest_row : 0;

    if (!w->traffic_read_at) {
        return "null";
    }
    return apr_psprintf(p,
                        "{\"newest_at\":%s,\"newest_age_s\":%s,\"idle\":%s,\"blind\":%s,"
                        "\"truncated\":%s,%s}",
                        cfmt_health_moment(w->newest_row, p),
                        w->newest_row ? apr_psprintf(p, "%.3f", (double)age / APR_USEC_PER_SEC)
                                      : "null",
                        w->idle ? "true" : "false", words(&w->blind, p), words(&w->cut, p),
                        cfmt_health_when("read", w->traffic_read_at, f->world_now, p));
}

const char *cfmt_health_world_json(const cfmt_health_facts_t *f, apr_pool_t *p)
{
    if (!f->api_wanted) {
        return "\"api\":{\"configured\":false},\"prefixes\":null,\"tunnels\":null,"
               "\"traffic\":null";
    }
    return apr_psprintf(p, "\"api\":%s,\"prefixes\":%s,\"tunnels\":%s,\"traffic\":%s",
                        api_text(f, p), f->rows_at ? prefixes_text(f, p) : "null",
                        f->rows_at ? tunnels_text(f, p) : "null",
                        f->rows_at ? traffic_text(f, p) : "null");
}
