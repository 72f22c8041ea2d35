/*
 * Room store, its third part: what is done and wanted. Intents, holds, windows, proposals,
 * adoptions, the last decision of each prefix, the audit chain. Included by cfmt_store.h.
 *
 * Every function that writes does so inside the caller's transaction (cfmt_store_begin) and takes
 * nothing back: after a failure other than those named here the caller rolls back. Rows read live
 * in p, their texts are NULL or there as said, times are 0 where there is none, prefixes are those
 * of cfmt_cidr_parse.
 */
#ifndef CFMT_STORE_ACT_H
#define CFMT_STORE_ACT_H

#include "cfmt_policy_gates.h"
#include "cfmt_store.h"

/* ---- intent.c, intent_state.c: a wanted change of the world ---------------------------------- */

/*
 * requested   wanted; not asked, or to be asked again (next_at)
 * sent        the call is under way; after a crash nobody knows: unknown
 * accepted    Cloudflare said yes
 * propagating the API reads as wanted; routers follow
 * unknown     no answer, or one that does not tell: read the state before anything else
 * The others are final: settled_at is set.
 */
typedef enum {
    CFMT_INTENT_REQUESTED,
    CFMT_INTENT_SENT,
    CFMT_INTENT_ACCEPTED,
    CFMT_INTENT_PROPAGATING,
    CFMT_INTENT_UNKNOWN,
    CFMT_INTENT_DONE,
    CFMT_INTENT_REFUSED,    /* by Cloudflare, or by the last look: it was not or cannot be done */
    CFMT_INTENT_FAILED,     /* given up, or undone by somebody else */
    CFMT_INTENT_CANCELLED,  /* before it was sent */
    CFMT_INTENT_SUPERSEDED, /* another one took its place, perhaps while it was under way */
    CFMT_INTENT_STATES
} cfmt_intent_e;

const char *cfmt_intent_name(cfmt_intent_e state); /* "requested" ... */
int cfmt_intent_is_open(cfmt_intent_e state);
/* The table of legal changes. An open state but `sent` may follow itself: put off. Pure. */
int cfmt_intent_may(cfmt_intent_e from, cfmt_intent_e to);
const char *cfmt_want_name(int want); /* "advertised" "withdrawn" */

typedef struct cfmt_intent_row_t {
    apr_int64_t id;
    cfmt_cidr_t prefix;
    const char *prefix_id;    /* the API's id of the BGP prefix; NULL = not known then */
    int want;                 /* 1 advertised, 0 withdrawn */
    const char *cause;        /* "attack" "calm" "operator" "proposal" */
    const char *who;          /* "user NAME" or "policy": origin of its journal row, too */
    const char *reason;       /* "" when none was given */
    const char *attack;       /* NULL = none */
    apr_int64_t proposal;     /* 0 = none */
    int override;             /* the operator overrode the policy */
    apr_time_t created_at, not_before; /* not_before 0 = at once */
    /* Of its life; not read by create. */
    cfmt_intent_e state;
    apr_time_t next_at;       /* try or look again then */
    apr_time_t sent_at, answered_at, settled_at; /* the last call, its answer, its end */
    int attempts;             /* calls made */
    const char *answer;       /* what was said last, or why not; NULL = nothing yet */
    apr_time_t expects;       /* advertised_modified_at read just before the last call */
    const char *owner;        /* of the lease; NULL = none */
    apr_time_t expires_at;
    apr_int64_t superseded_by;
} cfmt_intent_row_t;

/* Open and due: neither not_before nor next_at lies ahead (or absurdly far: a clock set back). */
int cfmt_intent_due(const cfmt_intent_row_t *in, apr_time_t now);

/*
 * Makes it (state requested, in->id is set) with its journal row `intent`. supersede: id of the
 * open intent whose place it takes, in whatever open state that is; 0 = none. Nothing is written on
 * CFMT_EEXIST: another one is open for the prefix; CFMT_EMOVED: the one to supersede is not open
 * any more; CFMT_EINVALID: prefix, cause or who is none.
 */
apr_status_t cfmt_intent_create(cfmt_store_t *s, cfmt_intent_row_t *in, apr_int64_t supersede,
                                apr_pool_t *ptemp);
