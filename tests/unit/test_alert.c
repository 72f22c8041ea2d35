/*
 * Unit tests of src/intake/alert.c: catalogue, body -> event.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_intake.h"
#include "unit.h"

#define ARRIVAL APR_INT64_C(1700000000123456)

static void read_body(cfmt_event_t *e, const char *body)
{
    memset(e, 0xEE, sizeof(*e)); /* nothing may be left as it was */
    ck_assert_msg(cfmt_event_read(e, body, strlen(body), ARRIVAL, NULL, unit_pool) == APR_SUCCESS,
                  "%s", body);
}

/* An envelope of that type around a data object. */
static void read_event(cfmt_event_t *e, const char *type, const char *more, const char *data)
{
    read_body(e, apr_psprintf(unit_pool, "{\"name\":\"n\",\"text\":\"t\",\"alert_type\":\"%s\"%s,"
                              "\"ts\":1136214245,\"data\":%s}", type, more, data));
}

static int same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* ---- catalogue ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    cfmt_priority_e priority;
    cfmt_effect_e effect;
    const char *kind;
} catalogue[] = {
    {"advanced_ddos_attack_l4_alert", CFMT_PRIORITY_HIGH, CFMT_EFFECT_NETWORK, NULL},
    {"dos_attack_l4", CFMT_PRIORITY_HIGH, CFMT_EFFECT_NETWORK, NULL},
    {"dos_attack_l7", CFMT_PRIORITY_HIGH, CFMT_EFFECT_HOST, NULL},
    {"advanced_ddos_attack_l7_alert", CFMT_PRIORITY_HIGH, CFMT_EFFECT_HOST, NULL},
    {"fbm_dosd_attack", CFMT_PRIORITY_HIGH, CFMT_EFFECT_NETWORK, NULL},
    {"fbm_volumetric_attack", CFMT_PRIORITY_MEDIUM, CFMT_EFFECT_NETWORK, NULL},
    {"fbm_auto_advertisement", CFMT_PRIORITY_INFO, CFMT_EFFECT_NONE, NULL},
    {"magic_tunnel_health_check_event", CFMT_PRIORITY_HIGH, CFMT_EFFECT_ENTITY, "tunnel"},
    {"bgp_hijack_notification", CFMT_PRIORITY_CRITICAL, CFMT_EFFECT_NONE, NULL},
    {"health_check_status_notification", CFMT_PRIORITY_MEDIUM, CFMT_EFFECT_ENTITY, "health_check"},
    {"incident_alert", CFMT_PRIORITY_MEDIUM, CFMT_EFFECT_ENTITY, "incident"},
    {"maintenance_event_notification", CFMT_PRIORITY_INFO, CFMT_EFFECT_ENTITY, "maintenance"},
    {"some_new_type", CFMT_PRIORITY_INFO, CFMT_EFFECT_NONE, NULL},
    {"", CFMT_PRIORITY_INFO, CFMT_EFFECT_NONE, NULL},
    {NULL, CFMT_PRIORITY_INFO, CFMT_EFFECT_NONE, NULL},
};

START_TEST(test_catalogue)
{
    const cfmt_alert_type_t *t;
    apr_size_t i, known = 0;

    for (i = 0; i < sizeof(catalogue) / sizeof(catalogue[0]); i++) {
        t = cfmt_alert_type(catalogue[i].name);
        ck_assert_msg(t->priority == catalogue[i].priority && t->effect == catalogue[i].effect
                          && same(t->entity_kind, catalogue[i].kind),
                      "%s", catalogue[i].name ? catalogue[i].name : "(null)");
    }
    for (t = cfmt_alert_types(); t->name; t++, known++) {
        ck_assert(cfmt_alert_type(t->name) == t);
        ck_assert((t->effect == CFMT_EFFECT_ENTITY) == (t->entity_kind != NULL));
    }
    ck_assert_uint_eq(known, sizeof(catalogue) / sizeof(catalogue[0]) - 3);
    ck_assert_str_eq(cfmt_state_name(CFMT_STATE_INFO), "info");
    ck_assert_str_eq(cfmt_state_name(CFMT_STATE_START), "start");
    ck_assert_str_eq(cfmt_state_name(CFMT_STATE_END), "end");
    ck_assert_str_eq(cfmt_priority_name(CFMT_PRIORITY_INFO), "INFO");
    ck_assert_str_eq(cfmt_priority_name(CFMT_PRIORITY_CRITICAL), "CRITICAL");
}
END_TEST

