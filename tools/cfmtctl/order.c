/*
 * A command on its way: a row in the journal, the leader's answer to it, and with --wait what
 * became of the change that it set going. Nothing is done twice: what was not answered in time is
 * not sent again.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"

#define STEP apr_time_from_msec(50)
#define LEAD_EVERY apr_time_from_msec(250) /* where nobody else leads */
#define PAGE 200
#define ALONE_WAIT apr_time_from_sec(30) /* where nobody would go on with it */

/* ---- writing --------------------------------------------------------------------------------- */

static const char *reason_member(const ctl_t *ctl)
{
    return ctl->reason ? apr_pstrcat(ctl->pool, ",\"reason\":",
                                     ctl_json_string(ctl->pool, ctl->reason), NULL) : "";
}

const char *ctl_order_body(const ctl_t *ctl, const char *command, const cfmt_cidr_t *prefix,
                           const char *more)
{
    return apr_pstrcat(ctl->pool, "{\"command\":\"", command, "\",\"prefix\":\"",
                       prefix->family ? cfmt_cidr_format(ctl->pool, prefix) : "*", "\"",
                       reason_member(ctl), more, "}", NULL);
}

const char *ctl_order_body_id(const ctl_t *ctl, const char *command, const char *id)
{
    return apr_pstrcat(ctl->pool, "{\"command\":\"", command, "\",\"id\":", id,
                       reason_member(ctl), "}", NULL);
}

static apr_status_t append(const ctl_t *ctl, cfmt_store_t *s, ctl_order_t *o)
{
    cfmt_entry_t e = { .kind = "command", .at = ctl_now(ctl), .body = o->body,
                       .len = strlen(o->body) };
    apr_status_t rv;

    e.origin = apr_pstrcat(ctl->pool, "user ", ctl->user, NULL);
    rv = cfmt_journal_append(s, &e);
    o->row = e.id;
    return rv;
}

apr_status_t ctl_orders_write(const ctl_t *ctl, cfmt_store_t *s, ctl_order_t *orders, int n)
{
    apr_status_t rv = cfmt_store_begin(s, CTL_BEGIN_LIMIT);
    int i;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        rv = append(ctl, s, &orders[i]);
    }
    if (rv != APR_SUCCESS) {
        cfmt_store_rollback(s);
        return rv;
    }
    return cfmt_store_commit(s);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* A code that this version does not know means that it failed. */
static int code_of(const cfmt_json_t *doc, const char *outcome)
{
    apr_int64_t code;

    if (cfmt_json_int(&code, doc, "code") != APR_SUCCESS || code < 0 || code > CTL_UNAVAILABLE) {
        return CTL_FAILED;
    }
    return code == 0 && (!strcmp(outcome, "refused") || !strcmp(outcome, "failed")) ? CTL_FAILED
                                                                                    : (int)code;
}

static void take_answer(const ctl_t *ctl, ctl_order_t *o, const cfmt_journal_row_t *row)
{
    static const cfmt_json_limits_t limits = { .depth = 4 };
    cfmt_json_t *doc = NULL;
    const char *why;

    if (row->body) {
        cfmt_json_parse(&doc, &why, row->body, row->len, &limits, ctl->pool);
    }
    o->outcome = cfmt_json_text(doc, "outcome");
    o->text = cfmt_json_text(doc, "text");
    o->outcome = o->outcome ? o->outcome : "failed";
    o->text = o->text ? o->text : o->outcome;
    o->code = code_of(doc, o->outcome);
    cfmt_json_int(&o->intent, doc, "intent");
    cfmt_json_int(&o->proposal, doc, "proposal");
    cfmt_json_int(&o->at, doc, "at");
}

static void match(const ctl_t *ctl, ctl_order_t *orders, int n, const cfmt_journal_row_t *row)
{
    apr_int64_t id;
    int i;

    if (strcmp(row->kind, "result") || !row->tag || strncmp(row->tag, "command ", 8)
        || cfmt_int_parse(&id, row->tag + 8, 1, APR_INT64_MAX) != APR_SUCCESS
        || id < orders[0].row || id > orders[n - 1].row) {
        return;
    }
    for (i = 0; i < n && orders[i].row != id; i++) {
    }
    if (i < n && !orders[i].outcome) {
        take_answer(ctl, &orders[i], row);
    }
}

/* What came since *pafter. */
static apr_status_t collect(const ctl_t *ctl, cfmt_store_t *s, ctl_order_t *orders, int n,
                            apr_int64_t *pafter)
{
    apr_array_header_t *rows;
    apr_status_t rv;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, ctl->pool);
    while ((rv = cfmt_journal_read(s, *pafter, PAGE, &rows, p)) == APR_SUCCESS && rows->nelts) {
        for (i = 0; i < rows->nelts; i++) {
            const cfmt_journal_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_journal_row_t);
            match(ctl, orders, n, row);
            *pafter = row->id;
        }
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    return rv;
}

