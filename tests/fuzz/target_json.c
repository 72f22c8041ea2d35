/*
 * JSON within limits: whatever is accepted is a sound tree, and every text survives quoting. The
 * first byte is the depth allowed, the second says where repeated keys are refused.
 */
#include <string.h>

#include "cfmt_intake.h"
#include "fuzz.h"

static const cfmt_json_limits_t flat = {.depth = 1};

/* quote -> parse gives the same text. */
static void check_quote(const char *text, apr_pool_t *p)
{
    const char *quoted = cfmt_json_quote(p, text), *why;
    cfmt_json_t *doc;

    FUZZ_CHECK(fuzz_printable(quoted, strlen(text) * 6 + 2));
    FUZZ_CHECK(cfmt_json_parse(&doc, &why, quoted, strlen(quoted), &flat, p) == APR_SUCCESS);
    FUZZ_CHECK(doc->type == CFMT_JSON_STRING && doc->len == strlen(doc->text));
    FUZZ_CHECK(!fuzz_is_utf8(text, strlen(text)) || !strcmp(doc->text, text));
}

static void check_text(const char *text, apr_size_t len, apr_pool_t *p)
{
    FUZZ_CHECK(text && text[len] == '\0');
    FUZZ_CHECK(fuzz_is_utf8(text, len));
    if (!memchr(text, '\0', len)) {
        check_quote(text, p);
    }
}

static void check_unique(const cfmt_json_t *object)
{
    const cfmt_json_t *a, *b;

    for (a = object->child; a; a = a->next) {
        for (b = a->next; b; b = b->next) {
            FUZZ_CHECK(a->key_len != b->key_len || memcmp(a->key, b->key, a->key_len));
        }
    }
}

/* The first member of a name is the one that is read. */
static void check_get(const cfmt_json_t *object, const cfmt_json_t *member)
{
    const cfmt_json_t *got;
    apr_int64_t n;

    if (memchr(member->key, '\0', member->key_len)) {
        return;
    }
    got = cfmt_json_get(object, member->key);
    FUZZ_CHECK(got && !strcmp(got->key, member->key));
    FUZZ_CHECK(!cfmt_json_text(object, member->key) || got->len > 0);
    FUZZ_CHECK(cfmt_json_int(&n, object, member->key) != APR_SUCCESS
               || cfmt_json_text(object, member->key));
}

static void check_node(const cfmt_json_t *node, const cfmt_json_limits_t *limits, int depth,
                       apr_pool_t *p)
{
    const cfmt_json_t *c;

    if (node->type == CFMT_JSON_STRING || node->type == CFMT_JSON_NUMBER) {
        FUZZ_CHECK(!node->child);
        check_text(node->text, node->len, p);
    }
    if (node->type != CFMT_JSON_ARRAY && node->type != CFMT_JSON_OBJECT) {
        return;
    }
    FUZZ_CHECK(depth <= limits->depth);
    for (c = node->child; c; c = c->next) {
        FUZZ_CHECK((c->key != NULL) == (node->type == CFMT_JSON_OBJECT));
        if (c->key) {
            check_text(c->key, c->key_len, p);
            check_get(node, c);
        }
        check_node(c, limits, depth + 1, p);
    }
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    cfmt_json_limits_t limits = {.depth = 1 + (int)(fuzz_byte(&data, &len) % 40)};
    unsigned unique = fuzz_byte(&data, &len);
    const char *why = NULL;
    cfmt_json_t *doc;

    limits.unique = unique & 1;
    limits.unique_member = unique & 2 ? "data" : NULL;
    check_quote(fuzz_text(data, len, p), p);
    if (cfmt_json_parse(&doc, &why, data, len, &limits, p) != APR_SUCCESS) {
        FUZZ_CHECK(!doc && why && fuzz_printable(why, 200));
        return;
    }
    FUZZ_CHECK(fuzz_is_utf8(data, len));
    FUZZ_CHECK(!doc->key && !doc->next);
    check_node(doc, &limits, 1, p);
    if (limits.unique && doc->type == CFMT_JSON_OBJECT) {
        check_unique(doc);
    }
    if (limits.unique_member && cfmt_json_get(doc, "data")
        && cfmt_json_get(doc, "data")->type == CFMT_JSON_OBJECT) {
        check_unique(cfmt_json_get(doc, "data"));
    }
}
