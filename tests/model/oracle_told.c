/*
 * People and the channels to them: half hours in which a channel fails, hangs or refuses, and what
 * must be told all the same, in time (invariant 7): what changed is announced, who is not protected
 * is called, nothing waits for ever. Which channels there are: oracle_heard.c; each message as it
 * goes out: oracle_sent.c; whether it is true: oracle_said.c.
 */
#include <string.h>

#include <apr_strings.h>

#include "model.h"

#define SPELL (30 * MIN) /* the weather of a channel lasts as long */
#define CHANNELS 3

typedef struct sending_t {
    node_t *node;
    apr_int64_t id;
    apr_time_t due;
    cfmt_sent_t sent;
    void (*done)(void *baton, const cfmt_sent_t *sent);
    void *baton;
} sending_t;

static apr_array_header_t *sendings, *channels; /* sending_t, cfmt_channel_conf_t */
static int is_well[CHANNELS];  /* it took the last one */
static apr_time_t shown_at[PREFIXES], shown_since[PREFIXES], exposed_since[PREFIXES];
static apr_time_t missing_at[PREFIXES];

/* ---- channels -------------------------------------------------------------------------------- */

static void add(const char *kind, const char *const *words)
{
    cfmt_channel_conf_t *c = apr_array_push(channels);
    const char *why;
    int n;

    memset(c, 0, sizeof(*c));
    for (n = 0; words[n]; n++) {
    }
    why = cfmt_channel_parse(c, kind, words, n, m.pool);
    if (why) {
        model_fail(0, "%s", why);
    }
}

void told_begin(void)
{
    const char *const *words;
    const char *kind;
    int i;

    said_begin();
    heard_begin();
    sent_begin();
    sendings = apr_array_make(m.pool, 8, sizeof(sending_t));
    channels = apr_array_make(m.pool, CHANNELS, sizeof(cfmt_channel_conf_t));
    memset(is_well, 0, sizeof(is_well));
    memset(shown_at, 0, sizeof(shown_at));
    memset(shown_since, 0, sizeof(shown_since));
    memset(exposed_since, 0, sizeof(exposed_since));
    memset(missing_at, 0, sizeof(missing_at));
    for (i = 0; (words = heard_channel(i, &kind)); i++) {
        add(kind, words);
    }
}

const apr_array_header_t *told_channels(void)
{
    int i;

    for (i = 0; i < channels->nelts; i++) {
        const cfmt_channel_conf_t *c = &APR_ARRAY_IDX(channels, i, cfmt_channel_conf_t);

        apr_table_setn(m.settings, apr_pstrcat(m.pool, "Notify ", c->name, NULL),
                       cfmt_channel_words(c, m.pool));
    }
    return channels;
}

/* For so long that what waited is told in one; the others go on. */
static int is_out(int channel)
{
    rnd_t r = { rnd_mix(m.seed ^ 0x6f7574, (apr_uint64_t)(m.now / (3 * HOUR))) };

    return channel == 1 && m.now % (3 * HOUR) < 2 * HOUR && rnd_chance(&r, 40);
}

/* Each second spell is fair, so that in the end all gets through. */
static int weather(int channel, rnd_t *r)
{
    apr_int64_t spell = m.now / SPELL;
    rnd_t own = { rnd_mix(m.seed ^ (apr_uint64_t)channel << 40, (apr_uint64_t)spell) };

    if (is_out(channel)) {
        return CFMT_SENT_LATER;
    }
    r->state = rnd_mix(own.state, (apr_uint64_t)m.now);
    if (spell % 2 == 0 || rnd_chance(&own, 50) || rnd_chance(r, 20)) {
        return CFMT_SENT_YES;
    }
    return (int)rnd_below(&own, CFMT_SENT_BROKEN + 1);
}

/* ---- what goes out --------------------------------------------------------------------------- */

void __wrap_cfmt_out_send(cfmt_out_t *o, const cfmt_channel_conf_t *c,
                          const cfmt_message_t *message,
                          void (*done)(void *baton, const cfmt_sent_t *sent), void *baton);
