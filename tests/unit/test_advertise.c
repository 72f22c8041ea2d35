/*
 * Advertising: which prefix for a target, when and by whom, the page NOT PROTECTED, intents that
 * events overtake, what may be done by hand.
 */
#include <apr_strings.h>

#include "cases.h"
#include "kit.h"

/* Withdrawn long ago, attack a1 open on it since M(20), advertise=auto, enforce. */
static void under_attack(fine_t *f)
{
    fine(f);
    f->c.b.advertised = 0;
    f->c.b.advertised_at = M(-500);
    f->c.options.advertise = CFMT_HOW_AUTO;
    f->c.options.withdraw = CFMT_HOW_MANUAL;
    f->c.nthreats = 1;
    f->threats[0] = (cfmt_threat_t){ .attack = "a1", .source = "alert", .from = M(20), .here = 1,
                                     .chosen = 1 };
}

static cfmt_advertise_t decide(const cfmt_case_t *c)
{
    cfmt_advertise_t a;

    cfmt_advertise_decide(&a, c);
    return a;
}

#define IS(c, what, why) \
    do { \
        cfmt_advertise_t is_ = decide(c); \
        ck_assert_str_eq(cfmt_advertise_name(is_.action), cfmt_advertise_name(what)); \
        ck_assert_str_eq(is_.reason, why); \
    } while (0)

/* ---- which ----------------------------------------------------------------------------------- */

static void add(apr_array_header_t *all, const char *cidr, int enabled, int approved, int bgp)
{
    cfmt_bgp_prefix_t *b = apr_array_push(all);

    *b = (cfmt_bgp_prefix_t){ .id = cidr, .enabled = enabled, .approved = approved,
                              .bgp_control = bgp };
    ck_assert_int_eq(cfmt_cidr_parse(&b->cidr, NULL, cidr), APR_SUCCESS);
}

static const char *chosen(const apr_array_header_t *all, const char *target)
{
    apr_array_header_t *found, *names = apr_array_make(unit_pool, 4, sizeof(const char *));
    cfmt_cidr_t t;
    int i;

    ck_assert_int_eq(cfmt_cidr_parse(&t, NULL, target), APR_SUCCESS);
    found = cfmt_advertise_choose(&t, all, unit_pool);
    for (i = 0; i < found->nelts; i++) {
        int k = APR_ARRAY_IDX(found, i, int);

        APR_ARRAY_PUSH(names, const char *) = APR_ARRAY_IDX(all, k, cfmt_bgp_prefix_t).id;
    }
    return apr_array_pstrcat(unit_pool, names, ' ');
}

