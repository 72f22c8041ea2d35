/*
 * Unit tests of src/engine/sense*.c where an upstream lies or the life of a run is cut: rounds
 * against a server on the loopback that answers by path. What honest answers become is tested
 * against the simulator in tests/cloudflare.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

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

static void route(const char *path, const char *status, const char *body)
{
    int i;

    pthread_mutex_lock(&lock);
    for (i = 0; i < count && strcmp(routes[i].path, path); i++) {
    }
    routes[i] = (route_t){ .path = path, .status = status, .body = body };
    count += i == count;
    pthread_mutex_unlock(&lock);
}

static int ends_with(const char *text, const char *end)
{
    apr_size_t len = strlen(text), tail = strlen(end);

    return len >= tail && !strcmp(text + len - tail, end);
}

static route_t find_route(const char *path)
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

static int give_answer(loopback_t *s, int fd, const char *text)
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

static void start_server(void)
{
    count = 0;
    __atomic_store_n(&hang, 0, __ATOMIC_RELEASE);
    loopback_start(&server, give_answer);
}

static void stop_server(void)
{
    loopback_stop(&server);
}

/* ---- the engine ------------------------------------------------------------------------------ */

static apr_time_t clock_at;
static cfmt_store_t *eye;
static const char *logged;

static apr_time_t read_clock(void *baton)
{
    (void)baton;
    return clock_at;
}

static void keep_line(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton, (void)level;
    logged = apr_pstrcat(unit_pool, logged, line, "\n", NULL);
}

static const cfmt_clock_t test_clock = { .now = read_clock };
static const cfmt_log_t test_log = { .write = keep_line, .max = CFMT_LOG_INFO };

static cfmt_engine_t *make_engine(apr_pool_t *p)
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

static cfmt_engine_t *begin(void)
{
    clock_at = S(1700000000);
    eye = NULL;
    logged = "";
    start_server();
    ck_assert_int_eq(cfmt_http_global_begin(), APR_SUCCESS);
    return make_engine(unit_pool);
}

/* A handle beside the engine's. */
static cfmt_store_t *peek(void)
{
    if (!eye) {
        ck_assert_int_eq(cfmt_store_open(&eye, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL,
                                         unit_pool), APR_SUCCESS);
    }
    return eye;
}

static apr_int64_t ask_int(const char *sql)
{
    return kit_int(peek(), sql);
}

static void spin(cfmt_engine_t *e)
{
    cfmt_rest_t rest;
    apr_pool_t *tick;

    apr_pool_create(&tick, unit_pool);
    ck_assert_int_eq(cfmt_engine_round(e, &rest, NULL, tick), APR_SUCCESS);
    apr_pool_destroy(tick);
    cfmt_engine_wait(e, NULL, 0, apr_time_from_msec(20));
}

/* Rounds until the job has run at this time of the clock. */
static void run_job(cfmt_engine_t *e, const char *job)
{
    const char *sql = apr_psprintf(unit_pool, "SELECT count(*) FROM job WHERE name = '%s' AND"
                                   " last_at >= %" APR_TIME_T_FMT, job, clock_at);
    apr_time_t end = cfmt_monotonic() + S(20);

    do {
        spin(e);
        ck_assert_msg(cfmt_monotonic() < end, "job %s does not end: %s", job, logged);
    } while (!ask_int(sql));
}

static int lines_with(const char *word)
{
    const char *at = logged;
    int n = 0;

    while ((at = strstr(at, word)) != NULL) {
        at += strlen(word);
        n++;
    }
    return n;
}

static const char *result_of(const char *job)
{
    return kit_text(peek(), apr_psprintf(unit_pool,
                                         "SELECT last_result FROM job WHERE name = '%s'", job));
}

/* ---- lists that cannot be -------------------------------------------------------------------- */

#define PARENT(id) "{\"id\":\"" ID id "\",\"cidr\":\"203.0.113.0/24\",\"approved\":\"V\"}"
#define BGP(id, on) \
    "{\"id\":\"" ID id "\",\"cidr\":\"203.0.113.0/24\",\"on_demand\":{\"advertised\":" on "}}"

