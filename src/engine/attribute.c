/*
 * Who changed a prefix: the facts about its present state, and the one cause that they make.
 */
#include <string.h>

#include <apr_strings.h>

#include "decide.h"

#define DEEDS_MAX 50

/* ---- facts ----------------------------------------------------------------------------------- */

static cfmt_cause_e cause_of(const cfmt_intent_row_t *in)
{
    return !strcmp(in->cause, "proposal") ? CFMT_CAUSE_PROPOSAL
           : !strcmp(in->who, "policy") ? CFMT_CAUSE_POLICY : CFMT_CAUSE_OPERATOR;
}

/*
 * Answered, or given up. What nobody answered and was read to be so was carried out while it was
 * under way; a later change of the same kind is somebody else's.
 */
static apr_time_t over_at(const cfmt_scene_t *sc, const cfmt_intent_row_t *in)
{
    if (in->answered_at > in->sent_at) {
        return in->answered_at;
    }
    return in->state == CFMT_INTENT_PROPAGATING || in->state == CFMT_INTENT_DONE
               ? in->sent_at + cfmt_clock_span(sc->e->conf.clock, CFMT_CALL_LEASE)
               : in->settled_at;
}

static apr_status_t add_deeds(cfmt_cause_facts_t *f, const cfmt_scene_t *sc,
                              const cfmt_cidr_t *cidr)
{
    apr_array_header_t *rows, *deeds = apr_array_make(sc->p, 4, sizeof(cfmt_deed_t));
    apr_status_t rv = cfmt_intents_list(sc->e->store, cidr, 0, DEEDS_MAX, &rows, sc->p);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_intent_row_t *in = &APR_ARRAY_IDX(rows, i, cfmt_intent_row_t);

        if (in->sent_at && in->state != CFMT_INTENT_REFUSED) {
            APR_ARRAY_PUSH(deeds, cfmt_deed_t) = (cfmt_deed_t){
                .id = in->id, .want = in->want, .by = cause_of(in), .who = in->who,
                .attack = in->attack, .sent_at = in->sent_at, .until = over_at(sc, in),
                .expects = in->expects,
                .done_at = in->state == CFMT_INTENT_DONE ? in->settled_at : 0
            };
        }
    }
    f->deeds = (const cfmt_deed_t *)deeds->elts;
    f->ndeeds = deeds->nelts;
    return rv;
}

static void add_episodes(cfmt_cause_facts_t *f, const cfmt_scene_t *sc, const cfmt_cidr_t *cidr)
{
    apr_array_header_t *all = apr_array_make(sc->p, 4, sizeof(cfmt_episode_t));
    int i;

    for (i = 0; i < sc->attacks->nelts; i++) {
        const cfmt_struck_t *a = &APR_ARRAY_IDX(sc->attacks, i, cfmt_struck_t);

        if (cfmt_attack_hits(a, cidr)) {
            APR_ARRAY_PUSH(all, cfmt_episode_t) = (cfmt_episode_t){
                .attack = a->id, .from = a->started_at, .to = a->open ? 0 : a->ended_at
            };
        }
    }
    f->episodes = (const cfmt_episode_t *)all->elts;
    f->nepisodes = all->nelts;
}

/* That there is such an alert in the window is all that counts. */
static apr_status_t add_statuses(cfmt_cause_facts_t *f, const cfmt_scene_t *sc,
                                 const cfmt_cidr_t *cidr)
{
    apr_time_t *at = apr_palloc(sc->p, sizeof(*at));
    int yes = 0;
    apr_status_t rv = APR_SUCCESS;

    if (f->advertised && f->at) {
        rv = cfmt_query_auto_advertised(sc->e->store, &yes, cidr, f->at - CFMT_CAUSE_BEFORE,
                                        f->at + CFMT_CAUSE_AFTER, sc->p);
    }
    *at = f->at;
    f->statuses = at;
    f->nstatuses = yes;
    return rv;
}

static void add_adoption(cfmt_cause_facts_t *f, const cfmt_scene_t *sc, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; i < sc->adoptions->nelts; i++) {
        const cfmt_adoption_row_t *a = &APR_ARRAY_IDX(sc->adoptions, i, cfmt_adoption_row_t);

        if (!cfmt_cidr_compare(&a->prefix, cidr)) {
            f->adopted = a->advertised_at;
            f->adopted_by = a->who;
        }
    }
}

/* ---- the cause ------------------------------------------------------------------------------- */

static int is_adopted_since(const cfmt_scene_t *sc, const cfmt_standing_t *st)
{
    cfmt_cause_facts_t f = { .now = 0 };

    add_adoption(&f, sc, &st->prefix);
    return f.adopted && f.adopted == st->cause.at && st->advertised == 1
           && st->cause.kind != CFMT_CAUSE_ADOPTED;
}

