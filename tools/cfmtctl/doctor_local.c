/*
 * doctor: what can be seen on this host alone: what httpd published at its start, the database,
 * the token's file, what is left of the system before.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <apr_strings.h>

#include "cfmt_engine.h"
#include "doctor.h"
#include "findings.h"
#include "old_system.h"

#define PREFIX "Prefix "
#define SECRET "Secret "

static const char *setting(const doctor_t *d, const char *name)
{
    return apr_table_get(d->settings, name);
}

/* ---- configuration --------------------------------------------------------------------------- */

static int say_warnings(doctor_t *d)
{
    const char *text = setting(d, "Warnings");
    char *last, *line;
    int n = 0;

    line = text ? apr_strtok(apr_pstrdup(d->p, text), "\n", &last) : NULL;
    for (; line; line = apr_strtok(NULL, "\n", &last), n++) {
        const char *said = strstr(line, ": ");

        doctor_say(d, DOCTOR_WARN, said ? apr_pstrmemdup(d->p, line, (apr_size_t)(said - line))
                                        : NULL,
                   NULL, "%s", said ? said + 2 : line);
    }
    return n;
}

static int say_missing(doctor_t *d, const char *name, const char *remedy, const char *without)
{
    if (setting(d, name)) {
        return 0;
    }
    doctor_say(d, DOCTOR_WARN, apr_pstrcat(d->p, "Cfmt", name, NULL), remedy, "not set: %s",
               without);
    return 1;
}

static int count_settings(const doctor_t *d, const char *stem)
{
    const apr_array_header_t *all = apr_table_elts(d->settings);
    int i, n = 0;

    for (i = 0; i < all->nelts; i++) {
        n += !strncmp(APR_ARRAY_IDX(all, i, apr_table_entry_t).key, stem, strlen(stem));
    }
    return n;
}

void doctor_settings(doctor_t *d)
{
    int n;

    if (!setting(d, "GeneratedBy")) {
        doctor_say(d, DOCTOR_FAIL, NULL, "start httpd with mod_cfmt and this CfmtDb",
                   "httpd has never published its configuration here");
        return;
    }
    n = say_warnings(d);
    n += say_missing(d, "AccountId", "CfmtAccountId ID, then reload Apache",
                     "nothing is asked of Cloudflare, nothing is advertised or withdrawn");
    n += say_missing(d, "ApiToken", "CfmtApiToken file:PATH, then reload Apache",
                     "nothing is asked of Cloudflare, nothing is advertised or withdrawn");
    n += say_missing(d, "PublicUrl", "CfmtPublicUrl https://HOST/PATH, then reload Apache",
                     "nobody knows which destination at Cloudflare is ours");
    if (!n) {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "no warnings at httpd's last start; CfmtPrefix lines:"
                   " %d, channels: %d", count_settings(d, PREFIX), count_settings(d, "Notify "));
    }
}

void doctor_version(doctor_t *d)
{
    const char *by = setting(d, "GeneratedBy");

    if (!by) {
        doctor_say(d, DOCTOR_SKIP, NULL, NULL, "httpd has not started with this database");
    }
    else if (strcmp(by, CFMT_VERSION)) {
        doctor_say(d, DOCTOR_WARN, NULL, NULL, "httpd runs mod_cfmt %s, this is cfmtctl "
                   CFMT_VERSION, by);
    }
    else {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "httpd and cfmtctl are " CFMT_VERSION);
    }
}

static int withdraws(const doctor_t *d)
{
    const apr_array_header_t *all = apr_table_elts(d->settings);
    int i;

    for (i = 0; i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);

        if (!strncmp(e->key, PREFIX, strlen(PREFIX))
            && (strstr(e->val, "withdraw=auto") || strstr(e->val, "withdraw=propose"))) {
            return 1;
        }
    }
    return 0;
}

void doctor_mode(doctor_t *d)
{
    const char *mode = setting(d, "Mode");

    if (!mode) {
        doctor_say(d, DOCTOR_SKIP, NULL, NULL, "httpd has not started with this database");
    }
    else if (strcmp(mode, "enforce")) {
        doctor_say(d, DOCTOR_WARN, NULL, NULL,
                   "observe: it decides and tells, but changes nothing by itself");
    }
    else if (!withdraws(d)) {
        doctor_say(d, DOCTOR_WARN, NULL, "CfmtPrefix * withdraw=auto, or propose, where wanted",
                   "enforce, but no CfmtPrefix has withdraw=auto or propose");
    }
    else {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "enforce");
    }
}

/* ---- database -------------------------------------------------------------------------------- */

