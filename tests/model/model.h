/*
 * Simulated years: the engine as it is, over a real store, against a model of Cloudflare, of the
 * attacks and of everybody who interferes. One process, one thread, virtual time; what happens is a
 * function of the seed and of the events that are left of its plan.
 */
#ifndef CFMT_MODEL_H
#define CFMT_MODEL_H

#include <setjmp.h>

#include "cfmt_engine.h"
#include "cfmt_notify.h"

#define EPOCH apr_time_from_sec(1700000040) /* a whole minute */
#define SEC(n) apr_time_from_sec(n)
#define MIN SEC(60)
#define HOUR SEC(3600)
#define DAY SEC(86400)
#define ACCOUNT "9035f53656c247e895c5a6939ae8a0e0"

typedef struct node_t node_t;

/* ---- random.c -------------------------------------------------------------------------------- */

typedef struct rnd_t {
    apr_uint64_t state;
} rnd_t;
apr_uint64_t rnd_next(rnd_t *r);
apr_int64_t rnd_below(rnd_t *r, apr_int64_t n);
int rnd_chance(rnd_t *r, int percent);
apr_int64_t rnd_span(rnd_t *r, apr_int64_t least, apr_int64_t most); /* both included */
/* A number that depends on nothing but these two. */
apr_uint64_t rnd_mix(apr_uint64_t a, apr_uint64_t b);

/* ---- plan.c: what will happen, before anything does ------------------------------------------ */

typedef enum {
    EV_ATTACK,
    EV_FAULT,     /* calls fail */
    EV_PATCH,     /* changes fail, in one way or another */
    EV_ANALYTICS, /* late, empty, or wrong without saying so */
    EV_STATE,     /* Cloudflare locks a prefix, takes it off demand, forgets it, does not list it */
    EV_EXTERNAL,  /* somebody else advertises or withdraws it */
    EV_CRASH,
    EV_STOP,      /* and start, after a while */
    EV_JUMP,      /* of our clock */
    EV_COMMAND,
    EV_TWO,       /* a second leader */
    EV_CONFIG,
    EV_ORIGIN,    /* CfmtWithdrawCheck says no, or nothing */
    EV_AMBUSH,    /* another event, in the worst moment */
    EV_KINDS
} ev_kind_e;

/* Attacks: what the rest of `how` is made of. */
enum {
    ATTACK_L4, ATTACK_DOSD, ATTACK_RULE, ATTACK_TWICE, /* the alert, two bits */
    ATTACK_AUTO = 4,       /* Cloudflare advertises by itself */
    ATTACK_NO_END = 8,
    ATTACK_SILENT = 16,    /* no alert at all */
    ATTACK_NO_TARGET = 32,
    ATTACK_WAVES = 64,
    ATTACK_WIDE = 128,     /* its target is the whole prefix */
    ATTACK_FOREIGN = 256,  /* of another account */
    ATTACK_LOW = 512,      /* between half of the threshold and all of it */
    ATTACK_FALSE_END = 1024, /* an END comes while it goes on */
    ATTACK_BITS = 2048,    /* few packets, many bits */
    ATTACK_PASSES = 4096,  /* nothing of it is dropped; of prefixes with passed-pps= */
    ATTACK_AT_ONCE = 8192  /* its alert is there in the same moment */
};

typedef struct ev_t {
    int id;
    ev_kind_e kind;
    apr_time_t at;
    apr_interval_time_t len;
    int prefix, how, chance;
    apr_uint64_t salt;
    unsigned count, struck; /* how often it was asked, and came, in this run */
} ev_t;

typedef struct plan_t {
    ev_t *ev; /* by time; ids are places in the whole plan */
    int n;
    int profile; /* 0 kind .. 3 hostile */
    apr_time_t from, to;
} plan_t;

/* episodes: attacks; years > 0: that long, attacks are rarer. */
void plan_make(plan_t *plan, apr_uint64_t seed, int episodes, int years, apr_pool_t *p);
const char *plan_show(const ev_t *ev, apr_pool_t *p);

/* ---- agenda.c: what happens when ------------------------------------------------------------- */

typedef void act_fn(void *arg);
void agenda_reset(void);
void agenda_add(apr_time_t at, act_fn *fn, void *arg);
apr_time_t agenda_next(void); /* APR_INT64_MAX: nothing */
/* Does what is due. */
void agenda_run(apr_time_t now);

/* ---- world.c: prefixes and attacks as they are ----------------------------------------------- */

typedef enum { BY_NOBODY, BY_US, BY_CLOUDFLARE, BY_OTHERS } by_e;

#define SWITCHES 64
typedef struct switch_t {
    apr_time_t at;
    int on;
} switch_t;

