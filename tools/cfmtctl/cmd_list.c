/*
 * events, attacks, journal: what each row shows, and the way from the store to the printer, once
 * or for as long as the user looks (--follow).
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "cfmtctl.h"

#define JOURNAL_PAGE 50 /* rows with bodies of up to 256 KiB */

/* ---- columns --------------------------------------------------------------------------------- */

#define EVENT(member, kind_, table) COLUMN(cfmt_event_row_t, member, #member, kind_, table)

static const ctl_column_t event_columns[] = {
    EVENT(id, COL_INT, 1),
    EVENT(at, COL_TIME, 1),
    EVENT(ts, COL_TIME, WIDE),
    EVENT(alert_type, COL_TEXT, 1),
    EVENT(state, COL_TEXT, 1),
    EVENT(priority, COL_TEXT, 1),
    EVENT(target, COL_TEXT, 1),
    EVENT(pps, COL_RATE, 1),
    EVENT(bps, COL_RATE, 1),
    EVENT(rps, COL_RATE, WIDE),
    EVENT(attack, COL_TEXT, 1),
    EVENT(attack_id, COL_TEXT, WIDE),
    EVENT(correlation_id, COL_TEXT, 0),
    EVENT(vector, COL_TEXT, WIDE),
    EVENT(protocol, COL_TEXT, WIDE),
    EVENT(rule, COL_TEXT, WIDE),
    EVENT(source, COL_TEXT, 0),
    EVENT(account, COL_TEXT, 0),
    EVENT(ours, COL_BOOL, 0),
    EVENT(policy_id, COL_TEXT, 0),
    EVENT(policy_name, COL_TEXT, WIDE),
    EVENT(entity_kind, COL_TEXT, 0),
    EVENT(entity_id, COL_TEXT, 0),
    EVENT(entity_name, COL_TEXT, WIDE),
    EVENT(entity_state, COL_TEXT, 0),
    EVENT(summary, COL_TEXT, 1),
    { .name = NULL }
};
static const ctl_list_t event_list = { "events", event_columns, sizeof(cfmt_event_row_t) };

typedef struct attack_view_t {
    cfmt_attack_row_t a;
    apr_interval_time_t duration;
} attack_view_t;

#define ATTACK(member, kind_, table) COLUMN(attack_view_t, a.member, #member, kind_, table)

static const ctl_column_t attack_columns[] = {
    ATTACK(id, COL_TEXT, 1),
    ATTACK(state, COL_TEXT, 1),
    ATTACK(started_at, COL_TIME, 1),
    ATTACK(ended_at, COL_TIME, 1),
    COLUMN(attack_view_t, duration, "duration", COL_DURATION, 1),
    COLUMN(attack_view_t, duration, "duration_seconds", COL_SECONDS, 0),
    ATTACK(ended_by, COL_TEXT, 1),
    ATTACK(episodes, COL_INT, 1),
    ATTACK(events, COL_INT, 1),
    ATTACK(peak_pps, COL_RATE, 1),
    ATTACK(peak_bps, COL_RATE, 1),
    ATTACK(peak_rps, COL_RATE, WIDE),
    ATTACK(peak_pps_at, COL_TIME, 0),
    ATTACK(peak_pps_by, COL_TEXT, 0),
    ATTACK(peak_bps_at, COL_TIME, 0),
    ATTACK(peak_bps_by, COL_TEXT, 0),
    ATTACK(targets, COL_LIST, 1),
    ATTACK(targets_cut, COL_BOOL, 0),
    ATTACK(target_missing, COL_BOOL, 0),
    ATTACK(prefixes, COL_LIST, 1),
    ATTACK(vectors, COL_LIST, 1),
    ATTACK(protocols, COL_LIST, WIDE),
    ATTACK(rules, COL_LIST, WIDE),
    ATTACK(alert_types, COL_LIST, WIDE),
    ATTACK(scope, COL_TEXT, WIDE),
    ATTACK(account, COL_TEXT, 0),
    ATTACK(ours, COL_BOOL, 0),
    ATTACK(episode_at, COL_TIME, 0),
    ATTACK(last_at, COL_TIME, WIDE),
    ATTACK(correlation_ids, COL_LIST, 0),
    ATTACK(attack_ids, COL_LIST, 1),
    { .name = NULL }
};
static const ctl_list_t attack_list = { "attacks", attack_columns, sizeof(attack_view_t) };

