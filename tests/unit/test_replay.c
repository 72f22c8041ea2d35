/*
 * Unit tests of src/engine/replay*.c and src/store/{decision_used,scratch}.c: months of a journal
 * are lived through, then go through the policy again.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <apr_strings.h>

#include "cfmt_replay.h"
#include "months.h"
#include "rows.h"

#define A "203.0.113.0/24"

static months_t m;

static const char *scratch(const char *name)
{
    const char *dir = unit_path(name);

    ck_assert_int_eq(mkdir(dir, 0700), 0);
    return dir;
}

static cfmt_replay_check_t check(const char *name, apr_time_t from, apr_time_t to)
{
    cfmt_replay_conf_t conf = { .source = m.s, .dir = scratch(name), .from = from, .to = to };
    cfmt_replay_check_t c;
    cfmt_result_t r = { .status = APR_SUCCESS };

    ck_assert_msg(cfmt_replay_check(&c, &conf, &r, unit_pool) == APR_SUCCESS, "%s",
                  r.detail ? r.detail : "?");
    return c;
}

static void all_the_same(const cfmt_replay_check_t *c, int least)
{
    if (c->different) {
        const cfmt_replay_diff_t *d = &APR_ARRAY_IDX(c->diffs, 0, cfmt_replay_diff_t);

        ck_abort_msg("%d of %d, row %d: %s [%s] / %s [%s]\n%s\n%s", (int)c->different,
                     (int)c->decisions, (int)d->row, d->verdict, d->red, d->now_verdict, d->now_red,
                     d->text, d->now_text);
    }
    ck_assert_int_eq(c->inexact, 0);
    ck_assert_int_eq(c->same, c->decisions);
    ck_assert_int_ge(c->decisions, least);
}

/* ---- the same policy ------------------------------------------------------------------------- */

START_TEST(the_same_policy_decides_the_same)
{
    cfmt_replay_check_t c;
    int i;

    months_begin(&m, "cfmt.db");
    for (i = 0; i < 4; i++) {
        months_episode(&m, i % 2, 3 + 5 * i, (apr_interval_time_t)(7 + i) * MONTHS_DAY);
    }
    c = check("scratch", 0, 0);
    all_the_same(&c, 20);
    ck_assert_int_eq(kit_int(m.s, "SELECT count(*) FROM intent WHERE state = 'done' AND want = 0"),
                     4);
}
END_TEST

/* ---- whatever happens ------------------------------------------------------------------------ */

static void something(unsigned *seed, int which)
{
    static const char *const commands[] = {
        "{\"command\":\"hold\",\"prefix\":\"" A "\",\"reason\":\"r\",\"for\":1800000000}",
        "{\"command\":\"hold\",\"prefix\":\"203.0.112.0/22\",\"reason\":\"r\"}",
        "{\"command\":\"release\",\"prefix\":\"203.0.112.0/22\"}",
        "{\"command\":\"release\",\"prefix\":\"" A "\"}",
        "{\"command\":\"adopt\",\"prefix\":\"" A "\",\"reason\":\"ours\"}",
        "{\"command\":\"adopt\",\"prefix\":\"198.51.100.0/24\"}",
        "{\"command\":\"advertise\",\"prefix\":\"" A "\",\"reason\":\"to be safe\"}",
        "{\"command\":\"withdraw\",\"prefix\":\"" A "\",\"override\":true}",
        "{\"command\":\"withdraw\",\"prefix\":\"198.51.100.0/24\"}",
        "{\"command\":\"approve\",\"id\":1}", "{\"command\":\"approve\",\"id\":2}",
        "{\"command\":\"approve\",\"id\":3}", "{\"command\":\"deny\",\"id\":4}",
        "{\"command\":\"window.remove\",\"id\":1}",
        "{\"command\":\"nonsense\"}", "{\"command\":\"attack.close\",\"id\":\"attack-2\"}",
    };
    static const char *const policies[] = {
        "withdraw=auto", "withdraw=auto advertise=auto", "withdraw=propose", "withdraw=manual",
        "withdraw=auto calm=25m pps=500", "withdraw=propose advertise=auto calm=3m",
    };
    unsigned k = kit_random(seed, 30);

    if (k < KIT_COUNT(commands)) {
        months_command(&m, commands[k]);
    }
    else if (k < 20) {
        m.pps[which] = m.pps[which] ? 0 : 300 + (int)kit_random(seed, 5000);
    }
    else if (k < 22) {
        months_change(&m, which, (int)kit_random(seed, 2));
    }
    else if (k < 24) {
        m.blind = !m.blind;
    }
    else if (k < 26) {
        apr_table_setn(m.settings, "Prefix *", policies[kit_random(seed, KIT_COUNT(policies))]);
        apr_table_setn(m.settings, "Mode", kit_random(seed, 4) ? "enforce" : "observe");
        apr_table_setn(m.settings, "HoldFor", kit_random(seed, 2) ? "2h" : "forever");
        months_configure(&m);
    }
    else if (k < 28) {
        months_command(&m, apr_psprintf(unit_pool, "{\"command\":\"window.add\",\"prefix\":\"%s\","
                                        "\"from\":%" APR_TIME_T_FMT ",\"to\":%" APR_TIME_T_FMT "}",
                                        k == 26 ? "*" : A, m.now + MONTHS_HOUR,
                                        m.now + 3 * MONTHS_HOUR));
    }
    else {
        months_alert(&m, which, (int)kit_random(seed, 3) == 0);
    }
}

