/*
 * Inside the room: what a round decides about prefixes, does about it, and tells.
 */
#ifndef CFMT_DECIDE_H
#define CFMT_DECIDE_H

#include "scene.h"

/* ---- attribute.c ----------------------------------------------------------------------------- */

/* No alert that explains a change comes later: its cause is for good then. */
#define CFMT_CAUSE_SETTLED apr_time_from_sec(20 * 60)

typedef enum {
    CFMT_ATTRIBUTED_SAME,
    CFMT_ATTRIBUTED_FIRST, /* to be saved; nothing happened that people do not know */
    CFMT_ATTRIBUTED_CHANGE /* to be saved, recorded and told */
} cfmt_attributed_e;
/*
 * The standing of a prefix as of now; texts are the scene's. *pbefore: the change before it, when
 * it has not been recorded yet and this one came before its cause was certain; else NULL.
 */
apr_status_t cfmt_attribute(cfmt_standing_t *st, cfmt_attributed_e *what,
                            const cfmt_standing_t **pbefore, const cfmt_scene_t *sc,
                            const cfmt_prefix_row_t *row);

/* ---- outcome.c ------------------------------------------------------------------------------- */

/* What follows for one prefix. NULL and 0: nothing of that kind. */
typedef struct cfmt_outcome_t {
    const cfmt_prefix_row_t *row;
    cfmt_standing_t standing;
    cfmt_attributed_e attributed;
    const cfmt_standing_t *before;  /* to be recorded, too */
    int save_standing;
    cfmt_case_t c;
    cfmt_decision_t d;
    cfmt_advertise_t a;
    const char *text, *advertise_text;
    cfmt_decision_row_t *decision;  /* to be written */
    apr_uint64_t digest;            /* of it */
    cfmt_intent_row_t *intent;      /* to be made */
    const cfmt_intent_row_t *pending; /* open */
    apr_int64_t supersede;          /* by `intent` */
    apr_time_t wait;                /* it failed: nothing is tried before; 0 = no */
    cfmt_pending_e fate;            /* of `pending` */
    cfmt_proposal_row_t *proposal;  /* to be made */
    const cfmt_proposal_row_t *over[2]; /* proposals that do not apply any more */
    int tell_would, tell_orphan, page;
    apr_time_t due_for;             /* its withdrawal is near: what began the countdown; 0 = no */
    const char *locked_for;         /* attack and episode that it cannot be advertised for; NULL =
                                       none, or told */
} cfmt_outcome_t;

/* What is to be done about one prefix. */
apr_status_t cfmt_outcome_find(cfmt_outcome_t *o, const cfmt_scene_t *sc,
                               const cfmt_prefix_row_t *row);
int cfmt_outcome_writes(const cfmt_outcome_t *o);
/* Something waits for it: written before what is only shown. */
int cfmt_outcome_is_urgent(const cfmt_outcome_t *o);
/* In the caller's transaction. */
apr_status_t cfmt_outcome_write(cfmt_outcome_t *o, const cfmt_scene_t *sc, apr_pool_t *ptemp);
/* Why it can be withdrawn. */
const char *cfmt_outcome_why(const cfmt_outcome_t *o, apr_pool_t *p);
/* Why it is attacked and not advertised. */
const char *cfmt_outcome_exposed(const cfmt_outcome_t *o, apr_pool_t *p);
/* When it is written. */
void cfmt_outcome_tell(const cfmt_outcome_t *o, const cfmt_scene_t *sc);

/* ---- outcome_shown.c ------------------------------------------------------------------------- */

/* The decision as it is stored, if there is news in it; its texts. */
void cfmt_outcome_show(cfmt_outcome_t *o, const cfmt_scene_t *sc);

/* ---- decide.c -------------------------------------------------------------------------------- */

struct cfmt_decider_t *cfmt_decider_create(apr_pool_t *p);
/* Decides if anything happened since the last look, or time has come. *pdue becomes earlier. */
apr_status_t cfmt_decide_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick);

/* ---- record.c -------------------------------------------------------------------------------- */

/* One link of the audit chain, in the caller's transaction. */
apr_status_t cfmt_record(cfmt_engine_t *e, apr_time_t at, const char *what, const char *prefix,
                         const char *who, const char *why, const char *ref);
/* Behind the commit: the head goes to the error log, the anchor outside of the store. */
void cfmt_record_anchor(cfmt_engine_t *e);

/* ---- remind.c -------------------------------------------------------------------------------- */

/* Daily: holds without an open attack, and the head of the audit chain. */
apr_status_t cfmt_remind(const cfmt_scene_t *sc);

