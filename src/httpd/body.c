/*
 * A request's body, read to its end and never beyond a bound. What a client announces is believed
 * only up to the bound; what it does not announce grows by doubling.
 */
#include "httpd_cfmt.h"

#include <stdlib.h>

#include <apr_buckets.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <util_filter.h>

#define FIRST_SIZE 4096
#define READ_SIZE 16384
#define SKIP_MAX 65536

static apr_status_t release(void *baton)
{
    cfmt_body_t *b = baton;

    free(b->data);
    b->data = NULL;
    return APR_SUCCESS;
}

/* Room for want bytes and a NUL; never more than max of them. */
static int reserve(cfmt_body_t *b, apr_size_t want, apr_size_t max)
{
    apr_size_t size = b->size ? b->size : FIRST_SIZE;
    char *data;

    if (want < b->size) {
        return 1;
    }
    while (size <= want) {
        size *= 2;
    }
    size = size > max + 1 ? max + 1 : size;
    data = realloc(b->data, size);
    if (!data) {
        return 0;
    }
    b->data = data;
    b->data[b->len] = '\0';
    b->size = size;
    return 1;
}

static int append(cfmt_body_t *b, const char *data, apr_size_t len, apr_size_t max)
{
    if (len > max - b->len) {
        return HTTP_REQUEST_ENTITY_TOO_LARGE;
    }
    if (!reserve(b, b->len + len, max)) {
        return HTTP_SERVICE_UNAVAILABLE;
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return OK;
}

/* One brigade. *pend: the end of the body was in it. */
static int take(cfmt_body_t *b, apr_bucket_brigade *bb, apr_size_t max, int *pend)
{
    apr_bucket *e;
    const char *data;
    apr_size_t len;
    apr_status_t rv;
    int status = OK;

    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb) && status == OK;
         e = APR_BUCKET_NEXT(e)) {
        if (APR_BUCKET_IS_EOS(e)) {
            *pend = 1;
            break;
        }
        if (APR_BUCKET_IS_METADATA(e)) {
            continue;
        }
        rv = apr_bucket_read(e, &data, &len, APR_BLOCK_READ);
        status = rv == APR_SUCCESS ? append(b, data, len, max)
                                   : ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
    }
    return status;
}

static apr_size_t announced(const request_rec *r)
{
    const char *text = apr_table_get(r->headers_in, "Content-Length");
    apr_int64_t n;

    return text && cfmt_int_parse(&n, text, 0, APR_INT32_MAX) == APR_SUCCESS ? (apr_size_t)n : 0;
}

int cfmt_body_read(cfmt_body_t **pb, request_rec *r, apr_size_t max)
{
    cfmt_body_t *b = *pb = apr_pcalloc(r->pool, sizeof(*b));
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_size_t first = announced(r);
    int end = 0, status;
    apr_status_t rv;

    apr_pool_cleanup_register(r->pool, b, release, apr_pool_cleanup_null);
    status = reserve(b, first < max ? first : max, max) ? OK : HTTP_SERVICE_UNAVAILABLE;
    while (status == OK && !end) {
        rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, READ_SIZE);
        status = rv == APR_SUCCESS ? take(b, bb, max, &end)
                                   : ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        apr_brigade_cleanup(bb);
    }
    return status;
}

int cfmt_body_skip(request_rec *r)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_size_t left = SKIP_MAX;
    apr_off_t len;
    int end = 0;

    if (r->expecting_100 || announced(r) > SKIP_MAX) {
        return 0;
    }
    while (!end
           && ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_NONBLOCK_READ, READ_SIZE)
                  == APR_SUCCESS
           && !APR_BRIGADE_EMPTY(bb) && apr_brigade_length(bb, 1, &len) == APR_SUCCESS
           && len <= (apr_off_t)left) {
        left -= (apr_size_t)len;
        end = APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb));
        apr_brigade_cleanup(bb);
    }
    return end;
}
