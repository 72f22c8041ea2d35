/*
 * Unit tests of src/intake/json_stream.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_intake.h"
#include "unit.h"

#define DEPTH 8
#define ROW_MAX 600
#define ENVELOPE_MAX 3000

/* ---- what a stream gave, as text ------------------------------------------------------------- */

typedef struct seen_t {
    apr_pool_t *p;
    const char *text;
    int refuse_at; /* the row that is refused; 0 = none */
    int rows;
    apr_pool_t *prow;
} seen_t;

static const char *write_json(const cfmt_json_t *j, apr_pool_t *p)
{
    static const char *const open[] = {"", "", "", "", "[", "{"}, *const close = "    ]}";
    const char *out = "";
    const cfmt_json_t *c;

    switch (j->type) {
    case CFMT_JSON_NULL:
        return "null";
    case CFMT_JSON_BOOL:
        return j->flag ? "true" : "false";
    case CFMT_JSON_NUMBER:
        return j->text;
    case CFMT_JSON_STRING:
        return cfmt_json_quote(p, j->text);
    default:
        for (c = j->child; c; c = c->next) {
            ck_assert((c->key != NULL) == (j->type == CFMT_JSON_OBJECT));
            out = apr_pstrcat(p, out, c == j->child ? "" : ",", c->key ? c->key : "",
                              c->key ? ":" : "", write_json(c, p), NULL);
        }
        return apr_psprintf(p, "%s%s%c", open[j->type], out, close[j->type]);
    }
}

static apr_status_t see_row(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    seen_t *seen = baton;

    ck_assert(!row->key && !row->next);
    ck_assert(!seen->prow || seen->prow == prow);
    seen->prow = prow;
    seen->text = apr_psprintf(seen->p, "%s%d%s ", seen->text, which, write_json(row, seen->p));
    return ++seen->rows == seen->refuse_at ? CFMT_EFULL : APR_SUCCESS;
}

static const char *const result_path[] = {"result", NULL};

static cfmt_json_stream_conf_t conf_for(const char *const *rows, seen_t *seen)
{
    cfmt_json_stream_conf_t conf = {
        .rows = rows, .row = see_row, .baton = seen, .depth = DEPTH, .row_max = ROW_MAX,
        .envelope_max = ENVELOPE_MAX,
    };

    return conf;
}

/* "near byte N" is where a token was understood to be wrong, which depends on the pieces. */
static const char *comparable(const char *error, apr_pool_t *p)
{
    const char *near = strstr(error, " near byte");

    return near ? apr_pstrmemdup(p, error, (apr_size_t)(near - error)) : error;
}

/*
 * Rows, then the envelope or the error. The document comes in pieces that end at cut and then after
 * each step bytes; each lies in a block of its own, so that nothing is read behind it.
 */
static const char *run(const cfmt_json_stream_conf_t *conf, const char *doc, apr_size_t len,
                       apr_size_t cut, apr_size_t step)
{
    seen_t *seen = conf->baton;
    apr_pool_t *p = seen->p;
    cfmt_json_stream_t *s = cfmt_json_stream_create(conf, p);
    const cfmt_json_t *envelope = (const cfmt_json_t *)1;
    apr_size_t at = 0, end = cut;
    apr_status_t rv;
    char *piece;

    seen->text = "";
    seen->rows = 0;
    seen->prow = NULL;
    while (at < len) {
        end = end > len ? len : end;
        piece = apr_pmemdup(p, doc + at, end - at);
        rv = cfmt_json_stream_feed(s, piece, end - at);
        memset(piece, '!', end - at);
        at = end;
        end += step;
        ck_assert((rv == APR_SUCCESS) == (cfmt_json_stream_error(s)[0] == '\0'));
    }
    rv = cfmt_json_stream_end(s, &envelope);
    ck_assert(cfmt_json_stream_end(s, &envelope) == rv);
    ck_assert(cfmt_json_stream_feed(s, " ", 1) == rv);
    ck_assert_int_eq(cfmt_json_stream_rows(s), seen->rows);
    ck_assert((rv == APR_SUCCESS) == (envelope != NULL));
    ck_assert(rv == APR_SUCCESS || rv == (seen->refuse_at ? CFMT_EFULL : CFMT_EINVALID));
    return apr_pstrcat(p, seen->text,
                       envelope ? write_json(envelope, p)
                                : apr_pstrcat(p, "! ", comparable(cfmt_json_stream_error(s), p),
                                              NULL), NULL);
}

