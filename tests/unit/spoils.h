/*
 * Everything that spoils the fine case of cases.h at exactly one gate, and what is said then.
 */
#ifndef CFMT_SPOILS_H
#define CFMT_SPOILS_H

#include "cases.h"

/* What spoils exactly one gate. */
typedef struct spoil_t {
    cfmt_gate_e gate;
    void (*by)(fine_t *f);
    cfmt_light_e light;
    const char *reason, *source;
    cfmt_do_e action;
} spoil_t;

#define SPOIL(name, ...) \
    static inline void name(fine_t *f) \
    { \
        cfmt_case_t *c = &f->c; \
        (void)c; \
        __VA_ARGS__; \
    }
SPOIL(mode_observe, c->mode = CFMT_MODE_OBSERVE)
SPOIL(mode_odd, c->mode = (cfmt_mode_e)2)
SPOIL(scope_manual, c->options.withdraw = CFMT_HOW_MANUAL)
SPOIL(scope_odd, c->options.withdraw = (cfmt_how_e)3)
SPOIL(scope_propose, c->options.withdraw = CFMT_HOW_PROPOSE)
SPOIL(known_unapproved, c->b.approved = 0)
SPOIL(known_approval, c->b.approved = -1)
SPOIL(known_gone, c->listed = 0)
SPOIL(known_missing, c->listed = -1)
SPOIL(enabled_no, c->b.enabled = 0)
SPOIL(enabled_unknown, c->b.enabled = -1)
SPOIL(locked_yes, c->b.locked = 1)
SPOIL(locked_unknown, c->b.locked = -1)
SPOIL(bgp_yes, c->b.bgp_control = 1)
SPOIL(bgp_unknown, c->b.bgp_control = -1)
SPOIL(withdrawn, c->b.advertised = 0)
SPOIL(advertised_unknown, c->b.advertised = -1)
SPOIL(read_never, c->read_at = 0)
SPOIL(read_old, c->read_at = NOW - 60 * SEC - 1)
SPOIL(read_future, c->read_at = NOW + 1)
SPOIL(cause_external, c->cause.kind = CFMT_CAUSE_EXTERNAL; c->cause.by_attack = 0)
SPOIL(cause_operator, c->cause.kind = CFMT_CAUSE_OPERATOR; c->cause.by_attack = 0)
SPOIL(cause_first, c->cause.kind = CFMT_CAUSE_FIRST_SEEN; c->cause.by_attack = 0)
SPOIL(cause_odd, c->cause.by_attack = -1)
SPOIL(cause_other, c->cause.at--)
SPOIL(cause_none, c->cause.at = 0)
SPOIL(attack_here, c->nthreats = 1; f->threats[0] = (cfmt_threat_t){
                       .attack = "a9", .source = "analytics", .from = M(20), .here = 1 })
SPOIL(attack_anywhere, c->nthreats = 1; f->threats[0] = (cfmt_threat_t){
                           .attack = "a9", .source = "alert", .from = M(20), .everywhere = 1 })
SPOIL(attacks_unknown, c->nthreats = -1)
SPOIL(calm_short, f->spans[0].to = f->spans[1].from = M(2))
SPOIL(calm_attack, fine_calm(f, M(18), M(19), CFMT_VERDICT_ATTACK))
SPOIL(calm_between, f->spans[1].to = M(15); fine_calm(f, M(15), M(16), CFMT_VERDICT_BETWEEN))
SPOIL(calm_gap, f->spans[1].from = M(2))
SPOIL(calm_unread, f->spans[1].to = M(15))
SPOIL(calm_nothing, c->nspans = 0; c->complete = 0)
SPOIL(calm_future, c->complete = M(22); f->spans[1].to = M(22))
SPOIL(calm_stale, c->options.lag = c->options.interval = 0; c->complete = M(19);
      f->spans[1].to = M(19))