void __wrap_cfmt_out_send(cfmt_out_t *o, const cfmt_channel_conf_t *c,
                          const cfmt_message_t *message,
                          void (*done)(void *baton, const cfmt_sent_t *sent), void *baton)
{
    int channel = (int)(c - (const cfmt_channel_conf_t *)channels->elts), how;
    sending_t *s;
    rnd_t r;

    (void)o;
    node_crash_point();
    how = weather(channel, &r);
    sent_look(c->name, message, how, is_well[channel]);
    is_well[channel] = how == CFMT_SENT_YES;
    if (m.verbose) {
        trace("message %" APR_INT64_T_FMT " (%s) through %s -> %d", message->id,
              cfmt_news_name(message->news.kind), c->name, how);
    }
    s = apr_array_push(sendings);
    *s = (sending_t){ .node = m.cur, .id = message->id, .done = done, .baton = baton };
    s->sent = (cfmt_sent_t){ .how = (cfmt_sent_e)how, .at = model_clock() + 40 * SEC(1),
                             .detail = how == CFMT_SENT_YES ? NULL : "so it is",
                             .ref = how == CFMT_SENT_YES ? "1" : NULL };
    s->due = m.now + (how == CFMT_SENT_MAYBE ? SEC(30) : rnd_span(&r, 20, 900) * 1000);
    agenda_add(s->due, (act_fn *)node_poll, m.cur);
    node_crash_point();
}

int told_poll(const node_t *n)
{
    sending_t s;
    int i, ended = 0;

    for (i = 0; i < sendings->nelts; i++) {
        s = APR_ARRAY_IDX(sendings, i, sending_t);
        if (s.node == n && s.due <= m.now) {
            APR_ARRAY_IDX(sendings, i--, sending_t) = *(sending_t *)apr_array_pop(sendings);
            s.done(s.baton, &s.sent);
            ended++;
        }
    }
    return ended;
}

void told_lost(const node_t *n)
{
    int i;

    for (i = 0; i < sendings->nelts; i++) {
        if (APR_ARRAY_IDX(sendings, i, sending_t).node == n) {
            APR_ARRAY_IDX(sendings, i--, sending_t) = *(sending_t *)apr_array_pop(sendings);
        }
    }
}

/* ---- what must have been said ---------------------------------------------------------------- */

/* Somebody has led for so long, by a clock that stood right, and none of them died. */
static int is_quiet(apr_interval_time_t d)
{
    return !m.down && (m.node[0].e || m.node[1].e) && m.now - m.leaderless > d
           && m.now - m.killed_at > d && !m.off && m.now - m.jumped_at > 4 * HOUR
           && m.now - m.conf_at > d;
}

static int is_told(const prefix_t *p, const char *kinds, apr_time_t since)
{
    return eye_int("SELECT count(*) FROM outbox WHERE channel = 'chat' AND prefix = '%s'"
                   " AND kind IN (%s) AND at >= %" APR_TIME_T_FMT, p->text, kinds, since) > 0;
}

static void check_change(int i)
{
    const prefix_t *p = &m.w.prefix[i];
    const change_t *c = &m.shown[i];

    missing_at[i] = p->missing ? m.now : missing_at[i];
    if (c->at != shown_at[i]) {
        shown_since[i] = shown_at[i] ? m.now : 0; /* the first was so before */
        shown_at[i] = c->at;
    }
    else if (shown_since[i] && m.shown_at[i] <= m.killed_at) {
        shown_since[i] = m.now; /* who was shown it is dead */
    }
    else if (shown_since[i] && m.now - shown_since[i] >= 3 * MIN + node_late()
             && is_quiet(3 * MIN + node_late()) && m.now - missing_at[i] > 2 * HOUR) {
        if (!is_told(p, c->on ? "'advertised'" : "'withdrawn'", c->at - SEC(1))) {
            model_fail(7, "%s was %s at %s, and nobody is told", p->text,
                       c->on ? "advertised" : "withdrawn", cfmt_time_format(m.pool, c->at));
        }
        shown_since[i] = 0;
    }
}

/* The smallest prefix on demand that covers what it hits. */
static int home_of(const attack_t *a)
{
    int i = a->ev->prefix, k;

    for (k = 0; m.w.prefix[i].enabled < 0 && k < PREFIXES; k++) {
        if (m.w.prefix[k].enabled == 0
            && cfmt_cidr_contains(&m.w.prefix[k].cidr, &m.w.prefix[i].cidr)) {
            return k;
        }
    }
    return i;
}

