/*
 * What the tests of channels share: a receiver whose answers are told beforehand, and messages that
 * are sent to it.
 */
#ifndef CFMT_OUTGOING_H
#define CFMT_OUTGOING_H

#include "cfmt_notify.h"

#define OUTGOING_NOW apr_time_from_sec(1700000000)
#define OUTGOING_TOKEN "123456:AAbot-Token_xyz"

/* The next answers, in their order; the last one is repeated. head: "200 OK", headers behind it. */
void outgoing_answer(const char *head, const char *body);
/* The next one never comes: the client's patience is over as soon as the request is there. */
void outgoing_hang(void);
/* A part of the answer and the end of the connection. */
void outgoing_cut(const char *part);

/* What came of the last message; text is copied. */
extern cfmt_sent_t outgoing_sent;
extern int outgoing_done;
extern const char *outgoing_traces;

void outgoing_setup(void); /* fixture: receiver, client, message */
void outgoing_teardown(void);
extern cfmt_out_t *outgoing_out;
extern cfmt_message_t outgoing_message;
const char *outgoing_url(const char *path);
/* Telegram is at a port where nobody listens. */
void outgoing_nowhere(void);
int outgoing_requests(void);
/* Head and body of request i. */
const char *outgoing_request(int i);
const char *outgoing_body(int i);

/* "telegram name=x ..." as a directive has it, value "" = none. */
cfmt_channel_conf_t outgoing_channel(const char *words, const char *value);
/* From start to end; how it went. */
cfmt_sent_e outgoing_send(const cfmt_channel_conf_t *c);
/* Only the rest. */
void outgoing_run(void);

#endif
