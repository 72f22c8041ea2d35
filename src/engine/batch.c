/*
 * One step of the projection. The result depends on the set of events only: attacks are unions over
 * shared keys, folds run in canonical order, and what cannot be one more step on the stored row is
 * folded again from all events.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "batch.h"

/* Folds keep the set of prefixes without a bound: it cannot grow beyond the configuration. */
#define PREFIXES_MAX 100000

void cfmt_batch_init(cfmt_batch_t *b, cfmt_store_t *s, apr_pool_t *p)
{
    b->s = s;
    b->p = p;
    b->items = apr_array_make(p, 64, sizeof(cfmt_item_t *));
    b->groups = apr_array_make(p, 16, sizeof(cfmt_group_t *));
    b->things = apr_array_make(p, 4, sizeof(struct cfmt_thing_t *));
    b->refs = apr_array_make(p, 4, sizeof(cfmt_item_t *));
    b->joins = apr_array_make(p, 4, sizeof(const char *));
    b->same = apr_hash_make(p);
    b->keys = apr_hash_make(p);
    b->attacks = apr_hash_make(p);
    b->entities = apr_hash_make(p);
}

/* ---- groups: a union of keys ----------------------------------------------------------------- */

static cfmt_group_t *root_of(cfmt_group_t *g)
{
    while (g && g->into) {
        g = g->into;
    }
    return g;
}

static cfmt_group_t *group_make(cfmt_batch_t *b)
{
    cfmt_group_t *g = apr_pcalloc(b->p, sizeof(*g));

    g->ids = apr_array_make(b->p, 1, sizeof(const char *));
    g->items = apr_array_make(b->p, 4, sizeof(cfmt_item_t *));
    g->keys = apr_array_make(b->p, 2, sizeof(cfmt_attack_key_t));
    g->lost = apr_array_make(b->p, 1, sizeof(apr_int64_t));
    APR_ARRAY_PUSH(b->groups, cfmt_group_t *) = g;
    return g;
}

static cfmt_group_t *group_of_attack(cfmt_batch_t *b, const char *attack)
{
    cfmt_group_t *g = apr_hash_get(b->attacks, attack, APR_HASH_KEY_STRING);

    if (!g) {
        g = group_make(b);
        APR_ARRAY_PUSH(g->ids, const char *) = attack;
        apr_hash_set(b->attacks, attack, APR_HASH_KEY_STRING, g);
    }
    return root_of(g);
}

/* Both are roots or NULL; the result is what they are together. */
static cfmt_group_t *group_union(cfmt_group_t *a, cfmt_group_t *b)
{
    if (!a || a == b) {
        return b;
    }
    if (b) {
        apr_array_cat(a->ids, b->ids);
        apr_array_cat(a->items, b->items);
        apr_array_cat(a->keys, b->keys);
        b->into = a;
    }
    return a;
}

static const char *key_text(const cfmt_attack_key_t *k, apr_pool_t *p)
{
    const char kind[] = { (char)('0' + k->kind), '\0' };

    return apr_pstrcat(p, kind, k->account, "\n", k->value, NULL);
}

/* The group that has key k, in this batch or in the store; NULL = the key is new. */
static apr_status_t find_group(cfmt_batch_t *b, cfmt_group_t **pg, const cfmt_attack_key_t *k,
                               const char *text)
{
    const char *attack;
    apr_status_t rv;

    *pg = root_of(apr_hash_get(b->keys, text, APR_HASH_KEY_STRING));
    if (*pg) {
        return APR_SUCCESS;
    }
    rv = cfmt_key_find(b->s, k, &attack, b->p);
    if (rv == APR_SUCCESS && attack) {
        *pg = group_of_attack(b, attack);
        apr_hash_set(b->keys, text, APR_HASH_KEY_STRING, *pg);
    }
    return rv;
}

/*
 * An attack from a snapshot came with all that rows up to mapped_to say of its place. Asked of the
 * store: in this batch it may be joined to one that the snapshot knew nothing of.
 */
static apr_status_t look_placed(cfmt_batch_t *b, cfmt_item_t *item, const cfmt_attack_key_t *k)
{
    cfmt_attack_stored_t row;
    const char *attack;
    apr_status_t rv;

    if (item->e.id > b->mapped_to) {
        return APR_SUCCESS;
    }
    rv = cfmt_key_find(b->s, k, &attack, b->p);
    if (rv != APR_SUCCESS || !attack) {
        return rv;
    }
    rv = cfmt_attack_load(b->s, &row, attack, b->p);
    item->placed = rv == APR_SUCCESS && row.base;
    return rv;
}

