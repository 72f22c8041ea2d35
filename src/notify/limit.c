/*
 * Telegram's limit: 4,096 UTF-16 units. Tags and escapes are counted, too, so that nobody's way of
 * counting finds more; what is cut ends in three dots, never in half a character, entity or tag.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_notify.h"

#define UNITS_MAX 4096
#define CUT "\xE2\x80\xA6"
#define BAD "\xEF\xBF\xBD"
#define BOLD "<b>"
#define PLAIN "</b>"
#define TAGS (3 + 4) /* units */

/* How a character is written. */
typedef struct glyph_t {
    const char *text;
    apr_size_t len, taken;
    int units;
} glyph_t;

static glyph_t glyph_of(const char *s, apr_size_t len, int html)
{
    apr_size_t n = cfmt_text_char(s, len);
    glyph_t g = { .text = s, .len = n, .taken = n ? n : 1, .units = n == 4 ? 2 : 1 };

    if (!n || (*s != '\n' && !cfmt_text_printable(s, n))) {
        g.text = BAD;
        g.len = sizeof(BAD) - 1;
        g.units = 1;
    }
    else if (html && (*s == '<' || *s == '>' || *s == '&')) {
        g.text = *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : "&amp;";
        g.len = strlen(g.text);
        g.units = (int)g.len;
    }
    return g;
}

static int fits(const char *text, int html)
{
    apr_size_t len = strlen(text), at;
    int units = html ? TAGS : 0;
    glyph_t g;

    for (at = 0; at < len && units <= UNITS_MAX; at += g.taken) {
        g = glyph_of(text + at, len - at, html);
        units += g.units;
    }
    return units <= UNITS_MAX;
}

static char *add(char *to, const char *s, apr_size_t len)
{
    memcpy(to, s, len);
    return to + len;
}

/* As much of text as there is room for; no glyph takes more than five bytes for one of text. */
static const char *write_out(const char *text, int html, apr_pool_t *p)
{
    apr_size_t len = strlen(text), at;
    char *out = apr_palloc(p, 5 * len + sizeof(BOLD) + sizeof(PLAIN) + sizeof(CUT)), *to = out;
    int max = fits(text, html) ? UNITS_MAX : UNITS_MAX - 1; /* of CUT */
    int units = html ? TAGS : 0, bold = html;
    glyph_t g;

    to = html ? add(to, BOLD, sizeof(BOLD) - 1) : to;
    for (at = 0; at < len; at += g.taken, units += g.units) {
        g = glyph_of(text + at, len - at, html);
        if (units + g.units > max) {
            to = add(to, CUT, sizeof(CUT) - 1);
            break;
        }
        if (bold && text[at] == '\n') {
            bold = 0;
            to = add(to, PLAIN, sizeof(PLAIN) - 1);
        }
        to = add(to, g.text, g.len);
    }
    to = bold ? add(to, PLAIN, sizeof(PLAIN) - 1) : to;
    *to = '\0';
    return out;
}

const char *cfmt_message_html(const char *text, apr_pool_t *p)
{
    return write_out(text, 1, p);
}

const char *cfmt_message_plain(const char *text, apr_pool_t *p)
{
    return write_out(text, 0, p);
}
