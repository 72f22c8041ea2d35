/*
 * Reads the database of the system before, magic_transit.db, row by row. That system made its
 * tables as it went, so any column may be missing and any value may be of any type: a row is told
 * as it stands there, and what it means is found out elsewhere.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store_import.h"
#include "store_private.h"

#define BUSY_MS 5000 /* the old system may be at work */
#define PAGE 200     /* rows a statement: whoever writes there waits no longer than that takes */
#define PAGE_OF(table) \
    { .name = table, .sql = "SELECT rowid, * FROM " table " WHERE rowid > ?1 ORDER BY rowid" \
                            " LIMIT ?2" }

static const struct {
    const char *name, *sql;
} tables[] = {
    PAGE_OF("attack_events"), PAGE_OF("webhook_events"), PAGE_OF("withdrawal_history"),
    PAGE_OF("pending_withdrawals"), PAGE_OF("network_analytics_events"),
    PAGE_OF("prefix_calm_status"),
};
#define TABLES ((int)(sizeof(tables) / sizeof(tables[0])))

typedef struct reader_t {
    sqlite3 *db;
    const cfmt_legacy_out_t *out;
    apr_pool_t *page; /* cleared after each */
} reader_t;

static apr_status_t tell(const reader_t *rd, const char *line)
{
    return rd->out->line(rd->out->baton, line, strlen(line));
}

/* ---- values ---------------------------------------------------------------------------------- */

/* JSON has no infinity; as the shortest text that is the same number again. */
static const char *number(sqlite3_stmt *st, int i, apr_pool_t *p)
{
    double v = sqlite3_column_double(st, i);

    if (v != v || v > 1.7e308 || v < -1.7e308) {
        return cfmt_json_quote(p, (const char *)sqlite3_column_text(st, i));
    }
    return apr_psprintf(p, "%.17g", v);
}

static const char *hex(const unsigned char *data, int n, apr_pool_t *p)
{
    static const char digits[] = "0123456789abcdef";
    char *text = apr_palloc(p, (apr_size_t)n * 2 + 5), *to = text;
    int i;

    *to++ = '"';
    *to++ = 'x';
    *to++ = '\'';
    for (i = 0; i < n; i++) {
        *to++ = digits[data[i] >> 4];
        *to++ = digits[data[i] & 15];
    }
    memcpy(to, "'\"", 3);
    return text;
}

static const char *value(sqlite3_stmt *st, int i, apr_pool_t *p)
{
    int n = sqlite3_column_bytes(st, i);
    const char *bytes;

    switch (sqlite3_column_type(st, i)) {
    case SQLITE_NULL:
        return "null";
    case SQLITE_INTEGER:
        return apr_psprintf(p, "%" APR_INT64_T_FMT, (apr_int64_t)sqlite3_column_int64(st, i));
    case SQLITE_FLOAT:
        return number(st, i, p);
    default:
        break;
    }
    bytes = n ? sqlite3_column_blob(st, i) : "";
    if (!cfmt_text_is_utf8(bytes, (apr_size_t)n) || memchr(bytes, '\0', (apr_size_t)n)) {
        return hex((const unsigned char *)bytes, n, p);
    }
    return cfmt_json_quote(p, apr_pstrmemdup(p, bytes, (apr_size_t)n));
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* The first column is the rowid, for paging. */
#define FIRST 1

static const char *row_id(sqlite3_stmt *st, apr_pool_t *p)
{
    int i;

    for (i = FIRST; i < sqlite3_column_count(st); i++) {
        if (!strcmp(sqlite3_column_name(st, i), "id")
            && sqlite3_column_type(st, i) != SQLITE_NULL) {
            return cfmt_json_quote(p, (const char *)sqlite3_column_text(st, i));
        }
    }
    return "null";
}

static apr_int64_t row_size(sqlite3_stmt *st)
{
    apr_int64_t size = 0;
    int i;

    for (i = FIRST; i < sqlite3_column_count(st); i++) {
        size += sqlite3_column_bytes(st, i);
    }
    return size;
}

static const char *row_line(const char *table, sqlite3_stmt *st, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, 64, sizeof(const char *));
    apr_int64_t size = row_size(st);
    const char *id = row_id(st, p);
    int i;

    if (size > CFMT_LEGACY_ROW_MAX) {
        return apr_psprintf(p, "{\"source\":\"%s\",\"id\":%s,\"error\":\"the row has"
                               " %" APR_INT64_T_FMT " bytes, which is too much\"}", table, id,
                            size);
    }
    for (i = FIRST; i < sqlite3_column_count(st); i++) {
        APR_ARRAY_PUSH(parts, const char *) = i > FIRST ? "," : "";
        APR_ARRAY_PUSH(parts, const char *) = cfmt_json_quote(p, sqlite3_column_name(st, i));
        APR_ARRAY_PUSH(parts, const char *) = ":";
        APR_ARRAY_PUSH(parts, const char *) = value(st, i, p);
    }
    return apr_pstrcat(p, "{\"source\":\"", table, "\",\"id\":", id, ",\"columns\":{",
                       apr_array_pstrcat(p, parts, '\0'), "}}", NULL);
}

