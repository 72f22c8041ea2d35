/*
 * What was decided as text: nothing gets lost on the way, and a damaged or cut text is refused
 * rather than read as fewer gates.
 */
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "unit.h"

static cfmt_gate_t gate(int id, int n)
{
    cfmt_gate_t g = {.id = (cfmt_gate_e)id, .light = (cfmt_light_e)(n % 4),
                     .reason = n % 2 ? "short" : "it's \"so\"",
                     .figure = (cfmt_figure_e)(n / 4 % 4),
                     .value = n * 1000000007LL - 5, .threshold = -n, .source = "api",
                     .text = n % 3 ? "a \xc3\xa4 \x01\n\\" : NULL, .at = n % 5 ? KIT_T(n) : 0,
                     .next = n % 7 ? 0 : KIT_T(n + 60)};

    return g;
}

static cfmt_decided_t sample(int n)
{
    cfmt_decided_t x = {
        .d = {.action = (cfmt_do_e)(n % (CFMT_DO_WITHDRAW + 1)),
              .why = (cfmt_gate_e)(n % (CFMT_GATES + 1)), .earliest = n % 2 ? KIT_T(n) : 0,
              .orphan = n % 2, .orphan_at = n % 3 ? KIT_T(2 * n) : 0},
        .a = {.action = (cfmt_advertise_e)(n % (CFMT_ADVERTISE_NOW + 1)), .reason = "calm",
              .attack = n % 3 ? "a1b2" : NULL, .at = KIT_T(n), .exposed = n / 2 % 2,
              .page_at = n % 2 ? 0 : KIT_T(n)},
        .cause = {.kind = (cfmt_cause_e)(n % CFMT_CAUSES), .by_attack = n / 3 % 2, .at = KIT_T(n),
                  .who = n % 2 ? "alice via root" : NULL, .attack = n % 4 ? NULL : "x\"y",
                  .intent = n % 5},
        .text = n % 2 ? "stays: attack a1b2 open" : NULL,
        .advertise_text = n % 3 ? "-" : NULL,
    };
    int i;

    for (i = 0; i < CFMT_GATES; i++) {
        x.d.gates[i] = gate(i, n + i);
    }
    return x;
}

static const char *encode(const cfmt_decided_t *x)
{
    return cfmt_decision_encode(&x->d, &x->a, &x->cause, x->text, x->advertise_text, unit_pool);
}

static void same_gate(const cfmt_gate_t *a, const cfmt_gate_t *b)
{
    ck_assert(a->id == b->id && a->light == b->light && a->figure == b->figure);
    ck_assert(a->value == b->value && a->threshold == b->threshold);
    ck_assert(a->at == b->at && a->next == b->next);
    ck_assert(cfmt_text_same(a->reason, b->reason) && cfmt_text_same(a->text, b->text)
              && cfmt_text_same(a->source, b->source));
}

static void same(const cfmt_decided_t *a, const cfmt_decided_t *b)
{
    int i;

    ck_assert(a->d.action == b->d.action && a->d.why == b->d.why);
    ck_assert(a->d.earliest == b->d.earliest && a->d.orphan == b->d.orphan
              && a->d.orphan_at == b->d.orphan_at);
    ck_assert(a->a.action == b->a.action && a->a.at == b->a.at && a->a.exposed == b->a.exposed
              && a->a.page_at == b->a.page_at);
    ck_assert(cfmt_text_same(a->a.reason, b->a.reason)
              && cfmt_text_same(a->a.attack, b->a.attack));
    ck_assert(a->cause.kind == b->cause.kind && a->cause.by_attack == b->cause.by_attack
              && a->cause.at == b->cause.at && a->cause.intent == b->cause.intent);
    ck_assert(cfmt_text_same(a->cause.who, b->cause.who)
              && cfmt_text_same(a->cause.attack, b->cause.attack));
    ck_assert(cfmt_text_same(a->text, b->text)
              && cfmt_text_same(a->advertise_text, b->advertise_text));
    for (i = 0; i < CFMT_GATES; i++) {
        same_gate(&a->d.gates[i], &b->d.gates[i]);
    }
}

/* Every gate with every light and figure, every action and cause among them. */
START_TEST(comes_back)
{
    cfmt_decided_t x, y;
    int n;

    for (n = 0; n < 64; n++) {
        x = sample(n);
        ck_assert_int_eq(cfmt_decision_decode(&y, encode(&x), unit_pool), APR_SUCCESS);
        same(&x, &y);
        ck_assert_int_eq(cfmt_decision_glance(&y, encode(&x), unit_pool), APR_SUCCESS);
        memset(x.d.gates, 0, sizeof(x.d.gates));
        same(&x, &y);
    }
}
END_TEST

