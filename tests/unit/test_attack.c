/*
 * Attacks, pure: keys and ids, the canonical order, the fold with its episodes, bounded sets, joins
 * of pruned parts, what traffic says.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_policy.h"
#include "kit.h"
#include "unit.h"

static cfmt_event_t event(cfmt_state_e state, apr_time_t ts)
{
    cfmt_event_t e;

    memset(&e, 0, sizeof(e));
    e.ts = ts;
    e.id = e.digest = ts;
    e.state = state;
    e.source = "alert";
    e.alert_type = "dos_attack_l4";
    e.effect = CFMT_EFFECT_NETWORK;
    e.ours = 1;
    e.pps = e.bps = e.rps = -1;
    return e;
}

static void step(cfmt_attack_t *a, cfmt_event_t e)
{
    cfmt_attack_step(a, &e, unit_pool);
}

static const char *text(const apr_array_header_t *set, int i)
{
    return APR_ARRAY_IDX(set, i, const char *);
}

/* ---- identity -------------------------------------------------------------------------------- */

START_TEST(test_keys)
{
    cfmt_attack_key_t k[CFMT_ATTACK_KEYS_MAX];
    cfmt_event_t e = event(CFMT_STATE_START, 60000000);

    e.attack_id = "A";
    e.correlation_id = "C";
    e.account = "acc";
    ck_assert_int_eq(cfmt_attack_keys(k, &e, unit_pool), 2);
    ck_assert_int_eq(k[0].kind, CFMT_KEY_ATTACK);
    ck_assert_int_eq(k[1].kind, CFMT_KEY_CORRELATION);
    ck_assert_str_eq(k[0].account, "acc");
    /* 'a' and 12 digits of: printf '1acc\0A' | sha256sum */
    ck_assert_str_eq(k[0].id, "a7ed618b75606");
    ck_assert_int_eq(strlen(k[1].id), 13);
    e.attack_id = "";
    ck_assert_int_eq(cfmt_attack_keys(k, &e, unit_pool), 1);
    ck_assert_int_eq(k[0].kind, CFMT_KEY_CORRELATION);
    ck_assert_str_eq(k[0].value, "C");
    e.effect = CFMT_EFFECT_NONE;
    ck_assert_int_eq(cfmt_attack_keys(k, &e, unit_pool), 0);
    e.effect = CFMT_EFFECT_ENTITY;
    ck_assert_int_eq(cfmt_attack_keys(k, &e, unit_pool), 0);
}
END_TEST

/* The parts cannot run into each other, and the account separates. */
START_TEST(test_ids_differ)
{
    cfmt_attack_key_t a[2], b[2];
    cfmt_event_t x = event(CFMT_STATE_START, 1), y = x;

    x.account = "ab";
    x.attack_id = "c";
    y.account = "a";
    y.attack_id = "bc";
    cfmt_attack_keys(a, &x, unit_pool);
    cfmt_attack_keys(b, &y, unit_pool);
    ck_assert_str_ne(a[0].id, b[0].id);
    y.account = NULL;
    y.attack_id = NULL;
    y.correlation_id = "c";
    cfmt_attack_keys(b, &y, unit_pool);
    ck_assert_str_ne(a[0].id, b[0].id);
    ck_assert_str_eq(b[0].account, "");
}
END_TEST

START_TEST(test_tuple)
{
    cfmt_attack_key_t a[2], b[2];
    cfmt_event_t x = event(CFMT_STATE_START, apr_time_from_sec(120)), y = x;

    x.target = y.target = "192.0.2.1";
    x.vector = y.vector = "UDP";
    y.ts = apr_time_from_sec(179);
    ck_assert_int_eq(cfmt_attack_keys(a, &x, unit_pool), 1);
    ck_assert_int_eq(cfmt_attack_keys(b, &y, unit_pool), 1);
    ck_assert_int_eq(a[0].kind, CFMT_KEY_TUPLE);
    ck_assert_str_eq(a[0].value, "dos_attack_l4|192.0.2.1|UDP|1970-01-01T00:02:00Z");
    ck_assert_int_eq(cfmt_attack_key_compare(&a[0], &b[0]), 0);
    /* The minute of its start, where it says one, not of the alert. */
    y.ts = apr_time_from_sec(9000);
    cfmt_attack_keys(b, &y, unit_pool);
    ck_assert_int_ne(cfmt_attack_key_compare(&a[0], &b[0]), 0);
    y.start = apr_time_from_sec(121);
    cfmt_attack_keys(b, &y, unit_pool);
    ck_assert_int_eq(cfmt_attack_key_compare(&a[0], &b[0]), 0);
    y.vector = NULL;
    cfmt_attack_keys(b, &y, unit_pool);
    ck_assert_int_ne(cfmt_attack_key_compare(&a[0], &b[0]), 0);
}
END_TEST

