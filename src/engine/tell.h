/*
 * Inside the room: news become rows of the outbox, and rows become messages.
 */
#ifndef CFMT_TELL_H
#define CFMT_TELL_H

#include "cfmt_store_outbox.h"
#include "engine_private.h"

/* ---- tell.c: who is told --------------------------------------------------------------------- */

/*
 * Channels as they are published in settings ("Notify NAME"): routing alone, no secrets. Array of
 * cfmt_channel_conf_t in p.
 */
apr_array_header_t *cfmt_tell_channels(const apr_table_t *settings, apr_pool_t *p);
/*
 * In the caller's transaction: a row for each of channels that wants it and has not been told it
 * yet. For whoever has no engine: the projector.
 */
apr_status_t cfmt_tell_to(cfmt_store_t *s, const apr_array_header_t *channels,
                          const cfmt_news_t *n, apr_time_t now);
/* Those of the engine's settings; where it has none, as published. */
apr_status_t cfmt_tell_known(apr_array_header_t **pchannels, const cfmt_engine_t *e,
                             apr_pool_t *p);
/* The same for the channels of the engine's settings. No channel: nothing. */
apr_status_t cfmt_tell(cfmt_engine_t *e, const cfmt_news_t *n, apr_pool_t *ptemp);
/* Its channels but the one of that name (NULL: all). */
apr_status_t cfmt_tell_others(cfmt_engine_t *e, const cfmt_news_t *n, const char *but,
                              apr_pool_t *ptemp);
/* Not before: the end of the channel's quiet hours, by the host's time zone; 0 = now. */
apr_time_t cfmt_tell_quiet(const cfmt_channel_conf_t *c, cfmt_urgency_e priority, apr_time_t now);

/* ---- tell_send.c: the round's part ----------------------------------------------------------- */

/* One channel: one message at a time, so that they arrive in their order. */
typedef struct cfmt_courier_t {
    struct cfmt_teller_t *teller;
    const cfmt_channel_conf_t *conf;
    cfmt_pace_t pace;           /* in monotonic time */
    apr_pool_t *pool;           /* of the message under way */
    int busy, answered;
    cfmt_outbox_row_t row;      /* of that message what its end needs */
    cfmt_sent_t sent;
    apr_time_t logged_at;       /* monotonic: trouble was last complained about; 0 = not */
} cfmt_courier_t;

/* What goes on between rounds; all of it can be lost. */
typedef struct cfmt_teller_t {
    cfmt_out_t *out;
    const cfmt_templates_t *templates;
    apr_array_header_t *couriers; /* cfmt_courier_t */
    apr_time_t look_at;           /* monotonic: when cfmt_tell_look is due */
    int ending;
} cfmt_teller_t;

/* One round of it. */
typedef struct cfmt_telling_t {
    cfmt_engine_t *e;
    cfmt_teller_t *t;
    apr_time_t now;
    apr_time_t due;             /* look again then; 0 = no reason to */
    apr_pool_t *p;
} cfmt_telling_t;

#define CFMT_TELL_LEASE apr_time_from_sec(60) /* real; a transfer takes 30 s at most */

/* NULL: whose channels these are is not known, or nothing can be sent. Dies with p. */
cfmt_teller_t *cfmt_teller_create(cfmt_engine_t *e, apr_pool_t *p);
/* The round's last step before tidy: what is due goes out, what came back is noted. */
apr_status_t cfmt_tell_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick);
/*
 * The engine ends: that the service stops may still be said; what is under way is waited for, most
 * of a second; of what has not come back by then nobody knows.
 */
void cfmt_tell_end(cfmt_engine_t *e);

/* ---- tell_text.c: what a message says -------------------------------------------------------- */

/* rows: const cfmt_outbox_row_t *, the one that carries the others first. In p. */
apr_status_t cfmt_tell_text(const char **ptext, const cfmt_telling_t *t, const cfmt_courier_t *c,
                            cfmt_plan_e what, const apr_array_header_t *rows);
/*
 * The message of row, with its text, and what it answers to or takes the place of; one that tells
 * of many attacks belongs to none.
 */
apr_status_t cfmt_tell_message(cfmt_message_t *m, const cfmt_telling_t *t, const cfmt_courier_t *c,
                               const cfmt_channel_row_t *ch, const cfmt_outbox_row_t *row,
                               int many);

/* ---- tell_state.c: how it went --------------------------------------------------------------- */

/* What the row and its channel are after the answer. Pure. */
void cfmt_tell_judge(cfmt_outbox_row_t *row, cfmt_channel_row_t *ch,
                     const cfmt_channel_conf_t *conf, const cfmt_sent_t *sent,
                     const cfmt_clock_t *clock, apr_time_t now);
/* In the caller's transaction: through the others, when a channel is in trouble, or well again. */
apr_status_t cfmt_tell_trouble(const cfmt_telling_t *t, const cfmt_channel_row_t *before,
                               const cfmt_channel_row_t *ch);
/* Behind it: the error log. */
void cfmt_tell_log(const cfmt_telling_t *t, cfmt_courier_t *c, const cfmt_channel_row_t *before,
                   const cfmt_channel_row_t *ch);
/* The channel's row, or one that says that nothing is wrong. */
apr_status_t cfmt_tell_channel(cfmt_channel_row_t *ch, const cfmt_telling_t *t, const char *name);

/* ---- tell_look.c: what only time brings ------------------------------------------------------ */

/*
 * Critical ones that nobody acknowledged go to the fallback; rows of channels that are no more
 * expire.
 */
apr_status_t cfmt_tell_look(const cfmt_telling_t *t);
/* What was under way when its leader ended may have been sent. */
apr_status_t cfmt_tell_inherit(const cfmt_telling_t *t);

#endif
