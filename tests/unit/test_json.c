/*
 * Unit tests of src/intake/json.c.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_intake.h"
#include "unit.h"

static const cfmt_json_limits_t limits = {.depth = 32, .unique = 1, .unique_member = "data"};

static cfmt_json_t *parse(const char *body, apr_size_t len, const char **pwhy)
{
    cfmt_json_t *doc = (cfmt_json_t *)1;
    apr_status_t rv = cfmt_json_parse(&doc, pwhy, body, len, &limits, unit_pool);

    ck_assert_msg((rv == APR_SUCCESS) == (doc != NULL), "%s", body);
    ck_assert_msg((rv == APR_SUCCESS) == (*pwhy == NULL), "%s", body);
    ck_assert(rv == APR_SUCCESS || rv == CFMT_EINVALID);
    return doc;
}

static const struct {
    const char *body;
    const char *why; /* begins with it; NULL = taken */
} rows[] = {
    {"{}", NULL},
    {" \t\r\n{} \r\n\t ", NULL},
    {"[]", NULL},
    {"null", NULL},
    {"12", NULL},
    {"\"x\"", NULL},
    {"{\"a\":1,\"b\":[true,false,null,\"\",{},-0.5e+10]}", NULL},
    {"{\"\":1}", NULL},
    {"", "empty body"},
    {" \r\n\t", "empty body"},
    {"{", "malformed near byte 1 ("},
    {"{\"a\"", "malformed near byte"},
    {"{\"a\":1", "malformed near byte 6 ("},
    {"{\"a\":1,}", "malformed near byte"},
    {"{\"a\" 1}", "malformed"},
    {"{a:1}", "malformed"},
    {"{'a':1}", "malformed"},
    {"{\"a\":01}", "malformed"},
    {"{\"a\":+1}", "malformed"},
    {"{\"a\":.5}", "malformed"},
    {"{\"a\":1.}", "malformed"},
    {"{\"a\":1e}", "malformed"},
    {"{\"a\":0x1}", "malformed"},
    {"{\"a\":NaN}", "malformed"},
    {"{\"a\":tru}", "malformed"},
    {"{\"a\":\"b\nc\"}", "malformed"},
    {"{\"a\":\"\\q\"}", "malformed"},
    {"{\"a\":\"\\u12\"}", "malformed"},
    {"{\"a\":\"\\ud800\\u12\"}", "malformed"},
    {"{\"a\":\"\\u12G4\"}", "malformed"},
    {"[1,]", "malformed"},
    {"[1}", "malformed"},
    {"]", "malformed near byte"},
    {"/* c */{}", "malformed"},
    {"{}//c", "bytes after the document at byte 2"},
    {"\xEF\xBB\xBF{}", "malformed"},
    {"{}x", "bytes after the document at byte 2"},
    {"{}{}", "bytes after the document at byte 2"},
    {"{} []", "bytes after the document at byte 3"},
    {"[]]", "bytes after the document at byte 2"},
    {"1 2", "bytes after the document at byte 2"},
    {"{}\"abc", "bytes after the document at byte 2"},
    {"[1] \"", "bytes after the document at byte 4"},
    {"\"a\"\"b", "bytes after the document at byte 3"},
    {"{\"a\":1,\"a\":1}", "repeated key \"a\" near byte"},
    {"{\"a\":1,\"\\u0061\":1}", "repeated key \"a\" near byte"},
    {"{\"data\":{\"x\":1,\"x\":2}}", "repeated key \"x\" near byte"},
    {"{\"data\":1,\"data\":{}}", "repeated key \"data\" near byte"},
    {"{\"a\\u001bb\":1,\"a\\u001bb\":2}", "repeated key \"a\\x1bb\" near byte"},
    {"{\"other\":{\"x\":1,\"x\":2}}", NULL},
    {"{\"data\":{\"y\":{\"x\":1,\"x\":2}}}", NULL},
    {"{\"data\":[{\"x\":1,\"x\":2}]}", NULL},
    {"{\"y\":{\"data\":{\"x\":1,\"x\":2}}}", NULL},
    {"[{\"x\":1,\"x\":2}]", NULL},
    {"{\"a\":1,\"A\":1,\"a\\u0000\":1}", NULL},
    {"{\"a\":\"\xC3\xA4\"}", NULL},
    {"{\"a\":\"\xC0\xAF\"}", "invalid UTF-8 at byte 6"},
    {"{\"a\":\"\xED\xA0\x80\"}", "invalid UTF-8 at byte 6"},
    {"{\"a\":\"\xF4\x90\x80\x80\"}", "invalid UTF-8 at byte 6"},
    {"{\"a\xFF\":1}", "invalid UTF-8 at byte 3"},
    {"{}\xFF", "invalid UTF-8 at byte 2"},
};

