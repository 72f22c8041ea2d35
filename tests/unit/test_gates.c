/*
 * Gates and decisions as words: names, sentences, the lines of explain and what status says.
 */
#include "cases.h"
#include "kit.h"

static const char *text_of(const fine_t *f, cfmt_gate_e id)
{
    cfmt_gate_t g;

    cfmt_withdraw_gate(&g, id, &f->c);
    return cfmt_gate_text(&g, f->c.now, unit_pool);
}

static const char *line_of(const fine_t *f, cfmt_gate_e id)
{
    cfmt_gate_t g;

    cfmt_withdraw_gate(&g, id, &f->c);
    return cfmt_gate_line(&g, f->c.now, unit_pool);
}

static const char *status_of(const fine_t *f)
{
    cfmt_decision_t d;

    cfmt_withdraw_decide(&d, &f->c);
    return cfmt_withdraw_text(&d, &f->c, unit_pool);
}

START_TEST(test_names)
{
    static const char *const names[] = {
        "mode", "scope", "known", "enabled", "unlocked", "api_controlled", "advertised", "fresh",
        "cause", "no_attack", "calm", "min_advertised", "no_hold", "no_window", "origin",
        "api_health", "projected", "clock", "last_look",
    };
    int i;

    ck_assert_int_eq(KIT_COUNT(names), CFMT_GATES);
    for (i = 0; i < CFMT_GATES; i++) {
        ck_assert_str_eq(cfmt_gate_name((cfmt_gate_e)i), names[i]);
        ck_assert_int_eq(cfmt_gate_by_name(names[i]), i);
    }
    ck_assert_int_eq(cfmt_gate_by_name("calmer"), CFMT_GATES);
    ck_assert_int_eq(cfmt_gate_by_name(NULL), CFMT_GATES);
    ck_assert_str_eq(cfmt_gate_name(CFMT_GATES), "none");
    ck_assert_str_eq(cfmt_light_name(CFMT_LIGHT_UNCHECKED), "not checked");
    ck_assert_str_eq(cfmt_light_name((cfmt_light_e)9), "unknown");
    ck_assert_str_eq(cfmt_do_name(CFMT_DO_WOULD), "would-withdraw");
    ck_assert_str_eq(cfmt_do_name((cfmt_do_e)99), "stay");
    ck_assert_str_eq(cfmt_advertise_name(CFMT_ADVERTISE_NOW), "advertise");
    ck_assert_str_eq(cfmt_advertise_name((cfmt_advertise_e)99), "none");
    ck_assert_str_eq(cfmt_figure_name(CFMT_FIGURE_TIME), "time");
}
END_TEST

/* "Not checked" lets through where nobody was told to check, and nowhere else. */
START_TEST(test_open)
{
    int id, light;

    for (id = 0; id < CFMT_GATES; id++) {
        for (light = CFMT_LIGHT_UNKNOWN; light <= CFMT_LIGHT_UNCHECKED; light++) {
            cfmt_gate_t g = { .id = (cfmt_gate_e)id, .light = (cfmt_light_e)light };
            int open = light == CFMT_LIGHT_GREEN
                       || (light == CFMT_LIGHT_UNCHECKED && id == CFMT_GATE_ORIGIN);

            ck_assert_int_eq(cfmt_gate_open(&g), open);
        }
    }
}
END_TEST

START_TEST(test_figures)
{
    ck_assert_str_eq(cfmt_figure_text(CFMT_FIGURE_COUNT, -3, unit_pool), "-3");
    ck_assert_str_eq(cfmt_figure_text(CFMT_FIGURE_DURATION, 61 * SEC, unit_pool), "1m1s");
    ck_assert_str_eq(cfmt_figure_text(CFMT_FIGURE_TIME, M(0), unit_pool), "2023-11-14T22:14:00Z");
    ck_assert_str_eq(cfmt_figure_text(CFMT_FIGURE_TIME, 0, unit_pool), "-");
    ck_assert_str_eq(cfmt_figure_text(CFMT_FIGURE_NONE, 7, unit_pool), "-");
}
END_TEST

