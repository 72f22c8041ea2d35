/*
 * Events of journal rows that no alert describes: an operator's close, a recovered notification
 * that is plain text, what traffic says of attacks. Pure.
 */
#include <string.h>

#include <apr_strings.h>

#include "row_event.h"

/* Cloudflare's history need not hold a webhook's body: a text, then, that belongs to nothing. */
void cfmt_row_text_event(cfmt_event_t *e, const cfmt_journal_row_t *row, apr_time_t ts,
                         apr_pool_t *p)
{
    const char *body = row->body ? row->body : "";

    memset(e, 0, sizeof(*e));
    e->ts = ts;
    e->digest = cfmt_digest64(body, row->len);
    e->state = CFMT_STATE_INFO;
    e->priority = CFMT_PRIORITY_INFO;
    e->effect = CFMT_EFFECT_NONE;
    e->ours = 1;
    e->pps = e->bps = e->rps = -1;
    e->summary = cfmt_text_escape(p, body, row->len, 200);
}

void cfmt_row_close_event(cfmt_event_t *e, const cfmt_journal_row_t *row, const char *ref,
                          apr_pool_t *p)
{
    e->id = row->id;
    e->at = e->ts = row->at;
    e->digest = cfmt_digest64(row->body, row->len);
    e->source = "operator";
    e->state = CFMT_STATE_END;
    e->priority = CFMT_PRIORITY_INFO;
    e->effect = CFMT_EFFECT_NONE;
    e->ours = 1;
    e->attack_id = ref;
    e->pps = e->bps = e->rps = -1;
    e->summary = apr_psprintf(p, "attack %s closed by %s",
                              cfmt_text_escape(p, ref, strlen(ref), 60),
                              cfmt_text_escape(p, row->origin, strlen(row->origin), 60));
}

/* ---- what traffic says ----------------------------------------------------------------------- */

static const char *const says[] = {
    [CFMT_SAYS_JOIN] = "join", [CFMT_SAYS_REOPEN] = "reopen",   [CFMT_SAYS_OPEN] = "open",
    [CFMT_SAYS_PEAK] = "peak", [CFMT_SAYS_CALM] = "calm", [CFMT_SAYS_TIMEOUT] = "timeout",
};
#define SAYS (int)(sizeof(says) / sizeof(says[0]))

const char *cfmt_row_say(const cfmt_say_t *say, apr_pool_t *p)
{
    const char *text = apr_psprintf(p, "{\"says\":\"%s\"", says[say->what]);

    if (say->id) {
        text = apr_pstrcat(p, text, ",\"attack\":", cfmt_json_quote(p, say->id), NULL);
    }
    if (say->what == CFMT_SAYS_JOIN) {
        return apr_pstrcat(p, text, ",\"with\":", cfmt_json_quote(p, say->with), "}", NULL);
    }
    text = apr_psprintf(p, "%s,\"at\":%" APR_TIME_T_FMT, text, say->at);
    if (!say->prefix.family) {
        return apr_pstrcat(p, text, "}", NULL);
    }
    return apr_psprintf(p, "%s,\"prefix\":\"%s\",\"pps\":%" APR_INT64_T_FMT ",\"bps\":%"
                        APR_INT64_T_FMT ",\"system\":\"%s\"}", text,
                        cfmt_cidr_format(p, &say->prefix), (apr_int64_t)say->pps,
                        (apr_int64_t)say->bps, cfmt_system_name(say->by));
}

static int what_says(const cfmt_json_t *doc)
{
    const char *word = cfmt_json_text(doc, "says");
    int what = 0;

    while (word && what < SAYS && strcmp(says[what], word)) {
        what++;
    }
    return word && what < SAYS ? what : -1;
}

/* No threshold counts drops of systems that are unknown here: only what passed is nobody's. */
const char *cfmt_row_rates(const cfmt_cidr_t *prefix, double pps, double bps, cfmt_system_e by,
                           apr_pool_t *p)
{
    int passed = by == CFMT_SYSTEM_OTHER;

    return apr_psprintf(p, "%s: %s, %s %s%s", cfmt_cidr_format(p, prefix),
                        cfmt_rate_format(p, pps, "pps"), cfmt_rate_format(p, bps, "bit/s"),
                        passed ? "that nothing dropped" : "dropped by ",
                        passed ? "" : cfmt_system_name(by));
}