START_TEST(test_accepts)
{
    apr_size_t i;
    const char *why;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        parse(rows[i].body, strlen(rows[i].body), &why);
        ck_assert_msg((why == NULL) == (rows[i].why == NULL), "%s: %s", rows[i].body,
                      why ? why : "taken");
        ck_assert_msg(!why || strncmp(why, rows[i].why, strlen(rows[i].why)) == 0,
                      "%s: %s, not %s", rows[i].body, why, rows[i].why);
        ck_assert_msg(!why || strpbrk(why, "\n\x1b") == NULL, "%s", rows[i].body);
    }
    parse("{}\0", 3, &why);
    ck_assert_msg(why && strstr(why, "bytes after"), "a NUL behind: %s", why);
    parse("\0", 1, &why);
    ck_assert(why && strstr(why, "malformed"));
    parse("{\"a\":\"x\0y\"}", 11, &why);
    ck_assert(why && strstr(why, "malformed"));
}
END_TEST

static const char *nested(int depth, const char *open, const char *close)
{
    const char *text = "";
    int i;

    for (i = 0; i < depth; i++) {
        text = apr_pstrcat(unit_pool, open, text, close, NULL);
    }
    return text;
}

START_TEST(test_depth)
{
    const char *why, *body;

    body = nested(32, "[", "]");
    ck_assert(parse(body, strlen(body), &why) != NULL);
    body = nested(33, "[", "]");
    ck_assert(parse(body, strlen(body), &why) == NULL);
    ck_assert_str_eq(why, "nesting deeper than 32 levels near byte 33");
    body = apr_pstrcat(unit_pool, nested(31, "{\"a\":", ""), "{}", nested(31, "", "}"), NULL);
    ck_assert(parse(body, strlen(body), &why) != NULL);
    body = apr_pstrcat(unit_pool, nested(32, "{\"a\":", ""), "{}", nested(32, "", "}"), NULL);
    ck_assert(parse(body, strlen(body), &why) == NULL);
    ck_assert_msg(strstr(why, "nesting deeper than 32") != NULL, "%s", why);
    /* Wide is not deep. */
    body = apr_pstrcat(unit_pool, "[", nested(40, "[],{},", ""), "0]", NULL);
    ck_assert(parse(body, strlen(body), &why) != NULL);
    body = nested(20000, "[", "");
    ck_assert(parse(body, strlen(body), &why) == NULL);
}
END_TEST

START_TEST(test_tree)
{
    static const char body[] = "{\"s\":\"t\\u0041\\n\\u00e4\\ud83d\\ude00\",\"n\":-12.50e3,"
                               "\"b\":true,\"z\":null,\"l\":[1,[],\"two\"],\"o\":{\"k\":\"v\"}}";
    const char *why;
    const cfmt_json_t *doc = parse(body, strlen(body), &why), *c;

    ck_assert_int_eq(doc->type, CFMT_JSON_OBJECT);
    ck_assert(doc->key == NULL && doc->next == NULL);
    ck_assert_str_eq(cfmt_json_text(doc, "s"), "tA\n\xC3\xA4\xF0\x9F\x98\x80");
    ck_assert_str_eq(cfmt_json_text(doc, "n"), "-12.50e3");
    c = cfmt_json_get(doc, "b");
    ck_assert(c->type == CFMT_JSON_BOOL && c->flag == 1);
    ck_assert_int_eq(cfmt_json_get(doc, "z")->type, CFMT_JSON_NULL);
    c = cfmt_json_get(doc, "l");
    ck_assert(c->type == CFMT_JSON_ARRAY && c->child->type == CFMT_JSON_NUMBER);
    ck_assert(c->child->next->type == CFMT_JSON_ARRAY && !c->child->next->child);
    ck_assert_str_eq(c->child->next->next->text, "two");
    ck_assert(c->child->next->next->next == NULL && c->child->next->next->key == NULL);
    ck_assert_str_eq(cfmt_json_text(cfmt_json_get(doc, "o"), "k"), "v");
    ck_assert(cfmt_json_get(doc, "missing") == NULL && cfmt_json_get(NULL, "s") == NULL);
    ck_assert(cfmt_json_get(c, "s") == NULL);
    ck_assert(cfmt_json_text(doc, "b") == NULL && cfmt_json_text(doc, "o") == NULL);
}
END_TEST

