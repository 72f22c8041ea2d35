/*
 * Everything that is printed: complaints on stderr; on stdout lists, as an aligned table or as
 * JSON, from one description of their columns. No byte from outside reaches a terminal unescaped.
 */
#include <ctype.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <apr_base64.h>
#include <apr_strings.h>

#include "cfmtctl.h"

#define TEXT_MAX 4096
#define CELL_MAX 200
#define LIST_SHOWN 3 /* items of a list in a cell of a table */
#define BODY_DEPTH 64
#define RED "\033[1;31m"
#define YELLOW "\033[33m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

/* ---- stderr ---------------------------------------------------------------------------------- */

void ctl_complain(const char *id, const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    fputs("cfmtctl: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, " (%.*s)\n", (int)strcspn(id, ":"), id);
}

/* ---- stdout ---------------------------------------------------------------------------------- */

int ctl_out_ok(void)
{
    return !ferror(stdout);
}

/* errno of the write that failed may be long gone, so the descriptor is asked. */
static int reader_gone(void)
{
    struct pollfd out = { .fd = STDOUT_FILENO, .events = 0 };

    return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP));
}

int ctl_out_end(int code)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || reader_gone()) {
        return code;
    }
    ctl_complain(CFMT_ID(0714), "cannot write to standard output: closed, or its disk is full");
    return CTL_FAILED;
}

static int wants_colour(void)
{
    static int wants = -1;
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    if (wants < 0) {
        wants = isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb");
    }
    return wants;
}

const char *ctl_ansi(const char *sequence)
{
    return wants_colour() ? sequence : "";
}

/* ---- JSON ------------------------------------------------------------------------------------ */

const char *ctl_json_text(apr_pool_t *p, const char *s, apr_size_t len)
{
    apr_array_header_t *parts;
    const char *end, *zero;

    if (!s) {
        return "null";
    }
    parts = apr_array_make(p, 4, sizeof(const char *));
    APR_ARRAY_PUSH(parts, const char *) = "\"";
    for (end = s + len; s <= end; s = zero + 1) { /* a literal for each stretch without a NUL */
        const char *quoted;
        zero = memchr(s, '\0', (size_t)(end - s));
        zero = zero ? zero : end;
        quoted = cfmt_json_quote(p, apr_pstrmemdup(p, s, (apr_size_t)(zero - s)));
        APR_ARRAY_PUSH(parts, const char *) = apr_pstrmemdup(p, quoted + 1, strlen(quoted) - 2);
        APR_ARRAY_PUSH(parts, const char *) = zero < end ? "\\u0000" : "\"";
    }
    return apr_array_pstrcat(p, parts, '\0');
}

const char *ctl_json_string(apr_pool_t *p, const char *s)
{
    return s ? ctl_json_text(p, s, strlen(s)) : "null";
}

/*
 * Written anew, so that it is one line whatever its sender's layout. Depth is bounded by the
 * parser.
 */
static void json_value(apr_array_header_t *parts, const cfmt_json_t *v, apr_pool_t *p)
{
    const cfmt_json_t *item;
    int object = v->type == CFMT_JSON_OBJECT;

    switch (v->type) {
    case CFMT_JSON_NULL:
        APR_ARRAY_PUSH(parts, const char *) = "null";
        return;
    case CFMT_JSON_BOOL:
        APR_ARRAY_PUSH(parts, const char *) = v->flag ? "true" : "false";
        return;
    case CFMT_JSON_NUMBER:
        APR_ARRAY_PUSH(parts, const char *) = v->text;
        return;
    case CFMT_JSON_STRING:
        APR_ARRAY_PUSH(parts, const char *) = ctl_json_text(p, v->text, v->len);
        return;
    default:
        break;
    }
    APR_ARRAY_PUSH(parts, const char *) = object ? "{" : "[";
    for (item = v->child; item; item = item->next) {
        if (object) {
            APR_ARRAY_PUSH(parts, const char *) = ctl_json_text(p, item->key, item->key_len);
            APR_ARRAY_PUSH(parts, const char *) = ":";
        }
        json_value(parts, item, p);
        if (item->next) {
            APR_ARRAY_PUSH(parts, const char *) = ",";
        }
    }
    APR_ARRAY_PUSH(parts, const char *) = object ? "}" : "]";
}

