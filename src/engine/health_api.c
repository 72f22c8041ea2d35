/*
 * Health of what the leader learns from Cloudflare: pure, part of cfmt_health_judge. Only what
 * nobody but a person can mend is failing; what heals when Cloudflare answers again is degraded:
 * deliveries are stored all the time, and a monitor that takes this host away would lose them.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "health_private.h"

/* Also of the future: written before the clock was set back, and not again since. */
static int is_old(const cfmt_judge_t *j, apr_time_t at, apr_interval_time_t limit)
{
    apr_interval_time_t age = j->f->now - cfmt_judge_real(j, at);

    return age > limit || age < -limit;
}

/* polls: how many intervals may pass without an answer. */
static apr_interval_time_t patience(const cfmt_judge_t *j, int polls)
{
    apr_interval_time_t d = polls * j->f->poll_interval;

    return d > CFMT_HEALTH_STALE ? d : CFMT_HEALTH_STALE;
}

/* When somebody began who would have asked. */
static apr_time_t asked_since(const cfmt_judge_t *j)
{
    const cfmt_health_facts_t *f = j->f;

    return f->heartbeat.started_at > f->started_at ? f->heartbeat.started_at : f->started_at;
}

/* What was said before the start tells nothing about now, until it had the time to be said anew. */
static int is_settling(const cfmt_judge_t *j, apr_time_t read_at)
{
    return cfmt_judge_real(j, read_at) < asked_since(j)
           && j->f->now - asked_since(j) < CFMT_HEALTH_FIRST;
}

/* ---- upstreams ------------------------------------------------------------------------------- */

static const char *const upstream_names[] = { "REST", "GraphQL" };

apr_time_t cfmt_health_retry_at(const cfmt_health_upstream_t *u, apr_time_t now)
{
    apr_time_t at = u->blocked_until > u->probe_at ? u->blocked_until : u->probe_at;

    return at > now ? at : 0;
}

/* No success for long. Each leader forgets the last one of the leader before. */
static int is_silent(const cfmt_judge_t *j, const cfmt_health_upstream_t *u)
{
    apr_interval_time_t limit = patience(j, CFMT_HEALTH_POLLS);

    return !u->read_at || (u->last_ok ? is_old(j, u->last_ok, limit)
                                      : j->f->now - asked_since(j) > limit);
}

static int is_refused(const cfmt_health_upstream_t *u)
{
    return u->breaker != CFMT_BREAKER_CLOSED
           && !strcmp(u->problem, cfmt_status_name(CFMT_EAUTH));
}

static const char *last_ok_text(cfmt_judge_t *j, const cfmt_health_upstream_t *u)
{
    return u->last_ok ? apr_psprintf(j->p, "last success %s ago",
                                     cfmt_judge_span(j, j->f->world_now - u->last_ok))
                      : "no success since the leader began";
}

static const char *retry_text(cfmt_judge_t *j, const cfmt_health_upstream_t *u)
{
    apr_time_t now = j->f->world_now, at = cfmt_health_retry_at(u, now);

    return at ? apr_psprintf(j->p, ", asked again in %s", cfmt_judge_span(j, at - now)) : "";
}

/* What is wrong with it besides the token; NULL = nothing. */
static const char *trouble(cfmt_judge_t *j, cfmt_upstream_e which)
{
    const cfmt_health_upstream_t *u = &j->f->world.upstream[which];
    const char *name = upstream_names[which];
    int open = u->breaker != CFMT_BREAKER_CLOSED;

    if (is_settling(j, u->read_at) || is_refused(u) || (!open && !is_silent(j, u))) {
        return NULL;
    }
    if (!u->read_at) {
        return apr_psprintf(j->p, "%s has not been asked since the start", name);
    }
    return apr_psprintf(j->p, "%s %s%s%s%s: %s%s", name,
                        open ? "does not answer as it should" : "is silent",
                        *u->problem ? " (" : "", u->problem, *u->problem ? ")" : "",
                        last_ok_text(j, u), retry_text(j, u));
}

/* The job that failed most often in a row; NULL = none did so often. */
static const cfmt_health_job_t *worst_job(const cfmt_health_world_t *w)
{
    const cfmt_health_job_t *worst = NULL;
    int i;

    for (i = 0; i < w->jobs; i++) {
        if (w->job[i].fails >= CFMT_HEALTH_JOB_FAILS
            && (!worst || w->job[i].fails > worst->fails)) {
            worst = &w->job[i];
        }
    }
    return worst;
}

