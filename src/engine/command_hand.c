/*
 * Commands that change the world: by hand, or by saying yes to what the policy proposes.
 */
#include <string.h>

#include <apr_strings.h>

#include "command.h"

#define RULE apr_time_from_sec(15 * 60) /* Cloudflare's, between two changes */
#define NO_API "nothing can be asked of Cloudflare: CfmtApiToken, CfmtAccountId"

static const char *intent_ref(const cfmt_command_t *c)
{
    return apr_psprintf(c->p, "intent %" APR_INT64_T_FMT, c->intent);
}

static int is_set(const cfmt_command_t *c, const char *name)
{
    const cfmt_json_t *flag = cfmt_json_get(c->doc, name);

    return flag && flag->type == CFMT_JSON_BOOL && flag->flag;
}

/* ---- advertise, withdraw --------------------------------------------------------------------- */

static apr_status_t refuse_by_hand(cfmt_command_t *c, const cfmt_case_t *cs, cfmt_hand_e hand,
                                   cfmt_gate_e gate)
{
    cfmt_gate_t g;

    cfmt_withdraw_gate(&g, gate, cs);
    return cfmt_answer(c, "refused", hand == CFMT_HAND_LOCKED ? CODE_LOCKED : CODE_REFUSED,
                       "%s: %s", cfmt_cidr_format(c->p, &cs->cidr),
                       cfmt_gate_text(&g, c->now, c->p));
}

/* Names what ends the hold that a person's advertising brings. */
static const char *held(const cfmt_command_t *c, const cfmt_cidr_t *cidr, int want)
{
    return want && !c->proposal ? apr_psprintf(c->p, "; held: cfmtctl release %s ends that",
                                               cfmt_cidr_format(c->p, cidr))
                                : "";
}

