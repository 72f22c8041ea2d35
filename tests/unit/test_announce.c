/*
 * What a step of the projection announces: one start and one end of each attack whatever the order
 * of its alerts, tunnels once by whichever source was first, hijacks, auto-advertisements; and that
 * a rebuild tells nothing.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store_outbox.h"
#include "cfmt_store_traffic.h"
#include "engine/row_event.h"
#include "engine/tell.h"
#include "kit.h"
#include "store/store_private.h"
#include "unit.h"

#define CONFIG \
    "{\"AccountId\":\"" KIT_OURS "\",\"Prefix 203.0.113.0/24\":\"\"," \
    "\"Prefix 2001:db8::/32\":\"\"," \
    "\"Mode\":\"enforce\",\"Notify ops\":\"syslog name=ops\"}"

static cfmt_store_t *open_told(void)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    kit_sql(s, "DELETE FROM outbox");
    kit_go_on(s, kit_config(0, CONFIG));
    return s;
}

static const char *told(cfmt_store_t *s)
{
    const char *all = kit_text(s, "SELECT group_concat(kind, ' ') FROM"
                                  " (SELECT kind FROM outbox ORDER BY id)");

    return all ? all : "";
}

static const char *field(cfmt_store_t *s, const char *kind, const char *name)
{
    return kit_text(s, apr_psprintf(unit_pool, "SELECT json_extract(fields, '$.%s') FROM outbox"
                                               " WHERE kind = '%s' ORDER BY id DESC LIMIT 1", name,
                                    kind));
}

/* Goes on, and a rebuild in steps of any size adds nothing. */
static void check_told(cfmt_store_t *s, const char *want)
{
    ck_assert_str_eq(told(s), want);
    kit_rebuild(s, 200);
    kit_rebuild(s, 1);
    kit_rebuild(s, 3);
    ck_assert_str_eq(told(s), want);
}

static kit_row_t alert(int end, int ts, const char *attack)
{
    return kit_alert((kit_say_t){ .end = end, .ts = ts, .attack = attack, .target = "203.0.113.7",
                                  .vector = "UDP Flood", .account = KIT_OURS, .pps = 5000 });
}

/* ---- attacks --------------------------------------------------------------------------------- */

START_TEST(test_start_and_end)
{
    cfmt_store_t *s = open_told();

    kit_go_on(s, alert(0, 10, "x"));
    kit_go_on(s, alert(0, 20, "x")); /* the same attack goes on */
    check_told(s, "attack-start");
    ck_assert_str_eq(field(s, "attack-start", "prefix"), "203.0.113.0/24");
    ck_assert_str_eq(field(s, "attack-start", "target"), "203.0.113.7");
    ck_assert_str_eq(field(s, "attack-start", "vector"), "UDP Flood");
    ck_assert_str_eq(field(s, "attack-start", "pps"), "5000");
    ck_assert_str_eq(field(s, "attack-start", "mode"), "enforce");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM outbox o JOIN attack a ON a.id = o.attack"
                                " WHERE o.channel = 'ops' AND o.prefix = '203.0.113.0/24'"
                                " AND o.dedupe = 'attack-start ' || a.id"), 1);
    kit_go_on(s, alert(1, 70, "x"));
    check_told(s, "attack-start attack-end");
    ck_assert_str_eq(field(s, "attack-end", "duration_s"), "60");
    ck_assert_str_eq(field(s, "attack-end", "cause"), "Cloudflare says so");
    kit_go_on(s, alert(0, 90, "x"));
    check_told(s, "attack-start attack-end attack-start");
    ck_assert_str_eq(field(s, "attack-start", "state"), "again, episode 2");
    kit_go_on(s, kit_close(100, "x"));
    check_told(s, "attack-start attack-end attack-start attack-end");
    ck_assert_str_eq(field(s, "attack-end", "cause"), "attack x closed by test");
}
END_TEST

START_TEST(test_in_one_step)
{
    cfmt_store_t *s = open_told();
    kit_row_t rows[] = { alert(0, 10, "x"), alert(0, 12, "x"), alert(1, 70, "x") };

    kit_append(s, rows, 3);
    kit_project(s, 200);
    check_told(s, "attack-end");
    kit_append(s, (kit_row_t[]){ alert(0, 80, "x"), alert(1, 90, "x") }, 2);
    kit_project(s, 200);
    check_told(s, "attack-end attack-end");
}
END_TEST

