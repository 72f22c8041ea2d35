/*
 * Intents: one open one a prefix, which changes are legal, and who may make them.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "intents.h"
#include "store/store_private.h"

/* ---- create ---------------------------------------------------------------------------------- */

START_TEST(made_and_read_back)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_intent_row_t in = {.prefix = rows_cidr(A), .prefix_id = ROWS_ID, .want = 7,
                            .cause = "operator", .who = "user alice", .reason = "say \"hi\"",
                            .attack = "a1b2c3", .proposal = 4, .override = 1,
                            .created_at = KIT_T(5), .not_before = KIT_T(9)}, got;

    begin(s);
    ck_assert_int_eq(cfmt_intent_create(s, &in, 0, unit_pool), APR_SUCCESS);
    commit(s);
    got = load(s, in.id);
    ck_assert_int_eq(got.id, 1);
    ck_assert_int_eq(cfmt_cidr_compare(&got.prefix, &in.prefix), 0);
    ck_assert_str_eq(got.prefix_id, ROWS_ID);
    ck_assert_int_eq(got.want, 1);
    ck_assert_str_eq(got.cause, "operator");
    ck_assert_str_eq(got.who, "user alice");
    ck_assert_str_eq(got.reason, "say \"hi\"");
    ck_assert_str_eq(got.attack, "a1b2c3");
    ck_assert_int_eq(got.proposal, 4);
    ck_assert_int_eq(got.override, 1);
    ck_assert_int_eq(got.created_at, KIT_T(5));
    ck_assert_int_eq(got.not_before, KIT_T(9));
    ck_assert_int_eq(got.state, CFMT_INTENT_REQUESTED);
    ck_assert(!got.sent_at && !got.settled_at && !got.answer && !got.owner && !got.attempts);
    ck_assert_str_eq(said(s),
                     "intent user alice {\"intent\":1,\"prefix\":\"203.0.113.0/24\","
                     "\"want\":\"advertised\",\"cause\":\"operator\",\"who\":\"user alice\","
                     "\"reason\":\"say \\\"hi\\\"\",\"attack\":\"a1b2c3\",\"proposal\":4,"
                     "\"override\":true,\"not_before\":1700000009000000,\"supersedes\":0}");
    ck_assert_int_eq(kit_int(s, "SELECT at FROM journal"), KIT_T(5));
    ck_assert_int_eq(cfmt_intent_load(s, &got, 2, unit_pool), CFMT_EMISSING);
}
END_TEST

START_TEST(what_is_no_intent)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_intent_row_t in[4] = {wanted(A, 1), wanted(A, 1), wanted(A, 1), wanted(A, 1)};
    int i;

    in[0].prefix.family = 0;
    in[1].cause = "weather";
    in[2].who = "";
    in[3].cause = NULL;
    begin(s);
    for (i = 0; i < 4; i++) {
        ck_assert_int_eq(cfmt_intent_create(s, &in[i], 0, unit_pool), CFMT_EINVALID);
    }
    commit(s);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM intent") + ROWS(s), 0);
}
END_TEST

START_TEST(one_open_one_a_prefix)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_int64_t first = made(s, A, 1), other = made(s, B, 0), id;
    cfmt_intent_row_t in;

    ck_assert_int_eq(create(s, A, 0, 0, &id), CFMT_EEXIST);
    ck_assert_int_eq(create(s, A, 0, other, &id), CFMT_EEXIST);
    ck_assert_int_eq(ROWS(s), 2);
    ck_assert_int_eq(cfmt_intent_open(s, &in, &(cfmt_cidr_t){.family = 4}, unit_pool),
                     CFMT_EMISSING);
    ck_assert_int_eq(cfmt_intent_open(s, &in, &(cfmt_cidr_t){.family = 0}, unit_pool),
                     CFMT_EMISSING);
    step(s, first, CFMT_INTENT_CANCELLED, 5);
    ck_assert_int_eq(create(s, A, 0, first, &id), CFMT_EMOVED); /* that is over: look again */
    ck_assert_int_eq(create(s, A, 0, 0, &id), APR_SUCCESS);
    ck_assert_int_eq(load(s, first).state, CFMT_INTENT_CANCELLED);
    /* the net below: no other program can make a second one either */
    ck_assert_int_ne(cfmt_sql_exec(s, "INSERT INTO intent(prefix, want, cause, who, reason,"
                                      " proposal, override, created_at, not_before, state,"
                                      " next_at) SELECT prefix, want, cause, who, reason, proposal,"
                                      " override, created_at, not_before, state, next_at"
                                      " FROM intent WHERE settled_at IS NULL"),
                     APR_SUCCESS);
}
END_TEST

