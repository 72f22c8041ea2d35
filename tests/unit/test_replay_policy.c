/*
 * Unit tests of src/engine/replay_{compare,lane,sim}.c: what another policy would have done with
 * months of a journal; how far a replay has come, and that it can be ended.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <apr_strings.h>

#include "cfmt_replay.h"
#include "months.h"
#include "unit.h"

static months_t m;

static const char *scratch(const char *name)
{
    const char *dir = unit_path(name);

    ck_assert_int_eq(mkdir(dir, 0700), 0);
    return dir;
}

/* ---- another policy -------------------------------------------------------------------------- */

static cfmt_replay_compare_t compare(const char *name, const char *key, const char *value)
{
    cfmt_replay_conf_t conf = { .source = m.s, .dir = scratch(name), .to = m.now };
    apr_table_t *policy = apr_table_make(unit_pool, 1);
    cfmt_replay_compare_t c;
    cfmt_result_t r = { .status = APR_SUCCESS };

    apr_table_setn(policy, key, value);
    ck_assert_msg(cfmt_replay_compare(&c, &conf, policy, &r, unit_pool) == APR_SUCCESS, "%s",
                  r.detail ? r.detail : "?");
    return c;
}

static const cfmt_replay_advertisement_t *ad(const cfmt_replay_compare_t *c, int i)
{
    ck_assert_int_lt(i, c->advertisements->nelts);
    return &APR_ARRAY_IDX(c->advertisements, i, cfmt_replay_advertisement_t);
}

/* In whole minutes. */
static int minutes(apr_interval_time_t d)
{
    return (int)((d + MONTHS_MIN / 2) / MONTHS_MIN);
}

static void live_four(void)
{
    int i;

    months_begin(&m, "cfmt.db");
    for (i = 0; i < 4; i++) {
        months_episode(&m, i % 2, 10 + i, 2 * MONTHS_DAY);
    }
}

START_TEST(the_policy_in_force_makes_no_difference)
{
    cfmt_replay_compare_t c;
    int i;

    live_four();
    c = compare("scratch", "Calm", "15min");
    ck_assert_int_eq(c.advertisements->nelts, 4);
    ck_assert_int_eq(c.same, 4);
    ck_assert(!memcmp(&c.was, &c.would, sizeof(c.was)));
    for (i = 0; i < 4; i++) { /* and it is what happened */
        const cfmt_replay_advertisement_t *a = ad(&c, i);

        ck_assert_int_le(a->was.withdrawn_at, a->ended_at);
        ck_assert_int_lt(a->ended_at - a->was.withdrawn_at, MONTHS_MIN);
        ck_assert_int_eq(a->was.messages[CFMT_REPLAY_WITHDRAWN], 1);
        ck_assert_int_eq(a->was.by_policy, 1);
        ck_assert_int_eq(minutes(a->was.exposed), 0);
    }
}
END_TEST

static const struct {
    const char *calm;
    int minutes;
} calms[] = { { "30min", 15 }, { "16min", 1 }, { "5min", -10 }, { "3h", 165 } };

START_TEST(another_calm_withdraws_at_another_time)
{
    cfmt_replay_compare_t c;
    int i, d;

    live_four();
    c = compare("scratch", "Calm", calms[_i].calm);
    ck_assert_int_eq(c.advertisements->nelts, 4);
    ck_assert_int_eq(calms[_i].minutes > 0 ? c.later : c.earlier, 4);
    for (i = 0; i < 4; i++) {
        const cfmt_replay_advertisement_t *a = ad(&c, i);

        d = minutes(a->would.withdrawn_at - a->was.withdrawn_at);
        d = calms[_i].minutes < 0 ? -minutes(a->was.withdrawn_at - a->would.withdrawn_at) : d;
        ck_assert_int_eq(d, calms[_i].minutes);
        ck_assert_int_eq(minutes(a->would.exposed), 0);
        ck_assert_int_eq(minutes(a->would.paid) - minutes(a->was.paid), d);
    }
    ck_assert_int_le(abs(minutes(c.would.paid) - minutes(c.was.paid) - 4 * calms[_i].minutes), 1);
}
END_TEST

