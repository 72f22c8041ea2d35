/*
 * One suite a core file. SUITES names them all; each test_<name>.c defines Suite
 * *suite_<name>(void).
 */
#ifndef CFMT_UNIT_H
#define CFMT_UNIT_H

#include <check.h>

#include "cfmt.h"

#define SUITES(X) \
    X(time) X(number) X(cidr) X(text) \
    X(sender) X(secret) X(json) X(json_stream) X(delivery) X(alert) X(hits) \
    X(http) X(http_broken) X(http_refused) X(resolve) X(budget) X(breaker) X(api) X(api_answer) \
    X(answers) X(prefixes) X(token) X(ranges) X(tunnels) X(rules) X(history) X(analytics) \
    X(attack) X(traffic) X(traffic_settles) X(calm) X(calm_spans) X(entity) X(schedule) \
    X(store) X(lock) X(transaction) X(commit) X(journal) X(setting) X(job) X(gauge) X(keep) \
    X(projection) X(order) X(retention) X(query) X(world) X(sensed) X(imported) \
    X(project_world) X(project_map) X(evidence) X(project_evidence) X(row_event) \
    X(project_attacks) X(attacks) X(detail) X(spoofed) X(traffic_event) \
    X(withdraw) X(withdraw_calm) X(withdraw_any) X(gates) X(cause) X(advertise) \
    X(intent) X(intent_life) X(hold) X(proposal) X(decision) X(decision_json) X(audit) \
    X(plan) X(outbox) X(tell) X(tell_trouble) X(options) \
    X(known) X(decide) X(replay) X(replay_policy) X(policy_file) X(told) X(routine) X(act) \
    X(act_between) X(act_again) X(command) X(program) \
    X(channel_conf) X(telegram) X(webhook_out) X(out_local) X(message) X(announce) \
    X(leader) X(engine) X(sense) X(sense_traffic) X(blind) X(runner) X(health) X(health_api) \
    X(health_world)

#define X(name) Suite *suite_##name(void);
SUITES(X)
#undef X

/* Seconds for one test: none that works takes so long, with a sanitizer on a busy machine neither. */
#define UNIT_LIMIT 120

/*
 * A suite of one case: UNIT_SUITE(time, test_a, test_b) defines suite_time(); tests are START_TEST
 * bodies.
 */
#define UNIT_SUITE_BEGIN(name) \
    Suite *suite_##name(void) \
    { \
        Suite *s = suite_create(#name); \
        TCase *tc = tcase_create(#name); \
        tcase_add_checked_fixture(tc, unit_setup, unit_teardown); \
        tcase_set_timeout(tc, UNIT_LIMIT); \
        suite_add_tcase(s, tc);
#define UNIT_TEST(fn) tcase_add_test(tc, fn);
#define UNIT_SUITE_END \
        return s; \
    }

/* Per test: a pool and, on demand, a scratch directory that is removed afterwards. */
extern apr_pool_t *unit_pool;
void unit_setup(void);
void unit_teardown(void);
const char *unit_tmpdir(void);              /* made on first use in a test */
const char *unit_path(const char *name);    /* tmpdir/name */
char *unit_read(const char *path, apr_size_t *plen); /* whole file; fails the test when absent */
/*
 * ../shared/cloudflare/NAME beside the checkout, NULL where absent (the test then returns with a
 * word).
 */
const char *unit_shared(const char *name);
/* cfmt_monotonic goes on by d for everybody; the tests of limits need not wait for them. */
void unit_skip(apr_interval_time_t d);

#endif
