/*
 * Gates and decisions as words and sentences, for explain and status: plain English for the person
 * at 03:00.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_policy_gates.h"

/* ---- names ----------------------------------------------------------------------------------- */

static const char *const gate_names[CFMT_GATES] = {
    [CFMT_GATE_MODE] = "mode",
    [CFMT_GATE_SCOPE] = "scope",
    [CFMT_GATE_KNOWN] = "known",
    [CFMT_GATE_ENABLED] = "enabled",
    [CFMT_GATE_UNLOCKED] = "unlocked",
    [CFMT_GATE_API_CONTROLLED] = "api_controlled",
    [CFMT_GATE_ADVERTISED] = "advertised",
    [CFMT_GATE_FRESH] = "fresh",
    [CFMT_GATE_CAUSE] = "cause",
    [CFMT_GATE_NO_ATTACK] = "no_attack",
    [CFMT_GATE_CALM] = "calm",
    [CFMT_GATE_MIN_ADVERTISED] = "min_advertised",
    [CFMT_GATE_NO_HOLD] = "no_hold",
    [CFMT_GATE_NO_WINDOW] = "no_window",
    [CFMT_GATE_ORIGIN] = "origin",
    [CFMT_GATE_API_HEALTH] = "api_health",
    [CFMT_GATE_PROJECTED] = "projected",
    [CFMT_GATE_CLOCK] = "clock",
    [CFMT_GATE_LAST_LOOK] = "last_look",
};

const char *cfmt_gate_name(cfmt_gate_e id)
{
    return (unsigned)id < CFMT_GATES ? gate_names[id] : "none";
}

cfmt_gate_e cfmt_gate_by_name(const char *name)
{
    int i;

    for (i = 0; i < CFMT_GATES && !cfmt_text_same(gate_names[i], name); i++) {
    }
    return (cfmt_gate_e)i;
}

const char *cfmt_light_name(cfmt_light_e light)
{
    switch (light) {
    case CFMT_LIGHT_RED:
        return "red";
    case CFMT_LIGHT_GREEN:
        return "green";
    case CFMT_LIGHT_UNCHECKED:
        return "not checked";
    default:
        return "unknown";
    }
}

const char *cfmt_figure_name(cfmt_figure_e figure)
{
    static const char *const names[] = {
        [CFMT_FIGURE_NONE] = "none",         [CFMT_FIGURE_COUNT] = "count",
        [CFMT_FIGURE_DURATION] = "duration", [CFMT_FIGURE_TIME] = "time",
    };

    return (unsigned)figure <= CFMT_FIGURE_TIME ? names[figure] : "none";
}

const char *cfmt_do_name(cfmt_do_e action)
{
    static const char *const names[] = {
        [CFMT_DO_STAY] = "stay",         [CFMT_DO_READ] = "read",
        [CFMT_DO_CHECK] = "check",       [CFMT_DO_WOULD] = "would-withdraw",
        [CFMT_DO_PROPOSE] = "propose",   [CFMT_DO_LOOK] = "look",
        [CFMT_DO_WITHDRAW] = "withdraw",
    };

    return (unsigned)action <= CFMT_DO_WITHDRAW ? names[action] : "stay";
}

/* ---- a case, a gate -------------------------------------------------------------------------- */

void cfmt_case_init(cfmt_case_t *c, apr_time_t now)
{
    memset(c, 0, sizeof(*c));
    c->now = now;
    c->options = (cfmt_options_t)CFMT_OPTIONS_DEFAULT;
    c->listed = c->held = c->check = c->api_closed = c->jumped = c->behind = c->budget = -1;
    c->b.approved = c->b.enabled = c->b.locked = c->b.bgp_control = c->b.auto_withdraw = -1;
    c->b.advertised = -1;
    c->check_ok = c->look_above = -1;
    c->nthreats = c->npast = c->nwindows = -1;
    c->cursor = c->head = -1;
    c->fresh_max = CFMT_FRESH_MAX;
    c->check_limit = CFMT_CHECK_LIMIT;
    c->look_limit = CFMT_LOOK_LIMIT;
}