START_TEST(a_prefix_listed_twice_is_one_and_no_history_each_time)
{
    cfmt_engine_t *e = begin();
    int i;

    route("/addressing/prefixes", "200 OK", LIST("[" PARENT("01") "," PARENT("01") "]"));
    route("/bgp/prefixes", "200 OK", LIST("[" BGP("02", "true") "," BGP("02", "false") "]"));
    for (i = 0; i < 4; i++, clock_at += S(61)) {
        run_job(e, "prefixes");
        ck_assert_ptr_nonnull(strstr(result_of("prefixes"), "listed twice"));
    }
    ck_assert_int_eq(ask_int("SELECT count(*) FROM journal WHERE kind = 'prefix_state'"), 1);
    route("/bgp/prefixes", "200 OK", LIST("[" BGP("02", "true") "," BGP("02", "true") "]"));
    run_job(e, "prefixes");
    ck_assert_ptr_nonnull(strstr(result_of("prefixes"), "1 read, 0 changed"));
    stop_server();
}
END_TEST

START_TEST(a_tunnel_and_a_rule_listed_twice_are_one)
{
    static const char gre[] = "{\"id\":\"" ID "03\",\"name\":\"a\"}";
    cfmt_engine_t *e = begin();
    int i;

    route("/magic/gre_tunnels", "200 OK",
          apr_psprintf(unit_pool, LIST("{\"gre_tunnels\":[%s,%s]}"), gre, gre));
    route("/mnm/rules", "200 OK",
          LIST("[{\"id\":\"" ID "04\",\"name\":\"r\",\"prefixes\":[\"192.0.2.0/24\"]},"
               "{\"id\":\"" ID "04\",\"name\":\"s\",\"prefixes\":[\"192.0.2.0/24\"]}]"));
    for (i = 0; i < 3; i++, clock_at += S(700)) {
        run_job(e, "tunnels");
        run_job(e, "rules");
    }
    ck_assert_int_eq(ask_int("SELECT count(*) FROM journal WHERE kind = 'tunnel_state'"), 1);
    ck_assert_int_eq(ask_int("SELECT count(*) FROM journal WHERE kind = 'rule_state'"), 1);
    ck_assert_ptr_nonnull(strstr(result_of("rules"), "listed twice"));
    stop_server();
}
END_TEST

#define LAST_READ "SELECT max(read_at) FROM reading WHERE kind = 'parent' AND id = '" ID "74'"

START_TEST(parents_without_bgp_prefixes_do_not_starve_the_others)
{
    cfmt_engine_t *e = begin();
    const char *list = "";
    apr_time_t then;
    int i;

    for (i = 0; i < 75; i++) {
        list = apr_psprintf(unit_pool, "%s%s{\"id\":\"" ID "%02d\"}", list, i ? "," : "", i);
    }
    route("/addressing/prefixes", "200 OK", apr_psprintf(unit_pool, LIST("[%s]"), list));
    route("/" ID "74/bgp/prefixes", "200 OK", LIST("[" BGP("02", "true") "]"));
    for (i = 0; i < 2; i++, clock_at += S(61)) {
        run_job(e, "prefixes");
    }
    spin(e);
    ck_assert_int_eq(ask_int("SELECT count(*) FROM prefix"), 1);
    then = ask_int(LAST_READ);
    for (i = 0; i < 3; i++, clock_at += S(61)) {
        run_job(e, "prefixes");
    }
    spin(e);
    ck_assert_int_gt(ask_int(LAST_READ), then);
    stop_server();
}
END_TEST

/* n BGP prefixes, one read after the other. */
static const char *many(int n)
{
    char *text = apr_palloc(unit_pool, (apr_size_t)n * 120 + 100), *at = text;
    int i;

    at += sprintf(at, "{\"success\":true,\"errors\":[],\"result\":[");
    for (i = 0; i < n; i++) {
        at += sprintf(at, "%s{\"id\":\"%032x\",\"cidr\":\"10.%d.%d.0/24\"}", i ? "," : "", i,
                      i / 256, i % 256);
    }
    strcpy(at, "]}");
    return text;
}

START_TEST(a_list_without_end_is_not_believed)
{
    cfmt_engine_t *e = begin();

    route("/addressing/prefixes", "200 OK", LIST("[" PARENT("01") "]"));
    route("/bgp/prefixes", "200 OK", many(20001));
    run_job(e, "prefixes");
    ck_assert_msg(strstr(result_of("prefixes"), "more than 20000") != NULL, "%s",
                  result_of("prefixes"));
    ck_assert_int_eq(ask_int("SELECT count(*) FROM journal WHERE kind = 'prefix_state'"), 0);
    route("/bgp/prefixes", "200 OK", LIST("[" BGP("02", "true") "]"));
    clock_at += S(61); /* the upstream lives: no breaker, and nothing is left of it */
    run_job(e, "prefixes");
    ck_assert_ptr_nonnull(strstr(result_of("prefixes"), "1 read, 1 changed"));
    stop_server();
}
END_TEST

