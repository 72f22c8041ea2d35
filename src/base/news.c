/*
 * The table of kinds of news: name, priority, freshness; and the fields of a news as JSON.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_news.h"

static const struct {
    const char *name;
    cfmt_urgency_e priority;
    int minutes;
} kinds[CFMT_NEWS_COUNT] = {
#define X(id, text, prio, fresh) \
    [CFMT_NEWS_##id] = {.name = text, .priority = CFMT_URGENCY_##prio, .minutes = fresh},
    CFMT_NEWS_KINDS(X)
#undef X
};

static const char *const priorities[CFMT_URGENCIES] = {
    [CFMT_URGENCY_CRITICAL] = "critical",
    [CFMT_URGENCY_HIGH] = "high",
    [CFMT_URGENCY_NORMAL] = "normal",
    [CFMT_URGENCY_LOW] = "low",
};

const char *cfmt_news_name(cfmt_news_e kind)
{
    return kinds[kind].name;
}

int cfmt_news_find(const char *name)
{
    int i;

    for (i = 0; i < CFMT_NEWS_COUNT; i++) {
        if (name && !strcmp(kinds[i].name, name)) {
            return i;
        }
    }
    return -1;
}

cfmt_urgency_e cfmt_news_priority(cfmt_news_e kind)
{
    return kinds[kind].priority;
}

int cfmt_news_is_trial(cfmt_news_e kind)
{
    return kind == CFMT_NEWS_TEST || kind == CFMT_NEWS_DRILL;
}

apr_interval_time_t cfmt_news_fresh(cfmt_news_e kind)
{
    return apr_time_from_sec(60) * kinds[kind].minutes;
}

const char *cfmt_urgency_name(cfmt_urgency_e p)
{
    return priorities[p];
}

int cfmt_urgency_find(const char *name)
{
    int i;

    for (i = 0; i < CFMT_URGENCIES; i++) {
        if (name && !strcmp(priorities[i], name)) {
            return i;
        }
    }
    return -1;
}

const char *cfmt_news_fields(apr_pool_t *p, ...)
{
    const char *name, *value, *text = "";
    va_list ap;

    va_start(ap, p);
    while ((name = va_arg(ap, const char *)) != NULL) {
        value = va_arg(ap, const char *);
        if (value) {
            text = apr_pstrcat(p, text, *text ? "," : "", cfmt_json_quote(p, name), ":",
                               cfmt_json_quote(p, value), NULL);
        }
    }
    va_end(ap);
    return apr_pstrcat(p, "{", text, "}", NULL);
}
