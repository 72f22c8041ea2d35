/*
 * Unit tests of src/cloudflare/budget.c.
 */
#include <apr_strings.h>

#include "cfmt_cloudflare.h"
#include "kit.h"
#include "unit.h"

#define S(n) apr_time_from_sec(n)
#define T(n) (S(1700000000) + S(n))

static cfmt_budget_t budget(double quota, double reserve)
{
    cfmt_budget_t b;

    cfmt_budget_init(&b, quota, S(300), reserve, T(0));
    return b;
}

static int drain(cfmt_budget_t *b, int action, apr_time_t now)
{
    int n = 0;

    while (cfmt_budget_take(b, action, now) == 0) {
        n++;
    }
    return n;
}

static void check_near(double got, double want, const char *what)
{
    ck_assert_msg(got > want - 1e-3 && got < want + 1e-3, "%s: %f, not %f", what, got, want);
}

/* Half at once, the rest as it flows; the last ones are for actions. */
START_TEST(test_bucket)
{
    cfmt_budget_t b = budget(1200, 60);
    apr_time_t when;

    check_near(cfmt_budget_left(&b, T(0)), 600, "full");
    ck_assert_int_eq(drain(&b, 0, T(0)), 540);
    when = cfmt_budget_take(&b, 0, T(0));
    ck_assert_msg(when > T(0) && when <= T(0) + 500002, "half a second a call, not %ld",
                  (long)(when - T(0)));
    ck_assert_int_eq(cfmt_budget_take(&b, 0, when), 0);
    ck_assert_int_eq(drain(&b, 1, T(1)), 61);
    ck_assert(cfmt_budget_take(&b, 1, T(1)) > T(1));
    check_near(cfmt_budget_left(&b, T(11)), 20, "ten seconds later");
    check_near(cfmt_budget_left(&b, T(100000)), 600, "full again");
}
END_TEST

/* Whatever the quota, there is something for polling, and a wait ends. */
START_TEST(test_small_quotas)
{
    int quota, i;

    for (quota = 1; quota < 40; quota++) {
        cfmt_budget_t b = budget(quota, 60);
        apr_time_t now = T(0), when;

        for (i = 0; i < 50; i++) {
            when = cfmt_budget_take(&b, 0, now);
            ck_assert_msg(when == 0 || (when > now && when - now <= S(301)), "%d: %ld", quota,
                          (long)(when - now));
            now = when ? when : now;
        }
        ck_assert_msg(now - T(0) < S(300) * 60, "%d", quota);
    }
}
END_TEST

/* ---- headers --------------------------------------------------------------------------------- */

static const struct {
    const char *header;
    double said; /* < 0: ignored */
    int reset_s;
} remaining[] = {
    {"\"default\";r=50;t=30", 50, 30},
    {"default;r=50;t=30", 50, 30},
    {" \"default\" ; r=50 ; t=30 ", 50, 30},
    {"\"default\";t=30;r=0", 0, 30},
    {"\"burst\";r=90;t=60, \"default\";r=50;t=300", 50, 300},
    {"\"burst\";r=5;t=10,\"default\";r=50;t=300", 5, 10},
    {"\"a\";r=0;t=10,\"b\";r=0;t=200,\"c\";r=0;t=20", 0, 200},
    {"\"a, b;r=1;t=1\";r=50;t=30", 50, 30},
    {"\"a\\\"b\";r=50;t=30", 50, 30},
    {"\"default\";r=50;t=30;pk=:Zm9v:;x", 50, 30},
    {"\"bad\";r=x;t=30, \"default\";r=50;t=30", 50, 30},
    {"\"bad\";r=1, \"default\";r=50;t=30", 50, 30},
    {"\"default\";r=50;t=30, \"bad", 50, 30},
    {"\"default\";r=50;t=30,,", 50, 30},
    {"\"default\";r=0;t=0", -1, 0},
    {"\"default\";r=50;t=0", -1, 0},
    {"", -1, 0},
    {",", -1, 0},
    {"\"", -1, 0},
    {"\"default\"", -1, 0},
    {"\"default\";", -1, 0},
    {"\"default\";r=50", -1, 0},
    {"\"default\";t=30", -1, 0},
    {"\"default\";r=-1;t=30", -1, 0},
    {"\"default\";r=1.5;t=30", -1, 0},
    {"\"default\";r=;t=30", -1, 0},
    {"\"default\";r=50;t=99999999", -1, 0},
    {"\"default\";r=99999999999999999999;t=30", -1, 0},
    {"\"default\";r=50;t=30 x", -1, 0},
    {"limit=100, remaining=50, reset=30", -1, 0},
    {"50", -1, 0},
};

