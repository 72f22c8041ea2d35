/*
 * Two policies over one journal: what each makes of every advertisement, and in all. An attack is
 * what the policy of then took for one, for both: a threshold that is set higher protects nobody.
 */
#include <stdlib.h>
#include <string.h>

#include "replay_sim.h"

const char *cfmt_replay_message_name(cfmt_replay_message_e m)
{
    static const char *const names[CFMT_REPLAY_MESSAGES] = {
        [CFMT_REPLAY_WITHDRAWN] = "withdrawn",       [CFMT_REPLAY_ADVERTISED] = "advertised",
        [CFMT_REPLAY_NOT_PROTECTED] = "not_protected", [CFMT_REPLAY_PROPOSED] = "proposed",
        [CFMT_REPLAY_WOULD] = "would_withdraw",      [CFMT_REPLAY_ORPHAN] = "orphan",
    };

    return (unsigned)m < CFMT_REPLAY_MESSAGES ? names[m] : "?";
}

/* From the beginning of an advertisement, by whoever was first, to that of the next. */
typedef struct slot_t {
    apr_time_t from, to;
    const cfmt_fact_t *fact; /* NULL = before the first one */
} slot_t;

/* ---- one course ------------------------------------------------------------------------------ */

static apr_interval_time_t common(apr_time_t a, apr_time_t b, apr_time_t from, apr_time_t to)
{
    a = a > from ? a : from;
    b = b < to ? b : to;
    return b > a ? b - a : 0;
}

/* Withdrawn from a to b: so long of it an attack was open. */
static apr_interval_time_t exposed(const cfmt_lane_t *yard, apr_time_t a, apr_time_t b)
{
    apr_interval_time_t sum = 0;
    int i;

    for (i = 0; i < yard->hits->nelts; i++) {
        const cfmt_stretch_t *hit = &APR_ARRAY_IDX(yard->hits, i, cfmt_stretch_t);

        sum += common(hit->from, hit->to, a, b);
    }
    return sum;
}

/* a to b without a turn. */
static void add_stretch(cfmt_replay_course_t *course, const cfmt_lane_t *yard, const slot_t *slot,
                        int on, apr_time_t a, apr_time_t b)
{
    a = a > slot->from ? a : slot->from;
    b = b < slot->to ? b : slot->to;
    if (b > a && on) {
        course->paid += b - a;
    }
    else if (b > a) {
        course->exposed += exposed(yard, a, b);
    }
}

static void add_turn(cfmt_replay_course_t *course, const cfmt_turn_t *turn)
{
    if (!turn->on && !course->withdrawn_at) {
        course->withdrawn_at = turn->at;
        course->by_policy = turn->by_policy;
    }
    course->again += turn->on && turn->by_policy && course->withdrawn_at;
    course->advertised_at = turn->on && !course->advertised_at ? turn->at : course->advertised_at;
}

static void find_course(cfmt_replay_course_t *course, const cfmt_lane_t *lane,
                        const cfmt_lane_t *yard, const slot_t *slot)
{
    apr_time_t since = 0;
    int i, on = 0;

    for (i = 0; i < lane->turns->nelts; i++) {
        const cfmt_turn_t *turn = &APR_ARRAY_IDX(lane->turns, i, cfmt_turn_t);

        add_stretch(course, yard, slot, on, since, turn->at);
        if (turn->at >= slot->from && turn->at < slot->to) {
            add_turn(course, turn);
        }
        on = turn->on;
        since = turn->at;
    }
    add_stretch(course, yard, slot, on, since, slot->to);
    for (i = 0; i < lane->told->nelts; i++) {
        const cfmt_told_t *told = &APR_ARRAY_IDX(lane->told, i, cfmt_told_t);

        course->messages[told->what] += told->at >= slot->from && told->at < slot->to;
    }
}

static void add_course(cfmt_replay_course_t *sum, const cfmt_replay_course_t *course)
{
    int i;

    sum->paid += course->paid;
    sum->exposed += course->exposed;
    sum->again += course->again;
    for (i = 0; i < CFMT_REPLAY_MESSAGES; i++) {
        sum->messages[i] += course->messages[i];
    }
}

/* ---- one prefix ------------------------------------------------------------------------------ */

/* A policy may have advertised it shortly before somebody did in fact. */
static apr_time_t earlier_turn(const cfmt_lane_t *lane, apr_time_t from, apr_time_t at)
{
    int i;

    for (i = lane->turns->nelts - 1; i >= 0; i--) {
        const cfmt_turn_t *turn = &APR_ARRAY_IDX(lane->turns, i, cfmt_turn_t);

        if (turn->at < at) {
            return turn->on && turn->at > from ? turn->at : at;
        }
    }
    return at;
}

