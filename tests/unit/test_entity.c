/*
 * The fold of an entity: order, changes, what a missing member leaves alone.
 */
#include <string.h>

#include "cfmt_policy.h"
#include "unit.h"

static cfmt_event_t event(apr_time_t ts, apr_int64_t digest, const char *state)
{
    cfmt_event_t e;

    memset(&e, 0, sizeof(e));
    e.ts = ts;
    e.digest = digest;
    e.id = digest;
    e.entity_kind = "tunnel";
    e.entity_id = "t1";
    e.entity_state = state;
    e.priority = CFMT_PRIORITY_HIGH;
    return e;
}

static void step(cfmt_entity_t *t, cfmt_event_t e)
{
    cfmt_entity_step(t, &e, unit_pool);
}

START_TEST(test_changes)
{
    cfmt_entity_t t;

    cfmt_entity_init(&t, "tunnel", "t1");
    step(&t, event(10, 1, "down"));
    ck_assert_str_eq(t.state, "down");
    ck_assert_ptr_eq(t.previous, NULL);
    ck_assert_int_eq(t.since, 10);
    ck_assert_int_eq(t.changes, 0);
    step(&t, event(20, 2, "down"));
    ck_assert_int_eq(t.since, 10);
    step(&t, event(30, 3, "healthy"));
    ck_assert_str_eq(t.state, "healthy");
    ck_assert_str_eq(t.previous, "down");
    ck_assert_int_eq(t.since, 30);
    ck_assert_int_eq(t.last_at, 30);
    ck_assert_int_eq(t.changes, 1);
    ck_assert_int_eq(t.events, 3);
}
END_TEST

START_TEST(test_missing)
{
    cfmt_entity_t t;
    cfmt_event_t e = event(10, 1, NULL);

    cfmt_entity_init(&t, "tunnel", "t1");
    step(&t, e);
    ck_assert_ptr_eq(t.state, NULL);
    ck_assert_int_eq(t.since, 10);
    e = event(20, 2, "down");
    e.entity_name = "gre";
    step(&t, e);
    ck_assert_int_eq(t.changes, 0);
    ck_assert_int_eq(t.since, 20);
    step(&t, event(30, 3, NULL));
    ck_assert_str_eq(t.state, "down");
    ck_assert_str_eq(t.name, "gre");
    ck_assert_int_eq(t.last_at, 30);
}
END_TEST

/* Behind a pruned part: counted, but the state stays that of the greatest ts. */
START_TEST(test_late)
{
    cfmt_entity_t t;

    cfmt_entity_init(&t, "tunnel", "t1");
    step(&t, event(50, 1, "healthy"));
    step(&t, event(40, 2, "down"));
    ck_assert_str_eq(t.state, "healthy");
    ck_assert_int_eq(t.last_at, 50);
    ck_assert_int_eq(t.events, 2);
}
END_TEST

START_TEST(test_order)
{
    cfmt_event_t a = event(10, 5, "x"), b = event(10, -5, "y"), c = event(9, 9, "z"), d = a;

    d.id = 6;
    ck_assert(cfmt_entity_event_compare(&b, &a) < 0 && cfmt_entity_event_compare(&a, &b) > 0);
    ck_assert(cfmt_entity_event_compare(&c, &b) < 0);
    ck_assert(cfmt_entity_event_compare(&a, &d) < 0 && cfmt_entity_event_compare(&d, &a) > 0);
    ck_assert_int_eq(cfmt_entity_event_compare(&a, &a), 0);
}
END_TEST

UNIT_SUITE_BEGIN(entity)
    UNIT_TEST(test_changes)
    UNIT_TEST(test_missing)
    UNIT_TEST(test_late)
    UNIT_TEST(test_order)
UNIT_SUITE_END
