/*
 * Job "traffic": what analytics say of the prefixes that are advertised, minute by minute. Minutes
 * that could not be read are asked again for a day. What it finds becomes `evidence` journal rows;
 * what it means is judged by the projection.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "sense.h"

#define DAY apr_time_from_sec(86400)
#define AFTER_WITHDRAWAL apr_time_from_sec(30 * 60)
#define RECENT apr_time_from_sec(20 * 60)      /* at least; what is older is caught up */
#define CATCH_UP apr_time_from_sec(6 * 3600)   /* of older minutes in one run */
#define ANNOUNCING apr_time_from_sec(10 * 60)  /* until one brings traffic: 2 to 7 minutes */
#define ROWS_OF_A_QUERY 10000                  /* no plan's page is larger, the mark is one more */
#define PIECES_MAX 8                           /* queries of a run, halves of cut ones included */

/* A prefix whose traffic is wanted. */
typedef struct target_t {
    cfmt_cidr_t cidr;
    cfmt_threshold_t threshold;
    apr_array_header_t *spans; /* cfmt_span_t, of the last day */
    apr_time_t since;          /* its minutes count from here on */
    int advertised;            /* else only what is left to know of it */
    int cut;                   /* something of it was in an answer that could not be halved */
    apr_time_t gap;            /* the first unknown one */
} target_t;

typedef struct traffic_t {
    cfmt_analytics_limits_t limits;
    apr_interval_time_t lag, recent; /* so much before now is read as one piece */
    apr_array_header_t *targets;  /* target_t */
    apr_array_header_t *pieces;   /* cfmt_traffic_piece_t: to be asked, the most urgent last */
    apr_array_header_t *found;    /* cfmt_evidence_t */
    int asked, cut;
    int answered;                 /* without being cut */
    apr_time_t watermark;         /* the newest of all answers */
    apr_interval_time_t ahead;    /* our clock is so much ahead of theirs, by the last answer */
} traffic_t;

typedef struct call_t {
    cfmt_traffic_piece_t piece;
    cfmt_traffic_reading_t *reading;
} call_t;

static apr_time_t minute_of(apr_time_t t)
{
    return t - t % CFMT_MINUTE;
}

/* ---- what is wanted -------------------------------------------------------------------------- */

/*
 * Since when its minutes count: 0 = they do not. After a withdrawal what is left to know of the
 * time before is still read.
 */
static apr_time_t wanted_since(const cfmt_run_t *run, const cfmt_prefix_row_t *row,
                               const apr_array_header_t *spans)
{
    apr_time_t since = run->now - DAY, at = row->b.advertised_at;

    if (row->b.advertised == 1) {
        return at > since ? minute_of(at) : minute_of(since);
    }
    if (row->b.advertised == 0 && at && run->now - at < AFTER_WITHDRAWAL && spans->nelts) {
        return APR_ARRAY_IDX(spans, spans->nelts - 1, cfmt_span_t).to;
    }
    return 0;
}

/* What is known of it already. */
static apr_array_header_t *spans_of(const apr_array_header_t *sets, const cfmt_cidr_t *cidr,
                                    apr_pool_t *p)
{
    const cfmt_evidence_spans_t *set = cfmt_evidence_find(sets, cidr);

    return set ? set->spans : apr_array_make(p, 1, sizeof(cfmt_span_t));
}

static void add_target(cfmt_run_t *run, const cfmt_prefix_row_t *row,
                       const apr_array_header_t *sets, apr_time_t until)
{
    traffic_t *d = run->data;
    target_t t = { .cidr = row->b.cidr, .advertised = row->b.advertised == 1,
                   .spans = spans_of(sets, &row->b.cidr, run->p) };

    t.since = wanted_since(run, row, t.spans);
    if (t.since) {
        const cfmt_span_t *spans = (const cfmt_span_t *)t.spans->elts;

        cfmt_threshold_of(&t.threshold, run->e->conf.settings, &t.cidr, run->p);
        t.gap = cfmt_calm_gap(spans, t.spans->nelts, t.since, until);
        APR_ARRAY_PUSH(d->targets, target_t) = t;
    }
}

