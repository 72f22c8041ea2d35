/*
 * Inside the room: journal rows `imported` as lists show them.
 */
#ifndef CFMT_PROJECT_IMPORTED_H
#define CFMT_PROJECT_IMPORTED_H

#include "cfmt_store_import.h"

/* CFMT_EINVALID: not one that cfmtctl import writes. */
apr_status_t cfmt_imported_read(cfmt_imported_t *row, const cfmt_journal_row_t *j, apr_pool_t *p);
/* Appends it to *prows, which is made where it is NULL. */
apr_status_t cfmt_imported_take(apr_array_header_t **prows, const cfmt_journal_row_t *j,
                                apr_pool_t *p);
/* In the caller's transaction; rows may be NULL. */
apr_status_t cfmt_imported_write(const apr_array_header_t *rows, cfmt_store_t *s);

#endif
