/*
 * JSON: yajl's callback parser into a tree, without recursion; yajl is known in this file only.
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include <yajl/yajl_parse.h>

#include "cfmt_intake.h"

typedef struct frame_t {
    cfmt_json_t *node; /* the open array or object */
    cfmt_json_t *last; /* its last child so far */
    apr_hash_t *keys;  /* where repeated keys are refused: those seen */
} frame_t;

typedef struct parser_t {
    apr_pool_t *p;
    const cfmt_json_limits_t *limits;
    frame_t *frames;
    int depth; /* open containers */
    cfmt_json_t *root;
    const char *key; /* of the member whose value comes next */
    apr_size_t key_len;
    const char *why; /* set by the callback that refused */
    yajl_handle yajl;
    apr_size_t end;  /* where the document ended, once its last bracket was read */
} parser_t;

/* ---- yajl's memory: a pool that is destroyed with the parser --------------------------------- */

/*
 * realloc() must know what there was. Pools align to eight bytes, as does this: yajl keeps no more
 * than that.
 */
typedef union block_t {
    apr_size_t size;
    void *align;
} block_t;

static void *pool_malloc(void *ctx, size_t size)
{
    block_t *b = apr_palloc(ctx, sizeof(*b) + size);

    b->size = size;
    return b + 1;
}

static void *pool_realloc(void *ctx, void *old, size_t size)
{
    apr_size_t had = old ? ((block_t *)old)[-1].size : 0;
    void *fresh;

    if (old && had >= size) {
        return old;
    }
    fresh = pool_malloc(ctx, size);
    if (had) {
        memcpy(fresh, old, had);
    }
    return fresh;
}

static void pool_free(void *ctx, void *old)
{
    (void)ctx, (void)old;
}

/* ---- building the tree ----------------------------------------------------------------------- */

/*
 * The body was checked, so only escapes can have made something else than UTF-8 of it: a lone
 * surrogate, which yajl writes as its three bytes. As many as U+FFFD has.
 */
static const char *copy_text(parser_t *s, const unsigned char *text, size_t len)
{
    char *copy = apr_pstrmemdup(s->p, (const char *)text, len);
    apr_size_t at = cfmt_text_span(copy, len);

    while (at < len) {
        if (len - at >= 3 && (unsigned char)copy[at] == 0xED) {
            memcpy(copy + at, "\xEF\xBF\xBD", 3);
        }
        else {
            copy[at] = '?';
        }
        at += cfmt_text_span(copy + at, len - at);
    }
    return copy;
}

static cfmt_json_t *add_node(parser_t *s, cfmt_json_e type)
{
    cfmt_json_t *node = apr_pcalloc(s->p, sizeof(*node));
    frame_t *f;

    node->type = type;
    node->key = s->key;
    node->key_len = s->key_len;
    s->key = NULL;
    s->key_len = 0;
    if (s->depth == 0) {
        s->root = node;
        return node;
    }
    f = &s->frames[s->depth - 1];
    if (f->last) {
        f->last->next = node;
    }
    else {
        f->node->child = node;
    }
    f->last = node;
    return node;
}

static int refuses_repeats(const parser_t *s, const cfmt_json_t *object)
{
    const char *member = s->limits->unique_member;

    if (s->depth == 1) {
        return s->limits->unique;
    }
    return s->depth == 2 && member && object->key && object->key_len == strlen(member)
           && memcmp(object->key, member, object->key_len) == 0;
}

static int open_node(parser_t *s, cfmt_json_e type)
{
    cfmt_json_t *node;
    frame_t *f;

    if (s->depth >= s->limits->depth) {
        s->why = apr_psprintf(s->p, "nesting deeper than %d levels", s->limits->depth);
        return 0;
    }
    node = add_node(s, type);
    f = &s->frames[s->depth++];
    f->node = node;
    f->last = NULL;
    f->keys = type == CFMT_JSON_OBJECT && refuses_repeats(s, node) ? apr_hash_make(s->p) : NULL;
    return 1;
}

static int close_node(void *ctx)
{
    parser_t *s = ctx;

    s->depth--;
    if (s->depth == 0) {
        s->end = yajl_get_bytes_consumed(s->yajl);
    }
    return 1;
}

static int on_null(void *ctx)
{
    add_node(ctx, CFMT_JSON_NULL);
    return 1;
}

static int on_boolean(void *ctx, int value)
{
    add_node(ctx, CFMT_JSON_BOOL)->flag = value;
    return 1;
}

