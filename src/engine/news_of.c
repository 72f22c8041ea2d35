/*
 * Fields of news: what the engine's structs hold, as texts; and how a job tells, whose transaction
 * is not at hand.
 */
#include <string.h>

#include <apr_strings.h>

#include "news_of.h"

#define NAMES_MAX 5 /* of a list */

/* ---- values ---------------------------------------------------------------------------------- */

const char *cfmt_of_time(apr_time_t t, apr_pool_t *p)
{
    return t ? apr_psprintf(p, "%" APR_TIME_T_FMT, t) : NULL;
}

const char *cfmt_of_count(apr_int64_t n, apr_pool_t *p)
{
    return n ? apr_psprintf(p, "%" APR_INT64_T_FMT, n) : NULL;
}

const char *cfmt_of_rate(double v, apr_pool_t *p)
{
    return v <= 0 ? NULL : apr_psprintf(p, "%.0f", v);
}

const char *cfmt_of_mode_in(const apr_table_t *settings)
{
    int demo = settings && apr_table_get(settings, "DemoSpeed") != NULL;

    return cfmt_mode_of(settings) == CFMT_MODE_ENFORCE ? demo ? "enforce, DEMO" : "enforce"
           : demo ? "observe, DEMO" : "observe";
}

const char *cfmt_of_mode(const cfmt_engine_t *e)
{
    return cfmt_of_mode_in(e->conf.settings);
}

const char *cfmt_of_cause(cfmt_cause_e kind)
{
    static const char *const words[CFMT_CAUSES] = {
        [CFMT_CAUSE_UNKNOWN] = "not known",
        [CFMT_CAUSE_FIRST_SEEN] = "it was so when first seen",
        [CFMT_CAUSE_EXTERNAL] = "somebody else (dashboard, Terraform, another program)",
        [CFMT_CAUSE_OPERATOR] = "a command",
        [CFMT_CAUSE_PROPOSAL] = "an approved proposal",
        [CFMT_CAUSE_POLICY] = "the policy",
        [CFMT_CAUSE_AUTO] = "Cloudflare's auto-advertise",
        [CFMT_CAUSE_ATTACK] = "somebody else, during an attack",
        [CFMT_CAUSE_ADOPTED] = "handed over",
    };

    return (unsigned)kind < CFMT_CAUSES ? words[kind] : words[CFMT_CAUSE_UNKNOWN];
}

const char *cfmt_of_reason(const char *text)
{
    const char *colon = text ? strstr(text, ": ") : NULL;

    return colon ? colon + 2 : text;
}

const char *cfmt_of_command(const char *verb, const char *object, apr_pool_t *p)
{
    return apr_pstrcat(p, "cfmtctl ", verb, " ", object, NULL);
}

const char *cfmt_of_list(const apr_array_header_t *texts, apr_pool_t *p)
{
    int i, n = texts->nelts < NAMES_MAX ? texts->nelts : NAMES_MAX;
    const char *list = NULL;

    for (i = 0; i < n; i++) {
        const char *text = APR_ARRAY_IDX(texts, i, const char *);

        list = list ? apr_pstrcat(p, list, ", ", text, NULL) : text;
    }
    return texts->nelts > n ? apr_psprintf(p, "%s, and %d more", list, texts->nelts - n) : list;
}

/* ---- attacks --------------------------------------------------------------------------------- */

apr_status_t cfmt_of_attack(cfmt_of_attack_t *f, cfmt_engine_t *e, const char *id, apr_pool_t *p)
{
    cfmt_attack_stored_t row;
    apr_status_t rv;

    *f = (cfmt_of_attack_t){ .prefix = NULL };
    rv = id ? cfmt_attack_load(e->store, &row, id, p) : CFMT_EMISSING;
    if (rv != APR_SUCCESS) {
        return rv == CFMT_EMISSING ? APR_SUCCESS : rv;
    }
    f->prefix = cfmt_of_list(row.prefixes, p);
    f->target = cfmt_of_list(row.a.targets, p);
    f->vector = cfmt_of_list(row.a.vectors, p);
    f->type = cfmt_of_list(row.a.alert_types, p);
    f->peak_pps = cfmt_of_rate(row.a.peak_pps, p);
    f->peak_bps = cfmt_of_rate(row.a.peak_bps, p);
    return APR_SUCCESS;
}

/* ---- holds ----------------------------------------------------------------------------------- */

const char *cfmt_of_hold(const cfmt_engine_t *e, const cfmt_hold_row_t *h, const char *why,
                         apr_pool_t *p)
{
    return cfmt_news_fields(
        p, "who", h->who, "since_at", cfmt_of_time(h->since, p), "until_at",
        cfmt_of_time(h->until, p), "reason", why ? why : *h->reason ? h->reason : NULL, "next",
        h->until ? NULL : "nothing, until it is released", "look",
        cfmt_of_command("release", cfmt_cidr_format(p, &h->prefix), p), "mode", cfmt_of_mode(e),
        NULL);
}

/* ---- telling --------------------------------------------------------------------------------- */

typedef struct job_news_t {
    cfmt_engine_t *e;
    cfmt_news_t news;
} job_news_t;

static apr_status_t write_news(cfmt_store_t *s, const void *arg, apr_pool_t *ptemp)
{
    const job_news_t *n = arg;

    (void)s; /* the engine's own */
    return cfmt_tell(n->e, &n->news, ptemp);
}

void cfmt_run_news(cfmt_run_t *run, const cfmt_news_t *n)
{
    job_news_t *mine = apr_palloc(run->p, sizeof(*mine));

    mine->e = run->e;
    mine->news = *n;
    cfmt_run_write(run, write_news, mine, 1);
}
