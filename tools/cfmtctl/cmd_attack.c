/*
 * attack close: one command row in the journal, then a wait until the leader has projected it.
 * Where no leader is alive this process leads for one round at a time; there is no second way to
 * change an attack.
 */
#include <signal.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_engine.h"
#include "cfmtctl.h"

#define BEGIN_TIMEOUT apr_time_from_sec(5)
#define WAIT_LIMIT apr_time_from_sec(5)
#define CATCH_UP_LIMIT apr_time_from_sec(2)
#define WAIT_STEP apr_time_from_msec(50)

/* ---- leading for a round --------------------------------------------------------------------- */

/* The engine's word only where somebody has to act: it lands between our own lines. */
static void engine_says(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton, (void)level;
    fprintf(stderr, "cfmtctl: %s\n", line);
}

/* A stopped process that holds the leader lock would stop the engine of the host. */
static void block_stop(sigset_t *before)
{
    sigset_t stops;

    sigemptyset(&stops);
    sigaddset(&stops, SIGTSTP);
    sigaddset(&stops, SIGTTIN);
    sigaddset(&stops, SIGTTOU);
    sigprocmask(SIG_BLOCK, &stops, before);
}

/* True when we led: the lock was free, so no leader is alive. */
static int lead_once(const char *db, apr_pool_t *p)
{
    static const cfmt_log_t log = { .write = engine_says, .max = CFMT_LOG_WARNING };
    cfmt_engine_conf_t conf = { .db = db, .log = &log };
    cfmt_leader_t *leader;
    cfmt_result_t r;
    apr_status_t rv;
    sigset_t before;

    block_stop(&before);
    rv = cfmt_leader_take(&leader, db, apr_time_now(), p);
    if (rv == APR_SUCCESS) {
        cfmt_engine_project(cfmt_engine_create(&conf, p), &r, p);
        cfmt_leader_release(leader);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return rv == APR_SUCCESS;
}

static int is_projected(cfmt_store_t *s, apr_int64_t id)
{
    apr_int64_t cursor;

    return cfmt_meta_int(s, CFMT_META_CURSOR, 0, &cursor) == APR_SUCCESS && cursor >= id;
}

/*
 * Until journal row id is projected, by whoever leads. A round of ours that did not get there
 * will not get better.
 */
static int wait_projected(cfmt_store_t *s, apr_int64_t id, apr_interval_time_t timeout,
                          apr_pool_t *p)
{
    apr_time_t limit = cfmt_monotonic() + timeout;
    apr_pool_t *round;
    int led = 0, done = is_projected(s, id);

    apr_pool_create(&round, p);
    while (!done && !led && cfmt_monotonic() < limit) {
        led = lead_once(cfmt_store_path(s), round);
        apr_pool_clear(round);
        if (!led) {
            apr_sleep(WAIT_STEP);
        }
        done = is_projected(s, id);
    }
    apr_pool_destroy(round);
    return done;
}

/* ---- which attack ---------------------------------------------------------------------------- */

static int several(const ctl_t *ctl, const apr_array_header_t *rows)
{
    const char *ids = "";
    int i;

    for (i = 0; i < rows->nelts; i++) {
        ids = apr_pstrcat(ctl->pool, ids, i ? ", " : "",
                          APR_ARRAY_IDX(rows, i, cfmt_attack_row_t).id, NULL);
    }
    ctl_complain(CFMT_ID(0733), "several attacks are called '%s': name one of %s",
                 ctl_text(ctl->pool, ctl->operands[0]), ids);
    return CTL_USAGE;
}

static int find_attack(const ctl_t *ctl, cfmt_store_t *s, const char *name, cfmt_attack_row_t *a)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_query_attack_find(s, name, &rows, ctl->pool);

    if (rv != APR_SUCCESS) {
        return ctl_store_failed(ctl, rv, cfmt_store_error(s));
    }
    if (rows->nelts > 1) {
        return several(ctl, rows);
    }
    if (rows->nelts == 0) {
        ctl_complain(CFMT_ID(0734), "no attack is called '%s'; 'cfmtctl attacks' lists them",
                     ctl_text(ctl->pool, name));
        return CTL_FAILED;
    }
    *a = APR_ARRAY_IDX(rows, 0, cfmt_attack_row_t);
    return CTL_DONE;
}

/* What is in the journal already may be the attack that is meant, its END or its next START. */
static int catch_up(const ctl_t *ctl, cfmt_store_t *s)
{
    cfmt_health_rows_t h;

    if (cfmt_query_health(s, &h) != APR_SUCCESS || !h.oldest_lag_at
        || wait_projected(s, h.head, CATCH_UP_LIMIT, ctl->pool)) {
        return 1;
    }
    ctl_complain(CFMT_ID(0735), "the newest deliveries are not considered, nobody projects the"
                                " journal: see 'cfmtctl db check'");
    return 0;
}

