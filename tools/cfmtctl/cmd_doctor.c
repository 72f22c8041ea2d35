/*
 * doctor: is everything in place for mod_cfmt to do its work? The table below is all it looks at.
 * It changes nothing: the database is opened to read, and of what it asks Cloudflare the one call
 * that could change something names a prefix that cannot exist.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "doctor.h"
#include "secret_file.h"

static const doctor_check_t checks[] = {
    { .name = "configuration", .judge = doctor_settings,
      .remedy = "correct it, 'apachectl configtest', reload Apache; docs/messages.md has the number"
    },
    { .name = "version", .judge = doctor_version,
      .remedy = "install one version of both, then restart Apache (a reload keeps the old code)" },
    { .name = "mode", .judge = doctor_mode,
      .remedy = "CfmtMode enforce, when 'cfmtctl replay' and 'cfmtctl explain' show what you want"
    },
    { .name = "database", .judge = doctor_database },
    { .name = "deliveries", .judge = doctor_deliveries,
      .remedy = "send a test message: dashboard, Notifications, Destinations, Save and Test" },
    { .name = "old system", .judge = doctor_old },
    { .name = "token file", .judge = doctor_token_file },
    { .name = "secret file", .judge = doctor_secrets,
      .remedy = "make the file, then reload Apache: without it deliveries are refused" },
    { .name = "dns", .network = 1, .start = doctor_hosts_start, .judge = doctor_dns,
      .remedy = "'getent hosts NAME'; /etc/resolv.conf" },
    { .name = "ipv4", .network = 1, .judge = doctor_ipv4,
      .remedy = "let this host out to port 443 there: firewall, route, CfmtProxy" },
    { .name = "ipv6", .network = 1, .judge = doctor_ipv6,
      .remedy = "mend the route, or take the IPv6 address from this host: each connection tries it"
    },
    { .name = "tls", .network = 1, .judge = doctor_tls,
      .remedy = "CfmtCaFile, the package ca-certificates, a proxy in between, this host's clock" },
    { .name = "clock", .network = 1, .start = doctor_account_start, .judge = doctor_clock,
      .remedy = "'timedatectl'; start chrony or systemd-timesyncd" },
    { .name = "token", .network = 1, .judge = doctor_token,
      .remedy = "make a new token in the dashboard, put it into the file of CfmtApiToken, reload" },
    { .name = "permission", .network = 1, .judge = doctor_permissions },
    { .name = "magic transit", .network = 1, .judge = doctor_magic,
      .remedy = "CfmtAccountId must be the account that has Magic Transit" },
    { .name = "prefixes", .network = 1, .judge = doctor_prefixes },
    { .name = "policies", .network = 1, .judge = doctor_policies,
      .remedy = "dashboard, Notifications: add a policy for it, with the webhook as destination" },
    { .name = "destination", .network = 1, .judge = doctor_destination,
      .remedy = "dashboard, Notifications, Destinations: the URL must be that of CfmtPublicUrl" },
    { .name = "ranges", .network = 1, .judge = doctor_ranges,
      .remedy = "'cfmtctl jobs': the job ranges reads them once a day" },
    { .name = "certificate", .network = 1, .start = doctor_own_start, .judge = doctor_certificate,
      .remedy = "renew it and reload Apache: Cloudflare delivers to no server it cannot verify" },
    { .name = "webhook", .network = 1, .judge = doctor_webhook,
      .remedy = "the <Location> with SetHandler cfmt-webhook must be in that virtual host" },
    { .name = "channel", .start = doctor_channels_start, .judge = doctor_channels,
      .remedy = "correct it, reload Apache, then 'cfmtctl notify test'" },
    { .name = NULL }
};

/* ---- what is said ---------------------------------------------------------------------------- */

typedef struct line_t {
    const char *status, *check, *subject, *detail, *remedy;
    const char *text; /* detail and remedy */
} line_t;

static const ctl_column_t line_columns[] = {
    COLUMN(line_t, status, "status", COL_TEXT, 1),
    COLUMN(line_t, check, "check", COL_TEXT, 1),
    COLUMN(line_t, subject, "subject", COL_TEXT, 1),
    COLUMN(line_t, text, "detail", COL_SENTENCE, TABLE_ONLY),
    COLUMN(line_t, detail, "detail", COL_TEXT, 0),
    COLUMN(line_t, remedy, "remedy", COL_TEXT, 0),
    { .name = NULL }
};
static const ctl_list_t line_list = { .noun = "checks", .columns = line_columns,
                                      .row_size = sizeof(line_t) };

static const char *with_remedy(const char *detail, const char *remedy, apr_pool_t *p)
{
    size_t len = strlen(detail);
    int asks = len && detail[len - 1] == '?';

    return remedy ? apr_pstrcat(p, detail, asks ? " " : "; ", remedy, NULL) : detail;
}

