/*
 * What traffic says of attacks: every rule at its boundary.
 */
#include <string.h>

#include "kit.h"
#include "traffic_case.h"
#include "unit.h"

static void check_rows(const row_t *rows, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        cfmt_traffic_case_t c = traffic_case(&rows[i]);

        ck_assert_msg(!strcmp(traffic_says(&c, 0), rows[i].says), "%s: got '%s', want '%s'",
                      rows[i].name, traffic_says(&c, 0), rows[i].says);
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

#define CALM15 "..............."

START_TEST(test_open)
{
    static const row_t rows[] = {
        { "nothing is known", "", { { NULL } }, { { .name = 'A' } } },
        { "two in a row", "open A2001@3", { { NULL } }, { { 'A', "...22.." } } },
        { "one is none", "", { { NULL } }, { { 'A', "...2.2.b2" } } },
        { "unknown between", "", { { NULL } }, { { 'A', "2?2?2?2?2" } } },
        { "between breaks, too", "", { { NULL } }, { { 'A', "2b2b2b2b2" } } },
        { "sustain=1", "open A2001@3", { { NULL } }, { { 'A', "...2", .sustain = 1 } } },
        { "sustain=3", "open A4001@4", { { NULL } }, { { 'A', "22..456", .sustain = 3 } } },
        { "figures of its first minute", "open A2001@1", { { NULL } }, { { 'A', ".29" } } },
        { "the oldest only", "open A2001@0", { { NULL } }, { { 'A', "22..." CALM15 "33" } } },
        { "withdrawn", "open A2001@3", { { NULL } }, { { 'A', "...22", 1 } } },
        { "not known whether", "open A2001@3", { { NULL } }, { { 'A', "...22", 2 } } },
        { "two prefixes", "open A2001@0,open B3001@1", { { NULL } },
          { { 'A', "22" }, { 'B', ".33" } } },
        { "nested: the smallest", "open N2001@1", { { NULL } },
          { { 'A', "22" }, { 'N', ".22" }, { 'W', "222" } } },
        { "the same one twice", "open A2001@0", { { NULL } }, { { 'A', "22" }, { 'A', "22" } } },
        { "too many attacks to know", "", { { NULL } }, { { 'A', "22222" } }, .opens_from = 4 },
        { "known from there", "open A2001@3", { { NULL } }, { { 'A', "22222" } },
          .opens_from = 3 },
    };

    check_rows(rows, KIT_COUNT(rows));
}
END_TEST

/* Whose minutes an attack's are: from ten before its start until it ended. */
START_TEST(test_covered)
{
    static const row_t rows[] = {
        { "open", "", { { "x", "A", 1, 2, .pps = 9e3 } }, { { 'A', "2222222" } } },
        { "its alert was late by ten minutes", "", { { "x", "A", 1, 10, .pps = 9e3 } },
          { { 'A', "2222222" } } },
        { "by more: one by traffic, and then they are joined", "open A2001@0",
          { { "x", "A", 1, 12, .pps = 9e3 } }, { { 'A', "2222222" } } },
        { "too few before it", "", { { "x", "A", 1, 11, .pps = 9e3 } }, { { 'A', "2222222" } } },
        { "another prefix", "open A2001@0", { { "x", "B", 1, 2, .pps = 9e3 } },
          { { 'A', "22" } } },
        { "inside it", "", { { "x", "N", 1, 2, .pps = 9e3 } }, { { 'A', "22" } } },
        { "around it", "", { { "x", "W", 1, 2, .pps = 9e3 } }, { { 'A', "22" } } },
        { "anywhere", "", { { "x", "*", 1, 2, .pps = 9e3 } }, { { 'A', "22" } } },
        { "none of ours", "open A2001@0", { { "x", "", 1, 2, .pps = 9e3 } }, { { 'A', "22" } } },
        { "until its end", "", { { "x", "A", 1, 2, .end = 4.5, .pps = 9e3 } },
          { { 'A', "22222" } } },
        { "two that touch", "", { { "x", "A", 1, 1, .end = 4.5, .pps = 9e3 },
          { "y", "A", 1, 15, .end = 20, .pps = 9e3 } }, { { 'A', "22222222222222" } } },
        { "the other way round", "", { { "y", "A", 1, 15, .end = 20, .pps = 9e3 },
          { "x", "A", 1, 1, .end = 4.5, .pps = 9e3 } }, { { 'A', "22222222222222" } } },
    };

    check_rows(rows, KIT_COUNT(rows));
}
END_TEST

START_TEST(test_reopen)
{
    static const row_t rows[] = {
        { "goes on", "reopen x A3001@5", { { "x", "A", 1, 2, .end = 4.5, .pps = 9e3 } },
          { { 'A', "2222233" } } },
        { "one minute is not enough", "", { { "x", "A", 1, 2, .end = 4.5, .pps = 9e3 } },
          { { 'A', "222222" } } },
        { "ended on a whole minute: END wins at an equal time", "reopen x A3001@5+",
          { { "x", "A", 1, 2, .end = 5, .pps = 9e3 } }, { { 'A', "2222233" } } },
        { "within the hour", "reopen x A2001@65", { { "x", "A", 1, 2, .end = 5, .pps = 9e3 } },
          { { 'A', "....." "............................................................"
            "22" } }, .now = 80 },
        { "after it: another", "open A2001@66", { { "x", "A", 1, 2, .end = 5, .pps = 9e3 } },
          { { 'A', "....." "............................................................." "22" } },
          .now = 80 },
        { "of several the last", "reopen y A2001@8", { { "x", "A", 1, 2, .end = 4, .pps = 9e3 },
          { "y", "A", 1, 3, .end = 5, .pps = 9e3 } }, { { 'A', "22222...22" } } },
        { "at the same time the id decides", "reopen y A2001@8",
          { { "y", "A", 1, 2, .end = 5, .pps = 9e3 }, { "x", "A", 1, 3, .end = 5, .pps = 9e3 } },
          { { 'A', "22222...22" } } },
        { "anywhere was about something else", "open A2001@8",
          { { "x", "*", 1, 2, .end = 5, .pps = 9e3 } }, { { 'A', "........22" } } },
        { "around it: another", "open W2001@8", { { "x", "A", 1, 2, .end = 5, .pps = 9e3 } },
          { { 'A', ".........." }, { 'W', "........22" } } },
        { "anywhere, and here", "open A2001@8", { { "x", "*A", 1, 2, .end = 5, .pps = 9e3 } },
          { { 'A', "........22" } } },
        { "around it, and it is not advertised: what is hit there nobody knows", "open W2001@8",
          { { "x", "A", 1, 2, .end = 5, .pps = 9e3 } },
          { { 'A', "", 1 }, { 'W', "........22" } } },
        { "around it, and nobody knows whether it is", "open W2001@8",
          { { "x", "A", 1, 2, .end = 5, .pps = 9e3 } },
          { { 'A', "", 2 }, { 'W', "........22" } } },
        { "inside it", "reopen x A2001@8", { { "x", "W", 1, 2, .end = 5, .pps = 9e3 } },
          { { 'A', "........22" } } },
        { "it came later: another", "open A2001@5", { { "x", "A", 1, 30, .end = 40, .pps = 9e3 } },
          { { 'A', ".....22" } } },
        { "while another is open", "", { { "x", "A", 1, 2, .end = 5, .pps = 9e3 },
          { "y", "A", 1, 3, .pps = 9e3 } }, { { 'A', "2222222" } } },
    };

    check_rows(rows, KIT_COUNT(rows));
}
END_TEST

START_TEST(test_join)
{
    static const row_t rows[] = {
        { "the alert came later", "join t=x", { { "t", "A", 0, 3 }, { "x", "A", 1, 8 } },
          { { 'A', "" } } },
        { "the alert is of before, it only arrived later", "join t=x",
          { { "t", "A", 0, 3 }, { "x", "A", 1, 1, .end = 3.5 } }, { { 'A', "" } } },
        { "it had ended when traffic began", "", { { "t", "A", 0, 3 },
          { "x", "A", 1, 1, .end = 3 } }, { { 'A', "" } } },
        { "up to ten minutes behind the end of traffic", "join t=x",
          { { "t", "A", 0, 3, .end = 8 }, { "x", "A", 1, 17.5 } }, { { 'A', "" } } },
        { "more", "", { { "t", "A", 0, 3, .end = 8 }, { "x", "A", 1, 18 } }, { { 'A', "" } } },
        { "another prefix", "", { { "t", "A", 0, 3 }, { "x", "B", 1, 4 } }, { { 'A', "" } } },
        { "inside it", "join t=x", { { "t", "A", 0, 3 }, { "x", "N", 1, 4 } }, { { 'A', "" } } },
        { "anywhere is nowhere", "", { { "t", "A", 0, 3 }, { "x", "*", 1, 4 } },
          { { 'A', "" } } },
        { "two of traffic stay two", "", { { "t", "A", 0, 3 }, { "u", "A", 0, 4 } },
          { { 'A', "" } } },
        { "two of alerts stay two", "", { { "x", "A", 1, 3 }, { "y", "A", 1, 4 } },
          { { 'A', "" } } },
        { "the first of several", "join t=y", { { "x", "A", 1, 5 }, { "y", "A", 1, 4 },
          { "t", "A", 0, 3 } }, { { 'A', "" } } },
        { "at the same time the id decides", "join t=x", { { "y", "A", 1, 5 },
          { "x", "A", 1, 5 }, { "t", "A", 0, 3 } }, { { 'A', "" } } },
        { "what is joined says nothing else", "join t=x", { { "t", "A", 0, 3 },
          { "x", "A", 1, 3 } }, { { 'A', "...99" CALM15 } } },
    };

    check_rows(rows, KIT_COUNT(rows));
}
END_TEST

/* ---- peaks ----------------------------------------------------------------------------------- */

START_TEST(test_peak)
{
    static const row_t rows[] = {
        { "regression: peak forgotten so the notice said 0 packets", "peak x A9001@2",
          { { "x", "A", 1, 1 } }, { { 'A', ".292" } } },
        { "of equal ones the first", "peak x A9001@1", { { "x", "A", 1, 1 } },
          { { 'A', ".929" } } },
        { "not above what is known", "", { { "x", "A", 1, 1, .pps = 9001 } },
          { { 'A', ".929" } } },
        { "above it", "peak x A9001@1", { { "x", "A", 1, 1, .pps = 9000 } },
          { { 'A', ".929" } } },
        { "of all its prefixes", "peak x B9001@3", { { "x", "AB", 1, 1 } },
          { { 'A', ".323" }, { 'B', "...9" } } },
        { "ten minutes before its alert", "peak x A9001@2", { { "x", "A", 1, 12 } },
          { { 'A', ".99" } } },
        { "older is not its", "", { { "x", "A", 1, 13 } }, { { 'A', "..9.." } } },
        { "after its end, as analytics are late", "peak x A9001@4",
          { { "x", "A", 1, 1, .end = 4.5 } }, { { 'A', ".3239" } } },
        { "behind its end", "peak x A3001@1", { { "x", "A", 1, 1, .end = 4 } },
          { { 'A', ".3239" } } },
        { "between is no attack", "", { { "x", "A", 1, 1 } }, { { 'A', ".bbb" } } },
    };
    cfmt_traffic_case_t c = traffic_case(&rows[0]);
    cfmt_span_t *spans = (cfmt_span_t *)c.prefixes[0].spans;
    const apr_array_header_t *says;

    check_rows(rows, KIT_COUNT(rows));
    spans[1].bps = 5e9; /* most bits in another minute than most packets */
    says = cfmt_traffic_says(&c, unit_pool);
    ck_assert_int_eq(says->nelts, 2);
    ck_assert_int_eq(APR_ARRAY_IDX(says, 0, cfmt_say_t).at, AT(2));
    ck_assert_int_eq(APR_ARRAY_IDX(says, 1, cfmt_say_t).at, AT(1));
    ck_assert(APR_ARRAY_IDX(says, 1, cfmt_say_t).bps > 4.9e9);
}
END_TEST

/* ---- over ------------------------------------------------------------------------------------ */

#define X { "x", "A", 1, 1, .pps = 9e3 }

START_TEST(test_calm)
{
    static const row_t rows[] = {
        { "fifteen minutes", "calm x@16", { X }, { { 'A', "." CALM15 } } },
        { "fourteen", "", { X }, { { 'A', CALM15 } } },
        { "behind the last attack minute", "calm x@19", { X }, { { 'A', ".222" CALM15 } } },
        { "in between", "", { X }, { { 'A', "." ".......2.........." } } },
        { "unknown in between", "", { X }, { { 'A', "." ".......?.........." } } },
        { "half is not calm", "", { X }, { { 'A', "." ".......b.........." } } },
        { "its last START counts", "", { { "x", "A", 1, 1, .last = 5.5, .pps = 9e3 } },
          { { 'A', "...." CALM15 } } },
        { "its last START's minute, too", "calm x@20",
          { { "x", "A", 1, 1, .last = 5.5, .pps = 9e3 } }, { { 'A', "....." CALM15 } } },
        { "what it is after", "calm x@16", { X }, { { 'A', "." CALM15 "...?b22" } } },
        { "so long as its prefix says", "calm x@4", { X }, { { 'A', "....", .calm = 3 } } },
        { "not advertised", "", { X }, { { 'A', "." CALM15 CALM15, 1 } } },
        { "not known whether", "", { X }, { { 'A', "." CALM15 CALM15, 2 } } },
        { "since the advertisement", "calm x@21", { X }, { { 'A', "......" CALM15, .since = 6 } } },
        { "not before", "", { X }, { { 'A', "....." CALM15, .since = 6 } } },
        { "what it does not hit is nothing", "calm x@16", { X },
          { { 'A', "." CALM15 }, { 'B', "?" } } },
        { "all that it hits", "", { { "x", "AB", 1, 1, .pps = 9e3 } },
          { { 'A', "." CALM15 }, { 'B', "?" } } },
        { "at the same time", "calm x@20", { { "x", "AB", 1, 1, .pps = 9e3 } },
          { { 'A', "." CALM15 "...." }, { 'B', "....." CALM15, .since = 5 } } },
        { "one after the other", "", { { "x", "AB", 1, 1, .pps = 9e3 } },
          { { 'A', "." CALM15 "2...." }, { 'B', "?????" CALM15 } } },
        { "one of them withdrawn", "calm x@16", { { "x", "AB", 1, 1, .pps = 9e3 } },
          { { 'A', "." CALM15 }, { 'B', "", 1 } } },
        { "around: an attack elsewhere in it", "calm x@16", { { "x", "A", 1, 1, .pps = 9e3 } },
          { { 'A', "." CALM15 }, { 'W', "." "......." "2" } } },
        { "around: its own is not advertised", "", { { "x", "A", 1, 1, .pps = 9e3 } },
          { { 'A', "." CALM15, 1 }, { 'W', "." "......." "2" } } },
        { "around: nobody knows whether", "", { { "x", "A", 1, 1, .pps = 9e3 } },
          { { 'A', "." CALM15, 2 }, { 'W', "." CALM15 } } },
        { "inside", "", { { "x", "W", 1, 1, .pps = 9e3 } },
          { { 'W', "." CALM15 }, { 'A', "." "......." "2" } } },
        { "around it, where it is not advertised itself", "calm x@16", { X },
          { { 'A', "", 1 }, { 'W', "." CALM15 } } },
        { "inside it, and what it hits is not advertised: another part", "",
          { { "x", "W", 1, 1, .pps = 9e3 } }, { { 'W', "", 1 }, { 'A', "." CALM15 } } },
        { "anywhere never", "", { { "x", "*A", 1, 1, .pps = 9e3 } }, { { 'A', "." CALM15 } } },
        { "it is over", "", { { "x", "A", 1, 1, .end = 2, .pps = 9e3 } },
          { { 'A', "." CALM15 } } },
        { "by traffic alone", "calm t@17", { { "t", "A", 0, 1, .pps = 9e3 } },
          { { 'A', ".2" CALM15 } } },
    };

    check_rows(rows, KIT_COUNT(rows));
}
END_TEST

START_TEST(test_timeout)
{
    static const row_t rows[] = {
        { "withdrawn all the time", "timeout x@1", { X }, { { 'A', "", 1 } }, .now = 61,
          .timeout = 60 },
        { "a minute sooner", "", { X }, { { 'A', "", 1 } }, .now = 60, .timeout = 60 },
        { "advertised", "", { X }, { { 'A', "" } }, .now = 90, .timeout = 60 },
        { "not known whether", "", { X }, { { 'A', "", 2 } }, .now = 90, .timeout = 60 },
        { "withdrawn lately", "", { X }, { { 'A', "", 1, 31 } }, .now = 90, .timeout = 60 },
        { "a part of it is advertised", "timeout x@1", { { "x", "W", 1, 1, .pps = 9e3 } },
          { { 'W', "", 1 }, { 'A', "." } }, .now = 61, .timeout = 60 },
        { "withdrawn long enough", "timeout x@1", { X }, { { 'A', "", 1, 30 } }, .now = 90,
          .timeout = 60 },
        { "an event", "", { { "x", "A", 1, 1, .last = 31, .pps = 9e3 } }, { { 'A', "", 1 } },
          .now = 90, .timeout = 60 },
        { "none of ours", "timeout x@1", { { "x", "", 1, 1 } }, { { 'A', "22" } },
          .now = 90, .timeout = 60, .opens_from = 50 },
        { "before the list is known", "", { { "x", "", 1, 1 } }, { { .name = 0 } }, .now = 90,
          .timeout = 60, .unlisted = 1 },
        { "its traffic was the last sign", "timeout x@5", { X }, { { 'A', "..222", 1 } },
          .now = 90, .timeout = 60 },
        { "its end is in no way later than it", "timeout x@1", { X }, { { 'A', "", 1 } },
          .now = 99999, .timeout = 60 },
    };

    check_rows(rows, KIT_COUNT(rows));
}
END_TEST

#define ANY { "x", "*", 1, 1, .pps = 9e3 }
/* from minute 30 on, of 90 with a timeout of 60; the newest 15 are not known yet */
#define HALF30 "??????????????????????????????"
#define CALM45 CALM15 CALM15 CALM15

START_TEST(test_timeout_without_a_target)
{
    static const row_t rows[] = {
        { "all is known", "timeout x@1", { ANY }, { { 'A', HALF30 CALM45 } }, .now = 90,
          .timeout = 60 },
        { "a minute is not", "", { ANY }, { { 'A', HALF30 "?.............." CALM15 CALM15 } },
          .now = 90, .timeout = 60 },
        { "between is known", "timeout x@1", { ANY },
          { { 'A', HALF30 "b.............." CALM15 CALM15 } }, .now = 90, .timeout = 60 },
        { "an attack is one", "", { ANY }, { { 'A', HALF30 "7.............." CALM15 CALM15 } },
          .now = 90, .timeout = 60 },
        { "also where it is withdrawn now", "", { ANY },
          { { 'A', HALF30 CALM45 }, { 'B', HALF30 "7", 1, 50 } }, .now = 90, .timeout = 60 },
        { "an older one", "timeout x@30", { ANY },
          { { 'A', "?????????????????????????????7" CALM45 } }, .now = 90, .timeout = 60 },
        { "advertised later", "timeout x@1", { ANY },
          { { 'A', HALF30 CALM45 }, { 'B', HALF30 HALF30 CALM15, .since = 60 } }, .now = 90,
          .timeout = 60 },
        { "not since then", "", { ANY },
          { { 'A', HALF30 CALM45 }, { 'B', HALF30 HALF30 "?..............", .since = 60 } },
          .now = 90, .timeout = 60 },
        { "nothing is advertised", "timeout x@1", { ANY }, { { 'A', "", 1 } }, .now = 90,
          .timeout = 60 },
        { "not known whether", "", { ANY }, { { 'A', HALF30 CALM45 }, { 'B', "", 2 } },
          .now = 90, .timeout = 60 },
        { "an event", "", { { "x", "*", 1, 1, .last = 31 } }, { { 'A', HALF30 CALM45 } },
          .now = 90, .timeout = 60 },
    };

    check_rows(rows, KIT_COUNT(rows));
}
END_TEST

UNIT_SUITE_BEGIN(traffic)
UNIT_TEST(test_open)
UNIT_TEST(test_covered)
UNIT_TEST(test_reopen)
UNIT_TEST(test_join)
UNIT_TEST(test_peak)
UNIT_TEST(test_calm)
UNIT_TEST(test_timeout)
UNIT_TEST(test_timeout_without_a_target)
UNIT_SUITE_END
