/*
 * Holds, maintenance windows, proposals and intents as lists: what people and the policy want.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"

#define INTENTS_SHOWN 5 /* of one prefix */

/* ---- columns --------------------------------------------------------------------------------- */

#define HOLD(member, label, kind_, table) COLUMN(ctl_hold_t, member, label, kind_, table)
static const ctl_column_t hold_columns[] = {
    HOLD(id, "id", COL_INT, 1), HOLD(prefix, "prefix", COL_TEXT, 1),
    HOLD(since, "since", COL_TIME, 1), HOLD(until, "until", COL_TIME, 1),
    HOLD(origin, "origin", COL_TEXT, 0), HOLD(who, "who", COL_TEXT, 1),
    HOLD(reason, "reason", COL_TEXT, 1), { .name = NULL }
};
const ctl_list_t ctl_hold_list = { "holds", hold_columns, sizeof(ctl_hold_t) };

#define WINDOW(member, label, kind_, table) COLUMN(ctl_window_t, member, label, kind_, table)
static const ctl_column_t window_columns[] = {
    WINDOW(id, "id", COL_INT, 1), WINDOW(prefix, "prefix", COL_TEXT, 1),
    WINDOW(from, "from", COL_TIME, 1), WINDOW(to, "to", COL_TIME, 1),
    WINDOW(state, "state", COL_TEXT, 1), WINDOW(who, "who", COL_TEXT, 1),
    WINDOW(reason, "reason", COL_TEXT, 1), { .name = NULL }
};
const ctl_list_t ctl_window_rows = { "windows", window_columns, sizeof(ctl_window_t) };

#define PROPOSAL(member, label, kind_, table) COLUMN(ctl_proposal_t, member, label, kind_, table)
static const ctl_column_t proposal_columns[] = {
    PROPOSAL(id, "id", COL_INT, 1), PROPOSAL(prefix, "prefix", COL_TEXT, 1),
    PROPOSAL(want, "want", COL_TEXT, 1), PROPOSAL(attack, "attack", COL_TEXT, 1),
    PROPOSAL(state, "state", COL_TEXT, 1), PROPOSAL(made, "made_at", COL_TIME, 0),
    PROPOSAL(made, "made", COL_TIME, TABLE_ONLY), PROPOSAL(expires, "expires_at", COL_TIME, 0),
    PROPOSAL(expires, "expires", COL_TIME, TABLE_ONLY),
    PROPOSAL(decided_by, "decided_by", COL_TEXT, 1),
    PROPOSAL(decided, "decided_at", COL_TIME, WIDE),
    PROPOSAL(decided_why, "decided_why", COL_TEXT, WIDE), PROPOSAL(reason, "reason", COL_TEXT, 1),
    { .name = NULL }
};
const ctl_list_t ctl_proposal_list = { "proposals", proposal_columns, sizeof(ctl_proposal_t) };

#define INTENT(member, label, kind_, table) COLUMN(ctl_intent_t, member, label, kind_, table)
static const ctl_column_t intent_columns[] = {
    INTENT(id, "id", COL_INT, 1), INTENT(prefix, "prefix", COL_TEXT, 1),
    INTENT(want, "want", COL_TEXT, 1), INTENT(state, "state", COL_TEXT, 1),
    INTENT(created, "created_at", COL_TIME, 0), INTENT(created, "created", COL_TIME, TABLE_ONLY),
    INTENT(cause, "cause", COL_TEXT, 1),
    INTENT(who, "who", COL_TEXT, 1), INTENT(attack, "attack", COL_TEXT, WIDE),
    INTENT(proposal, "proposal", COL_REF, 0), INTENT(not_before, "not_before", COL_TIME, 0),
    INTENT(next, "next_at", COL_TIME, WIDE), INTENT(settled, "settled_at", COL_TIME, WIDE),
    INTENT(attempts, "attempts", COL_INT, WIDE), INTENT(reason, "reason", COL_TEXT, WIDE),
    INTENT(answer, "answer", COL_TEXT, 1), { .name = NULL }
};
const ctl_list_t ctl_intent_list = { "intents", intent_columns, sizeof(ctl_intent_t) };

/* ---- rows ------------------------------------------------------------------------------------ */

static int is_of(const cfmt_cidr_t *only, const cfmt_cidr_t *cidr)
{
    return !only || !cfmt_cidr_compare(only, cidr);
}

static const char *want_of(int want)
{
    return want ? "advertise" : "withdraw";
}

