/*
 * Room policy, its second part: what changed a prefix, the gates of a withdrawal, the rules of
 * advertising (DOMAIN.md sections 1, 4 and 5). Pure functions over plain data. No I/O, no clock,
 * nothing static.
 */
#ifndef CFMT_POLICY_GATES_H
#define CFMT_POLICY_GATES_H

#include "cfmt_policy.h"

/*
 * Three-valued members (cfmt_world.h): 1 yes, 0 no, anything else not known. A gate takes what is
 * not known for neither. Texts live as long as the case that they are in.
 */

/* ---- cause.c: each change of a prefix has exactly one cause ---------------------------------- */

typedef enum {
    CFMT_CAUSE_UNKNOWN,    /* nobody says when it changed */
    CFMT_CAUSE_FIRST_SEEN, /* it was so when first seen */
    CFMT_CAUSE_EXTERNAL,   /* dashboard, Terraform, another program */
    CFMT_CAUSE_OPERATOR,   /* a command: our intent, with the user's name */
    CFMT_CAUSE_PROPOSAL,   /* an approved proposal: our intent */
    CFMT_CAUSE_POLICY,     /* our intent */
    CFMT_CAUSE_AUTO,       /* Cloudflare says that it advertised it for an attack */
    CFMT_CAUSE_ATTACK,     /* somebody's, while an attack on it was open */
    CFMT_CAUSE_ADOPTED,    /* handed over by the operator, whoever it was */
    CFMT_CAUSES
} cfmt_cause_e;
/*
 * "unknown" "first-seen" "external" "operator" "proposal" "policy" "auto-advertise" "attack"
 * "adopted"
 */
const char *cfmt_cause_name(cfmt_cause_e kind);

/* The window around an advertisement in which an attack, or such an alert, explains it. */
#define CFMT_CAUSE_BEFORE apr_time_from_sec(15 * 60)
#define CFMT_CAUSE_AFTER apr_time_from_sec(5 * 60)
#define CFMT_CAUSE_SKEW apr_time_from_sec(30) /* their clock against ours, beside the measured */

typedef struct cfmt_cause_t {
    cfmt_cause_e kind;
    int by_attack;      /* an advertisement that the policy may take back: gate `cause` is green */
    apr_time_t at;      /* the change that it explains; 0 = unknown */
    const char *who;    /* the operator's name; NULL */
    const char *attack; /* id; NULL */
    apr_int64_t intent; /* id; 0 */
} cfmt_cause_t;

/* An intent of ours that was sent, unless Cloudflare refused it; superseded ones, too. */
typedef struct cfmt_deed_t {
    apr_int64_t id;
    int want;                    /* 1 advertised, 0 withdrawn */
    cfmt_cause_e by;             /* OPERATOR, PROPOSAL or POLICY */
    const char *who, *attack;    /* NULL = none */
    apr_time_t sent_at;          /* first call; 0 = none was made: it changed nothing */
    apr_time_t until;            /* answered, or given up without an answer; 0 = under way */
    apr_time_t expects;          /* advertised_modified_at just before the call; 0 = not said */
    apr_time_t done_at;          /* it was read to be as wanted, and settled; 0 = not so */
} cfmt_deed_t;

/* An attack (ours, network) on the prefix or inside it was open. Not one without a target. */
typedef struct cfmt_episode_t {
    const char *attack;
    apr_time_t from, to;         /* to: 0 = it still is; exclusive otherwise */
} cfmt_episode_t;

