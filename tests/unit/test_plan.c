/*
 * Room notify, route.c and plan.c: who is told, what goes out next, what becomes one message.
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "cfmt_notify.h"
#include "kit.h"
#include "unit.h"

#define MIN apr_time_from_sec(60)
#define NOW KIT_T(0)

/* ---- route ----------------------------------------------------------------------------------- */

static cfmt_channel_conf_t channel(void)
{
    cfmt_channel_conf_t c = { .name = "a", .min = CFMT_URGENCY_LOW, .kinds = ~(apr_uint64_t)0,
                              .daily = -1, .quiet_max = CFMT_URGENCY_CRITICAL };

    return c;
}

static int takes(const cfmt_channel_conf_t *c, cfmt_news_e kind, const char *prefix)
{
    cfmt_news_t n = { .kind = kind, .prefix = prefix };

    return cfmt_route_takes(c, &n);
}

START_TEST(a_channel_takes_what_its_line_says)
{
    cfmt_channel_conf_t c = channel();

    ck_assert(takes(&c, CFMT_NEWS_ATTACK_ON, NULL));
    ck_assert(!takes(&c, CFMT_NEWS_START, NULL));
    ck_assert(!takes(&c, CFMT_NEWS_STOP, NULL));
    ck_assert(!takes(&c, CFMT_NEWS_DAILY, NULL));
    c.lifecycle = 1;
    c.daily = 0;
    ck_assert(takes(&c, CFMT_NEWS_START, NULL));
    ck_assert(takes(&c, CFMT_NEWS_DAILY, NULL));
    c.min = CFMT_URGENCY_HIGH;
    ck_assert(takes(&c, CFMT_NEWS_NOT_PROTECTED, NULL));
    ck_assert(takes(&c, CFMT_NEWS_ATTACK_START, NULL));
    ck_assert(!takes(&c, CFMT_NEWS_ATTACK_END, NULL));
    ck_assert(!takes(&c, CFMT_NEWS_START, NULL));
    c.kinds = (apr_uint64_t)1 << CFMT_NEWS_BLIND;
    ck_assert(takes(&c, CFMT_NEWS_BLIND, NULL));
    ck_assert(!takes(&c, CFMT_NEWS_NOT_PROTECTED, NULL));
    ck_assert(takes(&c, CFMT_NEWS_TEST, NULL)); /* somebody asked for it */
    ck_assert(takes(&c, CFMT_NEWS_DRILL, NULL));
}
END_TEST

START_TEST(prefixes_inside_and_around_are_one_affair)
{
    cfmt_channel_conf_t c = channel();

    c.prefixes = apr_array_make(unit_pool, 1, sizeof(cfmt_cidr_t));
    cfmt_cidr_parse(apr_array_push(c.prefixes), NULL, "203.0.113.0/24");
    ck_assert(takes(&c, CFMT_NEWS_BLIND, "203.0.113.0/24"));
    ck_assert(takes(&c, CFMT_NEWS_BLIND, "203.0.113.128/25"));
    ck_assert(takes(&c, CFMT_NEWS_BLIND, "203.0.112.0/23"));
    ck_assert(!takes(&c, CFMT_NEWS_BLIND, "198.51.100.0/24"));
    ck_assert(!takes(&c, CFMT_NEWS_BLIND, "2001:db8::/32"));
    ck_assert(takes(&c, CFMT_NEWS_TOKEN, NULL));
}
END_TEST

START_TEST(of_several_prefixes_one_is_enough)
{
    cfmt_channel_conf_t c = channel();
    apr_array_header_t *prefixes = apr_array_make(unit_pool, 2, sizeof(const char *));
    cfmt_news_t n = { .kind = CFMT_NEWS_ATTACK_START, .prefixes = prefixes };

    APR_ARRAY_PUSH(prefixes, const char *) = "198.51.100.0/24";
    APR_ARRAY_PUSH(prefixes, const char *) = "192.0.2.0/24";
    ck_assert(cfmt_route_takes(&c, &n));
    c.prefixes = apr_array_make(unit_pool, 1, sizeof(cfmt_cidr_t));
    cfmt_cidr_parse(apr_array_push(c.prefixes), NULL, "203.0.113.0/24");
    ck_assert(!cfmt_route_takes(&c, &n));
    APR_ARRAY_PUSH(prefixes, const char *) = "203.0.113.128/25";
    ck_assert(cfmt_route_takes(&c, &n));
}
END_TEST

/* h:m local time, which is an hour ahead of UTC. */
static apr_time_t quiet(const cfmt_channel_conf_t *c, cfmt_urgency_e urgency, int h, int m)
{
    apr_time_t t = apr_time_from_sec(1700006400) + MIN * ((h - 1) * 60 + m) + 5;
    apr_time_t until = cfmt_route_quiet(c, urgency, t, 3600);

    return until ? (until - t + MIN - 1) / MIN : 0;
}

