/*
 * Inside the glue: configuration, the generation (what one start or graceful of httpd shares), the
 * child, and the hooks that mod_cfmt.c registers. Only src/httpd and mod_cfmt.c include this.
 */
#ifndef HTTPD_CFMT_H
#define HTTPD_CFMT_H

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>

#include "cfmt.h"
#include "cfmt_cloudflare.h"
#include "cfmt_directive.h"
#include "cfmt_engine.h"
#include "cfmt_intake.h"
#include "cfmt_notify.h"
#include "cfmt_store.h"

/* The only name that httpd looks up in us; everything else is hidden (-fvisibility=hidden). */
extern module AP_MODULE_DECLARE_DATA cfmt_module __attribute__((visibility("default")));
APLOG_USE_MODULE(cfmt);

/* ---- config.c: what the directives said ------------------------------------------------------ */

typedef enum { CFMT_AUTH_SECRET, CFMT_AUTH_HMAC, CFMT_AUTH_EITHER } cfmt_auth_e;
typedef enum { CFMT_SOURCE_INLINE, CFMT_SOURCE_FILE, CFMT_SOURCE_EXEC } cfmt_source_e;

/* One CfmtSecret. Its value, if it stands in the configuration, is here and nowhere else. */
typedef struct cfmt_secret_conf_t {
    cfmt_source_e source;
    const char *value; /* INLINE: the secret; else the absolute path */
    const char *label; /* never NULL */
} cfmt_secret_conf_t;

/* One CfmtNotify, and one CfmtMessage. */
typedef struct cfmt_notify_conf_t {
    cfmt_channel_conf_t channel; /* paths are absolute; value is not read yet */
    const char *file;            /* where it stands */
    int line;
} cfmt_notify_conf_t;

typedef struct cfmt_template_conf_t {
    const char *name;            /* of the kind of news */
    const char *path;
    const char *file;            /* where it stands */
    int line;
} cfmt_template_conf_t;

#define CFMT_RETENTION_KINDS 5
extern const char *const cfmt_retention_kinds[CFMT_RETENTION_KINDS];

/*
 * Unset is NULL, -1 or an empty array: no legal value. Defaults are applied by the getters below,
 * never here, so that merging can tell "not said" from "said the default".
 */
typedef struct cfmt_config_t {
    int mode;                              /* cfmt_mode_e */
    const char *db;
    const char *group;
    gid_t group_id;                        /* valid when group is set */
    apr_array_header_t *secrets;           /* cfmt_secret_conf_t */
    int auth;                              /* cfmt_auth_e */
    cfmt_senders_t *senders;
    int require_tls;
    apr_int64_t max_body;
    const char *account_id;
    apr_array_header_t *prefixes;          /* cfmt_prefix_conf_t */
    cfmt_secret_conf_t *api_token;         /* never INLINE */
    const char *api_url, *graphql_url, *public_url, *ca_file, *proxy, *geo_db;
    apr_interval_time_t durations[CFMT_DURATIONS]; /* -1 = not said */
    const char *withdraw_check;            /* "exec:/path" */
    apr_array_header_t *channels;          /* cfmt_notify_conf_t */
    apr_array_header_t *messages;          /* cfmt_template_conf_t */
    const char *telegram_url;
    const char *threshold;                 /* "pps=2000 bps=20M sustain=2", as said */
    apr_int64_t demo_speed;
    apr_time_t demo_since;                 /* valid when demo_speed is set */
    apr_interval_time_t retention[CFMT_RETENTION_KINDS];
} cfmt_config_t;

void *cfmt_config_create(apr_pool_t *p, server_rec *s);
void *cfmt_config_merge(apr_pool_t *p, void *basev, void *addv);
extern const char *const cfmt_auth_names[];
/* directives.c */
extern const command_rec cfmt_config_directives[];
/* The setter of all cfmt_durations: cmd->info points to the one. */
const char *cfmt_set_duration(cmd_parms *cmd, void *dir, const char *arg);
apr_interval_time_t cfmt_config_duration(const cfmt_config_t *c, cfmt_duration_e which);
void cfmt_durations_publish(apr_table_t *settings, const cfmt_config_t *c, apr_pool_t *p);
void cfmt_durations_dump(const cfmt_config_t *c, apr_pool_t *p);

/* The configuration that requests to s use. */
const cfmt_config_t *cfmt_config_get(const server_rec *s);

