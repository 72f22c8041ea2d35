/*
 * The account on the loopback and the engine that acts on it.
 */
#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "acting.h"
#include "loopback.h"

#define LIST(result) "{\"success\":true,\"errors\":[],\"messages\":[],\"result\":[" result "]}"
#define PARENT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa01"
#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa02"
#define OTHER "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa03" /* a parent whose list fails */
#define IS(parent) "{\"id\":\"" parent "\",\"cidr\":\"" ACTING_PREFIX "\",\"approved\":\"V\"}"
#define STEP apr_time_from_msec(50) /* between rounds, as the runner has it */

static loopback_t server;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of world */
static acting_world_t world;
static apr_time_t moment, mono; /* the same point of two clocks, which go on together */
static cfmt_store_t *eye;
static apr_table_t *settings;
static cfmt_log_t test_log;

/* ---- time ------------------------------------------------------------------------------------ */

apr_time_t acting_now(void)
{
    return moment + (cfmt_monotonic() - mono);
}

static apr_time_t read_clock(void *baton)
{
    (void)baton;
    return acting_now();
}

/* ---- the account ----------------------------------------------------------------------------- */

void acting_set(const acting_world_t *w)
{
    pthread_mutex_lock(&lock);
    world = *w;
    pthread_mutex_unlock(&lock);
}

acting_world_t acting_get(void)
{
    acting_world_t w;

    pthread_mutex_lock(&lock);
    w = world;
    pthread_mutex_unlock(&lock);
    return w;
}

void acting_hang(int yes)
{
    pthread_mutex_lock(&lock);
    world.hang = yes;
    pthread_mutex_unlock(&lock);
}

void acting_patches(const char *status, int effect)
{
    pthread_mutex_lock(&lock);
    world.patch = status;
    world.effect = effect;
    pthread_mutex_unlock(&lock);
}

void acting_lock(int locked)
{
    pthread_mutex_lock(&lock);
    world.locked = locked;
    pthread_mutex_unlock(&lock);
}

void acting_is(int advertised, apr_time_t at)
{
    pthread_mutex_lock(&lock);
    world.advertised = advertised;
    world.advertised_at = at;
    pthread_mutex_unlock(&lock);
}

static void give(int fd, const char *status, const char *body)
{
    char head[300], date[APR_RFC822_DATE_LEN + 10] = "";
    apr_interval_time_t ahead = acting_get().ahead;

    if (ahead) {
        strcpy(date, "Date: ");
        (void)apr_rfc822_date(date + 6, acting_now() + ahead);
        strcat(date, "\r\n");
    }
    apr_snprintf(head, sizeof(head),
                 "HTTP/1.1 %s\r\n%sContent-Type: application/json\r\nContent-Length: %"
                 APR_SIZE_T_FMT "\r\nConnection: close\r\n\r\n", status, date, strlen(body));
    loopback_put(fd, head);
    loopback_put(fd, body);
    loopback_finish(fd);
}

