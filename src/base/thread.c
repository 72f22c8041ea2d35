/*
 * Threads of ours inside a process that belongs to somebody else.
 */
#include <signal.h>

#include "cfmt.h"

apr_status_t cfmt_thread_start(pthread_t *pt, const char *name, void *(*start)(void *), void *baton)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* inherited by the new thread: no window */
    rc = pthread_create(pt, NULL, start, baton);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0) {
        (void)pthread_setname_np(*pt, name);
    }
    return rc;
}
