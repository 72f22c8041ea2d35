/*
 * The fields of a news, as people read them: rates with units, times in UTC, durations. Values come
 * from outside as often as not: what is no printable character does not get through, and none may
 * fill the message alone.
 */
#include <string.h>

#include <apr_strings.h>

#include "message.h"

#define VALUE_MAX 240 /* bytes */
#define CUT "\xE2\x80\xA6"
#define BAD "\xEF\xBF\xBD" /* stands for what cannot be shown */

typedef enum { TEXT, PPS, BPS, MADE, TIME, SPAN, PERCENT, MODE, ORDINAL, DAYS } format_e;

static const struct {
    const char *name;
    format_e format;
} fields[] = {
#define X(id, text, how) [CFMT_FIELD_##id] = { .name = text, .format = how },
    CFMT_FIELDS(X)
#undef X
};

const char *cfmt_field_name(cfmt_field_e f)
{
    return fields[f].name;
}

int cfmt_field_find(const char *name, apr_size_t len)
{
    int f = 0;

    while (f < CFMT_FIELD_MAX
           && (strlen(fields[f].name) != len || memcmp(fields[f].name, name, len))) {
        f++;
    }
    return f < CFMT_FIELD_MAX ? f : -1;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* What the character at s becomes, *pn bytes; *ptaken bytes were read. */
static const char *shown(const char *s, apr_size_t len, apr_size_t *pn, apr_size_t *ptaken)
{
    apr_size_t n = cfmt_text_char(s, len);

    *ptaken = n ? n : 1;
    if (n && cfmt_text_printable(s, n)) {
        *pn = n;
        return s;
    }
    *pn = *s == '\n' || *s == '\t' || *s == '\r' ? 1 : sizeof(BAD) - 1;
    return *pn == 1 ? " " : BAD;
}

/* One line, of at most VALUE_MAX bytes; NULL when nothing is left. */
static const char *clean(apr_pool_t *p, const char *s, apr_size_t len)
{
    char *out = apr_palloc(p, VALUE_MAX + sizeof(CUT));
    apr_size_t used = 0, keep = 0, n, taken, at;
    const char *c;

    for (at = 0; at < len; at += taken) {
        c = shown(s + at, len - at, &n, &taken);
        if (used + n > VALUE_MAX) {
            memcpy(out + keep, CUT, sizeof(CUT));
            return out;
        }
        memcpy(out + used, c, n);
        used += n;
        keep = used + sizeof(CUT) - 1 <= VALUE_MAX ? used : keep;
    }
    out[used] = '\0';
    return out[strspn(out, " ")] ? out : NULL;
}

/* ---- numbers and times ----------------------------------------------------------------------- */

const char *cfmt_field_time(apr_pool_t *p, apr_time_t t)
{
    apr_time_exp_t x;

    apr_time_exp_gmt(&x, t);
    return apr_psprintf(p, "%04d-%02d-%02d %02d:%02d:%02d UTC", x.tm_year + 1900, x.tm_mon + 1,
                        x.tm_mday, x.tm_hour, x.tm_min, x.tm_sec);
}

const char *cfmt_field_rate(apr_pool_t *p, double pps, double bps)
{
    const char *packets = pps >= 0 ? cfmt_rate_format(p, pps, "pps") : NULL;
    const char *bits = bps >= 0 ? cfmt_rate_format(p, bps, "bit/s") : NULL;

    return packets && bits ? apr_pstrcat(p, packets, ", ", bits, NULL) : packets ? packets : bits;
}

/* < 0: no number. */
static double number_of(const char *s)
{
    double v;

    return cfmt_rate_parse(&v, s) == APR_SUCCESS ? v : -1;
}

static const char *show_rate(apr_pool_t *p, const char *s, const char *unit)
{
    double v = number_of(s);

    return v >= 0 ? cfmt_rate_format(p, v, unit) : NULL;
}

static const char *show_time(apr_pool_t *p, const char *s)
{
    const apr_int64_t last = apr_time_from_sec(APR_INT64_C(253402300799)); /* of the year 9999 */
    apr_int64_t t;

    return cfmt_int_parse(&t, s, 1, last) == APR_SUCCESS ? cfmt_field_time(p, t) : NULL;
}

static const char *show_span(apr_pool_t *p, const char *s)
{
    apr_int64_t secs;

    return cfmt_int_parse(&secs, s, 0, APR_INT64_C(3153600000)) == APR_SUCCESS
               ? cfmt_duration_format(p, apr_time_from_sec(secs)) : NULL;
}

/* "1st" "2nd" "13th" */
static const char *show_ordinal(apr_pool_t *p, const char *s)
{
    static const char *const ends[] = { "th", "st", "nd", "rd" };
    apr_int64_t n;
    int teen;

    if (cfmt_int_parse(&n, s, 1, 1000000) != APR_SUCCESS) {
        return NULL;
    }
    teen = n / 10 % 10 == 1;
    return apr_psprintf(p, "%" APR_INT64_T_FMT "%s", n, teen || n % 10 > 3 ? "th" : ends[n % 10]);
}

static const char *show_days(apr_pool_t *p, const char *s)
{
    apr_int64_t n;

    return cfmt_int_parse(&n, s, 0, 36500) == APR_SUCCESS
               ? apr_psprintf(p, "%" APR_INT64_T_FMT " day%s", n, n == 1 ? "" : "s") : NULL;
}

/* "observe, DEMO": what it means, then the rest. */
static const char *show_mode(apr_pool_t *p, const char *s)
{
    static const char word[] = "observe";
    apr_size_t len = sizeof(word) - 1;

    return strncmp(s, word, len)
               ? s
               : apr_pstrcat(p, word, " (nothing is advertised or withdrawn by itself)", s + len,
                             NULL);
}

/* A number or time that is none is missing; s is clean. */
static const char *show(apr_pool_t *p, const char *s, format_e format)
{
    switch (format) {
    case PPS:
        return show_rate(p, s, "pps");
    case BPS:
        return show_rate(p, s, "bit/s");
    case TIME:
        return show_time(p, s);
    case SPAN:
        return show_span(p, s);
    case PERCENT:
        return number_of(s) >= 0 ? apr_psprintf(p, "%.0f %%", number_of(s)) : NULL;
    case MODE:
        return show_mode(p, s);
    case ORDINAL:
        return show_ordinal(p, s);
    case DAYS:
        return show_days(p, s);
    case MADE:
        return NULL;
    case TEXT:
        break;
    }
    return s;
}

/* ---- a news ---------------------------------------------------------------------------------- */

typedef const char *raw_t[CFMT_FIELD_MAX];

/* What the news says, cleaned. A name that is no field is a newer program's. */
static void read_raw(raw_t raw, const cfmt_news_t *n, apr_pool_t *p)
{
    const cfmt_json_limits_t limits = { .depth = 4 };
    const char *why;
    cfmt_json_t *doc, *m;
    int f;

    if (!n->fields || cfmt_json_parse(&doc, &why, n->fields, strlen(n->fields), &limits, p)
                          != APR_SUCCESS || doc->type != CFMT_JSON_OBJECT) {
        return;
    }
    for (m = doc->child; m; m = m->next) {
        f = m->type == CFMT_JSON_STRING || m->type == CFMT_JSON_NUMBER
                ? cfmt_field_find(m->key, m->key_len) : -1;
        if (f >= 0) {
            raw[f] = clean(p, m->text, m->len);
        }
    }
}

static const char *clean_text(apr_pool_t *p, const char *s)
{
    return s ? clean(p, s, strlen(s)) : NULL;
}

static double raw_number(raw_t raw, cfmt_field_e f)
{
    return raw[f] ? number_of(raw[f]) : -1;
}

void cfmt_values_read(cfmt_values_t *v, const cfmt_news_t *n, apr_pool_t *p)
{
    raw_t raw = { NULL };
    int f;

    raw[CFMT_FIELD_PREFIX] = clean_text(p, n->prefix);
    raw[CFMT_FIELD_ATTACK] = clean_text(p, n->attack);
    raw[CFMT_FIELD_AT] = apr_psprintf(p, "%" APR_TIME_T_FMT, n->at);
    read_raw(raw, n, p);
    for (f = 0; f < CFMT_FIELD_MAX; f++) {
        v->text[f] = raw[f] ? show(p, raw[f], fields[f].format) : NULL;
    }
    v->pps = raw_number(raw, CFMT_FIELD_PPS);
    v->bps = raw_number(raw, CFMT_FIELD_BPS);
    v->spoofed = raw_number(raw, CFMT_FIELD_SPOOFED);
    v->text[CFMT_FIELD_RATE] = cfmt_field_rate(p, v->pps, v->bps);
    v->text[CFMT_FIELD_PEAK] = cfmt_field_rate(p, raw_number(raw, CFMT_FIELD_PEAK_PPS),
                                               raw_number(raw, CFMT_FIELD_PEAK_BPS));
}