static const char *json_base64(const ctl_bytes_t *b, apr_pool_t *p)
{
    char *out = apr_palloc(p, (apr_size_t)apr_base64_encode_len((int)b->len) + 1);

    apr_base64_encode_binary(out, (const unsigned char *)b->data, (int)b->len);
    return apr_pstrcat(p, ",\"body_base64\":\"", out, "\"", NULL);
}

/* A body that is not JSON is a string; one that no string can hold comes as base64, too. */
static const char *json_body(const ctl_bytes_t *b, apr_pool_t *p)
{
    static const cfmt_json_limits_t limits = { .depth = BODY_DEPTH };
    apr_array_header_t *parts;
    const char *why;
    cfmt_json_t *doc;

    if (!b->data) {
        return "null";
    }
    if (cfmt_json_parse(&doc, &why, b->data, b->len, &limits, p) == APR_SUCCESS) {
        parts = apr_array_make(p, 64, sizeof(const char *));
        json_value(parts, doc, p);
        return apr_array_pstrcat(p, parts, '\0');
    }
    return apr_pstrcat(p, ctl_json_text(p, b->data, b->len),
                       cfmt_text_is_utf8(b->data, b->len) ? NULL : json_base64(b, p), NULL);
}

static const char *json_list(const apr_array_header_t *list, apr_pool_t *p)
{
    apr_array_header_t *quoted = apr_array_make(p, list->nelts + 1, sizeof(const char *));
    int i;

    for (i = 0; i < list->nelts; i++) {
        APR_ARRAY_PUSH(quoted, const char *) =
            ctl_json_string(p, APR_ARRAY_IDX(list, i, const char *));
    }
    return apr_pstrcat(p, "[", apr_array_pstrcat(p, quoted, ','), "]", NULL);
}

static const char *json_flag(int v)
{
    return v < 0 ? "null" : v ? "true" : "false";
}

static const char *json_time(apr_time_t t, apr_pool_t *p)
{
    return t ? ctl_json_string(p, cfmt_time_format(p, t)) : "null";
}

/*
 * Whole numbers as such, huge ones with an exponent: APR writes zeros from 80 digits on, so it is
 * the C library that writes them; LC_NUMERIC is never set, so the point is a point.
 */
static const char *json_rate(double v, apr_pool_t *p)
{
    char text[64];

    if (!isfinite(v) || v < 0) {
        return "null";
    }
    if (v > 1e15) {
        snprintf(text, sizeof(text), "%.17g", v);
    }
    else {
        snprintf(text, sizeof(text), v == (double)(apr_int64_t)v ? "%.0f" : "%.3f", v);
    }
    return apr_pstrdup(p, text);
}

#define FIELD(row, column, type) \
    (*(const type *)(const void *)((const char *)(row) + (column)->offset))

static const char *json_cell(const ctl_column_t *c, const void *row, apr_pool_t *p)
{
    apr_int64_t n;

    switch (c->kind) {
    case COL_INT:
        return apr_psprintf(p, "%" APR_INT64_T_FMT, FIELD(row, c, apr_int64_t));
    case COL_REF:
        n = FIELD(row, c, apr_int64_t);
        return n ? apr_psprintf(p, "%" APR_INT64_T_FMT, n) : "null";
    case COL_BOOL:
        return FIELD(row, c, apr_int64_t) ? "true" : "false";
    case COL_TIME:
        return json_time(FIELD(row, c, apr_time_t), p);
    case COL_TEXT:
        return ctl_json_string(p, FIELD(row, c, char *));
    case COL_LIST:
        return json_list(FIELD(row, c, apr_array_header_t *), p);
    case COL_FLAG:
        return json_flag(FIELD(row, c, int));
    case COL_RATE:
        return json_rate(FIELD(row, c, double), p);
    case COL_RATIO:
        return FIELD(row, c, double) < 0 ? "null" : apr_psprintf(p, "%.4f", FIELD(row, c, double));
    case COL_RAW:
        return FIELD(row, c, char *) ? FIELD(row, c, char *) : "null";
    case COL_DURATION:
        n = FIELD(row, c, apr_interval_time_t);
        return n < 0 ? "null" : ctl_json_string(p, ctl_duration(p, n));
    case COL_SECONDS:
        n = FIELD(row, c, apr_interval_time_t);
        return n < 0 ? "null" : apr_psprintf(p, "%" APR_INT64_T_FMT, apr_time_sec(n));
    case COL_BODY:
        return json_body(&FIELD(row, c, ctl_bytes_t), p);
    }
    return "null";
}

