/*
 * What `cfmtctl import` found, wrote and kept, and what is left to do: for people in the order in
 * which it is to be done, for programs as one document.
 */
#include <string.h>

#include <apr_strings.h>

#include "import.h"

#define PROXY "proxy line"
#define RECEIVER "cloudflare-webhook"

/* ---- rows ------------------------------------------------------------------------------------ */

#define TALLY(member, label) COLUMN(ctl_tally_t, member, label, COL_INT, 1)
static const ctl_column_t tally_columns[] = {
    COLUMN(ctl_tally_t, source, "source", COL_TEXT, 1), TALLY(rows, "rows"), TALLY(fresh, "new"),
    TALLY(known, "known"), TALLY(ambiguous, "ambiguous"), TALLY(unread, "not_understood"),
    { .name = NULL }
};
static const ctl_list_t tally_list = { "history", tally_columns, sizeof(ctl_tally_t) };

#define UNREAD(member) COLUMN(ctl_unread_t, member, #member, COL_TEXT, 1)
static const ctl_column_t unread_columns[] = {
    UNREAD(source), UNREAD(id), UNREAD(column), UNREAD(value), UNREAD(why), { .name = NULL }
};
static const ctl_list_t unread_list = { "not_understood", unread_columns, sizeof(ctl_unread_t) };

static const ctl_column_t written_columns[] = {
    COLUMN(ctl_written_t, how, "state", COL_TEXT, 1),
    COLUMN(ctl_written_t, path, "path", COL_TEXT, 1), { .name = NULL }
};
static const ctl_list_t written_list = { "files", written_columns, sizeof(ctl_written_t) };

/* What is left of the old system, each with the command that ends it. */
typedef struct left_t {
    const char *what, *where, *text, *retire;
    apr_int64_t sure;
} left_t;

#define LEFT(member, kind) COLUMN(left_t, member, #member, kind, 1)
static const ctl_column_t left_columns[] = {
    LEFT(what, COL_TEXT), LEFT(where, COL_TEXT), LEFT(text, COL_TEXT), LEFT(sure, COL_BOOL),
    LEFT(retire, COL_TEXT), { .name = NULL }
};
static const ctl_list_t left_list = { "left", left_columns, sizeof(left_t) };

static apr_array_header_t *tally_rows(const ctl_import_t *im)
{
    apr_array_header_t *rows = apr_array_make(im->p, 8, sizeof(ctl_tally_t));
    int i;

    for (i = 0; i < im->tallies->nelts; i++) {
        APR_ARRAY_PUSH(rows, ctl_tally_t) = *APR_ARRAY_IDX(im->tallies, i, ctl_tally_t *);
    }
    return rows;
}

/* From the last one found: the watchdog, what withdraws, receiver: that alone, or all others. */
static void add_services(apr_array_header_t *rows, const ctl_import_t *im, int receiver)
{
    int i;

    for (i = im->old->nelts; i-- > 0;) {
        const ctl_old_t *old = &APR_ARRAY_IDX(im->old, i, ctl_old_t);

        if (receiver == !strncmp(old->name, RECEIVER, strlen(RECEIVER))) {
            APR_ARRAY_PUSH(rows, left_t) = (left_t){
                .what = old->what, .where = old->path ? old->path : old->name,
                .text = old->name, .sure = 1, .retire = old->retire
            };
        }
    }
}

/*
 * In the order in which they are to be ended: the watchdog first, because it would start the others
 * again; then the way that deliveries take; and what received them when they go another way, so
 * that none is lost.
 */
static apr_array_header_t *left_rows(const ctl_import_t *im)
{
    apr_array_header_t *rows = apr_array_make(im->p, 8, sizeof(left_t));
    int i;

    add_services(rows, im, 0);
    for (i = im->proxies->nelts; i-- > 0;) { /* from the last line up: numbers stay right */
        const ctl_proxy_t *proxy = &APR_ARRAY_IDX(im->proxies, i, ctl_proxy_t);

        APR_ARRAY_PUSH(rows, left_t) = (left_t){
            .what = PROXY, .text = proxy->text, .sure = proxy->sure,
            .where = apr_psprintf(im->p, "%s:%d", proxy->path, proxy->line),
            .retire = proxy->retire
        };
    }
    add_services(rows, im, 1);
    return rows;
}

/* ---- a document ------------------------------------------------------------------------------ */

