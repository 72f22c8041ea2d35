/*
 * The table of commands: all there is to know about them. Parsing, help, completion and the guard
 * of the manual page use it.
 */
#include "cfmtctl.h"

#define OPERANDS_MAX 1000

const ctl_command_t ctl_commands[] = {
    { .name = "status", .operands = "[PREFIX]...", .operands_max = OPERANDS_MAX,
      .options = OPT_WATCH, .run = ctl_status,
      .summary = "am I under attack, am I protected, until when, and why",
      .text = "Mode, leader, analytics and API in a line, then the prefixes. DROPPED is the\n"
              "newest known minute; NEXT what happens next, or why nothing does. PREFIX is a\n"
              "CIDR, an address inside it, or the name of a CfmtPrefix line." },
    { .name = "explain", .operands = "PREFIX", .operands_min = 1, .operands_max = 1,
      .document = 1, .run = ctl_explain,
      .summary = "why a prefix is, stays or will not be advertised",
      .text = "Every gate of a withdrawal as last decided, what would change it, the earliest\n"
              "time; holds, windows, proposals, wanted changes and the last changes." },
    { .name = "timers", .operands = "", .options = OPT_WATCH, .run = ctl_timers,
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
    { .name = "audit verify", .operands = "", .options = OPT_ANCHOR, .document = 1,
      .run = ctl_audit_verify,
      .summary = "is the record of changes whole?",
      .text = "Walks the chain of hashes from its first row; with --anchor also against a head\n"
              "that httpd's error log has. Exit status 1 when it is broken." },
    { .name = "audit", .operands = "", .options = OPT_LIMIT | OPT_IMPORTED,
      .run = ctl_audit,
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
      .document = 1, .run = ctl_outbox_show,
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
    { .name = "events", .operands = "", .options = OPT_LIST | OPT_WATCH | OPT_IMPORTED,
      .run = ctl_events,
      .summary = "deliveries as they were understood",
      .text = "The newest events, oldest first. ATTACK is the id for 'attack close'." },
    { .name = "attacks", .operands = "", .options = OPT_LIST | OPT_IMPORTED,
      .run = ctl_attacks,
      .summary = "attacks, open ones always among them",
      .text = "Open attacks whatever their age, then those with the latest events. With --follow\n"
              "a row is printed again whenever it has changed." },
    { .name = "journal", .operands = "", .options = OPT_LIST, .run = ctl_journal,
      .summary = "everything that happened, row by row",
      .text = "The journal itself; with --json the bodies too." },
    { .name = "attack close", .operands = "ID", .operands_min = 1, .operands_max = 1,
      .options = OPT_REASON, .document = 1, .run = ctl_attack_close,
      .summary = "end an attack by hand",
      .text = "ID is our id (see 'attacks'), Cloudflare's attack id or its correlation id. The\n"
              "command is journaled with your name; a later START opens the attack again." },
    { .name = "attack", .operands = "ID", .operands_min = 1, .operands_max = 1,
      .options = OPT_LIMIT, .document = 1, .run = ctl_attack_show,
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
      .options = OPT_SINCE | OPT_LIMIT | OPT_TOP | OPT_IMPORTED, .run = ctl_traffic,
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
    { .name = "import", .operands = "PATH...", .operands_min = 1, .operands_max = OPERANDS_MAX,
      .options = OPT_OUT | OPT_DRY_RUN, .document = 1, .run = ctl_import,
      .summary = "settings and history of the system that mod_cfmt replaces",
      .text = "PATH: its directory, or single files (settings.json, prefix_mapping.json,\n"
              "magic_transit.db, logs/webhooks). Writes a cfmt.conf and a file for each secret,\n"
              "keeps the history, each row once however often it runs, and prints the commands\n"
              "that retire the old system. Nothing is opened, withdrawn or told by it." },
    { .name = "doctor", .operands = "", .options = OPT_OFFLINE, .run = ctl_doctor,
      .summary = "is everything in place? configuration, host, token, account, channels",
      .text = "One line each: ok, warn or fail with the remedy, and skip where it could not look.\n"
              "Changes nothing. Asks Cloudflare, the channels and the own address, all at once\n"
              "and 5 s at most each; not with --offline. Exit status 1 when one failed." },
    { .name = "deliveries list", .operands = "", .options = OPT_SINCE | OPT_LIMIT,
      .run = ctl_deliveries_list,
      .summary = "deliveries as they came, repeats and refused ones among them",
      .text = "The newest, oldest first: from where, by which secret, what event each became.\n"
              "'deliveries' alone is the same." },
    { .name = "deliveries show", .operands = "ID", .operands_min = 1, .operands_max = 1,
      .document = 1, .run = ctl_deliveries_show,
      .summary = "one delivery whole: its way in, its body, its event",
      .text = "ID is that of 'deliveries list', and of the webhook's answer." },
    { .name = "deliveries redeliver", .operands = "ID", .operands_min = 1, .operands_max = 1,
      .options = OPT_REASON, .document = 1, .run = ctl_deliveries_redeliver,
      .summary = "project a delivery again that was not understood",
      .text = "For one that an older version passed over (CFMT0420). One that is an event already\n"
              "stays as it is, and nobody is told twice." },
    { .name = "deliveries trigger", .operands = "TYPE [PREFIX]", .operands_min = 1,
      .operands_max = 2, .options = OPT_YES | OPT_URL | OPT_SECRET_FILE | OPT_END, .document = 1,
      .run = ctl_deliveries_trigger,
      .summary = "deliver an alert of that type to ourselves, as Cloudflare would",
      .text = "A real one: an attack is open until --end, the policy acts and people are told;\n"
              "for a trial without consequences see 'drill'. Goes to CfmtPublicUrl with a secret\n"
              "of CfmtSecret. PREFIX: what it hits, else the first that can be advertised." },
    { .name = "deliveries", .operands = "", .options = OPT_SINCE | OPT_LIMIT,
      .run = ctl_deliveries_list, .summary = "the same as 'deliveries list'",
      .text = "See 'help deliveries list'." },
    { .name = "drill", .operands = "[PREFIX]", .operands_max = 1,
      .options = OPT_URL | OPT_SECRET_FILE, .run = ctl_drill,
      .summary = "an attack that is none, the whole way to a message on your phone",
      .text = "Delivers an alert that is marked as a drill, has it understood and decided on in a\n"
              "dry run, and really sends a message through every channel. Says how long each hop\n"
              "took and which one breaks. Not in any list of attacks, state or statistics. Exit\n"
              "status 1 when a hop breaks, 4 when the endpoint refuses us, 7 when one waits." },
    { .name = "secret new", .operands = "PATH [LABEL]", .operands_min = 1, .operands_max = 2,
      .document = 1, .run = ctl_secret_new,
      .summary = "begin a rotation: a new secret for the webhook, in a new file",
      .text = "Written for its owner alone and never printed; then the steps, with the line for\n"
              "the configuration. LABEL: else the date." },
    { .name = "secret list", .operands = "", .run = ctl_secret_list,
      .summary = "which secrets deliveries come with, and which may go",
      .text = "By label. What cfmtctl itself has delivered does not count." },
    { .name = "secret retire", .operands = "LABEL", .operands_min = 1, .operands_max = 1,
      .options = OPT_OVERRIDE, .document = 1, .run = ctl_secret_retire,
      .summary = "end a rotation: how to take an old secret out",
      .text = "Refused (exit status 3) while deliveries may still come with it: until another one\n"
              "came with a newer one and a day has gone by. Says what to do and changes nothing." },
    { .name = "db info", .operands = "", .run = ctl_db_info,
      .summary = "what the database holds, how large it is, how old",
      .text = "The journal's ends, rows of each table (counted up to a million), what is free." },
    { .name = "db backup", .operands = "PATH", .operands_min = 1, .operands_max = 1, .document = 1,
      .run = ctl_db_backup,
      .summary = "a copy of the database while everything runs",
      .text = "One sound file as of one moment. PATH must not be there, or is a directory, in\n"
              "which it gets a name with the time. Holds up no delivery." },
    { .name = "db restore", .operands = "PATH", .operands_min = 1, .operands_max = 1,
      .options = OPT_YES | OPT_REASON, .document = 1, .run = ctl_db_restore,
      .summary = "put a backup in the place of the database; httpd is stopped",
      .text = "Verifies it first; refused while anything has the database open. What was there is\n"
              "kept beside it." },
    { .name = "db prune", .operands = "", .options = OPT_REASON, .document = 1,
      .run = ctl_db_prune,
      .summary = "what CfmtRetention lets go, now",
      .text = "The leader does so each hour by itself." },
    { .name = "db check", .operands = "", .options = OPT_FULL, .run = ctl_db_check,
      .summary = "is the database sound, reachable and led?",
      .text = "One line each: ok, warn or fail. Exit status 1 when one failed." },
    { .name = "completion", .operands = "bash|zsh", .operands_min = 1,
      .operands_max = OPERANDS_MAX, .document = 1, .run = ctl_completion,
      .summary = "completion of this command line in bash or zsh",
      .text = "Prints what '. <(cfmtctl completion bash)' reads; installed with the program it is\n"
              "there already. 'completion words -- WORD...' is what that asks on each Tab." },
    { .name = "version", .operands = "", .document = 1, .run = ctl_version,
      .summary = "version of cfmtctl",
      .text = "The version, the schema it knows and the database it would open." },
    { .name = "help", .operands = "[COMMAND]", .operands_max = 2, .document = 1, .run = ctl_help,
      .summary = "this list, or one command in full",
      .text = "With --json the commands and their options as data." },
    { .name = NULL }
};
