/*
 * Directives: the table and the setters. Each setter looks at its context first, then gives NULL or
 * one sentence with the value and what is allowed.
 */
#include "httpd_cfmt.h"

#include <grp.h>

#include <apr_strings.h>

#define SECONDS(n) apr_time_from_sec(n)
#define DAYS(n) apr_time_from_sec((apr_int64_t)(n) * 86400)

/* ---- setters --------------------------------------------------------------------------------- */

/* Every setter's first line. */
static const char *context(cmd_parms *cmd, cfmt_config_t **pc)
{
    *pc = ap_get_module_config(cmd->server->module_config, &cfmt_module);
    return ap_check_cmd_context(cmd, GLOBAL_ONLY);
}

static const char *set_mode(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why : cfmt_parse_enum(&c->mode, "CfmtMode", arg, cfmt_mode_names, cmd->pool);
}

static const char *set_db(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    if (why) {
        return why;
    }
    c->db = *arg ? ap_server_root_relative(cmd->pool, arg) : NULL;
    if (!c->db || c->db[strlen(c->db) - 1] == '/') { /* "." too */
        c->db = NULL;
        return apr_psprintf(cmd->pool,
                            "CfmtDb: '%s' is not a file name; allowed: a path, relative ones "
                            "start at ServerRoot",
                            arg);
    }
    return NULL;
}

static const char *set_group(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);
    struct group *gr;

    (void)dir;
    if (why) {
        return why;
    }
    gr = getgrnam(arg);
    if (!gr) {
        return apr_psprintf(cmd->pool,
                            "CfmtGroup: there is no group '%s'; allowed: the name of a group of "
                            "this host (groupadd --system %s makes it)",
                            arg, arg);
    }
    c->group = arg;
    c->group_id = gr->gr_gid;
    return NULL;
}

/* True: arg is file:PATH or exec:PATH; the path is made absolute, NULL where it is missing. */
static int source_path(cfmt_secret_conf_t *sc, cmd_parms *cmd, const char *arg)
{
    /* "File:" must not become the secret itself */
    int is_file = !ap_cstr_casecmpn(arg, "file:", 5);

    if (!is_file && ap_cstr_casecmpn(arg, "exec:", 5)) {
        return 0;
    }
    sc->source = is_file ? CFMT_SOURCE_FILE : CFMT_SOURCE_EXEC;
    sc->value = arg[5] ? ap_server_root_relative(cmd->pool, arg + 5) : NULL;
    return 1;
}

/* The sentence must not repeat the argument: it is the secret. */
static const char *secret_inline(cfmt_secret_conf_t *sc, cmd_parms *cmd, const char *value)
{
    cfmt_secrets_t *trial = cfmt_secrets_create(cmd->temp_pool);

    if (cfmt_secrets_add(trial, value, strlen(value), NULL) != APR_SUCCESS) {
        return "CfmtSecret: this value cannot be a secret; allowed: 1 to 1024 bytes without "
               "control characters or blanks at its ends, after 'whsec_' base64";
    }
    sc->value = value;
    return NULL;
}

static const char *secret_source(cfmt_secret_conf_t *sc, cmd_parms *cmd, const char *arg)
{
    if (source_path(sc, cmd, arg)) {
        return sc->value ? NULL : "CfmtSecret: a path is missing; allowed: file:PATH, exec:PATH or "
                                  "the secret itself";
    }
    sc->source = CFMT_SOURCE_INLINE;
    return secret_inline(sc, cmd, arg);
}

static const char *secret_label(cfmt_secret_conf_t *sc, const cfmt_config_t *c, apr_pool_t *p,
                                const char *arg)
{
    const char *why = NULL;
    int i;

    if (!arg) {
        sc->label = apr_psprintf(p, "secret%d", c->secrets->nelts + 1);
    }
    else if (!ap_cstr_casecmpn(arg, "label=", 6)) {
        sc->label = arg + 6;
        why = cfmt_parse_label("CfmtSecret label=", sc->label, p);
    }
    else { /* perhaps the second half of a secret with a blank: not repeated */
        return "CfmtSecret: the second argument is not label=TEXT; put a secret with blanks into "
               "quotes";
    }
    for (i = 0; !why && i < c->secrets->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(c->secrets, i, cfmt_secret_conf_t).label, sc->label)) {
            why = apr_psprintf(p, "CfmtSecret: label '%s' is used twice; each secret needs its own",
                               sc->label);
        }
    }
    return why;
}

