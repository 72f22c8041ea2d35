/*
 * Room policy: pure functions over plain data. No I/O, no clock, nothing static. Depends on cfmt.h
 * and on the event of cfmt_intake.h.
 */
#ifndef CFMT_POLICY_H
#define CFMT_POLICY_H

#include "cfmt_intake.h"
#include "cfmt_world.h"

/* ---- attack.c: a set of events -> one attack, whatever their order (DOMAIN.md section 4) ----- */

/*
 * Identity. Events that share an attack id or a correlation id within one account are one attack,
 * transitively; only events with neither share a tuple (type, target, vector, minute of start).
 */
typedef enum { CFMT_KEY_ATTACK = 1, CFMT_KEY_CORRELATION = 2, CFMT_KEY_TUPLE = 3 } cfmt_key_e;

typedef struct cfmt_attack_key_t {
    cfmt_key_e kind;
    const char *account; /* "" when the event names none */
    const char *value;
    const char *id;      /* short id made of the three: 'a' and 12 hex digits of their SHA-256 */
} cfmt_attack_key_t;

#define CFMT_ATTACK_KEYS_MAX 2

/* Fills keys[] in ascending kind; returns how many (0 when the event is about no attack). */
int cfmt_attack_keys(cfmt_attack_key_t keys[CFMT_ATTACK_KEYS_MAX], const cfmt_event_t *e,
                     apr_pool_t *p);
/* Order of keys: kind, then value, then account. An attack's id is the id of its smallest key. */
int cfmt_attack_key_compare(const cfmt_attack_key_t *a, const cfmt_attack_key_t *b);

#define CFMT_ATTACK_TARGETS_MAX 64 /* the smallest ones are kept: order-free */
#define CFMT_ATTACK_TEXTS_MAX 16

typedef struct cfmt_attack_t {
    const char *id;
    const char *account;
    int ours;
    cfmt_effect_e scope;          /* CFMT_EFFECT_NETWORK or _HOST (NETWORK if any event was) */
    int open;
    const char *ended_by;         /* "end" "operator" "calm" "timeout"; NULL while open */
    int episodes;                 /* START after END opens the next */
    apr_time_t started_at;        /* smallest ts */
    apr_time_t episode_at;        /* ts at which the present (or last) episode began */
    apr_time_t ended_at;          /* ts of the END that ended the last episode; 0 while open */
    apr_time_t last_at;           /* greatest ts */
    apr_int64_t events;           /* without those that only tell of traffic */
    apr_array_header_t *targets;  /* const char *, sorted, distinct */
    int targets_cut;              /* there were more than CFMT_ATTACK_TARGETS_MAX */
    /* network events, not an END, without a readable target were among them: */
    int target_missing;           /* one that may be about anything */
    int rule_only;                /* one that cfmt_event_by_rule is about */
    apr_array_header_t *vectors, *protocols, *rules,
        *alert_types;                    /* const char *, sorted, distinct */
    double peak_pps, peak_bps, peak_rps; /* < 0 = never said */
    apr_time_t peak_pps_at, peak_bps_at; /* of several the first; 0 = never, or not known */
    const char *peak_pps_by, *peak_bps_by; /* "alert", or the system that dropped so much */
} cfmt_attack_t;

/*
 * Sources of events that no alert is behind. "analytics": what traffic says; such an END means
 * calm, and one that is neither START nor END only has figures. "timeout": nothing was heard of it.
 */
#define CFMT_SOURCE_OPERATOR "operator"
#define CFMT_SOURCE_TRAFFIC "analytics"
#define CFMT_SOURCE_TIMEOUT "timeout"
/* It names the attack that it is about by our id, in attack_id. */
int cfmt_event_by_ref(const cfmt_event_t *e);

/*
 * It says where only by the name of a monitoring rule: it hits what that watches. An END need not
 * say where.
 */
int cfmt_event_by_rule(const cfmt_event_t *e);

/*
 * Canonical order of the events of one attack: ts, then END after START, then digest, then id. The
 * fold is defined over this order, so an event that sorts behind all others is exactly one more
 * step and any other needs a fold from the start.
 */
int cfmt_attack_event_compare(const cfmt_event_t *a, const cfmt_event_t *b);
/* An attack before its first event. Strings and arrays are allocated from p. */
void cfmt_attack_init(cfmt_attack_t *a, const char *id, apr_pool_t *p);
/*
 * One more event in canonical order. Only where a pruned part is the start (its events are gone)
 * may one come that is older than last_at: it counts, but the state stays that of the greatest ts.
 */
