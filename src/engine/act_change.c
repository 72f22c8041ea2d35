/*
 * How an intent changes, and what people are told of it: that it is done, was refused, has failed,
 * or goes on failing. Each change is one transaction.
 */
#include <string.h>

#include <apr_strings.h>

#include "deeds.h"
#include "news_of.h"

#define STEP_WAIT apr_time_from_msec(250)
#define RETRY apr_time_from_sec(10)
#define RETRY_MAX apr_time_from_sec(300)
#define LOUD_AGAIN apr_time_from_sec(3600)

const char *cfmt_act_verb(const cfmt_intent_row_t *in)
{
    return in->want ? "advertise" : "withdraw";
}

static const char *prefix_of(const cfmt_look_t *l, const cfmt_intent_row_t *in)
{
    return cfmt_cidr_format(l->p, &in->prefix);
}

static int is_by_hand(const cfmt_intent_row_t *in)
{
    return strcmp(in->who, "policy") != 0;
}

/* ---- how loudly ------------------------------------------------------------------------------ */

/*
 * What failed so far, of which the 1st and 3rd in a row are told, then one each hour. The policy
 * makes one intent after the other where an operator's is tried again and again.
 */
static cfmt_memory_t *failures(const cfmt_look_t *l, const cfmt_intent_row_t *in)
{
    cfmt_memory_t *m = cfmt_scene_memory(l->e, &in->prefix);
    apr_int64_t whose = is_by_hand(in) ? in->id : 0;

    if (m->failing != whose) {
        m->failing = whose;
        m->failed = 0;
    }
    return m;
}

/* The next failure would be told. */
static int is_loud(const cfmt_look_t *l, const cfmt_memory_t *m)
{
    return m->failed == 0 || m->failed == 2 || l->now - m->told_failing_at >= LOUD_AGAIN;
}

/* Of a failure, which is counted. */
static cfmt_level_e loudness(const cfmt_look_t *l, const cfmt_intent_row_t *in)
{
    cfmt_memory_t *m = failures(l, in);
    int loud = is_loud(l, m);

    m->failed++;
    m->told_failing_at = loud ? l->now : m->told_failing_at;
    return loud ? CFMT_LOG_ERR : CFMT_LOG_INFO;
}

/* An operator's that has come to its end is always told. */
static cfmt_level_e end_loudness(const cfmt_look_t *l, const cfmt_intent_row_t *in)
{
    return is_by_hand(in) ? CFMT_LOG_ERR : loudness(l, in);
}

/* ---- what people are told -------------------------------------------------------------------- */

static cfmt_news_e kind_of(const cfmt_intent_row_t *in, cfmt_intent_e state)
{
    return state == CFMT_INTENT_DONE ? in->want ? CFMT_NEWS_ADVERTISED : CFMT_NEWS_WITHDRAWN
           : state == CFMT_INTENT_REFUSED ? CFMT_NEWS_REFUSED : CFMT_NEWS_FAILED;
}

/*
 * Done is told by the change itself (outcome_news.c), as the same news, where one was seen. What
 * goes on failing is told several times.
 */
static const char *once_of(const cfmt_intent_row_t *in, cfmt_news_e kind, cfmt_intent_e state,
                           apr_pool_t *p)
{
    const char *once = apr_psprintf(p, "%s intent %" APR_INT64_T_FMT, cfmt_news_name(kind),
                                    in->id);

    return state == CFMT_INTENT_REQUESTED ? apr_psprintf(p, "%s %d", once, in->attempts) : once;
}

static const char *next_of(const cfmt_intent_row_t *in, cfmt_intent_e state)
{
    return state == CFMT_INTENT_REQUESTED ? "it is tried again"
           : state == CFMT_INTENT_DONE    ? NULL
           : is_by_hand(in)               ? "nothing, unless it is asked for again"
                                          : "the policy decides anew";
}

static const char *cause_of(const cfmt_intent_row_t *in)
{
    return cfmt_of_cause(!strcmp(in->cause, "proposal") ? CFMT_CAUSE_PROPOSAL
                         : is_by_hand(in) ? CFMT_CAUSE_OPERATOR : CFMT_CAUSE_POLICY);
}

/* number: of its failures in a row; 1 is not said, 0 = it is none. */
static const cfmt_news_t *make_news(const cfmt_look_t *l, const cfmt_intent_row_t *in,
                                    cfmt_intent_e state, const char *why, apr_time_t at,
                                    int number)
{
    cfmt_news_t *n = apr_pcalloc(l->p, sizeof(*n));

    n->kind = kind_of(in, state);
    n->dedupe = once_of(in, n->kind, state, l->p);
    n->attack = in->attack;
    n->prefix = prefix_of(l, in);
    n->at = l->now;
    n->fields = cfmt_news_fields(
        l->p, "type", cfmt_act_verb(in), "cause", cause_of(in), "who",
        is_by_hand(in) ? in->who : NULL, "intent", cfmt_of_count(in->id, l->p),
        state == CFMT_INTENT_DONE ? "reason" : "error", why, "number",
        cfmt_of_count(number > 1 ? number : 0, l->p), "next", next_of(in, state), "next_at",
        cfmt_of_time(at, l->p), "look", cfmt_of_command("explain", n->prefix, l->p), "mode",
        cfmt_of_mode(l->e), NULL);
    return n;
}

