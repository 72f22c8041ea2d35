/*
 * Programs of the operator: without a shell, with descriptors 0 to 2 only, in a session of their
 * own, so that a limit ends all of it. Between fork and exec nothing is called that could wait for
 * a lock of another thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cfmt.h"

#define FDS_MAX 65536

static void close_others(void)
{
    int fd;

#ifdef SYS_close_range
    if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0) {
        return;
    }
#endif
    for (fd = 3; fd < FDS_MAX; fd++) {
        close(fd);
    }
}

static void become(char *const argv[], int out)
{
    static char env_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static char *env[] = { env_path, NULL };
    struct sigaction dfl = { .sa_handler = SIG_DFL };
    int null = open("/dev/null", O_RDONLY), sig;
    sigset_t none;

    for (sig = 1; sig < NSIG; sig++) {
        sigaction(sig, &dfl, NULL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || chdir("/") != 0) {
        _exit(126);
    }
    close_others();
    execve(argv[0], argv, env);
    _exit(127);
}

apr_status_t cfmt_spawn(pid_t *ppid, int *pout, const char *path, const char *arg)
{
    char *argv[] = { (char *)path, (char *)arg, NULL };
    int out[2], err;

    if (pipe2(out, O_CLOEXEC) != 0) {
        return errno;
    }
    *ppid = fork();
    if (*ppid == 0) {
        become(argv, out[1]);
    }
    err = errno;
    close(out[1]);
    if (*ppid < 0) {
        close(out[0]);
        return err;
    }
    *pout = out[0];
    return APR_SUCCESS;
}
