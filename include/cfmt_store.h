/*
 * Room store: the SQLite file, its commit lock and everything that is SQL. A handle belongs to one
 * thread at a time and to the process that opened it; never across fork.
 */
#ifndef CFMT_STORE_H
#define CFMT_STORE_H

#include "cfmt_intake.h"
#include "cfmt_policy.h"
#include "cfmt_world.h"

#include <apr_tables.h>
#include <apr_user.h>

/* ---- store.c: open, migrate, check ----------------------------------------------------------- */

#define CFMT_SCHEMA 9          /* PRAGMA user_version that this code makes */
#define CFMT_APPLICATION_ID 0x43464d54 /* "CFMT": PRAGMA application_id of our files */

typedef struct cfmt_store_t cfmt_store_t;

typedef enum {
    CFMT_STORE_GLANCE, /* as READ, but waits for a foreign lock 100 ms at most: for whoever must
                          answer soon */
    CFMT_STORE_READ, /* read-only; never creates -wal or -shm of its own accord where it can help it
                      */
    CFMT_STORE_WRITE /* has the commit lock file open, too */
} cfmt_store_mode_e;

/*
 * Opens an existing store. Lives until cfmt_store_close() or the end of p (a cleanup closes it).
 * Statuses: CFMT_EMISSING, EFOREIGN, ENEWER (WRITE only; READ works while the schema is additive),
 * EOLDER, EDENIED, ELINK, ECORRUPT, EIO, EBUSY, EREADONLY. *r (may be NULL) has the sentence.
 */
apr_status_t cfmt_store_open(cfmt_store_t **ps, const char *path, cfmt_store_mode_e mode,
                             cfmt_result_t *r, apr_pool_t *p);
void cfmt_store_close(cfmt_store_t *s);
const char *cfmt_store_path(const cfmt_store_t *s);
/*
 * CFMT_EREPLACED when database, WAL or lock file on disk are no longer the ones this handle has
 * open.
 */
apr_status_t cfmt_store_verify(cfmt_store_t *s);
/* PRAGMA data_version: changes when another handle has committed. -1 on error. */
apr_int64_t cfmt_store_data_version(cfmt_store_t *s);
/*
 * How long a handle waits for a foreign lock (SQLite's busy timeout). Default 250 ms WRITE, 3 s
 * READ.
 */
void cfmt_store_busy_timeout(cfmt_store_t *s, apr_interval_time_t t);
/* What this handle is asked from now on ends with APR_TIMEUP after that time; 0 = no limit. */
void cfmt_store_limit(cfmt_store_t *s, apr_interval_time_t t);
/*
 * PRAGMA quick_check or integrity_check; problems (at most 20 lines) into *plines, empty = sound.
 */
apr_status_t cfmt_store_integrity(cfmt_store_t *s, int full, apr_array_header_t **plines,
                                  apr_pool_t *p);
/* Why the last call on this handle failed, for people; never NULL. */
const char *cfmt_store_error(const cfmt_store_t *s);

/* ---- prepare.c: make and migrate; never in httpd's parent ------------------------------------ */

/*
 * Root's only part: makes the directory of path (mode 2770, uid:gid) when it is missing, only below
 * a root-owned parent that others cannot write, following no link. Existing directories are left
 * alone.
 */
apr_status_t cfmt_prepare_dir(const char *path, apr_uid_t uid, apr_gid_t gid, cfmt_result_t *r,
                              apr_pool_t *p);
/*
 * As the user that will own the store: creates the file (0660) where missing, migrates it,
 * publishes settings (name -> value, replacing all) and journals a `config` row when they differ
 * from the last one. Idempotent. settings NULL = only create and migrate.
 */
apr_status_t cfmt_prepare_store(const char *path, const apr_table_t *settings, apr_time_t now,
                                cfmt_result_t *r, apr_pool_t *p);

/* ---- commit.c: the commit lock, transactions, group commit ----------------------------------- */

/*
 * Every write transaction of every process: commit lock (waiting up to timeout), then BEGIN
 * IMMEDIATE.
 */
apr_status_t cfmt_store_begin(cfmt_store_t *s, apr_interval_time_t timeout);
/*
 * Commits and releases the lock. On failure the transaction is rolled back and the lock released.
 */