/*
 * That it came to an end, or will be tried again at `at`; NULL = it is not worth a message. That
 * one of the policy is done nobody waits for: the change was told, whoever made it.
 */
static const cfmt_news_t *news_of(const cfmt_look_t *l, const cfmt_intent_row_t *in,
                                  cfmt_intent_e state, const char *why, apr_time_t at)
{
    const cfmt_memory_t *m;

    if (state == CFMT_INTENT_DONE || (state != CFMT_INTENT_REQUESTED && is_by_hand(in))) {
        return is_by_hand(in) ? make_news(l, in, state, why, at, 0) : NULL;
    }
    m = failures(l, in);
    return is_loud(l, m) ? make_news(l, in, state, why, at, m->failed + 1) : NULL;
}

/* ---- changes --------------------------------------------------------------------------------- */

/*
 * In a transaction of its own, with what people are told of it (NULL: nothing). What has gone on
 * without us loses nothing.
 */
static apr_status_t change_told(cfmt_look_t *l, const cfmt_intent_row_t *in, cfmt_intent_e state,
                                const char *text, apr_time_t next_at, const cfmt_news_t *news)
{
    cfmt_intent_change_t c = { .state = state, .at = l->now, .text = text, .next_at = next_at };
    cfmt_store_t *s = l->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_intent_change(s, in->id, &c, l->p);
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv == CFMT_EMOVED || rv == CFMT_EINVALID || rv == CFMT_EMISSING ? APR_SUCCESS : rv;
    }
    rv = news ? cfmt_tell(l->e, news, l->p) : APR_SUCCESS;
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv;
    }
    rv = cfmt_store_commit(s);
    l->e->journaled |= rv == APR_SUCCESS;
    return rv;
}

apr_status_t cfmt_act_change(cfmt_look_t *l, const cfmt_intent_row_t *in, cfmt_intent_e state,
                             const char *text, apr_time_t next_at)
{
    return change_told(l, in, state, text, next_at, NULL);
}

static void tell_end(const cfmt_look_t *l, const cfmt_intent_row_t *in, cfmt_intent_e state,
                     const char *why)
{
    const cfmt_log_t *log = l->e->conf.log;

    if (state == CFMT_INTENT_DONE) {
        cfmt_scene_memory(l->e, &in->prefix)->failed = 0;
        cfmt_log(log, CFMT_LOG_NOTICE, CFMT_ID(0970) "%s is %s (intent %" APR_INT64_T_FMT "): %s",
                 prefix_of(l, in), cfmt_want_name(in->want), in->id, why);
    }
    else if (state == CFMT_INTENT_REFUSED) {
        cfmt_log(log, end_loudness(l, in),
                 CFMT_ID(0971) "%s %s was refused (intent %" APR_INT64_T_FMT "): %s",
                 cfmt_act_verb(in), prefix_of(l, in), in->id, why);
    }
    else {
        cfmt_log(log, end_loudness(l, in),
                 CFMT_ID(0972) "%s %s has failed (intent %" APR_INT64_T_FMT "): %s",
                 cfmt_act_verb(in), prefix_of(l, in), in->id, why);
    }
}

apr_status_t cfmt_act_end(cfmt_look_t *l, const cfmt_intent_row_t *in, cfmt_intent_e state,
                          const char *why)
{
    apr_status_t rv = change_told(l, in, state, why, 0, news_of(l, in, state, why, 0));

    if (rv == APR_SUCCESS) {
        tell_end(l, in, state, why);
    }
    return rv;
}

/* Doubles with each call, never gives up: still advertised, or still exposed. */
static apr_time_t retry_at(const cfmt_look_t *l, const cfmt_intent_row_t *in)
{
    return cfmt_schedule_next(l->now, RETRY, RETRY_MAX, in->attempts, 100, (apr_uint32_t)in->id);
}

apr_status_t cfmt_act_try_again(cfmt_look_t *l, const cfmt_intent_row_t *in, const char *why,
                                apr_time_t at)
{
    apr_status_t rv;

    at = at > l->now ? at : retry_at(l, in);
    rv = change_told(l, in, CFMT_INTENT_REQUESTED, why, at,
                     news_of(l, in, CFMT_INTENT_REQUESTED, why, at));
    if (rv == APR_SUCCESS) {
        cfmt_log(l->e->conf.log, loudness(l, in),
                 CFMT_ID(0973) "%s %s does not succeed (intent %" APR_INT64_T_FMT ", call %d): %s;"
                               " tried again at %s", cfmt_act_verb(in), prefix_of(l, in), in->id,
                 in->attempts, why, cfmt_time_format(l->p, at));
    }
    return rv;
}

/* No failure yet: what is read says whether it is one. */
apr_status_t cfmt_act_unsure(cfmt_look_t *l, const cfmt_intent_row_t *in, const char *why)
{
    apr_status_t rv = cfmt_act_change(l, in, CFMT_INTENT_UNKNOWN, why, 0);

    if (rv == APR_SUCCESS) {
        cfmt_log(l->e->conf.log, is_loud(l, failures(l, in)) ? CFMT_LOG_WARNING : CFMT_LOG_INFO,
                 CFMT_ID(0945) "%s %s (intent %" APR_INT64_T_FMT ", call %d): nobody knows whether"
                               " it was carried out (%s): its state is read before anything else",
                 cfmt_act_verb(in), prefix_of(l, in), in->id, in->attempts, why);
    }
    return rv;
}
