/*
 * The old system's rows into the journal, in short transactions, and never faster than they are
 * projected: what comes in meanwhile must not wait behind them.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "act.h"
#include "import.h"

#define BATCH_ROWS 100
#define BATCH_BYTES (128 * 1024)
#define BEGIN_TIMEOUT apr_time_from_sec(10)
#define AHEAD_MAX 1000                       /* rows that wait to be projected */
#define PATIENCE apr_time_from_sec(10)
#define DEPTH 8

typedef struct waiting_t {
    cfmt_import_t row;
    ctl_tally_t *tally;
} waiting_t;

typedef struct rows_t {
    ctl_import_t *im;
    cfmt_store_t *s;             /* NULL: rows are only counted */
    const char *origin;
    apr_pool_t *batch, *line;
    apr_array_header_t *waiting; /* waiting_t, in batch */
    apr_size_t bytes;
    apr_hash_t *seen;            /* names of rows without an id -> int * */
    int ahead;                   /* rows since the projection was at the head */
    int alone;                   /* the projection does not follow: it is not waited for */
} rows_t;

/* ---- the journal ----------------------------------------------------------------------------- */

static apr_status_t put_all(rows_t *r)
{
    apr_status_t rv = r->im->dry ? APR_SUCCESS : cfmt_store_begin(r->s, BEGIN_TIMEOUT);
    int i, known = 0;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; rv == APR_SUCCESS && i < r->waiting->nelts; i++) {
        waiting_t *w = &APR_ARRAY_IDX(r->waiting, i, waiting_t);

        rv = (r->im->dry ? cfmt_import_known : cfmt_import_append)(r->s, &w->row, &known);
        if (rv == APR_SUCCESS) {
            w->tally->known += known;
            w->tally->fresh += !known;
            r->ahead += !known;
        }
    }
    return r->im->dry ? rv : cfmt_store_end(r->s, rv);
}

/*
 * Until all of it is projected: by the leader, or where there is none by us. One that does not get
 * there holds nobody up who waits for it either.
 */
static apr_status_t let_project(rows_t *r)
{
    apr_int64_t head;
    apr_status_t rv = cfmt_journal_head(r->s, &head);

    r->ahead = 0;
    if (rv == APR_SUCCESS && !ctl_projected(r->im->ctl, r->s, head, PATIENCE)) {
        r->alone = 1;
    }
    if (cfmt_store_wal_pages(r->s) >= CFMT_WAL_RESTART_PAGES) {
        (void)cfmt_store_checkpoint(r->s, 1, apr_time_from_sec(1), NULL);
    }
    return rv;
}

static apr_status_t flush(rows_t *r)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    if (r->s) {
        rv = put_all(r);
        if (rv == APR_SUCCESS && !r->im->dry && r->ahead >= AHEAD_MAX && !r->alone) {
            rv = let_project(r);
        }
    }
    for (i = 0; !r->s && i < r->waiting->nelts; i++) {
        APR_ARRAY_IDX(r->waiting, i, waiting_t).tally->fresh++;
    }
    apr_pool_clear(r->batch);
    r->waiting = apr_array_make(r->batch, BATCH_ROWS, sizeof(waiting_t));
    r->bytes = 0;
    return rv;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Equal rows without an id are told apart by their number. */
static const char *again(rows_t *r, const char *name)
{
    int *n = apr_hash_get(r->seen, name, APR_HASH_KEY_STRING);

    if (!n) {
        n = apr_pcalloc(r->im->p, sizeof(*n));
        apr_hash_set(r->seen, apr_pstrdup(r->im->p, name), APR_HASH_KEY_STRING, n);
    }
    return ++*n > 1 ? apr_psprintf(r->batch, "%s.%d", name, *n) : name;
}

static apr_status_t take_row(rows_t *r, const cfmt_json_t *doc, const char *source)
{
    ctl_tally_t *tally = ctl_import_tally(r->im, source);
    ctl_row_t row = { .source = tally->source };
    waiting_t w = { .tally = tally };

    ctl_import_row(r->im, &row, doc, r->batch);
    tally->rows++;
    tally->ambiguous += row.ambiguous > 0;
    tally->unread += row.unread > 0;
    if (!row.body) {
        return APR_SUCCESS;
    }
    w.row = (cfmt_import_t){ .name = row.nameless ? again(r, row.name) : row.name,
                             .origin = r->origin, .body = row.body, .len = strlen(row.body),
                             .at = ctl_now(r->im->ctl) };
    APR_ARRAY_PUSH(r->waiting, waiting_t) = w;
    r->bytes += w.row.len;
    return r->waiting->nelts >= BATCH_ROWS || r->bytes >= BATCH_BYTES ? flush(r) : APR_SUCCESS;
}

static void take_error(rows_t *r, const cfmt_json_t *doc, const char *source, const char *error)
{
    const char *id = cfmt_json_text(doc, "id");

    if (id) { /* of a row; else of the whole */
        ctl_import_tally(r->im, source)->rows++;
        ctl_import_tally(r->im, source)->unread++;
    }
    else {
        r->im->part = 1;
    }
    ctl_import_unread(r->im, source, id, NULL, NULL, error);
}

static apr_status_t take_line(rows_t *r, const char *line, apr_size_t len)
{
    static const cfmt_json_limits_t limits = { .depth = DEPTH };
    const char *why, *source, *error;
    apr_int64_t unknown;
    cfmt_json_t *doc;

    if (cfmt_json_parse(&doc, &why, line, len, &limits, r->line) != APR_SUCCESS
        || !(source = cfmt_json_text(doc, "source"))) {
        ctl_import_unread(r->im, "reader", NULL, NULL, NULL, "a line of it was cut short");
        return APR_SUCCESS;
    }
    error = cfmt_json_text(doc, "error");
    if (error) {
        take_error(r, doc, source, error);
        return APR_SUCCESS;
    }
    if (cfmt_json_int(&unknown, doc, "unknown") == APR_SUCCESS) {
        ctl_import_unread(r->im, source, NULL, NULL, NULL,
                          apr_psprintf(r->line, "a table that the old system did not have is left"
                                       " out, with %" APR_INT64_T_FMT " rows", unknown));
        return APR_SUCCESS;
    }
    return take_row(r, doc, source);
}

static apr_status_t take_lines(rows_t *r, FILE *lines)
{
    apr_status_t rv = APR_SUCCESS;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    while (rv == APR_SUCCESS && (len = getline(&line, &room, lines)) > 0) {
        rv = take_line(r, line, (apr_size_t)len - (line[len - 1] == '\n'));
        apr_pool_clear(r->line);
    }
    free(line);
    rv = rv == APR_SUCCESS ? flush(r) : rv;
    return rv == APR_SUCCESS && r->s && r->ahead && !r->im->dry ? let_project(r) : rv;
}

int ctl_import_rows(ctl_import_t *im, ctl_reader_t *rd, cfmt_store_t *s)
{
    rows_t r = { .im = im, .s = s, .seen = apr_hash_make(im->p) };
    apr_status_t rv;

    r.origin = apr_pstrcat(im->p, "import by ", im->ctl->user ? im->ctl->user : "?", NULL);
    apr_pool_create(&r.batch, im->p);
    apr_pool_create(&r.line, im->p);
    r.waiting = apr_array_make(r.batch, BATCH_ROWS, sizeof(waiting_t));
    rv = take_lines(&r, rd->lines);
    return rv == APR_SUCCESS ? CTL_DONE
                             : ctl_store_failed(im->ctl, rv, cfmt_store_error(s));
}
