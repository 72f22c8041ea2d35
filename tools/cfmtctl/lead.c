/*
 * Where no leader is alive this process leads: a round, and on while a call is under way (30 s at
 * most), never while it waits for anything else or asks. It projects, reads the state of prefixes
 * and does what its commands want; it takes no decision of the policy and runs no program.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "act.h"
#include "cfmt_engine.h"
#include "secret_file.h"

#define WAIT_STEP apr_time_from_msec(50)
#define LEAD_MAX apr_time_from_sec(120) /* should calls follow each other for ever */

struct ctl_lead_t {
    const ctl_t *ctl;
    apr_pool_t *p;
    cfmt_engine_t *engine; /* made when it is needed first, kept: it knows what was asked when */
    cfmt_engine_conf_t conf;
    cfmt_api_conf_t api;
    apr_array_header_t *mine; /* apr_int64_t */
    apr_int64_t rounds;
    int barred; /* commands here would be done without what they ask for */
};

/* The engine's word only where somebody has to act: it lands between our own lines. */
static void engine_says(void *baton, cfmt_level_e level, const char *line)
{
    (void)baton, (void)level;
    fprintf(stderr, "cfmtctl: %s\n", line);
}

static const cfmt_log_t engine_log = { .write = engine_says, .max = CFMT_LOG_WARNING };

/* A stopped process that holds the leader lock would stop the engine of the host. */
static void block_stop(sigset_t *before)
{
    sigset_t stops;

    sigemptyset(&stops);
    sigaddset(&stops, SIGTSTP);
    sigaddset(&stops, SIGTTIN);
    sigaddset(&stops, SIGTTOU);
    sigprocmask(SIG_BLOCK, &stops, before);
}

/* ---- the token ------------------------------------------------------------------------------- */

/* RFC 6750: what may stand behind "Bearer ". */
static int is_token(const char *s, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < len && (apr_isalnum(s[i]) || (s[i] && strchr("-._~+/=", s[i]))); i++) {
    }
    return len > 0 && i == len;
}

/* NULL and *pwhy: it cannot be used. */
static const char *read_token(const ctl_lead_t *l, const char *path, const char **pwhy)
{
    const char *token = ctl_secret_read(l->ctl, path, pwhy, l->p);

    if (token && !is_token(token, strlen(token))) {
        *pwhy = "its first line is no token";
        token = NULL;
    }
    return token;
}

/* ---- how Cloudflare is asked ----------------------------------------------------------------- */

/* NULL: it can be asked as httpd would. Else why not. */
static const char *make_api(ctl_lead_t *l)
{
    const apr_table_t *t = l->conf.settings;
    const char *token = apr_table_get(t, "ApiToken"), *why;

    l->api.account = apr_table_get(t, "AccountId");
    if (!l->api.account || !token) {
        return "CfmtAccountId or CfmtApiToken is not set";
    }
    if (strncmp(token, "file:", 5)) {
        return "CfmtApiToken is exec:, and a program that a database names is not run here";
    }
    l->api.token = read_token(l, token + 5, &why);
    if (!l->api.token) {
        return apr_psprintf(l->p, "the token in %s cannot be used (%s; owner root, group %s and"
                                  " mode 0640 let members of the group)",
                            ctl_text(l->p, token + 5), why,
                            ctl_text(l->p, apr_table_get(t, "Group") ? apr_table_get(t, "Group")
                                                                     : "of CfmtGroup"));
    }
    l->api.rest_url = apr_table_get(t, "ApiUrl");
    l->api.graphql_url = apr_table_get(t, "GraphqlUrl");
    l->api.http.ca_file = apr_table_get(t, "CaFile");
    l->api.http.proxy = apr_table_get(t, "Proxy");
    return cfmt_http_global_begin() == APR_SUCCESS ? NULL : "libcurl does not start";
}

int ctl_is_led(const ctl_t *ctl, const cfmt_store_t *s)
{
    cfmt_leader_t *leader;
    apr_status_t rv;
    apr_pool_t *p;

    apr_pool_create(&p, ctl->pool);
    rv = cfmt_leader_take(&leader, cfmt_store_path(s), apr_time_now(), p);
    if (rv == APR_SUCCESS) {
        cfmt_leader_release(leader);
    }
    apr_pool_destroy(p);
    return rv == APR_EBUSY;
}

/* ---- leading --------------------------------------------------------------------------------- */

/* Claims of what was under way are given back, should it have been cut short. */
static apr_status_t end_engine(void *data)
{
    ctl_lead_t *l = data;

    if (l->engine) {
        cfmt_engine_end(l->engine);
        l->engine = NULL;
    }
    return APR_SUCCESS;
}

