/*
 * What analytics say of traffic: rows become sums of prefixes and minutes. An answer that was cut
 * can be halved; what the plan allows is read from `settings`.
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "analytics.h"
#include "row.h"

/* ---- limits ---------------------------------------------------------------------------------- */

/* Seconds; nothing shorter than a minute can be asked for, more than ten years is a slip. */
static void read_seconds(apr_interval_time_t *pd, const cfmt_json_t *settings, const char *key)
{
    apr_int64_t s = cfmt_row_int(settings, key, 60, (apr_int64_t)10 * 366 * 86400);

    *pd = s ? apr_time_from_sec(s) : *pd;
}

void cfmt_analytics_limits_take(cfmt_analytics_limits_t *l, const cfmt_json_t *settings)
{
    static const cfmt_analytics_limits_t def = CFMT_ANALYTICS_LIMITS_DEFAULT;
    /* A plan that allows more changes nothing: larger answers are no use. */
    apr_int64_t page = cfmt_row_int(settings, "maxPageSize", 1, def.page);

    *l = def;
    l->page = page ? (int)page : def.page;
    read_seconds(&l->duration, settings, "maxDuration");
    read_seconds(&l->history, settings, "notOlderThan");
}

apr_status_t cfmt_analytics_limits_read(cfmt_analytics_limits_t *l, const char **pwhy,
                                        const cfmt_json_t *row)
{
    const cfmt_json_t *settings = cfmt_json_get(row, CFMT_TRAFFIC_DATASET);

    if (!settings || settings->type != CFMT_JSON_OBJECT) {
        *pwhy = "member \"" CFMT_TRAFFIC_DATASET "\" is missing";
        return CFMT_EINVALID;
    }
    cfmt_analytics_limits_take(l, settings);
    return APR_SUCCESS;
}

/* ---- one answer ------------------------------------------------------------------------------ */

/* No padding: the key is hashed as bytes. */
typedef struct place_t {
    apr_int64_t prefix;
    apr_time_t minute;
} place_t;

typedef struct sum_t {
    place_t place;
    cfmt_traffic_t traffic;
} sum_t;

struct cfmt_traffic_reading_t {
    apr_pool_t *pool;
    apr_time_t from, to, mark_from, mark_to;
    cfmt_traffic_plan_t plan;
    int limit;
    int *rows;            /* of each alias */
    int aliases, cut;
    apr_time_t watermark;
    apr_hash_t *sums;     /* place_t to sum_t: no more than there are rows, nested prefixes apart */
};

cfmt_traffic_reading_t *cfmt_traffic_reading(const cfmt_traffic_piece_t *piece, int limit,
                                             apr_pool_t *p)
{
    cfmt_traffic_reading_t *r = apr_pcalloc(p, sizeof(*r));

    r->pool = p;
    r->from = piece->from;
    r->to = piece->to;
    cfmt_traffic_mark_span(&r->mark_from, &r->mark_to, piece);
    cfmt_traffic_plan(&r->plan, piece, p);
    r->limit = limit;
    r->aliases = 1 + (r->plan.parts->nelts > 0) + r->plan.wide->nelts;
    r->rows = apr_pcalloc(p, sizeof(*r->rows) * (apr_size_t)r->aliases);
    r->sums = apr_hash_make(p);
    return r;
}

/* A row of traffic as it stands in the answer. */
typedef struct counted_t {
    apr_time_t minute;
    int passed;
    cfmt_system_e system; /* unless passed */
    double packets, bits;
} counted_t;

static apr_status_t refuse(const char **pwhy, const char *why)
{
    *pwhy = why;
    return CFMT_EINVALID;
}

static int is_text(const cfmt_json_t *value)
{
    return value && value->type == CFMT_JSON_STRING;
}

static int is_word(const cfmt_json_t *text, const char *word)
{
    return text->len == strlen(word) && !memcmp(text->text, word, text->len);
}