const char *ctl_json_members(const ctl_list_t *list, const void *row, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, 128, sizeof(const char *));
    const ctl_column_t *c;

    for (c = list->columns; c->name; c++) {
        if (c->in_table != TABLE_ONLY) {
            APR_ARRAY_PUSH(parts, const char *) = parts->nelts ? ",\"" : "\"";
            APR_ARRAY_PUSH(parts, const char *) = c->name;
            APR_ARRAY_PUSH(parts, const char *) = "\":";
            APR_ARRAY_PUSH(parts, const char *) = json_cell(c, row, p);
        }
    }
    return apr_array_pstrcat(p, parts, '\0');
}

const char *ctl_json_row(const ctl_list_t *list, const void *row, apr_pool_t *p)
{
    return apr_pstrcat(p, "{", ctl_json_members(list, row, p), "}", NULL);
}

const char *ctl_json_rows(const ctl_list_t *list, const apr_array_header_t *rows, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, rows->nelts + 1, sizeof(const char *));
    int i;

    for (i = 0; i < rows->nelts; i++) {
        APR_ARRAY_PUSH(parts, const char *) =
            ctl_json_row(list, rows->elts + (size_t)i * list->row_size, p);
    }
    return apr_pstrcat(p, "[", apr_array_pstrcat(p, parts, ','), "]", NULL);
}

/* ---- cells of a table ------------------------------------------------------------------------ */

const char *ctl_text(apr_pool_t *p, const char *s)
{
    return s && *s ? cfmt_text_escape(p, s, strlen(s), TEXT_MAX) : "-";
}

static const char *list_cell(const apr_array_header_t *list, apr_pool_t *p)
{
    const char *text = NULL;
    int i;

    for (i = 0; i < list->nelts && i < LIST_SHOWN; i++) {
        const char *item = APR_ARRAY_IDX(list, i, const char *);
        text = apr_pstrcat(p, text ? text : "", text ? "," : "",
                           cfmt_text_escape(p, item, strlen(item), CELL_MAX), NULL);
    }
    if (list->nelts > LIST_SHOWN) {
        text = apr_psprintf(p, "%s,+%d", text, list->nelts - LIST_SHOWN);
    }
    return text ? text : "-";
}

/* "1.23M": no blank inside a cell, so that awk and cut can be used. The column names the unit. */
static const char *rate_cell(double v, apr_pool_t *p)
{
    char *out;

    if (v < 0) {
        return "-";
    }
    out = apr_pstrdup(p, cfmt_rate_format(p, v, ""));
    apr_collapse_spaces(out, out);
    return out;
}

const char *ctl_flag(int v)
{
    return v < 0 ? "-" : v ? "yes" : "no";
}

static const char *ratio_cell(double v, apr_pool_t *p)
{
    char text[32];

    snprintf(text, sizeof(text), "%.4g%%", v * 100);
    return v < 0 ? "-" : apr_pstrdup(p, text);
}

const char *ctl_duration(apr_pool_t *p, apr_interval_time_t d)
{
    return cfmt_duration_format(p, d < APR_USEC_PER_SEC ? d : d - d % APR_USEC_PER_SEC);
}