typedef struct cfmt_cause_facts_t {
    apr_time_t now;
    int advertised;              /* which change: 1 it was advertised, 0 withdrawn */
    apr_time_t at;               /* advertised_modified_at; 0 = not said */
    apr_time_t read_at;          /* read to be so first, by our clock; 0 = not known */
    int first_seen;              /* it was so already when first seen */
    apr_interval_time_t skew;    /* their clock against ours as measured, either sign */
    const cfmt_deed_t *deeds;    /* of this prefix, any order */
    int ndeeds;
    const cfmt_episode_t *episodes;
    int nepisodes;
    /* Arrivals of alerts that say "Advertised", in that word, of this prefix. */
    const apr_time_t *statuses;
    int nstatuses;
    apr_time_t adopted;          /* advertised_modified_at of what was handed over; 0 = nothing */
    const char *adopted_by;
    /*
     * What was found before, of the same direction; NULL = nothing. Of the same change a call of
     * ours stays the cause, and so does a proof by attack: episodes that prove it may be gone.
     */
    const cfmt_cause_t *before;
} cfmt_cause_facts_t;

/*
 * Our own intent comes before all that only happened at the same time: what an operator advertises
 * under attack is the operator's. Texts are those of the facts.
 */
void cfmt_cause_find(cfmt_cause_t *c, const cfmt_cause_facts_t *f);

/* ---- what policy looks at -------------------------------------------------------------------- */

typedef enum { CFMT_MODE_OBSERVE, CFMT_MODE_ENFORCE } cfmt_mode_e;
/* withdraw=, advertise= of a prefix; advertise knows no PROPOSE: MANUAL is a proposal there. */
typedef enum { CFMT_HOW_MANUAL, CFMT_HOW_PROPOSE, CFMT_HOW_AUTO } cfmt_how_e;

typedef struct cfmt_options_t {
    cfmt_how_e withdraw, advertise;
    apr_interval_time_t calm, calm_max, min_advertised, min_withdrawn, orphan_after;
    apr_interval_time_t lag, interval; /* of analytics: how late minutes are, how often asked */
} cfmt_options_t;
#define CFMT_OPTIONS_DEFAULT \
    { .withdraw = CFMT_HOW_MANUAL, .advertise = CFMT_HOW_MANUAL, \
      .calm = apr_time_from_sec(900), .calm_max = apr_time_from_sec(7200), \
      .min_advertised = apr_time_from_sec(900), .min_withdrawn = apr_time_from_sec(900), \
      .orphan_after = apr_time_from_sec(4 * 3600), .lag = apr_time_from_sec(300), \
      .interval = apr_time_from_sec(60) }

/* An open attack of ours on the network that touches the prefix or has no readable target. */
typedef struct cfmt_threat_t {
    const char *attack;      /* id */
    const char *source;      /* "alert" "analytics" */
    apr_time_t from, last_at; /* episode_at, last_at */
    int here;                /* on it or inside it: cfmt_attack_on */
    int chosen;              /* and it is to be advertised for it: cfmt_advertise_choose */
    int everywhere;          /* no readable target: may be about anything */
} cfmt_threat_t;

/* A withdrawal of ours by the policy or by an approved proposal. */
typedef struct cfmt_past_t {
    apr_time_t at;      /* it was withdrawn */
    apr_time_t back_at; /* then began the first attack on it, or on nobody knows what; 0 = none */
} cfmt_past_t;

/* A maintenance window of this prefix, or of all. */
typedef struct cfmt_window_t {
    apr_int64_t id;
    apr_time_t from, to; /* to is exclusive */
    const char *reason;
} cfmt_window_t;

typedef enum {
    CFMT_OFFER_NONE,
    CFMT_OFFER_OPEN,     /* waits for approve or deny until `until` */
    CFMT_OFFER_APPROVED,
    CFMT_OFFER_DENIED
} cfmt_offer_e;

/* The newest proposal to withdraw it, or to advertise it. */
typedef struct cfmt_offer_t {
    cfmt_offer_e state;
    apr_int64_t id;
    apr_time_t advertised_at; /* to withdraw: the advertisement it is about; others do not count */
    apr_time_t at;            /* made, approved or denied */
    apr_time_t until;         /* then it is void; an approved one CfmtProposalTtl after `at` */
    const char *by;           /* who approved or denied; NULL */
} cfmt_offer_t;

