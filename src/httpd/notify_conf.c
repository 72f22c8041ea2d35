/*
 * CfmtNotify, CfmtMessage and CfmtTelegramUrl: the setters, what configtest looks at, what a start
 * reads, what is published and dumped. What the words mean is src/notify/conf.c's.
 */
#include "httpd_cfmt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>
#include <http_core.h>

#define TEMPLATE_MAX 16384 /* to be read; what a template may have is its own business */

/* ---- setters --------------------------------------------------------------------------------- */

static const char *context(cmd_parms *cmd, cfmt_config_t **pc)
{
    *pc = ap_get_module_config(cmd->server->module_config, &cfmt_module);
    return ap_check_cmd_context(cmd, GLOBAL_ONLY);
}

/* "file:PATH" with the path made absolute; anything else as it is. */
static const char *absolute(cmd_parms *cmd, const char *source)
{
    const char *path;

    if (!source || strncmp(source, "file:", 5)) {
        return source;
    }
    path = ap_server_root_relative(cmd->pool, source + 5);
    return path ? apr_pstrcat(cmd->pool, "file:", path, NULL) : source;
}

static const char *stands_already(const cfmt_config_t *c, const char *name, apr_pool_t *p)
{
    const cfmt_notify_conf_t *other;
    int i;

    for (i = 0; i < c->channels->nelts; i++) {
        other = &APR_ARRAY_IDX(c->channels, i, cfmt_notify_conf_t);
        if (!strcmp(other->channel.name, name)) {
            return apr_psprintf(p, "CfmtNotify: the name '%s' stands already in line %d of %s; each"
                                " channel has its own", name, other->line, other->file);
        }
    }
    return NULL;
}

const char *cfmt_set_notify(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    cfmt_config_t *c;
    cfmt_notify_conf_t n = { .file = cmd->directive->filename, .line = cmd->directive->line_num };
    const char *why = context(cmd, &c);

    (void)dir;
    if (why) {
        return why;
    }
    why = cfmt_channel_parse(&n.channel, argc ? argv[0] : "", (const char *const *)argv + 1,
                             argc - 1, cmd->pool);
    if (why) {
        return apr_psprintf(cmd->pool, "CfmtNotify: %s", why);
    }
    n.channel.token = absolute(cmd, n.channel.token);
    n.channel.secret = absolute(cmd, n.channel.secret);
    n.channel.url = absolute(cmd, n.channel.url);
    why = stands_already(c, n.channel.name, cmd->pool);
    if (!why) {
        APR_ARRAY_PUSH(c->channels, cfmt_notify_conf_t) = n;
    }
    return why;
}

const char *cfmt_set_message(cmd_parms *cmd, void *dir, const char *name, const char *source)
{
    cfmt_config_t *c;
    cfmt_template_conf_t t = { .name = name, .file = cmd->directive->filename,
                               .line = cmd->directive->line_num };
    const char *why = context(cmd, &c);

    (void)dir;
    if (why) {
        return why;
    }
    if (cfmt_news_find(name) < 0) {
        return apr_psprintf(cmd->pool, "CfmtMessage: '%s' is no message; allowed: %s", name,
                            cfmt_channel_types(cmd->pool));
    }
    if (strncmp(source, "file:", 5) || !source[5]) {
        return apr_psprintf(cmd->pool, "CfmtMessage %s: '%s' is not file:PATH", name, source);
    }
    t.path = ap_server_root_relative(cmd->pool, source + 5);
    if (!t.path) {
        return apr_psprintf(cmd->pool, "CfmtMessage %s: '%s' is no path", name, source + 5);
    }
    APR_ARRAY_PUSH(c->messages, cfmt_template_conf_t) = t;
    return NULL;
}

const char *cfmt_set_telegram_url(cmd_parms *cmd, void *dir, const char *arg)
{
    cfmt_config_t *c;
    const char *why = context(cmd, &c);

    (void)dir;
    return why ? why : cfmt_parse_api_url(&c->telegram_url, "CfmtTelegramUrl", arg, cmd->pool);
}

/* ---- templates ------------------------------------------------------------------------------- */

/* The whole file, or NULL and why. */
static const char *read_template(const char **pwhy, apr_size_t *plen, const char *path,
                                 apr_pool_t *p)
{
    char *buf = apr_palloc(p, TEMPLATE_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat sb;
    ssize_t n = -1;

    *pwhy = NULL;
    if (fd >= 0 && fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode)) {
        n = read(fd, buf, TEMPLATE_MAX + 1);
    }
    else if (fd >= 0) {
        errno = EINVAL;
    }
    if (n < 0) {
        *pwhy = apr_psprintf(p, "%s: %s", path, strerror(errno));
    }
    else if (n > TEMPLATE_MAX) {
        *pwhy = apr_psprintf(p, "%s has more than %d bytes", path, TEMPLATE_MAX);
    }
    if (fd >= 0) {
        close(fd);
    }
    *plen = n < 0 ? 0 : (apr_size_t)n;
    return *pwhy ? NULL : buf;
}

