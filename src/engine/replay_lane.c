/*
 * One prefix under another policy: it follows what happened in fact, except for what the policy of
 * then did; that it does by itself. What the journal does not have is taken for good: state and
 * traffic are read at once, and minutes that nobody read because the prefix was withdrawn are calm.
 */
#include <string.h>

#include <apr_strings.h>

#include "replay_sim.h"
#include "sense.h"

#define WOULD_AGAIN apr_time_from_sec(3600)
#define TTL apr_time_from_sec(30 * 60)

/* ---- lanes ----------------------------------------------------------------------------------- */

cfmt_lane_t *cfmt_lane_of(cfmt_sim_t *sim, const cfmt_cidr_t *prefix)
{
    cfmt_lane_t *lane = apr_hash_get(sim->lanes, prefix, sizeof(*prefix));
    apr_pool_t *p = sim->rp->pool;

    if (!lane) {
        lane = apr_pcalloc(p, sizeof(*lane));
        lane->prefix = *prefix;
        lane->fact = -1;
        lane->past = apr_array_make(p, 4, sizeof(cfmt_past_t));
        lane->facts = apr_array_make(p, 4, sizeof(cfmt_fact_t));
        lane->turns = apr_array_make(p, 4, sizeof(cfmt_turn_t));
        lane->told = apr_array_make(p, 4, sizeof(cfmt_told_t));
        lane->hits = apr_array_make(p, 4, sizeof(cfmt_stretch_t));
        apr_hash_set(sim->lanes, &lane->prefix, sizeof(lane->prefix), lane);
        APR_ARRAY_PUSH(sim->order, cfmt_lane_t *) = lane;
    }
    return lane;
}

static void turn(cfmt_lane_t *lane, int on, apr_time_t at, apr_time_t since, int by_policy)
{
    lane->on = on;
    lane->since = since;
    lane->own = on && by_policy;
    lane->policy_withdrew_at = !on && by_policy ? at : 0;
    lane->orphan_told_at = lane->paged_at = lane->would_told_at = 0;
    memset(lane->offers, 0, sizeof(lane->offers));
    APR_ARRAY_PUSH(lane->turns, cfmt_turn_t) = (cfmt_turn_t){ .at = at, .on = on,
                                                              .by_policy = by_policy };
}

static void tell(cfmt_lane_t *lane, apr_time_t at, cfmt_replay_message_e what)
{
    APR_ARRAY_PUSH(lane->told, cfmt_told_t) = (cfmt_told_t){ .at = at, .what = what };
}

/* ---- in fact --------------------------------------------------------------------------------- */

static int is_policys(const cfmt_cause_t *cause)
{
    return cause->kind == CFMT_CAUSE_POLICY || cause->kind == CFMT_CAUSE_PROPOSAL;
}

static void begins(cfmt_lane_t *lane, const cfmt_prefix_row_t *row, apr_time_t now)
{
    apr_time_t at = row->b.advertised_at ? row->b.advertised_at : now;

    APR_ARRAY_PUSH(lane->facts, cfmt_fact_t) = (cfmt_fact_t){ .at = at, .seen_at = now };
    if (!lane->on) {
        turn(lane, 1, now, at, 0);
    }
    lane->own = 0; /* in fact it is so now, whoever was first */
    lane->since = at;
}

static void ends(cfmt_lane_t *lane, const cfmt_prefix_row_t *row, const cfmt_cause_t *cause,
                 apr_time_t now)
{
    if (lane->facts->nelts) {
        APR_ARRAY_IDX(lane->facts, lane->facts->nelts - 1, cfmt_fact_t).ended_at =
            row->b.advertised_at ? row->b.advertised_at : now;
    }
    if (lane->on && !is_policys(cause)) {
        turn(lane, 0, now, row->b.advertised_at ? row->b.advertised_at : now, 0);
    }
}

