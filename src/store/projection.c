/*
 * SQL of the projections: event, attack, attack_key, entity. What the rows mean is decided in
 * src/policy, when they change in src/engine.
 */
#include <string.h>

#include <apr_strings.h>

#include "store_private.h"
#include "projection.h"

/* ---- event: write ---------------------------------------------------------------------------- */

apr_status_t cfmt_event_known(cfmt_store_t *s, const cfmt_event_t *e, apr_int64_t *pfirst)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id FROM event WHERE ts = ?1 AND digest = ?2 UNION ALL"
                                   " SELECT first FROM event_repeat WHERE id = ?3 LIMIT 1");

    *pfirst = 0;
    cfmt_bind_int(st, 1, e->ts);
    cfmt_bind_int(st, 2, e->digest);
    cfmt_bind_int(st, 3, e->id);
    return cfmt_sql_int(s, st, pfirst);
}

static void bind_event_head(sqlite3_stmt *st, const cfmt_event_t *e, const char *attack)
{
    cfmt_bind_int(st, 1, e->id);
    cfmt_bind_int(st, 2, e->at);
    cfmt_bind_int(st, 3, e->ts);
    cfmt_bind_int(st, 4, e->digest);
    cfmt_bind_text(st, 5, e->source);
    cfmt_bind_text(st, 6, e->alert_type);
    cfmt_bind_text(st, 7, cfmt_state_name(e->state));
    cfmt_bind_text(st, 8, cfmt_priority_name(e->priority));
    cfmt_bind_int(st, 9, e->effect);
    cfmt_bind_text(st, 10, e->account);
    cfmt_bind_int(st, 11, e->ours);
    cfmt_bind_text(st, 12, e->policy_id);
    cfmt_bind_text(st, 13, e->policy_name);
    cfmt_bind_text(st, 14, e->attack_id);
    cfmt_bind_text(st, 15, e->correlation_id);
    cfmt_bind_text(st, 16, attack);
}

apr_status_t cfmt_event_insert(cfmt_store_t *s, const cfmt_event_t *e, const char *attack)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT INTO event(id, at, ts, digest, source, alert_type, state, priority, effect, "
           "account, ours,"
           " policy_id, policy_name, attack_id, correlation_id, attack, target, vector, protocol, "
           "rule, pps, bps, rps, entity_kind, entity_id, entity_name, entity_state, summary,"
           " system)"
           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, "
           "?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)");

    bind_event_head(st, e, attack);
    cfmt_bind_text(st, 17, e->target);
    cfmt_bind_text(st, 18, e->vector);
    cfmt_bind_text(st, 19, e->protocol);
    cfmt_bind_text(st, 20, e->rule);
    cfmt_bind_rate(st, 21, e->pps);
    cfmt_bind_rate(st, 22, e->bps);
    cfmt_bind_rate(st, 23, e->rps);
    cfmt_bind_text(st, 24, e->entity_kind);
    cfmt_bind_text(st, 25, e->entity_id);
    cfmt_bind_text(st, 26, e->entity_name);
    cfmt_bind_text(st, 27, e->entity_state);
    cfmt_bind_text(st, 28, e->summary);
    cfmt_bind_text(st, 29, e->system);
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_event_repeat(cfmt_store_t *s, apr_int64_t id, apr_int64_t first)
{
    sqlite3_stmt *st = cfmt_sql(s, "INSERT OR REPLACE INTO event_repeat(id, first) VALUES(?1, ?2)");

    cfmt_bind_int(st, 1, id);
    cfmt_bind_int(st, 2, first);
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_event_rebind(cfmt_store_t *s, apr_int64_t id, const char *attack,
                               const char *summary)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE event SET attack = ?2, summary = ?3 WHERE id = ?1");

    cfmt_bind_int(st, 1, id);
    cfmt_bind_text(st, 2, attack);
    cfmt_bind_text(st, 3, summary);
    return cfmt_sql_run(s, st);
}

/* ---- event: read ----------------------------------------------------------------------------- */

#define EVENT_COLUMNS \
    "SELECT id, at, ts, digest, source, alert_type, state, priority, effect, account, ours," \
    " attack_id, attack, target, vector, protocol, rule, pps, bps, rps, entity_kind, entity_id," \
    " entity_name, entity_state, summary, system" \
    " FROM event "

