/*
 * Intents: wanted changes of the world, written before they are asked for. Each one made and each
 * change of state is a row of the journal in the same transaction.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"

#define NEWEST APR_INT64_MAX

/* ---- rows ------------------------------------------------------------------------------------ */

#define SELECT \
    "SELECT id, prefix, prefix_id, want, cause, who, reason, attack, proposal, override," \
    " created_at, not_before, state, next_at, sent_at, answered_at, settled_at, attempts, answer," \
    " expects, owner, expires_at, superseded_by FROM intent "

/* A word that nobody knows is no state that anything may follow. */
static cfmt_intent_e state_by_name(const char *name)
{
    int i;

    for (i = 0; i < CFMT_INTENT_STATES; i++) {
        if (name && !strcmp(cfmt_intent_name((cfmt_intent_e)i), name)) {
            break;
        }
    }
    return (cfmt_intent_e)i;
}

static void take_intent(void *row, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_intent_row_t *in = row;

    in->id = cfmt_col_int(st, 0);
    in->prefix = cfmt_col_cidr(st, 1);
    in->prefix_id = cfmt_col_text(st, 2, p);
    in->want = (int)cfmt_col_int(st, 3);
    in->cause = cfmt_col_text(st, 4, p);
    in->who = cfmt_col_text(st, 5, p);
    in->reason = cfmt_col_text(st, 6, p);
    in->attack = cfmt_col_text(st, 7, p);
    in->proposal = cfmt_col_int(st, 8);
    in->override = (int)cfmt_col_int(st, 9);
    in->created_at = cfmt_col_int(st, 10);
    in->not_before = cfmt_col_int(st, 11);
    in->state = state_by_name((const char *)sqlite3_column_text(st, 12));
    in->next_at = cfmt_col_int(st, 13);
    in->sent_at = cfmt_col_int(st, 14);
    in->answered_at = cfmt_col_int(st, 15);
    in->settled_at = cfmt_col_int(st, 16);
    in->attempts = (int)cfmt_col_int(st, 17);
    in->answer = cfmt_col_text(st, 18, p);
    in->expects = cfmt_col_int(st, 19);
    in->owner = cfmt_col_text(st, 20, p);
    in->expires_at = cfmt_col_int(st, 21);
    in->superseded_by = cfmt_col_int(st, 22);
}

static apr_status_t one(cfmt_store_t *s, sqlite3_stmt *st, cfmt_intent_row_t *in, apr_pool_t *p)
{
    return cfmt_act_row(s, st, in, sizeof(*in), take_intent, p);
}

static apr_status_t all(cfmt_store_t *s, sqlite3_stmt *st, apr_array_header_t **prows,
                        apr_pool_t *p)
{
    return cfmt_act_rows(s, st, prows, sizeof(cfmt_intent_row_t), take_intent, p);
}

apr_status_t cfmt_intent_load(cfmt_store_t *s, cfmt_intent_row_t *in, apr_int64_t id, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "WHERE id = ?1");

    cfmt_bind_int(st, 1, id);
    return one(s, st, in, p);
}

apr_status_t cfmt_intent_open(cfmt_store_t *s, cfmt_intent_row_t *in, const cfmt_cidr_t *prefix,
                              apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "WHERE prefix = ?1 AND settled_at IS NULL");

    cfmt_bind_cidr(st, 1, prefix);
    return one(s, st, in, p);
}

/* The index has no others; without the hint a large history would be walked for its order. */
apr_status_t cfmt_intents_open(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    return all(s, cfmt_sql(s, SELECT "INDEXED BY intent_open WHERE settled_at IS NULL ORDER BY id"),
               prows, p);
}

apr_status_t cfmt_intents_list(cfmt_store_t *s, const cfmt_cidr_t *prefix, apr_int64_t before,
                               int limit, apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st =
        prefix
            ? cfmt_sql(s, SELECT "WHERE id < ?1 AND prefix = ?3 ORDER BY id DESC LIMIT ?2")
            : cfmt_sql(s, SELECT "WHERE id < ?1 ORDER BY id DESC LIMIT ?2");

    cfmt_bind_int(st, 1, before ? before : NEWEST);
    cfmt_bind_int(st, 2, limit);
    if (prefix) {
        cfmt_bind_cidr(st, 3, prefix);
    }
    return all(s, st, prows, p);
}

