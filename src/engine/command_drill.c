/*
 * A drill: a delivery that says of itself that it is one (cfmtctl drill) goes the way of an attack
 * and leaves nothing behind but what it came to. It is understood and folded like an alert, and the
 * policy is asked about a copy of the scene that has it; nothing is projected, wanted or proposed.
 * The message is real. And what else a command may start: retention, now.
 */
#include <string.h>

#include <apr_strings.h>

#include "command.h"
#include "in_force.h"
#include "news_of.h"
#include "project_world.h"

#define ATTACK "drill"    /* no attack of ours has such an id */

typedef struct drill_t {
    cfmt_command_t *c;
    cfmt_in_force_t conf;
    cfmt_event_t e;
    cfmt_attack_t a;
    apr_array_header_t *hits; /* const char *: ours; NULL = none */
    const char *prefix;       /* that would be advertised; NULL = none can be */
    const char *decision;     /* word; NULL = nobody was asked */
    const char *text;         /* what would follow, for people */
    int exposed;              /* nothing that could be done would protect it */
} drill_t;

/* ---- the attack ------------------------------------------------------------------------------ */

/* Not APR_SUCCESS in the store alone; *pwhy: the drill ends here. */
static apr_status_t understand(drill_t *d, const char **pwhy)
{
    cfmt_command_t *c = d->c;
    cfmt_world_t world;
    int rule_unknown;
    apr_status_t rv = cfmt_in_force_load(&d->conf, c->e->store, c->p);

    rv = rv == APR_SUCCESS ? cfmt_world_load(&world, c->e->store, d->conf.prefixes, c->p) : rv;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (cfmt_event_read(&d->e, c->row->body, c->row->len, c->row->at, d->conf.account, c->p)
            != APR_SUCCESS
        || d->e.effect != CFMT_EFFECT_NETWORK) {
        *pwhy = "the drill's alert is not understood as an attack on addresses";
        return APR_SUCCESS;
    }
    cfmt_attack_init(&d->a, ATTACK, c->p);
    cfmt_attack_step(&d->a, &d->e, c->p);
    d->hits = cfmt_world_hits(&world, &d->e, &rule_unknown, c->p);
    if (!d->a.open || !d->hits || !d->hits->nelts) {
        *pwhy = apr_psprintf(c->p, "no attack on any of our prefixes comes of it: the target is %s",
                             d->e.target ? d->e.target : "not readable");
    }
    return APR_SUCCESS;
}

/* ---- the decision ---------------------------------------------------------------------------- */

static void strike(drill_t *d)
{
    cfmt_scene_t *sc = d->c->sc;
    cfmt_struck_t *s = apr_array_push(sc->attacks);
    cfmt_cidr_t cidr;
    int i;

    memset(s, 0, sizeof(*s));
    s->id = ATTACK;
    s->open = s->alerted = 1;
    s->started_at = s->episode_at = d->a.started_at;
    s->last_at = d->a.last_at;
    s->peak_pps = d->a.peak_pps;
    s->peak_bps = d->a.peak_bps;
    s->targets = apr_array_make(d->c->p, 1, sizeof(cfmt_cidr_t));
    APR_ARRAY_PUSH(s->targets, cfmt_cidr_t) = d->e.target_cidr;
    s->prefixes = apr_array_make(d->c->p, d->hits->nelts, sizeof(cfmt_cidr_t));
    for (i = 0; i < d->hits->nelts; i++) {
        if (cfmt_cidr_parse(&cidr, NULL, APR_ARRAY_IDX(d->hits, i, const char *)) == APR_SUCCESS) {
            APR_ARRAY_PUSH(s->prefixes, cfmt_cidr_t) = cidr;
        }
    }
}

/* Of the attacks that are really open on it this one is asked for. */
static void forget_others(cfmt_scene_t *sc)
{
    int i, n = 0;

    for (i = 0; i < sc->attacks->nelts; i++) {
        const cfmt_struck_t *s = &APR_ARRAY_IDX(sc->attacks, i, cfmt_struck_t);

        if (!s->open || !strcmp(s->id, ATTACK)) {
            APR_ARRAY_IDX(sc->attacks, n++, cfmt_struck_t) = *s;
        }
    }
    sc->attacks->nelts = n;
    sc->too_many = 0;
}

/* The row that an attack on the target is answered by; NULL = none can be advertised. */
static const cfmt_prefix_row_t *chosen(const drill_t *d)
{
    const cfmt_scene_t *sc = d->c->sc;
    const apr_array_header_t *found = cfmt_advertise_choose(&d->e.target_cidr, sc->bgp, d->c->p);

    return found->nelts
               ? cfmt_prefix_find(sc->prefixes,
                                  &APR_ARRAY_IDX(sc->bgp, APR_ARRAY_IDX(found, 0, int),
                                                 cfmt_bgp_prefix_t).cidr)
               : NULL;
}