typedef struct journal_view_t {
    apr_int64_t id;
    apr_time_t at;
    const char *kind, *origin, *tag;
    apr_int64_t ref, bytes;
    ctl_bytes_t body;
} journal_view_t;

#define JOURNAL(member, kind_, table) COLUMN(journal_view_t, member, #member, kind_, table)

static const ctl_column_t journal_columns[] = {
    JOURNAL(id, COL_INT, 1),
    JOURNAL(at, COL_TIME, 1),
    JOURNAL(kind, COL_TEXT, 1),
    JOURNAL(ref, COL_REF, 1),
    JOURNAL(bytes, COL_INT, 1),
    JOURNAL(origin, COL_TEXT, 1),
    JOURNAL(tag, COL_TEXT, WIDE),
    JOURNAL(body, COL_BODY, 0),
    { .name = NULL }
};
static const ctl_list_t journal_list = { "journal", journal_columns, sizeof(journal_view_t) };

/* ---- one page, of each kind ------------------------------------------------------------------ */

typedef struct reader_t {
    ctl_t *ctl;
    cfmt_store_t *store;
    apr_int64_t after; /* highest id read */
    int left;          /* rows that may still be printed; < 0 = no limit */
    ctl_out_t out;
    int (*more)(struct reader_t *rd); /* prints what is new; returns a ctl_exit_e */
    apr_pool_t *page;
} reader_t;

static apr_status_t read_events(reader_t *rd, apr_array_header_t *view, int *pread)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_query_events(rd->store, rd->after, CFMT_QUERY_PAGE, &rows, rd->page);
    int i;

    *pread = rows->nelts;
    for (i = 0; i < rows->nelts; i++) {
        const cfmt_event_row_t *e = &APR_ARRAY_IDX(rows, i, cfmt_event_row_t);
        rd->after = e->id;
        if (e->at >= rd->ctl->since) {
            APR_ARRAY_PUSH(view, cfmt_event_row_t) = *e;
        }
    }
    return rv;
}

static apr_status_t read_journal(reader_t *rd, apr_array_header_t *view, int *pread)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_journal_read(rd->store, rd->after, JOURNAL_PAGE, &rows, rd->page);
    int i;

    *pread = rv == APR_SUCCESS ? rows->nelts : 0;
    for (i = 0; i < *pread; i++) {
        const cfmt_journal_row_t *j = &APR_ARRAY_IDX(rows, i, cfmt_journal_row_t);
        rd->after = j->id;
        if (j->at >= rd->ctl->since) {
            journal_view_t *v = apr_array_push(view);
            v->id = j->id;
            v->at = j->at;
            v->kind = j->kind;
            v->origin = j->origin;
            v->tag = j->tag;
            v->ref = j->ref;
            v->bytes = (apr_int64_t)j->len;
            v->body.data = j->body;
            v->body.len = j->len;
        }
    }
    return rv;
}

/*
 * Rows that came after the start was looked up wait for the next call, so a busy journal ends,
 * too.
 */
static int print_pages(reader_t *rd)
{
    int events = rd->out.list == &event_list, read = 1;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && read && rd->left && ctl_out_ok()) {
        apr_array_header_t *view = apr_array_make(rd->page, 64, (int)rd->out.list->row_size);
        rv = events ? read_events(rd, view, &read) : read_journal(rd, view, &read);
        if (rd->left >= 0) {
            view->nelts = view->nelts < rd->left ? view->nelts : rd->left;
            rd->left -= view->nelts;
        }
        if (rv == APR_SUCCESS && view->nelts) {
            ctl_list_rows(&rd->out, view, rd->page);
        }
        apr_pool_clear(rd->page);
    }
    return rv == APR_SUCCESS ? CTL_DONE
                             : ctl_store_failed(rd->ctl, rv, cfmt_store_error(rd->store));
}

/* ---- attacks --------------------------------------------------------------------------------- */

static void view_attack(attack_view_t *v, const cfmt_attack_row_t *a, apr_time_t now)
{
    v->a = *a;
    v->duration = (strcmp(a->state, "open") ? a->ended_at : now) - a->started_at;
    v->duration = v->duration < 0 ? 0 : v->duration; /* ts are Cloudflare's clock, now is ours */
}

