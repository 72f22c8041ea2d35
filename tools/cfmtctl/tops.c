/*
 * Who attacks: the largest of each kind, for `traffic --top` and for one attack. And where an
 * address is, which is looked up when it is shown.
 */
#include <math.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmtctl.h"
#include "traffic.h"

/* ---- places ---------------------------------------------------------------------------------- */

/* Missing a database loses the city and nothing else: it is said and all the rest is shown. */
cfmt_geo_t *ctl_geo(const ctl_world_t *w)
{
    const char *path = apr_table_get(w->settings, "GeoDb"), *why;
    cfmt_geo_t *g = NULL;

    if (path && cfmt_geo_open(&g, &why, path, w->p) != APR_SUCCESS) {
        ctl_complain(CFMT_ID(0902), "cities are not shown: %s", ctl_text(w->p, why));
        return NULL;
    }
    return g;
}

/* ---- rows ------------------------------------------------------------------------------------ */

typedef struct top_view_t {
    const char *of, *name;
    double share, pps, bps, packets, bits;
    apr_int64_t asn;
    const char *asn_name, *country, *city;
    int spoofed;         /* -1 = not a source */
    const char *detail;
} top_view_t;

#define TOP(member, kind_, table) COLUMN(top_view_t, member, #member, kind_, table)
#define FIGURES(table) \
    TOP(share, COL_RATIO, table), TOP(pps, COL_RATE, table), TOP(bps, COL_RATE, table), \
    TOP(packets, COL_RATE, 0), TOP(bits, COL_RATE, 0)

static const ctl_column_t table_columns[] = {
    TOP(of, COL_TEXT, 1), TOP(name, COL_TEXT, 1), FIGURES(1),
    TOP(spoofed, COL_FLAG, 1), TOP(detail, COL_TEXT, 1), { .name = NULL }
};
static const ctl_column_t plain_columns[] = {
    TOP(name, COL_TEXT, 0), FIGURES(0), { .name = NULL }
};
static const ctl_column_t asn_columns[] = {
    TOP(asn, COL_REF, 0), TOP(asn_name, COL_TEXT, 0), FIGURES(0), { .name = NULL }
};
static const ctl_column_t source_columns[] = {
    TOP(name, COL_TEXT, 0), TOP(spoofed, COL_FLAG, 0), TOP(asn, COL_REF, 0),
    TOP(asn_name, COL_TEXT, 0), TOP(country, COL_TEXT, 0), TOP(city, COL_TEXT, 0), FIGURES(0),
    { .name = NULL }
};

/* As a person reads them; the kinds without a word are not shown. */
static const struct {
    const char *word;
    const ctl_column_t *columns;
} kinds[CFMT_SUM_KINDS] = {
    [CFMT_SUM_VECTOR] = { "vector", plain_columns },
    [CFMT_SUM_SOURCE] = { "source", source_columns },
    [CFMT_SUM_ASN] = { "asn", asn_columns },
    [CFMT_SUM_COUNTRY] = { "country", plain_columns },
    [CFMT_SUM_PORT] = { "port", plain_columns },
    [CFMT_SUM_SOURCE_PORT] = { "source-port", plain_columns },
    [CFMT_SUM_COLO] = { "colo", plain_columns },
    [CFMT_SUM_TARGET] = { "target", plain_columns },
};

const char *ctl_network_text(apr_int64_t asn, const char *asn_name, const char *country,
                             const char *city, apr_pool_t *p)
{
    const char *text = asn ? apr_psprintf(p, "AS%" APR_INT64_T_FMT "%s%s", asn, asn_name ? " " : "",
                                          asn_name ? asn_name : "")
                           : asn_name ? asn_name : "";

    text = country ? apr_pstrcat(p, text, *text ? ", " : "", country, NULL) : text;
    return city ? apr_pstrcat(p, text, *text ? ", " : "", city, NULL) : text;
}

static void place_source(top_view_t *v, const cfmt_geo_t *g, apr_pool_t *p)
{
    cfmt_geo_place_t place = { .city = NULL };
    cfmt_cidr_t host;

    if (cfmt_cidr_parse(&host, NULL, v->name) == APR_SUCCESS) {
        place = cfmt_geo_find(g, &host, p);
    }
    v->city = place.city;
    v->country = v->country ? v->country : place.country;
}

static top_view_t view_of(const cfmt_top_t *top, const cfmt_tops_t *tops, const cfmt_geo_t *g,
                          apr_pool_t *p)
{
    const cfmt_traffic_sum_t *sum = &top->sum;
    apr_time_t whole = apr_time_sec(tops->to - tops->from);
    double seconds = (double)whole;
    top_view_t v = {
        .of = kinds[sum->kind].word, .name = sum->name, .share = top->share,
        .pps = sum->packets / seconds, .bps = sum->bits / seconds, .packets = sum->packets,
        .bits = sum->bits, .asn = sum->asn, .asn_name = sum->asn_name, .country = sum->country,
        .spoofed = sum->kind == CFMT_SUM_SOURCE ? top->spoofed : -1
    };

    if (sum->kind == CFMT_SUM_SOURCE) {
        place_source(&v, g, p);
    }
    v.detail = ctl_network_text(sum->kind == CFMT_SUM_SOURCE ? v.asn : 0, v.asn_name, v.country,
                                v.city, p);
    return v;
}

