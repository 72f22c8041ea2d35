/*
 * Analytics: the packets of attacks that went through Cloudflare, minute by minute, as an answer to
 * a query has them; and, for the oracle, what such an answer tells of each prefix.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "model.h"

#define SEEN_AFTER SEC(90)    /* the first rows of a minute, behind its end */
#define WHOLE_AFTER SEC(150)  /* all of them */
#define ROWS_MAX 20000

typedef struct row_t {
    apr_time_t minute;
    cfmt_cidr_t subnet;
    double packets, bits;
    enum { DROPPED, BY_RULE, PASSED } fate;
} row_t;

typedef struct query_t {
    apr_time_t from, to, mark_from, mark_to;
    int limit, wide;
    const char *subnets;
    const ev_t *wrong;        /* what is wrong with the answer; NULL = nothing */
    row_t *rows;
    int n;
} query_t;

/* ---- reading the query ----------------------------------------------------------------------- */

static apr_time_t time_at(const char *body, const char *name)
{
    const char *at = strstr(body, name);
    apr_time_t t = 0;
    char text[40];
    apr_size_t len;

    if (at) {
        at += strlen(name);
        len = strcspn(at, "\"");
        apr_cpystrn(text, at, len < sizeof(text) ? len + 1 : sizeof(text));
        (void)cfmt_time_parse(&t, text);
    }
    return t;
}

static int read_query(query_t *q, const char *body)
{
    const char *at = strstr(body, "\"limit\":");

    memset(q, 0, sizeof(*q));
    q->from = time_at(body, "\"from\":\"");
    q->to = time_at(body, "\"to\":\"");
    q->mark_from = time_at(body, "\"markFrom\":\"");
    q->mark_to = time_at(body, "\"markTo\":\"");
    q->limit = at ? atoi(at + 8) : 10000;
    q->subnets = strstr(body, "\"subnets\":[");
    q->wide = strstr(body, "\"wide0\":[") != NULL;
    return q->from && q->to > q->from;
}

/* ---- what is there --------------------------------------------------------------------------- */

static int mode_of(const query_t *q)
{
    return q->wrong ? q->wrong->how : -1;
}

/* How late rows are. 0: late, and the account's newest row shows it; 1: without a sign of it. */
static double part_of(const query_t *q, apr_time_t minute, int mark)
{
    apr_interval_time_t age = m.now - minute - MIN, late = 0;

    if (mode_of(q) == 0 || (mode_of(q) == 1 && !mark)) {
        late = (q->wrong->salt % 2 ? 20 : 10) * MIN;
    }
    return age < SEEN_AFTER + late ? 0 : age < WHOLE_AFTER + late ? 0.5 : 1;
}

static int goes_through(const cfmt_cidr_t *target, apr_time_t minute)
{
    int i;

    for (i = 0; i < PREFIXES; i++) {
        const prefix_t *p = &m.w.prefix[i];

        if (cfmt_cidr_contains(&p->cidr, target) && world_routed(p, minute)) {
            return 1;
        }
    }
    return 0;
}

static cfmt_cidr_t subnet_of(const attack_t *a)
{
    cfmt_cidr_t c = a->target;
    int i, bits = c.family == 4 ? 24 : 48;

    for (i = bits / 8; i < 16; i++) {
        c.addr[i] = 0;
    }
    c.bits = (unsigned char)bits;
    return c;
}

static int is_asked(const query_t *q, const cfmt_cidr_t *subnet, apr_pool_t *p)
{
    const char *text;

    if (subnet->family == 6) {
        return q->wide;
    }
    text = apr_pstrcat(p, "\"", cfmt_cidr_format(p, subnet), "\"", NULL);
    return q->subnets && strstr(q->subnets, text) != NULL;
}

/*
 * Behind some attacks the customer's own rules drop what is left of it: that counts nowhere. Where
 * answers are short it would fill them, and nothing could be read whole.
 */
static apr_time_t dregs_until(const attack_t *a)
{
    return a->ev->salt % 8 || m.w.page < 1000 ? a->to : a->to + 20 * MIN;
}

