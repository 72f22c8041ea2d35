/*
 * News of what is no attack: auto-advertisements, hijacks, notifications that were recovered,
 * tunnels and other things with states, alerts that are not known here.
 */
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "announce.h"

#define CLOUDFLARE_AS 13335
#define SOON apr_time_from_sec(300) /* clocks differ, and alerts come before the state is read */

static cfmt_news_t *push(cfmt_announce_t *a, cfmt_news_e kind, const char *dedupe, apr_time_t at,
                         const char *fields)
{
    cfmt_news_t *n = apr_array_push(a->news);

    *n = (cfmt_news_t){ .kind = kind, .dedupe = dedupe, .at = at, .fields = fields };
    return n;
}

static const char *of_row(const cfmt_announce_t *a, cfmt_news_e kind, const cfmt_event_t *e)
{
    return apr_psprintf(a->p, "%s %" APR_INT64_T_FMT, cfmt_news_name(kind), e->id);
}

/* ---- hijacks --------------------------------------------------------------------------------- */

/*
 * What is announced is one of our prefixes as a whole, advertised by then, and by whoever announces
 * it for us. A part of it is not: that is how traffic is stolen.
 */
static const cfmt_prefix_row_t *explains(const cfmt_announce_t *a, const cfmt_event_t *e)
{
    apr_int64_t asn;
    apr_hash_index_t *hi;

    if (!e->hijack_as || !e->target_cidr.family
        || cfmt_int_parse(&asn, e->hijack_as, 1, 4294967295) != APR_SUCCESS) {
        return NULL;
    }
    for (hi = apr_hash_first(a->p, a->world->prefixes); hi; hi = apr_hash_next(hi)) {
        const cfmt_prefix_row_t *row = apr_hash_this_val(hi);

        if (!row->gone && row->b.advertised == 1 && row->b.advertised_at
            && row->b.advertised_at <= e->ts + SOON
            && !cfmt_cidr_compare(&row->b.cidr, &e->target_cidr)
            && (asn == CLOUDFLARE_AS || asn == row->b.asn)) {
            return row;
        }
    }
    return NULL;
}

static void tell_hijack(cfmt_announce_t *a, const cfmt_event_t *e)
{
    const cfmt_prefix_row_t *ours = explains(a, e);
    cfmt_news_e kind = ours ? CFMT_NEWS_HIJACK_EXPLAINED : CFMT_NEWS_HIJACK;
    const char *cause = ours ? apr_pstrcat(a->p, "advertised at ",
                                           cfmt_time_format(a->p, ours->b.advertised_at), NULL)
                             : NULL;
    cfmt_news_t *n = push(a, kind, of_row(a, kind, e), e->ts,
                          cfmt_news_fields(a->p, "prefix", e->configured ? e->configured
                                                                         : e->target,
                                           "seen", e->target, "asn", e->hijack_as,
                                           "expected", e->configured, "cause", cause,
                                           "since_at", cfmt_of_time(e->ts, a->p),
                                           "look", "cfmtctl prefixes",
                                           "mode", a->conf->mode, NULL));

    n->prefix = e->target;
}

/* ---- alerts ---------------------------------------------------------------------------------- */

static void tell_auto(cfmt_announce_t *a, const cfmt_event_t *e)
{
    const char *rule = e->rule ? apr_pstrcat(a->p, "monitoring rule ", e->rule, NULL) : NULL;
    cfmt_news_e kind = e->priority == CFMT_PRIORITY_CRITICAL ? CFMT_NEWS_AUTO_FAILED
                                                             : CFMT_NEWS_AUTO_ADVERTISE;
    cfmt_news_t *n = push(a, kind, of_row(a, kind, e), e->ts,
                          cfmt_news_fields(a->p, "state", e->statuses, "summary", e->summary,
                                           "prefix", e->target, "reason", rule,
                                           "next", "the state of the prefix is read",
                                           "look", e->target
                                                       ? cfmt_of_command("explain", e->target, a->p)
                                                       : "cfmtctl status",
                                           "mode", a->conf->mode, NULL));

    n->prefix = e->target;
}

static void tell_alert(cfmt_announce_t *a, const cfmt_event_t *e)
{
    const char *type = e->alert_type ? e->alert_type : !strcmp(e->source, "test") ? "test message"
                                                                                  : "no type given";

    push(a, CFMT_NEWS_ALERT, of_row(a, CFMT_NEWS_ALERT, e), e->ts,
         cfmt_news_fields(a->p, "type", type, "summary", e->summary, "target", e->target,
                          "account", e->ours ? NULL : e->account,
                          "look", "cfmtctl events", "mode", a->conf->mode, NULL));
}

/* Its attack is told of as any other; this says that the webhook did not work then. */
static void tell_recovered(cfmt_announce_t *a, const cfmt_event_t *e)
{
    push(a, CFMT_NEWS_RECOVERED, of_row(a, CFMT_NEWS_RECOVERED, e), e->ts,
         cfmt_news_fields(a->p, "type", e->alert_type, "summary", e->summary, "target", e->target,
                          "since_at", cfmt_of_time(e->ts, a->p),
                          "reason", "Cloudflare sent it, and it did not arrive here",
                          "look", "cfmtctl status", "mode", a->conf->mode, NULL));
}

static int is_type(const cfmt_event_t *e, const char *type)
{
    return e->alert_type && !strcmp(e->alert_type, type);
}

/* It changes no attack, and no state of a thing of ours. */
static int is_told_by_none(const cfmt_event_t *e)
{
    return e->effect == CFMT_EFFECT_NONE
           || (e->effect == CFMT_EFFECT_ENTITY && (!e->ours || !e->entity_id));
}

