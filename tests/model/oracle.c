/*
 * What must never happen, judged by what was said to the engine and what it was shown, at the
 * moment when it asks for a change: the rules of docs/policy.md once more, in other words and
 * without a line of the policy's.
 *
 * The invariants and who judges them: (1) nothing is withdrawn by itself under an attack that was
 * told of, or on evidence that is not calm; (2) the 15 minutes; (3) holds, windows, causes, gates;
 * (6) each change has an intent and one who wanted it: here. (2), (6), (10) calls as such:
 * oracle_call.c. (4) what can be withdrawn is: oracle_live.c; who is attacked is advertised:
 * oracle_safe.c. (5) each delivery counts, (6) each change is recorded once, (8) rebuilds,
 * (9) audit: oracle_store.c; (11) growth: oracle_growth.c. (7) messages: oracle_told.c (in time),
 * oracle_said.c (true), oracle_sent.c (once, in their words), oracle_heard.c (to whom).
 */
#include <string.h>

#include <apr_strings.h>

#include "model.h"

#define RING 8192                /* minutes that are remembered */
#define CALM 1                   /* an answer said so, whether anybody kept it or not */
#define ATTACK 2                 /* an answer said so, and was kept */
#define KEPT_AFTER SEC(10)       /* an answer to somebody who lived on is in the journal by then */
#define WITHDRAWALS 32
#define LOOK SEC(28)             /* so long before a withdrawal it is asked for, at most */

typedef struct minute_t {
    apr_time_t at;
    unsigned char what;
} minute_t;

/* An attack minute that somebody was told of. */
typedef struct fresh_t {
    apr_time_t minute, told_at;
    int prefix, pid;
} fresh_t;

static minute_t ring[PREFIXES][RING];
static apr_array_header_t *fresh;
static apr_time_t newest_calm[PREFIXES], newest_attack[PREFIXES], jumped_at;
static apr_time_t withdrawals[PREFIXES][WITHDRAWALS];
static int withdrawn[PREFIXES], undone[PREFIXES][WITHDRAWALS];

/* ---- what was told --------------------------------------------------------------------------- */

void oracle_begin(void)
{
    memset(ring, 0, sizeof(ring));
    memset(newest_calm, 0, sizeof(newest_calm));
    memset(newest_attack, 0, sizeof(newest_attack));
    jumped_at = 0;
    memset(withdrawn, 0, sizeof(withdrawn));
    oracle_call_begin();
    oracle_safe_begin();
    fresh = apr_array_make(m.pool, 64, sizeof(fresh_t));
}

static minute_t *minute_of(int prefix, apr_time_t at)
{
    minute_t *x = &ring[prefix][at / MIN % RING];

    if (x->at != at) {
        *x = (minute_t){ .at = at };
    }
    return x;
}

static void keep_old(void)
{
    int i, n = 0;

    for (i = 0; i < fresh->nelts; i++) {
        const fresh_t *f = &APR_ARRAY_IDX(fresh, i, fresh_t);

        if (m.now - f->told_at >= KEPT_AFTER) {
            minute_of(f->prefix, f->minute)->what |= ATTACK;
        }
        else {
            APR_ARRAY_IDX(fresh, n++, fresh_t) = *f;
        }
    }
    fresh->nelts = n;
}

/* It died with what it had not written yet. */
void oracle_lost(const node_t *node)
{
    int i, n = 0;

    keep_old();
    for (i = 0; i < fresh->nelts; i++) {
        if (APR_ARRAY_IDX(fresh, i, fresh_t).pid != node->pid) {
            APR_ARRAY_IDX(fresh, n++, fresh_t) = APR_ARRAY_IDX(fresh, i, fresh_t);
        }
    }
    fresh->nelts = n;
}

