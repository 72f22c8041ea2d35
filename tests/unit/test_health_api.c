/*
 * Health of what the leader learns from Cloudflare: for each reason the fault that turns exactly it
 * on, at its threshold and just before.
 */
#include <string.h>

#include "cfmt_engine.h"
#include "unit.h"

#define S(n) apr_time_from_sec(n)
#define NOW S(1700000000)
#define REST (&facts.world.upstream[CFMT_UPSTREAM_REST])
#define GRAPHQL (&facts.world.upstream[CFMT_UPSTREAM_GRAPHQL])

static cfmt_health_facts_t facts;
static apr_array_header_t *reasons;

/* The API is configured and everything it says is fine and of half a minute ago. */
static void setup(void)
{
    cfmt_health_world_t *w = &facts.world;
    int i;

    unit_setup();
    memset(&facts, 0, sizeof(facts));
    facts.now = facts.world_now = facts.rows_at = NOW;
    facts.started_at = NOW - S(3600);
    facts.has_heartbeat = 1;
    facts.heartbeat.started_at = NOW - S(3000);
    facts.heartbeat.at = NOW - S(1);
    facts.free_disk = APR_INT64_MAX;
    facts.secrets_wanted = facts.secrets_usable = 1;
    facts.api_wanted = facts.api_usable = facts.has_public_url = 1;
    facts.poll_interval = S(60);
    w->counts.prefixes = w->counts.parents = 5;
    w->counts.up = 2;
    w->counts.down = w->counts.unknown = 1;
    w->counts.prefixes_read_at = w->counts.tunnels_read_at = NOW - S(30);
    for (i = 0; i < CFMT_UPSTREAMS; i++) {
        w->upstream[i].read_at = w->upstream[i].last_ok = NOW - S(30);
        w->upstream[i].left = w->upstream[i].quota = 100;
        w->upstream[i].skew = 1;
    }
    w->token_read_at = w->alerts_read_at = NOW - S(600);
    w->traffic_read_at = NOW - S(30);
    w->newest_row = NOW - S(330);
    strcpy(w->token_status, "active");
    w->jobs = 2;
    strcpy(w->job[0].name, "prefixes");
    strcpy(w->job[1].name, "rules");
}

static const cfmt_health_reason_t *reason(int i)
{
    return &APR_ARRAY_IDX(reasons, i, cfmt_health_reason_t);
}

/* Exactly one reason, of this id and level, and the level is the verdict. */
static void expect_only(const char *id, cfmt_health_e level)
{
    cfmt_health_e verdict = cfmt_health_judge(&reasons, &facts, unit_pool);

    ck_assert_int_eq(reasons->nelts, 1);
    ck_assert_str_eq(reason(0)->id, id);
    ck_assert_int_eq(reason(0)->level, level);
    ck_assert_int_eq(verdict, level);
    ck_assert(reason(0)->text[0] != '\0' && !strstr(reason(0)->text, " /")); /* no paths */
}

static void expect_ok(void)
{
    ck_assert_int_eq(cfmt_health_judge(&reasons, &facts, unit_pool), CFMT_HEALTH_OK);
    ck_assert_int_eq(reasons->nelts, 0);
}

static void expect_text(const char *part)
{
    ck_assert_msg(strstr(reason(0)->text, part) != NULL, "'%s' is not in: %s", part,
                  reason(0)->text);
}

static void open_breaker(cfmt_health_upstream_t *u, apr_status_t why)
{
    u->breaker = CFMT_BREAKER_OPEN;
    u->since = NOW - S(20);
    u->probe_at = NOW + S(12);
    strcpy(u->problem, cfmt_status_name(why));
}

START_TEST(api_fine)
{
    expect_ok();
}
END_TEST

/* Whatever an old configuration left in the store. */
START_TEST(api_not_configured)
{
    open_breaker(REST, CFMT_EAUTH);
    open_breaker(GRAPHQL, CFMT_ENET);
    facts.world.counts.prefixes_read_at = 1;
    facts.world.counts.up = 0;
    strcpy(facts.world.token_status, "expired");
    strcpy(facts.world.failing, "here");
    REST->skew = S(1000);
    facts.world.job[0].fails = 100;
    facts.api_wanted = facts.api_usable = 0;
    expect_ok();
}
END_TEST

