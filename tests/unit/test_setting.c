/*
 * meta and setting: what is published is read back, and each change is one `config` row of the
 * journal.
 */
#include <string.h>

#include "cfmt_store.h"
#include "unit.h"

static cfmt_store_t *open_store(void)
{
    cfmt_store_t *s;

    ck_assert_int_eq(cfmt_prepare_store(unit_path("cfmt.db"), NULL, 1, NULL, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL, unit_pool),
                     APR_SUCCESS);
    return s;
}

START_TEST(meta_round_trip)
{
    cfmt_store_t *s = open_store();
    apr_int64_t v = 0;

    ck_assert_int_eq(cfmt_meta_int(s, "nothing", 7, &v), APR_SUCCESS);
    ck_assert_int_eq(v, 7);
    ck_assert_int_eq(cfmt_meta_int(s, CFMT_META_CURSOR, 7, &v), APR_SUCCESS);
    ck_assert_int_eq(v, 0);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_meta_set_int(s, "x", APR_INT64_MAX), APR_SUCCESS);
    ck_assert_int_eq(cfmt_meta_set_int(s, "x", -5), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_int_eq(cfmt_meta_int(s, "x", 0, &v), APR_SUCCESS);
    ck_assert_int_eq(v, -5);
    cfmt_store_close(s);
}
END_TEST

START_TEST(text_form_is_sorted_and_lossless)
{
    apr_table_t *t = apr_table_make(unit_pool, 4), *back;
    const char *text;

    apr_table_setn(t, "Prefix 203.0.113.0/24", "name=\"web\"\n\xc3\xa4");
    apr_table_setn(t, "Mode", "observe");
    text = cfmt_settings_encode(t, unit_pool);
    ck_assert_int_eq(strncmp(text, "{\"Mode\":\"observe\",\"Prefix", 25), 0);
    back = cfmt_settings_decode(text, strlen(text), unit_pool);
    ck_assert_str_eq(apr_table_get(back, "Prefix 203.0.113.0/24"), "name=\"web\"\n\xc3\xa4");
    ck_assert_int_eq(apr_table_elts(back)->nelts, 2);
    ck_assert_int_eq(apr_table_elts(cfmt_settings_decode("[1", 2, unit_pool))->nelts, 0);
    ck_assert_str_eq(cfmt_settings_encode(apr_table_make(unit_pool, 1), unit_pool), "{}");
}
END_TEST

START_TEST(publish_journals_changes_only)
{
    apr_table_t *t = apr_table_make(unit_pool, 4), *read;
    cfmt_store_t *s = open_store();
    apr_int64_t head;
    int i;

    apr_table_setn(t, "Mode", "observe");
    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
        ck_assert_int_eq(cfmt_settings_publish(s, t, 5, unit_pool), APR_SUCCESS);
        ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_journal_head(s, &head), APR_SUCCESS);
    ck_assert_int_eq(head, 1);
    cfmt_store_close(s);
    apr_table_setn(t, "Mode", "enforce");
    ck_assert_int_eq(cfmt_prepare_store(unit_path("cfmt.db"), t, 6, NULL, unit_pool), APR_SUCCESS);
    s = open_store();
    ck_assert_int_eq(cfmt_journal_head(s, &head), APR_SUCCESS);
    ck_assert_int_eq(head, 2);
    ck_assert_int_eq(cfmt_settings_read(s, &read, unit_pool), APR_SUCCESS);
    ck_assert_str_eq(apr_table_get(read, "Mode"), "enforce");
    cfmt_store_close(s);
}
END_TEST

UNIT_SUITE_BEGIN(setting)
UNIT_TEST(meta_round_trip)
UNIT_TEST(text_form_is_sorted_and_lossless)
UNIT_TEST(publish_journals_changes_only)
UNIT_SUITE_END
