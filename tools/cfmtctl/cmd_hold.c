/*
 * hold, release, window: what keeps the policy from withdrawing.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"

int ctl_hold(ctl_t *ctl)
{
    const char *more = "";

    if (!ctl->reason || !*ctl->reason) {
        ctl_complain(CFMT_ID(0991), "hold needs a reason, for whoever finds it: %s --reason TEXT",
                     ctl->typed);
        return CTL_USAGE;
    }
    if (ctl->given & OPT_FOR) {
        more = apr_psprintf(ctl->pool, ",\"for\":%" APR_INT64_T_FMT, ctl->span);
    }
    return ctl_order_prefixes(ctl, "hold", more, 0);
}

int ctl_release(ctl_t *ctl)
{
    return ctl_order_prefixes(ctl, "release", "", 0);
}

/* ---- maintenance windows --------------------------------------------------------------------- */

/* A time; "now" and "+2h" are counted from `base`. */
static int read_time(apr_time_t *pt, const char *text, apr_time_t base)
{
    apr_interval_time_t d;

    if (!strcmp(text, "now")) {
        *pt = base;
        return 1;
    }
    if (*text == '+') {
        *pt = cfmt_duration_parse(&d, text + 1) == APR_SUCCESS ? base + d : 0;
        return *pt != 0;
    }
    return cfmt_time_parse(pt, text) == APR_SUCCESS;
}

static int read_window(const ctl_world_t *w, apr_time_t *pfrom, apr_time_t *pto)
{
    const char *const *words = w->ctl->operands + 1;
    int i;

    for (i = 0; i < 2; i++) {
        if (!read_time(i ? pto : pfrom, words[i], i ? *pfrom : w->now)) {
            ctl_complain(CFMT_ID(0992), "'%s' is no time: 2026-11-22T20:00:00Z, 'now' or '+2h'",
                         ctl_text(w->p, words[i]));
            return CTL_USAGE;
        }
    }
    if (*pto <= *pfrom || *pto <= w->now) {
        ctl_complain(CFMT_ID(0995), "a window from %s to %s holds nothing: it must end behind its"
                     " start and in the future", ctl_time(w->p, *pfrom), ctl_time(w->p, *pto));
        return CTL_USAGE;
    }
    return CTL_DONE;
}

/* "*": family 0. */
static int pick_window(const ctl_world_t *w, cfmt_cidr_t *pcidr)
{
    apr_array_header_t *rows;
    apr_status_t rv;

    memset(pcidr, 0, sizeof(*pcidr));
    if (!strcmp(w->ctl->operands[0], "*")) {
        return CTL_DONE;
    }
    rv = cfmt_prefixes_load(w->store, &rows, w->p);
    return rv == APR_SUCCESS ? ctl_pick(w, rows, w->ctl->operands[0], pcidr)
                             : ctl_world_failed(w, rv);
}

int ctl_window_add(ctl_t *ctl)
{
    int dry = (ctl->given & OPT_DRY_RUN) != 0;
    ctl_order_t order = { .about = "*" };
    apr_time_t from = 0, to = 0;
    cfmt_cidr_t cidr;
    ctl_world_t w;
    int code = ctl_world_open_as(&w, ctl, dry ? CFMT_STORE_READ : CFMT_STORE_WRITE);

    if (code != CTL_DONE || (code = pick_window(&w, &cidr)) != CTL_DONE
        || (code = read_window(&w, &from, &to)) != CTL_DONE) {
        return code;
    }
    if (cidr.family) {
        order.about = cfmt_cidr_format(w.p, &cidr);
    }
    if (dry) {
        return ctl_dry_run(&w, "window.add", order.about,
                           apr_psprintf(w.p, "add a maintenance window for %s from %s to %s",
                                        order.about, ctl_time(w.p, from), ctl_time(w.p, to)));
    }
    order.body = ctl_order_body(ctl, "window.add", &cidr,
                                apr_psprintf(w.p, ",\"from\":%" APR_TIME_T_FMT
                                             ",\"to\":%" APR_TIME_T_FMT, from, to));
    return ctl_orders_run(ctl, w.store, &order, 1, NULL);
}

int ctl_window_remove(ctl_t *ctl)
{
    return ctl_order_id(ctl, "window.remove", "window", "remove");
}
