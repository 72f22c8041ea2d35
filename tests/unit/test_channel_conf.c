/*
 * Unit tests of src/notify/conf.c: what a CfmtNotify line may say, what is said of wrong ones, and
 * that the published words give the same routing again.
 */
#include <string.h>
#include <syslog.h>

#include <apr_strings.h>

#include "cfmt_notify.h"
#include "unit.h"

static const char *parse(cfmt_channel_conf_t *c, const char *line)
{
    char **argv;
    int n = 0;

    ck_assert_int_eq(apr_tokenize_to_argv(line, &argv, unit_pool), APR_SUCCESS);
    while (argv[n + 1]) {
        n++;
    }
    return cfmt_channel_parse(c, argv[0], (const char *const *)argv + 1, n, unit_pool);
}

static cfmt_channel_conf_t good(const char *line)
{
    cfmt_channel_conf_t c;
    const char *why = parse(&c, line);

    ck_assert_msg(!why, "%s: %s", line, why);
    return c;
}

START_TEST(defaults)
{
    cfmt_channel_conf_t c = good("telegram name=ops token=file:/etc/t chat=-1001234567890");

    ck_assert_int_eq(c.kind, CFMT_CHANNEL_TELEGRAM);
    ck_assert_str_eq(c.name, "ops");
    ck_assert_str_eq(c.token, "file:/etc/t");
    ck_assert_str_eq(c.chat, "-1001234567890");
    ck_assert(!c.topic && !c.value && !c.prefixes && !c.fallback);
    ck_assert_int_eq(c.min, CFMT_URGENCY_LOW);
    ck_assert(c.kinds == ((apr_uint64_t)1 << CFMT_NEWS_COUNT) - 1);
    ck_assert(c.after == apr_time_from_sec(600));
    ck_assert_int_eq(c.quiet_from, c.quiet_to);
    ck_assert_int_eq(c.quiet_max, CFMT_URGENCY_CRITICAL);
    ck_assert_int_eq(c.thread, CFMT_THREAD_REPLY);
    ck_assert_int_eq(c.daily, -1);
    ck_assert_int_eq(c.lifecycle, 0);
    ck_assert_int_eq(good("syslog name=log").facility, LOG_DAEMON);
    ck_assert_int_eq(good("syslog name=log").thread, CFMT_THREAD_OFF);
}
END_TEST

START_TEST(everything_said)
{
    cfmt_channel_conf_t c = good(
        "telegram name=noc-2 token=file:t chat=@noc topic=7 min=high types=attack-start,hijack "
        "prefixes=203.0.113.0/24,2001:db8::/32 fallback=mail after=90s quiet=22:30-07:05,max=high "
        "thread=edit daily=08:00 lifecycle=on");

    ck_assert_str_eq(c.topic, "7");
    ck_assert_int_eq(c.min, CFMT_URGENCY_HIGH);
    ck_assert(c.kinds == ((apr_uint64_t)1 << CFMT_NEWS_ATTACK_START
                          | (apr_uint64_t)1 << CFMT_NEWS_HIJACK));
    ck_assert_int_eq(c.prefixes->nelts, 2);
    ck_assert_str_eq(c.fallback, "mail");
    ck_assert(c.after == apr_time_from_sec(90));
    ck_assert_int_eq(c.quiet_from, 22 * 60 + 30);
    ck_assert_int_eq(c.quiet_to, 7 * 60 + 5);
    ck_assert_int_eq(c.quiet_max, CFMT_URGENCY_HIGH);
    ck_assert_int_eq(c.thread, CFMT_THREAD_EDIT);
    ck_assert_int_eq(c.daily, 8 * 60);
    ck_assert_int_eq(c.lifecycle, 1);
}
END_TEST

START_TEST(each_kind_has_its_own)
{
    ck_assert_str_eq(good("webhook name=w url=https://example.com/x?y=z").url,
                     "https://example.com/x?y=z");
    ck_assert_str_eq(good("webhook name=w url=file:/etc/u secret=file:/etc/s").secret,
                     "file:/etc/s");
    ck_assert_str_eq(good("command name=c path=/usr/local/lib/cfmt/mail").path,
                     "/usr/local/lib/cfmt/mail");
    ck_assert_int_eq(good("syslog name=s facility=local7").facility, LOG_LOCAL7);
    ck_assert_int_eq(good("Syslog Name=s Facility=LOCAL7 Types=Hijack Min=High").min,
                     CFMT_URGENCY_HIGH);
}
END_TEST

#define T "telegram name=x token=file:t chat=1 "