/* How a prefix was changed, as far as it matters who did. */
typedef struct change_t {
    apr_time_t at;  /* advertised_modified_at */
    int on;
    by_e by;
    apr_int64_t intent; /* ours */
    char cause[12], who[24];
    int attempts;
    apr_time_t made; /* that intent, by our clock */
    int told;       /* the alert that says so has been answered */
} change_t;

typedef struct prefix_t {
    const char *text, *id;
    int parent;
    cfmt_cidr_t cidr;
    int never;                  /* on demand */
    int enabled, bgp, approved; /* 0: several may say so at once, so these count */
    int locked, missing;
    change_t now;
    switch_t routed[SWITCHES];  /* where its traffic goes, newest last */
    int switches;
    const char *options, *usual; /* of CfmtPrefix */
    double pps, passed;         /* thresholds; 0 = none */
    int idle_calm;
    apr_time_t obstructed;      /* something was in the way until then */
    apr_time_t barred;          /* by Cloudflare */
    apr_time_t auto_at;         /* an alert says that Cloudflare advertised it; 0 = none yet */
} prefix_t;

#define PREFIXES 9
#define PARENTS 3

typedef struct report_t {
    apr_time_t ts, at; /* of the alert; when it was answered, by our clock */
    int end;
    apr_int64_t row;
} report_t;

typedef struct attack_t {
    ev_t *ev;
    int number;
    cfmt_cidr_t target;
    const char *target_text;
    apr_time_t from, to;
    double pps, bps;        /* dropped */
    int passes;             /* and nothing is */
    report_t *reports;      /* answered ones */
    int reported, reports_max;
    apr_time_t closed_at;   /* by the operator */
    int closed_behind;      /* by a clock by which it may not have begun */
    apr_time_t start_shown, end_shown; /* the history has them, of then */
    apr_time_t last_start, last_end; /* sent, whatever became of it */
} attack_t;

typedef struct world_t {
    prefix_t prefix[PREFIXES];
    apr_array_header_t *attacks; /* attack_t * by beginning; all */
    int first;                   /* those before have been over for days */
    int legit;                   /* the account has traffic of its own */
    int page;                    /* rows that analytics give at most */
    int ambushes;                /* that are set */
    apr_array_header_t *active;  /* ev_t *: of whatever lasts */
    int unlisted[PARENTS];       /* the list of its prefixes fails */
    apr_time_t upstream_bad;     /* something upstream failed until then */
    apr_time_t lied_at;          /* analytics had less than there was, without a sign of it */
} world_t;

extern const char *const parent_ids[PARENTS];
void world_begin(apr_uint64_t seed, int profile);
void world_change(prefix_t *p, int on, by_e by, const change_t *how);
int world_routed(const prefix_t *p, apr_time_t at);
/* Begins an event of the plan, and sees to its end. */
void world_event(ev_t *ev);
/* The one of this kind that strikes now; NULL = none. Asked once a call: it may be by chance. */
ev_t *world_strikes(ev_kind_e kind, int prefix, int mask);
/* A change of it fails, as this event wants it. */
void world_hinder(prefix_t *p, const ev_t *ev);
double attack_pps(const attack_t *a, apr_time_t minute);
/* On the prefix or inside it, or around it. */
int attack_is_on(const attack_t *a, const prefix_t *p);
attack_t *world_attack(int number);

/* ---- alerts.c: what Cloudflare sends about attacks ------------------------------------------- */

void alerts_of(attack_t *a);
/* "Advertised", for an attack's sake. */
void alerts_advertised(prefix_t *p, apr_time_t at);
/* Array "result" of the notification history. */
const char *alerts_history(apr_time_t since, apr_pool_t *p);
void alerts_begin(void);

/* ---- things.c: tunnels, incidents and maintenances, in years --------------------------------- */

void things_begin(void);
/* Members of an answer. */
const char *things_tunnels(apr_pool_t *p);
const char *things_health(apr_pool_t *p);

/* ---- ambush.c -------------------------------------------------------------------------------- */

void ambush_begin(void);
/* Behind a round, before a transaction, and when a withdrawal is called for. */
void ambush_round(node_t *n);
void ambush_write(void);
void ambush_call(prefix_t *p);

/* ---- traffic.c: what analytics say ----------------------------------------------------------- */

/* What one answer tells of prefixes, for the oracle. */
typedef struct told_t {
    apr_time_t from, to, complete, asked_at;
    int cut, idle, n;
    apr_uint32_t asked;   /* bit for each prefix */
    double *packets;      /* [prefix][minute]: dropped, by systems that count */
    double *bits, *passed;
} told_t;
const char *traffic_answer(const char *body, told_t **ptold, apr_pool_t *p);

