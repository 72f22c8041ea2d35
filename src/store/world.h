/*
 * Inside the room: rows of prefix, tunnel and rule as JSON (their pruned part in column `base`, and
 * in snapshots), and what retention and snapshots do with them.
 */
#ifndef CFMT_WORLD_PRIVATE_H
#define CFMT_WORLD_PRIVATE_H

#include "cfmt_store.h"

/* ---- world_json.c ---------------------------------------------------------------------------- */

const char *cfmt_prefix_row_encode(const cfmt_prefix_row_t *row, apr_pool_t *p);
apr_status_t cfmt_prefix_row_decode(cfmt_prefix_row_t *row, const cfmt_json_t *o);
const char *cfmt_tunnel_row_encode(const cfmt_tunnel_row_t *row, apr_pool_t *p);
apr_status_t cfmt_tunnel_row_decode(cfmt_tunnel_row_t *row, const cfmt_json_t *o);
const char *cfmt_rule_row_encode(const cfmt_rule_row_t *row, apr_pool_t *p);
apr_status_t cfmt_rule_row_decode(cfmt_rule_row_t *row, const cfmt_json_t *o, apr_pool_t *p);
/* CIDRs as a JSON array of texts and back (sorted); CFMT_EINVALID: one is none. */
const char *cfmt_cidrs_format(const apr_array_header_t *cidrs, apr_pool_t *p);
apr_status_t cfmt_cidrs_read(apr_array_header_t **pcidrs, const cfmt_json_t *array, apr_pool_t *p);
/* The kind of a tunnel as a word and back. */
const char *cfmt_kind_word(cfmt_tunnel_e kind);
apr_status_t cfmt_kind_parse(cfmt_tunnel_e *pkind, const char *word);
int cfmt_cidrs_order(const void *a, const void *b); /* for qsort */

/* ---- world_prune.c --------------------------------------------------------------------------- */

/*
 * Inside the pruning transaction, before the journal rows first .. upto go: what they said becomes
 * the base of its prefix, tunnel or rule; what was gone by then goes, too.
 */
apr_status_t cfmt_world_prune(cfmt_store_t *s, apr_int64_t first, apr_int64_t upto, apr_pool_t *p);
/* The bases as members of a snapshot's object, from the comma on: pieces (const char *) to out. */
apr_status_t cfmt_world_snapshot(cfmt_store_t *s, apr_array_header_t *out, apr_pool_t *p);
/* Fills the (empty) tables from a snapshot; one without these members gives nothing. */
apr_status_t cfmt_world_restore(cfmt_store_t *s, const cfmt_json_t *doc, apr_pool_t *p);

#endif