/* The same, however it is cut. */
static void check(const char *const *rows, const char *doc, apr_size_t len, const char *want)
{
    apr_size_t cut;

    for (cut = 0; cut <= len + 4; cut++) {
        seen_t seen = {0};
        cfmt_json_stream_conf_t conf = conf_for(rows, &seen);
        const char *got;

        apr_pool_create(&seen.p, unit_pool);
        /* whole, in two pieces, in pieces of one to three bytes */
        got = cut <= len ? run(&conf, doc, len, cut, len + 1) : run(&conf, doc, len, 1, cut - len);
        ck_assert_msg(strcmp(got, want) == 0, "%.200s cut at %d:\n%s\nnot\n%s", doc, (int)cut, got,
                      want);
        apr_pool_destroy(seen.p);
    }
}

/* ---- rows and envelope ----------------------------------------------------------------------- */

static const char *const traffic[] = {"data.viewer.accounts.0.traffic",
                                      "data.viewer.accounts.0.health", NULL};
static const char *const many[] = {"a.1", "a.1.b", "c", "d..e", "0.x", "c", NULL};

static const struct {
    const char *const *rows;
    const char *doc, *want;
} docs[] = {
    {NULL, "{\"a\":[1,{\"b\":null}],\"c\":\"x\"}", "{a:[1,{b:null}],c:\"x\"}"},
    {NULL, " [ ] ", "[]"},
    {NULL, "-12.5e3", "-12.5e3"},
    {NULL, "\"\\u00e4\xE2\x82\xAC\xF0\x9F\x98\x80\"", "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\""},
    {NULL, "\"\\ud83d\\ude00 \\udc00 \\\\\"",
     "\"\xF0\x9F\x98\x80 \xEF\xBF\xBD \\\\\""},
    {result_path, "{\"success\":true,\"errors\":[],\"result\":[{\"id\":1},{\"id\":2}],\"n\":1}",
     "0{id:1} 0{id:2} {success:true,errors:[],result:[],n:1}"},
    {result_path, "{\"result\":[1,\"a\",null,true,[],[2]]}",
     "01 0\"a\" 0null 0true 0[] 0[2] {result:[]}"},
    {result_path, "{\"result\":{\"id\":{\"result\":[1]}},\"success\":false}",
     "0{id:{result:[1]}} {result:{},success:false}"},
    {result_path, "{\"result\":{}}", "0{} {result:{}}"},
    {result_path, "{\"result\":[]}", "{result:[]}"},
    {result_path, "{\"result\":null}", "{result:null}"},
    {result_path, "{\"result\":\"text\"}", "{result:\"text\"}"},
    {result_path, "{}", "{}"},
    {result_path, "[{\"result\":[1]}]", "[{result:[1]}]"},
    {result_path, "{\"x\":{\"result\":[1]},\"results\":[2],\"resul\":[3]}",
     "{x:{result:[1]},results:[2],resul:[3]}"},
    {traffic,
     "{\"data\":{\"viewer\":{\"accounts\":[{\"traffic\":[{\"n\":1},{\"n\":[2]}],\"x\":{},"
     "\"health\":[{\"h\":0.5}]},{\"traffic\":[9]}]}},\"errors\":null}",
     "0{n:1} 0{n:[2]} 1{h:0.5} "
     "{data:{viewer:{accounts:[{traffic:[],x:{},health:[]},{traffic:[9]}]}},errors:null}"},
    {traffic, "{\"data\":{\"viewer\":{\"accounts\":[]}}}", "{data:{viewer:{accounts:[]}}}"},
    {traffic, "{\"data\":{\"viewer\":{\"accounts\":{\"0\":{\"traffic\":[1]}}}}}",
     "01 {data:{viewer:{accounts:{0:{traffic:[]}}}}}"},
    {traffic, "{\"viewer\":{\"accounts\":[{\"traffic\":[1]}]},\"data\":{\"accounts\":[{}]}}",
     "{viewer:{accounts:[{traffic:[1]}]},data:{accounts:[{}]}}"},
    {traffic, "{\"data\":null,\"errors\":[{\"message\":\"m\"}]}",
     "{data:null,errors:[{message:\"m\"}]}"},
    {many, "{\"a\":[[1],{\"b\":[2],\"x\":3},[4]],\"c\":[5],\"d\":{\"\":{\"e\":[6]},\"e\":[7]}}",
     "0{b:[2],x:3} 25 36 {a:[[1],{},[4]],c:[],d:{:{e:[]},e:[7]}}"},
    {many, "[{\"x\":[1]},{\"x\":[2]}]", "41 [{x:[]},{x:[2]}]"},
    /* A row may repeat a key, the envelope may not. */
    {result_path, "{\"result\":[{\"a\":1,\"a\":2}]}", "0{a:1,a:2} {result:[]}"},
    {result_path, "{\"result\":{\"a\":1,\"a\":2}}", "0{a:1,a:2} {result:{}}"},
    {result_path, "{\"success\":true,\"success\":false}", "! repeated key"},
    {result_path, "{\"x\":[{\"s\":1,\"\\u0073\":2}]}", "! repeated key"},
    {result_path, "{\"result\":[1],\"result\":[2]}", "01 ! repeated key"},
};

