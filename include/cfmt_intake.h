/*
 * Room intake: bytes from outside become a delivery, a delivery becomes an event. Pure: no I/O, no
 * clock, no httpd. Everything here is reached by bytes that strangers choose (sender, secret,
 * signature) or that Cloudflare sends (JSON).
 */
#ifndef CFMT_INTAKE_H
#define CFMT_INTAKE_H

#include "cfmt.h"

/* ---- sender.c: who may talk to us ------------------------------------------------------------ */

typedef struct cfmt_senders_t cfmt_senders_t;

cfmt_senders_t *cfmt_senders_create(apr_pool_t *p);
void cfmt_senders_add(cfmt_senders_t *s, const cfmt_cidr_t *c);
/*
 * Cloudflare's 15 IPv4 and 7 IPv6 ranges (shared/cloudflare README 5; the public list of
 * 2026-09-29).
 */
void cfmt_senders_add_cloudflare(cfmt_senders_t *s);
void cfmt_senders_add_any(cfmt_senders_t *s);
/* Those ranges as compiled in: array of cfmt_cidr_t in p. */
apr_array_header_t *cfmt_senders_compiled(apr_pool_t *p);
/* A copy in p in which ranges (cfmt_cidr_t) are Cloudflare's, where s admits Cloudflare at all. */
cfmt_senders_t *cfmt_senders_renew(const cfmt_senders_t *s, const apr_array_header_t *ranges,
                                   apr_pool_t *p);
int cfmt_senders_cloudflare(const cfmt_senders_t *s); /* it does */
int cfmt_senders_allow(const cfmt_senders_t *s, const cfmt_cidr_t *host);
/* "cloudflare 127.0.0.0/8" as configured, for DUMP_CFMT and the setting table. */
const char *cfmt_senders_text(const cfmt_senders_t *s, apr_pool_t *p);

/* ---- secret.c: the only file that compares secrets ------------------------------------------- */

typedef struct cfmt_secrets_t cfmt_secrets_t;

/* The pool must outlive every user; values are wiped when it is cleared. */
cfmt_secrets_t *cfmt_secrets_create(apr_pool_t *p);
/*
 * Adds a secret (raw bytes, 1 to 1,024) with its label for logs (NULL: "secret1", "secret2", ...).
 * For signatures "whsec_" plus base64 is decoded, everything else is used as raw bytes.
 * CFMT_EINVALID: empty, too long, control characters, leading or trailing blanks, or bad base64
 * after "whsec_".
 */
apr_status_t cfmt_secrets_add(cfmt_secrets_t *s, const char *value, apr_size_t len,
                              const char *label);
int cfmt_secrets_count(const cfmt_secrets_t *s);
/* Label of secret i, 0-based, in order of addition. */
const char *cfmt_secrets_label(const cfmt_secrets_t *s, int i);
/*
 * Compares presented bytes with every secret: SHA-256 of both sides, apr_crypto_equals, all of them
 * whatever the first says, wiped after. Returns the label of the match or NULL.
 */
const char *cfmt_secrets_match(const cfmt_secrets_t *s, const char *presented);

/* HMAC (RFC 2104) over APR's SHA-256. */
void cfmt_hmac_sha256(unsigned char out[CFMT_SHA256_SIZE], const void *key, apr_size_t key_len,
                      const void *data, apr_size_t len);

typedef enum {
    CFMT_SIG_OK,
    CFMT_SIG_MISSING,   /* one of the three headers is absent or empty */
    CFMT_SIG_MALFORMED, /* id, timestamp or signature list is not of the form */
    CFMT_SIG_EXPIRED,   /* timestamp more than five minutes away from now, either way */
    CFMT_SIG_MISMATCH   /* no v1 signature of any secret fits */
} cfmt_sig_e;

/*
 * Standard Webhooks (standardwebhooks.com): webhook-id, webhook-timestamp (Unix seconds),
 * webhook-signature "v1,BASE64 v1,BASE64 ..." over "id.timestamp.body". Unknown versions are
 * skipped. Header values may be NULL. On CFMT_SIG_OK *plabel is the secret's label.
 */
cfmt_sig_e cfmt_signature_verify(const char **plabel, const cfmt_secrets_t *s, const char *id,
                                 const char *timestamp, const char *signatures, const char *body,
                                 apr_size_t len, apr_time_t now, apr_pool_t *ptemp);

/*
 * The other side: the value of webhook-signature in p, with a secret as cfmt_secrets_add takes it;
 * NULL when it does not.
 */
const char *cfmt_signature_make(const char *secret, const char *id, const char *timestamp,
                                const char *body, apr_size_t len, apr_pool_t *p);

/* ---- json.c: yajl's callback parser into a pool-allocated tree ------------------------------- */