/* ---- START and END --------------------------------------------------------------------------- */

static const struct {
    const char *alert_event; /* NULL = no such member */
    cfmt_state_e attack, other;
} states[] = {
    {"\"ALERT_STATE_EVENT_START\"", CFMT_STATE_START, CFMT_STATE_START},
    {"\"ALERT_STATE_EVENT_END\"", CFMT_STATE_END, CFMT_STATE_END},
    {"\"START\"", CFMT_STATE_START, CFMT_STATE_START},
    {"\"end\"", CFMT_STATE_END, CFMT_STATE_END},
    {"\"ALERT_STATE_EVENT_ENDING\"", CFMT_STATE_START, CFMT_STATE_INFO},
    {"\"ALERT_STATE_EVENT_SUSPEND\"", CFMT_STATE_START, CFMT_STATE_INFO},
    {"\"ALERT_STATE_EVENT_RESTART\"", CFMT_STATE_START, CFMT_STATE_INFO},
    {"\"TUNNEL_STATUS_CHANGE\"", CFMT_STATE_START, CFMT_STATE_INFO},
    {"\"\"", CFMT_STATE_START, CFMT_STATE_INFO},
    {"null", CFMT_STATE_START, CFMT_STATE_INFO},
    {"{\"END\":1}", CFMT_STATE_START, CFMT_STATE_INFO},
    {NULL, CFMT_STATE_START, CFMT_STATE_INFO},
};

START_TEST(test_states)
{
    const cfmt_alert_type_t *t;
    cfmt_event_t e;
    apr_size_t i;

    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        const char *more = states[i].alert_event
                               ? apr_pstrcat(unit_pool, ",\"alert_event\":", states[i].alert_event,
                                             NULL)
                               : "";

        for (t = cfmt_alert_types(); t->name; t++) {
            int attack = t->effect == CFMT_EFFECT_NETWORK || t->effect == CFMT_EFFECT_HOST;

            read_event(&e, t->name, more, "{}");
            ck_assert_msg(e.state == (attack ? states[i].attack : states[i].other), "%s %s",
                          t->name, more);
        }
        read_event(&e, "some_new_type", more, "{}");
        ck_assert(e.state == states[i].other);
    }
}
END_TEST

/* ---- envelope -------------------------------------------------------------------------------- */

START_TEST(test_envelope)
{
    static const char body[] =
        "{\"account_id\":\"9035F5\",\"alert_correlation_id\":\"c1\",\"alert_event\":"
        "\"ALERT_STATE_EVENT_START\",\"alert_type\":\"dos_attack_l4\","
        "\"data\":{\"attack_id\":\"a1\"},"
        "\"policy_id\":\"p1\",\"policy_name\":\"P\",\"text\":\"x\",\"ts\":1136214245}";
    static const char older[] = "{\"alert_type\":\"dos_attack_l4\",\"text\":\"x\"}";
    cfmt_event_t e;

    read_body(&e, body);
    ck_assert_int_eq(e.at, ARRIVAL);
    ck_assert_int_eq(e.ts, apr_time_from_sec(1136214245));
    ck_assert(e.digest == cfmt_digest64(body, strlen(body)));
    ck_assert_str_eq(e.source, "alert");
    ck_assert_str_eq(e.account, "9035F5");
    ck_assert_str_eq(e.policy_id, "p1");
    ck_assert_str_eq(e.policy_name, "P");
    ck_assert_str_eq(e.attack_id, "a1");
    ck_assert_str_eq(e.correlation_id, "c1");
    ck_assert(e.ours && e.id == 0);
    ck_assert_int_eq(cfmt_event_read(&e, body, strlen(body), 1, "9035f5", unit_pool), APR_SUCCESS);
    ck_assert(e.ours);
    ck_assert_int_eq(cfmt_event_read(&e, body, strlen(body), 1, "9035f", unit_pool), APR_SUCCESS);
    ck_assert(!e.ours);
    ck_assert_int_eq(cfmt_event_read(&e, older, strlen(older), 5, "9035f5", unit_pool),
                     APR_SUCCESS);
    ck_assert(e.ours && !e.account && e.ts == 5 && !e.attack_id && !e.target);
    ck_assert(e.pps < 0 && e.bps < 0 && e.rps < 0 && e.target_cidr.family == 0 && e.start == 0);
    read_event(&e, "dos_attack_l4", "", "{\"start_time\":\"2025-06-13T06:13:37.721192654Z\"}");
    ck_assert_int_eq(e.start, APR_INT64_C(1749795217721192));
    read_event(&e, "dos_attack_l4", "", "{\"start_time\":\"yesterday\"}");
    ck_assert_int_eq(e.start, 0);
    ck_assert_int_eq(cfmt_event_read(&e, "{", 1, 5, NULL, unit_pool), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_event_read(&e, "[]", 2, 5, NULL, unit_pool), CFMT_EINVALID);
}
END_TEST

