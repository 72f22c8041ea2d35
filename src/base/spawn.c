/*
 * Programs of the operator: without a shell, with descriptors 0 to 2 only, in a session of their
 * own, so that a limit ends all of it. Between fork and exec nothing is called that could wait for
 * a lock of another thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cfmt.h"

#define FDS_MAX 65536
#define REAP_LIMIT apr_time_from_sec(1)

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

/*
 * A file in memory and no pipe: nobody has to go on writing while the program reads, and one that
 * does not read costs nothing.
 */
static int open_input(const cfmt_spawn_t *what)
{
    int fd, err;

    if (!what->input) {
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    fd = memfd_create("cfmt-input", MFD_CLOEXEC);
    if (fd >= 0 && (write(fd, what->input, what->len) != (ssize_t)what->len
                    || lseek(fd, 0, SEEK_SET) != 0)) {
        err = errno;
        close(fd);
        errno = err;
        fd = -1;
    }
    return fd;
}

static void become(char *const argv[], int in, int out, int errors)
{
    static char env_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static char *env[] = { env_path, NULL };
    struct sigaction dfl = { .sa_handler = SIG_DFL };
    sigset_t none;
    int sig;

    for (sig = 1; sig < NSIG; sig++) {
        sigaction(sig, &dfl, NULL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || (errors && dup2(out, 2) < 0) || chdir("/") != 0) {
        _exit(126);
    }
    close_others();
    execve(argv[0], argv, env);
    _exit(127);
}

apr_status_t cfmt_spawn(pid_t *ppid, int *pout, const cfmt_spawn_t *what)
{
    char *argv[] = { (char *)what->path, (char *)what->arg, NULL };
    int out[2], err, in = open_input(what);

    if (in < 0 || pipe2(out, O_CLOEXEC) != 0) {
        err = errno;
        if (in >= 0) {
            close(in);
        }
        return err;
    }
    *ppid = fork();
    if (*ppid == 0) {
        become(argv, in, out[1], what->errors);
    }
    err = errno;
    close(in);
    close(out[1]);
    if (*ppid < 0) {
        close(out[0]);
        return err;
    }
    *pout = out[0];
    return APR_SUCCESS;
}

void cfmt_spawn_end(pid_t pid)
{
    apr_time_t end = cfmt_monotonic() + REAP_LIMIT;

    kill(-pid, SIGKILL);
    kill(pid, SIGKILL); /* it may not have its session yet */
    while (waitpid(pid, NULL, WNOHANG) == 0 && cfmt_monotonic() < end) {
        apr_sleep(1000);
    }
}
