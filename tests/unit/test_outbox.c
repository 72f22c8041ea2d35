/*
 * Room store, the outbox and its channels: nothing is told twice, what is under way has one owner,
 * an acknowledgement is of the news and not of the row.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store_outbox.h"
#include "kit.h"
#include "unit.h"

#define ME "pid 1"

static cfmt_store_t *begin(void)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    return s;
}

static cfmt_outbox_row_t make(const char *channel, cfmt_news_e kind, const char *dedupe)
{
    cfmt_outbox_row_t row = { .channel = channel, .made_at = KIT_T(1),
                              .news = { .kind = kind, .dedupe = dedupe, .attack = "a1",
                                        .prefix = "203.0.113.0/24", .at = KIT_T(0),
                                        .fields = "{\"who\":\"x\"}" } };

    row.priority = cfmt_news_priority(kind);
    return row;
}

static apr_int64_t put(cfmt_store_t *s, const char *channel, cfmt_news_e kind, const char *dedupe)
{
    cfmt_outbox_row_t row = make(channel, kind, dedupe);

    ck_assert_int_eq(cfmt_outbox_put(s, &row), APR_SUCCESS);
    return row.id;
}

static cfmt_outbox_row_t get(cfmt_store_t *s, apr_int64_t id)
{
    cfmt_outbox_row_t row;

    ck_assert_int_eq(cfmt_outbox_get(s, &row, id, unit_pool), APR_SUCCESS);
    return row;
}

static const char *states(cfmt_store_t *s)
{
    return kit_text(s, "SELECT group_concat(state, ' ') FROM (SELECT state FROM outbox"
                       " ORDER BY id)");
}

static void settle(cfmt_store_t *s, apr_int64_t id, cfmt_outbox_e state, const char *ref)
{
    cfmt_outbox_row_t row = get(s, id);

    row.state = state;
    row.ref = ref;
    row.attempts++;
    row.sent_at = state == CFMT_OUTBOX_SENT || state == CFMT_OUTBOX_MAYBE ? KIT_T(10 + (int)id) : 0;
    ck_assert_int_eq(cfmt_outbox_settle(s, &row, ME, KIT_T(10)), APR_SUCCESS);
}

static void tell(cfmt_store_t *s, apr_int64_t id, cfmt_outbox_e state, const char *ref)
{
    ck_assert_int_eq(cfmt_outbox_lease(s, id, ME, KIT_T(60), "text"), APR_SUCCESS);
    settle(s, id, state, ref);
}

static int waiting(cfmt_store_t *s, const char *channel, const char **pids)
{
    apr_array_header_t *rows;
    int i;

    ck_assert_int_eq(cfmt_outbox_waiting(s, channel, 100, &rows, unit_pool), APR_SUCCESS);
    for (*pids = "", i = 0; i < rows->nelts; i++) {
        *pids = apr_psprintf(unit_pool, "%s %d", *pids,
                             (int)APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t).id);
    }
    return rows->nelts;
}

START_TEST(a_channel_is_told_a_thing_once)
{
    cfmt_store_t *s = begin();
    cfmt_outbox_row_t row = make("a", CFMT_NEWS_BLIND, "blind 1"), got;

    ck_assert_int_eq(cfmt_outbox_put(s, &row), APR_SUCCESS);
    ck_assert_int_eq(row.id, 1);
    row.id = 0;
    ck_assert_int_eq(cfmt_outbox_put(s, &row), CFMT_EEXIST);
    ck_assert_int_eq(row.id, 1);
    ck_assert_int_eq(put(s, "b", CFMT_NEWS_BLIND, "blind 1"), 2);
    got = get(s, 1);
    ck_assert_str_eq(got.channel, "a");
    ck_assert_int_eq(got.news.kind, CFMT_NEWS_BLIND);
    ck_assert_str_eq(got.news.dedupe, "blind 1");
    ck_assert_str_eq(got.news.attack, "a1");
    ck_assert_str_eq(got.news.prefix, "203.0.113.0/24");
    ck_assert_str_eq(got.news.fields, "{\"who\":\"x\"}");
    ck_assert(got.news.at == KIT_T(0) && got.made_at == KIT_T(1) && !got.next_at);
    ck_assert(got.priority == CFMT_URGENCY_CRITICAL && got.state == CFMT_OUTBOX_QUEUED);
    ck_assert_int_eq(cfmt_outbox_get(s, &got, 9, unit_pool), CFMT_EMISSING);
    cfmt_store_rollback(s);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM outbox"), 0);
}
END_TEST

START_TEST(urgent_ones_come_first_and_ended_ones_not_at_all)
{
    cfmt_store_t *s = begin();
    cfmt_outbox_row_t row;
    const char *ids;

    put(s, "a", CFMT_NEWS_ATTACK_END, "1");
    put(s, "a", CFMT_NEWS_BLIND, "2");
    put(s, "a", CFMT_NEWS_TOKEN, "3");
    put(s, "b", CFMT_NEWS_TOKEN, "3");
    tell(s, put(s, "a", CFMT_NEWS_BLIND, "4"), CFMT_OUTBOX_SENT, NULL);
    ck_assert_int_eq(cfmt_outbox_lease(s, 3, ME, KIT_T(60), "t"), APR_SUCCESS);
    ck_assert_int_eq(waiting(s, "a", &ids), 3);
    ck_assert_str_eq(ids, " 2 3 1");
    ck_assert_int_eq(waiting(s, "c", &ids), 0);
    kit_sql(s, "UPDATE outbox SET kind = 'of tomorrow' WHERE id = 2");
    ck_assert_int_eq(waiting(s, "a", &ids), 2); /* not ours to send */
    ck_assert_int_eq(cfmt_outbox_get(s, &row, 2, unit_pool), CFMT_EMISSING);
}
END_TEST