typedef struct cfmt_case_t {
    apr_time_t now;
    cfmt_mode_e mode;
    cfmt_options_t options;

    /* The API's word. */
    cfmt_cidr_t cidr;
    int listed;                 /* 1 in the last reading, 0 gone; -1 never read or just missing */
    cfmt_bgp_prefix_t b;
    apr_time_t read_at;         /* 0 = never */
    apr_time_t first_at;        /* first seen by this store */
    cfmt_cause_t cause;         /* of the last change, advertised or withdrawn */

    /* Attacks: all open ones with here or everywhere. */
    const cfmt_threat_t *threats;
    int nthreats;               /* < 0 = not known */

    /* Traffic. */
    const cfmt_span_t *spans;   /* as in cfmt_policy.h */
    int nspans;
    apr_time_t complete;        /* end of the newest complete minute; 0 = none ever was */
    apr_time_t poll_at;         /* analytics are asked next; 0 = not known */
    const cfmt_past_t *past;    /* any order */
    int npast;                  /* < 0 = not known */

    /* The operator's word. */
    int held;                   /* three-valued */
    apr_time_t held_since, held_until; /* until 0 = for ever; exclusive */
    const char *held_by, *held_why;
    const cfmt_window_t *windows;
    int nwindows;               /* < 0 = not known */
    cfmt_offer_t withdraw_offer, advertise_offer;

    /* CfmtWithdrawCheck. */
    int check;                  /* 1 there is one, 0 there is none */
    apr_time_t check_asked_at;  /* 0 = not yet */
    apr_time_t check_answered_at; /* 0, or before it was asked: not yet */
    int check_ok;               /* 1 exit 0 in time, 0 anything else */
    const char *check_text;     /* its first line, or what went wrong */

    /* Ourselves. */
    int api_closed;             /* the breaker is closed: 1 yes */
    apr_time_t api_since, api_retry_at; /* since when it is so; when it is tried; 0 = no idea */
    apr_int64_t cursor, head;   /* of the journal; < 0 = not known */
    /*
     * 1 = the clock jumped by more than 5 s and no state was read since, in the order in which it
     * happened: times before and behind a jump cannot be compared. 0 = no.
     */
    int jumped;
    apr_time_t jumped_at;       /* 0 = never: what is to be read is what a new leader has not yet */
    /*
     * 1 = it is behind that of the API's answers by more than a minute: what is newest by it are
     * old minutes. 0 = no, or no answer has said.
     */
    int behind;
    apr_interval_time_t behind_by; /* then; else 0 */
    int budget;                 /* calls are left for actions: 1 yes (advertise.c) */

    /* The last look: asked anew, answered by what was read after look_at. */
    apr_time_t look_at;         /* asked; 0 = not yet */
    apr_time_t look_state_at, look_traffic_at; /* answers to that very asking; 0 = not yet */
    int look_above;             /* traffic up to now is above threshold; -1 = cut or not readable */

    /* What was told already: 0 = not yet. */
    apr_time_t orphan_told_at;
    apr_time_t paged_at;        /* "attack open, NOT PROTECTED", last */
    /* The last change was a withdrawal by policy or by an approved proposal: its time; else 0. */
    apr_time_t policy_withdrew_at;

    /* The limits below; longer where time runs faster for a demonstration: transfers do not. */
    apr_interval_time_t fresh_max, check_limit, look_limit;
} cfmt_case_t;

/* All unknown but `now`; observe, default options. Each case starts so: 0 is not "unknown". */
void cfmt_case_init(cfmt_case_t *c, apr_time_t now);

/* ---- gates.c: names, texts ------------------------------------------------------------------- */