static int unanswered(const ctl_order_t *orders, int n)
{
    int i, count = 0;

    for (i = 0; i < n; i++) {
        count += !orders[i].outcome;
    }
    return count;
}

/* Not too often, while somebody else may be about to lead. True: nobody else does. */
static int lead_now_and_then(ctl_lead_t *lead, apr_time_t *plast)
{
    int led = 0;

    if (!*plast || cfmt_monotonic() - *plast >= LEAD_EVERY) {
        led = ctl_lead(lead);
        *plast = cfmt_monotonic();
    }
    return led;
}

static apr_status_t wait_answers(const ctl_t *ctl, cfmt_store_t *s, ctl_lead_t *lead,
                                 ctl_order_t *orders, int n)
{
    apr_int64_t after = orders[n - 1].row;
    apr_time_t limit = cfmt_monotonic() + CTL_ANSWER_LIMIT, led = 0;
    apr_status_t rv = collect(ctl, s, orders, n, &after);

    while (rv == APR_SUCCESS && unanswered(orders, n) && cfmt_monotonic() < limit) {
        orders[0].alone |= lead_now_and_then(lead, &led);
        rv = collect(ctl, s, orders, n, &after);
        if (rv == APR_SUCCESS && unanswered(orders, n)) {
            apr_sleep(STEP);
            rv = collect(ctl, s, orders, n, &after);
        }
    }
    return rv;
}

/* ---- --wait ---------------------------------------------------------------------------------- */

/* Cloudflare has it: what is left is the time that routers take. */
static int is_there(cfmt_intent_e state)
{
    return state == CFMT_INTENT_PROPAGATING || !cfmt_intent_is_open(state);
}

static const char *state_words(cfmt_intent_e state)
{
    switch (state) {
    case CFMT_INTENT_ACCEPTED:
        return "accepted by Cloudflare";
    case CFMT_INTENT_PROPAGATING:
        return "propagating: routers follow within minutes";
    case CFMT_INTENT_UNKNOWN:
        return "unknown: no clear answer, its state is read before anything else";
    default:
        return cfmt_intent_name(state);
    }
}

/* True when there is nothing more to wait for: nor does "cancel" wait for what it has ended. */
static int look(const ctl_t *ctl, cfmt_store_t *s, ctl_order_t *o, apr_pool_t *p)
{
    cfmt_intent_row_t in;

    if (o->code != CTL_DONE || !o->intent || !o->asks
        || cfmt_intent_load(s, &in, o->intent, p) != APR_SUCCESS) {
        return 1;
    }
    if (!o->state || strcmp(o->state, cfmt_intent_name(in.state))) {
        o->state = cfmt_intent_name(in.state);
        o->said = in.answer ? apr_pstrdup(ctl->pool, in.answer) : NULL;
        if (!ctl->json) {
            printf("%s: %s\n", o->about, state_words(in.state));
            fflush(stdout);
        }
    }
    o->at = in.next_at > in.not_before ? in.next_at : in.not_before;
    if (!is_there(in.state)) {
        return 0;
    }
    o->code = in.state == CFMT_INTENT_PROPAGATING || in.state == CFMT_INTENT_DONE ? CTL_DONE
                                                                                   : CTL_FAILED;
    return 1;
}

static int look_at_all(const ctl_t *ctl, cfmt_store_t *s, ctl_order_t *orders, int n)
{
    int i, settled = 1;
    apr_pool_t *p;

    apr_pool_create(&p, ctl->pool);
    for (i = 0; i < n; i++) {
        settled &= look(ctl, s, &orders[i], p);
    }
    apr_pool_destroy(p);
    return settled;
}

/* One of them may get there in the time that is left. */
static int is_worth_it(const ctl_t *ctl, const ctl_order_t *orders, int n, apr_time_t limit)
{
    apr_time_t end = ctl_now(ctl) + cfmt_clock_span(&ctl->demo.clock, limit - cfmt_monotonic());
    int i;

    for (i = 0; i < n && (!orders[i].intent || orders[i].at > end); i++) {
    }
    return i < n;
}

