/*
 * Inside the room: the named fields of news and their built-in texts.
 */
#ifndef CFMT_MESSAGE_H
#define CFMT_MESSAGE_H

#include "cfmt_news.h"
#include "cfmt_notify.h"

/* ---- fields.c -------------------------------------------------------------------------------- */

/*
 * Name in a template and how the value is shown. RATE and PEAK are made of the two before them,
 * those that are there.
 */
#define CFMT_FIELDS(X) \
    X(PREFIX, "prefix", TEXT) \
    X(ATTACK, "attack", TEXT) \
    X(TARGET, "target", TEXT) \
    X(VECTOR, "vector", TEXT) \
    X(PROTOCOL, "protocol", TEXT) \
    X(TYPE, "type", TEXT) \
    X(PPS, "pps", PPS) \
    X(BPS, "bps", BPS) \
    X(RATE, "rate", MADE) \
    X(PEAK_PPS, "peak_pps", PPS) \
    X(PEAK_BPS, "peak_bps", BPS) \
    X(PEAK, "peak", MADE) \
    X(DROPPED_PPS, "dropped_pps", PPS) \
    X(SOURCES, "sources", TEXT) \
    X(SPOOFED, "spoofed", PERCENT) \
    X(AT, "at", TIME) \
    X(SINCE_AT, "since_at", TIME) \
    X(UNTIL_AT, "until_at", TIME) \
    X(DURATION, "duration_s", SPAN) \
    X(NEXT, "next", TEXT) \
    X(NEXT_AT, "next_at", TIME) \
    X(LOOK, "look", TEXT) \
    X(MODE, "mode", MODE) \
    X(CAUSE, "cause", TEXT) \
    X(WHO, "who", TEXT) \
    X(REASON, "reason", TEXT) \
    X(ERROR, "error", TEXT) \
    X(SUMMARY, "summary", TEXT) \
    X(INTENT, "intent", TEXT) \
    X(PROPOSAL, "proposal", TEXT) \
    X(NUMBER, "number", ORDINAL) \
    X(COUNT, "count", TEXT) \
    X(DAYS, "days", DAYS) \
    X(NAME, "name", TEXT) \
    X(STATE, "state", TEXT) \
    X(ACCOUNT, "account", TEXT) \
    X(ASN, "asn", TEXT) \
    X(SEEN, "seen", TEXT) \
    X(EXPECTED, "expected", TEXT)

typedef enum {
#define X(id, name, format) CFMT_FIELD_##id,
    CFMT_FIELDS(X)
#undef X
    CFMT_FIELD_MAX
} cfmt_field_e;

/* The values of one news as they are shown; NULL = missing. */
typedef struct cfmt_values_t {
    const char *text[CFMT_FIELD_MAX];
    double pps, bps, spoofed; /* the numbers behind those; < 0 = missing */
} cfmt_values_t;

const char *cfmt_field_name(cfmt_field_e f);
int cfmt_field_find(const char *name, apr_size_t len); /* -1: none */
void cfmt_values_read(cfmt_values_t *v, const cfmt_news_t *n, apr_pool_t *p);
/* "2026-11-22 03:21:07 UTC" */
const char *cfmt_field_time(apr_pool_t *p, apr_time_t t);
/* "1.2 Mpps, 6.4 Gbit/s"; a negative one is left out; NULL = neither. */
const char *cfmt_field_rate(apr_pool_t *p, double pps, double bps);

/* ---- texts.c --------------------------------------------------------------------------------- */

typedef struct cfmt_text_t {
    apr_uint64_t fields; /* bit 1 << cfmt_field_e: those that templates of this kind may name */
    const char *many;    /* of several: "34 " and this */
    const char *text;
} cfmt_text_t;
const cfmt_text_t *cfmt_text_of(cfmt_news_e kind);

/* ---- message.c ------------------------------------------------------------------------------- */

/* The template with these values. */
const char *cfmt_message_render(const char *text, const char *name, const cfmt_values_t *v,
                                apr_pool_t *p);

#endif
