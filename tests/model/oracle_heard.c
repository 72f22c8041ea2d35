/*
 * Who hears it: which channels there are and what each of them wants, as docs/directives.md has it;
 * whom a critical message goes to that nobody acknowledged, and when; and that one which somebody
 * did acknowledge calls nobody else.
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "cfmt_notify.h"
#include "model.h"
#include "store/store_private.h"

/* ---- channels -------------------------------------------------------------------------------- */

typedef struct wants_t {
    const char *name;
    const char *const *words;  /* of its line */
    int least;                 /* priority: 0 critical .. 3 low */
    const char *kinds;         /* " a b "; NULL = all */
    unsigned prefixes;         /* bit for each; 0 = all */
    const char *fallback;      /* NULL = none */
    apr_interval_time_t after;
} wants_t;

static const char *const chat_words[] = { "name=chat", "token=file:/dev/null", "chat=-1001", NULL };
static const char *const chat_second[] = { "name=chat", "token=file:/dev/null", "chat=-1001",
                                           "fallback=second", "after=5min", NULL };
static const char *const hook_chat[] = { "name=hook", "url=https://hook.example/", "min=high",
                                         "fallback=chat", "after=10min", NULL };
static const char *const hook_second[] = {
    "name=hook", "url=https://hook.example/", "fallback=second",
    "prefixes=198.18.1.0/24,2001:db8::/32",
    "types=not-protected,locked,reversed,blind,attack-start,attack-end,withdrawn,outbox", NULL
};
static const char *const second_words[] = { "name=second", "path=/bin/true", "types=test,drill",
                                            NULL };
static const wants_t chat = { .name = "chat", .words = chat_words, .least = 3 };
static const wants_t chat_falls = { .name = "chat", .words = chat_second, .least = 3,
                                    .fallback = "second", .after = 5 * MIN };
static const wants_t hook = { .name = "hook", .words = hook_chat, .least = 1, .fallback = "chat",
                              .after = 10 * MIN };
/* The fifth, the seventh and, because that one lies in it, the sixth. */
static const wants_t hook_falls = {
    .name = "hook", .words = hook_second, .least = 3, .prefixes = 1u << 4 | 1u << 5 | 1u << 6,
    .kinds = " not-protected locked reversed blind attack-start attack-end withdrawn outbox ",
    .fallback = "second", .after = 10 * MIN
};
static const char *const second_back[] = { "name=second", "path=/bin/true", "types=test,drill",
                                           "fallback=chat", "after=1min", NULL };
static const wants_t second = { .name = "second", .words = second_words, .least = 3,
                                .kinds = " test drill " };
/* All that it hears is of a fallback already. */
static const wants_t second_of_two = { .name = "second", .words = second_back, .least = 3,
                                       .kinds = " test drill " };

/* A world has one of these; what is in the first place the other oracles rely on. */
static const wants_t *const sets[][4] = {
    { &chat }, { &chat, &hook }, { &chat_falls, &second }, { &chat, &hook_falls, &second_of_two },
};

#define LOOK (12 * MIN)        /* rows are looked at by then */

static apr_int64_t last;       /* row that was looked at */

static const wants_t *channel(int i)
{
    return i < 4 ? sets[m.seed % 4][i] : NULL;
}

const char *const *heard_channel(int i, const char **pkind)
{
    const wants_t *w = channel(i);

    *pkind = !w ? NULL : w->words[1][0] == 't' ? "telegram" : w->words[1][0] == 'u' ? "webhook"
                                                                                    : "command";
    return w ? w->words : NULL;
}

static int index_of(const char *name)
{
    int i;

    for (i = 0; channel(i) && strcmp(channel(i)->name, name); i++) {
    }
    return channel(i) ? i : -1;
}

void heard_begin(void)
{
    last = 0;
}

/* ---- who wants what -------------------------------------------------------------------------- */

static int is_in(const char *list, const char *word)
{
    char padded[40];

    apr_snprintf(padded, sizeof(padded), " %s ", word);
    return strstr(list, padded) != NULL;
}

/* 0 critical .. 3 low; docs/notifications.md. */
static int urgency(const char *kind)
{
    return is_in(" not-protected hijack reversed locked auto-failed token blind ", kind) ? 0
           : is_in(" failed refused attack-start auto-advertise advertised withdrawn proposal"
                   " tunnel leader outbox test drill ", kind) ? 1
           : is_in(" attack-end would-withdraw due orphan alert recovered ", kind) ? 2 : 3;
}

