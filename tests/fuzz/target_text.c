/*
 * Strict UTF-8 against a second opinion, and the copy for logs and terminals. The first byte is the
 * room that the copy has.
 */
#include <string.h>

#include "fuzz.h"

static void check_span(const char *s, apr_size_t len)
{
    apr_size_t span = cfmt_text_span(s, len), n = cfmt_text_char(s + span, len - span), at;

    FUZZ_CHECK(span <= len && (span == len || n == 0));
    FUZZ_CHECK(fuzz_is_utf8(s, span));
    FUZZ_CHECK(cfmt_text_is_utf8(s, len) == fuzz_is_utf8(s, len));
    for (at = 0; at < span; at += n) {
        n = cfmt_text_char(s + at, span - at);
        FUZZ_CHECK(n >= 1 && n <= 4 && n <= span - at);
    }
    FUZZ_CHECK(at == span);
}

/* Nothing but what is printable and no backslash: the copy is the text itself. */
static int plain(const char *s, apr_size_t len, apr_pool_t *p)
{
    return strlen(fuzz_text(s, len, p)) == len && !strchr(fuzz_text(s, len, p), '\\')
           && fuzz_printable(fuzz_text(s, len, p), len);
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    apr_size_t max = fuzz_byte(&data, &len);
    const char *safe, *whole;

    check_span(data, len);
    safe = cfmt_text_escape(p, data, len, max);
    FUZZ_CHECK(fuzz_printable(safe, max));
    whole = cfmt_text_escape(p, data, len, len * 4);
    FUZZ_CHECK(fuzz_printable(whole, len * 4));
    FUZZ_CHECK(!plain(data, len, p) || (strlen(whole) == len && !memcmp(whole, data, len)));
    if (strlen(whole) <= max) {
        FUZZ_CHECK(!strcmp(safe, whole));
    }
    else {
        FUZZ_CHECK(max < 3 || !strcmp(safe + strlen(safe) - 3, "..."));
    }
}
