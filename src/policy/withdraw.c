/*
 * A withdrawal: the ladder from the gates to what is to be done, when that may change, and orphans.
 * The asymmetry: whatever is not known keeps it advertised.
 */
#include <string.h>

#include "cfmt_policy_gates.h"

#define BIT(gate) (1u << (gate))

/* Those that do not let through. */
static unsigned shut_gates(const cfmt_decision_t *d)
{
    unsigned shut = 0;
    int i;

    for (i = 0; i < CFMT_GATES; i++) {
        if (!cfmt_gate_open(&d->gates[i])) {
            shut |= BIT(i);
        }
    }
    return shut;
}

/* withdraw=propose, and nobody is being asked, nor has said no: that would end by itself. */
static int to_propose(const cfmt_decision_t *d, const cfmt_case_t *c)
{
    const cfmt_gate_t *g = &d->gates[CFMT_GATE_SCOPE];

    return c->options.withdraw == CFMT_HOW_PROPOSE && !cfmt_gate_open(g) && !g->next;
}

/* Neither being asked, nor answered of late: then time would change it. */
static int to_ask(const cfmt_gate_t *g)
{
    return !g->next;
}

/* Its answer is only old. In mode observe nothing follows from it, so it is not asked again. */
static int said_yes(const cfmt_decision_t *d, const cfmt_case_t *c)
{
    return c->check == 1 && c->check_asked_at && c->check_ok == 1
           && to_ask(&d->gates[CFMT_GATE_ORIGIN]);
}

/* ---- what to do ------------------------------------------------------------------------------ */

/* Everything else is green. */
static cfmt_do_e ask_or_act(const cfmt_decision_t *d, const cfmt_case_t *c, unsigned shut)
{
    if (shut & BIT(CFMT_GATE_ORIGIN) && !(shut & BIT(CFMT_GATE_MODE) && said_yes(d, c))) {
        return c->check == 1 && to_ask(&d->gates[CFMT_GATE_ORIGIN]) ? CFMT_DO_CHECK
                                                                     : CFMT_DO_STAY;
    }
    if (shut & BIT(CFMT_GATE_MODE)) {
        return CFMT_DO_WOULD;
    }
    if (shut & BIT(CFMT_GATE_LAST_LOOK)) {
        return to_ask(&d->gates[CFMT_GATE_LAST_LOOK]) ? CFMT_DO_LOOK : CFMT_DO_STAY;
    }
    /* None is, by now. This line alone lets a withdrawal out, so it asks all of them again. */
    return shut ? CFMT_DO_STAY : CFMT_DO_WITHDRAW;
}

static cfmt_do_e choose(const cfmt_decision_t *d, const cfmt_case_t *c)
{
    unsigned asked = BIT(CFMT_GATE_MODE) | BIT(CFMT_GATE_ORIGIN) | BIT(CFMT_GATE_LAST_LOOK);
    unsigned read = BIT(CFMT_GATE_FRESH) | (c->behind ? 0 : BIT(CFMT_GATE_CLOCK));
    unsigned shut = shut_gates(d), rest = shut & ~asked;
    int propose = to_propose(d, c);

    if (propose) {
        rest &= ~BIT(CFMT_GATE_SCOPE);
    }
    if (shut & BIT(CFMT_GATE_MODE)) {
        rest &= ~BIT(CFMT_GATE_FRESH); /* nothing will be sent: no reason to read more often */
    }
    if (rest & ~read) {
        return CFMT_DO_STAY;
    }
    if (rest) {
        return CFMT_DO_READ;
    }
    if (propose) { /* the program is asked when it has been approved */
        return (shut & BIT(CFMT_GATE_MODE)) ? CFMT_DO_WOULD : CFMT_DO_PROPOSE;
    }
    return ask_or_act(d, c, shut);
}

/* ---- what people are told -------------------------------------------------------------------- */

