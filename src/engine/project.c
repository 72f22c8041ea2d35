/*
 * The projector: journal rows behind the cursor become events, attacks, entities and what is known
 * of the world. Understanding and folding happen without the commit lock; then one transaction
 * checks that nobody moved the cursor and writes.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "announce.h"
#include "batch.h"
#include "cfmt_engine.h"
#include "project_evidence.h"
#include "project_imported.h"
#include "project_world.h"
#include "row_event.h"

#define BEGIN_TIMEOUT apr_time_from_msec(250)
/* of the commit lock, before the commit itself; intake waits meanwhile */
#define HOLD_MAX apr_time_from_msec(3)
#define ROWS_MIN 25
#define CURSOR_START 0 /* before the first row */

struct cfmt_projector_t {
    const cfmt_log_t *log;
    apr_pool_t *pool;
    apr_pool_t *pstep;      /* cleared each step: callers may run many with one scratch pool */
    apr_pool_t *pconf;
    cfmt_in_force_t conf;
    cfmt_world_t world;
    apr_int64_t conf_cursor; /* conf and world are in force at this cursor; < 0 = not loaded */
    apr_int64_t conf_pruned; /* and the journal was pruned up to there: what is gone went, too */
    int rows;               /* of a step: fewer after one that held the lock for too long */
};

/* How far the projection is. */
typedef struct position_t {
    apr_int64_t cursor, pruned, mapped;
    apr_int64_t announced;      /* rows up to here were told of: not again */
    cfmt_findings_from_t evidence;
    cfmt_remap_t remap;
    apr_time_t last_delivery;
} position_t;

/*
 * What a row is to attacks. Steps hold one of the first two: what maps events to prefixes is in
 * force for all events of a step, and all of them are stored when open attacks are mapped anew.
 */
typedef enum { ROW_EVENT, ROW_MAPPING, ROW_NEITHER } row_e;

/* One step under way. */
typedef struct step_t {
    cfmt_projector_t *pr;
    cfmt_store_t *s;
    apr_pool_t *p;
    position_t at;                /* as phase 1 saw it */
    apr_int64_t head;             /* the last row taken */
    int rows;                     /* taken */
    row_e sort;                   /* of what is taken */
    apr_time_t last_delivery;
    cfmt_in_force_t conf;         /* in force at the row being read */
    const cfmt_journal_row_t *conf_row; /* the row that changed it; NULL = none did */
    const cfmt_journal_row_t *snapshot; /* the step is this row alone */
    apr_int64_t moved;            /* the last row that changed where attacks hit; 0 = none */
    cfmt_remapping_t remapping;   /* the step of a change before it: no rows */
    cfmt_batch_t batch;
    cfmt_findings_t findings;
    cfmt_announce_t announce;
    apr_array_header_t *imported; /* cfmt_imported_t; NULL = none */
} step_t;

cfmt_projector_t *cfmt_projector_create(const cfmt_log_t *log, apr_pool_t *p)
{
    cfmt_projector_t *pr = apr_pcalloc(p, sizeof(*pr));

    pr->log = log;
    pr->pool = p;
    pr->conf_cursor = -1;
    pr->rows = CFMT_PROJECT_STEP;
    apr_pool_create(&pr->pstep, p);
    apr_pool_tag(pr->pstep, "cfmt_project_step");
    apr_pool_create(&pr->pconf, p);
    apr_pool_tag(pr->pconf, "cfmt_project_conf");
    return pr;
}

/* ---- configuration in force ------------------------------------------------------------------ */

static int is_loaded(const cfmt_projector_t *pr, const position_t *at)
{
    return pr->conf_cursor == at->cursor && pr->conf_pruned == at->pruned;
}

static apr_status_t conf_load(cfmt_projector_t *pr, cfmt_store_t *s, const position_t *at)
{
    apr_status_t rv;

    pr->conf_cursor = -1;
    apr_pool_clear(pr->pconf);
    rv = cfmt_in_force_load(&pr->conf, s, pr->pconf);
    if (rv == APR_SUCCESS) {
        rv = cfmt_world_load(&pr->world, s, pr->conf.prefixes, pr->pconf);
    }
    pr->conf_cursor = rv == APR_SUCCESS ? at->cursor : -1;
    pr->conf_pruned = at->pruned;
    return rv;
}

/* ---- rows -> items --------------------------------------------------------------------------- */

static void skip_row(const step_t *st, const cfmt_journal_row_t *row, const char *why)
{
    cfmt_log(st->pr->log, CFMT_LOG_ERR,
             CFMT_ID(0420) "journal row %" APR_INT64_T_FMT
                           " (%s) cannot be understood and is skipped: %s",
             row->id, row->kind, why);
}