/* In the words of somebody who wants to know what he would see. */
static const char *words(const drill_t *d, const cfmt_advertise_t *a, const cfmt_case_t *c)
{
    apr_pool_t *p = d->c->p;

    if (a->action == CFMT_ADVERTISE_NOW) {
        return apr_pstrcat(p, "advertise ", d->prefix, " at once", NULL);
    }
    if (a->action == CFMT_ADVERTISE_PROPOSE) {
        return apr_pstrcat(p, "ask you whether to advertise ", d->prefix,
                           strcmp(a->reason, "observe") ? " (advertise=manual)"
                                                        : " (CfmtMode observe)", NULL);
    }
    return a->action == CFMT_ADVERTISE_NONE && !d->exposed
               ? apr_pstrcat(p, "nothing: ", d->prefix, " is advertised", NULL)
               : cfmt_advertise_text(a, c, p);
}

static void decide(drill_t *d)
{
    const cfmt_prefix_row_t *row = chosen(d);
    cfmt_advertise_t a;
    cfmt_case_t c;

    if (!row) {
        d->exposed = d->c->e->api != NULL;
        d->text = d->c->e->api ? "nothing: no prefix of the account that covers the target can be"
                                 " advertised"
                               : "nothing: without CfmtAccountId and CfmtApiToken nobody is asked";
        return;
    }
    strike(d);
    forget_others(d->c->sc);
    cfmt_scene_case(&c, d->c->sc, row, cfmt_scene_standing(d->c->sc, &row->b.cidr));
    cfmt_advertise_decide(&a, &c);
    d->prefix = cfmt_cidr_format(d->c->p, &row->b.cidr);
    d->decision = cfmt_advertise_name(a.action);
    d->exposed = a.action == CFMT_ADVERTISE_BLOCKED
                 || (a.action == CFMT_ADVERTISE_NONE && strcmp(a.reason, "advertised") != 0);
    d->text = words(d, &a, &c);
}

/* ---- the message ----------------------------------------------------------------------------- */

static const char *fields_of(const drill_t *d)
{
    apr_pool_t *p = d->c->p;

    return cfmt_news_fields(p, "prefix", cfmt_of_list(d->hits, p), "target", d->e.target, "vector",
                            d->e.vector, "pps", cfmt_of_rate(d->e.pps, p), "bps",
                            cfmt_of_rate(d->e.bps, p), "since_at", cfmt_of_time(d->c->row->at, p),
                            "who", cfmt_json_text(d->c->doc, "cfmt_drill"), "state", d->text,
                            "mode", cfmt_of_mode(d->c->e), NULL);
}

static apr_status_t tell_all(const drill_t *d, int *pn)
{
    cfmt_command_t *c = d->c;
    apr_array_header_t *channels;
    cfmt_news_t news = { .kind = CFMT_NEWS_DRILL, .at = c->now };
    apr_status_t rv = cfmt_tell_known(&channels, c->e, c->p);
    int i;

    news.dedupe = apr_psprintf(c->p, CFMT_DRILL_DEDUPE "%" APR_INT64_T_FMT, c->row->id);
    news.fields = fields_of(d);
    for (i = 0; rv == APR_SUCCESS && i < channels->nelts; i++) {
        rv = cfmt_command_put(c, APR_ARRAY_IDX(channels, i, cfmt_channel_conf_t).name, &news);
    }
    *pn = rv == APR_SUCCESS ? channels->nelts : 0;
    return rv;
}

/* ---- both commands --------------------------------------------------------------------------- */

static const char *members(const drill_t *d)
{
    apr_pool_t *p = d->c->p;

    return apr_psprintf(
        p, ",\"drill\":{\"type\":%s,\"target\":%s,\"hits\":%s,\"prefix\":%s,\"decision\":%s,"
           "\"text\":%s,\"exposed\":%s,\"mode\":\"%s\"}",
        cfmt_json_quote(p, d->e.alert_type ? d->e.alert_type : ""),
        cfmt_json_quote(p, d->e.target ? d->e.target : ""),
        cfmt_json_quote(p, d->hits && d->hits->nelts ? cfmt_of_list(d->hits, p) : ""),
        cfmt_json_quote(p, d->prefix ? d->prefix : ""),
        cfmt_json_quote(p, d->decision ? d->decision : ""),
        cfmt_json_quote(p, d->text ? d->text : ""), d->exposed ? "true" : "false",
        cfmt_of_mode(d->c->e));
}

apr_status_t cfmt_command_drill(cfmt_command_t *c)
{
    drill_t d = { .c = c };
    const char *why = NULL;
    int n;
    apr_status_t rv = understand(&d, &why);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!why) {
        decide(&d);
    }
    c->more = members(&d);
    if (why) {
        return cfmt_refuse(c, why);
    }
    rv = tell_all(&d, &n);
    return rv == APR_SUCCESS ? cfmt_answer(c, "done", CODE_DONE, "%d message%s on %s way", n,
                                           n == 1 ? " is" : "s are", n == 1 ? "its" : "their")
                             : rv;
}

apr_status_t cfmt_command_prune(cfmt_command_t *c)
{
    apr_status_t rv = cfmt_job_now(c->e->store, "retention", c->now);

    return rv == APR_SUCCESS ? cfmt_answer(c, "done", CODE_DONE, "retention runs now") : rv;
}
