/*
 * A journal under a policy: which rows are looked at, when time alone is a reason, what traffic
 * says of attacks under the policy's thresholds.
 */
#include <string.h>

#include <apr_strings.h>

#include "replay_sim.h"

#define SPREAD 1024                     /* room for rows of what traffic says */
#define LOOK_LEAST apr_time_from_sec(20) /* between two looks for time alone */
#define ATTACKS_EVERY CFMT_MINUTE       /* while there is traffic */
#define ATTACKS_OPEN (5 * CFMT_MINUTE)  /* and an attack is known: gates tell when more matters */
#define ATTACKS_IDLE apr_time_from_sec(600) /* while one is open and nothing else happens */
#define CALM "{\"says\":\"calm\"," /* so the body of such a row begins */
#define SAYS_AGAIN 4                    /* what was said leads to more */

/* ---- a look ---------------------------------------------------------------------------------- */

/* What traffic says becomes rows of the scratch journal, as in a round; asked anew each time. */
static apr_status_t say(cfmt_sim_t *sim, int *psaid)
{
    cfmt_replay_t *rp = sim->rp;
    cfmt_engine_t *e = rp->e;
    apr_time_t due = 0;
    apr_status_t rv = APR_SUCCESS;
    int i = 0;

    *psaid = 0;
    do {
        e->journaled = 0;
        e->attacks = cfmt_attacks_create(rp->pstep);
        rv = cfmt_attacks_run(e, &due, rp->pstep);
        e->attacks = NULL;
        rv = rv == APR_SUCCESS && e->journaled ? cfmt_replay_project(rp) : rv;
        *psaid |= e->journaled;
    } while (rv == APR_SUCCESS && e->journaled && ++i < SAYS_AGAIN);
    sim->attacks_at = rp->now;
    return rv;
}

/* ---- ends by calm that nobody saw ------------------------------------------------------------ */

/* So much longer a calm must be than the journal's configuration said, of whatever prefix. */
static apr_interval_time_t longer_calm(const cfmt_sim_t *sim)
{
    const cfmt_replay_t *rp = sim->rp;
    cfmt_threshold_t then, now;
    apr_interval_time_t most = 0;
    int i;

    for (i = 0; i < sim->order->nelts; i++) {
        const cfmt_lane_t *lane = APR_ARRAY_IDX(sim->order, i, const cfmt_lane_t *);

        cfmt_threshold_of(&then, rp->journaled, &lane->prefix, rp->pstep);
        cfmt_threshold_of(&now, rp->settings, &lane->prefix, rp->pstep);
        most = now.calm - then.calm > most ? now.calm - then.calm : most;
    }
    return most;
}

/*
 * Traffic ended it in fact, and the prefix was withdrawn soon: under a longer calm there are no
 * minutes that would end it. So it ends when those would have come.
 */
static void take_end(cfmt_sim_t *sim, const cfmt_journal_row_t *row)
{
    apr_interval_time_t more = strncmp(row->body, CALM, strlen(CALM)) ? 0 : longer_calm(sim);

    if (more) {
        APR_ARRAY_PUSH(sim->owed, cfmt_owed_t) = (cfmt_owed_t){
            .at = row->at + more, .body = apr_pstrmemdup(sim->rp->pool, row->body, row->len)
        };
    }
}

static apr_time_t next_end(const cfmt_sim_t *sim)
{
    apr_time_t due = 0;
    int i;

    for (i = 0; i < sim->owed->nelts; i++) {
        const cfmt_owed_t *owed = &APR_ARRAY_IDX(sim->owed, i, cfmt_owed_t);

        due = owed->body && (!due || owed->at < due) ? owed->at : due;
    }
    return due;
}

static apr_status_t say_end(cfmt_sim_t *sim, const char *body)
{
    cfmt_store_t *s = sim->rp->e->store;
    cfmt_entry_t entry = { .kind = "attack", .origin = "replay", .at = sim->rp->now, .body = body,
                           .len = strlen(body) };
    apr_status_t rv = cfmt_store_begin(s, apr_time_from_sec(5));

    rv = rv == APR_SUCCESS ? cfmt_store_end(s, cfmt_journal_append(s, &entry)) : rv;
    return rv == APR_SUCCESS ? cfmt_replay_project(sim->rp) : rv;
}

