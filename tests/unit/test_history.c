/*
 * Unit tests of src/cloudflare/history.c: which notifications never arrived.
 */
#include <stdlib.h>

#include <apr_strings.h>

#include "rows.h"

#define T(seconds) (1700000000 * APR_USEC_PER_SEC + (apr_time_t)((seconds) * 1e6))

static apr_array_header_t *notices, *stored;

static void fresh(void)
{
    notices = apr_array_make(unit_pool, 16, sizeof(cfmt_notice_t));
    stored = apr_array_make(unit_pool, 16, sizeof(cfmt_delivered_t));
}

/* id NULL: one of its own. */
static void notice(const char *id, const char *body, const char *policy, const char *type,
                   apr_time_t sent)
{
    cfmt_notice_t *n = apr_array_push(notices);

    *n = (cfmt_notice_t){.id = id, .body = body, .policy_id = policy, .alert_type = type,
                         .sent = sent, .mechanism = "webhook"};
    n->id = id ? id : apr_psprintf(unit_pool, "%032d", notices->nelts);
}

static void delivery(const char *body, const char *policy, const char *type, apr_time_t ts)
{
    cfmt_delivered_t *d = apr_array_push(stored);

    *d = (cfmt_delivered_t){.id = stored->nelts, .body = body, .policy_id = policy,
                            .alert_type = type, .ts = ts};
    d->len = body ? strlen(body) : 0;
}

static const char *missed(void)
{
    apr_array_header_t *found = cfmt_history_missed(notices, stored, unit_pool);
    const char *text = "";
    int i;

    for (i = 0; i < found->nelts; i++) {
        text = apr_psprintf(unit_pool, "%s%s%d", text, i ? " " : "", APR_ARRAY_IDX(found, i, int));
    }
    return text;
}

START_TEST(test_path)
{
    ck_assert_str_eq(cfmt_history_path(ROWS_ACCOUNT, T(0.5), 3, unit_pool),
                     "/accounts/" ROWS_ACCOUNT
                     "/alerting/v3/history?since=2023-11-14T22:13:20Z&page=3&per_page=100");
}
END_TEST

START_TEST(test_read)
{
    char *body = apr_pcalloc(unit_pool, 5001);
    cfmt_notice_t n;
    const char *why = NULL;

    memset(body, 'b', 5000);
    ck_assert_int_eq(cfmt_notice_read(&n, &why, rows_parse(apr_pstrcat(
        unit_pool, "{\"id\":\"" ROWS_ID "\",\"alert_type\":\"dos_attack_l4\",\"policy_id\":\""
        ROWS_ID2 "\",\"mechanism\":\"https://a.example/\",\"mechanism_type\":\"webhook\","
        "\"sent\":\"2023-11-14T22:13:20.5Z\",\"alert_body\":\"", body, "\"}", NULL)), unit_pool),
        APR_SUCCESS);
    ck_assert_str_eq(n.id, ROWS_ID);
    ck_assert_str_eq(n.policy_id, ROWS_ID2);
    ck_assert_str_eq(n.alert_type, "dos_attack_l4");
    ck_assert_str_eq(n.mechanism, "webhook");
    ck_assert_str_eq(n.body, body);
    ck_assert_int_eq(n.sent, T(0.5));
    ck_assert_int_eq(cfmt_notice_read(&n, &why, rows_parse(
        "{\"id\":\"" ROWS_ID "\",\"alert_body\":{\"text\":\"x\"},\"sent\":5,\"policy_id\":null}"),
        unit_pool), APR_SUCCESS);
    ck_assert(!n.body && !n.policy_id && !n.alert_type && !n.mechanism && n.sent == 0);
    ck_assert_int_eq(cfmt_notice_read(&n, &why, rows_parse("{\"sent\":null}"), unit_pool),
                     CFMT_EINVALID);
    ck_assert_str_eq(why, "member \"id\" is missing");
}
END_TEST

START_TEST(test_bodies)
{
    fresh();
    ck_assert_str_eq(missed(), "");
    notice(NULL, "a", NULL, NULL, 0);
    notice(NULL, "b", NULL, NULL, 0);
    ck_assert_str_eq(missed(), "0 1");
    delivery("b", "p", "t", T(9999)); /* an equal body needs nothing else */
    ck_assert_str_eq(missed(), "0");
    delivery("a ", NULL, NULL, 0);
    ck_assert_str_eq(missed(), "0");
    delivery("a", NULL, NULL, 0);
    ck_assert_str_eq(missed(), "");
}
END_TEST

