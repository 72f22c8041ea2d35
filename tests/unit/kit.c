/*
 * A store with a journal for the tests of projection and retention.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "kit.h"
#include "store/store_private.h"
#include "unit.h"

/* ---- rows ------------------------------------------------------------------------------------ */

static const char *member(const char *name, const char *value)
{
    return value ? apr_psprintf(unit_pool, "\"%s\":\"%s\",", name, value) : "";
}

kit_row_t kit_alert(kit_say_t say)
{
    kit_row_t row = { "delivery", KIT_T(say.ts), NULL };

    row.body = apr_psprintf(
        unit_pool,
        "{%s%s%s\"alert_event\":\"ALERT_STATE_EVENT_%s\",\"alert_type\":\"%s\",\"data\":{%s%s%s%s"
        "\"packets_per_second\":%d},\"text\":\"t\",\"ts\":%" APR_INT64_T_FMT "}",
        member("account_id", say.account), member("alert_correlation_id", say.correlation),
        member("policy_id", say.policy), say.end ? "END" : "START",
        say.type ? say.type : "advanced_ddos_attack_l4_alert", member("attack_id", say.attack),
        member("target_ip", say.target), member("attack_vector", say.vector),
        member("start_time", say.start), say.pps, apr_time_sec(KIT_EPOCH) + say.ts);
    return row;
}

kit_row_t kit_tunnel(int ts, const char *id, const char *state, const char *account)
{
    kit_row_t row = { "delivery", KIT_T(ts), NULL };

    row.body = apr_psprintf(
        unit_pool,
        "{%s\"alert_type\":\"magic_tunnel_health_check_event\",\"data\":{\"tunnel_id\":\"%s\","
        "\"tunnel_name\":\"gre-%s\",\"new_status\":\"%s\"},\"text\":\"t\",\"ts\":%" APR_INT64_T_FMT
        "}",
        member("account_id", account), id, id, state, apr_time_sec(KIT_EPOCH) + ts);
    return row;
}

kit_row_t kit_close(int at, const char *ref)
{
    kit_row_t row = { "command", KIT_T(at), NULL };

    row.body = apr_psprintf(unit_pool, "{\"command\":\"attack.close\",\"id\":\"%s\"}", ref);
    return row;
}

kit_row_t kit_config(int at, const char *json)
{
    kit_row_t row = { "config", KIT_T(at), json };

    return row;
}

/* ---- rows of the world ----------------------------------------------------------------------- */

kit_row_t kit_prefix(int at, const char *id, const char *cidr, int advertised, int gone)
{
    cfmt_bgp_prefix_t b = { .id = id, .parent = "p", .approved = 1, .enabled = 1, .locked = 0,
                            .bgp_control = 0, .auto_withdraw = -1, .advertised = advertised };
    kit_row_t row = { "prefix_state", KIT_T(at), NULL };

    ck_assert_int_eq(cfmt_cidr_parse(&b.cidr, NULL, cidr), APR_SUCCESS);
    row.body = cfmt_prefix_encode(&b, gone, unit_pool);
    return row;
}

kit_row_t kit_tunnel_read(int at, const char *id, const char *state, int gone)
{
    cfmt_tunnel_t t = { .id = id, .kind = CFMT_TUNNEL_GRE, .name = id, .checked = 1, .active = 1,
                        .health = !strcmp(state, "up") };
    kit_row_t row = { "tunnel_state", KIT_T(at), NULL };

    row.body = cfmt_tunnel_encode(&t, state, gone, unit_pool);
    return row;
}

kit_row_t kit_rule(int at, const char *id, const char *name, const char *cidr, int gone)
{
    cfmt_rule_t r = { .id = id, .name = name, .type = "threshold", .automatic = 0 };
    kit_row_t row = { "rule_state", KIT_T(at), NULL };

    r.prefixes = apr_array_make(unit_pool, 1, sizeof(cfmt_cidr_t));
    ck_assert_int_eq(cfmt_cidr_parse(apr_array_push(r.prefixes), NULL, cidr), APR_SUCCESS);
    row.body = cfmt_rule_encode(&r, gone, unit_pool);
    return row;
}