/* Attacks and things are told of by their states; commands and what traffic says are no alerts. */
void cfmt_announce_event(cfmt_announce_t *a, const cfmt_item_t *item)
{
    const cfmt_event_t *e = &item->e;
    int recovered = !strcmp(e->source, "recovered");

    if (item->first || item->stored || !(recovered || !strcmp(e->source, "alert")
                                         || !strcmp(e->source, "test"))) {
        return;
    }
    if (recovered) {
        tell_recovered(a, e);
    }
    if (is_type(e, "bgp_hijack_notification")) {
        tell_hijack(a, e);
    }
    else if (is_type(e, "fbm_auto_advertisement")) {
        tell_auto(a, e);
    }
    else if (!recovered && is_told_by_none(e)) {
        tell_alert(a, e);
    }
}

/* ---- things ---------------------------------------------------------------------------------- */

/* Alerts and readings have different words. */
static const char *tunnel_word(const char *state)
{
    return !state ? "unknown" : !strcasecmp(state, "healthy") || !strcasecmp(state, "up") ? "up"
           : !strcasecmp(state, "down") ? "DOWN"
           : !strcasecmp(state, "degraded") ? "degraded" : state;
}

static int same_word(const char *a, const char *b)
{
    return !strcmp(tunnel_word(a), tunnel_word(b));
}

/* A tunnel that nobody knew of is worth a word only when it does not work. */
static int matters(const char *before, const char *after)
{
    const char *was = tunnel_word(before), *is = tunnel_word(after);

    return strcmp(was, is) && (!strcmp(is, "DOWN") || !strcmp(is, "degraded")
                               || !strcmp(was, "DOWN") || !strcmp(was, "degraded"));
}

static void tell_tunnel(cfmt_announce_t *a, const char *name, const char *state, apr_time_t since,
                        const char *reason)
{
    push(a, CFMT_NEWS_TUNNEL,
         apr_psprintf(a->p, "tunnel %s %s %" APR_TIME_T_FMT, name, tunnel_word(state), since),
         since,
         cfmt_news_fields(a->p, "name", name, "state", tunnel_word(state),
                          "since_at", cfmt_of_time(since, a->p), "reason", reason,
                          "look", "cfmtctl tunnels", "mode", a->conf->mode, NULL));
}

/* By its id or, where an alert has none, its name. */
static const cfmt_tunnel_row_t *tunnel_read(const cfmt_announce_t *a, const char *id)
{
    const cfmt_tunnel_row_t *row = apr_hash_get(a->world->tunnels, id, APR_HASH_KEY_STRING);
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(a->p, a->world->tunnels); !row && hi; hi = apr_hash_next(hi)) {
        const cfmt_tunnel_row_t *one = apr_hash_this_val(hi);

        row = !strcmp(one->t.name, id) ? one : NULL;
    }
    return row && !row->gone ? row : NULL;
}

/*
 * Told by an alert, unless a reading said so since the alert before; and the other way round. Each
 * is late or missing at times.
 */
static void tell_tunnel_alert(cfmt_announce_t *a, const cfmt_thing_t *t)
{
    const cfmt_entity_t *now = &t->row.t;
    const char *before = t->before.events ? t->before.state : NULL;
    const cfmt_tunnel_row_t *row = tunnel_read(a, t->id);

    if (matters(before, now->state)
        && !(row && same_word(row->state, now->state) && row->since > t->before.since)) {
        tell_tunnel(a, now->name ? now->name : t->id, now->state, now->since,
                    "an alert of Cloudflare");
    }
}

apr_status_t cfmt_announce_tunnel(cfmt_announce_t *a, const cfmt_turned_t *t)
{
    const char *before = t->before ? t->before->state : NULL;
    apr_time_t since = t->before ? t->before->since : 0;
    cfmt_entity_stored_t alerted;
    apr_status_t rv;

    if (!matters(before, t->row->state)) {
        return APR_SUCCESS;
    }
    rv = cfmt_entity_load(a->s, &alerted, "tunnel", t->row->t.id, a->p);
    if (rv == CFMT_EMISSING) {
        rv = cfmt_entity_load(a->s, &alerted, "tunnel", t->row->t.name, a->p);
    }
    if (rv != APR_SUCCESS && rv != CFMT_EMISSING) {
        return rv;
    }
    if (rv == CFMT_EMISSING || !same_word(alerted.t.state, t->row->state)
        || alerted.t.since <= since) {
        tell_tunnel(a, t->row->t.name, t->row->state, t->row->since, "its health was read");
    }
    return APR_SUCCESS;
}

void cfmt_announce_thing(cfmt_announce_t *a, const cfmt_thing_t *t)
{
    const cfmt_entity_t *now = &t->row.t;
    const cfmt_event_t *e = &APR_ARRAY_IDX(t->items, t->items->nelts - 1, const cfmt_item_t *)->e;

    if (!strcmp(t->kind, "tunnel")) {
        tell_tunnel_alert(a, t);
        return;
    }
    if (t->before.events && cfmt_text_same(t->before.state, now->state)) {
        return;
    }
    push(a, CFMT_NEWS_ALERT,
         apr_psprintf(a->p, "alert %s %s %" APR_TIME_T_FMT, t->kind, t->id, now->since), now->since,
         cfmt_news_fields(a->p, "type", t->kind, "name", now->name, "state", now->state,
                          "summary", e->summary, "look", "cfmtctl events",
                          "mode", a->conf->mode, NULL));
}
