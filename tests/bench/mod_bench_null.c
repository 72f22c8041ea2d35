/*
 * The yardstick of tests/bench/intake: a handler that reads a request's body and answers 200, and
 * stores nothing. For the benchmark only; never installed.
 */
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>

#include <string.h>

static int null_handler(request_rec *r)
{
    char buf[8192];
    long n;

    if (strcmp(r->handler, "bench-null")) {
        return DECLINED;
    }
    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK) {
        return HTTP_BAD_REQUEST;
    }
    if (ap_should_client_block(r)) {
        while ((n = ap_get_client_block(r, buf, sizeof(buf))) > 0) {
        }
        if (n < 0) {
            return HTTP_BAD_REQUEST;
        }
    }
    ap_set_content_type(r, "application/json");
    ap_rputs("{\"status\":\"stored\",\"id\":1}\n", r);
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_handler(null_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA bench_null_module = {
    STANDARD20_MODULE_STUFF,
    .register_hooks = register_hooks,
};
