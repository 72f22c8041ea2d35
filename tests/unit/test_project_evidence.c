/*
 * Evidence in the projection: judged by the configuration in force, the same rows whatever the
 * order and the pieces, in transactions of bounded size; and retention, after which a rebuild gives
 * the rows that are there.
 */
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "rows.h"
#include "store/store_private.h"
#include "unit.h"

#define DAY apr_time_from_sec(86400)
#define HOUR apr_time_from_sec(3600)
#define MIDNIGHT (KIT_EPOCH / DAY * DAY)
#define M(n) (MIDNIGHT + (n) * CFMT_MINUTE)
#define A "203.0.113.0/24"
#define B "198.51.100.0/24"

/* ---- answers --------------------------------------------------------------------------------- */

static cfmt_evidence_t *answer(int from, int to, int complete)
{
    cfmt_evidence_t *e = apr_pcalloc(unit_pool, sizeof(*e));

    e->from = M(from);
    e->to = M(to);
    e->complete = M(complete);
    e->prefixes = apr_array_make(unit_pool, 2, sizeof(cfmt_cidr_t));
    e->rows = apr_array_make(unit_pool, 8, sizeof(cfmt_evidence_row_t));
    return e;
}

/* dosd dropped so many packets a second in one minute of the prefix that was added last. */
static void dropped(cfmt_evidence_t *e, int minute, double pps)
{
    cfmt_evidence_row_t row = { .prefix = e->prefixes->nelts - 1, .minute = M(minute) };

    row.traffic.packets[CFMT_SYSTEM_DOSD] = pps * 60;
    row.traffic.bits[CFMT_SYSTEM_DOSD] = pps * 60 * 100;
    APR_ARRAY_PUSH(e->rows, cfmt_evidence_row_t) = row;
}

static void of(cfmt_evidence_t *e, const char *prefix)
{
    APR_ARRAY_PUSH(e->prefixes, cfmt_cidr_t) = rows_cidr(prefix);
}

static kit_row_t row_of(const cfmt_evidence_t *e, int at)
{
    return (kit_row_t){ "evidence", M(at), cfmt_evidence_encode(e, unit_pool) };
}

/* "from to verdict reason pps, ..." of the loaded spans. */
static const char *spans(cfmt_store_t *s, const char *prefix)
{
    apr_array_header_t *got, *out = apr_array_make(unit_pool, 8, sizeof(const char *));
    cfmt_cidr_t c = rows_cidr(prefix);
    int i;

    ck_assert_int_eq(cfmt_evidence_load(s, &c, 0, &got, unit_pool), APR_SUCCESS);
    for (i = 0; i < got->nelts; i++) {
        const cfmt_span_t *span = &APR_ARRAY_IDX(got, i, cfmt_span_t);

        APR_ARRAY_PUSH(out, const char *) = apr_psprintf(
            unit_pool, "%d %d %s %s %.0f", (int)((span->from - MIDNIGHT) / CFMT_MINUTE),
            (int)((span->to - MIDNIGHT) / CFMT_MINUTE), cfmt_verdict_name(span->verdict),
            span->reason, span->pps);
    }
    return apr_array_pstrcat(unit_pool, out, ',');
}

/* ---- judging --------------------------------------------------------------------------------- */

START_TEST(complete_and_incomplete)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_evidence_t *e = answer(0, 10, 6);

    of(e, A);
    dropped(e, 1, 2000);  /* attack */
    dropped(e, 3, 1000);  /* between */
    dropped(e, 4, 999);   /* calm */
    dropped(e, 6, 1999);  /* incomplete: nothing */
    dropped(e, 7, 2000);  /* incomplete, but attack */
    of(e, B);
    kit_go_on(s, row_of(e, 10));
    ck_assert_str_eq(spans(s, A), "0 1 calm below 0,1 2 attack pps 2000,2 3 calm below 0,"
                                  "3 4 between pps 1000,4 6 calm below 999,7 8 attack pps 2000");
    ck_assert_str_eq(spans(s, B), "0 6 calm below 0");
    e = answer(6, 8, 8);
    of(e, A); /* read again, complete: what was seen stays */
    kit_go_on(s, row_of(e, 13));
    ck_assert_ptr_nonnull(strstr(spans(s, A), "4 7 calm below 999,7 8 attack pps 2000"));
    kit_check_rebuild(s, "complete and incomplete");
}
END_TEST

