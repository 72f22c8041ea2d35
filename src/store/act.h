/*
 * Inside the room: what the tables of cfmt_store_act.h share, and their retention.
 */
#ifndef CFMT_ACT_PRIVATE_H
#define CFMT_ACT_PRIVATE_H

#include "store_private.h"

/* As text, "*" for one without a family; the statement keeps a copy. */
void cfmt_bind_cidr(sqlite3_stmt *st, int i, const cfmt_cidr_t *c);
/* Family 0 for "*". */
cfmt_cidr_t cfmt_col_cidr(sqlite3_stmt *st, int i);

/* What an intent is made with: these columns of it, bound from i on. */
#define CFMT_WISH \
    "prefix, want, cause, who, reason, attack, proposal, override, created_at, not_before"
void cfmt_bind_wish(sqlite3_stmt *st, int i, const cfmt_intent_row_t *in);

/* Fills *row, which is all zeros, from the columns of st. */
typedef void cfmt_take_t(void *row, sqlite3_stmt *st, apr_pool_t *p);
/* The first row of st; CFMT_EMISSING: there is none, *row is all zeros then. */
apr_status_t cfmt_act_row(cfmt_store_t *s, sqlite3_stmt *st, void *row, apr_size_t size,
                          cfmt_take_t *take, apr_pool_t *p);
/* All rows of st as an array in p. */
apr_status_t cfmt_act_rows(cfmt_store_t *s, sqlite3_stmt *st, apr_array_header_t **prows,
                           apr_size_t size, cfmt_take_t *take, apr_pool_t *p);

apr_status_t cfmt_act_journal(cfmt_store_t *s, const char *kind, apr_time_t at, const char *origin,
                              const char *body);
/* Not NULL and not "". */
int cfmt_act_said(const char *text);

/*
 * One step of retention: what was settled before that time goes, at most CFMT_RETENTION_STEP rows;
 * *pn: how many went. What still says something about the present stays.
 */
apr_status_t cfmt_act_prune(cfmt_store_t *s, apr_time_t before, int *pn);

#endif