START_TEST(test_choose)
{
    apr_array_header_t *all = apr_array_make(unit_pool, 8, sizeof(cfmt_bgp_prefix_t));

    add(all, "198.51.100.0/24", 1, 1, 0);
    add(all, "203.0.113.0/24", 1, 1, 0);
    add(all, "203.0.113.128/25", 0, 1, 0);
    add(all, "192.0.2.0/24", 1, 1, 1);
    add(all, "2001:db8::/32", 1, 1, 0);
    add(all, "2001:db8:1::/48", 1, 1, 0);
    ck_assert_str_eq(chosen(all, "198.51.100.7"), "198.51.100.0/24");
    ck_assert_str_eq(chosen(all, "198.51.100.0/24"), "198.51.100.0/24");
    ck_assert_str_eq(chosen(all, "203.0.113.200"), "203.0.113.0/24"); /* the /25 is not on demand */
    ck_assert_str_eq(chosen(all, "203.0.113.128/25"), "203.0.113.0/24");
    ck_assert_str_eq(chosen(all, "192.0.2.1"), "");                   /* controlled by BGP */
    ck_assert_str_eq(chosen(all, "2001:db8:1::5"), "2001:db8:1::/48");
    ck_assert_str_eq(chosen(all, "2001:db8:2::5"), "2001:db8::/32");
    ck_assert_str_eq(chosen(all, "2001:db8::/31"), "2001:db8::/32 2001:db8:1::/48");
    ck_assert_str_eq(chosen(all, "0.0.0.0/0"), "198.51.100.0/24 203.0.113.0/24");
    ck_assert_str_eq(chosen(all, "8.8.8.8"), "");
    add(all, "203.0.113.128/25", 1, 0, 0); /* not approved */
    add(all, "203.0.113.128/25", -1, 1, 0); /* nobody knows */
    add(all, "198.51.100.0/24", 1, 1, 0);  /* twice */
    APR_ARRAY_IDX(all, all->nelts - 1, cfmt_bgp_prefix_t).id = "again";
    add(all, "198.51.0.0/16", 1, 1, 0);    /* larger, later */
    ck_assert_str_eq(chosen(all, "203.0.113.200"), "203.0.113.0/24");
    ck_assert_str_eq(chosen(all, "198.51.100.7"), "198.51.100.0/24");
    ck_assert_str_eq(chosen(all, "198.0.0.0/8"), "198.51.100.0/24 198.51.0.0/16");
    add(all, "203.0.113.128/25", 1, 1, 0);
    ck_assert_str_eq(chosen(all, "203.0.113.200"), "203.0.113.128/25");
    ck_assert_str_eq(chosen(all, "203.0.113.0/24"), "203.0.113.0/24"); /* covered: not in parts */
    all->nelts = 0;
    ck_assert_str_eq(chosen(all, "203.0.113.200"), "");
}
END_TEST

START_TEST(test_attack_on)
{
    cfmt_cidr_t big, small, other;

    cfmt_cidr_parse(&big, NULL, "203.0.113.0/24");
    cfmt_cidr_parse(&small, NULL, "203.0.113.128/25");
    cfmt_cidr_parse(&other, NULL, "203.0.112.0/24");
    ck_assert(cfmt_attack_on(&big, &small) && cfmt_attack_on(&small, &big));
    ck_assert(cfmt_attack_on(&big, &big) && !cfmt_attack_on(&big, &other));
}
END_TEST

static apr_array_header_t *cidrs(const char *text)
{
    apr_array_header_t *all = apr_array_make(unit_pool, 2, sizeof(cfmt_cidr_t));

    if (text) {
        ck_assert_int_eq(cfmt_cidr_parse(apr_array_push(all), NULL, text), APR_SUCCESS);
    }
    return all;
}

static const struct {
    const char *target;
    int cut;
    const char *prefix; /* of ours that it hits */
    int hits;           /* 203.0.113.0/24 */
} hits[] = {
    { "203.0.113.7", 0, "203.0.113.0/24", 1 }, { "203.0.112.0/22", 0, NULL, 1 },
    { "192.0.2.7", 0, "203.0.113.0/24", 0 },   { "192.0.2.7", 1, "203.0.113.0/24", 1 },
    { NULL, 0, "203.0.113.0/24", 1 },          { NULL, 0, "203.0.113.128/25", 1 },
    { NULL, 0, "203.0.112.0/23", 0 },          { NULL, 0, NULL, 0 },
};

START_TEST(test_attack_hits)
{
    cfmt_cidr_t ours;
    int i;

    ck_assert_int_eq(cfmt_cidr_parse(&ours, NULL, "203.0.113.0/24"), APR_SUCCESS);
    for (i = 0; i < (int)(sizeof(hits) / sizeof(hits[0])); i++) {
        const cfmt_struck_t a = { .targets = cidrs(hits[i].target), .targets_cut = hits[i].cut,
                                  .prefixes = cidrs(hits[i].prefix) };

        ck_assert_msg(cfmt_attack_hits(&a, &ours) == hits[i].hits, "hits %d", i);
    }
}
END_TEST

/* ---- whether --------------------------------------------------------------------------------- */

