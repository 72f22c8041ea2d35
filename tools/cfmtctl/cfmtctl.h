/*
 * What the parts of cfmtctl share: the table of commands, the parsed command line, complaints,
 * lists.
 */
#ifndef CFMTCTL_H
#define CFMTCTL_H

#include <signal.h>
#include <stddef.h>
#include <stdio.h>

#include "cfmt.h"
#include "cfmt_store.h"

/* Exit codes; the manual page lists them all. */
typedef enum {
    CTL_DONE = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2,   /* or confirmation needed */
    CTL_REFUSED = 3, /* by policy */
    CTL_DENIED = 4,
    CTL_PART = 5,    /* some of several failed */
    CTL_LOCKED = 6,  /* by Cloudflare */
    CTL_UNKNOWN = 7,    /* written, but its effect was not seen in time */
    CTL_UNAVAILABLE = 8 /* database or leader */
} ctl_exit_e;

/* ---- commands.c, options.c: the command line ------------------------------------------------- */

#define CTL_LIMIT_DEFAULT 50
#define CTL_LIMIT_MAX 1000000

/* Options, as bits of "may be given" and "was given". */
enum {
    OPT_DB = 1,
    OPT_JSON = 2,
    OPT_HELP = 4,
    OPT_VERSION = 8,
    OPT_SINCE = 16,
    OPT_LIMIT = 32,
    OPT_FOLLOW = 64,
    OPT_REASON = 128,
    OPT_FULL = 256,
    OPT_ALL = 512,
    OPT_TOP = 1024,
    OPT_YES = 2048,
    OPT_DRY_RUN = 4096,
    OPT_WAIT = 8192,
    OPT_OVERRIDE = 16384,
    OPT_FOR = 32768,
    OPT_ANCHOR = 65536,
    OPT_FROM = 131072,
    OPT_TO = 262144,
    OPT_POLICY = 524288,
    OPT_OUTPUT = 1 << 20,
    OPT_WATCH = 1 << 21,
    OPT_OFFLINE = 1 << 24,
    OPT_OUT = 1 << 25,
    OPT_IMPORTED = 1 << 26,
    OPT_URL = 1 << 28,
    OPT_SECRET_FILE = 1 << 29,
    OPT_END = 1 << 30,
    OPT_GLOBAL = OPT_DB | OPT_JSON | OPT_OUTPUT | OPT_HELP | OPT_VERSION,
    OPT_LIST = OPT_SINCE | OPT_LIMIT | OPT_FOLLOW,
    OPT_ACT = OPT_REASON | OPT_YES | OPT_DRY_RUN | OPT_WAIT
};

typedef enum {
    CTL_TABLE,
    CTL_WIDE,  /* times instead of ages, more columns */
    CTL_JSON,  /* one document */
    CTL_JSONL, /* a row a line */
    CTL_CSV
} ctl_format_e;

/* A time as it was typed: itself, or so long ago. Both 0 = not given. */
typedef struct ctl_when_t {
    apr_time_t at;
    apr_interval_time_t ago;
} ctl_when_t;

typedef struct ctl_t {
    apr_pool_t *pool;
    const char *db;
    const char *user;        /* who runs this, for the journal: "alice", "alice via root" */
    unsigned given;          /* OPT_... */
    ctl_format_e format;
    int json;                /* a program reads (json, jsonl, csv): nothing else on stdout, nobody
                                is asked */
    int follow, full, all, top;
    const char *typed;       /* the command line, as a shell reads it again; printable */
    apr_time_t since;        /* 0 = from the beginning */
    apr_interval_time_t ago; /* --since as a duration: since is set when the clock is known */
    cfmt_demo_t demo;        /* speed 0 = real time */
    int limit;
    const char *reason;
    apr_interval_time_t wait; /* --wait: at most so long, in real time */
    apr_interval_time_t span; /* --for */
    const char *anchor;       /* --anchor: "ID:HASH", as it was typed */
    ctl_when_t from, to;
    const char *policy;       /* --policy: a path */
    const char *out;          /* --out: a directory */
    const char *url;          /* --url: of an endpoint */
    const char *secret_file;  /* --secret-file: a path */
    const char *const *operands;
    int operand_count;
} ctl_t;

