/*
 * Thresholds from the published settings: CfmtThreshold, and the options of a prefix above it.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store.h"

static const char *const systems[] = { CFMT_SYSTEM_WORDS, [CFMT_SYSTEM_OTHER] = "other" };

const char *cfmt_system_name(cfmt_system_e system)
{
    return (unsigned)system < CFMT_SYSTEMS ? systems[system] : "other";
}

cfmt_system_e cfmt_system_by_name(const char *name)
{
    int i = 0;

    while (i < CFMT_SYSTEM_OTHER && strcmp(systems[i], name)) {
        i++;
    }
    return (cfmt_system_e)i;
}

/* What is no rate, and 0, which would make an attack of silence, leaves *pv as it is. */
static void read_rate(double *pv, const char *text)
{
    double v;

    if (cfmt_rate_parse(&v, text) == APR_SUCCESS && v > 0) {
        *pv = v;
    }
}

/* A word that is not known adds the drops of unknown systems: rather too much than too little. */
static unsigned read_systems(char *list)
{
    char *last, *name;
    unsigned set = 0;

    for (name = apr_strtok(list, ",", &last); name; name = apr_strtok(NULL, ",", &last)) {
        set |= 1u << cfmt_system_by_name(name);
    }
    return set;
}

static void read_calm(cfmt_threshold_t *t, const char *text)
{
    apr_interval_time_t calm;

    if (text && cfmt_duration_parse(&calm, text) == APR_SUCCESS && calm >= CFMT_MINUTE) {
        t->calm = calm;
    }
}

static void read_option(cfmt_threshold_t *t, const char *name, char *value)
{
    apr_int64_t n;

    if (!strcmp(name, "pps")) {
        read_rate(&t->pps, value);
    }
    else if (!strcmp(name, "bps")) {
        read_rate(&t->bps, value);
    }
    else if (!strcmp(name, "passed-pps")) {
        read_rate(&t->passed_pps, value);
    }
    else if (!strcmp(name, "sustain")) {
        t->sustain = cfmt_int_parse(&n, value, 1, 1440) == APR_SUCCESS ? (int)n : t->sustain;
    }
    else if (!strcmp(name, "idle")) {
        t->idle_calm = !strcmp(value, "calm");
    }
    else if (!strcmp(name, "calm")) {
        read_calm(t, value);
    }
    else if (!strcmp(name, "systems") && *value) {
        t->systems = read_systems(value);
    }
}

/* text: "name=value ..."; options that are none of a threshold are passed over. */
static void read_options(cfmt_threshold_t *t, const char *text, apr_pool_t *ptemp)
{
    char *last, *word, *value, *copy = apr_pstrdup(ptemp, text ? text : "");

    for (word = apr_strtok(copy, " ", &last); word; word = apr_strtok(NULL, " ", &last)) {
        value = strchr(word, '=');
        if (value) {
            *value++ = '\0';
            read_option(t, word, value);
        }
    }
}

/* In settings a host has its length. */
static const char *setting_name(const cfmt_cidr_t *prefix, apr_pool_t *ptemp)
{
    const char *text = cfmt_cidr_format(ptemp, prefix);

    return strchr(text, '/') ? apr_pstrcat(ptemp, "Prefix ", text, NULL)
                             : apr_psprintf(ptemp, "Prefix %s/%d", text, prefix->bits);
}

const char *cfmt_prefix_setting(const apr_table_t *settings, const cfmt_cidr_t *prefix,
                                apr_pool_t *ptemp)
{
    const char *own = apr_table_get(settings, setting_name(prefix, ptemp));

    return own ? own : apr_table_get(settings, "Prefix *");
}

void cfmt_threshold_of(cfmt_threshold_t *t, const apr_table_t *settings, const cfmt_cidr_t *prefix,
                       apr_pool_t *ptemp)
{
    *t = (cfmt_threshold_t)CFMT_THRESHOLD_DEFAULT;
    read_options(t, apr_table_get(settings, "Threshold"), ptemp);
    read_calm(t, apr_table_get(settings, "Calm"));
    read_options(t, cfmt_prefix_setting(settings, prefix, ptemp), ptemp);
}