int cfmt_gate_open(const cfmt_gate_t *g)
{
    return g->light == CFMT_LIGHT_GREEN
           || (g->light == CFMT_LIGHT_UNCHECKED && g->id == CFMT_GATE_ORIGIN);
}

/* ---- figures --------------------------------------------------------------------------------- */

const char *cfmt_figure_text(cfmt_figure_e figure, apr_int64_t v, apr_pool_t *p)
{
    switch (figure) {
    case CFMT_FIGURE_COUNT:
        return apr_psprintf(p, "%" APR_INT64_T_FMT, v);
    case CFMT_FIGURE_DURATION:
        return cfmt_duration_format(p, v);
    case CFMT_FIGURE_TIME:
        return v ? cfmt_time_format(p, v) : "-";
    default:
        return "-";
    }
}

/* Whole seconds; of today (UTC, give or take twelve hours) the time alone. */
static const char *when(apr_time_t t, apr_time_t now, apr_pool_t *p)
{
    const char *text = cfmt_time_format(p, t - t % APR_USEC_PER_SEC);
    apr_interval_time_t far = t > now ? t - now : now - t;

    return far < apr_time_from_sec(12 * 3600) ? text + 11 : text;
}

/* What must not come earlier than it is. */
static const char *when_next(apr_time_t t, apr_time_t now, apr_pool_t *p)
{
    return when(t + APR_USEC_PER_SEC - 1, now, p);
}

/* Whole seconds from a second on. */
static const char *span(apr_interval_time_t d, apr_pool_t *p)
{
    return cfmt_duration_format(p, d < APR_USEC_PER_SEC ? d : d - d % APR_USEC_PER_SEC);
}

/* ---- sentences ------------------------------------------------------------------------------- */

typedef struct sentence_t {
    const char *reason; /* NULL: any other */
    const char *text;
} sentence_t;

/* What needs no figure, by gate and reason. */
#define SENTENCES 5
static const sentence_t sentences[CFMT_GATES][SENTENCES] = {
    [CFMT_GATE_MODE] = {
        { "ok", "CfmtMode enforce" },
        { "observe", "CfmtMode observe: decides and tells, changes nothing by itself" } },
    [CFMT_GATE_SCOPE] = {
        { "manual", "withdraw=manual: only an operator withdraws it" },
        { "propose", "withdraw=propose: an operator must approve" },
        { "proposed", "waits for an operator to approve" } },
    [CFMT_GATE_KNOWN] = {
        { "ok", "listed by the API and approved" },
        { "not_approved", "the API says that it is not approved" },
        { "gone", "the API lists it no more" },
        { "missing", "the last reading did not list it" },
        { "never_read", "its state was never read" } },
    [CFMT_GATE_ENABLED] = {
        { "ok", "on demand" }, { "not_on_demand", "not on demand: Cloudflare decides" } },
    [CFMT_GATE_UNLOCKED] = {
        { "ok", "not locked" }, { "locked", "locked by Cloudflare: it cannot be changed" } },
    [CFMT_GATE_API_CONTROLLED] = {
        { "ok", "controlled by the API" },
        { "bgp", "controlled by BGP: the API cannot change it" } },
    [CFMT_GATE_ADVERTISED] = { { "withdrawn", "not advertised" } },
    [CFMT_GATE_FRESH] = {
        { "never_read", "its state was never read" },
        { "future", "its state was read in the future: the clock was wrong" } },
    [CFMT_GATE_CAUSE] = {
        { "unknown", "nobody knows why it is advertised" },
        { "first-seen", "it was advertised already when first seen" },
        { "external", "somebody else advertised it, and no attack explains it" } },
    [CFMT_GATE_NO_ATTACK] = { { "ok", "no open attack on it or inside it" } },
    [CFMT_GATE_CALM] = {
        { "unread", "no minute of its traffic is known" },
        { "future", "its minutes lie in the future: the clock was wrong" } },
    [CFMT_GATE_MIN_ADVERTISED] = { { "not_said", "the API does not say since when" } },
    [CFMT_GATE_NO_HOLD] = { { "ok", "no hold" } },
    [CFMT_GATE_NO_WINDOW] = { { "ok", "no maintenance window" } },
    [CFMT_GATE_ORIGIN] = {
        { "no_program", "no CfmtWithdrawCheck: nobody looks whether you announce it yourself" },
        { "not_asked", "CfmtWithdrawCheck is asked when all else is green" },
        { "asking", "CfmtWithdrawCheck is being asked" },
        { "old", "CfmtWithdrawCheck is to be asked again" },
        { "no_answer", "CfmtWithdrawCheck did not answer within 10s" } },
    [CFMT_GATE_API_HEALTH] = {
        { "ok", "the API answers" },
        { "breaker", "the API fails or refuses the token: it is left alone for now" } },
    [CFMT_GATE_PROJECTED] = { { "ok", "every delivery has been read" } },
    [CFMT_GATE_CLOCK] = {
        { "ok", "the clock runs evenly" },
        { "jumped", "the clock jumped by more than 5s: its state must be read again" },
        { "begun", "the leader has just begun: its state must be read first" },
        { "behind", "this host's clock is more than 1m behind Cloudflare's: set it, the traffic"
                    " that it asks for is old" } },
    [CFMT_GATE_LAST_LOOK] = {
        { "not_asked", "one last look at state and traffic comes before the withdrawal" },
        { "old", "the last look is to be taken again" },
        { "asking", "the last look is being taken" },
        { "no_answer", "the last look was not answered within 10s" },
        { "unreadable", "the last look at traffic could not be read whole" } },
};

