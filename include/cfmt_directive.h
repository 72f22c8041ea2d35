/*
 * Room policy, its third part: what a configuration says of it, read alike by httpd and by `cfmtctl
 * replay --policy`. Each parser returns NULL or one sentence with the value and what is allowed.
 */
#ifndef CFMT_DIRECTIVE_H
#define CFMT_DIRECTIVE_H

#include "cfmt.h"

#include <apr_tables.h>

/* ---- directive.c: kinds of values ------------------------------------------------------------ */

extern const char *const cfmt_mode_names[]; /* of cfmt_mode_e; NULL-ended */

/* Directives that are a duration and nothing else. */
typedef enum {
    CFMT_DURATION_COMMIT_TIMEOUT,
    CFMT_DURATION_DEDUPE,
    CFMT_DURATION_POLL_INTERVAL,
    CFMT_DURATION_ANALYTICS_INTERVAL,
    CFMT_DURATION_ANALYTICS_LAG,
    CFMT_DURATION_BLIND_AFTER,
    CFMT_DURATION_CALM,
    CFMT_DURATION_ATTACK_TIMEOUT,
    CFMT_DURATION_CALM_MAX,
    CFMT_DURATION_MIN_ADVERTISED,
    CFMT_DURATION_MIN_WITHDRAWN,
    CFMT_DURATION_ORPHAN_AFTER,
    CFMT_DURATION_HOLD_FOR,
    CFMT_DURATION_PROPOSAL_TTL,
    CFMT_DURATIONS
} cfmt_duration_e;
typedef struct cfmt_duration_t {
    const char *directive;
    apr_interval_time_t def, min, max;
    int forever;               /* the word is allowed, too; it is 0 */
} cfmt_duration_t;
extern const cfmt_duration_t cfmt_durations[CFMT_DURATIONS];

/* A duration as the directives read it back: the largest unit that divides it. */
const char *cfmt_duration_words(apr_pool_t *p, apr_interval_time_t d);

/* names: NULL-ended; the index of the match goes to *pv. */
const char *cfmt_parse_enum(int *pv, const char *what, const char *text, const char *const *names,
                            apr_pool_t *p);
const char *cfmt_parse_duration(apr_interval_time_t *pd, const char *what, const char *text,
                                apr_interval_time_t min, apr_interval_time_t max, apr_pool_t *p);
const char *cfmt_parse_rate(const char *what, const char *text, apr_pool_t *p);
/*
 * Refuses host bits and names the network that was probably meant. words: what the directive allows
 * besides a network, for the sentence.
 */
const char *cfmt_parse_cidr(cfmt_cidr_t *pc, const char *directive, const char *words,
                            const char *text, apr_pool_t *p);
/* 1 to 64 of A-Z a-z 0-9 . _ - */
const char *cfmt_parse_label(const char *what, const char *text, apr_pool_t *p);

/* ---- prefix_line.c --------------------------------------------------------------------------- */

/* One CfmtPrefix. */
typedef struct cfmt_prefix_conf_t {
    cfmt_cidr_t cidr;        /* family 0: "*" */
    const char *text;        /* canonical CIDR or "*" */
    const char *name;        /* NULL = none */
    const char *withdraw;    /* "auto" "propose" "manual"; NULL = not said */
    const char *advertise;   /* "auto" "manual"; NULL = not said */
    const char *options;     /* all options as written, in the order of the manual; "" = none */
    const char *file;        /* where it stands */
    int line;
} cfmt_prefix_conf_t;

/* CfmtThreshold as a whole: *pv is what it says, defaults included, in the manual's order. */
const char *cfmt_parse_threshold(const char **pv, int argc, char *const argv[], apr_pool_t *p);
/* CfmtPrefix as a whole. */
const char *cfmt_parse_prefix(cfmt_prefix_conf_t *pc, int argc, char *const argv[], apr_pool_t *p);

/* ---- policy_file.c: a file with a policy ----------------------------------------------------- */

typedef struct cfmt_line_fault_t {
    int line;
    const char *text; /* what was wrong, what is allowed */
} cfmt_line_fault_t;

/*
 * Lines of CfmtMode, CfmtPrefix, CfmtThreshold and of the durations that decisions depend on, as
 * settings (names as published) in *psettings; every wrong line in *pfaults (cfmt_line_fault_t). As
 * in httpd: quotes, # at a line's beginning, a backslash at its end. name: of the file.
 */
void cfmt_policy_read(apr_table_t **psettings, apr_array_header_t **pfaults, const char *name,
                      const char *text, apr_pool_t *p);

#endif
