/*
 * CfmtThreshold and CfmtPrefix: lines of words, each NAME=VALUE, that become one text with the
 * words in the manual's order.
 */
#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "cfmt_directive.h"
#include "cfmt_world.h"

const char *cfmt_parse_threshold(const char **pv, int argc, char *const argv[], apr_pool_t *p)
{
    const char *values[3] = { "2000", "20M", "2" }, *why = NULL;
    static const char *const names[3] = { "pps=", "bps=", "sustain=" };
    apr_int64_t n;
    int i, k;

    for (i = 0; !why && i < argc; i++) {
        for (k = 0; k < 3 && apr_cstr_casecmpn(argv[i], names[k], strlen(names[k])); k++) {
        }
        if (k == 3) {
            return apr_psprintf(p, "CfmtThreshold: '%s' is not known; allowed: pps=, bps=, "
                                "sustain=", argv[i]);
        }
        values[k] = argv[i] + strlen(names[k]);
        if (k < 2) {
            why = cfmt_parse_rate(k ? "CfmtThreshold bps=" : "CfmtThreshold pps=", values[k], p);
        }
        else if (cfmt_int_parse(&n, values[k], 1, 60) != APR_SUCCESS) {
            why = apr_psprintf(p, "CfmtThreshold sustain=: '%s' is not a number of minutes; "
                               "allowed 1 to 60", values[k]);
        }
    }
    *pv = apr_pstrcat(p, "pps=", values[0], " bps=", values[1], " sustain=", values[2], NULL);
    return why ? why : argc ? NULL : "CfmtThreshold: nothing is set; allowed: pps=, bps=, sustain=";
}

/* ---- CfmtPrefix ------------------------------------------------------------------------------ */

typedef struct option_t {
    const char *name;
    /* Checks the value, may remember it and may put the canonical spelling into *pvalue. */
    const char *(*parse)(cfmt_prefix_conf_t *pc, const char *what, const char **pvalue,
                         apr_pool_t *p);
} option_t;

static const char *option_name(cfmt_prefix_conf_t *pc, const char *what, const char **pvalue,
                               apr_pool_t *p)
{
    pc->name = *pvalue;
    return cfmt_parse_label(what, *pvalue, p);
}

static const char *option_withdraw(cfmt_prefix_conf_t *pc, const char *what, const char **pvalue,
                                   apr_pool_t *p)
{
    static const char *const names[] = { "auto", "propose", "manual", NULL };
    int i = 0;
    const char *why = cfmt_parse_enum(&i, what, *pvalue, names, p);

    pc->withdraw = *pvalue = names[i];
    return why;
}

static const char *option_advertise(cfmt_prefix_conf_t *pc, const char *what, const char **pvalue,
                                    apr_pool_t *p)
{
    static const char *const names[] = { "auto", "manual", NULL };
    int i = 0;
    const char *why = cfmt_parse_enum(&i, what, *pvalue, names, p);

    pc->advertise = *pvalue = names[i];
    return why;
}

static const char *option_calm(cfmt_prefix_conf_t *pc, const char *what, const char **pvalue,
                               apr_pool_t *p)
{
    apr_interval_time_t d;

    (void)pc;
    return cfmt_parse_duration(&d, what, *pvalue, apr_time_from_sec(60), apr_time_from_sec(86400),
                               p);
}

static const char *option_rate(cfmt_prefix_conf_t *pc, const char *what, const char **pvalue,
                               apr_pool_t *p)
{
    (void)pc;
    return cfmt_parse_rate(what, *pvalue, p);
}

