/*
 * cfmtctl: the command line. The two tables at the top are all there is to know about commands
 * and options.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "cfmtctl.h"

#define REASON_MAX 500
#define OPERANDS_MAX 1000
#define SPAN_MAX apr_time_from_sec(10LL * 366 * 86400)
#define WAIT_DEFAULT apr_time_from_sec(120)
#define WAIT_MAX apr_time_from_sec(86400)

const ctl_command_t ctl_commands[] = {
    { .name = "status", .operands = "[PREFIX]...", .operands_max = OPERANDS_MAX,
      .run = ctl_status,
      .summary = "am I under attack, am I protected, until when, and why",
      .text = "Mode, leader, analytics and API in a line, then the prefixes. DROPPED is the\n"
              "newest known minute; NEXT what happens next, or why nothing does. PREFIX is a\n"
              "CIDR, an address inside it, or the name of a CfmtPrefix line." },
    { .name = "explain", .operands = "PREFIX", .operands_min = 1, .operands_max = 1,
      .run = ctl_explain,
      .summary = "why a prefix is, stays or will not be advertised",
      .text = "Every gate of a withdrawal as last decided, what would change it, the earliest\n"
              "time; holds, windows, proposals, wanted changes and the last changes." },
    { .name = "timers", .operands = "", .run = ctl_timers,
      .summary = "what is due when",
      .text = "Wanted changes, withdrawals that are counted down to, ends of holds, maintenance\n"
              "windows and proposals, orphans." },
    { .name = "advertise", .operands = "[PREFIX]...", .operands_max = OPERANDS_MAX,
      .options = OPT_ACT | OPT_ALL, .run = ctl_advertise,
      .summary = "let Cloudflare announce prefixes",
      .text = "It is held then: the policy does not withdraw it until 'release', or until\n"
              "CfmtHoldFor is over. Takes some 2 to 7 minutes to have its effect." },
    { .name = "withdraw", .operands = "[PREFIX]...", .operands_max = OPERANDS_MAX,
      .options = OPT_ACT | OPT_ALL | OPT_OVERRIDE, .run = ctl_withdraw,
      .summary = "let Cloudflare announce prefixes no more",
      .text = "Announce it yourself first: without that it goes dark. Refused under attack and\n"
              "within CfmtMinAdvertised, unless --override. Takes some 15 minutes." },
    { .name = "hold", .operands = "PREFIX...", .operands_min = 1, .operands_max = OPERANDS_MAX,
      .options = OPT_ACT | OPT_FOR, .run = ctl_hold,
      .summary = "keep the policy from withdrawing prefixes",
      .text = "For --for D, else for CfmtHoldFor; needs --reason." },
    { .name = "release", .operands = "PREFIX...", .operands_min = 1, .operands_max = OPERANDS_MAX,
      .options = OPT_ACT, .run = ctl_release,
      .summary = "end all holds of prefixes",
      .text = "What the policy may do then is in 'explain'." },
    { .name = "adopt", .operands = "PREFIX...", .operands_min = 1, .operands_max = OPERANDS_MAX,
      .options = OPT_ACT, .run = ctl_adopt,
      .summary = "hand an advertisement over to the policy",
      .text = "Whoever advertised it: the policy may withdraw it when it is calm." },
    { .name = "window add", .operands = "PREFIX|* FROM TO", .operands_min = 3, .operands_max = 3,
      .options = OPT_ACT, .run = ctl_window_add,
      .summary = "a maintenance window: no withdrawal by policy in it",
      .text = "FROM and TO: a time with its zone (2026-11-22T20:00:00Z); FROM also 'now', TO also\n"
              "'+2h', counted from FROM. '*' means every prefix." },
    { .name = "window list", .operands = "", .run = ctl_window_list,
      .summary = "maintenance windows that are not over",
      .text = "With the id for 'window remove'." },
    { .name = "window remove", .operands = "ID", .operands_min = 1, .operands_max = 1,
      .options = OPT_ACT, .run = ctl_window_remove,
      .summary = "remove a maintenance window",
      .text = "ID is that of 'window list'." },
    { .name = "proposals", .operands = "", .options = OPT_LIMIT, .run = ctl_proposals,
      .summary = "what waits for somebody to approve, and what became of others",
      .text = "The newest, oldest first, with the id for 'approve' and 'deny'." },
    { .name = "approve", .operands = "ID", .operands_min = 1, .operands_max = 1,
      .options = OPT_ACT, .run = ctl_approve,
      .summary = "let a proposal be carried out",
      .text = "Its cause is the attack then, and there is no hold." },
    { .name = "deny", .operands = "ID", .operands_min = 1, .operands_max = 1,
      .options = OPT_ACT, .run = ctl_deny,
      .summary = "turn a proposal down",
      .text = "It is not made again for a day, except for a new attack." },
    { .name = "cancel", .operands = "ID", .operands_min = 1, .operands_max = 1,
      .options = OPT_ACT, .run = ctl_cancel,
      .summary = "give up a wanted change that was not sent yet",
      .text = "ID is that of 'timers'." },
    { .name = "audit verify", .operands = "", .options = OPT_ANCHOR, .run = ctl_audit_verify,
      .summary = "is the record of changes whole?",
      .text = "Walks the chain of hashes from its first row; with --anchor also against a head\n"
              "that httpd's error log has. Exit status 1 when it is broken." },
    { .name = "audit", .operands = "", .options = OPT_LIMIT, .run = ctl_audit,
      .summary = "who changed what, when and why",
      .text = "The newest, oldest first. Kept for ever; 'audit verify' proves that none is\n"
              "missing." },
    { .name = "ack", .operands = "[ID]", .operands_max = 1, .options = OPT_REASON, .run = ctl_ack,
      .summary = "critical messages have been read: nobody else need be called",
      .text = "All of them, or message ID of 'outbox list'. Without it those of a channel with\n"
              "fallback= are told through that one, too." },
    { .name = "outbox list", .operands = "[CHANNEL]", .operands_max = 1, .options = OPT_LIMIT,
      .run = ctl_outbox_list,
      .summary = "who was told what, what waits, and how the channels are",
      .text = "The newest messages, oldest first, then the channels. 'outbox' alone is the same." },
    { .name = "outbox show", .operands = "ID", .operands_min = 1, .operands_max = 1,
      .run = ctl_outbox_show,
      .summary = "one message whole: its text, its fields, its way",
      .text = "ID is that of 'outbox list'." },
    { .name = "outbox retry", .operands = "ID...", .operands_min = 1,
      .operands_max = OPERANDS_MAX, .options = OPT_REASON, .run = ctl_outbox_retry,
      .summary = "send messages again",
      .text = "Those that failed, expired or may not have arrived; one that waits goes out now." },
    { .name = "outbox drop", .operands = "ID...", .operands_min = 1, .operands_max = OPERANDS_MAX,
      .options = OPT_REASON, .run = ctl_outbox_drop,
      .summary = "give up messages that wait",
      .text = "Nobody is told of them through that channel." },
    { .name = "outbox", .operands = "", .options = OPT_LIMIT, .run = ctl_outbox_list,
      .summary = "the same as 'outbox list'",
      .text = "See 'help outbox list'." },
    { .name = "notify test", .operands = "[CHANNEL]", .operands_max = 1,
      .options = OPT_REASON, .run = ctl_notify_test,
      .summary = "really send a test message through every channel, or one",
      .text = "Says how long it took and what the channel answered. Exit status 1 when it did not\n"
              "go through, 5 when one of several did not, 7 when it still waits after a minute." },
    { .name = "events", .operands = "", .options = OPT_LIST, .run = ctl_events,
      .summary = "deliveries as they were understood",
      .text = "The newest events, oldest first. ATTACK is the id for 'attack close'." },
    { .name = "attacks", .operands = "", .options = OPT_LIST, .run = ctl_attacks,
      .summary = "attacks, open ones always among them",
      .text = "Open attacks whatever their age, then those with the latest events. With --follow\n"
              "a row is printed again whenever it has changed." },
    { .name = "journal", .operands = "", .options = OPT_LIST, .run = ctl_journal,
      .summary = "everything that happened, row by row",
      .text = "The journal itself; with --json the bodies too." },
    { .name = "attack close", .operands = "ID", .operands_min = 1, .operands_max = 1,
      .options = OPT_REASON, .run = ctl_attack_close,
      .summary = "end an attack by hand",
      .text = "ID is our id (see 'attacks'), Cloudflare's attack id or its correlation id. The\n"
              "command is journaled with your name; a later START opens the attack again." },
    { .name = "attack", .operands = "ID", .operands_min = 1, .operands_max = 1,
      .options = OPT_LIMIT, .run = ctl_attack_show,
      .summary = "one attack whole: events, peaks, minutes, sources",
      .text = "ID is our id (see 'attacks'), Cloudflare's attack id or its correlation id. Its\n"
              "events in the order in which they count, the minutes of its prefixes, the largest\n"
              "sources." },
    { .name = "prefixes", .operands = "", .options = OPT_ALL, .run = ctl_prefixes,
      .summary = "BGP prefixes: advertised or not, since when, by whom",
      .text = "As the API last told; READ is how long ago. Below them those CfmtPrefix lines that\n"
              "no prefix of the account matches." },
    { .name = "tunnels", .operands = "", .options = OPT_ALL, .run = ctl_tunnels,
      .summary = "tunnels and interconnects, with their health",
      .text = "Idle ones, too: they raise no alerts. HEALTH is the mean over Cloudflare's\n"
              "places." },
    { .name = "evidence", .operands = "PREFIX", .operands_min = 1, .operands_max = 1,
      .options = OPT_SINCE, .run = ctl_evidence,
      .summary = "traffic of a prefix, minute by minute: attack, calm or unknown",
      .text = "An hour a line, a minute a character, then the spans with their greatest rates.\n"
              "PREFIX may be an address inside it. Default: the last two hours. Unknown is what\n"
              "analytics have not told completely; it is never taken for calm." },
    { .name = "traffic", .operands = "[PREFIX | attack ID]", .operands_max = 2,
      .options = OPT_SINCE | OPT_LIMIT | OPT_TOP, .run = ctl_traffic,
      .summary = "attack traffic in detail: vectors, sources, networks, ports",
      .text = "Rows of a minute each, the newest first; with --top the largest of each kind. Of\n"
              "all prefixes, of PREFIX, or of the prefixes and the time of an attack. It is read\n"
              "while an attack is open and until 10 minutes after its end. Default: the last two\n"
              "hours." },
    { .name = "jobs", .operands = "", .run = ctl_jobs,
      .summary = "what is asked of Cloudflare, when, and how it went",
      .text = "The jobs, then what is asked (breaker, calls left), the token and the policies." },
    { .name = "ranges", .operands = "", .run = ctl_ranges,
      .summary = "Cloudflare's addresses, as CfmtSenders cloudflare means them",
      .text = "A range that is no longer listed is accepted for seven more days." },
    { .name = "replay", .operands = "", .options = OPT_FROM | OPT_TO | OPT_POLICY,
      .run = ctl_replay,
      .summary = "the journal through the policy again, or through another one",
      .text = "Without --policy every decision is made again and must come out the same, byte by\n"
              "byte; exit status 1 when one does not. With --policy the differences: withdrawals\n"
              "earlier or later, minutes advertised and exposed, messages. Changes nothing." },
    { .name = "db check", .operands = "", .options = OPT_FULL, .run = ctl_db_check,
      .summary = "is the database sound, reachable and led?",
      .text = "One line each: ok, warn or fail. Exit status 1 when one failed." },
    { .name = "version", .operands = "", .run = ctl_version, .summary = "version of cfmtctl",
      .text = "The version, the schema it knows and the database it would open." },
    { .name = "help", .operands = "[COMMAND]", .operands_max = 2, .run = ctl_help,
      .summary = "this list, or one command in full",
      .text = "With --json the commands and their options as data." },
    { .name = NULL }
};

const ctl_option_t ctl_options[] = {
    { .bit = OPT_DB, .name = "db", .operand = "PATH",
      .text = "the database (else $CFMT_DB, else " CFMT_DEFAULT_DB ")" },
    { .bit = OPT_JSON, .name = "json", .text = "JSON on standard output" },
    { .bit = OPT_HELP, .name = "help", .letter = 'h', .text = "help, also for one command" },
    { .bit = OPT_VERSION, .name = "version", .letter = 'V', .text = "the version" },
    { .bit = OPT_SINCE, .name = "since", .operand = "TIME",
      .text = "from then on: 2h, 1d, or 2026-11-22T20:00:00Z" },
    { .bit = OPT_LIMIT, .name = "limit", .letter = 'n', .operand = "N",
      .text = "at most the N newest (default 50); with --follow, 0 shows only new ones" },
    { .bit = OPT_FOLLOW, .name = "follow", .letter = 'f',
      .text = "then go on with new rows until stopped" },
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
    case OPT_POLICY:
        ctl->policy = value;
        break;
    case OPT_ANCHOR:
        ctl->anchor = value;
        break;
    case OPT_JSON:
        ctl->json = 1;
        break;
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

#define OPTIONS_MAX 32
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

static int bad_option(const ctl_t *ctl, int c, char **argv)
{
    const char letter[] = { '-', (char)optopt, '\0' };
    const char *word = optopt && optopt < LONG_BASE ? letter : argv[optind - 1];

    if (c == ':') {
        ctl_complain(CFMT_ID(0705), "%s needs a value; see 'cfmtctl help'",
                     ctl_text(ctl->pool, word));
    }
    else {
        ctl_complain(CFMT_ID(0706), "unknown option '%s'; see 'cfmtctl help'",
                     ctl_text(ctl->pool, word));
    }
    return CTL_USAGE;
}

static int parse_options(ctl_t *ctl, int argc, char **argv)
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

/* ---- commands -------------------------------------------------------------------------------- */

