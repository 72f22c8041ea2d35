/*
 * Plays worlds. Each seed has several: a world's rounds get dearer as its tables grow, and a short
 * one has all that a long one has. A world has a number of its own, made of the seed's, by which it
 * is played again.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <time.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "model.h"

#define FIXED 8
#define FRESH 8
#define LONG 10                  /* seeds of --years, a world each */
#define WORLDS 6                 /* of a seed */
#define EPISODES 32              /* of a world */

model_t m;
static char dir[200];

/* ---- configuration --------------------------------------------------------------------------- */

static void begin_settings(void)
{
    rnd_t r = { rnd_mix(m.seed, 6) };

    m.conf = (conf_t){ .enforce = 1, .calm = 15 * MIN, .calm_max = 2 * HOUR,
                       .min_advertised = 15 * MIN, .min_withdrawn = 15 * MIN, .lag = 5 * MIN,
                       .poll = m.years ? 10 * MIN : MIN, .timeout = DAY };
    m.conf.check = rnd_chance(&r, 30);
    m.conf.calm = rnd_chance(&r, 60) ? 15 * MIN : rnd_span(&r, 10, 25) * MIN;
}

static void set(const char *name, const char *value)
{
    apr_table_set(m.settings, name, value);
}

static void set_time(const char *name, apr_interval_time_t d)
{
    apr_table_setn(m.settings, name, cfmt_duration_format(m.pool, d));
}

void settings_make(void)
{
    int i;

    m.settings = apr_table_make(m.pool, 24);
    set("AccountId", ACCOUNT);
    set("Mode", m.conf.enforce ? "enforce" : "observe");
    set("Retention", m.years ? "journal=60d evidence=10d traffic=10d rejected=10d outbox=10d"
                             : "journal=400d evidence=30d traffic=90d rejected=30d");
    set_time("Calm", m.conf.calm);
    set_time("MinAdvertised", m.conf.min_advertised);
    set_time("PollInterval", m.conf.poll);
    set_time("AnalyticsInterval", m.conf.poll);
    if (m.years) { /* longer than a poll takes */
        set("BlindAfter", "45m");
    }
    if (m.conf.check) {
        set("WithdrawCheck", "exec:/bin/true");
    }
    for (i = 0; i < PREFIXES; i++) {
        set(apr_pstrcat(m.pool, "Prefix ", m.w.prefix[i].text, NULL), m.w.prefix[i].options);
    }
    (void)told_channels();
}

void settings_publish(void)
{
    cfmt_result_t r = { .status = APR_SUCCESS };
    apr_pool_t *p;

    settings_make();
    apr_pool_create(&p, m.pool);
    if (cfmt_prepare_store(m.db, m.settings, model_clock(), &r, p) != APR_SUCCESS) {
        model_fail(0, "the store cannot be prepared: %s", r.detail);
    }
    apr_pool_destroy(p);
}

/* ---- one run --------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
    (void)sb, (void)type, (void)ftw;
    return remove(path);
}

static void begin(void)
{
    const char *base = getenv("CFMT_MODEL_DIR"); /* of who may end us before we tidy up */

    base = base ? base : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    apr_snprintf(dir, sizeof(dir), "%s/cfmt-model-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(dir)) {
        perror(dir);
        exit(1);
    }
    apr_pool_create_unmanaged_ex(&m.pool, NULL, NULL);
    m.db = apr_pstrcat(m.pool, dir, "/cfmt.db", NULL);
    m.now = m.plan.from;
    m.off = 0;
    m.jumped_at = m.conf_at = m.killed_at = m.traffic_at = 0;
    memset(m.shown_at, 0, sizeof(m.shown_at));
    m.waited = 0;
    m.next = m.depth = m.pids = m.down = 0;
    m.cur = NULL;
    m.leaderless = m.now;
    m.rounds = m.attacks = 0;
    *m.failure = '\0';
    memset(m.node, 0, sizeof(m.node));
    memset(m.origin_ok, 0, sizeof(m.origin_ok));
    m.node[1].index = 1;
    trace_begin();
    agenda_reset();
    begin_settings();
    world_begin(m.seed, m.plan.profile);
    alerts_begin();
    things_begin();
    orders_begin();
    ambush_begin();
    oracle_begin();
    oracle_store_begin();
    told_begin();
}