/* A cause is found again for a while; what it was when it ended is what counts. */
static void follow(cfmt_lane_t *lane, const cfmt_sim_t *sim, const cfmt_prefix_row_t *row,
                   const cfmt_standing_t *st)
{
    apr_time_t now = sim->rp->now;
    int first = lane->fact < 0;

    if (row->b.advertised < 0) {
        return;
    }
    if (lane->fact != row->b.advertised) {
        lane->fact = row->b.advertised;
        lane->fact_since = now;
        if (lane->fact) {
            begins(lane, row, now);
        }
        else if (!first) {
            ends(lane, row, &st->cause, now);
        }
        else {
            lane->since = row->b.advertised_at;
        }
    }
    if (lane->fact && lane->on && !lane->own && st->advertised == 1) {
        lane->cause = st->cause;
        lane->cause.at = lane->since;
    }
}

/* ---- the case -------------------------------------------------------------------------------- */

/* Of what ends shortly before the withdrawal the rest was not complete yet. */
static apr_time_t known_until(const cfmt_case_t *c, const cfmt_lane_t *lane)
{
    apr_time_t until = c->nspans ? c->spans[c->nspans - 1].to : 0;
    apr_time_t withdrawn = lane->fact_since / CFMT_MINUTE * CFMT_MINUTE;
    apr_interval_time_t late = c->options.lag + 2 * c->options.interval + CFMT_MINUTE;

    return until > withdrawn - late ? until : withdrawn;
}

/* Behind what is known, and behind an attack that began since: nobody read, so nothing speaks. */
static void fill(cfmt_case_t *c, const cfmt_lane_t *lane, apr_pool_t *p)
{
    cfmt_span_t *spans;
    apr_time_t from = known_until(c, lane);
    apr_time_t over = (lane->hit_at + CFMT_MINUTE - 1) / CFMT_MINUTE * CFMT_MINUTE;
    int since = lane->hit_from > lane->fact_since;

    from = since && over > from ? over : from;
    if ((lane->hit && since) || from >= c->complete) {
        return;
    }
    spans = apr_palloc(p, ((apr_size_t)c->nspans + 1) * sizeof(*spans));
    if (c->nspans) {
        memcpy(spans, c->spans, (apr_size_t)c->nspans * sizeof(*spans));
    }
    spans[c->nspans] = (cfmt_span_t){ .from = from, .to = c->complete, .reason = "below",
                                      .verdict = CFMT_VERDICT_CALM };
    c->spans = spans;
    c->nspans++;
}

static void set_traffic(cfmt_case_t *c, const cfmt_lane_t *lane, const cfmt_sim_t *sim,
                        const cfmt_scene_t *sc)
{
    apr_interval_time_t every = c->options.interval > 0 ? c->options.interval : CFMT_MINUTE;
    apr_time_t polled = sim->read_at + (c->now - sim->read_at) / every * every, ripe;

    c->complete = sim->complete;
    c->poll_at = 0;
    if (lane->fact != 1) { /* it would have been read in the rhythm of then */
        ripe = (polled - c->options.lag) / CFMT_MINUTE * CFMT_MINUTE;
        c->complete = ripe > c->complete ? ripe : c->complete;
        c->poll_at = polled + every;
        fill(c, lane, sc->p);
    }
    c->look_at = c->look_state_at = c->look_traffic_at = c->now;
    c->look_above = cfmt_scene_above(c);
}

/* As the newest decision of the journal found it; without one all is well. */
static void set_ourselves(cfmt_case_t *c, const cfmt_lane_t *lane)
{
    const cfmt_case_t *u = &lane->used.c;
    int known = lane->used_known;

    c->read_at = c->now;
    c->api_closed = known ? u->api_closed : 1;
    c->budget = known ? u->budget : 1;
    c->jumped = known ? u->jumped : 0;
    c->behind = known ? u->behind : 0;
    c->behind_by = known ? u->behind_by : 0;
    c->cursor = c->head = 0;
    c->check_asked_at = c->check_answered_at = c->now;
    c->check_ok = known && u->check_answered_at ? u->check_ok : 1;
    c->check_text = "";
    c->fresh_max = CFMT_FRESH_MAX;
    c->check_limit = CFMT_CHECK_LIMIT;
    c->look_limit = CFMT_LOOK_LIMIT;
}