typedef enum {
    CFMT_JSON_NULL,
    CFMT_JSON_BOOL,
    CFMT_JSON_NUMBER,
    CFMT_JSON_STRING,
    CFMT_JSON_ARRAY,
    CFMT_JSON_OBJECT
} cfmt_json_e;

typedef struct cfmt_json_t cfmt_json_t;
struct cfmt_json_t {
    cfmt_json_e type;
    int flag;            /* BOOL: the value */
    const char *text;    /* STRING: decoded; NUMBER: as written; NUL-terminated */
    apr_size_t len;      /* of text; a decoded string may contain NULs */
    const char *key;     /* as a member of an object: its decoded name */
    apr_size_t key_len;
    cfmt_json_t *child;  /* ARRAY, OBJECT: first element */
    cfmt_json_t *next;   /* next sibling */
};

typedef struct cfmt_json_limits_t {
    int depth;                 /* deepest allowed nesting, e.g. 32; the document itself is 1 */
    int unique;                /* refuse repeated keys in the document's own object */
    const char *unique_member; /* and in the object that is this member of it; NULL = none */
} cfmt_json_limits_t;

/*
 * Parses exactly one document. On failure CFMT_EINVALID and *pwhy (in p) says what and where in
 * bytes: malformed, nesting, repeated key, invalid UTF-8, bytes after the document.
 */
apr_status_t cfmt_json_parse(cfmt_json_t **pdoc, const char **pwhy, const char *body,
                             apr_size_t len, const cfmt_json_limits_t *limits, apr_pool_t *p);
/* Member of an object by name; NULL when absent or not an object. */
const cfmt_json_t *cfmt_json_get(const cfmt_json_t *object, const char *key);
/* Text of a string or number member; NULL when absent, of another type, empty, or holding a NUL. */
const char *cfmt_json_text(const cfmt_json_t *object, const char *key);
/* Integer member, number or numeric string; CFMT_EINVALID when absent or not an integer. */
apr_status_t cfmt_json_int(apr_int64_t *pn, const cfmt_json_t *object, const char *key);

/* ---- json_stream.c: a document that arrives in pieces and is too large for a tree ------------ */

/*
 * Rows are handed out one by one, everything else (the envelope) becomes a small tree. Row paths
 * are names or array indices joined by dots ("data.viewer.accounts.0.traffic"): an array at that
 * place gives its elements as rows, an object there is one row (in the envelope both leave an empty
 * container); null or nothing gives none, anything else there belongs to the envelope. Of paths
 * within each other the outer one counts. A repeated key is refused in the envelope; in a row the
 * first one is read. The document fails or not, and the same rows come, however it is cut.
 */
typedef struct cfmt_json_stream_t cfmt_json_stream_t;

typedef struct cfmt_json_stream_conf_t {
    const char *const *rows;    /* ended by NULL; may be NULL */
    /* which: index into rows; prow is cleared after it. Not APR_SUCCESS ends the parse. */
    apr_status_t (*row)(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow);
    void *baton;
    int depth;                  /* deepest nesting, e.g. 32 */
    apr_size_t row_max;         /* bytes of text and nodes in one row */
    apr_size_t envelope_max;    /* and in all that is no row */
} cfmt_json_stream_conf_t;

cfmt_json_stream_t *cfmt_json_stream_create(const cfmt_json_stream_conf_t *conf, apr_pool_t *p);
/* CFMT_EINVALID: malformed, too deep, too large (cfmt_json_stream_error says); or row's status. */
apr_status_t cfmt_json_stream_feed(cfmt_json_stream_t *s, const char *data, apr_size_t len);
/* The end: *penvelope (in the stream's pool) is the document without its rows. */
apr_status_t cfmt_json_stream_end(cfmt_json_stream_t *s, const cfmt_json_t **penvelope);
/* Why it failed, with the byte; "" when it did not. Holds no text of the document. */
const char *cfmt_json_stream_error(const cfmt_json_stream_t *s);
apr_int64_t cfmt_json_stream_rows(const cfmt_json_stream_t *s);

/* ---- delivery.c: one accepted webhook body --------------------------------------------------- */

typedef struct cfmt_delivery_t {
    int is_test;         /* object with string "text" and without alert_type, policy_id and data */
    int is_drill;        /* a trial of ours (cfmtctl drill): object with string "cfmt_drill" */
    const cfmt_json_t *doc; /* the parsed body, in the pool given */
    int has_ts;          /* "ts" is an integer number of seconds 0 .. 253402300799 */
    apr_time_t ts;       /* microseconds; 0 without */
    apr_int64_t digest;  /* cfmt_digest64 of the body */
    const char *alert_type; /* in the pool given; NULL when missing */
    const char *state;   /* alert_event as sent, NULL when missing */
} cfmt_delivery_t;