/* Two ends, one start that comes late, a repeat: at most one start and one end, in any order. */
START_TEST(test_any_order)
{
    static const int orders[][4] = {
        { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 2, 0, 3, 1 }, { 1, 0, 2, 3 }, { 2, 3, 0, 1 },
        { 3, 0, 1, 2 },
    };
    cfmt_store_t *s = kit_open("cfmt.db");
    int i, k;

    for (i = 0; i < KIT_COUNT(orders); i++) {
        kit_row_t rows[] = { alert(0, 10, "x"), alert(0, 11, "x"), alert(1, 70, "x"),
                             alert(1, 70, "x") };

        kit_wipe(s);
        kit_sql(s, "DELETE FROM outbox");
        kit_go_on(s, kit_config(0, CONFIG));
        for (k = 0; k < 4; k++) {
            kit_go_on(s, rows[orders[i][k]]);
        }
        ck_assert_int_le(kit_int(s, "SELECT count(*) FROM outbox WHERE kind = 'attack-start'"), 1);
        ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM outbox WHERE kind = 'attack-end'"), 1);
        check_told(s, told(s));
    }
}
END_TEST

/* Attacks whose last news is not what they are. */
static const char untrue_sql[] =
    "SELECT count(*) FROM attack a WHERE (a.state = 'open') <> ('attack-start' = (SELECT kind FROM"
    " outbox o WHERE o.attack = a.id ORDER BY o.id DESC LIMIT 1))";

/* Any alerts in any order and in steps of any size: the last word on each attack is true. */
START_TEST(test_last_word)
{
    static const char *const names[] = { "x", "y", "z" };
    unsigned seed = 42;
    cfmt_store_t *s = kit_open("cfmt.db");
    int i, k;

    for (i = 0; i < KIT_CASES(40); i++) {
        kit_wipe(s);
        kit_sql(s, "DELETE FROM outbox");
        kit_go_on(s, kit_config(0, CONFIG));
        for (k = 0; k < 25; k++) {
            kit_row_t row = alert((int)kit_random(&seed, 2), (int)kit_random(&seed, 40) + 1,
                                  names[kit_random(&seed, 3)]);

            kit_append(s, &row, 1);
            if (!kit_random(&seed, 3)) {
                kit_project(s, (int)kit_random(&seed, 5) + 1);
                ck_assert_int_eq(kit_int(s, untrue_sql), 0);
            }
        }
        kit_project(s, 200);
        ck_assert_int_eq(kit_int(s, untrue_sql), 0);
        check_told(s, told(s));
    }
}
END_TEST

/* Two attacks that are shown to be one: no second start, one end, one conversation. */
START_TEST(test_merge)
{
    cfmt_store_t *s = open_told();
    kit_say_t both = { .ts = 30, .attack = "b", .correlation = "c", .target = "203.0.113.7",
                       .account = KIT_OURS };

    kit_go_on(s, alert(0, 10, "a"));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 20, .attack = "b", .target = "203.0.113.7",
                                        .account = KIT_OURS }));
    ck_assert_str_eq(told(s), "attack-start attack-start");
    both.attack = "a";
    kit_go_on(s, kit_alert(both));
    both.attack = "b";
    both.ts = 31;
    kit_go_on(s, kit_alert(both));
    check_told(s, "attack-start attack-start");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 1);
    ck_assert_int_eq(kit_int(s, "SELECT count(DISTINCT attack) FROM outbox"), 1);
    ck_assert_str_eq(kit_text(s, "SELECT DISTINCT attack FROM outbox"),
                     kit_text(s, "SELECT id FROM attack"));
    kit_go_on(s, alert(1, 60, "a"));
    check_told(s, "attack-start attack-start attack-end");
}
END_TEST