static apr_status_t add_to_attack(cfmt_batch_t *b, cfmt_item_t *item)
{
    cfmt_attack_key_t keys[CFMT_ATTACK_KEYS_MAX];
    const char *text[CFMT_ATTACK_KEYS_MAX];
    cfmt_group_t *found[CFMT_ATTACK_KEYS_MAX], *g = NULL;
    cfmt_event_t named = item->e;
    apr_status_t rv;
    int n, i;

    named.account = item->account;
    n = cfmt_attack_keys(keys, &named, b->p);
    if (n && (rv = look_placed(b, item, &keys[0])) != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < n; i++) {
        text[i] = key_text(&keys[i], b->p);
        rv = find_group(b, &found[i], &keys[i], text[i]);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        g = group_union(g, root_of(found[i]));
    }
    if (!g && n) {
        g = group_make(b);
    }
    for (i = 0; i < n; i++) {
        if (!found[i]) {
            APR_ARRAY_PUSH(g->keys, cfmt_attack_key_t) = keys[i];
            apr_hash_set(b->keys, text[i], APR_HASH_KEY_STRING, g);
        }
    }
    if (g) {
        APR_ARRAY_PUSH(g->items, cfmt_item_t *) = item;
        item->group = g;
    }
    return APR_SUCCESS;
}

/* ---- add ------------------------------------------------------------------------------------- */

/* A delivery that came again, in this batch or before, is not another event. */
static apr_status_t find_same(cfmt_batch_t *b, cfmt_item_t *item)
{
    apr_int64_t *name = apr_palloc(b->p, 2 * sizeof(*name));
    const cfmt_item_t *same;
    apr_status_t rv;

    name[0] = item->e.ts;
    name[1] = item->e.digest;
    same = apr_hash_get(b->same, name, 2 * sizeof(*name));
    if (same) {
        item->first = same->e.id;
        return APR_SUCCESS;
    }
    rv = cfmt_event_known(b->s, &item->e, &item->first);
    if (rv == APR_SUCCESS
        && !item->first) { /* repeats are not repeated: what they repeat may be pruned */
        apr_hash_set(b->same, name, 2 * sizeof(*name), item);
    }
    return rv;
}

apr_status_t cfmt_batch_add(cfmt_batch_t *b, cfmt_item_t *item)
{
    apr_status_t rv = find_same(b, item);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    APR_ARRAY_PUSH(b->items, cfmt_item_t *) = item;
    if (item->first) {
        return APR_SUCCESS;
    }
    if (cfmt_event_by_ref(&item->e)) {
        APR_ARRAY_PUSH(b->refs, cfmt_item_t *) = item;
        return APR_SUCCESS;
    }
    cfmt_batch_entity_add(b, item);
    return add_to_attack(b, item);
}

/* ---- what names its attack: an operator's name for it may come to be known later ------------- */

/* The stored events of operators that name a new key: what they mean may have changed. */
static apr_status_t recall(cfmt_batch_t *b, const char *name, apr_hash_t *seen)
{
    apr_array_header_t *events = apr_array_make(b->p, 2, sizeof(cfmt_event_stored_t));
    apr_status_t rv = cfmt_events_of_operator(b->s, events, name, b->p);
    int i;

    for (i = 0; i < events->nelts; i++) {
        cfmt_event_stored_t *row = &APR_ARRAY_IDX(events, i, cfmt_event_stored_t);
        cfmt_item_t *item;

        if (apr_hash_get(seen, &row->e.id, sizeof(row->e.id))) {
            continue;
        }
        item = apr_pcalloc(b->p, sizeof(*item));
        item->e = row->e;
        item->stored = 1;
        item->group = row->attack ? group_of_attack(b, row->attack) : NULL;
        apr_hash_set(seen, &item->e.id, sizeof(item->e.id), item);
        APR_ARRAY_PUSH(b->refs, cfmt_item_t *) = item;
    }
    return rv;
}

static apr_status_t recall_all(cfmt_batch_t *b)
{
    apr_hash_t *seen = apr_hash_make(b->p);
    apr_status_t rv = APR_SUCCESS;
    int i, k;

    for (i = 0; i < b->groups->nelts; i++) {
        const cfmt_group_t *g = APR_ARRAY_IDX(b->groups, i, cfmt_group_t *);

        for (k = 0; rv == APR_SUCCESS && !g->into && k < g->keys->nelts; k++) {
            const cfmt_attack_key_t *key = &APR_ARRAY_IDX(g->keys, k, cfmt_attack_key_t);

            rv = recall(b, key->id, seen);
            if (rv == APR_SUCCESS && key->kind != CFMT_KEY_TUPLE) {
                rv = recall(b, key->value, seen);
            }
        }
    }
    return rv;
}