/*
 * Body bytes to delivery: an object, nesting <= 32, no repeated key at top level or in "data",
 * valid UTF-8, nothing behind it. CFMT_EINVALID and *pwhy otherwise.
 */
apr_status_t cfmt_delivery_parse(cfmt_delivery_t *d, const char **pwhy, const char *body,
                                 apr_size_t len, apr_pool_t *p);

/* ---- alert.c: the catalogue of alert types (one table) and body -> event --------------------- */

typedef enum { CFMT_STATE_INFO, CFMT_STATE_START, CFMT_STATE_END } cfmt_state_e;
const char *cfmt_state_name(cfmt_state_e s); /* "info" "start" "end" */

typedef enum {
    CFMT_PRIORITY_INFO,
    CFMT_PRIORITY_MEDIUM,
    CFMT_PRIORITY_HIGH,
    CFMT_PRIORITY_CRITICAL
} cfmt_priority_e;
const char *cfmt_priority_name(cfmt_priority_e pr); /* "INFO" ... */

/* What an alert type does here (DOMAIN.md section 3). */
typedef enum {
    CFMT_EFFECT_NONE,    /* stored, shown, notified */
    CFMT_EFFECT_NETWORK, /* opens or closes an attack on addresses */
    CFMT_EFFECT_HOST,    /* opens or closes an attack on a hostname; no prefix action */
    CFMT_EFFECT_ENTITY   /* a thing with states */
} cfmt_effect_e;

typedef struct cfmt_alert_type_t {
    const char *name;
    cfmt_priority_e priority;
    cfmt_effect_e effect;
    const char
        *entity_kind; /* EFFECT_ENTITY: "tunnel", "health_check", "incident", "maintenance" */
} cfmt_alert_type_t;

/* Never NULL: unknown names get the entry of an unknown type (INFO, NONE). */
const cfmt_alert_type_t *cfmt_alert_type(const char *name);
/* All known types, ended by name == NULL; for docs and tests. */
const cfmt_alert_type_t *cfmt_alert_types(void);

/* A prefix of ours as configured (CfmtPrefix), sorted by cfmt_cidr_compare. */
typedef struct cfmt_prefix_t {
    cfmt_cidr_t cidr;
    const char *name; /* may be NULL */
} cfmt_prefix_t;

/*
 * Everything a delivery says, understood. Text is in the pool given to cfmt_event_read; NULL =
 * absent.
 */
typedef struct cfmt_event_t {
    apr_int64_t id;          /* journal id */
    apr_time_t at;           /* arrival */
    apr_time_t ts;           /* body's ts, else arrival */
    apr_time_t start;        /* data.start_time where readable, else 0: part of the tuple key */
    apr_int64_t digest;      /* of the body: order-free tie-break */
    const char *source;      /* "alert", "test", "recovered", "operator", "analytics", "timeout" */
    const char *alert_type;
    cfmt_state_e state;
    cfmt_priority_e priority;
    cfmt_effect_e effect;
    const char *account;     /* account_id */
    int ours;                /* account missing or equal to CfmtAccountId, or none configured */
    const char *policy_id, *policy_name;
    const char *attack_id, *correlation_id;
    const char *target; /* target_ip / prefix / target_hostname, canonical where it is an address */
    cfmt_cidr_t target_cidr; /* family 0 = no readable address */
    const char *vector, *protocol, *rule;
    double pps, bps, rps;    /* < 0 = not said */
    const char *system;      /* that dropped so much; NULL = the alert's figures */
    const char *entity_kind, *entity_id, *entity_name, *entity_state;
    /* Of an alert alone, not stored: who announces what is configured, auto-advertise's words. */
    const char *hijack_as, *configured, *statuses;
    const char *summary;     /* one line for people, no control characters, <= 200 bytes */
} cfmt_event_t;

/*
 * Body of a stored delivery to event (DOMAIN.md section 3). Accepts every body that
 * cfmt_delivery_parse accepts; unknown types become source "alert", effect NONE. ours_account NULL
 * = every account is ours. A body that cannot be parsed gives CFMT_EINVALID. START/END come from
 * alert_event for every type alike ("...START"/"...END" at its end); on attack types a missing or
 * unknown value is START, elsewhere INFO.
 */
apr_status_t cfmt_event_read(cfmt_event_t *e, const char *body, apr_size_t len, apr_time_t at,
                             const char *ours_account, apr_pool_t *p);

/*
 * Indices into prefixes (sorted array of cfmt_prefix_t) that target hits: the smallest that
 * contains it, else all inside it. Array of int in p, possibly empty.
 */
apr_array_header_t *cfmt_prefix_hits(const cfmt_cidr_t *target, const apr_array_header_t *prefixes,
                                     apr_pool_t *p);

#endif