START_TEST(quiet_hours_are_local_and_may_span_midnight)
{
    cfmt_channel_conf_t c = channel();

    ck_assert_int_eq(quiet(&c, CFMT_URGENCY_LOW, 3, 0), 0);
    c.quiet_from = 22 * 60;
    c.quiet_to = 6 * 60 + 30;
    ck_assert_int_eq(quiet(&c, CFMT_URGENCY_LOW, 21, 59), 0);
    ck_assert_int_eq(quiet(&c, CFMT_URGENCY_LOW, 22, 0), 8 * 60 + 30);
    ck_assert_int_eq(quiet(&c, CFMT_URGENCY_HIGH, 0, 0), 6 * 60 + 30);
    ck_assert_int_eq(quiet(&c, CFMT_URGENCY_NORMAL, 6, 29), 1);
    ck_assert_int_eq(quiet(&c, CFMT_URGENCY_LOW, 6, 30), 0);
    ck_assert_int_eq(quiet(&c, CFMT_URGENCY_CRITICAL, 3, 0), 0);
    c.quiet_max = CFMT_URGENCY_HIGH;
    ck_assert_int_eq(quiet(&c, CFMT_URGENCY_HIGH, 3, 0), 0);
    ck_assert_int_gt(quiet(&c, CFMT_URGENCY_NORMAL, 3, 0), 0);
    c.quiet_from = 1 * 60;
    c.quiet_to = 2 * 60;
    ck_assert_int_eq(quiet(&c, CFMT_URGENCY_LOW, 1, 30), 30);
    ck_assert_int_eq(quiet(&c, CFMT_URGENCY_LOW, 3, 0), 0);
}
END_TEST

/* ---- plan ------------------------------------------------------------------------------------ */

static apr_array_header_t *waiting;

static cfmt_waiting_t *put(cfmt_news_e kind, const char *attack, apr_time_t at)
{
    cfmt_waiting_t *w;

    if (!waiting) {
        waiting = apr_array_make(unit_pool, 8, sizeof(cfmt_waiting_t));
    }
    w = apr_array_push(waiting);
    memset(w, 0, sizeof(*w));
    w->id = waiting->nelts;
    w->kind = kind;
    w->priority = cfmt_news_priority(kind);
    w->attack = attack;
    w->at = at;
    return w;
}

static void begin(void)
{
    waiting = NULL;
}

/* "ONE 3", "DIGEST 3 1 2", "NOTHING +60" */
static const char *next_plan(apr_time_t now)
{
    static const char *const names[] = { "NOTHING", "ONE", "DIGEST", "FOLD" };
    const char *text;
    cfmt_plan_t plan;
    int i;

    cfmt_plan_next(&plan, waiting, now, unit_pool);
    text = names[plan.what];
    if (plan.what == CFMT_PLAN_NOTHING) {
        return plan.at ? apr_psprintf(unit_pool, "%s +%d", text, (int)apr_time_sec(plan.at - now))
                       : text;
    }
    for (i = 0; i < plan.ids->nelts; i++) {
        text = apr_psprintf(unit_pool, "%s %d", text,
                            (int)APR_ARRAY_IDX(plan.ids, i, apr_int64_t));
    }
    return text;
}

START_TEST(urgent_ones_go_first_then_old_ones)
{
    begin();
    put(CFMT_NEWS_ATTACK_END, NULL, NOW);
    put(CFMT_NEWS_BLIND, NULL, NOW);
    put(CFMT_NEWS_TOKEN, NULL, NOW);
    ck_assert_str_eq(next_plan(NOW), "ONE 2");
    waiting->nelts = 0;
    waiting = apr_array_make(unit_pool, 1, sizeof(cfmt_waiting_t));
    ck_assert_str_eq(next_plan(NOW), "NOTHING");
    put(CFMT_NEWS_BLIND, NULL, NOW)->next_at = NOW + MIN;
    put(CFMT_NEWS_TOKEN, NULL, NOW)->next_at = NOW + 2 * MIN;
    ck_assert_str_eq(next_plan(NOW), "NOTHING +60");
    ck_assert_str_eq(next_plan(NOW + MIN), "ONE 1");
}
END_TEST

START_TEST(an_attack_is_told_in_its_order)
{
    begin();
    put(CFMT_NEWS_ATTACK_END, "a", NOW);
    put(CFMT_NEWS_ATTACK_START, "a", NOW);
    put(CFMT_NEWS_ATTACK_START, "b", NOW);
    ck_assert_str_eq(next_plan(NOW), "ONE 1");
    APR_ARRAY_IDX(waiting, 0, cfmt_waiting_t).attack = "c";
    ck_assert_str_eq(next_plan(NOW), "ONE 2");
}
END_TEST