static const char *option_systems(cfmt_prefix_conf_t *pc, const char *what, const char **pvalue,
                                  apr_pool_t *p)
{
    static const char *const names[] = { CFMT_SYSTEM_WORDS, [CFMT_SYSTEM_OTHER] = NULL };
    char *rest = apr_pstrdup(p, *pvalue), *name;
    const char *why, *list = NULL;
    int i;

    (void)pc;
    do {
        name = rest;
        rest = strchr(name, ',');
        if (rest) {
            *rest++ = '\0';
        }
        why = cfmt_parse_enum(&i, what, name, names, p);
        if (!why) { /* as it is published: readers compare it letter by letter */
            list = list ? apr_pstrcat(p, list, ",", names[i], NULL) : names[i];
        }
    } while (!why && rest);
    *pvalue = why ? *pvalue : list;
    return why;
}

static const char *option_idle(cfmt_prefix_conf_t *pc, const char *what, const char **pvalue,
                               apr_pool_t *p)
{
    (void)pc;
    if (apr_cstr_casecmp(*pvalue, "calm")) {
        return apr_psprintf(p, "%s: '%s' is not known; allowed: calm", what, *pvalue);
    }
    *pvalue = "calm";
    return NULL;
}

static const option_t options[] = {
    { .name = "name", .parse = option_name },
    { .name = "withdraw", .parse = option_withdraw },
    { .name = "advertise", .parse = option_advertise },
    { .name = "calm", .parse = option_calm },
    { .name = "pps", .parse = option_rate },
    { .name = "bps", .parse = option_rate },
    { .name = "systems", .parse = option_systems },
    { .name = "passed-pps", .parse = option_rate },
    { .name = "idle", .parse = option_idle },
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

/* values[i] belongs to options[i]; NULL = not said. */
static const char *take_option(cfmt_prefix_conf_t *pc, const char *values[], const char *arg,
                               apr_pool_t *p)
{
    const char *eq = strchr(arg, '=');
    apr_size_t i, len = eq ? (apr_size_t)(eq - arg) : strlen(arg);

    for (i = 0; eq && i < OPTIONS; i++) {
        if (strlen(options[i].name) == len && !apr_cstr_casecmpn(options[i].name, arg, len)) {
            break;
        }
    }
    if (!eq || i == OPTIONS) {
        return apr_psprintf(
            p,
            "CfmtPrefix: '%s' is not an option; allowed: name=, withdraw=, advertise=, "
            "calm=, pps=, bps=, systems=, passed-pps=, idle=",
            arg);
    }
    if (values[i]) {
        return apr_psprintf(p, "CfmtPrefix: '%s' repeats an option; each may stand once", arg);
    }
    values[i] = eq + 1;
    return options[i].parse(pc, apr_psprintf(p, "CfmtPrefix %s=", options[i].name), &values[i], p);
}

static const char *parse_which(cfmt_prefix_conf_t *pc, const char *text, apr_pool_t *p)
{
    const char *why;

    if (!strcmp(text, "*")) {
        pc->text = "*";
        return NULL;
    }
    why = cfmt_parse_cidr(&pc->cidr, "CfmtPrefix", "*", text, p);
    if (!why) {
        pc->text = cfmt_cidr_format(p, &pc->cidr);
        if (!strchr(pc->text, '/')) { /* a host: its length belongs to the name of a prefix */
            pc->text = apr_psprintf(p, "%s/%d", pc->text, pc->cidr.bits);
        }
    }
    return why;
}

const char *cfmt_parse_prefix(cfmt_prefix_conf_t *pc, int argc, char *const argv[], apr_pool_t *p)
{
    const char *values[OPTIONS] = { NULL };
    const char *why;
    apr_size_t i;
    int a;

    if (argc < 1) {
        return "CfmtPrefix: no prefix given; allowed: a network or *, then options";
    }
    why = parse_which(pc, argv[0], p);
    for (a = 1; !why && a < argc; a++) {
        why = take_option(pc, values, argv[a], p);
    }
    pc->options = "";
    for (i = 0; !why && i < OPTIONS; i++) {
        if (values[i]) {
            pc->options = apr_pstrcat(p, pc->options, *pc->options ? " " : "", options[i].name, "=",
                                      values[i], NULL);
        }
    }
    return why;
}
