/*
 * Operators' commands: journal rows that the leader carries out, each exactly once and in their
 * order. What it comes to is one transaction: the change, its link of the audit chain, the answer,
 * and how far commands are done.
 */
#include <string.h>

#include <apr_strings.h>

#include "decide.h"
#include "sense.h"

#define META_DONE "commands_done" /* highest journal id that has been looked at for commands */
#define STEP_WAIT apr_time_from_msec(250)
#define ROWS_MAX 200              /* of the journal, looked at in one step */
#define TTL apr_time_from_sec(30 * 60)
#define TTL_MAX apr_time_from_sec(86400 * 3650)

/* Exit codes of cfmtctl (docs/cfmtctl.8). */
enum { CODE_DONE = 0, CODE_FAILED = 1, CODE_REFUSED = 3, CODE_LOCKED = 6 };

/* One command and its answer. */
typedef struct command_t {
    cfmt_engine_t *e;
    apr_pool_t *p;
    apr_time_t now;
    const cfmt_journal_row_t *row;
    const cfmt_json_t *doc;
    const char *name, *who, *reason;
    cfmt_scene_t *sc;               /* read when first needed */
    const char *outcome, *text;
    int code;
    apr_int64_t intent, proposal;
    apr_time_t at;
} command_t;

static apr_status_t answer(command_t *c, const char *outcome, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static apr_status_t answer(command_t *c, const char *outcome, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    c->text = apr_pvsprintf(c->p, fmt, ap);
    va_end(ap);
    c->outcome = outcome;
    c->code = code;
    return APR_SUCCESS;
}

static apr_status_t refuse(command_t *c, const char *why)
{
    return answer(c, "failed", CODE_FAILED, "%s", why);
}

/* ---- reading --------------------------------------------------------------------------------- */

static apr_status_t need_scene(command_t *c)
{
    if (c->sc) {
        return APR_SUCCESS;
    }
    c->sc = apr_palloc(c->p, sizeof(*c->sc));
    return cfmt_scene_load(c->sc, c->e, c->now, c->p);
}

static int read_prefix(const command_t *c, cfmt_cidr_t *cidr)
{
    const char *text = cfmt_json_text(c->doc, "prefix");

    return text && cfmt_cidr_parse(cidr, NULL, text) == APR_SUCCESS;
}

static int is_set(const command_t *c, const char *name)
{
    const cfmt_json_t *flag = cfmt_json_get(c->doc, name);

    return flag && flag->type == CFMT_JSON_BOOL && flag->flag;
}

/* *prow NULL: answered already. */
static apr_status_t find_row(command_t *c, const cfmt_prefix_row_t **prow)
{
    cfmt_cidr_t cidr;
    apr_status_t rv = need_scene(c);

    *prow = NULL;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!read_prefix(c, &cidr)) {
        return refuse(c, "the command names no prefix");
    }
    *prow = cfmt_prefix_find(c->sc->prefixes, &cidr);
    return *prow ? APR_SUCCESS
                 : answer(c, "failed", CODE_FAILED, "%s is not a BGP prefix of the account",
                          cfmt_cidr_format(c->p, &cidr));
}

static apr_status_t record(const command_t *c, const char *what, const cfmt_cidr_t *prefix,
                           const char *ref)
{
    return cfmt_record(c->e, c->now, what,
                       !prefix ? NULL : prefix->family ? cfmt_cidr_format(c->p, prefix) : "*",
                       c->who, c->reason,
                       ref ? ref : apr_psprintf(c->p, "journal %" APR_INT64_T_FMT, c->row->id));
}

static const char *intent_ref(const command_t *c)
{
    return apr_psprintf(c->p, "intent %" APR_INT64_T_FMT, c->intent);
}

/* ---- advertise, withdraw --------------------------------------------------------------------- */

static apr_status_t refuse_by_hand(command_t *c, const cfmt_case_t *cs, cfmt_hand_e hand,
                                   cfmt_gate_e gate)
{
    cfmt_gate_t g;

    cfmt_withdraw_gate(&g, gate, cs);
    return answer(c, "refused", hand == CFMT_HAND_LOCKED ? CODE_LOCKED : CODE_REFUSED,
                  "%s: %s", cfmt_cidr_format(c->p, &cs->cidr), cfmt_gate_text(&g, c->now, c->p));
}

