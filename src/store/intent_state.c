/*
 * The states of an intent: names and which may follow which. Pure.
 */
#include <string.h>

#include "cfmt_store.h"

/* No due time that anybody sets lies so far ahead: it was set by a clock that was wrong. */
#define ABSURD apr_time_from_sec(30 * 86400)

static const char *const names[CFMT_INTENT_STATES] = {
    [CFMT_INTENT_REQUESTED] = "requested",     [CFMT_INTENT_SENT] = "sent",
    [CFMT_INTENT_ACCEPTED] = "accepted",       [CFMT_INTENT_PROPAGATING] = "propagating",
    [CFMT_INTENT_UNKNOWN] = "unknown",         [CFMT_INTENT_DONE] = "done",
    [CFMT_INTENT_REFUSED] = "refused",         [CFMT_INTENT_FAILED] = "failed",
    [CFMT_INTENT_CANCELLED] = "cancelled",     [CFMT_INTENT_SUPERSEDED] = "superseded",
};

#define TO(state) (1u << CFMT_INTENT_##state)

/*
 * Only what was never sent can be cancelled. Whether an unknown outcome came to pass is read, not
 * asked again; requested once more when it did not. What has no row here is final.
 */
static const unsigned follows[CFMT_INTENT_STATES] = {
    [CFMT_INTENT_REQUESTED] = TO(REQUESTED) | TO(SENT) | TO(DONE) | TO(REFUSED) | TO(FAILED)
                              | TO(CANCELLED) | TO(SUPERSEDED),
    [CFMT_INTENT_SENT] = TO(REQUESTED) | TO(ACCEPTED) | TO(PROPAGATING) | TO(UNKNOWN) | TO(REFUSED)
                         | TO(FAILED) | TO(SUPERSEDED),
    [CFMT_INTENT_ACCEPTED] = TO(ACCEPTED) | TO(REQUESTED) | TO(PROPAGATING) | TO(DONE) | TO(FAILED)
                             | TO(SUPERSEDED),
    [CFMT_INTENT_PROPAGATING] = TO(PROPAGATING) | TO(DONE) | TO(FAILED) | TO(SUPERSEDED),
    [CFMT_INTENT_UNKNOWN] = TO(UNKNOWN) | TO(REQUESTED) | TO(PROPAGATING) | TO(DONE) | TO(FAILED)
                            | TO(SUPERSEDED),
};

static int is_state(cfmt_intent_e state)
{
    return (unsigned)state < CFMT_INTENT_STATES;
}

const char *cfmt_intent_name(cfmt_intent_e state)
{
    return is_state(state) ? names[state] : "?";
}

int cfmt_intent_is_open(cfmt_intent_e state)
{
    return is_state(state) && follows[state];
}

int cfmt_intent_may(cfmt_intent_e from, cfmt_intent_e to)
{
    return is_state(from) && is_state(to) && (follows[from] >> to & 1u);
}

const char *cfmt_want_name(int want)
{
    return want ? "advertised" : "withdrawn";
}

int cfmt_intent_due(const cfmt_intent_row_t *in, apr_time_t now)
{
    apr_time_t due = in->next_at > in->not_before ? in->next_at : in->not_before;

    return cfmt_intent_is_open(in->state) && (due <= now || due > now + ABSURD);
}
