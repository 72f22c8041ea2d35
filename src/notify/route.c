/*
 * Who is told what, and when not before. Pure.
 */
#include "cfmt_notify.h"

#define DAY (24 * 60)
#define MINUTE apr_time_from_sec(60)

/* News of a larger prefix are news of what lies inside it, and the other way round. */
static int is_about(const apr_array_header_t *prefixes, const char *prefix)
{
    cfmt_cidr_t c;
    int i;

    if (!prefix || cfmt_cidr_parse(&c, NULL, prefix) != APR_SUCCESS) {
        return 1;
    }
    for (i = 0; i < prefixes->nelts; i++) {
        const cfmt_cidr_t *one = &APR_ARRAY_IDX(prefixes, i, cfmt_cidr_t);

        if (cfmt_cidr_contains(one, &c) || cfmt_cidr_contains(&c, one)) {
            return 1;
        }
    }
    return 0;
}

/* Of several prefixes one is enough. */
static int is_wanted(const apr_array_header_t *prefixes, const cfmt_news_t *n)
{
    int i;

    for (i = 0; n->prefixes && i < n->prefixes->nelts; i++) {
        if (is_about(prefixes, APR_ARRAY_IDX(n->prefixes, i, const char *))) {
            return 1;
        }
    }
    return !(n->prefixes && n->prefixes->nelts) && is_about(prefixes, n->prefix);
}

int cfmt_route_takes(const cfmt_channel_conf_t *c, const cfmt_news_t *n)
{
    if (cfmt_news_is_trial(n->kind)) {
        return 1;
    }
    if ((n->kind == CFMT_NEWS_START || n->kind == CFMT_NEWS_STOP) && !c->lifecycle) {
        return 0;
    }
    if (n->kind == CFMT_NEWS_DAILY && c->daily < 0) {
        return 0;
    }
    return cfmt_news_priority(n->kind) <= c->min && (c->kinds >> n->kind & 1)
           && (!c->prefixes || is_wanted(c->prefixes, n));
}

apr_time_t cfmt_route_quiet(const cfmt_channel_conf_t *c, cfmt_urgency_e priority,
                            apr_time_t now, int local_offset)
{
    apr_time_t local = now + apr_time_from_sec(local_offset);
    int minute = (int)(local / MINUTE % DAY);
    int since = (minute - c->quiet_from + DAY) % DAY;
    int length = (c->quiet_to - c->quiet_from + DAY) % DAY;

    if (priority <= c->quiet_max || since >= length) {
        return 0;
    }
    return now - local % MINUTE + MINUTE * (length - since);
}
