/*
 * What must hold for any case: a withdrawal exactly where the rules, told once more and plainly,
 * allow it; nothing that makes a case worse brings one about.
 */
#include "kit.h"
#include "spoils.h"

static int odds(unsigned *seed, unsigned one_in)
{
    return kit_random(seed, one_in) == 0;
}

/* Spoilt in at most a few ways, some of which leave it as good as it was. */
static void random_case(fine_t *f, unsigned *seed)
{
    int n = (int)kit_random(seed, 4);

    fine(f);
    while (n-- > 0) {
        spoils[kit_random(seed, KIT_COUNT(spoils))].by(f);
    }
    f->c.now += odds(seed, 2) ? 0 : (apr_time_t)kit_random(seed, 70) * SEC / 4 - 5 * SEC;
    if (odds(seed, 4)) {
        f->c.options.withdraw = CFMT_HOW_PROPOSE;
        f->c.withdraw_offer = (cfmt_offer_t){ .state = (cfmt_offer_e)kit_random(seed, 4),
                                              .advertised_at = M(-10), .at = M(20),
                                              .until = NOW + 5 * SEC };
    }
}

/* The rules once more, as plainly as can be; spans are walked minute by minute. */
static int minute_calm(const fine_t *f, apr_time_t m)
{
    int i;

    for (i = 0; i < f->c.nspans; i++) {
        if (f->spans[i].from <= m && m < f->spans[i].to) {
            return f->spans[i].verdict == CFMT_VERDICT_CALM;
        }
    }
    return 0;
}

static int calm_enough(const fine_t *f)
{
    const cfmt_case_t *c = &f->c;
    apr_time_t m = c->complete;
    int i, n = (int)((cfmt_withdraw_calm(c, NULL) + MIN - 1) / MIN);

    for (i = 0; i < c->nspans; i++) {
        if (f->spans[i].from >= c->complete && f->spans[i].verdict == CFMT_VERDICT_ATTACK) {
            return 0;
        }
    }
    for (i = 0; i < n; i++) {
        m -= MIN;
        if (!minute_calm(f, m) || m + MIN <= c->b.advertised_at) {
            return 0;
        }
    }
    return c->complete && c->complete <= c->now
           && c->now - c->complete <= 2 * (c->options.lag + c->options.interval) + MIN;
}

static int within(apr_time_t t, apr_time_t from, apr_interval_time_t d)
{
    return t >= from && t <= from + d;
}

static int wanted(const cfmt_case_t *c)
{
    const cfmt_offer_t *o = &c->withdraw_offer;

    return c->mode == CFMT_MODE_ENFORCE
           && (c->options.withdraw == CFMT_HOW_AUTO
               || (c->options.withdraw == CFMT_HOW_PROPOSE && o->state == CFMT_OFFER_APPROVED
                   && o->advertised_at == c->b.advertised_at && c->now < o->until));
}

static int allowed(const fine_t *f)
{
    const cfmt_case_t *c = &f->c;
    const cfmt_bgp_prefix_t *b = &c->b;
    int world = c->listed == 1 && b->approved == 1 && b->enabled == 1 && b->locked == 0
                && b->bgp_control == 0 && b->advertised == 1 && within(c->now, c->read_at, 60 * SEC)
                && c->cause.at == b->advertised_at && c->cause.by_attack == 1;
    int quiet = c->nthreats == 0 && calm_enough(f)
                && c->now >= b->advertised_at + c->options.min_advertised;
    int people = (c->held == 0 || (c->held == 1 && c->held_until && c->held_until <= c->now))
                 && (c->nwindows == 0
                     || (c->nwindows == 1
                         && !(f->windows[0].from <= c->now && c->now < f->windows[0].to)));
    int origin = c->check == 0
                 || (c->check == 1 && c->check_ok == 1
                     && within(c->check_answered_at, c->check_asked_at, 10 * SEC)
                     && within(c->now, c->check_asked_at, 60 * SEC - 1)
                     && c->check_answered_at <= c->now);
    int look = within(c->look_state_at, c->look_at, 10 * SEC) && c->look_state_at <= c->now
               && within(c->look_traffic_at, c->look_at, 10 * SEC) && c->look_traffic_at <= c->now
               && within(c->now, c->look_at, 10 * SEC) && c->look_above == 0;

    return wanted(c) && world && quiet && people && origin && look && c->api_closed == 1
           && c->cursor >= 0 && c->cursor == c->head && c->jumped == 0 && c->behind == 0;
}

