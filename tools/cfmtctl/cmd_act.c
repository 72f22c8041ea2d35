/*
 * advertise, withdraw, adopt, cancel, approve, deny: what changes BGP, or hands it to the policy.
 * Nothing is decided here: the leader has all facts. --dry-run shows its last decision.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"

/* ---- --dry-run ------------------------------------------------------------------------------- */

/* What may stand in the way of a command, or is what it changes. */
typedef struct shown_t {
    const char *command;
    int n;
    cfmt_gate_e gates[7];
} shown_t;

static const shown_t shown[] = {
    { .command = "advertise", .n = 5,
      .gates = { CFMT_GATE_KNOWN, CFMT_GATE_ENABLED, CFMT_GATE_UNLOCKED, CFMT_GATE_API_CONTROLLED,
                 CFMT_GATE_ADVERTISED } },
    { .command = "withdraw", .n = 7,
      .gates = { CFMT_GATE_KNOWN, CFMT_GATE_ENABLED, CFMT_GATE_UNLOCKED, CFMT_GATE_API_CONTROLLED,
                 CFMT_GATE_ADVERTISED, CFMT_GATE_NO_ATTACK, CFMT_GATE_MIN_ADVERTISED } },
    { .command = "adopt", .n = 2, .gates = { CFMT_GATE_ADVERTISED, CFMT_GATE_CAUSE } },
    { .command = NULL, .n = 1, .gates = { CFMT_GATE_NO_HOLD } } /* hold, release */
};

static const shown_t *shown_for(const char *command)
{
    const shown_t *sh;

    for (sh = shown; sh->command && strcmp(sh->command, command); sh++) {
    }
    return sh;
}

typedef struct dry_gate_t {
    const char *gate, *light, *text;
} dry_gate_t;

static const ctl_column_t dry_columns[] = {
    COLUMN(dry_gate_t, gate, "gate", COL_TEXT, 1), COLUMN(dry_gate_t, light, "light", COL_TEXT, 1),
    COLUMN(dry_gate_t, text, "text", COL_TEXT, 1), { .name = NULL }
};
static const ctl_list_t dry_list = { "gates", dry_columns, sizeof(dry_gate_t) };

/* Of the last decision; none where there is none, or none that can be read. */
static apr_array_header_t *dry_gates(const ctl_world_t *w, const cfmt_cidr_t *cidr,
                                     const shown_t *sh, apr_time_t *pat)
{
    apr_array_header_t *gates = apr_array_make(w->p, 8, sizeof(dry_gate_t));
    cfmt_decision_row_t row;
    cfmt_decided_t *d = apr_palloc(w->p, sizeof(*d));
    int i;

    *pat = 0;
    if (cfmt_decision_load(w->store, &row, cidr, w->p) != APR_SUCCESS
        || cfmt_decision_decode(d, row.gates, w->p) != APR_SUCCESS) {
        return gates;
    }
    *pat = row.at;
    for (i = 0; i < sh->n; i++) {
        const cfmt_gate_t *g = &d->d.gates[sh->gates[i]];
        APR_ARRAY_PUSH(gates, dry_gate_t) =
            (dry_gate_t){ .gate = cfmt_gate_name(g->id), .light = cfmt_light_name(g->light),
                          .text = cfmt_gate_text(g, w->now, w->p) };
    }
    return gates;
}

static void dry_text(const ctl_world_t *w, const char *would, const char *prefix,
                     const apr_array_header_t *gates, apr_time_t at)
{
    int i;

    printf("would %s %s; %s\n", would, prefix,
           at ? apr_psprintf(w->p, "as of %s ago:", ctl_duration(w->p, w->now > at ? w->now - at
                                                                                   : 0))
              : "nothing was decided about it yet");
    for (i = 0; i < gates->nelts; i++) {
        const dry_gate_t *g = &APR_ARRAY_IDX(gates, i, dry_gate_t);
        printf("  %-14s %-11s %s\n", g->gate, g->light, g->text);
    }
}

typedef struct would_t {
    const char *command, *about, *gates;
    apr_time_t at;
} would_t;