const char *ctl_attack_json(const cfmt_attack_row_t *a, apr_time_t now, apr_pool_t *p)
{
    attack_view_t v;

    view_attack(&v, a, now);
    return ctl_json_row(&attack_list, &v, p);
}

typedef struct follower_t {
    reader_t rd;
    apr_pool_t *seen_pool, *next_pool;
    apr_hash_t *seen; /* attack id -> digest of the row as last printed */
} follower_t;

/* All of the row but the duration, which changes without an event. */
static apr_int64_t digest_of(const cfmt_attack_row_t *a, apr_pool_t *p)
{
    const char *text = ctl_attack_json(a, a->started_at, p);

    return cfmt_digest64(text, strlen(text));
}

/* Puts the row into next; true when it is new or other than it was. */
static int is_news(follower_t *f, apr_hash_t *next, const cfmt_attack_row_t *a)
{
    apr_int64_t *digest = apr_palloc(f->next_pool, sizeof(*digest)), *old = NULL;

    *digest = digest_of(a, f->rd.page);
    if (f->seen) {
        old = apr_hash_get(f->seen, a->id, APR_HASH_KEY_STRING);
    }
    apr_hash_set(next, apr_pstrdup(f->next_pool, a->id), APR_HASH_KEY_STRING, digest);
    return !old || *old != *digest;
}

static apr_array_header_t *news_of(follower_t *f, const apr_array_header_t *rows)
{
    apr_array_header_t *view = apr_array_make(f->rd.page, rows->nelts + 1, sizeof(attack_view_t));
    apr_hash_t *next = apr_hash_make(f->next_pool);
    apr_pool_t *old = f->seen_pool;
    apr_time_t now = ctl_now(f->rd.ctl);
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const cfmt_attack_row_t *a = &APR_ARRAY_IDX(rows, i, cfmt_attack_row_t);
        if (!f->rd.ctl->follow || is_news(f, next, a)) {
            view_attack(apr_array_push(view), a, now);
        }
    }
    f->seen = next;
    f->seen_pool = f->next_pool;
    f->next_pool = old;
    apr_pool_clear(old);
    return view;
}

/* Who asked for a number knows that there may be more. */
static void note_more(const ctl_t *ctl, const char *noun)
{
    if (!(ctl->given & OPT_LIMIT)) {
        ctl_complain(CFMT_ID(0729), "only the newest %d %s are shown; --limit N shows more",
                     ctl->limit, noun);
    }
}

static int print_attacks(reader_t *rd)
{
    follower_t *f = (follower_t *)rd;
    apr_array_header_t *rows, *view;
    int more, first = !f->seen, limit = rd->ctl->limit ? rd->ctl->limit : CTL_LIMIT_DEFAULT;
    apr_status_t rv = cfmt_query_attacks(rd->store, rd->ctl->since, limit, &rows, &more, rd->page);

    if (rv != APR_SUCCESS) {
        return ctl_store_failed(rd->ctl, rv, cfmt_store_error(rd->store));
    }
    if (first && more) {
        note_more(rd->ctl, "attacks");
    }
    view = news_of(f, rows);
    if (view->nelts && (rd->ctl->limit || !first)) { /* --limit 0: only what changes from now on */
        ctl_list_rows(&rd->out, view, rd->page);
    }
    apr_pool_clear(rd->page);
    return CTL_DONE;
}

/* ---- --follow -------------------------------------------------------------------------------- */

/*
 * httpd makes a new store where the old one was deleted: go on there, with what it has from now
 * on.
 */
static int reopen(reader_t *rd)
{
    cfmt_health_rows_t h;
    int code;

    cfmt_store_close(rd->store);
    rd->store = NULL;
    ctl_complain(CFMT_ID(0730), "the database was replaced; following the new one");
    code = ctl_open(rd->ctl, CFMT_STORE_READ, &rd->store);
    if (code == CTL_DONE && cfmt_query_health(rd->store, &h) == APR_SUCCESS && h.head < rd->after) {
        rd->after = 0;
    }
    return code;
}

