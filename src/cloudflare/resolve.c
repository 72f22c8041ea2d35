/*
 * Names become addresses without blocking: getaddrinfo_a of glibc runs the look-up on a thread of
 * its own, and we only look whether it is done. Results are kept, as resolve.c's contract says.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "cfmt_cloudflare.h"

#define KEEP_GOOD apr_time_from_sec(60)
#define KEEP_BAD apr_time_from_sec(5)
#define KEEP_OLD apr_time_from_sec(3600)
/* A name that has an old address waits this long for a new one, then goes on with the old. */
#define PATIENCE apr_time_from_sec(1)
#define TEXT_MAX 800 /* 17 addresses of the longest kind; more are not tried within 5 s */

/*
 * What getaddrinfo_a reads and writes, in an unmanaged pool of its own: a look-up that hangs cannot
 * be ended, it keeps its memory when we go (a process has few of them: one a name).
 */
typedef struct lookup_t {
    apr_pool_t *pool;
    struct gaicb cb;
    struct addrinfo hints;
    char host[256];
} lookup_t;

typedef struct entry_t {
    lookup_t *lookup;     /* under way or not yet read; NULL = none */
    apr_time_t asked_at;  /* of that */
    char good[TEXT_MAX];  /* the last addresses; "" = never any */
    apr_time_t good_at;
    const char *why;      /* static: how the last look-up failed; NULL = it did not */
    apr_time_t failed_at;
} entry_t;

struct cfmt_resolver_t {
    apr_hash_t *entries; /* by host; those of the configuration, so their number is small */
    apr_pool_t *pool;
};

/* ---- one look-up ----------------------------------------------------------------------------- */

static lookup_t *lookup_start(const char *host)
{
    struct sigevent quiet = { .sigev_notify = SIGEV_NONE };
    struct gaicb *list[1];
    apr_pool_t *pool;
    lookup_t *l;

    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS) {
        return NULL;
    }
    apr_pool_tag(pool, "cfmt_lookup");
    l = apr_pcalloc(pool, sizeof(*l));
    l->pool = pool;
    apr_cpystrn(l->host, host, sizeof(l->host));
    l->hints.ai_family = AF_UNSPEC;
    l->hints.ai_socktype = SOCK_STREAM;
    l->cb.ar_name = l->host;
    l->cb.ar_request = &l->hints;
    list[0] = &l->cb;
    if (getaddrinfo_a(GAI_NOWAIT, list, 1, &quiet) != 0) {
        apr_pool_destroy(pool);
        return NULL;
    }
    return l;
}

static void lookup_free(lookup_t *l)
{
    if (l->cb.ar_result) {
        freeaddrinfo(l->cb.ar_result);
    }
    apr_pool_destroy(l->pool);
}

/* One that runs in this moment is left behind with its memory. */
static void lookup_abandon(lookup_t *l)
{
    if (gai_cancel(&l->cb) != EAI_NOTCANCELED) {
        lookup_free(l);
    }
}

static int address_text(char *text, apr_size_t size, const struct sockaddr *sa)
{
    const void *bytes = NULL;

    if (sa->sa_family == AF_INET) {
        bytes = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
    }
    else if (sa->sa_family == AF_INET6) {
        bytes = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    }
    return bytes && inet_ntop(sa->sa_family, bytes, text, (socklen_t)size) != NULL;
}

/* "192.0.2.1,2001:db8::1" in the resolver's order: it knows which family has a route. */
static void list_addresses(char *out, apr_size_t size, const struct addrinfo *ai)
{
    char text[INET6_ADDRSTRLEN];
    apr_size_t used = 0, len;

    for (out[0] = '\0'; ai; ai = ai->ai_next) {
        if (!address_text(text, sizeof(text), ai->ai_addr)) {
            continue;
        }
        len = strlen(text);
        if (used + len + 2 > size) {
            return;
        }
        if (used) {
            out[used++] = ',';
        }
        memcpy(out + used, text, len + 1);
        used += len;
    }
}

/* ---- what is known of a name ----------------------------------------------------------------- */

static void note_failure(entry_t *e, int rc, apr_time_t now)
{
    e->failed_at = now;
    switch (rc) {
    case EAI_NONAME:
    case EAI_NODATA:
        e->why = "there is no such name";
        break;
    case EAI_AGAIN:
        e->why = "no name server answers";
        break;
    default:
        e->why = gai_strerror(rc);
    }
}

