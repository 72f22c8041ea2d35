/*
 * deliveries: what came through the webhook, as it came; a row that is projected once more; and a
 * delivery of our own, by which the whole way can be tried.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store_keep.h"
#include "endpoint.h"

#define SEEN_LIMIT apr_time_from_sec(5)

#define DELIVERY(member, kind_, table) \
    COLUMN(cfmt_delivery_row_t, member, #member, kind_, table)
static const ctl_column_t delivery_columns[] = {
    DELIVERY(id, COL_INT, 1), DELIVERY(at, COL_TIME, 1), DELIVERY(kind, COL_TEXT, 1),
    DELIVERY(origin, COL_TEXT, 1), COLUMN(cfmt_delivery_row_t, label, "secret", COL_TEXT, 1),
    DELIVERY(bytes, COL_INT, 1), DELIVERY(ref, COL_REF, 0), DELIVERY(tag, COL_TEXT, 0),
    DELIVERY(event, COL_REF, 1), DELIVERY(alert_type, COL_TEXT, 1), DELIVERY(state, COL_TEXT, 1),
    DELIVERY(attack, COL_TEXT, 1), DELIVERY(target, COL_TEXT, 0), DELIVERY(summary, COL_TEXT, 0),
    { .name = NULL }
};
static const ctl_list_t delivery_list = { "deliveries", delivery_columns,
                                          sizeof(cfmt_delivery_row_t) };

/* ---- list ------------------------------------------------------------------------------------ */

int ctl_deliveries_list(ctl_t *ctl)
{
    apr_array_header_t *rows;
    apr_status_t rv;
    cfmt_store_t *s;
    int more, code = ctl_become(ctl);

    if (code != CTL_DONE || (code = ctl_open(ctl, CFMT_STORE_READ, &s)) != CTL_DONE) {
        return code;
    }
    rv = cfmt_deliveries_list(s, ctl->since, ctl->limit, &rows, &more, ctl->pool);
    if (rv != APR_SUCCESS) {
        return ctl_store_failed(ctl, rv, cfmt_store_error(s));
    }
    ctl_list_print(&delivery_list, rows, NULL, ctl, ctl->pool);
    if (more && !(ctl->given & OPT_LIMIT)) {
        ctl_complain(CFMT_ID(1186), "only the newest %d deliveries are shown; --limit N shows more",
                     ctl->limit);
    }
    else if (!rows->nelts) {
        ctl_complain(CFMT_ID(1187), "no delivery%s among the newest %d rows of the journal",
                     ctl->since ? " since then" : " yet", CFMT_DELIVERIES_SCAN);
    }
    return CTL_DONE;
}

/* ---- show ------------------------------------------------------------------------------------ */

static int find(const ctl_t *ctl, cfmt_store_t *s, cfmt_delivery_row_t *row, apr_int64_t id)
{
    apr_status_t rv = cfmt_delivery_get(s, row, id, ctl->pool);

    if (rv == CFMT_EMISSING) {
        ctl_complain(CFMT_ID(1188), "%" APR_INT64_T_FMT " is %s%s%s; 'cfmtctl deliveries list'"
                     " shows which there are", id,
                     row->kind ? "no delivery, but of kind '" : "not in the journal (any more)",
                     row->kind ? ctl_text(ctl->pool, row->kind) : "", row->kind ? "'" : "");
        return CTL_FAILED;
    }
    return rv == APR_SUCCESS ? CTL_DONE : ctl_store_failed(ctl, rv, cfmt_store_error(s));
}

static void line(const ctl_t *ctl, const char *name, const char *value)
{
    if (value && *value) {
        printf("%-11s %s\n", name, ctl_text(ctl->pool, value));
    }
}

static const char *event_text(const cfmt_delivery_row_t *row, apr_pool_t *p)
{
    return !row->event ? "none: it was not understood, is none, or is not projected yet"
           : apr_psprintf(p, "%" APR_INT64_T_FMT "%s: %s", row->event,
                          row->event == row->id ? "" : ", which it repeats",
                          row->summary ? row->summary : "-");
}

