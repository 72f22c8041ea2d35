/*
 * News of attacks: one began, began again, is over. Told of is the change between what was stored
 * and what the step makes of it, so neither the number of its alerts nor their order matters.
 */
#include <string.h>

#include <apr_strings.h>

#include "announce.h"
#include "cfmt_store_traffic.h"

#define OPEN_MAX 1000 /* attacks that are looked through for one of traffic */
#define LOOKS 4       /* at traffic in a step: many ends at once become one message anyway */
#define LOOK_BACK apr_time_from_sec(1800)
#define SOURCES 3

/* ---- where it hits --------------------------------------------------------------------------- */

static const cfmt_prefix_row_t *listed(const cfmt_announce_t *a, const char *prefix)
{
    apr_hash_index_t *hi;
    cfmt_cidr_t c;

    if (cfmt_cidr_parse(&c, NULL, prefix) != APR_SUCCESS) {
        return NULL;
    }
    for (hi = apr_hash_first(a->p, a->world->prefixes); hi; hi = apr_hash_next(hi)) {
        const cfmt_prefix_row_t *row = apr_hash_this_val(hi);

        if (!row->gone && !cfmt_cidr_compare(&row->b.cidr, &c)) {
            return row;
        }
    }
    return NULL;
}

/* Those that the API says are advertised, or are not and could be. */
static const char *those(const cfmt_announce_t *a, const apr_array_header_t *prefixes,
                         int advertised)
{
    apr_array_header_t *names = apr_array_make(a->p, 2, sizeof(const char *));
    int i;

    for (i = 0; i < prefixes->nelts; i++) {
        const char *prefix = APR_ARRAY_IDX(prefixes, i, const char *);
        const cfmt_prefix_row_t *row = listed(a, prefix);

        if (row && row->b.advertised == advertised && (advertised || row->b.enabled == 1)) {
            APR_ARRAY_PUSH(names, const char *) = prefix;
        }
    }
    return cfmt_of_list(names, a->p);
}

static int lacks_place(const cfmt_group_t *g)
{
    return g->row.a.target_missing || g->row.rule_unknown;
}

static const char *place_of(const cfmt_announce_t *a, const cfmt_group_t *g)
{
    const char *targets = cfmt_of_list(g->row.a.targets, a->p);

    if (g->row.a.scope == CFMT_EFFECT_HOST) {
        return apr_pstrcat(a->p, targets ? targets : "a hostname", " (a hostname)", NULL);
    }
    return g->row.prefixes->nelts ? cfmt_of_list(g->row.prefixes, a->p)
           : lacks_place(g) || !targets ? "an unknown target"
           : apr_pstrcat(a->p, targets, " (none of your prefixes)", NULL);
}

static const char *next_of_open(const cfmt_announce_t *a, const cfmt_group_t *g,
                                const cfmt_event_t *e)
{
    const char *bare = those(a, g->row.prefixes, 0);

    if (!g->row.a.ours) {
        return "nothing: it is not our account";
    }
    if (g->row.a.scope == CFMT_EFFECT_HOST) {
        return "nothing: an attack on a hostname changes no prefix";
    }
    if (lacks_place(g)) {
        return "no prefix is withdrawn by itself until it is over";
    }
    if (!g->row.prefixes->nelts) {
        return "nothing: what it hits is none of your prefixes";
    }
    if (bare && e && e->statuses) {
        return apr_pstrcat(a->p, "the state of ", bare, " is read", NULL);
    }
    return bare ? apr_pstrcat(a->p, bare, " is not advertised: the policy advertises it now, or"
                              " asks you", NULL)
           : those(a, g->row.prefixes, 1) ? "it stays advertised while it lasts, until it is calm"
                                          : "whether what it hits is advertised is not known";
}

/* ---- the news -------------------------------------------------------------------------------- */

/* An event of the step that did it, for what the attack does not say. */
static const cfmt_event_t *event_of(const cfmt_group_t *g, cfmt_state_e state)
{
    const cfmt_event_t *found = NULL;
    int i;

    for (i = 0; i < g->items->nelts; i++) {
        const cfmt_event_t *e = &APR_ARRAY_IDX(g->items, i, const cfmt_item_t *)->e;

        if (e->state == state && (!found || e->ts >= found->ts)) {
            found = e;
        }
    }
    return found;
}