START_TEST(superseded_in_whatever_open_state)
{
    static const cfmt_intent_e states[] = {CFMT_INTENT_REQUESTED, CFMT_INTENT_SENT,
                                           CFMT_INTENT_ACCEPTED, CFMT_INTENT_PROPAGATING,
                                           CFMT_INTENT_UNKNOWN};
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_int64_t id = made(s, A, 1), next;
    cfmt_intent_row_t in;
    int i;

    for (i = 0; i < KIT_COUNT(states); i++, id = next) {
        reach(s, id, states[i], 10);
        ck_assert_int_eq(create(s, A, i % 2, id, &next), APR_SUCCESS);
        in = load(s, id);
        ck_assert_int_eq(in.state, CFMT_INTENT_SUPERSEDED);
        ck_assert_int_eq(in.superseded_by, next);
        ck_assert_int_eq(in.settled_at, KIT_T(1));
        ck_assert_ptr_null(in.owner);
        ck_assert_ptr_nonnull(strstr(said(s), apr_psprintf(unit_pool,
            "\"from\":\"%s\",\"state\":\"superseded\"", cfmt_intent_name(states[i]))));
        ck_assert_ptr_nonnull(strstr(said(s), apr_psprintf(unit_pool,
            "\"superseded_by\":%" APR_INT64_T_FMT "}", next)));
        ck_assert_int_eq(load(s, next).state, CFMT_INTENT_REQUESTED);
    }
}
END_TEST

START_TEST(an_answer_after_supersession)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_int64_t id = made(s, A, 0), next;
    cfmt_intent_row_t in;

    step(s, id, CFMT_INTENT_SENT, 10);
    begin(s);
    ck_assert_int_eq(cfmt_intent_late(s, id, KIT_T(11), "200", unit_pool), CFMT_EINVALID);
    commit(s);
    ck_assert_int_eq(create(s, A, 1, id, &next), APR_SUCCESS);
    /* whoever was sending finds it gone */
    ck_assert_int_eq(change(s, id, (cfmt_intent_change_t){.state = CFMT_INTENT_ACCEPTED,
                                                          .owner = "a", .at = KIT_T(12)}),
                     CFMT_EMOVED);
    begin(s);
    ck_assert_int_eq(cfmt_intent_late(s, id, KIT_T(12), "200", unit_pool), APR_SUCCESS);
    commit(s);
    in = load(s, id);
    ck_assert_int_eq(in.state, CFMT_INTENT_SUPERSEDED);
    ck_assert_int_eq(in.answered_at, KIT_T(12));
    ck_assert_int_eq(in.superseded_by, next);
    ck_assert_str_eq(in.answer, "200");
    ck_assert_ptr_nonnull(strstr(said(s), "\"from\":\"superseded\",\"state\":\"superseded\","
                                          "\"text\":\"200\""));
}
END_TEST

/* ---- legal changes --------------------------------------------------------------------------- */

/* From each state to each: "." no, "x" yes. In the order of the enum. */
static const char *const table[CFMT_INTENT_STATES] = {
    /*                rsapu dRFcS */
    /* requested   */ "xx...xxxxx",
    /* sent        */ "x.xxx.xx.x",
    /* accepted    */ "x.xx.x.x.x",
    /* propagating */ "...x.x.x.x",
    /* unknown     */ "x..xxx.x.x",
    /* done        */ "..........",
    /* refused     */ "..........",
    /* failed      */ "..........",
    /* cancelled   */ "..........",
    /* superseded  */ "..........",
};

