/*
 * A webhook body -> delivery -> event -> folded attack or entity: the way of every byte that
 * Cloudflare sends. The body may hold anything.
 */
#include <math.h>
#include <string.h>

#include "cfmt_policy.h"
#include "cfmt_store.h"
#include "fuzz.h"

#define AT apr_time_from_sec(1700000000)
#define TIME_MAX (apr_time_from_sec(APR_INT64_C(253402300799)) + 999999)

static void check_delivery(const cfmt_delivery_t *d, const char *body, apr_size_t len)
{
    FUZZ_CHECK(fuzz_is_utf8(body, len));
    FUZZ_CHECK(d->doc && d->doc->type == CFMT_JSON_OBJECT);
    FUZZ_CHECK(d->has_ts || d->ts == 0);
    FUZZ_CHECK(d->ts >= 0 && d->ts <= TIME_MAX);
    FUZZ_CHECK(d->digest == cfmt_digest64(body, len));
    FUZZ_CHECK(!d->is_test || !d->alert_type);
}

/* Absent, or a text that can be stored and bound. */
static void check_text(const char *text)
{
    FUZZ_CHECK(!text || (*text && fuzz_is_utf8(text, strlen(text))));
}

static void check_rate(double v)
{
    FUZZ_CHECK(v == -1 || (v >= 0 && isfinite(v)));
}

static void check_texts(const cfmt_event_t *e)
{
    check_text(e->alert_type);
    check_text(e->account);
    check_text(e->policy_id);
    check_text(e->policy_name);
    check_text(e->attack_id);
    check_text(e->correlation_id);
    check_text(e->target);
    check_text(e->vector);
    check_text(e->protocol);
    check_text(e->rule);
    check_text(e->entity_id);
    check_text(e->entity_name);
    check_text(e->entity_state);
    FUZZ_CHECK(e->summary && fuzz_printable(e->summary, 200));
}

static void check_event(const cfmt_event_t *e, const cfmt_delivery_t *d, apr_pool_t *p)
{
    check_texts(e);
    check_rate(e->pps);
    check_rate(e->bps);
    check_rate(e->rps);
    FUZZ_CHECK(!strcmp(e->source, d->is_test ? "test" : "alert"));
    FUZZ_CHECK(e->at == AT && e->ts == (d->has_ts ? d->ts : AT));
    FUZZ_CHECK(e->start >= 0 && e->start <= TIME_MAX);
    FUZZ_CHECK(e->digest == d->digest && e->ours);
    FUZZ_CHECK(cfmt_state_name(e->state) && cfmt_priority_name(e->priority));
    FUZZ_CHECK((e->effect == CFMT_EFFECT_ENTITY) == (e->entity_kind != NULL));
    if (e->target_cidr.family) {
        FUZZ_CHECK(!strcmp(e->target, cfmt_cidr_format(p, &e->target_cidr)));
        FUZZ_CHECK(e->effect != CFMT_EFFECT_HOST);
    }
}

static void check_hits(const cfmt_event_t *e, apr_pool_t *p)
{
    static const char *const ours[] = {"192.0.2.0/24", "203.0.113.0/24", "203.0.113.128/25",
                                       "2001:db8::/32"};
    apr_array_header_t *prefixes = apr_array_make(p, 4, sizeof(cfmt_prefix_t)), *hits;
    const cfmt_cidr_t *c;
    int i;

    for (i = 0; i < 4; i++) {
        cfmt_cidr_parse(&((cfmt_prefix_t *)apr_array_push(prefixes))->cidr, NULL, ours[i]);
    }
    hits = cfmt_prefix_hits(&e->target_cidr, prefixes, p);
    FUZZ_CHECK(hits->nelts <= 4 && (e->target_cidr.family || !hits->nelts));
    for (i = 0; i < hits->nelts; i++) {
        c = &APR_ARRAY_IDX(prefixes, APR_ARRAY_IDX(hits, i, int), cfmt_prefix_t).cidr;
        FUZZ_CHECK(cfmt_cidr_contains(c, &e->target_cidr) || cfmt_cidr_contains(&e->target_cidr, c));
    }
}

/* Folded, written and read back: the same, byte by byte. */
static void check_attack(const cfmt_event_t *e, apr_pool_t *p)
{
    cfmt_attack_key_t keys[CFMT_ATTACK_KEYS_MAX];
    cfmt_attack_t a, again;
    const char *text;
    int i, n = cfmt_attack_keys(keys, e, p);

    FUZZ_CHECK(n >= 0 && n <= CFMT_ATTACK_KEYS_MAX);
    for (i = 0; i < n; i++) {
        FUZZ_CHECK(strlen(keys[i].id) == 13 && keys[i].account && *keys[i].value);
    }
    if (!n) {
        return;
    }
    cfmt_attack_init(&a, keys[0].id, p);
    cfmt_attack_step(&a, e, p);
    FUZZ_CHECK(a.events == 1 && a.open == (e->state != CFMT_STATE_END));
    text = cfmt_attack_encode(&a, p);
    FUZZ_CHECK(cfmt_attack_decode(&again, a.id, text, p) == APR_SUCCESS);
    FUZZ_CHECK(!strcmp(cfmt_attack_encode(&again, p), text));
}

static void check_entity(const cfmt_event_t *e, apr_pool_t *p)
{
    cfmt_entity_t t, again;
    const char *text;

    if (!e->entity_kind || !e->entity_id) {
        return;
    }
    cfmt_entity_init(&t, e->entity_kind, e->entity_id);
    cfmt_entity_step(&t, e, p);
    text = cfmt_entity_encode(&t, p);
    FUZZ_CHECK(cfmt_entity_decode(&again, t.kind, t.id, text, p) == APR_SUCCESS);
    FUZZ_CHECK(!strcmp(cfmt_entity_encode(&again, p), text));
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    const char *why = NULL;
    cfmt_delivery_t d;
    cfmt_event_t e, again;
    apr_status_t rv = cfmt_delivery_parse(&d, &why, data, len, p);

    if (rv != APR_SUCCESS) {
        FUZZ_CHECK(rv == CFMT_EINVALID && why && fuzz_printable(why, 200));
        FUZZ_CHECK(cfmt_event_read(&e, data, len, AT, NULL, p) == CFMT_EINVALID);
        return;
    }
    check_delivery(&d, data, len);
    FUZZ_CHECK(cfmt_event_read(&e, data, len, AT, NULL, p) == APR_SUCCESS);
    check_event(&e, &d, p);
    check_hits(&e, p);
    check_attack(&e, p);
    check_entity(&e, p);
    FUZZ_CHECK(cfmt_event_read(&again, data, len, AT, "9035f53656c247e895c5a6939ae8a0e0", p)
               == APR_SUCCESS);
    FUZZ_CHECK(!strcmp(again.summary, e.summary) && fuzz_same(again.target, e.target));
}
