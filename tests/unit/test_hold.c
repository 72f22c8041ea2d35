/*
 * Holds and windows: what is in force, what replaces what, what stays as history.
 */
#include <apr_strings.h>

#include "kit.h"
#include "rows.h"

#define A "203.0.113.0/24"
#define B "2001:db8::/32"

static cfmt_store_t *begin(void)
{
    cfmt_store_t *s = kit_open("cfmt.db");

    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    return s;
}

static apr_int64_t hold(cfmt_store_t *s, const char *prefix, const char *origin, int since,
                        int until)
{
    cfmt_hold_row_t h = {.prefix = rows_cidr(prefix), .who = "user alice", .reason = origin,
                         .origin = origin, .since = KIT_T(since),
                         .until = until ? KIT_T(until) : 0};

    ck_assert_int_eq(cfmt_hold_put(s, &h), APR_SUCCESS);
    return h.id;
}

/* "id prefix origin," of those in force. */
static const char *in_force(cfmt_store_t *s, int at)
{
    apr_array_header_t *rows;
    const char *text = "";
    int i;

    ck_assert_int_eq(cfmt_holds_load(s, KIT_T(at), &rows, unit_pool), APR_SUCCESS);
    for (i = 0; i < rows->nelts; i++) {
        const cfmt_hold_row_t *h = &APR_ARRAY_IDX(rows, i, cfmt_hold_row_t);

        ck_assert(!h->released_at && !h->released_by);
        text = apr_psprintf(unit_pool, "%s%" APR_INT64_T_FMT " %s %s,", text, h->id,
                            cfmt_cidr_format(unit_pool, &h->prefix), h->origin);
    }
    return text;
}

/* ---- holds ----------------------------------------------------------------------------------- */

START_TEST(in_force_until)
{
    cfmt_store_t *s = begin();
    apr_array_header_t *rows;
    const cfmt_hold_row_t *h;

    hold(s, A, "operator", 10, 0);
    hold(s, B, "advertise", 10, 20);
    ck_assert_str_eq(in_force(s, 19), "2 " B " advertise,1 " A " operator,");
    ck_assert_str_eq(in_force(s, 20), "1 " A " operator,");
    ck_assert_str_eq(in_force(s, 5), "2 " B " advertise,1 " A " operator,"); /* clock set back */
    ck_assert_int_eq(cfmt_hold_told(s, 1, KIT_T(33)), APR_SUCCESS);
    ck_assert_int_eq(cfmt_holds_load(s, KIT_T(40), &rows, unit_pool), APR_SUCCESS);
    h = &APR_ARRAY_IDX(rows, 0, cfmt_hold_row_t);
    ck_assert_str_eq(h->who, "user alice");
    ck_assert_str_eq(h->reason, "operator");
    ck_assert(h->since == KIT_T(10) && h->until == 0 && h->told_at == KIT_T(33));
    cfmt_store_rollback(s);
}
END_TEST

START_TEST(replaced_by_its_own_origin_only)
{
    cfmt_store_t *s = begin();

    hold(s, A, "operator", 10, 0);
    hold(s, A, "advertise", 11, 50);
    ck_assert_str_eq(in_force(s, 12), "1 " A " operator,2 " A " advertise,");
    hold(s, A, "advertise", 60, 70); /* the one before had run out */
    hold(s, A, "operator", 61, 0);
    ck_assert_str_eq(in_force(s, 62), "3 " A " advertise,4 " A " operator,");
    ck_assert_int_eq(kit_int(s, "SELECT released_at FROM hold WHERE id = 2"), KIT_T(50));
    ck_assert_ptr_null(kit_text(s, "SELECT released_by FROM hold WHERE id = 2"));
    ck_assert_int_eq(kit_int(s, "SELECT released_at FROM hold WHERE id = 1"), KIT_T(61));
    ck_assert_str_eq(kit_text(s, "SELECT released_by || released_why FROM hold WHERE id = 1"),
                     "user alicereplaced");
    cfmt_store_rollback(s);
}
END_TEST

START_TEST(released)
{
    cfmt_store_t *s = begin();
    cfmt_cidr_t a = rows_cidr(A);
    int n;

    hold(s, A, "operator", 10, 0);
    hold(s, A, "advertise", 10, 15);
    hold(s, B, "operator", 10, 0);
    ck_assert_int_eq(cfmt_hold_release(s, &a, "user bob", NULL, KIT_T(20), &n), APR_SUCCESS);
    ck_assert_int_eq(n, 1); /* the other one had run out */
    ck_assert_str_eq(in_force(s, 20), "3 " B " operator,");
    ck_assert_str_eq(kit_text(s, "SELECT released_by || ':' || released_why FROM hold"
                                 " WHERE id = 1"), "user bob:");
    ck_assert_int_eq(cfmt_hold_release(s, &a, "user bob", NULL, KIT_T(21), &n), APR_SUCCESS);
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM hold"), 3);
    cfmt_store_rollback(s);
    ck_assert_int_eq(kit_int(s, "SELECT count(*) FROM hold"), 0);
}
END_TEST

