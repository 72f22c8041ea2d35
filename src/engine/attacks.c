/*
 * Attacks that traffic opens, joins with those of alerts, and ends: what the policy says of them is
 * journaled and comes back as events. Decided out of what is stored, once it is projected.
 */
#include <string.h>

#include <apr_strings.h>

#include "row_event.h"
#include "sense.h"

#define DAY apr_time_from_sec(86400)
#define OFTEN apr_time_from_msec(250)  /* monotonic: not more often, however busy intake is */
#define SELDOM apr_time_from_sec(10)   /* nothing happened but time */
#define STALE_MORE apr_time_from_sec(600) /* behind the lag */
#define SAYS_MAX 100                   /* journaled at once */
#define STEP_WAIT apr_time_from_msec(250)

struct cfmt_attacks_t {
    apr_int64_t cursor;     /* of the last look; < 0 = none */
    apr_time_t looked_at;   /* monotonic */
    apr_time_t time;        /* of the engine's clock, then */
    apr_time_t before;      /* where there are more open attacks than that: the next page */
    apr_table_t *said;      /* not again at once, without effect: a bug must not fill disks */
    apr_time_t said_at;     /* monotonic: since when */
    apr_pool_t *pool;       /* of said */
};

/* Said, and as a journal row. */
typedef struct said_t {
    const cfmt_say_t *say;
    const char *body;
} said_t;

/* One look. */
typedef struct look_t {
    cfmt_engine_t *e;
    apr_time_t now;
    apr_array_header_t *attacks;  /* cfmt_struck_t */
    apr_array_header_t *prefixes; /* cfmt_watched_t */
    cfmt_traffic_case_t c;
    apr_pool_t *p;
} look_t;

/* ---- what is known --------------------------------------------------------------------------- */

/* Where the next page begins; what happened in the same microsecond is on both. */
static apr_time_t page_end(const apr_array_header_t *rows)
{
    apr_time_t first, last;

    if (rows->nelts < CFMT_KNOWN_MAX) {
        return APR_INT64_MAX;
    }
    first = APR_ARRAY_IDX(rows, 0, cfmt_struck_t).last_at;
    last = APR_ARRAY_IDX(rows, rows->nelts - 1, cfmt_struck_t).last_at;
    return first > last ? last + 1 : last;
}

/* Nothing is opened for minutes that an attack may have which is too many to be here. */
static apr_status_t load_attacks(look_t *l, const cfmt_known_t *known)
{
    const apr_array_header_t *open = known->open, *ended = known->ended;
    cfmt_attacks_t *a = l->e->attacks;
    int paged = a->before != APR_INT64_MAX;
    apr_array_header_t *page;
    apr_status_t rv = APR_SUCCESS;

    if (paged) {
        open = page = apr_array_make(l->p, 16, sizeof(cfmt_struck_t));
        rv = cfmt_struck_open(l->e->store, page, a->before, CFMT_KNOWN_MAX, l->p);
    }
    a->before = page_end(open);
    l->c.opens_from = paged || a->before != APR_INT64_MAX ? APR_INT64_MAX - CFMT_MINUTE
                      : ended->nelts < CFMT_KNOWN_MAX     ? 0
                          : APR_ARRAY_IDX(ended, ended->nelts - 1, cfmt_struck_t).last_at;
    l->attacks = apr_array_append(l->p, open, ended);
    return rv;
}

static void watch(look_t *l, const cfmt_prefix_row_t *row, const apr_array_header_t *sets)
{
    const cfmt_evidence_spans_t *set = row->gone ? NULL : cfmt_evidence_find(sets, &row->b.cidr);
    cfmt_watched_t *w = apr_array_push(l->prefixes);
    cfmt_threshold_t t = CFMT_THRESHOLD_DEFAULT;

    if (l->e->conf.settings) {
        cfmt_threshold_of(&t, l->e->conf.settings, &row->b.cidr, l->p);
    }
    w->cidr = row->b.cidr;
    /* not on demand: nobody says of it what is so, and no minute of it is read */
    w->advertised = row->gone || row->b.enabled == 0 ? 0 : row->b.advertised;
    w->since = row->gone ? row->since
               : row->b.advertised_at ? row->b.advertised_at : row->changed_at;
    w->spans = set ? (const cfmt_span_t *)set->spans->elts : NULL;
    w->n = set ? set->spans->nelts : 0;
    w->sustain = t.sustain;
    w->calm = t.calm;
}

