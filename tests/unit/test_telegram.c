/*
 * Unit tests of src/notify/telegram.c: what is asked of the Bot API, and what each answer means.
 */
#include <string.h>

#include <apr_strings.h>

#include "outgoing.h"
#include "unit.h"

#define WORDS "telegram name=ops token=file:/t chat=-1001 "
#define BAD(description) "{\"ok\":false,\"error_code\":400,\"description\":\"" description "\"}"
#define FINE "{\"ok\":true,\"result\":{\"message_id\":77,\"text\":\"x\"}}"

static cfmt_sent_e tell(const char *more)
{
    cfmt_channel_conf_t c = outgoing_channel(apr_pstrcat(unit_pool, WORDS, more, NULL),
                                             OUTGOING_TOKEN);

    return outgoing_send(&c);
}

static void check_body(int i, const char *path, const char *body)
{
    const char *line = apr_pstrcat(unit_pool, "POST /bot" OUTGOING_TOKEN, path, " HTTP/1.1", NULL);

    ck_assert_msg(!strncmp(outgoing_request(i), line, strlen(line)), "%s", outgoing_request(i));
    ck_assert_ptr_nonnull(strstr(outgoing_request(i), "Content-Type: application/json\r\n"));
    ck_assert_str_eq(outgoing_body(i), body);
}

#define TEXT "\"<b>ATTACK on 203.0.113.0/24</b>\\u000aUDP flood, 1 &lt; 2 &amp; \\\"3\\\"\""
#define TAIL ",\"parse_mode\":\"HTML\",\"link_preview_options\":{\"is_disabled\":true}"

START_TEST(it_posts_html_without_previews)
{
    outgoing_answer("200 OK", FINE);
    ck_assert_int_eq(tell(""), CFMT_SENT_YES);
    ck_assert_str_eq(outgoing_sent.ref, "77");
    check_body(0, "/sendMessage", "{\"chat_id\":-1001,\"text\":" TEXT TAIL "}");
}
END_TEST

START_TEST(topic_reply_and_silence)
{
    outgoing_answer("200 OK", FINE);
    outgoing_message.reply_to = "12";
    outgoing_message.priority = CFMT_URGENCY_LOW;
    ck_assert_int_eq(tell("topic=9"), CFMT_SENT_YES);
    check_body(0, "/sendMessage",
               "{\"chat_id\":-1001,\"text\":" TEXT TAIL ",\"message_thread_id\":9,"
               "\"disable_notification\":true,"
               "\"reply_parameters\":{\"message_id\":12,\"allow_sending_without_reply\":true}}");
}
END_TEST

START_TEST(a_ref_that_is_no_number_is_not_sent)
{
    outgoing_answer("200 OK", FINE);
    outgoing_message.reply_to = outgoing_message.edit = "12,\"chat_id\":1";
    ck_assert_int_eq(tell(""), CFMT_SENT_YES);
    check_body(0, "/sendMessage", "{\"chat_id\":-1001,\"text\":" TEXT TAIL "}");
}
END_TEST

START_TEST(an_edit_takes_the_place)
{
    outgoing_answer("200 OK", FINE);
    outgoing_message.edit = "12";
    ck_assert_int_eq(tell("thread=edit topic=9"), CFMT_SENT_YES);
    check_body(0, "/editMessageText",
               "{\"chat_id\":-1001,\"text\":" TEXT TAIL ",\"message_id\":12}");
}
END_TEST

START_TEST(an_edit_that_changes_nothing_is_done)
{
    outgoing_answer("400 Bad Request", BAD("Bad Request: message is not modified: x"));
    outgoing_message.edit = "12";
    ck_assert_int_eq(tell(""), CFMT_SENT_YES);
    ck_assert_str_eq(outgoing_sent.ref, "12");
    ck_assert_int_eq(outgoing_requests(), 1);
}
END_TEST

START_TEST(what_cannot_be_edited_comes_anew)
{
    outgoing_answer("400 Bad Request", BAD("Bad Request: message to edit not found"));
    outgoing_answer("200 OK", FINE);
    outgoing_message.edit = "12";
    outgoing_message.reply_to = "11";
    ck_assert_int_eq(tell(""), CFMT_SENT_YES);
    ck_assert_str_eq(outgoing_sent.ref, "77");
    ck_assert_int_eq(outgoing_requests(), 2);
    ck_assert_ptr_nonnull(strstr(outgoing_request(1), "/sendMessage"));
    ck_assert_ptr_nonnull(strstr(outgoing_body(1), "\"message_id\":11,"));
}
END_TEST

START_TEST(refused_markup_comes_as_plain_text)
{
    outgoing_answer("400 Bad Request", BAD("Bad Request: can't parse entities: x at offset 4"));
    outgoing_answer("200 OK", FINE);
    ck_assert_int_eq(tell(""), CFMT_SENT_YES);
    check_body(1, "/sendMessage",
               "{\"chat_id\":-1001,\"text\":\"ATTACK on 203.0.113.0/24\\u000aUDP flood, 1 < 2 & "
               "\\\"3\\\"\",\"link_preview_options\":{\"is_disabled\":true}}");
}
END_TEST

