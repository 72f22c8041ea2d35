/*
 * Handler cfmt-health: gathers the facts, lets src/engine/health.c judge, answers JSON. It shares
 * no lock with intake and never waits long: whoever does not get to read in time answers
 * from the facts of the last reading.
 */
#include "httpd_cfmt.h"

#include <sys/statvfs.h>

#include <ap_mpm.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <http_protocol.h>

#define HANDLE_WAIT apr_time_from_msec(100)

/* What reading the store said last. */
typedef struct reading_t {
    apr_status_t status;
    cfmt_health_rows_t rows;
    cfmt_health_world_t world;
    apr_time_t rows_at;
} reading_t;

static struct {
    apr_thread_mutex_t *mutex; /* held while reading: maybe long */
    apr_pool_t *pool;          /* of a reading */
    apr_thread_mutex_t *copy;  /* held for a copy only */
    reading_t last;
} reader;

/* ---- reading the store ----------------------------------------------------------------------- */

void cfmt_health_init(apr_pool_t *pchild)
{
    reader.last.status = CFMT_EBUSY;
    if (apr_thread_mutex_create(&reader.mutex, APR_THREAD_MUTEX_TIMED, pchild) != APR_SUCCESS
        || apr_thread_mutex_create(&reader.copy, APR_THREAD_MUTEX_DEFAULT, pchild) != APR_SUCCESS
        || apr_pool_create_unmanaged_ex(&reader.pool, NULL, NULL) != APR_SUCCESS) {
        reader.mutex = NULL;
        return;
    }
    apr_pool_tag(reader.pool, "cfmt_health");
}

/*
 * Under the mutex. Opened for each reading: all SQLite connections of a process share one
 * -shm, so a handle that idles here would keep a deleted one, or one that could only be read, for
 * the committer, too.
 */
static void read_store(const cfmt_generation_t *g)
{
    reading_t now = { .rows_at = apr_time_now() };
    cfmt_store_t *store;

    apr_pool_clear(reader.pool);
    now.status = cfmt_store_open(&store, cfmt_config_db(g->conf), CFMT_STORE_GLANCE, NULL,
                                 reader.pool);
    if (now.status == APR_SUCCESS) {
        now.status = cfmt_query_health(store, &now.rows);
        if (now.status == APR_SUCCESS && cfmt_config_uses_api(g->conf)) {
            now.status = cfmt_health_world_read(store, &now.world, reader.pool);
        }
        if (now.status == APR_SUCCESS) {
            now.status = cfmt_health_outbox_read(store, &now.world, reader.pool);
        }
        cfmt_store_close(store);
    }
    apr_thread_mutex_lock(reader.copy);
    if (now.status == APR_SUCCESS) {
        reader.last = now;
    }
    else {
        reader.last.status = now.status; /* old rows with their age say more than none */
    }
    apr_thread_mutex_unlock(reader.copy);
}

static void get_reading(reading_t *out, const cfmt_generation_t *g)
{
    if (!reader.mutex) {
        *out = (reading_t){ .status = CFMT_ESTOPPED };
        return;
    }
    if (apr_thread_mutex_timedlock(reader.mutex, HANDLE_WAIT) == APR_SUCCESS) {
        read_store(g);
        apr_thread_mutex_unlock(reader.mutex);
    }
    apr_thread_mutex_lock(reader.copy);
    *out = reader.last;
    apr_thread_mutex_unlock(reader.copy);
}

/* ---- the facts ------------------------------------------------------------------------------- */

static apr_int64_t free_disk(const char *db, apr_pool_t *p)
{
    struct statvfs vfs;

    if (statvfs(ap_make_dirstr_parent(p, db), &vfs) != 0) {
        return -1;
    }
    return (apr_int64_t)vfs.f_bavail * (apr_int64_t)vfs.f_frsize;
}

static apr_uint32_t queue_capacity(int children)
{
    int threads = 1;

    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    threads = threads < 1 ? 1 : threads > CFMT_QUEUE_MAX ? CFMT_QUEUE_MAX : threads;
    return (apr_uint32_t)(children * threads);
}

static void gather(cfmt_health_facts_t *f, const cfmt_generation_t *g, apr_pool_t *p)
{
    const char *db = cfmt_config_db(g->conf);
    reading_t reading;

    memset(f, 0, sizeof(*f));
    get_reading(&reading, g);
    f->now = apr_time_now();
    f->world_now = cfmt_clock_now(g->clock);
    f->speed = cfmt_config_demo_speed(g->conf);
    f->started_at = g->started_at;
    f->read_status = reading.status;
    f->rows = reading.rows;
    f->rows_at = reading.rows_at;
    f->world = reading.world;
    f->api_wanted = cfmt_config_uses_api(g->conf);
    f->api_usable = g->api != NULL;
    f->has_public_url = g->conf->public_url != NULL;
    f->poll_interval = cfmt_config_duration(g->conf, CFMT_DURATION_POLL_INTERVAL);
    cfmt_gauges_sum(&f->gauges, g->gauges);
    f->queue_capacity = queue_capacity(f->gauges.children);
    f->has_heartbeat = cfmt_leader_read(&f->heartbeat, db) == APR_SUCCESS;
    f->free_disk = free_disk(db, p);
    f->secrets_wanted = g->secrets_wanted;
    f->secrets_usable = cfmt_secrets_count(g->secrets);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static const char *reasons_text(const apr_array_header_t *reasons, apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; i < reasons->nelts; i++) {
        const cfmt_health_reason_t *r = &APR_ARRAY_IDX(reasons, i, cfmt_health_reason_t);
        text = apr_psprintf(p, "%s%s{\"id\":\"%s\",\"level\":\"%s\",\"text\":%s}", text,
                            i ? "," : "", r->id, cfmt_health_name(r->level),
                            cfmt_json_quote(p, r->text));
    }
    return text;
}

