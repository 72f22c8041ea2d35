/*
 * Inside the room: what both files of the outbox share.
 */
#ifndef CFMT_OUTBOX_PRIVATE_H
#define CFMT_OUTBOX_PRIVATE_H

#include "cfmt_store_outbox.h"

/* All rows that are SENDING. */
apr_status_t cfmt_outbox_sending(cfmt_store_t *s, apr_array_header_t **prows, apr_pool_t *p);

#endif