#define WOULD(member, label, kind_) COLUMN(would_t, member, label, kind_, 0)
static const ctl_column_t would_columns[] = {
    WOULD(command, "command", COL_TEXT), WOULD(about, "prefix", COL_TEXT),
    WOULD(at, "decided_at", COL_TIME), WOULD(gates, "gates", COL_RAW), { .name = NULL }
};
static const ctl_list_t would_list = { "would", would_columns, sizeof(would_t) };

static int dry_run(const ctl_world_t *w, const char *command, const apr_array_header_t *cidrs)
{
    apr_array_header_t *rows = apr_array_make(w->p, cidrs->nelts, sizeof(would_t)), *gates;
    const shown_t *sh = shown_for(command);
    int i;

    for (i = 0; i < cidrs->nelts; i++) {
        const cfmt_cidr_t *cidr = &APR_ARRAY_IDX(cidrs, i, cfmt_cidr_t);
        would_t r = { .command = command, .about = cfmt_cidr_format(w->p, cidr) };

        gates = dry_gates(w, cidr, sh, &r.at);
        r.gates = ctl_json_rows(&dry_list, gates, w->p);
        APR_ARRAY_PUSH(rows, would_t) = r;
        if (!w->ctl->json) {
            dry_text(w, command, r.about, gates, r.at);
        }
    }
    if (w->ctl->json) {
        ctl_list_print(&would_list, rows, "\"dry_run\":true", w->ctl, w->p);
    }
    return CTL_DONE;
}

int ctl_dry_run(const ctl_world_t *w, const char *command, const char *about, const char *what)
{
    static const ctl_column_t columns[] = {
        WOULD(command, "command", COL_TEXT), WOULD(about, "about", COL_TEXT), { .name = NULL }
    };
    static const ctl_list_t list = { "would", columns, sizeof(would_t) };
    apr_array_header_t *rows = apr_array_make(w->p, 1, sizeof(would_t));

    if (!w->ctl->json) {
        printf("would %s\n", what);
        return CTL_DONE;
    }
    APR_ARRAY_PUSH(rows, would_t) = (would_t){ .command = command, .about = about };
    ctl_list_print(&list, rows, "\"dry_run\":true", w->ctl, w->p);
    return CTL_DONE;
}

/* ---- several prefixes ------------------------------------------------------------------------ */

/* Every prefix that the API lets be advertised. */
static int all_prefixes(const ctl_world_t *w, const apr_array_header_t *rows,
                        apr_array_header_t **pcidrs)
{
    int i;

    *pcidrs = apr_array_make(w->p, rows->nelts + 1, sizeof(cfmt_cidr_t));
    for (i = 0; i < rows->nelts; i++) {
        const cfmt_prefix_row_t *r = &APR_ARRAY_IDX(rows, i, cfmt_prefix_row_t);
        if (!r->gone && cfmt_advertisable(&r->b)) {
            APR_ARRAY_PUSH(*pcidrs, cfmt_cidr_t) = r->b.cidr;
        }
    }
    if (!(*pcidrs)->nelts) {
        ctl_complain(CFMT_ID(0994), "--all: no prefix is known to be on demand; 'cfmtctl prefixes'"
                                    " lists them");
        return CTL_FAILED;
    }
    return CTL_DONE;
}

static int check_which(const ctl_t *ctl, const char *command)
{
    if (!ctl->all == !ctl->operand_count) {
        ctl_complain(CFMT_ID(0993), "usage: cfmtctl %s PREFIX... or cfmtctl %s --all: %s", command,
                     command, ctl->all ? "both were given" : "name the prefixes");
        return CTL_USAGE;
    }
    return CTL_DONE;
}

static int which(const ctl_world_t *w, apr_array_header_t **pcidrs)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_prefixes_load(w->store, &rows, w->p);

    *pcidrs = apr_array_make(w->p, 1, sizeof(cfmt_cidr_t));
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(w, rv);
    }
    return w->ctl->all ? all_prefixes(w, rows, pcidrs) : ctl_pick_all(w, rows, pcidrs);
}