START_TEST(test_test_message)
{
    cfmt_event_t e;

    read_body(&e, "{\"text\":\"\\n Hello World! It works.\\r\\nSecond line\"}");
    ck_assert_str_eq(e.source, "test");
    ck_assert(e.alert_type == NULL && e.effect == CFMT_EFFECT_NONE);
    ck_assert(e.state == CFMT_STATE_INFO && e.priority == CFMT_PRIORITY_INFO && e.ours);
    ck_assert_str_eq(e.summary, "Hello World! It works.");
}
END_TEST

/* No member of data has to be there, nor data itself, nor of the type one would think. */
START_TEST(test_data_of_any_kind)
{
    static const char *const datas[] = {
        "null", "[]", "[1,{}]", "\"x\"", "5", "{}", "{\"target_ip\":[],\"packets_per_second\":{},"
        "\"advertise_status\":\"Locked\",\"incident_impact\":7}", "{\"advertise_status\":[1,null,"
        "[],{},{\"status\":5}]}", "{\"advertise_status\":{\"status\":\"Locked\"}}",
    };
    const cfmt_alert_type_t *t;
    cfmt_event_t e;
    apr_size_t i;

    for (i = 0; i < sizeof(datas) / sizeof(datas[0]); i++) {
        for (t = cfmt_alert_types(); t->name; t++) {
            read_event(&e, t->name, "", datas[i]);
            ck_assert(e.effect == t->effect && same(e.entity_kind, t->entity_kind));
            ck_assert(e.target == NULL && e.target_cidr.family == 0);
            ck_assert(e.summary && e.summary[0]);
        }
    }
}
END_TEST

/* ---- rates ----------------------------------------------------------------------------------- */

static const struct {
    const char *data;
    double pps, bps, rps;
} rates[] = {
    {"{}", -1, -1, -1},
    {"{\"packets_per_second\":1200000,\"megabits_per_second\":6400}", 1.2e6, 6.4e9, -1},
    {"{\"packets_per_second\":\"800\",\"megabits_per_second\":\"1.5\"}", 800, 1.5e6, -1},
    {"{\"packets_per_second\":0,\"megabits_per_second\":0,\"max_rate\":\"string\"}", 0, 0, -1},
    {"{\"max_rate\":\"800.00 pps\"}", 800, -1, -1},
    {"{\"max_rate\":\"800.00 rps\"}", -1, -1, 800},
    {"{\"max_rate\":\"6.4Gb/s\"}", -1, 6.4e9, -1},
    {"{\"max_rate\":\"6.4 Gbps\"}", -1, 6.4e9, -1},
    {"{\"max_rate\":\"7 kpackets/s\"}", 7000, -1, -1},
    {"{\"max_rate\":\"800\"}", -1, -1, -1},
    {"{\"max_rate\":800}", -1, -1, -1},
    {"{\"max_rate\":\"900 pps\",\"packets_per_second\":5}", 5, -1, -1},
    {"{\"bits_per_second\":\"6.4Gb/s\",\"packets_per_second_string\":\"1.2 Mpps\"}", 1.2e6, 6.4e9,
     -1},
    {"{\"bits_per_second\":7,\"megabits_per_second\":9}", -1, 7, -1},
    {"{\"megabits_per_second\":\"12 Mbps\"}", -1, 12e6, -1},
    {"{\"requests_per_second\":\"800\",\"max_rate\":\"800.00 rps\"}", -1, -1, 800},
    {"{\"packets_per_second\":-5,\"requests_per_second\":\"many\"}", -1, -1, -1},
    {"{\"packets_per_second\":1e400}", -1, -1, -1},
    {"{\"megabits_per_second\":1e18}", -1, -1, -1}, /* in range until it is bits */
    {"{\"megabits_per_second\":\"1e12\",\"max_rate\":\"5 bps\"}", -1, 1e18, -1},
    {"{\"packets_per_second\":1.5e3}", 1500, -1, -1},
};