typedef struct ctl_command_t {
    const char *name;        /* "events", "attack close" */
    const char *operands;    /* as help shows them; "" = none */
    int operands_min, operands_max;
    unsigned options;        /* besides the global ones */
    int document;            /* prints one thing, no list: no -o csv */
    int (*run)(ctl_t *ctl);  /* returns a ctl_exit_e */
    const char *summary;     /* half a line */
    const char *text;        /* further lines of `help COMMAND` */
} ctl_command_t;

typedef struct ctl_option_t {
    unsigned bit;
    const char *name;
    char letter;             /* 0 = none */
    const char *operand;     /* NULL = a flag; "[=D]": may be left out */
    const char *text;
} ctl_option_t;

/*
 * The one table of each; ended by name == NULL. Parsing, help, completion and the guard of the
 * manual page use them.
 */
extern const ctl_command_t ctl_commands[];
extern const ctl_option_t ctl_options[];
extern const char *const ctl_formats[]; /* by ctl_format_e; ended by NULL */

/* The command of these words, and how many of them its name takes; NULL = none. */
const ctl_command_t *ctl_find(const char *const *words, int count, int *ptaken);
/*
 * The one way to ask. question: "withdraw 203.0.113.0/24?". CTL_USAGE, said: no; or nobody can be
 * asked here, with the command that needs no answer.
 */
int ctl_confirm(const ctl_t *ctl, const char *question);
/* The word as a shell reads it again. */
const char *ctl_shell_word(const char *word, apr_pool_t *p);
/* Options into ctl, the rest into its operands; complains. Returns a ctl_exit_e. */
int ctl_parse(ctl_t *ctl, int argc, char **argv);

/* ---- help.c ---------------------------------------------------------------------------------- */

int ctl_help(ctl_t *ctl);
int ctl_version(ctl_t *ctl);
int ctl_help_command(const ctl_t *ctl, const ctl_command_t *c);
/* The command whose name is nearest to what was typed; NULL when none is near. */
const char *ctl_nearest(const char *typed);
/* Levenshtein's distance of two short words; large when one is too long to be a typing mistake. */
int ctl_distance(const char *a, const char *b);

/* ---- open.c: who may, and which file --------------------------------------------------------- */

/*
 * Names the user in ctl->user, then, as root, becomes the owner of the state directory. Opens no
 * file.
 */
int ctl_become(ctl_t *ctl);
/* Opens ctl->db or complains, and heeds its clock. Returns a ctl_exit_e. */
int ctl_open(ctl_t *ctl, cfmt_store_mode_e mode, cfmt_store_t **ps);
/*
 * What the store's rows are dated by: real time, or that of a demonstration (CfmtDemoSpeed), which
 * is said once on stderr. Heartbeats are always in real time.
 */
void ctl_clock_heed(ctl_t *ctl, cfmt_store_t *s);
apr_time_t ctl_now(const ctl_t *ctl);
/* How long ago that was, in real time: what a delay of ours is held against. */
apr_interval_time_t ctl_real_age(const ctl_t *ctl, apr_time_t at);
/* One sentence for a failure of the store; detail may be NULL. Returns the exit code. */
int ctl_store_failed(const ctl_t *ctl, apr_status_t rv, const char *detail);

/* ---- print.c: stderr, stdout, values as text ------------------------------------------------- */

