/*
 * replay: reading the file with another policy, printing what came out.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "cfmt_directive.h"
#include "replay.h"

#define FILE_MAX ((apr_size_t)1024 * 1024)

/* ---- --policy -------------------------------------------------------------------------------- */

/* NULL: it cannot be read, complained. */
static const char *read_file(const ctl_t *ctl)
{
    char *text = apr_palloc(ctl->pool, FILE_MAX + 1);
    apr_size_t len = FILE_MAX;
    apr_file_t *f;
    apr_status_t rv = apr_file_open(&f, ctl->policy, APR_READ | APR_BINARY, 0, ctl->pool);

    if (rv == APR_SUCCESS) {
        rv = apr_file_read_full(f, text, len, &len);
        apr_file_close(f);
    }
    if (rv == APR_SUCCESS || (APR_STATUS_IS_EOF(rv) && memchr(text, '\0', len))) {
        ctl_complain(CFMT_ID(1017), "--policy: %s is no text, or longer than a mebibyte",
                     ctl_text(ctl->pool, ctl->policy));
        return NULL;
    }
    if (!APR_STATUS_IS_EOF(rv)) {
        ctl_complain(CFMT_ID(1018), "--policy: %s: %s", ctl_text(ctl->pool, ctl->policy),
                     cfmt_status_text(rv, ctl->pool));
        return NULL;
    }
    text[len] = '\0';
    return text;
}

int ctl_replay_policy(const apr_table_t **ppolicy, const ctl_t *ctl)
{
    const char *name = ctl_text(ctl->pool, ctl->policy), *text = read_file(ctl);
    apr_array_header_t *faults;
    apr_table_t *settings;
    int i;

    if (!text) {
        return CTL_USAGE;
    }
    cfmt_policy_read(&settings, &faults, ctl->policy, text, ctl->pool);
    for (i = 0; i < faults->nelts; i++) {
        const cfmt_line_fault_t *fault = &APR_ARRAY_IDX(faults, i, cfmt_line_fault_t);

        ctl_complain(CFMT_ID(1019), "%s:%d: %s", name, fault->line,
                     ctl_text(ctl->pool, fault->text));
    }
    if (!faults->nelts && apr_is_empty_table(settings)) {
        ctl_complain(CFMT_ID(1020), "--policy: %s says nothing; CfmtCalm 30min is an example",
                     name);
    }
    *ppolicy = settings;
    return faults->nelts || apr_is_empty_table(settings) ? CTL_USAGE : CTL_DONE;
}

/* ---- the same policy ------------------------------------------------------------------------- */

typedef struct diff_view_t {
    apr_int64_t row;
    apr_time_t at;
    const char *prefix;
    const char *verdict, *red, *now_verdict, *now_red, *text, *now_text;
} diff_view_t;

#define DIFF(member, label, kind_, table) COLUMN(diff_view_t, member, label, kind_, table)
static const ctl_column_t diff_columns[] = {
    DIFF(row, "id", COL_INT, 1), DIFF(at, "at", COL_TIME, 1), DIFF(prefix, "prefix", COL_TEXT, 1),
    DIFF(verdict, "verdict", COL_TEXT, 1), DIFF(red, "red", COL_TEXT, 1),
    DIFF(now_verdict, "now_verdict", COL_TEXT, 1), DIFF(now_red, "now_red", COL_TEXT, 1),
    DIFF(text, "text", COL_TEXT, 0), DIFF(now_text, "now_text", COL_TEXT, 0), { .name = NULL }
};
static const ctl_list_t diff_list = { "differences", diff_columns, sizeof(diff_view_t) };

static apr_array_header_t *view_diffs(const apr_array_header_t *diffs, apr_pool_t *p)
{
    apr_array_header_t *view = apr_array_make(p, diffs->nelts + 1, sizeof(diff_view_t));
    int i;

    for (i = 0; i < diffs->nelts; i++) {
        const cfmt_replay_diff_t *d = &APR_ARRAY_IDX(diffs, i, cfmt_replay_diff_t);

        APR_ARRAY_PUSH(view, diff_view_t) = (diff_view_t){
            .row = d->row, .at = d->at, .prefix = cfmt_cidr_format(p, &d->prefix),
            .verdict = d->verdict, .red = d->red, .now_verdict = d->now_verdict,
            .now_red = d->now_red, .text = d->text, .now_text = d->now_text
        };
    }
    return view;
}

