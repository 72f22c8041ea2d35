/*
 * What the scene and the engine's memory hold of one prefix, found by it: a round asks for every
 * prefix, and a walk through all rows for each of them would cost the square of their number.
 */
#include <apr_strings.h>

#include "scene.h"

/* ---- memory ---------------------------------------------------------------------------------- */

cfmt_memory_t *cfmt_scene_memory(cfmt_engine_t *e, const cfmt_cidr_t *cidr)
{
    cfmt_memory_t *m = apr_hash_get(e->memories, cidr, sizeof(*cidr));

    if (!m) {
        m = apr_pcalloc(e->store_pool, sizeof(*m));
        apr_hash_set(e->memories, apr_pmemdup(e->store_pool, cidr, sizeof(*cidr)), sizeof(*cidr),
                     m);
    }
    return m;
}

void cfmt_scene_forget_asked(cfmt_engine_t *e)
{
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, e->memories); hi; hi = apr_hash_next(hi)) {
        cfmt_memory_t *m = apr_hash_this_val(hi);

        m->look_at = m->check_asked_at = m->check_answered_at = 0;
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

static cfmt_rows_t *rows_of(cfmt_scene_t *sc, const cfmt_cidr_t *cidr)
{
    cfmt_rows_t *rows = apr_hash_get(sc->rows, cidr, sizeof(*cidr));

    if (!rows) {
        rows = apr_pcalloc(sc->p, sizeof(*rows));
        apr_hash_set(sc->rows, cidr, sizeof(*cidr), rows); /* the key is in the row */
    }
    return rows;
}

static void index_proposals(cfmt_scene_t *sc)
{
    int i;

    for (i = 0; i < sc->proposals->nelts; i++) {
        const cfmt_proposal_row_t *pr = &APR_ARRAY_IDX(sc->proposals, i, cfmt_proposal_row_t);
        cfmt_rows_t *rows = rows_of(sc, &pr->prefix);

        if (!rows->proposals) {
            rows->proposals = apr_array_make(sc->p, 2, sizeof(const cfmt_proposal_row_t *));
        }
        APR_ARRAY_PUSH(rows->proposals, const cfmt_proposal_row_t *) = pr;
    }
}

static void index_done(cfmt_scene_t *sc)
{
    int i;

    for (i = 0; i < sc->done->nelts; i++) {
        const cfmt_intent_row_t *in = &APR_ARRAY_IDX(sc->done, i, cfmt_intent_row_t);
        cfmt_rows_t *rows = rows_of(sc, &in->prefix);

        if (!rows->done) {
            rows->done = apr_array_make(sc->p, 2, sizeof(const cfmt_intent_row_t *));
        }
        APR_ARRAY_PUSH(rows->done, const cfmt_intent_row_t *) = in;
    }
}

void cfmt_scene_index(cfmt_scene_t *sc)
{
    int i;

    sc->rows = apr_hash_make(sc->p);
    for (i = 0; i < sc->standings->nelts; i++) {
        const cfmt_standing_t *st = &APR_ARRAY_IDX(sc->standings, i, cfmt_standing_t);

        rows_of(sc, &st->prefix)->standing = st;
    }
    for (i = 0; i < sc->intents->nelts; i++) {
        const cfmt_intent_row_t *in = &APR_ARRAY_IDX(sc->intents, i, cfmt_intent_row_t);

        rows_of(sc, &in->prefix)->intent = in;
    }
    index_done(sc);
    index_proposals(sc);
}

const cfmt_rows_t *cfmt_scene_rows(const cfmt_scene_t *sc, const cfmt_cidr_t *cidr)
{
    static const cfmt_rows_t none = { .standing = NULL };
    const cfmt_rows_t *rows = apr_hash_get(sc->rows, cidr, sizeof(*cidr));

    return rows ? rows : &none;
}

const cfmt_standing_t *cfmt_scene_standing(const cfmt_scene_t *sc, const cfmt_cidr_t *cidr)
{
    return cfmt_scene_rows(sc, cidr)->standing;
}

const cfmt_intent_row_t *cfmt_scene_intent(const cfmt_scene_t *sc, const cfmt_cidr_t *cidr)
{
    return cfmt_scene_rows(sc, cidr)->intent;
}