/* ---- the command row ------------------------------------------------------------------------- */

static apr_status_t write_command(const ctl_t *ctl, cfmt_store_t *s, const char *id,
                                  apr_int64_t *prow)
{
    cfmt_entry_t e = { .kind = "command", .at = ctl_now(ctl) };
    apr_status_t rv;

    e.origin = apr_pstrcat(ctl->pool, "user ", ctl->user, NULL);
    e.body = apr_pstrcat(ctl->pool, "{\"command\":\"attack.close\",\"id\":",
                         ctl_json_string(ctl->pool, id), ctl->reason ? ",\"reason\":" : "",
                         ctl->reason ? ctl_json_string(ctl->pool, ctl->reason) : "", "}", NULL);
    e.len = strlen(e.body);
    rv = cfmt_store_begin(s, BEGIN_TIMEOUT);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_journal_append(s, &e);
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv;
    }
    *prow = e.id;
    return cfmt_store_commit(s);
}

/* ---- what came of it ------------------------------------------------------------------------- */

static void say(const ctl_t *ctl, const char *outcome, const cfmt_attack_row_t *a, apr_int64_t row,
                const char *sentence)
{
    if (!ctl->json) {
        printf("%s\n", sentence);
        return;
    }
    printf("{\"version\":1,\"outcome\":\"%s\",\"journal_id\":%s,\"attack\":%s}\n", outcome,
           row ? apr_psprintf(ctl->pool, "%" APR_INT64_T_FMT, row) : "null",
           ctl_attack_json(a, ctl_now(ctl), ctl->pool));
}

static void say_ended(const ctl_t *ctl, const cfmt_attack_row_t *a)
{
    say(ctl, "already_ended", a, 0,
        apr_psprintf(ctl->pool, "attack %s had already ended at %s (by %s); nothing was changed",
                     a->id, ctl_time(ctl->pool, a->ended_at), ctl_text(ctl->pool, a->ended_by)));
}

static int say_unknown(const ctl_t *ctl, const cfmt_attack_row_t *a, apr_int64_t row)
{
    say(ctl, "written", a, row,
        apr_psprintf(ctl->pool, "attack %s: closing is written (journal row %" APR_INT64_T_FMT ")",
                     a->id, row));
    ctl_complain(CFMT_ID(0736),
                 "nobody has carried it out within %d s; do not repeat it, the leader will:"
                 " see 'cfmtctl db check' and 'cfmtctl attacks'",
                 (int)apr_time_sec(WAIT_LIMIT));
    return CTL_UNKNOWN;
}

static int say_result(const ctl_t *ctl, const cfmt_attack_row_t *a, apr_int64_t row)
{
    if (!strcmp(a->state, "open")) {
        say(ctl, "still_open", a, row,
            apr_psprintf(ctl->pool, "attack %s is still open (journal row %" APR_INT64_T_FMT ")",
                         a->id, row));
        ctl_complain(CFMT_ID(0737), "a START with a later time than the command keeps it open:"
                                    " is this host's clock right ('timedatectl')?");
        return CTL_FAILED;
    }
    say(ctl, "closed", a, row,
        apr_psprintf(ctl->pool, "attack %s closed by %s after %s (journal row %" APR_INT64_T_FMT
                     ")", a->id, ctl->user, ctl_duration(ctl->pool, a->ended_at - a->started_at),
                     row));
    return CTL_DONE;
}

static int close_attack(const ctl_t *ctl, cfmt_store_t *s)
{
    cfmt_attack_row_t a = { .state = "" };
    apr_int64_t row = 0;
    apr_status_t rv;
    int code, caught_up = catch_up(ctl, s);

    code = find_attack(ctl, s, ctl->operands[0], &a);
    if (code != CTL_DONE) {
        return code;
    }
    if (strcmp(a.state, "open")) {
        say_ended(ctl, &a);
        return caught_up ? CTL_DONE : CTL_UNKNOWN;
    }
    rv = write_command(ctl, s, a.id, &row);
    if (rv != APR_SUCCESS) {
        return ctl_store_failed(ctl, rv, cfmt_store_error(s));
    }
    if (!wait_projected(s, row, WAIT_LIMIT, ctl->pool)) {
        return say_unknown(ctl, &a, row);
    }
    code = find_attack(ctl, s, a.id, &a);
    return code == CTL_DONE ? say_result(ctl, &a, row) : code;
}

int ctl_attack_close(ctl_t *ctl)
{
    cfmt_store_t *s;
    int code = ctl_become(ctl);

    if (code != CTL_DONE || (code = ctl_open(ctl, CFMT_STORE_WRITE, &s)) != CTL_DONE) {
        return code;
    }
    return close_attack(ctl, s);
}