START_TEST(test_remaining)
{
    int i;

    for (i = 0; i < KIT_COUNT(remaining); i++) {
        cfmt_budget_t b = budget(1200, 0);

        cfmt_budget_heed(&b, remaining[i].header, NULL, -1, 0, T(5));
        ck_assert_msg((b.reset_at != 0) == (remaining[i].said >= 0), "%s", remaining[i].header);
        if (remaining[i].said < 0) {
            continue;
        }
        check_near(cfmt_budget_left(&b, T(5)), remaining[i].said, remaining[i].header);
        ck_assert_msg(b.reset_at == T(5 + remaining[i].reset_s), "%s", remaining[i].header);
        ck_assert_int_eq(drain(&b, 0, T(5)), (int)remaining[i].said);
        ck_assert_msg(cfmt_budget_take(&b, 0, T(5)) == T(5 + remaining[i].reset_s), "%s",
                      remaining[i].header);
        ck_assert_int_eq(cfmt_budget_take(&b, 0, T(5 + remaining[i].reset_s)), 0);
    }
}
END_TEST

static const struct {
    const char *header;
    double quota, window;
} policies[] = {
    {"\"burst\";q=100;w=60", 100, 60},
    {"\"default\";q=1200;w=300, \"burst\";q=100;w=60", 100, 60},
    {"\"second\";q=10;w=1, \"default\";q=1200;w=300", 10, 2.5},
    {"\"default\";q=4000;w=300", 4000, 300},
    {"\"x\";q=0;w=60", 1200, 300},
    {"\"x\";q=100;w=0", 1200, 300},
    {"\"x\";q=100", 1200, 300},
    {"\"x\";q=100;w=60s", 1200, 300},
    {"\"x\";q=1;w=900000", 1200, 300},
    {"nonsense", 1200, 300},
};

START_TEST(test_policy)
{
    int i;

    for (i = 0; i < KIT_COUNT(policies); i++) {
        cfmt_budget_t b = budget(1200, 60);

        cfmt_budget_heed(&b, NULL, policies[i].header, -1, 0, T(0));
        check_near(b.quota, policies[i].quota, policies[i].header);
        check_near(b.window_s, policies[i].window, policies[i].header);
        ck_assert(b.left <= (b.quota < 1200 ? b.quota / 2 : 600) + 1e-6);
    }
}
END_TEST

/* A reserve for actions holds against the header's count, too. */
START_TEST(test_reserve_of_said)
{
    cfmt_budget_t b = budget(1200, 60);

    cfmt_budget_heed(&b, "\"default\";r=70;t=100", NULL, -1, 0, T(0));
    ck_assert_int_eq(drain(&b, 0, T(0)), 10);
    ck_assert_int_eq(drain(&b, 1, T(0)), 60);
    ck_assert_int_eq(cfmt_budget_take(&b, 1, T(50)), T(100));
}
END_TEST

/* ---- 429 ------------------------------------------------------------------------------------- */

static const struct {
    apr_interval_time_t after, want;
} refusals[] = {
    {S(17), S(17)}, {S(1), S(1)}, {-1, S(300)}, {S(3600), S(3600)}, {S(10000000), S(86400)},
    {500000, 500000},
};

START_TEST(test_refused)
{
    int i;

    for (i = 0; i < KIT_COUNT(refusals); i++) {
        cfmt_budget_t b = budget(1200, 60);

        cfmt_budget_heed(&b, NULL, NULL, refusals[i].after, 1, T(1));
        ck_assert_int_eq(b.blocked_until, T(1) + refusals[i].want);
        ck_assert_int_eq(cfmt_budget_take(&b, 1, T(1)), T(1) + refusals[i].want);
        ck_assert_int_eq(cfmt_budget_take(&b, 1, T(1) + refusals[i].want - 1),
                         T(1) + refusals[i].want);
        check_near(cfmt_budget_left(&b, T(1)), 0, "blocked");
        ck_assert_int_eq(cfmt_budget_take(&b, 0, T(1) + refusals[i].want), 0);
        ck_assert_int_eq(b.blocked_until, 0);
    }
}
END_TEST

/* Without a refusal retry-after means nothing here. */
START_TEST(test_not_refused)
{
    cfmt_budget_t b = budget(1200, 60);

    cfmt_budget_heed(&b, NULL, NULL, S(60), 0, T(1));
    ck_assert_int_eq(cfmt_budget_take(&b, 0, T(1)), 0);
    cfmt_budget_heed(&b, NULL, NULL, 0, 1, T(1));
    ck_assert_int_eq(cfmt_budget_take(&b, 0, T(1)), 0);
}
END_TEST

/* ---- the clock ------------------------------------------------------------------------------- */

