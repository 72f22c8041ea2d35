/*
 * From what the leader has stored to what /mt-health says of Cloudflare: counts, facts, JSON.
 */
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "unit.h"

#define S(n) apr_time_from_sec(n)
#define NOW KIT_EPOCH
#define REST (&facts.world.upstream[CFMT_UPSTREAM_REST])
#define GRAPHQL (&facts.world.upstream[CFMT_UPSTREAM_GRAPHQL])

static cfmt_health_facts_t facts;

static void setup(void)
{
    unit_setup();
    memset(&facts, 0, sizeof(facts));
    facts.now = facts.world_now = facts.rows_at = NOW;
    facts.api_wanted = facts.api_usable = 1;
}

static void sense(cfmt_store_t *s, const char *name, const char *json)
{
    kit_sql(s, apr_psprintf(unit_pool, "INSERT OR REPLACE INTO sensed VALUES('%s', %"
                                       APR_TIME_T_FMT ", 1, '%s')", name, NOW - S(10), json));
}

static void add_prefix(cfmt_store_t *s, int i, const char *parent, const char *advertised,
                       const char *locked, int gone)
{
    kit_sql(s, apr_psprintf(unit_pool,
                            "INSERT INTO prefix(id, parent, cidr, advertised, locked, gone, since,"
                            " row, origin, first_at) VALUES('p%d', '%s', '10.0.%d.0/24', %s, %s,"
                            " %d, 1, 1, 'first', 1)", i, parent, i, advertised, locked, gone));
}

static void add_tunnel(cfmt_store_t *s, int i, const char *state, int gone)
{
    kit_sql(s, apr_psprintf(unit_pool, "INSERT INTO tunnel(id, kind, state, gone, since, row)"
                                       " VALUES('t%d', 'gre', '%s', %d, 1, 1)", i, state, gone));
}

static void note(cfmt_store_t *s, const char *kind, const char *id, apr_time_t at)
{
    kit_sql(s, apr_psprintf(unit_pool, "INSERT INTO reading VALUES('%s', '%s', %" APR_TIME_T_FMT
                                       ")", kind, id, at));
}

START_TEST(counts)
{
    cfmt_store_t *s = kit_open("counts.db");
    cfmt_world_counts_t c;

    ck_assert_int_eq(cfmt_query_world_counts(s, &c), APR_SUCCESS);
    ck_assert(c.prefixes == 0 && c.advertised == 0 && c.prefixes_read_at == 0 && c.unknown == 0);
    add_prefix(s, 1, "a", "1", "0", 0);
    add_prefix(s, 2, "a", "0", "1", 0);
    add_prefix(s, 3, "b", "NULL", "NULL", 0);
    add_prefix(s, 4, "c", "1", "1", 1);
    add_prefix(s, 5, "d", "1", "0", 0);
    note(s, "parent", "a", 900);
    note(s, "parent", "b", 800);
    note(s, "parent", "c", 100); /* all of it is gone */
    note(s, "parent", "d", 200); /* no longer listed, and soon gone */
    note(s, "missing", "p5", 850);
    note(s, "parent", "p1", 1);
    add_tunnel(s, 1, "up", 0);
    add_tunnel(s, 2, "down", 0);
    add_tunnel(s, 3, "down", 0);
    add_tunnel(s, 4, "degraded", 0);
    add_tunnel(s, 5, "unknown", 0);
    add_tunnel(s, 6, "up", 1);
    sense(s, "tunnels", "{}");
    ck_assert_int_eq(cfmt_query_world_counts(s, &c), APR_SUCCESS);
    ck_assert_int_eq(c.prefixes, 4);
    ck_assert_int_eq(c.advertised, 2);
    ck_assert_int_eq(c.locked, 1);
    ck_assert_int_eq(c.parents, 3);
    ck_assert_int_eq(c.prefixes_read_at, 800);
    ck_assert(c.up == 1 && c.down == 2 && c.degraded == 1 && c.unknown == 1);
    ck_assert_int_eq(c.tunnels_read_at, NOW - S(10));
}
END_TEST