/* Over for days. Without a target, and open, it is in everybody's way for longer. */
static int is_past(const attack_t *a)
{
    int stays = a->ev->how & ATTACK_NO_TARGET && !a->closed_at && a->last_end < a->last_start;

    return a->to < m.now - (stays ? 400 : 4) * DAY;
}

static void each_minute(void *arg)
{
    apr_int64_t n = (m.now - EPOCH) / MIN;

    oracle_live();
    oracle_safe();
    told_look();
    if (n % 10 == 0) {
        orders_routine();
    }
    if (n % (m.years ? 10080 : 360) == 0) {
        oracle_store(0);
    }
    if (m.years && !m.trying && n % 43200 == 0) {
        growth_show(0);
    }
    while (m.w.first < m.w.attacks->nelts && is_past(world_attack(m.w.first))) {
        m.w.first++;
    }
    agenda_add(m.now + MIN, each_minute, arg);
}

static void run_events(void)
{
    while (m.next < m.plan.n && m.plan.ev[m.next].at <= m.now) {
        m.plan.ev[m.next].count = m.plan.ev[m.next].struck = 0;
        world_event(&m.plan.ev[m.next++]);
    }
}

static apr_time_t next_time(void)
{
    apr_time_t t = agenda_next();
    int i;

    for (i = 0; i < NODES; i++) {
        t = node_due(&m.node[i]) < t ? node_due(&m.node[i]) : t;
    }
    return m.next < m.plan.n && m.plan.ev[m.next].at < t ? m.plan.ev[m.next].at : t;
}

static void step(void)
{
    int i;

    run_events();
    agenda_run(m.now);
    for (i = 0; i < NODES && !*m.failure; i++) {
        if (m.node[i].e && node_due(&m.node[i]) <= m.now) {
            node_round(&m.node[i]);
            orders_look();
        }
    }
}

