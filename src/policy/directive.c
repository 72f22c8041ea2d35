/*
 * Values of directives that are not httpd's alone: one parser a kind, and the table of those that
 * are a duration and nothing else. Each parser returns NULL or one sentence with the value and what
 * is allowed.
 */
#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "cfmt_directive.h"

const char *const cfmt_mode_names[] = { "observe", "enforce", NULL };

/* ---- durations ------------------------------------------------------------------------------- */

#define SECONDS(n) apr_time_from_sec(n)
#define MINUTES(n) SECONDS((n) * 60)
#define HOURS(n) MINUTES((n) * 60)
#define DAYS(n) HOURS((n) * 24)

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

const char *cfmt_duration_words(apr_pool_t *p, apr_interval_time_t d)
{
    static const struct {
        apr_interval_time_t size;
        const char *name;
    } units[] = {
        { .size = DAYS(1), .name = "d" },     { .size = SECONDS(3600), .name = "h" },
        { .size = SECONDS(60), .name = "min" }, { .size = SECONDS(1), .name = "s" },
        { .size = 1000, .name = "ms" },
    };
    int i = 0;

    while (i < 4 && (d < units[i].size || d % units[i].size)) {
        i++;
    }
    return apr_psprintf(p, "%" APR_INT64_T_FMT "%s", d / units[i].size, units[i].name);
}

const char *cfmt_parse_duration(apr_interval_time_t *pd, const char *what, const char *text,
                                apr_interval_time_t min, apr_interval_time_t max, apr_pool_t *p)
{
    apr_interval_time_t d;
    const char *problem;

    if (cfmt_duration_parse(&d, text) != APR_SUCCESS) {
        problem = "is not a duration (examples: 30s, 5m, 2h)";
    }
    else if (d < min || d > max) {
        problem = "is out of range";
    }
    else {
        *pd = d;
        return NULL;
    }
    return apr_psprintf(p, "%s: '%s' %s; allowed %s to %s", what, text, problem,
                        cfmt_duration_words(p, min), cfmt_duration_words(p, max));
}

/* ---- words, figures, networks ---------------------------------------------------------------- */

const char *cfmt_parse_enum(int *pv, const char *what, const char *text, const char *const *names,
                            apr_pool_t *p)
{
    const char *allowed = names[0];
    int i;

    for (i = 0; names[i]; i++) {
        if (!apr_cstr_casecmp(names[i], text)) {
            *pv = i;
            return NULL;
        }
    }
    for (i = 1; names[i]; i++) {
        allowed = apr_pstrcat(p, allowed, names[i + 1] ? ", " : " or ", names[i], NULL);
    }
    return apr_psprintf(p, "%s: '%s' is not known; allowed: %s", what, text, allowed);
}

const char *cfmt_parse_rate(const char *what, const char *text, apr_pool_t *p)
{
    double v;

    /* Cloudflare writes "12 kpps": with a blank, which ends a word of what is published. */
    if (!strpbrk(text, " \t") && cfmt_rate_parse(&v, text) == APR_SUCCESS && v > 0) {
        return NULL;
    }
    return apr_psprintf(p, "%s: '%s' is not a rate above 0 (examples: 2000, 20M, 1.5G)", what,
                        text);
}

const char *cfmt_parse_cidr(cfmt_cidr_t *pc, const char *directive, const char *words,
                            const char *text, apr_pool_t *p)
{
    int host_bits = 0;

    if (cfmt_cidr_parse(pc, &host_bits, text) != APR_SUCCESS) {
        return apr_psprintf(p, "%s: '%s' is not %s or a network (examples: 203.0.113.0/24, "
                            "2001:db8::/32)", directive, text, words);
    }
    if (host_bits) {
        return apr_psprintf(p, "%s: '%s' has bits set behind its length; did you mean %s?",
                            directive, text, cfmt_cidr_format(p, pc));
    }
    return NULL;
}

const char *cfmt_parse_label(const char *what, const char *text, apr_pool_t *p)
{
    apr_size_t n = strspn(text,
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    if (n > 0 && n <= 64 && text[n] == '\0') {
        return NULL;
    }
    return apr_psprintf(
        p, "%s: '%s' is not a name; allowed are 1 to 64 letters, digits, '.', '_', '-'", what,
        text);
}
