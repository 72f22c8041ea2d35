/*
 * Inside the room: one command of an operator and its answer. What runs it is in command.c, what
 * it does in command_hand.c, command_hold.c, command_tell.c and command_drill.c.
 */
#ifndef CFMT_COMMAND_H
#define CFMT_COMMAND_H

#include "decide.h"

/* Exit codes of cfmtctl (docs/cfmtctl.8). */
enum { CODE_DONE = 0, CODE_FAILED = 1, CODE_REFUSED = 3, CODE_LOCKED = 6 };

typedef struct cfmt_command_t {
    cfmt_engine_t *e;
    apr_pool_t *p;
    apr_time_t now;
    const cfmt_journal_row_t *row;
    const cfmt_json_t *doc;
    const char *name, *who, *reason;
    cfmt_scene_t *sc;               /* for those that look at the state of things */
    const char *outcome, *text;     /* NULL = not answered yet */
    const char *more;               /* further members of the answer, with their comma; or NULL */
    int code;
    apr_int64_t intent, proposal;
    apr_time_t at;
} cfmt_command_t;

/* ---- command.c ------------------------------------------------------------------------------- */

/* The answer; always APR_SUCCESS, so that it can be returned. */
apr_status_t cfmt_answer(cfmt_command_t *c, const char *outcome, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
apr_status_t cfmt_refuse(cfmt_command_t *c, const char *why); /* "failed" */
/* Member "prefix"; 0 = none. */
int cfmt_command_prefix(const cfmt_command_t *c, cfmt_cidr_t *cidr);
/* *prow NULL: answered already. */
apr_status_t cfmt_command_row(cfmt_command_t *c, const cfmt_prefix_row_t **prow);
/* The id of what the command is about; 0 = none. */
apr_int64_t cfmt_command_id(const cfmt_command_t *c);
/* A link of the audit chain; ref NULL: the command's own row. */
apr_status_t cfmt_command_record(const cfmt_command_t *c, const char *what,
                                 const cfmt_cidr_t *prefix, const char *ref);

/* ---- command_hold.c -------------------------------------------------------------------------- */

apr_interval_time_t cfmt_command_hold_for(const cfmt_command_t *c); /* 0 = for ever */
apr_status_t cfmt_command_hold(cfmt_command_t *c, const cfmt_cidr_t *cidr, const char *origin,
                               apr_interval_time_t length);

/* ---- command_tell.c -------------------------------------------------------------------------- */

/* A trial for this channel, at once whatever its last failure put it off to. */
apr_status_t cfmt_command_put(const cfmt_command_t *c, const char *channel,
                              const cfmt_news_t *news);

/* ---- what there is: in the caller's transaction, answered ------------------------------------ */

typedef apr_status_t cfmt_command_fn(cfmt_command_t *c);
cfmt_command_fn cfmt_command_advertise, cfmt_command_withdraw, cfmt_command_cancel,
    cfmt_command_approve, cfmt_command_deny; /* command_hand.c */
cfmt_command_fn cfmt_command_do_hold, cfmt_command_release, cfmt_command_adopt,
    cfmt_command_window_add, cfmt_command_window_remove; /* command_hold.c */
cfmt_command_fn cfmt_command_ack, cfmt_command_retry, cfmt_command_drop,
    cfmt_command_test; /* command_tell.c */
cfmt_command_fn cfmt_command_drill, cfmt_command_prune; /* command_drill.c */

#endif
