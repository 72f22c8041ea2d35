/*
 * Notifications: what Cloudflare sends about attacks, which of it arrives, how often and when, and
 * what its history says of them.
 */
#include <string.h>

#include <apr_strings.h>

#include "model.h"

typedef struct notice_t {
    int number;
    apr_time_t sent;
    const char *type, *body;
    attack_t *attack;     /* NULL: an advertisement */
    prefix_t *prefix;
    apr_time_t changed;   /* that it tells of */
    int end;
    int copies;           /* still to come */
} notice_t;

static apr_array_header_t *notices;

void alerts_begin(void)
{
    notices = apr_array_make(m.pool, 256, sizeof(notice_t *));
}

/* ---- arriving -------------------------------------------------------------------------------- */

static void note_report(notice_t *n, apr_int64_t row)
{
    attack_t *a = n->attack;
    report_t *r;

    if (a->reported == a->reports_max) {
        report_t *more = apr_palloc(m.pool, sizeof(*more) * (apr_size_t)(a->reports_max + 8));

        memcpy(more, a->reports, sizeof(*more) * (apr_size_t)a->reported);
        a->reports = more;
        a->reports_max += 8;
    }
    r = &a->reports[a->reported++];
    *r = (report_t){ .ts = n->sent / SEC(1) * SEC(1), .at = model_clock(), .end = n->end,
                     .row = row };
}

static void arrive(void *arg)
{
    notice_t *n = arg;
    apr_int64_t row;

    if (m.down) {
        trace("delivery: nobody is there for it: %s of %d", n->type, n->number);
        return;
    }
    row = eye_append("delivery", "198.51.100.1", n->body, n->sent);
    trace("delivery: row %" APR_INT64_T_FMT ", %s %s of %s", row, n->type, n->end ? "END" : "START",
          n->attack ? apr_psprintf(m.pool, "attack %d", n->attack->number) : n->prefix->text);
    if (n->attack) {
        note_report(n, row);
    }
    else {
        n->prefix->auto_at = n->sent;
        n->prefix->now.told |= n->prefix->now.at == n->changed && m.now - n->changed < 4 * MIN
                               && !m.off;
    }
    node_wake(&m.node[0]);
    node_wake(&m.node[1]);
}

/* ---- sending --------------------------------------------------------------------------------- */

static apr_interval_time_t delay(rnd_t *r)
{
    int kind = (int)rnd_below(r, 100);

    return kind < 85 ? rnd_span(r, 1, 20000) * 1000
           : kind < 97 ? rnd_span(r, 20, 600) * SEC(1) : rnd_span(r, 10, 120) * MIN;
}

static void send_one(void *arg)
{
    notice_t *n = arg;
    rnd_t r = { rnd_mix(m.seed ^ (apr_uint64_t)n->number << 20, (apr_uint64_t)n->sent) };

    APR_ARRAY_PUSH(notices, notice_t *) = n;
    while (n->copies-- > 0) {
        agenda_add(m.now + delay(&r), arrive, n);
    }
}

static void send_at(const notice_t *what, rnd_t *r)
{
    notice_t *n = apr_pmemdup(m.pool, what, sizeof(*what));
    int kind = (int)rnd_below(r, 100);

    n->copies = kind < 8 ? 0 : kind < 80 ? 1 : 2;
    if (n->attack) {
        apr_time_t *last = n->end ? &n->attack->last_end : &n->attack->last_start;

        *last = n->sent > *last ? n->sent : *last;
    }
    if (n->sent <= m.now && !n->end) { /* at once */
        APR_ARRAY_PUSH(notices, notice_t *) = n;
        arrive(n);
        return;
    }
    agenda_add(n->sent, send_one, n);
}

static const char *data_of(const attack_t *a, int variant)
{
    int type = a->ev->how & 3;
    const char *id = apr_psprintf(m.pool, "\"attack_id\":\"%s-%d\",", variant ? "std" : "adv",
                                  a->number);
    const char *target = apr_psprintf(m.pool, "\"target_ip\":\"%s\",", a->target_text);

    if (a->ev->how & ATTACK_NO_TARGET) {
        target = "";
    }
    else if (type == ATTACK_RULE) {
        target = apr_psprintf(m.pool, "\"rule_name\":\"rule %d\",", a->ev->prefix);
    }
    return apr_psprintf(m.pool, "%s%s\"packets_per_second\":%d", id, target, (int)a->pps);
}