/* CFMT_EMISSING: no such intent. */
apr_status_t cfmt_intent_load(cfmt_store_t *s, cfmt_intent_row_t *in, apr_int64_t id,
                              apr_pool_t *p);
/* The open intent of a prefix; CFMT_EMISSING: none is. */
apr_status_t cfmt_intent_open(cfmt_store_t *s, cfmt_intent_row_t *in, const cfmt_cidr_t *prefix,
                              apr_pool_t *p);
/* All open ones by id: array of cfmt_intent_row_t in p, as below. */
apr_status_t cfmt_intents_open(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);
/*
 * Newest first, at most limit, with id < before (0 = from the newest); of one prefix, or of all
 * (NULL). Those superseded while under way are among them: a change seen may be theirs, too.
 */
apr_status_t cfmt_intents_list(cfmt_store_t *s, const cfmt_cidr_t *prefix, apr_int64_t before,
                               int limit, apr_array_header_t **prows, apr_pool_t *p);

/*
 * Takes (or, for its owner, prolongs) the lease of an open intent that is due and that nobody else
 * has: before the last look, a call or a reading. *pclaimed 0: not to be had. The state stays.
 */
apr_status_t cfmt_intent_claim(cfmt_store_t *s, apr_int64_t id, const char *owner, apr_time_t now,
                               apr_interval_time_t lease, int *pclaimed);

typedef struct cfmt_intent_change_t {
    cfmt_intent_e state;
    apr_time_t at;
    const char *owner;    /* has the lease (SENT: unexpired); NULL = whoever has, not for SENT */
    const char *who;      /* whose doing: origin of the journal row; NULL = "engine" */
    const char *text;     /* the answer, or why; NULL = the one before stays */
    apr_time_t next_at;   /* try or look again then; 0 = at once (SENT: when the lease is over) */
    apr_time_t expects;   /* SENT: as in the row */
} cfmt_intent_change_t;
/*
 * Changes the state, with its journal row `result` (none when an intent is put off for the same
 * reason as before). SENT counts a call and keeps the lease, everything else ends it. Nothing is
 * written on CFMT_EMISSING: no such intent; CFMT_EMOVED: the owner has no lease (any more);
 * CFMT_EINVALID: not a legal change. Superseding is cfmt_intent_create's.
 */
apr_status_t cfmt_intent_change(cfmt_store_t *s, apr_int64_t id, const cfmt_intent_change_t *c,
                                apr_pool_t *ptemp);
/*
 * Its times become those of `in`: they were written by a clock that has been set back. The journal
 * keeps what it has. CFMT_EMOVED: its state is no longer that of `in`.
 */
apr_status_t cfmt_intent_redate(cfmt_store_t *s, const cfmt_intent_row_t *in);
/*
 * An answer that came when the intent had been superseded: noted and journaled, the state stays.
 * CFMT_EINVALID: it is not superseded.
 */
apr_status_t cfmt_intent_late(cfmt_store_t *s, apr_int64_t id, apr_time_t at, const char *text,
                              apr_pool_t *ptemp);

/* ---- hold.c: holds and maintenance windows --------------------------------------------------- */

typedef struct cfmt_hold_row_t {
    apr_int64_t id;
    cfmt_cidr_t prefix;
    const char *who, *reason;  /* reason "" when none was given */
    const char *origin;        /* "operator": asked for; "advertise": implied by advertising */
    apr_time_t since, until;   /* until 0 = for ever; exclusive */
    apr_time_t told_at;        /* reminded of last */
    apr_time_t released_at;
    const char *released_by, *released_why; /* NULL while in force or when it ran out */
} cfmt_hold_row_t;

/*
 * In force from since on; h->id is set. One of the same prefix and origin is replaced: "operator"
 * and "advertise" stand beside each other. CFMT_EINVALID: prefix, who or origin is none, or until
 * is not behind since; nothing is written.
 */
apr_status_t cfmt_hold_put(cfmt_store_t *s, cfmt_hold_row_t *h);
/* Ends all of the prefix that are in force; *pn: how many. The rows stay as history. */
apr_status_t cfmt_hold_release(cfmt_store_t *s, const cfmt_cidr_t *prefix, const char *who,
                               const char *why, apr_time_t at, int *pn);
