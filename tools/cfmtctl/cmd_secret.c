/*
 * secret: the rotation of CfmtSecret, step by step. Makes a secret in a file of its own, says which
 * lines to change, and by the deliveries that came when the old one may go. Configuration is
 * httpd's: nothing here edits it, and no secret is ever printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_base64.h>
#include <apr_crypto.h>
#include <apr_strings.h>

#include "act.h"
#include "cfmt_store_keep.h"

#define RANDOM_SIZE 32
#define TEXT_SIZE 64
#define LABEL_MAX 32
#define QUIET apr_time_from_sec(86400) /* so long the old one was not used, and the new one was */
#define SECRET "Secret "               /* of a setting's name; the label is behind it */

/* ---- new ------------------------------------------------------------------------------------- */

/* Letters, digits, "-" and "_": it goes through every form and header. */
static int make_text(char text[TEXT_SIZE])
{
    unsigned char random[RANDOM_SIZE];
    int ok = apr_generate_random_bytes(random, sizeof(random)) == APR_SUCCESS;
    char *c;

    if (ok) {
        apr_base64_encode_binary(text, random, sizeof(random));
        for (c = text; *c; c++) {
            *c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c);
        }
    }
    apr_crypto_memzero(random, sizeof(random));
    return ok;
}

/* Nothing that is there is overwritten: it may be the secret in use. */
static int write_file(const ctl_t *ctl, const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), err = 0;
    ssize_t len = (ssize_t)strlen(text);

    if (fd < 0) {
        err = errno;
    }
    else if (write(fd, text, (size_t)len) != len || write(fd, "\n", 1) != 1 || fsync(fd) != 0) {
        err = errno ? errno : EIO;
        (void)unlink(path);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (err) {
        ctl_complain(CFMT_ID(1198), "%s: %s%s", ctl_text(ctl->pool, path), strerror(err),
                     err == EEXIST ? "; name a file that is not there yet"
                     : err == EACCES ? "; use sudo" : "");
        return err == EEXIST ? CTL_FAILED : err == EACCES ? CTL_DENIED : CTL_FAILED;
    }
    return CTL_DONE;
}

static int is_label(const char *label)
{
    return *label && strlen(label) <= LABEL_MAX
           && strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
                  == strlen(label);
}

static void say_steps(const ctl_t *ctl, const char *path, const char *label)
{
    const char *directive = apr_psprintf(ctl->pool, "CfmtSecret file:%s label=%s", path, label);

    if (ctl->json) {
        ctl_json_document(ctl, apr_psprintf(ctl->pool, "\"file\":%s,\"label\":%s,\"directive\":%s",
                                            ctl_json_string(ctl->pool, path),
                                            ctl_json_string(ctl->pool, label),
                                            ctl_json_string(ctl->pool, directive)));
        return;
    }
    printf("1. written: %s, for its owner alone\n"
           "2. add behind the other CfmtSecret lines, which stay for now:\n"
           "     %s\n"
           "3. apachectl configtest && systemctl reload apache2\n"
           "4. at Cloudflare: a webhook destination with what 'cat %s' shows as its secret,\n"
           "   for the policies in the place of the old one; its test message comes at once\n"
           "5. cfmtctl secret list, until it says that the old one may go\n"
           "6. cfmtctl secret retire OLD-LABEL\n",
           path, directive, path);
}

/* With the rights of whoever asks, and without the database. */
int ctl_secret_new(ctl_t *ctl)
{
    const char *path = ctl->operands[0];
    const char *label = ctl->operand_count > 1
                            ? ctl->operands[1]
                            : apr_pstrmemdup(ctl->pool, cfmt_time_format(ctl->pool, apr_time_now()),
                                             strlen("2026-11-23"));
    char text[TEXT_SIZE];
    int code;

    if (*path != '/' || strpbrk(path, " \t\r\n\"'\\") || !is_label(label)) {
        ctl_complain(CFMT_ID(1199), "secret new PATH [LABEL]: a path from the root without blanks"
                     " and quotes, and letters, digits, '.', '_', '-' as label: secret new"
                     " /etc/cfmt-secret.2027 2027");
        return CTL_USAGE;
    }
    if (!make_text(text)) {
        ctl_complain(CFMT_ID(1200), "the system has no random numbers");
        return CTL_FAILED;
    }
    code = write_file(ctl, path, text);
    apr_crypto_memzero(text, sizeof(text));
    if (code == CTL_DONE) {
        say_steps(ctl, path, label);
    }
    return code;
}

