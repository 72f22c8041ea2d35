/*
 * What the commands that change something share, and those that show what is done and why: leading
 * for a round, which prefix is meant, commands and their answers, the state of a prefix.
 */
#ifndef CFMTCTL_ACT_H
#define CFMTCTL_ACT_H

#include "cfmt_store_act.h"
#include "cfmtctl.h"

#define CTL_BEGIN_LIMIT apr_time_from_sec(5)
#define CTL_ANSWER_LIMIT apr_time_from_sec(5) /* in real time, until a command is carried out */

/* ---- lead.c ---------------------------------------------------------------------------------- */

typedef struct ctl_lead_t ctl_lead_t;

/*
 * asks: for commands that need an answer of Cloudflare. CTL_DENIED, said: nobody leads, and it
 * cannot be asked from here.
 */
int ctl_lead_open(ctl_lead_t **pl, const ctl_t *ctl, cfmt_store_t *s, int asks);
/* Somebody else leads. */
int ctl_is_led(const ctl_t *ctl, const cfmt_store_t *s);
/* From now on this intent is acted on, too; 0 = none. */
void ctl_lead_mine(ctl_lead_t *l, apr_int64_t intent);
/* Leads where there is no other, as long as a call is under way: true when it did. */
int ctl_lead(ctl_lead_t *l);
/* Until journal row `row` is projected, by whoever leads. False: not in time. */
int ctl_projected(const ctl_t *ctl, cfmt_store_t *s, apr_int64_t row, apr_interval_time_t limit);

/* ---- pick.c: which prefix is meant ----------------------------------------------------------- */

/* A CfmtPrefix line, from the settings "Prefix CIDR". */
typedef struct ctl_line_t {
    cfmt_cidr_t cidr;
    const char *name; /* NULL = none */
} ctl_line_t;

apr_array_header_t *ctl_lines(const ctl_world_t *w); /* ctl_line_t */
const ctl_line_t *ctl_line_of(const apr_array_header_t *lines, const cfmt_cidr_t *cidr);

/*
 * "203.0.113.0/24", an address inside it (the smallest that can be advertised, else the smallest),
 * or the name of its line. prefixes: cfmt_prefix_row_t. CTL_USAGE, said with what was probably
 * meant: none is called so, or several are.
 */
int ctl_pick(const ctl_world_t *w, const apr_array_header_t *prefixes, const char *typed,
             cfmt_cidr_t *pcidr);
/* All operands, each prefix once: array of cfmt_cidr_t. */
int ctl_pick_all(const ctl_world_t *w, const apr_array_header_t *prefixes,
                 apr_array_header_t **pcidrs);
/* What may be typed for them: CIDRs and names. */
apr_array_header_t *ctl_pick_words(const ctl_world_t *w, const apr_array_header_t *prefixes);
/* A number that names a row: CTL_USAGE where it is none. */
int ctl_pick_id(const ctl_t *ctl, const char *typed, const char *noun, apr_int64_t *pid);

/* ---- order.c: a command for the leader, and what came of it ---------------------------------- */

typedef struct ctl_order_t {
    const char *about;       /* prefix, or "intent 7", "proposal 7", "window 7", "message 7",
                                "channel" */
    const char *body;        /* of the journal row */
    int asks;                /* needs an answer of Cloudflare */
    int may_override;        /* a withdrawal: --override has it done whatever the policy says */
    apr_int64_t row;         /* the journal row; 0 = not written */
    /* The answer; outcome NULL = none yet. */
    const char *outcome, *text;
    int code;                /* a ctl_exit_e */
    apr_int64_t exit;        /* the same, as it is shown */
    apr_int64_t intent, proposal; /* 0 = none */
    apr_time_t at;           /* done, or possible, then; 0 = now, or nobody knows */
    int alone;               /* nobody leads who would go on with it */
    const char *state;       /* of the intent, with --wait; NULL = not looked at */
    const char *said;        /* the last answer about the intent */
} ctl_order_t;

/* {"command":"hold","prefix":"203.0.113.0/24","reason":...}; more: further members, or "". */
const char *ctl_order_body(const ctl_t *ctl, const char *command, const cfmt_cidr_t *prefix,
                           const char *more);
/* The same about a thing with an id, given as JSON. */
const char *ctl_order_body_id(const ctl_t *ctl, const char *command, const char *id);
/* All or none of them into the journal. */
apr_status_t ctl_orders_write(const ctl_t *ctl, cfmt_store_t *s, ctl_order_t *orders, int n);
/*
 * Journals all, waits for the answers and, with --wait, for what they set going; prints what came
 * of it. question: asked first, once it is clear that they could be carried out; NULL = none.
 * Returns a ctl_exit_e.
 */
int ctl_orders_run(ctl_t *ctl, cfmt_store_t *s, ctl_order_t *orders, int n, const char *question);
/* One, and nothing is printed but what went wrong. Returns a ctl_exit_e. */
int ctl_order_ask(const ctl_t *ctl, cfmt_store_t *s, ctl_order_t *o);

