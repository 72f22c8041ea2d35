/*
 * jobs: what the engine does in turn and how it went, and what it knows of those that it asks:
 * breaker and budget of each upstream, the token, the notification policies.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_cloudflare.h"
#include "cfmtctl.h"

/* A run may take so long, and is due until it has ended. */
#define RUN_MAX apr_time_from_sec(120)

/* ---- facts: strings that another process wrote ----------------------------------------------- */

static apr_int64_t fact_int(const cfmt_sensed_t *s, const char *name)
{
    const char *text = apr_table_get(s->facts, name);
    apr_int64_t n = 0;

    return text && cfmt_int_parse(&n, text, APR_INT64_MIN, APR_INT64_MAX) == APR_SUCCESS ? n : 0;
}

/* NULL where there is none. */
static const char *fact_text(const cfmt_sensed_t *s, const char *name)
{
    const char *text = apr_table_get(s->facts, name);

    return text && *text ? text : NULL;
}

static double fact_number(const cfmt_sensed_t *s, const char *name)
{
    const char *text = fact_text(s, name);

    return text ? strtod(text, NULL) : -1;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

typedef struct job_view_t {
    const char *name, *due, *result;
    apr_time_t due_at;
    apr_int64_t due_in, fails;
    int overdue;
    ctl_aged_t last, ok;
} job_view_t;

#define JOB(member, label, kind_, table) COLUMN(job_view_t, member, label, kind_, table)

static const ctl_column_t job_columns[] = {
    JOB(name, "name", COL_TEXT, 1),
    JOB(due, "due_in", COL_TEXT, NARROW),
    JOB(due_at, "due_at", COL_TIME, WIDE),
    JOB(due_in, "due_in_seconds", COL_INT, 0),
    JOB(overdue, "overdue", COL_FLAG, 0),
    AGED(job_view_t, last, "last", "last"),
    AGED(job_view_t, ok, "ok", "ok"),
    JOB(fails, "fails", COL_INT, 1),
    JOB(result, "result", COL_TEXT, 1),
    { .name = NULL }
};
static const ctl_list_t job_list = { "jobs", job_columns, sizeof(job_view_t) };

static void view_job(const ctl_world_t *w, job_view_t *v, const cfmt_job_t *job)
{
    apr_interval_time_t in = job->due_at - w->now;

    v->name = job->name;
    v->due_at = job->due_at;
    v->due_in = apr_time_sec(in);
    v->overdue = ctl_real_age(w->ctl, job->due_at) > RUN_MAX;
    v->due = v->overdue ? "overdue" : in < APR_USEC_PER_SEC ? "now"
             : ctl_duration(w->p, in);
    v->last = ctl_aged(w, job->last_at);
    v->ok = ctl_aged(w, job->ok_at);
    v->fails = job->fails;
    v->result = job->last_result;
}

static apr_array_header_t *view_jobs(const ctl_world_t *w, int *poverdue)
{
    apr_array_header_t *view = apr_array_make(w->p, w->jobs->nelts + 1, sizeof(job_view_t));
    int i;

    *poverdue = 0;
    for (i = 0; i < w->jobs->nelts; i++) {
        job_view_t *v = apr_array_push(view);
        view_job(w, v, &APR_ARRAY_IDX(w->jobs, i, cfmt_job_t));
        *poverdue += v->overdue;
    }
    return view;
}

/* ---- upstreams ------------------------------------------------------------------------------- */

typedef struct upstream_view_t {
    const char *name, *breaker, *calls, *blocked, *skew, *trouble; /* as the table shows them */
    const char *problem, *detail, *skew_seconds;
    double left, quota;
    apr_time_t blocked_until, probe_at;
    ctl_aged_t since, ok, read;
} upstream_view_t;

#define UPSTREAM(member, label, kind_, table) COLUMN(upstream_view_t, member, label, kind_, table)

static const ctl_column_t upstream_columns[] = {
    UPSTREAM(name, "upstream", COL_TEXT, 1),
    UPSTREAM(breaker, "breaker", COL_TEXT, 1),
    AGED(upstream_view_t, since, "breaker", "since"),
    UPSTREAM(probe_at, "probe_at", COL_TIME, WIDE),
    UPSTREAM(calls, "left", COL_TEXT, TABLE_ONLY),
    UPSTREAM(left, "left", COL_RATE, 0),
    UPSTREAM(quota, "quota", COL_RATE, 0),
    UPSTREAM(blocked, "blocked", COL_TEXT, NARROW),
    UPSTREAM(blocked_until, "blocked_until", COL_TIME, WIDE),
    AGED(upstream_view_t, ok, "ok", "ok"),
    UPSTREAM(skew, "skew", COL_TEXT, TABLE_ONLY),
    UPSTREAM(skew_seconds, "skew_seconds", COL_RAW, 0),
    AGED(upstream_view_t, read, "read", "read"),
    UPSTREAM(trouble, "problem", COL_TEXT, TABLE_ONLY),
    UPSTREAM(problem, "problem", COL_TEXT, 0),
    UPSTREAM(detail, "detail", COL_TEXT, 0),
    { .name = NULL }
};
static const ctl_list_t upstream_list = { "upstreams", upstream_columns, sizeof(upstream_view_t) };

/* Our clock minus theirs; 0 = not known. */
static void view_skew(upstream_view_t *v, apr_interval_time_t skew, apr_pool_t *p)
{
    apr_int64_t seconds = skew / APR_USEC_PER_SEC;

    if (skew) {
        v->skew_seconds = apr_psprintf(p, "%" APR_INT64_T_FMT, seconds);
        v->skew = cfmt_duration_format(p, seconds * APR_USEC_PER_SEC);
    }
}

static void view_calls(const ctl_world_t *w, upstream_view_t *v)
{
    if (v->left >= 0 && v->quota >= 0) {
        v->calls = apr_psprintf(w->p, "%.0f/%.0f", v->left, v->quota);
    }
    v->blocked = "no";
    if (v->blocked_until > w->now) {
        v->blocked = ctl_duration(w->p, v->blocked_until - w->now);
    }
    else {
        v->blocked_until = 0; /* it is over */
    }
}

static void view_upstream(const ctl_world_t *w, upstream_view_t *v, const char *name,
                          const cfmt_sensed_t *s)
{
    memset(v, 0, sizeof(*v));
    v->name = name;
    v->breaker = fact_text(s, "breaker");
    v->since = ctl_aged(w, fact_int(s, "since"));
    v->probe_at = fact_int(s, "probe_at");
    v->left = fact_number(s, "left");
    v->quota = fact_number(s, "quota");
    v->blocked_until = fact_int(s, "blocked_until");
    v->ok = ctl_aged(w, fact_int(s, "last_ok"));
    v->read = ctl_aged(w, s->read_at);
    v->problem = fact_text(s, "problem");
    v->detail = fact_text(s, "detail");
    v->trouble = v->problem && v->detail ? apr_pstrcat(w->p, v->problem, ": ", v->detail, NULL)
                 : v->problem;
    view_calls(w, v);
    view_skew(v, fact_int(s, "skew"), w->p);
}

static apr_status_t view_upstreams(const ctl_world_t *w, apr_array_header_t **pview)
{
    apr_status_t rv = APR_SUCCESS;
    cfmt_sensed_t sensed;
    int i;

    *pview = apr_array_make(w->p, CFMT_UPSTREAMS, sizeof(upstream_view_t));
    for (i = 0; rv == APR_SUCCESS && i < CFMT_UPSTREAMS; i++) {
        const char *name = cfmt_upstream_name((cfmt_upstream_e)i);
        rv = ctl_world_sensed(w, &sensed, apr_pstrcat(w->p, "upstream ", name, NULL));
        if (rv == APR_SUCCESS && sensed.read_at) {
            view_upstream(w, apr_array_push(*pview), name, &sensed);
        }
    }
    return rv;
}

/* ---- token ----------------------------------------------------------------------------------- */

typedef struct token_view_t {
    const char *status, *form, *expires_in;
    apr_time_t expires_at;
    ctl_aged_t read;
} token_view_t;

static const ctl_column_t token_columns[] = {
    COLUMN(token_view_t, status, "status", COL_TEXT, 0),
    COLUMN(token_view_t, form, "form", COL_TEXT, 0),
    COLUMN(token_view_t, expires_at, "expires_at", COL_TIME, 0),
    COLUMN(token_view_t, expires_in, "expires_in_seconds", COL_RAW, 0),
    AGED_JSON(token_view_t, read, "read"),
    { .name = NULL }
};
static const ctl_list_t token_list = { "token", token_columns, sizeof(token_view_t) };

static void view_token(const ctl_world_t *w, token_view_t *v, const cfmt_sensed_t *s)
{
    memset(v, 0, sizeof(*v));
    v->status = fact_text(s, "status");
    v->form = fact_text(s, "form");
    v->expires_at = fact_int(s, "expires_at");
    v->read = ctl_aged(w, s->read_at);
    if (v->expires_at) {
        v->expires_in = apr_psprintf(w->p, "%" APR_INT64_T_FMT,
                                     apr_time_sec(v->expires_at - w->now));
    }
}

static const char *expiry_text(const ctl_world_t *w, apr_time_t at)
{
    const char *time = ctl_time(w->p, at);

    if (!at) {
        return "never expires";
    }
    return at > w->now ? apr_psprintf(w->p, "expires %s, in %s", time,
                                      ctl_duration(w->p, at - w->now))
                       : apr_psprintf(w->p, "expired %s, %s ago", time,
                                      ctl_duration(w->p, w->now - at));
}

static void print_token(const ctl_world_t *w, const token_view_t *v)
{
    if (v->read.at) {
        printf("\ntoken: %s, of the %s, %s; verified %s ago\n", ctl_text(w->p, v->status),
               ctl_text(w->p, v->form), expiry_text(w, v->expires_at),
               ctl_duration(w->p, v->read.age));
    }
}

/* ---- notification policies ------------------------------------------------------------------- */

typedef struct policies_view_t {
    apr_int64_t policies, destinations;
    const char *failing;
    apr_array_header_t *unsent;
    ctl_aged_t failure, read;
} policies_view_t;

static const ctl_column_t policies_columns[] = {
    COLUMN(policies_view_t, policies, "policies", COL_INT, 0),
    COLUMN(policies_view_t, destinations, "destinations", COL_INT, 0),
    COLUMN(policies_view_t, unsent, "unsent", COL_LIST, 0),
    COLUMN(policies_view_t, failing, "failing", COL_TEXT, 0),
    AGED_JSON(policies_view_t, failure, "last_failure"),
    AGED_JSON(policies_view_t, read, "read"),
    { .name = NULL }
};
static const ctl_list_t policies_list = { "notifications", policies_columns,
                                          sizeof(policies_view_t) };

static apr_array_header_t *words_of(const char *text, apr_pool_t *p)
{
    apr_array_header_t *words = apr_array_make(p, 8, sizeof(const char *));
    char *last, *word, *copy = apr_pstrdup(p, text ? text : "");

    for (word = apr_strtok(copy, " ", &last); word; word = apr_strtok(NULL, " ", &last)) {
        APR_ARRAY_PUSH(words, const char *) = word;
    }
    return words;
}

static void view_policies(const ctl_world_t *w, policies_view_t *v, const cfmt_sensed_t *s)
{
    const char *failure = fact_text(s, "last_failure");
    apr_time_t at = 0;

    memset(v, 0, sizeof(*v));
    v->policies = fact_int(s, "policies");
    v->destinations = fact_int(s, "destinations");
    v->unsent = words_of(fact_text(s, "unsent"), w->p);
    v->failing = fact_text(s, "failing");
    if (failure && cfmt_time_parse(&at, failure) != APR_SUCCESS) {
        at = 0;
    }
    v->failure = ctl_aged(w, at);
    v->read = ctl_aged(w, s->read_at);
}

static void print_policies(const ctl_world_t *w, const policies_view_t *v)
{
    if (!v->read.at) {
        return;
    }
    printf("notifications: %" APR_INT64_T_FMT " policies, %" APR_INT64_T_FMT " webhook"
           " destinations; read %s ago\n", v->policies, v->destinations,
           ctl_duration(w->p, v->read.age));
    if (v->unsent->nelts) {
        printf("notifications: no policy would send us %s\n",
               ctl_text(w->p, apr_array_pstrcat(w->p, v->unsent, ' ')));
    }
    if (v->failing) {
        printf("notifications: delivery to %s failed%s%s%s\n", ctl_text(w->p, v->failing),
               v->failure.at ? " " : "", v->failure.at ? ctl_duration(w->p, v->failure.age) : "",
               v->failure.at ? " ago and has not succeeded since" : "");
    }
}

/* ---- the command ----------------------------------------------------------------------------- */

typedef struct report_t {
    apr_array_header_t *jobs, *upstreams;
    token_view_t token;
    policies_view_t policies;
    int overdue;
} report_t;

static apr_status_t load(const ctl_world_t *w, report_t *r)
{
    cfmt_sensed_t token, policies;
    apr_status_t rv = view_upstreams(w, &r->upstreams);

    if (rv != APR_SUCCESS || (rv = ctl_world_sensed(w, &token, "token")) != APR_SUCCESS
        || (rv = ctl_world_sensed(w, &policies, "policies")) != APR_SUCCESS) {
        return rv;
    }
    r->jobs = view_jobs(w, &r->overdue);
    view_token(w, &r->token, &token);
    view_policies(w, &r->policies, &policies);
    return APR_SUCCESS;
}

static void print_tables(const ctl_world_t *w, const report_t *r)
{
    if (r->jobs->nelts) {
        ctl_list_print(&job_list, r->jobs, NULL, w->ctl, w->p);
    }
    if (r->upstreams->nelts) {
        putchar('\n');
        ctl_list_print(&upstream_list, r->upstreams, NULL, w->ctl, w->p);
    }
    print_token(w, &r->token);
    print_policies(w, &r->policies);
}

static void print_data(const ctl_world_t *w, const report_t *r)
{
    apr_pool_t *p = w->p;
    const char *members = apr_pstrcat(
        p, "\"configured\":", w->configured ? "true" : "false",
        ",\n\"upstreams\":", ctl_json_rows(&upstream_list, r->upstreams, p),
        ",\n\"token\":", r->token.read.at ? ctl_json_row(&token_list, &r->token, p) : "null",
        ",\n\"notifications\":",
        r->policies.read.at ? ctl_json_row(&policies_list, &r->policies, p) : "null", NULL);

    ctl_list_print(&job_list, r->jobs, members, w->ctl, p);
}

static void note(const ctl_world_t *w, const report_t *r)
{
    if (!w->configured) {
        ctl_world_unconfigured(", so nothing is asked");
    }
    else if (!r->upstreams->nelts) {
        ctl_complain(CFMT_ID(0785),
                     "Cloudflare has not been asked yet: is httpd running? Its error log tells"
                     " more, 'cfmtctl db check' whether it leads");
    }
    if (r->overdue) {
        ctl_complain(CFMT_ID(0786), "%d of %d jobs are overdue: is httpd running? 'cfmtctl db"
                     " check' tells who leads", r->overdue, r->jobs->nelts);
    }
}

int ctl_jobs(ctl_t *ctl)
{
    ctl_world_t w;
    report_t r = { .overdue = 0 };
    apr_status_t rv;
    int code = ctl_world_open(&w, ctl);

    if (code != CTL_DONE) {
        return code;
    }
    rv = load(&w, &r);
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    if (ctl->json) {
        print_data(&w, &r);
    }
    else {
        print_tables(&w, &r);
    }
    note(&w, &r);
    return CTL_DONE;
}