const char *ctl_time(apr_pool_t *p, apr_time_t t)
{
    return t ? cfmt_time_format(p, t - t % APR_USEC_PER_SEC) : "-";
}

static const char *table_cell(const ctl_column_t *c, const void *row, apr_pool_t *p)
{
    const char *text;
    apr_int64_t n;

    switch (c->kind) {
    case COL_TIME:
        return ctl_time(p, FIELD(row, c, apr_time_t));
    case COL_TEXT:
        text = FIELD(row, c, char *);
        return text && *text ? cfmt_text_escape(p, text, strlen(text), CELL_MAX) : "-";
    case COL_LIST:
        return list_cell(FIELD(row, c, apr_array_header_t *), p);
    case COL_RATE:
        return rate_cell(FIELD(row, c, double), p);
    case COL_RATIO:
        return ratio_cell(FIELD(row, c, double), p);
    case COL_FLAG:
        return ctl_flag(FIELD(row, c, int));
    case COL_DURATION:
        n = FIELD(row, c, apr_interval_time_t);
        return n < 0 ? "-" : ctl_duration(p, n);
    case COL_REF:
        n = FIELD(row, c, apr_int64_t);
        return n ? apr_psprintf(p, "%" APR_INT64_T_FMT, n) : "-";
    default:
        return json_cell(c, row, p);
    }
}

/* ---- the table ------------------------------------------------------------------------------- */

static int is_number(ctl_kind_e kind)
{
    return kind == COL_INT || kind == COL_REF || kind == COL_RATE || kind == COL_RATIO;
}

