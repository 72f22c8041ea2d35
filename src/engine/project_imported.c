/*
 * Rows of the system before as lists show them. Its columns are read by name, because any may be
 * missing, and where it kept what Cloudflare sent that counts more: a body of Cloudflare has its
 * own time, and needs no guess at a zone.
 */
#include <string.h>

#include <apr_strings.h>

#include "project_imported.h"

#define NAMES_MAX 4

/* Where each table has what a list shows; the first that is there counts. */
typedef struct layout_t {
    const char *source;
    cfmt_part_e part;
    const char *at[NAMES_MAX], *ended_at, *done_at;
    const char *what[NAMES_MAX], *state[NAMES_MAX], *done[NAMES_MAX], *target[NAMES_MAX];
} layout_t;

static const layout_t layouts[] = {
    { .source = "attack_events", .part = CFMT_PART_EVENT, .at = { "created_at" },
      .what = { "alert_type" }, .state = { "event_type" }, .done = { "action_taken" },
      .target = { "target_ip" } },
    { .source = "webhook_events", .part = CFMT_PART_EVENT, .at = { "received_at" },
      .what = { "alert_type" }, .state = { "event_state" }, .done = { "action_taken" },
      .target = { "target_ip" } },
    { .source = CFMT_LEGACY_WEBHOOKS, .part = CFMT_PART_EVENT,
      .at = { "received_at", "timestamp", "file_at" }, .what = { "alert_type" } },
    { .source = "withdrawal_history", .part = CFMT_PART_ACTION,
      .at = { "advertised_at", "created_at" }, .ended_at = "attack_ended_at",
      .done_at = "withdrawn_at", .what = { "attack_type" }, .state = { "status" },
      .done = { "withdraw_method" }, .target = { "target_ip" } },
    { .source = "pending_withdrawals", .part = CFMT_PART_ACTION,
      .at = { "advertised_at", "created_at" }, .ended_at = "attack_ended_at",
      .what = { "attack_type" }, .state = { "status" }, .done = { "last_error" },
      .target = { "target_ip" } },
    { .source = "network_analytics_events", .part = CFMT_PART_TRAFFIC,
      .at = { "event_datetime", "notified_at" }, .what = { "rule_name", "mitigation_reason" },
      .state = { "outcome" }, .target = { "destination_ip" } },
};

static const layout_t *layout_of(const char *source)
{
    static const layout_t other = { .part = CFMT_PART_OTHER };
    apr_size_t i;

    for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        if (!strcmp(layouts[i].source, source)) {
            return &layouts[i];
        }
    }
    return &other;
}

/* ---- values ---------------------------------------------------------------------------------- */

static const char *pick(const cfmt_json_t *columns, const char *const *names)
{
    const char *text = NULL;
    int i;

    for (i = 0; !text && i < NAMES_MAX && names[i]; i++) {
        text = cfmt_json_text(columns, names[i]);
    }
    return text;
}

static double rate(const cfmt_json_t *columns, const char *name, double unit)
{
    const char *text = cfmt_json_text(columns, name);
    double v;

    return text && cfmt_rate_parse(&v, text) == APR_SUCCESS ? v * unit : -1;
}

static const char *network(const char *text, apr_pool_t *p)
{
    cfmt_cidr_t c;

    return text && cfmt_cidr_parse(&c, NULL, text) == APR_SUCCESS ? cfmt_cidr_format(p, &c) : text;
}

static int is_listed(const cfmt_json_t *list, const char *name)
{
    const cfmt_json_t *item;

    for (item = list ? list->child : NULL; item; item = item->next) {
        if (item->type == CFMT_JSON_STRING && !strcmp(item->text, name)) {
            return 1;
        }
    }
    return 0;
}

