/*
 * Unit tests of src/engine/{outcome_news,act_change,news_of}.c: what becomes news, once, with which
 * fields, and in one transaction with what it tells of.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "acting.h"
#include "engine/news_of.h"

#define S ACTING_S
#define ALL "syslog name=all min=low"

static cfmt_engine_t *start(const char *mode, const char *options, int advertised)
{
    acting_begin();
    acting_is(advertised, acting_get().advertised_at);
    apr_table_setn(acting_settings(), "Notify all", ALL);
    return acting_policy(mode, options);
}

/* Dedupe keys of a kind, in their order. */
static const char *told(const char *kind)
{
    return kit_text(acting_store(), apr_psprintf(unit_pool,
                    "SELECT ifnull(group_concat(dedupe, '; '), '') FROM (SELECT dedupe FROM outbox"
                    " WHERE kind = '%s' ORDER BY id)", kind));
}

static int count(const char *kind)
{
    return (int)kit_int(acting_store(), apr_psprintf(unit_pool, "SELECT count(*) FROM outbox WHERE"
                                                     " kind = '%s'", kind));
}

/* A field of the newest of a kind. */
static const char *field(const char *kind, const char *name)
{
    const cfmt_json_limits_t limits = { .depth = 2 };
    const char *why, *text = kit_text(acting_store(), apr_psprintf(unit_pool,
        "SELECT fields FROM outbox WHERE kind = '%s' ORDER BY id DESC LIMIT 1", kind));
    cfmt_json_t *doc;

    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(cfmt_json_parse(&doc, &why, text, strlen(text), &limits, unit_pool),
                     APR_SUCCESS);
    text = cfmt_json_text(doc, name);
    return text ? text : "";
}

/* The newest of a kind, as people read it, begins so. */
static void reads(const char *kind, const char *first)
{
    apr_array_header_t *rows;
    const char *text = NULL;
    int i;

    ck_assert_int_eq(cfmt_outbox_list(acting_store(), NULL, 0, 100, &rows, unit_pool),
                     APR_SUCCESS);
    for (i = 0; !text && i < rows->nelts; i++) {
        const cfmt_outbox_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t);

        if (row->news.kind == (cfmt_news_e)cfmt_news_find(kind)) {
            text = cfmt_message_text(cfmt_templates_create(unit_pool), &row->news, unit_pool);
        }
    }
    ck_assert_ptr_nonnull(text);
    ck_assert_msg(!strncmp(text, first, strlen(first)), "not '%s' but: %s", first, text);
}

static void until_told(cfmt_engine_t *e, const char *kind, const char *n)
{
    acting_until(e, apr_psprintf(unit_pool, "SELECT count(*) FROM outbox WHERE kind = '%s'", kind),
                 n);
}

static void now_is(int advertised)
{
    acting_is(advertised, acting_now());
}

static void answers(const char *patch, const char *body)
{
    acting_world_t w = acting_get();

    w.patch = patch;
    w.body = body;
    w.effect = 0;
    acting_set(&w);
}

/* ---- changes --------------------------------------------------------------------------------- */

/* When the API says so, and not again when routers have had their time. */
START_TEST(a_change_of_ours_is_told_once)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 0);
    apr_int64_t id = acting_intent(1, "user ann", "operator");

    until_told(e, "advertised", "1");
    ck_assert_str_eq(told("advertised"),
                     apr_psprintf(unit_pool, "advertised intent %d", (int)id));
    ck_assert_str_eq(field("advertised", "who"), "user ann");
    reads("advertised", "Advertised: " ACTING_PREFIX " goes through Cloudflare\nCause: a command by"
                        " user ann\nAt: 20");
    unit_skip(S(8 * 60));
    acting_until(e, acting_state(id), "done");
    ck_assert_int_eq(count("advertised"), 1);
    acting_end();
}
END_TEST