/* ---- the journal ----------------------------------------------------------------------------- */

static const char *quote(const char *text, apr_pool_t *p)
{
    return text ? cfmt_json_quote(p, text) : "null";
}

static apr_status_t journal_intent(cfmt_store_t *s, const cfmt_intent_row_t *in,
                                   apr_int64_t supersedes, apr_pool_t *p)
{
    const char *body = apr_psprintf(
        p,
        "{\"intent\":%" APR_INT64_T_FMT ",\"prefix\":\"%s\",\"want\":\"%s\",\"cause\":%s,"
        "\"who\":%s,\"reason\":%s,\"attack\":%s,\"proposal\":%" APR_INT64_T_FMT ",\"override\":%s,"
        "\"not_before\":%" APR_TIME_T_FMT ",\"supersedes\":%" APR_INT64_T_FMT "}",
        in->id, cfmt_cidr_format(p, &in->prefix), cfmt_want_name(in->want), quote(in->cause, p),
        quote(in->who, p), quote(in->reason, p), quote(in->attack, p), in->proposal,
        in->override ? "true" : "false", in->not_before, supersedes);

    return cfmt_act_journal(s, "intent", in->created_at, in->who, body);
}

static apr_status_t journal_result(cfmt_store_t *s, const cfmt_intent_row_t *in, cfmt_intent_e from,
                                   apr_time_t at, const char *who, apr_pool_t *p)
{
    const char *body = apr_psprintf(
        p,
        "{\"intent\":%" APR_INT64_T_FMT ",\"prefix\":\"%s\",\"want\":\"%s\",\"from\":\"%s\","
        "\"state\":\"%s\",\"text\":%s,\"attempts\":%d,\"next_at\":%" APR_TIME_T_FMT
        ",\"superseded_by\":%" APR_INT64_T_FMT "}",
        in->id, cfmt_cidr_format(p, &in->prefix), cfmt_want_name(in->want), cfmt_intent_name(from),
        cfmt_intent_name(in->state), quote(in->answer, p), in->attempts, in->next_at,
        in->superseded_by);

    return cfmt_act_journal(s, "result", at, who ? who : "engine", body);
}

/* ---- create ---------------------------------------------------------------------------------- */

static int is_cause(const char *cause)
{
    static const char *const causes[] = {"attack", "calm", "operator", "proposal"};
    apr_size_t i;

    for (i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        if (cause && !strcmp(cause, causes[i])) {
            return 1;
        }
    }
    return 0;
}

void cfmt_bind_wish(sqlite3_stmt *st, int i, const cfmt_intent_row_t *in)
{
    cfmt_bind_cidr(st, i++, &in->prefix);
    cfmt_bind_int(st, i++, in->want);
    cfmt_bind_text(st, i++, in->cause);
    cfmt_bind_text(st, i++, in->who);
    cfmt_bind_text(st, i++, in->reason);
    cfmt_bind_text(st, i++, in->attack);
    cfmt_bind_int(st, i++, in->proposal);
    cfmt_bind_int(st, i++, in->override);
    cfmt_bind_int(st, i++, in->created_at);
    cfmt_bind_int(st, i, in->not_before);
}

static apr_status_t insert(cfmt_store_t *s, cfmt_intent_row_t *in)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT INTO intent(prefix_id, " CFMT_WISH ", state, next_at)"
           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'requested', 0)");
    apr_status_t rv;

    cfmt_bind_text(st, 1, in->prefix_id);
    cfmt_bind_wish(st, 2, in);
    rv = cfmt_sql_run(s, st);
    in->id = sqlite3_last_insert_rowid(s->db);
    return rv;
}