static const char *leader_text(const cfmt_health_facts_t *f, apr_pool_t *p)
{
    if (!f->has_heartbeat) {
        return "null";
    }
    return apr_psprintf(p, "{\"pid\":%d,\"round\":%" APR_INT64_T_FMT ",\"started_at\":\"%s\",%s}",
                        (int)f->heartbeat.pid, f->heartbeat.round,
                        cfmt_time_format(p, f->heartbeat.started_at),
                        cfmt_health_when("heartbeat", f->heartbeat.at, f->now, p));
}

static const char *rows_text(const cfmt_health_facts_t *f, apr_pool_t *p)
{
    const cfmt_health_rows_t *r = &f->rows;
    apr_time_t lag = r->oldest_lag_at ? f->world_now - r->oldest_lag_at : 0;

    if (!f->rows_at) {
        return apr_pstrcat(p, "\"schema\":null,", cfmt_health_when("last_delivery", 0, 0, p),
                           ",\"journal_head\":null,\"projection\":null,",
                           cfmt_health_when("read", 0, 0, p), NULL);
    }
    return apr_psprintf(p,
                        "\"schema\":%d,%s,\"journal_head\":%" APR_INT64_T_FMT
                        ",\"projection\":{\"cursor\":%" APR_INT64_T_FMT
                        ",\"lag_rows\":%" APR_INT64_T_FMT ",\"lag_s\":%.3f},%s",
                        r->schema,
                        cfmt_health_when("last_delivery", r->last_delivery_at, f->world_now, p),
                        r->head, r->cursor, r->head - r->cursor,
                        lag > 0 ? (double)lag / APR_USEC_PER_SEC : 0.0,
                        cfmt_health_when("read", f->rows_at, f->now, p));
}

static const char *health_text(cfmt_health_e *pverdict, const cfmt_health_facts_t *f,
                               const cfmt_generation_t *g, apr_pool_t *p)
{
    apr_array_header_t *reasons;
    const char *disk = f->free_disk < 0 ? "null"
                                        : apr_psprintf(p, "%" APR_INT64_T_FMT, f->free_disk);

    *pverdict = cfmt_health_judge(&reasons, f, p);
    return apr_psprintf(
        p,
        "{\"status\":\"%s\",\"reasons\":[%s],\"mode\":\"%s\",\"demo_speed\":%d,"
        "\"version\":\"" CFMT_VERSION "\",%s,\"leader\":%s,\"queue_depth\":%u,%s,"
        "\"store\":{\"status\":\"%s\"},\"free_disk_bytes\":%s,\"secrets\":%d,\"children\":%d,"
        "\"generation\":%d,%s,%s,%s}",
        cfmt_health_name(*pverdict), reasons_text(reasons, p), cfmt_config_mode_name(g->conf),
        f->speed, rows_text(f, p), leader_text(f, p), f->gauges.queued,
        cfmt_health_when("last_commit", f->gauges.commit_at, f->now, p),
        cfmt_status_name(cfmt_health_store_status(f)), disk, f->secrets_usable, f->gauges.children,
        g->number, cfmt_health_when("started", f->started_at, f->now, p),
        cfmt_health_world_json(f, p), cfmt_health_outbox_json(f, p));
}

int cfmt_health_handler(request_rec *r)
{
    static const cfmt_problem_t method_problem = {
        .status = HTTP_METHOD_NOT_ALLOWED, .name = "method", .title = "Method not allowed"
    };
    const cfmt_generation_t *g = cfmt_generation();
    cfmt_health_facts_t facts;
    cfmt_health_e verdict;
    const char *text;

    if (!r->handler || strcmp(r->handler, "cfmt-health")) {
        return DECLINED;
    }
    if (!g) {
        return HTTP_SERVICE_UNAVAILABLE;
    }
    if (r->method_number != M_GET) { /* httpd counts HEAD as GET without a body */
        apr_table_setn(r->headers_out, "Allow", "GET, HEAD");
        return cfmt_problem_answer(r, &method_problem, NULL, cfmt_request_has_body(r));
    }
    gather(&facts, g, r->pool);
    text = health_text(&verdict, &facts, g, r->pool);
    return cfmt_json_answer(r, verdict == CFMT_HEALTH_FAILING ? HTTP_SERVICE_UNAVAILABLE : HTTP_OK,
                            text);
}
