/*
 * What traffic says of attacks, over random minutes and attacks: unknown ends nothing, attack ends
 * nothing sooner, order is nothing, and what came true is not said again.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "traffic_case.h"
#include "unit.h"

#define STRIP 100

/* ---- properties over random cases ------------------------------------------------------------ */

#define CASES KIT_CASES(1500)

typedef struct random_t {
    row_t row;
    char minutes[3][STRIP + 1];
    char ids[MOST][4];
} random_t;

static void random_minutes(char *to, unsigned *seed)
{
    static const char letters[] = "...............??b2357";
    int i, left = 0;
    char c = '.';

    for (i = 0; i < STRIP; i++, left--) {
        if (left <= 0) {
            c = letters[kit_random(seed, sizeof(letters) - 1)];
            left = 1 + (int)kit_random(seed, c == '.' ? 25 : c == '?' ? 3 : 6);
        }
        to[i] = c;
    }
    to[STRIP] = '\0';
}

static void random_row(random_t *r, unsigned *seed)
{
    static const char *const hits[] = { "A", "B", "AB", "N", "*", "", "A", "B" };
    static const char names[] = "ABN";
    int i, n = (int)kit_random(seed, MOST);

    memset(r, 0, sizeof(*r));
    r->row.now = STRIP;
    r->row.timeout = 40 + (int)kit_random(seed, 40);
    for (i = 0; i < 3; i++) {
        random_minutes(r->minutes[i], seed);
        r->row.prefixes[i] = (watched_t){ names[i], r->minutes[i], kit_random(seed, 5) ? 0 : 1 };
        r->row.prefixes[i].since = kit_random(seed, 3) ? 0 : (int)kit_random(seed, 50);
        r->row.prefixes[i].calm = 5 + (int)kit_random(seed, 12);
    }
    for (i = 0; i < n; i++) {
        double start = kit_random(seed, 60) + kit_random(seed, 2) * 0.5;

        apr_snprintf(r->ids[i], sizeof(r->ids[i]), "x%d", i);
        r->row.attacks[i] = (struck_t){ r->ids[i], hits[kit_random(seed, KIT_COUNT(hits))],
                                        (int)kit_random(seed, 2), start, start,
                                        kit_random(seed, 2) ? start + kit_random(seed, 30) : 0 };
    }
}

/* When attack id is ended by what is said; 0 = not. */
static apr_time_t ended(const apr_array_header_t *says, const char *id)
{
    int i;

    for (i = 0; i < says->nelts; i++) {
        const cfmt_say_t *s = &APR_ARRAY_IDX(says, i, cfmt_say_t);

        if ((s->what == CFMT_SAYS_CALM || s->what == CFMT_SAYS_TIMEOUT) && !strcmp(s->id, id)) {
            return s->at;
        }
    }
    return 0;
}

static apr_array_header_t *says_of(const row_t *row)
{
    cfmt_traffic_case_t c = traffic_case(row);

    return cfmt_traffic_says(&c, unit_pool);
}

/* One minute becomes unknown, or an attack: nothing ends that did not, and nothing sooner. */
START_TEST(test_unknown_and_attack_end_nothing)
{
    unsigned seed = 11;
    int round, i, changed, seen = 0;

    for (round = 0; round < CASES; round++) {
        apr_array_header_t *before, *after;
        random_t r;
        char to = round % 2 ? '?' : '7';

        random_row(&r, &seed);
        before = says_of(&r.row);
        changed = (int)kit_random(&seed, STRIP);
        r.minutes[kit_random(&seed, 3)][changed] = to;
        after = says_of(&r.row);
        for (i = 0; i < MOST && r.row.attacks[i].id; i++) {
            apr_time_t was = ended(before, r.ids[i]), is = ended(after, r.ids[i]);

            seen += is != 0;
            ck_assert_msg(!is || (was && (is >= was || to == '?')),
                          "round %d: %s ended by minute %d", round, r.ids[i], changed);
        }
        apr_pool_clear(unit_pool);
    }
    ck_assert_int_gt(seen, CASES / 20);
}
END_TEST