START_TEST(what_waited_too_long_is_one_message_an_attack)
{
    begin();
    put(CFMT_NEWS_ATTACK_START, "a", NOW);
    put(CFMT_NEWS_ATTACK_START, "b", NOW);
    put(CFMT_NEWS_ATTACK_END, "a", NOW + 5 * MIN);
    put(CFMT_NEWS_WITHDRAWN, "a", NOW + 9 * MIN)->next_at = NOW + 24 * 60 * MIN;
    ck_assert_str_eq(next_plan(NOW + 121 * MIN), "DIGEST 1 3");
    APR_ARRAY_IDX(waiting, 0, cfmt_waiting_t).attack = "c";
    ck_assert_str_eq(next_plan(NOW + 121 * MIN), "ONE 1");
}
END_TEST

/* NORMAL waits for the morning, but its attack is spoken of now. */
START_TEST(what_must_wait_goes_along_with_what_need_not)
{
    begin();
    put(CFMT_NEWS_ATTACK_END, "a", NOW)->next_at = NOW + 300 * MIN;
    put(CFMT_NEWS_ATTACK_END, "b", NOW)->next_at = NOW + 300 * MIN;
    put(CFMT_NEWS_ATTACK_START, "a", NOW);
    ck_assert_str_eq(next_plan(NOW), "DIGEST 3 1");
}
END_TEST

START_TEST(stale_news_of_no_attack_are_one_message_a_kind)
{
    begin();
    put(CFMT_NEWS_FAILED, NULL, NOW);
    put(CFMT_NEWS_FAILED, NULL, NOW + MIN);
    put(CFMT_NEWS_TUNNEL, NULL, NOW);
    put(CFMT_NEWS_FAILED, NULL, NOW + 120 * MIN);
    ck_assert_str_eq(next_plan(NOW + 122 * MIN), "DIGEST 1 2");
}
END_TEST

START_TEST(many_of_a_kind_are_folded)
{
    int i;

    begin();
    for (i = 0; i < CFMT_FOLD_MANY - 1; i++) {
        put(CFMT_NEWS_ATTACK_START, apr_psprintf(unit_pool, "a%d", i), NOW);
    }
    ck_assert_str_eq(next_plan(NOW), "ONE 1");
    put(CFMT_NEWS_ATTACK_END, "b", NOW);
    put(CFMT_NEWS_ATTACK_START, "b", NOW); /* its end would come behind it */
    ck_assert_str_eq(next_plan(NOW), "ONE 1");
    put(CFMT_NEWS_ATTACK_START, "d", NOW)->next_at = NOW + MIN;
    ck_assert_str_eq(next_plan(NOW), "ONE 1");
    put(CFMT_NEWS_ATTACK_START, "c", NOW);
    ck_assert_int_eq(strncmp(next_plan(NOW), "FOLD 1 2 3", 10), 0);
    ck_assert_ptr_null(strstr(next_plan(NOW), " 31"));
    ck_assert_ptr_null(strstr(next_plan(NOW), " 32"));
    ck_assert_ptr_nonnull(strstr(next_plan(NOW), " 33"));
}
END_TEST

/* ---- any queue ------------------------------------------------------------------------------- */

static void fill(unsigned *seed, int n, int attacks)
{
    int i;

    begin();
    for (i = 0; i < n; i++) {
        unsigned who = kit_random(seed, (unsigned)attacks + 1);
        cfmt_waiting_t *w = put((cfmt_news_e)kit_random(seed, CFMT_NEWS_COUNT),
                                who ? apr_psprintf(unit_pool, "a%u", who) : NULL,
                                NOW + MIN * kit_random(seed, 600));

        if (kit_random(seed, 5) == 0) {
            w->next_at = NOW + MIN * kit_random(seed, 1200);
        }
    }
}

/* Takes the rows of the plan out; none of an attack may be left that is older than one of them. */
static int take(const cfmt_plan_t *plan, apr_hash_t *told)
{
    int i, k, left = 0, n = plan->ids->nelts;

    for (i = 0; i < waiting->nelts; i++) {
        cfmt_waiting_t w = APR_ARRAY_IDX(waiting, i, cfmt_waiting_t);

        for (k = 0; k < n && APR_ARRAY_IDX(plan->ids, k, apr_int64_t) != w.id; k++) {
        }
        if (k == n) {
            APR_ARRAY_IDX(waiting, left++, cfmt_waiting_t) = w;
        }
        else if (w.attack) {
            apr_int64_t *last = apr_hash_get(told, w.attack, APR_HASH_KEY_STRING);

            if (!last) {
                last = apr_pcalloc(unit_pool, sizeof(*last));
                apr_hash_set(told, w.attack, APR_HASH_KEY_STRING, last);
            }
            ck_assert_msg(*last < w.id, "%d of %s behind %d", (int)w.id, w.attack, (int)*last);
            *last = w.id;
        }
    }
    n = waiting->nelts - left;
    waiting->nelts = left;
    return n;
}

