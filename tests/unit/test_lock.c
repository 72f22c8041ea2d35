/*
 * The commit lock: between descriptors, between processes, in bounded time, freed by death, never
 * through a link.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store_private.h"
#include "unit.h"

static cfmt_lock_t *open_lock(void)
{
    cfmt_lock_t *l;

    ck_assert_int_eq(cfmt_lock_open(&l, unit_path("db.lock"), unit_pool), APR_SUCCESS);
    return l;
}

START_TEST(excludes_other_descriptors_of_the_process)
{
    cfmt_lock_t *a = open_lock(), *b = open_lock();

    ck_assert_int_eq(cfmt_lock_take(a, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_lock_take(b, 0), CFMT_EBUSY);
    cfmt_lock_release(a);
    ck_assert_int_eq(cfmt_lock_take(b, 0), APR_SUCCESS);
    cfmt_lock_close(b);
    ck_assert_int_eq(cfmt_lock_take(a, 0), APR_SUCCESS);
    cfmt_lock_close(a);
}
END_TEST

START_TEST(bounded_wait_ends_in_time)
{
    cfmt_lock_t *a = open_lock(), *b = open_lock();
    apr_time_t start;

    ck_assert_int_eq(cfmt_lock_take(a, 0), APR_SUCCESS);
    start = cfmt_monotonic();
    ck_assert_int_eq(cfmt_lock_take(b, apr_time_from_msec(100)), CFMT_EBUSY);
    ck_assert_int_ge(cfmt_monotonic() - start, apr_time_from_msec(100));
    ck_assert_int_le(cfmt_monotonic() - start, apr_time_from_msec(1000));
    cfmt_lock_close(a);
    cfmt_lock_close(b);
}
END_TEST

START_TEST(freed_by_the_death_of_its_holder)
{
    cfmt_lock_t *l = open_lock();
    int ready[2];
    char c;
    pid_t pid;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        cfmt_lock_t *mine = open_lock();

        cfmt_lock_take(mine, -1);
        (void)!write(ready[1], "x", 1);
        pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_int_eq(cfmt_lock_take(l, 0), CFMT_EBUSY);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(cfmt_lock_take(l, 0), APR_SUCCESS);
    cfmt_lock_close(l);
}
END_TEST

START_TEST(mode_whatever_the_umask)
{
    struct stat sb;
    mode_t old = umask(0077);

    cfmt_lock_close(open_lock());
    umask(old);
    ck_assert_int_eq(stat(unit_path("db.lock"), &sb), 0);
    ck_assert_int_eq(sb.st_mode & 07777, 0660);
}
END_TEST

START_TEST(links_are_refused)
{
    cfmt_lock_t *l;
    int fd = open(unit_path("target"), O_CREAT | O_WRONLY, 0600);

    close(fd);
    ck_assert_int_eq(symlink(unit_path("target"), unit_path("sym")), 0);
    ck_assert_int_eq(link(unit_path("target"), unit_path("hard")), 0);
    ck_assert_int_ne(cfmt_lock_open(&l, unit_path("sym"), unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_lock_open(&l, unit_path("hard"), unit_pool), CFMT_ELINK);
}
END_TEST

UNIT_SUITE_BEGIN(lock)
UNIT_TEST(excludes_other_descriptors_of_the_process)
UNIT_TEST(bounded_wait_ends_in_time)
UNIT_TEST(freed_by_the_death_of_its_holder)
UNIT_TEST(mode_whatever_the_umask)
UNIT_TEST(links_are_refused)
UNIT_SUITE_END
