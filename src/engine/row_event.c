/*
 * Events of journal rows that no alert describes: an operator's close, a recovered notification
 * that is plain text. Pure.
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
