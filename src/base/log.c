/*
 * The log seam: formats one line and hands it to whoever was chosen at start.
 */
#include <stdio.h>

#include "cfmt.h"

#define LINE_MAX_BYTES 1000

/* A cut must not leave half a UTF-8 character behind. */
static void trim_partial(char *line, apr_size_t len)
{
    apr_size_t start = len;

    while (start > 0 && len - start < 3 && ((unsigned char)line[start - 1] & 0xC0) == 0x80) {
        start--;
    }
    if (start > 0 && ((unsigned char)line[start - 1] & 0xC0) == 0xC0
        && !cfmt_text_is_utf8(line + start - 1, len - start + 1)) {
        line[start - 1] = '\0';
    }
}

void cfmt_log(const cfmt_log_t *log, cfmt_level_e level, const char *fmt, ...)
{
    char line[LINE_MAX_BYTES + 1];
    va_list ap;
    int len;

    if (!log || !log->write || level > log->max) {
        return;
    }
    va_start(ap, fmt);
    len = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (len < 0) {
        return;
    }
    if (len > LINE_MAX_BYTES) {
        trim_partial(line, LINE_MAX_BYTES);
    }
    log->write(log->baton, level, line);
}