START_TEST(much_that_is_new_is_all_stored_and_told_in_few_lines)
{
    cfmt_engine_t *e = begin();

    route("/addressing/prefixes", "200 OK", LIST("[" PARENT("01") "]"));
    route("/bgp/prefixes", "200 OK", many(1500));
    run_job(e, "prefixes");
    ck_assert_int_eq(ask_int("SELECT count(*) FROM journal WHERE kind = 'prefix_state'"), 1500);
    ck_assert_ptr_nonnull(strstr(logged, "1460 more lines"));
    ck_assert_int_lt(lines_with("\n"), 60);
    stop_server();
}
END_TEST

/* ---- the token ------------------------------------------------------------------------------- */

START_TEST(a_users_token_after_an_accounts_is_found)
{
    cfmt_engine_t *e = begin();

    route("/tokens/verify", "200 OK", LIST("{\"id\":\"1\",\"status\":\"active\"}"));
    route("/user/tokens/verify", "401 No", NO_TOKEN);
    run_job(e, "token");
    ck_assert_ptr_nonnull(strstr(result_of("token"), "active"));
    route("/" KIT_OURS "/tokens/verify", "401 No", NO_TOKEN);
    route("/user/tokens/verify", "200 OK", LIST("{\"id\":\"1\",\"status\":\"active\"}"));
    clock_at += S(4000);
    run_job(e, "token");
    ck_assert_msg(strstr(result_of("token"), "active") != NULL, "%s", result_of("token"));
    run_job(e, "prefixes");
    ck_assert_msg(strstr(result_of("prefixes"), "0 read") != NULL, "%s", result_of("prefixes"));
    stop_server();
}
END_TEST

