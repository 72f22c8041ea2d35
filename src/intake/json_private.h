/*
 * What json.c and json_stream.c share: a tree that is built by events, without recursion, and the
 * memory of yajl. Knows nothing of yajl itself.
 */
#ifndef CFMT_JSON_PRIVATE_H
#define CFMT_JSON_PRIVATE_H

#include <apr_hash.h>

#include "cfmt_intake.h"

typedef struct cfmt_json_frame_t {
    cfmt_json_t *node; /* the open array or object */
    cfmt_json_t *last; /* its last child so far */
    apr_hash_t *keys;  /* where repeated keys are refused: those seen */
} cfmt_json_frame_t;

typedef struct cfmt_json_tree_t {
    apr_pool_t *p;
    const char *name;          /* of the whole, for why */
    int depth;                 /* open containers */
    int outer;                 /* containers around the tree: they count as nesting, too */
    int depth_max;
    apr_size_t used, used_max; /* bytes of nodes and text; used_max 0 = any number */
    cfmt_json_frame_t *frames; /* depth_max of them */
    cfmt_json_t *root;
    const char *key;           /* of the member whose value comes next */
    apr_size_t key_len;
    const char *why;           /* set by what refused */
} cfmt_json_tree_t;

/* An empty tree; frames live in pframes, nodes and text in p. */
void cfmt_json_tree_init(cfmt_json_tree_t *t, int depth_max, apr_pool_t *p, apr_pool_t *pframes);
/* Forgets the nodes, before the pool is cleared. */
void cfmt_json_tree_reset(cfmt_json_tree_t *t, int outer);

/* The events. 0: refused, t->why says why (too deep, larger than used_max, key repeated). */
int cfmt_json_tree_scalar(cfmt_json_tree_t *t, cfmt_json_e type, int flag);
int cfmt_json_tree_text(cfmt_json_tree_t *t, cfmt_json_e type, const char *text, apr_size_t len);
int cfmt_json_tree_key(cfmt_json_tree_t *t, const char *text, apr_size_t len);
int cfmt_json_tree_open(cfmt_json_tree_t *t, cfmt_json_e type);
void cfmt_json_tree_close(cfmt_json_tree_t *t);
/* The innermost open container. */
cfmt_json_frame_t *cfmt_json_tree_top(cfmt_json_tree_t *t);
/* Repeated keys of the innermost open object are refused. */
void cfmt_json_tree_unique(cfmt_json_tree_t *t);

/* yajl's allocator: a pool that is destroyed with the parser. */
typedef struct cfmt_json_memory_t {
    apr_pool_t *p;
    apr_size_t largest; /* block asked for: a token that grows and grows is in it */
} cfmt_json_memory_t;

void *cfmt_json_malloc(void *memory, size_t size);
void *cfmt_json_realloc(void *memory, void *old, size_t size);
void cfmt_json_free(void *memory, void *old);

/* A table of yajl's callbacks: both parsers name theirs alike. */
#define CFMT_JSON_CALLBACKS { \
    .yajl_null = on_null, .yajl_boolean = on_boolean, .yajl_number = on_number, \
    .yajl_string = on_string, .yajl_start_map = on_start_map, .yajl_map_key = on_key, \
    .yajl_end_map = on_end, .yajl_start_array = on_start_array, .yajl_end_array = on_end \
}

/* Where what is no white space begins, at or after at; len when nothing does. */
apr_size_t cfmt_json_skip_space(const char *body, apr_size_t at, apr_size_t len);
/* yajl says "parse error: premature EOF\n": one line, and no bytes of the body in it. */
const char *cfmt_json_line(apr_pool_t *p, const unsigned char *text);

#endif
