/*
 * JSON that arrives in pieces: rows are handed out one by one, the rest (the envelope) becomes a
 * small tree. Besides the envelope no more than one row, one unfinished token and what yajl needs
 * are kept.
 */
#include <string.h>

#include <apr_strings.h>

#include <yajl/yajl_parse.h>

#include "intake/json_private.h"

/* A step of a row path. */
typedef struct step_t {
    const char *name;
    apr_size_t len;
    apr_int64_t index; /* the name as a number; -1: it is none */
} step_t;

typedef struct path_t {
    step_t *steps;
    int n;
    int matched; /* steps that lead to the deepest open container on the path */
} path_t;

struct cfmt_json_stream_t {
    cfmt_json_stream_conf_t conf;
    apr_pool_t *p, *prow;
    yajl_handle yajl;
    cfmt_json_memory_t memory;
    apr_size_t token_max;
    path_t *paths;
    int npaths;
    apr_int64_t *next;         /* of the envelope's open containers: index of what comes next */
    cfmt_json_tree_t envelope, row;
    int place;                 /* the path at whose end we are, -1 = in the envelope */
    int single;                /* an object stands there: it is the row */
    char part[4];              /* a character that is not whole yet */
    apr_size_t nparts;
    apr_size_t base;           /* bytes before the piece under way */
    int ended;                 /* the document is whole */
    apr_size_t end;            /* and that is where */
    apr_int64_t rows;
    apr_status_t status;
    const char *error;
};

static apr_status_t fail(cfmt_json_stream_t *s, apr_status_t rv, const char *why, apr_size_t at)
{
    s->status = rv;
    s->error = apr_psprintf(s->p, "%s %" APR_SIZE_T_FMT, why, at);
    return rv;
}

/* ---- where rows stand ------------------------------------------------------------------------ */

/* Whether what comes next in the innermost container is the path's next step. */
static int step_fits(cfmt_json_stream_t *s, const path_t *path)
{
    int depth = s->envelope.depth;
    const step_t *step;

    if (depth == 0 || path->matched != depth - 1 || path->n < depth) {
        return 0;
    }
    step = &path->steps[depth - 1];
    if (cfmt_json_tree_top(&s->envelope)->node->type == CFMT_JSON_ARRAY) {
        return step->index == s->next[depth - 1];
    }
    return step->len == s->envelope.key_len && memcmp(step->name, s->envelope.key, step->len) == 0;
}

/* The container that opens: on which paths it is. Returns the path that ends here, -1 = none. */
static int enter_paths(cfmt_json_stream_t *s)
{
    int i, place = -1;

    for (i = 0; i < s->npaths; i++) {
        path_t *path = &s->paths[i];

        if (!step_fits(s, path)) {
            continue;
        }
        if (path->n > s->envelope.depth) {
            path->matched++;
        }
        else if (place < 0) {
            place = i;
        }
    }
    return place;
}

/* The innermost container closes. */
static void leave_paths(cfmt_json_stream_t *s)
{
    int i;

    for (i = 0; i < s->npaths; i++) {
        if (s->paths[i].matched > 0 && s->paths[i].matched == s->envelope.depth - 1) {
            s->paths[i].matched--;
        }
    }
}

static void read_path(path_t *path, const char *text, apr_pool_t *p)
{
    const char *at = text, *end;
    step_t *step;

    path->steps = apr_pcalloc(p, (strlen(text) + 1) * sizeof(*path->steps));
    do {
        end = at + strcspn(at, ".");
        step = &path->steps[path->n++];
        step->len = (apr_size_t)(end - at);
        step->name = apr_pstrmemdup(p, at, step->len);
        if (cfmt_int_parse(&step->index, step->name, 0, APR_INT64_MAX) != APR_SUCCESS) {
            step->index = -1;
        }
        at = end + 1;
    } while (*end);
}

/* ---- yajl's events --------------------------------------------------------------------------- */

static int hand_out(cfmt_json_stream_t *s)
{
    apr_status_t rv;

    s->rows++;
    rv = s->conf.row(s->conf.baton, s->place, s->row.root, s->prow);
    apr_pool_clear(s->prow);
    cfmt_json_tree_reset(&s->row, s->envelope.depth);
    if (rv != APR_SUCCESS) {
        fail(s, rv, "row refused near byte", s->base + yajl_get_bytes_consumed(s->yajl));
    }
    return rv == APR_SUCCESS;
}

static cfmt_json_tree_t *tree_of(cfmt_json_stream_t *s)
{
    return s->place < 0 ? &s->envelope : &s->row;
}

