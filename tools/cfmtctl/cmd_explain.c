/*
 * explain: why a prefix is as it is. Every gate as it was last decided, what would change it, and
 * what people and the policy want of it. Nothing is decided here.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"

#define CHANGES_SHOWN 5

/* All that is told of one prefix. */
typedef struct tale_t {
    ctl_world_t w;
    ctl_situation_t x;
    ctl_prefix_t v;
    cfmt_decided_t d;   /* with its gates; of use only where has_gates */
    int has_gates;
    apr_array_header_t *holds, *windows, *proposals, *intents, *changes;
} tale_t;

/* ---- gates ----------------------------------------------------------------------------------- */

/* What changes a gate that no time changes, for whoever wants the withdrawal. */
static const char *const remedies[CFMT_GATES] = {
    [CFMT_GATE_MODE] = "CfmtMode enforce and a reload of httpd let it act by itself",
    [CFMT_GATE_SCOPE] = "withdraw=auto at its CfmtPrefix line, or by hand: 'cfmtctl withdraw %s'",
    [CFMT_GATE_KNOWN] = "see 'cfmtctl prefixes' and 'cfmtctl jobs'",
    [CFMT_GATE_ENABLED] = "Cloudflare makes it on demand",
    [CFMT_GATE_UNLOCKED] = "Cloudflare unlocks it",
    [CFMT_GATE_API_CONTROLLED] = "it is withdrawn by BGP",
    [CFMT_GATE_FRESH] = "read at once when nothing else is missing",
    [CFMT_GATE_CAUSE] = "'cfmtctl adopt %s' hands it to the policy",
    [CFMT_GATE_NO_ATTACK] = "its END, calm, or 'cfmtctl attack close ID' ('cfmtctl attacks')",
    [CFMT_GATE_CALM] = "calm minutes: 'cfmtctl evidence %s'",
    [CFMT_GATE_NO_HOLD] = "'cfmtctl release %s'",
    [CFMT_GATE_NO_WINDOW] = "'cfmtctl window remove ID' ('cfmtctl window list')",
    [CFMT_GATE_ORIGIN] = "announce it yourself, see CfmtWithdrawCheck",
    [CFMT_GATE_API_HEALTH] = "see 'cfmtctl jobs'",
    [CFMT_GATE_PROJECTED] = "see 'cfmtctl db check'",
    [CFMT_GATE_CLOCK] = "read at once when nothing else is missing",
};

typedef struct gate_view_t {
    const char *gate, *light, *reason, *figure, *about, *source, *text, *remedy;
    const char *value, *threshold; /* as text */
    ctl_aged_t known;
    apr_time_t next;
} gate_view_t;

#define GATE(member, label, kind_) COLUMN(gate_view_t, member, label, kind_, 0)
static const ctl_column_t gate_columns[] = {
    GATE(gate, "gate", COL_TEXT), GATE(light, "light", COL_TEXT), GATE(reason, "reason", COL_TEXT),
    GATE(text, "text", COL_TEXT), GATE(figure, "figure", COL_TEXT), GATE(value, "value", COL_TEXT),
    GATE(threshold, "threshold", COL_TEXT), GATE(about, "about", COL_TEXT),
    GATE(source, "source", COL_TEXT), AGED_JSON(gate_view_t, known, "known"),
    GATE(next, "next_change_at", COL_TIME), GATE(remedy, "remedy", COL_TEXT), { .name = NULL }
};
static const ctl_list_t gate_list = { "gates", gate_columns, sizeof(gate_view_t) };

/* NULL: it lets through, or only time helps. */
static const char *remedy_of(const tale_t *t, const cfmt_gate_t *g)
{
    const char *text = cfmt_gate_open(g) ? NULL : remedies[g->id];
    const char *at = text ? strstr(text, "%s") : NULL;

    return at ? apr_pstrcat(t->w.p, apr_pstrmemdup(t->w.p, text, (apr_size_t)(at - text)),
                            t->v.prefix, at + 2, NULL)
              : text;
}

static const char *figure(const cfmt_gate_t *g, apr_int64_t value, apr_pool_t *p)
{
    return g->figure == CFMT_FIGURE_NONE ? NULL : cfmt_figure_text(g->figure, value, p);
}