static cfmt_state_e state_by_name(const char *name)
{
    return !strcmp(name, "end") ? CFMT_STATE_END
           : !strcmp(name, "start") ? CFMT_STATE_START : CFMT_STATE_INFO;
}

cfmt_priority_e cfmt_priority_by_name(const char *name)
{
    cfmt_priority_e pr = CFMT_PRIORITY_CRITICAL;

    while (pr > CFMT_PRIORITY_INFO && (!name || strcmp(name, cfmt_priority_name(pr)))) {
        pr--;
    }
    return pr;
}

static void take_what(cfmt_event_t *e, sqlite3_stmt *st, apr_pool_t *p)
{
    e->target = cfmt_col_text(st, 13, p);
    if (!e->target || e->effect != CFMT_EFFECT_NETWORK
        || cfmt_cidr_parse(&e->target_cidr, NULL, e->target) != APR_SUCCESS) {
        e->target_cidr.family = 0;
    }
    e->vector = cfmt_col_text(st, 14, p);
    e->protocol = cfmt_col_text(st, 15, p);
    e->rule = cfmt_col_text(st, 16, p);
    e->pps = cfmt_col_rate(st, 17);
    e->bps = cfmt_col_rate(st, 18);
    e->rps = cfmt_col_rate(st, 19);
    e->entity_kind = cfmt_col_text(st, 20, p);
    e->entity_id = cfmt_col_text(st, 21, p);
    e->entity_name = cfmt_col_text(st, 22, p);
    e->entity_state = cfmt_col_text(st, 23, p);
    e->summary = cfmt_col_text(st, 24, p);
    e->system = cfmt_col_text(st, 25, p);
}

static void take_event(cfmt_event_stored_t *row, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_event_t *e = &row->e;

    memset(row, 0, sizeof(*row));
    e->id = cfmt_col_int(st, 0);
    e->at = cfmt_col_int(st, 1);
    e->ts = cfmt_col_int(st, 2);
    e->digest = cfmt_col_int(st, 3);
    e->source = cfmt_col_text(st, 4, p);
    e->alert_type = cfmt_col_text(st, 5, p);
    e->state = state_by_name((const char *)sqlite3_column_text(st, 6));
    e->priority = cfmt_priority_by_name((const char *)sqlite3_column_text(st, 7));
    e->effect = (cfmt_effect_e)cfmt_col_int(st, 8);
    e->account = cfmt_col_text(st, 9, p);
    e->ours = (int)cfmt_col_int(st, 10);
    e->attack_id = cfmt_col_text(st, 11, p);
    row->attack = cfmt_col_text(st, 12, p);
    take_what(e, st, p);
}

static apr_status_t take_events(cfmt_store_t *s, sqlite3_stmt *st, apr_array_header_t *events,
                                apr_pool_t *p)
{
    apr_status_t rv;

    while (cfmt_sql_row(s, st, &rv)) {
        take_event(apr_array_push(events), st, p);
    }
    return rv;
}

apr_status_t cfmt_events_of_attack(cfmt_store_t *s, apr_array_header_t *events, const char *attack,
                                   apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, EVENT_COLUMNS "WHERE attack = ?1 ORDER BY ts");

    cfmt_bind_text(st, 1, attack);
    return take_events(s, st, events, p);
}

/* Of a very long attack they are few rows: the index goes back to the first that is too old. */
apr_status_t cfmt_events_newest(cfmt_store_t *s, apr_array_header_t *events, const char *attack,
                                int n, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, EVENT_COLUMNS
                                "WHERE attack = ?1 AND ts >= ifnull((SELECT ts FROM event"
                                " WHERE attack = ?1 ORDER BY ts DESC LIMIT 1 OFFSET ?2), ?3)"
                                " ORDER BY ts");

    cfmt_bind_text(st, 1, attack);
    cfmt_bind_int(st, 2, n);
    cfmt_bind_int(st, 3, APR_INT64_MIN);
    return take_events(s, st, events, p);
}

apr_status_t cfmt_events_of_entity(cfmt_store_t *s, apr_array_header_t *events, const char *kind,
                                   const char *id, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, EVENT_COLUMNS
                                "WHERE entity_kind = ?1 AND entity_id = ?2 AND ours ORDER BY ts");

    cfmt_bind_text(st, 1, kind);
    cfmt_bind_text(st, 2, id);
    return take_events(s, st, events, p);
}

