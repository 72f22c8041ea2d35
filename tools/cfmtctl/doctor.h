/*
 * cfmtctl doctor: what its files share. A check is a row of the table in cmd_doctor.c: it may ask
 * somebody (all ask at once), and when all answers are there, or their time is over, it says its
 * lines.
 */
#ifndef CFMTCTL_DOCTOR_H
#define CFMTCTL_DOCTOR_H

#include "cfmt_cloudflare.h"
#include "cfmtctl.h"

#define DOCTOR_LIMIT apr_time_from_sec(5) /* for whoever is asked */
#define DOCTOR_BODY_MAX 65536

typedef enum { DOCTOR_OK, DOCTOR_SKIP, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_VERDICTS } doctor_e;

typedef struct doctor_t doctor_t;
typedef struct doctor_account_t doctor_account_t;
typedef struct doctor_channel_t doctor_channel_t;
typedef struct doctor_host_t doctor_host_t;
typedef struct doctor_own_t doctor_own_t;

typedef struct doctor_check_t {
    const char *name;
    const char *remedy;          /* of lines that do not say their own */
    int network;                 /* not with --offline */
    void (*start)(doctor_t *d);  /* asks; NULL = nobody */
    void (*judge)(doctor_t *d);  /* says at least one line */
} doctor_check_t;

struct doctor_t {
    ctl_t *ctl;
    apr_pool_t *p;
    cfmt_store_t *store;         /* NULL: it cannot be used */
    const char *store_why;       /* then */
    apr_table_t *settings;       /* as published at httpd's start; may be empty */
    apr_time_t now;
    int offline;
    const doctor_check_t *check; /* whose turn it is */
    apr_array_header_t *lines;
    int count[DOCTOR_VERDICTS];
    cfmt_http_t *http;
    apr_array_header_t *waits;   /* doctor_wait_t * */
    const char *token;           /* of the API; NULL: not to be had, and ... */
    const char *token_why, *token_remedy;
    doctor_e token_verdict;      /* ... so bad is that */
    doctor_account_t *account;   /* of doctor_account.c; NULL: nothing could be asked */
    apr_array_header_t *hosts;   /* doctor_host_t *, of doctor_hosts.c */
    apr_array_header_t *channels; /* doctor_channel_t *, of doctor_channels.c */
    doctor_own_t *own;           /* of doctor_own.c; NULL: no CfmtPublicUrl */
};

/*
 * A line of the check whose turn it is. subject: host, prefix, channel, ...; NULL = none. remedy:
 * NULL = that of the table; none is shown where all is well.
 */
void doctor_say(doctor_t *d, doctor_e v, const char *subject, const char *remedy, const char *fmt,
                ...) __attribute__((format(printf, 5, 6)));

/* ---- doctor_wait.c --------------------------------------------------------------------------- */

/* Somebody was asked. First member of whatever knows more. */
typedef struct doctor_wait_t {
    apr_time_t until; /* monotonic */
    int over;         /* answered, or late */
    int late;
} doctor_wait_t;

/* One request and what came back. */
typedef struct doctor_fetch_t {
    doctor_wait_t w;
    apr_pool_t *p;
    cfmt_http_answer_t a; /* text in p; status CFMT_ENET while it is not there */
    char *body;           /* of at most DOCTOR_BODY_MAX bytes, ended by a NUL */
    apr_size_t len;
} doctor_fetch_t;

/* request: url, method, headers, body, secret, family, connect_only. NULL: it cannot be asked. */
doctor_fetch_t *doctor_fetch(doctor_t *d, const cfmt_http_request_t *request);

/* One call to Cloudflare's API. Each has a breaker of its own: one failure hides no other. */
typedef struct doctor_ask_t {
    doctor_wait_t w;
    doctor_t *d;
    cfmt_api_result_t result; /* text in d->p; CFMT_ENET while it is not there */
    apr_array_header_t *rows; /* of what read makes */
    /* A row of the answer becomes an element of rows; NULL = rows do not matter. */
    apr_status_t (*read)(struct doctor_ask_t *ask, void *element, const cfmt_json_t *row);
    /* It has ended; may ask further. NULL = nothing is to be done. */
    void (*then)(struct doctor_ask_t *ask);
    void *baton;
} doctor_ask_t;

/* call without row, done and baton; the other members as in *like, which is copied. */
doctor_ask_t *doctor_ask(doctor_t *d, const cfmt_api_call_t *call, const doctor_ask_t *like);
/* What did not come of it, for people. */
const char *doctor_ask_why(const doctor_ask_t *ask);

void doctor_wait_for(doctor_t *d, doctor_wait_t *w);
/* Until all is answered or late. */
void doctor_wait(doctor_t *d);

/* ---- the checks ------------------------------------------------------------------------------ */

/* doctor_local.c */
void doctor_settings(doctor_t *d);
void doctor_version(doctor_t *d);
void doctor_mode(doctor_t *d);
void doctor_database(doctor_t *d);
void doctor_deliveries(doctor_t *d);
void doctor_token_file(doctor_t *d);
void doctor_secrets(doctor_t *d);
void doctor_old(doctor_t *d);
/* doctor_hosts.c */
void doctor_hosts_start(doctor_t *d);
void doctor_dns(doctor_t *d);
void doctor_ipv4(doctor_t *d);
void doctor_ipv6(doctor_t *d);
void doctor_tls(doctor_t *d);
/* doctor_own.c */
void doctor_own_start(doctor_t *d);
void doctor_certificate(doctor_t *d);
void doctor_webhook(doctor_t *d);
/* doctor_account.c */
void doctor_account_start(doctor_t *d);
void doctor_clock(doctor_t *d);
void doctor_token(doctor_t *d);
void doctor_permissions(doctor_t *d);
void doctor_magic(doctor_t *d);
void doctor_policies(doctor_t *d);
void doctor_destination(doctor_t *d);
void doctor_ranges(doctor_t *d);
/* doctor_prefixes.c */
void doctor_prefixes(doctor_t *d);
/* doctor_channels.c */
void doctor_channels_start(doctor_t *d);
void doctor_channels(doctor_t *d);

#endif