static void wait_intents(const ctl_t *ctl, cfmt_store_t *s, ctl_lead_t *lead, ctl_order_t *orders,
                         int n)
{
    apr_time_t limit = cfmt_monotonic() + ctl->wait, led = 0;
    int i, settled = look_at_all(ctl, s, orders, n);

    for (i = 0; i < n; i++) {
        ctl_lead_mine(lead, orders[i].intent);
        orders[i].alone = orders[0].alone;
    }
    while (!settled && cfmt_monotonic() < limit && ctl_out_ok()
           && (ctl->given & OPT_WAIT || is_worth_it(ctl, orders, n, limit))) {
        lead_now_and_then(lead, &led);
        apr_sleep(STEP);
        settled = look_at_all(ctl, s, orders, n);
    }
    for (i = 0; !settled && i < n; i++) {
        if (orders[i].state && orders[i].code == CTL_DONE
            && strcmp(orders[i].state, cfmt_intent_name(CFMT_INTENT_PROPAGATING))
            && strcmp(orders[i].state, cfmt_intent_name(CFMT_INTENT_DONE))) {
            orders[i].code = CTL_UNKNOWN;
        }
    }
}

/* ---- what came of it ------------------------------------------------------------------------- */

/* The exact next command, with its blank and semicolon; "" = none. */
static const char *remedy(const ctl_t *ctl, const ctl_order_t *o)
{
    int is_prefix = strchr(o->about, '/') != NULL || !strchr(o->about, ' ');

    switch (o->code) {
    case CTL_REFUSED:
        if (o->may_override && !(ctl->given & OPT_OVERRIDE)) {
            return apr_psprintf(ctl->pool, "; all the same: 'cfmtctl withdraw %s --override"
                                " --reason TEXT'", o->about);
        }
        break;
    case CTL_DENIED:
    case CTL_UNAVAILABLE:
        return "; see 'cfmtctl jobs' and 'cfmtctl db check'";
    default:
        break;
    }
    if (!strncmp(o->about, "channel", 7)) {
        return "";
    }
    if (is_prefix) {
        return strcmp(o->about, "*") ? apr_psprintf(ctl->pool, "; see 'cfmtctl explain %s'",
                                                    o->about)
                                     : "; see 'cfmtctl window list'";
    }
    return !strncmp(o->about, "proposal", 8) ? "; see 'cfmtctl proposals'"
           : !strncmp(o->about, "window", 6) ? "; see 'cfmtctl window list'"
           : strstr(o->about, "message") ? "; see 'cfmtctl outbox list'"
                                         : "; see 'cfmtctl timers'";
}

/* What was sent cannot be given up any more. */
static const char *way_back(const ctl_t *ctl, const ctl_order_t *o)
{
    return strcmp(o->state, cfmt_intent_name(CFMT_INTENT_REQUESTED))
               ? "" : apr_psprintf(ctl->pool, "; to give it up before it is sent: 'cfmtctl cancel"
                                   " %" APR_INT64_T_FMT "'", o->intent);
}

static void say_late(const ctl_t *ctl, const ctl_order_t *o)
{
    if (o->alone) {
        ctl_complain(CFMT_ID(0979), "%s: %s%s%s%s%s%s, and nobody leads who would go on with it:"
                     " start httpd, or repeat the command with --wait then", o->about, o->state,
                     o->said ? " (" : "", o->said ? ctl_text(ctl->pool, o->said) : "",
                     o->said ? ")" : "", o->at > ctl_now(ctl) ? ", possible from " : "",
                     o->at > ctl_now(ctl) ? ctl_time(ctl->pool, o->at) : "");
        return;
    }
    ctl_complain(CFMT_ID(0988), "%s: %s after %s%s%s%s%s; it goes on: 'cfmtctl timers'%s",
                 o->about, o->state, ctl_duration(ctl->pool, ctl->wait),
                 o->said ? " (" : "", o->said ? ctl_text(ctl->pool, o->said) : "",
                 o->said ? ")" : "",
                 o->at > ctl_now(ctl) ? apr_pstrcat(ctl->pool, ", due ",
                                                    ctl_time(ctl->pool, o->at), NULL) : "",
                 way_back(ctl, o));
}

static void say_done(const ctl_t *ctl, const ctl_order_t *orders, int n)
{
    int i;

    for (i = 0; !ctl->json && i < n; i++) {
        if (orders[i].outcome && orders[i].code == CTL_DONE) {
            printf("%s\n", ctl_text(ctl->pool, orders[i].text));
        }
    }
    fflush(stdout);
}

/* "203.0.113.0/24: locked by Cloudflare"; most answers name what they are about by themselves. */
static const char *sentence(const ctl_t *ctl, const ctl_order_t *o)
{
    const char *text = ctl_text(ctl->pool, o->text);

    if (o->state) {
        return apr_pstrcat(ctl->pool, o->about, ": ", o->state, o->said ? ": " : "",
                           o->said ? ctl_text(ctl->pool, o->said) : "", NULL);
    }
    return strstr(text, o->about) ? text : apr_pstrcat(ctl->pool, o->about, ": ", text, NULL);
}

