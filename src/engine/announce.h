/*
 * Inside the room: what a step of the projection changes becomes news. Found without the commit
 * lock, written in the transaction of the step, so that nothing is told twice or not at all.
 */
#ifndef CFMT_ANNOUNCE_H
#define CFMT_ANNOUNCE_H

#include "batch.h"
#include "in_force.h"
#include "news_of.h"
#include "project_world.h"

typedef struct cfmt_announce_t {
    cfmt_store_t *s;
    apr_pool_t *p;
    const cfmt_in_force_t *conf;
    const cfmt_world_t *world;
    apr_time_t now;               /* when the step's last row came */
    apr_array_header_t *news;     /* cfmt_news_t */
    int looked;                   /* attacks whose traffic was looked at in this step */
    apr_array_header_t *open;     /* cfmt_struck_t: open before the step; NULL = not read */
} cfmt_announce_t;

/* ---- announce.c ------------------------------------------------------------------------------ */

/* All that the folded batch and the world say; nothing where nobody is told anything. */
apr_status_t cfmt_announce_find(cfmt_announce_t *a, const cfmt_batch_t *b);
/* In the caller's transaction. head: up to here all is announced then; it never goes back. */
apr_status_t cfmt_announce_write(const cfmt_announce_t *a, apr_int64_t head);

/* ---- announce_attack.c, announce_event.c ----------------------------------------------------- */

apr_status_t cfmt_announce_attack(cfmt_announce_t *a, const cfmt_group_t *g);
void cfmt_announce_event(cfmt_announce_t *a, const cfmt_item_t *item);
void cfmt_announce_thing(cfmt_announce_t *a, const cfmt_thing_t *t);
apr_status_t cfmt_announce_tunnel(cfmt_announce_t *a, const cfmt_turned_t *t);

#endif