apr_status_t cfmt_events_of_operator(cfmt_store_t *s, apr_array_header_t *events, const char *ref,
                                     apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, EVENT_COLUMNS "WHERE attack_id = ?1 AND source = 'operator'");

    cfmt_bind_text(st, 1, ref);
    return take_events(s, st, events, p);
}

apr_status_t cfmt_events_upto(cfmt_store_t *s, apr_array_header_t *events, apr_int64_t upto,
                              apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, EVENT_COLUMNS "WHERE id <= ?1 ORDER BY id");

    cfmt_bind_int(st, 1, upto);
    return take_events(s, st, events, p);
}

/* ---- attack ---------------------------------------------------------------------------------- */

/* NULL when there is none: a row that is saved gets the next one then. */
#define NUMBER_OF(id) " (SELECT number FROM attack WHERE id = " id ")"

static apr_array_header_t *col_texts(sqlite3_stmt *st, int i, apr_pool_t *p)
{
    return cfmt_texts_parse((const char *)sqlite3_column_text(st, i), p);
}

static void take_attack(cfmt_attack_stored_t *row, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_attack_t *a = &row->a;

    a->account = cfmt_col_text(st, 0, p);
    a->ours = (int)cfmt_col_int(st, 1);
    a->scope = cfmt_scope_by_name((const char *)sqlite3_column_text(st, 2));
    a->open = !strcmp((const char *)sqlite3_column_text(st, 3), "open");
    a->ended_by = cfmt_col_text(st, 4, p);
    a->episodes = (int)cfmt_col_int(st, 5);
    a->started_at = cfmt_col_int(st, 6);
    a->episode_at = cfmt_col_int(st, 7);
    a->ended_at = cfmt_col_int(st, 8);
    a->last_at = cfmt_col_int(st, 9);
    a->events = cfmt_col_int(st, 10);
    a->targets = col_texts(st, 11, p);
    a->targets_cut = (int)cfmt_col_int(st, 12);
    a->target_missing = (int)cfmt_col_int(st, 13);
    row->prefixes = col_texts(st, 14, p);
    a->vectors = col_texts(st, 15, p);
    a->protocols = col_texts(st, 16, p);
    a->rules = col_texts(st, 17, p);
    a->alert_types = col_texts(st, 18, p);
    a->peak_pps = cfmt_col_rate(st, 19);
    a->peak_bps = cfmt_col_rate(st, 20);
    a->peak_rps = cfmt_col_rate(st, 21);
    row->base = cfmt_col_text(st, 22, p);
    a->rule_only = (int)cfmt_col_int(st, 23);
    row->rule_unknown = (int)cfmt_col_int(st, 24);
    row->kept = col_texts(st, 25, p);
    a->peak_pps_at = cfmt_col_int(st, 26);
    a->peak_pps_by = cfmt_col_text(st, 27, p);
    a->peak_bps_at = cfmt_col_int(st, 28);
    a->peak_bps_by = cfmt_col_text(st, 29, p);
}

apr_status_t cfmt_attack_load(cfmt_store_t *s, cfmt_attack_stored_t *a, const char *id,
                              apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s,
        "SELECT account, ours, scope, state, ended_by, episodes, started_at, episode_at, ended_at, "
        "last_at, events,"
        " targets, targets_cut, target_missing, prefixes, vectors, protocols, rules, alert_types,"
        " peak_pps, peak_bps, peak_rps, base, rule_only, rule_unknown, kept, peak_pps_at,"
        " peak_pps_by, peak_bps_at, peak_bps_by FROM attack"
        " WHERE id = ?1");
    apr_status_t rv;

    cfmt_attack_init(&a->a, id, p);
    a->prefixes = apr_array_make(p, 2, sizeof(const char *));
    a->kept = apr_array_make(p, 1, sizeof(const char *));
    a->rule_unknown = 0;
    a->base = NULL;
    cfmt_bind_text(st, 1, id);
    if (!cfmt_sql_row(s, st, &rv)) {
        return rv == APR_SUCCESS ? CFMT_EMISSING : rv;
    }
    take_attack(a, st, p);
    cfmt_sql_done(st);
    return APR_SUCCESS;
}