START_TEST(test_now)
{
    fine_t f;

    under_attack(&f);
    IS(&f.c, CFMT_ADVERTISE_NOW, "auto");
    ck_assert_str_eq(decide(&f.c).attack, "a1");
    ck_assert_int_eq(decide(&f.c).exposed, 1);
    f.c.nthreats = 0;
    IS(&f.c, CFMT_ADVERTISE_NONE, "calm");
    f.c.nthreats = -1;
    IS(&f.c, CFMT_ADVERTISE_NONE, "unknown");
    under_attack(&f);
    f.threats[0].chosen = 0; /* inside it, but a smaller one is advertised for it; or anywhere */
    f.threats[0].everywhere = 1;
    IS(&f.c, CFMT_ADVERTISE_NONE, "calm");
    under_attack(&f);
    f.c.b.advertised = 1;
    IS(&f.c, CFMT_ADVERTISE_NONE, "advertised");
    ck_assert(!decide(&f.c).exposed && !decide(&f.c).page && !decide(&f.c).page_at);
}
END_TEST

/* What cannot be is not tried, and paged. */
START_TEST(test_blocked)
{
    static const struct {
        int listed, approved, enabled, locked, bgp, advertised;
        const char *why;
    } tries[] = {
        { 0, 1, 1, 0, 0, 0, "gone" },      { -1, 1, 1, 0, 0, 0, "unknown" },
        { 1, 0, 1, 0, 0, 0, "disabled" },  { 1, 1, 0, 0, 0, 0, "disabled" },
        { 1, 1, 1, 1, 0, 0, "locked" },    { 1, 1, 1, 0, 1, 0, "bgp" },
        { 1, -1, 1, 0, 0, 0, "unknown" },  { 1, 1, -1, 0, 0, 0, "unknown" },
        { 1, 1, 1, -1, 0, 0, "unknown" },  { 1, 1, 1, 0, -1, 0, "unknown" },
        { 1, 1, 1, 0, 0, -1, "unknown" },
    };
    fine_t f;
    int i;

    for (i = 0; i < KIT_COUNT(tries); i++) {
        under_attack(&f);
        f.c.now = M(22);
        f.c.listed = tries[i].listed;
        f.c.b.approved = tries[i].approved;
        f.c.b.enabled = tries[i].enabled;
        f.c.b.locked = tries[i].locked;
        f.c.b.bgp_control = tries[i].bgp;
        f.c.b.advertised = tries[i].advertised;
        IS(&f.c, CFMT_ADVERTISE_BLOCKED, tries[i].why);
        ck_assert(decide(&f.c).exposed && decide(&f.c).page);
    }
    under_attack(&f);
    f.c.api_closed = 0;
    IS(&f.c, CFMT_ADVERTISE_BLOCKED, "api");
    f.c.api_closed = -1;
    IS(&f.c, CFMT_ADVERTISE_BLOCKED, "api");
    under_attack(&f);
    f.c.budget = -1;
    IS(&f.c, CFMT_ADVERTISE_BLOCKED, "budget");
}
END_TEST

START_TEST(test_queued)
{
    fine_t f;

    under_attack(&f);
    f.c.b.advertised_at = NOW - 15 * MIN + 1;
    IS(&f.c, CFMT_ADVERTISE_QUEUE, "withdrawn");
    ck_assert_int_eq(decide(&f.c).at, NOW + 1);
    ck_assert_int_eq(decide(&f.c).next, NOW + 1);
    f.c.b.advertised_at--;
    IS(&f.c, CFMT_ADVERTISE_NOW, "auto");
    ck_assert_int_eq(decide(&f.c).at, 0);
    f.c.policy_withdrew_at = NOW - MIN; /* the API does not show it yet */
    IS(&f.c, CFMT_ADVERTISE_QUEUE, "withdrawn");
    ck_assert_int_eq(decide(&f.c).at, NOW + 14 * MIN);
    f.c.b.advertised_at = NOW - 16 * MIN;
    f.c.policy_withdrew_at = NOW + 120 * MIN; /* by a clock that was set back since */
    IS(&f.c, CFMT_ADVERTISE_NOW, "auto");
    f.c.policy_withdrew_at = 0;
    f.c.b.advertised_at = 0; /* never advertised */
    IS(&f.c, CFMT_ADVERTISE_NOW, "auto");
}
END_TEST