/* Which of its thresholds it comes nearest to, as a part of it. */
double oracle_share(const told_t *t, int prefix, int i)
{
    const prefix_t *p = &m.w.prefix[prefix];
    int k = prefix * t->n + i;
    double pps = t->packets[k] / 60 / p->pps, bps = t->bits[k] / 60 / 20e6;
    double passed = p->passed > 0 ? t->passed[k] / 60 / p->passed : 0;
    double most = pps > bps ? pps : bps;

    return most > passed ? most : passed;
}

static void take_minute(const told_t *t, const node_t *n, int prefix, int i)
{
    const prefix_t *p = &m.w.prefix[prefix];
    double share = oracle_share(t, prefix, i);
    apr_time_t at = t->from + i * MIN;

    if (share >= 1) {
        APR_ARRAY_PUSH(fresh, fresh_t) = (fresh_t){ .minute = at, .told_at = m.now,
                                                    .prefix = prefix, .pid = n->pid };
        newest_attack[prefix] = at > newest_attack[prefix] ? at : newest_attack[prefix];
    }
    else if (at + MIN <= t->complete && !t->cut && (!t->idle || p->idle_calm) && share < 0.5) {
        minute_of(prefix, at)->what |= CALM;
        newest_calm[prefix] = at > newest_calm[prefix] ? at : newest_calm[prefix];
    }
}

/* By a clock that was set back, what was newest has not been yet: it is told anew. */
static void heed_clock(void)
{
    int i;

    if (m.jumped_at == jumped_at) {
        return;
    }
    jumped_at = m.jumped_at;
    for (i = 0; i < PREFIXES; i++) {
        newest_calm[i] = newest_calm[i] + MIN > model_clock() ? 0 : newest_calm[i];
    }
}

void oracle_told(const told_t *t, const node_t *n)
{
    int i, prefix;

    heed_clock();
    keep_old();
    for (prefix = 0; prefix < PREFIXES; prefix++) {
        for (i = 0; t->asked & 1u << prefix && i < t->n; i++) {
            take_minute(t, n, prefix, i);
        }
    }
}

/* ---- how long it must be calm ---------------------------------------------------------------- */

/* Asked for, and then carried out: one. */
static void note_withdrawal(int i, int asked)
{
    int last = (withdrawn[i] + WITHDRAWALS - 1) % WITHDRAWALS;
    int new = !withdrawn[i] || asked || !undone[i][last] || m.now - withdrawals[i][last] > MIN;

    last = new ? withdrawn[i]++ % WITHDRAWALS : last;
    undone[i][last] = asked;
    withdrawals[i][last] = m.now;
}

void oracle_withdrawn(const prefix_t *p, const change_t *how)
{
    int i = (int)(p - m.w.prefix);

    if (!strcmp(how->who, "policy")) {
        note_withdrawal(i, 0);
    }
}

/* Somebody else changed it back before routers had followed: nobody calls it a withdrawal. */
void oracle_undone(const prefix_t *p)
{
    int i = (int)(p - m.w.prefix);

    if (withdrawn[i] && m.now - withdrawals[i][(withdrawn[i] - 1) % WITHDRAWALS] < 17 * MIN) {
        undone[i][(withdrawn[i] - 1) % WITHDRAWALS] = 1;
    }
}

/* Nobody could say what it is on, or so it may have been: what a rule is about must be read. */
static int is_anywhere(const attack_t *a)
{
    return a->ev->how & ATTACK_NO_TARGET
           || ((a->ev->how & 3) == ATTACK_RULE && m.w.upstream_bad > a->from - 15 * MIN);
}

/* A rule names a prefix: an attack on it is none on what lies inside it. */
static int is_on(const attack_t *a, const prefix_t *p)
{
    return (a->ev->how & 3) == ATTACK_RULE
               ? cfmt_cidr_contains(&p->cidr, &m.w.prefix[a->ev->prefix].cidr)
               : attack_is_on(a, p);
}