START_TEST(test_green_sentences)
{
    static const char *const texts[CFMT_GATES] = {
        "CfmtMode enforce", "withdraw=auto", "listed by the API and approved", "on demand",
        "not locked", "controlled by the API", "advertised since 22:04:00Z",
        "its state was read 2s ago, at most 1m", "advertised for attack a1b2",
        "no open attack on it or inside it", "15 of 15 minutes calm",
        "advertised for 31m5s, at least 15m", "no hold", "no maintenance window",
        "you announce it yourself: announced by AS64496", "the API answers",
        "every delivery has been read", "the clock runs evenly", "looked: as it was, and calm",
    };
    fine_t f;
    int i;

    fine(&f);
    for (i = 0; i < CFMT_GATES; i++) {
        ck_assert_str_eq(text_of(&f, (cfmt_gate_e)i), texts[i]);
    }
}
END_TEST

START_TEST(test_lines)
{
    fine_t f;

    fine(&f);
    ck_assert_str_eq(line_of(&f, CFMT_GATE_CALM),
                     "calm           green       15 of 15 minutes calm (analytics, 5m5s ago)");
    ck_assert_str_eq(line_of(&f, CFMT_GATE_MODE),
                     "mode           green       CfmtMode enforce (config)");
    f.c.held = 1;
    f.c.held_since = NOW - 90 * SEC;
    f.c.held_until = NOW + MIN + 1; /* never shown earlier than it is */
    f.c.held_by = "anna";
    f.c.held_why = "";
    ck_assert_str_eq(line_of(&f, CFMT_GATE_NO_HOLD),
                     "no_hold        red         held until 22:36:05Z: anna "
                     "(operator, 1m30s ago, next change 22:36:06Z)");
    f.c.held_why = "works at DE-CIX";
    f.c.held_until = M(3000);
    ck_assert_str_eq(text_of(&f, CFMT_GATE_NO_HOLD),
                     "held until 2023-11-17T00:14:00Z: works at DE-CIX");
    f.c.held_until = 0;
    ck_assert_str_eq(text_of(&f, CFMT_GATE_NO_HOLD), "held: works at DE-CIX");
}
END_TEST

START_TEST(test_attack_sentences)
{
    fine_t f;

    fine(&f);
    f.c.nthreats = 1;
    f.threats[0] = (cfmt_threat_t){ .attack = "a1", .from = M(20), .here = 1 };
    ck_assert_str_eq(text_of(&f, CFMT_GATE_NO_ATTACK), "attack a1 open since 22:34:00Z");
    f.threats[0].here = 0;
    f.threats[0].everywhere = 1;
    ck_assert_str_eq(text_of(&f, CFMT_GATE_NO_ATTACK),
                     "attack a1 open since 22:34:00Z, target unknown: it may be about any prefix");
    f.threats[1] = f.threats[0];
    f.c.nthreats = 2;
    ck_assert_str_eq(text_of(&f, CFMT_GATE_NO_ATTACK),
                     "attack a1 open since 22:34:00Z, target unknown: it may be about any prefix,"
                     " and 1 more");
}
END_TEST

START_TEST(test_calm_sentences)
{
    fine_t f;

    fine(&f);
    f.spans[0].to = f.spans[1].from = M(3);
    ck_assert_str_eq(text_of(&f, CFMT_GATE_CALM), "13 of 15 minutes calm");
    f.spans[1].from = M(4);
    ck_assert_str_eq(text_of(&f, CFMT_GATE_CALM),
                     "12 of 15 minutes calm, and minutes before them are not known yet");
    fine_calm(&f, M(18), M(19), CFMT_VERDICT_ATTACK);
    ck_assert_str_eq(text_of(&f, CFMT_GATE_CALM),
                     "0 of 15 minutes calm: the newest minute is attack");
    f.c.now = M(60);
    ck_assert_str_eq(text_of(&f, CFMT_GATE_CALM), "nothing known since 22:30:00Z");
    f.c.complete = 0;
    ck_assert_str_eq(text_of(&f, CFMT_GATE_CALM), "no minute of its traffic is known");
}
END_TEST

