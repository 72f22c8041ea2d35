/*
 * What the channels of room notify share: a message that is under way, the transfer of those that
 * speak HTTP, and the JSON that programs and receivers get.
 */
#ifndef CFMT_OUT_H
#define CFMT_OUT_H

#include "cfmt_notify.h"

/*
 * Bytes of an answer that are looked at. Telegram repeats the message and the one that it replies
 * to, with each character of some scripts as six or twelve bytes.
 */
#define CFMT_ANSWER_KEPT 262144
#define CFMT_DETAIL_MAX 200

/* One message on its way through one channel. Lives until its done was called. */
typedef struct cfmt_sending_t cfmt_sending_t;
struct cfmt_sending_t {
    cfmt_out_t *o;
    apr_pool_t *pool;
    const cfmt_channel_conf_t *c;
    cfmt_message_t m;                /* copied as far as a second try needs it */
    void (*done)(void *baton, const cfmt_sent_t *sent);
    void *baton;
    /* telegram, webhook: told by whoever starts the transfer */
    const char *secret;              /* part of the URL that no answer may show; NULL = none */
    void (*judge)(cfmt_sending_t *s, const cfmt_http_answer_t *a);
    char *answer;                    /* the beginning of the body, with a NUL */
    apr_size_t answer_len, answer_size;
    int plain;                       /* telegram: markup was refused */
    int anew;                        /* telegram: there is nothing to edit any more */
    /* command, and what was over before it began: looked after by cfmt_out_step */
    cfmt_program_t *program;
    cfmt_sent_t sent;                /* known at once, told by the next step */
};

struct cfmt_out_t {
    apr_pool_t *pool;
    cfmt_http_t *http;
    const cfmt_clock_t *clock;
    const char *telegram_url;
    apr_array_header_t *steps;       /* cfmt_sending_t *: of cfmt_out_step */
};

/* ---- out.c ----------------------------------------------------------------------------------- */

/* Calls done; s is gone after it. */
void cfmt_sending_end(cfmt_sending_t *s, const cfmt_sent_t *sent);
/* The same, with a detail that is made one printable line without s->secret. */
void cfmt_sending_tell(cfmt_sending_t *s, cfmt_sent_e how, const char *detail);
/* Not sent: after d (an hour at most), to chat where the group has moved; why is static. */
void cfmt_sending_wait(cfmt_sending_t *s, apr_interval_time_t d, const char *chat,
                       const char *why);
/* It is over already: done is called by the next step. detail lives as long as s. */
void cfmt_sending_known(cfmt_sending_t *s, cfmt_sent_e how, const char *detail);
/* Has its turn in each step from now on. */
void cfmt_sending_step(cfmt_sending_t *s);
/* Posts body as JSON to url; headers as of cfmt_http_request_t. judge ends it, or posts again. */
void cfmt_sending_post(cfmt_sending_t *s, const char *url, const cfmt_http_header_t *headers,
                       const char *body);
/* There was no whole answer: MAYBE when all of the request was out. */
void cfmt_sending_lost(cfmt_sending_t *s, const cfmt_http_answer_t *a);

/* ---- payload.c ------------------------------------------------------------------------------- */

/* {"text": ..., "cfmt": {...}} in p. */
const char *cfmt_payload(const cfmt_message_t *m, const char *text, apr_pool_t *p);
/* The same for each try at the same message, and for no other: receivers drop repeats by it. */
const char *cfmt_payload_id(const cfmt_message_t *m, apr_pool_t *p);

/* ---- a file each ----------------------------------------------------------------------------- */

/* Starts it, or ends it by cfmt_sending_known. */
void cfmt_telegram_start(cfmt_sending_t *s);
void cfmt_webhook_start(cfmt_sending_t *s);
void cfmt_command_start(cfmt_sending_t *s);
void cfmt_syslog_start(cfmt_sending_t *s);

/* True when s ended: done was called. */
int cfmt_command_look(cfmt_sending_t *s);

/* Where the system's log listens; tests name another place. */
extern const char *cfmt_syslog_path;
/* How long a program may run; tests shorten it. */
extern apr_interval_time_t cfmt_command_limit;

#endif