cfmt_mode_e cfmt_config_mode(const cfmt_config_t *c);
const char *cfmt_config_mode_name(const cfmt_config_t *c);
const char *cfmt_config_db(const cfmt_config_t *c);
gid_t cfmt_config_group_id(const cfmt_config_t *c);
const char *cfmt_config_group_name(const cfmt_config_t *c, apr_pool_t *p);
cfmt_auth_e cfmt_config_auth(const cfmt_config_t *c);
const char *cfmt_config_auth_name(const cfmt_config_t *c);
/* Built anew in p where CfmtSenders is not set: call it at start, not per request. */
const cfmt_senders_t *cfmt_config_senders(const cfmt_config_t *c, apr_pool_t *p);
int cfmt_config_require_tls(const cfmt_config_t *c);
apr_size_t cfmt_config_max_body(const cfmt_config_t *c);
const char *cfmt_config_api_url(const cfmt_config_t *c);
const char *cfmt_config_graphql_url(const cfmt_config_t *c, apr_pool_t *p);
const char *cfmt_config_telegram_url(const cfmt_config_t *c);
const char *cfmt_config_threshold(const cfmt_config_t *c);
int cfmt_config_demo_speed(const cfmt_config_t *c); /* 1 = no demonstration */
/* Account and token are both named: there is API work. */
int cfmt_config_uses_api(const cfmt_config_t *c);
apr_interval_time_t cfmt_config_retention(const cfmt_config_t *c, int kind);
/* "journal=400d evidence=30d ..." with every kind. */
const char *cfmt_config_retention_text(const cfmt_config_t *c, apr_pool_t *p);

/* ---- parse.c: values that only httpd's configuration has; NULL or one sentence --------------- */

const char *cfmt_parse_flag(int *pv, const char *directive, const char *text, apr_pool_t *p);
/* Bytes with k or m behind them. */
const char *cfmt_parse_size(apr_int64_t *pn, const char *directive, const char *text,
                            apr_int64_t min, apr_int64_t max, apr_pool_t *p);
/*
 * An absolute URL of one of schemes ("http, https") without credentials, query or fragment; *pv has
 * no slash at its end.
 */
const char *cfmt_parse_url(const char **pv, const char *directive, const char *schemes,
                           const char *text, apr_pool_t *p);
/* The same, for where a token goes: https, or http to this host. */
const char *cfmt_parse_api_url(const char **pv, const char *directive, const char *text,
                               apr_pool_t *p);

/* ---- check.c, dump.c ------------------------------------------------------------------------- */

int cfmt_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
/* A warning about the configuration: logged, and kept for cfmt_warnings. */
void cfmt_warn(server_rec *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Those of the last cfmt_check_config, a line each, in p; NULL = none. */
const char *cfmt_warnings(apr_pool_t *p);
void cfmt_dump_config(apr_pool_t *pconf, server_rec *s);

/* ---- secret_source.c ------------------------------------------------------------------------- */

/*
 * What configtest can know without reading or running; NULL = nothing wrong. Never contains a
 * secret.
 */
const char *cfmt_secret_source_check(const cfmt_secret_conf_t *sc, apr_pool_t *ptemp);
/* Length of the secret without running anything: -1 not known (exec, unreadable). For the dump. */
int cfmt_secret_source_length(const cfmt_secret_conf_t *sc, apr_pool_t *ptemp);
/* Reads or runs it and adds it to set. On failure *pwhy is a sentence without the secret. */
apr_status_t cfmt_secret_source_load(cfmt_secrets_t *set, const cfmt_secret_conf_t *sc,
                                     const char **pwhy, apr_pool_t *ptemp);

/* The same for a bearer token: its value, in p, wiped with it; NULL and *pwhy on failure. */
const char *cfmt_secret_source_token(const cfmt_secret_conf_t *sc, const char **pwhy, apr_pool_t *p,
                                     apr_pool_t *ptemp);

/* Any line of printable characters; else the same. */
const char *cfmt_secret_source_line(const cfmt_secret_conf_t *sc, const char **pwhy, apr_pool_t *p,
                                    apr_pool_t *ptemp);

/* ---- notify_conf.c: who is told, and in which words ------------------------------------------ */

const char *cfmt_set_notify(cmd_parms *cmd, void *dir, int argc, char *const argv[]);
const char *cfmt_set_message(cmd_parms *cmd, void *dir, const char *name, const char *source);
const char *cfmt_set_telegram_url(cmd_parms *cmd, void *dir, const char *arg);
/* configtest: 0 keeps httpd from starting. */
int cfmt_check_notify(server_rec *s, const cfmt_config_t *c, apr_pool_t *p);
/* At the start: cfmt_channel_conf_t with tokens, secrets and addresses read. */
const apr_array_header_t *cfmt_notify_channels(const cfmt_config_t *c, server_rec *s,
                                               apr_pool_t *pconf, apr_pool_t *ptemp);
const cfmt_templates_t *cfmt_notify_templates(const cfmt_config_t *c, server_rec *s,
                                              apr_pool_t *p);
void cfmt_notify_publish(apr_table_t *settings, const cfmt_config_t *c, apr_pool_t *p);
void cfmt_notify_dump(const cfmt_config_t *c, apr_pool_t *p);

/* ---- prepare.c: the generation --------------------------------------------------------------- */

/* One start or graceful. Made in the parent (pconf) before the fork; children only read it. */
typedef struct cfmt_generation_t {
    server_rec *server;
    const cfmt_config_t *conf;
    const cfmt_senders_t *senders;
    cfmt_secrets_t *secrets;
    int secrets_wanted;
    const cfmt_api_conf_t *api; /* NULL: no API work */
    const apr_array_header_t *channels; /* cfmt_channel_conf_t */
    const cfmt_templates_t *templates;
    const cfmt_clock_t *clock;  /* the system's, or a demonstration's; never NULL */
    apr_table_t *settings;
    cfmt_gauges_t *gauges;     /* NULL when shared memory could not be had */
    int wake_fd;               /* -1 when it could not be made */
    apr_time_t started_at;
    int number;                /* 0 at the first start, one more at each graceful */
} cfmt_generation_t;

/* NULL until post_config has run. */
const cfmt_generation_t *cfmt_generation(void);
int cfmt_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);
int cfmt_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
/* True in the pass whose result httpd throws away. */
int cfmt_dry_pass(void);

