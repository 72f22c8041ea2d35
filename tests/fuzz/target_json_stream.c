/*
 * JSON in pieces: rows, envelope and verdict are the same however the document is cut, and a
 * document is taken only if the parser of whole ones takes it, too. The first byte chooses the row
 * paths, the second the depth allowed, the third how it is cut.
 */
#include <apr_strings.h>

#include "cfmt_intake.h"
#include "fuzz.h"

#define ROW_MAX 2000
#define ENVELOPE_MAX 3000

static const char *const none[] = {NULL};
static const char *const result[] = {"result", NULL};
static const char *const several[] = {"result", "a.0.b", "a.1", "a", "0", "items", NULL};
static const char *const traffic[] = {"data.viewer.accounts.0.traffic", "data.viewer", NULL};
static const char *const *const paths[] = {none, result, several, traffic};

/* What a run gave; everything it saw is mixed into sum, in order. */
typedef struct seen_t {
    apr_uint64_t sum;
    int rows, refuse_at, npaths;
    apr_size_t size; /* of the tree being looked at */
} seen_t;

static void mix(seen_t *seen, const void *data, apr_size_t len)
{
    const unsigned char *at = data;

    while (len-- > 0) {
        seen->sum = (seen->sum ^ *at++) * APR_UINT64_C(1099511628211);
    }
}

static void see_text(seen_t *seen, const char *text, apr_size_t len)
{
    FUZZ_CHECK(text && text[len] == '\0');
    FUZZ_CHECK(fuzz_is_utf8(text, len));
    mix(seen, text, len + 1);
    seen->size += len + 1;
}

static void see_node(seen_t *seen, const cfmt_json_t *node, int depth)
{
    const cfmt_json_t *c;
    int container = node->type == CFMT_JSON_ARRAY || node->type == CFMT_JSON_OBJECT;

    seen->size += sizeof(*node);
    mix(seen, &node->type, sizeof(node->type));
    mix(seen, &node->flag, sizeof(node->flag));
    if (node->type == CFMT_JSON_STRING || node->type == CFMT_JSON_NUMBER) {
        see_text(seen, node->text, node->len);
    }
    FUZZ_CHECK(container ? depth > 0 : !node->child);
    for (c = node->child; c; c = c->next) {
        FUZZ_CHECK((c->key != NULL) == (node->type == CFMT_JSON_OBJECT));
        if (c->key) {
            see_text(seen, c->key, c->key_len);
        }
        see_node(seen, c, depth - 1);
    }
    mix(seen, "]", 1);
}

static apr_status_t on_row(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    seen_t *seen = baton;

    FUZZ_CHECK(which >= 0 && which < seen->npaths && row && prow && !row->key && !row->next);
    seen->size = 0;
    mix(seen, &which, sizeof(which));
    see_node(seen, row, 40);
    FUZZ_CHECK(seen->size <= ROW_MAX);
    return ++seen->rows == seen->refuse_at ? CFMT_EFULL : APR_SUCCESS;
}

/* 0: all at once; odd: pieces of one to five bytes; else two pieces. */
static apr_size_t piece_size(unsigned cut, apr_size_t at, apr_size_t len)
{
    apr_size_t n = len - at;

    if (cut & 1) {
        n = 1 + (cut >> 1) % 5;
    }
    else if (cut && at == 0) {
        n = 1 + len * cut / 256;
    }
    return n < len - at ? n : len - at;
}

static apr_status_t run(seen_t *seen, const cfmt_json_stream_conf_t *conf, unsigned cut,
                        const char *data, apr_size_t len, apr_pool_t *p)
{
    cfmt_json_stream_t *s = cfmt_json_stream_create(conf, p);
    const cfmt_json_t *envelope = NULL;
    apr_size_t at = 0, n;
    apr_status_t rv;

    for (; at < len; at += n) {
        n = piece_size(cut, at, len);
        cfmt_json_stream_feed(s, apr_pmemdup(p, data + at, n), n);
    }
    rv = cfmt_json_stream_end(s, &envelope);
    FUZZ_CHECK(cfmt_json_stream_rows(s) == seen->rows);
    FUZZ_CHECK((rv == APR_SUCCESS) == (envelope != NULL));
    FUZZ_CHECK((rv == APR_SUCCESS) == (*cfmt_json_stream_error(s) == '\0'));
    FUZZ_CHECK(fuzz_printable(cfmt_json_stream_error(s), 200));
    if (envelope) {
        FUZZ_CHECK(!envelope->key && !envelope->next);
        seen->size = 0;
        see_node(seen, envelope, conf->depth);
        FUZZ_CHECK(seen->size <= ENVELOPE_MAX);
    }
    return rv;
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    unsigned choice = fuzz_byte(&data, &len);
    cfmt_json_limits_t limits = {.depth = 1 + (int)(fuzz_byte(&data, &len) % 40)};
    unsigned cut = fuzz_byte(&data, &len);
    seen_t whole = {.refuse_at = (int)(choice >> 5)}, pieces = whole;
    cfmt_json_stream_conf_t conf = {
        .rows = paths[choice % 4], .row = on_row, .baton = &whole, .depth = limits.depth,
        .row_max = ROW_MAX, .envelope_max = ENVELOPE_MAX,
    };
    const char *why;
    cfmt_json_t *doc;
    apr_status_t rv;

    while (conf.rows[whole.npaths]) {
        whole.npaths++;
    }
    pieces.npaths = whole.npaths;
    rv = run(&whole, &conf, 0, data, len, p);
    conf.baton = &pieces;
    FUZZ_CHECK(run(&pieces, &conf, cut, data, len, p) == rv);
    FUZZ_CHECK(pieces.rows == whole.rows && pieces.sum == whole.sum);
    if (rv == APR_SUCCESS) {
        FUZZ_CHECK(cfmt_json_parse(&doc, &why, data, len, &limits, p) == APR_SUCCESS);
    }
}
