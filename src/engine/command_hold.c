/*
 * Commands that change no prefix: holds, adoptions, maintenance windows.
 */
#include <string.h>

#include <apr_strings.h>

#include "command.h"
#include "news_of.h"

#define TTL_MAX apr_time_from_sec(86400 * 3650)

apr_interval_time_t cfmt_command_hold_for(const cfmt_command_t *c)
{
    return cfmt_sense_duration(c->e, "HoldFor", 0);
}

/* The others shall know why the policy leaves it alone. That it was advertised is told as such. */
static apr_status_t tell_hold(const cfmt_command_t *c, const cfmt_hold_row_t *h)
{
    const cfmt_news_t n = {
        .kind = CFMT_NEWS_HELD, .at = c->now, .prefix = cfmt_cidr_format(c->p, &h->prefix),
        .dedupe = apr_psprintf(c->p, "held %" APR_INT64_T_FMT, h->id),
        .fields = cfmt_of_hold(c->e, h, NULL, c->p)
    };

    return cfmt_tell(c->e, &n, c->p);
}

apr_status_t cfmt_command_hold(cfmt_command_t *c, const cfmt_cidr_t *cidr, const char *origin,
                               apr_interval_time_t length)
{
    cfmt_hold_row_t h = { .prefix = *cidr,
                          .who = c->who,
                          .reason = c->reason,
                          .origin = origin,
                          .since = c->now,
                          .until = length ? c->now + length : 0 };
    apr_status_t rv;

    c->at = h.until;
    rv = cfmt_hold_put(c->e->store, &h);
    return rv == APR_SUCCESS && !strcmp(origin, "operator") ? tell_hold(c, &h) : rv;
}

/* ---- hold, release, adopt -------------------------------------------------------------------- */

apr_status_t cfmt_command_do_hold(cfmt_command_t *c)
{
    apr_int64_t length;
    cfmt_cidr_t cidr;
    apr_status_t rv;

    if (!cfmt_command_prefix(c, &cidr)) {
        return cfmt_refuse(c, "the command names no prefix");
    }
    if (cfmt_json_int(&length, c->doc, "for") != APR_SUCCESS || length < 0 || length > TTL_MAX) {
        length = cfmt_command_hold_for(c);
    }
    rv = cfmt_command_hold(c, &cidr, "operator", length);
    rv = rv == APR_SUCCESS ? cfmt_command_record(c, "hold", &cidr, NULL) : rv;
    return rv != APR_SUCCESS
               ? rv
               : cfmt_answer(c, "done", CODE_DONE, "%s is held %s%s", cfmt_cidr_format(c->p, &cidr),
                             c->at ? "until " : "",
                             c->at ? cfmt_time_format(c->p, c->at) : "until released");
}

apr_status_t cfmt_command_release(cfmt_command_t *c)
{
    cfmt_cidr_t cidr;
    apr_status_t rv;
    int n = 0;

    if (!cfmt_command_prefix(c, &cidr)) {
        return cfmt_refuse(c, "the command names no prefix");
    }
    rv = cfmt_hold_release(c->e->store, &cidr, c->who, c->reason, c->now, &n);
    if (rv == APR_SUCCESS && !n) {
        return cfmt_answer(c, "already", CODE_DONE, "%s is not held",
                           cfmt_cidr_format(c->p, &cidr));
    }
    rv = rv == APR_SUCCESS ? cfmt_command_record(c, "release", &cidr, NULL) : rv;
    return rv != APR_SUCCESS ? rv
                             : cfmt_answer(c, "done", CODE_DONE,
                                           "%s is no longer held: the policy may"
                                           " act on it again",
                                           cfmt_cidr_format(c->p, &cidr));
}