/* In the order of DOMAIN.md section 5, which is that of explain. */
typedef enum {
    CFMT_GATE_MODE,
    CFMT_GATE_SCOPE,
    CFMT_GATE_KNOWN,
    CFMT_GATE_ENABLED,
    CFMT_GATE_UNLOCKED,
    CFMT_GATE_API_CONTROLLED,
    CFMT_GATE_ADVERTISED,
    CFMT_GATE_FRESH,
    CFMT_GATE_CAUSE,
    CFMT_GATE_NO_ATTACK,
    CFMT_GATE_CALM,
    CFMT_GATE_MIN_ADVERTISED,
    CFMT_GATE_NO_HOLD,
    CFMT_GATE_NO_WINDOW,
    CFMT_GATE_ORIGIN,
    CFMT_GATE_API_HEALTH,
    CFMT_GATE_PROJECTED,
    CFMT_GATE_CLOCK,
    CFMT_GATE_LAST_LOOK,
    CFMT_GATES
} cfmt_gate_e;
const char *cfmt_gate_name(cfmt_gate_e id);       /* "mode" ... "last_look" */
cfmt_gate_e cfmt_gate_by_name(const char *name);  /* CFMT_GATES: none is called so */

/* Only GREEN lets through, and UNCHECKED, which only `origin` without a program can be. */
typedef enum {
    CFMT_LIGHT_UNKNOWN,
    CFMT_LIGHT_RED,
    CFMT_LIGHT_GREEN,
    CFMT_LIGHT_UNCHECKED
} cfmt_light_e;
const char *cfmt_light_name(cfmt_light_e light); /* "unknown" "red" "green" "not checked" */

/* What value and threshold are. */
typedef enum {
    CFMT_FIGURE_NONE,
    CFMT_FIGURE_COUNT,
    CFMT_FIGURE_DURATION, /* microseconds */
    CFMT_FIGURE_TIME      /* UTC microseconds; 0 = none */
} cfmt_figure_e;
const char *cfmt_figure_name(cfmt_figure_e figure); /* "none" "count" "duration" "time" */

typedef struct cfmt_gate_t {
    cfmt_gate_e id;
    cfmt_light_e light;
    const char *reason;    /* a word: "short", "attack", "old", ...; "ok" when green */
    cfmt_figure_e figure;
    apr_int64_t value, threshold; /* green means value >= threshold, or <= for fresh, no_attack */
    const char *text;      /* what it is about: attack id, user, line of a program; NULL */
    /* "api" "analytics" "alert" "operator" "config" "journal" "program" "clock" */
    const char *source;
    apr_time_t at;         /* known as of: age = now - at; 0 = never known */
    apr_time_t next;       /* may change then by time alone, always behind now; 0 = not by time */
} cfmt_gate_t;

int cfmt_gate_open(const cfmt_gate_t *g); /* it lets through */
/* One sentence for people, without its name, light and full stop, in p. */
const char *cfmt_gate_text(const cfmt_gate_t *g, apr_time_t now, apr_pool_t *p);
/* The line of explain: name, light, sentence, source and age, next change. */
const char *cfmt_gate_line(const cfmt_gate_t *g, apr_time_t now, apr_pool_t *p);
/* Figures as text: "13", "12m30s", "2026-11-22T03:01:10Z"; "-" for none. */
const char *cfmt_figure_text(cfmt_figure_e figure, apr_int64_t v, apr_pool_t *p);

/* ---- withdraw.c: the gates of a withdrawal --------------------------------------------------- */

#define CFMT_FRESH_MAX apr_time_from_sec(60)    /* age of the state that a withdrawal may rest on */
#define CFMT_CHECK_EVERY apr_time_from_sec(60)  /* the program is asked, and believed, so long */
#define CFMT_CHECK_LIMIT apr_time_from_sec(10)
#define CFMT_LOOK_LIMIT apr_time_from_sec(10)   /* answered by then, and acted upon by then */
#define CFMT_LOOK_AGAIN apr_time_from_sec(60)   /* after one that was in vain */
#define CFMT_ORPHAN_AGAIN apr_time_from_sec(86400)

