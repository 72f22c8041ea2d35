/*
 * An HTTP server on the loopback, in threads of the test's process: what it answers is the test's.
 */
#ifndef CFMT_LOOPBACK_H
#define CFMT_LOOPBACK_H

#include <pthread.h>

#define LOOPBACK_OPEN 64 /* connections at a time */

typedef struct loopback_t loopback_t;

/*
 * Answers one request, whose head and body are text, on fd; in the connection's own thread, where
 * no check may fail. 0: the connection is over.
 */
typedef int loopback_answer_fn(loopback_t *s, int fd, const char *text);

struct loopback_t {
    int port;
    int connections, requests; /* so far; see loopback_count */
    loopback_answer_fn *answer;
    int fd;
    int end[2];                /* closed when the server stops: who waits for that polls it */
    pthread_t thread;
    pthread_mutex_t lock;      /* of what follows */
    pthread_cond_t gone;
    int open[LOOPBACK_OPEN];   /* a connection each, 0 = none */
    int nopen;
};

void loopback_start(loopback_t *s, loopback_answer_fn *answer);
/* Cuts what is open and waits until every thread is gone. */
void loopback_stop(loopback_t *s);

/* For an answer: all of it, unless the other side is gone (0). */
int loopback_put(int fd, const char *text);
/* Nothing comes any more. Waits until the client has read all: closing earlier would reset it. */
void loopback_finish(int fd);
/* Waits until the server stops (true), or ms; -1 = any time. */
int loopback_hang(const loopback_t *s, int ms);

/* For a test: connections or requests. */
int loopback_count(const int *counter);
/* A socket that listens on a port of the loopback, for a server that is none. */
int loopback_listen(int *pport);

#endif
