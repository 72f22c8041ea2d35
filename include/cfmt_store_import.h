/*
 * Room store: the history of the system that mod_cfmt replaces. legacy.c reads its database;
 * imported.c keeps its rows, each a journal row of kind `imported`, and what lists show of them.
 * Nothing is decided, opened or told by any of it.
 */
#ifndef CFMT_STORE_IMPORT_H
#define CFMT_STORE_IMPORT_H

#include "cfmt_store.h"

/* ---- legacy.c: a database of somebody else --------------------------------------------------- */

#define CFMT_LEGACY_ROW_MAX (1024 * 1024) /* bytes of one row */
#define CFMT_LEGACY_WEBHOOKS "webhooks"   /* the source of rows that were files */

typedef struct cfmt_legacy_out_t {
    /*
     * A line without its end:
     * {"source":TABLE,"id":TEXT,"columns":{...}}   a row as it stands there
     * {"source":TABLE,"id":TEXT,"error":TEXT}      one that is too large; id null: the rest of all
     * {"source":TABLE,"unknown":N}                 a table that the old system did not have
     * Not APR_SUCCESS ends the reading.
     */
    apr_status_t (*line)(void *baton, const char *json, apr_size_t len);
    void *baton;
} cfmt_legacy_out_t;

/*
 * All rows of the old system's tables, whichever columns they have; the file is opened read-only.
 * CFMT_EMISSING, EDENIED, ECORRUPT (no database) or what line returned; *pwhy, in p, is for people.
 */
apr_status_t cfmt_legacy_read(const char *path, const cfmt_legacy_out_t *out, const char **pwhy,
                              apr_pool_t *p);

/* ---- imported.c ------------------------------------------------------------------------------ */

#define CFMT_KIND_IMPORTED "imported" /* of journal rows */

/* A row to be kept. name tells it from all others; with another body it replaces the former one. */
typedef struct cfmt_import_t {
    const char *name, *origin, *body;
    apr_size_t len;
    apr_time_t at; /* of the import */
} cfmt_import_t;

/* *pknown: the journal has it, word for word. */
apr_status_t cfmt_import_known(cfmt_store_t *s, const cfmt_import_t *row, int *pknown);
/* Appends it inside the caller's transaction, unless it is known. */
apr_status_t cfmt_import_append(cfmt_store_t *s, const cfmt_import_t *row, int *pknown);

/* Which list a row belongs to. */
typedef enum {
    CFMT_PART_OTHER,   /* none: only the journal shows it */
    CFMT_PART_EVENT,   /* what the old system was told */
    CFMT_PART_ACTION,  /* an advertisement with its attack and its withdrawal */
    CFMT_PART_TRAFFIC  /* a row of analytics */
} cfmt_part_e;

/* A row of `imported`. NULL, 0 or < 0 (rates) = absent. */
typedef struct cfmt_imported_t {
    apr_int64_t id;            /* of the journal row */
    const char *name, *source;
    cfmt_part_e part;
    apr_time_t at, ended_at, done_at;
    apr_int64_t ambiguous;     /* 1: a time stands there without a zone, and was taken for UTC */
    const char *what, *state, *done, *attack, *prefix, *target, *vector;
    double pps, bps;
    const char *body;          /* of the journal row; only in lists */
} cfmt_imported_t;

/* Inside the caller's transaction; takes the place of the row of that name. */
apr_status_t cfmt_imported_save(cfmt_store_t *s, const cfmt_imported_t *row);
/*
 * The newest rows with at >= since, at most limit, the oldest first: array of cfmt_imported_t in p.
 * *pmore: older ones would match, too.
 */
apr_status_t cfmt_imported_list(cfmt_store_t *s, cfmt_part_e part, apr_time_t since, int limit,
                                apr_array_header_t **prows, int *pmore, apr_pool_t *p);
/* Is there any of that part? */
apr_status_t cfmt_imported_any(cfmt_store_t *s, cfmt_part_e part, int *pany);

#endif
