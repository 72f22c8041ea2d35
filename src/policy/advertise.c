/*
 * Advertising: which prefix for a target, when, by whom; what becomes of an intent that events
 * overtake; and what an operator may have by hand.
 */
#include <string.h>

#include "cfmt_policy_gates.h"

const char *cfmt_advertise_name(cfmt_advertise_e action)
{
    static const char *const names[] = {
        [CFMT_ADVERTISE_NONE] = "none",       [CFMT_ADVERTISE_BLOCKED] = "blocked",
        [CFMT_ADVERTISE_WAIT] = "wait",       [CFMT_ADVERTISE_PROPOSE] = "propose",
        [CFMT_ADVERTISE_QUEUE] = "queue",     [CFMT_ADVERTISE_NOW] = "advertise",
    };

    return (unsigned)action <= CFMT_ADVERTISE_NOW ? names[action] : "none";
}

/* ---- which ----------------------------------------------------------------------------------- */

int cfmt_advertisable(const cfmt_bgp_prefix_t *b)
{
    return b->enabled == 1 && b->approved == 1 && b->bgp_control == 0;
}

static void add_new(apr_array_header_t *chosen, const apr_array_header_t *prefixes, int index)
{
    const cfmt_cidr_t *c = &APR_ARRAY_IDX(prefixes, index, cfmt_bgp_prefix_t).cidr;
    int i;

    for (i = 0; i < chosen->nelts; i++) {
        int other = APR_ARRAY_IDX(chosen, i, int);

        if (!cfmt_cidr_compare(c, &APR_ARRAY_IDX(prefixes, other, cfmt_bgp_prefix_t).cidr)) {
            return;
        }
    }
    APR_ARRAY_PUSH(chosen, int) = index;
}

apr_array_header_t *cfmt_advertise_choose(const cfmt_cidr_t *target,
                                          const apr_array_header_t *prefixes, apr_pool_t *p)
{
    apr_array_header_t *chosen = apr_array_make(p, 4, sizeof(int));
    int i, bits = -1;

    for (i = 0; i < prefixes->nelts; i++) {
        const cfmt_bgp_prefix_t *b = &APR_ARRAY_IDX(prefixes, i, cfmt_bgp_prefix_t);

        if (!cfmt_advertisable(b)) {
            continue;
        }
        if (cfmt_cidr_contains(&b->cidr, target)) {
            if (b->cidr.bits > bits) {
                chosen->nelts = 0;
                bits = b->cidr.bits;
                APR_ARRAY_PUSH(chosen, int) = i;
            }
        }
        else if (bits < 0 && cfmt_cidr_contains(target, &b->cidr)) {
            add_new(chosen, prefixes, i);
        }
    }
    return chosen;
}

int cfmt_attack_on(const cfmt_cidr_t *prefix, const cfmt_cidr_t *target)
{
    return cfmt_cidr_contains(prefix, target) || cfmt_cidr_contains(target, prefix);
}

int cfmt_attack_hits(const cfmt_struck_t *a, const cfmt_cidr_t *prefix)
{
    int i;

    for (i = 0; i < a->targets->nelts; i++) {
        if (cfmt_attack_on(prefix, &APR_ARRAY_IDX(a->targets, i, cfmt_cidr_t))) {
            return 1;
        }
    }
    for (i = 0; (!a->targets->nelts || a->targets_cut) && i < a->prefixes->nelts; i++) {
        if (cfmt_cidr_contains(prefix, &APR_ARRAY_IDX(a->prefixes, i, cfmt_cidr_t))) {
            return 1;
        }
    }
    return 0;
}

/* ---- whether --------------------------------------------------------------------------------- */

/* What it cannot be advertised for, NULL = nothing. */
static const char *obstacle(const cfmt_case_t *c)
{
    if (c->listed != 1) {
        return c->listed == 0 ? "gone" : "unknown";
    }
    if (c->b.enabled == 0 || c->b.approved == 0) {
        return "disabled";
    }
    if (c->b.bgp_control == 1) {
        return "bgp";
    }
    if (c->b.locked == 1) {
        return "locked";
    }
    return cfmt_advertisable(&c->b) && c->b.locked == 0 && c->b.advertised == 0 ? NULL : "unknown";
}

/* When its state changed, by our clock; 0 = not known. */
static apr_time_t changed_at(const cfmt_case_t *c)
{
    return c->b.advertised_at ? c->b.advertised_at - c->behind_by : 0;
}

