/*
 * Directives: the table, the setters, create, merge, and the getters that know the defaults.
 */
#include "httpd_cfmt.h"

#include <grp.h>
#include <unistd.h>

#include <apr_strings.h>
#include <unixd.h>

#define SECONDS(n) apr_time_from_sec(n)
#define DAYS(n) apr_time_from_sec((apr_int64_t)(n) * 86400)

static const char *const mode_names[] = { "observe", "enforce", NULL };
static const char *const auth_names[] = { "secret", "hmac", "either", NULL };
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
    c->commit_timeout = -1;
    c->dedupe = -1;
    c->prefixes = apr_array_make(p, 8, sizeof(cfmt_prefix_conf_t));
    for (i = 0; i < CFMT_RETENTION_KINDS; i++) {
        c->retention[i] = -1;
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
    c->commit_timeout = add->commit_timeout != -1 ? add->commit_timeout : base->commit_timeout;
    c->dedupe = add->dedupe != -1 ? add->dedupe : base->dedupe;
    c->account_id = add->account_id ? add->account_id : base->account_id;
    c->prefixes = add->prefixes->nelts ? add->prefixes : base->prefixes;
    for (i = 0; i < CFMT_RETENTION_KINDS; i++) {
        c->retention[i] = add->retention[i] != -1 ? add->retention[i] : base->retention[i];
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
    return mode_names[cfmt_config_mode(c)];
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
    return auth_names[cfmt_config_auth(c)];
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

apr_interval_time_t cfmt_config_commit_timeout(const cfmt_config_t *c)
{
    return c->commit_timeout != -1 ? c->commit_timeout : SECONDS(3);
}

apr_interval_time_t cfmt_config_dedupe(const cfmt_config_t *c)
{
    return c->dedupe != -1 ? c->dedupe : DAYS(1);
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
                           cfmt_config_duration_text(p, cfmt_config_retention(c, i)), NULL);
    }
    return text;
}

const char *cfmt_config_duration_text(apr_pool_t *p, apr_interval_time_t d)
{
    static const struct {
        apr_interval_time_t size;
        const char *name;
    } units[] = {
        { .size = DAYS(1), .name = "d" },     { .size = SECONDS(3600), .name = "h" },
        { .size = SECONDS(60), .name = "min" }, { .size = SECONDS(1), .name = "s" },
        { .size = 1000, .name = "ms" },
    };
    int i = 0;

    while (i < 4 && (d < units[i].size || d % units[i].size)) {
        i++;
    }
    return apr_psprintf(p, "%" APR_INT64_T_FMT "%s", d / units[i].size, units[i].name);
}

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
    return why ? why : cfmt_parse_enum(&c->mode, "CfmtMode", arg, mode_names, cmd->pool);
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

/* An absolute path behind file: or exec:. */
static const char *secret_path(cfmt_secret_conf_t *sc, cmd_parms *cmd, const char *path)
{
    sc->value = *path ? ap_server_root_relative(cmd->pool, path) : NULL;
    return sc->value ? NULL
                     : "CfmtSecret: a path is missing; allowed: file:PATH, exec:PATH or the secret "
                       "itself";
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
    if (!ap_cstr_casecmpn(arg, "file:", 5)) { /* "File:" must not become the secret itself */
        sc->source = CFMT_SOURCE_FILE;
        return secret_path(sc, cmd, arg + 5);
    }
    if (!ap_cstr_casecmpn(arg, "exec:", 5)) {
        sc->source = CFMT_SOURCE_EXEC;
        return secret_path(sc, cmd, arg + 5);
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
    return why ? why : cfmt_parse_enum(&c->auth, "CfmtAuth", arg, auth_names, cmd->pool);
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

static const char *set_commit_timeout(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why
               : cfmt_parse_duration(&c->commit_timeout, "CfmtCommitTimeout", arg,
                                     apr_time_from_msec(100), SECONDS(60), cmd->pool);
}

static const char *set_dedupe(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why
               : cfmt_parse_duration(&c->dedupe, "CfmtDedupe", arg, SECONDS(1), DAYS(30),
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
    AP_INIT_TAKE1("CfmtCommitTimeout", set_commit_timeout, NULL, RSRC_CONF,
                  "How long a delivery may wait for the disk (default 3s)"),
    AP_INIT_TAKE1("CfmtDedupe", set_dedupe, NULL, RSRC_CONF,
                  "How long the same delivery counts as a duplicate (default 24h)"),
    AP_INIT_TAKE1("CfmtAccountId", set_account_id, NULL, RSRC_CONF, "Cloudflare account id"),
    AP_INIT_TAKE_ARGV("CfmtPrefix", add_prefix, NULL, RSRC_CONF,
                      "A prefix or * and its policy, option=value"),
    AP_INIT_ITERATE("CfmtRetention", add_retention, NULL, RSRC_CONF,
                    "How long rows are kept, KIND=DURATION"),
    { .name = NULL },
};