/* A value is whole, which may make a row or the document whole. */
static int after_value(cfmt_json_stream_t *s, int taken)
{
    if (!taken) {
        return 0;
    }
    if (s->place >= 0) {
        return s->row.depth > 0 || hand_out(s);
    }
    if (s->envelope.depth == 0) {
        s->ended = 1;
        s->end = s->base + yajl_get_bytes_consumed(s->yajl);
        return 1;
    }
    s->next[s->envelope.depth - 1]++;
    return 1;
}

static int on_null(void *ctx)
{
    cfmt_json_stream_t *s = ctx;

    return after_value(s, cfmt_json_tree_scalar(tree_of(s), CFMT_JSON_NULL, 0));
}

static int on_boolean(void *ctx, int value)
{
    cfmt_json_stream_t *s = ctx;

    return after_value(s, cfmt_json_tree_scalar(tree_of(s), CFMT_JSON_BOOL, value));
}

static int on_number(void *ctx, const char *text, size_t len)
{
    cfmt_json_stream_t *s = ctx;

    return after_value(s, cfmt_json_tree_text(tree_of(s), CFMT_JSON_NUMBER, text, len));
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
    cfmt_json_stream_t *s = ctx;

    return after_value(s, cfmt_json_tree_text(tree_of(s), CFMT_JSON_STRING, (const char *)text,
                                              len));
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
    return cfmt_json_tree_key(tree_of(ctx), (const char *)text, len);
}

/* At the place of rows the envelope keeps an empty container of the same type. */
static int open_value(cfmt_json_stream_t *s, cfmt_json_e type)
{
    int place;

    if (s->place >= 0) {
        return cfmt_json_tree_open(&s->row, type);
    }
    place = enter_paths(s);
    if (!cfmt_json_tree_open(&s->envelope, type)) {
        return 0;
    }
    s->next[s->envelope.depth - 1] = 0;
    s->place = place;
    s->single = place >= 0 && type == CFMT_JSON_OBJECT;
    cfmt_json_tree_reset(&s->row, s->envelope.depth - s->single);
    if (s->single) {
        return cfmt_json_tree_open(&s->row, type);
    }
    if (type == CFMT_JSON_OBJECT) {
        cfmt_json_tree_unique(&s->envelope); /* two answers to one question are none */
    }
    return 1;
}

static int on_start_map(void *ctx)
{
    return open_value(ctx, CFMT_JSON_OBJECT);
}

static int on_start_array(void *ctx)
{
    return open_value(ctx, CFMT_JSON_ARRAY);
}

static int on_end(void *ctx)
{
    cfmt_json_stream_t *s = ctx;

    if (s->row.depth > 0) {
        cfmt_json_tree_close(&s->row);
        if (!after_value(s, 1)) {
            return 0;
        }
        if (s->row.depth > 0 || !s->single) {
            return 1;
        }
    }
    s->place = -1;
    s->single = 0;
    leave_paths(s);
    cfmt_json_tree_close(&s->envelope);
    return after_value(s, 1);
}

static const yajl_callbacks callbacks = CFMT_JSON_CALLBACKS;

/* ---- pieces ---------------------------------------------------------------------------------- */

static apr_status_t malformed(cfmt_json_stream_t *s)
{
    const char *why = s->row.why ? s->row.why : s->envelope.why;
    apr_size_t at = s->base + yajl_get_bytes_consumed(s->yajl);

    if (s->status != APR_SUCCESS) {
        return s->status; /* of a row */
    }
    if (why) {
        return fail(s, CFMT_EINVALID, apr_pstrcat(s->p, why, " near byte", NULL), at);
    }
    why = cfmt_json_line(s->p, yajl_get_error(s->yajl, 0, NULL, 0));
    return fail(s, CFMT_EINVALID, apr_psprintf(s->p, "malformed (%s) near byte", why), at);
}

/*
 * Whole characters. yajl keeps a token until it is whole, however long that takes. An escape takes
 * at most six bytes for one that it means: a token for which yajl needed token_max would be refused
 * in the end.
 */
static apr_status_t parse(cfmt_json_stream_t *s, const char *data, apr_size_t len)
{
    apr_size_t at = 0;

    if (!s->ended) {
        if (yajl_parse(s->yajl, (const unsigned char *)data, len) != yajl_status_ok && !s->ended) {
            return malformed(s);
        }
        if (s->memory.largest > s->token_max) {
            return fail(s, CFMT_EINVALID, "token too large at byte", s->base + len);
        }
        at = s->ended ? s->end - s->base : len;
    }
    at = cfmt_json_skip_space(data, at, len);
    if (at < len) {
        return fail(s, CFMT_EINVALID, "bytes after the document at byte", s->base + at);
    }
    s->base += len;
    return APR_SUCCESS;
}