START_TEST(test_key_order)
{
    cfmt_attack_key_t a = { .kind = CFMT_KEY_ATTACK, .value = "m", .account = "m" }, b = a, c = a,
                      d = a;

    b.kind = CFMT_KEY_CORRELATION;
    b.value = "a";
    ck_assert(cfmt_attack_key_compare(&a, &b) < 0 && cfmt_attack_key_compare(&b, &a) > 0);
    c.value = "z";
    c.account = "a";
    ck_assert(cfmt_attack_key_compare(&a, &c) < 0 && cfmt_attack_key_compare(&c, &a) > 0);
    d.account = "z";
    ck_assert(cfmt_attack_key_compare(&a, &d) < 0 && cfmt_attack_key_compare(&d, &a) > 0);
    ck_assert_int_eq(cfmt_attack_key_compare(&a, &a), 0);
}
END_TEST

START_TEST(test_event_order)
{
    cfmt_event_t s = event(CFMT_STATE_START, 10), e = event(CFMT_STATE_END, 10), t = s;

    e.digest = -100;
    ck_assert(cfmt_attack_event_compare(&s, &e) < 0 && cfmt_attack_event_compare(&e, &s) > 0);
    t.digest = 5;
    ck_assert(cfmt_attack_event_compare(&t, &s) < 0);
    t = s;
    t.id = 11;
    ck_assert(cfmt_attack_event_compare(&s, &t) < 0);
    t.ts = 9;
    t.state = CFMT_STATE_END;
    ck_assert(cfmt_attack_event_compare(&t, &s) < 0);
    ck_assert_int_eq(cfmt_attack_event_compare(&s, &s), 0);
}
END_TEST

/* ---- fold ------------------------------------------------------------------------------------ */

START_TEST(test_episodes)
{
    cfmt_attack_t a;

    cfmt_attack_init(&a, "a1", unit_pool);
    ck_assert_str_eq(a.id, "a1");
    step(&a, event(CFMT_STATE_START, 10));
    step(&a, event(CFMT_STATE_START, 20));
    ck_assert(a.open && a.episodes == 1 && a.episode_at == 10 && a.started_at == 10
              && a.last_at == 20);
    step(&a, event(CFMT_STATE_END, 30));
    step(&a, event(CFMT_STATE_END, 35));
    ck_assert(!a.open && a.ended_at == 30 && a.last_at == 35);
    ck_assert_str_eq(a.ended_by, "end");
    step(&a, event(CFMT_STATE_START, 40));
    ck_assert(a.open && a.episodes == 2 && a.episode_at == 40 && a.ended_at == 0
              && a.started_at == 10);
    ck_assert_ptr_eq(a.ended_by, NULL);
    ck_assert_int_eq(a.events, 5);
}
END_TEST

START_TEST(test_equal_ts)
{
    cfmt_attack_t a;

    cfmt_attack_init(&a, "a1", unit_pool);
    step(&a, event(CFMT_STATE_START, 10));
    step(&a, event(CFMT_STATE_END, 10));
    ck_assert(!a.open && a.episodes == 1 && a.ended_at == 10);
    step(&a, event(CFMT_STATE_START, 10)); /* only behind a pruned part: END still wins */
    ck_assert(!a.open && a.episodes == 1);
}
END_TEST

