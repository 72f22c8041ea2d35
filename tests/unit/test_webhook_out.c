/*
 * Unit tests of src/notify/webhook.c and payload.c: what receivers get, that they can verify it,
 * and what their answers mean.
 */
#include <string.h>
#include <sys/resource.h>

#include <apr_strings.h>

#include "notify/out.h"
#include "outgoing.h"
#include "unit.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static cfmt_sent_e tell(const char *path, const char *secret)
{
    cfmt_channel_conf_t c = outgoing_channel(
        apr_pstrcat(unit_pool, "webhook name=chat url=", outgoing_url(path),
                    *secret ? " secret=file:/s" : "", NULL), secret);

    return outgoing_send(&c);
}

static const char *header(int i, const char *name)
{
    const char *at = strstr(outgoing_request(i), apr_pstrcat(unit_pool, "\r\n", name, ": ", NULL));

    ck_assert_msg(at != NULL, "no %s in %s", name, outgoing_request(i));
    at += 2 + strlen(name) + 2;
    return apr_pstrmemdup(unit_pool, at, strcspn(at, "\r"));
}

START_TEST(a_text_and_all_that_it_was_made_of)
{
    outgoing_answer("200 OK", "ok");
    outgoing_message.news.prefix = "203.0.113.0/24";
    ck_assert_int_eq(tell("/hook?a=b", ""), CFMT_SENT_YES);
    ck_assert_str_eq(outgoing_sent.detail, "status 200: ok");
    ck_assert_ptr_null(outgoing_sent.ref);
    ck_assert(!strncmp(outgoing_request(0), "POST /hook?a=b HTTP/1.1\r\n", 25));
    ck_assert_str_eq(header(0, "Content-Type"), "application/json");
    ck_assert_ptr_null(strstr(outgoing_request(0), "webhook-signature"));
    ck_assert_str_eq(outgoing_body(0),
                     apr_pstrcat(unit_pool,
                                 "{\"text\":\"ATTACK on 203.0.113.0/24\\u000aUDP flood, 1 < 2 & "
                                 "\\\"3\\\"\",\"cfmt\":{\"id\":\"", header(0, "webhook-id"),
                                 "\",\"kind\":\"attack-start\",\"priority\":\"high\","
                                 "\"at\":\"2023-11-14T22:13:20Z\",\"attack\":\"a1b2\","
                                 "\"prefix\":\"203.0.113.0/24\",\"fields\":"
                                 "{\"pps\":\"1200000\"}}}", NULL));
}
END_TEST

/* By the side that verifies Cloudflare's relays; Python's hmac is asked in tests/cloudflare. */
START_TEST(the_receiver_can_verify_it)
{
    cfmt_secrets_t *secrets = cfmt_secrets_create(unit_pool);
    const char *label, *body;

    outgoing_answer("204 No Content", "");
    ck_assert_int_eq(tell("/hook", SECRET), CFMT_SENT_YES);
    ck_assert_int_eq(cfmt_secrets_add(secrets, SECRET, strlen(SECRET), "s"), APR_SUCCESS);
    body = outgoing_body(0);
    ck_assert_int_eq(cfmt_signature_verify(&label, secrets, header(0, "webhook-id"),
                                           header(0, "webhook-timestamp"),
                                           header(0, "webhook-signature"), body, strlen(body),
                                           apr_time_now(), unit_pool), CFMT_SIG_OK);
    ck_assert_int_eq(cfmt_signature_verify(&label, secrets, "cfmt_18_0",
                                           header(0, "webhook-timestamp"),
                                           header(0, "webhook-signature"), body, strlen(body),
                                           apr_time_now(), unit_pool), CFMT_SIG_MISMATCH);
}
END_TEST

static void see(void *baton, const cfmt_sent_t *sent)
{
    *(const char **)baton = apr_pstrdup(unit_pool, sent->detail);
}

/* Whoever answers decides how often: that costs no memory. */
START_TEST(a_secret_that_is_repeated_without_end)
{
    cfmt_channel_conf_t conf = { .name = "x" };
    const char *detail = "";
    cfmt_sending_t s = { .c = &conf, .secret = "/hook", .done = see, .baton = &detail };
    char *page = apr_palloc(unit_pool, 60001);
    struct rusage before, after;
    int i;

    for (i = 0; i < 60000; i++) {
        page[i] = "/hook "[i % 6];
    }
    page[i] = '\0';
    apr_pool_create(&s.pool, unit_pool);
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &before), 0);
    cfmt_sending_tell(&s, CFMT_SENT_LATER, page);
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &after), 0);
    ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 50000); /* KiB */
    ck_assert(!strncmp(detail, "*** *** ***", 11));
    ck_assert_ptr_null(strstr(detail, "hook"));
}
END_TEST

/* Of many in one a program hears of one, and how many there are. */
START_TEST(how_many_are_told_in_one)
{
    outgoing_answer("200 OK", "ok");
    outgoing_message.count = 30;
    ck_assert_int_eq(tell("/hook", ""), CFMT_SENT_YES);
    ck_assert_ptr_nonnull(strstr(outgoing_body(0), "\",\"messages\":30,\"kind\":\"attack-start\","));
}
END_TEST