/* Nothing can be learned any more about what brought the present state. */
static int is_known(const cfmt_scene_t *sc, const cfmt_standing_t *old,
                    const cfmt_prefix_row_t *row)
{
    return old && old->advertised == row->b.advertised && old->cause.at == row->b.advertised_at
           && old->found_at >= old->cause.at + CFMT_CAUSE_SETTLED && !is_adopted_since(sc, old);
}

static int is_first(const cfmt_prefix_row_t *row)
{
    return row->b.advertised_at ? row->b.advertised_at < row->first_at
                                : row->changed_at <= row->first_at;
}

static apr_status_t find(cfmt_standing_t *st, const cfmt_scene_t *sc, const cfmt_prefix_row_t *row)
{
    const cfmt_standing_t *old = cfmt_scene_standing(sc, &row->b.cidr);
    cfmt_cause_facts_t f = { .now = sc->now, .advertised = row->b.advertised == 1,
                             .at = row->b.advertised_at, .read_at = row->changed_at,
                             .first_seen = is_first(row), .skew = sc->rest.skew };
    apr_status_t rv = add_deeds(&f, sc, &row->b.cidr);

    add_episodes(&f, sc, &row->b.cidr);
    rv = rv == APR_SUCCESS ? add_statuses(&f, sc, &row->b.cidr) : rv;
    add_adoption(&f, sc, &row->b.cidr);
    f.before = old && old->advertised == row->b.advertised ? &old->cause : NULL;
    cfmt_cause_find(&st->cause, &f);
    st->cause.at = row->b.advertised_at;
    st->advertised = row->b.advertised;
    st->found_at = sc->now;
    return rv;
}

/* What happened at the same time, or nobody said: another cause may come to be known yet. */
static int is_provisional(cfmt_cause_e kind)
{
    return kind == CFMT_CAUSE_UNKNOWN || kind == CFMT_CAUSE_EXTERNAL || kind == CFMT_CAUSE_ATTACK;
}

/* For good, or because nothing else can be learned of it. */
static int is_certain(const cfmt_standing_t *st)
{
    return !is_provisional(st->cause.kind) || st->found_at >= st->cause.at + CFMT_CAUSE_SETTLED;
}

static int is_same_change(const cfmt_standing_t *a, const cfmt_standing_t *b)
{
    return a->advertised == b->advertised && a->cause.at == b->cause.at;
}

/*
 * Each change is recorded and told once: when its cause is certain. What it is taken for later, as
 * by adopting it, is no other change.
 */
static cfmt_attributed_e judge(const cfmt_standing_t *st, const cfmt_standing_t *old, int moved)
{
    int told = old && is_same_change(st, old) && is_certain(old);

    if (!old || st->cause.kind == CFMT_CAUSE_FIRST_SEEN) {
        return CFMT_ATTRIBUTED_FIRST;
    }
    if (is_certain(st) && !told) {
        return CFMT_ATTRIBUTED_CHANGE;
    }
    return moved || st->found_at >= st->cause.at + CFMT_CAUSE_SETTLED ? CFMT_ATTRIBUTED_FIRST
                                                                      : CFMT_ATTRIBUTED_SAME;
}

static int differs(const cfmt_standing_t *st, const cfmt_standing_t *old)
{
    return old->advertised != st->advertised || old->cause.at != st->cause.at
           || old->cause.kind != st->cause.kind || old->cause.by_attack != st->cause.by_attack
           || old->cause.intent != st->cause.intent;
}

apr_status_t cfmt_attribute(cfmt_standing_t *st, cfmt_attributed_e *what,
                            const cfmt_standing_t **pbefore, const cfmt_scene_t *sc,
                            const cfmt_prefix_row_t *row)
{
    const cfmt_standing_t *old = cfmt_scene_standing(sc, &row->b.cidr);
    apr_status_t rv;
    int moved;

    *what = CFMT_ATTRIBUTED_SAME;
    *pbefore = NULL;
    if (old) {
        *st = *old;
    }
    else {
        memset(st, 0, sizeof(*st));
        st->prefix = row->b.cidr;
    }
    if (row->b.advertised < 0 || is_known(sc, old, row)) {
        return APR_SUCCESS; /* what is not known is not attributed */
    }
    rv = find(st, sc, row);
    moved = !old || differs(st, old);
    *what = judge(st, old, moved);
    if (old && !is_same_change(st, old) && !is_certain(old)) {
        *pbefore = old;
    }
    if (moved) {
        st->orphan_told_at = st->paged_at = st->would_told_at = 0;
    }
    return rv;
}
