/*
 * Retention: refused bodies and evidence go by age; the oldest journal rows go as a prefix of ids
 * and leave one snapshot row with the id of the last of them. Invariant: resetting and projecting
 * the shortened journal gives the rows that are there.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store_outbox.h"
#include "cfmt_store_traffic.h"
#include "act.h"
#include "evidence.h"
#include "projection.h"
#include "store_private.h"
#include "world.h"

#define BEGIN_TIMEOUT apr_time_from_msec(250)

/* ---- rejected rows --------------------------------------------------------------------------- */

/* The newest of the oldest rejected rows that are all older than before; 0 = none. */
static apr_status_t rejected_range(cfmt_store_t *s, apr_time_t before, apr_int64_t *pupto, int *pn)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT id, at FROM journal WHERE kind = 'rejected' ORDER BY id LIMIT ?1");
    apr_status_t rv;

    *pupto = 0;
    *pn = 0;
    cfmt_bind_int(st, 1, CFMT_RETENTION_STEP);
    while (cfmt_sql_row(s, st, &rv)) {
        if (cfmt_col_int(st, 1) >= before) {
            cfmt_sql_done(st);
            break;
        }
        *pupto = cfmt_col_int(st, 0);
        (*pn)++;
    }
    return rv;
}

/* *pn: rows deleted. */
static apr_status_t prune_rejected(cfmt_store_t *s, apr_time_t before, int *pn)
{
    apr_int64_t upto;
    sqlite3_stmt *st;
    apr_status_t rv = rejected_range(s, before, &upto, pn);

    if (rv != APR_SUCCESS || !*pn || (rv = cfmt_store_begin(s, BEGIN_TIMEOUT)) != APR_SUCCESS) {
        return rv;
    }
    st = cfmt_sql(s, "DELETE FROM journal WHERE kind = 'rejected' AND id <= ?1");
    cfmt_bind_int(st, 1, upto);
    return cfmt_store_end(s, cfmt_sql_run(s, st));
}

/* ---- the front of the journal ---------------------------------------------------------------- */

/*
 * The rows that go: an old snapshot (if there is one) and n rows behind it, the last of them upto.
 */
typedef struct range_t {
    apr_int64_t first, upto, cursor;
    apr_time_t at; /* of the last one */
    int n;
} range_t;

/*
 * Evidence that counts holds everything behind it: a snapshot does not carry it. It goes first, by
 * its own retention, which is not longer.
 */
static apr_status_t find_range(cfmt_store_t *s, range_t *r, apr_time_t before)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id, at, kind = 'snapshot', kind = 'evidence'"
                                   " FROM journal WHERE id <= ?1 ORDER BY id LIMIT ?2");
    apr_time_t counts;
    apr_status_t rv = cfmt_evidence_counts(s, &counts);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    cfmt_bind_int(st, 1, r->cursor);
    cfmt_bind_int(st, 2, CFMT_RETENTION_STEP);
    while (cfmt_sql_row(s, st, &rv)) {
        if (!r->first) {
            r->first = cfmt_col_int(st, 0);
            if (cfmt_col_int(st, 2)) {
                continue; /* alone it is no reason to write another */
            }
        }
        if (cfmt_col_int(st, 1) >= before
            || (cfmt_col_int(st, 3) && cfmt_col_int(st, 1) >= counts)) {
            cfmt_sql_done(st);
            break;
        }
        r->upto = cfmt_col_int(st, 0);
        r->at = cfmt_col_int(st, 1);
        r->n++;
    }
    return rv;
}

/* ---- base states ----------------------------------------------------------------------------- */

static const char *text_of(const char *s)
{
    return s ? s : "";
}

static int by_attack(const void *a, const void *b)
{
    const cfmt_event_stored_t *x = a, *y = b;
    int c = strcmp(text_of(x->attack), text_of(y->attack));

    return c ? c : cfmt_attack_event_compare(&x->e, &y->e);
}

static int same_entity(const cfmt_event_t *a, const cfmt_event_t *b)
{
    int c = strcmp(text_of(a->entity_kind), text_of(b->entity_kind));

    return c ? c : strcmp(text_of(a->entity_id), text_of(b->entity_id));
}

