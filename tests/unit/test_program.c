/*
 * Unit tests of src/engine/program.c and src/base/spawn.c: the operator's program that answers,
 * that does not, and that misbehaves.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "acting.h"

static cfmt_cidr_t prefix;

static cfmt_engine_t *start(void)
{
    acting_begin();
    ck_assert_int_eq(cfmt_cidr_parse(&prefix, NULL, ACTING_PREFIX), APR_SUCCESS);
    return acting_engine();
}

static const char *script(const char *text)
{
    const char *path = unit_path("check");
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    fprintf(f, "#!/bin/sh\n%s\n", text);
    fclose(f);
    ck_assert_int_eq(chmod(path, 0755), 0);
    return path;
}

/* Until it has answered, or been ended. */
static const cfmt_memory_t *ask(cfmt_engine_t *e, const char *path)
{
    apr_time_t end = cfmt_monotonic() + ACTING_S(15);

    cfmt_program_ask(e, &prefix, path);
    while (e->programs->nelts) {
        ck_assert(cfmt_monotonic() < end);
        usleep(5000);
        cfmt_programs_run(e);
    }
    ck_assert(cfmt_scene_memory(e, &prefix)->check_asked_at != 0);
    return cfmt_scene_memory(e, &prefix);
}

static const struct {
    const char *text;
    int ok;
    const char *line;
} cases[] = {
    { "echo \"$1 is there\"; exit 0", 1, "203.0.113.0/24 is there" },
    { "echo no route; echo more; exit 1", 0, "no route" },
    { "exit 3", 0, "exit status 3" },
    { "exit 127", 0, "the program cannot be run" },
    { "kill -9 $$", 0, "ended by a signal" },
    { "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1));"
      " done; exit 0", 1, "0123456789012345678901234567890123456789" },
    { "sleep 30 & echo left something behind; exit 0", 1, "left something behind" },
    { "printf '\\033[31mred\\n'; exit 0", 1, NULL },
};

START_TEST(its_exit_status_is_the_answer)
{
    const cfmt_memory_t *m = ask(start(), script(cases[_i].text));

    ck_assert_int_eq(m->check_ok, cases[_i].ok);
    ck_assert(m->check_answered_at >= m->check_asked_at);
    if (cases[_i].line) {
        ck_assert_str_eq(m->check_text, cases[_i].line);
    }
    ck_assert_ptr_null(strchr(m->check_text, '\033'));
    acting_end();
}
END_TEST

START_TEST(a_missing_one_is_no_yes)
{
    const cfmt_memory_t *m = ask(start(), "exec:/nonexistent/check");

    ck_assert_int_eq(m->check_ok, 0);
    ck_assert_str_eq(m->check_text, "the program cannot be run");
    acting_end();
}
END_TEST

/* All of it is ended: what it started, too. */
START_TEST(one_that_hangs_is_ended)
{
    cfmt_engine_t *e = start();
    const char *pids = unit_path("pid");
    const cfmt_memory_t *m;
    apr_size_t len;
    int tries = 200;

    e->check_limit = apr_time_from_msec(500);
    m = ask(e, script(apr_psprintf(unit_pool, "sleep 60 & echo $! > %s; echo yes; wait", pids)));
    ck_assert_int_eq(m->check_ok, 0);
    ck_assert_str_eq(m->check_text, "no answer within 10 s");
    while (tries-- > 0 && kill((pid_t)apr_atoi64(unit_read(pids, &len)), 0) == 0) {
        usleep(10000); /* somebody else reaps it */
        if (access(apr_psprintf(unit_pool, "/proc/%d/fd/0", (int)apr_atoi64(unit_read(pids, &len))),
                   F_OK) != 0) {
            break; /* a zombie has none */
        }
    }
    ck_assert_int_gt(tries, 0);
    acting_end();
}
END_TEST

START_TEST(it_dies_with_the_engine)
{
    cfmt_engine_t *e = start();
    const char *pid = unit_path("pid");
    apr_size_t len;

    cfmt_program_ask(e, &prefix, script(apr_psprintf(unit_pool, "echo $$ > %s; sleep 60", pid)));
    while (access(pid, F_OK) != 0 || !*unit_read(pid, &len)) {
        usleep(5000);
    }
    acting_drop(e);
    ck_assert_int_ne(kill((pid_t)apr_atoi64(unit_read(pid, &len)), 0), 0);
    acting_end();
}
END_TEST

START_TEST(it_gets_none_of_our_descriptors_nor_our_environment)
{
    cfmt_engine_t *e = start();
    const cfmt_memory_t *m;

    ck_assert_int_eq(dup2(0, 77), 77); /* not even CLOEXEC */
    setenv("CFMT_SECRET", "hush", 1);
    m = ask(e, script("[ -e /proc/$$/fd/77 ] && exit 1; [ -e /proc/$$/fd/2 ] || exit 2;"
                      " echo \"it has $CFMT_SECRET$HOME\"; exit 0"));
    ck_assert_int_eq(m->check_ok, 1);
    ck_assert_str_eq(m->check_text, "it has ");
    close(77);
    acting_end();
}
END_TEST

START_TEST(it_is_not_started_twice)
{
    cfmt_engine_t *e = start();
    const char *path = script("sleep 1");

    cfmt_program_ask(e, &prefix, path);
    cfmt_program_ask(e, &prefix, path);
    ck_assert_int_eq(e->programs->nelts, 1);
    acting_end();
}
END_TEST

Suite *suite_program(void)
{
    Suite *s = suite_create("program");
    TCase *tc = tcase_create("program");

    tcase_add_checked_fixture(tc, unit_setup, unit_teardown);
    tcase_set_timeout(tc, UNIT_LIMIT);
    tcase_add_loop_test(tc, its_exit_status_is_the_answer, 0, KIT_COUNT(cases));
    tcase_add_test(tc, a_missing_one_is_no_yes);
    tcase_add_test(tc, one_that_hangs_is_ended);
    tcase_add_test(tc, it_dies_with_the_engine);
    tcase_add_test(tc, it_gets_none_of_our_descriptors_nor_our_environment);
    tcase_add_test(tc, it_is_not_started_twice);
    suite_add_tcase(s, tc);
    return s;
}