static void bind_attack_texts(sqlite3_stmt *st, const cfmt_attack_stored_t *row, apr_pool_t *p)
{
    const cfmt_attack_t *a = &row->a;

    cfmt_bind_text(st, 13, cfmt_texts_format(a->targets, p));
    cfmt_bind_int(st, 14, a->targets_cut);
    cfmt_bind_int(st, 15, a->target_missing);
    cfmt_bind_text(st, 16, cfmt_texts_format(row->prefixes, p));
    cfmt_bind_text(st, 17, cfmt_texts_format(a->vectors, p));
    cfmt_bind_text(st, 18, cfmt_texts_format(a->protocols, p));
    cfmt_bind_text(st, 19, cfmt_texts_format(a->rules, p));
    cfmt_bind_text(st, 20, cfmt_texts_format(a->alert_types, p));
    cfmt_bind_rate(st, 21, a->peak_pps);
    cfmt_bind_rate(st, 22, a->peak_bps);
    cfmt_bind_rate(st, 23, a->peak_rps);
    cfmt_bind_text(st, 24, row->base);
    cfmt_bind_int(st, 25, a->rule_only);
    cfmt_bind_int(st, 26, row->rule_unknown);
    cfmt_bind_text(st, 27, cfmt_texts_format(row->kept, p));
    cfmt_bind_int(st, 28, a->peak_pps_at);
    cfmt_bind_text(st, 29, a->peak_pps_by);
    cfmt_bind_int(st, 30, a->peak_bps_at);
    cfmt_bind_text(st, 31, a->peak_bps_by);
}

apr_status_t cfmt_attack_save(cfmt_store_t *s, const cfmt_attack_stored_t *row, apr_pool_t *ptemp)
{
    const cfmt_attack_t *a = &row->a;
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT OR REPLACE INTO attack(id, account, ours, scope, state, ended_by, episodes,"
           " started_at, episode_at, ended_at, last_at, events, targets, targets_cut,"
           " target_missing, prefixes, vectors, protocols, rules, alert_types, peak_pps, peak_bps,"
           " peak_rps, base, rule_only, rule_unknown, kept, peak_pps_at, peak_pps_by, peak_bps_at,"
           " peak_bps_by, number) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
           " ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30,"
           " ?31," NUMBER_OF("?1") ")");

    cfmt_bind_text(st, 1, a->id);
    cfmt_bind_text(st, 2, a->account);
    cfmt_bind_int(st, 3, a->ours);
    cfmt_bind_text(st, 4, cfmt_scope_name(a->scope));
    cfmt_bind_text(st, 5, a->open ? "open" : "ended");
    cfmt_bind_text(st, 6, a->ended_by);
    cfmt_bind_int(st, 7, a->episodes);
    cfmt_bind_int(st, 8, a->started_at);
    cfmt_bind_int(st, 9, a->episode_at);
    if (!a->open) {
        cfmt_bind_int(st, 10, a->ended_at);
    }
    cfmt_bind_int(st, 11, a->last_at);
    cfmt_bind_int(st, 12, a->events);
    bind_attack_texts(st, row, ptemp);
    return cfmt_sql_run(s, st);
}

/* Runs a statement with one or two texts. */
static apr_status_t run_texts(cfmt_store_t *s, const char *sql, const char *one, const char *two)
{
    sqlite3_stmt *st = cfmt_sql(s, sql);

    cfmt_bind_text(st, 1, one);
    cfmt_bind_text(st, 2, two);
    return cfmt_sql_run(s, st);
}

static const char move_events_sql[] = "UPDATE event SET attack = ?2 WHERE attack = ?1";
/* The number stays, so keys follow; where `to` exists nothing happens. */
static const char rename_sql[] = "UPDATE OR IGNORE attack SET id = ?2 WHERE id = ?1";
static const char move_keys_sql[] =
    "UPDATE attack_key SET attack =" NUMBER_OF("?2") " WHERE attack =" NUMBER_OF("?1");
/* What was told of it stays one conversation. */
static const char move_told_sql[] = "UPDATE outbox SET attack = ?2 WHERE attack = ?1";
static const char drop_keys_sql[] = "DELETE FROM attack_key WHERE attack =" NUMBER_OF("?1");
static const char drop_sql[] = "DELETE FROM attack WHERE id = ?1";

