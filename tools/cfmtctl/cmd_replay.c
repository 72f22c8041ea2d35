/*
 * replay: the stored journal goes through the policy again, in a scratch store of its own. The same
 * policy must decide the same; another one shows what it would have done.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "replay.h"

#define SHOW_EVERY apr_time_from_msec(500)

/* ---- a directory of our own ------------------------------------------------------------------ */

static int make_scratch(ctl_replay_t *x)
{
    const char *base = getenv("TMPDIR");
    char *dir = apr_pstrcat(x->w.p, base && *base ? base : "/var/tmp", "/cfmtctl-replay-XXXXXX",
                            NULL);

    if (!mkdtemp(dir)) {
        ctl_complain(CFMT_ID(1010), "%s: no directory can be made there; TMPDIR may name another",
                     ctl_text(x->w.p, dir));
        return CTL_FAILED;
    }
    x->conf.dir = dir;
    return CTL_DONE;
}

static void remove_scratch(const ctl_replay_t *x)
{
    DIR *dir = opendir(x->conf.dir);
    const struct dirent *d;

    while (dir && (d = readdir(dir))) {
        if (strcmp(d->d_name, ".") && strcmp(d->d_name, "..")) {
            (void)unlinkat(dirfd(dir), d->d_name, 0);
        }
    }
    if (dir) {
        closedir(dir);
    }
    (void)rmdir(x->conf.dir);
}

/* ---- progress -------------------------------------------------------------------------------- */

static void wipe_line(void)
{
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
}

/* Rows come in order in each pass; a smaller one begins the next. */
static int progress(void *baton, apr_int64_t row, apr_int64_t last)
{
    ctl_replay_t *x = baton;
    apr_time_t now = cfmt_monotonic();

    x->pass += row < x->row;
    x->row = row;
    if (isatty(STDERR_FILENO) && last && now - x->shown_at >= SHOW_EVERY) {
        x->shown_at = now;
        fprintf(stderr, "\rreplay: pass %d of %d, %d%%\033[K", x->pass, x->passes,
                (int)(row * 100 / last));
    }
    return ctl_follow_ended();
}

/* ---- from, to -------------------------------------------------------------------------------- */

/* So that what is printed, to the second, can be typed. */
static apr_time_t second_after(apr_time_t t)
{
    return (t + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC * APR_USEC_PER_SEC;
}

static int refuse_from(const ctl_replay_t *x, const cfmt_replay_range_t *range, apr_time_t earliest)
{
    ctl_complain(CFMT_ID(1011), "--from %s: %s; decisions can be made again from %s on",
                 ctl_time(x->w.p, x->conf.from),
                 !range->why ? "the journal begins later"
                 : !strcmp(range->why, "evidence") ? "the evidence of then is gone (CfmtRetention)"
                                                   : "the journal of then is gone (CfmtRetention)",
                 ctl_time(x->w.p, earliest));
    return CTL_FAILED;
}

static int choose_range(ctl_replay_t *x, const ctl_t *ctl)
{
    cfmt_replay_range_t range;
    apr_time_t earliest;
    apr_status_t rv = cfmt_replay_range(x->w.store, &range, x->w.p);

    if (rv != APR_SUCCESS) {
        return ctl_world_failed(&x->w, rv);
    }
    if (!range.first) {
        ctl_complain(CFMT_ID(1012), "the journal is empty: there is nothing to replay");
        return CTL_FAILED;
    }
    earliest = range.why ? second_after(range.earliest) : range.first;
    x->conf.from = ctl->from.ago ? x->w.now - ctl->from.ago : ctl->from.at;
    x->conf.to = ctl->to.ago ? x->w.now - ctl->to.ago : ctl->to.at ? ctl->to.at : x->w.now;
    x->conf.to = x->conf.to < x->w.now ? x->conf.to : x->w.now; /* nothing is known of later */
    if (x->conf.from && x->conf.from < earliest - earliest % APR_USEC_PER_SEC) {
        return refuse_from(x, &range, earliest);
    }
    x->conf.from = x->conf.from > earliest ? x->conf.from : earliest;
    if (x->conf.to <= x->conf.from) {
        ctl_complain(CFMT_ID(1013), "nothing lies between %s and %s; decisions can be made again"
                     " from %s on", ctl_time(x->w.p, x->conf.from), ctl_time(x->w.p, x->conf.to),
                     ctl_time(x->w.p, earliest));
        return CTL_FAILED;
    }
    return CTL_DONE;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int failed(const ctl_replay_t *x, apr_status_t rv, const cfmt_result_t *r)
{
    if (rv == APR_EINTR) {
        ctl_complain(CFMT_ID(1014), "stopped; nothing was changed");
    }
    else {
        ctl_complain(CFMT_ID(1015), "the journal cannot be replayed in %s: %s",
                     ctl_text(x->w.p, x->conf.dir),
                     ctl_text(x->w.p, r->detail ? r->detail : cfmt_status_text(rv, x->w.p)));
    }
    return CTL_FAILED;
}

static int check(ctl_replay_t *x)
{
    cfmt_result_t r = { .status = APR_SUCCESS };
    cfmt_replay_check_t c;
    apr_status_t rv = cfmt_replay_check(&c, &x->conf, &r, x->w.p);

    wipe_line();
    if (rv != APR_SUCCESS) {
        return failed(x, rv, &r);
    }
    ctl_replay_print_check(x, &c);
    if (c.different) {
        ctl_complain(CFMT_ID(1016), "%" APR_INT64_T_FMT " decisions come out differently: this is"
                     " another program than the one that took them, or the database was changed",
                     c.different);
        return CTL_FAILED;
    }
    return CTL_DONE;
}

static int compare(ctl_replay_t *x)
{
    cfmt_result_t r = { .status = APR_SUCCESS };
    cfmt_replay_compare_t c;
    apr_status_t rv = cfmt_replay_compare(&c, &x->conf, x->policy, &r, x->w.p);

    wipe_line();
    if (rv != APR_SUCCESS) {
        return failed(x, rv, &r);
    }
    ctl_replay_print_compare(x, &c);
    return CTL_DONE;
}

int ctl_replay(ctl_t *ctl)
{
    ctl_replay_t x = { .pass = 1, .passes = 1 };
    int code = ctl->policy ? ctl_replay_policy(&x.policy, ctl) : CTL_DONE;

    if (code != CTL_DONE || (code = ctl_world_open(&x.w, ctl)) != CTL_DONE) {
        return code;
    }
    x.conf.source = x.w.store;
    x.conf.progress = progress;
    x.conf.baton = &x;
    code = choose_range(&x, ctl);
    if (code != CTL_DONE || (code = make_scratch(&x)) != CTL_DONE) {
        return code;
    }
    ctl_follow_begin();
    x.passes = x.policy ? 2 : 1;
    code = x.policy ? compare(&x) : check(&x);
    remove_scratch(&x);
    return code;
}
