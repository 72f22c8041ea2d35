/*
 * A template and a news, as bytes: kind, template up to a NUL (none: the built-in one), the fields
 * as JSON. Whatever a template that was taken makes of it is a text that Telegram takes, too.
 */
#include <string.h>

#include "cfmt_notify.h"
#include "fuzz.h"

/* By lead bytes, without src/notify/limit.c: a second opinion. */
static int utf16(const char *s)
{
    int n = 0;

    for (; *s; s++) {
        n += ((unsigned char)*s & 0xC0) != 0x80;
        n += (unsigned char)*s >= 0xF0;
    }
    return n;
}

/* One bold line, then text; of `<`, `>` and `&` nothing but the tags and three entities. */
static void check_html(const char *html)
{
    const char *end = strstr(html, "</b>"), *s;

    FUZZ_CHECK(fuzz_is_utf8(html, strlen(html)) && utf16(html) <= 4096);
    FUZZ_CHECK(!strncmp(html, "<b>", 3) && end && (!end[4] || end[4] == '\n'));
    for (s = html + 3; *s; s += s == end ? 4 : 1) {
        FUZZ_CHECK(s == end || (*s != '<' && *s != '>'));
        FUZZ_CHECK(*s != '\n' || s > end);
        FUZZ_CHECK(*s != '&' || !strncmp(s, "&lt;", 4) || !strncmp(s, "&gt;", 4)
                   || !strncmp(s, "&amp;", 5));
    }
}

static void check_text(const char *text, apr_pool_t *p)
{
    const char *s = text;
    apr_size_t n;

    FUZZ_CHECK(*text && *text != '\n');
    for (; *s; s += n) {
        n = strcspn(s, "\n");
        FUZZ_CHECK(fuzz_printable(fuzz_text(s, n, p), n));
        n += s[n] == '\n';
    }
    check_html(cfmt_message_html(text, p));
    FUZZ_CHECK(utf16(cfmt_message_plain(text, p)) <= 4096);
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    cfmt_templates_t *t = cfmt_templates_create(p);
    cfmt_news_e kind = (cfmt_news_e)(fuzz_byte(&data, &len) % CFMT_NEWS_COUNT);
    const char *nul = memchr(data, '\0', len);
    apr_size_t cut = nul ? (apr_size_t)(nul - data) : len;
    cfmt_news_t one = { .kind = kind, .at = 1, .prefix = "203.0.113.0/24" }, two = { .kind = kind };
    apr_array_header_t *both = apr_array_make(p, 2, sizeof(const cfmt_news_t *));
    const char *before = cfmt_template_text(t, kind);
    const char *why = cfmt_template_set(t, cfmt_news_name(kind), data, cut, p);

    FUZZ_CHECK(!why == (cfmt_template_text(t, kind) != before));
    FUZZ_CHECK(!why || fuzz_printable(why, 2000));
    one.fields = nul ? fuzz_text(nul + 1, len - cut - 1, p) : NULL;
    two.attack = fuzz_text(data, len, p);
    APR_ARRAY_PUSH(both, const cfmt_news_t *) = &one;
    APR_ARRAY_PUSH(both, const cfmt_news_t *) = &two;
    check_text(cfmt_message_text(t, &one, p), p);
    check_text(cfmt_message_digest(t, both, p), p);
    check_text(cfmt_message_fold(t, both, p), p);
    check_html(cfmt_message_html(fuzz_text(data, len, p), p));
}
