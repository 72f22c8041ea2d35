/*
 * --follow's wait: half a second, or until the user stops it, or until nobody reads stdout.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cfmtctl.h"

#define NAP_MS 500

static volatile sig_atomic_t ended;
static sigset_t before;

static void end(int signo)
{
    (void)signo;
    ended = 1;
}

void ctl_follow_begin(void)
{
    static const int ends[] = { SIGINT, SIGTERM };
    struct sigaction sa;
    sigset_t set;
    size_t i;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = end;
    sigemptyset(&sa.sa_mask);
    sigemptyset(&set);
    for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        sigaddset(&set, ends[i]);
        sigaction(ends[i], &sa, NULL);
    }
    /*
     * They are let in during the wait only: none is lost between a look at the flag and the
     * sleep.
     */
    sigprocmask(SIG_BLOCK, &set, &before);
}

int ctl_follow_ended(void)
{
    sigset_t waiting;

    sigpending(&waiting);
    return ended || sigismember(&waiting, SIGINT) == 1 || sigismember(&waiting, SIGTERM) == 1;
}

int ctl_follow_wait(void)
{
    static const struct timespec nap = { .tv_sec = 0, .tv_nsec = NAP_MS * 1000000L };
    struct pollfd out = { .fd = STDOUT_FILENO, .events = 0 };
    int n;

    if (!ctl_out_ok()) {
        return 0;
    }
    n = ppoll(&out, 1, &nap, &before);
    if (n < 0 && errno != EINTR) {
        return 0;
    }
    return !ended && !(n > 0 && (out.revents & (POLLERR | POLLHUP | POLLNVAL)));
}