static int is_any_open(const cfmt_health_world_t *w)
{
    int i;

    for (i = 0; i < CFMT_UPSTREAMS; i++) {
        if (w->upstream[i].breaker != CFMT_BREAKER_CLOSED) {
            return 1;
        }
    }
    return 0;
}

/* A job that fails while its upstream does is not told: one fault, one reason. */
static void judge_api(cfmt_judge_t *j)
{
    const char *rest = trouble(j, CFMT_UPSTREAM_REST);
    const char *graphql = trouble(j, CFMT_UPSTREAM_GRAPHQL);
    const cfmt_health_job_t *job = worst_job(&j->f->world);

    if (rest || graphql) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "api", "Cloudflare's API: %s%s%s",
                       rest ? rest : "", rest && graphql ? "; " : "", graphql ? graphql : "");
    }
    else if (job && !is_any_open(&j->f->world)) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "api",
                       "job %s failed %d times in a row (cfmtctl jobs tells why)", job->name,
                       job->fails);
    }
}

/* ---- prefixes and tunnels -------------------------------------------------------------------- */

apr_time_t cfmt_health_prefixes_read_at(const cfmt_health_world_t *w)
{
    int i;

    if (w->counts.prefixes_read_at) {
        return w->counts.prefixes_read_at;
    }
    for (i = 0; i < w->jobs; i++) { /* an account without prefixes has been read, too */
        if (!strcmp(w->job[i].name, "prefixes")) {
            return w->job[i].ok_at;
        }
    }
    return 0;
}

static void judge_prefixes(cfmt_judge_t *j)
{
    const cfmt_world_counts_t *c = &j->f->world.counts;
    apr_time_t at = cfmt_health_prefixes_read_at(&j->f->world);
    /* a large account's lists are read in turns */
    int turns = (c->parents + CFMT_HEALTH_PARENTS - 1) / CFMT_HEALTH_PARENTS;

    if (is_settling(j, at)) {
        return;
    }
    if (!at) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "prefixes",
                       "the prefixes have never been read: what is advertised is not known");
    }
    else if (is_old(j, at, patience(j, CFMT_HEALTH_POLLS + (turns > 1 ? turns - 1 : 0)))) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "prefixes",
                       "what is advertised is not known: the oldest reading is %s old",
                       cfmt_judge_span(j, j->f->world_now - at));
    }
}

/* Those that nobody has a reading of neither prove nor disprove it. */
static void judge_tunnels(cfmt_judge_t *j)
{
    const cfmt_world_counts_t *c = &j->f->world.counts;

    if (c->down && !c->up && !c->degraded) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "tunnels",
                       "%d of %d tunnels are down, none is up: scrubbed traffic would not arrive",
                       c->down, c->down + c->unknown);
    }
}

/* ---- token, clock, alerts -------------------------------------------------------------------- */

/* Refused for good, or perhaps only this once or only for a part? 0: not refused. */
static int judge_refusal(cfmt_judge_t *j)
{
    const cfmt_health_upstream_t *u;
    int i, lasts;

    for (i = 0; i < CFMT_UPSTREAMS; i++) {
        u = &j->f->world.upstream[i];
        if (is_refused(u) && !is_settling(j, u->read_at)) {
            lasts = !u->last_ok || is_silent(j, u);
            cfmt_judge_add(j, lasts ? CFMT_HEALTH_FAILING : CFMT_HEALTH_DEGRADED, "token",
                           "Cloudflare refuses the API token: %s %s%s",
                           upstream_names[i], last_ok_text(j, u), retry_text(j, u));
            return 1;
        }
    }
    return 0;
}

static void judge_token(cfmt_judge_t *j)
{
    const cfmt_health_world_t *w = &j->f->world;
    apr_interval_time_t left = w->token_expires_at - j->f->world_now;
    int known = w->token_read_at && !is_settling(j, w->token_read_at);
    int expires = known && w->token_expires_at;

    if (expires && left <= 0) {
        cfmt_judge_add(j, CFMT_HEALTH_FAILING, "token", "the API token expired %s ago",
                       cfmt_judge_span(j, -left));
    }
    else if (known && strcmp(w->token_status, "active")) {
        cfmt_judge_add(j, CFMT_HEALTH_FAILING, "token", "Cloudflare says the API token is %s",
                       cfmt_text_escape(j->p, w->token_status, strlen(w->token_status), 60));
    }
    else if (!judge_refusal(j) && expires && left <= CFMT_HEALTH_TOKEN_SOON) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "token", "the API token expires in %s",
                       cfmt_judge_span(j, left));
    }
}

