/*
 * What people are told because time goes by, with or without an API: attacks that are still on, the
 * day; and of the service itself: that it began, ends, or has lost a leader.
 */
#include <string.h>

#include <apr_strings.h>

#include "news_of.h"

#define EVERY apr_time_from_sec(60)
#define HOUR apr_time_from_sec(3600)
#define DAY apr_time_from_sec(86400)
#define STEP_WAIT apr_time_from_msec(250)
#define PIECE 50           /* news a transaction: the lock is held for a few ms */
#define ATTACKS_MAX 1000
#define LEAST "at least "
#define META_SERVICE "service_told" /* the start that people were told of; 0 = that it ended */
#define META_ROUTINE "routine_to"   /* up to this time it was looked what is to be told */

/* A look, from the one before it. */
typedef struct look_t {
    cfmt_engine_t *e;
    apr_pool_t *p;
    apr_time_t last, now;
    apr_array_header_t *channels; /* cfmt_channel_conf_t */
    apr_array_header_t *attacks;  /* cfmt_struck_t: open */
} look_t;

/* ---- attacks that are still on --------------------------------------------------------------- */

static const char *one_of(const apr_array_header_t *cidrs, apr_pool_t *p)
{
    return cidrs->nelts == 1 ? cfmt_cidr_format(p, &APR_ARRAY_IDX(cidrs, 0, cfmt_cidr_t)) : NULL;
}

/* The full hours that it has been on, when another one is over since the last look; else 0. */
static apr_int64_t hours_of(const look_t *l, const cfmt_struck_t *a)
{
    apr_int64_t n = (l->now - a->episode_at) / HOUR;

    return l->now > a->episode_at && n > (l->last - a->episode_at) / HOUR ? n : 0;
}

static apr_status_t tell_on(const look_t *l, const cfmt_struck_t *a, apr_int64_t hours)
{
    cfmt_of_attack_t f;
    apr_status_t rv = cfmt_of_attack(&f, l->e, a->id, l->p);
    cfmt_news_t n = { .kind = CFMT_NEWS_ATTACK_ON, .attack = a->id, .at = l->now,
                      .prefix = one_of(a->prefixes, l->p) };

    n.dedupe = apr_psprintf(l->p, "attack-on %s %" APR_TIME_T_FMT " %" APR_INT64_T_FMT, a->id,
                            a->episode_at, hours);
    n.fields = cfmt_news_fields(
        l->p, "prefix", f.prefix ? f.prefix : f.target, "target", f.target, "vector", f.vector,
        "type", f.type, "peak_pps", f.peak_pps, "peak_bps", f.peak_bps, "since_at",
        cfmt_of_time(a->episode_at, l->p), "duration_s",
        cfmt_of_count(apr_time_sec(l->now - a->episode_at), l->p), "look",
        cfmt_of_command("attack", a->id, l->p), "mode", cfmt_of_mode(l->e), NULL);
    return rv == APR_SUCCESS ? cfmt_tell(l->e, &n, l->p) : rv;
}

/* In the caller's transaction, those from *pi on; not more than a piece. */
static apr_status_t tell_some(const look_t *l, int *pi)
{
    apr_status_t rv = APR_SUCCESS;
    int told = 0;

    for (; rv == APR_SUCCESS && *pi < l->attacks->nelts && told < PIECE; (*pi)++) {
        const cfmt_struck_t *a = &APR_ARRAY_IDX(l->attacks, *pi, cfmt_struck_t);
        apr_int64_t hours = hours_of(l, a);

        if (hours) {
            rv = tell_on(l, a, hours);
            told++;
        }
    }
    return rv;
}

/* ---- the day --------------------------------------------------------------------------------- */

/* Days of people's time, each of which begins in that minute. */
static apr_int64_t day_of(apr_time_t t, int minute)
{
    apr_time_exp_t x;
    apr_int64_t offset = apr_time_exp_lt(&x, t) == APR_SUCCESS ? x.tm_gmtoff : 0;

    return (apr_time_sec(t) + offset - minute * 60) / 86400;
}

static const char *advertised(const look_t *l, apr_status_t *prv)
{
    apr_array_header_t *rows;
    const char *list = NULL;
    int i;

    *prv = cfmt_prefixes_load(l->e->store, &rows, l->p);
    for (i = 0; *prv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_prefix_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_prefix_row_t);
        const char *name = cfmt_cidr_format(l->p, &row->b.cidr);

        if (!row->gone && row->b.advertised == 1) {
            list = list ? apr_pstrcat(l->p, list, ", ", name, NULL) : name;
        }
    }
    return list ? list : "nothing";
}

/* Attacks on us of the last day: how many, how many are open, and the largest rates. */
typedef struct tally_t {
    int count, open, more; /* more: than were counted */
    double pps, bps;
} tally_t;