START_TEST(the_table)
{
    int from, to;

    for (from = 0; from < CFMT_INTENT_STATES; from++) {
        ck_assert_int_eq(cfmt_intent_is_open((cfmt_intent_e)from), from <= CFMT_INTENT_UNKNOWN);
        for (to = 0; to < CFMT_INTENT_STATES; to++) {
            ck_assert_msg(cfmt_intent_may((cfmt_intent_e)from, (cfmt_intent_e)to)
                              == (table[from][to] == 'x'),
                          "%s to %s", cfmt_intent_name((cfmt_intent_e)from),
                          cfmt_intent_name((cfmt_intent_e)to));
        }
    }
    ck_assert(!cfmt_intent_may(CFMT_INTENT_STATES, CFMT_INTENT_DONE));
    ck_assert(!cfmt_intent_may(CFMT_INTENT_SENT, CFMT_INTENT_STATES));
    ck_assert_str_eq(cfmt_intent_name(CFMT_INTENT_STATES), "?");
    ck_assert_str_eq(cfmt_want_name(1), "advertised");
    ck_assert_str_eq(cfmt_want_name(0), "withdrawn");
}
END_TEST

/* Brought to `from`, whatever became of the one before; superseded at last. */
static apr_int64_t at_state(cfmt_store_t *s, cfmt_intent_e from)
{
    apr_int64_t id = made(s, A, 1), next;

    if (from == CFMT_INTENT_SUPERSEDED) {
        ck_assert_int_eq(create(s, A, 1, id, &next), APR_SUCCESS);
    }
    else if (from == CFMT_INTENT_DONE) {
        step(s, id, from, 2);
    }
    else {
        reach(s, id, from, 2);
    }
    return id;
}

static void try_change(cfmt_store_t *s, int from, int to)
{
    apr_int64_t id = at_state(s, (cfmt_intent_e)from), rows = ROWS(s);
    int legal = table[from][to] == 'x' && to != CFMT_INTENT_SUPERSEDED;
    const char *owner = NULL, *before;
    cfmt_intent_row_t in;
    apr_status_t rv;

    if (to == CFMT_INTENT_SENT) { /* with the lease of somebody else it is not even looked at */
        kit_sql(s, apr_psprintf(unit_pool, "UPDATE intent SET owner = 'a', expires_at = %"
                                APR_TIME_T_FMT " WHERE id = %" APR_INT64_T_FMT, KIT_T(99), id));
        owner = "a";
    }
    before = kit_text(s, "SELECT group_concat(quote(state) || quote(owner) || quote(next_at)"
                         " || quote(settled_at) || quote(attempts)) FROM intent");
    rv = change(s, id, (cfmt_intent_change_t){.state = (cfmt_intent_e)to, .at = KIT_T(7),
                                              .owner = owner, .text = "why"});
    ck_assert_msg(rv == (legal ? APR_SUCCESS : CFMT_EINVALID), "%d to %d: %d", from, to, rv);
    in = load(s, id);
    ck_assert_int_eq(in.state, legal ? to : from);
    ck_assert_int_eq(ROWS(s), rows + legal);
    ck_assert_int_eq(in.settled_at != 0, !cfmt_intent_is_open(in.state));
    if (!legal) {
        ck_assert_str_eq(before,
                         kit_text(s, "SELECT group_concat(quote(state) || quote(owner) ||"
                                     " quote(next_at) || quote(settled_at) || quote(attempts))"
                                     " FROM intent"));
    }
    kit_sql(s, "DELETE FROM intent");
}

START_TEST(an_illegal_change_leaves_no_trace)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    int from, to;

    for (from = 0; from < CFMT_INTENT_STATES; from++) {
        for (to = 0; to < CFMT_INTENT_STATES; to++) {
            try_change(s, from, to);
        }
    }
    ck_assert_int_eq(change(s, 99999, (cfmt_intent_change_t){.state = CFMT_INTENT_DONE}),
                     CFMT_EMISSING);
}
END_TEST

/* ---- a life ---------------------------------------------------------------------------------- */