START_TEST(by_the_configuration_in_force)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_evidence_t *e = answer(0, 1, 1);
    kit_row_t rows[5];
    const char *want = "0 1 calm below 500,1 2 attack pps 500,2 3 between pps 500";
    int i;

    for (i = 0; i < 3; i++) {
        e = answer(i, i + 1, i + 1);
        of(e, A);
        dropped(e, i, 500);
        rows[2 * i] = row_of(e, i + 5);
    }
    rows[1] = kit_config(0, "{\"Prefix " A "\":\"pps=500\",\"Threshold\":\"pps=800\"}");
    rows[3] = kit_config(0, "{\"Prefix " B "\":\"pps=500\",\"Threshold\":\"pps=800\"}");
    kit_append(s, rows, 5);
    for (i = 1; i < 6; i++) {
        kit_rebuild(s, i);
        ck_assert_str_eq(spans(s, A), want);
    }
}
END_TEST

START_TEST(an_idle_account)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_evidence_t *e = answer(0, 5, 5);

    e->idle = 1;
    of(e, A);
    of(e, B);
    kit_go_on(s, kit_config(0, "{\"Prefix " A "\":\"idle=calm\"}"));
    kit_go_on(s, row_of(e, 10));
    ck_assert_str_eq(spans(s, A), "0 5 calm idle 0");
    ck_assert_str_eq(spans(s, B), "");
}
END_TEST

START_TEST(rows_that_do_not_count)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_evidence_t *e = answer(0, 2880, 2880);

    kit_go_on(s, (kit_row_t){ "evidence", M(0), "{\"from\":1}" });
    kit_go_on(s, row_of(answer(0, 9, 9), 9)); /* of no prefix */
    of(e, A);
    dropped(e, 2000, 9999); /* tomorrow's: a clock was wrong */
    kit_go_on(s, row_of(e, 20));
    ck_assert_str_eq(spans(s, A), "0 1460 calm below 0");
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'cursor'"), 3);
}
END_TEST

/* ---- any order, any pieces, any steps -------------------------------------------------------- */

#define N 120

/* What is true; answers are cuts of it, complete up to a random minute. */
static kit_row_t a_cut(unsigned *seed, const int truth[2][N])
{
    int from = (int)kit_random(seed, N - 1), len = 1 + (int)kit_random(seed, 40);
    int to = from + len > N ? N : from + len, p, i;
    cfmt_evidence_t *e = answer(from, to, from + (int)kit_random(seed, (unsigned)(to - from) + 1));

    for (p = 0; p < 2; p++) {
        of(e, p ? B : A);
        for (i = from; i < to; i++) {
            if (truth[p][i]) {
                dropped(e, i, truth[p][i]);
            }
        }
    }
    return row_of(e, N);
}

START_TEST(any_order_gives_the_same_rows)
{
    static const int levels[] = { 0, 0, 0, 0, 100, 300, 1500, 2500, 9000 };
    static const int limits[] = { 1, 7, 200 };
    cfmt_store_t *s = kit_open("cfmt.db");
    int truth[2][N], i, k, round;
    const char *want = NULL;
    kit_row_t rows[60];
    unsigned seed = 5;

    for (i = 0; i < 2 * N; i++) {
        truth[i / N][i % N] = levels[kit_random(&seed, KIT_COUNT(levels))];
    }
    for (i = 0; i < 60; i++) {
        rows[i] = a_cut(&seed, (const int (*)[N])truth);
    }
    for (round = 0; round < 9; round++) {
        kit_wipe(s);
        kit_append(s, rows, 60);
        kit_project(s, limits[round % 3]);
        want = want ? want : kit_dump(s, 0, unit_pool);
        kit_same(kit_dump(s, 0, unit_pool), want, "another order");
        for (i = 59; i > 0; i--) {
            kit_row_t keep = rows[i];

            k = (int)kit_random(&seed, (unsigned)i + 1);
            rows[i] = rows[k];
            rows[k] = keep;
        }
    }
    ck_assert_int_gt(kit_int(s, "SELECT count(*) FROM evidence WHERE verdict = 'calm'"), 10);
    ck_assert_int_gt(kit_int(s, "SELECT count(*) FROM evidence WHERE verdict = 'between'"), 5);
}
END_TEST