/* What must go away first, as a person sees it. A proposal that nobody has made yet comes late. */
static cfmt_gate_e foremost(const cfmt_decision_t *d, const cfmt_case_t *c)
{
    static const cfmt_gate_e order[] = {
        CFMT_GATE_KNOWN, CFMT_GATE_ENABLED, CFMT_GATE_API_CONTROLLED, CFMT_GATE_ADVERTISED,
        CFMT_GATE_NO_ATTACK, CFMT_GATE_UNLOCKED, CFMT_GATE_NO_HOLD, CFMT_GATE_NO_WINDOW,
        CFMT_GATE_CAUSE, CFMT_GATE_SCOPE, CFMT_GATE_API_HEALTH, CFMT_GATE_CALM,
        CFMT_GATE_MIN_ADVERTISED, CFMT_GATE_PROJECTED, CFMT_GATE_CLOCK, CFMT_GATE_ORIGIN,
        CFMT_GATE_MODE, CFMT_GATE_FRESH, CFMT_GATE_LAST_LOOK,
    };
    int i, late = to_propose(d, c);

    for (i = 0; i < (int)(sizeof(order) / sizeof(order[0])); i++) {
        if (!cfmt_gate_open(&d->gates[order[i]]) && !(late && order[i] == CFMT_GATE_SCOPE)) {
            return order[i];
        }
    }
    return late ? CFMT_GATE_SCOPE : CFMT_GATES;
}

/* ---- when it may change ---------------------------------------------------------------------- */

static void sooner(apr_time_t *pnext, apr_time_t t)
{
    if (t && (!*pnext || t < *pnext)) {
        *pnext = t;
    }
}

static apr_time_t next_change(const cfmt_decision_t *d, apr_time_t now)
{
    apr_time_t next = 0;
    int i;

    for (i = 0; i < CFMT_GATES; i++) {
        sooner(&next, d->gates[i].next);
    }
    if (d->orphan_at > now) {
        sooner(&next, d->orphan_at);
    }
    return next;
}

/* The last of what goes by; what must happen, and not only pass, gives none. */
static apr_time_t earliest(const cfmt_decision_t *d, const cfmt_case_t *c)
{
    unsigned pass = BIT(CFMT_GATE_CALM) | BIT(CFMT_GATE_MIN_ADVERTISED) | BIT(CFMT_GATE_NO_HOLD)
                    | BIT(CFMT_GATE_NO_WINDOW);
    unsigned asked = BIT(CFMT_GATE_MODE) | BIT(CFMT_GATE_FRESH) | BIT(CFMT_GATE_ORIGIN)
                     | BIT(CFMT_GATE_CLOCK) | BIT(CFMT_GATE_LAST_LOOK);
    unsigned shut = shut_gates(d) & ~asked;
    apr_time_t last = 0;
    int i;

    if (to_propose(d, c)) {
        shut &= ~BIT(CFMT_GATE_SCOPE);
    }
    if (shut & ~pass) {
        return 0;
    }
    for (i = 0; i < CFMT_GATES; i++) {
        if (!(shut & BIT(i))) {
            continue;
        }
        if (!d->gates[i].next) {
            return 0;
        }
        last = d->gates[i].next > last ? d->gates[i].next : last;
    }
    return last;
}

/* ---- orphans --------------------------------------------------------------------------------- */

/* Advertised for a cause that is not the policy's business, and nobody said that it shall be. */
static int is_stray(const cfmt_decision_t *d, const cfmt_case_t *c)
{
    return c->listed == 1 && c->b.advertised == 1 && c->b.enabled == 1 && c->b.bgp_control != 1
           && !cfmt_gate_open(&d->gates[CFMT_GATE_CAUSE])
           && d->gates[CFMT_GATE_NO_HOLD].light != CFMT_LIGHT_RED;
}

/* Not told in the middle of an attack: nobody should withdraw it then. */
static void judge_orphan(cfmt_decision_t *d, const cfmt_case_t *c)
{
    apr_time_t since = c->b.advertised_at ? c->b.advertised_at : c->first_at;
    apr_time_t due = since + c->options.orphan_after;

    if (!is_stray(d, c)) {
        return;
    }
    d->orphan = c->now >= due;
    d->orphan_at = c->orphan_told_at >= due ? c->orphan_told_at + CFMT_ORPHAN_AGAIN : due;
    d->orphan_tell = c->now >= d->orphan_at && cfmt_gate_open(&d->gates[CFMT_GATE_NO_ATTACK]);
}

/* ---- all of it ------------------------------------------------------------------------------- */

void cfmt_withdraw_decide(cfmt_decision_t *d, const cfmt_case_t *c)
{
    int i;

    memset(d, 0, sizeof(*d));
    for (i = 0; i < CFMT_GATES; i++) {
        cfmt_withdraw_gate(&d->gates[i], (cfmt_gate_e)i, c);
    }
    d->action = choose(d, c);
    d->why = foremost(d, c);
    judge_orphan(d, c);
    d->next = next_change(d, c->now);
    d->earliest = earliest(d, c);
}
