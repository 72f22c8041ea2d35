/*
 * attack close: one command row in the journal, then a wait until the leader has projected it.
 * Where no leader is alive this process leads for one round at a time; there is no second way to
 * change an attack.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"

#define CATCH_UP_LIMIT apr_time_from_sec(2)

/* ---- which attack ---------------------------------------------------------------------------- */

static int several(const ctl_t *ctl, const char *name, const apr_array_header_t *rows)
{
    const char *ids = "";
    int i;

    for (i = 0; i < rows->nelts; i++) {
        ids = apr_pstrcat(ctl->pool, ids, i ? ", " : "",
                          APR_ARRAY_IDX(rows, i, cfmt_attack_row_t).id, NULL);
    }
    ctl_complain(CFMT_ID(0733), "several attacks are called '%s': name one of %s",
                 ctl_text(ctl->pool, name), ids);
    return CTL_USAGE;
}

int ctl_find_attack(const ctl_t *ctl, cfmt_store_t *s, const char *name, cfmt_attack_row_t *a)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_query_attack_find(s, name, &rows, ctl->pool);

    if (rv != APR_SUCCESS) {
        return ctl_store_failed(ctl, rv, cfmt_store_error(s));
    }
    if (rows->nelts > 1) {
        return several(ctl, name, rows);
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
        || ctl_projected(ctl, s, h.head, CATCH_UP_LIMIT)) {
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
    ctl_order_t order = { .about = id };
    apr_status_t rv;

    order.body = ctl_order_body_id(ctl, "attack.close", ctl_json_string(ctl->pool, id));
    rv = ctl_orders_write(ctl, s, &order, 1);
    *prow = order.row;
    return rv;
}

/* ---- what came of it ------------------------------------------------------------------------- */

static void say(const ctl_t *ctl, const char *outcome, const cfmt_attack_row_t *a, apr_int64_t row,
                const char *sentence)
{
    if (!ctl->json) {
        printf("%s\n", sentence);
        return;
    }
    ctl_json_document(
        ctl, apr_psprintf(ctl->pool, "\"outcome\":\"%s\",\"journal_id\":%s,\"attack\":%s", outcome,
                          row ? apr_psprintf(ctl->pool, "%" APR_INT64_T_FMT, row) : "null",
                          ctl_attack_json(a, ctl_now(ctl), ctl->pool)));
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
                 (int)apr_time_sec(CTL_ANSWER_LIMIT));
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

    code = ctl_find_attack(ctl, s, ctl->operands[0], &a);
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
    if (!ctl_projected(ctl, s, row, CTL_ANSWER_LIMIT)) {
        return say_unknown(ctl, &a, row);
    }
    code = ctl_find_attack(ctl, s, a.id, &a);
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
