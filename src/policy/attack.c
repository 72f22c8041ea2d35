/*
 * Attacks: the keys that events share, and the left fold of the events of one attack in canonical
 * order.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_policy.h"

/* ---- identity -------------------------------------------------------------------------------- */

/* NUL separates the parts, which cannot hold one: no two keys give the same bytes. */
static const char *key_id(const cfmt_attack_key_t *k, apr_pool_t *p)
{
    apr_size_t account = strlen(k->account) + 1, value = strlen(k->value);
    char *bytes = apr_palloc(p, 1 + account + value);
    unsigned char sum[CFMT_SHA256_SIZE];

    bytes[0] = (char)('0' + k->kind);
    memcpy(bytes + 1, k->account, account);
    memcpy(bytes + 1 + account, k->value, value);
    cfmt_sha256(sum, bytes, 1 + account + value);
    return apr_psprintf(p, "a%02x%02x%02x%02x%02x%02x", sum[0], sum[1], sum[2], sum[3], sum[4],
                        sum[5]);
}

static int add_key(cfmt_attack_key_t *k, cfmt_key_e kind, const cfmt_event_t *e, const char *value,
                   apr_pool_t *p)
{
    if (!value || !*value) {
        return 0;
    }
    k->kind = kind;
    k->account = e->account ? e->account : "";
    k->value = value;
    k->id = key_id(k, p);
    return 1;
}

static int is_from(const cfmt_event_t *e, const char *source)
{
    return e->source && !strcmp(e->source, source);
}

/* "traffic": behind every alert type, so that an attack that alerts tell of has their id. */
static const char *tuple(const cfmt_event_t *e, apr_pool_t *p)
{
    const char *type = is_from(e, CFMT_SOURCE_TRAFFIC) ? "traffic" : e->alert_type;
    apr_time_t start = e->start ? e->start : e->ts;
    apr_time_t minute = start - start % apr_time_from_sec(60);

    return apr_pstrcat(p, type ? type : "", "|", e->target ? e->target : "", "|",
                       e->vector ? e->vector : "", "|", cfmt_time_format(p, minute), NULL);
}

int cfmt_attack_keys(cfmt_attack_key_t keys[CFMT_ATTACK_KEYS_MAX], const cfmt_event_t *e,
                     apr_pool_t *p)
{
    int n;

    if (e->effect != CFMT_EFFECT_NETWORK && e->effect != CFMT_EFFECT_HOST) {
        return 0;
    }
    n = add_key(&keys[0], CFMT_KEY_ATTACK, e, e->attack_id, p);
    n += add_key(&keys[n], CFMT_KEY_CORRELATION, e, e->correlation_id, p);
    return n ? n : add_key(&keys[0], CFMT_KEY_TUPLE, e, tuple(e, p), p);
}

int cfmt_attack_key_compare(const cfmt_attack_key_t *a, const cfmt_attack_key_t *b)
{
    int c;

    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    c = strcmp(a->value, b->value);
    return c ? c : strcmp(a->account, b->account);
}

/* ---- order ----------------------------------------------------------------------------------- */

#define ORDER(a, b) \
    if ((a) != (b)) { \
        return (a) < (b) ? -1 : 1; \
    }

int cfmt_attack_event_compare(const cfmt_event_t *a, const cfmt_event_t *b)
{
    ORDER(a->ts, b->ts)
    ORDER(a->state == CFMT_STATE_END, b->state == CFMT_STATE_END)
    ORDER(a->digest, b->digest)
    ORDER(a->id, b->id)
    return 0;
}

/* ---- sets ------------------------------------------------------------------------------------ */

/* Where text is or belongs in the sorted set; *found tells which. */
static int place_of(const apr_array_header_t *set, const char *text, int *found)
{
    int low = 0, high = set->nelts;

    *found = 0;
    while (low < high) {
        int mid = low + (high - low) / 2;
        int c = strcmp(text, APR_ARRAY_IDX(set, mid, const char *));

        if (!c) {
            *found = 1;
            return mid;
        }
        if (c < 0) {
            high = mid;
        }
        else {
            low = mid + 1;
        }
    }
    return low;
}

int cfmt_texts_add(apr_array_header_t *set, const char *text, int max, apr_pool_t *p)
{
    int found, cut = set->nelts >= max, i;
    const char **elts;

    if (!text || !*text) {
        return 0;
    }
    i = place_of(set, text, &found);
    if (found) {
        return 0;
    }
    if (cut && i == set->nelts) {
        return 1;
    }
    if (!cut) {
        APR_ARRAY_PUSH(set, const char *) = NULL;
    }
    elts = (const char **)set->elts;
    memmove(elts + i + 1, elts + i, (apr_size_t)(set->nelts - 1 - i) * sizeof(*elts));
    elts[i] = apr_pstrdup(p, text);
    return cut;
}

