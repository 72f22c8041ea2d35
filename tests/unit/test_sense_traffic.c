/*
 * Unit tests of src/engine/sense_traffic.c: answers that are cut, runs that are far apart, clocks
 * that differ.
 */
#include "sensing.h"

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

UNIT_SUITE_BEGIN(sense_traffic)
    UNIT_TEST(full_answers_to_all_queries_are_believed)
    UNIT_TEST(no_minute_is_left_between_runs_that_are_far_apart)
    tcase_add_loop_test(tc, no_minute_is_complete_that_has_not_come, 0, 2);
UNIT_SUITE_END