static apr_status_t say_ends(cfmt_sim_t *sim)
{
    apr_status_t rv = APR_SUCCESS;
    int i, left = 0;

    for (i = 0; rv == APR_SUCCESS && i < sim->owed->nelts; i++) {
        cfmt_owed_t *owed = &APR_ARRAY_IDX(sim->owed, i, cfmt_owed_t);

        if (owed->body && owed->at <= sim->rp->now) {
            rv = say_end(sim, owed->body);
            owed->body = NULL;
        }
        left += owed->body != NULL;
    }
    if (!left) {
        apr_array_clear(sim->owed);
    }
    return rv;
}

/* ---- all at once ----------------------------------------------------------------------------- */

static void count_open(cfmt_sim_t *sim, const cfmt_scene_t *sc)
{
    int i;

    sim->open = 0;
    for (i = 0; i < sc->attacks->nelts; i++) {
        sim->open += APR_ARRAY_IDX(sc->attacks, i, cfmt_struck_t).open;
    }
}

static apr_status_t look(cfmt_sim_t *sim, apr_time_t now)
{
    cfmt_replay_t *rp = sim->rp;
    cfmt_scene_t sc;
    apr_status_t rv;
    int i, said;

    apr_pool_clear(rp->pstep);
    rv = cfmt_replay_settle(rp);
    rp->now = sim->looked_at = now;
    rv = rv == APR_SUCCESS ? say_ends(sim) : rv;
    rv = rv == APR_SUCCESS ? say(sim, &said) : rv;
    rv = rv == APR_SUCCESS ? cfmt_replay_scene(rp, &sc) : rv;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    count_open(sim, &sc);
    for (i = 0; i < sc.prefixes->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(sc.prefixes, i, cfmt_prefix_row_t);

        if (!row->gone && row->b.cidr.family && cfmt_replay_standing(rp, &row->b.cidr)) {
            cfmt_lane_look(cfmt_lane_of(sim, &row->b.cidr), sim, &sc, row);
        }
    }
    return rv;
}

/* ---- time alone ------------------------------------------------------------------------------ */

/* 0 = nothing. */
static apr_time_t next_look(const cfmt_sim_t *sim)
{
    apr_time_t due = sim->open ? sim->attacks_at + ATTACKS_IDLE : 0;
    apr_time_t causes = cfmt_replay_deadline(sim->rp), end = next_end(sim);
    int i;

    due = end && (!due || end < due) ? end : due;
    due = causes && (!due || causes < due) ? causes : due;
    for (i = 0; i < sim->order->nelts; i++) {
        const cfmt_lane_t *lane = APR_ARRAY_IDX(sim->order, i, const cfmt_lane_t *);

        due = lane->next && (!due || lane->next < due) ? lane->next : due;
    }
    return due && due < sim->looked_at + LOOK_LEAST ? sim->looked_at + LOOK_LEAST : due;
}

static apr_status_t look_until(cfmt_sim_t *sim, apr_time_t until)
{
    apr_status_t rv = APR_SUCCESS;
    apr_time_t due = next_look(sim);

    while (rv == APR_SUCCESS && due && due < until) {
        rv = cfmt_replay_goes_on(sim->rp);
        rv = rv == APR_SUCCESS ? look(sim, due) : rv;
        due = next_look(sim);
    }
    return rv;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* What people do and what is reported; traffic is looked at when time has come. */
static int is_news(const char *kind)
{
    static const char *const kinds[] = { "delivery", "recovered", "command", "prefix_state",
                                         "rule_state", "config" };
    apr_size_t i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!strcmp(kind, kinds[i])) {
            return 1;
        }
    }
    return 0;
}

static int answers_command(const cfmt_journal_row_t *row)
{
    return !strcmp(row->kind, "result") && row->tag && !strncmp(row->tag, "command ", 8);
}

static int is_waited_for(const cfmt_sim_t *sim)
{
    int i = 0;

    while (i < sim->order->nelts && !APR_ARRAY_IDX(sim->order, i, const cfmt_lane_t *)->waits) {
        i++;
    }
    return i < sim->order->nelts;
}

/* A minute with traffic may be one too many. */
static apr_status_t take_evidence(cfmt_sim_t *sim, const cfmt_journal_row_t *row)
{
    cfmt_replay_t *rp = sim->rp;
    cfmt_evidence_t e;
    apr_status_t rv;
    int said;

    if (cfmt_evidence_decode(&e, row->body, row->len, rp->pstep) != APR_SUCCESS) {
        return APR_SUCCESS;
    }
    sim->read_at = row->at;
    sim->complete = e.complete > sim->complete && e.complete <= row->at ? e.complete
                                                                        : sim->complete;
    if (is_waited_for(sim)) {
        return look(sim, row->at);
    }
    if ((!e.rows->nelts && !sim->open)
        || row->at - sim->attacks_at < (sim->open ? ATTACKS_OPEN : ATTACKS_EVERY)) {
        return APR_SUCCESS;
    }
    rv = cfmt_replay_settle(rp);
    rp->now = row->at;
    rv = rv == APR_SUCCESS ? say(sim, &said) : rv;
    return rv == APR_SUCCESS && said ? look(sim, row->at) : rv;
}

