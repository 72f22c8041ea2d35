/*
 * Room store, its second part: what Cloudflare reports and what else is read from it. Included by
 * cfmt_store.h, which has the types that this builds on.
 */
#ifndef CFMT_STORE_WORLD_H
#define CFMT_STORE_WORLD_H

#include "cfmt_store.h"

/* ---- world.c, world_json.c: prefixes, tunnels, rules ----------------------------------------- */

/*
 * Journal kinds `prefix_state`, `tunnel_state`, `rule_state`: one row a change, body the whole
 * state as JSON, origin who changed it ("intent", "auto-advertise", "external"; "first" when it was
 * not known before). The tables prefix, tunnel and rule are their projections. "gone": 1 = no
 * longer listed.
 */
typedef struct cfmt_prefix_row_t {
    cfmt_bgp_prefix_t b;
    int gone;
    apr_time_t since;   /* when this state was journaled */
    apr_int64_t row;    /* the journal row */
    const char *origin; /* of that row */
    apr_time_t first_at, changed_at; /* first seen; advertised changed last (ours, by journal) */
    const char *changed_by;          /* origin of that change */
    apr_time_t read_at; /* its parent's list was last read then; 0 = never by this store */
    apr_time_t missing_since; /* first such reading without it; 0 = it was in the last one */
} cfmt_prefix_row_t;
typedef struct cfmt_tunnel_row_t {
    cfmt_tunnel_t t;
    const char *state;  /* "up" "degraded" "down" "unknown" */
    int gone;
    apr_time_t since;   /* of `state` */
    apr_int64_t row;
    apr_time_t missing_since; /* as above */
} cfmt_tunnel_row_t;
typedef struct cfmt_rule_row_t {
    cfmt_rule_t rule;
    int gone;
    apr_time_t since;
    apr_int64_t row;
} cfmt_rule_row_t;

/* Bodies of such rows and back; a decoded one lives in p. CFMT_EINVALID: not one of ours. */
const char *cfmt_prefix_encode(const cfmt_bgp_prefix_t *b, int gone, apr_pool_t *p);
apr_status_t cfmt_prefix_decode(cfmt_bgp_prefix_t *b, int *pgone, const char *body,
                                apr_size_t len, apr_pool_t *p);
const char *cfmt_tunnel_encode(const cfmt_tunnel_t *t, const char *state, int gone,
                               apr_pool_t *p);
apr_status_t cfmt_tunnel_decode(cfmt_tunnel_t *t, const char **pstate, int *pgone,
                                const char *body, apr_size_t len, apr_pool_t *p);
const char *cfmt_rule_encode(const cfmt_rule_t *rule, int gone, apr_pool_t *p);
apr_status_t cfmt_rule_decode(cfmt_rule_t *rule, int *pgone, const char *body, apr_size_t len,
                              apr_pool_t *p);

/*
 * What a journal row makes of a table row: take reads it as if it were the first of its id
 * (CFMT_EINVALID: not one of ours), follow takes over what goes on from the row before. Pure.
 */
apr_status_t cfmt_prefix_take(cfmt_prefix_row_t *row, const cfmt_journal_row_t *j, apr_pool_t *p);
void cfmt_prefix_follow(cfmt_prefix_row_t *row, const cfmt_prefix_row_t *before);
apr_status_t cfmt_tunnel_take(cfmt_tunnel_row_t *row, const cfmt_journal_row_t *j, apr_pool_t *p);
void cfmt_tunnel_follow(cfmt_tunnel_row_t *row, const cfmt_tunnel_row_t *before);
apr_status_t cfmt_rule_take(cfmt_rule_row_t *row, const cfmt_journal_row_t *j, apr_pool_t *p);

/* All rows, sorted by CIDR (prefix), kind and name (tunnel), name (rule); gone ones included. */
apr_status_t cfmt_prefixes_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);
apr_status_t cfmt_tunnels_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);
apr_status_t cfmt_rules_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);
/* The row of rows (as loaded) that is not gone and has this CIDR; NULL = the API lists none. */
const cfmt_prefix_row_t *cfmt_prefix_find(const apr_array_header_t *rows, const cfmt_cidr_t *cidr);
/* The projector's writes, inside the caller's transaction. */
apr_status_t cfmt_prefix_save(cfmt_store_t *s, const cfmt_prefix_row_t *row);
apr_status_t cfmt_tunnel_save(cfmt_store_t *s, const cfmt_tunnel_row_t *row);
apr_status_t cfmt_rule_save(cfmt_store_t *s, const cfmt_rule_row_t *row);
/*
 * Table reading: what is not history but when. Kinds: "parent" (id of an IP prefix: its list was
 * read), "missing" (id of a BGP prefix or tunnel: first reading without it; at 0 removes the row).
 * Inside a transaction.
 */
