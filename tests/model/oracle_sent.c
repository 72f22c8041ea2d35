/*
 * A message as it goes out, held against the rows that it carries: none of them a second time, of
 * an attack none before an older one, each in words that say what it is, and what is in doubt said
 * to be so. The words are those of docs/notifications.md.
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "model.h"
#include "store/store_private.h"

#define MANY 30             /* of a kind: they are counted, no longer told one by one */
#define LINES 18            /* of a digest; more are left out in its middle */

typedef struct carried_t {
    apr_int64_t id, fallback_of, older, urgent;
    const char *kind, *prefix, *attack, *of_channel, *of_text;
    apr_time_t at;
} carried_t;

/* A message, and how it went. */
typedef struct last_t {
    apr_int64_t id;
    int how;
    apr_time_t at;
} last_t;

/* What it says, and the words of what it carries. */
typedef struct sent_t {
    const cfmt_message_t *message;
    const char *channel;
    apr_array_header_t *rows; /* carried_t: the one that carries the others first */
    const last_t *last;       /* the one before it of the same attack; NULL = none */
    const char *before;       /* what the store says of that one */
    apr_pool_t *p;
} sent_t;

#define RECENT 4096 /* more than are kept at a time */

/* Ids of messages, and digests of changes by channel, that may have been read. */
static apr_int64_t arrived[RECENT];
static apr_uint64_t news[RECENT];
static unsigned news_n;
static apr_hash_t *newest; /* last_t, by channel and attack */

void sent_begin(void)
{
    memset(arrived, 0, sizeof(arrived));
    memset(news, 0, sizeof(news));
    news_n = 0;
    newest = apr_hash_make(m.pool);
}

/* ---- what it carries ------------------------------------------------------------------------- */

/* urgent: a critical one waits, none of this attack does, and the channel is well. */
static const char rows_sql[] =
    "SELECT r.id, r.kind, r.prefix, r.attack, r.at, r.fallback_of, o.channel,"
    " CASE WHEN o.sent_at THEN o.text END, (SELECT min(q.id) FROM outbox q WHERE"
    " q.attack = r.attack AND q.channel = r.channel AND q.id < r.id AND q.state = 'queued'),"
    " (SELECT state FROM outbox WHERE id = ?2), CASE WHEN r.id = ?1 AND r.priority THEN"
    " (SELECT min(q.id) FROM outbox q WHERE q.channel = r.channel AND q.settled_at IS NULL"
    " AND q.priority = 0 AND q.state = 'queued' AND q.made_at < ?3 AND q.next_at <= ?3 AND"
    " NOT EXISTS (SELECT 1 FROM outbox x WHERE x.attack = r.attack AND x.channel = r.channel"
    " AND x.priority = 0 AND x.state = 'queued')) END"
    " FROM outbox r LEFT JOIN outbox o ON o.id = r.fallback_of"
    " WHERE r.id = ?1 OR r.folded_into = ?1 ORDER BY r.id <> ?1, r.at, r.id";

static void take(sent_t *s, sqlite3_stmt *st)
{
    carried_t *r = apr_array_push(s->rows);

    r->id = sqlite3_column_int64(st, 0);
    r->kind = cfmt_col_text(st, 1, s->p);
    r->prefix = cfmt_col_text(st, 2, s->p);
    r->attack = cfmt_col_text(st, 3, s->p);
    r->at = sqlite3_column_int64(st, 4);
    r->fallback_of = sqlite3_column_int64(st, 5);
    r->of_channel = cfmt_col_text(st, 6, s->p);
    r->of_text = cfmt_col_text(st, 7, s->p);
    r->older = sqlite3_column_int64(st, 8);
    s->before = cfmt_col_text(st, 9, s->p);
    r->urgent = sqlite3_column_int64(st, 10);
}

static const carried_t *nth(const sent_t *s, int i)
{
    return &APR_ARRAY_IDX(s->rows, i, carried_t);
}

static const char *thread(const sent_t *s, apr_pool_t *p)
{
    return apr_pstrcat(p, s->channel, " ", s->message->news.attack, NULL);
}

