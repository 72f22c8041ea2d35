/*
 * What people are told of one prefix: its changes, that it is not protected, what the policy is
 * about to do, or would do, or asks.
 */
#include <string.h>

#include <apr_strings.h>

#include "news_of.h"

#define DUE_WITHIN apr_time_from_sec(5 * 60) /* a withdrawal that is as near is told beforehand */
#define TAKES_ADVERTISING apr_time_from_sec(7 * 60) /* until routers everywhere follow */
#define TAKES_WITHDRAWING apr_time_from_sec(15 * 60)

/* One prefix in its transaction. */
typedef struct telling_t {
    const cfmt_outcome_t *o;
    const cfmt_scene_t *sc;
    apr_pool_t *p;
    const char *prefix, *mode;
} telling_t;

static apr_status_t tell(const telling_t *t, cfmt_news_e kind, const char *dedupe,
                         const char *attack, apr_time_t at, const char *fields)
{
    const cfmt_news_t n = { .kind = kind, .dedupe = dedupe, .attack = attack, .at = at,
                            .prefix = t->prefix, .fields = fields };

    return cfmt_tell(t->sc->e, &n, t->p);
}

/* "KIND PREFIX SINCE LAST": the one that follows the one told `last`, of this state of things. */
static const char *once_of(const telling_t *t, cfmt_news_e kind, const char *what, apr_time_t last)
{
    return apr_psprintf(t->p, "%s %s %s%s%" APR_TIME_T_FMT " %" APR_TIME_T_FMT,
                        cfmt_news_name(kind), t->prefix, what ? what : "", what ? " " : "",
                        t->o->standing.cause.at, last);
}

static const char *cause_of(const cfmt_standing_t *st)
{
    return cfmt_of_cause(st->cause.kind);
}

/* Who said yes to the proposal that the policy carried out; NULL: nobody knows any more. */
static const char *approver(const telling_t *t, const cfmt_intent_row_t *in)
{
    const apr_array_header_t *all = cfmt_scene_rows(t->sc, &t->o->row->b.cidr)->proposals;
    int i;

    for (i = 0; in && in->proposal && all && i < all->nelts; i++) {
        const cfmt_proposal_row_t *pr = APR_ARRAY_IDX(all, i, const cfmt_proposal_row_t *);

        if (pr->id == in->proposal) {
            return pr->decided_by;
        }
    }
    return NULL;
}

/* A person; the policy is named by the cause. */
static const char *who_of(const telling_t *t, const cfmt_intent_row_t *in)
{
    const cfmt_cause_t *cause = &t->o->standing.cause;

    return cause->kind == CFMT_CAUSE_POLICY ? NULL
           : cfmt_text_same(cause->who, "policy") ? approver(t, in) : cause->who;
}

/* ---- before it is written -------------------------------------------------------------------- */

/* What began the countdown: traffic or an END may come back, and then there is another one. */
static apr_time_t countdown_since(const cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    apr_time_t since = cfmt_calm_last_attack(o->c.spans, o->c.nspans, o->c.complete);
    int i;

    since = since > o->c.b.advertised_at ? since : o->c.b.advertised_at;
    for (i = 0; i < sc->attacks->nelts; i++) {
        const cfmt_struck_t *a = &APR_ARRAY_IDX(sc->attacks, i, cfmt_struck_t);

        if (!a->open && a->ended_at > since && cfmt_attack_hits(a, &o->c.cidr)) {
            since = a->ended_at;
        }
    }
    return since;
}

/* The policy withdraws it by itself, soon, if it stays calm. */
static int is_due(const cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    return sc->mode == CFMT_MODE_ENFORCE && !o->pending && o->d.earliest > sc->now
           && o->d.earliest - sc->now <= DUE_WITHIN
           && cfmt_gate_open(&o->d.gates[CFMT_GATE_SCOPE]);
}

