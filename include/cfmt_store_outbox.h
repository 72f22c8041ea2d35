/*
 * Room store, tables outbox and channel: what is to be told to whom, and how that went. Rows are
 * written in the transaction of the change that they announce.
 */
#ifndef CFMT_STORE_OUTBOX_H
#define CFMT_STORE_OUTBOX_H

#include "cfmt_news.h"
#include "cfmt_store.h"

typedef enum {
    CFMT_OUTBOX_QUEUED,  /* waits: for its time, its turn, its channel */
    CFMT_OUTBOX_SENDING, /* leased; whoever dies now leaves it `maybe` */
    CFMT_OUTBOX_SENT,
    CFMT_OUTBOX_MAYBE,   /* it may have been sent; not repeated by itself */
    CFMT_OUTBOX_FOLDED,  /* told within another row (folded_into) */
    CFMT_OUTBOX_FAILED,  /* refused for good: it is the message, not the channel */
    CFMT_OUTBOX_EXPIRED, /* nobody would want it any more */
    CFMT_OUTBOX_DROPPED, /* by an operator */
    CFMT_OUTBOX_STATES
} cfmt_outbox_e;
const char *cfmt_outbox_name(cfmt_outbox_e state);

typedef struct cfmt_outbox_row_t {
    apr_int64_t id;
    const char *channel;
    cfmt_news_t news;
    cfmt_urgency_e priority;
    cfmt_outbox_e state;
    int attempts;            /* that cost one: a wait that the channel asked for does not */
    apr_time_t made_at;
    apr_time_t next_at;      /* QUEUED: not before */
    apr_time_t leased_until; /* SENDING */
    apr_time_t sent_at;      /* SENT, MAYBE; 0 = not */
    const char *owner;       /* SENDING: "pid N" */
    const char *ref;         /* the channel's id of the message (Telegram: message_id) */
    const char *text;        /* as it was sent; NULL before */
    const char *answer;      /* what the channel said last, or why it was not asked */
    apr_int64_t folded_into; /* 0 = not */
    apr_int64_t fallback_of; /* 0 = not: row of the other channel that nobody acknowledged */
    apr_int64_t fallback;    /* the row that tells it the other channel; 0 = none */
    apr_time_t acked_at;
    const char *acked_by;    /* NULL = nobody */
} cfmt_outbox_row_t;

/* ---- outbox.c -------------------------------------------------------------------------------- */

/* All of it is done in the caller's transaction, but for what reads and for cfmt_outbox_prune. */

/*
 * CFMT_EEXIST: this channel has one of that dedupe; row->id is set. With fallback_of that row knows
 * it from now on.
 */
apr_status_t cfmt_outbox_put(cfmt_store_t *s, cfmt_outbox_row_t *row);
/* The most urgent first, then the oldest, QUEUED or SENDING, of one channel; at most limit. */
apr_status_t cfmt_outbox_waiting(cfmt_store_t *s, const char *channel, int limit,
                                 apr_array_header_t **prows, apr_pool_t *p);
/* Newest first, before id `before` (0 = all), any state; channel NULL = all. */
apr_status_t cfmt_outbox_list(cfmt_store_t *s, const char *channel, apr_int64_t before, int limit,
                              apr_array_header_t **prows, apr_pool_t *p);
apr_status_t cfmt_outbox_get(cfmt_store_t *s, cfmt_outbox_row_t *row, apr_int64_t id,
                             apr_pool_t *p);
/*
 * Of this attack's rows that the channel has a ref of the first, or the newest. CFMT_EMISSING:
 * there is none.
 */
apr_status_t cfmt_outbox_thread(cfmt_store_t *s, cfmt_outbox_row_t *row, const char *channel,
                                const char *attack, int newest, apr_pool_t *p);
/*
 * The row of this attack that was told last, by its id or by its time, if it is one of which nobody
 * knows (MAYBE). CFMT_EMISSING: there is none, or it arrived.
 */
apr_status_t cfmt_outbox_doubt(cfmt_store_t *s, cfmt_outbox_row_t *row, const char *channel,
                               const char *attack, apr_pool_t *p);
/*
 * QUEUED -> SENDING for its owner, with the text that goes out. CFMT_EMOVED: somebody else was
 * faster, or it is not queued any more.
 */
apr_status_t cfmt_outbox_lease(cfmt_store_t *s, apr_int64_t id, const char *owner,
                               apr_time_t until, const char *text);