static const char *question(const ctl_world_t *w, const char *command,
                            const apr_array_header_t *cidrs)
{
    const char *text = apr_psprintf(w->p, "%s %s", command,
                                    cfmt_cidr_format(w->p, &APR_ARRAY_IDX(cidrs, 0, cfmt_cidr_t)));

    if (cidrs->nelts > 1) {
        text = apr_psprintf(w->p, "%s and %d more", text, cidrs->nelts - 1);
    }
    return apr_pstrcat(w->p, text, w->ctl->given & OPT_OVERRIDE ? ", whatever the policy says?"
                                                                : "?", NULL);
}

int ctl_order_prefixes(ctl_t *ctl, const char *command, const char *more, int ask)
{
    int i, dry = (ctl->given & OPT_DRY_RUN) != 0;
    apr_array_header_t *cidrs;
    ctl_order_t *orders;
    ctl_world_t w;
    int code = ctl_world_open_as(&w, ctl, dry ? CFMT_STORE_READ : CFMT_STORE_WRITE);

    if (code != CTL_DONE || (code = which(&w, &cidrs)) != CTL_DONE) {
        return code;
    }
    if (dry) {
        return dry_run(&w, command, cidrs);
    }
    orders = apr_pcalloc(w.p, sizeof(*orders) * (apr_size_t)cidrs->nelts);
    for (i = 0; i < cidrs->nelts; i++) {
        const cfmt_cidr_t *cidr = &APR_ARRAY_IDX(cidrs, i, cfmt_cidr_t);
        orders[i].about = cfmt_cidr_format(w.p, cidr);
        orders[i].body = ctl_order_body(ctl, command, cidr, more);
        orders[i].may_override = !strcmp(command, "withdraw");
        orders[i].asks = ask;
    }
    return ctl_orders_run(ctl, w.store, orders, cidrs->nelts,
                          ask ? question(&w, command, cidrs) : NULL);
}

static int change(ctl_t *ctl, const char *command)
{
    int code = check_which(ctl, command);

    return code == CTL_DONE
               ? ctl_order_prefixes(ctl, command,
                                    ctl->given & OPT_OVERRIDE ? ",\"override\":true" : "", 1)
               : code;
}

int ctl_advertise(ctl_t *ctl)
{
    return change(ctl, "advertise");
}

int ctl_withdraw(ctl_t *ctl)
{
    return change(ctl, "withdraw");
}

int ctl_adopt(ctl_t *ctl)
{
    return ctl_order_prefixes(ctl, "adopt", "", 0);
}

/* ---- one thing with an id -------------------------------------------------------------------- */

int ctl_order_id(ctl_t *ctl, const char *command, const char *noun, const char *verb)
{
    int dry = (ctl->given & OPT_DRY_RUN) != 0;
    ctl_order_t order = { .about = NULL };
    apr_int64_t id;
    ctl_world_t w;
    int code = ctl_pick_id(ctl, ctl->operands[0], apr_pstrcat(ctl->pool, "a ", noun, NULL), &id);

    if (code != CTL_DONE
        || (code = ctl_world_open_as(&w, ctl, dry ? CFMT_STORE_READ : CFMT_STORE_WRITE))
               != CTL_DONE) {
        return code;
    }
    order.about = apr_psprintf(w.p, "%s %" APR_INT64_T_FMT, noun, id);
    if (dry) {
        return ctl_dry_run(&w, command, order.about,
                           apr_pstrcat(w.p, verb, " ", order.about, NULL));
    }
    order.body = ctl_order_body_id(ctl, command, apr_psprintf(w.p, "%" APR_INT64_T_FMT, id));
    order.asks = !strcmp(command, "approve");
    return ctl_orders_run(ctl, w.store, &order, 1, NULL);
}

int ctl_cancel(ctl_t *ctl)
{
    return ctl_order_id(ctl, "cancel", "intent", "cancel");
}

int ctl_approve(ctl_t *ctl)
{
    return ctl_order_id(ctl, "approve", "proposal", "approve");
}

int ctl_deny(ctl_t *ctl)
{
    return ctl_order_id(ctl, "deny", "proposal", "deny");
}