static apr_status_t find_targets(cfmt_run_t *run, apr_time_t until)
{
    apr_array_header_t *rows, *sets;
    apr_status_t rv = cfmt_prefixes_load(run->e->store, &rows, run->p);
    int i;

    if (rv == APR_SUCCESS) {
        rv = cfmt_evidence_load_all(run->e->store, run->now - DAY, &sets, run->p);
    }
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_prefix_row_t);

        if (!row->gone && row->b.advertised >= 0) {
            add_target(run, row, sets, until);
        }
    }
    return rv;
}

/* All targets that have something unknown before `before`; *pfirst: the oldest of it. */
static apr_array_header_t *unknown_before(const traffic_t *d, apr_time_t before,
                                          apr_time_t *pfirst, apr_pool_t *p)
{
    apr_array_header_t *cidrs = apr_array_make(p, d->targets->nelts, sizeof(cfmt_cidr_t));
    int i;

    *pfirst = before;
    for (i = 0; i < d->targets->nelts; i++) {
        const target_t *t = &APR_ARRAY_IDX(d->targets, i, target_t);

        if (t->gap < before) {
            APR_ARRAY_PUSH(cidrs, cfmt_cidr_t) = t->cidr;
            *pfirst = t->gap < *pfirst ? t->gap : *pfirst;
        }
    }
    return cidrs;
}

/* The last minutes of all of them, and one piece of what was missed before. */
static void plan(cfmt_run_t *run, apr_time_t until)
{
    traffic_t *d = run->data;
    cfmt_traffic_piece_t *piece;
    apr_time_t recent, oldest, first;
    apr_array_header_t *late;

    oldest = run->now - d->limits.history + CFMT_MINUTE;
    late = unknown_before(d, until - d->recent, &first, run->p);
    if (late->nelts) {
        piece = apr_array_push(d->pieces);
        piece->from = first > oldest ? first : minute_of(oldest) + CFMT_MINUTE;
        piece->to = piece->from + (CATCH_UP < d->limits.duration ? CATCH_UP : d->limits.duration);
        piece->to = piece->to < until - d->recent ? piece->to : until - d->recent;
        piece->prefixes = late;
        d->pieces->nelts -= piece->to <= piece->from;
    }
    /* an attack is known before its minute is complete: its figures are not */
    unknown_before(d, until - d->lag - 2 * CFMT_MINUTE, &recent, run->p);
    piece = apr_array_push(d->pieces);
    piece->from = recent > until - d->recent ? recent : until - d->recent;
    piece->to = until;
    piece->prefixes = unknown_before(d, APR_INT64_MAX, &first, run->p);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static apr_status_t take(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    call_t *call = ask->arg;
    const char *why;

    (void)prow;
    if (cfmt_traffic_take(call->reading, &why, which, row) != APR_SUCCESS) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "traffic: %s", why);
        return CFMT_EANSWER; /* a row that is not counted could be the attack */
    }
    return APR_SUCCESS;
}

/* Targets are sorted, as the store gives prefixes. */
static int by_cidr(const void *key, const void *target)
{
    return cfmt_cidr_compare(key, &((const target_t *)target)->cidr);
}

/* Also what does not count today: another policy may ask for it. */
static int is_some(const cfmt_traffic_t *t)
{
    int i;

    for (i = 0; i < CFMT_SYSTEMS; i++) {
        if (t->packets[i] > 0 || t->bits[i] > 0) {
            return 1;
        }
    }
    return t->passed_packets > 0 || t->passed_bits > 0;
}

static target_t *target_of(const traffic_t *d, const cfmt_cidr_t *cidr)
{
    return bsearch(cidr, d->targets->elts, (size_t)d->targets->nelts, sizeof(target_t), by_cidr);
}

/*
 * One more prefix of e: what the reading, where it has this index, says of it. Rows that say
 * something: all that is not zero, and behind `complete` only what is attack.
 */
