/*
 * What the engine's senses ask of the journal: deliveries to match Cloudflare's history with, and
 * whether an alert said that Cloudflare advertised a prefix itself.
 */
#include <string.h>
#include <strings.h>

#include "store_private.h"

/* ---- deliveries of a time -------------------------------------------------------------------- */

static void take_delivered(cfmt_delivered_t *row, sqlite3_stmt *st, apr_pool_t *p)
{
    memset(row, 0, sizeof(*row));
    row->id = cfmt_col_int(st, 0);
    row->ts = cfmt_col_int(st, 1);
    row->policy_id = cfmt_col_text(st, 2, p);
    row->alert_type = cfmt_col_text(st, 3, p);
    row->body = cfmt_col_text(st, 4, p);
    row->body = row->body ? row->body : "";
    row->len = strlen(row->body);
}

/* By index event_same. An operator's event is no delivery. */
apr_status_t cfmt_query_delivered(cfmt_store_t *s, apr_time_t since, apr_time_t until, int limit,
                                  apr_array_header_t **prows, int *pmore, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT e.id, e.ts, e.policy_id, e.alert_type, j.body"
           " FROM event e JOIN journal j ON j.id = e.id"
           " WHERE e.ts >= ?1 AND e.ts <= ?2 AND j.kind IN ('delivery', 'recovered')"
           " ORDER BY e.ts, e.digest, e.id LIMIT ?3");
    apr_status_t rv;

    *pmore = 0;
    *prows = apr_array_make(p, 16, sizeof(cfmt_delivered_t));
    cfmt_bind_int(st, 1, since);
    cfmt_bind_int(st, 2, until);
    cfmt_bind_int(st, 3, (apr_int64_t)limit + 1);
    while (cfmt_sql_row(s, st, &rv)) {
        if ((*prows)->nelts == limit) {
            *pmore = 1;
            cfmt_sql_done(st);
            break;
        }
        take_delivered(apr_array_push(*prows), st, p);
    }
    return rv;
}

/* ---- did Cloudflare advertise? --------------------------------------------------------------- */

/* Only this word proves it: "Already Advertised", "Delayed", "Locked" and what is new do not. */
static int says_advertised(const cfmt_json_t *status, const cfmt_cidr_t *cidr)
{
    const char *word = cfmt_json_text(status, "status"), *prefix = cfmt_json_text(status, "prefix");
    cfmt_cidr_t c;

    return word && !strcasecmp(word, "Advertised") && prefix
           && cfmt_cidr_parse(&c, NULL, prefix) == APR_SUCCESS && !cfmt_cidr_compare(&c, cidr);
}

static int body_says(const char *body, apr_size_t len, const cfmt_cidr_t *cidr, apr_pool_t *p)
{
    const cfmt_json_t *m;
    cfmt_delivery_t d;
    const char *why;

    if (cfmt_delivery_parse(&d, &why, body, len, p) != APR_SUCCESS) {
        return 0;
    }
    m = cfmt_json_get(cfmt_json_get(d.doc, "data"), "advertise_status");
    for (m = m && m->type == CFMT_JSON_ARRAY ? m->child : NULL; m; m = m->next) {
        if (says_advertised(m, cidr)) {
            return 1;
        }
    }
    return 0;
}

/*
 * Arrival has no index; the body's own time has, and differs little from it: an alert that took
 * longer to arrive proves nothing. What was recovered arrived when Cloudflare sent it.
 */
#define ARRIVES_WITHIN apr_time_from_sec(3600)

apr_status_t cfmt_query_auto_advertised(cfmt_store_t *s, int *pyes, const cfmt_cidr_t *cidr,
                                        apr_time_t since, apr_time_t until, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "SELECT j.body FROM event e JOIN journal j ON j.id = e.id"
           " WHERE e.ts >= ?3 AND e.ts <= ?4 AND e.ours"
           " AND e.alert_type IN ('fbm_auto_advertisement', 'fbm_dosd_attack')"
           " AND CASE WHEN j.kind = 'recovered' THEN e.ts ELSE e.at END BETWEEN ?1 AND ?2");
    apr_status_t rv;

    *pyes = 0;
    cfmt_bind_int(st, 1, since);
    cfmt_bind_int(st, 2, until);
    cfmt_bind_int(st, 3, since - ARRIVES_WITHIN);
    cfmt_bind_int(st, 4, until + ARRIVES_WITHIN);
    while (!*pyes && cfmt_sql_row(s, st, &rv)) {
        const char *body = (const char *)sqlite3_column_text(st, 0);

        *pyes = body && body_says(body, (apr_size_t)sqlite3_column_bytes(st, 0), cidr, p);
    }
    cfmt_sql_done(st);
    return *pyes ? APR_SUCCESS : rv;
}
