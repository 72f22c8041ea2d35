/*
 * Preloaded into the httpd of tests/bench/intake: counts fdatasync and fsync, with the time they
 * take, in a file that the benchmark maps, too. Mapped once before any fork, so all children add to
 * the same counters. For the benchmark only; never installed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* servers.py reads and clears it. */
typedef struct counters_t {
    uint64_t calls, ns, longest_ns;
} counters_t;

static counters_t *counters;
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

static void __attribute__((constructor)) begin(void)
{
    const char *path = getenv("BENCH_SYNCS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p;

    *(void **)&real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    *(void **)&real_fsync = dlsym(RTLD_NEXT, "fsync");
    if (fd < 0) {
        return;
    }
    p = mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    counters = p == MAP_FAILED ? NULL : p;
    close(fd);
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void note(uint64_t ns)
{
    uint64_t longest;

    if (!counters) {
        return;
    }
    __atomic_fetch_add(&counters->calls, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&counters->ns, ns, __ATOMIC_RELAXED);
    longest = __atomic_load_n(&counters->longest_ns, __ATOMIC_RELAXED);
    while (ns > longest
           && !__atomic_compare_exchange_n(&counters->longest_ns, &longest, ns, 0, __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED)) {
    }
}

int fdatasync(int fd)
{
    uint64_t start = now_ns();
    int rc = real_fdatasync(fd);

    note(now_ns() - start);
    return rc;
}

int fsync(int fd)
{
    uint64_t start = now_ns();
    int rc = real_fsync(fd);

    note(now_ns() - start);
    return rc;
}