/* 0: there is none that could be read. */
static apr_time_t moment(cfmt_imported_t *row, const cfmt_json_t *doc, const char *name)
{
    apr_int64_t at;

    if (!name || cfmt_json_int(&at, cfmt_json_get(doc, "times"), name) != APR_SUCCESS) {
        return 0;
    }
    row->ambiguous |= is_listed(cfmt_json_get(doc, "ambiguous"), name);
    return at;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void read_columns(cfmt_imported_t *row, const layout_t *l, const cfmt_json_t *columns,
                         apr_pool_t *p)
{
    const char *prefix = cfmt_json_text(columns, "prefix");

    row->what = pick(columns, l->what);
    row->state = pick(columns, l->state);
    row->done = pick(columns, l->done);
    row->target = network(pick(columns, l->target), p);
    row->prefix = network(prefix ? prefix : cfmt_json_text(columns, "target_prefix"), p);
    row->attack = cfmt_json_text(columns, "attack_id");
    row->vector = cfmt_json_text(columns, "attack_vector");
    row->pps = rate(columns, "packets_per_second", 1);
    row->bps = rate(columns, "megabits_per_second", 1e6);
}

static void read_times(cfmt_imported_t *row, const layout_t *l, const cfmt_json_t *doc)
{
    int i;

    for (i = 0; !row->at && i < NAMES_MAX && l->at[i]; i++) {
        row->at = moment(row, doc, l->at[i]);
    }
    row->ended_at = moment(row, doc, l->ended_at);
    row->done_at = moment(row, doc, l->done_at);
}

/* What Cloudflare sent, as the old system kept it. */
static void read_payload(cfmt_imported_t *row, const cfmt_json_t *columns, apr_pool_t *p)
{
    static const char *const names[NAMES_MAX] = { "raw_payload", "payload" };
    const char *payload = pick(columns, names);
    cfmt_event_t e;

    if (!payload || cfmt_event_read(&e, payload, strlen(payload), 0, NULL, p) != APR_SUCCESS) {
        return;
    }
    if (e.ts) {
        row->at = e.ts;
        row->ambiguous = 0;
    }
    row->what = e.alert_type ? e.alert_type : row->what;
    row->state = e.alert_type ? cfmt_state_name(e.state) : row->state;
    row->attack = e.attack_id ? e.attack_id : row->attack;
    row->target = e.target ? e.target : row->target;
    row->vector = e.vector ? e.vector : row->vector;
    row->pps = e.pps >= 0 ? e.pps : row->pps;
    row->bps = e.bps >= 0 ? e.bps : row->bps;
}

apr_status_t cfmt_imported_read(cfmt_imported_t *row, const cfmt_journal_row_t *j, apr_pool_t *p)
{
    static const cfmt_json_limits_t limits = { .depth = 8 };
    const cfmt_json_t *columns;
    const layout_t *l;
    const char *why;
    cfmt_json_t *doc;

    memset(row, 0, sizeof(*row));
    if (!j->tag || cfmt_json_parse(&doc, &why, j->body ? j->body : "", j->len, &limits, p)
                       != APR_SUCCESS
        || !(row->source = cfmt_json_text(doc, "source"))) {
        return CFMT_EINVALID;
    }
    l = layout_of(row->source);
    columns = cfmt_json_get(doc, "columns");
    row->id = j->id;
    row->name = j->tag;
    row->part = l->part;
    read_columns(row, l, columns, p);
    read_times(row, l, doc);
    if (l->part == CFMT_PART_EVENT) {
        read_payload(row, columns, p);
    }
    return APR_SUCCESS;
}

apr_status_t cfmt_imported_take(apr_array_header_t **prows, const cfmt_journal_row_t *j,
                                apr_pool_t *p)
{
    cfmt_imported_t row;
    apr_status_t rv = cfmt_imported_read(&row, j, p);

    *prows = *prows ? *prows : apr_array_make(p, 64, sizeof(cfmt_imported_t));
    if (rv == APR_SUCCESS) {
        APR_ARRAY_PUSH(*prows, cfmt_imported_t) = row;
    }
    return rv;
}

apr_status_t cfmt_imported_write(const apr_array_header_t *rows, cfmt_store_t *s)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && rows && i < rows->nelts; i++) {
        rv = cfmt_imported_save(s, &APR_ARRAY_IDX(rows, i, cfmt_imported_t));
    }
    return rv;
}