/* 0: the key's id is ref; 1: it is an attack or correlation id that reads so; 2: neither. */
static int key_rank(const cfmt_attack_key_t *k, const char *ref)
{
    if (!strcmp(k->id, ref)) {
        return 0;
    }
    return k->kind != CFMT_KEY_TUPLE && !strcmp(k->value, ref) ? 1 : 2;
}

/* The same choice as cfmt_key_resolve, over the store and the new keys. */
static apr_status_t resolve(cfmt_batch_t *b, cfmt_group_t **pg, const char *ref)
{
    cfmt_attack_key_t best;
    const char *attack = NULL;
    apr_status_t rv = cfmt_key_resolve(b->s, &best, &attack, ref, b->p);
    int rank = rv == APR_SUCCESS ? key_rank(&best, ref) : 2, i, k;

    *pg = rv == APR_SUCCESS ? group_of_attack(b, attack) : NULL;
    for (i = 0; i < b->groups->nelts; i++) {
        cfmt_group_t *g = APR_ARRAY_IDX(b->groups, i, cfmt_group_t *);

        for (k = 0; !g->into && k < g->keys->nelts; k++) {
            const cfmt_attack_key_t *key = &APR_ARRAY_IDX(g->keys, k, cfmt_attack_key_t);
            int r = key_rank(key, ref);

            if (r < 2 && (r < rank || (r == rank && cfmt_attack_key_compare(key, &best) < 0))) {
                best = *key;
                rank = r;
                *pg = g;
            }
        }
    }
    return rv == CFMT_EMISSING ? APR_SUCCESS : rv;
}

void cfmt_batch_join(cfmt_batch_t *b, const char *id, const char *with)
{
    APR_ARRAY_PUSH(b->joins, const char *) = id;
    APR_ARRAY_PUSH(b->joins, const char *) = with;
}

/* One that is not there any more joins nothing. */
static apr_status_t join_all(cfmt_batch_t *b)
{
    cfmt_group_t *one, *other;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < b->joins->nelts; i += 2) {
        rv = resolve(b, &one, APR_ARRAY_IDX(b->joins, i, const char *));
        rv = rv == APR_SUCCESS ? resolve(b, &other, APR_ARRAY_IDX(b->joins, i + 1, const char *))
                               : rv;
        if (rv == APR_SUCCESS && one && other) {
            group_union(one, other);
        }
    }
    return rv;
}

/* The summary says whether there is such an attack. */
static void say_bound(cfmt_event_t *e, int bound, apr_pool_t *p)
{
    apr_size_t len = strlen(e->summary), tail = strlen(CFMT_UNBOUND);
    int says = len >= tail && !strcmp(e->summary + len - tail, CFMT_UNBOUND);

    if (bound && says) {
        e->summary = apr_pstrmemdup(p, e->summary, len - tail);
    }
    else if (!bound && !says) {
        e->summary = apr_pstrcat(p, e->summary, CFMT_UNBOUND, NULL);
    }
}

static apr_status_t bind_ref(cfmt_batch_t *b, cfmt_item_t *item)
{
    cfmt_group_t *was = root_of(item->group), *g;
    apr_status_t rv = resolve(b, &g, item->e.attack_id);

    if (rv != APR_SUCCESS || (item->stored && g == was)) {
        return rv;
    }
    say_bound(&item->e, g != NULL, b->p);
    if (was) {
        APR_ARRAY_PUSH(was->lost, apr_int64_t) = item->e.id;
    }
    if (g) {
        APR_ARRAY_PUSH(g->items, cfmt_item_t *) = item;
    }
    item->group = g;
    if (item->stored) {
        APR_ARRAY_PUSH(b->items, cfmt_item_t *) = item;
    }
    return APR_SUCCESS;
}

static apr_status_t bind_refs(cfmt_batch_t *b)
{
    apr_status_t rv = recall_all(b);
    int i;

    rv = rv == APR_SUCCESS ? join_all(b) : rv;
    for (i = 0; rv == APR_SUCCESS && i < b->refs->nelts; i++) {
        rv = bind_ref(b, APR_ARRAY_IDX(b->refs, i, cfmt_item_t *));
    }
    return rv;
}