static const char *set_secret(cmd_parms *cmd, void *dir, const char *arg, const char *label)
{
    cfmt_config_t *c;
    cfmt_secret_conf_t sc = { .value = NULL };
    const char *why = context(cmd, &c);

    (void)dir;
    why = why ? why : secret_source(&sc, cmd, arg);
    why = why ? why : secret_label(&sc, c, cmd->pool, label);
    if (!why) {
        APR_ARRAY_PUSH(c->secrets, cfmt_secret_conf_t) = sc;
    }
    return why;
}

static const char *set_auth(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why : cfmt_parse_enum(&c->auth, "CfmtAuth", arg, cfmt_auth_names, cmd->pool);
}

static const char *add_sender(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    cfmt_cidr_t cidr;
    const char *why = context(cmd, &c);

    (void)dir;
    if (why) {
        return why;
    }
    if (!c->senders) {
        c->senders = cfmt_senders_create(cmd->pool);
    }
    if (!ap_cstr_casecmp(arg, "cloudflare")) {
        cfmt_senders_add_cloudflare(c->senders);
    }
    else if (!ap_cstr_casecmp(arg, "any")) {
        cfmt_senders_add_any(c->senders);
    }
    else {
        why = cfmt_parse_cidr(&cidr, "CfmtSenders", "cloudflare, any", arg, cmd->pool);
        if (!why) {
            cfmt_senders_add(c->senders, &cidr);
        }
    }
    return why;
}

static const char *set_require_tls(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why : cfmt_parse_flag(&c->require_tls, "CfmtRequireTLS", arg, cmd->pool);
}

static const char *set_max_body(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why
               : cfmt_parse_size(&c->max_body, "CfmtMaxBody", arg, 1024, 16 * 1024 * 1024,
                                 cmd->pool);
}

static const char *set_account_id(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    if (why) {
        return why;
    }
    if (strlen(arg) != 32 || strspn(arg, "0123456789abcdefABCDEF") != 32) {
        return apr_psprintf(cmd->pool, "CfmtAccountId: '%s' is not an account id; allowed: the 32 "
                            "hexadecimal digits that the dashboard shows", arg);
    }
    c->account_id = apr_pstrdup(cmd->pool, arg);
    ap_str_tolower((char *)c->account_id);
    return NULL;
}

/* The sentence does not repeat the argument: it may be the token. */
static const char *set_api_token(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    cfmt_secret_conf_t sc = { .label = "api-token" };
    const char *why = context(cmd, &c);

    (void)dir;
    if (why) {
        return why;
    }
    if (!source_path(&sc, cmd, arg) || !sc.value) {
        return "CfmtApiToken: this is no file:PATH and no exec:PATH; the token itself must not "
               "stand in the configuration, where mod_info and -D DUMP_CONFIG print it";
    }
    c->api_token = apr_pmemdup(cmd->pool, &sc, sizeof(sc));
    return NULL;
}

static const char *set_api_url(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why : cfmt_parse_api_url(&c->api_url, "CfmtApiUrl", arg, cmd->pool);
}

static const char *set_graphql_url(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why : cfmt_parse_api_url(&c->graphql_url, "CfmtGraphqlUrl", arg, cmd->pool);
}

static const char *set_public_url(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why : cfmt_parse_url(&c->public_url, "CfmtPublicUrl", "http, https", arg,
                                      cmd->pool);
}

static const char *set_proxy(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why : cfmt_parse_url(&c->proxy, "CfmtProxy", "http, https", arg, cmd->pool);
}

static const char *set_ca_file(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    if (why) {
        return why;
    }
    c->ca_file = *arg ? ap_server_root_relative(cmd->pool, arg) : NULL;
    return c->ca_file ? NULL : "CfmtCaFile: a path is missing; allowed: a file of certificates in "
                               "PEM form, relative paths start at ServerRoot";
}

static const char *set_geo_db(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    if (why) {
        return why;
    }
    c->geo_db = *arg ? ap_server_root_relative(cmd->pool, arg) : NULL;
    return c->geo_db ? NULL : "CfmtGeoDb: a path is missing; allowed: a database of cities or "
                              "countries in MaxMind's format, relative paths start at ServerRoot";
}

static const char *set_withdraw_check(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    if (why) {
        return why;
    }
    if (strncmp(arg, "exec:/", 6)) {
        return apr_psprintf(cmd->pool, "CfmtWithdrawCheck: '%s' is not exec: and an absolute path",
                            arg);
    }
    c->withdraw_check = arg;
    return NULL;
}

static const char *set_threshold(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why : cfmt_parse_threshold(&c->threshold, argc, argv, cmd->pool);
}

/* Everything that shares a demonstration must share `since`, or their times drift apart. */
#define DEMO_SINCE "2026-01-01T00:00:00Z"

