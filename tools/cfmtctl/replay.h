/*
 * Private to `replay`: the journal through the policy again.
 */
#ifndef CTL_REPLAY_H
#define CTL_REPLAY_H

#include "cfmt_replay.h"
#include "cfmtctl.h"

typedef struct ctl_replay_t {
    ctl_world_t w;
    cfmt_replay_conf_t conf;
    const apr_table_t *policy; /* NULL = the same */
    int pass, passes;          /* through the journal */
    apr_int64_t row;           /* of this pass */
    apr_time_t shown_at;       /* monotonic: the progress line */
} ctl_replay_t;

/* What a file says; complains of each wrong line. Returns a ctl_exit_e. */
int ctl_replay_policy(const apr_table_t **ppolicy, const ctl_t *ctl);
void ctl_replay_print_check(const ctl_replay_t *x, const cfmt_replay_check_t *c);
void ctl_replay_print_compare(const ctl_replay_t *x, const cfmt_replay_compare_t *c);

#endif