/* The policy carries it out, and a person wanted it. */
START_TEST(who_approved_a_withdrawal_is_named)
{
    cfmt_engine_t *e = start("enforce", "withdraw=propose", 1);

    kit_sql(acting_store(), apr_psprintf(unit_pool,
            "INSERT INTO proposal(id, prefix, want, reason, made_at, expires_at, state, decided_at,"
            " decided_by) VALUES(7, '" ACTING_PREFIX "', 0, 'calm', %" APR_TIME_T_FMT ", %"
            APR_TIME_T_FMT ", 'approved', %" APR_TIME_T_FMT ", 'user ann')", acting_now(),
            acting_now() + S(1800), acting_now()));
    (void)acting_intent(0, "policy", "proposal");
    kit_sql(acting_store(), "UPDATE intent SET proposal = 7");
    until_told(e, "withdrawn", "1");
    ck_assert_str_eq(field("withdrawn", "who"), "user ann");
    reads("withdrawn", "Withdrawn: " ACTING_PREFIX " no longer goes through Cloudflare\nCause: an"
                       " approved proposal by user ann\n");
    acting_end();
}
END_TEST

/* Nobody sees a change, and whoever waits for it hears that it is so; the policy waits for none. */
START_TEST(what_was_so_already_is_told_as_done)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 0);
    apr_int64_t id = acting_intent(0, "policy", "calm");

    acting_until(e, acting_state(id), "done");
    ck_assert_int_eq(count("withdrawn"), 0);
    id = acting_intent(0, "user ann", "operator");
    acting_until(e, acting_state(id), "done");
    ck_assert_int_eq(count("withdrawn"), 1);
    ck_assert(strstr(field("withdrawn", "reason"), "so already"));
    reads("withdrawn", "Withdrawn: " ACTING_PREFIX);
    acting_end();
}
END_TEST

/* The log waits for its cause to be certain, people do not. */
START_TEST(a_change_of_others_is_told_at_once_and_once)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 0);

    unit_skip(S(10));
    now_is(1);
    unit_skip(S(61));
    until_told(e, "advertised", "1");
    ck_assert_int_eq(kit_told("CFMT0961"), 0);
    reads("advertised", "Advertised: " ACTING_PREFIX " goes through Cloudflare\nCause:"
                        " somebody else");
    unit_skip(S(21 * 60));
    acting_until(e, "SELECT count(*) FROM audit", "1");
    ck_assert_int_eq(count("advertised"), 1);
    ck_assert_str_eq(field("advertised", "next"), "routers follow, the last of them");
    now_is(0);
    unit_skip(S(61));
    until_told(e, "withdrawn", "1");
    reads("withdrawn", "Withdrawn: " ACTING_PREFIX " no longer goes through Cloudflare\nCause:"
                       " somebody else (dashboard, Terraform, another program)\nAt: 20");
    ck_assert_int_ge(atoi(field("withdrawn", "duration_s")), 21 * 60);
    acting_drop(e);
    e = acting_engine();
    acting_rounds(e, apr_time_from_msec(500));
    ck_assert_int_eq(count("withdrawn") + count("advertised"), 2);
    acting_end();
}
END_TEST

/* Read an hour behind it, as after an outage: what is over does not come next. */
START_TEST(of_a_change_long_ago_nothing_follows)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 1);

    unit_skip(S(2 * 3600));
    acting_is(0, acting_now() - S(3600));
    unit_skip(S(61));
    until_told(e, "withdrawn", "1");
    ck_assert_str_eq(field("withdrawn", "next"), "");
    ck_assert_str_eq(field("withdrawn", "next_at"), "");
    acting_end();
}
END_TEST

/* ---- under attack ---------------------------------------------------------------------------- */

