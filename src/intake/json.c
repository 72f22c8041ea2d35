/*
 * JSON: a whole document by yajl's callback parser into a tree, without recursion; how trees are
 * read, and how text is written. yajl is known here and in json_stream.c only.
 */
#include <string.h>

#include <apr_strings.h>

#include <yajl/yajl_parse.h>

#include "intake/json_private.h"

typedef struct parser_t {
    cfmt_json_tree_t tree;
    const cfmt_json_limits_t *limits;
    yajl_handle yajl;
    int ended;      /* the document is whole */
    apr_size_t end; /* and that is where */
} parser_t;

/* ---- yajl's events --------------------------------------------------------------------------- */

/* A value is whole when nothing is open around it: what comes now is behind the document. */
static int after_value(parser_t *s, int taken)
{
    if (taken && s->tree.depth == 0) {
        s->ended = 1;
        s->end = yajl_get_bytes_consumed(s->yajl);
    }
    return taken;
}

static int on_null(void *ctx)
{
    parser_t *s = ctx;

    return after_value(s, cfmt_json_tree_scalar(&s->tree, CFMT_JSON_NULL, 0));
}

static int on_boolean(void *ctx, int value)
{
    parser_t *s = ctx;

    return after_value(s, cfmt_json_tree_scalar(&s->tree, CFMT_JSON_BOOL, value));
}

static int on_number(void *ctx, const char *text, size_t len)
{
    parser_t *s = ctx;

    return after_value(s, cfmt_json_tree_text(&s->tree, CFMT_JSON_NUMBER, text, len));
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
    parser_t *s = ctx;

    return after_value(s, cfmt_json_tree_text(&s->tree, CFMT_JSON_STRING, (const char *)text, len));
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
    cfmt_json_tree_t *t = &((parser_t *)ctx)->tree;

    if (cfmt_json_tree_key(t, (const char *)text, len)) {
        return 1;
    }
    t->why = apr_psprintf(t->p, "%s \"%s\"", t->why, cfmt_text_escape(t->p, t->key, len, 64));
    return 0;
}

static int refuses_repeats(const parser_t *s, const cfmt_json_t *object)
{
    const char *member = s->limits->unique_member;

    if (s->tree.depth == 1) {
        return s->limits->unique;
    }
    return s->tree.depth == 2 && member && object->key && object->key_len == strlen(member)
           && memcmp(object->key, member, object->key_len) == 0;
}

static int on_start_map(void *ctx)
{
    parser_t *s = ctx;

    if (!cfmt_json_tree_open(&s->tree, CFMT_JSON_OBJECT)) {
        return 0;
    }
    if (refuses_repeats(s, cfmt_json_tree_top(&s->tree)->node)) {
        cfmt_json_tree_unique(&s->tree);
    }
    return 1;
}

static int on_start_array(void *ctx)
{
    return cfmt_json_tree_open(&((parser_t *)ctx)->tree, CFMT_JSON_ARRAY);
}

static int on_end(void *ctx)
{
    parser_t *s = ctx;

    cfmt_json_tree_close(&s->tree);
    return after_value(s, 1);
}

static const yajl_callbacks callbacks = CFMT_JSON_CALLBACKS;

/* ---- parsing --------------------------------------------------------------------------------- */

/* yajl's offset is that of the token it stumbled over, now its start and now its end. */
static const char *failure(const parser_t *s, apr_size_t near)
{
    apr_pool_t *p = s->tree.p;

    if (s->tree.why) {
        return apr_psprintf(p, "%s near byte %" APR_SIZE_T_FMT, s->tree.why, near);
    }
    return apr_psprintf(p, "malformed near byte %" APR_SIZE_T_FMT " (%s)", near,
                        cfmt_json_line(p, yajl_get_error(s->yajl, 0, NULL, 0)));
}

/* NULL when the body is one whole document, else what is wrong with it. */
static const char *run_parser(parser_t *s, const char *body, apr_size_t len, apr_pool_t *yajl_pool)
{
    cfmt_json_memory_t memory = {.p = yajl_pool};
    yajl_alloc_funcs funcs = {
        .malloc = cfmt_json_malloc, .realloc = cfmt_json_realloc, .free = cfmt_json_free,
        .ctx = &memory,
    };
    int whole;

    s->yajl = yajl_alloc(&callbacks, &funcs, s);
    yajl_config(s->yajl, yajl_dont_validate_strings, 1); /* ours is stricter and has been done */
    whole = yajl_parse(s->yajl, (const unsigned char *)body, len) == yajl_status_ok;
    if (!whole && !s->ended) {
        return failure(s, yajl_get_bytes_consumed(s->yajl));
    }
    if (!s->ended) {
        return yajl_complete_parse(s->yajl) == yajl_status_ok ? NULL : failure(s, len);
    }
    /* yajl overlooks a string behind the document that never ends, so it is not asked. */
    s->end = cfmt_json_skip_space(body, s->end, len);
    return s->end == len ? NULL
                         : apr_psprintf(s->tree.p, "bytes after the document at byte %"
                                        APR_SIZE_T_FMT, s->end);
}

static const char *check_bytes(const char *body, apr_size_t len, apr_pool_t *p)
{
    apr_size_t valid = cfmt_text_span(body, len);

    if (valid < len) {
        return apr_psprintf(p, "invalid UTF-8 at byte %" APR_SIZE_T_FMT, valid);
    }
    return cfmt_json_skip_space(body, 0, len) == len ? "empty body" : NULL;
}

apr_status_t cfmt_json_parse(cfmt_json_t **pdoc, const char **pwhy, const char *body,
                             apr_size_t len, const cfmt_json_limits_t *limits, apr_pool_t *p)
{
    parser_t s = {.limits = limits};
    apr_pool_t *yajl_pool;

    *pdoc = NULL;
    *pwhy = check_bytes(body, len, p);
    if (*pwhy) {
        return CFMT_EINVALID;
    }
    cfmt_json_tree_init(&s.tree, limits->depth, p, p);
    apr_pool_create(&yajl_pool, p);
    *pwhy = run_parser(&s, body, len, yajl_pool);
    apr_pool_destroy(yajl_pool);
    if (*pwhy) {
        return CFMT_EINVALID;
    }
    *pdoc = s.tree.root;
    return APR_SUCCESS;
}

/* ---- reading the tree ------------------------------------------------------------------------ */

const cfmt_json_t *cfmt_json_get(const cfmt_json_t *object, const char *key)
{
    apr_size_t len = strlen(key);
    const cfmt_json_t *c;

    if (!object || object->type != CFMT_JSON_OBJECT) {
        return NULL;
    }
    for (c = object->child; c; c = c->next) {
        if (c->key_len == len && memcmp(c->key, key, len) == 0) {
            return c;
        }
    }
    return NULL;
}

const char *cfmt_json_text(const cfmt_json_t *object, const char *key)
{
    const cfmt_json_t *c = cfmt_json_get(object, key);

    if (!c || (c->type != CFMT_JSON_STRING && c->type != CFMT_JSON_NUMBER) || !c->len
        || memchr(c->text, '\0', c->len)) {
        return NULL;
    }
    return c->text;
}

apr_status_t cfmt_json_int(apr_int64_t *pn, const cfmt_json_t *object, const char *key)
{
    return cfmt_int_parse(pn, cfmt_json_text(object, key), APR_INT64_MIN, APR_INT64_MAX);
}
