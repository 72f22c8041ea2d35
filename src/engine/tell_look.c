/*
 * What only time brings: critical messages that nobody acknowledges, channels that are no more,
 * leaders that ended while they sent.
 */
#include <string.h>

#include <apr_strings.h>

#include "tell.h"

#define STEP_WAIT apr_time_from_msec(250)
#define ACKED_WITHIN apr_time_from_sec(86400) /* what is older is nobody's news any more */
#define GONE_FOR apr_time_from_sec(3600) /* a channel may be taken out by mistake, for a while */
#define ROWS 200                         /* in one transaction */

/* ---- fallback -------------------------------------------------------------------------------- */

static const cfmt_courier_t *courier_of(const cfmt_telling_t *t, const char *name)
{
    int i;

    for (i = 0; name && i < t->t->couriers->nelts; i++) {
        const cfmt_courier_t *c = &APR_ARRAY_IDX(t->t->couriers, i, cfmt_courier_t);

        if (!strcmp(c->conf->name, name)) {
            return c;
        }
    }
    return NULL;
}

static apr_status_t put_fallbacks(const cfmt_telling_t *t, const apr_array_header_t *rows, int n,
                                  const char *name)
{
    apr_status_t rv = cfmt_store_begin(t->e->store, STEP_WAIT);
    int i;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        const cfmt_outbox_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t);
        cfmt_outbox_row_t other = { .channel = name, .news = row->news, .made_at = t->now,
                                    .priority = row->priority, .fallback_of = row->id };

        rv = cfmt_outbox_put(t->e->store, &other);
        rv = rv == CFMT_EEXIST ? APR_SUCCESS : rv;
    }
    return cfmt_store_end(t->e->store, rv);
}

static apr_status_t fall_back(const cfmt_telling_t *t, const cfmt_channel_conf_t *c)
{
    apr_array_header_t *rows;
    apr_status_t rv;
    int n;

    if (!courier_of(t, c->fallback)) {
        return APR_SUCCESS;
    }
    rv = cfmt_outbox_unacked(t->e->store, c->name, t->now - c->after - ACKED_WITHIN,
                             t->now - c->after, &rows, t->p);
    if (rv != APR_SUCCESS || !rows->nelts) {
        return rv;
    }
    n = rows->nelts < ROWS ? rows->nelts : ROWS;
    rv = put_fallbacks(t, rows, n, c->fallback);
    if (rv == APR_SUCCESS) {
        cfmt_log(t->e->conf.log, CFMT_LOG_WARNING,
                 CFMT_ID(1036) "nobody has acknowledged %d critical message%s on %s for %s: told"
                               " through %s", n, n == 1 ? "" : "s", c->name,
                 cfmt_duration_format(t->p, c->after), c->fallback);
    }
    return rv;
}

/* ---- channels that are no more --------------------------------------------------------------- */

static apr_status_t expire(const cfmt_telling_t *t, const char *name)
{
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_outbox_waiting(t->e->store, name, ROWS, &rows, t->p);
    int i;

    rv = rv == APR_SUCCESS ? cfmt_store_begin(t->e->store, STEP_WAIT) : rv;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_outbox_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t);

        if (t->now - row->made_at >= GONE_FOR) {
            rv = cfmt_outbox_expire(t->e->store, row->id, "no channel of this name is configured",
                                    t->now);
            rv = rv == CFMT_EMOVED ? APR_SUCCESS : rv;
        }
    }
    return cfmt_store_end(t->e->store, rv);
}

static apr_status_t expire_gone(const cfmt_telling_t *t)
{
    apr_array_header_t *channels;
    apr_status_t rv = cfmt_channels_load(t->e->store, &channels, t->p);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < channels->nelts; i++) {
        const cfmt_channel_row_t *ch = &APR_ARRAY_IDX(channels, i, cfmt_channel_row_t);

        if (ch->depth && t->now - ch->oldest_at >= GONE_FOR && !courier_of(t, ch->name)) {
            rv = expire(t, ch->name);
        }
    }
    return rv;
}

apr_status_t cfmt_tell_look(const cfmt_telling_t *t)
{
    apr_status_t rv = expire_gone(t);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < t->t->couriers->nelts; i++) {
        rv = fall_back(t, APR_ARRAY_IDX(t->t->couriers, i, cfmt_courier_t).conf);
    }
    return rv;
}

/* ---- leaders that ended ---------------------------------------------------------------------- */

apr_status_t cfmt_tell_inherit(const cfmt_telling_t *t)
{
    cfmt_store_t *s = t->e->store;
    int yes, n = 0;
    apr_status_t rv = cfmt_outbox_orphans(s, t->now, cfmt_owner_is_dead, &yes, t->p);

    if (rv != APR_SUCCESS || !yes || (rv = cfmt_store_begin(s, STEP_WAIT)) != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_outbox_inherit(s, t->now, cfmt_owner_is_dead, &n, t->p);
    rv = cfmt_store_end(s, rv);
    if (rv == APR_SUCCESS && n) {
        cfmt_log(t->e->conf.log, CFMT_LOG_WARNING,
                 CFMT_ID(1037) "%d message%s may have been told, and %s not repeated: the leader"
                               " that sent %s ended before the answer came", n, n == 1 ? "" : "s",
                 n == 1 ? "is" : "are", n == 1 ? "it" : "them");
    }
    return rv;
}
