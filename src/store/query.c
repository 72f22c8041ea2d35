/*
 * What people read: lists for cfmtctl, facts for health. Read-only, page by page; every statement
 * walks an index or the rowid and takes a bounded number of rows, so it costs the same at ten
 * rows and at ten million.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "projection.h"
#include "store_private.h"

#define WALK_PAGE 10000      /* rows per snapshot while looking for the start of a list */
#define KEYS_MAX 64          /* names of one attack that are shown */
#define FOUND_MAX 16         /* attacks that may share one name */
#define LAG_SCAN 1000        /* unprojected rows in which the last delivery is looked for */
#define BEFORE_ALL APR_INT64_MAX

/* ---- where a list begins --------------------------------------------------------------------- */

static const char walk_events[] =
    "SELECT id, at FROM event WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
static const char walk_journal[] =
    "SELECT id, at FROM journal WHERE id < ?1 ORDER BY id DESC LIMIT ?2";

typedef struct walk_t {
    apr_time_t since;
    int wanted;          /* rows still wanted */
    apr_int64_t before;  /* ids seen so far are >= this */
    apr_int64_t first;   /* smallest id that belongs to the list; BEFORE_ALL = none yet */
    int more, over;
} walk_t;

static void walk_row(walk_t *w, apr_int64_t id, apr_time_t at)
{
    w->before = id;
    if (at < w->since) {
        w->over = at < w->since - CFMT_QUERY_SLACK;
    }
    else if (w->wanted == 0) {
        w->more = w->over = 1;
    }
    else {
        w->wanted--;
        w->first = id;
    }
}

static apr_status_t walk_page(cfmt_store_t *s, const char *sql, walk_t *w)
{
    sqlite3_stmt *st = cfmt_sql(s, sql);
    apr_status_t rv;
    int rows = 0;

    if (st) {
        cfmt_bind_int(st, 1, w->before);
        cfmt_bind_int(st, 2, WALK_PAGE);
    }
    while (!w->over && cfmt_sql_row(s, st, &rv)) {
        walk_row(w, cfmt_col_int(st, 0), cfmt_col_int(st, 1));
        rows++;
    }
    if (w->over) {
        cfmt_sql_done(st);
        return APR_SUCCESS;
    }
    w->over = rows < WALK_PAGE;
    return rv;
}

apr_status_t cfmt_query_start(cfmt_store_t *s, cfmt_list_e list, apr_time_t since, int limit,
                              apr_int64_t *pafter, int *pmore)
{
    const char *sql = list == CFMT_LIST_EVENTS ? walk_events : walk_journal;
    walk_t w = { .since = since, .wanted = limit, .before = BEFORE_ALL, .first = BEFORE_ALL };
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && !w.over) {
        rv = walk_page(s, sql, &w);
    }
    if (rv == APR_SUCCESS && w.first == BEFORE_ALL) {
        /*
         * Nothing belongs to the list yet; what comes from now on does: events follow the cursor.
         */
        rv = list == CFMT_LIST_EVENTS ? cfmt_meta_int(s, CFMT_META_CURSOR, 0, &w.first)
                                      : cfmt_journal_head(s, &w.first);
        w.first++;
    }
    *pafter = w.first - 1;
    *pmore = w.more;
    return rv;
}

/* ---- events ---------------------------------------------------------------------------------- */

static const char events_sql[] =
    "SELECT id, at, ts, ours, source, alert_type, state, priority, account, policy_id, policy_name,"
    " attack_id, correlation_id, attack, target, vector, protocol, rule, pps, bps, rps,"
    " entity_kind, entity_id, entity_name, entity_state, summary"
    " FROM event WHERE id > ?1 ORDER BY id LIMIT ?2";

static void event_who(cfmt_event_row_t *e, sqlite3_stmt *st, apr_pool_t *p)
{
    e->id = cfmt_col_int(st, 0);
    e->at = cfmt_col_int(st, 1);
    e->ts = cfmt_col_int(st, 2);
    e->ours = cfmt_col_int(st, 3);
    e->source = cfmt_col_text(st, 4, p);
    e->alert_type = cfmt_col_text(st, 5, p);
    e->state = cfmt_col_text(st, 6, p);
    e->priority = cfmt_col_text(st, 7, p);
    e->account = cfmt_col_text(st, 8, p);
    e->policy_id = cfmt_col_text(st, 9, p);
    e->policy_name = cfmt_col_text(st, 10, p);
}

