/*
 * Unit tests of src/notify's texts: templates, what is left out, formats of values, digests and
 * folds, Telegram's limit; and that docs/notifications.md shows the built-in texts.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_notify.h"
#include "kit.h"
#include "unit.h"

#define AT apr_time_from_sec(1763781667) /* 2025-11-22 03:21:07 UTC */
#define FIELDS \
    "{\"target\":\"203.0.113.7\",\"vector\":\"UDP Flood\",\"pps\":\"1234567\",\"bps\":6400000000," \
    "\"since_at\":\"1763781600000000\",\"mode\":\"enforce\",\"reason\":\"advertise=manual\"," \
    "\"look\":\"cfmtctl explain 203.0.113.0/24\",\"number\":\"3\"," \
    "\"next\":\"you are called again\",\"next_at\":\"1763782267000000\"}"

static cfmt_news_t news(cfmt_news_e kind, const char *fields)
{
    cfmt_news_t n = { .kind = kind, .dedupe = "d", .attack = "a584ec075c7fd",
                      .prefix = "203.0.113.0/24", .at = AT, .fields = fields };

    return n;
}

static const char *text_of(const cfmt_templates_t *t, cfmt_news_e kind, const char *fields)
{
    cfmt_news_t n = news(kind, fields);

    return cfmt_message_text(t, &n, unit_pool);
}

static const char *set(cfmt_templates_t *t, const char *name, const char *text)
{
    return cfmt_template_set(t, name, text, strlen(text), unit_pool);
}

/* ---- texts ----------------------------------------------------------------------------------- */

START_TEST(test_whole_message)
{
    ck_assert_str_eq(text_of(cfmt_templates_create(unit_pool), CFMT_NEWS_NOT_PROTECTED, FIELDS),
                     "NOT PROTECTED: 203.0.113.0/24 is under attack and not advertised (3rd call)\n"
                     "Target: 203.0.113.7 (attack a584ec075c7fd)\n"
                     "Vector: UDP Flood\n"
                     "Rate: 1.23 Mpps, 6.4 Gbit/s\n"
                     "Since: 2025-11-22 03:20:00 UTC\n"
                     "Why: advertise=manual\n"
                     "Next: you are called again at 2025-11-22 03:31:07 UTC\n"
                     "Look: cfmtctl explain 203.0.113.0/24\n"
                     "Mode: enforce");
}
END_TEST

/* Whoever changes a default must be sure that its first line says where, and nothing is empty. */
START_TEST(test_every_default)
{
    cfmt_templates_t *t = cfmt_templates_create(unit_pool);
    int kind;

    for (kind = 0; kind < CFMT_NEWS_COUNT; kind++) {
        const char *own = cfmt_template_text(t, (cfmt_news_e)kind), *text;
        const char *why = set(t, cfmt_news_name((cfmt_news_e)kind), own);

        ck_assert_msg(!why, "%s: %s", cfmt_news_name((cfmt_news_e)kind), why);
        text = text_of(t, (cfmt_news_e)kind, FIELDS);
        ck_assert_msg(strstr(text, "\nLook: cfmtctl explain") && strstr(text, "\nMode: enforce"),
                      "%s", text);
        text = text_of(t, (cfmt_news_e)kind, NULL);
        ck_assert_msg(*text && *text != '\n' && !strstr(text, "\n\n"), "%s", text);
    }
}
END_TEST

typedef struct shown_t {
    const char *template, *fields, *want;
} shown_t;