/* What an operator said yes or no to counts for the advertisement that it was about. */
static void set_offers(cfmt_case_t *c, const cfmt_lane_t *lane)
{
    const cfmt_offer_t *said = &lane->used.c.withdraw_offer;

    c->withdraw_offer = lane->offers[0];
    c->advertise_offer = lane->offers[1];
    if (lane->used_known && !lane->own && said->advertised_at == lane->since
        && (said->state == CFMT_OFFER_APPROVED || said->state == CFMT_OFFER_DENIED)) {
        c->withdraw_offer = *said;
    }
}

static void make_case(cfmt_case_t *c, const cfmt_lane_t *lane, const cfmt_sim_t *sim,
                      const cfmt_scene_t *sc, const cfmt_prefix_row_t *row,
                      const cfmt_standing_t *st)
{
    cfmt_scene_case(c, sc, row, st);
    c->listed = row->gone ? 0 : 1;
    c->b.advertised = lane->on;
    c->b.advertised_at = lane->since;
    c->cause = lane->cause;
    c->past = (const cfmt_past_t *)lane->past->elts;
    c->npast = lane->past->nelts;
    c->policy_withdrew_at = lane->policy_withdrew_at;
    c->orphan_told_at = lane->orphan_told_at;
    c->paged_at = lane->paged_at;
    set_ourselves(c, lane);
    set_offers(c, lane);
    set_traffic(c, lane, sim, sc);
}

/* ---- what policy does ------------------------------------------------------------------------ */

static void offer(cfmt_offer_t *o, const cfmt_lane_t *lane, const cfmt_sim_t *sim)
{
    apr_time_t now = sim->rp->now;

    *o = (cfmt_offer_t){ .state = CFMT_OFFER_OPEN, .advertised_at = lane->since, .at = now,
                         .until = now + cfmt_sense_duration(sim->rp->e, "ProposalTtl", TTL) };
}

static void do_withdrawal(cfmt_lane_t *lane, const cfmt_sim_t *sim, const cfmt_decision_t *d)
{
    apr_time_t now = sim->rp->now;

    if (!lane->on) {
        return;
    }
    if (d->action == CFMT_DO_WITHDRAW) {
        APR_ARRAY_PUSH(lane->past, cfmt_past_t) = (cfmt_past_t){ .at = now };
        turn(lane, 0, now, now, 1);
        tell(lane, now, CFMT_REPLAY_WITHDRAWN);
    }
    else if (d->action == CFMT_DO_PROPOSE) {
        offer(&lane->offers[0], lane, sim);
        tell(lane, now, CFMT_REPLAY_PROPOSED);
    }
    else if (d->action == CFMT_DO_WOULD
             && (!lane->would_told_at || now - lane->would_told_at >= WOULD_AGAIN)) {
        lane->would_told_at = now;
        tell(lane, now, CFMT_REPLAY_WOULD);
    }
    if (d->orphan_tell) {
        lane->orphan_told_at = now;
        tell(lane, now, CFMT_REPLAY_ORPHAN);
    }
}

static void do_advertisement(cfmt_lane_t *lane, const cfmt_sim_t *sim, const cfmt_advertise_t *a)
{
    apr_time_t now = sim->rp->now;

    if (a->action == CFMT_ADVERTISE_NOW) {
        turn(lane, 1, now, now, 1);
        lane->cause = (cfmt_cause_t){ .kind = CFMT_CAUSE_POLICY, .by_attack = 1, .at = now,
                                      .attack = "replayed" };
        tell(lane, now, CFMT_REPLAY_ADVERTISED);
        return;
    }
    if (a->action == CFMT_ADVERTISE_PROPOSE) {
        offer(&lane->offers[1], lane, sim);
        tell(lane, now, CFMT_REPLAY_PROPOSED);
    }
    if (a->page) {
        lane->paged_at = now;
        tell(lane, now, CFMT_REPLAY_NOT_PROTECTED);
    }
}