kit_row_t kit_volumetric(int ts, const char *attack, const char *name, const char *target)
{
    kit_row_t row = { "delivery", KIT_T(ts), NULL };

    row.body = apr_psprintf(
        unit_pool,
        "{\"alert_event\":\"ALERT_STATE_EVENT_START\",\"alert_type\":\"fbm_volumetric_attack\","
        "\"data\":{\"attack_id\":\"%s\",%s%s%s\"rule_name\":\"%s\"},\"text\":\"t\",\"ts\":"
        "%" APR_INT64_T_FMT "}",
        attack, target ? "\"target_ip\":\"" : "", target ? target : "", target ? "\"," : "", name,
        apr_time_sec(KIT_EPOCH) + ts);
    return row;
}

kit_row_t kit_volumetric_end(int ts, const char *attack, const char *name)
{
    kit_row_t row = kit_volumetric(ts, attack, name, NULL);
    char *state = strstr(row.body, "_START");

    ck_assert(state != NULL);
    row.body = apr_pstrcat(unit_pool, apr_pstrndup(unit_pool, row.body, state - row.body), "_END",
                           state + 6, NULL);
    return row;
}

/* ---- store ----------------------------------------------------------------------------------- */

cfmt_store_t *kit_open(const char *name)
{
    const char *path = unit_path(name);
    cfmt_result_t r = { .status = APR_SUCCESS };
    cfmt_store_t *s;

    ck_assert_msg(cfmt_prepare_store(path, NULL, KIT_T(0), &r, unit_pool) == APR_SUCCESS, "%s",
                  r.detail);
    ck_assert_msg(cfmt_store_open(&s, path, CFMT_STORE_WRITE, &r, unit_pool) == APR_SUCCESS, "%s",
                  r.detail);
    kit_sql(s, "PRAGMA synchronous = OFF");
    kit_wipe(s);
    return s;
}

void kit_sql(cfmt_store_t *s, const char *sql)
{
    ck_assert_msg(cfmt_sql_exec(s, sql) == APR_SUCCESS, "%s: %s", sql, cfmt_store_error(s));
}

const char *kit_text(cfmt_store_t *s, const char *sql)
{
    const char *text = NULL;
    sqlite3_stmt *st;

    ck_assert_msg(sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK, "%s: %s", sql,
                  sqlite3_errmsg(s->db));
    if (sqlite3_step(st) == SQLITE_ROW) {
        text = apr_pstrdup(unit_pool, (const char *)sqlite3_column_text(st, 0));
    }
    sqlite3_finalize(st);
    return text;
}

apr_int64_t kit_int(cfmt_store_t *s, const char *sql)
{
    const char *text = kit_text(s, sql);

    ck_assert_msg(text != NULL, "%s: nothing", sql);
    return apr_atoi64(text);
}

void kit_wipe(cfmt_store_t *s)
{
    kit_sql(s,
            "BEGIN;"
            "DELETE FROM journal; DELETE FROM event; DELETE FROM event_repeat; DELETE FROM attack;"
            "DELETE FROM attack_key; DELETE FROM entity; DELETE FROM sqlite_sequence;"
            "DELETE FROM prefix; DELETE FROM tunnel; DELETE FROM rule; DELETE FROM reading;"
            "DELETE FROM evidence; DELETE FROM evidence_minute;"
            "DELETE FROM meta WHERE name <> 'min_code';"
            "COMMIT");
}

void kit_append(cfmt_store_t *s, const kit_row_t *rows, int n)
{
    int i;

    ck_assert_int_eq(cfmt_store_begin(s, -1), APR_SUCCESS);
    for (i = 0; i < n; i++) {
        cfmt_entry_t e = { .kind = rows[i].kind,
                           .at = rows[i].at,
                           .origin = "test",
                           .body = rows[i].body,
                           .len = strlen(rows[i].body) };

        ck_assert_int_eq(cfmt_journal_append(s, &e), APR_SUCCESS);
    }
    ck_assert_int_eq(cfmt_store_commit(s), APR_SUCCESS);
}

