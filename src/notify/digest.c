/*
 * Several news in one text: a digest of one attack, that could not be told in time, and a fold of
 * many that are alike. Both are as long as one message however many there were.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "message.h"

#define FIRST 4  /* of a long digest, and */
#define LAST 14
#define LINE_MAX_SHOWN 150 /* bytes */
#define CUT "\xE2\x80\xA6"
#define TOP 5    /* values of a field */
#define IDS 10
#define REST "and " /* so the end of a list begins that is cut (cfmt_of_list) */

typedef struct placed_t {
    const cfmt_news_t *news;
    int place;
} placed_t;

static int by_time(const void *a, const void *b)
{
    const placed_t *x = a, *y = b;

    return x->news->at != y->news->at ? (x->news->at < y->news->at ? -1 : 1)
                                      : x->place - y->place;
}

/* Oldest first; of one time as they came. */
static apr_array_header_t *in_order(const apr_array_header_t *news, apr_pool_t *p)
{
    apr_array_header_t *out = apr_array_make(p, news->nelts + 1, sizeof(const cfmt_news_t *));
    placed_t *all = apr_palloc(p, (apr_size_t)(news->nelts + 1) * sizeof(*all));
    int i;

    for (i = 0; i < news->nelts; i++) {
        all[i] = (placed_t){ .news = APR_ARRAY_IDX(news, i, const cfmt_news_t *), .place = i };
    }
    qsort(all, (size_t)news->nelts, sizeof(*all), by_time);
    for (i = 0; i < news->nelts; i++) {
        APR_ARRAY_PUSH(out, const cfmt_news_t *) = all[i].news;
    }
    return out;
}

static const cfmt_news_t *nth(const apr_array_header_t *news, int i)
{
    return APR_ARRAY_IDX(news, i, const cfmt_news_t *);
}

/* Cut where it is as long as several: what all of it says stands in cfmtctl outbox show. */
static const char *first_line(const char *text, apr_pool_t *p)
{
    apr_size_t n = strcspn(text, "\n");
    int cut = n > LINE_MAX_SHOWN;

    n = cut ? LINE_MAX_SHOWN : n;
    while (cut && ((unsigned char)text[n] & 0xC0) == 0x80) {
        n--;
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, text, n), cut ? CUT : "", NULL);
}

/* ---- digest ---------------------------------------------------------------------------------- */

static const char *digest_line(const cfmt_templates_t *t, const cfmt_news_t *n, apr_pool_t *p)
{
    return apr_pstrcat(p, "\n", cfmt_field_time(p, n->at), "  ",
                       first_line(cfmt_message_text(t, n, p), p), NULL);
}

static const char *digest_lines(const cfmt_templates_t *t, const apr_array_header_t *news,
                                apr_pool_t *p)
{
    int left_out = news->nelts > FIRST + LAST ? news->nelts - FIRST - LAST : 0, i;
    const char *lines = "";

    for (i = 0; i < news->nelts; i++) {
        if (left_out && i == FIRST) {
            lines = apr_psprintf(p, "%s\n... and %d more", lines, left_out);
            i += left_out;
        }
        lines = apr_pstrcat(p, lines, digest_line(t, nth(news, i), p), NULL);
    }
    return lines;
}

const char *cfmt_message_digest(const cfmt_templates_t *t, const apr_array_header_t *news,
                                apr_pool_t *p)
{
    apr_array_header_t *sorted = in_order(news, p);
    const char *now = cfmt_message_text(t, nth(sorted, sorted->nelts - 1), p);

    if (sorted->nelts == 1) {
        return now;
    }
    return apr_psprintf(p, "%s\n%d messages that could not be sent in time:%s\nThe last one:%s",
                        first_line(now, p), sorted->nelts, digest_lines(t, sorted, p),
                        strchr(now, '\n') ? strchr(now, '\n') : " that is all of it");
}

/* ---- fold: how often each value was there ---------------------------------------------------- */

typedef struct tally_t {
    const char *value;
    int n;
} tally_t;

/* What all of them say together. */
typedef struct sum_t {
    apr_hash_t *seen;        /* value -> tally_t */
    apr_array_header_t *all; /* tally_t * */
    int cut;                 /* some were not named */
} sum_t;

static int by_count(const void *a, const void *b)
{
    const tally_t *x = *(const tally_t *const *)a, *y = *(const tally_t *const *)b;

    return x->n != y->n ? y->n - x->n : strcmp(x->value, y->value);
}

static void count_one(sum_t *sum, const char *value)
{
    tally_t *one = apr_hash_get(sum->seen, value, APR_HASH_KEY_STRING);

    if (!one) {
        one = apr_palloc(sum->all->pool, sizeof(*one));
        *one = (tally_t){ .value = value };
        apr_hash_set(sum->seen, value, APR_HASH_KEY_STRING, one);
        APR_ARRAY_PUSH(sum->all, tally_t *) = one;
    }
    one->n++;
}

