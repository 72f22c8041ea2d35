/*
 * Proposals and adoptions: one open one for each thing, decided once and in time.
 */
#include <apr_strings.h>

#include "kit.h"
#include "rows.h"

#define A "203.0.113.0/24"
#define B "2001:db8::/32"

static cfmt_store_t *begin(void)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    return s;
}

static apr_status_t make(cfmt_store_t *s, const char *prefix, int want)
{
    cfmt_proposal_row_t pr = {.prefix = rows_cidr(prefix), .want = want, .attack = "a1",
                              .reason = "calm", .made_at = KIT_T(10), .expires_at = KIT_T(40)};

    return cfmt_proposal_make(s, &pr);
}

static cfmt_proposal_row_t load(cfmt_store_t *s, apr_int64_t id)
{
    cfmt_proposal_row_t pr;

    ck_assert_int_eq(cfmt_proposal_load(s, &pr, id, unit_pool), APR_SUCCESS);
    return pr;
}

static int open_ones(cfmt_store_t *s)
{
    apr_array_header_t *rows;

    ck_assert_int_eq(cfmt_proposals_open(s, &rows, unit_pool), APR_SUCCESS);
    return rows->nelts;
}

/* ---- proposals ------------------------------------------------------------------------------- */

START_TEST(one_open_one_for_each_thing)
{
    cfmt_store_t *s = begin();
    cfmt_proposal_row_t pr;

    ck_assert_int_eq(make(s, A, 1), APR_SUCCESS);
    ck_assert_int_eq(make(s, A, 5), CFMT_EEXIST);
    ck_assert_int_eq(make(s, A, 0), APR_SUCCESS);
    ck_assert_int_eq(make(s, B, 1), APR_SUCCESS);
    ck_assert_int_eq(open_ones(s), 3);
    pr = load(s, 1);
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &pr.prefix), A);
    ck_assert(pr.want == 1 && pr.made_at == KIT_T(10) && pr.expires_at == KIT_T(40));
    ck_assert_str_eq(pr.attack, "a1");
    ck_assert_str_eq(pr.reason, "calm");
    ck_assert(pr.state == CFMT_PROPOSAL_OPEN && !pr.decided_at && !pr.decided_by);
    ck_assert_int_eq(cfmt_proposal_load(s, &pr, 9, unit_pool), CFMT_EMISSING);
    cfmt_store_rollback(s);
    ck_assert_int_eq(open_ones(s), 0);
}
END_TEST

START_TEST(decided_once_and_in_time)
{
    cfmt_store_t *s = begin();
    cfmt_proposal_row_t pr;
    apr_array_header_t *rows;

    make(s, A, 1);
    make(s, A, 0);
    ck_assert_int_eq(cfmt_proposal_decide(s, 9, CFMT_PROPOSAL_DENIED, "u", NULL, KIT_T(20)),
                     CFMT_EMISSING);
    ck_assert_int_eq(cfmt_proposal_decide(s, 1, CFMT_PROPOSAL_OPEN, "u", NULL, KIT_T(20)),
                     CFMT_EINVALID);
    ck_assert_int_eq(cfmt_proposal_decide(s, 1, CFMT_PROPOSAL_STATES, "u", NULL, KIT_T(20)),
                     CFMT_EINVALID);
    ck_assert_int_eq(cfmt_proposal_decide(s, 1, CFMT_PROPOSAL_DENIED, "", NULL, KIT_T(20)),
                     CFMT_EINVALID);
    ck_assert_int_eq(open_ones(s), 2);
    ck_assert_int_eq(cfmt_proposal_decide(s, 1, CFMT_PROPOSAL_APPROVED, "user alice", "go",
                                          KIT_T(39)),
                     APR_SUCCESS);
    pr = load(s, 1);
    ck_assert(pr.state == CFMT_PROPOSAL_APPROVED && pr.decided_at == KIT_T(39));
    ck_assert_str_eq(pr.decided_by, "user alice");
    ck_assert_str_eq(pr.decided_why, "go");
    ck_assert_int_eq(cfmt_proposal_decide(s, 1, CFMT_PROPOSAL_DENIED, "u", NULL, KIT_T(39)),
                     CFMT_EINVALID);
    ck_assert_int_eq(cfmt_proposal_decide(s, 2, CFMT_PROPOSAL_APPROVED, "u", NULL, KIT_T(40)),
                     CFMT_EINVALID); /* too late */
    ck_assert_int_eq(cfmt_proposal_decide(s, 2, CFMT_PROPOSAL_DENIED, "u", NULL, KIT_T(40)),
                     CFMT_EINVALID);
    ck_assert_int_eq(cfmt_proposal_decide(s, 2, CFMT_PROPOSAL_WITHDRAWN, "policy", NULL,
                                          KIT_T(40)),
                     APR_SUCCESS);
    ck_assert_int_eq(make(s, A, 1), APR_SUCCESS); /* again: none is open */
    ck_assert_int_eq(cfmt_proposals_list(s, 2, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 2);
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 0, cfmt_proposal_row_t).id, 3);
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 1, cfmt_proposal_row_t).state, CFMT_PROPOSAL_WITHDRAWN);
    cfmt_store_rollback(s);
}
END_TEST