int kit_project(cfmt_store_t *s, int limit)
{
    apr_pool_t *p;
    cfmt_projector_t *pr;
    apr_status_t rv;
    int done, steps = 0;

    apr_pool_create(&p, unit_pool);
    pr = cfmt_projector_create(NULL, p);
    do {
        rv = cfmt_project_step(pr, s, limit, &done, p);
        ck_assert_msg(rv == APR_SUCCESS, "step: %s: %s", cfmt_status_text(rv, p),
                      cfmt_store_error(s));
        steps += done > 0;
    } while (done);
    apr_pool_destroy(p);
    return steps;
}

void kit_rebuild(cfmt_store_t *s, int limit)
{
    ck_assert_int_eq(cfmt_project_reset(s), APR_SUCCESS);
    kit_project(s, limit);
}

void kit_go_on(cfmt_store_t *s, kit_row_t row)
{
    kit_append(s, &row, 1);
    kit_project(s, 200);
}

void kit_prune(cfmt_store_t *s, apr_time_t t)
{
    const apr_interval_time_t day = apr_time_from_sec(86400);
    cfmt_retention_t conf = { .journal = day };
    int more;

    do {
        ck_assert_int_eq(cfmt_retention_step(s, &conf, t + day, &more, unit_pool), APR_SUCCESS);
    } while (more);
}

/* ---- dumps ----------------------------------------------------------------------------------- */

static void dump_query(apr_array_header_t *out, cfmt_store_t *s, const char *sql, int skip,
                       apr_pool_t *p)
{
    sqlite3_stmt *st;
    int i;

    ck_assert_msg(sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK, "%s: %s", sql,
                  sqlite3_errmsg(s->db));
    while (sqlite3_step(st) == SQLITE_ROW) {
        for (i = skip; i < sqlite3_column_count(st); i++) {
            const char *text = (const char *)sqlite3_column_text(st, i);

            APR_ARRAY_PUSH(out, const char *) = apr_pstrcat(p, sqlite3_column_name(st, i), "=",
                                                            text ? text : "NULL", " ", NULL);
        }
        APR_ARRAY_PUSH(out, const char *) = "\n";
    }
    sqlite3_finalize(st);
}

const char *kit_dump(cfmt_store_t *s, int ids, apr_pool_t *p)
{
    apr_array_header_t *out = apr_array_make(p, 256, sizeof(const char *));

    /* without its number, which comes first: it depends on who came first */
    dump_query(out, s, "SELECT * FROM attack ORDER BY id", 1, p);
    dump_query(out, s,
               "SELECT k.kind, k.value, k.account, k.id, (SELECT a.id FROM attack a"
               " WHERE a.number = k.attack) AS attack FROM attack_key k ORDER BY 1, 2, 3",
               0, p);
    dump_query(out, s, "SELECT * FROM entity ORDER BY kind, id", 0, p);
    dump_query(out, s, "SELECT * FROM prefix ORDER BY id", 0, p);
    dump_query(out, s, "SELECT * FROM tunnel ORDER BY id", 0, p);
    dump_query(out, s, "SELECT * FROM rule ORDER BY id", 0, p);
    dump_query(out, s, "SELECT * FROM evidence ORDER BY day, prefix, at", 0, p);
    dump_query(out, s, "SELECT * FROM evidence_minute ORDER BY day, prefix, at", 0, p);
    dump_query(out, s, "SELECT * FROM event ORDER BY ts, digest, id", ids ? 0 : 2, p);
    if (ids) {
        dump_query(out, s, "SELECT * FROM event_repeat ORDER BY id", 0, p);
        dump_query(out, s,
                   "SELECT * FROM meta WHERE name IN ('cursor', 'last_delivery_at') ORDER BY name",
                   0, p);
    }
    return apr_array_pstrcat(p, out, 0);
}