/* The present episode of the attack that it is to be advertised for; 0 = it is none of these. */
static apr_time_t episode_of(const cfmt_outcome_t *o)
{
    int i;

    for (i = 0; i < o->c.nthreats; i++) {
        if (cfmt_text_same(o->c.threats[i].attack, o->a.attack)) {
            return o->c.threats[i].from;
        }
    }
    return 0;
}

/* NULL: it is not locked under attack, or that was told. */
static const char *locked_for(const cfmt_outcome_t *o, const cfmt_memory_t *m, apr_pool_t *p)
{
    const char *name;

    if (!o->a.exposed || !o->a.attack || strcmp(o->a.reason, "locked") != 0) {
        return NULL;
    }
    name = apr_psprintf(p, "%s %" APR_TIME_T_FMT, o->a.attack, episode_of(o));
    return cfmt_digest64(name, strlen(name)) == m->locked_told ? NULL : name;
}

void cfmt_outcome_notice(cfmt_outcome_t *o, const cfmt_scene_t *sc)
{
    const cfmt_memory_t *m = cfmt_scene_memory(sc->e, &o->row->b.cidr);
    apr_time_t since = is_due(o, sc) ? countdown_since(o, sc) : 0;

    o->due_for = since != m->due_told ? since : 0;
    o->locked_for = locked_for(o, m, sc->p);
}

/* ---- changes --------------------------------------------------------------------------------- */

static const cfmt_intent_row_t *intent_of(const telling_t *t, apr_int64_t id)
{
    const cfmt_rows_t *rows = cfmt_scene_rows(t->sc, &t->o->row->b.cidr);
    int i;

    if (rows->intent && rows->intent->id == id) {
        return rows->intent;
    }
    for (i = 0; id && rows->done && i < rows->done->nelts; i++) {
        const cfmt_intent_row_t *in = APR_ARRAY_IDX(rows->done, i, const cfmt_intent_row_t *);

        if (in->id == id) {
            return in;
        }
    }
    return NULL;
}

/* Read for the first time: its cause may come to be known later, but whoever waits hears now. */
static int is_change(const telling_t *t)
{
    const cfmt_standing_t *st = &t->o->standing;
    const cfmt_standing_t *old = cfmt_scene_standing(t->sc, &st->prefix);

    return t->o->save_standing && old && st->cause.kind != CFMT_CAUSE_FIRST_SEEN
           && (old->advertised != st->advertised || old->cause.at != st->cause.at);
}

/* Of an intent of ours act.c says the same when it is done, should it not have been seen here. */
static const char *once_of_change(const telling_t *t, cfmt_news_e kind, apr_time_t at)
{
    const cfmt_cause_t *cause = &t->o->standing.cause;

    return cause->intent ? apr_psprintf(t->p, "%s intent %" APR_INT64_T_FMT, cfmt_news_name(kind),
                                        cause->intent)
                         : apr_psprintf(t->p, "%s %s %" APR_TIME_T_FMT, cfmt_news_name(kind),
                                        t->prefix, at);
}

/* When routers everywhere follow, at the latest. */
static apr_time_t settled_at(int advertised, apr_time_t at)
{
    return at + (advertised ? TAKES_ADVERTISING : TAKES_WITHDRAWING);
}

/* How long it was as it was before, in seconds. */
static const char *lasted(const telling_t *t, apr_time_t at)
{
    apr_time_t since = cfmt_scene_standing(t->sc, &t->o->standing.prefix)->cause.at;

    return since && at > since ? cfmt_of_count(apr_time_sec(at - since), t->p) : NULL;
}

/* "advertising: attack a1b2 open": that it is advertised the message says itself. */
static const char *reason_of(const cfmt_intent_row_t *in)
{
    return !in || !*in->reason ? NULL
           : strcmp(in->who, "policy") || !in->want ? in->reason : cfmt_of_reason(in->reason);
}

