/*
 * Commands about what people are told: an acknowledgement, a message that is sent again or given
 * up, a trial of the channels.
 */
#include <string.h>

#include <apr_strings.h>

#include "command.h"
#include "news_of.h"

/* ---- ack ------------------------------------------------------------------------------------- */

apr_status_t cfmt_command_ack(cfmt_command_t *c)
{
    apr_int64_t id = cfmt_command_id(c);
    cfmt_outbox_row_t row;
    int n = 0;
    apr_status_t rv = id ? cfmt_outbox_get(c->e->store, &row, id, c->p) : APR_SUCCESS;

    if (rv == CFMT_EMISSING) {
        return cfmt_answer(c, "failed", CODE_FAILED, "there is no message %" APR_INT64_T_FMT, id);
    }
    rv = rv == APR_SUCCESS ? cfmt_outbox_ack(c->e->store, id, c->who, c->now, &n) : rv;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!n) {
        return cfmt_answer(c, "already", CODE_DONE, "no %smessage waits to be acknowledged",
                           id ? "such " : "critical ");
    }
    return cfmt_answer(c, "done", CODE_DONE, "%d message%s acknowledged: no other channel is asked"
                       " to call", n, n == 1 ? " is" : "s are");
}

/* ---- retry, drop ----------------------------------------------------------------------------- */

/* Somebody wants to see it go now, whatever the channel's last failure put it off to. */
static apr_status_t ask_now(const cfmt_command_t *c, const char *channel)
{
    cfmt_channel_row_t ch;
    apr_status_t rv = cfmt_channel_load(c->e->store, &ch, channel, c->p);

    if (rv != APR_SUCCESS || !ch.next_at) {
        return rv == CFMT_EMISSING ? APR_SUCCESS : rv;
    }
    ch.next_at = 0;
    return cfmt_channel_save(c->e->store, &ch);
}

/* *pgo 0: answered already. */
static apr_status_t find(cfmt_command_t *c, cfmt_outbox_row_t *row, int *pgo)
{
    apr_int64_t id = cfmt_command_id(c);
    apr_status_t rv = cfmt_outbox_get(c->e->store, row, id, c->p);

    *pgo = rv == APR_SUCCESS;
    return rv == CFMT_EMISSING ? cfmt_answer(c, "failed", CODE_FAILED,
                                             "there is no message %" APR_INT64_T_FMT, id)
                               : rv;
}

apr_status_t cfmt_command_retry(cfmt_command_t *c)
{
    cfmt_outbox_row_t row;
    int go;
    apr_status_t rv = find(c, &row, &go);

    if (rv != APR_SUCCESS || !go) {
        return rv;
    }
    rv = row.state == CFMT_OUTBOX_QUEUED ? APR_SUCCESS
                                         : cfmt_outbox_retry(c->e->store, row.id, c->now);
    if (rv == CFMT_EINVALID) {
        return cfmt_answer(c, "refused", CODE_REFUSED, "message %" APR_INT64_T_FMT " is %s: only"
                           " what waits, failed, expired or may not have arrived is sent again",
                           row.id, cfmt_outbox_name(row.state));
    }
    rv = rv == APR_SUCCESS ? ask_now(c, row.channel) : rv;
    return rv != APR_SUCCESS ? rv
                             : cfmt_answer(c, "done", CODE_DONE, "message %" APR_INT64_T_FMT " goes"
                                           " to %s again", row.id, row.channel);
}

apr_status_t cfmt_command_drop(cfmt_command_t *c)
{
    cfmt_outbox_row_t row;
    int go;
    apr_status_t rv = find(c, &row, &go);

    if (rv != APR_SUCCESS || !go) {
        return rv;
    }
    if (row.state == CFMT_OUTBOX_DROPPED) {
        return cfmt_answer(c, "already", CODE_DONE, "message %" APR_INT64_T_FMT " has been dropped"
                           " already", row.id);
    }
    rv = cfmt_outbox_drop(c->e->store, row.id, c->now);
    if (rv == CFMT_EINVALID) {
        return cfmt_answer(c, "refused", CODE_REFUSED, "message %" APR_INT64_T_FMT " is %s: only"
                           " what waits can be dropped", row.id, cfmt_outbox_name(row.state));
    }
    return rv != APR_SUCCESS ? rv
                             : cfmt_answer(c, "done", CODE_DONE, "message %" APR_INT64_T_FMT " is"
                                           " dropped: %s is not told", row.id, row.channel);
}

/* ---- test ------------------------------------------------------------------------------------ */

apr_status_t cfmt_command_put(const cfmt_command_t *c, const char *channel,
                              const cfmt_news_t *news)
{
    cfmt_outbox_row_t row = { .channel = channel, .news = *news, .made_at = c->now,
                              .priority = cfmt_news_priority(news->kind) };
    apr_status_t rv = cfmt_outbox_put(c->e->store, &row);

    return rv == APR_SUCCESS ? ask_now(c, channel) : rv;
}

static apr_status_t put_test(const cfmt_command_t *c, const char *channel)
{
    cfmt_news_t news = { .kind = CFMT_NEWS_TEST, .at = c->now };

    news.dedupe = apr_psprintf(c->p, CFMT_TEST_DEDUPE "%" APR_INT64_T_FMT, c->row->id);
    news.fields = cfmt_news_fields(c->p, "name", channel, "who", c->who, "mode",
                                   cfmt_of_mode(c->e), NULL);
    return cfmt_command_put(c, channel, &news);
}

static const char *names_of(const apr_array_header_t *channels, apr_pool_t *p)
{
    const char *names = NULL;
    int i;

    for (i = 0; i < channels->nelts; i++) {
        const char *name = APR_ARRAY_IDX(channels, i, cfmt_channel_conf_t).name;

        names = names ? apr_pstrcat(p, names, ", ", name, NULL) : name;
    }
    return names;
}

apr_status_t cfmt_command_test(cfmt_command_t *c)
{
    const char *only = cfmt_json_text(c->doc, "id");
    apr_array_header_t *channels;
    apr_status_t rv = cfmt_tell_known(&channels, c->e, c->p);
    int i, n = 0;

    for (i = 0; rv == APR_SUCCESS && i < channels->nelts; i++) {
        const char *name = APR_ARRAY_IDX(channels, i, cfmt_channel_conf_t).name;

        if (!only || !strcmp(only, name)) {
            rv = put_test(c, name);
            n++;
        }
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!n) {
        const char *names = names_of(channels, c->p);

        return only && names ? cfmt_answer(c, "failed", CODE_FAILED, "channel %s is not configured;"
                                           " there are: %s", only, names)
                             : cfmt_answer(c, "failed", CODE_FAILED, "no channel is configured"
                                           " (CfmtNotify)");
    }
    return cfmt_answer(c, "done", CODE_DONE, "%d test message%s on %s way", n,
                       n == 1 ? " is" : "s are", n == 1 ? "its" : "their");
}
