/*
 * Blind: an advertised prefix of which no minute has been known for CfmtBlindAfter. Unknown means
 * that it stays advertised, so people are told. Looks at what is stored, whatever the jobs do: an
 * upstream that is not asked, or hangs, blinds as well.
 */
#include <string.h>

#include <apr_strings.h>

#include "news_of.h"

#define EVERY CFMT_MINUTE
#define REPEAT apr_time_from_sec(3600)
#define UNPROJECTED_MAX apr_time_from_sec(300) /* then what is stored is not what is known */
#define STEP_WAIT apr_time_from_msec(250)      /* for the commit lock */
#define NAMES_MAX 10                           /* in a line */
#define TOLD "told"                            /* among the facts: when people heard of it last */

typedef struct look_t {
    cfmt_engine_t *e;
    apr_time_t now;
    apr_interval_time_t after;
    apr_table_t *old, *blind; /* prefix: since when */
    apr_pool_t *p;
} look_t;

/* ---- who is blind ---------------------------------------------------------------------------- */

static void look_at(look_t *l, const cfmt_prefix_row_t *row, const apr_array_header_t *sets)
{
    const cfmt_evidence_spans_t *set = cfmt_evidence_find(sets, &row->b.cidr);
    const char *name = cfmt_cidr_format(l->p, &row->b.cidr), *known;
    apr_array_header_t none = { .nelts = 0 };
    const apr_array_header_t *spans = set ? set->spans : &none;

    if (cfmt_calm_blind((const cfmt_span_t *)spans->elts, spans->nelts, row->b.advertised_at,
                        l->now, l->after)) {
        known = apr_table_get(l->old, name);
        apr_table_setn(l->blind, name,
                       known ? known : apr_psprintf(l->p, "%" APR_TIME_T_FMT, l->now));
    }
}

static apr_status_t look(look_t *l)
{
    cfmt_store_t *s = l->e->store;
    apr_array_header_t *rows, *sets;
    apr_status_t rv = cfmt_prefixes_load(s, &rows, l->p);
    int i;

    if (rv == APR_SUCCESS) {
        rv = cfmt_evidence_load_all(s, l->now - l->after, &sets, l->p);
    }
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_prefix_row_t);

        if (!row->gone && row->b.advertised == 1) {
            look_at(l, row, sets);
        }
    }
    return rv;
}

/* ---- telling --------------------------------------------------------------------------------- */

/* Names that are in t and not in `without`, the first of them; NULL = none. */
static const char *names_of(const apr_table_t *t, const apr_table_t *without, apr_pool_t *p)
{
    const apr_array_header_t *all = apr_table_elts(t);
    apr_array_header_t *names = apr_array_make(p, NAMES_MAX, sizeof(const char *));
    int i, n = 0;

    for (i = 0; i < all->nelts; i++) {
        const char *name = APR_ARRAY_IDX(all, i, apr_table_entry_t).key;

        if (strcmp(name, TOLD) && !apr_table_get(without, name) && n++ < NAMES_MAX) {
            APR_ARRAY_PUSH(names, const char *) = name;
        }
    }
    if (n > NAMES_MAX) {
        APR_ARRAY_PUSH(names, const char *) = apr_psprintf(p, "and %d more", n - NAMES_MAX);
    }
    return n ? apr_array_pstrcat(p, names, ' ') : NULL;
}

/* When it was told last; 0 = not yet, or by a clock that has been set back. */
static apr_time_t told_at(const look_t *l)
{
    const char *text = apr_table_get(l->old, TOLD);
    apr_int64_t at;

    return text && cfmt_int_parse(&at, text, 1, l->now) == APR_SUCCESS ? at : 0;
}