/* As src/engine/sense*.c write it. */
static void fill(cfmt_store_t *s)
{
    sense(s, "upstream rest",
          "{\"breaker\":\"open\",\"since\":\"1699999990000000\",\"last_ok\":\"1699999970000000\","
          "\"probe_at\":\"1700000005000000\",\"problem\":\"net\",\"detail\":\"of /etc/secret\","
          "\"left\":\"333\",\"quota\":\"1200\",\"blocked_until\":\"0\",\"skew\":\"-1500000\"}");
    sense(s, "token",
          "{\"status\":\"active\",\"form\":\"user\",\"expires_at\":\"1700864000000000\"}");
    sense(s, "prefixes", "{\"unmatched\":\"203.0.113.0/24 2001:db8::/32\"}");
    sense(s, "policies",
          "{\"policies\":\"3\",\"destinations\":\"2\",\"unsent\":\"fbm_dosd_attack\","
          "\"failing\":\"<a> \\\\ \\\"b\\\"\",\"last_failure\":\"2023-11-14T22:13:00Z\"}");
    sense(s, "traffic",
          "{\"targets\":\"2\",\"watermark\":\"1699999090000000\",\"idle\":\"0\",\"cut\":\"3\","
          "\"cut_prefixes\":\"10.0.0.0/8 2001:db8::/32\",\"behind\":\"900000000\"}");
    sense(s, "blind", "{\"10.0.0.0/8\":\"1699999000000000\",\"told\":\"1699999000000000\"}");
    kit_sql(s, "INSERT INTO job(name, due_at, last_at, fails, last_result, ok_at) VALUES"
               "('prefixes', 1700000060000000, 1, 2, 'net: of /etc/secret', 1699999940000000),"
               "('retention', 1, 1, 9, 'x', NULL), ('rules', 0, 1, 0, 'ok', NULL)");
    add_prefix(s, 1, "a", "1", "0", 0);
    note(s, "parent", "a", NOW - S(20));
    add_tunnel(s, 1, "down", 0);
}

