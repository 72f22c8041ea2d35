/*
 * Job "prefixes": all IP prefixes of the account and the BGP prefixes of each, nothing configured
 * by hand. A change becomes a journal row that says who made it; what was read unchanged only moves
 * its time of reading.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "sense.h"

/* of REST's 240 calls a minute; the rest have their turn in the next */
#define PARENTS_A_RUN CFMT_HEALTH_PARENTS
#define AT_ONCE 8
/* Not listed for so long, and in the last reading: gone. An empty answer may be a lie. */
#define GONE_AFTER apr_time_from_sec(15 * 60)
/* An alert that Cloudflare advertised by itself explains a change of that time (DOMAIN.md 5). */
#define ALERT_BEFORE apr_time_from_sec(15 * 60)
#define ALERT_AFTER apr_time_from_sec(5 * 60)

typedef struct parent_t {
    cfmt_bgp_prefix_t b;        /* what all its BGP prefixes share */
    apr_array_header_t *listed; /* cfmt_bgp_prefix_t; NULL = not read in this run */
    int complete;
} parent_t;

typedef struct known_t {
    const cfmt_prefix_row_t *row;    /* NULL = new */
    const cfmt_bgp_prefix_t *listed; /* in this run; NULL = not */
} known_t;

typedef struct prefixes_t {
    apr_array_header_t *rows;    /* cfmt_prefix_row_t, as the store has them */
    apr_hash_t *known;           /* id -> known_t */
    apr_hash_t *by_parent;       /* id -> parent_t */
    apr_array_header_t *parents; /* parent_t *, by id */
    int complete;                /* the list of parents is */
    int first, asked;            /* of parents: where this run begins, how many it asked */
    int read, changed;
} prefixes_t;

/* ---- asking ---------------------------------------------------------------------------------- */

static apr_status_t take_parent(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    prefixes_t *d = ask->run->data;
    parent_t *parent = apr_pcalloc(ask->run->p, sizeof(*parent));
    const char *why;

    (void)which, (void)prow;
    if (cfmt_prefix_parent_read(&parent->b, &why, row, ask->run->p) != APR_SUCCESS) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "an IP prefix in the list: %s", why);
        d->complete = 0; /* it may be one that we know */
        return APR_SUCCESS;
    }
    if (apr_hash_get(d->by_parent, parent->b.id, APR_HASH_KEY_STRING)) {
        return APR_SUCCESS;
    }
    APR_ARRAY_PUSH(d->parents, parent_t *) = parent;
    apr_hash_set(d->by_parent, parent->b.id, APR_HASH_KEY_STRING, parent);
    return APR_SUCCESS;
}

static void parents_done(cfmt_ask_t *ask, const cfmt_api_result_t *result)
{
    prefixes_t *d = ask->run->data;

    if (result->r.status != APR_SUCCESS) { /* rows come before the verdict */
        d->complete = 0;
        d->parents->nelts = 0;
    }
}

static apr_status_t take_prefix(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    parent_t *parent = ask->arg;
    cfmt_bgp_prefix_t b;
    const char *why;

    (void)which, (void)prow;
    if (cfmt_bgp_prefix_read(&b, &why, &parent->b, row, ask->run->p) != APR_SUCCESS) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "a BGP prefix of %s: %s", parent->b.id, why);
        parent->complete = 0;
        return APR_SUCCESS;
    }
    APR_ARRAY_PUSH(parent->listed, cfmt_bgp_prefix_t) = b;
    return APR_SUCCESS;
}

static void prefixes_done(cfmt_ask_t *ask, const cfmt_api_result_t *result)
{
    parent_t *parent = ask->arg;

    if (result->r.status != APR_SUCCESS) {
        parent->listed = NULL;
        parent->complete = 0;
    }
}

static const char *const rows[] = { "result", NULL };

static void ask_parents(cfmt_run_t *run)
{
    prefixes_t *d = run->data;
    cfmt_api_call_t call = { .path = cfmt_prefixes_path(cfmt_api_account(run->e->api), run->p),
                             .rows = rows, .row = take_parent,
                             .answer_max = (apr_size_t)8 * 1024 * 1024 };

    /* what was not asked, because of the breaker or the budget, is no empty answer */
    d->complete = cfmt_run_ask(run, &call, &(cfmt_ask_t){ .done = parents_done });
}

