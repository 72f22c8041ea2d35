/*
 * A file with a policy, as `cfmtctl replay --policy` takes it: lines as in httpd's configuration,
 * read to the end, each wrong one noted.
 */
#include <string.h>

#include <apr_cstr.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include "cfmt_directive.h"

#define ALLOWED \
    "CfmtMode, CfmtPrefix, CfmtThreshold, CfmtCalm, CfmtCalmMax, CfmtMinAdvertised, " \
    "CfmtMinWithdrawn, CfmtOrphanAfter, CfmtAttackTimeout, CfmtProposalTtl"

typedef struct reader_t {
    apr_table_t *settings;
    apr_array_header_t *faults;
    apr_array_header_t *prefixes; /* cfmt_prefix_conf_t */
    const char *name;             /* of the file */
    int line;                     /* at which the directive begins */
    apr_pool_t *p;
} reader_t;

/* ---- directives ------------------------------------------------------------------------------ */

static const char *one(const char *directive, int argc, apr_pool_t *p)
{
    return argc == 1 ? NULL : apr_psprintf(p, "%s takes one argument", directive);
}

static const char *take_mode(reader_t *r, int argc, char *const argv[])
{
    const char *why = one("CfmtMode", argc, r->p);
    int mode = 0;

    why = why ? why : cfmt_parse_enum(&mode, "CfmtMode", argv[0], cfmt_mode_names, r->p);
    if (!why) {
        apr_table_setn(r->settings, "Mode", cfmt_mode_names[mode]);
    }
    return why;
}

static const char *take_threshold(reader_t *r, int argc, char *const argv[])
{
    const char *value, *why = cfmt_parse_threshold(&value, argc, argv, r->p);

    if (!why) {
        apr_table_setn(r->settings, "Threshold", value);
    }
    return why;
}

static const char *take_prefix(reader_t *r, int argc, char *const argv[])
{
    cfmt_prefix_conf_t pc = { .line = r->line };
    const char *why = cfmt_parse_prefix(&pc, argc, argv, r->p);
    int i;

    for (i = 0; !why && i < r->prefixes->nelts; i++) {
        const cfmt_prefix_conf_t *other = &APR_ARRAY_IDX(r->prefixes, i, cfmt_prefix_conf_t);

        if (!strcmp(other->text, pc.text)) {
            why = apr_psprintf(r->p, "CfmtPrefix: '%s' stands already in line %d of %s; each "
                               "prefix may stand once", pc.text, other->line, r->name);
        }
    }
    if (!why) {
        APR_ARRAY_PUSH(r->prefixes, cfmt_prefix_conf_t) = pc;
        apr_table_setn(r->settings, apr_pstrcat(r->p, "Prefix ", pc.text, NULL), pc.options);
    }
    return why;
}

/* *pfound: it is one of those that decisions depend on. */
static const char *take_duration(reader_t *r, const char *name, int argc, char *const argv[],
                                 int *pfound)
{
    static const cfmt_duration_e which[] = {
        CFMT_DURATION_CALM, CFMT_DURATION_CALM_MAX, CFMT_DURATION_MIN_ADVERTISED,
        CFMT_DURATION_MIN_WITHDRAWN, CFMT_DURATION_ORPHAN_AFTER, CFMT_DURATION_ATTACK_TIMEOUT,
        CFMT_DURATION_PROPOSAL_TTL,
    };
    const cfmt_duration_t *d = NULL;
    apr_interval_time_t value;
    const char *why;
    apr_size_t i;

    for (i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
        d = !apr_cstr_casecmp(cfmt_durations[which[i]].directive, name) ? &cfmt_durations[which[i]]
                                                                        : d;
    }
    *pfound = d != NULL;
    if (!d) {
        return NULL;
    }
    why = one(d->directive, argc, r->p);
    why = why ? why : cfmt_parse_duration(&value, d->directive, argv[0], d->min, d->max, r->p);
    if (!why) {
        apr_table_setn(r->settings, d->directive + strlen("Cfmt"),
                       cfmt_duration_words(r->p, value));
    }
    return why;
}

static const char *take(reader_t *r, const char *name, int argc, char *const argv[])
{
    static const struct {
        const char *name;
        const char *(*take)(reader_t *r, int argc, char *const argv[]);
    } directives[] = {
        { .name = "CfmtMode", .take = take_mode },
        { .name = "CfmtThreshold", .take = take_threshold },
        { .name = "CfmtPrefix", .take = take_prefix },
    };
    const char *why;
    apr_size_t i;
    int found;

    for (i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
        if (!apr_cstr_casecmp(directives[i].name, name)) {
            return directives[i].take(r, argc, argv);
        }
    }
    why = take_duration(r, name, argc, argv, &found);
    return found ? why
                 : apr_psprintf(r->p, "'%s' is none of a policy's directives; allowed: " ALLOWED,
                                name);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* The next word, quotes taken off; NULL = there is none. *prest moves behind it. */
static char *word(char **prest)
{
    char *at = *prest, *start, *out, quote;

    while (apr_isspace(*at)) {
        at++;
    }
    if (!*at) {
        return NULL;
    }
    quote = *at == '"' || *at == '\'' ? *at++ : 0;
    for (start = out = at; *at && (quote ? *at != quote : !apr_isspace(*at)); at++) {
        at += quote && *at == '\\' && at[1] == quote;
        *out++ = *at;
    }
    *prest = *at ? at + 1 : at;
    *out = '\0';
    return start;
}

static void take_line(reader_t *r, char *line)
{
    apr_array_header_t *words = apr_array_make(r->p, 8, sizeof(char *));
    const char *name = word(&line), *why;
    char *next;

    if (!name || *name == '#') {
        return;
    }
    while ((next = word(&line))) {
        APR_ARRAY_PUSH(words, char *) = next;
    }
    why = take(r, name, words->nelts, (char *const *)words->elts);
    if (why) {
        APR_ARRAY_PUSH(r->faults, cfmt_line_fault_t) = (cfmt_line_fault_t){ .line = r->line,
                                                                            .text = why };
    }
}

void cfmt_policy_read(apr_table_t **psettings, apr_array_header_t **pfaults, const char *name,
                      const char *text, apr_pool_t *p)
{
    reader_t r = { .name = name, .line = 1, .p = p };
    char *line, *end, *next, *copy = apr_pstrdup(p, text);
    int lines = 0;

    r.settings = *psettings = apr_table_make(p, 8);
    r.faults = *pfaults = apr_array_make(p, 2, sizeof(cfmt_line_fault_t));
    r.prefixes = apr_array_make(p, 4, sizeof(cfmt_prefix_conf_t));
    for (line = copy; *line; line = next) {
        lines = 0;
        end = line;
        do { /* a backslash joins the next line */
            end = strchr(end, '\n') ? strchr(end, '\n') : end + strlen(end);
            lines++;
        } while (*end && end > line && end[-1] == '\\' && (end[-1] = end[0] = ' '));
        next = *end ? end + 1 : end;
        *end = '\0';
        take_line(&r, line);
        r.line += lines;
    }
}
