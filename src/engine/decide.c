/*
 * The part of a round that decides about every prefix: when it is due, in which order things are
 * asked, written and told.
 */
#include <string.h>

#include <apr_strings.h>

#include "decide.h"
#include "sense.h"

#define OFTEN apr_time_from_msec(50)     /* monotonic; more where a look takes long */
#define SELDOM apr_time_from_sec(10)
#define STEP_WAIT apr_time_from_msec(250)
#define BATCH 25                         /* written at once: the lock is held for a few ms */
#define WRITE_FOR apr_time_from_msec(300) /* in one look: the heartbeat must not wait */
#define SHARE 10                         /* of the time at most */

struct cfmt_decider_t {
    apr_int64_t cursor, reads;  /* as of the last look */
    apr_time_t time;            /* of the engine's clock, then */
    apr_time_t next;            /* decide again then; 0 = nothing changes by time */
    apr_time_t looked_at;       /* monotonic */
    apr_interval_time_t pause;  /* until the next look */
};

struct cfmt_decider_t *cfmt_decider_create(apr_pool_t *p)
{
    struct cfmt_decider_t *d = apr_pcalloc(p, sizeof(*d));

    d->cursor = -1;
    return d;
}

/* ---- what is asked --------------------------------------------------------------------------- */

static apr_status_t read_at_once(const cfmt_scene_t *sc, const char *job)
{
    return cfmt_job_hurry(sc->e->store, job, sc->now, 1);
}

/* Who is being asked may have been busy with another reading, which is no answer. */
static apr_status_t ask_unanswered(const cfmt_outcome_t *o, const cfmt_scene_t *sc,
                                   apr_time_t *pnext)
{
    const cfmt_gate_t *g = &o->d.gates[CFMT_GATE_LAST_LOOK];
    apr_status_t rv = APR_SUCCESS;

    if (g->light != CFMT_LIGHT_UNKNOWN || strcmp(g->reason, "asking")) {
        return APR_SUCCESS;
    }
    if (o->c.look_state_at < o->c.look_at) {
        rv = cfmt_act_read_soon(sc->e, 0, pnext);
    }
    return rv == APR_SUCCESS && o->c.look_traffic_at < o->c.look_at ? read_at_once(sc, "traffic")
                                                                    : rv;
}

static apr_status_t look_last(const cfmt_scene_t *sc, cfmt_memory_t *m)
{
    apr_status_t rv = read_at_once(sc, "prefixes");

    m->look_at = sc->now;
    return rv == APR_SUCCESS ? read_at_once(sc, "traffic") : rv;
}

/* Reading and asking cost nothing that must be written first. */
static apr_status_t ask(const cfmt_outcome_t *o, const cfmt_scene_t *sc, apr_time_t *pnext)
{
    if (o->pending || o->wait) {
        return APR_SUCCESS; /* act.c reads what it needs */
    }
    switch (o->d.action) {
    case CFMT_DO_READ:
        return cfmt_act_read_soon(sc->e, 0, pnext);
    case CFMT_DO_CHECK:
        cfmt_program_ask(sc->e, &o->row->b.cidr, apr_table_get(sc->settings, "WithdrawCheck"));
        return APR_SUCCESS;
    case CFMT_DO_LOOK:
        return look_last(sc, cfmt_scene_memory(sc->e, &o->row->b.cidr));
    default:
        return ask_unanswered(o, sc, pnext);
    }
}

/* ---- one look -------------------------------------------------------------------------------- */

static void sooner(apr_time_t *pnext, apr_time_t t)
{
    if (t && (!*pnext || t < *pnext)) {
        *pnext = t;
    }
}

static apr_status_t write_some(const cfmt_scene_t *sc, apr_array_header_t *outcomes, int from,
                               int to)
{
    cfmt_audit_head_t head = sc->e->audit;
    cfmt_store_t *s = sc->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);
    int n = 0;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = from ? APR_SUCCESS : cfmt_proposals_expire(s, sc->now, &n);
    for (; rv == APR_SUCCESS && from < to; from++) {
        rv = cfmt_outcome_write(APR_ARRAY_IDX(outcomes, from, cfmt_outcome_t *), sc, sc->p);
    }
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
    }
    else {
        rv = cfmt_store_commit(s);
    }
    if (rv != APR_SUCCESS) {
        sc->e->audit = head; /* no such row is there */
    }
    return rv;
}

static void remember(const cfmt_scene_t *sc, const cfmt_outcome_t *o)
{
    cfmt_memory_t *m = cfmt_scene_memory(sc->e, &o->row->b.cidr);

    if (o->decision) {
        m->written = o->digest;
        m->written_at = sc->now;
    }
    if (o->due_for) {
        m->due_told = o->due_for;
    }
    if (o->locked_for) {
        m->locked_told = cfmt_digest64(o->locked_for, strlen(o->locked_for));
    }
    sc->e->journaled |= o->intent || o->fate == CFMT_PENDING_CANCEL;
}