static int follow(reader_t *rd, apr_int64_t version)
{
    apr_int64_t now;
    int code = CTL_DONE;

    while (code == CTL_DONE && ctl_follow_wait()) {
        if (cfmt_store_verify(rd->store) == CFMT_EREPLACED) {
            code = reopen(rd);
            version = -1;
        }
        if (code == CTL_DONE && (now = cfmt_store_data_version(rd->store)) != version) {
            version = now;
            code = rd->more(rd);
        }
    }
    return code;
}

/* ---- notes on stderr ------------------------------------------------------------------------- */

static void note_empty(const reader_t *rd)
{
    if (!rd->out.rows && rd->ctl->limit) {
        ctl_complain(CFMT_ID(0732), "no %s%s", rd->out.list == &journal_list ? "journal rows"
                     : rd->out.list->noun, rd->ctl->since ? " since then" : " yet");
    }
}

/* Somebody who reads "no attack" must know when the newest deliveries are not in what he reads. */
static void note_lag(reader_t *rd)
{
    cfmt_health_rows_t h;
    apr_interval_time_t lag;

    if (rd->out.list == &journal_list || cfmt_query_health(rd->store, &h) != APR_SUCCESS) {
        return;
    }
    lag = h.oldest_lag_at ? ctl_real_age(rd->ctl, h.oldest_lag_at) : 0;
    if (lag > apr_time_from_sec(2)) {
        ctl_complain(CFMT_ID(0731),
                     "what came in the last %s is not in this list yet: is httpd running?"
                     " 'cfmtctl journal' shows it",
                     ctl_duration(rd->ctl->pool, lag));
    }
}

/* ---- the commands ---------------------------------------------------------------------------- */

static int start_pages(reader_t *rd)
{
    cfmt_list_e list = rd->out.list == &event_list ? CFMT_LIST_EVENTS : CFMT_LIST_JOURNAL;
    apr_status_t rv;
    int more;

    rv = cfmt_query_start(rd->store, list, rd->ctl->since, rd->ctl->limit, &rd->after, &more);
    if (rv != APR_SUCCESS) {
        return ctl_store_failed(rd->ctl, rv, cfmt_store_error(rd->store));
    }
    if (more) {
        note_more(rd->ctl, rd->out.list == &event_list ? "events" : "rows");
    }
    rd->left = rd->ctl->follow ? -1 : rd->ctl->limit;
    return CTL_DONE;
}

static int run(reader_t *rd, ctl_t *ctl, const ctl_list_t *list, int (*more)(reader_t *))
{
    apr_int64_t version;
    int code = ctl_become(ctl);

    rd->ctl = ctl;
    rd->more = more;
    apr_pool_create(&rd->page, ctl->pool);
    if (code != CTL_DONE || (code = ctl_open(ctl, CFMT_STORE_READ, &rd->store)) != CTL_DONE) {
        return code;
    }
    if (ctl->follow) {
        ctl_follow_begin();
    }
    version = cfmt_store_data_version(rd->store); /* before the first look: nothing falls between */
    rd->out.list = list;
    if (more == print_pages && (code = start_pages(rd)) != CTL_DONE) {
        return code;
    }
    ctl_list_begin(&rd->out, list, ctl);
    code = more(rd);
    if (code == CTL_DONE) {
        ctl_list_end(&rd->out, rd->page);
        note_empty(rd);
        note_lag(rd);
    }
    return code == CTL_DONE && ctl->follow ? follow(rd, version) : code;
}

int ctl_events(ctl_t *ctl)
{
    reader_t rd = { .ctl = ctl };

    if (ctl->given & OPT_IMPORTED) {
        return ctl_imported_events(ctl);
    }
    return run(&rd, ctl, &event_list, print_pages);
}

int ctl_journal(ctl_t *ctl)
{
    reader_t rd = { .ctl = ctl };

    return run(&rd, ctl, &journal_list, print_pages);
}

int ctl_attacks(ctl_t *ctl)
{
    follower_t f = { .rd = { .ctl = ctl } };

    if (ctl->given & OPT_IMPORTED) {
        return ctl_imported_actions(ctl);
    }
    apr_pool_create(&f.seen_pool, ctl->pool);
    apr_pool_create(&f.next_pool, ctl->pool);
    return run(&f.rd, ctl, &attack_list, print_attacks);
}