/* ---- how they are used ----------------------------------------------------------------------- */

typedef struct secret_t {
    const char *label, *source, *state, *advice;
    apr_int64_t deliveries;
    ctl_aged_t first, last;
    int safe; /* to be retired */
} secret_t;

#define SECRET_COLUMN(member, kind_) COLUMN(secret_t, member, #member, kind_, 1)
static const ctl_column_t secret_columns[] = {
    SECRET_COLUMN(label, COL_TEXT), SECRET_COLUMN(state, COL_TEXT),
    SECRET_COLUMN(deliveries, COL_INT), AGED_JSON(secret_t, first, "first"),
    AGED(secret_t, last, "last", "last"), COLUMN(secret_t, safe, "safe_to_retire", COL_FLAG, 0),
    SECRET_COLUMN(source, COL_TEXT), SECRET_COLUMN(advice, COL_TEXT), { .name = NULL }
};
static const ctl_list_t secret_list = { "secrets", secret_columns, sizeof(secret_t) };

static const cfmt_label_row_t *seen_of(const apr_array_header_t *seen, const char *label)
{
    int i;

    for (i = 0; i < seen->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(seen, i, cfmt_label_row_t).label, label)) {
            return &APR_ARRAY_IDX(seen, i, cfmt_label_row_t);
        }
    }
    return NULL;
}

static secret_t *find(const apr_array_header_t *rows, const char *label)
{
    int i;

    for (i = 0; i < rows->nelts; i++) {
        secret_t *s = &APR_ARRAY_IDX(rows, i, secret_t);

        if (!strcmp(s->label, label)) {
            return s;
        }
    }
    return NULL;
}

static apr_array_header_t *load(const ctl_world_t *w, const apr_array_header_t *seen)
{
    const apr_array_header_t *all = apr_table_elts(w->settings);
    apr_array_header_t *rows = apr_array_make(w->p, 4, sizeof(secret_t));
    int i;

    for (i = 0; i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);
        const cfmt_label_row_t *use;

        if (!strncmp(e->key, SECRET, strlen(SECRET))) {
            secret_t *s = apr_array_push(rows);

            s->label = e->key + strlen(SECRET);
            s->source = e->val;
            use = seen_of(seen, s->label);
            s->deliveries = use ? use->deliveries : 0;
            s->first = ctl_aged(w, use ? use->first_at : 0);
            s->last = ctl_aged(w, use ? use->last_at : 0);
        }
    }
    return rows;
}

/* Whichever of the others was used last. */
static const secret_t *rival(const apr_array_header_t *rows, const secret_t *s)
{
    const secret_t *best = NULL;
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const secret_t *other = &APR_ARRAY_IDX(rows, i, secret_t);

        if (other != s && other->last.at && (!best || other->last.at > best->last.at)) {
            best = other;
        }
    }
    return best;
}

/*
 * Another one lets deliveries in that came after the last with this one, and a day has gone by: by
 * then every destination that still has the old one is likely to have sent something.
 */
static void judge(const ctl_world_t *w, const apr_array_header_t *rows, secret_t *s)
{
    const secret_t *other = rival(rows, s);

    if (rows->nelts == 1) {
        s->state = "only";
        s->advice = "keep it; 'cfmtctl secret new PATH' begins a rotation";
    }
    else if (!other || other->last.at <= s->last.at) {
        s->state = s->last.at ? "in use" : "unused";
        s->advice = s->last.at ? "keep it: the newest delivery came with it"
                               : "no delivery has come with it yet: has Cloudflare got it?";
    }
    else if (s->last.at && w->now - s->last.at < QUIET) {
        s->state = "fading";
        s->advice = apr_psprintf(w->p, "wait until %s: it was used within the last day",
                                 ctl_time(w->p, s->last.at + QUIET));
    }
    else if (!s->last.at) {
        s->state = "unused";
        s->safe = 1;
        s->advice = "never used: 'cfmtctl secret retire' if Cloudflare is not about to get it";
    }
    else {
        s->state = "retired";
        s->safe = 1;
        s->advice = apr_psprintf(w->p, "may go: 'cfmtctl secret retire %s'", s->label);
    }
}