static int ask_prefixes(cfmt_run_t *run, parent_t *parent)
{
    cfmt_api_call_t call = {
        .path = cfmt_bgp_prefixes_path(cfmt_api_account(run->e->api), parent->b.id, run->p),
        .rows = rows, .row = take_prefix, .answer_max = (apr_size_t)8 * 1024 * 1024
    };

    parent->listed = apr_array_make(run->p, 4, sizeof(cfmt_bgp_prefix_t));
    parent->complete = 1;
    if (!cfmt_run_ask(run, &call, &(cfmt_ask_t){ .arg = parent, .done = prefixes_done })) {
        parent->listed = NULL;
        return 0;
    }
    return 1;
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(parent_t *const *)a)->b.id, (*(parent_t *const *)b)->b.id);
}

static parent_t *parent_at(const prefixes_t *d, int i)
{
    return APR_ARRAY_IDX(d->parents, (d->first + i) % d->parents->nelts, parent_t *);
}

/*
 * In turn, behind the last one of the run before. Not by the age of what was read: parents without
 * a BGP prefix, and those that fail, would be the oldest for ever and keep the others from being
 * read at all.
 */
static void order_parents(cfmt_run_t *run)
{
    prefixes_t *d = run->data;
    const char *last = NULL;
    cfmt_sensed_t old;

    if (d->parents->nelts > 1) {
        qsort(d->parents->elts, (size_t)d->parents->nelts, sizeof(parent_t *), by_id);
    }
    if (cfmt_sensed_load(run->e->store, &old, "parents", run->p) == APR_SUCCESS) {
        last = apr_table_get(old.facts, "last");
    }
    while (last && d->parents->nelts > PARENTS_A_RUN && d->first < d->parents->nelts
           && strcmp(APR_ARRAY_IDX(d->parents, d->first, parent_t *)->b.id, last) <= 0) {
        d->first++;
    }
}

static void index_known(prefixes_t *d, apr_pool_t *p)
{
    int i;

    for (i = 0; i < d->rows->nelts; i++) {
        known_t *known = apr_pcalloc(p, sizeof(*known));

        known->row = &APR_ARRAY_IDX(d->rows, i, cfmt_prefix_row_t);
        apr_hash_set(d->known, known->row->b.id, APR_HASH_KEY_STRING, known);
    }
}

static void begin(cfmt_run_t *run)
{
    prefixes_t *d = run->data = apr_pcalloc(run->p, sizeof(*d));

    d->parents = apr_array_make(run->p, 8, sizeof(parent_t *));
    d->known = apr_hash_make(run->p);
    d->by_parent = apr_hash_make(run->p);
    if (cfmt_prefixes_load(run->e->store, &d->rows, run->p) != APR_SUCCESS) {
        d->rows = apr_array_make(run->p, 1, sizeof(cfmt_prefix_row_t));
        cfmt_run_fail(run, CFMT_ESTORE, "the store: %s", cfmt_store_error(run->e->store));
        return;
    }
    index_known(d, run->p);
    ask_parents(run);
}

static void next(cfmt_run_t *run)
{
    prefixes_t *d = run->data;

    if (run->step == 0) {
        begin(run);
        return;
    }
    if (run->step == 1) {
        order_parents(run);
    }
    while (run->pending < AT_ONCE && d->asked < d->parents->nelts && d->asked < PARENTS_A_RUN
           && ask_prefixes(run, parent_at(d, d->asked))) {
        d->asked++;
    }
}

/* ---- comparing ------------------------------------------------------------------------------- */

static int same(const cfmt_bgp_prefix_t *a, const cfmt_bgp_prefix_t *b)
{
    return !cfmt_cidr_compare(&a->cidr, &b->cidr) && cfmt_text_same(a->parent, b->parent)
           && cfmt_text_same(a->description, b->description) && a->asn == b->asn
           && a->approved == b->approved && a->enabled == b->enabled && a->locked == b->locked
           && a->bgp_control == b->bgp_control && a->auto_withdraw == b->auto_withdraw
           && a->advertised == b->advertised && a->advertised_at == b->advertised_at
           && a->modified_at == b->modified_at;
}

/* Whether Cloudflare told that it made this change itself. */
static int by_cloudflare(cfmt_run_t *run, const cfmt_bgp_prefix_t *b)
{
    apr_time_t at = b->advertised_at ? b->advertised_at : run->now;
    int yes = 0;

    if (b->advertised == 1) {
        (void)cfmt_query_auto_advertised(run->e->store, &yes, &b->cidr, at - ALERT_BEFORE,
                                         at + ALERT_AFTER, run->p);
    }
    return yes;
}