START_TEST(api_breaker_open)
{
    open_breaker(REST, CFMT_ENET);
    expect_only("api", CFMT_HEALTH_DEGRADED);
    expect_text("REST does not answer as it should (net): last success 30s ago, asked again in 12");
    ck_assert_ptr_null(strstr(reason(0)->text, "GraphQL"));
    REST->breaker = CFMT_BREAKER_HALF;
    expect_only("api", CFMT_HEALTH_DEGRADED);
    REST->breaker = CFMT_BREAKER_CLOSED; /* one failure of three is none yet */
    expect_ok();
    open_breaker(GRAPHQL, CFMT_ESERVER);
    GRAPHQL->last_ok = 0;
    expect_only("api", CFMT_HEALTH_DEGRADED);
    expect_text("GraphQL does not answer as it should (server): no success since");
}
END_TEST

START_TEST(api_silent)
{
    GRAPHQL->last_ok = NOW - CFMT_HEALTH_STALE;
    expect_ok();
    GRAPHQL->last_ok--;
    expect_only("api", CFMT_HEALTH_DEGRADED);
    GRAPHQL->blocked_until = NOW + S(77);
    expect_only("api", CFMT_HEALTH_DEGRADED);
    expect_text("GraphQL is silent: last success 5m ago, asked again in 1m17s");
    facts.poll_interval = S(600);
    expect_ok();
    GRAPHQL->last_ok = NOW - 3 * S(600) - 1;
    facts.world.counts.prefixes_read_at = NOW;
    expect_only("api", CFMT_HEALTH_DEGRADED);
    GRAPHQL->last_ok = NOW + 3 * S(600) + 1; /* of before the clock was set back */
    expect_only("api", CFMT_HEALTH_DEGRADED);
}
END_TEST

/* Each leader begins without memory: that it has not asked yet is no fault for five minutes. */
START_TEST(api_not_asked_yet)
{
    GRAPHQL->last_ok = 0;
    facts.heartbeat.started_at = NOW - CFMT_HEALTH_STALE;
    expect_ok();
    facts.heartbeat.started_at--;
    expect_only("api", CFMT_HEALTH_DEGRADED);
}
END_TEST

START_TEST(api_after_the_first_start)
{
    memset(&facts.world, 0, sizeof(facts.world));
    facts.started_at = facts.heartbeat.started_at = NOW - CFMT_HEALTH_FIRST + 1;
    expect_ok();
    facts.started_at = facts.heartbeat.started_at = NOW - CFMT_HEALTH_FIRST;
    ck_assert_int_eq(cfmt_health_judge(&reasons, &facts, unit_pool), CFMT_HEALTH_DEGRADED);
    ck_assert_int_eq(reasons->nelts, 2);
    ck_assert_str_eq(reason(0)->id, "api");
    expect_text("REST has not been asked since the start; GraphQL has not");
    ck_assert_str_eq(reason(1)->id, "prefixes");
}
END_TEST

/* What the leader before said is not believed while the new one may still say otherwise. */
START_TEST(api_after_a_graceful)
{
    open_breaker(REST, CFMT_EAUTH);
    open_breaker(GRAPHQL, CFMT_ENET);
    REST->read_at = GRAPHQL->read_at = facts.world.counts.prefixes_read_at = NOW - S(4000);
    strcpy(facts.world.token_status, "disabled");
    facts.world.token_read_at = NOW - S(4000);
    facts.started_at = NOW - CFMT_HEALTH_FIRST + 1;
    expect_ok();
    GRAPHQL->read_at = facts.started_at; /* said since */
    expect_only("api", CFMT_HEALTH_DEGRADED);
    facts.started_at = NOW - CFMT_HEALTH_FIRST;
    ck_assert_int_eq(cfmt_health_judge(&reasons, &facts, unit_pool), CFMT_HEALTH_FAILING);
    ck_assert_int_eq(reasons->nelts, 3);
}
END_TEST