/* What the policy withdrew it may put right for an hour; nobody else's withdrawal. */
START_TEST(test_regret)
{
    fine_t f;

    under_attack(&f);
    f.c.options.advertise = CFMT_HOW_MANUAL;
    IS(&f.c, CFMT_ADVERTISE_PROPOSE, "manual");
    f.c.policy_withdrew_at = f.c.b.advertised_at = NOW - 60 * MIN;
    IS(&f.c, CFMT_ADVERTISE_NOW, "back");
    f.c.mode = CFMT_MODE_OBSERVE;
    IS(&f.c, CFMT_ADVERTISE_PROPOSE, "manual");
    f.c.mode = CFMT_MODE_ENFORCE;
    f.c.policy_withdrew_at = --f.c.b.advertised_at;
    IS(&f.c, CFMT_ADVERTISE_PROPOSE, "manual");
    f.c.options.advertise = CFMT_HOW_PROPOSE; /* no such word: as manual */
    IS(&f.c, CFMT_ADVERTISE_PROPOSE, "manual");
}
END_TEST

START_TEST(test_proposed)
{
    fine_t f;

    under_attack(&f);
    f.c.mode = CFMT_MODE_OBSERVE;
    IS(&f.c, CFMT_ADVERTISE_PROPOSE, "observe");
    f.c.options.advertise = CFMT_HOW_MANUAL;
    f.c.advertise_offer = (cfmt_offer_t){ .state = CFMT_OFFER_OPEN, .at = M(-9), .until = NOW + 1 };
    IS(&f.c, CFMT_ADVERTISE_WAIT, "proposed");
    ck_assert_int_eq(decide(&f.c).next, NOW + 1);
    f.c.advertise_offer.until = NOW;
    IS(&f.c, CFMT_ADVERTISE_PROPOSE, "manual");
    f.c.advertise_offer.until = M(60);
    f.c.advertise_offer.state = CFMT_OFFER_DENIED;
    IS(&f.c, CFMT_ADVERTISE_PROPOSE, "manual"); /* that was another attack */
    f.c.advertise_offer.at = M(20);
    IS(&f.c, CFMT_ADVERTISE_WAIT, "denied");
    f.c.advertise_offer.state = CFMT_OFFER_APPROVED;
    IS(&f.c, CFMT_ADVERTISE_WAIT, "approved");
    f.c.b.advertised_at = NOW - MIN; /* the proposal says from when on it is possible */
    ck_assert_int_eq(decide(&f.c).at, NOW + 14 * MIN);
    ck_assert_int_eq(decide(&f.c).exposed, 1);
}
END_TEST

/* ---- the page -------------------------------------------------------------------------------- */

static int paged(fine_t *f, apr_time_t now)
{
    cfmt_advertise_t a;

    f->c.now = now;
    a = decide(&f->c);
    ck_assert(a.page == (now >= a.page_at));
    ck_assert(!a.next || a.next > now);
    return a.page;
}

START_TEST(test_page)
{
    fine_t f;

    under_attack(&f);
    f.c.options.advertise = CFMT_HOW_MANUAL;
    ck_assert(!paged(&f, M(22) - 1) && paged(&f, M(22)) && paged(&f, M(30)));
    ck_assert_int_eq(decide(&f.c).page_at, M(22));
    f.c.paged_at = M(21) + 59 * SEC; /* of an earlier attack */
    ck_assert(paged(&f, M(22)));
    f.c.paged_at = M(22);
    ck_assert(!paged(&f, M(32) - 1) && paged(&f, M(32)));
    f.c.nthreats = 2; /* another one has its own two minutes */
    f.threats[1] = (cfmt_threat_t){ .attack = "a2", .from = M(24), .here = 1, .chosen = 1 };
    ck_assert(!paged(&f, M(26) - 1) && paged(&f, M(26)));
    ck_assert_str_eq(decide(&f.c).attack, "a1");
    f.c.paged_at = M(26);
    ck_assert(!paged(&f, M(36) - 1) && paged(&f, M(36)));
    f.c.paged_at = M(90); /* told by a clock that was wrong */
    ck_assert(paged(&f, M(36)));
    f.c.paged_at = 0;
    f.c.nthreats = 1;
    f.threats[0].from = M(90); /* dated in the future: from now on */
    ck_assert(!paged(&f, M(36)));
    ck_assert_int_eq(decide(&f.c).page_at, M(38));
}
END_TEST

