/*
 * The table of options, and the command line read by it.
 */
#include <getopt.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmtctl.h"

#define REASON_MAX 500
#define MISTAKES 3 /* so many make it another word */
#define SPAN_MAX apr_time_from_sec(10LL * 366 * 86400)
#define WAIT_DEFAULT apr_time_from_sec(120)
#define WAIT_MAX apr_time_from_sec(86400)

const ctl_option_t ctl_options[] = {
    { .bit = OPT_DB, .name = "db", .operand = "PATH",
      .text = "the database (else $CFMT_DB, else " CFMT_DEFAULT_DB ")" },
    { .bit = OPT_OUTPUT, .name = "output", .letter = 'o', .operand = "FORMAT",
      .text = "table, wide (with times instead of ages), json, jsonl or csv" },
    { .bit = OPT_JSON, .name = "json", .text = "the same as -o json" },
    { .bit = OPT_HELP, .name = "help", .letter = 'h', .text = "help, also for one command" },
    { .bit = OPT_VERSION, .name = "version", .letter = 'V', .text = "the version" },
    { .bit = OPT_SINCE, .name = "since", .operand = "TIME",
      .text = "from then on: 2h, 1d, or 2026-11-22T20:00:00Z" },
    { .bit = OPT_LIMIT, .name = "limit", .letter = 'n', .operand = "N",
      .text = "at most the N newest (default 50); with --follow, 0 shows only new ones" },
    { .bit = OPT_FOLLOW, .name = "follow", .letter = 'f',
      .text = "then go on with new rows until stopped" },
    { .bit = OPT_WATCH, .name = "watch", .letter = 'w',
      .text = "show it on the whole terminal, kept up to date, until q is pressed" },
    { .bit = OPT_REASON, .name = "reason", .operand = "TEXT", .text = "why, for the journal" },
    { .bit = OPT_FULL, .name = "full", .text = "check every index too (slow)" },
    { .bit = OPT_ALL, .name = "all",
      .text = "all: every on-demand prefix; in lists also what the account no longer has" },
    { .bit = OPT_TOP, .name = "top", .text = "the largest of each kind instead of rows" },
    { .bit = OPT_YES, .name = "yes", .letter = 'y', .text = "do not ask" },
    { .bit = OPT_DRY_RUN, .name = "dry-run", .text = "say what stands in the way, change nothing" },
    { .bit = OPT_WAIT, .name = "wait", .operand = "[=D]",
      .text = "until Cloudflare has it, at most D (default 2min)" },
    { .bit = OPT_OVERRIDE, .name = "override", .text = "whatever the policy says" },
    { .bit = OPT_FOR, .name = "for", .operand = "D", .text = "so long: 30min, 2h, 1d" },
    { .bit = OPT_ANCHOR, .name = "anchor", .operand = "ID:HASH",
      .text = "a head of the chain, noted elsewhere" },
    { .bit = OPT_FROM, .name = "from", .operand = "TIME",
      .text = "decisions from then on: 30d, or 2026-11-22T20:00:00Z" },
    { .bit = OPT_TO, .name = "to", .operand = "TIME", .text = "decisions before then" },
    { .bit = OPT_POLICY, .name = "policy", .operand = "FILE",
      .text = "another policy: lines of CfmtPrefix, CfmtCalm, CfmtThreshold, ..." },
    { .bit = OPT_OUT, .name = "out", .operand = "DIR",
      .text = "where cfmt.conf and the secrets go (default cfmt-import)" },
    { .bit = OPT_IMPORTED, .name = "imported", .text = "what 'import' brought along, instead" },
    { .bit = OPT_URL, .name = "url", .operand = "URL",
      .text = "deliver there instead of to CfmtPublicUrl, as http://127.0.0.1/mt-webhook" },
    { .bit = OPT_SECRET_FILE, .name = "secret-file", .operand = "PATH",
      .text = "with the secret in that file, read with your own rights" },
    { .bit = OPT_END, .name = "end", .text = "the END of what the same without it began" },
    { .bit = OPT_OFFLINE, .name = "offline", .text = "ask nobody: only look at this host" },
    { .name = NULL }
};

/* ---- values ---------------------------------------------------------------------------------- */

