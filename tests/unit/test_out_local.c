/*
 * Unit tests of src/notify/command.c and syslog.c: a program that gets JSON on its standard input,
 * and a line for the system's log; with what both do wrong.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#include "notify/out.h"
#include "outgoing.h"
#include "unit.h"

#define NOBODY 65534

/* ---- command --------------------------------------------------------------------------------- */

static const char *script(const char *text)
{
    const char *path = unit_path("tell");
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    fprintf(f, "#!/bin/sh\n%s\n", text);
    fclose(f);
    ck_assert_int_eq(chmod(path, 0755), 0);
    ck_assert_int_eq(chmod(unit_tmpdir(), 0777), 0);
    return path;
}

/* In the test's own process: nothing here may be run as root. */
static cfmt_sent_e run(const char *path)
{
    cfmt_channel_conf_t c = outgoing_channel(
        apr_pstrcat(unit_pool, "command name=mail path=", path, NULL), "");

    if (geteuid() == 0) {
        ck_assert_int_eq(setgid(NOBODY), 0);
        ck_assert_int_eq(setuid(NOBODY), 0);
    }
    return outgoing_send(&c);
}

static const struct {
    const char *text;
    int how;
    const char *detail;
} cases[] = {
    { "echo queued as 4711; exit 0", CFMT_SENT_YES, "queued as 4711" },
    { "exit 0", CFMT_SENT_YES, "exit status 0" },
    { "echo no such user >&2; exit 65", CFMT_SENT_NEVER, "no such user" },
    { "echo busy; exit 75", CFMT_SENT_LATER, "busy" },
    { "exit 1", CFMT_SENT_LATER, "exit status 1" },
    { "exit 127", CFMT_SENT_BROKEN, "the program cannot be run" },
    { "kill -9 $$", CFMT_SENT_MAYBE, "ended by a signal" },
    { "i=0; while [ $i -lt 4000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1));"
      " done", CFMT_SENT_YES, "0123456789012345678901234567890123456789" },
};

START_TEST(its_exit_status_says_how_it_went)
{
    ck_assert_int_eq(run(script(cases[_i].text)), cases[_i].how);
    ck_assert_str_eq(outgoing_sent.detail, cases[_i].detail);
}
END_TEST

START_TEST(it_gets_the_message_and_nothing_else)
{
    const char *got = unit_path("got");
    apr_size_t len;

    ck_assert_int_eq(
        run(script(apr_psprintf(unit_pool, "cat > %s; echo $#; echo; env; ls /proc/self/fd", got))),
        CFMT_SENT_YES);
    ck_assert_str_eq(outgoing_sent.detail, "0");
    ck_assert_str_eq(unit_read(got, &len),
                     apr_pstrcat(unit_pool, cfmt_payload(&outgoing_message, outgoing_message.text,
                                                         unit_pool), "\n", NULL));
}
END_TEST

/* Larger than a pipe takes: nobody has to write while it reads. */
START_TEST(a_long_message_arrives_whole)
{
    char *text = apr_palloc(unit_pool, 200001);

    memset(text, 'x', 200000);
    text[200000] = '\0';
    outgoing_message.text = text;
    ck_assert_int_eq(run(script("sleep 0.2; wc -c")), CFMT_SENT_YES);
    ck_assert_str_eq(outgoing_sent.detail,
                     apr_psprintf(unit_pool, "%" APR_SIZE_T_FMT,
                                  strlen(cfmt_payload(&outgoing_message, text, unit_pool)) + 1));
}
END_TEST

START_TEST(one_that_does_not_read_is_not_waited_for)
{
    ck_assert_int_eq(run(script("exec 0<&-; echo ok")), CFMT_SENT_YES);
    ck_assert_str_eq(outgoing_sent.detail, "ok");
}
END_TEST

START_TEST(one_that_hangs_is_ended)
{
    cfmt_command_limit = apr_time_from_msec(300);
    ck_assert_int_eq(run(script("sleep 60")), CFMT_SENT_MAYBE);
    ck_assert_str_eq(outgoing_sent.detail, "it did not end within 10 s, and was ended");
    cfmt_command_limit = apr_time_from_sec(10);
}
END_TEST

/* Ended before it has a session of its own, it is not waited for to its own end. */
START_TEST(one_that_only_just_began_is_ended)
{
    const cfmt_spawn_t what = { .path = "/bin/sleep", .arg = "20" };
    apr_time_t began = cfmt_monotonic();
    cfmt_program_t *g;
    apr_pool_t *p;
    int i;

    for (i = 0; i < 50; i++) {
        apr_pool_create(&p, unit_pool);
        ck_assert_int_eq(cfmt_program_start(&g, &what, apr_time_from_sec(10), p), APR_SUCCESS);
        apr_pool_destroy(p);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    }
    ck_assert(cfmt_monotonic() - began < apr_time_from_sec(10));
}
END_TEST

START_TEST(a_missing_one_breaks_the_channel)
{
    ck_assert_int_eq(run("/nonexistent/tell"), CFMT_SENT_BROKEN);
    ck_assert_str_eq(outgoing_sent.detail, "the program cannot be run");
}
END_TEST

START_TEST(never_as_root)
{
    cfmt_channel_conf_t c = outgoing_channel("command name=mail path=/bin/true", "");

    if (geteuid() == 0) {
        ck_assert_int_eq(outgoing_send(&c), CFMT_SENT_BROKEN);
        ck_assert_str_eq(outgoing_sent.detail, "it is not run as root");
    }
}
END_TEST

