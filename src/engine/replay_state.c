/*
 * State tables from a journal: intents by their rows and what came of them, holds, windows and
 * adoptions by operators' commands as they were answered.
 */
#include <string.h>

#include <apr_strings.h>

#include "replay.h"

static const cfmt_json_limits_t limits = { .depth = 6 };

static cfmt_json_t *parse(const cfmt_journal_row_t *row, apr_pool_t *p)
{
    cfmt_json_t *doc;
    const char *why;

    return row->body && cfmt_json_parse(&doc, &why, row->body, row->len, &limits, p) == APR_SUCCESS
               ? doc
               : NULL;
}

/* 0 where there is none. */
static apr_int64_t number(const cfmt_json_t *o, const char *key)
{
    apr_int64_t n = 0;

    return cfmt_json_int(&n, o, key) == APR_SUCCESS ? n : 0;
}

static int is_true(const cfmt_json_t *o, const char *key)
{
    const cfmt_json_t *m = cfmt_json_get(o, key);

    return m && m->type == CFMT_JSON_BOOL && m->flag;
}

static int prefix_of(cfmt_cidr_t *cidr, const cfmt_json_t *o)
{
    const char *text = cfmt_json_text(o, "prefix");

    return text && cfmt_cidr_parse(cidr, NULL, text) == APR_SUCCESS;
}

static const char *text_of(const cfmt_json_t *o, const char *key)
{
    const char *text = cfmt_json_text(o, key);

    return text ? text : "";
}

/* As it is projected: what is read depends on the rows before. NULL = it is not listed. */
static apr_status_t projected(cfmt_replay_t *rp, const cfmt_cidr_t *cidr,
                              const cfmt_prefix_row_t **prow)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_replay_settle(rp);

    *prow = NULL;
    rv = rv == APR_SUCCESS ? cfmt_prefixes_load(rp->e->store, &rows, rp->pstep) : rv;
    if (rv == APR_SUCCESS) {
        *prow = cfmt_prefix_find(rows, cidr);
    }
    return rv;
}

/* ---- writing --------------------------------------------------------------------------------- */

static apr_status_t begin(cfmt_replay_t *rp)
{
    apr_status_t rv = cfmt_replay_settle(rp);

    return rv == APR_SUCCESS ? cfmt_store_begin(rp->e->store, apr_time_from_sec(5)) : rv;
}

/* What was taken then and is not now (another one is in its place, ...) is no end of it all. */
static apr_status_t end(cfmt_replay_t *rp, apr_status_t rv)
{
    if (rv == CFMT_EINVALID || rv == CFMT_EEXIST || rv == CFMT_EMISSING || rv == CFMT_EMOVED) {
        cfmt_store_rollback(rp->e->store);
        return APR_SUCCESS;
    }
    return cfmt_store_end(rp->e->store, rv);
}

/* ---- intents --------------------------------------------------------------------------------- */

/* Out of the way first: two open ones of a prefix cannot be. Its own row follows. */
static apr_status_t step_aside(cfmt_replay_t *rp, apr_int64_t id, apr_time_t at)
{
    cfmt_intent_row_t in;
    apr_status_t rv = cfmt_intent_load(rp->e->store, &in, id, rp->pstep);

    if (rv != APR_SUCCESS) {
        return rv == CFMT_EMISSING ? APR_SUCCESS : rv;
    }
    in.state = CFMT_INTENT_SUPERSEDED;
    in.settled_at = at;
    return cfmt_scratch_intent(rp->e->store, &in);
}

static apr_status_t take_intent(cfmt_replay_t *rp, const cfmt_journal_row_t *row,
                                const cfmt_json_t *doc)
{
    const char *want = text_of(doc, "want");
    cfmt_intent_row_t in = { .id = number(doc, "intent"), .want = !strcmp(want, "advertised"),
                             .cause = text_of(doc, "cause"), .who = text_of(doc, "who"),
                             .reason = text_of(doc, "reason"),
                             .attack = cfmt_json_text(doc, "attack"),
                             .proposal = number(doc, "proposal"),
                             .override = is_true(doc, "override"), .created_at = row->at,
                             .not_before = number(doc, "not_before") };
    apr_int64_t before = number(doc, "supersedes");
    apr_status_t rv = APR_SUCCESS;

    if (in.id && prefix_of(&in.prefix, doc)) {
        rv = begin(rp);
        if (rv == APR_SUCCESS) {
            rv = before ? step_aside(rp, before, row->at) : APR_SUCCESS;
            rv = end(rp, rv == APR_SUCCESS ? cfmt_scratch_intent(rp->e->store, &in) : rv);
        }
    }
    return rv;
}