static cfmt_system_e system_of(const cfmt_json_t *text)
{
    static const char *const words[CFMT_SYSTEM_OTHER] = { CFMT_SYSTEM_WORDS };
    cfmt_system_e s = CFMT_SYSTEM_DOSD;

    while (s < CFMT_SYSTEM_OTHER && !is_word(text, words[s])) {
        s++;
    }
    return s;
}

static apr_status_t read_minute(apr_time_t *pt, const char **pwhy, const cfmt_json_t *dimensions)
{
    if (cfmt_time_parse(pt, cfmt_json_text(dimensions, "datetimeMinute")) != APR_SUCCESS) {
        return refuse(pwhy, "member \"datetimeMinute\" is missing or no time");
    }
    *pt -= *pt % CFMT_MINUTE;
    return APR_SUCCESS;
}

/*
 * "pass" and "drop" are the documented outcomes. Whatever else comes is something that was done to
 * a packet: it counts as dropped by the system named, so that it can only add to an attack.
 */
static apr_status_t read_counted(counted_t *c, const char **pwhy, const cfmt_json_t *row)
{
    const cfmt_json_t *dimensions = cfmt_json_get(row, "dimensions"), *sum;
    const cfmt_json_t *outcome = cfmt_json_get(dimensions, "outcome");
    const cfmt_json_t *system = cfmt_json_get(dimensions, "mitigationSystem");

    if (!is_text(outcome)) {
        return refuse(pwhy, "member \"outcome\" is missing or no text");
    }
    c->passed = is_word(outcome, "pass");
    if (!c->passed && !is_text(system)) {
        return refuse(pwhy, "member \"mitigationSystem\" is missing or no text");
    }
    c->system = c->passed ? CFMT_SYSTEM_OTHER : system_of(system);
    sum = cfmt_json_get(row, "sum");
    c->packets = cfmt_row_number(sum, "packets");
    c->bits = cfmt_row_number(sum, "bits");
    if (c->packets < 0 || c->bits < 0) {
        return refuse(pwhy, "member \"packets\" or \"bits\" is missing or no number");
    }
    return read_minute(&c->minute, pwhy, dimensions);
}

static void add(cfmt_traffic_reading_t *r, int prefix, const counted_t *c)
{
    place_t place = {.prefix = prefix, .minute = c->minute};
    sum_t *sum;

    if (c->minute < r->from || c->minute >= r->to) {
        return; /* nobody asked for it */
    }
    sum = apr_hash_get(r->sums, &place, sizeof(place));
    if (!sum) {
        sum = apr_pcalloc(r->pool, sizeof(*sum));
        sum->place = place;
        apr_hash_set(r->sums, &sum->place, sizeof(sum->place), sum);
    }
    if (c->passed) {
        sum->traffic.passed_packets += c->packets;
        sum->traffic.passed_bits += c->bits;
    }
    else {
        sum->traffic.packets[c->system] += c->packets;
        sum->traffic.bits[c->system] += c->bits;
    }
}

/* The first part of that subnet or behind it. */
static int find_part(const apr_array_header_t *parts, const cfmt_cidr_t *subnet)
{
    int low = 0, high = parts->nelts, mid;

    while (low < high) {
        mid = low + (high - low) / 2;
        if (cfmt_cidr_compare(&APR_ARRAY_IDX(parts, mid, cfmt_traffic_part_t).subnet, subnet) < 0) {
            low = mid + 1;
        }
        else {
            high = mid;
        }
    }
    return low;
}