/* ---- worker.c: the child --------------------------------------------------------------------- */

typedef struct cfmt_child_t {
    cfmt_commit_t *commit;     /* NULL when it could not be made */
    cfmt_runner_t *runner;
    cfmt_gauge_t *gauge;
    cfmt_log_t log;
} cfmt_child_t;

/*
 * As cfmt_commit_submit, in this process's queue; CFMT_ESTOPPED outside a child and when it ends.
 */
apr_status_t cfmt_child_submit(cfmt_entry_t *e, apr_interval_time_t timeout);
void cfmt_child_init(apr_pool_t *pchild, server_rec *s);
void cfmt_child_stopping(apr_pool_t *pchild, int graceful);
/* A log seam that writes to s's error log. */
void cfmt_log_to_server(cfmt_log_t *log, server_rec *s);

/* ---- ranges.c: Cloudflare's addresses as /ips told them -------------------------------------- */

/*
 * Who may deliver: CfmtSenders, and where that says cloudflare, the ranges of the store besides the
 * compiled ones. The table is immutable and valid for minutes; any thread.
 */
const cfmt_senders_t *cfmt_ranges_senders(void);
/* In the runner's thread, about once a second: reads the ranges when they have changed. */
void cfmt_ranges_glance(void *generation);

/* ---- noise.c: how often a repeating line is written ------------------------------------------ */

/* Made in child_init, before there are threads. */
void cfmt_noise_init(apr_pool_t *pchild);
/*
 * May one more refusal be logged in this second? *psuppressed: lines left out before, to be told
 * now.
 */
int cfmt_noise_refusal(int *psuppressed);
/*
 * Is the outcome of storing worth a line: changed, or an hour later? APR_SUCCESS after a fault:
 * once.
 */
int cfmt_noise_store(apr_status_t rv);

/* ---- handlers -------------------------------------------------------------------------------- */

#define CFMT_NOTE_RESULT "cfmt-result"
#define CFMT_NOTE_ID "cfmt-id"

/* One kind of refusal (RFC 9457). */
typedef struct cfmt_problem_t {
    int status;
    const char *name;  /* urn:cfmt:problem:NAME */
    const char *title;
} cfmt_problem_t;

/*
 * Answers with a problem; detail may be NULL. Closes the connection when the request has a body
 * that was not read to its end (body_left), so that nobody waits for it. Returns what the handler
 * returns.
 */
int cfmt_problem_answer(request_rec *r, const cfmt_problem_t *problem, const char *detail,
                        int body_left);
/* Answers 200 (or status) with a JSON text. */
int cfmt_json_answer(request_rec *r, int status, const char *json);
/* True when the request says that it has a body. */
int cfmt_request_has_body(const request_rec *r);

int cfmt_webhook_handler(request_rec *r);
int cfmt_health_handler(request_rec *r);
void cfmt_health_init(apr_pool_t *pchild);

/* body.c: a request's body up to a bound. */
typedef struct cfmt_body_t {
    char *data;        /* len bytes and a NUL; freed with r->pool */
    apr_size_t len, size;
} cfmt_body_t;

/*
 * Reads to the end, into *pb (in r->pool, never NULL). OK; HTTP_REQUEST_ENTITY_TOO_LARGE beyond max
 * (the rest is left unread); another status for the handler to return when the client or a filter
 * failed.
 */
int cfmt_body_read(cfmt_body_t **pb, request_rec *r, apr_size_t max);
/*
 * Of a request that is refused: true when all of its body was there already and is read away (64
 * KiB at most, never waiting), so that the connection can serve the next request. A flood of
 * refusals would otherwise be a flood of new connections as well.
 */
int cfmt_body_skip(request_rec *r);

/* ---- monitor.c ------------------------------------------------------------------------------- */

int cfmt_monitor(apr_pool_t *p, server_rec *s);

#endif