/* So is the attack that it was made for: until then it was not protected. */
static apr_time_t attack_before(const cfmt_lane_t *yard, apr_time_t from, apr_time_t at)
{
    int i;

    for (i = 0; i < yard->hits->nelts; i++) {
        const cfmt_stretch_t *hit = &APR_ARRAY_IDX(yard->hits, i, cfmt_stretch_t);

        if (hit->from >= from && hit->from < at && hit->to > at) {
            return hit->from;
        }
    }
    return at;
}

static apr_time_t begin_of(const cfmt_fact_t *fact, const cfmt_fact_t *before,
                           const cfmt_lane_t *was, const cfmt_lane_t *would, apr_time_t from)
{
    apr_time_t a, b;

    from = before ? before->ended_at : from;
    if (before && !from) {
        return fact->seen_at;
    }
    a = earlier_turn(was, from, fact->seen_at);
    b = earlier_turn(would, from, fact->seen_at);
    return attack_before(was, from, a < b ? a : b);
}

static int is_empty(const cfmt_replay_advertisement_t *ad)
{
    int i;

    for (i = 0; i < CFMT_REPLAY_MESSAGES; i++) {
        if (ad->was.messages[i] || ad->would.messages[i]) {
            return 0;
        }
    }
    return !ad->was.paid && !ad->would.paid && !ad->was.exposed && !ad->would.exposed;
}

static void count(cfmt_replay_compare_t *out, const cfmt_replay_advertisement_t *ad)
{
    apr_time_t a = ad->was.withdrawn_at, b = ad->would.withdrawn_at;

    if (a || b) {
        *(a == b ? &out->same : b && (!a || b < a) ? &out->earlier : &out->later) += 1;
    }
}

static void add_slot(cfmt_replay_compare_t *out, const cfmt_lane_t *was, const cfmt_lane_t *would,
                     const slot_t *slot)
{
    cfmt_replay_advertisement_t ad = { .prefix = was->prefix };

    if (slot->from >= slot->to) {
        return;
    }
    if (slot->fact) {
        ad.at = slot->fact->at;
        ad.ended_at = slot->fact->ended_at;
    }
    find_course(&ad.was, was, was, slot);
    find_course(&ad.would, would, was, slot);
    if (slot->fact || !is_empty(&ad)) {
        APR_ARRAY_PUSH(out->advertisements, cfmt_replay_advertisement_t) = ad;
        count(out, &ad);
    }
    add_course(&out->was, &ad.was);
    add_course(&out->would, &ad.would);
}

/* One that began before and lasts counts from then on. */
static void compare_lanes(cfmt_replay_compare_t *out, const cfmt_lane_t *was,
                          const cfmt_lane_t *would, apr_time_t from, apr_time_t to)
{
    slot_t slot = { .from = from };
    int i;

    for (i = 0; i < was->facts->nelts; i++) {
        const cfmt_fact_t *fact = &APR_ARRAY_IDX(was->facts, i, cfmt_fact_t);
        apr_time_t begin = begin_of(fact, i ? fact - 1 : NULL, was, would, slot.from);

        slot.to = begin > slot.from ? begin : slot.from;
        add_slot(out, was, would, &slot);
        slot.from = slot.to;
        slot.fact = fact->ended_at && fact->ended_at <= slot.from ? NULL : fact;
    }
    slot.to = to;
    add_slot(out, was, would, &slot);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int by_time(const void *x, const void *y)
{
    const cfmt_replay_advertisement_t *a = x, *b = y;

    return a->at < b->at ? -1 : a->at > b->at ? 1 : cfmt_cidr_compare(&a->prefix, &b->prefix);
}

static void compare(cfmt_replay_compare_t *out, const cfmt_sim_t *was, const cfmt_sim_t *would,
                    apr_time_t from)
{
    int i;

    for (i = 0; i < was->order->nelts; i++) {
        const cfmt_lane_t *a = APR_ARRAY_IDX(was->order, i, const cfmt_lane_t *);
        const cfmt_lane_t *b = apr_hash_get(would->lanes, &a->prefix, sizeof(a->prefix));

        if (b) {
            compare_lanes(out, a, b, from, was->end);
        }
    }
    qsort(out->advertisements->elts, (size_t)out->advertisements->nelts,
          sizeof(cfmt_replay_advertisement_t), by_time);
}

apr_status_t cfmt_replay_compare(cfmt_replay_compare_t *out, const cfmt_replay_conf_t *conf,
                                 const apr_table_t *policy, cfmt_result_t *r, apr_pool_t *p)
{
    cfmt_sim_t was, would;
    apr_status_t rv = cfmt_sim_run(&was, conf, NULL, "was.db", r, p);

    memset(out, 0, sizeof(*out));
    out->advertisements = apr_array_make(p, 16, sizeof(cfmt_replay_advertisement_t));
    rv = rv == APR_SUCCESS ? cfmt_sim_run(&would, conf, policy, "would.db", r, p) : rv;
    if (rv == APR_SUCCESS) {
        out->rows = was.rp->rows;
        compare(out, &was, &would, conf->from);
    }
    return rv;
}