/* Back 12 minutes after its END: a calm of 15 minutes was right to wait, one of 3 is not. */
static void live_attack_that_comes_back(void)
{
    months_begin(&m, "cfmt.db");
    months_episode(&m, 0, 20, 12 * MONTHS_MIN + 20 * MONTHS_MIN);
    months_episode(&m, 0, 20, MONTHS_DAY);
    months_sleep(&m, MONTHS_HOUR);
}

START_TEST(too_short_a_calm_exposes)
{
    cfmt_replay_compare_t c;
    const cfmt_replay_advertisement_t *a;

    live_attack_that_comes_back();
    c = compare("scratch", "Calm", "3min");
    ck_assert_int_eq(c.advertisements->nelts, 1);
    a = ad(&c, 0);
    ck_assert_int_eq(minutes(a->was.exposed), 0);
    ck_assert_int_eq(a->was.again, 0);
    ck_assert_int_eq(a->would.again, 1); /* its own mistake it puts right, as soon as it may */
    ck_assert_int_ge(minutes(a->would.exposed), 8);
    ck_assert_int_le(minutes(a->would.exposed), 13);
    ck_assert_int_ge(a->would.messages[CFMT_REPLAY_NOT_PROTECTED], 1);
    ck_assert_int_eq(a->would.messages[CFMT_REPLAY_ADVERTISED], 1);
    ck_assert_int_eq(c.earlier, 1);
    /* 28 minutes, then from its second announcement to the end of a calm that is doubled */
    ck_assert_int_ge(minutes(a->would.paid), 47);
    ck_assert_int_le(minutes(a->would.paid), 50);
}
END_TEST

/* Its calm, which ends the attack, too, is the other policy's. */
START_TEST(an_attack_without_an_end)
{
    cfmt_replay_compare_t c;
    int i;

    months_begin(&m, "cfmt.db");
    months_alert(&m, 0, 0);
    months_round(&m, MONTHS_S(2));
    months_change(&m, 0, 1);
    m.pps[0] = 9000;
    months_go(&m, 10 * MONTHS_MIN);
    m.pps[0] = 0;
    for (i = 0; i < 60 && m.b[0].advertised; i++) {
        months_go(&m, MONTHS_MIN);
    }
    ck_assert_int_eq(m.b[0].advertised, 0);
    months_sleep(&m, 3 * MONTHS_HOUR);
    c = compare("longer", "Calm", "40min");
    ck_assert_int_eq(c.later, 1);
    ck_assert_int_le(abs(minutes(ad(&c, 0)->would.withdrawn_at - ad(&c, 0)->was.withdrawn_at) - 25),
                     1);
    c = compare("shorter", "Calm", "8min");
    ck_assert_int_eq(c.earlier, 1);
    ck_assert_int_le(abs(minutes(ad(&c, 0)->was.withdrawn_at - ad(&c, 0)->would.withdrawn_at) - 7),
                     1);
}
END_TEST

START_TEST(observed_it_is_only_told)
{
    cfmt_replay_compare_t c;
    int i, n;

    live_four();
    c = compare("scratch", "Mode", "observe");
    for (i = 0; i < c.advertisements->nelts; i++) {
        ck_assert_int_eq(ad(&c, i)->would.messages[CFMT_REPLAY_WITHDRAWN], 0);
        ck_assert_int_eq(ad(&c, i)->would.withdrawn_at, 0);
    }
    for (i = 0; i < 4; i++) { /* each hour, from the calm on until the next one of that prefix */
        n = i < 2 ? 4 * 24 : (4 - i) * 2 * 24;
        ck_assert_int_ge(ad(&c, i)->would.messages[CFMT_REPLAY_WOULD], n - 3);
        ck_assert_int_le(ad(&c, i)->would.messages[CFMT_REPLAY_WOULD], n);
    }
    ck_assert(c.would.paid > c.was.paid);
}
END_TEST

