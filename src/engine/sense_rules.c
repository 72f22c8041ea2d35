/*
 * Job "rules": monitoring rules (which prefixes an alert that names one means), notification
 * policies and destinations (which alerts nobody would send us, and which do not arrive).
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "sense.h"

typedef struct rules_t {
    apr_array_header_t *rules;        /* cfmt_rule_t */
    apr_array_header_t *policies;     /* cfmt_notice_policy_t */
    apr_array_header_t *destinations; /* cfmt_destination_t */
    int have_rules, have_policies, have_destinations;
    int changed;
} rules_t;

/* ---- asking ---------------------------------------------------------------------------------- */

/* Each list: arg points to its flag, which falls when something of it could not be read. */
static void done(cfmt_ask_t *ask, const cfmt_api_result_t *result)
{
    if (result->r.status != APR_SUCCESS) {
        *(int *)ask->arg = 0;
    }
}

static apr_status_t unreadable(cfmt_ask_t *ask, const char *what, const char *why)
{
    cfmt_run_fail(ask->run, CFMT_EANSWER, "a %s in the list: %s", what, why);
    *(int *)ask->arg = 0;
    return APR_SUCCESS;
}

static apr_status_t take_rule(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    rules_t *d = ask->run->data;
    const char *why;
    cfmt_rule_t rule;

    (void)which, (void)prow;
    if (cfmt_rule_read(&rule, &why, row, ask->run->p) != APR_SUCCESS) {
        return unreadable(ask, "monitoring rule", why);
    }
    APR_ARRAY_PUSH(d->rules, cfmt_rule_t) = rule;
    return APR_SUCCESS;
}

static apr_status_t take_policy(void *baton, int which, const cfmt_json_t *row, apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    rules_t *d = ask->run->data;
    const char *why;
    cfmt_notice_policy_t policy;

    (void)which, (void)prow;
    if (cfmt_notice_policy_read(&policy, &why, row, ask->run->p) != APR_SUCCESS) {
        return unreadable(ask, "notification policy", why);
    }
    APR_ARRAY_PUSH(d->policies, cfmt_notice_policy_t) = policy;
    return APR_SUCCESS;
}

static apr_status_t take_destination(void *baton, int which, const cfmt_json_t *row,
                                     apr_pool_t *prow)
{
    cfmt_ask_t *ask = baton;
    rules_t *d = ask->run->data;
    const char *why;
    cfmt_destination_t destination;

    (void)which, (void)prow;
    if (cfmt_destination_read(&destination, &why, row, ask->run->p) != APR_SUCCESS) {
        return unreadable(ask, "webhook destination", why);
    }
    APR_ARRAY_PUSH(d->destinations, cfmt_destination_t) = destination;
    return APR_SUCCESS;
}

static void ask_list(cfmt_run_t *run, const char *path, int *have,
                     apr_status_t (*row)(void *, int, const cfmt_json_t *, apr_pool_t *))
{
    static const char *const rows[] = { "result", NULL };
    cfmt_api_call_t call = { .path = path, .rows = rows, .row = row,
                             .answer_max = (apr_size_t)8 * 1024 * 1024 };

    *have = cfmt_run_ask(run, &call, &(cfmt_ask_t){ .arg = have, .done = done });
}

static void next(cfmt_run_t *run)
{
    const char *account = cfmt_api_account(run->e->api);
    rules_t *d;

    if (run->step > 0) {
        return;
    }
    d = run->data = apr_pcalloc(run->p, sizeof(*d));
    d->rules = apr_array_make(run->p, 8, sizeof(cfmt_rule_t));
    d->policies = apr_array_make(run->p, 8, sizeof(cfmt_notice_policy_t));
    d->destinations = apr_array_make(run->p, 4, sizeof(cfmt_destination_t));
    ask_list(run, cfmt_rules_path(account, run->p), &d->have_rules, take_rule);
    ask_list(run, cfmt_policies_path(account, run->p), &d->have_policies, take_policy);
    ask_list(run, cfmt_destinations_path(account, run->p), &d->have_destinations,
             take_destination);
}

/* ---- rules ----------------------------------------------------------------------------------- */

static int same(const cfmt_rule_t *a, const cfmt_rule_t *b)
{
    int i;

    if (!cfmt_text_same(a->name, b->name) || !cfmt_text_same(a->type, b->type)
        || a->automatic != b->automatic || a->prefixes->nelts != b->prefixes->nelts) {
        return 0;
    }
    for (i = 0; i < a->prefixes->nelts; i++) {
        if (cfmt_cidr_compare(&APR_ARRAY_IDX(a->prefixes, i, cfmt_cidr_t),
                              &APR_ARRAY_IDX(b->prefixes, i, cfmt_cidr_t))) {
            return 0;
        }
    }
    return 1;
}

static void journal_rule(cfmt_run_t *run, const cfmt_rule_t *rule, const char *origin, int gone)
{
    rules_t *d = run->data;

    d->changed++;
    cfmt_run_journal(run, "rule_state", origin, cfmt_rule_encode(rule, gone, run->p), NULL);
}

/* One listed twice counts once: the second would be new, and history, in each run. */
static int is_repeated(cfmt_run_t *run, apr_hash_t *seen, const cfmt_rule_t *rule)
{
    const cfmt_rule_t *first = apr_hash_get(seen, rule->id, APR_HASH_KEY_STRING);

    if (first && !same(first, rule)) {
        cfmt_run_fail(run, CFMT_EANSWER, "monitoring rule %s is listed twice and differs: the "
                      "first one counts", rule->id);
    }
    apr_hash_set(seen, rule->id, APR_HASH_KEY_STRING, first ? first : rule);
    return first != NULL;
}

