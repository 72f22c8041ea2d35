/*
 * Health: facts in, judgement out. Pure, so that every reason has a test that turns exactly it on.
 */
#include <stdarg.h>

#include <apr_strings.h>

#include "health_private.h"

const char *cfmt_health_name(cfmt_health_e h)
{
    switch (h) {
    case CFMT_HEALTH_OK:
        return "ok";
    case CFMT_HEALTH_DEGRADED:
        return "degraded";
    default:
        return "failing";
    }
}

void cfmt_judge_add(cfmt_judge_t *j, cfmt_health_e level, const char *id, const char *fmt, ...)
{
    cfmt_health_reason_t *r = apr_array_push(j->reasons);
    va_list ap;

    va_start(ap, fmt);
    r->level = level;
    r->id = id;
    r->text = apr_pvsprintf(j->p, fmt, ap);
    va_end(ap);
    if (level > j->worst) {
        j->worst = level;
    }
}

const char *cfmt_judge_span(cfmt_judge_t *j, apr_interval_time_t d)
{
    return cfmt_duration_format(j->p, d - d % APR_USEC_PER_SEC);
}

apr_time_t cfmt_judge_real(const cfmt_judge_t *j, apr_time_t at)
{
    const cfmt_health_facts_t *f = j->f;

    return f->now - (f->world_now - at) / (f->speed > 1 ? f->speed : 1);
}

apr_status_t cfmt_health_store_status(const cfmt_health_facts_t *f)
{
    return f->gauges.error != APR_SUCCESS     ? f->gauges.error
           : f->gauges.trouble != APR_SUCCESS ? f->gauges.trouble : f->read_status;
}

static void judge_store(cfmt_judge_t *j)
{
    apr_status_t rv = cfmt_health_store_status(j->f);

    if (rv != APR_SUCCESS) {
        cfmt_judge_add(j, CFMT_HEALTH_FAILING, "store", "the store cannot be %s: %s (%s)",
                       j->f->gauges.error != APR_SUCCESS     ? "written"
                       : j->f->gauges.trouble != APR_SUCCESS ? "used by the leader" : "read",
                       cfmt_status_text(rv, j->p), cfmt_status_name(rv));
    }
}

/* A leader needs a moment after a start; only then is a missing heartbeat a failure. */
static void judge_leader(cfmt_judge_t *j)
{
    const cfmt_health_facts_t *f = j->f;
    apr_interval_time_t age = f->now - f->heartbeat.at;

    /* of the future: from before the clock was set back, and none has come since */
    if (f->has_heartbeat && age <= CFMT_LEADER_LATE && age >= -CFMT_LEADER_LATE) {
        return;
    }
    if (f->now - f->started_at < CFMT_HEALTH_START) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "leader", "no leader yet: httpd has just started");
    }
    else if (!f->has_heartbeat) {
        cfmt_judge_add(j, CFMT_HEALTH_FAILING, "leader",
                       "no leader: nothing is projected or decided");
    }
    else {
        cfmt_judge_add(j, CFMT_HEALTH_FAILING, "leader", "the leader's last heartbeat is %s old",
                       cfmt_judge_span(j, age));
    }
}

static void judge_projection(cfmt_judge_t *j)
{
    const cfmt_health_rows_t *rows = &j->f->rows;
    apr_interval_time_t lag = j->f->now - cfmt_judge_real(j, rows->oldest_lag_at);

    if (!j->f->rows_at || !rows->oldest_lag_at || lag < CFMT_HEALTH_LAG_DEGRADED) {
        return;
    }
    cfmt_judge_add(j, lag < CFMT_HEALTH_LAG_FAILING ? CFMT_HEALTH_DEGRADED : CFMT_HEALTH_FAILING,
                   "projection",
                   "%" APR_INT64_T_FMT " journal rows are not projected, the oldest for %s",
                   rows->head - rows->cursor, cfmt_judge_span(j, lag));
}

static void judge_disk(cfmt_judge_t *j)
{
    apr_int64_t left = j->f->free_disk;

    if (left < 0 || left >= CFMT_HEALTH_DISK_DEGRADED) {
        return;
    }
    cfmt_judge_add(j, left < CFMT_HEALTH_DISK_FAILING ? CFMT_HEALTH_FAILING : CFMT_HEALTH_DEGRADED,
                   "disk", "%" APR_INT64_T_FMT " MiB are left where the store lies",
                   left / (1024 * 1024));
}

static void judge_secret(cfmt_judge_t *j)
{
    int wanted = j->f->secrets_wanted, usable = j->f->secrets_usable;

    if (!wanted) {
        cfmt_judge_add(j, CFMT_HEALTH_FAILING, "secret",
                       "no CfmtSecret is configured: every delivery is refused");
    }
    else if (!usable) {
        cfmt_judge_add(j, CFMT_HEALTH_FAILING, "secret",
                       "no CfmtSecret could be read at start: every delivery is refused");
    }
    else if (usable < wanted) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "secret",
                       "%d of %d CfmtSecret could not be read at start", wanted - usable, wanted);
    }
}

static void judge_queue(cfmt_judge_t *j)
{
    apr_uint32_t queued = j->f->gauges.queued, room = j->f->queue_capacity;

    if (queued >= CFMT_HEALTH_QUEUE_MIN && room && queued > room / 2) {
        cfmt_judge_add(j, CFMT_HEALTH_DEGRADED, "queue",
                       "%u deliveries wait for a commit, room is for %u", queued, room);
    }
}

cfmt_health_e cfmt_health_judge(apr_array_header_t **preasons, const cfmt_health_facts_t *f,
                                apr_pool_t *p)
{
    cfmt_judge_t j = { .f = f, .worst = CFMT_HEALTH_OK, .p = p };
    int fed;

    j.reasons = apr_array_make(p, 6, sizeof(cfmt_health_reason_t));
    judge_store(&j);
    judge_leader(&j);
    fed = !j.reasons->nelts;
    judge_projection(&j);
    judge_disk(&j);
    judge_secret(&j);
    judge_queue(&j);
    if (fed) { /* without a leader and a store all that it would learn grows old: one fault */
        cfmt_judge_world(&j);
        cfmt_judge_outbox(&j);
    }
    *preasons = j.reasons;
    return j.worst;
}
