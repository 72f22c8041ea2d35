/*
 * Unit tests of src/policy/policy_file.c: a file with a policy becomes settings as httpd publishes
 * them; each wrong line is named with its number.
 */
#include <string.h>

#include "cfmt_directive.h"
#include "kit.h"
#include "unit.h"

static apr_table_t *settings;
static apr_array_header_t *faults;

static void take(const char *text)
{
    cfmt_policy_read(&settings, &faults, "p.conf", text, unit_pool);
}

static const char *said(const char *name)
{
    const char *value = apr_table_get(settings, name);

    return value ? value : "nothing";
}

START_TEST(what_a_configuration_says)
{
    take("# a policy\n\n  CfmtMode enforce\ncfmtcalm 90m\n"
         "CfmtPrefix * calm=20m WITHDRAW=Auto\r\n"
         "CfmtPrefix \"203.0.113.0/24\" \\\n   withdraw=propose \"name=web\"\\\n advertise=auto\n"
         "CfmtPrefix 2001:db8::1 pps=3\n"
         "CfmtThreshold sustain=3 pps=500\nCfmtCalmMax 86400\nCfmtMinAdvertised 1h\n"
         "CfmtMinWithdrawn 20min\nCfmtOrphanAfter 1d\nCfmtAttackTimeout 2h\nCfmtProposalTtl 5m");
    ck_assert_int_eq(faults->nelts, 0);
    ck_assert_str_eq(said("Mode"), "enforce");
    ck_assert_str_eq(said("Calm"), "90min");
    ck_assert_str_eq(said("CalmMax"), "1d");
    ck_assert_str_eq(said("Threshold"), "pps=500 bps=20M sustain=3");
    ck_assert_str_eq(said("Prefix *"), "withdraw=auto calm=20m");
    ck_assert_str_eq(said("Prefix 203.0.113.0/24"), "name=web withdraw=propose advertise=auto");
    ck_assert_str_eq(said("Prefix 2001:db8::1/128"), "pps=3");
    ck_assert_str_eq(said("MinAdvertised"), "1h");
    ck_assert_str_eq(said("MinWithdrawn"), "20min");
    ck_assert_str_eq(said("OrphanAfter"), "1d");
    ck_assert_str_eq(said("AttackTimeout"), "2h");
    ck_assert_str_eq(said("ProposalTtl"), "5min");
    ck_assert_int_eq(apr_table_elts(settings)->nelts, 12);
}
END_TEST

static const struct {
    const char *text;
    int line;
    const char *says;
} wrong[] = {
    { "CfmtCalm", 1, "CfmtCalm takes one argument" },
    { "\nCfmtCalm 1h 2h", 2, "CfmtCalm takes one argument" },
    { "CfmtCalm 30s", 1, "CfmtCalm: '30s' is out of range; allowed 1min to 1d" },
    { "CfmtMode \\\n maybe", 1, "CfmtMode: 'maybe' is not known; allowed: observe or enforce" },
    { "CfmtMode enforce\n\n\nCfmtThreshold", 4, "CfmtThreshold: nothing is set" },
    { "CfmtThreshold pps=-1", 1, "CfmtThreshold pps=: '-1' is not a rate" },
    { "CfmtThreshold \"pps=12 kpps\"", 1, "CfmtThreshold pps=: '12 kpps' is not a rate" },
    { "CfmtPrefix * 'bps=1 M'", 1, "CfmtPrefix bps=: '1 M' is not a rate" },
    { "CfmtPrefix", 1, "CfmtPrefix: no prefix given" },
    { "CfmtPrefix * calm=1s", 1, "CfmtPrefix calm=: '1s' is out of range" },
    { "CfmtPrefix * calm=5m calm=6m", 1, "repeats an option" },
    { "CfmtPrefix *\nCfmtPrefix *", 2, "'*' stands already in line 1 of p.conf" },
    { "CfmtSecret geheim", 1, "'CfmtSecret' is none of a policy's directives; allowed: CfmtMode" },
    { "<IfModule x>", 1, "'<IfModule' is none" },
    { "\\\n\\\nListen 80", 1, "'Listen' is none" },
};

START_TEST(a_wrong_line_is_named)
{
    const cfmt_line_fault_t *fault;

    take(wrong[_i].text);
    ck_assert_int_eq(faults->nelts, 1);
    fault = &APR_ARRAY_IDX(faults, 0, cfmt_line_fault_t);
    ck_assert_int_eq(fault->line, wrong[_i].line);
    ck_assert_msg(strstr(fault->text, wrong[_i].says) != NULL, "%s", fault->text);
}
END_TEST

START_TEST(all_of_them_at_once)
{
    take("CfmtCalm x\nCfmtCalm 20min\nCfmtMode y\n");
    ck_assert_int_eq(faults->nelts, 2);
    ck_assert_int_eq(APR_ARRAY_IDX(faults, 1, cfmt_line_fault_t).line, 3);
    ck_assert_str_eq(said("Calm"), "20min");
    take("");
    ck_assert_int_eq(faults->nelts, 0);
    ck_assert(apr_is_empty_table(settings));
    take("\\");
    take("\n\\\n\"");
    take("CfmtCalm \"\\");
    ck_assert_int_eq(faults->nelts, 1);
}
END_TEST

UNIT_SUITE_BEGIN(policy_file)
    UNIT_TEST(what_a_configuration_says)
    tcase_add_loop_test(tc, a_wrong_line_is_named, 0, KIT_COUNT(wrong));
    UNIT_TEST(all_of_them_at_once)
UNIT_SUITE_END
