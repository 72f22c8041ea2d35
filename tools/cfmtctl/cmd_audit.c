/*
 * audit: the record of changes, and the proof that none of it is missing or altered.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "act.h"

#define AUDIT(member, label, kind_, table) COLUMN(cfmt_audit_row_t, member, label, kind_, table)
static const ctl_column_t columns[] = {
    AUDIT(id, "id", COL_INT, 1), AUDIT(at, "at", COL_TIME, 1), AUDIT(what, "what", COL_TEXT, 1),
    AUDIT(prefix, "prefix", COL_TEXT, 1), AUDIT(who, "who", COL_TEXT, 1),
    AUDIT(ref, "ref", COL_TEXT, 1), AUDIT(why, "why", COL_TEXT, 1),
    AUDIT(body, "body", COL_RAW, 0), AUDIT(hash, "hash", COL_TEXT, 0), { .name = NULL }
};
const ctl_list_t ctl_audit_list = { "changes", columns, sizeof(cfmt_audit_row_t) };

/* ---- the record ------------------------------------------------------------------------------ */

#define PAGES_MAX 10 /* that are looked through for one prefix */

/* From the newest back until there are limit of them; then the oldest first. */
apr_status_t ctl_changes(const ctl_world_t *w, const char *prefix, int limit,
                         apr_array_header_t **prows)
{
    apr_array_header_t *page, *found = apr_array_make(w->p, 16, sizeof(cfmt_audit_row_t));
    apr_status_t rv = APR_SUCCESS;
    apr_int64_t before = 0;
    int i, pages = 0, more = limit > 0;

    while (more && found->nelts < limit) {
        rv = cfmt_audit_list(w->store, before, CFMT_QUERY_PAGE, &page, w->p);
        more = rv == APR_SUCCESS && page->nelts;
        for (i = 0; more && i < page->nelts && found->nelts < limit; i++) {
            const cfmt_audit_row_t *row = &APR_ARRAY_IDX(page, i, cfmt_audit_row_t);
            before = row->id;
            if (!prefix || cfmt_text_same(prefix, row->prefix)) {
                APR_ARRAY_PUSH(found, cfmt_audit_row_t) = *row;
            }
        }
        more = more && before > 1 && (!prefix || ++pages < PAGES_MAX);
    }
    *prows = apr_array_make(w->p, found->nelts + 1, sizeof(cfmt_audit_row_t));
    for (i = found->nelts; i-- > 0;) {
        APR_ARRAY_PUSH(*prows, cfmt_audit_row_t) = APR_ARRAY_IDX(found, i, cfmt_audit_row_t);
    }
    return rv;
}

int ctl_audit(ctl_t *ctl)
{
    apr_array_header_t *rows;
    apr_status_t rv;
    ctl_world_t w;
    int code;

    if (ctl->given & OPT_IMPORTED) {
        return ctl_imported_actions(ctl);
    }
    if ((code = ctl_world_open(&w, ctl)) != CTL_DONE) {
        return code;
    }
    if ((rv = ctl_changes(&w, NULL, ctl->limit, &rows)) != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    ctl_list_print(&ctl_audit_list, rows, NULL, ctl, w.p);
    return CTL_DONE;
}

/* ---- the proof ------------------------------------------------------------------------------- */

/* "17:3f2a...", all 64 digits. */
static int read_anchor(const ctl_t *ctl, cfmt_audit_head_t *head)
{
    const char *colon = strchr(ctl->anchor, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789abcdefABCDEF") : 0;

    if (digits != CFMT_AUDIT_HASH || colon[1 + CFMT_AUDIT_HASH]
        || cfmt_int_parse(&head->id, apr_pstrmemdup(ctl->pool, ctl->anchor,
                                                    (apr_size_t)(colon - ctl->anchor)),
                          1, APR_INT64_MAX) != APR_SUCCESS) {
        ctl_complain(CFMT_ID(0996), "--anchor: '%s' is not ID:HASH, a number and %d hexadecimal"
                     " digits, as in httpd's error log", ctl_text(ctl->pool, ctl->anchor),
                     CFMT_AUDIT_HASH);
        return CTL_USAGE;
    }
    memcpy(head->hash, colon + 1, CFMT_AUDIT_HASH + 1);
    return CTL_DONE;
}

static void print_check(const ctl_t *ctl, const cfmt_audit_check_t *c)
{
    const char *head = c->head.id ? apr_psprintf(ctl->pool, "%" APR_INT64_T_FMT ":%s", c->head.id,
                                                 c->head.hash) : NULL;

    if (ctl->json) {
        ctl_json_document(ctl, apr_psprintf(
            ctl->pool, "\"sound\":%s,\"rows\":%" APR_INT64_T_FMT ",\"head\":%s,"
            "\"broken\":%s,\"problem\":%s,\"detail\":%s", c->problem ? "false" : "true",
            c->rows, ctl_json_string(ctl->pool, head),
            c->broken ? apr_psprintf(ctl->pool, "%" APR_INT64_T_FMT, c->broken) : "null",
            ctl_json_string(ctl->pool, c->problem), ctl_json_string(ctl->pool, c->detail)));
    }
    else if (!c->problem) {
        printf("sound: %" APR_INT64_T_FMT " rows, head %s\n", c->rows, head ? head : "none");
    }
}

int ctl_audit_verify(ctl_t *ctl)
{
    cfmt_audit_head_t anchor = { .id = 0 };
    cfmt_audit_check_t c;
    apr_status_t rv;
    ctl_world_t w;
    int code = ctl->anchor ? read_anchor(ctl, &anchor) : CTL_DONE;

    if (code != CTL_DONE || (code = ctl_world_open(&w, ctl)) != CTL_DONE) {
        return code;
    }
    rv = cfmt_audit_verify(w.store, ctl->anchor ? &anchor : NULL, &c, w.p);
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    print_check(ctl, &c);
    if (c.problem) {
        ctl_complain(CFMT_ID(0998), "the record of changes is broken: %s (%" APR_INT64_T_FMT
                     " rows before it are sound); keep a copy of the database, compare a backup",
                     ctl_text(w.p, c.detail), c.rows);
        return CTL_FAILED;
    }
    return CTL_DONE;
}
