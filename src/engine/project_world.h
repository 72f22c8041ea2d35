/*
 * What the projector knows of the world at a journal row (prefixes, tunnels and rules as reported
 * up to there), where events hit by it, and open attacks gone through when that has changed.
 */
#ifndef CFMT_PROJECT_WORLD_H
#define CFMT_PROJECT_WORLD_H

#include <apr_hash.h>

#include "cfmt_store.h"

typedef struct cfmt_world_t {
    apr_hash_t *prefixes, *tunnels, *rules; /* id -> row of the table, gone ones included */
    apr_array_header_t *ours;    /* cfmt_prefix_t, sorted, distinct: configured or listed */
    apr_array_header_t *changed; /* rows taken in this step, to be written */
    apr_array_header_t *turned;  /* cfmt_turned_t: tunnels whose state is not what it was */
} cfmt_world_t;
typedef struct cfmt_turned_t {
    const cfmt_tunnel_row_t *before, *row; /* before: NULL = not known */
} cfmt_turned_t;

/* As the tables say, with the configured prefixes (cfmt_prefix_t). Lives in p. */
apr_status_t cfmt_world_load(cfmt_world_t *w, cfmt_store_t *s,
                             const apr_array_header_t *configured, apr_pool_t *p);
/* Before the rows of a step, whose pool is p. */
void cfmt_world_begin(cfmt_world_t *w, apr_pool_t *p);
/*
 * A row of kind prefix_state, tunnel_state or rule_state; any other is passed over. *pmoved: where
 * attacks hit has changed (`ours` is what it was: load again). CFMT_EINVALID: not readable.
 */
apr_status_t cfmt_world_take(cfmt_world_t *w, const cfmt_journal_row_t *row, int *pmoved,
                             apr_pool_t *p);
/* Writes what was taken, in the caller's transaction. */
apr_status_t cfmt_world_write(const cfmt_world_t *w, cfmt_store_t *s);

/*
 * Which of our prefixes an event hits: set of const char *; NULL = none. *punknown: it hits those
 * of a rule, and no rule of that name is known.
 */
apr_array_header_t *cfmt_world_hits(const cfmt_world_t *w, const cfmt_event_t *e, int *punknown,
                                    apr_pool_t *p);

/* One step through the open attacks. */
typedef struct cfmt_remapping_t {
    apr_array_header_t *changed; /* cfmt_place_t with the new prefixes */
    cfmt_remap_t next;           /* the note to leave */
    int done;                    /* attacks looked at */
} cfmt_remapping_t;

/*
 * Reads at most limit attacks behind `from`. Those with a pruned part keep what a snapshot said
 * when the change is not behind mapped (CFMT_META_MAPPED).
 */
apr_status_t cfmt_world_remap(cfmt_remapping_t *m, const cfmt_world_t *w, cfmt_store_t *s,
                              const cfmt_remap_t *from, apr_int64_t mapped, int limit,
                              apr_pool_t *p);
/* In the caller's transaction. */
apr_status_t cfmt_world_remap_write(const cfmt_remapping_t *m, cfmt_store_t *s, apr_pool_t *p);

#endif
