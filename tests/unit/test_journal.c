/*
 * The journal: what is a duplicate and what is not, bounded rejected rows, reading in order.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store.h"
#include "unit.h"

#define DAY (24 * 3600 * APR_USEC_PER_SEC)
#define NOW (1700000000 * APR_USEC_PER_SEC)

static cfmt_store_t *open_store(void)
{
    cfmt_store_t *s;

    ck_assert_int_eq(cfmt_prepare_store(unit_path("cfmt.db"), NULL, NOW, NULL, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_open(&s, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL, unit_pool),
                     APR_SUCCESS);
    return s;
}

static cfmt_entry_t delivery(const char *body, apr_int64_t slot, apr_time_t at)
{
    cfmt_entry_t e = { .kind = "delivery",
                       .at = at,
                       .origin = "192.0.2.1",
                       .has_dedupe = 1,
                       .slot = slot,
                       .slot2 = slot,
                       .dup_since = at - DAY,
                       .body = body,
                       .len = strlen(body) };

    e.dedupe = cfmt_digest64(body, e.len);
    return e;
}

static void append(cfmt_store_t *s, cfmt_entry_t *e)
{
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_journal_append(s, e), APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
}

static int rows(cfmt_store_t *s)
{
    apr_array_header_t *r;

    ck_assert_int_eq(cfmt_journal_read(s, 0, 100000, &r, unit_pool), APR_SUCCESS);
    return r->nelts;
}

START_TEST(a_repeat_is_a_small_row_that_refers_to_the_first)
{
    cfmt_store_t *s = open_store();
    cfmt_entry_t a = delivery("{\"ts\":1}", 1, NOW), b = delivery("{\"ts\":1}", 1, NOW + DAY);
    cfmt_journal_row_t *row;
    apr_array_header_t *r;

    append(s, &a);
    append(s, &b);
    ck_assert_int_eq(a.duplicate, 0);
    ck_assert_int_eq(b.duplicate, 1);
    ck_assert_int_eq(b.id, a.id);
    ck_assert_int_eq(cfmt_journal_read(s, a.id, 10, &r, unit_pool), APR_SUCCESS);
    row = &APR_ARRAY_IDX(r, 0, cfmt_journal_row_t);
    ck_assert_str_eq(row->kind, "duplicate");
    ck_assert_int_eq(row->ref, a.id);
    ck_assert_ptr_null(row->body);
    cfmt_store_close(s);
}
END_TEST

START_TEST(window_body_slot_and_tag_decide)
{
    cfmt_store_t *s = open_store();
    cfmt_entry_t first = delivery("{\"ts\":1}", 1, NOW), e;

    append(s, &first);
    e = delivery("{\"ts\":1}", 1, NOW + DAY + 1); /* after the window */
    append(s, &e);
    ck_assert_int_eq(e.duplicate, 0);
    e = delivery("{\"ts\":1 }", 1, NOW); /* another body, same digest by force */
    e.dedupe = first.dedupe;
    append(s, &e);
    ck_assert_int_eq(e.duplicate, 0);
    e = delivery("{\"ts\":1}", 2, NOW); /* another slot ... */
    append(s, &e);
    ck_assert_int_eq(e.duplicate, 0);
    e = delivery("{\"ts\":1}", 3, NOW); /* ... but the second slot is looked at, too */
    e.slot2 = 2;
    append(s, &e);
    ck_assert_int_eq(e.duplicate, 1);
    e = delivery("{\"ts\":1}", 1, NOW); /* a webhook-id decides instead of the body */
    e.tag = "msg_1";
    append(s, &e);
    ck_assert_int_eq(e.duplicate, 0);
    e = delivery("{\"other\":1}", 1, NOW);
    e.dedupe = first.dedupe;
    e.tag = "msg_1";
    append(s, &e);
    ck_assert_int_eq(e.duplicate, 1);
    cfmt_store_close(s);
}
END_TEST

START_TEST(test_messages_are_never_duplicates)
{
    cfmt_store_t *s = open_store();
    cfmt_entry_t e = delivery("{\"text\":\"Hello\"}", 0, NOW);

    e.has_dedupe = 0;
    append(s, &e);
    append(s, &e);
    ck_assert_int_eq(e.duplicate, 0);
    ck_assert_int_eq(rows(s), 2);
    cfmt_store_close(s);
}
END_TEST