static apr_status_t tell_change(const telling_t *t)
{
    const cfmt_standing_t *st = &t->o->standing;
    const cfmt_intent_row_t *in = intent_of(t, st->cause.intent);
    apr_time_t at = st->cause.at ? st->cause.at : t->o->row->changed_at;
    apr_time_t until = settled_at(st->advertised, at);
    int follows = until > t->sc->now;
    cfmt_news_e kind = st->advertised ? CFMT_NEWS_ADVERTISED : CFMT_NEWS_WITHDRAWN;
    const char *fields = cfmt_news_fields(
        t->p, "cause", cause_of(st), "who", who_of(t, in), "reason",
        reason_of(in), "duration_s", st->advertised ? NULL : lasted(t, at), "intent",
        cfmt_of_count(st->cause.intent, t->p), "next",
        follows ? "routers follow, the last of them" : NULL, "next_at",
        cfmt_of_time(follows ? until : 0, t->p), "look",
        cfmt_of_command("explain", t->prefix, t->p), "mode", t->mode, NULL);

    return tell(t, kind, once_of_change(t, kind, at),
                st->cause.attack ? st->cause.attack : in ? in->attack : NULL, at, fields);
}

static apr_status_t tell_reversed(const telling_t *t)
{
    const cfmt_intent_row_t *in = t->o->intent;
    cfmt_of_attack_t f;
    apr_status_t rv = cfmt_of_attack(&f, t->sc->e, in->attack, t->p);
    const char *fields = cfmt_news_fields(
        t->p, "target", f.target, "vector", f.vector, "pps", f.peak_pps, "bps", f.peak_bps,
        "intent", cfmt_of_count(in->id, t->p), "next",
        "it is advertised as soon as Cloudflare allows it", "next_at",
        cfmt_of_time(in->not_before > t->sc->now ? in->not_before : t->sc->now, t->p), "look",
        cfmt_of_command("explain", t->prefix, t->p), "mode", t->mode, NULL);

    return rv != APR_SUCCESS
               ? rv : tell(t, CFMT_NEWS_REVERSED,
                           apr_psprintf(t->p, "reversed intent %" APR_INT64_T_FMT, in->id),
                           in->attack, t->sc->now, fields);
}

/* ---- not protected --------------------------------------------------------------------------- */

static apr_time_t began_at(const telling_t *t)
{
    apr_time_t at = episode_of(t->o);

    return at ? at : t->sc->now;
}

/* Of a reminder: told last at `last`, first due at `due`, each `every`; 0 = it is the first. */
static apr_int64_t number_of(const telling_t *t, apr_time_t last, apr_time_t due,
                             apr_interval_time_t every)
{
    return last && t->sc->now > due ? 1 + (t->sc->now - due) / every : 0;
}

/* What comes of it without anybody's doing, and when; *pat 0 = nobody knows. */
static const char *next_of(const telling_t *t, apr_time_t *pat)
{
    const cfmt_intent_row_t *in = t->o->pending;
    int wanted = in && in->want;

    *pat = wanted ? in->not_before : t->o->wait ? t->o->wait : t->o->a.at;
    if (!wanted && t->o->wait) {
        return "it is tried again";
    }
    if (wanted || t->o->a.action == CFMT_ADVERTISE_QUEUE || t->o->a.action == CFMT_ADVERTISE_NOW) {
        return *pat > t->sc->now ? "it is advertised as soon as Cloudflare allows it"
                                 : "it is being advertised";
    }
    *pat = 0;
    return t->o->a.action == CFMT_ADVERTISE_BLOCKED
               ? "nothing, until that is over"
               : "nothing, unless somebody advertises it or approves the proposal";
}

static const char *look_of(const telling_t *t)
{
    const cfmt_offer_t *offer = &t->o->c.advertise_offer;
    apr_int64_t id = t->o->proposal ? t->o->proposal->id
                     : offer->state == CFMT_OFFER_OPEN ? offer->id : 0;

    return id ? apr_psprintf(t->p, "cfmtctl approve %" APR_INT64_T_FMT ", or cfmtctl advertise %s",
                             id, t->prefix)
              : cfmt_of_command(t->o->a.action == CFMT_ADVERTISE_BLOCKED ? "explain" : "advertise",
                                t->prefix, t->p);
}

