/*
 * Job "detail": who sends what, minute by minute, while an attack on a network of ours is open.
 * One query for all attacks together. Nothing is decided by it: what cannot be read is asked again
 * for two hours and then let go.
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "cfmt_cloudflare_detail.h"
#include "cfmt_store_traffic.h"
#include "sense.h"

#define BACK apr_time_from_sec(2 * 3600)    /* older minutes are not asked for any more */
#define AFTER apr_time_from_sec(600)        /* an attack's end: analytics are late */
#define ATTACKS_SINCE apr_time_from_sec(86400) /* one that ended has had an event since then */
#define ATTACKS_MAX 500
#define RECENT (3 * CFMT_MINUTE)            /* who is behind by more is caught up apart */
#define STEP_MAX 30                         /* minutes of a piece of that */
#define PIECES_MAX 8                        /* queries of a run, halves of cut ones included */
#define ROWS_OF_A_QUERY 10000               /* no plan's page is larger */

/* A prefix that is attacked. */
typedef struct want_t {
    cfmt_cidr_t cidr;
    apr_time_t from; /* its minutes before it are read, or too old */
} want_t;

typedef struct detail_t {
    cfmt_analytics_limits_t limits;
    apr_table_t *facts;         /* of the run before */
    apr_array_header_t *wants;  /* want_t, distinct */
    apr_array_header_t *owners; /* cfmt_cidr_t: a row belongs to the smallest that has its target */
    apr_array_header_t *pieces; /* cfmt_traffic_piece_t: to be asked, the oldest last */
    apr_array_header_t *read;   /* the same: read, and no better answer is to be had */
    apr_time_t to;              /* minutes are complete up to here */
    int step;                   /* minutes of a piece when catching up */
    int asked, halved, cut, wrong;
    int sheets;
} detail_t;

typedef struct call_t {
    cfmt_traffic_piece_t piece;
    apr_pool_t *p;              /* rows are many, and gone with the answer */
    apr_hash_t *groups;         /* group_key_t to array of cfmt_detail_t */
    int rows, wrong;
} call_t;

/* No padding: hashed as bytes. */
typedef struct group_key_t {
    apr_int64_t owner; /* index into owners */
    apr_time_t minute;
} group_key_t;

typedef struct group_t {
    group_key_t key;
    apr_array_header_t *rows;
} group_t;

static apr_time_t minute_of(apr_time_t t)
{
    return t - t % CFMT_MINUTE;
}

/* ---- what is wanted -------------------------------------------------------------------------- */

static apr_int64_t fact(const apr_table_t *facts, const char *name, apr_int64_t def)
{
    const char *text = apr_table_get(facts, name);
    apr_int64_t n;

    return text && cfmt_int_parse(&n, text, 0, APR_INT64_MAX) == APR_SUCCESS ? n : def;
}

static void want(cfmt_run_t *run, const cfmt_cidr_t *cidr, apr_time_t since)
{
    detail_t *d = run->data;
    apr_time_t oldest = minute_of(run->now - (BACK < d->limits.history ? BACK : d->limits.history))
                        + CFMT_MINUTE;
    apr_time_t read = fact(d->facts, cfmt_cidr_format(run->p, cidr), 0);
    apr_time_t from = minute_of(since) - CFMT_TRAFFIC_BEFORE;
    int i;

    from = from < oldest ? oldest : from;
    from = from < read && read <= run->now ? read : from; /* not what a wrong clock left */
    for (i = 0; i < d->wants->nelts; i++) {
        want_t *w = &APR_ARRAY_IDX(d->wants, i, want_t);

        if (!cfmt_cidr_compare(&w->cidr, cidr)) {
            w->from = from < w->from ? from : w->from;
            return;
        }
    }
    APR_ARRAY_PUSH(d->wants, want_t) = (want_t){ .cidr = *cidr, .from = from };
}