static void end(void)
{
    int i;

    for (i = 0; i < NODES; i++) {
        node_stop(&m.node[i], 1);
    }
    eye_close();
    apr_pool_destroy(m.pool);
    m.pool = NULL;
    if (!getenv("CFMT_MODEL_KEEP")) { /* else it is looked at */
        nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
}

int model_run(void)
{
    begin();
    node_start(&m.node[0]);
    eye_open();
    agenda_add(m.now + MIN, each_minute, NULL);
    while (!*m.failure && !shrink_enough() && (m.now = next_time()) < m.plan.to) {
        step();
    }
    if (!*m.failure && !shrink_enough()) {
        oracle_store(1);
        if (m.years && !m.trying) {
            growth_show(1);
        }
    }
    end();
    return *m.failure != '\0';
}

/* ---- many ------------------------------------------------------------------------------------ */

static apr_int64_t rounds, episodes;
static int violations;

static void keep_events(const char *list)
{
    ev_t *ev = m.plan.ev;
    int i, n = 0;

    for (i = 0; i < m.plan.n; i++) {
        const char *at = list;
        int found = 0;

        while (*at && !found) {
            char *rest;
            long from = strtol(at, &rest, 10), to = from;

            if (rest == at) {
                break;
            }
            to = *rest == '-' ? strtol(rest + 1, &rest, 10) : to;
            found = i >= from && i <= to;
            at = rest + (*rest == ',');
        }
        if (found) {
            ev[n++] = m.plan.ev[i];
        }
    }
    m.plan.n = n;
    m.plan.from = n ? ev[0].at - 20 * MIN : m.plan.from;
    m.plan.from -= m.plan.from % MIN;
}

static int run_world(apr_uint64_t number, int count, const char *events)
{
    apr_pool_t *p;
    int failed;

    apr_pool_create(&p, NULL);
    m.seed = number;
    m.episodes = count;
    plan_make(&m.plan, number, count, m.years, p);
    if (events) {
        keep_events(events);
    }
    failed = model_run();
    rounds += m.rounds;
    episodes += m.attacks;
    if (failed) {
        violations++;
        printf("world %" APR_UINT64_T_FMT ", profile %d: VIOLATED\n", number, m.plan.profile);
        if (events) {
            trace_show();
            printf("%s\n", m.failure);
        }
        else {
            shrink();
        }
    }
    apr_pool_destroy(p);
    return failed;
}

static void run_seed(apr_uint64_t seed, int count)
{
    apr_uint64_t first = seed * 100 + (m.years ? seed % 2 : 0); /* half of them have two channels */
    int i, worlds = m.years ? 1 : WORLDS;
    apr_int64_t r = rounds, n = episodes;
    clock_t began = clock();

    for (i = 0; i < worlds; i++) {
        (void)run_world(first + (apr_uint64_t)i, count, NULL);
    }
    printf("seed %" APR_UINT64_T_FMT ", worlds %" APR_UINT64_T_FMT " to %" APR_UINT64_T_FMT ": %"
           APR_INT64_T_FMT " episodes, %" APR_INT64_T_FMT " rounds in %.1f s\n", seed, first,
           first + (apr_uint64_t)worlds - 1, episodes - n, rounds - r,
           (double)(clock() - began) / CLOCKS_PER_SEC);
}

/* Addresses go into the seeds of hash tables, whose order must be the same again. */
static void fix_addresses(char **argv)
{
    int now = personality(0xffffffff);

    if (now >= 0 && !(now & ADDR_NO_RANDOMIZE) && !getenv("CFMT_MODEL_FIXED")
        && personality((unsigned long)now | ADDR_NO_RANDOMIZE) >= 0) {
        setenv("CFMT_MODEL_FIXED", "1", 1);
        execv("/proc/self/exe", argv);
    }
}

/* libapr asks it for the seeds of hash tables, too. */
apr_time_t apr_time_now(void)
{
    return m.now;
}

/* fresh: seeds that nobody has seen yet, too. base: the first of them; 0 = by the time. */
static void run_default(int count, int fresh, apr_uint64_t base)
{
    int i, fixed = m.years ? LONG : FIXED;

    base = base ? base : (apr_uint64_t)time(NULL) * 10;
    for (i = 0; i < fixed + (m.years ? 0 : fresh); i++) {
        run_seed(i < fixed ? (apr_uint64_t)(i + 1) : base + (apr_uint64_t)(i - fixed), count);
    }
}

int main(int argc, char **argv)
{
    const char *events = NULL, *seed = NULL, *world = NULL, *base = "0";
    int i, count = EPISODES, fresh = FRESH;

    fix_addresses(argv);
    apr_initialize();
    eye_begin();
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (!strcmp(argv[i], "--verbose")) {
            m.verbose++;
            continue;
        }
        if (!strcmp(argv[i], "--fixed")) {
            fresh = 0;
            continue;
        }
        seed = !strcmp(argv[i], "--seed") ? value : seed;
        world = !strcmp(argv[i], "--world") ? value : world;
        base = !strcmp(argv[i], "--fresh") ? value : base;
        count = !strcmp(argv[i], "--episodes") ? atoi(value) : count;
        m.years = !strcmp(argv[i], "--years") ? atoi(value) : m.years;
        events = !strcmp(argv[i], "--events") ? value : events;
        i++;
    }
    if (world) {
        (void)run_world(strtoull(world, NULL, 10), count, events);
    }
    else if (seed) {
        run_seed(strtoull(seed, NULL, 10), count);
    }
    else {
        run_default(count, fresh, strtoull(base, NULL, 10));
    }
    printf("%" APR_INT64_T_FMT " episodes, %" APR_INT64_T_FMT " rounds, %d violations\n", episodes,
           rounds, violations);
    apr_terminate();
    return violations ? 1 : 0;
}