/*
 * A rule that vanishes goes at once: an alert that names it then has no readable target, which
 * holds back every withdrawal; that errs on the safe side.
 */
static void conclude_rules(cfmt_run_t *run, const apr_array_header_t *known)
{
    const rules_t *d = run->data;
    apr_hash_t *by_id = apr_hash_make(run->p), *seen = apr_hash_make(run->p);
    const cfmt_rule_row_t *row;
    const cfmt_rule_t *rule;
    int i;

    for (i = 0; i < known->nelts; i++) {
        row = &APR_ARRAY_IDX(known, i, cfmt_rule_row_t);
        apr_hash_set(by_id, row->rule.id, APR_HASH_KEY_STRING, row);
    }
    for (i = 0; i < d->rules->nelts; i++) {
        rule = &APR_ARRAY_IDX(d->rules, i, cfmt_rule_t);
        if (is_repeated(run, seen, rule)) {
            continue;
        }
        row = apr_hash_get(by_id, rule->id, APR_HASH_KEY_STRING);
        apr_hash_set(by_id, rule->id, APR_HASH_KEY_STRING, NULL);
        if (!row || row->gone || !same(&row->rule, rule)) {
            journal_rule(run, rule, row ? "external" : "first", 0);
        }
    }
    for (i = 0; i < known->nelts; i++) {
        row = &APR_ARRAY_IDX(known, i, cfmt_rule_row_t);
        if (!row->gone && apr_hash_get(by_id, row->rule.id, APR_HASH_KEY_STRING)) {
            journal_rule(run, &row->rule, "external", 1);
        }
    }
}

/* ---- policies and destinations --------------------------------------------------------------- */

/* The destination of ours whose last delivery failed, by what the API says; NULL = none. */
static const cfmt_destination_t *failing(const rules_t *d, const char *public_url)
{
    const cfmt_destination_t *worst = NULL, *one;
    int i;

    for (i = 0; i < d->destinations->nelts; i++) {
        one = &APR_ARRAY_IDX(d->destinations, i, cfmt_destination_t);
        if ((!public_url || cfmt_text_same(one->url, public_url)) && one->last_failure
            && one->last_failure > one->last_success
            && (!worst || one->last_failure > worst->last_failure)) {
            worst = one;
        }
    }
    return worst;
}

static void tell_new(cfmt_run_t *run, const apr_table_t *t, const apr_table_t *old)
{
    const char *unsent = apr_table_get(t, "unsent"), *before = apr_table_get(old, "unsent");
    const char *name = apr_table_get(t, "failing"), *then = apr_table_get(old, "failing");

    if (*unsent && !cfmt_text_same(unsent, before)) {
        cfmt_run_tell(run, CFMT_LOG_WARNING,
                      CFMT_ID(0866) "no enabled notification policy sends these alerts to us: %s; "
                                    "add them in the dashboard under Notifications",
                      unsent);
    }
    if (*name && !cfmt_text_same(name, then)) {
        cfmt_run_tell(run, CFMT_LOG_WARNING,
                      CFMT_ID(0867) "Cloudflare could not deliver to webhook destination '%s', "
                                    "last at %s: look whether its address and secret are right and "
                                    "whether it can reach this host",
                      name, apr_table_get(t, "last_failure"));
    }
}

static void conclude_policies(cfmt_run_t *run)
{
    const rules_t *d = run->data;
    const char *url = run->e->conf.settings ? apr_table_get(run->e->conf.settings, "PublicUrl")
                                            : NULL;
    const cfmt_destination_t *bad = failing(d, url);
    apr_table_t *t = apr_table_make(run->p, 6);
    cfmt_sensed_t old;

    apr_table_setn(t, "policies", apr_itoa(run->p, d->policies->nelts));
    apr_table_setn(t, "destinations", apr_itoa(run->p, d->destinations->nelts));
    apr_table_setn(t, "unsent",
                   apr_array_pstrcat(run->p, cfmt_alerts_unsent(d->policies, d->destinations, url,
                                                                run->p), ' '));
    apr_table_setn(t, "failing",
                   bad ? cfmt_text_escape(run->p, bad->name ? bad->name : bad->id,
                                          strlen(bad->name ? bad->name : bad->id), 60) : "");
    apr_table_setn(t, "last_failure", bad ? cfmt_time_format(run->p, bad->last_failure) : "");
    if (cfmt_sensed_load(run->e->store, &old, "policies", run->p) != APR_SUCCESS) {
        old.facts = apr_table_make(run->p, 1);
    }
    tell_new(run, t, old.facts);
    cfmt_run_facts(run, "policies", t);
}

static void conclude(cfmt_run_t *run)
{
    rules_t *d = run->data;
    apr_array_header_t *known;

    if (d->have_rules) {
        if (cfmt_rules_load(run->e->store, &known, run->p) == APR_SUCCESS) {
            conclude_rules(run, known);
        }
        else {
            cfmt_run_fail(run, CFMT_ESTORE, "the store: %s", cfmt_store_error(run->e->store));
        }
    }
    if (d->have_policies && d->have_destinations) {
        conclude_policies(run);
    }
    run->summary = apr_psprintf(run->p, "%d rules, %d changed; %d policies, %d destinations",
                                d->rules->nelts, d->changed, d->policies->nelts,
                                d->destinations->nelts);
}

const cfmt_sense_t cfmt_sense_rules = { .name = "rules", .interval = apr_time_from_sec(600),
                                        .jitter = 50, .next = next, .conclude = conclude };