/* The place where the gates begin is not to be found in somebody's words. */
START_TEST(no_text_ends_a_glance)
{
    cfmt_decided_t x = sample(0), y;

    x.text = x.cause.who = "x\",\"gates\":[{\"";
    ck_assert_int_eq(cfmt_decision_glance(&y, encode(&x), unit_pool), APR_SUCCESS);
    ck_assert_str_eq(y.text, x.text);
    ck_assert_str_eq(y.cause.who, x.cause.who);
    ck_assert_int_eq(cfmt_decision_glance(&y, "{\"version\":1}", unit_pool), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_decision_glance(&y, NULL, unit_pool), CFMT_EINVALID);
}
END_TEST

/* What a real decision says is told by the decoded gates in the same words. */
START_TEST(same_words)
{
    cfmt_case_t c;
    cfmt_decided_t x = {.advertise_text = "-"}, y;
    int i;

    cfmt_case_init(&c, KIT_T(0));
    cfmt_withdraw_decide(&x.d, &c);
    cfmt_advertise_decide(&x.a, &c);
    x.text = cfmt_withdraw_text(&x.d, &c, unit_pool);
    ck_assert_int_eq(cfmt_decision_decode(&y, encode(&x), unit_pool), APR_SUCCESS);
    for (i = 0; i < CFMT_GATES; i++) {
        ck_assert_str_eq(cfmt_gate_line(&x.d.gates[i], KIT_T(9), unit_pool),
                         cfmt_gate_line(&y.d.gates[i], KIT_T(9), unit_pool));
    }
    ck_assert_str_eq(x.text, y.text);
}
END_TEST

static void refused(const char *json)
{
    cfmt_decided_t y;

    ck_assert_msg(cfmt_decision_decode(&y, json, unit_pool) == CFMT_EINVALID, "%s", json);
}

static const char *swap(const char *json, const char *old, const char *text)
{
    const char *at = strstr(json, old);

    ck_assert_msg(at != NULL, "%s in %s", old, json);
    return apr_pstrcat(unit_pool, apr_pstrmemdup(unit_pool, json, (apr_size_t)(at - json)), text,
                       at + strlen(old), NULL);
}

START_TEST(damaged)
{
    static const char *const cuts[][2] = {
        {"\"version\":1", "\"version\":2"},      {"\"version\":1,", ""},
        {"\"action\":\"", "\"action\":\"x"},     {"\"why\":\"", "\"why\":\"x"},
        {"\"orphan\":", "\"orphan\":7,\"o\":"},  {"\"earliest\":", "\"earliest\":\"x\",\"e\":"},
        {"\"cause\":{", "\"cause\":[],\"c\":{"}, {"\"kind\":\"", "\"kind\":\"x"},
        {"\"exposed\":", "\"e\":"},              {"\"light\":\"", "\"light\":\"x"},
        {"\"gate\":\"scope\"", "\"gate\":\"mode\""}, {"\"gates\":[", "\"gates\":[{},"},
        {"\"figure\":\"", "\"figure\":\"x"},     {"\"source\":\"api\"", "\"source\":null"},
        {"\"threshold\":", "\"t\":"},            {"\"text\":", "\"t\":"},
    };
    cfmt_decided_t x = sample(1);
    const char *json = encode(&x), *last = strstr(json, ",{\"gate\":\"last_look\"");
    int i;

    for (i = 0; i < KIT_COUNT(cuts); i++) {
        refused(swap(json, cuts[i][0], cuts[i][1]));
    }
    refused(apr_pstrcat(unit_pool, apr_pstrmemdup(unit_pool, json, (apr_size_t)(last - json)),
                        "]}", NULL)); /* a gate less */
    for (i = 0; i < (int)strlen(json); i += 17) {
        refused(apr_pstrmemdup(unit_pool, json, (apr_size_t)i));
    }
    refused(NULL);
    refused("[]");
    refused("{}");
    refused("[{\"id\":\"calm\"}]");
}
END_TEST

UNIT_SUITE_BEGIN(decision_json)
    UNIT_TEST(comes_back)
    UNIT_TEST(no_text_ends_a_glance)
    UNIT_TEST(same_words)
    UNIT_TEST(damaged)
UNIT_SUITE_END
