/*
 * An HTTP server on the loopback: it reads requests, a thread for each connection.
 */
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loopback.h"
#include "unit.h"

#define REQUEST_MAX 65536

typedef struct talk_t {
    loopback_t *s;
    int fd, place; /* in open */
    char text[REQUEST_MAX];
} talk_t;

/* ---- answers --------------------------------------------------------------------------------- */

int loopback_put(int fd, const char *text)
{
    apr_size_t len = strlen(text);
    ssize_t n = 1;

    while (len > 0 && (n = send(fd, text, len, MSG_NOSIGNAL)) > 0) {
        text += n;
        len -= (apr_size_t)n;
    }
    return n > 0;
}

void loopback_finish(int fd)
{
    char rest[4096];

    shutdown(fd, SHUT_WR);
    while (read(fd, rest, sizeof(rest)) > 0) {
    }
}

int loopback_hang(const loopback_t *s, int ms)
{
    struct pollfd fd = { .fd = s->end[0], .events = POLLIN };

    return poll(&fd, 1, ms) > 0;
}

/* ---- connections ----------------------------------------------------------------------------- */

/* A head and the body behind it. 0: the connection is over. */
static int read_request(int fd, char *text, apr_size_t size)
{
    apr_size_t used = 0, want = 0;
    const char *end, *length;
    ssize_t n;

    while (want == 0 || used < want) {
        n = recv(fd, text + used, size - 1 - used, 0);
        if (n <= 0) {
            return 0;
        }
        used += (apr_size_t)n;
        text[used] = '\0';
        end = strstr(text, "\r\n\r\n");
        length = strcasestr(text, "\r\nContent-Length:");
        if (end) {
            want = (apr_size_t)(end + 4 - text) + (length ? strtoul(length + 17, NULL, 10) : 0);
        }
    }
    return 1;
}

static void *talk_main(void *baton)
{
    talk_t *t = baton;
    loopback_t *s = t->s;
    int more = 1;

    while (more && read_request(t->fd, t->text, sizeof(t->text))) {
        __atomic_add_fetch(&s->requests, 1, __ATOMIC_RELAXED);
        more = s->answer(s, t->fd, t->text);
    }
    pthread_mutex_lock(&s->lock);
    close(t->fd); /* under the lock: loopback_stop must not cut whoever has the number next */
    s->open[t->place] = 0;
    s->nopen--;
    free(t);
    pthread_cond_signal(&s->gone);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* When all places are taken the connection is cut: a test that needs more fails. */
static void begin_talk(loopback_t *s, int fd)
{
    talk_t *t = calloc(1, sizeof(*t));
    pthread_t thread;

    pthread_mutex_lock(&s->lock);
    t->s = s;
    t->fd = fd;
    while (t->place < LOOPBACK_OPEN && s->open[t->place]) {
        t->place++;
    }
    if (t->place == LOOPBACK_OPEN || cfmt_thread_start(&thread, "talk", talk_main, t) != 0) {
        close(fd);
        free(t);
    }
    else {
        pthread_detach(thread);
        s->open[t->place] = fd;
        s->nopen++;
    }
    pthread_mutex_unlock(&s->lock);
}

static void *accept_main(void *baton)
{
    loopback_t *s = baton;
    struct pollfd fds[2] = { { .fd = s->fd, .events = POLLIN },
                             { .fd = s->end[0], .events = POLLIN } };
    int fd;

    while (poll(fds, 2, -1) >= 0 && !fds[1].revents) {
        fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            __atomic_add_fetch(&s->connections, 1, __ATOMIC_RELAXED);
            begin_talk(s, fd);
        }
    }
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

int loopback_listen(int *pport)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(listen(fd, 64), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *pport = ntohs(at.sin_port);
    return fd;
}

void loopback_start(loopback_t *s, loopback_answer_fn *answer)
{
    memset(s, 0, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->gone, NULL);
    s->answer = answer;
    s->fd = loopback_listen(&s->port);
    ck_assert_int_eq(pipe(s->end), 0);
    ck_assert_int_eq(cfmt_thread_start(&s->thread, "accept", accept_main, s), 0);
}

void loopback_stop(loopback_t *s)
{
    int i;

    close(s->end[1]);
    pthread_join(s->thread, NULL);
    close(s->fd);
    pthread_mutex_lock(&s->lock);
    for (i = 0; i < LOOPBACK_OPEN; i++) {
        if (s->open[i]) {
            shutdown(s->open[i], SHUT_RDWR);
        }
    }
    while (s->nopen > 0) {
        pthread_cond_wait(&s->gone, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    close(s->end[0]);
}

int loopback_count(const int *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}