static void say(attack_t *a, int end, apr_time_t at, int variant, rnd_t *r)
{
    static const char *const types[] = {
        [ATTACK_L4] = "advanced_ddos_attack_l4_alert", [ATTACK_DOSD] = "fbm_dosd_attack",
        [ATTACK_RULE] = "fbm_volumetric_attack", [ATTACK_TWICE] = "advanced_ddos_attack_l4_alert",
    };
    notice_t n = { .number = a->number, .sent = at, .attack = a, .end = end };

    n.type = variant ? "dos_attack_l4" : types[a->ev->how & 3];
    n.body = apr_psprintf(
        m.pool,
        "{\"account_id\":\"%s\",%s\"alert_event\":\"ALERT_STATE_EVENT_%s\",\"alert_type\":\"%s\","
        "\"policy_id\":\"%s\",\"data\":{%s},\"text\":\"t\",\"ts\":%" APR_INT64_T_FMT "}",
        a->ev->how & ATTACK_FOREIGN ? "00000000000000000000000000000001" : ACCOUNT,
        (a->ev->how & 3) == ATTACK_TWICE
            ? apr_psprintf(m.pool, "\"alert_correlation_id\":\"c-%d\",", a->number) : "",
        end ? "END" : "START", n.type, variant ? "p2" : "p1", data_of(a, variant),
        apr_time_sec(at));
    send_at(&n, r);
}

static void say_both(attack_t *a, int end, apr_time_t at, rnd_t *r)
{
    say(a, end, at, 0, r);
    if ((a->ev->how & 3) == ATTACK_TWICE) {
        say(a, end, at + rnd_span(r, 0, 60) * SEC(1), 1, r);
    }
}

void alerts_of(attack_t *a)
{
    rnd_t r = { rnd_mix(a->ev->salt, 5) };

    if (a->ev->how & ATTACK_SILENT) {
        return;
    }
    say_both(a, 0, a->ev->how & ATTACK_AT_ONCE ? m.now
                   : m.now + rnd_span(&r, 30, 240) * SEC(1), &r);
    if (a->ev->how & ATTACK_FALSE_END) {
        say_both(a, 1, m.now + a->ev->len / 2, &r);
    }
    if (!(a->ev->how & ATTACK_NO_END)) {
        say_both(a, 1, a->to + rnd_span(&r, 30, 600) * SEC(1), &r);
    }
}

void alerts_advertised(prefix_t *p, apr_time_t at)
{
    rnd_t r = { rnd_mix(m.seed, (apr_uint64_t)at ^ 0x55) };
    notice_t n = { .number = -1, .sent = at + rnd_span(&r, 1, 60) * SEC(1), .prefix = p,
                   .changed = p->now.at, .type = "fbm_auto_advertisement" };

    n.body = apr_psprintf(
        m.pool,
        "{\"account_id\":\"" ACCOUNT "\",\"alert_type\":\"fbm_auto_advertisement\",\"data\":"
        "{\"advertise_status\":[{\"prefix\":\"%s\",\"status\":\"Advertised\"}]},\"text\":\"t\","
        "\"ts\":%" APR_INT64_T_FMT "}", p->text, apr_time_sec(n.sent));
    send_at(&n, &r);
}

/* ---- history --------------------------------------------------------------------------------- */

const char *alerts_history(apr_time_t since, apr_pool_t *p)
{
    apr_array_header_t *items = apr_array_make(p, 16, sizeof(const char *));
    int i;

    for (i = notices->nelts - 1; i >= 0 && items->nelts < 100; i--) {
        const notice_t *n = APR_ARRAY_IDX(notices, i, notice_t *);

        if (n->sent < since) {
            break;
        }
        if (n->attack) {
            apr_time_t *shown = n->end ? &n->attack->end_shown : &n->attack->start_shown;

            *shown = n->sent > *shown ? n->sent : *shown;
        }
        APR_ARRAY_PUSH(items, const char *) = apr_psprintf(
            p,
            "{\"id\":\"cccccccccccccccccccccccc%08x\",\"alert_type\":\"%s\",\"policy_id\":\"%s\","
            "\"mechanism_type\":\"webhook\",\"alert_body\":%s,\"sent\":\"%s\"}",
            (unsigned)i, n->type, strstr(n->body, "\"p2\"") ? "p2" : n->attack ? "p1" : "",
            cfmt_json_quote(p, n->body), cfmt_time_format(p, n->sent));
    }
    return apr_array_pstrcat(p, items, ',');
}
