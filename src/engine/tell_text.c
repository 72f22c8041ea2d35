/*
 * What a message says: the text of its news, what must be added to it, and which message of the
 * same attack it belongs to.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "tell.h"

/* ---- text ------------------------------------------------------------------------------------ */

static int by_time(const void *a, const void *b)
{
    const cfmt_outbox_row_t *x = *(const cfmt_outbox_row_t *const *)a;
    const cfmt_outbox_row_t *y = *(const cfmt_outbox_row_t *const *)b;

    return x->news.at != y->news.at ? (x->news.at > y->news.at) - (x->news.at < y->news.at)
                                    : (x->id > y->id) - (x->id < y->id);
}

static const char *text_of(const cfmt_telling_t *t, cfmt_plan_e what,
                           const apr_array_header_t *rows)
{
    apr_array_header_t *sorted = apr_array_copy(t->p, rows);
    apr_array_header_t *news = apr_array_make(t->p, rows->nelts, sizeof(const cfmt_news_t *));
    int i;

    qsort(sorted->elts, (size_t)sorted->nelts, (size_t)sorted->elt_size, by_time);
    for (i = 0; i < sorted->nelts; i++) {
        APR_ARRAY_PUSH(news, const cfmt_news_t *) =
            &APR_ARRAY_IDX(sorted, i, const cfmt_outbox_row_t *)->news;
    }
    return what == CFMT_PLAN_DIGEST ? cfmt_message_digest(t->t->templates, news, t->p)
           : what == CFMT_PLAN_FOLD ? cfmt_message_fold(t->t->templates, news, t->p)
                                    : cfmt_message_text(t->t->templates,
                                                        APR_ARRAY_IDX(news, 0, const cfmt_news_t *),
                                                        t->p);
}

static const char *first_line(const char *text, apr_pool_t *p)
{
    const char *end = text ? strchr(text, '\n') : NULL;

    return end ? apr_pstrmemdup(p, text, (apr_size_t)(end - text)) : text ? text : "";
}

/* The message before it in its thread may or may not have arrived. */
static apr_status_t add_doubt(const char **ptext, const cfmt_telling_t *t, const cfmt_courier_t *c,
                              const cfmt_outbox_row_t *row)
{
    cfmt_outbox_row_t before;
    apr_status_t rv;

    if (!row->news.attack) {
        return APR_SUCCESS;
    }
    rv = cfmt_outbox_doubt(t->e->store, &before, c->conf->name, row->news.attack, t->p);
    if (rv == APR_SUCCESS) {
        *ptext = apr_pstrcat(t->p, *ptext, "\nMay not have arrived before this: ",
                             first_line(before.text, t->p), NULL);
    }
    return rv == CFMT_EMISSING ? APR_SUCCESS : rv;
}

/* What the other channel was told may have been many in one: then all of it again. */
static apr_status_t add_fallback(const char **ptext, const cfmt_telling_t *t, cfmt_plan_e what,
                                 const cfmt_outbox_row_t *row)
{
    cfmt_outbox_row_t before;
    apr_status_t rv;

    if (!row->fallback_of) {
        return APR_SUCCESS;
    }
    rv = cfmt_outbox_get(t->e->store, &before, row->fallback_of, t->p);
    if (rv == APR_SUCCESS) {
        *ptext = what == CFMT_PLAN_ONE && before.sent_at ? before.text : *ptext;
        *ptext = apr_psprintf(t->p, "%s\nNobody has acknowledged this on %s since %s: cfmtctl ack",
                              *ptext, before.channel,
                              cfmt_time_format(t->p, before.made_at - before.made_at
                                                                          % APR_USEC_PER_SEC));
    }
    return rv == CFMT_EMISSING ? APR_SUCCESS : rv;
}

apr_status_t cfmt_tell_text(const char **ptext, const cfmt_telling_t *t, const cfmt_courier_t *c,
                            cfmt_plan_e what, const apr_array_header_t *rows)
{
    const cfmt_outbox_row_t *row = APR_ARRAY_IDX(rows, 0, const cfmt_outbox_row_t *);
    apr_status_t rv;

    *ptext = text_of(t, what, rows);
    rv = add_fallback(ptext, t, what, row);
    return rv == APR_SUCCESS && what != CFMT_PLAN_FOLD ? add_doubt(ptext, t, c, row) : rv;
}

/* ---- thread ---------------------------------------------------------------------------------- */

/*
 * An edited message rings nowhere: only what need not wake anybody takes the place of another, the
 * rest answers to the thread's first message.
 */
static apr_status_t set_thread(cfmt_message_t *m, const cfmt_telling_t *t, const cfmt_courier_t *c)
{
    int edit = c->conf->thread == CFMT_THREAD_EDIT && m->priority >= CFMT_URGENCY_NORMAL;
    cfmt_outbox_row_t before;
    apr_status_t rv;

    if (!m->news.attack || c->conf->thread == CFMT_THREAD_OFF) {
        return APR_SUCCESS;
    }
    rv = cfmt_outbox_thread(t->e->store, &before, c->conf->name, m->news.attack, edit, t->p);
    if (rv == APR_SUCCESS) {
        *(edit ? &m->edit : &m->reply_to) = before.ref;
    }
    return rv == CFMT_EMISSING ? APR_SUCCESS : rv;
}

apr_status_t cfmt_tell_message(cfmt_message_t *m, const cfmt_telling_t *t, const cfmt_courier_t *c,
                               const cfmt_channel_row_t *ch, const cfmt_outbox_row_t *row, int many)
{
    memset(m, 0, sizeof(*m));
    m->id = row->id;
    m->news = row->news;
    m->priority = row->priority;
    m->text = row->text;
    if (ch->chat && cfmt_text_same(ch->chat_of, c->conf->chat)) {
        m->chat = ch->chat;
    }
    return many ? APR_SUCCESS : set_thread(m, t, c);
}
