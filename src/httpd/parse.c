/*
 * One parser a kind of directive value. Each returns NULL or one sentence with the value and what
 * is allowed.
 */
#include "httpd_cfmt.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_uri.h>

const char *cfmt_parse_flag(int *pv, const char *directive, const char *text, apr_pool_t *p)
{
    static const char *const names[] = { "off", "on", NULL };

    return cfmt_parse_enum(pv, directive, text, names, p);
}

const char *cfmt_parse_enum(int *pv, const char *what, const char *text, const char *const *names,
                            apr_pool_t *p)
{
    const char *allowed = names[0];
    int i;

    for (i = 0; names[i]; i++) {
        if (!ap_cstr_casecmp(names[i], text)) {
            *pv = i;
            return NULL;
        }
    }
    for (i = 1; names[i]; i++) {
        allowed = apr_pstrcat(p, allowed, names[i + 1] ? ", " : " or ", names[i], NULL);
    }
    return apr_psprintf(p, "%s: '%s' is not known; allowed: %s", what, text, allowed);
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
                        cfmt_config_duration_text(p, min), cfmt_config_duration_text(p, max));
}

static const char *size_text(apr_pool_t *p, apr_int64_t n)
{
    if (n >= 1024 * 1024 && n % (1024 * 1024) == 0) {
        return apr_psprintf(p, "%" APR_INT64_T_FMT "m", n / (1024 * 1024));
    }
    return apr_psprintf(p, "%" APR_INT64_T_FMT "k", n / 1024);
}

const char *cfmt_parse_size(apr_int64_t *pn, const char *directive, const char *text,
                            apr_int64_t min, apr_int64_t max, apr_pool_t *p)
{
    apr_size_t len = strlen(text);
    int unit = len ? apr_tolower(text[len - 1]) : 0;
    apr_int64_t factor = unit == 'k' ? 1024 : unit == 'm' ? 1024 * 1024 : 1, n;
    const char *digits = factor == 1 ? text : apr_pstrmemdup(p, text, len - 1);

    if (cfmt_int_parse(&n, digits, 0, APR_INT32_MAX) != APR_SUCCESS || n * factor < min
        || n * factor > max) {
        return apr_psprintf(
            p,
            "%s: '%s' is not a size in range (examples: 65536, 256k, 1m); allowed %s to %s",
            directive, text, size_text(p, min), size_text(p, max));
    }
    *pn = n * factor;
    return NULL;
}

const char *cfmt_parse_rate(const char *what, const char *text, apr_pool_t *p)
{
    double v;

    if (cfmt_rate_parse(&v, text) == APR_SUCCESS && v > 0) {
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

/* Why text is no such URL; NULL = it is one. */
static const char *url_fault(const char *schemes, const char *text, apr_pool_t *p)
{
    apr_uri_t uri;

    if (apr_uri_parse(p, text, &uri) != APR_SUCCESS || !uri.scheme || !uri.hostname
        || !*uri.hostname || text[strcspn(text, " \t\"<>\\")]) {
        return "is not an absolute URL";
    }
    if (!strstr(schemes, uri.scheme)
        || (strcmp(uri.scheme, "http") && strcmp(uri.scheme, "https"))) {
        return "has another scheme";
    }
    if (uri.user || uri.password) {
        return "has a user or password in it, which mod_info and logs would show";
    }
    return uri.query || uri.fragment ? "has a query or fragment" : NULL;
}

const char *cfmt_parse_url(const char **pv, const char *directive, const char *schemes,
                           const char *text, apr_pool_t *p)
{
    const char *fault = url_fault(schemes, text, p);
    apr_size_t len = strlen(text);

    if (fault) {
        /* what stands before an @ may be a password: not repeated */
        return apr_psprintf(p, "%s: '%s' %s; allowed: %s and a host, like https://%s", directive,
                            strchr(text, '@') ? "..." : text, fault, schemes,
                            "www.example.com/path");
    }
    while (len && text[len - 1] == '/') {
        len--;
    }
    *pv = apr_pstrmemdup(p, text, len);
    return NULL;
}

const char *cfmt_parse_api_url(const char **pv, const char *directive, const char *text,
                               apr_pool_t *p)
{
    const char *fault, *why = cfmt_parse_url(pv, directive, "http, https", text, p);

    if (!why && cfmt_http_url_check(&fault, text, p) != APR_SUCCESS) {
        why = apr_psprintf(p, "%s: '%s': %s", directive, text, fault);
    }
    return why;
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

const char *cfmt_parse_threshold(const char **pv, int argc, char *const argv[], apr_pool_t *p)
{
    const char *values[3] = { "2000", "20M", "2" }, *why = NULL;
    static const char *const names[3] = { "pps=", "bps=", "sustain=" };
    apr_int64_t n;
    int i, k;

    for (i = 0; !why && i < argc; i++) {
        for (k = 0; k < 3 && ap_cstr_casecmpn(argv[i], names[k], strlen(names[k])); k++) {
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
    if (ap_cstr_casecmp(*pvalue, "calm")) {
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
        if (strlen(options[i].name) == len && !ap_cstr_casecmpn(options[i].name, arg, len)) {
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
