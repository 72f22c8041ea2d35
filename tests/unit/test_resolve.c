/*
 * Names to addresses, with a fake of glibc's getaddrinfo_a in this file (it takes the place of the
 * real one in the whole program): what is kept how long, what is used while the resolver is dead,
 * and that nothing waits. tests/net uses the real one.
 */
#include <netdb.h>
#include <signal.h>
#include <string.h>

#include "cfmt_cloudflare.h"
#include "unit.h"

/* ---- the fake: look-ups hang unless a test says otherwise ------------------------------------ */

static struct {
    int rc;                       /* EAI_INPROGRESS: hangs */
    const char *addresses[40];    /* ended by NULL */
    int asked, canceled, running; /* running: cannot be canceled */
    const char *host;
    struct gaicb *left_behind;
} fake = { .rc = EAI_INPROGRESS };

int getaddrinfo_a(int mode, struct gaicb *list[], int n, struct sigevent *sig)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    struct addrinfo **tail = &list[0]->ar_result;
    int i;

    ck_assert_int_eq(mode, GAI_NOWAIT);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(sig->sigev_notify, SIGEV_NONE);
    fake.asked++;
    fake.host = list[0]->ar_name;
    for (i = 0; fake.addresses[i] && fake.rc == 0; i++) {
        ck_assert_int_eq(getaddrinfo(fake.addresses[i], NULL, &hints, tail), 0);
        tail = &(*tail)->ai_next;
    }
    return 0;
}

int gai_error(struct gaicb *cb)
{
    (void)cb;
    return fake.rc;
}

int gai_cancel(struct gaicb *cb)
{
    fake.canceled++;
    fake.left_behind = fake.running ? cb : NULL;
    return fake.rc != EAI_INPROGRESS ? EAI_ALLDONE : fake.running ? EAI_NOTCANCELED : EAI_CANCELED;
}

/* ---- asking ---------------------------------------------------------------------------------- */

#define SEC apr_time_from_sec(1)

static cfmt_resolver_t *resolver;
static const char *addresses, *why;

static void setup(void)
{
    unit_setup();
    resolver = cfmt_resolver_create(unit_pool);
}

static apr_status_t find(const char *host, apr_time_t now)
{
    addresses = NULL;
    return cfmt_resolver_find(resolver, &addresses, &why, host, now, unit_pool);
}

static void check_found(const char *host, apr_time_t now, const char *want)
{
    ck_assert_int_eq(find(host, now), APR_SUCCESS);
    ck_assert_str_eq(addresses, want);
}

START_TEST(numbers_and_localhost_are_known)
{
    check_found("192.0.2.1", 1, "192.0.2.1");
    check_found("2001:db8::1", 1, "2001:db8::1");
    check_found("localhost", 1, "127.0.0.1,::1");
    ck_assert_int_eq(fake.asked, 0);
}
END_TEST

START_TEST(a_name_is_looked_up)
{
    ck_assert_int_eq(find("api.example", SEC), APR_EAGAIN);
    ck_assert_int_eq(cfmt_resolver_pending(resolver), 1);
    ck_assert_int_eq(find("api.example", 2 * SEC), APR_EAGAIN);
    ck_assert_int_eq(fake.asked, 1);
    ck_assert_str_eq(fake.host, "api.example");
}
END_TEST

START_TEST(an_answer_has_both_families_in_order)
{
    fake.rc = 0;
    fake.addresses[0] = "2001:db8::1";
    fake.addresses[1] = "192.0.2.1";
    fake.addresses[2] = "192.0.2.2";
    find("api.example", SEC);
    check_found("api.example", SEC, "2001:db8::1,192.0.2.1,192.0.2.2");
    ck_assert_int_eq(cfmt_resolver_pending(resolver), 0);
}
END_TEST

START_TEST(more_addresses_than_fit_are_left_out)
{
    int i;

    fake.rc = 0;
    for (i = 0; i < 30; i++) {
        fake.addresses[i] = "2001:db8:1111:2222:3333:4444:5555:6666";
    }
    find("api.example", SEC);
    ck_assert_int_eq(find("api.example", SEC), APR_SUCCESS);
    ck_assert_int_eq(strlen(addresses), 20 * 39 - 1); /* no half address */
}
END_TEST

static void know(apr_time_t now, const char *address)
{
    fake.rc = 0;
    fake.addresses[0] = address;
    fake.addresses[1] = NULL;
    find("api.example", now);
    check_found("api.example", now, address);
}

START_TEST(an_answer_is_kept_for_a_minute)
{
    know(100 * SEC, "192.0.2.1");
    fake.addresses[0] = "192.0.2.9";
    check_found("api.example", 159 * SEC, "192.0.2.1");
    ck_assert_int_eq(fake.asked, 1);
    fake.rc = EAI_INPROGRESS;
    ck_assert_int_eq(find("api.example", 160 * SEC), APR_EAGAIN);
    ck_assert_int_eq(fake.asked, 2);
}
END_TEST

