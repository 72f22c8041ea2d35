/*
 * Unit tests of src/intake/delivery.c.
 */
#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_intake.h"
#include "unit.h"

static apr_status_t parse(cfmt_delivery_t *d, const char **pwhy, const char *body)
{
    return cfmt_delivery_parse(d, pwhy, body, strlen(body), unit_pool);
}

static const struct {
    const char *body;
    int is_test, has_ts;
    apr_int64_t secs;
    const char *alert_type, *state;
} rows[] = {
    {"{\"text\":\"Hello World!\"}", 1, 0, 0, NULL, NULL},
    {"{\"text\":\"\"}", 1, 0, 0, NULL, NULL},
    {"{\"text\":\"x\",\"name\":\"n\",\"ts\":5}", 1, 1, 5, NULL, NULL},
    {"{\"text\":\"x\",\"alert_type\":null,\"policy_id\":null,\"data\":null}", 1, 0, 0, NULL, NULL},
    {"{\"text\":\"x\",\"data\":{}}", 0, 0, 0, NULL, NULL},
    {"{\"text\":\"x\",\"policy_id\":\"p\"}", 0, 0, 0, NULL, NULL},
    {"{\"text\":\"x\",\"alert_type\":\"t\"}", 0, 0, 0, "t", NULL},
    {"{\"text\":\"x\",\"alert_type\":[]}", 0, 0, 0, NULL, NULL},
    {"{\"text\":5}", 0, 0, 0, NULL, NULL},
    {"{}", 0, 0, 0, NULL, NULL},
    {"{\"ts\":0}", 0, 1, 0, NULL, NULL},
    {"{\"ts\":\"1136214245\"}", 0, 1, 1136214245, NULL, NULL},
    {"{\"ts\":253402300799}", 0, 1, APR_INT64_C(253402300799), NULL, NULL},
    {"{\"ts\":253402300800}", 0, 0, 0, NULL, NULL},
    {"{\"ts\":-1}", 0, 0, 0, NULL, NULL},
    {"{\"ts\":1.5}", 0, 0, 0, NULL, NULL},
    {"{\"ts\":null}", 0, 0, 0, NULL, NULL},
    {"{\"ts\":99999999999999999999}", 0, 0, 0, NULL, NULL},
    {"{\"alert_type\":\"t\",\"alert_event\":\"ALERT_STATE_EVENT_END\",\"ts\":7}", 0, 1, 7, "t",
     "ALERT_STATE_EVENT_END"},
};

static int same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

START_TEST(test_shapes)
{
    cfmt_delivery_t d;
    const char *why;
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_msg(parse(&d, &why, rows[i].body) == APR_SUCCESS, "%s: %s", rows[i].body, why);
        ck_assert_msg(d.is_test == rows[i].is_test, "%s: test", rows[i].body);
        ck_assert_msg(d.has_ts == rows[i].has_ts && d.ts == apr_time_from_sec(rows[i].secs),
                      "%s: ts", rows[i].body);
        ck_assert_msg(same(d.alert_type, rows[i].alert_type) && same(d.state, rows[i].state),
                      "%s: type, state", rows[i].body);
        ck_assert(d.digest == cfmt_digest64(rows[i].body, strlen(rows[i].body)));
        ck_assert(d.doc && d.doc->type == CFMT_JSON_OBJECT);
    }
}
END_TEST

START_TEST(test_drills)
{
    static const struct {
        const char *body;
        int is_drill;
    } bodies[] = {
        {"{\"cfmt_drill\":\"user alice\",\"alert_type\":\"dos_attack_l4\"}", 1},
        {"{\"cfmt_drill\":\"\"}", 0},
        {"{\"cfmt_drill\":true}", 0},
        {"{\"data\":{\"cfmt_drill\":\"user eve\"}}", 0},
        {"{\"text\":\"cfmt_drill\"}", 0},
    };
    cfmt_delivery_t d;
    const char *why;
    apr_size_t i;

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        ck_assert_int_eq(parse(&d, &why, bodies[i].body), APR_SUCCESS);
        ck_assert_msg(d.is_drill == bodies[i].is_drill, "%s", bodies[i].body);
    }
}
END_TEST

static const struct {
    const char *body, *why;
} refused[] = {
    {"", "empty body"},
    {"[]", "not an object"},
    {"\"text\"", "not an object"},
    {"null", "not an object"},
    {"{\"text\":\"a\",\"text\":\"b\"}", "repeated key"},
    {"{\"data\":{\"target_ip\":\"a\",\"target_ip\":\"b\"}}", "repeated key"},
    {"{\"text\":\"\xC0\x80\"}", "invalid UTF-8"},
    {"{\"text\":\"a\"}garbage", "bytes after the document"},
    {"{\"text\":\"a\"", "malformed"},
    {"text=a", "malformed"},
    {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", "nesting deeper"},
};

START_TEST(test_refused)
{
    cfmt_delivery_t d;
    const char *why;
    apr_size_t i;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        ck_assert_msg(parse(&d, &why, refused[i].body) == CFMT_EINVALID, "%s", refused[i].body);
        ck_assert_msg(strncmp(why, refused[i].why, strlen(refused[i].why)) == 0, "%s: %s",
                      refused[i].body, why);
    }
    ck_assert_int_eq(parse(&d, &why, "{\"other\":{\"a\":1,\"a\":2}}"), APR_SUCCESS);
}
END_TEST

static const struct {
    const char *file;
    int is_test;
    const char *alert_type;
    apr_int64_t secs;
} documented[] = {
    {"advanced_ddos_attack_l4_alert.start.json", 0, "advanced_ddos_attack_l4_alert", 1136214245},
    {"advanced_ddos_attack_l7_alert.start.json", 0, "advanced_ddos_attack_l7_alert", 1136214245},
    {"dedicated_ssl_certificate_event_type.start.json", 0, "dedicated_ssl_certificate_event_type",
     1136214245},
    {"health_check_status_notification.start.json", 0, "health_check_status_notification",
     1136214245},
    {"workers_alert.start.json", 0, "workers_alert", 1136214245},
    {"stream_live_notifications.1.json", 0, NULL, 1642074233},
    {"webhook_test.json", 1, NULL, 0},
};

START_TEST(test_documented)
{
    cfmt_delivery_t d;
    const char *why, *path, *body;
    apr_size_t i, len;

    for (i = 0; i < sizeof(documented) / sizeof(documented[0]); i++) {
        path = unit_shared(apr_pstrcat(unit_pool, "webhooks/", documented[i].file, NULL));
        if (!path) {
            puts("skipped: the documented bodies are not beside this checkout");
            return;
        }
        body = unit_read(path, &len);
        ck_assert_msg(cfmt_delivery_parse(&d, &why, body, len, unit_pool) == APR_SUCCESS, "%s: %s",
                      path, why);
        ck_assert_msg(d.is_test == documented[i].is_test
                          && same(d.alert_type, documented[i].alert_type)
                          && d.ts == apr_time_from_sec(documented[i].secs), "%s", path);
    }
}
END_TEST

UNIT_SUITE_BEGIN(delivery)
    UNIT_TEST(test_shapes)
    UNIT_TEST(test_drills)
    UNIT_TEST(test_refused)
    UNIT_TEST(test_documented)
UNIT_SUITE_END
