/*
 * The gates of a withdrawal (DOMAIN.md section 5), one function each. Green is said only of what is
 * known to be so; what is not known has a light of its own, and people see why.
 */
#include <string.h>

#include "withdraw.h"

void cfmt_gate_light(cfmt_gate_t *g, cfmt_light_e light, const char *reason)
{
    g->light = light;
    g->reason = reason;
}

void cfmt_gate_green(cfmt_gate_t *g)
{
    cfmt_gate_light(g, CFMT_LIGHT_GREEN, "ok");
}

void cfmt_gate_red(cfmt_gate_t *g, const char *reason)
{
    cfmt_gate_light(g, CFMT_LIGHT_RED, reason);
}

void cfmt_gate_unknown(cfmt_gate_t *g, const char *reason)
{
    cfmt_gate_light(g, CFMT_LIGHT_UNKNOWN, reason);
}

void cfmt_gate_figures(cfmt_gate_t *g, cfmt_figure_e figure, apr_int64_t value,
                       apr_int64_t threshold)
{
    g->figure = figure;
    g->value = value;
    g->threshold = threshold;
}

/* A three-valued member that must be `good`. */
static void three(cfmt_gate_t *g, int value, int good, const char *reason)
{
    if (value == good) {
        cfmt_gate_green(g);
    }
    else if (value == !good) {
        cfmt_gate_red(g, reason);
    }
    else {
        cfmt_gate_unknown(g, "not_said");
    }
}

/* ---- what is wanted -------------------------------------------------------------------------- */

static void judge_mode(cfmt_gate_t *g, const cfmt_case_t *c)
{
    g->source = "config";
    g->at = c->now;
    if (c->mode == CFMT_MODE_ENFORCE) {
        cfmt_gate_green(g);
    }
    else {
        cfmt_gate_red(g, "observe");
    }
}

/* A proposal of another advertisement, or one whose time is over, is none. */
static cfmt_offer_e offer(const cfmt_case_t *c)
{
    const cfmt_offer_t *o = &c->withdraw_offer;

    return o->advertised_at && o->advertised_at == c->b.advertised_at && c->now < o->until
               ? o->state
               : CFMT_OFFER_NONE;
}

static void judge_proposal(cfmt_gate_t *g, const cfmt_case_t *c)
{
    cfmt_offer_e state = offer(c);

    if (state == CFMT_OFFER_NONE) {
        cfmt_gate_red(g, "propose");
        return;
    }
    g->source = "operator";
    g->at = c->withdraw_offer.at;
    g->next = c->withdraw_offer.until;
    g->text = c->withdraw_offer.by;
    if (state == CFMT_OFFER_APPROVED) {
        cfmt_gate_green(g);
    }
    else {
        cfmt_gate_red(g, state == CFMT_OFFER_DENIED ? "denied" : "proposed");
    }
}

static void judge_scope(cfmt_gate_t *g, const cfmt_case_t *c)
{
    g->source = "config";
    g->at = c->now;
    if (c->options.withdraw == CFMT_HOW_AUTO) {
        cfmt_gate_green(g);
    }
    else if (c->options.withdraw == CFMT_HOW_PROPOSE) {
        judge_proposal(g, c);
    }
    else {
        cfmt_gate_red(g, "manual");
    }
}

/* ---- the API's word -------------------------------------------------------------------------- */

static void api_word(cfmt_gate_t *g, const cfmt_case_t *c)
{
    g->source = "api";
    g->at = c->read_at;
}

static void judge_known(cfmt_gate_t *g, const cfmt_case_t *c)
{
    api_word(g, c);
    if (c->listed == 1) {
        three(g, c->b.approved, 1, "not_approved");
    }
    else if (c->listed == 0) {
        cfmt_gate_red(g, "gone");
    }
    else {
        cfmt_gate_unknown(g, c->read_at ? "missing" : "never_read");
    }
}

static void judge_enabled(cfmt_gate_t *g, const cfmt_case_t *c)
{
    api_word(g, c);
    three(g, c->b.enabled, 1, "not_on_demand");
}

static void judge_unlocked(cfmt_gate_t *g, const cfmt_case_t *c)
{
    api_word(g, c);
    three(g, c->b.locked, 0, "locked");
}