START_TEST(rejected_rows_are_bounded_in_count_and_size)
{
    cfmt_store_t *s = open_store();
    char *big = apr_pcalloc(unit_pool, CFMT_REJECTED_BODY_MAX * 2);
    cfmt_journal_row_t *row;
    apr_array_header_t *r;
    int i;

    memset(big, 'x', CFMT_REJECTED_BODY_MAX * 2 - 1);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    for (i = 0; i < CFMT_REJECTED_ROWS_MAX + 10; i++) {
        cfmt_entry_t e = { .kind = "rejected",
                           .at = NOW + i,
                           .origin = "o",
                           .body = big,
                           .len = i < CFMT_REJECTED_ROWS_MAX + 9 ? 10
                                                                 : CFMT_REJECTED_BODY_MAX * 2 - 1 };
        ck_assert_int_eq(cfmt_journal_append(s, &e), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_int_eq(rows(s), CFMT_REJECTED_ROWS_MAX);
    ck_assert_int_eq(cfmt_journal_read(s, CFMT_REJECTED_ROWS_MAX + 9, 1, &r, unit_pool),
                     APR_SUCCESS);
    row = &APR_ARRAY_IDX(r, 0, cfmt_journal_row_t);
    ck_assert_int_eq(row->len, CFMT_REJECTED_BODY_MAX);
    ck_assert_int_eq(row->at, NOW + CFMT_REJECTED_ROWS_MAX + 9); /* the newest are kept */
    cfmt_store_close(s);
}
END_TEST

START_TEST(bytes_come_back_as_they_came)
{
    cfmt_store_t *s = open_store();
    static const char bytes[] = "{\"a\0b\":\"\xff\xfe\"}";
    cfmt_entry_t e = { .kind = "rejected",
                       .at = NOW,
                       .origin = "o",
                       .body = bytes,
                       .len = sizeof(bytes) - 1,
                       .binary = 1 };
    cfmt_journal_row_t *row;
    apr_array_header_t *r;
    apr_int64_t head;

    append(s, &e);
    ck_assert_int_eq(cfmt_journal_head(s, &head), APR_SUCCESS);
    ck_assert_int_eq(head, e.id);
    ck_assert_int_eq(cfmt_journal_read(s, 0, 1, &r, unit_pool), APR_SUCCESS);
    row = &APR_ARRAY_IDX(r, 0, cfmt_journal_row_t);
    ck_assert_int_eq(row->len, sizeof(bytes) - 1);
    ck_assert_mem_eq(row->body, bytes, row->len);
    cfmt_store_close(s);
}
END_TEST

START_TEST(large_bodies_are_read_in_parts)
{
    apr_size_t len = 600 * 1024;
    char *body = apr_pcalloc(unit_pool, len);
    cfmt_entry_t e = { .kind = "delivery", .origin = "o", .body = body, .len = len, .binary = 1 };
    cfmt_store_t *s;
    apr_array_header_t *r;
    int i;

    ck_assert_int_eq(cfmt_prepare_store(unit_path("large.db"), NULL, 0, NULL, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_open(&s, unit_path("large.db"), CFMT_STORE_WRITE, NULL, unit_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(cfmt_journal_append(s, &e), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_int_eq(cfmt_journal_read(s, 0, 100, &r, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(r->nelts, 2);
    ck_assert_int_eq(cfmt_journal_read(s, 2, 100, &r, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(r->nelts, 1);
    cfmt_store_close(s);
}
END_TEST

UNIT_SUITE_BEGIN(journal)
UNIT_TEST(large_bodies_are_read_in_parts)
UNIT_TEST(a_repeat_is_a_small_row_that_refers_to_the_first)
UNIT_TEST(window_body_slot_and_tag_decide)
UNIT_TEST(test_messages_are_never_duplicates)
UNIT_TEST(rejected_rows_are_bounded_in_count_and_size)
UNIT_TEST(bytes_come_back_as_they_came)
UNIT_SUITE_END