/* prefix: of an attack it may be several. */
static int wants(const wants_t *w, const char *kind, const char *prefix)
{
    unsigned known = 0;
    int i;

    if (urgency(kind) > w->least || (w->kinds && !is_in(w->kinds, kind))) {
        return 0;
    }
    for (i = 0; prefix && w->prefixes && i < PREFIXES; i++) {
        if (strstr(prefix, m.w.prefix[i].text)) {
            known |= 1u << i;
        }
    }
    return !known || known & w->prefixes;
}

/* ---- rows that are new ----------------------------------------------------------------------- */

/* All rows of one news. */
typedef struct news_t {
    const char *dedupe, *kind;
    unsigned told, wanted;     /* bit for each channel; an attack may be said to hit more since */
} news_t;

typedef struct row_t {
    apr_int64_t id;
    const char *channel, *kind, *dedupe, *prefix;
    int priority;
    apr_time_t made_at;
    apr_int64_t of;            /* its fallback_of */
    const char *of_channel;
    int of_priority, same;     /* what it says is the same */
    apr_time_t of_made_at, of_sent_at, of_acked_at;
} row_t;

static const char rows_sql[] =
    "SELECT r.id, r.channel, r.kind, r.dedupe, CASE WHEN r.kind LIKE 'attack-%' THEN"
    " ifnull(r.prefix, json_extract(r.fields, '$.prefix')) ELSE r.prefix END, r.priority,"
    " r.made_at, r.fallback_of,"
    " o.channel, o.priority, o.dedupe = r.dedupe AND o.fields = r.fields AND o.kind = r.kind"
    " AND o.fallback_of IS NULL, o.made_at, o.sent_at, o.acked_at"
    " FROM outbox r LEFT JOIN outbox o ON o.id = r.fallback_of WHERE r.id > ?1 ORDER BY r.id";

static void take(row_t *r, sqlite3_stmt *st, apr_pool_t *p)
{
    r->id = sqlite3_column_int64(st, 0);
    r->channel = cfmt_col_text(st, 1, p);
    r->kind = cfmt_col_text(st, 2, p);
    r->dedupe = cfmt_col_text(st, 3, p);
    r->prefix = cfmt_col_text(st, 4, p);
    r->priority = sqlite3_column_int(st, 5);
    r->made_at = sqlite3_column_int64(st, 6);
    r->of = sqlite3_column_int64(st, 7);
    r->of_channel = cfmt_col_text(st, 8, p);
    r->of_priority = sqlite3_column_int(st, 9);
    r->same = sqlite3_column_int(st, 10);
    r->of_made_at = sqlite3_column_int64(st, 11);
    r->of_sent_at = sqlite3_column_int64(st, 12);
    r->of_acked_at = sqlite3_column_int64(st, 13);
}

/* By a clock that was set meanwhile nobody can say when it was time. */
static void check_fallback(const row_t *r)
{
    int of = r->of_channel ? index_of(r->of_channel) : -1;
    const wants_t *w = of < 0 ? NULL : channel(of);
    apr_time_t since = r->of_sent_at && r->of_sent_at <= r->made_at ? r->of_sent_at
                                                                    : r->of_made_at;

    if (!w || !w->fallback || strcmp(w->fallback, r->channel) || r->of_priority || !r->same) {
        model_fail(7, "message %" APR_INT64_T_FMT " is a fallback of %" APR_INT64_T_FMT
                   ", which has none there", r->id, r->of);
    }
    else if (r->of_acked_at && r->of_acked_at < r->made_at && m.now - m.jumped_at > LOOK) {
        model_fail(7, "message %" APR_INT64_T_FMT " was acknowledged, and %s is called", r->of,
                   r->channel);
    }
    else if (r->made_at - since < w->after && m.now - m.jumped_at > DAY) {
        model_fail(7, "message %" APR_INT64_T_FMT " calls %s after %s", r->of, r->channel,
                   cfmt_duration_format(m.pool, r->made_at - since));
    }
}

static void check_row(const row_t *r, apr_hash_t *all, apr_array_header_t *news, apr_pool_t *p)
{
    int i = index_of(r->channel);
    news_t *n = apr_hash_get(all, r->dedupe, APR_HASH_KEY_STRING);

    if (i < 0 || r->priority != urgency(r->kind)) {
        model_fail(7, "message %" APR_INT64_T_FMT " (%s) is for %s, of urgency %d", r->id, r->kind,
                   r->channel, r->priority);
    }
    else if (r->of) {
        check_fallback(r);
    }
    else {
        if (!n) {
            n = apr_pcalloc(p, sizeof(*n));
            *n = (news_t){ .dedupe = r->dedupe, .kind = r->kind };
            apr_hash_set(all, r->dedupe, APR_HASH_KEY_STRING, n);
            APR_ARRAY_PUSH(news, news_t *) = n;
        }
        n->told |= 1u << i;
        for (i = 0; channel(i); i++) {
            n->wanted |= wants(channel(i), r->kind, r->prefix) ? 1u << i : 0;
        }
    }
}