/* The attack came back within the hour: as it is, or as far as anybody was told. */
static int came_back(const attack_t *a, apr_time_t w, int all)
{
    apr_time_t first = APR_INT64_MAX;
    int i;

    if (all) {
        return a->from < w + 75 * MIN && (a->to > a->last_end ? a->to : a->last_end) > w - 10 * MIN;
    }
    for (i = 0; i < a->reported; i++) {
        first = a->reports[i].ts < first ? a->reports[i].ts : first;
    }
    return first > w + MIN && first <= w + 59 * MIN && a->reports[0].at < model_clock() - MIN
           && !(a->ev->how & ATTACK_FOREIGN) && !a->reports[0].end;
}

apr_interval_time_t oracle_calm(const prefix_t *p, int all)
{
    int index = (int)(p - m.w.prefix), i, k, back;
    apr_interval_time_t calm = m.conf.calm;

    for (i = 0; i < WITHDRAWALS && i < withdrawn[index]; i++) {
        apr_time_t w = withdrawals[index][i];

        if (m.now - w > (all ? 26 : 23) * HOUR || (!all && undone[index][i])) {
            continue;
        }
        for (back = 0, k = m.w.first; !back && k < m.w.attacks->nelts; k++) {
            const attack_t *a = APR_ARRAY_IDX(m.w.attacks, k, attack_t *);

            back = (all ? attack_is_on(a, p) || is_anywhere(a) : is_on(a, p))
                   && came_back(a, w, all);
        }
        calm = !back ? calm : 2 * calm < m.conf.calm_max ? 2 * calm : m.conf.calm_max;
    }
    return calm;
}

/* ---- a withdrawal that nobody asked for ------------------------------------------------------ */

/* Since when it had been calm at the end of the newest calm minute that was told; 0 = it is not. */
static apr_time_t calm_since(int prefix, apr_time_t floor, apr_time_t *pend)
{
    apr_time_t at = newest_calm[prefix], later;

    *pend = at + MIN;
    for (later = at + MIN; later < at + 60 * MIN; later += MIN) {
        if (minute_of(prefix, later)->what & ATTACK) {
            return 0;
        }
    }
    for (; at >= floor && at > *pend - RING / 2 * MIN; at -= MIN) {
        if (minute_of(prefix, at)->what != CALM) {
            break;
        }
    }
    return at + MIN;
}

static void check_calm(const prefix_t *p)
{
    int index = (int)(p - m.w.prefix);
    apr_time_t floor = m.shown[index].at / MIN * MIN, end;
    apr_time_t since = calm_since(index, floor, &end);
    apr_interval_time_t wanted = (oracle_calm(p, m.off != 0) + MIN - 1) / MIN * MIN;

    wanted = m.off || m.now - m.jumped_at < DAY ? m.conf.calm : wanted;
    if (!since || end - since < wanted) {
        model_fail(1, "%s is withdrawn after %d calm minutes, %d are wanted", p->text,
                   since ? (int)((end - since) / MIN) : 0, (int)(wanted / MIN));
    }
    else if (m.now - end > 2 * m.conf.lag + (m.years ? 40 : 4) * MIN + MIN) {
        model_fail(1, "%s is withdrawn on minutes that are older than %s", p->text,
                   cfmt_duration_format(m.pool, m.now - end));
    }
}

/* Open by what was answered; *pstart: the last START. */
static int is_open(const attack_t *a, apr_time_t *pstart)
{
    apr_time_t start = 0, end = a->end_shown;
    int i;

    for (i = 0; i < a->reported; i++) {
        const report_t *r = &a->reports[i];

        if (r->end) {
            end = r->ts > end ? r->ts : end;
        }
        else {
            start = r->ts > start ? r->ts : start;
        }
    }
    *pstart = start;
    return start > end && !(a->ev->how & ATTACK_FOREIGN) && !a->closed_at;
}

int oracle_is_open(const attack_t *a)
{
    apr_time_t start;

    return is_open(a, &start);
}

