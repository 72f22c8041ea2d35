/*
 * What changed a prefix: exactly one cause, at the borders of its windows; which of them the policy
 * may take back.
 */
#include "cases.h"
#include "kit.h"

#define AT M(0)

typedef struct facts_t {
    cfmt_cause_facts_t f;
    cfmt_deed_t deeds[4];
    cfmt_episode_t episodes[4];
    apr_time_t statuses[4];
} facts_t;

static void start(facts_t *x)
{
    memset(x, 0, sizeof(*x));
    x->f = (cfmt_cause_facts_t){ .now = NOW, .advertised = 1, .at = AT, .deeds = x->deeds,
                                 .episodes = x->episodes, .statuses = x->statuses };
}

static void deed(facts_t *x, cfmt_cause_e by, apr_time_t sent_at, apr_time_t until)
{
    x->deeds[x->f.ndeeds] = (cfmt_deed_t){ .id = 10 + x->f.ndeeds, .want = x->f.advertised,
                                           .by = by, .who = "anna", .attack = "a1",
                                           .sent_at = sent_at, .until = until,
                                           .expects = M(-1000) };
    x->f.ndeeds++;
}

static void episode(facts_t *x, const char *id, apr_time_t from, apr_time_t to)
{
    x->episodes[x->f.nepisodes++] = (cfmt_episode_t){ id, from, to };
}

static cfmt_cause_t cause_of(const facts_t *x)
{
    cfmt_cause_t c;

    cfmt_cause_find(&c, &x->f);
    return c;
}

#define IS(x, expected, taken) \
    do { \
        cfmt_cause_t is_ = cause_of(x); \
        ck_assert_str_eq(cfmt_cause_name(is_.kind), cfmt_cause_name(expected)); \
        ck_assert_int_eq(is_.by_attack, taken); \
    } while (0)

START_TEST(test_nobody)
{
    facts_t x;

    start(&x);
    IS(&x, CFMT_CAUSE_EXTERNAL, 0);
    ck_assert_int_eq(cause_of(&x).at, AT);
    x.f.first_seen = 1;
    IS(&x, CFMT_CAUSE_FIRST_SEEN, 0);
    x.f.at = 0;
    episode(&x, "a1", M(-1), 0);
    x.f.adopted_by = "anna"; /* adopted 0 is none, not one of the same unknown time */
    IS(&x, CFMT_CAUSE_UNKNOWN, 0);
    start(&x);
    x.f.advertised = -1;
    episode(&x, "a1", M(-1), 0);
    IS(&x, CFMT_CAUSE_UNKNOWN, 0);
}
END_TEST

/* Open 15 minutes before or 5 minutes behind: the microsecond counts. */
START_TEST(test_attack_window)
{
    static const struct {
        apr_time_t from, to;
        int in;
    } tries[] = {
        { M(-60), 0, 1 },
        { M(-60), M(-15) + 1, 1 },
        { M(-60), M(-15), 0 }, /* it was over in that moment */
        { M(-15), M(-14), 1 },
        { M(5), 0, 1 },
        { M(5) + 1, 0, 0 },
        { M(-10), M(-9), 1 },
        { M(1), M(2), 1 },
        { M(-60), M(-59), 0 },
    };
    facts_t x;
    int i;

    for (i = 0; i < KIT_COUNT(tries); i++) {
        start(&x);
        episode(&x, "a1", tries[i].from, tries[i].to);
        ck_assert_msg((cause_of(&x).kind == CFMT_CAUSE_ATTACK) == tries[i].in, "%d", i);
        ck_assert_int_eq(cause_of(&x).by_attack, tries[i].in);
        x.f.first_seen = 1; /* an attack explains also what was there when we came */
        ck_assert_int_eq(cause_of(&x).by_attack, tries[i].in);
        x.f.advertised = 0; /* but no withdrawal */
        IS(&x, CFMT_CAUSE_FIRST_SEEN, 0);
    }
}
END_TEST

START_TEST(test_which_attack)
{
    facts_t x;

    start(&x);
    episode(&x, "late", M(3), 0);
    episode(&x, "gone", M(-60), M(-59));
    episode(&x, "b", M(-2), M(-1));
    episode(&x, "a", M(-2), 0);
    ck_assert_str_eq(cause_of(&x).attack, "a");
    x.f.nepisodes = 3;
    ck_assert_str_eq(cause_of(&x).attack, "b");
}
END_TEST