static int near_to(double a, double b)
{
    return fabs(a - b) <= fabs(b) * 1e-12;
}

START_TEST(test_rates)
{
    cfmt_event_t e;
    apr_size_t i;

    for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        read_event(&e, "dos_attack_l4", "", rates[i].data);
        ck_assert_msg(near_to(e.pps, rates[i].pps) && near_to(e.bps, rates[i].bps)
                          && near_to(e.rps, rates[i].rps), "%s: %g %g %g", rates[i].data, e.pps,
                      e.bps, e.rps);
    }
}
END_TEST

/* ---- targets --------------------------------------------------------------------------------- */

static const struct {
    const char *type, *data, *target;
    int family, bits;
} targets[] = {
    {"dos_attack_l4", "{\"target_ip\":\"203.0.113.7\"}", "203.0.113.7", 4, 32},
    {"dos_attack_l4", "{\"target_ip\":\"203.0.113.7/32\"}", "203.0.113.7", 4, 32},
    {"dos_attack_l4", "{\"target_ip\":\"203.0.113.7/24\"}", "203.0.113.0/24", 4, 24},
    {"dos_attack_l4", "{\"target_ip\":\"2001:DB8:0::7\"}", "2001:db8::7", 6, 128},
    {"dos_attack_l4", "{\"target_ip\":\"string\"}", "string", 0, 0},
    {"dos_attack_l4", "{\"target_ip\":\"\"}", NULL, 0, 0},
    {"dos_attack_l4", "{\"target_ip\":\"string\",\"prefix\":\"192.0.2.0/24\"}", "192.0.2.0/24", 4,
     24},
    {"dos_attack_l4", "{\"target_hostname\":\"www.example.net\"}", NULL, 0, 0},
    {"fbm_volumetric_attack", "{\"prefix\":\"198.51.100.0/24\"}", "198.51.100.0/24", 4, 24},
    {"fbm_volumetric_attack", "{\"prefix\":\"198.51.100.0/24\",\"target_ip\":\"198.51.100.9\"}",
     "198.51.100.0/24", 4, 24},
    {"fbm_dosd_attack", "{\"prefix\":\"198.51.100.9\",\"target_ip\":\"198.51.100.0/24\"}",
     "198.51.100.0/24", 4, 24},
    {"dos_attack_l7", "{\"target_hostname\":\"www.example.net\",\"target_ip\":\"192.0.2.1\"}",
     "www.example.net", 0, 0},
    {"dos_attack_l7", "{\"target_hostname\":\"192.0.2.1\"}", "192.0.2.1", 0, 0},
    {"dos_attack_l7", "{\"target_zone_name\":\"example.net\"}", "example.net", 0, 0},
    {"bgp_hijack_notification",
     "{\"prefix_hijacked\":\"192.0.2.0/24\",\"prefix_configured\":\"192.0.0.0/16\"}",
     "192.0.2.0/24", 4, 24},
    {"fbm_auto_advertisement",
     "{\"advertise_status\":[{\"prefix\":\"192.0.2.0/24\",\"status\":\"Advertised\"}]}",
     "192.0.2.0/24", 4, 24},
};