static const shown_t shown[] = {
    { "{prefix}\nRate: {rate}\nx", "{}", "203.0.113.0/24\nx" },
    { "{prefix}\nRate: {rate}", "{\"bps\":\"1500\"}", "203.0.113.0/24\nRate: 1.5 kbit/s" },
    { "{prefix}\nRate: {rate}", "{\"pps\":\"-1\"}", "203.0.113.0/24" },
    { "{prefix}\n{pps} {bps}", "{\"pps\":2000}", "203.0.113.0/24\n2 kpps ?" },
    { "a[ {target}][ ({vector})] b", "{\"vector\":\"v\"}", "a (v) b" },
    { "a[ {target} and {vector}] b", "{\"vector\":\"v\"}", "a ? and v b" },
    { "[plain] a", "{}", "[plain] a" },
    { "[{target}]\nx", "{}", "attack-start\nx" },
    { "x\n[{target}] [{vector}]", "{}", "x" },
    { "x\n[{target}]   [{vector}]  ", "{\"vector\":\"v\"}", "x\nv" },
    { "{at}", "{}", "2025-11-22 03:21:07 UTC" },
    { "{since_at}", "{\"since_at\":\"0\"}", "?" },
    { "{since_at}", "{\"since_at\":\"999999999999999999\"}", "?" },
    { "{duration_s}", "{\"duration_s\":\"7380\"}", "2h3m" },
    { "{number}", "{\"number\":1}", "1st" },
    { "{number}", "{\"number\":2}", "2nd" },
    { "{number}", "{\"number\":11}", "11th" },
    { "{number}", "{\"number\":112}", "112th" },
    { "{number}", "{\"number\":\"22\"}", "22nd" },
    { "{spoofed}", "{\"spoofed\":\"34.4\"}", "34 %" },
    { "{mode}", "{\"mode\":\"observe\"}",
      "observe (nothing is advertised or withdrawn by itself)" },
    { "{mode}", "{\"mode\":\"observe, DEMO\"}",
      "observe (nothing is advertised or withdrawn by itself), DEMO" },
    { "{prefix}", "{\"prefix\":\"192.0.2.0/24\"}", "192.0.2.0/24" },
    { "{target}|", "{\"target\":\"a\\nb\\u0007c\\u202e\\u0000d<&>\\\\\"}",
      "a b\xEF\xBF\xBD" "c\xEF\xBF\xBD\xEF\xBF\xBD" "d<&>\\|" },
    { "{target}|", "{\"target\":{\"a\":1},\"vector\":[1]}", "?|" },
    { "{target}|", "{\"target\":\"  \"}", "?|" },
    { "{target}|", "no JSON", "?|" },
    { "{target}|", "[\"target\"]", "?|" },
};

START_TEST(test_shown)
{
    int i;

    for (i = 0; i < KIT_COUNT(shown); i++) {
        cfmt_templates_t *t = cfmt_templates_create(unit_pool);
        const char *why = set(t, "attack-start", shown[i].template);

        ck_assert_msg(!why, "%d: %s", i, why);
        ck_assert_str_eq(text_of(t, CFMT_NEWS_ATTACK_START, shown[i].fields), shown[i].want);
    }
}
END_TEST

START_TEST(test_days)
{
    cfmt_templates_t *t = cfmt_templates_create(unit_pool);

    ck_assert(!set(t, "token", "{days}"));
    ck_assert_str_eq(text_of(t, CFMT_NEWS_TOKEN, "{\"days\":\"1\"}"), "1 day");
    ck_assert_str_eq(text_of(t, CFMT_NEWS_TOKEN, "{\"days\":30}"), "30 days");
}
END_TEST

/* No value fills the message alone; what is cut is whole characters. */
START_TEST(test_long_value)
{
    cfmt_templates_t *t = cfmt_templates_create(unit_pool);
    char *fields = apr_palloc(unit_pool, 5100);
    const char *text;
    int i;

    strcpy(fields, "{\"target\":\"");
    for (i = 0; i < 1000; i++) {
        strcat(fields, "\xF0\x9F\x98\x80");
    }
    strcat(fields, "\"}");
    ck_assert(!set(t, "attack-start", "{target}"));
    text = text_of(t, CFMT_NEWS_ATTACK_START, fields);
    ck_assert_uint_le(strlen(text), 240);
    ck_assert_uint_ge(strlen(text), 230);
    ck_assert(cfmt_text_is_utf8(text, strlen(text)));
    ck_assert_str_eq(text + strlen(text) - 3, "\xE2\x80\xA6");
}
END_TEST