static const char *exposed_fields(const telling_t *t, const cfmt_of_attack_t *f, apr_int64_t n,
                                  const char *reason)
{
    apr_time_t at;
    const char *next = next_of(t, &at);

    return cfmt_news_fields(
        t->p, "target", f->target, "vector", f->vector, "pps", f->peak_pps, "bps", f->peak_bps,
        "since_at", cfmt_of_time(began_at(t), t->p), "reason", reason, "number",
        cfmt_of_count(n, t->p), "next", next, "next_at",
        cfmt_of_time(at > t->sc->now ? at : 0, t->p), "look", look_of(t), "mode", t->mode, NULL);
}

static apr_status_t tell_exposed(const telling_t *t, cfmt_news_e kind, const char *dedupe,
                                 apr_int64_t number, const char *reason)
{
    cfmt_of_attack_t f;
    apr_status_t rv = cfmt_of_attack(&f, t->sc->e, t->o->a.attack, t->p);

    return rv != APR_SUCCESS ? rv
                             : tell(t, kind, dedupe, t->o->a.attack, t->sc->now,
                                    exposed_fields(t, &f, number, reason));
}

static apr_status_t tell_page(const telling_t *t)
{
    const cfmt_standing_t *old = cfmt_scene_standing(t->sc, &t->o->standing.prefix);
    apr_time_t last = old ? old->paged_at : 0;

    return tell_exposed(t, CFMT_NEWS_NOT_PROTECTED,
                        once_of(t, CFMT_NEWS_NOT_PROTECTED, t->o->a.attack, last),
                        number_of(t, last, began_at(t) + CFMT_PAGE_AFTER, CFMT_PAGE_EVERY),
                        cfmt_outcome_exposed(t->o, t->p));
}

static apr_status_t tell_locked(const telling_t *t)
{
    return tell_exposed(t, CFMT_NEWS_LOCKED,
                        apr_psprintf(t->p, "locked %s %s", t->prefix, t->o->locked_for), 0,
                        "locked by Cloudflare: only they can unlock it");
}

/* ---- what the policy is about ---------------------------------------------------------------- */

static apr_status_t tell_due(const telling_t *t)
{
    const cfmt_standing_t *st = &t->o->standing;
    const char *fields = cfmt_news_fields(
        t->p, "cause", cause_of(st), "since_at", cfmt_of_time(st->cause.at, t->p), "reason",
        cfmt_withdraw_text(&t->o->d, &t->o->c, t->p), "next", "it is withdrawn, if it stays calm",
        "next_at", cfmt_of_time(t->o->d.earliest, t->p), "look",
        cfmt_of_command("hold", t->prefix, t->p), "mode", t->mode, NULL);

    return tell(t, CFMT_NEWS_DUE, once_of(t, CFMT_NEWS_DUE, NULL, t->o->due_for),
                st->cause.attack, t->sc->now, fields);
}

static apr_status_t tell_would(const telling_t *t)
{
    const cfmt_standing_t *st = &t->o->standing;
    const cfmt_standing_t *old = cfmt_scene_standing(t->sc, &st->prefix);
    const char *fields = cfmt_news_fields(
        t->p, "cause", cause_of(st), "since_at", cfmt_of_time(st->cause.at, t->p), "reason",
        cfmt_outcome_why(t->o, t->p), "next", "nothing: it stays advertised", "look",
        cfmt_of_command("explain", t->prefix, t->p), "mode", t->mode, NULL);

    return tell(t, CFMT_NEWS_WOULD_WITHDRAW,
                once_of(t, CFMT_NEWS_WOULD_WITHDRAW, NULL, old ? old->would_told_at : 0),
                st->cause.attack, t->sc->now, fields);
}

