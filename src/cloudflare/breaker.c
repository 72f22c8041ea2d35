/*
 * When not to ask at all: after failures in a row, or when the token is refused, there is one probe
 * at a time, with growing pauses.
 */
#include "cfmt_cloudflare.h"

#define FAILED_PAUSE apr_time_from_sec(10)
#define FAILED_PAUSE_MAX apr_time_from_sec(300)
#define TOKEN_PAUSE apr_time_from_sec(60)
#define TOKEN_PAUSE_MAX apr_time_from_sec(900)
/* A probe of which nothing was heard for longer than any transfer takes is none. */
#define PROBE_LIMIT apr_time_from_sec(60)
#define PROBE_ASK apr_time_from_sec(1)

const char *cfmt_breaker_name(cfmt_breaker_e b)
{
    static const char *const names[] = {
        [CFMT_BREAKER_CLOSED] = "closed",
        [CFMT_BREAKER_OPEN] = "open",
        [CFMT_BREAKER_HALF] = "half-open",
    };

    return names[b];
}

static void enter(cfmt_breaker_t *b, cfmt_breaker_e state, apr_time_t now)
{
    b->state = state;
    b->since = now;
    b->probe_at = 0;
}

/* A clock that was set back takes the probe with it, or it would never be due. */
static void follow_clock(cfmt_breaker_t *b, apr_time_t now)
{
    if (now < b->since) {
        b->probe_at -= b->probe_at ? b->since - now : 0;
        b->since = now;
    }
}

apr_time_t cfmt_breaker_allow(cfmt_breaker_t *b, apr_time_t now)
{
    follow_clock(b, now);
    if (b->state == CFMT_BREAKER_CLOSED) {
        return 0;
    }
    if (b->state == CFMT_BREAKER_OPEN && now < b->probe_at) {
        return b->probe_at;
    }
    if (b->state == CFMT_BREAKER_HALF && now - b->since < PROBE_LIMIT) {
        return now + PROBE_ASK;
    }
    enter(b, CFMT_BREAKER_HALF, now);
    return 0;
}

static void open_up(cfmt_breaker_t *b, apr_time_t now)
{
    apr_interval_time_t pause = b->why == CFMT_EAUTH ? TOKEN_PAUSE : FAILED_PAUSE;
    apr_interval_time_t most = b->why == CFMT_EAUTH ? TOKEN_PAUSE_MAX : FAILED_PAUSE_MAX;
    int i;

    for (i = 0; i < b->opened && pause < most; i++) {
        pause *= 2;
    }
    b->opened++;
    enter(b, CFMT_BREAKER_OPEN, now);
    b->probe_at = now + (pause < most ? pause : most);
}

void cfmt_breaker_pass(cfmt_breaker_t *b, apr_time_t now)
{
    if (b->state == CFMT_BREAKER_HALF) {
        enter(b, CFMT_BREAKER_OPEN, now);
        b->probe_at = now;
    }
}

void cfmt_breaker_note(cfmt_breaker_t *b, apr_status_t rv, apr_time_t now)
{
    follow_clock(b, now);
    if (rv == APR_SUCCESS || rv == CFMT_ELIMIT || rv == CFMT_EREFUSED) {
        b->last_ok = rv == APR_SUCCESS ? now : b->last_ok;
        b->fails = 0;
        b->opened = 0;
        if (b->state != CFMT_BREAKER_CLOSED) {
            enter(b, CFMT_BREAKER_CLOSED, now);
        }
        return;
    }
    b->why = rv;
    b->fails++;
    /* Calls that were under way when it opened must not lengthen the pause. */
    if (b->state == CFMT_BREAKER_HALF
        || (b->state == CFMT_BREAKER_CLOSED
            && (rv == CFMT_EAUTH || b->fails >= CFMT_BREAKER_FAILS))) {
        open_up(b, now);
    }
}