static apr_int64_t fact(const char *name)
{
    cfmt_sensed_t u;
    apr_int64_t n = -1;

    ck_assert_int_eq(cfmt_sensed_load(peek(), &u, "upstream rest", unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_int_parse(&n, apr_table_get(u.facts, name), 0, APR_INT64_MAX),
                     APR_SUCCESS);
    return n;
}

START_TEST(a_revoked_token_is_tried_ever_more_rarely)
{
    cfmt_engine_t *e = begin();
    int i;

    route("", "401 No", NO_TOKEN);
    route("/graphql", "200 OK",
          "{\"data\":{\"viewer\":{\"accounts\":[{\"health\":[]}]}},\"errors\":null}");
    run_job(e, "prefixes");
    for (i = 0; i < 30 && fact("probe_at") - fact("since") < S(900); i++) {
        clock_at = fact("probe_at") > clock_at ? fact("probe_at") + 1 : clock_at + S(2);
        run_job(e, "prefixes"); /* may find the token's probe under way */
    }
    ck_assert_int_eq(fact("probe_at") - fact("since"), S(900));
    ck_assert_ptr_nonnull(strstr(logged, "CFMT0852"));
    stop_server();
}
END_TEST

static int told(const char *word)
{
    return (int)ask_int(apr_psprintf(unit_pool, "SELECT count(*) FROM outbox WHERE kind = 'token'"
                                     " AND fields LIKE '%%%s%%'", word));
}

static void probe(cfmt_engine_t *e)
{
    clock_at = fact("probe_at") > clock_at ? fact("probe_at") + 1 : clock_at + S(60);
    run_job(e, "prefixes");
}

/* At once, then each hour whichever job finds it out; anew when it had been good in between. */
START_TEST(people_hear_that_the_token_is_refused)
{
    cfmt_engine_t *e = begin();
    apr_time_t since;

    route("", "401 No", NO_TOKEN);
    route("/graphql", "200 OK",
          "{\"data\":{\"viewer\":{\"accounts\":[{\"health\":[]}]}},\"errors\":null}");
    run_job(e, "prefixes");
    ck_assert_int_eq(told("is refused"), 1);
    ck_assert_int_eq(told("Invalid API Token"), 1);
    for (since = clock_at; clock_at < since + S(2000);) {
        probe(e);
    }
    ck_assert_int_eq(told("is refused"), 1);
    for (; clock_at < since + S(5400);) {
        probe(e);
    }
    ck_assert_int_eq(told("is refused"), 2);
    route("", "200 OK", LIST("[]"));
    route("/tokens/verify", "200 OK", LIST("{\"id\":\"1\",\"status\":\"active\"}"));
    for (since = clock_at; clock_at < since + S(1200);) {
        probe(e);
    }
    ck_assert_int_eq(told("is refused"), 2);
    route("", "401 No", NO_TOKEN);
    route("/tokens/verify", "401 No", NO_TOKEN);
    probe(e);
    probe(e);
    ck_assert_int_eq(told("is refused"), 3);
    stop_server();
}
END_TEST

START_TEST(people_hear_that_the_token_expires)
{
    cfmt_engine_t *e = begin();
    int i;

    route("/tokens/verify", "200 OK", LIST("{\"id\":\"1\",\"status\":\"active\","
                                           "\"expires_on\":\"2023-12-24T22:13:20Z\"}"));
    run_job(e, "token"); /* in 40 days */
    ck_assert_int_eq(told("expires"), 0);
    for (i = 0; i < 3; i++) {
        clock_at += S(86400) * 11;
        run_job(e, "token");
        ck_assert_int_eq(told("expires"), i < 2 ? 1 : 2); /* in 29, 18, 7 */
    }
    ck_assert_int_eq(told("\"days\":\"7\""), 1);
    stop_server();
}
END_TEST

START_TEST(a_path_that_fails_does_not_keep_the_breaker_open)
{
    cfmt_engine_t *e = begin();
    int i;

    route("", "500 Oh", LIST("[]"));
    do {
        clock_at += S(61);
        run_job(e, "prefixes");
    } while (fact("probe_at") == 0);
    route("", "200 OK", LIST("[]"));
    route("/tokens/verify", "500 Oh", LIST("[]"));
    for (i = 0; i < 4; i++, clock_at += S(310)) {
        run_job(e, "prefixes"); /* may find the token's probe under way */
    }
    ck_assert_msg(strstr(result_of("prefixes"), "0 read") != NULL, "%s", result_of("prefixes"));
    stop_server();
}
END_TEST

/* ---- traffic --------------------------------------------------------------------------------- */

#define FULL 10000 /* rows of a page */

/* A full page, whatever is asked: a subnet of everybody's each, in the minute before now. */
static const char *full_page(const char *prefix)
{
    char *text = apr_palloc(unit_pool, (apr_size_t)FULL * 220 + 200), *at = text;
    const char *minute = cfmt_time_format(unit_pool, clock_at - clock_at % S(60) - S(60));
    int i;

    at += sprintf(at, "{\"data\":{\"viewer\":{\"accounts\":[{\"mark\":[],\"subnets\":[");
    for (i = 0; i < FULL; i++) {
        at += sprintf(at, "%s{\"sum\":{\"packets\":1,\"bits\":1},\"dimensions\":{"
                          "\"datetimeMinute\":\"%s\",\"outcome\":\"drop\",\"mitigationSystem\":"
                          "\"s%d\",\"ipDestinationSubnet\":\"%s\"}}", i ? "," : "", minute, i,
                      prefix);
    }
    strcpy(at, "]}]}},\"errors\":null}");
    return text;
}

/* Of a prefix of which nobody knows since when it is advertised. */
static cfmt_engine_t *begin_traffic(const char *answer)
{
    cfmt_engine_t *e = begin();

    route("/addressing/prefixes", "200 OK", LIST("[" PARENT("01") "]"));
    route("/bgp/prefixes", "200 OK", LIST("[" BGP("02", "true") "]"));
    run_job(e, "prefixes");
    spin(e);
    clock_at += S(1320);
    route("/graphql", "200 OK", answer ? answer : full_page("203.0.113.0/24"));
    run_job(e, "traffic");
    return e;
}

START_TEST(full_answers_to_all_queries_are_believed)
{
    cfmt_engine_t *e = begin_traffic(NULL);

    ck_assert_str_eq(result_of("traffic"), "1 prefixes, 8 queries, cut");
    ck_assert_int_eq(lines_with("CFMT0881"), 1);
    ck_assert_str_eq(kit_text(peek(), "SELECT json_extract(facts, '$.cut_prefixes') FROM sensed"
                                      " WHERE name = 'traffic'"), "203.0.113.0/24");
    clock_at += S(1320);
    run_job(e, "traffic");
    ck_assert_int_eq(lines_with("CFMT0881"), 1); /* once */
    spin(e);
    ck_assert_int_eq(ask_int("SELECT count(*) FROM evidence"), 0);
    stop_server();
}
END_TEST

/* What was not complete yet is asked again, however old the first unknown minute is. */
START_TEST(no_minute_is_left_between_runs_that_are_far_apart)
{
    cfmt_engine_t *e = begin_traffic(
        "{\"data\":{\"viewer\":{\"accounts\":[{\"mark\":[{\"dimensions\":{\"datetimeMinute\":"
        "\"2023-11-15T00:00:00Z\"}}],\"subnets\":[]}]}}}");
    apr_int64_t complete = ask_int("SELECT max(json_extract(body, '$.complete')) FROM journal");

    clock_at += S(1320);
    run_job(e, "traffic");
    ck_assert_int_le(ask_int("SELECT max(json_extract(body, '$.from')) FROM journal"), complete);
    stop_server();
}
END_TEST

/* Our clock is ahead of Cloudflare's: idle=calm would take what is to come for calm. */
START_TEST(no_minute_is_complete_that_has_not_come)
{
    const char *nothing = "{\"data\":{\"viewer\":{\"accounts\":[{\"mark\":[],\"subnets\":[]}]}}}";
    cfmt_engine_t *e = begin_traffic(nothing);
    char date[APR_RFC822_DATE_LEN];
    apr_time_t theirs;

    clock_at += S(1320);
    theirs = clock_at - (_i ? S(1200) : 0);
    apr_rfc822_date(date, theirs);
    route("/graphql", apr_pstrcat(unit_pool, "200 OK\r\nDate: ", date, NULL), nothing);
    run_job(e, "traffic");
    ck_assert_int_eq(ask_int("SELECT max(json_extract(body, '$.complete')) FROM journal") / 60,
                     (theirs - S(300)) / S(60));
    stop_server();
}
END_TEST

/* ---- a leader ends --------------------------------------------------------------------------- */

/* How many lead to the server; programs that httpd starts meanwhile must not inherit them. */
static int connections(void)
{
    struct sockaddr_in to;
    socklen_t len;
    int fd, n = 0;

    for (fd = 3; fd < 256; fd++) {
        len = sizeof(to);
        if (getpeername(fd, (struct sockaddr *)&to, &len) == 0 && to.sin_family == AF_INET
            && ntohs(to.sin_port) == server.port) {
            ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
            n++;
        }
    }
    return n;
}

START_TEST(the_next_leader_need_not_wait_for_claims)
{
    cfmt_engine_t *e;
    apr_pool_t *life;

    begin();
    __atomic_store_n(&hang, 1, __ATOMIC_RELEASE);
    apr_pool_create(&life, unit_pool);
    e = make_engine(life);
    spin(e);
    ck_assert_int_gt(ask_int("SELECT count(*) FROM job WHERE owner IS NOT NULL"), 3);
    ck_assert_int_gt(connections(), 0);
    cfmt_engine_end(e);
    apr_pool_destroy(life);
    ck_assert_int_eq(ask_int("SELECT count(*) FROM job WHERE owner IS NOT NULL"), 0);
    ck_assert_int_eq(ask_int(apr_psprintf(unit_pool, "SELECT count(*) FROM job WHERE fails > 0 OR"
                                          " (name NOT IN ('retention', 'traffic', 'detail')"
                                          " AND due_at > %" APR_TIME_T_FMT ")", clock_at)), 0);
    stop_server();
}
END_TEST

UNIT_SUITE_BEGIN(sense)
UNIT_TEST(a_prefix_listed_twice_is_one_and_no_history_each_time)
UNIT_TEST(a_tunnel_and_a_rule_listed_twice_are_one)
UNIT_TEST(parents_without_bgp_prefixes_do_not_starve_the_others)
UNIT_TEST(a_list_without_end_is_not_believed)
UNIT_TEST(much_that_is_new_is_all_stored_and_told_in_few_lines)
UNIT_TEST(a_users_token_after_an_accounts_is_found)
UNIT_TEST(a_revoked_token_is_tried_ever_more_rarely)
UNIT_TEST(people_hear_that_the_token_is_refused)
UNIT_TEST(people_hear_that_the_token_expires)
UNIT_TEST(a_path_that_fails_does_not_keep_the_breaker_open)
UNIT_TEST(full_answers_to_all_queries_are_believed)
UNIT_TEST(no_minute_is_left_between_runs_that_are_far_apart)
    tcase_add_loop_test(tc, no_minute_is_complete_that_has_not_come, 0, 2);
UNIT_TEST(the_next_leader_need_not_wait_for_claims)
UNIT_SUITE_END
