/*
 * Job "token": whether the API token is good and until when. A token of a user and one of an
 * account are verified at different places, and each place refuses the other's (README 2.1).
 */
#include <string.h>

#include <apr_strings.h>

#include "news_of.h"

#define DAY apr_time_from_sec(86400)
#define AGAIN apr_time_from_sec(3600)  /* that it is refused */

typedef struct token_t {
    cfmt_token_t token;
    int of_account;    /* the place that was asked last */
    int known;         /* it was good there before */
    int answered;
} token_t;

static apr_status_t take(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    token_t *d = ask->run->data;
    const char *why;

    (void)which, (void)prow;
    if (cfmt_token_read(&d->token, &why, row, ask->run->p) != APR_SUCCESS) {
        cfmt_run_fail(ask->run, CFMT_EANSWER, "%s", why);
        return APR_SUCCESS;
    }
    d->answered = 1;
    return APR_SUCCESS;
}

static void done(cfmt_ask_t *ask, const cfmt_api_result_t *result)
{
    cfmt_run_t *run = ask->run;
    token_t *d = run->data;
    apr_status_t rv = result->r.status;

    d->answered = d->answered && rv == APR_SUCCESS; /* rows come before the verdict */
    /* The first place may only be the wrong one; where it was good, a mere refusal is no proof. */
    if (rv != APR_SUCCESS
        && !(run->step == 1 && (rv == CFMT_EAUTH || (rv == CFMT_EREFUSED && !d->known)))) {
        cfmt_run_note(run, &result->r);
    }
}

static const char *const rows[] = { "result", NULL };

static void ask_for(cfmt_run_t *run)
{
    token_t *d = run->data;
    cfmt_api_call_t call = {
        .path = cfmt_token_path(cfmt_api_account(run->e->api), d->of_account, run->p),
        .rows = rows, .row = take
    };

    cfmt_run_ask(run, &call, &(cfmt_ask_t){ .done = done, .tolerant = 1 });
}

/* First where it was good last time. */
static void next(cfmt_run_t *run)
{
    token_t *d = run->data;
    cfmt_sensed_t old;
    const char *form;

    if (run->step == 0) {
        d = run->data = apr_pcalloc(run->p, sizeof(*d));
        if (cfmt_sensed_load(run->e->store, &old, "token", run->p) == APR_SUCCESS) {
            form = apr_table_get(old.facts, "form");
            d->of_account = form && !strcmp(form, "account");
            d->known = form != NULL;
        }
        ask_for(run);
    }
    else if (run->step == 1 && !d->answered && run->result.status == APR_SUCCESS) {
        d->of_account = !d->of_account;
        ask_for(run);
    }
}

/* Told once when each of these is passed. */
static int days_left(const cfmt_run_t *run, const cfmt_token_t *t)
{
    static const int marks[] = { 1, 7, 30 };
    int i;

    for (i = 0; t->expires_at > run->now && i < 3; i++) { /* later the job fails, which is told */
        if (t->expires_at - run->now <= marks[i] * DAY) {
            return marks[i];
        }
    }
    return 0;
}

static void tell_news(cfmt_run_t *run, const cfmt_token_t *t, int mark)
{
    apr_int64_t days = (t->expires_at - run->now + DAY - 1) / DAY;
    const cfmt_news_t n = {
        .kind = CFMT_NEWS_TOKEN, .at = run->now,
        .dedupe = apr_psprintf(run->p, "token %" APR_TIME_T_FMT " %d", t->expires_at, mark),
        .fields = cfmt_news_fields(
            run->p, "state", "expires", "days", cfmt_of_count(days, run->p), "until_at",
            cfmt_of_time(t->expires_at, run->p), "next", "without it nothing is read, advertised"
            " or withdrawn: make a new one, put it into the file that CfmtApiToken names, reload"
            " Apache", "look", "cfmtctl status", "mode", cfmt_of_mode(run->e), NULL)
    };

    cfmt_run_news(run, &n);
}

