/*
 * A journal goes through the engine again: its rows are put into a scratch store and projected
 * there, with what follows from them for intents and holds. Nothing is decided here.
 */
#include <string.h>

#include <apr_strings.h>

#include "replay.h"

#define PAGE 200
#define TRIM 5000 /* rows, before those of evidence that are projected are removed */
#define STEP_WAIT apr_time_from_sec(5)

/* ---- what there is --------------------------------------------------------------------------- */

/* The time of the first row behind the one with that id; 0 = there is none. */
static apr_status_t time_behind(cfmt_store_t *s, apr_int64_t id, apr_time_t *pat, apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_journal_read(s, id, 1, &rows, p);

    *pat = rv == APR_SUCCESS && rows->nelts ? APR_ARRAY_IDX(rows, 0, cfmt_journal_row_t).at : 0;
    return rv;
}

/* A decision looks a day back: the first that lacks nothing is made a day behind what is left. */
apr_status_t cfmt_replay_range(cfmt_store_t *source, cfmt_replay_range_t *range, apr_pool_t *p)
{
    apr_int64_t pruned = 0, evidence = 0, head = 0;
    apr_interval_time_t back;
    apr_table_t *settings;
    apr_status_t rv = cfmt_meta_int(source, CFMT_META_PRUNED, 0, &pruned);

    memset(range, 0, sizeof(*range));
    rv = rv == APR_SUCCESS ? cfmt_meta_int(source, CFMT_META_EVIDENCE_FROM, 0, &evidence) : rv;
    rv = rv == APR_SUCCESS ? cfmt_journal_head(source, &head) : rv;
    rv = rv == APR_SUCCESS ? time_behind(source, pruned, &range->first, p) : rv;
    rv = rv == APR_SUCCESS && head ? time_behind(source, head - 1, &range->last, p) : rv;
    rv = rv == APR_SUCCESS ? cfmt_settings_read(source, &settings, p) : rv;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    back = cfmt_known_back(settings);
    range->earliest = range->first;
    if (pruned && range->first) {
        range->earliest = range->first + back;
        range->why = "journal";
    }
    if (evidence && evidence + back > range->earliest) {
        range->earliest = evidence + back;
        range->why = "evidence";
    }
    return rv;
}

/* ---- open ------------------------------------------------------------------------------------ */

static apr_time_t read_clock(void *baton)
{
    return ((const cfmt_replay_t *)baton)->now;
}

static cfmt_engine_t *make_engine(cfmt_replay_t *rp, const char *path)
{
    cfmt_engine_conf_t conf = { .db = path, .clock = &rp->clock };

    rp->clock = (cfmt_clock_t){ .now = read_clock, .baton = rp, .speed = 1 };
    return cfmt_engine_create(&conf, rp->pool);
}

static void make_memory(cfmt_replay_t *rp, apr_pool_t *p)
{
    rp->pool = p;
    apr_pool_create(&rp->pstep, p);
    apr_pool_tag(rp->pstep, "cfmt_replay_step");
    apr_pool_create(&rp->pcommands, p);
    apr_pool_tag(rp->pcommands, "cfmt_replay_commands");
    rp->configs = apr_hash_make(p);
    rp->commands = apr_hash_make(p);
    rp->standings = apr_hash_make(p);
    rp->settings = apr_table_make(p, 1);
    rp->journaled = rp->settings;
    rp->spread = 1;
}

/* A journal that was pruned has a past that its snapshot does not tell. */
static apr_status_t seed(cfmt_replay_t *rp)
{
    cfmt_store_t *source = rp->conf->source;
    apr_int64_t pruned = 0;
    apr_time_t first = 0;
    apr_status_t rv = cfmt_meta_int(source, CFMT_META_PRUNED, 0, &pruned);

    rv = rv == APR_SUCCESS ? time_behind(source, pruned, &first, rp->pool) : rv;
    return rv == APR_SUCCESS && pruned && first ? cfmt_scratch_seed(rp->e->store, source, first - 1)
                                                : rv;
}

apr_status_t cfmt_replay_open(cfmt_replay_t **pr, const cfmt_replay_conf_t *conf, const char *name,
                              cfmt_result_t *r, apr_pool_t *p)
{
    cfmt_replay_t *rp = apr_pcalloc(p, sizeof(*rp));
    const char *path = apr_pstrcat(p, conf->dir, "/", name, NULL);
    apr_status_t rv;

    *pr = rp;
    rp->conf = conf;
    make_memory(rp, p);
    rp->e = make_engine(rp, path);
    rp->e->conf.settings = rp->settings;
    rv = cfmt_scratch_open(&rp->e->store, path, r, rp->e->store_pool);
    rv = rv == APR_SUCCESS ? cfmt_journal_head(conf->source, &rp->last) : rv;
    return rv == APR_SUCCESS ? seed(rp) : rv;
}

/* ---- feed ------------------------------------------------------------------------------------ */

apr_status_t cfmt_replay_goes_on(const cfmt_replay_t *rp)
{
    const cfmt_replay_conf_t *conf = rp->conf;

    return conf->progress && conf->progress(conf->baton, rp->at, rp->last) ? APR_EINTR
                                                                          : APR_SUCCESS;
}

apr_status_t cfmt_replay_page(cfmt_replay_t *rp, apr_int64_t after, apr_array_header_t **prows,
                              apr_pool_t *p)
{
    apr_status_t rv = cfmt_replay_goes_on(rp);

    return rv == APR_SUCCESS ? cfmt_journal_read(rp->conf->source, after, PAGE, prows, p) : rv;
}