static apr_status_t add_event(step_t *st, cfmt_item_t *item, const cfmt_journal_row_t *row)
{
    cfmt_event_t *e = &item->e;

    e->id = row->id;
    e->at = row->at;
    item->account = e->account && *e->account ? e->account
                                              : st->conf.account; /* a missing account is ours */
    item->hits = cfmt_world_hits(&st->pr->world, e, &item->rule_unknown, st->p);
    return cfmt_batch_add(&st->batch, item);
}

static apr_status_t take_delivery(step_t *st, const cfmt_journal_row_t *row)
{
    cfmt_item_t *item = apr_pcalloc(st->p, sizeof(*item));
    apr_status_t rv = cfmt_event_read(&item->e, row->body ? row->body : "", row->len, row->at,
                                      st->conf.account, st->p);

    if (row->at > st->last_delivery) {
        st->last_delivery = row->at;
    }
    if (rv != APR_SUCCESS) {
        skip_row(st, row, cfmt_status_text(rv, st->p));
        return APR_SUCCESS;
    }
    return add_event(st, item, row);
}

/*
 * A notification that never reached us, from Cloudflare's history: a delivery in every other way.
 * tag: when it was sent.
 */
static apr_status_t take_recovered(step_t *st, const cfmt_journal_row_t *row)
{
    cfmt_item_t *item = apr_pcalloc(st->p, sizeof(*item));
    apr_time_t sent;

    if (!row->tag || cfmt_time_parse(&sent, row->tag) != APR_SUCCESS) {
        sent = row->at;
    }
    if (cfmt_event_read(&item->e, row->body ? row->body : "", row->len, sent, st->conf.account,
                        st->p)
        != APR_SUCCESS) {
        cfmt_row_text_event(&item->e, row, sent, st->p);
    }
    item->e.source = "recovered";
    return add_event(st, item, row);
}

/*
 * Once more, by whoever thinks that it was not understood then: the same event with the same id. A
 * row that is one already, or that retention has removed, stays as it is; so does a rebuild.
 */
static apr_status_t take_again(step_t *st, const cfmt_json_t *doc)
{
    const cfmt_journal_row_t *row;
    apr_array_header_t *rows;
    apr_int64_t id;
    apr_status_t rv;

    if (cfmt_json_int(&id, doc, "id") != APR_SUCCESS || id <= 0) {
        return APR_SUCCESS;
    }
    rv = cfmt_journal_read(st->s, id - 1, 1, &rows, st->p);
    if (rv != APR_SUCCESS || !rows->nelts) {
        return rv;
    }
    row = &APR_ARRAY_IDX(rows, 0, cfmt_journal_row_t);
    return row->id != id ? APR_SUCCESS
           : !strcmp(row->kind, "delivery") ? take_delivery(st, row)
           : !strcmp(row->kind, "recovered") ? take_recovered(st, row) : APR_SUCCESS;
}

static apr_status_t take_command(step_t *st, const cfmt_journal_row_t *row)
{
    cfmt_json_limits_t limits = { .depth = 8 };
    const char *why, *name, *ref;
    cfmt_json_t *doc;
    cfmt_item_t *item;

    if (cfmt_json_parse(&doc, &why, row->body ? row->body : "", row->len, &limits, st->p)
        != APR_SUCCESS) {
        skip_row(st, row, why);
        return APR_SUCCESS;
    }
    name = cfmt_json_text(doc, "command");
    if (name && !strcmp(name, "redeliver")) {
        return take_again(st, doc);
    }
    if (!name || strcmp(name, "attack.close")) {
        return APR_SUCCESS; /* of another part, or of a newer version */
    }
    ref = cfmt_json_text(doc, "id");
    if (!ref) {
        skip_row(st, row, "attack.close without an id");
        return APR_SUCCESS;
    }
    item = apr_pcalloc(st->p, sizeof(*item));
    cfmt_row_close_event(&item->e, row, ref, st->p);
    return cfmt_batch_add(&st->batch, item);
}

/* What traffic says of an attack: it names it, or opens one. */
static apr_status_t take_attack(step_t *st, const cfmt_journal_row_t *row)
{
    cfmt_item_t *item = apr_pcalloc(st->p, sizeof(*item));
    const char *id, *with;

    if (cfmt_row_say_event(&item->e, &id, &with, row, st->p) != APR_SUCCESS) {
        skip_row(st, row, "not what this program writes of an attack");
        return APR_SUCCESS;
    }
    if (id) {
        cfmt_batch_join(&st->batch, id, with);
        return APR_SUCCESS;
    }
    return add_event(st, item, row);
}