apr_status_t cfmt_store_commit(cfmt_store_t *s);
/* Rolls back and releases; harmless when nothing is open. */
void cfmt_store_rollback(cfmt_store_t *s);
/* Commits what went well (rv APR_SUCCESS); rolls back all else and returns rv. */
apr_status_t cfmt_store_end(cfmt_store_t *s, apr_status_t rv);
/*
 * Checkpoint under the commit lock; restart: RESTART instead of PASSIVE. *ppages (may be NULL):
 * frames left in the WAL. CFMT_EBUSY when the lock was not free within timeout.
 */
apr_status_t cfmt_store_checkpoint(cfmt_store_t *s, int restart, apr_interval_time_t timeout,
                                   int *ppages);

/* Pages of the WAL as this handle last saw it: at its own commit or checkpoint. */
int cfmt_store_wal_pages(const cfmt_store_t *s);

/* One small durable write: does the store take a commit now? */
apr_status_t cfmt_store_probe(cfmt_store_t *s, apr_time_t now, apr_interval_time_t timeout);

#define CFMT_WAL_CHECKPOINT_PAGES 500   /* the leader checkpoints from here */
#define CFMT_WAL_RESTART_PAGES 16384    /* 64 MiB: whoever commits checkpoints */

/*
 * Shared counters (anonymous shared memory, made before the fork): one slot a child, written by its
 * owner only, always by CFMT_GAUGE_SET and CFMT_GAUGE_GET: other threads and processes look at any
 * moment.
 */
#define CFMT_GAUGE_SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define CFMT_GAUGE_GET(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
typedef struct cfmt_gauge_t {
    apr_uint32_t pid;      /* 0 = free */
    apr_uint32_t queued;   /* entries waiting for a commit now */
    apr_uint32_t wal_pages;
    apr_int32_t error;     /* apr_status_t of the last commit attempt; 0 = it worked */
    apr_int64_t error_at;  /* monotonic, as worked_at and probe_at: clocks are set back */
    apr_int64_t commit_at; /* last successful commit, as UTC */
    apr_int64_t worked_at; /* the same */
    apr_int64_t commits, rows, refused;
} cfmt_gauge_t;

typedef struct cfmt_gauges_t {
    apr_int64_t probe_at;   /* the leader wrote to the store then: older errors are over */
    apr_int32_t trouble;    /* apr_status_t: why the leader cannot use the store; 0 = it can */
    apr_int32_t refused;    /* apr_status_t: why nobody can lead, as told last; 0 = somebody can */
    apr_uint32_t ranges;    /* goes up when the table range has changed: children read it then */
    apr_uint32_t count;
    cfmt_gauge_t child[1]; /* count of them */
} cfmt_gauges_t;

apr_size_t cfmt_gauges_size(apr_uint32_t count);
/* Claims a slot for this process; a slot of a dead process is free. NULL when none is left. */
cfmt_gauge_t *cfmt_gauges_claim(cfmt_gauges_t *g);

/* Totals over the slots of living processes. */
typedef struct cfmt_gauge_sum_t {
    int children;
    apr_uint32_t queued;
    apr_status_t error;     /* the newest error that no later commit or probe has answered */
    apr_status_t trouble;   /* the leader's */
    apr_time_t error_at;    /* monotonic */
    apr_time_t commit_at;   /* newest, as UTC */
    apr_time_t worked_at;   /* the same, monotonic */
    apr_int64_t commits, rows, refused;
} cfmt_gauge_sum_t;
void cfmt_gauges_sum(cfmt_gauge_sum_t *sum, const cfmt_gauges_t *g);

