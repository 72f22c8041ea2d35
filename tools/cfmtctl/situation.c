/*
 * The state of a prefix in a row: what the API last said, what was decided, what is under way, what
 * attacks it. Read from the store; nothing is decided here.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "act.h"

#define ATTACKS_MAX 1000
#define EXPOSED "NOT PROTECTED"
#define MINUTES_BACK apr_time_from_sec(20 * 60) /* a newest minute older than that is none */

#define VIEW(member, label, kind_, table) COLUMN(ctl_prefix_t, member, label, kind_, table)

static const ctl_column_t columns[] = {
    VIEW(prefix, "prefix", COL_TEXT, 1),
    VIEW(name, "name", COL_TEXT, WIDE),
    VIEW(state, "state", COL_TEXT, 1),
    AGED(ctl_prefix_t, since, "since", "since"),
    VIEW(cause, "cause", COL_TEXT, 1),
    VIEW(who, "caused_by", COL_TEXT, WIDE),
    VIEW(attack, "attack", COL_TEXT, WIDE),
    VIEW(attacks_text, "attacks", COL_TEXT, TABLE_ONLY),
    VIEW(attacks, "attacks_open", COL_INT, 0),
    VIEW(dropped_text, "dropped", COL_TEXT, TABLE_ONLY),
    VIEW(dropped, "dropped_pps", COL_RATE, 0),
    VIEW(dropped_at, "dropped_at", COL_TIME, WIDE),
    VIEW(verdict, "verdict", COL_TEXT, 0),
    VIEW(earliest, "earliest", COL_TIME, WIDE),
    VIEW(exposed, "exposed", COL_FLAG, 0),
    VIEW(orphan, "orphan", COL_FLAG, 0),
    VIEW(intent_id, "intent", COL_REF, 0),
    VIEW(intent_state, "intent_state", COL_TEXT, WIDE),
    VIEW(inside, "inside", COL_TEXT, 0),
    AGED_AS(ctl_prefix_t, decided_at, "decided", WIDE),
    VIEW(next, "next", COL_TEXT, 1),
    { .name = NULL }
};
const ctl_list_t ctl_prefix_list = { "prefixes", columns, sizeof(ctl_prefix_t) };

/* ---- what is stored -------------------------------------------------------------------------- */

/* For decisions and minutes, which both begin with the prefix. */
static int by_cidr(const void *a, const void *b)
{
    return cfmt_cidr_compare(a, b);
}

static const void *find(const apr_array_header_t *rows, const cfmt_cidr_t *cidr)
{
    return rows->nelts ? bsearch(cidr, rows->elts, (size_t)rows->nelts, (size_t)rows->elt_size,
                                 by_cidr)
                       : NULL;
}

apr_status_t ctl_situation_load(const ctl_world_t *w, ctl_situation_t *x)
{
    apr_status_t rv;

    x->lines = ctl_lines(w);
    x->attacks = apr_array_make(w->p, 16, sizeof(cfmt_struck_t));
    if ((rv = cfmt_prefixes_load(w->store, &x->prefixes, w->p)) != APR_SUCCESS
        || (rv = cfmt_decisions_load(w->store, &x->decisions, w->p)) != APR_SUCCESS
        || (rv = cfmt_intents_open(w->store, &x->intents, w->p)) != APR_SUCCESS
        || (rv = cfmt_struck_open(w->store, x->attacks, APR_INT64_MAX, ATTACKS_MAX, w->p))
               != APR_SUCCESS
        || (rv = cfmt_evidence_load_all(w->store, w->now - MINUTES_BACK, &x->minutes, w->p))
               != APR_SUCCESS) {
        return rv;
    }
    qsort(x->decisions->elts, (size_t)x->decisions->nelts, sizeof(cfmt_decision_row_t), by_cidr);
    return rv;
}

/* ---- attacks --------------------------------------------------------------------------------- */