/* ---- templates ------------------------------------------------------------------------------- */

typedef struct wrong_t {
    const char *name, *text, *why;
} wrong_t;

static const wrong_t wrong[] = {
    { "attack-begin", "x", "no message is called 'attack-begin'; there are not-protected" },
    { "held", "a\n{nosuch}", "line 2: held has no field {nosuch}; it has prefix " },
    { "held", "{pps}", "line 1: held has no field {pps}" },
    { "held", "{}", "line 1: held has no field {}" },
    { "held", "a {prefix", "line 1: '{' without '}'" },
    { "held", "a {prefix\n}", "line 1: '{' without '}'" },
    { "held", "a {pre{fix}", "line 1: '{' without '}'" },
    { "held", "a\nb }", "line 2: '}' without '{'" },
    { "held", "a [b", "line 1: '[' without ']'" },
    { "held", "a b]", "line 1: ']' without '['" },
    { "held", "a [b [c]]", "line 1: '[' within '['" },
    { "held", "", "line 1: empty" },
    { "held", "\nx", "line 1: empty" },
    { "held", "a\n\x1b[31m", "line 2: a control character" },
    { "held", "a\xE2\x80\xAE" "b", "line 1: a control character or direction mark" },
    { "held", "a\n\nb\xFF", "line 3: not UTF-8" },
};

START_TEST(test_wrong_template)
{
    int i;

    for (i = 0; i < KIT_COUNT(wrong); i++) {
        cfmt_templates_t *t = cfmt_templates_create(unit_pool);
        const char *before = cfmt_template_text(t, CFMT_NEWS_HELD);
        const char *why = set(t, wrong[i].name, wrong[i].text);

        ck_assert_msg(why && !strncmp(why, wrong[i].why, strlen(wrong[i].why)), "%d: %s", i, why);
        ck_assert_str_eq(cfmt_template_text(t, CFMT_NEWS_HELD), before);
    }
}
END_TEST

START_TEST(test_other_wrongs)
{
    cfmt_templates_t *t = cfmt_templates_create(unit_pool);
    char *big = apr_palloc(unit_pool, 3002);

    memset(big, 'x', 3001);
    big[3001] = '\0';
    ck_assert_str_eq(set(t, "held", big), "longer than 3000 bytes");
    big[3000] = '\0';
    ck_assert(!set(t, "held", big));
    ck_assert_str_eq(cfmt_template_set(t, "held", "a\0b", 3, unit_pool), "a NUL in it");
}
END_TEST

START_TEST(test_lines_of_another_system)
{
    cfmt_templates_t *t = cfmt_templates_create(unit_pool);

    ck_assert(!set(t, "held", "{prefix}\r\nby\t{who}\r\n\r\n"));
    ck_assert_str_eq(text_of(t, CFMT_NEWS_HELD, "{\"who\":\"anna\"}"), "203.0.113.0/24\nby anna");
}
END_TEST

/* ---- several in one -------------------------------------------------------------------------- */

static apr_array_header_t *many(int n, cfmt_news_e kind)
{
    apr_array_header_t *all = apr_array_make(unit_pool, n, sizeof(const cfmt_news_t *));
    int i;

    for (i = 0; i < n; i++) {
        cfmt_news_t *one = apr_palloc(unit_pool, sizeof(*one));

        *one = news(kind, apr_psprintf(unit_pool,
                                       "{\"pps\":%d,\"target\":\"203.0.113.%d\",\"vector\":\"%s\","
                                       "\"sources\":\"192.0.2.1, 192.0.2.%d\",\"spoofed\":%d}",
                                       1000 * (i + 1), i, i % 3 ? "UDP Flood" : "SYN Flood",
                                       i % 2 + 8, i));
        one->attack = apr_psprintf(unit_pool, "a%03d", i);
        one->prefix = i % 4 ? "203.0.113.0/24" : "192.0.2.0/24";
        one->at = AT + apr_time_from_sec(i * 37 % n); /* not in order */
        APR_ARRAY_PUSH(all, const cfmt_news_t *) = one;
    }
    return all;
}