static void add_rows(query_t *q, const attack_t *a, apr_pool_t *p)
{
    cfmt_cidr_t subnet = subnet_of(a);
    apr_time_t minute = a->from > q->from ? a->from : q->from;
    apr_time_t end = dregs_until(a) < q->to ? dregs_until(a) : q->to;

    if (minute >= end || !is_asked(q, &subnet, p)) {
        return;
    }
    for (; minute < end && q->n < ROWS_MAX; minute += MIN) {
        double part = part_of(q, minute, 0);
        double pps = minute < a->to ? attack_pps(a, minute) : a->pps;

        if (part > 0 && pps > 0 && goes_through(&a->target, minute)) {
            q->rows[q->n++] = (row_t){ .minute = minute, .subnet = subnet,
                                       .packets = pps * 60 * part, .bits = a->bps * 60 * part,
                                       .fate = minute >= a->to ? BY_RULE
                                               : a->passes     ? PASSED : DROPPED };
        }
    }
}

/* Of all the account's traffic: the newest minute that has a row. */
static apr_time_t newest(const query_t *q)
{
    apr_time_t minute = q->mark_to - MIN;
    int i;

    minute = minute < m.now ? minute : m.now - m.now % MIN;
    for (; minute >= q->mark_from; minute -= MIN) {
        if (part_of(q, minute, 1) <= 0) {
            continue;
        }
        for (i = 0; m.w.legit && i < PREFIXES; i++) {
            if (world_routed(&m.w.prefix[i], minute)) {
                return minute;
            }
        }
        for (i = m.w.first; i < m.w.attacks->nelts; i++) {
            const attack_t *a = APR_ARRAY_IDX(m.w.attacks, i, attack_t *);

            if (attack_pps(a, minute) > 0 && goes_through(&a->target, minute)) {
                return minute;
            }
        }
    }
    return 0;
}

static int most_first(const void *a, const void *b)
{
    const row_t *x = a, *y = b;
    int diff = (x->packets < y->packets) - (x->packets > y->packets);

    diff = diff ? diff : x->minute < y->minute ? -1 : x->minute > y->minute;
    return diff ? diff : cfmt_cidr_compare(&x->subnet, &y->subnet);
}

/* ---- what it tells --------------------------------------------------------------------------- */

static int is_prefix_asked(const query_t *q, const prefix_t *p, apr_pool_t *pool)
{
    cfmt_cidr_t subnet = p->cidr;

    if (subnet.family == 4 && subnet.bits > 24) {
        return 0;
    }
    subnet.bits = subnet.family == 4 ? 24 : subnet.bits;
    return is_asked(q, &subnet, pool);
}

static void tell_prefix(told_t *t, const query_t *q, int index)
{
    const cfmt_cidr_t *cidr = &m.w.prefix[index].cidr;
    int i;

    for (i = 0; i < q->n; i++) {
        if (cfmt_cidr_contains(cidr, &q->rows[i].subnet)) {
            apr_int64_t at = index * t->n + (q->rows[i].minute - q->from) / MIN;

            if (q->rows[i].fate == DROPPED) {
                t->packets[at] += q->rows[i].packets;
                t->bits[at] += q->rows[i].bits;
            }
            t->passed[at] += q->rows[i].fate == PASSED ? q->rows[i].packets : 0;
        }
    }
}