/* Telegram that cannot be pleased is asked twice and no more. */
START_TEST(plain_text_is_the_last_try)
{
    outgoing_answer("400 Bad Request", BAD("Bad Request: can't parse entities"));
    ck_assert_int_eq(tell(""), CFMT_SENT_NEVER);
    ck_assert_int_eq(outgoing_requests(), 2);
}
END_TEST

START_TEST(a_group_that_moved_is_followed)
{
    outgoing_answer("400 Bad Request",
                    "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: group chat "
                    "was upgraded to a supergroup chat\",\"parameters\":{\"migrate_to_chat_id\":"
                    "-1002034567890}}");
    outgoing_answer("200 OK", FINE);
    ck_assert_int_eq(tell(""), CFMT_SENT_WAIT);
    ck_assert_str_eq(outgoing_sent.chat, "-1002034567890");
    ck_assert(outgoing_sent.at == OUTGOING_NOW);
    outgoing_message.chat = outgoing_sent.chat;
    ck_assert_int_eq(tell(""), CFMT_SENT_YES);
    ck_assert_ptr_nonnull(strstr(outgoing_body(1), "\"chat_id\":-1002034567890,"));
}
END_TEST

START_TEST(a_public_name_is_a_text)
{
    cfmt_channel_conf_t c = outgoing_channel("telegram name=o token=file:/t chat=@noc",
                                             OUTGOING_TOKEN);

    outgoing_answer("200 OK", FINE);
    ck_assert_int_eq(outgoing_send(&c), CFMT_SENT_YES);
    ck_assert_ptr_nonnull(strstr(outgoing_body(0), "{\"chat_id\":\"@noc\","));
}
END_TEST

static const struct {
    const char *head, *body;
    int how, wait_s; /* -1 = no wait */
} answers[] = {
    { "429 Too Many Requests", "{\"ok\":false,\"error_code\":429,\"description\":\"Too Many "
      "Requests: retry after 35\",\"parameters\":{\"retry_after\":35}}", CFMT_SENT_WAIT, 35 },
    { "429 Too Many Requests\r\nRetry-After: 7", "<html>", CFMT_SENT_WAIT, 7 },
    { "429 Too Many Requests", "", CFMT_SENT_WAIT, 30 },
    { "429 Too Many Requests\r\nRetry-After: 864000", "", CFMT_SENT_WAIT, 3600 },
    { "401 Unauthorized", "{\"ok\":false,\"error_code\":401,\"description\":\"Unauthorized\"}",
      CFMT_SENT_BROKEN, -1 },
    { "403 Forbidden", BAD("Forbidden: bot was blocked by the user"), CFMT_SENT_BROKEN, -1 },
    { "404 Not Found", BAD("Not Found"), CFMT_SENT_BROKEN, -1 },
    { "400 Bad Request", BAD("Bad Request: chat not found"), CFMT_SENT_BROKEN, -1 },
    { "400 Bad Request", BAD("Bad Request: message thread not found"), CFMT_SENT_BROKEN, -1 },
    { "400 Bad Request", BAD("Bad Request: TOPIC_CLOSED"), CFMT_SENT_BROKEN, -1 },
    { "400 Bad Request", BAD("Bad Request: message is too long"), CFMT_SENT_NEVER, -1 },
    { "400 Bad Request", "nothing of JSON", CFMT_SENT_NEVER, -1 },
    { "413 Too Large", "", CFMT_SENT_NEVER, -1 },
    { "500 Internal Server Error", "", CFMT_SENT_LATER, -1 },
    { "502 Bad Gateway", "<html><h1>Bad Gateway</h1>", CFMT_SENT_LATER, -1 },
    { "504 Gateway Timeout", "", CFMT_SENT_MAYBE, -1 },
    { "302 Found\r\nLocation: /login", "", CFMT_SENT_LATER, -1 },
    { "200 OK", "<html>Welcome to the hotel's network", CFMT_SENT_LATER, -1 },
    { "200 OK", "[1,2", CFMT_SENT_LATER, -1 },
    { "200 OK", "{\"ok\":true,\"result\":{\"mess", CFMT_SENT_MAYBE, -1 },
    { "200 OK", "{\"ok\":true,\"result\":true}", CFMT_SENT_YES, -1 },
    { "200 OK", "{\"ok\":false}", CFMT_SENT_LATER, -1 },
};

START_TEST(each_answer_has_its_meaning)
{
    outgoing_answer(answers[_i].head, answers[_i].body);
    ck_assert_msg((int)tell("") == answers[_i].how, "%s %s: %d (%s)", answers[_i].head,
                  answers[_i].body, outgoing_sent.how, outgoing_sent.detail);
    if (answers[_i].wait_s >= 0) {
        ck_assert(outgoing_sent.at == OUTGOING_NOW + apr_time_from_sec(answers[_i].wait_s));
    }
    ck_assert_ptr_null(strchr(outgoing_sent.detail, '\n'));
}
END_TEST

