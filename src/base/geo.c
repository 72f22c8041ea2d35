/*
 * Where an address is, by libmaxminddb; without the library a clear word.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_geo.h"

#ifdef CFMT_MAXMINDDB

#include <arpa/inet.h>
#include <errno.h>
#include <maxminddb.h>
#include <netinet/in.h>

struct cfmt_geo_t {
    MMDB_s db;
};

static apr_status_t close_db(void *g)
{
    MMDB_close(&((cfmt_geo_t *)g)->db);
    return APR_SUCCESS;
}

static apr_status_t open_failed(const char **pwhy, const char *path, int rc, apr_pool_t *p)
{
    int err = rc == MMDB_FILE_OPEN_ERROR || rc == MMDB_IO_ERROR ? errno : 0;

    *pwhy = apr_psprintf(p, "%s: %s", path, err ? strerror(err) : MMDB_strerror(rc));
    return err ? err == ENOENT ? CFMT_EMISSING : cfmt_status_of_errno(err) : CFMT_EINVALID;
}

apr_status_t cfmt_geo_open(cfmt_geo_t **pg, const char **pwhy, const char *path, apr_pool_t *p)
{
    cfmt_geo_t *g = apr_pcalloc(p, sizeof(*g));
    const char *type;
    int rc;

    errno = 0;
    rc = MMDB_open(path, MMDB_MODE_MMAP, &g->db);
    if (rc != MMDB_SUCCESS) {
        return open_failed(pwhy, path, rc, p);
    }
    apr_pool_cleanup_register(p, g, close_db, apr_pool_cleanup_null);
    type = g->db.metadata.database_type;
    if (!type || (!strstr(type, "City") && !strstr(type, "Country"))) {
        *pwhy = apr_psprintf(p, "%s is a database of '%s': it must be one of cities or countries",
                             path, cfmt_text_escape(p, type ? type : "", type ? strlen(type) : 0,
                                                    80));
        return CFMT_EINVALID;
    }
    *pg = g;
    return APR_SUCCESS;
}

static const char *text_at(MMDB_entry_s *entry, const char *const *path, apr_pool_t *p)
{
    MMDB_entry_data_s data;

    if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data
        || data.type != MMDB_DATA_TYPE_UTF8_STRING || !data.data_size) {
        return NULL;
    }
    return apr_pstrmemdup(p, data.utf8_string, data.data_size);
}

/* An IPv6 address in a database of IPv4 addresses only is an error of the library: not known. */
static MMDB_lookup_result_s look_up(const cfmt_geo_t *g, const cfmt_cidr_t *host)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    const struct sockaddr *address = host->family == 4 ? (const struct sockaddr *)&v4
                                                       : (const struct sockaddr *)&v6;
    MMDB_lookup_result_s found;
    int rc;

    memcpy(&v4.sin_addr, host->addr, sizeof(v4.sin_addr));
    memcpy(&v6.sin6_addr, host->addr, sizeof(v6.sin6_addr));
    found = MMDB_lookup_sockaddr(&g->db, address, &rc);
    found.found_entry = found.found_entry && rc == MMDB_SUCCESS;
    return found;
}

cfmt_geo_place_t cfmt_geo_find(const cfmt_geo_t *g, const cfmt_cidr_t *host, apr_pool_t *p)
{
    static const char *const city[] = { "city", "names", "en", NULL };
    static const char *const country[] = { "country", "iso_code", NULL };
    cfmt_geo_place_t place = { .city = NULL };
    MMDB_lookup_result_s found = { .found_entry = false };

    if (g && host->family) {
        found = look_up(g, host);
    }
    if (found.found_entry) {
        place.city = text_at(&found.entry, city, p);
        place.country = text_at(&found.entry, country, p);
    }
    return place;
}

#else

apr_status_t cfmt_geo_open(cfmt_geo_t **pg, const char **pwhy, const char *path, apr_pool_t *p)
{
    (void)path, (void)p;
    *pg = NULL;
    *pwhy = "this build has no libmaxminddb (./configure --with-maxminddb)";
    return CFMT_EINVALID;
}

cfmt_geo_place_t cfmt_geo_find(const cfmt_geo_t *g, const cfmt_cidr_t *host, apr_pool_t *p)
{
    cfmt_geo_place_t place = { .city = NULL };

    (void)g, (void)host, (void)p;
    return place;
}

#endif
