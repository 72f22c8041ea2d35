/*
 * Our status codes in words, and the domain result {status, problem, detail, retry_at}.
 */
#include <errno.h>

#include <stdio.h>

#include <apr_strings.h>

#include "cfmt.h"

typedef struct status_t {
    apr_status_t rv;
    const char *name;
    const char *text;
} status_t;

static const status_t statuses[] = {
    {.rv = APR_SUCCESS, .name = "ok", .text = "fine"},
    {.rv = CFMT_EMISSING, .name = "missing", .text = "it does not exist"},
    {.rv = CFMT_EFOREIGN, .name = "foreign", .text = "it is a database of another program"},
    {.rv = CFMT_ENEWER, .name = "newer", .text = "it was written by a newer version of mod_cfmt"},
    {.rv = CFMT_EOLDER, .name = "older", .text = "it has not been migrated to this version yet"},
    {.rv = CFMT_EDENIED, .name = "denied", .text = "this user has no access to it"},
    {.rv = CFMT_ELINK, .name = "link",
     .text = "it is a link or belongs to somebody else, which is refused on principle"},
    {.rv = CFMT_EBUSY, .name = "busy", .text = "a lock was not had in time"},
    {.rv = CFMT_EFULL, .name = "full", .text = "the disk or the quota is full"},
    {.rv = CFMT_ECORRUPT, .name = "corrupt", .text = "it is damaged or no database at all"},
    {.rv = CFMT_EIO, .name = "io", .text = "the disk reported an error"},
    {.rv = CFMT_EREPLACED, .name = "replaced",
     .text = "the file was deleted or replaced meanwhile"},
    {.rv = CFMT_EREADONLY, .name = "readonly", .text = "the file or its file system is read-only"},
    {.rv = CFMT_ESTOPPED, .name = "stopped", .text = "the server is shutting down"},
    {.rv = CFMT_EQUEUE, .name = "queue", .text = "the commit queue is full"},
    {.rv = CFMT_EINVALID, .name = "invalid", .text = "the input is not what is allowed here"},
    {.rv = CFMT_ESTORE, .name = "store", .text = "the database reported an error"},
    {.rv = CFMT_EMOVED, .name = "moved", .text = "somebody else has done this work meanwhile"},
    {.rv = CFMT_ENET, .name = "net", .text = "no whole answer came"},
    {.rv = CFMT_EANSWER, .name = "answer", .text = "the answer cannot be understood"},
    {.rv = CFMT_ESERVER, .name = "server", .text = "the other side says that it failed"},
    {.rv = CFMT_ELIMIT, .name = "limit", .text = "the limit of calls is reached"},
    {.rv = CFMT_EAUTH, .name = "auth", .text = "the token is refused"},
    {.rv = CFMT_EREFUSED, .name = "refused", .text = "the request is refused"},
    {.rv = CFMT_EBREAKER, .name = "breaker", .text = "not asked, because it kept failing"},
    {.rv = CFMT_EEXIST, .name = "exists", .text = "there is one already"},
};

static const status_t *status_find(apr_status_t rv)
{
    apr_size_t i;

    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].rv == rv) {
            return &statuses[i];
        }
    }
    return NULL;
}

const char *cfmt_status_name(apr_status_t rv)
{
    const status_t *st = status_find(rv);

    return st ? st->name : "error";
}

const char *cfmt_status_text(apr_status_t rv, apr_pool_t *p)
{
    const status_t *st = status_find(rv);
    char buf[200];

    return st ? st->text : apr_pstrdup(p, apr_strerror(rv, buf, sizeof(buf)));
}

/* libc's formatter, not APR's: the compiler checks the format as printf and APR's lacks %lld. */
static __attribute__((format(printf, 2, 0))) const char *format_detail(apr_pool_t *p,
                                                                       const char *fmt, va_list ap)
{
    va_list again;
    char *text;
    int len;

    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0) {
        return NULL;
    }
    text = apr_palloc(p, (apr_size_t)len + 1);
    vsnprintf(text, (apr_size_t)len + 1, fmt, ap);
    return text;
}

apr_status_t cfmt_result_set(cfmt_result_t *r, apr_pool_t *p, apr_status_t rv, const char *fmt, ...)
{
    va_list ap;

    if (!r) {
        return rv;
    }
    r->status = rv;
    r->problem = NULL;
    r->detail = NULL;
    r->retry_at = 0;
    if (rv != APR_SUCCESS) {
        r->problem = cfmt_status_name(rv);
        va_start(ap, fmt);
        r->detail = format_detail(p, fmt, ap);
        va_end(ap);
    }
    return rv;
}

apr_status_t cfmt_status_of_errno(int err)
{
    switch (err) {
    case ENOENT:
    case ENOTDIR:
        return CFMT_EMISSING;
    case EACCES:
    case EPERM:
        return CFMT_EDENIED;
    case ELOOP:
        return CFMT_ELINK;
    case EROFS:
        return CFMT_EREADONLY;
    case ENOSPC:
    case EDQUOT:
        return CFMT_EFULL;
    default:
        return CFMT_EIO;
    }
}