START_TEST(test_fold)
{
    const char *text = cfmt_message_fold(cfmt_templates_create(unit_pool),
                                         many(32, CFMT_NEWS_ATTACK_START), unit_pool);

    ck_assert_str_eq(text,
                     "32 attacks began: 203.0.113.0/24 (24), 192.0.2.0/24 (8)\n"
                     "From: 2025-11-22 03:21:07 UTC\n"
                     "To: 2025-11-22 03:21:38 UTC\n"
                     "Targets: 203.0.113.0, 203.0.113.1, 203.0.113.10, 203.0.113.11, 203.0.113.12"
                     " and 27 more\n"
                     "Vectors: UDP Flood (21), SYN Flood (11)\n"
                     "Highest rate: 32 kpps\n"
                     "Sources: 192.0.2.1 (32), 192.0.2.8 (16), 192.0.2.9 (16)\n"
                     "Spoofed: 0 to 31 %\n"
                     "Attacks: a000, a001, a002, a003, a004, a005, a006, a007, a008, a009 and 22"
                     " more\n"
                     "Look: cfmtctl attacks");
}
END_TEST

/* "and 7 more" is no target, though many say it. */
START_TEST(test_fold_of_long_lists)
{
    apr_array_header_t *all = apr_array_make(unit_pool, 2, sizeof(const cfmt_news_t *));
    cfmt_news_t one[2];
    int i;

    for (i = 0; i < 2; i++) {
        one[i] = news(CFMT_NEWS_ATTACK_START, i ? "{\"target\":\"192.0.2.1, and 7 more\"}"
                                                : "{\"target\":\"192.0.2.2, and 7 more\"}");
        APR_ARRAY_PUSH(all, const cfmt_news_t *) = &one[i];
    }
    ck_assert_ptr_nonnull(strstr(cfmt_message_fold(cfmt_templates_create(unit_pool), all,
                                                   unit_pool),
                                 "\nTargets: 192.0.2.1, 192.0.2.2 and others\n"));
}
END_TEST

static int lines_of(const char *text)
{
    int n = 1;

    for (; *text; text++) {
        n += *text == '\n';
    }
    return n;
}

START_TEST(test_digest)
{
    cfmt_templates_t *t = cfmt_templates_create(unit_pool);
    apr_array_header_t *all = apr_array_make(unit_pool, 3, sizeof(const cfmt_news_t *));
    cfmt_news_t start = news(CFMT_NEWS_ATTACK_START, "{\"pps\":5000}");
    cfmt_news_t page = news(CFMT_NEWS_NOT_PROTECTED, "{}");
    cfmt_news_t end = news(CFMT_NEWS_ATTACK_END, "{\"cause\":\"calm\",\"mode\":\"enforce\"}");

    page.at += apr_time_from_sec(120);
    end.at += apr_time_from_sec(3600);
    APR_ARRAY_PUSH(all, const cfmt_news_t *) = &end;
    APR_ARRAY_PUSH(all, const cfmt_news_t *) = &start;
    APR_ARRAY_PUSH(all, const cfmt_news_t *) = &page;
    ck_assert_str_eq(cfmt_message_digest(t, all, unit_pool),
                     "Attack on 203.0.113.0/24 is over: calm\n"
                     "3 messages that could not be sent in time:\n"
                     "2025-11-22 03:21:07 UTC  Attack on 203.0.113.0/24, 5 kpps\n"
                     "2025-11-22 03:23:07 UTC  NOT PROTECTED: 203.0.113.0/24 is under attack and"
                     " not advertised\n"
                     "2025-11-22 04:21:07 UTC  Attack on 203.0.113.0/24 is over: calm\n"
                     "The last one:\n"
                     "Target: (attack a584ec075c7fd)\n"
                     "Lasted: to 2025-11-22 04:21:07 UTC\n"
                     "Mode: enforce");
}
END_TEST