/* One row wanted in the journal. Memory belongs to the caller until submit returns. */
typedef struct cfmt_entry_t {
    const char *kind;     /* "delivery", "rejected", "command", ... */
    apr_time_t at;
    const char *origin;   /* sender address, "user alice", ... */
    int has_dedupe;       /* look for a duplicate first */
    apr_int64_t slot; /* locality of the dedupe key: body's ts in seconds, else arrival / window */
    apr_int64_t slot2;    /* second slot to look in (== slot when there is none) */
    apr_int64_t dedupe;   /* cfmt_digest64 of body, or of tag where tag decides */
    apr_time_t dup_since; /* rows older than this are no duplicates */
    const char *tag;      /* webhook-id (decides instead of the body); NULL otherwise */
    const char *label;    /* of the secret that let it in; NULL = none */
    const char *body;     /* may be NULL */
    apr_size_t len;
    int binary;           /* body is not valid UTF-8: stored as a blob */
    /* results */
    apr_status_t status;
    apr_int64_t id;       /* of the row; for a duplicate: of the first */
    int duplicate;
} cfmt_entry_t;

#define CFMT_QUEUE_MAX 1024

typedef struct cfmt_commit_conf_t {
    const char *db;
    int wake_fd;               /* eventfd of the leader, -1 = none */
    cfmt_gauge_t *gauge;       /* NULL = none */
    apr_uint32_t queue_max;    /* 0 = CFMT_QUEUE_MAX */
} cfmt_commit_conf_t;

typedef struct cfmt_commit_t cfmt_commit_t;

/*
 * The queue of one child. Its memory is its own (a thread may outlive any pool at a forced exit).
 * The committer thread starts with the first entry that needs it.
 */
apr_status_t cfmt_commit_create(cfmt_commit_t **pc, const cfmt_commit_conf_t *conf);
/*
 * Stores one entry durably. Blocks until committed, refused or timeout has passed; an entry in a
 * running batch waits for that batch. Any thread. Returns e->status: APR_SUCCESS, CFMT_EBUSY
 * (deadline), CFMT_EQUEUE, CFMT_ESTOPPED or why the store fails.
 */
apr_status_t cfmt_commit_submit(cfmt_commit_t *c, cfmt_entry_t *e, apr_interval_time_t timeout);
/*
 * No more entries (they get CFMT_ESTOPPED), what is queued is committed; waits up to limit for the
 * thread, then closes the store. APR_TIMEUP: it still runs, leave everything alone.
 */
apr_status_t cfmt_commit_stop(cfmt_commit_t *c, apr_interval_time_t limit);
/* Frees the memory: only after a successful stop and when no thread can submit any more. */
void cfmt_commit_destroy(cfmt_commit_t *c);

/* ---- journal.c ------------------------------------------------------------------------------- */

#define CFMT_REJECTED_ROWS_MAX 1000
#define CFMT_REJECTED_BODY_MAX (64 * 1024)

/*
 * Appends one row inside the caller's transaction, duplicates and the bound on rejected rows
 * included.
 */
apr_status_t cfmt_journal_append(cfmt_store_t *s, cfmt_entry_t *e);

typedef struct cfmt_journal_row_t {
    apr_int64_t id;
    apr_time_t at;
    const char *kind, *origin, *tag;
    apr_int64_t ref;      /* 0 = none */
    const char *body;     /* NULL = none */
    apr_size_t len;
} cfmt_journal_row_t;

/*
 * Rows with id > after in ascending order, at most limit, fewer where bodies are large; none only
 * when there is none. Array of cfmt_journal_row_t in p.
 */
apr_status_t cfmt_journal_read(cfmt_store_t *s, apr_int64_t after, int limit,
                               apr_array_header_t **prows, apr_pool_t *p);
/* The same of kinds `command` and `drill` alone, up to a row: walks all between. */
apr_status_t cfmt_commands_read(cfmt_store_t *s, apr_int64_t after, apr_int64_t upto, int limit,
                                apr_array_header_t **prows, apr_pool_t *p);
/* Highest id ever given, 0 for an empty journal. */
apr_status_t cfmt_journal_head(cfmt_store_t *s, apr_int64_t *pid);

/* ---- setting.c: meta and setting ------------------------------------------------------------- */