/* ---- fold: attacks --------------------------------------------------------------------------- */

static int by_attack_order(const void *a, const void *b)
{
    return cfmt_attack_event_compare(*(const cfmt_event_t *const *)a,
                                     *(const cfmt_event_t *const *)b);
}

/* The id is that of the smallest key; without new keys it is what it was. */
static apr_status_t choose_id(cfmt_batch_t *b, const cfmt_group_t *g, const char **pid)
{
    cfmt_attack_key_t best = {.id = NULL}, k;
    apr_status_t rv = APR_SUCCESS;
    int i, have = 0;

    *pid = g->ids->nelts == 1 ? APR_ARRAY_IDX(g->ids, 0, const char *) : NULL;
    if (*pid && !g->keys->nelts) {
        return APR_SUCCESS;
    }
    for (i = 0; i < g->ids->nelts; i++) {
        rv = cfmt_key_first(b->s, &k, APR_ARRAY_IDX(g->ids, i, const char *), b->p);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (!have++ || cfmt_attack_key_compare(&k, &best) < 0) {
            best = k;
        }
    }
    for (i = 0; i < g->keys->nelts; i++) {
        if (!have++
            || cfmt_attack_key_compare(&APR_ARRAY_IDX(g->keys, i, cfmt_attack_key_t), &best) < 0) {
            best = APR_ARRAY_IDX(g->keys, i, cfmt_attack_key_t);
        }
    }
    *pid = best.id;
    return APR_SUCCESS;
}

static void add_texts(apr_array_header_t *set, const apr_array_header_t *more, apr_pool_t *p)
{
    int i;

    for (i = 0; more && i < more->nelts; i++) {
        cfmt_texts_add(set, APR_ARRAY_IDX(more, i, const char *), PREFIXES_MAX, p);
    }
}

/* Adds stored attack id to g's row: its place, and its pruned part to *base. */
static apr_status_t take_stored(cfmt_batch_t *b, cfmt_group_t *g, const char *id,
                                cfmt_attack_t *base)
{
    cfmt_attack_stored_t row;
    cfmt_attack_t pruned;
    apr_status_t rv = cfmt_attack_load(b->s, &row, id, b->p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    add_texts(g->row.prefixes, row.prefixes, b->p);
    add_texts(g->row.kept, row.kept, b->p);
    g->row.rule_unknown |= row.rule_unknown;
    g->was_open |= row.a.open;
    g->was_ended = row.a.ended_at > g->was_ended ? row.a.ended_at : g->was_ended;
    if (row.base) {
        rv = cfmt_attack_decode(&pruned, id, row.base, b->p);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        cfmt_attack_join(base, &pruned, b->p);
    }
    g->row.a = row.a;
    return APR_SUCCESS;
}

/* Starts again from what is pruned, over all events. */
static apr_status_t refold(cfmt_batch_t *b, cfmt_group_t *g, const cfmt_attack_t *base,
                           apr_array_header_t **pevents)
{
    apr_array_header_t *rows = apr_array_make(b->p, 64, sizeof(cfmt_event_stored_t));
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < g->ids->nelts; i++) {
        rv = cfmt_events_of_attack(b->s, rows, APR_ARRAY_IDX(g->ids, i, const char *), b->p);
    }
    g->row.a = *base;
    *pevents = cfmt_batch_in_order(g->items, rows, g->lost, by_attack_order, b->p);
    return rv;
}

static void take_places(cfmt_batch_t *b, cfmt_group_t *g)
{
    int i;

    for (i = 0; i < g->items->nelts; i++) {
        const cfmt_item_t *item = APR_ARRAY_IDX(g->items, i, cfmt_item_t *);

        if (!item->placed) {
            g->row.rule_unknown |= item->rule_unknown;
            add_texts(g->row.prefixes, item->hits, b->p);
        }
    }
}

/*
 * Younger than all that is stored, or within the episode that is open: no END is in there, or it
 * would be over, and of the others the order is nothing.
 */
static int is_step(const cfmt_attack_t *a, const cfmt_event_t *e)
{
    return e->ts > a->last_at
           || (a->open && e->ts >= (e->state == CFMT_STATE_END ? a->last_at : a->episode_at));
}

/*
 * One attack as stored, nothing lost: what is new are steps on the stored row. Else all its events
 * are read again, which beside a thousand deliveries a second of one attack nobody can afford.
 */
