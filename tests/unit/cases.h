/*
 * A case for the tests of policy in which every gate of a withdrawal is green, to be spoilt.
 */
#ifndef CFMT_CASES_H
#define CFMT_CASES_H

#include <string.h>

#include "cfmt_policy_gates.h"
#include "unit.h"

#define SEC apr_time_from_sec(1)
#define MIN CFMT_MINUTE
#define HOUR (60 * MIN)
/* 2023-11-14T22:14:00Z, a whole minute, and so many minutes behind it. */
#define M(n) (apr_time_from_sec(1700000040) + (n) * MIN)

/*
 * Attack in M(-12) .. M(1), advertised at M(-10), END; calm since. At M(21) the fifteenth calm
 * minute is complete; it is five seconds later, and everybody has been asked.
 */
#define NOW (M(21) + 5 * SEC)

typedef struct fine_t {
    cfmt_case_t c;
    cfmt_span_t spans[40];
    cfmt_threat_t threats[4];
    cfmt_past_t past[8];
    cfmt_window_t windows[4];
} fine_t;

static inline void fine_calm(fine_t *f, apr_time_t from, apr_time_t to, cfmt_verdict_e verdict)
{
    f->spans[f->c.nspans++] = (cfmt_span_t){ .from = from, .to = to, .verdict = verdict,
                                             .reason = "below" };
}

static inline void fine_world(cfmt_case_t *c)
{
    ck_assert_int_eq(cfmt_cidr_parse(&c->cidr, NULL, "198.51.100.0/24"), APR_SUCCESS);
    c->b = (cfmt_bgp_prefix_t){ .id = "p1", .cidr = c->cidr, .approved = 1, .enabled = 1,
                                .advertised = 1, .advertised_at = M(-10) };
    c->listed = 1;
    c->read_at = NOW - 2 * SEC;
    c->first_at = M(-100000);
    c->cause = (cfmt_cause_t){ .kind = CFMT_CAUSE_POLICY, .by_attack = 1, .at = M(-10),
                               .attack = "a1b2", .intent = 7 };
}

static inline void fine_self(cfmt_case_t *c)
{
    c->held = 0;
    c->api_closed = 1;
    c->api_since = M(-5000);
    c->cursor = c->head = 4711;
    c->jumped = c->behind = 0;
    c->budget = 1;
    c->check = 1;
    c->check_ok = 1;
    c->check_asked_at = NOW - 4 * SEC;
    c->check_answered_at = NOW - 3 * SEC;
    c->check_text = "announced by AS64496";
    c->look_at = NOW - 2 * SEC;
    c->look_state_at = NOW - SEC;
    c->look_traffic_at = NOW;
    c->look_above = 0;
}

static inline void fine(fine_t *f)
{
    cfmt_case_t *c = &f->c;

    memset(f, 0, sizeof(*f));
    cfmt_case_init(c, NOW);
    c->mode = CFMT_MODE_ENFORCE;
    c->options.withdraw = CFMT_HOW_AUTO;
    fine_world(c);
    fine_self(c);
    c->spans = f->spans;
    c->threats = f->threats;
    c->past = f->past;
    c->windows = f->windows;
    c->nthreats = c->npast = c->nwindows = 0;
    c->complete = M(16);
    fine_calm(f, M(-10), M(1), CFMT_VERDICT_ATTACK);
    fine_calm(f, M(1), M(16), CFMT_VERDICT_CALM);
}

static inline cfmt_do_e action_of(const cfmt_case_t *c)
{
    cfmt_decision_t d;

    cfmt_withdraw_decide(&d, c);
    return d.action;
}

static inline cfmt_gate_t gate_of(const cfmt_case_t *c, cfmt_gate_e id)
{
    cfmt_gate_t g;

    cfmt_withdraw_gate(&g, id, c);
    return g;
}

#endif