apr_status_t cfmt_command_adopt(cfmt_command_t *c)
{
    cfmt_adoption_row_t a = { .who = c->who, .reason = c->reason, .at = c->now };
    const cfmt_prefix_row_t *row;
    apr_status_t rv = cfmt_command_row(c, &row);

    if (rv != APR_SUCCESS || !row) {
        return rv;
    }
    if (row->b.advertised != 1) {
        return cfmt_answer(c, "refused", CODE_REFUSED,
                           "%s is not advertised: there is nothing to adopt",
                           cfmt_cidr_format(c->p, &row->b.cidr));
    }
    if (!row->b.advertised_at) {
        return cfmt_answer(c, "refused", CODE_REFUSED,
                           "%s: Cloudflare does not say since when it is"
                           " advertised, so the policy would not know this advertisement again",
                           cfmt_cidr_format(c->p, &row->b.cidr));
    }
    a.prefix = row->b.cidr;
    a.advertised_at = row->b.advertised_at;
    rv = cfmt_adoption_put(c->e->store, &a);
    if (rv == CFMT_EEXIST) {
        return cfmt_answer(c, "already", CODE_DONE, "%s has been adopted already",
                           cfmt_cidr_format(c->p, &a.prefix));
    }
    rv = rv == APR_SUCCESS ? cfmt_command_record(c, "adopt", &a.prefix, NULL) : rv;
    return rv != APR_SUCCESS ? rv
                             : cfmt_answer(c, "done", CODE_DONE,
                                           "%s is the policy's from now on: it may"
                                           " be withdrawn when it is calm",
                                           cfmt_cidr_format(c->p, &a.prefix));
}

/* ---- windows --------------------------------------------------------------------------------- */

apr_status_t cfmt_command_window_add(cfmt_command_t *c)
{
    cfmt_window_row_t w = { .who = c->who, .reason = c->reason };
    const char *text = cfmt_json_text(c->doc, "prefix");
    apr_status_t rv;

    if (!text || (strcmp(text, "*") && !cfmt_command_prefix(c, &w.prefix))) {
        return cfmt_refuse(c, "the command names no prefix");
    }
    if (cfmt_json_int(&w.starts_at, c->doc, "from") != APR_SUCCESS
        || cfmt_json_int(&w.ends_at, c->doc, "to") != APR_SUCCESS) {
        return cfmt_refuse(c, "the command names no times");
    }
    rv = cfmt_window_add(c->e->store, &w);
    if (rv == CFMT_EINVALID) {
        return cfmt_refuse(c, "a window must end behind its start");
    }
    if (rv == CFMT_EEXIST) {
        return cfmt_answer(c, "already", CODE_DONE, "window %" APR_INT64_T_FMT " is just that",
                           w.id);
    }
    rv = rv == APR_SUCCESS ? cfmt_command_record(c, "window.add", &w.prefix, NULL) : rv;
    return rv != APR_SUCCESS
               ? rv
               : cfmt_answer(
                   c, "done", CODE_DONE,
                   "window %" APR_INT64_T_FMT ": %s is left alone from"
                   " %s to %s",
                   w.id, w.prefix.family ? cfmt_cidr_format(c->p, &w.prefix) : "every prefix",
                   cfmt_time_format(c->p, w.starts_at), cfmt_time_format(c->p, w.ends_at));
}

apr_status_t cfmt_command_window_remove(cfmt_command_t *c)
{
    apr_status_t rv = cfmt_window_remove(c->e->store, cfmt_command_id(c), c->who, c->now);

    if (rv == CFMT_EMISSING) {
        return cfmt_answer(c, "failed", CODE_FAILED, "there is no window %" APR_INT64_T_FMT,
                           cfmt_command_id(c));
    }
    if (rv == CFMT_EEXIST) {
        return cfmt_answer(c, "already", CODE_DONE,
                           "window %" APR_INT64_T_FMT " has been removed already",
                           cfmt_command_id(c));
    }
    rv = rv == APR_SUCCESS ? cfmt_command_record(
             c, "window.remove", NULL,
             apr_psprintf(c->p, "window %" APR_INT64_T_FMT, cfmt_command_id(c)))
                           : rv;
    return rv != APR_SUCCESS
               ? rv
               : cfmt_answer(c, "done", CODE_DONE, "window %" APR_INT64_T_FMT " is removed",
                             cfmt_command_id(c));
}