/* When attacks on it begin and end. */
static void note_attack(cfmt_lane_t *lane, const cfmt_case_t *c)
{
    int i, hit = 0;

    for (i = 0; i < c->nthreats; i++) {
        hit |= c->threats[i].here;
    }
    if (hit == lane->hit) {
        return;
    }
    lane->hit = hit;
    lane->hit_at = c->now;
    if (!hit) {
        APR_ARRAY_IDX(lane->hits, lane->hits->nelts - 1, cfmt_stretch_t).to = c->now;
        return;
    }
    lane->hit_from = c->now;
    APR_ARRAY_PUSH(lane->hits, cfmt_stretch_t) = (cfmt_stretch_t){ .from = c->now };
}

/* One that follows a withdrawal was too much for it; so was one that nobody can place. */
static void note_return(cfmt_lane_t *lane, const cfmt_case_t *c)
{
    int i, k;

    for (i = 0; i < lane->past->nelts; i++) {
        cfmt_past_t *past = &APR_ARRAY_IDX(lane->past, i, cfmt_past_t);

        for (k = 0; k < c->nthreats && !past->back_at; k++) {
            const cfmt_threat_t *t = &c->threats[k];

            /* none was open when it was withdrawn: scene.c, was_there() */
            if ((t->here || t->everywhere) && t->from >= past->at - CFMT_SEEN_LATE) {
                past->back_at = t->from > past->at ? t->from : past->at + 1;
            }
        }
    }
}

static void sooner(apr_time_t *pnext, apr_time_t t, apr_time_t now)
{
    if (t > now && (!*pnext || t < *pnext)) {
        *pnext = t;
    }
}

/* A calm that could be long enough: the next minute that comes to be known tells. */
static int waits(const cfmt_decision_t *d, apr_time_t now)
{
    const cfmt_gate_t *calm = &d->gates[CFMT_GATE_CALM];

    return calm->next && calm->next < now + APR_USEC_PER_SEC;
}

/* What is read and asked at once stays so: only a gate that it has shut is looked at again. */
static int is_renewed(const cfmt_gate_t *g)
{
    return cfmt_gate_open(g) && (g->id == CFMT_GATE_FRESH || g->id == CFMT_GATE_ORIGIN
                                 || g->id == CFMT_GATE_LAST_LOOK);
}

static apr_time_t next_of(const cfmt_lane_t *lane, const cfmt_decision_t *d,
                          const cfmt_advertise_t *a, apr_time_t now)
{
    apr_time_t next = 0;
    int i;

    for (i = 0; lane->on && i < CFMT_GATES; i++) {
        if (!is_renewed(&d->gates[i]) && !(i == CFMT_GATE_CALM && lane->waits)) {
            sooner(&next, d->gates[i].next, now);
        }
    }
    if (lane->on) {
        sooner(&next, d->orphan_at, now);
        sooner(&next, d->action == CFMT_DO_WOULD ? lane->would_told_at + WOULD_AGAIN : 0, now);
    }
    sooner(&next, a->next, now);
    sooner(&next, a->page_at, now);
    return next;
}

void cfmt_lane_look(cfmt_lane_t *lane, const cfmt_sim_t *sim, const cfmt_scene_t *sc,
                    const cfmt_prefix_row_t *row)
{
    const cfmt_standing_t *st = cfmt_replay_standing(sim->rp, &lane->prefix);
    cfmt_decision_t d;
    cfmt_advertise_t a;
    cfmt_case_t c;

    follow(lane, sim, row, st);
    make_case(&c, lane, sim, sc, row, st);
    note_attack(lane, &c);
    note_return(lane, &c);
    cfmt_withdraw_decide(&d, &c);
    cfmt_advertise_decide(&a, &c);
    do_withdrawal(lane, sim, &d);
    do_advertisement(lane, sim, &a);
    lane->waits = lane->on && waits(&d, c.now);
    lane->next = next_of(lane, &d, &a, c.now);
}

void cfmt_lane_end(cfmt_lane_t *lane, apr_time_t end)
{
    if (lane->hit) {
        APR_ARRAY_IDX(lane->hits, lane->hits->nelts - 1, cfmt_stretch_t).to = end;
        lane->hit = 0;
    }
}
