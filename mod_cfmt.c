/*
 * mod_cfmt: the front door. The module record and every hook, in the order of their use; nothing
 * else.
 */
#include "src/httpd/httpd_cfmt.h"

#include <ap_mpm.h>
#include <mpm_common.h>

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    /* a configuration is read */
    ap_hook_pre_config(cfmt_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(cfmt_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_test_config(cfmt_dump_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(cfmt_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    /* the parent waits */
    ap_hook_monitor(cfmt_monitor, NULL, NULL, APR_HOOK_MIDDLE);
    /* a child lives */
    ap_hook_child_init(cfmt_child_init, NULL, NULL, APR_HOOK_MIDDLE);
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 110)
    ap_hook_child_stopping(cfmt_child_stopping, NULL, NULL, APR_HOOK_MIDDLE);
#endif
    /* a request comes */
    ap_hook_handler(cfmt_webhook_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(cfmt_health_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

/* The one symbol that httpd looks for; everything else is hidden by -fvisibility=hidden. */
module AP_MODULE_DECLARE_DATA __attribute__((visibility("default"))) cfmt_module = {
    STANDARD20_MODULE_STUFF,
    .create_server_config = cfmt_config_create,
    .merge_server_config = cfmt_config_merge,
    .cmds = cfmt_config_directives,
    .register_hooks = register_hooks,
};
