/*
 * prefixes, tunnels, ranges: what Cloudflare last reported, with the age of each word. They only
 * read; what an upstream was never asked for is said in a sentence and not shown as an empty table.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "act.h"
#include "cfmt_cloudflare.h"

#define RANGES_STALE apr_time_from_sec(3 * 86400) /* they are read daily */

#define HEAD(member, kind_) COLUMN(ctl_head_t, member, #member, kind_, 0)
#define HEAD_COMMON HEAD(configured, COL_FLAG), AGED_JSON(ctl_head_t, read, "read")

/* ---- prefixes -------------------------------------------------------------------------------- */

/* As the job found them; a line that has been taken away since is none any more. */
static apr_array_header_t *unmatched(const ctl_world_t *w, const apr_array_header_t *lines,
                                     const char *text)
{
    apr_array_header_t *found = apr_array_make(w->p, 4, sizeof(const char *));
    char *last, *word, *copy = apr_pstrdup(w->p, text ? text : "");
    cfmt_cidr_t cidr;

    for (word = apr_strtok(copy, " ", &last); word; word = apr_strtok(NULL, " ", &last)) {
        if (cfmt_cidr_parse(&cidr, NULL, word) == APR_SUCCESS && ctl_line_of(lines, &cidr)) {
            APR_ARRAY_PUSH(found, const char *) = word;
        }
    }
    return found;
}

typedef struct prefix_view_t {
    cfmt_prefix_row_t r;
    const char *cidr, *state, *flags, *name;
    apr_interval_time_t since;
    ctl_aged_t advertised, changed, gone, read, missing, first, modified;
} prefix_view_t;

#define PREFIX(member, label, kind_, table) COLUMN(prefix_view_t, member, label, kind_, table)

static const ctl_column_t prefix_columns[] = {
    PREFIX(cidr, "prefix", COL_TEXT, 1),
    PREFIX(state, "state", COL_TEXT, 1),
    AGED_AS(prefix_view_t, advertised, "advertised", WIDE),
    PREFIX(since, "since", COL_DURATION, NARROW),
    PREFIX(r.changed_by, "changed_by", COL_TEXT, 1),
    AGED_AS(prefix_view_t, changed, "changed", WIDE),
    PREFIX(flags, "flags", COL_TEXT, TABLE_ONLY),
    PREFIX(r.b.locked, "locked", COL_FLAG, 0),
    PREFIX(r.b.enabled, "on_demand", COL_FLAG, 0),
    PREFIX(r.b.bgp_control, "bgp_control", COL_FLAG, 0),
    PREFIX(r.b.approved, "approved", COL_FLAG, 0),
    PREFIX(r.b.auto_withdraw, "auto_withdraw", COL_FLAG, 0),
    PREFIX(r.gone, "gone", COL_FLAG, 0),
    AGED_JSON(prefix_view_t, gone, "gone"),
    AGED(prefix_view_t, read, "read", "read"),
    AGED_JSON(prefix_view_t, missing, "missing"),
    PREFIX(name, "name", COL_TEXT, 1),
    PREFIX(r.b.description, "description", COL_TEXT, WIDE),
    PREFIX(r.b.asn, "asn", COL_REF, WIDE),
    PREFIX(r.b.id, "id", COL_TEXT, WIDE),
    PREFIX(r.b.parent, "ip_prefix_id", COL_TEXT, 0),
    AGED_JSON(prefix_view_t, first, "first"),
    AGED_JSON(prefix_view_t, modified, "modified"),
    { .name = NULL }
};
static const ctl_column_t prefix_head[] = {
    HEAD_COMMON,
    HEAD(unmatched, COL_LIST),
    { .name = NULL }
};
static const ctl_list_t prefix_list = { "prefixes", prefix_columns, sizeof(prefix_view_t) };

/* What is not said (-1) sets no flag: JSON tells it from a no. */
static const char *flags_of(const cfmt_prefix_row_t *r, apr_pool_t *p)
{
    const struct {
        int set;
        const char *word;
    } flags[] = {
        { r->gone, "gone" },
        { r->missing_since && !r->gone, "missing" },
        { r->b.locked == 1, "locked" },
        { r->b.enabled == 0, "not-on-demand" },
        { r->b.bgp_control == 1, "bgp-control" },
        { r->b.approved == 0, "not-approved" },
        { r->b.auto_withdraw == 1, "auto-withdraw" },
    };
    const char *text = "";
    size_t i;

    for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (flags[i].set) {
            text = apr_pstrcat(p, text, *text ? "," : "", flags[i].word, NULL);
        }
    }
    return text;
}

