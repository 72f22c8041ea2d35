/*
 * One step of the projection: the events of some journal rows, gathered by attack and entity,
 * folded with what is stored (reads only, without the commit lock), then written.
 */
#ifndef CFMT_BATCH_H
#define CFMT_BATCH_H

#include <apr_hash.h>

#include "cfmt_store.h"

/* An event of the batch, or (stored) one of an operator that has a row and changes its attack. */
typedef struct cfmt_item_t {
    cfmt_event_t e;
    const char *account;      /* for its keys: e.account, else the account in force; NULL = none */
    apr_array_header_t *hits; /* const char *: our prefixes that it hits; NULL = none */
    int rule_unknown;         /* what it hits is a rule's, and none of that name is known */
    int placed;               /* its attack came from a snapshot, with what it hits */
    apr_int64_t first;        /* it repeats this event; 0 = it is new */
    int stored;
    struct cfmt_group_t *group; /* its attack; NULL = none. Follow with the root. */
} cfmt_item_t;

typedef struct cfmt_batch_t {
    cfmt_store_t *s;
    apr_pool_t *p;
    apr_array_header_t *items;    /* cfmt_item_t * in order of the journal */
    apr_array_header_t *groups;   /* struct cfmt_group_t *: attacks, merged ones included */
    apr_array_header_t *things;   /* struct cfmt_thing_t *: entities */
    apr_array_header_t *refs;     /* cfmt_item_t *: of cfmt_event_by_ref, bound last, when all keys
                                     are known */
    apr_array_header_t *joins;    /* const char *: pairs of ids of attacks that are one */
    apr_hash_t *same, *keys, *attacks, *entities;
    apr_int64_t mapped_to; /* CFMT_META_MAPPED */
} cfmt_batch_t;

void cfmt_batch_init(cfmt_batch_t *b, cfmt_store_t *s, apr_pool_t *p);
/* Takes an event (kept); reads the store. */
apr_status_t cfmt_batch_add(cfmt_batch_t *b, cfmt_item_t *item);
/* Two attacks, by the id of any of their keys, are one. */
void cfmt_batch_join(cfmt_batch_t *b, const char *id, const char *with);
/* After the last one: joins, binds what names its attack, and folds; reads the store. */
apr_status_t cfmt_batch_fold(cfmt_batch_t *b);
/* Writes everything, in the caller's transaction. */
apr_status_t cfmt_batch_write(cfmt_batch_t *b);

/* ---- what changes, for announce.c; after the fold ---- */

/* An attack that the batch touches. */
typedef struct cfmt_group_t {
    struct cfmt_group_t *into;  /* merged into that one; NULL = a root */
    apr_array_header_t *ids;    /* const char *: stored attacks it is made of */
    apr_array_header_t *items;  /* cfmt_item_t *: events that are new to it */
    apr_array_header_t *keys;   /* cfmt_attack_key_t: new ones */
    apr_array_header_t *lost;   /* apr_int64_t: stored events that belong elsewhere now */
    cfmt_attack_stored_t row;   /* the result; row.a.id is its id */
    int was_open;               /* one of the stored ones was */
    apr_time_t was_ended;       /* the latest end of those that were not; 0 = none */
} cfmt_group_t;

/* A root that something happened to; others were only looked at. */
int cfmt_batch_touched(const cfmt_group_t *g);

/* An entity that the batch touches. */
typedef struct cfmt_thing_t {
    const char *kind, *id;
    apr_array_header_t *items;    /* cfmt_item_t * */
    cfmt_entity_t before;         /* events 0: it is new */
    cfmt_entity_stored_t row;
} cfmt_thing_t;

/* ---- between batch.c and batch_entity.c ---- */

/* Pointers to the events of items, and of rows that are not among the lost ones, in order. */
apr_array_header_t *cfmt_batch_in_order(const apr_array_header_t *items,
                                        const apr_array_header_t *rows,
                                        const apr_array_header_t *lost,
                                        int (*order)(const void *, const void *), apr_pool_t *p);
void cfmt_batch_entity_add(cfmt_batch_t *b, cfmt_item_t *item);
apr_status_t cfmt_batch_entities_fold(cfmt_batch_t *b);
apr_status_t cfmt_batch_entities_write(cfmt_batch_t *b);

/* How the summary of an operator's event ends while no attack has the id that it names. */
#define CFMT_UNBOUND ": no such attack"

#endif
