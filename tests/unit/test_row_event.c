/*
 * Journal rows that no alert describes: what traffic says of attacks, written and read back; what
 * this program does not write is refused, and the projection passes over it and says so.
 */
#include <string.h>

#include <apr_strings.h>

#include "engine/row_event.h"
#include "kit.h"
#include "unit.h"

#define MINUTE apr_time_from_sec(1700000040)

static cfmt_say_t say(cfmt_says_e what, const char *id)
{
    cfmt_say_t s = { .what = what, .id = id, .at = MINUTE, .by = CFMT_SYSTEM_FLOWTRACKD };

    if (what == CFMT_SAYS_OPEN || what == CFMT_SAYS_REOPEN || what == CFMT_SAYS_PEAK) {
        ck_assert_int_eq(cfmt_cidr_parse(&s.prefix, NULL, "2001:db8::/32"), APR_SUCCESS);
        s.pps = 1234567;
        s.bps = 98765432100.0;
    }
    return s;
}

/* As the journal gives it; rv: what reading says. */
static apr_status_t read_back(cfmt_event_t *e, const char **pid, const char **pwith,
                              const char *body)
{
    cfmt_journal_row_t row = { .id = 7, .kind = "attack", .origin = "analytics", .at = MINUTE,
                               .body = body, .len = strlen(body) };

    return cfmt_row_say_event(e, pid, pwith, &row, unit_pool);
}

static cfmt_event_t event_of(const cfmt_say_t *s)
{
    const char *id, *with;
    cfmt_event_t e;

    ck_assert_int_eq(read_back(&e, &id, &with, cfmt_row_say(s, unit_pool)), APR_SUCCESS);
    ck_assert(!id && !with);
    ck_assert(e.ts == MINUTE && e.ours && e.digest && e.rps < 0);
    ck_assert_ptr_nonnull(e.summary);
    return e;
}

START_TEST(test_join)
{
    cfmt_say_t s = say(CFMT_SAYS_JOIN, "a\"1");
    const char *id, *with;
    cfmt_event_t e;

    s.with = "a2";
    ck_assert_int_eq(read_back(&e, &id, &with, cfmt_row_say(&s, unit_pool)), APR_SUCCESS);
    ck_assert_str_eq(id, "a\"1");
    ck_assert_str_eq(with, "a2");
}
END_TEST

START_TEST(test_open)
{
    cfmt_say_t s = say(CFMT_SAYS_OPEN, NULL);
    cfmt_event_t e = event_of(&s);

    ck_assert(e.state == CFMT_STATE_START && e.effect == CFMT_EFFECT_NETWORK
              && e.priority == CFMT_PRIORITY_HIGH && !cfmt_event_by_ref(&e));
    ck_assert_str_eq(e.source, CFMT_SOURCE_TRAFFIC);
    ck_assert_str_eq(e.target, "2001:db8::/32");
    ck_assert_int_eq(e.target_cidr.bits, 32);
    ck_assert_str_eq(e.system, "flowtrackd");
    ck_assert_str_eq(e.summary, "2001:db8::/32: 1.23 Mpps, 98.8 Gbit/s dropped by flowtrackd");
    ck_assert(e.pps > 1234566.9 && e.pps < 1234567.1 && e.bps > 98765432099.0);
}
END_TEST

/* Of a prefix with passed-pps=: what passes is not said to be dropped. */
START_TEST(test_passed)
{
    cfmt_say_t s = say(CFMT_SAYS_OPEN, NULL);

    s.by = CFMT_SYSTEM_OTHER;
    ck_assert_str_eq(event_of(&s).summary,
                     "2001:db8::/32: 1.23 Mpps, 98.8 Gbit/s that nothing dropped");
}
END_TEST

/* It is about an attack that is known: it says nothing of where, or that would widen it. */
START_TEST(test_of_a_known_one)
{
    cfmt_say_t s = say(CFMT_SAYS_REOPEN, "a1");
    cfmt_event_t e = event_of(&s);

    ck_assert(e.state == CFMT_STATE_START && e.effect == CFMT_EFFECT_NONE && !e.target
              && cfmt_event_by_ref(&e) && e.pps > 0 && e.priority == CFMT_PRIORITY_HIGH);
    ck_assert_str_eq(e.attack_id, "a1");
    s = say(CFMT_SAYS_PEAK, "a1");
    e = event_of(&s);
    ck_assert(e.state == CFMT_STATE_INFO && e.effect == CFMT_EFFECT_NONE && !e.target
              && cfmt_event_by_ref(&e) && e.pps > 0 && e.priority == CFMT_PRIORITY_INFO);
    s = say(CFMT_SAYS_CALM, "a1");
    e = event_of(&s);
    ck_assert(e.state == CFMT_STATE_END && cfmt_event_by_ref(&e) && e.pps < 0 && e.bps < 0);
    ck_assert_str_eq(e.source, CFMT_SOURCE_TRAFFIC);
    s = say(CFMT_SAYS_TIMEOUT, "a1");
    e = event_of(&s);
    ck_assert(e.state == CFMT_STATE_END && cfmt_event_by_ref(&e) && e.pps < 0 && e.bps < 0);
    ck_assert_str_eq(e.source, CFMT_SOURCE_TIMEOUT);
}
END_TEST

