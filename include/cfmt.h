/*
 * What all rooms share: status codes, the domain result, the log seam, the clock seam, times,
 * durations, rates, CIDRs and escaping. Implemented in src/base. Depends on APR only.
 */
#ifndef CFMT_H
#define CFMT_H

#include <pthread.h>
#include <stdarg.h>
#include <sys/uio.h>

#include <apr.h>
#include <apr_errno.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

#define CFMT_VERSION "0.1.0"

/* ---- statuses -------------------------------------------------------------------------------- */

/*
 * Our own apr_status_t values. cfmt_status_name() gives the short word that health and logs show,
 * cfmt_status_text() the sentence for people.
 */
#define CFMT_EBASE (APR_OS_START_USERERR + 4200)
#define CFMT_EMISSING (CFMT_EBASE + 1)  /* the store (or a row asked for) does not exist */
#define CFMT_EFOREIGN (CFMT_EBASE + 2)  /* an SQLite file, but not a cfmt store */
#define CFMT_ENEWER (CFMT_EBASE + 3)    /* schema newer than this code may write (meta.min_code) */
#define CFMT_EOLDER (CFMT_EBASE + 4)    /* schema not migrated yet: prepare must run first */
#define CFMT_EDENIED (CFMT_EBASE + 5)   /* file or directory not accessible for this user */
#define CFMT_ELINK (CFMT_EBASE + 6)     /* symlink, hard link, wrong owner: refused on principle */
#define CFMT_EBUSY (CFMT_EBASE + 7)     /* lock not had in time */
#define CFMT_EFULL (CFMT_EBASE + 8)     /* disk or quota full */
#define CFMT_ECORRUPT (CFMT_EBASE + 9)  /* database damaged or not a database */
#define CFMT_EIO (CFMT_EBASE + 10)      /* read or write error of the disk */
#define CFMT_EREPLACED (CFMT_EBASE + 11) /* file deleted or replaced under us: reopen */
#define CFMT_EREADONLY (CFMT_EBASE + 12) /* file system or file is read-only */
#define CFMT_ESTOPPED (CFMT_EBASE + 13) /* shutting down */
#define CFMT_EQUEUE (CFMT_EBASE + 14)   /* the commit queue is full */
#define CFMT_EINVALID (CFMT_EBASE + 15) /* input is not what its contract allows */
#define CFMT_ESTORE (CFMT_EBASE + 16)   /* any other SQLite error */
#define CFMT_EMOVED (CFMT_EBASE + 17)   /* somebody else advanced the cursor: read again */
#define CFMT_ENET (CFMT_EBASE + 18)     /* no answer: name, connection, TLS, time, cut short */
#define CFMT_EANSWER (CFMT_EBASE + 19)  /* an answer that cannot be understood */
#define CFMT_ESERVER (CFMT_EBASE + 20)  /* the other side says that it failed (5xx) */
#define CFMT_ELIMIT (CFMT_EBASE + 21)   /* over the limit: theirs (429) or our own budget */
#define CFMT_EAUTH (CFMT_EBASE + 22)    /* the token is refused (401, 403) */
#define CFMT_EREFUSED (CFMT_EBASE + 23) /* the request is refused (other 4xx, success false) */
#define CFMT_EBREAKER (CFMT_EBASE + 24) /* not asked: the breaker is open after failures */
#define CFMT_EEXIST (CFMT_EBASE + 25)   /* there is one already, and only one may be */

/* Short stable word ("full", "newer", ...); "ok" for APR_SUCCESS, "error" for anything unknown. */
const char *cfmt_status_name(apr_status_t rv);
/* One sentence without a full stop; static or in p. Any apr_status_t is allowed. */
const char *cfmt_status_text(apr_status_t rv, apr_pool_t *p);

/* errno of a file operation as one of ours; CFMT_EIO for whatever has no word of its own. */
apr_status_t cfmt_status_of_errno(int err);

/* The outcome of a domain operation, logged, stored and shown as one value. */
typedef struct cfmt_result_t {
    apr_status_t status; /* APR_SUCCESS or why not */
    const char *problem; /* short stable word, e.g. "full"; NULL when fine */
    const char *detail;  /* sentence for people, no secrets, may name paths; NULL when fine */
    apr_time_t retry_at; /* when trying again makes sense; 0 = no idea */
} cfmt_result_t;