/* Sent twice, arrived once: the one that is farther away is missing. */
START_TEST(test_duplicates)
{
    fresh();
    notice(NULL, "a", NULL, NULL, T(0));
    notice(NULL, "a", NULL, NULL, T(600));
    delivery("a", NULL, NULL, T(590));
    ck_assert_str_eq(missed(), "0");
    delivery("a", NULL, NULL, T(1000));
    ck_assert_str_eq(missed(), "");
    delivery("a", NULL, NULL, T(1000));
    ck_assert_str_eq(missed(), "");
}
END_TEST

START_TEST(test_near)
{
    static const struct {
        const char *policy, *type;
        apr_time_t ts;
        const char *want;
    } cases[] = {
        {"p", "t", T(0), ""},        {"p", "t", T(300), ""},     {"p", "t", T(-300), ""},
        {"p", "t", T(300) + 1, "0"}, {"p", "t", T(-300) - 1, "0"}, {"p", "t", 0, "0"},
        {"q", "t", T(0), "0"},       {"p", "u", T(0), "0"},      {NULL, "t", T(0), "0"},
        {"p", NULL, T(0), "0"},
    };
    apr_size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fresh();
        notice(NULL, "a", "p", "t", T(0));
        delivery("{}", cases[i].policy, cases[i].type, cases[i].ts);
        ck_assert_msg(!strcmp(missed(), cases[i].want), "case %d", (int)i);
    }
    fresh();
    notice(NULL, NULL, NULL, "t", T(0)); /* neither says whose it is: that is no likeness */
    notice(NULL, NULL, "p", NULL, T(0));
    notice(NULL, "", "p", "t", 0);
    delivery(NULL, NULL, "t", T(0));
    delivery(NULL, "p", NULL, T(0));
    delivery("", "p", "t", 0);
    ck_assert_str_eq(missed(), "0 1 2");
}
END_TEST

/* Each delivery answers for one; nearest first, whatever comes earlier in time. */
START_TEST(test_nearest)
{
    fresh();
    notice(NULL, "a", "p", "t", T(0));
    notice(NULL, "b", "p", "t", T(250));
    delivery("x", "p", "t", T(240));
    ck_assert_str_eq(missed(), "0");
    delivery("y", "p", "t", T(-200));
    ck_assert_str_eq(missed(), "");
    APR_ARRAY_IDX(stored, 1, cfmt_delivered_t).ts = T(500);
    ck_assert_str_eq(missed(), "0"); /* 250 to 240 comes first, and 0 is too far from 500 */
    notice(NULL, "x", "q", "u", T(9000)); /* takes x by its body: 500 is left for 250 */
    ck_assert_str_eq(missed(), "0");
    APR_ARRAY_IDX(stored, 1, cfmt_delivered_t).ts = T(10);
    ck_assert_str_eq(missed(), "1");
}
END_TEST

START_TEST(test_webhooks_only)
{
    fresh();
    notice(NULL, "a", "p", "t", T(0));
    notice(NULL, "a", "p", "t", T(0));
    notice(NULL, "a", "p", "t", T(0));
    APR_ARRAY_IDX(notices, 0, cfmt_notice_t).mechanism = "email";
    APR_ARRAY_IDX(notices, 1, cfmt_notice_t).mechanism = NULL;
    ck_assert_str_eq(missed(), "2");
    delivery("a", "p", "t", T(0)); /* and a mail takes no delivery from a webhook */
    ck_assert_str_eq(missed(), "");
}
END_TEST

/* The last of one page again as the first of the next. */
START_TEST(test_listed_twice)
{
    fresh();
    notice(ROWS_ID, "a", "p", "t", T(0));
    notice(ROWS_ID, "a", "p", "t", T(0));
    notice(ROWS_ID2, "a", "p", "t", T(0));
    ck_assert_int_eq((int)strlen(missed()), 3); /* "0 2" or "1 2" */
    delivery("a", "p", "t", T(0));
    delivery("a", "p", "t", T(0));
    ck_assert_str_eq(missed(), "");
}
END_TEST