START_TEST(times_and_counts_of_a_life)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_int64_t id = made(s, A, 1);
    cfmt_intent_row_t in;

    ck_assert_int_eq(claim(s, id, "a", 10), 1);
    ck_assert_int_eq(change(s, id, (cfmt_intent_change_t){.state = CFMT_INTENT_SENT, .owner = "a",
                                                          .at = KIT_T(11), .expects = KIT_T(3),
                                                          .next_at = KIT_T(500)}),
                     APR_SUCCESS);
    in = load(s, id);
    ck_assert(in.sent_at == KIT_T(11) && in.attempts == 1 && in.expects == KIT_T(3));
    ck_assert(in.next_at == 0 && in.expires_at == KIT_T(70));
    ck_assert_str_eq(in.owner, "a");
    ck_assert_int_eq(change(s, id, (cfmt_intent_change_t){.state = CFMT_INTENT_UNKNOWN,
                                                          .owner = "a", .at = KIT_T(12),
                                                          .text = "504", .next_at = KIT_T(13)}),
                     APR_SUCCESS);
    in = load(s, id);
    ck_assert(!in.answered_at && !in.owner && in.next_at == KIT_T(13));
    step(s, id, CFMT_INTENT_REQUESTED, 14);
    ck_assert_str_eq(load(s, id).answer, "504"); /* the one before stays */
    step(s, id, CFMT_INTENT_SENT, 15);
    ck_assert_int_eq(change(s, id, (cfmt_intent_change_t){.state = CFMT_INTENT_ACCEPTED,
                                                          .owner = "a", .at = KIT_T(16),
                                                          .text = "200"}),
                     APR_SUCCESS);
    step(s, id, CFMT_INTENT_PROPAGATING, 17);
    step(s, id, CFMT_INTENT_DONE, 18);
    in = load(s, id);
    ck_assert(in.attempts == 2 && in.sent_at == KIT_T(15) && in.answered_at == KIT_T(16));
    ck_assert(in.settled_at == KIT_T(18) && !in.owner && !in.expires_at);
    ck_assert_str_eq(in.answer, "200");
    ck_assert_str_eq(said(s), "result engine {\"intent\":1,\"prefix\":\"203.0.113.0/24\","
                              "\"want\":\"advertised\",\"from\":\"propagating\",\"state\":\"done\","
                              "\"text\":\"200\",\"attempts\":2,\"next_at\":0,"
                              "\"superseded_by\":0}");
    ck_assert_int_eq(ROWS(s), 8);
}
END_TEST

START_TEST(put_off_for_the_same_reason_is_told_once)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_int64_t id = made(s, A, 1);
    cfmt_intent_change_t c = {.state = CFMT_INTENT_REQUESTED, .at = KIT_T(2), .text = "locked",
                              .next_at = KIT_T(20), .who = "policy"};

    ck_assert_int_eq(change(s, id, c), APR_SUCCESS);
    ck_assert_int_eq(strncmp(said(s), "result policy ", 14), 0);
    ck_assert_int_eq(ROWS(s), 2);
    c.next_at = KIT_T(40);
    ck_assert_int_eq(change(s, id, c), APR_SUCCESS);
    c.text = NULL;
    ck_assert_int_eq(change(s, id, c), APR_SUCCESS);
    ck_assert_int_eq(ROWS(s), 2);
    ck_assert_int_eq(load(s, id).next_at, KIT_T(40));
    c.text = "429";
    ck_assert_int_eq(change(s, id, c), APR_SUCCESS);
    ck_assert_int_eq(ROWS(s), 3);
}
END_TEST

/* ---- leases ---------------------------------------------------------------------------------- */

START_TEST(a_lease_is_one_leaders)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_int64_t id = made(s, A, 1);

    ck_assert_int_eq(claim(s, id, "a", 10), 1);
    ck_assert_int_eq(claim(s, id, "b", 69), 0);
    ck_assert_int_eq(claim(s, id, "a", 60), 1); /* prolonged to 120 */
    ck_assert_int_eq(claim(s, id, "b", 119), 0);
    ck_assert_int_eq(claim(s, id, "b", 120), 1);
    ck_assert_int_eq(claim(s, id, "c", 20), 1); /* b's clock was wrong by more than a lease */
    ck_assert_int_eq(change(s, id, (cfmt_intent_change_t){.state = CFMT_INTENT_CANCELLED,
                                                          .at = KIT_T(30), .who = "user alice"}),
                     APR_SUCCESS);
    ck_assert_int_eq(claim(s, id, "c", 31), 0); /* not open any more */
    begin(s);
    ck_assert_int_eq(cfmt_intent_claim(s, 77, "c", KIT_T(1), LEASE, &(int){0}), CFMT_EMISSING);
    commit(s);
}
END_TEST