/* Those in force at a time, by prefix text and id: array of cfmt_hold_row_t in p. */
apr_status_t cfmt_holds_load(cfmt_store_t *s, apr_time_t at, apr_array_header_t **prows,
                             apr_pool_t *p);
apr_status_t cfmt_hold_told(cfmt_store_t *s, apr_int64_t id, apr_time_t at);

typedef struct cfmt_window_row_t {
    apr_int64_t id;
    cfmt_cidr_t prefix;         /* family 0 = every prefix ("*") */
    apr_time_t starts_at, ends_at; /* [starts_at, ends_at) */
    const char *who, *reason;
    apr_time_t removed_at;
    const char *removed_by;     /* NULL = not removed */
} cfmt_window_row_t;

/*
 * w->id is set. CFMT_EEXIST: there is one just so, and that is its id. CFMT_EINVALID: who is none,
 * or it does not end behind its start.
 */
apr_status_t cfmt_window_add(cfmt_store_t *s, cfmt_window_row_t *w);
/* CFMT_EMISSING: no such window; CFMT_EEXIST: removed already. */
apr_status_t cfmt_window_remove(cfmt_store_t *s, apr_int64_t id, const char *who, apr_time_t at);
/* Not removed and not over at `at`, by start: array of cfmt_window_row_t in p. */
apr_status_t cfmt_windows_load(cfmt_store_t *s, apr_time_t at, apr_array_header_t **prows,
                               apr_pool_t *p);

/* ---- proposal.c: proposals and adoptions ----------------------------------------------------- */

typedef enum {
    CFMT_PROPOSAL_OPEN,
    CFMT_PROPOSAL_APPROVED,
    CFMT_PROPOSAL_DENIED,
    CFMT_PROPOSAL_EXPIRED,
    CFMT_PROPOSAL_WITHDRAWN, /* what it was made for is over */
    CFMT_PROPOSAL_STATES
} cfmt_proposal_e;
const char *cfmt_proposal_name(cfmt_proposal_e state); /* "open" ... */

typedef struct cfmt_proposal_row_t {
    apr_int64_t id;
    cfmt_cidr_t prefix;
    int want;                  /* as in an intent */
    const char *attack;        /* NULL = none */
    const char *reason;        /* why it was made; "" = not said */
    apr_time_t made_at, expires_at;
    cfmt_proposal_e state;
    apr_time_t decided_at;
    const char *decided_by, *decided_why; /* NULL while open */
} cfmt_proposal_row_t;

/* pr->id is set. CFMT_EEXIST: one is open for prefix and want. CFMT_EINVALID: not a proposal. */
apr_status_t cfmt_proposal_make(cfmt_store_t *s, cfmt_proposal_row_t *pr);
/*
 * Ends an open one as state says. CFMT_EMISSING: no such proposal. CFMT_EINVALID: it is not open,
 * or approved and denied come too late (expires_at). Nothing is written then.
 */
apr_status_t cfmt_proposal_decide(cfmt_store_t *s, apr_int64_t id, cfmt_proposal_e state,
                                  const char *who, const char *why, apr_time_t at);
/* Open ones whose time is over become expired; *pn: how many. */
apr_status_t cfmt_proposals_expire(cfmt_store_t *s, apr_time_t at, int *pn);
apr_status_t cfmt_proposal_load(cfmt_store_t *s, cfmt_proposal_row_t *pr, apr_int64_t id,
                                apr_pool_t *p);
/* By id: array of cfmt_proposal_row_t in p. Those past expires_at, too, until expired. */
apr_status_t cfmt_proposals_open(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);
/* Newest first, at most limit, whatever their state. */
apr_status_t cfmt_proposals_list(cfmt_store_t *s, int limit, apr_array_header_t **prows,
                                 apr_pool_t *p);

/* One advertisement (that of advertised_at) handed over to the policy. */
typedef struct cfmt_adoption_row_t {
    cfmt_cidr_t prefix;
    apr_time_t advertised_at;
    const char *who, *reason;
    apr_time_t at;
} cfmt_adoption_row_t;

/* CFMT_EEXIST: it has been already; nothing is written. CFMT_EINVALID: prefix or who is none. */
apr_status_t cfmt_adoption_put(cfmt_store_t *s, const cfmt_adoption_row_t *a);
/* The newest of each prefix, by prefix text: array of cfmt_adoption_row_t in p. */
apr_status_t cfmt_adoptions_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);

