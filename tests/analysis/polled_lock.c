/*
 * For valgrind: memcheck runs one thread at a time and (3.19) does not know that F_OFD_SETLKW
 * blocks, so that a thread that waits for a lock keeps the one that holds it from running. Linked
 * with --wrap=fcntl, which makes a poll of the wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <time.h>

int __real_fcntl(int fd, int cmd, void *arg);
int __wrap_fcntl(int fd, int cmd, ...);

int __wrap_fcntl(int fd, int cmd, ...)
{
    static const struct timespec nap = {.tv_nsec = 1000000};
    va_list ap;
    void *arg;
    int rv;

    va_start(ap, cmd);
    arg = va_arg(ap, void *); /* an int, too, comes in a register of that size */
    va_end(ap);
    if (cmd != F_OFD_SETLKW) {
        return __real_fcntl(fd, cmd, arg);
    }
    while ((rv = __real_fcntl(fd, F_OFD_SETLK, arg)) != 0 && (errno == EAGAIN || errno == EACCES)) {
        nanosleep(&nap, NULL);
    }
    return rv;
}