/* ---- an open intent -------------------------------------------------------------------------- */

START_TEST(test_pending_withdrawal)
{
    cfmt_pending_t i = { .want = 0 };
    apr_time_t at;
    fine_t f;

    fine(&f);
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_KEEP);
    f.c.nthreats = 1;
    f.threats[0] = (cfmt_threat_t){ .attack = "a1", .from = NOW, .here = 1 };
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_CANCEL);
    ck_assert_int_eq(at, 0);
    i.sent = 1;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_REVERSE);
    ck_assert_int_eq(at, NOW + 15 * MIN); /* not seen yet */
    f.c.b.advertised = 0;
    f.c.b.advertised_at = NOW - MIN;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_REVERSE);
    ck_assert_int_eq(at, NOW + 14 * MIN);
    f.c.b.advertised_at += 120 * MIN; /* by a clock that is so much ahead of ours */
    f.c.behind_by = 120 * MIN;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_REVERSE);
    ck_assert_int_eq(at, NOW + 14 * MIN);
    f.c.behind_by = 0;
    f.c.b.advertised_at = M(-100);
    cfmt_advertise_pending(&at, &i, &f.c);
    ck_assert_int_eq(at, NOW);
    f.threats[0] = (cfmt_threat_t){ .attack = "a1", .from = NOW, .everywhere = 1 };
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_REVERSE);
    i.sent_at = NOW + 15 * MIN;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_REVERSE);
    i.sent_at++; /* it was there, and in the way of nothing */
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_KEEP);
    f.threats[0].everywhere = 0;
    i.sent_at = 0;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_KEEP);
    f.threats[0].here = i.by_hand = 1;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_REVERSE);
    i.override = 1;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_KEEP);
    i.sent = 0;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_KEEP);
    i.override = 0;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_CANCEL);
}
END_TEST

START_TEST(test_pending_held)
{
    cfmt_pending_t policy = { .want = 0 }, hand = { .want = 0, .by_hand = 1 };
    apr_time_t at;
    fine_t f;

    fine(&f);
    f.c.held = 1;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &policy, &f.c), CFMT_PENDING_CANCEL);
    ck_assert_int_eq(cfmt_advertise_pending(&at, &hand, &f.c), CFMT_PENDING_KEEP);
    policy.sent = 1; /* on its way: nobody is exposed by it */
    ck_assert_int_eq(cfmt_advertise_pending(&at, &policy, &f.c), CFMT_PENDING_KEEP);
    policy.sent = 0;
    f.c.held = 0;
    f.c.nwindows = 1;
    f.windows[0] = (cfmt_window_t){ 1, NOW, NOW + 1, "works" };
    ck_assert_int_eq(cfmt_advertise_pending(&at, &policy, &f.c), CFMT_PENDING_CANCEL);
    f.c.nwindows = 0;
    f.c.nthreats = -1;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &policy, &f.c), CFMT_PENDING_CANCEL);
}
END_TEST

START_TEST(test_pending_advertisement)
{
    cfmt_pending_t i = { .want = 1 };
    apr_time_t at;
    fine_t f;

    under_attack(&f);
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_KEEP);
    f.threats[0].chosen = 0;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_KEEP);
    f.c.nthreats = -1;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_KEEP);
    f.c.nthreats = 0;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_CANCEL);
    i.by_hand = 1;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_KEEP);
    i.by_hand = 0;
    i.sent = 1;
    ck_assert_int_eq(cfmt_advertise_pending(&at, &i, &f.c), CFMT_PENDING_KEEP);
}
END_TEST