START_TEST(what_is_no_hold)
{
    cfmt_store_t *s = begin();
    cfmt_hold_row_t good = {.prefix = rows_cidr(A), .who = "u", .origin = "operator",
                            .since = KIT_T(5)}, bad[6];
    int i;

    hold(s, A, "operator", 1, 0);
    for (i = 0; i < KIT_COUNT(bad); i++) {
        bad[i] = good;
    }
    bad[0].prefix.family = 0;
    bad[1].who = "";
    bad[2].who = NULL;
    bad[3].origin = "other";
    bad[4].origin = NULL;
    bad[5].until = KIT_T(5);
    for (i = 0; i < KIT_COUNT(bad); i++) {
        ck_assert_int_eq(cfmt_hold_put(s, &bad[i]), CFMT_EINVALID);
    }
    ck_assert_str_eq(in_force(s, 9), "1 " A " operator,"); /* nor has it ended the other one */
    ck_assert_int_eq(cfmt_hold_put(s, &good), APR_SUCCESS);
    cfmt_store_rollback(s);
}
END_TEST

/* ---- windows --------------------------------------------------------------------------------- */

static apr_int64_t window(cfmt_store_t *s, const char *prefix, int from, int until)
{
    cfmt_window_row_t w = {.who = "user alice", .reason = "router", .starts_at = KIT_T(from),
                           .ends_at = KIT_T(until)};

    if (prefix) {
        w.prefix = rows_cidr(prefix);
    }
    ck_assert_int_eq(cfmt_window_add(s, &w), APR_SUCCESS);
    return w.id;
}

/* Ids of those that are loaded. */
static const char *windows_at(cfmt_store_t *s, int at)
{
    const char *ids = "";
    apr_array_header_t *rows;
    int i;

    ck_assert_int_eq(cfmt_windows_load(s, KIT_T(at), &rows, unit_pool), APR_SUCCESS);
    for (i = 0; i < rows->nelts; i++) {
        ids = apr_psprintf(unit_pool, "%s%d ", ids,
                           (int)APR_ARRAY_IDX(rows, i, cfmt_window_row_t).id);
    }
    return ids;
}

START_TEST(windows)
{
    cfmt_store_t *s = begin();
    apr_array_header_t *rows;
    const cfmt_window_row_t *w;

    window(s, A, 10, 20);
    window(s, NULL, 15, 30);
    window(s, B, 40, 50);
    ck_assert_str_eq(windows_at(s, 9), "1 2 3 ");
    ck_assert_str_eq(windows_at(s, 19), "1 2 3 ");
    ck_assert_str_eq(windows_at(s, 30), "3 ");
    ck_assert_str_eq(windows_at(s, 50), "");
    ck_assert_int_eq(cfmt_windows_load(s, KIT_T(20), &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 2); /* to come counts, over does not */
    w = &APR_ARRAY_IDX(rows, 0, cfmt_window_row_t);
    ck_assert(w->id == 2 && !w->prefix.family && w->starts_at == KIT_T(15));
    ck_assert_str_eq(w->who, "user alice");
    ck_assert_str_eq(w->reason, "router");
    ck_assert_str_eq(kit_text(s, "SELECT prefix FROM window WHERE id = 2"), "*");
    cfmt_store_rollback(s);
}
END_TEST

START_TEST(windows_are_added_once)
{
    cfmt_store_t *s = begin();
    cfmt_window_row_t same = {.who = "user eve", .starts_at = KIT_T(10), .ends_at = KIT_T(20)};

    window(s, A, 10, 20);
    ck_assert_int_eq(cfmt_window_add(s, &same), APR_SUCCESS); /* of every prefix: another one */
    ck_assert_int_eq(cfmt_window_add(s, &same), CFMT_EEXIST);
    ck_assert_int_eq(same.id, 2);
    same.prefix = rows_cidr(A);
    ck_assert_int_eq(cfmt_window_add(s, &same), CFMT_EEXIST);
    ck_assert_int_eq(same.id, 1);
    ck_assert_str_eq(windows_at(s, 11), "1 2 ");
    ck_assert_int_eq(cfmt_window_remove(s, 1, "user bob", KIT_T(11)), APR_SUCCESS);
    window(s, A, 10, 20);
    ck_assert_str_eq(windows_at(s, 11), "2 3 ");
    cfmt_store_rollback(s);
}
END_TEST

START_TEST(windows_are_removed_once)
{
    cfmt_store_t *s = begin();
    cfmt_window_row_t bad = {.who = "u", .starts_at = 5, .ends_at = 5};

    window(s, A, 10, 20);
    ck_assert_int_eq(cfmt_window_remove(s, 1, "user bob", KIT_T(11)), APR_SUCCESS);
    ck_assert_int_eq(cfmt_window_remove(s, 1, "user eve", KIT_T(12)), CFMT_EEXIST);
    ck_assert_int_eq(cfmt_window_remove(s, 9, "user eve", KIT_T(12)), CFMT_EMISSING);
    ck_assert_str_eq(windows_at(s, 11), "");
    ck_assert_str_eq(kit_text(s, "SELECT removed_by FROM window"), "user bob");
    ck_assert_int_eq(cfmt_window_add(s, &bad), CFMT_EINVALID);
    bad.ends_at = 6;
    bad.who = "";
    ck_assert_int_eq(cfmt_window_add(s, &bad), CFMT_EINVALID);
    cfmt_store_rollback(s);
}
END_TEST

UNIT_SUITE_BEGIN(hold)
    UNIT_TEST(in_force_until)
    UNIT_TEST(replaced_by_its_own_origin_only)
    UNIT_TEST(released)
    UNIT_TEST(what_is_no_hold)
    UNIT_TEST(windows)
    UNIT_TEST(windows_are_added_once)
    UNIT_TEST(windows_are_removed_once)
UNIT_SUITE_END