static const char *set_template(cfmt_templates_t *templates, const cfmt_template_conf_t *t,
                                apr_pool_t *p)
{
    apr_size_t len;
    const char *why, *text = read_template(&why, &len, t->path, p);

    if (text) {
        why = cfmt_template_set(templates, t->name, text, len, p);
    }
    return why && text ? apr_psprintf(p, "%s: %s", t->path, why) : why;
}

const cfmt_templates_t *cfmt_notify_templates(const cfmt_config_t *c, server_rec *s, apr_pool_t *p)
{
    cfmt_templates_t *templates = cfmt_templates_create(p);
    const cfmt_template_conf_t *t;
    const char *why;
    int i;

    for (i = 0; i < c->messages->nelts; i++) {
        t = &APR_ARRAY_IDX(c->messages, i, cfmt_template_conf_t);
        why = set_template(templates, t, p);
        if (why) { /* it was sound when configtest looked */
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                         CFMT_ID(1050) "CfmtMessage %s: %s; the built-in text is used", t->name,
                         why);
        }
    }
    return templates;
}

/* ---- configtest ------------------------------------------------------------------------------ */

static const cfmt_notify_conf_t *channel_of(const cfmt_config_t *c, const char *name)
{
    int i;

    for (i = 0; i < c->channels->nelts; i++) {
        const cfmt_notify_conf_t *n = &APR_ARRAY_IDX(c->channels, i, cfmt_notify_conf_t);

        if (!strcmp(n->channel.name, name)) {
            return n;
        }
    }
    return NULL;
}

/* What stands behind file:, NULL = nothing is read for this channel by this word. */
static const cfmt_secret_conf_t *source_of(const char *word, apr_pool_t *p)
{
    cfmt_secret_conf_t *sc;

    if (!word || strncmp(word, "file:", 5)) {
        return NULL;
    }
    sc = apr_pcalloc(p, sizeof(*sc));
    sc->source = CFMT_SOURCE_FILE;
    sc->value = word + 5;
    sc->label = "";
    return sc;
}

static void warn_source(server_rec *s, const cfmt_channel_conf_t *ch, const char *key,
                        const char *word, apr_pool_t *p)
{
    const cfmt_secret_conf_t *sc = source_of(word, p);
    const char *why = sc ? cfmt_secret_source_check(sc, p) : NULL;

    if (why) {
        cfmt_warn(s, CFMT_ID(1047) "CfmtNotify name=%s %s=: %s", ch->name, key, why);
    }
}

static void warn_channel(server_rec *s, const cfmt_channel_conf_t *ch, apr_pool_t *p)
{
    struct stat sb;

    warn_source(s, ch, "token", ch->token, p);
    warn_source(s, ch, "secret", ch->secret, p);
    warn_source(s, ch, "url", ch->url, p);
    if (ch->path && (stat(ch->path, &sb) != 0 || !S_ISREG(sb.st_mode) || !(sb.st_mode & 0111))) {
        cfmt_warn(s, CFMT_ID(1048) "CfmtNotify name=%s: %s is not a program that can be run: nobody"
                  " will be told by it", ch->name, ch->path);
    }
}

/* Each may be the other's; who is told is never told again by a third for the same message. */
static int check_fallback(server_rec *s, const cfmt_config_t *c, const cfmt_notify_conf_t *n)
{
    const char *fallback = n->channel.fallback;

    if (!fallback || channel_of(c, fallback)) {
        return 1;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 CFMT_ID(1045) "CfmtNotify name=%s (%s:%d): fallback=%s names no channel",
                 n->channel.name, n->file, n->line, fallback);
    return 0;
}

int cfmt_check_notify(server_rec *s, const cfmt_config_t *c, apr_pool_t *p)
{
    cfmt_templates_t *trial = cfmt_templates_create(p);
    int i, ok = 1;

    for (i = 0; i < c->channels->nelts; i++) {
        const cfmt_notify_conf_t *n = &APR_ARRAY_IDX(c->channels, i, cfmt_notify_conf_t);

        warn_channel(s, &n->channel, p);
        ok &= check_fallback(s, c, n);
    }
    for (i = 0; i < c->messages->nelts; i++) {
        const cfmt_template_conf_t *t = &APR_ARRAY_IDX(c->messages, i, cfmt_template_conf_t);
        const char *why = set_template(trial, t, p);

        if (why) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                         CFMT_ID(1046) "CfmtMessage %s (%s:%d): %s", t->name, t->file, t->line,
                         why);
            ok = 0;
        }
    }
    return ok;
}

/* ---- start ----------------------------------------------------------------------------------- */

/* The characters of a bot's token; what is none would make another URL of it. */
static int is_bot_token(const char *s)
{
    return !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_-")];
}

static int is_usable(const cfmt_channel_conf_t *ch, const char *key, const char *line,
                     const char **pwhy, apr_pool_t *ptemp)
{
    *pwhy = "it is no token of a bot";
    if (*key == 't') {
        return is_bot_token(line);
    }
    if (*key == 'u') {
        return cfmt_http_url_check(pwhy, line, ptemp) == APR_SUCCESS;
    }
    *pwhy = "it can be no secret: after 'whsec_' base64";
    return cfmt_signature_make(line, ch->name, "0", "", 0, ptemp) != NULL;
}