/* ---- decision.c: the last gate list of each prefix ------------------------------------------- */

typedef struct cfmt_decision_row_t {
    cfmt_cidr_t prefix;
    apr_time_t at;           /* the round's time */
    const char *verdict;     /* a word */
    const char *red;         /* ids of the red gates in the order of the gates, "calm,no_hold" */
    apr_time_t next_at;      /* 0 = no idea */
    const char *gates;       /* JSON: cfmt_decision_encode */
    const char *used;        /* JSON: cfmt_used_encode; NULL = not said. Not in the table */
    apr_time_t changed_at;   /* verdict or red changed; not read by put */
} cfmt_decision_row_t;

/*
 * Replaces that of the prefix. *pchanged: verdict or red differ from the one before (or there was
 * none); then a journal row `decision` tells it, with the gates. CFMT_EINVALID: prefix, verdict,
 * red or gates is none.
 */
apr_status_t cfmt_decision_put(cfmt_store_t *s, const cfmt_decision_row_t *d, int *pchanged,
                               apr_pool_t *ptemp);
/* The body of such a journal row as far as it says what was decided: all but `used`. */
const char *cfmt_decision_body(const cfmt_decision_row_t *d, apr_pool_t *p);
/* CFMT_EMISSING: none yet. */
apr_status_t cfmt_decision_load(cfmt_store_t *s, cfmt_decision_row_t *d, const cfmt_cidr_t *prefix,
                                apr_pool_t *p);
/* By prefix text: array of cfmt_decision_row_t in p. */
apr_status_t cfmt_decisions_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);

/* ---- decision_json.c: the gates and all that was decided, as text ---------------------------- */

/*
 * What the field `gates` of a decision holds: a JSON object, its version among its members. The
 * texts are what cfmt_withdraw_text and cfmt_advertise_text say; NULL = nothing.
 */
const char *cfmt_decision_encode(const cfmt_decision_t *d, const cfmt_advertise_t *a,
                                 const cfmt_cause_t *cause, const char *text,
                                 const char *advertise_text, apr_pool_t *p);

/* What it does not say (d.next, orphan_tell, a.page, a.next) is 0. */
typedef struct cfmt_decided_t {
    cfmt_decision_t d;
    cfmt_advertise_t a;
    cfmt_cause_t cause;
    const char *text, *advertise_text;
} cfmt_decided_t;
/* Strings are in p. CFMT_EINVALID: damaged, or of another version: *out holds nothing of use. */
apr_status_t cfmt_decision_decode(cfmt_decided_t *out, const char *json, apr_pool_t *p);
/* The same without d.gates (zeros), for lists of many: much cheaper. */
apr_status_t cfmt_decision_glance(cfmt_decided_t *out, const char *json, apr_pool_t *p);

/* ---- decision_used.c: what a decision rested on and the journal does not have ---------------- */

typedef struct cfmt_used_t {
    apr_uint64_t config;      /* digest of the settings in force */
    apr_interval_time_t skew; /* Cloudflare's clock against ours */
    cfmt_case_t c;            /* members that its table names; of look_above only if it is < 0 */
} cfmt_used_t;

/* The member `used` of a decision row's body, and back (texts live as long as o). */
const char *cfmt_used_encode(const cfmt_used_t *u, apr_pool_t *p);
/* CFMT_EINVALID: none, damaged, or of another version. */
apr_status_t cfmt_used_decode(cfmt_used_t *u, const cfmt_json_t *o);
/* Copies those members into a case. */
void cfmt_used_apply(cfmt_case_t *c, const cfmt_used_t *u);
apr_uint64_t cfmt_settings_digest(const apr_table_t *settings, apr_pool_t *ptemp);

/* ---- scratch.c: a store that a journal goes through again ------------------------------------ */

/* Makes and opens it for writing; its commits do not wait for the disk. */
apr_status_t cfmt_scratch_open(cfmt_store_t **ps, const char *path, cfmt_result_t *r,
                               apr_pool_t *p);