static void add_views(apr_array_header_t *made, const apr_array_header_t *of,
                      const cfmt_tops_t *tops, const cfmt_geo_t *g, apr_pool_t *p)
{
    int i;

    for (i = 0; i < of->nelts; i++) {
        APR_ARRAY_PUSH(made, top_view_t) = view_of(&APR_ARRAY_IDX(of, i, cfmt_top_t), tops, g, p);
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

typedef struct head_t {
    apr_time_t from, to, peak_at;
    double packets, bits, peak_pps, peak_bps, spoofed;
    apr_int64_t cut, partial;
} head_t;

#define HEAD(member, kind_) COLUMN(head_t, member, #member, kind_, 0)
static const ctl_column_t head_columns[] = {
    HEAD(from, COL_TIME), HEAD(to, COL_TIME), HEAD(packets, COL_RATE), HEAD(bits, COL_RATE),
    HEAD(peak_pps, COL_RATE), HEAD(peak_bps, COL_RATE), HEAD(peak_at, COL_TIME),
    COLUMN(head_t, spoofed, "spoofed_share", COL_RATIO, 0),
    COLUMN(head_t, cut, "cut_minutes", COL_INT, 0), HEAD(partial, COL_BOOL), { .name = NULL }
};

const char *ctl_tops_members(const ctl_world_t *w, const cfmt_tops_t *tops)
{
    const ctl_list_t members = { .columns = head_columns };
    cfmt_geo_t *g = ctl_geo(w);
    head_t head = {
        .from = tops->from, .to = tops->to, .peak_at = tops->peak_at, .packets = tops->packets,
        .bits = tops->bits, .peak_pps = tops->peak_pps, .peak_bps = tops->peak_bps,
        .spoofed = tops->spoofed, .cut = tops->cut, .partial = tops->partial
    };
    const char *text = ctl_json_members(&members, &head, w->p);
    int i;

    for (i = 0; i < CFMT_SUM_KINDS; i++) {
        const ctl_list_t list = { .columns = kinds[i].columns, .row_size = sizeof(top_view_t) };
        apr_array_header_t *rows = apr_array_make(w->p, CTL_TOPS, sizeof(top_view_t));

        if (kinds[i].word) {
            add_views(rows, tops->of[i], tops, g, w->p);
            text = apr_pstrcat(w->p, text, ",\"", cfmt_sum_name((cfmt_sum_e)i), "\":",
                               ctl_json_rows(&list, rows, w->p), NULL);
        }
    }
    return text;
}

static void print_head(const ctl_world_t *w, const cfmt_tops_t *tops)
{
    apr_pool_t *p = w->p;

    printf("attack traffic from %s to %s: peak %s at %s, %s; %.3g%% from spoofed addresses\n",
           ctl_time(p, tops->from), ctl_time(p, tops->to),
           cfmt_rate_format(p, tops->peak_pps, "pps"), ctl_time(p, tops->peak_at),
           cfmt_rate_format(p, tops->peak_bps, "bps"), tops->spoofed * 100);
    if (tops->cut) {
        printf("%d minutes had more rows than Cloudflare gives at once: the sums are too small\n",
               tops->cut);
    }
    if (tops->partial) {
        printf("older minutes are left out: there are too many\n");
    }
    printf("\n");
}

void ctl_tops_print(const ctl_world_t *w, const cfmt_tops_t *tops)
{
    static const ctl_list_t list = { "tops", table_columns, sizeof(top_view_t) };
    apr_array_header_t *rows = apr_array_make(w->p, 8 * CTL_TOPS, sizeof(top_view_t));
    cfmt_geo_t *g;
    int i;

    if (!tops->from) {
        printf("no detail of attack traffic is known of that time\n");
        return;
    }
    g = ctl_geo(w);
    print_head(w, tops);
    for (i = 0; i < CFMT_SUM_KINDS; i++) {
        if (kinds[i].word) {
            add_views(rows, tops->of[i], tops, g, w->p);
        }
    }
    for (i = 0; i < rows->nelts; i++) { /* estimates from samples: a tenth of a percent is enough */
        top_view_t *v = &APR_ARRAY_IDX(rows, i, top_view_t);

        v->share = floor(v->share * 1000 + 0.5) / 1000;
    }
    ctl_list_print(&list, rows, NULL, w->ctl, w->p);
}

/* ---- of an attack ---------------------------------------------------------------------------- */

ctl_traffic_t ctl_attack_traffic(const ctl_world_t *w, const cfmt_attack_row_t *a)
{
    ctl_traffic_t t = { .from = a->started_at - CFMT_TRAFFIC_BEFORE, .to = w->now };
    cfmt_cidr_t cidr;
    int i;

    t.prefixes = apr_array_make(w->p, a->prefixes->nelts + 1, sizeof(cfmt_cidr_t));
    for (i = 0; i < a->prefixes->nelts; i++) {
        if (cfmt_cidr_parse(&cidr, NULL, APR_ARRAY_IDX(a->prefixes, i, const char *))
            == APR_SUCCESS) {
            APR_ARRAY_PUSH(t.prefixes, cfmt_cidr_t) = cidr;
        }
    }
    if (strcmp(a->state, "open") && a->ended_at) {
        t.to = a->ended_at + CFMT_MINUTE;
    }
    t.nowhere = !t.prefixes->nelts && !a->target_missing;
    return t;
}

apr_status_t ctl_attack_tops(const ctl_world_t *w, const cfmt_attack_row_t *a, cfmt_tops_t *tops)
{
    ctl_traffic_t t = ctl_attack_traffic(w, a);

    return cfmt_traffic_tops(w->store, tops, t.prefixes, t.nowhere ? t.to : t.from, t.to,
                             CTL_TOPS, w->p);
}