static void view_attacks(const ctl_world_t *w, const ctl_situation_t *x, ctl_prefix_t *v)
{
    int i;

    for (i = 0; i < x->attacks->nelts; i++) {
        const cfmt_struck_t *a = &APR_ARRAY_IDX(x->attacks, i, cfmt_struck_t);
        v->attacks += a->open && (a->anywhere || cfmt_attack_hits(a, &v->cidr));
    }
    v->attacks_text = v->attacks ? apr_psprintf(w->p, "%" APR_INT64_T_FMT " open", v->attacks)
                                 : "0";
}

/* ---- traffic --------------------------------------------------------------------------------- */

/* Calm minutes stand merged, with the greatest rate of all: only that minute is known exactly. */
static void view_minute(const ctl_world_t *w, const ctl_situation_t *x, ctl_prefix_t *v)
{
    const cfmt_evidence_spans_t *set = find(x->minutes, &v->cidr);
    const cfmt_span_t *s;

    v->dropped = -1;
    v->dropped_text = "-";
    if (!set || !set->spans->nelts) {
        return;
    }
    s = v->minute = &APR_ARRAY_IDX(set->spans, set->spans->nelts - 1, cfmt_span_t);
    v->dropped_at = s->to - CFMT_MINUTE;
    if (s->pps <= 0) {
        v->dropped = 0;
        v->dropped_text = "0";
    }
    else if (s->to - s->from == CFMT_MINUTE || s->peak_at == v->dropped_at) {
        v->dropped = s->pps;
        v->dropped_text = cfmt_rate_format(w->p, s->pps, "pps");
    }
    else {
        v->dropped_text = apr_pstrcat(w->p, "<", cfmt_rate_format(w->p, s->pps, "pps"), NULL);
    }
}

/* ---- state, and what comes next -------------------------------------------------------------- */

static const cfmt_intent_row_t *intent_of(const ctl_situation_t *x, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; i < x->intents->nelts; i++) {
        const cfmt_intent_row_t *in = &APR_ARRAY_IDX(x->intents, i, cfmt_intent_row_t);
        if (!cfmt_cidr_compare(&in->prefix, cidr)) {
            return in;
        }
    }
    return NULL;
}

/* The smallest on-demand prefix around one that is none. */
static const char *inside_of(const ctl_world_t *w, const ctl_situation_t *x,
                             const cfmt_cidr_t *cidr)
{
    const cfmt_cidr_t *best = NULL;
    int i;

    for (i = 0; i < x->prefixes->nelts; i++) {
        const cfmt_prefix_row_t *r = &APR_ARRAY_IDX(x->prefixes, i, cfmt_prefix_row_t);
        if (!r->gone && r->b.enabled == 1 && r->b.cidr.bits < cidr->bits
            && cfmt_cidr_contains(&r->b.cidr, cidr) && (!best || r->b.cidr.bits > best->bits)) {
            best = &r->b.cidr;
        }
    }
    return best ? cfmt_cidr_format(w->p, best) : NULL;
}

const char *ctl_intent_text(const ctl_world_t *w, const cfmt_intent_row_t *in)
{
    apr_time_t at = in->next_at > in->not_before ? in->next_at : in->not_before;
    const char *text = apr_psprintf(w->p, "%s %" APR_INT64_T_FMT " %s",
                                    in->want ? "advertise" : "withdraw", in->id,
                                    cfmt_intent_name(in->state));

    if (at > w->now && in->state == CFMT_INTENT_REQUESTED) {
        text = apr_pstrcat(w->p, text, ", due ", ctl_time(w->p, at), NULL);
    }
    return in->answer ? apr_pstrcat(w->p, text, ": ", ctl_text(w->p, in->answer), NULL) : text;
}

/* It is, or was, on its way to Cloudflare; what is queued changes nothing before its time. */
static int is_under_way(const ctl_world_t *w, const cfmt_intent_row_t *in)
{
    return in && (in->state != CFMT_INTENT_REQUESTED || in->attempts || in->not_before <= w->now);
}