/* Kinds that a projection is made of. */
static int is_projected(const cfmt_replay_t *rp, const char *kind)
{
    static const char *const kinds[] = { "delivery", "recovered", "command", "evidence", "config",
                                         "prefix_state", "tunnel_state", "rule_state", "snapshot" };
    apr_size_t i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!strcmp(kind, kinds[i])) {
            return 1;
        }
    }
    return !rp->own_attacks && !strcmp(kind, "attack");
}

static int is_prefix(const char *name)
{
    return !strncmp(name, "Prefix ", 7);
}

/* Prefixes are one thing: those of a policy take the place of all others. */
static void drop_prefixes(apr_table_t *t, apr_pool_t *ptemp)
{
    const apr_array_header_t *elts = apr_table_elts(apr_table_copy(ptemp, t));
    int i;

    for (i = 0; i < elts->nelts; i++) {
        if (is_prefix(APR_ARRAY_IDX(elts, i, apr_table_entry_t).key)) {
            apr_table_unset(t, APR_ARRAY_IDX(elts, i, apr_table_entry_t).key);
        }
    }
}

static void set_all(apr_table_t *to, const apr_table_t *from, apr_pool_t *ptemp)
{
    const apr_array_header_t *elts = apr_table_elts(from);
    int i;

    for (i = 0; i < elts->nelts; i++) {
        if (is_prefix(APR_ARRAY_IDX(elts, i, apr_table_entry_t).key)) {
            drop_prefixes(to, ptemp);
            break;
        }
    }
    for (i = 0; i < elts->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(elts, i, apr_table_entry_t);

        apr_table_set(to, e->key, e->val);
    }
}

/* What a configuration said is remembered: the leader that was there then may go on with it. */
static void take_config(cfmt_replay_t *rp, const cfmt_journal_row_t *row)
{
    apr_table_t *t = !strcmp(row->kind, "config")
                         ? cfmt_settings_decode(row->body, row->len, rp->pool)
                         : cfmt_snapshot_config(row->body, row->len, rp->pool);
    apr_uint64_t *key = apr_palloc(rp->pool, sizeof(*key));

    *key = cfmt_settings_digest(t, rp->pstep);
    apr_hash_set(rp->configs, key, sizeof(*key), t);
    rp->settings = t;
    rp->journaled = t;
    if (rp->policy) {
        rp->settings = apr_table_copy(rp->pool, t);
        set_all(rp->settings, rp->policy, rp->pstep);
    }
    rp->e->conf.settings = rp->settings;
}

static apr_status_t put(cfmt_replay_t *rp, const cfmt_journal_row_t *row, apr_int64_t id)
{
    apr_status_t rv = APR_SUCCESS;

    if (!rp->begun) {
        rv = cfmt_store_begin(rp->e->store, STEP_WAIT);
        rp->begun = rv == APR_SUCCESS;
    }
    return rv == APR_SUCCESS ? cfmt_scratch_row(rp->e->store, row, id) : rv;
}

/* As journaled; behind a snapshot, which nobody may change, a row of its own. */
static apr_status_t put_config(cfmt_replay_t *rp, const cfmt_journal_row_t *row)
{
    cfmt_journal_row_t own = { .kind = "config", .at = row->at, .origin = "replay" };
    int is_snapshot = !strcmp(row->kind, "snapshot");
    apr_int64_t id = row->id * rp->spread;
    apr_status_t rv = APR_SUCCESS;

    take_config(rp, row);
    if (is_snapshot || !rp->policy) {
        rv = put(rp, row, id);
    }
    if (rv == APR_SUCCESS && rp->policy) {
        own.body = cfmt_settings_encode(rp->settings, rp->pstep);
        own.len = strlen(own.body);
        rv = put(rp, &own, id + is_snapshot);
    }
    return rv;
}

apr_status_t cfmt_replay_feed(cfmt_replay_t *rp, const cfmt_journal_row_t *row)
{
    int configures = !strcmp(row->kind, "config") || !strcmp(row->kind, "snapshot");
    apr_status_t rv = APR_SUCCESS;

    rp->at = row->id;
    rp->now = row->at;
    rp->rows++;
    if (row->body && configures) {
        rv = put_config(rp, row);
    }
    else if (is_projected(rp, row->kind)) {
        rv = put(rp, row, row->id * rp->spread);
    }
    return rv == APR_SUCCESS ? cfmt_replay_state(rp, row) : rv;
}

/* Evidence that is projected is in the way: by far the most rows. */
static apr_status_t trim(cfmt_replay_t *rp)
{
    apr_int64_t upto = rp->at * rp->spread;
    apr_status_t rv = cfmt_store_begin(rp->e->store, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_store_end(rp->e->store, cfmt_scratch_trim(rp->e->store, rp->trimmed, upto));
    rp->trimmed = upto;
    return rv;
}

apr_status_t cfmt_replay_project(cfmt_replay_t *rp)
{
    apr_status_t rv;
    int done;

    do {
        rv = cfmt_project_step(rp->e->projector, rp->e->store, CFMT_PROJECT_STEP, &done,
                               rp->pstep);
    } while (rv == APR_SUCCESS && done);
    return rv;
}

apr_status_t cfmt_replay_settle(cfmt_replay_t *rp)
{
    apr_status_t rv;

    if (!rp->begun) {
        return APR_SUCCESS;
    }
    rp->begun = 0;
    rv = cfmt_store_commit(rp->e->store);
    rv = rv == APR_SUCCESS ? cfmt_replay_project(rp) : rv;
    return rv == APR_SUCCESS && rp->at - rp->trimmed / rp->spread > TRIM ? trim(rp) : rv;
}
