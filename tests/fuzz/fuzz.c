/*
 * The run around each target: a pool whose memory AddressSanitizer can see, and small checkers.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "fuzz.h"

/* ---- memory ---------------------------------------------------------------------------------- */

/*
 * A pool cuts its memory from blocks of 8 KiB, and an overflow would end in a neighbour. These two
 * stand before libapr's for the core and for libapr itself: each allocation is a malloc() of the
 * exact size, freed with its pool.
 */
typedef struct block_t block_t;
struct block_t {
    block_t *next;
    apr_pool_t *pool;
    void *memory;
};

static block_t *blocks;

void *apr_palloc(apr_pool_t *p, apr_size_t size)
{
    block_t *b = malloc(sizeof(*b));
    void *memory = malloc(size ? size : 1);

    if (!b || !memory) {
        abort();
    }
    b->pool = p;
    b->memory = memory;
    b->next = blocks;
    blocks = b;
    return memory;
}

/* NULL: those of every pool. */
static void free_blocks(const apr_pool_t *p)
{
    block_t **at = &blocks, *b;

    while ((b = *at) != NULL) {
        if (p && b->pool != p) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        free(b->memory);
        free(b);
    }
}

void apr_pool_destroy(apr_pool_t *p)
{
    static void (*real)(apr_pool_t *);

    if (!real) {
        real = (void (*)(apr_pool_t *))dlsym(RTLD_NEXT, "apr_pool_destroy");
    }
    real(p); /* its cleanups still need the blocks */
    free_blocks(p);
}

void apr_pool_clear(apr_pool_t *p)
{
    static void (*real)(apr_pool_t *);

    if (!real) {
        real = (void (*)(apr_pool_t *))dlsym(RTLD_NEXT, "apr_pool_clear");
    }
    real(p);
    free_blocks(p);
}

/* ---- the run --------------------------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int ready;
    static block_t *global; /* what libapr keeps for itself */
    apr_pool_t *p;

    if (!ready) {
        ready = 1;
        apr_initialize();
        global = blocks;
    }
    blocks = NULL;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        abort();
    }
    fuzz_one((const char *)data, size, p);
    apr_pool_destroy(p);
    free_blocks(NULL);
    blocks = global;
    return 0;
}

void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* ---- input ----------------------------------------------------------------------------------- */

const char *fuzz_text(const char *data, apr_size_t len, apr_pool_t *p)
{
    const char *nul = len ? memchr(data, '\0', len) : NULL;

    return apr_pstrmemdup(p, data ? data : "", nul ? (apr_size_t)(nul - data) : len);
}

const char *fuzz_line(const char **pdata, apr_size_t *plen, apr_pool_t *p)
{
    const char *end = *plen ? memchr(*pdata, '\n', *plen) : NULL;
    apr_size_t len = end ? (apr_size_t)(end - *pdata) : *plen;
    const char *line = fuzz_text(*pdata, len, p);

    len += end != NULL;
    *pdata += len;
    *plen -= len;
    return line;
}

unsigned fuzz_byte(const char **pdata, apr_size_t *plen)
{
    if (!*plen) {
        return 0;
    }
    (*plen)--;
    return (unsigned char)*(*pdata)++;
}

/* ---- checkers -------------------------------------------------------------------------------- */

int fuzz_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The code point at s and its length in *pn; -1: no lead byte or too few continuations. */
static long code_point(const unsigned char *s, apr_size_t len, apr_size_t *pn)
{
    long code = s[0];
    apr_size_t n = code < 0x80 ? 1 : code < 0xC0 ? 0 : code < 0xE0 ? 2 : code < 0xF0 ? 3
                   : code < 0xF8 ? 4 : 0;
    apr_size_t i;

    if (n == 0 || n > len) {
        return -1;
    }
    code = n == 1 ? code : code & (0x7F >> n);
    for (i = 1; i < n; i++) {
        if (s[i] >> 6 != 2) {
            return -1;
        }
        code = code << 6 | (s[i] & 0x3F);
    }
    *pn = n;
    return code;
}

int fuzz_is_utf8(const char *s, apr_size_t len)
{
    static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)s, *end = at + len;
    apr_size_t n;
    long code;

    for (; at < end; at += n) {
        code = code_point(at, (apr_size_t)(end - at), &n);
        if (code < 0 || code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
            return 0;
        }
    }
    return 1;
}

int fuzz_printable(const char *s, apr_size_t max)
{
    const unsigned char *at = (const unsigned char *)s;
    apr_size_t len = strlen(s), n;
    long code;

    if (len > max || !fuzz_is_utf8(s, len)) {
        return 0;
    }
    for (; *at; at += n) {
        code = code_point(at, strlen((const char *)at), &n);
        if (code < 0x20 || (code >= 0x7F && code <= 0x9F) || (code >= 0x2028 && code <= 0x202E)
            || (code >= 0x2066 && code <= 0x2069)) {
            return 0;
        }
    }
    return 1;
}