/* Of a channel's trouble the others hear: "outbox NAME ...". */
static void check_news(const news_t *n)
{
    int i;

    for (i = 0; channel(i); i++) {
        const char *name = channel(i)->name;
        int own = !strcmp(n->kind, "outbox") && !strncmp(n->dedupe + 7, name, strlen(name));
        int wanted = n->wanted >> i & 1 && !own;

        if (wanted != (int)(n->told >> i & 1)) {
            model_fail(7, wanted ? "%s: it is not told through %s" : "%s: %s does not want it",
                       n->dedupe, name);
        }
    }
}

static void check_new_rows(apr_pool_t *p)
{
    apr_array_header_t *news = apr_array_make(p, 32, sizeof(news_t *));
    apr_hash_t *all = apr_hash_make(p);
    sqlite3_stmt *st;
    int i;

    if (sqlite3_prepare_v2(eye_store()->db, rows_sql, -1, &st, NULL) != SQLITE_OK) {
        model_fail(0, "%s: %s", rows_sql, sqlite3_errmsg(eye_store()->db));
        return;
    }
    sqlite3_bind_int64(st, 1, last);
    while (sqlite3_step(st) == SQLITE_ROW) {
        row_t r;

        take(&r, st, p);
        check_row(&r, all, news, p);
        last = r.id;
    }
    sqlite3_finalize(st);
    for (i = 0; i < news->nelts; i++) {
        check_news(APR_ARRAY_IDX(news, i, const news_t *));
    }
}

/* ---- what nobody acknowledges ---------------------------------------------------------------- */

/* quiet: somebody has led undisturbed for so long. */
static void check_unanswered(const wants_t *w, apr_interval_time_t quiet, apr_pool_t *p)
{
    apr_time_t now = model_clock();
    apr_int64_t id = eye_int(
        "SELECT min(id) FROM outbox WHERE channel = '%s' AND priority = 0 AND acked_at IS NULL"
        " AND fallback IS NULL AND fallback_of IS NULL AND state NOT IN ('folded', 'expired',"
        " 'dropped') AND ifnull(sent_at, made_at) < %" APR_TIME_T_FMT " AND made_at > %"
        APR_TIME_T_FMT, w->name, now - w->after - quiet, now - 20 * HOUR);

    if (id) {
        model_fail(7, "message %" APR_INT64_T_FMT " was not acknowledged on %s for %s, and %s is"
                   " not called", id, w->name, cfmt_duration_format(p, w->after), w->fallback);
    }
}

static void check_chains(void)
{
    apr_int64_t id = eye_int("SELECT min(id) FROM outbox WHERE fallback AND fallback_of");

    if (id) {
        model_fail(7, "message %" APR_INT64_T_FMT " is a fallback and has one", id);
    }
}

void heard_look(int is_quiet, apr_interval_time_t quiet)
{
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, m.pool);
    check_new_rows(p);
    check_chains();
    for (i = 0; is_quiet && channel(i); i++) {
        if (channel(i)->fallback) {
            check_unanswered(channel(i), quiet, p);
        }
    }
    apr_pool_destroy(p);
}

/* ---- what somebody acknowledged -------------------------------------------------------------- */

/* id 0: every critical one that was there; else all that say the same. */
void heard_acked(const char *who, apr_int64_t id)
{
    apr_pool_t *p;
    const char *which, *before;
    apr_int64_t n;

    apr_pool_create(&p, m.pool);
    which = id ? apr_psprintf(p, "dedupe = (SELECT dedupe FROM outbox WHERE id = %" APR_INT64_T_FMT
                              ")", id) : "priority = 0";
    before = apr_psprintf(p, "made_at < %" APR_TIME_T_FMT, model_clock());
    n = eye_int("SELECT min(id) FROM outbox WHERE acked_at IS NULL AND %s AND %s", which, before);
    if (n) {
        model_fail(7, "%s acknowledged %" APR_INT64_T_FMT ", and it is not", who, n);
    }
    n = eye_int("SELECT min(id) FROM outbox WHERE acked_by = '%s' AND NOT (%s)", who, which);
    if (n) {
        model_fail(7, "%s did not acknowledge %" APR_INT64_T_FMT ", and it is", who, n);
    }
    apr_pool_destroy(p);
}