/* A slow one holds up nobody: the second message is out while the first is on its way. */
static void see(void *baton, const cfmt_sent_t *sent)
{
    ck_assert_int_eq(sent->how, CFMT_SENT_YES);
    ++*(int *)baton;
}

START_TEST(one_delays_no_other)
{
    cfmt_channel_conf_t slow = outgoing_channel(
        apr_pstrcat(unit_pool, "command name=slow path=", script("sleep 1"), NULL), "");
    apr_time_t began = cfmt_monotonic(), due;
    int told = 0;

    if (geteuid() == 0) {
        ck_assert_int_eq(setgid(NOBODY), 0);
        ck_assert_int_eq(setuid(NOBODY), 0);
    }
    cfmt_out_send(outgoing_out, &slow, &outgoing_message, see, &told);
    ck_assert_int_eq(run("/bin/true"), CFMT_SENT_YES);
    ck_assert(cfmt_monotonic() - began < apr_time_from_msec(900));
    ck_assert_int_eq(told, 0);
    for (due = 0; !told; usleep(10000)) {
        cfmt_out_step(outgoing_out, &due);
        ck_assert(cfmt_monotonic() - began < apr_time_from_sec(10));
    }
    ck_assert(due > OUTGOING_NOW && due <= OUTGOING_NOW + apr_time_from_sec(1));
}
END_TEST

/* ---- syslog ---------------------------------------------------------------------------------- */

static int listen_at(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    apr_cpystrn(at.sun_path, path, sizeof(at.sun_path));
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    cfmt_syslog_path = path;
    return fd;
}

START_TEST(a_message_is_one_line)
{
    cfmt_channel_conf_t c = outgoing_channel("syslog name=log facility=local3", "");
    int fd = listen_at(unit_path("log"));
    char line[4096] = "";
    const char *text;

    outgoing_message.text = "ATTACK\n\nUDP \033[31mflood\n";
    ck_assert_int_eq(outgoing_send(&c), CFMT_SENT_YES);
    ck_assert_int_gt(recv(fd, line, sizeof(line) - 1, 0), 0);
    ck_assert_msg(!strncmp(line, "<156>", 5), "%s", line); /* local3.warning */
    text = strstr(line, "]: ");
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, "]: ATTACK | UDP \\x1b[31mflood");
    ck_assert_ptr_nonnull(strstr(line, apr_psprintf(unit_pool, " mod_cfmt[%d]: ", (int)getpid())));
    close(fd);
}
END_TEST

static void send_another(void *baton, const cfmt_sent_t *sent)
{
    int *left = baton;
    cfmt_channel_conf_t *c = apr_palloc(unit_pool, sizeof(*c));

    ck_assert_int_eq(sent->how, CFMT_SENT_YES);
    if (--*left) {
        *c = outgoing_channel("syslog name=log", "");
        cfmt_out_send(outgoing_out, c, &outgoing_message, send_another, left);
    }
}

/* Whoever is told that one is out may send the next at once. */
START_TEST(a_done_may_send_another)
{
    cfmt_channel_conf_t c = outgoing_channel("syslog name=log", "");
    int fd = listen_at(unit_path("log")), left = 3, i;
    apr_time_t due = 0;

    cfmt_out_send(outgoing_out, &c, &outgoing_message, send_another, &left);
    for (i = 3; i > 0; i--) {
        ck_assert_int_eq(left, i);
        cfmt_out_step(outgoing_out, &due);
    }
    ck_assert_int_eq(left, 0);
    close(fd);
}
END_TEST

START_TEST(a_full_log_is_not_waited_for)
{
    cfmt_channel_conf_t c = outgoing_channel("syslog name=log", "");
    int fd = listen_at(unit_path("log")), i;

    for (i = 0; i < 2000 && outgoing_send(&c) == CFMT_SENT_YES; i++) {
    }
    ck_assert_int_eq(outgoing_sent.how, CFMT_SENT_LATER);
    ck_assert_str_eq(outgoing_sent.detail, "the system's log is full");
    close(fd);
}
END_TEST

START_TEST(without_a_log_it_is_tried_again)
{
    cfmt_channel_conf_t c = outgoing_channel("syslog name=log", "");

    cfmt_syslog_path = unit_path("nobody");
    ck_assert_int_eq(outgoing_send(&c), CFMT_SENT_LATER);
    ck_assert_ptr_nonnull(strstr(outgoing_sent.detail, "No such file"));
}
END_TEST

Suite *suite_out_local(void)
{
    Suite *s = suite_create("out_local");
    TCase *tc = tcase_create("out_local");

    tcase_add_checked_fixture(tc, outgoing_setup, outgoing_teardown);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    tcase_add_loop_test(tc, its_exit_status_says_how_it_went, 0,
                        (int)(sizeof(cases) / sizeof(cases[0])));
    UNIT_TEST(it_gets_the_message_and_nothing_else)
    UNIT_TEST(a_long_message_arrives_whole)
    UNIT_TEST(one_that_does_not_read_is_not_waited_for)
    UNIT_TEST(one_that_hangs_is_ended)
    UNIT_TEST(one_that_only_just_began_is_ended)
    UNIT_TEST(a_missing_one_breaks_the_channel)
    UNIT_TEST(never_as_root)
    UNIT_TEST(one_delays_no_other)
    UNIT_TEST(a_message_is_one_line)
    UNIT_TEST(a_done_may_send_another)
    UNIT_TEST(a_full_log_is_not_waited_for)
    UNIT_TEST(without_a_log_it_is_tried_again)
    return s;
}