/* Without a target it may be any prefix that Cloudflare announces. */
static void want_attack(cfmt_run_t *run, const cfmt_attack_row_t *a,
                        const apr_array_header_t *prefixes)
{
    cfmt_cidr_t cidr;
    int i;

    for (i = 0; i < a->prefixes->nelts; i++) {
        if (cfmt_cidr_parse(&cidr, NULL, APR_ARRAY_IDX(a->prefixes, i, const char *))
            == APR_SUCCESS) {
            want(run, &cidr, a->started_at);
        }
    }
    for (i = 0; a->target_missing && i < prefixes->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(prefixes, i, cfmt_prefix_row_t);

        if (!row->gone && row->b.advertised == 1) {
            want(run, &row->b.cidr, a->started_at);
        }
    }
}

static int is_on(const cfmt_attack_row_t *a, apr_time_t now)
{
    return a->ours && !strcmp(a->scope, "network")
           && (!strcmp(a->state, "open") || a->ended_at + AFTER > now);
}

static apr_status_t find_wants(cfmt_run_t *run)
{
    detail_t *d = run->data;
    apr_array_header_t *attacks, *prefixes;
    int i, more;
    apr_status_t rv = cfmt_query_attacks(run->e->store, run->now - ATTACKS_SINCE, ATTACKS_MAX,
                                         &attacks, &more, run->p);

    if (rv != APR_SUCCESS
        || (rv = cfmt_prefixes_load(run->e->store, &prefixes, run->p)) != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < attacks->nelts; i++) {
        if (is_on(&APR_ARRAY_IDX(attacks, i, cfmt_attack_row_t), run->now)) {
            want_attack(run, &APR_ARRAY_IDX(attacks, i, cfmt_attack_row_t), prefixes);
        }
    }
    for (i = 0; i < prefixes->nelts; i++) {
        if (!APR_ARRAY_IDX(prefixes, i, cfmt_prefix_row_t).gone) {
            APR_ARRAY_PUSH(d->owners, cfmt_cidr_t) =
                APR_ARRAY_IDX(prefixes, i, cfmt_prefix_row_t).b.cidr;
        }
    }
    for (i = 0; i < d->wants->nelts; i++) { /* also what stands in CfmtPrefix only */
        APR_ARRAY_PUSH(d->owners, cfmt_cidr_t) = APR_ARRAY_IDX(d->wants, i, want_t).cidr;
    }
    return APR_SUCCESS;
}

/* ---- how it is asked for --------------------------------------------------------------------- */

/* Those that are unread from `since` on or earlier; *pfrom: the first of it. */
static apr_array_header_t *unread(const detail_t *d, apr_time_t since, apr_time_t before,
                                  apr_time_t *pfrom, apr_pool_t *p)
{
    apr_array_header_t *cidrs = apr_array_make(p, d->wants->nelts + 1, sizeof(cfmt_cidr_t));
    int i;

    *pfrom = before;
    for (i = 0; i < d->wants->nelts; i++) {
        const want_t *w = &APR_ARRAY_IDX(d->wants, i, want_t);

        if (w->from >= since && w->from < before) {
            APR_ARRAY_PUSH(cidrs, cfmt_cidr_t) = w->cidr;
            *pfrom = w->from < *pfrom ? w->from : *pfrom;
        }
    }
    return cidrs;
}

static void push(detail_t *d, apr_time_t from, apr_time_t to, apr_array_header_t *cidrs)
{
    cfmt_traffic_piece_t *piece = apr_array_push(d->pieces);

    memset(piece, 0, sizeof(*piece));
    piece->from = from;
    piece->to = to;
    piece->prefixes = cidrs;
}

