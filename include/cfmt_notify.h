/*
 * Room notify: from news to a message that somebody reads. conf.c reads CfmtNotify, route.c says
 * who is told what, plan.c what is sent next and what is folded, message.c makes texts; pure, all
 * four. telegram.c, webhook.c, command.c and syslog.c bring a message out.
 */
#ifndef CFMT_NOTIFY_H
#define CFMT_NOTIFY_H

#include "cfmt_cloudflare.h"
#include "cfmt_news.h"

/* ---- conf.c: one CfmtNotify line ------------------------------------------------------------- */

typedef enum {
    CFMT_CHANNEL_TELEGRAM, CFMT_CHANNEL_WEBHOOK, CFMT_CHANNEL_COMMAND, CFMT_CHANNEL_SYSLOG,
    CFMT_CHANNEL_KINDS
} cfmt_channel_e;
typedef enum { CFMT_THREAD_REPLY, CFMT_THREAD_EDIT, CFMT_THREAD_OFF } cfmt_thread_e;

typedef struct cfmt_channel_conf_t {
    cfmt_channel_e kind;
    const char *name;             /* [a-z0-9-], unique */
    const char *token;            /* telegram: "file:PATH", as said; the value is below */
    const char *chat, *topic;     /* telegram; topic NULL = none */
    const char *url, *secret;     /* webhook; secret: "file:PATH", NULL = not signed */
    const char *path;             /* command */
    int facility;                 /* syslog */
    const char *value;            /* of token or secret, read at start; never shown; NULL = none */
    cfmt_urgency_e min;          /* nothing below it; default low */
    apr_uint64_t kinds;           /* types=: bit 1 << cfmt_news_e; all by default */
    apr_array_header_t *prefixes; /* cfmt_cidr_t; NULL = all. News of no prefix always go */
    const char *fallback;         /* name of the channel that hears of what nobody acknowledged */
    apr_interval_time_t after;    /* of fallback; default 10 min */
    int quiet_from, quiet_to;     /* minutes of the day, local time; equal = no quiet hours */
    cfmt_urgency_e quiet_max;    /* what goes out all the same; default critical */
    cfmt_thread_e thread;
    int daily;                    /* minute of the day; -1 = no summary */
    int lifecycle;                /* start and stop are told */
} cfmt_channel_conf_t;

/*
 * "telegram", then the words of the line. NULL, or a sentence for configtest: which word, what is
 * allowed. Touches no file.
 */
const char *cfmt_channel_parse(cfmt_channel_conf_t *c, const char *kind, const char *const *words,
                               int n, apr_pool_t *p);
/* Routing words alone, as they are published in the store: no URL, token, path or chat. */
const char *cfmt_channel_words(const cfmt_channel_conf_t *c, apr_pool_t *p);
/* The reverse of it. */
const char *cfmt_channel_read(cfmt_channel_conf_t *c, const char *words, apr_pool_t *p);
const char *cfmt_channel_kind_name(cfmt_channel_e kind);
/* What types= takes: "not-protected, hijack, ...". */
const char *cfmt_channel_types(apr_pool_t *p);

/* ---- route.c --------------------------------------------------------------------------------- */

/* The channel wants it at all. */
int cfmt_route_takes(const cfmt_channel_conf_t *c, const cfmt_news_t *n);
/* Not before: the end of quiet hours, or 0. local_offset: of local time, seconds at `now`. */
apr_time_t cfmt_route_quiet(const cfmt_channel_conf_t *c, cfmt_urgency_e priority,
                            apr_time_t now, int local_offset);

/* ---- plan.c ---------------------------------------------------------------------------------- */

/* One row that waits, as far as the plan needs it. */
typedef struct cfmt_waiting_t {
    apr_int64_t id;
    cfmt_news_e kind;
    cfmt_urgency_e priority;
    const char *attack;           /* NULL = none */
    apr_time_t at, next_at;
} cfmt_waiting_t;

#define CFMT_FOLD_MANY 30 /* similar ones that become one message */

/* What goes out next through one channel. */
typedef enum { CFMT_PLAN_NOTHING, CFMT_PLAN_ONE, CFMT_PLAN_DIGEST, CFMT_PLAN_FOLD } cfmt_plan_e;
typedef struct cfmt_plan_t {
    cfmt_plan_e what;
    apr_array_header_t *ids; /* apr_int64_t: of the rows; ids[0] carries the others */
    apr_time_t at;           /* NOTHING: when to ask again; 0 = nothing waits */
} cfmt_plan_t;
/*
 * Order: priority, then age; of one attack never out of its order. DIGEST: rows of one attack that
 * waited for longer than they are fresh become one with their times. FOLD: CFMT_FOLD_MANY or more
 * of one kind.
 */
void cfmt_plan_next(cfmt_plan_t *plan, const apr_array_header_t *rows, apr_time_t now,
                    apr_pool_t *p);

