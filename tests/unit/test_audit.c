/*
 * The audit chain: whatever is done to it, verify finds it.
 */
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "kit.h"
#include "store/store_private.h"
#include "unit.h"

#define N 20
#define LL APR_INT64_T_FMT

static void append(cfmt_store_t *s, int i, cfmt_audit_head_t *head)
{
    cfmt_audit_row_t row = {.at = KIT_T(i), .what = i % 2 ? "hold" : "withdraw",
                            .prefix = i % 5 ? "203.0.113.0/24" : NULL, .who = "user alice",
                            .why = i % 3 ? "maintenance" : NULL,
                            .ref = apr_psprintf(unit_pool, "intent %d", i),
                            .body = i % 4 ? "{\"n\":1}" : NULL};

    ck_assert_int_eq(cfmt_audit_append(s, &row, head), APR_SUCCESS);
    ck_assert_int_eq(row.id, head ? head->id : row.id);
}

static cfmt_store_t *chain(int n, cfmt_audit_head_t *head)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    int i;

    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    for (i = 1; i <= n; i++) {
        append(s, i, head);
    }
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    return s;
}

static void same_head(const cfmt_audit_head_t *a, const cfmt_audit_head_t *b)
{
    ck_assert_int_eq(a->id, b->id);
    ck_assert_str_eq(a->hash, b->hash);
}