/* It counts for each prefix that it stands for: nested ones share it. */
static apr_status_t take_subnet(cfmt_traffic_reading_t *r, const char **pwhy,
                                const cfmt_json_t *row, const counted_t *c)
{
    const apr_array_header_t *parts = r->plan.parts;
    const char *text = cfmt_json_text(cfmt_json_get(row, "dimensions"), "ipDestinationSubnet");
    const cfmt_traffic_part_t *part;
    cfmt_cidr_t subnet;
    int i;

    if (cfmt_cidr_parse(&subnet, NULL, text) != APR_SUCCESS) {
        return refuse(pwhy, "member \"ipDestinationSubnet\" is missing or no network");
    }
    subnet = cfmt_traffic_subnet(&subnet);
    for (i = find_part(parts, &subnet); i < parts->nelts; i++) {
        part = &APR_ARRAY_IDX(parts, i, cfmt_traffic_part_t);
        if (cfmt_cidr_compare(&part->subnet, &subnet)) {
            break;
        }
        add(r, part->prefix, c);
    }
    return APR_SUCCESS;
}

static apr_status_t take_mark(cfmt_traffic_reading_t *r, const char **pwhy, const cfmt_json_t *row)
{
    apr_time_t minute;
    apr_status_t rv = read_minute(&minute, pwhy, cfmt_json_get(row, "dimensions"));

    /* What was not asked for proves nothing. */
    if (rv == APR_SUCCESS && minute >= r->mark_from && minute < r->mark_to
        && minute > r->watermark) {
        r->watermark = minute;
    }
    return rv;
}

apr_status_t cfmt_traffic_take(cfmt_traffic_reading_t *r, const char **pwhy, int which,
                               const cfmt_json_t *row)
{
    int subnets = r->plan.parts->nelts > 0;
    apr_status_t rv;
    counted_t c;

    if (which < 0 || which >= r->aliases) {
        return refuse(pwhy, "a row of what was not asked for");
    }
    if (which == 0) {
        return take_mark(r, pwhy, row);
    }
    r->cut = r->cut || ++r->rows[which] >= r->limit;
    rv = read_counted(&c, pwhy, row);
    if (rv == APR_SUCCESS && which == subnets) {
        return take_subnet(r, pwhy, row, &c);
    }
    if (rv == APR_SUCCESS) {
        add(r, APR_ARRAY_IDX(r->plan.wide, which - 1 - subnets, int), &c);
    }
    return rv;
}

int cfmt_traffic_cut(const cfmt_traffic_reading_t *r)
{
    return r->cut;
}

apr_time_t cfmt_traffic_watermark(const cfmt_traffic_reading_t *r)
{
    return r->watermark;
}

const cfmt_traffic_t *cfmt_traffic_of(const cfmt_traffic_reading_t *r, int prefix,
                                      apr_time_t minute)
{
    static const cfmt_traffic_t nothing;
    place_t place = {.prefix = prefix, .minute = minute};
    const sum_t *sum = apr_hash_get(r->sums, &place, sizeof(place));

    return sum ? &sum->traffic : &nothing;
}

/* ---- halves ---------------------------------------------------------------------------------- */

static apr_array_header_t *slice(const apr_array_header_t *prefixes, int from, int to,
                                 apr_pool_t *p)
{
    apr_array_header_t *made = apr_array_make(p, to - from, sizeof(cfmt_cidr_t));
    int i;

    for (i = from; i < to; i++) {
        APR_ARRAY_PUSH(made, cfmt_cidr_t) = APR_ARRAY_IDX(prefixes, i, cfmt_cidr_t);
    }
    return made;
}

int cfmt_traffic_halve(cfmt_traffic_piece_t halves[2], const cfmt_traffic_piece_t *piece,
                       apr_pool_t *p)
{
    apr_int64_t minutes = (piece->to - piece->from) / CFMT_MINUTE;
    int n = piece->prefixes->nelts, by_time = minutes > 1;

    if (!by_time && n < 2) {
        return 0;
    }
    halves[0] = halves[1] = *piece;
    if (by_time) {
        halves[0].to = halves[1].from = piece->from + minutes / 2 * CFMT_MINUTE;
    }
    halves[0].prefixes = slice(piece->prefixes, 0, by_time ? n : n / 2, p);
    halves[1].prefixes = slice(piece->prefixes, by_time ? 0 : n / 2, n, p);
    return 1;
}