START_TEST(nothing_is_sent_without_a_lease_that_lasts)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_int64_t id = made(s, A, 1);
    cfmt_intent_change_t c = {.state = CFMT_INTENT_SENT, .at = KIT_T(20)};

    ck_assert_int_eq(change(s, id, c), CFMT_EMOVED);
    c.owner = "a";
    ck_assert_int_eq(change(s, id, c), CFMT_EMOVED);
    ck_assert_int_eq(claim(s, id, "a", 10), 1);
    c.at = KIT_T(70);
    ck_assert_int_eq(change(s, id, c), CFMT_EMOVED); /* its last look took too long */
    c.at = KIT_T(69);
    ck_assert_int_eq(change(s, id, c), APR_SUCCESS);
    ck_assert_int_eq(load(s, id).attempts, 1);
}
END_TEST

START_TEST(after_a_crash_somebody_else_looks)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_int64_t id = made(s, A, 1), id2 = made(s, B, 1);
    cfmt_intent_change_t late = {.state = CFMT_INTENT_ACCEPTED, .at = KIT_T(200), .owner = "a"};

    step(s, id, CFMT_INTENT_SENT, 10);
    step(s, id2, CFMT_INTENT_SENT, 10);
    ck_assert_int_eq(claim(s, id, "b", 69), 0);
    ck_assert_int_eq(claim(s, id, "b", 70), 1);
    ck_assert_int_eq(load(s, id).state, CFMT_INTENT_SENT); /* b knows that it is not b's call */
    ck_assert_int_eq(change(s, id, late), CFMT_EMOVED);    /* a was only slow */
    ck_assert_int_eq(change(s, id, (cfmt_intent_change_t){.state = CFMT_INTENT_UNKNOWN,
                                                          .at = KIT_T(71), .owner = "b"}),
                     APR_SUCCESS);
    ck_assert_int_eq(change(s, id2, late), APR_SUCCESS); /* nobody took it: the answer counts */
}
END_TEST

START_TEST(due)
{
    cfmt_intent_row_t in = {.state = CFMT_INTENT_REQUESTED, .not_before = KIT_T(10)};

    ck_assert_int_eq(cfmt_intent_due(&in, KIT_T(9)), 0);
    ck_assert_int_eq(cfmt_intent_due(&in, KIT_T(10)), 1);
    in.next_at = KIT_T(20);
    ck_assert_int_eq(cfmt_intent_due(&in, KIT_T(19)), 0);
    ck_assert_int_eq(cfmt_intent_due(&in, KIT_T(20)), 1);
    ck_assert_int_eq(cfmt_intent_due(&in, KIT_T(20) - apr_time_from_sec(31 * 86400)), 1);
    ck_assert_int_eq(cfmt_intent_due(&in, KIT_T(20) - apr_time_from_sec(29 * 86400)), 0);
    in.state = CFMT_INTENT_DONE;
    ck_assert_int_eq(cfmt_intent_due(&in, KIT_T(99)), 0);
}
END_TEST

/* The claim is not to be had before it is due, for every open state. */
START_TEST(only_what_is_due_is_claimed)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_int64_t id = made(s, A, 1);

    step(s, id, CFMT_INTENT_SENT, 2);
    ck_assert_int_eq(change(s, id, (cfmt_intent_change_t){.state = CFMT_INTENT_PROPAGATING,
                                                          .at = KIT_T(3), .next_at = KIT_T(30)}),
                     APR_SUCCESS);
    ck_assert_int_eq(claim(s, id, "a", 29), 0);
    ck_assert_int_eq(claim(s, id, "a", 30), 1);
}
END_TEST

UNIT_SUITE_BEGIN(intent)
    UNIT_TEST(made_and_read_back)
    UNIT_TEST(what_is_no_intent)
    UNIT_TEST(one_open_one_a_prefix)
    UNIT_TEST(superseded_in_whatever_open_state)
    UNIT_TEST(an_answer_after_supersession)
    UNIT_TEST(the_table)
    UNIT_TEST(an_illegal_change_leaves_no_trace)
    UNIT_TEST(times_and_counts_of_a_life)
    UNIT_TEST(put_off_for_the_same_reason_is_told_once)
    UNIT_TEST(a_lease_is_one_leaders)
    UNIT_TEST(nothing_is_sent_without_a_lease_that_lasts)
    UNIT_TEST(after_a_crash_somebody_else_looks)
    UNIT_TEST(due)
    UNIT_TEST(only_what_is_due_is_claimed)
UNIT_SUITE_END