static void push(cfmt_announce_t *a, const cfmt_group_t *g, cfmt_news_e kind, const char *dedupe,
                 apr_time_t at, const char *fields)
{
    cfmt_news_t *n = apr_array_push(a->news);
    int many = g->row.prefixes->nelts;

    *n = (cfmt_news_t){ .kind = kind, .dedupe = dedupe, .attack = g->row.a.id, .at = at,
                        .prefix = many == 1 ? APR_ARRAY_IDX(g->row.prefixes, 0, const char *)
                                            : NULL,
                        .prefixes = many > 1 && !lacks_place(g) ? g->row.prefixes : NULL,
                        .fields = fields };
}

/* What is worth a word that only some alerts have. */
static const char *reason_of(const cfmt_attack_t *k, const cfmt_event_t *e, apr_pool_t *p)
{
    if (!k->alert_types->nelts) {
        return "traffic says so, no alert came";
    }
    if (e && !strcmp(e->source, "recovered")) {
        return "Cloudflare's history says so, its alert did not arrive";
    }
    return e && e->statuses ? apr_pstrcat(p, "Cloudflare's auto-advertise says ", e->statuses, NULL)
                            : NULL;
}

static void tell_start(cfmt_announce_t *a, const cfmt_group_t *g, const char *name)
{
    const cfmt_attack_t *k = &g->row.a;
    const cfmt_event_t *e = event_of(g, CFMT_STATE_START);
    int again = g->ids->nelts > 0;
    apr_pool_t *p = a->p;

    push(a, g, CFMT_NEWS_ATTACK_START,
         again ? apr_psprintf(p, "attack-start %s %" APR_TIME_T_FMT, name, k->episode_at)
               : apr_pstrcat(p, "attack-start ", name, NULL), k->episode_at,
         cfmt_news_fields(p, "prefix", place_of(a, g), "target", cfmt_of_list(k->targets, p),
                          "vector", cfmt_of_list(k->vectors, p),
                          "protocol", cfmt_of_list(k->protocols, p),
                          "type", cfmt_of_list(k->alert_types, p),
                          "pps", cfmt_of_rate(e && e->pps > 0 ? e->pps : k->peak_pps, p),
                          "bps", cfmt_of_rate(e && e->bps > 0 ? e->bps : k->peak_bps, p),
                          "account", k->ours ? NULL : k->account,
                          "state", again ? apr_psprintf(p, "again, episode %d", k->episodes) : NULL,
                          "since_at", cfmt_of_time(k->episode_at, p),
                          "reason", reason_of(k, e, p),
                          "next", next_of_open(a, g, e),
                          "look", cfmt_of_command("attack", k->id, p),
                          "mode", a->conf->mode, NULL));
}

static const char *cause_of(const cfmt_attack_t *k, const cfmt_event_t *e)
{
    switch (*k->ended_by) {
    case 'c':
        return "it has been calm for long enough";
    case 't':
        return "nothing was heard of it for too long";
    case 'o':
        return e ? e->summary : "closed by hand";
    default:
        return "Cloudflare says so";
    }
}

/* Its largest sources, and the share of packets whose source cannot be true. */
typedef struct from_t {
    const char *sources, *spoofed;
} from_t;

static from_t from_tops(const cfmt_tops_t *tops, apr_pool_t *p)
{
    const apr_array_header_t *top = tops->of[CFMT_SUM_SOURCE];
    apr_array_header_t *names = apr_array_make(p, SOURCES, sizeof(const char *));
    int i;

    for (i = 0; i < top->nelts; i++) {
        APR_ARRAY_PUSH(names, const char *) = APR_ARRAY_IDX(top, i, cfmt_top_t).sum.name;
    }
    return (from_t){ .sources = cfmt_of_list(names, p),
                     .spoofed = apr_psprintf(p, "%.0f", tops->spoofed * 100) };
}

static apr_status_t find_from(from_t *from, cfmt_announce_t *a, const cfmt_group_t *g)
{
    apr_array_header_t *cidrs = apr_array_make(a->p, 2, sizeof(cfmt_cidr_t));
    const apr_array_header_t *texts = g->row.prefixes;
    apr_time_t end = g->row.a.ended_at, since = g->row.a.episode_at;
    cfmt_tops_t tops;
    apr_status_t rv;
    int i;

    *from = (from_t){ .sources = NULL };
    for (i = 0; i < texts->nelts; i++) {
        if (cfmt_cidr_parse(apr_array_push(cidrs), NULL, APR_ARRAY_IDX(texts, i, const char *))
            != APR_SUCCESS) {
            cidrs->nelts--;
        }
    }
    if (!cidrs->nelts || a->looked++ >= LOOKS) {
        return APR_SUCCESS;
    }
    since = since < end - LOOK_BACK ? end - LOOK_BACK : since;
    rv = cfmt_traffic_tops(a->s, &tops, cidrs, since, end, SOURCES, a->p);
    if (rv == APR_SUCCESS && tops.packets > 0) {
        *from = from_tops(&tops, a->p);
    }
    return rv;
}

