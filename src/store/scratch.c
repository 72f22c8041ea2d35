/*
 * A scratch store: the journal of another one goes through it again (cfmtctl replay). Whoever made
 * it removes its files; nothing that is in it need outlive a crash.
 */
#include <string.h>

#include "act.h"

#define COMMIT_WAIT apr_time_from_sec(5)

/* Nobody else has it: a quarter of the time went into SQLite's locks. */
apr_status_t cfmt_scratch_open(cfmt_store_t **ps, const char *path, cfmt_result_t *r,
                               apr_pool_t *p)
{
    apr_status_t rv = cfmt_prepare_store(path, NULL, apr_time_now(), r, p);

    rv = rv == APR_SUCCESS ? cfmt_store_open(ps, path, CFMT_STORE_WRITE, r, p) : rv;
    return rv == APR_SUCCESS
               ? cfmt_sql_exec(*ps, "PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;") : rv;
}

apr_status_t cfmt_scratch_row(cfmt_store_t *s, const cfmt_journal_row_t *row, apr_int64_t id)
{
    sqlite3_stmt *st = cfmt_sql(s, "INSERT INTO journal(id, at, kind, origin, tag, body)"
                                   " VALUES(?1, ?2, ?3, ?4, ?5, ?6)");

    cfmt_bind_int(st, 1, id);
    cfmt_bind_int(st, 2, row->at);
    cfmt_bind_text(st, 3, row->kind);
    cfmt_bind_text(st, 4, row->origin);
    cfmt_bind_text(st, 5, row->tag);
    if (row->body) {
        cfmt_bind_bytes(st, 6, row->body, row->len);
    }
    return cfmt_sql_run(s, st);
}

/* By far the most rows; the projection has them. */
apr_status_t cfmt_scratch_trim(cfmt_store_t *s, apr_int64_t after, apr_int64_t upto)
{
    sqlite3_stmt *st = cfmt_sql(s, "DELETE FROM journal WHERE id > ?1 AND id <= ?2"
                                   " AND kind = 'evidence'");

    cfmt_bind_int(st, 1, after);
    cfmt_bind_int(st, 2, upto);
    return cfmt_sql_run(s, st);
}

apr_status_t cfmt_scratch_intent(cfmt_store_t *s, const cfmt_intent_row_t *in)
{
    sqlite3_stmt *st = cfmt_sql(
        s, "INSERT OR REPLACE INTO intent(id, " CFMT_WISH ", state, next_at, sent_at, answered_at,"
           " settled_at, attempts, expects) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
           " ?12, 0, ?13, ?14, ?15, ?16, ?17)");

    cfmt_bind_int(st, 1, in->id);
    cfmt_bind_wish(st, 2, in);
    cfmt_bind_text(st, 12, cfmt_intent_name(in->state));
    cfmt_bind_some(st, 13, in->sent_at);
    cfmt_bind_some(st, 14, in->answered_at);
    cfmt_bind_some(st, 15, in->settled_at);
    cfmt_bind_int(st, 16, in->attempts);
    cfmt_bind_some(st, 17, in->expects);
    return cfmt_sql_run(s, st);
}

/* ---- what was there before the journal began ------------------------------------------------- */

/*
 * Each ends as it was at ?1: what came to an end later had none then. Windows do not say when they
 * were added: those that had begun.
 */
static const struct {
    const char *from, *to;
} seeds[] = {
    { .from = "SELECT id, prefix, origin, who, reason, since, until,"
              " CASE WHEN released_at <= ?1 THEN released_at END FROM hold WHERE since <= ?1",
      .to = "INSERT INTO hold(id, prefix, origin, who, reason, since, until, released_at)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)" },
    { .from = "SELECT id, prefix, starts_at, ends_at, who, reason,"
              " CASE WHEN removed_at <= ?1 THEN removed_at END FROM window WHERE starts_at <= ?1",
      .to = "INSERT INTO window(id, prefix, starts_at, ends_at, who, reason, removed_at)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)" },
    { .from = "SELECT prefix, advertised_at, at, who, reason FROM adoption WHERE at <= ?1",
      .to = "INSERT INTO adoption(prefix, advertised_at, at, who, reason)"
            " VALUES(?1, ?2, ?3, ?4, ?5)" },
    { .from = "SELECT id, prefix, want, cause, who, reason, attack, proposal, override,"
              " created_at, not_before, state, next_at, sent_at, answered_at, settled_at, attempts,"
              " expects FROM intent WHERE created_at <= ?1 AND settled_at <= ?1",
      .to = "INSERT INTO intent(id, prefix, want, cause, who, reason, attack, proposal, override,"
            " created_at, not_before, state, next_at, sent_at, answered_at, settled_at, attempts,"
            " expects) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"
            " ?16, ?17, ?18)" },
};

static apr_status_t copy(cfmt_store_t *s, cfmt_store_t *source, const char *from, const char *to,
                         apr_time_t at)
{
    sqlite3_stmt *in = cfmt_sql(source, from), *out;
    apr_status_t rv, written = APR_SUCCESS;
    int i;

    cfmt_bind_int(in, 1, at);
    while (written == APR_SUCCESS && cfmt_sql_row(source, in, &rv)) {
        out = cfmt_sql(s, to);
        for (i = 0; out && i < sqlite3_column_count(in); i++) {
            sqlite3_bind_value(out, i + 1, sqlite3_column_value(in, i));
        }
        written = cfmt_sql_run(s, out);
    }
    cfmt_sql_done(in);
    return written == APR_SUCCESS ? rv : written;
}

apr_status_t cfmt_scratch_seed(cfmt_store_t *s, cfmt_store_t *source, apr_time_t at)
{
    apr_status_t rv = cfmt_store_begin(s, COMMIT_WAIT);
    apr_size_t i;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; rv == APR_SUCCESS && i < sizeof(seeds) / sizeof(seeds[0]); i++) {
        rv = copy(s, source, seeds[i].from, seeds[i].to, at);
    }
    return cfmt_store_end(s, rv);
}
