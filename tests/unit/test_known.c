/*
 * What is kept of attacks and evidence between two looks is what a new look would read: at any
 * later time, and until something is projected.
 */
#include <apr_strings.h>

#include "engine/engine_private.h"
#include "kit.h"
#include "rows.h"
#include "unit.h"

#define HOUR apr_time_from_sec(3600)
#define DAY (24 * HOUR)
#define NET "203.0.113.0/24"

static cfmt_engine_t *engine(cfmt_store_t *s, const char *name, const char *value)
{
    cfmt_engine_t *e = apr_pcalloc(unit_pool, sizeof(*e));
    apr_table_t *settings = apr_table_make(unit_pool, 2);

    if (name) {
        apr_table_setn(settings, name, value);
    }
    e->store = s;
    e->conf.settings = settings;
    e->known = cfmt_known_create(unit_pool);
    return e;
}

/* All of it that an engine sees then. */
static const char *look(cfmt_engine_t *e, apr_time_t now)
{
    const cfmt_known_t *known;
    const char *text = "";
    int i, k;

    ck_assert_int_eq(cfmt_known_load(e, now, &known), APR_SUCCESS);
    for (i = 0; i < known->open->nelts + known->ended->nelts; i++) {
        const cfmt_struck_t *a = i < known->open->nelts
            ? &APR_ARRAY_IDX(known->open, i, cfmt_struck_t)
            : &APR_ARRAY_IDX(known->ended, i - known->open->nelts, cfmt_struck_t);

        text = apr_psprintf(unit_pool, "%s%s %d %" APR_TIME_T_FMT "\n", text, a->id, a->open,
                            a->last_at);
    }
    for (i = 0; i < known->evidence->nelts; i++) {
        const apr_array_header_t *spans =
            APR_ARRAY_IDX(known->evidence, i, cfmt_evidence_spans_t).spans;

        for (k = 0; k < spans->nelts; k++) {
            const cfmt_span_t *span = &APR_ARRAY_IDX(spans, k, cfmt_span_t);

            text = apr_psprintf(unit_pool, "%s%" APR_TIME_T_FMT "-%" APR_TIME_T_FMT "\n", text,
                                span->from, span->to);
        }
    }
    return text;
}

static void calm(cfmt_store_t *s, apr_time_t from, apr_interval_time_t len)
{
    cfmt_cidr_t c = rows_cidr(NET);
    cfmt_span_t span = { .from = from / CFMT_MINUTE * CFMT_MINUTE, .verdict = CFMT_VERDICT_CALM,
                         .reason = "below", .by = CFMT_SYSTEM_OTHER };

    span.to = span.from + len;
    ck_assert_int_eq(cfmt_store_begin(s, -1), APR_SUCCESS);
    ck_assert_int_eq(cfmt_evidence_put_span(s, &c, &span, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
}

static const char *const settings[][2] = {
    { NULL, NULL }, { "AttackTimeout", "3d" }, { "CalmMax", "7d" }, { "CalmMax", "1h" },
};

START_TEST(kept_is_what_would_be_read)
{
    const char *name = settings[_i][0], *value = settings[_i][1];
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_engine_t *e = engine(s, name, value);
    unsigned seed = 1;
    apr_time_t now;
    int i;

    for (i = 0; i < 20; i++) {
        kit_append(s, (kit_row_t[]){ kit_alert((kit_say_t){ .attack = apr_psprintf(unit_pool, "a%d",
                       i), .ts = i * 9000, .target = "203.0.113.7", .account = KIT_OURS }),
                                     kit_alert((kit_say_t){ .end = 1, .attack = apr_psprintf(
                       unit_pool, "a%d", i), .ts = i * 9000 + 60, .account = KIT_OURS }) }, 2);
        calm(s, KIT_T(i * 9000), (1 + kit_random(&seed, 130)) * CFMT_MINUTE);
    }
    kit_project(s, 200);
    for (now = KIT_T(100000); now < KIT_T(180000) + 8 * DAY;
         now += kit_random(&seed, 40) * CFMT_MINUTE + kit_random(&seed, 3) * 30000000) {
        ck_assert_str_eq(look(e, now), look(engine(s, name, value), now));
    }
    ck_assert_str_eq(look(e, now), "");
    now = KIT_T(100000); /* the clock was set back */
    ck_assert_str_eq(look(e, now), look(engine(s, name, value), now));
    ck_assert_str_ne(look(e, now), "");
}
END_TEST

START_TEST(read_again_when_something_is_projected)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_engine_t *e = engine(s, NULL, NULL);
    const char *before;

    calm(s, KIT_T(0), HOUR);
    before = look(e, KIT_T(9000));
    calm(s, KIT_T(5000), HOUR); /* by nobody who projects: it is not looked for */
    ck_assert_str_eq(look(e, KIT_T(9001)), before);
    kit_go_on(s, kit_alert((kit_say_t){ .attack = "a", .ts = 9002, .account = KIT_OURS }));
    ck_assert_str_ne(look(e, KIT_T(9003)), before);
    ck_assert_str_eq(look(e, KIT_T(9003)), look(engine(s, NULL, NULL), KIT_T(9003)));
}
END_TEST

/* A calm of days is seen as a whole. */
START_TEST(as_far_back_as_calm_may_have_to_be)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    const cfmt_known_t *known;
    const cfmt_span_t *span;

    calm(s, KIT_T(0), 7 * DAY);
    ck_assert_int_eq(cfmt_known_load(engine(s, "CalmMax", "7d"), KIT_T(0) + 7 * DAY, &known),
                     APR_SUCCESS);
    span = &APR_ARRAY_IDX(APR_ARRAY_IDX(known->evidence, 0, cfmt_evidence_spans_t).spans, 0,
                          cfmt_span_t);
    ck_assert_int_eq(span->to - span->from, 7 * DAY);
}
END_TEST

UNIT_SUITE_BEGIN(known)
    tcase_add_loop_test(tc, kept_is_what_would_be_read, 0, KIT_COUNT(settings));
    UNIT_TEST(read_again_when_something_is_projected)
    UNIT_TEST(as_far_back_as_calm_may_have_to_be)
UNIT_SUITE_END
