/*
 * Channel syslog: one line to the system's log, by a socket of its own. syslog(3) would share its
 * name and facility with httpd, and may wait.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <apr_strings.h>

#include "out.h"

#define LINE_MAX_BYTES 2000

const char *cfmt_syslog_path = "/dev/log";

static int level(cfmt_urgency_e priority)
{
    static const int levels[CFMT_URGENCIES] = {
        [CFMT_URGENCY_CRITICAL] = LOG_CRIT,
        [CFMT_URGENCY_HIGH] = LOG_WARNING,
        [CFMT_URGENCY_NORMAL] = LOG_NOTICE,
        [CFMT_URGENCY_LOW] = LOG_INFO,
    };

    return levels[priority];
}

/* Lines become one. */
static const char *one_line(const char *text, apr_pool_t *p)
{
    char *last, *copy = apr_pstrdup(p, text);
    const char *line = apr_strtok(copy, "\n", &last), *all = line ? line : "";

    while ((line = apr_strtok(NULL, "\n", &last)) != NULL) {
        all = apr_pstrcat(p, all, " | ", line, NULL);
    }
    return cfmt_text_escape(p, all, strlen(all), LINE_MAX_BYTES);
}

/* As syslog(3) writes it: the months are English whatever the locale. */
static const char *stamp(apr_pool_t *p)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t now = time(NULL);
    struct tm tm;

    localtime_r(&now, &tm);
    return apr_psprintf(p, "%s %2d %02d:%02d:%02d", months[tm.tm_mon], tm.tm_mday, tm.tm_hour,
                        tm.tm_min, tm.tm_sec);
}

/* 0, or errno. */
static int put(const char *line)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int err = 0, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return errno;
    }
    apr_cpystrn(to.sun_path, cfmt_syslog_path, sizeof(to.sun_path));
    if (sendto(fd, line, strlen(line), MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof(to))
        < 0) {
        err = errno;
    }
    close(fd);
    return err;
}

void cfmt_syslog_start(cfmt_sending_t *s)
{
    int err = put(apr_psprintf(s->pool, "<%d>%s mod_cfmt[%d]: %s",
                               s->c->facility | level(s->m.priority), stamp(s->pool),
                               (int)getpid(), one_line(s->m.text, s->pool)));

    cfmt_sending_known(s, err ? CFMT_SENT_LATER : CFMT_SENT_YES,
                       !err ? "taken by the system's log"
                       : err == EAGAIN || err == ENOBUFS
                           ? "the system's log is full"
                           : apr_pstrcat(s->pool, cfmt_syslog_path, ": ", strerror(err), NULL));
}