static const char *fixed(const cfmt_gate_t *g)
{
    int i;

    for (i = 0; i < SENTENCES && sentences[g->id][i].reason; i++) {
        if (!strcmp(sentences[g->id][i].reason, g->reason)) {
            return sentences[g->id][i].text;
        }
    }
    return NULL;
}

/* What others wrote may hold anything. */
static const char *quoted(const cfmt_gate_t *g, apr_pool_t *p)
{
    return g->text && *g->text ? cfmt_text_escape(p, g->text, strlen(g->text), 200) : NULL;
}

/* "held by ...", "held" */
static const char *with(const char *text, const char *joint, const char *more, apr_pool_t *p)
{
    return more ? apr_pstrcat(p, text, joint, more, NULL) : text;
}

static const char *scope_text(const cfmt_gate_t *g, apr_pool_t *p)
{
    const char *who = quoted(g, p);

    if (!strcmp(g->reason, "denied")) {
        return with("denied", " by ", who, p);
    }
    return strcmp(g->source, "operator") ? "withdraw=auto" : with("approved", " by ", who, p);
}

static const char *cause_text(const cfmt_gate_t *g, apr_pool_t *p)
{
    const char *who = quoted(g, p);

    if (!strcmp(g->reason, "operator")) {
        return with("advertised by hand", " by ", who, p);
    }
    if (!strcmp(g->reason, "adopted")) {
        return with("handed over", " by ", who, p);
    }
    if (!strcmp(g->reason, "proposal")) {
        return with("advertised for an attack, as approved", " by ", who, p);
    }
    if (!strcmp(g->reason, "auto-advertise")) {
        return with("advertised by Cloudflare for an attack", ": ", who, p);
    }
    return with(!strcmp(g->reason, "policy") ? "advertised for attack" : "advertised under attack",
                " ", who, p);
}

static const char *attack_text(const cfmt_gate_t *g, apr_time_t now, apr_pool_t *p)
{
    const char *id = quoted(g, p);
    const char *text = apr_psprintf(p, "attack %s open since %s", id ? id : "?",
                                    when(g->at, now, p));

    if (!strcmp(g->reason, "no_target")) {
        text = apr_pstrcat(p, text, ", target unknown: it may be about any prefix", NULL);
    }
    return g->value > 1 ? apr_psprintf(p, "%s, and %" APR_INT64_T_FMT " more", text, g->value - 1)
                        : text;
}

