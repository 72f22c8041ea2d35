/*
 * The engine's own parts, round after round, over a world that is a few variables: what the jobs
 * would read is written straight into the tables and the journal.
 */
#include <string.h>

#include <apr_strings.h>

#include "months.h"
#include "unit.h"

#define PARENT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa01"
#define LAG (5 * MONTHS_MIN)

static const char *const cidrs[MONTHS_PREFIXES] = { "203.0.113.0/24", "198.51.100.0/24" };
static const char *const ids[MONTHS_PREFIXES] = { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa02",
                                                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa03" };

#define ok(call) ck_assert_int_eq((call), APR_SUCCESS) /* a macro: check tells the line */

static void begin(months_t *m)
{
    ok(cfmt_store_begin(m->s, apr_time_from_sec(5)));
}

static void append(months_t *m, const char *kind, const char *origin, const char *body)
{
    cfmt_entry_t entry = { .kind = kind, .at = m->now, .origin = origin, .body = body,
                           .len = strlen(body) };

    begin(m);
    ok(cfmt_journal_append(m->s, &entry));
    ok(cfmt_store_commit(m->s));
}

/* ---- begin ----------------------------------------------------------------------------------- */

static apr_time_t read_clock(void *baton)
{
    return ((const months_t *)baton)->now;
}

static void append_state(months_t *m, int i, const char *origin, apr_pool_t *p)
{
    append(m, "prefix_state", origin, cfmt_prefix_encode(&m->b[i], 0, p));
}

static void make_engine(months_t *m)
{
    cfmt_clock_t *clock = apr_pcalloc(unit_pool, sizeof(*clock));
    cfmt_api_conf_t *api = apr_pcalloc(unit_pool, sizeof(*api));
    cfmt_engine_conf_t conf = { .db = cfmt_store_path(m->s), .settings = m->settings };
    apr_pool_t *p;

    clock->now = read_clock;
    clock->baton = m;
    conf.clock = clock;
    api->rest_url = api->graphql_url = "http://127.0.0.1:1/";
    api->account = KIT_OURS;
    api->token = "token-token-token-token";
    conf.api = api;
    apr_pool_create(&p, unit_pool);
    m->e = cfmt_engine_create(&conf, p);
    ck_assert_ptr_nonnull(m->e->api);
    m->e->store = m->s;
    m->e->undated = 0; /* no reading is behind its time */
}

/* As if a leader had begun with them. */
void months_configure(months_t *m)
{
    if (m->e) {
        m->e->config = cfmt_settings_digest(m->settings, unit_pool);
    }
    begin(m);
    ok(cfmt_settings_publish(m->s, m->settings, m->now, unit_pool));
    ok(cfmt_store_commit(m->s));
}

static void set_prefix(months_t *m, int i)
{
    m->b[i] = (cfmt_bgp_prefix_t){ .id = ids[i], .parent = PARENT, .approved = 1, .enabled = 1,
                                   .auto_withdraw = -1, .advertised_at = m->now - 9 * MONTHS_DAY,
                                   .modified_at = m->now - 9 * MONTHS_DAY };
    ok(cfmt_cidr_parse(&m->b[i].cidr, NULL, cidrs[i]));
    append_state(m, i, "first", unit_pool);
}

void months_begin(months_t *m, const char *name)
{
    int i;

    memset(m, 0, sizeof(*m));
    ok(cfmt_http_global_begin());
    m->s = kit_open(name);
    m->now = KIT_EPOCH;
    m->seed = 1;
    m->settings = apr_table_make(unit_pool, 8);
    apr_table_setn(m->settings, "Mode", "enforce");
    apr_table_setn(m->settings, "AccountId", KIT_OURS);
    apr_table_setn(m->settings, "Prefix *", "withdraw=auto");
    months_configure(m);
    make_engine(m);
    ok(cfmt_job_ensure(m->s, "prefixes", m->now));
    ok(cfmt_job_ensure(m->s, "traffic", m->now));
    for (i = 0; i < MONTHS_PREFIXES; i++) {
        set_prefix(m, i);
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

static void note_readings(months_t *m, apr_pool_t *p)
{
    apr_table_t *facts = apr_table_make(p, 1);

    begin(m);
    ok(cfmt_reading_note(m->s, "parent", PARENT, m->now));
    if (!m->blind) {
        apr_table_setn(facts, "watermark",
                       apr_psprintf(p, "%" APR_TIME_T_FMT,
                                    (m->now - LAG) / CFMT_MINUTE * CFMT_MINUTE));
        ok(cfmt_sensed_save(m->s, "traffic", facts, m->now, p));
    }
    ok(cfmt_store_commit(m->s));
    m->e->reads++;
}

/* The minute that has become complete, and the newest, which is not, where it shows attack. */
static void add_minute(cfmt_evidence_t *e, int prefix, int pps, apr_time_t at)
{
    cfmt_evidence_row_t *row = apr_array_push(e->rows);

    memset(row, 0, sizeof(*row));
    row->prefix = prefix;
    row->minute = at;
    row->traffic.packets[CFMT_SYSTEM_DOSD] = pps * 60.0;
    row->traffic.bits[CFMT_SYSTEM_DOSD] = pps * 60.0 * 512;
}

static void read_traffic(months_t *m, apr_pool_t *p)
{
    apr_time_t minute = m->now / CFMT_MINUTE * CFMT_MINUTE;
    cfmt_evidence_t e = { .from = minute - LAG - CFMT_MINUTE, .to = minute,
                          .complete = minute - LAG };
    int i;

    e.prefixes = apr_array_make(p, 2, sizeof(cfmt_cidr_t));
    e.rows = apr_array_make(p, 2, sizeof(cfmt_evidence_row_t));
    for (i = 0; i < MONTHS_PREFIXES; i++) {
        if (m->b[i].advertised) {
            APR_ARRAY_PUSH(e.prefixes, cfmt_cidr_t) = m->b[i].cidr;
            if (m->pps[i]) {
                add_minute(&e, e.prefixes->nelts - 1, m->pps[i], minute - CFMT_MINUTE);
            }
        }
    }
    if (e.prefixes->nelts && !m->blind) {
        append(m, "evidence", "analytics", cfmt_evidence_encode(&e, p));
    }
}

/* ---- acting ---------------------------------------------------------------------------------- */

static void change(months_t *m, apr_int64_t id, cfmt_intent_e state, apr_time_t expects,
                   apr_pool_t *p)
{
    cfmt_intent_change_t c = { .state = state, .at = m->now, .expects = expects,
                               .owner = state == CFMT_INTENT_SENT ? "months" : NULL };
    int claimed = 1;

    begin(m);
    if (state == CFMT_INTENT_SENT) {
        ok(cfmt_intent_claim(m->s, id, "months", m->now, MONTHS_MIN, &claimed));
    }
    ck_assert_int_eq(claimed, 1);
    ok(cfmt_intent_change(m->s, id, &c, p));
    ok(cfmt_store_commit(m->s));
}

static void change_world(months_t *m, int i, int advertised, const char *origin, apr_pool_t *p)
{
    m->b[i].advertised = advertised;
    m->b[i].advertised_at = m->b[i].modified_at = m->now / APR_USEC_PER_SEC * APR_USEC_PER_SEC;
    append_state(m, i, origin, p);
}

/* Cloudflare does at once what it is asked for. */
static void act(months_t *m, const cfmt_intent_row_t *in, apr_pool_t *p)
{
    int i = cfmt_cidr_compare(&in->prefix, &m->b[0].cidr) ? 1 : 0;

    if (!cfmt_intent_due(in, m->now)) {
        return;
    }
    change(m, in->id, CFMT_INTENT_SENT, m->b[i].advertised_at, p);
    m->now += 2 * MONTHS_S(1);
    change(m, in->id, CFMT_INTENT_ACCEPTED, 0, p);
    m->now += MONTHS_S(1);
    change_world(m, i, in->want, "intent", p);
    change(m, in->id, CFMT_INTENT_DONE, 0, p);
    m->e->journaled = 1;
}

static void act_all(months_t *m, apr_pool_t *p)
{
    apr_array_header_t *rows;
    int i;

    ok(cfmt_intents_open(m->s, &rows, p));
    for (i = 0; i < rows->nelts; i++) {
        act(m, &APR_ARRAY_IDX(rows, i, cfmt_intent_row_t), p);
    }
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static void project(months_t *m, apr_pool_t *p)
{
    int done;

    do {
        ok(cfmt_project_step(m->e->projector, m->s, CFMT_PROJECT_STEP, &done, p));
    } while (done);
}

void months_round(months_t *m, apr_interval_time_t d)
{
    apr_time_t due = 0;
    apr_pool_t *p;

    m->now += d;
    unit_skip(apr_time_from_sec(30)); /* who decides takes a share of the time only */
    apr_pool_create(&p, unit_pool);
    m->e->journaled = 0;
    project(m, p);
    ok(cfmt_attacks_run(m->e, &due, p));
    ok(cfmt_commands_run(m->e, p));
    if (!m->e->journaled) {
        ok(cfmt_decide_run(m->e, &due, p));
        act_all(m, p);
    }
    apr_pool_destroy(p);
}

/* What a reading brings is seen at once; so is the last look, which is asked for in between. */
static void minute(months_t *m)
{
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, unit_pool);
    read_traffic(m, p);
    for (i = 0; i < 3; i++) {
        note_readings(m, p);
        months_round(m, MONTHS_S(1));
    }
    apr_pool_destroy(p);
}

void months_go(months_t *m, apr_interval_time_t d)
{
    apr_time_t end = m->now + d, at;

    while (m->now < end) {
        at = m->now;
        minute(m);
        m->now = at + MONTHS_MIN > m->now ? at + MONTHS_MIN : m->now;
    }
}

void months_sleep(months_t *m, apr_interval_time_t d)
{
    apr_pool_t *p;

    apr_pool_create(&p, unit_pool);
    m->now += d;
    note_readings(m, p);
    months_round(m, MONTHS_S(1));
    apr_pool_destroy(p);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static void alert(months_t *m, int which, int end, apr_time_t ts)
{
    static const char *const targets[MONTHS_PREFIXES] = { "203.0.113.7", "198.51.100.9" };
    kit_say_t say = { .end = end, .target = targets[which], .account = KIT_OURS,
                      .ts = (int)apr_time_sec(ts - KIT_EPOCH), .vector = "udp-flood" };

    m->attacks += !end;
    say.attack = apr_psprintf(unit_pool, "attack-%d", m->attacks);
    append(m, "delivery", "198.51.100.1", kit_alert(say).body);
}

void months_alert(months_t *m, int which, int end)
{
    alert(m, which, end, m->now);
}

void months_late_alert(months_t *m, int which, apr_time_t then)
{
    alert(m, which, 0, then);
}

void months_change(months_t *m, int which, int advertised)
{
    change_world(m, which, advertised, "external", unit_pool);
}

void months_command(months_t *m, const char *body)
{
    append(m, "command", "user ann", body);
}

void months_episode(months_t *m, int which, int minutes, apr_interval_time_t d)
{
    apr_time_t end = m->now + d;

    months_alert(m, which, 0);
    months_round(m, MONTHS_S(2));
    months_round(m, MONTHS_S(2));
    if (!m->b[which].advertised) {
        months_change(m, which, 1);
    }
    m->pps[which] = 9000;
    months_go(m, minutes * MONTHS_MIN);
    m->pps[which] = 0;
    months_alert(m, which, 1);
    while (m->now < end && (m->b[0].advertised || m->b[1].advertised)) {
        months_go(m, MONTHS_MIN);
    }
    while (m->now < end) {
        months_sleep(m, end - m->now > 6 * MONTHS_HOUR ? 6 * MONTHS_HOUR : end - m->now);
    }
}