static int by_entity(const void *a, const void *b)
{
    const cfmt_event_stored_t *x = a, *y = b;
    int c = same_entity(&x->e, &y->e);

    return c ? c : cfmt_entity_event_compare(&x->e, &y->e);
}

/*
 * Of the events that stay (id > upto): *pleft, there are some; *pearly, one is not younger than the
 * pruned part, so that the fold from there differs from the fold that is stored. The + keeps SQLite
 * on the index of the attack.
 */
static apr_status_t look_left(cfmt_store_t *s, const char *sql, const char *one, const char *two,
                              apr_int64_t upto, apr_time_t last_at, int *pleft, int *pearly)
{
    sqlite3_stmt *st = cfmt_sql(s, sql);
    apr_status_t rv;

    *pleft = *pearly = 0;
    cfmt_bind_text(st, 1, one);
    cfmt_bind_int(st, 2, upto);
    if (two) {
        cfmt_bind_text(st, 3, two);
    }
    if (cfmt_sql_row(s, st, &rv)) { /* the one with the smallest ts */
        *pleft = 1;
        *pearly = cfmt_col_int(st, 0) <= last_at;
        cfmt_sql_done(st);
    }
    return rv;
}

static const char attack_left_sql[] =
    "SELECT ts FROM event WHERE attack = ?1 AND +id > ?2 ORDER BY ts LIMIT 1";
static const char entity_left_sql[] = "SELECT ts FROM event WHERE entity_kind = ?1 AND entity_id = "
                                      "?3 AND +id > ?2 AND ours ORDER BY ts LIMIT 1";

/* The events with id > upto, in order. */
static apr_array_header_t *remaining(const apr_array_header_t *rows, apr_int64_t upto,
                                     int (*order)(const void *, const void *), apr_pool_t *p)
{
    apr_array_header_t *left = apr_array_make(p, rows->nelts, sizeof(cfmt_event_stored_t));
    int i;

    for (i = 0; i < rows->nelts; i++) {
        if (APR_ARRAY_IDX(rows, i, cfmt_event_stored_t).e.id > upto) {
            APR_ARRAY_PUSH(left, cfmt_event_stored_t) = APR_ARRAY_IDX(rows, i, cfmt_event_stored_t);
        }
    }
    qsort(left->elts, (size_t)left->nelts, sizeof(cfmt_event_stored_t), order);
    return left;
}

static void step_all(cfmt_attack_t *a, const cfmt_event_stored_t *rows, int n, apr_pool_t *p)
{
    int i;

    for (i = 0; i < n; i++) {
        cfmt_attack_step(a, &rows[i].e, p);
    }
}

/* The stored row becomes the fold from base over the events that stay. */
static apr_status_t refold_attack(cfmt_store_t *s, cfmt_attack_stored_t *row, apr_int64_t upto,
                                  apr_pool_t *p)
{
    apr_array_header_t *rows = apr_array_make(p, 64, sizeof(cfmt_event_stored_t));
    apr_status_t rv = cfmt_attack_decode(&row->a, row->a.id, row->base, p);

    rv = rv == APR_SUCCESS ? cfmt_events_of_attack(s, rows, row->a.id, p) : rv;
    rows = remaining(rows, upto, by_attack, p);
    step_all(&row->a, (const cfmt_event_stored_t *)rows->elts, rows->nelts, p);
    return rv;
}

/*
 * The base keeps the smallest targets only; of others that go with their events nothing is left but
 * the prefixes that they hit.
 */
static void keep_prefixes(cfmt_attack_stored_t *row, const cfmt_attack_t *base, apr_pool_t *p)
{
    int i;

    for (i = 0; base->targets_cut && i < row->prefixes->nelts; i++) {
        cfmt_texts_add(row->kept, APR_ARRAY_IDX(row->prefixes, i, const char *), INT_MAX, p);
    }
}

