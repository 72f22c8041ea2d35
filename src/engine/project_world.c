/*
 * The projector's view of the world. Rows prefix_state, tunnel_state and rule_state become rows of
 * tables; events hit what is configured or listed at their row; when that moves, the attacks that
 * are open then are mapped anew.
 */
#include <stdlib.h>
#include <string.h>

#include "project_world.h"

/* The set cannot grow beyond what is configured and listed. */
#define HITS_MAX 100000

/* ---- load ------------------------------------------------------------------------------------ */

static int by_cidr(const void *a, const void *b)
{
    return cfmt_cidr_compare(&((const cfmt_prefix_t *)a)->cidr, &((const cfmt_prefix_t *)b)->cidr);
}

static void load_prefixes(cfmt_world_t *w, const apr_array_header_t *rows, apr_pool_t *p)
{
    int i;

    w->prefixes = apr_hash_make(p);
    for (i = 0; i < rows->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_prefix_row_t);

        apr_hash_set(w->prefixes, row->b.id, APR_HASH_KEY_STRING, row);
        if (!row->gone && row->b.cidr.family) {
            APR_ARRAY_PUSH(w->ours, cfmt_prefix_t) = (cfmt_prefix_t){ .cidr = row->b.cidr };
        }
    }
}

static void sort_ours(apr_array_header_t *ours)
{
    int i, n = 0;

    qsort(ours->elts, (size_t)ours->nelts, sizeof(cfmt_prefix_t), by_cidr);
    for (i = 0; i < ours->nelts; i++) {
        const cfmt_prefix_t next = APR_ARRAY_IDX(ours, i, cfmt_prefix_t);

        if (!n || by_cidr(&APR_ARRAY_IDX(ours, n - 1, cfmt_prefix_t), &next)) {
            APR_ARRAY_IDX(ours, n++, cfmt_prefix_t) = next;
        }
    }
    ours->nelts = n;
}

apr_status_t cfmt_world_load(cfmt_world_t *w, cfmt_store_t *s,
                             const apr_array_header_t *configured, apr_pool_t *p)
{
    apr_array_header_t *prefixes, *tunnels, *rules;
    apr_status_t rv = cfmt_prefixes_load(s, &prefixes, p);
    int i;

    rv = rv == APR_SUCCESS ? cfmt_tunnels_load(s, &tunnels, p) : rv;
    rv = rv == APR_SUCCESS ? cfmt_rules_load(s, &rules, p) : rv;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    w->ours = apr_array_copy(p, configured);
    load_prefixes(w, prefixes, p);
    sort_ours(w->ours);
    w->tunnels = apr_hash_make(p);
    for (i = 0; i < tunnels->nelts; i++) {
        const cfmt_tunnel_row_t *row = &APR_ARRAY_IDX(tunnels, i, cfmt_tunnel_row_t);

        apr_hash_set(w->tunnels, row->t.id, APR_HASH_KEY_STRING, row);
    }
    w->rules = apr_hash_make(p);
    for (i = 0; i < rules->nelts; i++) {
        const cfmt_rule_row_t *row = &APR_ARRAY_IDX(rules, i, cfmt_rule_row_t);

        apr_hash_set(w->rules, row->rule.id, APR_HASH_KEY_STRING, row);
    }
    return APR_SUCCESS;
}

/* ---- take ------------------------------------------------------------------------------------ */

/* One of the three is set. */
typedef struct change_t {
    const cfmt_prefix_row_t *prefix;
    const cfmt_tunnel_row_t *tunnel;
    const cfmt_rule_row_t *rule;
} change_t;

void cfmt_world_begin(cfmt_world_t *w, apr_pool_t *p)
{
    w->changed = apr_array_make(p, 8, sizeof(change_t));
    w->turned = apr_array_make(p, 2, sizeof(cfmt_turned_t));
}

