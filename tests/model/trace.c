/*
 * What happened, for people: the last lines are kept, and shown where something is wrong.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <apr_strings.h>

#include "model.h"

#define LINES 400
#define LINE 300

static char (*lines)[LINE];
static unsigned count;

void trace_begin(void)
{
    if (!lines) {
        lines = calloc(LINES, LINE);
    }
    count = 0;
}

void trace(const char *fmt, ...)
{
    char *line = lines[count++ % LINES];
    apr_time_exp_t t;
    va_list ap;
    int n;

    apr_time_exp_gmt(&t, m.now);
    n = apr_snprintf(line, LINE, "%02d-%02d %02d:%02d:%02d.%03d ", t.tm_mon + 1, t.tm_mday,
                     t.tm_hour, t.tm_min, t.tm_sec, t.tm_usec / 1000);
    va_start(ap, fmt);
    apr_vsnprintf(line + n, (apr_size_t)(LINE - n), fmt, ap);
    va_end(ap);
    if (m.verbose) {
        printf("%s\n", line);
    }
}

void trace_show(void)
{
    unsigned i = count > LINES ? count - LINES : 0;

    for (; i < count; i++) {
        printf("  %s\n", lines[i % LINES]);
    }
}

void model_fail(int number, const char *fmt, ...)
{
    char text[1100];
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    trace("VIOLATION (%d): %s", number, text);
    if (!*m.failure) {
        apr_snprintf(m.failure, sizeof(m.failure), "(%d) %s", number, text);
        m.failed_at = m.now;
    }
}