START_TEST(test_targets)
{
    cfmt_event_t e;
    apr_size_t i;

    for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        read_event(&e, targets[i].type, "", targets[i].data);
        ck_assert_msg(same(e.target, targets[i].target) && e.target_cidr.family == targets[i].family
                          && e.target_cidr.bits == targets[i].bits,
                      "%s: %s, family %d", targets[i].data, e.target ? e.target : "(null)",
                      e.target_cidr.family);
    }
}
END_TEST

/* ---- entities and priorities ----------------------------------------------------------------- */

static const struct {
    const char *type, *data, *id, *name, *state;
} entities[] = {
    {"magic_tunnel_health_check_event",
     "{\"tunnel_id\":\"t1\",\"tunnel_name\":\"gre-zrh\",\"new_status\":"
     "\"MAGIC_TUNNEL_STATUS_DOWN\"}",
     "t1", "gre-zrh", "down"},
    {"magic_tunnel_health_check_event",
     "{\"tunnel_name\":\"gre-zrh\",\"new_status\":\"MAGIC_TUNNEL_STATUS_UP\"}", "gre-zrh",
     "gre-zrh", "up"},
    {"magic_tunnel_health_check_event", "{\"tunnel_id\":7,\"new_status\":\"Degraded\"}", "7", NULL,
     "degraded"},
    {"magic_tunnel_health_check_event", "{\"new_status\":\"MAGIC_TUNNEL_STATUS_\"}", NULL, NULL,
     "magic_tunnel_status_"},
    {"health_check_status_notification",
     "{\"health_check_id\":\"h\",\"health_check_name\":\"N\",\"new_health_status\":\"Unhealthy\","
     "\"new_status\":\"x\",\"status\":\"y\"}", "h", "N", "unhealthy"},
    {"health_check_status_notification",
     "{\"health_check_id\":\"h\",\"name\":\"N\",\"new_status\":\"X\",\"status\":\"y\"}", "h", "N",
     "x"},
    {"health_check_status_notification",
     "{\"actual_code\":0,\"health_check_id\":\"h\",\"name\":\"N\",\"status\":\"Healthy\","
     "\"time\":\"1970-01-01 00:00:00 +0000 UTC\"}", "h", "N", "healthy"},
    {"incident_alert",
     "{\"id\":\"u\",\"incident_id\":\"i\",\"incident_name\":\"N\",\"incident_status\":"
     "\"INCIDENT_STATUS_MONITORING\",\"status\":\"z\"}", "i", "N", "monitoring"},
    {"incident_alert", "{\"id\":\"u\",\"status\":\"INCIDENT_STATUS_RESOLVED\"}", "u", NULL,
     "resolved"},
    {"maintenance_event_notification",
     "{\"maintenance_id\":\"m\",\"airport_code\":\"LHR\",\"event_type\":"
     "\"MAINTENANCE_EVENT_TYPE_CHANGED\"}", "m", "LHR", "changed"},
    {"maintenance_event_notification", "{}", NULL, NULL, NULL},
};

START_TEST(test_entities)
{
    cfmt_event_t e;
    apr_size_t i;

    for (i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        read_event(&e, entities[i].type, "", entities[i].data);
        ck_assert_msg(same(e.entity_id, entities[i].id) && same(e.entity_name, entities[i].name)
                          && same(e.entity_state, entities[i].state), "%s: %s", entities[i].data,
                      e.entity_state ? e.entity_state : "(null)");
        ck_assert_str_eq(e.entity_kind, cfmt_alert_type(entities[i].type)->entity_kind);
    }
    read_event(&e, "dos_attack_l4", "", entities[0].data);
    ck_assert(!e.entity_kind && !e.entity_id && !e.entity_state);
}
END_TEST

#define STATUS(words) "{\"advertise_status\":[{\"prefix\":\"a\",\"status\":\"Advertised\"}," \
                      "{\"prefix\":\"b\",\"status\":\"" words "\"}]}"