SPOIL(calm_doubled, c->npast = 1; f->past[0] = (cfmt_past_t){ M(-60), M(-10) })
SPOIL(calm_past_unknown, c->npast = -1)
SPOIL(min_early, c->options.min_advertised = 31 * MIN + 6 * SEC)
SPOIL(hold_forever, c->held = 1; c->held_until = 0; c->held_since = M(3); c->held_by = "anna")
SPOIL(hold_until, c->held = 1; c->held_since = M(3); c->held_until = NOW + 1)
SPOIL(hold_unknown, c->held = -1)
SPOIL(window_open, c->nwindows = 1; f->windows[0] = (cfmt_window_t){ 1, NOW, NOW + 1, "works" })
SPOIL(windows_unknown, c->nwindows = -1)
SPOIL(origin_absent, c->check_ok = 0)
SPOIL(origin_odd, c->check_ok = -1)
SPOIL(origin_not_asked, c->check_asked_at = 0)
SPOIL(origin_old, c->check_asked_at = NOW - 60 * SEC)
SPOIL(origin_asking, c->check_answered_at = 0)
SPOIL(origin_silent, c->check_answered_at = 0; c->check_asked_at = NOW - 11 * SEC)
SPOIL(origin_unknown, c->check = -1)
SPOIL(api_open, c->api_closed = 0)
SPOIL(api_unknown, c->api_closed = -1)
SPOIL(journal_behind, c->cursor--)
SPOIL(journal_unknown, c->cursor = c->head = -1)
SPOIL(clock_jumped, c->jumped = 1; c->jumped_at = NOW - 9 * SEC)
SPOIL(clock_unknown, c->jumped = -1)
SPOIL(clock_begun, c->jumped = 1)
SPOIL(clock_behind, c->behind = 1)
SPOIL(clock_unheard, c->behind = -1)
SPOIL(look_not_asked, c->look_at = 0)
SPOIL(look_old, c->look_at = NOW - 60 * SEC; c->look_state_at = c->look_traffic_at = c->look_at)
SPOIL(look_asking, c->look_traffic_at = 0)
SPOIL(look_stateless, c->look_state_at = c->look_at - 1)
SPOIL(look_silent, c->look_at = NOW - 11 * SEC)
SPOIL(look_attack, c->look_above = 1)
SPOIL(look_unreadable, c->look_above = -1)
#undef SPOIL

