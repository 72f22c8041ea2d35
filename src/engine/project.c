/*
 * The projector: journal rows behind the cursor become events, attacks and entities. Understanding
 * and folding happen without the commit lock; then one transaction checks that nobody moved the
 * cursor and writes.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "batch.h"
#include "cfmt_engine.h"

#define BEGIN_TIMEOUT apr_time_from_msec(250)
/* of the commit lock, before the commit itself; intake waits meanwhile */
#define HOLD_MAX apr_time_from_msec(3)
#define ROWS_MIN 25
#define CURSOR_START 0 /* before the first row */

/* What `config` rows say that projections depend on. */
typedef struct conf_t {
    const char *account;          /* NULL = none: every account is ours */
    apr_array_header_t *prefixes; /* cfmt_prefix_t, sorted */
} conf_t;

struct cfmt_projector_t {
    const cfmt_log_t *log;
    apr_pool_t *pool;
    apr_pool_t *pstep;      /* cleared each step: callers may run many with one scratch pool */
    apr_pool_t *pconf;
    conf_t conf;
    apr_int64_t conf_cursor; /* conf is in force at this cursor; < 0 = not loaded */
    int rows;               /* of a step: fewer after one that held the lock for too long */
};

/* One step under way. */
typedef struct step_t {
    cfmt_projector_t *pr;
    cfmt_store_t *s;
    apr_pool_t *p;
    apr_int64_t cursor, pruned;   /* as phase 1 saw them */
    apr_int64_t head;             /* the last row taken */
    apr_time_t last_delivery;
    conf_t conf;                  /* in force at the row being read */
    const cfmt_journal_row_t *conf_row; /* the row that changed it; NULL = none did */
    const cfmt_journal_row_t *snapshot; /* the step is this row alone */
    cfmt_batch_t batch;
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

static int by_cidr(const void *a, const void *b)
{
    return cfmt_cidr_compare(&((const cfmt_prefix_t *)a)->cidr, &((const cfmt_prefix_t *)b)->cidr);
}

static void conf_read(conf_t *c, const apr_table_t *t, apr_pool_t *p)
{
    const apr_array_header_t *elts = apr_table_elts(t);
    const char *account = apr_table_get(t, "AccountId");
    int i;

    c->account = account && *account ? apr_pstrdup(p, account) : NULL;
    c->prefixes = apr_array_make(p, 8, sizeof(cfmt_prefix_t));
    for (i = 0; i < elts->nelts; i++) {
        const char *name = APR_ARRAY_IDX(elts, i, apr_table_entry_t).key;
        cfmt_prefix_t prefix = { .name = NULL };

        /* "Prefix *" is a policy for prefixes that the API lists, not a prefix. */
        if (!strncmp(name, "Prefix ", 7)
            && cfmt_cidr_parse(&prefix.cidr, NULL, name + 7) == APR_SUCCESS) {
            APR_ARRAY_PUSH(c->prefixes, cfmt_prefix_t) = prefix;
        }
    }
    qsort(c->prefixes->elts, (size_t)c->prefixes->nelts, sizeof(cfmt_prefix_t), by_cidr);
}

/* row: of kind config or snapshot; NULL = there is none. */
static void conf_of_row(conf_t *c, const cfmt_journal_row_t *row, apr_pool_t *p)
{
    apr_table_t *t;

    if (!row || !row->body) {
        t = apr_table_make(p, 1);
    }
    else if (!strcmp(row->kind, "snapshot")) {
        t = cfmt_snapshot_config(row->body, row->len, p);
    }
    else {
        t = cfmt_settings_decode(row->body, row->len, p);
    }
    conf_read(c, t, p);
}

static void conf_keep(cfmt_projector_t *pr, const cfmt_journal_row_t *row)
{
    apr_pool_clear(pr->pconf);
    conf_of_row(&pr->conf, row, pr->pconf);
}

static apr_status_t conf_load(cfmt_projector_t *pr, cfmt_store_t *s, apr_int64_t cursor)
{
    apr_array_header_t *rows;
    apr_int64_t id;
    apr_status_t rv = cfmt_meta_int(s, CFMT_META_CONFIG, 0, &id);

    if (rv == APR_SUCCESS) {
        rv = cfmt_journal_read(s, id - 1, id ? 1 : 0, &rows, pr->pstep);
    }
    if (rv == APR_SUCCESS) {
        conf_keep(pr, rows->nelts ? &APR_ARRAY_IDX(rows, 0, cfmt_journal_row_t) : NULL);
        pr->conf_cursor = cursor;
    }
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

static apr_array_header_t *prefixes_hit(const cfmt_event_t *e, const conf_t *conf, apr_pool_t *p)
{
    apr_array_header_t *hits, *texts;
    int i;

    if (e->effect != CFMT_EFFECT_NETWORK || !e->target_cidr.family || !conf->prefixes->nelts) {
        return NULL;
    }
    hits = cfmt_prefix_hits(&e->target_cidr, conf->prefixes, p);
    texts = apr_array_make(p, 2, sizeof(const char *));
    for (i = 0; i < hits->nelts; i++) {
        int k = APR_ARRAY_IDX(hits, i, int);

        APR_ARRAY_PUSH(texts, const char *) =
            cfmt_cidr_format(p, &APR_ARRAY_IDX(conf->prefixes, k, cfmt_prefix_t).cidr);
    }
    return texts;
}

static apr_status_t take_delivery(step_t *st, const cfmt_journal_row_t *row)
{
    cfmt_item_t *item = apr_pcalloc(st->p, sizeof(*item));
    cfmt_event_t *e = &item->e;
    apr_status_t rv = cfmt_event_read(e, row->body ? row->body : "", row->len, row->at,
                                      st->conf.account, st->p);

    if (row->at > st->last_delivery) {
        st->last_delivery = row->at;
    }
    if (rv != APR_SUCCESS) {
        skip_row(st, row, cfmt_status_text(rv, st->p));
        return APR_SUCCESS;
    }
    e->id = row->id;
    e->at = row->at;
    item->account = e->account && *e->account ? e->account
                                              : st->conf.account; /* a missing account is ours */
    item->hits = prefixes_hit(e, &st->conf, st->p);
    return cfmt_batch_add(&st->batch, item);
}

static void close_event(cfmt_event_t *e, const cfmt_journal_row_t *row, const char *ref,
                        apr_pool_t *p)
{
    e->id = row->id;
    e->at = e->ts = row->at;
    e->digest = cfmt_digest64(row->body, row->len);
    e->source = "operator";
    e->state = CFMT_STATE_END;
    e->priority = CFMT_PRIORITY_INFO;
    e->effect = CFMT_EFFECT_NONE;
    e->ours = 1;
    e->attack_id = ref;
    e->pps = e->bps = e->rps = -1;
    e->summary = apr_psprintf(p, "attack %s closed by %s",
                              cfmt_text_escape(p, ref, strlen(ref), 60),
                              cfmt_text_escape(p, row->origin, strlen(row->origin), 60));
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
    if (!name || strcmp(name, "attack.close")) {
        return APR_SUCCESS; /* of another part, or of a newer version */
    }
    ref = cfmt_json_text(doc, "id");
    if (!ref) {
        skip_row(st, row, "attack.close without an id");
        return APR_SUCCESS;
    }
    item = apr_pcalloc(st->p, sizeof(*item));
    close_event(&item->e, row, ref, st->p);
    return cfmt_batch_add(&st->batch, item);
}

static apr_status_t take_row(step_t *st, const cfmt_journal_row_t *row)
{
    if (!strcmp(row->kind, "delivery")) {
        return take_delivery(st, row);
    }
    if (!strcmp(row->kind, "command")) {
        return take_command(st, row);
    }
    if (!strcmp(row->kind, "config")) {
        conf_of_row(&st->conf, row, st->p);
        st->conf_row = row;
    }
    return APR_SUCCESS; /* duplicates, refused bodies, kinds of a newer version: only the cursor
                           moves */
}

/* ---- the step -------------------------------------------------------------------------------- */

static apr_status_t position(cfmt_store_t *s, apr_int64_t *pcursor, apr_int64_t *ppruned)
{
    apr_status_t rv = cfmt_meta_int(s, CFMT_META_CURSOR, 0, pcursor);

    return rv == APR_SUCCESS ? cfmt_meta_int(s, CFMT_META_PRUNED, 0, ppruned) : rv;
}

/*
 * Where to go on. A reset that was cut short is finished first: its leftovers would pass for known
 * events.
 */
static apr_status_t begin_step(step_t *st)
{
    apr_status_t rv = position(st->s, &st->cursor, &st->pruned);

    if (rv == APR_SUCCESS && st->cursor == CFMT_CURSOR_RESET) {
        rv = cfmt_project_reset(st->s);
        rv = rv == APR_SUCCESS ? position(st->s, &st->cursor, &st->pruned) : rv;
    }
    if (rv == APR_SUCCESS) {
        rv = cfmt_meta_int(st->s, CFMT_META_LAST_DELIVERY, 0, &st->last_delivery);
    }
    if (rv == APR_SUCCESS && st->pr->conf_cursor != st->cursor) {
        rv = conf_load(st->pr, st->s, st->cursor);
    }
    st->conf = st->pr->conf;
    return rv;
}

/* Phase 1: everything that needs no lock. */
static apr_status_t read_rows(step_t *st, const apr_array_header_t *rows)
{
    const cfmt_journal_row_t *first = &APR_ARRAY_IDX(rows, 0, cfmt_journal_row_t);
    apr_status_t rv = APR_SUCCESS;
    int i;

    cfmt_batch_init(&st->batch, st->s, st->p);
    if (st->cursor == CURSOR_START && !strcmp(first->kind, "snapshot")) {
        st->snapshot = st->conf_row = first;
        st->head = first->id;
        return APR_SUCCESS;
    }
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        rv = take_row(st, &APR_ARRAY_IDX(rows, i, cfmt_journal_row_t));
    }
    st->head = APR_ARRAY_IDX(rows, rows->nelts - 1, cfmt_journal_row_t).id;
    return rv == APR_SUCCESS ? cfmt_batch_fold(&st->batch) : rv;
}

static apr_status_t write_rows(step_t *st)
{
    apr_status_t rv;

    if (!st->snapshot) {
        rv = cfmt_batch_write(&st->batch);
        return rv == APR_SUCCESS
                   ? cfmt_meta_set_int(st->s, CFMT_META_LAST_DELIVERY, st->last_delivery)
                   : rv;
    }
    rv = cfmt_snapshot_restore(st->s, st->snapshot->body, st->snapshot->len, st->p);
    if (rv == CFMT_EINVALID) {
        cfmt_log(st->pr->log, CFMT_LOG_ERR,
                 CFMT_ID(0421) "snapshot row %" APR_INT64_T_FMT " is damaged: the projection"
                               " cannot go on without what happened before it",
                 st->snapshot->id);
    }
    return rv;
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
static apr_status_t commit_step(step_t *st, int rows)
{
    apr_int64_t cursor, pruned;
    apr_time_t since;
    apr_status_t rv = cfmt_store_begin(st->s, BEGIN_TIMEOUT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    since = cfmt_monotonic();
    rv = position(st->s, &cursor, &pruned);
    if (rv == APR_SUCCESS && (cursor != st->cursor || pruned != st->pruned)) {
        rv = CFMT_EMOVED;
    }
    rv = rv == APR_SUCCESS ? write_rows(st) : rv;
    if (rv == APR_SUCCESS && st->conf_row) {
        rv = cfmt_meta_set_int(st->s, CFMT_META_CONFIG, st->conf_row->id);
    }
    rv = rv == APR_SUCCESS ? cfmt_meta_set_int(st->s, CFMT_META_CURSOR, st->head) : rv;
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(st->s);
        return rv;
    }
    adapt(st->pr, rows, cfmt_monotonic() - since);
    return cfmt_store_commit(st->s);
}

/* What was found out holds only once it is committed. */
static void keep_step(step_t *st)
{
    if (st->conf_row) {
        conf_keep(st->pr, st->conf_row);
    }
    st->pr->conf_cursor = st->head;
}

apr_status_t cfmt_project_step(cfmt_projector_t *pr, cfmt_store_t *s, int limit, int *pdone,
                               apr_pool_t *ptemp)
{
    step_t st = { .pr = pr, .s = s, .p = pr->pstep };
    apr_array_header_t *rows = NULL;
    apr_status_t rv;

    (void)ptemp;
    *pdone = 0;
    apr_pool_clear(pr->pstep);
    rv = begin_step(&st);
    if (rv == APR_SUCCESS) {
        rv = cfmt_journal_read(s, st.cursor, limit < pr->rows ? limit : pr->rows, &rows, st.p);
    }
    if (rv != APR_SUCCESS || !rows->nelts) {
        return rv;
    }
    rv = read_rows(&st, rows);
    if (rv == APR_SUCCESS) {
        rv = commit_step(&st, rows->nelts);
    }
    if (rv != APR_SUCCESS) {
        pr->conf_cursor = -1;
        return rv;
    }
    keep_step(&st);
    *pdone = st.snapshot ? 1 : rows->nelts;
    return APR_SUCCESS;
}

/* ---- reset ----------------------------------------------------------------------------------- */

/*
 * The cursor says that a reset is under way until the last row is gone: a crash in between is
 * finished by the next step.
 */
static apr_status_t reset_some(cfmt_store_t *s, int *pleft)
{
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