static void take_decision(cfmt_sim_t *sim, const cfmt_journal_row_t *row)
{
    const cfmt_json_limits_t limits = { .depth = 8 };
    const char *why, *prefix;
    cfmt_json_t *doc;
    cfmt_lane_t *lane;
    cfmt_cidr_t cidr;
    cfmt_used_t used;

    if (cfmt_json_parse(&doc, &why, row->body, row->len, &limits, sim->rp->pstep) != APR_SUCCESS
        || !(prefix = cfmt_json_text(doc, "prefix"))
        || cfmt_cidr_parse(&cidr, NULL, prefix) != APR_SUCCESS
        || cfmt_used_decode(&used, cfmt_json_get(doc, "used")) != APR_SUCCESS) {
        return;
    }
    lane = cfmt_lane_of(sim, &cidr);
    used.c.check_text = used.c.withdraw_offer.by = used.c.advertise_offer.by = NULL;
    lane->used = used;
    lane->used_known = 1;
    sim->rp->skew = used.skew;
}

static apr_status_t take(cfmt_sim_t *sim, const cfmt_journal_row_t *row)
{
    apr_status_t rv = look_until(sim, row->at);

    rv = rv == APR_SUCCESS ? cfmt_replay_feed(sim->rp, row) : rv;
    if (rv != APR_SUCCESS || !row->body) {
        return rv;
    }
    if (!strcmp(row->kind, "evidence")) {
        return take_evidence(sim, row);
    }
    if (!strcmp(row->kind, "decision")) {
        take_decision(sim, row);
        return rv;
    }
    if (!strcmp(row->kind, "attack")) {
        take_end(sim, row);
        return rv;
    }
    return is_news(row->kind) || answers_command(row) ? look(sim, row->at) : rv;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static apr_status_t take_all(cfmt_sim_t *sim, const cfmt_replay_conf_t *conf)
{
    cfmt_replay_t *rp = sim->rp;
    apr_array_header_t *rows;
    apr_pool_t *ppage;
    apr_status_t rv = APR_SUCCESS;
    int i, more = 1;

    apr_pool_create(&ppage, rp->pool);
    while (rv == APR_SUCCESS && more) {
        apr_pool_clear(ppage);
        apr_pool_clear(rp->pstep);
        rv = cfmt_replay_page(rp, rp->at, &rows, ppage);
        more = rv == APR_SUCCESS && rows->nelts;
        for (i = 0; rv == APR_SUCCESS && more && i < rows->nelts; i++) {
            const cfmt_journal_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_journal_row_t);

            if (conf->to && row->at >= conf->to) {
                more = 0;
                break;
            }
            sim->end = row->at > sim->end ? row->at : sim->end;
            rv = take(sim, row);
        }
    }
    apr_pool_destroy(ppage);
    return rv;
}

apr_status_t cfmt_sim_run(cfmt_sim_t *sim, const cfmt_replay_conf_t *conf,
                          const apr_table_t *policy, const char *name, cfmt_result_t *r,
                          apr_pool_t *p)
{
    apr_status_t rv;
    int i;

    memset(sim, 0, sizeof(*sim));
    rv = cfmt_replay_open(&sim->rp, conf, name, r, p);
    sim->rp->policy = policy;
    sim->rp->own_attacks = 1;
    sim->rp->spread = SPREAD;
    sim->lanes = apr_hash_make(p);
    sim->order = apr_array_make(p, 8, sizeof(cfmt_lane_t *));
    sim->owed = apr_array_make(p, 4, sizeof(cfmt_owed_t));
    rv = rv == APR_SUCCESS ? take_all(sim, conf) : rv;
    sim->end = conf->to ? conf->to : sim->end;
    rv = rv == APR_SUCCESS ? look_until(sim, sim->end) : rv;
    for (i = 0; i < sim->order->nelts; i++) {
        cfmt_lane_end(APR_ARRAY_IDX(sim->order, i, cfmt_lane_t *), sim->end);
    }
    cfmt_store_close(sim->rp->e->store);
    return rv;
}