/* gone: n events of one attack, in order. */
static apr_status_t prune_attack(cfmt_store_t *s, const cfmt_event_stored_t *gone, int n,
                                 apr_int64_t upto, apr_pool_t *p)
{
    const char *id = gone->attack;
    cfmt_attack_stored_t row;
    cfmt_attack_t base;
    int left, early;
    apr_status_t rv = cfmt_attack_load(s, &row, id, p);

    cfmt_attack_init(&base, id, p);
    if (rv == APR_SUCCESS && row.base) {
        rv = cfmt_attack_decode(&base, id, row.base, p);
    }
    step_all(&base, gone, n, p);
    rv = rv == APR_SUCCESS
             ? look_left(s, attack_left_sql, id, NULL, upto, base.last_at, &left, &early)
             : rv;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!left && !row.a.open) {
        return cfmt_attack_delete(s, id);
    }
    row.base = cfmt_attack_encode(&base, p);
    keep_prefixes(&row, &base, p);
    rv = early ? refold_attack(s, &row, upto, p) : APR_SUCCESS;
    return rv == APR_SUCCESS ? cfmt_attack_save(s, &row, p) : rv;
}

static apr_status_t prune_attacks(cfmt_store_t *s, apr_array_header_t *events, apr_int64_t upto,
                                  apr_pool_t *p)
{
    const cfmt_event_stored_t *rows = (const cfmt_event_stored_t *)events->elts;
    apr_status_t rv = APR_SUCCESS;
    int i, n;

    qsort(events->elts, (size_t)events->nelts, sizeof(*rows), by_attack);
    for (i = 0; rv == APR_SUCCESS && i < events->nelts; i += n) {
        for (n = 1;
             i + n < events->nelts && !strcmp(text_of(rows[i].attack), text_of(rows[i + n].attack));
             n++) {}
        rv = rows[i].attack ? prune_attack(s, rows + i, n, upto, p) : APR_SUCCESS;
    }
    return rv;
}

static apr_status_t refold_entity(cfmt_store_t *s, cfmt_entity_stored_t *row, apr_int64_t upto,
                                  apr_pool_t *p)
{
    apr_array_header_t *rows = apr_array_make(p, 64, sizeof(cfmt_event_stored_t));
    cfmt_entity_t *t = &row->t;
    apr_status_t rv = cfmt_entity_decode(t, t->kind, t->id, row->base, p);
    int i;

    rv = rv == APR_SUCCESS ? cfmt_events_of_entity(s, rows, t->kind, t->id, p) : rv;
    rows = remaining(rows, upto, by_entity, p);
    for (i = 0; i < rows->nelts; i++) {
        cfmt_entity_step(t, &APR_ARRAY_IDX(rows, i, cfmt_event_stored_t).e, p);
    }
    return rv;
}

static apr_status_t prune_entity(cfmt_store_t *s, const cfmt_event_stored_t *gone, int n,
                                 apr_int64_t upto, apr_pool_t *p)
{
    const char *kind = gone->e.entity_kind, *id = gone->e.entity_id;
    cfmt_entity_stored_t row;
    cfmt_entity_t base;
    int left, early, i;
    apr_status_t rv = cfmt_entity_load(s, &row, kind, id, p);

    cfmt_entity_init(&base, kind, id);
    if (rv == APR_SUCCESS && row.base) {
        rv = cfmt_entity_decode(&base, kind, id, row.base, p);
    }
    for (i = 0; i < n; i++) {
        cfmt_entity_step(&base, &gone[i].e, p);
    }
    rv = rv == APR_SUCCESS
             ? look_left(s, entity_left_sql, kind, id, upto, base.last_at, &left, &early)
             : rv;
    row.base = cfmt_entity_encode(&base, p);
    if (rv == APR_SUCCESS && early) {
        rv = refold_entity(s, &row, upto, p);
    }
    return rv == APR_SUCCESS ? cfmt_entity_save(s, &row) : rv;
}

/*
 * As the projector decides: an event without an entity, or of somebody else's account, is in no
 * fold.
 */
static int has_entity(const cfmt_event_t *e)
{
    return e->effect == CFMT_EFFECT_ENTITY && e->entity_kind && e->entity_id && e->ours;
}