START_TEST(test_auto_advertise)
{
    static const struct {
        apr_time_t at;
        int in;
    } tries[] = {
        { M(-15) - 1, 0 }, { M(-15), 1 }, { M(0), 1 }, { M(5), 1 }, { M(5) + 1, 0 },
    };
    facts_t x;
    int i;

    for (i = 0; i < KIT_COUNT(tries); i++) {
        start(&x);
        x.f.nstatuses = 2;
        x.statuses[0] = M(-5000);
        x.statuses[1] = tries[i].at;
        IS(&x, tries[i].in ? CFMT_CAUSE_AUTO : CFMT_CAUSE_EXTERNAL, tries[i].in);
    }
    start(&x);
    x.f.nstatuses = 1;
    x.statuses[0] = AT;
    episode(&x, "a1", M(-1), 0);
    IS(&x, CFMT_CAUSE_AUTO, 1);
    ck_assert_str_eq(cause_of(&x).attack, "a1");
    x.f.advertised = 0;
    IS(&x, CFMT_CAUSE_EXTERNAL, 0);
}
END_TEST

START_TEST(test_own)
{
    cfmt_cause_t c;
    facts_t x;

    start(&x);
    deed(&x, CFMT_CAUSE_POLICY, M(0) - SEC, M(0) + SEC);
    c = cause_of(&x);
    ck_assert(c.kind == CFMT_CAUSE_POLICY && c.by_attack && c.intent == 10);
    ck_assert_str_eq(c.attack, "a1");
    x.deeds[0].attack = NULL; /* for nothing? then nobody's to take back */
    IS(&x, CFMT_CAUSE_POLICY, 0);
    x.deeds[0].by = CFMT_CAUSE_PROPOSAL;
    IS(&x, CFMT_CAUSE_PROPOSAL, 1);
    x.deeds[0].by = CFMT_CAUSE_OPERATOR;
    IS(&x, CFMT_CAUSE_OPERATOR, 0);
    ck_assert_str_eq(cause_of(&x).who, "anna");
    /* A precaution: an attack and Cloudflare's alert beside it do not make it the policy's. */
    episode(&x, "a1", M(-1), 0);
    x.f.nstatuses = 1;
    x.statuses[0] = AT;
    IS(&x, CFMT_CAUSE_OPERATOR, 0);
    x.deeds[0].want = 0; /* it wanted the opposite */
    IS(&x, CFMT_CAUSE_AUTO, 1);
}
END_TEST

START_TEST(test_own_time)
{
    static const struct {
        apr_time_t sent_at, until, expects;
        apr_interval_time_t skew;
        int in;
    } tries[] = {
        { M(0), M(1), M(-9), 0, 1 },
        { M(0) + 30 * SEC, M(1), M(-9), 0, 1 },
        { M(0) + 30 * SEC + 1, M(1), M(-9), 0, 0 },
        { M(0) + 40 * SEC, M(1), M(-9), -10 * SEC, 1 },
        { M(0) + 40 * SEC, M(1), M(-9), 10 * SEC, 1 },
        { M(-9), M(0) - 30 * SEC, M(-9), 0, 1 },
        { M(-9), M(0) - 30 * SEC - 1, M(-9), 0, 0 },
        { M(-9), 0, M(-9), 0, 1 },      /* still under way */
        { 0, M(1), M(-9), 0, 0 },       /* never sent: it found it so */
        { M(-1), M(1), M(0), 0, 0 },    /* it was so before the call */
        { M(-1), M(1), M(0) - 1, 0, 1 },
        { M(-1), M(1), 0, 0, 1 },       /* never advertised before */
    };
    facts_t x;
    int i;

    for (i = 0; i < KIT_COUNT(tries); i++) {
        start(&x);
        x.f.skew = tries[i].skew;
        deed(&x, CFMT_CAUSE_POLICY, tries[i].sent_at, tries[i].until);
        x.deeds[0].expects = tries[i].expects;
        ck_assert_msg((cause_of(&x).kind == CFMT_CAUSE_POLICY) == tries[i].in, "%d", i);
        x.f.advertised = x.deeds[0].want = 0; /* a withdrawal alike */
        ck_assert_msg((cause_of(&x).kind == CFMT_CAUSE_POLICY) == tries[i].in, "%d", i);
        ck_assert_int_eq(cause_of(&x).by_attack, 0);
    }
}
END_TEST