static kit_row_t say(int at, cfmt_says_e what, const char *id, const char *with)
{
    cfmt_say_t says = { .what = what, .id = id, .with = with, .at = KIT_T(at), .pps = 9000,
                        .bps = 1e8, .by = CFMT_SYSTEM_DOSD };
    kit_row_t row = { "attack", KIT_T(at + 60), NULL };

    if (what == CFMT_SAYS_OPEN) {
        ck_assert_int_eq(cfmt_cidr_parse(&says.prefix, NULL, "203.0.113.0/24"), APR_SUCCESS);
    }
    row.body = cfmt_row_say(&says, unit_pool);
    return row;
}

/* Traffic opens an attack; the alert that comes later is the same one, and so is its end. */
START_TEST(test_traffic_and_alert)
{
    cfmt_store_t *s = open_told();
    const char *opened;

    kit_go_on(s, say(10, CFMT_SAYS_OPEN, NULL, NULL));
    ck_assert_str_eq(told(s), "attack-start");
    ck_assert_str_eq(field(s, "attack-start", "reason"), "traffic says so, no alert came");
    opened = kit_text(s, "SELECT id FROM attack");
    kit_go_on(s, alert(0, 40, "x"));
    check_told(s, "attack-start");
    kit_go_on(s, say(50, CFMT_SAYS_JOIN, opened, "x"));
    check_told(s, "attack-start");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 1);
    ck_assert_str_eq(kit_text(s, "SELECT attack FROM outbox"),
                     kit_text(s, "SELECT id FROM attack"));
    ck_assert_str_ne(kit_text(s, "SELECT attack FROM outbox"), opened);
    kit_go_on(s, say(900, CFMT_SAYS_CALM, "x", NULL));
    check_told(s, "attack-start attack-end");
    ck_assert_str_eq(field(s, "attack-end", "cause"), "it has been calm for long enough");
}
END_TEST

