/*
 * Proposals: what the policy would do if somebody said yes; and adoptions: advertisements that were
 * handed over to it.
 */
#include <string.h>

#include "act.h"

/* ---- proposals ------------------------------------------------------------------------------- */

#define SELECT \
    "SELECT id, prefix, want, attack, reason, made_at, expires_at, state, decided_at, decided_by," \
    " decided_why FROM proposal "

static const char *const names[CFMT_PROPOSAL_STATES] = {
    [CFMT_PROPOSAL_OPEN] = "open",
    [CFMT_PROPOSAL_APPROVED] = "approved",
    [CFMT_PROPOSAL_DENIED] = "denied",
    [CFMT_PROPOSAL_EXPIRED] = "expired",
    [CFMT_PROPOSAL_WITHDRAWN] = "withdrawn",
};

const char *cfmt_proposal_name(cfmt_proposal_e state)
{
    return (unsigned)state < CFMT_PROPOSAL_STATES ? names[state] : "?";
}

/* A word that nobody knows is no state in which anything can be decided. */
static cfmt_proposal_e state_by_name(const char *name)
{
    int i;

    for (i = 0; i < CFMT_PROPOSAL_STATES; i++) {
        if (name && !strcmp(names[i], name)) {
            break;
        }
    }
    return (cfmt_proposal_e)i;
}

static void take_proposal(void *row, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_proposal_row_t *pr = row;

    pr->id = cfmt_col_int(st, 0);
    pr->prefix = cfmt_col_cidr(st, 1);
    pr->want = (int)cfmt_col_int(st, 2);
    pr->attack = cfmt_col_text(st, 3, p);
    pr->reason = cfmt_col_text(st, 4, p);
    pr->made_at = cfmt_col_int(st, 5);
    pr->expires_at = cfmt_col_int(st, 6);
    pr->state = state_by_name((const char *)sqlite3_column_text(st, 7));
    pr->decided_at = cfmt_col_int(st, 8);
    pr->decided_by = cfmt_col_text(st, 9, p);
    pr->decided_why = cfmt_col_text(st, 10, p);
}

apr_status_t cfmt_proposal_load(cfmt_store_t *s, cfmt_proposal_row_t *pr, apr_int64_t id,
                                apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "WHERE id = ?1");

    cfmt_bind_int(st, 1, id);
    return cfmt_act_row(s, st, pr, sizeof(*pr), take_proposal, p);
}

apr_status_t cfmt_proposals_open(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "INDEXED BY proposal_open WHERE decided_at IS NULL"
                                          " ORDER BY id");

    return cfmt_act_rows(s, st, prows, sizeof(cfmt_proposal_row_t), take_proposal, p);
}

apr_status_t cfmt_proposals_list(cfmt_store_t *s, int limit, apr_array_header_t **prows,
                                 apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "ORDER BY id DESC LIMIT ?1");

    cfmt_bind_int(st, 1, limit);
    return cfmt_act_rows(s, st, prows, sizeof(cfmt_proposal_row_t), take_proposal, p);
}

/* *pid: the open one for this prefix and want; 0 = none. */
static apr_status_t find_open(cfmt_store_t *s, const cfmt_proposal_row_t *pr, apr_int64_t *pid)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id FROM proposal WHERE prefix = ?1 AND want = ?2"
                                   " AND decided_at IS NULL");

    *pid = 0;
    cfmt_bind_cidr(st, 1, &pr->prefix);
    cfmt_bind_int(st, 2, pr->want != 0);
    return cfmt_sql_int(s, st, pid);
}

static apr_status_t insert(cfmt_store_t *s, cfmt_proposal_row_t *pr)
{
    sqlite3_stmt *st = cfmt_sql(s, "INSERT INTO proposal(prefix, want, attack, reason, made_at,"
                                   " expires_at, state) VALUES(?1, ?2, ?3, ?4, ?5, ?6, 'open')");
    apr_status_t rv;

    cfmt_bind_cidr(st, 1, &pr->prefix);
    cfmt_bind_int(st, 2, pr->want != 0);
    cfmt_bind_text(st, 3, pr->attack);
    cfmt_bind_text(st, 4, pr->reason ? pr->reason : "");
    cfmt_bind_int(st, 5, pr->made_at);
    cfmt_bind_int(st, 6, pr->expires_at);
    rv = cfmt_sql_run(s, st);
    pr->id = sqlite3_last_insert_rowid(s->db);
    return rv;
}

