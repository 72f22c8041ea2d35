/*
 * Who leads: an OFD lock on <db>.leader, free at once when its holder dies, the same for old and
 * new generations. Into that file the leader writes its heartbeat, which the monitor (root) and
 * cfmtctl read.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmt_engine.h"

#define BEAT_SIZE 96 /* one fixed-size line: a reader never sees half of an older, longer one */

#define ENDED "ended" /* behind the figures of whoever gave the lead up */

struct cfmt_leader_t {
    int fd;
    const char *path;
    apr_time_t started_at;
    cfmt_heartbeat_t mine, before; /* the last beat; what was there when we came */
    int heir;                      /* `before` is told of */
};

/* ---- file ------------------------------------------------------------------------------------ */

static int plain(int fd)
{
    struct stat sb;

    return fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) && sb.st_nlink == 1;
}

/* The one function that opens the file for writing. */
static apr_status_t open_file(int *pfd, const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0660);

    if (fd >= 0) {
        (void)fchmod(fd, 0660);
    }
    else if (errno == EEXIST) {
        fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    }
    if (fd < 0) {
        return cfmt_status_of_errno(errno);
    }
    if (!plain(fd)) {
        close(fd);
        return CFMT_ELINK;
    }
    *pfd = fd;
    return APR_SUCCESS;
}

static const char *path_of(const char *db, apr_pool_t *p)
{
    return apr_pstrcat(p, db, ".leader", NULL);
}

/* Still the file of that name? Otherwise a second leader could hold a lock of its own. */
static int in_place(const cfmt_leader_t *l)
{
    struct stat mine, there;

    return fstat(l->fd, &mine) == 0 && lstat(l->path, &there) == 0 && mine.st_dev == there.st_dev
           && mine.st_ino == there.st_ino;
}

/* ---- read ------------------------------------------------------------------------------------ */

#define BEAT_FIELDS 4
#define BEAT_TIME_MAX (apr_time_from_sec(APR_INT64_C(253402300799))) /* the end of the year 9999 */

/* Root reads what others can write: four numbers that are times and counts, or nothing. */
static apr_status_t parse_beat(cfmt_heartbeat_t *hb, char *line)
{
    static const apr_int64_t least[BEAT_FIELDS] = {2, 0, 0, 1};
    static const apr_int64_t most[BEAT_FIELDS] = {INT_MAX, BEAT_TIME_MAX, APR_INT64_MAX,
                                                  BEAT_TIME_MAX};
    apr_int64_t n[BEAT_FIELDS];
    char *rest = NULL, *word = strtok_r(line, " \n", &rest);
    int i;

    for (i = 0; i < BEAT_FIELDS; i++, word = strtok_r(NULL, " \n", &rest)) {
        if (cfmt_int_parse(&n[i], word, least[i], most[i]) != APR_SUCCESS) {
            return CFMT_EMISSING;
        }
    }
    hb->ended = word && !strcmp(word, ENDED);
    if (word && (!hb->ended || strtok_r(NULL, " \n", &rest))) {
        return CFMT_EMISSING;
    }
    hb->pid = (pid_t)n[0];
    hb->started_at = n[1];
    hb->round = n[2];
    hb->at = n[3];
    return APR_SUCCESS;
}

/* Nothing in *hb unless it succeeds. */
static apr_status_t read_beat(cfmt_heartbeat_t *hb, int fd)
{
    char line[BEAT_SIZE + 1];
    cfmt_heartbeat_t found;
    ssize_t len = pread(fd, line, BEAT_SIZE, 0);

    memset(hb, 0, sizeof(*hb));
    if (len <= 0) {
        return CFMT_EMISSING;
    }
    line[len] = '\0';
    if (parse_beat(&found, line) != APR_SUCCESS) {
        return CFMT_EMISSING;
    }
    *hb = found;
    return APR_SUCCESS;
}

/* ---- lead ------------------------------------------------------------------------------------ */

apr_status_t cfmt_leader_take(cfmt_leader_t **pl, const char *db, apr_time_t now, apr_pool_t *p)
{
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    cfmt_leader_t *l = apr_pcalloc(p, sizeof(*l));
    apr_status_t rv;

    *pl = NULL;
    l->path = path_of(db, p);
    l->started_at = now;
    rv = open_file(&l->fd, l->path);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (fcntl(l->fd, F_OFD_SETLK, &fl) != 0) {
        rv = errno == EAGAIN || errno == EACCES ? APR_EBUSY : CFMT_EIO;
    }
    else if (!in_place(l)) { /* replaced between open and lock */
        rv = CFMT_EREPLACED;
    }
    if (rv != APR_SUCCESS) {
        close(l->fd);
        return rv;
    }
    (void)read_beat(&l->before, l->fd);
    rv = cfmt_leader_beat(l, 0, now); /* whoever cannot write the heartbeat must not lead unseen */
    if (rv != APR_SUCCESS) {
        cfmt_leader_release(l);
        return rv;
    }
    *pl = l;
    return APR_SUCCESS;
}

static apr_status_t write_beat(const cfmt_leader_t *l, const cfmt_heartbeat_t *hb)
{
    char line[BEAT_SIZE + 1];
    int len = apr_snprintf(line, sizeof(line),
                           "%d %" APR_TIME_T_FMT " %" APR_INT64_T_FMT " %" APR_TIME_T_FMT "%s",
                           (int)hb->pid, hb->started_at, hb->round, hb->at,
                           hb->ended ? " " ENDED : "");

    memset(line + len, ' ', (size_t)(BEAT_SIZE - len));
    line[BEAT_SIZE - 1] = '\n';
    return pwrite(l->fd, line, BEAT_SIZE, 0) == BEAT_SIZE ? APR_SUCCESS
                                                          : cfmt_status_of_errno(errno);
}

apr_status_t cfmt_leader_beat(cfmt_leader_t *l, apr_int64_t round, apr_time_t now)
{
    if (!in_place(l)) {
        return CFMT_EREPLACED;
    }
    l->mine = (cfmt_heartbeat_t){ .pid = getpid(), .started_at = l->started_at, .round = round,
                                  .at = now };
    return write_beat(l, &l->mine);
}

const cfmt_heartbeat_t *cfmt_leader_inherit(cfmt_leader_t *l)
{
    l->heir = 1;
    return &l->before;
}

void cfmt_leader_release(cfmt_leader_t *l)
{
    int dead = l && l->before.pid && !l->before.ended && !l->heir;

    if (l && l->fd >= 0) {
        l->mine.ended = 1;
        if (l->mine.pid && in_place(l)) {
            (void)write_beat(l, dead ? &l->before : &l->mine);
        }
        close(l->fd); /* the lock goes with its only descriptor */
        l->fd = -1;
    }
}

/* ---- for others ------------------------------------------------------------------------------ */

apr_status_t cfmt_leader_read(cfmt_heartbeat_t *hb, const char *db)
{
    apr_status_t rv = CFMT_EMISSING;
    char path[PATH_MAX];
    int fd;

    memset(hb, 0, sizeof(*hb));
    apr_snprintf(path, sizeof(path), "%s.leader", db);
    fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return cfmt_status_of_errno(errno);
    }
    if (plain(fd)) {
        rv = read_beat(hb, fd);
    }
    close(fd);
    return rv;
}
