/*
 * What upstreams last said: facts and when they changed, Cloudflare's ranges with their days of
 * grace, deliveries of a time, and whether an alert said that Cloudflare advertised.
 */
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "unit.h"

#define DAY 86400

static cfmt_store_t *begin(void)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    return s;
}

/* ---- facts ----------------------------------------------------------------------------------- */

START_TEST(facts)
{
    cfmt_store_t *s = begin();
    apr_table_t *t = apr_table_make(unit_pool, 2);
    cfmt_sensed_t got;

    ck_assert_int_eq(cfmt_sensed_load(s, &got, "token", unit_pool), CFMT_EMISSING);
    ck_assert(!got.read_at && apr_is_empty_table(got.facts));
    apr_table_set(t, "status", "active");
    apr_table_set(t, "a", "\"b\"");
    ck_assert_int_eq(cfmt_sensed_save(s, "token", t, KIT_T(1), unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_sensed_save(s, "other", t, KIT_T(9), unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_sensed_save(s, "token", t, KIT_T(2), unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_sensed_load(s, &got, "token", unit_pool), APR_SUCCESS);
    ck_assert_int_eq(got.read_at, KIT_T(2));
    ck_assert_int_eq(got.changed_at, KIT_T(1));
    ck_assert_str_eq(apr_table_get(got.facts, "a"), "\"b\"");
    apr_table_set(t, "status", "expired");
    ck_assert_int_eq(cfmt_sensed_save(s, "token", t, KIT_T(3), unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_sensed_load(s, &got, "token", unit_pool), APR_SUCCESS);
    ck_assert_int_eq(got.changed_at, KIT_T(3));
    ck_assert_str_eq(apr_table_get(got.facts, "status"), "expired");
    cfmt_store_rollback(s);
}
END_TEST

/* ---- ranges ---------------------------------------------------------------------------------- */

/* Saves the ranges named in text at second t; whether the set moved. */
static int list(cfmt_store_t *s, const char *text, int t)
{
    apr_array_header_t *cidrs = apr_array_make(unit_pool, 4, sizeof(cfmt_cidr_t));
    char *last, *word, *copy = apr_pstrdup(unit_pool, text);
    int changed = -1;

    for (word = apr_strtok(copy, " ", &last); word; word = apr_strtok(NULL, " ", &last)) {
        ck_assert_int_eq(cfmt_cidr_parse(apr_array_push(cidrs), NULL, word), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_ranges_save(s, cidrs, KIT_T(t), &changed), APR_SUCCESS);
    return changed;
}

/* "cidr first seen gone" of each, in seconds behind KIT_EPOCH; gone 0 = listed. */
static const char *ranges(cfmt_store_t *s)
{
    apr_array_header_t *rows;
    const char *text = "";
    int i;

    ck_assert_int_eq(cfmt_ranges_load(s, &rows, unit_pool), APR_SUCCESS);
    for (i = 0; i < rows->nelts; i++) {
        const cfmt_range_row_t *r = &APR_ARRAY_IDX(rows, i, cfmt_range_row_t);

        text = apr_psprintf(unit_pool, "%s%s %d %d %d,", text,
                            cfmt_cidr_format(unit_pool, &r->cidr),
                            (int)apr_time_sec(r->first_at - KIT_EPOCH),
                            (int)apr_time_sec(r->seen_at - KIT_EPOCH),
                            r->gone_at ? (int)apr_time_sec(r->gone_at - KIT_EPOCH) : 0);
    }
    return text;
}

START_TEST(ranges_keep_their_grace)
{
    cfmt_store_t *s = begin();

    ck_assert_int_eq(list(s, "203.0.113.0/24 10.0.0.0/8 2001:db8::/32", 1), 1);
    ck_assert_int_eq(list(s, "10.0.0.0/8 203.0.113.0/24 2001:db8::/32", 2), 0);
    ck_assert_str_eq(ranges(s), "10.0.0.0/8 1 2 0,203.0.113.0/24 1 2 0,2001:db8::/32 1 2 0,");
    ck_assert_int_eq(list(s, "10.0.0.0/8 2001:db8::/32", 3), 1);
    ck_assert_str_eq(ranges(s), "10.0.0.0/8 1 3 0,203.0.113.0/24 1 2 3,2001:db8::/32 1 3 0,");
    ck_assert_int_eq(list(s, "10.0.0.0/8 2001:db8::/32", 2 + 7 * DAY), 0); /* one second left */
    ck_assert_int_eq(list(s, "10.0.0.0/8 203.0.113.0/24", 5), 1); /* back again, another gone */
    ck_assert_str_eq(ranges(s), apr_psprintf(unit_pool, "10.0.0.0/8 1 5 0,203.0.113.0/24 1 5 0,"
                                             "2001:db8::/32 1 %d 5,", 2 + 7 * DAY));
    ck_assert_int_eq(list(s, "10.0.0.0/8 203.0.113.0/24", 5 + 7 * DAY), 1);
    ck_assert_str_eq(ranges(s), apr_psprintf(unit_pool, "10.0.0.0/8 1 %d 0,203.0.113.0/24 1 %d 0,",
                                             5 + 7 * DAY, 5 + 7 * DAY));
    cfmt_store_rollback(s);
}
END_TEST

/* ---- deliveries ------------------------------------------------------------------------------ */

static const char *delivered(cfmt_store_t *s, int since, int until, int limit, int *pmore)
{
    apr_array_header_t *rows;
    const char *text = "";
    int i;

    ck_assert_int_eq(cfmt_query_delivered(s, KIT_T(since), KIT_T(until), limit, &rows, pmore,
                                          unit_pool),
                     APR_SUCCESS);
    for (i = 0; i < rows->nelts; i++) {
        const cfmt_delivered_t *d = &APR_ARRAY_IDX(rows, i, cfmt_delivered_t);

        ck_assert_int_eq(d->len, strlen(d->body));
        text = apr_psprintf(unit_pool, "%s%" APR_INT64_T_FMT ":%d:%s:%s ", text, d->id,
                            (int)apr_time_sec(d->ts - KIT_EPOCH),
                            d->policy_id ? d->policy_id : "-", d->alert_type ? d->alert_type : "-");
    }
    return text;
}

START_TEST(deliveries_of_a_time)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = {
        kit_alert((kit_say_t){ .ts = 10, .attack = "A", .policy = "p1" }),
        kit_alert((kit_say_t){ .ts = 12, .attack = "B" }),
        { "recovered", KIT_T(900), kit_alert((kit_say_t){ .ts = 11, .attack = "C" }).body },
        { "recovered", KIT_T(13), "no JSON" },
        kit_close(12, "A"),
        { "delivery", KIT_T(10), kit_alert((kit_say_t){ .ts = 10, .attack = "A" }).body },
        kit_config(11, "{}"),
    };
    int more;

    kit_append(s, rows, KIT_COUNT(rows));
    kit_project(s, 200);
    ck_assert_str_eq(delivered(s, 11, 12, 9, &more),
                     "3:11:-:advanced_ddos_attack_l4_alert 2:12:-:advanced_ddos_attack_l4_alert ");
    ck_assert_int_eq(more, 0);
    ck_assert_str_eq(delivered(s, 11, 13, 2, &more),
                     "3:11:-:advanced_ddos_attack_l4_alert 2:12:-:advanced_ddos_attack_l4_alert ");
    ck_assert_int_eq(more, 1);
    ck_assert_str_eq(delivered(s, 13, 500, 9, &more), "4:13:-:- ");
    ck_assert_ptr_nonnull(strstr(delivered(s, 10, 10, 9, &more), "1:10:p1:"));
    ck_assert_str_eq(delivered(s, 14, 1000, 9, &more), "");
}
END_TEST

/* ---- did Cloudflare advertise? --------------------------------------------------------------- */

static kit_row_t advertise(int ts, const char *type, const char *prefix, const char *word,
                           const char *account)
{
    kit_row_t row = { "delivery", KIT_T(ts), NULL };

    row.body = apr_psprintf(
        unit_pool,
        "{\"account_id\":\"%s\",\"alert_type\":\"%s\",\"data\":{\"advertise_status\":"
        "[{\"prefix\":\"198.51.100.0/24\",\"status\":\"Error\"},{\"prefix\":\"%s\",\"status\":"
        "\"%s\"}]},\"text\":\"t\",\"ts\":%" APR_INT64_T_FMT "}",
        account, type, prefix, word, apr_time_sec(KIT_EPOCH) + ts);
    return row;
}

static int says(cfmt_store_t *s, const char *prefix, int since, int until)
{
    cfmt_cidr_t c;
    int yes = -1;

    ck_assert_int_eq(cfmt_cidr_parse(&c, NULL, prefix), APR_SUCCESS);
    ck_assert_int_eq(cfmt_query_auto_advertised(s, &yes, &c, KIT_T(since), KIT_T(until), unit_pool),
                     APR_SUCCESS);
    return yes;
}

#define AUTO "fbm_auto_advertisement"

START_TEST(only_advertised_proves_it)
{
    static const char *const words[] = { "Already Advertised", "Delayed", "Locked", "advertising",
                                         "Could not Advertise", "Error", "success", "Advertised ",
                                         "active", "pending" };
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t config = kit_config(0, "{\"AccountId\":\"" KIT_OURS "\"}"), row;
    int i;

    kit_append(s, &config, 1);
    for (i = 0; i < KIT_COUNT(words); i++) {
        row = advertise(10 + i, AUTO, "203.0.113.0/24", words[i], KIT_OURS);
        kit_append(s, &row, 1);
    }
    row = advertise(50, AUTO, "203.0.113.0/24", "Advertised", "foreign");
    kit_append(s, &row, 1);
    row = advertise(51, "dos_attack_l4", "203.0.113.0/24", "Advertised", KIT_OURS);
    kit_append(s, &row, 1);
    kit_project(s, 200);
    ck_assert_int_eq(says(s, "203.0.113.0/24", 0, 1000), 0);
    row = advertise(100, AUTO, "203.0.113.7/24", "aDVERTISED", KIT_OURS);
    kit_append(s, &row, 1);
    row = advertise(200, "fbm_dosd_attack", "2001:DB8::/32", "Advertised", KIT_OURS);
    kit_append(s, &row, 1);
    kit_project(s, 200);
    ck_assert_int_eq(says(s, "203.0.113.0/24", 100, 100), 1);
    ck_assert_int_eq(says(s, "203.0.113.0/24", 101, 1000), 0);
    ck_assert_int_eq(says(s, "203.0.113.0/24", 0, 99), 0);
    ck_assert_int_eq(says(s, "203.0.113.0/25", 0, 1000), 0); /* not the same network */
    ck_assert_int_eq(says(s, "203.0.112.0/23", 0, 1000), 0);
    ck_assert_int_eq(says(s, "198.51.100.0/24", 0, 1000), 0);
    ck_assert_int_eq(says(s, "2001:db8::/32", 150, 250), 1);
}
END_TEST

/* The arrival counts, not what the body says; of a recovered one when it was sent. */
START_TEST(arrival_counts)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[] = { advertise(100, AUTO, "203.0.113.0/24", "Advertised", KIT_OURS),
                         advertise(100, AUTO, "10.0.0.0/8", "Advertised", KIT_OURS),
                         advertise(100, AUTO, "172.16.0.0/12", "Advertised", KIT_OURS) };

    rows[0].at = KIT_T(400);
    rows[1].at = KIT_T(4000);
    rows[1].kind = "recovered";
    rows[2].at = KIT_T(9000); /* too late to prove anything */
    kit_append(s, rows, 3);
    kit_project(s, 200);
    ck_assert_int_eq(says(s, "203.0.113.0/24", 50, 150), 0);
    ck_assert_int_eq(says(s, "203.0.113.0/24", 350, 450), 1);
    ck_assert_int_eq(says(s, "10.0.0.0/8", 50, 150), 1);
    ck_assert_int_eq(says(s, "10.0.0.0/8", 3950, 4050), 0);
    ck_assert_int_eq(says(s, "172.16.0.0/12", 8950, 9050), 0);
}
END_TEST

UNIT_SUITE_BEGIN(sensed)
    UNIT_TEST(facts)
    UNIT_TEST(ranges_keep_their_grace)
    UNIT_TEST(deliveries_of_a_time)
    UNIT_TEST(only_advertised_proves_it)
    UNIT_TEST(arrival_counts)
UNIT_SUITE_END
