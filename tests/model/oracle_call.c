/*
 * Calls as such: budgets (10), and of changes (2, 6) that each is called once, rests on a state read
 * behind the one before, and waits for what may still become of that.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "model.h"

#define RULE_OF_READING SEC(15) /* so old may be what a change rests on */
#define MAY_STILL_BE SEC(30)    /* so long a call that nobody answered may take effect */
#define AT_ONCE SEC(2)          /* nothing that failed is tried again as soon */

/* The last change that was asked for. */
typedef struct asked_t {
    apr_time_t at, answered, retry_at;
    int want, attempts, doubtful, pid;
    apr_int64_t intent;
} asked_t;

static apr_time_t calls[CFMT_UPSTREAMS][2048];
static int called[CFMT_UPSTREAMS];
static apr_time_t born[64];
static int births;
static asked_t asked[PREFIXES];

void oracle_call_begin(void)
{
    memset(calls, 0, sizeof(calls));
    memset(born, 0, sizeof(born));
    memset(asked, 0, sizeof(asked));
    births = called[0] = called[1] = 0;
}

/* ---- budgets --------------------------------------------------------------------------------- */

static int births_since(apr_time_t t)
{
    int i, n = 0;

    for (i = 0; i < 64; i++) {
        n += born[i] >= t;
    }
    return n;
}

/* A process that starts knows nothing of what was asked before it. */
static void check_quota(cfmt_upstream_e u)
{
    int quota = u == CFMT_UPSTREAM_REST ? 1200 : 300, i, n = 0;

    calls[u][called[u]++ % 2048] = m.now;
    for (i = 0; i < 2048; i++) {
        n += calls[u][i] > m.now - 5 * MIN;
    }
    if (n > quota * (1 + births_since(m.now - 5 * MIN))) {
        model_fail(10, "%d calls of %s in five minutes", n, cfmt_upstream_name(u));
    }
}

void oracle_call(node_t *n, cfmt_upstream_e u, int change)
{
    (void)change;
    if (born[(births + 63) % 64] != n->born) {
        born[births++ % 64] = n->born;
    }
    if (called[u] % 16 == 0) {
        check_quota(u);
    }
    else {
        calls[u][called[u]++ % 2048] = m.now;
    }
    if (n->blocked[u] > m.now + SEC(1) && !m.off && m.now - m.jumped_at > 10 * MIN) {
        model_fail(10, "a call of %s within the time that a 429 told", cfmt_upstream_name(u));
    }
}

/* ---- changes --------------------------------------------------------------------------------- */

static const char *verb(int want)
{
    return want ? "advertised" : "withdrawn";
}

static void check_reading(const node_t *n, const prefix_t *p, int want, const asked_t *before)
{
    apr_time_t read = m.shown_at[p - m.w.prefix];

    if (m.now - read > RULE_OF_READING && m.now - m.jumped_at > MIN) {
        model_fail(2, "%s is %s by a state read %s ago", p->text, verb(want),
                   cfmt_duration_format(m.pool, m.now - read));
    }
    else if (before->at && (read < before->at
                            || (before->pid == n->pid && read < before->answered))) {
        model_fail(2, "%s is %s, and nobody has read what became of the call before", p->text,
                   verb(want));
    }
}

/* Of this prefix; the one before may have been another intent's. */
static void check_before(const prefix_t *p, int want, const asked_t *before)
{
    apr_interval_time_t since = m.now - before->at;

    if (!before->at) {
        return;
    }
    if (before->doubtful && since < MAY_STILL_BE && (!want || !before->want)) {
        model_fail(2, "%s is %s while the call before may still take effect", p->text, verb(want));
    }
    else if (before->want == want && since < AT_ONCE && m.now - m.jumped_at > SEC(10)) {
        model_fail(10, "%s is %s again at once", p->text, verb(want));
    }
    else if (before->want == want && m.now < before->retry_at && m.now - m.jumped_at > HOUR) {
        model_fail(10, "%s is %s before the time that Cloudflare told", p->text, verb(want));
    }
}

void oracle_intent(const prefix_t *p, int want, change_t *how)
{
    apr_pool_t *pool;
    const char *text;
    char *last, *word;

    apr_pool_create(&pool, m.pool);
    text = eye_text(apr_psprintf(pool, "SELECT id || '|' || attempts || '|' || created_at || '|'"
                                 " || cause || '|' || override || '|' || who FROM intent"
                                 " WHERE prefix = '%s' AND state = 'sent' AND want = %d",
                                 p->text, want), pool);
    if (text) {
        word = apr_strtok(apr_pstrdup(pool, text), "|", &last);
        how->intent = apr_atoi64(word);
        how->attempts = atoi(apr_strtok(NULL, "|", &last));
        how->made = apr_atoi64(apr_strtok(NULL, "|", &last));
        word = apr_strtok(NULL, "|", &last);
        apr_cpystrn(how->cause, word, sizeof(how->cause));
        how->told = *apr_strtok(NULL, "|", &last) == '1'; /* overridden */
        word = apr_strtok(NULL, "|", &last);
        apr_cpystrn(how->who, word, sizeof(how->who));
    }
    apr_pool_destroy(pool);
}

void oracle_change(const node_t *n, const prefix_t *p, int want, const change_t *how, int attempts)
{
    asked_t *before = &asked[p - m.w.prefix];

    if (before->intent == how->intent && before->attempts == attempts) {
        model_fail(6, "%s: call %d of intent %" APR_INT64_T_FMT " is made twice", p->text,
                   attempts, how->intent);
    }
    if (m.locked & 1u << (p - m.w.prefix) && m.now - m.killed_at > SEC(20)) {
        model_fail(3, "%s is %s, and it was shown to be locked", p->text, verb(want));
    }
    /* of two leaders one may carry out as a trial what the other has decided in good health */
    if (n->refused && !(m.node[0].e && m.node[1].e)
        && (m.now - n->refused < SEC(55) || (!want && !strcmp(how->who, "policy")))) {
        model_fail(3, "%s is %s, and the token was refused", p->text, verb(want));
    }
    check_reading(n, p, want, before);
    check_before(p, want, before);
    *before = (asked_t){ .at = m.now, .want = want, .intent = how->intent, .pid = n->pid,
                         .attempts = attempts };
}

/* What will be answered: so it is understood by who lives to hear it. */
void oracle_changed(const prefix_t *p, const answer_t *a)
{
    asked_t *last = &asked[p - m.w.prefix];

    last->answered = m.now + a->after;
    last->doubtful = !a->code || a->code >= 500;
    last->retry_at = a->code == 429 && a->retry_after > 0 ? last->answered + a->retry_after : 0;
}

/* What is said of a token about itself shows nothing. */
void oracle_answered(node_t *n, const char *url, int code)
{
    if (code && !strstr(url, "/graphql") && !strstr(url, "/ips") && !strstr(url, "/verify")) {
        n->refused = code != 401 ? 0 : n->refused ? n->refused : m.now;
    }
}