#define RED CFMT_LIGHT_RED
#define DARK CFMT_LIGHT_UNKNOWN
static const spoil_t spoils[] = {
    { CFMT_GATE_MODE, mode_observe, RED, "observe", "config", CFMT_DO_WOULD },
    { CFMT_GATE_MODE, mode_odd, RED, "observe", "config", CFMT_DO_WOULD },
    { CFMT_GATE_SCOPE, scope_manual, RED, "manual", "config", CFMT_DO_STAY },
    { CFMT_GATE_SCOPE, scope_odd, RED, "manual", "config", CFMT_DO_STAY },
    { CFMT_GATE_SCOPE, scope_propose, RED, "propose", "config", CFMT_DO_PROPOSE },
    { CFMT_GATE_KNOWN, known_unapproved, RED, "not_approved", "api", CFMT_DO_STAY },
    { CFMT_GATE_KNOWN, known_approval, DARK, "not_said", "api", CFMT_DO_STAY },
    { CFMT_GATE_KNOWN, known_gone, RED, "gone", "api", CFMT_DO_STAY },
    { CFMT_GATE_KNOWN, known_missing, DARK, "missing", "api", CFMT_DO_STAY },
    { CFMT_GATE_ENABLED, enabled_no, RED, "not_on_demand", "api", CFMT_DO_STAY },
    { CFMT_GATE_ENABLED, enabled_unknown, DARK, "not_said", "api", CFMT_DO_STAY },
    { CFMT_GATE_UNLOCKED, locked_yes, RED, "locked", "api", CFMT_DO_STAY },
    { CFMT_GATE_UNLOCKED, locked_unknown, DARK, "not_said", "api", CFMT_DO_STAY },
    { CFMT_GATE_API_CONTROLLED, bgp_yes, RED, "bgp", "api", CFMT_DO_STAY },
    { CFMT_GATE_API_CONTROLLED, bgp_unknown, DARK, "not_said", "api", CFMT_DO_STAY },
    { CFMT_GATE_ADVERTISED, withdrawn, RED, "withdrawn", "api", CFMT_DO_STAY },
    { CFMT_GATE_ADVERTISED, advertised_unknown, DARK, "not_said", "api", CFMT_DO_STAY },
    { CFMT_GATE_FRESH, read_never, DARK, "never_read", "api", CFMT_DO_READ },
    { CFMT_GATE_FRESH, read_old, RED, "old", "api", CFMT_DO_READ },
    { CFMT_GATE_FRESH, read_future, DARK, "future", "api", CFMT_DO_READ },
    { CFMT_GATE_CAUSE, cause_external, RED, "external", "api", CFMT_DO_STAY },
    { CFMT_GATE_CAUSE, cause_operator, RED, "operator", "operator", CFMT_DO_STAY },
    { CFMT_GATE_CAUSE, cause_first, RED, "first-seen", "api", CFMT_DO_STAY },
    { CFMT_GATE_CAUSE, cause_odd, RED, "policy", "journal", CFMT_DO_STAY },
    { CFMT_GATE_CAUSE, cause_other, DARK, "unknown", "journal", CFMT_DO_STAY },
    { CFMT_GATE_CAUSE, cause_none, DARK, "unknown", "journal", CFMT_DO_STAY },
    { CFMT_GATE_NO_ATTACK, attack_here, RED, "attack", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_NO_ATTACK, attack_anywhere, RED, "no_target", "alert", CFMT_DO_STAY },
    { CFMT_GATE_NO_ATTACK, attacks_unknown, DARK, "unknown", "alert", CFMT_DO_STAY },
    { CFMT_GATE_CALM, calm_short, RED, "short", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_CALM, calm_attack, RED, "attack", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_CALM, calm_between, RED, "between", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_CALM, calm_gap, DARK, "gap", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_CALM, calm_unread, DARK, "unread", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_CALM, calm_nothing, DARK, "unread", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_CALM, calm_future, DARK, "future", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_CALM, calm_stale, DARK, "stale", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_CALM, calm_doubled, RED, "short", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_CALM, calm_past_unknown, RED, "short", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_MIN_ADVERTISED, min_early, RED, "early", "api", CFMT_DO_STAY },
    { CFMT_GATE_NO_HOLD, hold_forever, RED, "hold", "operator", CFMT_DO_STAY },
    { CFMT_GATE_NO_HOLD, hold_until, RED, "hold", "operator", CFMT_DO_STAY },
    { CFMT_GATE_NO_HOLD, hold_unknown, DARK, "unknown", "operator", CFMT_DO_STAY },
    { CFMT_GATE_NO_WINDOW, window_open, RED, "window", "operator", CFMT_DO_STAY },
    { CFMT_GATE_NO_WINDOW, windows_unknown, DARK, "unknown", "operator", CFMT_DO_STAY },
    { CFMT_GATE_ORIGIN, origin_absent, RED, "absent", "program", CFMT_DO_STAY },
    { CFMT_GATE_ORIGIN, origin_odd, DARK, "not_said", "program", CFMT_DO_STAY },
    { CFMT_GATE_ORIGIN, origin_not_asked, DARK, "not_asked", "program", CFMT_DO_CHECK },
    { CFMT_GATE_ORIGIN, origin_old, DARK, "old", "program", CFMT_DO_CHECK },
    { CFMT_GATE_ORIGIN, origin_asking, DARK, "asking", "program", CFMT_DO_STAY },
    { CFMT_GATE_ORIGIN, origin_silent, RED, "no_answer", "program", CFMT_DO_STAY },
    { CFMT_GATE_ORIGIN, origin_unknown, DARK, "unknown", "program", CFMT_DO_STAY },
    { CFMT_GATE_API_HEALTH, api_open, RED, "breaker", "api", CFMT_DO_STAY },
    { CFMT_GATE_API_HEALTH, api_unknown, DARK, "not_said", "api", CFMT_DO_STAY },
    { CFMT_GATE_PROJECTED, journal_behind, RED, "behind", "journal", CFMT_DO_STAY },
    { CFMT_GATE_PROJECTED, journal_unknown, DARK, "unknown", "journal", CFMT_DO_STAY },
    { CFMT_GATE_CLOCK, clock_jumped, RED, "jumped", "clock", CFMT_DO_READ },
    { CFMT_GATE_CLOCK, clock_unknown, DARK, "not_said", "clock", CFMT_DO_READ },
    { CFMT_GATE_CLOCK, clock_begun, RED, "begun", "clock", CFMT_DO_READ },
    { CFMT_GATE_CLOCK, clock_behind, RED, "behind", "clock", CFMT_DO_STAY },
    { CFMT_GATE_CLOCK, clock_unheard, DARK, "not_said", "clock", CFMT_DO_STAY },
    { CFMT_GATE_LAST_LOOK, look_not_asked, DARK, "not_asked", "analytics", CFMT_DO_LOOK },
    { CFMT_GATE_LAST_LOOK, look_old, DARK, "old", "analytics", CFMT_DO_LOOK },
    { CFMT_GATE_LAST_LOOK, look_asking, DARK, "asking", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_LAST_LOOK, look_stateless, DARK, "asking", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_LAST_LOOK, look_silent, RED, "no_answer", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_LAST_LOOK, look_attack, RED, "attack", "analytics", CFMT_DO_STAY },
    { CFMT_GATE_LAST_LOOK, look_unreadable, RED, "unreadable", "analytics", CFMT_DO_STAY },
};
#undef RED
#undef DARK

#endif