static void read_rows(sent_t *s)
{
    sqlite3_stmt *st;

    s->last = s->message->news.attack
                  ? apr_hash_get(newest, thread(s, s->p), APR_HASH_KEY_STRING) : NULL;
    s->rows = apr_array_make(s->p, 8, sizeof(carried_t));
    if (sqlite3_prepare_v2(eye_store()->db, rows_sql, -1, &st, NULL) != SQLITE_OK) {
        model_fail(0, "%s: %s", rows_sql, sqlite3_errmsg(eye_store()->db));
        return;
    }
    sqlite3_bind_int64(st, 1, s->message->id);
    sqlite3_bind_int64(st, 2, s->last ? s->last->id : 0);
    sqlite3_bind_int64(st, 3, model_clock());
    while (sqlite3_step(st) == SQLITE_ROW) {
        take(s, st);
    }
    sqlite3_finalize(st);
}

/* ---- once, and in its order ------------------------------------------------------------------ */

/* What one of them is sending the other does not see waiting. */
static int two_lead(void)
{
    return m.node[0].e && m.node[1].e;
}

static void check_row(const sent_t *s, const carried_t *r, int arrives)
{
    apr_int64_t *seen = &arrived[r->id % RECENT];

    if (r->older && !two_lead()) {
        model_fail(7, "message %" APR_INT64_T_FMT " goes through %s before %" APR_INT64_T_FMT
                   " of the same attack", r->id, s->channel, r->older);
    }
    if (*seen == r->id) {
        model_fail(7, "message %" APR_INT64_T_FMT " is told again through %s", r->id, s->channel);
    }
    else if (arrives) {
        *seen = r->id;
    }
}

static int was_told(apr_uint64_t digest)
{
    int i;

    for (i = 0; i < RECENT; i++) {
        if (news[i] == digest) {
            return 1;
        }
    }
    news[news_n++ % RECENT] = digest;
    return 0;
}

/* The same of the same moment, by whatever row. */
static void check_news(const sent_t *s)
{
    const cfmt_news_t *n = &s->message->news;
    const char *key = apr_psprintf(s->p, "%s %d %s %s %" APR_TIME_T_FMT, s->channel, n->kind,
                                   n->prefix ? n->prefix : "",
                                   n->kind == CFMT_NEWS_ATTACK_START ? n->attack : "", n->at);

    if (n->kind != CFMT_NEWS_ADVERTISED && n->kind != CFMT_NEWS_WITHDRAWN
        && n->kind != CFMT_NEWS_ATTACK_START) {
        return;
    }
    if (was_told(cfmt_digest64(key, strlen(key)))) {
        model_fail(7, "the same is told twice: %s", key);
    }
}

/* ---- its words ------------------------------------------------------------------------------- */

/* NULL: of this kind, or of no one prefix, they are not known here. */
static const char *words_of(const carried_t *r, apr_pool_t *p)
{
    static const struct {
        const char *kind, *before, *behind;
    } known[] = {
        { "not-protected", "NOT PROTECTED: ", " is under attack and not advertised" },
        { "advertised", "Advertised: ", " goes through Cloudflare" },
        { "withdrawn", "Withdrawn: ", " no longer goes through Cloudflare" },
        { "attack-end", "Attack on ", " is over: " }, { "attack-start", "Attack on ", "" },
        { "due", "", " is about to be withdrawn at " },
        { "would-withdraw", "Would withdraw ", " now, and mode observe does not" },
        { "locked", "", " is LOCKED by Cloudflare while under attack" },
        { "reversed", "Attack during the withdrawal of ", ": it is to be advertised again" },
        { "orphan", "", " stays advertised: nobody says for how long" },
    };
    apr_size_t i;

    for (i = 0; r->prefix && i < sizeof(known) / sizeof(known[0]); i++) {
        if (!strcmp(known[i].kind, r->kind)) {
            return apr_pstrcat(p, known[i].before, r->prefix, known[i].behind, NULL);
        }
    }
    return NULL;
}

static void wrong(const sent_t *s, const char *why, const char *words)
{
    model_fail(7, "message %" APR_INT64_T_FMT " through %s %s: %s: %.500s", s->message->id,
               s->channel, why, words, s->message->text);
}

static void check_one(const sent_t *s, const carried_t *r)
{
    const char *words = words_of(r, s->p), *text = s->message->text;
    const char *at = words ? strstr(text, words) : text;

    /* a fallback tells all that the message before it carried */
    if (!at || (words && !r->fallback_of && at != text)) {
        wrong(s, "does not say", words);
    }
    if (!strcmp(r->kind, "attack-start") && words
        && !strncmp(text + strlen(words), " is over", 8)) {
        wrong(s, "ends what begins", words);
    }
    if (words && r->attack && !strncmp(r->kind, "attack-", 7) && !strstr(text, r->attack)) {
        wrong(s, "does not name the attack", r->attack);
    }
}

