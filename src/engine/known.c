/*
 * Attacks and evidence as they are stored, read once for all who look at them, and again when
 * something was projected or something is too old to be looked at.
 */
#include "engine_private.h"

#define DAY apr_time_from_sec(86400)
#define HOUR apr_time_from_sec(3600)
#define MORE HOUR /* attacks that ended so long before the oldest minute: it may be theirs */

struct cfmt_knower_t {
    apr_pool_t *pool;
    apr_int64_t cursor;          /* of the projection; < 0 = nothing was read */
    apr_interval_time_t back;
    apr_time_t now, until;       /* in between, reading it again changes nothing */
    cfmt_known_t known;
};

struct cfmt_knower_t *cfmt_known_create(apr_pool_t *p)
{
    struct cfmt_knower_t *k = apr_pcalloc(p, sizeof(*k));

    k->cursor = -1;
    apr_pool_create(&k->pool, p);
    apr_pool_tag(k->pool, "cfmt_known");
    return k;
}

/* A calm that has doubled may be longer than a day; so may the time of an attack without a word. */
apr_interval_time_t cfmt_known_back(const apr_table_t *settings)
{
    static const char *const names[] = { "AttackTimeout", "CalmMax" };
    apr_interval_time_t back = DAY, d;
    apr_size_t i;

    for (i = 0; settings && i < sizeof(names) / sizeof(names[0]); i++) {
        const char *text = apr_table_get(settings, names[i]);

        back = text && cfmt_duration_parse(&d, text) == APR_SUCCESS && d > back ? d : back;
    }
    return back + 2 * HOUR;
}

/* ---- how long they hold ---------------------------------------------------------------------- */

static void sooner(apr_time_t *pt, apr_time_t t)
{
    *pt = t < *pt ? t : *pt;
}

/* The first row of evidence that will be too old: midnight divides rows, not spans. */
static apr_time_t first_evidence(const apr_array_header_t *sets)
{
    apr_time_t first = APR_INT64_MAX;
    int i;

    for (i = 0; i < sets->nelts; i++) {
        const apr_array_header_t *spans = APR_ARRAY_IDX(sets, i, cfmt_evidence_spans_t).spans;

        if (spans->nelts) {
            const cfmt_span_t *s = &APR_ARRAY_IDX(spans, 0, cfmt_span_t);

            sooner(&first, s->to);
            sooner(&first, (s->from / DAY + 1) * DAY);
        }
    }
    return first;
}

static apr_time_t holds_until(const struct cfmt_knower_t *k)
{
    const apr_array_header_t *ended = k->known.ended;
    apr_time_t first = first_evidence(k->known.evidence), until;

    until = first == APR_INT64_MAX ? first : first + k->back;
    if (ended->nelts) { /* the newest first */
        sooner(&until, APR_ARRAY_IDX(ended, ended->nelts - 1, cfmt_struck_t).last_at + k->back
                           + MORE + 1);
    }
    return until;
}

/* ---- reading --------------------------------------------------------------------------------- */

static apr_status_t read_all(struct cfmt_knower_t *k, cfmt_store_t *s, apr_time_t now)
{
    cfmt_known_t *known = &k->known;
    apr_status_t rv;

    apr_pool_clear(k->pool);
    known->open = apr_array_make(k->pool, 16, sizeof(cfmt_struck_t));
    known->ended = apr_array_make(k->pool, 16, sizeof(cfmt_struck_t));
    rv = cfmt_struck_open(s, known->open, APR_INT64_MAX, CFMT_KNOWN_MAX, k->pool);
    rv = rv == APR_SUCCESS ? cfmt_struck_ended(s, known->ended, now - k->back - MORE,
                                               CFMT_KNOWN_MAX, k->pool) : rv;
    return rv == APR_SUCCESS ? cfmt_evidence_load_all(s, now - k->back, &known->evidence, k->pool)
                             : rv;
}

apr_status_t cfmt_known_load(cfmt_engine_t *e, apr_time_t now, const cfmt_known_t **pknown)
{
    struct cfmt_knower_t *k = e->known;
    apr_interval_time_t back = cfmt_known_back(e->conf.settings);
    apr_int64_t cursor;
    apr_status_t rv = cfmt_meta_int(e->store, CFMT_META_CURSOR, 0, &cursor);

    *pknown = &k->known;
    if (rv != APR_SUCCESS || (cursor == k->cursor && back == k->back && now >= k->now
                              && now < k->until)) {
        return rv;
    }
    k->cursor = -1;
    k->back = back;
    rv = read_all(k, e->store, now);
    if (rv == APR_SUCCESS) {
        k->cursor = cursor;
        k->now = now;
        k->until = holds_until(k);
    }
    return rv;
}