/* Telegram's limits, as a window of what went out: 1/s a chat, 20/min a group. */
typedef struct cfmt_pace_t {
    apr_time_t sent[20]; /* a ring */
    int n;
} cfmt_pace_t;
/* When the next may go: 0 = now. */
apr_time_t cfmt_pace_next(const cfmt_pace_t *pace, int group, apr_time_t now);
void cfmt_pace_note(cfmt_pace_t *pace, apr_time_t now);

/* ---- message.c ------------------------------------------------------------------------------- */

/*
 * Plain text with {name} in it. A line all of whose fields are missing is left out, and so is a
 * part of a line in [brackets]; the first line stays. Brackets without a field in them are text.
 */
typedef struct cfmt_templates_t cfmt_templates_t;

/* The built-in ones. Dies with p. */
cfmt_templates_t *cfmt_templates_create(apr_pool_t *p);
/* CfmtMessage: NULL, or what is wrong (unknown field, open brace, too long), with the line. */
const char *cfmt_template_set(cfmt_templates_t *t, const char *name, const char *text,
                              apr_size_t len, apr_pool_t *p);
/* Names of the fields of a kind, for the docs and for errors, with one blank between them. */
const char *cfmt_template_fields(cfmt_news_e kind, apr_pool_t *p);
const char *cfmt_template_text(const cfmt_templates_t *t, cfmt_news_e kind);
/* The text of one news; first line: what changed, for which prefix. In UTF-8, no control chars. */
const char *cfmt_message_text(const cfmt_templates_t *t, const cfmt_news_t *n, apr_pool_t *p);
/* One text of many rows (const cfmt_news_t *), of one attack with their times, or of one kind. */
const char *cfmt_message_digest(const cfmt_templates_t *t, const apr_array_header_t *news,
                                apr_pool_t *p);
const char *cfmt_message_fold(const cfmt_templates_t *t, const apr_array_header_t *news,
                              apr_pool_t *p);
/* For Telegram: <b>first line</b>, the rest escaped; at most 4,096 UTF-16 units, no broken tag. */
const char *cfmt_message_html(const char *text, apr_pool_t *p);
/* The same limit without tags. */
const char *cfmt_message_plain(const char *text, apr_pool_t *p);

/* ---- channels -------------------------------------------------------------------------------- */

/* What goes out. */
typedef struct cfmt_message_t {
    apr_int64_t id;           /* of the outbox row: the receiver's key against duplicates */
    cfmt_news_t news;
    cfmt_urgency_e priority;
    int count;                /* so many are told in it, of which news is one; 0 = this one */
    apr_uint64_t told;        /* digest of which these are, in whatever order */
    const char *text;         /* of message.c */
    const char *reply_to;     /* ref of the thread's first message; NULL = none */
    const char *edit;         /* ref of the message that it takes the place of; NULL = a new one */
    const char *chat;         /* where the group has moved; NULL = as configured */
} cfmt_message_t;

/* How it went. Text lives until done returns. */
typedef enum {
    CFMT_SENT_YES,
    CFMT_SENT_LATER,  /* not sent, costs an attempt; again with back-off */
    CFMT_SENT_WAIT,   /* not sent, costs nothing: not before `at` (429) */
    CFMT_SENT_MAYBE,  /* nobody knows (a time limit behind the last byte) */
    CFMT_SENT_NEVER,  /* this message is refused for good */
    CFMT_SENT_BROKEN  /* the channel refuses us (401, 403, no such chat): somebody must act */
} cfmt_sent_e;
typedef struct cfmt_sent_t {
    cfmt_sent_e how;
    apr_time_t at;        /* WAIT */
    const char *ref;      /* YES; NULL = the channel has none */
    const char *chat;     /* it has moved there: saved, and sent again */
    const char *detail;   /* the channel's own answer in one line; no secret, no token, no URL */
} cfmt_sent_t;

#define CFMT_TELEGRAM_URL "https://api.telegram.org"

typedef struct cfmt_out_t cfmt_out_t;
/*
 * All channels of a configuration; transfers go through http, programs are children of ours, both
 * die with p. clock: of WAIT. telegram_url: NULL = the public one.
 */
cfmt_out_t *cfmt_out_create(cfmt_http_t *http, const cfmt_clock_t *clock, const char *telegram_url,
                            apr_pool_t *p);
/*
 * Starts it; done is called once, from cfmt_http_poll or cfmt_out_step, never from here. m is not
 * looked at after it returns.
 */
void cfmt_out_send(cfmt_out_t *o, const cfmt_channel_conf_t *c, const cfmt_message_t *m,
                   void (*done)(void *baton, const cfmt_sent_t *sent), void *baton);
/* Looks after programs; *pdue becomes earlier while one runs. */
void cfmt_out_step(cfmt_out_t *o, apr_time_t *pdue);

#endif