/* Nobody is told before the statement has ended: a slow listener must not lock the old system. */
static int read_page(const reader_t *rd, const char *table, sqlite3_stmt *st, sqlite3_int64 *pafter,
                     apr_array_header_t *lines)
{
    apr_size_t bytes = 0;
    int rc;

    sqlite3_bind_int64(st, 1, *pafter);
    sqlite3_bind_int(st, 2, PAGE);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW && bytes < CFMT_LEGACY_ROW_MAX) {
        const char *line = row_line(table, st, rd->page);

        *pafter = sqlite3_column_int64(st, 0);
        bytes += strlen(line);
        APR_ARRAY_PUSH(lines, const char *) = line;
    }
    rc = rc == SQLITE_ROW ? SQLITE_DONE : rc; /* the last one is read again */
    sqlite3_reset(st);
    return rc;
}

static apr_status_t tell_lines(const reader_t *rd, const apr_array_header_t *lines)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < lines->nelts; i++) {
        rv = tell(rd, APR_ARRAY_IDX(lines, i, const char *));
    }
    return rv;
}

/* What SQLite does not get out of the file is told as well: the rest of the table is missing. */
static apr_status_t tell_table(const reader_t *rd, const char *table, const char *sql)
{
    sqlite3_stmt *st = NULL;
    sqlite3_int64 after = APR_INT64_MIN;
    apr_status_t rv = APR_SUCCESS;
    int rc = sqlite3_prepare_v2(rd->db, sql, -1, &st, NULL), more = rc == SQLITE_OK;

    while (more && rv == APR_SUCCESS) {
        apr_array_header_t *lines = apr_array_make(rd->page, PAGE, sizeof(const char *));

        rc = read_page(rd, table, st, &after, lines);
        more = rc == SQLITE_DONE && lines->nelts;
        rv = tell_lines(rd, lines);
        apr_pool_clear(rd->page);
    }
    if (rv == APR_SUCCESS && rc != SQLITE_OK && rc != SQLITE_DONE) {
        rv = tell(rd, apr_psprintf(rd->page, "{\"source\":\"%s\",\"id\":null,\"error\":%s}",
                                   table, cfmt_json_quote(rd->page, sqlite3_errmsg(rd->db))));
    }
    sqlite3_finalize(st);
    return rv;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static int known(const char *name)
{
    int i;

    for (i = 0; i < TABLES; i++) {
        if (!strcmp(tables[i].name, name)) {
            return i;
        }
    }
    return -1;
}

static apr_int64_t count(const reader_t *rd, const char *table)
{
    char *sql = sqlite3_mprintf("SELECT count(*) FROM \"%w\"", table);
    sqlite3_stmt *st = NULL;
    apr_int64_t n = 0;

    if (sql && sqlite3_prepare_v2(rd->db, sql, -1, &st, NULL) == SQLITE_OK
        && sqlite3_step(st) == SQLITE_ROW) {
        n = sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    sqlite3_free(sql);
    return n;
}

static apr_status_t tell_unknown(const reader_t *rd, const char *name)
{
    return tell(rd, apr_psprintf(rd->page, "{\"source\":%s,\"unknown\":%" APR_INT64_T_FMT "}",
                                 cfmt_json_quote(rd->page, name), count(rd, name)));
}

/* The names of its tables; an SQLite code. */
static int names(const reader_t *rd, apr_array_header_t *found)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(rd->db, "SELECT name FROM sqlite_master WHERE type = 'table'"
                                        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
                                        " ORDER BY name", -1, &st, NULL);

    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        APR_ARRAY_PUSH(found, const char *) =
            apr_pstrdup(found->pool, (const char *)sqlite3_column_text(st, 0));
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static apr_status_t tell_all(const reader_t *rd, const apr_array_header_t *found)
{
    apr_status_t rv = APR_SUCCESS;
    int i, table;

    for (i = 0; rv == APR_SUCCESS && i < found->nelts; i++) {
        const char *name = APR_ARRAY_IDX(found, i, const char *);

        table = known(name);
        rv = table < 0 ? tell_unknown(rd, name)
                       : tell_table(rd, tables[table].name, tables[table].sql);
        apr_pool_clear(rd->page);
    }
    return rv;
}

static apr_status_t status_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
        return APR_SUCCESS;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY: /* a log that cannot be read without writing beside the file */
        return CFMT_EDENIED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return CFMT_EBUSY;
    default:
        return CFMT_ECORRUPT;
    }
}

apr_status_t cfmt_legacy_read(const char *path, const cfmt_legacy_out_t *out, const char **pwhy,
                              apr_pool_t *p)
{
    apr_array_header_t *found = apr_array_make(p, 8, sizeof(const char *));
    reader_t rd = { .out = out };
    int rc = sqlite3_open_v2(path, &rd.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW, NULL);
    apr_status_t rv;

    apr_pool_create(&rd.page, p);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(rd.db, BUSY_MS);
        rc = names(&rd, found);
    }
    *pwhy = apr_pstrdup(p, rd.db ? sqlite3_errmsg(rd.db) : "out of memory");
    rv = rc == SQLITE_OK ? tell_all(&rd, found) : status_of(rc);
    sqlite3_close(rd.db);
    apr_pool_destroy(rd.page);
    return rv;
}