static const char *set_demo_speed(cmd_parms *cmd, void *dir, const char *arg, const char *since)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    if (why) {
        return why;
    }
    if (cfmt_int_parse(&c->demo_speed, arg, 1, CFMT_DEMO_SPEED_MAX) != APR_SUCCESS) {
        return apr_psprintf(cmd->pool, "CfmtDemoSpeed: '%s' is not a whole number; allowed 1 to %d",
                            arg, CFMT_DEMO_SPEED_MAX);
    }
    if (since && ap_cstr_casecmpn(since, "since=", 6)) {
        return apr_psprintf(cmd->pool, "CfmtDemoSpeed: '%s' is not since=TIME", since);
    }
    if (cfmt_time_parse(&c->demo_since, since ? since + 6 : DEMO_SINCE) != APR_SUCCESS
        || c->demo_since > apr_time_now()) {
        return apr_psprintf(cmd->pool, "CfmtDemoSpeed: '%s' is not a time of the past (example: "
                            "since=" DEMO_SINCE ")", since);
    }
    return NULL;
}

static const char *add_prefix(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    cfmt_config_t *c;
    cfmt_prefix_conf_t pc = { .text = NULL };
    const cfmt_prefix_conf_t *other;
    const char *why = context(cmd, &c);
    int i;

    (void)dir;
    why = why ? why : cfmt_parse_prefix(&pc, argc, argv, cmd->pool);
    for (i = 0; !why && i < c->prefixes->nelts; i++) {
        other = &APR_ARRAY_IDX(c->prefixes, i, cfmt_prefix_conf_t);
        if (!strcmp(other->text, pc.text)) {
            why = apr_psprintf(cmd->pool,
                               "CfmtPrefix: '%s' stands already in line %d of %s; each prefix "
                               "may stand once",
                               pc.text, other->line, other->file);
        }
    }
    if (!why) {
        pc.file = cmd->directive->filename;
        pc.line = cmd->directive->line_num;
        APR_ARRAY_PUSH(c->prefixes, cfmt_prefix_conf_t) = pc;
    }
    return why;
}

