/*
 * What a round at some time of the past looked at: the tables of the scratch store, and the cause
 * of each prefix's state as it was found then.
 */
#include <string.h>

#include <apr_strings.h>

#include "replay.h"

static void keep(cfmt_replay_t *rp, const cfmt_standing_t *st)
{
    cfmt_standing_t *mine = apr_hash_get(rp->standings, &st->prefix, sizeof(st->prefix));
    int same = mine && mine->cause.at == st->cause.at && mine->advertised == st->advertised
               && mine->cause.kind == st->cause.kind && mine->cause.intent == st->cause.intent
               && cfmt_text_same(mine->cause.attack, st->cause.attack)
               && cfmt_text_same(mine->cause.who, st->cause.who);

    if (!mine) {
        mine = apr_pcalloc(rp->pool, sizeof(*mine));
        mine->prefix = st->prefix;
        apr_hash_set(rp->standings, &mine->prefix, sizeof(mine->prefix), mine);
    }
    if (!same) {
        *mine = *st;
        mine->cause.who = st->cause.who ? apr_pstrdup(rp->pool, st->cause.who) : NULL;
        mine->cause.attack = st->cause.attack ? apr_pstrdup(rp->pool, st->cause.attack) : NULL;
    }
    mine->found_at = st->found_at;
}

const cfmt_standing_t *cfmt_replay_standing(const cfmt_replay_t *rp, const cfmt_cidr_t *cidr)
{
    return apr_hash_get(rp->standings, cidr, sizeof(*cidr));
}

static void show_standings(cfmt_replay_t *rp, cfmt_scene_t *sc)
{
    apr_hash_index_t *hi;

    apr_array_clear(sc->standings);
    for (hi = apr_hash_first(sc->p, rp->standings); hi; hi = apr_hash_next(hi)) {
        APR_ARRAY_PUSH(sc->standings, cfmt_standing_t) =
            *(const cfmt_standing_t *)apr_hash_this_val(hi);
    }
    cfmt_scene_index(sc);
}

static apr_status_t find_causes(cfmt_replay_t *rp, const cfmt_scene_t *sc)
{
    const cfmt_standing_t *before;
    cfmt_attributed_e what;
    cfmt_standing_t st;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < sc->prefixes->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(sc->prefixes, i, cfmt_prefix_row_t);

        if (!row->gone && row->b.cidr.family) {
            rv = cfmt_attribute(&st, &what, &before, sc, row);
            if (rv == APR_SUCCESS) {
                keep(rp, &st);
            }
        }
    }
    return rv;
}

apr_status_t cfmt_replay_scene(cfmt_replay_t *rp, cfmt_scene_t *sc)
{
    apr_status_t rv = cfmt_scene_load(sc, rp->e, rp->now, rp->pstep);

    rp->looked_at = rp->now;
    if (rv == APR_SUCCESS) {
        sc->rest.skew = rp->skew;
        show_standings(rp, sc);
        rv = find_causes(rp, sc);
        show_standings(rp, sc);
    }
    return rv;
}

/* In fact somebody looks every ten seconds: what is learned behind that time changes no cause. */
apr_time_t cfmt_replay_deadline(const cfmt_replay_t *rp)
{
    apr_time_t first = 0;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, rp->standings); hi; hi = apr_hash_next(hi)) {
        const cfmt_standing_t *st = apr_hash_this_val(hi);
        apr_time_t at = st->cause.at + CFMT_CAUSE_SETTLED;

        if (at > rp->looked_at && st->found_at < at && (!first || at < first)) {
            first = at;
        }
    }
    return first;
}