static apr_status_t tell_orphan(const telling_t *t)
{
    const cfmt_standing_t *st = &t->o->standing;
    const cfmt_standing_t *old = cfmt_scene_standing(t->sc, &st->prefix);
    apr_time_t since = t->o->c.b.advertised_at ? t->o->c.b.advertised_at : t->o->c.first_at;
    apr_time_t last = old ? old->orphan_told_at : 0;
    apr_int64_t n = number_of(t, last, since + t->o->c.options.orphan_after, CFMT_ORPHAN_AGAIN);
    const char *fields = cfmt_news_fields(
        t->p, "cause", cause_of(st), "who", who_of(t, NULL), "since_at", cfmt_of_time(since, t->p),
        "duration_s", cfmt_of_count(apr_time_sec(t->sc->now - since), t->p), "number",
        cfmt_of_count(n, t->p), "next",
        "nothing: cfmtctl adopt hands it to the policy, hold keeps it, withdraw ends it", "look",
        cfmt_of_command("explain", t->prefix, t->p), "mode", t->mode, NULL);

    return tell(t, CFMT_NEWS_ORPHAN, once_of(t, CFMT_NEWS_ORPHAN, NULL, last), NULL,
                t->sc->now, fields);
}

static apr_status_t tell_proposal(const telling_t *t)
{
    const cfmt_proposal_row_t *pr = t->o->proposal;
    const char *id = cfmt_of_count(pr->id, t->p);
    cfmt_of_attack_t f;
    apr_status_t rv = cfmt_of_attack(&f, t->sc->e, pr->attack, t->p);
    const char *fields = cfmt_news_fields(
        t->p, "type", pr->want ? "advertise" : "withdraw", "proposal", id, "target", f.target,
        "vector", f.vector, "pps", f.peak_pps, "bps", f.peak_bps, "since_at",
        cfmt_of_time(pr->want ? began_at(t) : t->o->standing.cause.at, t->p), "reason",
        pr->want ? "an attack is open" : cfmt_outcome_why(t->o, t->p), "until_at",
        cfmt_of_time(pr->expires_at, t->p), "next", "nothing without an answer", "look",
        apr_psprintf(t->p, "cfmtctl approve %s, or deny %s; cfmtctl explain %s", id, id,
                     t->prefix),
        "mode", t->mode, NULL);

    return rv != APR_SUCCESS ? rv
                             : tell(t, CFMT_NEWS_PROPOSAL, apr_pstrcat(t->p, "proposal ", id, NULL),
                                    pr->attack, t->sc->now, fields);
}

/* ---- all of it ------------------------------------------------------------------------------- */

apr_status_t cfmt_outcome_news(const cfmt_outcome_t *o, const cfmt_scene_t *sc, apr_pool_t *ptemp)
{
    const telling_t t = { .o = o, .sc = sc, .p = ptemp, .mode = cfmt_of_mode(sc->e),
                          .prefix = cfmt_cidr_format(ptemp, &o->row->b.cidr) };
    const struct {
        int wanted;
        apr_status_t (*tell)(const telling_t *t);
    } all[] = {
        { is_change(&t), tell_change },
        { o->intent && o->fate == CFMT_PENDING_REVERSE, tell_reversed },
        { o->locked_for != NULL, tell_locked },
        { o->page, tell_page },
        { o->proposal != NULL, tell_proposal },
        { o->due_for != 0, tell_due },
        { o->tell_would, tell_would },
        { o->tell_orphan, tell_orphan },
    };
    apr_status_t rv = APR_SUCCESS;
    apr_size_t i;

    for (i = 0; rv == APR_SUCCESS && i < sizeof(all) / sizeof(all[0]); i++) {
        rv = all[i].wanted ? all[i].tell(&t) : APR_SUCCESS;
    }
    return rv;
}