static apr_status_t take_prefix(cfmt_world_t *w, const cfmt_journal_row_t *j, int *pmoved,
                                apr_pool_t *p)
{
    cfmt_prefix_row_t *row = apr_palloc(p, sizeof(*row));
    const cfmt_prefix_row_t *before;
    apr_status_t rv = cfmt_prefix_take(row, j, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    before = apr_hash_get(w->prefixes, row->b.id, APR_HASH_KEY_STRING);
    if (before) {
        cfmt_prefix_follow(row, before);
    }
    *pmoved = (before && !before->gone) != !row->gone
              || (!row->gone && cfmt_cidr_compare(&before->b.cidr, &row->b.cidr));
    apr_hash_set(w->prefixes, row->b.id, APR_HASH_KEY_STRING, row);
    APR_ARRAY_PUSH(w->changed, change_t) = (change_t){ .prefix = row };
    return APR_SUCCESS;
}

static apr_status_t take_tunnel(cfmt_world_t *w, const cfmt_journal_row_t *j, apr_pool_t *p)
{
    cfmt_tunnel_row_t *row = apr_palloc(p, sizeof(*row));
    const cfmt_tunnel_row_t *before;
    apr_status_t rv = cfmt_tunnel_take(row, j, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    before = apr_hash_get(w->tunnels, row->t.id, APR_HASH_KEY_STRING);
    if (before) {
        cfmt_tunnel_follow(row, before);
    }
    if (!row->gone && (!before || strcmp(before->state, row->state))) {
        APR_ARRAY_PUSH(w->turned, cfmt_turned_t) = (cfmt_turned_t){ .before = before, .row = row };
    }
    apr_hash_set(w->tunnels, row->t.id, APR_HASH_KEY_STRING, row);
    APR_ARRAY_PUSH(w->changed, change_t) = (change_t){ .tunnel = row };
    return APR_SUCCESS;
}

static int same_rule(const cfmt_rule_t *a, const cfmt_rule_t *b)
{
    int i, same = !strcmp(a->name, b->name) && a->prefixes->nelts == b->prefixes->nelts;

    for (i = 0; same && i < a->prefixes->nelts; i++) {
        same = !cfmt_cidr_compare(&APR_ARRAY_IDX(a->prefixes, i, cfmt_cidr_t),
                                  &APR_ARRAY_IDX(b->prefixes, i, cfmt_cidr_t));
    }
    return same;
}

static apr_status_t take_rule(cfmt_world_t *w, const cfmt_journal_row_t *j, int *pmoved,
                              apr_pool_t *p)
{
    cfmt_rule_row_t *row = apr_palloc(p, sizeof(*row));
    const cfmt_rule_row_t *before;
    apr_status_t rv = cfmt_rule_take(row, j, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    before = apr_hash_get(w->rules, row->rule.id, APR_HASH_KEY_STRING);
    *pmoved = (before && !before->gone) != !row->gone
              || (!row->gone && !same_rule(&before->rule, &row->rule));
    apr_hash_set(w->rules, row->rule.id, APR_HASH_KEY_STRING, row);
    APR_ARRAY_PUSH(w->changed, change_t) = (change_t){ .rule = row };
    return APR_SUCCESS;
}

apr_status_t cfmt_world_take(cfmt_world_t *w, const cfmt_journal_row_t *row, int *pmoved,
                             apr_pool_t *p)
{
    *pmoved = 0;
    if (!strcmp(row->kind, "prefix_state")) {
        return take_prefix(w, row, pmoved, p);
    }
    if (!strcmp(row->kind, "tunnel_state")) {
        return take_tunnel(w, row, p);
    }
    return !strcmp(row->kind, "rule_state") ? take_rule(w, row, pmoved, p) : APR_SUCCESS;
}

apr_status_t cfmt_world_write(const cfmt_world_t *w, cfmt_store_t *s)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < w->changed->nelts; i++) {
        const change_t *c = &APR_ARRAY_IDX(w->changed, i, change_t);

        rv = c->prefix   ? cfmt_prefix_save(s, c->prefix)
             : c->tunnel ? cfmt_tunnel_save(s, c->tunnel)
                         : cfmt_rule_save(s, c->rule);
    }
    return rv;
}

/* ---- where it hits --------------------------------------------------------------------------- */

static void add_hits(apr_array_header_t *set, const cfmt_world_t *w, const cfmt_cidr_t *target,
                     apr_pool_t *p)
{
    const apr_array_header_t *hits = cfmt_prefix_hits(target, w->ours, p);
    int i;

    for (i = 0; i < hits->nelts; i++) {
        const cfmt_prefix_t *prefix = &APR_ARRAY_IDX(w->ours, APR_ARRAY_IDX(hits, i, int),
                                                     cfmt_prefix_t);

        cfmt_texts_add(set, cfmt_cidr_format(p, &prefix->cidr), HITS_MAX, p);
    }
}

/* Several rules may have the name: all of them are meant. 0: none has, or it watches nothing. */
static int add_rule_hits(apr_array_header_t *set, const cfmt_world_t *w, const char *name,
                         apr_pool_t *p)
{
    apr_hash_index_t *hi;
    int i, known = 0;

    for (hi = apr_hash_first(p, w->rules); hi; hi = apr_hash_next(hi)) {
        const cfmt_rule_row_t *row = apr_hash_this_val(hi);

        for (i = 0; !row->gone && !strcmp(row->rule.name, name) && i < row->rule.prefixes->nelts;
             i++) {
            add_hits(set, w, &APR_ARRAY_IDX(row->rule.prefixes, i, cfmt_cidr_t), p);
            known = 1;
        }
    }
    return known;
}

apr_array_header_t *cfmt_world_hits(const cfmt_world_t *w, const cfmt_event_t *e, int *punknown,
                                    apr_pool_t *p)
{
    apr_array_header_t *set;

    *punknown = 0;
    if (e->effect != CFMT_EFFECT_NETWORK) {
        return NULL;
    }
    set = apr_array_make(p, 2, sizeof(const char *));
    if (e->target_cidr.family) {
        add_hits(set, w, &e->target_cidr, p);
    }
    else if (cfmt_event_by_rule(e)) {
        *punknown = !add_rule_hits(set, w, e->rule, p);
    }
    return set;
}

/* ---- open attacks, anew ---------------------------------------------------------------------- */

/* All that may be hit by something that hit this prefix of before: never less. */
static void add_within(apr_array_header_t *set, const cfmt_world_t *w, const cfmt_cidr_t *before,
                       apr_pool_t *p)
{
    int i;

    add_hits(set, w, before, p);
    for (i = 0; i < w->ours->nelts; i++) {
        const cfmt_cidr_t *c = &APR_ARRAY_IDX(w->ours, i, cfmt_prefix_t).cidr;

        if (cfmt_cidr_contains(before, c)) {
            cfmt_texts_add(set, cfmt_cidr_format(p, c), HITS_MAX, p);
        }
    }
}

typedef void add_one(apr_array_header_t *set, const cfmt_world_t *w, const cfmt_cidr_t *cidr,
                     apr_pool_t *p);

static void add_each(apr_array_header_t *set, const cfmt_world_t *w,
                     const apr_array_header_t *texts, add_one *one, apr_pool_t *p)
{
    cfmt_cidr_t c;
    int i;

    for (i = 0; i < texts->nelts; i++) {
        if (cfmt_cidr_parse(&c, NULL, APR_ARRAY_IDX(texts, i, const char *)) == APR_SUCCESS) {
            one(set, w, &c, p);
        }
    }
}

/*
 * From what the attack's row says; it may hit more than its events say, never less. The row does
 * not tell which of its alerts lacked a target, so all its rules count once one did, and as many as
 * it keeps may be too few. Of some pruned targets only the prefixes of then are left.
 */
static void place_again(cfmt_place_t *place, const cfmt_world_t *w, apr_pool_t *p)
{
    apr_array_header_t *set = apr_array_make(p, 2, sizeof(const char *));
    int i;

    add_each(set, w, place->targets, add_hits, p);
    add_each(set, w, place->kept, add_within, p);
    place->prefixes = set;
    place->rule_unknown = place->rule_only && place->rules->nelts >= CFMT_ATTACK_TEXTS_MAX;
    for (i = 0; place->rule_only && i < place->rules->nelts; i++) {
        place->rule_unknown |= !add_rule_hits(set, w, APR_ARRAY_IDX(place->rules, i, const char *),
                                              p);
    }
}

static int same_place(const cfmt_place_t *a, const cfmt_place_t *b)
{
    const apr_array_header_t *x = a->prefixes, *y = b->prefixes;
    int i, same = a->rule_unknown == b->rule_unknown && x->nelts == y->nelts;

    for (i = 0; same && i < x->nelts; i++) {
        same = !strcmp(APR_ARRAY_IDX(x, i, const char *), APR_ARRAY_IDX(y, i, const char *));
    }
    return same;
}

apr_status_t cfmt_world_remap(cfmt_remapping_t *m, const cfmt_world_t *w, cfmt_store_t *s,
                              const cfmt_remap_t *from, apr_int64_t mapped, int limit,
                              apr_pool_t *p)
{
    apr_array_header_t *places;
    apr_status_t rv = cfmt_places_load(s, from->after, limit, &places, p);
    int i;

    m->changed = apr_array_make(p, 8, sizeof(cfmt_place_t));
    m->done = places->nelts;
    m->next = *from;
    for (i = 0; rv == APR_SUCCESS && i < places->nelts; i++) {
        const cfmt_place_t *before = &APR_ARRAY_IDX(places, i, cfmt_place_t);
        cfmt_place_t place = *before;

        m->next.after = place.number;
        if (place.pruned && from->row <= mapped) {
            continue;
        }
        place_again(&place, w, p);
        if (!same_place(&place, before)) {
            APR_ARRAY_PUSH(m->changed, cfmt_place_t) = place;
        }
    }
    if (places->nelts < limit) {
        m->next.row = m->next.after = 0;
    }
    return rv;
}

apr_status_t cfmt_world_remap_write(const cfmt_remapping_t *m, cfmt_store_t *s, apr_pool_t *p)
{
    apr_status_t rv = cfmt_remap_save(s, &m->next);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < m->changed->nelts; i++) {
        rv = cfmt_place_save(s, &APR_ARRAY_IDX(m->changed, i, cfmt_place_t), p);
    }
    return rv;
}
