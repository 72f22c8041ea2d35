/*
 * The audit: each change of the world or of a hold, chained by hashes so that a row that was
 * changed, removed, added or moved is found. Whoever can write the file can write the whole chain
 * anew: against that stands the head that was noted outside (the error log).
 */
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "act.h"

/* The hash covers all of them but the last. */
#define COLUMNS "id, at, what, prefix, who, why, ref, body, hash"
#define HASHED 8
#define SELECT "SELECT " COLUMNS " FROM audit "
#define META_HEAD "audit_head" /* "ID HASH" of the row appended last */

/* ---- the hash of a row ----------------------------------------------------------------------- */

/* As stored: a column is its type, its length and its bytes, so no two rows read alike. */
static struct iovec column(sqlite3_stmt *st, int i, unsigned char head[9])
{
    static const char types[] = {
        [SQLITE_INTEGER] = 'i', [SQLITE_FLOAT] = 'f', [SQLITE_TEXT] = 't', [SQLITE_BLOB] = 'b',
        [SQLITE_NULL] = 'n'
    };
    int type = sqlite3_column_type(st, i), k;
    struct iovec bytes;
    apr_uint64_t len;

    bytes.iov_base = (void *)(apr_uintptr_t)(type == SQLITE_BLOB ? sqlite3_column_blob(st, i)
                                                                 : sqlite3_column_text(st, i));
    bytes.iov_len = (size_t)sqlite3_column_bytes(st, i);
    len = bytes.iov_len;
    head[0] = (unsigned char)types[type];
    for (k = 8; k > 0; k--) {
        head[k] = (unsigned char)(len & 0xff);
        len >>= 8;
    }
    return bytes;
}

/* hash: of the row before; becomes that of the row st stands on. */
static void hash_row(char hash[CFMT_AUDIT_HASH + 1], sqlite3_stmt *st)
{
    unsigned char heads[HASHED][9], sha[CFMT_SHA256_SIZE];
    struct iovec parts[1 + 2 * HASHED];
    int i;

    parts[0].iov_base = hash;
    parts[0].iov_len = CFMT_AUDIT_HASH;
    for (i = 0; i < HASHED; i++) {
        parts[2 + 2 * i] = column(st, i, heads[i]);
        parts[1 + 2 * i].iov_base = heads[i];
        parts[1 + 2 * i].iov_len = sizeof(heads[i]);
    }
    cfmt_sha256_vec(sha, parts, 1 + 2 * HASHED);
    for (i = 0; i < CFMT_SHA256_SIZE; i++) {
        apr_snprintf(hash + 2 * i, 3, "%02x", sha[i]);
    }
}

static void no_head(cfmt_audit_head_t *head)
{
    head->id = 0;
    memset(head->hash, '0', CFMT_AUDIT_HASH);
    head->hash[CFMT_AUDIT_HASH] = '\0';
}

/* ---- the head -------------------------------------------------------------------------------- */

/* Text that is none of ours reads as the head of an empty chain. */
static void parse_head(cfmt_audit_head_t *head, const char *text)
{
    char *end = NULL;
    apr_int64_t id = text ? apr_strtoi64(text, &end, 10) : 0;

    no_head(head);
    if (end && end != text && *end == ' '
        && strspn(end + 1, "0123456789abcdef") >= CFMT_AUDIT_HASH) {
        head->id = id;
        apr_cpystrn(head->hash, end + 1, CFMT_AUDIT_HASH + 1);
    }
}

/* What was noted at the last append, and the id of the last row, as of one moment. */
static apr_status_t noted_head(cfmt_store_t *s, cfmt_audit_head_t *head, apr_int64_t *plast)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT (SELECT value FROM meta WHERE name = '" META_HEAD "'),"
                                   " (SELECT max(id) FROM audit)");
    apr_status_t rv;

    no_head(head);
    *plast = 0;
    if (cfmt_sql_row(s, st, &rv)) {
        parse_head(head, (const char *)sqlite3_column_text(st, 0));
        *plast = cfmt_col_int(st, 1);
        cfmt_sql_done(st);
    }
    return rv;
}

static apr_status_t note_head(cfmt_store_t *s, const cfmt_audit_head_t *head)
{
    sqlite3_stmt *st = cfmt_sql(s, "INSERT INTO meta(name, value) VALUES('" META_HEAD "', ?1)"
                                   " ON CONFLICT(name) DO UPDATE SET value = ?1");
    char text[32 + CFMT_AUDIT_HASH];

    apr_snprintf(text, sizeof(text), "%" APR_INT64_T_FMT " %s", head->id, head->hash);
    cfmt_bind_text(st, 1, text);
    return cfmt_sql_run(s, st);
}