/* What is told of it later, by whoever still knows it by that id, is in the same conversation. */
START_TEST(test_former_name)
{
    cfmt_store_t *s = open_told();
    cfmt_engine_t e = { .store = s };
    apr_table_t *settings = apr_table_make(unit_pool, 1);
    cfmt_news_t n = { .kind = CFMT_NEWS_DUE, .dedupe = "due", .at = KIT_T(60), .fields = "{}" };

    apr_table_setn(settings, "Notify ops", "syslog name=ops");
    e.conf.settings = settings;
    kit_go_on(s, say(10, CFMT_SAYS_OPEN, NULL, NULL));
    n.attack = kit_text(s, "SELECT id FROM attack");
    kit_go_on(s, alert(0, 40, "x"));
    kit_go_on(s, say(50, CFMT_SAYS_JOIN, n.attack, "x"));
    ck_assert_int_eq(cfmt_store_begin(s, -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_tell(&e, &n, unit_pool), APR_SUCCESS);
    n.attack = "never-heard-of";
    n.dedupe = "other";
    ck_assert_int_eq(cfmt_tell(&e, &n, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_str_eq(told(s), "attack-start due due");
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM outbox o JOIN attack a ON a.id = o.attack"),
                     2);
}
END_TEST

/* Two sources, one of which cannot be true, in a minute of prefix 203.0.113.0/24. */
static void put_traffic(cfmt_store_t *s, int minute)
{
    static const char *const sources[] = { "8.8.8.8", "10.0.0.1" };
    apr_array_header_t *rows = apr_array_make(unit_pool, 2, sizeof(cfmt_detail_t));
    cfmt_cidr_t prefix;
    int i;

    ck_assert_int_eq(cfmt_cidr_parse(&prefix, NULL, "203.0.113.0/24"), APR_SUCCESS);
    for (i = 0; i < 2; i++) {
        cfmt_detail_t *d = apr_array_push(rows);

        *d = (cfmt_detail_t){ .minute = KIT_T(minute * 60), .packets = 3000 - 2000 * i,
                              .bits = 100 };
        ck_assert_int_eq(cfmt_cidr_parse(&d->source, NULL, sources[i]), APR_SUCCESS);
        ck_assert_int_eq(cfmt_cidr_parse(&d->target, NULL, "203.0.113.7"), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_store_begin(s, -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_traffic_put(s, cfmt_traffic_sheet(&prefix, KIT_T(minute * 60), 0, rows,
                                                            unit_pool), unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
}

START_TEST(test_demonstration)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    kit_go_on(s, kit_config(0, "{\"DemoSpeed\":\"60 since=x\","
                               "\"Notify ops\":\"syslog name=ops\"}"));
    kit_go_on(s, alert(0, 10, "x"));
    ck_assert_str_eq(field(s, "attack-start", "mode"), "observe, DEMO");
}
END_TEST

START_TEST(test_who_it_was)
{
    cfmt_store_t *s = open_told();

    put_traffic(s, 2);
    kit_go_on(s, alert(0, 100, "x"));
    kit_go_on(s, alert(1, 300, "x"));
    ck_assert_str_eq(field(s, "attack-end", "sources"), "8.8.8.8, 10.0.0.1");
    ck_assert_str_eq(field(s, "attack-end", "spoofed"), "25");
    kit_go_on(s, alert(0, 400, "x"));
    kit_go_on(s, alert(1, 500, "x")); /* nothing is known of that time */
    ck_assert(!field(s, "attack-end", "sources"));
}
END_TEST

START_TEST(test_timeout)
{
    cfmt_store_t *s = open_told();

    kit_go_on(s, alert(0, 10, "x"));
    kit_go_on(s, say(9000, CFMT_SAYS_TIMEOUT, "x", NULL));
    check_told(s, "attack-start attack-end");
    ck_assert_str_eq(field(s, "attack-end", "cause"), "nothing was heard of it for too long");
}
END_TEST

START_TEST(test_where)
{
    cfmt_store_t *s = open_told();

    kit_go_on(s, kit_alert((kit_say_t){ .ts = 1, .attack = "o", .target = "8.8.8.8" }));
    ck_assert_str_eq(field(s, "attack-start", "prefix"), "8.8.8.8 (none of your prefixes)");
    ck_assert_str_eq(field(s, "attack-start", "next"),
                     "nothing: what it hits is none of your prefixes");
    ck_assert(!kit_text(s, "SELECT prefix FROM outbox"));
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 2, .attack = "n" }));
    ck_assert_str_eq(field(s, "attack-start", "prefix"), "an unknown target");
    ck_assert_str_eq(field(s, "attack-start", "next"),
                     "no prefix is withdrawn by itself until it is over");
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 3, .attack = "f", .target = "203.0.113.7",
                                        .account = "11111111111111111111111111111111" }));
    ck_assert_str_eq(field(s, "attack-start", "account"), "11111111111111111111111111111111");
    ck_assert_str_eq(field(s, "attack-start", "next"), "nothing: it is not our account");
    kit_go_on(s, kit_alert((kit_say_t){ .ts = 4, .attack = "h", .type = "dos_attack_l7" }));
    ck_assert_str_eq(field(s, "attack-start", "prefix"), "a hostname (a hostname)");
    kit_go_on(s, alert(0, 5, "b"));
    ck_assert_str_eq(field(s, "attack-start", "next"),
                     "whether what it hits is advertised is not known");
    kit_go_on(s, kit_prefix(6, "b1", "203.0.113.0/24", 1, 0));
    kit_go_on(s, alert(0, 7, "c"));
    ck_assert_str_eq(field(s, "attack-start", "next"),
                     "it stays advertised while it lasts, until it is calm");
    kit_go_on(s, kit_prefix(8, "b1", "203.0.113.0/24", 0, 0));
    kit_go_on(s, alert(0, 9, "d"));
    ck_assert(strstr(field(s, "attack-start", "next"), "203.0.113.0/24 is not advertised: "));
    check_told(s, told(s));
}
END_TEST

/* ---- who is told ----------------------------------------------------------------------------- */

START_TEST(test_nobody)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    kit_go_on(s, kit_config(0, KIT_CONFIG));
    kit_go_on(s, alert(0, 10, "x"));
    ck_assert_str_eq(told(s), "");
    /* a channel that comes later is not told of what was before */
    kit_go_on(s, kit_config(20, CONFIG));
    kit_rebuild(s, 200);
    ck_assert_str_eq(told(s), "");
    kit_go_on(s, alert(1, 30, "x"));
    ck_assert_str_eq(told(s), "attack-end");
}
END_TEST

