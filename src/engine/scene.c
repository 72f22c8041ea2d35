/*
 * What the decisions of a round look at: tables read once, and the case that they make of one
 * prefix. Nothing is decided here.
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "decide.h"
#include "scene.h"
#include "sense.h"

#define DAY apr_time_from_sec(86400)
#define LATELY (DAY + apr_time_from_sec(2 * 3600)) /* whatever doubles the calm is younger */
#define DONE_MAX 500                 /* intents that are looked back upon */
#define PROPOSALS_MAX 500
#define READ_TAKES apr_time_from_sec(2)  /* in real time: a reading may be so old */
#define NO_MEANS_NO DAY              /* so long nobody is asked again */

/* ---- reading --------------------------------------------------------------------------------- */

static apr_int64_t fact(const apr_table_t *t, const char *name)
{
    const char *text = apr_table_get(t, name);
    apr_int64_t n;

    return text && cfmt_int_parse(&n, text, 0, APR_INT64_MAX) == APR_SUCCESS ? n : 0;
}

/* As sense_traffic.c judged it: the account has newer rows, and the lag has passed there, too. */
static apr_status_t load_traffic(cfmt_scene_t *sc)
{
    apr_interval_time_t lag = cfmt_sense_duration(sc->e, "AnalyticsLag", 5 * CFMT_MINUTE);
    cfmt_sensed_t sensed;
    apr_time_t ripe, mark;
    const char *cut;
    apr_status_t rv = cfmt_sensed_load(sc->e->store, &sensed, "traffic", sc->p);

    if (rv == CFMT_EMISSING) {
        return APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        mark = fact(sensed.facts, "watermark");
        ripe = (sensed.read_at - lag - fact(sensed.facts, "ahead")) / CFMT_MINUTE * CFMT_MINUTE;
        sc->complete = mark && mark < ripe ? mark : ripe;
        cut = apr_table_get(sensed.facts, "cut_prefixes");
        sc->traffic_at = fact(sensed.facts, "failed") ? 0 : sensed.read_at;
        sc->cut = fact(sensed.facts, "cut") ? cut ? cut : "" : NULL;
        rv = cfmt_job_due(sc->e->store, "traffic", &sc->poll_at);
    }
    return rv;
}

static apr_status_t load_known(cfmt_scene_t *sc)
{
    const cfmt_known_t *known;
    apr_status_t rv = cfmt_known_load(sc->e, sc->now, &known);

    if (rv == APR_SUCCESS) {
        sc->attacks = apr_array_append(sc->p, known->open, known->ended);
        sc->too_many = known->open->nelts == CFMT_KNOWN_MAX;
        sc->evidence = known->evidence;
    }
    return rv;
}

static apr_status_t load_world(cfmt_scene_t *sc)
{
    cfmt_store_t *s = sc->e->store;
    apr_status_t rv = cfmt_prefixes_load(s, &sc->prefixes, sc->p);
    int i;

    rv = rv == APR_SUCCESS ? load_known(sc) : rv;
    rv = rv == APR_SUCCESS ? load_traffic(sc) : rv;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sc->bgp = apr_array_make(sc->p, sc->prefixes->nelts + 1, sizeof(cfmt_bgp_prefix_t));
    for (i = 0; i < sc->prefixes->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(sc->prefixes, i, cfmt_prefix_row_t);

        if (!row->gone) {
            APR_ARRAY_PUSH(sc->bgp, cfmt_bgp_prefix_t) = row->b;
        }
    }
    return rv;
}

static apr_status_t load_acts(cfmt_scene_t *sc)
{
    cfmt_store_t *s = sc->e->store;
    apr_status_t rv = cfmt_intents_open(s, &sc->intents, sc->p);

    rv = rv == APR_SUCCESS ? cfmt_intents_list(s, NULL, 0, DONE_MAX, &sc->done, sc->p) : rv;
    rv = rv == APR_SUCCESS ? cfmt_holds_load(s, sc->now, &sc->holds, sc->p) : rv;
    rv = rv == APR_SUCCESS ? cfmt_windows_load(s, sc->now, &sc->windows, sc->p) : rv;
    rv = rv == APR_SUCCESS ? cfmt_proposals_list(s, PROPOSALS_MAX, &sc->proposals, sc->p) : rv;
    rv = rv == APR_SUCCESS ? cfmt_adoptions_load(s, &sc->adoptions, sc->p) : rv;
    return rv == APR_SUCCESS ? cfmt_standings_load(s, &sc->standings, sc->p) : rv;
}

/*
 * The cursor first and the head last: where they meet, nothing came to the journal in between, so
 * all tables are of one moment, and no state is older than the time at which it was read.
 */