static const char *span_members(const ctl_replay_t *x)
{
    apr_pool_t *p = x->w.p;

    return apr_psprintf(p, "\"from\":%s,\"to\":%s",
                        ctl_json_string(p, cfmt_time_format(p, x->conf.from)),
                        ctl_json_string(p, cfmt_time_format(p, x->conf.to)));
}

static void say_check(const ctl_replay_t *x, const cfmt_replay_check_t *c)
{
    printf("%s to %s: %" APR_INT64_T_FMT " decisions, %" APR_INT64_T_FMT " made again the same\n",
           ctl_time(x->w.p, x->conf.from), ctl_time(x->w.p, x->conf.to), c->decisions, c->same);
    if (c->inexact) {
        printf("%" APR_INT64_T_FMT " cannot be replayed exactly: an older version did not note"
               " what they rested on\n", c->inexact);
    }
}

void ctl_replay_print_check(const ctl_replay_t *x, const cfmt_replay_check_t *c)
{
    apr_pool_t *p = x->w.p;
    const char *members;

    if (!x->w.ctl->json) {
        say_check(x, c);
        if (!c->diffs->nelts) {
            return;
        }
        printf("\n");
    }
    members = apr_psprintf(p,
                               "%s,\"rows\":%" APR_INT64_T_FMT ",\"decisions\":%" APR_INT64_T_FMT
                               ",\"same\":%" APR_INT64_T_FMT ",\"different\":%" APR_INT64_T_FMT
                               ",\"inexact\":%" APR_INT64_T_FMT, span_members(x), c->rows,
                               c->decisions, c->same, c->different, c->inexact);
    ctl_list_print(&diff_list, view_diffs(c->diffs, p), members, x->w.ctl, p);
}

/* ---- another policy -------------------------------------------------------------------------- */

typedef struct ad_view_t {
    apr_time_t at, ended_at, was_at, would_at;
    const char *prefix, *withdrawal, *paid, *exposed, *told;
    const char *was, *would;
} ad_view_t;

#define AD(member, label, kind_, table) COLUMN(ad_view_t, member, label, kind_, table)
static const ctl_column_t ad_columns[] = {
    AD(at, "advertised_at", COL_TIME, 0), AD(at, "advertised", COL_TIME, TABLE_ONLY),
    AD(prefix, "prefix", COL_TEXT, 1), AD(ended_at, "ended_at", COL_TIME, 0),
    AD(was_at, "withdrawn", COL_TIME, TABLE_ONLY), AD(would_at, "other", COL_TIME, TABLE_ONLY),
    AD(withdrawal, "by", COL_TEXT, TABLE_ONLY), AD(paid, "paid", COL_TEXT, TABLE_ONLY),
    AD(exposed, "exposed", COL_TEXT, TABLE_ONLY), AD(told, "told", COL_TEXT, TABLE_ONLY),
    AD(was, "was", COL_RAW, 0), AD(would, "would", COL_RAW, 0), { .name = NULL }
};
static const ctl_list_t ad_list = { "advertisements", ad_columns, sizeof(ad_view_t) };

static apr_int64_t minutes(apr_interval_time_t d)
{
    return (d < 0 ? d - CFMT_MINUTE / 2 : d + CFMT_MINUTE / 2) / CFMT_MINUTE;
}

/* "+15min", "-3min", "=". */
static const char *change(apr_interval_time_t was, apr_interval_time_t would, apr_pool_t *p)
{
    apr_int64_t n = minutes(would - was);

    return n ? apr_psprintf(p, "%s%" APR_INT64_T_FMT "min", n > 0 ? "+" : "", n) : "=";
}

static const char *withdrawal(const cfmt_replay_advertisement_t *ad, apr_pool_t *p)
{
    apr_time_t a = ad->was.withdrawn_at, b = ad->would.withdrawn_at;

    return a && !b ? "never" : b && !a ? "at last" : change(a, b, p);
}

static int messages(const cfmt_replay_course_t *c)
{
    int i, n = 0;

    for (i = 0; i < CFMT_REPLAY_MESSAGES; i++) {
        n += c->messages[i];
    }
    return n;
}

