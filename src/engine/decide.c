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
#define OUTCOMES_MAX 100                 /* written at once: the lock is held for a few ms */
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

/* Reading and asking cost nothing that must be written first. */
static apr_status_t ask(const cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    cfmt_memory_t *m = cfmt_scene_memory(sc->e, &o->row->b.cidr);
    apr_status_t rv;

    if (o->pending) {
        return APR_SUCCESS; /* act.c reads what it needs */
    }
    switch (o->d.action) {
    case CFMT_DO_READ:
        return read_at_once(sc, "prefixes");
    case CFMT_DO_CHECK:
        cfmt_program_ask(sc->e, &o->row->b.cidr, apr_table_get(sc->settings, "WithdrawCheck"));
        return APR_SUCCESS;
    case CFMT_DO_LOOK:
        m->look_at = sc->now;
        rv = read_at_once(sc, "prefixes");
        return rv == APR_SUCCESS ? read_at_once(sc, "traffic") : rv;
    default:
        return APR_SUCCESS;
    }
}

/* ---- one look -------------------------------------------------------------------------------- */

static void sooner(apr_time_t *pnext, apr_time_t t)
{
    if (t && (!*pnext || t < *pnext)) {
        *pnext = t;
    }
}

static apr_status_t write_all(const cfmt_scene_t *sc, apr_array_header_t *outcomes, int *pwritten)
{
    cfmt_store_t *s = sc->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);
    int i, n = 0;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_proposals_expire(s, sc->now, &n);
    for (i = 0; rv == APR_SUCCESS && i < outcomes->nelts; i++) {
        rv = cfmt_outcome_write(APR_ARRAY_IDX(outcomes, i, cfmt_outcome_t *), sc, sc->p);
    }
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv;
    }
    rv = cfmt_store_commit(s);
    *pwritten = rv == APR_SUCCESS ? outcomes->nelts : 0;
    return rv;
}

static void remember(const cfmt_scene_t *sc, const cfmt_outcome_t *o)
{
    if (o->decision) {
        cfmt_scene_memory(sc->e, &o->row->b.cidr)->written = o->digest;
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

static apr_status_t look_at_all(const cfmt_scene_t *sc, apr_array_header_t *outcomes,
                                apr_time_t *pnext, int *pmore)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < sc->prefixes->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(sc->prefixes, i, cfmt_prefix_row_t);
        cfmt_outcome_t *o;

        if (row->gone || !row->b.cidr.family) {
            continue;
        }
        o = apr_palloc(sc->p, sizeof(*o));
        rv = cfmt_outcome_find(o, sc, row);
        rv = rv == APR_SUCCESS ? ask(o, sc) : rv;
        sooner(pnext, o->d.next);
        sooner(pnext, o->a.next);
        sooner(pnext, o->a.page_at > sc->now ? o->a.page_at : 0);
        if (rv == APR_SUCCESS && cfmt_outcome_writes(o)) {
            *pmore |= outcomes->nelts >= OUTCOMES_MAX;
            if (outcomes->nelts < OUTCOMES_MAX) {
                APR_ARRAY_PUSH(outcomes, cfmt_outcome_t *) = o;
            }
        }
    }
    return rv;
}

static apr_status_t decide(cfmt_engine_t *e, apr_time_t now, apr_time_t *pnext, int *pmore,
                           apr_pool_t *p)
{
    apr_array_header_t *outcomes = apr_array_make(p, 8, sizeof(cfmt_outcome_t *));
    cfmt_scene_t sc;
    apr_status_t rv = cfmt_scene_load(&sc, e, now, p);
    int i, written = 0;

    rv = rv == APR_SUCCESS ? look_at_all(&sc, outcomes, pnext, pmore) : rv;
    if (rv == APR_SUCCESS && (outcomes->nelts || runs_out(&sc))) {
        rv = write_all(&sc, outcomes, &written);
    }
    for (i = 0; i < written; i++) {
        remember(&sc, APR_ARRAY_IDX(outcomes, i, cfmt_outcome_t *));
        cfmt_outcome_tell(APR_ARRAY_IDX(outcomes, i, cfmt_outcome_t *), &sc);
    }
    cfmt_record_anchor(e);
    return rv;
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
