/*
 * Complaints on stderr, the end of stdout, colours, and values as text. No byte from outside
 * reaches a terminal unescaped.
 */
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cfmtctl.h"

#define TEXT_MAX 4096

/* ---- stderr ---------------------------------------------------------------------------------- */

void ctl_complain(const char *id, const char *fmt, ...)
{
    va_list ap;

    fflush(stdout);
    fputs("cfmtctl: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, " (%.*s)\n", (int)strcspn(id, ":"), id);
}

/* ---- stdout ---------------------------------------------------------------------------------- */

int ctl_out_ok(void)
{
    return !ferror(stdout);
}

/* errno of the write that failed may be long gone, so the descriptor is asked. */
static int reader_gone(void)
{
    struct pollfd out = { .fd = STDOUT_FILENO, .events = 0 };

    return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP));
}

int ctl_out_end(int code)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || reader_gone()) {
        return code;
    }
    ctl_complain(CFMT_ID(0714), "cannot write to standard output: closed, or its disk is full");
    return CTL_FAILED;
}

static int wants_colour(void)
{
    static int wants = -1;
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    if (wants < 0) {
        wants = isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb");
    }
    return wants;
}

const char *ctl_ansi(const char *sequence)
{
    return wants_colour() ? sequence : "";
}

/* ---- values as text -------------------------------------------------------------------------- */

const char *ctl_text(apr_pool_t *p, const char *s)
{
    return s && *s ? cfmt_text_escape(p, s, strlen(s), TEXT_MAX) : "-";
}

const char *ctl_flag(int v)
{
    return v < 0 ? "-" : v ? "yes" : "no";
}

const char *ctl_duration(apr_pool_t *p, apr_interval_time_t d)
{
    return cfmt_duration_format(p, d < APR_USEC_PER_SEC ? d : d - d % APR_USEC_PER_SEC);
}

const char *ctl_time(apr_pool_t *p, apr_time_t t)
{
    return t ? cfmt_time_format(p, t - t % APR_USEC_PER_SEC) : "-";
}