START_TEST(whatever_happens_it_decides_the_same)
{
    unsigned seed = 7 + (unsigned)_i;
    cfmt_replay_check_t c;
    int i;

    months_begin(&m, "cfmt.db");
    for (i = 0; i < 120; i++) {
        something(&seed, (int)kit_random(&seed, MONTHS_PREFIXES));
        if (kit_random(&seed, 12)) {
            months_go(&m, (apr_interval_time_t)(1 + kit_random(&seed, 12)) * MONTHS_MIN);
        }
        else {
            months_sleep(&m, (apr_interval_time_t)(1 + kit_random(&seed, 40)) * MONTHS_HOUR);
        }
    }
    c = check("scratch", 0, 0);
    all_the_same(&c, 40);
}
END_TEST

/* What is learned twenty minutes behind a change does not change who was taken for it. */
START_TEST(a_cause_is_for_good_after_a_while)
{
    cfmt_replay_check_t c;

    months_begin(&m, "cfmt.db");
    apr_table_setn(m.settings, "Calm", "1h"); /* no gate changes, so nothing is journaled then */
    months_configure(&m);
    months_go(&m, MONTHS_MIN);
    months_change(&m, 0, 1);
    months_go(&m, 23 * MONTHS_MIN);
    months_late_alert(&m, 0, m.now - 23 * MONTHS_MIN);
    months_go(&m, 2 * MONTHS_MIN);
    ck_assert_str_eq(kit_text(m.s, "SELECT cause FROM standing WHERE prefix = '" A "'"), "external");
    c = check("scratch", 0, 0);
    all_the_same(&c, 4);
}
END_TEST

/* Two of them, between two rows of the journal: each by what was known then. */
START_TEST(each_cause_is_for_good_in_its_time)
{
    cfmt_replay_check_t c;

    months_begin(&m, "cfmt.db");
    apr_table_setn(m.settings, "Calm", "1h");
    months_configure(&m);
    months_round(&m, MONTHS_S(1));
    m.blind = 1; /* nothing of traffic is journaled */
    months_change(&m, 0, 1);
    months_round(&m, MONTHS_S(30));
    months_change(&m, 1, 1);
    months_go(&m, 23 * MONTHS_MIN);
    months_late_alert(&m, 1, m.now - 23 * MONTHS_MIN);
    months_go(&m, 2 * MONTHS_MIN);
    ck_assert_int_eq(kit_int(m.s, "SELECT count(*) FROM standing WHERE cause = 'external'"), 2);
    c = check("scratch", 0, 0);
    all_the_same(&c, 4);
}
END_TEST

/* ---- what cannot be made again --------------------------------------------------------------- */

START_TEST(a_change_of_the_journal_is_found)
{
    cfmt_replay_check_t c;
    int i, attacked = 0;

    months_begin(&m, "cfmt.db");
    months_episode(&m, 0, 10, MONTHS_DAY);
    c = check("whole", 0, 0);
    all_the_same(&c, 5);
    kit_sql(m.s, "DELETE FROM journal WHERE kind = 'delivery'");
    c = check("without", 0, 0);
    ck_assert_int_gt(c.different, 0);
    ck_assert_int_eq(c.diffs->nelts, c.different);
    for (i = 0; i < c.diffs->nelts; i++) {
        const cfmt_replay_diff_t *d = &APR_ARRAY_IDX(c.diffs, i, cfmt_replay_diff_t);

        attacked += strstr(d->red, "no_attack") != NULL;
        ck_assert_ptr_null(strstr(d->now_red, "no_attack"));
    }
    ck_assert_int_gt(attacked, 0);
}
END_TEST