static void check_attack(const prefix_t *p, const attack_t *a)
{
    int index = (int)(p - m.w.prefix);
    apr_time_t start, end, floor = m.shown[index].at / MIN * MIN;
    apr_time_t since = calm_since(index, floor, &end);

    if (!is_open(a, &start)) {
        return;
    }
    if (a->ev->how & ATTACK_NO_TARGET && (a->ev->how & 3) != ATTACK_RULE) {
        if (model_clock() - start < m.conf.timeout) {
            model_fail(3, "%s is withdrawn while attack %d, without a target, is open", p->text,
                       a->number);
        }
        return;
    }
    start -= start % MIN;
    since = since > start ? since : start;
    if (is_on(a, p) && end - since < m.conf.calm) {
        model_fail(1, "%s is withdrawn while attack %d is open", p->text, a->number);
    }
}

/* By what was answered, a short time before: nothing but an END ends it where it is withdrawn. */
static int was_open(const attack_t *a, apr_time_t at)
{
    apr_time_t start = 0, end = 0;
    int i;

    for (i = 0; i < a->reported; i++) {
        apr_time_t *last = a->reports[i].end ? &end : &start;

        *last = a->reports[i].ts > *last ? a->reports[i].ts : *last;
    }
    return start && start <= at && (end < start || end > at - 16 * MIN);
}

/* By us for an attack, by Cloudflare for one, beside one, or handed over. */
static void check_cause(const prefix_t *p)
{
    const change_t *c = &m.shown[p - m.w.prefix];
    int i, beside = 0;

    if ((c->by == BY_US && (!strcmp(c->who, "policy") || !strcmp(c->cause, "proposal")))
        || c->by == BY_CLOUDFLARE || orders_adopted(p, c->at)) {
        return;
    }
    /* a clock that was wrong by hours takes others' changes for our own */
    beside = m.jumped_at && m.now - m.jumped_at < 6 * HOUR;
    for (i = m.w.first; c->by == BY_OTHERS && i < m.w.attacks->nelts; i++) {
        const attack_t *a = APR_ARRAY_IDX(m.w.attacks, i, attack_t *);
        apr_time_t to = a->last_end > a->to + 40 * MIN ? a->last_end : a->to + 40 * MIN;

        /* its end, where none came, is when it had been calm */
        beside |= attack_is_on(a, p) && a->from <= c->at + 6 * MIN
                  && (to > c->at - 16 * MIN || was_open(a, c->at));
    }
    if (!beside) {
        model_fail(3, "%s is withdrawn, and it was advertised by %s %s", p->text,
                   c->by == BY_US ? c->who : "others", c->by == BY_US ? c->cause : "");
    }
}

static void check_gates(const prefix_t *p)
{
    int index = (int)(p - m.w.prefix);
    const char *why = orders_forbid(p, model_clock());

    if (why) {
        model_fail(3, "%s is withdrawn, and %s", p->text, why);
    }
    if ((!m.conf.enforce && m.now - m.conf_at > SEC(1)) || strstr(p->options, "withdraw=manual")) {
        model_fail(3, "%s is withdrawn in mode observe, or withdraw=manual", p->text);
    }
    if (m.off < -MIN && m.now - m.jumped_at > LOOK) {
        model_fail(3, "%s is withdrawn by a clock that is behind", p->text);
    }
    if (m.locked & 1u << index || m.unfit & 1u << index) {
        model_fail(3, "%s is withdrawn, and it was shown to be locked or not ours", p->text);
    }
    if (m.now - m.shown_at[index] > LOOK || m.now - m.traffic_at > LOOK
        || m.shown_at[index] < m.jumped_at) {
        model_fail(3, "%s is withdrawn without a last look at state and traffic", p->text);
    }
    if (m.conf.check && m.now - m.conf_at > SEC(1) && m.now - m.origin_ok[index] > SEC(90)) {
        model_fail(3, "%s is withdrawn, and nobody said that the network announces it", p->text);
    }
}

