/*
 * Directives that are a duration and nothing else, as httpd sets and shows them; their table is in
 * src/policy/directive.c.
 */
#include "httpd_cfmt.h"

#include <apr_strings.h>

const char *cfmt_set_duration(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c = ap_get_module_config(cmd->server->module_config, &cfmt_module);
    const cfmt_duration_t *d = cmd->info;
    const char *why = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (!why && d->forever && !ap_cstr_casecmp(arg, "forever")) {
        c->durations[d - cfmt_durations] = 0;
        return NULL;
    }
    return why ? why
               : cfmt_parse_duration(&c->durations[d - cfmt_durations], d->directive, arg, d->min,
                                     d->max, cmd->pool);
}

apr_interval_time_t cfmt_config_duration(const cfmt_config_t *c, cfmt_duration_e which)
{
    return c->durations[which] != -1 ? c->durations[which] : cfmt_durations[which].def;
}

static const char *text_of(const cfmt_config_t *c, cfmt_duration_e which, apr_pool_t *p)
{
    apr_interval_time_t d = cfmt_config_duration(c, which);

    return !d && cfmt_durations[which].forever ? "forever" : cfmt_duration_words(p, d);
}

void cfmt_durations_publish(apr_table_t *settings, const cfmt_config_t *c, apr_pool_t *p)
{
    int i;

    for (i = 0; i < CFMT_DURATIONS; i++) {
        apr_table_setn(settings, cfmt_durations[i].directive + strlen("Cfmt"),
                       text_of(c, (cfmt_duration_e)i, p));
    }
}

void cfmt_durations_dump(const cfmt_config_t *c, apr_pool_t *p)
{
    int i;

    for (i = 0; i < CFMT_DURATIONS; i++) {
        printf("%s %s\n", cfmt_durations[i].directive, text_of(c, (cfmt_duration_e)i, p));
    }
}