/* As long as one message, however many there were. */
START_TEST(test_bounded)
{
    cfmt_templates_t *t = cfmt_templates_create(unit_pool);
    const char *text = cfmt_message_digest(t, many(1000, CFMT_NEWS_ATTACK_START), unit_pool);

    ck_assert_int_le(lines_of(text), 30);
    ck_assert_uint_le(strlen(text), 4000);
    ck_assert(strstr(text, "\n1000 messages") && strstr(text, "\n... and 982 more\n"));
    ck_assert(strstr(text, "\nThe last one:\n"));
    text = cfmt_message_fold(t, many(1000, CFMT_NEWS_ATTACK_START), unit_pool);
    ck_assert_int_le(lines_of(text), 12);
    ck_assert_uint_le(strlen(text), 1500);
}
END_TEST

START_TEST(test_one_is_itself)
{
    cfmt_templates_t *t = cfmt_templates_create(unit_pool);
    apr_array_header_t *one = many(1, CFMT_NEWS_TUNNEL);
    const char *want = cfmt_message_text(t, APR_ARRAY_IDX(one, 0, const cfmt_news_t *), unit_pool);

    ck_assert_str_eq(cfmt_message_digest(t, one, unit_pool), want);
    ck_assert_str_eq(cfmt_message_fold(t, one, unit_pool), want);
}
END_TEST

/* ---- Telegram's limit ------------------------------------------------------------------------ */

START_TEST(test_html)
{
    ck_assert_str_eq(cfmt_message_html("a <b> & c\n<i>\nx", unit_pool),
                     "<b>a &lt;b&gt; &amp; c</b>\n&lt;i&gt;\nx");
    ck_assert_str_eq(cfmt_message_html("alone", unit_pool), "<b>alone</b>");
    ck_assert_str_eq(cfmt_message_html("a\xFF\x01\nb", unit_pool),
                     "<b>a\xEF\xBF\xBD\xEF\xBF\xBD</b>\nb");
    ck_assert_str_eq(cfmt_message_plain("a <b>\n&", unit_pool), "a <b>\n&");
}
END_TEST

/* By code points, without src/notify/limit.c: a second opinion. */
static int utf16(const char *s)
{
    int n = 0;

    for (; *s; s++) {
        n += ((unsigned char)*s & 0xC0) != 0x80;
        n += (unsigned char)*s >= 0xF0;
    }
    return n;
}

static char *repeated(const char *what, int n)
{
    apr_size_t len = strlen(what);
    char *out = apr_palloc(unit_pool, len * (apr_size_t)n + 1);
    int i;

    for (i = 0; i < n; i++) {
        memcpy(out + (apr_size_t)i * len, what, len);
    }
    out[len * (apr_size_t)n] = '\0';
    return out;
}

START_TEST(test_limit)
{
    const char *smiles = repeated("\xF0\x9F\x98\x80", 5000);

    ck_assert_int_eq(utf16(cfmt_message_plain(repeated("x", 4096), unit_pool)), 4096);
    ck_assert_str_eq(cfmt_message_plain(repeated("x", 4096), unit_pool), repeated("x", 4096));
    ck_assert_int_eq(utf16(cfmt_message_plain(repeated("x", 4097), unit_pool)), 4096);
    ck_assert_int_eq(utf16(cfmt_message_plain(smiles, unit_pool)), 4095); /* no half pair */
    ck_assert_int_eq(utf16(cfmt_message_html(repeated("x", 4089), unit_pool)), 4096);
    ck_assert(!strstr(cfmt_message_html(repeated("x", 4089), unit_pool), "\xE2\x80\xA6"));
    ck_assert_int_eq(utf16(cfmt_message_html(repeated("x", 4090), unit_pool)), 4096);
    ck_assert(strstr(cfmt_message_html(repeated("x", 4090), unit_pool), "x\xE2\x80\xA6</b>"));
    ck_assert(strstr(cfmt_message_html(repeated("&", 4096), unit_pool), "&amp;\xE2\x80\xA6</b>"));
    ck_assert_int_le(utf16(cfmt_message_html(smiles, unit_pool)), 4096);
}
END_TEST