START_TEST(a_portal_is_named)
{
    outgoing_answer("200 OK", "<html>Welcome to the hotel's network");
    ck_assert_int_eq(tell(""), CFMT_SENT_LATER);
    ck_assert_str_eq(outgoing_sent.detail, "status 200, but what answers is not Telegram");
}
END_TEST

/* It was taken: asked again it would be told twice. */
START_TEST(a_damaged_good_answer_is_a_maybe)
{
    outgoing_answer("200 OK", "{\"ok\": true, \"result\": {\"message_id\": 1, \"da");
    ck_assert_int_eq(tell(""), CFMT_SENT_MAYBE);
    outgoing_answer("200 OK", "{\"ok\":false,\"error_code\":");
    ck_assert_int_eq(tell(""), CFMT_SENT_LATER);
}
END_TEST

/* Whoever asks again could tell it twice. */
START_TEST(silence_behind_the_last_byte_is_a_maybe)
{
    outgoing_hang();
    ck_assert_int_eq(tell(""), CFMT_SENT_MAYBE);
}
END_TEST

START_TEST(an_answer_cut_short_is_a_maybe)
{
    outgoing_cut("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"ok\":true,");
    ck_assert_int_eq(tell(""), CFMT_SENT_MAYBE);
    ck_assert_int_eq(outgoing_requests(), 1);
}
END_TEST

START_TEST(a_connection_reset_is_not_repeated_unseen)
{
    outgoing_cut("");
    ck_assert_int_eq(tell(""), CFMT_SENT_MAYBE);
    ck_assert_int_eq(outgoing_requests(), 1);
}
END_TEST

START_TEST(what_never_left_costs_no_doubt)
{
    outgoing_nowhere();
    ck_assert_int_eq(tell(""), CFMT_SENT_LATER);
    ck_assert_ptr_nonnull(strstr(outgoing_sent.detail, "no connection to 127.0.0.1"));
}
END_TEST

START_TEST(without_a_token_it_is_broken)
{
    cfmt_channel_conf_t c = outgoing_channel(WORDS, "");

    ck_assert_int_eq(outgoing_send(&c), CFMT_SENT_BROKEN);
    ck_assert_int_eq(outgoing_requests(), 0);
}
END_TEST

/* Not in what is told, and not in the traces of the transport. */
START_TEST(the_token_is_nowhere)
{
    outgoing_answer("404 Not Found",
                    BAD("no such thing as /bot" OUTGOING_TOKEN "/sendMessage here"));
    ck_assert_int_eq(tell(""), CFMT_SENT_BROKEN);
    ck_assert_str_eq(outgoing_sent.detail, "no such thing as /bot***/sendMessage here");
    ck_assert_ptr_nonnull(strstr(outgoing_traces, "POST /bot***/sendMessage"));
    ck_assert_ptr_null(strstr(outgoing_traces, OUTGOING_TOKEN));
    ck_assert_ptr_null(strstr(outgoing_traces, "AAbot"));
}
END_TEST

/* Its answer repeats the message and the one that it replies to. */
START_TEST(a_long_answer_is_read_to_its_end)
{
    char *filler = apr_palloc(unit_pool, 3000);

    memset(filler, 'x', 2999);
    filler[2999] = '\0';
    outgoing_answer("200 OK", apr_pstrcat(unit_pool, "{\"ok\":true,\"result\":{\"text\":\"", filler,
                                          "\",\"message_id\":78}}", NULL));
    ck_assert_int_eq(tell(""), CFMT_SENT_YES);
    ck_assert_str_eq(outgoing_sent.ref, "78");
}
END_TEST

Suite *suite_telegram(void)
{
    Suite *s = suite_create("telegram");
    TCase *tc = tcase_create("telegram");

    tcase_add_checked_fixture(tc, outgoing_setup, outgoing_teardown);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    UNIT_TEST(it_posts_html_without_previews)
    UNIT_TEST(topic_reply_and_silence)
    UNIT_TEST(a_ref_that_is_no_number_is_not_sent)
    UNIT_TEST(an_edit_takes_the_place)
    UNIT_TEST(an_edit_that_changes_nothing_is_done)
    UNIT_TEST(what_cannot_be_edited_comes_anew)
    UNIT_TEST(refused_markup_comes_as_plain_text)
    UNIT_TEST(plain_text_is_the_last_try)
    UNIT_TEST(a_group_that_moved_is_followed)
    UNIT_TEST(a_public_name_is_a_text)
    tcase_add_loop_test(tc, each_answer_has_its_meaning, 0,
                        (int)(sizeof(answers) / sizeof(answers[0])));
    UNIT_TEST(a_portal_is_named)
    UNIT_TEST(a_damaged_good_answer_is_a_maybe)
    UNIT_TEST(silence_behind_the_last_byte_is_a_maybe)
    UNIT_TEST(an_answer_cut_short_is_a_maybe)
    UNIT_TEST(a_connection_reset_is_not_repeated_unseen)
    UNIT_TEST(what_never_left_costs_no_doubt)
    UNIT_TEST(without_a_token_it_is_broken)
    UNIT_TEST(the_token_is_nowhere)
    UNIT_TEST(a_long_answer_is_read_to_its_end)
    return s;
}