static const struct {
    const char *type, *data;
    cfmt_priority_e want;
} priorities[] = {
    {"incident_alert", "{\"incident_impact\":\"INCIDENT_IMPACT_NONE\"}", CFMT_PRIORITY_INFO},
    {"incident_alert", "{\"incident_impact\":\"INCIDENT_IMPACT_MINOR\"}", CFMT_PRIORITY_MEDIUM},
    {"incident_alert", "{\"incident_impact\":\"INCIDENT_IMPACT_MAJOR\"}", CFMT_PRIORITY_HIGH},
    {"incident_alert", "{\"incident_impact\":\"INCIDENT_IMPACT_CRITICAL\"}",
     CFMT_PRIORITY_CRITICAL},
    {"incident_alert", "{\"incident_impact\":\"critical\"}", CFMT_PRIORITY_CRITICAL},
    {"incident_alert", "{\"incident_impact\":\"INCIDENT_IMPACT_NEW\"}", CFMT_PRIORITY_MEDIUM},
    {"incident_alert", "{}", CFMT_PRIORITY_MEDIUM},
    {"maintenance_event_notification", "{}", CFMT_PRIORITY_INFO},
    {"maintenance_event_notification", "{\"impact\":\"MAJOR\"}", CFMT_PRIORITY_HIGH},
    {"fbm_auto_advertisement", STATUS("Advertised"), CFMT_PRIORITY_INFO},
    {"fbm_auto_advertisement", STATUS("Already Advertised"), CFMT_PRIORITY_INFO},
    {"fbm_auto_advertisement", STATUS("Delayed"), CFMT_PRIORITY_INFO},
    {"fbm_auto_advertisement", STATUS("Locked"), CFMT_PRIORITY_CRITICAL},
    {"fbm_auto_advertisement", STATUS("Could not Advertise"), CFMT_PRIORITY_CRITICAL},
    {"fbm_auto_advertisement", STATUS("Error"), CFMT_PRIORITY_CRITICAL},
    {"fbm_auto_advertisement", STATUS("error"), CFMT_PRIORITY_CRITICAL},
    {"fbm_auto_advertisement", "{}", CFMT_PRIORITY_INFO},
    {"fbm_dosd_attack", STATUS("Locked"), CFMT_PRIORITY_HIGH},
    {"some_new_type", STATUS("Locked"), CFMT_PRIORITY_INFO},
};

START_TEST(test_priorities)
{
    cfmt_event_t e;
    apr_size_t i;

    for (i = 0; i < sizeof(priorities) / sizeof(priorities[0]); i++) {
        read_event(&e, priorities[i].type, "", priorities[i].data);
        ck_assert_msg(e.priority == priorities[i].want, "%s %s: %s", priorities[i].type,
                      priorities[i].data, cfmt_priority_name(e.priority));
    }
}
END_TEST

/* ---- summaries ------------------------------------------------------------------------------- */