static void take_config(step_t *st, const cfmt_journal_row_t *row)
{
    cfmt_in_force_t before = st->conf;

    cfmt_in_force_read(&st->conf, row, st->p);
    st->conf_row = row;
    if (!cfmt_in_force_same_prefixes(&before, &st->conf)) {
        st->moved = row->id;
    }
}

static apr_status_t take_evidence(step_t *st, const cfmt_journal_row_t *row)
{
    apr_status_t rv = cfmt_findings_take(&st->findings, row, st->conf.thresholds, st->rows, st->p);

    if (rv == CFMT_EINVALID) {
        skip_row(st, row, "not evidence that this program writes");
        return APR_SUCCESS;
    }
    return rv;
}

/* History of another system: shown, and nothing else. */
static apr_status_t take_imported(step_t *st, const cfmt_journal_row_t *row)
{
    if (cfmt_imported_take(&st->imported, row, st->p) != APR_SUCCESS) {
        skip_row(st, row, "not what cfmtctl import writes");
    }
    return APR_SUCCESS;
}

static apr_status_t take_row(step_t *st, const cfmt_journal_row_t *row)
{
    int moved;

    if (!strcmp(row->kind, "delivery")) {
        return take_delivery(st, row);
    }
    if (!strcmp(row->kind, "recovered")) {
        return take_recovered(st, row);
    }
    if (!strcmp(row->kind, "command")) {
        return take_command(st, row);
    }
    if (!strcmp(row->kind, "attack")) {
        return take_attack(st, row);
    }
    if (!strcmp(row->kind, "evidence")) {
        return take_evidence(st, row);
    }
    if (!strcmp(row->kind, CFMT_KIND_IMPORTED)) {
        return take_imported(st, row);
    }
    if (!strcmp(row->kind, "config")) {
        take_config(st, row);
    }
    else if (cfmt_world_take(&st->pr->world, row, &moved, st->p) != APR_SUCCESS) {
        skip_row(st, row, "not a state that this program writes");
    }
    else if (moved) {
        st->moved = row->id;
    }
    return APR_SUCCESS; /* duplicates, refused bodies, kinds of a newer version: only the cursor
                           moves */
}

static row_e sort_of(const cfmt_journal_row_t *row)
{
    static const struct {
        const char *kind;
        row_e sort;
    } sorts[] = {
        {.kind = "delivery", .sort = ROW_EVENT},    {.kind = "recovered", .sort = ROW_EVENT},
        {.kind = "command", .sort = ROW_EVENT},     {.kind = "attack", .sort = ROW_EVENT},
        {.kind = "config", .sort = ROW_MAPPING},
        {.kind = "prefix_state", .sort = ROW_MAPPING},
        {.kind = "rule_state", .sort = ROW_MAPPING},
    };
    apr_size_t i;

    for (i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
        if (!strcmp(sorts[i].kind, row->kind)) {
            return sorts[i].sort;
        }
    }
    return ROW_NEITHER;
}

/* ---- the step -------------------------------------------------------------------------------- */

static apr_status_t position(cfmt_store_t *s, position_t *at)
{
    const cfmt_meta_int_t all[] = {
        { CFMT_META_CURSOR, &at->cursor }, { CFMT_META_PRUNED, &at->pruned },
        { CFMT_META_MAPPED, &at->mapped }, { CFMT_META_ANNOUNCED, &at->announced },
        { CFMT_META_EVIDENCE_PART, &at->evidence.part },
        { CFMT_META_EVIDENCE_FROM, &at->evidence.floor },
        { CFMT_META_REMAP_ROW, &at->remap.row }, { CFMT_META_REMAP_AFTER, &at->remap.after },
        { CFMT_META_LAST_DELIVERY, &at->last_delivery },
    };

    return cfmt_meta_ints(s, all, sizeof(all) / sizeof(all[0]));
}

static int same_position(const position_t *a, const position_t *b)
{
    return a->cursor == b->cursor && a->pruned == b->pruned && a->remap.row == b->remap.row
           && a->remap.after == b->remap.after && a->evidence.part == b->evidence.part
           && a->evidence.floor == b->evidence.floor;
}

/*
 * Where to go on. A reset that was cut short is finished first: its leftovers would pass for known
 * events.
 */