apr_status_t ctl_holds(const ctl_world_t *w, const cfmt_cidr_t *only, apr_array_header_t **prows)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_holds_load(w->store, w->now, &rows, w->p);
    int i;

    *prows = apr_array_make(w->p, 4, sizeof(ctl_hold_t));
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_hold_row_t *h = &APR_ARRAY_IDX(rows, i, cfmt_hold_row_t);
        if (is_of(only, &h->prefix)) {
            APR_ARRAY_PUSH(*prows, ctl_hold_t) = (ctl_hold_t){
                .id = h->id, .prefix = cfmt_cidr_format(w->p, &h->prefix), .who = h->who,
                .reason = h->reason, .origin = h->origin, .since = h->since, .until = h->until
            };
        }
    }
    return rv;
}

apr_status_t ctl_windows(const ctl_world_t *w, const cfmt_cidr_t *only,
                         apr_array_header_t **prows)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_windows_load(w->store, w->now, &rows, w->p);
    int i;

    *prows = apr_array_make(w->p, 4, sizeof(ctl_window_t));
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_window_row_t *r = &APR_ARRAY_IDX(rows, i, cfmt_window_row_t);
        if (!r->prefix.family || is_of(only, &r->prefix)) {
            APR_ARRAY_PUSH(*prows, ctl_window_t) = (ctl_window_t){
                .id = r->id,
                .prefix = r->prefix.family ? cfmt_cidr_format(w->p, &r->prefix) : "*",
                .state = r->starts_at > w->now ? "ahead" : "open", .who = r->who,
                .reason = r->reason, .from = r->starts_at, .to = r->ends_at
            };
        }
    }
    return rv;
}

/* Newest first in the store, oldest first in a list of ours. */
static void reverse(apr_array_header_t *rows, apr_pool_t *p)
{
    apr_size_t size = (apr_size_t)rows->elt_size;
    char *spare = apr_palloc(p, size), *a = rows->elts;
    char *b = rows->nelts ? a + size * ((apr_size_t)rows->nelts - 1) : a;

    for (; a < b; a += size, b -= size) {
        memcpy(spare, a, size);
        memcpy(a, b, size);
        memcpy(b, spare, size);
    }
}

apr_status_t ctl_proposals_of(const ctl_world_t *w, const cfmt_cidr_t *only, int limit,
                              apr_array_header_t **prows)
{
    apr_array_header_t *rows;
    apr_status_t rv = limit ? cfmt_proposals_list(w->store, limit, &rows, w->p)
                            : cfmt_proposals_open(w->store, &rows, w->p);
    int i;

    *prows = apr_array_make(w->p, 4, sizeof(ctl_proposal_t));
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_proposal_row_t *r = &APR_ARRAY_IDX(rows, i, cfmt_proposal_row_t);
        if (is_of(only, &r->prefix)) {
            APR_ARRAY_PUSH(*prows, ctl_proposal_t) = (ctl_proposal_t){
                .id = r->id, .prefix = cfmt_cidr_format(w->p, &r->prefix),
                .want = want_of(r->want), .attack = r->attack, .reason = r->reason,
                .state = cfmt_proposal_name(r->state), .decided_by = r->decided_by,
                .decided_why = r->decided_why, .made = r->made_at, .expires = r->expires_at,
                .decided = r->decided_at
            };
        }
    }
    if (limit) {
        reverse(*prows, w->p);
    }
    return rv;
}

apr_status_t ctl_intents(const ctl_world_t *w, const cfmt_cidr_t *only,
                         apr_array_header_t **prows)
{
    apr_array_header_t *rows;
    apr_status_t rv = only ? cfmt_intents_list(w->store, only, 0, INTENTS_SHOWN, &rows, w->p)
                           : cfmt_intents_open(w->store, &rows, w->p);
    int i;

    *prows = apr_array_make(w->p, 8, sizeof(ctl_intent_t));
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_intent_row_t *r = &APR_ARRAY_IDX(rows, i, cfmt_intent_row_t);
        APR_ARRAY_PUSH(*prows, ctl_intent_t) = (ctl_intent_t){
            .id = r->id, .attempts = r->attempts, .proposal = r->proposal,
            .prefix = cfmt_cidr_format(w->p, &r->prefix), .want = want_of(r->want),
            .state = cfmt_intent_name(r->state), .cause = r->cause, .who = r->who,
            .reason = r->reason, .attack = r->attack, .answer = r->answer,
            .created = r->created_at, .not_before = r->not_before, .next = r->next_at,
            .settled = r->settled_at
        };
    }
    if (only) {
        reverse(*prows, w->p);
    }
    return rv;
}