apr_status_t cfmt_attack_move(cfmt_store_t *s, const char *from, const char *to)
{
    apr_status_t rv = run_texts(s, move_events_sql, from, to);

    rv = rv == APR_SUCCESS ? run_texts(s, rename_sql, from, to) : rv;
    rv = rv == APR_SUCCESS ? run_texts(s, move_keys_sql, from, to) : rv;
    rv = rv == APR_SUCCESS ? run_texts(s, move_told_sql, from, to) : rv;
    return rv == APR_SUCCESS ? run_texts(s, drop_sql, from, NULL) : rv;
}

apr_status_t cfmt_attack_delete(cfmt_store_t *s, const char *id)
{
    apr_status_t rv = run_texts(s, drop_keys_sql, id, NULL);

    return rv == APR_SUCCESS ? run_texts(s, drop_sql, id, NULL) : rv;
}

/* ---- attack_key ------------------------------------------------------------------------------ */

apr_status_t cfmt_key_insert(cfmt_store_t *s, const cfmt_attack_key_t *k, const char *attack)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT OR REPLACE INTO attack_key(kind, value, account, id, attack)"
           " VALUES(?1, ?2, ?3, ?4," NUMBER_OF("?5") ")");

    cfmt_bind_int(st, 1, k->kind);
    cfmt_bind_text(st, 2, k->value);
    cfmt_bind_text(st, 3, k->account);
    cfmt_bind_text(st, 4, k->id);
    cfmt_bind_text(st, 5, attack);
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_key_find(cfmt_store_t *s, const cfmt_attack_key_t *k, const char **pattack,
                           apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT a.id FROM attack_key k JOIN attack a ON a.number = k.attack"
           " WHERE k.kind = ?1 AND k.value = ?2 AND k.account = ?3");
    apr_status_t rv;

    *pattack = NULL;
    cfmt_bind_int(st, 1, k->kind);
    cfmt_bind_text(st, 2, k->value);
    cfmt_bind_text(st, 3, k->account);
    if (cfmt_sql_row(s, st, &rv)) {
        *pattack = cfmt_col_text(st, 0, p);
        cfmt_sql_done(st);
    }
    return rv;
}

/* The first row of st as a key; its statement has one text. */
static apr_status_t one_key(cfmt_store_t *s, sqlite3_stmt *st, cfmt_attack_key_t *k,
                            const char **pattack, const char *text, apr_pool_t *p)
{
    apr_status_t rv;

    cfmt_bind_text(st, 1, text);
    if (!cfmt_sql_row(s, st, &rv)) {
        return rv == APR_SUCCESS ? CFMT_EMISSING : rv;
    }
    k->kind = (cfmt_key_e)cfmt_col_int(st, 0);
    k->value = cfmt_col_text(st, 1, p);
    k->account = cfmt_col_text(st, 2, p);
    k->id = cfmt_col_text(st, 3, p);
    *pattack = cfmt_col_text(st, 4, p);
    cfmt_sql_done(st);
    return APR_SUCCESS;
}

apr_status_t cfmt_key_first(cfmt_store_t *s, cfmt_attack_key_t *k, const char *attack,
                            apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT kind, value, account, id, ?1 FROM attack_key WHERE attack =" NUMBER_OF("?1")
           " ORDER BY kind, value, account LIMIT 1");
    const char *same;

    return one_key(s, st, k, &same, attack, p);
}

#define KEY_AND_ATTACK(rank) \
    "SELECT k.kind, k.value, k.account, k.id, a.id, " rank " AS rank" \
    " FROM attack_key k JOIN attack a ON a.number = k.attack"

apr_status_t cfmt_key_resolve(cfmt_store_t *s, cfmt_attack_key_t *k, const char **pattack,
                              const char *ref, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, KEY_AND_ATTACK("0") " WHERE k.id = ?1 UNION ALL " KEY_AND_ATTACK("1")
           " WHERE k.kind IN (1, 2) AND k.value = ?1 ORDER BY rank, 1, 2, 3 LIMIT 1");

    return one_key(s, st, k, pattack, ref, p);
}

/* ---- entity ---------------------------------------------------------------------------------- */