static apr_array_header_t *view_gates(const tale_t *t)
{
    apr_array_header_t *rows = apr_array_make(t->w.p, CFMT_GATES, sizeof(gate_view_t));
    int i;

    for (i = 0; t->has_gates && i < CFMT_GATES; i++) {
        const cfmt_gate_t *g = &t->d.d.gates[i];
        APR_ARRAY_PUSH(rows, gate_view_t) = (gate_view_t){
            .gate = cfmt_gate_name(g->id), .light = cfmt_light_name(g->light),
            .reason = g->reason, .figure = cfmt_figure_name(g->figure), .about = g->text,
            .source = g->source, .text = cfmt_gate_text(g, t->w.now, t->w.p),
            .remedy = remedy_of(t, g), .value = figure(g, g->value, t->w.p),
            .threshold = figure(g, g->threshold, t->w.p), .known = ctl_aged(&t->w, g->at),
            .next = g->next
        };
    }
    return rows;
}

static const char *light_colour(const cfmt_gate_t *g)
{
    return ctl_ansi(g->light == CFMT_LIGHT_RED ? "\033[1;31m"
                    : g->light == CFMT_LIGHT_UNKNOWN ? "\033[33m" : "");
}

static void print_gates(const tale_t *t)
{
    int i;

    printf("\ngates of a withdrawal, as of %s ago\n", ctl_duration(t->w.p, t->v.decided_at.age));
    for (i = 0; i < CFMT_GATES; i++) {
        const cfmt_gate_t *g = &t->d.d.gates[i];
        const char *colour = light_colour(g);
        printf("  %s%s%s\n", colour, cfmt_gate_line(g, t->w.now, t->w.p),
               *colour ? ctl_ansi("\033[0m") : "");
    }
}

/* ---- the story ------------------------------------------------------------------------------- */

static void print_head(const tale_t *t)
{
    const ctl_prefix_t *v = &t->v;

    printf("%s%s%s%s: %s", v->prefix, v->name ? " (" : "", v->name ? ctl_text(t->w.p, v->name) : "",
           v->name ? ")" : "", v->state);
    if (v->since.at) {
        printf(" since %s (%s)", ctl_time(t->w.p, v->since.at), ctl_duration(t->w.p, v->since.age));
    }
    printf("\ncause: %s%s%s%s%s\n", v->cause ? v->cause : "-", v->who ? " by " : "",
           v->who ? ctl_text(t->w.p, v->who) : "", v->attack ? ", attack " : "",
           v->attack ? ctl_text(t->w.p, v->attack) : "");
    printf("attacks: %s; dropped: %s%s%s\n", v->attacks_text, v->dropped_text,
           v->minute ? " in the minute of " : "", v->minute ? ctl_time(t->w.p, v->dropped_at) : "");
}

/* A withdrawal that would be somebody's wish only is nothing to be changed. */
static void print_changes_wanted(const tale_t *t)
{
    const char *text;
    int i, any = 0;

    for (i = 0; i < CFMT_GATES; i++) {
        const cfmt_gate_t *g = &t->d.d.gates[i];
        text = remedy_of(t, g);
        if (!cfmt_gate_open(g) && (text || g->next)) {
            printf("%s  %-14s %s%s%s\n", any ? "" : "what would change it\n", cfmt_gate_name(g->id),
                   g->next ? "by time, " : "", g->next ? ctl_time(t->w.p, g->next) : "",
                   text ? apr_pstrcat(t->w.p, g->next ? "; " : "", text, NULL) : "");
            any = 1;
        }
    }
}

static void print_verdict(const tale_t *t)
{
    const ctl_prefix_t *v = &t->v;

    printf("\nverdict: %s\n", v->next ? ctl_text(t->w.p, v->next) : "nothing is to be done");
    if (t->d.text && strcmp(t->d.text, "-") && !cfmt_text_same(t->d.text, v->next) && v->row
        && v->row->b.advertised == 1) {
        printf("the policy: %s\n", ctl_text(t->w.p, t->d.text));
    }
    if (v->earliest) {
        printf("earliest withdrawal: %s, if it stays calm; effective some 15 minutes later\n",
               ctl_time(t->w.p, v->earliest));
    }
    if (v->row && v->row->b.advertised == 1) {
        print_changes_wanted(t);
    }
}

static void print_list(const tale_t *t, const char *title, const ctl_list_t *list,
                       const apr_array_header_t *rows)
{
    if (rows->nelts) {
        printf("\n%s\n", title);
        ctl_list_print(list, rows, NULL, t->w.ctl, t->w.p);
    }
}