static void event_what(cfmt_event_row_t *e, sqlite3_stmt *st, apr_pool_t *p)
{
    e->attack_id = cfmt_col_text(st, 11, p);
    e->correlation_id = cfmt_col_text(st, 12, p);
    e->attack = cfmt_col_text(st, 13, p);
    e->target = cfmt_col_text(st, 14, p);
    e->vector = cfmt_col_text(st, 15, p);
    e->protocol = cfmt_col_text(st, 16, p);
    e->rule = cfmt_col_text(st, 17, p);
    e->pps = cfmt_col_rate(st, 18);
    e->bps = cfmt_col_rate(st, 19);
    e->rps = cfmt_col_rate(st, 20);
    e->entity_kind = cfmt_col_text(st, 21, p);
    e->entity_id = cfmt_col_text(st, 22, p);
    e->entity_name = cfmt_col_text(st, 23, p);
    e->entity_state = cfmt_col_text(st, 24, p);
    e->summary = cfmt_col_text(st, 25, p);
}

apr_status_t cfmt_query_events(cfmt_store_t *s, apr_int64_t after, int limit,
                               apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, events_sql);
    apr_status_t rv;

    *prows = apr_array_make(p, 16, sizeof(cfmt_event_row_t));
    if (st) {
        cfmt_bind_int(st, 1, after);
        cfmt_bind_int(st, 2, limit);
    }
    while (cfmt_sql_row(s, st, &rv)) {
        cfmt_event_row_t *e = apr_array_push(*prows);
        event_who(e, st, p);
        event_what(e, st, p);
    }
    return rv;
}

/* ---- attacks --------------------------------------------------------------------------------- */

#define ATTACK_COLUMNS \
    "SELECT id, state, scope, account, ended_by, ours, episodes, events, targets_cut," \
    " target_missing OR rule_unknown, started_at, episode_at, ended_at, last_at, targets," \
    " prefixes, vectors, protocols, rules, alert_types, peak_pps, peak_bps, peak_rps," \
    " peak_pps_at, peak_pps_by, peak_bps_at, peak_bps_by FROM attack "

/* Each walks one partial or plain index; one statement with OR would read the whole table. */
static const char attacks_open_sql[] =
    ATTACK_COLUMNS "WHERE state = 'open' ORDER BY last_at DESC LIMIT ?1";
static const char attacks_closed_sql[] =
    ATTACK_COLUMNS "WHERE last_at >= ?2 ORDER BY last_at DESC LIMIT ?1";
static const char attack_by_id_sql[] = ATTACK_COLUMNS "WHERE id = ?1";
/* The + keeps SQLite on the index of the attack: it has few keys, a kind has very many. */
static const char attack_keys_sql[] =
    "SELECT kind, value FROM attack_key"
    " WHERE attack = (SELECT number FROM attack WHERE id = ?1) AND +kind IN (1, 2)"
    " ORDER BY kind, value LIMIT ?2";
static const char attack_names_sql[] =
    "SELECT a.id FROM attack_key k JOIN attack a ON a.number = k.attack WHERE k.id = ?1"
    " UNION SELECT a.id FROM attack_key k JOIN attack a ON a.number = k.attack"
    " WHERE k.kind IN (1, 2) AND k.value = ?1"
    " UNION SELECT id FROM attack WHERE id = ?1 LIMIT ?2";

static apr_array_header_t *list_column(sqlite3_stmt *st, int i, apr_pool_t *p)
{
    return cfmt_texts_parse((const char *)sqlite3_column_text(st, i), p);
}

static void attack_facts(cfmt_attack_row_t *a, sqlite3_stmt *st, apr_pool_t *p)
{
    a->id = cfmt_col_text(st, 0, p);
    a->state = cfmt_col_text(st, 1, p);
    a->scope = cfmt_col_text(st, 2, p);
    a->account = cfmt_col_text(st, 3, p);
    a->ended_by = cfmt_col_text(st, 4, p);
    a->ours = cfmt_col_int(st, 5);
    a->episodes = cfmt_col_int(st, 6);
    a->events = cfmt_col_int(st, 7);
    a->targets_cut = cfmt_col_int(st, 8);
    a->target_missing = cfmt_col_int(st, 9);
    a->started_at = cfmt_col_int(st, 10);
    a->episode_at = cfmt_col_int(st, 11);
    a->ended_at = cfmt_col_int(st, 12);
    a->last_at = cfmt_col_int(st, 13);
}