/* INFO cannot happen on an attack type; it must never end one. */
START_TEST(test_first)
{
    cfmt_attack_t a;
    cfmt_event_t op = event(CFMT_STATE_END, 10);

    cfmt_attack_init(&a, "a1", unit_pool);
    step(&a, event(CFMT_STATE_INFO, 10));
    ck_assert(a.open);
    cfmt_attack_init(&a, "a1", unit_pool);
    step(&a, event(CFMT_STATE_END, 10));
    ck_assert(!a.open && a.episodes == 1 && a.ended_at == 10 && a.episode_at == 10);
    step(&a, event(CFMT_STATE_START, 20));
    ck_assert(a.open && a.episodes == 2);
    op.source = "operator";
    op.effect = CFMT_EFFECT_NONE;
    op.ours = 0;
    op.target = "nothing";
    cfmt_attack_init(&a, "a1", unit_pool);
    step(&a, op);
    ck_assert(!a.open && a.episodes == 0 && a.targets->nelts == 0);
    ck_assert_str_eq(a.ended_by, "operator");
    step(&a, event(CFMT_STATE_START, 20));
    ck_assert(a.open && a.episodes == 1 && a.ours);
}
END_TEST

START_TEST(test_sums)
{
    cfmt_attack_t a;
    cfmt_event_t e = event(CFMT_STATE_START, 10);

    cfmt_attack_init(&a, "a1", unit_pool);
    ck_assert(a.peak_pps < 0 && a.scope == CFMT_EFFECT_HOST);
    e.effect = CFMT_EFFECT_HOST;
    e.target = "www.example.net";
    e.ours = 0;
    step(&a, e);
    ck_assert(a.scope == CFMT_EFFECT_HOST && !a.target_missing && !a.ours);
    e = event(CFMT_STATE_START, 11);
    e.account = "acc";
    e.target = "192.0.2.7";
    e.target_cidr.family = 4;
    e.vector = "UDP";
    e.protocol = "UDP";
    e.rule = "r";
    e.pps = 5.5;
    e.bps = 0;
    step(&a, e);
    ck_assert(a.peak_rps < 0);
    e.pps = 4;
    e.rps = 3;
    step(&a, e);
    e.rps = 2;
    step(&a, e);
    ck_assert(a.scope == CFMT_EFFECT_NETWORK && !a.target_missing && a.ours && a.peak_pps > 5.4
              && a.peak_rps > 2.9);
    ck_assert(a.peak_bps >= 0 && a.peak_bps <= 0);
    ck_assert_str_eq(a.account, "acc");
    ck_assert_int_eq(a.targets->nelts, 2);
    ck_assert_str_eq(text(a.targets, 0), "192.0.2.7");
    ck_assert(a.vectors->nelts == 1 && a.protocols->nelts == 1 && a.rules->nelts == 1
              && a.alert_types->nelts == 1);
    step(&a, event(CFMT_STATE_END, 12)); /* an END need not say where */
    ck_assert(!a.target_missing);
    e = event(CFMT_STATE_START, 13);
    e.alert_type = "fbm_volumetric_attack";
    e.rule = "r"; /* the rule stands for the target */
    step(&a, e);
    ck_assert(!a.target_missing && a.rule_only);
    e.rule = NULL;
    step(&a, e);
    ck_assert(a.target_missing);
}
END_TEST

/* Once it may be about anything it may be for good, and so for what is ours. */
START_TEST(test_target_stays_missing)
{
    cfmt_attack_t a;
    cfmt_event_t e = event(CFMT_STATE_START, 10);

    e.rule = "r"; /* of a flow-based rule only it stands for the target */
    cfmt_attack_init(&a, "a1", unit_pool);
    step(&a, e);
    ck_assert(a.target_missing && !a.rule_only && a.ours);
    e = event(CFMT_STATE_START, 11);
    e.target = "192.0.2.7";
    e.target_cidr.family = 4;
    e.ours = 0;
    step(&a, e);
    ck_assert(a.target_missing && a.ours);
}
END_TEST

