/*
 * The entities of a step: things with states (tunnels, incidents, health checks), each folded over
 * its events in their own order. No union of keys here: kind and id say which thing it is.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "batch.h"

apr_array_header_t *cfmt_batch_in_order(const apr_array_header_t *items,
                                        const apr_array_header_t *rows,
                                        const apr_array_header_t *lost,
                                        int (*order)(const void *, const void *), apr_pool_t *p)
{
    apr_array_header_t *out = apr_array_make(p, items->nelts + (rows ? rows->nelts : 0) + 1,
                                             sizeof(const cfmt_event_t *));
    int i, k;

    for (i = 0; i < items->nelts; i++) {
        APR_ARRAY_PUSH(out, const cfmt_event_t *) = &APR_ARRAY_IDX(items, i, cfmt_item_t *)->e;
    }
    for (i = 0; rows && i < rows->nelts; i++) {
        const cfmt_event_t *e = &APR_ARRAY_IDX(rows, i, cfmt_event_stored_t).e;

        for (k = 0; lost && k < lost->nelts && APR_ARRAY_IDX(lost, k, apr_int64_t) != e->id; k++) {
        }
        if (!lost || k == lost->nelts) {
            APR_ARRAY_PUSH(out, const cfmt_event_t *) = e;
        }
    }
    qsort(out->elts, (size_t)out->nelts, sizeof(const cfmt_event_t *), order);
    return out;
}

static int by_entity_order(const void *a, const void *b)
{
    return cfmt_entity_event_compare(*(const cfmt_event_t *const *)a,
                                     *(const cfmt_event_t *const *)b);
}

void cfmt_batch_entity_add(cfmt_batch_t *b, cfmt_item_t *item)
{
    const cfmt_event_t *e = &item->e;
    const char *text;
    cfmt_thing_t *t;

    if (e->effect != CFMT_EFFECT_ENTITY || !e->entity_kind || !e->entity_id || !e->ours) {
        return;
    }
    text = apr_pstrcat(b->p, e->entity_kind, "\n", e->entity_id, NULL);
    t = apr_hash_get(b->entities, text, APR_HASH_KEY_STRING);
    if (!t) {
        t = apr_pcalloc(b->p, sizeof(*t));
        t->kind = e->entity_kind;
        t->id = e->entity_id;
        t->items = apr_array_make(b->p, 4, sizeof(cfmt_item_t *));
        APR_ARRAY_PUSH(b->things, cfmt_thing_t *) = t;
        apr_hash_set(b->entities, text, APR_HASH_KEY_STRING, t);
    }
    APR_ARRAY_PUSH(t->items, cfmt_item_t *) = item;
}

static apr_status_t fold_thing(cfmt_batch_t *b, cfmt_thing_t *t)
{
    apr_array_header_t *events = cfmt_batch_in_order(t->items, NULL, NULL, by_entity_order, b->p);
    apr_array_header_t *rows = apr_array_make(b->p, 16, sizeof(cfmt_event_stored_t));
    apr_status_t rv = cfmt_entity_load(b->s, &t->row, t->kind, t->id, b->p);
    int i;

    t->before = t->row.t;
    if (rv == APR_SUCCESS
        && APR_ARRAY_IDX(events, 0, const cfmt_event_t *)->ts <= t->row.t.last_at) {
        rv = cfmt_events_of_entity(b->s, rows, t->kind, t->id, b->p);
        events = cfmt_batch_in_order(t->items, rows, NULL, by_entity_order, b->p);
        if (!t->row.base) {
            cfmt_entity_init(&t->row.t, t->kind, t->id);
        }
        else if (rv == APR_SUCCESS) {
            rv = cfmt_entity_decode(&t->row.t, t->kind, t->id, t->row.base, b->p);
        }
    }
    if (rv != APR_SUCCESS && rv != CFMT_EMISSING) {
        return rv;
    }
    for (i = 0; i < events->nelts; i++) {
        cfmt_entity_step(&t->row.t, APR_ARRAY_IDX(events, i, const cfmt_event_t *), b->p);
    }
    return APR_SUCCESS;
}

apr_status_t cfmt_batch_entities_fold(cfmt_batch_t *b)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < b->things->nelts; i++) {
        rv = fold_thing(b, APR_ARRAY_IDX(b->things, i, cfmt_thing_t *));
    }
    return rv;
}

apr_status_t cfmt_batch_entities_write(cfmt_batch_t *b)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < b->things->nelts; i++) {
        rv = cfmt_entity_save(b->s, &APR_ARRAY_IDX(b->things, i, cfmt_thing_t *)->row);
    }
    return rv;
}
