/*
 * Runs of minutes: calm since when, the last attack, the first gap, blind, sustained. Each at its
 * boundaries, then all against a plain walk over minutes for random spans, by seed.
 */
#include <string.h>

#include "cfmt_policy.h"
#include "kit.h"
#include "unit.h"

#define MIN CFMT_MINUTE
#define UNTIL 40 /* minutes of a strip */

/*
 * A strip of minutes as text, one letter each: '.' calm, 'a' attack, 'b' between, '?' unknown; the
 * first is minute 0. Neighbours are merged as the store does it, or all stand alone.
 */
typedef struct strip_t {
    cfmt_span_t spans[UNTIL];
    int n;
} strip_t;

static cfmt_verdict_e verdict_of(char c)
{
    return c == '.'   ? CFMT_VERDICT_CALM
           : c == 'a' ? CFMT_VERDICT_ATTACK
           : c == 'b' ? CFMT_VERDICT_BETWEEN
                      : CFMT_VERDICT_UNKNOWN;
}

static void cut_strip(strip_t *s, const char *text, const char *alone)
{
    int i;

    memset(s, 0, sizeof(*s));
    for (i = 0; text[i]; i++) {
        if (text[i] == '?') {
            continue;
        }
        if (i && text[i] == text[i - 1] && !strchr(alone, text[i])) {
            s->spans[s->n - 1].to += MIN;
            continue;
        }
        s->spans[s->n++] = (cfmt_span_t){ .from = i * MIN, .to = (i + 1) * MIN,
                                          .verdict = verdict_of(text[i]), .reason = "pps" };
    }
}

/* In minutes, as all that follows. */
static int calm_for(const char *text, int end)
{
    strip_t s;

    cut_strip(&s, text, "a");
    return (int)(cfmt_calm_for(s.spans, s.n, end * MIN) / MIN);
}

START_TEST(test_calm_for)
{
    ck_assert_int_eq(calm_for("", 5), 0);
    ck_assert_int_eq(calm_for("a...............", 16), 15);
    ck_assert_int_eq(calm_for("a..............", 15), 14);
    ck_assert_int_eq(calm_for(".....", 5), 5);
    ck_assert_int_eq(calm_for(".....", 3), 3); /* as of an earlier minute */
    ck_assert_int_eq(calm_for(".....", 6), 0); /* the newest complete minute is unknown */
    ck_assert_int_eq(calm_for("..?..", 5), 2);
    ck_assert_int_eq(calm_for("..?..", 3), 0);
    ck_assert_int_eq(calm_for("..b..", 5), 2);
    ck_assert_int_eq(calm_for("..b..", 3), 0);
    ck_assert_int_eq(calm_for("....b", 4), 4);
    ck_assert_int_eq(calm_for("..a..", 3), 0);
    ck_assert_int_eq(calm_for("???..", 3), 0);
    /* An attack seen before the minute is complete ends the calm before it. */
    ck_assert_int_eq(calm_for("....a", 4), 0);
    ck_assert_int_eq(calm_for("....??a", 4), 0);
    ck_assert_int_eq(calm_for("....a..", 4), 0);
}
END_TEST

/* Calm because below, then because idle: still one calm. */
START_TEST(test_calm_of_two_reasons)
{
    static const cfmt_span_t spans[] = {
        { .from = 2 * MIN, .to = 5 * MIN, .verdict = CFMT_VERDICT_CALM, .reason = "below" },
        { .from = 5 * MIN, .to = 9 * MIN, .verdict = CFMT_VERDICT_CALM, .reason = "idle" },
    };

    ck_assert_int_eq(cfmt_calm_for(spans, 2, 9 * MIN), 7 * MIN);
    ck_assert_int_eq(cfmt_calm_for(spans, 2, 5 * MIN), 3 * MIN);
}
END_TEST

