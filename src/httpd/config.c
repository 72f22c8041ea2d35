/*
 * The configuration: create, merge, and the getters that know the defaults.
 */
#include "httpd_cfmt.h"

#include <unistd.h>

#include <apr_strings.h>
#include <unixd.h>

#define SECONDS(n) apr_time_from_sec(n)
#define DAYS(n) apr_time_from_sec((apr_int64_t)(n) * 86400)

const char *const cfmt_auth_names[] = { "secret", "hmac", "either", NULL };
const char *const cfmt_retention_kinds[CFMT_RETENTION_KINDS] = {
    "journal", "evidence", "traffic", "rejected", "outbox"
};
static const int retention_days[CFMT_RETENTION_KINDS] = { 400, 30, 90, 30, 90 };

/* ---- create, merge --------------------------------------------------------------------------- */

void *cfmt_config_create(apr_pool_t *p, server_rec *s)
{
    cfmt_config_t *c = apr_pcalloc(p, sizeof(*c));
    int i;

    (void)s;
    c->mode = -1;
    c->secrets = apr_array_make(p, 2, sizeof(cfmt_secret_conf_t));
    c->auth = -1;
    c->require_tls = -1;
    c->max_body = -1;
    c->prefixes = apr_array_make(p, 8, sizeof(cfmt_prefix_conf_t));
    c->channels = apr_array_make(p, 2, sizeof(cfmt_notify_conf_t));
    c->messages = apr_array_make(p, 2, sizeof(cfmt_template_conf_t));
    c->demo_speed = -1;
    for (i = 0; i < CFMT_RETENTION_KINDS; i++) {
        c->retention[i] = -1;
    }
    for (i = 0; i < CFMT_DURATIONS; i++) {
        c->durations[i] = -1;
    }
    return c;
}

/* The directives are allowed in the main server only; virtual hosts get its values through here. */
void *cfmt_config_merge(apr_pool_t *p, void *basev, void *addv)
{
    const cfmt_config_t *base = basev, *add = addv;
    cfmt_config_t *c = apr_pcalloc(p, sizeof(*c));
    int i;

    c->mode = add->mode != -1 ? add->mode : base->mode;
    c->db = add->db ? add->db : base->db;
    c->group = add->group ? add->group : base->group;
    c->group_id = add->group ? add->group_id : base->group_id;
    c->secrets = add->secrets->nelts ? add->secrets : base->secrets;
    c->auth = add->auth != -1 ? add->auth : base->auth;
    c->senders = add->senders ? add->senders : base->senders;
    c->require_tls = add->require_tls != -1 ? add->require_tls : base->require_tls;
    c->max_body = add->max_body != -1 ? add->max_body : base->max_body;
    c->account_id = add->account_id ? add->account_id : base->account_id;
    c->prefixes = add->prefixes->nelts ? add->prefixes : base->prefixes;
    c->api_token = add->api_token ? add->api_token : base->api_token;
    c->api_url = add->api_url ? add->api_url : base->api_url;
    c->graphql_url = add->graphql_url ? add->graphql_url : base->graphql_url;
    c->public_url = add->public_url ? add->public_url : base->public_url;
    c->ca_file = add->ca_file ? add->ca_file : base->ca_file;
    c->proxy = add->proxy ? add->proxy : base->proxy;
    c->geo_db = add->geo_db ? add->geo_db : base->geo_db;
    c->withdraw_check = add->withdraw_check ? add->withdraw_check : base->withdraw_check;
    c->channels = add->channels->nelts ? add->channels : base->channels;
    c->messages = add->messages->nelts ? add->messages : base->messages;
    c->telegram_url = add->telegram_url ? add->telegram_url : base->telegram_url;
    c->threshold = add->threshold ? add->threshold : base->threshold;
    c->demo_speed = add->demo_speed != -1 ? add->demo_speed : base->demo_speed;
    c->demo_since = add->demo_speed != -1 ? add->demo_since : base->demo_since;
    for (i = 0; i < CFMT_RETENTION_KINDS; i++) {
        c->retention[i] = add->retention[i] != -1 ? add->retention[i] : base->retention[i];
    }
    for (i = 0; i < CFMT_DURATIONS; i++) {
        c->durations[i] = add->durations[i] != -1 ? add->durations[i] : base->durations[i];
    }
    return c;
}