/* meta: small facts of the store itself. def when absent. */
apr_status_t cfmt_meta_int(cfmt_store_t *s, const char *name, apr_int64_t def, apr_int64_t *pv);
typedef struct cfmt_meta_int_t {
    const char *name;
    apr_int64_t *pv;        /* 0 when absent */
} cfmt_meta_int_t;
/* Several of one moment, in one look. */
apr_status_t cfmt_meta_ints(cfmt_store_t *s, const cfmt_meta_int_t *wanted, int n);
apr_status_t cfmt_meta_set_int(cfmt_store_t *s, const char *name, apr_int64_t v);
#define CFMT_META_CURSOR "cursor"     /* highest journal id projected */
#define CFMT_META_MIN_CODE "min_code" /* lowest CFMT_SCHEMA that may write */
#define CFMT_META_LAST_DELIVERY "last_delivery_at" /* kept by the projector */

/* setting: the effective non-secret configuration, published at start; a table in p. */
apr_status_t cfmt_settings_read(cfmt_store_t *s, apr_table_t **pt, apr_pool_t *p);
/* Inside the caller's transaction; replaces all; journals a `config` row when something changed. */
apr_status_t cfmt_settings_publish(cfmt_store_t *s, const apr_table_t *t, apr_time_t now,
                                   apr_pool_t *ptemp);
/* The body of a `config` row and back: one JSON object of strings, keys sorted. */
const char *cfmt_settings_encode(const apr_table_t *t, apr_pool_t *p);
apr_table_t *cfmt_settings_decode(const char *body, apr_size_t len, apr_pool_t *p);
/*
 * Names: directives without "Cfmt", e.g. "AccountId", "Mode", "Retention"; prefixes: "Prefix
 * <cidr>" -> "name=... withdraw=..."; "GeneratedBy" -> version.
 */

/* ---- job.c: claimed by an UPDATE that succeeds for one process ------------------------------- */

typedef struct cfmt_job_t {
    const char *name;
    apr_time_t due_at, last_at;
    int fails;              /* in a row */
    const char *last_result;
    apr_time_t ok_at;       /* last success; 0 = never */
    const char *owner;      /* of the claim, as given to cfmt_job_claim; NULL = none */
} cfmt_job_t;

/* Makes the row where missing (due now). In its own transaction only when needed. */
apr_status_t cfmt_job_ensure(cfmt_store_t *s, const char *name, apr_time_t now);
/*
 * Claims name, which is made where missing, when due and free (or its claim has expired):
 * *pclaimed, and how often it failed in a row.
 */
apr_status_t cfmt_job_claim(cfmt_store_t *s, const char *name, const char *owner, apr_time_t now,
                            apr_interval_time_t lease, int *pclaimed, int *pfails);
typedef enum {
    CFMT_JOB_OK,
    CFMT_JOB_FAILED,
    CFMT_JOB_UNASKED /* something else stood in the way: its failures in a row stay as they are */
} cfmt_job_end_e;
apr_status_t cfmt_job_done(cfmt_store_t *s, const char *name, const char *owner, apr_time_t now,
                           apr_time_t due_at, cfmt_job_end_e end, const char *result);
/* Ends a claim of that owner, who will not come back to it. */
apr_status_t cfmt_job_free(cfmt_store_t *s, const char *name, const char *owner);
/*
 * After a start, which may be the remedy: a job that failed is due now, and with `always` one that
 * did not; except at a limit.
 */
apr_status_t cfmt_job_hurry(cfmt_store_t *s, const char *name, apr_time_t now, int always);
/* In the caller's transaction: it is due now. */
apr_status_t cfmt_job_now(cfmt_store_t *s, const char *name, apr_time_t now);
/* When it is due and its claim over; 0: there is no such row. */
apr_status_t cfmt_job_due(cfmt_store_t *s, const char *name, apr_time_t *pdue);
typedef struct cfmt_job_due_t {
    const char *name;
    apr_time_t at;          /* as cfmt_job_due says */
    int due;                /* now: a claim can succeed, unless another process has it */
} cfmt_job_due_t;
/* All that there are, in one look: cfmt_job_due_t in p. */
apr_status_t cfmt_jobs_due(cfmt_store_t *s, apr_time_t now, apr_array_header_t **prows,
                           apr_pool_t *p);
/* The one of that name among them; NULL: it is not there yet. */
const cfmt_job_due_t *cfmt_job_find(const apr_array_header_t *rows, const char *name);

/* ---- projection.c: event, attack, attack_key, entity as the projector reads and writes them -- */