START_TEST(test_every_cut)
{
    apr_size_t i;

    for (i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
        check(docs[i].rows, docs[i].doc, strlen(docs[i].doc), docs[i].want);
    }
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------- */

static const struct {
    const char *doc, *want;
} bad[] = {
    {"", "! malformed (parse error: premature EOF)"},
    {" \n", "! malformed (parse error: premature EOF)"},
    {"{\"result\":[1,{\"a\":2}", "01 0{a:2} ! malformed (parse error: premature EOF)"},
    {"{\"result\":[{\"a\":", "! malformed (parse error: premature EOF)"},
    {"{\"result\":[{\"a\":\"x", "! malformed (parse error: premature EOF)"},
    {"<html>", "! malformed (lexical error: invalid char in json text.)"},
    {"{\"result\":[1}", "01 ! malformed (parse error: after array element, I expect ',' or ']')"},
    {"{\"result\":[tru]}", "! malformed (lexical error: invalid string in json text.)"},
    {"{\"result\":[1]}x", "01 ! bytes after the document at byte 14"},
    {"{\"result\":[1]} \n {}", "01 ! bytes after the document at byte 17"},
    {"{\"result\":[1]}\"ab", "01 ! bytes after the document at byte 14"},
    {"\"a\" \"b", "! bytes after the document at byte 4"},
    {"{\"result\":[1,\"\xC0\xAF\"]}", "01 ! invalid UTF-8 at byte 14"},
    {"{\"result\":[1,\"\xE2\x82\"]}", "01 ! invalid UTF-8 at byte 14"},
    {"{\"result\":[1,\"\xED\xA0\x80\"]}", "01 ! invalid UTF-8 at byte 14"},
    {"{\"result\":[1,\"\xF4\x90\x80\x80\"]}", "01 ! invalid UTF-8 at byte 14"},
    {"{\"result\":[1,\"\xF0\x9F\x98", "01 ! invalid UTF-8 at byte 14"},
    {"{\"result\":[1,\"\x80", "01 ! invalid UTF-8 at byte 14"},
    {"{\"result\":[1,\"\xC3", "01 ! invalid UTF-8 at byte 14"},
    {"{\"result\":[1]}\xFF", "01 ! invalid UTF-8 at byte 14"},
    {"{\"\xFF\":1}", "! invalid UTF-8 at byte 2"},
    /* eight levels are allowed, in rows as in the envelope */
    {"[[[[[[[[1]]]]]]]]", "[[[[[[[[1]]]]]]]]"},
    {"[[[[[[[[[1]]]]]]]]]", "! nesting deeper than 8 levels"},
    {"{\"result\":[[[[[[[1]]]]]]]}", "0[[[[[[1]]]]]] {result:[]}"},
    {"{\"result\":[[[[[[[[1]]]]]]]]}", "! nesting deeper than 8 levels"},
    {"{\"result\":{\"a\":[[[[[[1]]]]]]}}", "0{a:[[[[[[1]]]]]]} {result:{}}"},
    {"{\"result\":{\"a\":[[[[[[[1]]]]]]]}}", "! nesting deeper than 8 levels"},
};

START_TEST(test_refused)
{
    apr_size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check(result_path, bad[i].doc, strlen(bad[i].doc), bad[i].want);
    }
    check(result_path, "{\"result\":[1]}\0", 15, "01 ! bytes after the document at byte 14");
}
END_TEST

static const char *filled(const char *before, int n, const char *after)
{
    char *x = apr_palloc(unit_pool, (apr_size_t)n + 1);

    memset(x, 'x', (apr_size_t)n);
    x[n] = '\0';
    return apr_pstrcat(unit_pool, before, x, after, NULL);
}

