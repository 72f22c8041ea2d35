/*
 * Job "tunnels": GRE and IPsec tunnels and interconnects, and whether they work. Idle ones, too:
 * Cloudflare raises no alert for a tunnel without traffic, and on demand that is every tunnel until
 * it is needed.
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "sense.h"

#define KINDS 3
#define WINDOW apr_time_from_sec(10 * 60) /* of health: some checks of every colo */
/*
 * Cloudflare's own alerts start below 98 % by default. A tunnel that hardly one colo reaches is
 * down whatever that colo says.
 */
#define UP 0.98
#define DOWN 0.05
#define GONE_AFTER apr_time_from_sec(15 * 60) /* as prefixes: an empty answer may be a lie */

typedef struct tunnels_t {
    apr_array_header_t *rows;     /* cfmt_tunnel_row_t, as the store has them */
    apr_array_header_t *listed;   /* cfmt_tunnel_t */
    apr_array_header_t *readings; /* cfmt_tunnel_health_t; NULL = health was not read */
    int complete[KINDS];
    int read, changed;
} tunnels_t;

/* ---- asking ---------------------------------------------------------------------------------- */

static apr_status_t take_tunnel(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    tunnels_t *d = ask->run->data;
    cfmt_tunnel_e kind = *(const cfmt_tunnel_e *)ask->arg;
    cfmt_tunnel_t t;
    const char *why;

    (void)which, (void)prow;
    if (cfmt_tunnel_read(&t, &why, kind, row, ask->run->p) != APR_SUCCESS) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "a %s in the list: %s", cfmt_tunnel_kind_name(kind),
                      why);
        d->complete[kind] = 0;
        return APR_SUCCESS;
    }
    APR_ARRAY_PUSH(d->listed, cfmt_tunnel_t) = t;
    return APR_SUCCESS;
}

static void drop(apr_array_header_t *listed, cfmt_tunnel_e kind)
{
    const cfmt_tunnel_t *t;
    int i, n = 0;

    for (i = 0; i < listed->nelts; i++) {
        t = &APR_ARRAY_IDX(listed, i, cfmt_tunnel_t);
        if (t->kind != kind) {
            APR_ARRAY_IDX(listed, n++, cfmt_tunnel_t) = *t;
        }
    }
    listed->nelts = n;
}

static void tunnels_done(cfmt_ask_t *ask, const cfmt_api_result_t *result)
{
    tunnels_t *d = ask->run->data;
    cfmt_tunnel_e kind = *(const cfmt_tunnel_e *)ask->arg;

    if (result->r.status != APR_SUCCESS) {
        d->complete[kind] = 0;
        drop(d->listed, kind); /* rows come before the verdict */
    }
}

static apr_status_t take_health(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    tunnels_t *d = ask->run->data;
    cfmt_tunnel_health_t h;
    const char *why;

    (void)which, (void)prow;
    if (cfmt_tunnel_health_read(&h, &why, row, ask->run->p) != APR_SUCCESS) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "tunnel health: %s", why);
        return APR_SUCCESS;
    }
    APR_ARRAY_PUSH(d->readings, cfmt_tunnel_health_t) = h;
    return APR_SUCCESS;
}

static void health_done(cfmt_ask_t *ask, const cfmt_api_result_t *result)
{
    tunnels_t *d = ask->run->data;

    if (result->r.status != APR_SUCCESS) {
        d->readings = NULL;
    }
}

static void ask_list(cfmt_run_t *run, cfmt_tunnel_e kind)
{
    const char **rows = apr_pcalloc(run->p, 2 * sizeof(*rows));
    tunnels_t *d = run->data;
    cfmt_api_call_t call = {
        .path = cfmt_tunnels_path(kind, cfmt_api_account(run->e->api), run->p), .rows = rows,
        .row = take_tunnel, .answer_max = (apr_size_t)4 * 1024 * 1024
    };
    cfmt_ask_t ask = { .arg = apr_pmemdup(run->p, &kind, sizeof(kind)), .done = tunnels_done };

    rows[0] = cfmt_tunnels_rows(kind);
    d->complete[kind] = cfmt_run_ask(run, &call, &ask);
}

