/*
 * Where an address is, as a database in MaxMind's format says (CfmtGeoDb). Looked up when something
 * is shown, never stored. Built with ./configure --with-maxminddb; without it there is no database.
 */
#ifndef CFMT_GEO_H
#define CFMT_GEO_H

#include "cfmt.h"

typedef struct cfmt_geo_t cfmt_geo_t;

/*
 * Lives until p ends. CFMT_EINVALID: this program is built without the library, or it is no
 * database of cities or countries; CFMT_EMISSING, EDENIED, EIO: the file. *pwhy says it, in p.
 */
apr_status_t cfmt_geo_open(cfmt_geo_t **pg, const char **pwhy, const char *path, apr_pool_t *p);

typedef struct cfmt_geo_place_t {
    const char *city, *country; /* English name, ISO 3166 code; NULL = not known */
} cfmt_geo_place_t;
/* g NULL or an address that it does not know: nothing is known. Texts in p. */
cfmt_geo_place_t cfmt_geo_find(const cfmt_geo_t *g, const cfmt_cidr_t *host, apr_pool_t *p);

#endif