/* How many of the words are the name; 0 = another command. */
static int name_matches(const char *name, const char *const *words, int count)
{
    const char *blank = strchr(name, ' ');
    size_t first = blank ? (size_t)(blank - name) : strlen(name);

    if (count < 1 || strlen(words[0]) != first || strncmp(words[0], name, first)) {
        return 0;
    }
    if (!blank) {
        return 1;
    }
    return count > 1 && !strcmp(words[1], blank + 1) ? 2 : 0;
}

static const ctl_command_t *find_command(ctl_t *ctl)
{
    int i, n;

    for (i = 0; ctl_commands[i].name; i++) {
        n = name_matches(ctl_commands[i].name, ctl->operands, ctl->operand_count);
        if (n) {
            ctl->operands += n;
            ctl->operand_count -= n;
            return &ctl_commands[i];
        }
    }
    return NULL;
}

static int unknown_command(const ctl_t *ctl)
{
    const char *typed, *near;

    if (ctl->operand_count == 0) {
        ctl_complain(CFMT_ID(0707), "no command given; 'cfmtctl help' lists them");
        return CTL_USAGE;
    }
    typed = ctl->operand_count == 1 ? ctl->operands[0]
            : apr_pstrcat(ctl->pool, ctl->operands[0], " ", ctl->operands[1], NULL);
    near = ctl_nearest(typed);
    near = near ? near : ctl_nearest(ctl->operands[0]);
    if (near) {
        ctl_complain(CFMT_ID(0708), "unknown command '%s'; did you mean '%s'?",
                     ctl_text(ctl->pool, typed), near);
    }
    else {
        ctl_complain(CFMT_ID(0709), "unknown command '%s'; 'cfmtctl help' lists them",
                     ctl_text(ctl->pool, ctl->operands[0]));
    }
    return CTL_USAGE;
}