/* ---- act_call.c ------------------------------------------------------------------------------ */

/* One PATCH under way. */
typedef struct cfmt_deed_call_t {
    apr_pool_t *pool;
    apr_int64_t intent;
    apr_time_t sent_at;  /* as in the intent's row: ids begin anew in another store */
    int answered;
    apr_status_t status;
    apr_time_t retry_at;
    const char *detail;
} cfmt_deed_call_t;

/* Asked before a row says that it was sent. Not APR_SUCCESS, with the reason in r: not now. */
apr_status_t cfmt_call_may(cfmt_engine_t *e, cfmt_result_t *r, apr_pool_t *ptemp);
/* Not APR_SUCCESS: it was not sent after all. */
apr_status_t cfmt_call_patch(cfmt_engine_t *e, const cfmt_intent_row_t *in,
                             const cfmt_prefix_row_t *row, apr_time_t sent_at, cfmt_result_t *r,
                             apr_pool_t *ptemp);
/* That of an intent; NULL = none is under way, by this engine. */
cfmt_deed_call_t *cfmt_call_of(const cfmt_engine_t *e, apr_int64_t intent);
void cfmt_call_forget(cfmt_engine_t *e, cfmt_deed_call_t *call);

/* ---- act_may.c ------------------------------------------------------------------------------- */

#define CFMT_CALL_LEASE apr_time_from_sec(60) /* real; its transfer takes 30 s at most */

/* The policy's, and it observes. */
int cfmt_act_barred(const cfmt_engine_t *e, const cfmt_intent_row_t *in);
/* Why a requested one is not carried out any more; NULL = it is. */
const char *cfmt_act_void(const cfmt_engine_t *e, const cfmt_intent_row_t *in, apr_time_t now);
/*
 * Times of it that a clock wrote which was set back since become the time at which that was; right
 * behind that nothing is waited for. Returns 1 if there were any.
 */
int cfmt_act_heed_clock(const cfmt_engine_t *e, cfmt_intent_row_t *in, apr_time_t now);
/* So much is our clock behind Cloudflare's, by its last answer; up to a minute is 0. */
apr_interval_time_t cfmt_act_behind_by(const cfmt_engine_t *e);
/*
 * The state of the prefixes is read: now, or when the last such reading is `pause` of real time
 * ago, longer with each in which a list failed. *pnext, 0 = never: the time to come again, if
 * that is sooner.
 */
apr_status_t cfmt_act_read_soon(cfmt_engine_t *e, apr_interval_time_t pause, apr_time_t *pnext);
/* Why it cannot be; NULL = it can. */
const char *cfmt_act_impossible(const cfmt_prefix_row_t *row);
/*
 * The one whose place it took, or that of one that was never called for, may have been under way:
 * what is read is the last word from *pat on, when its answer is there, or cannot come any more,
 * and shows; where it wanted the same, when it has been answered. 0 = nothing of that kind.
 */
apr_status_t cfmt_act_settles(cfmt_engine_t *e, apr_time_t *pat, const cfmt_intent_row_t *in,
                              apr_pool_t *p);
/* Cloudflare's and the operator's 15 minutes: then it may be asked for; 0 = now. */
apr_time_t cfmt_act_allowed(const cfmt_engine_t *e, const cfmt_intent_row_t *in,
                            const cfmt_prefix_row_t *row, apr_time_t now, apr_pool_t *p);
/* Within this time what Cloudflare accepted is read so. */
apr_interval_time_t cfmt_act_shows(const cfmt_engine_t *e);

/* ---- act.c ----------------------------------------------------------------------------------- */

/*
 * Open intents: sends what is due, reads what came of it. What an intent waits for is read at once
 * (job prefixes).
 */
apr_status_t cfmt_act_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick);

/* ---- command.c ------------------------------------------------------------------------------- */

/* Journal rows `command` that nobody has carried out yet, in their order, each exactly once. */
apr_status_t cfmt_commands_run(cfmt_engine_t *e, apr_pool_t *ptick);

/* ---- program.c ------------------------------------------------------------------------------- */

/* CfmtWithdrawCheck of a prefix: started, and looked after. */
void cfmt_program_ask(cfmt_engine_t *e, const cfmt_cidr_t *prefix, const char *path);
void cfmt_programs_run(cfmt_engine_t *e);
/* Behind whoever may ask: an answer counts from when it is looked at. */
void cfmt_programs_due(const cfmt_engine_t *e, apr_time_t *pdue);

#endif
