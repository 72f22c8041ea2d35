/*
 * Templates: the built-in texts, those that CfmtMessage puts in their place, and what may be wrong
 * with them. A template that was taken can be rendered with any values.
 */
#include <string.h>

#include <apr_strings.h>

#include "message.h"

#define TEMPLATE_MAX 3000 /* bytes; Telegram takes 4,096 units with all values in it */

struct cfmt_templates_t {
    const char *text[CFMT_NEWS_COUNT];
};

cfmt_templates_t *cfmt_templates_create(apr_pool_t *p)
{
    cfmt_templates_t *t = apr_palloc(p, sizeof(*t));
    int i;

    for (i = 0; i < CFMT_NEWS_COUNT; i++) {
        t->text[i] = cfmt_text_of((cfmt_news_e)i)->text;
    }
    return t;
}

const char *cfmt_template_text(const cfmt_templates_t *t, cfmt_news_e kind)
{
    return t->text[kind];
}

const char *cfmt_template_fields(cfmt_news_e kind, apr_pool_t *p)
{
    apr_uint64_t mask = cfmt_text_of(kind)->fields;
    const char *names = "";
    int f;

    for (f = 0; f < CFMT_FIELD_MAX; f++) {
        if (mask & (apr_uint64_t)1 << f) {
            names = apr_pstrcat(p, names, *names ? " " : "", cfmt_field_name((cfmt_field_e)f),
                                NULL);
        }
    }
    return names;
}

static const char *all_names(apr_pool_t *p)
{
    const char *names = "";
    int i;

    for (i = 0; i < CFMT_NEWS_COUNT; i++) {
        names = apr_pstrcat(p, names, *names ? " " : "", cfmt_news_name((cfmt_news_e)i), NULL);
    }
    return names;
}

/* ---- what may be wrong ----------------------------------------------------------------------- */

/* s is behind the brace; NULL and *ps behind the closing one, or a sentence. */
static const char *check_field(const char **ps, cfmt_news_e kind, apr_pool_t *p)
{
    apr_size_t len = strcspn(*ps, "{}[]\n");
    int f = cfmt_field_find(*ps, len);

    if ((*ps)[len] != '}') {
        return "'{' without '}'";
    }
    if (f < 0 || !(cfmt_text_of(kind)->fields & (apr_uint64_t)1 << f)) {
        return apr_psprintf(p, "%s has no field {%s}; it has %s", cfmt_news_name(kind),
                            cfmt_text_escape(p, *ps, len, 40), cfmt_template_fields(kind, p));
    }
    *ps += len + 1;
    return NULL;
}

static const char *check_line(const char *s, cfmt_news_e kind, apr_pool_t *p)
{
    const char *why = NULL;
    int open = 0;

    while (!why && *s && *s != '\n') {
        switch (*s++) {
        case '{':
            why = check_field(&s, kind, p);
            break;
        case '}':
            why = "'}' without '{'";
            break;
        case '[':
            why = open ? "'[' within '['" : NULL;
            open = 1;
            break;
        case ']':
            why = open ? NULL : "']' without '['";
            open = 0;
            break;
        default:
            break;
        }
    }
    return why ? why : open ? "'[' without ']'" : NULL;
}

static const char *check_characters(const char *s, apr_size_t len)
{
    apr_size_t at, n;

    for (at = 0; at < len && s[at] != '\n'; at += n) {
        n = cfmt_text_char(s + at, len - at);
        if (!n) {
            return "not UTF-8";
        }
        if (!cfmt_text_printable(s + at, n)) {
            return "a control character or direction mark";
        }
    }
    return NULL;
}

static const char *check_lines(const char *text, cfmt_news_e kind, apr_pool_t *p)
{
    const char *why = NULL, *s;
    int line = 1;

    for (s = text; !why; line++) {
        why = check_characters(s, strlen(s));
        why = why ? why : check_line(s, kind, p);
        why = why ? apr_psprintf(p, "line %d: %s", line, why) : NULL;
        s += strcspn(s, "\n");
        if (!*s++) {
            break;
        }
    }
    return why;
}

/* Without the ends of lines of another system, and without what is blank at the end. */
static char *plain_lines(const char *text, apr_size_t len, apr_pool_t *p)
{
    char *out = apr_palloc(p, len + 1), *to = out;
    apr_size_t i;

    for (i = 0; i < len; i++) {
        if (text[i] == '\r' && i + 1 < len && text[i + 1] == '\n') {
            continue;
        }
        *to++ = text[i] == '\t' ? ' ' : text[i];
    }
    while (to > out && (to[-1] == '\n' || to[-1] == ' ')) {
        to--;
    }
    *to = '\0';
    return out;
}

const char *cfmt_template_set(cfmt_templates_t *t, const char *name, const char *text,
                              apr_size_t len, apr_pool_t *p)
{
    int kind = cfmt_news_find(name);
    const char *why;
    char *own;

    if (kind < 0) {
        return apr_psprintf(p, "no message is called '%s'; there are %s",
                            cfmt_text_escape(p, name, strlen(name), 40), all_names(p));
    }
    if (len > TEMPLATE_MAX) {
        return apr_psprintf(p, "longer than %d bytes", TEMPLATE_MAX);
    }
    if (memchr(text, '\0', len)) {
        return "a NUL in it";
    }
    own = plain_lines(text, len, p);
    if (!own[strspn(own, " ")] || own[strspn(own, " ")] == '\n') {
        return "line 1: empty, and it is the one that says what changed";
    }
    why = check_lines(own, (cfmt_news_e)kind, p);
    t->text[kind] = why ? t->text[kind] : own;
    return why;
}