START_TEST(api_job_failing)
{
    facts.world.job[1].fails = CFMT_HEALTH_JOB_FAILS - 1;
    expect_ok();
    facts.world.job[1].fails++;
    expect_only("api", CFMT_HEALTH_DEGRADED);
    expect_text("job rules failed 3 times in a row");
    open_breaker(GRAPHQL, CFMT_ENET); /* then that is the fault */
    expect_only("api", CFMT_HEALTH_DEGRADED);
    expect_text("GraphQL");
    open_breaker(GRAPHQL, CFMT_EAUTH);
    expect_only("token", CFMT_HEALTH_DEGRADED);
}
END_TEST

START_TEST(prefixes_old)
{
    facts.world.counts.prefixes_read_at = NOW - CFMT_HEALTH_STALE;
    expect_ok();
    facts.world.counts.prefixes_read_at--;
    expect_only("prefixes", CFMT_HEALTH_DEGRADED);
    facts.poll_interval = S(200);
    expect_ok();
    facts.world.counts.prefixes_read_at = NOW - 3 * S(200) - 1;
    expect_only("prefixes", CFMT_HEALTH_DEGRADED);
    facts.world.counts.prefixes_read_at = NOW + 3 * S(200) + 1;
    expect_only("prefixes", CFMT_HEALTH_DEGRADED);
}
END_TEST

/* 1,000 lists at 60 a run take 17 runs: that is no fault, two more without an answer are. */
START_TEST(prefixes_of_a_large_account)
{
    facts.world.counts.parents = 1000;
    facts.world.counts.prefixes_read_at = NOW - 19 * S(60);
    expect_ok();
    facts.world.counts.prefixes_read_at--;
    expect_only("prefixes", CFMT_HEALTH_DEGRADED);
    facts.world.counts.parents = 1021;
    expect_ok();
}
END_TEST

START_TEST(prefixes_none)
{
    memset(&facts.world.counts, 0, sizeof(facts.world.counts));
    facts.world.job[0].ok_at = NOW - CFMT_HEALTH_STALE;
    expect_ok();
    facts.world.job[0].ok_at--;
    expect_only("prefixes", CFMT_HEALTH_DEGRADED);
    facts.world.job[0].ok_at = 0;
    expect_only("prefixes", CFMT_HEALTH_DEGRADED);
    expect_text("never");
}
END_TEST

START_TEST(token_expiring)
{
    facts.world.token_expires_at = NOW + CFMT_HEALTH_TOKEN_SOON + 1;
    expect_ok();
    facts.world.token_expires_at = NOW + CFMT_HEALTH_TOKEN_SOON;
    expect_only("token", CFMT_HEALTH_DEGRADED);
    expect_text("expires in 7d");
    facts.world.token_expires_at = NOW + 1;
    expect_only("token", CFMT_HEALTH_DEGRADED);
    facts.world.token_expires_at = NOW;
    expect_only("token", CFMT_HEALTH_FAILING);
    open_breaker(REST, CFMT_EAUTH); /* of course: one fault */
    expect_only("token", CFMT_HEALTH_FAILING);
    expect_text("expired");
}
END_TEST

START_TEST(token_not_active)
{
    strcpy(facts.world.token_status, "disabled");
    expect_only("token", CFMT_HEALTH_FAILING);
    expect_text("disabled");
    facts.world.token_read_at = 0; /* never verified */
    expect_ok();
}
END_TEST

START_TEST(token_refused)
{
    open_breaker(REST, CFMT_EAUTH);
    expect_only("token", CFMT_HEALTH_DEGRADED); /* perhaps only this once */
    expect_text("REST last success 30s ago, asked again in 12s");
    facts.world.token_expires_at = NOW + S(1);
    expect_only("token", CFMT_HEALTH_DEGRADED);
    REST->last_ok = NOW - CFMT_HEALTH_STALE - 1;
    expect_only("token", CFMT_HEALTH_FAILING);
    REST->last_ok = 0; /* it never worked */
    expect_only("token", CFMT_HEALTH_FAILING);
}
END_TEST