START_TEST(they_expire)
{
    cfmt_store_t *s = begin();
    cfmt_proposal_row_t never = {.prefix = rows_cidr(A), .made_at = 5, .expires_at = 5};
    int n;

    make(s, A, 1);
    make(s, B, 1);
    ck_assert_int_eq(cfmt_proposal_decide(s, 2, CFMT_PROPOSAL_DENIED, "u", NULL, KIT_T(20)),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_proposals_expire(s, KIT_T(39), &n), APR_SUCCESS);
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(cfmt_proposals_expire(s, KIT_T(40), &n), APR_SUCCESS);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(load(s, 1).state, CFMT_PROPOSAL_EXPIRED);
    ck_assert_int_eq(load(s, 2).state, CFMT_PROPOSAL_DENIED);
    ck_assert_int_eq(cfmt_proposal_make(s, &never), CFMT_EINVALID);
    never.expires_at = 6;
    never.prefix.family = 0;
    ck_assert_int_eq(cfmt_proposal_make(s, &never), CFMT_EINVALID);
    ck_assert_str_eq(cfmt_proposal_name(CFMT_PROPOSAL_WITHDRAWN), "withdrawn");
    ck_assert_str_eq(cfmt_proposal_name(CFMT_PROPOSAL_STATES), "?");
    cfmt_store_rollback(s);
}
END_TEST

/* Deciding and what follows from it are one. */
START_TEST(approved_with_its_intent_or_not_at_all)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_intent_row_t in = {.prefix = rows_cidr(A), .want = 1, .cause = "attack",
                            .who = "user alice", .proposal = 1, .created_at = KIT_T(12)};
    int i;

    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    make(s, A, 1);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    for (i = 0; i < 2; i++) {
        ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
        ck_assert_int_eq(cfmt_proposal_decide(s, 1, CFMT_PROPOSAL_APPROVED, "user alice", NULL,
                                              KIT_T(12)),
                         APR_SUCCESS);
        ck_assert_int_eq(cfmt_intent_create(s, &in, 0, unit_pool), APR_SUCCESS);
        cfmt_store_rollback(s);
        ck_assert_int_eq(open_ones(s), 1);
        ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM intent"), 0);
    }
}
END_TEST

/* ---- adoptions ------------------------------------------------------------------------------- */

static apr_status_t adopt(cfmt_store_t *s, const char *prefix, int advertised, const char *who)
{
    cfmt_adoption_row_t a = {.prefix = rows_cidr(prefix), .advertised_at = KIT_T(advertised),
                             .who = who, .at = KIT_T(90)};

    return cfmt_adoption_put(s, &a);
}

START_TEST(adoptions)
{
    cfmt_store_t *s = begin();
    cfmt_adoption_row_t got, none = {.who = "u"};
    apr_array_header_t *rows;

    ck_assert_int_eq(adopt(s, A, 10, "user alice"), APR_SUCCESS);
    ck_assert_int_eq(adopt(s, A, 10, "user bob"), CFMT_EEXIST);
    ck_assert_int_eq(adopt(s, A, 20, "user bob"), APR_SUCCESS);
    ck_assert_int_eq(adopt(s, B, 5, "user bob"), APR_SUCCESS);
    ck_assert_int_eq(adopt(s, B, 6, ""), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_adoption_put(s, &none), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_adoptions_load(s, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 2);
    got = APR_ARRAY_IDX(rows, 1, cfmt_adoption_row_t);
    ck_assert_str_eq(cfmt_cidr_format(unit_pool, &got.prefix), A);
    ck_assert_int_eq(got.advertised_at, KIT_T(20));
    ck_assert_int_eq(got.at, KIT_T(90));
    ck_assert_str_eq(got.who, "user bob");
    ck_assert_str_eq(got.reason, "");
    got = APR_ARRAY_IDX(rows, 0, cfmt_adoption_row_t);
    ck_assert_int_eq(got.advertised_at, KIT_T(5));
    cfmt_store_rollback(s);
}
END_TEST

UNIT_SUITE_BEGIN(proposal)
    UNIT_TEST(one_open_one_for_each_thing)
    UNIT_TEST(decided_once_and_in_time)
    UNIT_TEST(they_expire)
    UNIT_TEST(approved_with_its_intent_or_not_at_all)
    UNIT_TEST(adoptions)
UNIT_SUITE_END