static const struct {
    const char *type, *more, *data, *want;
} summaries[] = {
    {"dos_attack_l4", "",
     "{\"attack_vector\":\"UDP Flood\",\"target_ip\":\"203.0.113.7\","
     "\"packets_per_second\":1200000,\"megabits_per_second\":6400}",
     "UDP Flood on 203.0.113.7, 1.2 Mpps, 6.4 Gbps"},
    {"dos_attack_l4", ",\"alert_event\":\"ALERT_STATE_EVENT_END\"",
     "{\"attack_vector\":\"UDP Flood\",\"target_ip\":\"203.0.113.7\"}",
     "UDP Flood on 203.0.113.7 ended"},
    {"dos_attack_l4", "", "{}", "Attack on an unnamed target"},
    {"dos_attack_l7", "",
     "{\"attack_type\":\"http-fake-browser\",\"target_hostname\":\"example.net\","
     "\"requests_per_second\":\"800\"}", "http-fake-browser on example.net, 800 rps"},
    {"fbm_dosd_attack", "",
     "{\"rule_name\":\"r1\",\"target_ip\":\"192.0.2.1\",\"advertise_status\":[{\"prefix\":"
     "\"192.0.2.0/24\",\"status\":\"Locked\"}]}", "r1 on 192.0.2.1, 192.0.2.0/24 Locked"},
    {"fbm_auto_advertisement", "",
     "{\"rule_name\":\"r1\",\"advertise_status\":[{\"prefix\":\"192.0.2.0/24\",\"status\":"
     "\"Delayed\"},{\"status\":\"Error\"}]}",
     "Auto-advertisement by r1, 192.0.2.0/24 Delayed, a prefix Error"},
    {"magic_tunnel_health_check_event", "",
     "{\"tunnel_name\":\"gre-zrh\",\"new_status\":\"MAGIC_TUNNEL_STATUS_DOWN\",\"pop_names\":"
     "\"ZRH, MXP\"}", "Tunnel gre-zrh: down (ZRH, MXP)"},
    {"maintenance_event_notification", "",
     "{\"maintenance_id\":\"m\",\"airport_code\":\"LHR\",\"event_type\":"
     "\"MAINTENANCE_EVENT_TYPE_CHANGED\",\"scheduled_start\":\"2022-10-27T06:00:22Z\"}",
     "Cloudflare maintenance LHR: changed (2022-10-27T06:00:22Z)"},
    {"incident_alert", "", "{}", "Cloudflare incident: no state given"},
    {"bgp_hijack_notification", "",
     "{\"prefix_hijacked\":\"192.0.2.0/24\",\"hijack_as\":\"64500\",\"prefix_configured\":"
     "\"192.0.2.0/23\"}", "BGP: 192.0.2.0/24 announced by AS 64500, configured is 192.0.2.0/23"},
    {"some_new_type", "", "{}", "t"},
    {"dos_attack_l4", "", "{\"attack_vector\":\"UDP\\nFlood\\u001b\",\"target_ip\":\"192.0.2.1\"}",
     "UDP\\x0aFlood\\x1b on 192.0.2.1"},
};