static void view_prefix(const ctl_world_t *w, prefix_view_t *v, const cfmt_prefix_row_t *r,
                        const apr_array_header_t *lines)
{
    static const char *const words[] = { "unknown", "withdrawn", "advertised" };
    const ctl_line_t *line = ctl_line_of(lines, &r->b.cidr);

    v->r = *r;
    v->cidr = r->b.cidr.family ? cfmt_cidr_format(w->p, &r->b.cidr) : "unreadable";
    v->state = words[r->gone || r->b.advertised < 0 ? 0 : r->b.advertised + 1];
    v->flags = flags_of(r, w->p);
    v->name = line && line->name ? line->name : r->b.description;
    v->advertised = ctl_aged(w, r->b.advertised_at);
    v->gone = ctl_aged(w, r->gone ? r->since : 0);
    v->since = r->gone ? v->gone.age : v->advertised.age;
    v->changed = ctl_aged(w, r->changed_at);
    v->read = ctl_aged(w, r->read_at);
    v->missing = ctl_aged(w, r->missing_since);
    v->first = ctl_aged(w, r->first_at);
    v->modified = ctl_aged(w, r->b.modified_at);
}

static apr_array_header_t *view_prefixes(const ctl_world_t *w, const apr_array_header_t *rows,
                                         const apr_array_header_t *lines, ctl_head_t *head)
{
    apr_array_header_t *view = apr_array_make(w->p, rows->nelts + 1, sizeof(prefix_view_t));
    apr_time_t newest = ctl_world_ok_at(w, "prefixes");
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const cfmt_prefix_row_t *r = &APR_ARRAY_IDX(rows, i, cfmt_prefix_row_t);
        newest = r->read_at > newest ? r->read_at : newest;
        if (!r->gone || w->ctl->all) {
            view_prefix(w, apr_array_push(view), r, lines);
        }
    }
    head->read = ctl_aged(w, newest);
    return view;
}

static void print_unmatched(const apr_array_header_t *found)
{
    int i;

    for (i = 0; i < found->nelts; i++) {
        printf("CfmtPrefix %s: the account has no such BGP prefix\n",
               APR_ARRAY_IDX(found, i, const char *));
    }
}

