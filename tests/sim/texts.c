/*
 * The texts of messages, for test_texts.py. From stdin records, each ended by a NUL: the name of a
 * kind, a line end, the fields as JSON. Of each, to stdout, and each ended by a NUL: the text, then
 * that for Telegram; of two of a kind in a row also that of a digest and of a fold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "cfmt_notify.h"

#define RECORD_MAX (4 * 1024 * 1024)

static void give(const char *text, apr_pool_t *p)
{
    const char *html = cfmt_message_html(text, p);

    fwrite(text, 1, strlen(text) + 1, stdout);
    fwrite(html, 1, strlen(html) + 1, stdout);
}

static void take(cfmt_news_t *n, char *record, apr_pool_t *p)
{
    char *fields = strchr(record, '\n');
    int kind;

    if (!fields || (*fields++ = '\0', (kind = cfmt_news_find(record)) < 0)) {
        fprintf(stderr, "texts: not a record: %.40s\n", record);
        exit(2);
    }
    *n = (cfmt_news_t){ .kind = (cfmt_news_e)kind, .attack = "a584ec075c7fd",
                        .at = apr_time_from_sec(1763781667), .fields = apr_pstrdup(p, fields) };
}

static void give_both(const cfmt_templates_t *t, const cfmt_news_t *a, const cfmt_news_t *b,
                      apr_pool_t *p)
{
    apr_array_header_t *both = apr_array_make(p, 2, sizeof(const cfmt_news_t *));

    APR_ARRAY_PUSH(both, const cfmt_news_t *) = a;
    APR_ARRAY_PUSH(both, const cfmt_news_t *) = b;
    give(cfmt_message_digest(t, both, p), p);
    give(cfmt_message_fold(t, both, p), p);
}

/* One record up to its NUL; 0: there is none. */
static int read_record(char *record)
{
    size_t n = 0;
    int c;

    while ((c = getchar()) > 0 && n < RECORD_MAX - 1) {
        record[n++] = (char)c;
    }
    record[n] = '\0';
    return n > 0;
}

int main(void)
{
    cfmt_news_t last = { .kind = CFMT_NEWS_COUNT }, n;
    char *record = malloc(RECORD_MAX);
    apr_pool_t *p, *pair;

    if (!record || apr_initialize() != APR_SUCCESS) {
        return 2;
    }
    apr_pool_create(&p, NULL);
    apr_pool_create(&pair, p);
    while (read_record(record)) {
        take(&n, record, pair);
        give(cfmt_message_text(cfmt_templates_create(pair), &n, pair), pair);
        if (n.kind == last.kind) {
            give_both(cfmt_templates_create(pair), &last, &n, pair);
            apr_pool_clear(pair);
            n.kind = CFMT_NEWS_COUNT;
        }
        last = n;
    }
    apr_pool_destroy(p);
    free(record);
    apr_terminate();
    return 0;
}