apr_status_t cfmt_proposal_make(cfmt_store_t *s, cfmt_proposal_row_t *pr)
{
    apr_int64_t open;
    apr_status_t rv;

    if (!pr->prefix.family || pr->expires_at <= pr->made_at) {
        return CFMT_EINVALID;
    }
    rv = find_open(s, pr, &open);
    if (rv != APR_SUCCESS || open) {
        return rv == APR_SUCCESS ? CFMT_EEXIST : rv;
    }
    return insert(s, pr);
}

/* May it still be ended so? */
static apr_status_t check_end(cfmt_store_t *s, apr_int64_t id, cfmt_proposal_e state, apr_time_t at)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT decided_at IS NULL, expires_at FROM proposal"
                                   " WHERE id = ?1");
    int answer = state == CFMT_PROPOSAL_APPROVED || state == CFMT_PROPOSAL_DENIED;
    apr_status_t rv;
    int may;

    cfmt_bind_int(st, 1, id);
    if (!cfmt_sql_row(s, st, &rv)) {
        return rv == APR_SUCCESS ? CFMT_EMISSING : rv;
    }
    may = cfmt_col_int(st, 0) && (!answer || cfmt_col_int(st, 1) > at);
    cfmt_sql_done(st);
    return may ? APR_SUCCESS : CFMT_EINVALID;
}

apr_status_t cfmt_proposal_decide(cfmt_store_t *s, apr_int64_t id, cfmt_proposal_e state,
                                  const char *who, const char *why, apr_time_t at)
{
    sqlite3_stmt *st;
    apr_status_t rv;

    if (state == CFMT_PROPOSAL_OPEN || (unsigned)state >= CFMT_PROPOSAL_STATES
        || !cfmt_act_said(who)) {
        return CFMT_EINVALID;
    }
    rv = check_end(s, id, state, at);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    st = cfmt_sql(s, "UPDATE proposal SET state = ?2, decided_at = ?3, decided_by = ?4,"
                     " decided_why = ?5 WHERE id = ?1");
    cfmt_bind_int(st, 1, id);
    cfmt_bind_text(st, 2, names[state]);
    cfmt_bind_int(st, 3, at);
    cfmt_bind_text(st, 4, who);
    cfmt_bind_text(st, 5, why ? why : "");
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_proposals_expire(cfmt_store_t *s, apr_time_t at, int *pn)
{
    sqlite3_stmt *st = cfmt_sql(s, "UPDATE proposal SET state = 'expired', decided_at = ?1,"
                                   " decided_by = 'engine', decided_why = ''"
                                   " WHERE decided_at IS NULL AND expires_at <= ?1");
    apr_status_t rv;

    cfmt_bind_int(st, 1, at);
    rv = cfmt_sql_run(s, st);
    *pn = rv == APR_SUCCESS ? sqlite3_changes(s->db) : 0;
    return rv;
}

/* ---- adoptions ------------------------------------------------------------------------------- */

static void take_adoption(void *row, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_adoption_row_t *a = row;

    a->prefix = cfmt_col_cidr(st, 0);
    a->advertised_at = cfmt_col_int(st, 1);
    a->who = cfmt_col_text(st, 2, p);
    a->reason = cfmt_col_text(st, 3, p);
    a->at = cfmt_col_int(st, 4);
}

apr_status_t cfmt_adoption_put(cfmt_store_t *s, const cfmt_adoption_row_t *a)
{
    sqlite3_stmt *st;
    apr_status_t rv;

    if (!a->prefix.family || !cfmt_act_said(a->who)) {
        return CFMT_EINVALID;
    }
    st = cfmt_sql(s, "INSERT INTO adoption(prefix, advertised_at, who, reason, at)"
                     " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(prefix, advertised_at) DO NOTHING");
    cfmt_bind_cidr(st, 1, &a->prefix);
    cfmt_bind_int(st, 2, a->advertised_at);
    cfmt_bind_text(st, 3, a->who);
    cfmt_bind_text(st, 4, a->reason ? a->reason : "");
    cfmt_bind_int(st, 5, a->at);
    rv = cfmt_sql_run(s, st);
    return rv == APR_SUCCESS && !sqlite3_changes(s->db) ? CFMT_EEXIST : rv;
}

apr_status_t cfmt_adoptions_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT prefix, advertised_at, who, reason, at"
                                   " FROM adoption AS o WHERE NOT EXISTS(SELECT 1 FROM adoption AS"
                                   " n WHERE n.prefix = o.prefix"
                                   " AND n.advertised_at > o.advertised_at) ORDER BY prefix");

    return cfmt_act_rows(s, st, prows, sizeof(cfmt_adoption_row_t), take_adoption, p);
}