static int last_attack(const char *text, int end)
{
    strip_t s, merged;
    apr_time_t t;

    cut_strip(&s, text, "a");
    cut_strip(&merged, text, "");
    t = cfmt_calm_last_attack(s.spans, s.n, end * MIN);
    ck_assert_int_eq(cfmt_calm_last_attack(merged.spans, merged.n, end * MIN), t);
    return (int)(t / MIN);
}

START_TEST(test_last_attack)
{
    strip_t s;

    ck_assert_int_eq(last_attack("", 5), 0);
    ck_assert_int_eq(last_attack("..b?", 5), 0);
    ck_assert_int_eq(last_attack("a", 1), 1);
    ck_assert_int_eq(last_attack("a", 0), 0); /* it begins at end: not before it */
    ck_assert_int_eq(last_attack("a....", 5), 1);
    ck_assert_int_eq(last_attack("a.a.b?", 6), 3);
    ck_assert_int_eq(last_attack("a.a.b?", 2), 1);
    ck_assert_int_eq(last_attack("aaaaa", 3), 3);
    /* Seen in the minute that is going on: it counts, whole. */
    cut_strip(&s, "aaaaa", "");
    ck_assert_int_eq(cfmt_calm_last_attack(s.spans, s.n, 2 * MIN + 1), 3 * MIN);
}
END_TEST

static int gap(const char *text, int since, int until)
{
    strip_t s;

    cut_strip(&s, text, "a");
    return (int)(cfmt_calm_gap(s.spans, s.n, since * MIN, until * MIN) / MIN);
}

START_TEST(test_gap)
{
    ck_assert_int_eq(gap("", 3, 7), 3);
    ck_assert_int_eq(gap("..ab.", 0, 5), 5);
    ck_assert_int_eq(gap("..ab.", 0, 6), 5);
    ck_assert_int_eq(gap("..ab.", 0, 3), 3);
    ck_assert_int_eq(gap("?.ab.", 0, 5), 0);
    ck_assert_int_eq(gap("?.ab.", 1, 5), 5);
    ck_assert_int_eq(gap("..?b?", 0, 5), 2);
    ck_assert_int_eq(gap("..?b?", 3, 5), 4);
    ck_assert_int_eq(gap("..?b?", 2, 3), 2);
    ck_assert_int_eq(gap(".....", 7, 9), 7);
    ck_assert_int_eq(gap(".....", 3, 3), 3);
    ck_assert_int_eq(gap("?????", 4, 2), 2); /* an empty range has none */
}
END_TEST

static int blind(const char *text, int since, int now, int after)
{
    strip_t s;

    cut_strip(&s, text, "a");
    return cfmt_calm_blind(s.spans, s.n, since * MIN, now * MIN, after * MIN);
}

START_TEST(test_blind)
{
    strip_t s;

    ck_assert(blind("", 0, 15, 15));
    ck_assert(!blind("", 1, 15, 15)); /* advertised for 14 minutes: too early to say */
    ck_assert(blind("...", 0, 18, 15));
    ck_assert(!blind("...", 0, 17, 15));
    ck_assert(!blind("...", 4, 18, 15)); /* known minutes of an earlier advertisement */
    ck_assert(blind("...", 3, 18, 15));
    ck_assert(!blind("..a", 0, 17, 15)); /* attack and between are sight, too */
    ck_assert(!blind("..b", 0, 17, 15));
    ck_assert(blind("..?", 0, 17, 15));
    cut_strip(&s, "...", "");
    ck_assert(!cfmt_calm_blind(s.spans, s.n, 0, 18 * MIN - 1, 15 * MIN));
    ck_assert(!cfmt_calm_blind(s.spans, s.n, 3 * MIN + 1, 18 * MIN, 15 * MIN));
    ck_assert(!cfmt_calm_blind(NULL, 0, 0, 18 * MIN, APR_INT64_MAX)); /* for ever */
}
END_TEST