/* What lies before the advertisement is nothing to calm, and a withdrawn prefix never is. */
START_TEST(test_only_while_advertised)
{
    unsigned seed = 12;
    int round, i, k, seen = 0;

    for (round = 0; round < CASES; round++) {
        apr_array_header_t *before, *after;
        random_t r;

        random_row(&r, &seed);
        r.row.timeout = 10000;
        for (i = 0; i < 3; i++) {
            r.row.prefixes[i].state = 0;
            r.row.prefixes[i].since = 40;
        }
        before = says_of(&r.row);
        for (i = 0; i < 3; i++) {
            for (k = 0; k < 40; k++) {
                r.minutes[i][k] = ".?2b"[kit_random(&seed, 4)];
            }
        }
        after = says_of(&r.row);
        for (i = 0; i < MOST && r.row.attacks[i].id; i++) {
            seen += ended(before, r.ids[i]) != 0;
            ck_assert_int_eq(ended(before, r.ids[i]), ended(after, r.ids[i]));
        }
        for (i = 0; i < 3; i++) {
            r.row.prefixes[i].state = 1;
        }
        after = says_of(&r.row);
        for (i = 0; i < MOST && r.row.attacks[i].id; i++) {
            ck_assert_int_eq(ended(after, r.ids[i]), 0);
        }
        apr_pool_clear(unit_pool);
    }
    ck_assert_int_gt(seen, CASES / 20);
}
END_TEST

START_TEST(test_order_is_nothing)
{
    unsigned seed = 13;
    int round, i, n, said = 0;

    for (round = 0; round < CASES; round++) {
        cfmt_traffic_case_t c, d;
        cfmt_struck_t *attacks = apr_pcalloc(unit_pool, MOST * sizeof(*attacks));
        cfmt_watched_t *prefixes = apr_pcalloc(unit_pool, MOST * sizeof(*prefixes));
        random_t r;

        random_row(&r, &seed);
        if (round % 2) { /* at the same time */
            for (i = 1; i < MOST && r.row.attacks[i].id; i++) {
                r.row.attacks[i].start = r.row.attacks[0].start;
                r.row.attacks[i].end = r.row.attacks[i].end > 0 ? r.row.attacks[0].start + 7 : 0;
            }
        }
        c = d = traffic_case(&r.row);
        n = (int)kit_random(&seed, 3);
        for (i = 0; i < c.attacks_n; i++) {
            attacks[i] = c.attacks[(i + n) % c.attacks_n];
        }
        for (i = 0; i < c.prefixes_n; i++) {
            prefixes[i] = c.prefixes[(c.prefixes_n - 1 - i + n) % c.prefixes_n];
        }
        d.attacks = attacks;
        d.prefixes = prefixes;
        said += *traffic_says(&c, 1) != '\0';
        kit_same(traffic_says(&d, 1), traffic_says(&c, 1), "another order");
        apr_pool_clear(unit_pool);
    }
    ck_assert_int_gt(said, CASES / 2);
}
END_TEST

/* ---- what is said comes true, and then there is nothing left to say -------------------------- */

/* An attack as the projection keeps it: its events, folded in their order. */
typedef struct kept_t {
    const char *id, *into;        /* joined with that one */
    apr_array_header_t *events;   /* cfmt_event_t */
    apr_array_header_t *prefixes; /* cfmt_cidr_t */
    int alerted, anywhere;
} kept_t;

static void add_event(kept_t *k, cfmt_state_e state, const char *source, apr_time_t ts,
                      const cfmt_say_t *say)
{
    cfmt_event_t *e = apr_array_push(k->events);

    memset(e, 0, sizeof(*e));
    e->ts = ts;
    e->id = e->digest = k->events->nelts;
    e->state = state;
    e->source = source;
    e->attack_id = k->id;
    e->pps = say ? say->pps : -1;
    e->bps = say ? say->bps : -1;
    e->rps = -1;
    e->system = say ? "flowtrackd" : NULL;
}

static int by_order(const void *a, const void *b)
{
    return cfmt_attack_event_compare(a, b);
}

static cfmt_struck_t fold(const kept_t *k)
{
    apr_array_header_t *events = apr_array_copy(unit_pool, k->events);
    cfmt_attack_t a;
    int i;

    cfmt_attack_init(&a, k->id, unit_pool);
    qsort(events->elts, (size_t)events->nelts, sizeof(cfmt_event_t), by_order);
    for (i = 0; i < events->nelts; i++) {
        cfmt_attack_step(&a, &APR_ARRAY_IDX(events, i, cfmt_event_t), unit_pool);
    }
    return (cfmt_struck_t){ .id = k->id, .open = a.open, .alerted = k->alerted,
                            .anywhere = k->anywhere, .prefixes = k->prefixes,
                            .started_at = a.started_at, .last_at = a.last_at,
                            .ended_at = a.ended_at, .peak_pps = a.peak_pps,
                            .peak_bps = a.peak_bps };
}

/* Also by the name of one that was joined with it. */
static kept_t *find(apr_array_header_t *all, const char *id)
{
    kept_t *k = (kept_t *)all->elts;

    while (strcmp(k->id, id)) {
        k++;
    }
    return k->into ? find(all, k->into) : k;
}