START_TEST(test_any_case)
{
    unsigned seed = 20261123;
    int i, n = 0;

    for (i = 0; i < KIT_CASES(60000); i++) {
        cfmt_decision_t d;
        fine_t f;
        int k, open = 1;

        random_case(&f, &seed);
        cfmt_withdraw_decide(&d, &f.c);
        ck_assert_msg((d.action == CFMT_DO_WITHDRAW) == allowed(&f), "case %d: %s", i,
                      cfmt_do_name(d.action));
        for (k = 0; k < CFMT_GATES; k++) {
            open &= cfmt_gate_open(&d.gates[k]);
            ck_assert(!d.gates[k].next || d.gates[k].next > f.c.now);
        }
        ck_assert_int_eq(d.action == CFMT_DO_WITHDRAW, open);
        ck_assert(f.c.mode == CFMT_MODE_ENFORCE
                  || (d.action != CFMT_DO_WITHDRAW && d.action != CFMT_DO_LOOK
                      && d.action != CFMT_DO_PROPOSE));
        ck_assert(!d.next || d.next > f.c.now);
        ck_assert(!d.earliest || d.earliest > f.c.now);
        n += d.action == CFMT_DO_WITHDRAW;
    }
    ck_assert_int_gt(n, KIT_CASES(60000) / 20); /* both happen */
}
END_TEST

static void read_older(fine_t *f)
{
    f->c.read_at -= f->c.read_at <= f->c.now ? 7 * SEC : 0;
}

static void calm_lost(fine_t *f)
{
    f->spans[1].verdict = CFMT_VERDICT_BETWEEN;
}

static void behind_more(fine_t *f)
{
    f->c.head += 3;
}

static void threat_more(fine_t *f)
{
    if (f->c.nthreats >= 0) {
        f->threats[f->c.nthreats++] = (cfmt_threat_t){ .attack = "more", .from = NOW, .here = 1 };
    }
}

/* Each is worse than whatever was there. */
static void (*const worse[])(fine_t *f) = {
    mode_observe, scope_manual, known_unapproved, known_approval, known_gone, known_missing,
    enabled_no, enabled_unknown, locked_yes, locked_unknown, bgp_yes, bgp_unknown, withdrawn,
    advertised_unknown, read_never, read_older, cause_external, cause_odd, cause_none,
    attack_here, attack_anywhere, attacks_unknown, threat_more, calm_attack, calm_lost,
    calm_nothing, calm_past_unknown, hold_forever, hold_unknown, windows_unknown, origin_absent,
    origin_odd, origin_not_asked, origin_unknown, api_open, api_unknown, journal_behind,
    journal_unknown, behind_more, clock_jumped, clock_unknown, clock_begun,
    clock_behind, clock_unheard, look_not_asked, look_attack, look_unreadable,
};

/* Nothing that makes it worse turns anything into a withdrawal, nor leaves one standing. */
START_TEST(test_worse_never_withdraws)
{
    unsigned seed = 4;
    int i, k;

    for (i = 0; i < KIT_CASES(20000); i++) {
        fine_t f;

        random_case(&f, &seed);
        for (k = 0; k < KIT_COUNT(worse); k++) {
            fine_t g = f;

            g.c.spans = g.spans;
            g.c.threats = g.threats;
            g.c.past = g.past;
            g.c.windows = g.windows;
            worse[k](&g);
            ck_assert_msg(action_of(&g.c) != CFMT_DO_WITHDRAW
                              || (worse[k] == read_older && action_of(&f.c) == CFMT_DO_WITHDRAW),
                          "case %d, %d", i, k);
        }
    }
}
END_TEST

UNIT_SUITE_BEGIN(withdraw_any)
    UNIT_TEST(test_any_case)
    UNIT_TEST(test_worse_never_withdraws)
UNIT_SUITE_END