START_TEST(test_clock_back)
{
    static const int back[] = {1, 60, 3600, 86400 * 365};
    int i;

    for (i = 0; i < KIT_COUNT(back); i++) {
        cfmt_budget_t b = budget(1200, 60);
        apr_time_t now = T(10 - back[i]), when;

        drain(&b, 1, T(10));
        cfmt_budget_heed(&b, "\"d\";r=0;t=100", NULL, S(200), 1, T(10));
        check_near(cfmt_budget_left(&b, now), 0, "back");
        when = cfmt_budget_take(&b, 0, now);
        ck_assert_msg(when == now + S(200), "%d s back: %ld", back[i], (long)(when - now));
        ck_assert_int_eq(cfmt_budget_take(&b, 0, when), 0);
        ck_assert_int_eq(b.reset_at, 0);
    }
}
END_TEST

/* ---- properties ------------------------------------------------------------------------------ */

#define CALLS_MAX 20000

/* Random hurry, pauses and actions: no window of the policy holds more calls than its quota. */
static void check_windows(unsigned seed, int quota, int window_s, const char *policy)
{
    static apr_time_t calls[CALLS_MAX];
    cfmt_budget_t b = budget(1200, (double)kit_random(&seed, 100));
    apr_time_t now = T(0), when;
    int n = 0, first = 0, mood = 0, i;

    cfmt_budget_heed(&b, NULL, policy, -1, 0, now);
    for (i = 0; i < CALLS_MAX; i++) {
        mood = kit_random(&seed, 200) ? mood : (int)kit_random(&seed, 3);
        when = cfmt_budget_take(&b, (int)kit_random(&seed, 2), now);
        if (when == 0) {
            calls[n++] = now;
        }
        ck_assert(when == 0 || when > now);
        now = mood == 0 && when ? when
              : mood == 1 ? now + (apr_time_t)kit_random(&seed, 2000000)
                          : now + (apr_time_t)kit_random(&seed, 1000);
    }
    ck_assert_int_gt(n, 20);
    for (i = 0; i < n; i++) {
        while (calls[i] - calls[first] >= S(window_s)) {
            first++;
        }
        ck_assert_msg(i - first + 1 <= quota, "%d calls within %d s", i - first + 1, window_s);
    }
}

START_TEST(test_no_window_exceeds)
{
    unsigned seed;

    for (seed = 1; seed <= KIT_CASES(15); seed++) {
        check_windows(seed, 1200, 300, NULL);
        check_windows(seed, 300, 300, "\"g\";q=300;w=300");
        check_windows(seed, 10, 1, "\"s\";q=10;w=1, \"d\";q=1200;w=300");
        check_windows(seed, 1200, 300, "\"s\";q=10;w=1, \"d\";q=1200;w=300");
        check_windows(seed, 1, 7, "\"one\";q=1;w=7");
        check_windows(seed, 3, 10, "\"three\";q=3;w=10");
    }
}
END_TEST

/* Another program eats from the same quota: who heeds the answers is never refused. */
START_TEST(test_shared)
{
    unsigned seed;

    for (seed = 1; seed <= KIT_CASES(20); seed++) {
        cfmt_budget_t b = budget(1200, 60);
        unsigned random = seed;
        apr_time_t now = T(0), when;
        int left = 1200, calls = 0, i;
        apr_time_t reset = T(300);

        for (i = 0; i < 5000; i++) {
            now += (apr_time_t)kit_random(&random, 400000);
            for (; now >= reset; reset += S(300)) {
                left = 1200;
            }
            when = cfmt_budget_take(&b, 0, now);
            if (when) {
                continue;
            }
            calls++;
            ck_assert_msg(left > 0, "refused after %d calls", calls);
            /* The other one draws between two of ours, and leaves what the reserve is for. */
            left -= 1 + (int)kit_random(&random, left > 20 ? 20 : 1);
            cfmt_budget_heed(&b, apr_psprintf(unit_pool, "\"default\";r=%d;t=%d", left,
                                              (int)apr_time_sec(reset - now) + 1),
                             "\"default\";q=1200;w=300", -1, 0, now);
        }
        ck_assert_int_gt(calls, 50);
    }
}
END_TEST

UNIT_SUITE_BEGIN(budget)
    UNIT_TEST(test_bucket)
    UNIT_TEST(test_small_quotas)
    UNIT_TEST(test_remaining)
    UNIT_TEST(test_policy)
    UNIT_TEST(test_reserve_of_said)
    UNIT_TEST(test_refused)
    UNIT_TEST(test_not_refused)
    UNIT_TEST(test_clock_back)
    UNIT_TEST(test_no_window_exceeds)
    UNIT_TEST(test_shared)
UNIT_SUITE_END