/* Shows the lines that differ first: check cannot take a long message. */
void kit_same(const char *got, const char *want, const char *what)
{
    int i, line = 0;

    for (i = 0; got[i] && got[i] == want[i]; i++) {
        line = got[i] == '\n' ? i + 1 : line;
    }
    ck_assert_msg(got[i] == want[i], "%s:\n--- got\n%.700s\n--- want\n%.700s", what, got + line,
                  want + line);
}

void kit_check_rebuild(cfmt_store_t *s, const char *what)
{
    static const int limits[] = { 200, 1, 3 };
    const char *want = kit_dump(s, 1, unit_pool);
    int i;

    for (i = 0; i < KIT_COUNT(limits); i++) {
        kit_rebuild(s, limits[i]);
        kit_same(kit_dump(s, 1, unit_pool), want, what);
    }
}

void kit_oracle(cfmt_store_t *s)
{
    ck_assert_int_eq(
        kit_int(
            s,
            "SELECT count(*) FROM attack a WHERE (a.state = 'ended') <> (SELECT e.state = 'end'"
            " FROM event e WHERE e.attack = a.id ORDER BY ts DESC, e.state = 'end' DESC LIMIT 1)"),
        0);
    ck_assert_int_eq(
        kit_int(s,
                "SELECT count(*) FROM attack a JOIN (SELECT attack, count(*) AS n, min(ts) AS t0,"
                " max(ts) AS t1, max(pps) AS pps, count(DISTINCT target) AS nt FROM event"
                " GROUP BY attack) e ON e.attack = a.id WHERE a.events <> n OR a.started_at <> t0"
                " OR a.last_at <> t1 OR a.peak_pps <> pps OR json_array_length(a.targets) <> nt"),
        0);
    ck_assert_int_eq(
        kit_int(s, "SELECT count(*) FROM event x JOIN event y ON x.attack <> y.attack"
                   " AND x.source = 'alert' AND y.source = 'alert' AND x.account IS y.account"
                   " AND (x.attack_id = y.attack_id OR x.correlation_id = y.correlation_id)"),
        0);
    ck_assert_int_eq(
        kit_int(s,
                "SELECT (SELECT count(*) FROM event WHERE attack IS NOT NULL"
                " AND attack NOT IN (SELECT id FROM attack))"
                " + (SELECT count(*) FROM attack_key"
                " WHERE attack NOT IN (SELECT number FROM attack))"
                " + (SELECT count(*) FROM attack WHERE id NOT IN (SELECT attack FROM event"
                " WHERE attack IS NOT NULL))"),
        0);
    ck_assert_int_eq(
        kit_int(s, "SELECT count(*) FROM attack a WHERE a.id <> (SELECT k.id FROM attack_key k"
                   " WHERE k.attack = a.number ORDER BY kind, value, account LIMIT 1)"),
        0);
}

unsigned kit_random(unsigned *seed, unsigned below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 16) % below;
}

/* ---- clock and log --------------------------------------------------------------------------- */

apr_time_t kit_now;
char kit_lines[1 << 20];

static apr_time_t read_clock(void *baton)
{
    (void)baton;
    return kit_now;
}

static void keep_line(void *baton, cfmt_level_e level, const char *line)
{
    apr_size_t used = strlen(kit_lines);

    (void)baton, (void)level;
    apr_snprintf(kit_lines + used, sizeof(kit_lines) - used, "%s\n", line);
}

const cfmt_clock_t kit_clock = { .now = read_clock };
const cfmt_log_t kit_log = { .write = keep_line, .max = CFMT_LOG_INFO };

int kit_told(const char *word)
{
    const char *at = kit_lines;
    int n = 0;

    while ((at = strstr(at, word))) {
        at += strlen(word);
        n++;
    }
    return n;
}