static cfmt_intent_e state_of(const cfmt_json_t *doc, const char *key)
{
    const char *name = text_of(doc, key);
    int i = 0;

    while (i < CFMT_INTENT_STATES && strcmp(cfmt_intent_name((cfmt_intent_e)i), name)) {
        i++;
    }
    return (cfmt_intent_e)i;
}

/* What cfmt_intent_change and cfmt_intent_late did. expects: as read just before the call. */
static void follow(cfmt_intent_row_t *in, const cfmt_json_t *doc, apr_time_t at,
                   apr_time_t expects)
{
    cfmt_intent_e from = state_of(doc, "from");

    in->state = state_of(doc, "state");
    in->attempts = (int)number(doc, "attempts");
    if (in->state == CFMT_INTENT_SENT) {
        in->sent_at = at;
        in->expects = expects;
        return;
    }
    if (from == CFMT_INTENT_SUPERSEDED
        || (from == CFMT_INTENT_SENT && in->state != CFMT_INTENT_UNKNOWN
            && in->state != CFMT_INTENT_SUPERSEDED)) {
        in->answered_at = at;
    }
    if (!cfmt_intent_is_open(in->state) && from != CFMT_INTENT_SUPERSEDED) {
        in->settled_at = at;
    }
}

static apr_status_t take_change(cfmt_replay_t *rp, const cfmt_journal_row_t *row,
                                const cfmt_json_t *doc)
{
    const cfmt_prefix_row_t *prefix;
    cfmt_intent_row_t in;
    apr_status_t rv = cfmt_intent_load(rp->e->store, &in, number(doc, "intent"), rp->pstep);

    if (rv != APR_SUCCESS || state_of(doc, "state") == CFMT_INTENT_STATES) {
        return rv == CFMT_EMISSING ? APR_SUCCESS : rv;
    }
    rv = projected(rp, &in.prefix, &prefix);
    if (rv != APR_SUCCESS || (rv = begin(rp)) != APR_SUCCESS) {
        return rv;
    }
    follow(&in, doc, row->at, prefix ? prefix->b.advertised_at : 0);
    return end(rp, cfmt_scratch_intent(rp->e->store, &in));
}

/* ---- commands -------------------------------------------------------------------------------- */

/* A command and its answer. */
typedef struct answered_t {
    cfmt_replay_t *rp;
    const cfmt_json_t *command;
    const char *who, *reason;
    const cfmt_json_t *answer;
    apr_time_t at;
    cfmt_cidr_t prefix;
} answered_t;

static apr_status_t put_hold(const answered_t *a, const char *origin, apr_time_t until)
{
    cfmt_hold_row_t h = { .prefix = a->prefix, .origin = origin, .who = a->who,
                          .reason = a->reason, .since = a->at, .until = until };

    return cfmt_hold_put(a->rp->e->store, &h);
}

/* By hand it is held, whatever else the answer was; refused it was none of that. */
static apr_status_t advertised(const answered_t *a)
{
    apr_interval_time_t length = 0;
    const char *text = apr_table_get(a->rp->settings, "HoldFor");

    if (text && cfmt_duration_parse(&length, text) != APR_SUCCESS) {
        length = 0; /* forever */
    }
    return put_hold(a, "advertise", length ? a->at + length : 0);
}

static apr_status_t held(const answered_t *a)
{
    return put_hold(a, "operator", number(a->answer, "at"));
}

static apr_status_t released(const answered_t *a)
{
    int n;

    return cfmt_hold_release(a->rp->e->store, &a->prefix, a->who, a->reason, a->at, &n);
}

static apr_status_t adopted(const answered_t *a)
{
    cfmt_adoption_row_t row = { .prefix = a->prefix, .who = a->who, .reason = a->reason,
                                .at = a->at };
    apr_array_header_t *rows;
    const cfmt_prefix_row_t *prefix;
    apr_status_t rv = cfmt_prefixes_load(a->rp->e->store, &rows, a->rp->pstep);

    prefix = rv == APR_SUCCESS ? cfmt_prefix_find(rows, &a->prefix) : NULL;
    if (!prefix || !prefix->b.advertised_at) {
        return rv;
    }
    row.advertised_at = prefix->b.advertised_at;
    return cfmt_adoption_put(a->rp->e->store, &row);
}