static void print_text(const tale_t *t)
{
    print_head(t);
    if (t->has_gates) {
        print_gates(t);
        print_verdict(t);
    }
    else {
        printf("\n%s\n", ctl_text(t->w.p, t->v.next));
    }
    print_list(t, "holds", &ctl_hold_list, t->holds);
    print_list(t, "maintenance windows", &ctl_window_rows, t->windows);
    print_list(t, "proposals", &ctl_proposal_list, t->proposals);
    print_list(t, "wanted changes", &ctl_intent_list, t->intents);
    print_list(t, "last changes", &ctl_audit_list, t->changes);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static const char *json_decision(const tale_t *t)
{
    apr_pool_t *p = t->w.p;

    if (!t->has_gates) {
        return "null";
    }
    return apr_pstrcat(
        p, "{\"at\":", ctl_json_string(p, cfmt_time_format(p, t->v.decision->at)),
        ",\"action\":", ctl_json_string(p, cfmt_do_name(t->d.d.action)),
        ",\"why\":", ctl_json_string(p, cfmt_gate_name(t->d.d.why)),
        ",\"text\":", ctl_json_string(p, t->d.text),
        ",\"advertise\":", ctl_json_string(p, cfmt_advertise_name(t->d.a.action)),
        ",\"advertise_reason\":", ctl_json_string(p, t->d.a.reason),
        ",\"advertise_text\":", ctl_json_string(p, t->d.advertise_text),
        ",\"gates\":", ctl_json_rows(&gate_list, view_gates(t), p), "}", NULL);
}

static void print_json(const tale_t *t)
{
    apr_pool_t *p = t->w.p;

    ctl_json_document(
        t->w.ctl, apr_pstrcat(p, "\"prefix\":", ctl_json_row(&ctl_prefix_list, &t->v, p),
                              ",\n\"decision\":", json_decision(t),
                              ",\n\"holds\":", ctl_json_rows(&ctl_hold_list, t->holds, p),
                              ",\"windows\":", ctl_json_rows(&ctl_window_rows, t->windows, p),
                              ",\"proposals\":",
                              ctl_json_rows(&ctl_proposal_list, t->proposals, p),
                              ",\n\"intents\":", ctl_json_rows(&ctl_intent_list, t->intents, p),
                              ",\n\"changes\":", ctl_json_rows(&ctl_audit_list, t->changes, p),
                              NULL));
}

/* ---- the command ----------------------------------------------------------------------------- */

static apr_status_t load(tale_t *t)
{
    const ctl_world_t *w = &t->w;
    const cfmt_cidr_t *cidr = &t->v.cidr;
    apr_status_t rv;

    t->has_gates = t->v.decision
                   && cfmt_decision_decode(&t->d, t->v.decision->gates, w->p) == APR_SUCCESS;
    if ((rv = ctl_holds(w, cidr, &t->holds)) != APR_SUCCESS
        || (rv = ctl_windows(w, cidr, &t->windows)) != APR_SUCCESS
        || (rv = ctl_proposals_of(w, cidr, 0, &t->proposals)) != APR_SUCCESS
        || (rv = ctl_intents(w, cidr, &t->intents)) != APR_SUCCESS) {
        return rv;
    }
    return ctl_changes(w, t->v.prefix, CHANGES_SHOWN, &t->changes);
}

int ctl_explain(ctl_t *ctl)
{
    tale_t *t = apr_pcalloc(ctl->pool, sizeof(*t));
    int code = ctl_world_open(&t->w, ctl);
    cfmt_cidr_t cidr;
    apr_status_t rv;

    if (code != CTL_DONE) {
        return code;
    }
    if ((rv = ctl_situation_load(&t->w, &t->x)) != APR_SUCCESS) {
        return ctl_world_failed(&t->w, rv);
    }
    if ((code = ctl_pick(&t->w, t->x.prefixes, ctl->operands[0], &cidr)) != CTL_DONE) {
        return code;
    }
    ctl_situation_view(&t->w, &t->x, &cidr, &t->v);
    if ((rv = load(t)) != APR_SUCCESS) {
        return ctl_world_failed(&t->w, rv);
    }
    if (ctl->json) {
        print_json(t);
    }
    else {
        print_text(t);
    }
    return CTL_DONE;
}