static apr_status_t load_prefixes(look_t *l, const apr_array_header_t *sets)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_prefixes_load(l->e->store, &rows, l->p);
    int i;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    l->prefixes = apr_array_make(l->p, rows->nelts + 1, sizeof(cfmt_watched_t));
    for (i = 0; i < rows->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_prefix_row_t);

        if (row->b.cidr.family) { /* one that is gone is not advertised, since then */
            watch(l, row, sets);
        }
    }
    l->c.listed = !l->e->api || rows->nelts;
    return rv;
}

static apr_status_t load(look_t *l)
{
    const cfmt_known_t *known;
    apr_status_t rv = cfmt_known_load(l->e, l->now, &known);

    l->c.now = l->now;
    l->c.timeout = cfmt_sense_duration(l->e, "AttackTimeout", DAY);
    l->c.stale = cfmt_sense_duration(l->e, "AnalyticsLag", apr_time_from_sec(300)) + STALE_MORE;
    rv = rv == APR_SUCCESS ? load_attacks(l, known) : rv;
    rv = rv == APR_SUCCESS ? load_prefixes(l, known->evidence) : rv;
    if (rv == APR_SUCCESS) {
        l->c.attacks = (const cfmt_struck_t *)l->attacks->elts;
        l->c.attacks_n = l->attacks->nelts;
        l->c.prefixes = (const cfmt_watched_t *)l->prefixes->elts;
        l->c.prefixes_n = l->prefixes->nelts;
    }
    return rv;
}

/* ---- what follows ---------------------------------------------------------------------------- */

static const char *where(const look_t *l, const cfmt_say_t *s)
{
    return apr_psprintf(l->p, "%s in the minute of %s",
                        cfmt_row_rates(&s->prefix, s->pps, s->bps, s->by, l->p),
                        cfmt_time_format(l->p, s->at - s->at % CFMT_MINUTE));
}

static void tell(const look_t *l, const cfmt_say_t *s)
{
    const cfmt_log_t *log = l->e->conf.log;

    switch (s->what) {
    case CFMT_SAYS_JOIN:
        cfmt_log(log, CFMT_LOG_NOTICE,
                 CFMT_ID(0935) "attack %s, which traffic showed, is the one of alert attack %s",
                 s->id, s->with);
        break;
    case CFMT_SAYS_REOPEN:
        cfmt_log(log, CFMT_LOG_WARNING, CFMT_ID(0936) "attack %s is back, by traffic: %s", s->id,
                 where(l, s));
        break;
    case CFMT_SAYS_OPEN:
        cfmt_log(log, CFMT_LOG_WARNING, CFMT_ID(0937) "an attack that no alert told of: %s",
                 where(l, s));
        break;
    case CFMT_SAYS_CALM:
        cfmt_log(log, CFMT_LOG_NOTICE,
                 CFMT_ID(0938) "attack %s is over: its prefixes were calm for long enough by %s;"
                               " no END had come", s->id, cfmt_time_format(l->p, s->at));
        break;
    case CFMT_SAYS_TIMEOUT:
        cfmt_log(log, CFMT_LOG_WARNING,
                 CFMT_ID(0939) "attack %s is taken for over: nothing was heard of it for"
                               " CfmtAttackTimeout, and none of its prefixes was advertised",
                 s->id);
        break;
    case CFMT_SAYS_PEAK:
        break; /* seen in `cfmtctl attacks` */
    }
}