/* ---- cloudflare.c: the API ------------------------------------------------------------------- */

typedef struct answer_t {
    int code;              /* 0: no answer */
    const char *body;
    apr_interval_time_t retry_after;
    apr_interval_time_t after;
    int state;             /* it shows the state of the prefixes of `parent` */
    int parent;
    change_t shown[PREFIXES];
    apr_uint32_t locked;   /* as shown: bit for each prefix */
    apr_uint32_t off;      /* not on demand, not approved, by BGP */
    told_t *told;
} answer_t;
void cloudflare_answer(answer_t *a, const cfmt_http_request_t *rq, apr_pool_t *p);

/* ---- node.c: processes that lead ------------------------------------------------------------- */

struct node_t {
    int index, pid;
    cfmt_engine_t *e;        /* NULL: there is none */
    apr_pool_t *pool, *tick;
    apr_time_t born;
    apr_time_t until, deaf;  /* of its clock */
    int wanted;              /* a round is due at once */
    int crash_in;            /* at the n-th point from here on; 0 = not */
    apr_interval_time_t crash_for;
    jmp_buf jmp;
    apr_time_t blocked[CFMT_UPSTREAMS]; /* a 429 said so */
    apr_time_t refused;           /* its token, and no call was answered since; 0 = not */
    apr_time_t asked[PREFIXES];   /* the origin check; 0 = not */
    const ev_t *wrong[PREFIXES];  /* what is wrong with it; NULL = nothing */
};
#define NODES 2

void node_start(node_t *n);
void node_stop(node_t *n, int kindly);
void node_wake(node_t *n);
apr_time_t node_due(const node_t *n);
void node_round(node_t *n);
void node_crash_point(void);
/* Calls of it that have been answered. */
void node_poll(node_t *n);
/* So late a round may be that nothing but time asks for. */
apr_interval_time_t node_late(void);

/* ---- orders.c: what operators say ------------------------------------------------------------ */

typedef enum {
    O_ADVERTISE, O_WITHDRAW, O_OVERRIDE, O_HOLD, O_HOLD_FOR, O_RELEASE, O_ADOPT, O_WINDOW,
    O_WINDOW_END, O_CANCEL, O_APPROVE, O_DENY, O_CLOSE, O_ACK
} order_e;

void orders_begin(void);
void orders_give(ev_t *ev);
/* Takes note of answers. */
void orders_look(void);
/* What operators do of themselves, now and then. */
void orders_routine(void);
/* As answered. NULL = no. */
const char *orders_forbid(const prefix_t *p, apr_time_t now);
int orders_adopted(const prefix_t *p, apr_time_t changed);
/* A proposal to do so, answered then with yes; 0 = none was. */
apr_time_t orders_approved(const prefix_t *p, int want);
int orders_gave(const char *who, int want, const prefix_t *p);

/* ---- eye.c: the store, as seen from outside -------------------------------------------------- */