START_TEST(not_protected_is_told_with_its_number)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 0);

    acting_alert(0, "203.0.113.7");
    until_told(e, "proposal", "1");
    reads("proposal", "Your decision: advertise " ACTING_PREFIX "? (proposal 1)\n"
                      "Target: 203.0.113.7 (attack ");
    ck_assert_int_eq(count("not-protected"), 0);
    unit_skip(S(121));
    until_told(e, "not-protected", "1");
    reads("not-protected", "NOT PROTECTED: " ACTING_PREFIX " is under attack and not advertised\n"
                           "Target: 203.0.113.7 (attack ");
    ck_assert_str_eq(field("not-protected", "look"), "cfmtctl approve 1, or cfmtctl advertise "
                     ACTING_PREFIX);
    unit_skip(S(600));
    until_told(e, "not-protected", "2");
    reads("not-protected", "NOT PROTECTED: " ACTING_PREFIX " is under attack and not advertised"
                           " (2nd call)\n");
    ck_assert_int_eq(kit_told("CFMT0966"), 2);
    acting_end();
}
END_TEST

/* By the next leader neither, who does not know what was told. */
START_TEST(locked_is_told_once_an_attack)
{
    cfmt_engine_t *e = start("enforce", "advertise=auto", 0);

    acting_lock(1);
    unit_skip(S(61));
    acting_until(e, "SELECT locked FROM prefix", "1");
    ck_assert_int_eq(count("locked"), 0);
    acting_alert(0, "203.0.113.7");
    until_told(e, "locked", "1");
    reads("locked", ACTING_PREFIX " is LOCKED by Cloudflare while under attack");
    acting_drop(e);
    e = acting_engine();
    acting_rounds(e, S(1));
    ck_assert_int_eq(count("locked"), 1);
    unit_skip(S(60));
    acting_alert(1, "203.0.113.7");
    acting_until(e, "SELECT count(*) FROM attack WHERE state = 'ended'", "1");
    unit_skip(S(3600));
    acting_alert(0, "203.0.113.7"); /* it is back: another matter */
    until_told(e, "locked", "2");
    acting_rounds(e, S(1));
    ck_assert_int_eq(count("locked"), 2);
    acting_end();
}
END_TEST

/* An attack during a withdrawal that is under way. */
START_TEST(a_withdrawal_that_is_reversed_is_told)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 1);
    apr_int64_t id = acting_intent(0, "policy", "calm");

    acting_until(e, acting_state(id), "propagating");
    until_told(e, "withdrawn", "1");
    acting_alert(0, "203.0.113.7");
    until_told(e, "reversed", "1");
    reads("reversed", "Attack during the withdrawal of " ACTING_PREFIX ": it is to be advertised"
                      " again\nTarget: 203.0.113.7 (attack ");
    ck_assert(*field("reversed", "next_at"));
    unit_skip(S(121));
    until_told(e, "not-protected", "1");
    ck_assert(!strncmp(field("not-protected", "reason"), "it is to be advertised at 20", 28));
    acting_end();
}
END_TEST

/* ---- what does not succeed ------------------------------------------------------------------- */

START_TEST(refused_is_told)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 0);
    apr_int64_t id;

    answers("400 Bad Request", ACTING_NO);
    id = acting_intent(1, "user ann", "operator");
    kit_sql(acting_store(), "UPDATE intent SET attack = 'a1'");
    acting_until(e, acting_state(id), "refused");
    ck_assert_int_eq(count("refused"), 1);
    ck_assert_str_eq(kit_text(acting_store(), "SELECT attack FROM outbox WHERE kind = 'refused'"),
                     "a1");
    reads("refused", "Refused: Cloudflare will not advertise " ACTING_PREFIX "\nError: ");
    ck_assert(strstr(field("refused", "error"), "no such luck"));
    acting_end();
}
END_TEST

START_TEST(an_end_and_its_news_are_one)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 0);
    apr_int64_t id;
    int i;

    answers("400 Bad Request", ACTING_NO);
    kit_sql(acting_store(), "CREATE TRIGGER jam BEFORE INSERT ON outbox WHEN"
                            " NEW.kind = 'refused' BEGIN SELECT RAISE(ABORT, 'jammed'); END");
    id = acting_intent(1, "user ann", "operator");
    for (i = 0; i < 200 && acting_round(e) == APR_SUCCESS; i++) {
    }
    ck_assert_str_eq(kit_text(acting_store(), acting_state(id)), "sent");
    kit_sql(acting_store(), "DROP TRIGGER jam");
    acting_until(e, acting_state(id), "refused");
    ck_assert_int_eq(count("refused"), 1);
    acting_end();
}
END_TEST