static apr_status_t begin_step(step_t *st)
{
    apr_status_t rv = position(st->s, &st->at);

    if (rv == APR_SUCCESS && st->at.cursor == CFMT_CURSOR_RESET) {
        rv = cfmt_project_reset(st->s);
        rv = rv == APR_SUCCESS ? position(st->s, &st->at) : rv;
    }
    if (rv == APR_SUCCESS && !is_loaded(st->pr, &st->at)) {
        rv = conf_load(st->pr, st->s, &st->at);
    }
    st->last_delivery = st->at.last_delivery;
    st->conf = st->pr->conf;
    st->head = st->at.cursor;
    cfmt_world_begin(&st->pr->world, st->p);
    cfmt_batch_init(&st->batch, st->s, st->p);
    st->batch.mapped_to = st->at.mapped;
    return rv;
}

static apr_status_t find_news(step_t *st, apr_time_t now)
{
    st->announce = (cfmt_announce_t){ .s = st->s, .p = st->p, .conf = &st->conf,
                                      .world = &st->pr->world, .now = now };
    return cfmt_announce_find(&st->announce, &st->batch);
}

/* Phase 1: everything that needs no lock. */
static apr_status_t read_rows(step_t *st, const apr_array_header_t *rows)
{
    const cfmt_journal_row_t *row = &APR_ARRAY_IDX(rows, 0, cfmt_journal_row_t);
    apr_status_t rv = APR_SUCCESS;
    row_e sort;

    if (st->at.cursor == CURSOR_START && !strcmp(row->kind, "snapshot")) {
        st->snapshot = st->conf_row = row;
        st->head = row->id;
        st->rows = 1;
        return APR_SUCCESS;
    }
    for (; rv == APR_SUCCESS && st->rows < rows->nelts
           && !cfmt_findings_full(&st->findings, st->rows);
         st->rows++, row++) {
        sort = sort_of(row);
        if (st->rows && row[-1].id <= st->at.announced && row->id > st->at.announced) {
            break; /* a step tells of all its rows or of none */
        }
        if (sort != ROW_NEITHER && st->sort != ROW_NEITHER && sort != st->sort) {
            break;
        }
        rv = take_row(st, row);
        if (rv == APR_EAGAIN) {
            rv = APR_SUCCESS;
            break;
        }
        st->sort = sort == ROW_NEITHER ? st->sort : sort;
        st->head = cfmt_findings_over(&st->findings) ? st->at.cursor : row->id;
    }
    rv = rv == APR_SUCCESS ? cfmt_batch_fold(&st->batch) : rv;
    return rv == APR_SUCCESS && st->head > st->at.announced ? find_news(st, row[-1].at) : rv;
}

static apr_status_t restore(step_t *st)
{
    apr_status_t rv = cfmt_snapshot_restore(st->s, st->snapshot->body, st->snapshot->len, st->p);

    if (rv == CFMT_EINVALID) {
        cfmt_log(st->pr->log, CFMT_LOG_ERR,
                 CFMT_ID(0421) "snapshot row %" APR_INT64_T_FMT " is damaged: the projection"
                               " cannot go on without what happened before it",
                 st->snapshot->id);
    }
    return rv;
}

static apr_status_t write_rows(step_t *st)
{
    cfmt_remap_t remap = { .row = st->moved };
    apr_status_t rv;

    if (st->snapshot) {
        return restore(st);
    }
    rv = cfmt_batch_write(&st->batch);
    rv = rv == APR_SUCCESS ? cfmt_world_write(&st->pr->world, st->s) : rv;
    rv = rv == APR_SUCCESS ? cfmt_findings_write(&st->findings, st->s, st->p) : rv;
    rv = rv == APR_SUCCESS ? cfmt_imported_write(st->imported, st->s) : rv;
    if (rv == APR_SUCCESS && st->moved) {
        rv = cfmt_remap_save(st->s, &remap);
    }
    if (rv == APR_SUCCESS && st->announce.news) {
        rv = cfmt_announce_write(&st->announce, st->head);
    }
    return rv == APR_SUCCESS ? cfmt_meta_set_int(st->s, CFMT_META_LAST_DELIVERY, st->last_delivery)
                             : rv;
}

/* The rows and the cursor; of a step without rows the attacks mapped anew. */
static apr_status_t write_step(step_t *st)
{
    apr_status_t rv;

    if (!st->rows) {
        return cfmt_world_remap_write(&st->remapping, st->s, st->p);
    }
    rv = write_rows(st);
    if (rv == APR_SUCCESS && st->conf_row) {
        rv = cfmt_meta_set_int(st->s, CFMT_META_CONFIG, st->conf_row->id);
    }
    return rv == APR_SUCCESS ? cfmt_meta_set_int(st->s, CFMT_META_CURSOR, st->head) : rv;
}

/*
 * 200 rows that each are an attack of their own take longer than 200 rows of one: the next step is
 * as long as it may be.
 */