static apr_status_t count_attacks(const look_t *l, tally_t *t)
{
    apr_array_header_t *rows;
    apr_status_t rv;
    int i;

    *t = (tally_t){ .pps = -1, .bps = -1 };
    rv = cfmt_query_attacks(l->e->store, l->now - DAY, ATTACKS_MAX, &rows, &t->more, l->p);
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_attack_row_t *a = &APR_ARRAY_IDX(rows, i, cfmt_attack_row_t);

        if (a->ours) {
            t->count++;
            t->open += !strcmp(a->state, "open");
            t->pps = a->peak_pps > t->pps ? a->peak_pps : t->pps;
            t->bps = a->peak_bps > t->bps ? a->peak_bps : t->bps;
        }
    }
    return rv;
}

static const char *summary_of(const cfmt_world_counts_t *c, apr_pool_t *p)
{
    return c->prefixes || c->up + c->degraded + c->down + c->unknown
               ? apr_psprintf(p, "%d of %d prefixes advertised, %d locked; tunnels: %d up, %d"
                                 " degraded, %d down, %d unknown", c->advertised, c->prefixes,
                              c->locked, c->up, c->degraded, c->down, c->unknown)
               : NULL;
}

static const char *state_of(const tally_t *t, apr_pool_t *p)
{
    if (!t->open) {
        return t->more ? NULL : "no attack is open";
    }
    return apr_psprintf(p, "%s%d attack%s open", t->more ? LEAST : "", t->open,
                        t->open == 1 ? " is" : "s are");
}

static const char *daily_fields(const look_t *l, apr_status_t *prv)
{
    cfmt_world_counts_t world;
    const char *prefix = advertised(l, prv);
    tally_t t = { .count = 0 };

    *prv = *prv == APR_SUCCESS ? count_attacks(l, &t) : *prv;
    *prv = *prv == APR_SUCCESS ? cfmt_query_world_counts(l->e->store, &world) : *prv;
    if (*prv != APR_SUCCESS) {
        return NULL;
    }
    return cfmt_news_fields(
        l->p, "state", state_of(&t, l->p), "summary", summary_of(&world, l->p), "count",
        apr_psprintf(l->p, "%s%d", t.more ? LEAST : "", t.count), "peak_pps",
        cfmt_of_rate(t.pps, l->p), "peak_bps", cfmt_of_rate(t.bps, l->p), "prefix", prefix, "look",
        "cfmtctl status", "mode", cfmt_of_mode(l->e), NULL);
}

/* Each channel at its own time. */
static apr_status_t tell_day(const look_t *l, const cfmt_channel_conf_t *c, const char *fields)
{
    apr_array_header_t *one = apr_array_make(l->p, 1, sizeof(*c));
    cfmt_news_t n = { .kind = CFMT_NEWS_DAILY, .at = l->now, .fields = fields };

    APR_ARRAY_PUSH(one, cfmt_channel_conf_t) = *c;
    n.dedupe = apr_psprintf(l->p, "daily %" APR_INT64_T_FMT, day_of(l->now, c->daily));
    return cfmt_tell_to(l->e->store, one, &n, l->now);
}

static apr_status_t tell_days(const look_t *l)
{
    const char *fields = NULL;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < l->channels->nelts; i++) {
        const cfmt_channel_conf_t *c = &APR_ARRAY_IDX(l->channels, i, cfmt_channel_conf_t);

        if (c->daily >= 0 && day_of(l->now, c->daily) > day_of(l->last, c->daily)) {
            fields = fields ? fields : daily_fields(l, &rv);
            rv = rv == APR_SUCCESS ? tell_day(l, c, fields) : rv;
        }
    }
    return rv;
}

/* ---- a look ---------------------------------------------------------------------------------- */

/* One piece; the last one moves the mark. *pi: how far it came. */
static apr_status_t write_piece(const look_t *l, int *pi)
{
    cfmt_store_t *s = l->e->store;
    int from = *pi;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = from ? APR_SUCCESS : tell_days(l);
    rv = rv == APR_SUCCESS ? tell_some(l, pi) : rv;
    if (rv == APR_SUCCESS && *pi == l->attacks->nelts) {
        rv = cfmt_meta_set_int(s, META_ROUTINE, l->now);
    }
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        *pi = from;
        return rv;
    }
    return cfmt_store_commit(s);
}

static int is_anything(const look_t *l)
{
    int i, yes = l->now < l->last || l->now - l->last > HOUR; /* the mark is to be moved */

    for (i = 0; !yes && i < l->attacks->nelts; i++) {
        yes = hours_of(l, &APR_ARRAY_IDX(l->attacks, i, cfmt_struck_t)) > 0;
    }
    for (i = 0; !yes && i < l->channels->nelts; i++) {
        int daily = APR_ARRAY_IDX(l->channels, i, cfmt_channel_conf_t).daily;

        yes = daily >= 0 && day_of(l->now, daily) > day_of(l->last, daily);
    }
    return yes;
}

static apr_status_t look(look_t *l)
{
    cfmt_store_t *s = l->e->store;
    apr_status_t rv = cfmt_meta_int(s, META_ROUTINE, 0, &l->last);
    int i = 0;

    l->attacks = apr_array_make(l->p, 16, sizeof(cfmt_struck_t));
    rv = rv == APR_SUCCESS ? cfmt_struck_open(s, l->attacks, APR_INT64_MAX, ATTACKS_MAX, l->p)
                           : rv;
    if (rv != APR_SUCCESS || !is_anything(l)) {
        return rv;
    }
    if (!l->last || l->now < l->last) { /* from now on: nothing is to be made up for */
        l->last = l->now;
    }
    do {
        rv = write_piece(l, &i);
    } while (rv == APR_SUCCESS && i < l->attacks->nelts);
    return rv;
}