/* By cfmtctl, which acts where nobody leads: whoever leads next sends it. */
START_TEST(without_a_leader_it_is_told_all_the_same)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 0);
    apr_array_header_t *mine = apr_array_make(unit_pool, 1, sizeof(apr_int64_t));
    cfmt_result_t result = { .status = APR_SUCCESS };
    int i, busy = 1;

    answers("400 Bad Request", ACTING_NO);
    acting_drop(e);
    e = acting_engine();
    e->conf.mine = mine;
    APR_ARRAY_PUSH(mine, apr_int64_t) = acting_intent(1, "user ann", "operator");
    for (i = 0; i < 100 && busy; i++) {
        ck_assert_int_eq(cfmt_engine_command(e, &busy, &result, unit_pool), APR_SUCCESS);
        acting_rest(e);
    }
    ck_assert_int_eq(count("refused"), 1);
    acting_end();
}
END_TEST

/* The 1st and the 3rd in a row, then one an hour. */
START_TEST(failures_are_told_as_they_are_logged)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 0);
    int i;

    answers("429 Too Many Requests\r\nRetry-After: 1", ACTING_NO);
    acting_intent(1, "user ann", "operator");
    for (i = 1; i <= 4; i++) {
        acting_until(e, "SELECT attempts FROM intent", apr_psprintf(unit_pool, "%d", i));
        acting_until(e, "SELECT state FROM intent", "requested");
        unit_skip(S(400));
    }
    ck_assert_int_eq(count("failed"), 2);
    reads("failed", "FAILED to advertise " ACTING_PREFIX " for the 3rd time\nError: ");
    unit_skip(S(3600));
    until_told(e, "failed", "3");
    acting_end();
}
END_TEST

/* ---- holds ----------------------------------------------------------------------------------- */

START_TEST(a_hold_is_told_and_reminded_of)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 1);

    acting_command("{\"command\":\"hold\",\"prefix\":\"" ACTING_PREFIX "\",\"reason\":\"test\"}");
    until_told(e, "held", "1");
    reads("held", ACTING_PREFIX " is held by user ann: it is not withdrawn by itself\n");
    ck_assert_str_eq(field("held", "reason"), "test");
    unit_skip(S(86400));
    until_told(e, "held", "2");
    ck_assert(strstr(field("held", "reason"), "no attack"));
    acting_end();
}
END_TEST

/* ---- what the policy is about ---------------------------------------------------------------- */

/* An outcome that is made by hand: advertised for attack a1b2 since an hour, calm since then. */
typedef struct stage_t {
    cfmt_engine_t e;
    cfmt_scene_t sc;
    cfmt_prefix_row_t row;
    cfmt_standing_t old;
    cfmt_rows_t rows;
    cfmt_outcome_t o;
} stage_t;

static stage_t *stage(const char *mode)
{
    stage_t *g = apr_pcalloc(unit_pool, sizeof(*g));
    apr_table_t *settings = apr_table_make(unit_pool, 2);

    apr_table_setn(settings, "Mode", mode);
    apr_table_setn(settings, "Notify all", ALL);
    kit_now = KIT_EPOCH;
    g->e.conf = (cfmt_engine_conf_t){ .clock = &kit_clock, .log = &kit_log,
                                      .settings = settings };
    g->e.store = kit_open("told.db");
    ck_assert_int_eq(cfmt_cidr_parse(&g->row.b.cidr, NULL, ACTING_PREFIX), APR_SUCCESS);
    g->old.prefix = g->row.b.cidr;
    g->old.advertised = 1;
    g->old.cause = (cfmt_cause_t){ .kind = CFMT_CAUSE_ATTACK, .attack = "a1b2",
                                   .at = KIT_EPOCH - S(3600) };
    g->rows.standing = &g->old;
    g->sc = (cfmt_scene_t){ .e = &g->e, .p = unit_pool, .now = KIT_EPOCH };
    g->sc.rows = apr_hash_make(unit_pool);
    apr_hash_set(g->sc.rows, &g->old.prefix, sizeof(g->old.prefix), &g->rows);
    cfmt_case_init(&g->o.c, KIT_EPOCH);
    g->o.c.b.advertised_at = g->old.cause.at;
    g->o.row = &g->row;
    g->o.standing = g->old;
    g->o.save_standing = 1; /* for what was told, not because anything has changed */
    cfmt_withdraw_decide(&g->o.d, &g->o.c);
    return g;
}