static void judge_api_controlled(cfmt_gate_t *g, const cfmt_case_t *c)
{
    api_word(g, c);
    three(g, c->b.bgp_control, 0, "bgp");
}

static void judge_advertised(cfmt_gate_t *g, const cfmt_case_t *c)
{
    api_word(g, c);
    cfmt_gate_figures(g, CFMT_FIGURE_TIME, c->b.advertised_at, 0);
    three(g, c->b.advertised, 1, "withdrawn");
}

static void judge_fresh(cfmt_gate_t *g, const cfmt_case_t *c)
{
    apr_interval_time_t age = c->now - c->read_at;

    api_word(g, c);
    if (!c->read_at) {
        cfmt_gate_unknown(g, "never_read");
        return;
    }
    cfmt_gate_figures(g, CFMT_FIGURE_DURATION, age, c->fresh_max);
    if (age < 0) {
        cfmt_gate_unknown(g, "future");
    }
    else if (age > c->fresh_max) {
        cfmt_gate_red(g, "old");
    }
    else {
        cfmt_gate_green(g);
    }
}

/* ---- why it is advertised -------------------------------------------------------------------- */

static const char *cause_source(cfmt_cause_e kind)
{
    switch (kind) {
    case CFMT_CAUSE_OPERATOR:
    case CFMT_CAUSE_PROPOSAL:
    case CFMT_CAUSE_ADOPTED:
        return "operator";
    case CFMT_CAUSE_POLICY:
        return "journal";
    case CFMT_CAUSE_AUTO:
    case CFMT_CAUSE_ATTACK:
        return "alert";
    default:
        return "api";
    }
}

/* The cause of another change says nothing of this one. */
static void judge_cause(cfmt_gate_t *g, const cfmt_case_t *c)
{
    const cfmt_cause_t *cause = &c->cause;

    g->source = cause_source(cause->kind);
    g->at = cause->at;
    cfmt_gate_figures(g, CFMT_FIGURE_TIME, cause->at, 0);
    g->text = cause->who && cause->kind != CFMT_CAUSE_POLICY ? cause->who : cause->attack;
    if (!cause->at || cause->at != c->b.advertised_at) {
        cfmt_gate_unknown(g, "unknown");
    }
    else if (cause->by_attack == 1) {
        cfmt_gate_light(g, CFMT_LIGHT_GREEN, cfmt_cause_name(cause->kind));
    }
    else {
        cfmt_gate_red(g, cfmt_cause_name(cause->kind));
    }
}

/* ---- attack ---------------------------------------------------------------------------------- */

/* The one that people are told of: on this prefix before about anything, then the oldest. */
static int tells_more(const cfmt_threat_t *t, const cfmt_threat_t *than)
{
    if (!t->here != !than->here) {
        return t->here;
    }
    return t->from < than->from;
}

static void judge_no_attack(cfmt_gate_t *g, const cfmt_case_t *c)
{
    const cfmt_threat_t *first = NULL;
    int i, n = 0;

    g->source = "alert";
    g->at = c->now;
    if (c->nthreats < 0) {
        cfmt_gate_unknown(g, "unknown");
        return;
    }
    for (i = 0; i < c->nthreats; i++) {
        const cfmt_threat_t *t = &c->threats[i];

        if (t->here || t->everywhere) {
            first = !first || tells_more(t, first) ? t : first;
            n++;
        }
    }
    cfmt_gate_figures(g, CFMT_FIGURE_COUNT, n, 0);
    if (!first) {
        cfmt_gate_green(g);
        return;
    }
    cfmt_gate_red(g, first->here ? "attack" : "no_target");
    g->source = first->source ? first->source : "alert";
    g->at = first->from;
    g->text = first->attack;
}

/* ---- time and the operator ------------------------------------------------------------------- */

static void judge_min_advertised(cfmt_gate_t *g, const cfmt_case_t *c)
{
    apr_time_t at = c->b.advertised_at;

    api_word(g, c);
    if (!at) {
        cfmt_gate_unknown(g, "not_said");
        return;
    }
    at -= c->behind_by;
    cfmt_gate_figures(g, CFMT_FIGURE_DURATION, c->now - at, c->options.min_advertised);
    if (g->value >= g->threshold) {
        cfmt_gate_green(g);
        return;
    }
    cfmt_gate_red(g, "early");
    g->next = at + g->threshold;
}