/* ---- by hand --------------------------------------------------------------------------------- */

static cfmt_hand_e by_hand(const fine_t *f, int want, cfmt_gate_e gate, apr_time_t at)
{
    cfmt_gate_e pgate;
    apr_time_t pat;
    cfmt_hand_e h = cfmt_advertise_by_hand(&f->c, want, &pgate, &pat);

    ck_assert_int_eq(pgate, gate);
    ck_assert_int_eq(pat, at);
    return h;
}

START_TEST(test_withdraw_by_hand)
{
    fine_t f;

    fine(&f);
    f.c.mode = CFMT_MODE_OBSERVE; /* commands still work, whatever the policy may */
    f.c.options.withdraw = CFMT_HOW_MANUAL;
    f.c.held = 1;
    f.c.cause.by_attack = 0;
    f.c.nspans = 0;
    ck_assert_int_eq(by_hand(&f, 0, CFMT_GATES, 0), CFMT_HAND_OK);
    f.c.b.advertised_at = NOW - 15 * MIN + 1;
    ck_assert_int_eq(by_hand(&f, 0, CFMT_GATE_MIN_ADVERTISED, NOW + 1), CFMT_HAND_OVERRIDE);
    f.c.nthreats = 1;
    f.threats[0] = (cfmt_threat_t){ .attack = "a1", .from = NOW, .here = 1 };
    ck_assert_int_eq(by_hand(&f, 0, CFMT_GATE_NO_ATTACK, 0), CFMT_HAND_OVERRIDE);
    f.c.b.locked = 1;
    ck_assert_int_eq(by_hand(&f, 0, CFMT_GATE_UNLOCKED, 0), CFMT_HAND_LOCKED);
    f.c.b.locked = -1;
    ck_assert_int_eq(by_hand(&f, 0, CFMT_GATE_UNLOCKED, 0), CFMT_HAND_REFUSED);
    f.c.b.bgp_control = 1;
    ck_assert_int_eq(by_hand(&f, 0, CFMT_GATE_API_CONTROLLED, 0), CFMT_HAND_REFUSED);
    f.c.b.enabled = 0;
    ck_assert_int_eq(by_hand(&f, 0, CFMT_GATE_ENABLED, 0), CFMT_HAND_REFUSED);
    f.c.listed = 0;
    ck_assert_int_eq(by_hand(&f, 0, CFMT_GATE_KNOWN, 0), CFMT_HAND_REFUSED);
    fine(&f);
    f.c.b.advertised = 0;
    ck_assert_int_eq(by_hand(&f, 0, CFMT_GATES, 0), CFMT_HAND_DONE);
}
END_TEST

START_TEST(test_advertise_by_hand)
{
    fine_t f;

    fine(&f);
    ck_assert_int_eq(by_hand(&f, 1, CFMT_GATES, 0), CFMT_HAND_DONE);
    f.c.b.advertised = 0;
    ck_assert_int_eq(by_hand(&f, 1, CFMT_GATES, 0), CFMT_HAND_OK);
    f.c.b.advertised_at = NOW - 15 * MIN + 1;
    ck_assert_int_eq(by_hand(&f, 1, CFMT_GATES, NOW + 1), CFMT_HAND_OK);
    f.c.b.locked = 1;
    ck_assert_int_eq(by_hand(&f, 1, CFMT_GATE_UNLOCKED, 0), CFMT_HAND_LOCKED);
    f.c.b.locked = 0;
    f.c.b.approved = 0;
    ck_assert_int_eq(by_hand(&f, 1, CFMT_GATE_KNOWN, 0), CFMT_HAND_REFUSED);
}
END_TEST

/* ---- any case -------------------------------------------------------------------------------- */

