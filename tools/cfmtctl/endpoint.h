/*
 * The way of a delivery, as whoever delivers sees it: where to, with which secret, what was
 * answered; and bodies that look like Cloudflare's.
 */
#ifndef CFMTCTL_ENDPOINT_H
#define CFMTCTL_ENDPOINT_H

#include "act.h"

/* ---- endpoint.c ------------------------------------------------------------------------------ */

typedef struct ctl_endpoint_t {
    const char *url;
    const char *secret, *label; /* label: for people; the value is wiped with the pool */
    int sign;                   /* by signature instead of cf-webhook-auth (CfmtAuth hmac) */
    const char *senders;        /* CfmtSenders */
    const char *ca_file, *proxy;
} ctl_endpoint_t;

/*
 * --secret-file, read with the caller's own rights: before the store is opened. Complains. Returns
 * a ctl_exit_e.
 */
int ctl_endpoint_begin(ctl_endpoint_t *ep, const ctl_t *ctl);
/* The rest, by options and settings; complains. Returns a ctl_exit_e. */
int ctl_endpoint_find(ctl_endpoint_t *ep, const ctl_world_t *w);

typedef struct ctl_posted_t {
    apr_status_t status;      /* APR_SUCCESS: stored */
    int code;                 /* of HTTP; 0 = no answer */
    const char *result;       /* "stored" "test" "drill" "duplicate"; NULL = refused */
    apr_int64_t id;           /* journal row; 0 = none */
    const char *detail;       /* why not, and what to do about it; one sentence */
    apr_interval_time_t took;
} ctl_posted_t;

void ctl_post(ctl_posted_t *posted, const ctl_endpoint_t *ep, const char *body, apr_pool_t *p);
/* The exit code of what was answered. */
int ctl_posted_code(const ctl_posted_t *posted);

/* ---- sample.c -------------------------------------------------------------------------------- */

typedef struct ctl_sample_t {
    const char *type;          /* one that cfmt_alert_types() has */
    int end;                   /* the END of what a START of the same type and target began */
    const char *prefix;        /* of ours */
    const char *target;        /* an address in it */
    const char *account;       /* NULL = none */
    const char *mark;          /* the first member: "\"cfmt_drill\":\"alice\"" */
    const char *who;           /* for the name of the policy */
    apr_time_t now;
} ctl_sample_t;

const char *ctl_sample(const ctl_sample_t *s, apr_pool_t *p);
/* Is there a sample of this type? */
int ctl_sample_has(const char *type);
/* Operand `at`, else the first prefix that can be advertised, else the first configured. */
int ctl_sample_target(ctl_sample_t *s, const ctl_world_t *w, int at);

#endif
