/*
 * What must happen in the end: where nothing is in the way, an advertisement for an attack is
 * withdrawn in time.
 */
#include <string.h>

#include <apr_strings.h>

#include "model.h"

#define ROUNDS 3 /* polls */

static void later(apr_time_t *pt, apr_time_t t)
{
    *pt = t > *pt ? t : *pt;
}

/* The policy may take it back, for certain. */
static int is_the_policys(const prefix_t *p)
{
    const change_t *c = &p->now;

    return c->on && strstr(p->options, "withdraw=auto")
           && ((c->by == BY_US && (!strcmp(c->who, "policy") || !strcmp(c->cause, "proposal")))
               || (c->by == BY_CLOUDFLARE && c->told));
}

/* An attack that may be about anything is open, or its end was not heard of. */
static int is_anywhere(const attack_t *a)
{
    int i, end = 0;

    for (i = 0; i < a->reported; i++) {
        end |= a->reports[i].end && a->reports[i].ts >= a->last_start;
    }
    return a->ev->how & ATTACK_NO_TARGET && !(a->ev->how & (ATTACK_FOREIGN | ATTACK_SILENT))
           && !end && (!a->closed_at || a->closed_behind); /* minutes that are unknown hold up its timeout */
}

/* What is in the way now was in the way until now. */
static void look_around(prefix_t *p)
{
    int i;

    if (orders_forbid(p, model_clock()) || !m.conf.enforce || m.off || m.down
        || (!m.node[0].e && !m.node[1].e)) {
        later(&p->obstructed, m.now);
    }
    for (i = m.w.first; i < m.w.attacks->nelts; i++) {
        if (is_anywhere(APR_ARRAY_IDX(m.w.attacks, i, attack_t *))) {
            later(&p->obstructed, m.now);
        }
    }
}

static apr_time_t last_traffic(const attack_t *a)
{
    apr_time_t at = a->to < m.now ? a->to - MIN : m.now - m.now % MIN;

    while (at >= a->from && attack_pps(a, at) <= 0) {
        at -= MIN;
    }
    return at + MIN;
}

/* An attack inside it is over when that was calm, since it is advertised itself. */
static apr_time_t calm_inside(const prefix_t *p, apr_interval_time_t calm)
{
    apr_time_t t = 0;
    int i;

    for (i = 0; i < PREFIXES; i++) {
        const prefix_t *q = &m.w.prefix[i];

        if (q != p && q->now.on && cfmt_cidr_contains(&p->cidr, &q->cidr)) {
            later(&t, q->now.at + calm);
        }
    }
    return t;
}

static apr_time_t deadline(const prefix_t *p)
{
    apr_interval_time_t calm = oracle_calm(p, 1) + MIN + m.conf.lag;
    apr_time_t t = p->now.at + (calm > m.conf.min_advertised ? calm : m.conf.min_advertised);
    int i;

    later(&t, calm_inside(p, calm));

    for (i = m.w.first; i < m.w.attacks->nelts; i++) {
        const attack_t *a = APR_ARRAY_IDX(m.w.attacks, i, attack_t *);

        /* traffic in the larger prefix may be joined with an attack on this one */
        if ((attack_is_on(a, p) || cfmt_cidr_contains(&m.w.prefix[a->ev->prefix].cidr, &p->cidr))
            && a->from <= m.now) {
            later(&t, last_traffic(a) + calm);
            later(&t, a->last_start + calm);
            later(&t, a->last_end);
        }
    }
    later(&t, p->obstructed + 2 * m.conf.poll);
    later(&t, m.w.upstream_bad + (m.years ? 2 * m.conf.poll : 0));
    /* what it had claimed and was about to do; hours that were missed are asked, page by page */
    later(&t, m.leaderless + 25 * MIN + m.conf.poll);
    later(&t, m.killed_at + 9 * MIN + m.conf.poll);
    later(&t, m.jumped_at ? m.jumped_at + calm + 10 * MIN : 0);
    later(&t, m.conf_at ? m.conf_at + 6 * m.conf.poll : 0);
    return t + (p->idle_calm && !m.w.legit ? 75 * MIN : 0) + ROUNDS * m.conf.poll;
}

static const char *what_it_says(const prefix_t *p)
{
    const char *text = eye_text(apr_psprintf(m.pool, "SELECT verdict || ', red: ' || red || ', '"
                                             " || json_extract(gates, '$.text') FROM decision"
                                             " WHERE prefix = '%s'", p->text), m.pool);

    return text ? text : "nothing is decided";
}

void oracle_live(void)
{
    int i;

    for (i = 0; i < PREFIXES; i++) {
        prefix_t *p = &m.w.prefix[i];
        apr_time_t due;

        look_around(p);
        if (!is_the_policys(p) || (!m.w.legit && !p->idle_calm)) {
            continue;
        }
        due = deadline(p);
        if (m.now > due) {
            model_fail(4, "%s is still advertised: it could be withdrawn by %s; %s", p->text,
                       cfmt_time_format(m.pool, due), what_it_says(p));
        }
    }
}
