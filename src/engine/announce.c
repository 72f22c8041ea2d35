/*
 * News of a step of the projection. Only rows that were never announced get here: a rebuild goes
 * through the same steps and tells nothing.
 */
#include "announce.h"

apr_status_t cfmt_announce_find(cfmt_announce_t *a, const cfmt_batch_t *b)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    a->news = apr_array_make(a->p, 4, sizeof(cfmt_news_t));
    if (!a->conf->channels->nelts) {
        return APR_SUCCESS;
    }
    for (i = 0; i < b->items->nelts; i++) {
        cfmt_announce_event(a, APR_ARRAY_IDX(b->items, i, const cfmt_item_t *));
    }
    for (i = 0; rv == APR_SUCCESS && i < b->groups->nelts; i++) {
        const cfmt_group_t *g = APR_ARRAY_IDX(b->groups, i, const cfmt_group_t *);

        rv = cfmt_batch_touched(g) ? cfmt_announce_attack(a, g) : APR_SUCCESS;
    }
    for (i = 0; i < b->things->nelts; i++) {
        cfmt_announce_thing(a, APR_ARRAY_IDX(b->things, i, const cfmt_thing_t *));
    }
    for (i = 0; rv == APR_SUCCESS && i < a->world->turned->nelts; i++) {
        rv = cfmt_announce_tunnel(a, &APR_ARRAY_IDX(a->world->turned, i, cfmt_turned_t));
    }
    return rv;
}

apr_status_t cfmt_announce_write(const cfmt_announce_t *a, apr_int64_t head)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < a->news->nelts; i++) {
        rv = cfmt_tell_to(a->s, a->conf->channels, &APR_ARRAY_IDX(a->news, i, cfmt_news_t),
                          a->now);
    }
    return rv == APR_SUCCESS ? cfmt_meta_set_int(a->s, CFMT_META_ANNOUNCED, head) : rv;
}