/*
 * All writes are inside the caller's transaction. Rows are a function of the set of events; what a
 * fold started from where its oldest events are pruned stands in `base`.
 */
/* journal row with the configuration in force at the cursor; 0 = none */
#define CFMT_META_CONFIG "config_id"
#define CFMT_META_PRUNED "pruned_to"  /* id of the snapshot row the journal begins with; 0 = none */
#define CFMT_CURSOR_RESET (-1)        /* meta cursor while cfmt_project_reset is under way */

/*
 * An event and the attack it belongs to (NULL = none). Of the event the members that folds need,
 * and its ids.
 */
typedef struct cfmt_event_stored_t {
    cfmt_event_t e;
    const char *attack;
} cfmt_event_stored_t;

/*
 * *pfirst: the event with this ts and digest (or the one that row e->id is noted to repeat); 0 = e
 * is new.
 */
apr_status_t cfmt_event_known(cfmt_store_t *s, const cfmt_event_t *e, apr_int64_t *pfirst);
apr_status_t cfmt_event_insert(cfmt_store_t *s, const cfmt_event_t *e, const char *attack);
/* Journal row id repeats event first. Kept so that a rebuild of a pruned journal still knows. */
apr_status_t cfmt_event_repeat(cfmt_store_t *s, apr_int64_t id, apr_int64_t first);
/* An operator's event belongs to another attack (or none) now. */
apr_status_t cfmt_event_rebind(cfmt_store_t *s, apr_int64_t id, const char *attack,
                               const char *summary);

/*
 * Append cfmt_event_stored_t to events: of an attack; of an entity (ours only); of an operator,
 * naming ref; id <= upto.
 */
apr_status_t cfmt_events_of_attack(cfmt_store_t *s, apr_array_header_t *events, const char *attack,
                                   apr_pool_t *p);
/* The n newest of an attack by their own time, and older ones, too, if there are any. */
apr_status_t cfmt_events_newest(cfmt_store_t *s, apr_array_header_t *events, const char *attack,
                                int n, apr_pool_t *p);
apr_status_t cfmt_events_of_entity(cfmt_store_t *s, apr_array_header_t *events, const char *kind,
                                   const char *id, apr_pool_t *p);
apr_status_t cfmt_events_of_operator(cfmt_store_t *s, apr_array_header_t *events, const char *ref,
                                     apr_pool_t *p);
apr_status_t cfmt_events_upto(cfmt_store_t *s, apr_array_header_t *events, apr_int64_t upto,
                              apr_pool_t *p);

typedef struct cfmt_attack_stored_t {
    cfmt_attack_t a;
    apr_array_header_t *prefixes; /* const char *, sorted, distinct */
    apr_array_header_t *kept;     /* prefixes that pruned targets hit which base does not keep */
    int rule_unknown;             /* rule_only, and a rule that it names is not known */
    const char *base;             /* cfmt_attack_encode of the pruned part; NULL = nothing pruned */
} cfmt_attack_stored_t;

/* CFMT_EMISSING: no such attack; *a is an empty one then. */
apr_status_t cfmt_attack_load(cfmt_store_t *s, cfmt_attack_stored_t *a, const char *id,
                              apr_pool_t *p);
apr_status_t cfmt_attack_save(cfmt_store_t *s, const cfmt_attack_stored_t *a, apr_pool_t *ptemp);
/* Events and keys of attack `from` become those of `to`; its row goes. */
apr_status_t cfmt_attack_move(cfmt_store_t *s, const char *from, const char *to);
/* Row and keys go; there must be no events. */
apr_status_t cfmt_attack_delete(cfmt_store_t *s, const char *id);

/* The row of the attack must be there. */
apr_status_t cfmt_key_insert(cfmt_store_t *s, const cfmt_attack_key_t *k, const char *attack);
/* The attack that has the key; NULL = new. */
apr_status_t cfmt_key_find(cfmt_store_t *s, const cfmt_attack_key_t *k, const char **pattack,
                           apr_pool_t *p);
/* The smallest key of an attack; CFMT_EMISSING. */
apr_status_t cfmt_key_first(cfmt_store_t *s, cfmt_attack_key_t *k, const char *attack,
                            apr_pool_t *p);