/* ---- whatever comes -------------------------------------------------------------------------- */

static const char *const odd[] = {
    "<b>", "</b>", "&", "&amp;", "<", ">", "\"", "'", "\\", "{prefix}", "[", "]", "{", "}", "\n",
    "\r", "\t", "\x01", "\x1b[31m", "\x7f", "\xC2\x85", "\xE2\x80\xAE", "\xE2\x80\xA8",
    "\xE2\x81\xA6",
    "\xD7\x90\xD7\x91", "\xD8\xA7", "\xF0\x9F\x98\x80",
    "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9",
    "\xFF", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "a", "7", " ", "1e9", "-5",
    "\xEF\xBB\xBF", "\xEF\xBF\xBE", "<a href=x>", "&#0;", "<!--", "@everyone",
};

static const char *odd_value(unsigned *seed)
{
    int n = (int)kit_random(seed, kit_random(seed, 40) ? 12 : 5000);
    apr_array_header_t *parts = apr_array_make(unit_pool, n + 1, sizeof(const char *));
    int i;

    for (i = 0; i < n; i++) {
        APR_ARRAY_PUSH(parts, const char *) = odd[kit_random(seed, KIT_COUNT(odd))];
    }
    return apr_array_pstrcat(unit_pool, parts, 0);
}

/* One pair of tags, around the first line; no other `<` or `>`, no `&` that begins no entity. */
static void check_html(const char *html)
{
    const char *end = strstr(html, "</b>"), *s;

    ck_assert(cfmt_text_is_utf8(html, strlen(html)));
    ck_assert_int_le(utf16(html), 4096);
    ck_assert(!strncmp(html, "<b>", 3) && end && (end[4] == '\n' || !end[4]));
    ck_assert(!memchr(html, '\n', (size_t)(end - html)));
    for (s = html + 3; *s; s++) {
        if (s == end) {
            s += 4;
        }
        if (!*s) {
            break;
        }
        ck_assert(*s != '<' && *s != '>' && ((unsigned char)*s >= 0x20 || *s == '\n'));
        ck_assert(*s != '&' || !strncmp(s, "&lt;", 4) || !strncmp(s, "&gt;", 4)
                  || !strncmp(s, "&amp;", 5));
    }
}

static void check_text(const char *text)
{
    apr_size_t at, n, len = strlen(text);

    ck_assert(*text && *text != '\n');
    for (at = 0; at < len; at += n) {
        n = cfmt_text_char(text + at, len - at);
        ck_assert(n && (text[at] == '\n' || cfmt_text_printable(text + at, n)));
    }
    check_html(cfmt_message_html(text, unit_pool));
    ck_assert_int_le(utf16(cfmt_message_plain(text, unit_pool)), 4096);
}

static cfmt_news_t odd_news(cfmt_news_e kind, unsigned *seed)
{
    const char *names = cfmt_template_fields(kind, unit_pool), *name;
    const char *fields = "";
    cfmt_news_t n = news(kind, NULL);
    char *last, *copy = apr_pstrdup(unit_pool, names);

    for (name = apr_strtok(copy, " ", &last); name; name = apr_strtok(NULL, " ", &last)) {
        fields = apr_pstrcat(unit_pool, fields, *fields ? "," : "",
                             cfmt_json_quote(unit_pool, name), ":",
                             cfmt_json_quote(unit_pool, odd_value(seed)), NULL);
    }
    n.fields = apr_pstrcat(unit_pool, "{", fields, "}", NULL);
    n.prefix = kit_random(seed, 2) ? odd_value(seed) : NULL;
    n.attack = kit_random(seed, 2) ? odd_value(seed) : NULL;
    return n;
}