static void judge_no_hold(cfmt_gate_t *g, const cfmt_case_t *c)
{
    g->source = "operator";
    g->at = c->now;
    if (c->held == 1 && (!c->held_until || c->now < c->held_until)) {
        cfmt_gate_red(g, "hold");
        cfmt_gate_figures(g, CFMT_FIGURE_TIME, c->now, c->held_until);
        g->at = c->held_since;
        g->text = c->held_why && *c->held_why ? c->held_why : c->held_by;
        g->next = c->held_until;
    }
    else if (c->held == 1 || c->held == 0) {
        cfmt_gate_green(g);
    }
    else {
        cfmt_gate_unknown(g, "unknown");
    }
}

/* Of those open now the one that ends last; else the next one to open turns the light. */
static void judge_no_window(cfmt_gate_t *g, const cfmt_case_t *c)
{
    int i;

    g->source = "operator";
    g->at = c->now;
    if (c->nwindows < 0) {
        cfmt_gate_unknown(g, "unknown");
        return;
    }
    cfmt_gate_green(g);
    for (i = 0; i < c->nwindows; i++) {
        const cfmt_window_t *w = &c->windows[i];

        if (w->from <= c->now && c->now < w->to
            && (g->light == CFMT_LIGHT_GREEN || w->to > g->next)) {
            cfmt_gate_red(g, "window");
            cfmt_gate_figures(g, CFMT_FIGURE_TIME, c->now, w->to);
            g->at = w->from;
            g->text = w->reason;
            g->next = w->to;
        }
        else if (w->from > c->now && g->light == CFMT_LIGHT_GREEN
                 && (!g->next || w->from < g->next)) {
            g->next = w->from;
        }
    }
}

/* ---- asked at the end ------------------------------------------------------------------------ */

/* Something asked at `asked` that was answered in time, and not in the future. */
static int answered(const cfmt_case_t *c, apr_time_t asked, apr_time_t at,
                    apr_interval_time_t limit)
{
    return at >= asked && at <= asked + limit && at <= c->now;
}

/* A program runs in real time: where ours is faster, its answer counts from when it came. */
static apr_interval_time_t check_lasts(const cfmt_case_t *c, int in_time)
{
    if (c->check_limit <= CFMT_CHECK_LIMIT) {
        return CFMT_CHECK_EVERY;
    }
    return CFMT_CHECK_EVERY + (in_time ? c->check_answered_at - c->check_asked_at : c->check_limit);
}

static void judge_check(cfmt_gate_t *g, const cfmt_case_t *c)
{
    apr_interval_time_t age = c->now - c->check_asked_at;
    int in_time = answered(c, c->check_asked_at, c->check_answered_at, c->check_limit);
    apr_interval_time_t lasts = check_lasts(c, in_time);

    if (!c->check_asked_at || age < 0 || age >= lasts) {
        cfmt_gate_unknown(g, c->check_asked_at ? "old" : "not_asked");
        return;
    }
    g->next = c->check_asked_at + lasts;
    if (in_time) {
        three(g, c->check_ok, 1, "absent");
    }
    else if (age <= c->check_limit) {
        cfmt_gate_unknown(g, "asking");
        g->next = c->check_asked_at + c->check_limit + 1;
    }
    else {
        cfmt_gate_red(g, "no_answer");
    }
}

static void judge_origin(cfmt_gate_t *g, const cfmt_case_t *c)
{
    g->source = "program";
    if (c->check == 0) {
        cfmt_gate_light(g, CFMT_LIGHT_UNCHECKED, "no_program");
        return;
    }
    g->at = c->check_answered_at;
    g->text = c->check_text;
    if (c->check == 1) {
        judge_check(g, c);
    }
    else {
        cfmt_gate_unknown(g, "unknown");
    }
}

static int looked(const cfmt_case_t *c)
{
    return answered(c, c->look_at, c->look_state_at, c->look_limit)
           && answered(c, c->look_at, c->look_traffic_at, c->look_limit);
}

/* Where time runs faster, for a demonstration, so long that an answer can be of use at all. */
static apr_interval_time_t at_least(apr_interval_time_t usual, apr_interval_time_t limit)
{
    return usual > 2 * limit ? usual : 2 * limit;
}

