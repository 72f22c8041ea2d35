/*
 * JSON: the tree that a parser's events build, without recursion, and the parser's memory.
 */
#include <string.h>

#include <apr_strings.h>

#include "intake/json_private.h"

/* A key that is remembered takes an entry of the hash, too. */
#define KEY_ENTRY 48

void cfmt_json_tree_init(cfmt_json_tree_t *t, int depth_max, apr_pool_t *p, apr_pool_t *pframes)
{
    memset(t, 0, sizeof(*t));
    t->p = p;
    t->depth_max = depth_max;
    t->frames = apr_palloc(pframes, sizeof(*t->frames) * (apr_size_t)depth_max);
}

void cfmt_json_tree_reset(cfmt_json_tree_t *t, int outer)
{
    t->depth = 0;
    t->outer = outer;
    t->used = 0;
    t->root = NULL;
    t->key = NULL;
    t->key_len = 0;
}

cfmt_json_frame_t *cfmt_json_tree_top(cfmt_json_tree_t *t)
{
    return &t->frames[t->depth - 1];
}

/* Before anything is allocated. */
static int charge(cfmt_json_tree_t *t, apr_size_t size)
{
    if (t->used_max && size > t->used_max - t->used) {
        t->why = apr_psprintf(t->p, "%s larger than %" APR_SIZE_T_FMT " bytes", t->name,
                              t->used_max);
        return 0;
    }
    t->used += size;
    return 1;
}

/*
 * The body was checked, so only escapes can have made something else than UTF-8 of it: a lone
 * surrogate, which yajl writes as its three bytes. As many as U+FFFD has.
 */
static const char *copy_text(cfmt_json_tree_t *t, const char *text, apr_size_t len)
{
    char *copy = apr_pstrmemdup(t->p, text, len);
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

static cfmt_json_t *add_node(cfmt_json_tree_t *t, cfmt_json_e type)
{
    cfmt_json_t *node;
    cfmt_json_frame_t *f;

    if (!charge(t, sizeof(*node))) {
        return NULL;
    }
    node = apr_pcalloc(t->p, sizeof(*node));
    node->type = type;
    node->key = t->key;
    node->key_len = t->key_len;
    t->key = NULL;
    t->key_len = 0;
    if (t->depth == 0) {
        t->root = node;
        return node;
    }
    f = cfmt_json_tree_top(t);
    if (f->last) {
        f->last->next = node;
    }
    else {
        f->node->child = node;
    }
    f->last = node;
    return node;
}

int cfmt_json_tree_scalar(cfmt_json_tree_t *t, cfmt_json_e type, int flag)
{
    cfmt_json_t *node = add_node(t, type);

    if (node) {
        node->flag = flag;
    }
    return node != NULL;
}

int cfmt_json_tree_text(cfmt_json_tree_t *t, cfmt_json_e type, const char *text, apr_size_t len)
{
    cfmt_json_t *node = charge(t, len + 1) ? add_node(t, type) : NULL;

    if (!node) {
        return 0;
    }
    node->text = copy_text(t, text, len);
    node->len = len;
    return 1;
}

int cfmt_json_tree_key(cfmt_json_tree_t *t, const char *text, apr_size_t len)
{
    apr_hash_t *keys = cfmt_json_tree_top(t)->keys;

    if (!charge(t, len + 1 + (keys ? KEY_ENTRY : 0))) {
        return 0;
    }
    t->key = copy_text(t, text, len);
    t->key_len = len;
    if (!keys) {
        return 1;
    }
    if (apr_hash_get(keys, t->key, (apr_ssize_t)len)) {
        t->why = "repeated key";
        return 0;
    }
    apr_hash_set(keys, t->key, (apr_ssize_t)len, t->key);
    return 1;
}

int cfmt_json_tree_open(cfmt_json_tree_t *t, cfmt_json_e type)
{
    cfmt_json_t *node;
    cfmt_json_frame_t *f;

    if (t->outer + t->depth >= t->depth_max) {
        t->why = apr_psprintf(t->p, "nesting deeper than %d levels", t->depth_max);
        return 0;
    }
    node = add_node(t, type);
    if (!node) {
        return 0;
    }
    f = &t->frames[t->depth++];
    f->node = node;
    f->last = NULL;
    f->keys = NULL;
    return 1;
}

void cfmt_json_tree_unique(cfmt_json_tree_t *t)
{
    cfmt_json_tree_top(t)->keys = apr_hash_make(t->p);
}

void cfmt_json_tree_close(cfmt_json_tree_t *t)
{
    t->depth--;
}

/* ---- the parser's memory --------------------------------------------------------------------- */

/*
 * realloc() must know what there was. Pools align to eight bytes, as does this: yajl keeps no more
 * than that.
 */
typedef union block_t {
    apr_size_t size;
    void *align;
} block_t;

void *cfmt_json_malloc(void *memory, size_t size)
{
    cfmt_json_memory_t *m = memory;
    block_t *b = apr_palloc(m->p, sizeof(*b) + size);

    b->size = size;
    m->largest = size > m->largest ? size : m->largest;
    return b + 1;
}

void *cfmt_json_realloc(void *memory, void *old, size_t size)
{
    apr_size_t had = old ? ((block_t *)old)[-1].size : 0;
    void *fresh;

    if (old && had >= size) {
        return old;
    }
    fresh = cfmt_json_malloc(memory, size);
    if (had) {
        memcpy(fresh, old, had);
    }
    return fresh;
}

void cfmt_json_free(void *memory, void *old)
{
    (void)memory, (void)old;
}

/* ---- small helpers of both parsers ----------------------------------------------------------- */

apr_size_t cfmt_json_skip_space(const char *body, apr_size_t at, apr_size_t len)
{
    while (at < len && (body[at] == ' ' || body[at] == '\t' || body[at] == '\r'
                        || body[at] == '\n')) {
        at++;
    }
    return at;
}

const char *cfmt_json_line(apr_pool_t *p, const unsigned char *text)
{
    return apr_pstrmemdup(p, (const char *)text, strcspn((const char *)text, "\n"));
}
