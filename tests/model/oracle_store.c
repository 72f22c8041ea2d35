/*
 * What the store must hold: every delivery that was answered, each change with one cause, sound
 * projections, a sound audit chain.
 */
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmt_store_outbox.h"
#include "model.h"
#include "store/store_private.h"

/* ---- deliveries ------------------------------------------------------------------------------ */

static void check_deliveries(void)
{
    apr_int64_t lost = eye_int(
        "SELECT count(*) FROM journal j WHERE kind = 'delivery'"
        " AND id <= (SELECT value FROM meta WHERE name = 'cursor')"
        " AND NOT EXISTS (SELECT 1 FROM event e WHERE e.id = j.id)"
        " AND NOT EXISTS (SELECT 1 FROM event_repeat r WHERE r.id = j.id)");

    if (lost) {
        model_fail(5, "%" APR_INT64_T_FMT " deliveries that were answered are no events", lost);
    }
}

/* Traffic behind its END opens it again, whosever traffic it is. */
static int goes_on(const attack_t *a, apr_time_t end)
{
    int i, k, shared;

    for (i = m.w.first; i < m.w.attacks->nelts; i++) {
        const attack_t *b = APR_ARRAY_IDX(m.w.attacks, i, attack_t *);

        for (shared = k = 0; k < PREFIXES; k++) {
            shared |= attack_is_on(a, &m.w.prefix[k]) && attack_is_on(b, &m.w.prefix[k]);
        }
        if (shared && b->to > end - 5 * MIN) {
            return 1;
        }
    }
    return 0;
}

/* By what was answered, unless traffic or the history says otherwise. */
static void check_attack(const attack_t *a, apr_int64_t cursor, apr_pool_t *p)
{
    apr_time_t start = 0, end = 0;
    const char *state;
    int i;

    for (i = 0; i < a->reported; i++) {
        const report_t *r = &a->reports[i];
        apr_time_t *last = r->end ? &end : &start;

        if (r->row > cursor) {
            return;
        }
        *last = r->ts > *last ? r->ts : *last;
    }
    if (!a->reported) {
        return;
    }
    state = eye_text(apr_psprintf(p, "SELECT ifnull(a.ended_by, 'open') FROM attack a JOIN event e"
                                  " ON e.attack = a.id WHERE e.id = (SELECT ifnull((SELECT first"
                                  " FROM event_repeat WHERE id = %" APR_INT64_T_FMT
                                  "), %" APR_INT64_T_FMT "))", a->reports[0].row,
                                  a->reports[0].row), p);
    if (!state) {
        if (eye_int("SELECT value FROM meta WHERE name = 'pruned_to'") < a->reports[0].row) {
            model_fail(5, "attack %d was told of and is not there", a->number);
        }
    }
    else if (start > end && !strcmp(state, "end") && a->end_shown < start) {
        model_fail(5, "attack %d is taken for ended: its last word was START", a->number);
    }
    else if (end >= start && end >= a->last_start && !strcmp(state, "open")
             && !goes_on(a, end)) {
        model_fail(5, "attack %d is taken for open: its last word was END", a->number);
    }
}

static void check_attacks(void)
{
    apr_int64_t cursor = eye_int("SELECT value FROM meta WHERE name = 'cursor'");
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, m.pool);
    for (i = m.w.first; i < m.w.attacks->nelts; i++) {
        check_attack(APR_ARRAY_IDX(m.w.attacks, i, attack_t *), cursor, p);
    }
    apr_pool_destroy(p);
}

/* ---- causes ---------------------------------------------------------------------------------- */

static apr_int64_t states_to;         /* rows of the journal that are counted */
static apr_int64_t states_n[PREFIXES]; /* changes in them */
static apr_time_t state_at[PREFIXES];  /* the last one */

static void causes_begin(void)
{
    states_to = 0;
    memset(states_n, 0, sizeof(states_n));
    memset(state_at, 0, sizeof(state_at));
}

static void count_state(const char *name, apr_time_t at)
{
    int i;

    for (i = 0; name && i < PREFIXES; i++) {
        if (!strcmp(m.w.prefix[i].text, name) && at && at != state_at[i]) {
            states_n[i]++;
            state_at[i] = at;
        }
    }
}

/* Each time: the journal does not keep them for ever. */
static void count_states(void)
{
    static const char sql[] =
        "SELECT id, json_extract(body, '$.cidr'), json_extract(body, '$.advertised_at')"
        " FROM journal WHERE id > ?1 AND kind = 'prefix_state' ORDER BY id";
    sqlite3_stmt *st;

    if (sqlite3_prepare_v2(eye_store()->db, sql, -1, &st, NULL) != SQLITE_OK) {
        model_fail(0, "%s: %s", sql, sqlite3_errmsg(eye_store()->db));
        return;
    }
    sqlite3_bind_int64(st, 1, states_to);
    while (sqlite3_step(st) == SQLITE_ROW) {
        states_to = sqlite3_column_int64(st, 0);
        count_state((const char *)sqlite3_column_text(st, 1), sqlite3_column_int64(st, 2));
    }
    sqlite3_finalize(st);
}