/* Reads a look-up that is done; true while one is still under way. */
static int collect(entry_t *e, apr_time_t now)
{
    char text[TEXT_MAX];
    int rc;

    if (!e->lookup) {
        return 0;
    }
    rc = gai_error(&e->lookup->cb);
    if (rc == EAI_INPROGRESS) {
        return 1;
    }
    list_addresses(text, sizeof(text), rc == 0 ? e->lookup->cb.ar_result : NULL);
    if (text[0]) {
        memcpy(e->good, text, sizeof(text));
        e->good_at = now;
        e->why = NULL;
    }
    else {
        note_failure(e, rc ? rc : EAI_NODATA, now);
    }
    lookup_free(e->lookup);
    e->lookup = NULL;
    return 0;
}

static int is_fresh(const entry_t *e, apr_time_t now)
{
    return (e->why ? now - e->failed_at < KEEP_BAD : e->good[0] && now - e->good_at < KEEP_GOOD);
}

/* True when it is under way. */
static int ask(entry_t *e, const char *host, apr_time_t now)
{
    e->asked_at = now;
    e->lookup = lookup_start(host);
    if (e->lookup) {
        return 1;
    }
    note_failure(e, EAI_MEMORY, now);
    return 0;
}

static entry_t *entry_of(cfmt_resolver_t *r, const char *host)
{
    entry_t *e = apr_hash_get(r->entries, host, APR_HASH_KEY_STRING);

    if (!e) {
        e = apr_pcalloc(r->pool, sizeof(*e));
        apr_hash_set(r->entries, apr_pstrdup(r->pool, host), APR_HASH_KEY_STRING, e);
    }
    return e;
}

/* Numbers need no resolver; localhost must not (RFC 6761): nobody else may say where it is. */
static const char *known_by_itself(const char *host)
{
    unsigned char bytes[16];

    if (strcmp(host, "localhost") == 0) {
        return "127.0.0.1,::1";
    }
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1 ? host
                                                                                         : NULL;
}

apr_status_t cfmt_resolver_find(cfmt_resolver_t *r, const char **paddresses, const char **pwhy,
                                const char *host, apr_time_t now, apr_pool_t *p)
{
    const char *own = known_by_itself(host);
    entry_t *e;
    int busy;

    *pwhy = NULL;
    if (own) {
        *paddresses = apr_pstrdup(p, own);
        return APR_SUCCESS;
    }
    e = entry_of(r, host);
    busy = collect(e, now);
    if (!busy && !is_fresh(e, now)) {
        busy = ask(e, host, now);
    }
    if (busy && (!e->good[0] || now - e->asked_at < PATIENCE)) {
        return APR_EAGAIN;
    }
    if (e->good[0] && now - e->good_at < KEEP_OLD) {
        *paddresses = apr_pstrdup(p, e->good);
        return APR_SUCCESS;
    }
    if (busy) {
        return APR_EAGAIN;
    }
    *pwhy = e->why;
    return CFMT_ENET;
}

int cfmt_resolver_pending(const cfmt_resolver_t *r)
{
    apr_hash_index_t *hi;
    int n = 0;

    for (hi = apr_hash_first(NULL, r->entries); hi; hi = apr_hash_next(hi)) {
        const entry_t *e = apr_hash_this_val(hi);

        n += e->lookup && gai_error(&e->lookup->cb) == EAI_INPROGRESS;
    }
    return n;
}

/* ---- life ------------------------------------------------------------------------------------ */

static apr_status_t resolver_end(void *data)
{
    cfmt_resolver_t *r = data;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, r->entries); hi; hi = apr_hash_next(hi)) {
        entry_t *e = apr_hash_this_val(hi);

        if (e->lookup) {
            lookup_abandon(e->lookup);
            e->lookup = NULL;
        }
    }
    return APR_SUCCESS;
}

cfmt_resolver_t *cfmt_resolver_create(apr_pool_t *p)
{
    cfmt_resolver_t *r = apr_pcalloc(p, sizeof(*r));

    r->pool = p;
    r->entries = apr_hash_make(p);
    apr_pool_cleanup_register(p, r, resolver_end, apr_pool_cleanup_null);
    return r;
}