/*
 * What a rule is about is known only while rules can be read. What is calm by all that is counted,
 * or was by answers that said less than there was, may be over.
 */
static int is_told_of(const attack_t *a)
{
    int rule = (a->ev->how & 3) == ATTACK_RULE;
    int calm = (a->passes && a->ev->how & (ATTACK_BITS | ATTACK_LOW)) || m.w.lied_at > a->from;

    return !(a->ev->how & ATTACK_NO_TARGET) && !calm && oracle_is_open(a)
           && (!rule || (said_rules_at() && a->reports[0].at > said_rules_at()));
}

/* By nothing but its traffic, behind whatever END came meanwhile. */
static int is_seen(const attack_t *a, int i)
{
    apr_time_t from = a->from > m.now - 10 * MIN ? a->from : m.now - 10 * MIN;
    int k;

    for (k = m.w.first; a->ev->how & ATTACK_SILENT && k < m.w.attacks->nelts; k++) {
        const attack_t *b = APR_ARRAY_IDX(m.w.attacks, k, attack_t *);

        if (attack_is_on(b, &m.w.prefix[i]) && b->last_end + MIN > from) {
            from = b->last_end + MIN;
        }
    }
    return a->ev->how & ATTACK_SILENT && said_lit(i, from, m.now, 2);
}

/* Traffic may go by what it lies in, and be told to be an attack on that. */
static int is_covered(int i)
{
    int k;

    for (k = 0; k < PREFIXES; k++) {
        if (k != i && cfmt_cidr_contains(&m.w.prefix[k].cidr, &m.w.prefix[i].cidr)) {
            return 1;
        }
    }
    return 0;
}

static int is_exposed(int i)
{
    const prefix_t *p = &m.w.prefix[i];
    int k;

    if (p->now.on || m.shown[i].on || m.now - m.shown_at[i] > 3 * MIN || p->missing
        || p->enabled || p->bgp > 0 || p->approved < 0 || m.unfit & 1u << i) {
        return 0;
    }
    for (k = m.w.first; k < m.w.attacks->nelts; k++) {
        const attack_t *a = APR_ARRAY_IDX(m.w.attacks, k, attack_t *);

        if (home_of(a) == i && a->from > m.now - 6 * HOUR && a->to > m.now
            && (is_told_of(a) || (is_seen(a, i) && !is_covered(i)))) {
            return 1;
        }
    }
    return 0;
}

/* After two minutes, and again each ten. */
static void check_page(int i)
{
    const prefix_t *p = &m.w.prefix[i];

    if (!is_exposed(i) || !is_quiet(2 * MIN) || m.now - missing_at[i] < 30 * MIN) {
        exposed_since[i] = 0;
    }
    else if (!exposed_since[i]) {
        exposed_since[i] = m.now;
    }
    else if (m.now - exposed_since[i] >= 5 * MIN
             && !is_told(p, "'not-protected'", m.now - 13 * MIN)) {
        model_fail(7, "%s is not protected, and nobody is told", p->text);
    }
}

static void check_waiting(void)
{
    apr_int64_t id;

    if (!is_quiet(4 * HOUR)) {
        return;
    }
    id = eye_int("SELECT min(id) FROM outbox WHERE settled_at IS NULL AND made_at < %"
                 APR_TIME_T_FMT, model_clock() - 4 * HOUR);
    if (id) {
        model_fail(7, "message %" APR_INT64_T_FMT " waits for four hours", id);
    }
}

/* Who sent it died: it is said to be in doubt. */
static void check_doubt(void)
{
    apr_interval_time_t late = 2 * MIN + node_late();
    apr_int64_t id;

    if (is_quiet(late + MIN)
        && (id = eye_int("SELECT min(id) FROM outbox WHERE state = 'sending' AND leased_until < %"
                         APR_TIME_T_FMT, model_clock() - late))) {
        model_fail(7, "message %" APR_INT64_T_FMT " is being sent by nobody", id);
    }
}

void told_look(void)
{
    apr_interval_time_t quiet = 3 * MIN + node_late();
    apr_int64_t minute = m.now / MIN;
    int i;

    for (i = 0; i < PREFIXES; i++) {
        check_change(i);
        check_page(i);
    }
    if (minute % 10 == 0) {
        heard_look(is_quiet(quiet), quiet);
        check_waiting();
        check_doubt();
    }
}