static void ask_health(cfmt_run_t *run)
{
    static const char *const rows[] = { CFMT_TUNNEL_HEALTH_ROWS, NULL };
    tunnels_t *d = run->data;
    cfmt_api_call_t call = {
        .upstream = CFMT_UPSTREAM_GRAPHQL, .rows = rows, .row = take_health,
        .body = cfmt_tunnel_health_query(cfmt_api_account(run->e->api), run->now - WINDOW,
                                         run->now, run->p),
        .answer_max = (apr_size_t)4 * 1024 * 1024
    };

    d->readings = apr_array_make(run->p, 8, sizeof(cfmt_tunnel_health_t));
    if (!cfmt_run_ask(run, &call, &(cfmt_ask_t){ .done = health_done })) {
        d->readings = NULL;
    }
}

static void next(cfmt_run_t *run)
{
    tunnels_t *d;
    int kind;

    if (run->step > 0) {
        return;
    }
    d = run->data = apr_pcalloc(run->p, sizeof(*d));
    d->listed = apr_array_make(run->p, 8, sizeof(cfmt_tunnel_t));
    if (cfmt_tunnels_load(run->e->store, &d->rows, run->p) != APR_SUCCESS) {
        d->rows = apr_array_make(run->p, 1, sizeof(cfmt_tunnel_row_t));
        cfmt_run_fail(run, CFMT_ESTORE, "the store: %s", cfmt_store_error(run->e->store));
        return;
    }
    for (kind = 0; kind < KINDS; kind++) {
        ask_list(run, (cfmt_tunnel_e)kind);
    }
    ask_health(run);
}

/* ---- concluding ------------------------------------------------------------------------------ */

static const char *state_of(const cfmt_tunnel_t *t)
{
    if (t->health < 0) {
        return "unknown";
    }
    return t->health >= UP ? "up" : t->health > DOWN ? "degraded" : "down";
}

static int same(const cfmt_tunnel_t *a, const cfmt_tunnel_t *b)
{
    return a->kind == b->kind && cfmt_text_same(a->name, b->name)
           && cfmt_text_same(a->endpoint, b->endpoint) && a->checked == b->checked;
}

static const char *shown(const cfmt_run_t *run, const cfmt_tunnel_t *t)
{
    const char *name = t->name ? t->name : t->id;

    return cfmt_text_escape(run->p, name, strlen(name), 60);
}

static void tell_change(cfmt_run_t *run, const cfmt_tunnel_row_t *old, const cfmt_tunnel_t *t,
                        const char *state)
{
    int bad = !strcmp(state, "down") || !strcmp(state, "degraded");

    if (old ? strcmp(old->state, state) : bad) {
        cfmt_run_tell(run, bad ? CFMT_LOG_WARNING : CFMT_LOG_NOTICE,
                      CFMT_ID(0864) "%s tunnel %s is %s%s%s", cfmt_tunnel_kind_name(t->kind),
                      shown(run, t), state, old ? ", was " : "", old ? old->state : "");
    }
}

static void conclude_tunnel(cfmt_run_t *run, cfmt_tunnel_t *t, const cfmt_tunnel_row_t *old)
{
    tunnels_t *d = run->data;
    const char *state;

    t->health = -1;
    if (d->readings) {
        cfmt_tunnel_health_add(t, d->readings);
    }
    else if (old) { /* not read is not unknown: the last word counts, with its age */
        t->health = old->t.health;
        t->active = old->t.active;
    }
    state = d->readings || !old ? state_of(t) : old->state;
    d->read++;
    if (old && old->missing_since) {
        cfmt_run_reading(run, "missing", t->id, 0);
    }
    if (!old || old->gone || !same(&old->t, t) || strcmp(old->state, state)) {
        d->changed++;
        tell_change(run, old, t, state);
        cfmt_run_journal(run, "tunnel_state", old ? "external" : "first",
                         cfmt_tunnel_encode(t, state, 0, run->p), NULL);
    }
}