static void attack_lists(cfmt_attack_row_t *a, sqlite3_stmt *st, apr_pool_t *p)
{
    a->targets = list_column(st, 14, p);
    a->prefixes = list_column(st, 15, p);
    a->vectors = list_column(st, 16, p);
    a->protocols = list_column(st, 17, p);
    a->rules = list_column(st, 18, p);
    a->alert_types = list_column(st, 19, p);
    a->peak_pps = cfmt_col_rate(st, 20);
    a->peak_bps = cfmt_col_rate(st, 21);
    a->peak_rps = cfmt_col_rate(st, 22);
    a->peak_pps_at = cfmt_col_int(st, 23);
    a->peak_pps_by = cfmt_col_text(st, 24, p);
    a->peak_bps_at = cfmt_col_int(st, 25);
    a->peak_bps_by = cfmt_col_text(st, 26, p);
}

static apr_status_t attack_keys(cfmt_store_t *s, cfmt_attack_row_t *a, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, attack_keys_sql);
    apr_status_t rv;

    a->attack_ids = apr_array_make(p, 1, sizeof(const char *));
    a->correlation_ids = apr_array_make(p, 1, sizeof(const char *));
    if (st) {
        cfmt_bind_text(st, 1, a->id);
        cfmt_bind_int(st, 2, KEYS_MAX);
    }
    while (cfmt_sql_row(s, st, &rv)) {
        apr_array_header_t *list =
            cfmt_col_int(st, 0) == CFMT_KEY_ATTACK ? a->attack_ids : a->correlation_ids;
        APR_ARRAY_PUSH(list, const char *) = cfmt_col_text(st, 1, p);
    }
    return rv;
}

static int has_attack(const apr_array_header_t *rows, const char *id)
{
    int i;

    for (i = 0; i < rows->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(rows, i, cfmt_attack_row_t).id, id)) {
            return 1;
        }
    }
    return 0;
}

/* Adds what st returns; open ones only where those are not in rows already. */
static apr_status_t add_attacks(cfmt_store_t *s, sqlite3_stmt *st, apr_array_header_t *rows,
                                int open, apr_pool_t *p)
{
    cfmt_attack_row_t a;
    apr_status_t rv;

    while (cfmt_sql_row(s, st, &rv)) {
        memset(&a, 0, sizeof(a));
        attack_facts(&a, st, p);
        if (open < 0 || open == !strcmp(a.state, "open")) {
            attack_lists(&a, st, p);
            APR_ARRAY_PUSH(rows, cfmt_attack_row_t) = a;
        }
    }
    return rv;
}

static apr_status_t add_names(cfmt_store_t *s, apr_array_header_t *rows, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < rows->nelts && rv == APR_SUCCESS; i++) {
        rv = attack_keys(s, &APR_ARRAY_IDX(rows, i, cfmt_attack_row_t), p);
    }
    return rv;
}

static int by_time(const void *va, const void *vb)
{
    const cfmt_attack_row_t *a = va, *b = vb;

    if (a->last_at != b->last_at) {
        return a->last_at < b->last_at ? -1 : 1;
    }
    return strcmp(a->id, b->id);
}

apr_status_t cfmt_query_attacks(cfmt_store_t *s, apr_time_t since, int limit,
                                apr_array_header_t **prows, int *pmore, apr_pool_t *p)
{
    apr_array_header_t *rows = apr_array_make(p, 16, sizeof(cfmt_attack_row_t));
    sqlite3_stmt *st = cfmt_sql(s, attacks_open_sql);
    apr_status_t rv;

    *prows = rows;
    if (st) {
        cfmt_bind_int(st, 1, (apr_int64_t)limit + 1);
    }
    rv = add_attacks(s, st, rows, 1, p);
    if (rv == APR_SUCCESS && rows->nelts <= limit) {
        st = cfmt_sql(s, attacks_closed_sql);
        if (st) {
            cfmt_bind_int(st, 1, (apr_int64_t)limit + 1);
            cfmt_bind_int(st, 2, since);
        }
        rv = add_attacks(s, st, rows, 0, p);
    }
    *pmore = rows->nelts > limit;
    rows->nelts = *pmore ? limit : rows->nelts;
    qsort(rows->elts, (size_t)rows->nelts, sizeof(cfmt_attack_row_t), by_time);
    return rv == APR_SUCCESS ? add_names(s, rows, p) : rv;
}

static apr_status_t find_ids(cfmt_store_t *s, const char *name, apr_array_header_t *ids,
                             apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, attack_names_sql);
    apr_status_t rv;

    if (st) {
        cfmt_bind_text(st, 1, name);
        cfmt_bind_int(st, 2, FOUND_MAX);
    }
    while (cfmt_sql_row(s, st, &rv)) {
        APR_ARRAY_PUSH(ids, const char *) = cfmt_col_text(st, 0, p);
    }
    return rv;
}