static void gather(cfmt_evidence_t *e, const call_t *call, int index, const target_t *t)
{
    cfmt_minute_t m = { .at = 0 };
    cfmt_judged_t j;

    APR_ARRAY_PUSH(e->prefixes, cfmt_cidr_t) = t->cidr;
    for (m.at = e->from; m.at < e->to; m.at += CFMT_MINUTE) {
        cfmt_evidence_row_t row = { .prefix = e->prefixes->nelts - 1, .minute = m.at };

        row.traffic = *cfmt_traffic_of(call->reading, index, m.at);
        if (t->threshold.passed_pps < 0) { /* nobody asks for it, and it is there in every minute */
            row.traffic.passed_packets = row.traffic.passed_bits = 0;
        }
        m.traffic = row.traffic;
        cfmt_calm_judge(&j, &m, &t->threshold);
        if (m.at + CFMT_MINUTE > e->complete ? j.verdict == CFMT_VERDICT_ATTACK
                                             : is_some(&row.traffic)) {
            APR_ARRAY_PUSH(e->rows, cfmt_evidence_row_t) = row;
        }
    }
}

static void keep(traffic_t *d, const cfmt_evidence_t *e)
{
    if (e->prefixes->nelts && (e->complete > e->from || e->rows->nelts)) {
        APR_ARRAY_PUSH(d->found, cfmt_evidence_t) = *e;
    }
}

static void start(cfmt_evidence_t *e, const cfmt_evidence_t *like, apr_time_t from, apr_pool_t *p)
{
    *e = *like;
    e->from = from;
    e->complete = e->complete > from ? e->complete : from;
    e->prefixes = apr_array_make(p, 4, sizeof(cfmt_cidr_t));
    e->rows = apr_array_make(p, 8, sizeof(cfmt_evidence_row_t));
}

/*
 * A prefix that was advertised within the piece has evidence from then on only: that nothing was
 * dropped before is not calm.
 */
static void found(cfmt_run_t *run, const call_t *call, int cut)
{
    traffic_t *d = run->data;
    cfmt_evidence_t all = { .from = call->piece.from, .to = call->piece.to }, own, e;
    apr_time_t mark = cfmt_traffic_watermark(call->reading);
    apr_time_t ripe = minute_of(run->now - d->lag - d->ahead);
    int i;

    d->watermark = mark > d->watermark ? mark : d->watermark;
    all.idle = !mark;
    all.complete = mark && mark < ripe ? mark : ripe;
    all.complete = cut ? all.from : all.complete < all.to ? all.complete : all.to;
    start(&e, &all, all.from, run->p);
    for (i = 0; i < call->piece.prefixes->nelts; i++) {
        const target_t *t = target_of(d, &APR_ARRAY_IDX(call->piece.prefixes, i, cfmt_cidr_t));

        if (t && t->since <= all.from) {
            gather(&e, call, i, t);
        }
        else if (t && t->since < all.to) {
            start(&own, &all, t->since, run->p);
            gather(&own, call, i, t);
            keep(d, &own);
        }
    }
    keep(d, &e);
}

/* Something of these stays unknown because of it. */
static void note_cut(const traffic_t *d, const apr_array_header_t *prefixes)
{
    int i;

    for (i = 0; i < prefixes->nelts; i++) {
        target_t *t = target_of(d, &APR_ARRAY_IDX(prefixes, i, cfmt_cidr_t));

        if (t) {
            t->cut = 1;
        }
    }
}

/* Cut: its rows may prove an attack; its halves are asked while there are pieces left. */
static void done(cfmt_ask_t *ask, const cfmt_api_result_t *result)
{
    cfmt_run_t *run = ask->run;
    traffic_t *d = run->data;
    call_t *call = ask->arg;
    cfmt_traffic_piece_t halves[2];
    int cut;

    if (result->r.status != APR_SUCCESS) {
        return;
    }
    cut = cfmt_traffic_cut(call->reading);
    d->answered += !cut;
    /* else a minute that has not come yet would be calm, and not be read again when it comes */
    d->ahead = result->skew > CFMT_MINUTE ? result->skew : 0;
    found(run, call, cut);
    if (!cut) {
        return;
    }
    if (d->asked + d->pieces->nelts + 2 <= PIECES_MAX
        && cfmt_traffic_halve(halves, &call->piece, run->p)) {
        APR_ARRAY_PUSH(d->pieces, cfmt_traffic_piece_t) = halves[0];
        APR_ARRAY_PUSH(d->pieces, cfmt_traffic_piece_t) = halves[1];
    }
    else {
        d->cut++;
        note_cut(d, call->piece.prefixes);
    }
}

