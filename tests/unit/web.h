/*
 * What the tests of the transport share: a server that misbehaves by path, and transfers to it.
 */
#ifndef CFMT_WEB_H
#define CFMT_WEB_H

#include "cfmt_cloudflare.h"
#include "loopback.h"

/* A transfer and what came of it. */
typedef struct web_seen_t {
    cfmt_http_answer_t a; /* text copied */
    char body[8192];
    apr_size_t len;
    int done, sink_code;
    int refuse;           /* the sink does */
    int again;            /* so often done starts another */
} web_seen_t;

extern loopback_t web_server;
extern int web_trapped;       /* requests of what only a redirect names; see loopback_count */
extern char web_connect[400]; /* what a client said to the server as its proxy */
extern cfmt_http_t *web_http; /* in web_pool */
extern apr_pool_t *web_pool;

/* The fixture: the server, and a client without conditions. */
void web_setup(void);
void web_teardown(void);
/* Another client instead. */
void web_open(const cfmt_http_conf_t *conf);
int web_requests(void);
int web_connections(void);

const char *web_url(const char *path);
cfmt_http_request_t web_request(web_seen_t *s, const char *url); /* GET */
void web_start(web_seen_t *s, const char *path);
/* Polls until everything ended; that no step takes much longer than told is checked. */
void web_run(int seconds);
/* From start to end. */
void web_fetch(cfmt_http_request_t *rq);
void web_get(web_seen_t *s, const char *path);

#endif