/* Each with its time. */
static void check_many(const sent_t *s)
{
    apr_time_exp_t t;
    const char *words;
    int i;

    for (i = 0; i < s->rows->nelts && s->rows->nelts <= LINES; i++) {
        words = words_of(nth(s, i), s->p);
        apr_time_exp_gmt(&t, nth(s, i)->at);
        words = !words ? NULL : apr_psprintf(s->p, "\n%04d-%02d-%02d %02d:%02d:%02d UTC  %s",
                                             t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
                                             t.tm_min, t.tm_sec, words);
        if (words && !strstr(s->message->text, words)) {
            wrong(s, "does not say", words);
        }
    }
    words = apr_psprintf(s->p, "%d ", s->rows->nelts);
    if (!strstr(s->message->text, words)) {
        wrong(s, "does not say how many it is", words);
    }
}

/* As the other channel was told, and that nobody answered there. */
static void check_fallback(const sent_t *s, const carried_t *r)
{
    const char *words = apr_psprintf(s->p, "Nobody has acknowledged this on %s since ",
                                     r->of_channel ? r->of_channel : "?");

    if (s->rows->nelts == 1 && r->of_text
        && strncmp(s->message->text, r->of_text, strlen(r->of_text))) {
        wrong(s, "does not say what was said", r->of_text);
    }
    if (!strstr(s->message->text, words)) {
        wrong(s, "does not say", words);
    }
}

/* With two leaders the one before it is not always the last one that was told. */
static void check_doubt(const sent_t *s)
{
    int maybe = s->before && !strcmp(s->before, "maybe");

    if (two_lead()) {
        return;
    }
    if (maybe && s->rows->nelts < MANY && !nth(s, 0)->fallback_of
        && !strstr(s->message->text, "\nMay not have arrived before this: ")) {
        wrong(s, "does not say", "that the one before it may not have arrived");
    }
    if (maybe && s->last->how == CFMT_SENT_YES && m.killed_at < s->last->at
        && m.jumped_at < s->last->at) {
        wrong(s, "says", "that one may not have arrived that did");
    }
    if (s->before && s->last->how == CFMT_SENT_MAYBE && !strcmp(s->before, "sent")) {
        wrong(s, "takes for told", "what may not have arrived");
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void check_words(const sent_t *s, int is_well)
{
    const carried_t *first = nth(s, 0);

    if (!s->rows->nelts) {
        model_fail(7, "message %" APR_INT64_T_FMT " is no row", s->message->id);
        return;
    }
    if (first->urgent && is_well && s->rows->nelts < MANY && !two_lead()) {
        model_fail(7, "message %" APR_INT64_T_FMT " goes through %s before %" APR_INT64_T_FMT
                   ", which is critical", s->message->id, s->channel, first->urgent);
    }
    if (first->fallback_of) {
        check_fallback(s, first);
    }
    if (s->rows->nelts > 1) {
        check_many(s);
    }
    else if (!first->fallback_of || !first->of_text) { /* else it says what was said, of many too */
        check_one(s, first);
    }
    check_doubt(s);
}

static void note_newest(const sent_t *s, int how)
{
    last_t *last;

    if (!s->message->news.attack) {
        return;
    }
    last = apr_hash_get(newest, thread(s, s->p), APR_HASH_KEY_STRING);
    if (!last) {
        last = apr_palloc(m.pool, sizeof(*last));
        apr_hash_set(newest, thread(s, m.pool), APR_HASH_KEY_STRING, last);
    }
    *last = (last_t){ .id = s->message->id, .how = how, .at = m.now };
}

void sent_look(const char *channel, const cfmt_message_t *message, int how, int is_well)
{
    sent_t s = { .message = message, .channel = channel };
    int i, arrives = how == CFMT_SENT_YES || how == CFMT_SENT_MAYBE;

    apr_pool_create(&s.p, m.pool);
    read_rows(&s);
    for (i = 0; i < s.rows->nelts; i++) {
        check_row(&s, nth(&s, i), arrives);
    }
    check_words(&s, is_well);
    if (arrives) {
        check_news(&s);
    }
    note_newest(&s, how); /* whoever sends it may die before the answer */
    apr_pool_destroy(s.p);
}