/* What changes in its life. Only who still has the state that was read may write. */
static apr_status_t save(cfmt_store_t *s, const cfmt_intent_row_t *in, cfmt_intent_e from)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "UPDATE intent SET state = ?2, next_at = ?3, sent_at = ?4, answered_at = ?5,"
           " settled_at = ?6, attempts = ?7, answer = ?8, expects = ?9, owner = ?10,"
           " expires_at = ?11, superseded_by = ?12 WHERE id = ?1 AND state = ?13");
    apr_status_t rv;

    cfmt_bind_int(st, 1, in->id);
    cfmt_bind_text(st, 2, cfmt_intent_name(in->state));
    cfmt_bind_int(st, 3, in->next_at);
    cfmt_bind_some(st, 4, in->sent_at);
    cfmt_bind_some(st, 5, in->answered_at);
    cfmt_bind_some(st, 6, in->settled_at);
    cfmt_bind_int(st, 7, in->attempts);
    cfmt_bind_text(st, 8, in->answer);
    cfmt_bind_some(st, 9, in->expects);
    cfmt_bind_text(st, 10, in->owner);
    cfmt_bind_some(st, 11, in->expires_at);
    cfmt_bind_some(st, 12, in->superseded_by);
    cfmt_bind_text(st, 13, cfmt_intent_name(from));
    rv = cfmt_sql_run(s, st);
    return rv == APR_SUCCESS && sqlite3_changes(s->db) != 1 ? CFMT_EMOVED : rv;
}

apr_status_t cfmt_intent_redate(cfmt_store_t *s, const cfmt_intent_row_t *in)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "UPDATE intent SET created_at = ?3, not_before = ?4, next_at = ?5, sent_at = ?6,"
           " answered_at = ?7 WHERE id = ?1 AND state = ?2");
    apr_status_t rv;

    cfmt_bind_int(st, 1, in->id);
    cfmt_bind_text(st, 2, cfmt_intent_name(in->state));
    cfmt_bind_int(st, 3, in->created_at);
    cfmt_bind_int(st, 4, in->not_before);
    cfmt_bind_int(st, 5, in->next_at);
    cfmt_bind_some(st, 6, in->sent_at);
    cfmt_bind_some(st, 7, in->answered_at);
    rv = cfmt_sql_run(s, st);
    return rv == APR_SUCCESS && sqlite3_changes(s->db) != 1 ? CFMT_EMOVED : rv;
}

/* Out of the way first: two open ones cannot be. By whom is known when the other one has its id. */
static apr_status_t step_aside(cfmt_store_t *s, cfmt_intent_row_t *before, apr_time_t at)
{
    cfmt_intent_e from = before->state;

    before->state = CFMT_INTENT_SUPERSEDED;
    before->settled_at = at;
    before->owner = NULL;
    before->expires_at = 0;
    return save(s, before, from);
}

static apr_status_t supersede_by(cfmt_store_t *s, cfmt_intent_row_t *before, cfmt_intent_e from,
                                 const cfmt_intent_row_t *in, apr_pool_t *p)
{
    apr_status_t rv;

    before->superseded_by = in->id;
    rv = save(s, before, CFMT_INTENT_SUPERSEDED);
    return rv == APR_SUCCESS ? journal_result(s, before, from, in->created_at, in->who, p) : rv;
}

/* *before: the open one that gives way; its id is 0 when there is none. */
static apr_status_t look_before(cfmt_store_t *s, cfmt_intent_row_t *before,
                                const cfmt_intent_row_t *in, apr_int64_t supersede, apr_pool_t *p)
{
    apr_status_t rv = cfmt_intent_open(s, before, &in->prefix, p);

    if (rv == CFMT_EMISSING) {
        return supersede ? CFMT_EMOVED : APR_SUCCESS;
    }
    return rv == APR_SUCCESS && before->id != supersede ? CFMT_EEXIST : rv;
}

apr_status_t cfmt_intent_create(cfmt_store_t *s, cfmt_intent_row_t *in, apr_int64_t supersede,
                                apr_pool_t *ptemp)
{
    cfmt_intent_row_t before;
    cfmt_intent_e from;
    apr_status_t rv;

    if (!in->prefix.family || !is_cause(in->cause) || !cfmt_act_said(in->who)) {
        return CFMT_EINVALID;
    }
    rv = look_before(s, &before, in, supersede, ptemp);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    in->want = in->want != 0;
    in->reason = in->reason ? in->reason : "";
    in->state = CFMT_INTENT_REQUESTED;
    from = before.state;
    rv = before.id ? step_aside(s, &before, in->created_at) : APR_SUCCESS;
    rv = rv == APR_SUCCESS ? insert(s, in) : rv;
    rv = rv == APR_SUCCESS ? journal_intent(s, in, before.id, ptemp) : rv;
    return rv == APR_SUCCESS && before.id ? supersede_by(s, &before, from, in, ptemp) : rv;
}