static cfmt_audit_check_t verify(cfmt_store_t *s, const cfmt_audit_head_t *anchor)
{
    cfmt_audit_check_t check;

    ck_assert_int_eq(cfmt_audit_verify(s, anchor, &check, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(check.problem != NULL, check.detail != NULL);
    ck_assert_int_eq(check.problem != NULL, check.broken != 0);
    return check;
}

/* Does sql, wants this problem at this row, and undoes it. */
static void spoil(cfmt_store_t *s, const char *sql, const char *problem, apr_int64_t broken)
{
    cfmt_audit_check_t check;

    kit_sql(s, "SAVEPOINT spoilt");
    kit_sql(s, sql);
    ck_assert_msg(!strncmp(sql, "UPDATE OR IGNORE", 16) || sqlite3_changes(s->db) > 0, "%s", sql);
    check = verify(s, NULL);
    ck_assert_msg(check.problem && !strcmp(check.problem, problem) && check.broken == broken,
                  "%s: %s at %" LL ", not %s at %" LL, sql, check.problem, check.broken, problem,
                  broken);
    ck_assert_int_eq(check.rows, broken > N ? N : check.rows);
    kit_sql(s, "ROLLBACK TO spoilt; RELEASE spoilt");
}

/* ---- append ---------------------------------------------------------------------------------- */

START_TEST(a_chain_grows)
{
    cfmt_audit_head_t head, again;
    cfmt_store_t *s = chain(0, NULL);
    cfmt_audit_check_t check = verify(s, NULL);
    apr_array_header_t *rows;
    const cfmt_audit_row_t *row;

    ck_assert(!check.problem && !check.rows && !check.head.id);
    ck_assert_int_eq(cfmt_audit_head(s, &head), APR_SUCCESS);
    ck_assert(head.id == 0 && strspn(head.hash, "0") == CFMT_AUDIT_HASH);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    append(s, 1, NULL);
    append(s, 2, &head);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_int_eq(head.id, 2);
    ck_assert_int_eq(cfmt_audit_head(s, &again), APR_SUCCESS);
    same_head(&head, &again);
    check = verify(s, NULL);
    ck_assert(!check.problem && check.rows == 2);
    same_head(&head, &check.head);
    ck_assert_int_eq(cfmt_audit_list(s, 0, 1, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 1);
    row = &APR_ARRAY_IDX(rows, 0, cfmt_audit_row_t);
    ck_assert(row->id == 2 && row->at == KIT_T(2));
    ck_assert_str_eq(row->what, "withdraw");
    ck_assert_str_eq(row->prefix, "203.0.113.0/24");
    ck_assert_str_eq(row->who, "user alice");
    ck_assert_str_eq(row->why, "maintenance");
    ck_assert_str_eq(row->ref, "intent 2");
    ck_assert_str_eq(row->body, "{\"n\":1}");
    ck_assert_str_eq(row->hash, head.hash);
    ck_assert_int_eq(cfmt_audit_list(s, 2, 9, &rows, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(rows->nelts, 1);
}
END_TEST

/* The encoding is part of the record: who verifies it elsewhere must come to the same hash. */
START_TEST(the_hash_is_what_the_manual_says)
{
    cfmt_store_t *s = kit_open("cfmt.db");
    cfmt_audit_row_t row = {.at = 7, .what = "hold", .who = "u", .body = "{}"};
    cfmt_audit_head_t head;
    static const char bytes[] =
        "0000000000000000000000000000000000000000000000000000000000000000"
        "i\0\0\0\0\0\0\0\1" "1" "i\0\0\0\0\0\0\0\1" "7" "t\0\0\0\0\0\0\0\4" "hold"
        "n\0\0\0\0\0\0\0\0" "t\0\0\0\0\0\0\0\1" "u" "n\0\0\0\0\0\0\0\0" "n\0\0\0\0\0\0\0\0"
        "t\0\0\0\0\0\0\0\2" "{}";
    unsigned char sha[CFMT_SHA256_SIZE];
    char hex[CFMT_AUDIT_HASH + 1];
    int i;

    cfmt_sha256(sha, bytes, sizeof(bytes) - 1);
    for (i = 0; i < CFMT_SHA256_SIZE; i++) {
        apr_snprintf(hex + 2 * i, 3, "%02x", sha[i]);
    }
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    ck_assert_int_eq(cfmt_audit_append(s, &row, &head), APR_SUCCESS);
    ck_assert_str_eq(head.hash, hex);
    row.what = "";
    ck_assert_int_eq(cfmt_audit_append(s, &row, NULL), CFMT_EINVALID);
    row.what = "hold";
    row.who = NULL;
    ck_assert_int_eq(cfmt_audit_append(s, &row, NULL), CFMT_EINVALID);
    cfmt_store_rollback(s);
}
END_TEST

START_TEST(rolled_back_it_was_never_there)
{
    cfmt_audit_head_t head, after;
    cfmt_store_t *s = chain(N, &head);

    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    append(s, 1, NULL);
    cfmt_store_rollback(s);
    ck_assert_int_eq(cfmt_audit_head(s, &after), APR_SUCCESS);
    same_head(&head, &after);
    ck_assert_ptr_null(verify(s, NULL).problem);
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    append(s, 1, &after);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_int_eq(after.id, N + 1);
    ck_assert_ptr_null(verify(s, &head).problem);
}
END_TEST

/* ---- what verify finds ----------------------------------------------------------------------- */

static const char *const columns[] = {"at", "what", "prefix", "who", "why", "ref", "body", "hash"};

START_TEST(each_column_of_each_row)
{
    cfmt_store_t *s = chain(N, NULL);
    int i, c;

    for (i = 1; i <= N; i++) {
        for (c = 0; c < KIT_COUNT(columns); c++) {
            const char *name = columns[c];
            int null = !strcmp(name, "what") || !strcmp(name, "who") || !strcmp(name, "hash")
                       || !strcmp(name, "at"); /* may not be */

            spoil(s, apr_psprintf(unit_pool, "UPDATE audit SET %s = CASE WHEN %s IS NULL THEN ''"
                                  " ELSE CAST(%s AS TEXT) || '1' END WHERE id = %d", name, name,
                                  name, i), "hash", i);
            spoil(s, apr_psprintf(unit_pool, "UPDATE audit SET %s = CAST(ifnull(%s, '') AS BLOB)"
                                  " WHERE id = %d", name, name, i), "hash", i);
            if (!null) {
                spoil(s, apr_psprintf(unit_pool, "UPDATE audit SET %s = CASE WHEN %s IS NULL THEN"
                                      " 'x' END WHERE id = %d", name, name, i), "hash", i);
            }
        }
        spoil(s, apr_psprintf(unit_pool, "UPDATE audit SET at = at + 0.5 WHERE id = %d", i),
              "hash", i);
        spoil(s, apr_psprintf(unit_pool, "UPDATE audit SET hash = upper(hash) WHERE id = %d", i),
              "hash", i);
    }
    ck_assert_ptr_null(verify(s, NULL).problem);
}
END_TEST

/* One bit of each byte of each text. */
START_TEST(each_byte)
{
    cfmt_store_t *s = chain(N, NULL);
    int i, c, k, n;

    for (i = 1; i <= N; i += 3) {
        for (c = 1; c < KIT_COUNT(columns); c++) {
            const char *text = kit_text(s, apr_psprintf(unit_pool, "SELECT ifnull(%s, '') FROM"
                                                        " audit WHERE id = %d", columns[c], i));

            for (k = 0, n = (int)strlen(text); k < n; k++) {
                char *other = apr_pstrdup(unit_pool, text);

                other[k] ^= 1;
                other[k] = other[k] == '\'' ? '%' : other[k];
                spoil(s, apr_psprintf(unit_pool, "UPDATE audit SET %s = '%s' WHERE id = %d",
                                      columns[c], other, i), "hash", i);
            }
        }
    }
}
END_TEST

/* Bytes that go from one column to the next, their concatenation the same. */
START_TEST(borders_of_columns)
{
    cfmt_store_t *s = chain(N, NULL);

    spoil(s, "UPDATE audit SET who = who || substr(why, 1, 1), why = substr(why, 2) WHERE id = 1",
          "hash", 1);
    spoil(s, "UPDATE audit SET why = ref, ref = why WHERE id = 2", "hash", 2);
    spoil(s, "UPDATE audit SET prefix = '' WHERE id = 5", "hash", 5);
}
END_TEST

START_TEST(rows_removed)
{
    cfmt_store_t *s = chain(N, NULL);
    int i;

    for (i = 1; i <= N; i++) {
        spoil(s, apr_psprintf(unit_pool, "DELETE FROM audit WHERE id = %d", i),
              i < N ? "gap" : "head", i);
        spoil(s, apr_psprintf(unit_pool, "DELETE FROM audit WHERE id >= %d", i), "head", i);
        if (i < N) { /* and the others moved up */
            spoil(s, apr_psprintf(unit_pool, "DELETE FROM audit WHERE id = %d; UPDATE audit"
                                  " SET id = id - 1 WHERE id > %d", i, i), "hash", i);
        }
    }
}
END_TEST

START_TEST(rows_added)
{
    static const char copy[] = "INSERT INTO audit SELECT %s, at, what, prefix, who, why, ref, body,"
                               " hash FROM audit WHERE id = %d";
    cfmt_store_t *s = chain(N, NULL);

    spoil(s, apr_psprintf(unit_pool, copy, "0", 1), "gap", 1);
    spoil(s, apr_psprintf(unit_pool, copy, "-9223372036854775807 - 1", 1), "gap", 1);
    spoil(s, apr_psprintf(unit_pool, copy, "21", 20), "hash", 21);
    spoil(s, apr_psprintf(unit_pool, copy, "22", 20), "gap", 21);
    spoil(s, apr_psprintf(unit_pool, "UPDATE audit SET id = -id WHERE id > 7;"
                                     "UPDATE audit SET id = 1 - id WHERE id < 0;"
                                     "INSERT INTO audit SELECT 8, at, what, prefix, who, why, ref,"
                                     " body, hash FROM audit WHERE id = 9"), "hash", 9);
}
END_TEST

START_TEST(rows_moved)
{
    cfmt_store_t *s = chain(N, NULL);
    int i;

    for (i = 1; i < N; i++) {
        spoil(s, apr_psprintf(unit_pool, "UPDATE audit SET id = -1 WHERE id = %d; UPDATE audit SET"
                              " id = %d WHERE id = %d; UPDATE audit SET id = %d WHERE id = -1",
                              i, i, i + 1, i + 1), "hash", i);
    }
}
END_TEST

/* ---- the head and the anchor ----------------------------------------------------------------- */

START_TEST(the_note_of_the_head)
{
    cfmt_store_t *s = chain(N, NULL);

    spoil(s, "DELETE FROM meta WHERE name = 'audit_head'", "head", N);
    spoil(s, "UPDATE meta SET value = 'x' WHERE name = 'audit_head'", "head", N);
    spoil(s, "UPDATE meta SET value = 19 || substr(value, 3) WHERE name = 'audit_head'", "head", N);
    spoil(s, "UPDATE meta SET value = 21 || substr(value, 3) WHERE name = 'audit_head'", "head",
          N + 1);
    spoil(s, "UPDATE meta SET value = replace(value, substr(value, 9, 4), 'beef')"
             " WHERE name = 'audit_head'", "head", N);
    spoil(s, "DELETE FROM audit", "head", 1);
}
END_TEST

/* What was removed is found for ever: a later row does not close the gap. */
START_TEST(a_row_removed_at_the_end_leaves_a_gap)
{
    cfmt_audit_head_t head;
    cfmt_store_t *s = chain(N, NULL);
    cfmt_audit_check_t check;

    kit_sql(s, "DELETE FROM audit WHERE id = 20");
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    append(s, 1, &head);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_int_eq(head.id, 21);
    check = verify(s, NULL);
    ck_assert_str_eq(check.problem, "gap");
    ck_assert_int_eq(check.broken, 20);
    ck_assert_int_eq(check.rows, 19);
}
END_TEST

/* Without the note it goes on behind the last row: what has to be done is not stopped by it. */
START_TEST(a_lost_note_stops_nothing)
{
    cfmt_audit_head_t head;
    cfmt_store_t *s = chain(N, NULL);

    kit_sql(s, "DELETE FROM meta WHERE name = 'audit_head'");
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    append(s, 1, &head);
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_int_eq(head.id, 21);
    ck_assert_ptr_null(verify(s, NULL).problem);
}
END_TEST

static void wrong_anchor(cfmt_store_t *s, const cfmt_audit_head_t *anchor, apr_int64_t broken)
{
    cfmt_audit_check_t check = verify(s, anchor);

    ck_assert_ptr_nonnull(check.problem);
    ck_assert_str_eq(check.problem, "anchor");
    ck_assert_int_eq(check.broken, broken);
}

/* The whole chain written anew is sound in itself: only what was noted outside shows it. */
START_TEST(the_anchor_outside)
{
    cfmt_audit_head_t head, old, capitals;
    cfmt_store_t *s = chain(N, &old);
    int i;

    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
        append(s, i, &head);
        ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    }
    capitals = old;
    for (i = 0; i < CFMT_AUDIT_HASH; i++) {
        capitals.hash[i] = (char)apr_toupper(capitals.hash[i]);
    }
    ck_assert_ptr_null(verify(s, &old).problem);
    ck_assert_ptr_null(verify(s, &head).problem);
    ck_assert_ptr_null(verify(s, &capitals).problem);
    old.hash[9] = old.hash[9] == 'a' ? 'b' : 'a';
    wrong_anchor(s, &old, N);
    head.id = 24;
    wrong_anchor(s, &head, 24);
    head.id = 99;
    wrong_anchor(s, &head, 24);
    head = capitals;
    kit_sql(s, "DELETE FROM audit; DELETE FROM meta WHERE name = 'audit_head'");
    ck_assert_int_eq(cfmt_store_begin(s, 0), APR_SUCCESS);
    for (i = 2; i <= N + 1; i++) {
        append(s, i, NULL);
    }
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
    ck_assert_ptr_null(verify(s, NULL).problem);
    wrong_anchor(s, &head, N);
}
END_TEST

START_TEST(more_than_a_page)
{
    cfmt_audit_head_t head;
    cfmt_store_t *s = chain(2 * CFMT_QUERY_PAGE + 1, &head);
    cfmt_audit_check_t check = verify(s, &head);

    ck_assert(!check.problem && check.rows == 2 * CFMT_QUERY_PAGE + 1);
    kit_sql(s, "UPDATE audit SET why = 'x' WHERE id = 501");
    check = verify(s, NULL);
    ck_assert(check.broken == 501 && check.rows == 500 && check.head.id == 500);
}
END_TEST

/* Another handle appends: the chain goes on from what it wrote. */
START_TEST(two_handles)
{
    cfmt_store_t *s = chain(2, NULL), *other;
    int i;

    ck_assert_int_eq(cfmt_store_open(&other, unit_path("cfmt.db"), CFMT_STORE_WRITE, NULL,
                                     unit_pool), APR_SUCCESS);
    for (i = 0; i < 6; i++) {
        cfmt_store_t *one = i % 2 ? s : other;

        ck_assert_int_eq(cfmt_store_begin(one, 0), APR_SUCCESS);
        ck_assert_int_eq(cfmt_store_begin(one == s ? other : s, 0), CFMT_EBUSY);
        append(one, i, NULL);
        ck_assert_int_eq(cfmt_store_commit(one), APR_SUCCESS);
    }
    ck_assert_ptr_null(verify(s, NULL).problem);
    ck_assert_int_eq(verify(other, NULL).rows, 8);
}
END_TEST

UNIT_SUITE_BEGIN(audit)
    UNIT_TEST(a_chain_grows)
    UNIT_TEST(the_hash_is_what_the_manual_says)
    UNIT_TEST(rolled_back_it_was_never_there)
    UNIT_TEST(each_column_of_each_row)
    UNIT_TEST(each_byte)
    UNIT_TEST(borders_of_columns)
    UNIT_TEST(rows_removed)
    UNIT_TEST(rows_added)
    UNIT_TEST(rows_moved)
    UNIT_TEST(the_note_of_the_head)
    UNIT_TEST(a_row_removed_at_the_end_leaves_a_gap)
    UNIT_TEST(a_lost_note_stops_nothing)
    UNIT_TEST(the_anchor_outside)
    UNIT_TEST(more_than_a_page)
    UNIT_TEST(two_handles)
UNIT_SUITE_END