START_TEST(world_read)
{
    cfmt_store_t *s = kit_open("world.db");
    cfmt_health_world_t *w = &facts.world;

    fill(s);
    ck_assert_int_eq(cfmt_health_world_read(s, w, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(REST->breaker, CFMT_BREAKER_OPEN);
    ck_assert_str_eq(REST->problem, "net");
    ck_assert(REST->since == NOW - S(10) && REST->last_ok == NOW - S(30));
    ck_assert(REST->probe_at == NOW + S(5) && REST->blocked_until == 0);
    ck_assert(REST->left == 333 && REST->quota == 1200 && REST->skew == -1500000);
    ck_assert(GRAPHQL->read_at == 0 && GRAPHQL->breaker == CFMT_BREAKER_CLOSED);
    ck_assert_str_eq(w->token_form, "user");
    ck_assert(w->token_expires_at == NOW + S(10 * 86400));
    ck_assert_int_eq(w->unmatched.count, 2);
    ck_assert_str_eq(w->unmatched.text, "203.0.113.0/24 2001:db8::/32");
    ck_assert_int_eq(w->last_failure, NOW - S(20));
    ck_assert(w->traffic_read_at == NOW - S(10) && w->newest_row == NOW - S(910));
    ck_assert(w->behind == S(900) && !w->idle && w->cut.count == 2 && w->blind.count == 1);
    ck_assert_str_eq(w->cut.text, "10.0.0.0/8 2001:db8::/32");
    ck_assert_str_eq(w->blind.text, "10.0.0.0/8");
    ck_assert_int_eq(w->jobs, 2); /* housekeeping is not of Cloudflare */
    ck_assert_int_eq(w->job[0].fails, 2);
    ck_assert_str_eq(w->job[1].name, "rules");
}
END_TEST

/* Nonsense of anybody's is nothing known. */
START_TEST(world_of_nonsense)
{
    cfmt_store_t *s = kit_open("nonsense.db");
    cfmt_health_world_t *w = &facts.world;

    sense(s, "upstream rest", "{\"breaker\":\"ajar\",\"since\":\"soon\",\"left\":7,\"skew\":\"\"}");
    sense(s, "upstream graphql", "[");
    sense(s, "token", "");
    sense(s, "policies", "{\"last_failure\":\"yesterday\"}");
    ck_assert_int_eq(cfmt_health_world_read(s, w, unit_pool), APR_SUCCESS);
    ck_assert(REST->breaker == CFMT_BREAKER_CLOSED && REST->since == 0 && REST->left == 0);
    ck_assert(GRAPHQL->read_at == NOW - S(10) && GRAPHQL->quota == 0);
    ck_assert_str_eq(w->token_status, "");
    ck_assert(w->last_failure == 0 && w->unmatched.count == 0);
}
END_TEST

START_TEST(words_are_cut_whole)
{
    cfmt_store_t *s = kit_open("words.db");
    const char *text = "";
    apr_size_t len;
    int i;

    for (i = 0; i < 100; i++) {
        text = apr_psprintf(unit_pool, "%s 203.0.%d.0/24", text, 100 + i);
    }
    sense(s, "prefixes", apr_psprintf(unit_pool, "{\"unmatched\":\"%s \"}", text));
    ck_assert_int_eq(cfmt_health_world_read(s, &facts.world, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(facts.world.unmatched.count, 100);
    len = strlen(facts.world.unmatched.text);
    ck_assert(len > 490 && len < 512);
    ck_assert_str_eq(facts.world.unmatched.text + len - 4, "0/24");
    ck_assert(!strncmp(facts.world.unmatched.text, "203.0.100.0/24 203.0.101.0/24 ", 30));
}
END_TEST

static const char json[] =
    "\"api\":{\"configured\":true,\"token_readable\":true,\"upstreams\":{\"rest\":{"
    "\"breaker\":\"open\",\"since\":\"2023-11-14T22:13:10Z\",\"problem\":\"net\","
    "\"last_ok_at\":\"2023-11-14T22:12:50Z\",\"last_ok_age_s\":30.000,"
    "\"retry_at\":\"2023-11-14T22:13:25Z\",\"left\":333,\"quota\":1200,\"clock_skew_s\":-1.5,"
    "\"read_at\":\"2023-11-14T22:13:10Z\",\"read_age_s\":10.000},\"graphql\":null},"
    "\"token\":{\"status\":\"active\",\"form\":\"user\",\"expires_at\":\"2023-11-24T22:13:20Z\","
    "\"read_at\":\"2023-11-14T22:13:10Z\",\"read_age_s\":10.000},"
    "\"alerts\":{\"policies\":3,\"destinations\":2,"
    "\"unsent\":{\"count\":1,\"names\":[\"fbm_dosd_attack\"]},\"failing\":\"<a> \\\\ \\\"b\\\"\","
    "\"last_failure_at\":\"2023-11-14T22:13:00Z\","
    "\"read_at\":\"2023-11-14T22:13:10Z\",\"read_age_s\":10.000},"
    "\"jobs\":{\"prefixes\":{\"fails\":2,\"ok_at\":\"2023-11-14T22:12:20Z\",\"ok_age_s\":60.000,"
    "\"due_at\":\"2023-11-14T22:14:20Z\"},"
    "\"rules\":{\"fails\":0,\"ok_at\":null,\"ok_age_s\":null,\"due_at\":null}}},"
    "\"prefixes\":{\"known\":1,\"advertised\":1,\"locked\":0,\"unmatched\":{\"count\":2,"
    "\"names\":[\"203.0.113.0/24\",\"2001:db8::/32\"]},"
    "\"read_at\":\"2023-11-14T22:13:00Z\",\"read_age_s\":20.000},"
    "\"tunnels\":{\"known\":1,\"up\":0,\"degraded\":0,\"down\":1,\"unknown\":0,"
    "\"read_at\":null,\"read_age_s\":null},"
    "\"traffic\":{\"newest_at\":\"2023-11-14T21:58:10Z\",\"newest_age_s\":900.000,\"idle\":false,"
    "\"blind\":{\"count\":1,\"names\":[\"10.0.0.0/8\"]},"
    "\"truncated\":{\"count\":2,\"names\":[\"10.0.0.0/8\",\"2001:db8::/32\"]},"
    "\"read_at\":\"2023-11-14T22:13:10Z\",\"read_age_s\":10.000}";

START_TEST(json_of_the_world)
{
    cfmt_store_t *s = kit_open("json.db");

    fill(s);
    ck_assert_int_eq(cfmt_health_world_read(s, &facts.world, unit_pool), APR_SUCCESS);
    kit_same(cfmt_health_world_json(&facts, unit_pool), json, "health");
    facts.world_now = NOW + S(6); /* the probe is due */
    ck_assert_ptr_nonnull(strstr(cfmt_health_world_json(&facts, unit_pool), "\"retry_at\":null"));
    facts.api_wanted = 0;
    ck_assert_str_eq(cfmt_health_world_json(&facts, unit_pool),
                     "\"api\":{\"configured\":false},\"prefixes\":null,\"tunnels\":null,"
                     "\"traffic\":null");
}
END_TEST

START_TEST(json_of_nothing)
{
    const char *text;

    memset(&facts.world, 0, sizeof(facts.world));
    text = cfmt_health_world_json(&facts, unit_pool);
    ck_assert_ptr_nonnull(strstr(text, "{\"rest\":null,\"graphql\":null},\"token\":null,"
                                       "\"alerts\":null,\"jobs\":{}},\"prefixes\":{\"known\":0"));
    facts.rows_at = 0;
    text = cfmt_health_world_json(&facts, unit_pool);
    ck_assert_ptr_nonnull(strstr(text, "\"prefixes\":null,\"tunnels\":null,\"traffic\":null"));
}
END_TEST

Suite *suite_health_world(void)
{
    Suite *s = suite_create("health_world");
    TCase *tc = tcase_create("health_world");

    tcase_add_checked_fixture(tc, setup, unit_teardown);
    suite_add_tcase(s, tc);
    tcase_add_test(tc, counts);
    tcase_add_test(tc, world_read);
    tcase_add_test(tc, world_of_nonsense);
    tcase_add_test(tc, words_are_cut_whole);
    tcase_add_test(tc, json_of_the_world);
    tcase_add_test(tc, json_of_nothing);
    return s;
}