typedef enum {
    CFMT_DO_STAY,
    CFMT_DO_READ,     /* read its state at once: nothing else is missing */
    CFMT_DO_CHECK,    /* ask CfmtWithdrawCheck */
    CFMT_DO_WOULD,    /* observe: tell, do nothing */
    CFMT_DO_PROPOSE,  /* withdraw=propose: make the proposal */
    CFMT_DO_LOOK,     /* ask the last look: state and traffic up to now */
    CFMT_DO_WITHDRAW  /* every gate lets through */
} cfmt_do_e;
/* "stay" "read" "check" "would-withdraw" "propose" "look" "withdraw" */
const char *cfmt_do_name(cfmt_do_e action);

typedef struct cfmt_decision_t {
    cfmt_do_e action;
    cfmt_gate_t gates[CFMT_GATES];
    cfmt_gate_e why;       /* stay: the gate that people are told of; CFMT_GATES = none */
    apr_time_t next;       /* decide again then at the latest; 0 = nothing changes by time */
    apr_time_t earliest;   /* a withdrawal then, if it is calm; 0 = not by time alone, or now */
    int orphan;            /* advertised for CfmtOrphanAfter, and nobody's to withdraw */
    int orphan_tell;       /* tell, or remind, now */
    apr_time_t orphan_at;  /* it becomes one, or is reminded of, then; 0 = no */
} cfmt_decision_t;

/* All gates are judged always. Texts in the gates are the case's. */
void cfmt_withdraw_decide(cfmt_decision_t *d, const cfmt_case_t *c);
/* withdraw_gates.c: the judgement of one alone. */
void cfmt_withdraw_gate(cfmt_gate_t *g, cfmt_gate_e id, const cfmt_case_t *c);
/* "stays: attack a1b2 open since 03:01:10Z", "withdraw 03:22:05Z if calm (13 of 15 minutes)". */
const char *cfmt_withdraw_text(const cfmt_decision_t *d, const cfmt_case_t *c, apr_pool_t *p);

/*
 * How long it must be calm: CfmtCalm, doubled for each withdrawal that an attack followed within
 * CFMT_BACK_WITHIN, for CFMT_CALM_DECAY from when that attack began; never more than CfmtCalmMax
 * nor less than CfmtCalm. *pnext (may be NULL): the first of them is forgotten then; 0 = none is.
 */
#define CFMT_BACK_WITHIN apr_time_from_sec(3600)
#define CFMT_CALM_DECAY apr_time_from_sec(86400)
apr_interval_time_t cfmt_withdraw_calm(const cfmt_case_t *c, apr_time_t *pnext);

/* ---- advertise.c ----------------------------------------------------------------------------- */

#define CFMT_PAGE_AFTER apr_time_from_sec(120) /* NOT PROTECTED, after START */
#define CFMT_PAGE_EVERY apr_time_from_sec(600)
#define CFMT_SEEN_LATE apr_time_from_sec(900)  /* so long before it is seen an attack may begin */
#define CFMT_REGRET apr_time_from_sec(3600)    /* what the policy withdrew it may advertise again */

/* Known to be on demand, approved, not BGP-controlled. */
int cfmt_advertisable(const cfmt_bgp_prefix_t *b);
/*
 * Indices into prefixes (array of cfmt_bgp_prefix_t, any order) to advertise for a target: the
 * smallest advertisable one that covers it, else each advertisable one inside it. Of several with
 * one CIDR the first. Array of int in p, possibly empty.
 */
apr_array_header_t *cfmt_advertise_choose(const cfmt_cidr_t *target,
                                          const apr_array_header_t *prefixes, apr_pool_t *p);
/* An attack on this target touches the prefix: either contains the other. */
int cfmt_attack_on(const cfmt_cidr_t *prefix, const cfmt_cidr_t *target);
/*
 * The attack is on the prefix or inside it, by its targets; where those are no addresses, or too
 * many to be kept, by the prefixes of ours that it hits: those inside the prefix or equal.
 * `anywhere` is not asked.
 */