static const struct {
    const char *line, *why;
} wrong[] = {
    { "mail name=x", "the first word is the kind of a channel: telegram, webhook, command or "
      "syslog" },
    { "telegram", "name= is missing" },
    { "telegram name=x chat=1", "token= is missing; a channel of kind telegram needs name=, "
      "token=, chat=" },
    { "webhook name=x", "url= is missing" },
    { "command name=x", "path= is missing" },
    { T "colour=red", "'colour=' is not known of a channel of kind telegram; allowed: name=, "
      "token=, chat=, topic=, min=" },
    { T "url=https://x/", "'url=' is not known of a channel of kind telegram" },
    { "webhook name=x url=https://x/ thread=edit", "'thread=' is not known" },
    { T "loud", "a word without '='" },
    { T "min=high min=low", "min= stands twice" },
    { T "min=loud", "min=: this value cannot be; allowed: critical, high, normal, low" },
    { T "types=attack-start,nothing", "types=: this value cannot be; allowed: some of "
      "not-protected, hijack" },
    { T "types=", "types=" },
    { T "prefixes=203.0.113.1/24", "prefixes=" },
    { T "prefixes=", "prefixes=" },
    { T "topic=0", "topic=" },
    { T "fallback=x", "fallback= names the channel itself" },
    { T "after=5min", "after= is the time until fallback=, which is missing" },
    { T "fallback=y after=5s", "after=: this value cannot be; allowed: 1min to 1d" },
    { T "quiet=22:00", "quiet=" },
    { T "quiet=22:00-7:00", "quiet=" },
    { T "quiet=22:00-24:00", "quiet=" },
    { T "quiet=22:00-07:00,max=loud", "quiet=" },
    { T "quiet=22:00-07:00,loud", "quiet=" },
    { T "thread=yes", "thread=: this value cannot be; allowed: reply, edit, off" },
    { T "daily=8:00", "daily=" },
    { T "daily=08:00,", "daily=" },
    { T "lifecycle=yes", "lifecycle=: this value cannot be; allowed: on, off" },
    { "telegram name=Ops token=file:t chat=1", "name=: this value cannot be; allowed: 1 to 32" },
    { "telegram name=x token=file:t chat=0", "chat=" },
    { "telegram name=x token=file:t chat=@", "chat=" },
    { "telegram name=x token=file:t chat=@a\"b", "chat=" },
    { "telegram name=x token=file: chat=1", "token=" },
    { "command name=x path=bin/mail", "path=: this value cannot be; allowed: an absolute path" },
    { "syslog name=x facility=kern", "facility=" },
    { "webhook name=x url=http://example.com/", "url=" },
    { "webhook name=x url=https://u:p@example.com/", "url=" },
};

START_TEST(each_wrong_one_has_its_sentence)
{
    cfmt_channel_conf_t c;
    const char *why = parse(&c, wrong[_i].line);

    ck_assert_msg(why && !strncmp(why, wrong[_i].why, strlen(wrong[_i].why)), "%s: %s",
                  wrong[_i].line, why);
}
END_TEST

/* Whoever puts the secret itself there must not read it in the error log. */
START_TEST(no_sentence_repeats_a_secret)
{
    static const char *const lines[] = {
        "telegram name=x token=123:geheim chat=1", "telegram name=x geheim", "telegram name=x "
        "token=file:t chat=1 toke=123:geheim", "webhook name=x url=https://x/ secret=geheim",
        "webhook name=x url=geheim", "webhook name=x url=https://user:geheim@x/",
    };
    cfmt_channel_conf_t c;
    apr_size_t i;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const char *why = parse(&c, lines[i]);

        ck_assert_ptr_nonnull(why);
        ck_assert_msg(!strstr(why, "geheim"), "%s", why);
    }
}
END_TEST

static void check_again(const char *line, const char *words)
{
    cfmt_channel_conf_t c = good(line), again;
    const char *why;

    ck_assert_str_eq(cfmt_channel_words(&c, unit_pool), words);
    why = cfmt_channel_read(&again, words, unit_pool);
    ck_assert_msg(!why, "%s: %s", words, why);
    ck_assert_str_eq(cfmt_channel_words(&again, unit_pool), words);
}

START_TEST(published_words_are_read_again)
{
    check_again(T, "telegram name=x min=low thread=reply");
    check_again("syslog name=x facility=local0", "syslog name=x min=low facility=local0");
    check_again("webhook name=x url=https://geheim/ secret=file:/geheim", "webhook name=x min=low");
    check_again("command name=x path=/geheim lifecycle=on", "command name=x min=low lifecycle=on");
    check_again(T "min=normal types=hijack,attack-end prefixes=203.0.113.0/24,2001:db8::/32 "
                "fallback=y after=90s quiet=00:00-06:30 thread=off daily=00:00",
                "telegram name=x min=normal types=hijack,attack-end "
                "prefixes=203.0.113.0/24,2001:db8::/32 fallback=y after=90s "
                "quiet=00:00-06:30,max=critical daily=00:00 thread=off");
}
END_TEST

START_TEST(what_is_no_channel_is_refused)
{
    cfmt_channel_conf_t c;

    ck_assert_ptr_nonnull(cfmt_channel_read(&c, "", unit_pool));
    ck_assert_ptr_nonnull(cfmt_channel_read(&c, "telegram min=low", unit_pool));
    ck_assert_ptr_nonnull(cfmt_channel_read(&c, "pigeon name=x", unit_pool));
}
END_TEST

Suite *suite_channel_conf(void)
{
    Suite *s = suite_create("channel_conf");
    TCase *tc = tcase_create("channel_conf");

    tcase_add_checked_fixture(tc, unit_setup, unit_teardown);
    suite_add_tcase(s, tc);
    UNIT_TEST(defaults)
    UNIT_TEST(everything_said)
    UNIT_TEST(each_kind_has_its_own)
    tcase_add_loop_test(tc, each_wrong_one_has_its_sentence, 0,
                        (int)(sizeof(wrong) / sizeof(wrong[0])));
    UNIT_TEST(no_sentence_repeats_a_secret)
    UNIT_TEST(published_words_are_read_again)
    UNIT_TEST(what_is_no_channel_is_refused)
    return s;
}