const cfmt_config_t *cfmt_config_get(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &cfmt_module);
}

/* ---- getters: the defaults stand here -------------------------------------------------------- */

cfmt_mode_e cfmt_config_mode(const cfmt_config_t *c)
{
    return c->mode != -1 ? (cfmt_mode_e)c->mode : CFMT_MODE_OBSERVE;
}

const char *cfmt_config_mode_name(const cfmt_config_t *c)
{
    return cfmt_mode_names[cfmt_config_mode(c)];
}

const char *cfmt_config_db(const cfmt_config_t *c)
{
    return c->db ? c->db : CFMT_DEFAULT_DB;
}

gid_t cfmt_config_group_id(const cfmt_config_t *c)
{
    if (c->group) {
        return c->group_id;
    }
    return geteuid() == 0 ? ap_unixd_config.group_id : getegid();
}

const char *cfmt_config_group_name(const cfmt_config_t *c, apr_pool_t *p)
{
    gid_t gid = cfmt_config_group_id(c);
    char *name;

    if (c->group) {
        return c->group;
    }
    return apr_gid_name_get(&name, gid, p) == APR_SUCCESS ? name
                                                          : apr_psprintf(p, "#%u", (unsigned)gid);
}

cfmt_auth_e cfmt_config_auth(const cfmt_config_t *c)
{
    return c->auth != -1 ? (cfmt_auth_e)c->auth : CFMT_AUTH_SECRET;
}

const char *cfmt_config_auth_name(const cfmt_config_t *c)
{
    return cfmt_auth_names[cfmt_config_auth(c)];
}

const cfmt_senders_t *cfmt_config_senders(const cfmt_config_t *c, apr_pool_t *p)
{
    cfmt_senders_t *s = c->senders;

    if (!s) {
        s = cfmt_senders_create(p);
        cfmt_senders_add_cloudflare(s);
    }
    return s;
}

int cfmt_config_require_tls(const cfmt_config_t *c)
{
    return c->require_tls != 0;
}

apr_size_t cfmt_config_max_body(const cfmt_config_t *c)
{
    return (apr_size_t)(c->max_body != -1 ? c->max_body : 256 * 1024);
}

const char *cfmt_config_api_url(const cfmt_config_t *c)
{
    return c->api_url ? c->api_url : CFMT_API_URL;
}

const char *cfmt_config_graphql_url(const cfmt_config_t *c, apr_pool_t *p)
{
    return c->graphql_url ? c->graphql_url
                          : apr_pstrcat(p, cfmt_config_api_url(c), "/graphql", NULL);
}

const char *cfmt_config_telegram_url(const cfmt_config_t *c)
{
    return c->telegram_url ? c->telegram_url : CFMT_TELEGRAM_URL;
}

const char *cfmt_config_threshold(const cfmt_config_t *c)
{
    return c->threshold ? c->threshold : "pps=2000 bps=20M sustain=2";
}

int cfmt_config_demo_speed(const cfmt_config_t *c)
{
    return c->demo_speed != -1 ? (int)c->demo_speed : 1;
}

int cfmt_config_uses_api(const cfmt_config_t *c)
{
    return c->account_id && c->api_token;
}

apr_interval_time_t cfmt_config_retention(const cfmt_config_t *c, int kind)
{
    return c->retention[kind] != -1 ? c->retention[kind] : DAYS(retention_days[kind]);
}

const char *cfmt_config_retention_text(const cfmt_config_t *c, apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; i < CFMT_RETENTION_KINDS; i++) {
        text = apr_pstrcat(p, text, i ? " " : "", cfmt_retention_kinds[i], "=",
                           cfmt_duration_words(p, cfmt_config_retention(c, i)), NULL);
    }
    return text;
}
