/*
 * What was decided about a prefix as JSON: its gates, what is done and why, who caused the
 * advertisement. Kept with the decision, so that status and explain say what was decided, and
 * decide nothing themselves.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store.h"

#define FORM 1 /* "version" of what is written here */

static const cfmt_json_limits_t limits = { .depth = 4, .unique = 1 };

/* ---- encode ---------------------------------------------------------------------------------- */

static const char *quote(const char *text, apr_pool_t *p)
{
    return text ? cfmt_json_quote(p, text) : "null";
}

static const char *encode_gate(const cfmt_gate_t *g, apr_pool_t *p)
{
    return apr_psprintf(
        p,
        "{\"gate\":\"%s\",\"light\":\"%s\",\"reason\":%s,\"figure\":\"%s\","
        "\"value\":%" APR_INT64_T_FMT ",\"threshold\":%" APR_INT64_T_FMT ",\"text\":%s,"
        "\"source\":%s,\"at\":%" APR_TIME_T_FMT ",\"next\":%" APR_TIME_T_FMT "}",
        cfmt_gate_name(g->id), cfmt_light_name(g->light), quote(g->reason, p),
        cfmt_figure_name(g->figure), g->value, g->threshold, quote(g->text, p),
        quote(g->source, p), g->at, g->next);
}

static const char *encode_gates(const cfmt_decision_t *d, apr_pool_t *p)
{
    apr_array_header_t *out = apr_array_make(p, CFMT_GATES, sizeof(const char *));
    int i;

    for (i = 0; i < CFMT_GATES; i++) {
        APR_ARRAY_PUSH(out, const char *) = encode_gate(&d->gates[i], p);
    }
    return apr_array_pstrcat(p, out, ',');
}

static const char *encode_cause(const cfmt_cause_t *c, apr_pool_t *p)
{
    return apr_psprintf(p,
                        "{\"kind\":\"%s\",\"by_attack\":%s,\"at\":%" APR_TIME_T_FMT
                        ",\"who\":%s,\"attack\":%s,\"intent\":%" APR_INT64_T_FMT "}",
                        cfmt_cause_name(c->kind), c->by_attack ? "true" : "false", c->at,
                        quote(c->who, p), quote(c->attack, p), c->intent);
}

static const char *encode_advertise(const cfmt_advertise_t *a, const char *text, apr_pool_t *p)
{
    return apr_psprintf(p,
                        "{\"action\":\"%s\",\"reason\":%s,\"attack\":%s,\"at\":%" APR_TIME_T_FMT
                        ",\"exposed\":%s,\"page_at\":%" APR_TIME_T_FMT ",\"text\":%s}",
                        cfmt_advertise_name(a->action), quote(a->reason, p), quote(a->attack, p),
                        a->at, a->exposed ? "true" : "false", a->page_at, quote(text, p));
}

const char *cfmt_decision_encode(const cfmt_decision_t *d, const cfmt_advertise_t *a,
                                 const cfmt_cause_t *cause, const char *text,
                                 const char *advertise_text, apr_pool_t *p)
{
    const char *head = apr_psprintf(
        p,
        "{\"version\":%d,\"action\":\"%s\",\"why\":\"%s\",\"text\":%s,"
        "\"earliest\":%" APR_TIME_T_FMT ",\"orphan\":%s,\"orphan_at\":%" APR_TIME_T_FMT,
        FORM, cfmt_do_name(d->action), cfmt_gate_name(d->why), quote(text, p), d->earliest,
        d->orphan ? "true" : "false", d->orphan_at);

    return apr_pstrcat(p, head, ",\"cause\":", encode_cause(cause, p), ",\"advertise\":",
                       encode_advertise(a, advertise_text, p), ",\"gates\":[",
                       encode_gates(d, p), "]}", NULL);
}

/* ---- decode ---------------------------------------------------------------------------------- */

/* What is missing, or of another type, is noted in the reader; everything reads on. */
typedef struct reader_t {
    const cfmt_json_t *o;
    int bad;
} reader_t;

static apr_int64_t take_int(reader_t *r, const char *key)
{
    apr_int64_t n = 0;

    r->bad |= cfmt_json_int(&n, r->o, key) != APR_SUCCESS;
    return n;
}

static int take_flag(reader_t *r, const char *key)
{
    const cfmt_json_t *m = cfmt_json_get(r->o, key);

    r->bad |= !m || m->type != CFMT_JSON_BOOL;
    return m && m->flag;
}

/* NULL for null, too. */
static const char *take_text(reader_t *r, const char *key)
{
    r->bad |= !cfmt_json_get(r->o, key);
    return cfmt_json_text(r->o, key);
}

/* A text that is always there. */
static const char *take_said(reader_t *r, const char *key)
{
    const char *text = cfmt_json_text(r->o, key);

    r->bad |= !text;
    return text ? text : "";
}

/* Which of n words it is. */
static int take_word(reader_t *r, const char *key, const char *(*name)(int), int n)
{
    const char *word = take_said(r, key);
    int i;

    for (i = 0; i < n; i++) {
        if (!strcmp(word, name(i))) {
            return i;
        }
    }
    r->bad = 1;
    return 0;
}

static const char *do_name(int v)
{
    return cfmt_do_name((cfmt_do_e)v);
}

