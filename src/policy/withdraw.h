/*
 * Private to the gates of a withdrawal: how a judgement is written down.
 */
#ifndef CFMT_POLICY_WITHDRAW_H
#define CFMT_POLICY_WITHDRAW_H

#include "cfmt_policy_gates.h"

void cfmt_gate_light(cfmt_gate_t *g, cfmt_light_e light, const char *reason);
void cfmt_gate_green(cfmt_gate_t *g); /* "ok" */
void cfmt_gate_red(cfmt_gate_t *g, const char *reason);
void cfmt_gate_unknown(cfmt_gate_t *g, const char *reason);
void cfmt_gate_figures(cfmt_gate_t *g, cfmt_figure_e figure, apr_int64_t value,
                       apr_int64_t threshold);

/* withdraw_calm.c */
void cfmt_withdraw_judge_calm(cfmt_gate_t *g, const cfmt_case_t *c);

#endif