void cfmt_attack_step(cfmt_attack_t *a, const cfmt_event_t *e, apr_pool_t *p);
/* Takes the folded (pruned) part of another attack in; commutative and associative. */
void cfmt_attack_join(cfmt_attack_t *a, const cfmt_attack_t *b, apr_pool_t *p);
/*
 * Adds a copy of text (NULL: nothing) to a sorted set of distinct const char *. Only the max
 * smallest stay; returns 1 when one had to be left out.
 */
int cfmt_texts_add(apr_array_header_t *set, const char *text, int max, apr_pool_t *p);

/* ---- entity.c: a thing with states ----------------------------------------------------------- */

typedef struct cfmt_entity_t {
    const char *kind, *id, *name;
    const char *state;      /* of the event with the greatest (ts, digest, id) */
    const char *previous;   /* the state before the last change; NULL = never changed */
    apr_time_t since;       /* ts of the event that brought the present state */
    apr_time_t last_at;     /* greatest ts */
    apr_int64_t events, changes;
    cfmt_priority_e priority;
} cfmt_entity_t;

int cfmt_entity_event_compare(const cfmt_event_t *a, const cfmt_event_t *b);
void cfmt_entity_init(cfmt_entity_t *t, const char *kind, const char *id);
void cfmt_entity_step(cfmt_entity_t *t, const cfmt_event_t *e, apr_pool_t *p);

/* ---- calm.c: minutes of traffic -> attack, calm or unknown (DOMAIN.md section 4) ------------- */

typedef struct cfmt_threshold_t {
    double pps, bps;    /* at or above either: attack; below half of both: calm */
    unsigned systems;   /* 1 << cfmt_system_e: whose drops count */
    double passed_pps;  /* passed traffic that counts as attack; < 0 = none does */
    int sustain;        /* attack minutes in a row that open an attack without an alert */
    int idle_calm;      /* an account without any traffic counts as calm */
    apr_interval_time_t calm; /* so long a calm ends an attack; whole minutes count */
} cfmt_threshold_t;
#define CFMT_THRESHOLD_DEFAULT \
    { .pps = 2000, .bps = 20e6, .systems = 1u << CFMT_SYSTEM_DOSD | 1u << CFMT_SYSTEM_FLOWTRACKD, \
      .passed_pps = -1, .sustain = 2, .calm = apr_time_from_sec(15 * 60) }

typedef enum {
    CFMT_VERDICT_UNKNOWN,
    CFMT_VERDICT_CALM,
    CFMT_VERDICT_BETWEEN, /* not calm, but opens nothing */
    CFMT_VERDICT_ATTACK
} cfmt_verdict_e;
const char *cfmt_verdict_name(cfmt_verdict_e v); /* "unknown" "calm" "between" "attack" */

typedef struct cfmt_judged_t {
    cfmt_verdict_e verdict;
    /*
     * attack: "pps" "bps" "passed"; between: the same; calm: "below" "idle"; unknown: "unread"
     * "incomplete" "idle".
     */
    const char *reason;
    /* Of what counts (what passed, too, once passed_pps is reached), a second, over the minute. */
    double pps, bps;
    cfmt_system_e by;   /* whose drops that count were most packets; OTHER when there are none */
} cfmt_judged_t;

void cfmt_calm_judge(cfmt_judged_t *j, const cfmt_minute_t *m, const cfmt_threshold_t *t);

/* A run of minutes of one prefix with one verdict; what lies between spans is unknown. */
typedef struct cfmt_span_t {
    apr_time_t from, to;    /* whole minutes; to is exclusive */
    cfmt_verdict_e verdict; /* never UNKNOWN */
    const char *reason;
    double pps, bps;        /* the greatest of its minutes */
    cfmt_system_e by;       /* of the minute with the greatest pps */
    apr_time_t peak_at;     /* that minute; of several the first */
} cfmt_span_t;

/* All of these: spans sorted by from, without overlaps. */

/*
 * How long it has been calm without a gap, ending at `end` (that of the newest complete minute). 0
 * when a minute behind `end` is attack: incomplete data proves that.
 */
apr_interval_time_t cfmt_calm_for(const cfmt_span_t *spans, int n, apr_time_t end);
/* End of the last attack minute before `end`; 0 = none known. */
apr_time_t cfmt_calm_last_attack(const cfmt_span_t *spans, int n, apr_time_t end);
/* The first unknown minute in [since, until); until when there is none. */
apr_time_t cfmt_calm_gap(const cfmt_span_t *spans, int n, apr_time_t since, apr_time_t until);
/* No known minute ends later than now - after, though it could have been known since `since`. */
int cfmt_calm_blind(const cfmt_span_t *spans, int n, apr_time_t since, apr_time_t now,
                    apr_interval_time_t after);