int cfmt_attack_hits(const cfmt_struck_t *a, const cfmt_cidr_t *prefix);

typedef enum {
    CFMT_ADVERTISE_NONE,    /* no attack that it is chosen for, or it is advertised */
    CFMT_ADVERTISE_BLOCKED, /* cannot be: not known, locked, ... */
    CFMT_ADVERTISE_WAIT,    /* a proposal waits, or was denied */
    CFMT_ADVERTISE_PROPOSE, /* make the proposal */
    CFMT_ADVERTISE_QUEUE,   /* to be done in the second `at` */
    CFMT_ADVERTISE_NOW
} cfmt_advertise_e;
/* "none" "blocked" "wait" "propose" "queue" "advertise" */
const char *cfmt_advertise_name(cfmt_advertise_e action);

typedef struct cfmt_advertise_t {
    cfmt_advertise_e action;
    /*
     * none: "calm" "advertised" "unknown"; blocked: "unknown" "gone" "disabled" "locked" "bgp"
     * "api" "budget"; wait: "proposed" "approved" "denied"; propose: "observe" "manual"; queue:
     * "withdrawn"; now: "auto" "back"
     */
    const char *reason;
    const char *attack;   /* the oldest open one that it is chosen for; NULL = none */
    apr_time_t at;        /* it can be advertised from then on; 0 = now, or nobody knows */
    int exposed;          /* attack open, not protected */
    apr_time_t page_at;   /* NOT PROTECTED is to be told then; <= now: now; 0 = no */
    int page;             /* now */
    apr_time_t next;      /* decide again then at the latest; 0 = nothing changes by time */
} cfmt_advertise_t;

void cfmt_advertise_decide(cfmt_advertise_t *a, const cfmt_case_t *c);
/* "advertise 03:16:10Z (withdrawn 03:01:10Z): attack a1b2 open", for status; in p. */
const char *cfmt_advertise_text(const cfmt_advertise_t *a, const cfmt_case_t *c, apr_pool_t *p);

/* ---- an open intent that a round finds ------------------------------------------------------- */

typedef struct cfmt_pending_t {
    int want;              /* 1 advertised, 0 withdrawn */
    int by_hand;           /* an operator's command */
    int override;          /* the policy does not matter */
    int sent;              /* a call was made, whatever came of it */
    apr_time_t sent_at;    /* the last one; 0 = not known, or none */
} cfmt_pending_t;

typedef enum {
    CFMT_PENDING_KEEP,
    CFMT_PENDING_CANCEL,  /* it was not sent */
    CFMT_PENDING_REVERSE  /* it was: want the opposite, for the second `at`, and page */
} cfmt_pending_e;

/*
 * A withdrawal that an attack overtakes (START: on it or without a target), one by policy that was
 * not sent also by a hold or a window; an advertisement that was not sent when its attack is over.
 * What an operator overrode stays. *pat: with REVERSE, the earliest second.
 */
cfmt_pending_e cfmt_advertise_pending(apr_time_t *pat, const cfmt_pending_t *i,
                                      const cfmt_case_t *c);

/* ---- by hand --------------------------------------------------------------------------------- */

typedef enum {
    CFMT_HAND_OK,
    CFMT_HAND_DONE,     /* it is so already */
    CFMT_HAND_OVERRIDE, /* refused, unless overridden (exit 3) */
    CFMT_HAND_LOCKED,   /* Cloudflare's lock (exit 6) */
    CFMT_HAND_REFUSED   /* not known, not on demand, BGP-controlled, not approved */
} cfmt_hand_e;

/*
 * Whether an operator may have this. *pgate: the gate in the way (CFMT_GATES: none). *pat: by time
 * alone it is out of the way then; with OK, queued until then (min_withdrawn); 0 = neither.
 */
cfmt_hand_e cfmt_advertise_by_hand(const cfmt_case_t *c, int want, cfmt_gate_e *pgate,
                                   apr_time_t *pat);

#endif
