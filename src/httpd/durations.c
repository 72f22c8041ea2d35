/*
 * Directives that are a duration and nothing else: one table, they differ in their name, default
 * and range.
 */
#include "httpd_cfmt.h"

#include <apr_strings.h>

#define SECONDS(n) apr_time_from_sec(n)
#define MINUTES(n) SECONDS((n) * 60)
#define HOURS(n) MINUTES((n) * 60)

const cfmt_duration_t cfmt_durations[CFMT_DURATIONS] = {
    [CFMT_DURATION_COMMIT_TIMEOUT] = { .directive = "CfmtCommitTimeout", .def = SECONDS(3),
                                       .min = apr_time_from_msec(100), .max = MINUTES(1) },
    [CFMT_DURATION_DEDUPE] = { .directive = "CfmtDedupe", .def = HOURS(24), .min = SECONDS(1),
                               .max = HOURS(24 * 30) },
    [CFMT_DURATION_POLL_INTERVAL] = { .directive = "CfmtPollInterval", .def = MINUTES(1),
                                      .min = SECONDS(10), .max = HOURS(1) },
    [CFMT_DURATION_ANALYTICS_INTERVAL] = { .directive = "CfmtAnalyticsInterval",
                                           .def = MINUTES(1), .min = SECONDS(30),
                                           .max = HOURS(1) },
    [CFMT_DURATION_ANALYTICS_LAG] = { .directive = "CfmtAnalyticsLag", .def = MINUTES(5),
                                      .min = MINUTES(1), .max = HOURS(1) },
    [CFMT_DURATION_BLIND_AFTER] = { .directive = "CfmtBlindAfter", .def = MINUTES(15),
                                    .min = MINUTES(5), .max = HOURS(24) },
    [CFMT_DURATION_CALM] = { .directive = "CfmtCalm", .def = MINUTES(15), .min = MINUTES(1),
                             .max = HOURS(24) },
    [CFMT_DURATION_ATTACK_TIMEOUT] = { .directive = "CfmtAttackTimeout", .def = HOURS(24),
                                       .min = HOURS(1), .max = HOURS(24 * 7) },
    [CFMT_DURATION_CALM_MAX] = { .directive = "CfmtCalmMax", .def = HOURS(2), .min = MINUTES(1),
                                 .max = HOURS(24 * 7) },
    [CFMT_DURATION_MIN_ADVERTISED] = { .directive = "CfmtMinAdvertised", .def = MINUTES(15),
                                       .min = MINUTES(15), .max = HOURS(24 * 7) },
    [CFMT_DURATION_MIN_WITHDRAWN] = { .directive = "CfmtMinWithdrawn", .def = MINUTES(15),
                                      .min = MINUTES(15), .max = HOURS(24) },
    [CFMT_DURATION_ORPHAN_AFTER] = { .directive = "CfmtOrphanAfter", .def = HOURS(4),
                                     .min = MINUTES(15), .max = HOURS(24 * 30) },
    [CFMT_DURATION_HOLD_FOR] = { .directive = "CfmtHoldFor", .def = 0, .min = MINUTES(1),
                                 .max = HOURS(24 * 365), .forever = 1 },
    [CFMT_DURATION_PROPOSAL_TTL] = { .directive = "CfmtProposalTtl", .def = MINUTES(30),
                                     .min = MINUTES(1), .max = HOURS(24) },
};

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

    return !d && cfmt_durations[which].forever ? "forever" : cfmt_config_duration_text(p, d);
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
