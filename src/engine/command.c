/*
 * Operators' commands: journal rows that the leader carries out, each exactly once and in their
 * order. What it comes to is one transaction: the change, its link of the audit chain, the answer,
 * and how far commands are done.
 */
#include <string.h>

#include <apr_strings.h>

#include "command.h"

#define META_DONE "commands_done" /* highest journal id that has been looked at for commands */
#define STEP_WAIT apr_time_from_msec(250)
#define ROWS_MAX 200              /* of the journal, looked at in one step */
#define WORK_FOR apr_time_from_msec(500)  /* in one round: heartbeat and stop must not wait */
#define TOO_OLD apr_time_from_sec(300)    /* a wish of then is none of now */

apr_status_t cfmt_answer(cfmt_command_t *c, const char *outcome, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    c->text = apr_pvsprintf(c->p, fmt, ap);
    va_end(ap);
    c->outcome = outcome;
    c->code = code;
    return APR_SUCCESS;
}

apr_status_t cfmt_refuse(cfmt_command_t *c, const char *why)
{
    return cfmt_answer(c, "failed", CODE_FAILED, "%s", why);
}

/* ---- reading --------------------------------------------------------------------------------- */

static apr_status_t need_scene(cfmt_command_t *c)
{
    if (c->sc) {
        return APR_SUCCESS;
    }
    c->sc = apr_palloc(c->p, sizeof(*c->sc));
    return cfmt_scene_load(c->sc, c->e, c->now, c->p);
}

int cfmt_command_prefix(const cfmt_command_t *c, cfmt_cidr_t *cidr)
{
    const char *text = cfmt_json_text(c->doc, "prefix");

    return text && cfmt_cidr_parse(cidr, NULL, text) == APR_SUCCESS;
}

/* *prow NULL: answered already. */
apr_status_t cfmt_command_row(cfmt_command_t *c, const cfmt_prefix_row_t **prow)
{
    cfmt_cidr_t cidr;
    apr_status_t rv = need_scene(c);

    *prow = NULL;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!cfmt_command_prefix(c, &cidr)) {
        return cfmt_refuse(c, "the command names no prefix");
    }
    *prow = cfmt_prefix_find(c->sc->prefixes, &cidr);
    return *prow ? APR_SUCCESS
                 : cfmt_answer(c, "failed", CODE_FAILED, "%s is not a BGP prefix of the account",
                               cfmt_cidr_format(c->p, &cidr));
}

apr_status_t cfmt_command_record(const cfmt_command_t *c, const char *what,
                                 const cfmt_cidr_t *prefix, const char *ref)
{
    return cfmt_record(c->e, c->now, what,
                       !prefix ? NULL : prefix->family ? cfmt_cidr_format(c->p, prefix) : "*",
                       c->who, c->reason,
                       ref ? ref : apr_psprintf(c->p, "journal %" APR_INT64_T_FMT, c->row->id));
}