int ctl_lead_open(ctl_lead_t **pl, const ctl_t *ctl, cfmt_store_t *s, int asks)
{
    ctl_lead_t *l = apr_pcalloc(ctl->pool, sizeof(*l));
    apr_table_t *settings;
    const char *why;

    apr_pool_create(&l->p, ctl->pool);
    l->ctl = ctl;
    l->mine = apr_array_make(l->p, 4, sizeof(apr_int64_t));
    if (cfmt_settings_read(s, &settings, l->p) != APR_SUCCESS) {
        settings = apr_table_make(l->p, 1);
    }
    l->conf = (cfmt_engine_conf_t){ .db = cfmt_store_path(s), .log = &engine_log,
                                    .clock = ctl->demo.speed ? &ctl->demo.clock : NULL,
                                    .settings = settings, .mine = l->mine };
    why = asks ? make_api(l) : NULL;
    l->conf.api = asks && !why ? &l->api : NULL;
    l->barred = why != NULL;
    if (why && !ctl_is_led(ctl, s)) {
        ctl_complain(CFMT_ID(0978), "nobody leads, and Cloudflare cannot be asked from here: %s;"
                     " nothing was done: start httpd", why);
        return CTL_DENIED;
    }
    apr_pool_pre_cleanup_register(l->p, l, end_engine);
    *pl = l;
    return CTL_DONE;
}

void ctl_lead_mine(ctl_lead_t *l, apr_int64_t intent)
{
    int i;

    for (i = 0; i < l->mine->nelts && APR_ARRAY_IDX(l->mine, i, apr_int64_t) != intent; i++) {
    }
    if (intent && i == l->mine->nelts) {
        APR_ARRAY_PUSH(l->mine, apr_int64_t) = intent;
    }
}

/* Rounds, as long as something is under way. */
static void lead(ctl_lead_t *l, cfmt_leader_t *leader)
{
    apr_time_t end = cfmt_monotonic() + LEAD_MAX;
    cfmt_result_t r = { .status = APR_SUCCESS };
    int busy = 1;
    apr_pool_t *tick;

    if (!l->engine) {
        l->engine = cfmt_engine_create(&l->conf, l->p);
    }
    apr_pool_create(&tick, l->p);
    while (busy && cfmt_monotonic() < end
           && cfmt_leader_beat(leader, ++l->rounds, apr_time_now()) == APR_SUCCESS
           && cfmt_engine_command(l->engine, &busy, &r, tick) == APR_SUCCESS) {
        if (busy) {
            cfmt_engine_wait(l->engine, NULL, 0, WAIT_STEP);
        }
        apr_pool_clear(tick);
    }
    apr_pool_destroy(tick);
}

int ctl_lead(ctl_lead_t *l)
{
    cfmt_leader_t *leader;
    apr_status_t rv;
    sigset_t before;
    apr_pool_t *p;

    if (l->barred) {
        return 0;
    }
    apr_pool_create(&p, l->p);
    block_stop(&before);
    rv = cfmt_leader_take(&leader, l->conf.db, apr_time_now(), p);
    if (rv == APR_SUCCESS) {
        lead(l, leader);
        cfmt_leader_release(leader);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    apr_pool_destroy(p);
    return rv == APR_SUCCESS;
}

/* ---- only projecting ------------------------------------------------------------------------- */

static int is_projected(cfmt_store_t *s, apr_int64_t row)
{
    apr_int64_t cursor;

    return cfmt_meta_int(s, CFMT_META_CURSOR, 0, &cursor) == APR_SUCCESS && cursor >= row;
}

static int project(const ctl_t *ctl, cfmt_store_t *s)
{
    cfmt_engine_conf_t conf = { .db = cfmt_store_path(s), .log = &engine_log };
    cfmt_leader_t *leader;
    cfmt_result_t r;
    apr_status_t rv;
    sigset_t before;
    apr_pool_t *p;

    apr_pool_create(&p, ctl->pool);
    block_stop(&before);
    rv = cfmt_leader_take(&leader, conf.db, apr_time_now(), p);
    if (rv == APR_SUCCESS) {
        cfmt_engine_project(cfmt_engine_create(&conf, p), &r, p);
        cfmt_leader_release(leader);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    apr_pool_destroy(p);
    return rv == APR_SUCCESS;
}

/* A round of ours that did not get there will not get better. */
int ctl_projected(const ctl_t *ctl, cfmt_store_t *s, apr_int64_t row, apr_interval_time_t limit)
{
    apr_time_t end = cfmt_monotonic() + limit;
    int led = 0, done = is_projected(s, row);

    while (!done && !led && cfmt_monotonic() < end) {
        led = project(ctl, s);
        if (!led) {
            apr_sleep(WAIT_STEP);
        }
        done = is_projected(s, row);
    }
    return done;
}