apr_status_t cfmt_scene_load(cfmt_scene_t *sc, cfmt_engine_t *e, apr_time_t now, apr_pool_t *p)
{
    apr_status_t rv;

    memset(sc, 0, sizeof(*sc));
    sc->e = e;
    sc->p = p;
    sc->now = now;
    sc->settings = e->conf.settings ? e->conf.settings : apr_table_make(p, 1);
    sc->config = e->config;
    sc->mode = cfmt_mode_of(sc->settings);
    rv = cfmt_meta_int(e->store, CFMT_META_CURSOR, 0, &sc->cursor);
    rv = rv == APR_SUCCESS ? load_world(sc) : rv;
    rv = rv == APR_SUCCESS ? load_acts(sc) : rv;
    rv = rv == APR_SUCCESS ? cfmt_journal_head(e->store, &sc->head) : rv;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    cfmt_scene_index(sc);
    if (e->api) {
        cfmt_api_state(e->api, CFMT_UPSTREAM_REST, &sc->rest);
    }
    return rv;
}

/* ---- attacks --------------------------------------------------------------------------------- */

static int chosen_for(const cfmt_scene_t *sc, const apr_array_header_t *targets,
                      const cfmt_cidr_t *cidr)
{
    int i, k;

    for (i = 0; i < targets->nelts; i++) {
        const apr_array_header_t *found =
            cfmt_advertise_choose(&APR_ARRAY_IDX(targets, i, cfmt_cidr_t), sc->bgp, sc->p);

        for (k = 0; k < found->nelts; k++) {
            const cfmt_bgp_prefix_t *b =
                &APR_ARRAY_IDX(sc->bgp, APR_ARRAY_IDX(found, k, int), cfmt_bgp_prefix_t);

            if (!cfmt_cidr_compare(&b->cidr, cidr)) {
                return 1;
            }
        }
    }
    return 0;
}

static void add_threats(cfmt_case_t *c, const cfmt_scene_t *sc)
{
    apr_array_header_t *all = apr_array_make(sc->p, 4, sizeof(cfmt_threat_t));
    int i;

    for (i = 0; i < sc->attacks->nelts; i++) {
        const cfmt_struck_t *a = &APR_ARRAY_IDX(sc->attacks, i, cfmt_struck_t);
        int here = a->open && cfmt_attack_hits(a, &c->cidr);

        if (a->open && (here || a->anywhere)) {
            APR_ARRAY_PUSH(all, cfmt_threat_t) = (cfmt_threat_t){
                .attack = a->id, .source = a->alerted ? "alert" : "analytics",
                .from = a->episode_at, .last_at = a->last_at, .here = here,
                .chosen = here && chosen_for(sc, a->targets->nelts ? a->targets : a->prefixes,
                                             &c->cidr),
                .everywhere = a->anywhere
            };
        }
    }
    if (sc->too_many) { /* to be advertised for those that are known; withdrawn for none */
        APR_ARRAY_PUSH(all, cfmt_threat_t) = (cfmt_threat_t){
            .attack = "more than were read", .source = "alert", .from = sc->now,
            .last_at = sc->now, .everywhere = 1
        };
    }
    c->threats = (const cfmt_threat_t *)all->elts;
    c->nthreats = all->nelts;
}

/* ---- the past -------------------------------------------------------------------------------- */

/*
 * When it was there behind t, the time of a withdrawal; 0 = it was not. None was open then: one
 * that had begun a short time before was seen too late.
 */
static apr_time_t was_there(const cfmt_struck_t *a, apr_time_t t)
{
    apr_time_t at = a->started_at > t ? a->started_at : a->episode_at;

    if (at > t) {
        return at;
    }
    return (a->open || a->ended_at > t) && at >= t - CFMT_SEEN_LATE ? t + 1 : 0;
}

/*
 * When the first attack on it was there behind t; 0 = none was. One that nobody can place counts
 * for each prefix: it is advertised again because of it, too.
 */
static apr_time_t back_after(const cfmt_scene_t *sc, const cfmt_cidr_t *cidr, apr_time_t t)
{
    apr_time_t first = 0;
    int i;

    for (i = 0; i < sc->attacks->nelts; i++) {
        const cfmt_struck_t *a = &APR_ARRAY_IDX(sc->attacks, i, cfmt_struck_t);
        apr_time_t at = was_there(a, t);

        if (at && (!first || at < first) && (a->anywhere || cfmt_attack_hits(a, cidr))) {
            first = at;
        }
    }
    return first;
}

static int by_policy(const cfmt_intent_row_t *in)
{
    return !strcmp(in->cause, "calm") || !strcmp(in->cause, "proposal");
}

/* Superseded while it was under way: an attack was faster than the answer. */
static int took_effect(const cfmt_intent_row_t *in)
{
    return in->sent_at && (in->state == CFMT_INTENT_DONE || in->state == CFMT_INTENT_PROPAGATING
                           || in->state == CFMT_INTENT_ACCEPTED
                           || in->state == CFMT_INTENT_SUPERSEDED);
}