static const char *prefixes_json(const ctl_import_t *im)
{
    const apr_array_header_t *all = im->settings.prefixes;
    const char *text = "";
    int i;

    for (i = 0; i < all->nelts; i++) {
        text = apr_pstrcat(im->p, text, i ? "," : "",
                           ctl_json_string(im->p, APR_ARRAY_IDX(all, i, ctl_old_prefix_t).text),
                           NULL);
    }
    return text;
}

static const char *yes(const char *value)
{
    return value ? "true" : "false";
}

static void report_json(const ctl_import_t *im)
{
    const ctl_old_settings_t *old = &im->settings;
    apr_pool_t *p = im->p;
    const char *settings = apr_psprintf(
        p, "\"dry_run\":%s,\"settings\":{\"account_id\":%s,\"api_token\":%s,\"webhook_secret\":%s,"
           "\"bot_token\":%s,\"chat_id\":%s,\"prefixes\":[%s],\"route\":%s}",
        im->dry ? "true" : "false", ctl_json_string(p, old->account), yes(old->token),
        yes(old->secret), yes(old->bot), ctl_json_string(p, old->chat), prefixes_json(im),
        ctl_json_string(p, old->route));

    ctl_json_document(im->ctl, apr_pstrcat(
        p, settings, ",\n\"files\":", ctl_json_rows(&written_list, im->written, p),
        ",\n\"history\":", ctl_json_rows(&tally_list, tally_rows(im), p),
        ",\n\"not_understood\":", ctl_json_rows(&unread_list, im->unread, p),
        ",\n\"left\":", ctl_json_rows(&left_list, left_rows(im), p), NULL));
}

/* ---- for people ------------------------------------------------------------------------------ */

static void print_settings(const ctl_import_t *im)
{
    const ctl_old_settings_t *old = &im->settings;
    int i;

    printf("%s%s%s%s%s%d prefixes\n", old->account ? "account, " : "",
           old->token ? "API token, " : "", old->secret ? "webhook secret, " : "",
           old->bot ? "Telegram bot, " : "", old->chat ? "chat, " : "", old->prefixes->nelts);
    for (i = 0; i < im->written->nelts; i++) {
        const ctl_written_t *w = &APR_ARRAY_IDX(im->written, i, ctl_written_t);

        printf("%-16s %s\n", w->how, ctl_text(im->p, w->path));
    }
}

static int is_proxy(const left_t *left)
{
    return !strcmp(left->what, PROXY);
}

/* One after the other, as they are to be typed; behind the last proxy line a reload. */
static void print_commands(const ctl_import_t *im, const apr_array_header_t *rows)
{
    int i, changed = 0;

    for (i = 0; i < rows->nelts; i++) {
        const left_t *left = &APR_ARRAY_IDX(rows, i, left_t);

        if (left->sure) {
            changed |= is_proxy(left);
            printf("  sudo %s   # %s\n", left->retire, ctl_text(im->p, left->text));
        }
        if (changed && (i + 1 == rows->nelts || !is_proxy(left + 1))) {
            printf("  sudo apachectl configtest && sudo systemctl reload apache2\n");
            changed = 0;
        }
    }
}

static void print_left(const ctl_import_t *im, const apr_array_header_t *rows)
{
    int i, sure = 0;

    for (i = 0; i < rows->nelts; i++) {
        sure += APR_ARRAY_IDX(rows, i, left_t).sure != 0;
    }
    if (sure) {
        printf("\nthe old system is still here; when mod_cfmt has taken over, this retires it:\n");
    }
    print_commands(im, rows);
    for (i = 0; i < rows->nelts; i++) {
        const left_t *left = &APR_ARRAY_IDX(rows, i, left_t);

        if (!left->sure) {
            printf("%s passes requests on, perhaps to the old system: %s\n", left->where,
                   ctl_text(im->p, left->text));
        }
    }
}

static void report_text(const ctl_import_t *im)
{
    ctl_t plain = *im->ctl;

    plain.follow = 0;
    print_settings(im);
    if (im->tallies->nelts) {
        printf("\n");
        ctl_list_print(&tally_list, tally_rows(im), NULL, &plain, im->p);
    }
    if (im->unread->nelts) {
        printf("\nnot understood%s\n", im->tallies->nelts ? "; rows were kept as they are" : "");
        ctl_list_print(&unread_list, im->unread, NULL, &plain, im->p);
    }
    print_left(im, left_rows(im));
}

void ctl_import_report(const ctl_import_t *im)
{
    if (im->ctl->json) {
        report_json(im);
    }
    else {
        report_text(im);
    }
}
