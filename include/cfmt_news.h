/*
 * What people are told: plain structs that the engine fills, the store keeps and room notify turns
 * into texts. No functions but those of the table of kinds (src/base/news.c).
 */
#ifndef CFMT_NEWS_H
#define CFMT_NEWS_H

#include "cfmt.h"

/* Whoever sleeps is woken by the first; CfmtNotify min= and quiet=…,max= name them in small. */
typedef enum {
    CFMT_URGENCY_CRITICAL, /* we are off the air, or cannot see, or cannot act: now */
    CFMT_URGENCY_HIGH,     /* an attack, a change of the network, a question that waits */
    CFMT_URGENCY_NORMAL,   /* the end of something, what will be done */
    CFMT_URGENCY_LOW,      /* reminders, summaries, life cycle */
    CFMT_URGENCIES
} cfmt_urgency_e; /* not cfmt_priority_e, which is what Cloudflare says of an alert */

/*
 * Kinds: their name (template, types=), their priority, and for how many minutes it is worth while
 * to be told of it one by one; what is older is told in a digest.
 */
#define CFMT_NEWS_KINDS(X) \
    X(NOT_PROTECTED, "not-protected", CRITICAL, 60) \
    X(HIJACK, "hijack", CRITICAL, 1440) \
    X(REVERSED, "reversed", CRITICAL, 60) \
    X(LOCKED, "locked", CRITICAL, 120) \
    X(AUTO_FAILED, "auto-failed", CRITICAL, 120) \
    X(TOKEN, "token", CRITICAL, 1440) \
    X(BLIND, "blind", CRITICAL, 120) \
    X(FAILED, "failed", HIGH, 120) \
    X(REFUSED, "refused", HIGH, 120) \
    X(ATTACK_START, "attack-start", HIGH, 120) \
    X(AUTO_ADVERTISE, "auto-advertise", HIGH, 120) \
    X(ADVERTISED, "advertised", HIGH, 360) \
    X(WITHDRAWN, "withdrawn", HIGH, 360) \
    X(PROPOSAL, "proposal", HIGH, 30) \
    X(TUNNEL, "tunnel", HIGH, 360) \
    X(LEADER, "leader", HIGH, 360) \
    X(OUTBOX, "outbox", HIGH, 360) \
    X(TEST, "test", HIGH, 10) \
    X(DRILL, "drill", HIGH, 10) \
    X(ATTACK_END, "attack-end", NORMAL, 360) \
    X(WOULD_WITHDRAW, "would-withdraw", NORMAL, 120) \
    X(DUE, "due", NORMAL, 15) \
    X(ORPHAN, "orphan", NORMAL, 1440) \
    X(ALERT, "alert", NORMAL, 360) \
    X(RECOVERED, "recovered", NORMAL, 1440) \
    X(ATTACK_ON, "attack-on", LOW, 30) \
    X(HIJACK_EXPLAINED, "hijack-explained", LOW, 1440) \
    X(HELD, "held", LOW, 1440) \
    X(START, "start", LOW, 60) \
    X(STOP, "stop", LOW, 60) \
    X(DAILY, "daily", LOW, 720)

typedef enum {
#define X(id, name, priority, minutes) CFMT_NEWS_##id,
    CFMT_NEWS_KINDS(X)
#undef X
    CFMT_NEWS_COUNT
} cfmt_news_e;

/* Dedupe of a trial, before the journal row of the command that wanted it, or of the drill. */
#define CFMT_TEST_DEDUPE "test "
#define CFMT_DRILL_DEDUPE "drill "

const char *cfmt_news_name(cfmt_news_e kind);
/* -1: no kind is called so. */
int cfmt_news_find(const char *name);
cfmt_urgency_e cfmt_news_priority(cfmt_news_e kind);
/* A trial: somebody waits for it, so every channel takes it, at any hour, and only at once. */
int cfmt_news_is_trial(cfmt_news_e kind);
apr_interval_time_t cfmt_news_fresh(cfmt_news_e kind);
const char *cfmt_urgency_name(cfmt_urgency_e p); /* "critical" "high" "normal" "low" */
int cfmt_urgency_find(const char *name);          /* -1: none */

/*
 * Fields of a news as JSON in p: pairs of name and value, both text, ended by a NULL name; a NULL
 * value is left out. Times are epoch microseconds under a name that ends in _at.
 */
const char *cfmt_news_fields(apr_pool_t *p, ...);

/* One thing that happened, before anybody knows to which channels it goes. */
typedef struct cfmt_news_t {
    cfmt_news_e kind;
    /*
     * What must not be told twice to one channel: "attack-start a1b2", "not-protected
     * 203.0.113.0/24 a1b2 3". Unique with the channel, for as long as the row is kept.
     */
    const char *dedupe;
    const char *attack;  /* its id: the thread of a conversation; NULL = none */
    const char *prefix;  /* as text; NULL = none, several, or all */
    const apr_array_header_t *prefixes; /* const char *; several, by which it is routed; or NULL */
    apr_time_t at;       /* when it happened, not when it was found */
    apr_time_t not_before; /* 0 = at once */
    const char *fields;  /* JSON object of strings and numbers: the named fields of the template */
} cfmt_news_t;

#endif
