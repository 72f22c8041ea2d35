/*
 * Inside the room: events of journal rows that no alert describes.
 */
#ifndef CFMT_ROW_EVENT_H
#define CFMT_ROW_EVENT_H

#include "cfmt_store.h"

/* A recovered notification that is no JSON of an alert: shown, and nothing follows from it. */
void cfmt_row_text_event(cfmt_event_t *e, const cfmt_journal_row_t *row, apr_time_t ts,
                         apr_pool_t *p);
/* An operator ends the attack that ref names. */
void cfmt_row_close_event(cfmt_event_t *e, const cfmt_journal_row_t *row, const char *ref,
                          apr_pool_t *p);

/*
 * What traffic says of an attack (traffic.c of the policy), as a journal row `attack` and back.
 * CFMT_EINVALID: not one that this program writes. A JOIN is no event: *pid and *pwith are the two
 * then, else NULL.
 */
const char *cfmt_row_say(const cfmt_say_t *say, apr_pool_t *p);
/* "PREFIX: PPS, BPS dropped by SYSTEM", or that nothing dropped it: passed-pps= sees that, too. */
const char *cfmt_row_rates(const cfmt_cidr_t *prefix, double pps, double bps, cfmt_system_e by,
                           apr_pool_t *p);
apr_status_t cfmt_row_say_event(cfmt_event_t *e, const char **pid, const char **pwith,
                                const cfmt_journal_row_t *row, apr_pool_t *p);

#endif