START_TEST(without_what_it_rested_on_it_is_counted_apart)
{
    cfmt_replay_check_t c;

    months_begin(&m, "cfmt.db");
    months_episode(&m, 0, 10, MONTHS_DAY);
    kit_sql(m.s, "UPDATE journal SET body = json_remove(body, '$.used') WHERE kind = 'decision'"
                 " AND id % 2");
    kit_sql(m.s, "UPDATE journal SET body = replace(body, '\"config\":\"', '\"config\":\"x') WHERE"
                 " kind = 'decision' AND id % 2 = 0 AND id % 3 = 0");
    c = check("scratch", 0, 0);
    ck_assert_int_eq(c.different, 0);
    ck_assert_int_gt(c.inexact, 0);
    ck_assert_int_gt(c.same, 0);
    ck_assert_int_eq(c.same + c.inexact, c.decisions);
}
END_TEST

/* What it has seen cannot come behind it, nor go back. */
START_TEST(what_has_seen_too_much_is_counted_apart)
{
    cfmt_replay_check_t c;

    months_begin(&m, "cfmt.db");
    months_episode(&m, 0, 10, MONTHS_DAY);
    months_episode(&m, 1, 20, MONTHS_DAY);
    kit_sql(m.s, "UPDATE journal SET body = json_set(body, '$.used.cursor', iif(id % 4 = 1, 1,"
                 " id + 9)) WHERE kind = 'decision' AND id % 2 AND id > 20");
    c = check("scratch", 0, 0);
    ck_assert_int_eq(c.different, 0);
    ck_assert_int_gt(c.inexact, 3);
    ck_assert_int_gt(c.same, 3);
}
END_TEST

START_TEST(only_what_is_asked_for)
{
    cfmt_replay_check_t all, first, second;
    apr_time_t middle;

    months_begin(&m, "cfmt.db");
    months_episode(&m, 0, 10, MONTHS_DAY);
    middle = m.now;
    months_episode(&m, 1, 10, MONTHS_DAY);
    all = check("all", 0, 0);
    first = check("first", 0, middle);
    second = check("second", middle, 0);
    all_the_same(&first, 5);
    all_the_same(&second, 5);
    ck_assert_int_eq(first.decisions + second.decisions, all.decisions);
}
END_TEST

/* ---- a journal without its beginning --------------------------------------------------------- */

static void prune(apr_interval_time_t journal, apr_interval_time_t evidence)
{
    cfmt_retention_t conf = { .journal = journal, .evidence = evidence };
    apr_pool_t *p;
    int more = 1;

    apr_pool_create(&p, unit_pool);
    while (more) {
        apr_pool_clear(p);
        ck_assert_int_eq(cfmt_retention_step(m.s, &conf, m.now, &more, p), APR_SUCCESS);
    }
}

START_TEST(of_a_pruned_journal_what_is_left)
{
    cfmt_replay_range_t range;
    cfmt_replay_check_t c;
    int i;

    months_begin(&m, "cfmt.db");
    months_command(&m, "{\"command\":\"hold\",\"prefix\":\"198.51.100.0/24\",\"reason\":\"r\"}");
    for (i = 0; i < 6; i++) {
        months_episode(&m, 0, 10, 2 * MONTHS_DAY);
        months_change(&m, 1, 1); /* held: nobody withdraws it but whoever advertised it */
        months_go(&m, MONTHS_HOUR / 2);
        months_change(&m, 1, 0);
        months_go(&m, MONTHS_MIN);
    }
    ck_assert_int_eq(cfmt_replay_range(m.s, &range, unit_pool), APR_SUCCESS);
    ck_assert(range.earliest == range.first && !range.why && range.first == KIT_EPOCH);
    prune(7 * MONTHS_DAY, 7 * MONTHS_DAY);
    ck_assert_int_gt(kit_int(m.s, "SELECT value FROM meta WHERE name = 'pruned_to'"), 0);
    ck_assert_int_eq(cfmt_replay_range(m.s, &range, unit_pool), APR_SUCCESS);
    ck_assert(range.why && range.earliest > m.now - 8 * MONTHS_DAY);
    c = check("scratch", range.earliest, 0);
    all_the_same(&c, 10);
}
END_TEST