static told_t *tell(const query_t *q, apr_time_t mark, int cut, apr_pool_t *p)
{
    told_t *t = apr_pcalloc(p, sizeof(*t));
    apr_time_t ripe = model_clock() - m.conf.lag;
    int i;

    ripe -= ripe % MIN;
    t->from = q->from;
    t->to = q->to;
    t->asked_at = model_clock();
    t->idle = !mark;
    t->cut = cut;
    t->complete = cut ? q->from : mark && mark < ripe ? mark : ripe;
    t->n = (int)((q->to - q->from) / MIN);
    t->packets = apr_pcalloc(p, sizeof(double) * (apr_size_t)(t->n * PREFIXES));
    t->bits = apr_pcalloc(p, sizeof(double) * (apr_size_t)(t->n * PREFIXES));
    t->passed = apr_pcalloc(p, sizeof(double) * (apr_size_t)(t->n * PREFIXES));
    for (i = 0; i < PREFIXES; i++) {
        if (is_prefix_asked(q, &m.w.prefix[i], p)) {
            t->asked |= 1u << i;
            tell_prefix(t, q, i);
        }
    }
    return t;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static const char *rows_text(const query_t *q, int family, apr_pool_t *p)
{
    apr_array_header_t *items = apr_array_make(p, 16, sizeof(const char *));
    int i;

    for (i = 0; i < q->n; i++) {
        const row_t *r = &q->rows[i];

        if (r->subnet.family != family) {
            continue;
        }
        APR_ARRAY_PUSH(items, const char *) = apr_psprintf(
            p,
            "{\"dimensions\":{\"datetimeMinute\":\"%s\",%s%s%s\"outcome\":\"%s\","
            "\"mitigationSystem\":\"%s\"},\"sum\":{\"packets\":%.0f,\"bits\":%.0f}}",
            cfmt_time_format(p, r->minute), family == 4 ? "\"ipDestinationSubnet\":\"" : "",
            family == 4 ? cfmt_cidr_format(p, &r->subnet) : "", family == 4 ? "\"," : "",
            r->fate == PASSED ? "pass" : "drop",
            r->fate == BY_RULE ? "magic-firewall" : i % 2 ? "flowtrackd" : "dosd", r->packets,
            r->bits);
    }
    return apr_array_pstrcat(p, items, ',');
}

static const char *put_together(const query_t *q, apr_time_t mark, apr_pool_t *p)
{
    const char *text = apr_pstrcat(
        p, "{\"data\":{\"viewer\":{\"accounts\":[{\"mark\":[",
        mark ? apr_psprintf(p, "{\"dimensions\":{\"datetimeMinute\":\"%s\"}}",
                            cfmt_time_format(p, mark)) : "", "]", NULL);

    if (q->subnets) {
        text = apr_pstrcat(p, text, ",\"subnets\":[", rows_text(q, 4, p), "]", NULL);
    }
    if (q->wide) {
        text = apr_pstrcat(p, text, ",\"wide0\":[", rows_text(q, 6, p), "]", NULL);
    }
    return apr_pstrcat(p, text, "}]}},\"errors\":null}", NULL);
}

/* Each list is cut by itself. */
static int cut_rows(query_t *q)
{
    int i, n = 0, v4 = 0, v6 = 0, *count;

    for (i = 0; i < q->n; i++) {
        count = q->rows[i].subnet.family == 4 ? &v4 : &v6;
        if ((*count)++ < q->limit) {
            q->rows[n++] = q->rows[i];
        }
    }
    q->n = n;
    return v4 >= q->limit || v6 >= q->limit;
}

const char *traffic_answer(const char *body, told_t **ptold, apr_pool_t *p)
{
    static row_t rows[ROWS_MAX];
    apr_time_t mark;
    query_t q;
    int i, cut;

    if (!read_query(&q, body)) {
        return NULL;
    }
    q.wrong = world_strikes(EV_ANALYTICS, -1, ~0);
    q.rows = rows;
    for (i = m.w.first; i < m.w.attacks->nelts; i++) {
        add_rows(&q, APR_ARRAY_IDX(m.w.attacks, i, attack_t *), p);
    }
    mark = newest(&q);
    if (mode_of(&q) == 2) { /* nothing at all, without an error */
        mark = 0;
        q.n = 0;
    }
    else if (mode_of(&q) == 3) { /* rows, and nothing to hold them against */
        mark = 0;
    }
    qsort(q.rows, (size_t)q.n, sizeof(row_t), most_first);
    cut = cut_rows(&q);
    m.w.lied_at = mode_of(&q) == 1 ? m.now : m.w.lied_at;
    *ptold = tell(&q, mark, cut, p);
    return put_together(&q, mark, p);
}
