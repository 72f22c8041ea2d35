/*
 * Intents among others: racing leaders, crashes, lists, a rebuild of the projections, retention.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <pthread.h>

#include "intents.h"
#include "store/store_private.h"

/* ---- racing ---------------------------------------------------------------------------------- */

#define RACERS 4

typedef struct racer_t {
    const char *path, *name;
    apr_int64_t won; /* rounds in which it made, or claimed, the intent */
    apr_status_t rv;
} racer_t;

/* Each makes, claims and sends in one go; of a prefix only one may. */
static apr_status_t race_one(cfmt_store_t *s, racer_t *r, const char *prefix, apr_pool_t *p)
{
    cfmt_intent_row_t in = {.cause = "attack", .who = "policy", .want = 1, .created_at = KIT_T(1)};
    cfmt_intent_change_t c = {.state = CFMT_INTENT_SENT, .at = KIT_T(2), .owner = r->name};
    int claimed = 0;
    apr_status_t rv;

    cfmt_cidr_parse(&in.prefix, NULL, prefix);
    rv = cfmt_store_begin(s, -1);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_intent_create(s, &in, 0, p);
    rv = rv == CFMT_EEXIST ? cfmt_intent_open(s, &in, &in.prefix, p) : rv;
    rv = rv == APR_SUCCESS ? cfmt_store_commit(s) : rv;
    rv = rv == APR_SUCCESS ? cfmt_store_begin(s, -1) : rv;
    rv = rv == APR_SUCCESS ? cfmt_intent_claim(s, in.id, r->name, KIT_T(2), LEASE, &claimed) : rv;
    rv = rv == APR_SUCCESS ? cfmt_store_commit(s) : rv;
    rv = rv == APR_SUCCESS ? cfmt_store_begin(s, -1) : rv;
    if (rv == APR_SUCCESS) {
        apr_status_t sent = cfmt_intent_change(s, in.id, &c, p);

        r->won += sent == APR_SUCCESS;
        rv = claimed == (sent == APR_SUCCESS) && (claimed || sent == CFMT_EMOVED) ? APR_SUCCESS
                                                                                 : CFMT_ESTORE;
    }
    cfmt_store_commit(s);
    return rv;
}

static void *race(void *baton)
{
    racer_t *r = baton;
    cfmt_store_t *s = NULL;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, NULL);
    r->rv = cfmt_store_open(&s, r->path, CFMT_STORE_WRITE, NULL, p);
    for (i = 0; r->rv == APR_SUCCESS && i < 60; i++) {
        r->rv = race_one(s, r, apr_psprintf(p, "10.0.%d.0/24", i), p);
    }
    apr_pool_destroy(p);
    return NULL;
}

START_TEST(of_many_leaders_one_makes_and_one_sends)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    racer_t racers[RACERS];
    pthread_t threads[RACERS];
    apr_int64_t won = 0;
    int i;

    for (i = 0; i < RACERS; i++) {
        racers[i] = (racer_t){.path = unit_path("cfmt.db"),
                              .name = apr_psprintf(unit_pool, "pid %d", i)};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(racers[i].rv, APR_SUCCESS);
        won += racers[i].won;
    }
    ck_assert_int_eq(won, 60);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM intent"), 60);
    ck_assert_int_eq(kit_int(s, "SELECT sum(attempts) FROM intent"), 60);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal WHERE kind = 'result'"), 60);
}
END_TEST

/* ---- all or nothing -------------------------------------------------------------------------- */

static const char *everything(cfmt_store_t *s)
{
    return kit_text(s, "SELECT (SELECT group_concat(id || state || ifnull(owner, '-')"
                       " || ifnull(superseded_by, '-') || attempts) FROM intent) || ' '"
                       " || (SELECT count(*) FROM journal)");
}

START_TEST(a_crash_in_between_leaves_what_was)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_int64_t id = made(s, A, 1);
    cfmt_intent_change_t c = {.state = CFMT_INTENT_SENT, .at = KIT_T(11), .owner = "a"};
    cfmt_intent_row_t in = wanted(A, 0);
    const char *before;
    int claimed;

    ck_assert_int_eq(claim(s, id, "a", 10), 1);
    before = everything(s);
    begin(s);
    ck_assert_int_eq(cfmt_intent_change(s, id, &c, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_intent_claim(s, id, "a", KIT_T(12), LEASE, &claimed), APR_SUCCESS);
    ck_assert_int_eq(cfmt_intent_create(s, &in, id, unit_pool), APR_SUCCESS);
    ck_assert_str_ne(everything(s), before);
    cfmt_store_rollback(s);
    ck_assert_str_eq(everything(s), before);
    ck_assert_int_eq(create(s, A, 0, id, &id), APR_SUCCESS);
}
END_TEST