static void say_failed(const ctl_t *ctl, const ctl_order_t *o)
{
    if (!o->outcome || o->code == CTL_DONE) {
        return; /* the former all in one sentence, the latter said already */
    }
    if (o->code == CTL_UNKNOWN && o->state) {
        say_late(ctl, o);
        return;
    }
    ctl_complain(CFMT_ID(0986), "%s%s%s%s", sentence(ctl, o),
                 o->at > ctl_now(ctl) && !o->state ? "; possible from " : "",
                 o->at > ctl_now(ctl) && !o->state ? ctl_time(ctl->pool, o->at) : "",
                 remedy(ctl, o));
}

#define ORDER(member, label, kind_) COLUMN(ctl_order_t, member, label, kind_, 0)
static const ctl_column_t order_columns[] = {
    ORDER(about, "about", COL_TEXT), ORDER(row, "journal_id", COL_REF),
    ORDER(outcome, "outcome", COL_TEXT), ORDER(text, "text", COL_TEXT),
    ORDER(intent, "intent", COL_REF), ORDER(proposal, "proposal", COL_REF),
    ORDER(at, "at", COL_TIME), ORDER(state, "state", COL_TEXT), ORDER(said, "answer", COL_TEXT),
    ORDER(exit, "code", COL_INT), { .name = NULL }
};

static void say_data(const ctl_t *ctl, ctl_order_t *orders, int n, int code)
{
    static const ctl_list_t list = { "results", order_columns, sizeof(ctl_order_t) };
    apr_array_header_t *rows = apr_array_make(ctl->pool, n, sizeof(ctl_order_t));
    int i;

    for (i = 0; i < n; i++) {
        orders[i].exit = orders[i].outcome ? orders[i].code : CTL_UNKNOWN;
        APR_ARRAY_PUSH(rows, ctl_order_t) = orders[i];
    }
    ctl_list_print(&list, rows, apr_psprintf(ctl->pool, "\"code\":%d", code), ctl, ctl->pool);
}

/* The one code for all. */
static int sum_up(const ctl_order_t *orders, int n)
{
    int i, code, worst = CTL_DONE, failed = 0;

    for (i = 0; i < n; i++) {
        code = orders[i].outcome ? orders[i].code : CTL_UNKNOWN;
        failed += code != CTL_DONE;
        worst = code > worst ? code : worst;
    }
    return failed && failed < n ? CTL_PART : worst;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void say_missing(const ctl_order_t *orders, int n, int missing)
{
    ctl_complain(CFMT_ID(0987), "%d of %d commands (journal row %" APR_INT64_T_FMT ") had no"
                 " answer within %d s; do not repeat them, the leader will carry them out: see"
                 " 'cfmtctl db check' and 'cfmtctl status'", missing, n, orders[0].row,
                 (int)apr_time_sec(CTL_ANSWER_LIMIT));
}

int ctl_order_ask(const ctl_t *ctl, cfmt_store_t *s, ctl_order_t *o)
{
    ctl_lead_t *lead;
    apr_status_t rv;
    int code = ctl_lead_open(&lead, ctl, s, 0);

    if (code != CTL_DONE) {
        return code;
    }
    rv = ctl_orders_write(ctl, s, o, 1);
    rv = rv == APR_SUCCESS ? wait_answers(ctl, s, lead, o, 1) : rv;
    if (rv != APR_SUCCESS) {
        return ctl_store_failed(ctl, rv, cfmt_store_error(s));
    }
    if (!o->outcome) {
        say_missing(o, 1, 1);
    }
    say_failed(ctl, o);
    return sum_up(o, 1);
}

int ctl_orders_run(ctl_t *ctl, cfmt_store_t *s, ctl_order_t *orders, int n, const char *question)
{
    ctl_lead_t *lead;
    apr_status_t rv;
    int i, missing, code = ctl_lead_open(&lead, ctl, s, orders[0].asks);

    if (code != CTL_DONE || (question && (code = ctl_confirm(ctl, question)) != CTL_DONE)) {
        return code;
    }
    rv = ctl_orders_write(ctl, s, orders, n);
    if (rv != APR_SUCCESS) {
        return ctl_store_failed(ctl, rv, cfmt_store_error(s));
    }
    rv = wait_answers(ctl, s, lead, orders, n);
    if (rv != APR_SUCCESS) {
        ctl_store_failed(ctl, rv, cfmt_store_error(s));
    }
    missing = unanswered(orders, n);
    say_done(ctl, orders, n);
    if (ctl->given & OPT_WAIT || orders[0].alone) {
        ctl->wait = ctl->given & OPT_WAIT ? ctl->wait : ALONE_WAIT;
        wait_intents(ctl, s, lead, orders, n);
    }
    code = sum_up(orders, n);
    if (ctl->json) {
        say_data(ctl, orders, n, code);
    }
    for (i = 0; i < n; i++) {
        say_failed(ctl, &orders[i]);
    }
    if (missing) {
        say_missing(orders, n, missing);
    }
    return code;
}
