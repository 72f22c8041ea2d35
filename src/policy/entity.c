/*
 * Entities: things with states (tunnel, health check, incident), a left fold over their events.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_policy.h"

int cfmt_entity_event_compare(const cfmt_event_t *a, const cfmt_event_t *b)
{
    if (a->ts != b->ts) {
        return a->ts < b->ts ? -1 : 1;
    }
    if (a->digest != b->digest) {
        return a->digest < b->digest ? -1 : 1;
    }
    return a->id < b->id ? -1 : a->id > b->id;
}

void cfmt_entity_init(cfmt_entity_t *t, const char *kind, const char *id)
{
    memset(t, 0, sizeof(*t));
    t->kind = kind;
    t->id = id;
}

static void take_state(cfmt_entity_t *t, const cfmt_event_t *e, apr_pool_t *p)
{
    if (!e->entity_state || (t->state && !strcmp(t->state, e->entity_state))) {
        return;
    }
    if (t->state) {
        t->previous = t->state;
        t->changes++;
    }
    t->state = apr_pstrdup(p, e->entity_state);
    t->since = e->ts;
}

/*
 * Events come in canonical order. Only behind a pruned part may one be older than what was taken:
 * it is counted and changes nothing else.
 */
void cfmt_entity_step(cfmt_entity_t *t, const cfmt_event_t *e, apr_pool_t *p)
{
    if (!t->events) {
        t->since = t->last_at = e->ts;
    }
    t->events++;
    if (e->ts < t->last_at) {
        return;
    }
    t->last_at = e->ts;
    t->priority = e->priority;
    if (e->entity_name && (!t->name || strcmp(t->name, e->entity_name))) {
        t->name = apr_pstrdup(p, e->entity_name);
    }
    take_state(t, e, p);
}