/* ---- a long row ------------------------------------------------------------------------------ */

static kit_row_t long_row(int prefixes)
{
    cfmt_evidence_t *e = answer(0, 1440, 1440);
    int i;

    for (i = 0; i < prefixes; i++) {
        of(e, apr_psprintf(unit_pool, "10.%d.%d.0/24", i / 256, i % 256));
        if (i % 50 == 0) {
            dropped(e, i, 2000);
        }
    }
    return row_of(e, 1440);
}

START_TEST(a_day_of_1000_prefixes)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t row = long_row(1000), alert = kit_alert((kit_say_t){ .ts = 1, .attack = "A" });
    cfmt_projector_t *pr;
    apr_int64_t before = 0, now;
    int done, steps = 0;

    kit_append(s, &row, 1);
    kit_append(s, &alert, 1);
    do { /* every step by a projector that knows nothing of the one before */
        pr = cfmt_projector_create(NULL, unit_pool);
        ck_assert_int_eq(cfmt_project_step(pr, s, 200, &done, unit_pool), APR_SUCCESS);
        now = kit_int(s, "SELECT count(*) FROM evidence");
        ck_assert_int_le(now - before, 200);
        ck_assert(!done || now > before || kit_int(s, "SELECT count(*) FROM event"));
        before = now;
        steps += done > 0;
    } while (done);
    ck_assert_int_eq(now, 1000 + 20 + 19);
    ck_assert_int_eq(steps, 6); /* 1,039 runs; the alert is in the last one */
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM event"), 1);
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'evidence_part'"), 0);
    kit_check_rebuild(s, "a long row");
}
END_TEST

/* A reset in the middle of a row begins it anew. */
START_TEST(reset_in_the_middle)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t row = long_row(300);
    cfmt_projector_t *pr = cfmt_projector_create(NULL, unit_pool);
    int done;

    kit_append(s, &row, 1);
    ck_assert_int_eq(cfmt_project_step(pr, s, 100, &done, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'evidence_part'"), 100);
    ck_assert_int_eq(kit_int(s, "SELECT value FROM meta WHERE name = 'cursor'"), 0);
    ck_assert_int_gt(kit_int(s, "SELECT count(*) FROM evidence_minute"), 0);
    ck_assert_int_eq(cfmt_project_reset(s), APR_SUCCESS);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM evidence"), 0);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM evidence_minute"), 0);
    do {
        ck_assert_int_eq(cfmt_project_step(pr, s, 100, &done, unit_pool), APR_SUCCESS);
    } while (done);
    ck_assert_int_eq(kit_int(s, "SELECT count(DISTINCT prefix) FROM evidence"), 300);
}
END_TEST

/* ---- retention ------------------------------------------------------------------------------- */

static int retain(cfmt_store_t *s, int journal, int evidence, apr_time_t now)
{
    cfmt_retention_t conf = { .journal = journal * DAY, .evidence = evidence * DAY };
    int more, steps = 0;

    do {
        ck_assert_msg(cfmt_retention_step(s, &conf, now, &more, unit_pool) == APR_SUCCESS, "%s",
                      cfmt_store_error(s));
        steps++;
    } while (more);
    return steps;
}

