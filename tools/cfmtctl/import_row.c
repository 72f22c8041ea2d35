/*
 * One row of the old system as the journal keeps it: its columns word for word, but without
 * secrets; its times as they can be understood; and what cannot be.
 */
#include <string.h>

#include <apr_strings.h>

#include "import.h"

#define NAME_PART 80   /* bytes of an id or a time in a name */
#define SECRET_MIN 8   /* shorter ones would be found in any text */
#define TEXT_SHOWN 60  /* of a value that is not understood */
#define FILE_TIME "file_at" /* when a file was written, or copied: better than nothing */

typedef struct row_t {
    ctl_import_t *im;
    ctl_row_t *out;
    const char *id;
    apr_array_header_t *times, *ambiguous; /* const char *: members, and elements, of JSON */
    apr_pool_t *p;
} row_t;

static void unread(row_t *r, const char *column, const char *value, const char *why)
{
    r->out->unread++;
    ctl_import_unread(r->im, r->out->source, r->id, column,
                      value ? cfmt_text_escape(r->p, value, strlen(value), TEXT_SHOWN) : NULL, why);
}

/* ---- values ---------------------------------------------------------------------------------- */

typedef enum { VALUE_TEXT, VALUE_TIME, VALUE_JSON, VALUE_NETWORK, VALUE_NUMBER } value_e;

static value_e kind_of(const char *column)
{
    static const struct {
        const char *name;
        value_e kind;
    } kinds[] = {
        { "event_datetime", VALUE_TIME }, { "timestamp", VALUE_TIME },
        { "withdraw_after", VALUE_TIME }, { "payload", VALUE_JSON },
        { "raw_payload", VALUE_JSON }, { "raw_data", VALUE_JSON },
        { "prefix", VALUE_NETWORK }, { "target_prefix", VALUE_NETWORK },
        { "target_ip", VALUE_NETWORK }, { "source_ip", VALUE_NETWORK },
        { "destination_ip", VALUE_NETWORK }, { "packets_per_second", VALUE_NUMBER },
        { "megabits_per_second", VALUE_NUMBER }, { "packets", VALUE_NUMBER },
        { "bits", VALUE_NUMBER },
    };
    size_t len = strlen(column), i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!strcmp(kinds[i].name, column)) {
            return kinds[i].kind;
        }
    }
    return len > 3 && !strcmp(column + len - 3, "_at") ? VALUE_TIME : VALUE_TEXT;
}

static void take_time(row_t *r, const char *column, const char *text)
{
    apr_time_t at;
    ctl_time_e how = ctl_old_time(&at, text, r->p);
    const char *name = ctl_json_string(r->p, column);

    if (how == CTL_TIME_NONE) {
        unread(r, column, text, "no time");
        return;
    }
    APR_ARRAY_PUSH(r->times, const char *) = apr_psprintf(r->p, "%s:%" APR_TIME_T_FMT, name, at);
    if (how == CTL_TIME_AMBIGUOUS || !strcmp(column, FILE_TIME)) {
        APR_ARRAY_PUSH(r->ambiguous, const char *) = name;
    }
}

/* What is understood of a column's text; the text itself is kept whatever it is. */
static void take_value(row_t *r, const char *column, const char *text)
{
    static const cfmt_json_limits_t limits = { .depth = 32 };
    cfmt_cidr_t cidr;
    cfmt_json_t *doc;
    const char *why;
    double v;

    switch (kind_of(column)) {
    case VALUE_TIME:
        take_time(r, column, text);
        break;
    case VALUE_JSON:
        if (cfmt_json_parse(&doc, &why, text, strlen(text), &limits, r->p) != APR_SUCCESS) {
            unread(r, column, text, "not JSON");
        }
        break;
    case VALUE_NETWORK:
        if (cfmt_cidr_parse(&cidr, NULL, text) != APR_SUCCESS) {
            unread(r, column, text, "neither an address nor a network");
        }
        break;
    case VALUE_NUMBER:
        if (cfmt_rate_parse(&v, text) != APR_SUCCESS) {
            unread(r, column, text, "not a number");
        }
        break;
    default:
        break;
    }
}