int ctl_prefixes(ctl_t *ctl)
{
    ctl_world_t w;
    ctl_head_t head = { .unmatched = NULL };
    apr_array_header_t *rows, *view, *lines;
    cfmt_sensed_t sensed;
    apr_status_t rv;
    int code = ctl_world_open(&w, ctl);

    if (code != CTL_DONE) {
        return code;
    }
    if ((rv = cfmt_prefixes_load(w.store, &rows, w.p)) != APR_SUCCESS
        || (rv = ctl_world_sensed(&w, &sensed, "prefixes")) != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    lines = ctl_lines(&w);
    head.configured = w.configured;
    head.unmatched = unmatched(&w, lines, apr_table_get(sensed.facts, "unmatched"));
    view = view_prefixes(&w, rows, lines, &head);
    ctl_world_print(&w, &prefix_list, view, prefix_head, &head);
    if (!ctl->json) {
        print_unmatched(head.unmatched);
    }
    ctl_world_note(&w, &head, view->nelts, "prefixes", ctl_world_stale(&w));
    return CTL_DONE;
}

/* ---- tunnels --------------------------------------------------------------------------------- */

typedef struct tunnel_view_t {
    cfmt_tunnel_row_t r;
    const char *name, *kind, *state;
    double health;
    int active;
    ctl_aged_t since, read, missing;
} tunnel_view_t;

#define TUNNEL(member, label, kind_, table) COLUMN(tunnel_view_t, member, label, kind_, table)

static const ctl_column_t tunnel_columns[] = {
    TUNNEL(name, "name", COL_TEXT, 1),
    TUNNEL(kind, "kind", COL_TEXT, 1),
    TUNNEL(state, "state", COL_TEXT, 1),
    AGED(tunnel_view_t, since, "state", "since"),
    TUNNEL(health, "health", COL_RATIO, 1),
    TUNNEL(active, "active", COL_FLAG, 1),
    AGED(tunnel_view_t, read, "read", "read"),
    TUNNEL(r.t.endpoint, "endpoint", COL_TEXT, 1),
    TUNNEL(r.t.checked, "health_check", COL_FLAG, 0),
    TUNNEL(r.gone, "gone", COL_FLAG, 0),
    AGED_JSON(tunnel_view_t, missing, "missing"),
    TUNNEL(r.t.id, "id", COL_TEXT, 0),
    { .name = NULL }
};
static const ctl_column_t tunnel_head[] = { HEAD_COMMON, { .name = NULL } };
static const ctl_list_t tunnel_list = { "tunnels", tunnel_columns, sizeof(tunnel_view_t) };

/* "0.9873 1": what the last reading said of it. The row has what was so when its state changed. */
static void take_health(tunnel_view_t *v, const char *text)
{
    char *end = NULL;

    v->health = text ? strtod(text, &end) : -1;
    v->active = end && *end == ' ' ? (int)strtol(end + 1, NULL, 10) : -1;
    if (!end || *end != ' ' || !isfinite(v->health)) {
        v->health = v->active = -1;
    }
}

static void view_tunnel(const ctl_world_t *w, tunnel_view_t *v, const cfmt_tunnel_row_t *r,
                        const cfmt_sensed_t *health)
{
    const char *text = r->gone ? NULL : apr_table_get(health->facts, r->t.id);

    v->r = *r;
    v->name = r->t.name ? r->t.name : r->t.id;
    v->kind = cfmt_tunnel_kind_name(r->t.kind);
    v->state = r->gone ? "gone" : r->state;
    take_health(v, text);
    v->since = ctl_aged(w, r->since);
    v->read = ctl_aged(w, text ? health->read_at : 0);
    v->missing = ctl_aged(w, r->missing_since);
}

static apr_array_header_t *view_tunnels(const ctl_world_t *w, const apr_array_header_t *rows,
                                        const cfmt_sensed_t *health)
{
    apr_array_header_t *view = apr_array_make(w->p, rows->nelts + 1, sizeof(tunnel_view_t));
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const cfmt_tunnel_row_t *r = &APR_ARRAY_IDX(rows, i, cfmt_tunnel_row_t);
        if (!r->gone || w->ctl->all) {
            view_tunnel(w, apr_array_push(view), r, health);
        }
    }
    return view;
}