/* A proposal may have run out without anything else happening. */
static int runs_out(const cfmt_scene_t *sc)
{
    int i;

    for (i = 0; i < sc->proposals->nelts; i++) {
        const cfmt_proposal_row_t *pr = &APR_ARRAY_IDX(sc->proposals, i, cfmt_proposal_row_t);

        if (pr->state == CFMT_PROPOSAL_OPEN && pr->expires_at <= sc->now) {
            return 1;
        }
    }
    return 0;
}

/* *pmore: something is left to be written. */
static apr_status_t write_all(const cfmt_scene_t *sc, apr_array_header_t *outcomes, int *pmore)
{
    apr_time_t end = cfmt_monotonic() + WRITE_FOR;
    apr_status_t rv = APR_SUCCESS;
    int i = 0, to;

    do {
        to = outcomes->nelts - i < BATCH ? outcomes->nelts : i + BATCH;
        rv = write_some(sc, outcomes, i, to);
        for (; rv == APR_SUCCESS && i < to; i++) {
            remember(sc, APR_ARRAY_IDX(outcomes, i, cfmt_outcome_t *));
            cfmt_outcome_tell(APR_ARRAY_IDX(outcomes, i, cfmt_outcome_t *), sc);
        }
    } while (rv == APR_SUCCESS && i < outcomes->nelts && cfmt_monotonic() < end);
    *pmore = i < outcomes->nelts;
    return rv;
}

static apr_status_t look_at(const cfmt_scene_t *sc, const cfmt_prefix_row_t *row,
                            cfmt_outcome_t *o, apr_time_t *pnext)
{
    apr_status_t rv = cfmt_outcome_find(o, sc, row);

    rv = rv == APR_SUCCESS ? ask(o, sc, pnext) : rv;
    sooner(pnext, o->d.next);
    sooner(pnext, o->a.next);
    sooner(pnext, o->a.page_at > sc->now ? o->a.page_at : 0);
    sooner(pnext, o->wait);
    return rv;
}

/* What there is to write, the urgent first. */
static apr_status_t look_at_all(const cfmt_scene_t *sc, apr_array_header_t *outcomes,
                                apr_time_t *pnext)
{
    apr_array_header_t *others = apr_array_make(sc->p, 16, sizeof(cfmt_outcome_t *));
    cfmt_outcome_t *o = apr_palloc(sc->p, sizeof(*o));
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < sc->prefixes->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(sc->prefixes, i, cfmt_prefix_row_t);

        if (row->gone || !row->b.cidr.family) {
            continue;
        }
        rv = look_at(sc, row, o, pnext);
        if (rv == APR_SUCCESS && cfmt_outcome_writes(o)) {
            APR_ARRAY_PUSH(cfmt_outcome_is_urgent(o) ? outcomes : others, cfmt_outcome_t *) = o;
            o = apr_palloc(sc->p, sizeof(*o));
        }
    }
    apr_array_cat(outcomes, others);
    return rv;
}

static apr_status_t decide(cfmt_engine_t *e, apr_time_t now, apr_time_t *pnext, int *pmore,
                           apr_pool_t *p)
{
    apr_array_header_t *outcomes = apr_array_make(p, 8, sizeof(cfmt_outcome_t *));
    cfmt_scene_t sc;
    apr_status_t rv = cfmt_scene_load(&sc, e, now, p);

    rv = rv == APR_SUCCESS ? look_at_all(&sc, outcomes, pnext) : rv;
    if (rv == APR_SUCCESS && (outcomes->nelts || runs_out(&sc))) {
        rv = write_all(&sc, outcomes, pmore);
    }
    return rv == APR_SUCCESS ? cfmt_remind(&sc) : rv;
}

/* ---- when ------------------------------------------------------------------------------------ */

static int is_due(const struct cfmt_decider_t *d, const cfmt_engine_t *e, apr_int64_t cursor,
                  apr_time_t now)
{
    return cursor != d->cursor || e->reads != d->reads || now - d->time >= SELDOM || now < d->time
           || (d->next && now >= d->next);
}

apr_status_t cfmt_decide_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick)
{
    struct cfmt_decider_t *d = e->decider;
    apr_time_t now = cfmt_clock_now(e->conf.clock), began = cfmt_monotonic(), next = 0;
    apr_interval_time_t left = d->looked_at ? d->looked_at + d->pause - began : 0;
    apr_int64_t cursor;
    apr_status_t rv = cfmt_meta_int(e->store, CFMT_META_CURSOR, 0, &cursor);
    int more = 0;

    if (rv != APR_SUCCESS || !is_due(d, e, cursor, now)) {
        sooner(pdue, d->next);
        return rv;
    }
    if (left > 0) {
        sooner(pdue, now + cfmt_clock_span(e->conf.clock, left));
        return APR_SUCCESS;
    }
    d->reads = e->reads;
    rv = decide(e, now, &next, &more, ptick);
    d->cursor = rv == APR_SUCCESS && !more ? cursor : -1;
    d->time = now;
    d->next = next > now ? next : next ? now + cfmt_clock_span(e->conf.clock, OFTEN) : 0;
    d->looked_at = cfmt_monotonic();
    d->pause = (d->looked_at - began) * SHARE > OFTEN ? (d->looked_at - began) * SHARE : OFTEN;
    sooner(pdue, d->next);
    return rv;
}