START_TEST(one_owner_leases_and_settles)
{
    cfmt_store_t *s = begin();
    apr_int64_t id = put(s, "a", CFMT_NEWS_BLIND, "1");
    cfmt_outbox_row_t row;

    ck_assert_int_eq(cfmt_outbox_lease(s, id, ME, KIT_T(60), "text"), APR_SUCCESS);
    ck_assert_int_eq(cfmt_outbox_lease(s, id, "pid 2", KIT_T(60), "other"), CFMT_EMOVED);
    row = get(s, id);
    ck_assert_str_eq(row.owner, ME);
    ck_assert_str_eq(row.text, "text");
    ck_assert(row.state == CFMT_OUTBOX_SENDING && row.leased_until == KIT_T(60));
    row.state = CFMT_OUTBOX_SENT;
    ck_assert_int_eq(cfmt_outbox_settle(s, &row, "pid 2", KIT_T(9)), CFMT_EMOVED);
    row.channel = "b"; /* a row of another store that has this number */
    ck_assert_int_eq(cfmt_outbox_settle(s, &row, ME, KIT_T(9)), CFMT_EMOVED);
    settle(s, id, CFMT_OUTBOX_QUEUED, NULL);
    row = get(s, id);
    ck_assert(row.attempts == 1 && !row.owner && row.state == CFMT_OUTBOX_QUEUED);
    tell(s, id, CFMT_OUTBOX_SENT, "77");
    row = get(s, id);
    ck_assert(row.attempts == 2 && row.sent_at == KIT_T(11));
    ck_assert_str_eq(row.ref, "77");
    ck_assert_int_eq(cfmt_outbox_lease(s, id, ME, KIT_T(60), "again"), CFMT_EMOVED);
    ck_assert_int_eq(cfmt_outbox_expire(s, id, "late", KIT_T(60)), CFMT_EMOVED);
}
END_TEST

START_TEST(what_was_folded_waits_again_when_nothing_was_told)
{
    static const cfmt_outbox_e ends[] = { CFMT_OUTBOX_QUEUED, CFMT_OUTBOX_FAILED,
                                          CFMT_OUTBOX_SENT, CFMT_OUTBOX_MAYBE };
    static const char *const want[] = { "queued queued queued", "failed queued queued",
                                        "sent folded folded", "maybe folded folded" };
    cfmt_store_t *s = begin();
    apr_array_header_t *ids = apr_array_make(unit_pool, 3, sizeof(apr_int64_t));
    int i;

    for (i = 0; i < 3; i++) {
        APR_ARRAY_PUSH(ids, apr_int64_t) = put(s, "a", CFMT_NEWS_BLIND,
                                               apr_psprintf(unit_pool, "%d", i));
    }
    ck_assert_int_eq(cfmt_outbox_lease(s, 1, ME, KIT_T(60), "t"), APR_SUCCESS);
    ck_assert_int_eq(cfmt_outbox_fold(s, ids, 1, KIT_T(5)), APR_SUCCESS);
    ck_assert_str_eq(states(s), "sending folded folded");
    ck_assert_int_eq(get(s, 3).folded_into, 1);
    ck_assert_int_eq(cfmt_outbox_fold(s, ids, 1, KIT_T(5)), CFMT_EMOVED);
    settle(s, 1, ends[_i], NULL);
    ck_assert_str_eq(states(s), want[_i]);
    ck_assert_int_eq(get(s, 3).folded_into, _i < 2 ? 0 : 1);
}
END_TEST

