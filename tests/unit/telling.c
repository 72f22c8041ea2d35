/*
 * The channels, and the engine that tells through them.
 */
#include <string.h>

#include <apr_strings.h>

#include "telling.h"

telling_t telling;
static int fake; /* else cfmt_out_send is itself */
static struct {
    void (*done)(void *baton, const cfmt_sent_t *sent);
    void *baton;
} pending[100];

/* ---- channels -------------------------------------------------------------------------------- */

void __real_cfmt_out_send(cfmt_out_t *o, const cfmt_channel_conf_t *c, const cfmt_message_t *m,
                          void (*done)(void *baton, const cfmt_sent_t *sent), void *baton);
void __wrap_cfmt_out_send(cfmt_out_t *o, const cfmt_channel_conf_t *c, const cfmt_message_t *m,
                          void (*done)(void *baton, const cfmt_sent_t *sent), void *baton);

void __wrap_cfmt_out_send(cfmt_out_t *o, const cfmt_channel_conf_t *c, const cfmt_message_t *m,
                          void (*done)(void *baton, const cfmt_sent_t *sent), void *baton)
{
    told_t *t;

    if (!fake) {
        __real_cfmt_out_send(o, c, m, done, baton);
        return;
    }
    t = apr_array_push(telling.told);
    t->channel = c->name;
    t->text = apr_pstrdup(unit_pool, m->text);
    t->reply_to = apr_pstrdup(unit_pool, m->reply_to);
    t->edit = apr_pstrdup(unit_pool, m->edit);
    t->chat = apr_pstrdup(unit_pool, m->chat);
    t->id = m->id;
    t->count = m->count;
    t->told = m->told;
    t->at = cfmt_monotonic();
    pending[telling.pending].done = done;
    pending[telling.pending++].baton = baton;
    if (telling.at_once) {
        telling_answers();
    }
}

const told_t *telling_at(int i)
{
    ck_assert_int_gt(telling.told->nelts, i);
    return &APR_ARRAY_IDX(telling.told, i, told_t);
}

int telling_heard(const char *channel, const char *word)
{
    int i, n = 0;

    for (i = 0; i < telling.told->nelts; i++) {
        const told_t *t = &APR_ARRAY_IDX(telling.told, i, told_t);

        n += (!channel || !strcmp(t->channel, channel)) && strstr(t->text, word);
    }
    return n;
}

void telling_answers(void)
{
    const cfmt_sent_t fails = { .how = CFMT_SENT_LATER, .detail = "500 from there" };
    int i, n = telling.pending;

    telling.pending = 0;
    for (i = 0; i < n; i++) {
        const told_t *t = &APR_ARRAY_IDX(telling.told, telling.told->nelts - n + i, told_t);
        cfmt_sent_t sent = (telling.poison && strstr(t->text, telling.poison))
                                   || (telling.dead && !strcmp(telling.dead, t->channel))
                               ? fails : telling.answer;

        if (sent.how == CFMT_SENT_YES && !sent.ref) {
            sent.ref = apr_psprintf(unit_pool, "ref%d", (int)t->id);
        }
        pending[i].done(pending[i].baton, &sent);
    }
}

/* ---- the engine ------------------------------------------------------------------------------ */

cfmt_channel_conf_t *telling_channel(const char *kind, const char *line)
{
    cfmt_channel_conf_t *c = apr_array_push(telling.channels);
    char *last, *word, *copy = apr_pstrdup(unit_pool, line);
    const char *words[20], *why;
    int n = 0;

    for (word = apr_strtok(copy, " ", &last); word; word = apr_strtok(NULL, " ", &last)) {
        words[n++] = word;
    }
    memset(c, 0, sizeof(*c));
    why = cfmt_channel_parse(c, kind, words, n, unit_pool);
    ck_assert_msg(!why, "%s", why);
    apr_table_setn(telling.settings, apr_pstrcat(unit_pool, "Notify ", c->name, NULL),
                   cfmt_channel_words(c, unit_pool));
    return c;
}

void telling_begin(void)
{
    fake = 1;
    telling.pending = telling.at_once = 0;
    telling.poison = telling.dead = NULL;
    memset(&telling.answer, 0, sizeof(telling.answer));
    telling.told = apr_array_make(unit_pool, 100, sizeof(told_t));
    telling.channels = apr_array_make(unit_pool, 4, sizeof(cfmt_channel_conf_t));
    telling.settings = apr_table_make(unit_pool, 4);
    kit_now = KIT_EPOCH;
    kit_lines[0] = '\0';
    telling.eye = kit_open("cfmt.db");
}

cfmt_engine_t *telling_engine(void)
{
    cfmt_engine_conf_t conf = { .db = unit_path("cfmt.db"), .clock = &kit_clock, .log = &kit_log,
                                .settings = telling.settings, .channels = telling.channels };
    cfmt_rest_t rest;
    apr_pool_t *p;
    cfmt_engine_t *e;

    apr_pool_create(&p, unit_pool);
    e = cfmt_engine_create(&conf, p);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, p), APR_SUCCESS);
    ck_assert_ptr_nonnull(e->teller);
    return e;
}

void telling_news(cfmt_engine_t *e, cfmt_news_e kind, const char *attack, const char *dedupe)
{
    cfmt_news_t n = { .kind = kind, .dedupe = dedupe, .attack = attack, .at = kit_now,
                      .prefix = "203.0.113.0/24" };

    n.fields = cfmt_news_fields(unit_pool, "prefix", "203.0.113.0/24", "attack", attack, "name",
                                dedupe, "reason", dedupe, "error", dedupe, NULL);
    ck_assert_int_eq(cfmt_store_begin(e->store, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_tell(e, &n, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(e->store), APR_SUCCESS);
}

void telling_step(apr_interval_time_t d)
{
    kit_now += d;
    unit_skip(d);
}

apr_time_t telling_look(cfmt_engine_t *e)
{
    apr_time_t due = 0;
    apr_pool_t *p;

    apr_pool_create(&p, unit_pool);
    ck_assert_int_eq(cfmt_tell_run(e, &due, p), APR_SUCCESS);
    apr_pool_destroy(p);
    return due;
}

void telling_run(cfmt_engine_t *e, apr_interval_time_t d)
{
    apr_time_t end = kit_now + d, due;

    while (kit_now < end) {
        due = telling_look(e);
        if (telling.pending) {
            telling_step(50000);
            telling_answers();
            continue;
        }
        ck_assert_msg(due > kit_now, "it spins");
        telling_step(due < end ? due - kit_now : end - kit_now);
    }
    telling_look(e);
}

const char *telling_states(void)
{
    return kit_text(telling.eye, "SELECT group_concat(state, ' ') FROM (SELECT state FROM outbox"
                                 " ORDER BY id)");
}

const char *telling_column(const char *name, int id)
{
    return kit_text(telling.eye, apr_psprintf(unit_pool, "SELECT ifnull(%s, '') FROM outbox"
                                                         " WHERE id = %d", name, id));
}

const char *telling_state_of(const char *channel)
{
    return kit_text(telling.eye, apr_psprintf(unit_pool, "SELECT state FROM channel"
                                                         " WHERE name = '%s'", channel));
}

void telling_end(void)
{
    fake = 0;
}