int ctl_tunnels(ctl_t *ctl)
{
    ctl_world_t w;
    ctl_head_t head = { .unmatched = NULL };
    apr_array_header_t *rows, *view;
    cfmt_sensed_t health;
    apr_time_t ok_at;
    apr_status_t rv;
    int code = ctl_world_open(&w, ctl);

    if (code != CTL_DONE) {
        return code;
    }
    if ((rv = cfmt_tunnels_load(w.store, &rows, w.p)) != APR_SUCCESS
        || (rv = ctl_world_sensed(&w, &health, "tunnels")) != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    view = view_tunnels(&w, rows, &health);
    ok_at = ctl_world_ok_at(&w, "tunnels");
    head.configured = w.configured;
    head.read = ctl_aged(&w, health.read_at > ok_at ? health.read_at : ok_at);
    ctl_world_print(&w, &tunnel_list, view, tunnel_head, &head);
    ctl_world_note(&w, &head, view->nelts, "tunnels", ctl_world_stale(&w));
    return CTL_DONE;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

typedef struct range_view_t {
    const char *cidr, *word, *text;
    ctl_aged_t first, seen, gone;
    apr_time_t until; /* 0 = accepted while it is listed */
} range_view_t;

#define RANGE(member, label, kind_, table) COLUMN(range_view_t, member, label, kind_, table)

static const ctl_column_t range_columns[] = {
    RANGE(cidr, "cidr", COL_TEXT, 1),
    AGED(range_view_t, first, "first_seen", "first_seen"),
    AGED(range_view_t, seen, "last_seen", "last_seen"),
    RANGE(word, "state", COL_TEXT, 0),
    AGED_JSON(range_view_t, gone, "gone"),
    RANGE(until, "accepted_until", COL_TIME, 0),
    RANGE(text, "state", COL_TEXT, TABLE_ONLY),
    { .name = NULL }
};
static const ctl_column_t range_head[] = {
    HEAD_COMMON,
    HEAD(in_use, COL_FLAG),
    { .name = NULL }
};
static const ctl_list_t range_list = { "ranges", range_columns, sizeof(range_view_t) };

static void view_range(const ctl_world_t *w, range_view_t *v, const cfmt_range_row_t *r)
{
    memset(v, 0, sizeof(*v));
    v->cidr = cfmt_cidr_format(w->p, &r->cidr);
    v->first = ctl_aged(w, r->first_at);
    v->seen = ctl_aged(w, r->seen_at);
    v->gone = ctl_aged(w, r->gone_at);
    v->until = r->gone_at ? r->gone_at + CFMT_RANGE_GRACE : 0;
    v->word = !r->first_at ? "compiled-in" : !v->until ? "listed"
              : w->now < v->until ? "accepted" : "dropped";
    v->text = strcmp(v->word, "accepted") ? v->word
              : apr_psprintf(w->p, "accepted for %s more", ctl_duration(w->p, v->until - w->now));
}

/* Where none were read, those that the module was compiled with. */
static apr_status_t load_ranges(const ctl_world_t *w, apr_array_header_t **prows)
{
    apr_status_t rv = cfmt_ranges_load(w->store, prows, w->p);
    apr_array_header_t *compiled;
    int i;

    if (rv == APR_SUCCESS && !(*prows)->nelts) {
        compiled = cfmt_senders_compiled(w->p);
        for (i = 0; i < compiled->nelts; i++) {
            cfmt_range_row_t row = { .cidr = APR_ARRAY_IDX(compiled, i, cfmt_cidr_t) };
            APR_ARRAY_PUSH(*prows, cfmt_range_row_t) = row;
        }
    }
    return rv;
}

static int has_word(const char *text, const char *wanted, apr_pool_t *p)
{
    char *last, *word, *copy = apr_pstrdup(p, text ? text : "");

    for (word = apr_strtok(copy, " ", &last); word; word = apr_strtok(NULL, " ", &last)) {
        if (!strcmp(word, wanted)) {
            return 1;
        }
    }
    return 0;
}

static void note_ranges(const ctl_world_t *w, const ctl_head_t *head)
{
    if (!head->in_use) {
        ctl_complain(CFMT_ID(0784), "these ranges are not in use: CfmtSenders is '%s'",
                     ctl_text(w->p, apr_table_get(w->settings, "Senders")));
    }
    if (!w->configured && !head->read.at) {
        ctl_world_unconfigured(", so these are the ranges of this version");
    }
    else {
        ctl_world_note(w, head, head->read.at != 0, "ranges", RANGES_STALE);
    }
}

int ctl_ranges(ctl_t *ctl)
{
    ctl_world_t w;
    ctl_head_t head = { .unmatched = NULL };
    apr_array_header_t *rows, *view;
    cfmt_sensed_t list;
    apr_status_t rv;
    int i, code = ctl_world_open(&w, ctl);

    if (code != CTL_DONE) {
        return code;
    }
    if ((rv = load_ranges(&w, &rows)) != APR_SUCCESS
        || (rv = ctl_world_sensed(&w, &list, "ranges")) != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    view = apr_array_make(w.p, rows->nelts, sizeof(range_view_t));
    for (i = 0; i < rows->nelts; i++) {
        view_range(&w, apr_array_push(view), &APR_ARRAY_IDX(rows, i, cfmt_range_row_t));
    }
    head.configured = w.configured;
    head.in_use = has_word(apr_table_get(w.settings, "Senders"), "cloudflare", w.p);
    head.read = ctl_aged(&w, list.read_at);
    ctl_world_print(&w, &range_list, view, range_head, &head);
    if (!ctl->json && list.read_at) {
        printf("read %s ago\n", ctl_duration(w.p, head.read.age));
    }
    note_ranges(&w, &head);
    return CTL_DONE;
}
