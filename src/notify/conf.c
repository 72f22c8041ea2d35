/*
 * One CfmtNotify line: words of KEY=VALUE, a table of keys, and what a channel must have. Sentences
 * name the key and never the value where that may be a secret.
 */
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "cfmt_notify.h"

#define NAME_MAX_BYTES 32
#define AFTER apr_time_from_sec(600)
#define AFTER_MIN apr_time_from_sec(60)
#define AFTER_MAX apr_time_from_sec(86400)

static const char *const kinds[CFMT_CHANNEL_KINDS] = { "telegram", "webhook", "command", "syslog" };
static const char *const threads[] = { "reply", "edit", "off", NULL };

const char *cfmt_channel_kind_name(cfmt_channel_e kind)
{
    return kinds[kind];
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Each checks a value and puts it into c. NULL, or what is allowed. */
typedef const char *key_fn(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p);

static const char *key_name(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    apr_size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-");

    (void)p;
    c->name = value;
    return n && n <= NAME_MAX_BYTES && !value[n] ? NULL : "1 to 32 of a-z 0-9 -";
}

static int is_source(const char *value)
{
    return !strncmp(value, "file:", 5) && value[5];
}

static const char *key_token(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    (void)p;
    c->token = value;
    return is_source(value) ? NULL : "file:PATH, whose first line is the token of the bot";
}

static const char *key_secret(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    (void)p;
    c->secret = value;
    return is_source(value) ? NULL : "file:PATH, whose first line is the secret";
}

/* An address of a chat system is a secret in most of them: it may stand in a file. */
static const char *key_url(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    const char *why;

    c->url = value;
    if (is_source(value) || cfmt_http_url_check(&why, value, p) == APR_SUCCESS) {
        return NULL;
    }
    return apr_psprintf(p, "file:PATH, or https://HOST/..., http:// to this host only (%s)", why);
}

static const char *key_chat(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    apr_int64_t n;

    (void)p;
    c->chat = value;
    if (*value == '@' ? value[1] && !value[1 + strspn(value + 1, "abcdefghijklmnopqrstuvwxyz_"
                                                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")]
                      : cfmt_int_parse(&n, value, APR_INT64_MIN, APR_INT64_MAX) == APR_SUCCESS
                            && n != 0) {
        return NULL;
    }
    return "the number of a chat (groups are negative) or the @name of a public one";
}

static const char *key_topic(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    apr_int64_t n;

    (void)p;
    c->topic = value;
    return cfmt_int_parse(&n, value, 1, APR_INT64_MAX) == APR_SUCCESS ? NULL
                                                                      : "the number of a topic";
}

static const char *key_path(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    (void)p;
    c->path = value;
    return *value == '/' ? NULL : "an absolute path";
}

static const struct {
    const char *name;
    int value;
} facilities[] = {
    { "auth", LOG_AUTH },     { "authpriv", LOG_AUTHPRIV }, { "cron", LOG_CRON },
    { "daemon", LOG_DAEMON }, { "local0", LOG_LOCAL0 },     { "local1", LOG_LOCAL1 },
    { "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 },     { "local4", LOG_LOCAL4 },
    { "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 },     { "local7", LOG_LOCAL7 },
    { "user", LOG_USER },
};

static const char *key_facility(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    apr_size_t i;

    (void)p;
    for (i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++) {
        if (!strcasecmp(facilities[i].name, value)) {
            c->facility = facilities[i].value;
            return NULL;
        }
    }
    return "auth, authpriv, cron, daemon, user, local0 to local7";
}

static char *lower(const char *text, apr_pool_t *p)
{
    char *s = apr_pstrdup(p, text), *c;

    for (c = s; *c; c++) {
        *c = (char)apr_tolower(*c);
    }
    return s;
}

static const char *priority(cfmt_urgency_e *pv, const char *value, apr_pool_t *p)
{
    int i = cfmt_urgency_find(lower(value, p));

    *pv = i < 0 ? *pv : (cfmt_urgency_e)i;
    return i < 0 ? "critical, high, normal, low" : NULL;
}

static const char *key_min(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    return priority(&c->min, value, p);
}

const char *cfmt_channel_types(apr_pool_t *p)
{
    const char *all = cfmt_news_name(0);
    int i;

    for (i = 1; i < CFMT_NEWS_COUNT; i++) {
        all = apr_pstrcat(p, all, ", ", cfmt_news_name((cfmt_news_e)i), NULL);
    }
    return all;
}

static const char *key_types(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    char *last, *copy = lower(value, p);
    const char *word = apr_strtok(copy, ",", &last);
    int kind;

    c->kinds = 0;
    for (; word; word = apr_strtok(NULL, ",", &last)) {
        kind = cfmt_news_find(word);
        if (kind < 0) {
            return apr_pstrcat(p, "some of ", cfmt_channel_types(p),
                               ", with commas between them", NULL);
        }
        c->kinds |= (apr_uint64_t)1 << kind;
    }
    return c->kinds ? NULL : "at least one kind";
}

static const char *key_prefixes(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    char *last, *copy = apr_pstrdup(p, value);
    const char *word = apr_strtok(copy, ",", &last);
    int host_bits = 0;

    c->prefixes = apr_array_make(p, 4, sizeof(cfmt_cidr_t));
    for (; word; word = apr_strtok(NULL, ",", &last)) {
        if (cfmt_cidr_parse(apr_array_push(c->prefixes), &host_bits, word) != APR_SUCCESS
            || host_bits) {
            return "networks without bits behind their length, with commas between them";
        }
    }
    return c->prefixes->nelts ? NULL : "at least one network";
}

static const char *key_fallback(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    (void)p;
    c->fallback = value;
    return *value ? NULL : "the name of another channel";
}

static const char *key_after(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    (void)p;
    return cfmt_duration_parse(&c->after, value) == APR_SUCCESS && c->after >= AFTER_MIN
                   && c->after <= AFTER_MAX
               ? NULL : "1min to 1d";
}

/* "HH:MM" and nothing behind it but what ends says: minutes of the day, or -1. */
static int minutes(const char *s, const char *ends)
{
    int h, m;

    if (!apr_isdigit(s[0]) || !apr_isdigit(s[1]) || s[2] != ':' || !apr_isdigit(s[3])
        || !apr_isdigit(s[4]) || (s[5] ? !strchr(ends, s[5]) : *ends && *ends != ',')) {
        return -1;
    }
    h = (s[0] - '0') * 10 + s[1] - '0';
    m = (s[3] - '0') * 10 + s[4] - '0';
    return h < 24 && m < 60 ? h * 60 + m : -1;
}

static const char *key_quiet(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    static const char allowed[] = "HH:MM-HH:MM, then perhaps ,max=PRIORITY (example: "
                                  "22:00-07:00,max=high)";
    const char *rest;

    c->quiet_from = minutes(value, "-");
    c->quiet_to = c->quiet_from < 0 ? -1 : minutes(value + 6, ",");
    if (c->quiet_to < 0) {
        return allowed;
    }
    rest = value + 11;
    return !*rest || (!strncasecmp(rest, ",max=", 5) && !priority(&c->quiet_max, rest + 5, p))
               ? NULL : allowed;
}

static const char *key_thread(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    int i;

    (void)p;
    for (i = 0; threads[i] && strcasecmp(threads[i], value); i++) {
    }
    c->thread = threads[i] ? (cfmt_thread_e)i : c->thread;
    return threads[i] ? NULL : "reply, edit, off";
}

static const char *key_daily(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    (void)p;
    c->daily = minutes(value, "");
    return c->daily < 0 ? "HH:MM, local time" : NULL;
}

static const char *key_lifecycle(cfmt_channel_conf_t *c, const char *value, apr_pool_t *p)
{
    (void)p;
    c->lifecycle = !strcasecmp(value, "on");
    return c->lifecycle || !strcasecmp(value, "off") ? NULL : "on, off";
}

/* ---- the table of keys ----------------------------------------------------------------------- */

#define TELEGRAM (1 << CFMT_CHANNEL_TELEGRAM)
#define WEBHOOK (1 << CFMT_CHANNEL_WEBHOOK)
#define COMMAND (1 << CFMT_CHANNEL_COMMAND)
#define SYSLOG (1 << CFMT_CHANNEL_SYSLOG)
#define EVERY (TELEGRAM | WEBHOOK | COMMAND | SYSLOG)

static const struct {
    const char *name;
    key_fn *parse;
    int of, needed; /* by which kinds of channels */
} keys[] = {
    { "name", key_name, EVERY, EVERY },
    { "token", key_token, TELEGRAM, TELEGRAM },
    { "chat", key_chat, TELEGRAM, TELEGRAM },
    { "topic", key_topic, TELEGRAM, 0 },
    { "url", key_url, WEBHOOK, WEBHOOK },
    { "secret", key_secret, WEBHOOK, 0 },
    { "path", key_path, COMMAND, COMMAND },
    { "facility", key_facility, SYSLOG, 0 },
    { "min", key_min, EVERY, 0 },
    { "types", key_types, EVERY, 0 },
    { "prefixes", key_prefixes, EVERY, 0 },
    { "fallback", key_fallback, EVERY, 0 },
    { "after", key_after, EVERY, 0 },
    { "quiet", key_quiet, EVERY, 0 },
    { "thread", key_thread, TELEGRAM, 0 },
    { "daily", key_daily, EVERY, 0 },
    { "lifecycle", key_lifecycle, EVERY, 0 },
};
#define KEYS ((int)(sizeof(keys) / sizeof(keys[0])))

/* The keys of a kind, or those of them that it needs. */
static const char *names_of(int kind, int needed, apr_pool_t *p)
{
    const char *all = NULL;
    int i;

    for (i = 0; i < KEYS; i++) {
        if ((needed ? keys[i].needed : keys[i].of) & 1 << kind) {
            all = apr_pstrcat(p, all ? all : "", all ? ", " : "", keys[i].name, "=", NULL);
        }
    }
    return all;
}

/* The part before '='; the value may be a secret that was meant for a file. */
static const char *key_of(const char *word, apr_pool_t *p)
{
    apr_size_t n = strcspn(word, "=");

    return apr_pstrmemdup(p, word, word[n] ? n : 0);
}

static const char *parse_word(cfmt_channel_conf_t *c, unsigned *pseen, const char *word,
                              apr_pool_t *p)
{
    const char *key = key_of(word, p), *why;
    int i;

    for (i = 0; i < KEYS && (strcasecmp(keys[i].name, key) || !(keys[i].of & 1 << c->kind)); i++) {
    }
    if (i == KEYS) {
        return apr_psprintf(p, "%s is not known of a channel of kind %s; allowed: %s",
                            *key ? apr_pstrcat(p, "'", key, "='", NULL) : "a word without '='",
                            kinds[c->kind], names_of(c->kind, 0, p));
    }
    if (*pseen & 1U << i) {
        return apr_psprintf(p, "%s= stands twice", key);
    }
    *pseen |= 1U << i;
    why = keys[i].parse(c, apr_pstrdup(p, word + strlen(key) + 1), p);
    return why ? apr_psprintf(p, "%s=: this value cannot be; allowed: %s", key, why) : NULL;
}

static const char *init(cfmt_channel_conf_t *c, const char *kind)
{
    int i;

    memset(c, 0, sizeof(*c));
    for (i = 0; i < CFMT_CHANNEL_KINDS && strcasecmp(kinds[i], kind); i++) {
    }
    c->kind = (cfmt_channel_e)i;
    c->facility = LOG_DAEMON;
    c->min = CFMT_URGENCY_LOW;
    c->kinds = ((apr_uint64_t)1 << CFMT_NEWS_COUNT) - 1;
    c->after = AFTER;
    c->quiet_max = CFMT_URGENCY_CRITICAL;
    c->thread = i == CFMT_CHANNEL_TELEGRAM ? CFMT_THREAD_REPLY : CFMT_THREAD_OFF;
    c->daily = -1;
    return i < CFMT_CHANNEL_KINDS
               ? NULL : "the first word is the kind of a channel: telegram, webhook, command or"
                        " syslog";
}

/* needed: keys that must be there by this time, as bits of a word of the table. */
static const char *parse(cfmt_channel_conf_t *c, unsigned *pseen, const char *kind,
                         const char *const *words, int n, apr_pool_t *p)
{
    const char *why = init(c, kind);
    int i;

    *pseen = 0;
    for (i = 0; !why && i < n; i++) {
        why = parse_word(c, pseen, words[i], p);
    }
    if (!why && c->fallback && !strcmp(c->fallback, c->name ? c->name : "")) {
        why = "fallback= names the channel itself";
    }
    return why;
}

const char *cfmt_channel_parse(cfmt_channel_conf_t *c, const char *kind, const char *const *words,
                               int n, apr_pool_t *p)
{
    unsigned seen;
    const char *why = parse(c, &seen, kind, words, n, p);
    int i;

    for (i = 0; !why && i < KEYS; i++) {
        if (keys[i].needed & 1 << c->kind && !(seen & 1U << i)) {
            why = apr_psprintf(p, "%s= is missing; a channel of kind %s needs %s", keys[i].name,
                               kinds[c->kind], names_of(c->kind, 1, p));
        }
        else if (!strcmp(keys[i].name, "after") && seen & 1U << i && !c->fallback) {
            why = "after= is the time until fallback=, which is missing";
        }
    }
    return why;
}

/* ---- as published ---------------------------------------------------------------------------- */

static const char *types_text(const cfmt_channel_conf_t *c, apr_pool_t *p)
{
    const char *all = NULL;
    int i;

    if (c->kinds == ((apr_uint64_t)1 << CFMT_NEWS_COUNT) - 1) {
        return "";
    }
    for (i = 0; i < CFMT_NEWS_COUNT; i++) {
        if (c->kinds & (apr_uint64_t)1 << i) {
            all = apr_pstrcat(p, all ? all : " types=", all ? "," : "",
                              cfmt_news_name((cfmt_news_e)i), NULL);
        }
    }
    return all;
}

static const char *prefixes_text(const cfmt_channel_conf_t *c, apr_pool_t *p)
{
    const char *all = "";
    int i;

    for (i = 0; c->prefixes && i < c->prefixes->nelts; i++) {
        all = apr_pstrcat(p, i ? all : " prefixes=", i ? "," : "",
                          cfmt_cidr_format(p, &APR_ARRAY_IDX(c->prefixes, i, cfmt_cidr_t)), NULL);
    }
    return all;
}

/* No reader of durations takes "1m30s": seconds. */
static const char *fallback_text(const cfmt_channel_conf_t *c, apr_pool_t *p)
{
    return c->fallback ? apr_psprintf(p, " fallback=%s after=%" APR_TIME_T_FMT "s", c->fallback,
                                      apr_time_sec(c->after)) : "";
}

static const char *clock_text(const char *key, int minute, apr_pool_t *p)
{
    return apr_psprintf(p, "%s%02d:%02d", key, minute / 60, minute % 60);
}

static const char *hours_text(const cfmt_channel_conf_t *c, apr_pool_t *p)
{
    const char *quiet = "";

    if (c->quiet_from != c->quiet_to) {
        quiet = apr_pstrcat(p, clock_text(" quiet=", c->quiet_from, p),
                            clock_text("-", c->quiet_to, p), ",max=",
                            cfmt_urgency_name(c->quiet_max), NULL);
    }
    return c->daily < 0 ? quiet : apr_pstrcat(p, quiet, clock_text(" daily=", c->daily, p), NULL);
}

static const char *facility_text(const cfmt_channel_conf_t *c)
{
    apr_size_t i = 0;

    while (facilities[i].value != c->facility) {
        i++;
    }
    return facilities[i].name;
}

/* What only one kind has. */
static const char *own_text(const cfmt_channel_conf_t *c, apr_pool_t *p)
{
    return c->kind == CFMT_CHANNEL_TELEGRAM
               ? apr_pstrcat(p, " thread=", threads[c->thread], NULL)
           : c->kind == CFMT_CHANNEL_SYSLOG
               ? apr_pstrcat(p, " facility=", facility_text(c), NULL) : "";
}

const char *cfmt_channel_words(const cfmt_channel_conf_t *c, apr_pool_t *p)
{
    return apr_pstrcat(p, kinds[c->kind], " name=", c->name, " min=", cfmt_urgency_name(c->min),
                       types_text(c, p), prefixes_text(c, p), fallback_text(c, p),
                       hours_text(c, p), own_text(c, p),
                       c->lifecycle ? " lifecycle=on" : "", NULL);
}

const char *cfmt_channel_read(cfmt_channel_conf_t *c, const char *words, apr_pool_t *p)
{
    char **argv;
    const char *why = "it cannot be divided into words";
    unsigned seen;
    int n = 0;

    if (apr_tokenize_to_argv(words, &argv, p) == APR_SUCCESS && argv[0]) {
        while (argv[n + 1]) {
            n++;
        }
        why = parse(c, &seen, argv[0], (const char *const *)argv + 1, n, p);
    }
    return why ? why : c->name ? NULL : "it has no name";
}
