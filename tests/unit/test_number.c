/*
 * Unit tests of src/base/number.c, result.c and thread.c.
 */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "unit.h"

typedef struct int_row_t {
    const char *text;
    apr_int64_t min, max;
    int ok;
    apr_int64_t want;
} int_row_t;

static const int_row_t ints[] = {
    {"0", 0, 0, 1, 0},
    {"-0", 0, 0, 1, 0},
    {"007", 0, 10, 1, 7},
    {"10", 0, 10, 1, 10},
    {"11", 0, 10, 0, 0},
    {"-1", 0, 10, 0, 0},
    {"-5", -5, 10, 1, -5},
    {"-6", -5, 10, 0, 0},
    {"9223372036854775807", APR_INT64_MIN, APR_INT64_MAX, 1, APR_INT64_MAX},
    {"9223372036854775808", APR_INT64_MIN, APR_INT64_MAX, 0, 0},
    {"-9223372036854775808", APR_INT64_MIN, APR_INT64_MAX, 1, APR_INT64_MIN},
    {"-9223372036854775809", APR_INT64_MIN, APR_INT64_MAX, 0, 0},
    {"99999999999999999999", APR_INT64_MIN, APR_INT64_MAX, 0, 0},
    {"", 0, 10, 0, 0},
    {"-", -10, 10, 0, 0},
    {"+1", 0, 10, 0, 0},
    {" 1", 0, 10, 0, 0},
    {"1 ", 0, 10, 0, 0},
    {"1.0", 0, 10, 0, 0},
    {"0x1", 0, 10, 0, 0},
    {"--1", -10, 10, 0, 0},
    {NULL, 0, 10, 0, 0},
};

START_TEST(test_int)
{
    apr_size_t i;

    for (i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
        apr_int64_t n = 4711;
        apr_status_t rv = cfmt_int_parse(&n, ints[i].text, ints[i].min, ints[i].max);

        ck_assert_msg(rv == (ints[i].ok ? APR_SUCCESS : CFMT_EINVALID)
                          && n == (ints[i].ok ? ints[i].want : 4711),
                      "%s gave %lld", ints[i].text ? ints[i].text : "(null)", (long long)n);
    }
}
END_TEST

typedef struct rate_row_t {
    const char *text;
    double want; /* -1 = refused */
} rate_row_t;

static const rate_row_t rates[] = {
    {"0", 0}, {"800", 800}, {"800.00 pps", 800}, {"800.00 rps", 800}, {"6.4Gb/s", 6.4e9},
    {"12 kpps", 12000}, {"12 Kpps", 12000}, {"5 Mbps", 5e6}, {"1.2e6", 1.2e6}, {"1.2E+6", 1.2e6},
    {"25e-1", 2.5}, {"3 Tbit/s", 3e12}, {"3 bits/s", 3}, {"7 packets/s", 7}, {"7 kpackets/s", 7000},
    {"1.5M", 1.5e6}, {" 42 pps ", 42}, {"0.0001", 0.0001}, {"1e-400", 0}, {"0e9999", 0},
    {"1e18", 1e18}, {"1.01e18", -1}, {"1e309", -1}, {"1e99999", -1}, {"1e4294967296", -1}, {"1e308 kpps", -1},
    {"", -1}, {"pps", -1}, {"-1", -1}, {"+1", -1}, {".5", -1}, {"5.", -1}, {"5. pps", -1},
    {"1.2.3", -1}, {"1e", -1}, {"1e+", -1}, {"1,5", -1}, {"1,200 pps", -1}, {"nan", -1},
    {"inf", -1}, {"0x10", -1}, {"5 MB/s", -1}, {"5 mbps", -1}, {"5 kk", -1}, {"5 pps x", -1},
    {"5 pp", -1}, {"string", -1}, {NULL, -1},
};

START_TEST(test_rate)
{
    apr_size_t i;

    for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        double v = -1;
        apr_status_t rv = cfmt_rate_parse(&v, rates[i].text);

        ck_assert_msg(rv == (rates[i].want < 0 ? CFMT_EINVALID : APR_SUCCESS)
                          && fabs(v - rates[i].want) <= fabs(rates[i].want) * 1e-12,
                      "%s gave %g", rates[i].text ? rates[i].text : "(null)", v);
    }
}
END_TEST

START_TEST(test_rate_long)
{
    char digits[2001];
    double v;

    memset(digits, '9', sizeof(digits) - 1);
    digits[sizeof(digits) - 1] = '\0';
    ck_assert_int_eq(cfmt_rate_parse(&v, digits), CFMT_EINVALID);
    digits[17] = '\0';
    ck_assert_int_eq(cfmt_rate_parse(&v, digits), APR_SUCCESS);
    ck_assert(v > 0.99e17 && v < 1.01e17);
    digits[1] = '.';
    ck_assert_int_eq(cfmt_rate_parse(&v, digits), APR_SUCCESS);
    ck_assert(v > 9.99 && v < 10.01);
}
END_TEST

