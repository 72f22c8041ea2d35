/*
 * Is it true what people are told? Each news is held against what was answered and shown by the
 * moment in which it is written: which state, since when, by whom, which attack.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store_outbox.h"
#include "model.h"

#define SEEN 8              /* changes of a prefix that are remembered */
#define LIT 8192            /* minutes of traffic */
#define MAYBE (5 * MIN)     /* a call that nobody answered may yet have been carried out */
#define LATE SEC(40)        /* the reading that has it ends by then, with slow answers */

typedef struct seen_t {
    change_t c;
    apr_time_t at;          /* shown then, for the first time */
} seen_t;

typedef struct lit_t {
    apr_time_t minute, told_at;
} lit_t;

/* A news whose prefix is known, and its fields. */
typedef struct said_t {
    const cfmt_news_t *n;
    const char *fields;
    int prefix;             /* < 0: none, or several */
    apr_pool_t *p;
} said_t;

static seen_t seen[PREFIXES][SEEN];
static int seen_n[PREFIXES];
static lit_t lit[PREFIXES][LIT];
static apr_time_t called_at[PREFIXES][2]; /* a change of it by us */
static apr_time_t rules_at, calm_at[PREFIXES]; /* the newest minute that was told to be calm */

void said_begin(void)
{
    memset(seen_n, 0, sizeof(seen_n));
    memset(lit, 0, sizeof(lit));
    memset(calm_at, 0, sizeof(calm_at));
    memset(called_at, 0, sizeof(called_at));
    rules_at = 0;
}

/* ---- what was shown -------------------------------------------------------------------------- */

static const seen_t *seen_back(int i, int back)
{
    return back < seen_n[i] && back < SEEN ? &seen[i][(seen_n[i] - 1 - back) % SEEN] : NULL;
}

void said_shown(int i, const change_t *c)
{
    const seen_t *last = seen_back(i, 0);

    if (!last || last->c.at != c->at || last->c.on != c->on) {
        seen[i][seen_n[i]++ % SEEN] = (seen_t){ .c = *c, .at = m.now };
    }
}

void said_rules(int whole)
{
    rules_at = !whole ? 0 : rules_at ? rules_at : m.now;
}

apr_time_t said_rules_at(void)
{
    return rules_at;
}

void said_called(const char *url, const char *body)
{
    int i;

    for (i = 0; i < PREFIXES; i++) {
        if (strstr(url, m.w.prefix[i].id)) {
            called_at[i][strstr(body, "true") != NULL] = m.now;
        }
    }
}

void said_traffic(const told_t *t)
{
    int i, k;

    for (i = 0; i < PREFIXES; i++) {
        for (k = 0; t->asked & 1u << i && k < t->n; k++) {
            apr_time_t minute = t->from + k * MIN;
            lit_t *l = &lit[i][minute / MIN % LIT];

            if (oracle_share(t, i, k) >= 1 && l->minute != minute) {
                *l = (lit_t){ .minute = minute, .told_at = m.now };
            }
            else if (oracle_share(t, i, k) < 0.5 && minute < t->complete && minute > calm_at[i]
                     && (!t->idle || m.w.prefix[i].idle_calm)) {
                calm_at[i] = minute;
            }
        }
    }
}

/* A minute of attack, that was told for so long. */
static int is_lit(int i, apr_time_t minute, apr_interval_time_t age)
{
    const lit_t *l = &lit[i][minute / MIN % LIT];

    return l->minute == minute && m.now - l->told_at >= age;
}

int said_lit(int i, apr_time_t from, apr_time_t to, int minutes)
{
    apr_time_t at;
    int n = 0;

    for (at = from - from % MIN; at < to && n < minutes; at += MIN) {
        n = is_lit(i, at, MIN) ? n + 1 : 0;
    }
    return n >= minutes;
}

/* It was shown otherwise, just now, or to somebody who died of it. */
static int is_unsure(int i)
{
    const seen_t *last = seen_back(i, 0);

    return !last || m.now - last->at < LATE || m.shown_at[i] <= m.killed_at
           || m.w.prefix[i].missing;
}

/* ---- news ------------------------------------------------------------------------------------ */

/* NULL: it has no such field. */
static const char *field(const said_t *s, const char *name)
{
    const char *key = apr_pstrcat(s->p, "\"", name, "\":\"", NULL);
    const char *at = strstr(s->fields, key), *end;

    if (!at) {
        return NULL;
    }
    at += strlen(key);
    end = strchr(at, '"'); /* what is compared here has no quotes in it */
    return end ? apr_pstrmemdup(s->p, at, (apr_size_t)(end - at)) : NULL;
}

