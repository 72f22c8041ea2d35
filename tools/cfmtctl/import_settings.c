/*
 * settings.json and prefix_mapping.json: what of them becomes configuration.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <apr_strings.h>

#include "import.h"

#define FILE_MAX (4 * 1024 * 1024)
#define NAME_MAX_LEN 40

static cfmt_json_t *parse(ctl_import_t *im, const ctl_source_t *source)
{
    static const cfmt_json_limits_t limits = { .depth = 16 };
    apr_size_t len;
    const char *why, *text = ctl_import_text(source->path, FILE_MAX, &len, im->p);
    cfmt_json_t *doc;

    if (!text) {
        ctl_import_unread(im, source->path, NULL, NULL, NULL, strerror(errno));
        im->part = 1;
        return NULL;
    }
    if (cfmt_json_parse(&doc, &why, text, len, &limits, im->p) != APR_SUCCESS
        || doc->type != CFMT_JSON_OBJECT) {
        ctl_import_unread(im, source->path, NULL, NULL, NULL, "not a JSON object");
        im->part = 1;
        return NULL;
    }
    return doc;
}

/* ---- settings.json --------------------------------------------------------------------------- */

/* A line of its own in a file; what a template left there is none. */
static int is_secret(const char *text)
{
    if (!strncmp(text, "YOUR", 4) || strchr("<${", *text)) {
        return 0;
    }
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || *text == 127) {
            return 0;
        }
    }
    return 1;
}

static int is_account(const char *text)
{
    return strlen(text) == 32 && strspn(text, "0123456789abcdefABCDEF") == 32;
}

static int is_chat(const char *text)
{
    apr_int64_t n;

    if (*text != '@') {
        return cfmt_int_parse(&n, text, APR_INT64_MIN, APR_INT64_MAX) == APR_SUCCESS && n != 0;
    }
    for (text++; isalnum((unsigned char)*text) || *text == '_'; text++) {
    }
    return *text == '\0' && text[-1] != '@';
}

typedef struct setting_t {
    const char *group, *name, *why;
    size_t offset;
    int (*fits)(const char *text);
    int secret; /* the value is not repeated */
} setting_t;

#define SETTING(group_, name_, member, fits_, secret_, why_) \
    { .group = group_, .name = name_, .why = why_, .fits = fits_, .secret = secret_, \
      .offset = offsetof(ctl_old_settings_t, member) }

#define NO_SECRET "not one word, or still the placeholder"

static const setting_t settings[] = {
    SETTING("cloudflare", "account_id", account, is_account, 0,
            "not 32 hexadecimal digits"),
    SETTING("cloudflare", "api_token", token, is_secret, 1, NO_SECRET),
    SETTING("cloudflare", "webhook_secret", secret, is_secret, 1, NO_SECRET),
    SETTING("telegram", "bot_token", bot, is_secret, 1, NO_SECRET),
    SETTING("telegram", "chat_id", chat, is_chat, 0, "neither a number nor an @name"),
};

static void take_setting(ctl_import_t *im, const ctl_source_t *source, const cfmt_json_t *doc,
                         const setting_t *s)
{
    const char **to = (const char **)((char *)&im->settings + s->offset);
    const char *text = cfmt_json_text(cfmt_json_get(doc, s->group), s->name);
    const char *column = apr_pstrcat(im->p, s->group, ".", s->name, NULL);

    if (!text) {
        ctl_import_unread(im, source->path, NULL, column, NULL, "missing or empty");
    }
    else if (!s->fits(text)) {
        ctl_import_unread(im, source->path, NULL, column, s->secret ? NULL : text, s->why);
    }
    else {
        *to = text;
    }
}

static void take_settings(ctl_import_t *im, const ctl_source_t *source)
{
    cfmt_json_t *doc = parse(im, source);
    apr_size_t i;

    for (i = 0; doc && i < sizeof(settings) / sizeof(settings[0]); i++) {
        take_setting(im, source, doc, &settings[i]);
    }
}