/* What escapes can say and UTF-8 cannot, or C strings cannot. */
START_TEST(test_escapes)
{
    static const char body[] = "{\"nul\":\"a\\u0000b\",\"low\":\"x\\udc00y\",\"high\":"
                               "\"x\\ud800y\",\"both\":\"\\udc00\\udfff\","
                               "\"k\\u0000\":1,\"empty\":\"\"}";
    const char *why;
    const cfmt_json_t *doc = parse(body, strlen(body), &why), *c;

    c = cfmt_json_get(doc, "nul");
    ck_assert_uint_eq(c->len, 3);
    ck_assert_mem_eq(c->text, "a\0b", 4);
    ck_assert(cfmt_json_text(doc, "nul") == NULL);
    ck_assert_str_eq(cfmt_json_text(doc, "low"), "x\xEF\xBF\xBDy");
    ck_assert_str_eq(cfmt_json_text(doc, "both"), "\xEF\xBF\xBD\xEF\xBF\xBD");
    ck_assert(cfmt_text_is_utf8(cfmt_json_text(doc, "high"), strlen(cfmt_json_text(doc, "high"))));
    ck_assert(cfmt_json_get(doc, "k") == NULL);
    ck_assert(cfmt_json_text(doc, "empty") == NULL && cfmt_json_get(doc, "empty") != NULL);
}
END_TEST

static const struct {
    const char *value;
    int ok;
    apr_int64_t want;
} ints[] = {
    {"0", 1, 0}, {"-7", 1, -7}, {"\"42\"", 1, 42}, {"9223372036854775807", 1, APR_INT64_MAX},
    {"-9223372036854775808", 1, APR_INT64_MIN}, {"9223372036854775808", 0, 0},
    {"123456789012345678901234567890123456789012345678901234567890", 0, 0},
    {"1.0", 0, 0}, {"1e3", 0, 0}, {"\" 1\"", 0, 0}, {"\"\"", 0, 0}, {"\"x\"", 0, 0},
    {"true", 0, 0}, {"null", 0, 0}, {"[1]", 0, 0}, {"1e999999", 0, 0},
};

START_TEST(test_int)
{
    const char *why, *body;
    const cfmt_json_t *doc;
    apr_int64_t n;
    apr_size_t i;

    for (i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
        body = apr_pstrcat(unit_pool, "{\"n\":", ints[i].value, "}", NULL);
        doc = parse(body, strlen(body), &why);
        ck_assert_msg(doc != NULL, "%s: %s", body, why);
        n = 0;
        ck_assert_msg(cfmt_json_int(&n, doc, "n") == (ints[i].ok ? APR_SUCCESS : CFMT_EINVALID)
                          && n == ints[i].want, "%s", body);
        ck_assert_int_eq(cfmt_json_int(&n, doc, "missing"), CFMT_EINVALID);
    }
}
END_TEST

static const struct {
    const char *text, *want;
} quotes[] = {
    {"", "\"\""},
    {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
    {"\n\t\x01\x7F", "\"\\u000a\\u0009\\u0001\\u007f\""},
    {"\xC3\xA4\xF0\x9F\x98\x80", "\"\xC3\xA4\xF0\x9F\x98\x80\""},
    {"\xC2\x9B\xE2\x80\xAE\xE2\x81\xA6", "\"\\u009b\\u202e\\u2066\""},
    {"a\xFF\xC0\xAFz", "\"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\""},
    {"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
};

START_TEST(test_quote)
{
    apr_size_t i;

    for (i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++) {
        ck_assert_str_eq(cfmt_json_quote(unit_pool, quotes[i].text), quotes[i].want);
    }
}
END_TEST

/* Every text comes back as it was. */
START_TEST(test_quote_round_trip)
{
    char all[128];
    const char *why, *quoted;
    const cfmt_json_t *doc;
    int i;

    for (i = 1; i < 128; i++) {
        all[i - 1] = (char)i;
    }
    all[127] = '\0';
    quoted = cfmt_json_quote(unit_pool, all);
    doc = parse(quoted, strlen(quoted), &why);
    ck_assert_msg(doc != NULL, "%s", why);
    ck_assert_str_eq(doc->text, all);
}
END_TEST

/* A string that is one long escape: yajl's buffer grows many times. */
START_TEST(test_large)
{
    const apr_size_t n = 40000;
    char *body = apr_palloc(unit_pool, n * 6 + 3);
    const cfmt_json_t *doc;
    const char *why;
    apr_size_t i;

    body[0] = '"';
    for (i = 0; i < n; i++) {
        memcpy(body + 1 + i * 6, "\\u00e4", 6);
    }
    body[n * 6 + 1] = '"';
    doc = parse(body, n * 6 + 2, &why);
    ck_assert_uint_eq(doc->len, n * 2);
    ck_assert(cfmt_text_is_utf8(doc->text, doc->len));
}
END_TEST

UNIT_SUITE_BEGIN(json)
    UNIT_TEST(test_accepts)
    UNIT_TEST(test_depth)
    UNIT_TEST(test_tree)
    UNIT_TEST(test_escapes)
    UNIT_TEST(test_int)
    UNIT_TEST(test_quote)
    UNIT_TEST(test_quote_round_trip)
    UNIT_TEST(test_large)
UNIT_SUITE_END
