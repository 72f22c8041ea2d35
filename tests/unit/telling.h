/*
 * Channels that do as the test says, and an engine that tells through them. The program is linked
 * with --wrap=cfmt_out_send.
 */
#ifndef CFMT_TELLING_H
#define CFMT_TELLING_H

#include "engine/tell.h"
#include "kit.h"
#include "unit.h"

#define SEC APR_USEC_PER_SEC
#define MIN apr_time_from_sec(60)

/* What went out. */
typedef struct told_t {
    const char *channel, *text, *reply_to, *edit, *chat;
    apr_int64_t id;
    int count;
    apr_uint64_t told;
    apr_time_t at;               /* monotonic */
} told_t;

typedef struct telling_t {
    cfmt_sent_t answer;          /* to every message; a YES gets a ref "refID" */
    const char *poison;          /* a message with this word cannot be taken */
    const char *dead;            /* a channel that fails */
    int at_once;                 /* a message is answered while it is sent */
    int pending;                 /* messages without an answer */
    apr_array_header_t *told;    /* told_t */
    apr_array_header_t *channels; /* cfmt_channel_conf_t */
    apr_table_t *settings;
    cfmt_store_t *eye;           /* a handle of our own */
} telling_t;
extern telling_t telling;

/* A fresh store, no channel, answers YES; after a test cfmt_out_send is itself again. */
void telling_begin(void);
void telling_end(void);
/* A line of CfmtNotify without its first word, which is kind. */
cfmt_channel_conf_t *telling_channel(const char *kind, const char *line);
/* An engine behind its first round. */
cfmt_engine_t *telling_engine(void);
void telling_news(cfmt_engine_t *e, cfmt_news_e kind, const char *attack, const char *dedupe);

void telling_step(apr_interval_time_t d);
/* One look; when it wants to look again. */
apr_time_t telling_look(cfmt_engine_t *e);
void telling_answers(void);
/* Looks as often as it wants to, for d; answers come after 50 ms. */
void telling_run(cfmt_engine_t *e, apr_interval_time_t d);

const told_t *telling_at(int i);
/* How many messages have this word, through that channel (NULL: any). */
int telling_heard(const char *channel, const char *word);
/* Of all rows in their order. */
const char *telling_states(void);
const char *telling_column(const char *name, int id);
const char *telling_state_of(const char *channel);

#endif