apr_status_t cfmt_reading_note(cfmt_store_t *s, const char *kind, const char *id, apr_time_t at);
/* Lists that were read behind `now`, by a clock that has been set back, were read at `at`. */
apr_status_t cfmt_readings_redate(cfmt_store_t *s, apr_time_t now, apr_time_t at);

/* ---- sensed.c: facts and ranges -------------------------------------------------------------- */

/*
 * sensed: the last thing an upstream said about something that is not history (token, policies,
 * budget and breaker of an upstream), as a table of strings. Disposable. CFMT_EMISSING: never read.
 */
typedef struct cfmt_sensed_t {
    apr_time_t read_at, changed_at;
    apr_table_t *facts;
} cfmt_sensed_t;
apr_status_t cfmt_sensed_load(cfmt_store_t *s, cfmt_sensed_t *sensed, const char *name,
                              apr_pool_t *p);
/* Inside a transaction; changed_at moves only when the facts differ. */
apr_status_t cfmt_sensed_save(cfmt_store_t *s, const char *name, const apr_table_t *facts,
                              apr_time_t at, apr_pool_t *ptemp);

/* range: Cloudflare's addresses as /ips told. A vanished one is accepted for 7 more days. */
typedef struct cfmt_range_row_t {
    cfmt_cidr_t cidr;
    apr_time_t first_at, seen_at; /* first and last time listed */
    apr_time_t gone_at;           /* no longer listed since; 0 = listed */
} cfmt_range_row_t;
#define CFMT_RANGE_GRACE apr_time_from_sec(7 * 86400)
apr_status_t cfmt_ranges_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);
/* Inside a transaction: cidrs (cfmt_cidr_t) are what is listed now; *pchanged: the set moved. */
apr_status_t cfmt_ranges_save(cfmt_store_t *s, const apr_array_header_t *cidrs, apr_time_t now,
                              int *pchanged);

/* ---- query_world.c, job.c -------------------------------------------------------------------- */

/*
 * Deliveries and recovered rows with event.ts in [since, until] as history matching wants them:
 * array of cfmt_delivered_t in p, at most limit (*pmore: others exist).
 */
apr_status_t cfmt_query_delivered(cfmt_store_t *s, apr_time_t since, apr_time_t until, int limit,
                                  apr_array_header_t **prows, int *pmore, apr_pool_t *p);
/*
 * Whether Cloudflare said, in an alert that arrived in [since, until], that it advertised cidr
 * itself: fbm_auto_advertisement or fbm_dosd_attack with advertise_status "Advertised" for it.
 */
apr_status_t cfmt_query_auto_advertised(cfmt_store_t *s, int *pyes, const cfmt_cidr_t *cidr,
                                        apr_time_t since, apr_time_t until, apr_pool_t *p);

/* All jobs by name; array of cfmt_job_t in p. */
apr_status_t cfmt_jobs_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);

/* ---- mapping.c: open attacks whose prefixes are computed anew -------------------------------- */

/*
 * The projector's note that the journal row `row` moved what attacks map to: those open then are
 * gone through by number, up to `after` it is done. row 0 = nothing to do.
 */
typedef struct cfmt_remap_t {
    apr_int64_t row, after;
} cfmt_remap_t;
#define CFMT_META_REMAP_ROW "remap_row"
#define CFMT_META_REMAP_AFTER "remap_after"
apr_status_t cfmt_remap_load(cfmt_store_t *s, cfmt_remap_t *r);
apr_status_t cfmt_remap_save(cfmt_store_t *s, const cfmt_remap_t *r);
/*
 * Highest journal id that the prefixes of attacks with a pruned part (base) account for: a snapshot
 * says them as of then. 0 = none.
 */
#define CFMT_META_MAPPED "mapped_to"

typedef struct cfmt_place_t {
    apr_int64_t number;
    const char *id;
    apr_array_header_t *targets;          /* const char *; those of stored events, too, when cut */
    apr_array_header_t *rules, *prefixes; /* const char * */
    apr_array_header_t *kept;             /* const char *; as in cfmt_attack_stored_t */
    int targets_cut, rule_only, rule_unknown; /* as there and in cfmt_attack_t */
    int pruned;                           /* has a base */
} cfmt_place_t;

/* Open network attacks with number > after in its order; array of cfmt_place_t in p. */
apr_status_t cfmt_places_load(cfmt_store_t *s, apr_int64_t after, int limit,
                              apr_array_header_t **prows, apr_pool_t *p);
/* Its prefixes (const char *, sorted) and rule_unknown, inside the caller's transaction. */
apr_status_t cfmt_place_save(cfmt_store_t *s, const cfmt_place_t *place, apr_pool_t *ptemp);

/* ---- struck.c: attacks as decisions want them ------------------------------------------------ */