/* Whether n bytes, no whole character, can begin one. */
static int begins_character(const char *part, apr_size_t n)
{
    char filled[4] = {'\x80', '\x80', '\x80', '\x80'};

    if (n == 0 || n > 3) {
        return 0;
    }
    if (n == 1) {
        return (unsigned char)*part >= 0xC2 && (unsigned char)*part <= 0xF4;
    }
    memcpy(filled, part, n);
    return cfmt_text_char(filled, sizeof(filled)) > n;
}

/* The bytes that complete the character a piece ended in. */
static apr_status_t join_part(cfmt_json_stream_t *s, const char **pdata, apr_size_t *plen)
{
    apr_size_t n;

    while (s->nparts > 0 && *plen > 0 && s->status == APR_SUCCESS) {
        s->part[s->nparts++] = *(*pdata)++;
        (*plen)--;
        n = s->nparts;
        if (cfmt_text_char(s->part, n)) {
            s->nparts = 0;
            parse(s, s->part, n);
        }
        else if (!begins_character(s->part, n)) {
            fail(s, CFMT_EINVALID, "invalid UTF-8 at byte", s->base);
        }
    }
    return s->status;
}

/* What comes before bad bytes is read first: a document fails the same however it is cut. */
apr_status_t cfmt_json_stream_feed(cfmt_json_stream_t *s, const char *data, apr_size_t len)
{
    apr_size_t whole;

    if (s->status != APR_SUCCESS || join_part(s, &data, &len) != APR_SUCCESS) {
        return s->status;
    }
    whole = cfmt_text_span(data, len);
    if (whole > 0 && parse(s, data, whole) != APR_SUCCESS) {
        return s->status;
    }
    if (whole == len) {
        return APR_SUCCESS;
    }
    if (!begins_character(data + whole, len - whole)) {
        return fail(s, CFMT_EINVALID, "invalid UTF-8 at byte", s->base);
    }
    s->nparts = len - whole;
    memcpy(s->part, data + whole, s->nparts);
    return APR_SUCCESS;
}

apr_status_t cfmt_json_stream_end(cfmt_json_stream_t *s, const cfmt_json_t **penvelope)
{
    *penvelope = NULL;
    if (s->status != APR_SUCCESS) {
        return s->status;
    }
    if (s->nparts > 0) {
        return fail(s, CFMT_EINVALID, "invalid UTF-8 at byte", s->base);
    }
    if (!s->ended && yajl_complete_parse(s->yajl) != yajl_status_ok) {
        return malformed(s);
    }
    *penvelope = s->envelope.root;
    return APR_SUCCESS;
}

const char *cfmt_json_stream_error(const cfmt_json_stream_t *s)
{
    return s->error;
}

apr_int64_t cfmt_json_stream_rows(const cfmt_json_stream_t *s)
{
    return s->rows;
}

/* ---- birth ----------------------------------------------------------------------------------- */

static void make_parser(cfmt_json_stream_t *s)
{
    yajl_alloc_funcs funcs = {
        .malloc = cfmt_json_malloc, .realloc = cfmt_json_realloc, .free = cfmt_json_free,
        .ctx = &s->memory,
    };
    apr_size_t most = s->conf.row_max > s->conf.envelope_max ? s->conf.row_max
                                                             : s->conf.envelope_max;

    s->memory.p = s->p;
    s->yajl = yajl_alloc(&callbacks, &funcs, s);
    yajl_config(s->yajl, yajl_dont_validate_strings, 1); /* ours is stricter */
    /* Buffers grow by doubling; yajl begins with some kilobytes. */
    s->token_max = most * 12 + 64 * 1024;
}

cfmt_json_stream_t *cfmt_json_stream_create(const cfmt_json_stream_conf_t *conf, apr_pool_t *p)
{
    cfmt_json_stream_t *s = apr_pcalloc(p, sizeof(*s));
    int n = 0;

    s->conf = *conf;
    s->p = p;
    s->place = -1;
    s->error = "";
    apr_pool_create(&s->prow, p);
    apr_pool_tag(s->prow, "cfmt_json_row");
    while (conf->rows && conf->rows[n]) {
        n++;
    }
    s->paths = apr_pcalloc(p, (apr_size_t)(n + 1) * sizeof(*s->paths));
    for (; conf->rows && s->npaths < n; s->npaths++) {
        read_path(&s->paths[s->npaths], conf->rows[s->npaths], p);
    }
    s->next = apr_pcalloc(p, (apr_size_t)conf->depth * sizeof(*s->next));
    cfmt_json_tree_init(&s->envelope, conf->depth, p, p);
    cfmt_json_tree_init(&s->row, conf->depth, s->prow, p);
    s->envelope.name = "envelope";
    s->envelope.used_max = conf->envelope_max;
    s->row.name = "row";
    s->row.used_max = conf->row_max;
    make_parser(s);
    return s;
}
