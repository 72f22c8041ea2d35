/*
 * What the tests of intents share: made, claimed, brought to a state, read back.
 */
#ifndef CFMT_INTENTS_H
#define CFMT_INTENTS_H

#include "kit.h"
#include "rows.h"

#define A "203.0.113.0/24"
#define B "2001:db8::/32"
#define LEASE apr_time_from_sec(60)

static inline void begin(cfmt_store_t *s)
{
    ck_assert_int_eq(cfmt_store_begin(s, -1), APR_SUCCESS);
}

static inline void commit(cfmt_store_t *s)
{
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
}

static inline cfmt_intent_row_t wanted(const char *prefix, int want)
{
    cfmt_intent_row_t in = {.prefix = rows_cidr(prefix), .want = want, .cause = "attack",
                            .who = "policy", .created_at = KIT_T(1)};

    return in;
}

static inline apr_status_t create(cfmt_store_t *s, const char *prefix, int want, apr_int64_t supersede,
                           apr_int64_t *pid)
{
    cfmt_intent_row_t in = wanted(prefix, want);
    apr_status_t rv;

    begin(s);
    rv = cfmt_intent_create(s, &in, supersede, unit_pool);
    commit(s);
    *pid = in.id;
    return rv;
}

static inline apr_int64_t made(cfmt_store_t *s, const char *prefix, int want)
{
    apr_int64_t id;

    ck_assert_int_eq(create(s, prefix, want, 0, &id), APR_SUCCESS);
    return id;
}

static inline int claim(cfmt_store_t *s, apr_int64_t id, const char *owner, int at)
{
    int claimed = -1;

    begin(s);
    ck_assert_int_eq(cfmt_intent_claim(s, id, owner, KIT_T(at), LEASE, &claimed), APR_SUCCESS);
    commit(s);
    return claimed;
}

static inline apr_status_t change(cfmt_store_t *s, apr_int64_t id, cfmt_intent_change_t c)
{
    apr_status_t rv;

    begin(s);
    rv = cfmt_intent_change(s, id, &c, unit_pool);
    commit(s);
    return rv;
}

static inline void step(cfmt_store_t *s, apr_int64_t id, cfmt_intent_e state, int at)
{
    if (state == CFMT_INTENT_SENT) {
        ck_assert_int_eq(claim(s, id, "a", at), 1);
    }
    ck_assert_int_eq(change(s, id, (cfmt_intent_change_t){.state = state, .at = KIT_T(at),
                                                          .owner = state == CFMT_INTENT_SENT
                                                                       ? "a" : NULL}),
                     APR_SUCCESS);
}

/* The shortest way to each state but superseded. */
static inline void reach(cfmt_store_t *s, apr_int64_t id, cfmt_intent_e state, int at)
{
    if (state == CFMT_INTENT_REQUESTED) {
        return;
    }
    if (state == CFMT_INTENT_ACCEPTED || state == CFMT_INTENT_PROPAGATING
        || state == CFMT_INTENT_UNKNOWN) {
        step(s, id, CFMT_INTENT_SENT, at);
    }
    step(s, id, state, at);
}

static inline cfmt_intent_row_t load(cfmt_store_t *s, apr_int64_t id)
{
    cfmt_intent_row_t in;

    ck_assert_int_eq(cfmt_intent_load(s, &in, id, unit_pool), APR_SUCCESS);
    return in;
}

/* "kind origin body" of the last journal row. */
static inline const char *said(cfmt_store_t *s)
{
    return kit_text(s, "SELECT kind || ' ' || origin || ' ' || body FROM journal"
                       " ORDER BY id DESC LIMIT 1");
}

#define ROWS(s) kit_int(s, "SELECT count(*) FROM journal")

#endif