/* Fills *r (may be NULL) with rv, its name and a formatted detail in p. Returns rv. */
apr_status_t cfmt_result_set(cfmt_result_t *r, apr_pool_t *p, apr_status_t rv, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- log seam -------------------------------------------------------------------------------- */

/* Same values as httpd's APLOG_*, so that the glue passes them through. */
typedef enum {
    CFMT_LOG_ERR = 3,
    CFMT_LOG_WARNING = 4,
    CFMT_LOG_NOTICE = 5,
    CFMT_LOG_INFO = 6,
    CFMT_LOG_DEBUG = 7,
    CFMT_LOG_TRACE = 8
} cfmt_level_e;

/*
 * Message id. Each four-digit number appears exactly once in the sources as CFMT_ID(dddd) and has
 * an entry in docs/messages.md; tests/guards checks both. 01xx configuration, 02xx webhook and
 * intake, 03xx store, 04xx engine and leader, 05xx monitor, 06xx health, 07xx cfmtctl,
 * 08xx Cloudflare.
 */
#define CFMT_ID(n) "CFMT" #n ": "

typedef struct cfmt_log_t {
    void (*write)(void *baton, cfmt_level_e level, const char *line); /* thread-safe */
    void *baton;
    cfmt_level_e max; /* lines above it are not formatted */
} cfmt_log_t;

/* Formats (at most 1,000 bytes) and writes; log may be NULL (nothing is written). */
void cfmt_log(const cfmt_log_t *log, cfmt_level_e level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- clock seam ------------------------------------------------------------------------------ */

/*
 * What happens in the world is dated by it. Heartbeats, claims, deadlines and transfers are always
 * in real time.
 */
typedef struct cfmt_clock_t {
    apr_time_t (*now)(void *baton);
    void *baton;
    int speed; /* so many times faster than real time (CfmtDemoSpeed); 0 and 1: real */
} cfmt_clock_t;

extern const cfmt_clock_t cfmt_clock_system;      /* apr_time_now() */
apr_time_t cfmt_clock_now(const cfmt_clock_t *clock); /* NULL means the system's */
/* How long d of this clock takes in real time, and what passes on it during d of real time. */
apr_interval_time_t cfmt_clock_real(const cfmt_clock_t *clock, apr_interval_time_t d);
apr_interval_time_t cfmt_clock_span(const cfmt_clock_t *clock, apr_interval_time_t d);

/* A demonstration's clock: since + (real time - since) * speed. */
#define CFMT_DEMO_SPEED_MAX 3600
typedef struct cfmt_demo_t {
    apr_time_t since;
    int speed;
    cfmt_clock_t clock; /* made by cfmt_clock_demo; *demo must live as long as it */
} cfmt_demo_t;
const cfmt_clock_t *cfmt_clock_demo(cfmt_demo_t *demo, apr_time_t since, int speed);
/* Monotonic microseconds for deadlines and durations; never jumps, unrelated to UTC. */
apr_time_t cfmt_monotonic(void);

/* ---- threads --------------------------------------------------------------------------------- */

/*
 * Starts a thread with every signal blocked: httpd's handlers must run in httpd's own threads
 * (under prefork they end the process from inside the handler). Returns an errno-like status.
 */
apr_status_t cfmt_thread_start(pthread_t *pt, const char *name, void *(*start)(void *),
                               void *baton);

/* ---- programs of the operator ---------------------------------------------------------------- */

typedef struct cfmt_spawn_t {
    const char *path;  /* absolute */
    const char *arg;   /* its one argument; NULL = none */
    const char *input; /* len bytes on standard input; NULL = /dev/null */
    apr_size_t len;
    int errors;        /* standard error goes where the output goes; else where ours goes */
} cfmt_spawn_t;

/*
 * Runs a program without a shell: standard output is *pout (CLOEXEC, the caller's), a session of
 * its own (kill -*ppid ends all of it). The caller waits for it. An errno otherwise; one that
 * cannot be executed exits with 127.
 */
apr_status_t cfmt_spawn(pid_t *ppid, int *pout, const cfmt_spawn_t *what);
/*
 * Ends one that was not waited for, with all of its session, and waits for it: for a second at
 * most, because it may hang in a dead file system.
 */
void cfmt_spawn_end(pid_t pid);

/* One that is looked after without waiting: program.c. Ended with its pool, with all it started. */
typedef struct cfmt_program_t cfmt_program_t;
typedef enum { CFMT_PROGRAM_RUNS, CFMT_PROGRAM_ENDED, CFMT_PROGRAM_LATE } cfmt_program_e;

/* limit is real time. An errno: nothing runs. */
apr_status_t cfmt_program_start(cfmt_program_t **pg, const cfmt_spawn_t *what,
                                apr_interval_time_t limit, apr_pool_t *p);
/*
 * Reads what it says, as far as it is there. ENDED: *pcode is its exit status (-1: a signal) and
 * *ptext its first line or else what its end means, printable, at most 199 bytes. LATE: its time is
 * over. Not to be called again after either.
 */
cfmt_program_e cfmt_program_look(cfmt_program_t *g, int *pcode, const char **ptext);

/* ---- times and durations: UTC microseconds since 1970 ---------------------------------------- */

/*
 * RFC 3339 ("2025-06-13T06:13:37.721192654Z", any offset, blank or T, up to nine decimals, cut to
 * microseconds) and Cloudflare's "1970-01-01 00:00:00 +0000 UTC". Years 1970 to 9999. A time
 * without a zone is refused. CFMT_EINVALID otherwise.
 */
apr_status_t cfmt_time_parse(apr_time_t *pt, const char *s);
/* "2026-11-22T20:07:00Z", with ".123456" only when there are microseconds. */
const char *cfmt_time_format(apr_pool_t *p, apr_time_t t);

/*
 * "30s" "5m" "5min" "250ms" "2h" "1d" "45" (seconds); no sign, no blanks, no fractions.
 * CFMT_EINVALID when malformed or above 100 years.
 */
apr_status_t cfmt_duration_parse(apr_interval_time_t *pd, const char *s);
/* "3m12s", "2d4h", "450ms": two units at most; "0s" for nothing; negative gets a "-". */
const char *cfmt_duration_format(apr_pool_t *p, apr_interval_time_t d);

/* ---- numbers --------------------------------------------------------------------------------- */

/* Whole string, decimal, within [min, max]; CFMT_EINVALID otherwise. */
apr_status_t cfmt_int_parse(apr_int64_t *pn, const char *s, apr_int64_t min, apr_int64_t max);

/*
 * A rate as Cloudflare writes it: "800", "800.00 pps", "6.4Gb/s", "12 kpps", "5 Mbps", "1.2e6".
 * SI prefixes k K M G T; units pps, rps, bps, b/s, bit/s, bits/s, packets/s or none. *pv is in
 * packets, requests or bits a second, 0 to 1e18. CFMT_EINVALID
 * otherwise.
 */
apr_status_t cfmt_rate_parse(double *pv, const char *s);
/* No network will ever see more; one absurd value would be an attack's peak for good. */
#define CFMT_RATE_MAX 1e18
/*
 * "1.23 Mpps" for (1234567, "pps"), "6.4 Gbps"; three significant digits; "?" for a negative one.
 */
const char *cfmt_rate_format(apr_pool_t *p, double v, const char *unit);

/* ---- CIDRs ----------------------------------------------------------------------------------- */

/*
 * A network or (with full length) a host. Host bits are always zero. IPv4-mapped IPv6 becomes IPv4.
 */
typedef struct cfmt_cidr_t {
    unsigned char family;   /* 4 or 6; 0 = none */
    unsigned char bits;     /* 0..32 or 0..128 */
    unsigned char addr[16]; /* network order; IPv4 uses the first four */
} cfmt_cidr_t;

/*
 * "203.0.113.0/24", "203.0.113.7", "2001:db8::/32", "::ffff:192.0.2.1". Without a length: a host.
 * Host bits are masked off; *phost_bits (may be NULL) tells whether any were set. CFMT_EINVALID
 * for anything else, zone ids included.
 */
apr_status_t cfmt_cidr_parse(cfmt_cidr_t *pc, int *phost_bits, const char *s);
/* A host from raw bytes: len 4 or 16. */
apr_status_t cfmt_cidr_from_bytes(cfmt_cidr_t *pc, const void *bytes, apr_size_t len);
/* Canonical text; hosts without a length. */
const char *cfmt_cidr_format(apr_pool_t *p, const cfmt_cidr_t *c);
/* True when inner (network or host) lies within outer; equal counts. */
int cfmt_cidr_contains(const cfmt_cidr_t *outer, const cfmt_cidr_t *inner);
/* Total order: family, address, then length. */
int cfmt_cidr_compare(const cfmt_cidr_t *a, const cfmt_cidr_t *b);
/*
 * spoofed.c: no packet of the Internet can truly come from there: private, reserved, multicast,
 * documentation, never allocated; 6to4 addresses by the IPv4 one in them.
 */
int cfmt_cidr_spoofed(const cfmt_cidr_t *c);

/* ---- text from outside ----------------------------------------------------------------------- */

/*
 * Printable copy for logs and terminals: control characters, DEL, invalid UTF-8 and backslash
 * become \xNN escapes, cut to at most max output bytes ("..." marks a cut, never inside a
 * character).
 */
const char *cfmt_text_escape(apr_pool_t *p, const char *s, apr_size_t len, apr_size_t max);
/* Strict UTF-8 (no overlongs, no surrogates, at most U+10FFFF). */
int cfmt_text_is_utf8(const char *s, apr_size_t len);
/* How many of the len bytes, from the start, are strict UTF-8. */
apr_size_t cfmt_text_span(const char *s, apr_size_t len);
/* Length (1 to 4) of the well-formed character that starts at s; 0 when none does. */
apr_size_t cfmt_text_char(const char *s, apr_size_t len);
/*
 * Whether the character of n bytes at s may go to a terminal: no control, line or direction mark.
 */
int cfmt_text_printable(const char *s, apr_size_t n);

/* JSON string literal with quotes, everything non-printable escaped; invalid UTF-8 -> U+FFFD. */
const char *cfmt_json_quote(apr_pool_t *p, const char *s);

/* Equal, or both NULL. */
int cfmt_text_same(const char *a, const char *b);

/* ---- digests --------------------------------------------------------------------------------- */

#define CFMT_SHA256_SIZE 32
void cfmt_sha256(unsigned char out[CFMT_SHA256_SIZE], const void *data, apr_size_t len);
/* The same over n pieces, without copying them together. */
void cfmt_sha256_vec(unsigned char out[CFMT_SHA256_SIZE], const struct iovec *parts, int n);
/* The first eight bytes of the SHA-256 as a signed integer: the journal's dedupe key. */
apr_int64_t cfmt_digest64(const void *data, apr_size_t len);

#endif