/* withdraw=propose: somebody said yes, to this advertisement, and not long ago. */
static void check_proposal(const prefix_t *p, const change_t *how)
{
    apr_time_t yes = orders_approved(p, 0);

    if (!strstr(p->options, "withdraw=propose") || m.now - m.jumped_at < HOUR) {
        return;
    }
    if (strcmp(how->cause, "proposal") || !yes || yes < m.shown[p - m.w.prefix].at
        || model_clock() - yes > 31 * MIN) {
        model_fail(3, "%s is withdrawn, and nobody said yes to it", p->text);
    }
}

/* What it was told before it made up its mind it knew then, whether or not it is written. */
static void recall(const node_t *n, const change_t *how)
{
    int i;

    for (i = 0; i < fresh->nelts; i++) {
        const fresh_t *f = &APR_ARRAY_IDX(fresh, i, fresh_t);

        if (f->pid == n->pid && f->told_at + m.off < how->made) {
            minute_of(f->prefix, f->minute)->what |= ATTACK;
        }
    }
}

static void withdraws(const node_t *n, const prefix_t *p, const change_t *how)
{
    int i;

    recall(n, how);
    check_gates(p);
    check_proposal(p, how);
    check_cause(p);
    check_calm(p);
    for (i = m.w.first; i < m.w.attacks->nelts; i++) {
        check_attack(p, APR_ARRAY_IDX(m.w.attacks, i, attack_t *));
    }
}

/* ---- an advertisement that nobody asked for -------------------------------------------------- */

/* A smaller one that could be advertised, holds it: that one is advertised for it. */
static int is_anothers(const attack_t *a, const prefix_t *p)
{
    int i;

    for (i = 0; i < PREFIXES; i++) {
        const prefix_t *q = &m.w.prefix[i];

        if (q != p && !q->never && cfmt_cidr_contains(&p->cidr, &q->cidr)
            && cfmt_cidr_contains(&q->cidr, &a->target) && m.now - q->barred > 5 * MIN) {
            return 1;
        }
    }
    return 0;
}

/* An alert was open when it was decided, by deliveries or by a history that may have been heard. */
static int is_alerted(const attack_t *a, const change_t *how)
{
    apr_time_t start = a->start_shown, end = 0;
    int i;

    for (i = 0; i < a->reported; i++) {
        const report_t *r = &a->reports[i];
        apr_time_t *last = r->end ? &end : &start;

        if (!r->end || r->at < how->made - SEC(1)) {
            *last = r->ts > *last ? r->ts : *last;
        }
    }
    return start && start >= end;
}

/*
 * Minutes of attack that were seen since shortly before it was withdrawn: on a part of it, or on
 * what it lies in, which has its traffic meanwhile.
 */
static int was_seen(const prefix_t *p)
{
    const change_t *c = &m.shown[p - m.w.prefix];
    apr_time_t since = c->by == BY_US && !strcmp(c->who, "policy") ? c->at - 10 * MIN : c->at - DAY;
    int i;

    for (i = 0; i < PREFIXES; i++) {
        const cfmt_cidr_t *other = &m.w.prefix[i].cidr;

        if ((cfmt_cidr_contains(&p->cidr, other) || cfmt_cidr_contains(other, &p->cidr))
            && newest_attack[i] >= since) {
            return 1;
        }
    }
    return 0;
}

/* When this was decided it had been withdrawn by us, or that was asked for, not so long ago. */
static int is_turned(int index, const change_t *how, apr_interval_time_t lately)
{
    const change_t *c = &m.shown[index];
    apr_time_t at = withdrawn[index] ? withdrawals[index][(withdrawn[index] - 1) % WITHDRAWALS] : 0;

    return !c->on && ((c->by == BY_US && how->made - c->at < lately) || how->made - at < lately);
}