static void add_past(cfmt_case_t *c, const cfmt_scene_t *sc)
{
    const apr_array_header_t *done = cfmt_scene_rows(sc, &c->cidr)->done;
    apr_array_header_t *past;
    int i;

    if (!done) {
        c->npast = 0;
        return;
    }
    past = apr_array_make(sc->p, 2, sizeof(cfmt_past_t));
    for (i = 0; i < done->nelts; i++) {
        const cfmt_intent_row_t *in = APR_ARRAY_IDX(done, i, const cfmt_intent_row_t *);

        if (!in->want && took_effect(in) && by_policy(in) && sc->now - in->sent_at < LATELY) {
            APR_ARRAY_PUSH(past, cfmt_past_t) = (cfmt_past_t){
                .at = in->sent_at, .back_at = back_after(sc, &c->cidr, in->sent_at)
            };
        }
    }
    c->past = (const cfmt_past_t *)past->elts;
    c->npast = past->nelts;
}

/* Only if nobody has changed it since. */
static void add_withdrawn(cfmt_case_t *c, const cfmt_scene_t *sc)
{
    const apr_array_header_t *done = cfmt_scene_rows(sc, &c->cidr)->done;
    int i;

    for (i = 0; done && i < done->nelts; i++) {
        const cfmt_intent_row_t *in = APR_ARRAY_IDX(done, i, const cfmt_intent_row_t *);

        if (took_effect(in)) {
            c->policy_withdrew_at = !in->want && by_policy(in) && c->b.advertised == 0
                                            && c->cause.intent == in->id
                                        ? in->sent_at : 0;
            return; /* the newest counts */
        }
    }
}

/* ---- the operator's word --------------------------------------------------------------------- */

/* A hold on a prefix that covers it holds it, too. */
static void add_hold(cfmt_case_t *c, const cfmt_scene_t *sc)
{
    int i;

    c->held = 0;
    for (i = 0; i < sc->holds->nelts; i++) {
        const cfmt_hold_row_t *h = &APR_ARRAY_IDX(sc->holds, i, cfmt_hold_row_t);

        if (!cfmt_cidr_contains(&h->prefix, &c->cidr)
            || (c->held && c->held_until && h->until && h->until < c->held_until)
            || (c->held && !c->held_until)) {
            continue;
        }
        c->held = 1;
        c->held_since = h->since;
        c->held_until = h->until;
        c->held_by = h->who;
        c->held_why = h->reason;
    }
}

static void add_windows(cfmt_case_t *c, const cfmt_scene_t *sc)
{
    apr_array_header_t *all = apr_array_make(sc->p, 2, sizeof(cfmt_window_t));
    int i;

    for (i = 0; i < sc->windows->nelts; i++) {
        const cfmt_window_row_t *w = &APR_ARRAY_IDX(sc->windows, i, cfmt_window_row_t);

        if (!w->prefix.family || cfmt_cidr_contains(&w->prefix, &c->cidr)) {
            APR_ARRAY_PUSH(all, cfmt_window_t) = (cfmt_window_t){
                .id = w->id, .from = w->starts_at, .to = w->ends_at, .reason = w->reason
            };
        }
    }
    c->windows = (const cfmt_window_t *)all->elts;
    c->nwindows = all->nelts;
}

/* The newest of the prefix that wants this. */
static void add_offer(cfmt_offer_t *o, const cfmt_scene_t *sc, const cfmt_case_t *c, int want)
{
    static const cfmt_offer_e states[CFMT_PROPOSAL_STATES] = {
        [CFMT_PROPOSAL_OPEN] = CFMT_OFFER_OPEN, [CFMT_PROPOSAL_APPROVED] = CFMT_OFFER_APPROVED,
        [CFMT_PROPOSAL_DENIED] = CFMT_OFFER_DENIED,
    };
    const apr_array_header_t *all = cfmt_scene_rows(sc, &c->cidr)->proposals;
    int i;

    for (i = 0; all && i < all->nelts; i++) {
        const cfmt_proposal_row_t *pr = APR_ARRAY_IDX(all, i, const cfmt_proposal_row_t *);

        if (pr->want != want || (unsigned)pr->state >= CFMT_PROPOSAL_STATES) {
            continue;
        }
        o->state = states[pr->state];
        o->id = pr->id;
        o->advertised_at = pr->made_at >= c->b.advertised_at ? c->b.advertised_at : 0;
        o->at = pr->state == CFMT_PROPOSAL_OPEN ? pr->made_at : pr->decided_at;
        o->until = pr->state == CFMT_PROPOSAL_DENIED ? pr->decided_at + NO_MEANS_NO
                   : pr->state == CFMT_PROPOSAL_APPROVED
                       ? pr->decided_at + (pr->expires_at - pr->made_at) : pr->expires_at;
        o->by = pr->decided_by;
        return;
    }
}