/* A receiver that has seen the first try drops the second; a new store is something else. */
START_TEST(the_id_is_that_of_the_message)
{
    outgoing_answer("500 Oops", "");
    ck_assert_int_eq(tell("/hook", ""), CFMT_SENT_LATER);
    ck_assert_int_eq(tell("/hook", ""), CFMT_SENT_LATER);
    ck_assert_str_eq(header(0, "webhook-id"), header(1, "webhook-id"));
    outgoing_message.news.at++;
    ck_assert_int_eq(tell("/hook", ""), CFMT_SENT_LATER);
    ck_assert_str_ne(header(0, "webhook-id"), header(2, "webhook-id"));
    ck_assert(!strncmp(header(2, "webhook-id"), "cfmt_17_", 8));
    outgoing_message.text = "in the words of another template";
    ck_assert_int_eq(tell("/hook", ""), CFMT_SENT_LATER);
    ck_assert_str_eq(header(2, "webhook-id"), header(3, "webhook-id"));
    outgoing_message.told++; /* in vain so far, so others go along with it */
    ck_assert_int_eq(tell("/hook", ""), CFMT_SENT_LATER);
    ck_assert_str_ne(header(2, "webhook-id"), header(4, "webhook-id"));
}
END_TEST

static const struct {
    const char *head;
    int how, wait_s; /* -1 = no wait */
} answers[] = {
    { "200 OK", CFMT_SENT_YES, -1 },
    { "202 Accepted", CFMT_SENT_YES, -1 },
    { "301 Moved\r\nLocation: https://example.com/", CFMT_SENT_BROKEN, -1 },
    { "400 Bad Request", CFMT_SENT_NEVER, -1 },
    { "401 Unauthorized", CFMT_SENT_BROKEN, -1 },
    { "403 Forbidden", CFMT_SENT_BROKEN, -1 },
    { "404 Not Found", CFMT_SENT_BROKEN, -1 },
    { "408 Timeout", CFMT_SENT_LATER, -1 },
    { "410 Gone", CFMT_SENT_BROKEN, -1 },
    { "413 Too Large", CFMT_SENT_NEVER, -1 },
    { "422 Unprocessable", CFMT_SENT_NEVER, -1 },
    { "429 Too Many\r\nRetry-After: 12", CFMT_SENT_WAIT, 12 },
    { "429 Too Many", CFMT_SENT_LATER, -1 },
    { "500 Oops", CFMT_SENT_LATER, -1 },
    { "503 Unavailable\r\nRetry-After: 12", CFMT_SENT_LATER, -1 },
    { "504 Gateway Timeout", CFMT_SENT_MAYBE, -1 },
};

START_TEST(each_answer_has_its_meaning)
{
    outgoing_answer(answers[_i].head, "line one\nline two");
    ck_assert_msg((int)tell("/hook", "") == answers[_i].how, "%s: %d (%s)", answers[_i].head,
                  outgoing_sent.how, outgoing_sent.detail);
    if (answers[_i].wait_s >= 0) {
        ck_assert(outgoing_sent.at == OUTGOING_NOW + apr_time_from_sec(answers[_i].wait_s));
    }
    ck_assert_ptr_null(strstr(outgoing_sent.detail, "line two"));
}
END_TEST

START_TEST(taken_is_taken_even_if_the_answer_breaks_off)
{
    outgoing_cut("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nok");
    ck_assert_int_eq(tell("/hook", ""), CFMT_SENT_YES);
}
END_TEST

START_TEST(silence_is_a_maybe)
{
    outgoing_hang();
    ck_assert_int_eq(tell("/hook", ""), CFMT_SENT_MAYBE);
}
END_TEST

/* With most chat systems whoever has the address may write. */
START_TEST(the_address_is_nowhere)
{
    outgoing_answer("404 Not Found", "no /services/T0/B0/geheim here");
    ck_assert_int_eq(tell("/services/T0/B0/geheim", SECRET), CFMT_SENT_BROKEN);
    ck_assert_str_eq(outgoing_sent.detail, "status 404: no *** here");
    ck_assert_ptr_null(strstr(outgoing_traces, "geheim"));
    ck_assert_ptr_null(strstr(outgoing_traces, "MfKQ9r8"));
}
END_TEST

START_TEST(what_could_not_be_read_is_broken)
{
    cfmt_channel_conf_t c = outgoing_channel("webhook name=x url=file:/u", "");

    c.url = NULL;
    ck_assert_int_eq(outgoing_send(&c), CFMT_SENT_BROKEN);
    c = outgoing_channel("webhook name=x url=http://127.0.0.1:9/ secret=file:/s", "");
    ck_assert_int_eq(outgoing_send(&c), CFMT_SENT_BROKEN);
    ck_assert_int_eq(outgoing_requests(), 0);
}
END_TEST

Suite *suite_webhook_out(void)
{
    Suite *s = suite_create("webhook_out");
    TCase *tc = tcase_create("webhook_out");

    tcase_add_checked_fixture(tc, outgoing_setup, outgoing_teardown);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    UNIT_TEST(a_text_and_all_that_it_was_made_of)
    UNIT_TEST(the_receiver_can_verify_it)
    UNIT_TEST(a_secret_that_is_repeated_without_end)
    UNIT_TEST(how_many_are_told_in_one)
    UNIT_TEST(the_id_is_that_of_the_message)
    tcase_add_loop_test(tc, each_answer_has_its_meaning, 0,
                        (int)(sizeof(answers) / sizeof(answers[0])));
    UNIT_TEST(taken_is_taken_even_if_the_answer_breaks_off)
    UNIT_TEST(silence_is_a_maybe)
    UNIT_TEST(the_address_is_nowhere)
    UNIT_TEST(what_could_not_be_read_is_broken)
    return s;
}
