/*
 * Health of telling people: what waits, and which channels bring nothing out. Pure but for the
 * reading.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmt_store_outbox.h"
#include "health_private.h"

#define NOTIFY "Notify "

/* ---- reading --------------------------------------------------------------------------------- */

static void take(cfmt_health_channel_t *c, const cfmt_channel_row_t *row)
{
    c->state = row->state;
    c->since = row->since;
    c->ok_at = row->ok_at;
    c->next_at = row->next_at;
    c->depth = row->depth;
    c->oldest_at = row->oldest_at;
}

/* Those that are configured now; others may have rows from before. */
apr_status_t cfmt_health_outbox_read(cfmt_store_t *s, cfmt_health_world_t *w, apr_pool_t *p)
{
    apr_array_header_t *rows;
    const apr_array_header_t *all;
    apr_table_t *settings;
    apr_status_t rv = cfmt_settings_read(s, &settings, p);
    int i, k;

    w->channels = 0;
    rv = rv == APR_SUCCESS ? cfmt_channels_load(s, &rows, p) : rv;
    all = rv == APR_SUCCESS ? apr_table_elts(settings) : NULL;
    for (i = 0; all && i < all->nelts && w->channels < CFMT_HEALTH_CHANNELS; i++) {
        const char *key = APR_ARRAY_IDX(all, i, apr_table_entry_t).key;
        cfmt_health_channel_t *c = &w->channel[w->channels];

        if (strncmp(key, NOTIFY, strlen(NOTIFY)) != 0) {
            continue;
        }
        w->channels++;
        apr_cpystrn(c->name, key + strlen(NOTIFY), sizeof(c->name));
        for (k = 0; k < rows->nelts; k++) {
            const cfmt_channel_row_t *row = &APR_ARRAY_IDX(rows, k, cfmt_channel_row_t);

            if (!strcmp(row->name, key + strlen(NOTIFY))) {
                take(c, row);
            }
        }
    }
    return rv;
}

/* ---- judgement ------------------------------------------------------------------------------- */

/* One that fails and has nothing to send keeps nothing from anybody. */
static int is_mute(const cfmt_judge_t *j, const cfmt_health_channel_t *c)
{
    return c->state == CFMT_CHANNEL_BROKEN
           || (c->state == CFMT_CHANNEL_FAILING && c->depth
               && j->f->now - cfmt_judge_real(j, c->since) >= CFMT_HEALTH_MUTE);
}

/* Failing when only a person can mend it, and nobody can be told that he must. */
void cfmt_judge_outbox(cfmt_judge_t *j)
{
    const cfmt_health_world_t *w = &j->f->world;
    const char *names = "";
    apr_int64_t depth = 0;
    int i, mute = 0, broken = 0;

    for (i = 0; j->f->rows_at && i < w->channels; i++) {
        const cfmt_health_channel_t *c = &w->channel[i];

        if (is_mute(j, c)) {
            names = apr_pstrcat(j->p, names, mute ? ", " : "", c->name, " (",
                                cfmt_channel_state_name(c->state), ")", NULL);
            depth += c->depth;
            mute++;
        }
        broken += c->state == CFMT_CHANNEL_BROKEN;
    }
    if (mute) {
        cfmt_judge_add(j, broken == w->channels ? CFMT_HEALTH_FAILING : CFMT_HEALTH_DEGRADED,
                       "outbox", "nobody is told anything through %s: %" APR_INT64_T_FMT
                       " messages wait%s", names, depth,
                       mute == w->channels ? ", and there is no other channel" : "");
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static const char *channel_text(const cfmt_health_channel_t *c, apr_time_t now, apr_pool_t *p)
{
    return apr_psprintf(p,
                        "%s:{\"state\":\"%s\",\"since\":%s,%s,\"depth\":%" APR_INT64_T_FMT
                        ",%s,\"next_at\":%s}",
                        cfmt_json_quote(p, c->name), cfmt_channel_state_name(c->state),
                        cfmt_health_moment(c->since, p),
                        cfmt_health_when("last_ok", c->ok_at, now, p), c->depth,
                        cfmt_health_when("oldest", c->oldest_at, now, p),
                        cfmt_health_moment(c->next_at > now ? c->next_at : 0, p));
}

const char *cfmt_health_outbox_json(const cfmt_health_facts_t *f, apr_pool_t *p)
{
    const cfmt_health_world_t *w = &f->world;
    const char *text = "";
    apr_int64_t depth = 0;
    apr_time_t oldest = 0;
    int i;

    if (!f->rows_at) {
        return "\"outbox\":null";
    }
    for (i = 0; i < w->channels; i++) {
        const cfmt_health_channel_t *c = &w->channel[i];

        text = apr_pstrcat(p, text, i ? "," : "", channel_text(c, f->world_now, p), NULL);
        depth += c->depth;
        oldest = c->oldest_at && (!oldest || c->oldest_at < oldest) ? c->oldest_at : oldest;
    }
    return apr_psprintf(p, "\"outbox\":{\"depth\":%" APR_INT64_T_FMT ",%s,\"channels\":{%s}}",
                        depth, cfmt_health_when("oldest", oldest, f->world_now, p), text);
}
