/*
 * import: what the system before had, for this one. Its settings become a cfmt.conf, its history
 * rows of the journal, each once; and what of it is still there is named with its end.
 */
#include <errno.h>
#include <string.h>

#include <apr_strings.h>

#include "import.h"

static const char *copy(const char *text, apr_pool_t *p)
{
    return text ? apr_pstrdup(p, text) : NULL;
}

void ctl_import_unread(ctl_import_t *im, const char *source, const char *id, const char *column,
                       const char *value, const char *why)
{
    APR_ARRAY_PUSH(im->unread, ctl_unread_t) = (ctl_unread_t){
        .source = copy(source, im->p), .id = copy(id, im->p), .column = copy(column, im->p),
        .value = copy(value, im->p), .why = copy(why, im->p)
    };
}

ctl_tally_t *ctl_import_tally(ctl_import_t *im, const char *source)
{
    ctl_tally_t *tally;
    int i;

    for (i = 0; i < im->tallies->nelts; i++) {
        tally = APR_ARRAY_IDX(im->tallies, i, ctl_tally_t *);
        if (!strcmp(tally->source, source)) {
            return tally;
        }
    }
    tally = apr_pcalloc(im->p, sizeof(*tally));
    tally->source = apr_pstrdup(im->p, source);
    APR_ARRAY_PUSH(im->tallies, ctl_tally_t *) = tally;
    return tally;
}

/* ---- the history ----------------------------------------------------------------------------- */

static int has_history(const ctl_import_t *im)
{
    int i;

    for (i = 0; i < im->sources->nelts; i++) {
        ctl_source_e what = APR_ARRAY_IDX(im->sources, i, ctl_source_t).what;

        if (what == CTL_SOURCE_DATABASE || what == CTL_SOURCE_WEBHOOKS) {
            return 1;
        }
    }
    return 0;
}

/* In a dry run all is looked through even where there is no store yet. */
static int take_history(ctl_import_t *im, ctl_reader_t *rd)
{
    ctl_t *ctl = im->ctl;
    cfmt_store_t *s = NULL;
    int rows, code = ctl_become(ctl);

    if (code == CTL_DONE) {
        code = ctl_open(ctl, im->dry ? CFMT_STORE_READ : CFMT_STORE_WRITE, &s);
    }
    if (code != CTL_DONE && !im->dry) {
        return code;
    }
    im->history = 1;
    rows = ctl_import_rows(im, rd, code == CTL_DONE ? s : NULL);
    return code == CTL_DONE ? rows : code;
}

static int import_history(ctl_import_t *im)
{
    ctl_reader_t rd;
    int code;

    if (ctl_reader_start(&rd, im) != 0) {
        ctl_complain(CFMT_ID(1154), "import: no process to read with: %s", strerror(errno));
        return CTL_FAILED;
    }
    code = take_history(im, &rd);
    ctl_reader_end(&rd);
    return code;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Where Cloudflare posts to today, so that it need not be told of another address. */
static const char *route_of(const apr_array_header_t *proxies)
{
    int i;

    for (i = 0; i < proxies->nelts; i++) {
        const ctl_proxy_t *proxy = &APR_ARRAY_IDX(proxies, i, ctl_proxy_t);

        if (proxy->route && strstr(proxy->route, "webhook")) {
            return proxy->route;
        }
    }
    return NULL;
}

static void begin(ctl_import_t *im, ctl_t *ctl)
{
    apr_pool_t *p = ctl->pool;

    *im = (ctl_import_t){
        .ctl = ctl, .p = p, .dry = (ctl->given & OPT_DRY_RUN) != 0,
        .sources = apr_array_make(p, 8, sizeof(ctl_source_t)),
        .written = apr_array_make(p, 4, sizeof(ctl_written_t)),
        .tallies = apr_array_make(p, 8, sizeof(ctl_tally_t *)),
        .unread = apr_array_make(p, 16, sizeof(ctl_unread_t)),
        .settings.prefixes = apr_array_make(p, 8, sizeof(ctl_old_prefix_t)),
    };
}

/*
 * Files are written as whoever runs this; only then, for the store, root becomes its owner. What
 * was done is told even where the next step failed.
 */
int ctl_import(ctl_t *ctl)
{
    ctl_import_t im;
    int code;

    begin(&im, ctl);
    if ((code = ctl_import_find(&im)) != CTL_DONE) {
        return code;
    }
    ctl_import_settings(&im);
    im.proxies = ctl_old_proxies(im.p);
    im.settings.route = route_of(im.proxies);
    im.old = ctl_old_system(im.p); /* as root, who may read all of it */
    code = ctl_import_conf(&im);
    if (code == CTL_DONE && has_history(&im)) {
        code = import_history(&im);
    }
    ctl_import_report(&im);
    return code == CTL_DONE && im.part ? CTL_PART : code;
}
