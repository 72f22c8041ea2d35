/*
 * traffic: detail of attack traffic, row by row with the newest minute first, or the largest of
 * each kind.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"
#include "traffic.h"

#define SINCE_DEFAULT apr_time_from_sec(2 * 3600)
#define PAGE 200

typedef struct row_view_t {
    apr_time_t minute;
    const char *prefix, *vector, *rule, *rule_id;
    const char *source, *target, *from, *to; /* from, to: with their ports */
    apr_int64_t asn, source_port, target_port;
    const char *asn_name, *country, *city, *protocol, *flags, *colo, *network;
    int spoofed;
    double packets, bits, pps, bps;
} row_view_t;

#define ROW(member, kind_, table) COLUMN(row_view_t, member, #member, kind_, table)
static const ctl_column_t columns[] = {
    ROW(minute, COL_TIME, 1), ROW(prefix, COL_TEXT, WIDE),
    ROW(pps, COL_RATE, 1), ROW(bps, COL_RATE, 1),
    ROW(packets, COL_RATE, 0), ROW(bits, COL_RATE, 0),
    ROW(vector, COL_TEXT, 1), ROW(rule, COL_TEXT, WIDE), ROW(rule_id, COL_TEXT, 0),
    ROW(protocol, COL_TEXT, 1), ROW(flags, COL_TEXT, 1),
    ROW(from, COL_TEXT, TABLE_ONLY), ROW(source, COL_TEXT, 0), ROW(source_port, COL_REF, 0),
    ROW(spoofed, COL_FLAG, 1),
    ROW(asn, COL_REF, 0), ROW(asn_name, COL_TEXT, 0), ROW(country, COL_TEXT, 0),
    ROW(city, COL_TEXT, 0),
    ROW(to, COL_TEXT, TABLE_ONLY), ROW(target, COL_TEXT, 0), ROW(target_port, COL_REF, 0),
    ROW(colo, COL_TEXT, 1), ROW(network, COL_TEXT, TABLE_ONLY),
    { .name = NULL }
};
static const ctl_list_t list = { "traffic", columns, sizeof(row_view_t) };

/* ---- rows ------------------------------------------------------------------------------------ */

static const char *host_text(const cfmt_cidr_t *c, apr_pool_t *p)
{
    return c->family ? cfmt_cidr_format(p, c) : NULL;
}

static const char *with_port(const cfmt_cidr_t *c, int port, apr_pool_t *p)
{
    const char *host = host_text(c, p);

    if (!host || !port) {
        return host;
    }
    return apr_psprintf(p, c->family == 6 ? "[%s]:%d" : "%s:%d", host, port);
}

static row_view_t view_of(const cfmt_traffic_row_t *row, const cfmt_geo_t *g, apr_pool_t *p)
{
    const cfmt_detail_t *d = &row->d;
    cfmt_geo_place_t place = cfmt_geo_find(g, &d->source, p);
    row_view_t v = {
        .minute = d->minute, .prefix = cfmt_cidr_format(p, &row->prefix), .vector = d->vector,
        .rule = d->rule, .rule_id = d->rule_id, .source = host_text(&d->source, p),
        .target = host_text(&d->target, p), .from = with_port(&d->source, d->source_port, p),
        .to = with_port(&d->target, d->target_port, p), .asn = d->asn,
        .source_port = d->source_port, .target_port = d->target_port, .asn_name = d->asn_name,
        .country = d->country ? d->country : place.country, .city = place.city,
        .protocol = d->protocol, .flags = d->flags, .colo = d->colo, .spoofed = row->spoofed,
        .packets = d->packets, .bits = d->bits, .pps = d->packets / 60, .bps = d->bits / 60
    };

    v.network = ctl_network_text(v.asn, v.asn_name, v.country, v.city, p);
    return v;
}

static apr_array_header_t *view(const apr_array_header_t *rows, const cfmt_geo_t *g, apr_pool_t *p)
{
    apr_array_header_t *made = apr_array_make(p, rows->nelts + 1, sizeof(row_view_t));
    int i;

    for (i = 0; i < rows->nelts; i++) {
        APR_ARRAY_PUSH(made, row_view_t) = view_of(&APR_ARRAY_IDX(rows, i, cfmt_traffic_row_t), g,
                                                   p);
    }
    return made;
}

typedef struct head_t {
    apr_time_t since, until;
} head_t;

static const ctl_column_t head_columns[] = {
    COLUMN(head_t, since, "since", COL_TIME, 0), COLUMN(head_t, until, "until", COL_TIME, 0),
    { .name = NULL }
};