static int look(ctl_world_t *w, ctl_t *ctl, apr_array_header_t **prows, apr_time_t *psince)
{
    apr_array_header_t *seen;
    apr_status_t rv;
    int i, code = ctl_world_open(w, ctl);

    if (code != CTL_DONE) {
        return code;
    }
    *prows = apr_array_make(w->p, 1, sizeof(secret_t));
    rv = cfmt_labels_seen(w->store, &seen, psince, w->p);
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(w, rv);
    }
    *prows = load(w, seen);
    for (i = 0; i < (*prows)->nelts; i++) {
        judge(w, *prows, &APR_ARRAY_IDX(*prows, i, secret_t));
    }
    return CTL_DONE;
}

int ctl_secret_list(ctl_t *ctl)
{
    apr_array_header_t *rows;
    apr_time_t since;
    ctl_world_t w;
    int code = look(&w, ctl, &rows, &since);

    if (code != CTL_DONE) {
        return code;
    }
    ctl_list_print(&secret_list, rows,
                   apr_psprintf(w.p, "\"seen_since\":%s",
                                since ? ctl_json_string(w.p, cfmt_time_format(w.p, since))
                                      : "null"),
                   ctl, w.p);
    if (!rows->nelts) {
        ctl_complain(CFMT_ID(1201), "no CfmtSecret is configured: every delivery is answered 503;"
                     " 'cfmtctl secret new PATH' makes one");
    }
    return CTL_DONE;
}

/* ---- retire ---------------------------------------------------------------------------------- */

static int unknown(const ctl_world_t *w, const apr_array_header_t *rows, const char *label)
{
    const char *names = "";
    int i;

    for (i = 0; i < rows->nelts; i++) {
        names = apr_pstrcat(w->p, names, i ? ", " : "",
                            ctl_text(w->p, APR_ARRAY_IDX(rows, i, secret_t).label), NULL);
    }
    ctl_complain(CFMT_ID(1202), "no CfmtSecret has the label '%s'; there %s %s",
                 ctl_text(w->p, label), rows->nelts ? "are:" : "is", *names ? names : "none");
    return CTL_FAILED;
}

static void say_retire(const ctl_t *ctl, const secret_t *s)
{
    const char *file = strncmp(s->source, "file:", 5) ? NULL : s->source + 5;

    if (ctl->json) {
        ctl_json_document(ctl, apr_pstrcat(ctl->pool, "\"secret\":",
                                           ctl_json_row(&secret_list, s, ctl->pool), NULL));
        return;
    }
    printf("1. remove the line: CfmtSecret %s label=%s\n"
           "2. apachectl configtest && systemctl reload apache2\n",
           file ? s->source : strncmp(s->source, "exec:", 5) ? "..." : s->source, s->label);
    if (file) {
        printf("3. rm %s\n", ctl_text(ctl->pool, file));
    }
}

int ctl_secret_retire(ctl_t *ctl)
{
    apr_array_header_t *rows;
    apr_time_t since;
    const secret_t *s;
    ctl_world_t w;
    int code = look(&w, ctl, &rows, &since);

    if (code != CTL_DONE) {
        return code;
    }
    s = find(rows, ctl->operands[0]);
    if (!s) {
        return unknown(&w, rows, ctl->operands[0]);
    }
    if (!s->safe && !(ctl->given & OPT_OVERRIDE)) {
        ctl_complain(CFMT_ID(1203), "%s: %s; all the same, say when it has leaked: 'cfmtctl secret"
                     " retire %s --override'", ctl_text(w.p, s->label), s->advice,
                     ctl_text(w.p, s->label));
        return CTL_REFUSED;
    }
    say_retire(ctl, s);
    return CTL_DONE;
}