static apr_status_t make_intent(cfmt_command_t *c, const cfmt_prefix_row_t *row, int want,
                                const char *cause, apr_time_t not_before)
{
    const cfmt_intent_row_t *open = cfmt_scene_intent(c->sc, &row->b.cidr);
    cfmt_intent_row_t in = { .prefix = row->b.cidr,
                             .prefix_id = row->b.id,
                             .want = want,
                             .cause = cause,
                             .who = c->who,
                             .reason = c->reason,
                             .proposal = c->proposal,
                             .override = is_set(c, "override"),
                             .created_at = c->now,
                             .not_before = not_before };
    apr_status_t rv;

    if (open && open->want == want) {
        c->intent = open->id;
        c->at = open->not_before;
        return cfmt_answer(c, "already", CODE_DONE,
                           "intent %" APR_INT64_T_FMT " of %s wants that"
                           " already%s",
                           open->id, open->who, held(c, &row->b.cidr, want));
    }
    rv = cfmt_intent_create(c->e->store, &in, open ? open->id : 0, c->p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    c->intent = in.id;
    c->at = not_before > c->now ? not_before : 0;
    rv = cfmt_command_record(c, want ? "advertise" : "withdraw", &row->b.cidr, intent_ref(c));
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (c->at) {
        return cfmt_answer(c, "queued", CODE_DONE,
                           "%s: queued for %s (intent %" APR_INT64_T_FMT ")%s",
                           cfmt_cidr_format(c->p, &row->b.cidr), cfmt_time_format(c->p, c->at),
                           in.id, held(c, &row->b.cidr, want));
    }
    return cfmt_answer(c, "done", CODE_DONE,
                       "%s: %s is requested (intent %" APR_INT64_T_FMT ")%s",
                       cfmt_cidr_format(c->p, &row->b.cidr), want ? "advertising" : "withdrawing",
                       in.id, held(c, &row->b.cidr, want));
}

/* Advertised by hand is held, whatever it was before: the policy must not take it back. */
static apr_status_t hold_advertised(cfmt_command_t *c, const cfmt_cidr_t *cidr)
{
    apr_status_t rv = cfmt_command_hold(c, cidr, "advertise", cfmt_command_hold_for(c));

    return rv == APR_SUCCESS ? cfmt_command_record(c, "hold", cidr, NULL) : rv;
}

/* Cloudflare refuses what comes earlier, whoever overrides what. */
static apr_time_t withdrawn_at(const cfmt_case_t *cs)
{
    return cs->b.advertised == 1 && cs->b.advertised_at ? cs->b.advertised_at + RULE : 0;
}

static apr_status_t by_hand(cfmt_command_t *c, int want)
{
    const cfmt_prefix_row_t *row;
    cfmt_gate_e gate = CFMT_GATES;
    apr_time_t at = 0;
    cfmt_hand_e hand;
    cfmt_case_t cs;
    apr_status_t rv = cfmt_command_row(c, &row);

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
    if (!c->e->api) {
        return cfmt_refuse(c, NO_API);
    }
    if (want && (rv = hold_advertised(c, &row->b.cidr)) != APR_SUCCESS) {
        return rv;
    }
    if (hand == CFMT_HAND_DONE && !cfmt_scene_intent(c->sc, &row->b.cidr)) {
        return cfmt_answer(c, "already", CODE_DONE, "%s is %s already%s",
                           cfmt_cidr_format(c->p, &row->b.cidr), cfmt_want_name(want),
                           held(c, &row->b.cidr, want));
    }
    return make_intent(c, row, want, "operator", want ? at : withdrawn_at(&cs));
}

apr_status_t cfmt_command_advertise(cfmt_command_t *c)
{
    return by_hand(c, 1);
}

apr_status_t cfmt_command_withdraw(cfmt_command_t *c)
{
    return by_hand(c, 0);
}

/* ---- cancel, approve, deny ------------------------------------------------------------------- */

apr_status_t cfmt_command_cancel(cfmt_command_t *c)
{
    cfmt_intent_change_t change = { .state = CFMT_INTENT_CANCELLED,
                                    .at = c->now,
                                    .who = c->who,
                                    .text = *c->reason ? c->reason : "cancelled" };
    cfmt_intent_row_t in;
    apr_status_t rv = cfmt_intent_load(c->e->store, &in, cfmt_command_id(c), c->p);

    if (rv == CFMT_EMISSING) {
        return cfmt_answer(c, "failed", CODE_FAILED, "there is no intent %" APR_INT64_T_FMT,
                           cfmt_command_id(c));
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    c->intent = in.id;
    if (in.state == CFMT_INTENT_CANCELLED) {
        return cfmt_answer(c, "already", CODE_DONE, "intent %" APR_INT64_T_FMT " has been"
                           " cancelled already", in.id);
    }
    if (!cfmt_intent_may(in.state, CFMT_INTENT_CANCELLED) || in.attempts) {
        return cfmt_answer(c, "refused", CODE_REFUSED,
                           "intent %" APR_INT64_T_FMT " is %s: only what was"
                           " never sent can be cancelled; cfmtctl %s %s wants the opposite",
                           in.id, cfmt_intent_name(in.state), in.want ? "withdraw" : "advertise",
                           cfmt_cidr_format(c->p, &in.prefix));
    }
    rv = cfmt_intent_change(c->e->store, in.id, &change, c->p);
    rv = rv == APR_SUCCESS ? cfmt_command_record(c, "cancel", &in.prefix, intent_ref(c)) : rv;
    return rv != APR_SUCCESS ? rv
                             : cfmt_answer(c, "done", CODE_DONE,
                                           "intent %" APR_INT64_T_FMT " (%s %s) is"
                                           " cancelled",
                                           in.id, in.want ? "advertise" : "withdraw",
                                           cfmt_cidr_format(c->p, &in.prefix));
}

/* *pfound 0: answered already. */
static apr_status_t decide_proposal(cfmt_command_t *c, cfmt_proposal_e state,
                                    cfmt_proposal_row_t *pr, int *pfound)
{
    apr_status_t rv = cfmt_proposal_load(c->e->store, pr, cfmt_command_id(c), c->p);

    *pfound = 0;
    if (rv == CFMT_EMISSING) {
        return cfmt_answer(c, "failed", CODE_FAILED, "there is no proposal %" APR_INT64_T_FMT,
                           cfmt_command_id(c));
    }
    rv = rv == APR_SUCCESS
             ? cfmt_proposal_decide(c->e->store, pr->id, state, c->who, c->reason, c->now)
             : rv;
    if (rv == CFMT_EINVALID && pr->state == state) {
        return cfmt_answer(c, "already", CODE_DONE, "proposal %" APR_INT64_T_FMT " has been %s"
                           " already", pr->id, cfmt_proposal_name(state));
    }
    if (rv == CFMT_EINVALID) {
        return cfmt_answer(
            c, "refused", CODE_REFUSED, "proposal %" APR_INT64_T_FMT " is %s", pr->id,
            pr->state == CFMT_PROPOSAL_OPEN ? "expired" : cfmt_proposal_name(pr->state));
    }
    c->proposal = pr->id;
    *pfound = rv == APR_SUCCESS;
    return rv;
}

static const char *proposal_ref(const cfmt_command_t *c)
{
    return apr_psprintf(c->p, "proposal %" APR_INT64_T_FMT, c->proposal);
}

/* To withdraw is the policy's then, with its last look; to advertise needs nothing else. */
static apr_status_t approve_withdrawal(cfmt_command_t *c, cfmt_proposal_row_t *pr)
{
    int found;
    apr_status_t rv = decide_proposal(c, CFMT_PROPOSAL_APPROVED, pr, &found);

    if (rv != APR_SUCCESS || !found) {
        return rv;
    }
    rv = cfmt_command_record(c, "approve", &pr->prefix, proposal_ref(c));
    return rv != APR_SUCCESS
               ? rv
               : cfmt_answer(c, "done", CODE_DONE,
                             "proposal %" APR_INT64_T_FMT " is"
                             " approved: %s is withdrawn as soon as all gates are green",
                             pr->id, cfmt_cidr_format(c->p, &pr->prefix));
}

/* What cannot be done is not approved: the proposal stays open for when it can. */
static apr_status_t approve_advertisement(cfmt_command_t *c, cfmt_proposal_row_t *pr)
{
    const cfmt_prefix_row_t *row = cfmt_prefix_find(c->sc->prefixes, &pr->prefix);
    cfmt_case_t cs;
    cfmt_gate_e gate;
    cfmt_hand_e hand;
    apr_time_t at = 0;
    apr_status_t rv;
    int found;

    if (!row || !c->e->api) {
        return cfmt_refuse(c, !row ? "the account has no such BGP prefix any more" : NO_API);
    }
    cfmt_scene_case(&cs, c->sc, row, cfmt_scene_standing(c->sc, &row->b.cidr));
    hand = cfmt_advertise_by_hand(&cs, 1, &gate, &at);
    if (hand != CFMT_HAND_OK && hand != CFMT_HAND_DONE) {
        return refuse_by_hand(c, &cs, hand, gate);
    }
    rv = decide_proposal(c, CFMT_PROPOSAL_APPROVED, pr, &found);
    if (rv != APR_SUCCESS || !found) {
        return rv;
    }
    rv = cfmt_command_record(c, "approve", &pr->prefix, proposal_ref(c));
    return rv == APR_SUCCESS ? make_intent(c, row, 1, "proposal", at) : rv;
}

apr_status_t cfmt_command_approve(cfmt_command_t *c)
{
    cfmt_proposal_row_t pr;
    apr_status_t rv = cfmt_proposal_load(c->e->store, &pr, cfmt_command_id(c), c->p);

    return rv == APR_SUCCESS && pr.want ? approve_advertisement(c, &pr)
                                        : approve_withdrawal(c, &pr);
}

apr_status_t cfmt_command_deny(cfmt_command_t *c)
{
    cfmt_proposal_row_t pr;
    int found;
    apr_status_t rv = decide_proposal(c, CFMT_PROPOSAL_DENIED, &pr, &found);

    if (rv != APR_SUCCESS || !found) {
        return rv;
    }
    rv = cfmt_command_record(c, "deny", &pr.prefix, proposal_ref(c));
    return rv != APR_SUCCESS
               ? rv
               : cfmt_answer(c, "done", CODE_DONE,
                             "proposal %" APR_INT64_T_FMT " is denied: nothing changes", pr.id);
}