/* One that may be about anything, or about a part of it, turns back what was being withdrawn. */
static int is_reason(const attack_t *a, const prefix_t *p, const change_t *how)
{
    int rule = (a->ev->how & 3) == ATTACK_RULE;
    int turns = is_turned((int)(p - m.w.prefix), how, HOUR);

    return !(a->ev->how & ATTACK_FOREIGN)
           && (is_alerted(a, how) || (is_anywhere(a) && was_seen(&m.w.prefix[a->ev->prefix])))
           && ((is_anywhere(a) && turns)
               || (!(a->ev->how & ATTACK_NO_TARGET) && attack_is_on(a, p)
                   && (turns || rule || !is_anothers(a, p))));
}

/* What was called for once is called for again, whatever has ended since. */
static void check_reason(const prefix_t *p, const change_t *how)
{
    int i, known = how->attempts > 1 || was_seen(p) || m.now - m.jumped_at < 6 * HOUR;

    for (i = m.w.first; !known && i < m.w.attacks->nelts; i++) {
        known = is_reason(APR_ARRAY_IDX(m.w.attacks, i, attack_t *), p, how);
    }
    if (!known) {
        model_fail(6, "%s is advertised, and no attack on it is open", p->text);
    }
}

static void advertises(const prefix_t *p, const change_t *how)
{
    int i, index = (int)(p - m.w.prefix);
    int auto_ = how->attempts > 1 || strstr(p->options, "advertise=auto"); /* tried again */
    int jumped = m.jumped_at && m.now - m.jumped_at < 6 * HOUR; /* by a clock of less time */
    apr_interval_time_t hour = (jumped ? 3 : 1) * HOUR + MIN;

    auto_ |= is_turned(index, how, hour); /* what an attack overtakes is turned back */
    for (i = 0; i < WITHDRAWALS && i < withdrawn[index]; i++) {
        auto_ |= m.now - withdrawals[index][i] <= hour;
    }
    if (!m.conf.enforce && m.now - m.conf_at > SEC(1)) {
        model_fail(3, "%s is advertised in mode observe", p->text);
    }
    if (!auto_ && strcmp(how->cause, "proposal") && m.now - m.conf_at > 20 * MIN) {
        model_fail(3, "%s is advertised: advertise=manual", p->text);
    }
    check_reason(p, how);
}

/* ---- every change ---------------------------------------------------------------------------- */

/* Of what it was shown; Cloudflare refuses the rest. */
static void check_rules(const prefix_t *p, int want, const change_t *how)
{
    int index = (int)(p - m.w.prefix);
    apr_interval_time_t least = want ? m.conf.min_withdrawn : m.conf.min_advertised;

    if (how->told || m.now - m.killed_at < SEC(20)) {
        return;
    }
    if (!m.shown_at[index] || m.shown[index].on == want) {
        model_fail(2, "%s: a change to what it is", p->text);
    }
    else if ((m.off < 0 ? m.now : model_clock()) - m.shown[index].at < least) {
        model_fail(2, "%s is %s %s after it was changed", p->text,
                   want ? "advertised" : "withdrawn",
                   cfmt_duration_format(m.pool, m.now - m.shown[index].at));
    }
}

void oracle_patch(const node_t *n, prefix_t *p, int want, change_t *how)
{
    orders_look();
    keep_old();
    oracle_intent(p, want, how);
    trace("PATCH by %d: %s %s, %s, %s, intent %" APR_INT64_T_FMT, n->pid,
          want ? "advertise" : "withdraw", p->text, how->who, how->cause, how->intent);
    if (!how->intent) {
        model_fail(6, "%s: a change without an intent that says `sent`", p->text);
        return;
    }
    check_rules(p, want, how);
    oracle_change(n, p, want, how, how->attempts);
    if (!want && !strcmp(how->who, "policy")) {
        ambush_call(p);
    }
    if (strcmp(how->who, "policy")) {
        if (!orders_gave(how->who, want, p)) {
            model_fail(6, "%s: %s gave no such order", p->text, how->who);
        }
    }
    else if (want) {
        advertises(p, how);
    }
    else {
        withdraws(n, p, how);
        note_withdrawal((int)(p - m.w.prefix), 1); /* it may have been: so the policy sees it */
    }
    how->told = 0;
}