/* The smallest ones stay, whatever the order, and that some went is known. */
START_TEST(test_targets_cut)
{
    cfmt_attack_t up, down;
    int i, n = CFMT_ATTACK_TARGETS_MAX + 10;

    cfmt_attack_init(&up, "a", unit_pool);
    cfmt_attack_init(&down, "a", unit_pool);
    for (i = 0; i < n; i++) {
        cfmt_event_t e = event(CFMT_STATE_START, 10);

        e.target = apr_psprintf(unit_pool, "t%03d", i);
        step(&up, e);
        step(&up, e);
        ck_assert_int_eq(up.targets_cut, i >= CFMT_ATTACK_TARGETS_MAX);
        e.target = apr_psprintf(unit_pool, "t%03d", n - 1 - i);
        step(&down, e);
    }
    ck_assert(down.targets_cut);
    ck_assert_int_eq(up.targets->nelts, CFMT_ATTACK_TARGETS_MAX);
    ck_assert_int_eq(down.targets->nelts, CFMT_ATTACK_TARGETS_MAX);
    for (i = 0; i < CFMT_ATTACK_TARGETS_MAX; i++) {
        ck_assert_str_eq(text(up.targets, i), apr_psprintf(unit_pool, "t%03d", i));
        ck_assert_str_eq(text(down.targets, i), text(up.targets, i));
    }
}
END_TEST

START_TEST(test_targets_cut_by_a_join)
{
    cfmt_attack_t parts[2];
    int i;

    cfmt_attack_init(&parts[0], "a", unit_pool);
    cfmt_attack_init(&parts[1], "b", unit_pool);
    for (i = 0; i < CFMT_ATTACK_TARGETS_MAX + 1; i++) {
        cfmt_event_t e = event(CFMT_STATE_START, 10);

        e.target = apr_psprintf(unit_pool, "t%03d", i);
        step(&parts[i % 2], e);
    }
    ck_assert(!parts[0].targets_cut && !parts[1].targets_cut);
    cfmt_attack_join(&parts[0], &parts[1], unit_pool);
    ck_assert(parts[0].targets_cut);
}
END_TEST

/* ---- behind and between pruned parts --------------------------------------------------------- */

START_TEST(test_late)
{
    cfmt_attack_t a;

    cfmt_attack_init(&a, "a", unit_pool);
    step(&a, event(CFMT_STATE_START, 10));
    step(&a, event(CFMT_STATE_END, 50));
    step(&a, event(CFMT_STATE_START, 40));
    ck_assert(!a.open && a.ended_at == 50 && a.last_at == 50 && a.events == 3);
    step(&a, event(CFMT_STATE_START, 60));
    step(&a, event(CFMT_STATE_END, 55));
    ck_assert(a.open && a.last_at == 60 && a.episodes == 2);
    step(&a, event(CFMT_STATE_START, 5));
    ck_assert(a.started_at == 5 && a.open);
}
END_TEST

static cfmt_attack_t part(apr_time_t start, apr_time_t end, const char *target)
{
    cfmt_attack_t a;
    cfmt_event_t e = event(CFMT_STATE_START, start);

    e.target = target;
    e.pps = (double)start;
    cfmt_attack_init(&a, "x", unit_pool);
    step(&a, e);
    if (end) {
        step(&a, event(CFMT_STATE_END, end));
    }
    return a;
}

START_TEST(test_join)
{
    static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    cfmt_attack_t parts[3], sum;
    int i, k;

    for (i = 0; i < 6; i++) {
        parts[0] = part(10, 50, "b");
        parts[0].rule_only = 1;
        parts[1] = part(20, 0, "a");
        parts[2] = part(50, 0, "c"); /* open at 50; but what ended at 50 wins */
        cfmt_attack_init(&sum, "s", unit_pool);
        for (k = 0; k < 3; k++) {
            cfmt_attack_join(&sum, &parts[orders[i][k]], unit_pool);
        }
        ck_assert_str_eq(sum.id, "s");
        ck_assert(!sum.open && sum.ended_at == 50 && sum.last_at == 50 && sum.started_at == 10
                  && sum.episode_at == 10);
        ck_assert(sum.events == 4 && sum.episodes == 3 && sum.targets->nelts == 3
                  && sum.peak_pps > 49);
        ck_assert_str_eq(sum.ended_by, "end");
        ck_assert_str_eq(text(sum.targets, 0), "a");
        ck_assert(sum.scope == CFMT_EFFECT_NETWORK && sum.ours && sum.target_missing
                  && sum.rule_only);
    }
}
END_TEST