/* Since the withdrawal, as Cloudflare or we date it; a clock that was set back may have been we. */
static apr_time_t allowed_at(const cfmt_case_t *c)
{
    apr_time_t ours = c->policy_withdrew_at > c->now && c->b.advertised_at ? 0
                                                                           : c->policy_withdrew_at;
    apr_time_t since = changed_at(c) > ours ? changed_at(c) : ours;

    since = since ? since + c->options.min_withdrawn : 0;
    return since > c->now ? since : 0;
}

/* Its own mistake the policy may put right without being asked. */
static int regrets(const cfmt_case_t *c)
{
    return c->policy_withdrew_at && c->now - c->policy_withdrew_at <= CFMT_REGRET;
}

/* An answer that an operator gave to an earlier attack is none to this one. */
static const char *answer(const cfmt_case_t *c, apr_time_t newest)
{
    const cfmt_offer_t *o = &c->advertise_offer;

    if (o->state == CFMT_OFFER_NONE || c->now >= o->until) {
        return NULL;
    }
    if (o->state == CFMT_OFFER_OPEN) {
        return "proposed";
    }
    return o->at < newest ? NULL : o->state == CFMT_OFFER_APPROVED ? "approved" : "denied";
}

static void set(cfmt_advertise_t *a, cfmt_advertise_e action, const char *reason)
{
    a->action = action;
    a->reason = reason;
}

static void choose_auto(cfmt_advertise_t *a, const cfmt_case_t *c)
{
    if (a->at) {
        set(a, CFMT_ADVERTISE_QUEUE, "withdrawn");
    }
    else if (c->api_closed != 1) {
        set(a, CFMT_ADVERTISE_BLOCKED, "api");
    }
    else if (c->budget != 1) {
        set(a, CFMT_ADVERTISE_BLOCKED, "budget");
    }
    else {
        set(a, CFMT_ADVERTISE_NOW, c->options.advertise == CFMT_HOW_AUTO ? "auto" : "back");
    }
}

static void choose(cfmt_advertise_t *a, const cfmt_case_t *c, apr_time_t newest)
{
    const char *why = obstacle(c);

    if (why) {
        set(a, CFMT_ADVERTISE_BLOCKED, why);
        return;
    }
    a->at = allowed_at(c);
    if (c->mode == CFMT_MODE_ENFORCE
        && (c->options.advertise == CFMT_HOW_AUTO || regrets(c))) {
        choose_auto(a, c);
    }
    else if ((why = answer(c, newest))) {
        set(a, CFMT_ADVERTISE_WAIT, why);
    }
    else {
        set(a, CFMT_ADVERTISE_PROPOSE,
            c->options.advertise == CFMT_HOW_AUTO ? "observe" : "manual");
    }
}

/* ---- the page -------------------------------------------------------------------------------- */

/*
 * Each attack is told in its time, and all of it again and again. A page that lies ahead was told
 * by a clock that was wrong: rather once too often.
 */
static void add_page(cfmt_advertise_t *a, const cfmt_case_t *c, const cfmt_threat_t *t)
{
    apr_time_t due = (t->from < c->now ? t->from : c->now) + CFMT_PAGE_AFTER;

    if (c->paged_at >= due && c->paged_at <= c->now) {
        due = c->paged_at + CFMT_PAGE_EVERY;
    }
    a->page_at = !a->page_at || due < a->page_at ? due : a->page_at;
}

/* Those it is chosen for; returns when the newest began. */
static apr_time_t look_over(cfmt_advertise_t *a, const cfmt_case_t *c)
{
    const cfmt_threat_t *oldest = NULL;
    apr_time_t newest = 0;
    int i;

    for (i = 0; i < c->nthreats; i++) {
        const cfmt_threat_t *t = &c->threats[i];

        if (t->chosen) {
            add_page(a, c, t);
            oldest = !oldest || t->from < oldest->from ? t : oldest;
            newest = t->from > newest ? t->from : newest;
        }
    }
    if (oldest) {
        a->attack = oldest->attack;
        a->exposed = 1;
    }
    return newest;
}

static void sooner(apr_time_t *pnext, apr_time_t t, apr_time_t now)
{
    if (t > now && (!*pnext || t < *pnext)) {
        *pnext = t;
    }
}

