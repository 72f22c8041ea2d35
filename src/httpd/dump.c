/*
 * httpd -t -D DUMP_CFMT: the effective configuration, defaults included, secrets masked, as
 * directives.
 */
#include "httpd_cfmt.h"

#include <stdio.h>

#include <apr_strings.h>
#include <http_core.h>

static void dump_secret(const cfmt_secret_conf_t *sc, apr_pool_t *p)
{
    static const char *const sources[] = { "inline", "file:", "exec:" };
    int len = cfmt_secret_source_length(sc, p);
    const char *size = len >= 0 ? apr_psprintf(p, "%d bytes", len)
                       : sc->source == CFMT_SOURCE_EXEC ? "not run now" : "not readable now";

    printf("# CfmtSecret label=%s, %s, %s%s\n", sc->label, size, sources[sc->source],
           sc->source == CFMT_SOURCE_INLINE ? "" : sc->value);
}

static void dump_secrets(const cfmt_config_t *c, apr_pool_t *p)
{
    int i;

    if (!c->secrets->nelts) {
        printf("# CfmtSecret: none\n");
    }
    for (i = 0; i < c->secrets->nelts; i++) {
        dump_secret(&APR_ARRAY_IDX(c->secrets, i, cfmt_secret_conf_t), p);
    }
}

static void dump_optional(const char *directive, const char *value)
{
    printf("%s%s %s\n", value ? "" : "# ", directive, value ? value : "none");
}

static void dump_api(const cfmt_config_t *c, apr_pool_t *p)
{
    const cfmt_secret_conf_t *token = c->api_token;

    dump_optional("CfmtAccountId", c->account_id);
    dump_optional("CfmtApiToken", !token ? NULL
                  : apr_pstrcat(p, token->source == CFMT_SOURCE_FILE ? "file:" : "exec:",
                                token->value, NULL));
    printf("CfmtApiUrl %s\n", cfmt_config_api_url(c));
    printf("CfmtGraphqlUrl %s\n", cfmt_config_graphql_url(c, p));
    dump_optional("CfmtPublicUrl", c->public_url);
    dump_optional("CfmtCaFile", c->ca_file);
    dump_optional("CfmtProxy", c->proxy);
}

static void dump_prefixes(const cfmt_config_t *c)
{
    const cfmt_prefix_conf_t *pc;
    int i;

    for (i = 0; i < c->prefixes->nelts; i++) {
        pc = &APR_ARRAY_IDX(c->prefixes, i, cfmt_prefix_conf_t);
        printf("CfmtPrefix %s%s%s\n", pc->text, *pc->options ? " " : "", pc->options);
    }
}

void cfmt_dump_config(apr_pool_t *pconf, server_rec *s)
{
    const cfmt_config_t *c = cfmt_config_get(s);
    apr_pool_t *p;

    if (!ap_exists_config_define("DUMP_CFMT") || apr_pool_create(&p, pconf) != APR_SUCCESS) {
        return;
    }
    printf("# mod_cfmt " CFMT_VERSION ": effective configuration\n");
    printf("CfmtMode %s\n", cfmt_config_mode_name(c));
    printf("CfmtDb %s\n", cfmt_config_db(c));
    printf("CfmtGroup %s\n", cfmt_config_group_name(c, p));
    dump_secrets(c, p);
    printf("CfmtAuth %s\n", cfmt_config_auth_name(c));
    printf("CfmtSenders %s\n", cfmt_senders_text(cfmt_config_senders(c, p), p));
    printf("CfmtRequireTLS %s\n", cfmt_config_require_tls(c) ? "on" : "off");
    printf("CfmtMaxBody %" APR_SIZE_T_FMT "\n", cfmt_config_max_body(c));
    dump_api(c, p);
    dump_prefixes(c);
    printf("CfmtThreshold %s\n", cfmt_config_threshold(c));
    cfmt_durations_dump(c, p);
    dump_optional("CfmtWithdrawCheck", c->withdraw_check);
    cfmt_notify_dump(c, p);
    printf("CfmtDemoSpeed %d%s%s\n", cfmt_config_demo_speed(c), c->demo_speed > 1 ? " since=" : "",
           c->demo_speed > 1 ? cfmt_time_format(p, c->demo_since) : "");
    dump_optional("CfmtGeoDb", c->geo_db);
    printf("CfmtRetention %s\n", cfmt_config_retention_text(c, p));
    fflush(stdout);
    apr_pool_destroy(p);
}