/* What was held, handed over and wanted at a time, as the state tables of source still know it. */
apr_status_t cfmt_scratch_seed(cfmt_store_t *s, cfmt_store_t *source, apr_time_t at);
/* In the caller's transaction: the row with this id; an intent whole, whatever was there. */
apr_status_t cfmt_scratch_row(cfmt_store_t *s, const cfmt_journal_row_t *row, apr_int64_t id);
apr_status_t cfmt_scratch_intent(cfmt_store_t *s, const cfmt_intent_row_t *in);
/* Rows of evidence in (after, upto], which have been projected, go. */
apr_status_t cfmt_scratch_trim(cfmt_store_t *s, apr_int64_t after, apr_int64_t upto);

/* ---- standing.c: the cause of the present state, and what was told of it --------------------- */

typedef struct cfmt_standing_t {
    cfmt_cidr_t prefix;
    int advertised;          /* 1, 0; -1 = not said */
    cfmt_cause_t cause;      /* .at: advertised_modified_at of what it explains */
    apr_time_t found_at;     /* when it was looked for last */
    apr_time_t orphan_told_at, paged_at, would_told_at; /* 0 = not yet */
} cfmt_standing_t;

/* All, by prefix text: array of cfmt_standing_t in p. */
apr_status_t cfmt_standings_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);
apr_status_t cfmt_standing_save(cfmt_store_t *s, const cfmt_standing_t *st);

/* ---- options.c: the policy of a prefix ------------------------------------------------------- */

/* In force by the published settings: "Prefix <cidr>", else "Prefix *", above the durations. */
void cfmt_options_of(cfmt_options_t *o, const apr_table_t *settings, const cfmt_cidr_t *prefix,
                     apr_pool_t *ptemp);
cfmt_mode_e cfmt_mode_of(const apr_table_t *settings);

/* ---- audit.c: the hash-chained record -------------------------------------------------------- */

/*
 * Ids are 1, 2, 3 ... without a gap. hash is the SHA-256, in hex, of the hash before (for the first
 * row 64 zeros) and all columns of the row, each with its type and length.
 */
#define CFMT_AUDIT_HASH 64

typedef struct cfmt_audit_row_t {
    apr_int64_t id;           /* set by append */
    apr_time_t at;
    const char *what;         /* "advertise" "withdraw" "hold" "release" "adopt" "window.add" ... */
    const char *prefix;       /* text, or NULL: about no prefix */
    const char *who, *why;    /* why may be NULL */
    const char *ref;          /* "intent 7", "journal 1234"; NULL = none */
    const char *body;         /* JSON; NULL = none */
    const char *hash;         /* not read by append */
} cfmt_audit_row_t;

typedef struct cfmt_audit_head_t {
    apr_int64_t id;           /* 0 = the chain is empty */
    char hash[CFMT_AUDIT_HASH + 1];
} cfmt_audit_head_t;

/* *head (may be NULL) is the head afterwards: what is logged as the outside anchor. */
apr_status_t cfmt_audit_append(cfmt_store_t *s, cfmt_audit_row_t *row, cfmt_audit_head_t *head);
apr_status_t cfmt_audit_head(cfmt_store_t *s, cfmt_audit_head_t *head);
/* Newest first, at most limit, with id < before (0 = from the newest). */
apr_status_t cfmt_audit_list(cfmt_store_t *s, apr_int64_t before, int limit,
                             apr_array_header_t **prows, apr_pool_t *p);

typedef struct cfmt_audit_check_t {
    apr_int64_t rows;         /* that are sound, from the first on */
    apr_int64_t broken;       /* id of the first that is not; 0 = all are */
    const char *problem;      /* "hash" "gap" "head" "anchor"; NULL = sound */
    const char *detail;       /* sentence for people; NULL = sound */
    cfmt_audit_head_t head;   /* of the store, as verified */
} cfmt_audit_check_t;

/*
 * Walks the whole chain in pages of CFMT_QUERY_PAGE, without a transaction; rows appended meanwhile
 * do not count. anchor: a head noted outside, NULL = none; its hash may be in capitals. What was
 * found is in *check, the status tells only whether the store could be read.
 */
apr_status_t cfmt_audit_verify(cfmt_store_t *s, const cfmt_audit_head_t *anchor,
                               cfmt_audit_check_t *check, apr_pool_t *p);

#endif