static int add_all(apr_array_header_t *set, const apr_array_header_t *more, int max, apr_pool_t *p)
{
    int i, cut = 0;

    for (i = 0; i < more->nelts; i++) {
        cut |= cfmt_texts_add(set, APR_ARRAY_IDX(more, i, const char *), max, p);
    }
    return cut;
}

/* ---- fold ------------------------------------------------------------------------------------ */

void cfmt_attack_init(cfmt_attack_t *a, const char *id, apr_pool_t *p)
{
    memset(a, 0, sizeof(*a));
    a->id = id ? apr_pstrdup(p, id) : NULL;
    a->scope = CFMT_EFFECT_HOST; /* until a network event comes */
    a->targets = apr_array_make(p, 4, sizeof(const char *));
    a->vectors = apr_array_make(p, 2, sizeof(const char *));
    a->protocols = apr_array_make(p, 2, sizeof(const char *));
    a->rules = apr_array_make(p, 2, sizeof(const char *));
    a->alert_types = apr_array_make(p, 2, sizeof(const char *));
    a->peak_pps = a->peak_bps = a->peak_rps = -1;
}

static int is_operator(const cfmt_event_t *e)
{
    return is_from(e, CFMT_SOURCE_OPERATOR);
}

int cfmt_event_by_ref(const cfmt_event_t *e)
{
    return is_operator(e) || is_from(e, CFMT_SOURCE_TIMEOUT)
           || (is_from(e, CFMT_SOURCE_TRAFFIC) && e->attack_id);
}

/* Figures of traffic: they open nothing and end nothing. */
static int is_figures(const cfmt_event_t *e)
{
    return is_from(e, CFMT_SOURCE_TRAFFIC) && e->state == CFMT_STATE_INFO;
}

static const char *what_ends(const cfmt_event_t *e)
{
    return is_operator(e) ? "operator"
           : is_from(e, CFMT_SOURCE_TRAFFIC) ? "calm"
           : is_from(e, CFMT_SOURCE_TIMEOUT) ? "timeout" : "end";
}

static void close_episode(cfmt_attack_t *a, const cfmt_event_t *e)
{
    a->open = 0;
    a->ended_by = what_ends(e);
    a->ended_at = e->ts;
}

static void open_episode(cfmt_attack_t *a, const cfmt_event_t *e)
{
    a->open = 1;
    a->ended_by = NULL;
    a->ended_at = 0;
    a->episodes++;
    a->episode_at = e->ts;
}

/*
 * An END that comes first stands for an episode whose START never reached us; one of ours does
 * not. In canonical order the two comparisons with last_at always hold; behind a pruned part
 * they keep the state that of the greatest ts, END winning at an equal one.
 */
static void take_state(cfmt_attack_t *a, const cfmt_event_t *e)
{
    int end = e->state == CFMT_STATE_END;

    if (!a->events) {
        a->started_at = a->last_at = a->episode_at = e->ts;
        if (!end) {
            open_episode(a, e);
        }
        else {
            close_episode(a, e);
            a->episodes = cfmt_event_by_ref(e) ? 0 : 1;
        }
    }
    else if (end && a->open && e->ts >= a->last_at) {
        close_episode(a, e);
    }
    else if (!end && !a->open && e->ts > a->last_at) {
        open_episode(a, e);
    }
    a->started_at = e->ts < a->started_at ? e->ts : a->started_at;
    a->last_at = e->ts > a->last_at ? e->ts : a->last_at;
    a->events++;
}

static void lift(double *peak, double v)
{
    if (v > *peak) {
        *peak = v;
    }
}

/* A rate with its time and origin; of equal ones the first. Total, so that order is nothing. */
typedef struct peak_t {
    double *rate;
    apr_time_t *at;
    const char **by;
} peak_t;

static void lift_peak(const peak_t *peak, double rate, apr_time_t at, const char *by)
{
    int lower = *peak->rate < rate, equal = !lower && !(*peak->rate > rate);
    int later = *peak->at > at || (*peak->at == at && *peak->by && by && strcmp(by, *peak->by) < 0);

    if (rate >= 0 && (lower || (equal && later))) {
        *peak->rate = rate;
        *peak->at = at;
        *peak->by = by;
    }
}

static void lift_peaks(cfmt_attack_t *a, const cfmt_event_t *e, apr_pool_t *p)
{
    const char *by = e->system ? apr_pstrdup(p, e->system) : "alert";

    lift_peak(&(peak_t){ &a->peak_pps, &a->peak_pps_at, &a->peak_pps_by }, e->pps, e->ts, by);
    lift_peak(&(peak_t){ &a->peak_bps, &a->peak_bps_at, &a->peak_bps_by }, e->bps, e->ts, by);
    lift(&a->peak_rps, e->rps);
}