/* Characters, not bytes; cells are escaped, so they are valid UTF-8 without controls. */
static int width_of(const char *s)
{
    int n = 0;

    for (; *s; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

/* The first n characters. */
static int bytes_of(const char *s, int n)
{
    const char *at = s;

    while (*at && (n > 0 || ((unsigned char)*at & 0xc0) == 0x80)) {
        n -= ((unsigned char)*++at & 0xc0) != 0x80;
    }
    return (int)(at - s);
}

static int terminal_width(void)
{
    struct winsize w;

    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20
           ? w.ws_col : 0;
}

static const char *colour_of(const ctl_column_t *c, const char *cell)
{
    if (!strcmp(c->name, "priority")) {
        return ctl_ansi(!strcmp(cell, "CRITICAL") ? RED : !strcmp(cell, "HIGH") ? YELLOW : "");
    }
    if (!strcmp(c->name, "status")) {
        return ctl_ansi(!strcmp(cell, "fail") ? RED : !strcmp(cell, "warn") ? YELLOW : "");
    }
    if (!strcmp(c->name, "state")) {
        return ctl_ansi(!strcmp(cell, "open") || !strcmp(cell, "start") || !strcmp(cell, "down")
                            ? RED : !strcmp(cell, "degraded") ? YELLOW : "");
    }
    return "";
}

/* One cell; the last column is not padded, and cut where a terminal would wrap it. */
static int put_cell(const ctl_column_t *c, const char *cell, int width, int last, int room)
{
    int have = width_of(cell), pad = width > have ? width - have : 0;
    int left = is_number(c->kind) ? pad : 0, right = last || left ? 0 : pad;
    const char *colour = colour_of(c, cell);

    if (last && room > 3 && have > room) {
        printf("%.*s...", bytes_of(cell, room - 3), cell);
        return 0;
    }
    printf("%*s%s%s%s%*s", left, "", colour, cell, *colour ? PLAIN : "", right, "");
    return width + 2;
}

static int last_column(const ctl_list_t *list)
{
    int i, last = 0;

    for (i = 0; list->columns[i].name; i++) {
        last = list->columns[i].in_table ? i : last;
    }
    return last;
}

static void put_line(const ctl_out_t *out, const char *const *cells)
{
    int i, last = last_column(out->list), room = terminal_width();
    int limited = room > 0;

    for (i = 0; i <= last && out->list->columns[i].name; i++) {
        if (out->list->columns[i].in_table) {
            room -= put_cell(&out->list->columns[i], cells[i], out->width[i], i == last,
                             limited ? room : 0);
            fputs(i == last ? "\n" : "  ", stdout);
        }
    }
}

static const char *upper(const char *name, apr_pool_t *p)
{
    char *out = apr_pstrdup(p, name), *at;

    for (at = out; *at; at++) {
        *at = (char)toupper((unsigned char)*at);
    }
    return out;
}

static void put_header(ctl_out_t *out, apr_pool_t *p)
{
    const char *cells[CTL_COLUMNS_MAX];
    int i;

    for (i = 0; out->list->columns[i].name; i++) {
        cells[i] = upper(out->list->columns[i].name, p);
        out->width[i] = width_of(cells[i]) > out->width[i] ? width_of(cells[i]) : out->width[i];
    }
    fputs(ctl_ansi(BOLD), stdout);
    put_line(out, cells);
    fputs(ctl_ansi(PLAIN), stdout);
}

static void table_rows(ctl_out_t *out, const apr_array_header_t *rows, apr_pool_t *p)
{
    apr_size_t count = CTL_COLUMNS_MAX * (apr_size_t)rows->nelts;
    const char **cells = apr_palloc(p, sizeof(*cells) * (count + 1));
    const ctl_column_t *c = out->list->columns;
    int r, i;

    for (r = 0; r < rows->nelts; r++) {
        for (i = 0; c[i].name; i++) {
            const char *row = rows->elts + (size_t)r * out->list->row_size;
            const char *cell = c[i].in_table ? table_cell(&c[i], row, p) : "";
            cells[r * CTL_COLUMNS_MAX + i] = cell;
            out->width[i] = width_of(cell) > out->width[i] ? width_of(cell) : out->width[i];
        }
    }
    if (!out->begun) {
        put_header(out, p);
    }
    for (r = 0; r < rows->nelts; r++) {
        put_line(out, &cells[r * CTL_COLUMNS_MAX]);
    }
}

/* ---- lists ----------------------------------------------------------------------------------- */

void ctl_list_begin(ctl_out_t *out, const ctl_list_t *list, int json, int follow)
{
    memset(out, 0, sizeof(*out));
    out->list = list;
    out->json = json;
    out->follow = follow;
}

/* Not before the first row is there: a list that cannot be read at all leaves nothing on stdout. */
static void json_begin(ctl_out_t *out)
{
    if (!out->begun && !out->follow) {
        printf("{\"version\":1,%s%s\"%s\":[", out->members ? out->members : "",
               out->members ? "," : "", out->list->noun);
    }
    out->begun = 1;
}

static void json_rows(ctl_out_t *out, const apr_array_header_t *rows, apr_pool_t *p)
{
    apr_pool_t *prow;
    int r;

    json_begin(out);
    apr_pool_create(&prow, p);
    for (r = 0; r < rows->nelts; r++) {
        const char *row = rows->elts + (size_t)r * out->list->row_size;
        if (!out->follow) {
            fputs(out->rows + r ? ",\n" : "\n", stdout);
        }
        fputs(ctl_json_row(out->list, row, prow), stdout);
        if (out->follow) {
            fputc('\n', stdout);
        }
        apr_pool_clear(prow);
    }
    apr_pool_destroy(prow);
}

void ctl_list_rows(ctl_out_t *out, const apr_array_header_t *rows, apr_pool_t *p)
{
    if (out->json) {
        json_rows(out, rows, p);
    }
    else {
        table_rows(out, rows, p);
    }
    out->begun = 1;
    out->rows += rows->nelts;
    if (out->follow) {
        fflush(stdout);
    }
}

void ctl_list_end(ctl_out_t *out, apr_pool_t *p)
{
    if (out->json && !out->follow) {
        json_begin(out);
        fputs(out->rows ? "\n]}\n" : "]}\n", stdout);
    }
    if (!out->json && !out->begun && !out->follow) { /* an empty table is a table, too */
        put_header(out, p);
        out->begun = 1;
    }
}