/*
 * The newest run of at least `sustain` attack minutes in a row: its bounds. 0 = there is none.
 */
int cfmt_calm_sustained(const cfmt_span_t *spans, int n, int sustain, apr_time_t *pfrom,
                        apr_time_t *pto);

/* ---- traffic.c: what traffic says of attacks (DOMAIN.md section 4) --------------------------- */

/* An attack on the network, as far as this is concerned. */
typedef struct cfmt_struck_t {
    const char *id;
    int open;
    int alerted;                  /* an alert told of it; 0 = only traffic did */
    int anywhere;                 /* it may be about any prefix */
    apr_array_header_t *prefixes; /* cfmt_cidr_t: what it hits */
    apr_array_header_t *targets;  /* cfmt_cidr_t: those that are addresses */
    int targets_cut;              /* there are more */
    apr_time_t started_at, episode_at, last_at, ended_at; /* as in cfmt_attack_t */
    double peak_pps, peak_bps;    /* < 0 = never said */
} cfmt_struck_t;

/* A prefix that the API lists, and what is known of its traffic. */
typedef struct cfmt_watched_t {
    cfmt_cidr_t cidr;
    int advertised;               /* 1, 0; -1 = the API did not say */
    apr_time_t since;             /* that it is or is not advertised; 0 = for ever */
    const cfmt_span_t *spans;     /* its minutes, as calm.c wants them */
    int n;
    int sustain;                  /* attack minutes in a row that are an attack without an alert */
    apr_interval_time_t calm;     /* so long a calm ends one */
} cfmt_watched_t;

typedef enum {
    CFMT_SAYS_JOIN,   /* attack `id`, that traffic opened, is the one of alert `with` */
    CFMT_SAYS_REOPEN, /* attack `id` has gone on since `at` */
    CFMT_SAYS_OPEN,   /* an attack began at `at` */
    CFMT_SAYS_PEAK,   /* the minute `at` was the highest so far of attack `id` */
    CFMT_SAYS_CALM,   /* attack `id` is over: calm until `at` */
    CFMT_SAYS_TIMEOUT /* attack `id` is over: not heard of since `at` */
} cfmt_says_e;

typedef struct cfmt_say_t {
    cfmt_says_e what;
    const char *id, *with;
    cfmt_cidr_t prefix;           /* OPEN, REOPEN, PEAK: where; else family 0 */
    apr_time_t at;
    double pps, bps;              /* of that minute, whole numbers; OPEN, REOPEN, PEAK */
    cfmt_system_e by;
} cfmt_say_t;

typedef struct cfmt_traffic_case_t {
    apr_time_t now;
    apr_interval_time_t timeout;  /* CfmtAttackTimeout */
    apr_interval_time_t stale;    /* minutes older than this are not the newest */
    int listed;                   /* the API's list is known, or there is no API to ask */
    apr_time_t opens_from;        /* attacks that ended before may be missing: nothing opens */
    const cfmt_struck_t *attacks; /* the open ones, and what ended lately */
    int attacks_n;
    const cfmt_watched_t *prefixes;
    int prefixes_n;
} cfmt_traffic_case_t;

/*
 * All that follows, an array of cfmt_say_t in p: joins, openings, peaks, ends. What it leads to is
 * the next case: an attack that was joined or opened says more then. Never calm out of minutes that
 * nobody read, or of a prefix that was not advertised then.
 */
apr_array_header_t *cfmt_traffic_says(const cfmt_traffic_case_t *c, apr_pool_t *p);

/* ---- schedule.c: when next ------------------------------------------------------------------- */

#define CFMT_SCHEDULE_FLOOR apr_time_from_msec(100) /* nothing runs more often: no bug can spin */

/*
 * Next run after a run that ended at now. fails = failures in a row (0 = success): interval doubles
 * with each failure up to ceiling. jitter: permille of the interval, spread by seed, only ever
 * later. Never earlier than now + CFMT_SCHEDULE_FLOOR.
 */
apr_time_t cfmt_schedule_next(apr_time_t now, apr_interval_time_t interval,
                              apr_interval_time_t ceiling, int fails, int jitter,
                              apr_uint32_t seed);

#endif
