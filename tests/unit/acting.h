/*
 * An account with one BGP prefix, on the loopback, and an engine that asks it and acts on it: for
 * tests of what is decided and done.
 */
#ifndef CFMT_ACTING_H
#define CFMT_ACTING_H

#include "engine/decide.h"
#include "kit.h"
#include "unit.h"

#define ACTING_PREFIX "203.0.113.0/24"
#define ACTING_S(n) apr_time_from_sec(n)

/* The account. Written between rounds, read by the server: through acting_set. */
typedef struct acting_world_t {
    int listed, locked, advertised;
    apr_time_t advertised_at;
    const char *patch;        /* status line of the answer to a PATCH; NULL: the connection is cut */
    const char *body;         /* of it */
    int effect;               /* and the PATCH is carried out */
    apr_interval_time_t ahead; /* its clock is so much ahead of ours; 0: its answers have no date */
    int broken;               /* 1: there is another parent, whose list fails; 2: all lists do */
    int hang;                 /* and it is not answered until this is 0: acting_hang */
    int patches;              /* that came */
} acting_world_t;

#define ACTING_YES "{\"success\":true,\"errors\":[],\"messages\":[],\"result\":{}}"
#define ACTING_NO \
    "{\"success\":false,\"errors\":[{\"code\":1000,\"message\":\"no such luck\"}]," \
    "\"messages\":[],\"result\":null}"

/* A fresh store and world: withdrawn two days ago, PATCHes work. Settings: observe, no more. */
void acting_begin(void);
void acting_end(void);
void acting_set(const acting_world_t *w);
acting_world_t acting_get(void);
void acting_hang(int yes);
void acting_patches(const char *status, int effect); /* what becomes of PATCHes, from now on */
void acting_lock(int locked);
void acting_is(int advertised, apr_time_t at); /* by us, or by somebody else */
apr_table_t *acting_settings(void);

/* An engine with its own pool; acting_drop: as if killed. */
cfmt_engine_t *acting_engine(void);
cfmt_engine_t *acting_engine_alone(void); /* without CfmtApiToken */
void acting_drop(cfmt_engine_t *e);
/* All of it; the prefix is known, its state `advertised` since two days. */
cfmt_engine_t *acting_start(int advertised);
/* What acting_begin began: the policy, options those of `Prefix *` or NULL, has looked. */
cfmt_engine_t *acting_policy(const char *mode, const char *options);
/* A handle beside the engine's, after its first round. */
cfmt_store_t *acting_store(void);

apr_time_t acting_now(void);
/* Rounds until the text that sql gives is want, or the test fails. */
void acting_until(cfmt_engine_t *e, const char *sql, const char *want);
apr_status_t acting_round(cfmt_engine_t *e);
/* Behind a round: what is under way is answered, unless it hangs; 50 ms go by, without a wait. */
void acting_rest(cfmt_engine_t *e);
/* At least one round; so long by the clock. */
void acting_rounds(cfmt_engine_t *e, apr_interval_time_t d);

/* A command's row, and its number in the journal. */
apr_int64_t acting_command(const char *body);
apr_int64_t acting_append(const char *kind, const char *origin, apr_time_t at, const char *body);
/* An intent that is made beside the engine; its id. */
apr_int64_t acting_intent(int want, const char *who, const char *cause);
const char *acting_state(apr_int64_t intent); /* SQL for acting_until */
#define ACTING_NEWEST(what) "SELECT " what " FROM intent ORDER BY id DESC LIMIT 1"
void acting_alert(int end, const char *target);

#endif
