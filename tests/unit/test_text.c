/*
 * Unit tests of src/base/text.c, log.c and digest.c.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "unit.h"

typedef struct utf8_row_t {
    const char *bytes;
    apr_size_t valid; /* bytes of valid prefix */
} utf8_row_t;

static const utf8_row_t utf8[] = {
    {"", 0}, {"a", 1}, {"\x7F", 1}, {"\xC2\x80", 2}, {"\xDF\xBF", 2}, {"\xE0\xA0\x80", 3},
    {"\xED\x9F\xBF", 3}, {"\xEE\x80\x80", 3}, {"\xEF\xBF\xBF", 3}, {"\xF0\x90\x80\x80", 4},
    {"\xF4\x8F\xBF\xBF", 4}, {"abcdefgh\xC3\xA4ijklmnopq", 19},
    {"\x80", 0}, {"\xBF", 0},                         /* a continuation alone */
    {"\xC0\xAF", 0}, {"\xC1\xBF", 0},                 /* overlong in two */
    {"\xE0\x80\xAF", 0}, {"\xE0\x9F\xBF", 0},         /* overlong in three */
    {"\xF0\x80\x80\xAF", 0}, {"\xF0\x8F\xBF\xBF", 0}, /* overlong in four */
    {"\xED\xA0\x80", 0}, {"\xED\xBF\xBF", 0},         /* surrogates */
    {"\xF4\x90\x80\x80", 0}, {"\xF5\x80\x80\x80", 0}, /* above U+10FFFF */
    {"\xFE", 0}, {"\xFF", 0},
    {"\xC3", 0}, {"\xE2\x82", 0}, {"\xF0\x9F\x98", 0}, /* cut short */
    {"\xC3" "a", 0}, {"\xE2\x82" "a", 0}, {"\xF0\x9F\x98" "a", 0},
    {"ok\xC3\x28", 2}, {"abcdefghijklmno\xFFp", 15}, {"abcdefg\xE2\x82\xAC\xC0", 10},
};

START_TEST(test_utf8)
{
    apr_size_t i;

    for (i = 0; i < sizeof(utf8) / sizeof(utf8[0]); i++) {
        apr_size_t len = strlen(utf8[i].bytes);

        ck_assert_msg(cfmt_text_span(utf8[i].bytes, len) == utf8[i].valid, "row %d", (int)i);
        ck_assert_int_eq(cfmt_text_is_utf8(utf8[i].bytes, len), len == utf8[i].valid);
    }
    ck_assert(cfmt_text_is_utf8("a\0b", 3));
}
END_TEST

typedef struct escape_row_t {
    const char *bytes;
    apr_size_t len, max;
    const char *want;
} escape_row_t;

static const escape_row_t escapes[] = {
    {"plain", 5, 100, "plain"},
    {"", 0, 100, ""},
    {"a\nb\tc", 5, 100, "a\\x0ab\\x09c"},
    {"\x1b[31mred\x7f", 9, 100, "\\x1b[31mred\\x7f"},
    {"a\0b", 3, 100, "a\\x00b"},
    {"back\\slash", 10, 100, "back\\x5cslash"},
    {"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80", 15, 100,
     "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80"},
    {"\xC2\x9B" "31m", 5, 100, "\\xc2\\x9b31m"},                     /* C1: CSI */
    {"\xE2\x80\xAE" "txt", 6, 100, "\\xe2\\x80\\xaetxt"},            /* right-to-left override */
    {"\xE2\x80\xA8" "x", 4, 100, "\\xe2\\x80\\xa8x"},                /* line separator */
    {"bad\xFF\xC3", 5, 100, "bad\\xff\\xc3"},
    {"abcdef", 6, 6, "abcdef"},
    {"abcdefg", 7, 6, "abc..."},
    {"abc\n\n", 5, 9, "abc..."},                                     /* no half escape */
    {"ab\xE2\x82\xAC\xE2\x82\xAC", 8, 7, "ab..."},                   /* no half character */
    {"ab\xE2\x82\xAC\xE2\x82\xAC", 8, 8, "ab\xE2\x82\xAC\xE2\x82\xAC"},
    {"abcdef", 6, 3, "..."},
    {"abcdef", 6, 2, ".."},
    {"abcdef", 6, 0, ""},
};