static void tell_end(cfmt_announce_t *a, const cfmt_group_t *g, const from_t *from)
{
    const cfmt_attack_t *k = &g->row.a;
    const char *prefix = g->row.prefixes->nelts ? APR_ARRAY_IDX(g->row.prefixes, 0, const char *)
                                                : NULL;
    apr_pool_t *p = a->p;

    push(a, g, CFMT_NEWS_ATTACK_END,
         apr_psprintf(p, "attack-end %s %" APR_TIME_T_FMT, k->id, k->ended_at), k->ended_at,
         cfmt_news_fields(p, "prefix", place_of(a, g), "target", cfmt_of_list(k->targets, p),
                          "vector", cfmt_of_list(k->vectors, p),
                          "type", cfmt_of_list(k->alert_types, p),
                          "peak_pps", cfmt_of_rate(k->peak_pps, p),
                          "peak_bps", cfmt_of_rate(k->peak_bps, p),
                          "sources", from->sources, "spoofed", from->spoofed,
                          "account", k->ours ? NULL : k->account,
                          "cause", cause_of(k, event_of(g, CFMT_STATE_END)),
                          "since_at", cfmt_of_time(k->episode_at, p),
                          "duration_s", apr_psprintf(p, "%" APR_TIME_T_FMT,
                                                     apr_time_sec(k->ended_at - k->episode_at)),
                          "next", prefix ? "withdrawn, where that is the policy, when all gates are"
                                           " green" : NULL,
                          "look", prefix ? cfmt_of_command("explain", prefix, p)
                                         : cfmt_of_command("attack", k->id, p),
                          "mode", a->conf->mode, NULL));
}

/* ---- what has changed ------------------------------------------------------------------------ */

static int hits_one_of(const cfmt_struck_t *t, const apr_array_header_t *prefixes)
{
    cfmt_cidr_t c;
    int i, k;

    for (i = 0; i < prefixes->nelts; i++) {
        if (cfmt_cidr_parse(&c, NULL, APR_ARRAY_IDX(prefixes, i, const char *)) != APR_SUCCESS) {
            continue;
        }
        for (k = 0; k < t->prefixes->nelts; k++) {
            if (!cfmt_cidr_compare(&APR_ARRAY_IDX(t->prefixes, k, cfmt_cidr_t), &c)) {
                return 1;
            }
        }
    }
    return 0;
}

static apr_status_t read_open(cfmt_announce_t *a)
{
    if (a->open) {
        return APR_SUCCESS;
    }
    a->open = apr_array_make(a->p, 8, sizeof(cfmt_struck_t));
    return cfmt_struck_open(a->s, a->open, APR_INT64_MAX, OPEN_MAX, a->p);
}

/*
 * The name under which people know it: where traffic opened an attack on the same prefix before an
 * alert came, both will be joined, and the alert is no second start.
 */
static apr_status_t name_of(cfmt_announce_t *a, const cfmt_group_t *g, const char **pname)
{
    apr_status_t rv;
    int i;

    *pname = g->row.a.id;
    if (g->ids->nelts || !g->row.a.ours || !g->row.a.alert_types->nelts
        || !g->row.prefixes->nelts) {
        return APR_SUCCESS;
    }
    rv = read_open(a);
    for (i = 0; rv == APR_SUCCESS && i < a->open->nelts; i++) {
        const cfmt_struck_t *t = &APR_ARRAY_IDX(a->open, i, cfmt_struck_t);

        if (!t->alerted && hits_one_of(t, g->row.prefixes)) {
            *pname = t->id;
            break;
        }
    }
    return rv;
}

apr_status_t cfmt_announce_attack(cfmt_announce_t *a, const cfmt_group_t *g)
{
    const cfmt_attack_t *k = &g->row.a;
    const char *name;
    from_t from;
    apr_status_t rv = APR_SUCCESS;

    if (k->open && !g->was_open) {
        rv = name_of(a, g, &name);
        if (rv == APR_SUCCESS) {
            tell_start(a, g, name);
        }
    }
    else if (!k->open && k->ended_at && (g->was_open || k->ended_at > g->was_ended)) {
        rv = find_from(&from, a, g);
        if (rv == APR_SUCCESS) {
            tell_end(a, g, &from);
        }
    }
    return rv;
}