/* false: it is none. */
static int read_when(ctl_when_t *when, const char *value)
{
    when->at = 0;
    if (cfmt_duration_parse(&when->ago, value) == APR_SUCCESS) {
        when->ago += when->ago == 0; /* "0s" is a time, too */
        return 1;
    }
    when->ago = 0;
    return cfmt_time_parse(&when->at, value) == APR_SUCCESS;
}

static int take_since(ctl_t *ctl, const char *value)
{
    ctl_when_t when;

    if (read_when(&when, value)) {
        ctl->since = when.at;
        ctl->ago = when.ago;
        return CTL_DONE;
    }
    ctl_complain(CFMT_ID(0701),
                 "--since: '%s' is neither a duration (30min, 2h, 1d) nor a time with its zone"
                 " (2026-11-22T20:00:00Z)",
                 ctl_text(ctl->pool, value));
    return CTL_USAGE;
}

static int take_when(ctl_t *ctl, ctl_when_t *when, const char *name, const char *value)
{
    if (read_when(when, value)) {
        return CTL_DONE;
    }
    ctl_complain(CFMT_ID(1021),
                 "--%s: '%s' is neither a duration (30d) nor a time with its zone"
                 " (2026-11-22T20:00:00Z)",
                 name, ctl_text(ctl->pool, value));
    return CTL_USAGE;
}

static int take_limit(ctl_t *ctl, const char *value)
{
    apr_int64_t n;

    if (cfmt_int_parse(&n, value, 0, CTL_LIMIT_MAX) != APR_SUCCESS) {
        ctl_complain(CFMT_ID(0702), "--limit: '%s' is not a number from 0 to %d",
                     ctl_text(ctl->pool, value), CTL_LIMIT_MAX);
        return CTL_USAGE;
    }
    ctl->limit = (int)n;
    return CTL_DONE;
}

static int take_reason(ctl_t *ctl, const char *value)
{
    if (strlen(value) > REASON_MAX || !cfmt_text_is_utf8(value, strlen(value))) {
        ctl_complain(CFMT_ID(0703), "--reason: at most %d bytes of UTF-8 text", REASON_MAX);
        return CTL_USAGE;
    }
    ctl->reason = value;
    return CTL_DONE;
}

static int take_wait(ctl_t *ctl, const char *value)
{
    ctl->wait = WAIT_DEFAULT;
    if (value && (cfmt_duration_parse(&ctl->wait, value) != APR_SUCCESS || ctl->wait > WAIT_MAX)) {
        ctl_complain(CFMT_ID(0980), "--wait: '%s' is not a duration up to a day (--wait=5min)",
                     ctl_text(ctl->pool, value));
        return CTL_USAGE;
    }
    return CTL_DONE;
}

static int take_for(ctl_t *ctl, const char *value)
{
    if (cfmt_duration_parse(&ctl->span, value) != APR_SUCCESS || ctl->span <= 0
        || ctl->span > SPAN_MAX) {
        ctl_complain(CFMT_ID(0981), "--for: '%s' is not a duration (30min, 2h, 1d)",
                     ctl_text(ctl->pool, value));
        return CTL_USAGE;
    }
    return CTL_DONE;
}

const char *const ctl_formats[] = { "table", "wide", "json", "jsonl", "csv", NULL };

static int take_output(ctl_t *ctl, const char *value)
{
    int i;

    for (i = 0; ctl_formats[i] && strcmp(ctl_formats[i], value); i++) {
    }
    if (!ctl_formats[i]) {
        ctl_complain(CFMT_ID(1100), "--output: '%s' is none of table, wide, json, jsonl, csv",
                     ctl_text(ctl->pool, value));
        return CTL_USAGE;
    }
    ctl->format = (ctl_format_e)i;
    ctl->json = ctl->format != CTL_TABLE && ctl->format != CTL_WIDE;
    return CTL_DONE;
}

static int take_db(ctl_t *ctl, const char *value)
{
    if (!*value) {
        ctl_complain(CFMT_ID(0704), "--db: the path is empty");
        return CTL_USAGE;
    }
    ctl->db = value;
    return CTL_DONE;
}