/*
 * Adds (cfmt_struck_t, with all that they point to in p) our attacks on the network: open ones
 * whose last event is older than `before`, the newest first; ended ones with an event at or after
 * `since`. At most limit.
 */
apr_status_t cfmt_struck_open(cfmt_store_t *s, apr_array_header_t *rows, apr_time_t before,
                              int limit, apr_pool_t *p);
apr_status_t cfmt_struck_ended(cfmt_store_t *s, apr_array_header_t *rows, apr_time_t since,
                               int limit, apr_pool_t *p);

/* ---- evidence.c, evidence_json.c, threshold.c: minutes of traffic ---------------------------- */

/*
 * Journal kind `evidence`: what one answer said of some prefixes in [from, to). Minutes that end at
 * or before `complete` are complete, those behind it count only where they prove an attack. Traffic
 * that is zero is not written. Times are whole minutes, at most CFMT_EVIDENCE_RANGE from first to
 * last; traffic is whole packets and bits. A minute later than a day behind the row's own `at`
 * does not count, so it is known from `at` which rows can say nothing any more.
 */
#define CFMT_EVIDENCE_RANGE apr_time_from_sec(2 * 86400)
#define CFMT_EVIDENCE_AHEAD apr_time_from_sec(86400)
typedef struct cfmt_evidence_row_t {
    int prefix;               /* index into prefixes */
    apr_time_t minute;
    cfmt_traffic_t traffic;
} cfmt_evidence_row_t;
typedef struct cfmt_evidence_t {
    apr_time_t from, to, complete;
    int idle;                     /* the account had no traffic at all */
    apr_array_header_t *prefixes; /* cfmt_cidr_t */
    apr_array_header_t *rows;     /* cfmt_evidence_row_t, sorted by prefix and minute */
} cfmt_evidence_t;
const char *cfmt_evidence_encode(const cfmt_evidence_t *e, apr_pool_t *p);
/* CFMT_EINVALID: not one of ours. */
apr_status_t cfmt_evidence_decode(cfmt_evidence_t *e, const char *body, apr_size_t len,
                                  apr_pool_t *p);

/*
 * Table evidence, the projection: spans of minutes (cfmt_span_t). Attack minutes stand alone, calm
 * ones and those between are merged with neighbours of the same verdict and reason; unknown is what
 * has no row. The rows do not depend on the order in which minutes came, nor on how answers were
 * cut into pieces: of a minute judged more than once the highest verdict counts, and the greatest
 * figures.
 */
/* Spans of prefix that end after since, sorted; array of cfmt_span_t in p. */
apr_status_t cfmt_evidence_load(cfmt_store_t *s, const cfmt_cidr_t *prefix, apr_time_t since,
                                apr_array_header_t **pspans, apr_pool_t *p);
/* The same of all prefixes that have any, sorted by prefix: array of cfmt_evidence_spans_t in p. */
typedef struct cfmt_evidence_spans_t {
    cfmt_cidr_t prefix;
    apr_array_header_t *spans; /* cfmt_span_t */
} cfmt_evidence_spans_t;
apr_status_t cfmt_evidence_load_all(cfmt_store_t *s, apr_time_t since, apr_array_header_t **psets,
                                    apr_pool_t *p);
/* That of a prefix; NULL = it has none. */
const cfmt_evidence_spans_t *cfmt_evidence_find(const apr_array_header_t *sets,
                                                const cfmt_cidr_t *prefix);
/*
 * The projector's write, in its transaction: a run of minutes that are all judged so (its peak_at
 * is not read; nothing for UNKNOWN).
 */
apr_status_t cfmt_evidence_put_span(cfmt_store_t *s, const cfmt_cidr_t *prefix,
                                    const cfmt_span_t *span, apr_pool_t *ptemp);

/* Evidence before this time is gone, and what the journal still says of it does not count. */
#define CFMT_META_EVIDENCE_FROM "evidence_from"
/* Of the row behind the cursor so many runs are stored already; 0 = it is not begun. */
#define CFMT_META_EVIDENCE_PART "evidence_part"

/* "dosd" "flowtrackd" "magic-firewall" "other"; any other word is OTHER. */
const char *cfmt_system_name(cfmt_system_e system);
cfmt_system_e cfmt_system_by_name(const char *name);

/* In settings: the options of a prefix, its own line, else that of "*"; NULL = there is neither. */
const char *cfmt_prefix_setting(const apr_table_t *settings, const cfmt_cidr_t *prefix,
                                apr_pool_t *ptemp);
/* The threshold in force for it: "Threshold" ("pps=2000 bps=20M sustain=2") and its options. */
void cfmt_threshold_of(cfmt_threshold_t *t, const apr_table_t *settings, const cfmt_cidr_t *prefix,
                       apr_pool_t *ptemp);

#endif