static apr_status_t last_row(cfmt_store_t *s, cfmt_audit_head_t *head)
{
    sqlite3_stmt *st = cfmt_sql(s, "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1");
    apr_status_t rv;

    if (cfmt_sql_row(s, st, &rv)) {
        const char *hash = (const char *)sqlite3_column_text(st, 1);

        head->id = cfmt_col_int(st, 0);
        apr_cpystrn(head->hash, hash ? hash : "", sizeof(head->hash));
        cfmt_sql_done(st);
    }
    return rv;
}

/*
 * What was noted counts, not the last row: if that has been removed, the gap stays. Only rows
 * behind the note (it was removed) must not stop what has to be done.
 */
apr_status_t cfmt_audit_head(cfmt_store_t *s, cfmt_audit_head_t *head)
{
    apr_int64_t last;
    apr_status_t rv = noted_head(s, head, &last);

    return rv == APR_SUCCESS && last > head->id ? last_row(s, head) : rv;
}

/* ---- append ---------------------------------------------------------------------------------- */

static apr_status_t insert(cfmt_store_t *s, const cfmt_audit_row_t *row)
{
    sqlite3_stmt *st = cfmt_sql(s, "INSERT INTO audit(" COLUMNS ")"
                                   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '')");

    cfmt_bind_int(st, 1, row->id);
    cfmt_bind_int(st, 2, row->at);
    cfmt_bind_text(st, 3, row->what);
    cfmt_bind_text(st, 4, row->prefix);
    cfmt_bind_text(st, 5, row->who);
    cfmt_bind_text(st, 6, row->why);
    cfmt_bind_text(st, 7, row->ref);
    cfmt_bind_text(st, 8, row->body);
    return cfmt_sql_run(s, st);
}

/* The hash is made of the row as the store gives it back: verify sees the same. */
static apr_status_t seal(cfmt_store_t *s, cfmt_audit_head_t *head)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "WHERE id = ?1");
    apr_status_t rv;

    cfmt_bind_int(st, 1, head->id);
    if (!cfmt_sql_row(s, st, &rv)) {
        return rv == APR_SUCCESS ? CFMT_ESTORE : rv;
    }
    hash_row(head->hash, st);
    cfmt_sql_done(st);
    st = cfmt_sql(s, "UPDATE audit SET hash = ?2 WHERE id = ?1");
    cfmt_bind_int(st, 1, head->id);
    cfmt_bind_text(st, 2, head->hash);
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_audit_append(cfmt_store_t *s, cfmt_audit_row_t *row, cfmt_audit_head_t *head)
{
    cfmt_audit_head_t mine = { .id = 0 }, *h = head ? head : &mine;
    apr_status_t rv;

    if (!cfmt_act_said(row->what) || !cfmt_act_said(row->who)) {
        return CFMT_EINVALID;
    }
    rv = cfmt_audit_head(s, h);
    row->id = ++h->id;
    rv = rv == APR_SUCCESS ? insert(s, row) : rv;
    rv = rv == APR_SUCCESS ? seal(s, h) : rv;
    return rv == APR_SUCCESS ? note_head(s, h) : rv;
}

/* ---- list ------------------------------------------------------------------------------------ */

static void take_row(void *out, sqlite3_stmt *st, apr_pool_t *p)
{
    cfmt_audit_row_t *row = out;

    row->id = cfmt_col_int(st, 0);
    row->at = cfmt_col_int(st, 1);
    row->what = cfmt_col_text(st, 2, p);
    row->prefix = cfmt_col_text(st, 3, p);
    row->who = cfmt_col_text(st, 4, p);
    row->why = cfmt_col_text(st, 5, p);
    row->ref = cfmt_col_text(st, 6, p);
    row->body = cfmt_col_text(st, 7, p);
    row->hash = cfmt_col_text(st, 8, p);
}

apr_status_t cfmt_audit_list(cfmt_store_t *s, apr_int64_t before, int limit,
                             apr_array_header_t **prows, apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "WHERE id < ?1 ORDER BY id DESC LIMIT ?2");

    cfmt_bind_int(st, 1, before ? before : APR_INT64_MAX);
    cfmt_bind_int(st, 2, limit);
    return cfmt_act_rows(s, st, prows, sizeof(cfmt_audit_row_t), take_row, p);
}

