/*
 * The configuration as a `config` row of the journal carries it: read, written, read again.
 */
#include <string.h>

#include "cfmt_store.h"
#include "fuzz.h"

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    apr_table_t *t = cfmt_settings_decode(data, len, p), *again;
    const char *text = cfmt_settings_encode(t, p);
    const apr_array_header_t *elts = apr_table_elts(t);
    const apr_table_entry_t *e;
    int i;

    FUZZ_CHECK(fuzz_printable(text, len * 6 + 16));
    again = cfmt_settings_decode(text, strlen(text), p);
    FUZZ_CHECK(apr_table_elts(again)->nelts == elts->nelts);
    for (i = 0; i < elts->nelts; i++) {
        e = &APR_ARRAY_IDX(elts, i, apr_table_entry_t);
        FUZZ_CHECK(fuzz_same(apr_table_get(again, e->key), e->val));
    }
    FUZZ_CHECK(!strcmp(cfmt_settings_encode(again, p), text));
}
