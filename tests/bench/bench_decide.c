/*
 * The deciding part of a round over many prefixes and open attacks: what a look costs when nothing
 * has changed and when everything has, how long the commit lock is held, and how soon a START that
 * was answered is decided upon. Links the core library and reaches into the room:
 *
 *     gcc -O2 -std=gnu99 -D_GNU_SOURCE -Iinclude -Isrc -o bench_decide tests/bench/bench_decide.c
 *         .libs/libcfmt.a $(pkg-config --cflags --libs apr-1 apr-util-1 sqlite3 yajl libcurl
 *         libcrypto) -lpthread -lanl -lm
 *     ./bench_decide FILE [prefixes [attacks]]
 *
 * FILE must not exist. The baseline is a walk through all gates of one empty case for each prefix,
 * on this machine, now.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "engine/decide.h"

#define ROUNDS 21
#define OURS "9035f53656c247e895c5a6939ae8a0e0"

static apr_pool_t *pool;
static apr_time_t started;
static int prefixes = 1000, attacks = 100;

static void must(apr_status_t rv, const char *what)
{
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s: %s\n", what, cfmt_status_text(rv, pool));
        exit(1);
    }
}

static double ms(apr_time_t since)
{
    return (double)(cfmt_monotonic() - since) / 1000;
}

/* Of this thread: what others run beside it does not count. */
static apr_time_t cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return apr_time_from_sec(t.tv_sec) + t.tv_nsec / 1000;
}

static int by_size(const void *a, const void *b)
{
    return *(const double *)a > *(const double *)b ? 1 : -1;
}

/* ---- what there is --------------------------------------------------------------------------- */

static void append(cfmt_store_t *s, const char *kind, const char *body)
{
    cfmt_entry_t row = { .kind = kind, .at = apr_time_now(), .origin = "bench", .body = body,
                         .len = strlen(body) };

    must(cfmt_journal_append(s, &row), "append");
}

static const char *cidr_text(int i)
{
    return apr_psprintf(pool, "10.%d.%d.0/24", i / 256, i % 256);
}

static void add_prefixes(cfmt_store_t *s)
{
    int i;

    must(cfmt_store_begin(s, -1), "begin");
    for (i = 0; i < prefixes; i++) {
        cfmt_bgp_prefix_t b = { .id = apr_psprintf(pool, "b%d", i), .parent = "p", .approved = 1,
                                .enabled = 1, .locked = 0, .bgp_control = 0, .auto_withdraw = -1,
                                .advertised = i % 2,
                                .advertised_at = started - apr_time_from_sec(86400) };

        must(cfmt_cidr_parse(&b.cidr, NULL, cidr_text(i)), "prefix");
        append(s, "prefix_state", cfmt_prefix_encode(&b, 0, pool));
    }
    must(cfmt_reading_note(s, "parent", "p", apr_time_now()), "reading");
    must(cfmt_store_commit(s), "commit");
}

static void add_evidence(cfmt_store_t *s)
{
    apr_time_t to = started / CFMT_MINUTE * CFMT_MINUTE;
    cfmt_evidence_t e = { .from = to - 60 * CFMT_MINUTE, .to = to, .complete = to };
    int i;

    e.prefixes = apr_array_make(pool, prefixes, sizeof(cfmt_cidr_t));
    e.rows = apr_array_make(pool, 64, sizeof(cfmt_evidence_row_t));
    for (i = 0; i < prefixes; i++) {
        must(cfmt_cidr_parse(apr_array_push(e.prefixes), NULL, cidr_text(i)), "prefix");
    }
    must(cfmt_store_begin(s, -1), "begin");
    append(s, "evidence", cfmt_evidence_encode(&e, pool));
    must(cfmt_store_commit(s), "commit");
}

static void add_attack(cfmt_store_t *s, int i)
{
    append(s, "delivery", apr_psprintf(
        pool, "{\"account_id\":\"" OURS "\",\"alert_event\":\"ALERT_STATE_EVENT_START\","
        "\"alert_type\":\"advanced_ddos_attack_l4_alert\",\"data\":{\"attack_id\":\"a%d\","
        "\"target_ip\":\"10.%d.%d.7\",\"packets_per_second\":100000},\"text\":\"t\","
        "\"ts\":%" APR_INT64_T_FMT "}", i, i * 10 % prefixes / 256, i * 10 % prefixes % 256,
        apr_time_sec(apr_time_now())));
}