/* The minutes that are new in one piece; what is behind in some, of which the oldest is first. */
static void plan(cfmt_run_t *run)
{
    detail_t *d = run->data;
    apr_interval_time_t step = d->step * CFMT_MINUTE;
    apr_time_t from, at;
    apr_array_header_t *cidrs = unread(d, d->to - RECENT, d->to, &from, run->p);
    int i;

    if (cidrs->nelts) {
        push(d, from, d->to, cidrs);
    }
    cidrs = unread(d, 0, d->to - RECENT, &from, run->p);
    step = step < d->limits.duration ? step : minute_of(d->limits.duration);
    for (at = from, i = 1; cidrs->nelts && i < PIECES_MAX && at < d->to; i++) {
        at += step;
    }
    for (i = cidrs->nelts ? i - 1 : 0; i > 0; i--) { /* a stack: the last one is asked first */
        at = from + (i - 1) * step;
        push(d, at, at + step < d->to ? at + step : d->to, cidrs);
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

/*
 * The smallest of ours that contains the target, when all of it was asked for: a part of its
 * traffic would look like the whole. -1 = none.
 */
static int owner_of(const detail_t *d, const call_t *call, const cfmt_cidr_t *target)
{
    const cfmt_cidr_t *owners = (const cfmt_cidr_t *)d->owners->elts;
    int best = -1, i;

    for (i = 0; i < d->owners->nelts; i++) {
        if ((best < 0 || owners[i].bits > owners[best].bits)
            && cfmt_cidr_contains(&owners[i], target)) {
            best = i;
        }
    }
    for (i = 0; best >= 0 && i < call->piece.prefixes->nelts; i++) {
        if (cfmt_cidr_contains(&APR_ARRAY_IDX(call->piece.prefixes, i, cfmt_cidr_t),
                               &owners[best])) {
            return best;
        }
    }
    return -1;
}

static apr_status_t take(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    call_t *call = ask->arg;
    group_key_t key;
    group_t *group;
    cfmt_detail_t detail;
    const char *why;

    (void)which, (void)prow;
    call->rows++;
    if (cfmt_detail_read(&detail, &why, row, call->p) != APR_SUCCESS) {
        call->wrong++; /* the others are still worth having */
        return APR_SUCCESS;
    }
    key.owner = owner_of(ask->run->data, call, &detail.target);
    key.minute = detail.minute;
    if (key.owner < 0 || key.minute < call->piece.from || key.minute >= call->piece.to) {
        return APR_SUCCESS; /* nobody asked for it */
    }
    group = apr_hash_get(call->groups, &key, sizeof(key));
    if (!group) {
        group = apr_palloc(call->p, sizeof(*group));
        group->key = key;
        group->rows = apr_array_make(call->p, 64, sizeof(cfmt_detail_t));
        apr_hash_set(call->groups, &group->key, sizeof(group->key), group);
    }
    APR_ARRAY_PUSH(group->rows, cfmt_detail_t) = detail;
    return APR_SUCCESS;
}

static apr_status_t put(cfmt_store_t *s, const void *arg, apr_pool_t *ptemp)
{
    return cfmt_traffic_put(s, arg, ptemp);
}

static void keep(cfmt_run_t *run, const call_t *call, int cut)
{
    detail_t *d = run->data;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(call->p, call->groups); hi; hi = apr_hash_next(hi)) {
        group_t *g = apr_hash_this_val(hi);
        const cfmt_traffic_sheet_t *sheet =
            cfmt_traffic_sheet(&APR_ARRAY_IDX(d->owners, g->key.owner, cfmt_cidr_t), g->key.minute,
                               cut, g->rows, run->p);

        cfmt_run_write(run, put, sheet, sheet->rows->nelts + sheet->sums->nelts);
        d->sheets++;
    }
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int minutes_of(const cfmt_traffic_piece_t *piece)
{
    return (int)((piece->to - piece->from) / CFMT_MINUTE);
}

/*
 * A cut answer is asked for in halves. When there were too many pieces already, what it holds is
 * kept for now, and the next run begins with smaller ones; a minute cannot be had in smaller ones.
 */
static void take_cut(cfmt_run_t *run, const call_t *call)
{
    detail_t *d = run->data;
    cfmt_traffic_piece_t halves[2];
    int minutes = minutes_of(&call->piece);

    d->step = minutes / 2 < d->step ? minutes / 2 : d->step;
    d->step = d->step > 1 ? d->step : 1;
    if (d->asked + d->pieces->nelts + 2 <= PIECES_MAX
        && cfmt_traffic_halve(halves, &call->piece, run->p)) {
        d->halved++;
        APR_ARRAY_PUSH(d->pieces, cfmt_traffic_piece_t) = halves[1];
        APR_ARRAY_PUSH(d->pieces, cfmt_traffic_piece_t) = halves[0];
        return;
    }
    d->cut++;
    keep(run, call, 1);
    if (minutes == 1) {
        APR_ARRAY_PUSH(d->read, cfmt_traffic_piece_t) = call->piece;
    }
}

static void done(cfmt_ask_t *ask, const cfmt_api_result_t *result)
{
    cfmt_run_t *run = ask->run;
    detail_t *d = run->data;
    call_t *call = ask->arg;

    if (result->r.status != APR_SUCCESS) {
        return; /* its pool goes with the run */
    }
    d->wrong += call->wrong;
    if (call->wrong && call->wrong == call->rows) {
        cfmt_run_fail(run, CFMT_EANSWER, "detail: none of %d rows can be understood", call->rows);
    }
    else if (call->rows >= d->limits.page) {
        take_cut(run, call);
    }
    else {
        keep(run, call, 0);
        APR_ARRAY_PUSH(d->read, cfmt_traffic_piece_t) = call->piece;
    }
    apr_pool_destroy(call->p);
}

static void ask_piece(cfmt_run_t *run, const cfmt_traffic_piece_t *piece)
{
    static const char *const rows[] = { CFMT_DETAIL_ROWS, NULL };
    detail_t *d = run->data;
    call_t *mine = apr_pcalloc(run->p, sizeof(*mine));
    cfmt_api_call_t call = {
        .upstream = CFMT_UPSTREAM_GRAPHQL, .row = take, .rows = rows,
        .body = cfmt_detail_query(cfmt_api_account(run->e->api), piece, d->limits.page, run->p),
        .answer_max = (apr_size_t)16 * 1024 * 1024
    };

    apr_pool_create(&mine->p, run->p);
    mine->piece = *piece;
    mine->groups = apr_hash_make(mine->p);
    d->asked++;
    cfmt_run_ask(run, &call, &(cfmt_ask_t){ .arg = mine, .done = done });
}

/* Complete is what is older than the lag and than the account's newest row. */
static apr_time_t complete_to(cfmt_run_t *run)
{
    apr_time_t lagged = minute_of(run->now - cfmt_sense_duration(run->e, "AnalyticsLag",
                                                                 apr_time_from_sec(300)));
    cfmt_sensed_t traffic;
    apr_time_t watermark = 0;

    if (cfmt_sensed_load(run->e->store, &traffic, "traffic", run->p) == APR_SUCCESS) {
        watermark = minute_of(fact(traffic.facts, "watermark", 0));
    }
    return watermark < lagged ? watermark : lagged;
}

static void begin(cfmt_run_t *run)
{
    detail_t *d = run->data = apr_pcalloc(run->p, sizeof(*d));
    cfmt_sensed_t old;

    d->wants = apr_array_make(run->p, 4, sizeof(want_t));
    d->owners = apr_array_make(run->p, 8, sizeof(cfmt_cidr_t));
    d->pieces = apr_array_make(run->p, 4, sizeof(cfmt_traffic_piece_t));
    d->read = apr_array_make(run->p, 4, sizeof(cfmt_traffic_piece_t));
    cfmt_limits_load_detail(&d->limits, run);
    if (cfmt_sensed_load(run->e->store, &old, "detail", run->p) != APR_SUCCESS) {
        old.facts = apr_table_make(run->p, 1);
    }
    d->facts = old.facts;
    d->step = (int)fact(d->facts, "step", STEP_MAX);
    d->step = d->step < 1 || d->step > STEP_MAX ? STEP_MAX : d->step;
    d->to = complete_to(run);
    if (find_wants(run) != APR_SUCCESS) {
        cfmt_run_fail(run, CFMT_ESTORE, "the store: %s", cfmt_store_error(run->e->store));
    }
    else {
        plan(run);
    }
}

/* One after the other: what an answer says decides what is asked next. */
static void next(cfmt_run_t *run)
{
    detail_t *d;

    if (run->step == 0) {
        begin(run);
    }
    d = run->data;
    if (d->pieces->nelts && run->result.status == APR_SUCCESS) {
        cfmt_traffic_piece_t piece = *(cfmt_traffic_piece_t *)apr_array_pop(d->pieces);

        ask_piece(run, &piece);
    }
}

/* ---- concluding ------------------------------------------------------------------------------ */

static int has(const apr_array_header_t *cidrs, const cfmt_cidr_t *c)
{
    int i;

    for (i = 0; i < cidrs->nelts; i++) {
        if (!cfmt_cidr_compare(&APR_ARRAY_IDX(cidrs, i, cfmt_cidr_t), c)) {
            return 1;
        }
    }
    return 0;
}

/* How far it is read without a gap; pieces are few. */
static apr_time_t read_to(const detail_t *d, const want_t *w)
{
    apr_time_t to = w->from, before;
    int i;

    do {
        before = to;
        for (i = 0; i < d->read->nelts; i++) {
            const cfmt_traffic_piece_t *piece = &APR_ARRAY_IDX(d->read, i, cfmt_traffic_piece_t);

            if (piece->from <= to && piece->to > to && has(piece->prefixes, &w->cidr)) {
                to = piece->to;
            }
        }
    } while (to != before);
    return to;
}

static void set(apr_table_t *t, const char *name, apr_int64_t v)
{
    apr_table_set(t, name, apr_psprintf(apr_table_elts(t)->pool, "%" APR_INT64_T_FMT, v));
}

static void conclude_facts(cfmt_run_t *run)
{
    const detail_t *d = run->data;
    apr_table_t *t = apr_table_make(run->p, 8);
    int i;

    for (i = 0; i < d->wants->nelts; i++) {
        const want_t *w = &APR_ARRAY_IDX(d->wants, i, want_t);

        set(t, cfmt_cidr_format(run->p, &w->cidr), read_to(d, w));
    }
    set(t, "step", d->cut || d->halved || d->step * 2 > STEP_MAX ? d->step : d->step * 2);
    set(t, "cut", d->cut);
    cfmt_run_facts(run, "detail", t);
    if (d->cut && !fact(d->facts, "cut", 0)) {
        cfmt_run_tell(run, CFMT_LOG_INFO,
                      CFMT_ID(0900) "detail of the attack is cut at %d rows a minute: the largest "
                                    "are known, sums are too small", d->limits.page);
    }
}

static void conclude(cfmt_run_t *run)
{
    const detail_t *d = run->data;

    if (d->asked) {
        conclude_facts(run);
    }
    run->summary = d->asked ? apr_psprintf(run->p, "%d prefixes, %d queries, %d minutes%s%s",
                                           d->wants->nelts, d->asked, d->sheets,
                                           d->cut ? ", cut" : "",
                                           d->wrong ? ", some rows not understood" : "")
                   : d->wants->nelts ? "no new minute is complete" : "no attack is open";
}

const cfmt_sense_t cfmt_sense_detail = { .name = "detail", .setting = "AnalyticsInterval",
                                         .rows_max = PIECES_MAX * (ROWS_OF_A_QUERY + 1),
                                         .next = next, .conclude = conclude };