static const struct {
    const char *check, *remedy;
} remedies[] = {
    { .check = "directory",
      .remedy = "install -d -m 2770, of httpd's user and CfmtGroup; 'namei -l' shows the way" },
    { .check = "database",
      .remedy = "chmod 0660, of httpd's user and the directory's group" },
    { .check = "disk",
      .remedy = "make room: 'df -h' on its directory; CfmtRetention removes old rows" },
    { .check = "leader",
      .remedy = "systemctl start apache2; httpd's error log says why it does not lead" },
    { .check = "projection",
      .remedy = "systemctl status apache2; a row that is not understood is in the error log" },
    { .check = "wal",
      .remedy = "systemctl status apache2: the leader writes it back; a backup may still run" },
    { .remedy = "cfmtctl db check --full; docs/troubleshooting.md" }
};

static const char *remedy_of(const char *check)
{
    int i;

    for (i = 0; remedies[i].check && strcmp(remedies[i].check, check); i++) {
    }
    return remedies[i].remedy;
}

static doctor_e verdict_of(const char *status)
{
    return !strcmp(status, "fail")   ? DOCTOR_FAIL
           : !strcmp(status, "warn") ? DOCTOR_WARN
           : !strcmp(status, "skip") ? DOCTOR_SKIP : DOCTOR_OK;
}

void doctor_database(doctor_t *d)
{
    apr_array_header_t *rows;
    int i;

    ctl_db_findings(d->ctl, DOCTOR_LIMIT, &rows);
    for (i = 0; i < rows->nelts; i++) {
        const ctl_finding_t *f = &APR_ARRAY_IDX(rows, i, ctl_finding_t);

        doctor_say(d, verdict_of(f->status), f->check, remedy_of(f->check), "%s", f->detail);
    }
}

void doctor_deliveries(doctor_t *d)
{
    cfmt_health_rows_t rows;

    if (!d->store || cfmt_query_health(d->store, &rows) != APR_SUCCESS) {
        doctor_say(d, DOCTOR_SKIP, NULL, NULL, "the database cannot be read");
    }
    else if (!rows.last_delivery_at) {
        doctor_say(d, DOCTOR_WARN, NULL, NULL, "none has ever come");
    }
    else {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "the last one came %s ago",
                   ctl_duration(d->p, d->now > rows.last_delivery_at
                                          ? d->now - rows.last_delivery_at : 0));
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

void doctor_token_file(doctor_t *d)
{
    const char *source = setting(d, "ApiToken");

    if (d->token) {
        doctor_say(d, DOCTOR_OK, source + 5, NULL, "readable, and not by everybody");
    }
    else {
        doctor_say(d, d->token_verdict, source ? strchr(source, ':') + 1 : NULL, d->token_remedy,
                   "%s", d->token_why);
    }
}

/* httpd reads it as root; here only its attributes are of interest. */
static void judge_secret(doctor_t *d, const char *label, const char *path)
{
    const char *chmod = apr_psprintf(d->p, "chown root %s; chmod 0600 %s", ctl_text(d->p, path),
                                     ctl_text(d->p, path));
    struct stat sb;

    if (stat(path, &sb) != 0) {
        doctor_say(d, errno == EACCES ? DOCTOR_SKIP : DOCTOR_FAIL, label, NULL, "%s: %s",
                   ctl_text(d->p, path), strerror(errno));
    }
    else if (!S_ISREG(sb.st_mode) || (sb.st_mode & (S_IROTH | S_IWOTH))) {
        doctor_say(d, DOCTOR_FAIL, label, chmod, "%s: %s", ctl_text(d->p, path),
                   S_ISREG(sb.st_mode) ? "open to everybody" : "it is no plain file");
    }
    else {
        doctor_say(d, DOCTOR_OK, label, NULL, "%s: not open to everybody", ctl_text(d->p, path));
    }
}

void doctor_secrets(doctor_t *d)
{
    const apr_array_header_t *all = apr_table_elts(d->settings);
    int i, n = 0;

    for (i = 0; i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);

        if (strncmp(e->key, SECRET, strlen(SECRET))) {
            continue;
        }
        n++;
        if (!strncmp(e->val, "file:", 5)) {
            judge_secret(d, e->key + strlen(SECRET), e->val + 5);
        }
        else {
            doctor_say(d, DOCTOR_SKIP, e->key + strlen(SECRET), NULL,
                       "it is in no file of its own");
        }
    }
    if (!n) {
        doctor_say(d, DOCTOR_SKIP, NULL, NULL, "httpd knows of none, see configuration");
    }
}

/* ---- the system before ----------------------------------------------------------------------- */

void doctor_old(doctor_t *d)
{
    apr_array_header_t *found = ctl_old_system(d->p);
    int i;

    for (i = 0; i < found->nelts; i++) {
        const ctl_old_t *old = &APR_ARRAY_IDX(found, i, ctl_old_t);

        doctor_say(d, old->running || old->enabled ? DOCTOR_FAIL : DOCTOR_WARN, old->name,
                   old->retire, "%s of the system before, %s", old->what,
                   old->running   ? "running: two programs withdraw"
                   : old->enabled ? "starts by itself: two programs withdraw"
                                  : "still installed");
    }
    if (!found->nelts) {
        doctor_say(d, DOCTOR_OK, NULL, NULL, "nothing is left of it");
    }
}
