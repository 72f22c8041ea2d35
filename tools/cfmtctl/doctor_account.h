/*
 * doctor: what was asked of Cloudflare's API. NULL: not asked, because there is no token, no
 * account or no transport.
 */
#ifndef CFMTCTL_DOCTOR_ACCOUNT_H
#define CFMTCTL_DOCTOR_ACCOUNT_H

#include "doctor.h"

struct doctor_account_t {
    doctor_ask_t *user, *own;   /* the token, where a user's and where an account's are verified */
    doctor_ask_t *parents;      /* of cfmt_bgp_prefix_t */
    apr_array_header_t *lists;  /* doctor_ask_t *, of cfmt_bgp_prefix_t: one for each parent */
    doctor_ask_t *change;       /* of a prefix that cannot exist */
    doctor_ask_t *analytics, *rules, *tunnels;
    doctor_ask_t *policies;     /* of cfmt_notice_policy_t */
    doctor_ask_t *destinations; /* of cfmt_destination_t */
    doctor_ask_t *ranges;       /* of cfmt_ranges_t */
};

/*
 * True: it has succeeded. Else that is said: skipped where another line has the reason (no token,
 * no connection), a warning where nobody knows.
 */
int doctor_answered(doctor_t *d, const doctor_ask_t *ask, const char *subject);
/* The upstream can be reached, TLS included. */
int doctor_api_reached(const doctor_t *d);

#endif
