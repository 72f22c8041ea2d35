/*
 * How it went: what becomes of a row and of its channel after an answer, and who hears of a channel
 * that is in trouble.
 */
#include <string.h>

#include <apr_strings.h>

#include "news_of.h"

#define FAIL_FIRST apr_time_from_sec(5)
#define FAIL_MAX apr_time_from_sec(300)
#define BROKEN_FIRST apr_time_from_sec(900) /* somebody must act, and perhaps he has */
#define BROKEN_MAX apr_time_from_sec(3600)
#define WAIT_MAX apr_time_from_sec(3600)    /* whatever a channel asks for */
#define JITTER 100                          /* permille */
#define TRIES 10          /* of one message, by a channel that takes others */
#define LASTS apr_time_from_sec(300) /* a shorter failure is not worth a message of its own */
#define REPEAT apr_time_from_sec(3600)      /* of a complaint */

/* ---- after the answer ------------------------------------------------------------------------ */

/* It takes messages, though perhaps not this one. */
static void works(cfmt_channel_row_t *ch, apr_time_t now)
{
    ch->since = ch->state == CFMT_CHANNEL_OK ? ch->since : now;
    ch->state = CFMT_CHANNEL_OK;
    ch->next_at = 0;
    ch->fails = 0;
    ch->error = NULL;
}

static void fails(cfmt_channel_row_t *ch, cfmt_channel_state_e state, const cfmt_sent_t *sent,
                  const cfmt_clock_t *clock, apr_time_t now)
{
    int broken = state == CFMT_CHANNEL_BROKEN;
    apr_uint32_t seed = (apr_uint32_t)cfmt_digest64(ch->name, strlen(ch->name));
    int before = ch->state == state ? ch->fails : 0;

    ch->since = ch->state == CFMT_CHANNEL_OK ? now : ch->since; /* of the trouble, whatever it is */
    ch->state = state;
    ch->fails++;
    ch->error = sent->detail;
    ch->next_at = cfmt_schedule_next(now,
                                     cfmt_clock_span(clock, broken ? BROKEN_FIRST : FAIL_FIRST),
                                     cfmt_clock_span(clock, broken ? BROKEN_MAX : FAIL_MAX),
                                     before, JITTER, seed + (apr_uint32_t)ch->fails);
}

static void ended(cfmt_outbox_row_t *row, cfmt_outbox_e state, const cfmt_sent_t *sent,
                  apr_time_t now)
{
    row->state = state;
    row->attempts++;
    row->sent_at = state == CFMT_OUTBOX_FAILED ? 0 : now;
    row->ref = sent->ref;
}

/* A channel that took others since this one was made, and never this: it is the message. */
static void later(cfmt_outbox_row_t *row, cfmt_channel_row_t *ch, const cfmt_sent_t *sent,
                  const cfmt_clock_t *clock, apr_time_t now)
{
    if (row->attempts + 1 >= TRIES && ch->ok_at > row->made_at) {
        ended(row, CFMT_OUTBOX_FAILED, sent, now);
        works(ch, now);
    }
    else {
        row->attempts++;
        fails(ch, CFMT_CHANNEL_FAILING, sent, clock, now);
    }
}

static int is_there_already(const cfmt_channel_row_t *ch, const cfmt_channel_conf_t *conf,
                            const char *chat)
{
    return cfmt_text_same(ch->chat, chat) && cfmt_text_same(ch->chat_of, conf->chat);
}

void cfmt_tell_judge(cfmt_outbox_row_t *row, cfmt_channel_row_t *ch,
                     const cfmt_channel_conf_t *conf, const cfmt_sent_t *sent,
                     const cfmt_clock_t *clock, apr_time_t now)
{
    apr_time_t most = now + cfmt_clock_span(clock, WAIT_MAX);
    int moved = sent->chat && !is_there_already(ch, conf, sent->chat);

    row->state = CFMT_OUTBOX_QUEUED;
    row->next_at = 0;
    row->ref = NULL;
    row->answer = sent->detail;
    if (moved) {
        ch->chat = sent->chat;
        ch->chat_of = conf->chat;
    }
    switch (sent->how) {
    case CFMT_SENT_YES:
        ended(row, CFMT_OUTBOX_SENT, sent, now);
        works(ch, now);
        ch->ok_at = now;
        break;
    case CFMT_SENT_MAYBE:
        ended(row, CFMT_OUTBOX_MAYBE, sent, now);
        fails(ch, CFMT_CHANNEL_FAILING, sent, clock, now);
        break;
    case CFMT_SENT_NEVER:
        ended(row, CFMT_OUTBOX_FAILED, sent, now);
        works(ch, now);
        break;
    case CFMT_SENT_WAIT:
        ch->next_at = sent->at < now ? now : sent->at < most ? sent->at : most;
        break;
    case CFMT_SENT_BROKEN:
        fails(ch, CFMT_CHANNEL_BROKEN, sent, clock, now);
        break;
    default:
        if (!moved) {
            later(row, ch, sent, clock, now);
        }
        break;
    }
}