START_TEST(any_queue_is_told_whole_and_once_and_in_order)
{
    unsigned seed = 7u + (unsigned)_i;
    int n = 1 + (int)kit_random(&seed, 120), left = n, steps = 0;
    apr_time_t now = NOW + MIN * 300;
    apr_hash_t *told = apr_hash_make(unit_pool);
    cfmt_plan_t plan;

    fill(&seed, n, 1 + (int)kit_random(&seed, 40));
    while (left > 0) {
        cfmt_plan_next(&plan, waiting, now, unit_pool);
        if (plan.what == CFMT_PLAN_NOTHING) {
            ck_assert(plan.at > now);
            now = plan.at;
            continue;
        }
        ck_assert_int_eq(plan.ids->nelts > 1, plan.what != CFMT_PLAN_ONE);
        ck_assert_int_eq(take(&plan, told), plan.ids->nelts);
        left -= plan.ids->nelts;
        now += apr_time_from_sec(3);
        ck_assert_int_le(++steps, n);
    }
    ck_assert_int_eq(left, 0);
}
END_TEST

START_TEST(a_thousand_attacks_are_a_few_messages)
{
    int i, messages = 0;
    cfmt_plan_t plan;
    apr_hash_t *told = apr_hash_make(unit_pool);

    begin();
    for (i = 0; i < 1000; i++) {
        put(CFMT_NEWS_ATTACK_START, apr_psprintf(unit_pool, "a%d", i), NOW);
    }
    for (i = 0; i < 1000; i++) {
        put(CFMT_NEWS_ATTACK_END, apr_psprintf(unit_pool, "a%d", i), NOW);
    }
    while (waiting->nelts) {
        cfmt_plan_next(&plan, waiting, NOW, unit_pool);
        take(&plan, told);
        messages++;
    }
    ck_assert_int_eq(messages, 2);
}
END_TEST

/* ---- pace ------------------------------------------------------------------------------------ */

START_TEST(a_chat_gets_one_a_second_and_a_group_twenty_a_minute)
{
    cfmt_pace_t pace = { .n = 0 };
    apr_time_t now = 1, first = 1, at;
    int i;

    for (i = 0; i < 200; i++) {
        at = cfmt_pace_next(&pace, 1, now);
        if (at) {
            ck_assert(at > now);
            now = at;
            ck_assert_int_eq(cfmt_pace_next(&pace, 1, now), 0);
        }
        cfmt_pace_note(&pace, now);
    }
    ck_assert_int_ge(now - first, 9 * MIN);
    ck_assert_int_le(now - first, 10 * MIN + apr_time_from_sec(15));
    memset(&pace, 0, sizeof(pace));
    ck_assert_int_eq(cfmt_pace_next(&pace, 0, 5), 0);
    cfmt_pace_note(&pace, 5);
    ck_assert(cfmt_pace_next(&pace, 0, 5) > 5 + APR_USEC_PER_SEC);
    ck_assert_int_eq(cfmt_pace_next(&pace, 0, 5 + 2 * APR_USEC_PER_SEC), 0);
}
END_TEST

UNIT_SUITE_BEGIN(plan)
UNIT_TEST(a_channel_takes_what_its_line_says)
UNIT_TEST(prefixes_inside_and_around_are_one_affair)
UNIT_TEST(of_several_prefixes_one_is_enough)
UNIT_TEST(quiet_hours_are_local_and_may_span_midnight)
UNIT_TEST(urgent_ones_go_first_then_old_ones)
UNIT_TEST(an_attack_is_told_in_its_order)
UNIT_TEST(what_waited_too_long_is_one_message_an_attack)
UNIT_TEST(what_must_wait_goes_along_with_what_need_not)
UNIT_TEST(stale_news_of_no_attack_are_one_message_a_kind)
UNIT_TEST(many_of_a_kind_are_folded)
tcase_add_loop_test(tc, any_queue_is_told_whole_and_once_and_in_order, 0, KIT_CASES(200));
UNIT_TEST(a_thousand_attacks_are_a_few_messages)
UNIT_TEST(a_chat_gets_one_a_second_and_a_group_twenty_a_minute)
UNIT_SUITE_END