/* ---- verify ---------------------------------------------------------------------------------- */

/* check->head: the last row that is sound. */
static void broken(cfmt_audit_check_t *check, apr_int64_t id, const char *problem,
                   const char *detail)
{
    check->broken = id;
    check->problem = problem;
    check->detail = detail;
}

/* The type first: to read a blob as text makes it one. */
static int is_stored(sqlite3_stmt *st, const char *hash)
{
    return sqlite3_column_type(st, HASHED) == SQLITE_TEXT
           && !strcmp((const char *)sqlite3_column_text(st, HASHED), hash)
           && sqlite3_column_bytes(st, HASHED) == CFMT_AUDIT_HASH;
}

/* The row that st stands on, as the one after check->head. */
static void check_row(cfmt_audit_check_t *check, sqlite3_stmt *st, const cfmt_audit_head_t *anchor,
                      apr_pool_t *p)
{
    apr_int64_t id = cfmt_col_int(st, 0), want = check->head.id + 1;
    char hash[CFMT_AUDIT_HASH + 1];

    if (id != want) {
        broken(check, want, "gap",
               apr_psprintf(p, "row %" APR_INT64_T_FMT " stands where it should be", id));
        return;
    }
    memcpy(hash, check->head.hash, sizeof(hash));
    hash_row(hash, st);
    if (!is_stored(st, hash)) {
        broken(check, id, "hash", "the row, or the one before, is not the one that was written");
        return;
    }
    if (anchor && anchor->id == id && strcasecmp(anchor->hash, hash)) {
        broken(check, id, "anchor", "the row is not the one that was noted outside");
        return;
    }
    check->rows++;
    check->head.id = id;
    memcpy(check->head.hash, hash, sizeof(hash));
}

/* One page of rows from *pfrom on, none behind upto. *pn: how many it had. */
static apr_status_t check_page(cfmt_store_t *s, cfmt_audit_check_t *check, apr_int64_t *pfrom,
                               apr_int64_t upto, int *pn, const cfmt_audit_head_t *anchor,
                               apr_pool_t *p)
{
    sqlite3_stmt *st = cfmt_sql(s, SELECT "WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT ?3");
    apr_status_t rv;

    *pn = 0;
    cfmt_bind_int(st, 1, *pfrom);
    cfmt_bind_int(st, 2, upto);
    cfmt_bind_int(st, 3, CFMT_QUERY_PAGE);
    while (cfmt_sql_row(s, st, &rv)) {
        check_row(check, st, anchor, p);
        if (check->problem) {
            cfmt_sql_done(st);
            break;
        }
        *pfrom = check->head.id + 1;
        (*pn)++;
    }
    return rv;
}

/* All rows are sound: are they all? */
static void check_end(cfmt_audit_check_t *check, const cfmt_audit_head_t *noted,
                      const cfmt_audit_head_t *anchor, apr_pool_t *p)
{
    const cfmt_audit_head_t *end = &check->head;

    if (noted->id > end->id) {
        broken(check, end->id + 1, "head",
               apr_psprintf(p, "row %" APR_INT64_T_FMT " was written last, but the rows end at %"
                            APR_INT64_T_FMT, noted->id, end->id));
    }
    else if (noted->id < end->id || strcmp(noted->hash, end->hash)) {
        broken(check, end->id, "head",
               apr_psprintf(p, "what was noted when a row was written last (row %" APR_INT64_T_FMT
                            ") is not the last row, %" APR_INT64_T_FMT, noted->id, end->id));
    }
    else if (anchor && anchor->id > end->id) {
        broken(check, end->id + 1, "anchor",
               apr_psprintf(p, "row %" APR_INT64_T_FMT " was noted outside, but the rows end at %"
                            APR_INT64_T_FMT, anchor->id, end->id));
    }
}

apr_status_t cfmt_audit_verify(cfmt_store_t *s, const cfmt_audit_head_t *anchor,
                               cfmt_audit_check_t *check, apr_pool_t *p)
{
    apr_int64_t last, from = APR_INT64_MIN;
    cfmt_audit_head_t noted;
    apr_status_t rv;
    int n = 1;

    memset(check, 0, sizeof(*check));
    no_head(&check->head);
    rv = noted_head(s, &noted, &last);
    while (rv == APR_SUCCESS && n && !check->problem) {
        rv = check_page(s, check, &from, last, &n, anchor, p);
    }
    if (rv == APR_SUCCESS && !check->problem) {
        check_end(check, &noted, anchor, p);
    }
    return rv;
}
