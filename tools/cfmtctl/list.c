/*
 * Lists on stdout, from one description of their columns: an aligned table, a wider one, JSON as a
 * document or a row a line, CSV.
 */
#include <ctype.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmtctl.h"

#define CELL_MAX 200
#define CSV_MAX (1 << 20)
#define LIST_SHOWN 3 /* items of a list in a cell of a table */
#define RED "\033[1;31m"
#define YELLOW "\033[33m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

/* ---- cells of a table ------------------------------------------------------------------------ */

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

static const char *ratio_cell(double v, apr_pool_t *p)
{
    char text[32];

    snprintf(text, sizeof(text), "%.4g%%", v * 100);
    return v < 0 ? "-" : apr_pstrdup(p, text);
}

static const char *table_cell(const ctl_column_t *c, const void *row, apr_pool_t *p)
{
    const char *text;
    apr_int64_t n;

    switch (c->kind) {
    case COL_TIME:
        return ctl_time(p, CTL_FIELD(row, c, apr_time_t));
    case COL_TEXT:
        text = CTL_FIELD(row, c, char *);
        return text && *text ? cfmt_text_escape(p, text, strlen(text), CELL_MAX) : "-";
    case COL_SENTENCE:
        return ctl_text(p, CTL_FIELD(row, c, char *));
    case COL_LIST:
        return list_cell(CTL_FIELD(row, c, apr_array_header_t *), p);
    case COL_RATE:
        return rate_cell(CTL_FIELD(row, c, double), p);
    case COL_RATIO:
        return ratio_cell(CTL_FIELD(row, c, double), p);
    case COL_FLAG:
        return ctl_flag(CTL_FIELD(row, c, int));
    case COL_DURATION:
        n = CTL_FIELD(row, c, apr_interval_time_t);
        return n < 0 ? "-" : ctl_duration(p, n);
    case COL_REF:
        n = CTL_FIELD(row, c, apr_int64_t);
        return n ? apr_psprintf(p, "%" APR_INT64_T_FMT, n) : "-";
    default:
        return ctl_json_cell(c, row, p);
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

    if (last && room > 3 && have > room && c->kind != COL_SENTENCE) {
        printf("%.*s...", bytes_of(cell, room - 3), cell);
        return 0;
    }
    printf("%*s%s%s%s%*s", left, "", colour, cell, *colour ? PLAIN : "", right, "");
    return width + 2;
}

static int is_shown(const ctl_out_t *out, const ctl_column_t *c)
{
    int wide = out->format == CTL_WIDE;

    return c->in_table == 1 || c->in_table == TABLE_ONLY || (c->in_table == WIDE && wide)
           || (c->in_table == NARROW && !wide);
}

static int last_column(const ctl_out_t *out)
{
    int i, last = 0;

    for (i = 0; out->list->columns[i].name; i++) {
        last = is_shown(out, &out->list->columns[i]) ? i : last;
    }
    return last;
}

static void put_line(const ctl_out_t *out, const char *const *cells)
{
    int i, last = last_column(out), room = terminal_width();
    int limited = room > 0;

    for (i = 0; i <= last && out->list->columns[i].name; i++) {
        if (is_shown(out, &out->list->columns[i])) {
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
    const char **cells = apr_palloc(p, CTL_COLUMNS_MAX * sizeof(*cells));
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
            const char *cell = is_shown(out, &c[i]) ? table_cell(&c[i], row, p) : "";
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

/* ---- CSV (RFC 4180) -------------------------------------------------------------------------- */

/* Text is escaped as in a table, so a row is a line; what is a list or an object is JSON. */
static const char *csv_cell(const ctl_column_t *c, const void *row, apr_pool_t *p)
{
    const ctl_bytes_t *body;
    const char *text;
    apr_int64_t n;

    switch (c->kind) {
    case COL_TEXT:
    case COL_SENTENCE:
        text = CTL_FIELD(row, c, char *);
        return text ? cfmt_text_escape(p, text, strlen(text), CSV_MAX) : "";
    case COL_BODY:
        body = &CTL_FIELD(row, c, ctl_bytes_t);
        if (body->data && !cfmt_text_is_utf8(body->data, body->len)) {
            return cfmt_text_escape(p, body->data, body->len, CSV_MAX);
        }
        break;
    case COL_TIME:
        n = CTL_FIELD(row, c, apr_time_t);
        return n ? cfmt_time_format(p, n) : "";
    case COL_DURATION:
        n = CTL_FIELD(row, c, apr_interval_time_t);
        return n < 0 ? "" : ctl_duration(p, n);
    default:
        break;
    }
    text = ctl_json_cell(c, row, p);
    return strcmp(text, "null") ? text : "";
}

static void put_csv(const char *cell)
{
    if (!cell[strcspn(cell, "\",\r\n")]) {
        fputs(cell, stdout);
        return;
    }
    putchar('"');
    for (; *cell; cell++) {
        fputs(*cell == '"' ? "\"\"" : (const char[]){ *cell, '\0' }, stdout);
    }
    putchar('"');
}

/* row NULL: the names. */
static void csv_line(const ctl_out_t *out, const void *row, apr_pool_t *p)
{
    const ctl_column_t *c;
    int begun = 0;

    for (c = out->list->columns; c->name; c++) {
        if (ctl_in_data(c)) {
            fputs(begun ? "," : "", stdout);
            put_csv(row ? csv_cell(c, row, p) : c->name);
            begun = 1;
        }
    }
    fputs("\r\n", stdout);
}

/* ---- rows as data ---------------------------------------------------------------------------- */

/* Not before the first row is there: a list that cannot be read at all leaves nothing on stdout. */
static void data_begin(ctl_out_t *out, apr_pool_t *p)
{
    if (!out->begun && out->format == CTL_CSV) {
        csv_line(out, NULL, p);
    }
    if (!out->begun && out->format == CTL_JSON) {
        printf("{\"version\":1,%s%s\"%s\":[", out->members ? out->members : "",
               out->members ? "," : "", out->list->noun);
    }
    out->begun = 1;
}

static void data_row(const ctl_out_t *out, const void *row, int first, apr_pool_t *p)
{
    if (out->format == CTL_CSV) {
        csv_line(out, row, p);
    }
    else if (out->format == CTL_JSONL) {
        printf("%s\n", ctl_json_row(out->list, row, p));
    }
    else {
        printf("%s%s", first ? "\n" : ",\n", ctl_json_row(out->list, row, p));
    }
}

static void data_rows(ctl_out_t *out, const apr_array_header_t *rows, apr_pool_t *p)
{
    apr_pool_t *prow;
    int r;

    data_begin(out, p);
    apr_pool_create(&prow, p);
    for (r = 0; r < rows->nelts; r++) {
        data_row(out, rows->elts + (size_t)r * out->list->row_size, out->rows + r == 0, prow);
        apr_pool_clear(prow);
    }
    apr_pool_destroy(prow);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static int is_data(const ctl_out_t *out)
{
    return out->format != CTL_TABLE && out->format != CTL_WIDE;
}

/* A list that goes on has no end, so its JSON is a row a line. */
void ctl_list_begin(ctl_out_t *out, const ctl_list_t *list, const ctl_t *ctl)
{
    memset(out, 0, sizeof(*out));
    out->list = list;
    out->follow = ctl->follow;
    out->format = ctl->follow && ctl->format == CTL_JSON ? CTL_JSONL : ctl->format;
}

void ctl_list_rows(ctl_out_t *out, const apr_array_header_t *rows, apr_pool_t *p)
{
    if (is_data(out)) {
        data_rows(out, rows, p);
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
    if (is_data(out)) {
        data_begin(out, p);
        fputs(out->format != CTL_JSON ? "" : out->rows ? "\n]}\n" : "]}\n", stdout);
    }
    else if (!out->begun && !out->follow) { /* an empty table is a table, too */
        put_header(out, p);
        out->begun = 1;
    }
}

void ctl_list_print(const ctl_list_t *list, const apr_array_header_t *rows, const char *members,
                    const ctl_t *ctl, apr_pool_t *p)
{
    ctl_out_t out;

    ctl_list_begin(&out, list, ctl);
    out.members = members;
    if (rows->nelts) {
        ctl_list_rows(&out, rows, p);
    }
    ctl_list_end(&out, p);
}