static void adapt(cfmt_projector_t *pr, int rows, apr_interval_time_t hold)
{
    if (hold > HOLD_MAX) {
        pr->rows = (int)(rows * HOLD_MAX / hold);
        pr->rows = pr->rows < ROWS_MIN ? ROWS_MIN : pr->rows;
    }
    else if (rows >= pr->rows) {
        pr->rows += pr->rows / 4;
        pr->rows = pr->rows > CFMT_PROJECT_STEP ? CFMT_PROJECT_STEP : pr->rows;
    }
}

/* Phase 2: under the commit lock. */
static apr_status_t commit_step(step_t *st)
{
    position_t at;
    apr_time_t since;
    apr_status_t rv = cfmt_store_begin(st->s, BEGIN_TIMEOUT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    since = cfmt_monotonic();
    rv = position(st->s, &at);
    if (rv == APR_SUCCESS && !same_position(&at, &st->at)) {
        rv = CFMT_EMOVED;
    }
    rv = rv == APR_SUCCESS ? write_step(st) : rv;
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(st->s);
        return rv;
    }
    adapt(st->pr, st->rows ? st->rows + cfmt_findings_now(&st->findings) : st->remapping.done,
          cfmt_monotonic() - since);
    return cfmt_store_commit(st->s);
}

/* Attacks wait for no row: until they are mapped as the cursor says, no event is taken. */
static apr_status_t read_step(step_t *st, int limit)
{
    apr_array_header_t *rows;
    apr_status_t rv;

    cfmt_findings_begin(&st->findings, &st->at.evidence, limit, st->p);
    if (st->at.remap.row) {
        return cfmt_world_remap(&st->remapping, &st->pr->world, st->s, &st->at.remap, st->at.mapped,
                                limit, st->p);
    }
    rv = cfmt_journal_read(st->s, st->at.cursor, limit, &rows, st->p);
    return rv == APR_SUCCESS && rows->nelts ? read_rows(st, rows) : rv;
}

apr_status_t cfmt_project_step(cfmt_projector_t *pr, cfmt_store_t *s, int limit, int *pdone,
                               apr_pool_t *ptemp)
{
    step_t st = { .pr = pr, .s = s, .p = pr->pstep, .sort = ROW_NEITHER };
    apr_status_t rv;

    (void)ptemp;
    *pdone = 0;
    apr_pool_clear(pr->pstep);
    rv = begin_step(&st);
    rv = rv == APR_SUCCESS ? read_step(&st, limit < pr->rows ? limit : pr->rows) : rv;
    if (rv == APR_SUCCESS && !st.rows && !st.at.remap.row) {
        return APR_SUCCESS;
    }
    rv = rv == APR_SUCCESS ? commit_step(&st) : rv;
    pr->conf_cursor = -1;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!st.conf_row && !pr->world.changed->nelts) {
        pr->conf_cursor = st.head; /* else what is in force has moved: load it */
    }
    *pdone = st.rows ? st.rows : 1;
    return APR_SUCCESS;
}

/* ---- reset ----------------------------------------------------------------------------------- */

/*
 * The cursor says that a reset is under way until the last row is gone: a crash in between is
 * finished by the next step.
 */
static apr_status_t reset_some(cfmt_store_t *s, int *pleft)
{
    const cfmt_remap_t none = { .row = 0 };
    apr_status_t rv = cfmt_store_begin(s, BEGIN_TIMEOUT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_projection_clear(s, CFMT_PROJECT_STEP, pleft);
    if (rv == APR_SUCCESS) {
        rv = cfmt_meta_set_int(s, CFMT_META_CURSOR, *pleft ? CFMT_CURSOR_RESET : CURSOR_START);
    }
    rv = rv == APR_SUCCESS ? cfmt_meta_set_int(s, CFMT_META_CONFIG, 0) : rv;
    rv = rv == APR_SUCCESS ? cfmt_meta_set_int(s, CFMT_META_LAST_DELIVERY, 0) : rv;
    rv = rv == APR_SUCCESS ? cfmt_meta_set_int(s, CFMT_META_MAPPED, 0) : rv;
    rv = rv == APR_SUCCESS ? cfmt_meta_set_int(s, CFMT_META_EVIDENCE_PART, 0) : rv;
    rv = rv == APR_SUCCESS ? cfmt_remap_save(s, &none) : rv;
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv;
    }
    return cfmt_store_commit(s);
}

apr_status_t cfmt_project_reset(cfmt_store_t *s)
{
    apr_status_t rv;
    int left = 1;

    do {
        rv = reset_some(s, &left);
    } while (rv == APR_SUCCESS && left);
    return rv;
}