/* One listed twice counts once: the second would be new, and history, in each run. */
static int is_repeated(cfmt_run_t *run, apr_hash_t *seen, const cfmt_tunnel_t *t)
{
    const cfmt_tunnel_t *first = apr_hash_get(seen, t->id, APR_HASH_KEY_STRING);

    if (first && !same(first, t)) {
        cfmt_run_fail(run, CFMT_EANSWER, "tunnel %s is listed twice and differs: the first one "
                      "counts", t->id);
    }
    apr_hash_set(seen, t->id, APR_HASH_KEY_STRING, first ? first : t);
    return first != NULL;
}

static void conclude_missing(cfmt_run_t *run, const cfmt_tunnel_row_t *row)
{
    const tunnels_t *d = run->data;

    if (row->gone || !d->complete[row->t.kind]) {
        return;
    }
    if (!row->missing_since) {
        cfmt_run_reading(run, "missing", row->t.id, run->now);
    }
    else if (run->now - row->missing_since >= GONE_AFTER) {
        cfmt_run_tell(run, CFMT_LOG_WARNING,
                      CFMT_ID(0865) "%s tunnel %s is no longer in the account",
                      cfmt_tunnel_kind_name(row->t.kind), shown(run, &row->t));
        cfmt_run_journal(run, "tunnel_state", "external",
                         cfmt_tunnel_encode(&row->t, row->state, 1, run->p), NULL);
    }
}

static void note_health(cfmt_run_t *run, apr_table_t *t, const cfmt_tunnel_t *tunnel)
{
    apr_table_setn(t, tunnel->id, apr_psprintf(run->p, "%.4f %d", tunnel->health, tunnel->active));
}

/*
 * Ratios move all the time: they are facts, and only states are history. The last word about what
 * was not listed this time (unlisted: id -> row) stays.
 */
static void conclude_health(cfmt_run_t *run, apr_hash_t *unlisted)
{
    const tunnels_t *d = run->data;
    apr_table_t *t = apr_table_make(run->p, d->listed->nelts);
    int i;

    for (i = 0; i < d->listed->nelts; i++) {
        note_health(run, t, &APR_ARRAY_IDX(d->listed, i, cfmt_tunnel_t));
    }
    for (i = 0; i < d->rows->nelts; i++) {
        const cfmt_tunnel_row_t *row = &APR_ARRAY_IDX(d->rows, i, cfmt_tunnel_row_t);

        if (!row->gone && apr_hash_get(unlisted, row->t.id, APR_HASH_KEY_STRING)) {
            note_health(run, t, &row->t);
        }
    }
    cfmt_run_facts(run, "tunnels", t);
}

static void conclude(cfmt_run_t *run)
{
    tunnels_t *d = run->data;
    apr_hash_t *known = apr_hash_make(run->p), *seen = apr_hash_make(run->p);
    int i;

    for (i = 0; i < d->rows->nelts; i++) {
        const cfmt_tunnel_row_t *row = &APR_ARRAY_IDX(d->rows, i, cfmt_tunnel_row_t);

        apr_hash_set(known, row->t.id, APR_HASH_KEY_STRING, row);
    }
    for (i = 0; i < d->listed->nelts; i++) {
        cfmt_tunnel_t *t = &APR_ARRAY_IDX(d->listed, i, cfmt_tunnel_t);

        if (is_repeated(run, seen, t)) {
            continue;
        }
        conclude_tunnel(run, t, apr_hash_get(known, t->id, APR_HASH_KEY_STRING));
        apr_hash_set(known, t->id, APR_HASH_KEY_STRING, NULL);
    }
    for (i = 0; i < d->rows->nelts; i++) {
        const cfmt_tunnel_row_t *row = &APR_ARRAY_IDX(d->rows, i, cfmt_tunnel_row_t);

        if (apr_hash_get(known, row->t.id, APR_HASH_KEY_STRING)) {
            conclude_missing(run, row);
        }
    }
    if (d->readings && d->listed->nelts) {
        conclude_health(run, known);
    }
    run->summary = apr_psprintf(run->p, "%d read, %d changed", d->read, d->changed);
}

const cfmt_sense_t cfmt_sense_tunnels = { .name = "tunnels", .next = next, .conclude = conclude };