apr_status_t cfmt_tell_channel(cfmt_channel_row_t *ch, const cfmt_telling_t *t, const char *name)
{
    apr_status_t rv = cfmt_channel_load(t->e->store, ch, name, t->p);

    if (rv != CFMT_EMISSING) {
        return rv;
    }
    ch->name = name;
    ch->since = t->now;
    return APR_SUCCESS;
}

/* ---- trouble --------------------------------------------------------------------------------- */

static const char *number(apr_int64_t n, apr_pool_t *p)
{
    return apr_psprintf(p, "%" APR_INT64_T_FMT, n);
}

static apr_status_t tell_of(const cfmt_telling_t *t, const cfmt_channel_row_t *ch,
                            const char *state, apr_time_t since)
{
    cfmt_news_t n = { .kind = CFMT_NEWS_OUTBOX, .at = t->now };

    n.dedupe = apr_psprintf(t->p, "outbox %s %s %" APR_TIME_T_FMT, ch->name, state, since);
    n.fields = cfmt_news_fields(t->p, "name", ch->name, "state", state, "error", ch->error,
                                "since_at", number(since, t->p), "look", "cfmtctl outbox list",
                                "mode", cfmt_of_mode(t->e), NULL);
    return cfmt_tell_others(t->e, &n, ch->name, t->p);
}

static int lasts(const cfmt_telling_t *t, const cfmt_channel_row_t *ch)
{
    return ch->state == CFMT_CHANNEL_BROKEN
           || (ch->state == CFMT_CHANNEL_FAILING
               && t->now - ch->since >= cfmt_clock_span(t->e->conf.clock, LASTS));
}

apr_status_t cfmt_tell_trouble(const cfmt_telling_t *t, const cfmt_channel_row_t *before,
                               const cfmt_channel_row_t *ch)
{
    if (lasts(t, ch)) {
        return tell_of(t, ch, cfmt_channel_state_name(ch->state), ch->since);
    }
    return ch->state == CFMT_CHANNEL_OK && lasts(t, before)
               ? tell_of(t, ch, cfmt_channel_state_name(CFMT_CHANNEL_OK), before->since)
               : APR_SUCCESS;
}

static void complain(const cfmt_telling_t *t, const cfmt_channel_row_t *ch)
{
    const char *why = ch->error ? ch->error : "no reason given";
    const char *at = cfmt_time_format(t->p, ch->next_at);

    if (ch->state == CFMT_CHANNEL_BROKEN) {
        cfmt_log(t->e->conf.log, CFMT_LOG_ERR,
                 CFMT_ID(1030) "channel %s refuses us, nobody is told anything through it: %s;"
                               " tried again at %s", ch->name, why, at);
    }
    else {
        cfmt_log(t->e->conf.log, CFMT_LOG_WARNING,
                 CFMT_ID(1031) "messages through %s fail, they wait: %s; tried again at %s",
                 ch->name, why, at);
    }
}

static void log_channel(const cfmt_telling_t *t, cfmt_courier_t *c,
                        const cfmt_channel_row_t *before, const cfmt_channel_row_t *ch)
{
    apr_time_t mono = cfmt_monotonic();

    if (ch->state == CFMT_CHANNEL_OK) {
        if (before->state != CFMT_CHANNEL_OK) {
            cfmt_log(t->e->conf.log, CFMT_LOG_NOTICE,
                     CFMT_ID(1032) "messages go through %s again", ch->name);
        }
        c->logged_at = 0;
    }
    else if (ch->state != before->state || !c->logged_at || mono - c->logged_at >= REPEAT) {
        complain(t, ch);
        c->logged_at = mono;
    }
}

void cfmt_tell_log(const cfmt_telling_t *t, cfmt_courier_t *c, const cfmt_channel_row_t *before,
                   const cfmt_channel_row_t *ch)
{
    const cfmt_log_t *log = t->e->conf.log;
    const char *what = cfmt_news_name(c->row.news.kind), *answer = c->row.answer;

    answer = answer ? answer : "no reason given";
    if (c->row.state == CFMT_OUTBOX_SENT) {
        cfmt_log(log, CFMT_LOG_INFO,
                 CFMT_ID(1033) "told through %s: %s (message %" APR_INT64_T_FMT ")", ch->name, what,
                 c->row.id);
    }
    else if (c->row.state == CFMT_OUTBOX_MAYBE) {
        cfmt_log(log, CFMT_LOG_WARNING,
                 CFMT_ID(1034) "message %" APR_INT64_T_FMT " (%s) may have been told through %s, it"
                               " is not repeated: %s", c->row.id, what, ch->name, answer);
    }
    else if (c->row.state == CFMT_OUTBOX_FAILED) {
        cfmt_log(log, CFMT_LOG_WARNING,
                 CFMT_ID(1035) "message %" APR_INT64_T_FMT " (%s) was refused by %s and is not"
                               " tried again: %s", c->row.id, what, ch->name, answer);
    }
    log_channel(t, c, before, ch);
}