/*
 * How it ended: state, attempts, next_at, sent_at, ref, answer of row. QUEUED and FAILED: what was
 * folded into it waits again for itself. CFMT_EMOVED: it is not this owner's any more.
 */
apr_status_t cfmt_outbox_settle(cfmt_store_t *s, const cfmt_outbox_row_t *row, const char *owner,
                                apr_time_t now);
/* A row that waits is EXPIRED, with the reason. CFMT_EMOVED: it does not wait any more. */
apr_status_t cfmt_outbox_expire(cfmt_store_t *s, apr_int64_t id, const char *why, apr_time_t now);
/* *pyes: rows are SENDING whose lease is over at now, or whose owner is_dead says is no more. */
apr_status_t cfmt_outbox_orphans(cfmt_store_t *s, apr_time_t now, int (*is_dead)(const char *owner),
                                 int *pyes, apr_pool_t *p);
/* Those become MAYBE. *pn: how many. */
apr_status_t cfmt_outbox_inherit(cfmt_store_t *s, apr_time_t now,
                                 int (*is_dead)(const char *owner), int *pn, apr_pool_t *p);
/* ids (apr_int64_t), but for `into` itself, are told within row `into`. CFMT_EMOVED as above. */
apr_status_t cfmt_outbox_fold(cfmt_store_t *s, const apr_array_header_t *ids, apr_int64_t into,
                              apr_time_t now);
/* By an operator: QUEUED (of FAILED, MAYBE, EXPIRED) or DROPPED (of QUEUED); else CFMT_EINVALID. */
apr_status_t cfmt_outbox_retry(cfmt_store_t *s, apr_int64_t id, apr_time_t now);
apr_status_t cfmt_outbox_drop(cfmt_store_t *s, apr_int64_t id, apr_time_t now);
/*
 * Everything critical that is not acknowledged (id 0), or one row; with a row all that tell the
 * same through other channels. *pn: how many.
 */
apr_status_t cfmt_outbox_ack(cfmt_store_t *s, apr_int64_t id, const char *who, apr_time_t now,
                             int *pn);
/*
 * Critical, not acknowledged, without a fallback yet and not one itself, told in [since, before) or
 * made then and still not told.
 */
apr_status_t cfmt_outbox_unacked(cfmt_store_t *s, const char *channel, apr_time_t since,
                                 apr_time_t before, apr_array_header_t **prows, apr_pool_t *p);
/* One step of retention: rows that ended before; *pn deleted. */
apr_status_t cfmt_outbox_prune(cfmt_store_t *s, apr_time_t before, int *pn);

/* ---- channel.c ------------------------------------------------------------------------------- */

typedef enum {
    CFMT_CHANNEL_OK,
    CFMT_CHANNEL_FAILING,
    CFMT_CHANNEL_BROKEN, /* it refuses us (401, 403): somebody must act */
    CFMT_CHANNEL_STATES
} cfmt_channel_state_e;
const char *cfmt_channel_state_name(cfmt_channel_state_e s); /* "ok" "failing" "broken" */

typedef struct cfmt_channel_row_t {
    const char *name;
    cfmt_channel_state_e state;
    apr_time_t since;
    apr_time_t ok_at;           /* the last message that went through; 0 = none */
    apr_time_t next_at;         /* nothing is sent before; 0 = now */
    int fails;                  /* in a row */
    const char *error;          /* of the last failure; NULL = none */
    const char *chat;           /* where its group has moved to; NULL = as configured */
    const char *chat_of;        /* the configured one that has moved there */
    apr_int64_t depth;          /* of the outbox: QUEUED and SENDING; only read */
    apr_time_t oldest_at;       /* the oldest of them; 0 = none; only read */
} cfmt_channel_row_t;

/* In the caller's transaction. */
apr_status_t cfmt_channel_save(cfmt_store_t *s, const cfmt_channel_row_t *row);
/* One, without depth and oldest_at; CFMT_EMISSING: nothing was ever sent through it. */
apr_status_t cfmt_channel_load(cfmt_store_t *s, cfmt_channel_row_t *row, const char *name,
                               apr_pool_t *p);
/* All that have a row or something waiting, by name. */
apr_status_t cfmt_channels_load(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);

/* meta: highest journal row whose projection was announced; a rebuild tells nothing up to it. */
#define CFMT_META_ANNOUNCED "announced"

#endif