/* ---- cmd_act.c ------------------------------------------------------------------------------- */

/* The command for each operand, or with --all; more: as above; ask: confirmation is wanted. */
int ctl_order_prefixes(ctl_t *ctl, const char *command, const char *more, int ask);
/* About the thing whose id is the operand: "a" noun; verb: what --dry-run would do to it. */
int ctl_order_id(ctl_t *ctl, const char *command, const char *noun, const char *verb);
/* "would WHAT", or that as JSON. */
int ctl_dry_run(const ctl_world_t *w, const char *command, const char *about, const char *what);

/* ---- situation.c: the state of each prefix --------------------------------------------------- */

typedef struct ctl_prefix_t {
    cfmt_cidr_t cidr;
    const cfmt_prefix_row_t *row;        /* NULL: the API lists none */
    const cfmt_decision_row_t *decision; /* NULL: none yet */
    cfmt_decided_t decided;              /* at a glance; of use only where has_decided */
    int has_decided;
    const cfmt_intent_row_t *intent;     /* the open one; NULL = none */
    const cfmt_span_t *minute;           /* the newest known; NULL = none */
    const char *prefix, *name, *state, *cause, *inside, *next;
    ctl_aged_t since, decided_at;
    apr_int64_t attacks;                 /* open ones on it, inside it, or on nobody knows what */
    const char *attacks_text, *dropped_text, *verdict, *who, *attack, *intent_state;
    apr_int64_t intent_id;
    double dropped;                      /* < 0 = not known */
    apr_time_t dropped_at, earliest;
    int exposed, orphan;                 /* three-valued */
} ctl_prefix_t;

typedef struct ctl_situation_t {
    apr_array_header_t *prefixes;  /* cfmt_prefix_row_t by CIDR */
    apr_array_header_t *decisions; /* cfmt_decision_row_t by CIDR */
    apr_array_header_t *intents;   /* cfmt_intent_row_t, open */
    apr_array_header_t *attacks;   /* cfmt_struck_t, open */
    apr_array_header_t *minutes;   /* cfmt_evidence_spans_t by CIDR */
    apr_array_header_t *lines;     /* ctl_line_t */
} ctl_situation_t;

apr_status_t ctl_situation_load(const ctl_world_t *w, ctl_situation_t *x);
void ctl_situation_view(const ctl_world_t *w, const ctl_situation_t *x, const cfmt_cidr_t *cidr,
                        ctl_prefix_t *v);
extern const ctl_list_t ctl_prefix_list; /* of ctl_prefix_t */
/* "requested, tried again 03:22:05Z: no answer" */
const char *ctl_intent_text(const ctl_world_t *w, const cfmt_intent_row_t *in);

/* ---- wishes.c: what people and the policy want ----------------------------------------------- */

typedef struct ctl_hold_t {
    apr_int64_t id;
    const char *prefix, *who, *reason, *origin;
    apr_time_t since, until; /* until 0 = until released */
} ctl_hold_t;
typedef struct ctl_window_t {
    apr_int64_t id;
    const char *prefix, *state, *who, *reason; /* state "ahead" "open" */
    apr_time_t from, to;
} ctl_window_t;
typedef struct ctl_proposal_t {
    apr_int64_t id;
    const char *prefix, *want, *attack, *state, *reason, *decided_by, *decided_why;
    apr_time_t made, expires, decided;
} ctl_proposal_t;
typedef struct ctl_intent_t {
    apr_int64_t id, attempts, proposal;
    const char *prefix, *want, *state, *cause, *who, *reason, *attack, *answer;
    apr_time_t created, not_before, next, settled;
} ctl_intent_t;

/* Of one prefix, or of all (NULL): those in force or ahead, open, or (intents of one) the last. */
apr_status_t ctl_holds(const ctl_world_t *w, const cfmt_cidr_t *only, apr_array_header_t **prows);
apr_status_t ctl_windows(const ctl_world_t *w, const cfmt_cidr_t *only,
                         apr_array_header_t **prows);
/* limit 0: open ones; else the newest, oldest first. */
apr_status_t ctl_proposals_of(const ctl_world_t *w, const cfmt_cidr_t *only, int limit,
                              apr_array_header_t **prows);
apr_status_t ctl_intents(const ctl_world_t *w, const cfmt_cidr_t *only,
                         apr_array_header_t **prows);
extern const ctl_list_t ctl_hold_list, ctl_window_rows, ctl_proposal_list, ctl_intent_list;

/* ---- cmd_audit.c ----------------------------------------------------------------------------- */

/* The newest of a prefix, oldest first: array of cfmt_audit_row_t. */
apr_status_t ctl_changes(const ctl_world_t *w, const char *prefix, int limit,
                         apr_array_header_t **prows);
extern const ctl_list_t ctl_audit_list;

#endif
