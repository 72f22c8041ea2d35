/*
 * Retention of evidence. It is cut at a midnight, which no span crosses, and the store remembers
 * which: the projector passes over older minutes. So rows of the journal can go (from its middle,
 * those that have nothing younger to say), and a rebuild still gives the rows that were kept.
 */
#include "evidence.h"
#include "store_private.h"

#define BEGIN_TIMEOUT apr_time_from_msec(250)
#define DAY apr_time_from_sec(86400)
/* Minutes that could not be read are asked for again for a day: no retention is shorter. */
#define KEEP_MIN (2 * DAY)
#define WALK 1000 /* journal rows looked at in a step */
#define META_SWEPT "evidence_swept" /* up to here the journal has no evidence that could go */

apr_status_t cfmt_evidence_counts(cfmt_store_t *s, apr_time_t *psince)
{
    apr_status_t rv = cfmt_meta_int(s, CFMT_META_EVIDENCE_FROM, 0, psince);

    *psince -= CFMT_EVIDENCE_AHEAD;
    return rv;
}

/* Evidence has its source in the journal: it is kept no longer. 0 = for ever. */
static apr_interval_time_t keep(const cfmt_retention_t *conf)
{
    apr_interval_time_t d = conf->evidence;

    if (conf->journal > 0 && (d <= 0 || d > conf->journal)) {
        d = conf->journal;
    }
    return d > 0 && d < KEEP_MIN ? KEEP_MIN : d;
}

/*
 * Only forward: what is gone stays gone. But a time to come was set by a clock that was wrong, and
 * nothing would count until then.
 */
static apr_status_t raise_floor(cfmt_store_t *s, apr_time_t wanted, apr_time_t now,
                                apr_time_t *pfloor)
{
    apr_status_t rv = cfmt_meta_int(s, CFMT_META_EVIDENCE_FROM, 0, pfloor);

    if (rv != APR_SUCCESS || (*pfloor >= wanted && *pfloor <= now)
        || (rv = cfmt_store_begin(s, BEGIN_TIMEOUT)) != APR_SUCCESS) {
        return rv;
    }
    *pfloor = wanted;
    return cfmt_store_end(s, cfmt_meta_set_int(s, CFMT_META_EVIDENCE_FROM, wanted));
}

/* ---- spans ----------------------------------------------------------------------------------- */

static const char old_sql[] = "SELECT 1 FROM evidence WHERE day < ?1 UNION ALL"
                              " SELECT 1 FROM evidence_minute WHERE day < ?1 LIMIT 1";
static const char *const drop_sql[] = {
    "DELETE FROM evidence WHERE (day, prefix, at) IN (SELECT day, prefix, at FROM evidence"
    " WHERE day < ?1 ORDER BY day, prefix, at LIMIT ?2)",
    "DELETE FROM evidence_minute WHERE (day, prefix, at) IN (SELECT day, prefix, at"
    " FROM evidence_minute WHERE day < ?1 ORDER BY day, prefix, at LIMIT ?2)",
};

static apr_status_t drop(cfmt_store_t *s, apr_int64_t day, int *pn)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && *pn < CFMT_RETENTION_STEP && i < 2; i++) {
        sqlite3_stmt *st = cfmt_sql(s, drop_sql[i]);

        cfmt_bind_int(st, 1, day);
        cfmt_bind_int(st, 2, CFMT_RETENTION_STEP - *pn);
        rv = cfmt_sql_run(s, st);
        *pn += rv == APR_SUCCESS ? sqlite3_changes(s->db) : 0;
    }
    return rv;
}

static apr_status_t prune_spans(cfmt_store_t *s, apr_int64_t day, int *pn)
{
    sqlite3_stmt *st = cfmt_sql(s, old_sql);
    apr_int64_t some = 0;
    apr_status_t rv;

    cfmt_bind_int(st, 1, day);
    rv = cfmt_sql_int(s, st, &some);
    if (rv != APR_SUCCESS || !some || (rv = cfmt_store_begin(s, BEGIN_TIMEOUT)) != APR_SUCCESS) {
        return rv;
    }
    return cfmt_store_end(s, drop(s, day, pn));
}

/* ---- the journal ----------------------------------------------------------------------------- */

/* A stretch of rows behind `after`, all older than before: up to *pupto, *pgo of them evidence. */
static apr_status_t walk(cfmt_store_t *s, apr_int64_t after, apr_time_t before, apr_int64_t *pupto,
                         int *pgo, int *pn)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id, at, kind = 'evidence' FROM journal WHERE id > ?1"
                                   " ORDER BY id LIMIT ?2");
    apr_status_t rv;

    cfmt_bind_int(st, 1, after);
    cfmt_bind_int(st, 2, WALK);
    while (cfmt_sql_row(s, st, &rv)) {
        if (cfmt_col_int(st, 1) >= before || *pgo == CFMT_RETENTION_STEP) {
            cfmt_sql_done(st);
            break;
        }
        *pupto = cfmt_col_int(st, 0);
        *pgo += (int)cfmt_col_int(st, 2);
        (*pn)++;
    }
    return rv;
}

static apr_status_t sweep(cfmt_store_t *s, apr_int64_t after, apr_int64_t upto, int go)
{
    apr_status_t rv = APR_SUCCESS;
    sqlite3_stmt *st;

    if (go) {
        st = cfmt_sql(s, "DELETE FROM journal WHERE id > ?1 AND id <= ?2 AND kind = 'evidence'");
        cfmt_bind_int(st, 1, after);
        cfmt_bind_int(st, 2, upto);
        rv = cfmt_sql_run(s, st);
    }
    return rv == APR_SUCCESS ? cfmt_meta_set_int(s, META_SWEPT, upto) : rv;
}

static apr_status_t prune_rows(cfmt_store_t *s, apr_time_t before, int *pn)
{
    apr_int64_t after, upto = 0;
    apr_status_t rv = cfmt_meta_int(s, META_SWEPT, 0, &after);
    int go = 0;

    rv = rv == APR_SUCCESS ? walk(s, after, before, &upto, &go, pn) : rv;
    if (rv != APR_SUCCESS || !*pn || (rv = cfmt_store_begin(s, BEGIN_TIMEOUT)) != APR_SUCCESS) {
        return rv;
    }
    return cfmt_store_end(s, sweep(s, after, upto, go));
}

apr_status_t cfmt_evidence_prune(cfmt_store_t *s, const cfmt_retention_t *conf, apr_time_t now,
                                 int *pn)
{
    apr_interval_time_t d = keep(conf);
    apr_time_t floor;
    apr_status_t rv;

    *pn = 0;
    if (d <= 0 || now <= d) {
        return APR_SUCCESS;
    }
    rv = raise_floor(s, (now - d) / DAY * DAY, now, &floor);
    rv = rv == APR_SUCCESS ? prune_spans(s, floor / DAY, pn) : rv;
    return rv == APR_SUCCESS && !*pn ? prune_rows(s, floor - CFMT_EVIDENCE_AHEAD, pn) : rv;
}