/* Whatever is behind what was announced is told, in the middle of a rebuild as well. */
START_TEST(test_rebuild_goes_on)
{
    cfmt_store_t *s = open_told();

    kit_go_on(s, alert(0, 10, "x"));
    ck_assert_int_eq(cfmt_project_reset(s), APR_SUCCESS);
    kit_append(s, (kit_row_t[]){ alert(1, 20, "x"), alert(0, 30, "y") }, 2);
    kit_project(s, 200);
    check_told(s, "attack-start attack-end attack-start");
}
END_TEST

/* Not by their dedupe, which goes with old messages: by where the announcement was. */
START_TEST(test_rebuild_without_memory)
{
    cfmt_store_t *s = open_told();

    kit_go_on(s, alert(0, 10, "x"));
    kit_go_on(s, alert(1, 20, "x"));
    kit_sql(s, "DELETE FROM outbox");
    ck_assert_int_eq(cfmt_project_reset(s), APR_SUCCESS);
    kit_append(s, (kit_row_t[]){ alert(0, 30, "y"), alert(0, 5, "x") }, 2);
    kit_project(s, 200);
    check_told(s, "attack-start");
    ck_assert_str_eq(kit_text(s, "SELECT a.state FROM outbox o JOIN attack a ON a.id = o.attack"),
                     "open");
}
END_TEST

