/*
 * A store with a journal for the tests of projection and retention: rows in any order, dumps that
 * can be compared.
 */
#ifndef CFMT_KIT_H
#define CFMT_KIT_H

#include "cfmt_engine.h"

#define KIT_EPOCH apr_time_from_sec(1700000000)
#define KIT_T(n) (KIT_EPOCH + apr_time_from_sec(n))
/* The configuration that most sets are projected under. */
#define KIT_CONFIG \
    "{\"AccountId\":\"" KIT_OURS \
    "\",\"Prefix 203.0.113.0/24\":\"name=a\",\"Prefix 203.0.113.128/25\":\"\"," \
    "\"Prefix 2001:db8::/32\":\"\",\"Prefix *\":\"withdraw=auto\"}"
#define KIT_COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define KIT_OURS "9035f53656c247e895c5a6939ae8a0e0"

typedef struct kit_row_t {
    const char *kind;
    apr_time_t at;
    const char *body;
} kit_row_t;

/* What a delivery says; NULL = left out. end: 0 START, 1 END. */
typedef struct kit_say_t {
    int end, ts; /* ts: seconds behind KIT_EPOCH, also the arrival */
    const char *attack, *correlation, *target, *vector, *account, *policy, *type, *start;
    int pps;
} kit_say_t;

kit_row_t kit_alert(kit_say_t say);
kit_row_t kit_tunnel(int ts, const char *id, const char *state, const char *account);
kit_row_t kit_close(int at, const char *ref);
kit_row_t kit_config(int at, const char *json);
/* States that were read: of BGP prefix id (advertised 1, 0, -1), a tunnel, a rule of one prefix. */
kit_row_t kit_prefix(int at, const char *id, const char *cidr, int advertised, int gone);
kit_row_t kit_tunnel_read(int at, const char *id, const char *state, int gone);
kit_row_t kit_rule(int at, const char *id, const char *name, const char *cidr, int gone);
/* A volumetric alert names a rule, its END too; target may be NULL. */
kit_row_t kit_volumetric(int ts, const char *attack, const char *name, const char *target);
kit_row_t kit_volumetric_end(int ts, const char *attack, const char *name);

/* A fresh store in the scratch directory, opened for writing; commits do not wait for the disk. */
cfmt_store_t *kit_open(const char *name);
void kit_sql(cfmt_store_t *s, const char *sql);
apr_int64_t kit_int(cfmt_store_t *s, const char *sql);
const char *kit_text(cfmt_store_t *s, const char *sql);
/* Empties everything that tests fill. */
void kit_wipe(cfmt_store_t *s);
void kit_append(cfmt_store_t *s, const kit_row_t *rows, int n);
/* Steps of at most limit rows up to the head, with a projector of its own; how many. */
int kit_project(cfmt_store_t *s, int limit);
/* A row, and a step. */
void kit_go_on(cfmt_store_t *s, kit_row_t row);
/* Removes the rows of the journal that arrived before t. */
void kit_prune(cfmt_store_t *s, apr_time_t t);
/* kit_project_reset and again to the head. */
void kit_rebuild(cfmt_store_t *s, int limit);
/*
 * Rows of attack, attack_key, entity, prefix, tunnel, rule, evidence and event; ids: with id and at
 * of events and with repeats. In p.
 */
const char *kit_dump(cfmt_store_t *s, int ids, apr_pool_t *p);
void kit_same(const char *got, const char *want, const char *what);
/* A rebuild, in steps of any size, gives what is there. */
void kit_check_rebuild(cfmt_store_t *s, const char *what);
/*
 * Holds whatever the order was: state is that of the greatest ts, sums are right, shared ids are
 * one attack.
 */
void kit_oracle(cfmt_store_t *s);
/* A clock that says kit_now, and a log that is kept; kit_told: how often it has this. */
extern apr_time_t kit_now;
extern char kit_lines[1 << 20];
extern const cfmt_clock_t kit_clock;
extern const cfmt_log_t kit_log;
int kit_told(const char *word);
/* Small repeatable random numbers. */
unsigned kit_random(unsigned *seed, unsigned below);

/* How many random cases: a sanitizer takes several times as long for each. */
#ifdef __SANITIZE_ADDRESS__
#define KIT_CASES(n) ((n) / 5)
#else
#define KIT_CASES(n) (n)
#endif

#endif