void doctor_say(doctor_t *d, doctor_e v, const char *subject, const char *remedy, const char *fmt,
                ...)
{
    static const char *const names[] = { "ok", "skip", "warn", "fail" };
    line_t *line = apr_array_push(d->lines);
    va_list ap;

    va_start(ap, fmt);
    line->detail = apr_pvsprintf(d->p, fmt, ap);
    va_end(ap);
    line->status = names[v];
    line->check = d->check->name;
    line->subject = subject;
    line->remedy = remedy || v < DOCTOR_WARN ? remedy : d->check->remedy;
    line->remedy = v == DOCTOR_OK ? NULL : line->remedy;
    line->text = with_remedy(line->detail, line->remedy, d->p);
    d->count[v]++;
}

static void print(const doctor_t *d)
{
    ctl_out_t out;

    ctl_list_begin(&out, &line_list, d->ctl);
    ctl_list_rows(&out, d->lines, d->p);
    ctl_list_end(&out, d->p);
}

/* ---- what it has to go on -------------------------------------------------------------------- */

static void find_token(doctor_t *d)
{
    const char *source = apr_table_get(d->settings, "ApiToken"), *path;

    d->token_verdict = DOCTOR_SKIP;
    if (!source) {
        d->token_why = "CfmtApiToken is not set";
        return;
    }
    if (strncmp(source, "file:", 5)) {
        d->token_why = "it comes from a program, and one that a database names is not run here";
        return;
    }
    path = source + 5;
    d->token = ctl_secret_read(d->ctl, path, &d->token_why, d->p);
    if (!d->token && access(path, R_OK) != 0 && errno == EACCES) {
        d->token_remedy = ctl_secret_remedy(d->settings, path, d->p);
    }
    else if (!d->token) {
        d->token_verdict = DOCTOR_FAIL;
        d->token_remedy = apr_psprintf(d->p, "chown root %s; chmod 0640 %s", ctl_text(d->p, path),
                                       ctl_text(d->p, path));
    }
}

/* A database that is there and cannot be used is a finding, and not the end. */
static int open_store(doctor_t *d)
{
    cfmt_result_t why = { .status = APR_SUCCESS };
    apr_status_t rv = cfmt_store_open(&d->store, d->ctl->db, CFMT_STORE_READ, &why, d->p);

    d->settings = apr_table_make(d->p, 1);
    if (rv == CFMT_EMISSING || rv == CFMT_EDENIED || rv == CFMT_ELINK) {
        return ctl_store_failed(d->ctl, rv, why.detail);
    }
    if (rv != APR_SUCCESS) {
        d->store = NULL;
        d->store_why = why.detail;
        return CTL_DONE;
    }
    ctl_clock_heed(d->ctl, d->store);
    if (cfmt_settings_read(d->store, &d->settings, d->p) != APR_SUCCESS) {
        d->settings = apr_table_make(d->p, 1);
    }
    return CTL_DONE;
}

static int open_network(doctor_t *d)
{
    const cfmt_http_conf_t conf = { .ca_file = apr_table_get(d->settings, "CaFile"),
                                    .proxy = apr_table_get(d->settings, "Proxy") };

    return cfmt_http_global_begin() == APR_SUCCESS
           && cfmt_http_create(&d->http, &conf, d->p) == APR_SUCCESS;
}

/* ---- the command ----------------------------------------------------------------------------- */

static void ask_all(doctor_t *d)
{
    for (d->check = checks; d->check->name; d->check++) {
        if (d->check->start) {
            d->check->start(d);
        }
    }
    doctor_wait(d);
}

static void judge_all(doctor_t *d)
{
    for (d->check = checks; d->check->name; d->check++) {
        if (d->check->network && d->offline) {
            doctor_say(d, DOCTOR_SKIP, NULL, NULL, "not asked: --offline");
        }
        else if (d->check->network && !d->http) {
            doctor_say(d, DOCTOR_FAIL, NULL, "CfmtProxy, the package libcurl",
                       "libcurl does not start");
        }
        else {
            d->check->judge(d);
        }
    }
}

int ctl_doctor(ctl_t *ctl)
{
    doctor_t d = { .ctl = ctl, .p = ctl->pool, .offline = (ctl->given & OPT_OFFLINE) != 0 };
    int code = ctl_become(ctl);

    if (code != CTL_DONE || (code = open_store(&d)) != CTL_DONE) {
        return code;
    }
    d.now = ctl_now(ctl);
    d.lines = apr_array_make(d.p, 64, sizeof(line_t));
    d.waits = apr_array_make(d.p, 64, sizeof(doctor_wait_t *));
    find_token(&d);
    if (!d.offline && open_network(&d)) {
        ask_all(&d);
    }
    judge_all(&d);
    print(&d);
    return d.count[DOCTOR_FAIL] ? CTL_FAILED : CTL_DONE;
}
