/*
 * Room store: deliveries as they came, by which secret, and the file itself: what is in it, copies
 * of it, and one that takes its place.
 */
#ifndef CFMT_STORE_KEEP_H
#define CFMT_STORE_KEEP_H

#include "cfmt_store.h"

/* ---- deliveries.c ---------------------------------------------------------------------------- */

/* So many of the journal's newest rows are looked through: other kinds may lie between. */
#define CFMT_DELIVERIES_SCAN 100000

/* A row that came through the webhook, or would have, and what was understood of it. */
typedef struct cfmt_delivery_row_t {
    apr_int64_t id;
    apr_time_t at;
    const char *kind;   /* "delivery" "duplicate" "rejected" "recovered" "drill" */
    const char *origin, *tag;
    const char *label;  /* of the secret that let it in; NULL = of before it was kept, or none */
    apr_int64_t ref;    /* duplicate: the first; 0 = none */
    apr_int64_t bytes;
    const char *body;   /* NULL = none; only cfmt_delivery_get reads it */
    apr_size_t len;
    apr_int64_t event;  /* that it is, or repeats; 0 = none */
    const char *alert_type, *state, *target, *attack, *summary; /* of that event; NULL */
} cfmt_delivery_row_t;

/* The newest `limit` since then, oldest first. *pmore: there are more. */
apr_status_t cfmt_deliveries_list(cfmt_store_t *s, apr_time_t since, int limit,
                                  apr_array_header_t **prows, int *pmore, apr_pool_t *p);
/* CFMT_EMISSING: no such row, or one of another kind (*row has its kind then, else NULL). */
apr_status_t cfmt_delivery_get(cfmt_store_t *s, cfmt_delivery_row_t *row, apr_int64_t id,
                               apr_pool_t *p);

/* How a secret was used, by its label; what cfmtctl itself has sent does not count. */
typedef struct cfmt_label_row_t {
    const char *label;
    apr_time_t first_at, last_at;
    apr_int64_t deliveries;
} cfmt_label_row_t;

/* By label. *psince: rows from then on were looked through; 0 = all there are. */
apr_status_t cfmt_labels_seen(cfmt_store_t *s, apr_array_header_t **prows, apr_time_t *psince,
                              apr_pool_t *p);

/* How the body of a delivery begins that cfmtctl made. */
#define CFMT_TRIGGER_MARK "{\"cfmt_trigger\":"

/* ---- backup.c -------------------------------------------------------------------------------- */

/* What a file of ours holds. */
typedef struct cfmt_file_facts_t {
    cfmt_facts_t facts;
    apr_int64_t pages, page_size, free_pages;
    apr_int64_t first, head, cursor; /* journal: oldest, newest, projected */
    apr_time_t first_at, head_at;
    apr_int64_t audit;               /* rows of the record */
} cfmt_file_facts_t;
apr_status_t cfmt_file_facts(cfmt_store_t *s, cfmt_file_facts_t *f, apr_pool_t *p);

#define CFMT_COUNT_MAX 1000000
/* Rows of each table, at most CFMT_COUNT_MAX each. The journal's are not counted. */
typedef struct cfmt_count_row_t {
    const char *table;
    apr_int64_t rows;
} cfmt_count_row_t;
apr_status_t cfmt_counts(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);

/*
 * A copy of the store as of one moment into a file that must not be there (0660). The commit lock
 * is held while the moment is chosen, not while pages are copied; until then the log is not
 * restarted. more (may be NULL) is called now and then; 0 from it: give up (CFMT_ESTOPPED).
 */
apr_status_t cfmt_backup(cfmt_store_t *s, const char *path,
                         int (*more)(void *baton, int done, int pages), void *baton,
                         cfmt_result_t *r, apr_pool_t *p);
/*
 * Is that file a whole store of ours, that this program can use? Whoever asks has it alone, in a
 * place that is his. *lines: what is wrong with it, at most 20; an older schema is no fault.
 * CFMT_EFOREIGN, ENEWER, ECORRUPT with *r.
 */
apr_status_t cfmt_backup_verify(const char *path, cfmt_file_facts_t *f, cfmt_result_t *r,
                                apr_pool_t *p);

/* A process that has the database open; 0 = none. By the locks that SQLite keeps in the file. */
apr_status_t cfmt_store_user(const char *db, pid_t *ppid);
/*
 * Under the commit lock: what is at db goes to `keep` (with its log) and `from`, of the same
 * directory, takes its place. CFMT_EBUSY: somebody has it open (*puser, 0 = not known), or the lock
 * was not free; nothing was changed then.
 */
apr_status_t cfmt_store_replace(const char *db, const char *from, const char *keep, pid_t *puser,
                                cfmt_result_t *r, apr_pool_t *p);

#endif
