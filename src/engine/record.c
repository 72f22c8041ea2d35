/*
 * The audit chain's links. Whoever has the error log can prove that the table was not rewritten.
 */
#include <string.h>

#include "decide.h"

apr_status_t cfmt_record(cfmt_engine_t *e, apr_time_t at, const char *what, const char *prefix,
                         const char *who, const char *why, const char *ref)
{
    cfmt_audit_row_t row = { .at = at, .what = what, .prefix = prefix, .who = who,
                             .why = why && *why ? why : NULL, .ref = ref };

    return cfmt_audit_append(e->store, &row, &e->audit);
}

void cfmt_record_anchor(cfmt_engine_t *e)
{
    if (e->audit.id > e->anchored) {
        cfmt_log(e->conf.log, CFMT_LOG_NOTICE,
                 CFMT_ID(0960) "audit chain: row %" APR_INT64_T_FMT " has the hash %s",
                 e->audit.id, e->audit.hash);
        e->anchored = e->audit.id;
    }
}
