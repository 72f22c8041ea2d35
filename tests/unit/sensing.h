/*
 * An upstream that lies, for tests of src/engine/sense*.c: a server on the loopback that answers by
 * path, an engine that asks it by a clock of the test's, and what came of it.
 */
#ifndef CFMT_SENSING_H
#define CFMT_SENSING_H

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_engine.h"
#include "kit.h"
#include "loopback.h"
#include "unit.h"

#define S(n) apr_time_from_sec(n)
#define LIST(result) "{\"success\":true,\"errors\":[],\"messages\":[],\"result\":" result "}"
#define NO_TOKEN \
    "{\"success\":false,\"errors\":[{\"code\":1000,\"message\":\"Invalid API Token\"}]," \
    "\"messages\":[],\"result\":null}"
#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* ---- the server ------------------------------------------------------------------------------ */

typedef struct route_t {
    const char *path; /* how it ends */
    const char *status, *body;
} route_t;

static loopback_t server;
static int hang; /* atomic: connections get no answer */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of routes */
static route_t routes[200];
static int count;

static inline void route(const char *path, const char *status, const char *body)
{
    int i;

    pthread_mutex_lock(&lock);
    for (i = 0; i < count && strcmp(routes[i].path, path); i++) {
    }
    routes[i] = (route_t){ .path = path, .status = status, .body = body };
    count += i == count;
    pthread_mutex_unlock(&lock);
}

static inline int ends_with(const char *text, const char *end)
{
    apr_size_t len = strlen(text), tail = strlen(end);

    return len >= tail && !strcmp(text + len - tail, end);
}

static inline route_t find_route(const char *path)
{
    static const route_t other = { .status = "200 OK", .body = LIST("[]") };
    route_t found = other;
    int i;

    pthread_mutex_lock(&lock);
    for (i = 0; i < count; i++) {
        if (ends_with(path, routes[i].path)) {
            found = routes[i];
        }
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static inline int give_answer(loopback_t *s, int fd, const char *text)
{
    char path[500], head[300];
    route_t r;

    if (__atomic_load_n(&hang, __ATOMIC_ACQUIRE)) {
        loopback_hang(s, -1);
        return 0;
    }
    if (sscanf(text, "%*s %499[^ ?]", path) != 1) {
        return 0;
    }
    r = find_route(path);
    apr_snprintf(head, sizeof(head),
                 "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %"
                 APR_SIZE_T_FMT "\r\nConnection: close\r\n\r\n", r.status, strlen(r.body));
    loopback_put(fd, head);
    loopback_put(fd, r.body);
    loopback_finish(fd);
    return 0;
}

static inline void start_server(void)
{
    count = 0;
    __atomic_store_n(&hang, 0, __ATOMIC_RELEASE);
    loopback_start(&server, give_answer);
}

static inline void stop_server(void)
{
    loopback_stop(&server);
}

/* ---- the engine ------------------------------------------------------------------------------ */

static apr_time_t clock_at;
static cfmt_store_t *eye;
static const char *logged;

static inline apr_time_t read_clock(void *baton)
{
    (void)baton;
    return clock_at;
}

static inline void keep_line(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton, (void)level;
    logged = apr_pstrcat(unit_pool, logged, line, "\n", NULL);
}

static const cfmt_clock_t test_clock = { .now = read_clock };
static const cfmt_log_t test_log = { .write = keep_line, .max = CFMT_LOG_INFO };

static inline cfmt_engine_t *make_engine(apr_pool_t *p)
{
    cfmt_api_conf_t *api = apr_pcalloc(unit_pool, sizeof(*api));
    cfmt_engine_conf_t conf = { .db = unit_path("cfmt.db"), .clock = &test_clock,
                                .log = &test_log, .api = api,
                                .settings = apr_table_make(unit_pool, 1) };

    api->rest_url = apr_psprintf(unit_pool, "http://127.0.0.1:%d/v4", server.port);
    api->graphql_url = apr_psprintf(unit_pool, "http://127.0.0.1:%d/graphql", server.port);
    api->account = KIT_OURS;
    api->token = "token-token-token-token";
    route("/graphql", "200 OK",
          "{\"data\":{\"viewer\":{\"accounts\":[{\"health\":[]}]}},\"errors\":null}");
    apr_table_setn((apr_table_t *)conf.settings, "Mode", "observe");
    apr_table_setn((apr_table_t *)conf.settings, "AnalyticsInterval", "20m");
    apr_table_setn((apr_table_t *)conf.settings, "Notify all", "syslog name=all min=low");
    return cfmt_engine_create(&conf, p);
}

static inline cfmt_engine_t *begin(void)
{
    clock_at = S(1700000000);
    eye = NULL;
    logged = "";
    start_server();
    ck_assert_int_eq(cfmt_http_global_begin(), APR_SUCCESS);
    return make_engine(unit_pool);
}

/* A handle beside the engine's. */
static inline cfmt_store_t *peek(void)
{
    if (!eye) {
        ck_assert_int_eq(cfmt_store_open(&eye, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL,
                                         unit_pool), APR_SUCCESS);
    }
    return eye;
}

static inline apr_int64_t ask_int(const char *sql)
{
    return kit_int(peek(), sql);
}

static inline void spin(cfmt_engine_t *e)
{
    cfmt_rest_t rest;
    apr_pool_t *tick;

    apr_pool_create(&tick, unit_pool);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, tick), APR_SUCCESS);
    apr_pool_destroy(tick);
    cfmt_engine_wait(e, NULL, 0, apr_time_from_msec(20));
}

/* Rounds until the job has run at this time of the clock. */
static inline void run_job(cfmt_engine_t *e, const char *job)
{
    const char *sql = apr_psprintf(unit_pool, "SELECT count(*) FROM job WHERE name = '%s' AND"
                                   " last_at >= %" APR_TIME_T_FMT, job, clock_at);
    apr_time_t end = cfmt_monotonic() + S(20);

    do {
        spin(e);
        ck_assert_msg(cfmt_monotonic() < end, "job %s does not end: %s", job, logged);
    } while (!ask_int(sql));
}

static inline int lines_with(const char *word)
{
    const char *at = logged;
    int n = 0;

    while ((at = strstr(at, word)) != NULL) {
        at += strlen(word);
        n++;
    }
    return n;
}

static inline const char *result_of(const char *job)
{
    return kit_text(peek(), apr_psprintf(unit_pool,
                                         "SELECT last_result FROM job WHERE name = '%s'", job));
}

#define PARENT(id) "{\"id\":\"" ID id "\",\"cidr\":\"203.0.113.0/24\",\"approved\":\"V\"}"
#define BGP(id, on) \
    "{\"id\":\"" ID id "\",\"cidr\":\"203.0.113.0/24\",\"on_demand\":{\"advertised\":" on "}}"

#endif