START_TEST(a_change_is_seen)
{
    know(100 * SEC, "192.0.2.1");
    know(161 * SEC, "192.0.2.9");
    ck_assert_int_eq(fake.asked, 2);
}
END_TEST

START_TEST(a_failure_is_kept_for_five_seconds)
{
    fake.rc = EAI_NONAME;
    ck_assert_int_eq(find("api.example", 100 * SEC), APR_EAGAIN);
    ck_assert_int_eq(find("api.example", 100 * SEC), CFMT_ENET);
    ck_assert_str_eq(why, "there is no such name");
    ck_assert_int_eq(find("api.example", 104 * SEC), CFMT_ENET);
    ck_assert_int_eq(fake.asked, 1);
    fake.rc = EAI_AGAIN;
    ck_assert_int_eq(find("api.example", 105 * SEC), APR_EAGAIN);
    ck_assert_int_eq(find("api.example", 105 * SEC), CFMT_ENET);
    ck_assert_str_eq(why, "no name server answers");
    ck_assert_int_eq(fake.asked, 2);
}
END_TEST

/* A look-up may succeed and bring nothing that we can use. */
START_TEST(no_address_is_a_failure)
{
    fake.rc = 0;
    find("api.example", SEC);
    ck_assert_int_eq(find("api.example", SEC), CFMT_ENET);
    ck_assert_str_eq(why, "there is no such name");
}
END_TEST

START_TEST(an_old_address_is_used_for_an_hour_when_the_resolver_fails)
{
    know(100 * SEC, "192.0.2.1");
    fake.rc = EAI_AGAIN;
    ck_assert_int_eq(find("api.example", 200 * SEC), APR_EAGAIN);
    check_found("api.example", 200 * SEC, "192.0.2.1");
    check_found("api.example", 204 * SEC, "192.0.2.1");
    ck_assert_int_eq(fake.asked, 2);
    find("api.example", 3699 * SEC);
    check_found("api.example", 3699 * SEC, "192.0.2.1");
    find("api.example", 3705 * SEC);
    ck_assert_int_eq(find("api.example", 3705 * SEC), CFMT_ENET);
}
END_TEST

START_TEST(an_old_address_is_used_after_a_second_when_the_resolver_hangs)
{
    know(100 * SEC, "192.0.2.1");
    fake.rc = EAI_INPROGRESS;
    ck_assert_int_eq(find("api.example", 200 * SEC), APR_EAGAIN);
    ck_assert_int_eq(find("api.example", 200 * SEC + SEC / 2), APR_EAGAIN);
    check_found("api.example", 201 * SEC, "192.0.2.1");
    check_found("api.example", 3699 * SEC, "192.0.2.1");
    ck_assert_int_eq(find("api.example", 3701 * SEC), APR_EAGAIN);
    ck_assert_int_eq(fake.asked, 2); /* one at a time, however long it takes */
}
END_TEST

START_TEST(names_do_not_wait_for_each_other)
{
    ck_assert_int_eq(find("dead.example", SEC), APR_EAGAIN);
    ck_assert_int_eq(cfmt_resolver_pending(resolver), 1);
    know(SEC, "192.0.2.1");
    ck_assert_int_eq(fake.asked, 2);
}
END_TEST

START_TEST(the_end_frees_what_it_can)
{
    apr_pool_t *p;
    int running;

    for (running = 0; running < 2; running++) {
        apr_pool_create(&p, unit_pool);
        fake.running = running;
        cfmt_resolver_find(cfmt_resolver_create(p), &addresses, &why, "api.example", SEC, p);
        apr_pool_destroy(p);
        ck_assert_int_eq(fake.canceled, running + 1);
    }
    ck_assert_str_eq(fake.left_behind->ar_name, "api.example"); /* its thread still reads it */
    apr_pool_destroy(((apr_pool_t **)(void *)fake.left_behind)[-1]); /* which stands before it */
}
END_TEST

Suite *suite_resolve(void)
{
    Suite *s = suite_create("resolve");
    TCase *tc = tcase_create("resolve");

    tcase_add_checked_fixture(tc, setup, unit_teardown);
    suite_add_tcase(s, tc);
    UNIT_TEST(numbers_and_localhost_are_known)
    UNIT_TEST(a_name_is_looked_up)
    UNIT_TEST(an_answer_has_both_families_in_order)
    UNIT_TEST(more_addresses_than_fit_are_left_out)
    UNIT_TEST(an_answer_is_kept_for_a_minute)
    UNIT_TEST(a_change_is_seen)
    UNIT_TEST(a_failure_is_kept_for_five_seconds)
    UNIT_TEST(no_address_is_a_failure)
    UNIT_TEST(an_old_address_is_used_for_an_hour_when_the_resolver_fails)
    UNIT_TEST(an_old_address_is_used_after_a_second_when_the_resolver_hangs)
    UNIT_TEST(names_do_not_wait_for_each_other)
    UNIT_TEST(the_end_frees_what_it_can)
    return s;
}