apr_status_t cfmt_entity_load(cfmt_store_t *s, cfmt_entity_stored_t *row, const char *kind,
                              const char *id, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT name, state, previous, since, last_at, events, changes, priority, base"
           " FROM entity WHERE kind = ?1 AND id = ?2");
    cfmt_entity_t *t = &row->t;
    apr_status_t rv;

    cfmt_entity_init(t, kind, id);
    row->base = NULL;
    cfmt_bind_text(st, 1, kind);
    cfmt_bind_text(st, 2, id);
    if (!cfmt_sql_row(s, st, &rv)) {
        return rv == APR_SUCCESS ? CFMT_EMISSING : rv;
    }
    t->name = cfmt_col_text(st, 0, p);
    t->state = cfmt_col_text(st, 1, p);
    t->previous = cfmt_col_text(st, 2, p);
    t->since = cfmt_col_int(st, 3);
    t->last_at = cfmt_col_int(st, 4);
    t->events = cfmt_col_int(st, 5);
    t->changes = cfmt_col_int(st, 6);
    t->priority = cfmt_priority_by_name((const char *)sqlite3_column_text(st, 7));
    row->base = cfmt_col_text(st, 8, p);
    cfmt_sql_done(st);
    return APR_SUCCESS;
}

apr_status_t cfmt_entity_save(cfmt_store_t *s, const cfmt_entity_stored_t *row)
{
    sqlite3_stmt *st = cfmt_sql(s, "INSERT OR REPLACE INTO entity(kind, id, name, state, previous, "
                                   "since, last_at, events, changes, priority, base)"
                                   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
    const cfmt_entity_t *t = &row->t;

    cfmt_bind_text(st, 1, t->kind);
    cfmt_bind_text(st, 2, t->id);
    cfmt_bind_text(st, 3, t->name);
    cfmt_bind_text(st, 4, t->state);
    cfmt_bind_text(st, 5, t->previous);
    cfmt_bind_int(st, 6, t->since);
    cfmt_bind_int(st, 7, t->last_at);
    cfmt_bind_int(st, 8, t->events);
    cfmt_bind_int(st, 9, t->changes);
    cfmt_bind_text(st, 10, cfmt_priority_name(t->priority));
    cfmt_bind_text(st, 11, row->base);
    return cfmt_sql_run(s, st);
}

/* ---- all ------------------------------------------------------------------------------------- */

static const char *const clear_sql[] = {
    "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT ?1)",
    "DELETE FROM event_repeat WHERE id IN (SELECT id FROM event_repeat ORDER BY id LIMIT ?1)",
    "DELETE FROM attack_key WHERE rowid IN (SELECT rowid FROM attack_key ORDER BY rowid LIMIT ?1)",
    "DELETE FROM attack WHERE number IN (SELECT number FROM attack ORDER BY number LIMIT ?1)",
    "DELETE FROM entity WHERE (kind, id) IN (SELECT kind, id FROM entity ORDER BY kind, id LIMIT "
    "?1)",
    "DELETE FROM prefix WHERE id IN (SELECT id FROM prefix ORDER BY id LIMIT ?1)",
    "DELETE FROM tunnel WHERE id IN (SELECT id FROM tunnel ORDER BY id LIMIT ?1)",
    "DELETE FROM rule WHERE id IN (SELECT id FROM rule ORDER BY id LIMIT ?1)",
    "DELETE FROM evidence WHERE (day, prefix, at) IN"
    " (SELECT day, prefix, at FROM evidence ORDER BY day, prefix, at LIMIT ?1)",
    "DELETE FROM evidence_minute WHERE (day, prefix, at) IN"
    " (SELECT day, prefix, at FROM evidence_minute ORDER BY day, prefix, at LIMIT ?1)",
    "DELETE FROM imported WHERE id IN (SELECT id FROM imported ORDER BY id LIMIT ?1)",
};

apr_status_t cfmt_projection_clear(cfmt_store_t *s, int limit, int *pleft)
{
    apr_status_t rv = APR_SUCCESS;
    apr_size_t i;

    for (i = 0; rv == APR_SUCCESS && limit > 0 && i < sizeof(clear_sql) / sizeof(clear_sql[0]);
         i++) {
        sqlite3_stmt *st = cfmt_sql(s, clear_sql[i]);

        cfmt_bind_int(st, 1, limit);
        rv = cfmt_sql_run(s, st);
        limit -= rv == APR_SUCCESS ? sqlite3_changes(s->db) : 0;
    }
    *pleft = limit <= 0;
    return rv;
}