static void judge_clock(cfmt_judge_t *j)
{
    apr_interval_time_t skew, worst = 0;
    int i;

    for (i = 0; i < CFMT_UPSTREAMS; i++) {
        skew = j->f->world.upstream[i].skew / (j->f->speed > 1 ? j->f->speed : 1);
        if (!is_settling(j, j->f->world.upstream[i].read_at) && llabs(skew) > llabs(worst)) {
            worst = skew;
        }
    }
    if (llabs(worst) > CFMT_HEALTH_SKEW) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "clock",
                       "the clock of this host is %s %s Cloudflare's",
                       cfmt_judge_span(j, llabs(worst)), worst > 0 ? "ahead of" : "behind");
    }
}

/*
 * Alert types that no policy sends are shown, but no reason: an account need not use all of them.
 * And without CfmtPublicUrl nobody knows whose destination it is that fails.
 */
static void judge_alerts(cfmt_judge_t *j)
{
    const cfmt_health_world_t *w = &j->f->world;

    if (j->f->has_public_url && *w->failing) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "alerts",
                       "Cloudflare could not deliver to us, last %s ago: what it sends may be lost",
                       cfmt_judge_span(j, j->f->world_now - w->last_failure));
    }
}

/* ---- traffic --------------------------------------------------------------------------------- */

/* A few names for people; /mt-health has as many as it keeps. */
static const char *some(cfmt_judge_t *j, const cfmt_health_words_t *w)
{
    char *text = apr_pstrdup(j->p, w->text), *end = text;
    int n;

    for (n = 0; n < CFMT_HEALTH_NAMES && *end; n++) {
        end += *end == ' ';
        end += strcspn(end, " ");
    }
    *end = '\0';
    return w->count > n ? apr_psprintf(j->p, "%s and %d more", text, w->count - n) : text;
}

/* The leader looks again when it has had time to read; until then the last word stands. */
static void judge_blind(cfmt_judge_t *j)
{
    const cfmt_health_world_t *w = &j->f->world;

    if (w->blind.count && !is_settling(j, w->traffic_read_at)) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "blind",
                       "nothing is known of the traffic to %s for CfmtBlindAfter: it stays "
                       "advertised%s", some(j, &w->blind),
                       w->idle ? " (the account shows no traffic at all)" : "");
    }
}

/* Only of a reading of just now: what hinders reading is told by other reasons. */
static int is_traffic_told(const cfmt_judge_t *j)
{
    apr_time_t at = j->f->world.traffic_read_at;

    return at && !is_settling(j, at) && !is_old(j, at, patience(j, CFMT_HEALTH_POLLS));
}

static void judge_lagging(cfmt_judge_t *j)
{
    const cfmt_health_world_t *w = &j->f->world;

    if (w->behind > 0 && is_traffic_told(j)) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "lagging",
                       "Cloudflare's analytics are late: their newest row was %s old, decisions "
                       "wait for them", cfmt_judge_span(j, w->behind));
    }
}

static void judge_truncated(cfmt_judge_t *j)
{
    const cfmt_health_world_t *w = &j->f->world;

    if (w->cut.count && is_traffic_told(j)) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "truncated",
                       "analytics cut their answers, in all pieces: minutes of %s stay unknown",
                       some(j, &w->cut));
    }
}

void cfmt_judge_world(cfmt_judge_t *j)
{
    if (!j->f->api_wanted) {
        return;
    }
    if (!j->f->api_usable) {
        cfmt_judge_add(j, CFMT_HEALTH_FAILING, "token",
                       "CfmtApiToken could not be read at start: nothing is asked of Cloudflare");
    }
    else if (j->f->rows_at) {
        judge_api(j);
        judge_prefixes(j);
        judge_token(j);
        judge_clock(j);
        judge_alerts(j);
        judge_tunnels(j);
        judge_blind(j);
        judge_lagging(j);
        judge_truncated(j);
    }
}