/* ---- what traffic says ----------------------------------------------------------------------- */

/* Of an attack that is known; state INFO: figures and nothing else. */
static cfmt_event_t said(cfmt_state_e state, apr_time_t ts, double pps, const char *system)
{
    cfmt_event_t e = event(state, ts);

    e.source = CFMT_SOURCE_TRAFFIC;
    e.alert_type = NULL;
    e.effect = CFMT_EFFECT_NONE;
    e.attack_id = "a1";
    e.pps = pps;
    e.bps = pps < 0 ? -1 : 1000 - pps;
    e.system = system;
    return e;
}

/* Its own, of which no alert told: it has no name but the minute and where. */
START_TEST(test_traffic_key)
{
    cfmt_attack_key_t a[2], b[2];
    cfmt_event_t e = event(CFMT_STATE_START, apr_time_from_sec(120)), alert = e;

    e.source = CFMT_SOURCE_TRAFFIC;
    e.alert_type = NULL;
    e.target = "192.0.2.0/24";
    ck_assert(!cfmt_event_by_ref(&e));
    ck_assert_int_eq(cfmt_attack_keys(a, &e, unit_pool), 1);
    ck_assert_str_eq(a[0].value, "traffic|192.0.2.0/24||1970-01-01T00:02:00Z");
    alert.alert_type = "fbm_volumetric_attack"; /* of the alert types the last: its id is kept */
    ck_assert_int_eq(cfmt_attack_keys(b, &alert, unit_pool), 1);
    ck_assert(cfmt_attack_key_compare(&b[0], &a[0]) < 0);
    e = said(CFMT_STATE_START, 1, 5, "dosd");
    ck_assert(cfmt_event_by_ref(&e));
    ck_assert_int_eq(cfmt_attack_keys(a, &e, unit_pool), 0);
    e.source = CFMT_SOURCE_TIMEOUT;
    ck_assert(cfmt_event_by_ref(&e));
}
END_TEST

/* Figures open nothing, end nothing and move nothing. */
START_TEST(test_figures)
{
    cfmt_attack_t a;

    cfmt_attack_init(&a, "a1", unit_pool);
    step(&a, event(CFMT_STATE_START, 10));
    step(&a, said(CFMT_STATE_INFO, 50, 7, "dosd"));
    ck_assert(a.open && a.last_at == 10 && a.started_at == 10 && a.events == 1);
    ck_assert(a.targets->nelts == 0 && a.alert_types->nelts == 1);
    step(&a, event(CFMT_STATE_END, 30));
    step(&a, said(CFMT_STATE_INFO, 60, 8, "flowtrackd"));
    ck_assert(!a.open && a.ended_at == 30 && a.last_at == 30 && a.episodes == 1 && a.events == 2);
    ck_assert(a.peak_pps > 7.9 && a.peak_pps_at == 60 && a.peak_bps > 992.9 && a.peak_bps_at == 50);
    ck_assert_str_eq(a.peak_pps_by, "flowtrackd");
    ck_assert_str_eq(a.peak_bps_by, "dosd");
    step(&a, event(CFMT_STATE_START, 40)); /* older than figures, and a START for all that */
    ck_assert(a.open && a.episodes == 2);
}
END_TEST

/* The state alone, and no word about whose. */
static void check_end(cfmt_event_t end, const char *by)
{
    cfmt_attack_t a;

    cfmt_attack_init(&a, "a1", unit_pool);
    step(&a, event(CFMT_STATE_START, 20));
    step(&a, end); /* at an equal time it wins */
    ck_assert(!a.open && a.ended_at == 20 && a.last_at == 20 && a.events == 2);
    ck_assert_str_eq(a.ended_by, by);
    ck_assert(a.peak_pps < 0 && a.peak_pps_by == NULL);
    step(&a, said(CFMT_STATE_START, 21, 3, "dosd"));
    ck_assert(a.open && a.episodes == 2 && a.episode_at == 21 && a.ended_at == 0);
    ck_assert_ptr_eq(a.ended_by, NULL);
}