/* The first line of the file, wiped with pconf; what cannot be used is said once, here. */
static const char *read_line(server_rec *s, const cfmt_channel_conf_t *ch, const char *key,
                             const char *word, apr_pool_t *pconf, apr_pool_t *ptemp)
{
    const cfmt_secret_conf_t *sc = source_of(word, ptemp);
    const char *why, *line = cfmt_secret_source_line(sc, &why, pconf, ptemp);

    if (line && is_usable(ch, key, line, &why, ptemp)) {
        return line;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 CFMT_ID(1049) "CfmtNotify name=%s %s= cannot be used: %s; nothing goes out by this"
                 " channel; correct it, then restart or graceful", ch->name, key, why);
    return NULL;
}

const apr_array_header_t *cfmt_notify_channels(const cfmt_config_t *c, server_rec *s,
                                               apr_pool_t *pconf, apr_pool_t *ptemp)
{
    apr_array_header_t *all = apr_array_make(pconf, c->channels->nelts + 1,
                                             sizeof(cfmt_channel_conf_t));
    cfmt_channel_conf_t *ch;
    int i;

    for (i = 0; i < c->channels->nelts; i++) {
        ch = apr_array_push(all);
        *ch = APR_ARRAY_IDX(c->channels, i, cfmt_notify_conf_t).channel;
        if (ch->token) {
            ch->value = read_line(s, ch, "token", ch->token, pconf, ptemp);
        }
        if (ch->secret) {
            ch->value = read_line(s, ch, "secret", ch->secret, pconf, ptemp);
        }
        if (source_of(ch->url, ptemp)) {
            ch->url = read_line(s, ch, "url", ch->url, pconf, ptemp);
        }
    }
    return all;
}

/* ---- what is shown --------------------------------------------------------------------------- */

/* An address without what may be its secret. */
static const char *url_shown(const char *url, const char *more, apr_pool_t *p)
{
    const char *host = strstr(url, "://"), *path;

    if (!host) {
        return url; /* file:PATH */
    }
    path = host + 3 + strcspn(host + 3, "/?");
    return *path ? apr_pstrcat(p, apr_pstrmemdup(p, url, (apr_size_t)(path - url)), more, NULL)
                 : url;
}

/* Where it goes, for cfmtctl doctor; the only word that may have blanks is the last. */
static const char *way(const cfmt_channel_conf_t *ch, apr_pool_t *p)
{
    switch (ch->kind) {
    case CFMT_CHANNEL_TELEGRAM:
        return apr_pstrcat(p, "telegram chat=", ch->chat, " token=", ch->token, NULL);
    case CFMT_CHANNEL_WEBHOOK:
        return apr_pstrcat(p, "webhook url=", url_shown(ch->url, "", p), NULL);
    case CFMT_CHANNEL_COMMAND:
        return apr_pstrcat(p, "command path=", ch->path, NULL);
    default:
        return cfmt_channel_kind_name(ch->kind);
    }
}

void cfmt_notify_publish(apr_table_t *settings, const cfmt_config_t *c, apr_pool_t *p)
{
    const cfmt_channel_conf_t *ch;
    int i;

    for (i = 0; i < c->channels->nelts; i++) {
        ch = &APR_ARRAY_IDX(c->channels, i, cfmt_notify_conf_t).channel;
        apr_table_setn(settings, apr_pstrcat(p, "Notify ", ch->name, NULL),
                       cfmt_channel_words(ch, p));
        apr_table_setn(settings, apr_pstrcat(p, "Channel ", ch->name, NULL), way(ch, p));
    }
    apr_table_setn(settings, "TelegramUrl", cfmt_config_telegram_url(c));
}

static const char *word(const char *key, const char *value, apr_pool_t *p)
{
    return value ? apr_pstrcat(p, " ", key, "=", value, NULL) : "";
}

void cfmt_notify_dump(const cfmt_config_t *c, apr_pool_t *p)
{
    const cfmt_template_conf_t *t;
    const cfmt_channel_conf_t *ch;
    int i;

    if (!c->channels->nelts) {
        printf("# CfmtNotify none\n");
    }
    for (i = 0; i < c->channels->nelts; i++) {
        ch = &APR_ARRAY_IDX(c->channels, i, cfmt_notify_conf_t).channel;
        printf("%sCfmtNotify %s%s%s%s%s%s%s\n", ch->url ? "# " : "", cfmt_channel_words(ch, p),
               word("token", ch->token, p), word("chat", ch->chat, p), word("topic", ch->topic, p),
               ch->url ? word("url", url_shown(ch->url, "/...", p), p) : "",
               word("secret", ch->secret, p), word("path", ch->path, p));
    }
    for (i = 0; i < c->messages->nelts; i++) {
        t = &APR_ARRAY_IDX(c->messages, i, cfmt_template_conf_t);
        printf("CfmtMessage %s file:%s\n", t->name, t->path);
    }
    printf("CfmtTelegramUrl %s\n", cfmt_config_telegram_url(c));
}