static void give_prefix(int fd, const acting_world_t *w)
{
    char text[800];
    apr_time_exp_t t;

    apr_time_exp_gmt(&t, w->advertised_at);
    apr_snprintf(text, sizeof(text), LIST("%s{\"id\":\"" ID "\",\"cidr\":\"" ACTING_PREFIX "\","
                 "\"bgp_signal_opts\":{\"enabled\":false},\"on_demand\":{\"advertised\":%s,"
                 "\"on_demand_enabled\":true,\"on_demand_locked\":%s,\"advertised_modified_at\":"
                 "\"%04d-%02d-%02dT%02d:%02d:%02dZ\"}}"), "",
                 w->advertised ? "true" : "false", w->locked ? "true" : "false",
                 t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
    give(fd, "200 OK", w->listed ? text : LIST(""));
}

static void patch(loopback_t *s, int fd, const char *text)
{
    acting_world_t w;
    int want = strstr(text, "\"advertised\":true") != NULL;
    apr_time_t now = acting_now();

    pthread_mutex_lock(&lock);
    world.patches++;
    if (world.effect && world.advertised != want) {
        world.advertised = want;
        world.advertised_at = now;
    }
    w = world;
    pthread_mutex_unlock(&lock);
    while (acting_get().hang) {
        if (loopback_hang(s, 5)) {
            return;
        }
    }
    if (w.patch) {
        give(fd, w.patch, w.body);
    }
}

static int answer(loopback_t *s, int fd, const char *text)
{
    acting_world_t w = acting_get();
    char path[500];

    if (sscanf(text, "%*s %499[^ ?]", path) != 1) {
        return 0;
    }
    if (!strncmp(text, "PATCH", 5)) {
        patch(s, fd, text);
    }
    else if (strstr(path, OTHER) || (w.broken > 1 && strstr(path, "/bgp/prefixes"))) {
        give(fd, "500 Internal Server Error", "");
    }
    else if (strstr(path, "/bgp/prefixes")) {
        give_prefix(fd, &w);
    }
    else if (strstr(path, "/addressing/prefixes")) {
        give(fd, "200 OK", w.broken ? LIST(IS(PARENT) "," IS(OTHER)) : LIST(IS(PARENT)));
    }
    else if (strstr(path, "/graphql")) {
        give(fd, "200 OK", "{\"data\":{\"viewer\":{\"accounts\":[{\"health\":[]}]}},"
                           "\"errors\":null}");
    }
    else {
        give(fd, "200 OK", LIST(""));
    }
    return 0;
}

/* ---- the engine ------------------------------------------------------------------------------ */

static const cfmt_clock_t test_clock = { .now = read_clock };

void acting_begin(void)
{
    acting_world_t w = { .listed = 1, .patch = "200 OK", .body = ACTING_YES, .effect = 1 };

    moment = ACTING_S(1700000000);
    mono = cfmt_monotonic();
    w.advertised_at = moment - ACTING_S(2 * 86400);
    acting_set(&w);
    eye = NULL;
    kit_lines[0] = '\0';
    test_log = kit_log;
    test_log.max = CFMT_LOG_NOTICE; /* what people are told */
    settings = apr_table_make(unit_pool, 8);
    apr_table_setn(settings, "Mode", "observe");
    apr_table_setn(settings, "AccountId", KIT_OURS);
    loopback_start(&server, answer);
    ck_assert_int_eq(cfmt_http_global_begin(), APR_SUCCESS);
}

void acting_end(void)
{
    loopback_stop(&server);
}

apr_table_t *acting_settings(void)
{
    return settings;
}

static cfmt_engine_t *make_engine(const cfmt_api_conf_t *api)
{
    cfmt_engine_conf_t conf = { .db = unit_path("cfmt.db"), .clock = &test_clock,
                                .log = &test_log, .api = api, .settings = settings };
    apr_pool_t *p;

    apr_pool_create(&p, unit_pool);
    return cfmt_engine_create(&conf, p);
}

cfmt_engine_t *acting_engine_alone(void)
{
    return make_engine(NULL);
}

cfmt_engine_t *acting_engine(void)
{
    cfmt_api_conf_t *api = apr_pcalloc(unit_pool, sizeof(*api));

    api->rest_url = apr_psprintf(unit_pool, "http://127.0.0.1:%d/v4", server.port);
    api->graphql_url = apr_psprintf(unit_pool, "http://127.0.0.1:%d/graphql", server.port);
    api->account = KIT_OURS;
    api->token = "token-token-token-token";
    return make_engine(api);
}

void acting_drop(cfmt_engine_t *e)
{
    apr_pool_destroy(e->pool);
}

cfmt_store_t *acting_store(void)
{
    if (!eye) {
        ck_assert_int_eq(cfmt_store_open(&eye, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL,
                                         unit_pool), APR_SUCCESS);
    }
    return eye;
}

static int is_busy(const cfmt_engine_t *e)
{
    return e->api && cfmt_http_pending(cfmt_api_http(e->api)) > 0;
}

void acting_rest(cfmt_engine_t *e)
{
    apr_time_t end = cfmt_monotonic() + ACTING_S(10);
    int hangs = 0;

    while (is_busy(e) && !hangs && cfmt_monotonic() < end) {
        cfmt_engine_wait(e, NULL, 0, apr_time_from_msec(10));
        hangs = acting_get().hang;
    }
    unit_skip(STEP);
}

apr_status_t acting_round(cfmt_engine_t *e)
{
    cfmt_rest_t rest;
    apr_pool_t *tick;
    apr_status_t rv;

    apr_pool_create(&tick, unit_pool);
    rv = cfmt_engine_round(e, &rest, NULL, tick);
    apr_pool_destroy(tick);
    acting_rest(e);
    return rv;
}

static void one_round(cfmt_engine_t *e)
{
    ck_assert_int_eq(acting_round(e), APR_SUCCESS);
}

void acting_rounds(cfmt_engine_t *e, apr_interval_time_t d)
{
    apr_time_t end = cfmt_monotonic() + d;

    do {
        one_round(e);
    } while (cfmt_monotonic() < end);
}

void acting_until(cfmt_engine_t *e, const char *sql, const char *want)
{
    apr_time_t end = cfmt_monotonic() + ACTING_S(60);
    const char *got;
    size_t len;

    do {
        one_round(e);
        got = kit_text(acting_store(), sql);
        len = strlen(kit_lines);
        ck_assert_msg(cfmt_monotonic() < end, "%s: %s, not %s; log ends:\n%s", sql,
                      got ? got : "nothing", want, kit_lines + (len > 3000 ? len - 3000 : 0));
    } while (!got || strcmp(got, want));
}

cfmt_engine_t *acting_start(int advertised)
{
    cfmt_engine_t *e;

    acting_begin();
    acting_is(advertised, acting_get().advertised_at);
    e = acting_engine();
    acting_until(e, "SELECT count(*) > 0 FROM prefix", "1");
    return e;
}

cfmt_engine_t *acting_policy(const char *mode, const char *options)
{
    cfmt_engine_t *e;

    apr_table_setn(settings, "Mode", mode);
    if (options) {
        apr_table_setn(settings, "Prefix *", options);
    }
    e = acting_engine();
    acting_until(e, "SELECT count(*) > 0 FROM standing", "1");
    acting_rounds(e, apr_time_from_msec(300));
    return e;
}

/* ---- what comes in --------------------------------------------------------------------------- */

apr_int64_t acting_append(const char *kind, const char *origin, apr_time_t at, const char *body)
{
    cfmt_entry_t entry = { .kind = kind, .at = at, .origin = origin, .body = body,
                           .len = strlen(body) };

    ck_assert_int_eq(cfmt_store_begin(acting_store(), -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_journal_append(acting_store(), &entry), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(acting_store()), APR_SUCCESS);
    return entry.id;
}

apr_int64_t acting_command(const char *body)
{
    return acting_append("command", "user ann", acting_now(), body);
}

void acting_alert(int end, const char *target)
{
    kit_row_t row = kit_alert((kit_say_t){ .end = end, .attack = "a1", .target = target,
        .account = KIT_OURS, .ts = (int)apr_time_sec(acting_now() - KIT_EPOCH) });

    acting_append("delivery", "test", acting_now(), row.body);
}

apr_int64_t acting_intent(int want, const char *who, const char *cause)
{
    cfmt_intent_row_t in = { .want = want, .who = who, .cause = cause,
                             .created_at = acting_now() };

    ck_assert_int_eq(cfmt_cidr_parse(&in.prefix, NULL, ACTING_PREFIX), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_begin(acting_store(), -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_intent_create(acting_store(), &in, 0, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(acting_store()), APR_SUCCESS);
    return in.id;
}

const char *acting_state(apr_int64_t intent)
{
    return apr_psprintf(unit_pool, "SELECT state FROM intent WHERE id = %" APR_INT64_T_FMT,
                        intent);
}