static void take_columns(row_t *r, const cfmt_json_t *columns)
{
    const cfmt_json_t *m;

    for (m = columns->child; m; m = m->next) {
        if ((m->type == CFMT_JSON_STRING || m->type == CFMT_JSON_NUMBER) && m->len) {
            take_value(r, m->key, m->text);
        }
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

static const cfmt_json_t *member(const cfmt_json_t *doc, const char *name)
{
    const cfmt_json_t *m = cfmt_json_get(doc, name);

    return m && (m->type == CFMT_JSON_OBJECT || m->type == CFMT_JSON_STRING) ? m : NULL;
}

/* What came in, where the file is more than that; else all of the file. */
static const cfmt_json_t *body_of(const cfmt_json_t *doc)
{
    const cfmt_json_t *body;

    if (cfmt_json_get(doc, "alert_type") || cfmt_json_get(doc, "text")) {
        return doc;
    }
    body = member(doc, "payload");
    body = body ? body : member(doc, "body");
    return body ? body : doc;
}

/*
 * The file as a row: `payload` and, of what is around it, when it came. Nothing else is taken
 * along: headers have the secret in them.
 */
static const char *file_columns(row_t *r, const cfmt_json_t *line)
{
    static const cfmt_json_limits_t limits = { .depth = 32 };
    const cfmt_json_t *text = cfmt_json_get(line, "text"), *body;
    const char *at = cfmt_json_text(line, FILE_TIME), *when = NULL, *why;
    cfmt_json_t *doc;

    if (!text || cfmt_json_parse(&doc, &why, text->text, text->len, &limits, r->p) != APR_SUCCESS) {
        unread(r, NULL, NULL, "the file is not JSON, and is left out");
        return NULL;
    }
    body = body_of(doc);
    if (body != doc) {
        when = cfmt_json_text(doc, "received_at");
        when = when ? when : cfmt_json_text(doc, "timestamp");
    }
    at = when || cfmt_json_get(body, "ts") ? NULL : at; /* another one in each copy */
    return apr_pstrcat(r->p, "{\"payload\":",
                       ctl_json_string(r->p, body->type == CFMT_JSON_STRING
                                                 ? body->text : ctl_json_value(r->p, body)),
                       when ? ",\"received_at\":" : "", when ? ctl_json_string(r->p, when) : "",
                       at ? ",\"" FILE_TIME "\":" : "", at ? at : "", "}", NULL);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* A secret that came along in some text must not come to stand where many may read. */
static const char *hide(const char *text, const char *secret, apr_pool_t *p)
{
    const char *at, *done = "";

    while (secret && strlen(secret) >= SECRET_MIN && (at = strstr(text, secret))) {
        done = apr_pstrcat(p, done, apr_pstrmemdup(p, text, (apr_size_t)(at - text)), "[secret]",
                           NULL);
        text = at + strlen(secret);
    }
    return apr_pstrcat(p, done, text, NULL);
}

static const char *part_of(const char *text, apr_pool_t *p)
{
    return cfmt_text_escape(p, text, strlen(text), NAME_PART);
}

static const char *first_of(const cfmt_json_t *columns, const char *const *names, apr_pool_t *p)
{
    const char *text = NULL;

    while (!text && *names) {
        text = cfmt_json_text(columns, *names++);
    }
    return text ? part_of(text, p) : "";
}

/*
 * Its table and id; and what else of it stays, because a database that was made anew counts from 1
 * again.
 */
static const char *name_of(row_t *r, const cfmt_json_t *columns, const char *text)
{
    static const char *const times[] = { "created_at", "received_at", "event_datetime", NULL };
    static const char *const ids[] = { "attack_id", "alert_id", "event_hash", NULL };
    const char *source = r->out->source;

    r->out->nameless = !r->id;
    if (!r->id || !strcmp(source, CFMT_LEGACY_WEBHOOKS)) {
        text = r->id ? cfmt_json_text(columns, "payload") : text;
        text = text ? text : "";
        return apr_psprintf(r->p, "%s/%s/%016" APR_UINT64_T_HEX_FMT, source,
                            r->id ? part_of(r->id, r->p) : "",
                            (apr_uint64_t)cfmt_digest64(text, strlen(text)));
    }
    return apr_pstrcat(r->p, source, "/", part_of(r->id, r->p), "/",
                       first_of(columns, times, r->p), "/", first_of(columns, ids, r->p), NULL);
}

static const char *joined(const row_t *r, const apr_array_header_t *parts)
{
    return apr_array_pstrcat(r->p, parts, ',');
}

void ctl_import_row(ctl_import_t *im, ctl_row_t *row, const cfmt_json_t *line, apr_pool_t *p)
{
    static const cfmt_json_limits_t limits = { .depth = 4 };
    row_t r = { .im = im, .out = row, .id = cfmt_json_text(line, "id"), .p = p };
    const cfmt_json_t *given = cfmt_json_get(line, "columns");
    const char *why, *columns;
    cfmt_json_t *doc;

    r.times = apr_array_make(p, 8, sizeof(const char *));
    r.ambiguous = apr_array_make(p, 8, sizeof(const char *));
    columns = given ? ctl_json_value(p, given) : file_columns(&r, line);
    columns = columns ? hide(columns, im->settings.secret, p) : NULL;
    columns = columns ? hide(hide(columns, im->settings.token, p), im->settings.bot, p) : NULL;
    if (!columns || cfmt_json_parse(&doc, &why, columns, strlen(columns), &limits, p)
                        != APR_SUCCESS) {
        row->body = NULL;
        return;
    }
    take_columns(&r, doc);
    row->name = name_of(&r, doc, columns);
    row->ambiguous = r.ambiguous->nelts;
    row->body = apr_pstrcat(p, "{\"source\":", ctl_json_string(p, row->source),
                            ",\"id\":", ctl_json_string(p, r.id), ",\"times\":{",
                            joined(&r, r.times), "},\"ambiguous\":[", joined(&r, r.ambiguous),
                            "],\"columns\":", columns, "}", NULL);
}