/* "cfmtctl: <sentence> (CFMT07nn)" on stderr; id is a CFMT_ID(). */
void ctl_complain(const char *id, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* True until stdout cannot take more (the reader has gone, the disk is full). */
int ctl_out_ok(void);
/* Flushes stdout and says why it failed. A reader that has gone is no failure. */
int ctl_out_end(int code);
/* ANSI sequence when stdout is a terminal that wants colours, else "". */
const char *ctl_ansi(const char *sequence);

/* Text from outside, made printable. "-" for NULL. */
const char *ctl_text(apr_pool_t *p, const char *s);
/* To the second; "-" for 0. */
const char *ctl_time(apr_pool_t *p, apr_time_t t);
/* From a second on without fractions. */
const char *ctl_duration(apr_pool_t *p, apr_interval_time_t d);
/* "yes" "no" "-" for 1, 0, -1. */
const char *ctl_flag(int v);

/* ---- json.c, list.c: rows -------------------------------------------------------------------- */

/* JSON string literal of any bytes (NULs included); "null" for NULL. */
const char *ctl_json_text(apr_pool_t *p, const char *s, apr_size_t len);
const char *ctl_json_string(apr_pool_t *p, const char *s);
/* A value that was parsed, on one line. */
const char *ctl_json_value(apr_pool_t *p, const cfmt_json_t *v);

typedef struct ctl_bytes_t {
    const char *data; /* NULL = none */
    apr_size_t len;
} ctl_bytes_t;

typedef enum {
    COL_INT,      /* apr_int64_t */
    COL_REF,      /* apr_int64_t, 0 = none */
    COL_BOOL,     /* apr_int64_t */
    COL_FLAG,     /* int: 1, 0, -1 = not known */
    COL_TIME,     /* apr_time_t, 0 = none */
    COL_TEXT,     /* const char * */
    COL_SENTENCE, /* the same, never cut: what to do stands at its end */
    COL_LIST,     /* apr_array_header_t * of const char * */
    COL_RATE,     /* double, < 0 = none */
    COL_RATIO,    /* the same, 0 to 1: a percentage in the table */
    COL_DURATION, /* apr_interval_time_t, < 0 = none */
    COL_SECONDS,  /* the same as a number of seconds */
    COL_RAW,      /* const char *: a JSON value as it is, NULL = none; never in a table */
    COL_BODY      /* ctl_bytes_t: a JSON value where it is one */
} ctl_kind_e;

typedef struct ctl_column_t {
    const char *name; /* of the JSON member; upper-case it heads the column */
    ctl_kind_e kind;
    size_t offset;    /* in the row */
    int in_table;     /* 0: only in data (JSON, CSV); 1: everywhere; or one of those below */
} ctl_column_t;

#define TABLE_ONLY 2 /* in tables, not in data */
#define WIDE 3       /* in the wide table and in data */
#define NARROW 4     /* only in the table that is not wide: an age that has its time there */
#define COLUMN(row, member, label, kind_, table) \
    { .name = label, .kind = kind_, .offset = offsetof(row, member), .in_table = table }

typedef struct ctl_list_t {
    const char *noun;            /* JSON member that holds the rows */
    const ctl_column_t *columns; /* ended by name == NULL; the last one in the table may be cut */
    apr_size_t row_size;
} ctl_list_t;

#define CTL_COLUMNS_MAX 40

/* A list being printed: widths grow from page to page. */
typedef struct ctl_out_t {
    const ctl_list_t *list;
    const char *members; /* of the JSON document, before the rows: "\"a\":1"; NULL = none */
    ctl_format_e format;
    int follow;
    int begun, rows;
    int width[CTL_COLUMNS_MAX];
} ctl_out_t;

void ctl_list_begin(ctl_out_t *out, const ctl_list_t *list, const ctl_t *ctl);
/* Rows of list->row_size bytes each; p is scratch. */
void ctl_list_rows(ctl_out_t *out, const apr_array_header_t *rows, apr_pool_t *p);
/* Closes the JSON document; heads a table that had no rows and will have none. */
void ctl_list_end(ctl_out_t *out, apr_pool_t *p);
/* All three at once; members: as above. */
void ctl_list_print(const ctl_list_t *list, const apr_array_header_t *rows, const char *members,
                    const ctl_t *ctl, apr_pool_t *p);
/* What is no list: {"version":1,MEMBERS}. Line ends between them are for people. */
void ctl_json_document(const ctl_t *ctl, const char *members);

#define CTL_FIELD(row, column, type) \
    (*(const type *)(const void *)((const char *)(row) + (column)->offset))
/* Is it one of the data? */
int ctl_in_data(const ctl_column_t *c);
const char *ctl_json_cell(const ctl_column_t *c, const void *row, apr_pool_t *p);
/* One row as a JSON object, without a newline; its members without the braces. */
const char *ctl_json_row(const ctl_list_t *list, const void *row, apr_pool_t *p);
const char *ctl_json_members(const ctl_list_t *list, const void *row, apr_pool_t *p);
/* The rows as a JSON array. */
const char *ctl_json_rows(const ctl_list_t *list, const apr_array_header_t *rows, apr_pool_t *p);
/* ---- follow.c: waiting for more -------------------------------------------------------------- */

/* SIGINT and SIGTERM end the wait from now on, and nothing else. */
void ctl_follow_begin(void);
/* Waits half a second at most. 0: the user or the reader of stdout has gone. */
int ctl_follow_wait(void);
/* Without a wait: somebody wants us to end. */
int ctl_follow_ended(void);

/* ---- watch.c --------------------------------------------------------------------------------- */

/* Runs the command again and again on the whole terminal, until q. Returns a ctl_exit_e. */
int ctl_watch(ctl_t *ctl, const ctl_command_t *c);

/* ---- world.c: what the lists of the world outside share -------------------------------------- */

/* A time that was, and how long ago in whole seconds; < 0 = never. */
typedef struct ctl_aged_t {
    apr_time_t at;
    apr_interval_time_t age;
} ctl_aged_t;

/* In data a member each for time and age, in the table the age, in the wide one the time. */
#define AGED_AS(row, member, stem, table) \
    COLUMN(row, member.at, stem "_at", COL_TIME, table), \
    COLUMN(row, member.age, stem "_age_seconds", COL_SECONDS, 0)
#define AGED_JSON(row, member, stem) AGED_AS(row, member, stem, 0)
#define AGED(row, member, stem, label) \
    AGED_AS(row, member, stem, WIDE), COLUMN(row, member.age, label, COL_DURATION, NARROW)

typedef struct ctl_world_t {
    ctl_t *ctl;
    cfmt_store_t *store;
    apr_pool_t *p;
    apr_time_t now;
    apr_table_t *settings;
    apr_array_header_t *jobs; /* cfmt_job_t */
    int configured;           /* there is an API to ask */
} ctl_world_t;

/* What JSON says before the rows. */
typedef struct ctl_head_t {
    int configured, in_use;
    ctl_aged_t read;               /* the newest reading of any of it */
    apr_array_header_t *unmatched; /* const char * */
} ctl_head_t;

/* Who may, the store, and what all of them need of it. Returns a ctl_exit_e. */
int ctl_world_open(ctl_world_t *w, ctl_t *ctl);
int ctl_world_open_as(ctl_world_t *w, ctl_t *ctl, cfmt_store_mode_e mode);
int ctl_world_failed(const ctl_world_t *w, apr_status_t rv);
ctl_aged_t ctl_aged(const ctl_world_t *w, apr_time_t at);
/* When the job last succeeded; 0 = never. */
apr_time_t ctl_world_ok_at(const ctl_world_t *w, const char *name);
/* What was never read is empty, with read_at 0. */
apr_status_t ctl_world_sensed(const ctl_world_t *w, cfmt_sensed_t *sensed, const char *name);
void ctl_world_print(const ctl_world_t *w, const ctl_list_t *list, const apr_array_header_t *rows,
                     const ctl_column_t *columns, const ctl_head_t *head);
/* Beyond this age what is polled is old. */
apr_interval_time_t ctl_world_stale(const ctl_world_t *w);
/* then: what follows from it, with its comma. */
void ctl_world_unconfigured(const char *then);
/* Why a list of so many rows is empty, or what speaks against believing it. */
void ctl_world_note(const ctl_world_t *w, const ctl_head_t *head, int rows, const char *noun,
                    apr_interval_time_t stale);

/* ---- commands -------------------------------------------------------------------------------- */

int ctl_events(ctl_t *ctl);
int ctl_attacks(ctl_t *ctl);
int ctl_journal(ctl_t *ctl);
int ctl_attack_close(ctl_t *ctl);
int ctl_attack_show(ctl_t *ctl);
int ctl_db_check(ctl_t *ctl);
int ctl_doctor(ctl_t *ctl);
int ctl_db_info(ctl_t *ctl);
int ctl_db_backup(ctl_t *ctl);
int ctl_db_restore(ctl_t *ctl);
int ctl_db_prune(ctl_t *ctl);
int ctl_deliveries_list(ctl_t *ctl);
int ctl_deliveries_show(ctl_t *ctl);
int ctl_deliveries_redeliver(ctl_t *ctl);
int ctl_deliveries_trigger(ctl_t *ctl);
int ctl_drill(ctl_t *ctl);
int ctl_secret_new(ctl_t *ctl);
int ctl_secret_list(ctl_t *ctl);
int ctl_secret_retire(ctl_t *ctl);
int ctl_prefixes(ctl_t *ctl);
int ctl_evidence(ctl_t *ctl);
int ctl_traffic(ctl_t *ctl);
int ctl_tunnels(ctl_t *ctl);
int ctl_ranges(ctl_t *ctl);
int ctl_jobs(ctl_t *ctl);
int ctl_status(ctl_t *ctl);
int ctl_explain(ctl_t *ctl);
int ctl_timers(ctl_t *ctl);
int ctl_proposals(ctl_t *ctl);
int ctl_advertise(ctl_t *ctl);
int ctl_withdraw(ctl_t *ctl);
int ctl_adopt(ctl_t *ctl);
int ctl_hold(ctl_t *ctl);
int ctl_release(ctl_t *ctl);
int ctl_window_add(ctl_t *ctl);
int ctl_window_list(ctl_t *ctl);
int ctl_window_remove(ctl_t *ctl);
int ctl_cancel(ctl_t *ctl);
int ctl_approve(ctl_t *ctl);
int ctl_deny(ctl_t *ctl);
int ctl_audit(ctl_t *ctl);
int ctl_audit_verify(ctl_t *ctl);
int ctl_replay(ctl_t *ctl);
int ctl_outbox_list(ctl_t *ctl);
int ctl_outbox_show(ctl_t *ctl);
int ctl_outbox_retry(ctl_t *ctl);
int ctl_outbox_drop(ctl_t *ctl);
int ctl_notify_test(ctl_t *ctl);
int ctl_ack(ctl_t *ctl);
int ctl_completion(ctl_t *ctl);
int ctl_import(ctl_t *ctl);
/* cmd_imported.c: --imported of events, of attacks and audit, of traffic. */
int ctl_imported_events(ctl_t *ctl);
int ctl_imported_actions(ctl_t *ctl);
int ctl_imported_traffic(ctl_t *ctl);
/*
 * old_name.c: called by the name of the system before, the words become those of the new command;
 * *pargc 0: nothing is left to do. A ctl_exit_e.
 */
int ctl_old_name(int *pargc, char ***pargv, apr_pool_t *p);

/* The attack as `attacks` shows it (cmd_list.c); now ends the duration of an open one. */
const char *ctl_attack_json(const cfmt_attack_row_t *a, apr_time_t now, apr_pool_t *p);
/* By any of its names (cmd_attack.c); complains. Returns a ctl_exit_e. */
int ctl_find_attack(const ctl_t *ctl, cfmt_store_t *s, const char *name, cfmt_attack_row_t *a);
/* A strip of n minutes (cmd_evidence.c), with its legend: one mark each, of a verdict and back. */
void ctl_strip_print(apr_time_t since, const char *marks, int n, apr_pool_t *p);
char ctl_strip_mark(const char *verdict);
const char *ctl_strip_verdict(char mark);

#endif
