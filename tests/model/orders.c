/*
 * Operators: the commands they give, what they were answered, and what that forbids the policy.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "model.h"

typedef struct order_t {
    order_e what;
    int number, prefix;    /* < 0: every one */
    apr_int64_t row, id;
    apr_time_t from, to;
    int answered;
} order_t;

typedef struct window_t {
    int order, prefix;
    apr_time_t from, to;
} window_t;

static apr_array_header_t *orders, *windows; /* order_t, window_t */
static int open_orders;
static apr_time_t held[PREFIXES][2];         /* until; by hand, by advertising; 0 = not */
static apr_time_t adopted[PREFIXES];
static apr_time_t approved[PREFIXES][2];     /* to withdraw, to advertise */

void orders_begin(void)
{
    orders = apr_array_make(m.pool, 64, sizeof(order_t));
    windows = apr_array_make(m.pool, 16, sizeof(window_t));
    open_orders = 0;
    memset(held, 0, sizeof(held));
    memset(adopted, 0, sizeof(adopted));
    memset(approved, 0, sizeof(approved));
}

/* ---- giving ---------------------------------------------------------------------------------- */

static const char *body_of(const order_t *o, apr_pool_t *p)
{
    static const char *const names[] = {
        "advertise", "withdraw", "withdraw", "hold", "hold", "release", "adopt", "window.add",
        "window.remove", "cancel", "approve", "deny", "attack.close", "ack"
    };
    const char *head = apr_psprintf(p, "{\"command\":\"%s\",\"prefix\":\"%s\"", names[o->what],
                                    o->prefix < 0 ? "*" : m.w.prefix[o->prefix].text);

    switch (o->what) {
    case O_OVERRIDE:
        return apr_pstrcat(p, head, ",\"override\":true}", NULL);
    case O_HOLD_FOR:
        return apr_psprintf(p, "%s,\"for\":%" APR_TIME_T_FMT "}", head, 30 * MIN);
    case O_WINDOW:
        return apr_psprintf(p, "%s,\"from\":%" APR_TIME_T_FMT ",\"to\":%" APR_TIME_T_FMT "}", head,
                            o->from, o->to);
    case O_WINDOW_END:
    case O_CANCEL:
    case O_APPROVE:
    case O_DENY:
    case O_ACK:
        return apr_psprintf(p, "{\"command\":\"%s\",\"id\":%" APR_INT64_T_FMT "}", names[o->what],
                            o->id);
    case O_CLOSE:
        return apr_psprintf(p, "{\"command\":\"attack.close\",\"id\":\"adv-%" APR_INT64_T_FMT "\"}",
                            o->id);
    default:
        return apr_pstrcat(p, head, "}", NULL);
    }
}

static void give(order_e what, int prefix, apr_int64_t id, apr_time_t from, apr_time_t to)
{
    order_t *o = apr_array_push(orders);
    apr_pool_t *p;

    *o = (order_t){ .what = what, .number = orders->nelts, .prefix = prefix, .id = id,
                    .from = from, .to = to };
    apr_pool_create(&p, m.pool);
    trace("operator %d: %s", o->number, body_of(o, p));
    o->row = eye_append("command", apr_psprintf(p, "user op%d", o->number), body_of(o, p), 0);
    apr_pool_destroy(p);
    o->answered = what == O_CLOSE; /* by the projection, which nobody asks */
    open_orders += !o->answered;
    node_wake(&m.node[0]);
    node_wake(&m.node[1]);
}

static void give_by_id(order_e what, int prefix)
{
    apr_int64_t id = eye_int(what == O_CANCEL
                                 ? "SELECT max(id) FROM intent WHERE settled_at IS NULL"
                             : what == O_WINDOW_END
                                 ? "SELECT max(id) FROM window WHERE removed_at IS NULL"
                                 : "SELECT min(id) FROM proposal WHERE decided_at IS NULL");

    if (id) {
        give(what, prefix, id, 0, 0);
    }
}