START_TEST(token_unreadable)
{
    facts.api_usable = 0;
    facts.world.counts.prefixes_read_at = 1; /* nobody asks, so all is old: one fault */
    REST->last_ok = 1;
    expect_only("token", CFMT_HEALTH_FAILING);
    facts.rows_at = 0;
    expect_only("token", CFMT_HEALTH_FAILING);
}
END_TEST

START_TEST(clock_wrong)
{
    REST->skew = CFMT_HEALTH_SKEW;
    GRAPHQL->skew = -CFMT_HEALTH_SKEW;
    expect_ok();
    REST->skew++;
    expect_only("clock", CFMT_HEALTH_DEGRADED);
    expect_text("30s ahead of");
    GRAPHQL->skew = -S(45);
    expect_only("clock", CFMT_HEALTH_DEGRADED);
    expect_text("45s behind");
}
END_TEST

START_TEST(alerts_failing)
{
    strcpy(facts.world.unsent.text, "fbm_dosd_attack");
    facts.world.unsent.count = 1; /* not every account has flow monitoring */
    expect_ok();
    strcpy(facts.world.failing, "our receiver");
    facts.world.last_failure = NOW - S(61);
    expect_only("alerts", CFMT_HEALTH_DEGRADED);
    expect_text("1m1s ago");
    facts.has_public_url = 0; /* whose it is is not known */
    expect_ok();
}
END_TEST

START_TEST(tunnels_down)
{
    facts.world.counts.up = 0;
    expect_only("tunnels", CFMT_HEALTH_DEGRADED);
    expect_text("1 of 2");
    facts.world.counts.degraded = 1;
    expect_ok();
    facts.world.counts.degraded = facts.world.counts.down = 0; /* nothing is known of them */
    expect_ok();
}
END_TEST

static void put_words(cfmt_health_words_t *w, int count, const char *text)
{
    w->count = count;
    strcpy(w->text, text);
}

START_TEST(blind)
{
    put_words(&facts.world.blind, 2, "192.0.2.0/24 2001:db8::/32");
    expect_only("blind", CFMT_HEALTH_DEGRADED);
    expect_text("traffic to 192.0.2.0/24 2001:db8::/32 for");
    ck_assert_ptr_null(strstr(reason(0)->text, "no traffic"));
    facts.world.idle = 1;
    expect_only("blind", CFMT_HEALTH_DEGRADED);
    expect_text("the account shows no traffic at all");
    facts.world.traffic_read_at = NOW - S(86400); /* the reason why it is so stands still */
    expect_only("blind", CFMT_HEALTH_DEGRADED);
    put_words(&facts.world.blind, 7, "a b c d e f g");
    expect_only("blind", CFMT_HEALTH_DEGRADED);
    expect_text("a b c d e and 2 more");
    facts.world.traffic_read_at = NOW - S(4000); /* before the start: it may be read meanwhile */
    facts.started_at = NOW - CFMT_HEALTH_FIRST + 1;
    expect_ok();
}
END_TEST

START_TEST(blind_none_though_idle)
{
    facts.world.idle = 1; /* idle=calm */
    facts.world.newest_row = 0;
    expect_ok();
}
END_TEST

START_TEST(lagging)
{
    facts.world.behind = S(1021);
    expect_only("lagging", CFMT_HEALTH_DEGRADED);
    expect_text("newest row was 17m1s old");
    facts.world.traffic_read_at = NOW - CFMT_HEALTH_STALE - 1; /* it is not read at all */
    expect_ok();
}
END_TEST