/* Whether anybody's threshold looks at what passed. */
static int wants_passed(const traffic_t *d)
{
    int i;

    for (i = 0; i < d->targets->nelts; i++) {
        if (APR_ARRAY_IDX(d->targets, i, target_t).threshold.passed_pps >= 0) {
            return 1;
        }
    }
    return 0;
}

/*
 * With what was not complete at the run before: else, where runs are far apart, it would wait until
 * all that is older is known, and for some of that there may never be an answer.
 */
static apr_interval_time_t recent_of(const cfmt_run_t *run)
{
    const traffic_t *d = run->data;
    apr_interval_time_t each = cfmt_sense_duration(run->e, "AnalyticsInterval", CFMT_MINUTE);
    apr_interval_time_t all = each + each / 4 + d->lag + 5 * CFMT_MINUTE; /* a run may be late */

    all = all > RECENT ? minute_of(all) : RECENT;
    return all < d->limits.duration ? all : d->limits.duration;
}

static int ask_piece(cfmt_run_t *run, const cfmt_traffic_piece_t *piece)
{
    traffic_t *d = run->data;
    call_t *mine = apr_pcalloc(run->p, sizeof(*mine));
    cfmt_api_call_t call = {
        .upstream = CFMT_UPSTREAM_GRAPHQL, .row = take,
        .body = cfmt_traffic_query(cfmt_api_account(run->e->api), piece, d->limits.page, run->p),
        .rows = cfmt_traffic_rows(piece, run->p), .answer_max = (apr_size_t)16 * 1024 * 1024
    };

    mine->piece = *piece;
    mine->reading = cfmt_traffic_reading(piece, d->limits.page, run->p);
    d->asked++;
    return cfmt_run_ask(run, &call, &(cfmt_ask_t){ .arg = mine, .done = done });
}

static void begin(cfmt_run_t *run)
{
    traffic_t *d = run->data = apr_pcalloc(run->p, sizeof(*d));
    apr_time_t until = minute_of(run->now) + CFMT_MINUTE;

    d->lag = cfmt_sense_duration(run->e, "AnalyticsLag", apr_time_from_sec(300));
    d->targets = apr_array_make(run->p, 8, sizeof(target_t));
    d->pieces = apr_array_make(run->p, 4, sizeof(cfmt_traffic_piece_t));
    d->found = apr_array_make(run->p, 4, sizeof(cfmt_evidence_t));
    cfmt_limits_load(&d->limits, run);
    d->recent = recent_of(run);
    if (find_targets(run, until) != APR_SUCCESS) {
        cfmt_run_fail(run, CFMT_ESTORE, "the store: %s", cfmt_store_error(run->e->store));
    }
    else if (d->targets->nelts) {
        plan(run, until);
    }
}

/* One after the other: what an answer says decides what is asked next. */
static void next(cfmt_run_t *run)
{
    traffic_t *d;

    if (run->step == 0) {
        begin(run);
    }
    d = run->data;
    if (d->pieces->nelts && run->result.status == APR_SUCCESS) {
        cfmt_traffic_piece_t piece = *(cfmt_traffic_piece_t *)apr_array_pop(d->pieces);

        piece.without_passed = !wants_passed(d);
        ask_piece(run, &piece);
    }
}

/* ---- concluding ------------------------------------------------------------------------------ */

static void tell(cfmt_run_t *run, int idle, const apr_table_t *old)
{
    const traffic_t *d = run->data;
    const char *was_idle = apr_table_get(old, "idle"), *was_cut = apr_table_get(old, "cut");

    if (idle && (!was_idle || strcmp(was_idle, "1"))) {
        cfmt_run_tell(run, CFMT_LOG_WARNING,
                      CFMT_ID(0880) "the account shows no traffic at all, so nothing proves that "
                                    "analytics work: minutes stay unknown (idle=calm at a "
                                    "CfmtPrefix takes them for calm)");
    }
    if (d->cut && (!was_cut || !strcmp(was_cut, "0"))) {
        cfmt_run_tell(run, CFMT_LOG_WARNING,
                      CFMT_ID(0881) "analytics cut their answers at %d rows, also in %d pieces: "
                                    "minutes stay unknown and are asked again",
                      d->limits.page, PIECES_MAX);
    }
}

