/*
 * Room store, its part of attack traffic in detail: who sends what to whom. Derived from what
 * Cloudflare still tells for some weeks, and disposable: nothing is decided by it, and a rebuild
 * leaves it alone.
 */
#ifndef CFMT_STORE_TRAFFIC_H
#define CFMT_STORE_TRAFFIC_H

#include "cfmt_store.h"

/* ---- traffic_sheet.c: what is kept of one minute of one prefix; pure ------------------------- */

/*
 * Of thousands of rows the largest stay as they are. Sums are made of all of them, so shares are
 * right whatever was left out: of each kind the largest. So many of both that 90 days with ten
 * attacks of ten minutes a day take some 100 MB.
 */
#define CFMT_TRAFFIC_ROWS 30
#define CFMT_TRAFFIC_SUMS 60

typedef enum {
    CFMT_SUM_TOTAL,
    CFMT_SUM_SPOOFED, /* from where nothing can come: cfmt_cidr_spoofed */
    CFMT_SUM_VECTOR,
    CFMT_SUM_SOURCE,
    CFMT_SUM_ASN,
    CFMT_SUM_COUNTRY,
    CFMT_SUM_PORT,    /* of the target: "UDP/443" */
    CFMT_SUM_SOURCE_PORT,
    CFMT_SUM_COLO,
    CFMT_SUM_TARGET,
    CFMT_SUM_KINDS
} cfmt_sum_e;

typedef struct cfmt_traffic_sum_t {
    cfmt_sum_e kind;
    const char *name;     /* "" for the first two kinds */
    apr_int64_t asn;      /* of a source or an AS; 0 = none, as NULL below */
    const char *asn_name; /* the same */
    const char *country;  /* of a source */
    double packets, bits;
} cfmt_traffic_sum_t;

typedef struct cfmt_traffic_sheet_t {
    cfmt_cidr_t prefix;
    apr_time_t minute;
    int cut;                  /* the answer was: the smallest rows are missing in the sums, too */
    apr_array_header_t *rows; /* cfmt_detail_t, the largest first */
    apr_array_header_t *sums; /* cfmt_traffic_sum_t, by kind, the largest first */
} cfmt_traffic_sheet_t;

/* Of at least one row (cfmt_detail_t, all of that minute); sorts rows; copied into p. */
cfmt_traffic_sheet_t *cfmt_traffic_sheet(const cfmt_cidr_t *prefix, apr_time_t minute, int cut,
                                         apr_array_header_t *rows, apr_pool_t *p);

/* ---- traffic.c: tables traffic_event and traffic_sum ----------------------------------------- */

/*
 * Inside a transaction. A minute that is there already stays if it has as many packets: to read it
 * again, by whatever leader, changes nothing or makes it greater.
 */
apr_status_t cfmt_traffic_put(cfmt_store_t *s, const cfmt_traffic_sheet_t *sheet,
                              apr_pool_t *ptemp);

/* A place in the list, newest minutes first. Begin with .at = the end (exclusive). */
typedef struct cfmt_traffic_cursor_t {
    apr_time_t at;
    const char *prefix; /* NULL: at the beginning of the minute before `at` */
    apr_int64_t n;
} cfmt_traffic_cursor_t;

typedef struct cfmt_traffic_row_t {
    cfmt_cidr_t prefix;
    cfmt_detail_t d;
    int spoofed;
} cfmt_traffic_row_t;

/*
 * At most limit rows of prefixes (cfmt_cidr_t) and those inside them, none given: of all, not older
 * than since; moves the cursor behind them. Fewer than limit: there are no more. Array of
 * cfmt_traffic_row_t in p.
 */
apr_status_t cfmt_traffic_list(cfmt_store_t *s, const apr_array_header_t *prefixes,
                               apr_time_t since, cfmt_traffic_cursor_t *cursor, int limit,
                               apr_array_header_t **prows, apr_pool_t *p);

/* One step of retention by age; *pn: rows that went. */
apr_status_t cfmt_traffic_prune(cfmt_store_t *s, apr_time_t before, int *pn);

/* ---- traffic_tops.c -------------------------------------------------------------------------- */

typedef struct cfmt_top_t {
    cfmt_traffic_sum_t sum;
    double share; /* of all packets, 0 to 1; no more than the truth, where it fell off the sheets */
    int spoofed;  /* of a source */
} cfmt_top_t;

typedef struct cfmt_tops_t {
    apr_time_t from, to;  /* first minute with rows, end of the last one; 0 = none */
    int cut;              /* minutes of which an answer was cut */
    int partial;          /* older minutes were not looked at, there are too many */
    double packets, bits, peak_pps, peak_bps; /* peaks: of one minute over all prefixes */
    apr_time_t peak_at;   /* of peak_pps */
    double spoofed;       /* share of the packets */
    apr_array_header_t *of[CFMT_SUM_KINDS]; /* cfmt_top_t, the largest first */
} cfmt_tops_t;

/*
 * Of prefixes (cfmt_cidr_t) and those inside them, none given: of all, in [from, to); at most n a
 * kind. Takes a second at most: TOPS_MAX in traffic_tops.c.
 */
apr_status_t cfmt_traffic_tops(cfmt_store_t *s, cfmt_tops_t *tops,
                               const apr_array_header_t *prefixes, apr_time_t from, apr_time_t to,
                               int n, apr_pool_t *p);
/* "vectors" "sources" "asns" "countries" "ports" "source_ports" "colos" "targets" */
const char *cfmt_sum_name(cfmt_sum_e kind);

/* An attack's traffic: what was dropped on its prefixes, from a little before its start. */
#define CFMT_TRAFFIC_BEFORE apr_time_from_sec(600)

#endif
