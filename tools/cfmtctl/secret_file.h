/*
 * Secrets whose files the database names: the API token, tokens and keys of channels.
 */
#ifndef CFMTCTL_SECRET_FILE_H
#define CFMTCTL_SECRET_FILE_H

#include "cfmtctl.h"

/*
 * The first line of the file, wiped with p. NULL: it cannot be used, and *pwhy says why. Whoever
 * may write to the database must not choose which of our files is sent away, so the file must be
 * root's or the owner's of the database, and not everybody's.
 */
const char *ctl_secret_read(const ctl_t *ctl, const char *path, const char **pwhy, apr_pool_t *p);
/* What lets the user that cfmtctl becomes read it. */
const char *ctl_secret_remedy(const apr_table_t *settings, const char *path, apr_pool_t *p);

#endif
