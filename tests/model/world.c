/*
 * The truth: prefixes, who changed them, which way their traffic goes, which attacks there are.
 */
#include <string.h>

#include <apr_strings.h>

#include "model.h"

#define WARM (2 * MIN)

const char *const parent_ids[PARENTS] = {
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa00", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa01",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa02",
};

/* The third is not on demand, and lies inside the second; the sixth lies inside the fifth. */
static const prefix_t prefixes[PREFIXES] = {
    { .text = "198.51.100.0/24", .options = "withdraw=auto advertise=auto" },
    { .text = "192.0.2.0/24", .options = "withdraw=auto advertise=manual" },
    { .text = "203.0.113.0/24", .parent = 1,
      .options = "withdraw=auto advertise=auto passed-pps=3000", .passed = 3000 },
    { .text = "203.0.113.128/25", .parent = 1, .options = "withdraw=auto", .enabled = -1,
      .never = 1 },
    { .text = "2001:db8::/32", .parent = 1, .options = "withdraw=auto advertise=auto" },
    { .text = "198.18.0.0/23", .parent = 2, .options = "withdraw=auto advertise=auto" },
    { .text = "198.18.1.0/24", .parent = 2, .options = "withdraw=auto advertise=auto pps=5000",
      .pps = 5000 },
    { .text = "100.64.8.0/24", .options = "withdraw=propose advertise=auto" },
    { .text = "100.64.9.0/24", .parent = 2, .options = "withdraw=auto advertise=auto idle=calm",
      .idle_calm = 1 },
};

/* ---- prefixes -------------------------------------------------------------------------------- */