/* The bounds of the run as from * 100 + to; 0 = none. */
static int sustained(const char *text, int sustain)
{
    strip_t s, merged;
    apr_time_t from = -1, to = -1, from2 = -1, to2 = -1;
    int yes;

    cut_strip(&s, text, "a");
    cut_strip(&merged, text, "");
    yes = cfmt_calm_sustained(s.spans, s.n, sustain, &from, &to);
    ck_assert_int_eq(cfmt_calm_sustained(merged.spans, merged.n, sustain, &from2, &to2), yes);
    ck_assert(from == from2 && to == to2);
    return yes ? (int)(from / MIN) * 100 + (int)(to / MIN) : 0;
}

START_TEST(test_sustained)
{
    ck_assert_int_eq(sustained("", 1), 0);
    ck_assert_int_eq(sustained("..b?b", 1), 0);
    ck_assert_int_eq(sustained(".a.", 1), 102);
    ck_assert_int_eq(sustained(".a.", 2), 0);
    ck_assert_int_eq(sustained(".aa.", 2), 103);
    ck_assert_int_eq(sustained(".aa", 3), 0);
    ck_assert_int_eq(sustained("aaa", 3), 3);
    ck_assert_int_eq(sustained("aaaaa", 2), 5);      /* the whole run */
    ck_assert_int_eq(sustained("aaa.aa.a", 2), 406); /* the newest that is long enough */
    ck_assert_int_eq(sustained("aaa.aa.a", 3), 3);
    ck_assert_int_eq(sustained("aa.aa", 3), 0);
    ck_assert_int_eq(sustained("aa?aa", 3), 0); /* what was never observed never counts */
    ck_assert_int_eq(sustained("aabaa", 3), 0);
    ck_assert_int_eq(sustained("a..", 0), 1);
    ck_assert_int_eq(sustained("...", 0), 0);
}
END_TEST

/* ---- against a walk over minutes ------------------------------------------------------------- */

/* Long runs of calm and attack, some of them cut short; returns its length. */
static int random_strip(char *text, unsigned *seed)
{
    static const char letters[] = "....aab?";
    int i, n = (int)kit_random(seed, UNTIL);
    char c = '?';

    for (i = 0; i < n; i++) {
        c = kit_random(seed, 3) ? c : letters[kit_random(seed, 8)];
        text[i] = c;
    }
    memset(text + n, '?', (size_t)(UNTIL - n));
    text[UNTIL] = '\0';
    return n;
}

static int walk_calm_for(const char *text, int end)
{
    int i, n = 0;

    for (i = end; i < UNTIL; i++) {
        if (text[i] == 'a') {
            return 0;
        }
    }
    while (n < end && text[end - 1 - n] == '.') {
        n++;
    }
    return n;
}

static int walk_last_attack(const char *text, int end)
{
    while (end > 0 && text[end - 1] != 'a') {
        end--;
    }
    return end;
}

static int walk_gap(const char *text, int since, int until)
{
    for (; since < until; since++) {
        if (text[since] == '?') {
            return since;
        }
    }
    return until;
}

static int walk_blind(const char *text, int since, int now, int after)
{
    int i;

    for (i = 0; i < UNTIL; i++) {
        if (text[i] != '?' && i + 1 > now - after) {
            return 0;
        }
    }
    return now - since >= after;
}

static int walk_sustained(const char *text, int sustain)
{
    int from, to;

    for (to = UNTIL; to > 0; to = from) {
        from = to;
        while (from > 0 && text[from - 1] == 'a') {
            from--;
        }
        if (from < to && to - from >= sustain) {
            return from * 100 + to;
        }
        from -= from == to;
    }
    return 0;
}