START_TEST(lines_of_prefixes_take_the_place_of_all)
{
    cfmt_replay_compare_t c;

    live_four();
    c = compare("scratch", "Prefix 203.0.113.0/24", "withdraw=auto calm=20m");
    ck_assert_int_eq(c.advertisements->nelts, 4);
    ck_assert_int_eq(c.later, 4); /* the other prefix has no line any more: manual */
    ck_assert_int_eq(minutes(ad(&c, 0)->would.withdrawn_at - ad(&c, 0)->was.withdrawn_at), 5);
    ck_assert_int_eq(ad(&c, 1)->would.withdrawn_at, 0);
}
END_TEST

/* ---- watched --------------------------------------------------------------------------------- */

typedef struct watch_t {
    apr_int64_t row;  /* told last */
    int calls, back;  /* that it told a smaller one */
    int end_after;    /* calls; 0 = never */
} watch_t;

static int watch(void *baton, apr_int64_t row, apr_int64_t last)
{
    watch_t *w = baton;

    ck_assert(row >= 0 && row <= last);
    w->back += row < w->row;
    w->row = row;
    return ++w->calls == w->end_after;
}

START_TEST(it_goes_on_and_can_be_ended)
{
    watch_t all = { .row = 0 }, some = { .end_after = 5 };
    cfmt_replay_conf_t conf = { .progress = watch };
    cfmt_replay_check_t c;
    cfmt_result_t r = { .status = APR_SUCCESS };
    int i;

    months_begin(&m, "cfmt.db");
    for (i = 0; i < 4; i++) {
        months_episode(&m, i % 2, 60, MONTHS_DAY);
    }
    conf.source = m.s;
    conf.dir = scratch("all");
    conf.baton = &all;
    conf.from = KIT_EPOCH + MONTHS_DAY;
    ck_assert_int_eq(cfmt_replay_check(&c, &conf, &r, unit_pool), APR_SUCCESS);
    ck_assert_int_gt(all.calls, 5);
    ck_assert_int_gt(all.row, 0);
    ck_assert_int_eq(all.back, 0);
    conf.dir = scratch("some");
    conf.baton = &some;
    ck_assert_int_eq(cfmt_replay_check(&c, &conf, &r, unit_pool), APR_EINTR);
    ck_assert_int_eq(some.calls, 5);
}
END_TEST

/* Time alone is a reason to look: an attack that nobody protects from is told every ten minutes. */
START_TEST(it_can_be_ended_where_no_row_comes)
{
    watch_t w = { .end_after = 50 };
    cfmt_replay_conf_t conf = { .progress = watch, .baton = &w };
    apr_table_t *policy = apr_table_make(unit_pool, 1);
    cfmt_result_t r = { .status = APR_SUCCESS };
    cfmt_replay_compare_t c;

    months_begin(&m, "cfmt.db");
    months_alert(&m, 0, 0);
    months_go(&m, 2 * MONTHS_MIN);
    conf.source = m.s;
    conf.dir = scratch("scratch");
    conf.to = m.now + 20 * MONTHS_HOUR;
    ck_assert_int_eq(cfmt_replay_compare(&c, &conf, policy, &r, unit_pool), APR_EINTR);
    ck_assert_int_eq(w.calls, 50);
}
END_TEST

UNIT_SUITE_BEGIN(replay_policy)
    UNIT_TEST(it_goes_on_and_can_be_ended)
    UNIT_TEST(it_can_be_ended_where_no_row_comes)
    UNIT_TEST(the_policy_in_force_makes_no_difference)
    tcase_add_loop_test(tc, another_calm_withdraws_at_another_time, 0, KIT_COUNT(calms));
    UNIT_TEST(too_short_a_calm_exposes)
    UNIT_TEST(an_attack_without_an_end)
    UNIT_TEST(observed_it_is_only_told)
    UNIT_TEST(lines_of_prefixes_take_the_place_of_all)
UNIT_SUITE_END