static int only_two_is_dead(const char *owner)
{
    return !strcmp(owner, "pid 2");
}

START_TEST(what_its_sender_left_may_have_been_sent)
{
    cfmt_store_t *s = begin();
    int yes, n;

    put(s, "a", CFMT_NEWS_BLIND, "1");
    put(s, "a", CFMT_NEWS_BLIND, "2");
    put(s, "a", CFMT_NEWS_BLIND, "3");
    cfmt_outbox_lease(s, 1, ME, KIT_T(60), "t");
    ck_assert_int_eq(cfmt_outbox_orphans(s, KIT_T(9), only_two_is_dead, &yes, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(yes, 0);
    cfmt_outbox_lease(s, 2, "pid 2", KIT_T(60), "t");
    cfmt_outbox_orphans(s, KIT_T(9), only_two_is_dead, &yes, unit_pool);
    ck_assert_int_eq(yes, 1);
    ck_assert_int_eq(cfmt_outbox_inherit(s, KIT_T(9), only_two_is_dead, &n, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(n, 1);
    ck_assert_str_eq(states(s), "sending maybe queued");
    ck_assert_int_eq(get(s, 2).sent_at, KIT_T(9));
    cfmt_outbox_inherit(s, KIT_T(60), only_two_is_dead, &n, unit_pool);
    ck_assert_str_eq(states(s), "maybe maybe queued");
}
END_TEST

static apr_int64_t in_doubt(cfmt_store_t *s)
{
    cfmt_outbox_row_t row;
    apr_status_t rv = cfmt_outbox_doubt(s, &row, "a", "a1", unit_pool);

    ck_assert(rv == APR_SUCCESS || rv == CFMT_EMISSING);
    return rv == APR_SUCCESS ? row.id : 0;
}

/* Of another day is also what was told before the clock was set back. */
START_TEST(a_doubt_is_of_the_last_one_by_whatever_clock)
{
    cfmt_store_t *s = begin();
    int i;

    for (i = 0; i < 3; i++) {
        put(s, "a", CFMT_NEWS_BLIND, apr_psprintf(unit_pool, "%d", i));
    }
    tell(s, 1, CFMT_OUTBOX_SENT, NULL);
    tell(s, 2, CFMT_OUTBOX_MAYBE, NULL);
    ck_assert_int_eq(in_doubt(s), 2);
    kit_sql(s, "UPDATE outbox SET sent_at = sent_at + 7200000000 WHERE id = 1");
    ck_assert_int_eq(in_doubt(s), 2);
    tell(s, 3, CFMT_OUTBOX_SENT, NULL);
    ck_assert_int_eq(in_doubt(s), 0);
    /* told again by hand, behind all others */
    ck_assert_int_eq(cfmt_outbox_retry(s, 2, KIT_T(9)), APR_SUCCESS);
    tell(s, 2, CFMT_OUTBOX_MAYBE, NULL);
    ck_assert_int_eq(in_doubt(s), 0);
    kit_sql(s, "UPDATE outbox SET sent_at = sent_at + 8000000000 WHERE id = 2");
    ck_assert_int_eq(in_doubt(s), 2);
}
END_TEST

START_TEST(a_thread_has_a_beginning_an_end_and_doubts)
{
    cfmt_store_t *s = begin();
    cfmt_outbox_row_t row;
    int i;

    for (i = 0; i < 4; i++) {
        put(s, "a", CFMT_NEWS_BLIND, apr_psprintf(unit_pool, "%d", i));
    }
    ck_assert_int_eq(cfmt_outbox_thread(s, &row, "a", "a1", 0, unit_pool), CFMT_EMISSING);
    tell(s, 1, CFMT_OUTBOX_SENT, NULL);
    tell(s, 2, CFMT_OUTBOX_SENT, "r2");
    ck_assert_int_eq(cfmt_outbox_doubt(s, &row, "a", "a1", unit_pool), CFMT_EMISSING);
    tell(s, 3, CFMT_OUTBOX_MAYBE, NULL);
    ck_assert_int_eq(cfmt_outbox_doubt(s, &row, "a", "a1", unit_pool), APR_SUCCESS);
    ck_assert_int_eq(row.id, 3);
    ck_assert_int_eq(cfmt_outbox_doubt(s, &row, "a", "a2", unit_pool), CFMT_EMISSING);
    tell(s, 4, CFMT_OUTBOX_SENT, "r4");
    ck_assert_int_eq(cfmt_outbox_doubt(s, &row, "a", "a1", unit_pool), CFMT_EMISSING);
    ck_assert_int_eq(cfmt_outbox_thread(s, &row, "a", "a1", 0, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(row.ref, "r2");
    ck_assert_int_eq(cfmt_outbox_thread(s, &row, "a", "a1", 1, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(row.ref, "r4");
    ck_assert_int_eq(cfmt_outbox_thread(s, &row, "b", "a1", 1, unit_pool), CFMT_EMISSING);
}
END_TEST

START_TEST(lists_are_of_a_channel_or_of_all_newest_first)
{
    cfmt_store_t *s = begin();
    apr_array_header_t *rows;

    put(s, "a", CFMT_NEWS_BLIND, "1");
    put(s, "b", CFMT_NEWS_BLIND, "2");
    put(s, "a", CFMT_NEWS_BLIND, "3");
    ck_assert_int_eq(cfmt_outbox_list(s, "a", 0, 9, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 2);
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 0, cfmt_outbox_row_t).id, 3);
    ck_assert_int_eq(cfmt_outbox_list(s, NULL, 3, 9, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 2);
    ck_assert_int_eq(cfmt_outbox_list(s, NULL, 0, 1, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 1);
}
END_TEST

START_TEST(operators_try_again_and_drop)
{
    static const char *const from[] = { "queued", "sending", "sent",    "maybe",
                                        "folded", "failed",  "expired", "dropped" };
    cfmt_store_t *s = begin();
    int retried = _i == 3 || _i == 5 || _i == 6, dropped = _i == 0;

    put(s, "a", CFMT_NEWS_BLIND, "1");
    put(s, "a", CFMT_NEWS_BLIND, "2");
    kit_sql(s, apr_psprintf(unit_pool, "UPDATE outbox SET state = '%s', attempts = 10,"
                                       " settled_at = 5 WHERE id = 1;"
                                       " UPDATE outbox SET state = 'folded', settled_at = 5,"
                                       " folded_into = 1 WHERE id = 2", from[_i]));
    ck_assert_int_eq(cfmt_outbox_drop(s, 1, KIT_T(9)), dropped ? APR_SUCCESS : CFMT_EINVALID);
    if (!dropped) {
        ck_assert_int_eq(cfmt_outbox_retry(s, 1, KIT_T(9)), retried ? APR_SUCCESS : CFMT_EINVALID);
    }
    ck_assert_str_eq(states(s), retried ? "queued queued"
                     : apr_psprintf(unit_pool, "%s folded", dropped ? "dropped" : from[_i]));
    ck_assert_int_eq(get(s, 1).attempts, retried ? 0 : 10);
    ck_assert_int_eq(cfmt_outbox_retry(s, 9, KIT_T(9)), CFMT_EINVALID);
}
END_TEST

static int unacked_since(cfmt_store_t *s, int since, int before)
{
    apr_array_header_t *rows;

    ck_assert_int_eq(cfmt_outbox_unacked(s, "a", KIT_T(since), KIT_T(before), &rows, unit_pool),
                     APR_SUCCESS);
    return rows->nelts;
}

static int unacked(cfmt_store_t *s, int before)
{
    return unacked_since(s, -100, before);
}

START_TEST(what_nobody_acknowledges_falls_back_once)
{
    cfmt_store_t *s = begin();
    cfmt_outbox_row_t row;
    int n;

    put(s, "a", CFMT_NEWS_BLIND, "1");
    put(s, "a", CFMT_NEWS_ATTACK_START, "2");
    ck_assert_int_eq(unacked(s, 1), 0);
    ck_assert_int_eq(unacked(s, 2), 1); /* not even sent */
    ck_assert_int_eq(unacked_since(s, 1, 99), 1);
    ck_assert_int_eq(unacked_since(s, 2, 99), 0);
    tell(s, 1, CFMT_OUTBOX_SENT, NULL);
    ck_assert_int_eq(unacked(s, 11), 0);
    ck_assert_int_eq(unacked(s, 12), 1);
    row = make("b", CFMT_NEWS_BLIND, "1");
    row.fallback_of = 1;
    ck_assert_int_eq(cfmt_outbox_put(s, &row), APR_SUCCESS);
    ck_assert_int_eq(get(s, 1).fallback, row.id);
    ck_assert_int_eq(get(s, row.id).fallback_of, 1);
    ck_assert_int_eq(unacked(s, 99), 0);
    ck_assert_int_eq(cfmt_outbox_ack(s, row.id, "user x", KIT_T(50), &n), APR_SUCCESS);
    ck_assert_int_eq(n, 2); /* it is the same news */
    ck_assert_str_eq(get(s, 1).acked_by, "user x");
    ck_assert_int_eq(get(s, 1).acked_at, KIT_T(50));
    ck_assert_int_eq(cfmt_outbox_ack(s, 0, "user y", KIT_T(51), &n), APR_SUCCESS);
    ck_assert_int_eq(n, 0);
    put(s, "a", CFMT_NEWS_TOKEN, "3");
    ck_assert_int_eq(cfmt_outbox_ack(s, 0, "user y", KIT_T(51), &n), APR_SUCCESS);
    ck_assert_int_eq(n, 1);
    ck_assert_ptr_null(get(s, 2).acked_by);
}
END_TEST

START_TEST(a_fallback_that_was_told_already_is_noted)
{
    cfmt_store_t *s = begin();
    cfmt_outbox_row_t row = make("b", CFMT_NEWS_BLIND, "1");

    put(s, "a", CFMT_NEWS_BLIND, "1");
    put(s, "b", CFMT_NEWS_BLIND, "1");
    row.fallback_of = 1;
    ck_assert_int_eq(cfmt_outbox_put(s, &row), CFMT_EEXIST);
    ck_assert_int_eq(get(s, 1).fallback, 2);
    ck_assert_int_eq(unacked(s, 99), 0);
}
END_TEST

START_TEST(ended_rows_go_waiting_ones_stay)
{
    cfmt_store_t *s = begin();
    int n;

    put(s, "a", CFMT_NEWS_BLIND, "1");
    put(s, "a", CFMT_NEWS_BLIND, "2");
    tell(s, 2, CFMT_OUTBOX_SENT, NULL);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_int_eq(cfmt_outbox_prune(s, KIT_T(10), &n), APR_SUCCESS);
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(cfmt_outbox_prune(s, KIT_T(11), &n), APR_SUCCESS);
    ck_assert_int_eq(n, 1);
    ck_assert_str_eq(states(s), "queued");
}
END_TEST

START_TEST(retention_takes_messages_along)
{
    cfmt_store_t *s = begin();
    const cfmt_retention_t conf = { .outbox = apr_time_from_sec(100) };
    int more;

    put(s, "a", CFMT_NEWS_BLIND, "1");
    tell(s, 1, CFMT_OUTBOX_SENT, NULL);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_int_eq(cfmt_retention_step(s, &conf, KIT_T(110), &more, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(more, 0);
    ck_assert_int_eq(cfmt_retention_step(s, &conf, KIT_T(111), &more, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM outbox"), 0);
}
END_TEST

START_TEST(channels_say_how_they_are_and_what_waits)
{
    cfmt_store_t *s = begin();
    cfmt_channel_row_t row = { .name = "b", .state = CFMT_CHANNEL_BROKEN, .since = KIT_T(1),
                               .ok_at = KIT_T(2), .next_at = KIT_T(3), .fails = 4, .error = "401",
                               .chat = "-2", .chat_of = "-1" };
    const cfmt_channel_row_t *got;
    apr_array_header_t *rows;

    ck_assert_int_eq(cfmt_channel_load(s, &row, "none", unit_pool), CFMT_EMISSING);
    row = (cfmt_channel_row_t){ .name = "b", .state = CFMT_CHANNEL_BROKEN, .since = KIT_T(1),
                                .ok_at = KIT_T(2), .next_at = KIT_T(3), .fails = 4,
                                .error = "401", .chat = "-2", .chat_of = "-1" };
    ck_assert_int_eq(cfmt_channel_save(s, &row), APR_SUCCESS);
    row.name = "c";
    row.state = CFMT_CHANNEL_OK;
    cfmt_channel_save(s, &row);
    put(s, "a", CFMT_NEWS_BLIND, "1");
    put(s, "b", CFMT_NEWS_BLIND, "1");
    put(s, "b", CFMT_NEWS_BLIND, "2");
    ck_assert_int_eq(cfmt_channels_load(s, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 3);
    got = &APR_ARRAY_IDX(rows, 1, cfmt_channel_row_t);
    ck_assert_str_eq(got->name, "b");
    ck_assert(got->state == CFMT_CHANNEL_BROKEN && got->fails == 4 && got->depth == 2);
    ck_assert(got->since == KIT_T(1) && got->ok_at == KIT_T(2) && got->next_at == KIT_T(3));
    ck_assert_int_eq(got->oldest_at, KIT_T(1));
    ck_assert_str_eq(got->error, "401");
    ck_assert_str_eq(got->chat, "-2");
    ck_assert_str_eq(got->chat_of, "-1");
    got = &APR_ARRAY_IDX(rows, 0, cfmt_channel_row_t);
    ck_assert(got->state == CFMT_CHANNEL_OK && got->depth == 1);
    ck_assert_int_eq(APR_ARRAY_IDX(rows, 2, cfmt_channel_row_t).depth, 0);
    ck_assert_int_eq(cfmt_channel_load(s, &row, "b", unit_pool), APR_SUCCESS);
    ck_assert_str_eq(row.chat, "-2");
}
END_TEST

START_TEST(health_reads_the_channels_that_are_configured)
{
    cfmt_store_t *s = begin();
    cfmt_channel_row_t row = { .name = "b", .state = CFMT_CHANNEL_BROKEN, .since = KIT_T(1) };
    static cfmt_health_world_t w;

    cfmt_channel_save(s, &row);
    put(s, "b", CFMT_NEWS_BLIND, "1");
    put(s, "gone", CFMT_NEWS_BLIND, "1");
    kit_sql(s, "INSERT INTO setting VALUES('Notify a', 'x'), ('Notify b', 'x'), ('Mode', 'x')");
    ck_assert_int_eq(cfmt_health_outbox_read(s, &w, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(w.channels, 2);
    ck_assert_str_eq(w.channel[0].name, "a");
    ck_assert(w.channel[0].state == CFMT_CHANNEL_OK && !w.channel[0].depth);
    ck_assert_str_eq(w.channel[1].name, "b");
    ck_assert(w.channel[1].state == CFMT_CHANNEL_BROKEN && w.channel[1].depth == 1);
    ck_assert(w.channel[1].since == KIT_T(1) && w.channel[1].oldest_at == KIT_T(1));
}
END_TEST

UNIT_SUITE_BEGIN(outbox)
UNIT_TEST(a_channel_is_told_a_thing_once)
UNIT_TEST(urgent_ones_come_first_and_ended_ones_not_at_all)
UNIT_TEST(one_owner_leases_and_settles)
tcase_add_loop_test(tc, what_was_folded_waits_again_when_nothing_was_told, 0, 4);
UNIT_TEST(what_its_sender_left_may_have_been_sent)
UNIT_TEST(a_thread_has_a_beginning_an_end_and_doubts)
UNIT_TEST(a_doubt_is_of_the_last_one_by_whatever_clock)
UNIT_TEST(lists_are_of_a_channel_or_of_all_newest_first)
tcase_add_loop_test(tc, operators_try_again_and_drop, 0, CFMT_OUTBOX_STATES);
UNIT_TEST(what_nobody_acknowledges_falls_back_once)
UNIT_TEST(a_fallback_that_was_told_already_is_noted)
UNIT_TEST(ended_rows_go_waiting_ones_stay)
UNIT_TEST(retention_takes_messages_along)
UNIT_TEST(channels_say_how_they_are_and_what_waits)
UNIT_TEST(health_reads_the_channels_that_are_configured)
UNIT_SUITE_END