static void print(const ctl_t *ctl, const cfmt_delivery_row_t *row)
{
    apr_pool_t *p = ctl->pool;

    if (ctl->json) {
        const ctl_column_t body[] = { { .name = "body", .kind = COL_BODY }, { .name = NULL } };
        const ctl_list_t of_body = { "body", body, sizeof(ctl_bytes_t) };
        const ctl_bytes_t bytes = { row->body, row->len };

        ctl_json_document(ctl, apr_pstrcat(p, "\"delivery\":{",
                                           ctl_json_members(&delivery_list, row, p), ",",
                                           ctl_json_members(&of_body, &bytes, p), "}", NULL));
        return;
    }
    printf("%-11s %" APR_INT64_T_FMT ", %s\n", "delivery", row->id, row->kind);
    line(ctl, "arrived", ctl_time(p, row->at));
    line(ctl, "from", row->origin);
    line(ctl, "secret", row->label);
    line(ctl, "webhook-id", row->tag);
    line(ctl, "repeats", row->ref ? apr_psprintf(p, "delivery %" APR_INT64_T_FMT, row->ref) : NULL);
    line(ctl, "event", event_text(row, p));
    line(ctl, "attack", row->attack);
    printf("%-11s %" APR_INT64_T_FMT " bytes%s\n", "body", row->bytes, row->body ? ":" : "");
    if (row->body) {
        printf("%s\n", cfmt_text_escape(p, row->body, row->len, row->len * 4 + 1));
    }
}

int ctl_deliveries_show(ctl_t *ctl)
{
    cfmt_delivery_row_t row;
    apr_int64_t id;
    cfmt_store_t *s;
    int code = ctl_pick_id(ctl, ctl->operands[0], "a delivery", &id);

    if (code != CTL_DONE || (code = ctl_become(ctl)) != CTL_DONE
        || (code = ctl_open(ctl, CFMT_STORE_READ, &s)) != CTL_DONE
        || (code = find(ctl, s, &row, id)) != CTL_DONE) {
        return code;
    }
    print(ctl, &row);
    return CTL_DONE;
}

/* ---- redeliver ------------------------------------------------------------------------------- */

static void say(const ctl_t *ctl, const cfmt_delivery_row_t *row, const char *outcome,
                apr_int64_t command)
{
    if (ctl->json) {
        ctl_json_document(
            ctl, apr_psprintf(ctl->pool, "\"outcome\":\"%s\",\"journal_id\":%s,\"delivery\":%s",
                              outcome, command ? apr_psprintf(ctl->pool, "%" APR_INT64_T_FMT,
                                                              command) : "null",
                              ctl_json_row(&delivery_list, row, ctl->pool)));
    }
    else if (row->event) {
        printf("delivery %" APR_INT64_T_FMT " is event %s%s\n", row->id,
               ctl_text(ctl->pool, event_text(row, ctl->pool)),
               command ? "" : "; nothing was changed");
    }
}

static int again(const ctl_t *ctl, cfmt_store_t *s, cfmt_delivery_row_t *row)
{
    ctl_order_t order = { .about = "delivery" };
    apr_status_t rv;
    int code;

    order.body = ctl_order_body_id(ctl, "redeliver",
                                   apr_psprintf(ctl->pool, "%" APR_INT64_T_FMT, row->id));
    rv = ctl_orders_write(ctl, s, &order, 1);
    if (rv != APR_SUCCESS) {
        return ctl_store_failed(ctl, rv, cfmt_store_error(s));
    }
    if (!ctl_projected(ctl, s, order.row, CTL_ANSWER_LIMIT)) {
        say(ctl, row, "written", order.row);
        ctl_complain(CFMT_ID(1189), "nobody has projected it within %d s; do not repeat it, the"
                     " leader will: see 'cfmtctl db check'", (int)apr_time_sec(CTL_ANSWER_LIMIT));
        return CTL_UNKNOWN;
    }
    code = find(ctl, s, row, row->id);
    if (code == CTL_DONE) {
        say(ctl, row, row->event ? "projected" : "not_understood", order.row);
    }
    if (code == CTL_DONE && !row->event) {
        ctl_complain(CFMT_ID(1190), "delivery %" APR_INT64_T_FMT " is not understood: 'cfmtctl"
                     " deliveries show %" APR_INT64_T_FMT "' has its body, the error log the reason"
                     " (CFMT0420)", row->id, row->id);
        return CTL_FAILED;
    }
    return code;
}

int ctl_deliveries_redeliver(ctl_t *ctl)
{
    cfmt_delivery_row_t row;
    apr_int64_t id;
    cfmt_store_t *s;
    int code = ctl_pick_id(ctl, ctl->operands[0], "a delivery", &id);

    if (code != CTL_DONE || (code = ctl_become(ctl)) != CTL_DONE
        || (code = ctl_open(ctl, CFMT_STORE_WRITE, &s)) != CTL_DONE
        || (code = find(ctl, s, &row, id)) != CTL_DONE) {
        return code;
    }
    if (row.event) {
        say(ctl, &row, "already", 0);
        return CTL_DONE;
    }
    if (strcmp(row.kind, "delivery") && strcmp(row.kind, "recovered")) {
        ctl_complain(CFMT_ID(1191), "%" APR_INT64_T_FMT " is of kind '%s', which is not projected;"
                     " 'cfmtctl deliveries show %" APR_INT64_T_FMT "' shows it", id, row.kind, id);
        return CTL_FAILED;
    }
    return again(ctl, s, &row);
}

