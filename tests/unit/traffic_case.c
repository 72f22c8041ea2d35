/*
 * Cases of what traffic says of attacks, made of text, and what is said as text.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "traffic_case.h"
#include "unit.h"

static const struct {
    char name;
    const char *cidr;
} networks[] = { { 'A', "203.0.113.0/24" }, { 'B', "198.51.100.0/24" },
                 { 'N', "203.0.113.128/25" }, { 'W', "203.0.112.0/22" }, { 'S', "2001:db8::/32" } };

static cfmt_cidr_t network(char name)
{
    cfmt_cidr_t c;
    int i = 0;

    while (networks[i].name != name) {
        i++;
    }
    ck_assert_int_eq(cfmt_cidr_parse(&c, NULL, networks[i].cidr), APR_SUCCESS);
    return c;
}

static char name_of(const cfmt_cidr_t *c)
{
    int i = 0;

    while (strcmp(networks[i].cidr, cfmt_cidr_format(unit_pool, c))) {
        i++;
    }
    return networks[i].name;
}

static cfmt_struck_t make_struck(const struck_t *a)
{
    cfmt_struck_t s = { .id = a->id, .open = a->end <= 0, .alerted = a->alerted,
                        .anywhere = *a->hits == '*', .started_at = AT(a->start),
                        .last_at = AT(a->last > a->start ? a->last : a->start),
                        .peak_pps = a->pps > 0 ? a->pps : -1,
                        .peak_bps = a->pps > 0 ? a->pps * 1000 : -1 };
    const char *h;

    s.prefixes = apr_array_make(unit_pool, 2, sizeof(cfmt_cidr_t));
    for (h = a->hits + (*a->hits == '*'); *h; h++) {
        APR_ARRAY_PUSH(s.prefixes, cfmt_cidr_t) = network(*h);
    }
    if (!s.open) {
        s.ended_at = AT(a->end);
        s.last_at = AT(a->last > a->end ? a->last : a->end);
    }
    return s;
}

/* As the store gives them: attack minutes stand alone, others are runs. */
static void cut(cfmt_watched_t *w, const char *minutes)
{
    cfmt_span_t *spans = apr_pcalloc(unit_pool, (strlen(minutes) + 1) * sizeof(*spans));
    int i;

    w->spans = spans;
    for (i = 0; minutes[i]; i++) {
        char c = minutes[i];

        if (c == '?') {
            continue;
        }
        if (i && c == minutes[i - 1] && !(c >= '1' && c <= '9')) {
            spans[w->n - 1].to += MIN;
            continue;
        }
        spans[w->n++] = (cfmt_span_t){
            .from = AT(i), .to = AT(i + 1), .peak_at = AT(i), .reason = "pps",
            .verdict = c == '.'   ? CFMT_VERDICT_CALM
                       : c == 'b' ? CFMT_VERDICT_BETWEEN : CFMT_VERDICT_ATTACK,
            .pps = c > '0' && c <= '9' ? (c - '0') * 1000 + 0.5 : 0, .by = CFMT_SYSTEM_FLOWTRACKD
        };
        spans[w->n - 1].bps = spans[w->n - 1].pps * 1000;
    }
}

static cfmt_watched_t make_watched(const watched_t *p)
{
    cfmt_watched_t w = { .cidr = network(p->name), .advertised = p->state > 1 ? -1 : !p->state,
                         .since = AT(p->since), .sustain = p->sustain ? p->sustain : 2,
                         .calm = (p->calm ? p->calm : 15) * MIN };

    cut(&w, p->minutes ? p->minutes : "");
    return w;
}

cfmt_traffic_case_t traffic_case(const row_t *row)
{
    cfmt_struck_t *attacks = apr_pcalloc(unit_pool, MOST * sizeof(*attacks));
    cfmt_watched_t *prefixes = apr_pcalloc(unit_pool, MOST * sizeof(*prefixes));
    cfmt_traffic_case_t c = {
        .now = AT(row->now ? row->now : 60),
        .timeout = (row->timeout ? row->timeout : 1440) * MIN,
        .stale = 15 * MIN, .listed = !row->unlisted, .attacks = attacks, .prefixes = prefixes,
        .opens_from = row->opens_from ? AT(row->opens_from) : 0
    };

    for (; c.attacks_n < MOST && row->attacks[c.attacks_n].id; c.attacks_n++) {
        attacks[c.attacks_n] = make_struck(&row->attacks[c.attacks_n]);
    }
    for (; c.prefixes_n < MOST && row->prefixes[c.prefixes_n].name; c.prefixes_n++) {
        prefixes[c.prefixes_n] = make_watched(&row->prefixes[c.prefixes_n]);
    }
    return c;
}

/* ---- what is said, as text ------------------------------------------------------------------- */

static const char *minute_text(apr_time_t at)
{
    return apr_psprintf(unit_pool, "%d%s", (int)((at - ZERO) / MIN), (at - ZERO) % MIN ? "+" : "");
}

static const char *say_text(const cfmt_say_t *s)
{
    static const char *const words[] = { "join", "reopen", "open", "peak", "calm", "timeout" };
    const char *text = apr_pstrcat(unit_pool, words[s->what], s->id ? " " : "",
                                   s->id ? s->id : "", NULL);

    if (s->what == CFMT_SAYS_JOIN) {
        return apr_pstrcat(unit_pool, text, "=", s->with, NULL);
    }
    if (s->prefix.family) {
        ck_assert_int_eq(s->by, CFMT_SYSTEM_FLOWTRACKD);
        text = apr_psprintf(unit_pool, "%s %c%d", text, name_of(&s->prefix), (int)s->pps);
    }
    return apr_pstrcat(unit_pool, text, "@", minute_text(s->at), NULL);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *traffic_says(const cfmt_traffic_case_t *c, int sorted)
{
    const apr_array_header_t *says = cfmt_traffic_says(c, unit_pool);
    apr_array_header_t *texts = apr_array_make(unit_pool, 4, sizeof(const char *));
    int i;

    for (i = 0; i < says->nelts; i++) {
        APR_ARRAY_PUSH(texts, const char *) = say_text(&APR_ARRAY_IDX(says, i, cfmt_say_t));
    }
    if (sorted) {
        qsort(texts->elts, (size_t)texts->nelts, sizeof(const char *), by_text);
    }
    return apr_array_pstrcat(unit_pool, texts, ',');
}