static const char *add_retention(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *eq = strchr(arg, '='), *why = context(cmd, &c);
    apr_size_t len = eq ? (apr_size_t)(eq - arg) : strlen(arg);
    int i;

    (void)dir;
    if (why) {
        return why;
    }
    for (i = 0; eq && i < CFMT_RETENTION_KINDS; i++) {
        if (strlen(cfmt_retention_kinds[i]) == len
            && !ap_cstr_casecmpn(cfmt_retention_kinds[i], arg, len)) {
            return cfmt_parse_duration(
                &c->retention[i],
                apr_pstrcat(cmd->pool, "CfmtRetention ", cfmt_retention_kinds[i], "=", NULL),
                eq + 1, SECONDS(3600), DAYS(36500), cmd->pool);
        }
    }
    return apr_psprintf(cmd->pool,
                        "CfmtRetention: '%s' is not KIND=DURATION; kinds: journal, evidence, "
                        "traffic, rejected, outbox (audit is kept for ever)",
                        arg);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define DURATION(name, which, help) \
    AP_INIT_TAKE1(name, cfmt_set_duration, (void *)&cfmt_durations[CFMT_DURATION_##which], \
                  RSRC_CONF, help)

const command_rec cfmt_config_directives[] = {
    AP_INIT_TAKE1("CfmtMode", set_mode, NULL, RSRC_CONF,
                  "observe (default) or enforce: whether the policy may change BGP by itself"),
    AP_INIT_TAKE1("CfmtDb", set_db, NULL, RSRC_CONF, "Path of the store"),
    AP_INIT_TAKE1("CfmtGroup", set_group, NULL, RSRC_CONF, "Group whose members may use cfmtctl"),
    AP_INIT_TAKE12("CfmtSecret", set_secret, NULL, RSRC_CONF,
                   "file:PATH, exec:PATH or the webhook's secret itself, then label=TEXT"),
    AP_INIT_TAKE1("CfmtAuth", set_auth, NULL, RSRC_CONF,
                  "secret (default), hmac or either: how deliveries prove themselves"),
    AP_INIT_ITERATE("CfmtSenders", add_sender, NULL, RSRC_CONF,
                    "Who may deliver: cloudflare (default), any, networks"),
    AP_INIT_TAKE1("CfmtRequireTLS", set_require_tls, NULL, RSRC_CONF,
                  "on (default) or off: refuse deliveries over plain HTTP"),
    AP_INIT_TAKE1("CfmtMaxBody", set_max_body, NULL, RSRC_CONF,
                  "Largest body of a delivery (default 256k)"),
    DURATION("CfmtCommitTimeout", COMMIT_TIMEOUT,
             "How long a delivery may wait for the disk (default 3s)"),
    DURATION("CfmtDedupe", DEDUPE,
             "How long the same delivery counts as a duplicate (default 24h)"),
    AP_INIT_TAKE1("CfmtAccountId", set_account_id, NULL, RSRC_CONF, "Cloudflare account id"),
    AP_INIT_TAKE1("CfmtApiToken", set_api_token, NULL, RSRC_CONF,
                  "file:PATH or exec:PATH: the token for Cloudflare's API"),
    AP_INIT_TAKE1("CfmtApiUrl", set_api_url, NULL, RSRC_CONF,
                  "Where Cloudflare's API is (default " CFMT_API_URL ")"),
    AP_INIT_TAKE1("CfmtGraphqlUrl", set_graphql_url, NULL, RSRC_CONF,
                  "Where its analytics are (default: CfmtApiUrl/graphql)"),
    AP_INIT_TAKE1("CfmtPublicUrl", set_public_url, NULL, RSRC_CONF,
                  "The address that Cloudflare posts deliveries to"),
    AP_INIT_TAKE1("CfmtCaFile", set_ca_file, NULL, RSRC_CONF,
                  "Certificates (PEM) that the API's must lead to (default: the system's)"),
    AP_INIT_TAKE1("CfmtProxy", set_proxy, NULL, RSRC_CONF,
                  "Proxy for calls to Cloudflare (default: none, whatever the environment says)"),
    DURATION("CfmtPollInterval", POLL_INTERVAL,
             "How often the state of the prefixes is read (default 60s)"),
    DURATION("CfmtAnalyticsInterval", ANALYTICS_INTERVAL,
             "How often traffic is read (default 60s)"),
    DURATION("CfmtAnalyticsLag", ANALYTICS_LAG,
             "How old a minute of traffic must be to be complete (default 5min)"),
    DURATION("CfmtBlindAfter", BLIND_AFTER,
             "So long without a known minute an advertised prefix is blind (default 15min)"),
    DURATION("CfmtCalm", CALM,
             "So long a calm ends an attack and allows a withdrawal (default 15min)"),
    DURATION("CfmtAttackTimeout", ATTACK_TIMEOUT,
             "An attack that nothing is heard of for so long is taken for over (default 24h)"),
    DURATION("CfmtCalmMax", CALM_MAX,
             "Longest calm wanted after attacks that came back (default 2h)"),
    DURATION("CfmtMinAdvertised", MIN_ADVERTISED,
             "Not withdrawn before it was advertised so long (default 15min)"),
    DURATION("CfmtMinWithdrawn", MIN_WITHDRAWN,
             "Not advertised again before it was withdrawn so long (default 15min)"),
    DURATION("CfmtOrphanAfter", ORPHAN_AFTER,
             "Advertised so long for no cause of the policy: people are told (default 4h)"),
    DURATION("CfmtHoldFor", HOLD_FOR,
             "How long a hold lasts that names no time (default forever)"),
    DURATION("CfmtProposalTtl", PROPOSAL_TTL,
             "How long a proposal waits for approval (default 30min)"),
    AP_INIT_TAKE1("CfmtWithdrawCheck", set_withdraw_check, NULL, RSRC_CONF,
                  "exec:PATH: a program that knows whether the network announces a prefix itself"),
    AP_INIT_TAKE_ARGV("CfmtThreshold", set_threshold, NULL, RSRC_CONF,
                      "Dropped traffic that counts as attack: pps=N bps=N sustain=N"),
    AP_INIT_TAKE_ARGV("CfmtNotify", cfmt_set_notify, NULL, RSRC_CONF,
                      "A channel by which people are told: telegram, webhook, command or syslog, "
                      "then name=NAME and option=value"),
    AP_INIT_TAKE2("CfmtMessage", cfmt_set_message, NULL, RSRC_CONF,
                  "A message in words of your own: its name, then file:PATH"),
    AP_INIT_TAKE1("CfmtTelegramUrl", cfmt_set_telegram_url, NULL, RSRC_CONF,
                  "Where Telegram's Bot API is (default " CFMT_TELEGRAM_URL ")"),
    AP_INIT_TAKE12("CfmtDemoSpeed", set_demo_speed, NULL, RSRC_CONF,
                   "For demonstrations: time runs N times faster (default 1), then since=TIME"),
    AP_INIT_TAKE_ARGV("CfmtPrefix", add_prefix, NULL, RSRC_CONF,
                      "A prefix or * and its policy, option=value"),
    AP_INIT_TAKE1("CfmtGeoDb", set_geo_db, NULL, RSRC_CONF,
                  "Database of cities (MaxMind's format): where attackers are (default: none)"),
    AP_INIT_ITERATE("CfmtRetention", add_retention, NULL, RSRC_CONF,
                    "How long rows are kept, KIND=DURATION"),
    { .name = NULL },
};
