/*
 * The heartbeat file as the monitor (root) reads it: any bytes, and what a leader writes is read as
 * written.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cfmt_engine.h"
#include "fuzz.h"

static char dir[64], db[80], path[96];

static void remove_files(void)
{
    unlink(path);
    rmdir(dir);
}

/* In memory where that is offered: the file is rewritten for every input. */
static void make_dir(void)
{
    snprintf(dir, sizeof(dir), "%s/cfmt-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    FUZZ_CHECK(mkdtemp(dir) != NULL);
    snprintf(db, sizeof(db), "%s/cfmt.db", dir);
    snprintf(path, sizeof(path), "%s.leader", db);
    atexit(remove_files);
}

static void write_file(const char *data, apr_size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    FUZZ_CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
    close(fd);
}

static apr_status_t read_file(cfmt_heartbeat_t *hb)
{
    apr_status_t rv;

    memset(hb, 0x55, sizeof(*hb));
    rv = cfmt_leader_read(hb, db);
    FUZZ_CHECK(rv == APR_SUCCESS || rv == CFMT_EMISSING);
    FUZZ_CHECK(rv == APR_SUCCESS ? hb->pid > 1 && hb->at > 0 && hb->round >= 0
                                 : !hb->pid && !hb->at);
    return rv;
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    cfmt_heartbeat_t hb, again;
    char line[128];
    int n;

    (void)p;
    if (!dir[0]) {
        make_dir();
    }
    write_file(data, len);
    if (read_file(&hb) != APR_SUCCESS) {
        return;
    }
    n = snprintf(line, sizeof(line), "%d %lld %lld %lld%s", (int)hb.pid, (long long)hb.started_at,
                 (long long)hb.round, (long long)hb.at, hb.ended ? " ended" : "");
    memset(line + n, ' ', sizeof(line) - (size_t)n);
    line[95] = '\n';
    write_file(line, 96);
    FUZZ_CHECK(read_file(&again) == APR_SUCCESS);
    FUZZ_CHECK(again.pid == hb.pid && again.started_at == hb.started_at && again.round == hb.round
               && again.at == hb.at && again.ended == hb.ended);
}