/* The newest message as people read it; how many there are. */
static const char *tell(stage_t *g, int want)
{
    cfmt_outbox_row_t row;
    apr_array_header_t *rows;

    ck_assert_int_eq(cfmt_store_begin(g->e.store, -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_outcome_news(&g->o, &g->sc, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(g->e.store), APR_SUCCESS);
    ck_assert_int_eq(cfmt_outbox_list(g->e.store, NULL, 0, 10, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, want);
    if (!want) {
        return "";
    }
    row = APR_ARRAY_IDX(rows, 0, cfmt_outbox_row_t);
    return cfmt_message_text(cfmt_templates_create(unit_pool), &row.news, unit_pool);
}

static void says(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no '%s' in: %s", part, text);
}

START_TEST(a_withdrawal_is_announced_once_a_countdown)
{
    stage_t *g = stage("enforce");
    const char *text;

    g->o.d.earliest = KIT_EPOCH + S(240);
    g->o.due_for = KIT_EPOCH - S(900);
    text = tell(g, 1);
    says(text, ACTING_PREFIX " is about to be withdrawn at 2023-11-14 22:17:20 UTC\n");
    says(text, "cfmtctl hold " ACTING_PREFIX);
    says(text, "Mode: enforce");
    g->o.d.earliest += S(60); /* a minute was missing: the same countdown */
    tell(g, 1);
    g->o.due_for += S(600);
    tell(g, 2);
}
END_TEST

START_TEST(what_observe_would_do_is_told_each_hour)
{
    stage_t *g = stage("observe");

    g->o.tell_would = 1;
    says(tell(g, 1), "Would withdraw " ACTING_PREFIX " now, and mode observe does not\n");
    tell(g, 1); /* by another leader, who saw the same */
    g->old.would_told_at = KIT_EPOCH;
    g->sc.now += S(3600);
    tell(g, 2);
}
END_TEST

START_TEST(an_orphan_is_told_and_reminded_of)
{
    stage_t *g = stage("enforce");

    g->o.tell_orphan = 1;
    g->o.standing.cause.kind = CFMT_CAUSE_EXTERNAL;
    says(tell(g, 1), "nobody says for how long\n");
    g->old.orphan_told_at = KIT_EPOCH + S(3 * 3600);
    g->sc.now = g->old.orphan_told_at + S(86400);
    says(tell(g, 2), "nobody says for how long (2nd call)\n");
}
END_TEST

START_TEST(a_question_says_how_to_answer)
{
    stage_t *g = stage("enforce");
    cfmt_proposal_row_t pr = { .id = 7, .want = 0, .made_at = KIT_EPOCH,
                               .expires_at = KIT_EPOCH + S(1800), .reason = "" };
    const char *text;

    g->o.proposal = &pr;
    text = tell(g, 1);
    says(text, "Your decision: withdraw " ACTING_PREFIX "? (proposal 7)\n");
    says(text, "cfmtctl approve 7, or deny 7");
    says(text, "Until: 2023-11-14 22:43:20 UTC");
}
END_TEST

/* Not in observe, not what nobody may withdraw, not what is far away; not what was told. */
START_TEST(only_what_comes_soon_is_due)
{
    stage_t *g = stage("enforce");
    cfmt_memory_t *m;

    g->e.memories = apr_hash_make(unit_pool);
    g->e.store_pool = unit_pool;
    g->sc.mode = CFMT_MODE_ENFORCE;
    g->sc.attacks = apr_array_make(unit_pool, 1, sizeof(cfmt_struck_t));
    g->o.d.gates[CFMT_GATE_SCOPE].light = CFMT_LIGHT_GREEN;
    g->o.d.earliest = KIT_EPOCH + S(301);
    cfmt_outcome_notice(&g->o, &g->sc);
    ck_assert_int_eq(g->o.due_for, 0);
    g->o.d.earliest = KIT_EPOCH + S(300);
    cfmt_outcome_notice(&g->o, &g->sc);
    ck_assert_int_eq(g->o.due_for, g->o.c.b.advertised_at);
    m = cfmt_scene_memory(&g->e, &g->row.b.cidr);
    m->due_told = g->o.due_for;
    cfmt_outcome_notice(&g->o, &g->sc);
    ck_assert_int_eq(g->o.due_for, 0);
    m->due_told = 0;
    g->sc.mode = CFMT_MODE_OBSERVE;
    cfmt_outcome_notice(&g->o, &g->sc);
    ck_assert_int_eq(g->o.due_for, 0);
    g->sc.mode = CFMT_MODE_ENFORCE;
    g->o.d.gates[CFMT_GATE_SCOPE].light = CFMT_LIGHT_RED;
    cfmt_outcome_notice(&g->o, &g->sc);
    ck_assert_int_eq(g->o.due_for, 0);
}
END_TEST

/* ---- one transaction ------------------------------------------------------------------------- */

/* What cannot be told is not done, and is done when it can. */
START_TEST(a_change_and_its_news_are_one)
{
    cfmt_engine_t *e = start("enforce", "withdraw=auto", 0);
    int i;

    kit_sql(acting_store(), "CREATE TRIGGER jam BEFORE INSERT ON outbox WHEN"
                            " NEW.kind = 'proposal' BEGIN SELECT RAISE(ABORT, 'jammed'); END");
    acting_alert(0, "203.0.113.7");
    unit_skip(S(10));
    for (i = 0; i < 200 && acting_round(e) == APR_SUCCESS; i++) {
    }
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM proposal"), 0);
    kit_sql(acting_store(), "DROP TRIGGER jam");
    unit_skip(S(6));
    until_told(e, "proposal", "1");
    ck_assert_int_eq(kit_int(acting_store(), "SELECT count(*) FROM proposal"), 1);
    acting_end();
}
END_TEST

Suite *suite_told(void)
{
    Suite *s = suite_create("told");
    TCase *tc = tcase_create("told");

    tcase_add_checked_fixture(tc, unit_setup, unit_teardown);
    tcase_set_timeout(tc, UNIT_LIMIT);
    tcase_add_test(tc, a_change_of_ours_is_told_once);
    tcase_add_test(tc, who_approved_a_withdrawal_is_named);
    tcase_add_test(tc, what_was_so_already_is_told_as_done);
    tcase_add_test(tc, a_change_of_others_is_told_at_once_and_once);
    tcase_add_test(tc, of_a_change_long_ago_nothing_follows);
    tcase_add_test(tc, not_protected_is_told_with_its_number);
    tcase_add_test(tc, locked_is_told_once_an_attack);
    tcase_add_test(tc, a_withdrawal_that_is_reversed_is_told);
    tcase_add_test(tc, refused_is_told);
    tcase_add_test(tc, an_end_and_its_news_are_one);
    tcase_add_test(tc, without_a_leader_it_is_told_all_the_same);
    tcase_add_test(tc, failures_are_told_as_they_are_logged);
    tcase_add_test(tc, a_hold_is_told_and_reminded_of);
    tcase_add_test(tc, a_withdrawal_is_announced_once_a_countdown);
    tcase_add_test(tc, what_observe_would_do_is_told_each_hour);
    tcase_add_test(tc, an_orphan_is_told_and_reminded_of);
    tcase_add_test(tc, a_question_says_how_to_answer);
    tcase_add_test(tc, only_what_comes_soon_is_due);
    tcase_add_test(tc, a_change_and_its_news_are_one);
    suite_add_tcase(s, tc);
    return s;
}