static apr_status_t prune_entities(cfmt_store_t *s, apr_array_header_t *events, apr_int64_t upto,
                                   apr_pool_t *p)
{
    apr_array_header_t *some = apr_array_make(p, 16, sizeof(cfmt_event_stored_t));
    const cfmt_event_stored_t *rows;
    apr_status_t rv = APR_SUCCESS;
    int i, n;

    for (i = 0; i < events->nelts; i++) {
        if (has_entity(&APR_ARRAY_IDX(events, i, cfmt_event_stored_t).e)) {
            APR_ARRAY_PUSH(some, cfmt_event_stored_t) = APR_ARRAY_IDX(events, i,
                                                                      cfmt_event_stored_t);
        }
    }
    rows = (const cfmt_event_stored_t *)some->elts;
    qsort(some->elts, (size_t)some->nelts, sizeof(*rows), by_entity);
    for (i = 0; rv == APR_SUCCESS && i < some->nelts; i += n) {
        for (n = 1; i + n < some->nelts && !same_entity(&rows[i].e, &rows[i + n].e); n++) {
        }
        rv = prune_entity(s, rows + i, n, upto, p);
    }
    return rv;
}

/* ---- pruning --------------------------------------------------------------------------------- */

/* The configuration in force at upto: that of the newest row up to there which says one. */
static apr_status_t config_at(cfmt_store_t *s, apr_table_t **pt, apr_int64_t upto, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT kind, body FROM journal WHERE id <= ?1 AND kind IN ('config', 'snapshot')"
           " ORDER BY id DESC LIMIT 1");
    apr_status_t rv;

    *pt = apr_table_make(p, 1);
    cfmt_bind_int(st, 1, upto);
    if (cfmt_sql_row(s, st, &rv)) {
        const char *body = text_of(cfmt_col_text(st, 1, p));
        int snapshot = !strcmp((const char *)sqlite3_column_text(st, 0), "snapshot");

        *pt = (snapshot ? cfmt_snapshot_config : cfmt_settings_decode)(body, strlen(body), p);
        cfmt_sql_done(st);
    }
    return rv;
}

static apr_status_t delete_upto(cfmt_store_t *s, const char *sql, apr_int64_t upto)
{
    sqlite3_stmt *st = cfmt_sql(s, sql);

    cfmt_bind_int(st, 1, upto);
    return cfmt_sql_run(s, st);
}

static const char delete_events_sql[] = "DELETE FROM event WHERE id <= ?1";
static const char delete_repeats_sql[] = "DELETE FROM event_repeat WHERE id <= ?1";
/*
 * Each incident and each maintenance has an id of its own: with the last event it is over, and a
 * snapshot that kept them would grow for ever. A tunnel or a health check keeps the state it has.
 */
static const char delete_entities_sql[] =
    "DELETE FROM entity WHERE kind IN ('incident', 'maintenance') AND base IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM event WHERE entity_kind = entity.kind"
    " AND entity_id = entity.id)";
static const char delete_imported_sql[] = "DELETE FROM imported WHERE id <= ?1";
static const char delete_journal_sql[] = "DELETE FROM journal WHERE id <= ?1";

static apr_status_t write_snapshot(cfmt_store_t *s, const range_t *r, const char *body)
{
    sqlite3_stmt *st = cfmt_sql(s, "INSERT INTO journal(id, at, kind, origin, body)"
                                   " VALUES(?1, ?2, 'snapshot', 'retention', ?3)");
    apr_int64_t config;
    apr_status_t rv;

    cfmt_bind_int(st, 1, r->upto);
    cfmt_bind_int(st, 2, r->at);
    cfmt_bind_text(st, 3, body);
    rv = cfmt_sql_run(s, st);
    rv = rv == APR_SUCCESS ? cfmt_meta_set_int(s, CFMT_META_PRUNED, r->upto) : rv;
    rv = rv == APR_SUCCESS ? cfmt_meta_int(s, CFMT_META_CONFIG, 0, &config) : rv;
    return rv == APR_SUCCESS && config <= r->upto ? cfmt_meta_set_int(s, CFMT_META_CONFIG, r->upto)
                                                  : rv;
}

static apr_status_t replace_rows(cfmt_store_t *s, const range_t *r, apr_pool_t *p)
{
    apr_table_t *config;
    const char *body;
    apr_status_t rv = config_at(s, &config, r->upto, p);

    rv = rv == APR_SUCCESS ? delete_upto(s, delete_events_sql, r->upto) : rv;
    rv = rv == APR_SUCCESS ? cfmt_sql_run(s, cfmt_sql(s, delete_entities_sql)) : rv;
    rv = rv == APR_SUCCESS ? cfmt_snapshot_make(s, &body, config, r->upto, p) : rv;
    rv = rv == APR_SUCCESS ? delete_upto(s, delete_repeats_sql, r->upto) : rv;
    rv = rv == APR_SUCCESS ? delete_upto(s, delete_imported_sql, r->upto) : rv;
    rv = rv == APR_SUCCESS ? delete_upto(s, delete_journal_sql, r->upto) : rv;
    return rv == APR_SUCCESS ? write_snapshot(s, r, body) : rv;
}