/* ---- lists ----------------------------------------------------------------------------------- */

static const char *ids(const apr_array_header_t *rows)
{
    const char *text = "";
    int i;

    for (i = 0; i < rows->nelts; i++) {
        text = apr_psprintf(unit_pool, "%s%" APR_INT64_T_FMT " ", text,
                            APR_ARRAY_IDX(rows, i, cfmt_intent_row_t).id);
    }
    return text;
}

START_TEST(lists)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_cidr_t b = rows_cidr(B);
    apr_array_header_t *rows;
    cfmt_intent_row_t in;
    int i;

    for (i = 0; i < 6; i++) { /* 1 3 5 of a: advertised; 2 4 6 of b: withdrawn */
        apr_int64_t id = made(s, i % 2 ? B : A, !(i % 2));

        if (i < 4) {
            step(s, id, i == 3 ? CFMT_INTENT_FAILED : CFMT_INTENT_DONE, 2);
        }
    }
    ck_assert_int_eq(cfmt_intents_open(s, &rows, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(ids(rows), "5 6 ");
    ck_assert_int_eq(cfmt_intents_list(s, NULL, 0, 4, &rows, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(ids(rows), "6 5 4 3 ");
    ck_assert_int_eq(cfmt_intents_list(s, NULL, 3, 4, &rows, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(ids(rows), "2 1 ");
    ck_assert_int_eq(cfmt_intents_list(s, &b, 6, 1, &rows, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(ids(rows), "4 ");
    ck_assert_int_eq(cfmt_intent_open(s, &in, &b, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(in.id, 6);
}
END_TEST

/* ---- beside the projections ------------------------------------------------------------------ */

static const char *state_tables(cfmt_store_t *s)
{
    return kit_text(s, "SELECT (SELECT group_concat(id || state || answer) FROM intent) || ' '"
                       " || (SELECT group_concat(id || prefix) FROM hold) || ' '"
                       " || (SELECT group_concat(id || prefix) FROM window) || ' '"
                       " || (SELECT group_concat(id || state) FROM proposal) || ' '"
                       " || (SELECT group_concat(prefix || at) FROM adoption) || ' '"
                       " || (SELECT group_concat(prefix || red) FROM decision) || ' '"
                       " || (SELECT group_concat(id || hash) FROM audit)");
}

/* One row of each table, and the journal rows that tell of them. */
static void fill(cfmt_store_t *s)
{
    cfmt_hold_row_t hold = {.prefix = rows_cidr(A), .who = "u", .origin = "operator", .since = 1};
    cfmt_window_row_t window = {.who = "u", .starts_at = 1, .ends_at = KIT_T(9)};
    cfmt_proposal_row_t proposal = {.prefix = rows_cidr(B), .expires_at = KIT_T(9)};
    cfmt_adoption_row_t adoption = {.prefix = rows_cidr(A), .who = "u", .advertised_at = 5};
    cfmt_decision_row_t decision = {.prefix = rows_cidr(A), .verdict = "stays", .red = "calm",
                                    .gates = "[]", .at = KIT_T(3)};
    cfmt_audit_row_t audit = {.what = "hold", .who = "u"};
    int changed;

    ck_assert_int_eq(change(s, made(s, A, 1), (cfmt_intent_change_t){
                         .state = CFMT_INTENT_CANCELLED, .at = KIT_T(2), .text = "no"}),
                     APR_SUCCESS);
    begin(s);
    ck_assert_int_eq(cfmt_hold_put(s, &hold), APR_SUCCESS);
    ck_assert_int_eq(cfmt_window_add(s, &window), APR_SUCCESS);
    ck_assert_int_eq(cfmt_proposal_make(s, &proposal), APR_SUCCESS);
    ck_assert_int_eq(cfmt_adoption_put(s, &adoption), APR_SUCCESS);
    ck_assert_int_eq(cfmt_decision_put(s, &decision, &changed, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_audit_append(s, &audit, NULL), APR_SUCCESS);
    commit(s);
}

START_TEST(a_rebuild_passes_over_them)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = {kit_config(0, KIT_CONFIG),
                        kit_alert((kit_say_t){.ts = 10, .attack = "A", .target = "203.0.113.7"})};
    const char *state, *dump;
    int i;

    kit_append(s, rows, 1);
    fill(s);
    kit_append(s, rows + 1, 1);
    for (i = 0; i < 10; i++) { /* so that a limit of rows cuts between them */
        ck_assert_int_eq(change(s, made(s, B, 1), (cfmt_intent_change_t){
                             .state = CFMT_INTENT_CANCELLED, .at = KIT_T(2), .text = "no"}),
                         APR_SUCCESS);
    }
    kit_project(s, 3);
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'cursor'"), ROWS(s));
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event"), 1);
    state = state_tables(s);
    ck_assert_ptr_nonnull(state);
    dump = kit_dump(s, 1, unit_pool);
    kit_rebuild(s, 4);
    kit_same(kit_dump(s, 1, unit_pool), dump, "rebuilt");
    ck_assert_str_eq(state_tables(s), state);
}
END_TEST

/* The rows of the journal go, what they tell of stays as long as it says something. */
START_TEST(retention)
{
    cfmt_retention_t conf = {.journal = apr_time_from_sec(10 * 86400)};
    apr_time_t later = KIT_T(40 * 86400);
    cfmt_store_t *s = kit_open("cfmt.db");
    const char *dump;
    int i, more = 1;

    kit_append(s, &(kit_row_t){"config", KIT_T(0), KIT_CONFIG}, 1);
    for (i = 0; i < 3; i++) {
        step(s, made(s, A, 1), CFMT_INTENT_DONE, 2);       /* 1 3 5 */
        step(s, made(s, A, 0), i ? CFMT_INTENT_FAILED : CFMT_INTENT_DONE, 2); /* 2 4 6 */
    }
    kit_sql(s, "UPDATE intent SET settled_at = 1900000000000000 WHERE id = 4");
    fill(s);       /* 7, cancelled */
    made(s, A, 1); /* 8, open */
    kit_sql(s, "INSERT INTO proposal(prefix, want, reason, made_at, expires_at, state, decided_at)"
               " VALUES('" A "', 0, '', 1, 2, 'denied', 3);"
               "INSERT INTO adoption VALUES('" A "', 4, 1, 'u', '')");
    kit_project(s, 200);
    for (i = 0; more && i < 50; i++) {
        ck_assert_int_eq(cfmt_retention_step(s, &conf, later, &more, unit_pool), APR_SUCCESS);
    }
    ck_assert_int_lt(i, 50);
    ck_assert_int_eq(ROWS(s), 1); /* the snapshot */
    ck_assert_str_eq(kit_text(s, "SELECT group_concat(id) FROM intent"), "2,4,5,8");
    ck_assert_str_eq(kit_text(s, "SELECT group_concat(prefix) FROM hold"), A); /* in force */
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM window"), 0);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM proposal"), 1); /* open: nobody ended it */
    ck_assert_str_eq(kit_text(s, "SELECT group_concat(advertised_at) FROM adoption"), "5");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM decision"), 0);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM audit"), 1);
    dump = kit_dump(s, 1, unit_pool);
    kit_rebuild(s, 4);
    kit_same(kit_dump(s, 1, unit_pool), dump, "rebuilt");
}
END_TEST

START_TEST(retention_goes_in_small_steps)
{
    cfmt_retention_t conf = {.journal = apr_time_from_sec(86400)};
    cfmt_store_t *s = kit_open("cfmt.db");
    int more;

    kit_sql(s, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)"
               " INSERT INTO hold(prefix, origin, who, reason, since, until) SELECT '10.0.'"
               " || (i / 200) || '.' || (i % 200), 'operator', 'u', '', 1, 2 FROM n");
    ck_assert_int_eq(cfmt_retention_step(s, &conf, KIT_T(0), &more, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM hold"), 250);
    conf.journal = 0; /* for ever */
    ck_assert_int_eq(cfmt_retention_step(s, &conf, KIT_T(0), &more, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(more, 0);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM hold"), 250);
}
END_TEST

UNIT_SUITE_BEGIN(intent_life)
    UNIT_TEST(of_many_leaders_one_makes_and_one_sends)
    UNIT_TEST(a_crash_in_between_leaves_what_was)
    UNIT_TEST(lists)
    UNIT_TEST(a_rebuild_passes_over_them)
    UNIT_TEST(retention)
    UNIT_TEST(retention_goes_in_small_steps)
UNIT_SUITE_END