/* ---- the service ----------------------------------------------------------------------------- */

static apr_status_t tell_start(cfmt_engine_t *e, apr_pool_t *p)
{
    const cfmt_news_t n = {
        .kind = CFMT_NEWS_START, .at = cfmt_clock_now(e->conf.clock),
        .dedupe = apr_psprintf(p, "start %" APR_TIME_T_FMT, e->began_at),
        .fields = cfmt_news_fields(p, "state", "version " CFMT_VERSION, "look", "cfmtctl status",
                                   "mode", cfmt_of_mode(e), NULL)
    };
    apr_status_t rv = cfmt_meta_set_int(e->store, META_SERVICE, e->conf.service_at);

    return rv == APR_SUCCESS ? cfmt_tell(e, &n, p) : rv;
}

/* Its heartbeat stands in the leader file as it was when it died. */
static apr_status_t tell_death(cfmt_engine_t *e, apr_time_t now, apr_pool_t *p)
{
    const cfmt_heartbeat_t *b = &e->before;
    int hung = apr_time_now() - b->at >= CFMT_LEADER_HUNG;
    const cfmt_news_t n = {
        .kind = CFMT_NEWS_LEADER, .at = now,
        .dedupe = apr_psprintf(p, "leader %d %" APR_TIME_T_FMT, (int)b->pid, b->started_at),
        .fields = cfmt_news_fields(
            p, "state", apr_psprintf(p, "its leader, process %d, %s; another one leads now",
                                     (int)b->pid, hung ? "gave no heartbeat" : "died"),
            "since_at", cfmt_of_time(b->at, p), "reason", "what it had under way is looked up"
            " before anything is done again", "look", "cfmtctl status", "mode", cfmt_of_mode(e),
            NULL)
    };

    return cfmt_tell(e, &n, p);
}

static apr_status_t greet(cfmt_engine_t *e, apr_time_t now, apr_pool_t *p)
{
    apr_int64_t told;
    int died = e->before.pid && !e->before.ended, began;
    apr_status_t rv = cfmt_meta_int(e->store, META_SERVICE, 0, &told);

    began = e->conf.service_at && told != e->conf.service_at;
    if (rv != APR_SUCCESS || (!died && !began)) {
        return rv;
    }
    rv = cfmt_store_begin(e->store, STEP_WAIT);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = died ? tell_death(e, now, p) : APR_SUCCESS;
    rv = rv == APR_SUCCESS && began ? tell_start(e, p) : rv;
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(e->store);
        return rv;
    }
    return cfmt_store_commit(e->store);
}

void cfmt_engine_follows(cfmt_engine_t *e, const cfmt_heartbeat_t *before)
{
    e->before = *before;
}

static apr_status_t tell_stop(cfmt_engine_t *e, apr_pool_t *p)
{
    apr_time_t now = cfmt_clock_now(e->conf.clock);
    const cfmt_news_t n = {
        .kind = CFMT_NEWS_STOP, .at = now,
        .dedupe = apr_psprintf(p, "stop %" APR_TIME_T_FMT, e->conf.service_at),
        .fields = cfmt_news_fields(p, "reason", "httpd ends: nothing is decided or told until it is"
                                   " started again; deliveries are not taken", NULL)
    };
    apr_status_t rv = cfmt_store_begin(e->store, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_meta_set_int(e->store, META_SERVICE, 0);
    rv = rv == APR_SUCCESS ? cfmt_tell(e, &n, p) : rv;
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(e->store);
        return rv;
    }
    return cfmt_store_commit(e->store);
}

void cfmt_engine_farewell(cfmt_engine_t *e)
{
    apr_pool_t *p;

    if (!e->store || !e->conf.service_at) {
        return;
    }
    apr_pool_create(&p, e->pool);
    (void)tell_stop(e, p);
    apr_pool_destroy(p);
}

/* ---- the round's part ------------------------------------------------------------------------ */

apr_status_t cfmt_routine_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick)
{
    look_t l = { .e = e, .p = ptick, .now = cfmt_clock_now(e->conf.clock) };
    apr_status_t rv = e->greeted ? APR_SUCCESS : greet(e, l.now, ptick);

    e->greeted |= rv == APR_SUCCESS;
    if (rv != APR_SUCCESS || !e->conf.settings) {
        return rv;
    }
    if (l.now >= e->routine_due || e->routine_due - l.now > EVERY) {
        l.channels = cfmt_tell_channels(e->conf.settings, ptick);
        rv = l.channels->nelts ? look(&l) : APR_SUCCESS;
        e->routine_due = rv == APR_SUCCESS ? l.now + EVERY : l.now;
    }
    *pdue = !*pdue || e->routine_due < *pdue ? e->routine_due : *pdue;
    return rv;
}