START_TEST(test_ends)
{
    cfmt_event_t end = said(CFMT_STATE_END, 20, -1, NULL);

    check_end(end, "calm");
    end.source = CFMT_SOURCE_TIMEOUT;
    check_end(end, "timeout");
    end.source = CFMT_SOURCE_OPERATOR;
    check_end(end, "operator");
    check_end(event(CFMT_STATE_END, 20), "end");
}
END_TEST

/* Of equal peaks the first, then the smaller name, in any order and however it is pruned. */
START_TEST(test_peaks)
{
    static const struct {
        double pps;
        apr_time_t ts;
        const char *by;
    } all[] = { { 5, 10, "flowtrackd" }, { 9, 30, "flowtrackd" }, { 9, 20, "flowtrackd" },
                { 9, 20, "dosd" }, { 9, 40, "dosd" } };
    unsigned seed = 5;
    int round, i, k, n = (int)(sizeof(all) / sizeof(all[0])), order[5];

    for (round = 0; round < 200; round++) {
        cfmt_attack_t parts[2], sum;

        cfmt_attack_init(&sum, "a1", unit_pool);
        for (i = 0; i < 2; i++) {
            cfmt_attack_init(&parts[i], "a1", unit_pool);
            step(&parts[i], event(CFMT_STATE_START, 1));
        }
        for (i = 0; i < n; i++) {
            k = (int)kit_random(&seed, (unsigned)i + 1);
            order[i] = order[k];
            order[k] = i;
        }
        for (i = 0; i < n; i++) {
            k = order[i];
            step(&parts[kit_random(&seed, 2)],
                 said(CFMT_STATE_INFO, all[k].ts, all[k].pps, all[k].by));
        }
        cfmt_attack_join(&sum, &parts[round % 2], unit_pool);
        cfmt_attack_join(&sum, &parts[!(round % 2)], unit_pool);
        ck_assert(sum.peak_pps > 8.9 && sum.peak_pps < 9.1 && sum.peak_pps_at == 20);
        ck_assert_str_eq(sum.peak_pps_by, "dosd");
        ck_assert(sum.peak_bps > 994.9 && sum.peak_bps_at == 10);
    }
}
END_TEST

START_TEST(test_peak_of_an_alert)
{
    cfmt_attack_t a;
    cfmt_event_t e = event(CFMT_STATE_START, 10);

    e.pps = 9;
    cfmt_attack_init(&a, "a1", unit_pool);
    step(&a, e);
    step(&a, said(CFMT_STATE_INFO, 20, 8, "dosd"));
    ck_assert(a.peak_pps_at == 10 && a.peak_bps_at == 20);
    ck_assert_str_eq(a.peak_pps_by, "alert");
    ck_assert_str_eq(a.peak_bps_by, "dosd");
    step(&a, said(CFMT_STATE_END, 30, -1, NULL));
    ck_assert(a.peak_pps_at == 10);
}
END_TEST

UNIT_SUITE_BEGIN(attack)
    UNIT_TEST(test_keys)
    UNIT_TEST(test_ids_differ)
    UNIT_TEST(test_tuple)
    UNIT_TEST(test_key_order)
    UNIT_TEST(test_event_order)
    UNIT_TEST(test_episodes)
    UNIT_TEST(test_equal_ts)
    UNIT_TEST(test_first)
    UNIT_TEST(test_sums)
    UNIT_TEST(test_target_stays_missing)
    UNIT_TEST(test_targets_cut)
    UNIT_TEST(test_targets_cut_by_a_join)
    UNIT_TEST(test_late)
    UNIT_TEST(test_join)
    UNIT_TEST(test_traffic_key)
    UNIT_TEST(test_figures)
    UNIT_TEST(test_ends)
    UNIT_TEST(test_peaks)
    UNIT_TEST(test_peak_of_an_alert)
UNIT_SUITE_END
