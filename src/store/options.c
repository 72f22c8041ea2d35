/*
 * The policy of a prefix from the published settings: its own line, where it has none that of all,
 * above the durations that hold for every prefix.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store.h"

static void read_duration(apr_interval_time_t *pd, const char *text)
{
    apr_interval_time_t d;

    if (text && cfmt_duration_parse(&d, text) == APR_SUCCESS && d >= 0) {
        *pd = d;
    }
}

static cfmt_how_e read_how(const char *word)
{
    return !strcmp(word, "auto") ? CFMT_HOW_AUTO
           : !strcmp(word, "propose") ? CFMT_HOW_PROPOSE : CFMT_HOW_MANUAL;
}

static void read_option(cfmt_options_t *o, const char *name, const char *value)
{
    if (!strcmp(name, "withdraw")) {
        o->withdraw = read_how(value);
    }
    else if (!strcmp(name, "advertise")) {
        o->advertise = read_how(value);
    }
    else if (!strcmp(name, "calm")) {
        read_duration(&o->calm, value);
    }
}

void cfmt_options_of(cfmt_options_t *o, const apr_table_t *settings, const cfmt_cidr_t *prefix,
                     apr_pool_t *ptemp)
{
    const char *line = cfmt_prefix_setting(settings, prefix, ptemp);
    char *last, *word, *value, *copy = apr_pstrdup(ptemp, line ? line : "");

    *o = (cfmt_options_t)CFMT_OPTIONS_DEFAULT;
    read_duration(&o->calm, apr_table_get(settings, "Calm"));
    read_duration(&o->calm_max, apr_table_get(settings, "CalmMax"));
    read_duration(&o->min_advertised, apr_table_get(settings, "MinAdvertised"));
    read_duration(&o->min_withdrawn, apr_table_get(settings, "MinWithdrawn"));
    read_duration(&o->orphan_after, apr_table_get(settings, "OrphanAfter"));
    read_duration(&o->lag, apr_table_get(settings, "AnalyticsLag"));
    read_duration(&o->interval, apr_table_get(settings, "AnalyticsInterval"));
    for (word = apr_strtok(copy, " ", &last); word; word = apr_strtok(NULL, " ", &last)) {
        value = strchr(word, '=');
        if (value) {
            *value++ = '\0';
            read_option(o, word, value);
        }
    }
}

cfmt_mode_e cfmt_mode_of(const apr_table_t *settings)
{
    const char *mode = settings ? apr_table_get(settings, "Mode") : NULL;

    return mode && !strcmp(mode, "enforce") ? CFMT_MODE_ENFORCE : CFMT_MODE_OBSERVE;
}