/* Days of evidence, an answer every four hours that looks back for six, with alerts between. */
static void fill(cfmt_store_t *s, int days)
{
    int i, n = days * 6;
    unsigned seed = 3;

    for (i = 0; i < n; i++) {
        cfmt_evidence_t *e = answer(240 * i - 120, 240 * i + 240, 240 * i + 230);
        kit_row_t rows[2] = { { NULL, 0, NULL } };

        of(e, A);
        dropped(e, 240 * i + (int)kit_random(&seed, 100), 100 + kit_random(&seed, 2500));
        dropped(e, 240 * i + 100 + (int)kit_random(&seed, 100), 100 + kit_random(&seed, 2500));
        of(e, B);
        rows[0] = row_of(e, 240 * i + 241);
        rows[1] = kit_alert((kit_say_t){ .attack = apr_psprintf(unit_pool, "a%d", i), .end = 1,
                                         .ts = (int)apr_time_sec(M(240 * i + 242) - KIT_EPOCH) });
        kit_append(s, rows, 2);
    }
    kit_project(s, 200);
}

static apr_int64_t first_minute(cfmt_store_t *s)
{
    return (kit_int(s, "SELECT min(at) FROM evidence") - MIDNIGHT) / CFMT_MINUTE;
}

static apr_int64_t evidence_rows(cfmt_store_t *s)
{
    return kit_int(s, "SELECT count(*) FROM journal WHERE kind = 'evidence'");
}

START_TEST(evidence_goes_by_age)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    fill(s, 20);
    kit_check_rebuild(s, "before");
    ck_assert_int_eq(first_minute(s), -120);
    retain(s, 0, 0, M(0) + 900 * DAY);
    ck_assert_int_eq(evidence_rows(s), 120);
    retain(s, 400, 10, M(0) + 20 * DAY + HOUR);
    ck_assert_int_eq(first_minute(s), 10 * 1440);
    /* rows of the ninth day can say something of the tenth */
    ck_assert_int_eq(evidence_rows(s), 120 - 9 * 6 + 1);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal WHERE kind = 'delivery'"), 120);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM evidence_minute WHERE at < "
                                "(SELECT value FROM meta WHERE name = 'evidence_from')"), 0);
    kit_check_rebuild(s, "evidence has gone");
    ck_assert_int_eq(retain(s, 400, 10, M(0) + 20 * DAY + HOUR), 1);
    retain(s, 400, 30, M(0) + 20 * DAY + HOUR); /* what is gone stays gone */
    ck_assert_int_eq(first_minute(s), 10 * 1440);
    kit_check_rebuild(s, "a longer retention");
    retain(s, 15, 10, M(0) + 29 * DAY); /* the front of the journal, too */
    ck_assert_int_eq(first_minute(s), 19 * 1440);
    ck_assert_str_eq(kit_text(s, "SELECT kind FROM journal ORDER BY id LIMIT 1"), "snapshot");
    kit_check_rebuild(s, "front and middle");
}
END_TEST

/* At every step a rebuild and the rest of the steps come to the same. */
START_TEST(cut_short_anywhere)
{
    cfmt_retention_t conf = { .journal = 9 * DAY, .evidence = 8 * DAY };
    apr_time_t now = M(0) + 20 * DAY + HOUR;
    cfmt_store_t *s = kit_open("cfmt.db");
    const char *want = NULL;
    int stop, i, more = 0;

    for (stop = 100; stop >= 0; stop = stop == 100 ? 8 : stop - 1) {
        kit_wipe(s);
        fill(s, 20);
        for (i = 0, more = 1; more && i < stop; i++) {
            ck_assert_int_eq(cfmt_retention_step(s, &conf, now, &more, unit_pool), APR_SUCCESS);
        }
        ck_assert(stop < 100 || i > 2);
        kit_rebuild(s, 200);
        retain(s, 9, 8, now);
        want = want ? want : kit_dump(s, 1, unit_pool);
        kit_same(kit_dump(s, 1, unit_pool), want, "cut short");
    }
}
END_TEST

