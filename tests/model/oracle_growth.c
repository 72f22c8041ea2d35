/*
 * Nothing grows without bound (11): each table of the store has no more rows than what happened in
 * the time that it keeps can make, and the file stays as large as it was when retention had begun.
 * In a year the bounds are so narrow that a row an hour too many is found; that is checked, too.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <apr_strings.h>

#include "model.h"

#define SETTLED (120 * DAY) /* retention has run for two of its times: no file needs more */

/*
 * What there may be: so many rows at all, for each day that is kept, for each attack of the plan in
 * that time. days: that retention leaves in a simulated year, and two more; 0 = all of them.
 */
typedef struct bound_t {
    const char *table;
    int days, all, a_day, each;
} bound_t;

static const bound_t bounds[] = {
    { "journal", 62, 5500, 50, 40 }, { "event", 62, 100, 8, 10 }, { "event_repeat", 62, 20, 0, 2 },
    { "attack", 62, 20, 0, 2 }, { "attack_key", 62, 30, 0, 4 }, { "entity", 62, 40, 6, 0 },
    { "evidence", 12, 500, 20, 10 }, { "evidence_minute", 12, 500, 20, 50 },
    { "traffic_event", 12, 300, 0, 40 }, { "traffic_sum", 12, 1000, 0, 150 },
    { "intent", 62, 50, 0, 5 }, { "hold", 62, 80, 0, 1 }, { "window", 62, 80, 0, 1 },
    { "proposal", 62, 50, 0, 2 }, { "adoption", 62, 50, 0, 1 }, { "outbox", 12, 200, 100, 40 },
    { "audit", 0, 200, 2, 8 },
    { "prefix", 0, PREFIXES, 0, 0 }, { "decision", 0, PREFIXES, 0, 0 },
    { "standing", 0, PREFIXES, 0, 0 }, { "rule", 0, PREFIXES, 0, 0 }, { "tunnel", 62, 10, 0, 0 },
    { "job", 0, 20, 0, 0 }, { "sensed", 0, 20, 0, 0 }, { "reading", 0, 20, 0, 0 },
    { "range", 0, 30, 0, 0 }, { "setting", 0, 40, 0, 0 }, { "meta", 0, 20, 0, 0 },
    { "channel", 0, 3, 0, 0 }, { "imported", 0, 0, 0, 0 },
};
#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

static apr_int64_t file_most; /* until it had settled */

void oracle_growth_begin(void)
{
    file_most = 0;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static int days_played(void)
{
    return (int)((m.now - m.plan.from) / DAY) + 1;
}

static int days_kept(const bound_t *b)
{
    int days = days_played();

    return m.years && b->days && days > b->days ? b->days : days;
}

static int attacks_since(apr_time_t t)
{
    int i, n = 0;

    for (i = m.next - 1; i >= 0 && m.plan.ev[i].at >= t; i--) {
        n += m.plan.ev[i].kind == EV_ATTACK;
    }
    return n;
}

static apr_int64_t rows_of(const bound_t *b)
{
    return eye_int("SELECT count(*) FROM %s", b->table);
}

static apr_int64_t most_of(const bound_t *b)
{
    int days = days_kept(b);

    return b->all + (apr_int64_t)b->a_day * days
           + (apr_int64_t)b->each * attacks_since(m.now - days * DAY);
}

/* Of the journal two an hour: a prefix that nobody can judge makes as many as an attack. */
static apr_int64_t grown_by(const bound_t *b)
{
    return (strcmp(b->table, "journal") ? 24 : 48) * (365 - b->days);
}

static void check_table(const bound_t *b, int end)
{
    apr_int64_t rows = rows_of(b), most = most_of(b);

    if (rows > most) {
        model_fail(11, "table %s has %" APR_INT64_T_FMT " rows, and %" APR_INT64_T_FMT
                   " at most are expected", b->table, rows, most);
    }
    else if (end && days_played() > 364 && most - rows >= grown_by(b)) {
        model_fail(0, "a row an hour too many in table %s would not be found: it has %"
                   APR_INT64_T_FMT ", and %" APR_INT64_T_FMT " are allowed", b->table, rows, most);
    }
}

static void check_tables(int end)
{
    apr_pool_t *p;
    char *names, *name, *last;
    apr_size_t i;

    apr_pool_create(&p, m.pool);
    names = (char *)eye_text("SELECT group_concat(name) FROM sqlite_master WHERE type = 'table'"
                             " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'", p);
    for (name = apr_strtok(names, ",", &last); name; name = apr_strtok(NULL, ",", &last)) {
        for (i = 0; i < BOUNDS && strcmp(bounds[i].table, name); i++) {
        }
        if (i == BOUNDS) {
            model_fail(11, "table %s has no bound: say in oracle_growth.c what it may hold", name);
            break;
        }
        check_table(&bounds[i], end);
    }
    apr_pool_destroy(p);
}

/* ---- the file -------------------------------------------------------------------------------- */

static apr_int64_t size_of(const char *path)
{
    struct stat sb;

    return stat(path, &sb) ? 0 : (apr_int64_t)sb.st_size;
}

static void check_file(void)
{
    apr_int64_t size = size_of(m.db);

    if (m.now - m.plan.from < SETTLED) {
        file_most = size > file_most ? size : file_most;
    }
    else if (size > file_most / 2 * 3) {
        model_fail(11, "the file has grown from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT
                   " bytes", file_most, size);
    }
}

/* Nothing hinders it for longer than somebody else's lock. */
static void check_job(void)
{
    apr_pool_t *p;
    const char *why;

    apr_pool_create(&p, m.pool);
    why = eye_text("SELECT last_result FROM job WHERE name = 'retention' AND fails > 0", p);
    if (why) {
        model_fail(11, "retention fails: %s", why);
    }
    apr_pool_destroy(p);
}

void oracle_growth(int end)
{
    check_tables(end);
    check_file();
    check_job();
}

/* ---- for people ------------------------------------------------------------------------------ */

static double megabytes(apr_int64_t n)
{
    return (double)n / (1 << 20);
}

void growth_show(int end)
{
    struct rusage use;
    apr_size_t i;
    char wal[300];

    getrusage(RUSAGE_SELF, &use);
    apr_snprintf(wal, sizeof(wal), "%s-wal", m.db);
    printf("world %" APR_UINT64_T_FMT ", profile %d, day %d: %" APR_INT64_T_FMT " attacks, %"
           APR_INT64_T_FMT " rounds, file %.1f MB, log %.1f MB, memory %.1f MB, processor %.0f s\n",
           m.seed, m.plan.profile, days_played(), m.attacks, m.rounds, megabytes(size_of(m.db)),
           megabytes(size_of(wal)), (double)use.ru_maxrss / 1024,
           (double)clock() / CLOCKS_PER_SEC);
    for (i = 0; end && i < BOUNDS; i++) {
        printf("%s%s %" APR_INT64_T_FMT " of %" APR_INT64_T_FMT "%s", i % 6 ? ", " : "    ",
               bounds[i].table, rows_of(&bounds[i]), most_of(&bounds[i]),
               i % 6 == 5 || i + 1 == BOUNDS ? "\n" : "");
    }
}