/* Without ids each is one of its own, and the body decides which of two is matched first. */
START_TEST(test_without_id)
{
    const cfmt_notice_t *n;
    int turn;

    for (turn = 0; turn < 2; turn++) {
        fresh();
        notice(NULL, turn ? "b" : "a", "p", "t", T(0));
        notice(NULL, turn ? "a" : "b", "p", "t", T(0));
        APR_ARRAY_IDX(notices, 0, cfmt_notice_t).id = NULL;
        APR_ARRAY_IDX(notices, 1, cfmt_notice_t).id = NULL;
        ck_assert_str_eq(missed(), "0 1");
        delivery("x", "p", "t", T(10));
        n = &APR_ARRAY_IDX(notices, *missed() - '0', cfmt_notice_t);
        ck_assert_str_eq(n->body, "a");
    }
}
END_TEST

/* Of two that are equally near the earlier one was it. */
START_TEST(test_equally_near)
{
    fresh();
    notice(NULL, "b", "p", "t", T(200));
    notice(NULL, "a", "p", "t", T(0));
    delivery("x", "p", "t", T(100));
    ck_assert_str_eq(missed(), "0");
}
END_TEST

/* ---- properties ------------------------------------------------------------------------------ */

static unsigned seed;

static int chance(int below)
{
    seed = seed * 1103515245u + 12345u;
    return (int)(seed >> 16) % below;
}

static void shuffle(apr_array_header_t *a)
{
    char kept[sizeof(cfmt_notice_t) + sizeof(cfmt_delivered_t)];
    size_t size = (size_t)a->elt_size;
    int i, j;

    for (i = a->nelts - 1; i > 0; i--) {
        j = chance(i + 1);
        memcpy(kept, a->elts + (size_t)i * size, size);
        memmove(a->elts + (size_t)i * size, a->elts + (size_t)j * size, size);
        memcpy(a->elts + (size_t)j * size, kept, size);
    }
}

static const char *one_of(const char *words)
{
    return apr_pstrmemdup(unit_pool, words + chance((int)strlen(words)), 1);
}