START_TEST(test_escape)
{
    apr_size_t i;

    for (i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        const escape_row_t *r = &escapes[i];
        /* Memory of exactly that size, so that ASan sees one byte too many. */
        char *exact = malloc(r->len + !r->len);

        memcpy(exact, r->bytes, r->len);
        ck_assert_str_eq(cfmt_text_escape(unit_pool, exact, r->len, r->max), r->want);
        free(exact);
    }
}
END_TEST

START_TEST(test_escape_bounds)
{
    char all[256];
    apr_size_t max;
    int i;

    for (i = 0; i < 256; i++) {
        all[i] = (char)i;
    }
    for (max = 0; max < 1100; max++) {
        const char *out = cfmt_text_escape(unit_pool, all, sizeof(all), max);

        ck_assert_uint_le(strlen(out), max);
        ck_assert(cfmt_text_is_utf8(out, strlen(out)));
        ck_assert(strpbrk(out, "\n\x1b\x7f") == NULL);
    }
}
END_TEST

static char logged[2000];
static int log_calls;

static void catch_line(void *baton, cfmt_level_e level, const char *line)
{
    *(cfmt_level_e *)baton = level;
    log_calls++;
    ck_assert_uint_lt(strlen(line), sizeof(logged));
    strcpy(logged, line);
}

START_TEST(test_log)
{
    cfmt_level_e level = CFMT_LOG_TRACE;
    cfmt_log_t log = {.write = catch_line, .baton = &level, .max = CFMT_LOG_INFO};
    char longer[1003];

    cfmt_log(NULL, CFMT_LOG_ERR, "nobody hears %d", 1);
    cfmt_log(&log, CFMT_LOG_DEBUG, "too detailed");
    ck_assert_int_eq(log_calls, 0);
    cfmt_log(&log, CFMT_LOG_INFO, "%s %lld", "seven", 7LL);
    ck_assert_str_eq(logged, "seven 7");
    ck_assert_int_eq(level, CFMT_LOG_INFO);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    cfmt_log(&log, CFMT_LOG_ERR, "%s", longer);
    ck_assert_uint_eq(strlen(logged), 1000);
    memcpy(longer + 998, "\xF0\x9F\x98\x80", 4); /* cut in its middle */
    cfmt_log(&log, CFMT_LOG_ERR, "%s", longer);
    ck_assert_uint_eq(strlen(logged), 998);
    memcpy(longer + 996, "\xF0\x9F\x98\x80xx", 6); /* ends exactly there */
    cfmt_log(&log, CFMT_LOG_ERR, "%s", longer);
    ck_assert_uint_eq(strlen(logged), 1000);
    ck_assert(cfmt_text_is_utf8(logged, 1000));
}
END_TEST

START_TEST(test_sha256)
{
    static const unsigned char abc[] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
        0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
        0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    };
    unsigned char mine[CFMT_SHA256_SIZE], theirs[CFMT_SHA256_SIZE], data[300];
    apr_size_t i, cut;

    cfmt_sha256(mine, "abc", 3);
    ck_assert_mem_eq(mine, abc, sizeof(abc));
    ck_assert(cfmt_digest64("abc", 3) == (apr_int64_t)APR_UINT64_C(0xba7816bf8f01cfea));
    for (i = 0; i < sizeof(data); i++) {
        data[i] = (unsigned char)(i * 37 + 11);
    }
    for (i = 0; i <= sizeof(data); i++) {
        SHA256(data, i, theirs);
        cfmt_sha256(mine, data, i);
        ck_assert_mem_eq(mine, theirs, sizeof(mine));
        for (cut = 0; cut <= i; cut += 13) {
            struct iovec parts[2] = {{.iov_base = data, .iov_len = cut},
                                     {.iov_base = data + cut, .iov_len = i - cut}};

            cfmt_sha256_vec(mine, parts, 2);
            ck_assert_mem_eq(mine, theirs, sizeof(mine));
        }
    }
}
END_TEST

START_TEST(same_is_equal_or_both_absent)
{
    ck_assert(cfmt_text_same("a", "a") && cfmt_text_same(NULL, NULL));
    ck_assert(!cfmt_text_same("a", "b") && !cfmt_text_same("", NULL) && !cfmt_text_same(NULL, "a"));
}
END_TEST

UNIT_SUITE_BEGIN(text)
    UNIT_TEST(test_utf8)
    UNIT_TEST(test_escape)
    UNIT_TEST(test_escape_bounds)
    UNIT_TEST(test_log)
    UNIT_TEST(test_sha256)
    UNIT_TEST(same_is_equal_or_both_absent)
UNIT_SUITE_END