START_TEST(test_cause_sentences)
{
    static const struct {
        cfmt_cause_e kind;
        const char *text;
    } tries[] = {
        { CFMT_CAUSE_POLICY, "advertised for attack x" },
        { CFMT_CAUSE_ATTACK, "advertised under attack x" },
        { CFMT_CAUSE_AUTO, "advertised by Cloudflare for an attack: x" },
        { CFMT_CAUSE_PROPOSAL, "advertised for an attack, as approved by x" },
        { CFMT_CAUSE_OPERATOR, "advertised by hand by x" },
        { CFMT_CAUSE_ADOPTED, "handed over by x" },
        { CFMT_CAUSE_EXTERNAL, "somebody else advertised it, and no attack explains it" },
        { CFMT_CAUSE_FIRST_SEEN, "it was advertised already when first seen" },
    };
    fine_t f;
    int i;

    for (i = 0; i < KIT_COUNT(tries); i++) {
        fine(&f);
        f.c.cause.kind = tries[i].kind;
        f.c.cause.attack = "x";
        ck_assert_str_eq(text_of(&f, CFMT_GATE_CAUSE), tries[i].text);
    }
    f.c.cause.at = 0;
    ck_assert_str_eq(text_of(&f, CFMT_GATE_CAUSE), "nobody knows why it is advertised");
}
END_TEST

/* What a program or a person wrote cannot move the cursor of who reads it. */
START_TEST(test_foreign_text)
{
    fine_t f;

    fine(&f);
    f.c.check_text = "\033[2Jok\nno_attack green";
    f.c.check_ok = 0;
    ck_assert_str_eq(text_of(&f, CFMT_GATE_ORIGIN),
                     "you do not announce it yourself: \\x1b[2Jok\\x0ano_attack green");
    f.c.check_text = NULL;
    ck_assert_str_eq(text_of(&f, CFMT_GATE_ORIGIN), "you do not announce it yourself");
    f.c.nwindows = 1;
    f.windows[0] = (cfmt_window_t){ 1, M(0), M(60), "a\tb" };
    ck_assert_str_eq(text_of(&f, CFMT_GATE_NO_WINDOW),
                     "maintenance window until 23:14:00Z: a\\x09b");
}
END_TEST

/* The picture of the manual. */
START_TEST(test_status)
{
    fine_t f;

    fine(&f);
    f.c.now = M(19) + 5 * SEC;
    f.c.complete = f.spans[1].to = M(14);
    f.c.poll_at = M(20) + 5 * SEC;
    ck_assert_str_eq(status_of(&f), "withdraw 22:35:05Z if calm (13 of 15 minutes)");
    f.c.mode = CFMT_MODE_OBSERVE;
    ck_assert_str_eq(status_of(&f), "would withdraw 22:35:05Z if calm (13 of 15 minutes)");
    f.c.options.withdraw = CFMT_HOW_PROPOSE;
    ck_assert_str_eq(status_of(&f), "propose to withdraw 22:35:05Z if calm (13 of 15 minutes)");
    f.c.options.withdraw = CFMT_HOW_MANUAL;
    ck_assert_str_eq(status_of(&f), "stays: withdraw=manual: only an operator withdraws it");
    f.c.nthreats = 1;
    f.threats[0] = (cfmt_threat_t){ .attack = "a1b2", .from = M(2) + 10 * SEC, .here = 1 };
    ck_assert_str_eq(status_of(&f), "stays: attack a1b2 open since 22:16:10Z");
    fine(&f);
    f.c.options.min_advertised = 40 * MIN;
    ck_assert_str_eq(status_of(&f), "withdraw 22:44:00Z");
    f.c.held = 1;
    f.c.held_until = M(90);
    ck_assert_str_eq(status_of(&f), "stays: held until 23:44:00Z");
    fine(&f);
    f.c.cause.by_attack = 0;
    f.c.cause.kind = CFMT_CAUSE_FIRST_SEEN;
    ck_assert_str_eq(status_of(&f), "stays: it was advertised already when first seen");
    f.c.now = M(1440);
    ck_assert_str_eq(status_of(&f), "orphan: cfmtctl adopt | hold | withdraw");
    f.c.b.advertised = 0;
    ck_assert_str_eq(status_of(&f), "-");
    fine(&f);
    ck_assert_str_eq(status_of(&f), "withdrawing");
    f.c.mode = CFMT_MODE_OBSERVE;
    ck_assert_str_eq(status_of(&f), "would withdraw now (CfmtMode observe)");
}
END_TEST

static const char *advertise_of(const fine_t *f)
{
    cfmt_advertise_t a;

    cfmt_advertise_decide(&a, &f->c);
    return cfmt_advertise_text(&a, &f->c, unit_pool);
}