static int check_usage(const ctl_t *ctl, const ctl_command_t *c)
{
    unsigned wrong = ctl->given & ~(OPT_GLOBAL | c->options);
    int i;

    for (i = 0; ctl_options[i].name; i++) {
        if (wrong & ctl_options[i].bit) {
            ctl_complain(CFMT_ID(0710), "'%s' has no option --%s; see 'cfmtctl help %s'", c->name,
                         ctl_options[i].name, c->name);
            return CTL_USAGE;
        }
    }
    if (ctl->operand_count < c->operands_min || ctl->operand_count > c->operands_max) {
        ctl_complain(CFMT_ID(0711), "usage: cfmtctl %s%s%s; see 'cfmtctl help %s'", c->name,
                     *c->operands ? " " : "", c->operands, c->name);
        return CTL_USAGE;
    }
    return CTL_DONE;
}

static int dispatch(ctl_t *ctl)
{
    const ctl_command_t *c;
    int code;

    if (ctl->operand_count == 0 && (ctl->given & (OPT_HELP | OPT_VERSION))) {
        return ctl->given & OPT_HELP ? ctl_help(ctl) : ctl_version(ctl);
    }
    c = find_command(ctl);
    if (!c) {
        return unknown_command(ctl);
    }
    if (ctl->given & OPT_HELP) {
        return ctl_help_command(c);
    }
    code = check_usage(ctl, c);
    return code == CTL_DONE ? c->run(ctl) : code;
}

int main(int argc, char **argv)
{
    ctl_t ctl = { .db = CFMT_DEFAULT_DB, .limit = CTL_LIMIT_DEFAULT };
    const char *env = getenv("CFMT_DB");
    int code;

    umask(0007);
    signal(SIGPIPE, SIG_IGN); /* a reader that leaves ends us quietly: ctl_out_end() */
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&ctl.pool, NULL) != APR_SUCCESS) {
        ctl_complain(CFMT_ID(0712), "APR does not start: out of memory?");
        return CTL_FAILED;
    }
    if (env && *env) {
        ctl.db = env;
    }
    code = parse_options(&ctl, argc, argv);
    if (code == CTL_DONE) {
        code = dispatch(&ctl);
    }
    code = ctl_out_end(code);
    apr_terminate();
    return code;
}
