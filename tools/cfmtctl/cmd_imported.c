/*
 * --imported of events, attacks, audit and traffic: what the system before had of it. Kept apart
 * from our own rows, because nothing of it was ever seen, decided or done by this one.
 */
#include "cfmt_store_import.h"
#include "cfmtctl.h"

#define ROW(member, kind_, table) COLUMN(cfmt_imported_t, member, #member, kind_, table)

static const ctl_column_t columns[] = {
    ROW(id, COL_INT, 1),
    ROW(at, COL_TIME, 1),
    ROW(ambiguous, COL_BOOL, 1),
    ROW(source, COL_TEXT, 1),
    ROW(what, COL_TEXT, 1),
    ROW(state, COL_TEXT, 1),
    ROW(prefix, COL_TEXT, 1),
    ROW(target, COL_TEXT, 1),
    ROW(vector, COL_TEXT, WIDE),
    ROW(pps, COL_RATE, 1),
    ROW(bps, COL_RATE, 1),
    ROW(attack, COL_TEXT, 1),
    ROW(ended_at, COL_TIME, 1),
    ROW(done_at, COL_TIME, 1),
    ROW(done, COL_TEXT, 1),
    ROW(name, COL_TEXT, 0),
    ROW(body, COL_RAW, 0),
    { .name = NULL }
};
static const ctl_list_t list = { "imported", columns, sizeof(cfmt_imported_t) };

static int print(ctl_t *ctl, cfmt_store_t *s, cfmt_part_e part)
{
    apr_array_header_t *rows;
    int more;
    apr_status_t rv = cfmt_imported_list(s, part, ctl->since, ctl->limit, &rows, &more, ctl->pool);

    if (rv != APR_SUCCESS) {
        return ctl_store_failed(ctl, rv, cfmt_store_error(s));
    }
    ctl_list_print(&list, rows, NULL, ctl, ctl->pool);
    if (more && !(ctl->given & OPT_LIMIT)) {
        ctl_complain(CFMT_ID(1157), "only the newest %d rows are shown; --limit N shows more",
                     ctl->limit);
    }
    else if (!rows->nelts && ctl->limit) {
        ctl_complain(CFMT_ID(1158), "nothing of that was imported%s; 'cfmtctl import PATH' does it",
                     ctl->since ? " of since then" : "");
    }
    return CTL_DONE;
}

static int imported(ctl_t *ctl, cfmt_part_e part)
{
    cfmt_store_t *s;
    int code;

    if (ctl->follow || (ctl->given & (OPT_WATCH | OPT_TOP)) || ctl->operand_count) {
        ctl_complain(CFMT_ID(1156), "--imported is a list that is over: it goes with --since,"
                     " --limit and -o alone");
        return CTL_USAGE;
    }
    if ((code = ctl_become(ctl)) != CTL_DONE
        || (code = ctl_open(ctl, CFMT_STORE_READ, &s)) != CTL_DONE) {
        return code;
    }
    return print(ctl, s, part);
}

int ctl_imported_events(ctl_t *ctl)
{
    return imported(ctl, CFMT_PART_EVENT);
}

int ctl_imported_actions(ctl_t *ctl)
{
    return imported(ctl, CFMT_PART_ACTION);
}

int ctl_imported_traffic(ctl_t *ctl)
{
    return imported(ctl, CFMT_PART_TRAFFIC);
}