/*
 * Under the lock: is the range still what it was? A snapshot says what attacks map to as of the
 * cursor: not while that is being computed anew, nor in the middle of a rebuild.
 */
static apr_status_t check_range(cfmt_store_t *s, const range_t *r)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id FROM journal ORDER BY id LIMIT 1");
    apr_int64_t cursor, mapped, first = 0;
    cfmt_remap_t remap;
    apr_status_t rv = cfmt_sql_int(s, st, &first);

    rv = rv == APR_SUCCESS ? cfmt_meta_int(s, CFMT_META_CURSOR, 0, &cursor) : rv;
    rv = rv == APR_SUCCESS ? cfmt_meta_int(s, CFMT_META_MAPPED, 0, &mapped) : rv;
    rv = rv == APR_SUCCESS ? cfmt_remap_load(s, &remap) : rv;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    return first != r->first || cursor < r->upto || cursor < mapped || remap.row ? CFMT_EMOVED
                                                                                 : APR_SUCCESS;
}

static apr_status_t prune_range(cfmt_store_t *s, const range_t *r, apr_pool_t *p)
{
    apr_array_header_t *events = apr_array_make(p, CFMT_RETENTION_STEP,
                                                sizeof(cfmt_event_stored_t));
    apr_status_t rv = check_range(s, r);

    rv = rv == APR_SUCCESS ? cfmt_events_upto(s, events, r->upto, p) : rv;
    rv = rv == APR_SUCCESS ? prune_attacks(s, events, r->upto, p) : rv;
    rv = rv == APR_SUCCESS ? prune_entities(s, events, r->upto, p) : rv;
    rv = rv == APR_SUCCESS ? cfmt_world_prune(s, r->first, r->upto, p) : rv;
    return rv == APR_SUCCESS ? replace_rows(s, r, p) : rv;
}

/* Only what is projected goes; *pn: rows that went. */
static apr_status_t prune_journal(cfmt_store_t *s, apr_time_t before, int *pn, apr_pool_t *p)
{
    range_t r = { .n = 0 };
    apr_status_t rv = cfmt_meta_int(s, CFMT_META_CURSOR, 0, &r.cursor);

    rv = rv == APR_SUCCESS ? find_range(s, &r, before) : rv;
    *pn = r.n;
    if (rv != APR_SUCCESS || !r.n || (rv = cfmt_store_begin(s, BEGIN_TIMEOUT)) != APR_SUCCESS) {
        return rv;
    }
    return cfmt_store_end(s, prune_range(s, &r, p));
}

apr_status_t cfmt_retention_step(cfmt_store_t *s, const cfmt_retention_t *conf, apr_time_t now,
                                 int *pmore, apr_pool_t *ptemp)
{
    apr_status_t rv = APR_SUCCESS;
    apr_pool_t *p;
    int n = 0;

    *pmore = 0;
    if (conf->rejected > 0) {
        rv = prune_rejected(s, now - conf->rejected, &n);
    }
    if (rv == APR_SUCCESS && !n) {
        rv = cfmt_evidence_prune(s, conf, now, &n);
    }
    if (rv == APR_SUCCESS && !n && conf->traffic > 0) {
        rv = cfmt_traffic_prune(s, now - conf->traffic, &n);
    }
    if (rv == APR_SUCCESS && !n && conf->outbox > 0) {
        rv = cfmt_outbox_prune(s, now - conf->outbox, &n);
    }
    if (rv == APR_SUCCESS && !n && conf->journal > 0) {
        apr_pool_create(&p, ptemp);
        rv = prune_journal(s, now - conf->journal, &n, p);
        apr_pool_destroy(p);
    }
    if (rv == APR_SUCCESS && !n && conf->journal > 0) {
        rv = cfmt_act_prune(s, now - conf->journal, &n);
    }
    *pmore = rv == APR_SUCCESS && n > 0;
    return rv;
}
