/*
 * What the parts of `cfmtctl import` share: where the old system's files are, what they say, and
 * what became of each.
 */
#ifndef CFMTCTL_IMPORT_H
#define CFMTCTL_IMPORT_H

#include <sys/types.h>

#include "cfmt_store_import.h"
#include "cfmtctl.h"
#include "old_system.h"

typedef enum {
    CTL_SOURCE_SETTINGS, /* settings.json */
    CTL_SOURCE_MAPPING,  /* prefix_mapping.json */
    CTL_SOURCE_DATABASE, /* magic_transit.db */
    CTL_SOURCE_WEBHOOKS  /* a file, or a directory of files, each a body that came in */
} ctl_source_e;

typedef struct ctl_source_t {
    ctl_source_e what;
    const char *path;    /* without links */
    uid_t uid;           /* whose it is */
    gid_t gid;
} ctl_source_t;

/* Something that was not understood. Members may be NULL. */
typedef struct ctl_unread_t {
    const char *source, *id, *column, *value, *why;
} ctl_unread_t;

/* Of one table, or of the files. */
typedef struct ctl_tally_t {
    const char *source;
    apr_int64_t rows, fresh, known, ambiguous, unread;
} ctl_tally_t;

typedef struct ctl_old_prefix_t {
    cfmt_cidr_t cidr;
    const char *text;    /* as it stands there */
    const char *name;    /* for name=; NULL = none */
    const char *description;
} ctl_old_prefix_t;

/* What the old system's settings come to. Text is NULL where it said nothing. */
typedef struct ctl_old_settings_t {
    const char *account, *token, *secret, *bot, *chat;
    apr_array_header_t *prefixes; /* ctl_old_prefix_t */
    const char *route;            /* where Cloudflare posts to */
} ctl_old_settings_t;

/* A file that was to be written. */
typedef struct ctl_written_t {
    const char *path;
    const char *how;     /* "written" "same" "kept" "would be written" */
} ctl_written_t;

typedef struct ctl_import_t {
    ctl_t *ctl;
    apr_pool_t *p;
    apr_array_header_t *sources; /* ctl_source_t */
    ctl_old_settings_t settings;
    apr_array_header_t *written; /* ctl_written_t */
    apr_array_header_t *tallies; /* ctl_tally_t * */
    apr_array_header_t *unread;  /* ctl_unread_t */
    apr_array_header_t *proxies; /* ctl_proxy_t */
    apr_array_header_t *old;     /* ctl_old_t */
    int dry;
    int part;    /* something could not be read as a whole */
    int history; /* it was read, or at least looked through */
} ctl_import_t;

/* All but source may be NULL; what is given is copied. */
void ctl_import_unread(ctl_import_t *im, const char *source, const char *id, const char *column,
                       const char *value, const char *why);
ctl_tally_t *ctl_import_tally(ctl_import_t *im, const char *source);

/* ---- import_find.c --------------------------------------------------------------------------- */

/* Looks for them at the operands, and below. Complains; a ctl_exit_e. */
int ctl_import_find(ctl_import_t *im);
/* The text of a file of at most max bytes, with its length; NULL with errno. Follows no link. */
const char *ctl_import_text(const char *path, apr_size_t max, apr_size_t *plen, apr_pool_t *p);

/* ---- import_settings.c ----------------------------------------------------------------------- */

/* Fills im->settings from the sources; what cannot be used is noted as unread. */
void ctl_import_settings(ctl_import_t *im);

/* ---- import_conf.c --------------------------------------------------------------------------- */

/* The secret files and cfmt.conf. Complains; a ctl_exit_e. */
int ctl_import_conf(ctl_import_t *im);

/* ---- import_read.c --------------------------------------------------------------------------- */

/* Another process, which reads databases and files each as the user whose they are. */
typedef struct ctl_reader_t {
    pid_t pid;
    FILE *lines;
} ctl_reader_t;
/* Before this process gives up root. -1 with errno. */
int ctl_reader_start(ctl_reader_t *rd, const ctl_import_t *im);
void ctl_reader_end(ctl_reader_t *rd);

/* ---- import_row.c ---------------------------------------------------------------------------- */

/* A row as the journal is to have it, in p. */
typedef struct ctl_row_t {
    const char *source;
    const char *name;    /* as cfmt_import_t has it */
    const char *body;
    int nameless;        /* it had no id: others may have the same name */
    int ambiguous, unread; /* how many of its values */
} ctl_row_t;

/* From a line of the reader. What is not understood is noted, and kept as it is. */
void ctl_import_row(ctl_import_t *im, ctl_row_t *row, const cfmt_json_t *line, apr_pool_t *p);

/* ---- import_rows.c --------------------------------------------------------------------------- */

/* All that the reader says, into the store (NULL: it is only counted). A ctl_exit_e. */
int ctl_import_rows(ctl_import_t *im, ctl_reader_t *rd, cfmt_store_t *s);

/* ---- import_time.c --------------------------------------------------------------------------- */

typedef enum { CTL_TIME_NONE, CTL_TIME_CERTAIN, CTL_TIME_AMBIGUOUS } ctl_time_e;

/*
 * A time as the old system wrote it: with T or a blank, with a zone or without, or a number of
 * seconds. Without a zone it is taken for UTC, and is ambiguous where this host's zone differed.
 */
ctl_time_e ctl_old_time(apr_time_t *pt, const char *text, apr_pool_t *p);

/* ---- old_proxy.c ----------------------------------------------------------------------------- */

typedef struct ctl_proxy_t {
    const char *path;    /* of the configuration file, without links */
    int line;
    const char *text;    /* the directive */
    const char *route;   /* the path of its URL; NULL = not known */
    int sure;            /* it names what was ours; else any program of this host */
    const char *retire;  /* the command that comments it out */
} ctl_proxy_t;

/* Lines of this host's httpd that pass requests on to a program on it. */
apr_array_header_t *ctl_old_proxies(apr_pool_t *p);

/* ---- import_report.c ------------------------------------------------------------------------- */

/* What was found, written and kept, and what is left to do. */
void ctl_import_report(const ctl_import_t *im);

#endif
