/*
 * Ambushes: what else happens to a prefix in the very moment in which its withdrawal is looked for
 * a last time, is ordered, or is called for. By chance that would take years.
 */
#include <apr_strings.h>

#include "engine/scene.h"
#include "model.h"

#define STRIKES 20 /* of one: whoever reloads at each last look is never done */

enum { AT_LOOK, AT_ORDER, AT_CALL, MOMENTS }; /* how % MOMENTS */

typedef struct trap_t {
    apr_time_t looked_at[2]; /* the last look of each node that was seen, by our clock */
    apr_time_t watch;        /* an order may come until then */
    apr_int64_t order;       /* the last one */
    int wait;                /* so many transactions yet */
} trap_t;

static trap_t traps[PREFIXES];
static apr_time_t ordered_at; /* operators do not give orders in each round */

void ambush_begin(void)
{
    int i;

    ordered_at = 0;
    for (i = 0; i < PREFIXES; i++) {
        traps[i] = (trap_t){ .order = 0 };
    }
}

static void spring(void *arg)
{
    world_event(arg);
}

/* An event of another kind. Those that touch processes come when none of them is at work. */
static void strike(const ev_t *ev)
{
    static const struct {
        ev_kind_e kind;
        int how;
    } what[] = {
        { EV_ATTACK, ATTACK_L4 | ATTACK_AT_ONCE }, { EV_ATTACK, ATTACK_DOSD | ATTACK_AT_ONCE },
        { EV_COMMAND, O_HOLD_FOR },            { EV_COMMAND, O_WINDOW },
        { EV_STATE, -1 },                          { EV_EXTERNAL, 0 },
        { EV_CONFIG, 0 },                          { EV_JUMP, -1 },
    };
    int i = ev->how / MOMENTS % (int)(sizeof(what) / sizeof(what[0]));
    rnd_t r = { rnd_mix(ev->salt, ev->count) };
    ev_t *other = apr_pmemdup(m.pool, ev, sizeof(*ev));

    if ((what[i].kind == EV_JUMP && m.now - m.jumped_at < HOUR)
        || (what[i].kind == EV_COMMAND && m.now - ordered_at < MIN)) {
        return;
    }
    ordered_at = what[i].kind == EV_COMMAND ? m.now : ordered_at;
    other->kind = what[i].kind;
    other->how = what[i].how >= 0 ? what[i].how : (int)rnd_below(&r, 6);
    other->len = rnd_span(&r, 2 * MIN, 12 * MIN);
    other->salt = rnd_next(&r) / 10 * 10; /* a window that begins now */
    other->count = 0;
    trace("ambush by event %d", ev->id);
    if (other->kind == EV_CONFIG || other->kind == EV_JUMP) {
        agenda_add(m.now, spring, other);
    }
    else {
        world_event(other);
    }
}

static void come(int prefix, int moment)
{
    ev_t *ev = world_strikes(EV_AMBUSH, prefix, (0x249249 << moment) & 0xffffff);

    if (ev && ev->struck < STRIKES) {
        ev->struck++;
        strike(ev);
    }
}

static int is_set(int prefix)
{
    int i;

    for (i = 0; i < m.w.active->nelts; i++) {
        const ev_t *ev = APR_ARRAY_IDX(m.w.active, i, ev_t *);

        if (ev->kind == EV_AMBUSH && ev->prefix == prefix) {
            return 1;
        }
    }
    return 0;
}

/* Behind a round of this process. */
void ambush_round(node_t *n)
{
    int i;

    for (i = 0; m.w.ambushes && n->e && i < PREFIXES; i++) {
        apr_time_t at, *last = &traps[i].looked_at[n - m.node];

        if (!is_set(i)) {
            continue;
        }
        at = cfmt_scene_memory(n->e, &m.w.prefix[i].cidr)->look_at;
        if (at && at != *last) {
            *last = at;
            traps[i].watch = m.now + SEC(30);
            come(i, AT_LOOK);
        }
    }
}

/* Before a transaction of it: what is ordered, and not called for yet. */
void ambush_write(void)
{
    int i;

    for (i = 0; m.w.ambushes && i < PREFIXES; i++) {
        trap_t *t = &traps[i];
        apr_int64_t id;

        if (t->watch < m.now) {
            continue;
        }
        id = eye_int("SELECT id FROM intent WHERE prefix = '%s' AND want = 0 AND who = 'policy'"
                     " AND state = 'requested'", m.w.prefix[i].text);
        if (id && id != t->order) {
            t->order = id;
            t->wait = (int)(rnd_mix(m.seed, (apr_uint64_t)id) % 5);
        }
        if (id && t->wait-- == 0) {
            come(i, AT_ORDER);
        }
    }
}

static void call_came(void *arg)
{
    come((int)((prefix_t *)arg - m.w.prefix), AT_CALL);
}

void ambush_call(prefix_t *p)
{
    rnd_t r = { rnd_mix(m.seed, (apr_uint64_t)m.now) };

    if (m.w.ambushes) {
        agenda_add(m.now + rnd_span(&r, 0, 40 * 1000) * 1000, call_came, p);
    }
}