static int on_number(void *ctx, const char *text, size_t len)
{
    parser_t *s = ctx;
    cfmt_json_t *node = add_node(s, CFMT_JSON_NUMBER);

    node->text = apr_pstrmemdup(s->p, text, len);
    node->len = len;
    return 1;
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
    parser_t *s = ctx;
    cfmt_json_t *node = add_node(s, CFMT_JSON_STRING);

    node->text = copy_text(s, text, len);
    node->len = len;
    return 1;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
    parser_t *s = ctx;
    frame_t *f = &s->frames[s->depth - 1];

    s->key = copy_text(s, text, len);
    s->key_len = len;
    if (!f->keys) {
        return 1;
    }
    if (apr_hash_get(f->keys, s->key, (apr_ssize_t)len)) {
        s->why = apr_psprintf(s->p, "repeated key \"%s\"", cfmt_text_escape(s->p, s->key, len, 64));
        return 0;
    }
    apr_hash_set(f->keys, s->key, (apr_ssize_t)len, s->key);
    return 1;
}

static int on_start_map(void *ctx)
{
    return open_node(ctx, CFMT_JSON_OBJECT);
}

static int on_start_array(void *ctx)
{
    return open_node(ctx, CFMT_JSON_ARRAY);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_key,
    .yajl_end_map = close_node,
    .yajl_start_array = on_start_array,
    .yajl_end_array = close_node,
};

/* ---- parsing --------------------------------------------------------------------------------- */

/* yajl says "parse error: premature EOF\n": one line, and no bytes of the body in it. */
static const char *yajl_says(yajl_handle h, apr_pool_t *p)
{
    char *text = apr_pstrdup(p, (const char *)yajl_get_error(h, 0, NULL, 0));

    text[strcspn(text, "\n")] = '\0';
    return text;
}

static apr_size_t skip_space(const char *body, apr_size_t at, apr_size_t len)
{
    while (at < len && (body[at] == ' ' || body[at] == '\t' || body[at] == '\r'
                        || body[at] == '\n')) {
        at++;
    }
    return at;
}

/* yajl's offset is that of the token it stumbled over, now its start and now its end. */
static const char *failure(const parser_t *s, const char *body, apr_size_t len, apr_size_t near)
{
    if (s->why) {
        return apr_psprintf(s->p, "%s near byte %" APR_SIZE_T_FMT, s->why, near);
    }
    if (s->end) {
        return apr_psprintf(s->p, "bytes after the document at byte %" APR_SIZE_T_FMT,
                            skip_space(body, s->end, len));
    }
    return apr_psprintf(s->p, "malformed near byte %" APR_SIZE_T_FMT " (%s)", near,
                        yajl_says(s->yajl, s->p));
}

/* NULL when the body is one whole document, else what is wrong with it. */
static const char *run_parser(parser_t *s, const char *body, apr_size_t len, apr_pool_t *yajl_pool)
{
    yajl_alloc_funcs memory = {
        .malloc = pool_malloc, .realloc = pool_realloc, .free = pool_free, .ctx = yajl_pool,
    };

    s->yajl = yajl_alloc(&callbacks, &memory, s);
    yajl_config(s->yajl, yajl_dont_validate_strings, 1); /* ours is stricter and has been done */
    if (yajl_parse(s->yajl, (const unsigned char *)body, len) != yajl_status_ok) {
        return failure(s, body, len, yajl_get_bytes_consumed(s->yajl));
    }
    return yajl_complete_parse(s->yajl) == yajl_status_ok ? NULL : failure(s, body, len, len);
}

static const char *check_bytes(const char *body, apr_size_t len, apr_pool_t *p)
{
    apr_size_t valid = cfmt_text_span(body, len);

    if (valid < len) {
        return apr_psprintf(p, "invalid UTF-8 at byte %" APR_SIZE_T_FMT, valid);
    }
    return skip_space(body, 0, len) == len ? "empty body" : NULL;
}

apr_status_t cfmt_json_parse(cfmt_json_t **pdoc, const char **pwhy, const char *body,
                             apr_size_t len, const cfmt_json_limits_t *limits, apr_pool_t *p)
{
    parser_t s = {.p = p, .limits = limits};
    apr_pool_t *yajl_pool;

    *pdoc = NULL;
    *pwhy = check_bytes(body, len, p);
    if (*pwhy) {
        return CFMT_EINVALID;
    }
    s.frames = apr_palloc(p, sizeof(frame_t) * (apr_size_t)limits->depth);
    apr_pool_create(&yajl_pool, p);
    *pwhy = run_parser(&s, body, len, yajl_pool);
    apr_pool_destroy(yajl_pool);
    if (*pwhy) {
        return CFMT_EINVALID;
    }
    *pdoc = s.root;
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

/* ---- writing --------------------------------------------------------------------------------- */

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
