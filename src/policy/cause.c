/*
 * What changed a prefix: exactly one cause for each change, and whether it was an attack that an
 * advertisement was made for. Only then does the policy take it back.
 */
#include <string.h>

#include "cfmt_policy_gates.h"

const char *cfmt_cause_name(cfmt_cause_e kind)
{
    static const char *const names[CFMT_CAUSES] = {
        [CFMT_CAUSE_UNKNOWN] = "unknown",       [CFMT_CAUSE_FIRST_SEEN] = "first-seen",
        [CFMT_CAUSE_EXTERNAL] = "external",     [CFMT_CAUSE_OPERATOR] = "operator",
        [CFMT_CAUSE_PROPOSAL] = "proposal",     [CFMT_CAUSE_POLICY] = "policy",
        [CFMT_CAUSE_AUTO] = "auto-advertise",   [CFMT_CAUSE_ATTACK] = "attack",
        [CFMT_CAUSE_ADOPTED] = "adopted",
    };

    return (unsigned)kind < CFMT_CAUSES ? names[kind] : "unknown";
}

/* ---- our own intents ------------------------------------------------------------------------- */

/* Of the same change: by a clock that was set right since it may look like somebody else's. */
static int was_found(const cfmt_deed_t *d, const cfmt_cause_facts_t *f)
{
    return f->before && f->before->at == f->at && f->before->intent == d->id;
}

/* Its own change was read before this one: with clocks apart both lie in its time. */
static int is_behind(const cfmt_deed_t *d, const cfmt_cause_facts_t *f)
{
    return d->done_at && f->read_at > d->done_at;
}

/*
 * The change is dated by Cloudflare, the calls are dated by us. A change that stood before the call
 * was not made by it.
 */
static int did(const cfmt_deed_t *d, const cfmt_cause_facts_t *f)
{
    apr_interval_time_t skew = CFMT_CAUSE_SKEW + (f->skew < 0 ? -f->skew : f->skew);
    apr_time_t until = d->until ? d->until : f->now;

    if (was_found(d, f)) {
        return 1;
    }
    return d->want == f->advertised && d->sent_at && f->at > d->expects && !is_behind(d, f)
           && f->at >= d->sent_at - skew && f->at <= until + skew;
}

/* Of several the last one sent: what it found in the wanted state it would not have sent. */
static const cfmt_deed_t *deed_of(const cfmt_cause_facts_t *f)
{
    const cfmt_deed_t *found = NULL;
    int i;

    for (i = 0; i < f->ndeeds; i++) {
        const cfmt_deed_t *d = &f->deeds[i];

        if (did(d, f) && (!found || d->sent_at > found->sent_at
                          || (d->sent_at == found->sent_at && d->id > found->id))) {
            found = d;
        }
    }
    return found;
}

static void take_deed(cfmt_cause_t *c, const cfmt_deed_t *d)
{
    c->kind = d->by;
    c->who = d->who;
    c->attack = d->attack;
    c->intent = d->id;
}

/* ---- what happened at the same time ---------------------------------------------------------- */

/* Open at some moment of the window; both its ends belong to it. */
static int overlaps(const cfmt_episode_t *e, apr_time_t at)
{
    return e->from <= at + CFMT_CAUSE_AFTER && (!e->to || e->to > at - CFMT_CAUSE_BEFORE);
}

/* The one that began first, whatever the order in which they are given. */
static const char *attack_of(const cfmt_cause_facts_t *f)
{
    const cfmt_episode_t *found = NULL;
    int i;

    for (i = 0; i < f->nepisodes; i++) {
        const cfmt_episode_t *e = &f->episodes[i];

        if (e->attack && overlaps(e, f->at)
            && (!found || e->from < found->from
                || (e->from == found->from && strcmp(e->attack, found->attack) < 0))) {
            found = e;
        }
    }
    return found ? found->attack : NULL;
}

static int auto_advertised(const cfmt_cause_facts_t *f)
{
    int i;

    for (i = 0; i < f->nstatuses; i++) {
        if (f->statuses[i] >= f->at - CFMT_CAUSE_BEFORE
            && f->statuses[i] <= f->at + CFMT_CAUSE_AFTER) {
            return 1;
        }
    }
    return 0;
}

/* ---- one of them ----------------------------------------------------------------------------- */

static void take_circumstances(cfmt_cause_t *c, const cfmt_cause_facts_t *f)
{
    c->kind = f->first_seen ? CFMT_CAUSE_FIRST_SEEN : CFMT_CAUSE_EXTERNAL;
    if (!f->advertised) {
        return; /* an attack explains no withdrawal */
    }
    c->attack = attack_of(f);
    if (auto_advertised(f)) {
        c->kind = CFMT_CAUSE_AUTO;
    }
    else if (c->attack) {
        c->kind = CFMT_CAUSE_ATTACK;
    }
}

static int is_adopted(const cfmt_cause_facts_t *f)
{
    return f->advertised && f->adopted == f->at;
}

/* By policy only for an attack: it advertises for nothing else. */
static int counts(const cfmt_cause_t *c)
{
    return c->kind == CFMT_CAUSE_ADOPTED || c->kind == CFMT_CAUSE_AUTO
           || c->kind == CFMT_CAUSE_ATTACK || c->kind == CFMT_CAUSE_PROPOSAL
           || (c->kind == CFMT_CAUSE_POLICY && c->attack);
}

/* What proved it then may be pruned, or told differently by an attack's next episode. */
static int stays(const cfmt_cause_t *c, const cfmt_cause_facts_t *f)
{
    return f->advertised && f->before && f->before->at == f->at && f->before->by_attack
           && (c->kind == CFMT_CAUSE_FIRST_SEEN || c->kind == CFMT_CAUSE_EXTERNAL);
}

void cfmt_cause_find(cfmt_cause_t *c, const cfmt_cause_facts_t *f)
{
    const cfmt_deed_t *d;

    memset(c, 0, sizeof(*c));
    if (!f->at || (f->advertised != 0 && f->advertised != 1)) {
        return;
    }
    c->at = f->at;
    if (is_adopted(f)) {
        c->kind = CFMT_CAUSE_ADOPTED;
        c->who = f->adopted_by;
    }
    else if ((d = deed_of(f))) {
        take_deed(c, d);
    }
    else {
        take_circumstances(c, f);
    }
    if (stays(c, f)) {
        *c = *f->before;
    }
    c->by_attack = f->advertised && counts(c);
}