/* With clocks apart a later change lies in its time, too. */
START_TEST(test_done_before)
{
    facts_t x;

    start(&x);
    x.f.skew = 120 * 60 * SEC;
    x.f.read_at = M(119);
    deed(&x, CFMT_CAUSE_POLICY, M(-60), M(-59));
    IS(&x, CFMT_CAUSE_POLICY, 1); /* it is under way */
    x.deeds[0].done_at = M(119);
    IS(&x, CFMT_CAUSE_POLICY, 1);
    x.deeds[0].done_at = M(119) - 1;
    IS(&x, CFMT_CAUSE_EXTERNAL, 0);
    x.f.before = &(cfmt_cause_t){ .at = AT, .intent = 10 };
    IS(&x, CFMT_CAUSE_POLICY, 1); /* the clock was set back since */
}
END_TEST

START_TEST(test_two_of_ours)
{
    facts_t x;

    start(&x);
    deed(&x, CFMT_CAUSE_POLICY, M(0) - 9 * SEC, M(0) - 5 * SEC);
    deed(&x, CFMT_CAUSE_OPERATOR, M(0) - 2 * SEC, M(0) + SEC);
    ck_assert_int_eq(cause_of(&x).intent, 11);
    x.deeds[0].sent_at = x.deeds[1].sent_at;
    ck_assert_int_eq(cause_of(&x).intent, 11);
    x.deeds[0].sent_at++;
    ck_assert_int_eq(cause_of(&x).intent, 10);
}
END_TEST

START_TEST(test_adopted)
{
    facts_t x;

    start(&x);
    x.f.adopted = AT;
    x.f.adopted_by = "anna";
    IS(&x, CFMT_CAUSE_ADOPTED, 1);
    ck_assert_str_eq(cause_of(&x).who, "anna");
    deed(&x, CFMT_CAUSE_OPERATOR, M(0), M(1)); /* by hand, handed over later */
    IS(&x, CFMT_CAUSE_ADOPTED, 1);
    x.f.adopted = AT - 1; /* that one is over */
    IS(&x, CFMT_CAUSE_OPERATOR, 0);
    x.f.adopted = AT;
    x.f.advertised = x.deeds[0].want = 0;
    IS(&x, CFMT_CAUSE_OPERATOR, 0);
}
END_TEST

/* An attack that began again has forgotten its first episode; what that proved stays. */
START_TEST(test_before)
{
    cfmt_cause_t before;
    facts_t x;

    start(&x);
    episode(&x, "a1", M(-1), 0);
    before = cause_of(&x);
    episode(&x, "a1", M(300), 0);
    x.episodes[0] = x.episodes[1];
    x.f.nepisodes = 1;
    x.f.before = &before;
    IS(&x, CFMT_CAUSE_ATTACK, 1);
    ck_assert_str_eq(cause_of(&x).attack, "a1");
    before.at--; /* of another advertisement */
    IS(&x, CFMT_CAUSE_EXTERNAL, 0);
    before.at++;
    deed(&x, CFMT_CAUSE_OPERATOR, M(0), M(1)); /* we know better now */
    IS(&x, CFMT_CAUSE_OPERATOR, 0);
    x.f.ndeeds = 0;
    before.by_attack = 0;
    before.kind = CFMT_CAUSE_OPERATOR;
    IS(&x, CFMT_CAUSE_EXTERNAL, 0);
    before.by_attack = 1;
    before.kind = CFMT_CAUSE_ATTACK;
    x.f.advertised = 0;
    IS(&x, CFMT_CAUSE_EXTERNAL, 0);
}
END_TEST