/* CFMT_GATES itself is "none". */
static const char *gate_name(int v)
{
    return cfmt_gate_name((cfmt_gate_e)v);
}

static const char *light_name(int v)
{
    return cfmt_light_name((cfmt_light_e)v);
}

static const char *figure_name(int v)
{
    return cfmt_figure_name((cfmt_figure_e)v);
}

static const char *cause_name(int v)
{
    return cfmt_cause_name((cfmt_cause_e)v);
}

static const char *advertise_name(int v)
{
    return cfmt_advertise_name((cfmt_advertise_e)v);
}

static int read_gate(cfmt_gate_t *g, int id, const cfmt_json_t *o)
{
    reader_t r = { .o = o };

    r.bad = take_word(&r, "gate", gate_name, CFMT_GATES) != id;
    g->id = (cfmt_gate_e)id;
    g->light = (cfmt_light_e)take_word(&r, "light", light_name, CFMT_LIGHT_UNCHECKED + 1);
    g->reason = take_said(&r, "reason");
    g->figure = (cfmt_figure_e)take_word(&r, "figure", figure_name, CFMT_FIGURE_TIME + 1);
    g->value = take_int(&r, "value");
    g->threshold = take_int(&r, "threshold");
    g->text = take_text(&r, "text");
    g->source = take_said(&r, "source");
    g->at = take_int(&r, "at");
    g->next = take_int(&r, "next");
    return !r.bad;
}

/* All of them, in their order: a list with fewer would read as one with less in the way. */
static int read_gates(cfmt_gate_t *gates, const cfmt_json_t *array)
{
    const cfmt_json_t *m = array && array->type == CFMT_JSON_ARRAY ? array->child : NULL;
    int i;

    for (i = 0; i < CFMT_GATES && m && read_gate(&gates[i], i, m); i++, m = m->next) {
    }
    return i == CFMT_GATES && !m;
}

static int read_cause(cfmt_cause_t *c, const cfmt_json_t *o)
{
    reader_t r = { .o = o };

    c->kind = (cfmt_cause_e)take_word(&r, "kind", cause_name, CFMT_CAUSES);
    c->by_attack = take_flag(&r, "by_attack");
    c->at = take_int(&r, "at");
    c->who = take_text(&r, "who");
    c->attack = take_text(&r, "attack");
    c->intent = take_int(&r, "intent");
    return !r.bad;
}

static int read_advertise(cfmt_advertise_t *a, const char **ptext, const cfmt_json_t *o)
{
    reader_t r = { .o = o };

    a->action =
        (cfmt_advertise_e)take_word(&r, "action", advertise_name, CFMT_ADVERTISE_NOW + 1);
    a->reason = take_said(&r, "reason");
    a->attack = take_text(&r, "attack");
    a->at = take_int(&r, "at");
    a->exposed = take_flag(&r, "exposed");
    a->page_at = take_int(&r, "page_at");
    *ptext = take_text(&r, "text");
    return !r.bad;
}

static int read_head(cfmt_decided_t *out, const cfmt_json_t *doc)
{
    reader_t r = { .o = doc };

    r.bad = take_int(&r, "version") != FORM;
    out->d.action = (cfmt_do_e)take_word(&r, "action", do_name, CFMT_DO_WITHDRAW + 1);
    out->d.why = (cfmt_gate_e)take_word(&r, "why", gate_name, CFMT_GATES + 1);
    out->text = take_text(&r, "text");
    out->d.earliest = take_int(&r, "earliest");
    out->d.orphan = take_flag(&r, "orphan");
    out->d.orphan_at = take_int(&r, "orphan_at");
    return !r.bad && read_cause(&out->cause, cfmt_json_get(doc, "cause"))
           && read_advertise(&out->a, &out->advertise_text, cfmt_json_get(doc, "advertise"));
}

static cfmt_json_t *parse(const char *json, apr_size_t len, apr_pool_t *p)
{
    cfmt_json_t *doc;
    const char *why;

    return cfmt_json_parse(&doc, &why, json, len, &limits, p) == APR_SUCCESS ? doc : NULL;
}

apr_status_t cfmt_decision_decode(cfmt_decided_t *out, const char *json, apr_pool_t *p)
{
    const cfmt_json_t *doc = json ? parse(json, strlen(json), p) : NULL;

    memset(out, 0, sizeof(*out));
    return doc && read_head(out, doc) && read_gates(out->d.gates, cfmt_json_get(doc, "gates"))
               ? APR_SUCCESS
               : CFMT_EINVALID;
}

/* The gates come last, and no text can hold the quotes of their name: those are escaped there. */
apr_status_t cfmt_decision_glance(cfmt_decided_t *out, const char *json, apr_pool_t *p)
{
    const char *gates = json ? strstr(json, ",\"gates\":[") : NULL;
    const char *head = gates ? apr_pstrmemdup(p, json, (apr_size_t)(gates - json)) : NULL;
    const cfmt_json_t *doc = head ? parse(apr_pstrcat(p, head, "}", NULL),
                                          (apr_size_t)(gates - json) + 1, p) : NULL;

    memset(out, 0, sizeof(*out));
    return doc && read_head(out, doc) ? APR_SUCCESS : CFMT_EINVALID;
}