static const char *calm_text(const cfmt_gate_t *g, apr_time_t now, apr_pool_t *p)
{
    const char *of = apr_psprintf(p, "%" APR_INT64_T_FMT " of %" APR_INT64_T_FMT " minutes calm",
                                  g->value < g->threshold ? g->value : g->threshold, g->threshold);

    if (!strcmp(g->reason, "attack") || !strcmp(g->reason, "between")) {
        return apr_pstrcat(p, of, ": the newest minute ",
                           *g->reason == 'a' ? "is attack" : "is below the threshold, but not half",
                           NULL);
    }
    if (!strcmp(g->reason, "gap")) {
        return apr_pstrcat(p, of, ", and minutes before them are not known yet", NULL);
    }
    if (!strcmp(g->reason, "stale")) {
        return apr_pstrcat(p, "nothing known since ", when(g->at, now, p), NULL);
    }
    return of;
}

static const char *time_text(const cfmt_gate_t *g, apr_time_t now, apr_pool_t *p)
{
    switch (g->id) {
    case CFMT_GATE_ADVERTISED:
        return g->value ? apr_pstrcat(p, "advertised since ", when(g->value, now, p), NULL)
                        : "advertised";
    case CFMT_GATE_FRESH:
        return apr_pstrcat(p, "its state was read ", span(g->value, p), " ago, at most ",
                           span(g->threshold, p), NULL);
    case CFMT_GATE_MIN_ADVERTISED:
        return g->value < 0 ? "its advertisement is dated in the future"
                            : apr_pstrcat(p, "advertised for ", span(g->value, p), ", at least ",
                                          span(g->threshold, p), NULL);
    case CFMT_GATE_NO_HOLD:
    case CFMT_GATE_NO_WINDOW:
        return apr_pstrcat(p, g->id == CFMT_GATE_NO_HOLD ? "held" : "maintenance window",
                           g->threshold ? " until " : "",
                           g->threshold ? when(g->threshold, now, p) : "",
                           quoted(g, p) ? ": " : "", quoted(g, p) ? quoted(g, p) : "", NULL);
    default:
        return g->reason;
    }
}

static const char *self_text(const cfmt_gate_t *g, apr_pool_t *p)
{
    switch (g->id) {
    case CFMT_GATE_ORIGIN:
        return with(g->light == CFMT_LIGHT_GREEN ? "you announce it yourself"
                                                 : "you do not announce it yourself",
                    ": ", quoted(g, p), p);
    case CFMT_GATE_PROJECTED:
        return apr_psprintf(p, "deliveries up to row %" APR_INT64_T_FMT " of %" APR_INT64_T_FMT
                               " have been read", g->value, g->threshold);
    case CFMT_GATE_LAST_LOOK:
        return g->light == CFMT_LIGHT_GREEN ? "looked: as it was, and calm"
                                            : "the last look saw attack traffic";
    default:
        return g->reason;
    }
}

/* Words that mean the same at every gate, where it has no sentence of its own. */
static int is_unsaid(const cfmt_gate_t *g)
{
    return g->light == CFMT_LIGHT_UNKNOWN
           && (!strcmp(g->reason, "not_said") || !strcmp(g->reason, "unknown"));
}

const char *cfmt_gate_text(const cfmt_gate_t *g, apr_time_t now, apr_pool_t *p)
{
    const char *text = fixed(g);

    if (text) {
        return text;
    }
    if (is_unsaid(g)) {
        return "not known";
    }
    switch (g->id) {
    case CFMT_GATE_SCOPE:
        return scope_text(g, p);
    case CFMT_GATE_CAUSE:
        return cause_text(g, p);
    case CFMT_GATE_NO_ATTACK:
        return attack_text(g, now, p);
    case CFMT_GATE_CALM:
        return calm_text(g, now, p);
    case CFMT_GATE_ORIGIN:
    case CFMT_GATE_PROJECTED:
    case CFMT_GATE_LAST_LOOK:
        return self_text(g, p);
    default:
        return time_text(g, now, p);
    }
}

const char *cfmt_gate_line(const cfmt_gate_t *g, apr_time_t now, apr_pool_t *p)
{
    const char *age = g->at && g->at < now
                          ? apr_pstrcat(p, ", ", span(now - g->at, p), " ago", NULL)
                          : "";
    const char *next = g->next ? apr_pstrcat(p, ", next change ", when_next(g->next, now, p), NULL)
                               : "";

    return apr_psprintf(p, "%-14s %-11s %s (%s%s%s)", cfmt_gate_name(g->id),
                        cfmt_light_name(g->light), cfmt_gate_text(g, now, p), g->source, age, next);
}

