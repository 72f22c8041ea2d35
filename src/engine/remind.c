/*
 * What is told because time has passed: a hold that nobody needs any more, the head of the audit
 * chain.
 */
#include <apr_strings.h>

#include "news_of.h"

#define DAY apr_time_from_sec(86400)
#define STEP_WAIT apr_time_from_msec(250)

/* An attack on the prefix, or on something inside it, is what a hold is for. */
static int is_attacked(const cfmt_scene_t *sc, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; i < sc->attacks->nelts; i++) {
        const cfmt_struck_t *a = &APR_ARRAY_IDX(sc->attacks, i, cfmt_struck_t);

        if (a->open && (a->anywhere || cfmt_attack_hits(a, cidr))) {
            return 1;
        }
    }
    return 0;
}

static int is_due(const cfmt_hold_row_t *h, apr_time_t now)
{
    apr_time_t last = h->told_at > h->since ? h->told_at : h->since;

    return now - last >= DAY || now < last - DAY;
}

static void tell_hold(const cfmt_scene_t *sc, const cfmt_hold_row_t *h)
{
    const char *name = cfmt_cidr_format(sc->p, &h->prefix);

    cfmt_log(sc->e->conf.log, CFMT_LOG_WARNING,
             CFMT_ID(0969) "%s is held since %s by %s, and no attack on it is open: the policy"
                           " leaves it alone; cfmtctl release %s ends that",
             name, cfmt_time_format(sc->p, h->since), h->who, name);
}

static apr_status_t tell_news(const cfmt_scene_t *sc, const cfmt_hold_row_t *h)
{
    const char *name = cfmt_cidr_format(sc->p, &h->prefix);
    const cfmt_news_t n = {
        .kind = CFMT_NEWS_HELD, .at = sc->now, .prefix = name,
        .dedupe = apr_psprintf(sc->p, "held %" APR_INT64_T_FMT " %" APR_TIME_T_FMT, h->id,
                               h->told_at),
        .fields = cfmt_of_hold(sc->e, h, "no attack on it is open any more", sc->p)
    };

    return cfmt_tell(sc->e, &n, sc->p);
}

static apr_status_t note_told(const cfmt_scene_t *sc, const cfmt_hold_row_t *h)
{
    apr_status_t rv = cfmt_store_begin(sc->e->store, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_hold_told(sc->e->store, h->id, sc->now);
    rv = rv == APR_SUCCESS ? tell_news(sc, h) : rv;
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(sc->e->store);
        return rv;
    }
    return cfmt_store_commit(sc->e->store);
}

/* The outside anchor is renewed: a log that is rotated away takes the older ones along. */
static apr_status_t anchor(cfmt_engine_t *e, apr_time_t now)
{
    apr_status_t rv = APR_SUCCESS;

    if (now - e->anchored_at >= DAY || now < e->anchored_at) {
        rv = cfmt_audit_head(e->store, &e->audit);
        e->anchored = 0;
        e->anchored_at = rv == APR_SUCCESS ? now : e->anchored_at;
    }
    cfmt_record_anchor(e);
    return rv;
}

apr_status_t cfmt_remind(const cfmt_scene_t *sc)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < sc->holds->nelts; i++) {
        const cfmt_hold_row_t *h = &APR_ARRAY_IDX(sc->holds, i, cfmt_hold_row_t);

        if (is_due(h, sc->now) && !is_attacked(sc, &h->prefix)) {
            rv = note_told(sc, h);
            if (rv == APR_SUCCESS) {
                tell_hold(sc, h);
            }
        }
    }
    return rv == APR_SUCCESS ? anchor(sc->e, sc->now) : rv;
}