/* ---- the engine ------------------------------------------------------------------------------ */

static cfmt_engine_t *make_engine(const char *db)
{
    cfmt_engine_conf_t conf = { .db = db };
    apr_table_t *t = apr_table_make(pool, 4);

    apr_table_setn(t, "AccountId", OURS);
    apr_table_setn(t, "Mode", "enforce");
    apr_table_setn(t, "Prefix *", "withdraw=auto advertise=manual");
    conf.settings = t;
    return cfmt_engine_create(&conf, pool);
}

static void project(cfmt_engine_t *e)
{
    cfmt_result_t r = { .status = APR_SUCCESS };
    apr_pool_t *p;

    apr_pool_create(&p, pool);
    must(cfmt_engine_project(e, &r, p), r.detail ? r.detail : "project");
    apr_pool_destroy(p);
}

/* One look, whenever the last one was. */
static double look(cfmt_engine_t *e)
{
    apr_time_t due = 0, since;
    apr_pool_t *p;
    double took;

    apr_pool_create(&p, pool);
    project(e);
    e->decider = cfmt_decider_create(p); /* nothing is put off */
    since = cpu();
    must(cfmt_decide_run(e, &due, p), "decide");
    took = (double)(cpu() - since) / 1000;
    e->decider = cfmt_decider_create(e->store_pool);
    apr_pool_destroy(p);
    return took;
}

/* ---- figures --------------------------------------------------------------------------------- */

static double baseline(void)
{
    apr_time_t since = cpu();
    int i;

    for (i = 0; i < prefixes; i++) {
        cfmt_decision_t d;
        cfmt_case_t c;

        cfmt_case_init(&c, started);
        cfmt_withdraw_decide(&d, &c);
    }
    return (double)(cpu() - since) / 1000;
}

static double quiet(cfmt_engine_t *e)
{
    double t[ROUNDS];
    int i;

    for (i = 0; i < ROUNDS; i++) {
        t[i] = look(e);
    }
    qsort(t, ROUNDS, sizeof(t[0]), by_size);
    printf("a look without news: median %.1f ms of CPU, worst %.1f ms; %.0f times the"
           " baseline\n",
           t[ROUNDS / 2], t[ROUNDS - 1], t[ROUNDS / 2] / baseline());
    return t[ROUNDS / 2];
}

/* From its commit to the commit of what was decided: projecting included. */
static void answered(cfmt_engine_t *e, cfmt_store_t *s)
{
    apr_time_t since;
    double longest = 0, took;
    int i;

    for (i = 0; i < 5; i++) {
        must(cfmt_store_begin(s, -1), "begin");
        add_attack(s, attacks + 2 * i + 1);
        must(cfmt_store_commit(s), "commit");
        since = cfmt_monotonic();
        look(e);
        took = ms(since);
        longest = took > longest ? took : longest;
    }
    printf("START to decided: at most %.1f ms, behind up to 50 ms between two rounds\n", longest);
}

int main(int argc, char **argv)
{
    cfmt_result_t r = { .detail = NULL };
    cfmt_engine_t *e;
    cfmt_store_t *s;
    double first;
    int i;

    if (argc < 2 || apr_initialize() || apr_pool_create(&pool, NULL)) {
        fprintf(stderr, "bench_decide FILE [prefixes [attacks]]\n");
        return 2;
    }
    prefixes = argc > 2 ? atoi(argv[2]) : prefixes;
    attacks = argc > 3 ? atoi(argv[3]) : attacks;
    started = apr_time_now();
    must(cfmt_prepare_store(argv[1], make_engine(argv[1])->conf.settings, started, &r, pool),
         "prepare");
    must(cfmt_store_open(&s, argv[1], CFMT_STORE_WRITE, &r, pool), "open");
    add_prefixes(s);
    add_evidence(s);
    must(cfmt_store_begin(s, -1), "begin");
    for (i = 0; i < attacks; i++) {
        add_attack(s, i);
    }
    must(cfmt_store_commit(s), "commit");
    e = make_engine(argv[1]);
    project(e);
    first = look(e);
    printf("%d prefixes, %d open attacks: everything new in %.1f ms of CPU\n", prefixes, attacks, first);
    quiet(e);
    answered(e, s);
    return 0;
}