static int says(const said_t *s, const char *name, const char *text)
{
    const char *value = field(s, name);

    return value && !strncmp(value, text, strlen(text));
}

static void wrong(const said_t *s, const char *why)
{
    model_fail(7, "what is said is not so: %s: %s %s, at %s, %s", why,
               cfmt_news_name(s->n->kind), s->n->prefix ? s->n->prefix : "",
               cfmt_time_format(s->p, s->n->at), s->fields);
}

/* ---- changes --------------------------------------------------------------------------------- */

/* An intent that was tried again and again until then: whose call it was nobody can tell. */
static int was_tried(const said_t *s, const change_t *c)
{
    const char *intent = field(s, "intent");

    return intent && eye_int("SELECT count(*) FROM intent WHERE id = %s AND want = %d AND attempts"
                             " AND ifnull(settled_at, %" APR_TIME_T_FMT ") >= %" APR_TIME_T_FMT,
                             intent, c->on, c->at, c->at);
}

static int is_by_others(const said_t *s, const change_t *c, const char *cause)
{
    apr_time_t called = called_at[s->prefix][c->on];
    int maybe = c->at - called < MAYBE || (called && called < m.leaderless) /* nobody looked */
                || was_tried(s, c);

    return (maybe || (!field(s, "intent") && strcmp(cause, "the policy")
                      && strcmp(cause, "a command") && strcmp(cause, "an approved proposal")))
           && (c->by == BY_CLOUDFLARE || strcmp(cause, "Cloudflare's auto-advertise")
               || c->at - m.w.prefix[s->prefix].auto_at < 16 * MIN);
}

static int is_by(const said_t *s, const change_t *c)
{
    const char *cause = field(s, "cause"), *who = field(s, "who"), *intent = field(s, "intent");

    if (!cause || c->by != BY_US) {
        return cause && is_by_others(s, c, cause);
    }
    if (!intent || apr_atoi64(intent) != c->intent) {
        return 0;
    }
    return !strcmp(c->cause, "proposal")
               ? !strcmp(cause, "an approved proposal") && who && !strncmp(who, "user op", 7)
           : !strcmp(c->who, "policy") ? !strcmp(cause, "the policy") && !who
                                       : !strcmp(cause, "a command") && who && !strcmp(who, c->who);
}

/* So long it had been as it was. */
static int lasted(const said_t *s, const seen_t *before, const change_t *c)
{
    const char *text = field(s, "duration_s");

    return !text || !before || before->c.on == c->on || m.killed_at > before->at
           || apr_atoi64(text) == apr_time_sec(c->at - before->c.at);
}

static void check_change(const said_t *s)
{
    int on = s->n->kind == CFMT_NEWS_ADVERTISED, back;
    const seen_t *x = NULL;

    if (s->prefix < 0) {
        wrong(s, "of no prefix");
    }
    else if (field(s, "type")) { /* what an operator wanted is done, whenever it was */
        if (!is_unsure(s->prefix) && seen_back(s->prefix, 0)->c.on != on) {
            wrong(s, "it was not shown so");
        }
    }
    else {
        for (back = 0; (x = seen_back(s->prefix, back)) && (x->c.at != s->n->at || x->c.on != on);
             back++) {
        }
        if (!x) {
            wrong(s, "there was no such change");
        }
        else if (!is_by(s, &x->c)) {
            wrong(s, apr_psprintf(s->p, "it was by %s, %s, %s, intent %" APR_INT64_T_FMT,
                                  x->c.by == BY_US ? "us" : x->c.by == BY_CLOUDFLARE
                                      ? "Cloudflare" : "others", x->c.who, x->c.cause,
                                  x->c.intent));
        }
        else if (!lasted(s, seen_back(s->prefix, back + 1), &x->c)) {
            wrong(s, "it did not last so long");
        }
    }
}

/* ---- attacks --------------------------------------------------------------------------------- */

static int home_of(const attack_t *a)
{
    int i, home = a->ev->prefix;

    for (i = 0; (a->ev->how & 3) != ATTACK_RULE && i < PREFIXES; i++) {
        const cfmt_cidr_t *c = &m.w.prefix[i].cidr;

        if (cfmt_cidr_contains(c, &a->target) && c->bits > m.w.prefix[home].cidr.bits) {
            home = i;
        }
    }
    return home;
}

/* By what a message says of where it hits and whose account it is. */
static int is_meant(const said_t *s, const attack_t *a)
{
    const char *place = field(s, "prefix"), *target = field(s, "target");
    int rule = (a->ev->how & 3) == ATTACK_RULE, blank = a->ev->how & ATTACK_NO_TARGET || rule;

    if (!place || !(a->ev->how & ATTACK_FOREIGN) != !field(s, "account")) {
        return 0;
    }
    if (blank && !strcmp(place, "an unknown target")) {
        return 1;
    }
    return !(a->ev->how & ATTACK_NO_TARGET) && strstr(place, m.w.prefix[home_of(a)].text)
           && (rule || (target && strstr(target, a->target_text)));
}

