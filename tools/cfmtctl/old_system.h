/*
 * What is left on this host of the system that mod_cfmt replaces: its services and cron jobs. Two
 * programs that withdraw prefixes would undo each other's work.
 */
#ifndef CFMTCTL_OLD_SYSTEM_H
#define CFMTCTL_OLD_SYSTEM_H

#include <apr_tables.h>

typedef struct ctl_old_t {
    const char *what;   /* "service" "timer" "cron job" */
    const char *name;   /* "cloudflare-webhook.service", "cloudflare-mt-withdrawals" */
    const char *path;   /* the file that defines it; NULL = only seen running */
    int enabled;        /* it starts by itself: at boot, or by cron */
    int running;        /* now; of services only */
    const char *retire; /* the command that ends it, for good */
} ctl_old_t;

/* Array of ctl_old_t in p; reads only what everybody may read. */
apr_array_header_t *ctl_old_system(apr_pool_t *p);

#endif
