/*
 * Who may deliver, in a child: an immutable table that the engine's thread replaces when the leader
 * has read other ranges of Cloudflare. Request threads take the pointer and nothing else.
 */
#include "httpd_cfmt.h"

#define TABLES 3 /* a replaced one lives until the second replacement, a day later as a rule */
#define RETRY apr_time_from_sec(5)

static struct {
    const cfmt_senders_t *now; /* NULL: as configured and compiled */
    apr_pool_t *pools[TABLES];
    int turn;
    apr_uint32_t version;      /* of the ranges that were read */
    int read;
    apr_time_t tried_at;       /* monotonic */
} table;

const cfmt_senders_t *cfmt_ranges_senders(void)
{
    const cfmt_senders_t *s = __atomic_load_n(&table.now, __ATOMIC_ACQUIRE);

    return s ? s : cfmt_generation()->senders;
}

/* Listed now, or gone for less than the grace. */
static apr_array_header_t *accepted(const apr_array_header_t *rows, apr_time_t now, apr_pool_t *p)
{
    apr_array_header_t *cidrs = apr_array_make(p, rows->nelts, sizeof(cfmt_cidr_t));
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const cfmt_range_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_range_row_t);

        if (!row->gone_at || now - row->gone_at < CFMT_RANGE_GRACE) {
            APR_ARRAY_PUSH(cidrs, cfmt_cidr_t) = row->cidr;
        }
    }
    return cidrs;
}

static apr_status_t read_ranges(apr_array_header_t **prows, const cfmt_generation_t *g,
                                apr_pool_t *p)
{
    cfmt_store_t *store;
    apr_status_t rv = cfmt_store_open(&store, cfmt_config_db(g->conf), CFMT_STORE_GLANCE, NULL, p);

    if (rv == APR_SUCCESS) {
        rv = cfmt_ranges_load(store, prows, p);
        cfmt_store_close(store);
    }
    return rv;
}

static apr_status_t replace(const cfmt_generation_t *g)
{
    apr_pool_t **pool = &table.pools[table.turn], *ptemp;
    apr_array_header_t *rows;
    apr_status_t rv;

    if (!*pool) {
        apr_pool_create_unmanaged_ex(pool, NULL, NULL); /* threads may outlive httpd's pools */
        apr_pool_tag(*pool, "cfmt_ranges");
    }
    apr_pool_clear(*pool);
    apr_pool_create(&ptemp, *pool);
    rv = read_ranges(&rows, g, ptemp);
    if (rv == APR_SUCCESS && rows->nelts) {
        rows = accepted(rows, cfmt_clock_now(g->clock), ptemp);
        __atomic_store_n(&table.now, cfmt_senders_renew(g->senders, rows, *pool),
                         __ATOMIC_RELEASE);
        table.turn = (table.turn + 1) % TABLES;
    }
    apr_pool_destroy(ptemp);
    return rv;
}

void cfmt_ranges_glance(void *generation)
{
    const cfmt_generation_t *g = generation;
    apr_uint32_t version = g->gauges ? CFMT_GAUGE_GET(g->gauges->ranges) : 0;
    apr_time_t now = cfmt_monotonic();

    if (!cfmt_senders_cloudflare(g->senders) || (table.read && version == table.version)
        || (table.tried_at && now - table.tried_at < RETRY)) {
        return;
    }
    table.tried_at = now;
    if (replace(g) == APR_SUCCESS) {
        table.version = version;
        table.read = 1;
    }
}
