/*
 * Who is told: news become rows of the outbox, one for each channel that wants them.
 */
#include <string.h>

#include <apr_strings.h>

#include "tell.h"

#define NOTIFY "Notify "

apr_array_header_t *cfmt_tell_channels(const apr_table_t *settings, apr_pool_t *p)
{
    const apr_array_header_t *all = apr_table_elts(settings);
    apr_array_header_t *channels = apr_array_make(p, 4, sizeof(cfmt_channel_conf_t));
    cfmt_channel_conf_t c;
    int i;

    for (i = 0; i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);

        memset(&c, 0, sizeof(c));
        if (!strncmp(e->key, NOTIFY, strlen(NOTIFY)) && !cfmt_channel_read(&c, e->val, p)) {
            c.name = apr_pstrdup(p, e->key + strlen(NOTIFY));
            APR_ARRAY_PUSH(channels, cfmt_channel_conf_t) = c;
        }
    }
    return channels;
}

/* Local time: quiet hours are those of the people who sleep. */
apr_time_t cfmt_tell_quiet(const cfmt_channel_conf_t *c, cfmt_urgency_e priority, apr_time_t now)
{
    apr_time_exp_t x;
    int offset = apr_time_exp_lt(&x, now) == APR_SUCCESS ? x.tm_gmtoff : 0;

    return cfmt_route_quiet(c, priority, now, offset);
}

apr_status_t cfmt_tell_to(cfmt_store_t *s, const apr_array_header_t *channels,
                          const cfmt_news_t *n, apr_time_t now)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < channels->nelts; i++) {
        const cfmt_channel_conf_t *c = &APR_ARRAY_IDX(channels, i, cfmt_channel_conf_t);
        cfmt_outbox_row_t row = { .channel = c->name, .news = *n, .made_at = now,
                                  .next_at = n->not_before,
                                  .priority = cfmt_news_priority(n->kind) };

        if (cfmt_route_takes(c, n)) {
            rv = cfmt_outbox_put(s, &row);
            rv = rv == CFMT_EEXIST ? APR_SUCCESS : rv;
        }
    }
    return rv;
}

apr_status_t cfmt_tell_known(apr_array_header_t **pchannels, const cfmt_engine_t *e,
                             apr_pool_t *p)
{
    const apr_table_t *settings = e->conf.settings;
    apr_table_t *published;
    apr_status_t rv;

    if (!settings) {
        rv = cfmt_settings_read(e->store, &published, p);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        settings = published;
    }
    *pchannels = cfmt_tell_channels(settings, p);
    return APR_SUCCESS;
}

apr_status_t cfmt_tell_others(cfmt_engine_t *e, const cfmt_news_t *n, const char *but,
                              apr_pool_t *ptemp)
{
    apr_array_header_t *channels;
    apr_status_t rv = cfmt_tell_known(&channels, e, ptemp);
    int i, left = 0;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < channels->nelts; i++) {
        cfmt_channel_conf_t *c = &APR_ARRAY_IDX(channels, i, cfmt_channel_conf_t);

        if (!but || strcmp(c->name, but) != 0) {
            APR_ARRAY_IDX(channels, left++, cfmt_channel_conf_t) = *c;
        }
    }
    channels->nelts = left;
    return cfmt_tell_to(e->store, channels, n, cfmt_clock_now(e->conf.clock));
}

/* An attack that was joined to another has that one's name in the outbox, too: one conversation. */
static apr_status_t name_now(cfmt_engine_t *e, const char **pattack, apr_pool_t *ptemp)
{
    cfmt_attack_key_t key;
    const char *now;
    apr_status_t rv = cfmt_key_resolve(e->store, &key, &now, *pattack, ptemp);

    *pattack = rv == APR_SUCCESS ? now : *pattack;
    return rv == CFMT_EMISSING ? APR_SUCCESS : rv;
}

apr_status_t cfmt_tell(cfmt_engine_t *e, const cfmt_news_t *n, apr_pool_t *ptemp)
{
    cfmt_news_t own = *n;
    apr_status_t rv = own.attack ? name_now(e, &own.attack, ptemp) : APR_SUCCESS;

    return rv == APR_SUCCESS ? cfmt_tell_others(e, &own, NULL, ptemp) : rv;
}