START_TEST(test_random_spans)
{
    char text[UNTIL + 1];
    unsigned seed = 5;
    int i;

    for (i = 0; i < KIT_CASES(20000); i++) {
        int n = random_strip(text, &seed), end = (int)kit_random(&seed, UNTIL + 1);
        int since = (int)kit_random(&seed, UNTIL + 1), now = n + (int)kit_random(&seed, 20);
        int after = 1 + (int)kit_random(&seed, 20), sustain = (int)kit_random(&seed, 5);

        ck_assert_int_eq(calm_for(text, n), walk_calm_for(text, n));
        ck_assert_int_eq(calm_for(text, end), walk_calm_for(text, end));
        ck_assert_int_eq(last_attack(text, end), walk_last_attack(text, end));
        ck_assert_int_eq(gap(text, since, end), walk_gap(text, since, end));
        ck_assert_int_eq(blind(text, since, now, after), walk_blind(text, since, now, after));
        ck_assert_int_eq(sustained(text, sustain), walk_sustained(text, sustain));
    }
}
END_TEST

/*
 * A minute less is known: nothing is calmer for it, no attack is sustained that was not, no sight
 * is gained.
 */
START_TEST(test_random_unknown)
{
    char text[UNTIL + 1], less[UNTIL + 1];
    unsigned seed = 6;
    int i;

    for (i = 0; i < KIT_CASES(20000); i++) {
        int n = random_strip(text, &seed), k = (int)kit_random(&seed, UNTIL);
        int since = (int)kit_random(&seed, UNTIL + 1), end = (int)kit_random(&seed, UNTIL + 1);

        memcpy(less, text, sizeof(less));
        less[k] = '?';
        ck_assert_int_le(calm_for(less, n), calm_for(text, n));
        /* Attack behind end holds calm down: what proves it is never unlearned. */
        ck_assert(text[k] == 'a' || calm_for(less, end) <= calm_for(text, end));
        ck_assert_int_le(gap(less, since, UNTIL), gap(text, since, UNTIL));
        ck_assert_int_ge(blind(less, since, n + 10, 9), blind(text, since, n + 10, 9));
        ck_assert(!sustained(less, 2) || sustained(text, 2));
        ck_assert_int_le(last_attack(less, UNTIL), last_attack(text, UNTIL));
    }
}
END_TEST

/* A minute of attack more, complete or not: nothing is calmer for it. */
START_TEST(test_random_attack)
{
    char text[UNTIL + 1], more[UNTIL + 1];
    unsigned seed = 7;
    int i;

    for (i = 0; i < KIT_CASES(20000); i++) {
        int n = random_strip(text, &seed), k = (int)kit_random(&seed, UNTIL);
        int end = (int)kit_random(&seed, (unsigned)n + 1);

        memcpy(more, text, sizeof(more));
        more[k] = 'a';
        ck_assert_int_le(calm_for(more, end), calm_for(text, end));
        ck_assert_int_ge(last_attack(more, UNTIL), last_attack(text, UNTIL));
        ck_assert(sustained(more, 2) || !sustained(text, 2));
    }
}
END_TEST

/* The example of the earliest withdrawal: attack to 03:01, 15 calm minutes, known at 03:21. */
START_TEST(test_earliest)
{
    ck_assert_int_eq(calm_for("a??????????????", 15), 0);
    ck_assert_int_eq(calm_for("a..............?????", 15), 14);
    ck_assert_int_eq(calm_for("a...............????", 16), 15);
    ck_assert_int_eq(last_attack("a...............????", 20), 1);
}
END_TEST

UNIT_SUITE_BEGIN(calm_spans)
    UNIT_TEST(test_calm_for)
    UNIT_TEST(test_calm_of_two_reasons)
    UNIT_TEST(test_last_attack)
    UNIT_TEST(test_gap)
    UNIT_TEST(test_blind)
    UNIT_TEST(test_sustained)
    UNIT_TEST(test_random_spans)
    UNIT_TEST(test_random_unknown)
    UNIT_TEST(test_random_attack)
    UNIT_TEST(test_earliest)
UNIT_SUITE_END