START_TEST(test_summaries)
{
    cfmt_event_t e;
    char longer[3000];
    apr_size_t i;

    for (i = 0; i < sizeof(summaries) / sizeof(summaries[0]); i++) {
        read_event(&e, summaries[i].type, summaries[i].more, summaries[i].data);
        ck_assert_str_eq(e.summary, summaries[i].want);
    }
    memset(longer, 'v', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    read_event(&e, "dos_attack_l4", "",
               apr_pstrcat(unit_pool, "{\"attack_vector\":\"", longer, "\"}", NULL));
    ck_assert_uint_eq(strlen(e.summary), 200);
    ck_assert_uint_eq(strlen(e.vector), sizeof(longer) - 1);
    read_body(&e, "{\"alert_type\":\"x\",\"policy_name\":\"Policy\"}");
    ck_assert_str_eq(e.summary, "Policy");
    read_body(&e, "{}");
    ck_assert_str_eq(e.summary, "A notification without text");
    ck_assert_str_eq(e.source, "alert");
}
END_TEST

/* ---- what the outside world really sends ----------------------------------------------------- */

static void read_documented(cfmt_event_t *e, const char *name)
{
    apr_size_t len;
    const char *body = unit_read(unit_shared(name), &len);

    ck_assert_msg(cfmt_event_read(e, body, len, ARRIVAL, NULL, unit_pool) == APR_SUCCESS, "%s",
                  name);
}

START_TEST(test_documented)
{
    cfmt_event_t e;

    if (!unit_shared("webhooks/webhook_test.json")) {
        puts("skipped: the documented bodies are not beside this checkout");
        return;
    }
    read_documented(&e, "webhooks/advanced_ddos_attack_l4_alert.start.json");
    ck_assert_str_eq(e.alert_type, "advanced_ddos_attack_l4_alert");
    ck_assert(e.state == CFMT_STATE_START && e.effect == CFMT_EFFECT_NETWORK);
    ck_assert_str_eq(e.account, "9035f53656c247e895c5a6939ae8a0e0");
    ck_assert_str_eq(e.correlation_id, "000eaa907ed24e78946d3a93adb2ae57");
    ck_assert_int_eq(e.ts, apr_time_from_sec(1136214245));
    ck_assert_int_eq(e.start, apr_time_from_sec(1136214245));
    ck_assert(e.target_cidr.family == 0 && near_to(e.pps, 0) && near_to(e.bps, 0) && e.rps < 0);
    read_documented(&e, "webhooks/advanced_ddos_attack_l7_alert.start.json");
    ck_assert(e.effect == CFMT_EFFECT_HOST && near_to(e.rps, 0));
    ck_assert_str_eq(e.target, "string");
    read_documented(&e, "webhooks/health_check_status_notification.start.json");
    ck_assert(e.effect == CFMT_EFFECT_ENTITY && e.state == CFMT_STATE_START);
    ck_assert_str_eq(e.entity_id, "string");
    read_documented(&e, "webhooks/dedicated_ssl_certificate_event_type.start.json");
    ck_assert(e.effect == CFMT_EFFECT_NONE && e.priority == CFMT_PRIORITY_INFO);
    ck_assert_str_eq(e.summary, "The description of my Cloudflare notification.");
    read_documented(&e, "webhooks/workers_alert.start.json");
    ck_assert_str_eq(e.alert_type, "workers_alert");
    read_documented(&e, "webhooks/stream_live_notifications.1.json");
    ck_assert(!e.alert_type && !e.account && e.ours);
    ck_assert_str_eq(e.source, "alert");
    ck_assert_str_eq(e.summary, "Notification type: Stream Live Input");
    read_documented(&e, "webhooks/webhook_test.json");
    ck_assert_str_eq(e.source, "test");
}
END_TEST

static int read_observed(cfmt_event_t *e, const char *type)
{
    const char *path = unit_shared(apr_pstrcat(unit_pool, "webhooks/observed/", type, ".data.json",
                                               NULL));

    if (!path) {
        puts("skipped: the observed bodies are not beside this checkout");
        return 0;
    }
    read_event(e, type, "", unit_read(path, NULL));
    ck_assert_str_eq(e->alert_type, type);
    return 1;
}

START_TEST(test_observed)
{
    cfmt_event_t e;

    if (!read_observed(&e, "dos_attack_l7")) {
        return;
    }
    ck_assert_str_eq(e.target, "fake-zone-name");
    ck_assert_str_eq(e.summary, "http-fake-browser on fake-zone-name, 800 rps");
    ck_assert(e.state == CFMT_STATE_START && near_to(e.rps, 800));
    read_observed(&e, "incident_alert");
    ck_assert(e.priority == CFMT_PRIORITY_MEDIUM);
    ck_assert_str_eq(e.entity_id, "n7058grjk59r");
    ck_assert_str_eq(e.entity_state, "monitoring");
    read_observed(&e, "maintenance_event_notification");
    ck_assert_str_eq(e.entity_id, "11111111111");
    ck_assert_str_eq(e.entity_state, "changed");
    read_observed(&e, "bgp_hijack_notification");
    ck_assert(e.priority == CFMT_PRIORITY_CRITICAL && e.target_cidr.family == 0);
    ck_assert_str_eq(e.target, "hijacked-prefix");
    read_observed(&e, "closed_port_scan_alert");
    ck_assert(e.effect == CFMT_EFFECT_NONE && e.state == CFMT_STATE_INFO);
    read_observed(&e, "load_balancing_health_alert");
    read_observed(&e, "radar_notification");
}
END_TEST

UNIT_SUITE_BEGIN(alert)
    UNIT_TEST(test_catalogue)
    UNIT_TEST(test_states)
    UNIT_TEST(test_envelope)
    UNIT_TEST(test_test_message)
    UNIT_TEST(test_data_of_any_kind)
    UNIT_TEST(test_rates)
    UNIT_TEST(test_targets)
    UNIT_TEST(test_entities)
    UNIT_TEST(test_priorities)
    UNIT_TEST(test_summaries)
    UNIT_TEST(test_documented)
    UNIT_TEST(test_observed)
UNIT_SUITE_END