/* The history may have told of what was never answered. */
static int has_word(const attack_t *a, int end, apr_time_t at)
{
    apr_time_t last = end ? a->last_end : a->last_start;
    int i;

    for (i = 0; i < a->reported; i++) {
        if (a->reports[i].end == end && a->reports[i].ts == at) {
            return 1;
        }
    }
    return a->from <= at && at <= last;
}

/* A START behind it was answered, and is projected by now. */
static int goes_on(const attack_t *a, apr_time_t at)
{
    int i;

    for (i = 0; i < a->reported; i++) {
        if (!a->reports[i].end && a->reports[i].ts > at
            && model_clock() - a->reports[i].at > SEC(2)) {
            return 1;
        }
    }
    return 0;
}

/* On it, on what it lies in, or on a part of it: of which address traffic is nobody says. */
static int is_lit_around(int prefix, apr_time_t minute)
{
    const cfmt_cidr_t *c = &m.w.prefix[prefix].cidr;
    int i;

    for (i = 0; i < PREFIXES; i++) {
        if ((cfmt_cidr_contains(&m.w.prefix[i].cidr, c)
             || cfmt_cidr_contains(c, &m.w.prefix[i].cidr)) && is_lit(i, minute, 0)) {
            return 1;
        }
    }
    return 0;
}

static int traffic_began(const said_t *s)
{
    const char *place = field(s, "prefix");
    int i;

    for (i = 0; place && i < PREFIXES; i++) {
        if (strstr(place, m.w.prefix[i].text)) {
            return is_lit_around(i, s->n->at - s->n->at % MIN);
        }
    }
    return 0;
}

/* The state of which it says what comes next. */
static void check_next(const said_t *s)
{
    const char *next = field(s, "next");
    int on = next && !strncmp(next, "it stays advertised", 19);

    if (s->prefix >= 0 && next && (on || strstr(next, " is not advertised: "))
        && !is_unsure(s->prefix) && m.now - seen_back(s->prefix, 0)->at > 2 * MIN
        && m.now - m.cur->born > MIN && seen_back(s->prefix, 0)->c.on != on) {
        wrong(s, on ? "it was shown to be withdrawn" : "it was shown to be advertised");
    }
}

static void check_start(const said_t *s)
{
    int i, found = traffic_began(s);

    for (i = m.w.first; !found && i < m.w.attacks->nelts; i++) {
        const attack_t *a = APR_ARRAY_IDX(m.w.attacks, i, attack_t *);

        found = is_meant(s, a) && has_word(a, 0, s->n->at);
    }
    if (!found) {
        wrong(s, "nobody told of it");
    }
    check_next(s);
}

/* Not one of the minutes that made it calm was told to be attack: its own, not of what is in it. */
static void check_calm(const said_t *s)
{
    int i;

    for (i = 0; s->prefix >= 0 && i < PREFIXES; i++) {
        if (i != s->prefix
            && cfmt_cidr_contains(&m.w.prefix[s->prefix].cidr, &m.w.prefix[i].cidr)) {
            return;
        }
    }
    if (s->prefix >= 0 && said_lit(s->prefix, s->n->at - 9 * MIN, s->n->at - MIN, 1)) {
        wrong(s, "it was not calm");
    }
}

static void check_end(const said_t *s)
{
    int i, found = 0, closed = says(s, "cause", "closed");

    if (says(s, "cause", "it has been calm")) {
        check_calm(s);
    }
    if (!closed && !says(s, "cause", "Cloudflare says so")) {
        return;
    }
    for (i = m.w.first; !found && i < m.w.attacks->nelts; i++) {
        const attack_t *a = APR_ARRAY_IDX(m.w.attacks, i, attack_t *);

        found = closed ? a->closed_at != 0
                       : is_meant(s, a) && has_word(a, 1, s->n->at) && !goes_on(a, s->n->at);
    }
    if (!found) {
        wrong(s, "nobody said so, or it goes on");
    }
}

/* By what was answered, and the history, which may have told of each START that was sent. */
static int has_ended(const attack_t *a)
{
    apr_time_t start = 0, end = 0;
    int i;

    for (i = 0; i < a->reported; i++) {
        apr_time_t *last = a->reports[i].end ? &end : &start;

        *last = a->reports[i].ts > *last ? a->reports[i].ts : *last;
    }
    return end >= start && end >= (a->last_start < m.now ? a->last_start / SEC(1) * SEC(1) : 0);
}