static apr_status_t append(look_t *l, const char *body)
{
    cfmt_entry_t entry = { .kind = "attack", .origin = "analytics", .at = l->now, .body = body,
                           .len = strlen(body) };

    return cfmt_journal_append(l->e->store, &entry);
}

/* What was said and is said again has had no effect. */
static apr_array_header_t *fresh(look_t *l, const apr_array_header_t *says)
{
    cfmt_attacks_t *a = l->e->attacks;
    apr_array_header_t *out = apr_array_make(l->p, says->nelts + 1, sizeof(said_t));
    apr_time_t now = cfmt_monotonic();
    int i;

    if (!a->said || now - a->said_at > apr_time_from_sec(600)) {
        apr_pool_clear(a->pool);
        a->said = apr_table_make(a->pool, 8);
        a->said_at = now;
    }
    for (i = 0; i < says->nelts && out->nelts < SAYS_MAX; i++) {
        said_t s = { .say = &APR_ARRAY_IDX(says, i, cfmt_say_t) };

        s.body = cfmt_row_say(s.say, l->p);
        if (!apr_table_get(a->said, s.body)) {
            APR_ARRAY_PUSH(out, said_t) = s;
        }
    }
    return out;
}

static apr_status_t write_all(look_t *l, const apr_array_header_t *all)
{
    cfmt_store_t *s = l->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);
    int i;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; rv == APR_SUCCESS && i < all->nelts; i++) {
        rv = append(l, APR_ARRAY_IDX(all, i, said_t).body);
    }
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv;
    }
    return cfmt_store_commit(s);
}

static apr_status_t decide(look_t *l)
{
    cfmt_attacks_t *a = l->e->attacks;
    apr_array_header_t *all;
    apr_status_t rv = load(l);
    int i;

    all = rv == APR_SUCCESS ? fresh(l, cfmt_traffic_says(&l->c, l->p)) : NULL;
    if (!all || !all->nelts) {
        return rv;
    }
    rv = write_all(l, all);
    for (i = 0; rv == APR_SUCCESS && i < all->nelts; i++) {
        apr_table_set(a->said, APR_ARRAY_IDX(all, i, said_t).body, "");
        tell(l, APR_ARRAY_IDX(all, i, said_t).say);
    }
    l->e->journaled |= rv == APR_SUCCESS;
    return rv;
}

/* ---- when ------------------------------------------------------------------------------------ */

cfmt_attacks_t *cfmt_attacks_create(apr_pool_t *p)
{
    cfmt_attacks_t *a = apr_pcalloc(p, sizeof(*a));

    a->cursor = -1;
    a->before = APR_INT64_MAX;
    apr_pool_create(&a->pool, p);
    apr_pool_tag(a->pool, "cfmt_attacks");
    return a;
}

/* Something was projected, or time has passed that may end an attack; or the clock was set back. */
static int is_due(const cfmt_attacks_t *a, apr_int64_t cursor, apr_time_t now)
{
    return cursor != a->cursor || now - a->time >= SELDOM || now < a->time;
}

apr_status_t cfmt_attacks_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick)
{
    cfmt_attacks_t *a = e->attacks;
    look_t l = { .e = e, .now = cfmt_clock_now(e->conf.clock), .p = ptick };
    apr_interval_time_t left = a->looked_at + OFTEN - cfmt_monotonic();
    apr_int64_t cursor;
    apr_time_t due;
    apr_status_t rv = cfmt_meta_int(e->store, CFMT_META_CURSOR, 0, &cursor);

    if (rv != APR_SUCCESS || !is_due(a, cursor, l.now)) {
        return rv;
    }
    if (a->looked_at && left > 0) {
        due = l.now + cfmt_clock_span(e->conf.clock, left);
        *pdue = !*pdue || due < *pdue ? due : *pdue;
        return APR_SUCCESS;
    }
    a->looked_at = cfmt_monotonic();
    a->time = l.now;
    rv = decide(&l);
    a->cursor = rv == APR_SUCCESS ? cursor : -1;
    return rv;
}