/* The newest one without a target that is as old. */
static void close_attack(apr_interval_time_t age)
{
    int i;

    for (i = m.w.attacks->nelts - 1; i >= m.w.first; i--) {
        attack_t *a = APR_ARRAY_IDX(m.w.attacks, i, attack_t *);

        if (a->ev->how & ATTACK_NO_TARGET && (a->reported || a->start_shown)
            && m.now - a->from > age
            && (!a->closed_at || (a->closed_behind && !m.off))) { /* it did not help: once more */
            a->closed_at = m.now;
            a->closed_behind = m.off < 0;
            give(O_CLOSE, a->ev->prefix, a->number, 0, 0);
            return;
        }
    }
}

void orders_give(ev_t *ev)
{
    apr_time_t from = model_clock() + (apr_interval_time_t)(ev->salt % 10) * MIN;

    switch (ev->how) {
    case O_WINDOW:
        give(O_WINDOW, ev->salt & 1024 ? ev->prefix : -1, 0, from, from + ev->len);
        break;
    case O_WINDOW_END:
    case O_CANCEL:
    case O_APPROVE:
    case O_DENY:
        give_by_id((order_e)ev->how, ev->prefix);
        break;
    case O_CLOSE:
        close_attack(0);
        break;
    default:
        give((order_e)ev->how, ev->prefix, 0, 0, 0);
        break;
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static apr_time_t number_in(const char *body, const char *name)
{
    const char *at = strstr(body, name);

    return at ? apr_atoi64(at + strlen(name)) : 0;
}

static void end_windows(apr_int64_t id)
{
    apr_pool_t *p;
    const char *text;
    int i;

    apr_pool_create(&p, m.pool);
    for (i = 0; i < windows->nelts; i++) { /* by who added it */
        window_t *w = &APR_ARRAY_IDX(windows, i, window_t);

        text = eye_text(apr_psprintf(p, "SELECT who FROM window WHERE id = %" APR_INT64_T_FMT, id),
                        p);
        if (text && !strcmp(text, apr_psprintf(p, "user op%d", w->order))) {
            w->to = 0;
        }
    }
    apr_pool_destroy(p);
}

static void approve(apr_int64_t id)
{
    apr_pool_t *p;
    const char *text;
    int i;

    apr_pool_create(&p, m.pool);
    text = eye_text(apr_psprintf(p, "SELECT want || ' ' || prefix FROM proposal WHERE id = %"
                                 APR_INT64_T_FMT, id), p);
    for (i = 0; text && i < PREFIXES; i++) {
        if (!strcmp(text + 2, m.w.prefix[i].text)) {
            approved[i][*text == '1'] = model_clock();
        }
    }
    apr_pool_destroy(p);
}

static void take_effect(const order_t *o, const char *body)
{
    apr_time_t at = number_in(body, "\"at\":");

    switch (o->what) {
    case O_ADVERTISE:
        held[o->prefix][1] = APR_INT64_MAX;
        break;
    case O_HOLD:
    case O_HOLD_FOR:
        held[o->prefix][0] = at ? at : APR_INT64_MAX; /* in the place of the one before */
        break;
    case O_RELEASE:
        held[o->prefix][0] = held[o->prefix][1] = 0;
        break;
    case O_ADOPT:
        adopted[o->prefix] = eye_int(
            "SELECT max(advertised_at) FROM adoption WHERE prefix = '%s'",
            m.w.prefix[o->prefix].text);
        break;
    case O_WINDOW:
        APR_ARRAY_PUSH(windows, window_t) = (window_t){ .order = o->number, .prefix = o->prefix,
                                                        .from = o->from, .to = o->to };
        break;
    case O_WINDOW_END:
        end_windows(o->id);
        break;
    case O_ACK:
        heard_acked(apr_psprintf(m.pool, "user op%d", o->number), o->id);
        break;
    case O_APPROVE:
        approve(o->id);
        break;
    default:
        break;
    }
}

void orders_look(void)
{
    apr_pool_t *p;
    int i, left = open_orders;

    if (!left) {
        return;
    }
    for (i = orders->nelts; i > 0 && left > 0; i--) {
        left -= !APR_ARRAY_IDX(orders, i - 1, order_t).answered;
    }
    apr_pool_create(&p, m.pool);
    for (; i < orders->nelts; i++) { /* in the order in which they took effect */
        order_t *o = &APR_ARRAY_IDX(orders, i, order_t);
        const char *body;

        if (o->answered) {
            continue;
        }
        body = eye_text(apr_psprintf(p, "SELECT body FROM journal WHERE id > %" APR_INT64_T_FMT
                                     " AND kind = 'result' AND tag = 'command %" APR_INT64_T_FMT
                                     "'", o->row, o->row), p);
        if (body) {
            o->answered = 1;
            open_orders--;
            trace("answer to operator %d: %s", o->number, body);
            if (!strstr(body, "\"failed\"") && !strstr(body, "\"refused\"")) {
                take_effect(o, body);
            }
        }
    }
    apr_pool_destroy(p);
}

/* ---- what follows ---------------------------------------------------------------------------- */

const char *orders_forbid(const prefix_t *p, apr_time_t now)
{
    int i;

    for (i = 0; i < PREFIXES; i++) {
        if (cfmt_cidr_contains(&m.w.prefix[i].cidr, &p->cidr)
            && (held[i][0] > now || held[i][1] > now)) {
            return "it is held";
        }
    }
    for (i = 0; i < windows->nelts; i++) {
        const window_t *w = &APR_ARRAY_IDX(windows, i, window_t);

        if (w->from <= now && now < w->to
            && (w->prefix < 0 || cfmt_cidr_contains(&m.w.prefix[w->prefix].cidr, &p->cidr))) {
            return "it is in a maintenance window";
        }
    }
    return NULL;
}

int orders_adopted(const prefix_t *p, apr_time_t changed)
{
    return adopted[p - m.w.prefix] == changed;
}

apr_time_t orders_approved(const prefix_t *p, int want)
{
    return approved[p - m.w.prefix][want];
}

int orders_gave(const char *who, int want, const prefix_t *p)
{
    int number = strncmp(who, "user op", 7) ? 0 : atoi(who + 7);
    const order_t *o;

    if (number < 1 || number > orders->nelts) {
        return 0;
    }
    o = &APR_ARRAY_IDX(orders, number - 1, order_t);
    return (o->what == O_APPROVE && want)
           || (o->prefix == p - m.w.prefix
               && (want ? o->what == O_ADVERTISE
                        : o->what == O_WITHDRAW || o->what == O_OVERRIDE));
}

/* ---- routine --------------------------------------------------------------------------------- */

static void answer_proposal(void)
{
    apr_int64_t id = eye_int("SELECT max(id) FROM proposal WHERE decided_at IS NULL");
    rnd_t r = { rnd_mix(m.seed, (apr_uint64_t)id) };

    if (id && rnd_chance(&r, 70)) {
        give(rnd_chance(&r, 80) ? O_APPROVE : O_DENY, 0, id, 0, 0);
    }
}

/* Somebody has read all that is critical, or one of it. */
static void acknowledge(rnd_t *r)
{
    apr_int64_t id = eye_int("SELECT max(id) FROM outbox WHERE priority = 0 AND acked_at IS NULL");

    if (id && rnd_chance(r, 30)) {
        give(O_ACK, 0, rnd_chance(r, 50) ? 0 : id, 0, 0);
    }
}

/* Nobody lets a hold, or what is advertised for nothing, stand for ever. */
void orders_routine(void)
{
    rnd_t r = { rnd_mix(m.seed, (apr_uint64_t)m.now) };
    int i;

    answer_proposal();
    if (rnd_chance(&r, 10)) { /* with attacks each day it does not time out */
        close_attack(26 * HOUR);
    }
    for (i = 0; i < PREFIXES; i++) {
        const prefix_t *p = &m.w.prefix[i];
        int is_held = held[i][0] > model_clock() || held[i][1] > model_clock();

        if (is_held && rnd_chance(&r, 15)) {
            give(O_RELEASE, i, 0, 0, 0);
        }
        else if (p->now.on && m.now - p->now.at > 3 * HOUR && !is_held && rnd_chance(&r, 10)) {
            give(rnd_chance(&r, 60) ? O_ADOPT : O_WITHDRAW, i, 0, 0, 0);
        }
    }
    acknowledge(&r);
}