/* Open by what was answered, or by traffic, on what the prefix covers. */
static int is_attacked(int prefix)
{
    const prefix_t *p = &m.w.prefix[prefix];
    apr_time_t at;
    int i;

    for (i = m.w.first; i < m.w.attacks->nelts; i++) {
        const attack_t *a = APR_ARRAY_IDX(m.w.attacks, i, attack_t *);

        if (attack_is_on(a, p) && !(a->ev->how & ATTACK_FOREIGN) && !has_ended(a)) {
            return 1;
        }
    }
    for (at = m.now - m.now % MIN; at > m.now - 130 * HOUR; at -= MIN) {
        for (i = 0; i < PREFIXES; i++) {
            const cfmt_cidr_t *other = &m.w.prefix[i].cidr;

            /* what is unknown ends nothing */
            if (is_lit(i, at, 0) && (at > m.now - 200 * MIN || calm_at[i] < at)
                && (cfmt_cidr_contains(&p->cidr, other)
                    || cfmt_cidr_contains(other, &p->cidr))) {
                return 1;
            }
        }
    }
    return 0;
}

/* ---- what is wanted of people ---------------------------------------------------------------- */

/* It is advertised, or it is not, and what is said makes sense only then. */
static void check_state(const said_t *s, int on)
{
    if (s->prefix >= 0 && !is_unsure(s->prefix) && seen_back(s->prefix, 0)->c.on != on) {
        wrong(s, on ? "it was shown to be withdrawn" : "it was shown to be advertised");
    }
}

static void check_exposed(const said_t *s)
{
    if (!says(s, "reason", "its state is not known")) { /* an empty list is no state */
        check_state(s, 0);
    }
    if (s->prefix >= 0 && !is_attacked(s->prefix)) {
        wrong(s, "no attack on it is open");
    }
    if (s->prefix >= 0 && s->n->kind == CFMT_NEWS_LOCKED && !is_unsure(s->prefix)
        && !(m.locked & 1u << s->prefix)) {
        wrong(s, "it was not shown to be locked");
    }
}

static void check_withdrawal(const said_t *s)
{
    check_state(s, 1);
    if (s->n->kind == CFMT_NEWS_WOULD_WITHDRAW && !says(s, "mode", "observe")) {
        wrong(s, "it would, and it may");
    }
}

static void check_mode(const said_t *s)
{
    const char *mode = field(s, "mode");

    /* at first it tells of what happened while another one was in force */
    if (m.cur->born >= m.conf_at && m.now - m.cur->born > MIN && mode
        && strcmp(mode, m.conf.enforce ? "enforce" : "observe")) {
        wrong(s, "the mode is another");
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int prefix_of(const cfmt_news_t *n)
{
    int i;

    for (i = 0; n->prefix && i < PREFIXES; i++) {
        if (!strcmp(m.w.prefix[i].text, n->prefix)) {
            return i;
        }
    }
    return -1;
}

static void check(const said_t *s)
{
    switch (s->n->kind) {
    case CFMT_NEWS_ADVERTISED:
    case CFMT_NEWS_WITHDRAWN:
        check_change(s);
        break;
    case CFMT_NEWS_ATTACK_START:
        check_start(s);
        break;
    case CFMT_NEWS_ATTACK_END:
        check_end(s);
        break;
    case CFMT_NEWS_NOT_PROTECTED:
    case CFMT_NEWS_LOCKED:
        check_exposed(s);
        break;
    case CFMT_NEWS_DUE:
    case CFMT_NEWS_WOULD_WITHDRAW:
    case CFMT_NEWS_ORPHAN:
        check_withdrawal(s);
        break;
    case CFMT_NEWS_PROPOSAL:
        check_state(s, says(s, "type", "withdraw"));
        break;
    default:
        break;
    }
    check_mode(s);
}

apr_status_t __real_cfmt_outbox_put(cfmt_store_t *s, cfmt_outbox_row_t *row);
apr_status_t __wrap_cfmt_outbox_put(cfmt_store_t *s, cfmt_outbox_row_t *row);
apr_status_t __wrap_cfmt_outbox_put(cfmt_store_t *s, cfmt_outbox_row_t *row)
{
    apr_status_t rv = __real_cfmt_outbox_put(s, row);
    said_t said = { .n = &row->news, .fields = row->news.fields ? row->news.fields : "{}" };

    if (rv == APR_SUCCESS && !row->fallback_of && m.cur && !m.off
        && m.now - m.jumped_at > 4 * HOUR) {
        apr_pool_create(&said.p, m.pool);
        said.prefix = prefix_of(said.n);
        check(&said);
        apr_pool_destroy(said.p);
    }
    return rv;
}