/*
 * What an operator means by ref: the key with that id, else the smallest attack or correlation id
 * that reads so; CFMT_EMISSING when nothing fits.
 */
apr_status_t cfmt_key_resolve(cfmt_store_t *s, cfmt_attack_key_t *k, const char **pattack,
                              const char *ref, apr_pool_t *p);

typedef struct cfmt_entity_stored_t {
    cfmt_entity_t t;
    const char *base;
} cfmt_entity_stored_t;

/* CFMT_EMISSING: no such entity; *t is an empty one then. kind and id must live as long as *t. */
apr_status_t cfmt_entity_load(cfmt_store_t *s, cfmt_entity_stored_t *t, const char *kind,
                              const char *id, apr_pool_t *p);
apr_status_t cfmt_entity_save(cfmt_store_t *s, const cfmt_entity_stored_t *t);

/* Deletes at most limit rows of the projections; *pleft: some are left. */
apr_status_t cfmt_projection_clear(cfmt_store_t *s, int limit, int *pleft);

/* ---- snapshot.c: folded states as JSON, and the row a pruned journal begins with ------------- */

/* A fold as a JSON object and back: the very same value (CFMT_EINVALID: not one of ours). */
const char *cfmt_attack_encode(const cfmt_attack_t *a, apr_pool_t *p);
apr_status_t cfmt_attack_decode(cfmt_attack_t *a, const char *id, const char *json, apr_pool_t *p);
const char *cfmt_entity_encode(const cfmt_entity_t *t, apr_pool_t *p);
apr_status_t cfmt_entity_decode(cfmt_entity_t *t, const char *kind, const char *id,
                                const char *json, apr_pool_t *p);

/*
 * Body of a snapshot row that stands for all rows up to the one pruned last. Inside the pruning
 * transaction.
 */
apr_status_t cfmt_snapshot_make(cfmt_store_t *s, const char **pbody, const apr_table_t *config,
                                apr_int64_t upto, apr_pool_t *p);
/*
 * Fills the (empty) projections from it, in the caller's transaction. CFMT_EINVALID: not readable.
 */
apr_status_t cfmt_snapshot_restore(cfmt_store_t *s, const char *body, apr_size_t len,
                                   apr_pool_t *p);
/* The configuration that a snapshot carries; empty when it cannot be read. */
apr_table_t *cfmt_snapshot_config(const char *body, apr_size_t len, apr_pool_t *p);

/* ---- retention.c ----------------------------------------------------------------------------- */

#define CFMT_RETENTION_STEP 200 /* rows a step, one transaction each */

typedef struct cfmt_retention_t {
    apr_interval_time_t journal, rejected, evidence, traffic, outbox; /* 0 = keep for ever */
} cfmt_retention_t;

/*
 * One step: deletes rejected rows, evidence, detail of traffic or messages by age, or prunes the
 * oldest projected rows of the journal into its snapshot row. At most CFMT_RETENTION_STEP rows;
 * *pmore: call again. The projections stay what a rebuild would give; ended attacks all of whose
 * events are pruned go.
 * Evidence goes by whole days (UTC), is kept for two days at least and no longer than the journal.
 * Only the leader calls it. CFMT_EMOVED: somebody else did; try again.
 */
apr_status_t cfmt_retention_step(cfmt_store_t *s, const cfmt_retention_t *conf, apr_time_t now,
                                 int *pmore, apr_pool_t *ptemp);

/* ---- query.c: what cfmtctl and health read --------------------------------------------------- */

/*
 * Reading for people. Every call walks an index or a bounded number of rows and holds no snapshot
 * when it returns: longer lists are read page by page, by id.
 */
#define CFMT_QUERY_PAGE 500

typedef enum { CFMT_LIST_EVENTS, CFMT_LIST_JOURNAL } cfmt_list_e;

/*
 * Where a list of the newest rows begins: at most limit rows with at >= since have an id > *pafter.
 * *pmore: older rows would match, too. `at` follows the clock of the host, ids do not: the search
 * ends at a row that is older than since by more than CFMT_QUERY_SLACK, so a clock set back by less
 * hides nothing.
 */