static int list_rows(const ctl_world_t *w, const ctl_traffic_t *t)
{
    const ctl_list_t members = { .columns = head_columns };
    cfmt_traffic_cursor_t cursor = { .at = t->nowhere ? 0 : t->to };
    head_t head = { .since = t->from, .until = t->to };
    cfmt_geo_t *g = ctl_geo(w);
    apr_array_header_t *rows;
    apr_pool_t *page, *ptemp;
    ctl_out_t out;
    apr_status_t rv;
    int left = w->ctl->limit, want;

    apr_pool_create(&page, w->p); /* the cursor's text lives in it */
    ctl_list_begin(&out, &list, w->ctl);
    out.members = ctl_json_members(&members, &head, w->p);
    do {
        want = left < PAGE ? left : PAGE;
        rv = cfmt_traffic_list(w->store, t->prefixes, t->from, &cursor, want, &rows, page);
        if (rv != APR_SUCCESS) {
            return ctl_world_failed(w, rv);
        }
        apr_pool_create(&ptemp, w->p);
        ctl_list_rows(&out, view(rows, g, ptemp), ptemp);
        apr_pool_destroy(ptemp);
        left -= rows->nelts;
    } while (rows->nelts == want && left > 0 && ctl_out_ok());
    ctl_list_end(&out, w->p);
    return CTL_DONE;
}

static int show_tops(const ctl_world_t *w, const ctl_traffic_t *t)
{
    cfmt_tops_t tops;
    int n = w->ctl->given & OPT_LIMIT ? w->ctl->limit : CTL_TOPS;
    apr_status_t rv = cfmt_traffic_tops(w->store, &tops, t->prefixes, t->nowhere ? t->to : t->from,
                                        t->to, n, w->p);

    if (rv != APR_SUCCESS) {
        return ctl_world_failed(w, rv);
    }
    if (w->ctl->format == CTL_CSV) {
        ctl_complain(CFMT_ID(1106), "--top has a list of each kind, so there is no -o csv; -o json"
                     " has all of them");
        return CTL_USAGE;
    }
    if (w->ctl->json) {
        ctl_json_document(w->ctl, ctl_tops_members(w, &tops));
    }
    else {
        ctl_tops_print(w, &tops);
    }
    return CTL_DONE;
}

/* ---- which traffic --------------------------------------------------------------------------- */

static int of_attack(const ctl_world_t *w, ctl_traffic_t *t, const char *name)
{
    cfmt_attack_row_t a;
    int code = ctl_find_attack(w->ctl, w->store, name, &a);

    if (code == CTL_DONE) {
        *t = ctl_attack_traffic(w, &a);
        t->from = w->ctl->since > t->from ? w->ctl->since : t->from;
    }
    return code;
}

static int of_prefix(const ctl_world_t *w, ctl_traffic_t *t)
{
    const ctl_t *ctl = w->ctl;

    apr_array_header_t *rows;
    apr_status_t rv = cfmt_prefixes_load(w->store, &rows, w->p);

    t->prefixes = apr_array_make(w->p, 1, sizeof(cfmt_cidr_t));
    t->from = ctl->since ? ctl->since : w->now - SINCE_DEFAULT;
    t->to = w->now;
    t->nowhere = 0;
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(w, rv);
    }
    if (!ctl->operand_count || (!w->configured && !rows->nelts)) {
        return CTL_DONE;
    }
    return ctl_pick(w, rows, ctl->operands[0], apr_array_push(t->prefixes));
}

int ctl_traffic(ctl_t *ctl)
{
    ctl_world_t w;
    ctl_traffic_t t = { .prefixes = NULL };
    int attack = ctl->operand_count == 2 && !strcmp(ctl->operands[0], "attack");
    int code;

    if (ctl->given & OPT_IMPORTED) {
        return ctl_imported_traffic(ctl);
    }
    if (ctl->operand_count == 2 && !attack) {
        ctl_complain(CFMT_ID(0905), "usage: cfmtctl traffic PREFIX, or cfmtctl traffic attack ID");
        return CTL_USAGE;
    }
    code = ctl_world_open(&w, ctl);
    if (code == CTL_DONE) {
        code = attack ? of_attack(&w, &t, ctl->operands[1]) : of_prefix(&w, &t);
    }
    if (code != CTL_DONE) {
        return code;
    }
    if (!w.configured) {
        ctl_world_unconfigured(", so this is what was read before");
    }
    return ctl->top ? show_tops(&w, &t) : list_rows(&w, &t);
}