START_TEST(truncated)
{
    put_words(&facts.world.cut, 1, "10.0.0.0/8");
    expect_only("truncated", CFMT_HEALTH_DEGRADED);
    expect_text("minutes of 10.0.0.0/8 stay unknown");
    facts.world.traffic_read_at = NOW - CFMT_HEALTH_STALE;
    expect_only("truncated", CFMT_HEALTH_DEGRADED);
    facts.world.traffic_read_at--;
    expect_ok();
    facts.world.traffic_read_at = 0;
    expect_ok();
}
END_TEST

/* Without a leader or a store everything grows old: that is one fault, and it is told. */
START_TEST(world_without_a_leader)
{
    REST->last_ok = GRAPHQL->last_ok = facts.world.counts.prefixes_read_at = NOW - S(3600);
    facts.heartbeat.at = NOW - S(3600);
    expect_only("leader", CFMT_HEALTH_FAILING);
    facts.heartbeat.at = NOW;
    facts.gauges.trouble = CFMT_EFULL;
    expect_only("store", CFMT_HEALTH_FAILING);
    facts.gauges.trouble = APR_SUCCESS;
    facts.rows_at = 0; /* never read: proves nothing */
    expect_ok();
}
END_TEST

/* Sixty times faster: times are the demonstration's, limits are real time. */
START_TEST(demonstration)
{
    apr_interval_time_t far = S(100 * 86400);

    facts.speed = 60;
    facts.world_now = NOW + far;
    REST->read_at = GRAPHQL->read_at = NOW + far;
    facts.world.token_expires_at = NOW + far + CFMT_HEALTH_TOKEN_SOON + 1;
    REST->last_ok = GRAPHQL->last_ok = facts.world.counts.prefixes_read_at =
        NOW + far - 60 * CFMT_HEALTH_STALE;
    REST->skew = 60 * CFMT_HEALTH_SKEW;
    facts.rows.oldest_lag_at = NOW + far - 60 * CFMT_HEALTH_LAG_DEGRADED + 60;
    expect_ok();
    REST->last_ok -= 60;
    expect_only("api", CFMT_HEALTH_DEGRADED);
    expect_text("last success 5h");
    REST->last_ok += 60;
    facts.rows.oldest_lag_at -= 60;
    expect_only("projection", CFMT_HEALTH_DEGRADED);
    facts.rows.oldest_lag_at = 0;
    facts.started_at = NOW - CFMT_HEALTH_FIRST + 1;
    facts.world.counts.prefixes_read_at = NOW + far - S(3600) - S(60); /* before the start */
    REST->read_at = NOW + far - S(3600) + 60;
    open_breaker(REST, CFMT_ENET); /* said since */
    expect_only("api", CFMT_HEALTH_DEGRADED);
}
END_TEST

Suite *suite_health_api(void)
{
    Suite *s = suite_create("health_api");
    TCase *tc = tcase_create("health_api");

    tcase_add_checked_fixture(tc, setup, unit_teardown);
    suite_add_tcase(s, tc);
    tcase_add_test(tc, api_fine);
    tcase_add_test(tc, api_not_configured);
    tcase_add_test(tc, api_breaker_open);
    tcase_add_test(tc, api_silent);
    tcase_add_test(tc, api_not_asked_yet);
    tcase_add_test(tc, api_after_the_first_start);
    tcase_add_test(tc, api_after_a_graceful);
    tcase_add_test(tc, api_job_failing);
    tcase_add_test(tc, prefixes_old);
    tcase_add_test(tc, prefixes_of_a_large_account);
    tcase_add_test(tc, prefixes_none);
    tcase_add_test(tc, token_expiring);
    tcase_add_test(tc, token_not_active);
    tcase_add_test(tc, token_refused);
    tcase_add_test(tc, token_unreadable);
    tcase_add_test(tc, clock_wrong);
    tcase_add_test(tc, alerts_failing);
    tcase_add_test(tc, tunnels_down);
    tcase_add_test(tc, blind);
    tcase_add_test(tc, blind_none_though_idle);
    tcase_add_test(tc, lagging);
    tcase_add_test(tc, truncated);
    tcase_add_test(tc, world_without_a_leader);
    tcase_add_test(tc, demonstration);
    return s;
}

