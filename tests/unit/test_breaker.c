/*
 * Unit tests of src/cloudflare/breaker.c.
 */
#include <string.h>

#include "cfmt_cloudflare.h"
#include "kit.h"
#include "unit.h"

#define T(n) (apr_time_from_sec(1700000000) + apr_time_from_sec(n))

/*
 * One step: at second at a call is asked for (rv -1), which must be allowed (wait 0) or put off by
 * wait seconds, or a call ends with rv; then the breaker is in that state.
 */
typedef struct step_t {
    int at;
    apr_status_t rv;
    int wait;
    cfmt_breaker_e state;
} step_t;

#define ASK (-1)
#define END_OF_STEPS {0, 0, -1, CFMT_BREAKER_CLOSED}
#define CLOSED CFMT_BREAKER_CLOSED
#define OPEN CFMT_BREAKER_OPEN
#define HALF CFMT_BREAKER_HALF

static const step_t tables[][32] = {
    /* three in a row, then probes after 10, 20, 40 s ... 5 min; a success closes it */
    {{0, ASK, 0, CLOSED}, {0, CFMT_ENET, 0, CLOSED}, {1, CFMT_ESERVER, 0, CLOSED},
     {1, ASK, 0, CLOSED}, {2, CFMT_EANSWER, 0, OPEN}, {2, ASK, 10, OPEN}, {11, ASK, 1, OPEN},
     {12, ASK, 0, HALF}, {12, ASK, 1, HALF}, {13, CFMT_ENET, 0, OPEN}, {13, ASK, 20, OPEN},
     {33, ASK, 0, HALF}, {33, CFMT_ENET, 0, OPEN}, {33, ASK, 40, OPEN}, {73, ASK, 0, HALF},
     {73, CFMT_ENET, 0, OPEN}, {73, ASK, 80, OPEN}, {200, ASK, 0, HALF},
     {200, CFMT_ENET, 0, OPEN}, {200, ASK, 160, OPEN}, {400, ASK, 0, HALF},
     {400, CFMT_ENET, 0, OPEN}, {400, ASK, 300, OPEN}, {700, ASK, 0, HALF},
     {700, CFMT_ENET, 0, OPEN}, {700, ASK, 300, OPEN}, {1000, ASK, 0, HALF},
     {1001, APR_SUCCESS, 0, CLOSED}, {1001, ASK, 0, CLOSED}, END_OF_STEPS},
    /* after that it begins anew */
    {{0, CFMT_ENET, 0, CLOSED}, {0, CFMT_ENET, 0, CLOSED}, {0, CFMT_ENET, 0, OPEN},
     {10, ASK, 0, HALF}, {10, CFMT_ENET, 0, OPEN}, {30, ASK, 0, HALF}, {30, APR_SUCCESS, 0, CLOSED},
     {31, CFMT_ENET, 0, CLOSED}, {31, CFMT_ENET, 0, CLOSED}, {31, CFMT_ENET, 0, OPEN},
     {31, ASK, 10, OPEN}, END_OF_STEPS},
    /* in a row: who answers, be it with a refusal, lives */
    {{0, CFMT_ENET, 0, CLOSED}, {0, CFMT_ENET, 0, CLOSED}, {0, CFMT_EREFUSED, 0, CLOSED},
     {0, CFMT_ENET, 0, CLOSED}, {0, CFMT_ENET, 0, CLOSED}, {0, CFMT_ELIMIT, 0, CLOSED},
     {0, CFMT_ENET, 0, CLOSED}, {0, CFMT_ENET, 0, CLOSED}, {0, APR_SUCCESS, 0, CLOSED},
     {0, CFMT_ENET, 0, CLOSED}, {0, CFMT_ENET, 0, CLOSED}, {0, CFMT_ENET, 0, OPEN},
     {10, ASK, 0, HALF}, {10, CFMT_EREFUSED, 0, CLOSED}, END_OF_STEPS},
    /* the token: at once, 1 min to 15 min */
    {{0, CFMT_EAUTH, 0, OPEN}, {0, ASK, 60, OPEN}, {60, ASK, 0, HALF}, {60, CFMT_EAUTH, 0, OPEN},
     {60, ASK, 120, OPEN}, {180, ASK, 0, HALF}, {180, CFMT_EAUTH, 0, OPEN}, {180, ASK, 240, OPEN},
     {500, ASK, 0, HALF}, {500, CFMT_EAUTH, 0, OPEN}, {500, ASK, 480, OPEN}, {1000, ASK, 0, HALF},
     {1000, CFMT_EAUTH, 0, OPEN}, {1000, ASK, 900, OPEN}, {1900, ASK, 0, HALF},
     {1900, CFMT_EAUTH, 0, OPEN}, {1900, ASK, 900, OPEN}, END_OF_STEPS},
    /* calls that were under way when it opened do not lengthen the pause; a success ends it */
    {{0, CFMT_ENET, 0, CLOSED}, {0, CFMT_ENET, 0, CLOSED}, {0, CFMT_ENET, 0, OPEN},
     {5, CFMT_ENET, 0, OPEN}, {5, CFMT_ENET, 0, OPEN}, {5, ASK, 5, OPEN},
     {6, APR_SUCCESS, 0, CLOSED}, END_OF_STEPS},
    /* a probe that never ended is forgotten after a minute */
    {{0, CFMT_EAUTH, 0, OPEN}, {60, ASK, 0, HALF}, {119, ASK, 1, HALF}, {120, ASK, 0, HALF},
     {121, ASK, 1, HALF}, END_OF_STEPS},
    /* the clock is set back: no longer than the pause was */
    {{5000, CFMT_EAUTH, 0, OPEN}, {100, ASK, 60, OPEN}, {159, ASK, 1, OPEN}, {160, ASK, 0, HALF},
     {10, ASK, 1, HALF}, {69, ASK, 1, HALF}, {70, ASK, 0, HALF}, END_OF_STEPS},
};