START_TEST(test_advertise_status)
{
    fine_t f;

    fine(&f);
    ck_assert_str_eq(advertise_of(&f), "-");
    f.c.b.advertised = 0;
    f.c.b.advertised_at = M(15);
    f.c.nthreats = 1;
    f.threats[0] = (cfmt_threat_t){ .attack = "a1", .from = M(20), .here = 1, .chosen = 1 };
    ck_assert_str_eq(advertise_of(&f), "NOT PROTECTED against attack a1: proposing to advertise,"
                                       " possible 22:44:00Z");
    f.c.options.advertise = CFMT_HOW_AUTO;
    ck_assert_str_eq(advertise_of(&f),
                     "advertise 22:44:00Z (withdrawn 22:29:00Z): attack a1 open");
    f.c.b.advertised_at = M(0);
    ck_assert_str_eq(advertise_of(&f), "advertising: attack a1 open");
    f.c.b.locked = 1;
    ck_assert_str_eq(advertise_of(&f),
                     "NOT PROTECTED against attack a1: locked by Cloudflare");
    f.c.b.locked = -1;
    ck_assert_str_eq(advertise_of(&f),
                     "NOT PROTECTED against attack a1: its state is not known");
    f.c.b.locked = 0;
    f.c.options.advertise = CFMT_HOW_MANUAL;
    f.c.advertise_offer = (cfmt_offer_t){ .state = CFMT_OFFER_OPEN, .at = M(20), .until = M(50) };
    ck_assert_str_eq(advertise_of(&f), "NOT PROTECTED against attack a1: waits for approval,"
                                       " possible now");
}
END_TEST

/* Whatever comes: one printable line that says something, without a full stop. */
START_TEST(test_any_line)
{
    static const int odd[] = { -1, 0, 1, 2 };
    unsigned seed = 3;
    int i, k;

    for (i = 0; i < KIT_CASES(5000); i++) {
        fine_t f;

        fine(&f);
        f.c.listed = odd[kit_random(&seed, 4)];
        f.c.read_at = kit_random(&seed, 2) ? NOW - (int)kit_random(&seed, 200) * SEC : 0;
        f.c.b.advertised = f.c.b.locked = odd[kit_random(&seed, 4)];
        f.c.b.advertised_at = f.c.cause.at = kit_random(&seed, 3) ? M(kit_random(&seed, 30)) : 0;
        f.c.cause.kind = (cfmt_cause_e)kit_random(&seed, CFMT_CAUSES);
        f.c.options.withdraw = (cfmt_how_e)kit_random(&seed, 3);
        f.c.withdraw_offer = (cfmt_offer_t){ .state = (cfmt_offer_e)kit_random(&seed, 4),
                                             .advertised_at = f.c.b.advertised_at,
                                             .until = M(30) };
        f.c.check = odd[kit_random(&seed, 4)];
        f.c.check_asked_at = NOW - (int)kit_random(&seed, 70) * SEC;
        f.c.look_at = NOW - (int)kit_random(&seed, 70) * SEC;
        f.c.look_above = f.c.held = odd[kit_random(&seed, 4)];
        f.c.nthreats = (int)kit_random(&seed, 3) - 1;
        f.c.complete = M((int)kit_random(&seed, 25));
        for (k = 0; k < CFMT_GATES; k++) {
            const char *line = line_of(&f, (cfmt_gate_e)k);
            apr_size_t len = strlen(line);

            ck_assert(len > 40 && len == strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"
                                                      "QRSTUVWXYZ0123456789 _-=,:()'"));
            ck_assert_msg(!strstr(line, "(null)") && !strstr(line, ".)"), "%s", line);
        }
        ck_assert_ptr_nonnull(status_of(&f));
        ck_assert_ptr_nonnull(advertise_of(&f));
    }
}
END_TEST

UNIT_SUITE_BEGIN(gates)
    UNIT_TEST(test_names)
    UNIT_TEST(test_open)
    UNIT_TEST(test_figures)
    UNIT_TEST(test_green_sentences)
    UNIT_TEST(test_lines)
    UNIT_TEST(test_attack_sentences)
    UNIT_TEST(test_calm_sentences)
    UNIT_TEST(test_cause_sentences)
    UNIT_TEST(test_foreign_text)
    UNIT_TEST(test_status)
    UNIT_TEST(test_advertise_status)
    UNIT_TEST(test_any_line)
UNIT_SUITE_END