#define FIGURES "\"prefix\":\"192.0.2.0/24\",\"pps\":1,\"bps\":2,\"system\":\"dosd\""

static const char *const damaged[] = {
    "", "null", "[]", "{}", "{\"says\":7}", "{\"says\":\"\"}", "{\"says\":\"calm\"}",
    "{\"says\":\"ended\",\"attack\":\"a1\",\"at\":1}",
    "{\"says\":\"calm\",\"at\":1}",
    "{\"says\":\"calm\",\"attack\":\"a1\"}",
    "{\"says\":\"calm\",\"attack\":\"a1\",\"at\":0}",
    "{\"says\":\"calm\",\"attack\":\"a1\",\"at\":-5}",
    "{\"says\":\"calm\",\"attack\":\"a1\",\"at\":\"x\"}",
    "{\"says\":\"calm\",\"attack\":null,\"at\":1}",
    "{\"says\":\"calm\",\"attack\":\"a1\",\"at\":1",
    "{\"says\":\"timeout\",\"at\":1}",
    "{\"says\":\"join\",\"attack\":\"a1\"}",
    "{\"says\":\"join\",\"with\":\"a1\"}",
    "{\"says\":\"open\",\"at\":1}",
    "{\"says\":\"open\",\"attack\":\"a1\",\"at\":1," FIGURES "}",
    "{\"says\":\"open\",\"at\":1,\"prefix\":\"x\",\"pps\":1,\"bps\":2,\"system\":\"dosd\"}",
    "{\"says\":\"open\",\"at\":1,\"prefix\":\"192.0.2.0/24\",\"bps\":2,\"system\":\"dosd\"}",
    "{\"says\":\"open\",\"at\":1,\"prefix\":\"192.0.2.0/24\",\"pps\":1,\"system\":\"dosd\"}",
    "{\"says\":\"open\",\"at\":1,\"prefix\":\"192.0.2.0/24\",\"pps\":1,\"bps\":2}",
    "{\"says\":\"open\",\"at\":1,\"prefix\":\"192.0.2.0/24\",\"pps\":-1,\"bps\":2,"
    "\"system\":\"dosd\"}",
    "{\"says\":\"peak\",\"at\":1," FIGURES "}",
    "{\"says\":\"reopen\",\"at\":1," FIGURES "}",
    "{\"says\":\"peak\",\"attack\":\"a1\",\"at\":1}",
};

START_TEST(test_damaged)
{
    const char *id, *with;
    cfmt_event_t e;

    ck_assert_int_eq(read_back(&e, &id, &with, damaged[_i]), CFMT_EINVALID);
    ck_assert_int_eq(read_back(&e, &id, &with, "{\"says\":\"open\",\"at\":1," FIGURES "}"),
                     APR_SUCCESS);
}
END_TEST

static char log_text[16384];

static void keep_log(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton, (void)level;
    apr_cpystrn(log_text + strlen(log_text), line, sizeof(log_text) - strlen(log_text));
    apr_cpystrn(log_text + strlen(log_text), "\n", sizeof(log_text) - strlen(log_text));
}

/* Each is told, and what comes behind it is projected. */
START_TEST(test_damaged_rows_are_skipped)
{
    static const cfmt_log_t log = { .write = keep_log, .max = CFMT_LOG_INFO };
    cfmt_projector_t *pr = cfmt_projector_create(&log, unit_pool);
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t alert = kit_alert((kit_say_t){ .ts = 1, .attack = "A", .target = "203.0.113.7" });
    const char *at;
    int i, done, told = 0;

    for (i = 0; i < KIT_COUNT(damaged); i++) {
        kit_append(s, &(kit_row_t){ "attack", KIT_T(i), damaged[i] }, 1);
    }
    kit_append(s, &alert, 1);
    do {
        ck_assert_int_eq(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
    } while (done);
    for (at = log_text; (at = strstr(at, "CFMT0420: journal row ")); at++) {
        told++;
    }
    ck_assert_int_eq(told, KIT_COUNT(damaged));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event"), 1);
    ck_assert_str_eq(kit_text(s, "SELECT state FROM attack"), "open");
}
END_TEST

Suite *suite_row_event(void)
{
    Suite *s = suite_create("row_event");
    TCase *tc = tcase_create("row_event");

    tcase_add_checked_fixture(tc, unit_setup, unit_teardown);
    suite_add_tcase(s, tc);
    tcase_add_test(tc, test_join);
    tcase_add_test(tc, test_open);
    tcase_add_test(tc, test_passed);
    tcase_add_test(tc, test_of_a_known_one);
    tcase_add_loop_test(tc, test_damaged, 0, KIT_COUNT(damaged));
    tcase_add_test(tc, test_damaged_rows_are_skipped);
    return s;
}