/* ---- prefix_mapping.json --------------------------------------------------------------------- */

/* The description as a name: what is no letter or digit becomes one '-'. NULL: nothing is left. */
static const char *name_of(const char *text, apr_pool_t *p)
{
    char *name = apr_palloc(p, NAME_MAX_LEN + 1), *to = name;

    for (; text && *text && to < name + NAME_MAX_LEN; text++) {
        if (isalnum((unsigned char)*text)) {
            *to++ = (char)tolower((unsigned char)*text);
        }
        else if (to > name && to[-1] != '-') {
            *to++ = '-';
        }
    }
    while (to > name && to[-1] == '-') {
        to--;
    }
    *to = '\0';
    return to > name ? name : NULL;
}

static const ctl_old_prefix_t *find(const ctl_import_t *im, const cfmt_cidr_t *cidr,
                                    const char *name)
{
    const apr_array_header_t *all = im->settings.prefixes;
    int i;

    for (i = 0; i < all->nelts; i++) {
        const ctl_old_prefix_t *old = &APR_ARRAY_IDX(all, i, ctl_old_prefix_t);

        if (cidr ? !cfmt_cidr_compare(&old->cidr, cidr) : cfmt_text_same(old->name, name)) {
            return old;
        }
    }
    return NULL;
}

static void take_prefix(ctl_import_t *im, const ctl_source_t *source, const cfmt_json_t *m)
{
    ctl_old_prefix_t old = { .name = NULL };
    int host_bits = 0;

    if (cfmt_cidr_parse(&old.cidr, &host_bits, m->key) != APR_SUCCESS || host_bits) {
        ctl_import_unread(im, source->path, NULL, m->key, NULL,
                          host_bits ? "bits are set behind its length" : "not a network");
        return;
    }
    old.text = cfmt_cidr_format(im->p, &old.cidr);
    if (!strchr(old.text, '/')) {
        ctl_import_unread(im, source->path, NULL, m->key, NULL, "an address, and no network");
        return;
    }
    if (find(im, &old.cidr, NULL)) {
        ctl_import_unread(im, source->path, NULL, m->key, NULL, "there twice: the first counts");
        return;
    }
    old.description = cfmt_json_text(m, "description");
    old.name = name_of(old.description, im->p);
    if (old.name && find(im, NULL, old.name)) {
        old.name = NULL; /* a name means one prefix */
    }
    APR_ARRAY_PUSH(im->settings.prefixes, ctl_old_prefix_t) = old;
}

static void take_mapping(ctl_import_t *im, const ctl_source_t *source)
{
    const cfmt_json_t *m, *doc = parse(im, source);
    const cfmt_json_t *below = cfmt_json_get(doc, "prefixes");

    doc = below ? below : doc;
    for (m = doc && doc->type == CFMT_JSON_OBJECT ? doc->child : NULL; m; m = m->next) {
        take_prefix(im, source, m);
    }
}

/* ---- all ------------------------------------------------------------------------------------- */

/* Two that differ are two installations: nobody can say which is meant. */
void ctl_import_settings(ctl_import_t *im)
{
    int i, seen[CTL_SOURCE_WEBHOOKS + 1] = { 0 };

    for (i = 0; i < im->sources->nelts; i++) {
        const ctl_source_t *source = &APR_ARRAY_IDX(im->sources, i, ctl_source_t);

        if (source->what != CTL_SOURCE_SETTINGS && source->what != CTL_SOURCE_MAPPING) {
            continue;
        }
        if (seen[source->what]++) {
            ctl_import_unread(im, source->path, NULL, NULL, NULL,
                              "a second one: left out, name the one that is meant");
        }
        else if (source->what == CTL_SOURCE_SETTINGS) {
            take_settings(im, source);
        }
        else {
            take_mapping(im, source);
        }
    }
}
