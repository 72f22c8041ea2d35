/*
 * The last decision of each prefix: always there, journaled when verdict or red gates change.
 */
#include "kit.h"
#include "rows.h"

#define A "203.0.113.0/24"
#define B "2001:db8::/32"

static int put(cfmt_store_t *s, const char *prefix, int at, const char *verdict, const char *red)
{
    cfmt_decision_row_t d = {.prefix = rows_cidr(prefix), .at = KIT_T(at), .verdict = verdict,
                             .red = red, .next_at = KIT_T(at + 5),
                             .gates = "[{\"id\":\"calm\"}]"};
    int changed = -1;

    ck_assert_int_eq(cfmt_decision_put(s, &d, &changed, unit_pool), APR_SUCCESS);
    return changed;
}

START_TEST(changes_are_journaled)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_cidr_t a = rows_cidr(A);
    cfmt_decision_row_t d;

    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_decision_load(s, &d, &a, unit_pool), CFMT_EMISSING);
    ck_assert_int_eq(put(s, A, 10, "stays", "calm,no_hold"), 1);
    ck_assert_str_eq(kit_text(s, "SELECT at || kind || origin || body FROM journal"),
                     "1700000010000000decisionpolicy{\"prefix\":\"203.0.113.0/24\","
                     "\"verdict\":\"stays\",\"red\":\"calm,no_hold\","
                     "\"next_at\":1700000015000000,\"gates\":[{\"id\":\"calm\"}]}");
    ck_assert_int_eq(put(s, B, 10, "stays", ""), 1);
    ck_assert_int_eq(put(s, A, 11, "stays", "calm,no_hold"), 0);
    ck_assert_int_eq(put(s, A, 12, "stays", "calm"), 1);
    ck_assert_int_eq(put(s, A, 13, "stays", "calm"), 0);
    ck_assert_int_eq(cfmt_decision_load(s, &d, &a, unit_pool), APR_SUCCESS);
    ck_assert(d.at == KIT_T(13) && d.changed_at == KIT_T(12) && d.next_at == KIT_T(18));
    ck_assert_str_eq(d.red, "calm");
    ck_assert_str_eq(d.gates, "[{\"id\":\"calm\"}]");
    ck_assert_int_eq(put(s, A, 14, "withdraw", "calm"), 1);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 4);
    cfmt_store_rollback(s);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 0);
    ck_assert_int_eq(cfmt_decision_load(s, &d, &a, unit_pool), CFMT_EMISSING);
}
END_TEST

START_TEST(all_of_them)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_decision_row_t bad = {.prefix = rows_cidr(A), .verdict = "stays", .red = ""};
    apr_array_header_t *rows;
    int changed;

    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    put(s, A, 1, "stays", "calm");
    put(s, B, 1, "withdraw", "");
    ck_assert_int_eq(cfmt_decision_put(s, &bad, &changed, unit_pool), CFMT_EINVALID);
    bad.gates = "[]";
    bad.red = NULL;
    ck_assert_int_eq(cfmt_decision_put(s, &bad, &changed, unit_pool), CFMT_EINVALID);
    bad.red = "";
    bad.verdict = "";
    ck_assert_int_eq(cfmt_decision_put(s, &bad, &changed, unit_pool), CFMT_EINVALID);
    bad.verdict = "stays";
    bad.prefix.family = 0;
    ck_assert_int_eq(cfmt_decision_put(s, &bad, &changed, unit_pool), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_decisions_load(s, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 2);
    ck_assert_str_eq(APR_ARRAY_IDX(rows, 0, cfmt_decision_row_t).verdict, "withdraw");
    ck_assert_str_eq(APR_ARRAY_IDX(rows, 1, cfmt_decision_row_t).verdict, "stays");
    cfmt_store_rollback(s);
}
END_TEST

UNIT_SUITE_BEGIN(decision)
    UNIT_TEST(changes_are_journaled)
    UNIT_TEST(all_of_them)
UNIT_SUITE_END