static int only_steps(const cfmt_group_t *g, const apr_array_header_t *events)
{
    int i;

    for (i = 0; i < events->nelts; i++) {
        if (!is_step(&g->row.a, APR_ARRAY_IDX(events, i, const cfmt_event_t *))) {
            return 0;
        }
    }
    return g->ids->nelts == 1 && !g->lost->nelts && events->nelts;
}

static apr_status_t fold_group(cfmt_batch_t *b, cfmt_group_t *g)
{
    apr_array_header_t *events = cfmt_batch_in_order(g->items, NULL, NULL, by_attack_order, b->p);
    cfmt_attack_t base;
    const char *id;
    apr_status_t rv = choose_id(b, g, &id);
    int i;

    cfmt_attack_init(&base, id, b->p);
    g->row.prefixes = apr_array_make(b->p, 2, sizeof(const char *));
    g->row.kept = apr_array_make(b->p, 1, sizeof(const char *));
    for (i = 0; rv == APR_SUCCESS && i < g->ids->nelts; i++) {
        rv = take_stored(b, g, APR_ARRAY_IDX(g->ids, i, const char *), &base);
    }
    if (rv == APR_SUCCESS) {
        g->row.base = base.events ? cfmt_attack_encode(&base, b->p) : NULL;
        if (!only_steps(g, events)) {
            rv = refold(b, g, &base, &events);
        }
    }
    for (i = 0; rv == APR_SUCCESS && i < events->nelts; i++) {
        cfmt_attack_step(&g->row.a, APR_ARRAY_IDX(events, i, const cfmt_event_t *), b->p);
    }
    g->row.a.id = id;
    take_places(b, g);
    return rv;
}

int cfmt_batch_touched(const cfmt_group_t *g)
{
    return !g->into && (g->items->nelts || g->lost->nelts || g->ids->nelts > 1);
}

apr_status_t cfmt_batch_fold(cfmt_batch_t *b)
{
    apr_status_t rv = bind_refs(b);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < b->groups->nelts; i++) {
        cfmt_group_t *g = APR_ARRAY_IDX(b->groups, i, cfmt_group_t *);

        rv = cfmt_batch_touched(g) ? fold_group(b, g) : APR_SUCCESS;
    }
    return rv == APR_SUCCESS ? cfmt_batch_entities_fold(b) : rv;
}

/* ---- write ----------------------------------------------------------------------------------- */

/*
 * Merged and renamed attacks first, so that what follows finds the final id. A rename moves all
 * events of the attack in one transaction: it happens when a late event brings a smaller key or
 * links two attacks, so to few events as a rule. Keys need the row that they lead to.
 */
static apr_status_t write_group(cfmt_batch_t *b, const cfmt_group_t *g)
{
    const char *id = g->row.a.id;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < g->ids->nelts; i++) {
        const char *old = APR_ARRAY_IDX(g->ids, i, const char *);

        rv = strcmp(old, id) ? cfmt_attack_move(b->s, old, id) : APR_SUCCESS;
    }
    rv = rv == APR_SUCCESS ? cfmt_attack_save(b->s, &g->row, b->p) : rv;
    for (i = 0; rv == APR_SUCCESS && i < g->keys->nelts; i++) {
        rv = cfmt_key_insert(b->s, &APR_ARRAY_IDX(g->keys, i, cfmt_attack_key_t), id);
    }
    return rv;
}

static apr_status_t write_item(cfmt_batch_t *b, const cfmt_item_t *item)
{
    const cfmt_group_t *g = root_of(item->group);
    const char *attack = g ? g->row.a.id : NULL;

    if (item->first) { /* of itself where a row is projected once more */
        return item->first == item->e.id ? APR_SUCCESS
                                         : cfmt_event_repeat(b->s, item->e.id, item->first);
    }
    if (item->stored) {
        return cfmt_event_rebind(b->s, item->e.id, attack, item->e.summary);
    }
    return cfmt_event_insert(b->s, &item->e, attack);
}

apr_status_t cfmt_batch_write(cfmt_batch_t *b)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < b->groups->nelts; i++) {
        const cfmt_group_t *g = APR_ARRAY_IDX(b->groups, i, cfmt_group_t *);

        rv = cfmt_batch_touched(g) ? write_group(b, g) : APR_SUCCESS;
    }
    for (i = 0; rv == APR_SUCCESS && i < b->items->nelts; i++) {
        rv = write_item(b, APR_ARRAY_IDX(b->items, i, cfmt_item_t *));
    }
    return rv == APR_SUCCESS ? cfmt_batch_entities_write(b) : rv;
}