static int take_option(ctl_t *ctl, unsigned bit, const char *value)
{
    ctl->given |= bit;
    switch (bit) {
    case OPT_DB:
        return take_db(ctl, value);
    case OPT_SINCE:
        return take_since(ctl, value);
    case OPT_LIMIT:
        return take_limit(ctl, value);
    case OPT_REASON:
        return take_reason(ctl, value);
    case OPT_WAIT:
        return take_wait(ctl, value);
    case OPT_FOR:
        return take_for(ctl, value);
    case OPT_FROM:
        return take_when(ctl, &ctl->from, "from", value);
    case OPT_TO:
        return take_when(ctl, &ctl->to, "to", value);
    case OPT_OUT:
        ctl->out = value;
        break;
    case OPT_URL:
        ctl->url = value;
        break;
    case OPT_SECRET_FILE:
        ctl->secret_file = value;
        break;
    case OPT_POLICY:
        ctl->policy = value;
        break;
    case OPT_ANCHOR:
        ctl->anchor = value;
        break;
    case OPT_JSON:
        return take_output(ctl, "json");
    case OPT_OUTPUT:
        return take_output(ctl, value);
    case OPT_FOLLOW:
        ctl->follow = 1;
        break;
    case OPT_FULL:
        ctl->full = 1;
        break;
    case OPT_ALL:
        ctl->all = 1;
        break;
    case OPT_TOP:
        ctl->top = 1;
        break;
    default:
        break;
    }
    return CTL_DONE;
}

/* ---- getopt_long from the table -------------------------------------------------------------- */

#define OPTIONS_MAX 40
#define LONG_BASE 256 /* getopt's value of option i; above all letters */

static void build(struct option *longs, char *letters)
{
    const ctl_option_t *o;
    int i;

    *letters++ = ':'; /* a missing value is told apart from an unknown option */
    for (o = ctl_options, i = 0; i < OPTIONS_MAX - 1 && o->name; o++, i++) {
        longs[i].name = o->name;
        longs[i].has_arg = !o->operand ? no_argument
                           : *o->operand == '[' ? optional_argument : required_argument;
        longs[i].flag = NULL;
        longs[i].val = LONG_BASE + i;
        if (o->letter) {
            *letters++ = o->letter;
            if (o->operand) {
                *letters++ = ':';
            }
        }
    }
    memset(&longs[i], 0, sizeof(longs[i]));
    *letters = '\0';
}

static const ctl_option_t *option_of(int c)
{
    int i;

    for (i = 0; ctl_options[i].name; i++) {
        if (c == LONG_BASE + i || (ctl_options[i].letter && c == ctl_options[i].letter)) {
            return &ctl_options[i];
        }
    }
    return NULL;
}

/* "did you mean '--json'?" */
static const char *instead_of(const ctl_t *ctl, const char *word)
{
    const ctl_option_t *o, *best = NULL;
    int d, nearest = MISTAKES;

    for (o = ctl_options; !strncmp(word, "--", 2) && o->name; o++) {
        d = ctl_distance(word + 2, o->name);
        if (d < nearest) {
            nearest = d;
            best = o;
        }
    }
    return best ? apr_pstrcat(ctl->pool, "did you mean '--", best->name, "'?", NULL)
                : "see 'cfmtctl help'";
}

static int bad_option(const ctl_t *ctl, int c, char **argv)
{
    const char letter[] = { '-', (char)optopt, '\0' };
    const char *word = optopt && optopt < LONG_BASE ? letter : argv[optind - 1];

    if (c == ':') {
        ctl_complain(CFMT_ID(0705), "%s needs a value; see 'cfmtctl help'",
                     ctl_text(ctl->pool, word));
    }
    else {
        ctl_complain(CFMT_ID(0706), "unknown option '%s'; %s", ctl_text(ctl->pool, word),
                     instead_of(ctl, word));
    }
    return CTL_USAGE;
}

int ctl_parse(ctl_t *ctl, int argc, char **argv)
{
    struct option longs[OPTIONS_MAX];
    char letters[2 * OPTIONS_MAX + 2];
    int c, code = CTL_DONE;

    build(longs, letters);
    opterr = 0;
    while (code == CTL_DONE && (c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const ctl_option_t *o = c == ':' || c == '?' ? NULL : option_of(c);
        code = o ? take_option(ctl, o->bit, optarg) : bad_option(ctl, c, argv);
    }
    ctl->operands = (const char *const *)argv + optind;
    ctl->operand_count = argc - optind;
    return code;
}
