/*
 * Unit tests of src/engine/sense*.c where an upstream lies or the life of a run is cut. What honest
 * answers become is tested against the simulator in tests/cloudflare.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "sensing.h"

/* ---- lists that cannot be -------------------------------------------------------------------- */

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
UNIT_TEST(the_next_leader_need_not_wait_for_claims)
UNIT_SUITE_END