/* ---- its life -------------------------------------------------------------------------------- */

/* As of jobs: a claim that outlasts its own length was made by a clock that was wrong. */
apr_status_t cfmt_intent_claim(cfmt_store_t *s, apr_int64_t id, const char *owner, apr_time_t now,
                               apr_interval_time_t lease, int *pclaimed)
{
    apr_pool_t *p;
    cfmt_intent_row_t in;
    sqlite3_stmt *st;
    apr_status_t rv;
    int due;

    *pclaimed = 0;
    apr_pool_create(&p, s->pool);
    rv = cfmt_intent_load(s, &in, id, p);
    due = rv == APR_SUCCESS && cfmt_intent_due(&in, now);
    apr_pool_destroy(p);
    if (!due) {
        return rv;
    }
    st = cfmt_sql(s, "UPDATE intent SET owner = ?2, expires_at = ?4"
                     " WHERE id = ?1 AND settled_at IS NULL AND (owner IS NULL OR owner = ?2"
                     " OR expires_at <= ?3 OR expires_at > ?4)");
    cfmt_bind_int(st, 1, id);
    cfmt_bind_text(st, 2, owner);
    cfmt_bind_int(st, 3, now);
    cfmt_bind_int(st, 4, now + lease);
    rv = cfmt_sql_run(s, st);
    *pclaimed = rv == APR_SUCCESS && sqlite3_changes(s->db) == 1;
    return rv;
}

/*
 * An answer is taken late as long as nobody else has taken the lease; a call is not made late,
 * because then somebody else may be making it.
 */
static int has_lease(const cfmt_intent_row_t *in, const cfmt_intent_change_t *c)
{
    if (c->state == CFMT_INTENT_SENT && (!c->owner || in->expires_at <= c->at)) {
        return 0;
    }
    return !c->owner || cfmt_text_same(in->owner, c->owner);
}

static void apply(cfmt_intent_row_t *in, const cfmt_intent_change_t *c)
{
    int sent = in->state == CFMT_INTENT_SENT;

    in->state = c->state;
    in->answer = c->text ? c->text : in->answer;
    if (c->state == CFMT_INTENT_SENT) {
        in->sent_at = c->at;
        in->attempts++;
        in->expects = c->expects;
        in->next_at = 0;
        return;
    }
    in->owner = NULL;
    in->expires_at = 0;
    in->next_at = c->next_at;
    if (sent && c->state != CFMT_INTENT_UNKNOWN) {
        in->answered_at = c->at;
    }
    if (!cfmt_intent_is_open(c->state)) {
        in->settled_at = c->at;
    }
}

apr_status_t cfmt_intent_change(cfmt_store_t *s, apr_int64_t id, const cfmt_intent_change_t *c,
                                apr_pool_t *ptemp)
{
    cfmt_intent_row_t in, before;
    apr_status_t rv = cfmt_intent_load(s, &before, id, ptemp);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!has_lease(&before, c)) {
        return CFMT_EMOVED;
    }
    if (c->state == CFMT_INTENT_SUPERSEDED || !cfmt_intent_may(before.state, c->state)) {
        return CFMT_EINVALID;
    }
    in = before;
    apply(&in, c);
    rv = save(s, &in, before.state);
    if (rv != APR_SUCCESS
        || (in.state == before.state && cfmt_text_same(in.answer, before.answer))) {
        return rv;
    }
    return journal_result(s, &in, before.state, c->at, c->who, ptemp);
}

apr_status_t cfmt_intent_late(cfmt_store_t *s, apr_int64_t id, apr_time_t at, const char *text,
                              apr_pool_t *ptemp)
{
    cfmt_intent_row_t in;
    apr_status_t rv = cfmt_intent_load(s, &in, id, ptemp);

    if (rv != APR_SUCCESS || in.state != CFMT_INTENT_SUPERSEDED) {
        return rv == APR_SUCCESS ? CFMT_EINVALID : rv;
    }
    in.answered_at = at;
    in.answer = text;
    rv = save(s, &in, in.state);
    return rv == APR_SUCCESS ? journal_result(s, &in, in.state, at, NULL, ptemp) : rv;
}