apr_status_t cfmt_query_start(cfmt_store_t *s, cfmt_list_e list, apr_time_t since, int limit,
                              apr_int64_t *pafter, int *pmore);
#define CFMT_QUERY_SLACK apr_time_from_sec(600)

/* A row of `event` as stored. NULL, 0 or < 0 (rates) = absent. */
typedef struct cfmt_event_row_t {
    apr_int64_t id;
    apr_time_t at, ts;
    apr_int64_t ours;
    const char *source, *alert_type, *state, *priority;
    const char *account, *policy_id, *policy_name;
    const char *attack_id, *correlation_id, *attack;
    const char *target, *vector, *protocol, *rule;
    double pps, bps, rps;
    const char *entity_kind, *entity_id, *entity_name, *entity_state;
    const char *summary;
} cfmt_event_row_t;

/* Events with id > after in ascending order, at most limit; array of cfmt_event_row_t in p. */
apr_status_t cfmt_query_events(cfmt_store_t *s, apr_int64_t after, int limit,
                               apr_array_header_t **prows, apr_pool_t *p);

/*
 * A row of `attack` with the names that Cloudflare gave it. Arrays hold const char *, never NULL.
 */
typedef struct cfmt_attack_row_t {
    const char *id, *state, *scope, *account, *ended_by;
    apr_int64_t ours, episodes, events, targets_cut;
    apr_int64_t target_missing; /* it may be about any prefix: target_missing or rule_unknown */
    apr_time_t started_at, episode_at, ended_at, last_at;
    apr_array_header_t *targets, *prefixes, *vectors, *protocols, *rules, *alert_types;
    apr_array_header_t *attack_ids, *correlation_ids;
    double peak_pps, peak_bps, peak_rps;
    apr_time_t peak_pps_at, peak_bps_at;
    const char *peak_pps_by, *peak_bps_by;
} cfmt_attack_row_t;

/*
 * Open attacks whatever their age, then those with last_at >= since, newest first up to limit
 * together; returned in ascending order of last_at. *pmore: others would match, too.
 */
apr_status_t cfmt_query_attacks(cfmt_store_t *s, apr_time_t since, int limit,
                                apr_array_header_t **prows, int *pmore, apr_pool_t *p);
/*
 * Attacks that are called name: our id (also one from before a merge), Cloudflare's attack id or
 * correlation id. Empty when there is none; several only when accounts share a name.
 */
apr_status_t cfmt_query_attack_find(cfmt_store_t *s, const char *name, apr_array_header_t **prows,
                                    apr_pool_t *p);

/* Facts of the file itself, for `cfmtctl db check`. */
typedef struct cfmt_facts_t {
    apr_int64_t application_id, schema, min_code;
    const char *journal_mode;
} cfmt_facts_t;
apr_status_t cfmt_query_facts(cfmt_store_t *s, cfmt_facts_t *f, apr_pool_t *p);

/* What health says about the journal. */
typedef struct cfmt_health_rows_t {
    apr_int64_t head, cursor;    /* highest id given, highest id projected */
    apr_time_t oldest_lag_at;    /* arrival of the oldest row behind the cursor; 0 = none */
    apr_time_t last_delivery_at; /* unprojected rows included; 0 = never */
    int schema;                  /* PRAGMA user_version */
} cfmt_health_rows_t;
apr_status_t cfmt_query_health(cfmt_store_t *s, cfmt_health_rows_t *h);

/* ---- query_health.c: what health says about the world ---------------------------------------- */

/* Counts of what Cloudflare listed last; what is gone does not count. */
typedef struct cfmt_world_counts_t {
    int prefixes, advertised, locked;
    int parents;                /* IP prefixes that they belong to */
    apr_time_t prefixes_read_at; /* the list read longest ago, of those not missing; 0 = none */
    int up, degraded, down, unknown; /* tunnels */
    apr_time_t tunnels_read_at; /* their health; 0 = never */
} cfmt_world_counts_t;
/* Bounded by what the account has: one walk of prefix and one of tunnel. */
apr_status_t cfmt_query_world_counts(cfmt_store_t *s, cfmt_world_counts_t *c);

#include "cfmt_store_world.h"
#include "cfmt_store_act.h"

#endif