static const char *repeated(const char *before, const char *item, int n, const char *after)
{
    while (n-- > 0) {
        before = apr_pstrcat(unit_pool, before, item, NULL);
    }
    return apr_pstrcat(unit_pool, before, after, NULL);
}

static const char *run_whole(const char *doc, apr_size_t step)
{
    seen_t seen = {.p = unit_pool};
    cfmt_json_stream_conf_t conf = conf_for(result_path, &seen);

    return run(&conf, doc, strlen(doc), step, step);
}

/* Whatever is too large: one text, one key, many nodes; in a row and around the rows. */
START_TEST(test_sizes)
{
    const char *row = "! row larger than 600 bytes";
    const char *envelope = "! envelope larger than 3000 bytes";
    const char *doc;

    doc = filled("{\"result\":[\"", 500, "\"]}");
    check(result_path, doc, strlen(doc), filled("0\"", 500, "\" {result:[]}"));
    doc = filled("{\"result\":[\"", 600, "\"]}");
    check(result_path, doc, strlen(doc), row);
    doc = filled("{\"result\":[{\"", 600, "\":1}]}");
    check(result_path, doc, strlen(doc), row);
    ck_assert_str_eq(run_whole(repeated("{\"result\":[[", "1,", 20, "1]]}"), 7), row);
    ck_assert_str_eq(run_whole(repeated("{\"result\":[[", "[],", 20, "[]]]}"), 7), row);
    doc = filled("{\"x\":\"", 700, "\",\"result\":[1]}");
    check(result_path, doc, strlen(doc), filled("01 {x:\"", 700, "\",result:[]}"));
    ck_assert_str_eq(run_whole(filled("{\"x\":\"", 3000, "\"}"), 5000), envelope);
    ck_assert_str_eq(run_whole(filled("{\"", 3000, "\":1}"), 5000), envelope);
    ck_assert_str_eq(run_whole(repeated("[", "1,", 60, "1]"), 3), envelope);
    /* Many rows are not large. */
    doc = run_whole(repeated("{\"result\":[", "{\"a\":1},", 400, "0]}"), 9);
    ck_assert_msg(strstr(doc, "00 {result:[]}") != NULL, "%s", doc);
}
END_TEST

/* A token without an end, in small pieces: refused long before it fills the memory. */
START_TEST(test_endless_token)
{
    static const char *const starts[] = {"{\"result\":[\"", "{\"x\":\"", "{\"", "[1"};
    static const char *const more[] = {"\\u0041", "yyyyyy", "\\\\zzzz", "111111"};
    seen_t seen = {.p = unit_pool};
    cfmt_json_stream_conf_t conf = conf_for(result_path, &seen);
    const char *piece;
    apr_size_t fed;
    int i;

    seen.text = "";
    for (i = 0; i < 4; i++) {
        cfmt_json_stream_t *s = cfmt_json_stream_create(&conf, unit_pool);

        piece = repeated("", more[i], 100, "");
        ck_assert_int_eq(cfmt_json_stream_feed(s, starts[i], strlen(starts[i])), APR_SUCCESS);
        for (fed = 0; fed < 1000000; fed += 600) {
            if (cfmt_json_stream_feed(s, piece, 600) != APR_SUCCESS) {
                break;
            }
        }
        ck_assert_uint_lt(fed, 300000);
        ck_assert(strncmp(cfmt_json_stream_error(s), "token too large at byte ", 24) == 0);
    }
}
END_TEST

START_TEST(test_row_refuses)
{
    static const char doc[] = "{\"result\":[1,2,3]}";
    apr_size_t step;

    for (step = 1; step < sizeof(doc); step++) {
        seen_t seen = {.p = unit_pool, .refuse_at = 2};
        cfmt_json_stream_conf_t conf = conf_for(result_path, &seen);

        ck_assert_str_eq(run(&conf, doc, strlen(doc), step, step), "01 02 ! row refused");
    }
}
END_TEST