void eye_begin(void);
void eye_open(void);
void eye_close(void);
apr_int64_t eye_int(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *eye_text(const char *sql, apr_pool_t *p);
/* A journal row, as webhook and cfmtctl write it. dedupe: of a delivery that says its time. */
apr_int64_t eye_append(const char *kind, const char *origin, const char *body, apr_time_t ts);
const char *eye_dump(cfmt_store_t *s, apr_pool_t *p);
cfmt_store_t *eye_store(void);

/* ---- oracle_safe.c --------------------------------------------------------------------------- */

void oracle_safe_begin(void);
/* Each minute. */
void oracle_safe(void);

/* ---- oracle_call.c --------------------------------------------------------------------------- */

void oracle_call_begin(void);
void oracle_call(node_t *n, cfmt_upstream_e u, int change);
/* A PATCH of this intent, as it goes out, and as it will be answered. */
void oracle_change(const node_t *n, const prefix_t *p, int want, const change_t *how,
                   int attempts);
void oracle_changed(const prefix_t *p, const answer_t *a);
/* Which intent that is, as the store has it: its members of `how`. */
void oracle_intent(const prefix_t *p, int want, change_t *how);
/* Each answer, as it is heard. */
void oracle_answered(node_t *n, const char *url, int code);

/* ---- oracle.c, oracle_live.c, oracle_store.c, oracle_growth.c -------------------------------- */

void oracle_begin(void);
void oracle_told(const told_t *t, const node_t *n);
/* Of a minute: 1 is attack, below 0.5 it may be calm. */
double oracle_share(const told_t *t, int prefix, int i);
void oracle_lost(const node_t *n);
/* A PATCH that is about to go out. */
void oracle_patch(const node_t *n, prefix_t *p, int want, change_t *how);
/* Now and then. */
void oracle_live(void);
void oracle_store(int end);
void oracle_store_begin(void);
void oracle_growth(int end);
void oracle_growth_begin(void);
/* In simulated years, each month and at the end: how much there is, and of what. */
void growth_show(int end);
/* So long it must be calm, by the withdrawals and attacks that are known; all: by all there are. */
apr_interval_time_t oracle_calm(const prefix_t *p, int all);
void oracle_withdrawn(const prefix_t *p, const change_t *how);
/* It is advertised by somebody else. */
void oracle_undone(const prefix_t *p);

int oracle_is_open(const attack_t *a);

/* ---- oracle_told.c: channels, and what must have been told ----------------------------------- */

void told_begin(void);
/* Named in the settings, too. */
const apr_array_header_t *told_channels(void);
/* Messages of it that have been answered. */
int told_poll(const node_t *n);
void told_lost(const node_t *n);
/* Each minute. */
void told_look(void);

/* ---- oracle_said.c: whether it is true ------------------------------------------------------- */

void said_begin(void);
/* What whoever leads was shown of a prefix, and of traffic. */
void said_shown(int prefix, const change_t *c);
void said_traffic(const told_t *t);
/* The monitoring rules; whole: all of them. */
void said_rules(int whole);
/* Since when they were known; 0 = they are not. */
apr_time_t said_rules_at(void);
/* A change that is asked for. */
void said_called(const char *url, const char *body);
/* So many minutes in a row were told to be attack, a minute ago. */
int said_lit(int prefix, apr_time_t from, apr_time_t to, int minutes);

/* ---- oracle_sent.c: messages as they go out -------------------------------------------------- */

void sent_begin(void);
/* how: it is answered; is_well: the channel took the one before it. */
void sent_look(const char *channel, const cfmt_message_t *message, int how, int is_well);

/* ---- oracle_heard.c: who hears it ------------------------------------------------------------ */

void heard_begin(void);
/* Words of the line of the i-th channel; NULL: there are no more. */
const char *const *heard_channel(int i, const char **pkind);
/* is_quiet: somebody has led undisturbed for so long. */
void heard_look(int is_quiet, apr_interval_time_t quiet);
/* An order of it was carried out, just now. id 0: of all that is critical. */
void heard_acked(const char *who, apr_int64_t id);

/* ---- main.c ---------------------------------------------------------------------------------- */

typedef struct conf_t {
    int enforce;
    apr_interval_time_t calm, calm_max, min_advertised, min_withdrawn, lag, poll, timeout;
    int check;             /* there is a CfmtWithdrawCheck */
} conf_t;

typedef struct model_t {
    apr_uint64_t seed;
    int episodes, years, verbose;
    int trying;            /* a smaller plan */
    plan_t plan;
    int next;              /* of the plan */
    apr_pool_t *pool;      /* of this run */
    const char *db;
    apr_time_t now;        /* the truth */
    apr_interval_time_t off; /* ours is ahead by so much */
    apr_time_t jumped_at;
    apr_table_t *settings;
    conf_t conf;
    apr_time_t conf_at;    /* since when it is in force */
    world_t w;
    node_t node[NODES];
    /* What the API has shown to whoever leads. */
    change_t shown[PREFIXES];
    apr_time_t shown_at[PREFIXES]; /* asked then; 0 = not yet */
    apr_uint32_t locked, unfit;    /* bit for each prefix */
    apr_time_t traffic_at;         /* asked, and all of it answered */
    apr_time_t killed_at;          /* somebody was, and what he was shown may be lost */
    node_t *cur;           /* whose code runs */
    apr_interval_time_t waited; /* while somebody ended */
    int depth, pids;
    apr_time_t origin_ok[PREFIXES]; /* the origin check said yes, asked then */
    int down;              /* the server is stopped: nothing is received */
    apr_time_t leaderless; /* nobody led until then */
    apr_int64_t rounds, attacks;
    char failure[1200];    /* the first violation */
    apr_time_t failed_at;
} model_t;
extern model_t m;

apr_time_t model_clock(void);  /* ours */
/* A violation: the run ends. number: of the invariant. */
void model_fail(int number, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What happened, for people. */
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trace_begin(void);
void trace_show(void);
void settings_make(void);
void settings_publish(void);
/* Runs what is left of the plan; 1: it was violated. */
int model_run(void);
/* shrink.c: finds a smaller plan that fails in the same way, shows it and how to replay it. */
void shrink(void);
int shrink_enough(void); /* it has tried for long */

#endif