/* 10,000 values through every template. */
START_TEST(test_whatever_comes)
{
    cfmt_templates_t *t = cfmt_templates_create(unit_pool);
    apr_pool_t *pool = unit_pool;
    unsigned seed = 8;
    int i;

    for (i = 0; i < KIT_CASES(10000 / 15); i++) { /* about fifteen values each */
        apr_array_header_t *both;
        cfmt_news_t one, other;

        apr_pool_create(&unit_pool, pool);
        both = apr_array_make(unit_pool, 2, sizeof(const cfmt_news_t *));
        one = odd_news((cfmt_news_e)(i % CFMT_NEWS_COUNT), &seed);
        other = odd_news((cfmt_news_e)(i % CFMT_NEWS_COUNT), &seed);
        APR_ARRAY_PUSH(both, const cfmt_news_t *) = &one;
        APR_ARRAY_PUSH(both, const cfmt_news_t *) = &other;
        check_text(cfmt_message_text(t, &one, unit_pool));
        check_text(i % 2 ? cfmt_message_digest(t, both, unit_pool)
                         : cfmt_message_fold(t, both, unit_pool));
        check_html(cfmt_message_html(odd_value(&seed), unit_pool));
        apr_pool_destroy(unit_pool);
        unit_pool = pool;
    }
}
END_TEST

/* ---- the manual ------------------------------------------------------------------------------ */

/* Its section as the manual must have it. */
static const char *section_of(const cfmt_templates_t *t, cfmt_news_e kind)
{
    char *last, *line, *copy = apr_pstrdup(unit_pool, cfmt_template_text(t, kind));
    const char *text = apr_psprintf(unit_pool, "### %s\n\nUrgency %s. Fields: `%s`.\n\n",
                                    cfmt_news_name(kind),
                                    cfmt_urgency_name(cfmt_news_priority(kind)),
                                    cfmt_template_fields(kind, unit_pool));

    for (line = apr_strtok(copy, "\n", &last); line; line = apr_strtok(NULL, "\n", &last)) {
        text = apr_pstrcat(unit_pool, text, "    ", line, "\n", NULL);
    }
    return text;
}

START_TEST(test_manual)
{
    const char *src = getenv("srcdir");
    cfmt_templates_t *t = cfmt_templates_create(unit_pool);
    const char *manual;
    int kind;

    ck_assert(src != NULL);
    manual = unit_read(apr_pstrcat(unit_pool, src, "/docs/notifications.md", NULL), NULL);
    for (kind = 0; kind < CFMT_NEWS_COUNT; kind++) {
        const char *want = section_of(t, (cfmt_news_e)kind);

        ck_assert_msg(strstr(manual, want) != NULL, "docs/notifications.md lacks:\n%.900s", want);
    }
}
END_TEST

UNIT_SUITE_BEGIN(message)
UNIT_TEST(test_whole_message)
UNIT_TEST(test_every_default)
UNIT_TEST(test_shown)
UNIT_TEST(test_days)
UNIT_TEST(test_long_value)
UNIT_TEST(test_wrong_template)
UNIT_TEST(test_other_wrongs)
UNIT_TEST(test_lines_of_another_system)
UNIT_TEST(test_fold)
UNIT_TEST(test_fold_of_long_lists)
UNIT_TEST(test_digest)
UNIT_TEST(test_bounded)
UNIT_TEST(test_one_is_itself)
UNIT_TEST(test_html)
UNIT_TEST(test_limit)
UNIT_TEST(test_whatever_comes)
UNIT_TEST(test_manual)
UNIT_SUITE_END