/* ---- what status says ------------------------------------------------------------------------ */

static const char *passing_text(const cfmt_decision_t *d, const cfmt_case_t *c, apr_pool_t *p)
{
    const cfmt_gate_t *g = &d->gates[CFMT_GATE_CALM];
    const char *at = when_next(d->earliest, c->now, p);
    const char *verb = c->options.withdraw == CFMT_HOW_PROPOSE ? "propose to withdraw "
                       : c->mode == CFMT_MODE_ENFORCE          ? "withdraw "
                                                               : "would withdraw ";

    if (cfmt_gate_open(g)) {
        return apr_pstrcat(p, verb, at, NULL);
    }
    return apr_psprintf(p, "%s%s if calm (%" APR_INT64_T_FMT " of %" APR_INT64_T_FMT " minutes)",
                        verb, at, g->value < g->threshold ? g->value : g->threshold, g->threshold);
}

const char *cfmt_withdraw_text(const cfmt_decision_t *d, const cfmt_case_t *c, apr_pool_t *p)
{
    static const char *const doing[] = {
        [CFMT_DO_READ] = "reading its state",
        [CFMT_DO_CHECK] = "asking CfmtWithdrawCheck",
        [CFMT_DO_WOULD] = "would withdraw now (CfmtMode observe)",
        [CFMT_DO_PROPOSE] = "proposing to withdraw it",
        [CFMT_DO_LOOK] = "taking the last look",
        [CFMT_DO_WITHDRAW] = "withdrawing",
    };

    if (d->action != CFMT_DO_STAY) {
        return doing[d->action];
    }
    if (d->why == CFMT_GATE_ADVERTISED && c->b.advertised == 0) {
        return "-";
    }
    if (d->orphan && d->why == CFMT_GATE_CAUSE) {
        return "orphan: cfmtctl adopt | hold | withdraw";
    }
    if (d->earliest && (d->why == CFMT_GATE_CALM || d->why == CFMT_GATE_MIN_ADVERTISED)) {
        return passing_text(d, c, p);
    }
    return apr_pstrcat(p, "stays: ", cfmt_gate_text(&d->gates[d->why], c->now, p), NULL);
}

static const char *blocked_text(const cfmt_advertise_t *a)
{
    static const sentence_t texts[] = {
        { "gone", "the API lists it no more" },
        { "disabled", "not on demand or not approved" },
        { "bgp", "controlled by BGP" },
        { "locked", "locked by Cloudflare" },
        { "api", "the API fails or refuses the token" },
        { "budget", "no calls left" },
        { NULL, "its state is not known" },
    };
    int i;

    for (i = 0; texts[i].reason && strcmp(texts[i].reason, a->reason); i++) {
    }
    return texts[i].text;
}

const char *cfmt_advertise_text(const cfmt_advertise_t *a, const cfmt_case_t *c, apr_pool_t *p)
{
    const char *at = a->at ? when_next(a->at, c->now, p) : "now";

    switch (a->action) {
    case CFMT_ADVERTISE_BLOCKED:
        return apr_psprintf(p, "NOT PROTECTED against attack %s: %s", a->attack, blocked_text(a));
    case CFMT_ADVERTISE_WAIT:
        return apr_psprintf(p, "NOT PROTECTED against attack %s: %s, possible %s", a->attack,
                            strcmp(a->reason, "proposed") ? a->reason : "waits for approval", at);
    case CFMT_ADVERTISE_PROPOSE:
        return apr_psprintf(p, "NOT PROTECTED against attack %s: proposing to advertise,"
                               " possible %s", a->attack, at);
    case CFMT_ADVERTISE_QUEUE:
        return apr_psprintf(p, "advertise %s (withdrawn %s): attack %s open", at,
                            when(a->at - c->options.min_withdrawn, c->now, p), a->attack);
    case CFMT_ADVERTISE_NOW:
        return apr_psprintf(p, "advertising: attack %s open", a->attack);
    default:
        return "-";
    }
}
