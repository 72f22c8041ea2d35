/*
 * What must happen under attack (4): where nothing is in the way, a prefix that the policy may
 * advertise by itself is advertised in time.
 */
#include <string.h>

#include "model.h"

#define SLACK (7 * MIN)     /* what was refused rests for up to five */
#define REGRET (55 * MIN)   /* what it withdrew it may advertise again, whatever `advertise=` says */

static apr_time_t hindered[PREFIXES];

void oracle_safe_begin(void)
{
    memset(hindered, 0, sizeof(hindered));
}

static void later(apr_time_t *pt, apr_time_t t)
{
    *pt = t > *pt ? t : *pt;
}

/* Another prefix that is on demand lies inside it, and the target in that. */
static int is_anothers(const attack_t *a, const prefix_t *p)
{
    int i;

    for (i = 0; i < PREFIXES; i++) {
        const prefix_t *q = &m.w.prefix[i];

        if (q != p && !q->never && cfmt_cidr_contains(&p->cidr, &q->cidr)
            && cfmt_cidr_contains(&q->cidr, &a->target)) {
            return 1;
        }
    }
    return 0;
}

/* What it lies in had its traffic for so long behind its end that it may have ended by calm. */
static int may_be_over(const attack_t *a)
{
    apr_time_t at = a->to + m.conf.calm - 2 * MIN;
    int i;

    for (; at < m.now; at += MIN) {
        for (i = 0; i < PREFIXES; i++) {
            if (cfmt_cidr_contains(&m.w.prefix[i].cidr, &a->target)
                && world_routed(&m.w.prefix[i], at)) {
                return 1;
            }
        }
    }
    return 0;
}

/*
 * When it was heard that it is attacked, while it was withdrawn; 0 = it was not. What was open
 * before may have ended by calm. What a rule is about is known only while rules can be read.
 */
static apr_time_t heard_of(const attack_t *a, const prefix_t *p)
{
    apr_time_t first = 0;
    int i;

    if (a->ev->how & (ATTACK_NO_TARGET | ATTACK_FOREIGN) || (a->ev->how & 3) == ATTACK_RULE
        || !oracle_is_open(a) || m.now - a->from > 12 * HOUR
        || !cfmt_cidr_contains(&p->cidr, &a->target) || is_anothers(a, p) || may_be_over(a)) {
        return 0;
    }
    for (i = 0; i < a->reported; i++) {
        const report_t *r = &a->reports[i];

        if (!r->end && r->ts > p->now.at + SEC(2) && (!first || r->at < first)) {
            first = r->at;
        }
    }
    return first;
}

/* *pnumber: which one. */
static apr_time_t attacked_since(const prefix_t *p, int *pnumber)
{
    apr_time_t first = 0;
    int i;

    for (i = m.w.first; i < m.w.attacks->nelts; i++) {
        const attack_t *a = APR_ARRAY_IDX(m.w.attacks, i, attack_t *);
        apr_time_t at = heard_of(a, p);

        if (at && (!first || at < first)) {
            first = at;
            *pnumber = a->number;
        }
    }
    return first;
}

static apr_time_t deadline(const prefix_t *p, apr_time_t since)
{
    apr_time_t t = since;

    later(&t, p->now.at + 15 * MIN);
    later(&t, hindered[p - m.w.prefix]);
    later(&t, p->barred + 2 * m.conf.poll);
    later(&t, m.w.upstream_bad + (m.years ? 2 * m.conf.poll : 0));
    later(&t, m.leaderless + 9 * MIN + m.conf.poll);
    later(&t, m.killed_at + 9 * MIN + m.conf.poll);
    later(&t, m.jumped_at ? m.jumped_at + 30 * MIN : 0);
    later(&t, m.conf_at ? m.conf_at + 6 * m.conf.poll : 0);
    return t + SLACK + m.conf.poll;
}

static int may_advertise(const prefix_t *p)
{
    return strstr(p->options, "advertise=auto")
           || (p->now.by == BY_US && !strcmp(p->now.who, "policy") && m.now < p->now.at + REGRET);
}

void oracle_safe(void)
{
    int i;

    for (i = 0; i < PREFIXES; i++) {
        const prefix_t *p = &m.w.prefix[i];
        apr_time_t since;
        int number;

        if (!m.conf.enforce || m.off || m.down || (!m.node[0].e && !m.node[1].e)) {
            later(&hindered[i], m.now);
        }
        if (p->now.on || p->never || !may_advertise(p)) {
            continue;
        }
        since = attacked_since(p, &number);
        if (since && m.now > deadline(p, since)) {
            model_fail(4, "%s is attacked (%d), and not advertised: it could be since %s", p->text,
                       number, cfmt_time_format(m.pool, deadline(p, since)));
        }
    }
}