/* Few bodies and policies, times within 1,500 s, so that there is much to choose between. */
static void random_set(int n, int m, int step)
{
    fresh();
    while (n-- > 0) {
        notice(NULL, one_of("abcdef"), one_of("pq"), one_of("tu"), T(chance(1500) / step * step));
    }
    while (m-- > 0) {
        delivery(one_of("abcxyz"), one_of("pq"), one_of("tu"), T(chance(1500) / step * step));
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Ids of those missing, sorted: what must not depend on the order. */
static const char *missed_ids(void)
{
    apr_array_header_t *found = cfmt_history_missed(notices, stored, unit_pool);
    apr_array_header_t *ids = apr_array_make(unit_pool, found->nelts, sizeof(const char *));
    int i;

    for (i = 0; i < found->nelts; i++) {
        APR_ARRAY_PUSH(ids, const char *) =
            APR_ARRAY_IDX(notices, APR_ARRAY_IDX(found, i, int), cfmt_notice_t).id;
    }
    qsort(ids->elts, (size_t)ids->nelts, sizeof(const char *), by_name);
    return apr_array_pstrcat(unit_pool, ids, ' ');
}

START_TEST(test_any_order)
{
    const char *want;
    int round, i;

    for (round = 0; round < 60; round++) {
        seed = (unsigned)round;
        random_set(5 + chance(30), chance(35), round % 2 ? 250 : 1);
        want = missed_ids();
        for (i = 0; i < 8; i++) {
            shuffle(notices);
            shuffle(stored);
            ck_assert_msg(!strcmp(missed_ids(), want), "round %d: %s, then %s", round, want,
                          missed_ids());
        }
    }
}
END_TEST

START_TEST(test_perfect)
{
    int i, n = 300;

    seed = 7;
    fresh();
    for (i = 0; i < n; i++) {
        const char *body = apr_psprintf(unit_pool, "body %d", i % 250);

        notice(NULL, body, one_of("pq"), one_of("tu"), T(chance(5000)));
        delivery(body, one_of("pq"), one_of("tu"), T(chance(5000)));
    }
    shuffle(notices);
    shuffle(stored);
    ck_assert_str_eq(missed(), "");
    apr_array_pop(stored);
    ck_assert_int_eq(cfmt_history_missed(notices, stored, unit_pool)->nelts, 1);
}
END_TEST

/* ---- against the plainest way to do it ------------------------------------------------------- */

/* How far apart, or -1 where they may not be matched in this pass. */
static apr_interval_time_t apart(int pass, const cfmt_notice_t *n, const cfmt_delivered_t *d)
{
    apr_interval_time_t t = n->sent > d->ts ? n->sent - d->ts : d->ts - n->sent;

    if (pass == 0) {
        return strcmp(n->body, d->body) ? -1 : t;
    }
    return strcmp(n->policy_id, d->policy_id) || strcmp(n->alert_type, d->alert_type)
                   || t > T(300) - T(0) ? -1 : t;
}

/* The nearest of all pairs that are left, again and again. */
static int plain_pass(int pass, char *done, char *used)
{
    apr_interval_time_t t, best = -1;
    int i, j, bi = 0, bj = 0;

    for (i = 0; i < notices->nelts; i++) {
        for (j = 0; j < stored->nelts && !done[i]; j++) {
            t = used[j] ? -1 : apart(pass, &APR_ARRAY_IDX(notices, i, cfmt_notice_t),
                                     &APR_ARRAY_IDX(stored, j, cfmt_delivered_t));
            if (t >= 0 && (best < 0 || t < best)) {
                best = t;
                bi = i;
                bj = j;
            }
        }
    }
    done[bi] |= best >= 0;
    used[bj] |= best >= 0;
    return best >= 0;
}

START_TEST(test_plain_way)
{
    int round, i, pass;

    for (round = 0; round < 200; round++) {
        char done[40] = "", used[40] = "";
        const char *want = "";

        seed = (unsigned)round;
        random_set(1 + chance(30), 1 + chance(30), 1);
        /* No two pairs equally far apart: those may be chosen one way or the other. */
        for (i = 0; i < stored->nelts; i++) {
            APR_ARRAY_IDX(stored, i, cfmt_delivered_t).ts += chance(32768) * 37 + i;
        }
        for (i = 0; i < notices->nelts; i++) {
            APR_ARRAY_IDX(notices, i, cfmt_notice_t).sent += chance(32768) * 41 + i * 50;
        }
        for (pass = 0; pass < 2; pass++) {
            while (plain_pass(pass, done, used)) {
            }
        }
        for (i = 0; i < notices->nelts; i++) {
            if (!done[i]) {
                want = apr_psprintf(unit_pool, "%s%s%d", want, *want ? " " : "", i);
            }
        }
        ck_assert_msg(!strcmp(missed(), want), "round %d: %s, not %s", round, missed(), want);
    }
}
END_TEST

/* One group of 10,000 on each side, the worst that there is; a square would take minutes. */
START_TEST(test_many)
{
    apr_time_t began;
    int i, n = 10000;

    seed = 3;
    fresh();
    for (i = 0; i < n; i++) {
        notice(NULL, "a", "p", "t", T(chance(30000)));
        delivery(i % 2 ? "a" : "b", "p", "t", T(chance(30000)));
    }
    began = cfmt_monotonic();
    i = cfmt_history_missed(notices, stored, unit_pool)->nelts;
    ck_assert_msg(cfmt_monotonic() - began < 5 * APR_USEC_PER_SEC, "took too long");
    ck_assert_msg(i < n / 2, "%d missed", i);
}
END_TEST

UNIT_SUITE_BEGIN(history)
    UNIT_TEST(test_path)
    UNIT_TEST(test_read)
    UNIT_TEST(test_bodies)
    UNIT_TEST(test_duplicates)
    UNIT_TEST(test_near)
    UNIT_TEST(test_nearest)
    UNIT_TEST(test_webhooks_only)
    UNIT_TEST(test_listed_twice)
    UNIT_TEST(test_without_id)
    UNIT_TEST(test_equally_near)
    UNIT_TEST(test_any_order)
    UNIT_TEST(test_perfect)
    UNIT_TEST(test_plain_way)
    UNIT_TEST(test_many)
UNIT_SUITE_END