apr_status_t cfmt_query_attack_find(cfmt_store_t *s, const char *name, apr_array_header_t **prows,
                                    apr_pool_t *p)
{
    apr_array_header_t *ids = apr_array_make(p, 2, sizeof(const char *));
    apr_status_t rv = find_ids(s, name, ids, p);
    int i;

    *prows = apr_array_make(p, 2, sizeof(cfmt_attack_row_t));
    for (i = 0; i < ids->nelts && rv == APR_SUCCESS; i++) {
        const char *id = APR_ARRAY_IDX(ids, i, const char *);
        sqlite3_stmt *st = cfmt_sql(s, attack_by_id_sql);
        if (st) {
            cfmt_bind_text(st, 1, id);
        }
        if (!has_attack(*prows, id)) {
            rv = add_attacks(s, st, *prows, -1, p);
        }
    }
    return rv == APR_SUCCESS ? add_names(s, *prows, p) : rv;
}

/* ---- facts ----------------------------------------------------------------------------------- */

static const char application_sql[] = "PRAGMA application_id";
static const char version_sql[] = "PRAGMA user_version";
static const char mode_sql[] = "PRAGMA journal_mode";
static const char lag_sql[] = "SELECT at FROM journal WHERE id > ?1 ORDER BY id LIMIT 1";
static const char delivery_sql[] =
    "SELECT max(at) FROM (SELECT at, kind FROM journal WHERE id > ?1 ORDER BY id DESC LIMIT ?2)"
    " WHERE kind IN ('delivery', 'duplicate')";

/* First column of the first row; def when there is none. */
static apr_status_t one_int(cfmt_store_t *s, sqlite3_stmt *st, apr_int64_t def, apr_int64_t *pv)
{

    *pv = def;
    return cfmt_sql_int(s, st, pv);
}

apr_status_t cfmt_query_facts(cfmt_store_t *s, cfmt_facts_t *f, apr_pool_t *p)
{
    sqlite3_stmt *st;
    apr_status_t rv;

    memset(f, 0, sizeof(*f));
    f->journal_mode = "";
    if ((rv = one_int(s, cfmt_sql(s, application_sql), 0, &f->application_id)) != APR_SUCCESS
        || (rv = one_int(s, cfmt_sql(s, version_sql), 0, &f->schema)) != APR_SUCCESS
        || (rv = cfmt_meta_int(s, CFMT_META_MIN_CODE, 0, &f->min_code)) != APR_SUCCESS) {
        return rv;
    }
    st = cfmt_sql(s, mode_sql);
    if (cfmt_sql_row(s, st, &rv)) {
        f->journal_mode = cfmt_col_text(st, 0, p);
        cfmt_sql_done(st);
    }
    return rv;
}

/*
 * The newest delivery: the projector's word for all that is projected, the journal's for the
 * rest.
 */
static apr_status_t last_delivery(cfmt_store_t *s, cfmt_health_rows_t *h)
{
    apr_int64_t projected, fresh;
    sqlite3_stmt *st;
    apr_status_t rv = cfmt_meta_int(s, CFMT_META_LAST_DELIVERY, 0, &projected);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    st = cfmt_sql(s, delivery_sql);
    if (st) {
        cfmt_bind_int(st, 1, h->cursor);
        cfmt_bind_int(st, 2, LAG_SCAN);
    }
    rv = one_int(s, st, 0, &fresh);
    h->last_delivery_at = fresh > projected ? fresh : projected;
    return rv;
}

apr_status_t cfmt_query_health(cfmt_store_t *s, cfmt_health_rows_t *h)
{
    apr_int64_t version = 0;
    sqlite3_stmt *st;
    apr_status_t rv;

    memset(h, 0, sizeof(*h));
    if ((rv = one_int(s, cfmt_sql(s, version_sql), 0, &version)) != APR_SUCCESS
        || (rv = cfmt_meta_int(s, CFMT_META_CURSOR, 0, &h->cursor)) != APR_SUCCESS
        || (rv = cfmt_journal_head(s, &h->head)) != APR_SUCCESS) {
        return rv;
    }
    h->schema = (int)version;
    st = cfmt_sql(s, lag_sql);
    if (st) {
        cfmt_bind_int(st, 1, h->cursor);
    }
    rv = one_int(s, st, 0, &h->oldest_lag_at);
    return rv == APR_SUCCESS ? last_delivery(s, h) : rv;
}