static apr_status_t take_figures(cfmt_event_t *e, cfmt_cidr_t *prefix, const cfmt_json_t *doc,
                                 apr_pool_t *p)
{
    const char *text = cfmt_json_text(doc, "prefix"), *system = cfmt_json_text(doc, "system");
    apr_int64_t pps, bps;
    cfmt_system_e by;

    if (!text || cfmt_cidr_parse(prefix, NULL, text) != APR_SUCCESS || !system
        || cfmt_json_int(&pps, doc, "pps") != APR_SUCCESS
        || cfmt_json_int(&bps, doc, "bps") != APR_SUCCESS || pps < 0 || bps < 0) {
        return CFMT_EINVALID;
    }
    e->pps = (double)pps;
    e->bps = (double)bps;
    by = cfmt_system_by_name(system);
    e->system = cfmt_system_name(by);
    e->summary = cfmt_row_rates(prefix, e->pps, e->bps, by, p);
    return APR_SUCCESS;
}

/* About a new attack it says what that hits; else it names the one that it is about. */
static apr_status_t take_say(cfmt_event_t *e, int what, const cfmt_json_t *doc, apr_pool_t *p)
{
    cfmt_cidr_t prefix;

    e->attack_id = cfmt_json_text(doc, "attack");
    if ((what == CFMT_SAYS_OPEN) != !e->attack_id
        || cfmt_json_int(&e->ts, doc, "at") != APR_SUCCESS || e->ts <= 0) {
        return CFMT_EINVALID;
    }
    if (what == CFMT_SAYS_CALM || what == CFMT_SAYS_TIMEOUT) {
        e->state = CFMT_STATE_END;
        e->summary = what == CFMT_SAYS_CALM ? "calm for long enough: over" : "not heard of: over";
        e->source = what == CFMT_SAYS_CALM ? CFMT_SOURCE_TRAFFIC : CFMT_SOURCE_TIMEOUT;
        return APR_SUCCESS;
    }
    e->state = what == CFMT_SAYS_PEAK ? CFMT_STATE_INFO : CFMT_STATE_START;
    if (take_figures(e, &prefix, doc, p) != APR_SUCCESS) {
        return CFMT_EINVALID;
    }
    if (e->state == CFMT_STATE_START) {
        e->priority = CFMT_PRIORITY_HIGH;
    }
    if (what == CFMT_SAYS_OPEN) {
        e->effect = CFMT_EFFECT_NETWORK;
        e->target_cidr = prefix;
        e->target = cfmt_cidr_format(p, &prefix);
    }
    return APR_SUCCESS;
}

apr_status_t cfmt_row_say_event(cfmt_event_t *e, const char **pid, const char **pwith,
                                const cfmt_journal_row_t *row, apr_pool_t *p)
{
    const cfmt_json_limits_t limits = { .depth = 4 };
    const char *why, *body = row->body ? row->body : "";
    cfmt_json_t *doc;
    int what;

    *pid = *pwith = NULL;
    memset(e, 0, sizeof(*e));
    if (cfmt_json_parse(&doc, &why, body, row->len, &limits, p) != APR_SUCCESS
        || (what = what_says(doc)) < 0) {
        return CFMT_EINVALID;
    }
    if (what == CFMT_SAYS_JOIN) {
        *pid = cfmt_json_text(doc, "attack");
        *pwith = cfmt_json_text(doc, "with");
        return *pid && *pwith ? APR_SUCCESS : CFMT_EINVALID;
    }
    e->digest = cfmt_digest64(body, row->len);
    e->source = CFMT_SOURCE_TRAFFIC;
    e->effect = CFMT_EFFECT_NONE;
    e->priority = CFMT_PRIORITY_INFO;
    e->ours = 1;
    e->pps = e->bps = e->rps = -1;
    return take_say(e, what, doc, p);
}