/* ---- ourselves ------------------------------------------------------------------------------- */

/* Its state was not read since the clock was set, or since this leader began. */
static int is_to_read(const cfmt_case_t *c, const cfmt_engine_t *e)
{
    return e->undated || c->read_at < e->read_from;
}

static void add_ourselves(cfmt_case_t *c, const cfmt_scene_t *sc)
{
    const cfmt_memory_t *m = cfmt_scene_memory(sc->e, &c->cidr);
    const char *check = apr_table_get(sc->settings, "WithdrawCheck");

    c->check = check && *check;
    c->check_asked_at = m->check_asked_at;
    c->check_answered_at = m->check_answered_at;
    c->check_ok = m->check_ok;
    c->check_text = m->check_text;
    c->api_closed = sc->e->api && sc->rest.breaker.state == CFMT_BREAKER_CLOSED;
    c->api_since = sc->rest.breaker.since;
    c->api_retry_at = sc->rest.breaker.probe_at;
    c->cursor = sc->cursor;
    c->head = sc->head;
    c->jumped = is_to_read(c, sc->e);
    c->jumped_at = sc->e->jumped_at;
    c->behind_by = cfmt_act_behind_by(sc->e);
    c->behind = c->behind_by > 0;
    c->budget = sc->e->api && sc->rest.blocked_until <= c->now;
    c->look_at = m->look_at;
    c->look_state_at = c->read_at;
    c->look_traffic_at = sc->traffic_at;
    c->look_above = -1;
    c->check_limit = cfmt_clock_span(sc->e->conf.clock, CFMT_CHECK_LIMIT);
    c->look_limit = cfmt_clock_span(sc->e->conf.clock, CFMT_LOOK_LIMIT);
    c->fresh_max = cfmt_clock_span(sc->e->conf.clock, READ_TAKES);
    c->fresh_max = c->fresh_max > CFMT_FRESH_MAX ? c->fresh_max : CFMT_FRESH_MAX;
}

static int is_cut(const cfmt_scene_t *sc, const cfmt_cidr_t *cidr)
{
    const char *name = cfmt_cidr_format(sc->p, cidr), *at = sc->cut;
    apr_size_t len = strlen(name);

    for (; at && *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        if (!strncmp(at, name, len) && (!at[len] || at[len] == ' ')) {
            return 1;
        }
    }
    return sc->cut && !*sc->cut;
}

int cfmt_scene_above(const cfmt_case_t *c)
{
    int i;

    for (i = 0; i < c->nspans; i++) {
        if (c->spans[i].to > c->complete && c->spans[i].verdict == CFMT_VERDICT_ATTACK) {
            return 1;
        }
    }
    return 0;
}

static void add_look(cfmt_case_t *c, const cfmt_scene_t *sc)
{
    if (sc->traffic_at && !is_cut(sc, &c->cidr)) {
        c->look_above = cfmt_scene_above(c);
    }
}

static void add_told(cfmt_case_t *c, const cfmt_standing_t *st)
{
    if (st) {
        c->cause = st->cause;
        c->orphan_told_at = st->orphan_told_at;
        c->paged_at = st->paged_at;
    }
}

static void add_traffic(cfmt_case_t *c, const cfmt_scene_t *sc)
{
    const cfmt_evidence_spans_t *set = cfmt_evidence_find(sc->evidence, &c->cidr);

    c->spans = set ? (const cfmt_span_t *)set->spans->elts : NULL;
    c->nspans = set ? set->spans->nelts : 0;
    c->complete = sc->complete;
    c->poll_at = sc->poll_at;
}

void cfmt_scene_case(cfmt_case_t *c, const cfmt_scene_t *sc, const cfmt_prefix_row_t *row,
                     const cfmt_standing_t *standing)
{
    cfmt_case_init(c, sc->now);
    c->mode = sc->mode;
    cfmt_options_of(&c->options, sc->settings, &row->b.cidr, sc->p);
    c->cidr = row->b.cidr;
    c->b = row->b;
    c->listed = row->gone ? 0 : !row->read_at || row->missing_since ? -1 : 1;
    c->read_at = row->read_at;
    c->first_at = row->first_at;
    add_told(c, standing);
    add_traffic(c, sc);
    add_threats(c, sc);
    add_past(c, sc);
    add_withdrawn(c, sc);
    add_hold(c, sc);
    add_windows(c, sc);
    add_offer(&c->withdraw_offer, sc, c, 0);
    add_offer(&c->advertise_offer, sc, c, 1);
    add_ourselves(c, sc);
    add_look(c, sc);
}