static apr_status_t window_added(const answered_t *a)
{
    cfmt_window_row_t w = { .prefix = a->prefix, .who = a->who, .reason = a->reason,
                            .starts_at = number(a->command, "from"),
                            .ends_at = number(a->command, "to") };

    return cfmt_window_add(a->rp->e->store, &w);
}

static apr_status_t window_removed(const answered_t *a)
{
    return cfmt_window_remove(a->rp->e->store, number(a->command, "id"), a->who, a->at);
}

/* already: it made a hold, too. Others change no table that a decision reads. */
static const struct {
    const char *name;
    apr_status_t (*run)(const answered_t *a);
    int already, anywhere;
} changes[] = {
    { .name = "advertise", .run = advertised, .already = 1 },
    { .name = "hold", .run = held },
    { .name = "release", .run = released },
    { .name = "adopt", .run = adopted },
    { .name = "window.add", .run = window_added, .anywhere = 1 },
    { .name = "window.remove", .run = window_removed, .anywhere = 1 },
};
#define CHANGES (sizeof(changes) / sizeof(changes[0]))

static apr_status_t carry_out(const answered_t *a)
{
    const char *name = text_of(a->command, "command"), *outcome = text_of(a->answer, "outcome");
    apr_status_t rv;
    apr_size_t i;

    for (i = 0; i < CHANGES && strcmp(changes[i].name, name); i++) {
    }
    if (i == CHANGES || (!a->prefix.family && !changes[i].anywhere)
        || !(!strcmp(outcome, "done")
             || (changes[i].already
                 && (!strcmp(outcome, "already") || !strcmp(outcome, "queued"))))) {
        return APR_SUCCESS;
    }
    rv = begin(a->rp);
    return rv == APR_SUCCESS ? end(a->rp, changes[i].run(a)) : rv;
}

/* Kept until its answer: the next row of most commands is just that. */
static void keep(cfmt_replay_t *rp, const cfmt_journal_row_t *row)
{
    apr_int64_t *id;
    cfmt_journal_row_t *copy;

    if (!apr_hash_count(rp->commands)) {
        apr_hash_clear(rp->commands);
        apr_pool_clear(rp->pcommands);
        rp->commands = apr_hash_make(rp->pcommands);
    }
    id = apr_pmemdup(rp->pcommands, &row->id, sizeof(*id));
    copy = apr_pmemdup(rp->pcommands, row, sizeof(*row));
    copy->origin = apr_pstrdup(rp->pcommands, row->origin);
    copy->body = apr_pstrmemdup(rp->pcommands, row->body, row->len);
    apr_hash_set(rp->commands, id, sizeof(*id), copy);
}

static apr_status_t take_answer(cfmt_replay_t *rp, const cfmt_journal_row_t *row,
                                const cfmt_json_t *doc)
{
    apr_int64_t id = number(doc, "command");
    const cfmt_journal_row_t *command = apr_hash_get(rp->commands, &id, sizeof(id));
    answered_t a = { .rp = rp, .answer = doc, .at = row->at };

    if (!command) {
        return APR_SUCCESS;
    }
    a.command = parse(command, rp->pstep);
    a.who = *command->origin ? command->origin : "unknown";
    apr_hash_set(rp->commands, &id, sizeof(id), NULL);
    if (!a.command) {
        return APR_SUCCESS;
    }
    a.reason = text_of(a.command, "reason");
    (void)prefix_of(&a.prefix, a.command);
    return carry_out(&a);
}

/* ---- all of them ----------------------------------------------------------------------------- */

apr_status_t cfmt_replay_state(cfmt_replay_t *rp, const cfmt_journal_row_t *row)
{
    int is_intent = !strcmp(row->kind, "intent");
    const cfmt_json_t *doc;

    if (!strcmp(row->kind, "command") && row->body) {
        keep(rp, row);
    }
    if (!is_intent && strcmp(row->kind, "result")) {
        return APR_SUCCESS;
    }
    doc = parse(row, rp->pstep);
    if (!doc) {
        return APR_SUCCESS;
    }
    if (is_intent) {
        return take_intent(rp, row, doc);
    }
    return cfmt_json_get(doc, "command") ? take_answer(rp, row, doc) : take_change(rp, row, doc);
}