/* The id of what the command is about; 0 = none. */
apr_int64_t cfmt_command_id(const cfmt_command_t *c)
{
    apr_int64_t id;

    return cfmt_json_int(&id, c->doc, "id") == APR_SUCCESS && id > 0 ? id : 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/*
 * scene: it looks at the state of things, which is read before the lock is taken. late: what only
 * leaves things as they are is carried out whenever it is found; what was asked for long ago, when
 * nobody was there to do it, would come as a surprise.
 */
static const struct {
    const char *name;
    cfmt_command_fn *run;
    int scene, late;
    int drill; /* no row of kind `command`, but a delivery that was marked so */
} commands[] = {
    { .name = "advertise", .run = cfmt_command_advertise, .scene = 1 },
    { .name = "withdraw", .run = cfmt_command_withdraw, .scene = 1 },
    { .name = "hold", .run = cfmt_command_do_hold, .late = 1 },
    { .name = "release", .run = cfmt_command_release },
    { .name = "adopt", .run = cfmt_command_adopt, .scene = 1 },
    { .name = "window.add", .run = cfmt_command_window_add, .late = 1 },
    { .name = "window.remove", .run = cfmt_command_window_remove },
    { .name = "cancel", .run = cfmt_command_cancel, .late = 1 },
    { .name = "approve", .run = cfmt_command_approve, .scene = 1 },
    { .name = "deny", .run = cfmt_command_deny, .late = 1 },
    { .name = "ack", .run = cfmt_command_ack, .late = 1 },
    { .name = "outbox.retry", .run = cfmt_command_retry },
    { .name = "outbox.drop", .run = cfmt_command_drop, .late = 1 },
    { .name = "notify.test", .run = cfmt_command_test },
    { .name = "prune", .run = cfmt_command_prune },
    { .name = "drill", .drill = 1, .run = cfmt_command_drill, .scene = 1 },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static apr_status_t write_answer(const cfmt_command_t *c)
{
    cfmt_entry_t entry = { .kind = "result", .origin = "engine", .at = c->now };

    entry.tag = apr_psprintf(c->p, "command %" APR_INT64_T_FMT, c->row->id);
    entry.body = apr_psprintf(
        c->p,
        "{\"command\":%" APR_INT64_T_FMT ",\"outcome\":\"%s\",\"code\":%d,\"text\":%s,"
        "\"intent\":%" APR_INT64_T_FMT ",\"proposal\":%" APR_INT64_T_FMT ",\"at\":%" APR_TIME_T_FMT
        "%s}",
        c->row->id, c->outcome, c->code, cfmt_json_quote(c->p, c->text), c->intent, c->proposal,
        c->at, c->more ? c->more : "");
    entry.len = strlen(entry.body);
    return cfmt_journal_append(c->e->store, &entry);
}

static void tell(const cfmt_command_t *c)
{
    cfmt_log(c->e->conf.log, CFMT_LOG_NOTICE, CFMT_ID(0975) "command %s of %s (journal row %"
             APR_INT64_T_FMT "): %s: %s", c->name, c->who, c->row->id, c->outcome, c->text);
}

/* NULL: not one of these. */
static cfmt_command_t *read_command(cfmt_engine_t *e, const cfmt_journal_row_t *row,
                                    apr_size_t *pwhich, apr_pool_t *p)
{
    const cfmt_json_limits_t limits = { .depth = 32 };
    cfmt_command_t *c = apr_pcalloc(p, sizeof(*c));
    int drill = !strcmp(row->kind, "drill");
    cfmt_json_t *doc;
    const char *why;

    if ((!drill && strcmp(row->kind, "command")) || !row->body
        || cfmt_json_parse(&doc, &why, row->body, row->len, &limits, p) != APR_SUCCESS
        || !(c->name = drill ? "drill" : cfmt_json_text(doc, "command"))) {
        return NULL;
    }
    for (*pwhich = 0; *pwhich < COMMANDS && (commands[*pwhich].drill != drill
                                             || strcmp(commands[*pwhich].name, c->name));
         (*pwhich)++) {
    }
    c->e = e;
    c->p = p;
    c->now = cfmt_clock_now(e->conf.clock);
    c->row = row;
    c->doc = doc;
    c->who = row->origin && *row->origin ? row->origin : "unknown";
    c->reason = cfmt_json_text(doc, "reason") ? cfmt_json_text(doc, "reason") : "";
    return *pwhich < COMMANDS ? c : NULL;
}

static apr_status_t run(cfmt_command_t *c, apr_size_t which)
{
    apr_interval_time_t age = c->now - c->row->at;

    if (!commands[which].late && age > cfmt_clock_span(c->e->conf.clock, TOO_OLD)) {
        return cfmt_answer(c, "failed", CODE_FAILED, "it has waited for %s, nobody led: not carried"
                           " out, ask for it again",
                           cfmt_duration_format(c->p, age - age % APR_USEC_PER_SEC));
    }
    return commands[which].run(c);
}

/* *pfresh 0: another leader has done it meanwhile. */
static apr_status_t is_fresh(const cfmt_engine_t *e, apr_int64_t id, int *pfresh)
{
    apr_int64_t done;
    apr_status_t rv = cfmt_meta_int(e->store, META_DONE, 0, &done);

    *pfresh = rv == APR_SUCCESS && done < id;
    return rv;
}

/* In one transaction: the command (NULL: none of ours), its answer, and how far they are done. */
static apr_status_t carry_out(cfmt_engine_t *e, cfmt_command_t *c, apr_size_t which, apr_int64_t id,
                              int *pfresh)
{
    cfmt_audit_head_t head = e->audit;
    apr_status_t rv = cfmt_store_begin(e->store, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = is_fresh(e, id, pfresh);
    if (rv == APR_SUCCESS && *pfresh && c) {
        rv = c->outcome ? APR_SUCCESS : run(c, which);
        rv = rv == APR_SUCCESS ? write_answer(c) : rv;
    }
    rv = rv == APR_SUCCESS && *pfresh ? cfmt_meta_set_int(e->store, META_DONE, id) : rv;
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(e->store);
    }
    else {
        rv = cfmt_store_commit(e->store);
    }
    if (rv != APR_SUCCESS) {
        e->audit = head; /* no such row is there */
    }
    return rv;
}

/* The command's fault and not the store's: it must not be in the way of all others. */
static int is_its_fault(apr_status_t rv)
{
    return rv == CFMT_EINVALID || rv == CFMT_EEXIST || rv == CFMT_EMISSING;
}

/* One that fails for the store's sake is still there the next time. */
static apr_status_t take(cfmt_engine_t *e, const cfmt_journal_row_t *row, apr_pool_t *p)
{
    apr_size_t which = 0;
    cfmt_command_t *c = read_command(e, row, &which, p);
    apr_status_t rv = c && commands[which].scene ? need_scene(c) : APR_SUCCESS;
    int fresh = 0;

    rv = rv == APR_SUCCESS ? carry_out(e, c, which, row->id, &fresh) : rv;
    if (c && is_its_fault(rv)) {
        cfmt_refuse(c, apr_pstrcat(p, "it cannot be carried out: ", cfmt_status_name(rv), NULL));
        rv = carry_out(e, c, which, row->id, &fresh);
    }
    if (rv == APR_SUCCESS && c && fresh) {
        e->journaled = 1;
        e->reads++; /* decided anew */
        tell(c);
        cfmt_record_anchor(e);
    }
    return rv;
}

/* Rows without a command only move the mark, when there are enough of them. */
static apr_status_t move_on(cfmt_engine_t *e, apr_int64_t to)
{
    apr_status_t rv = cfmt_store_begin(e->store, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_meta_set_int(e->store, META_DONE, to);
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(e->store);
        return rv;
    }
    return cfmt_store_commit(e->store);
}

apr_status_t cfmt_commands_run(cfmt_engine_t *e, apr_pool_t *ptick)
{
    apr_array_header_t *rows;
    apr_int64_t done, cursor;
    apr_time_t end = cfmt_monotonic() + WORK_FOR;
    apr_pool_t *p;
    apr_status_t rv = cfmt_meta_int(e->store, META_DONE, 0, &done);
    int i;

    rv = rv == APR_SUCCESS ? cfmt_meta_int(e->store, CFMT_META_CURSOR, 0, &cursor) : rv;
    done = done < e->no_command ? e->no_command : done;
    if (rv != APR_SUCCESS || cursor <= done) {
        return rv;
    }
    rv = cfmt_commands_read(e->store, done, cursor, ROWS_MAX, &rows, ptick);
    apr_pool_create(&p, ptick);
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts && cfmt_monotonic() < end; i++) {
        apr_pool_clear(p);
        rv = take(e, &APR_ARRAY_IDX(rows, i, cfmt_journal_row_t), p);
    }
    apr_pool_destroy(p);
    if (rv == APR_SUCCESS && i == rows->nelts && rows->nelts < ROWS_MAX) {
        e->no_command = cursor;
        rv = cursor - done > 10000 ? move_on(e, cursor) : rv;
    }
    return rv;
}
