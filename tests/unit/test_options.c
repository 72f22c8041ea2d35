/*
 * Unit tests of src/store/options.c: the policy of a prefix from published settings.
 */
#include <apr_strings.h>

#include "cfmt_store.h"
#include "kit.h"
#include "unit.h"

#define S apr_time_from_sec

static cfmt_options_t options(const apr_table_t *t, const char *prefix)
{
    cfmt_options_t o;
    cfmt_cidr_t c;

    ck_assert_int_eq(cfmt_cidr_parse(&c, NULL, prefix), APR_SUCCESS);
    cfmt_options_of(&o, t, &c, unit_pool);
    return o;
}

/* Nobody said anything: nothing is touched. */
START_TEST(the_defaults_touch_nothing)
{
    cfmt_options_t o = options(apr_table_make(unit_pool, 1), "203.0.113.0/24");

    ck_assert_int_eq(o.withdraw, CFMT_HOW_MANUAL);
    ck_assert_int_eq(o.advertise, CFMT_HOW_MANUAL);
    ck_assert_int_eq(o.calm, S(900));
    ck_assert_int_eq(o.calm_max, S(7200));
    ck_assert_int_eq(o.min_advertised, S(900));
    ck_assert_int_eq(o.min_withdrawn, S(900));
    ck_assert_int_eq(o.orphan_after, S(4 * 3600));
    ck_assert_int_eq(cfmt_mode_of(NULL), CFMT_MODE_OBSERVE);
}
END_TEST

START_TEST(its_own_line_before_that_of_all)
{
    apr_table_t *t = apr_table_make(unit_pool, 8);

    apr_table_setn(t, "Calm", "20m");
    apr_table_setn(t, "MinAdvertised", "30m");
    apr_table_setn(t, "Prefix *", "withdraw=auto advertise=auto");
    apr_table_setn(t, "Prefix 203.0.113.0/24", "name=a withdraw=propose calm=1h");
    ck_assert_int_eq(options(t, "203.0.113.0/24").withdraw, CFMT_HOW_PROPOSE);
    ck_assert_int_eq(options(t, "203.0.113.0/24").advertise, CFMT_HOW_MANUAL);
    ck_assert_int_eq(options(t, "203.0.113.0/24").calm, S(3600));
    ck_assert_int_eq(options(t, "203.0.113.0/24").min_advertised, S(1800));
    ck_assert_int_eq(options(t, "198.51.100.0/24").withdraw, CFMT_HOW_AUTO);
    ck_assert_int_eq(options(t, "198.51.100.0/24").calm, S(1200));
}
END_TEST

/* What cannot be understood changes nothing, and is never taken for more than was said. */
START_TEST(words_that_nobody_knows_are_manual)
{
    static const char *const lines[] = { "withdraw=Auto", "withdraw=", "withdraw", "auto",
                                         "withdraw=automatic", "=auto", "calm=-5 pps=9" };
    apr_table_t *t = apr_table_make(unit_pool, 8);
    int i;

    apr_table_setn(t, "Calm", "never");
    for (i = 0; i < KIT_COUNT(lines); i++) {
        apr_table_setn(t, "Prefix *", lines[i]);
        ck_assert_int_eq(options(t, "203.0.113.0/24").withdraw, CFMT_HOW_MANUAL);
        ck_assert_int_eq(options(t, "203.0.113.0/24").calm, S(900));
    }
}
END_TEST

START_TEST(only_enforce_enforces)
{
    static const char *const words[] = { "observe", "Enforce", "enforced", "" };
    apr_table_t *t = apr_table_make(unit_pool, 8);
    int i;

    for (i = 0; i < KIT_COUNT(words); i++) {
        apr_table_setn(t, "Mode", words[i]);
        ck_assert_int_eq(cfmt_mode_of(t), CFMT_MODE_OBSERVE);
    }
    apr_table_setn(t, "Mode", "enforce");
    ck_assert_int_eq(cfmt_mode_of(t), CFMT_MODE_ENFORCE);
}
END_TEST

UNIT_SUITE_BEGIN(options)
UNIT_TEST(the_defaults_touch_nothing)
UNIT_TEST(its_own_line_before_that_of_all)
UNIT_TEST(words_that_nobody_knows_are_manual)
UNIT_TEST(only_enforce_enforces)
UNIT_SUITE_END