static void check_causes(void)
{
    apr_int64_t twice = eye_int("SELECT count(*) - count(DISTINCT ref) FROM audit"
                                " WHERE what IN ('advertise', 'withdraw')");
    int i;

    if (twice) {
        model_fail(6, "%" APR_INT64_T_FMT " changes are recorded twice", twice);
    }
    for (i = 0; i < PREFIXES; i++) {
        const char *name = m.w.prefix[i].text;
        apr_int64_t told = eye_int("SELECT count(*) FROM audit WHERE what LIKE 'change.%%'"
                                   " AND prefix = '%s'", name);

        /* the first was there before; the cause of the last may not be certain yet */
        if (told > states_n[i] || told < states_n[i] - 2) {
            model_fail(6, "%s: %" APR_INT64_T_FMT " changes were read and %" APR_INT64_T_FMT
                       " have a cause", name, states_n[i], told);
        }
    }
}

/* ---- audit ----------------------------------------------------------------------------------- */

static cfmt_audit_head_t anchor; /* noted at the check before */

void oracle_store_begin(void)
{
    memset(&anchor, 0, sizeof(anchor));
    causes_begin();
    oracle_growth_begin();
}

static void check_audit(void)
{
    cfmt_audit_check_t check;
    apr_pool_t *p;

    apr_pool_create(&p, m.pool);
    if (cfmt_audit_verify(eye_store(), anchor.id ? &anchor : NULL, &check, p) != APR_SUCCESS
        || check.problem) {
        model_fail(9, "the audit chain is not sound: %s", check.problem ? check.detail : "unread");
    }
    anchor = check.head;
    apr_pool_destroy(p);
}

/* ---- projections ----------------------------------------------------------------------------- */

static void show_difference(const char *got, const char *want)
{
    int i, line = 0;

    for (i = 0; got[i] && got[i] == want[i]; i++) {
        line = got[i] == '\n' ? i + 1 : line;
    }
    if (got[i] != want[i]) {
        model_fail(8, "a rebuild gives other rows:\n--- rebuilt\n%.400s\n--- was\n%.400s",
                   got + line, want + line);
    }
}

static apr_status_t project_all(cfmt_store_t *s, apr_pool_t *p)
{
    cfmt_projector_t *pr = cfmt_projector_create(NULL, p);
    apr_status_t rv = APR_SUCCESS;
    int done = 1;

    while (rv == APR_SUCCESS && done) {
        rv = cfmt_project_step(pr, s, 200, &done, p);
    }
    return rv;
}

/* A rebuild tells nothing. */
static void check_silence(cfmt_store_t *s, apr_int64_t told)
{
    apr_array_header_t *rows;
    apr_pool_t *p;

    apr_pool_create(&p, m.pool);
    if (cfmt_outbox_list(s, NULL, 0, 1, &rows, p) != APR_SUCCESS
        || (rows->nelts && APR_ARRAY_IDX(rows, 0, cfmt_outbox_row_t).id > told)) {
        model_fail(7, "a rebuild tells people something");
    }
    apr_pool_destroy(p);
}

/* Of a copy: nobody else is disturbed. */
static void check_rebuild(void)
{
    const char *copy = apr_pstrcat(m.pool, m.db, ".copy", NULL), *want;
    cfmt_store_t *s = NULL;
    apr_int64_t told = eye_int("SELECT max(id) FROM outbox");
    apr_pool_t *p;

    apr_pool_create(&p, m.pool);
    (void)cfmt_sql_exec(eye_store(), apr_pstrcat(p, "VACUUM INTO '", copy, "'", NULL));
    if (cfmt_prepare_store(copy, NULL, model_clock(), NULL, p) != APR_SUCCESS
        || cfmt_store_open(&s, copy, CFMT_STORE_WRITE, NULL, p) != APR_SUCCESS
        || project_all(s, p) != APR_SUCCESS) {
        model_fail(8, "the copy cannot be projected");
    }
    else {
        want = eye_dump(s, p);
        if (cfmt_project_reset(s) != APR_SUCCESS || project_all(s, p) != APR_SUCCESS) {
            model_fail(8, "the copy cannot be rebuilt");
        }
        show_difference(eye_dump(s, p), want);
        check_silence(s, told);
    }
    apr_pool_destroy(p);
    (void)unlink(copy);
    (void)unlink(apr_pstrcat(m.pool, copy, "-wal", NULL));
    (void)unlink(apr_pstrcat(m.pool, copy, "-shm", NULL));
    (void)unlink(apr_pstrcat(m.pool, copy, ".lock", NULL));
}

/* ---- all of it ------------------------------------------------------------------------------- */

void oracle_store(int end)
{
    check_deliveries();
    check_attacks();
    check_audit();
    oracle_growth(end);
    count_states();
    check_causes();
    if (end) {
        check_rebuild();
    }
}
