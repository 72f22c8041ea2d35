/*
 * The leader lock and its heartbeat: one holder, free at its death, a file that can be trusted by
 * root.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cfmt_engine.h"
#include "unit.h"

#define NOW (1700000000 * APR_USEC_PER_SEC)

static const char *db(void)
{
    return unit_path("cfmt.db");
}

START_TEST(one_leads_and_release_frees)
{
    cfmt_leader_t *a, *b;

    ck_assert_int_eq(cfmt_leader_take(&a, db(), NOW, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_leader_take(&b, db(), NOW, unit_pool), APR_EBUSY);
    cfmt_leader_release(a);
    ck_assert_int_eq(cfmt_leader_take(&b, db(), NOW, unit_pool), APR_SUCCESS);
    cfmt_leader_release(b);
}
END_TEST

START_TEST(death_frees)
{
    cfmt_leader_t *l;
    int ready[2];
    char c;
    pid_t pid;

    (void)db(); /* the directory is made on first use: not in the child */
    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        cfmt_leader_take(&l, db(), NOW, unit_pool);
        (void)!write(ready[1], "x", 1);
        pause();
        _exit(0);
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_int_eq(cfmt_leader_take(&l, db(), NOW, unit_pool), APR_EBUSY);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(cfmt_leader_take(&l, db(), NOW, unit_pool), APR_SUCCESS);
    cfmt_leader_release(l);
}
END_TEST

static void write_file(const char *text)
{
    FILE *f = fopen(unit_path("cfmt.db.leader"), "w");

    fputs(text, f);
    fclose(f);
}

/* Who gave it up is no death; who died stays one until somebody who tells of it has led. */
START_TEST(whoever_leads_next_knows_how_the_last_one_ended)
{
    cfmt_heartbeat_t hb;
    const cfmt_heartbeat_t *before;
    cfmt_leader_t *l;

    ck_assert_int_eq(cfmt_leader_take(&l, db(), NOW, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_leader_inherit(l)->pid, 0);
    ck_assert_int_eq(cfmt_leader_beat(l, 7, NOW + 6), APR_SUCCESS);
    cfmt_leader_release(l);
    ck_assert_int_eq(cfmt_leader_read(&hb, db()), APR_SUCCESS);
    ck_assert(hb.ended && hb.round == 7 && hb.at == NOW + 6);
    write_file("77 1 2 3\n");
    ck_assert_int_eq(cfmt_leader_take(&l, db(), NOW, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_leader_read(&hb, db()), APR_SUCCESS);
    ck_assert(!hb.ended && hb.pid == getpid());
    cfmt_leader_release(l); /* it did not ask */
    ck_assert_int_eq(cfmt_leader_take(&l, db(), NOW, unit_pool), APR_SUCCESS);
    before = cfmt_leader_inherit(l);
    ck_assert(!before->ended && before->pid == 77 && before->started_at == 1 && before->round == 2
              && before->at == 3);
    cfmt_leader_release(l);
    ck_assert_int_eq(cfmt_leader_take(&l, db(), NOW, unit_pool), APR_SUCCESS);
    ck_assert(cfmt_leader_inherit(l)->ended);
    cfmt_leader_release(l);
}
END_TEST

START_TEST(heartbeat_round_trip)
{
    cfmt_heartbeat_t hb;
    cfmt_leader_t *l;

    ck_assert_int_eq(cfmt_leader_read(&hb, db()), CFMT_EMISSING);
    ck_assert_int_eq(cfmt_leader_take(&l, db(), NOW, unit_pool), APR_SUCCESS);
    ck_assert_int_eq(cfmt_leader_beat(l, 123456789, NOW + 5), APR_SUCCESS);
    ck_assert_int_eq(cfmt_leader_beat(l, 7, NOW + 6),
                     APR_SUCCESS); /* shorter: nothing of the old one is left */
    ck_assert_int_eq(cfmt_leader_read(&hb, db()), APR_SUCCESS);
    ck_assert_int_eq(hb.pid, getpid());
    ck_assert_int_eq(hb.started_at, NOW);
    ck_assert_int_eq(hb.round, 7);
    ck_assert_int_eq(hb.at, NOW + 6);
    cfmt_leader_release(l);
}
END_TEST

START_TEST(a_replaced_file_ends_leadership)
{
    cfmt_leader_t *a, *b;

    ck_assert_int_eq(cfmt_leader_take(&a, db(), NOW, unit_pool), APR_SUCCESS);
    unlink(unit_path("cfmt.db.leader"));
    ck_assert_int_eq(cfmt_leader_beat(a, 1, NOW), CFMT_EREPLACED);
    ck_assert_int_eq(cfmt_leader_take(&b, db(), NOW, unit_pool), APR_SUCCESS);
    cfmt_leader_release(a);
    cfmt_leader_release(b);
}
END_TEST

START_TEST(nonsense_is_no_heartbeat)
{
    static const char *const lines[] = { "",           "x",
                                         "1 2 3 4\n",  "0 1 2 3\n",
                                         "-7 1 2 3\n", "99999999999 1 2 3\n",
                                         "77 1 2\n",   "77 1 2 3 4\n",
                                         "77 1 2 -3\n",
                                         "77 -1 2 3\n", "77 1 -2 3\n",
                                         "77 1 2 9223372036854775808\n",
                                         "77 1 2 3\n4", "77 1 2 3 ended 5\n", "77 1 2 3 endedx\n",
                                         "77 1 2 ended\n", "+77 1 2 3\n",
                                         "77 1 2 253402300800000000\n" };
    cfmt_heartbeat_t hb;
    apr_size_t i;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        write_file(lines[i]);
        ck_assert_msg(cfmt_leader_read(&hb, db()) == CFMT_EMISSING, "accepted '%s'", lines[i]);
    }
}
END_TEST

START_TEST(links_pipes_and_missing_directories)
{
    cfmt_heartbeat_t hb;
    cfmt_leader_t *l;

    ck_assert_int_eq(symlink("/etc/passwd", unit_path("cfmt.db.leader")), 0);
    ck_assert_int_eq(cfmt_leader_read(&hb, db()), CFMT_ELINK);
    ck_assert_int_eq(cfmt_leader_take(&l, db(), NOW, unit_pool), CFMT_ELINK);
    unlink(unit_path("cfmt.db.leader"));
    ck_assert_int_eq(mkfifo(unit_path("cfmt.db.leader"), 0600),
                     0); /* opening one for reading would block */
    ck_assert_int_eq(cfmt_leader_read(&hb, db()), CFMT_EMISSING);
    ck_assert_int_eq(cfmt_leader_take(&l, unit_path("none/cfmt.db"), NOW, unit_pool),
                     CFMT_EMISSING);
}
END_TEST

UNIT_SUITE_BEGIN(leader)
UNIT_TEST(one_leads_and_release_frees)
UNIT_TEST(death_frees)
UNIT_TEST(heartbeat_round_trip)
UNIT_TEST(whoever_leads_next_knows_how_the_last_one_ended)
UNIT_TEST(a_replaced_file_ends_leadership)
UNIT_TEST(nonsense_is_no_heartbeat)
UNIT_TEST(links_pipes_and_missing_directories)
UNIT_SUITE_END