static int one_of(unsigned *seed, int usual, int a, int b)
{
    unsigned n = kit_random(seed, 12);

    return n == 0 ? a : n == 1 ? b : usual;
}

/* Two policies never want opposite things, and only enforce acts. */
START_TEST(test_any_case)
{
    unsigned seed = 7;
    int i, n[CFMT_ADVERTISE_NOW + 1] = { 0 };

    for (i = 0; i < KIT_CASES(40000); i++) {
        cfmt_advertise_t a;
        cfmt_decision_t d;
        fine_t f;

        under_attack(&f);
        f.c.mode = (cfmt_mode_e)one_of(&seed, CFMT_MODE_ENFORCE, CFMT_MODE_OBSERVE, 7);
        f.c.options.advertise = (cfmt_how_e)kit_random(&seed, 4);
        f.c.options.withdraw = CFMT_HOW_AUTO;
        f.c.listed = one_of(&seed, 1, 0, -1);
        f.c.b.locked = one_of(&seed, 0, 1, -1);
        f.c.b.advertised = one_of(&seed, 0, 1, -1);
        f.c.b.advertised_at = NOW - (apr_time_t)kit_random(&seed, 1800) * SEC;
        f.c.cause.at = f.c.b.advertised_at;
        f.c.policy_withdrew_at = NOW - (int)kit_random(&seed, 5000) * SEC;
        f.c.policy_withdrew_at *= kit_random(&seed, 2);
        f.c.nthreats = one_of(&seed, 1, 0, -1);
        f.threats[0].chosen = kit_random(&seed, 4) != 0;
        f.c.budget = one_of(&seed, 1, 0, -1);
        f.c.paged_at = kit_random(&seed, 2) ? M(0) + (int)kit_random(&seed, 1500) * SEC : 0;
        a = decide(&f.c);
        cfmt_withdraw_decide(&d, &f.c);
        n[a.action]++;
        ck_assert(a.action == CFMT_ADVERTISE_NONE || d.action == CFMT_DO_STAY);
        if (a.action == CFMT_ADVERTISE_NOW || a.action == CFMT_ADVERTISE_QUEUE) {
            ck_assert(f.c.mode == CFMT_MODE_ENFORCE && f.c.listed == 1 && f.c.b.locked == 0
                      && f.c.b.advertised == 0 && f.c.nthreats == 1 && f.threats[0].chosen);
            ck_assert(f.c.options.advertise == CFMT_HOW_AUTO
                      || (f.c.policy_withdrew_at
                          && NOW - f.c.policy_withdrew_at <= CFMT_REGRET));
        }
        ck_assert_int_eq(a.action == CFMT_ADVERTISE_QUEUE && !a.at, 0);
        ck_assert_int_eq(a.action == CFMT_ADVERTISE_NOW && a.at, 0);
        ck_assert_int_eq(a.exposed, a.action != CFMT_ADVERTISE_NONE);
        ck_assert(!a.page || a.exposed);
        ck_assert(!a.next || a.next > NOW);
        ck_assert(!a.exposed || a.next); /* exposed never goes to sleep */
    }
    for (i = 0; i <= CFMT_ADVERTISE_NOW; i++) {
        ck_assert(n[i] || i == CFMT_ADVERTISE_WAIT);
    }
}
END_TEST

UNIT_SUITE_BEGIN(advertise)
    UNIT_TEST(test_choose)
    UNIT_TEST(test_attack_on)
    UNIT_TEST(test_attack_hits)
    UNIT_TEST(test_now)
    UNIT_TEST(test_blocked)
    UNIT_TEST(test_queued)
    UNIT_TEST(test_regret)
    UNIT_TEST(test_proposed)
    UNIT_TEST(test_page)
    UNIT_TEST(test_pending_withdrawal)
    UNIT_TEST(test_pending_held)
    UNIT_TEST(test_pending_advertisement)
    UNIT_TEST(test_withdraw_by_hand)
    UNIT_TEST(test_advertise_by_hand)
    UNIT_TEST(test_any_case)
UNIT_SUITE_END
