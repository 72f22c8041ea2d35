/*
 * Folded states and the snapshot row that a pruned journal begins with, as they are read back. The
 * first byte chooses the reader; what can be read is the same after it was written again.
 */
#include <string.h>

#include "cfmt_store.h"
#include "fuzz.h"
#include "store/projection.h"

static void check_attack(const char *text, apr_pool_t *p)
{
    cfmt_attack_t a, again;
    const char *once;

    if (cfmt_attack_decode(&a, "a0123456789ab", text, p) != APR_SUCCESS) {
        return;
    }
    once = cfmt_attack_encode(&a, p);
    FUZZ_CHECK(cfmt_attack_decode(&again, a.id, once, p) == APR_SUCCESS);
    FUZZ_CHECK(!strcmp(cfmt_attack_encode(&again, p), once));
    cfmt_attack_join(&again, &a, p);
    FUZZ_CHECK(again.targets->nelts <= a.targets->nelts + CFMT_ATTACK_TARGETS_MAX);
}

static void check_entity(const char *text, apr_pool_t *p)
{
    cfmt_entity_t t, again;
    const char *once;

    if (cfmt_entity_decode(&t, "tunnel", "t1", text, p) != APR_SUCCESS) {
        return;
    }
    once = cfmt_entity_encode(&t, p);
    FUZZ_CHECK(cfmt_entity_decode(&again, t.kind, t.id, once, p) == APR_SUCCESS);
    FUZZ_CHECK(!strcmp(cfmt_entity_encode(&again, p), once));
}

static void check_list(const char *text, apr_pool_t *p)
{
    const char *once = cfmt_texts_format(cfmt_texts_parse(text, p), p);

    FUZZ_CHECK(!strcmp(cfmt_texts_format(cfmt_texts_parse(once, p), p), once));
}

static void check_config(const char *data, apr_size_t len, apr_pool_t *p)
{
    apr_table_t *t = cfmt_snapshot_config(data, len, p);

    FUZZ_CHECK(fuzz_printable(cfmt_settings_encode(t, p), len * 6 + 16));
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    switch (fuzz_byte(&data, &len)) {
    case 'a': check_attack(fuzz_text(data, len, p), p); break;
    case 'e': check_entity(fuzz_text(data, len, p), p); break;
    case 'l': check_list(fuzz_text(data, len, p), p); break;
    default: check_config(data, len, p); break;
    }
}