/* One that was in vain is not asked again at once. */
static void judge_look(cfmt_gate_t *g, const cfmt_case_t *c)
{
    apr_interval_time_t age = c->now - c->look_at;

    if (looked(c) && c->look_above == 0) {
        if (age <= c->look_limit) {
            cfmt_gate_green(g);
            g->next = c->look_at + c->look_limit + 1;
        }
        else {
            cfmt_gate_unknown(g, "old");
        }
    }
    else if (!looked(c) && age <= c->look_limit) {
        cfmt_gate_unknown(g, "asking");
        g->next = c->look_at + c->look_limit + 1;
    }
    else {
        cfmt_gate_red(g, !looked(c) ? "no_answer" : c->look_above == 1 ? "attack" : "unreadable");
        g->next = c->look_at + at_least(CFMT_LOOK_AGAIN, c->look_limit);
    }
}

static void judge_last_look(cfmt_gate_t *g, const cfmt_case_t *c)
{
    apr_interval_time_t age = c->now - c->look_at;

    g->source = "analytics";
    g->at = c->look_traffic_at;
    if (!c->look_at) {
        cfmt_gate_unknown(g, "not_asked");
    }
    else if (age < 0 || age >= at_least(CFMT_LOOK_AGAIN, c->look_limit)) {
        cfmt_gate_unknown(g, "old");
    }
    else {
        judge_look(g, c);
    }
}

/* ---- ourselves ------------------------------------------------------------------------------- */

static void judge_api_health(cfmt_gate_t *g, const cfmt_case_t *c)
{
    g->source = "api";
    g->at = c->api_since;
    three(g, c->api_closed, 1, "breaker");
    g->next = g->light == CFMT_LIGHT_RED ? c->api_retry_at : 0;
}

static void judge_projected(cfmt_gate_t *g, const cfmt_case_t *c)
{
    g->source = "journal";
    g->at = c->now;
    if (c->cursor < 0 || c->head < 0) {
        cfmt_gate_unknown(g, "unknown");
        return;
    }
    cfmt_gate_figures(g, CFMT_FIGURE_COUNT, c->cursor, c->head);
    three(g, c->cursor >= c->head, 1, "behind");
}

static void judge_clock(cfmt_gate_t *g, const cfmt_case_t *c)
{
    g->source = "clock";
    g->at = c->jumped_at ? c->jumped_at : c->now;
    three(g, c->jumped, 0, c->jumped_at ? "jumped" : "begun");
    if (cfmt_gate_open(g)) {
        three(g, c->behind, 0, "behind");
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

typedef void judge_fn(cfmt_gate_t *g, const cfmt_case_t *c);

void cfmt_withdraw_gate(cfmt_gate_t *g, cfmt_gate_e id, const cfmt_case_t *c)
{
    static judge_fn *const judges[CFMT_GATES] = {
        [CFMT_GATE_MODE] = judge_mode,
        [CFMT_GATE_SCOPE] = judge_scope,
        [CFMT_GATE_KNOWN] = judge_known,
        [CFMT_GATE_ENABLED] = judge_enabled,
        [CFMT_GATE_UNLOCKED] = judge_unlocked,
        [CFMT_GATE_API_CONTROLLED] = judge_api_controlled,
        [CFMT_GATE_ADVERTISED] = judge_advertised,
        [CFMT_GATE_FRESH] = judge_fresh,
        [CFMT_GATE_CAUSE] = judge_cause,
        [CFMT_GATE_NO_ATTACK] = judge_no_attack,
        [CFMT_GATE_CALM] = cfmt_withdraw_judge_calm,
        [CFMT_GATE_MIN_ADVERTISED] = judge_min_advertised,
        [CFMT_GATE_NO_HOLD] = judge_no_hold,
        [CFMT_GATE_NO_WINDOW] = judge_no_window,
        [CFMT_GATE_ORIGIN] = judge_origin,
        [CFMT_GATE_API_HEALTH] = judge_api_health,
        [CFMT_GATE_PROJECTED] = judge_projected,
        [CFMT_GATE_CLOCK] = judge_clock,
        [CFMT_GATE_LAST_LOOK] = judge_last_look,
    };

    memset(g, 0, sizeof(*g));
    g->id = id;
    judges[id](g, c);
    g->next = g->next > c->now ? g->next : 0;
}