/* Right after an announcement there are no rows yet: that says nothing. */
static int is_idle(const cfmt_run_t *run)
{
    const traffic_t *d = run->data;
    apr_interval_time_t patience = cfmt_sense_duration(run->e, "BlindAfter",
                                                       apr_time_from_sec(900));
    int i;

    for (i = 0; d->answered && !d->watermark && i < d->targets->nelts; i++) {
        if (run->now - APR_ARRAY_IDX(d->targets, i, target_t).since >= patience) {
            return 1;
        }
    }
    return 0;
}

static const char *cut_names(const cfmt_run_t *run)
{
    const traffic_t *d = run->data;
    apr_array_header_t *names = apr_array_make(run->p, 4, sizeof(const char *));
    int i;

    for (i = 0; i < d->targets->nelts; i++) {
        const target_t *t = &APR_ARRAY_IDX(d->targets, i, target_t);

        if (t->cut) {
            APR_ARRAY_PUSH(names, const char *) = cfmt_cidr_format(run->p, &t->cidr);
        }
    }
    return apr_array_pstrcat(run->p, names, ' ');
}

/*
 * How old the account's newest row is, where that is more than it may be: the lag twice and two
 * intervals. 0 = it is not, or nobody can say: nothing was advertised so long that it would show.
 */
static apr_interval_time_t behind(const cfmt_run_t *run)
{
    const traffic_t *d = run->data;
    apr_time_t limit = run->now - 2 * d->lag
                       - 2 * cfmt_sense_duration(run->e, "AnalyticsInterval", CFMT_MINUTE);
    int i;

    for (i = 0; d->watermark && d->watermark < limit && i < d->targets->nelts; i++) {
        const target_t *t = &APR_ARRAY_IDX(d->targets, i, target_t);

        if (t->advertised && t->since < limit - ANNOUNCING) {
            return run->now - d->watermark;
        }
    }
    return 0;
}

static void conclude_facts(cfmt_run_t *run)
{
    const traffic_t *d = run->data;
    apr_table_t *t = apr_table_make(run->p, 6);
    int idle = is_idle(run);
    cfmt_sensed_t old;

    if (cfmt_sensed_load(run->e->store, &old, "traffic", run->p) != APR_SUCCESS) {
        old.facts = apr_table_make(run->p, 1);
    }
    apr_table_setn(t, "targets", apr_itoa(run->p, d->targets->nelts));
    apr_table_setn(t, "watermark", apr_psprintf(run->p, "%" APR_TIME_T_FMT, d->watermark));
    apr_table_setn(t, "ahead", apr_psprintf(run->p, "%" APR_TIME_T_FMT, d->ahead));
    apr_table_setn(t, "idle", idle ? "1" : "0");
    apr_table_setn(t, "failed", run->result.status == APR_SUCCESS ? "0" : "1");
    apr_table_setn(t, "cut", apr_itoa(run->p, d->cut));
    apr_table_setn(t, "cut_prefixes", cut_names(run));
    apr_table_setn(t, "behind", apr_psprintf(run->p, "%" APR_TIME_T_FMT, behind(run)));
    tell(run, idle, old.facts);
    cfmt_run_facts(run, "traffic", t);
}

static void conclude(cfmt_run_t *run)
{
    const traffic_t *d = run->data;
    int i;

    for (i = 0; i < d->found->nelts; i++) {
        cfmt_run_journal(run, "evidence", "analytics",
                         cfmt_evidence_encode(&APR_ARRAY_IDX(d->found, i, cfmt_evidence_t), run->p),
                         NULL);
    }
    if (d->answered || d->cut || (!d->targets->nelts && run->result.status == APR_SUCCESS)) {
        conclude_facts(run);
    }
    run->summary = d->targets->nelts
                       ? apr_psprintf(run->p, "%d prefixes, %d queries%s", d->targets->nelts,
                                      d->asked, d->cut ? ", cut" : "")
                       : "nothing is advertised";
}

/* Rows are summed as they come, so full answers to all its queries may be believed. */
const cfmt_sense_t cfmt_sense_traffic = { .name = "traffic", .setting = "AnalyticsInterval",
                                          .rows_max = PIECES_MAX * (ROWS_OF_A_QUERY + 1),
                                          .next = next, .conclude = conclude };