/* The error says where, and nothing of what stood there. */
START_TEST(test_error_text)
{
    static const char *const secret[] = {"{\"hush\":1,\"hush\":2}", "{\"a\":hush}", "hush",
                                         "{\"a\":1}hush", "{\"hush\" 1}", "{\"a\":\"hush\xFF\"}"};
    seen_t seen = {.p = unit_pool, .text = ""};
    cfmt_json_stream_conf_t conf = conf_for(result_path, &seen);
    const cfmt_json_t *envelope;
    cfmt_json_stream_t *s;
    apr_size_t i;

    for (i = 0; i < sizeof(secret) / sizeof(secret[0]); i++) {
        s = cfmt_json_stream_create(&conf, unit_pool);
        cfmt_json_stream_feed(s, secret[i], strlen(secret[i]));
        ck_assert_int_eq(cfmt_json_stream_end(s, &envelope), CFMT_EINVALID);
        ck_assert_msg(!strstr(cfmt_json_stream_error(s), "hush")
                          && strstr(cfmt_json_stream_error(s), " byte ")
                          && !strchr(cfmt_json_stream_error(s), '\n'),
                      "%s", cfmt_json_stream_error(s));
    }
    s = cfmt_json_stream_create(&conf, unit_pool);
    ck_assert_int_eq(cfmt_json_stream_feed(s, "{\"abc\":1,", 9), APR_SUCCESS);
    ck_assert_int_eq(cfmt_json_stream_feed(s, "\"abc\":2}", 8), CFMT_EINVALID);
    ck_assert_str_eq(cfmt_json_stream_error(s), "repeated key near byte 14");
}
END_TEST

/* ---- a large answer -------------------------------------------------------------------------- */

/* Bytes of a field of /proc/self/status. */
static long memory_of(const char *field)
{
    char line[200];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");

    ck_assert(f != NULL);
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, field, strlen(field)) == 0) {
            sscanf(line + strlen(field), "%ld", &kib);
        }
    }
    fclose(f);
    return kib * 1024;
}

/* Tools that check memory have a lot of their own. */
static int memory_is_checked(void)
{
    const char *preload = getenv("LD_PRELOAD");

#ifdef __SANITIZE_ADDRESS__
    return 1;
#endif
    return preload && strstr(preload, "valgrind");
}

static apr_status_t count_row(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    (void)which, (void)prow;
    *(long *)baton += cfmt_json_text(cfmt_json_get(row, "dimensions"), "target") != NULL;
    return APR_SUCCESS;
}

/* 10,000 rows of 500 bytes, as they come off the wire, in less than 1 MiB. */
START_TEST(test_large_answer)
{
    static const char before[] = "{\"data\":{\"viewer\":{\"accounts\":[{\"traffic\":[";
    static const char after[] = "]}]}},\"errors\":null}";
    long rows = 0, had, i;
    cfmt_json_stream_conf_t conf = {.rows = traffic, .row = count_row, .baton = &rows, .depth = 32,
                                    .row_max = 65536, .envelope_max = 65536};
    cfmt_json_stream_t *s = cfmt_json_stream_create(&conf, unit_pool);
    const cfmt_json_t *envelope;
    char row[600];
    int n;

    ck_assert_int_eq(cfmt_json_stream_feed(s, before, strlen(before)), APR_SUCCESS);
    had = memory_of("VmRSS:");
    for (i = 0; i < 10000; i++) {
        n = snprintf(row, sizeof(row), "%s{\"sum\":{\"bits\":%ld,\"packets\":%ld},\"dimensions\":{"
                     "\"target\":\"203.0.113.%ld\",\"text\":\"\\u00e4%0400ld\"}}", i ? "," : "",
                     i * 1000, i, i % 256, i);
        ck_assert_int_eq(cfmt_json_stream_feed(s, row, (apr_size_t)n), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_json_stream_feed(s, after, strlen(after)), APR_SUCCESS);
    ck_assert_int_eq(cfmt_json_stream_end(s, &envelope), APR_SUCCESS);
    ck_assert_int_eq(rows, 10000);
    ck_assert_int_eq(cfmt_json_stream_rows(s), 10000);
    ck_assert_int_eq(cfmt_json_get(envelope, "errors")->type, CFMT_JSON_NULL);
    ck_assert(memory_is_checked() || memory_of("VmRSS:") - had <= 1024 * 1024);
}
END_TEST

UNIT_SUITE_BEGIN(json_stream)
    UNIT_TEST(test_every_cut)
    UNIT_TEST(test_refused)
    UNIT_TEST(test_sizes)
    UNIT_TEST(test_endless_token)
    UNIT_TEST(test_row_refuses)
    UNIT_TEST(test_error_text)
    UNIT_TEST(test_large_answer)
UNIT_SUITE_END