static void tell_expiry(cfmt_run_t *run, const cfmt_token_t *t, int mark)
{
    cfmt_sensed_t old;
    const char *told = NULL, *expires = cfmt_time_format(run->p, t->expires_at);

    if (cfmt_sensed_load(run->e->store, &old, "token", run->p) == APR_SUCCESS) {
        told = apr_table_get(old.facts, "told");
    }
    if (mark && (!told || strcmp(told, apr_psprintf(run->p, "%s %d", expires, mark)))) {
        cfmt_run_tell(run, CFMT_LOG_WARNING,
                      CFMT_ID(0863) "the API token expires at %s, in %s: make a new one in the "
                                    "dashboard, put it into the file that CfmtApiToken names and "
                                    "reload Apache",
                      expires, cfmt_duration_format(run->p, t->expires_at - run->now));
        tell_news(run, t, mark);
    }
}

/* ---- refused --------------------------------------------------------------------------------- */

/* When people heard of it last; 0 = never, or by a clock that has been set back. */
static apr_time_t refused_told(const cfmt_run_t *run)
{
    cfmt_sensed_t old;
    apr_int64_t at;
    const char *text = cfmt_sensed_load(run->e->store, &old, "refused", run->p) == APR_SUCCESS
                           ? apr_table_get(old.facts, "told") : NULL;

    return text && cfmt_int_parse(&at, text, 1, run->now) == APR_SUCCESS ? at : 0;
}

/* It was good meanwhile, and so it was for this job: one that is not allowed to do all fails on. */
static int is_new(const cfmt_run_t *run, apr_time_t told)
{
    cfmt_upstream_state_t u;

    cfmt_api_state(run->e->api, CFMT_UPSTREAM_REST, &u);
    return !run->fails && u.breaker.last_ok > told;
}

void cfmt_token_refused(cfmt_run_t *run)
{
    apr_time_t told = refused_told(run);
    apr_table_t *facts = apr_table_make(run->p, 1);
    const cfmt_news_t n = {
        .kind = CFMT_NEWS_TOKEN, .at = run->now,
        .dedupe = apr_psprintf(run->p, "token refused %" APR_TIME_T_FMT, told),
        .fields = cfmt_news_fields(
            run->p, "state", "is refused", "error", run->result.detail, "reason", "nothing is read,"
            " advertised or withdrawn meanwhile", "next", "make a new one, put it into the file"
            " that CfmtApiToken names, reload Apache", "look", "cfmtctl status", "mode",
            cfmt_of_mode(run->e), NULL)
    };

    if (run->now - told >= AGAIN || is_new(run, told)) {
        apr_table_setn(facts, "told", cfmt_of_time(run->now, run->p));
        cfmt_run_facts(run, "refused", facts);
        cfmt_run_news(run, &n);
    }
}

/* ---- the job --------------------------------------------------------------------------------- */

static void conclude(cfmt_run_t *run)
{
    token_t *d = run->data;
    apr_table_t *t = apr_table_make(run->p, 6);
    int mark = d->answered ? days_left(run, &d->token) : 0;

    if (!d->answered) { /* what was known before stays, with its age */
        return;
    }
    tell_expiry(run, &d->token, mark);
    apr_table_setn(t, "status", d->token.status);
    apr_table_setn(t, "form", d->of_account ? "account" : "user");
    apr_table_setn(t, "expires_at", apr_psprintf(run->p, "%" APR_TIME_T_FMT, d->token.expires_at));
    if (mark) {
        apr_table_setn(t, "told",
                       apr_psprintf(run->p, "%s %d",
                                    cfmt_time_format(run->p, d->token.expires_at), mark));
    }
    cfmt_run_facts(run, "token", t);
    if (strcmp(d->token.status, "active")) {
        cfmt_run_fail(run, CFMT_EAUTH, "Cloudflare says it is %s",
                      cfmt_text_escape(run->p, d->token.status, strlen(d->token.status), 60));
        return;
    }
    run->summary = d->token.expires_at
                       ? apr_psprintf(run->p, "active until %s",
                                      cfmt_time_format(run->p, d->token.expires_at))
                       : "active, does not expire";
}

const cfmt_sense_t cfmt_sense_token = { .name = "token", .interval = apr_time_from_sec(3600),
                                        .jitter = 50, .at_start = 1, .next = next,
                                        .conclude = conclude };