void cfmt_advertise_decide(cfmt_advertise_t *a, const cfmt_case_t *c)
{
    apr_time_t newest;

    memset(a, 0, sizeof(*a));
    newest = look_over(a, c);
    if (!a->exposed) {
        a->reason = c->nthreats < 0 ? "unknown" : "calm";
        return;
    }
    if (c->listed == 1 && c->b.advertised == 1) {
        a->reason = "advertised";
        a->exposed = 0;
        a->page_at = 0;
        return;
    }
    choose(a, c, newest);
    a->page = c->now >= a->page_at;
    sooner(&a->next, a->page ? c->now + CFMT_PAGE_EVERY : a->page_at, c->now);
    sooner(&a->next, a->at, c->now);
    if (a->action == CFMT_ADVERTISE_WAIT) {
        sooner(&a->next, c->advertise_offer.until, c->now);
    }
}

/* ---- an open intent -------------------------------------------------------------------------- */

/* By one that nobody can place only if it began behind `since`: it may not always have been so. */
static int touched(const cfmt_case_t *c, apr_time_t since)
{
    int i;

    for (i = 0; i < c->nthreats; i++) {
        if (c->threats[i].here || (c->threats[i].everywhere && c->threats[i].from >= since)) {
            return 1;
        }
    }
    return 0;
}

/* Red or not known. */
static int shut(const cfmt_case_t *c, cfmt_gate_e id)
{
    cfmt_gate_t g;

    cfmt_withdraw_gate(&g, id, c);
    return !cfmt_gate_open(&g);
}

/* A withdrawal whose time nobody says is as young as can be. */
static apr_time_t reverse_at(const cfmt_case_t *c)
{
    apr_time_t since = c->b.advertised == 0 && c->b.advertised_at ? changed_at(c) : c->now;
    apr_time_t at = since + c->options.min_withdrawn;

    return at > c->now ? at : c->now;
}

cfmt_pending_e cfmt_advertise_pending(apr_time_t *pat, const cfmt_pending_t *i,
                                      const cfmt_case_t *c)
{
    *pat = 0;
    if (i->want) {
        return !i->by_hand && !i->sent && c->nthreats >= 0 && !touched(c, 0) ? CFMT_PENDING_CANCEL
                                                                             : CFMT_PENDING_KEEP;
    }
    if (i->override) {
        return CFMT_PENDING_KEEP;
    }
    if (i->sent) {
        if (!touched(c, i->sent_at - CFMT_SEEN_LATE)) {
            return CFMT_PENDING_KEEP;
        }
        *pat = reverse_at(c);
        return CFMT_PENDING_REVERSE;
    }
    if (shut(c, CFMT_GATE_NO_ATTACK)
        || (!i->by_hand && (shut(c, CFMT_GATE_NO_HOLD) || shut(c, CFMT_GATE_NO_WINDOW)))) {
        return CFMT_PENDING_CANCEL;
    }
    return CFMT_PENDING_KEEP;
}

/* ---- by hand --------------------------------------------------------------------------------- */

static cfmt_hand_e withdraw_by_hand(const cfmt_case_t *c, cfmt_gate_e *pgate, apr_time_t *pat)
{
    static const cfmt_gate_e gates[] = { CFMT_GATE_NO_ATTACK, CFMT_GATE_MIN_ADVERTISED };
    cfmt_gate_t g;
    int i;

    if (c->b.advertised == 0) {
        return CFMT_HAND_DONE;
    }
    for (i = 0; i < 2; i++) {
        cfmt_withdraw_gate(&g, gates[i], c);
        if (!cfmt_gate_open(&g)) {
            *pgate = gates[i];
            *pat = g.next;
            return CFMT_HAND_OVERRIDE;
        }
    }
    return CFMT_HAND_OK;
}

cfmt_hand_e cfmt_advertise_by_hand(const cfmt_case_t *c, int want, cfmt_gate_e *pgate,
                                   apr_time_t *pat)
{
    static const cfmt_gate_e gates[] = { CFMT_GATE_KNOWN, CFMT_GATE_ENABLED,
                                         CFMT_GATE_API_CONTROLLED, CFMT_GATE_UNLOCKED };
    int i;

    *pat = 0;
    for (i = 0; i < 4; i++) {
        if (shut(c, gates[i])) {
            *pgate = gates[i];
            return c->b.locked == 1 && gates[i] == CFMT_GATE_UNLOCKED ? CFMT_HAND_LOCKED
                                                                      : CFMT_HAND_REFUSED;
        }
    }
    *pgate = CFMT_GATES;
    if (!want) {
        return withdraw_by_hand(c, pgate, pat);
    }
    if (c->b.advertised == 1) {
        return CFMT_HAND_DONE;
    }
    *pat = allowed_at(c);
    return CFMT_HAND_OK;
}
