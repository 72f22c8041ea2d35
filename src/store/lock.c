/*
 * The commit lock: an open-file-description lock on <db>.lock. The kernel frees it when its owner
 * dies, it is not dropped when some other descriptor of the file is closed, and each handle opens
 * its own descriptor, so threads of one process exclude each other like processes do.
 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "store_private.h"

#ifndef F_OFD_SETLK
#error "open file description locks (Linux 3.15) are needed"
#endif

/*
 * Nap between tries of a bounded wait: long enough not to spin, short beside a commit (0.5 ms and
 * up).
 */
#define NAP_FIRST apr_time_from_msec(0) + 100
#define NAP_MAX apr_time_from_msec(1)

struct cfmt_lock_t {
    int fd;
    int held;
};

apr_status_t cfmt_lock_open(cfmt_lock_t **pl, const char *path, apr_pool_t *p)
{
    struct stat sb;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0660);

    if (fd >= 0) {
        (void)fchmod(fd, 0660); /* whatever the umask is: others of the group open it, too */
    }
    else if (errno == EEXIST) {
        fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    }
    if (fd < 0) {
        return errno;
    }
    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode) || sb.st_nlink != 1) {
        close(fd);
        return CFMT_ELINK;
    }
    *pl = apr_pcalloc(p, sizeof(**pl));
    (*pl)->fd = fd;
    return APR_SUCCESS;
}

void cfmt_lock_close(cfmt_lock_t *l)
{
    if (l && l->fd >= 0) {
        close(l->fd);
        l->fd = -1;
    }
}

static apr_status_t set_lock(const cfmt_lock_t *l, int cmd, short type)
{
    struct flock fl = { .l_type = type, .l_whence = SEEK_SET };
    int rc;

    do {
        rc = fcntl(l->fd, cmd, &fl);
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) {
        return APR_SUCCESS;
    }
    return errno == EAGAIN || errno == EACCES ? CFMT_EBUSY : errno;
}

/*
 * There is no timed F_OFD_SETLKW. A wait without limit blocks in the kernel (first come, first
 * served); a bounded one naps between tries, which loses against blocked waiters: right for the
 * leader and the CLI, who give way to intake.
 */
static apr_status_t take_bounded(cfmt_lock_t *l, apr_interval_time_t timeout)
{
    apr_time_t deadline = cfmt_monotonic() + timeout;
    apr_interval_time_t nap = NAP_FIRST;
    apr_status_t rv;

    while ((rv = set_lock(l, F_OFD_SETLK, F_WRLCK)) == CFMT_EBUSY && cfmt_monotonic() < deadline) {
        struct timespec ts = { .tv_sec = 0, .tv_nsec = (long)nap * 1000 };
        nanosleep(&ts, NULL);
        nap = nap * 2 < NAP_MAX ? nap * 2 : NAP_MAX;
    }
    return rv;
}

apr_status_t cfmt_lock_take(cfmt_lock_t *l, apr_interval_time_t timeout)
{
    apr_status_t rv;

    if (l->held) {
        return APR_EGENERAL;
    }
    rv = timeout < 0 ? set_lock(l, F_OFD_SETLKW, F_WRLCK) : take_bounded(l, timeout);
    l->held = rv == APR_SUCCESS;
    return rv;
}

void cfmt_lock_release(cfmt_lock_t *l)
{
    if (l && l->held) {
        l->held = 0;
        (void)set_lock(l, F_OFD_SETLK, F_UNLCK);
    }
}

int cfmt_lock_fd(const cfmt_lock_t *l)
{
    return l->fd;
}