/* Only what opens or feeds an attack can lack its target. */
static int lacks_target(const cfmt_event_t *e)
{
    return e->effect == CFMT_EFFECT_NETWORK && e->state != CFMT_STATE_END && !e->target_cidr.family;
}

int cfmt_event_by_rule(const cfmt_event_t *e)
{
    return lacks_target(e) && e->rule && e->alert_type
           && !strcmp(e->alert_type, "fbm_volumetric_attack");
}

static void take_place(cfmt_attack_t *a, const cfmt_event_t *e, apr_pool_t *p)
{
    a->targets_cut |= cfmt_texts_add(a->targets, e->target, CFMT_ATTACK_TARGETS_MAX, p);
    if (e->effect == CFMT_EFFECT_NETWORK) {
        a->scope = CFMT_EFFECT_NETWORK;
        a->rule_only |= cfmt_event_by_rule(e);
        a->target_missing |= lacks_target(e) && !cfmt_event_by_rule(e);
    }
}

void cfmt_attack_step(cfmt_attack_t *a, const cfmt_event_t *e, apr_pool_t *p)
{
    if (!is_figures(e)) {
        take_state(a, e);
    }
    if (cfmt_event_by_ref(e) && e->state == CFMT_STATE_END) {
        return; /* says nothing about the attack but that it is over */
    }
    if (!a->account && e->account) {
        a->account = apr_pstrdup(p, e->account);
    }
    a->ours |= e->ours;
    take_place(a, e, p);
    cfmt_texts_add(a->vectors, e->vector, CFMT_ATTACK_TEXTS_MAX, p);
    cfmt_texts_add(a->protocols, e->protocol, CFMT_ATTACK_TEXTS_MAX, p);
    cfmt_texts_add(a->rules, e->rule, CFMT_ATTACK_TEXTS_MAX, p);
    cfmt_texts_add(a->alert_types, e->alert_type, CFMT_ATTACK_TEXTS_MAX, p);
    lift_peaks(a, e, p);
}

/* ---- join ------------------------------------------------------------------------------------ */

/*
 * Whose state is the newer one; at an equal time an ended one. Total, so that the order of joins is
 * nothing.
 */
static int state_compare(const cfmt_attack_t *a, const cfmt_attack_t *b)
{
    ORDER(a->last_at, b->last_at)
    ORDER(!a->open, !b->open)
    ORDER(a->ended_at, b->ended_at)
    ORDER(a->episode_at, b->episode_at)
    return strcmp(a->ended_by ? a->ended_by : "", b->ended_by ? b->ended_by : "");
}

static void join_state(cfmt_attack_t *a, const cfmt_attack_t *b)
{
    if (!a->events || b->started_at < a->started_at) {
        a->started_at = b->started_at;
    }
    if (!a->events || state_compare(b, a) > 0) {
        a->open = b->open;
        a->ended_by = b->ended_by;
        a->ended_at = b->ended_at;
        a->episode_at = b->episode_at;
        a->last_at = b->last_at;
    }
    a->episodes += b->episodes;
    a->events += b->events;
}

void cfmt_attack_join(cfmt_attack_t *a, const cfmt_attack_t *b, apr_pool_t *p)
{
    join_state(a, b);
    if (!a->account && b->account) {
        a->account = apr_pstrdup(p, b->account);
    }
    a->ours |= b->ours;
    if (b->scope == CFMT_EFFECT_NETWORK) {
        a->scope = CFMT_EFFECT_NETWORK;
    }
    a->targets_cut |= b->targets_cut;
    a->targets_cut |= add_all(a->targets, b->targets, CFMT_ATTACK_TARGETS_MAX, p);
    a->target_missing |= b->target_missing;
    a->rule_only |= b->rule_only;
    add_all(a->vectors, b->vectors, CFMT_ATTACK_TEXTS_MAX, p);
    add_all(a->protocols, b->protocols, CFMT_ATTACK_TEXTS_MAX, p);
    add_all(a->rules, b->rules, CFMT_ATTACK_TEXTS_MAX, p);
    add_all(a->alert_types, b->alert_types, CFMT_ATTACK_TEXTS_MAX, p);
    lift_peak(&(peak_t){ &a->peak_pps, &a->peak_pps_at, &a->peak_pps_by }, b->peak_pps,
              b->peak_pps_at, b->peak_pps_by);
    lift_peak(&(peak_t){ &a->peak_bps, &a->peak_bps_at, &a->peak_bps_by }, b->peak_bps,
              b->peak_bps_at, b->peak_bps_by);
    lift(&a->peak_rps, b->peak_rps);
}