static const char *state_of(const ctl_world_t *w, const ctl_prefix_t *v)
{
    const cfmt_prefix_row_t *r = v->row;

    if (is_under_way(w, v->intent)) {
        return v->intent->want ? "advertising" : "withdrawing";
    }
    if (!r) {
        return "not listed";
    }
    if (r->gone) {
        return "gone";
    }
    if (r->b.enabled == 0) {
        return "not on demand";
    }
    return r->b.advertised < 0 ? "unknown" : r->b.advertised ? "advertised" : "withdrawn";
}

/* What is under way, what an attack wants, else why it stays; NULL = nothing. */
static const char *plan_of(const ctl_world_t *w, const ctl_prefix_t *v)
{
    const cfmt_decided_t *d = &v->decided;

    if (v->intent) {
        return ctl_intent_text(w, v->intent);
    }
    if (v->row && v->row->b.enabled == 0) {
        return v->inside ? apr_pstrcat(w->p, "inside ", v->inside, NULL) : NULL;
    }
    if (!v->row || v->row->gone) {
        return NULL;
    }
    if (!v->has_decided) {
        return v->decision ? "its decision cannot be read: another version wrote it"
                           : "not decided yet";
    }
    if (d->a.action != CFMT_ADVERTISE_NONE && d->advertise_text) {
        return d->advertise_text;
    }
    return d->text && strcmp(d->text, "-") ? d->text : NULL; /* what is withdrawn rests */
}

/* Help that is on its way has not come. */
static const char *next_of(const ctl_world_t *w, const ctl_prefix_t *v)
{
    const char *plan = plan_of(w, v);

    return v->exposed == 1 && plan && strncmp(plan, EXPOSED, strlen(EXPOSED))
               ? apr_pstrcat(w->p, EXPOSED ": ", plan, NULL) : plan;
}

static void view_decision(const ctl_world_t *w, const ctl_situation_t *x, ctl_prefix_t *v)
{
    const cfmt_decided_t *d = &v->decided;

    v->exposed = v->orphan = -1;
    v->decided_at.age = -1;
    v->decision = find(x->decisions, &v->cidr);
    v->has_decided = v->decision
                     && cfmt_decision_glance(&v->decided, v->decision->gates, w->p) == APR_SUCCESS;
    if (!v->has_decided) {
        return;
    }
    v->decided_at = ctl_aged(w, v->decision->at);
    v->verdict = cfmt_do_name(d->d.action);
    v->earliest = d->d.earliest;
    v->exposed = d->a.exposed;
    v->orphan = d->d.orphan;
    if (v->row && v->row->b.enabled != 0) {
        v->cause = cfmt_cause_name(d->cause.kind);
        v->who = d->cause.who;
        v->attack = d->cause.attack;
    }
}

void ctl_situation_view(const ctl_world_t *w, const ctl_situation_t *x, const cfmt_cidr_t *cidr,
                        ctl_prefix_t *v)
{
    const ctl_line_t *line = ctl_line_of(x->lines, cidr);

    memset(v, 0, sizeof(*v));
    v->cidr = *cidr;
    v->row = cfmt_prefix_find(x->prefixes, cidr);
    v->prefix = cfmt_cidr_format(w->p, cidr);
    v->name = line ? line->name : NULL;
    v->since = ctl_aged(w, v->row && v->row->b.enabled != 0 ? v->row->b.advertised_at : 0);
    v->intent = intent_of(x, cidr);
    if (v->intent) {
        v->intent_id = v->intent->id;
        v->intent_state = cfmt_intent_name(v->intent->state);
    }
    v->inside = v->row && v->row->b.enabled == 0 ? inside_of(w, x, cidr) : NULL;
    view_attacks(w, x, v);
    view_minute(w, x, v);
    view_decision(w, x, v);
    v->state = state_of(w, v);
    v->next = next_of(w, v);
}