/* Some other module may have set a locale with a decimal comma. */
START_TEST(test_rate_locale)
{
    double v;

    if (!setlocale(LC_ALL, "de_DE.UTF-8")) {
        return; /* not installed: nothing to prove here */
    }
    ck_assert_int_eq(cfmt_rate_parse(&v, "6.4Gb/s"), APR_SUCCESS);
    ck_assert(fabs(v - 6.4e9) < 1);
    ck_assert_str_eq(cfmt_rate_format(unit_pool, 6.4e9, "bps"), "6.4 Gbps");
    setlocale(LC_ALL, "C");
}
END_TEST

typedef struct shown_t {
    double v;
    const char *want;
} shown_t;

static const shown_t shown[] = {
    {0, "0 pps"}, {0.5, "0.5 pps"}, {1, "1 pps"}, {9.994, "9.99 pps"}, {9.996, "10 pps"},
    {99.94, "99.9 pps"}, {99.96, "100 pps"}, {800, "800 pps"}, {999.4, "999 pps"},
    {999.6, "1 kpps"}, {1000, "1 kpps"}, {1234567, "1.23 Mpps"}, {1200000, "1.2 Mpps"},
    {6.4e9, "6.4 Gpps"}, {100000, "100 kpps"}, {999.4e12, "999 Tpps"}, {1e15, "over 999 Tpps"},
    {1e300, "over 999 Tpps"}, {-1, "?"}, {NAN, "?"}, {INFINITY, "?"},
};

START_TEST(test_rate_format)
{
    apr_size_t i;

    for (i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        ck_assert_str_eq(cfmt_rate_format(unit_pool, shown[i].v, "pps"), shown[i].want);
    }
}
END_TEST

START_TEST(test_status_words)
{
    int i, j;

    ck_assert_str_eq(cfmt_status_name(APR_SUCCESS), "ok");
    ck_assert_str_eq(cfmt_status_name(CFMT_EFULL), "full");
    ck_assert_str_eq(cfmt_status_name(CFMT_ENEWER), "newer");
    ck_assert_str_eq(cfmt_status_name(APR_ENOENT), "error");
    ck_assert(strstr(cfmt_status_text(APR_ENOENT, unit_pool), "No such file") != NULL);
    /* Every status of ours has a word of its own and a sentence without a full stop. */
    for (i = CFMT_EBASE + 1; i <= CFMT_EMOVED; i++) {
        const char *text = cfmt_status_text(i, unit_pool);

        ck_assert_str_ne(cfmt_status_name(i), "error");
        ck_assert(text[0] && text[strlen(text) - 1] != '.');
        for (j = CFMT_EBASE + 1; j < i; j++) {
            ck_assert_str_ne(cfmt_status_name(i), cfmt_status_name(j));
        }
    }
}
END_TEST

START_TEST(test_result)
{
    cfmt_result_t r = {.retry_at = 5, .problem = "old"};

    ck_assert_int_eq(cfmt_result_set(&r, unit_pool, CFMT_EFULL, "%s at %lld", "disk", 7LL),
                     CFMT_EFULL);
    ck_assert_int_eq(r.status, CFMT_EFULL);
    ck_assert_str_eq(r.problem, "full");
    ck_assert_str_eq(r.detail, "disk at 7");
    ck_assert_int_eq(r.retry_at, 0);
    ck_assert_int_eq(cfmt_result_set(&r, unit_pool, APR_SUCCESS, "unused"), APR_SUCCESS);
    ck_assert(r.problem == NULL && r.detail == NULL && r.status == APR_SUCCESS);
    ck_assert_int_eq(cfmt_result_set(NULL, unit_pool, CFMT_EBUSY, "x"), CFMT_EBUSY);
}
END_TEST

START_TEST(test_errno)
{
    static const struct {
        int err;
        apr_status_t want;
    } rows[] = {
        {ENOENT, CFMT_EMISSING}, {ENOTDIR, CFMT_EMISSING}, {EACCES, CFMT_EDENIED},
        {EPERM, CFMT_EDENIED}, {ELOOP, CFMT_ELINK}, {EROFS, CFMT_EREADONLY},
        {ENOSPC, CFMT_EFULL}, {EDQUOT, CFMT_EFULL}, {EIO, CFMT_EIO}, {EMFILE, CFMT_EIO},
    };
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_int_eq(cfmt_status_of_errno(rows[i].err), rows[i].want);
    }
}
END_TEST

static void *blocked_signals(void *baton)
{
    pthread_sigmask(SIG_SETMASK, NULL, baton);
    return NULL;
}

/* Ours has every signal blocked, whoever starts it keeps his own mask. */
START_TEST(test_thread)
{
    sigset_t before, inside, after;
    pthread_t thread;

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    ck_assert_int_eq(cfmt_thread_start(&thread, "cfmt-test", blocked_signals, &inside), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    ck_assert(sigismember(&inside, SIGTERM) && sigismember(&inside, SIGUSR1));
    ck_assert_int_eq(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
    ck_assert_int_eq(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1));
}
END_TEST

UNIT_SUITE_BEGIN(number)
    UNIT_TEST(test_int)
    UNIT_TEST(test_rate)
    UNIT_TEST(test_rate_long)
    UNIT_TEST(test_rate_locale)
    UNIT_TEST(test_rate_format)
    UNIT_TEST(test_status_words)
    UNIT_TEST(test_result)
    UNIT_TEST(test_errno)
    UNIT_TEST(test_thread)
UNIT_SUITE_END