static const char *course_json(const cfmt_replay_course_t *c, int sums, apr_pool_t *p)
{
    const char *text = apr_psprintf(
        p, "{\"paid_seconds\":%" APR_INT64_T_FMT ",\"exposed_seconds\":%" APR_INT64_T_FMT
           ",\"again\":%d,\"messages\":{", apr_time_sec(c->paid), apr_time_sec(c->exposed),
        c->again);
    int i;

    for (i = 0; i < CFMT_REPLAY_MESSAGES; i++) {
        text = apr_psprintf(p, "%s%s\"%s\":%d", text, i ? "," : "",
                            cfmt_replay_message_name((cfmt_replay_message_e)i), c->messages[i]);
    }
    if (sums) {
        return apr_pstrcat(p, text, "}}", NULL);
    }
    return apr_psprintf(p, "%s},\"withdrawn_at\":%s,\"by_policy\":%s}", text,
                        c->withdrawn_at ? ctl_json_string(p, cfmt_time_format(p, c->withdrawn_at))
                                        : "null",
                        c->withdrawn_at ? c->by_policy ? "true" : "false" : "null");
}

static apr_array_header_t *view_ads(const apr_array_header_t *ads, apr_pool_t *p)
{
    apr_array_header_t *view = apr_array_make(p, ads->nelts + 1, sizeof(ad_view_t));
    int i;

    for (i = 0; i < ads->nelts; i++) {
        const cfmt_replay_advertisement_t *ad =
            &APR_ARRAY_IDX(ads, i, cfmt_replay_advertisement_t);
        int told = messages(&ad->would) - messages(&ad->was);

        APR_ARRAY_PUSH(view, ad_view_t) = (ad_view_t){
            .at = ad->at, .ended_at = ad->ended_at, .prefix = cfmt_cidr_format(p, &ad->prefix),
            .was_at = ad->was.withdrawn_at, .would_at = ad->would.withdrawn_at,
            .withdrawal = withdrawal(ad, p), .paid = change(ad->was.paid, ad->would.paid, p),
            .exposed = change(ad->was.exposed, ad->would.exposed, p),
            .told = told ? apr_psprintf(p, "%+d", told) : "=",
            .was = course_json(&ad->was, 0, p), .would = course_json(&ad->would, 0, p)
        };
    }
    return view;
}

static void say_sum(const char *what, const cfmt_replay_course_t *c, apr_pool_t *p)
{
    const char *told = "";
    int i;

    for (i = 0; i < CFMT_REPLAY_MESSAGES; i++) {
        if (c->messages[i]) {
            told = apr_psprintf(p, "%s%s%d %s", told, *told ? ", " : "", c->messages[i],
                                cfmt_replay_message_name((cfmt_replay_message_e)i));
        }
    }
    printf("%-18s advertised %" APR_INT64_T_FMT " min, exposed %" APR_INT64_T_FMT
           " min, messages: %s\n", what, minutes(c->paid), minutes(c->exposed),
           *told ? told : "none");
}

static void say_sums(const ctl_replay_t *x, const cfmt_replay_compare_t *c)
{
    printf("%s to %s: %d advertisements; withdrawals: %d earlier, %d later, %d the same\n",
           ctl_time(x->w.p, x->conf.from), ctl_time(x->w.p, x->conf.to), c->advertisements->nelts,
           c->earlier, c->later, c->same);
    say_sum("policy in force:", &c->was, x->w.p);
    say_sum("other policy:", &c->would, x->w.p);
}

void ctl_replay_print_compare(const ctl_replay_t *x, const cfmt_replay_compare_t *c)
{
    apr_pool_t *p = x->w.p;
    const char *members;

    if (!x->w.ctl->json) {
        say_sums(x, c);
        if (!c->advertisements->nelts) {
            return;
        }
        printf("\n");
    }
    members = apr_psprintf(p,
                               "%s,\"rows\":%" APR_INT64_T_FMT ",\"earlier\":%d,\"later\":%d,"
                               "\"same\":%d,\"was\":%s,\"would\":%s", span_members(x), c->rows,
                               c->earlier, c->later, c->same, course_json(&c->was, 1, p),
                               course_json(&c->would, 1, p));
    ctl_list_print(&ad_list, view_ads(c->advertisements, p), members, x->w.ctl, p);
}
