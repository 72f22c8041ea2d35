/*
 * Text from outside: strict UTF-8, copies that are safe for logs and terminals, JSON strings.
 */
#include <string.h>

#include "cfmt.h"

/*
 * Length of the well-formed character that starts at s, 0 when there is none (Unicode, table 3-7).
 * The second byte's range is what keeps overlongs, surrogates and everything above U+10FFFF out.
 */
apr_size_t cfmt_text_char(const char *s, apr_size_t len)
{
    const unsigned char *u = (const unsigned char *)s;
    unsigned char low = 0x80, high = 0xBF;
    apr_size_t need, i;

    if (len == 0 || u[0] < 0x80) {
        return len ? 1 : 0;
    }
    if (u[0] < 0xC2 || u[0] > 0xF4) {
        return 0;
    }
    need = u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : 4;
    low = u[0] == 0xE0 ? 0xA0 : u[0] == 0xF0 ? 0x90 : low;
    high = u[0] == 0xED ? 0x9F : u[0] == 0xF4 ? 0x8F : high;
    if (len < need || u[1] < low || u[1] > high) {
        return 0;
    }
    for (i = 2; i < need; i++) {
        if ((u[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return need;
}

apr_size_t cfmt_text_span(const char *s, apr_size_t len)
{
    apr_size_t at = 0, n;
    apr_uint64_t word;

    while (at < len) {
        /* Bodies are nearly all ASCII: eight bytes a step. */
        if (len - at >= sizeof(word)) {
            memcpy(&word, s + at, sizeof(word));
            if (!(word & APR_UINT64_C(0x8080808080808080))) {
                at += sizeof(word);
                continue;
            }
        }
        n = cfmt_text_char(s + at, len - at);
        if (!n) {
            break;
        }
        at += n;
    }
    return at;
}

int cfmt_text_is_utf8(const char *s, apr_size_t len)
{
    return cfmt_text_span(s, len) == len;
}

/* C1 controls drive terminals as C0 does; the line and direction marks make a line lie. */
int cfmt_text_printable(const char *s, apr_size_t n)
{
    const unsigned char *u = (const unsigned char *)s;

    if (n == 1) {
        return u[0] >= 0x20 && u[0] < 0x7F;
    }
    if (n == 2) {
        return u[0] != 0xC2 || u[1] >= 0xA0;
    }
    if (n == 3 && u[0] == 0xE2) {
        return !(u[1] == 0x80 && u[2] >= 0xA8 && u[2] <= 0xAE)
               && !(u[1] == 0x81 && u[2] >= 0xA6 && u[2] <= 0xA9);
    }
    return n != 0;
}

/*
 * The safe form of what starts at s, at most 16 bytes; returns its size, *ptaken bytes were read.
 */
static apr_size_t escape_one(char *out, const char *s, apr_size_t len, apr_size_t *ptaken)
{
    static const char hex[] = "0123456789abcdef";
    apr_size_t n = cfmt_text_char(s, len), i;

    if (*s != '\\' && cfmt_text_printable(s, n)) {
        memcpy(out, s, n);
        *ptaken = n;
        return n;
    }
    *ptaken = n ? n : 1;
    for (i = 0; i < *ptaken; i++) {
        out[i * 4] = '\\';
        out[i * 4 + 1] = 'x';
        out[i * 4 + 2] = hex[((unsigned char)s[i]) >> 4];
        out[i * 4 + 3] = hex[((unsigned char)s[i]) & 15];
    }
    return *ptaken * 4;
}

const char *cfmt_text_escape(apr_pool_t *p, const char *s, apr_size_t len, apr_size_t max)
{
    static const char dots[] = "...";
    apr_size_t room = len < max / 4 ? len * 4 : max;
    apr_size_t at = 0, used = 0, keep = 0, n, taken;
    char one[16], *out = apr_palloc(p, room + 1);

    while (at < len) {
        n = escape_one(one, s + at, len - at, &taken);
        if (used + n > max) {
            n = max < 3 ? max : 3;
            memcpy(out + keep, dots, n);
            used = keep + n;
            break;
        }
        memcpy(out + used, one, n);
        used += n;
        at += taken;
        keep = used + 3 <= max ? used : keep; /* the last place where the dots still fit */
    }
    out[used] = '\0';
    return out;
}

int cfmt_text_same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* One character or bad byte of s as it stands in a JSON string: at most six bytes for each of s. */
static apr_size_t quote_one(char *out, const char *s, apr_size_t len, apr_size_t *ptaken)
{
    static const char hex[] = "0123456789abcdef";
    apr_size_t n = cfmt_text_char(s, len);
    unsigned code;
    int i;

    *ptaken = n ? n : 1;
    if (!n) {
        memcpy(out, "\xEF\xBF\xBD", 3);
        return 3;
    }
    if (*s == '"' || *s == '\\') {
        out[0] = '\\';
        out[1] = *s;
        return 2;
    }
    if (cfmt_text_printable(s, n)) {
        memcpy(out, s, n);
        return n;
    }
    /* Nothing unprintable is longer than three bytes. */
    code = n == 1 ? (unsigned char)s[0]
           : n == 2 ? (unsigned)(s[0] & 0x1F) << 6 | (unsigned)(s[1] & 0x3F)
                    : (unsigned)(s[0] & 0x0F) << 12 | (unsigned)(s[1] & 0x3F) << 6
                          | (unsigned)(s[2] & 0x3F);
    memcpy(out, "\\u", 2);
    for (i = 0; i < 4; i++) {
        out[2 + i] = hex[code >> (12 - 4 * i) & 15];
    }
    return 6;
}

const char *cfmt_json_quote(apr_pool_t *p, const char *s)
{
    apr_size_t len = strlen(s), at = 0, used = 0, taken;
    char *out = apr_palloc(p, len * 6 + 3);

    out[used++] = '"';
    while (at < len) {
        used += quote_one(out + used, s + at, len - at, &taken);
        at += taken;
    }
    out[used++] = '"';
    out[used] = '\0';
    return out;
}
