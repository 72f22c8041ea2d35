/*
 * Inside the room: a scratch store that a journal is fed to, row by row, and what a decision in it
 * is made of.
 */
#ifndef CFMT_ENGINE_REPLAY_H
#define CFMT_ENGINE_REPLAY_H

#include "cfmt_replay.h"
#include "decide.h"

typedef struct cfmt_replay_t {
    const cfmt_replay_conf_t *conf;
    apr_pool_t *pool;
    apr_pool_t *pstep;             /* cleared with each step */
    cfmt_engine_t *e;              /* over the scratch store; asks nobody */
    cfmt_clock_t clock;            /* says `now` */
    apr_time_t now;
    apr_int64_t at, last;          /* of the source: fed up to this row; its last row */
    apr_int64_t rows;              /* fed */
    int spread;                    /* ids in scratch are so many times greater: room between */
    int own_attacks;               /* what traffic said of attacks is said anew */
    const apr_table_t *policy;     /* above the settings of the journal; NULL = none */
    apr_table_t *settings;         /* in force, with `policy` */
    const apr_table_t *journaled;  /* the same without it */
    apr_hash_t *configs;           /* digest (apr_uint64_t) -> settings of the journal */
    apr_hash_t *commands;          /* id -> cfmt_json_t *: not answered yet */
    apr_pool_t *pcommands;
    apr_hash_t *standings;         /* cfmt_cidr_t -> cfmt_standing_t */
    apr_time_t looked_at;          /* of the last scene */
    apr_interval_time_t skew;      /* as known last */
    apr_int64_t trimmed;           /* id in scratch */
    int begun;                     /* a transaction is open: rows are being put */
} cfmt_replay_t;

/* ---- replay.c -------------------------------------------------------------------------------- */

/* name: of the file in conf.dir. Lives in p. */
apr_status_t cfmt_replay_open(cfmt_replay_t **pr, const cfmt_replay_conf_t *conf, const char *name,
                              cfmt_result_t *r, apr_pool_t *p);
/* Says how far it has come. APR_EINTR: nobody wants to wait for it. */
apr_status_t cfmt_replay_goes_on(const cfmt_replay_t *rp);
/* The next rows of the source, at most one page; none at its end. They live in p. Or as above. */
apr_status_t cfmt_replay_page(cfmt_replay_t *rp, apr_int64_t after, apr_array_header_t **prows,
                              apr_pool_t *p);
/* Puts a row; what follows from it is there after cfmt_replay_settle. */
apr_status_t cfmt_replay_feed(cfmt_replay_t *rp, const cfmt_journal_row_t *row);
/* Projects what was fed. */
apr_status_t cfmt_replay_settle(cfmt_replay_t *rp);
/* Whatever is in the scratch journal. */
apr_status_t cfmt_replay_project(cfmt_replay_t *rp);

/* ---- replay_state.c: what a row says of intents, holds, windows, adoptions ------------------- */

apr_status_t cfmt_replay_state(cfmt_replay_t *rp, const cfmt_journal_row_t *row);

/* ---- replay_scene.c -------------------------------------------------------------------------- */

/*
 * What a round at rp->now looks at, with the causes found by then. In rp->pstep, which the caller
 * clears.
 */
apr_status_t cfmt_replay_scene(cfmt_replay_t *rp, cfmt_scene_t *sc);
/* That of a prefix of this scene. */
const cfmt_standing_t *cfmt_replay_standing(const cfmt_replay_t *rp, const cfmt_cidr_t *cidr);
/* When the causes must be found before anything else is learned of them; 0 = at any time. */
apr_time_t cfmt_replay_deadline(const cfmt_replay_t *rp);

#endif