static void begin_prefix(prefix_t *p, int i)
{
    *p = prefixes[i];
    (void)cfmt_cidr_parse(&p->cidr, NULL, p->text);
    p->id = apr_psprintf(m.pool, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb%02x", i);
    p->pps = p->pps > 0 ? p->pps : 2000;
    p->now = (change_t){ .at = m.now - DAY, .by = BY_NOBODY };
    p->obstructed = p->barred = m.now;
}

/* In some worlds the policy may not take one back, or not advertise one. */
static void begin_options(rnd_t *r)
{
    static const int of[] = { 0, 4, 5 };
    int i;

    for (i = 0; i < 3; i++) {
        int how = (int)rnd_below(r, 8);

        m.w.prefix[of[i]].options = how == 0   ? "withdraw=manual advertise=auto"
                                    : how == 1 ? "withdraw=auto advertise=manual"
                                               : m.w.prefix[of[i]].options;
    }
    for (i = 0; i < PREFIXES; i++) {
        m.w.prefix[i].usual = m.w.prefix[i].options;
    }
}

void world_begin(apr_uint64_t seed, int profile)
{
    rnd_t r = { rnd_mix(seed, 2) };
    int i;

    memset(&m.w, 0, sizeof(m.w));
    for (i = 0; i < PREFIXES; i++) {
        begin_prefix(&m.w.prefix[i], i);
    }
    m.w.attacks = apr_array_make(m.pool, 64, sizeof(attack_t *));
    m.w.active = apr_array_make(m.pool, 16, sizeof(ev_t *));
    m.w.legit = !rnd_chance(&r, profile == 2 ? 30 : 10);
    m.w.page = rnd_chance(&r, 20) ? 100 : 10000;
    m.w.upstream_bad = m.now;
    begin_options(&r);
}

/* Routers follow: 2 to 7 minutes after an announcement, up to 15 after a withdrawal. */
void world_change(prefix_t *p, int on, by_e by, const change_t *how)
{
    rnd_t r = { rnd_mix(m.seed, (apr_uint64_t)m.now) };
    change_t c = { .at = m.now / APR_USEC_PER_SEC * APR_USEC_PER_SEC, .on = on, .by = by };
    switch_t *s;

    if (p->now.on == on) {
        return;
    }
    if (how) {
        c.intent = how->intent;
        apr_cpystrn(c.cause, how->cause, sizeof(c.cause));
        apr_cpystrn(c.who, how->who, sizeof(c.who));
    }
    if (on && by != BY_US) {
        oracle_undone(p);
    }
    p->now = c;
    if (p->switches == SWITCHES) {
        memmove(p->routed, p->routed + 1, sizeof(p->routed[0]) * (SWITCHES - 1));
        p->switches--;
    }
    s = &p->routed[p->switches++];
    s->at = m.now + (on ? rnd_span(&r, 2 * MIN, 7 * MIN) : rnd_span(&r, 5 * MIN, 15 * MIN));
    s->on = on;
    trace("truth: %s is %s by %s", p->text, on ? "advertised" : "withdrawn",
          by == BY_US ? "us" : by == BY_CLOUDFLARE ? "Cloudflare" : "others");
}

int world_routed(const prefix_t *p, apr_time_t at)
{
    int i;

    for (i = p->switches - 1; i >= 0; i--) {
        if (p->routed[i].at <= at) {
            return p->routed[i].on;
        }
    }
    return 0;
}

/* ---- what lasts ------------------------------------------------------------------------------ */

ev_t *world_strikes(ev_kind_e kind, int prefix, int mask)
{
    int i;

    for (i = 0; i < m.w.active->nelts; i++) {
        ev_t *ev = APR_ARRAY_IDX(m.w.active, i, ev_t *);
        rnd_t r = { 0 };

        if (ev->kind != kind || (prefix >= 0 && ev->prefix != prefix)
            || !(1 << ev->how & mask)) {
            continue;
        }
        r.state = rnd_mix(ev->salt, ++ev->count);
        if (rnd_chance(&r, ev->chance)) {
            return ev;
        }
    }
    return NULL;
}

static void obstruct(prefix_t *p, apr_time_t until)
{
    p->obstructed = until > p->obstructed ? until : p->obstructed;
}

/* It is the parent that is not approved. */
static void bar(const prefix_t *p, int all, apr_time_t until)
{
    int i;

    for (i = 0; i < PREFIXES; i++) {
        prefix_t *q = &m.w.prefix[i];

        if (q == p || (all && q->parent == p->parent)) {
            obstruct(q, until + 18 * MIN);
            q->barred = until > q->barred ? until : q->barred;
        }
    }
}

static void set_state(const ev_t *ev, int by)
{
    prefix_t *p = &m.w.prefix[ev->prefix];

    switch (ev->how) {
    case 0:
        p->locked += by;
        break;
    case 1:
        p->enabled -= by;
        break;
    case 2:
        p->bgp += by;
        break;
    case 3:
        p->approved -= by;
        break;
    case 4:
        m.w.unlisted[p->parent] += by;
        break;
    default:
        p->missing += by;
        break;
    }
    bar(p, ev->how == 3 || ev->how == 4, m.now + ev->len + 2 * MIN);
}

static void over(void *arg)
{
    ev_t *ev = arg;
    int i, n = 0;

    for (i = 0; i < m.w.active->nelts; i++) {
        if (APR_ARRAY_IDX(m.w.active, i, ev_t *) != ev) {
            APR_ARRAY_IDX(m.w.active, n++, ev_t *) = APR_ARRAY_IDX(m.w.active, i, ev_t *);
        }
    }
    m.w.active->nelts = n;
    m.w.ambushes -= ev->kind == EV_AMBUSH;
    if (ev->kind == EV_STATE) {
        set_state(ev, -1);
    }
    else if (ev->kind == EV_TWO) {
        node_stop(&m.node[1], ev->how & 1);
    }
}

/* What is late comes late; a limit lasts five minutes, a refused token fifteen. */
static void spoil_until(apr_time_t bad)
{
    m.w.upstream_bad = bad > m.w.upstream_bad ? bad : m.w.upstream_bad;
}

/* A token that one change was refused with may be taken for a bad one. */
void world_hinder(prefix_t *p, const ev_t *ev)
{
    bar(p, 0, m.now + 20 * MIN);
    if (ev->how == 8) {
        spoil_until(m.now + 20 * MIN);
    }
}

static void last(ev_t *ev)
{
    APR_ARRAY_PUSH(m.w.active, ev_t *) = ev;
    agenda_add(m.now + ev->len, over, ev);
    if (ev->kind == EV_FAULT || ev->kind == EV_ANALYTICS) {
        spoil_until(m.now + ev->len + 20 * MIN);
    }
    m.w.ambushes += ev->kind == EV_AMBUSH;
    if (ev->kind == EV_STATE) {
        set_state(ev, 1);
    }
    if (ev->kind == EV_ORIGIN) {
        obstruct(&m.w.prefix[ev->prefix], m.now + ev->len + 3 * MIN);
    }
}

/* ---- attacks --------------------------------------------------------------------------------- */

/* Waves: six minutes of each ten. The first and the last minute are whole here. */
double attack_pps(const attack_t *a, apr_time_t minute)
{
    if (minute < a->from || minute >= a->to) {
        return 0;
    }
    return a->ev->how & ATTACK_WAVES && (minute - a->from) / MIN % 10 >= 6 ? 0 : a->pps;
}

int attack_is_on(const attack_t *a, const prefix_t *p)
{
    return cfmt_cidr_contains(&p->cidr, &a->target) || cfmt_cidr_contains(&a->target, &p->cidr);
}

attack_t *world_attack(int number)
{
    return number >= 0 && number < m.w.attacks->nelts
               ? APR_ARRAY_IDX(m.w.attacks, number, attack_t *) : NULL;
}

static void advertise_by_itself(void *arg)
{
    attack_t *a = arg;
    prefix_t *p = &m.w.prefix[a->ev->prefix];

    if (p->now.on || p->locked || p->enabled < 0 || p->bgp || p->approved < 0
        || m.now - p->now.at < 15 * MIN) {
        return;
    }
    world_change(p, 1, BY_CLOUDFLARE, NULL);
    alerts_advertised(p, m.now);
}

static void choose_target(attack_t *a, const prefix_t *p)
{
    a->target = p->cidr;
    if (!(a->ev->how & ATTACK_WIDE)) {
        a->target.bits = a->target.family == 4 ? 32 : 128;
        a->target.addr[a->target.family == 4 ? 3 : 15] |= (unsigned char)(1 + a->ev->salt % 100);
    }
    a->target_text = cfmt_cidr_format(m.pool, &a->target);
}

static void begin_attack(ev_t *ev)
{
    attack_t *a = apr_pcalloc(m.pool, sizeof(*a));
    prefix_t *p = &m.w.prefix[ev->prefix];
    rnd_t r = { rnd_mix(ev->salt, 3) };

    a->ev = ev;
    a->number = m.w.attacks->nelts;
    a->from = m.now - m.now % MIN;
    a->to = a->from + (ev->len / MIN + 1) * MIN;
    a->pps = ev->how & ATTACK_LOW ? p->pps * 0.7 : p->pps * (double)rnd_span(&r, 3, 200);
    a->bps = a->pps * 512;
    if (ev->how & ATTACK_BITS) {
        a->pps = 0.3 * p->pps;
        a->bps = ev->how & ATTACK_LOW ? 14e6 : 400e6;
    }
    a->passes = ev->how & ATTACK_PASSES && p->passed > 0;
    choose_target(a, p);
    APR_ARRAY_PUSH(m.w.attacks, attack_t *) = a;
    m.attacks++;
    trace("truth: attack %d on %s until %s, %.0f pps", a->number, a->target_text,
          cfmt_time_format(m.pool, a->to), a->pps);
    alerts_of(a);
    if (ev->how & ATTACK_AUTO) {
        agenda_add(m.now + rnd_span(&r, 30, 240) * APR_USEC_PER_SEC, advertise_by_itself, a);
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

static void set_clock(apr_interval_time_t off)
{
    int i;

    m.off = off;
    m.jumped_at = m.now;
    for (i = 0; i < NODES; i++) {
        m.node[i].until = m.node[i].deaf = 0; /* the runner notices */
    }
}

static void set_right(void *arg)
{
    (void)arg;
    if (m.off) {
        set_clock(0);
    }
}

static void change_clock(const ev_t *ev)
{
    static const apr_interval_time_t by[] = { SEC(6), -SEC(7), MIN, -3 * MIN, 2 * HOUR, -2 * HOUR };

    if (m.jumped_at == m.now) { /* there and back in one moment: that is no jump */
        return;
    }
    set_clock(m.off ? 0 : by[ev->how]);
    if (m.years) { /* the next jump may be weeks away */
        agenda_add(m.now + 4 * HOUR, set_right, NULL);
    }
}

static void start_again(void *arg)
{
    (void)arg;
    m.down = 0;
    m.leaderless = m.now;
    if (!m.node[0].e) {
        node_start(&m.node[0]);
    }
}

static void stop_server(const ev_t *ev)
{
    if (m.down) {
        return;
    }
    m.down = 1;
    node_stop(&m.node[0], 1);
    node_stop(&m.node[1], 1);
    agenda_add(m.now + ev->len, start_again, NULL);
}

static void reload(void)
{
    int led = m.node[0].e || m.node[1].e;

    m.conf_at = m.now;
    node_stop(&m.node[0], 1);
    node_stop(&m.node[1], 1);
    if (led && !m.down) { /* else with the next start */
        node_start(&m.node[0]);
    }
}

/* The mode, or one prefix's options, for a while. */
static void restore(void *arg)
{
    const ev_t *ev = arg;

    m.conf.enforce = 1;
    m.w.prefix[ev->prefix].options = m.w.prefix[ev->prefix].usual;
    reload();
}

static void change_configuration(ev_t *ev)
{
    rnd_t r = { rnd_mix(ev->salt, 4) };

    switch (ev->how) {
    case 0:
        m.conf.enforce = 0;
        agenda_add(m.now + ev->len, restore, ev);
        break;
    case 1:
        m.conf.calm = rnd_span(&r, 10, 20) * MIN;
        break;
    case 2:
        m.conf.poll = (m.years ? 10 : 1) * (rnd_chance(&r, 70) ? MIN : 2 * MIN);
        break;
    case 3:
        m.conf.check = !m.conf.check;
        break;
    case 4:
        m.conf.min_advertised = rnd_chance(&r, 50) ? 15 * MIN : 20 * MIN;
        break;
    default:
        m.w.prefix[ev->prefix].options = "withdraw=manual advertise=manual";
        agenda_add(m.now + ev->len, restore, ev);
        break;
    }
    reload();
}

void world_event(ev_t *ev)
{
    prefix_t *p = &m.w.prefix[ev->prefix];
    node_t *victim;

    trace("%s", plan_show(ev, m.pool));
    switch (ev->kind) {
    case EV_ATTACK:
        begin_attack(ev);
        break;
    case EV_EXTERNAL:
        if (p->enabled == 0 && m.now - p->now.at > WARM) {
            world_change(p, ev->how, BY_OTHERS, NULL);
        }
        break;
    case EV_CRASH:
        victim = &m.node[m.node[1].e && ev->salt & 64];
        victim->crash_in = 1 + (int)(ev->salt % 12);
        victim->crash_for = ev->len;
        break;
    case EV_STOP:
        stop_server(ev);
        break;
    case EV_JUMP:
        change_clock(ev);
        break;
    case EV_COMMAND:
        orders_give(ev);
        break;
    case EV_TWO:
        if (!m.down && m.node[0].e && !m.node[1].e) {
            node_start(&m.node[1]);
            last(ev);
        }
        break;
    case EV_CONFIG:
        change_configuration(ev);
        break;
    default:
        last(ev);
        break;
    }
}