START_TEST(evidence_that_is_gone_bounds_it)
{
    cfmt_replay_range_t range;
    cfmt_replay_check_t c;
    int i;

    months_begin(&m, "cfmt.db");
    for (i = 0; i < 8; i++) {
        months_episode(&m, i % 2, 10, MONTHS_DAY);
    }
    prune(400 * MONTHS_DAY, 3 * MONTHS_DAY);
    ck_assert_int_eq(cfmt_replay_range(m.s, &range, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(range.why, "evidence");
    ck_assert(range.first == KIT_EPOCH);
    ck_assert_int_eq((range.earliest - MONTHS_DAY / 12) % MONTHS_DAY, 0); /* two hours behind */
    ck_assert(range.earliest > m.now - 4 * MONTHS_DAY && range.earliest < m.now - MONTHS_DAY);
    c = check("scratch", range.earliest, 0);
    all_the_same(&c, 5);
}
END_TEST

/* ---- what it rested on, as text -------------------------------------------------------------- */

START_TEST(what_it_rested_on_is_read_back)
{
    cfmt_used_t u = { .config = APR_UINT64_C(0xfedcba9876543210), .skew = -7 }, back;
    const char *text, *bad[] = { "{}", "{\"version\":2,\"config\":\"0000000000000000\",\"skew\":0}",
                                 "{\"version\":1,\"config\":\"0000000000000000\"}",
                                 "{\"version\":1,\"config\":\"00\",\"skew\":0}",
                                 "{\"version\":1,\"config\":\"0000000000000000\",\"skew\":0,"
                                 "\"read_at\":\"x\"}", "[]" };
    cfmt_case_t c;
    int i;

    cfmt_case_init(&u.c, 5);
    u.c.listed = -1;
    u.c.read_at = KIT_T(3);
    u.c.check_text = "";
    u.c.look_above = -1;
    u.c.withdraw_offer = (cfmt_offer_t){ .state = CFMT_OFFER_DENIED, .id = 9, .by = "user \"a\"" };
    text = cfmt_used_encode(&u, unit_pool);
    ck_assert_int_eq(cfmt_used_decode(&back, rows_parse(text)), APR_SUCCESS);
    ck_assert(back.config == u.config && back.skew == -7);
    ck_assert_str_eq(cfmt_used_encode(&back, unit_pool), text);
    cfmt_case_init(&c, 5);
    cfmt_used_apply(&c, &back);
    ck_assert(c.read_at == KIT_T(3) && c.listed == -1 && c.look_above == -1);
    ck_assert(c.withdraw_offer.state == CFMT_OFFER_DENIED && !c.advertise_offer.by);
    ck_assert_str_eq(c.withdraw_offer.by, "user \"a\"");
    ck_assert_str_eq(c.check_text, "");
    for (i = 0; i < KIT_COUNT(bad); i++) {
        ck_assert_msg(cfmt_used_decode(&back, rows_parse(bad[i])) == CFMT_EINVALID, "%s", bad[i]);
    }
    ck_assert_int_eq(cfmt_used_decode(&back, NULL), CFMT_EINVALID);
}
END_TEST

UNIT_SUITE_BEGIN(replay)
    UNIT_TEST(the_same_policy_decides_the_same)
    tcase_add_loop_test(tc, whatever_happens_it_decides_the_same, 0, KIT_CASES(10));
    UNIT_TEST(a_cause_is_for_good_after_a_while)
    UNIT_TEST(each_cause_is_for_good_in_its_time)
    UNIT_TEST(a_change_of_the_journal_is_found)
    UNIT_TEST(without_what_it_rested_on_it_is_counted_apart)
    UNIT_TEST(what_has_seen_too_much_is_counted_apart)
    UNIT_TEST(only_what_is_asked_for)
    UNIT_TEST(of_a_pruned_journal_what_is_left)
    UNIT_TEST(evidence_that_is_gone_bounds_it)
    UNIT_TEST(what_it_rested_on_is_read_back)
UNIT_SUITE_END
