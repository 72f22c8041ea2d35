/*
 * What a decision rested on and the journal does not have (ages of readings, the breaker, what a
 * program answered, what had been told), as JSON in the body of its journal row: with it the
 * decision can be made again. One table, read and written alike.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store.h"

#define FORM 1 /* "version" of what is written here */

typedef enum { USED_INT, USED_INT64, USED_TEXT } used_e;

#define INT(member) \
    { .name = #member, .kind = USED_INT, .offset = offsetof(cfmt_case_t, member) }
#define INT64(member) \
    { .name = #member, .kind = USED_INT64, .offset = offsetof(cfmt_case_t, member) }
#define TEXT(member) \
    { .name = #member, .kind = USED_TEXT, .offset = offsetof(cfmt_case_t, member) }
#define OFFER(which) \
    { .name = #which ".state", .kind = USED_INT, .offset = offsetof(cfmt_case_t, which.state) }, \
    INT64(which.id), INT64(which.advertised_at), INT64(which.at), INT64(which.until), \
    TEXT(which.by)

/* A name that has been written once keeps its meaning. What is 0 or NULL is left out. */
static const struct {
    const char *name;
    used_e kind;
    apr_size_t offset;
} members[] = {
    INT(listed), INT64(read_at), INT64(complete), INT64(poll_at),
    INT64(orphan_told_at), INT64(paged_at),
    INT(check), INT64(check_asked_at), INT64(check_answered_at), INT(check_ok), TEXT(check_text),
    INT(api_closed), INT64(api_since), INT64(api_retry_at), INT(budget),
    INT64(cursor), INT64(head), INT(jumped), INT64(jumped_at), INT(behind), INT64(behind_by),
    INT64(look_at), INT64(look_state_at), INT64(look_traffic_at), INT(look_above),
    INT64(fresh_max), INT64(check_limit), INT64(look_limit),
    OFFER(withdraw_offer), OFFER(advertise_offer),
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

typedef char an_enum_is_an_int[sizeof(cfmt_offer_e) == sizeof(int) ? 1 : -1];

/* ---- encode ---------------------------------------------------------------------------------- */

/* ,"name":value; "" for what says nothing. */
static const char *encode(apr_size_t i, const cfmt_case_t *c, apr_pool_t *p)
{
    const char *at = (const char *)c + members[i].offset;
    apr_int64_t n;

    if (members[i].kind == USED_TEXT) {
        const char *text = *(const char *const *)at;

        return text ? apr_pstrcat(p, ",\"", members[i].name, "\":", cfmt_json_quote(p, text), NULL)
                    : "";
    }
    n = members[i].kind == USED_INT ? *(const int *)at : *(const apr_int64_t *)at;
    return n ? apr_psprintf(p, ",\"%s\":%" APR_INT64_T_FMT, members[i].name, n) : "";
}

const char *cfmt_used_encode(const cfmt_used_t *u, apr_pool_t *p)
{
    apr_array_header_t *out = apr_array_make(p, MEMBERS + 2, sizeof(const char *));
    apr_size_t i;

    APR_ARRAY_PUSH(out, const char *) =
        apr_psprintf(p, "{\"version\":%d,\"config\":\"%016" APR_UINT64_T_HEX_FMT "\",\"skew\":%"
                        APR_INT64_T_FMT, FORM, u->config, u->skew);
    for (i = 0; i < MEMBERS; i++) {
        APR_ARRAY_PUSH(out, const char *) = encode(i, &u->c, p);
    }
    APR_ARRAY_PUSH(out, const char *) = "}";
    return apr_array_pstrcat(p, out, 0);
}

/* ---- decode ---------------------------------------------------------------------------------- */

static int decode(apr_size_t i, cfmt_case_t *c, const cfmt_json_t *o)
{
    const cfmt_json_t *m = cfmt_json_get(o, members[i].name);
    char *at = (char *)c + members[i].offset;
    apr_int64_t n = 0;

    if (members[i].kind == USED_TEXT) {
        *(const char **)at = m ? m->text : NULL; /* "" is not NULL */
        return !m || m->type == CFMT_JSON_STRING;
    }
    if (m && cfmt_json_int(&n, o, members[i].name) != APR_SUCCESS) {
        return 0;
    }
    if (members[i].kind == USED_INT64) {
        *(apr_int64_t *)at = n;
        return 1;
    }
    *(int *)at = (int)n;
    return n >= -1 && n <= 1000;
}

static int decode_head(cfmt_used_t *u, const cfmt_json_t *o)
{
    const char *config = cfmt_json_text(o, "config");
    apr_int64_t version;
    char *end;

    if (cfmt_json_int(&version, o, "version") != APR_SUCCESS || version != FORM
        || cfmt_json_int(&u->skew, o, "skew") != APR_SUCCESS || !config || strlen(config) != 16) {
        return 0;
    }
    u->config = (apr_uint64_t)strtoull(config, &end, 16);
    return !*end;
}

apr_status_t cfmt_used_decode(cfmt_used_t *u, const cfmt_json_t *o)
{
    apr_size_t i;
    int good;

    memset(u, 0, sizeof(*u));
    good = o && o->type == CFMT_JSON_OBJECT && decode_head(u, o);
    for (i = 0; good && i < MEMBERS; i++) {
        good = decode(i, &u->c, o);
    }
    return good ? APR_SUCCESS : CFMT_EINVALID;
}

/* ---- use ------------------------------------------------------------------------------------- */

void cfmt_used_apply(cfmt_case_t *c, const cfmt_used_t *u)
{
    apr_size_t i, size;

    for (i = 0; i < MEMBERS; i++) {
        size = members[i].kind == USED_INT ? sizeof(int)
               : members[i].kind == USED_TEXT ? sizeof(const char *) : sizeof(apr_int64_t);
        memcpy((char *)c + members[i].offset, (const char *)&u->c + members[i].offset, size);
    }
}

apr_uint64_t cfmt_settings_digest(const apr_table_t *settings, apr_pool_t *ptemp)
{
    const char *text = cfmt_settings_encode(settings, ptemp);

    return (apr_uint64_t)cfmt_digest64(text, strlen(text));
}