static void run_step(cfmt_breaker_t *b, const step_t *s, int table, int n)
{
    apr_time_t when;

    if (s->rv == ASK) {
        when = cfmt_breaker_allow(b, T(s->at));
        ck_assert_msg(when == (s->wait ? T(s->at + s->wait) : 0), "table %d step %d: %ld s", table,
                      n, (long)(when ? apr_time_sec(when - T(s->at)) : 0));
    }
    else {
        cfmt_breaker_note(b, s->rv, T(s->at));
    }
    ck_assert_msg(b->state == s->state, "table %d step %d: %s", table, n,
                  cfmt_breaker_name(b->state));
    ck_assert((b->state == OPEN) == (b->probe_at != 0));
}

START_TEST(test_tables)
{
    int t, n;

    for (t = 0; t < KIT_COUNT(tables); t++) {
        cfmt_breaker_t b = {0};

        for (n = 0; tables[t][n].wait >= 0; n++) {
            run_step(&b, &tables[t][n], t, n);
        }
        ck_assert_int_gt(n, 4);
    }
}
END_TEST

/* What health shows. */
START_TEST(test_members)
{
    cfmt_breaker_t b = {0};

    ck_assert_int_eq(b.last_ok, 0);
    cfmt_breaker_note(&b, CFMT_EREFUSED, T(1));
    ck_assert_int_eq(b.last_ok, 0);
    cfmt_breaker_note(&b, APR_SUCCESS, T(2));
    ck_assert_int_eq(b.last_ok, T(2));
    cfmt_breaker_note(&b, CFMT_ESERVER, T(3));
    ck_assert(b.fails == 1 && b.why == CFMT_ESERVER && b.last_ok == T(2));
    cfmt_breaker_note(&b, CFMT_EAUTH, T(4));
    ck_assert(b.fails == 2 && b.opened == 1 && b.since == T(4) && b.why == CFMT_EAUTH);
    cfmt_breaker_note(&b, APR_SUCCESS, T(5));
    ck_assert(b.fails == 0 && b.opened == 0 && b.since == T(5));
}
END_TEST

/* Whatever happens: a wait is in the future and ends within 15 min. */
START_TEST(test_bounded)
{
    static const apr_status_t ends[] = {APR_SUCCESS, CFMT_ENET, CFMT_EANSWER, CFMT_ESERVER,
                                        CFMT_EAUTH, CFMT_ELIMIT, CFMT_EREFUSED, CFMT_ENET,
                                        CFMT_EAUTH};
    cfmt_breaker_t b = {0};
    apr_time_t now = T(0), when;
    unsigned seed = 1;
    int i;

    for (i = 0; i < 100000; i++) {
        now += apr_time_from_sec((int)kit_random(&seed, 2000) - (kit_random(&seed, 9) ? 0 : 50000));
        when = cfmt_breaker_allow(&b, now);
        ck_assert(when == 0 || (when > now && when - now <= apr_time_from_sec(900)));
        if (kit_random(&seed, 2)) {
            cfmt_breaker_note(&b, ends[kit_random(&seed, KIT_COUNT(ends))], now);
        }
    }
}
END_TEST

START_TEST(test_names)
{
    ck_assert_str_eq(cfmt_breaker_name(CLOSED), "closed");
    ck_assert_str_eq(cfmt_breaker_name(OPEN), "open");
    ck_assert_str_eq(cfmt_breaker_name(HALF), "half-open");
}
END_TEST

UNIT_SUITE_BEGIN(breaker)
    UNIT_TEST(test_tables)
    UNIT_TEST(test_members)
    UNIT_TEST(test_bounded)
    UNIT_TEST(test_names)
UNIT_SUITE_END