/* ---- trigger --------------------------------------------------------------------------------- */

static int bad_type(const ctl_t *ctl, const char *typed)
{
    const cfmt_alert_type_t *t;
    const char *near = NULL, *all = "";
    int d, best = 8;

    for (t = cfmt_alert_types(); t->name; t++) {
        d = ctl_distance(typed, t->name);
        near = d < best ? t->name : near;
        best = d < best ? d : best;
        all = apr_pstrcat(ctl->pool, all, *all ? ", " : "", t->name, NULL);
    }
    if (near) {
        ctl_complain(CFMT_ID(1192), "'%s' is no type of alert; did you mean '%s'?",
                     ctl_text(ctl->pool, typed), near);
    }
    else {
        ctl_complain(CFMT_ID(1193), "'%s' is no type of alert: there are %s",
                     ctl_text(ctl->pool, typed), all);
    }
    return CTL_USAGE;
}

static const char *question(const ctl_sample_t *s, apr_pool_t *p)
{
    cfmt_effect_e effect = cfmt_alert_type(s->type)->effect;

    return effect == CFMT_EFFECT_NETWORK && !s->end
               ? apr_psprintf(p, "This opens an attack on %s: the policy acts on it and people are"
                                 " told; 'cfmtctl deliveries trigger %s %s --end' ends it. Go on?",
                              s->target, s->type, s->prefix)
               : apr_psprintf(p, "This is an alert like any other: people are told of it. Deliver"
                                 " %s?", s->type);
}

/* What became of it, if somebody projects it soon. */
static int follow(const ctl_world_t *w, const ctl_endpoint_t *ep, const ctl_posted_t *posted)
{
    cfmt_delivery_row_t row;
    ctl_t *ctl = w->ctl;
    int code, projected = ctl_projected(ctl, w->store, posted->id, SEEN_LIMIT);

    code = find(ctl, w->store, &row, posted->id);
    if (code != CTL_DONE) {
        ctl_complain(CFMT_ID(1194), "%s has stored it, but not in this database: whose mod_cfmt is"
                     " that?", ctl_text(w->p, ep->url));
        return code;
    }
    if (ctl->json) {
        ctl_json_document(
            ctl, apr_psprintf(w->p, "\"url\":%s,\"http\":%d,\"latency_ms\":%d,\"delivery\":%s",
                              ctl_json_string(w->p, ep->url), posted->code,
                              (int)apr_time_as_msec(posted->took),
                              ctl_json_row(&delivery_list, &row, w->p)));
    }
    else {
        printf("%s: %s as delivery %" APR_INT64_T_FMT " in %d ms (secret %s)\n",
               ctl_text(w->p, ep->url), posted->result, row.id, (int)apr_time_as_msec(posted->took),
               ctl_text(w->p, row.label ? row.label : ep->label));
        printf("event %s\n", ctl_text(w->p, projected ? event_text(&row, w->p)
                                                      : "none yet: nobody has projected it"));
    }
    return projected ? CTL_DONE : CTL_UNKNOWN;
}

static int trigger(ctl_world_t *w, ctl_endpoint_t *ep, ctl_sample_t *s)
{
    ctl_posted_t posted;
    int code = ctl_endpoint_find(ep, w);

    code = code == CTL_DONE ? ctl_sample_target(s, w, 1) : code;
    code = code == CTL_DONE ? ctl_confirm(w->ctl, question(s, w->p)) : code;
    if (code != CTL_DONE) {
        return code;
    }
    s->now = ctl_now(w->ctl);
    ctl_post(&posted, ep, ctl_sample(s, w->p), w->p);
    if (posted.status != APR_SUCCESS) {
        ctl_complain(CFMT_ID(1195), "%s did not take it: %s", ctl_text(w->p, ep->url),
                     posted.detail);
        return ctl_posted_code(&posted);
    }
    return follow(w, ep, &posted);
}

int ctl_deliveries_trigger(ctl_t *ctl)
{
    ctl_sample_t s = { .type = ctl->operands[0], .end = (ctl->given & OPT_END) != 0 };
    ctl_endpoint_t ep;
    ctl_world_t w;
    int code;

    if (!ctl_sample_has(s.type)) {
        return bad_type(ctl, s.type);
    }
    code = ctl_endpoint_begin(&ep, ctl);
    if (code != CTL_DONE || (code = ctl_world_open(&w, ctl)) != CTL_DONE) {
        return code;
    }
    s.who = ctl->user;
    s.mark = apr_pstrcat(ctl->pool, CFMT_TRIGGER_MARK + 1, cfmt_json_quote(ctl->pool, ctl->user),
                         NULL);
    return trigger(&w, &ep, &s);
}