/* An intent of ours wanted it so, and was sent. */
static int by_intent(cfmt_run_t *run, const cfmt_bgp_prefix_t *b)
{
    cfmt_intent_row_t in;

    return cfmt_intent_open(run->e->store, &in, &b->cidr, run->p) == APR_SUCCESS && in.sent_at
           && in.want == b->advertised;
}

/*
 * Who made it what it is; NULL = nothing to write. The alert may arrive after the change was seen:
 * then the same state is written once more, with the origin that is now known.
 */
static const char *origin_of(cfmt_run_t *run, const cfmt_prefix_row_t *old,
                             const cfmt_bgp_prefix_t *b)
{
    if (!old) {
        return "first";
    }
    if (same(&old->b, b) && !old->gone) {
        return old->changed_by && !strcmp(old->changed_by, "external") && b->advertised_at
                       && run->now - b->advertised_at < ALERT_BEFORE && by_cloudflare(run, b)
                   ? "auto-advertise" : NULL;
    }
    if (old->b.advertised == b->advertised) {
        return "external";
    }
    return by_intent(run, b) ? "intent" : by_cloudflare(run, b) ? "auto-advertise" : "external";
}

static void tell_change(cfmt_run_t *run, const cfmt_prefix_row_t *old, const cfmt_bgp_prefix_t *b,
                        const char *origin)
{
    static const char *const words[] = { "of unknown state", "withdrawn", "advertised" };

    if (old && old->b.advertised == b->advertised) {
        return;
    }
    cfmt_run_tell(run, old ? CFMT_LOG_NOTICE : CFMT_LOG_INFO,
                  CFMT_ID(0860) "prefix %s is %s%s%s (%s)", cfmt_cidr_format(run->p, &b->cidr),
                  words[b->advertised + 1], b->advertised_at ? " since " : "",
                  b->advertised_at ? cfmt_time_format(run->p, b->advertised_at) : "",
                  old ? apr_pstrcat(run->p, "changed by: ", origin, NULL)
                      : "seen for the first time");
}

/* ---- concluding ------------------------------------------------------------------------------ */

/* One listed twice counts once: else both words would be history, again in each run. */
static int is_repeated(cfmt_run_t *run, known_t *known, const cfmt_bgp_prefix_t *b)
{
    if (!known->listed) {
        known->listed = b;
        return 0;
    }
    if (!same(known->listed, b)) {
        cfmt_run_fail(run, CFMT_EANSWER, "BGP prefix %s is listed twice and differs: the first one "
                      "counts", b->id);
    }
    return 1;
}

static known_t *known_of(prefixes_t *d, const char *id, apr_pool_t *p)
{
    known_t *known = apr_hash_get(d->known, id, APR_HASH_KEY_STRING);

    if (!known) {
        known = apr_pcalloc(p, sizeof(*known));
        apr_hash_set(d->known, id, APR_HASH_KEY_STRING, known);
    }
    return known;
}

static void conclude_prefix(cfmt_run_t *run, const cfmt_bgp_prefix_t *b)
{
    prefixes_t *d = run->data;
    known_t *known = known_of(d, b->id, run->p);
    const cfmt_prefix_row_t *old = known->row;
    const char *origin;

    if (is_repeated(run, known, b)) {
        return;
    }
    origin = origin_of(run, old, b);
    d->read++;
    if (old && old->missing_since) {
        cfmt_run_reading(run, "missing", b->id, 0);
    }
    if (origin) {
        d->changed++;
        tell_change(run, old, b, origin);
        cfmt_run_journal(run, "prefix_state", origin, cfmt_prefix_encode(b, 0, run->p), NULL);
    }
}

static void conclude_parent(cfmt_run_t *run, const parent_t *parent)
{
    int i;

    if (parent->listed) {
        for (i = 0; i < parent->listed->nelts; i++) {
            conclude_prefix(run, &APR_ARRAY_IDX(parent->listed, i, cfmt_bgp_prefix_t));
        }
        cfmt_run_reading(run, "parent", parent->b.id, run->now);
    }
}

/*
 * What should have been in this run's answers and was not; *psure: it is not there. In a list with
 * a row that cannot be read it may be that row: then only its state is not known.
 */