/* A transaction that fails tells nothing; the next one tells it once. */
START_TEST(test_same_transaction)
{
    cfmt_store_t *s = open_told();
    kit_row_t row = alert(0, 10, "x");
    cfmt_projector_t *pr = cfmt_projector_create(NULL, unit_pool);
    int done;

    kit_sql(s, "CREATE TEMP TRIGGER full BEFORE INSERT ON main.event BEGIN"
               " SELECT raise(ABORT, 'no'); END");
    kit_append(s, &row, 1);
    ck_assert_int_ne(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(told(s), "");
    kit_sql(s, "DROP TRIGGER full");
    kit_sql(s, "CREATE TEMP TRIGGER full BEFORE INSERT ON main.outbox BEGIN"
               " SELECT raise(ABORT, 'no'); END");
    ck_assert_int_ne(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM attack"), 0);
    kit_sql(s, "DROP TRIGGER full");
    kit_project(s, 200);
    check_told(s, "attack-start");
}
END_TEST

/* ---- alerts that are no attack --------------------------------------------------------------- */

static kit_row_t body(int ts, const char *kind, const char *type, const char *data)
{
    kit_row_t row = { kind, KIT_T(ts), NULL };

    row.body = apr_psprintf(unit_pool, "{\"account_id\":\"%s\",\"alert_type\":\"%s\",\"data\":{%s},"
                                       "\"text\":\"some words\",\"ts\":%" APR_INT64_T_FMT "}",
                            KIT_OURS, type, data, apr_time_sec(KIT_EPOCH) + ts);
    return row;
}

START_TEST(test_alerts)
{
    cfmt_store_t *s = open_told();
    kit_row_t test = { "delivery", KIT_T(1), "{\"text\":\"Hello\"}" };

    kit_go_on(s, body(2, "delivery", "fbm_auto_advertisement",
                      "\"rule_name\":\"r\",\"advertise_status\":[{\"prefix\":\"203.0.113.0/24\","
                      "\"status\":\"Advertised\"}]"));
    kit_go_on(s, body(3, "delivery", "fbm_auto_advertisement",
                      "\"rule_name\":\"r\",\"advertise_status\":[{\"prefix\":\"203.0.113.0/24\","
                      "\"status\":\"Locked\"}]"));
    kit_go_on(s, body(4, "delivery", "workers_alert", ""));
    kit_go_on(s, test);
    kit_go_on(s, body(5, "delivery", "incident_alert",
                      "\"incident_id\":\"i\",\"incident_name\":\"n\",\"incident_status\":"
                      "\"INCIDENT_STATUS_INVESTIGATING\""));
    kit_go_on(s, body(6, "recovered", "workers_alert", "\"a\":1"));
    check_told(s, "auto-advertise auto-failed alert alert alert recovered");
    ck_assert_str_eq(field(s, "auto-failed", "state"), "203.0.113.0/24 Locked");
    ck_assert_str_eq(field(s, "auto-failed", "reason"), "monitoring rule r");
    ck_assert_str_eq(kit_text(s, "SELECT prefix FROM outbox WHERE kind = 'auto-failed'"),
                     "203.0.113.0/24");
    kit_go_on(s, body(7, "delivery", "incident_alert", /* no change of state */
                      "\"incident_id\":\"i\",\"incident_name\":\"n\",\"incident_status\":"
                      "\"INCIDENT_STATUS_INVESTIGATING\""));
    kit_go_on(s, body(8, "recovered", "incident_alert", "\"b\":1")); /* that names none */
    check_told(s, "auto-advertise auto-failed alert alert alert recovered recovered");
}
END_TEST

static kit_row_t prefix_since(int at, apr_int64_t asn, int advertised)
{
    cfmt_bgp_prefix_t b = { .id = "b1", .parent = "p", .approved = 1, .enabled = 1, .locked = 0,
                            .bgp_control = 0, .auto_withdraw = -1, .advertised = advertised,
                            .advertised_at = KIT_T(at), .asn = asn };
    kit_row_t row = { "prefix_state", KIT_T(at), NULL };

    ck_assert_int_eq(cfmt_cidr_parse(&b.cidr, NULL, "203.0.113.0/24"), APR_SUCCESS);
    row.body = cfmt_prefix_encode(&b, 0, unit_pool);
    return row;
}

static kit_row_t hijack(int ts, const char *seen, const char *by)
{
    return body(ts, "delivery", "bgp_hijack_notification",
                apr_psprintf(unit_pool, "\"prefix_hijacked\":\"%s\",\"hijack_as\":\"%s\","
                                        "\"prefix_configured\":\"203.0.113.0/24\"", seen, by));
}

START_TEST(test_hijack)
{
    cfmt_store_t *s = open_told();

    kit_go_on(s, hijack(1, "203.0.113.0/24", "13335"));
    ck_assert_str_eq(told(s), "hijack"); /* nothing of ours explains it */
    kit_go_on(s, prefix_since(10, 64500, 1));
    kit_go_on(s, hijack(20, "203.0.113.0/24", "13335"));
    kit_go_on(s, hijack(21, "203.0.113.0/24", "64500"));
    ck_assert_str_eq(told(s), "hijack hijack-explained hijack-explained");
    ck_assert_str_eq(field(s, "hijack-explained", "cause"), "advertised at 2023-11-14T22:13:30Z");
    kit_go_on(s, hijack(30, "203.0.113.0/25", "13335")); /* a part of it */
    kit_go_on(s, hijack(31, "203.0.113.0/24", "64666")); /* somebody else */
    kit_go_on(s, hijack(32, "203.0.113.0/24", "no number"));
    kit_go_on(s, prefix_since(40, 64500, 0));
    kit_go_on(s, hijack(50, "203.0.113.0/24", "13335"));
    check_told(s, "hijack hijack-explained hijack-explained hijack hijack hijack hijack");
    ck_assert_str_eq(field(s, "hijack", "asn"), "13335");
}
END_TEST

/* ---- tunnels --------------------------------------------------------------------------------- */

/* "DOWN up": states in order of telling. */
static const char *tunnels(cfmt_store_t *s)
{
    const char *all = kit_text(s, "SELECT group_concat(json_extract(fields, '$.state'), ' ') FROM"
                                  " (SELECT fields FROM outbox WHERE kind = 'tunnel' ORDER BY id)");

    return all ? all : "";
}

static kit_row_t health(int ts, const char *state)
{
    return kit_tunnel(ts, "t1", state, KIT_OURS);
}

START_TEST(test_tunnel_by_alerts)
{
    cfmt_store_t *s = open_told();

    kit_go_on(s, health(10, "MAGIC_TUNNEL_STATUS_HEALTHY")); /* nobody was worried */
    ck_assert_str_eq(tunnels(s), "");
    kit_go_on(s, health(20, "MAGIC_TUNNEL_STATUS_DOWN"));
    kit_go_on(s, health(21, "MAGIC_TUNNEL_STATUS_DOWN"));
    kit_go_on(s, health(30, "MAGIC_TUNNEL_STATUS_HEALTHY"));
    kit_go_on(s, health(40, "MAGIC_TUNNEL_STATUS_DOWN"));
    ck_assert_str_eq(tunnels(s), "DOWN up DOWN");
    ck_assert_str_eq(field(s, "tunnel", "name"), "gre-t1");
    check_told(s, "tunnel tunnel tunnel");
}
END_TEST

START_TEST(test_tunnel_by_readings)
{
    cfmt_store_t *s = open_told();

    kit_go_on(s, kit_tunnel_read(1, "t1", "unknown", 0));
    kit_go_on(s, kit_tunnel_read(2, "t1", "up", 0));
    ck_assert_str_eq(tunnels(s), "");
    kit_go_on(s, kit_tunnel_read(3, "t1", "degraded", 0));
    kit_go_on(s, kit_tunnel_read(4, "t1", "down", 0));
    kit_go_on(s, kit_tunnel_read(5, "t1", "up", 0));
    kit_go_on(s, kit_tunnel_read(6, "t1", "down", 1)); /* it is gone: somebody's wish */
    ck_assert_str_eq(tunnels(s), "degraded DOWN up");
    check_told(s, "tunnel tunnel tunnel");
}
END_TEST

/* Both say it; each change is told once, by whoever was first. */
START_TEST(test_tunnel_by_both)
{
    cfmt_store_t *s = open_told();

    kit_go_on(s, kit_tunnel_read(1, "t1", "up", 0));
    kit_go_on(s, health(10, "MAGIC_TUNNEL_STATUS_DOWN"));
    kit_go_on(s, kit_tunnel_read(20, "t1", "down", 0));
    ck_assert_str_eq(tunnels(s), "DOWN");
    kit_go_on(s, kit_tunnel_read(30, "t1", "up", 0));
    kit_go_on(s, health(29, "MAGIC_TUNNEL_STATUS_HEALTHY"));
    ck_assert_str_eq(tunnels(s), "DOWN up");
    kit_go_on(s, health(40, "MAGIC_TUNNEL_STATUS_DOWN")); /* a flap that no reading saw */
    kit_go_on(s, health(45, "MAGIC_TUNNEL_STATUS_HEALTHY"));
    ck_assert_str_eq(tunnels(s), "DOWN up DOWN up");
    kit_go_on(s, kit_tunnel_read(60, "t1", "down", 0)); /* its alert got lost */
    ck_assert_str_eq(tunnels(s), "DOWN up DOWN up DOWN");
    kit_go_on(s, health(70, "MAGIC_TUNNEL_STATUS_DOWN"));
    kit_go_on(s, kit_tunnel_read(80, "t1", "up", 0));
    kit_go_on(s, kit_tunnel_read(90, "t1", "down", 0)); /* and the one of that moment */
    ck_assert_str_eq(tunnels(s), "DOWN up DOWN up DOWN up DOWN");
    check_told(s, told(s));
}
END_TEST

UNIT_SUITE_BEGIN(announce)
UNIT_TEST(test_start_and_end)
UNIT_TEST(test_in_one_step)
UNIT_TEST(test_any_order)
UNIT_TEST(test_last_word)
UNIT_TEST(test_merge)
UNIT_TEST(test_traffic_and_alert)
UNIT_TEST(test_former_name)
UNIT_TEST(test_demonstration)
UNIT_TEST(test_who_it_was)
UNIT_TEST(test_timeout)
UNIT_TEST(test_where)
UNIT_TEST(test_nobody)
UNIT_TEST(test_rebuild_goes_on)
UNIT_TEST(test_rebuild_without_memory)
UNIT_TEST(test_same_transaction)
UNIT_TEST(test_alerts)
UNIT_TEST(test_hijack)
UNIT_TEST(test_tunnel_by_alerts)
UNIT_TEST(test_tunnel_by_readings)
UNIT_TEST(test_tunnel_by_both)
UNIT_SUITE_END