static apr_status_t hold_it(command_t *c, const cfmt_cidr_t *cidr, const char *origin,
                            apr_interval_time_t length)
{
    cfmt_hold_row_t h = { .prefix = *cidr, .who = c->who, .reason = c->reason, .origin = origin,
                          .since = c->now, .until = length ? c->now + length : 0 };

    c->at = h.until;
    return cfmt_hold_put(c->e->store, &h);
}

static apr_interval_time_t hold_for(const command_t *c)
{
    return cfmt_sense_duration(c->e, "HoldFor", 0);
}

static apr_status_t make_intent(command_t *c, const cfmt_prefix_row_t *row, int want,
                                const char *cause, apr_time_t not_before)
{
    const cfmt_intent_row_t *open = cfmt_scene_intent(c->sc, &row->b.cidr);
    cfmt_intent_row_t in = { .prefix = row->b.cidr, .prefix_id = row->b.id, .want = want,
                             .cause = cause, .who = c->who, .reason = c->reason,
                             .proposal = c->proposal, .override = is_set(c, "override"),
                             .created_at = c->now, .not_before = not_before };
    apr_status_t rv;

    if (open && open->want == want) {
        c->intent = open->id;
        c->at = open->not_before;
        return answer(c, "already", CODE_DONE, "intent %" APR_INT64_T_FMT " of %s wants that"
                      " already", open->id, open->who);
    }
    rv = cfmt_intent_create(c->e->store, &in, open ? open->id : 0, c->p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    c->intent = in.id;
    c->at = not_before > c->now ? not_before : 0;
    rv = record(c, want ? "advertise" : "withdraw", &row->b.cidr, intent_ref(c));
    return rv != APR_SUCCESS ? rv
           : c->at ? answer(c, "queued", CODE_DONE, "%s: queued for %s (intent %" APR_INT64_T_FMT
                            ")", cfmt_cidr_format(c->p, &row->b.cidr),
                            cfmt_time_format(c->p, c->at), in.id)
                   : answer(c, "done", CODE_DONE, "%s: %s is requested (intent %" APR_INT64_T_FMT
                            ")", cfmt_cidr_format(c->p, &row->b.cidr),
                            want ? "advertising" : "withdrawing", in.id);
}

/* Advertised by hand is held, whatever it was before: the policy must not take it back. */
static apr_status_t by_hand(command_t *c, int want)
{
    const cfmt_prefix_row_t *row;
    cfmt_gate_e gate = CFMT_GATES;
    apr_time_t at = 0;
    cfmt_hand_e hand;
    cfmt_case_t cs;
    apr_status_t rv = find_row(c, &row);

    if (rv != APR_SUCCESS || !row) {
        return rv;
    }
    cfmt_scene_case(&cs, c->sc, row, cfmt_scene_standing(c->sc, &row->b.cidr));
    hand = cfmt_advertise_by_hand(&cs, want, &gate, &at);
    if (hand == CFMT_HAND_LOCKED || hand == CFMT_HAND_REFUSED
        || (hand == CFMT_HAND_OVERRIDE && !is_set(c, "override"))) {
        c->at = at;
        return refuse_by_hand(c, &cs, hand, gate);
    }
    if (want && (rv = hold_it(c, &row->b.cidr, "advertise", hold_for(c))) != APR_SUCCESS) {
        return rv;
    }
    if (hand == CFMT_HAND_DONE && !cfmt_scene_intent(c->sc, &row->b.cidr)) {
        return answer(c, "already", CODE_DONE, "%s is %s already%s",
                      cfmt_cidr_format(c->p, &row->b.cidr), cfmt_want_name(want),
                      want ? ", and held now" : "");
    }
    return make_intent(c, row, want, "operator", want ? at : 0);
}

static apr_status_t advertise(command_t *c)
{
    return by_hand(c, 1);
}

static apr_status_t withdraw(command_t *c)
{
    return by_hand(c, 0);
}

/* ---- hold, release, adopt -------------------------------------------------------------------- */

static apr_status_t hold(command_t *c)
{
    apr_int64_t length;
    cfmt_cidr_t cidr;
    apr_status_t rv;

    if (!read_prefix(c, &cidr)) {
        return refuse(c, "the command names no prefix");
    }
    if (cfmt_json_int(&length, c->doc, "for") != APR_SUCCESS || length < 0 || length > TTL_MAX) {
        length = hold_for(c);
    }
    rv = hold_it(c, &cidr, "operator", length);
    rv = rv == APR_SUCCESS ? record(c, "hold", &cidr, NULL) : rv;
    return rv != APR_SUCCESS ? rv
                             : answer(c, "done", CODE_DONE, "%s is held %s%s",
                                      cfmt_cidr_format(c->p, &cidr), c->at ? "until " : "",
                                      c->at ? cfmt_time_format(c->p, c->at) : "until released");
}

static apr_status_t release(command_t *c)
{
    cfmt_cidr_t cidr;
    apr_status_t rv;
    int n = 0;

    if (!read_prefix(c, &cidr)) {
        return refuse(c, "the command names no prefix");
    }
    rv = cfmt_hold_release(c->e->store, &cidr, c->who, c->reason, c->now, &n);
    if (rv == APR_SUCCESS && !n) {
        return answer(c, "already", CODE_DONE, "%s is not held", cfmt_cidr_format(c->p, &cidr));
    }
    rv = rv == APR_SUCCESS ? record(c, "release", &cidr, NULL) : rv;
    return rv != APR_SUCCESS ? rv
                             : answer(c, "done", CODE_DONE, "%s is no longer held: the policy may"
                                      " act on it again", cfmt_cidr_format(c->p, &cidr));
}

static apr_status_t adopt(command_t *c)
{
    cfmt_adoption_row_t a = { .who = c->who, .reason = c->reason, .at = c->now };
    const cfmt_prefix_row_t *row;
    apr_status_t rv = find_row(c, &row);

    if (rv != APR_SUCCESS || !row) {
        return rv;
    }
    if (row->b.advertised != 1) {
        return answer(c, "refused", CODE_REFUSED, "%s is not advertised: there is nothing to adopt",
                      cfmt_cidr_format(c->p, &row->b.cidr));
    }
    a.prefix = row->b.cidr;
    a.advertised_at = row->b.advertised_at;
    rv = cfmt_adoption_put(c->e->store, &a);
    if (rv == CFMT_EEXIST) {
        return answer(c, "already", CODE_DONE, "%s has been adopted already",
                      cfmt_cidr_format(c->p, &a.prefix));
    }
    rv = rv == APR_SUCCESS ? record(c, "adopt", &a.prefix, NULL) : rv;
    return rv != APR_SUCCESS ? rv
                             : answer(c, "done", CODE_DONE, "%s is the policy's from now on: it may"
                                      " be withdrawn when it is calm",
                                      cfmt_cidr_format(c->p, &a.prefix));
}

/* ---- windows --------------------------------------------------------------------------------- */

static apr_status_t window_add(command_t *c)
{
    cfmt_window_row_t w = { .who = c->who, .reason = c->reason };
    const char *text = cfmt_json_text(c->doc, "prefix");
    apr_status_t rv;

    if (!text || (strcmp(text, "*") && !read_prefix(c, &w.prefix))) {
        return refuse(c, "the command names no prefix");
    }
    if (cfmt_json_int(&w.starts_at, c->doc, "from") != APR_SUCCESS
        || cfmt_json_int(&w.ends_at, c->doc, "to") != APR_SUCCESS) {
        return refuse(c, "the command names no times");
    }
    rv = cfmt_window_add(c->e->store, &w);
    if (rv == CFMT_EINVALID) {
        return refuse(c, "a window must end behind its start");
    }
    rv = rv == APR_SUCCESS ? record(c, "window.add", &w.prefix, NULL) : rv;
    return rv != APR_SUCCESS
               ? rv
               : answer(c, "done", CODE_DONE, "window %" APR_INT64_T_FMT ": %s is left alone from"
                        " %s to %s", w.id, w.prefix.family ? cfmt_cidr_format(c->p, &w.prefix)
                        : "every prefix", cfmt_time_format(c->p, w.starts_at),
                        cfmt_time_format(c->p, w.ends_at));
}

/* The id of what the command is about; 0 = none. */
static apr_int64_t id_of(const command_t *c)
{
    apr_int64_t id;

    return cfmt_json_int(&id, c->doc, "id") == APR_SUCCESS && id > 0 ? id : 0;
}

static apr_status_t window_remove(command_t *c)
{
    apr_status_t rv = cfmt_window_remove(c->e->store, id_of(c), c->who, c->now);

    if (rv == CFMT_EMISSING) {
        return answer(c, "failed", CODE_FAILED, "there is no window %" APR_INT64_T_FMT, id_of(c));
    }
    rv = rv == APR_SUCCESS ? record(c, "window.remove", NULL, apr_psprintf(c->p, "window %"
                                    APR_INT64_T_FMT, id_of(c))) : rv;
    return rv != APR_SUCCESS ? rv
                             : answer(c, "done", CODE_DONE, "window %" APR_INT64_T_FMT
                                      " is removed", id_of(c));
}

/* ---- cancel, approve, deny ------------------------------------------------------------------- */

static apr_status_t cancel(command_t *c)
{
    cfmt_intent_change_t change = { .state = CFMT_INTENT_CANCELLED, .at = c->now, .who = c->who,
                                    .text = *c->reason ? c->reason : "cancelled" };
    cfmt_intent_row_t in;
    apr_status_t rv = cfmt_intent_load(c->e->store, &in, id_of(c), c->p);

    if (rv == CFMT_EMISSING) {
        return answer(c, "failed", CODE_FAILED, "there is no intent %" APR_INT64_T_FMT, id_of(c));
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    c->intent = in.id;
    if (!cfmt_intent_may(in.state, CFMT_INTENT_CANCELLED) || in.attempts) {
        return answer(c, "refused", CODE_REFUSED, "intent %" APR_INT64_T_FMT " is %s: only what was"
                      " never sent can be cancelled; cfmtctl %s %s wants the opposite", in.id,
                      cfmt_intent_name(in.state), in.want ? "withdraw" : "advertise",
                      cfmt_cidr_format(c->p, &in.prefix));
    }
    rv = cfmt_intent_change(c->e->store, in.id, &change, c->p);
    rv = rv == APR_SUCCESS ? record(c, "cancel", &in.prefix, intent_ref(c)) : rv;
    return rv != APR_SUCCESS ? rv
                             : answer(c, "done", CODE_DONE, "intent %" APR_INT64_T_FMT " (%s %s) is"
                                      " cancelled", in.id, in.want ? "advertise" : "withdraw",
                                      cfmt_cidr_format(c->p, &in.prefix));
}

/* *pfound 0: answered already. */
static apr_status_t decide_proposal(command_t *c, cfmt_proposal_e state, cfmt_proposal_row_t *pr,
                                    int *pfound)
{
    apr_status_t rv = cfmt_proposal_load(c->e->store, pr, id_of(c), c->p);

    *pfound = 0;
    if (rv == CFMT_EMISSING) {
        return answer(c, "failed", CODE_FAILED, "there is no proposal %" APR_INT64_T_FMT, id_of(c));
    }
    rv = rv == APR_SUCCESS ? cfmt_proposal_decide(c->e->store, pr->id, state, c->who, c->reason,
                                                  c->now) : rv;
    if (rv == CFMT_EINVALID) {
        return answer(c, "refused", CODE_REFUSED, "proposal %" APR_INT64_T_FMT " is %s", pr->id,
                      pr->state == CFMT_PROPOSAL_OPEN ? "expired" : cfmt_proposal_name(pr->state));
    }
    c->proposal = pr->id;
    *pfound = rv == APR_SUCCESS;
    return rv;
}

static const char *proposal_ref(const command_t *c)
{
    return apr_psprintf(c->p, "proposal %" APR_INT64_T_FMT, c->proposal);
}

/* To withdraw is the policy's then, with its last look; to advertise needs nothing else. */
static apr_status_t approve(command_t *c)
{
    const cfmt_prefix_row_t *row;
    cfmt_proposal_row_t pr;
    cfmt_case_t cs;
    cfmt_gate_e gate;
    cfmt_hand_e hand;
    apr_time_t at = 0;
    int found;
    apr_status_t rv = need_scene(c);

    rv = rv == APR_SUCCESS ? decide_proposal(c, CFMT_PROPOSAL_APPROVED, &pr, &found) : rv;
    if (rv != APR_SUCCESS || !found) {
        return rv;
    }
    rv = record(c, "approve", &pr.prefix, proposal_ref(c));
    row = cfmt_prefix_find(c->sc->prefixes, &pr.prefix);
    if (rv != APR_SUCCESS || !pr.want || !row) {
        return rv != APR_SUCCESS
                   ? rv
                   : answer(c, "done", CODE_DONE, "proposal %" APR_INT64_T_FMT " is approved: %s is"
                            " withdrawn as soon as all gates are green", pr.id,
                            cfmt_cidr_format(c->p, &pr.prefix));
    }
    cfmt_scene_case(&cs, c->sc, row, cfmt_scene_standing(c->sc, &row->b.cidr));
    hand = cfmt_advertise_by_hand(&cs, 1, &gate, &at);
    if (hand != CFMT_HAND_OK && hand != CFMT_HAND_DONE) {
        return refuse_by_hand(c, &cs, hand, gate);
    }
    return make_intent(c, row, 1, "proposal", at);
}

static apr_status_t deny(command_t *c)
{
    cfmt_proposal_row_t pr;
    int found;
    apr_status_t rv = decide_proposal(c, CFMT_PROPOSAL_DENIED, &pr, &found);

    if (rv != APR_SUCCESS || !found) {
        return rv;
    }
    rv = record(c, "deny", &pr.prefix, proposal_ref(c));
    return rv != APR_SUCCESS ? rv
                             : answer(c, "done", CODE_DONE, "proposal %" APR_INT64_T_FMT
                                      " is denied: nothing changes", pr.id);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    apr_status_t (*run)(command_t *c);
} commands[] = {
    { .name = "advertise", .run = advertise }, { .name = "withdraw", .run = withdraw },
    { .name = "hold", .run = hold },           { .name = "release", .run = release },
    { .name = "adopt", .run = adopt },         { .name = "window.add", .run = window_add },
    { .name = "window.remove", .run = window_remove }, { .name = "cancel", .run = cancel },
    { .name = "approve", .run = approve },     { .name = "deny", .run = deny },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static apr_status_t write_answer(const command_t *c)
{
    cfmt_entry_t entry = { .kind = "result", .origin = "engine", .at = c->now };

    entry.tag = apr_psprintf(c->p, "command %" APR_INT64_T_FMT, c->row->id);
    entry.body = apr_psprintf(
        c->p,
        "{\"command\":%" APR_INT64_T_FMT ",\"outcome\":\"%s\",\"code\":%d,\"text\":%s,"
        "\"intent\":%" APR_INT64_T_FMT ",\"proposal\":%" APR_INT64_T_FMT ",\"at\":%" APR_TIME_T_FMT
        "}",
        c->row->id, c->outcome, c->code, cfmt_json_quote(c->p, c->text), c->intent, c->proposal,
        c->at);
    entry.len = strlen(entry.body);
    return cfmt_journal_append(c->e->store, &entry);
}

static void tell(const command_t *c)
{
    cfmt_log(c->e->conf.log, CFMT_LOG_NOTICE, CFMT_ID(0975) "command %s of %s (journal row %"
             APR_INT64_T_FMT "): %s: %s", c->name, c->who, c->row->id, c->outcome, c->text);
}

/* NULL: not one of these. */
static command_t *read_command(cfmt_engine_t *e, const cfmt_journal_row_t *row, apr_size_t *pwhich,
                               apr_pool_t *p)
{
    const cfmt_json_limits_t limits = { .depth = 4 };
    command_t *c = apr_pcalloc(p, sizeof(*c));
    cfmt_json_t *doc;
    const char *why;

    if (strcmp(row->kind, "command") || !row->body
        || cfmt_json_parse(&doc, &why, row->body, row->len, &limits, p) != APR_SUCCESS
        || !(c->name = cfmt_json_text(doc, "command"))) {
        return NULL;
    }
    for (*pwhich = 0; *pwhich < COMMANDS && strcmp(commands[*pwhich].name, c->name); (*pwhich)++) {
    }
    c->e = e;
    c->p = p;
    c->now = cfmt_clock_now(e->conf.clock);
    c->row = row;
    c->doc = doc;
    c->who = row->origin;
    c->reason = cfmt_json_text(doc, "reason") ? cfmt_json_text(doc, "reason") : "";
    return *pwhich < COMMANDS ? c : NULL;
}

/* In one transaction; a command that fails for the store's sake is still there the next time. */
static apr_status_t carry_out(cfmt_engine_t *e, const cfmt_journal_row_t *row, apr_pool_t *p)
{
    apr_size_t which = 0;
    command_t *c = read_command(e, row, &which, p);
    apr_status_t rv = cfmt_store_begin(e->store, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (c) {
        rv = commands[which].run(c);
        rv = rv == APR_SUCCESS ? write_answer(c) : rv;
    }
    rv = rv == APR_SUCCESS ? cfmt_meta_set_int(e->store, META_DONE, row->id) : rv;
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(e->store);
        return rv;
    }
    rv = cfmt_store_commit(e->store);
    if (rv == APR_SUCCESS && c) {
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
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        apr_pool_clear(p);
        rv = carry_out(e, &APR_ARRAY_IDX(rows, i, cfmt_journal_row_t), p);
    }
    apr_pool_destroy(p);
    if (rv == APR_SUCCESS && rows->nelts < ROWS_MAX) {
        e->no_command = cursor;
        rv = cursor - done > 10000 ? move_on(e, cursor) : rv;
    }
    return rv;
}
