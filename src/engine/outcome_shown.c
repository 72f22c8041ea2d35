/*
 * The decision about a prefix as it is stored and shown: written when something of it has changed
 * that people want to know, not because time goes by.
 */
#include <string.h>

#include <apr_strings.h>

#include "decide.h"

#define RENEWED apr_time_from_sec(60) /* the ages in it, where it matters how old they are */

/* ---- gates that are shut --------------------------------------------------------------------- */

/*
 * Gates that are shut for moments while others are, each time anew, or because a leader has begun:
 * no change that matters.
 */
static int is_momentary(const cfmt_gate_t *g)
{
    return g->id == CFMT_GATE_FRESH || g->id == CFMT_GATE_PROJECTED || g->id == CFMT_GATE_LAST_LOOK
           || (g->id == CFMT_GATE_CLOCK && (cfmt_gate_open(g) || !strcmp(g->reason, "begun")));
}

static unsigned red_gates(const cfmt_decision_t *d)
{
    unsigned red = 0, momentary = 0;
    int i;

    for (i = 0; i < CFMT_GATES; i++) {
        if (!cfmt_gate_open(&d->gates[i])) {
            *(is_momentary(&d->gates[i]) ? &momentary : &red) |= 1u << i;
        }
    }
    return red ? red : momentary;
}

static const char *red_names(unsigned red, apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; i < CFMT_GATES; i++) {
        if (red & 1u << i) {
            text = apr_pstrcat(p, text, *text ? "," : "", cfmt_gate_name((cfmt_gate_e)i), NULL);
        }
    }
    return text;
}

/* ---- whether anything has changed ------------------------------------------------------------ */

/* FNV-1a, 64 bits. */
static void mix(apr_uint64_t *h, const void *data, apr_size_t len)
{
    const unsigned char *byte = data;

    while (len-- > 0) {
        *h = (*h ^ *byte++) * APR_UINT64_C(0x100000001b3);
    }
}

static void mix_int(apr_uint64_t *h, apr_int64_t n)
{
    mix(h, &n, sizeof(n));
}

static void mix_text(apr_uint64_t *h, const char *text)
{
    mix(h, text ? text : "", text ? strlen(text) + 1 : 0);
}

/* What may change at once is said to change in a moment, each time anew. */
static void mix_time(apr_uint64_t *h, apr_time_t t, apr_time_t now)
{
    mix_int(h, t > now && t - now <= APR_USEC_PER_SEC ? 1 : t);
}

/* No ages and no `now`: they change with each look. */
static void mix_gate(apr_uint64_t *h, const cfmt_gate_t *g, apr_time_t now)
{
    if (is_momentary(g)) {
        return;
    }
    mix_int(h, g->light);
    mix_text(h, g->reason);
    mix_text(h, g->text);
    mix_int(h, g->threshold);
    mix_time(h, g->next, now);
    mix_int(h, g->figure == CFMT_FIGURE_COUNT ? g->value : 0);
}

static apr_uint64_t digest_of(const cfmt_outcome_t *o, unsigned red)
{
    apr_uint64_t h = APR_UINT64_C(0xcbf29ce484222325);
    int i;

    for (i = 0; i < CFMT_GATES; i++) {
        mix_gate(&h, &o->d.gates[i], o->c.now);
    }
    mix_int(&h, red);
    mix_int(&h, o->d.action);
    mix_time(&h, o->d.earliest, o->c.now);
    mix_int(&h, o->d.orphan);
    mix_int(&h, o->row->b.advertised);
    mix_int(&h, o->standing.cause.kind);
    mix_int(&h, o->standing.cause.at);
    mix_int(&h, o->a.action);
    mix_text(&h, o->a.reason);
    mix_text(&h, o->a.attack);
    mix_int(&h, o->a.at);
    return h;
}

/* ---- the row --------------------------------------------------------------------------------- */

/*
 * Where the program has said no, it is asked again each minute, and what was read is read anew: as
 * long as nothing comes of it, that is no other verdict, or each day would fill the journal.
 */
static cfmt_do_e verdict_of(const cfmt_decision_t *d)
{
    const cfmt_gate_t *origin = &d->gates[CFMT_GATE_ORIGIN];
    int again = !cfmt_gate_open(origin) && strcmp(origin->reason, "not_asked");

    return again && (d->action == CFMT_DO_READ || d->action == CFMT_DO_CHECK) ? CFMT_DO_STAY
                                                                              : d->action;
}

/* With these and the journal it can be made again: replay.c. */
static const char *used_by(const cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    const cfmt_used_t u = { .config = sc->config,
                            .skew = sc->rest.skew, .c = o->c };

    return cfmt_used_encode(&u, sc->p);
}

static cfmt_decision_row_t *make_row(const cfmt_outcome_t *o, const cfmt_scene_t *sc, unsigned red)
{
    cfmt_decision_row_t *row = apr_pcalloc(sc->p, sizeof(*row));
    int on = o->row->b.advertised == 1;

    row->prefix = o->row->b.cidr;
    row->at = sc->now;
    row->verdict = on ? cfmt_do_name(verdict_of(&o->d)) : cfmt_advertise_name(o->a.action);
    row->red = on ? red_names(red, sc->p) : o->a.reason;
    row->next_at = on ? o->d.next : o->a.next;
    row->used = used_by(o, sc);
    row->gates = cfmt_decision_encode(&o->d, &o->a, &o->standing.cause, o->text,
                                      o->advertise_text, sc->p);
    return row;
}

void cfmt_outcome_show(cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    const cfmt_memory_t *m = cfmt_scene_memory(sc->e, &o->row->b.cidr);
    apr_interval_time_t least = cfmt_clock_span(sc->e->conf.clock, APR_USEC_PER_SEC);
    apr_interval_time_t age = sc->now - m->written_at;
    int matters = o->row->b.advertised == 1 || o->a.exposed;
    unsigned red = red_gates(&o->d);
    int written;

    o->digest = digest_of(o, red);
    written = o->digest == m->written
              && !(matters && (age < 0 || age >= (RENEWED > least ? RENEWED : least)));
    if (!written || o->a.exposed || o->pending || o->d.action != CFMT_DO_STAY) {
        o->text = cfmt_withdraw_text(&o->d, &o->c, sc->p);
        o->advertise_text = cfmt_advertise_text(&o->a, &o->c, sc->p);
    }
    o->decision = written ? NULL : make_row(o, sc, red);
}