static int is_missing(const prefixes_t *d, const known_t *known, int *psure)
{
    const parent_t *parent = apr_hash_get(d->by_parent, known->row->b.parent,
                                          APR_HASH_KEY_STRING);

    *psure = parent ? parent->complete : d->complete;
    return !known->listed && (parent ? parent->listed != NULL : d->complete);
}

static void conclude_missing(cfmt_run_t *run, const known_t *known)
{
    const cfmt_prefix_row_t *row = known->row;

    int sure;

    if (!row || row->gone || !is_missing(run->data, known, &sure)) {
        return;
    }
    if (!row->missing_since) {
        cfmt_run_reading(run, "missing", row->b.id, run->now);
    }
    else if (sure && run->now - row->missing_since >= GONE_AFTER) {
        cfmt_run_tell(run, CFMT_LOG_WARNING,
                      CFMT_ID(0861) "prefix %s is no longer in the account: not listed for %s",
                      cfmt_cidr_format(run->p, &row->b.cidr),
                      cfmt_duration_format(run->p, run->now - row->missing_since));
        cfmt_run_journal(run, "prefix_state", "external", cfmt_prefix_encode(&row->b, 1, run->p),
                         NULL);
    }
}

/* ---- CfmtPrefix lines that fit none of the account's prefixes -------------------------------- */

static int is_known(const prefixes_t *d, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; i < d->rows->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(d->rows, i, cfmt_prefix_row_t);

        if (!row->gone && !cfmt_cidr_compare(&row->b.cidr, cidr)) {
            return 1;
        }
    }
    return 0;
}

static const char *unmatched(const cfmt_run_t *run)
{
    const apr_array_header_t *elts;
    const char *text = "";
    cfmt_cidr_t cidr;
    int i;

    if (!run->e->conf.settings) {
        return text;
    }
    elts = apr_table_elts(run->e->conf.settings);
    for (i = 0; i < elts->nelts; i++) {
        const char *name = APR_ARRAY_IDX(elts, i, apr_table_entry_t).key;

        if (!strncmp(name, "Prefix ", 7) && cfmt_cidr_parse(&cidr, NULL, name + 7) == APR_SUCCESS
            && !is_known(run->data, &cidr)) {
            text = apr_pstrcat(run->p, text, *text ? " " : "", name + 7, NULL);
        }
    }
    return text;
}

static void conclude_facts(cfmt_run_t *run)
{
    apr_table_t *t = apr_table_make(run->p, 2);
    const char *none = unmatched(run), *before = NULL;
    cfmt_sensed_t old;

    if (cfmt_sensed_load(run->e->store, &old, "prefixes", run->p) == APR_SUCCESS) {
        before = apr_table_get(old.facts, "unmatched");
    }
    if (*none && (!before || strcmp(before, none))) {
        cfmt_run_tell(run, CFMT_LOG_WARNING,
                      CFMT_ID(0862) "CfmtPrefix %s: the account has no such BGP prefix, so nothing "
                                    "follows this policy (cfmtctl prefixes shows those it has)",
                      none);
    }
    apr_table_setn(t, "unmatched", none);
    cfmt_run_facts(run, "prefixes", t);
}

static void conclude_turn(cfmt_run_t *run)
{
    const prefixes_t *d = run->data;
    apr_table_t *t = apr_table_make(run->p, 1);

    if (d->asked && d->parents->nelts > PARENTS_A_RUN) {
        apr_table_setn(t, "last", parent_at(d, d->asked - 1)->b.id);
        cfmt_run_facts(run, "parents", t);
    }
}

static void conclude(cfmt_run_t *run)
{
    prefixes_t *d = run->data;
    apr_hash_index_t *hi;
    int i;

    for (i = 0; i < d->parents->nelts; i++) {
        conclude_parent(run, APR_ARRAY_IDX(d->parents, i, parent_t *));
    }
    conclude_turn(run);
    for (hi = apr_hash_first(run->p, d->known); hi; hi = apr_hash_next(hi)) {
        conclude_missing(run, apr_hash_this_val(hi));
    }
    /* judged by the projections: what this run journals is in them at the next one */
    if (d->complete && run->result.status == APR_SUCCESS && !d->changed) {
        conclude_facts(run);
    }
    run->summary = apr_psprintf(run->p, "%d read, %d changed", d->read, d->changed);
}

const cfmt_sense_t cfmt_sense_prefixes = { .name = "prefixes", .next = next, .conclude = conclude };