static kept_t *add_attack(apr_array_header_t *all)
{
    kept_t *k = apr_array_push(all);

    memset(k, 0, sizeof(*k));
    k->events = apr_array_make(unit_pool, 4, sizeof(cfmt_event_t));
    k->prefixes = apr_array_make(unit_pool, 2, sizeof(cfmt_cidr_t));
    return k;
}

static void join_kept(apr_array_header_t *all, const char *id, const char *with)
{
    kept_t *gone = find(all, id), *to = find(all, with);

    apr_array_cat(to->events, gone->events);
    apr_array_cat(to->prefixes, gone->prefixes);
    gone->into = to->id;
}

static void come_true(apr_array_header_t *all, const cfmt_say_t *s, int *pmade)
{
    kept_t *k;

    switch (s->what) {
    case CFMT_SAYS_JOIN:
        join_kept(all, s->id, s->with);
        break;
    case CFMT_SAYS_OPEN:
        k = add_attack(all);
        k->id = apr_psprintf(unit_pool, "t%d", (*pmade)++);
        APR_ARRAY_PUSH(k->prefixes, cfmt_cidr_t) = s->prefix;
        add_event(k, CFMT_STATE_START, CFMT_SOURCE_TRAFFIC, s->at, s);
        break;
    case CFMT_SAYS_REOPEN:
        add_event(find(all, s->id), CFMT_STATE_START, CFMT_SOURCE_TRAFFIC, s->at, s);
        break;
    case CFMT_SAYS_PEAK:
        add_event(find(all, s->id), CFMT_STATE_INFO, CFMT_SOURCE_TRAFFIC, s->at, s);
        break;
    case CFMT_SAYS_CALM:
        add_event(find(all, s->id), CFMT_STATE_END, CFMT_SOURCE_TRAFFIC, s->at, NULL);
        break;
    case CFMT_SAYS_TIMEOUT:
        add_event(find(all, s->id), CFMT_STATE_END, CFMT_SOURCE_TIMEOUT, s->at, NULL);
        break;
    }
}

static apr_array_header_t *keep(const cfmt_traffic_case_t *c)
{
    apr_array_header_t *all = apr_array_make(unit_pool, 8, sizeof(kept_t));
    const cfmt_struck_t *a;

    for (a = c->attacks; a < c->attacks + c->attacks_n; a++) {
        const char *source = a->alerted ? "alert" : CFMT_SOURCE_TRAFFIC;
        kept_t *k = add_attack(all);

        k->id = a->id;
        k->alerted = a->alerted;
        k->anywhere = a->anywhere;
        apr_array_cat(k->prefixes, a->prefixes);
        add_event(k, CFMT_STATE_START, source, a->started_at, NULL);
        if (!a->open) {
            add_event(k, CFMT_STATE_END, source, a->ended_at, NULL);
        }
    }
    return all;
}

/* How many rounds of saying until nothing is left. */
static int settle(const row_t *row)
{
    cfmt_traffic_case_t c = traffic_case(row);
    apr_array_header_t *all = keep(&c), *says, *struck;
    int rounds, i, made = 0;

    for (rounds = 0; rounds < 40; rounds++) {
        struck = apr_array_make(unit_pool, all->nelts + 1, sizeof(cfmt_struck_t));
        for (i = 0; i < all->nelts; i++) {
            if (!APR_ARRAY_IDX(all, i, kept_t).into) {
                APR_ARRAY_PUSH(struck, cfmt_struck_t) = fold(&APR_ARRAY_IDX(all, i, kept_t));
            }
        }
        c.attacks = (const cfmt_struck_t *)struck->elts;
        c.attacks_n = struck->nelts;
        says = cfmt_traffic_says(&c, unit_pool);
        if (!says->nelts) {
            return rounds;
        }
        for (i = 0; i < says->nelts; i++) {
            come_true(all, &APR_ARRAY_IDX(says, i, cfmt_say_t), &made);
        }
    }
    ck_abort_msg("it goes on: %s", traffic_says(&c, 0));
    return rounds;
}

START_TEST(test_settles)
{
    unsigned seed = 14;
    int round, rounds, most = 0;

    for (round = 0; round < CASES; round++) {
        random_t r;

        random_row(&r, &seed);
        rounds = settle(&r.row);
        most = rounds > most ? rounds : most;
        apr_pool_clear(unit_pool);
    }
    ck_assert_int_gt(most, 3);
}
END_TEST

UNIT_SUITE_BEGIN(traffic_settles)
UNIT_TEST(test_unknown_and_attack_end_nothing)
UNIT_TEST(test_only_while_advertised)
UNIT_TEST(test_order_is_nothing)
UNIT_TEST(test_settles)
UNIT_SUITE_END
