/*
 * A file with a policy (cfmtctl replay --policy). What it is taken for can be written down as such
 * a file again and is taken for the same; a fault names a line that is there.
 */
#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "cfmt_directive.h"
#include "fuzz.h"

#define PREFIX "Prefix "

static int count_lines(const char *text)
{
    int n = 1;

    while ((text = strchr(text, '\n'))) {
        text++;
        n++;
    }
    return n;
}

static void check_faults(const apr_array_header_t *faults, const char *text)
{
    int i, line = 1, lines = count_lines(text);

    for (i = 0; i < faults->nelts; i++) {
        const cfmt_line_fault_t *fault = &APR_ARRAY_IDX(faults, i, cfmt_line_fault_t);

        FUZZ_CHECK(fault->line >= line && fault->line <= lines);
        FUZZ_CHECK(*fault->text && strlen(fault->text) < 2000 + strlen(text));
        line = fault->line + 1;
    }
}

static const char *write_down(const apr_table_t *settings, apr_pool_t *p)
{
    const apr_array_header_t *elts = apr_table_elts(settings);
    const char *text = "";
    int i;

    for (i = 0; i < elts->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(elts, i, apr_table_entry_t);

        FUZZ_CHECK(fuzz_printable(e->key, 80) && fuzz_printable(e->val, 5000));
        text = apr_pstrcat(p, text, "Cfmt", e->key, " ", e->val, "\n", NULL);
    }
    return text;
}

static void check_prefixes(const apr_table_t *settings)
{
    const apr_array_header_t *elts = apr_table_elts(settings);
    cfmt_cidr_t c;
    int i, host_bits;

    for (i = 0; i < elts->nelts; i++) {
        const char *key = APR_ARRAY_IDX(elts, i, apr_table_entry_t).key;

        if (!strncmp(key, PREFIX, strlen(PREFIX)) && strcmp(key, PREFIX "*") != 0) {
            FUZZ_CHECK(cfmt_cidr_parse(&c, &host_bits, key + strlen(PREFIX)) == APR_SUCCESS);
            FUZZ_CHECK(!host_bits);
        }
    }
}

static void check_again(const apr_table_t *settings, apr_pool_t *p)
{
    const char *text = write_down(settings, p);
    apr_array_header_t *faults;
    apr_table_t *again;

    cfmt_policy_read(&again, &faults, "again", text, p);
    FUZZ_CHECK(!faults->nelts);
    FUZZ_CHECK(!strcmp(write_down(again, p), text));
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    const char *text = fuzz_text(data, len, p);
    apr_array_header_t *faults;
    apr_table_t *settings;

    cfmt_policy_read(&settings, &faults, "fuzz", text, p);
    check_faults(faults, text);
    check_prefixes(settings);
    check_again(settings, p);
}
