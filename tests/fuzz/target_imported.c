/*
 * The body of a row of the system before -> what lists show of it. That system kept what strangers
 * had sent it, so any value may be anything.
 */
#include <math.h>
#include <string.h>

#include "engine/project_imported.h"
#include "fuzz.h"

static void check_text(const char *text)
{
    FUZZ_CHECK(!text || (*text && fuzz_is_utf8(text, strlen(text))));
}

static void check_rate(double v)
{
    FUZZ_CHECK(v == -1 || (v >= 0 && isfinite(v)));
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    const cfmt_journal_row_t row = { .id = 7, .kind = CFMT_KIND_IMPORTED, .tag = "name",
                                     .body = data, .len = len };
    cfmt_imported_t r;

    if (cfmt_imported_read(&r, &row, p) != APR_SUCCESS) {
        return;
    }
    FUZZ_CHECK(r.id == 7 && !strcmp(r.name, "name") && r.source && *r.source);
    FUZZ_CHECK(r.part == CFMT_PART_OTHER || r.part == CFMT_PART_EVENT || r.part == CFMT_PART_ACTION
               || r.part == CFMT_PART_TRAFFIC);
    FUZZ_CHECK(r.ambiguous == 0 || r.ambiguous == 1);
    check_text(r.what);
    check_text(r.state);
    check_text(r.done);
    check_text(r.attack);
    check_text(r.prefix);
    check_text(r.target);
    check_text(r.vector);
    check_rate(r.pps);
    check_rate(r.bps);
}