/* The clock was set right: the call looks as if it came behind the change. */
START_TEST(test_found_to_be_ours)
{
    cfmt_cause_t before;
    facts_t x;

    start(&x);
    x.f.skew = 100 * SEC;
    deed(&x, CFMT_CAUSE_OPERATOR, M(0) + 100 * SEC, M(2));
    before = cause_of(&x);
    ck_assert_int_eq(before.intent, 10);
    x.f.skew = 0;
    IS(&x, CFMT_CAUSE_EXTERNAL, 0);
    x.f.before = &before;
    IS(&x, CFMT_CAUSE_OPERATOR, 0);
    before.at--; /* of another change */
    IS(&x, CFMT_CAUSE_EXTERNAL, 0);
    before.at++;
    x.deeds[0].id++; /* that one was refused */
    IS(&x, CFMT_CAUSE_EXTERNAL, 0);
}
END_TEST

static void random_facts(facts_t *x, unsigned *seed)
{
    int i;

    start(x);
    x->f.at = kit_random(seed, 8) ? AT : 0;
    x->f.advertised = kit_random(seed, 4) != 0;
    x->f.first_seen = (int)kit_random(seed, 2);
    for (i = (int)kit_random(seed, 3); i > 0; i--) {
        deed(x, (cfmt_cause_e)(CFMT_CAUSE_OPERATOR + kit_random(seed, 3)),
             M((int)kit_random(seed, 5) - 2), M((int)kit_random(seed, 5)));
        x->deeds[x->f.ndeeds - 1].want = (int)kit_random(seed, 2);
    }
    for (i = (int)kit_random(seed, 3); i > 0; i--) {
        episode(x, "a1", M((int)kit_random(seed, 40) - 30), M((int)kit_random(seed, 40) - 20));
    }
    x->f.nstatuses = (int)kit_random(seed, 2);
    x->statuses[0] = M((int)kit_random(seed, 60) - 30);
    x->f.adopted = kit_random(seed, 6) ? 0 : AT;
}

static int counted(const facts_t *x, cfmt_cause_e by)
{
    int i, n = 0;

    for (i = 0; i < x->f.ndeeds; i++) {
        n += x->deeds[i].by == by && x->deeds[i].want == x->f.advertised;
    }
    return n;
}

/* Whatever comes together: proved by something that is there, and the order does not matter. */
START_TEST(test_any_facts)
{
    unsigned seed = 15;
    int i, n = 0;

    for (i = 0; i < KIT_CASES(50000); i++) {
        cfmt_cause_t c, again;
        facts_t x;

        random_facts(&x, &seed);
        c = cause_of(&x);
        n += c.by_attack;
        ck_assert(c.by_attack == 0 || c.by_attack == 1);
        ck_assert(!c.by_attack || (x.f.advertised && x.f.at));
        ck_assert(!c.by_attack || x.f.adopted || counted(&x, CFMT_CAUSE_POLICY)
                  || counted(&x, CFMT_CAUSE_PROPOSAL) || x.f.nstatuses || x.f.nepisodes);
        ck_assert(c.kind != CFMT_CAUSE_OPERATOR || !c.by_attack);
        if (x.f.ndeeds == 2 && x.deeds[0].sent_at != x.deeds[1].sent_at) {
            cfmt_deed_t first = x.deeds[0];

            x.deeds[0] = x.deeds[1];
            x.deeds[1] = first;
            again = cause_of(&x);
            ck_assert(again.kind == c.kind && again.intent == c.intent);
        }
    }
    ck_assert_int_gt(n, KIT_CASES(50000) / 10);
}
END_TEST

START_TEST(test_names)
{
    int i, k;

    for (i = 0; i < CFMT_CAUSES; i++) {
        for (k = 0; k < i; k++) {
            ck_assert_str_ne(cfmt_cause_name((cfmt_cause_e)i), cfmt_cause_name((cfmt_cause_e)k));
        }
    }
    ck_assert_str_eq(cfmt_cause_name((cfmt_cause_e)99), "unknown");
}
END_TEST

UNIT_SUITE_BEGIN(cause)
    UNIT_TEST(test_nobody)
    UNIT_TEST(test_attack_window)
    UNIT_TEST(test_which_attack)
    UNIT_TEST(test_auto_advertise)
    UNIT_TEST(test_own)
    UNIT_TEST(test_own_time)
    UNIT_TEST(test_done_before)
    UNIT_TEST(test_two_of_ours)
    UNIT_TEST(test_adopted)
    UNIT_TEST(test_before)
    UNIT_TEST(test_found_to_be_ours)
    UNIT_TEST(test_any_facts)
    UNIT_TEST(test_names)
UNIT_SUITE_END