/* Evidence is kept no longer than its source, and holds the journal while it counts. */
START_TEST(a_short_journal)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_time_t now = M(0) + 20 * DAY + HOUR;

    fill(s, 20);
    retain(s, 5, 30, now);
    ck_assert_int_eq(first_minute(s), 15 * 1440);
    ck_assert_str_eq(kit_text(s, "SELECT kind FROM journal ORDER BY id LIMIT 1"), "snapshot");
    ck_assert_int_ge(kit_int(s, "SELECT min(at) FROM journal WHERE kind = 'evidence'"),
                     M(14 * 1440));
    ck_assert_int_lt(kit_int(s, "SELECT min(at) FROM journal WHERE kind = 'evidence'"),
                     M(14 * 1440 + 240));
    kit_check_rebuild(s, "a short journal");
    retain(s, 1, 1, now); /* two days at least: minutes are asked for again for one */
    ck_assert_int_eq(first_minute(s), 18 * 1440);
    kit_check_rebuild(s, "the shortest");
    retain(s, 1, 0, now + 30 * DAY);
    ck_assert_int_eq(evidence_rows(s), 0);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM evidence"), 0);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 1);
    kit_check_rebuild(s, "nothing");
}
END_TEST

/* Many rows go in steps of 200. */
START_TEST(in_small_steps)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    kit_row_t rows[450];
    int i;

    for (i = 0; i < 450; i++) {
        cfmt_evidence_t *e = answer(i, i + 1, i + 1);

        of(e, A);
        dropped(e, i, 5000);
        rows[i] = row_of(e, i + 1);
    }
    kit_append(s, rows, 450);
    kit_project(s, 200);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM evidence"), 450);
    /* 900 rows of the tables in five steps, 450 of the journal in three, nothing */
    ck_assert_int_eq(retain(s, 0, 2, M(0) + 9 * DAY), 5 + 3 + 1);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM journal"), 0);
}
END_TEST

/* A clock that was years ahead must not leave us blind for years. */
START_TEST(a_clock_that_was_ahead)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_evidence_t *e = answer(0, 5, 5);

    retain(s, 0, 30, M(0) + 4000 * DAY);
    retain(s, 0, 30, M(0) + 2 * DAY);
    of(e, A);
    kit_go_on(s, row_of(e, 10));
    ck_assert_str_eq(spans(s, A), "0 5 calm below 0");
}
END_TEST

/* ---- statements ------------------------------------------------------------------------------ */

static void check_plan(cfmt_store_t *s, const char *sql, int *pseen)
{
    sqlite3_stmt *st;

    if (!strstr(sql, "evidence") || sqlite3_prepare_v2(s->db, apr_pstrcat(unit_pool,
        "EXPLAIN QUERY PLAN ", sql, NULL), -1, &st, NULL)) {
        return;
    }
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(st, 3);

        (*pseen)++;
        ck_assert_msg(!strstr(line, "SCAN") && !strstr(line, "TEMP B-TREE"), "%s\n%s", sql, line);
    }
    sqlite3_finalize(st);
}

/* Reading, writing and retention go by key; nothing is sorted. */
START_TEST(plans)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    apr_array_header_t *sets;
    int i, seen = 0;

    fill(s, 6);
    spans(s, A);
    ck_assert_int_eq(cfmt_evidence_load_all(s, M(0), &sets, unit_pool), APR_SUCCESS);
    retain(s, 0, 2, M(0) + 6 * DAY);
    for (i = 0; i < CFMT_STATEMENTS_MAX && s->stmt[i].sql; i++) {
        check_plan(s, s->stmt[i].sql, &seen);
    }
    ck_assert_int_gt(seen, 10);
}
END_TEST

UNIT_SUITE_BEGIN(project_evidence)
    UNIT_TEST(complete_and_incomplete)
    UNIT_TEST(by_the_configuration_in_force)
    UNIT_TEST(an_idle_account)
    UNIT_TEST(rows_that_do_not_count)
    UNIT_TEST(any_order_gives_the_same_rows)
    UNIT_TEST(a_day_of_1000_prefixes)
    UNIT_TEST(reset_in_the_middle)
    UNIT_TEST(evidence_goes_by_age)
    UNIT_TEST(cut_short_anywhere)
    UNIT_TEST(a_short_journal)
    UNIT_TEST(in_small_steps)
    UNIT_TEST(a_clock_that_was_ahead)
    UNIT_TEST(plans)
UNIT_SUITE_END