/* "a, b, and 7 more": each that is named. */
static void count_each(sum_t *sum, const char *value)
{
    const char *end;

    for (; value && strncmp(value, REST, strlen(REST)); value = end ? end + 2 : NULL) {
        end = strstr(value, ", ");
        count_one(sum, end ? apr_pstrmemdup(sum->all->pool, value, (apr_size_t)(end - value))
                           : value);
    }
    sum->cut |= value != NULL;
}

/* "a (12), b (3), and 4 more"; a count of 1 need not be said. NULL: nobody said any. */
static const char *top_of(const sum_t *sum, int most, apr_pool_t *p)
{
    int n = sum->all->nelts < most ? sum->all->nelts : most, i;
    const char *text = "";

    qsort(sum->all->elts, (size_t)sum->all->nelts, sizeof(tally_t *), by_count);
    for (i = 0; i < n; i++) {
        const tally_t *one = APR_ARRAY_IDX(sum->all, i, const tally_t *);

        text = apr_pstrcat(p, text, i ? ", " : "", one->value,
                           one->n > 1 ? apr_psprintf(p, " (%d)", one->n) : "", NULL);
    }
    if (sum->cut && n) {
        return apr_pstrcat(p, text, " and others", NULL);
    }
    return sum->all->nelts > n ? apr_psprintf(p, "%s and %d more", text, sum->all->nelts - n)
                               : n ? text : NULL;
}

static const char *tally(const cfmt_values_t *values, int n, cfmt_field_e field, int most,
                         apr_pool_t *p)
{
    sum_t sum = { .seen = apr_hash_make(p),
                  .all = apr_array_make(p, 8, sizeof(tally_t *)) };
    int i;

    for (i = 0; i < n; i++) {
        count_each(&sum, values[i].text[field]);
    }
    return top_of(&sum, most, p);
}

/* ---- fold ------------------------------------------------------------------------------------ */

static const char *highest(const cfmt_values_t *values, int n, apr_pool_t *p)
{
    double pps = -1, bps = -1;
    int i;

    for (i = 0; i < n; i++) {
        pps = values[i].pps > pps ? values[i].pps : pps;
        bps = values[i].bps > bps ? values[i].bps : bps;
    }
    return cfmt_field_rate(p, pps, bps);
}

static const char *spoofed(const cfmt_values_t *values, int n, apr_pool_t *p)
{
    double low = -1, high = -1;
    int i;

    for (i = 0; i < n; i++) {
        if (values[i].spoofed >= 0) {
            low = low < 0 || values[i].spoofed < low ? values[i].spoofed : low;
            high = values[i].spoofed > high ? values[i].spoofed : high;
        }
    }
    return high < 0 ? NULL
           : low < high ? apr_psprintf(p, "%.0f to %.0f %%", low, high)
                        : apr_psprintf(p, "%.0f %%", high);
}

static const char *line(apr_pool_t *p, const char *label, const char *value)
{
    return value ? apr_pstrcat(p, "\n", label, value, NULL) : "";
}

static const char *fold_lines(const cfmt_values_t *v, int n, apr_pool_t *p)
{
    return apr_pstrcat(p, line(p, "Targets: ", tally(v, n, CFMT_FIELD_TARGET, TOP, p)),
                       line(p, "Vectors: ", tally(v, n, CFMT_FIELD_VECTOR, TOP, p)),
                       line(p, "Names: ", tally(v, n, CFMT_FIELD_NAME, TOP, p)),
                       line(p, "States: ", tally(v, n, CFMT_FIELD_STATE, TOP, p)),
                       line(p, "Highest rate: ", highest(v, n, p)),
                       line(p, "Sources: ", tally(v, n, CFMT_FIELD_SOURCES, TOP, p)),
                       line(p, "Spoofed: ", spoofed(v, n, p)),
                       line(p, "Attacks: ", tally(v, n, CFMT_FIELD_ATTACK, IDS, p)), NULL);
}

const char *cfmt_message_fold(const cfmt_templates_t *t, const apr_array_header_t *news,
                              apr_pool_t *p)
{
    apr_array_header_t *sorted = in_order(news, p);
    int n = sorted->nelts, i;
    cfmt_values_t *v = apr_palloc(p, (apr_size_t)n * sizeof(*v));
    const char *prefixes;

    if (n == 1) {
        return cfmt_message_text(t, nth(sorted, 0), p);
    }
    for (i = 0; i < n; i++) {
        cfmt_values_read(&v[i], nth(sorted, i), p);
    }
    prefixes = tally(v, n, CFMT_FIELD_PREFIX, TOP, p);
    return apr_psprintf(p, "%d %s%s%s\nFrom: %s\nTo: %s%s\nLook: %s%s", n,
                        cfmt_text_of(nth(sorted, 0)->kind)->many, prefixes ? ": " : "",
                        prefixes ? prefixes : "", cfmt_field_time(p, nth(sorted, 0)->at),
                        cfmt_field_time(p, nth(sorted, n - 1)->at), fold_lines(v, n, p),
                        nth(sorted, 0)->attack ? "cfmtctl attacks" : "cfmtctl outbox list",
                        line(p, "Mode: ", v[n - 1].text[CFMT_FIELD_MODE]));
}
