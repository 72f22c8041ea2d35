/*
 * Room engine, its second part: a journal that goes through the policy again. The store it comes
 * from is only read; everything happens in a scratch store, with the code that decides in a round.
 */
#ifndef CFMT_REPLAY_H
#define CFMT_REPLAY_H

#include "cfmt_store.h"

typedef struct cfmt_replay_conf_t {
    cfmt_store_t *source;
    const char *dir;             /* private and empty: the scratch stores are made in it */
    apr_time_t from, to;         /* of what is asked for, `to` exclusive; state is always rebuilt
                                    from the first row on */
    const cfmt_log_t *log;
    /* Now and then; not 0 ends it (APR_EINTR). NULL = nobody wants to know. */
    int (*progress)(void *baton, apr_int64_t row, apr_int64_t last);
    void *baton;
} cfmt_replay_conf_t;

/* ---- replay.c: what can be replayed ---------------------------------------------------------- */

typedef struct cfmt_replay_range_t {
    apr_time_t first;    /* of the journal's rows; 0 = it is empty */
    apr_time_t earliest; /* decisions from then on rest on what is all still there */
    apr_time_t last;
    const char *why;     /* earliest is later than first: "evidence", "journal"; else NULL */
} cfmt_replay_range_t;
apr_status_t cfmt_replay_range(cfmt_store_t *source, cfmt_replay_range_t *range, apr_pool_t *p);

/* ---- replay_check.c: the same policy --------------------------------------------------------- */

/* A decision that came out differently. */
typedef struct cfmt_replay_diff_t {
    apr_int64_t row;
    apr_time_t at;
    cfmt_cidr_t prefix;
    const char *verdict, *red, *text; /* as journaled; text: where they begin to differ */
    const char *now_verdict, *now_red, *now_text; /* NULL: there is no such prefix */
} cfmt_replay_diff_t;

#define CFMT_REPLAY_DIFFS_MAX 50

typedef struct cfmt_replay_check_t {
    apr_int64_t rows, decisions; /* gone through, and how many of them are decisions asked for */
    apr_int64_t same, different;
    apr_int64_t inexact;         /* without what they rested on: of an older version, or damaged */
    apr_array_header_t *diffs;   /* cfmt_replay_diff_t: the first of them */
} cfmt_replay_check_t;

/* Every decision of [from, to) once more, byte by byte. Lives in p. */
apr_status_t cfmt_replay_check(cfmt_replay_check_t *check, const cfmt_replay_conf_t *conf,
                               cfmt_result_t *r, apr_pool_t *p);

/* ---- replay_compare.c: another policy -------------------------------------------------------- */

/* Messages that people would have had. */
typedef enum {
    CFMT_REPLAY_WITHDRAWN,     /* by policy */
    CFMT_REPLAY_ADVERTISED,    /* by policy */
    CFMT_REPLAY_NOT_PROTECTED,
    CFMT_REPLAY_PROPOSED,
    CFMT_REPLAY_WOULD,         /* observe */
    CFMT_REPLAY_ORPHAN,
    CFMT_REPLAY_MESSAGES
} cfmt_replay_message_e;
const char *cfmt_replay_message_name(cfmt_replay_message_e m);

/* What one policy makes of one advertisement, until the next one of that prefix begins. */
typedef struct cfmt_replay_course_t {
    apr_time_t advertised_at;   /* 0 = with this policy it was not advertised */
    apr_time_t withdrawn_at;    /* first; 0 = it stayed advertised */
    int by_policy;              /* that withdrawal */
    int again;                  /* how often it was advertised again by policy */
    apr_interval_time_t paid;   /* advertised */
    apr_interval_time_t exposed; /* attack open, or attack traffic, and not advertised */
    int messages[CFMT_REPLAY_MESSAGES];
} cfmt_replay_course_t;

typedef struct cfmt_replay_advertisement_t {
    cfmt_cidr_t prefix;
    apr_time_t at;              /* it began, as Cloudflare says; 0 = never in fact */
    apr_time_t ended_at;        /* in fact; 0 = not yet */
    cfmt_replay_course_t was, would; /* by the policy in force then; by the other one */
} cfmt_replay_advertisement_t;

typedef struct cfmt_replay_compare_t {
    apr_int64_t rows;
    apr_array_header_t *advertisements; /* cfmt_replay_advertisement_t, by time and prefix */
    cfmt_replay_course_t was, would;    /* sums: paid, exposed, again, messages */
    int earlier, later, same;           /* withdrawals */
} cfmt_replay_compare_t;

/*
 * policy: settings (names as published) that stand above those of the journal. What Cloudflare was
 * asked for then is what is known: see docs/correctness.md for what is assumed besides.
 */
apr_status_t cfmt_replay_compare(cfmt_replay_compare_t *out, const cfmt_replay_conf_t *conf,
                                 const apr_table_t *policy, cfmt_result_t *r, apr_pool_t *p);

#endif
