/*
 * From a news to its text: the template with its values, without the lines and parts for which
 * there are none.
 */
#include <string.h>

#include <apr_strings.h>

#include "message.h"

#define MISSING "?"

/* The text that grows. */
static void put(apr_array_header_t *out, const char *s, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < len; i++) {
        APR_ARRAY_PUSH(out, char) = s[i];
    }
}

/* A blank behind another one, or at the start of a line, is what a missing part has left. */
static void put_char(apr_array_header_t *out, char c)
{
    char last = out->nelts ? APR_ARRAY_IDX(out, out->nelts - 1, char) : '\n';

    if (c != ' ' || (last != ' ' && last != '\n')) {
        APR_ARRAY_PUSH(out, char) = c;
    }
}

static const char *value_of(const cfmt_values_t *v, const char *name, apr_size_t len)
{
    int f = cfmt_field_find(name, len);

    return f >= 0 ? v->text[f] : NULL;
}

/* Names fields in [s, end), and none of them has a value. */
static int is_left_out(const char *s, const char *end, const cfmt_values_t *v)
{
    int named = 0, close;

    for (; s < end; s++) {
        if (*s == '{') {
            close = (int)strcspn(s, "}");
            if (value_of(v, s + 1, (apr_size_t)close - 1)) {
                return 0;
            }
            named = 1;
            s += close;
        }
    }
    return named;
}

static void put_part(apr_array_header_t *out, const char *s, const char *end,
                     const cfmt_values_t *v)
{
    const char *close, *value;

    while (s < end) {
        if (*s != '{') {
            put_char(out, *s++);
            continue;
        }
        close = s + strcspn(s, "}");
        value = value_of(v, s + 1, (apr_size_t)(close - s) - 1);
        value = value ? value : MISSING;
        put(out, value, strlen(value));
        s = close + 1;
    }
}

/* "[ in brackets]": as it is, brackets and all, where it names no field. */
static void put_group(apr_array_header_t *out, const char *s, const char *end,
                      const cfmt_values_t *v)
{
    if (!memchr(s, '{', (apr_size_t)(end - s))) {
        put(out, s - 1, (apr_size_t)(end - s) + 2);
    }
    else if (!is_left_out(s, end, v)) {
        put_part(out, s, end, v);
    }
}

static void put_line(apr_array_header_t *out, const char *s, const char *end,
                     const cfmt_values_t *v)
{
    const char *part;

    while (s < end) {
        part = s + strcspn(s, "[\n");
        part = part < end ? part : end;
        put_part(out, s, part, v);
        s = part;
        if (s < end) {
            part = s + strcspn(s, "]");
            put_group(out, s + 1, part, v);
            s = part + 1;
        }
    }
}

static void trim(apr_array_header_t *out)
{
    while (out->nelts && APR_ARRAY_IDX(out, out->nelts - 1, char) == ' ') {
        apr_array_pop(out);
    }
}

const char *cfmt_message_render(const char *text, const char *name, const cfmt_values_t *v,
                                apr_pool_t *p)
{
    apr_array_header_t *out = apr_array_make(p, 512, 1);
    const char *s = text, *end;

    for (;;) {
        end = s + strcspn(s, "\n");
        if (s == text || !is_left_out(s, end, v)) {
            put_line(out, s, end, v);
            trim(out);
            if (!out->nelts) { /* all of the first line was in brackets */
                put(out, name, strlen(name));
            }
            put(out, "\n", 1);
        }
        if (!*end) {
            break;
        }
        s = end + 1;
    }
    APR_ARRAY_IDX(out, out->nelts - 1, char) = '\0';
    return out->elts;
}

const char *cfmt_message_text(const cfmt_templates_t *t, const cfmt_news_t *n, apr_pool_t *p)
{
    cfmt_values_t v;

    cfmt_values_read(&v, n, p);
    return cfmt_message_render(cfmt_template_text(t, n->kind), cfmt_news_name(n->kind), &v, p);
}
