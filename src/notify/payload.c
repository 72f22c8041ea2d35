/*
 * What receivers and programs get: a text that chat systems show as it is, and beside it all that
 * the text was made of. Ours is one member, because chat systems have meanings of their own for
 * words like channel and priority.
 */
#include <string.h>

#include <apr_strings.h>

#include "out.h"

const char *cfmt_payload_id(const cfmt_message_t *m, apr_pool_t *p)
{
    /* a store that is made anew counts from 1 again; what failed may be tried with others in it */
    const char *what = apr_psprintf(p, "%" APR_TIME_T_FMT " %s %" APR_UINT64_T_FMT, m->news.at,
                                    m->news.dedupe ? m->news.dedupe : "", m->told);

    return apr_psprintf(p, "cfmt_%" APR_INT64_T_FMT "_%016" APR_UINT64_T_HEX_FMT, m->id,
                        (apr_uint64_t)cfmt_digest64(what, strlen(what)));
}

/* , "name": value; nothing for none. */
static const char *member(const char *name, const char *value, apr_pool_t *p)
{
    return value ? apr_pstrcat(p, ",\"", name, "\":", cfmt_json_quote(p, value), NULL) : "";
}

/* The text is of all of them, what stands beside it of one. */
static const char *many(const cfmt_message_t *m, apr_pool_t *p)
{
    return m->count > 1 ? apr_psprintf(p, ",\"messages\":%d", m->count) : "";
}

const char *cfmt_payload(const cfmt_message_t *m, const char *text, apr_pool_t *p)
{
    const cfmt_news_t *n = &m->news;

    return apr_pstrcat(p, "{\"text\":", cfmt_json_quote(p, text), ",\"cfmt\":{\"id\":\"",
                       cfmt_payload_id(m, p), "\"", many(m, p),
                       member("kind", cfmt_news_name(n->kind), p),
                       member("priority", cfmt_urgency_name(m->priority), p),
                       member("at", cfmt_time_format(p, n->at), p), member("attack", n->attack, p),
                       member("prefix", n->prefix, p), ",\"fields\":",
                       n->fields ? n->fields : "{}", "}}", NULL);
}