/* Since the first of them; who: all that is new, or, each hour, all. */
static apr_status_t tell_news(const look_t *l, const char *who)
{
    const cfmt_news_t n = {
        .kind = CFMT_NEWS_BLIND, .at = l->now, .prefix = strchr(who, ' ') ? NULL : who,
        .dedupe = apr_psprintf(l->p, "blind %" APR_TIME_T_FMT " %s", told_at(l), who),
        .fields = cfmt_news_fields(
            l->p, "prefix", who, "since_at", cfmt_of_time(l->now - l->after, l->p), "reason",
            "unknown is not calm", "next", "nothing: it stays advertised until its traffic is"
            " known again", "look", "cfmtctl status", "mode", cfmt_of_mode(l->e), NULL)
    };

    return cfmt_tell(l->e, &n, l->p);
}

static apr_status_t save(const look_t *l, const char *who)
{
    cfmt_store_t *s = l->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_sensed_save(s, "blind", l->blind, l->now, l->p);
    rv = rv == APR_SUCCESS && who ? tell_news(l, who) : rv;
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv;
    }
    return cfmt_store_commit(s);
}

static void tell(const look_t *l, const char *who, const char *over)
{
    const cfmt_log_t *log = l->e->conf.log;

    if (who) {
        cfmt_log(log, CFMT_LOG_ERR,
                 CFMT_ID(0920) "blind: nothing is known of the traffic to %s for %s or longer, so "
                               "nobody can say that it is calm: it stays advertised", who,
                 cfmt_duration_format(l->p, l->after));
    }
    if (over) {
        cfmt_log(log, CFMT_LOG_NOTICE,
                 CFMT_ID(0921) "no longer blind: the traffic to %s is known again, or it is not "
                               "advertised any more", over);
    }
}

/* Who is new is told at once, all of them once an hour. What cannot be stored is not told. */
static apr_status_t compare(look_t *l)
{
    const char *all = names_of(l->blind, apr_table_make(l->p, 1), l->p);
    const char *who = names_of(l->blind, l->old, l->p), *over = names_of(l->old, l->blind, l->p);
    apr_time_t told = told_at(l);
    apr_status_t rv;

    if (all && l->now - told >= REPEAT) {
        who = all;
    }
    if (!who && !over) {
        return APR_SUCCESS;
    }
    if (all) {
        apr_table_setn(l->blind, TOLD,
                       apr_psprintf(l->p, "%" APR_TIME_T_FMT, who ? l->now : told));
    }
    rv = save(l, who);
    if (rv == APR_SUCCESS) {
        tell(l, who, over);
    }
    return rv;
}

static int is_projected(const cfmt_health_rows_t *rows, apr_time_t now)
{
    return !rows->oldest_lag_at || now - rows->oldest_lag_at <= UNPROJECTED_MAX;
}

/*
 * A leader begins with two intervals in which what was missed before it can be read. While the
 * projection is behind, or rebuilt, what is known may not be there yet: that is its own fault.
 */
apr_status_t cfmt_blind_check(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick)
{
    look_t l = { .e = e, .now = cfmt_clock_now(e->conf.clock), .p = ptick };
    cfmt_health_rows_t rows;
    cfmt_sensed_t old;
    apr_status_t rv;

    if (!*pdue || *pdue > l.now + 2 * REPEAT) { /* or the clock has been set back */
        *pdue = l.now + 2 * cfmt_sense_duration(e, "AnalyticsInterval", CFMT_MINUTE);
    }
    if (l.now < *pdue) {
        return APR_SUCCESS;
    }
    rv = cfmt_query_health(e->store, &rows);
    if (rv == APR_SUCCESS && is_projected(&rows, l.now)) {
        l.after = cfmt_sense_duration(e, "BlindAfter", apr_time_from_sec(900));
        l.blind = apr_table_make(ptick, 4);
        rv = cfmt_sensed_load(e->store, &old, "blind", ptick);
        l.old = rv == CFMT_EMISSING ? apr_table_make(ptick, 1) : old.facts;
        rv = rv == CFMT_EMISSING || rv == APR_SUCCESS ? look(&l) : rv;
        rv = rv == APR_SUCCESS ? compare(&l) : rv;
    }
    *pdue = rv == APR_SUCCESS ? l.now + EVERY : *pdue;
    return rv;
}
